//! An external target: any server of the user. What can be seen of it from here is sampled.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use tokio::sync::mpsc;

use crate::measure::result::{
    CounterResult, QueueInterval, SamplerResult, StatesResult, TargetInterval,
};
use crate::observe::counters::{self, Counters};
use crate::observe::listen::{Diag, ListenQueue};
use crate::observe::sampler::{self, Queue, Sampling};
use crate::observe::states::StateWatch;
use crate::sys::endpoint::Endpoint;
use crate::sys::errno;
use crate::sys::netlink::{End, Families};
use crate::sys::unix_diag::{UnixDiag, UnixQueue};
use crate::units::{UnixKind, UnixName};

/// What can be seen of an external target.
pub struct External {
    /// Where it listens.
    pub address: Endpoint,
    /// Its queue before the first attempt; `None` where its listener cannot be seen.
    pub queue: Option<ListenQueue>,
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
    thread: JoinHandle<SamplerResult>,
    intervals: mpsc::UnboundedReceiver<Look>,
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
        let seen = match address {
            Endpoint::Inet(address) => visible(address),
            Endpoint::Udp(_) => Err("datagrams do not wait for accept()".to_owned()),
            Endpoint::Unix(kind, name) => visible_unix(kind, &name, &mut notices),
        };
        let queue = match seen {
            Ok(queue) if queue.listeners > 0 => Some(queue),
            Ok(_) if !notices.is_empty() => None,
            Ok(_) => {
                notices.push(format!("nobody listens on {address} in this network namespace"));
                None
            }
            Err(why) => {
                notices.push(format!("the queue of {address} cannot be sampled: {why}"));
                None
            }
        };
        let before = queue.and_then(|_| Counters::read().ok());
        Self { address, queue, notices, before, sampling: None }
    }

    /// Starts to sample, if there is something to see.
    pub fn sample(&mut self, when: Sampling) {
        if self.queue.is_none() {
            return;
        }
        let Ok(queue) = queue_of(self.address) else { return };
        let stop = Arc::new(AtomicBool::new(false));
        let (sender, intervals) = mpsc::unbounded_channel();
        let stopping = Arc::clone(&stop);
        // It may listen on a wildcard address of either family.
        let port = self.address.port();
        let states = port.and_then(|port| StateWatch::start(End::Local(port), Families::Both).ok());
        let looked = states.as_ref().map(StateWatch::seen);
        let spawned = std::thread::Builder::new().name("sampler".to_owned()).spawn(move || {
            sampler::run(queue, when, &stopping, |index, mut seen, queues| {
                if let Some(looked) = &looked {
                    looked.complete(&mut seen);
                }
                // Nobody listens only when the cell is about to end.
                let _ = sender.send((index, seen, queues));
            })
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
        if self.queue.is_some()
            && let Endpoint::Inet(address) = self.address
            && let Ok(mut diag) = Diag::open()
        {
            look.queued = diag.listeners(address).map_or(0, |queue| u64::from(queue.depth));
            look.syn_recv = diag.syn_recv(address.port()).unwrap_or(0);
        }
        if let (Some(before), Ok(after)) = (&self.before, Counters::read()) {
            look.counters = counters::results("target", before, &after);
        }
        if let Some(mut sampled) = self.sampling.take() {
            look.sockets = sampled.states.take().map(StateWatch::finish);
            sampled.stop.store(true, Ordering::Relaxed);
            look.sampler = sampled.thread.join().ok();
            while let Ok(interval) = sampled.intervals.try_recv() {
                each(interval);
            }
        }
        look
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
