//! Arrivals: from an attempt's number to its offset, without accumulating rounding.

use rand_distr::{Distribution, Exp1};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

use super::shape::{Shape, Stage};
use super::turns::Turns;
use crate::units::Span;

/// Fractional bits of a Poisson process's running sum: gaps are rounded once each, to 2^-20 ns,
/// and their sum is exact.
const FRACTION_BITS: u32 = 20;

/// The offsets, in nanoseconds from the load's start, of an open loop's attempts, in order.
///
/// Workers that share a load take turns (see [`Turns`]), so that together they make every attempt
/// exactly once. The same shape, window and seed always give the same offsets.
#[derive(Debug, Clone)]
pub struct Arrivals {
    offsets: Offsets,
    window: u64,
    attempts: u64,
    turns: Turns,
    /// How many of the turns are over.
    taken: u64,
}

/// An attempt's number in its load and its offset from the load's start, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Number of the attempt, from 0.
    pub number: u64,
    /// Intended offset, in nanoseconds.
    pub offset: u64,
}

impl Arrivals {
    /// Every attempt of `shape` before `window`, at most `attempts` of them.
    pub fn new(shape: &Shape, window: Span, attempts: Option<u64>, seed: u64) -> Self {
        Self {
            offsets: Offsets::new(shape, window, seed),
            window: window.nanos(),
            attempts: attempts.unwrap_or(u64::MAX),
            turns: Turns::of_worker(0, 1),
            taken: 0,
        }
    }

    /// How many attempts are left before `until`, in nanoseconds from the load's start. Takes time
    /// in proportion to their number for a Poisson process, and none otherwise.
    pub fn left_before(mut self, until: u64) -> u64 {
        self.window = self.window.min(until);
        if matches!(self.offsets, Offsets::Poisson(_)) {
            return self.count() as u64;
        }
        // Offsets never decrease: the first attempt that is too late is found by halving.
        let is_wanted = |step: u64, arrivals: &mut Self| {
            let nth = arrivals.taken.checked_add(step);
            let number = nth.and_then(|nth| arrivals.turns.number(nth));
            let number = number.filter(|number| *number < arrivals.attempts);
            let offset = number.and_then(|number| arrivals.offsets.at(number));
            offset.is_some_and(|offset| offset < arrivals.window)
        };
        let mut beyond = 1;
        while beyond < u64::MAX / 2 && is_wanted(beyond - 1, &mut self) {
            beyond *= 2;
        }
        let mut inside = beyond / 2;
        while inside < beyond {
            let middle = inside + (beyond - inside) / 2;
            if is_wanted(middle, &mut self) {
                inside = middle + 1;
            } else {
                beyond = middle;
            }
        }
        inside
    }

    /// Only the share of one worker.
    pub fn share(self, turns: Turns) -> Self {
        Self { turns, ..self }
    }
}

impl Iterator for Arrivals {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        let number = self.turns.number(self.taken)?;
        if number >= self.attempts {
            return None;
        }
        let offset = self.offsets.at(number)?;
        if offset >= self.window {
            return None;
        }
        self.taken += 1;
        Some(Arrival { number, offset })
    }
}

/// A shape, prepared for looking up offsets.
#[derive(Debug, Clone)]
enum Offsets {
    Constant { period: f64 },
    Poisson(Box<Poisson>),
    Ramp { from: f64, slope: f64 },
    Step { stages: Vec<Stage> },
    Burst { size: u64, every: u64 },
}

impl Offsets {
    fn new(shape: &Shape, window: Span, seed: u64) -> Self {
        match shape {
            Shape::Constant { rate } => Self::Constant { period: rate.period_nanos() },
            Shape::Poisson { rate } => {
                Self::Poisson(Box::new(Poisson::new(rate.period_nanos(), seed)))
            }
            Shape::Ramp { from, to } => {
                let (from, to) = (from.per_second() / 1e9, to.per_second() / 1e9);
                Self::Ramp { from, slope: (to - from) / window.nanos().max(1) as f64 }
            }
            Shape::Step { stages } => Self::Step { stages: stages.clone() },
            Shape::Burst { size, every } => {
                Self::Burst { size: (*size).max(1), every: every.nanos() }
            }
        }
    }

