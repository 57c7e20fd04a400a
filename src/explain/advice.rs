//! What an accept queue would have needed: the accept rate, or the backlog, that suffices.

mod even;

use self::even::Even;
use super::case::{Case, percent, rate, seconds};
use crate::load::{Schedule, Shape};
use crate::measure::Metric;
use crate::scenario::plan::{AcceptPace, Client, Load};
use crate::units::thousands;

/// In so many runs of one the queue may overflow nevertheless.
const RISK: f64 = 0.01;
/// Standard deviations that cover all but a thousandth of a normal distribution's upper end.
const NEARLY_ALL: f64 = 3.0;
/// An accept rate so many times that of the arrivals is no advice.
const MOST: f64 = 10.0;

/// What suffices, in a run like the one measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Advice {
    /// Accepts a second; `None` where none would do.
    pub rate: Option<f64>,
    /// Backlog of each listener; `None` where none longer than the present one is needed.
    pub backlog: Option<u64>,
    /// Where no rate would do for certain: one, and in which share of runs the queue may overflow
    /// with it all the same.
    pub risky: Option<(f64, f64)>,
    assumed: String,
}

/// What clients ask of a queue.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Demand {
    /// Attempts a second when they are most.
    peak: f64,
    /// Attempts in all.
    attempts: f64,
    /// Most that come at one instant, by plan.
    burst: f64,
    /// How late the generator was at most, in seconds: so long arrivals may come at once.
    late_s: f64,
}

/// What would have sufficed, where the schedules say how clients come.
pub fn advice(case: &Case) -> Option<Advice> {
    let demand = Demand::of(case)?;
    let listeners = f64::from(case.cell.target.listeners.max(1));
    let places = f64::from(case.cell.target.backlog_effective?) + 1.0;
    let capacity = capacity(case)?;
    // What the generator was late, an acceptor of the same machine may be late, too.
    let late = demand.peak * demand.late_s * 2.0;
    let bunch = demand.burst + late.min(places * listeners / 2.0);
    let even = Even::of(case, &demand);
    let open = places - bunch / listeners;
    let free = open - stalled(case, demand.peak / listeners);
    let rate = match &even {
        Some(even) => even.sufficient_rate(open),
        None => sufficient_rate(&demand, free),
    };
    if rate.is_some_and(|rate| rate <= capacity) {
        // It has what it needs: something else filled the queue.
        return None;
    }
    let needed = match &even {
        Some(even) => even.longest(capacity),
        None => needed_places(case, &demand, capacity, listeners),
    };
    let needed = needed + bunch / listeners;
    // A queue for all of them always suffices.
    let needed = needed.min(demand.attempts);
    let backlog = Some(needed.ceil() as u64).filter(|needed| *needed as f64 > places);
    if rate.is_none() && backlog.is_none() {
        return None;
    }
    let risky = (rate.is_none() && even.is_none()).then(|| risky(&demand, free)).flatten();
    Some(Advice { rate, backlog, risky, assumed: demand.assumed(even.is_some()) })
}

/// The highest rate that is still advice, and in which share of runs the queue may overflow with it;
/// `None` where that cannot be told to be less than all of them.
fn risky(demand: &Demand, places: f64) -> Option<(f64, f64)> {
    let risk = demand.attempts * (-lundberg(1.0 / MOST) * places).exp();
    (places >= 1.0 && risk < 1.0).then_some((demand.peak * MOST, risk))
}

impl Advice {
    /// As sentences, with what is assumed.
    pub fn told(&self, case: &Case) -> String {
        let accepts =
            self.rate.map(|needed| format!("an accept rate of at least {}", rate(needed)));
        let most = case.setting("net.core.somaxconn").and_then(|most| u64::try_from(most).ok());
        let backlog = self.backlog.map(|needed| {
            let raise = match most.filter(|most| *most < needed) {
                Some(most) => format!(" (net.core.somaxconn, {most} here, must be raised too)"),
                None => String::new(),
            };
            format!("a backlog of at least {}{raise}", thousands(needed))
        });
        let both: Vec<_> = accepts.into_iter().chain(backlog).collect();
        let what = both.join(", or ");
        let none = match (self.rate, self.risky) {
            (Some(_), _) => String::new(),
            (None, Some((highest, risk))) => format!(
                " No accept rate would do for certain: at {}, {MOST:.0} times that of the arrivals, \
                 the queue may overflow in {} of such runs.",
                rate(highest),
                percent(risk)
            ),
            (None, None) => {
                " No accept rate would do: what comes at once, or while nothing is accepted, can \
                 fill the queue by itself."
                    .to_owned()
            }
        };
        format!("What would have sufficed: {what}.{none} {}", self.assumed)
    }
}

