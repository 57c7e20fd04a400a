//! The two ledgers of a cell, and how they meet. Pure.

use std::collections::BTreeMap;

use super::outcome::{Ending, Outcome, TargetEnding, TargetOutcome};
use super::result::{Ledger, LedgerStep};

/// What the clients say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientSide {
    /// Attempts that the schedules handed out.
    pub attempts: u64,
    /// Attempts by connect outcome.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// Established connections by what became of them.
    pub endings: BTreeMap<Ending, u64>,
}

/// What is known of the target's side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetSide {
    /// Our target counted every connection itself.
    Own {
        /// What came of those in its accept queue.
        outcomes: BTreeMap<TargetOutcome, u64>,
        /// How those that it accepted came to their end.
        endings: BTreeMap<TargetEnding, u64>,
        /// What explains differences.
        evidence: Evidence,
    },
    /// The kernel of the target's namespace counted what every listener in it took: the growth of
    /// `PassiveOpens`, and the connections in the queue when the last attempt was over.
    Kernel {
        /// Growth of `PassiveOpens`.
        passive_opens: u64,
        /// Connections in the queue at the end.
        queued_at_end: u64,
        /// What explains differences.
        evidence: Evidence,
    },
    /// Nothing.
    Unseen,
}

/// What can explain a difference between the two sides; a step is never larger than it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Evidence {
    /// Half-open connections when the last attempt was over.
    pub syn_recv_at_end: u64,
    /// Packets that a full accept queue turned away and that were not the clients' SYNs: growth of
    /// `ListenDrops`, less the SYNs that clients had to send again or for nothing, and at most the
    /// growth of `ListenOverflows`.
    pub acks_dropped: u64,
    /// Growth of `SyncookiesRecv`: packets that carried a valid SYN cookie.
    pub cookies_received: u64,
    /// Growth of `TCPDeferAcceptDrop` where the target defers accept: final ACKs without data.
    pub deferred: u64,
    /// Growth of `EmbryonicRsts`: half-open connections that a RST ended.
    pub half_open_reset: u64,
    /// Growth of `SyncookiesFailed`: packets whose SYN cookie the kernel did not accept.
    pub cookies_failed: u64,
    /// Half-open connections, and packets dropped, at the instants at which the target closed its
    /// listeners.
    pub half_open_at_close: u64,
    /// Connections that the target's close reset in its queue and whose client was reset before
    /// it had seen them established.
    pub reset_unseen: u64,
}

/// Closes the books: what the clients established against what the target got.
pub fn reconcile(client: &ClientSide, side: TargetSide) -> Ledger {
    let mut ledger = close(client);
    let (target, source, evidence) = match side {
        TargetSide::Own { outcomes, endings, evidence } => {
            let accepted = outcomes.get(&TargetOutcome::Accepted).copied().unwrap_or(0);
            ledger.unended_at_target = difference(accepted, total(endings.values()));
            ledger.target_endings = endings;
            (outcomes, "own", evidence)
        }
        TargetSide::Kernel { passive_opens, queued_at_end, evidence } => {
            let accepted = passive_opens.saturating_sub(queued_at_end);
            let classes = BTreeMap::from([
                (TargetOutcome::Accepted, accepted),
                (TargetOutcome::QueuedAtEnd, queued_at_end),
            ]);
            (classes, "kernel", evidence)
        }
        TargetSide::Unseen => {
            return Ledger { target_source: "none".to_owned(), ..ledger };
        }
    };
    let mut difference = difference(total(target.values()), ledger.established);
    let steps = explanations(evidence)
        .into_iter()
        .filter_map(|(why, least, most)| {
            let count = difference.clamp(least, most);
            // Never past 0, from where `difference` is now.
            difference -= count;
            (count != 0).then(|| LedgerStep { why: why.to_owned(), count })
        })
        .collect();
    let target_source = source.to_owned();
    Ledger { target, target_source, steps, unexplained: Some(difference), ..ledger }
}

/// The client's books by themselves.
fn close(client: &ClientSide) -> Ledger {
    let established = client.outcomes.iter().filter(|(outcome, _)| outcome.established());
    let established = total(established.map(|(_, count)| count));
    let classified = total(client.outcomes.values());
    Ledger {
        attempts: client.attempts,
        classified,
        unclassified: difference(client.attempts, classified),
        established,
        unended: difference(established, total(client.endings.values())),
        ..Ledger::default()
    }
}

