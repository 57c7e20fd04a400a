//! Slow after the handshake: the service, or the load generator itself.

use super::case::{Case, seconds};
use super::queueing::mean_service;
use crate::measure::result::{Class, Finding};
use crate::measure::{Ending, Metric, Outcome};
use crate::units::{human_nanos, thousands};

/// A service time so many times that which was asked for is slow.
const SLOW: f64 = 1.5;
/// Share of the attempts from which on the generator's own lateness is worth a sentence: any machine is
/// late now and then.
const HELD_UP: f64 = 0.05;
/// CPU time that was missing, as a share of the cell's time, above which it is named.
const MISSED: f64 = 0.01;

/// All that can be said of it.
pub fn findings(case: &Case) -> impl Iterator<Item = Finding> {
    [service(case), broken(case), generator(case)].into_iter().flatten()
}

/// Replies that took long, unless the scenario asks for that and nobody was hurt.
fn service(case: &Case) -> Option<Finding> {
    let count = case.felt(Class::Service)?;
    let timeouts: u64 = case
        .cell
        .loads
        .iter()
        .filter_map(|load| load.endings.get(&Ending::Timeout))
        .fold(0, |sum, count| sum.saturating_add(*count));
    let measured = case.cell.metric("target", Metric::Service).map(|one| one.summary);
    let asked = case.serve().map(|serve| mean_service(serve.service));
    let slower = match (measured, asked) {
        (Some(measured), Some(asked)) => measured.mean > asked * SLOW + 5e6,
        (None, Some(_)) => false,
        (_, None) => true,
    };
    if timeouts == 0 && !slower {
        return None;
    }
    let hurt = match timeouts {
        0 => String::new(),
        timeouts => {
            format!(" {} sessions in all ended without a reply in time.", thousands(timeouts))
        }
    };
    let text = format!(
        "{} were accepted at once and then waited for their reply, {} on average.{hurt}",
        case.told(count),
        case.mean(Class::Service)
    );
    let evidence = vec![
        measured.map_or(String::new(), |measured| {
            format!("service of the target {} on average", seconds(measured.mean / 1e9))
        }),
        asked.map_or(String::new(), |asked| format!("{} asked for", seconds(asked / 1e9))),
        match case.cell.timeline.target.iter().filter_map(|seen| seen.accept_queue).max() {
            Some(longest) if measured.is_none() => format!(
                "longest accept queue {}, {}",
                thousands(longest),
                match case.grown(&["ListenOverflows"]) {
                    grown if grown.is_empty() => "no overflow".to_owned(),
                    grown => grown,
                }
            ),
            _ => String::new(),
        },
        if timeouts > 0 {
            format!("timeout {} of sessions", thousands(timeouts))
        } else {
            String::new()
        },
    ];
    let remedy = "The time is spent in the server, not in its queues: a backlog changes nothing. \
                  Serve faster, or more clients side by side.";
    Some(case.finding(count, text, evidence, remedy.to_owned()))
}

/// Connections that came to a bad end after they were accepted.
fn broken(case: &Case) -> Option<Finding> {
    let endings = [Ending::Reset, Ending::Closed, Ending::Other];
    let of = |ending: &Ending| -> u64 {
        case.cell.loads.iter().filter_map(|load| load.endings.get(ending)).sum()
    };
    // Those that no queue of the target held are told of elsewhere.
    let queues = [Class::OverflowReset, Class::ListenerClosed, Class::AckDropped];
    let elsewhere: u64 = queues.iter().map(|class| case.classes.count(*class)).sum();
    let count = endings.iter().map(of).sum::<u64>().saturating_sub(elsewhere);
    if !case.matters(count) || count == 0 {
        return None;
    }
    let told = endings.iter().filter(|ending| of(ending) > 0);
    let told: Vec<_> = told.map(|ending| format!("{ending} {}", thousands(of(ending)))).collect();
    let text = format!(
        "{} were established and then ended by the target before all was exchanged.",
        case.told(count)
    );
    let remedy = "No queue did that: see what the server says of these connections.";
    Some(case.finding(
        count,
        text,
        vec![format!("sessions: {}", told.join(", "))],
        remedy.to_owned(),
    ))
}

/// What the load generator itself held up.
fn generator(case: &Case) -> Option<Finding> {
    let lacking = [Outcome::NoFd, Outcome::NoBuffer];
    let lacked: u64 = case
        .cell
        .loads
        .iter()
        .flat_map(|load| lacking.iter().filter_map(|outcome| load.outcomes.get(outcome)))
        .sum();
    let count = match lacked {
        0 => case.felt(Class::Generator).filter(|count| case.share(*count) >= HELD_UP)?,
        _ => case.some(Class::Generator).filter(|count| case.matters(*count))?,
    };
    let validity = &case.cell.validity;
    let text = match lacked {
        0 => format!(
            "{} were held up by the load generator itself, not by the target: they took {} on \
             average. Schedule lag was {} at the 99th percentile, observer error {}.",
            case.told(count),
            case.mean(Class::Generator),
            human_nanos(validity.lag_p99),
            human_nanos(validity.observer_error_p99)
        ),
        _ => format!(
            "{} were not made for want of descriptors or memory at the load generator.",
            case.told(count)
        ),
    };
    let cell_s = case.cell.duration_s.max(1e-9);
    let steal = validity.steal_s / cell_s > MISSED;
    let delayed = validity.run_delay_s / cell_s > MISSED;
    let evidence = vec![
        case.outcomes(&lacking),
        format!("lag p99 {}", human_nanos(validity.lag_p99)),
        if steal {
            format!("the host took {} of CPU time", seconds(validity.steal_s))
        } else {
            String::new()
        },
        if delayed {
            format!("workers waited {} for a CPU", seconds(validity.run_delay_s))
        } else {
            String::new()
        },
    ];
    let remedy = match (lacked, steal, delayed) {
        (1.., ..) => "Raise the limit of open descriptors (ulimit -n), or lower the rate.",
        (0, true, _) => "Use a machine whose CPUs nobody else uses.",
        (0, false, true) => "Lower the rate, use more cores, or run the target on another machine.",
        (0, false, false) => "Lower the rate, or give the load more workers.",
    };
    Some(case.finding(count, text, evidence, remedy.to_owned()))
}

#[cfg(test)]
#[path = "slow/tests.rs"]
mod tests;