    /// Offset of attempt `number`; `None` where the shape has no such attempt.
    fn at(&mut self, number: u64) -> Option<u64> {
        match self {
            Self::Constant { period } => Some((number as f64 * *period) as u64),
            Self::Poisson(process) => Some(process.at(number)),
            Self::Ramp { from, slope } => ramp(*from, *slope, number as f64),
            Self::Step { stages } => step(stages, number),
            Self::Burst { size, every } => (number / *size).checked_mul(*every),
        }
    }
}

/// The instant at which `from * t + slope * t^2 / 2` attempts have arrived, in the form that does
/// not cancel for small slopes. Rates in attempts per nanosecond.
fn ramp(from: f64, slope: f64, number: f64) -> Option<u64> {
    let discriminant = from * from + 2.0 * slope * number;
    (discriminant >= 0.0).then(|| {
        let denominator = from + discriminant.sqrt();
        if number == 0.0 { 0 } else { (2.0 * number / denominator) as u64 }
    })
}

fn step(stages: &[Stage], number: u64) -> Option<u64> {
    let mut before = 0;
    let mut start = 0;
    for stage in stages {
        let period = stage.rate.period_nanos();
        // A stage begins with an arrival, and holds those strictly inside its span.
        let count = (stage.span.nanos() as f64 / period).ceil() as u64;
        if number < before + count {
            return Some(start + ((number - before) as f64 * period) as u64);
        }
        before += count;
        start += stage.span.nanos();
    }
    None
}

/// A Poisson process, drawn in order; looking back starts it again from its seed.
#[derive(Debug, Clone)]
struct Poisson {
    period: f64,
    seed: u64,
    random: Xoshiro256PlusPlus,
    drawn: u64,
    sum: u128,
}

impl Poisson {
    fn new(period: f64, seed: u64) -> Self {
        let random = Xoshiro256PlusPlus::seed_from_u64(seed);
        Self { period, seed, random, drawn: 0, sum: 0 }
    }

