//! Results to a judgement: limits, validity, verdict. Pure.

pub mod cards;
pub mod compare;
pub mod knee;
mod limits;
mod reading;
mod repeats;
pub mod statistics;
mod validity;

use crate::measure::Outcome;
use crate::measure::result::{CellResult, LimitResult, RunResult, Status, Verdict};

pub use limits::{Judged, judge};
pub use validity::{Offer, generator_limited, sampler_lossy};

/// The judgement over a run whose cells and limits are final.
pub fn verdict(run: &RunResult) -> Verdict {
    if let Some(knee) = &run.knee {
        return knee::verdict(knee, &run.status);
    }
    if let Some(repeats) = &run.repeats {
        return repeats::verdict(run, repeats);
    }
    let several = run.cells.len() > 1;
    let invalid: Vec<String> = run
        .cells
        .iter()
        .flat_map(|cell| cell.validity.reasons.iter().map(|reason| (cell.title(), reason)))
        .map(|(cell, reason)| if several { format!("{cell}: {reason}") } else { reason.clone() })
        .collect();
    if !invalid.is_empty() {
        return Verdict::Invalid { reasons: invalid };
    }
    if let Status::Partial { reason } = &run.status {
        return Verdict::Inconclusive { reasons: vec![format!("the run is partial: {reason}")] };
    }
    if run.limits.iter().any(|limit| limit.holds == Some(false)) {
        return Verdict::Fail;
    }
    let unjudged = run.limits.iter().filter(|limit| limit.holds.is_none()).map(unjudged);
    let doubts: Vec<String> = unjudged.chain(unreached(run)).collect();
    if doubts.is_empty() { Verdict::Pass } else { Verdict::Inconclusive { reasons: doubts } }
}

/// Cells whose target nobody reached who wanted to: without a limit that expects it, that is no
/// pass.
fn unreached(run: &RunResult) -> impl Iterator<Item = String> {
    let expected = run.limits.iter().any(expects_failure);
    let cells = run.cells.iter().filter(move |cell| !expected && !reached(cell));
    cells.map(|cell| match cell.datagrams {
        Some(_) => format!("cell {}: no datagram is known to have arrived", cell.title()),
        None => format!("no attempt of {} was established", cell.title()),
    })
}

/// Whether a limit says that attempts or datagrams come to nothing.
fn expects_failure(limit: &LimitResult) -> bool {
    let subject = limit.subject.rsplit_once("outcomes.").map_or(limit.subject.as_str(), |(_, o)| o);
    let demands = limit.condition.starts_with('>')
        || limit.condition.strip_prefix("==").is_some_and(|value| !is_none(value));
    match subject {
        "ok" | "done" => !demands,
        "connect.count" | "request.count" => !demands,
        name if name.len() < limit.subject.len() => demands,
        name if name.starts_with("loss") || name.contains("classes.") => demands,
        _ => false,
    }
}

/// Whether a bound is 0, whatever its unit.
fn is_none(value: &str) -> bool {
    !value.contains(|c: char| ('1'..='9').contains(&c))
}

/// Whether anything came to the target that was to come there.
pub fn reached(cell: &CellResult) -> bool {
    if let Some(datagrams) = &cell.datagrams {
        // A server that never replies tells nothing of what reaches it.
        let came = datagrams.received > 0 || datagrams.late > 0;
        return came || datagrams.wanted == 0 || !datagrams.is_known();
    }
    let half_open: u64 =
        cell.loads.iter().filter_map(|load| load.outcomes.get(&Outcome::HalfOpen)).sum();
    cell.ledger.attempts <= half_open || cell.ledger.established > 0
}

fn unjudged(limit: &LimitResult) -> String {
    let why = match &limit.measured {
        Some(measured) => format!("{measured}, which this run does not resolve"),
        None => "nothing was measured".to_owned(),
    };
    format!("{} {} cannot be judged in {}: {why}", limit.subject, limit.condition, limit.cell)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn limit(measured: Option<&str>, holds: Option<bool>) -> LimitResult {
        LimitResult {
            cell: "all".to_owned(),
            load: None,
            subject: "connect.p99".to_owned(),
            condition: "<= 5ms".to_owned(),
            measured: measured.map(str::to_owned),
            holds,
        }
    }

    fn judged(limits: &[LimitResult]) -> Verdict {
        let mut run = sample::backlog();
        run.limits = limits.to_vec();
        verdict(&run)
    }

    #[test]
    fn a_broken_limit_is_not_hidden_by_one_without_a_value() {
        let (broken, absent) = (limit(Some("6ms"), Some(false)), limit(None, None));
        assert_eq!(judged(&[broken, absent.clone()]), Verdict::Fail);
        let Verdict::Inconclusive { reasons } = judged(&[absent]) else { panic!("inconclusive") };
        assert!(reasons[0].contains("nothing was measured"), "{reasons:?}");
        assert_eq!(judged(&[limit(Some("1ms"), Some(true))]), Verdict::Pass);
    }

    #[test]
    fn what_nobody_reached_does_not_pass_unless_it_was_expected() {
        let mut run = sample::backlog();
        run.limits.clear();
        run.cells[1].ledger.established = 0;
        assert!(matches!(verdict(&run), Verdict::Inconclusive { .. }));
        let with = |subject: &str, condition: &str| LimitResult {
            subject: subject.to_owned(),
            condition: condition.to_owned(),
            ..limit(Some("0"), Some(true))
        };
        for (subject, condition, expected) in [
            ("connect.p99", "<= 5ms", false),
            ("outcomes.timeout", "== 0", false),
            ("load.clients.outcomes.refused", ">= 1", true),
            ("outcomes.refused", "== 40", true),
            ("outcomes.ok", "== 0", true),
            ("outcomes.ok", ">= 7", false),
            ("classes.refused", "> 50%", true),
            ("connect.count", "== 0", true),
        ] {
            run.limits = vec![with(subject, condition)];
            assert_eq!(verdict(&run) == Verdict::Pass, expected, "{subject} {condition}");
        }
    }

    #[test]
    fn datagrams_of_which_none_arrived_do_not_pass() {
        let mut run = sample::datagrams();
        assert_eq!(verdict(&run), Verdict::Pass);
        let datagrams = run.cells[1].datagrams.as_mut().expect("datagrams");
        (datagrams.lost, datagrams.received) = (datagrams.expected, 0);
        let Verdict::Inconclusive { reasons } = verdict(&run) else { panic!("inconclusive") };
        assert_eq!(reasons, ["cell target.rcvbuf = 256KiB: no datagram is known to have arrived"]);
        let datagrams = run.cells[1].datagrams.as_mut().expect("datagrams");
        (datagrams.lost, datagrams.counted) = (0, false);
        assert_eq!(verdict(&run), Verdict::Pass, "nobody knows, and nobody was to know");
    }

    #[test]
    fn an_invalid_run_is_never_a_pass_and_a_partial_one_proves_nothing() {
        let mut run = sample::backlog();
        run.cells[0].validity.reasons.push("lag".to_owned());
        assert!(matches!(verdict(&run), Verdict::Invalid { .. }));
        let mut run = sample::backlog();
        run.status = Status::Partial { reason: "interrupted".to_owned() };
        assert!(matches!(verdict(&run), Verdict::Inconclusive { .. }));
    }
}
