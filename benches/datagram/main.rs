//! What a ledger of datagrams costs: our sender and receiving end beside bare loops of
//! sendmmsg(2) and recvmmsg(2).
//!
//! `cargo bench --bench datagram [-- --quick]`. Sender and receiver are threads, each pinned to a CPU
//! of its own; 64 bytes a datagram, over loopback. Rounds are interleaved, and each is compared with
//! the bare loop of its own round, so that a noisy neighbour troubles both sides of a ratio. The
//! figure is datagrams *delivered* for each second of CPU time, of both sides together.

mod bare;
#[path = "../connect/cost.rs"]
#[allow(dead_code, reason = "what this benchmark has no use for")]
mod cost;
mod ours;
mod receiver;
mod table;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;

use receiver::Receiver;
use table::Round;

/// Bytes of each datagram.
const SIZE: u16 = 64;
/// Datagrams that the bare loop gives to one call.
const BATCH: usize = 32;

/// What one run of a loop took.
#[derive(Debug, Clone, Copy)]
pub struct Ran {
    /// Datagrams that the sender's kernel took.
    pub sent: u64,
    /// Datagrams that the receiver read.
    pub delivered: u64,
    /// CPU time of both sides, in seconds.
    pub cpu_s: f64,
}

impl Ran {
    /// Datagrams delivered for a second of CPU time.
    pub fn per_cpu_second(&self) -> f64 {
        self.delivered as f64 / self.cpu_s
    }
}

fn main() -> ExitCode {
    let quick = std::env::args().any(|argument| argument == "--quick");
    match run(if quick { 7 } else { 21 }, Duration::from_millis(if quick { 200 } else { 500 })) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the benchmark cannot run: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(rounds: usize, slice: Duration) -> anyhow::Result<()> {
    let cpus = cost::Cpus::choose().context("choosing CPUs")?;
    table::heading(rounds, slice, &cpus);
    let sender = |time: Duration| -> anyhow::Result<Round> {
        let measure = |kind: Receiver, send: &dyn Fn(&_, Duration) -> anyhow::Result<u64>| {
            receiver::measure(kind, &cpus, |address| send(address, time))
        };
        Ok(Round {
            bare: measure(Receiver::Bare, &|address, time| bare::send(address, time))?,
            ours: measure(Receiver::Target, &|address, time| ours::send(address, time, None))?,
            bulk: measure(Receiver::Bulk, &|address, time| ours::bulk(address, time))?,
            sender: measure(Receiver::Bare, &|address, time| ours::send(address, time, None))?,
        })
    };
    // The first of each warms caches, pages and branch predictors up.
    sender(slice / 2)?;
    let rounds = (0..rounds).map(|_| sender(slice)).collect::<anyhow::Result<Vec<_>>>()?;
    table::rounds(&rounds);
    Ok(())
}
