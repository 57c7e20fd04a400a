//! Where connections wait without a descriptor: in a ring's table.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use socket2::Socket;

use crate::sys::uring::{Patience, Ring};

/// Connections that are looked at before others get their turn.
const BATCH: usize = 256;

/// Descriptors that all acceptors' connections have together.
#[derive(Debug)]
pub struct Purse {
    open: AtomicU64,
    most: u64,
}

impl Purse {
    /// Descriptors are scarce from `most` on.
    pub fn new(most: u64) -> Self {
        Self { open: AtomicU64::new(0), most }
    }

    fn is_scarce(&self) -> bool {
        self.open.load(Ordering::Relaxed) > self.most
    }

    fn opened(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    fn closed(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How a connection is kept.
#[derive(Debug)]
pub enum Kept {
    /// With a descriptor.
    Open {
        /// That descriptor.
        socket: Socket,
        /// Whether epoll tells of it.
        watched: bool,
    },
    /// In this place of the lot.
    Parked(u32),
}

/// An acceptor's ring.
#[derive(Debug)]
pub struct Lot {
    ring: Ring,
    bell: OwnedFd,
    free: Vec<u32>,
    purse: Arc<Purse>,
    /// Whether the ring may have something to tell.
    pub rang: bool,
    arrived: VecDeque<usize>,
}

impl Lot {
    /// A lot with so many places, for the calling thread.
    ///
    /// # Errors
    /// As of [`Ring::new`].
    pub fn new(places: u32, purse: &Arc<Purse>) -> io::Result<Self> {
        let mut ring = Ring::new(places)?;
        Ok(Self {
            bell: ring.bell()?,
            ring,
            free: (0..places).rev().collect(),
            purse: Arc::clone(purse),
            rang: false,
            arrived: VecDeque::new(),
        })
    }

    /// A connection got a descriptor without the lot's doing.
    pub fn opened(&self) {
        self.purse.opened();
    }

    /// Whether a connection that waits should do so without a descriptor.
    pub fn is_wanted(&self) -> bool {
        self.purse.is_scarce() && !self.free.is_empty()
    }

    /// Keeps the connection `name`, which epoll does not watch, and tells when something arrives.
    pub fn park(&mut self, name: usize, socket: Socket) -> Kept {
        let Some(place) = self.free.pop() else {
            return Kept::Open { socket, watched: false };
        };
        match self.ring.park(place, socket, name as u64) {
            Ok(()) => {
                self.purse.closed();
                Kept::Parked(place)
            }
            Err(socket) => {
                self.free.push(place);
                Kept::Open { socket, watched: false }
            }
        }
    }

    /// Takes the connection `name` out of its place.
    ///
    /// # Errors
    /// EMFILE and ENFILE without a descriptor: it stays there, and nothing tells of it any more.
    pub fn unpark(&mut self, name: usize, place: u32) -> io::Result<Socket> {
        // It also does work that the bell has told of, and perhaps not all.
        self.rang = true;
        let socket = self.ring.take(place, name as u64)?;
        self.purse.opened();
        self.free.push(place);
        Ok(socket)
    }

    /// Closes a connection.
    pub fn close(&mut self, name: usize, kept: Kept) {
        match kept {
            Kept::Open { .. } => self.purse.closed(),
            Kept::Parked(place) => {
                self.free.push(place);
                // A ring that is of no use any more says so when it is asked next.
                let _ = self.ring.evict(place, name as u64);
            }
        }
    }

    /// Hands what is asked of the ring to the kernel, before its owner sleeps; whether it may.
    ///
    /// # Errors
    /// As of [`Ring::enter`].
    pub fn may_sleep(&mut self) -> io::Result<bool> {
        self.rang |= self.ring.submit()?;
        Ok(self.arrived.is_empty() && !self.rang)
    }

    /// Names of connections at which something arrived, some of them.
    ///
    /// # Errors
    /// As of [`Ring::enter`].
    pub fn arrivals(&mut self) -> io::Result<Vec<usize>> {
        if self.rang {
            self.ring.enter(Patience::Look)?;
            // More may be left as long as there is something.
            self.rang = self.hear();
        }
        let some = self.arrived.len().min(BATCH);
        Ok(self.arrived.drain(..some).collect())
    }

    /// Takes over what the ring has to tell; whether there was anything. A watch that failed (there
    /// is none that can) is looked at like any other.
    fn hear(&mut self) -> bool {
        let before = self.arrived.len();
        while let Some(done) = self.ring.completed() {
            self.arrived.extend(usize::try_from(done.name));
        }
        self.arrived.len() > before
    }
}

/// Readable again whenever the ring has something to tell.
impl AsRawFd for Lot {
    fn as_raw_fd(&self) -> RawFd {
        self.bell.as_raw_fd()
    }
}
