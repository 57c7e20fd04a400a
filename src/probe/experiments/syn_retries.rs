//! When does a client send its SYN again, and when does it give up?

use std::thread;
use std::time::{Duration, Instant};

use super::tried;
use crate::measure::card::{Depth, Experiment, Family, Instrument, Method, Missing, Observation};
use crate::probe::client::{Client, Fate, drain};
use crate::probe::ground::missing;
use crate::probe::infer::timers;
use crate::probe::waiting::side_by_side;
use crate::probe::waiting::{Full, STEP, Stand, Variant, both_ways, follow, patience};
use crate::probe::{Ground, Order, Site};
use crate::sys::errno;
use crate::sys::tcp_info::TcpInfo;

/// Clients that are watched, and how far apart they begin.
const WATCHED: (usize, Duration) = (3, Duration::from_millis(130));

/// With the system's own settings, with every wait twice the one before, and with few retries, so
/// that their end is seen soon.
pub fn experiments(ground: &Ground, order: &Order) -> Vec<Experiment> {
    let variants: &[Variant] = &[
        (Family::Ipv4, &[]),
        (Family::Ipv6, &[]),
        (Family::Ipv4, &[("net.ipv4.tcp_syn_linear_timeouts", "0")]),
        (Family::Ipv4, &[("net.ipv4.tcp_syn_retries", "2")]),
    ];
    side_by_side(variants, |variant| one(ground, order.depth, variant))
}

fn one(ground: &Ground, depth: Depth, variant: &Variant) -> Experiment {
    let how = "Clients connect to a listener whose accept queue is full, so that their SYNs are \
               dropped. Watched: TCP_INFO tells when the number of retransmits rises. Released: \
               clients begin at staggered instants, then the queue is emptied and kept empty; each \
               is connected by its own next SYN.";
    let method = Method { instrument: Instrument::TcpInfo, how: how.to_owned() };
    let question = "When does a client send its SYN again, and when does it give up?";
    let experiment = Experiment::new("tcp.syn_retries", question, method);
    tried(experiment.over(variant.0).with(variant.1), |experiment| {
        let watch = |site: &Site| watched(site, patience(depth));
        let release = |site: &Site| released(site, depth);
        let names = ["schedule", "schedule_portable"];
        both_ways((ground, variant), experiment, names, [&watch, &release]);
        timers::syn_retries(experiment);
        Ok(())
    })
}

/// Clients whose retransmits are counted by their own kernel.
fn watched(site: &Site, patience: Duration) -> Result<Vec<Observation>, Missing> {
    if !site.instruments.tcp_info {
        return Err(Missing::all(
            "there is no TCP_INFO that names a client's state",
            "see the portable schedule",
        ));
    }
    let (full, first) = Full::new(site)?;
    let mut clients = vec![first];
    while clients.len() < WATCHED.0 {
        thread::sleep(WATCHED.1);
        clients.push(Client::connect(full.address)?);
    }
    let begun: Vec<_> = clients.iter().map(|client| client.begun).collect();
    let notes = follow("watched", &begun, patience, || clients.iter().map(stand).collect())?;
    Ok(notes)
}

fn stand(client: &Client) -> Result<Stand, Missing> {
    let info = TcpInfo::of(&client.socket).map_err(|error| missing("TCP_INFO", &error))?;
    Ok(match client.fate()? {
        Fate::Waiting => Stand::Ran(info.retransmits()),
        Fate::Established => Stand::Over("established".to_owned()),
        Fate::Ended(errno) => Stand::Over(errno::name(errno)),
    })
}

/// How old clients are when the queue is emptied, in milliseconds: the oldest first.
fn ages(depth: Depth) -> Vec<u64> {
    let oldest = match depth {
        Depth::Quick => 12_000,
        Depth::Standard => 20_000,
        Depth::Full => 70_000,
    };
    let young = (250..6_000).step_by(250);
    let mut ages: Vec<_> = young.chain((6_000..=oldest).step_by(500)).collect();
    ages.reverse();
    ages
}

/// Clients that are let in at an instant of ours, at the next SYN of each.
fn released(site: &Site, depth: Depth) -> Result<Vec<Observation>, Missing> {
    let (full, _first) = Full::new(site)?;
    let mut ages = ages(depth);
    let oldest = Duration::from_millis(ages[0]);
    let start = Instant::now();
    let emptied = start + oldest;
    let (mut clients, mut notes) = (Vec::new(), Vec::new());
    // The youngest of those that wait for the last retry that is followed began a little later.
    let until = start + patience(depth) + Duration::from_secs(1);
    while (!clients.is_empty() || !ages.is_empty()) && Instant::now() < until {
        let open = Instant::now() >= emptied;
        let due = |age: &u64| Instant::now() + Duration::from_millis(*age) >= emptied;
        while ages.first().is_some_and(due) {
            ages.remove(0);
            clients.push(Client::connect(full.address)?);
        }
        if open {
            drain(&full.listener)?;
        }
        let mut waiting = Vec::new();
        for client in clients {
            let fate = client.fate_by_poll()?;
            if !open && fate == Fate::Established {
                let early = "a client came in before the queue was emptied";
                return Err(Missing::all(early, "try again"));
            }
            match note(&client, fate, emptied) {
                Some(note) => notes.push(note),
                None => waiting.push(client),
            }
        }
        clients = waiting;
        thread::sleep(STEP);
    }
    notes.extend(clients.iter().map(|client| {
        age(client, emptied).seen("looked_until", client.begun.elapsed().as_secs_f64())
    }));
    Ok(notes)
}

/// What became of a client; `None` while it waits.
fn note(client: &Client, fate: Fate, emptied: Instant) -> Option<Observation> {
    let at = client.begun.elapsed().as_secs_f64();
    let seen = age(client, emptied).seen("at", at);
    match fate {
        Fate::Waiting => None,
        Fate::Established => Some(seen.seen("became", "established")),
        Fate::Ended(errno) => Some(seen.seen("over", errno::name(errno))),
    }
}

fn age(client: &Client, emptied: Instant) -> Observation {
    let waited = emptied.saturating_duration_since(client.begun).as_secs_f64();
    Observation::new().given("way", "released").given("waited", waited)
}
