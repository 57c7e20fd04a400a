use super::*;
use crate::measure::outcome::{Ending, Outcome};

const MS: u64 = 1_000_000;
const S: u64 = 1_000_000_000;

fn peer(port: u16) -> Peer {
    Peer::of(([198, 18, 0, 2], port).into())
}

/// An attempt that was issued when it was wanted; established or failed at `at`.
fn connect(attempt: u64, issued: u64, at: u64, outcome: Outcome, retransmits: u8) -> Record {
    let event = Event::Connect {
        intended: issued,
        issued,
        kernel_rtt_us: ((at - issued) / 1000 % 1_000_000) as u32,
        retransmits,
        syn_data: false,
        peer: if outcome.established() { peer(attempt as u16 + 1) } else { Peer::UNKNOWN },
        outcome,
        errno: 0,
    };
    Record { load: 0, attempt, at, event }
}

fn end(attempt: u64, at: u64, ending: Ending) -> Record {
    Record { load: 0, attempt, at, event: Event::End { ending, errno: 0 } }
}

fn held(attempt: u64, at: u64) -> Held {
    let peer = peer(attempt as u16 + 1);
    Held { peer, at, retransmits: 0, by_cookie: false, fate: Fate::Accepted }
}

fn evidence(growth: Vec<Growth>) -> Evidence {
    let syns = syn_schedule(&[("net.ipv4.tcp_syn_linear_timeouts".into(), "4".into())].into());
    Evidence { interval: 100 * MS, growth, counted: true, syns, ..Evidence::default() }
}

fn classes(
    named: bool,
    records: &[Record],
    held: &[Held],
    evidence: &Evidence,
) -> Vec<(Class, u64)> {
    let mut attempts = Attempts::new(1, named);
    records.iter().for_each(|record| attempts.enter(record));
    attempts.held(held);
    let result = attempts.finish(&["clients"], evidence);
    result.classes.iter().map(|one| (one.class, one.count)).collect()
}

/// One attempt that is over at once and that the target held at `accepted`.
fn one(outcome: Outcome, at: u64, retransmits: u8, accepted: Option<u64>, e: &Evidence) -> Class {
    let records = [connect(0, 0, at, outcome, retransmits), end(0, at, Ending::Done)];
    let records = if outcome.established() { &records[..] } else { &records[..1] };
    let held: Vec<_> = accepted.map(|at| held(0, at)).into_iter().collect();
    let found = classes(true, records, &held, e);
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].0
}

#[test]
fn what_the_attempt_itself_tells_needs_no_evidence() {
    let nothing = evidence(vec![]);
    let of = |outcome| one(outcome, MS / 10, 0, Some(MS / 5), &nothing);
    assert_eq!(of(Outcome::Ok), Class::Clean);
    assert_eq!(of(Outcome::Refused), Class::Refused);
    assert_eq!(of(Outcome::NoPort), Class::NoPort);
    assert_eq!(of(Outcome::NoFd), Class::Generator);
    assert_eq!(of(Outcome::HalfOpen), Class::HalfOpen);
    assert_eq!(of(Outcome::Cut), Class::Cut);
    assert_eq!(one(Outcome::Ok, MS / 10, 0, Some(90 * MS), &nothing), Class::Queued);
}

#[test]
fn a_late_issue_and_a_late_look_are_the_generator_s() {
    let mut late = connect(0, 0, 5 * MS, Outcome::Ok, 0);
    if let Event::Connect { issued, kernel_rtt_us, .. } = &mut late.event {
        (*issued, *kernel_rtt_us) = (3 * MS, 10);
    }
    let records = [late, end(0, 5 * MS, Ending::Done)];
    let found = classes(true, &records, &[held(0, 5 * MS)], &evidence(vec![]));
    assert_eq!(found, [(Class::Generator, 1)]);
}

