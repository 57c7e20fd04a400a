//! How long does TIME_WAIT last, and when may its port be used again?

mod reuse;

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use socket2::Socket;

use self::reuse::At;
use super::tried;
use crate::measure::card::{Depth, Experiment, Instrument, Method, Missing, Observation};
use crate::probe::client::{Client, Fate, drain, wait};
use crate::probe::ground::missing;
use crate::probe::infer::timers;
use crate::probe::waiting::{Variant, side_by_side};
use crate::probe::{Ground, Order, Site};
use crate::sys::endpoint::Endpoint;
use crate::sys::netlink::{End, Families, SockDiag, Stage};
use crate::sys::permit::PermittedAddr;

/// Room for every connection of an experiment.
const BACKLOG: i32 = 64;
/// Connections whose TIME_WAIT is looked at.
const CLOSED: usize = 3;
/// Between two looks or tries.
const STEP: Duration = Duration::from_millis(50);
/// How long a client may take to connect or to close where nothing is full.
const AT_ONCE: Duration = Duration::from_secs(2);
const TW_REUSE: &str = "net.ipv4.tcp_tw_reuse";
const RANGE: &str = "net.ipv4.ip_local_port_range";

/// Length and reuse, each over both families.
pub fn experiments(ground: &Ground, order: &Order) -> Vec<Experiment> {
    let range = (RANGE, "40000 40019");
    let reuses = [[range, (TW_REUSE, "0")], [range, (TW_REUSE, "1")], [range, (TW_REUSE, "2")]];
    let mut all: Vec<(Option<At>, Variant)> = Vec::new();
    for family in super::FAMILIES {
        all.push((None, (family, &[])));
        all.push((Some(At::Bound), (family, &[])));
        all.push((Some(At::Loopback), (family, &[])));
        for at in [At::Loopback, At::Other] {
            all.extend(reuses.iter().map(|some| (Some(at), (family, some.as_slice()))));
        }
    }
    side_by_side(&all, |(at, variant)| match at {
        None => length(ground, order.depth, variant),
        Some(at) => reuse::reuse(ground, *at, variant),
    })
}

fn length(ground: &Ground, depth: Depth, variant: &Variant) -> Experiment {
    let how = "Clients close first. sock_diag tells at once what is left on their timers; bind(2) \
               without SO_REUSEADDR is refused as long as a port is taken, which is followed where \
               there is time.";
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

/// A client that is connected, and its address.
fn connected(client: Client) -> Result<(Client, SocketAddr), Missing> {
    wait(AT_ONCE, Duration::from_micros(200), || client.fate_by_poll() != Ok(Fate::Waiting));
    match (client.fate_by_poll()?, client.local()) {
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
    ended(&server);
    Ok(())
}

/// Waits until the server has seen every client's end; it closes afterwards.
fn ended(server: &[Socket]) {
    let mut byte = [std::mem::MaybeUninit::uninit()];
    let mut ended = || server.iter().all(|one| matches!(one.recv(&mut byte), Ok(0)));
    wait(AT_ONCE, Duration::from_micros(200), &mut ended);
}
