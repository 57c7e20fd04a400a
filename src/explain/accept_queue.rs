//! A full accept queue, and waiting in one.

use super::advice::advice;
use super::case::{Case, between, percent, rate, seconds};
use crate::load::{Schedule, Shape};
use crate::measure::result::{Class, Finding};
use crate::measure::{Metric, Outcome};
use crate::scenario::plan::{AcceptPace, WhenFull};
use crate::units::thousands;

/// Random arrivals wait for less than one accept on average up to this ratio of arrivals to
/// accepts: `r / (2 (1 - r)) <= 1` (M/D/1, Pollaczek and Khinchin).
const EASY: f64 = 2.0 / 3.0;

/// All that can be said of it.
pub fn findings(case: &Case) -> impl Iterator<Item = Finding> {
    [full(case), ack_dropped(case), reset(case), no_place(case), queued(case)].into_iter().flatten()
}

/// SYNs that were dropped because the accept queue was full.
fn full(case: &Case) -> Option<Finding> {
    let count = case.some(Class::AcceptQueueFull)?;
    let then = then(case);
    let text = format!(
        "{} met a full accept queue: the target's kernel dropped their SYN without a word, and {then}. \
         They took {} on average.{}",
        case.told(count),
        case.mean(Class::AcceptQueueFull),
        queue(case, Class::AcceptQueueFull)
    );
    let evidence = vec![
        case.lost(Class::AcceptQueueFull).map_or(String::new(), |(_, told)| told),
        case.grown(&["ListenOverflows", "ListenDrops"]),
        case.outcomes(&[Outcome::OkRetried, Outcome::Timeout]),
    ];
    Some(case.finding(count, text, evidence, remedy(case)))
}

/// What the clients of lost SYNs did.
pub fn then(case: &Case) -> &'static str {
    let again: u64 = case.cell.loads.iter().map(|load| load.syn_retransmits).sum();
    let gone: u64 =
        case.cell.loads.iter().filter_map(|load| load.outcomes.get(&Outcome::Timeout)).sum();
    match again.saturating_mul(10) >= gone {
        true if again > 0 => "their clients sent it again a second later and so on",
        _ => "their clients gave up before they sent it again",
    }
}

/// Connections that only their clients believed in.
fn ack_dropped(case: &Case) -> Option<Finding> {
    let count = case.some(Class::AckDropped)?;
    let text = format!(
        "{} were established at the client only: their SYN was answered while the last place in the \
         accept queue was being taken, and the final ACK was ignored. What such a client sends has \
         to be sent again until there is a place.{}",
        case.told(count),
        queue(case, Class::AckDropped)
    );
    let ledger = case.cell.ledger.steps.iter().filter(|step| step.why.contains("final ACK"));
    let steps: u64 = ledger.map(|step| step.count.unsigned_abs()).fold(0, u64::saturating_add);
    let held = (steps > 0).then(|| format!("{} missing at the target", thousands(steps)));
    let evidence = vec![case.grown(&["ListenOverflows", "ListenDrops"]), held.unwrap_or_default()];
    Some(case.finding(count, text, evidence, remedy(case)))
}

/// Connections that the target reset because its queue was full.
fn reset(case: &Case) -> Option<Finding> {
    let count = case.some(Class::OverflowReset)?;
    let abort = case.setting("net.ipv4.tcp_abort_on_overflow");
    let why = match abort {
        Some(1) => ", as net.ipv4.tcp_abort_on_overflow = 1 tells it to",
        _ => "",
    };
    let text = format!(
        "{} were established at the client and reset at once: the final ACK met a full accept \
         queue, and the target's kernel answered by RST{why}.{}",
        case.told(count),
        queue(case, Class::OverflowReset)
    );
    let evidence = vec![
        case.grown(&["ListenOverflows", "EmbryonicRsts", "OutRsts"]),
        abort.map_or(String::new(), |value| format!("tcp_abort_on_overflow = {value}")),
    ];
    let instead = match abort {
        Some(1) => " With tcp_abort_on_overflow = 0 clients would wait instead of fail.",
        _ => "",
    };
    Some(case.finding(count, text, evidence, format!("{}{instead}", remedy(case))))
}

/// AF_UNIX: nobody waits for a place unasked.
fn no_place(case: &Case) -> Option<Finding> {
    let count = case.some(Class::NoPlace)?;
    let text = format!(
        "{} found the listener's queue full and failed at once (EAGAIN), as a non-blocking \
         connect() on an AF_UNIX socket does.{}",
        case.told(count),
        queue(case, Class::NoPlace)
    );
    let evidence = vec![case.outcomes(&[Outcome::Again])];
    let remedy =
        format!("{} Or let clients wait for a place (when_full = \"wait\").", remedy(case));
    Some(case.finding(count, text, evidence, remedy.trim_start().to_owned()))
}

