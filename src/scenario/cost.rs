//! What a plan will take: attempts, sockets, ports, time, memory; and whether there is enough.
//!
//! Two kinds of figures: what is *certain* if the target answers, and the *worst case* in which
//! every attempt takes as long as its timeouts allow. Only a certain shortage is an error.

use std::time::Duration;

use super::engines::{RESERVED, engines, is_movable};
use super::plan::{Cell, Client, EngineChoice, Link, Load, Plan, Target};
use super::validate::{latest_end, longest_attempt};
use crate::load::{Schedule, Shape};
use crate::units::Ports;

/// Kernel memory of an idle TCP socket on Linux, in bytes (measured: 3.9 KB).
pub const SOCKET_BYTES: u64 = 4096;
/// How long a closed connection keeps its port (Linux: `TCP_TIMEWAIT_LEN`).
const TIME_WAIT: Duration = Duration::from_secs(60);
/// The same on loopback with `tcp_tw_reuse=2`.
const TIME_WAIT_REUSED: Duration = Duration::from_secs(1);

/// What a cell or plan takes.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Cost {
    /// Attempts; `None` where a closed loop starts as many as the target lets through.
    pub attempts: Option<u64>,
    /// Sockets open at once at the clients if the target answers.
    pub certain_sockets: u64,
    /// Sockets open at once at the clients if every attempt takes as long as it may.
    pub peak_sockets: u64,
    /// Local ports that connections certainly have at once, and in the worst case, over all source
    /// addresses but those of half-open clients.
    pub ports_in_use: (u64, u64),
    /// Local ports taken at once (in use, or in TIME_WAIT for 60 s), over all source addresses,
    /// if every attempt takes as long as it may.
    pub source_ports: u64,
    /// Longest time, in seconds, from the first attempt to the end of the last.
    pub seconds: f64,
    /// Kernel memory of the sockets in the worst case, in bytes; both ends on one host.
    pub memory_bytes: u64,
}

/// What there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Means {
    /// Descriptors that one process may open.
    pub descriptors: u64,
    /// First and last local port (`net.ipv4.ip_local_port_range`).
    pub ephemeral_ports: (u16, u16),
    /// Memory that can be had, in bytes.
    pub memory_bytes: u64,
    /// Whether TIME_WAIT ports towards loopback are reused after a second (`tcp_tw_reuse=2`).
    pub tw_reuse_loopback: bool,
}

/// What a machine may have too little of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scarce {
    /// File descriptors of a process.
    Descriptors,
    /// Local ports of the clients' addresses.
    Ports,
    /// Memory of the kernel.
    Memory,
}

/// Something that there is not enough of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortage {
    /// Of what.
    pub of: Scarce,
    /// Whether it falls short even if the target answers at once; otherwise only in the worst
    /// case.
    pub certain: bool,
    /// What, with the arithmetic.
    pub title: String,
    /// What would help.
    pub help: String,
}

/// What a cell takes. Ports are counted without reuse of TIME_WAIT.
pub fn cost_of_cell(cell: &Cell) -> Cost {
    let mut cost = Cost { attempts: Some(0), ..Cost::default() };
    for load in &cell.loads {
        let attempts = attempts(&load.schedule);
        cost.attempts = cost.attempts.zip(attempts).map(|(a, b)| a.saturating_add(b));
        let (certain, peak) = (certain_sockets(load), peak_sockets(load));
        cost.peak_sockets = cost.peak_sockets.saturating_add(peak);
        cost.certain_sockets = cost.certain_sockets.saturating_add(certain);
        if has_ports(cell) && !matches!(load.client, Client::HalfOpen { .. }) {
            let (least, most) = cost.ports_in_use;
            cost.ports_in_use = (least.saturating_add(certain), most.saturating_add(peak));
            let ports = peak.saturating_add(time_wait(cell, load, TIME_WAIT));
            cost.source_ports = cost.source_ports.saturating_add(ports);
        }
        cost.seconds = cost.seconds.max(latest_end(load).as_secs_f64());
    }
    cost.memory_bytes = cost.peak_sockets.saturating_mul(SOCKET_BYTES * ends(cell));
    cost
}

/// What a plan takes: cells run one after the other.
pub fn cost_of_plan(plan: &Plan) -> Cost {
    let mut total = Cost { attempts: Some(0), ..Cost::default() };
    for cost in plan.cells.iter().map(cost_of_cell) {
        total.attempts = total.attempts.zip(cost.attempts).map(|(a, b)| a.saturating_add(b));
        total.certain_sockets = total.certain_sockets.max(cost.certain_sockets);
        total.peak_sockets = total.peak_sockets.max(cost.peak_sockets);
        total.source_ports = total.source_ports.max(cost.source_ports);
        total.seconds += cost.seconds;
        total.memory_bytes = total.memory_bytes.max(cost.memory_bytes);
    }
    total
}

