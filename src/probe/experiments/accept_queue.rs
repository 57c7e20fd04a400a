//! How many connections does the accept queue hold for `listen(n)`?

use std::collections::{BTreeMap, HashSet};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use socket2::Socket;

use super::{FAMILIES, tried};
use crate::measure::card::{
    Depth, Experiment, Family, Instrument, Method, Methods, Missing, Observation,
};
use crate::probe::client::{Client, Fate, discard, tally, wait};
use crate::probe::ground::missing;
use crate::probe::infer::queue;
use crate::probe::{Ground, METHODS, Order, Site};
use crate::sys::limits;
use crate::sys::permit::PermittedAddr;
use crate::sys::tcp_info::TcpInfo;

/// Clients in a row that find no place: then the queue is full.
const IN_A_ROW: usize = 3;
/// How long a client may take to find its place.
const PATIENCE: Duration = Duration::from_millis(40);
/// Descriptors that are left to the experiments beside this one.
const RESERVE: u64 = 256;
/// Clients that are at most tried: ports are scarcer than descriptors.
const MOST: usize = 20_000;
/// Threads from which clients connect at once.
const THREADS: usize = 4;
/// Clients beyond the capacity when all connect at once.
const BEYOND: usize = 32;
/// net.core.somaxconn of the lab in which every larger value is cut.
const SMALL: &str = "64";

/// What sequential clients found for each backlog.
type Held = BTreeMap<i64, i64>;

/// One client after the other and all at once, over both families; with another limit of the
/// system's where that can be set.
pub fn experiments(ground: &Ground, order: &Order) -> Vec<Experiment> {
    // Without more descriptors less is found out, and the card says so.
    let _ = limits::raise_descriptors();
    let both = FAMILIES.iter().flat_map(|family| {
        let (one_by_one, held) = sequential(ground, order, *family, &[]);
        [one_by_one, concurrent(ground, order, *family, &held)]
    });
    let clamped = sequential(ground, order, Family::Ipv4, &[("net.core.somaxconn", SMALL)]).0;
    both.chain([clamped]).collect()
}

fn sequential(
    ground: &Ground,
    order: &Order,
    family: Family,
    settings: &[(&str, &str)],
) -> (Experiment, Held) {
    let method = Method {
        instrument: Instrument::Accept,
        how: "Clients connect one after the other to a listener that does not accept, until three \
              in a row find no place; then it accepts until nobody waits. Beside that: TCP_INFO of \
              clients and listener, where they are, and poll(2)."
            .to_owned(),
    };
    let question = "How many connections does the accept queue hold for listen(n)?";
    let experiment = Experiment::new("tcp.accept_queue.sequential", question, method)
        .over(family)
        .with(settings);
    let experiment = tried(experiment, |experiment| {
        ground.at(family, settings, |site| {
            for backlog in &order.backlogs {
                match held(site, *backlog) {
                    Ok(observation) => _ = experiment.saw(observation),
                    Err(missing) => experiment.missing.push(named(missing, *backlog)),
                }
            }
            Ok(())
        })?;
        queue::conclude(experiment);
        Ok(())
    });
    let held = queue::trials(&experiment).map(|trial| (trial.backlog, trial.accepted)).collect();
    (experiment, held)
}

/// Fills one listener and counts.
fn held(site: &Site, backlog: i32) -> Result<Observation, Missing> {
    let listener = site.listen(backlog)?;
    let most = room(backlog)?;
    let clients = fill(site.permit(&listener)?, most)?;
    let filled = !clients.last().is_some_and(|last| last.stands(Fate::Established));
    let seen = looked_at(site, &listener, clients)?;
    Ok(seen.given("backlog", i64::from(backlog)).seen("filled", filled))
}

/// Clients that are enough for any rule, as far as descriptors go: `accept()` takes one more at a
/// time, all others are clients.
fn room(backlog: i32) -> Result<usize, Missing> {
    let (soft, _) = limits::descriptors().unwrap_or((256 + RESERVE, 0));
    let wanted = match backlog {
        0..=9999 => backlog.unsigned_abs() as usize * 2 + BEYOND,
        _ => MOST,
    };
    match usize::try_from(soft.saturating_sub(RESERVE)).unwrap_or(MOST) {
        0 => Err(Missing::all(
            format!("there are {soft} descriptors (RLIMIT_NOFILE)"),
            "raise it: ulimit -n 20000",
        )),
        few => Ok(wanted.min(few)),
    }
}

