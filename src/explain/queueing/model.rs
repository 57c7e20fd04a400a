//! A cell as the theory of queues sees it.

use super::retries::{Retries, Wheel};
use crate::load::{Arrivals, Schedule, Shape, seed_of};
use crate::measure::result::CellResult;
use crate::scenario::plan::{
    AcceptPace, Cell, Client, Close, Closer, Link, Load, Reply, Serve, ServiceTime, Target,
    WhenFull, Window,
};
use crate::units::Span;

/// Attempts of a cell that are simulated at most: a second of work.
const MOST: u64 = 500_000;

/// Listeners with finite queues, acceptors with a pace, and streams of clients.
#[derive(Debug, Clone)]
pub struct Model {
    /// Listeners at the one address.
    pub listeners: usize,
    /// Acceptors of each.
    pub acceptors: usize,
    /// Connections that the queue of each listener holds.
    pub places: u64,
    /// How fast connections are taken, over all acceptors.
    pub accept: AcceptPace,
    /// When none is.
    pub stalls: Vec<Window>,
    /// Whether an acceptor serves one client at a time.
    pub serial: bool,
    /// For how long, where clients wait for a reply.
    pub service: ServiceTime,
    /// When a SYN that found no place comes again.
    pub retries: Retries,
    /// The timers that say so.
    pub wheel: Wheel,
    /// Processors that run timers.
    pub cpus: u32,
    /// Whether there are handshakes, which may stay half-open.
    pub is_tcp: bool,
    /// Whether clients and target have the same address.
    pub one_address: bool,
    /// What holds half-open connections.
    pub half_open: SynQueue,
    /// The clients.
    pub streams: Vec<Stream>,
}

/// The SYN queue of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SynQueue {
    /// Half-open connections that it holds.
    pub places: u64,
    /// Whether SYNs beyond them are answered by cookie.
    pub cookies: bool,
}

/// One stream of clients; times in nanoseconds.
#[derive(Debug, Clone)]
pub struct Stream {
    shape: Shape,
    window: Span,
    attempts: Option<u64>,
    start: u64,
    /// After so long without a connection a client gives up.
    pub timeout: u64,
    /// After so long in the queue a connection is reset by its client.
    pub patience: u64,
    /// What keeps a serial acceptor.
    pub occupies: Occupies,
    /// How long an attempt lasts from the established connection; `None` for as long as the target
    /// takes.
    hold: Option<u64>,
    /// Whether the target learns how long its connections waited.
    pub measured: bool,
    /// Whether a client sends something as soon as it is connected.
    pub speaks: bool,
}

/// What keeps a serial acceptor from its next client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occupies {
    /// The service of one message.
    Service,
    /// The client, until it closes so long after it was connected.
    Held(u64),
}

impl Model {
    /// The model of a cell, where there is one: our own target at hand, clients on open schedules,
    /// and no other cause of loss than its accept queue.
    pub fn of(plan: &Cell, cell: &CellResult, (wheel, cpus): (Wheel, u32)) -> Option<Self> {
        let Target::Own { command: None, serve, .. } = &plan.target else { return None };
        let at_once = serve.accept == AcceptPace::Asap && serve.stalls.is_empty();
        let other = serve.restart.is_some() || serve.defer_accept.is_some();
        if (at_once && !serve.serial) || other || plan.lab.impair.is_some() {
            return None;
        }
        let streams = plan.loads.iter().map(|load| Stream::of(load, serve, plan));
        let streams = streams.collect::<Option<Vec<_>>>()?;
        let attempts = cell.loads.iter().fold(0u64, |sum, load| sum.saturating_add(load.offered));
        if streams.is_empty() || attempts == 0 || attempts > MOST {
            return None;
        }
        let retries = match plan.target.transport().is_tcp() {
            true => Retries::of(&cell.settings),
            false => Retries::none(),
        };
        Some(Self {
            listeners: usize::from(serve.listeners.max(1)),
            acceptors: usize::from(serve.acceptors.max(1)),
            // The kernel asks whether the queue is *above* its limit.
            places: u64::from(cell.target.backlog_effective?) + 1,
            accept: serve.accept,
            stalls: serve.stalls.clone(),
            serial: serve.serial,
            service: serve.service,
            retries,
            wheel,
            cpus,
            is_tcp: plan.target.transport().is_tcp(),
            one_address: plan.lab.link == Link::Loopback && plan.lab.sources <= 1,
            half_open: SynQueue::of(cell, u64::from(cell.target.backlog_effective?) + 1),
            streams: measured(streams),
        })
    }

    /// Every attempt as its instant, in nanoseconds, and its stream; the earliest first.
    pub fn arrivals(&self, seed: u64) -> Vec<(u64, usize)> {
        let mut all = Vec::new();
        for (index, stream) in self.streams.iter().enumerate() {
            let seed = seed_of(seed, index as u16);
            let own = Arrivals::new(&stream.shape, stream.window, stream.attempts, seed);
            let at = |offset: u64| stream.start.saturating_add(offset);
            all.extend(own.take(MOST as usize).map(|one| (at(one.offset), index)));
        }
        all.sort_unstable();
        all
    }

    /// Connections a second that the acceptors can take together; `None` where that depends on
    /// more than their pace.
    pub fn accept_rate(&self) -> Option<f64> {
        let served = || {
            let all = self.streams.iter().all(|stream| stream.occupies == Occupies::Service);
            let acceptors = (self.listeners * self.acceptors) as f64;
            all.then(|| acceptors * 1e9 / mean(self.service).max(1.0))
        };
        match (self.accept, self.serial) {
            (AcceptPace::Never, _) => Some(0.0),
            (AcceptPace::Rate(rate), false) => Some(rate.per_second()),
            (AcceptPace::Rate(rate), true) => Some(served()?.min(rate.per_second())),
            (AcceptPace::Asap, true) => served(),
            (AcceptPace::Asap, false) => None,
        }
    }

