//! From values to places on an axis, and the marks of an axis.

use crate::report::text::thousands;

/// How values are spread over an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Linear,
    Log,
    /// `log(1 + v)`: counts from 0 to many.
    LogCount,
}

/// One axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    kind: Kind,
    low: f64,
    high: f64,
}

/// One mark of an axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    /// The value.
    pub at: f64,
    /// Its text.
    pub label: String,
}

impl Scale {
    /// Even steps from `low` to `high`.
    pub fn linear(low: f64, high: f64) -> Self {
        let low = if low.is_finite() { low } else { 0.0 };
        let high = if high.is_finite() && high > low { high } else { low + 1.0 };
        Self { kind: Kind::Linear, low, high }
    }

    /// Even steps from 0 to a round number at or above `highest`.
    pub fn from_zero(highest: f64) -> Self {
        let highest = if highest.is_finite() && highest > 0.0 { highest } else { 1.0 };
        let step = nice_step(highest / 4.0);
        Self::linear(0.0, (highest * 1.04 / step).ceil() * step)
    }

    /// Decades that hold `low` to `high`, both above 0.
    pub fn decades(low: f64, high: f64) -> Self {
        let low = if low.is_finite() { low.max(1.0) } else { 1.0 };
        let high = if high.is_finite() { high.max(low) } else { low };
        let from = low.log10().floor();
        // A value on a decade's very end would lie on the frame.
        let to = (high * 1.02).log10().ceil().max(from + 1.0);
        Self { kind: Kind::Log, low: 10f64.powf(from), high: 10f64.powf(to) }
    }

    /// Exactly from `low` to `high`, both above 0, logarithmically.
    pub fn log(low: f64, high: f64) -> Self {
        let low = if low.is_finite() && low > 0.0 { low } else { 1.0 };
        let high = if high.is_finite() && high > low { high } else { low * 10.0 };
        Self { kind: Kind::Log, low, high }
    }

    /// Counts from 0 to `highest`: even steps for few, logarithmic for many.
    pub fn counts(highest: f64, lowest_above_zero: f64) -> Self {
        if highest / lowest_above_zero.max(1.0) < 50.0 {
            return Self::from_zero(highest);
        }
        Self { kind: Kind::LogCount, low: 0.0, high: highest.max(1.0) * 1.6 }
    }

    /// Where `value` lies, from 0 (low) to 1 (high).
    pub fn share(&self, value: f64) -> f64 {
        let share = match self.kind {
            Kind::Linear => (value - self.low) / (self.high - self.low),
            Kind::Log => (value.max(self.low) / self.low).log10() / (self.high / self.low).log10(),
            Kind::LogCount => value.max(0.0).ln_1p() / self.high.ln_1p(),
        };
        if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 }
    }

    /// The upper end.
    pub fn high(&self) -> f64 {
        self.high
    }

    /// At most about `wanted` marks, as counts.
    pub fn count_ticks(&self, wanted: usize) -> Vec<Tick> {
        let ticks = match self.kind {
            Kind::Linear => self.even(wanted),
            Kind::Log => self.decade_values(false, wanted),
            Kind::LogCount => {
                let mut ticks = vec![0.0];
                let decades = Self { low: 1.0, ..*self }.decade_values(false, wanted);
                // Close to 0, a mark would cover that of 0.
                ticks.extend(decades.into_iter().filter(|at| self.share(*at) > 0.2));
                ticks
            }
        };
        ticks.into_iter().map(|at| Tick { at, label: number(at) }).collect()
    }

    /// Marks of a logarithmic latency axis in nanoseconds: decades, and where wanted (and they
    /// are not many) 3 of each.
    pub fn latency_ticks(&self, halves: bool) -> Vec<Tick> {
        let halves = halves && (self.high / self.low).log10() < 7.5;
        let values = self.decade_values(halves, 20);
        values.into_iter().map(|at| Tick { at, label: latency(at) }).collect()
    }

    fn even(&self, wanted: usize) -> Vec<f64> {
        let step = nice_step((self.high - self.low) / wanted.max(1) as f64);
        let first = (self.low / step).ceil();
        let values = (0..=2 * wanted.max(1)).map(|n| (first + n as f64) * step);
        values.take_while(|at| *at <= self.high + step * 1e-6).collect()
    }

    fn decade_values(&self, halves: bool, wanted: usize) -> Vec<f64> {
        let from = self.low.log10().floor() as i32;
        let to = self.high.log10().ceil() as i32;
        let skip = ((to - from) / wanted.max(1) as i32 + 1).max(1);
        let within = |at: &f64| *at >= self.low * 0.999 && *at <= self.high * 1.001;
        (from..=to)
            .filter(|decade| (decade - from) % skip == 0)
            .flat_map(|decade| {
                let one = 10f64.powi(decade);
                if halves { vec![one, 3.0 * one] } else { vec![one] }
            })
            .filter(within)
            .collect()
    }
}

