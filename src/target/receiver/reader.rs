//! A reader: a thread that takes datagrams from one socket at its pace and enters them.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use socket2::Socket;

use super::books::{Books, Entered};
use super::place::Place;
use crate::measure::datagram::{Content, Header, Kind};
use crate::measure::result::ReceiverRestart;
use crate::scenario::plan::Rebind;
use crate::sys::clock::{self, Alarm};
use crate::sys::datagram::receive::{BATCH, Inbox};
use crate::sys::errno;
use crate::target::pace::Pace;

const SOCKET: Token = Token(0);
const ALARM: Token = Token(1);
const WAKER: Token = Token(2);
/// Longest that a reader reads what is left when it shall stop, in nanoseconds.
const PATIENCE: u64 = 2_000_000_000;
/// From one try to bind to the next, in nanoseconds.
const RETRY: u64 = 20_000_000;
/// Room for a datagram of which only the head matters.
const HEADS: usize = 2_048;
/// Room for the largest datagram.
const WHOLE: usize = 65_536;

/// What all readers share.
#[derive(Debug)]
pub struct Shared {
    /// The books; locked once for each call of the kernel that brought something.
    pub books: Mutex<Books>,
    /// The run whose datagrams count; `None` for any.
    pub run: Option<u32>,
    /// Start of the cell's schedule, CLOCK_MONOTONIC in nanoseconds.
    pub epoch: u64,
    /// Whether headers carry CLOCK_REALTIME.
    pub realtime: bool,
    /// Read at once, whatever the pace.
    pub drain: AtomicBool,
    /// Go home.
    pub stop: AtomicBool,
}

/// What a reader does.
#[derive(Debug)]
pub struct Task {
    /// Where its socket is.
    pub place: Arc<Place>,
    /// When it may read.
    pub pace: Pace,
    /// Whether it reads one by one, since each counts for its pace.
    pub singly: bool,
    /// Whether it sends back what comes.
    pub echo: bool,
    /// Whether datagrams come merged.
    pub gro: bool,
    /// When it closes its socket and binds another.
    pub restart: Option<Rebind>,
}

/// What a reader has done.
#[derive(Debug, Default)]
pub struct Done {
    /// Datagrams that it read.
    pub read: u64,
    /// Drops that the kernel told of with datagrams (SO_RXQ_OVFL), over all its sockets.
    pub told_drops: u64,
    /// Its restart, if its time came.
    pub restart: Option<ReceiverRestart>,
    /// Datagrams of the run that it left unread.
    pub unread: u64,
    /// Errors of receiving and of sending back.
    pub errors: BTreeMap<i32, u64>,
}

/// How far a restart is.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// The socket is to be closed then.
    Close(Rebind),
    /// Another is to be bound then.
    Bind(u64),
    Over,
}

/// One reader's loop.
#[derive(Debug)]
pub struct Reader {
    task: Task,
    shared: Arc<Shared>,
    poll: Poll,
    alarm: Alarm,
    inbox: Inbox,
    socket: Option<Arc<Socket>>,
    step: Step,
    /// Whether something may wait.
    ready: bool,
    /// Whether nothing waited after the last read.
    idle: bool,
    /// Set when nothing waited after [`Shared::drain`].
    drained: Arc<AtomicBool>,
    /// Drops that the present socket told of last.
    told: u32,
    done: Done,
}

impl Reader {
    /// A reader, what wakes it, and what tells that it has drained its socket.
    ///
    /// # Errors
    /// Of `epoll_create` and `timerfd_create`.
    pub fn new(task: Task, shared: Arc<Shared>) -> io::Result<(Self, Waker, Arc<AtomicBool>)> {
        let poll = Poll::new()?;
        let alarm = Alarm::new()?;
        poll.registry().register(&mut SourceFd(&alarm.as_raw_fd()), ALARM, Interest::READABLE)?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let drained = Arc::new(AtomicBool::new(false));
        let size = if task.echo || task.gro { WHOLE } else { HEADS };
        let mut reader = Self {
            inbox: Inbox::new(size, task.echo),
            socket: None,
            step: task.restart.map_or(Step::Over, Step::Close),
            ready: false,
            idle: true,
            drained: Arc::clone(&drained),
            told: 0,
            done: Done::default(),
            task,
            shared,
            poll,
            alarm,
        };
        reader.take_socket()?;
        Ok((reader, waker, drained))
    }

    /// Reads until it shall stop.
    ///
    /// # Errors
    /// Of epoll and timers; errors of sockets are counted.
    pub fn run(mut self) -> io::Result<Done> {
        clock::tighten_timer_slack();
        let mut events = Events::with_capacity(8);
        while !self.shared.stop.load(Ordering::Acquire) {
            self.restart()?;
            self.read_allowed();
            self.wait(&mut events)?;
            for event in &events {
                match event.token() {
                    SOCKET => self.ready = true,
                    ALARM => self.alarm.rang(),
                    _ => {}
                }
            }
        }
        self.settle();
        Ok(self.done)
    }

    fn now(&self) -> u64 {
        clock::monotonic().saturating_sub(self.shared.epoch)
    }

    fn draining(&self) -> bool {
        self.shared.drain.load(Ordering::Acquire)
    }

    fn take_socket(&mut self) -> io::Result<()> {
        self.socket = self.task.place.socket();
        let Some(socket) = &self.socket else { return Ok(()) };
        // What came before is in no event.
        (self.ready, self.idle, self.told) = (true, true, 0);
        let descriptor = socket.as_raw_fd();
        self.poll.registry().register(&mut SourceFd(&descriptor), SOCKET, Interest::READABLE)
    }

