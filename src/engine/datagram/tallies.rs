//! What a worker counts and measures of one load, in a box that travels.

use hdrhistogram::Histogram;

use crate::measure::{self, Outcome};

/// Everything that happened to one load of one worker in one interval.
#[derive(Debug, Clone)]
pub struct Tallies {
    /// Attempts that the schedule handed out.
    pub attempts: u64,
    /// Of these, made before the load's window was over, or soon after.
    pub punctual: u64,
    /// Datagrams that the kernel took.
    pub sent: u64,
    /// Bytes of payload in these.
    pub bytes: u64,
    /// Calls that sent something.
    pub calls: u64,
    /// Sends that failed within a call and were made again, without the kernel saying why the first
    /// one failed. What a queue dropped and told by ENOBUFS may be among them.
    pub retried: u64,
    /// Attempts that the kernel did not take, by the error.
    pub unsent: Counts,
    /// How attempts ended. News of ICMP moves a datagram that was `ok`, so that a count of one interval
    /// may be below zero; those of all intervals add up to the attempts.
    pub outcomes: Counts,
    /// Errors, of sending and of ICMP.
    pub errors: Errors,
    /// Replies in time, counted once each.
    pub replies: u64,
    /// Replies that came again.
    pub reply_duplicates: u64,
    /// Replies that came after the load's timeout, or after the end.
    pub reply_late: u64,
    /// What came and was no reply to a datagram of its stream.
    pub reply_foreign: u64,
    /// Intended -> sent, in nanoseconds.
    pub lag: Histogram<u64>,
    /// Sent, as the header says -> the call was over: what the header may be wrong by, at most.
    pub observer_error: Histogram<u64>,
    /// Intended -> reply.
    pub rtt: Histogram<u64>,
    /// Sent -> reply.
    pub rtt_service: Histogram<u64>,
}

impl Default for Tallies {
    fn default() -> Self {
        Self {
            attempts: 0,
            punctual: 0,
            sent: 0,
            bytes: 0,
            calls: 0,
            retried: 0,
            unsent: Counts::default(),
            outcomes: Counts::default(),
            errors: Errors::default(),
            replies: 0,
            reply_duplicates: 0,
            reply_late: 0,
            reply_foreign: 0,
            lag: measure::empty(),
            observer_error: measure::empty(),
            rtt: measure::empty(),
            rtt_service: measure::empty(),
        }
    }
}

impl Tallies {
    /// Empties it for another interval; the memory stays.
    pub fn clear(&mut self) {
        let Self { lag, observer_error, rtt, rtt_service, .. } = self;
        for histogram in [&mut *lag, &mut *observer_error, &mut *rtt, &mut *rtt_service] {
            // One that was never used has memory that was never touched.
            if !histogram.is_empty() {
                histogram.reset();
            }
        }
        (self.attempts, self.punctual, self.sent, self.bytes) = (0, 0, 0, 0);
        (self.calls, self.retried) = (0, 0);
        (self.replies, self.reply_duplicates, self.reply_late, self.reply_foreign) = (0, 0, 0, 0);
        self.unsent = Counts::default();
        self.outcomes = Counts::default();
        self.errors = Errors::default();
    }

    /// The kernel did not take `count` attempts.
    pub(super) fn fail(&mut self, outcome: Outcome, errno: i32, count: u64) {
        self.unsent.add(outcome, count as i64);
        self.outcomes.add(outcome, count as i64);
        self.errors.add(errno, count);
    }
}

/// A count for each outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts([i64; Outcome::ALL.len()]);

impl Counts {
    /// Adds to one.
    pub fn add(&mut self, outcome: Outcome, count: i64) {
        self.0[outcome as usize] += count;
    }

    /// One of them.
    pub fn of(&self, outcome: Outcome) -> i64 {
        self.0[outcome as usize]
    }

    /// Those that are not zero, in the order of [`Outcome::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (Outcome, i64)> + '_ {
        Outcome::ALL.iter().map(|outcome| (*outcome, self.of(*outcome))).filter(|one| one.1 != 0)
    }

    /// All together.
    pub fn sum(&self) -> i64 {
        self.0.iter().sum()
    }
}

/// Errors by number: a few, each counted, and the rest under 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Errors([(i32, u64); 12]);

impl Errors {
    /// Counts errors of one number.
    pub fn add(&mut self, errno: i32, count: u64) {
        let (rest, named) = self.0.split_first_mut().expect("there is room for one at least");
        let place = named.iter_mut().find(|one| one.1 == 0 || one.0 == errno);
        match place {
            Some(place) => *place = (errno, place.1 + count),
            None => rest.1 += count,
        }
    }

    /// Each that occurred, and how often.
    pub fn iter(&self) -> impl Iterator<Item = (i32, u64)> + '_ {
        self.0.iter().copied().filter(|one| one.1 > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_have_places_in_their_order() {
        for (place, outcome) in Outcome::ALL.iter().enumerate() {
            assert_eq!(*outcome as usize, place);
        }
        let mut counts = Counts::default();
        counts.add(Outcome::Ok, -1);
        counts.add(Outcome::Other, 3);
        assert_eq!(counts.iter().collect::<Vec<_>>(), [(Outcome::Ok, -1), (Outcome::Other, 3)]);
        assert_eq!(counts.sum(), 2);
    }

    #[test]
    fn errors_beyond_the_room_are_counted_together() {
        let mut errors = Errors::default();
        (1..=20).for_each(|errno| errors.add(errno, 2));
        errors.add(1, 1);
        assert_eq!(errors.iter().map(|one| one.1).sum::<u64>(), 41);
        assert_eq!(errors.iter().next(), Some((0, 18)));
        assert!(errors.iter().any(|one| one == (1, 3)));
    }

    #[test]
    fn what_is_cleared_is_as_new() {
        let mut tallies = Tallies { attempts: 1, reply_late: 2, calls: 3, ..Tallies::default() };
        measure::record(&mut tallies.lag, 5);
        tallies.fail(Outcome::Again, 11, 2);
        tallies.clear();
        assert_eq!(format!("{tallies:?}"), format!("{:?}", Tallies::default()));
    }
}
