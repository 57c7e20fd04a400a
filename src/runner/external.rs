//! An external target: any server of the user. What can be seen of it from here is sampled.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::measure::result::{
    CounterResult, QueueInterval, SamplerResult, StatesResult, TargetInterval,
};
use crate::observe::counters::{self, Counters};
use crate::observe::listen::{Diag, ListenQueue};
use crate::observe::sampler::{self, First, Queue, Sampling};
use crate::observe::states::StateWatch;
use crate::sys::clock;
use crate::sys::endpoint::Endpoint;
use crate::sys::errno;
use crate::sys::netlink::{End, Families};
use crate::sys::unix_diag::{UnixDiag, UnixQueue};
use crate::units::{UnixKind, UnixName};

/// From one look for a listener that is not there to the next.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// What can be seen of an external target.
pub struct External {
    /// Where it listens.
    pub address: Endpoint,
    /// Its queue when it was first seen; `None` where no listener was.
    pub queue: Option<ListenQueue>,
    /// Whether a listener can be seen from here, if there is one.
    visible: bool,
    /// What cannot be observed, and why.
    pub notices: Vec<String>,
    before: Option<Counters>,
    sampling: Option<Sampled>,
}

/// An interval: its number, what was seen in it, and each listener's queue.
pub type Look = (usize, TargetInterval, Vec<QueueInterval>);

/// Samplers at work.
struct Sampled {
    states: Option<StateWatch>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Sight>,
    intervals: mpsc::UnboundedReceiver<Look>,
}

/// What a sampler has found.
#[derive(Default)]
struct Sight {
    /// A queue that was not there at first, and after how many nanoseconds of the schedule it was.
    late: Option<(ListenQueue, u64)>,
    /// The sampler's account; `None` where there never was anything to sample.
    sampler: Option<SamplerResult>,
}

/// The last look at an external target.
#[derive(Debug, Default)]
pub struct LastLook {
    /// Connections in its queue.
    pub queued: u64,
    /// Half-open connections to it.
    pub syn_recv: u64,
    /// Counters of the namespace that it shares with us.
    pub counters: Vec<CounterResult>,
    /// The sampler's account.
    pub sampler: Option<SamplerResult>,
    /// Its sockets.
    pub sockets: Option<StatesResult>,
}

impl External {
    /// A first look at the server behind `address`.
    pub fn look(address: Endpoint) -> Self {
        let mut notices = Vec::new();
        let seen = queue_at(address, &mut notices);
        let visible = seen.is_ok();
        let queue = match seen {
            Ok(queue) if queue.listeners > 0 => Some(queue),
            Ok(_) if !notices.is_empty() => None,
            Ok(_) => {
                notices.push(nobody(address));
                None
            }
            Err(why) => {
                notices.push(format!("the queue of {address} cannot be sampled: {why}"));
                None
            }
        };
        // It may begin to listen later, and what its kernel drops from then on counts.
        let before = visible.then(Counters::read).and_then(Result::ok);
        Self { address, queue, visible, notices, before, sampling: None }
    }

    /// Starts to sample as soon as there is something to see.
    pub fn sample(&mut self, when: Sampling) {
        if !self.visible {
            return;
        }
        let Ok(queue) = queue_of(self.address) else { return };
        let (address, there) = (self.address, self.queue.is_some());
        let stop = Arc::new(AtomicBool::new(false));
        let (sender, intervals) = mpsc::unbounded_channel();
        let stopping = Arc::clone(&stop);
        // It may listen on a wildcard address of either family.
        let port = self.address.port();
        let states = port.and_then(|port| StateWatch::start(End::Local(port), Families::Both).ok());
        let looked = states.as_ref().map(StateWatch::seen);
        let spawned = std::thread::Builder::new().name("sampler".to_owned()).spawn(move || {
            let each = |index, mut seen: TargetInterval, queues| {
                if let Some(looked) = &looked {
                    looked.complete(&mut seen);
                }
                // Nobody listens only when the cell is about to end.
                let _ = sender.send((index, seen, queues));
            };
            let (late, first) = match there {
                true => (None, First::Epoch),
                false => match await_listener(address, &stopping) {
                    Some(found) => {
                        let since = clock::monotonic().saturating_sub(when.epoch);
                        (Some((found, since)), First::Present)
                    }
                    None => return Sight::default(),
                },
            };
            let sampler = Some(sampler::run(queue, (when, first), &stopping, each));
            Sight { late, sampler }
        });
        match spawned {
            Ok(thread) => self.sampling = Some(Sampled { states, stop, thread, intervals }),
            Err(error) => self.notices.push(format!("no sampler: {}", errno::describe(&error))),
        }
    }

