//! One stream: its socket, its place in the sequence, and the replies that it waits for.

use std::collections::VecDeque;

use crate::sys::datagram::client::Client;

/// Sequence numbers of which [`Recent`] knows.
const WINDOW: u64 = 4096;
/// Bulks of which a stream knows where they began: more than a window holds of any but the smallest.
const BULKS: usize = 128;

/// A socket with a sequence of its own.
#[derive(Debug)]
pub struct Stream {
    pub number: u32,
    pub client: Client,
    /// Sequence number of the next datagram: how many the kernel took.
    pub next: u64,
    /// Datagrams that are given to one call: fewer after one that the kernel did not take.
    pub batch: usize,
    pub awaited: Awaited,
    /// Those that ICMP has brought back; made with the first.
    pub refused: Option<Box<Recent>>,
    /// Where the latest bulks began, and how many datagrams they are made of.
    bulks: VecDeque<(u64, u64)>,
}

impl Stream {
    pub fn new(number: u32, client: Client, batch: usize) -> Self {
        Self {
            number,
            client,
            next: 0,
            batch,
            awaited: Awaited::default(),
            refused: None,
            bulks: VecDeque::new(),
        }
    }

    /// Notes that the next datagrams, so many, go as one.
    pub fn push_bulk(&mut self, count: u64) {
        if self.bulks.len() == BULKS {
            self.bulks.pop_front();
        }
        self.bulks.push_back((self.next, count));
    }

    /// Those that ICMP means: the one whose head it brings back, or the whole bulk where that was not
    /// cut on its way to who refused it.
    pub fn meant(&self, sequence: u64) -> std::ops::Range<u64> {
        let bulk = self.bulks.iter().find(|(first, _)| *first == sequence);
        sequence..sequence.saturating_add(bulk.map_or(1, |(_, count)| *count))
    }

    /// Notes that ICMP brought this datagram back; whether that is news.
    pub fn refuse(&mut self, sequence: u64) -> bool {
        let known = self.refused.get_or_insert_with(Box::default);
        sequence < self.next && known.insert(sequence) == Some(true)
    }
}

/// Datagrams that wait for their replies, in the order of their sequence.
#[derive(Debug, Default)]
pub struct Awaited {
    /// Sequence number of the first.
    base: u64,
    /// Whether the wait is over, for each from `base` on.
    settled: VecDeque<bool>,
    /// Those whose replies came.
    answered: Option<Box<Recent>>,
}

/// What a reply is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// The first, to a datagram that waits.
    InTime,
    /// The first, to one that does not wait any more; also where that is too long ago to know.
    Late,
    /// Another.
    Again,
    /// To a datagram that was never sent.
    Foreign,
}

impl Awaited {
    /// The next datagram of the stream waits.
    pub fn push(&mut self) {
        self.settled.push_back(false);
    }

    /// A reply came.
    pub fn reply(&mut self, sequence: u64) -> Reply {
        if sequence >= self.base + self.settled.len() as u64 {
            return Reply::Foreign;
        }
        let answered = self.answered.get_or_insert_with(Box::default).insert(sequence);
        match self.settle(sequence) {
            true => Reply::InTime,
            false if answered == Some(false) => Reply::Again,
            false => Reply::Late,
        }
    }

    /// Ends the wait of one datagram; whether it waited.
    pub fn settle(&mut self, sequence: u64) -> bool {
        let place = sequence.checked_sub(self.base).and_then(|place| usize::try_from(place).ok());
        match place.and_then(|place| self.settled.get_mut(place)) {
            Some(settled) => !std::mem::replace(settled, true),
            None => false,
        }
    }

    /// Whether the first one's wait is over.
    pub fn is_first_settled(&self) -> bool {
        self.settled.front() == Some(&true)
    }

    /// Lets go of the first; whether it still waited.
    pub fn pop(&mut self) -> bool {
        let first = self.settled.pop_front();
        self.base += u64::from(first.is_some());
        first == Some(false)
    }
}

/// Which of the latest [`WINDOW`] sequence numbers were seen.
#[derive(Debug)]
pub struct Recent {
    /// One past the highest.
    top: u64,
    bits: [u64; (WINDOW / 64) as usize],
}

impl Default for Recent {
    fn default() -> Self {
        Self { top: 0, bits: [0; (WINDOW / 64) as usize] }
    }
}

impl Recent {
    /// Notes one; whether it is new, `None` where it is too long ago to know.
    pub fn insert(&mut self, sequence: u64) -> Option<bool> {
        if sequence >= self.top {
            self.advance(sequence);
        } else if self.top - sequence > WINDOW {
            return None;
        }
        let (word, bit) = place(sequence);
        let seen = self.bits[word] & bit != 0;
        self.bits[word] |= bit;
        Some(!seen)
    }

    /// Moves the window up to `sequence`, and forgets what falls out of it.
    fn advance(&mut self, sequence: u64) {
        if sequence - self.top >= WINDOW {
            self.bits.fill(0);
        } else {
            for passed in self.top..=sequence {
                let (word, bit) = place(passed);
                self.bits[word] &= !bit;
            }
        }
        self.top = sequence.saturating_add(1);
    }
}

fn place(sequence: u64) -> (usize, u64) {
    let place = sequence % WINDOW;
    ((place / 64) as usize, 1 << (place % 64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn replies_are_told_apart() {
        let mut awaited = Awaited::default();
        (0..3).for_each(|_| awaited.push());
        assert_eq!(awaited.reply(1), Reply::InTime);
        assert_eq!(awaited.reply(1), Reply::Again);
        assert_eq!(awaited.reply(3), Reply::Foreign);
        assert!(!awaited.is_first_settled());
        assert!(awaited.pop(), "its time is over");
        assert!(awaited.is_first_settled());
        assert!(!awaited.pop());
        assert_eq!([0, 0, 1].map(|n| awaited.reply(n)), [Reply::Late, Reply::Again, Reply::Again]);
        assert!(awaited.settle(2) && !awaited.settle(2) && !awaited.settle(9));
    }

    #[test]
    fn what_is_too_long_ago_is_late() {
        let mut awaited = Awaited::default();
        for sequence in 0..=WINDOW {
            awaited.push();
            assert_eq!(awaited.reply(sequence), Reply::InTime);
            awaited.pop();
        }
        assert_eq!(awaited.reply(0), Reply::Late);
        assert_eq!(awaited.reply(1), Reply::Again);
    }

    proptest! {
        #[test]
        fn the_window_is_as_a_set(steps in prop::collection::vec((0u64..9000, any::<bool>()), 1..200)) {
            let (mut recent, mut seen, mut top) = (Recent::default(), std::collections::HashSet::new(), 0);
            for (step, back) in steps {
                let sequence = if back { u64::saturating_sub(top, step) } else { top + step };
                let known = top.saturating_sub(sequence) <= WINDOW;
                prop_assert_eq!(recent.insert(sequence), known.then(|| seen.insert(sequence)));
                top = top.max(sequence + 1);
            }
        }
    }
}