/// Whether connections take local ports.
fn has_ports(cell: &Cell) -> bool {
    cell.target.transport().is_tcp()
}

/// Sockets on this host for each connection.
fn ends(cell: &Cell) -> u64 {
    match &cell.target {
        Target::Own { command: Some(_), .. } | Target::Receiver { command: Some(_), .. } => 1,
        _ => 2,
    }
}

/// How long a connection is kept for certain.
fn held(client: &Client) -> Duration {
    match client {
        Client::Connect { hold, .. } | Client::HalfOpen { hold } => hold.get(),
        Client::Hold { until, .. } => until.get(),
        // Its sockets are counted by themselves.
        Client::Datagram { .. } => Duration::ZERO,
        Client::Request { .. } | Client::Churn { .. } => {
            client.exchange().map_or(Duration::ZERO, |exchange| {
                exchange.think.get().saturating_mul(exchange.exchanges - 1)
            })
        }
    }
}

/// Sockets of a load that are open at once if the target answers.
pub fn certain_sockets(load: &Load) -> u64 {
    if let Client::Datagram { datagrams } = &load.client {
        return u64::from(datagrams.streams);
    }
    in_flight(&load.schedule, held(&load.client))
}

/// The same if every attempt takes as long as it may.
fn peak_sockets(load: &Load) -> u64 {
    if let Client::Datagram { datagrams } = &load.client {
        return u64::from(datagrams.streams);
    }
    in_flight(&load.schedule, longest_attempt(&load.client, load.timeout))
}

/// Descriptors of the runner that the clients certainly need at once, and in the worst case:
/// connections that are only kept need none where io_uring or further processes keep them.
fn descriptors_needed(cell: &Cell, usable: u64) -> (u64, u64) {
    let engines = engines(&cell.loads, usable);
    let needs = cell.loads.iter().zip(engines).map(|(load, engine)| {
        let (certain, peak) = (certain_sockets(load), peak_sockets(load));
        match engine {
            EngineChoice::IoUring if is_movable(load) => (0, peak.saturating_sub(certain)),
            EngineChoice::Processes => (0, 0),
            _ => (certain, peak),
        }
    });
    needs.fold((0, 0), |(least, most), (certain, peak)| {
        (least.saturating_add(certain), u64::saturating_add(most, peak))
    })
}

/// Attempts that the schedule wants.
fn attempts(schedule: &Schedule) -> Option<u64> {
    match schedule {
        Schedule::Open { shape, window, attempts } => {
            let of_shape = within(shape, window.get(), window.get());
            Some(attempts.map_or(of_shape, |most| most.min(of_shape)))
        }
        Schedule::Closed { attempts, .. } => *attempts,
    }
}

/// Most attempts under way at once if each takes `each`.
fn in_flight(schedule: &Schedule, each: Duration) -> u64 {
    match schedule {
        Schedule::Open { shape, window, attempts } => {
            let most = within(shape, window.get(), each.min(window.get()));
            attempts.map_or(most, |all| most.min(all))
        }
        Schedule::Closed { clients, attempts, .. } => {
            attempts.map_or(u64::from(*clients), |all| all.min(u64::from(*clients)))
        }
    }
}

/// Most arrivals in any `part` of the `window`.
fn within(shape: &Shape, window: Duration, part: Duration) -> u64 {
    let (whole, part_s) = (part >= window, part.as_secs_f64());
    let arrivals = match shape {
        Shape::Constant { rate } | Shape::Poisson { rate } => rate.per_second() * part_s,
        Shape::Ramp { from, to } if whole => (from.per_second() + to.per_second()) / 2.0 * part_s,
        Shape::Ramp { from, to } => from.per_second().max(to.per_second()) * part_s,
        Shape::Step { stages } if whole => {
            stages.iter().map(|s| s.rate.per_second() * s.span.get().as_secs_f64()).sum()
        }
        Shape::Step { stages } => {
            stages.iter().map(|s| s.rate.per_second()).fold(0.0, f64::max) * part_s
        }
        Shape::Burst { size, every } => {
            let bursts = (part_s / every.get().as_secs_f64()).ceil().max(1.0);
            *size as f64 * bursts
        }
    };
    arrivals.ceil() as u64
}

/// Ports that closed connections keep, at most, each for `each`.
fn time_wait(cell: &Cell, load: &Load, each: Duration) -> u64 {
    if !load.closes_first(&cell.target) {
        return 0;
    }
    match &load.schedule {
        Schedule::Closed { attempts, .. } => attempts.unwrap_or(0),
        open => in_flight(open, each),
    }
}

