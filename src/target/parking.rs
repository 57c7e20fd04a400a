//! What an acceptor does with connections that wait while descriptors are scarce.

use std::cmp::Reverse;
use std::io;
use std::os::fd::AsRawFd;

use mio::unix::SourceFd;
use mio::{Interest, Poll, Token};
use socket2::Socket;

use super::acceptor::{Acceptor, BACK_OFF};
use super::connection::State;
use super::keeping::Keeping;
use super::lot::{Kept, Lot};
use crate::measure::TargetEnding;
use crate::sys::errno;

impl Acceptor {
    /// Makes the ring, if connections are to be kept in one and there is none yet: it belongs to
    /// the thread that makes it. `token` tells of it.
    pub(super) fn open_lot(&mut self, token: Token) -> io::Result<()> {
        if let (None, Keeping::Ring(places, purse)) = (&self.lot, &self.duty.keeping) {
            let lot = Lot::new(*places, purse)?;
            let descriptor = lot.as_raw_fd();
            let registry = self.poll.registry();
            registry.register(&mut SourceFd(&descriptor), token, Interest::READABLE)?;
            self.lot = Some(lot);
        }
        Ok(())
    }

    /// The ring may have something to tell.
    pub(super) fn lot_rang(&mut self) {
        if let Some(lot) = &mut self.lot {
            lot.rang = true;
        }
    }

    /// Looks after connections at which something arrived.
    pub(super) fn attend_lot(&mut self) -> io::Result<()> {
        let Some(lot) = &mut self.lot else { return Ok(()) };
        lot.arrivals()?.into_iter().for_each(|name| self.advance(name));
        Ok(())
    }

    /// Looks for the last time after what arrived, and closes what is still parked.
    pub(super) fn empty_lot(&mut self) -> io::Result<()> {
        loop {
            self.lot_rang();
            let Some(lot) = &mut self.lot else { return Ok(()) };
            let names = lot.arrivals()?;
            if names.is_empty() {
                break;
            }
            for name in names {
                self.advance(name);
                // At once: whoever goes on talking would be parked again, without an end.
                self.end(name, TargetEnding::OpenAtEnd);
            }
        }
        let parked = |kept: &Kept| matches!(kept, Kept::Parked(_));
        let all = self.connections.iter();
        let names: Vec<usize> =
            all.filter(|(_, (_, kept))| parked(kept)).map(|(name, _)| *name).collect();
        names.into_iter().for_each(|name| self.end(name, TargetEnding::OpenAtEnd));
        Ok(())
    }

    /// Sees to it that a connection has its descriptor. Where there is none it tries again later.
    pub(super) fn at_hand(&mut self, name: usize) {
        let Some(lot) = &mut self.lot else { return };
        let Some((_, kept)) = self.connections.get_mut(&name) else { return };
        let Kept::Parked(place) = *kept else { return };
        let unparked = lot.unpark(name, place);
        match unparked {
            Ok(socket) => *kept = Kept::Open { socket, watched: false },
            Err(_) => self.timers.push(Reverse((self.now() + BACK_OFF, name))),
        }
    }

    /// Sees to it that a connection which waits for its client is heard of: it is parked while
    /// descriptors are scarce, and watched otherwise.
    pub(super) fn rest(&mut self, name: usize) {
        let Some(lot) = &self.lot else { return };
        let Some((connection, _)) = self.connections.get(&name) else { return };
        // Whoever is served unasked is about to be served.
        let idle = connection.state == State::Reading && !connection.is_served_unasked();
        if idle && lot.is_wanted() {
            self.park(name);
        }
        let Some((_, Kept::Open { socket, watched })) = self.connections.get_mut(&name) else {
            return;
        };
        if *watched {
            return;
        }
        let heard = watch(&self.poll, name, socket);
        *watched = heard.is_ok();
        if let Err(error) = heard {
            *self.count().errors.entry(errno::number(&error)).or_default() += 1;
            self.end(name, TargetEnding::Other);
        }
    }

    fn park(&mut self, name: usize) {
        let Some(lot) = &mut self.lot else { return };
        let Some((connection, mut kept)) = self.connections.remove(&name) else { return };
        if let Kept::Open { socket, watched } = kept {
            if watched {
                // A socket in the ring stays open, and epoll would go on to tell of it.
                let _ = self.poll.registry().deregister(&mut SourceFd(&socket.as_raw_fd()));
            }
            kept = lot.park(name, socket);
        }
        self.connections.insert(name, (connection, kept));
    }
}

/// Hears of whatever happens to a connection.
pub(super) fn watch(poll: &Poll, name: usize, socket: &Socket) -> io::Result<()> {
    let both = Interest::READABLE | Interest::WRITABLE;
    poll.registry().register(&mut SourceFd(&socket.as_raw_fd()), Token(name), both)
}