impl Demand {
    fn of(case: &Case) -> Option<Self> {
        // Half-open clients never come into the accept queue.
        let loads = case.plan.loads.iter().zip(&case.cell.loads);
        let loads: Vec<_> =
            loads.filter(|(load, _)| !matches!(load.client, Client::HalfOpen { .. })).collect();
        let mut demand = Self { peak: 0.0, attempts: 0.0, burst: 0.0, late_s: 0.0 };
        for (load, result) in &loads {
            let (peak, burst) = peak(load)?;
            demand.peak += peak;
            demand.burst += burst;
            demand.attempts += result.offered as f64;
            let lag = case.cell.metric(&load.name, Metric::Lag);
            demand.late_s = demand.late_s.max(lag.map_or(0.0, |lag| lag.summary.max as f64 / 1e9));
        }
        (demand.attempts >= 1.0).then_some(demand)
    }

    fn assumed(&self, even: bool) -> String {
        let clients = format!("{} clients come", thousands(self.attempts as u64));
        let (peak, late) = (rate(self.peak), seconds(self.late_s));
        if even {
            return format!(
                "Assumed: {clients} evenly, at most {peak}, and accepts are evenly spaced, as the \
                 scenario wants both; the generator and the acceptor are at most {late} late. Then \
                 the queue does not overflow."
            );
        }
        let bursts = match self.burst {
            0.0 => String::new(),
            burst => format!(", {burst:.0} at once"),
        };
        format!(
            "Assumed: {clients} as if independently of each other (Poisson), at most {peak}{bursts}; \
             accepts are evenly spaced; the generator and the acceptor are at most {late} late. Then \
             the queue overflows in less than one of {:.0} runs like this one.",
            1.0 / RISK
        )
    }
}

/// The highest rate of a load, and how many come at once by plan; `None` for a closed loop.
fn peak(load: &Load) -> Option<(f64, f64)> {
    let Schedule::Open { shape, .. } = &load.schedule else { return None };
    Some(match shape {
        Shape::Constant { rate } | Shape::Poisson { rate } => (rate.per_second(), 0.0),
        Shape::Ramp { from, to } => (from.per_second().max(to.per_second()), 0.0),
        Shape::Step { stages } => {
            (stages.iter().map(|stage| stage.rate.per_second()).fold(0.0, f64::max), 0.0)
        }
        Shape::Burst { size, every } => {
            (*size as f64 / every.get().as_secs_f64().max(1e-9), *size as f64)
        }
    })
}

/// Accepts a second that the target can make: what it was told, else what it made while it could
/// not keep up.
fn capacity(case: &Case) -> Option<f64> {
    if let Some(serve) = case.serve() {
        match serve.accept {
            AcceptPace::Rate(rate) if !serve.serial => return Some(rate.per_second()),
            AcceptPace::Never => return Some(0.0),
            _ => {}
        }
    }
    let full = |share: Option<f64>| share.is_some_and(|share| share > 0.5);
    let interval_s = case.cell.timeline.interval_s;
    let intervals = case.cell.timeline.target.iter().enumerate();
    let intervals = intervals.filter(|(index, seen)| {
        full(seen.accept_queue_full) && paused(case, *index as f64 * interval_s, interval_s) == 0.0
    });
    let accepted: Vec<u64> = intervals.filter_map(|(_, seen)| seen.accepted).collect();
    let time = accepted.len() as f64 * interval_s;
    // An acceptor that takes whatever comes was never seen at its limit: it took so many at least.
    if time == 0.0 && case.serve().is_some_and(|serve| !serve.serial) {
        let best = case.cell.timeline.target.iter().filter_map(|seen| seen.accepted).max()?;
        return (best > 0).then(|| best as f64 / interval_s.max(1e-9));
    }
    (time > 0.0).then(|| accepted.iter().sum::<u64>() as f64 / time)
}

