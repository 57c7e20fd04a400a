//! The target of datagrams: sockets and their readers, one ledger for all, and what their buffers
//! held and dropped.

mod attend;
mod books;
mod charge;
mod place;
mod reader;
mod sampling;

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use mio::Waker;

pub(super) use attend::attend;
pub use books::Books;
pub use place::Place;
pub use sampling::{Seen, run as sample};

pub use reader::Shared;

use self::reader::{Done, Reader, Task};
use super::pace::Pace;
use crate::measure::result::{Charge, ReceiverRestart, ReceiverResult, StreamResult};
use crate::scenario::plan::{AcceptPace, DatagramReply, Receive};
use crate::sys::endpoint::Endpoint;
use crate::sys::errno;

/// When and for whom receivers read.
#[derive(Debug, Clone, Copy)]
pub struct Reception {
    /// Start of the cell's schedule, CLOCK_MONOTONIC in nanoseconds.
    pub epoch: u64,
    /// The run whose datagrams count; `None` for any.
    pub run: Option<u32>,
    /// Whether the senders' monotonic clock is ours; else headers carry CLOCK_REALTIME.
    pub one_clock: bool,
}

/// Receivers that are bound; nobody reads yet.
#[derive(Debug)]
pub struct Receivers {
    receive: Receive,
    places: Vec<Arc<Place>>,
    /// The limit of each socket's buffer as the kernel counts it, in bytes; `None` for AF_UNIX, whose
    /// senders are charged.
    pub effective: Option<u64>,
}

impl Receivers {
    /// Binds every socket. `interface` is the target's own address, where `address` is that of a
    /// group.
    ///
    /// # Errors
    /// EADDRINUSE, EADDRNOTAVAIL, EACCES and what else `bind` says.
    pub fn bind(
        address: Endpoint,
        receive: &Receive,
        interface: Option<IpAddr>,
    ) -> io::Result<Self> {
        let places = place::bind_all(address, receive, interface)?;
        let first = places.first().map(|place| place.look()).transpose()?.flatten();
        let is_unix = matches!(address, Endpoint::Unix(..));
        let effective = first.filter(|_| !is_unix).map(|info| info.limit.into());
        Ok(Self { receive: receive.clone(), places, effective })
    }

    /// Where each receiver is reached, in order.
    pub fn addresses(&self) -> Vec<Endpoint> {
        let each = self.places.chunks(self.readers_each());
        each.map(|places| places[0].address).collect()
    }

    /// What datagrams of these sizes of payload are charged, and how many fit.
    ///
    /// # Errors
    /// As of sockets and of sending, over loopback.
    pub fn charges(&self, sizes: &[u16]) -> io::Result<Vec<Charge>> {
        let Some(first) = self.places.first() else { return Ok(Vec::new()) };
        let rcvbuf =
            self.receive.rcvbuf.map(|bytes| usize::try_from(bytes.0).unwrap_or(usize::MAX));
        sizes.iter().map(|size| charge::measure(first.address, rcvbuf, *size)).collect()
    }

    /// The sockets' places, for samples of their buffers.
    pub fn places(&self) -> &[Arc<Place>] {
        &self.places
    }

    fn readers_each(&self) -> usize {
        usize::from(self.receive.readers.max(1))
    }

    /// Starts the readers, each in a thread.
    ///
    /// # Errors
    /// Of `epoll_create`, `timerfd_create` and thread creation.
    pub fn start(self, reception: Reception) -> io::Result<Readers> {
        let shared = Arc::new(Shared {
            books: Mutex::new(Books::new(reception.run)),
            run: reception.run,
            epoch: reception.epoch,
            realtime: !reception.one_clock,
            drain: AtomicBool::new(false),
            stop: AtomicBool::new(false),
        });
        let mut readers = Readers { receivers: self, shared, working: Vec::new() };
        let receive = &readers.receivers.receive;
        let each = readers.receivers.readers_each();
        for (number, place) in readers.receivers.places.iter().enumerate() {
            let index = u16::try_from(number % each).unwrap_or(u16::MAX);
            let echo = receive.reply == DatagramReply::Echo;
            let task = Task {
                place: Arc::clone(place),
                pace: Pace::new(receive.drain, &receive.stalls, index, receive.readers.max(1)),
                singly: matches!(receive.drain, AcceptPace::Rate(_)),
                echo,
                gro: receive.gro && !echo,
                restart: receive.restart,
            };
            let (reader, waker, drained) = Reader::new(task, Arc::clone(&readers.shared))?;
            let thread = std::thread::Builder::new()
                .name(format!("reader-{number}"))
                .spawn(move || reader.run())?;
            readers.working.push(Working { waker, drained, thread: Some(thread) });
        }
        Ok(readers)
    }
}

