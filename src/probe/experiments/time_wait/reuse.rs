//! When may a port in TIME_WAIT connect to the same place again?

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use socket2::Socket;

use super::super::tried;
use super::{BACKLOG, CLOSED, STEP, connected, ended};
use crate::measure::card::{Experiment, Instrument, Method, Missing, Observation};
use crate::probe::client::{Client, drain};
use crate::probe::ground::missing;
use crate::probe::infer::timers;
use crate::probe::waiting::{Variant, word};
use crate::probe::{Ground, Site};
use crate::sys::listener::listen;
use crate::sys::socket::Dialer;
use crate::units::{Ports, UnitError};

/// How long a port in TIME_WAIT is tried again.
const TRIES: Duration = Duration::from_secs(4);
/// Ports of a short range, and the same for a socket of its own.
const SHORT: usize = 20;
const OWN: &str = "40000-40019";
/// Where a listener is that must not be in the range.
const OUTSIDE: u16 = 30_000;

/// How a port in TIME_WAIT is tried: one that the client asks for, or one that the system chooses
/// from a range in which every port is in TIME_WAIT. Systems may treat loopback by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// Asked for, on loopback.
    Bound,
    Loopback,
    /// Another address of this host; there is one in a lab.
    Other,
}

/// One experiment.
pub fn reuse(ground: &Ground, at: At, variant: &Variant) -> Experiment {
    let bound = "A client closes first; then sockets are bound to its port by SO_REUSEADDR and \
                 connect to the same place, until one is connected or patience is over.";
    let chosen = "Clients that have every port of a short range towards one destination close \
                  first; then clients connect without a port of their own, until some are \
                  connected or patience is over.";
    let (id, how) = match at {
        At::Bound => ("tcp.time_wait.reuse_bound", bound),
        At::Loopback => ("tcp.time_wait.reuse_on_loopback", chosen),
        At::Other => ("tcp.time_wait.reuse_elsewhere", chosen),
    };
    let method = Method { instrument: Instrument::Errors, how: how.to_owned() };
    let question = "When may a port in TIME_WAIT connect to the same place again?";
    let experiment = Experiment::new(id, question, method).over(variant.0).with(variant.1);
    tried(experiment, |experiment| {
        // Without a short range of the namespace a socket has one of its own.
        let own = variant.1.is_empty() && at != At::Bound;
        let own = own.then(|| OWN.parse()).transpose();
        let own = own.map_err(|error: UnitError| Missing::all(error.to_string(), "none"))?;
        let work = |site: &Site| reused(site, at, own);
        experiment.observations = match at {
            At::Other => ground.off_loopback(variant.0, variant.1, work),
            At::Bound | At::Loopback => ground.at(variant.0, variant.1, work),
        }?;
        timers::reuse(experiment);
        Ok(())
    })
}

fn reused(site: &Site, at: At, own: Option<Ports>) -> Result<Vec<Observation>, Missing> {
    // Outside of the short range where there is one; else anywhere.
    let port = if at == At::Bound || own.is_some() { 0 } else { OUTSIDE };
    let listener = listen(SocketAddr::new(site.address, port), BACKLOG);
    let listener = listener.map_err(|error| missing("listen", &error))?;
    let server = site.permit(&listener)?;
    let dialer = Dialer::new(server, &[], own, false);
    let bound = match (at, all_closed(&dialer, &listener, at)?) {
        (At::Bound, closed) => closed,
        _ => vec![None; CLOSED],
    };
    let since = Instant::now();
    let mut tried: Vec<(Option<SocketAddr>, Option<f64>, String)> =
        bound.into_iter().map(|from| (from, None, String::new())).collect();
    // Whoever is connected keeps its port.
    let mut held = Vec::new();
    while since.elapsed() < TRIES && tried.iter().any(|(_, after, _)| after.is_none()) {
        for (from, after, error) in tried.iter_mut().filter(|one| one.1.is_none()) {
            let asked = since.elapsed().as_secs_f64();
            match again(&dialer, *from) {
                Ok(client) => {
                    held.push(connected(client)?);
                    *after = Some(asked);
                }
                refused => *error = word(&refused),
            }
        }
        drain(&listener)?;
        thread::sleep(STEP);
    }
    let waited = since.elapsed().as_secs_f64();
    Ok(tried.into_iter().map(|(_, after, error)| outcome(waited, after, &error)).collect())
}

/// Connects until no port is left (or so many as are asked for again), and closes all. Where they
/// were.
fn all_closed(
    dialer: &Dialer,
    listener: &Socket,
    at: At,
) -> Result<Vec<Option<SocketAddr>>, Missing> {
    dialer.socket(0).map_err(|error| missing("socket or IP_LOCAL_PORT_RANGE", &error))?;
    let most = if at == At::Bound { CLOSED } else { 2 * SHORT };
    let mut clients = Vec::new();
    while clients.len() < most {
        match again(dialer, None) {
            Ok(client) => clients.push(connected(client)?),
            Err(_) if !clients.is_empty() => break,
            Err(error) => return Err(missing("connect", &error)),
        }
    }
    if at != At::Bound && clients.len() == most {
        return Err(Missing::all("the short range of local ports was not kept", "none is known"));
    }
    let server = drain(listener)?;
    let places = clients.iter().map(|(_, local)| Some(*local)).collect();
    drop(clients);
    ended(&server);
    Ok(places)
}

fn outcome(waited: f64, after: Option<f64>, error: &str) -> Observation {
    let note = Observation::new().given("way", "connect_again");
    let note = match error {
        "" => note,
        error => note.seen("refused_with", error),
    };
    match after {
        Some(after) => note.seen("connected_after", after),
        None => note.seen("tried_for", waited),
    }
}

/// A client with SO_REUSEADDR, from this address if given.
fn again(dialer: &Dialer, from: Option<SocketAddr>) -> std::io::Result<Client> {
    let socket = dialer.socket(0)?;
    socket.set_reuse_address(true)?;
    if let Some(from) = from {
        socket.bind(&from.into())?;
    }
    let begun = Instant::now();
    dialer.connect(&socket)?;
    Ok(Client::of(socket, begun))
}
