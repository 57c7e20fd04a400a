//! The experiments: one file a question.

mod accept_queue;
mod groups;
mod handshake;
mod listeners;
mod overflow;
mod ports;
mod running;
mod syn_queue;
mod syn_retries;
mod synack_retries;
mod time_wait;
mod udp;
mod unix;

use std::sync::Arc;
use std::time::Instant;

use running::Running;

use super::{Ground, Order};
use crate::measure::card::{Experiment, Family, Missing};

/// One file's experiments.
struct Task {
    /// For progress.
    name: &'static str,
    /// Whether most of its time is waiting, so that it is made beside the others.
    waits: bool,
    run: fn(&Ground, &Order) -> Vec<Experiment>,
}

const TASKS: &[Task] = &[
    Task { name: "accept queue", waits: false, run: accept_queue::experiments },
    Task { name: "overflow", waits: true, run: overflow::experiments },
    Task { name: "listeners", waits: true, run: listeners::experiments },
    Task { name: "listener groups", waits: true, run: groups::experiments },
    Task { name: "handshake", waits: false, run: handshake::experiments },
    Task { name: "SYN retries", waits: true, run: syn_retries::experiments },
    Task { name: "SYN-ACK retries", waits: true, run: synack_retries::experiments },
    Task { name: "SYN queue", waits: false, run: syn_queue::experiments },
    Task { name: "TIME_WAIT", waits: true, run: time_wait::experiments },
    Task { name: "ports", waits: false, run: ports::experiments },
    Task { name: "UDP", waits: false, run: udp::experiments },
    Task { name: "AF_UNIX", waits: false, run: unix::experiments },
];

/// Starts all of them.
pub fn begin(ground: &Arc<Ground>, order: &Arc<Order>) -> Running {
    Running::begin(TASKS, ground, order)
}

/// Makes one experiment: `work` adds what it saw, and what it could not see is noted as missing.
fn tried(
    mut experiment: Experiment,
    work: impl FnOnce(&mut Experiment) -> Result<(), Missing>,
) -> Experiment {
    let begun = Instant::now();
    if let Err(missing) = work(&mut experiment) {
        experiment.missing.push(missing);
    }
    experiment.took_s = begun.elapsed().as_secs_f64();
    experiment
}

/// Both families of addresses.
const FAMILIES: [Family; 2] = [Family::Ipv4, Family::Ipv6];
