//! The accept queue as the theory of queues sees it, beside what was measured.
//!
//! The arrivals are the very instants of the schedule, the acceptors keep the target's own pace,
//! and a SYN that finds no place comes again when the kernel sends it again. What is left out is
//! named ([`PredictionResult::assumptions`]).

mod agenda;
mod closed_form;
mod half_open;
mod listener;
mod model;
mod remembered;
mod retries;
mod simulation;

use closed_form::{Stationary, m_d_1, m_m_c};
pub use model::mean as mean_service;
use model::{Model, Occupies};
use retries::Wheel;
use simulation::{Flow, simulate};

use crate::measure::result::{CellResult, Class, FlowResult, LoadResult, PredictionResult, Status};
use crate::measure::{Metric, Outcome};
use crate::scenario::plan::{AcceptPace, Cell, ServiceTime};

/// What makes one run of a cell differ from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occasion {
    /// Seed of its draws.
    pub seed: u64,
    /// CLOCK_MONOTONIC at the start of its schedule, in nanoseconds.
    pub epoch: u64,
    /// Processors that clients and target share.
    pub cpus: u32,
}

/// Simulations of the same schedule, of which the mean is told.
const LUCKS: u64 = 3;
/// Simulations of other schedules, from which the spread is taken.
const OTHERS: u64 = 4;
/// More places than these take closed forms longer than simulations.
const MOST_PLACES: u64 = 2000;

/// What the theory predicts for a cell that was run as `cell_plan` wants, beside what was
/// measured; `None` where the model does not apply or the cell did not run to its end.
///
/// Takes up to some seconds for half a million attempts.
pub fn prediction(
    occasion: Occasion,
    cell_plan: &Cell,
    cell: &CellResult,
) -> Option<PredictionResult> {
    if cell.status != Status::Complete {
        return None;
    }
    let model = Model::of(cell_plan, cell, (Wheel::at(occasion.epoch), occasion.cpus))?;
    let lucks = (0..LUCKS).map(|luck| simulate(&model, occasion.seed, luck));
    let simulated = FlowResult::from(lucks.fold(Flow::default(), Flow::and));
    let other = |nth| FlowResult::from(simulate(&model, occasion.seed.wrapping_add(nth), 0));
    let spread = spread(simulated, (1..=OTHERS).map(other));
    let (method, predicted) = match closed_form(&model) {
        Some(flow) if is_finite(&flow) => ("closed_form", flow),
        _ => ("simulation", simulated),
    };
    Some(PredictionResult {
        method: method.to_owned(),
        model: described(&model),
        places: model.places.saturating_mul(model.listeners as u64),
        acceptors: (model.listeners * model.acceptors) as u32,
        arrival_rate: cell.loads.iter().map(|load| load.offered_rate).sum(),
        accept_rate: model.accept_rate().unwrap_or(0.0),
        predicted,
        spread,
        measured: measured(cell),
        assumptions: assumptions(&model),
    })
}

impl From<Flow> for FlowResult {
    fn from(flow: Flow) -> Self {
        Self { blocking: flow.blocking(), mean_wait_s: flow.mean_wait_s() }
    }
}

/// Whether a closed form found figures at all: under a load of hundreds it finds none.
fn is_finite(flow: &FlowResult) -> bool {
    flow.blocking.is_finite() && flow.mean_wait_s.is_none_or(f64::is_finite)
}

/// How far the others are from the one at most.
fn spread(one: FlowResult, others: impl Iterator<Item = FlowResult>) -> FlowResult {
    let wait = one.mean_wait_s.unwrap_or(0.0);
    let (mut blocking, mut most) = (0.0f64, 0.0f64);
    for other in others {
        blocking = blocking.max((other.blocking - one.blocking).abs());
        most = most.max((other.mean_wait_s.unwrap_or(0.0) - wait).abs());
    }
    FlowResult { blocking, mean_wait_s: one.mean_wait_s.map(|_| most) }
}

fn closed_form(model: &Model) -> Option<FlowResult> {
    let rate = model.stationary().filter(|_| model.places <= MOST_PLACES)?;
    let accepts = model.accept_rate().filter(|rate| *rate > 0.0)?;
    let acceptors = model.acceptors as u32;
    let one = rate / accepts * f64::from(acceptors);
    let (Stationary { blocking, wait }, service_s) = match (model.accept, model.serial) {
        (AcceptPace::Rate(_), false) if acceptors == 1 => {
            (m_d_1(rate / accepts, model.places), 1.0 / accepts)
        }
        (AcceptPace::Asap, true) => match model.service {
            ServiceTime::Constant { .. } if acceptors == 1 => {
                (m_d_1(rate / accepts, model.places), 1.0 / accepts)
            }
            ServiceTime::Exponential { .. } => {
                (m_m_c(one, acceptors, model.places), f64::from(acceptors) / accepts)
            }
            _ => return None,
        },
        _ => return None,
    };
    Some(FlowResult { blocking, mean_wait_s: Some(wait * service_s) })
}

/// What the cell's own evidence says of the same two figures.
fn measured(cell: &CellResult) -> FlowResult {
    let attempts: u64 = cell.loads.iter().map(|load| load.attempts).sum();
    let repeated: u64 = cell.loads.iter().map(|load| load.syn_retransmits).sum();
    let dropped = match &cell.classes {
        Some(classes) => {
            let full = classes.lost(Class::AcceptQueueFull).map_or(0, |lost| lost.count);
            full.saturating_add(classes.count(Class::NoPlace))
        }
        // The counter has dropped ACKs, too: no more SYNs were lost than clients know of.
        None => {
            let unanswered = |load: &LoadResult| load.outcomes.get(&Outcome::Timeout).copied();
            let given_up: u64 = cell.loads.iter().filter_map(unanswered).sum();
            let overflows = cell.counter("ListenOverflows").unwrap_or(0);
            overflows.min(repeated.saturating_add(given_up))
        }
    };
    let wait = cell.metric("target", Metric::QueueWait).filter(|one| one.summary.count > 0);
    FlowResult {
        blocking: dropped as f64 / attempts.saturating_add(repeated).max(1) as f64,
        mean_wait_s: wait.map(|one| one.summary.mean / 1e9),
    }
}

fn described(model: &Model) -> String {
    let mut text = model.notation();
    if model.listeners > 1 {
        text.push_str(&format!(" for each of {} listeners", model.listeners));
    }
    text.push_str(&format!(", {} of the places in the accept queue", model.places));
    if !model.stalls.is_empty() {
        text.push_str(", with the acceptors' stalls");
    }
    if model.retries.after(model.wheel, 0, 0).is_some() {
        text.push_str("; a SYN that finds none comes again when the kernel repeats it");
    }
    text
}

fn assumptions(model: &Model) -> Vec<String> {
    let mut all = vec![
        "A handshake takes no time, and SYNs are repeated in batches; with several CPUs a fifth of them a tick late.".to_owned(),
        "Accepting takes no time beyond the target's pace.".to_owned(),
    ];
    if model.retries.after(model.wheel, 0, 0).is_some() {
        all.push("The kernel's timers tick 250 times a second.".to_owned());
    }
    if model.listeners > 1 {
        all.push("The kernel spreads clients evenly over the listeners.".to_owned());
    }
    if model.serial && model.streams.iter().any(|one| one.occupies == Occupies::Service) {
        all.push("A client sends its request and closes without delay.".to_owned());
    }
    all
}

#[cfg(test)]
pub mod tests;