#[test]
fn lost_syns_are_matched_with_what_was_counted_then() {
    let at = |interval: usize, growth: Growth| {
        let mut all = vec![Growth::default(); 20];
        all[interval] = growth;
        evidence(all)
    };
    let retried = |e: &Evidence| one(Outcome::OkRetried, S, 1, Some(S), e);
    let growth = Growth { accept_queue: 1, ..Growth::default() };
    assert_eq!(retried(&at(0, growth)), Class::AcceptQueueFull);
    assert_eq!(retried(&at(15, growth)), Class::Unexplained, "that was another one");
    assert_eq!(retried(&at(0, Growth { syn_queue: 3, ..growth })), Class::SynQueueFull);
    assert_eq!(retried(&at(0, Growth { path: 3, ..growth })), Class::NetworkLoss);
    let far = Evidence { network: true, ..evidence(vec![]) };
    assert_eq!(retried(&far), Class::NetworkLoss, "nobody dropped it at the target");
    assert_eq!(one(Outcome::Timeout, S / 2, 0, None, &at(0, growth)), Class::AcceptQueueFull);
}

#[test]
fn no_count_is_used_twice() {
    let growth = vec![Growth { accept_queue: 2, ..Growth::default() }; 1];
    let records: Vec<_> = (0..3).map(|n| connect(n, n * MS, S / 2, Outcome::Timeout, 0)).collect();
    let found = classes(true, &records, &[], &evidence(growth.clone()));
    assert_eq!(found, [(Class::AcceptQueueFull, 2), (Class::Unexplained, 1)]);
    let rest = Evidence { rest: growth[0], ..evidence(vec![]) };
    let found = classes(true, &records, &[], &rest);
    assert_eq!(found, [(Class::AcceptQueueFull, 2), (Class::Unexplained, 1)]);
}

#[test]
fn what_the_target_never_held_is_told_by_the_reason() {
    let growth = vec![Growth { accept_queue: 1, ..Growth::default() }];
    let never = |e: &Evidence| one(Outcome::Ok, MS, 0, None, e);
    assert_eq!(never(&evidence(vec![])), Class::Unexplained);
    let full = evidence(growth);
    assert_eq!(never(&full), Class::AckDropped);
    assert_eq!(never(&Evidence { aborts: true, ..full.clone() }), Class::OverflowReset);
    let closes = vec![Close { at: 2 * MS, reset: 1, dropped: 0 }];
    assert_eq!(never(&Evidence { closes, ..full }), Class::ListenerClosed);
    let defers = Evidence { defers: true, ..evidence(vec![]) };
    assert_eq!(never(&defers), Class::Clean, "it waits for data that does not come");
}

#[test]
fn a_handshake_that_was_over_late_at_the_target_met_a_full_queue() {
    let growth = vec![Growth { accept_queue: 1, ..Growth::default() }];
    let records = [connect(0, 0, MS / 10, Outcome::Ok, 0), end(0, MS, Ending::Done)];
    let late = Held { retransmits: 1, ..held(0, S) };
    assert_eq!(classes(true, &records, &[late], &evidence(growth)), [(Class::AckDropped, 1)]);
    assert_eq!(classes(true, &records, &[late], &evidence(vec![])), [(Class::Unexplained, 1)]);
    let cookie = Held { by_cookie: true, ..held(0, MS / 5) };
    assert_eq!(classes(true, &records, &[cookie], &evidence(vec![])), [(Class::Cookie, 1)]);
}

#[test]
fn a_port_that_is_used_again_names_the_later_attempt() {
    // The first was never held; the second has its port.
    let mut second = connect(1, 2 * S, 2 * S + MS / 10, Outcome::Ok, 0);
    if let Event::Connect { peer: of_second, .. } = &mut second.event {
        *of_second = peer(1);
    }
    let records = [
        connect(0, 0, MS / 10, Outcome::Ok, 0),
        end(0, MS / 10, Ending::Done),
        second,
        end(1, 3 * S, Ending::Done),
    ];
    let growth = vec![Growth { accept_queue: 1, ..Growth::default() }];
    let found = classes(true, &records, &[held(0, 2 * S + MS / 5)], &evidence(growth));
    assert_eq!(found, [(Class::Clean, 1), (Class::AckDropped, 1)]);
}