    /// The next interval; never comes where nothing is sampled.
    pub async fn next(&mut self) -> Look {
        if let Some(sampled) = &mut self.sampling
            && let Some(interval) = sampled.intervals.recv().await
        {
            return interval;
        }
        std::future::pending().await
    }

    /// Ends the sampling; the intervals that are left go to `each`.
    pub fn finish(&mut self, mut each: impl FnMut(Look)) -> LastLook {
        let mut look = LastLook::default();
        if let (Endpoint::Inet(address), true) = (self.address, self.visible)
            && let Ok(mut diag) = Diag::open()
        {
            look.queued = diag.listeners(address).map_or(0, |queue| u64::from(queue.depth));
            look.syn_recv = diag.syn_recv(address.port()).unwrap_or(0);
        }
        let after = Counters::read();
        if let Some(mut sampled) = self.sampling.take() {
            look.sockets = sampled.states.take().map(StateWatch::finish);
            sampled.stop.store(true, Ordering::Relaxed);
            let sight = sampled.thread.join().unwrap_or_default();
            while let Ok(interval) = sampled.intervals.try_recv() {
                each(interval);
            }
            look.sampler = sight.sampler;
            self.found(sight.late);
        }
        // Where nobody ever listened, none of the namespace's counters is of this target.
        if let (Some(before), Ok(after), Some(_)) = (&self.before, after, self.queue) {
            look.counters = counters::results("target", before, &after);
        }
        look
    }

    /// Enters what came into being only after the first look.
    fn found(&mut self, late: Option<(ListenQueue, u64)>) {
        let Some((queue, after)) = late else { return };
        self.queue = Some(queue);
        let (nobody, address) = (nobody(self.address), self.address);
        self.notices.retain(|notice| *notice != nobody);
        self.notices.push(format!(
            "nobody listened on {address} before t={:.1} s: its queue is sampled from then on",
            after as f64 / 1e9
        ));
    }
}

fn nobody(address: Endpoint) -> String {
    format!("nobody listens on {address} in this network namespace")
}

/// Looks for a listener until there is one; `None` where there was none until the end.
fn await_listener(address: Endpoint, stop: &AtomicBool) -> Option<ListenQueue> {
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(LOOK_AGAIN);
        let found = queue_at(address, &mut Vec::new()).ok();
        if let Some(queue) = found.filter(|queue| queue.listeners > 0) {
            return Some(queue);
        }
    }
    None
}

/// The listen queue at an address of stream sockets, if it can be seen from here.
fn queue_at(address: Endpoint, notices: &mut Vec<String>) -> Result<ListenQueue, String> {
    match address {
        Endpoint::Inet(address) => visible(address),
        Endpoint::Udp(_) => Err("datagrams do not wait for accept()".to_owned()),
        Endpoint::Unix(kind, name) => visible_unix(kind, &name, notices),
    }
}

/// What reads the queue of `address`.
fn queue_of(address: Endpoint) -> io::Result<Queue> {
    Ok(match address {
        Endpoint::Inet(address) => Queue::Anybodys(Diag::open()?, address),
        Endpoint::Udp(_) => return Err(io::ErrorKind::Unsupported.into()),
        Endpoint::Unix(kind, name) => Queue::AnybodysUnix(UnixDiag::open()?, kind, name),
    })
}

/// The listen queue of `name`.
fn visible_unix(
    kind: UnixKind,
    name: &UnixName,
    notices: &mut Vec<String>,
) -> Result<ListenQueue, String> {
    let queue = UnixDiag::open()
        .and_then(|mut diag| diag.listeners(kind, name))
        .map_err(|error| format!("unix_diag: {}", errno::describe(&error)))?;
    if queue.other_kind {
        let other = match kind {
            UnixKind::Stream => "unix-seqpacket",
            UnixKind::Seqpacket | UnixKind::Datagram => "unix-stream",
        };
        notices.push(format!("a server of the other kind listens there: transport = \"{other}\""));
    }
    let UnixQueue { depth, limit, listeners, .. } = queue;
    Ok(ListenQueue { depth, limit, listeners })
}

/// The listen queue of `address`, if it is one of this namespace.
fn visible(address: SocketAddr) -> Result<ListenQueue, String> {
    // Only an address of our own can be bound.
    UdpSocket::bind(SocketAddr::new(address.ip(), 0))
        .map_err(|_| "it is the address of another host".to_owned())?;
    Diag::open()
        .and_then(|mut diag| diag.listeners(address))
        .map_err(|error| format!("sock_diag: {}", errno::describe(&error)))
}