/// The next of 1, 2, 5, 10, ... at or above `least`.
fn nice_step(least: f64) -> f64 {
    if !least.is_finite() || least <= 0.0 {
        return 1.0;
    }
    let decade = 10f64.powf(least.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|f| f * decade >= least * 0.999);
    factor.unwrap_or(10.0) * decade
}

/// A count or a small decimal as the text of a mark.
pub fn number(value: f64) -> String {
    if value.abs() >= 1e6 {
        let (scaled, unit) = [(1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M")]
            .into_iter()
            .find(|(scale, _)| value.abs() >= *scale)
            .map_or((value, ""), |(scale, unit)| (value / scale, unit));
        return format!("{}{unit}", decimal(scaled));
    }
    if value.fract().abs() < 1e-9 { thousands(value as i64) } else { decimal(value) }
}

fn decimal(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A latency in nanoseconds as the text of a mark: `300us`, `1s`.
fn latency(nanos: f64) -> String {
    let (scaled, unit) = match nanos {
        ..999.5 => (nanos, "ns"),
        ..999_500.0 => (nanos / 1e3, "us"),
        ..999_500_000.0 => (nanos / 1e6, "ms"),
        _ => (nanos / 1e9, "s"),
    };
    format!("{}{unit}", decimal(scaled))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(ticks: Vec<Tick>) -> Vec<String> {
        ticks.into_iter().map(|t| t.label).collect()
    }

    #[test]
    fn marks_are_round() {
        assert_eq!(labels(Scale::from_zero(400.0).count_ticks(4)), ["0", "200", "400"]);
        assert_eq!(
            labels(Scale::linear(0.0, 10.0).count_ticks(5)),
            ["0", "2", "4", "6", "8", "10"]
        );
        assert_eq!(
            labels(Scale::decades(2e5, 4e9).latency_ticks(true)),
            ["100us", "300us", "1ms", "3ms", "10ms", "30ms", "100ms", "300ms", "1s", "3s", "10s"]
        );
        assert_eq!(labels(Scale::counts(1025.0, 6.0).count_ticks(6)), ["0", "10", "100", "1,000"]);
    }

    #[test]
    fn the_ends_are_the_ends() {
        for scale in [Scale::from_zero(7.0), Scale::decades(40.0, 7e9), Scale::counts(1e6, 1.0)] {
            assert_eq!(scale.share(scale.low), 0.0);
            assert!((scale.share(scale.high) - 1.0).abs() < 1e-9);
        }
    }

    proptest! {
        #[test]
        fn no_value_breaks_a_scale(a in any::<f64>(), b in any::<f64>(), v in any::<f64>()) {
            let scales = [
                Scale::linear(a, b), Scale::from_zero(a), Scale::decades(a, b), Scale::log(a, b),
                Scale::counts(a, b),
            ];
            for scale in scales {
                prop_assert!((0.0..=1.0).contains(&scale.share(v)));
                prop_assert!(scale.count_ticks(5).len() <= 40);
            }
        }
    }
}
