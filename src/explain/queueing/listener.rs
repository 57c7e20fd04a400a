//! One listener of the simulation: its two queues and its acceptors.

use std::collections::VecDeque;

use super::half_open::HalfOpen;
use super::model::{Model, Occupies, Stream};
use super::remembered::Remembered;
use super::simulation::Flow;
use crate::scenario::pace::Pace;
use crate::scenario::service::Service;

/// A connection in the accept queue; times in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub struct Waiting {
    /// Since when it is there.
    pub joined: u64,
    /// Since when its client believes to be connected.
    pub since: u64,
    /// The stream of its client.
    pub stream: usize,
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

/// A listener.
#[derive(Debug)]
pub struct Listener {
    queue: VecDeque<Waiting>,
    acceptors: Vec<Acceptor>,
    /// Half-open connections that it keeps.
    requests: u64,
    /// Of these, those whose SYN-ACK was not sent again yet.
    young: u64,
}

impl Listener {
    /// Listener `index`, with its acceptors.
    pub fn new(model: &Model, index: usize, seed: u64) -> Self {
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
        Self { queue: VecDeque::new(), acceptors: acceptors.collect(), requests: 0, young: 0 }
    }

    /// Whether the accept queue takes another one.
    pub fn has_place(&self, model: &Model) -> bool {
        (self.queue.len() as u64) < model.places
    }

    /// Half-open connections that it keeps.
    pub fn half_open(&self) -> u64 {
        self.requests
    }

    /// Of these, those whose SYN-ACK was not sent again yet.
    pub fn young(&self) -> u64 {
        self.young
    }

    /// A SYN was answered.
    pub fn requested(&mut self, half: &HalfOpen) {
        self.requests += u64::from(half.is_kept());
        self.young += u64::from(half.is_young());
    }

    /// A SYN-ACK was sent again for the first time, if so.
    pub fn aged(&mut self, aged: bool) {
        self.young -= u64::from(aged);
    }

    /// A half-open connection is none any more.
    pub fn forgot(&mut self, half: &mut HalfOpen) {
        self.requests -= u64::from(half.is_kept());
        self.young -= u64::from(half.is_young());
        half.end();
    }

    /// A connection is established and waits.
    pub fn join(&mut self, one: Waiting) {
        if self.queue.is_empty() {
            for acceptor in &mut self.acceptors {
                let looked = acceptor.pace.allowed(acceptor.busy_until, false);
                acceptor.idle |= looked.is_some_and(|at| at <= one.joined);
            }
        }
        self.queue.push_back(one);
    }

    /// Accepts what is accepted until `until`.
    pub fn advance(
        &mut self,
        model: &Model,
        until: u64,
        flow: &mut Flow,
        remembered: &mut Remembered,
    ) {
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
            if at.saturating_sub(one.since) > stream.patience {
                continue;
            }
            remembered.closed(one.joined.saturating_sub(one.since));
            if model.serial {
                acceptor.busy_until = at.saturating_add(acceptor.occupied(stream, one.since, at));
            }
            if stream.measured {
                flow.measured += 1;
                flow.waited += at.saturating_sub(one.since) as f64;
            }
        }
    }
}

impl Acceptor {
    /// For how long a connection that is accepted at `at` keeps a serial acceptor.
    fn occupied(&mut self, stream: &Stream, since: u64, at: u64) -> u64 {
        match stream.occupies {
            Occupies::Service => self.service.draw(),
            Occupies::Held(hold) => since.saturating_add(hold).saturating_sub(at),
        }
    }
}
