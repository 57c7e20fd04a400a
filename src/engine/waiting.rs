//! Deadlines of slots: doubly linked lists through preallocated memory.
//!
//! Each line holds slots that wait for the same length of time, so that it is in order of its
//! deadlines by itself: adding, removing and finding the earliest take constant time and allocate
//! nothing, and a wait that ended early leaves nothing behind.

/// No slot.
const NONE: u32 = u32::MAX;

/// Index of a slot.
pub type Slot = u32;

#[derive(Debug, Clone, Copy)]
struct Link {
    before: u32,
    after: u32,
    line: u16,
    waits: bool,
    deadline: u64,
}

impl Link {
    const IDLE: Self = Self { before: NONE, after: NONE, line: 0, waits: false, deadline: 0 };
}

#[derive(Debug, Clone, Copy)]
struct Line {
    first: u32,
    last: u32,
}

/// Lines of waiting slots. A slot is in at most one line.
#[derive(Debug)]
pub struct Waiting {
    links: Vec<Link>,
    lines: Vec<Line>,
}

impl Waiting {
    /// Room for slots `0..slots` in `lines` lines; memory of a slot is not touched before it waits.
    pub fn new(slots: usize, lines: usize) -> Self {
        Self {
            links: Vec::with_capacity(slots),
            lines: vec![Line { first: NONE, last: NONE }; lines],
        }
    }

    /// Puts `slot` at the end of `line`. Deadlines of a line must not decrease; a smaller one is
    /// raised to the last one's.
    pub fn push(&mut self, line: usize, slot: Slot, deadline: u64) {
        self.remove(slot);
        if self.links.len() <= slot as usize {
            self.links.resize(slot as usize + 1, Link::IDLE);
        }
        let last = self.lines[line].last;
        let earliest = if last == NONE { 0 } else { self.links[last as usize].deadline };
        self.links[slot as usize] = Link {
            before: last,
            after: NONE,
            line: line as u16,
            waits: true,
            deadline: deadline.max(earliest),
        };
        match last {
            NONE => self.lines[line].first = slot,
            last => self.links[last as usize].after = slot,
        }
        self.lines[line].last = slot;
    }

    /// Takes `slot` out of its line, if it is in one.
    pub fn remove(&mut self, slot: Slot) {
        let Some(link) = self.links.get(slot as usize).copied().filter(|link| link.waits) else {
            return;
        };
        match link.before {
            NONE => self.lines[link.line as usize].first = link.after,
            before => self.links[before as usize].after = link.after,
        }
        match link.after {
            NONE => self.lines[link.line as usize].last = link.before,
            after => self.links[after as usize].before = link.before,
        }
        self.links[slot as usize].waits = false;
    }

    /// The earliest deadline of all lines.
    pub fn earliest(&self) -> Option<u64> {
        self.lines
            .iter()
            .filter(|line| line.first != NONE)
            .map(|line| self.links[line.first as usize].deadline)
            .min()
    }

    /// When the wait of `slot` ends, if it waits.
    pub fn deadline(&self, slot: Slot) -> Option<u64> {
        self.links.get(slot as usize).filter(|link| link.waits).map(|link| link.deadline)
    }

    /// Takes out a slot whose deadline is not after `now`.
    pub fn pop_due(&mut self, now: u64) -> Option<Slot> {
        let due = self
            .lines
            .iter()
            .map(|line| line.first)
            .find(|first| *first != NONE && self.links[*first as usize].deadline <= now)?;
        self.remove(due);
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_earliest_of_all_lines_comes_first() {
        let mut waiting = Waiting::new(4, 2);
        waiting.push(0, 0, 50);
        waiting.push(1, 1, 20);
        waiting.push(1, 2, 30);
        assert_eq!(waiting.earliest(), Some(20));
        assert_eq!([0, 1, 3].map(|slot| waiting.deadline(slot)), [Some(50), Some(20), None]);
        assert_eq!(waiting.pop_due(10), None);
        assert_eq!(waiting.pop_due(25), Some(1));
        assert_eq!(waiting.deadline(1), None);
        waiting.remove(2);
        assert_eq!(waiting.earliest(), Some(50));
        assert_eq!(waiting.pop_due(50), Some(0));
        assert_eq!(waiting.earliest(), None);
    }

    proptest! {
        /// Against a plain list.
        #[test]
        fn it_behaves_as_a_list_would(
            steps in prop::collection::vec((0u32..8, 0usize..3, any::<bool>()), 1..200),
        ) {
            let mut waiting = Waiting::new(8, 3);
            let mut list: Vec<(u32, u64)> = Vec::new();
            for (now, (slot, line, push)) in steps.into_iter().enumerate() {
                list.retain(|(other, _)| *other != slot);
                if push {
                    let deadline = now as u64 + [5, 11, 17][line];
                    waiting.push(line, slot, deadline);
                    list.push((slot, deadline));
                } else {
                    waiting.remove(slot);
                }
                prop_assert_eq!(waiting.earliest(), list.iter().map(|(_, d)| *d).min());
                while let Some(due) = waiting.pop_due(now as u64) {
                    let place = list.iter().position(|(s, d)| *s == due && *d <= now as u64);
                    prop_assert!(place.is_some());
                    list.remove(place.unwrap());
                }
                prop_assert!(list.iter().all(|(_, deadline)| *deadline > now as u64));
            }
        }
    }
}