/// Clients connect until so many in a row have no place, `most` at most.
fn fill(to: PermittedAddr, most: usize) -> Result<Vec<Client>, Missing> {
    let mut clients: Vec<Client> = Vec::new();
    while clients.len() < most {
        let client = Client::connect(to)?;
        wait(PATIENCE, Duration::from_millis(1), || !client.stands(Fate::Waiting));
        clients.push(client);
        // The last may yet be reset, where the final ACK is answered by that.
        let lost = |of: &[Client]| !of.iter().any(|client| client.stands(Fate::Established));
        let ends = clients.len().saturating_sub(IN_A_ROW + 1)..clients.len();
        let last = &clients[ends];
        if last.len() > IN_A_ROW && (lost(&last[1..]) || lost(&last[..IN_A_ROW])) {
            break;
        }
    }
    Ok(clients)
}

/// What clients, listener and accept() say when all have connected.
fn looked_at(site: &Site, listener: &Socket, clients: Vec<Client>) -> Result<Observation, Missing> {
    let mut seen = Observation::new().seen("clients", clients.len() as i64);
    let by_poll = |client: &&Client| client.fate_by_poll() == Ok(Fate::Established);
    seen = seen.seen("established_by_poll", clients.iter().filter(by_poll).count() as i64);
    // Before those without a place leave: a SYN that they send again would find one below.
    let (inside, outside): (Vec<_>, Vec<_>) =
        clients.into_iter().partition(|client| client.stands(Fate::Established));
    discard(outside);
    if METHODS == Methods::Native && site.instruments.tcp_info {
        seen = seen.seen("established_by_tcp_info", inside.len() as i64);
    }
    if let Some(info) = TcpInfo::of(listener).ok().filter(|_| site.instruments.listener_info) {
        seen = seen
            .seen("limit", i64::from(info.accept_limit()))
            .seen("length", i64::from(info.accept_queue()));
    }
    let accepted: HashSet<_> = tally(listener)?.into_iter().collect();
    let without = inside.iter().filter(|client| !accepted.contains(&client.peer())).count();
    discard(inside);
    Ok(seen.seen("accepted", accepted.len() as i64).seen("without_place", without as i64))
}

fn concurrent(ground: &Ground, order: &Order, family: Family, held: &Held) -> Experiment {
    let method = Method {
        instrument: Instrument::Accept,
        how: format!(
            "{THREADS} threads connect together, at once, more clients than found a place one \
             after the other, to a listener that does not accept; then it accepts until nobody \
             waits."
        ),
    };
    let question = "How many connections does the accept queue hold when all come at once?";
    let experiment = Experiment::new("tcp.accept_queue.concurrent", question, method).over(family);
    let rounds = match order.depth {
        Depth::Quick => 3,
        Depth::Standard => 5,
        Depth::Full => 20,
    };
    tried(experiment, |experiment| {
        ground.at(family, &[], |site| {
            for (backlog, held) in held {
                for _ in 0..rounds {
                    match at_once(site, *backlog, *held) {
                        Ok(seen) => _ = experiment.saw(seen),
                        Err(missing) => experiment.missing.push(missing.of("capacity")),
                    }
                }
            }
            Ok(())
        })?;
        queue::conclude_concurrent(experiment);
        Ok(())
    })
}

fn at_once(site: &Site, backlog: i64, held: i64) -> Result<Observation, Missing> {
    let backlog = i32::try_from(backlog).unwrap_or(i32::MAX);
    let listener = site.listen(backlog)?;
    let to = site.permit(&listener)?;
    let total = (usize::try_from(held).unwrap_or(0) + BEYOND).min(room(-1)?);
    // Closed until all of them are there; whether to begin at all is told when it opens.
    let gate = RwLock::new(false);
    let share = || {
        let begin = *gate.read().unwrap_or_else(PoisonError::into_inner);
        let clients = if begin { total.div_ceil(THREADS) } else { 0 };
        (0..clients).map(|_| Client::connect(to)).collect::<Result<Vec<_>, _>>()
    };
    let clients = std::thread::scope(|scope| {
        let mut all_there = gate.write().unwrap_or_else(PoisonError::into_inner);
        let start = |_| std::thread::Builder::new().spawn_scoped(scope, share);
        let threads = (0..THREADS).map(start).collect::<Result<Vec<_>, _>>();
        *all_there = threads.is_ok();
        drop(all_there);
        let joined = threads
            .map_err(|error| missing("starting a thread", &error))?
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        joined.collect::<Result<Vec<_>, _>>()
    })?;
    // Handshakes that are under way come to their end; no SYN is sent again so soon.
    std::thread::sleep(PATIENCE);
    let seen = looked_at(site, &listener, clients.into_iter().flatten().collect())?;
    Ok(seen.given("backlog", i64::from(backlog)).given("sequential", held))
}

/// What could not be found out for one backlog.
fn named(missing: Missing, backlog: i32) -> Missing {
    Missing { why: format!("for listen({backlog}): {}", missing.why), ..missing }.of("capacity")
}
