//! When the next connection may be taken from the accept queue. Pure.

use crate::scenario::plan::{AcceptPace, Window};

/// The pace of one acceptor. Instants are nanoseconds since the start of the cell's schedule.
///
/// Acceptors that share a rate take turns: each has a slot in every period, one after the other,
/// counted anew from the end of each stall. Who finds the queue filled after it was empty waits
/// for its own slot; who is late does not.
#[derive(Debug)]
pub struct Pace {
    /// Nanoseconds between two accepts; `None` for never.
    period: Option<u64>,
    /// Where in a period this acceptor's slot begins, and how long it is.
    slot: (u64, u64),
    stalls: Vec<Window>,
    /// Before this instant the pace allows nothing.
    next: u64,
}

impl Pace {
    /// The share of `pace` of acceptor `index`, of `acceptors` that work side by side.
    pub fn new(pace: AcceptPace, stalls: &[Window], index: u16, acceptors: u16) -> Self {
        let (period, slot) = match pace {
            AcceptPace::Asap => (Some(0), (0, 0)),
            AcceptPace::Rate(rate) => {
                let length = rate.period_nanos();
                let start = (length * f64::from(index)) as u64;
                let period = (length * f64::from(acceptors)) as u64;
                (Some(period), (start, (length.ceil() as u64).min(period)))
            }
            AcceptPace::Never => (None, (0, 0)),
        };
        Self { period, slot, stalls: stalls.to_vec(), next: slot.0 }
    }

    /// The first instant, `now` or later, at which a connection may be taken; `None` for never.
    /// `idle` where the queue has been empty since the last one.
    pub fn allowed(&self, now: u64, idle: bool) -> Option<u64> {
        let period = self.period?;
        let at = self.after_stalls(now.max(self.after_stalls(self.next)));
        let into = self.since_slot(at);
        if !idle || into < self.slot.1 || period == 0 {
            return Some(at);
        }
        Some(self.after_stalls(at + (period - into)))
    }

    /// A connection was taken at `now`. It had waited for the pace unless `idle`: the queue had
    /// been empty. Idle time is not made up for; lateness of the acceptor itself is.
    pub fn taken(&mut self, now: u64, idle: bool) {
        let period = self.period.unwrap_or(0);
        let alone = self.slot.1 >= period;
        let from = match idle {
            true if alone => now,
            true => now.saturating_sub(self.since_slot(now)),
            false => self.after_stalls(self.next).min(now),
        };
        self.next = from + period;
        if !alone && self.origin(from) != self.origin(self.next) {
            // A stall moved the slots of all.
            self.next += (period - self.since_slot(self.next)) % period;
        }
    }

    /// The end of the last stall before `at`, from which periods are counted.
    fn origin(&self, at: u64) -> u64 {
        let ends = self.stalls.iter().map(|window| window.to.nanos());
        ends.filter(|end| *end <= at).max().unwrap_or(0)
    }

    /// Time since the beginning of this acceptor's slot.
    fn since_slot(&self, at: u64) -> u64 {
        let Some(period) = self.period.filter(|period| *period > 0) else { return 0 };
        (at - self.origin(at) + period - self.slot.0) % period
    }

