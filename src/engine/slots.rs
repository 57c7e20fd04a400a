//! The attempts in progress: preallocated places that are used again and again.

use std::sync::Arc;

use socket2::Socket;

use super::Descriptors;
use super::waiting::Slot;
use crate::clients::Progress;

/// One attempt in progress.
#[derive(Debug)]
pub struct Attempt {
    /// Index of the worker's part that it belongs to.
    pub part: usize,
    /// Number in its load.
    pub number: u64,
    /// When the schedule wanted it, in nanoseconds since the cell's start.
    pub intended: u64,
    /// When `connect()` was called.
    pub issued: u64,
    /// Its socket.
    pub socket: Socket,
    /// Bytes of its first message that went with its SYN.
    pub early: usize,
    /// Whether the poll knows the socket.
    pub registered: bool,
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
    },
}

/// Places for attempts, with room for a fixed number of them. Memory of a place is not touched
/// before it is needed.
#[derive(Debug)]
pub struct Slots {
    most: usize,
    descriptors: Arc<Descriptors>,
    places: Vec<Option<Attempt>>,
    /// Told apart from earlier attempts of the same place by the poll's late events.
    generations: Vec<u32>,
    free: Vec<Slot>,
}

impl Slots {
    /// Room for `most` places, each with a descriptor of `descriptors`.
    pub fn new(most: usize, descriptors: Arc<Descriptors>) -> Self {
        Self {
            most,
            descriptors,
            places: Vec::with_capacity(most),
            generations: Vec::with_capacity(most),
            free: Vec::with_capacity(most),
        }
    }

    /// Attempts in progress.
    pub fn in_use(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Sees to it that a place is free; false where there is no room or no descriptor for one.
    pub fn make_room(&mut self) -> bool {
        if !self.free.is_empty() {
            return true;
        }
        if self.places.len() == self.most || !self.descriptors.take() {
            return false;
        }
        self.free.push(self.places.len() as Slot);
        self.places.push(None);
        self.generations.push(0);
        true
    }

    /// Takes a place.
    ///
    /// # Panics
    /// Where none is free: [`Slots::make_room`] is to be asked before an attempt is made, as a
    /// connection that nobody looks after would be in the target's books only.
    pub fn insert(&mut self, attempt: Attempt) -> Slot {
        let slot = self.reserve();
        self.put(slot, attempt);
        slot
    }

    /// Takes a place for an attempt that is put there later; it is in use already.
    ///
    /// # Panics
    /// As [`Slots::insert`].
    pub fn reserve(&mut self) -> Slot {
        self.free.pop().expect("a place is free")
    }

    /// Puts an attempt into its reserved place.
    pub fn put(&mut self, slot: Slot, attempt: Attempt) {
        self.places[slot as usize] = Some(attempt);
    }

    /// Gives a place back.
    pub fn take(&mut self, slot: Slot) -> Option<Attempt> {
        let attempt = self.places[slot as usize].take()?;
        self.generations[slot as usize] = self.generations[slot as usize].wrapping_add(1);
        self.free.push(slot);
        Some(attempt)
    }

    /// The attempt in a place.
    pub fn get(&mut self, slot: Slot) -> Option<&mut Attempt> {
        self.places[slot as usize].as_mut()
    }

    /// The poll's name for the attempt that is in `slot` now.
    pub fn token(&self, slot: Slot) -> mio::Token {
        mio::Token((self.generations[slot as usize] as usize) << 32 | slot as usize)
    }

    /// The place that a token names, if its attempt is still the same.
    pub fn by_token(&self, token: mio::Token) -> Option<Slot> {
        let slot = token.0 as u32;
        let generation = (token.0 >> 32) as u32;
        let known = self.generations.get(slot as usize) == Some(&generation);
        (known && self.places[slot as usize].is_some()).then_some(slot)
    }

    /// Every place in use.
    pub fn occupied(&self) -> Vec<Slot> {
        (0..self.places.len() as Slot).filter(|s| self.places[*s as usize].is_some()).collect()
    }
}
