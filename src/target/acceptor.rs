//! An acceptor: a thread that takes connections from the queue at its pace and serves them.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};
use std::io;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use socket2::Socket;

use super::connection::{Connection, Manners, State};
use super::counts::Counts;
use super::crew::Member;
use super::door::{Door, Post};
use super::keeping::Keeping;
use super::lot::{Kept, Lot};
use super::pace::Pace;
use super::parking::watch;
use super::service::Service;
use super::turn::{self, Moved};
use crate::measure::held::{Fate, Held, Peer};
use crate::measure::{Metric, TargetEnding, TargetOutcome};
use crate::sys::clock::{self, Alarm};
use crate::sys::endpoint::keeps_packets;
use crate::sys::errno;
use crate::sys::limits;
use crate::sys::listener;
use crate::sys::socket::{has_ended, read_size};
use crate::sys::standing::Standing;
use crate::sys::tcp_info::TcpInfo;

const LISTENER: Token = Token(usize::MAX);
const ALARM: Token = Token(usize::MAX - 1);
const WAKER: Token = Token(usize::MAX - 2);
/// The ring in which connections are kept.
const LOT: Token = Token(usize::MAX - 3);
/// Connections that are taken before those at hand are looked at again.
const BATCH: usize = 32;
/// Pause after an accept that failed for want of descriptors or memory, in nanoseconds.
pub(super) const BACK_OFF: u64 = 10_000_000;

/// What an acceptor is to do.
#[derive(Debug)]
pub struct Duty {
    /// Where it finds its listener.
    pub post: Post,
    /// Where it keeps its connections.
    pub keeping: Keeping,
    /// Its place among those that stand in for one; `None` for one that stands alone.
    pub member: Option<Member>,
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
    /// Whether every connection is named to the runner.
    pub names: bool,
}

/// What the runner is to know of a connection that came out of a queue.
pub(super) fn named(
    door: &Door,
    socket: &Socket,
    peer: Peer,
    at: u64,
    fate: Fate,
    info: Option<&TcpInfo>,
) -> Held {
    let by_cookie = door.saves_syns && listener::has_saved_syn(socket).is_ok_and(|saved| !saved);
    Held { peer, at, retransmits: info.map_or(0, TcpInfo::retransmits), by_cookie, fate }
}

/// One acceptor's loop.
#[derive(Debug)]
pub struct Acceptor {
    pub(super) duty: Duty,
    pub(super) poll: Poll,
    alarm: Alarm,
    counts: Arc<Mutex<Counts>>,
    pub(super) connections: HashMap<usize, (Connection, Kept)>,
    /// Where some of them are kept, as soon as there are any.
    pub(super) lot: Option<Lot>,
    /// Whether it is this one's turn to accept.
    on_turn: bool,
    /// Connections that only wait for the client's FIN: they are served.
    leaving: usize,
    /// Ends of service times and of delays, with the connection's name.
    pub(super) timers: BinaryHeap<Reverse<(u64, usize)>>,
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
    pub fn new(duty: Duty, counts: Arc<Mutex<Counts>>) -> io::Result<(Self, Arc<Waker>)> {
        let poll = Poll::new()?;
        let alarm = Alarm::new()?;
        let readable = Interest::READABLE;
        let registry = poll.registry();
        registry.register(&mut SourceFd(&alarm.as_raw_fd()), ALARM, readable)?;
        let waker = Arc::new(Waker::new(registry, WAKER)?);
        if let Some(member) = &duty.member {
            member.is_woken_by(&waker);
        }
        let packets = duty.post.listener().is_some_and(keeps_packets);
        let mut acceptor = Self {
            on_turn: duty.member.is_none(),
            duty,
            poll,
            alarm,
            counts,
            connections: HashMap::new(),
            lot: None,
            leaving: 0,
            timers: BinaryHeap::new(),
            again: BTreeSet::new(),
            next_name: 0,
            queue_ready: true,
            idle: true,
            not_before: 0,
            buffer: vec![0; read_size(packets)].into_boxed_slice(),
            packets,
        };
        acceptor.watch_listener()?;
        Ok((acceptor, waker))
    }

