//! Datagrams: which queue lost them, and what would have kept them.

mod buffer;

use crate::measure::result::{Cause, CellResult, DatagramsResult, Finding};
use crate::scenario::plan::{Cell, Loss};
use crate::units::Transport;

/// Standard deviations on either side of the mean that hold 99.9 % of a normal distribution.
const NEARLY_ALL: f64 = 3.29;

/// What can be said of a cell's datagrams; what concerns most of them comes first.
pub fn findings(plan: &Cell, cell: &CellResult) -> Vec<Finding> {
    let Some(ledger) = &cell.datagrams else { return Vec::new() };
    let mut found: Vec<(u64, Finding)> = [
        buffer::overflow(cell, ledger),
        buffer::clamped(cell, ledger),
        send_queue(ledger),
        send_buffer(plan, ledger),
        nobody(ledger),
        asked_loss(plan, ledger),
        limited_rate(plan, ledger),
        bulk(cell, ledger),
        unexplained(ledger),
        surplus(ledger),
        late(ledger),
        outside(ledger),
        foreign(ledger),
    ]
    .into_iter()
    .flatten()
    .collect();
    found.sort_by_key(|(concerned, _)| std::cmp::Reverse(*concerned));
    let impact = |concerned: u64| (concerned as f64 / ledger.wanted.max(1) as f64).min(1.0);
    found.into_iter().map(|(n, finding)| Finding { impact: impact(n), ..finding }).collect()
}

/// A finding, with how many datagrams it concerns.
type Found = Option<(u64, Finding)>;

fn found(concerned: u64, text: String, evidence: String) -> Found {
    Some((concerned, Finding { text, evidence, remedy: String::new(), impact: 0.0 }))
}

fn some(count: u64) -> Option<u64> {
    (count > 0).then_some(count)
}

/// `3.000 %`
fn percent(some: u64, all: u64) -> String {
    format!("{:.3} %", some as f64 / all.max(1) as f64 * 100.0)
}

/// The count of a cause and who counted it, where it lost anything.
fn lost(ledger: &DatagramsResult, cause: Cause) -> Option<(u64, String)> {
    let count = ledger.of(cause);
    let told = ledger.causes.iter().filter(|one| one.cause == cause);
    let told: Vec<_> = told.map(|one| one.evidence.as_str()).filter(|e| !e.is_empty()).collect();
    let told = match told.is_empty() {
        true => format!("{} {count}", cause.name()),
        false => told.join(", "),
    };
    (count > 0).then_some((count, told))
}

fn send_queue(ledger: &DatagramsResult) -> Found {
    let (count, told) = lost(ledger, Cause::SendQueue)?;
    let lab = ledger.impairments.iter().any(|one| one.cause == Cause::LabRate && one.dropped > 0);
    let remedy = match lab {
        true => "It is the queue of the lab's own rate ([lab.impair]).",
        false => "Or give the interface a longer queue (txqueuelen).",
    };
    let text = format!(
        "{count} of {} datagrams ({}) were not sent: the queue of the sending interface was full \
         (ENOBUFS). The target never saw them. Send at a lower rate or in smaller bursts. {remedy}",
        ledger.wanted,
        percent(count, ledger.wanted)
    );
    found(count, text, told)
}

fn send_buffer(plan: &Cell, ledger: &DatagramsResult) -> Found {
    let (count, told) = lost(ledger, Cause::SendBuffer)?;
    let why = match plan.target.transport() {
        Transport::UnixDgram => {
            "the receiver's queue was full (EAGAIN): it holds net.unix.max_dgram_qlen + 1 \
             datagrams. AF_UNIX loses nothing by itself: read faster, or send again"
        }
        _ => {
            "the sending socket's buffer was full (EAGAIN): the interface did not take them as \
             fast. Send at a lower rate, or raise net.core.wmem_default"
        }
    };
    let (all, share) = (ledger.wanted, percent(count, ledger.wanted));
    found(count, format!("{count} of {all} datagrams ({share}) were not sent: {why}."), told)
}

fn nobody(ledger: &DatagramsResult) -> Found {
    let (count, told) = lost(ledger, Cause::NoSocket)?;
    let mut text = format!(
        "{count} of {} datagrams ({}) came when nobody was bound to their port.",
        ledger.expected,
        percent(count, ledger.expected)
    );
    for restart in &ledger.restarts {
        text.push_str(&format!(
            " The receivers were closed from {:.3} s {}: a restart that binds the new socket \
             (SO_REUSEPORT) before it closes the old one leaves no gap.",
            restart.closed_s,
            restart.bound_s.map_or("on".to_owned(), |bound| format!("to {bound:.3} s"))
        ));
    }
    found(count, text, told)
}