/// Connections that waited for `accept()`, long enough to be felt.
fn queued(case: &Case) -> Option<Finding> {
    let count = case.felt(Class::Queued)?;
    let wait = case.cell.metric("target", Metric::QueueWait).filter(|one| one.summary.count > 0);
    let waited = match wait {
        Some(wait) => {
            let mean = wait.summary.mean / 1e9;
            format!(
                "{} on average and {} at the 99th percentile",
                seconds(mean),
                seconds(wait.summary.p99 as f64 / 1e9)
            )
        }
        None => format!("{} on average, connecting included", case.mean(Class::Queued)),
    };
    let places = case.plan.loads.iter().any(|load| load.when_full == WhenFull::Wait)
        && !case.plan.target.transport().is_tcp();
    let how = match places {
        true => "waited in connect() for a place in the queue, or in the queue itself",
        false => "were established at once and then waited in the accept queue",
    };
    let text = format!("{} {how}: {waited}.{}", case.told(count), little(case).unwrap_or_default());
    let longest = case.cell.timeline.target.iter().filter_map(|seen| seen.accept_queue).max();
    let evidence = vec![
        wait.map_or(String::new(), |_| "queue_wait of the target".to_owned()),
        longest.map_or(String::new(), |longest| format!("longest queue {}", thousands(longest))),
    ];
    Some(case.finding(count, text, evidence, faster(case)))
}

/// Little's law: how many waited at a time.
fn little(case: &Case) -> Option<String> {
    let wait = case.cell.metric("target", Metric::QueueWait)?.summary;
    let per_s = wait.count as f64 / case.cell.duration_s.max(1e-9);
    let at_once = per_s * wait.mean / 1e9;
    (wait.count > 0).then(|| {
        format!(
            " That is {at_once:.1} connections waiting at a time (Little's law: {} accepted x {}).",
            rate(per_s),
            seconds(wait.mean / 1e9)
        )
    })
}

fn faster(case: &Case) -> String {
    let offered: f64 = case.cell.loads.iter().map(|load| load.offered_rate).sum();
    let open = case.cell.loads.iter().all(|load| load.arrivals == "open");
    if case.serve().is_some_and(|serve| !serve.stalls.is_empty()) {
        return "Nothing is accepted in a stall: only shorter stalls shorten the wait. A longer \
                backlog keeps more clients waiting, and makes nobody faster."
            .to_owned();
    }
    // What cannot be told to accept at a rate, or was starved of CPU, is not told one.
    let paced = case.serve().is_some_and(|serve| matches!(serve.accept, AcceptPace::Rate(_)));
    if !open || offered <= 0.0 || !paced {
        return "Accept faster: a thread of its own for accept(), or more of them.".to_owned();
    }
    let comes = |schedule: &Schedule| {
        matches!(schedule, Schedule::Open { shape: Shape::Constant { .. }, .. })
    };
    if case.cell.target.listeners <= 1 && case.plan.loads.iter().all(|load| comes(&load.schedule)) {
        return format!(
            "Accept faster: those who come evenly, {}, hardly wait at any rate above theirs.",
            rate(offered)
        );
    }
    format!(
        "Accept faster: at {} those who come at random, {}, wait for less than one accept on average \
         (M/D/1).",
        rate(offered / EASY),
        rate(offered)
    )
}

/// The queue's limit, and how long it was full.
fn queue(case: &Case, class: Class) -> String {
    let Some(limit) = case.cell.target.backlog_effective else { return String::new() };
    let each = match case.cell.target.listeners {
        0 | 1 => String::new(),
        listeners => format!(" of each of {listeners} listeners"),
    };
    let places = u64::from(limit) + 1;
    let mut text =
        format!(" The queue{each} holds {} (limit {})", thousands(places), thousands(limit));
    if let Some(span) = case.classes.lost(class).map(|lost| lost.span_s) {
        match full_share(case, span) {
            Some(share) => {
                text.push_str(&format!("; it was full for {} of the time", percent(share)));
                text.push_str(&format!(" {}", between(span)));
            }
            None => text.push_str(&format!("; that happened {}", between(span))),
        }
    }
    text + "."
}

/// For which share of a time span the sampler found the queue full.
fn full_share(case: &Case, (from, to): (f64, f64)) -> Option<f64> {
    let timeline = &case.cell.timeline;
    let shares = timeline.target.iter().enumerate().filter_map(|(index, seen)| {
        let start = index as f64 * timeline.interval_s;
        let inside = start + timeline.interval_s > from && start <= to;
        seen.accept_queue_full.filter(|share| inside && share.is_finite())
    });
    let (sum, count) = shares.fold((0.0, 0u32), |(sum, count), share| (sum + share, count + 1));
    // A queue that no sample saw full is told of elsewhere.
    (count > 0 && sum > 0.0).then(|| (sum / f64::from(count)).min(1.0))
}

fn remedy(case: &Case) -> String {
    match advice(case) {
        Some(advice) => advice.told(case),
        None => "Accept faster, or ask for a longer backlog.".to_owned(),
    }
}

#[cfg(test)]
#[path = "accept_queue/tests.rs"]
mod tests;
