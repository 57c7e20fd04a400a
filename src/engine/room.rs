//! Clients that wait for room in the queue of an AF_UNIX listener, as a blocking `connect()` does.
//!
//! Nothing can be polled for that, and the hot loop must not block. An attempt whose non-blocking
//! `connect()` found the queue full goes to a thread, which calls it once more and blocks; the
//! kernel lets those that wait in by their order. The attempt comes back through a channel and a
//! waker. Channels have their room from the start, so that handing over allocates nothing.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use mio::Waker;

use super::reactor::Reactor;
use super::slots::Attempt;
use super::waiting::Slot;
use super::worker::Worker;
use super::{Part, Way};
use crate::measure::{Ending, Outcome};
use crate::scenario::plan::WhenFull;
use crate::sys::errno;
use crate::sys::interrupt;
use crate::sys::socket::Dialer;
use crate::sys::tcp_info::TcpInfo;

/// Most threads of one worker: so many of its clients can wait at once.
pub(super) const MOST: usize = 1024;
/// Attempts that come back in one pass.
const TURN: usize = 256;
/// Stack of a thread that makes a few system calls, in bytes.
const STACK: usize = 64 * 1024;
/// From one interruption of those that still wait to the next.
const AGAIN: Duration = Duration::from_millis(5);

/// An attempt that waits.
struct Job {
    slot: Slot,
    helper: usize,
    attempt: Attempt,
}

/// An attempt that waits no more.
struct Done {
    job: Job,
    connected: io::Result<()>,
}

/// One thread, and the way to it.
struct Helper {
    jobs: SyncSender<Job>,
    thread: JoinHandle<()>,
}

/// How the attempts of a part connect, and for how long at most.
type Manner = (Dialer, Duration);

/// Those of one worker that wait.
pub(super) struct Waiters {
    /// By part.
    manners: Arc<[Option<Manner>]>,
    waker: Arc<Waker>,
    done: SyncSender<Done>,
    back: Receiver<Done>,
    helpers: Vec<Helper>,
    idle: Vec<usize>,
}

impl Waiters {
    /// Room for the waiting clients of these parts; `None` where none of them waits.
    pub fn of(parts: &[Part], reactor: &impl Reactor) -> io::Result<Option<Self>> {
        if parts.iter().all(|part| part.when_full == WhenFull::Fail) {
            return Ok(None);
        }
        interrupt::permit()?;
        let manner = |part: &Part| match &part.way {
            Way::Whole(dialer) => Some((dialer.clone(), Duration::from_nanos(part.timeout))),
            Way::Half(..) => None,
        };
        let (done, back) = sync_channel(MOST);
        Ok(Some(Self {
            manners: parts.iter().map(manner).collect(),
            waker: Arc::new(reactor.waker()?),
            done,
            back,
            helpers: Vec::with_capacity(MOST),
            idle: Vec::with_capacity(MOST),
        }))
    }

    /// Lets an attempt wait; gives it back where there is no thread for it.
    fn add(&mut self, slot: Slot, attempt: Attempt) -> Option<Attempt> {
        let Some(helper) = self.idle.pop().or_else(|| self.hire()) else { return Some(attempt) };
        let job = Job { slot, helper, attempt };
        self.helpers[helper].jobs.send(job).err().map(|unsent| unsent.0.attempt)
    }

    /// A new thread; `None` where there are too many, or the system gives none.
    fn hire(&mut self) -> Option<usize> {
        let helper = self.helpers.len();
        if helper == MOST {
            return None;
        }
        let (jobs, receiver) = sync_channel::<Job>(1);
        let (manners, done) = (Arc::clone(&self.manners), self.done.clone());
        let waker = Arc::clone(&self.waker);
        let work = move || {
            for job in receiver {
                let connected = match &manners[job.attempt.part] {
                    Some((dialer, patience)) => {
                        dialer.connect_waiting(&job.attempt.socket, *patience)
                    }
                    None => Err(io::ErrorKind::Unsupported.into()),
                };
                // There is room for as many as there are threads; nobody receives any more only
                // when the worker is gone, and without a waker it looks at its next tick.
                let _ = done.send(Done { job, connected });
                let _ = waker.wake();
            }
        };
        let name = format!("waiter-{helper}");
        let thread = std::thread::Builder::new().name(name).stack_size(STACK).spawn(work).ok()?;
        self.helpers.push(Helper { jobs, thread });
        Some(helper)
    }

    /// An attempt that waits no more.
    fn take(&mut self) -> Option<Done> {
        let done = self.back.try_recv().ok()?;
        self.idle.push(done.job.helper);
        Some(done)
    }

    /// Ends a wait, if somebody still waits.
    fn cut(&mut self) -> Option<Done> {
        while self.idle.len() < self.helpers.len() {
            // One interruption ends many waits.
            if let Ok(done) = self.back.try_recv() {
                self.idle.push(done.job.helper);
                return Some(done);
            }
            // A thread that is no more gives nothing back.
            if self.helpers.iter().all(|helper| helper.thread.is_finished()) {
                return None;
            }
            self.helpers.iter().for_each(|helper| interrupt::interrupt(&helper.thread));
            if let Ok(done) = self.back.recv_timeout(AGAIN) {
                self.idle.push(done.job.helper);
                return Some(done);
            }
        }
        None
    }
}

impl Drop for Waiters {
    fn drop(&mut self) {
        for Helper { jobs, thread } in self.helpers.drain(..) {
            drop(jobs);
            // It waits for nothing but jobs; a panic in it would have been seen by its attempt.
            let _ = thread.join();
        }
    }
}

impl<R: Reactor> Worker<R> {
    /// Lets an attempt wait that found the queue full.
    pub(super) fn wait_for_room(&mut self, slot: Slot) {
        let Some(attempt) = self.slots.lend(slot) else { return };
        let unable = match &mut self.room {
            Some(room) => room.add(slot, attempt),
            None => Some(attempt),
        };
        if let Some(attempt) = unable {
            self.slots.put(slot, attempt);
            self.connect_failed(slot, Outcome::NoBuffer, libc::ENOBUFS, None);
        }
    }

    /// Goes on with attempts that waited.
    pub(super) fn admit(&mut self) {
        for _ in 0..TURN {
            let Some(Done { job, connected }) = self.room.as_mut().and_then(Waiters::take) else {
                return;
            };
            let slot = job.slot;
            self.slots.put(slot, job.attempt);
            match connected {
                Ok(()) => self.connecting(slot, &TcpInfo::unknown(), 0),
                Err(error) => self.not_let_in(slot, &error),
            }
        }
        // The others have their turn first.
        if let Some(room) = &self.room {
            let _ = room.waker.wake();
        }
    }

    /// Ends every wait.
    pub(super) fn cut_waiters(&mut self) {
        while let Some(Done { job, connected }) = self.room.as_mut().and_then(Waiters::cut) {
            let slot = job.slot;
            self.slots.put(slot, job.attempt);
            match connected {
                Ok(()) => {
                    self.record_connect(slot, Outcome::Ok, 0, None);
                    self.end(slot, Ending::Cut, 0);
                }
                Err(error) => self.not_let_in(slot, &error),
            }
        }
    }

    fn not_let_in(&mut self, slot: Slot, error: &io::Error) {
        let (outcome, errno) = match errno::number(error) {
            // Its own patience, not the kernel's word.
            libc::ETIMEDOUT => (Outcome::Timeout, 0),
            libc::EINTR => (Outcome::Cut, 0),
            number => (errno::outcome(number), number),
        };
        self.connect_failed(slot, outcome, errno, None);
    }
}
