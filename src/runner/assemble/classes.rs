//! The evidence of a whole cell, by which its attempts are classified.

use super::{Parts, restarts};
use crate::measure::attempts::{Attempts, Close, Evidence, Growth, syn_schedule};
use crate::measure::result::{Cause, ClassesResult, CounterResult, Place, TargetInterval};
use crate::runner::path::PathTold;
use crate::runner::side::Side;

/// Classifies every attempt.
pub fn of(parts: &Parts, attempts: Attempts, counters: &[CounterResult]) -> ClassesResult {
    let evidence = evidence(parts, counters);
    let names: Vec<_> = parts.cell.loads.iter().map(|load| load.name.as_str()).collect();
    attempts.finish(&names, &evidence)
}

fn evidence(parts: &Parts, counters: &[CounterResult]) -> Evidence {
    let of_tcp = parts.cell.target.transport().is_tcp();
    let grown = |name: &str| {
        let found = counters.iter().find(|c| c.namespace == "target" && c.counter == name);
        found.filter(|_| of_tcp).map_or(0, |c| c.after.saturating_sub(c.before))
    };
    let setting = |name: &str| parts.settings.get(name).map(|value| value.trim());
    let mut growth: Vec<Growth> = match of_tcp {
        true => parts.target.intervals.iter().map(dropped).collect(),
        false => Vec::new(),
    };
    let longest = growth.len().max(parts.path.lost.len());
    growth.resize(longest, Growth::default());
    for (growth, lost) in growth.iter_mut().zip(&parts.path.lost) {
        let on_the_way = |cause: &Cause| {
            matches!(cause, Cause::LabLoss | Cause::LabRate | Cause::LabDelay | Cause::Link)
        };
        growth.path = lost
            .iter()
            .filter(|(cause, _)| on_the_way(cause))
            .fold(0, |sum, (_, n)| sum.saturating_add(*n));
    }
    let path_syns = lost_syns(&parts.path, &mut growth);
    let seen = |of: fn(&Growth) -> u64| growth.iter().map(of).fold(0u64, u64::saturating_add);
    let (overflows, drops) = (grown("ListenOverflows"), grown("ListenDrops"));
    let rest = Growth {
        accept_queue: overflows.saturating_sub(seen(|growth| growth.accept_queue)),
        syn_queue: drops.saturating_sub(overflows).saturating_sub(seen(|growth| growth.syn_queue)),
        ..Growth::default()
    };
    let deferring =
        |side: &Side| matches!(side, Side::Own(own) if own.listening.defer_accept_s.is_some());
    Evidence {
        interval: parts.plan.interval.nanos(),
        growth,
        rest,
        path_syns,
        counted: of_tcp && counters.iter().any(|counter| counter.counter == "ListenOverflows"),
        network: of_tcp && crosses_a_network(parts),
        syns: syn_schedule(&parts.settings),
        aborts: setting("net.ipv4.tcp_abort_on_overflow").is_some_and(|value| value != "0"),
        defers: deferring(&parts.side),
        cookies_failed: grown("SyncookiesFailed"),
        closes: closes(&parts.side),
        queue: parts
            .target
            .intervals
            .iter()
            .map(|seen| seen.accept_queue_mean.unwrap_or(0.0))
            .collect(),
    }
}

/// What the target's kernel dropped in an interval.
fn dropped(seen: &TargetInterval) -> Growth {
    let accept_queue = seen.listen_overflows.unwrap_or(0);
    let syn_queue = seen.listen_drops.unwrap_or(0).saturating_sub(accept_queue);
    Growth { accept_queue, syn_queue, ..Growth::default() }
}

/// Enters the SYNs that the path lost; whether these are known, as they are where the lab's loss alone
/// took packets.
fn lost_syns(path: &PathTold, growth: &mut [Growth]) -> bool {
    let others = path.lost.iter().flat_map(|lost| lost.iter());
    let others = others.filter(|(cause, n)| **cause != Cause::LabLoss && **n > 0).count();
    let Some(syns) = path.syns.as_ref().filter(|_| others == 0) else { return false };
    growth.iter_mut().zip(syns).for_each(|(growth, syns)| growth.path_syns = *syns);
    true
}

/// Whether packets pass through a network that is not ours: one between two hosts.
fn crosses_a_network(parts: &Parts) -> bool {
    let here = parts.address.get().socket_addr().is_some_and(|at| at.ip().is_loopback());
    matches!(parts.place, Place::Host { .. }) && !here
}

fn closes(side: &Side) -> Vec<Close> {
    let closed = |restart: &crate::measure::result::RestartResult| {
        let at = restart.closed_at_s?;
        Some(Close {
            at: (at.max(0.0) * 1e9) as u64,
            reset: restart.queue_reset.saturating_add(restart.half_open),
            dropped: restart.dropped,
        })
    };
    restarts(side).iter().filter_map(closed).collect()
}
