//! What becomes of a SYN and of a final ACK that meet a full accept queue?

use std::collections::HashSet;
use std::thread::sleep;
use std::time::{Duration, Instant};

use socket2::Socket;

use super::{FAMILIES, tried};
use crate::lab::HalfOpen;
use crate::measure::card::{Experiment, Family, Method, Methods, Missing};
use crate::observe::counters::Counters;
use crate::probe::client::{Client, Fate, discard, tally};
use crate::probe::crowd::{arrive, counted, grew, late, look, note, standing, watcher};
use crate::probe::ground::missing;
use crate::probe::infer::{counters, fates};
use crate::probe::{Ground, METHODS, Order, Site};
use crate::sys::listener::Listening;
use crate::sys::permit::PermittedAddr;
use crate::sys::{deaf, ready};

/// Of the listener: small, and more than the lowest value that a system may raise.
const BACKLOG: i32 = 4;
/// Clients that are more than any system holds for it.
const CLIENTS: usize = 16;
/// Clients whose handshake is not over when the queue becomes full.
const HALF_OPEN: usize = 3;
/// How long an answer may take that is not sent again.
const SOON: Duration = Duration::from_millis(150);
/// The first SYN that is sent again is under way, or was.
const RETRIED: Duration = Duration::from_millis(1300);
/// For how many seconds a listener waits for data.
const DEFER_S: u32 = 30;

const ABORT: &str = "net.ipv4.tcp_abort_on_overflow";

/// The next SYN and the final ACK, as the system is set, and with `tcp_abort_on_overflow` where that
/// can be set.
pub fn experiments(ground: &Ground, _: &Order) -> Vec<Experiment> {
    let mut all = Vec::new();
    for settings in [&[][..], &[(ABORT, "1")]] {
        for family in FAMILIES {
            // The setting is one of final ACKs, so that one look at SYNs is enough.
            if settings.is_empty() || family == Family::Ipv4 {
                all.push(next_syn(ground, family, settings));
            }
            all.push(with_data(ground, family, settings));
            all.push(bare(ground, family, settings));
        }
    }
    all
}

fn next_syn(ground: &Ground, family: Family, settings: &[(&str, &str)]) -> Experiment {
    let how = format!(
        "{CLIENTS} clients connect one after the other to a listener with listen({BACKLOG}) that \
         does not accept. What each believes is noted, then accept() gives out who was in the \
         queue, and goes on to see who comes in later."
    );
    let method = Method { instrument: watcher(), how };
    let question = "What becomes of a SYN that meets a full accept queue?";
    let experiment = Experiment::new("tcp.overflow.next_syn", question, method);
    tried(experiment.over(family).with(settings), |experiment| {
        ground.at(family, settings, |site| {
            let listener = site.listen(BACKLOG)?;
            let to = site.permit(&listener)?;
            let before = counted(site);
            let clients = arrive(to, CLIENTS)?;
            sleep(SOON);
            let soon = counted(site);
            let outside = standing(&clients, Fate::Waiting);
            grew(experiment, "first", outside, &before, &soon);
            if soon.is_some() && outside > 0 {
                sleep(RETRIED.saturating_sub(SOON));
                let again = if outside == standing(&clients, Fate::Waiting) { outside } else { 0 };
                grew(experiment, "sent_again", again, &soon, &counted(site));
            }
            let told = look(&clients)?;
            let inside: HashSet<_> = tally(&listener)?.into_iter().collect();
            let late = late(&listener, &clients, &inside)?;
            note(experiment, "newcomer", (&clients, &told), (&inside, &late));
            discard(clients);
            Ok(())
        })?;
        fates::conclude_syn(experiment);
        counters::conclude(experiment);
        Ok(())
    })
}

