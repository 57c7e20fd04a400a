//! How long serving takes: draws from the scenario's distribution.

use rand_distr::{Distribution, Exp1, StandardNormal, Uniform};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

use crate::scenario::plan::ServiceTime;

/// Longest service time that is drawn: an hour, in nanoseconds.
const LONGEST: f64 = 3.6e12;

/// A seeded source of service times.
#[derive(Debug)]
pub struct Service {
    time: ServiceTime,
    random: Xoshiro256PlusPlus,
}

impl Service {
    /// Draws of `time`; the same seed gives the same draws.
    pub fn new(time: ServiceTime, seed: u64) -> Self {
        Self { time, random: Xoshiro256PlusPlus::seed_from_u64(seed) }
    }

    /// The next service time, in nanoseconds.
    pub fn draw(&mut self) -> u64 {
        let nanos = match self.time {
            ServiceTime::Constant { time } => return time.nanos(),
            ServiceTime::Uniform { min, max } => {
                let (min, max) = (min.nanos(), max.nanos());
                return Uniform::new_inclusive(min, max)
                    .map_or(min, |uniform| uniform.sample(&mut self.random));
            }
            ServiceTime::Exponential { mean } => {
                let unit: f64 = Exp1.sample(&mut self.random);
                unit * mean.nanos() as f64
            }
            ServiceTime::LogNormal { median, sigma } => {
                let normal: f64 = StandardNormal.sample(&mut self.random);
                median.nanos() as f64 * (sigma * normal).exp()
            }
        };
        nanos.clamp(0.0, LONGEST) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Span;

    fn mean_and_median(time: ServiceTime) -> (f64, f64) {
        let mut service = Service::new(time, 3);
        let mut draws: Vec<f64> = (0..100_001).map(|_| service.draw() as f64).collect();
        draws.sort_by(f64::total_cmp);
        (draws.iter().sum::<f64>() / draws.len() as f64, draws[50_000])
    }

    #[test]
    fn distributions_have_their_parameters() {
        let ms = Span::from_millis;
        let (mean, median) = mean_and_median(ServiceTime::Constant { time: ms(2) });
        assert_eq!((mean, median), (2e6, 2e6));
        let (mean, _) = mean_and_median(ServiceTime::Uniform { min: ms(1), max: ms(3) });
        assert!((mean / 2e6 - 1.0).abs() < 0.02, "{mean}");
        let (mean, median) = mean_and_median(ServiceTime::Exponential { mean: ms(2) });
        assert!((mean / 2e6 - 1.0).abs() < 0.02, "{mean}");
        assert!((median / (2e6 * 2f64.ln()) - 1.0).abs() < 0.02, "{median}");
        let log_normal = ServiceTime::LogNormal { median: ms(2), sigma: 0.5 };
        let (mean, median) = mean_and_median(log_normal);
        assert!((median / 2e6 - 1.0).abs() < 0.02, "{median}");
        assert!((mean / (2e6 * 0.125f64.exp()) - 1.0).abs() < 0.02, "{mean}");
    }
}
