//! Acceptors that stand in for one: together they hold what one could not. One of them accepts at
//! a time, so that no connection wakes them all.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mio::Waker;

/// The acceptors of one post.
#[derive(Debug)]
pub struct Crew {
    /// Connections that each may hold.
    room: usize,
    /// Whose turn it is to accept.
    turn: AtomicUsize,
    /// Connections that each holds.
    held: Vec<AtomicUsize>,
    /// What wakes each of them, once it can be woken.
    bells: Mutex<Vec<Option<Arc<Waker>>>>,
}

impl Crew {
    /// So many acceptors, each with room for so many connections.
    pub fn new(size: usize, room: usize) -> Arc<Self> {
        Arc::new(Self {
            room,
            turn: AtomicUsize::new(0),
            held: (0..size).map(|_| AtomicUsize::new(0)).collect(),
            bells: Mutex::new(vec![None; size]),
        })
    }

    fn has_room(&self, index: usize) -> bool {
        self.held[index].load(Ordering::SeqCst) < self.room
    }

    /// Another than this one that has room.
    fn other_with_room(&self, than: usize) -> Option<usize> {
        (0..self.held.len()).find(|index| *index != than && self.has_room(*index))
    }

    fn hand_over(&self, to: usize) {
        self.turn.store(to, Ordering::SeqCst);
        let bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bell) = &bells[to] {
            // Whoever is not woken is not asleep, or is no more.
            let _ = bell.wake();
        }
    }
}

/// One of a crew.
#[derive(Debug)]
pub struct Member {
    crew: Arc<Crew>,
    index: usize,
}

impl Member {
    /// The acceptor with this number, from 0.
    pub fn new(crew: &Arc<Crew>, index: usize) -> Self {
        Self { crew: Arc::clone(crew), index }
    }

    /// From now on `bell` tells this member that its turn has come.
    pub fn is_woken_by(&self, bell: &Arc<Waker>) {
        let mut bells = self.crew.bells.lock().unwrap_or_else(PoisonError::into_inner);
        bells[self.index] = Some(Arc::clone(bell));
    }

    /// Whether this one is to accept, now that it holds so many connections. Who is full hands
    /// over to one with room. While nobody has room, the first that has some again takes the turn.
    pub fn accepts(&self, held: usize) -> bool {
        let crew = &*self.crew;
        // Who makes room and who looks for it write first and read then: one of them sees it.
        crew.held[self.index].store(held, Ordering::SeqCst);
        let turn = crew.turn.load(Ordering::SeqCst);
        match (turn == self.index, held < crew.room) {
            (mine, true) if mine || !crew.has_room(turn) => {
                crew.turn.store(self.index, Ordering::SeqCst);
                true
            }
            (true, false) => {
                if let Some(next) = (0..crew.held.len()).find(|index| crew.has_room(*index)) {
                    crew.hand_over(next);
                }
                false
            }
            _ => false,
        }
    }
}

impl Member {
    /// There was no descriptor for a connection: another may have one.
    pub fn passes(&self) {
        if let Some(next) = self.crew.other_with_room(self.index) {
            self.crew.hand_over(next);
        }
    }
}

/// Whoever is no more cannot accept.
impl Drop for Member {
    fn drop(&mut self) {
        self.crew.held[self.index].store(usize::MAX, Ordering::SeqCst);
        if self.crew.turn.load(Ordering::SeqCst) == self.index {
            self.passes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_full_hands_over_and_who_has_room_again_takes_the_turn() {
        let crew = Crew::new(2, 10);
        let [first, second] = [0, 1].map(|index| Member::new(&crew, index));
        assert!(first.accepts(9) && !second.accepts(0));
        assert!(!first.accepts(10) && second.accepts(0), "the first is full");
        assert!(!first.accepts(5), "it is the second's turn while that has room");
        assert!(!second.accepts(10) && first.accepts(5));
        assert!(!first.accepts(10) && !second.accepts(10), "nobody has room");
        assert!(second.accepts(9) && !first.accepts(10));
    }

    #[test]
    fn the_turn_of_one_who_is_no_more_goes_to_another() {
        let crew = Crew::new(3, 10);
        let [first, second, third] = [0, 1, 2].map(|index| Member::new(&crew, index));
        drop(first);
        assert!(second.accepts(0) && !third.accepts(0));
        second.passes();
        assert!(third.accepts(0) && !second.accepts(0));
    }

    #[test]
    fn a_crew_of_one_accepts_as_long_as_it_has_room() {
        let alone = Member::new(&Crew::new(1, 3), 0);
        assert!(alone.accepts(2) && !alone.accepts(3) && alone.accepts(2));
    }
}