/// A target may say any number.
fn total<'a>(counts: impl Iterator<Item = &'a u64>) -> u64 {
    counts.fold(0, |sum, count| sum.saturating_add(*count))
}

fn difference(this: u64, other: u64) -> i64 {
    let bounds = (i128::from(i64::MIN), i128::from(i64::MAX));
    (i128::from(this) - i128::from(other)).clamp(bounds.0, bounds.1) as i64
}

/// Each explanation with the least and the most that it can explain, the surest first.
fn explanations(evidence: Evidence) -> [(&'static str, i64, i64); 9] {
    let missing = |why, count: u64| (why, -signed(count), 0);
    let surplus = |why, count: u64| (why, 0, signed(count));
    let waiting = evidence.deferred.min(evidence.syn_recv_at_end);
    let deferred_reset = evidence.deferred.min(evidence.half_open_reset);
    [
        missing("half-open at the end: the target defers accept until data comes", waiting),
        missing(
            "reset by their client before they sent data, for which the target defers accept",
            deferred_reset,
        ),
        missing("half-open when the target closed its listener", evidence.half_open_at_close),
        missing(
            "half-open at the end: their final ACK met a full accept queue",
            evidence.syn_recv_at_end - waiting,
        ),
        missing(
            "established at the client only: their final ACK met a full accept queue",
            evidence.acks_dropped,
        ),
        missing(
            "reset by their client while half-open: their final ACK had met a full accept queue",
            evidence.half_open_reset - deferred_reset,
        ),
        missing(
            "established at the client only: the kernel did not accept their SYN cookie",
            evidence.cookies_failed,
        ),
        surplus(
            "there twice at the target: a late packet carried a SYN cookie that was still valid",
            evidence.cookies_received,
        ),
        surplus(
            "reset by the target's close before their client saw them established",
            evidence.reset_unseen,
        ),
    ]
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn client(ok: u64, retried: u64, timeout: u64) -> ClientSide {
        let outcomes =
            [(Outcome::Ok, ok), (Outcome::OkRetried, retried), (Outcome::Timeout, timeout)];
        let endings = [(Ending::Done, ok + retried)].into();
        ClientSide { attempts: ok + retried + timeout, outcomes: outcomes.into(), endings }
    }

    fn own(accepted: u64, queued: u64, evidence: Evidence) -> TargetSide {
        let outcomes =
            [(TargetOutcome::Accepted, accepted), (TargetOutcome::QueuedAtEnd, queued)].into();
        let endings = [(TargetEnding::Done, accepted)].into();
        TargetSide::Own { outcomes, endings, evidence }
    }

    #[test]
    fn ledgers_that_meet_need_no_steps() {
        let evidence = Evidence { acks_dropped: 40, ..Evidence::default() };
        let ledger = reconcile(&client(10, 2, 3), own(6, 6, evidence));
        assert_eq!((ledger.attempts, ledger.classified, ledger.established), (15, 15, 12));
        assert_eq!((ledger.steps, ledger.unexplained), (vec![], Some(0)));
    }

    #[test]
    fn a_dropped_final_ack_is_a_step_and_the_rest_is_shown() {
        let evidence = Evidence {
            syn_recv_at_end: 1,
            acks_dropped: 2,
            cookies_received: 9,
            ..Evidence::default()
        };
        let ledger = reconcile(&client(10, 0, 0), own(6, 0, evidence));
        let counts: Vec<i64> = ledger.steps.iter().map(|step| step.count).collect();
        assert_eq!(counts, [-1, -2]);
        assert_eq!(ledger.unexplained, Some(-1));
    }

    #[test]
    fn only_cookies_explain_what_the_target_has_too_much() {
        let evidence = Evidence { syn_recv_at_end: 5, acks_dropped: 5, ..Evidence::default() };
        let ledger = reconcile(&client(10, 0, 0), own(13, 0, evidence));
        assert_eq!((ledger.steps, ledger.unexplained), (vec![], Some(3)));
        let evidence = Evidence { cookies_received: 2, ..evidence };
        let ledger = reconcile(&client(10, 0, 0), own(13, 0, evidence));
        assert_eq!((ledger.steps[0].count, ledger.unexplained), (2, Some(1)));
    }

    #[test]
    fn the_kernel_stands_in_for_an_external_target() {
        let evidence = Evidence { acks_dropped: 9, ..Evidence::default() };
        let side = TargetSide::Kernel { passive_opens: 12, queued_at_end: 5, evidence };
        let ledger = reconcile(&client(12, 0, 4), side);
        assert_eq!(ledger.target[&TargetOutcome::Accepted], 7);
        assert_eq!(ledger.unexplained, Some(0));
        assert_eq!(reconcile(&client(1, 0, 0), TargetSide::Unseen).unexplained, None);
    }

    #[test]
    fn an_attempt_that_was_handed_out_and_lost_shows() {
        let mut client = client(10, 0, 3);
        client.attempts += 2;
        client.endings.insert(Ending::Done, 9);
        let ledger = reconcile(&client, TargetSide::Unseen);
        assert_eq!((ledger.attempts, ledger.classified, ledger.unclassified), (15, 13, 2));
        assert_eq!((ledger.established, ledger.unended), (10, 1));
    }

    #[test]
    fn who_sends_no_data_to_a_deferring_target_is_a_step() {
        let evidence = Evidence {
            syn_recv_at_end: 6,
            deferred: 5,
            half_open_reset: 9,
            acks_dropped: 9,
            ..Evidence::default()
        };
        let ledger = reconcile(&client(20, 0, 0), own(8, 0, evidence));
        let counts: Vec<i64> = ledger.steps.iter().map(|step| step.count).collect();
        assert_eq!((counts, ledger.unexplained), (vec![-5, -5, -1, -1], Some(0)));
        assert!(ledger.steps[0].why.contains("defers"));
        assert!(ledger.steps[2].why.contains("full accept queue"));
    }

    #[test]
    fn a_connection_whose_end_the_target_lost_shows() {
        let TargetSide::Own { outcomes, mut endings, evidence } = own(6, 1, Evidence::default())
        else {
            panic!("another side");
        };
        endings.insert(TargetEnding::Done, 5);
        let ledger = reconcile(&client(7, 0, 0), TargetSide::Own { outcomes, endings, evidence });
        assert_eq!((ledger.unended_at_target, ledger.unexplained), (1, Some(0)));
    }

    #[test]
    fn a_hostile_target_panics_nobody() {
        let evidence = Evidence { acks_dropped: u64::MAX, ..Evidence::default() };
        let ledger = reconcile(&client(10, 0, 0), own(0, 0, evidence));
        assert_eq!((ledger.steps[0].count, ledger.unexplained), (-10, Some(0)));
        let ledger = reconcile(&client(10, 0, 0), own(u64::MAX, u64::MAX, evidence));
        assert_eq!(ledger.unexplained, Some(i64::MAX));
    }

    fn counts() -> impl Strategy<Value = u64> {
        prop_oneof![0..100u64, any::<u64>(), Just(u64::MAX), Just(i64::MAX as u64)]
    }

    proptest! {
        #[test]
        fn steps_and_the_rest_are_the_difference(
            n in prop::array::uniform13(counts()), kernel in any::<bool>(),
        ) {
            let client = ClientSide {
                attempts: n[0],
                outcomes: [(Outcome::Ok, n[1]), (Outcome::OkRetried, n[2])].into(),
                endings: [(Ending::Done, n[3])].into(),
            };
            let evidence = Evidence {
                syn_recv_at_end: n[4],
                acks_dropped: n[5],
                cookies_received: n[6],
                deferred: n[9],
                half_open_reset: n[10],
                half_open_at_close: n[11],
                reset_unseen: n[12],
                ..Evidence::default()
            };
            let side = match kernel {
                true => TargetSide::Kernel { passive_opens: n[7], queued_at_end: n[8], evidence },
                false => own(n[7], n[8], evidence),
            };
            let ledger = reconcile(&client, side);
            let got = ledger.target.values().fold(0u64, |sum, n| sum.saturating_add(*n));
            let whole = i128::from(got) - i128::from(ledger.established);
            let whole = whole.clamp(i64::MIN.into(), i64::MAX.into());
            let steps: i128 = ledger.steps.iter().map(|step| i128::from(step.count)).sum();
            let rest = i128::from(ledger.unexplained.expect("both sides are there"));
            prop_assert_eq!(steps + rest, whole);
            prop_assert!(ledger.steps.iter().all(|step| (i128::from(step.count) < 0) == (whole < 0)));
        }
    }
}
