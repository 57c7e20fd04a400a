//! The two ledgers of a cell, and how they meet. Pure.

use std::collections::BTreeMap;

use super::outcome::{Outcome, TargetOutcome};
use super::result::{Ledger, LedgerStep};

/// What is known of the target's side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetSide {
    /// Our target counted every connection itself.
    Own {
        /// Its classes.
        outcomes: BTreeMap<TargetOutcome, u64>,
        /// Half-open connections when the last attempt was over.
        syn_recv_at_end: u64,
        /// Growth of `ListenOverflows`.
        overflows: u64,
    },
    /// The kernel of the target's namespace counted what every listener in it took.
    Kernel {
        /// Growth of `PassiveOpens`.
        passive_opens: u64,
        /// Connections in the queue when the last attempt was over.
        queued_at_end: u64,
        /// As above.
        syn_recv_at_end: u64,
        /// As above.
        overflows: u64,
    },
    /// Nothing.
    Unseen,
}

/// Closes the books: what the clients established against what the target got.
pub fn reconcile(outcomes: &BTreeMap<Outcome, u64>, attempts: u64, side: TargetSide) -> Ledger {
    let classified = outcomes.values().sum();
    let established = outcomes.iter().filter(|(o, _)| o.established()).map(|(_, n)| n).sum();
    let ledger = Ledger { attempts, classified, established, ..Ledger::default() };
    let (target, source, syn_recv, overflows) = match side {
        TargetSide::Own { outcomes, syn_recv_at_end, overflows } => {
            (outcomes, "own", syn_recv_at_end, overflows)
        }
        TargetSide::Kernel { passive_opens, queued_at_end, syn_recv_at_end, overflows } => {
            let accepted = passive_opens.saturating_sub(queued_at_end);
            let classes = BTreeMap::from([
                (TargetOutcome::Accepted, accepted),
                (TargetOutcome::QueuedAtEnd, queued_at_end),
            ]);
            (classes, "kernel", syn_recv_at_end, overflows)
        }
        TargetSide::Unseen => {
            return Ledger { target_source: "none".to_owned(), ..ledger };
        }
    };
    let got: u64 = target.values().sum();
    let mut missing = established as i64 - got as i64;
    let mut steps = Vec::new();
    let mut step = |why: &str, most: u64| {
        let count = missing.clamp(0, most as i64);
        if count > 0 {
            steps.push(LedgerStep { why: why.to_owned(), count: -count });
            missing -= count;
        }
    };
    step("half-open at the end: their final ACK met a full accept queue", syn_recv);
    step("established at the client only: their final ACK met a full accept queue", overflows);
    Ledger {
        target,
        target_source: source.to_owned(),
        steps,
        unexplained: Some(-missing),
        ..ledger
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(ok: u64, retried: u64, timeout: u64) -> BTreeMap<Outcome, u64> {
        [(Outcome::Ok, ok), (Outcome::OkRetried, retried), (Outcome::Timeout, timeout)].into()
    }

    fn own(accepted: u64, queued: u64, syn_recv_at_end: u64, overflows: u64) -> TargetSide {
        let outcomes =
            [(TargetOutcome::Accepted, accepted), (TargetOutcome::QueuedAtEnd, queued)].into();
        TargetSide::Own { outcomes, syn_recv_at_end, overflows }
    }

    #[test]
    fn ledgers_that_meet_need_no_steps() {
        let ledger = reconcile(&client(10, 2, 3), 15, own(6, 6, 0, 40));
        assert_eq!((ledger.attempts, ledger.classified, ledger.established), (15, 15, 12));
        assert_eq!((ledger.steps, ledger.unexplained), (vec![], Some(0)));
    }

    #[test]
    fn a_dropped_final_ack_is_a_step_and_the_rest_is_shown() {
        let ledger = reconcile(&client(10, 0, 0), 10, own(6, 0, 1, 2));
        let counts: Vec<i64> = ledger.steps.iter().map(|step| step.count).collect();
        assert_eq!(counts, [-1, -2]);
        assert_eq!(ledger.unexplained, Some(-1));
    }

    #[test]
    fn what_the_target_has_too_much_is_unexplained() {
        let ledger = reconcile(&client(10, 0, 0), 10, own(13, 0, 5, 5));
        assert_eq!(ledger.unexplained, Some(3));
    }

    #[test]
    fn the_kernel_stands_in_for_an_external_target() {
        let side = TargetSide::Kernel {
            passive_opens: 12,
            queued_at_end: 5,
            syn_recv_at_end: 0,
            overflows: 9,
        };
        let ledger = reconcile(&client(12, 0, 4), 16, side);
        assert_eq!(ledger.target[&TargetOutcome::Accepted], 7);
        assert_eq!(ledger.unexplained, Some(0));
        assert_eq!(reconcile(&client(1, 0, 0), 1, TargetSide::Unseen).unexplained, None);
    }
}
