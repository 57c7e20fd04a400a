//! A server of the user that takes datagrams: what can be seen of it from here is sampled.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;

use crate::measure::result::{CounterResult, DatagramInterval, ReceiverResult, SamplerResult};
use crate::observe::counters::{self, Counters};
use crate::observe::datagrams::{self, ExternalBuffer};
use crate::observe::sampler::Sampling;
use crate::sys::endpoint::Endpoint;
use crate::sys::errno;

/// What can be seen of a server of the user.
pub struct External {
    /// Its receive buffers; `None` where they cannot be seen, and once they are sampled.
    buffer: Option<ExternalBuffer>,
    before: Option<Counters>,
    sampling: Option<Sampled>,
    notices: Vec<String>,
}

/// A sampler at work.
struct Sampled {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(ReceiverResult, SamplerResult)>,
    intervals: mpsc::Receiver<(usize, DatagramInterval)>,
}

/// What was seen of it.
#[derive(Debug, Default)]
pub struct ExternalTold {
    /// Its receive buffers, as one; none where they could not be seen.
    pub receivers: Vec<ReceiverResult>,
    /// The sampler's account.
    pub sampler: Option<SamplerResult>,
    /// What was seen in each interval.
    pub intervals: Vec<DatagramInterval>,
    /// Counters of the namespace that it shares with us.
    pub counters: Vec<CounterResult>,
    /// What cannot be observed, and why.
    pub notices: Vec<String>,
}

impl External {
    /// A first look at the server behind `endpoint`.
    pub fn look(endpoint: Endpoint) -> Self {
        let mut notices = Vec::new();
        let buffer = match endpoint.socket_addr().map(visible) {
            Some(Ok(buffer)) => Some(buffer),
            Some(Err(why)) => {
                notices.push(format!("the receive buffer of {endpoint} cannot be seen: {why}"));
                None
            }
            None => None,
        };
        let before = buffer.as_ref().and_then(|_| Counters::read().ok());
        Self { buffer, before, sampling: None, notices }
    }

    /// Starts to sample, if there is something to see.
    pub fn sample(&mut self, when: Sampling) {
        let Some(buffer) = self.buffer.take() else { return };
        let stop = Arc::new(AtomicBool::new(false));
        let (sender, intervals) = mpsc::channel();
        let stopping = Arc::clone(&stop);
        let spawned = std::thread::Builder::new().name("sampler".to_owned()).spawn(move || {
            datagrams::run(buffer, when, &stopping, |index, interval| {
                // Nobody listens only when the cell is about to end.
                let _ = sender.send((index, interval));
            })
        });
        match spawned {
            Ok(thread) => self.sampling = Some(Sampled { stop, thread, intervals }),
            Err(error) => self.notices.push(format!("no sampler: {}", errno::describe(&error))),
        }
    }

    /// Ends the sampling: what was seen.
    pub fn finish(self) -> ExternalTold {
        let mut told = ExternalTold { notices: self.notices, ..ExternalTold::default() };
        if let (Some(before), Ok(after)) = (&self.before, Counters::read()) {
            told.counters = counters::results("target", before, &after);
        }
        let Some(Sampled { stop, thread, intervals }) = self.sampling else { return told };
        stop.store(true, Ordering::Relaxed);
        if let Ok((receiver, sampler)) = thread.join() {
            told.receivers.push(receiver);
            told.sampler = Some(sampler);
        }
        for (index, interval) in intervals {
            told.intervals.resize(index, DatagramInterval::default());
            told.intervals.push(interval);
        }
        told
    }
}

/// The buffers of whoever is bound to `address`, if it is one of this namespace.
fn visible(address: SocketAddr) -> Result<ExternalBuffer, String> {
    // Only an address of our own can be bound.
    UdpSocket::bind(SocketAddr::new(address.ip(), 0))
        .map_err(|_| "it is the address of another host".to_owned())?;
    match ExternalBuffer::look(address) {
        Ok((buffer, look)) if look.sockets > 0 => Ok(buffer),
        Ok(_) => Err("nobody is bound to it in this network namespace".to_owned()),
        Err(error) => Err(format!("sock_diag: {}", errno::describe(&error))),
    }
}