    fn at(&mut self, number: u64) -> u64 {
        if number + 1 < self.drawn {
            *self = Self::new(self.period, self.seed);
        }
        while self.drawn <= number {
            let gap: f64 = Exp1.sample(&mut self.random);
            self.sum += (gap * self.period * f64::from(1u32 << FRACTION_BITS)) as u128;
            self.drawn += 1;
        }
        u64::try_from(self.sum >> FRACTION_BITS).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Rate;
    use proptest::prelude::*;

    fn rate(per_second: f64) -> Rate {
        Rate::new(per_second).expect("a rate")
    }

    fn offsets(shape: &Shape, window: &str) -> Vec<u64> {
        let window = window.parse().expect("a span");
        Arrivals::new(shape, window, None, 7).map(|arrival| arrival.offset).collect()
    }

    #[test]
    fn constant_is_evenly_spaced_and_does_not_drift() {
        let offsets = offsets(&Shape::Constant { rate: rate(3000.0) }, "100s");
        assert_eq!(offsets.len(), 300_000);
        assert_eq!(offsets[299_997], 99_999_000_000);
    }

    #[test]
    fn bursts_come_at_once() {
        let every = "1s".parse().expect("a span");
        assert_eq!(
            offsets(&Shape::Burst { size: 3, every }, "2s"),
            [0, 0, 0, 1_000_000_000, 1_000_000_000, 1_000_000_000]
        );
    }

    #[test]
    fn a_step_has_each_stage_at_its_rate() {
        let span = "1s".parse().expect("a span");
        let stages = vec![Stage { rate: rate(10.0), span }, Stage { rate: rate(1000.0), span }];
        let offsets = offsets(&Shape::Step { stages }, "2s");
        assert_eq!(offsets.iter().filter(|offset| **offset < 1_000_000_000).count(), 10);
        assert_eq!(offsets.len(), 1010);
        assert_eq!(offsets[10], 1_000_000_000);
    }

    #[test]
    fn a_ramp_reaches_both_rates() {
        let offsets = offsets(&Shape::Ramp { from: rate(100.0), to: rate(2000.0) }, "10s");
        let expected = (100.0 + 2000.0) / 2.0 * 10.0;
        assert!((offsets.len() as f64 - expected).abs() <= 1.0, "{}", offsets.len());
        let last_gap = offsets[offsets.len() - 1] - offsets[offsets.len() - 2];
        assert!((last_gap as f64 - 500_000.0).abs() < 5_000.0, "{last_gap}");
        assert!((offsets[1] as f64 - 10_000_000.0).abs() < 200_000.0, "{}", offsets[1]);
    }

    #[test]
    fn a_falling_ramp_ends_with_its_window() {
        let offsets = offsets(&Shape::Ramp { from: rate(2000.0), to: rate(1.0) }, "10s");
        assert!((offsets.len() as f64 - 10_005.0).abs() <= 1.0, "{}", offsets.len());
    }

    #[test]
    fn a_poisson_process_has_the_mean_and_variance_of_one() {
        let offsets = offsets(&Shape::Poisson { rate: rate(1000.0) }, "1000s");
        let count = offsets.len() as f64;
        // Four standard deviations of a Poisson count of one million.
        assert!((count - 1e6).abs() < 4e3, "{count}");
        let gaps: Vec<f64> = offsets.windows(2).map(|w| (w[1] - w[0]) as f64).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((variance.sqrt() / mean - 1.0).abs() < 0.01, "{}", variance.sqrt() / mean);
    }

    #[test]
    fn seeds_differ_and_repeat() {
        let window = "10s".parse().expect("a span");
        let shape = Shape::Poisson { rate: rate(100.0) };
        let draw = |seed| Arrivals::new(&shape, window, None, seed).collect::<Vec<_>>();
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    fn shapes() -> impl Strategy<Value = Shape> {
        let rates = 0.5f64..5000.0;
        prop_oneof![
            rates.clone().prop_map(|r| Shape::Constant { rate: rate(r) }),
            rates.clone().prop_map(|r| Shape::Poisson { rate: rate(r) }),
            (rates.clone(), rates.clone())
                .prop_map(|(from, to)| Shape::Ramp { from: rate(from), to: rate(to) }),
            prop::collection::vec((rates, 1u64..2000), 1..5).prop_map(|stages| Shape::Step {
                stages: stages
                    .into_iter()
                    .map(|(r, ms)| Stage { rate: rate(r), span: Span::from_millis(ms) })
                    .collect(),
            }),
            (1u64..50, 1u64..500)
                .prop_map(|(size, ms)| Shape::Burst { size, every: Span::from_millis(ms) }),
        ]
    }

    proptest! {
        #[test]
        fn arrivals_are_ordered_and_inside_the_window(shape in shapes(), seed: u64) {
            let window = Span::from_millis(2000);
            let offsets: Vec<u64> =
                Arrivals::new(&shape, window, None, seed).map(|a| a.offset).collect();
            prop_assert!(offsets.windows(2).all(|w| w[0] <= w[1]));
            prop_assert!(offsets.iter().all(|offset| *offset < window.nanos()));
        }

        #[test]
        fn what_is_left_is_counted_without_looking_at_each(
            shape in shapes(),
            taken in 0usize..50,
            until in 0u64..3_000_000_000,
            workers in 1u64..4,
        ) {
            let window = Span::from_millis(2000);
            let mut arrivals = Arrivals::new(&shape, window, Some(4000), 3).share(Turns::of_worker(0, workers));
            arrivals.by_ref().take(taken).for_each(drop);
            let expected = arrivals.clone().take_while(|a| a.offset < until).count() as u64;
            prop_assert_eq!(arrivals.left_before(until), expected);
        }

        #[test]
        fn shares_are_a_partition(shape in shapes(), seed: u64, workers in 1u64..5) {
            let window = Span::from_millis(1000);
            let all = Arrivals::new(&shape, window, Some(500), seed);
            let mut shared: Vec<_> =
                (0..workers).flat_map(|index| all.clone().share(Turns::of_worker(index, workers))).collect();
            shared.sort_by_key(|arrival| arrival.number);
            prop_assert_eq!(shared, all.collect::<Vec<_>>());
        }
    }
}
