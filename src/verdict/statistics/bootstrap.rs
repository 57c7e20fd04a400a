//! How far the estimate of an effect may be off: a percentile bootstrap over runs (Efron 1979).
//!
//! Percentiles of resamples are too narrow for few runs. Hesterberg (2015, "What Teachers Should
//! Know About the Bootstrap") widens them: for n runs and a wanted tail a, take the
//! percentile at `Phi(-sqrt(n / (n - 1)) t)`, where t is Student's upper a-quantile at n - 1
//! degrees of freedom. Where that lies beyond what resamples can show, the interval runs over all
//! pairs, from the smallest to the largest: that has a confidence of exactly
//! `1 - 2 / (all choose few)`, whatever the distribution (the rank test, turned round).

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

use super::effect::{Difference, median_of};
use super::least_p;

/// Resamples; fewer where the sides are so large that their intervals are narrow in any case.
const RESAMPLES: usize = 4000;
const FEWEST_RESAMPLES: usize = 400;
/// Pairs that all resamples together may have.
const MOST_PAIRS: usize = 200_000_000;

/// An estimate and what bounds it. Infinite where a base of 0 bounds nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Hodges-Lehmann estimate.
    pub estimate: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Its confidence: what was wanted, or what so few runs can give.
    pub confidence: f64,
}

/// The interval of wanted `confidence` (between 0 and 1) for two sides, in any order; `None` where a
/// side has fewer than two values. The same seed draws the same resamples.
pub fn interval(
    difference: Difference,
    base: &[f64],
    candidate: &[f64],
    confidence: f64,
    seed: u64,
) -> Option<Interval> {
    let few = base.len().min(candidate.len());
    if few < 2 {
        return None;
    }
    // In order, so that the order in which runs were made changes no draw.
    let (base, candidate) = (sorted(base), sorted(candidate));
    let mut pairs = Vec::with_capacity(base.len() * candidate.len());
    difference.pairs(&base, &candidate, &mut pairs);
    let resamples = (MOST_PAIRS / pairs.len()).clamp(FEWEST_RESAMPLES, RESAMPLES);
    let tail = tail(few, (1.0 - confidence) / 2.0);
    let estimate = median_of(&mut pairs);
    // Below this a percentile would be the outermost resample or none.
    let (low, high) = match tail * resamples as f64 >= 1.0 {
        true => resampled(difference, [&base, &candidate], tail, resamples, seed),
        false => extremes(&pairs),
    };
    let attained = 1.0 - least_p(base.len(), candidate.len());
    // Resamples and the median of an even number of pairs are rounded apart.
    let (low, high) = (low.min(estimate), high.max(estimate));
    Some(Interval { estimate, low, high, confidence: confidence.min(attained) })
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values
}

/// Hesterberg's tail for `runs` where `tail` is wanted.
fn tail(runs: usize, tail: f64) -> f64 {
    let (runs, freedom) = (runs as f64, runs as f64 - 1.0);
    let Ok(student) = StudentsT::new(0.0, 1.0, freedom) else { return 0.0 };
    Normal::standard().cdf((runs / freedom).sqrt() * student.inverse_cdf(tail))
}

fn extremes(pairs: &[f64]) -> (f64, f64) {
    let bounds = (f64::INFINITY, f64::NEG_INFINITY);
    pairs.iter().fold(bounds, |(low, high), pair| (low.min(*pair), high.max(*pair)))
}

fn resampled(
    difference: Difference,
    sides: [&[f64]; 2],
    tail: f64,
    resamples: usize,
    seed: u64,
) -> (f64, f64) {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut drawn = sides.map(<[f64]>::to_vec);
    let mut pairs = Vec::new();
    let mut estimates: Vec<f64> = (0..resamples)
        .map(|_| {
            for (drawn, side) in drawn.iter_mut().zip(sides) {
                drawn.fill_with(|| side[below(&mut random, side.len())]);
            }
            difference.pairs(&drawn[0], &drawn[1], &mut pairs);
            median_of(&mut pairs)
        })
        .collect();
    estimates.sort_by(f64::total_cmp);
    let outside = (tail * resamples as f64).floor() as usize;
    let outside = outside.clamp(1, resamples / 2) - 1;
    (estimates[outside], estimates[resamples - 1 - outside])
}

/// A number below `count`, each as likely as any other but for a bias of `count` in 2^64.
fn below(random: &mut impl Rng, count: usize) -> usize {
    ((u128::from(random.next_u64()) * count as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tails_are_hesterbergs() {
        // `norm.cdf(-sqrt(n / (n - 1)) * t.ppf(0.975, n - 1))` of SciPy 1.17.1.
        for (runs, expected) in [(6, 0.0024318031746), (24, 0.0172939673091)] {
            let measured = tail(runs, 0.025);
            assert!((measured / expected - 1.0).abs() < 1e-6, "{runs}: {measured}");
        }
        assert!((tail(100_000, 0.025) - 0.025).abs() < 1e-4);
    }

    #[test]
    fn few_runs_get_what_their_pairs_can_give() {
        let side = [1.0, 1.1, 1.2, 1.3];
        let few = interval(Difference::Ratio, &side, &side, 0.95, 1).expect("four runs");
        assert_eq!((few.low, few.high), (1.0 / 1.3 - 1.0, 1.3 / 1.0 - 1.0));
        assert_eq!(few.confidence, 0.95);
        let two = interval(Difference::Ratio, &side[..2], &side[..2], 0.95, 1).expect("two runs");
        assert!((two.confidence - 2.0 / 3.0).abs() < 1e-12, "{two:?}");
        assert_eq!(interval(Difference::Ratio, &side[..1], &side, 0.95, 1), None);
    }

    #[test]
    fn what_is_always_the_same_has_an_interval_of_nothing() {
        for value in [0.0, 7.0, 1e-300, 1e300] {
            for difference in [Difference::Ratio, Difference::Plain] {
                let side = [value; 6];
                let same = interval(difference, &side, &side, 0.95, 3).expect("six runs");
                assert_eq!((same.estimate, same.low, same.high), (0.0, 0.0, 0.0));
            }
        }
    }

    #[test]
    fn seeds_repeat_and_the_interval_holds_its_estimate() {
        let base: Vec<f64> = (0..8).map(|n| 100.0 + f64::from(n * n % 7)).collect();
        let candidate: Vec<f64> = base.iter().map(|value| value * 1.2 + 1.0).collect();
        let once = |seed| interval(Difference::Ratio, &base, &candidate, 0.95, seed);
        assert_eq!(once(5), once(5));
        let found = once(5).expect("eight runs");
        assert!(found.low < found.estimate && found.estimate < found.high, "{found:?}");
        assert!(found.low > 0.1 && found.high < 0.3, "{found:?}");
    }
}
