//! What do a second listen(), closing a listener, and several listeners at one port do to those who wait?

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::Socket;

use super::{FAMILIES, tried};
use crate::measure::card::{Experiment, Family, Instrument, Method, Missing, Observation};
use crate::probe::client::{Client, Fate, discard, tally, wait};
use crate::probe::crowd::{arrive, look, standing, told, watcher};
use crate::probe::ground::missing;
use crate::probe::infer::{fates, listeners};
use crate::probe::{Ground, Order, Site};
use crate::sys::listener::{Listening, listen_so};
use crate::sys::permit::PermittedAddr;
use crate::sys::ready;

/// Backlogs of the listener that is resized: first, larger, and smaller than what waits in it.
const SIZES: [i32; 3] = [4, 9, 2];
/// Clients that are more than any of them holds.
const MANY: usize = 20;
/// Of listeners of which one is closed.
const BACKLOG: i32 = 16;
/// Clients in their queues: few enough for each to have a place, many enough for each listener of a
/// group to get some (none of them has one group in 30,000).
const FEW: usize = 16;
/// How long a reset may take.
const SOON: Duration = Duration::from_millis(300);
/// By then a SYN was sent again even where the first retry waits for three seconds.
const LATE: Duration = Duration::from_millis(4500);
const STEP: Duration = Duration::from_millis(2);

const MIGRATE: &str = "net.ipv4.tcp_migrate_req";

/// Over both families; the closing of a group's member with `tcp_migrate_req` as well, where that
/// can be set.
pub fn experiments(ground: &Ground, _: &Order) -> Vec<Experiment> {
    let each = |family| {
        [
            listen_again(ground, family),
            accept_order(ground, family),
            closed(ground, family),
            group(ground, family),
            group_closed(ground, family, &[]),
            group_closed(ground, family, &[(MIGRATE, "1")]),
        ]
    };
    FAMILIES.into_iter().flat_map(each).collect()
}

fn listen_again(ground: &Ground, family: Family) -> Experiment {
    let [first, larger, smaller] = SIZES;
    let how = format!(
        "listen({first}), filled; listen({larger}) on the same socket, filled; listen({smaller}) \
         while more are in the queue; accept() until nobody waits; filled again. Clients without a \
         place leave at once."
    );
    let method = Method { instrument: Instrument::Accept, how };
    let question = "What does a second listen() do to a queue?";
    let experiment = Experiment::new("tcp.listen_again", question, method).over(family);
    tried(experiment, |experiment| {
        ground.at(family, &[], |site| {
            let listener = site.listen(first)?;
            let to = site.permit(&listener)?;
            let mut inside = filled(to)?;
            let mut note = |step: &str, backlog: i32, established: usize| {
                let given = Observation::new().given("step", step);
                let given = given.given("backlog", i64::from(backlog));
                experiment.saw(given.seen("established", established as i64))
            };
            note("first", first, inside.len());
            again(&listener, larger)?;
            inside.extend(filled(to)?);
            note("larger", larger, inside.len());
            again(&listener, smaller)?;
            inside.extend(filled(to)?);
            note("smaller", smaller, standing(&inside, Fate::Established));
            let accepted = tally(&listener)?.len();
            note("accepted", smaller, accepted);
            let anew = filled(to)?;
            note("emptied", smaller, tally(&listener)?.len());
            discard(inside.into_iter().chain(anew));
            Ok(())
        })?;
        listeners::conclude_listen_again(experiment);
        Ok(())
    })
}

/// Calls listen(2) on a socket that listens.
fn again(listener: &Socket, backlog: i32) -> Result<(), Missing> {
    listener.listen(backlog).map_err(|error| missing("a second listen", &error))
}

/// Fills what there is; only those who found a place stay.
fn filled(to: PermittedAddr) -> Result<Vec<Client>, Missing> {
    let mut inside = Vec::new();
    let mut outside = 0;
    while outside < 2 && inside.len() < MANY {
        let client = arrive(to, 1)?;
        match standing(&client, Fate::Established) {
            0 => {
                outside += 1;
                discard(client);
            }
            _ => inside.extend(client),
        }
    }
    // Some systems say so only after the handshake.
    std::thread::sleep(STEP);
    inside.retain(|client| client.stands(Fate::Established));
    Ok(inside)
}

fn accept_order(ground: &Ground, family: Family) -> Experiment {
    let how = format!(
        "{FEW} clients connect one after the other; accept() gives them out; ports tell who is who."
    );
    let method = Method { instrument: Instrument::Accept, how };
    let question = "In which order does accept() give out those who wait?";
    let experiment = Experiment::new("tcp.accept_order", question, method).over(family);
    tried(experiment, |experiment| {
        ground.at(family, &[], |site| {
            let listener = site.listen(BACKLOG)?;
            let clients = arrive(site.permit(&listener)?, FEW)?;
            for (place, peer) in tally(&listener)?.into_iter().enumerate() {
                let came = clients.iter().position(|client| client.peer() == peer);
                let given = Observation::new().given("accepted_as", place as i64);
                experiment.saw(given.seen("came_as", came.map_or(-1, |came| came as i64)));
            }
            discard(clients);
            Ok(())
        })?;
        listeners::conclude_order(experiment);
        Ok(())
    })
}

