//! When the next connection may be taken from the accept queue. Pure.

use crate::scenario::plan::{AcceptPace, Window};

/// The pace of one acceptor. Instants are nanoseconds since the start of the cell's schedule.
#[derive(Debug)]
pub struct Pace {
    /// Nanoseconds between two accepts; `None` for never.
    period: Option<u64>,
    stalls: Vec<Window>,
    /// Before this instant the pace allows nothing.
    next: u64,
}

impl Pace {
    /// One acceptor's share of `pace`, `acceptors` of which work side by side.
    pub fn new(pace: AcceptPace, stalls: &[Window], acceptors: u16) -> Self {
        let period = match pace {
            AcceptPace::Asap => Some(0),
            AcceptPace::Rate(rate) => Some((rate.period_nanos() * f64::from(acceptors)) as u64),
            AcceptPace::Never => None,
        };
        Self { period, stalls: stalls.to_vec(), next: 0 }
    }

    /// The first instant, `now` or later, at which a connection may be taken; `None` for never.
    pub fn allowed(&self, now: u64) -> Option<u64> {
        self.period?;
        Some(self.after_stalls(now.max(self.next)))
    }

    /// A connection was taken at `now`. It had waited for the pace unless `idle`: the queue had
    /// been empty. Idle time is not made up for; lateness of the acceptor itself is.
    pub fn taken(&mut self, now: u64, idle: bool) {
        let from = if idle { now } else { self.after_stalls(self.next).min(now) };
        self.next = from + self.period.unwrap_or(0);
    }

    fn after_stalls(&self, mut at: u64) -> u64 {
        // Windows may touch or overlap: the end of one may lie in another.
        for _ in 0..=self.stalls.len() {
            let inside = |w: &&Window| w.from.nanos() <= at && at < w.to.nanos();
            match self.stalls.iter().find(inside) {
                Some(window) => at = window.to.nanos(),
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
        let mut pace = Pace::new(rate(1000.0), &[], 1);
        for n in 0..100 {
            let allowed = pace.allowed(n).expect("some time");
            assert_eq!(allowed, (n * 1_000_000).max(n));
            pace.taken(allowed + 300, false);
        }
    }

    #[test]
    fn idle_time_is_not_made_up_for() {
        let mut pace = Pace::new(rate(1000.0), &[], 1);
        pace.taken(0, true);
        pace.taken(50_000_000, true);
        assert_eq!(pace.allowed(50_000_000), Some(51_000_000));
    }

    #[test]
    fn acceptors_share_the_rate() {
        let mut pace = Pace::new(rate(1000.0), &[], 4);
        pace.taken(0, true);
        assert_eq!(pace.allowed(0), Some(4_000_000));
    }

    #[test]
    fn nothing_is_taken_in_a_stall() {
        let stalls = [window("1s", "2s"), window("2s", "3s")];
        let mut pace = Pace::new(AcceptPace::Asap, &stalls, 1);
        assert_eq!(pace.allowed(999_999_999), Some(999_999_999));
        assert_eq!(pace.allowed(1_000_000_000), Some(3_000_000_000));
        pace.taken(3_000_000_000, false);
        assert_eq!(pace.allowed(3_000_000_001), Some(3_000_000_001));
        assert_eq!(Pace::new(AcceptPace::Never, &[], 1).allowed(5), None);
    }

    #[test]
    fn the_pace_goes_on_from_the_end_of_a_stall() {
        let mut pace = Pace::new(rate(1000.0), &[window("0s", "1.5s")], 1);
        assert_eq!(pace.allowed(0), Some(1_500_000_000));
        pace.taken(1_500_020_000, false);
        assert_eq!(pace.allowed(1_500_020_000), Some(1_501_000_000));
    }
}
