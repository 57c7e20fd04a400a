//! How long does TIME_WAIT last, and when may its port be used again?

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use socket2::Socket;

use super::tried;
use crate::measure::card::{Depth, Experiment, Family, Instrument, Method, Missing, Observation};
use crate::probe::client::{Client, Fate, drain, wait};
use crate::probe::ground::missing;
use crate::probe::infer::timers;
use crate::probe::waiting::{Variant, fate, side_by_side, word};
use crate::probe::{Ground, Order, Site};
use crate::sys::endpoint::Endpoint;
use crate::sys::listener::listen;
use crate::sys::netlink::{End, Families, SockDiag, Stage};
use crate::sys::permit::PermittedAddr;
use crate::sys::socket::Dialer;

/// Room for every connection of an experiment.
const BACKLOG: i32 = 64;
/// Connections whose TIME_WAIT is looked at.
const CLOSED: usize = 3;
/// How long a port in TIME_WAIT is tried again.
const TRIES: Duration = Duration::from_secs(4);
/// Between two looks or tries.
const STEP: Duration = Duration::from_millis(50);
/// How long a client may take to connect or to close where nothing is full.
const AT_ONCE: Duration = Duration::from_secs(2);
const TW_REUSE: &str = "net.ipv4.tcp_tw_reuse";

/// Which addresses a port in TIME_WAIT is tried at: systems may treat loopback by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Loopback,
    /// Another address of this host; there is one in a lab.
    Other,
}

/// Length and reuse, each over both families.
pub fn experiments(ground: &Ground, order: &Order) -> Vec<Experiment> {
    let own: &[(&str, &str)] = &[];
    let settings = [own, &[(TW_REUSE, "0")], &[(TW_REUSE, "1")], &[(TW_REUSE, "2")]];
    let mut all: Vec<(Option<At>, Variant)> = Vec::new();
    for family in super::FAMILIES {
        all.push((None, (family, own)));
        all.push((Some(At::Loopback), (family, own)));
        for at in [At::Loopback, At::Other] {
            all.extend(settings[1..].iter().map(|some| (Some(at), (family, *some))));
        }
    }
    side_by_side(&all, |(at, variant)| match at {
        None => length(ground, order.depth, variant),
        Some(at) => reuse(ground, *at, variant),
    })
}

fn length(ground: &Ground, depth: Depth, variant: &Variant) -> Experiment {
    let how = "Clients close first. sock_diag tells what is left on their timers at once and, \
               where there is time, when they are gone; bind(2) without SO_REUSEADDR is refused \
               as long as the port is taken.";
    let method = Method { instrument: Instrument::SockDiag, how: how.to_owned() };
    let question = "How long does TIME_WAIT last?";
    let experiment = Experiment::new("tcp.time_wait.length", question, method);
    let patience = Duration::from_secs(match depth {
        Depth::Quick => 5,
        Depth::Standard => 36,
        Depth::Full => 250,
    });
    tried(experiment.over(variant.0), |experiment| {
        let seen = ground.at(variant.0, variant.1, |site| lengths(site, patience))?;
        experiment.observations = seen;
        timers::time_wait(experiment);
        if experiment.inferred.is_empty() {
            return Err(Missing::all(
                format!("ports were still taken after {} s", patience.as_secs()),
                "use --full, which waits until they are free",
            )
            .of("length"));
        }
        Ok(())
    })
}

fn lengths(site: &Site, patience: Duration) -> Result<Vec<Observation>, Missing> {
    let listener = site.listen(BACKLOG)?;
    let server = site.permit(&listener)?;
    let mut closed = Vec::new();
    for _ in 0..CLOSED {
        let (client, local) = connected(Client::connect(server)?)?;
        close(client, &listener)?;
        closed.push((local, Instant::now()));
    }
    let mut notes = Vec::new();
    if site.instruments.sock_diag {
        notes.extend(left(server, &closed)?);
    }
    let mut waiting: Vec<_> = closed.iter().collect();
    let started = Instant::now();
    while !waiting.is_empty() && started.elapsed() < patience {
        thread::sleep(STEP);
        waiting.retain(|(local, since)| {
            let refused = Endpoint::from(*local).socket().and_then(|s| s.bind(&(*local).into()));
            let free = refused.is_ok();
            if free {
                let after = since.elapsed().as_secs_f64();
                notes.push(Observation::new().given("way", "bind").seen("free_after", after));
            }
            !free
        });
    }
    notes.extend(waiting.iter().map(|(_, since)| {
        let note = Observation::new().given("way", "bind").seen("refused_with", "EADDRINUSE");
        note.seen("looked_until", since.elapsed().as_secs_f64())
    }));
    Ok(notes)
}

