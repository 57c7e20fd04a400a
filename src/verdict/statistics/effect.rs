//! By how much two groups differ: the estimate of Hodges and Lehmann (1963), the median over all
//! pairs of a candidate's and a base's value. A run that went wrong moves it little.

use crate::measure::comparison::Scale;

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Difference {
    /// `candidate / base - 1`; infinite where the base alone is 0.
    Ratio,
    /// `candidate - base`.
    Plain,
}

impl Difference {
    /// That of an effect's scale.
    pub fn of(scale: Scale) -> Self {
        match scale {
            Scale::Relative => Self::Ratio,
            Scale::Points | Scale::Difference => Self::Plain,
        }
    }

    /// Of one pair. Never NaN where both are finite and not negative.
    fn between(self, base: f64, candidate: f64) -> f64 {
        match self {
            Self::Ratio if base == candidate => 0.0,
            Self::Ratio if base == 0.0 => f64::INFINITY,
            Self::Ratio => candidate / base - 1.0,
            Self::Plain => candidate - base,
        }
    }

    /// Of all pairs, into `pairs`.
    pub(super) fn pairs(self, base: &[f64], candidate: &[f64], pairs: &mut Vec<f64>) {
        pairs.clear();
        for one in candidate {
            pairs.extend(base.iter().map(|other| self.between(*other, *one)));
        }
    }
}

/// The median; `None` of nothing. The mean of the two in the middle where their number is even.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    (!values.is_empty()).then(|| median_of(&mut values))
}

/// The same of values that are there and may be reordered.
pub(super) fn median_of(values: &mut [f64]) -> f64 {
    let half = values.len() / 2;
    let even = values.len().is_multiple_of(2);
    let (below, middle, _) = values.select_nth_unstable_by(half, f64::total_cmp);
    let middle = *middle;
    match below.iter().copied().max_by(f64::total_cmp) {
        Some(below) if even && below != middle => below / 2.0 + middle / 2.0,
        _ => middle,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(difference: Difference, base: &[f64], candidate: &[f64]) -> f64 {
        let mut pairs = Vec::new();
        difference.pairs(base, candidate, &mut pairs);
        median_of(&mut pairs)
    }

    #[test]
    fn one_odd_run_does_not_decide() {
        let base = [100.0, 101.0, 99.0, 100.0, 5000.0];
        let candidate = [115.0, 116.0, 114.0, 115.0, 115.0];
        let ratio = estimate(Difference::Ratio, &base, &candidate);
        assert!((ratio - 0.15).abs() < 0.01, "{ratio}");
        let plain = estimate(Difference::Plain, &base, &candidate);
        assert!((plain - 15.0).abs() <= 1.0, "{plain}");
    }

    #[test]
    fn a_base_of_zero_is_no_number_to_divide_by() {
        assert_eq!(estimate(Difference::Ratio, &[0.0; 3], &[0.0; 3]), 0.0);
        assert_eq!(estimate(Difference::Ratio, &[0.0; 3], &[2.0; 3]), f64::INFINITY);
        assert_eq!(estimate(Difference::Ratio, &[2.0; 3], &[0.0; 3]), -1.0);
        assert_eq!(estimate(Difference::Ratio, &[0.0, 1.0], &[1.0]), f64::INFINITY);
    }

    #[test]
    fn medians() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(&[f64::MAX, f64::MAX]), Some(f64::MAX));
    }
}