/// The final ACK carries data: TCP_DEFER_ACCEPT makes the kernel wait for that.
fn with_data(ground: &Ground, family: Family, settings: &[(&str, &str)]) -> Experiment {
    let how = format!(
        "With TCP_DEFER_ACCEPT, {HALF_OPEN} silent clients are established for themselves, not for \
         the listener; others fill its queue by sending a byte. Then the silent ones send theirs."
    );
    let method = Method { instrument: watcher(), how };
    let question = "What becomes of a final ACK, with data, that meets a full accept queue?";
    let experiment = Experiment::new("tcp.overflow.final_ack_with_data", question, method);
    tried(experiment.over(family).with(settings), |experiment| {
        if METHODS == Methods::Portable {
            return Err(Missing::all("TCP_DEFER_ACCEPT is not portable", "use native methods"));
        }
        ground.at(family, settings, |site| {
            let how = Listening { defer_accept: Some(DEFER_S), ..Listening::plain(BACKLOG) };
            let listener = site.listen_so(how)?;
            let to = site.permit(&listener)?;
            let silent = arrive(to, HALF_OPEN)?;
            if ready::is_readable(&listener).map_err(|error| missing("poll", &error))? {
                return Err(Missing::all(
                    "TCP_DEFER_ACCEPT does not hold silent clients back here",
                    "none is known",
                ));
            }
            let filling = fill(to, b"x")?;
            let before = counted(site);
            for client in &silent {
                client.socket.send(b"x").map_err(|error| missing("send", &error))?;
            }
            after_ack(site, experiment, &listener, (silent, filling), (SOON, before))
        })?;
        fates::conclude_ack(experiment);
        Ok(())
    })
}

/// The final ACK carries nothing: a client that was deaf hears the SYN-ACK that is sent again.
fn bare(ground: &Ground, family: Family, settings: &[(&str, &str)]) -> Experiment {
    let how = format!(
        "{HALF_OPEN} clients that hear nothing connect, others fill the queue; then the first hear \
         again, get the SYN-ACK that is sent once more after a second, and answer it."
    );
    let method = Method { instrument: watcher(), how };
    let question = "What becomes of a final ACK that meets a full accept queue?";
    let experiment = Experiment::new("tcp.overflow.final_ack", question, method);
    tried(experiment.over(family).with(settings), |experiment| {
        ground.at(family, settings, |site| {
            let lab = site.lab.ok_or_else(|| {
                let remedy = "run where an ordinary user may make namespaces, or as root";
                Missing::all("handshakes are left half-open in a lab only", remedy)
            })?;
            let listener = site.listen(BACKLOG)?;
            let to = site.permit(&listener)?;
            let port = to.get().port().unwrap_or(0);
            let deaf = deaf_clients(&HalfOpen::new(lab, port))?;
            let filling = fill(to, b"")?;
            let before = counted(site);
            for client in &deaf {
                deaf::hear(&client.socket).map_err(|error| missing("SO_DETACH_FILTER", &error))?;
            }
            after_ack(site, experiment, &listener, (deaf, filling), (RETRIED, before))
        })?;
        fates::conclude_ack(experiment);
        Ok(())
    })
}

/// Notes what became of the half-open clients whose final ACK met the full queue, at most
/// `patience` ago.
fn after_ack(
    site: &Site,
    experiment: &mut Experiment,
    listener: &Socket,
    (half_open, filling): (Vec<Client>, Vec<Client>),
    (patience, before): (Duration, Option<Counters>),
) -> Result<(), Missing> {
    sleep(patience);
    let told = look(&half_open)?;
    grew(experiment, "final_ack", half_open.len(), &before, &counted(site));
    // Nobody who waits outside takes a place when there is room.
    let (filling, outside): (Vec<_>, Vec<_>) =
        filling.into_iter().partition(|client| !client.stands(Fate::Waiting));
    let full = !outside.is_empty();
    discard(outside);
    if !full {
        return Err(Missing::all("the queue did not become full", "none is known"));
    }
    let inside: HashSet<_> = tally(listener)?.into_iter().collect();
    let late = late(listener, &half_open, &inside)?;
    note(experiment, "half_open", (&half_open, &told), (&inside, &late));
    discard(half_open.into_iter().chain(filling));
    Ok(())
}

fn deaf_clients(dialer: &HalfOpen) -> Result<Vec<Client>, Missing> {
    let one = |number| {
        let socket = dialer.socket(number).map_err(|error| missing("SO_ATTACH_FILTER", &error))?;
        let client = Client::of(socket, Instant::now());
        dialer.connect(&client.socket).map_err(|error| missing("connect", &error))?;
        Ok(client)
    };
    (0..HALF_OPEN as u64).map(one).collect()
}

/// Clients that fill the queue, each with these bytes, until one finds no place.
fn fill(to: PermittedAddr, bytes: &[u8]) -> Result<Vec<Client>, Missing> {
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let one = arrive(to, 1)?;
        let inside = one.iter().all(|client| client.stands(Fate::Established));
        if let (Some(client), true, false) = (one.first(), inside, bytes.is_empty()) {
            client.socket.send(bytes).map_err(|error| missing("send", &error))?;
        }
        clients.extend(one);
        if !inside {
            break;
        }
    }
    Ok(clients)
}
