//! Nobody there: refused connections, and listeners that were closed.

use super::case::Case;
use crate::measure::Outcome;
use crate::measure::result::{Class, Finding, RestartResult};
use crate::scenario::plan::Succession;
use crate::units::thousands;

/// All that can be said of it.
pub fn findings(case: &Case) -> impl Iterator<Item = Finding> {
    [refused(case), closed(case)].into_iter().flatten()
}

fn refused(case: &Case) -> Option<Finding> {
    let count = case.some(Class::Refused)?;
    let restarts = &case.cell.target.restarts;
    let gaps: Vec<String> = restarts.iter().filter_map(gap).collect();
    let when = match gaps.is_empty() {
        true => String::new(),
        false => format!(" The target restarted: {}.", gaps.join("; ")),
    };
    let text = format!(
        "{} were refused: nobody listened at {}.{when}",
        case.told(count),
        case.cell.target.address
    );
    let errors: u64 =
        case.cell.loads.iter().filter_map(|load| load.errors.get("ECONNREFUSED")).sum();
    let evidence = vec![
        case.outcomes(&[Outcome::Refused]),
        if errors > 0 { format!("ECONNREFUSED {}", thousands(errors)) } else { String::new() },
    ];
    let remedy = match (gaps.is_empty(), hands_over(case)) {
        (true, _) => "See whether the server runs, and listens at this address and port.",
        (false, true) => {
            "The new listener was to join the old one before that is closed, and was not there in \
             time: see what kept it from listening."
        }
        (false, false) => HAND_OVER,
    };
    Some(case.finding(count, text, evidence, remedy.to_owned()))
}

/// What leaves no gap.
const HAND_OVER: &str = "Let the new listener join the old one (SO_REUSEPORT) before that is closed, \
     with net.ipv4.tcp_migrate_req = 1, so that what waits in the old queue moves to the new one.";

/// What is left to do where the new listener has joined the old one.
const MIGRATE: &str = "The new listener joined the old one in time: with net.ipv4.tcp_migrate_req = 1, what \
     waits in the old queue moves to the new one.";

/// Whether the scenario lets the new listener join the old one before that is closed.
fn hands_over(case: &Case) -> bool {
    let restart = case.serve().and_then(|serve| serve.restart);
    restart.is_some_and(|restart| restart.succession == Succession::HandOver)
}

fn gap(restart: &RestartResult) -> Option<String> {
    let closed = restart.closed_at_s?;
    match restart.gap_s {
        Some(gap) if gap > 0.0 => {
            Some(format!("nobody listened for {gap:.3} s from {closed:.3} s on"))
        }
        Some(_) => None,
        None => Some(format!("nobody listened from {closed:.3} s on")),
    }
}

fn closed(case: &Case) -> Option<Finding> {
    let count = case.some(Class::ListenerClosed)?;
    let restarts = &case.cell.target.restarts;
    let at: Vec<String> = restarts
        .iter()
        .filter_map(|restart| Some(format!("{:.3} s", restart.closed_at_s?)))
        .collect();
    let when = match at.is_empty() {
        true => String::new(),
        false => format!(" at {}", at.join(", ")),
    };
    let text = format!(
        "{} were lost with a listener: the target closed it{when}, and the kernel reset what waited \
         in its accept queue.",
        case.told(count)
    );
    let reset = restarts.iter().fold(0u64, |sum, one| sum.saturating_add(one.queue_reset));
    let evidence = vec![
        if reset > 0 { format!("{} reset in the queue", thousands(reset)) } else { String::new() },
        case.outcomes(&[Outcome::Reset]),
    ];
    let migrate = case.setting("net.ipv4.tcp_migrate_req");
    let remedy = match (hands_over(case), migrate) {
        (false, _) => HAND_OVER,
        (true, Some(0) | None) => MIGRATE,
        (true, Some(_)) => "Empty the queue before the listener is closed.",
    };
    Some(case.finding(count, text, evidence, remedy.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{cell_with, only};
    use super::*;

    #[test]
    fn a_restart_with_a_gap_is_named() {
        let (plan, mut cell) = cell_with(&[(Class::Refused, 40, 0.01)]);
        cell.loads[0].outcomes.insert(Outcome::Refused, 40);
        cell.loads[0].errors.insert("ECONNREFUSED".to_owned(), 40);
        let found = only(&plan, &cell);
        assert!(found.text.ends_with("nobody listened at 198.18.0.1:8080."), "{}", found.text);
        assert!(found.remedy.starts_with("See whether the server runs"), "{}", found.remedy);
        cell.target.restarts = vec![RestartResult {
            closed_at_s: Some(3.0),
            gap_s: Some(0.5),
            ..RestartResult::default()
        }];
        let found = only(&plan, &cell);
        assert!(
            found.text.contains("nobody listened for 0.500 s from 3.000 s on"),
            "{}",
            found.text
        );
        assert_eq!(found.evidence, "refused 40; ECONNREFUSED 40");
        assert!(found.remedy.contains("SO_REUSEPORT"), "{}", found.remedy);
    }

    #[test]
    fn what_is_done_already_is_not_advised() {
        use crate::scenario::plan::{Restart, Target};
        let (mut plan, mut cell) = cell_with(&[(Class::ListenerClosed, 6, 0.01)]);
        cell.target.restarts =
            vec![RestartResult { closed_at_s: Some(3.0), queue_reset: 6, ..Default::default() }];
        let Target::Own { serve, .. } = &mut plan.target else { panic!("own") };
        let at = crate::units::Span::from_millis(3000);
        serve.restart = Some(Restart { at, succession: Succession::HandOver });
        let found = only(&plan, &cell);
        assert!(found.remedy.contains("tcp_migrate_req = 1"), "{}", found.remedy);
        assert!(!found.remedy.contains("SO_REUSEPORT"), "{}", found.remedy);
        cell.settings.insert("net.ipv4.tcp_migrate_req".to_owned(), "1".to_owned());
        let found = only(&plan, &cell);
        assert!(found.remedy.starts_with("Empty the queue"), "{}", found.remedy);
        let (_, mut cell) = cell_with(&[(Class::Refused, 6, 0.01)]);
        cell.loads[0].outcomes.insert(Outcome::Refused, 6);
        cell.target.restarts = vec![RestartResult { closed_at_s: Some(3.0), ..Default::default() }];
        let found = only(&plan, &cell);
        assert!(found.remedy.contains("was not there in time"), "{}", found.remedy);
    }

    #[test]
    fn what_was_reset_with_its_listener_is_told() {
        let (plan, mut cell) = cell_with(&[(Class::ListenerClosed, 6, 0.01)]);
        cell.target.restarts = vec![RestartResult {
            closed_at_s: Some(3.0),
            gap_s: Some(0.0),
            queue_reset: 6,
            ..RestartResult::default()
        }];
        let found = only(&plan, &cell);
        assert!(found.text.contains("the target closed it at 3.000 s"), "{}", found.text);
        assert!(found.evidence.contains("6 reset in the queue"), "{}", found.evidence);
        assert!(found.remedy.contains("tcp_migrate_req = 1"), "{}", found.remedy);
    }
}
