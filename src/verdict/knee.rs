//! The search for a knee: which value to try next, from what came of those before. Pure.
//!
//! Values are tried on a logarithmic scale: from the first one outwards by doublings, until one
//! holds and one breaks; then halfway between the two, until they are close; then both again, until
//! each was tried often enough. A value that once held and once broke counts as broken, so that the
//! lower edge is one that held each time.

mod absent;
mod surplus;
mod trial;
mod words;

use crate::measure::result::Direction;

pub use absent::{Absent, absent};
pub use surplus::{SURPLUS, hidden_surplus};
pub use trial::Trial;
pub use words::{conclude, verdict};

/// The next doubling, or halving.
const STEP: f64 = 2.0;
/// So many doublings are tried in the less likely direction while the direction is not known.
const DOUBTS: usize = 3;
/// A run that cannot tell is repeated once: a machine may be busy for a moment.
const PATIENCE: usize = 2;

/// What is searched for, and how far the search may go.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// The first value, above 0.
    pub from: f64,
    /// The lowest value, above 0.
    pub least: f64,
    /// The highest value.
    pub most: f64,
    /// Whether values are whole numbers.
    pub whole: bool,
    /// Largest relative distance of the two edges, such as 0.02.
    pub within: f64,
    /// How often each edge is tried.
    pub repeats: usize,
    /// No more runs than these.
    pub most_runs: usize,
    /// Which values break the limit, if that is known.
    pub known: Option<Direction>,
    /// Which values probably do.
    pub guess: Direction,
}

/// What came of one value: whether each run of it held, or could not tell.
#[derive(Debug, Clone, PartialEq)]
pub struct Tried {
    /// The value.
    pub value: f64,
    /// Its runs, in their order.
    pub runs: Vec<Option<bool>>,
}

/// What is known of one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Every run that could tell held.
    Holds,
    /// Every run that could tell broke the limit.
    Breaks,
    /// Some held, some did not.
    Mixed,
    /// No run could tell.
    Unclear,
}

impl Tried {
    /// Runs that held, and runs that did not.
    pub fn tally(&self) -> (usize, usize) {
        let count = |wanted| self.runs.iter().filter(|run| **run == Some(wanted)).count();
        (count(true), count(false))
    }

    /// What these say.
    pub fn state(&self) -> State {
        match self.tally() {
            (0, 0) => State::Unclear,
            (_, 0) => State::Holds,
            (0, _) => State::Breaks,
            _ => State::Mixed,
        }
    }

    fn told(&self) -> usize {
        let (held, broke) = self.tally();
        held + broke
    }
}

/// A search under way.
#[derive(Debug, Clone)]
pub struct Search {
    ask: Ask,
    /// In order of the values.
    tried: Vec<Tried>,
}

/// The two edges of a knee.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Edges<'s> {
    /// The last value at which every run held.
    pub holds: &'s Tried,
    /// The first one beyond at which a run broke the limit.
    pub wavers: &'s Tried,
    /// The first one beyond at which each run did.
    pub breaks: &'s Tried,
}

impl Search {
    /// A search that has not begun.
    pub fn new(ask: Ask) -> Self {
        Self { ask, tried: Vec::new() }
    }

    /// What is searched for.
    pub fn ask(&self) -> &Ask {
        &self.ask
    }

    /// What was tried so far, in order of the values.
    pub fn tried(&self) -> &[Tried] {
        &self.tried
    }

    /// Enters what came of a run.
    pub fn enter(&mut self, value: f64, holds: Option<bool>) {
        let at = self.tried.partition_point(|tried| tried.value < value);
        match self.tried.get_mut(at) {
            Some(tried) if tried.value == value => tried.runs.push(holds),
            _ => self.tried.insert(at, Tried { value, runs: vec![holds] }),
        }
    }

    /// Takes back a value that cannot be tried: what is beyond it cannot either.
    pub fn forbid(&mut self, value: f64) {
        match self.tried.iter().any(|tried| tried.value > value) {
            true => self.ask.least = self.tried.first().map_or(value, |lowest| lowest.value),
            false => self.ask.most = self.tried.last().map_or(value, |highest| highest.value),
        }
        // It is not asked for again, and counts among the runs.
        (0..PATIENCE).for_each(|_| self.enter(value, None));
    }

    /// Whether no further run is allowed.
    pub fn is_spent(&self) -> bool {
        self.tried.iter().map(|tried| tried.runs.len()).sum::<usize>() >= self.ask.most_runs
    }

    /// The value to try next; `None` at the end of the search.
    pub fn next(&self) -> Option<f64> {
        if self.is_spent() {
            return None;
        }
        let Some(first) = self.at(self.ask.from) else { return Some(self.ask.from) };
        let again = |tried: &&Tried| tried.told() == 0 && tried.runs.len() < PATIENCE;
        if let Some(tried) = self.tried.iter().find(again) {
            return Some(tried.value);
        }
        let Some(edges) = self.edges() else { return self.outwards(first) };
        if let Some(value) = self.between(edges.holds.value, edges.wavers.value) {
            return Some(value);
        }
        let ends = [edges.holds, edges.wavers, edges.breaks];
        let often_enough = |tried: &&Tried| {
            tried.told() < self.ask.repeats && tried.runs.len() < self.ask.repeats + PATIENCE
        };
        // By turns, so that a drift of the machine does not favour one of them.
        let least = ends.into_iter().filter(often_enough).min_by_key(|tried| tried.runs.len());
        least.map(|tried| tried.value)
    }

