//! What happens next, in the order in which a kernel lets things of one instant happen.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Whose turn it is among those of one instant, the first one first.
///
/// All timers of a tick have sent their packets before the first of these is received; what is
/// answered to an answer comes behind them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    /// A timer. Upper levels of the wheel run out first (`kernel/time/timer.c`,
    /// `collect_expired_timers`), and of one level that which was set last (`enqueue_timer`).
    Timer { level: Reverse<u32>, set: Reverse<u64> },
    /// What a program does.
    Program(u64),
    /// The answer to what a timer has sent.
    Answer(u64),
}

/// Events to come; instants in nanoseconds.
#[derive(Debug)]
pub struct Agenda<E> {
    events: BinaryHeap<Reverse<(u64, Turn, E)>>,
    /// How many were noted so far.
    noted: u64,
}

impl<E: Ord> Agenda<E> {
    /// Nothing.
    pub fn new() -> Self {
        Self { events: BinaryHeap::new(), noted: 0 }
    }

    /// When the next one is due.
    pub fn due(&self) -> Option<u64> {
        self.events.peek().map(|Reverse((at, ..))| *at)
    }

    /// The next one.
    pub fn next(&mut self) -> Option<(u64, E)> {
        self.events.pop().map(|Reverse((at, _, event))| (at, event))
    }

    /// A timer of this level of the wheel runs out at `at`.
    pub fn timer(&mut self, at: u64, level: u32, event: E) {
        let set = Reverse(self.number());
        self.events.push(Reverse((at, Turn::Timer { level: Reverse(level), set }, event)));
    }

    /// A program does something.
    pub fn program(&mut self, at: u64, event: E) {
        let turn = Turn::Program(self.number());
        self.events.push(Reverse((at, turn, event)));
    }

    /// Something is answered.
    pub fn answer(&mut self, at: u64, event: E) {
        let turn = Turn::Answer(self.number());
        self.events.push(Reverse((at, turn, event)));
    }

    fn number(&mut self) -> u64 {
        self.noted += 1;
        self.noted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_one_instant_the_kernels_order_holds() {
        let mut agenda = Agenda::new();
        agenda.answer(5, "answer");
        agenda.program(5, "first call");
        agenda.program(5, "second call");
        agenda.timer(5, 0, "short timer");
        agenda.timer(5, 1, "long timer, set first");
        agenda.timer(5, 1, "long timer, set last");
        agenda.timer(4, 0, "earlier");
        let order: Vec<_> = std::iter::from_fn(|| agenda.next()).map(|(_, what)| what).collect();
        let expected = [
            "earlier",
            "long timer, set last",
            "long timer, set first",
            "short timer",
            "first call",
            "second call",
            "answer",
        ];
        assert_eq!(order, expected);
    }
}