    /// Serves until `stop`. What is open then is counted so.
    pub fn run(&mut self, stop: &AtomicBool) -> io::Result<()> {
        clock::tighten_timer_slack();
        if let Keeping::OwnTable = self.duty.keeping {
            // What is made so far stays open in the process's table, too, until that ends.
            limits::own_descriptors()?;
        }
        let mut events = Events::with_capacity(256);
        while !stop.load(Ordering::Relaxed) {
            if self.duty.post.changed() {
                self.change_listener()?;
            }
            self.take_turns()?;
            self.accept_allowed();
            self.end_timers();
            self.wait(&mut events)?;
            let again = std::mem::take(&mut self.again);
            for event in &events {
                match event.token() {
                    LISTENER => self.queue_ready = true,
                    ALARM => self.alarm.rang(),
                    WAKER => {}
                    LOT => self.lot_rang(),
                    Token(name) => self.advance(name),
                }
            }
            self.attend_lot()?;
            again.into_iter().for_each(|name| self.advance(name));
        }
        self.settle()
    }

    /// Closes what is open, after a last look: its end may have come just now.
    fn settle(&mut self) -> io::Result<()> {
        self.empty_lot()?;
        let names: Vec<usize> = self.connections.keys().copied().collect();
        for name in names {
            self.advance(name);
            self.end(name, TargetEnding::OpenAtEnd);
        }
        Ok(())
    }

    /// Begins or ceases to accept, where others do so in turn.
    fn take_turns(&mut self) -> io::Result<()> {
        let Some(member) = &self.duty.member else { return Ok(()) };
        let on_turn = member.accepts(self.connections.len());
        if on_turn == self.on_turn {
            return Ok(());
        }
        if on_turn {
            self.open_lot(LOT)?;
            self.on_turn = true;
            return self.watch_listener();
        }
        self.ignore_listener()?;
        self.on_turn = false;
        Ok(())
    }

    fn watch_listener(&mut self) -> io::Result<()> {
        let Some(listener) = self.duty.post.listener() else { return Ok(()) };
        if !self.on_turn {
            return Ok(());
        }
        // What came before is in no event.
        (self.queue_ready, self.idle) = (true, true);
        let descriptor = listener.as_raw_fd();
        self.poll.registry().register(&mut SourceFd(&descriptor), LISTENER, Interest::READABLE)
    }

    fn ignore_listener(&mut self) -> io::Result<()> {
        self.queue_ready = false;
        match self.duty.post.listener() {
            Some(listener) if self.on_turn => {
                self.poll.registry().deregister(&mut SourceFd(&listener.as_raw_fd()))
            }
            _ => Ok(()),
        }
    }

    /// Lets go of the listener and takes the one that has its place now, if any.
    fn change_listener(&mut self) -> io::Result<()> {
        self.ignore_listener()?;
        self.duty.post.exchange();
        self.watch_listener()
    }

    pub(super) fn now(&self) -> u64 {
        clock::monotonic().saturating_sub(self.duty.epoch)
    }

