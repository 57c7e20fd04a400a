//! The attempts in progress: preallocated places that are used again and again.

use std::mem;

use socket2::Socket;

use super::reactor::{Token, Watch};
use super::waiting::Slot;
use crate::clients::Progress;

/// One attempt in progress. A parked one has no socket at hand.
#[derive(Debug)]
pub struct Attempt<S = Socket> {
    /// Index of the worker's part that it belongs to.
    pub part: usize,
    /// Number in its load.
    pub number: u64,
    /// When the schedule wanted it, in nanoseconds since the cell's start.
    pub intended: u64,
    /// When `connect()` was called.
    pub issued: u64,
    /// Its socket.
    pub socket: S,
    /// Bytes of its first message that went with its SYN.
    pub early: usize,
    /// What the reactor does for the socket.
    pub watch: Watch,
    /// Whether it waits for its next turn.
    pub yielded: bool,
    /// Where it stands.
    pub phase: Phase,
}

/// Where an attempt stands.
#[derive(Debug)]
pub enum Phase {
    /// SYN sent.
    Connecting,
    /// SYN sent, and its answer will never be seen.
    HalfOpen,
    /// Established.
    Open {
        /// What its script has done.
        progress: Progress,
        /// When the schedule wanted the present exchange.
        intended: u64,
        /// When the present exchange was issued.
        issued: u64,
        /// Segments sent again until it was established.
        retransmits: u8,
        /// Whether the present exchange has its deadline.
        timed: bool,
        /// Whether it waits for time to pass rather than for its target.
        pausing: bool,
        /// When FIN was sent.
        fin: Option<u64>,
    },
}

impl<S> Attempt<S> {
    /// The same attempt with another socket.
    fn with<T>(self, socket: T) -> (Attempt<T>, S) {
        let Self { part, number, intended, issued, early, watch, yielded, phase, .. } = self;
        let other =
            Attempt { part, number, intended, issued, socket, early, watch, yielded, phase };
        (other, self.socket)
    }
}

#[derive(Debug)]
enum Place {
    Free,
    Open(Attempt),
    /// The reactor keeps its socket.
    Parked(Attempt<()>),
    /// Somebody else has it for some time.
    Lent,
}

/// Places for attempts, with room for a fixed number of them. Memory of a place is not touched
/// before it is needed.
#[derive(Debug)]
pub struct Slots {
    most: usize,
    places: Vec<Place>,
    /// Told apart from earlier attempts of the same place by the reactor's late events.
    generations: Vec<u32>,
    free: Vec<Slot>,
}

impl Slots {
    /// Room for `most` places.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            places: Vec::with_capacity(most),
            generations: Vec::with_capacity(most),
            free: Vec::with_capacity(most),
        }
    }

    /// Attempts in progress.
    pub fn in_use(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Sees to it that a place is free; false where there is no room for one.
    pub fn make_room(&mut self) -> bool {
        if !self.free.is_empty() {
            return true;
        }
        if self.places.len() == self.most {
            return false;
        }
        self.free.push(self.places.len() as Slot);
        self.places.push(Place::Free);
        self.generations.push(0);
        true
    }

    /// Takes a place.
    ///
    /// # Panics
    /// Where none is free: [`Slots::make_room`] is to be asked before an attempt is made, as a
    /// connection that nobody looks after would be in the target's books only.
    pub fn insert(&mut self, attempt: Attempt) -> Slot {
        let slot = self.free.pop().expect("a place is free");
        self.places[slot as usize] = Place::Open(attempt);
        slot
    }

    /// Takes an attempt out for some time; its place stays in use.
    pub fn lend(&mut self, slot: Slot) -> Option<Attempt> {
        let place = &mut self.places[slot as usize];
        match mem::replace(place, Place::Lent) {
            Place::Open(attempt) => Some(attempt),
            other => {
                *place = other;
                None
            }
        }
    }

    /// Puts an attempt that was lent back into its place.
    pub fn put(&mut self, slot: Slot, attempt: Attempt) {
        self.places[slot as usize] = Place::Open(attempt);
    }

    /// Gives the place of an attempt that is at hand back.
    pub fn take(&mut self, slot: Slot) -> Option<Attempt> {
        let place = &mut self.places[slot as usize];
        match mem::replace(place, Place::Free) {
            Place::Open(attempt) => {
                self.vacate(slot);
                Some(attempt)
            }
            other => {
                *place = other;
                None
            }
        }
    }

    /// Gives the place of a parked attempt back.
    pub fn take_parked(&mut self, slot: Slot) -> Option<Attempt<()>> {
        let place = &mut self.places[slot as usize];
        match mem::replace(place, Place::Free) {
            Place::Parked(attempt) => {
                self.vacate(slot);
                Some(attempt)
            }
            other => {
                *place = other;
                None
            }
        }
    }

    fn vacate(&mut self, slot: Slot) {
        self.generations[slot as usize] = self.generations[slot as usize].wrapping_add(1);
        self.free.push(slot);
    }

    /// The attempt in a place, unless it is parked.
    pub fn get(&mut self, slot: Slot) -> Option<&mut Attempt> {
        match &mut self.places[slot as usize] {
            Place::Open(attempt) => Some(attempt),
            _ => None,
        }
    }

    /// Whether the attempt in a place is parked.
    pub fn is_parked(&self, slot: Slot) -> bool {
        matches!(self.places[slot as usize], Place::Parked(_))
    }

    /// Parks an attempt with `keep`, which takes the socket or gives it back; whether it did.
    pub fn park(&mut self, slot: Slot, keep: impl FnOnce(Socket) -> Result<(), Socket>) -> bool {
        let place = &mut self.places[slot as usize];
        let Place::Open(attempt) = mem::replace(place, Place::Free) else { return false };
        let (attempt, socket) = attempt.with(());
        *place = match keep(socket) {
            Ok(()) => Place::Parked(attempt),
            Err(socket) => Place::Open(attempt.with(socket).0),
        };
        matches!(place, Place::Parked(_))
    }

    /// Gives a parked attempt its socket back.
    pub fn unpark(&mut self, slot: Slot, socket: Socket) {
        let place = &mut self.places[slot as usize];
        *place = match mem::replace(place, Place::Free) {
            Place::Parked(attempt) => Place::Open(attempt.with(socket).0),
            other => other,
        };
    }

    /// The reactor's name for the attempt that is in `slot` now.
    pub fn token(&self, slot: Slot) -> Token {
        Token(u64::from(self.generations[slot as usize]) << 32 | u64::from(slot))
    }

    /// The place that a token names, if its attempt is still the same.
    pub fn by_token(&self, token: Token) -> Option<Slot> {
        let slot = token.0 as u32;
        let generation = (token.0 >> 32) as u32;
        let known = self.generations.get(slot as usize) == Some(&generation);
        (known && !matches!(self.places[slot as usize], Place::Free)).then_some(slot)
    }

    /// Every place in use.
    pub fn occupied(&self) -> Vec<Slot> {
        let used = |slot: &Slot| !matches!(self.places[*slot as usize], Place::Free);
        (0..self.places.len() as Slot).filter(used).collect()
    }
}