/// What the cell would fall short of.
pub fn preflight(cell: &Cell, means: &Means) -> Vec<Shortage> {
    [descriptors(cell, means), ports(cell, means), memory(cell, means)]
        .into_iter()
        .flatten()
        .collect()
}

fn descriptors(cell: &Cell, means: &Means) -> Option<Shortage> {
    let usable = means.descriptors.saturating_sub(RESERVED);
    let (least, most) = descriptors_needed(cell, usable);
    let certain = least > usable;
    (most > usable).then(|| Shortage {
        of: Scarce::Descriptors,
        certain,
        title: match certain {
            true => format!(
                "{least} connections are held at once, and a process may open {} descriptors",
                means.descriptors
            ),
            false => format!(
                "if every attempt runs into its timeout, {most} are under way at once, and a \
                 process may open {} descriptors",
                means.descriptors
            ),
        },
        help:
            "raise the limit (ulimit -n), write engine = \"io_uring\" or \"processes\" in the load, \
             or lower rate, hold or timeout"
                .to_owned(),
    })
}

/// Ports that are in use at once, or that TIME_WAIT keeps. Only those certainly in use are a
/// certain shortage: how many TIME_WAIT keeps depends on how fast attempts really end.
fn ports(cell: &Cell, means: &Means) -> Option<Shortage> {
    if !has_ports(cell) {
        return None;
    }
    let each = ports_of_a_source(cell, means);
    let usable = each * u64::from(cell.lab.sources);
    let reused = means.tw_reuse_loopback && on_loopback(cell);
    let kept = if reused { TIME_WAIT_REUSED } else { TIME_WAIT };
    let waiting: u64 = cell.loads.iter().map(|load| time_wait(cell, load, kept)).sum();
    let (least, most) = cost_of_cell(cell).ports_in_use;
    let certain = least > usable;
    let in_use = if certain { least } else { most };
    let needed = in_use.saturating_add(if certain { 0 } else { waiting });
    if needed <= usable && least <= usable / 2 {
        return None;
    }
    let have = format!("{} source address(es) x {each} ports are {usable}", cell.lab.sources);
    Some(Shortage {
        of: Scarce::Ports,
        certain,
        title: match (needed > usable, certain) {
            (true, _) => format!(
                "{needed} local ports {} at once ({in_use} in use, {} in TIME_WAIT for {} s), and \
                 {have}: attempts beyond end as no_port",
                if certain { "are needed" } else { "may be needed" },
                needed - in_use,
                kept.as_secs(),
            ),
            (false, _) => format!(
                "{least} of the local ports are held at once, and {have}: with more than half of \
                 them taken, connect() searches up to 20 times as long for a free one"
            ),
        },
        help: format!(
            "write sources = {} under [lab], or close = \"rst\" in the load, or lower rate or \
             duration",
            needed.max(least.saturating_mul(3)).div_ceil(each).min(4096)
        ),
    })
}

/// Local ports that each source address has: the least over the loads.
fn ports_of_a_source(cell: &Cell, means: &Means) -> u64 {
    let (first, last) = means.ephemeral_ports;
    let all = u64::from(last.saturating_sub(first)) + 1;
    let least = cell.loads.iter().filter_map(|load| load.ports).map(Ports::count).min();
    least.map_or(all, |least| least.min(all))
}

fn memory(cell: &Cell, means: &Means) -> Option<Shortage> {
    let cost = cost_of_cell(cell);
    let sure = cost.certain_sockets.saturating_mul(SOCKET_BYTES * ends(cell));
    let certain = sure > means.memory_bytes;
    let (sockets, bytes) = match certain {
        true => (cost.certain_sockets, sure),
        false => (cost.peak_sockets, cost.memory_bytes),
    };
    (bytes > means.memory_bytes).then(|| Shortage {
        of: Scarce::Memory,
        certain,
        title: format!(
            "{sockets} connections {} at once, x {} sockets on this host x 4 KiB are {} MiB of \
             kernel memory, and {} MiB can be had",
            if certain { "are held" } else { "may be open" },
            ends(cell),
            bytes >> 20,
            means.memory_bytes >> 20
        ),
        help: "lower rate, hold or timeout, or free memory".to_owned(),
    })
}

fn on_loopback(cell: &Cell) -> bool {
    let local = |address: &str| {
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        host == "localhost" || host == "[::1]" || host.starts_with("127.")
    };
    match &cell.target {
        Target::Own { address: None, .. } | Target::Receiver { address: None, .. } => {
            cell.lab.link == Link::Loopback
        }
        Target::Own { address: Some(address), .. }
        | Target::Receiver { address: Some(address), .. }
        | Target::External { address, .. } => local(address),
    }
}
