//! Which attempt of a load is wanted next, and when: permits derive from the schedule alone.

use std::collections::VecDeque;

use crate::load::{Arrival, Arrivals, Schedule, Turns};

/// The share of one worker in one load's schedule. All instants are nanoseconds since the start
/// of the cell's schedule.
#[derive(Debug)]
pub enum Pacing {
    /// Open loop: the arrivals decide.
    Open {
        /// What is left of them, after `next`.
        arrivals: Arrivals,
        /// The next one.
        next: Option<Arrival>,
        /// The load's start.
        start: u64,
        /// From this instant on nothing more is issued.
        end: u64,
    },
    /// Closed loop: the ends of earlier attempts decide.
    Closed(Closed),
}

/// Clients that take turns.
#[derive(Debug)]
pub struct Closed {
    /// Intended instants of the clients that are idle, in order.
    ready: VecDeque<u64>,
    think: u64,
    end: u64,
    /// Number of the next attempt, unless all have been made.
    next: Option<u64>,
    turns: Turns,
    /// How many of the turns are over.
    taken: u64,
    attempts: u64,
}

/// How long after its window an open loop still issues what it could not issue before.
const GRACE: u64 = 1_000_000_000;

impl Pacing {
    /// The share of worker `index` of `workers`; the load starts at `start`.
    pub fn new(schedule: &Schedule, seed: u64, start: u64, index: u64, workers: u64) -> Self {
        let numbered = match schedule {
            Schedule::Open { .. } => workers,
            // A worker without a client would keep its numbers for itself.
            Schedule::Closed { clients, .. } => workers.min(u64::from(*clients)),
        };
        let turns = Turns::of_worker(index, numbered);
        Self::in_turns(schedule, seed, start, (index, workers), turns)
    }

    /// As [`Pacing::new`], with the attempts of these turns.
    pub fn in_turns(
        schedule: &Schedule,
        seed: u64,
        start: u64,
        (index, workers): (u64, u64),
        turns: Turns,
    ) -> Self {
        let window = schedule.window();
        match schedule {
            Schedule::Open { shape, attempts, .. } => {
                let all = Arrivals::new(shape, window, *attempts, seed);
                let mut arrivals = all.share(turns);
                let next = arrivals.next();
                Self::Open { arrivals, next, start, end: start + window.nanos() + GRACE }
            }
            Schedule::Closed { clients, think, attempts, .. } => {
                let (clients, limit) = (u64::from(*clients), attempts.unwrap_or(u64::MAX));
                let share = clients / workers + u64::from(index < clients % workers);
                Self::Closed(Closed {
                    ready: std::iter::repeat_n(start, share as usize).collect(),
                    think: think.nanos(),
                    end: start + window.nanos(),
                    next: turns.number(0).filter(|number| *number < limit),
                    turns,
                    taken: 0,
                    attempts: limit,
                })
            }
        }
    }

    /// Whether attempts are wanted whatever becomes of others.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Open { .. })
    }

    /// When the next attempt is wanted; `None` when none is known of, or none will be issued.
    pub fn next(&self, now: u64) -> Option<u64> {
        if self.is_over(now) {
            return None;
        }
        match self {
            Self::Open { next, start, .. } => next.map(|arrival| *start + arrival.offset),
            Self::Closed(closed) => closed.ready.front().copied(),
        }
    }

    /// Number of the next attempt, due or not; `None` when there is none.
    pub fn number(&self) -> Option<u64> {
        match self {
            Self::Open { next, .. } => next.map(|arrival| arrival.number),
            Self::Closed(closed) => closed.next,
        }
    }

    /// Takes the next attempt, if it is due: its number and its intended instant.
    pub fn take(&mut self, now: u64) -> Option<Arrival> {
        match self {
            Self::Open { arrivals, next, start, end } => {
                let due = |arrival: &Arrival| *start + arrival.offset <= now && now < *end;
                let arrival = (*next).filter(due)?;
                *next = arrivals.next();
                Some(Arrival { number: arrival.number, offset: *start + arrival.offset })
            }
            Self::Closed(closed) => closed.take(now),
        }
    }

    /// An attempt ended: the client of a closed loop is free again, after `least` nanoseconds.
    pub fn ended(&mut self, now: u64, least: u64) {
        if let Self::Closed(closed) = self {
            let intended = now + closed.think.max(least);
            if intended < closed.end {
                let place = match closed.ready.back() {
                    Some(last) if *last > intended => {
                        closed.ready.partition_point(|ready| *ready <= intended)
                    }
                    _ => closed.ready.len(),
                };
                closed.ready.insert(place, intended);
            }
        }
    }

    /// Whether nothing will be issued any more, although attempts may be wanted.
    pub fn is_over(&self, now: u64) -> bool {
        match self {
            Self::Open { next, end, .. } => now >= *end || next.is_none(),
            Self::Closed(closed) => {
                now >= closed.end || closed.next.is_none() || closed.ready.is_empty()
            }
        }
    }

    /// Ends the schedule; the number of attempts that were wanted before `now` and not issued.
    pub fn unissued(self, now: u64) -> u64 {
        match self {
            Self::Open { arrivals, next, start, .. } => {
                let wanted = next.is_some_and(|arrival| start + arrival.offset < now);
                u64::from(wanted) + arrivals.left_before(now.saturating_sub(start))
            }
            Self::Closed(_) => 0,
        }
    }
}

