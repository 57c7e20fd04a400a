//! How many more runs would probably make a comparison conclusive.

use super::judge::SURE_OF;
use crate::measure::comparison::Effect;
use crate::verdict::statistics::least_p;

/// More than these nobody waits for.
const MOST: u32 = 200;

/// The estimate moves as runs are added. So much of the interval's half-width more (0.84 of 1.96
/// deviations) leaves it on its side with a probability of 80 %.
const MARGIN: f64 = 0.43;

/// What a metric has so far.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    /// Runs of the side that has fewer.
    pub runs: usize,
    /// The least effect that matters.
    pub minimum_effect: f64,
    /// What may be spent on false alarms.
    pub alpha: f64,
    /// Metrics among which it is divided.
    pub metrics: usize,
}

impl Standing {
    /// How many more runs a side would probably suffice, if the effect is what it seems to be; `None`
    /// where that is more than 200, or where the effect is so near to the least one that matters that
    /// no number will do.
    pub fn more_runs(&self, effect: Option<&Effect>) -> Option<u32> {
        let by_rank = fewest(self.alpha, self.metrics);
        let by_width = match effect {
            None => 0.0,
            // Less than a thousandth of a run is rounding.
            Some(effect) => self.runs as f64 * self.narrower(effect)?.powi(2) - 1e-3,
        };
        let least = self.runs as f64 + 1.0;
        let more = by_width.ceil().max(by_rank as f64).max(least) - self.runs as f64;
        (more <= f64::from(MOST)).then_some(more as u32)
    }

    /// By what factor the interval must shrink to decide: towards past [`SURE_OF`] of what matters, or
    /// to within it. It does so with the square root of the number of runs.
    fn narrower(&self, effect: &Effect) -> Option<f64> {
        let least = self.minimum_effect;
        let Effect { estimate, low, .. } = *effect;
        // Without an upper end only the lower one can be far enough.
        let above = effect.high.map_or(0.0, |high| high - estimate);
        let below = estimate - low;
        let factor = if estimate > least {
            below / (estimate - SURE_OF * least)
        } else if estimate < -least {
            above / (-SURE_OF * least - estimate)
        } else if effect.high.is_some() {
            (above / (least - estimate)).max(below / (estimate + least))
        } else {
            f64::INFINITY
        };
        let factor = factor * (1.0 + MARGIN);
        factor.is_finite().then_some(factor)
    }
}

/// The least number of runs a side with which sides wholly apart are significant.
pub fn fewest(alpha: f64, metrics: usize) -> u32 {
    let enough =
        |runs: &u32| least_p(*runs as usize, *runs as usize) * metrics.max(1) as f64 <= alpha;
    (2..=MOST).find(enough).unwrap_or(MOST + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::comparison::Scale;

    fn effect(low: f64, estimate: f64, high: Option<f64>) -> Effect {
        let scale = Scale::Relative;
        Effect { scale, estimate, low, high, confidence: 0.95, p: 0.5, p_corrected: 0.5 }
    }

    #[test]
    fn so_many_runs_are_needed_before_any_difference_can_be_significant() {
        for (alpha, metrics, runs) in [
            (0.05, 1, 4),
            (0.05, 2, 5),
            (0.05, 6, 5),
            (0.05, 7, 6),
            (0.01, 1, 5),
            (0.01, 4, 6),
            (0.05, 0, 4),
        ] {
            assert_eq!(fewest(alpha, metrics), runs, "{alpha} {metrics}");
        }
        assert_eq!(fewest(0.0, 1), MOST + 1);
    }

    #[test]
    fn the_interval_shrinks_with_the_root_of_the_runs() {
        let now = Standing { runs: 6, minimum_effect: 0.1, alpha: 0.05, metrics: 2 };
        // 15 % +- 20 %: half as wide to be surely past 5 %, with a
        // margin of 43 %, so eight times the runs.
        assert_eq!(now.more_runs(Some(&effect(-0.05, 0.15, Some(0.35)))), Some(44));
        // 0 % +- 20 %: the same, to lie within 10 %.
        assert_eq!(now.more_runs(Some(&effect(-0.2, 0.0, Some(0.2)))), Some(44));
        assert_eq!(now.more_runs(Some(&effect(-0.35, -0.15, Some(0.05)))), Some(44));
        // Just at the edge, nobody can tell; and nobody waits for thousands.
        assert_eq!(now.more_runs(Some(&effect(0.0, 0.1, Some(0.2)))), None);
        assert_eq!(now.more_runs(Some(&effect(-0.5, 0.101, Some(0.7)))), None);
        assert_eq!(now.more_runs(Some(&effect(2.0, 3.0, None))), Some(1));
        assert_eq!(now.more_runs(Some(&effect(0.0, 0.05, None))), None);
        let one = Standing { runs: 1, ..now };
        assert_eq!(one.more_runs(None), Some(4));
    }
}