    /// Which values break the limit; `None` until one has held and another has not.
    pub fn direction(&self) -> Option<Direction> {
        if self.ask.known.is_some() {
            return self.ask.known;
        }
        let first = |wanted: fn(State) -> bool| self.tried.iter().position(|t| wanted(t.state()));
        let held = first(|state| state == State::Holds)?;
        let broke = first(|state| matches!(state, State::Breaks | State::Mixed))?;
        Some(if held < broke { Direction::Rising } else { Direction::Falling })
    }

    /// The edges, once there are both.
    pub fn edges(&self) -> Option<Edges<'_>> {
        let easiest_first: Vec<&Tried> = match self.direction()? {
            Direction::Rising => self.tried.iter().collect(),
            Direction::Falling => self.tried.iter().rev().collect(),
        };
        let broke = |tried: &&Tried| matches!(tried.state(), State::Breaks | State::Mixed);
        let wavers = easiest_first.iter().position(broke)?;
        let held = |tried: &&&Tried| tried.state() == State::Holds;
        let holds = easiest_first[..wavers].iter().rev().find(held)?;
        let breaks = easiest_first[wavers..].iter().find(|t| t.state() == State::Breaks)?;
        Some(Edges { holds, wavers: easiest_first[wavers], breaks })
    }

    /// Values that held although an easier one broke each time.
    pub fn out_of_order(&self) -> Vec<f64> {
        let Some(edges) = self.edges() else { return Vec::new() };
        let beyond = |tried: &&Tried| {
            let harder = match self.direction() {
                Some(Direction::Falling) => tried.value < edges.breaks.value,
                _ => tried.value > edges.breaks.value,
            };
            harder && matches!(tried.state(), State::Holds | State::Mixed)
        };
        self.tried.iter().filter(beyond).map(|tried| tried.value).collect()
    }

    fn at(&self, value: f64) -> Option<&Tried> {
        self.tried.iter().find(|tried| tried.value == value)
    }

    /// A value further out than all that were tried, on the side where an edge is missing.
    fn outwards(&self, first: &Tried) -> Option<f64> {
        let is = |wanted: State| self.tried.iter().any(|tried| tried.state() == wanted);
        let sound = is(State::Holds) || is(State::Mixed);
        let harder = sound && !is(State::Breaks);
        let upwards = |direction| harder == (direction == Direction::Rising);
        if let Some(direction) = self.direction() {
            return self.further(upwards(direction), harder);
        }
        let above = upwards(self.ask.guess);
        let likely = self.further(above, harder);
        let side = |above: bool| {
            let beyond = |tried: &&Tried| match above {
                true => tried.value > first.value,
                false => tried.value < first.value,
            };
            self.tried.iter().filter(beyond).count()
        };
        let (done, doubted) = (side(above), side(!above));
        if !is(State::Unclear) && doubted < DOUBTS && (doubted < done || likely.is_none()) {
            return self.further(!above, harder).or(likely);
        }
        likely
    }

    /// The next value above or below all others; `None` at the end of what is allowed, and where a
    /// `harder` value is wanted and already the last one left every run unable to tell.
    fn further(&self, above: bool, harder: bool) -> Option<f64> {
        let outermost = if above { self.tried.last() } else { self.tried.first() }?;
        if harder && outermost.state() == State::Unclear {
            return None;
        }
        let factor = if above { STEP } else { 1.0 / STEP };
        let next = self.neat(outermost.value * factor);
        (next != outermost.value).then_some(next)
    }

    /// The value halfway between two; `None` where they are close enough, and where it was tried
    /// in vain.
    fn between(&self, a: f64, b: f64) -> Option<f64> {
        let (low, high) = (a.min(b), a.max(b));
        if high <= low * (1.0 + self.ask.within) {
            return None;
        }
        let middle = self.neat((low * high).sqrt());
        // A whole number between two neighbours may be one of them.
        let inside = if middle <= low && low + 1.0 < high { low + 1.0 } else { middle };
        (low < inside && inside < high && self.at(inside).is_none()).then_some(inside)
    }

    /// The value in as few digits as the distance of the edges allows.
    fn neat(&self, value: f64) -> f64 {
        let fine = (self.ask.within / 8.0).clamp(1e-9, 0.05);
        let digits = (value * fine).log10().floor() as i32;
        let digits = if self.ask.whole { digits.max(0) } else { digits };
        // Negative powers of ten are not exact: 512.5 must not become 512.5000000000001.
        let rounded = match digits {
            0.. => (value / 10f64.powi(digits)).round() * 10f64.powi(digits),
            _ => (value * 10f64.powi(-digits)).round() / 10f64.powi(-digits),
        };
        rounded.clamp(self.ask.least, self.ask.most)
    }
}

#[cfg(test)]
#[path = "knee/tests.rs"]
mod tests;
