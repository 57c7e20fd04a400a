//! Do listeners at one port share a queue, and what does closing one do to those who wait at it?

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::Socket;

use super::{FAMILIES, tried};
use crate::measure::card::{Experiment, Family, Instrument, Method, Missing, Observation};
use crate::probe::client::{Fate, discard, tally};
use crate::probe::crowd::{arrive, look, standing};
use crate::probe::ground::missing;
use crate::probe::infer::listeners;
use crate::probe::{Ground, Order, Site};
use crate::sys::listener::{Listening, listen_so};
use crate::sys::ready;

/// Backlogs of two listeners: one is full soon, the other never.
const UNEQUAL: [i32; 2] = [1, MANY as i32];
/// Clients of both.
const MANY: usize = 40;
/// Of listeners of which one is closed.
const BACKLOG: i32 = 16;
/// Clients in their queues: few enough for each to have a place, many enough for each listener of a
/// group to get some (none of them has one group in 30,000).
const FEW: usize = 16;
/// How long a reset may take.
const SOON: Duration = Duration::from_millis(300);

const MIGRATE: &str = "net.ipv4.tcp_migrate_req";

/// Over both families; the closing of a member with `tcp_migrate_req` as well, where that can be set.
pub fn experiments(ground: &Ground, _: &Order) -> Vec<Experiment> {
    let each = |family| {
        [
            queues(ground, family),
            closed(ground, family, &[]),
            closed(ground, family, &[(MIGRATE, "1")]),
        ]
    };
    FAMILIES.into_iter().flat_map(each).collect()
}

/// Two listeners at one port.
fn pair(site: &Site, backlogs: [i32; 2]) -> Result<(Socket, Socket), Missing> {
    let how = backlogs.map(|backlog| Listening { reuse_port: true, ..Listening::plain(backlog) });
    let first = site.listen_so(how[0])?;
    let port = first.local_addr().ok().and_then(|at| at.as_socket()).map_or(0, |at| at.port());
    let second = listen_so(SocketAddr::new(site.address, port), how[1])
        .map_err(|error| missing("bind of a second listener with SO_REUSEPORT", &error))?;
    Ok((first, second))
}

fn queues(ground: &Ground, family: Family) -> Experiment {
    let how = format!(
        "Two listeners with SO_REUSEPORT at one port, one with listen({}) and one with listen({}); \
         clients connect one after the other, fewer than the latter holds; accept() on each tells \
         who was where.",
        UNEQUAL[0], UNEQUAL[1]
    );
    let method = Method { instrument: Instrument::Accept, how };
    let question = "Do listeners at one port share a queue?";
    let experiment = Experiment::new("tcp.reuse_port.queues", question, method).over(family);
    tried(experiment, |experiment| {
        ground.at(family, &[], |site| {
            let (first, second) = pair(site, UNEQUAL)?;
            let clients = arrive(site.permit(&first)?, MANY)?;
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

fn closed(ground: &Ground, family: Family, settings: &[(&str, &str)]) -> Experiment {
    let how = format!(
        "{FEW} clients wait at two listeners with SO_REUSEPORT at one port; one is closed; which \
         clients end, and whom the other gives out."
    );
    let method = Method { instrument: Instrument::Accept, how };
    let question = "What does closing one of several listeners do to those who wait at it?";
    let experiment = Experiment::new("tcp.reuse_port.closed", question, method);
    tried(experiment.over(family).with(settings), |experiment| {
        ground.at(family, settings, |site| {
            let (first, second) = pair(site, [BACKLOG; 2])?;
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
