//! What a queue hides in a short run.

use crate::measure::result::CellResult;
use crate::scenario::plan::{Cell, Limit, Subject};
use crate::units::Span;

/// What the sentence of [`hidden_surplus`] begins with.
pub const SURPLUS: &str = "the accept queue's";

/// A sentence where the accept queue alone takes so large a surplus for as long as a run lasts that
/// the value found reads too high by more than half of `within`; `rate` is the load's, per second.
///
/// A limit on counts (overflows, outcomes) breaks only when the queue is full. Arrivals that exceed
/// what is accepted by `s` a second fill `n` places after `n / s` seconds: in a run of `t` seconds a
/// surplus below `n / t` goes unseen.
pub fn hidden_surplus(
    limit: &Limit,
    plan: &Cell,
    cell: &CellResult,
    rate: f64,
    within: f64,
) -> Option<String> {
    if !matches!(limit.subject, Subject::Counter(_) | Subject::Outcome { .. }) {
        return None;
    }
    let listeners = f64::from(cell.target.listeners.max(1));
    let places = (f64::from(cell.target.backlog_effective?) + 1.0) * listeners;
    let windows = plan.loads.iter().map(|load| load.schedule.window().get().as_secs_f64());
    let seconds = windows.fold(0.0, f64::max);
    let allowed = within / 2.0;
    let share = places / seconds / rate;
    if !share.is_finite() || share <= allowed {
        return None;
    }
    let longer = Span::from(std::time::Duration::from_secs_f64(
        (places / (rate * allowed)).ceil().clamp(1.0, 1e6),
    ));
    let fewer = (rate * seconds * allowed / listeners).floor() - 1.0;
    let backlog = match fewer {
        0.0.. => format!("a backlog of {fewer}, or "),
        _ => String::new(),
    };
    Some(format!(
        "{SURPLUS} {places} places take a surplus of {:.1}/s for the {} of a run, unseen: what \
         is found may be up to {:.1} % too high. To make that {:.1} %: {backlog}runs of {longer}",
        places / seconds,
        Span::from(std::time::Duration::from_secs_f64(seconds)),
        share * 100.0,
        allowed * 100.0,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use crate::scenario::plan::{Bound, Comparison};

    #[test]
    fn a_long_queue_in_a_short_run_is_told_with_what_would_help() {
        let run = sample::sweep(&[128]);
        let (plan, cell) = (&run.scenario.cells[0], &run.cells[0]);
        let subject = Subject::Counter("ListenOverflows".to_owned());
        let limit = Limit { subject, comparison: Comparison::Equal, bound: Bound::Count(0.0) };
        let seconds = plan.loads[0].schedule.window().get().as_secs_f64();
        assert_eq!(seconds, 8.0);
        let told = hidden_surplus(&limit, plan, cell, 400.0, 0.02).expect("129 places of 3200");
        // 129 places in 8 s are 16.1/s, which is 4 % of 400/s.
        for part in
            ["129 places", "16.1/s", "8s", "4.0 % too high", "1.0 %", "backlog of 31", "33s"]
        {
            assert!(told.contains(part), "{part}: {told}");
        }
        assert_eq!(hidden_surplus(&limit, plan, cell, 40_000.0, 0.02), None);
        let latency = Limit {
            subject: Subject::Metric {
                load: None,
                metric: "connect".to_owned(),
                statistic: crate::scenario::plan::Statistic::Max,
            },
            ..limit
        };
        assert_eq!(hidden_surplus(&latency, plan, cell, 400.0, 0.02), None);
    }
}
