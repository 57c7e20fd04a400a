//! An accept queue, event by event: the same schedule, the same pace, and the kernel's own rules.
//!
//! Repeated SYNs come in batches, since the kernel's timers run out in batches. It answers all of
//! a batch while the queue has a place, and has ignored the final ACKs that found none when their
//! clients already believe to be connected (`half_open`). That is why a full queue does not simply
//! turn SYNs away.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use super::half_open::{HalfOpen, Next};
use super::listener::{Listener, Waiting};
use super::model::Model;
use super::retries::Wheel;

/// What came of all SYNs and connections.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Flow {
    /// SYNs, repeated ones included.
    pub syns: u64,
    /// Of these, those that found the accept queue full.
    pub dropped: u64,
    /// Connections that were accepted and would have been measured.
    pub measured: u64,
    /// Their waits since their clients believed to be connected, added up, in nanoseconds.
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

/// One client: its stream, and the listener that the kernel chose for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Client {
    stream: usize,
    listener: usize,
}

/// Something that happens; those of one instant in the order of their variants, which is that in
/// which the packets of one batch come to the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A SYN that was first sent at `first`.
    Syn { first: u64, tries: u32, client: Client },
    /// A client of a half-open connection sends something.
    Half { next: Next, one: usize },
}

/// One of so many timers is on the wheel of a CPU that sleeps: a fifth of the repeated SYNs of a run
/// on two CPUs were a tick later than the others, and more of them where the clients kept both busy.
const SLEEPING: u64 = 3;

/// A run of the model.
struct Run<'m> {
    model: &'m Model,
    flow: Flow,
    listeners: Vec<Listener>,
    halves: Vec<HalfOpen>,
    events: BinaryHeap<Reverse<(u64, Event)>>,
    /// SYNs among the events.
    syns: u64,
    /// When the last attempt that is known of is over.
    end: u64,
    random: Xoshiro256PlusPlus,
}

/// Runs the model over its schedule with this seed.
pub fn simulate(model: &Model, seed: u64) -> Flow {
    let listeners = (0..model.listeners).map(|index| Listener::new(model, index, seed)).collect();
    let mut run = Run {
        model,
        flow: Flow::default(),
        listeners,
        halves: Vec::new(),
        events: BinaryHeap::new(),
        syns: 0,
        end: 0,
        random: Xoshiro256PlusPlus::seed_from_u64(seed ^ 0x6c69_7374_656e),
    };
    let mut fresh = model.arrivals(seed).into_iter().peekable();
    loop {
        let due = run.events.peek().map(|Reverse((at, _))| *at);
        match fresh.peek().copied() {
            Some((at, stream)) if due.is_none_or(|due| at < due) => {
                fresh.next();
                // The kernel spreads clients by a hash of addresses and ports.
                let listener = (run.random.next_u64() % model.listeners as u64) as usize;
                run.syn(at, at, 0, Client { stream, listener });
            }
            // The run is over with its last attempt, whoever still waits.
            None if run.syns == 0 && due.is_none_or(|due| due > run.end) => break,
            _ => run.step(),
        }
    }
    let Run { mut listeners, mut flow, end, .. } = run;
    listeners.iter_mut().for_each(|listener| listener.advance(model, end, &mut flow));
    flow
}

impl Run<'_> {
    fn step(&mut self) {
        let Some(Reverse((at, event))) = self.events.pop() else { return };
        match event {
            Event::Syn { first, tries, client } => {
                self.syns -= 1;
                self.syn(at, first, tries, client);
            }
            Event::Half { next, one } => self.half(at, next, one),
        }
    }

    fn syn(&mut self, at: u64, first: u64, tries: u32, client: Client) {
        let (model, Client { stream, listener: index }) = (self.model, client);
        let listener = &mut self.listeners[index];
        listener.advance(model, at, &mut self.flow);
        self.flow.syns += 1;
        let no_request = listener.half_open() >= model.half_open.places;
        let refused = no_request && !model.half_open.cookies;
        if refused || !listener.has_place(model) {
            // The kernel asks for the SYN queue first.
            self.flow.dropped += u64::from(!refused);
            return self.again(at, first, tries, client);
        }
        let ends = &model.streams[stream];
        self.end = self.end.max(ends.end_of(at));
        if tries == 0 || !model.is_tcp {
            // Alone: its handshake is over before anything else happens.
            return listener.join(Waiting { joined: at, since: at, stream });
        }
        let half = HalfOpen::new(at, stream, index, !no_request);
        listener.requested(&half);
        self.halves.push(half);
        self.push(at, Next::FinalAck, self.halves.len() - 1);
    }

    /// The SYN of an attempt was dropped: it comes again, unless its client gives up before.
    fn again(&mut self, at: u64, first: u64, tries: u32, client: Client) {
        let over = first.saturating_add(self.model.streams[client.stream].timeout);
        let wheel = self.wheel();
        match self.model.retries.after(wheel, at, tries).filter(|at| *at < over) {
            Some(at) => {
                self.syns += 1;
                let again = Event::Syn { first, tries: tries + 1, client };
                self.events.push(Reverse((at, again)));
            }
            None => self.end = self.end.max(over),
        }
    }

    /// The wheel on which a timer is set. With several CPUs it is now and then that of one which sleeps:
    /// timers are set anew wherever packets happen to be handled.
    fn wheel(&mut self) -> Wheel {
        let asleep = self.model.cpus > 1 && self.random.next_u64().is_multiple_of(SLEEPING);
        self.model.wheel.of_sleeper(asleep)
    }

    fn push(&mut self, at: u64, next: Next, one: usize) {
        self.events.push(Reverse((at, Event::Half { next, one })));
    }

    /// Something comes from a client whose connection is not in the queue yet.
    fn half(&mut self, at: u64, next: Next, one: usize) {
        let wheel = self.wheel();
        let (model, half) = (self.model, &mut self.halves[one]);
        if half.is_over() {
            return;
        }
        let listener = &mut self.listeners[half.listener];
        listener.advance(model, at, &mut self.flow);
        if next == Next::SynAck && half.expires(listener.young(), listener.half_open(), model) {
            return listener.forgot(half);
        }
        let stream = &model.streams[half.stream];
        if next != Next::Reset && listener.has_place(model) {
            listener.join(Waiting { joined: at, since: half.since, stream: half.stream });
            return listener.forgot(half);
        }
        let young = half.is_young();
        let follow = half.follow(at, next, stream, wheel);
        listener.aged(young && !half.is_young());
        match follow {
            Some(follow) => follow.into_iter().for_each(|(at, next)| self.push(at, next, one)),
            None => listener.forgot(half),
        }
    }
}
