//! An acceptor: a thread that takes connections from the queue at its pace and serves them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use socket2::Socket;

use super::connection::{Connection, Manners, State};
use super::pace::Pace;
use super::service::Service;
use crate::measure::{Metric, Recorder, TargetOutcome, record};
use crate::sys::clock::{self, Alarm};
use crate::sys::endpoint::keeps_packets;
use crate::sys::errno;
use crate::sys::socket;
use crate::sys::tcp_info::{Standing, TcpInfo};

const LISTENER: Token = Token(usize::MAX);
const ALARM: Token = Token(usize::MAX - 1);
const WAKER: Token = Token(usize::MAX - 2);
/// Connections that are taken before those at hand are looked at again.
const BATCH: usize = 32;
/// Reads, or writes, of one connection before the others get their turn.
const TURN: usize = 16;
/// Pause after an accept that failed for want of descriptors or memory, in nanoseconds.
const BACK_OFF: u64 = 10_000_000;

/// What an acceptor counts; read by the sampler at interval edges.
#[derive(Debug, Default)]
pub struct Counts {
    /// Connections taken from the queue, by what they were.
    pub outcomes: BTreeMap<TargetOutcome, u64>,
    /// Errors of `accept()`, by number.
    pub errors: BTreeMap<i32, u64>,
    /// What clients did, by name.
    pub faults: BTreeMap<String, u64>,
    /// `queue_wait` and `service`.
    pub metrics: BTreeMap<Metric, Recorder>,
}

impl Counts {
    /// Connections that were returned by `accept()` alive.
    pub fn accepted(&self) -> u64 {
        self.outcomes.get(&TargetOutcome::Accepted).copied().unwrap_or(0)
    }

    fn fault(&mut self, name: &str) {
        match self.faults.get_mut(name) {
            Some(count) => *count += 1,
            None => {
                self.faults.insert(name.to_owned(), 1);
            }
        }
    }
}

/// What an acceptor is to do.
#[derive(Debug)]
pub struct Duty {
    /// The one listener, non-blocking.
    pub listener: Arc<Socket>,
    /// When it may accept.
    pub pace: Pace,
    /// How long it serves.
    pub service: Service,
    /// How it answers.
    pub manners: Manners,
    /// Whether it serves one client at a time.
    pub serial: bool,
    /// Start of the cell's schedule, CLOCK_MONOTONIC in nanoseconds.
    pub epoch: u64,
    /// Greetings of this run are measured.
    pub run: u64,
    /// Whether greetings carry instants of this host's CLOCK_MONOTONIC.
    pub one_clock: bool,
}

/// One acceptor's loop.
#[derive(Debug)]
pub struct Acceptor {
    duty: Duty,
    poll: Poll,
    alarm: Alarm,
    counts: Arc<Mutex<Counts>>,
    connections: HashMap<usize, (Connection, Socket)>,
    /// Ends of service times, with the connection's name.
    services: BinaryHeap<Reverse<(u64, usize)>>,
    /// Connections that had more to do when their turn was over. No event will tell of them.
    again: BTreeSet<usize>,
    next_name: usize,
    /// Whether the queue may hold something.
    queue_ready: bool,
    /// Whether the queue has been empty since the last accept.
    idle: bool,
    not_before: u64,
    buffer: Box<[u8]>,
    /// Whether connections keep packets, one of which may be empty.
    packets: bool,
}

impl Acceptor {
    /// An acceptor, and what wakes it up when it shall stop.
    pub fn new(duty: Duty, counts: Arc<Mutex<Counts>>) -> io::Result<(Self, Waker)> {
        let poll = Poll::new()?;
        let alarm = Alarm::new()?;
        let readable = Interest::READABLE;
        let registry = poll.registry();
        registry.register(&mut SourceFd(&duty.listener.as_raw_fd()), LISTENER, readable)?;
        registry.register(&mut SourceFd(&alarm.as_raw_fd()), ALARM, readable)?;
        let waker = Waker::new(registry, WAKER)?;
        let packets = keeps_packets(&duty.listener);
        let acceptor = Self {
            duty,
            poll,
            alarm,
            counts,
            connections: HashMap::new(),
            services: BinaryHeap::new(),
            again: BTreeSet::new(),
            next_name: 0,
            queue_ready: true,
            idle: true,
            not_before: 0,
            buffer: vec![0; socket::read_size(packets)].into_boxed_slice(),
            packets,
        };
        Ok((acceptor, waker))
    }

