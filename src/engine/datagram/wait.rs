//! Readiness by epoll, deadlines by timerfd.

use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use crate::sys::clock::Alarm;
use crate::sys::datagram::client::Client;

/// Events that one wait brings at most.
const EVENTS: usize = 256;
const ALARM: Token = Token(usize::MAX);

/// Something came to a client.
#[derive(Debug, Clone, Copy)]
pub struct Woken {
    /// The name that it was given.
    pub name: usize,
    /// Whether an error waits for it.
    pub error: bool,
}

/// An epoll with an alarm. Edges are told: who is woken reads until nothing is left.
#[derive(Debug)]
pub struct Watch {
    poll: Poll,
    alarm: Alarm,
    events: Events,
}

impl Watch {
    pub fn new() -> io::Result<Self> {
        let (poll, alarm) = (Poll::new()?, Alarm::new()?);
        poll.registry().register(&mut SourceFd(&alarm.as_raw_fd()), ALARM, Interest::READABLE)?;
        Ok(Self { poll, alarm, events: Events::with_capacity(EVENTS) })
    }

    pub fn add(&self, client: &Client, name: usize) -> io::Result<()> {
        let mut source = SourceFd(&client.as_raw_fd());
        self.poll.registry().register(&mut source, Token(name), Interest::READABLE)
    }

    /// Waits until a monotonic instant, in nanoseconds, or does not wait; tells who was woken.
    pub fn wait(&mut self, until: Option<u64>, woken: &mut Vec<Woken>) -> io::Result<()> {
        let patience = match until {
            Some(instant) => {
                self.alarm.set(instant)?;
                None
            }
            None => Some(Duration::ZERO),
        };
        match self.poll.poll(&mut self.events, patience) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            done => done?,
        }
        for event in &self.events {
            match event.token() {
                ALARM => self.alarm.rang(),
                Token(name) => woken.push(Woken { name, error: event.is_error() }),
            }
        }
        Ok(())
    }
}
