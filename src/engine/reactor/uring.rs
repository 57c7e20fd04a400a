//! Everything by io_uring: one system call a pass connects what is due, disconnects what is
//! recycled, watches, and waits.

use std::io;

use mio::Waker;
use socket2::Socket;

use super::{Dialed, Interest, Reactor, Share, Slot, Token, Until, Wake, Watch, Way};
use crate::sys::clock;
use crate::sys::limits;
use crate::sys::uring::{Patience, Readiness, Ring};

/// Events that one wait brings at most; more wait in the ring. A pass may wait twice.
const EVENTS: usize = 128;

/// A ring with a place for each slot, as far as it is granted.
#[derive(Debug)]
pub struct UringReactor {
    ring: Ring,
}

impl Reactor for UringReactor {
    const ONCE: bool = true;
    const QUEUES: bool = true;

    fn new(share: &Share) -> io::Result<Self> {
        // More of them are not granted to one ring.
        let (most, _) = limits::descriptors()?;
        let places = most.min(share.slots as u64) as u32;
        Ok(Self { ring: Ring::new(places)? })
    }

    fn waker(&self) -> io::Result<Waker> {
        // Clients that wait for room are driven by epoll only.
        Err(io::ErrorKind::Unsupported.into())
    }

    fn dial(&mut self, way: &Way, socket: &Socket, token: Token) -> io::Result<Dialed> {
        match way {
            Way::Whole(dialer) => {
                self.ring.connect(socket, dialer, token.0).map(|()| Dialed::Queued)
            }
            // It never completes.
            Way::Half(..) => way.connect(socket).map(|()| Dialed::Called),
        }
    }

    fn watch(
        &mut self,
        socket: &Socket,
        token: Token,
        before: Watch,
        interest: Interest,
    ) -> io::Result<Watch> {
        if before != Watch::Idle {
            self.ring.cancel(token.0)?;
        }
        let readiness = match interest {
            Interest::Arrival => Readiness::Arrival,
            Interest::Room => Readiness::Room,
        };
        self.ring.watch(socket, readiness, token.0).map(|()| Watch::Until(interest))
    }

    fn forget(&mut self, _: &Socket, token: Token, _: bool) -> io::Result<()> {
        self.ring.cancel(token.0)
    }

    fn disconnect(&mut self, socket: &Socket) -> io::Result<()> {
        self.ring.disconnect(socket)
    }

    fn parks(&self) -> bool {
        true
    }

    fn park(&mut self, place: Slot, socket: Socket, token: Token) -> Result<(), Socket> {
        self.ring.park(place, socket, token.0)
    }

    fn unpark(&mut self, place: Slot, token: Token) -> io::Result<Socket> {
        self.ring.unpark(place, token.0)
    }

    fn wait(&mut self, until: Until, woken: &mut Vec<Wake>) -> io::Result<()> {
        self.ring.enter(match until {
            Until::Now => Patience::Look,
            Until::Instant(instant) => Patience::For(instant.saturating_sub(clock::monotonic())),
        })?;
        while woken.len() < EVENTS
            && let Some(completion) = self.ring.completed()
        {
            woken.push(Wake { token: Token(completion.name), errno: completion.errno });
        }
        Ok(())
    }
}
