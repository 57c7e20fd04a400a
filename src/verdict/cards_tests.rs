use super::*;
use crate::measure::card::Confidence;
use crate::report::sample;

fn line<'l>(found: &'l Comparison, id: &str, name: &str) -> &'l Line<'l> {
    let wanted = |line: &&Line| {
        let key = &line.key;
        let plain = key.settings.is_empty() && key.family != Some(Family::Ipv6);
        key.id == id && key.name == name && plain
    };
    found.lines.iter().find(wanted).unwrap_or_else(|| panic!("{id} {name}"))
}

#[test]
fn a_card_is_the_same_as_itself() {
    let card = sample::linux_card();
    let found = compare(&[&card, &card, &card]);
    assert_eq!(found.count(Kind::Same), found.lines.len());
    let values: usize = card.experiments.iter().map(|one| one.inferred.len()).sum();
    let told: usize = found.lines.iter().map(|line| line.families.len().max(1)).sum();
    assert_eq!(told, values, "each value stands in a line");
    let rule = line(&found, "tcp.accept_queue.sequential", "rule");
    assert_eq!(rule.families, [Family::Ipv4, Family::Ipv6]);
    assert!(found.unlike.is_empty());
}

#[test]
fn differences_come_first_and_say_what_each_card_has() {
    let (linux, gvisor) = (sample::linux_card(), sample::gvisor_card());
    let found = compare(&[&linux, &gvisor]);
    let kinds: Vec<_> = found.lines.iter().map(|line| line.kind).collect();
    assert!(kinds.is_sorted() && kinds.first() == Some(&Kind::Different), "{kinds:?}");
    let capacity = line(&found, "tcp.accept_queue.sequential", "capacity");
    assert_eq!(
        capacity.shown(0).as_deref(),
        Some("-1 -> 4097, 0 -> 1, 1000 -> 1001 (connections by backlog; 4 alike)")
    );
    assert_eq!(
        capacity.shown(1).as_deref(),
        Some("-1 -> 129, 0 -> 2, 1000 -> 129 (connections by backlog; 4 alike)")
    );
    let rule = line(&found, "tcp.accept_queue.sequential", "rule");
    assert_eq!((rule.kind, rule.shown(1).as_deref()), (Kind::Same, Some("n + 1")));
    let unlike: Vec<_> = found.unlike.iter().map(|(name, _)| *name).collect();
    assert_eq!(unlike, ["depth", "place"]);
}

#[test]
fn what_the_uncertainty_covers_is_no_difference() {
    let card = sample::linux_card();
    let mut other = card.clone();
    for experiment in &mut other.experiments {
        for inferred in &mut experiment.inferred {
            match &mut inferred.value {
                Value::Seconds { seconds, give } => *seconds += *give * 1.9,
                Value::Schedule { seconds, .. } => seconds.iter_mut().for_each(|at| *at *= 1.04),
                _ => {}
            }
        }
    }
    let found = compare(&[&card, &other]);
    assert_eq!((found.count(Kind::Different), found.count(Kind::Lacking)), (0, 0));
    assert_eq!(found.count(Kind::Within), 5);
    let time = found.of(Kind::Within).find(|line| line.key.name == "time").expect("listed");
    assert_eq!(time.shown(0).as_deref(), Some("5.2 us"));
    // A third that is as far from the second differs from the first.
    let mut third = other.clone();
    for inferred in third.experiments.iter_mut().flat_map(|one| &mut one.inferred) {
        if let Value::Seconds { seconds, give } = &mut inferred.value {
            *seconds += *give * 1.9;
        }
    }
    assert_eq!(compare(&[&card, &other, &third]).count(Kind::Different), 2);
}

#[test]
fn a_value_that_one_card_misses_says_why() {
    let (linux, gvisor) = (sample::linux_card(), sample::gvisor_card());
    let found = compare(&[&linux, &gvisor]);
    let onset = line(&found, "tcp.syn_queue.cookies", "onset");
    assert_eq!(onset.kind, Kind::Lacking);
    assert_eq!(onset.told[1], Told::Missing("setsockopt(TCP_DEFER_ACCEPT) had no effect"));
    // The experiment as a whole says why, too.
    let schedule = line(&found, "tcp.syn_retries", "schedule");
    assert_eq!(schedule.told[1], Told::Missing("TCP_INFO says nothing of retransmits"));
    let never = line(&found, "tcp.synack_retries", "schedule");
    assert_eq!(never.told[1], Told::Nothing);
    let unwanted = found.lines.iter().any(|line| line.key.name == "gives_up");
    assert!(!unwanted, "what no card has is no line");
}

#[test]
fn of_two_values_with_one_name_the_first_counts() {
    let card = sample::linux_card();
    let mut twice = card.clone();
    let mut again = card.experiments[0].clone();
    again.infer("rule", Value::word("n"), &[], (Confidence::Low, "made up"));
    again.inferred.retain(|one| one.value == Value::word("n"));
    twice.experiments.push(again);
    assert_eq!(compare(&[&card, &twice]).count(Kind::Different), 0);
    assert!(compare(&[]).lines.is_empty());
}
