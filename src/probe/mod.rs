//! Experiments that find out how an operating system's queues behave, and write its backlog card.
//!
//! Each experiment opens a listener and a few clients on loopback, in a fresh namespace where there
//! is a lab, and notes what it saw; what follows from that is decided by pure functions (`infer`).

mod buffer;
mod client;
mod experiments;
mod ground;
mod infer;
mod known;
mod unix_place;

use std::time::Instant;

pub use ground::{Ground, Instruments, Site};

use crate::measure::card::{Card, Depth, Methods, SCHEMA_VERSION};
use crate::observe::environment;

/// What is wanted.
#[derive(Debug, Clone)]
pub struct Order {
    /// Values given to listen(2).
    pub backlogs: Vec<i32>,
    /// How thorough.
    pub depth: Depth,
    /// The command line, for the card.
    pub command_line: Vec<String>,
}

/// Whether this build may use portable methods only.
pub const METHODS: Methods =
    if cfg!(feature = "portable") { Methods::Portable } else { Methods::Native };

/// Makes every experiment on this ground. Calls `each` with what has just been tried and how many of
/// how many are done.
///
/// What takes long waits in threads of its own while the others are made.
pub fn run(ground: &Ground, order: &Order, each: &(dyn Fn(&str, usize, usize) + Sync)) -> Card {
    let begun = Instant::now();
    let experiments = experiments::all(ground, order, each);
    let environment = environment::read(order.command_line.clone());
    let mut card = Card {
        schema_version: SCHEMA_VERSION,
        loadgen_version: env!("CARGO_PKG_VERSION").to_owned(),
        system: system(&environment.kernel),
        environment,
        depth: order.depth,
        methods: METHODS,
        place: ground.place(),
        took_s: begun.elapsed().as_secs_f64(),
        experiments,
    };
    known::compare(&mut card);
    card
}

/// `Linux 6.18.5` of `Linux 6.18.5 #1 SMP ...`.
fn system(kernel: &str) -> String {
    kernel.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}
