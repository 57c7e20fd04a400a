//! An accept queue, event by event: the same schedule, the same pace, and the kernel's own rules.
//!
//! Repeated SYNs come in batches, since the kernel's timers run out in batches (`agenda`). It answers
//! all of a batch while the queue has a place, and has ignored the final ACKs that found none when
//! their clients already believe to be connected (`half_open`). That is why a full queue does not
//! simply turn SYNs away.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use super::agenda::Agenda;
use super::half_open::{HalfOpen, Next, When};
use super::listener::{Listener, Waiting};
use super::model::Model;
use super::remembered::Remembered;
use super::retries::level;

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
    /// Both together.
    pub fn and(self, other: Self) -> Self {
        Self {
            syns: self.syns + other.syns,
            dropped: self.dropped + other.dropped,
            measured: self.measured + other.measured,
            waited: self.waited + other.waited,
        }
    }

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

/// Something that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A SYN that was first sent at `first`.
    Syn { first: u64, tries: u32, client: Client },
    /// A client of a half-open connection sends something.
    Half { next: Next, one: usize },
}

/// One of so many timers is on the wheel of a CPU that sleeps: a fifth of the repeated SYNs of a run
/// on two CPUs were a tick later than the others.
const SLEEPING: u64 = 5;

/// A run of the model.
struct Run<'m> {
    model: &'m Model,
    flow: Flow,
    listeners: Vec<Listener>,
    halves: Vec<HalfOpen>,
    agenda: Agenda<Event>,
    /// SYNs on the agenda.
    syns: u64,
    /// When the last attempt that is known of is over.
    end: u64,
    remembered: Remembered,
    random: Xoshiro256PlusPlus,
}

/// Runs the model over its schedule with this seed. What the schedule does not say is drawn, and
/// other draws go with each `luck`.
pub fn simulate(model: &Model, seed: u64, luck: u64) -> Flow {
    let listeners = (0..model.listeners).map(|index| Listener::new(model, index, seed)).collect();
    let mut run = Run {
        model,
        flow: Flow::default(),
        listeners,
        halves: Vec::new(),
        agenda: Agenda::new(),
        syns: 0,
        end: 0,
        remembered: Remembered::new(model.one_address),
        random: Xoshiro256PlusPlus::seed_from_u64(seed ^ 0x6c69_7374_656e ^ luck << 48),
    };
    let mut fresh = model.arrivals(seed).into_iter().peekable();
    loop {
        let due = run.agenda.due();
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
    let Run { mut listeners, mut flow, end, mut remembered, .. } = run;
    let each = |listener: &mut Listener| listener.advance(model, end, &mut flow, &mut remembered);
    listeners.iter_mut().for_each(each);
    flow
}

impl Run<'_> {
    fn step(&mut self) {
        let Some((at, event)) = self.agenda.next() else { return };
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
        listener.advance(model, at, &mut self.flow, &mut self.remembered);
        self.flow.syns += 1;
        let no_request = listener.half_open() >= model.half_open.places;
        let refused = no_request && !model.half_open.cookies;
        if refused || !listener.has_place(model) {
            // The kernel asks for the SYN queue first.
            self.flow.dropped += u64::from(!refused);
            return self.again(at, first, tries, client);
        }
        let ends = &model.streams[stream];
        self.end = self.end.max(ends.end_of(first, at));
        if tries == 0 || !model.is_tcp {
            // Alone: its handshake is over before anything else happens.
            return listener.join(Waiting { joined: at, since: at, stream });
        }
        let timeout = self.remembered.timeout();
        let half = HalfOpen::new((at, tries), (stream, index), !no_request, timeout);
        listener.requested(&half);
        self.halves.push(half);
        let one = self.halves.len() - 1;
        self.agenda.answer(at, Event::Half { next: Next::FinalAck, one });
    }

    /// The SYN of an attempt was dropped: it comes again, unless its client gives up before.
    fn again(&mut self, at: u64, first: u64, tries: u32, client: Client) {
        let over = first.saturating_add(self.model.streams[client.stream].timeout);
        let wait = self.model.retries.wait(tries);
        let due = wait.map(|wait| self.expiry(at, wait)).filter(|due| *due < over);
        match (due, wait) {
            (Some(due), Some(wait)) => {
                self.syns += 1;
                let again = Event::Syn { first, tries: tries + 1, client };
                self.agenda.timer(due, level(wait), again);
            }
            _ => self.end = self.end.max(over),
        }
    }

    /// When a timer runs out that is set at `at`. With several CPUs it is now and then that of one which
    /// sleeps: timers are set anew wherever packets happen to be handled.
    fn expiry(&mut self, at: u64, wait: u64) -> u64 {
        let asleep = self.model.cpus > 1 && self.random.next_u64().is_multiple_of(SLEEPING);
        self.model.wheel.of_sleeper(asleep).expiry(at, wait)
    }

    fn note(&mut self, at: u64, when: When, next: Next, one: usize) {
        let event = Event::Half { next, one };
        match when {
            When::Timer(wait) => {
                let due = self.expiry(at, wait);
                self.agenda.timer(due, level(wait), event);
            }
            When::Program(later) => self.agenda.program(at.saturating_add(later), event),
            When::Answer => self.agenda.answer(at, event),
        }
    }

    /// Something comes from a client whose connection is not in the queue yet.
    fn half(&mut self, at: u64, next: Next, one: usize) {
        let (model, half) = (self.model, &mut self.halves[one]);
        if half.is_over() {
            return;
        }
        let listener = &mut self.listeners[half.listener];
        listener.advance(model, at, &mut self.flow, &mut self.remembered);
        if next == Next::SynAck && half.expires(listener.young(), listener.half_open(), model) {
            return listener.forgot(half);
        }
        let stream = &model.streams[half.stream];
        if half.opens(next, stream) && listener.has_place(model) {
            listener.join(Waiting { joined: at, since: half.since, stream: half.stream });
            return listener.forgot(half);
        }
        let young = half.is_young();
        let follow = half.follow(at, next, stream);
        listener.aged(young && !half.is_young());
        match follow {
            Some(all) => all.into_iter().for_each(|(when, next)| self.note(at, when, next, one)),
            None => listener.forgot(half),
        }
    }
}