    /// When the next datagram may be read, if one may wait.
    fn next_read(&self, now: u64) -> Option<u64> {
        match self.ready && self.socket.is_some() {
            false => None,
            true if self.draining() => Some(now),
            true => self.task.pace.allowed(now, self.idle),
        }
    }

    /// Reads what is due, for one turn.
    fn read_allowed(&mut self) {
        if self.draining() && !self.drained.load(Ordering::Relaxed) {
            // An event may be on its way: only the socket itself tells that it is empty.
            self.ready = self.socket.is_some();
        }
        for _ in 0..BATCH {
            let now = self.now();
            if self.next_read(now).is_none_or(|at| at > now) {
                break;
            }
            let singly = self.task.singly && !self.draining();
            let count = self.read(if singly { 1 } else { BATCH });
            if count > 0 {
                self.task.pace.taken(now, self.idle);
            }
            // Fewer than there was room for: nothing waits.
            self.idle = count < if singly { 1 } else { BATCH };
            self.ready = !self.idle;
        }
        if !self.ready && self.draining() {
            self.drained.store(true, Ordering::Release);
        }
    }

    /// Reads at most so many datagrams and enters them; how many packets they came in.
    fn read(&mut self, most: usize) -> usize {
        let Some(socket) = &self.socket else { return 0 };
        let count = match self.inbox.receive(socket, most) {
            Ok(count) => count,
            Err(error) => {
                if error.kind() != io::ErrorKind::WouldBlock {
                    self.erred(&error);
                }
                return 0;
            }
        };
        let now = if self.shared.realtime { clock::realtime() } else { clock::monotonic() };
        let mut answer = 0;
        let mut books = self.shared.books.lock().unwrap_or_else(PoisonError::into_inner);
        for (place, arrived) in self.inbox.arrived().enumerate() {
            if let Some(told) = arrived.dropped {
                self.done.told_drops += u64::from(told.wrapping_sub(self.told));
                self.told = told;
            }
            for datagram in arrived.datagrams() {
                self.done.read += 1;
                let entered = books.enter(self.task.place.receiver, datagram, now);
                answer |= u64::from(entered == Entered::Data) << place;
            }
        }
        drop(books);
        if self.task.echo && answer != 0 {
            let errors = &mut self.done.errors;
            self.inbox.send_back(socket, answer, |error| {
                *errors.entry(errno::number(&error)).or_default() += 1;
            });
        }
        count
    }

    fn erred(&mut self, error: &io::Error) {
        *self.done.errors.entry(errno::number(error)).or_default() += 1;
    }

    /// Closes the socket and binds another, when it is time.
    fn restart(&mut self) -> io::Result<()> {
        let now = self.now();
        match self.step {
            Step::Close(rebind) if rebind.at.nanos() <= now => {
                let discarded = self.close()?;
                let closed = self.now();
                self.step = Step::Bind(closed + rebind.gap.nanos());
                self.done.restart = Some(ReceiverRestart {
                    closed_s: closed as f64 / 1e9,
                    bound_s: None,
                    discarded,
                });
            }
            Step::Bind(at) if at <= now => match self.task.place.bind_anew() {
                Ok(()) => {
                    self.step = Step::Over;
                    self.take_socket()?;
                    let bound_s = self.now() as f64 / 1e9;
                    self.done
                        .restart
                        .iter_mut()
                        .for_each(|restart| restart.bound_s = Some(bound_s));
                }
                Err(error) => {
                    self.erred(&error);
                    self.step = Step::Bind(now + RETRY);
                }
            },
            _ => {}
        }
        Ok(())
    }

    /// Closes the socket: datagrams of the run that were lost with it.
    fn close(&mut self) -> io::Result<u64> {
        let Some(socket) = self.socket.take() else { return Ok(0) };
        self.poll.registry().deregister(&mut SourceFd(&socket.as_raw_fd()))?;
        self.ready = false;
        let Some(leaving) = self.task.place.leave()? else { return Ok(0) };
        let waiting = self.count_waiting(&socket);
        Ok(waiting + leaving.dropped())
    }

    /// Takes out what waits at the socket and counts what of it is data of the run.
    fn count_waiting(&mut self, socket: &Socket) -> u64 {
        let until = clock::monotonic() + PATIENCE;
        let mut waiting = 0;
        while self.inbox.receive(socket, BATCH).is_ok() && clock::monotonic() < until {
            for arrived in self.inbox.arrived() {
                let told = arrived.dropped.unwrap_or(self.told);
                self.done.told_drops += u64::from(told.wrapping_sub(self.told));
                self.told = told;
                waiting += arrived.datagrams().filter(|one| self.is_data(one)).count() as u64;
            }
        }
        waiting
    }

    fn is_data(&self, datagram: &[u8]) -> bool {
        matches!(Header::read(datagram), Content::Ours(header)
            if header.kind == Kind::Data && self.shared.run.is_none_or(|run| run == header.run))
    }

    /// What still waits is read where all shall be, and else only counted.
    fn settle(&mut self) {
        let Some(socket) = self.socket.clone() else { return };
        if self.draining() {
            let until = clock::monotonic() + PATIENCE;
            while self.read(BATCH) > 0 && clock::monotonic() < until {}
        }
        // The last look before what waits is taken out: what is charged now is of the run.
        let _ = self.task.place.look();
        self.done.unread = self.count_waiting(&socket);
    }

    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        let now = self.now();
        let step = match self.step {
            Step::Close(rebind) => Some(rebind.at.nanos()),
            Step::Bind(at) => Some(at),
            Step::Over => None,
        };
        let next = self.next_read(now).into_iter().chain(step).min();
        let patience = match next {
            Some(next) if next <= now => Some(std::time::Duration::ZERO),
            Some(next) => {
                self.alarm.set(self.shared.epoch + next)?;
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