/// A reader at work.
#[derive(Debug)]
struct Working {
    waker: Waker,
    drained: Arc<AtomicBool>,
    thread: Option<JoinHandle<io::Result<Done>>>,
}

/// Receivers with their readers at work.
#[derive(Debug)]
pub struct Readers {
    receivers: Receivers,
    shared: Arc<Shared>,
    working: Vec<Working>,
}

/// What receivers came to.
#[derive(Debug, Default)]
pub struct Totals {
    /// Each stream with its run, by run, receiver and number.
    pub streams: Vec<(u32, StreamResult)>,
    /// Datagrams that were not of this run.
    pub foreign: u64,
    /// Datagrams of ours that were damaged.
    pub corrupt: u64,
    /// Datagrams of streams beyond those that are counted one by one.
    pub beyond: u64,
    /// Each receiver.
    pub receivers: Vec<ReceiverResult>,
    /// The restart, as one of all sockets.
    pub restarts: Vec<ReceiverRestart>,
    /// Errors of receiving and of sending back, by name.
    pub errors: BTreeMap<String, u64>,
    /// Datagrams of this run that were still in a buffer.
    pub unread: u64,
}

impl Readers {
    /// What the readers share: their books, for the sampler.
    pub fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// The sockets' places, for samples of their buffers.
    pub fn places(&self) -> &[Arc<Place>] {
        self.receivers.places()
    }

    /// Lets everything be read at once, from now on, whatever pace and stalls say.
    ///
    /// # Errors
    /// Of waking a reader.
    pub fn drain(&self) -> io::Result<()> {
        self.shared.drain.store(true, Ordering::Release);
        self.wake()
    }

    /// Whether every socket was empty once since [`Readers::drain`].
    pub fn are_drained(&self) -> bool {
        self.working.iter().all(|one| one.drained.load(Ordering::Acquire))
    }

    fn wake(&self) -> io::Result<()> {
        self.working.iter().try_for_each(|one| one.waker.wake())
    }

    /// Ends the readers and settles the books: loss periods at the streams' ends are in the interval
    /// that is in progress. Sockets stay bound until `self` is dropped.
    ///
    /// # Errors
    /// Of a reader's own system calls.
    pub fn halt(&mut self) -> io::Result<Totals> {
        self.shared.stop.store(true, Ordering::Release);
        self.wake()?;
        let mut done = Vec::new();
        for working in &mut self.working {
            let Some(thread) = working.thread.take() else { continue };
            let panicked = |_| Err(io::Error::other("a reader panicked"));
            done.push(thread.join().unwrap_or_else(panicked)?);
        }
        let mut books = lock(&self.shared.books);
        let mut totals = Totals {
            streams: books.settle(),
            foreign: books.foreign,
            corrupt: books.corrupt,
            beyond: books.beyond,
            ..Totals::default()
        };
        drop(books);
        totals.receivers = self.results(&done);
        totals.restarts.extend(restart(&done));
        for done in done {
            totals.unread += done.unread;
            for (errno, count) in done.errors {
                *totals.errors.entry(errno::name(errno)).or_default() += count;
            }
        }
        Ok(totals)
    }

    fn results(&self, done: &[Done]) -> Vec<ReceiverResult> {
        let each = self.receivers.readers_each();
        let receivers = self.places().chunks(each).zip(done.chunks(each));
        let result = |(places, done): (&[Arc<Place>], &[Done])| {
            let is_unix = matches!(places[0].address, Endpoint::Unix(..));
            let counted = |value: u64| (!is_unix).then_some(value);
            let looks = || places.iter().map(|place| place.dropped());
            ReceiverResult {
                address: places[0].address.to_string(),
                rcvbuf_asked: self.receivers.receive.rcvbuf.map(|bytes| bytes.0),
                rcvbuf_effective: self.receivers.effective,
                read_by: done.iter().map(|done| done.read).collect(),
                drops: counted(looks().map(|(drops, _)| drops).sum()),
                rxq_ovfl: counted(done.iter().map(|done| done.told_drops).sum()),
                queue_peak: looks().map(|(_, peak)| peak).max().unwrap_or(0),
            }
        };
        receivers.map(result).collect()
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        // Nothing can be done for one that is not woken.
        let _ = self.wake();
    }
}

/// The restart of all readers as one: from the first socket closed to the last one bound.
fn restart(done: &[Done]) -> Option<ReceiverRestart> {
    done.iter().filter_map(|done| done.restart).reduce(|all, one| ReceiverRestart {
        closed_s: all.closed_s.min(one.closed_s),
        bound_s: all.bound_s.zip(one.bound_s).map(|(a, b)| a.max(b)),
        discarded: all.discarded + one.discarded,
    })
}

/// What a thread that panicked left is as good as it was before.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
