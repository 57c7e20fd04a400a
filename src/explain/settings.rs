//! Settings that did not do what the scenario says.

use super::case::Case;
use crate::measure::result::{CellResult, Class, Finding};
use crate::units::thousands;

/// A backlog that the kernel cut.
pub fn clamped(cell: &CellResult) -> Option<Finding> {
    let (true, Some(asked), Some(effective)) =
        (cell.target.clamped, cell.target.backlog_asked, cell.target.backlog_effective)
    else {
        return None;
    };
    let most = cell.settings.get("net.core.somaxconn").filter(|most| most.len() < 20);
    let text = format!(
        "The backlog was cut to {}: {} was asked for, and the kernel grants at most \
         net.core.somaxconn{}. listen() says nothing of it.",
        thousands(effective),
        thousands(asked),
        most.map_or(String::new(), |most| format!(", {most} here"))
    );
    let evidence = format!("limit of the listener {}", thousands(effective));
    let remedy = format!(
        "Raise net.core.somaxconn to {} before the server listens (in a lab: [lab.sysctl]).",
        thousands(asked)
    );
    // It concerns those whom a longer queue might have held.
    let concerned = cell.classes.as_ref().map_or(0.0, |classes| {
        let all = [Class::AcceptQueueFull, Class::AckDropped, Class::OverflowReset, Class::NoPlace];
        let count: u64 = all.iter().map(|class| classes.count(*class)).sum();
        count as f64 / classes.attempts().max(1) as f64
    });
    Some(Finding { text, evidence, remedy, impact: concerned.min(1.0) })
}

/// A sampler that was too coarse to see what the counters tell of.
pub fn sampler(cell: &CellResult) -> Option<Finding> {
    let sampler = cell.target.sampler.as_ref()?;
    let overflows = cell.counter("ListenOverflows").unwrap_or(0);
    let full = |share: Option<f64>| share.is_some_and(|share| share > 0.0);
    let seen = cell.timeline.target.iter().filter_map(|seen| seen.accept_queue_full);
    let unseen = overflows > 0 && sampler.ticks > 0 && seen.clone().next().is_some();
    if !unseen || seen.into_iter().any(|share| full(Some(share))) {
        return None;
    }
    let text = format!(
        "The queue overflowed {} times, and no sample saw it full: it was full for less than the \
         time between two samples, {:.1} ms. The timeline does not show these moments.",
        thousands(overflows),
        sampler.period_us / 1e3
    );
    let evidence = format!(
        "ListenOverflows +{}; {} samples, {} lost",
        thousands(overflows),
        thousands(sampler.ticks.saturating_sub(sampler.lost)),
        thousands(sampler.lost)
    );
    let remedy = "Use a shorter target.sample.".to_owned();
    Some(Finding { text, evidence, remedy, impact: 0.0 })
}

/// What nothing that was observed explains.
pub fn unexplained(case: &Case) -> Option<Finding> {
    let count = case.some(Class::Unexplained)?;
    let latency = case.classes.latency_s(Class::Unexplained);
    let much =
        latency >= 0.01 * case.classes.whole_latency_s() && case.felt(Class::Unexplained).is_some();
    if !case.matters(count) && !much {
        return None;
    }
    let text = format!(
        "{} were held up or lost, and nothing that loadgen observes tells why. They took {} on \
         average.",
        case.told(count),
        case.mean(Class::Unexplained)
    );
    let joined = match case.classes.named {
        true => format!("{} found again at the target", thousands(case.classes.joined)),
        false => "the target does not name the connections that it held".to_owned(),
    };
    Some(case.finding(count, text, vec![joined], String::new()))
}

#[cfg(test)]
#[path = "settings/tests.rs"]
mod tests;