    /// The rate of the only stream, where it is a Poisson process for so long that the beginning
    /// does not matter, and nothing changes with time: what closed forms want.
    pub fn stationary(&self) -> Option<f64> {
        let [stream] = &self.streams[..] else { return None };
        let Shape::Poisson { rate } = stream.shape else { return None };
        let rate = rate.per_second();
        let again = self.retries.after(self.wheel, 0, 0).is_some_and(|at| at < stream.timeout);
        let filled_s = self.places as f64 / self.accept_rate()?.max(1e-9);
        let long = stream.window.get().as_secs_f64() > 100.0 * filled_s;
        let plain = self.stalls.is_empty() && self.listeners == 1 && stream.patience == u64::MAX;
        (plain && long && !again && stream.attempts.is_none()).then_some(rate)
    }

    /// In Kendall's notation: arrivals, service, acceptors, places of the whole system.
    pub fn notation(&self) -> String {
        let arrivals = match &self.streams[..] {
            [Stream { shape: Shape::Poisson { .. }, .. }] => "M",
            [Stream { shape: Shape::Constant { .. }, .. }] => "D",
            _ => "G",
        };
        let service = match (self.accept, self.serial, self.service) {
            (AcceptPace::Rate(_), false, _) | (_, true, ServiceTime::Constant { .. }) => "D",
            (AcceptPace::Asap, true, ServiceTime::Exponential { .. }) => "M",
            _ => "G",
        };
        // A pace is one server, however many acceptors take turns at it.
        let paced = matches!(self.accept, AcceptPace::Rate(_)) && !self.serial;
        let servers = if paced { 1 } else { self.acceptors as u64 };
        format!("{arrivals}/{service}/{servers}/{}", self.places + servers)
    }
}

impl SynQueue {
    /// That of a listener whose accept queue holds so many.
    fn of(cell: &CellResult, places: u64) -> Self {
        let read = |name: &str| cell.settings.get(name)?.trim().parse::<u64>().ok();
        let cookies = read("net.ipv4.tcp_syncookies") != Some(0);
        // Without cookies a quarter is kept for clients that are known.
        let most = read("net.ipv4.tcp_max_syn_backlog").filter(|_| !cookies);
        let three_quarters = most.map_or(u64::MAX, |most| most - most / 4 + 1);
        Self { places: places.min(three_quarters), cookies }
    }
}

/// Only some may tell the target since when they wait; if none does, all are looked at.
fn measured(mut streams: Vec<Stream>) -> Vec<Stream> {
    if !streams.iter().any(|stream| stream.measured) {
        streams.iter_mut().for_each(|stream| stream.measured = true);
    }
    streams
}

/// Mean service time in nanoseconds.
pub fn mean(time: ServiceTime) -> f64 {
    match time {
        ServiceTime::Constant { time } => time.nanos() as f64,
        ServiceTime::Uniform { min, max } => (min.nanos() as f64 + max.nanos() as f64) / 2.0,
        ServiceTime::Exponential { mean } => mean.nanos() as f64,
        ServiceTime::LogNormal { median, sigma } => {
            median.nanos() as f64 * (sigma * sigma / 2.0).exp()
        }
    }
}

impl Stream {
    fn of(load: &Load, serve: &Serve, plan: &Cell) -> Option<Self> {
        let Schedule::Open { shape, window, attempts } = &load.schedule else { return None };
        let waits = load.when_full == WhenFull::Wait && !plan.target.transport().is_tcp();
        if load.fast_open || load.vanish.is_some() || waits {
            return None;
        }
        let by_reset = load.close == Close::Rst;
        let replied = serve.reply != Reply::None || serve.close == Closer::Server;
        let (occupies, hold, patience) = match &load.client {
            Client::Connect { hold, .. } if serve.close == Closer::Client => {
                (Occupies::Held(hold.nanos()), Some(hold.nanos()), hold.nanos())
            }
            Client::Request { exchange, .. } if exchange.exchanges == 1 && replied => {
                (Occupies::Service, None, load.timeout.nanos())
            }
            // What more there is takes no part in it, unless the acceptor waits for it.
            Client::Request { .. } | Client::Churn { .. } | Client::Connect { .. }
                if !serve.serial =>
            {
                (Occupies::Service, None, load.timeout.nanos())
            }
            _ => return None,
        };
        Some(Self {
            shape: shape.clone(),
            window: *window,
            attempts: *attempts,
            start: load.start.nanos(),
            timeout: load.timeout.nanos(),
            patience: if by_reset { patience } else { u64::MAX },
            occupies,
            hold,
            measured: load.client.greets(),
            speaks: load.client.greets() || load.client.exchange().is_some(),
        })
    }

    /// After how long a client closes of its own accord; `None` where it waits for the target.
    pub fn closes(&self) -> Option<u64> {
        self.hold
    }

    /// How long a connection that is never accepted may go on: what its client's kernel has sent,
    /// it sends again long after the client is gone.
    pub fn lasts(&self) -> u64 {
        if self.patience == u64::MAX { u64::MAX } else { self.timeout }
    }

    /// When an attempt that began at `first` and is established at `at` is over, at the latest.
    pub fn end_of(&self, first: u64, at: u64) -> u64 {
        self.hold.map_or(first.saturating_add(self.timeout), |hold| at.saturating_add(hold))
    }
}
