//! An accept queue, event by event: the same schedule, the same pace, and nothing else.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use super::model::{Model, Occupies, Stream};
use crate::scenario::pace::Pace;
use crate::scenario::service::Service;

/// What came of all SYNs and connections. Sums of nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Flow {
    /// SYNs, repeated ones included.
    pub syns: u64,
    /// Of these, those that found no place.
    pub dropped: u64,
    /// Connections that were accepted and would have been measured.
    pub measured: u64,
    /// Their waits, added up.
    pub waited: f64,
}

impl Flow {
    /// Share of the SYNs that found no place.
    pub fn blocking(&self) -> f64 {
        self.dropped as f64 / self.syns.max(1) as f64
    }

    /// Mean wait, in seconds; `None` where nothing was accepted.
    pub fn mean_wait_s(&self) -> Option<f64> {
        (self.measured > 0).then(|| self.waited / self.measured as f64 / 1e9)
    }
}

/// A SYN on its way, the earliest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Syn {
    at: u64,
    /// When the first one was sent.
    first: u64,
    tries: u32,
    stream: usize,
    listener: usize,
}

/// A connection in the queue.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    joined: u64,
    stream: usize,
}

/// One acceptor.
#[derive(Debug)]
struct Acceptor {
    pace: Pace,
    service: Service,
    /// Whether it found the queue empty when it last looked.
    idle: bool,
    /// Until when it serves, where it serves one client at a time.
    busy_until: u64,
}

#[derive(Debug)]
struct Listener {
    queue: VecDeque<Waiting>,
    acceptors: Vec<Acceptor>,
}

/// Runs the model over its schedule with this seed.
pub fn simulate(model: &Model, seed: u64) -> Flow {
    let mut flow = Flow::default();
    let mut listeners: Vec<Listener> =
        (0..model.listeners).map(|index| Listener::new(model, index, seed)).collect();
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed ^ 0x6c69_7374_656e);
    let mut fresh = model.arrivals(seed).into_iter().peekable();
    let mut again: BinaryHeap<Reverse<Syn>> = BinaryHeap::new();
    let mut end = 0;
    loop {
        let repeated = again.peek().map(|syn| syn.0.at);
        let syn = match (fresh.peek(), repeated) {
            (Some((at, _)), Some(repeated)) if repeated < *at => again.pop().map(|syn| syn.0),
            (Some(_), _) => fresh.next().map(|(at, stream)| Syn {
                at,
                first: at,
                tries: 0,
                stream,
                // The kernel spreads clients by a hash of addresses and ports.
                listener: (random.next_u64() % model.listeners as u64) as usize,
            }),
            (None, _) => again.pop().map(|syn| syn.0),
        };
        let Some(syn) = syn else { break };
        let stream = &model.streams[syn.stream];
        let listener = &mut listeners[syn.listener];
        listener.advance(model, syn.at, &mut flow);
        flow.syns += 1;
        if (listener.queue.len() as u64) < model.places {
            listener.join(Waiting { joined: syn.at, stream: syn.stream });
            end = end.max(stream.end_of(syn.at));
            continue;
        }
        flow.dropped += 1;
        let over = syn.first.saturating_add(stream.timeout);
        match model.retries.after(syn.at, syn.tries).filter(|at| *at < over) {
            Some(at) => again.push(Reverse(Syn { at, tries: syn.tries + 1, ..syn })),
            None => end = end.max(over),
        }
    }
    // The run is over with its last attempt, whoever still waits.
    listeners.iter_mut().for_each(|listener| listener.advance(model, end, &mut flow));
    flow
}

impl Listener {
    fn new(model: &Model, index: usize, seed: u64) -> Self {
        let all = model.listeners * model.acceptors;
        let acceptors = (0..model.acceptors).map(|own| {
            let number = index * model.acceptors + own;
            Acceptor {
                pace: Pace::new(model.accept, &model.stalls, number as u16, all as u16),
                service: Service::new(model.service, seed.wrapping_add(number as u64)),
                idle: true,
                busy_until: 0,
            }
        });
        Self { queue: VecDeque::new(), acceptors: acceptors.collect() }
    }

    /// A connection is established and waits.
    fn join(&mut self, one: Waiting) {
        if self.queue.is_empty() {
            for acceptor in &mut self.acceptors {
                let looked = acceptor.pace.allowed(acceptor.busy_until, false);
                acceptor.idle |= looked.is_some_and(|at| at <= one.joined);
            }
        }
        self.queue.push_back(one);
    }

    /// Accepts what is accepted until `until`.
    fn advance(&mut self, model: &Model, until: u64, flow: &mut Flow) {
        while let Some(one) = self.queue.front().copied() {
            let next = self.acceptors.iter_mut().filter_map(|acceptor| {
                let ready = one.joined.max(acceptor.busy_until);
                Some((acceptor.pace.allowed(ready, acceptor.idle)?, acceptor))
            });
            let Some((at, acceptor)) = next.min_by_key(|(at, _)| *at) else { return };
            if at > until {
                return;
            }
            self.queue.pop_front();
            acceptor.pace.taken(at, acceptor.idle);
            acceptor.idle = false;
            let stream = &model.streams[one.stream];
            // Who has reset its connection is accepted all the same, and forgotten.
            if at.saturating_sub(one.joined) > stream.patience {
                continue;
            }
            if model.serial {
                acceptor.busy_until = at.saturating_add(acceptor.occupied(stream, one.joined, at));
            }
            if stream.measured {
                flow.measured += 1;
                flow.waited += (at - one.joined) as f64;
            }
        }
    }
}

impl Acceptor {
    /// For how long a connection that is accepted at `at` keeps a serial acceptor.
    fn occupied(&mut self, stream: &Stream, joined: u64, at: u64) -> u64 {
        match stream.occupies {
            Occupies::Service => self.service.draw(),
            Occupies::Held(hold) => joined.saturating_add(hold).saturating_sub(at),
        }
    }
}