fn closed(ground: &Ground, family: Family) -> Experiment {
    let how = "Clients fill the queue of a listener, three more wait outside; the listener is \
               closed, and each client is watched until it has learnt of it."
        .to_owned();
    let method = Method { instrument: watcher(), how };
    let question = "What does closing a listener do to those who wait?";
    let experiment = Experiment::new("tcp.listener_closed", question, method).over(family);
    tried(experiment, |experiment| {
        ground.at(family, &[], |site| {
            let listener = site.listen(SIZES[0])?;
            let clients = arrive(site.permit(&listener)?, MANY / 2)?;
            let before = look(&clients)?;
            drop(listener);
            let ended = |client: &&Client| matches!(client.fate(), Ok(Fate::Ended(_)));
            let mut after: Vec<Option<Duration>> = vec![None; clients.len()];
            wait(LATE, STEP, || {
                for (client, after) in clients.iter().zip(&mut after) {
                    if after.is_none() && ended(&client) {
                        *after = Some(client.begun.elapsed());
                    }
                }
                after.iter().all(Option::is_some)
            });
            for (number, (client, was)) in clients.iter().zip(before).enumerate() {
                let group = match was {
                    Fate::Waiting => "waiting",
                    Fate::Established => "queued",
                    Fate::Ended(_) => "outside",
                };
                let mut seen = told(group, number, client.fate()?);
                if let Some(after) = after[number] {
                    seen = seen.seen("after_s", after.as_secs_f64());
                }
                experiment.saw(seen);
            }
            discard(clients);
            Ok(())
        })?;
        fates::conclude_close(experiment);
        Ok(())
    })
}

/// Two listeners at one port.
fn pair(site: &Site, backlog: i32) -> Result<(Socket, Socket), Missing> {
    let how = Listening { reuse_port: true, ..Listening::plain(backlog) };
    let first = site.listen_so(how)?;
    let port = first.local_addr().ok().and_then(|at| at.as_socket()).map_or(0, |at| at.port());
    let second = listen_so(SocketAddr::new(site.address, port), how)
        .map_err(|error| missing("bind of a second listener with SO_REUSEPORT", &error))?;
    Ok((first, second))
}

fn group(ground: &Ground, family: Family) -> Experiment {
    let how = format!(
        "Two listeners with SO_REUSEPORT and listen({}) at one port; clients connect one after the \
         other; accept() on each tells who was where.",
        SIZES[0]
    );
    let method = Method { instrument: Instrument::Accept, how };
    let question = "Do listeners at one port share a queue?";
    let experiment = Experiment::new("tcp.reuse_port.queues", question, method).over(family);
    tried(experiment, |experiment| {
        ground.at(family, &[], |site| {
            let (first, second) = pair(site, SIZES[0])?;
            let clients = arrive(site.permit(&first)?, MANY * 2)?;
            let told = look(&clients)?;
            let of = |listener| Ok::<HashSet<_>, Missing>(tally(listener)?.into_iter().collect());
            let (first, second) = (of(&first)?, of(&second)?);
            for (number, (client, fate)) in clients.iter().zip(told).enumerate() {
                let by = match client.peer() {
                    peer if first.contains(&peer) => "first",
                    peer if second.contains(&peer) => "second",
                    _ => "none",
                };
                let given = Observation::new().given("number", number as i64);
                experiment.saw(given.seen("stood", fate.word()).seen("accepted_by", by));
            }
            discard(clients);
            Ok(())
        })?;
        listeners::conclude_group(experiment);
        Ok(())
    })
}

fn group_closed(ground: &Ground, family: Family, settings: &[(&str, &str)]) -> Experiment {
    let how = format!(
        "{FEW} clients wait at two listeners with SO_REUSEPORT at one port; one is closed; which \
         clients end, and whom the other gives out."
    );
    let method = Method { instrument: Instrument::Accept, how };
    let question = "What does closing one of several listeners do to those who wait at it?";
    let experiment = Experiment::new("tcp.reuse_port.closed", question, method);
    tried(experiment.over(family).with(settings), |experiment| {
        ground.at(family, settings, |site| {
            let (first, second) = pair(site, BACKLOG)?;
            let clients = arrive(site.permit(&first)?, FEW)?;
            let first_had = ready::is_readable(&first).map_err(|error| missing("poll", &error))?;
            let inside = standing(&clients, Fate::Established);
            drop(first);
            std::thread::sleep(SOON);
            let told = look(&clients)?;
            let reset = told.iter().filter(|fate| matches!(fate, Fate::Ended(_))).count();
            let errno = told.iter().map(|fate| fate.errno()).find(|name| !name.is_empty());
            let by_second = tally(&second)?.len();
            let seen = Observation::new()
                .given("clients", inside as i64)
                .seen("first_had_some", first_had)
                .seen("ended", reset as i64)
                .seen("errno", errno.unwrap_or_default())
                .seen("accepted_by_second", by_second as i64);
            experiment.saw(seen);
            discard(clients);
            Ok(())
        })?;
        listeners::conclude_group_closed(experiment);
        Ok(())
    })
}