impl Closed {
    fn take(&mut self, now: u64) -> Option<Arrival> {
        let number = self.next.filter(|_| now < self.end)?;
        let offset = *self.ready.front().filter(|intended| **intended <= now)?;
        self.ready.pop_front();
        self.taken += 1;
        self.next = self.turns.number(self.taken).filter(|number| *number < self.attempts);
        Some(Arrival { number, offset })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Shape;
    use crate::units::{Rate, Span};

    fn open(per_second: f64) -> Schedule {
        let rate = Rate::new(per_second).expect("a rate");
        let window = Span::from_millis(1000);
        Schedule::Open { shape: Shape::Constant { rate }, window, attempts: None }
    }

    #[test]
    fn nothing_is_taken_before_its_time() {
        let mut pacing = Pacing::new(&open(10.0), 1, 500, 0, 1);
        assert_eq!(pacing.take(499), None);
        assert_eq!(pacing.take(500), Some(Arrival { number: 0, offset: 500 }));
        assert_eq!(pacing.take(600), None);
        assert_eq!(pacing.next(600), Some(100_000_500));
        assert_eq!(pacing.take(100_000_500).map(|a| a.number), Some(1));
    }

    #[test]
    fn what_could_not_be_issued_is_counted() {
        let mut pacing = Pacing::new(&open(10.0), 1, 0, 0, 1);
        pacing.take(0);
        let late = 2_000_000_000;
        assert!(pacing.is_over(late));
        assert_eq!(pacing.take(late), None);
        assert_eq!(pacing.unissued(late), 9);
        // Interrupted after the third was wanted.
        assert_eq!(Pacing::new(&open(10.0), 1, 0, 0, 1).unissued(250_000_000), 3);
    }

    #[test]
    fn closed_clients_wait_for_their_own_end() {
        let schedule = Schedule::Closed {
            clients: 2,
            think: Span::from_millis(10),
            window: Span::from_millis(100),
            attempts: None,
        };
        let mut pacing = Pacing::new(&schedule, 1, 0, 0, 1);
        assert_eq!(pacing.take(0).map(|a| a.number), Some(0));
        assert_eq!(pacing.take(0).map(|a| a.number), Some(1));
        assert_eq!(pacing.take(50_000_000), None);
        pacing.ended(50_000_000, 0);
        assert_eq!(pacing.take(60_000_000).map(|a| a.offset), Some(60_000_000));
        pacing.ended(95_000_000, 0);
        assert!(pacing.is_over(95_000_000));
    }

    #[test]
    fn who_has_to_wait_longer_is_overtaken() {
        let think = Span::default();
        let window = Span::from_millis(100);
        let schedule = Schedule::Closed { clients: 2, think, window, attempts: None };
        let mut pacing = Pacing::new(&schedule, 1, 0, 0, 1);
        pacing.take(0);
        pacing.take(0);
        pacing.ended(0, 1000);
        pacing.ended(10, 0);
        assert_eq!(pacing.take(10).map(|a| a.offset), Some(10));
        assert_eq!(pacing.take(999), None);
        assert_eq!(pacing.take(1000).map(|a| a.offset), Some(1000));
    }

    #[test]
    fn workers_without_a_client_keep_no_attempt_back() {
        let schedule = Schedule::Closed {
            clients: 1,
            think: Span::default(),
            window: Span::from_millis(100),
            attempts: Some(3),
        };
        let mut busy = Pacing::new(&schedule, 1, 0, 0, 2);
        let mut idle = Pacing::new(&schedule, 1, 0, 1, 2);
        assert!(idle.is_over(0));
        assert_eq!(idle.take(0), None);
        for number in 0..3 {
            assert_eq!(busy.take(0).map(|a| a.number), Some(number));
            busy.ended(0, 0);
        }
        assert!(busy.is_over(0));
    }

    #[test]
    fn closed_clients_are_shared_between_workers() {
        let schedule = Schedule::Closed {
            clients: 5,
            think: Span::default(),
            window: Span::from_millis(100),
            attempts: Some(4),
        };
        let taken: Vec<u64> = (0..2)
            .flat_map(|index| {
                let mut pacing = Pacing::new(&schedule, 1, 0, index, 2);
                std::iter::from_fn(move || pacing.take(0)).map(|a| a.number).collect::<Vec<_>>()
            })
            .collect();
        assert_eq!(taken, [0, 2, 1, 3]);
    }
}