    /// The first instant, `at` or later, outside all stalls; after one it is this acceptor's turn
    /// when its slot begins.
    fn after_stalls(&self, mut at: u64) -> u64 {
        // Windows may touch or overlap: the end of one may lie in another.
        for _ in 0..=self.stalls.len() {
            let inside = |w: &&Window| w.from.nanos() <= at && at < w.to.nanos();
            match self.stalls.iter().find(inside) {
                Some(window) => at = window.to.nanos() + self.slot.0,
                None => break,
            }
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Rate;

    fn window(from: &str, to: &str) -> Window {
        Window { from: from.parse().expect("a span"), to: to.parse().expect("a span") }
    }

    fn rate(per_second: f64) -> AcceptPace {
        AcceptPace::Rate(Rate::new(per_second).expect("a rate"))
    }

    #[test]
    fn a_full_queue_is_drained_at_the_rate_without_drift() {
        let mut pace = Pace::new(rate(1000.0), &[], 0, 1);
        for n in 0..100 {
            let allowed = pace.allowed(n, false).expect("some time");
            assert_eq!(allowed, (n * 1_000_000).max(n));
            pace.taken(allowed + 300, false);
        }
    }

    #[test]
    fn idle_time_is_not_made_up_for() {
        let mut pace = Pace::new(rate(1000.0), &[], 0, 1);
        pace.taken(0, true);
        pace.taken(50_000_000, true);
        assert_eq!(pace.allowed(50_000_000, false), Some(51_000_000));
    }

    /// The instants at which `acceptors` empty a queue that holds something from `filled` on.
    fn drained(pace: AcceptPace, stalls: &[Window], acceptors: u16, filled: u64) -> Vec<u64> {
        let mut side: Vec<_> =
            (0..acceptors).map(|i| (Pace::new(pace, stalls, i, acceptors), true)).collect();
        let mut taken = Vec::new();
        let mut now = filled;
        for _ in 0..40 {
            let next = side.iter_mut().map(|(pace, idle)| (pace.allowed(now, *idle), pace, idle));
            let (at, pace, idle) = next.min_by_key(|(at, ..)| *at).expect("an acceptor");
            now = at.expect("some time");
            pace.taken(now, *idle);
            *idle = false;
            taken.push(now);
        }
        taken
    }

    #[test]
    fn acceptors_take_turns() {
        for acceptors in [1, 2, 4, 8] {
            let taken = drained(rate(200.0), &[], acceptors, 0);
            let even: Vec<u64> = (0..40).map(|n| n * 5_000_000).collect();
            assert_eq!(taken, even, "{acceptors}");
        }
    }

    #[test]
    fn idle_acceptors_do_not_take_a_burst() {
        for acceptors in [2, 4, 8] {
            // In the midst of a slot: the one whose slot it is may take at once.
            let taken = drained(rate(200.0), &[], acceptors, 1_000_002_000);
            let even: Vec<u64> = (1..40).map(|n| 1_000_000_000 + n * 5_000_000).collect();
            assert_eq!((taken[0], &taken[1..]), (1_000_002_000, &even[..]), "{acceptors}");
        }
    }

    #[test]
    fn acceptors_take_turns_after_a_stall_too() {
        for stall in [("0s", "1.5s"), ("31ms", "33ms"), ("31ms", "533ms")] {
            for acceptors in [2, 4, 8] {
                let stalls = [window(stall.0, stall.1)];
                let end = stalls[0].to.nanos();
                let taken = drained(rate(200.0), &stalls, acceptors, 0);
                let after: Vec<u64> = taken.iter().copied().filter(|at| *at >= end).collect();
                assert!(after.windows(2).all(|two| two[1] - two[0] >= 5_000_000), "{after:?}");
                let late = &after[2 * usize::from(acceptors)..];
                assert!(late.windows(2).all(|two| two[1] - two[0] == 5_000_000), "{late:?}");
                assert!(!taken.iter().any(|at| (stalls[0].from.nanos()..end).contains(at)));
            }
        }
    }

    #[test]
    fn acceptors_share_the_rate() {
        let mut pace = Pace::new(rate(1000.0), &[], 0, 4);
        pace.taken(0, true);
        assert_eq!(pace.allowed(0, false), Some(4_000_000));
    }

    #[test]
    fn nothing_is_taken_in_a_stall() {
        let stalls = [window("1s", "2s"), window("2s", "3s")];
        let mut pace = Pace::new(AcceptPace::Asap, &stalls, 0, 1);
        assert_eq!(pace.allowed(999_999_999, false), Some(999_999_999));
        assert_eq!(pace.allowed(1_000_000_000, false), Some(3_000_000_000));
        pace.taken(3_000_000_000, false);
        assert_eq!(pace.allowed(3_000_000_001, false), Some(3_000_000_001));
        assert_eq!(Pace::new(AcceptPace::Never, &[], 0, 1).allowed(5, false), None);
    }

    #[test]
    fn the_pace_goes_on_from_the_end_of_a_stall() {
        let mut pace = Pace::new(rate(1000.0), &[window("0s", "1.5s")], 0, 1);
        assert_eq!(pace.allowed(0, false), Some(1_500_000_000));
        pace.taken(1_500_020_000, false);
        assert_eq!(pace.allowed(1_500_020_000, false), Some(1_501_000_000));
    }
}
