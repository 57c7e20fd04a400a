//! The attempts in progress: preallocated places that are used again and again.

use socket2::Socket;

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
    /// Whether the poll knows the socket.
    pub registered: bool,
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
        /// Whether it waits for time to pass rather than for its target.
        pausing: bool,
    },
}

/// A fixed number of places for attempts.
#[derive(Debug)]
pub struct Slots {
    places: Vec<Option<Attempt>>,
    /// Told apart from earlier attempts of the same place by the poll's late events.
    generations: Vec<u32>,
    free: Vec<Slot>,
}

impl Slots {
    /// `count` free places.
    pub fn new(count: usize) -> Self {
        Self {
            places: std::iter::repeat_with(|| None).take(count).collect(),
            generations: vec![0; count],
            free: (0..count as Slot).rev().collect(),
        }
    }

    /// Attempts in progress.
    pub fn in_use(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Takes a place, if there is one.
    #[expect(clippy::result_large_err, reason = "a box would be an allocation in the hot loop")]
    pub fn insert(&mut self, attempt: Attempt) -> Result<Slot, Attempt> {
        match self.free.pop() {
            Some(slot) => {
                self.places[slot as usize] = Some(attempt);
                Ok(slot)
            }
            None => Err(attempt),
        }
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
