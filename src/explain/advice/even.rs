//! Clients that come evenly to an acceptor that accepts evenly: nothing is left to chance, so that
//! the bound is that of the fluid (Cruz 1991: an arrival curve above a service curve).

use super::Demand;
use crate::explain::case::Case;
use crate::load::{Schedule, Shape};
use crate::scenario::plan::{AcceptPace, Client};

/// At most `rate * t + streams` clients come in any time `t`, and while the queue is not empty at
/// least `accepts * (t - paused_s) - acceptors` are taken in it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Even {
    rate: f64,
    attempts: f64,
    /// Each may have a client just then.
    streams: f64,
    /// Each may have its turn only after a period.
    acceptors: f64,
    paused_s: f64,
}

impl Even {
    /// Where arrivals and accepts are even, by plan. A group of listeners is left out: the kernel
    /// spreads clients over it by chance.
    pub fn of(case: &Case, demand: &Demand) -> Option<Self> {
        let serve = case.serve()?;
        let accepts = matches!(serve.accept, AcceptPace::Rate(_) | AcceptPace::Never);
        let loads = case.plan.loads.iter();
        let loads: Vec<_> =
            loads.filter(|load| !matches!(load.client, Client::HalfOpen { .. })).collect();
        let comes = |schedule: &Schedule| {
            matches!(schedule, Schedule::Open { shape: Shape::Constant { .. }, .. })
        };
        let even = loads.iter().all(|load| comes(&load.schedule));
        if !even || !accepts || serve.serial || case.cell.target.listeners > 1 {
            return None;
        }
        let stalls = serve.stalls.iter().map(|stall| stall.to.nanos() - stall.from.nanos());
        Some(Self {
            rate: demand.peak,
            attempts: demand.attempts,
            streams: loads.len() as f64,
            acceptors: f64::from(serve.acceptors.max(1)),
            paused_s: stalls.sum::<u64>() as f64 / 1e9,
        })
    }

    /// Time in which all have come, in seconds.
    fn spell_s(&self) -> f64 {
        (self.attempts - self.streams).max(0.0) / self.rate.max(1e-9)
    }

    /// Most that wait where so many are accepted a second.
    pub fn longest(&self, accepts: f64) -> f64 {
        let spell = self.spell_s();
        let at = if accepts >= self.rate { spell.min(self.paused_s) } else { spell };
        let come = (self.rate * at + self.streams).min(self.attempts);
        come - accepts * (at - self.paused_s).max(0.0) + self.acceptors
    }

    /// The accept rate at which no more than `places` wait; `None` where none would do.
    pub fn sufficient_rate(&self, places: f64) -> Option<f64> {
        if self.longest(self.rate) > places {
            return None;
        }
        let open = self.spell_s() - self.paused_s;
        let least = (self.attempts + self.acceptors - places).max(0.0);
        Some(if open > 0.0 { (least / open).min(self.rate) } else { 0.0 })
    }
}
