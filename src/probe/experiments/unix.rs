//! How many connections and datagrams wait at a socket of AF_UNIX?

mod datagrams;
mod order;

use std::time::{Duration, Instant};

use socket2::Socket;

use super::tried;
use crate::measure::card::{Experiment, Instrument, Method, Missing, Observation};
use crate::probe::ground::missing;
use crate::probe::infer::sockets as infer;
use crate::probe::unix_place::{UnixPlace, accept_one};
use crate::probe::{Ground, Order, Site};
use crate::sys::listener::listen;
use crate::sys::socket::Dialer;
use crate::sys::{errno, limits};
use crate::units::UnixKind;

/// Clients that are tried at most, for one listener.
const MOST: usize = 20_000;
/// Descriptors that are left to everybody else.
const SPARE: u64 = 200;
/// How long a blocking client waits for room.
const PATIENCE: Duration = Duration::from_millis(200);

/// SOCK_STREAM, SOCK_SEQPACKET and SOCK_DGRAM.
pub fn experiments(ground: &Ground, order: &Order) -> Vec<Experiment> {
    let mut all = vec![
        queue(ground, order, UnixKind::Stream, "unix.stream.queue"),
        queue(ground, order, UnixKind::Seqpacket, "unix.seqpacket.queue"),
    ];
    all.extend(datagrams::experiments(ground));
    all
}

fn queue(ground: &Ground, order: &Order, kind: UnixKind, id: &str) -> Experiment {
    let method = Method {
        instrument: Instrument::Accept,
        how: "Clients connect without waiting until one fails; then the listener accepts until \
              nobody waits. Another client waits for room, and several come in a known order."
            .to_owned(),
    };
    let question =
        "How many connections wait for accept() at listen(n), and what becomes of the next?";
    tried(Experiment::new(id, question, method), |experiment| {
        for backlog in &order.backlogs {
            match ground.off_network(|site| filled(site, kind, *backlog)) {
                Ok(seen) => {
                    experiment.saw(seen);
                }
                Err(missing) => experiment.missing.push(missing.of("capacity")),
            }
        }
        for trial in [blocking, order::trial] {
            match ground.off_network(|site| trial(site, kind)) {
                Ok(seen) => {
                    experiment.saw(seen);
                }
                Err(missing) => experiment.missing.push(missing),
            }
        }
        infer::queue(experiment);
        Ok(())
    })
}

/// Connects until that fails, and accepts all.
fn filled(site: &Site, kind: UnixKind, backlog: i32) -> Result<Observation, Missing> {
    let room = limits::raise_descriptors().or_else(|_| limits::descriptors().map(|both| both.0));
    let room = room.map_err(|error| missing("getrlimit", &error))?.saturating_sub(SPARE);
    let place = UnixPlace::new(kind, |endpoint| listen(endpoint, backlog))?;
    let clients = fill(site, &place, MOST.min(usize::try_from(room).unwrap_or(MOST)))?;
    let mut accepted = 0;
    while accept_one(&place.socket)?.is_some() {
        accepted += 1;
    }
    let one = Observation::new()
        .given("trial", "fill")
        .given("backlog", i64::from(backlog))
        .seen("connected", clients.connected.len() as i64)
        .seen("accepted", accepted);
    match clients.error {
        Some(error) => Ok(one.seen("error", errno::error_name(&error))),
        None => Err(Missing::all(
            format!("{} clients fitted at listen({backlog}), and more were not tried", accepted),
            "raise the limit of descriptors (ulimit -n)",
        )),
    }
}

/// Clients that are connected, and why the next one was not.
struct Clients {
    connected: Vec<Socket>,
    error: Option<std::io::Error>,
}

fn fill(site: &Site, place: &UnixPlace, most: usize) -> Result<Clients, Missing> {
    let dialer = Dialer::new(site.permit(&place.socket)?, &[], None, false);
    let mut connected = Vec::new();
    while connected.len() < most {
        let socket = dialer.socket(0).map_err(|error| missing("socket", &error))?;
        match dialer.connect(&socket) {
            Ok(()) => connected.push(socket),
            Err(error) => return Ok(Clients { connected, error: Some(error) }),
        }
    }
    Ok(Clients { connected, error: None })
}

/// One that finds no room, and may wait.
fn blocking(site: &Site, kind: UnixKind) -> Result<Observation, Missing> {
    let place = UnixPlace::new(kind, |endpoint| listen(endpoint, 1))?;
    let _clients = fill(site, &place, MOST)?;
    let dialer = Dialer::new(site.permit(&place.socket)?, &[], None, false);
    let socket = dialer.socket(0).map_err(|error| missing("socket", &error))?;
    let begun = Instant::now();
    let error = dialer.connect_waiting(&socket, PATIENCE).err();
    let one = Observation::new()
        .given("trial", "blocking")
        .given("backlog", 1)
        .given("patience_s", PATIENCE.as_secs_f64())
        .seen("took_s", begun.elapsed().as_secs_f64());
    match error {
        Some(error) => Ok(one.seen("error", errno::error_name(&error))),
        None => Ok(one.seen("connected", true)),
    }
}