    /// When the next accept is allowed, if the queue may hold something to accept.
    fn next_accept(&self, now: u64) -> Option<u64> {
        let busy = self.duty.serial && self.connections.len() > self.leaving;
        if busy || !self.queue_ready || !self.on_turn {
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
            let Some(listener) = self.duty.post.listener() else { return };
            match listener::accept(listener) {
                Ok((connection, peer)) => {
                    let at = clock::monotonic();
                    self.duty.pace.taken(at.saturating_sub(self.duty.epoch), self.idle);
                    self.idle = false;
                    self.accepted(connection, peer, at);
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
                        self.duty.member.iter().for_each(Member::passes);
                    }
                }
            }
        }
    }

    pub(super) fn count(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accepted(&mut self, socket: Socket, peer: Peer, at: u64) {
        let (reset, held) = self.look(&socket, peer, at);
        let outcome = if reset { TargetOutcome::ResetInQueue } else { TargetOutcome::Accepted };
        let mut counts = self.count();
        *counts.outcomes.entry(outcome).or_default() += 1;
        counts.held.extend(held);
        drop(counts);
        if reset {
            return;
        }
        let name = self.next_name;
        self.next_name += 1;
        if let Err(error) = watch(&self.poll, name, &socket) {
            let mut counts = self.count();
            *counts.errors.entry(errno::number(&error)).or_default() += 1;
            counts.ended(TargetEnding::Other);
            return;
        }
        self.lot.iter().for_each(Lot::opened);
        let connection = Connection::new(self.duty.manners, at);
        let unasked = connection.is_served_unasked();
        let kept = Kept::Open { socket, watched: true };
        self.connections.insert(name, (connection, kept));
        if unasked {
            self.serve(name);
        }
        self.advance(name);
    }

    /// Whether its client has reset a connection that was just accepted, and what the runner is to
    /// know of it.
    fn look(&self, socket: &Socket, peer: Peer, at: u64) -> (bool, Option<Held>) {
        let info = TcpInfo::of(socket).ok();
        let reset = info.is_some_and(|info| info.standing() == Standing::Closed);
        let fate = if reset { Fate::Reset } else { Fate::Accepted };
        let held = || {
            let door = self.duty.post.door();
            named(door, socket, peer, at.saturating_sub(self.duty.epoch), fate, info.as_ref())
        };
        (reset, (self.duty.names && peer.is_known()).then(held))
    }

    /// Starts the service time of the message at hand.
    fn serve(&mut self, name: usize) {
        let time = self.duty.service.draw();
        self.timers.push(Reverse((self.now() + time, name)));
    }

    /// Ends the service times and delays that are over. What that starts anew, even with a
    /// service time of zero, waits for the next pass, so that a client that floods starves nobody.
    fn end_timers(&mut self) {
        let now = self.now();
        for _ in 0..self.timers.len() {
            let due = self.timers.peek().filter(|due| due.0.0 <= now);
            let Some(Reverse((_, name))) = due else { return };
            let name = *name;
            self.timers.pop();
            let Some((connection, kept)) = self.connections.get_mut(&name) else { continue };
            if let Kept::Parked(_) = kept {
                // There was no descriptor for it.
                self.advance(name);
                continue;
            }
            if connection.state == State::Lingering {
                self.end(name, TargetEnding::Done);
                continue;
            }
            connection.served();
            if connection.state == State::Closing {
                self.replied(name);
            }
            self.advance(name);
        }
    }

    /// Reads, serves and replies as far as it goes without waiting, for one turn.
    pub(super) fn advance(&mut self, name: usize) {
        self.at_hand(name);
        loop {
            let packets = self.packets;
            let Some((connection, kept)) = self.connections.get_mut(&name) else { return };
            let Kept::Open { socket: stream, .. } = kept else { return };
            let result = match connection.state {
                State::Serving | State::Over => return,
                State::Replying => turn::reply(connection, &*stream),
                State::Reading => {
                    let is_end = || !packets || has_ended(stream);
                    turn::read(connection, &*stream, &mut self.buffer, is_end)
                }
                State::Lingering => turn::linger(&*stream, &mut self.buffer),
                State::Closing => {
                    let before = connection.fin_sent.is_some();
                    let moved = turn::close(connection, stream, &mut self.buffer);
                    self.leaving += usize::from(connection.fin_sent.is_some() && !before);
                    moved
                }
            };
            self.measure_queue_wait(name);
            match result {
                Ok(Moved::Waiting) => return self.rest(name),
                Ok(Moved::TurnOver) => {
                    self.again.insert(name);
                    return;
                }
                Ok(Moved::Message) => return self.serve(name),
                Ok(Moved::Replied) => self.replied(name),
                Ok(Moved::ClientClosed) => return self.client_closed(name),
                Err(error) => {
                    self.count().broke(&error);
                    self.forget(name);
                    return;
                }
            }
        }
    }

    /// The client's FIN came.
    fn client_closed(&mut self, name: usize) {
        let Some((connection, _)) = self.connections.get_mut(&name) else { return };
        if connection.state == State::Lingering {
            let delay = connection.delay();
            self.timers.push(Reverse((self.now() + delay, name)));
            return self.rest(name);
        }
        if let Some(sent) = connection.fin_sent {
            self.count().measured(Metric::Close, clock::monotonic().saturating_sub(sent));
        }
        self.end(name, TargetEnding::Done);
    }

    /// Closes a connection that is still there, and counts how it ended.
    pub(super) fn end(&mut self, name: usize, ending: TargetEnding) {
        if self.forget(name) {
            self.count().ended(ending);
        }
    }

    /// Closes a connection; whether it was still there.
    fn forget(&mut self, name: usize) -> bool {
        let Some((connection, kept)) = self.connections.remove(&name) else { return false };
        self.leaving -= usize::from(connection.fin_sent.is_some());
        if let Some(lot) = &mut self.lot {
            lot.close(name, kept);
        }
        true
    }

    fn replied(&mut self, name: usize) {
        let now = clock::monotonic();
        if let Some((connection, _)) = self.connections.get_mut(&name) {
            let took = now.saturating_sub(connection.since);
            connection.since = now;
            self.count().measured(Metric::Service, took);
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
        self.count().measured(Metric::QueueWait, waited);
    }

    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        let now = self.now();
        let timer = self.timers.peek().map(|Reverse((due, _))| *due);
        let next = timer.into_iter().chain(self.next_accept(now)).min();
        let awake = match &mut self.lot {
            Some(lot) => !lot.may_sleep()?,
            None => false,
        };
        let patience = match next {
            _ if !self.again.is_empty() || awake => Some(std::time::Duration::ZERO),
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