    /// Serves until `stop`.
    pub fn run(&mut self, stop: &AtomicBool) -> io::Result<()> {
        clock::tighten_timer_slack();
        let mut events = Events::with_capacity(256);
        while !stop.load(Ordering::Relaxed) {
            self.accept_allowed();
            self.end_services();
            self.wait(&mut events)?;
            let again = std::mem::take(&mut self.again);
            for event in &events {
                match event.token() {
                    LISTENER => self.queue_ready = true,
                    ALARM => self.alarm.rang(),
                    WAKER => {}
                    Token(name) => self.advance(name),
                }
            }
            again.into_iter().for_each(|name| self.advance(name));
        }
        Ok(())
    }

    fn now(&self) -> u64 {
        clock::monotonic().saturating_sub(self.duty.epoch)
    }

    /// When the next accept is allowed, if the queue may hold something to accept.
    fn next_accept(&self, now: u64) -> Option<u64> {
        let busy = self.duty.serial && !self.connections.is_empty();
        if busy || !self.queue_ready {
            return None;
        }
        self.duty.pace.allowed(now.max(self.not_before), self.idle)
    }

    fn accept_allowed(&mut self) {
        for _ in 0..BATCH {
            let now = self.now();
            if self.next_accept(now).is_none_or(|at| at > now) {
                return;
            }
            match socket::accept(&self.duty.listener) {
                Ok(connection) => {
                    let at = clock::monotonic();
                    self.duty.pace.taken(at.saturating_sub(self.duty.epoch), self.idle);
                    self.idle = false;
                    self.accepted(connection, at);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.queue_ready = false;
                    self.idle = true;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    *self.count().errors.entry(errno::number(&error)).or_default() += 1;
                    if error.raw_os_error() != Some(libc::ECONNABORTED) {
                        self.not_before = now + BACK_OFF;
                    }
                }
            }
        }
    }

    fn count(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accepted(&mut self, socket: Socket, at: u64) {
        let reset = TcpInfo::of(&socket).is_ok_and(|info| info.standing() == Standing::Closed);
        let outcome = if reset { TargetOutcome::ResetInQueue } else { TargetOutcome::Accepted };
        *self.count().outcomes.entry(outcome).or_default() += 1;
        if reset {
            return;
        }
        let name = self.next_name;
        self.next_name += 1;
        let interest = Interest::READABLE | Interest::WRITABLE;
        let descriptor = socket.as_raw_fd();
        let registered =
            self.poll.registry().register(&mut SourceFd(&descriptor), Token(name), interest);
        if let Err(error) = registered {
            *self.count().errors.entry(errno::number(&error)).or_default() += 1;
            return;
        }
        let connection = Connection::new(self.duty.manners, at);
        let unasked = connection.is_served_unasked();
        self.connections.insert(name, (connection, socket));
        if unasked {
            self.serve(name);
        }
        self.advance(name);
    }

    /// Starts the service time of the message at hand.
    fn serve(&mut self, name: usize) {
        let time = self.duty.service.draw();
        self.services.push(Reverse((self.now() + time, name)));
    }

    /// Ends the service times that are over. What that starts anew, even with a service time of
    /// zero, waits for the next pass, so that a client that floods starves nobody.
    fn end_services(&mut self) {
        let now = self.now();
        for _ in 0..self.services.len() {
            let due = self.services.peek().filter(|due| due.0.0 <= now);
            let Some(Reverse((_, name))) = due else { return };
            let name = *name;
            self.services.pop();
            if let Some((connection, _)) = self.connections.get_mut(&name) {
                connection.served();
                if connection.state == State::Over {
                    self.replied(name);
                }
                self.advance(name);
            }
        }
    }

    /// Reads, serves and replies as far as it goes without waiting, for one turn.
    fn advance(&mut self, name: usize) {
        loop {
            let Some((connection, stream)) = self.connections.get_mut(&name) else { return };
            let result = match connection.state {
                State::Over => Ok(Moved::Over),
                State::Serving => return,
                State::Replying => reply(connection, &*stream),
                State::Reading => read(connection, &*stream, &mut self.buffer),
            };
            match result {
                Ok(Moved::Waiting) => {
                    self.measure_queue_wait(name);
                    return;
                }
                Ok(Moved::TurnOver) => {
                    self.measure_queue_wait(name);
                    self.again.insert(name);
                    return;
                }
                Ok(Moved::Message) => {
                    self.measure_queue_wait(name);
                    return self.serve(name);
                }
                Ok(Moved::Replied) => self.replied(name),
                Ok(Moved::Over)
                    if self.packets
                        && connection.state == State::Reading
                        && !socket::has_ended(stream) =>
                {
                    // It was an empty packet. Whoever floods with them starves nobody.
                    self.again.insert(name);
                    return;
                }
                Ok(Moved::Over) => {
                    self.measure_queue_wait(name);
                    self.connections.remove(&name);
                    return;
                }
                Err(error) => {
                    self.measure_queue_wait(name);
                    self.connections.remove(&name);
                    self.count().fault(&errno::name(errno::number(&error)));
                    return;
                }
            }
        }
    }

    fn replied(&mut self, name: usize) {
        let now = clock::monotonic();
        if let Some((connection, _)) = self.connections.get_mut(&name) {
            let took = now.saturating_sub(connection.since);
            connection.since = now;
            record(&mut self.count().metrics.entry(Metric::Service).or_default().interval, took);
        }
    }

    /// Once, when the client has said since when it believes to be connected.
    fn measure_queue_wait(&mut self, name: usize) {
        let Some((connection, _)) = self.connections.get_mut(&name) else { return };
        let accepted = connection.accepted;
        let Some(greeting) = connection.greeting.take() else { return };
        if greeting.run != self.duty.run {
            return;
        }
        let established = if self.duty.one_clock {
            greeting.monotonic
        } else {
            let behind = clock::realtime().saturating_sub(clock::monotonic());
            greeting.realtime.saturating_sub(behind)
        };
        // A target that accepts faster than its client wakes up has accepted before "established".
        let waited = accepted.saturating_sub(established);
        record(&mut self.count().metrics.entry(Metric::QueueWait).or_default().interval, waited);
    }

    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        let now = self.now();
        let service = self.services.peek().map(|Reverse((due, _))| *due);
        let next = service.into_iter().chain(self.next_accept(now)).min();
        let patience = match next {
            _ if !self.again.is_empty() => Some(std::time::Duration::ZERO),
            Some(next) if next <= now => Some(std::time::Duration::ZERO),
            Some(next) => {
                self.alarm.set(self.duty.epoch + next)?;
                None
            }
            None => None,
        };
        match self.poll.poll(events, patience) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            done => done,
        }
    }
}