#[test]
fn a_target_may_speak_first() {
    let mut attempts = Attempts::new(1, true);
    attempts.held(&[held(0, MS)]);
    attempts.enter(&connect(0, 0, MS / 10, Outcome::Ok, 0));
    attempts.enter(&end(0, MS / 10, Ending::Done));
    let result = attempts.finish(&["clients"], &evidence(vec![]));
    assert_eq!((result.joined, result.count(Class::Clean)), (1, 1));
}

#[test]
fn a_target_that_names_nobody_leaves_its_queue_as_evidence() {
    let reply = Event::Reply { intended: 0, issued: 0, resent: 0 };
    let records = [
        connect(0, 0, MS / 10, Outcome::Ok, 0),
        Record { load: 0, attempt: 0, at: 50 * MS, event: reply },
        end(0, 50 * MS, Ending::Done),
    ];
    let full = Evidence { queue: vec![4.0], ..evidence(vec![]) };
    assert_eq!(classes(false, &records, &[], &full), [(Class::Queued, 1)]);
    assert_eq!(classes(false, &records, &[], &evidence(vec![])), [(Class::Service, 1)]);
}

#[test]
fn syns_are_sent_when_linux_sends_them() {
    let seconds = |linear: &str| -> Vec<u64> {
        let settings = [("net.ipv4.tcp_syn_linear_timeouts".to_owned(), linear.to_owned())];
        syn_schedule(&settings.into()).into_iter().map(|at| at / S).take(9).collect()
    };
    assert_eq!(seconds("4"), [0, 1, 2, 3, 4, 5, 7, 11, 19]);
    assert_eq!(seconds("0"), [0, 1, 3, 7, 15, 31, 63, 127, 247]);
}

#[test]
fn what_the_network_took_is_told_by_the_packet() {
    let growth = vec![Growth { path: 3, ..Growth::default() }];
    let evidence = evidence(growth);
    let mut attempts = Attempts::new(1, true);
    // The first lost its SYN, the second its final ACK, the third its request.
    attempts.enter(&connect(0, 0, S, Outcome::OkRetried, 1));
    attempts.enter(&connect(1, 0, MS / 10, Outcome::Ok, 0));
    attempts.enter(&connect(2, 0, MS / 10, Outcome::Ok, 0));
    let reply = Event::Reply { intended: 0, issued: 0, resent: 1 };
    attempts.enter(&Record { load: 0, attempt: 2, at: 201 * MS, event: reply });
    (0..3).for_each(|attempt| attempts.enter(&end(attempt, S, Ending::Done)));
    attempts.held(&[held(0, S), Held { retransmits: 1, ..held(1, S) }, held(2, MS / 5)]);
    let result = attempts.finish(&["clients"], &evidence);
    assert_eq!(result.count(Class::NetworkLoss), 3, "{:?}", result.classes);
    let network = crate::measure::classes::NetworkLosses { syn: 1, ack: 1, data: 1 };
    assert_eq!(result.network, network);
}

#[test]
fn acks_that_a_queue_dropped_take_no_syns_from_the_path() {
    // 4 SYNs were lost: 3 by the path, 1 by the queue, which ignored 9 final ACKs as well.
    let records: Vec<_> = (0..4).map(|n| connect(n, n * MS, S / 2, Outcome::Timeout, 0)).collect();
    let growth = vec![Growth { accept_queue: 10, path: 5, path_syns: 3, ..Growth::default() }];
    let vague = evidence(growth);
    let told = |evidence: &Evidence| {
        let mut attempts = Attempts::new(1, true);
        records.iter().for_each(|record| attempts.enter(record));
        let lost = attempts.finish(&["clients"], evidence).lost_syns;
        lost.iter().map(|one| (one.class, one.count, one.doubtful)).collect::<Vec<_>>()
    };
    let exact = Evidence { path_syns: true, ..vague.clone() };
    assert_eq!(told(&exact), [(Class::AcceptQueueFull, 1, 0), (Class::NetworkLoss, 3, 0)]);
    assert_eq!(told(&vague), [(Class::AcceptQueueFull, 4, 4)], "and it is said to be doubtful");
}
