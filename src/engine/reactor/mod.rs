//! How a worker makes connections, hears of them, and waits: the only part of the hot loop in
//! which engines differ.

mod mio;
mod uring;

use std::io;

use ::mio::Waker;
use socket2::Socket;

use super::waiting::Slot;
use super::{Share, Way};

pub(super) use self::mio::MioReactor;
pub(super) use self::uring::UringReactor;

/// A reactor's name for one attempt: its slot, and which of the slot's attempts it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token(pub u64);

/// Names no attempt: clients that waited for room go on.
pub const ROOM_WAKE: Token = Token(u64::MAX - 1);

/// Something happened to a socket.
#[derive(Debug, Clone, Copy)]
pub struct Wake {
    /// The attempt that it belongs to.
    pub token: Token,
    /// How connecting failed, where the reactor knows; else 0.
    pub errno: i32,
}

/// What an attempt waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// Bytes, or the other side's close.
    Arrival,
    /// Room for bytes to be sent.
    Room,
}

/// What a reactor does for an attempt's socket at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watch {
    /// Nothing.
    Idle,
    /// It tells when connecting is over.
    Dialing,
    /// It tells what was asked for.
    Until(Interest),
    /// It tells whatever happens, until the socket is closed.
    Always,
}

impl Watch {
    /// Whether `interest` will be told.
    pub fn covers(self, interest: Interest) -> bool {
        self == Self::Always || self == Self::Until(interest)
    }
}

/// What became of a wish to connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialed {
    /// `connect()` was called: the connection may be looked at.
    Called,
    /// It will be called with the next wait, which also tells how it ended.
    Queued,
}

/// How long a worker waits. Instants are CLOCK_MONOTONIC in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// It only looks.
    Now,
    /// To this instant, or to the next event.
    Instant(u64),
}

/// Connects sockets, watches them, and waits.
pub trait Reactor: Sized {
    /// Whether a watch ends with what it tells, so that it has to be renewed. What is there when it
    /// begins is told then as well.
    const ONCE: bool;

    /// Whether what is dialed is called by the next wait only.
    const QUEUES: bool;

    /// A reactor for the sockets of `share`. It belongs to the calling thread.
    ///
    /// # Errors
    /// EMFILE, ENOMEM, and that there is nothing of the kind here.
    fn new(share: &Share) -> io::Result<Self>;

    /// What ends a wait from another thread, which then tells [`ROOM_WAKE`].
    ///
    /// # Errors
    /// EMFILE; `Unsupported` where the reactor has none.
    fn waker(&self) -> io::Result<Waker>;

    /// Connects the socket.
    ///
    /// # Errors
    /// How connecting failed at once.
    fn dial(&mut self, way: &Way, socket: &Socket, token: Token) -> io::Result<Dialed>;

    /// Watches the socket, and nothing else of it than before; what it is watched for then.
    ///
    /// # Errors
    /// ENOMEM, ENOSPC.
    fn watch(
        &mut self,
        socket: &Socket,
        token: Token,
        before: Watch,
        interest: Interest,
    ) -> io::Result<Watch>;

    /// Ends what `dial` or `watch` began, before the socket is closed or `kept` for another
    /// attempt.
    ///
    /// # Errors
    /// None in practice.
    fn forget(&mut self, socket: &Socket, token: Token, kept: bool) -> io::Result<()>;

    /// Resets the connection, so that the socket can be dialed again.
    ///
    /// # Errors
    /// None in practice.
    fn disconnect(&mut self, socket: &Socket) -> io::Result<()>;

    /// Whether sockets can be kept without a descriptor.
    fn parks(&self) -> bool;

    /// Keeps a socket that is not watched without its descriptor, and tells arrivals. The socket
    /// comes back where that is not possible.
    fn park(&mut self, place: Slot, socket: Socket, token: Token) -> Result<(), Socket>;

    /// Gives a parked socket a descriptor again. It is not watched then.
    ///
    /// # Errors
    /// EMFILE, ENFILE; the connection is closed then.
    fn unpark(&mut self, place: Slot, token: Token) -> io::Result<Socket>;

    /// Waits, and adds what happened to `woken`.
    ///
    /// # Errors
    /// None in practice.
    fn wait(&mut self, until: Until, woken: &mut Vec<Wake>) -> io::Result<()>;
}
