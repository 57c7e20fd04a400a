//! Experiments that find out how an operating system's queues behave, and write its backlog card.
//!
//! Each experiment opens a listener and a few clients on loopback, in a fresh namespace where there
//! is a lab, and notes what it saw; what follows from that is decided by pure functions (`infer`).

mod buffer;
mod client;
mod crowd;
mod experiments;
mod ground;
mod infer;
mod known;
mod unix_place;
mod waiting;

use std::sync::Arc;
use std::time::Instant;

pub use ground::{Ground, Instruments, Site};

use crate::measure::card::{Card, Depth, Methods, SCHEMA_VERSION};
use crate::measure::result::{Environment, Status};
use crate::observe::environment;

/// What is wanted.
#[derive(Debug, Clone)]
pub struct Order {
    /// Values given to listen(2).
    pub backlogs: Vec<i32>,
    /// How thorough.
    pub depth: Depth,
    /// Where it is made, as it was before the lab was entered.
    pub environment: Environment,
}

/// How far the experiments are.
#[derive(Debug)]
pub struct Moment<'m> {
    /// What has just ended.
    pub name: &'static str,
    /// How many of [`Moment::all`] have ended.
    pub done: usize,
    /// How many there are.
    pub all: usize,
    /// What is still under way.
    pub left: &'m [&'static str],
    /// The card so far.
    pub card: &'m Card,
}

/// Whether this build may use portable methods only.
pub const METHODS: Methods =
    if cfg!(feature = "portable") { Methods::Portable } else { Methods::Native };

/// Makes every experiment on this ground; calls `each` whenever some have ended. As soon as `stop`
/// says so, what is under way is left to itself, and the card is partial.
pub fn run(
    ground: Ground,
    order: Order,
    stop: &dyn Fn() -> bool,
    each: &mut dyn FnMut(&Moment),
) -> Card {
    let begun = Instant::now();
    let mut card = blank(&ground, &order);
    let mut under_way = experiments::begin(&Arc::new(ground), &Arc::new(order));
    while let Some(name) = under_way.next(stop) {
        card.took_s = begun.elapsed().as_secs_f64();
        card.experiments = under_way.made();
        card.status = under_way.status();
        known::compare(&mut card);
        let (done, all, left) = under_way.progress();
        each(&Moment { name, done, all, left: &left, card: &card });
    }
    card.took_s = begun.elapsed().as_secs_f64();
    card.status = under_way.status();
    card
}

/// A card without experiments.
pub fn blank(ground: &Ground, order: &Order) -> Card {
    let mut environment = order.environment.clone();
    if matches!(ground, Ground::Lab(_)) {
        environment.sysctl = environment::settings_here();
    }
    Card {
        schema_version: SCHEMA_VERSION,
        loadgen_version: env!("CARGO_PKG_VERSION").to_owned(),
        system: system(&environment.kernel),
        environment,
        status: Status::Partial { reason: "nothing was tried yet".to_owned() },
        depth: order.depth,
        methods: METHODS,
        place: ground.place(),
        took_s: 0.0,
        experiments: Vec::new(),
    }
}

/// `Linux 6.18.5` of `Linux 6.18.5 #1 SMP ...`.
pub fn system(kernel: &str) -> String {
    kernel.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}
