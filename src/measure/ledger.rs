//! The two ledgers of a cell, and how they meet. Pure.

use std::collections::BTreeMap;

use super::outcome::{Outcome, TargetOutcome};
use super::result::{Ledger, LedgerStep};

/// What is known of the target's side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetSide {
    /// Our target counted every connection itself.
    Own(BTreeMap<TargetOutcome, u64>, Evidence),
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
    /// Growth of `ListenOverflows`.
    pub overflows: u64,
    /// Growth of `SyncookiesRecv`: packets that carried a valid SYN cookie.
    pub cookies_received: u64,
}

/// Closes the books: what the clients established against what the target got.
pub fn reconcile(outcomes: &BTreeMap<Outcome, u64>, attempts: u64, side: TargetSide) -> Ledger {
    let classified = outcomes.values().sum();
    let established = outcomes.iter().filter(|(o, _)| o.established()).map(|(_, n)| n).sum();
    let ledger = Ledger { attempts, classified, established, ..Ledger::default() };
    let (target, source, evidence) = match side {
        TargetSide::Own(outcomes, evidence) => (outcomes, "own", evidence),
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
    let got: u64 = target.values().sum();
    let mut difference = got as i64 - established as i64;
    let resets = outcomes.get(&Outcome::Reset).copied().unwrap_or(0);
    let steps = explanations(evidence, resets)
        .into_iter()
        .filter_map(|(why, least, most)| {
            let count = difference.clamp(least, most);
            difference -= count;
            (count != 0).then(|| LedgerStep { why: why.to_owned(), count })
        })
        .collect();
    let target_source = source.to_owned();
    Ledger { target, target_source, steps, unexplained: Some(difference), ..ledger }
}

/// Each explanation with the least and the most that it can explain. A connect that ends in
/// ECONNRESET was established at the client first: in SYN_SENT a reset is ECONNREFUSED
/// (`tcp_reset()` in the kernel's tcp_input.c).
fn explanations(evidence: Evidence, resets: u64) -> [(&'static str, i64, i64); 4] {
    let Evidence { syn_recv_at_end, overflows, cookies_received } = evidence;
    [
        (
            "half-open at the end: their final ACK met a full accept queue",
            -(syn_recv_at_end as i64),
            0,
        ),
        (
            "established at the client only: their final ACK met a full accept queue",
            -(overflows as i64),
            0,
        ),
        (
            "there twice at the target: a late packet carried a SYN cookie that was still valid",
            0,
            cookies_received as i64,
        ),
        ("reset by the target before the client looked at them", 0, resets as i64),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(ok: u64, retried: u64, timeout: u64) -> BTreeMap<Outcome, u64> {
        [(Outcome::Ok, ok), (Outcome::OkRetried, retried), (Outcome::Timeout, timeout)].into()
    }

    fn own(accepted: u64, queued: u64, evidence: Evidence) -> TargetSide {
        let outcomes =
            [(TargetOutcome::Accepted, accepted), (TargetOutcome::QueuedAtEnd, queued)].into();
        TargetSide::Own(outcomes, evidence)
    }

    #[test]
    fn ledgers_that_meet_need_no_steps() {
        let evidence = Evidence { overflows: 40, ..Evidence::default() };
        let ledger = reconcile(&client(10, 2, 3), 15, own(6, 6, evidence));
        assert_eq!((ledger.attempts, ledger.classified, ledger.established), (15, 15, 12));
        assert_eq!((ledger.steps, ledger.unexplained), (vec![], Some(0)));
    }

    #[test]
    fn a_dropped_final_ack_is_a_step_and_the_rest_is_shown() {
        let evidence = Evidence { syn_recv_at_end: 1, overflows: 2, cookies_received: 9 };
        let ledger = reconcile(&client(10, 0, 0), 10, own(6, 0, evidence));
        let counts: Vec<i64> = ledger.steps.iter().map(|step| step.count).collect();
        assert_eq!(counts, [-1, -2]);
        assert_eq!(ledger.unexplained, Some(-1));
    }

    #[test]
    fn only_cookies_explain_what_the_target_has_too_much() {
        let evidence = Evidence { syn_recv_at_end: 5, overflows: 5, cookies_received: 0 };
        let ledger = reconcile(&client(10, 0, 0), 10, own(13, 0, evidence));
        assert_eq!((ledger.steps, ledger.unexplained), (vec![], Some(3)));
        let evidence = Evidence { cookies_received: 2, ..evidence };
        let ledger = reconcile(&client(10, 0, 0), 10, own(13, 0, evidence));
        assert_eq!((ledger.steps[0].count, ledger.unexplained), (2, Some(1)));
    }

    #[test]
    fn what_the_target_reset_at_once_was_with_it() {
        let mut outcomes = client(43, 0, 0);
        outcomes.insert(Outcome::Reset, 7);
        let side = own(50, 0, Evidence::default());
        let ledger = reconcile(&outcomes, 50, side.clone());
        assert_eq!((ledger.steps[0].count, ledger.unexplained), (7, Some(0)));
        outcomes.insert(Outcome::Reset, 2);
        assert_eq!(reconcile(&outcomes, 45, side).unexplained, Some(5));
    }

    #[test]
    fn the_kernel_stands_in_for_an_external_target() {
        let evidence = Evidence { overflows: 9, ..Evidence::default() };
        let side = TargetSide::Kernel { passive_opens: 12, queued_at_end: 5, evidence };
        let ledger = reconcile(&client(12, 0, 4), 16, side);
        assert_eq!(ledger.target[&TargetOutcome::Accepted], 7);
        assert_eq!(ledger.unexplained, Some(0));
        assert_eq!(reconcile(&client(1, 0, 0), 1, TargetSide::Unseen).unexplained, None);
    }
}