/// For how many seconds of a time span nothing is accepted, by plan.
fn paused(case: &Case, from: f64, length: f64) -> f64 {
    let stalls = case.serve().map_or(&[][..], |serve| &serve.stalls);
    let inside = stalls.iter().map(|stall| {
        let ends = (stall.from.nanos() as f64 / 1e9, stall.to.nanos() as f64 / 1e9);
        ((from + length).min(ends.1) - from.max(ends.0)).max(0.0)
    });
    inside.sum()
}

/// Connections that come within the longest stall and have to wait for its end.
fn stalled(case: &Case, peak: f64) -> f64 {
    let stalls = case.serve().map_or(&[][..], |serve| &serve.stalls);
    let length = |stall: &crate::scenario::plan::Window| stall.to.nanos() - stall.from.nanos();
    let come = stalls.iter().map(length).max().unwrap_or(0) as f64 / 1e9 * peak;
    come + NEARLY_ALL * come.sqrt()
}

/// The accept rate at which a queue of so many places does not overflow.
///
/// What waits is a random walk that goes up by an accept's time with each arrival and down with
/// time. It rises above `k` accepts at one arrival with a probability of at most `exp(-x k)`, where
/// `exp(x) = 1 + x / r` and `r` is the ratio of arrivals to accepts (Lundberg's inequality; Kingman
/// 1964). Over `n` arrivals `n exp(-x k) = RISK` gives `x`, and `x` gives `r`.
fn sufficient_rate(demand: &Demand, places: f64) -> Option<f64> {
    if places < 1.0 {
        return None;
    }
    let x = (demand.attempts / RISK).ln() / places;
    let ratio = x.exp_m1() / x;
    (ratio <= MOST).then_some(demand.peak * ratio)
}

/// Places that each listener needs at the accept rate that it has.
fn needed_places(case: &Case, demand: &Demand, capacity: f64, listeners: f64) -> f64 {
    let ratio = demand.peak / capacity.max(1e-9);
    let stalls = case.serve().is_some_and(|serve| !serve.stalls.is_empty());
    if ratio < 0.99 && !stalls {
        return (demand.attempts / RISK).ln() / lundberg(ratio);
    }
    let (surplus, spell) = surplus(case, capacity);
    surplus / listeners + NEARLY_ALL * (spell / listeners).sqrt()
}

/// The `x` above 0 with `exp(x) = 1 + x / ratio`, for a ratio below 1.
fn lundberg(ratio: f64) -> f64 {
    let (mut low, mut high) = (0.0, 50.0);
    for _ in 0..60 {
        let middle: f64 = (low + high) / 2.0;
        // exp(x) - 1 grows faster than x / ratio beyond the root.
        if middle.exp_m1() > middle / ratio { high = middle } else { low = middle }
    }
    high
}

/// The fluid bound: most arrivals, interval by interval, that accepts leave over, and the arrivals
/// of the spell in which that comes about.
fn surplus(case: &Case, capacity: f64) -> (f64, f64) {
    let timeline = &case.cell.timeline;
    let longest = timeline.loads.iter().map(|series| series.intervals.len()).max().unwrap_or(0);
    let (mut level, mut spell, mut most) = (0.0f64, 0.0, (0.0, 0.0));
    for index in 0..longest {
        let came: u64 =
            timeline.loads.iter().filter_map(|l| l.intervals.get(index)).map(|i| i.attempts).sum();
        let from = index as f64 * timeline.interval_s;
        let open = (timeline.interval_s - paused(case, from, timeline.interval_s)).max(0.0);
        level += came as f64;
        spell += came as f64;
        // Before the accepts of the interval: they may come at its end.
        if level > most.0 {
            most = (level, spell);
        }
        level -= capacity * open;
        if level <= 0.0 {
            (level, spell) = (0.0, 0.0);
        }
    }
    most
}

#[cfg(test)]
#[path = "advice/tests.rs"]
mod tests;
