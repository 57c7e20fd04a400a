//! Readiness by epoll (mio), deadlines by timerfd; every system call at once.

use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Poll, Waker};
use socket2::Socket;

use super::{Dialed, Interest, ROOM_WAKE, Reactor, Share, Slot, Token, Until, Wake, Watch, Way};
use crate::sys::clock::Alarm;
use crate::sys::socket::disconnect;

/// Events that one wait brings at most.
const EVENTS: usize = 256;
const ALARM: mio::Token = mio::Token(usize::MAX);

/// An epoll with an alarm. Edges are told, so that one registration lasts for a socket's life.
#[derive(Debug)]
pub struct MioReactor {
    poll: Poll,
    alarm: Alarm,
    events: Events,
}

impl Reactor for MioReactor {
    const ONCE: bool = false;
    const QUEUES: bool = false;

    fn new(_: &Share) -> io::Result<Self> {
        let poll = Poll::new()?;
        let alarm = Alarm::new()?;
        let readable = mio::Interest::READABLE;
        poll.registry().register(&mut SourceFd(&alarm.as_raw_fd()), ALARM, readable)?;
        Ok(Self { poll, alarm, events: Events::with_capacity(EVENTS) })
    }

    fn waker(&self) -> io::Result<Waker> {
        Waker::new(self.poll.registry(), mio::Token(ROOM_WAKE.0 as usize))
    }

    fn dial(&mut self, way: &Way, socket: &Socket, _: Token) -> io::Result<Dialed> {
        way.connect(socket).map(|()| Dialed::Called)
    }

    fn watch(&mut self, socket: &Socket, token: Token, _: Watch, _: Interest) -> io::Result<Watch> {
        let both = mio::Interest::READABLE | mio::Interest::WRITABLE;
        let token = mio::Token(token.0 as usize);
        self.poll.registry().register(&mut SourceFd(&socket.as_raw_fd()), token, both)?;
        Ok(Watch::Always)
    }

    fn forget(&mut self, socket: &Socket, _: Token, kept: bool) -> io::Result<()> {
        // The kernel forgets closed descriptors by itself.
        match kept {
            true => self.poll.registry().deregister(&mut SourceFd(&socket.as_raw_fd())),
            false => Ok(()),
        }
    }

    fn disconnect(&mut self, socket: &Socket) -> io::Result<()> {
        disconnect(socket)
    }

    fn parks(&self) -> bool {
        false
    }

    fn park(&mut self, _: Slot, socket: Socket, _: Token) -> Result<(), Socket> {
        Err(socket)
    }

    fn unpark(&mut self, _: Slot, _: Token) -> io::Result<Socket> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn wait(&mut self, until: Until, woken: &mut Vec<Wake>) -> io::Result<()> {
        let patience = match until {
            Until::Now => Some(Duration::ZERO),
            Until::Instant(instant) => {
                self.alarm.set(instant)?;
                None
            }
        };
        match self.poll.poll(&mut self.events, patience) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            done => done?,
        }
        for event in &self.events {
            match event.token() {
                ALARM => self.alarm.rang(),
                token => woken.push(Wake { token: Token(token.0 as u64), errno: 0 }),
            }
        }
        Ok(())
    }
}
