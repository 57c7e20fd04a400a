//! What must hold whatever the values are.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn sides() -> impl Strategy<Value = (Vec<f64>, Vec<f64>)> {
    // Few distinct values, so that there are ties.
    let value = prop_oneof![(1u32..40).prop_map(f64::from), 0.5..1e6f64];
    (vec(value.clone(), 2..9), vec(value, 2..9))
}

fn found(difference: Difference, base: &[f64], candidate: &[f64]) -> Interval {
    interval(difference, base, candidate, 0.95, 7).expect("two runs a side at least")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn sides_swapped_mirror_the_effect((base, candidate) in sides()) {
        prop_assert_eq!(RankTest::of(&base, &candidate), RankTest::of(&candidate, &base));
        let there = found(Difference::Plain, &base, &candidate);
        let back = found(Difference::Plain, &candidate, &base);
        prop_assert!((there.estimate + back.estimate).abs() <= 1e-9 * there.estimate.abs());
        // Of ratios that is so where a single pair is the median.
        if base.len() % 2 == 1 && candidate.len() % 2 == 1 {
            let there = found(Difference::Ratio, &base, &candidate).estimate;
            let back = found(Difference::Ratio, &candidate, &base).estimate;
            prop_assert!(((1.0 + there) * (1.0 + back) - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn another_unit_changes_no_relative_effect((base, candidate) in sides(), by in -20i32..20) {
        // Powers of two, so that nothing is rounded.
        let scaled = |side: &[f64]| side.iter().map(|v| v * 2f64.powi(by)).collect::<Vec<_>>();
        let (other_base, other_candidate) = (scaled(&base), scaled(&candidate));
        prop_assert_eq!(
            RankTest::of(&base, &candidate),
            RankTest::of(&other_base, &other_candidate)
        );
        prop_assert_eq!(
            found(Difference::Ratio, &base, &candidate),
            found(Difference::Ratio, &other_base, &other_candidate)
        );
    }

    #[test]
    fn the_order_of_runs_changes_nothing((base, candidate) in sides()) {
        let reversed = |side: &[f64]| side.iter().rev().copied().collect::<Vec<_>>();
        let (other_base, other_candidate) = (reversed(&base), reversed(&candidate));
        for difference in [Difference::Ratio, Difference::Plain] {
            prop_assert_eq!(
                found(difference, &base, &candidate),
                found(difference, &other_base, &other_candidate)
            );
        }
        prop_assert_eq!(
            RankTest::of(&base, &candidate),
            RankTest::of(&other_base, &other_candidate)
        );
    }

    #[test]
    fn a_shift_of_one_side_shifts_the_effect((base, candidate) in sides(), by in 1u32..1000) {
        let shifted: Vec<f64> = candidate.iter().map(|value| value + f64::from(by)).collect();
        let before = found(Difference::Plain, &base, &candidate);
        let after = found(Difference::Plain, &base, &shifted);
        for (before, after) in
            [(before.estimate, after.estimate), (before.low, after.low), (before.high, after.high)]
        {
            prop_assert!((after - before - f64::from(by)).abs() < 1e-6, "{} {}", before, after);
        }
    }

    #[test]
    fn a_p_is_a_share_and_no_interval_is_nan((base, candidate) in sides()) {
        let p = RankTest::of(&base, &candidate).p;
        prop_assert!(p > 0.0 && p <= 1.0);
        prop_assert!(p >= least_p(base.len(), candidate.len()) * (1.0 - 1e-12));
        let mut with_zero = base.clone();
        with_zero[0] = 0.0;
        for base in [&base, &with_zero] {
            let found = found(Difference::Ratio, base, &candidate);
            prop_assert!(found.low <= found.estimate && found.estimate <= found.high);
        }
    }
}