/// How far a connection moved.
enum Moved {
    /// It waits for its client.
    Waiting,
    /// It goes on when the others had their turn.
    TurnOver,
    /// A message is there to be served.
    Message,
    /// A reply is sent.
    Replied,
    /// It is over.
    Over,
}

fn read(
    connection: &mut Connection,
    mut socket: impl Read,
    buffer: &mut [u8],
) -> io::Result<Moved> {
    for _ in 0..TURN {
        if !connection.has_room() {
            connection.drained();
            return Ok(Moved::Message);
        }
        match socket.read(buffer) {
            Ok(0) => {
                connection.drained();
                let served = connection.state == State::Serving;
                return Ok(if served { Moved::Message } else { Moved::Over });
            }
            Ok(count) => connection.received(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                connection.drained();
                let served = connection.state == State::Serving;
                return Ok(if served { Moved::Message } else { Moved::Waiting });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Moved::TurnOver)
}

fn reply(connection: &mut Connection, mut socket: impl Write) -> io::Result<Moved> {
    for _ in 0..TURN {
        match socket.write(connection.to_send()) {
            Ok(count) => {
                if connection.sent(count) {
                    return Ok(Moved::Replied);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Moved::Waiting),
            Err(error) => return Err(error),
        }
    }
    Ok(Moved::TurnOver)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::plan::{Closer, Reply};
    use crate::units::Bytes;

    fn connection(reply: Reply) -> Connection {
        Connection::new(Manners { reply, close: Closer::Client }, 0)
    }

    #[test]
    fn a_client_that_never_pauses_gets_a_turn_and_no_more() {
        let mut buffer = [0; 1024];
        for reply in [Reply::None, Reply::Bytes(Bytes(5))] {
            let mut connection = connection(reply);
            let mut endless = io::repeat(b'x').take(1 << 30);
            let moved = read(&mut connection, &mut endless, &mut buffer).expect("bytes");
            assert!(matches!(moved, Moved::TurnOver));
            assert_eq!(endless.limit(), (1 << 30) - (TURN * buffer.len()) as u64);
        }
    }

    #[test]
    fn a_large_reply_is_sent_in_turns() {
        let mut connection = connection(Reply::Bytes(Bytes(1 << 30)));
        connection.received(b"x");
        connection.drained();
        connection.served();
        let mut turns = 1;
        while !matches!(reply(&mut connection, io::sink()).expect("a sink"), Moved::Replied) {
            turns += 1;
        }
        assert!(turns > 100, "{turns}");
    }
}