/// Whether the lab lost as many as it was asked to.
fn asked_loss(plan: &Cell, ledger: &DatagramsResult) -> Found {
    let asked = plan.lab.impair?.loss?;
    let rule = ledger.impairments.iter().find(|one| one.cause == Cause::LabLoss)?;
    let (dropped, seen) = (rule.dropped, rule.seen?);
    let share = percent(dropped, seen);
    let (holds, text) = match asked {
        Loss::Random(ratio) => {
            let spread = (ratio.get() * (1.0 - ratio.get()) / seen.max(1) as f64).sqrt();
            let off = (dropped as f64 / seen.max(1) as f64 - ratio.get()).abs();
            let within = NEARLY_ALL * spread;
            let text = format!(
                "The lab dropped {dropped} of {seen} packets ({share}); {ratio} was asked for, \
                 and chance alone makes that {:.3} % more or less in 99.9 of 100 runs.",
                within * 100.0
            );
            (off <= within, text)
        }
        Loss::Every(nth) => {
            let due = seen / u64::from(nth);
            let text = format!(
                "The lab dropped {dropped} of {seen} packets ({share}); one of {nth} was asked \
                 for, which is {due}."
            );
            (dropped == due, text)
        }
    };
    let text = if holds { text } else { format!("{text} It did not do what was asked.") };
    found(dropped, text, format!("{}: {dropped} dropped", rule.what))
}

fn limited_rate(plan: &Cell, ledger: &DatagramsResult) -> Found {
    let (count, told) = lost(ledger, Cause::LabRate)?;
    let bits = plan.lab.impair?.rate?;
    let text = format!(
        "{count} of {} datagrams ({}) did not fit into the queue of the lab's link, which lets \
         {bits} bit/s through, headers included. Send less, or raise lab.impair.rate or its queue.",
        ledger.expected,
        percent(count, ledger.expected)
    );
    found(count, text, told)
}

/// Bulk makes losses of its own pattern.
fn bulk(cell: &CellResult, ledger: &DatagramsResult) -> Found {
    let gso = |sending: &str| sending == "gso";
    let bulk = cell.loads.iter().filter_map(|load| {
        let sent = load.datagrams.as_ref().filter(|sent| gso(&sent.sending))?;
        Some((load.name.as_str(), sent.calls))
    });
    let (names, calls): (Vec<_>, Vec<_>) = bulk.unzip();
    if names.is_empty() || ledger.lost == 0 {
        return None;
    }
    let text = format!(
        "{} sent in bulk (gso): many datagrams are one packet up to the receive buffer, so that \
         they are lost together. Loss bursts and shares are those of bulk, not of single datagrams.",
        names.join(", ")
    );
    found(ledger.lost, text, format!("calls {}, sent {}", calls.iter().sum::<u64>(), ledger.sent))
}

fn unexplained(ledger: &DatagramsResult) -> Found {
    let (count, _) = lost(ledger, Cause::Unexplained)?;
    let known = ledger.causes.iter().filter(|one| one.cause != Cause::Unexplained);
    let known: Vec<_> = known.map(|one| format!("{} {}", one.cause.name(), one.count)).collect();
    let text = format!(
        "{count} of {} datagrams ({}) were lost, and no counter that loadgen reads tells where.",
        ledger.expected,
        percent(count, ledger.expected)
    );
    let evidence = match known.is_empty() {
        true => format!("lost {}, by nothing that was counted", ledger.lost),
        false => format!("lost {}; known: {}", ledger.lost, known.join(", ")),
    };
    found(count, text, evidence)
}

fn surplus(ledger: &DatagramsResult) -> Found {
    let count = some(ledger.surplus)?;
    let text = format!(
        "{count} more datagrams were received than were sent. The books of these streams are not \
         whole: do not trust their losses."
    );
    let evidence = format!("received {}, expected {}", ledger.received, ledger.expected);
    found(count, text, evidence)
}

fn late(ledger: &DatagramsResult) -> Found {
    let count = some(ledger.late)?;
    let what = match ledger.counted {
        true => "datagrams came after the closing marker of their stream",
        false => "replies came after the load's timeout",
    };
    let text = format!(
        "{count} {what}. They are neither received nor lost: something on the way held them back \
         for long."
    );
    found(count, text, format!("late {count}"))
}

fn outside(ledger: &DatagramsResult) -> Found {
    let count = some(ledger.outside)?;
    let text = format!(
        "{count} datagrams came so long after later ones of their stream that it is not known \
         whether they had come before: each is a duplicate, or one of those counted as lost."
    );
    let evidence = format!("outside {count}, lost {}", ledger.lost);
    found(count, text, evidence)
}

fn foreign(ledger: &DatagramsResult) -> Found {
    let count = some(ledger.foreign)?;
    let text = format!(
        "{count} datagrams that were not of this run came to the target. The kernel's counters \
         have them too: a loss that is attributed by a counter may have been one of theirs."
    );
    found(count, text, format!("foreign {count}"))
}

#[cfg(test)]
#[path = "datagrams/tests.rs"]
mod tests;
