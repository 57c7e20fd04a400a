//! Several tests at once.

/// The p of several tests, corrected so that the chance of even one false alarm among all of them
/// stays below a bound that is held against the result (Holm 1979), in the order given.
///
/// Nothing is assumed of how the tests depend on each other. `None` stands for a test that could not
/// have raised an alarm whatever happened, as where all values are one: it takes no share of the
/// bound (Tarone 1990), and is `None` again.
pub fn holm(tests: &[Option<f64>]) -> Vec<Option<f64>> {
    let mut order: Vec<(usize, f64)> =
        tests.iter().enumerate().filter_map(|(index, p)| Some((index, (*p)?))).collect();
    order.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut corrected = vec![None; tests.len()];
    let mut highest = 0.0f64;
    let count = order.len();
    for (rank, (index, p)) in order.into_iter().enumerate() {
        highest = highest.max(p * (count - rank) as f64).min(1.0);
        corrected[index] = Some(highest);
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: 0.005 x 4, 0.01 x 3, 0.03 x 2, and 0.04 x 1 is not below the one before.
    #[test]
    fn the_smallest_is_held_against_all_and_none_falls_below_one_before() {
        let found = holm(&[Some(0.01), Some(0.04), Some(0.03), Some(0.005)]);
        let expected = [0.03, 0.06, 0.06, 0.02];
        for (found, expected) in found.into_iter().zip(expected) {
            assert!((found.expect("corrected") - expected).abs() < 1e-12);
        }
        assert_eq!(holm(&[Some(0.9), Some(0.8)]), [Some(1.0), Some(1.0)]);
        assert_eq!(holm(&[Some(0.01), None]), [Some(0.01), None]);
        assert_eq!(holm(&[]), []);
    }
}