/// What sock_diag says of their timers.
fn left(
    server: PermittedAddr,
    closed: &[(SocketAddr, Instant)],
) -> Result<Vec<Observation>, Missing> {
    let mut kernel = SockDiag::open().map_err(|error| missing("sock_diag", &error))?;
    let mut notes = Vec::new();
    let port = server.get().port().unwrap_or(0);
    let listed = kernel.passing(End::Remote(port), Families::Both, |one| {
        let own = closed.iter().find(|(local, _)| local.port() == one.local_port);
        if let (Some((_, since)), Stage::TimeWait) = (own, one.stage) {
            let left = f64::from(one.expires_ms) / 1e3 + since.elapsed().as_secs_f64();
            notes.push(Observation::new().given("way", "timer").seen("left", left));
        }
    });
    listed.map(|()| notes).map_err(|error| missing("sock_diag", &error))
}

fn reuse(ground: &Ground, at: At, variant: &Variant) -> Experiment {
    let how = "A client closes first; then sockets are bound to its port by SO_REUSEADDR and \
               connect to the same place, until one is connected or patience is over.";
    let method = Method { instrument: Instrument::Errors, how: how.to_owned() };
    let question = "When may a port in TIME_WAIT connect to the same place again?";
    let id = match at {
        At::Loopback => "tcp.time_wait.reuse_on_loopback",
        At::Other => "tcp.time_wait.reuse_elsewhere",
    };
    let experiment = Experiment::new(id, question, method).over(variant.0).with(variant.1);
    tried(experiment, |experiment| {
        let seen = ground.at(variant.0, variant.1, |site| reused(site, at, variant.0))?;
        experiment.observations = seen;
        timers::reuse(experiment);
        Ok(())
    })
}

fn reused(site: &Site, at: At, family: Family) -> Result<Vec<Observation>, Missing> {
    let address = match (at, family) {
        (At::Other, _) => site.address,
        (At::Loopback, Family::Ipv4) => IpAddr::from(Ipv4Addr::LOCALHOST),
        (At::Loopback, Family::Ipv6) => IpAddr::from(Ipv6Addr::LOCALHOST),
    };
    let listener = listen(SocketAddr::new(address, 0), BACKLOG);
    let listener = listener.map_err(|error| missing("listen", &error))?;
    let server = site.permit(&listener)?;
    let mut closed = Vec::new();
    for _ in 0..CLOSED {
        let (client, local) =
            connected(again(server, None).map_err(|error| missing("connect", &error))?)?;
        close(client, &listener)?;
        closed.push((local, Instant::now(), None, String::new()));
    }
    let started = Instant::now();
    while started.elapsed() < TRIES && closed.iter().any(|(_, _, after, _)| after.is_none()) {
        for (local, since, after, error) in closed.iter_mut().filter(|one| one.2.is_none()) {
            let asked = since.elapsed().as_secs_f64();
            let tried = again(server, Some(*local));
            if tried.is_err() {
                *error = word(&tried);
            }
            *after = tried.ok().and_then(|client| connected(client).ok()).map(|_| asked);
        }
        drain(&listener)?;
        thread::sleep(STEP);
    }
    Ok(closed.into_iter().map(|(_, since, after, error)| outcome(since, after, &error)).collect())
}

fn outcome(since: Instant, after: Option<f64>, error: &str) -> Observation {
    let note = Observation::new().given("way", "bind_and_connect");
    let note = match error {
        "" => note,
        error => note.seen("refused_with", error),
    };
    match after {
        Some(after) => note.seen("connected_after", after),
        None => note.seen("tried_for", since.elapsed().as_secs_f64()),
    }
}

/// A client with SO_REUSEADDR, from this address if given.
fn again(server: PermittedAddr, from: Option<SocketAddr>) -> std::io::Result<Client> {
    let dialer = Dialer::new(server, &[], None, false);
    let socket = dialer.socket(0)?;
    socket.set_reuse_address(true)?;
    if let Some(from) = from {
        socket.bind(&from.into())?;
    }
    let begun = Instant::now();
    dialer.connect(&socket)?;
    Ok(Client { socket, begun })
}

/// A client that is connected, and its address.
fn connected(client: Client) -> Result<(Client, SocketAddr), Missing> {
    wait(AT_ONCE, Duration::from_micros(200), || fate(&client) != Fate::Waiting);
    match (fate(&client), client.local()) {
        (Fate::Established, Some(local)) => Ok((client, local)),
        (Fate::Ended(errno), _) => {
            Err(missing("connect", &std::io::Error::from_raw_os_error(errno)))
        }
        _ => Err(Missing::all("a client of an empty queue was not connected", "none is known")),
    }
}

/// Closes both ends, the client's first: TIME_WAIT is with who closes first (RFC 9293, 3.6).
fn close(client: Client, listener: &Socket) -> Result<(), Missing> {
    let mut server = drain(listener)?;
    wait(AT_ONCE, Duration::from_micros(200), || {
        server.extend(drain(listener).unwrap_or_default());
        !server.is_empty()
    });
    drop(client);
    let mut byte = [std::mem::MaybeUninit::uninit()];
    let ended = |one: &Socket, byte: &mut _| matches!(one.recv(byte), Ok(0));
    wait(AT_ONCE, Duration::from_micros(200), || server.iter().all(|one| ended(one, &mut byte)));
    drop(server);
    Ok(())
}
