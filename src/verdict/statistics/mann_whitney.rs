//! Whether chance alone would part two groups of values like this: the rank test of Mann, Whitney
//! and Wilcoxon (Mann & Whitney 1947), exact also with ties.

use statrs::distribution::{ContinuousCDF, Normal};

/// Most additions that the exact distribution may take: 50 values against 50 need 5e7.
const MOST_WORK: f64 = 6e7;

/// What the test of two groups found.
#[derive(Debug, Clone, PartialEq)]
pub struct RankTest {
    /// Two-sided p of no difference, from above 0 to 1.
    pub p: f64,
    /// Whether no outcome of the test could have excluded chance: all values are one.
    pub hopeless: bool,
}

impl RankTest {
    /// Tests two groups, none of which is empty and whose values are finite or infinite, not NaN.
    ///
    /// Exact p: of all ways to deal these very values (their ties included) into groups of these
    /// sizes, twice the share that lies at least as far on the same side, at most 1. That is
    /// `mannwhitneyu(method="exact")` of SciPy without ties, and its `permutation_test` with them.
    /// Groups too large to count have the normal approximation, corrected for ties and continuity.
    pub fn of(base: &[f64], candidate: &[f64]) -> Self {
        let ranks = Ranks::of(base, candidate);
        let p = match ranks.hopeless() {
            true => 1.0,
            false if ranks.work() <= MOST_WORK => ranks.exact(),
            false => ranks.approximate(),
        };
        Self { p, hopeless: ranks.hopeless() }
    }
}

/// The smallest p that two groups of these sizes can have: they are wholly apart.
pub fn least_p(base: usize, candidate: usize) -> f64 {
    let (few, all) = (base.min(candidate), base + candidate);
    // 2 / (all choose few), factor by factor.
    let ways = (1..=few).map(|k| (all - few + k) as f64 / k as f64).product::<f64>();
    (2.0 / ways).min(1.0)
}

/// Doubled midranks, so that those of tied values are whole numbers.
struct Ranks {
    /// Of all values, ascending.
    all: Vec<usize>,
    /// How often each distinct value is there.
    ties: Vec<usize>,
    /// Values in the smaller group.
    few: usize,
    /// Sum over the smaller group.
    sum: usize,
}

impl Ranks {
    fn of(base: &[f64], candidate: &[f64]) -> Self {
        let is_few = candidate.len() <= base.len();
        let mut values: Vec<(f64, bool)> = base.iter().map(|value| (*value, !is_few)).collect();
        values.extend(candidate.iter().map(|value| (*value, is_few)));
        values.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut ranks = Self {
            all: Vec::new(),
            ties: Vec::new(),
            few: base.len().min(candidate.len()),
            sum: 0,
        };
        // `==` and not the order's: 0 and -0 are one value.
        for tied in values.chunk_by(|a, b| a.0 == b.0) {
            // Twice the mean of the ranks from `before + 1` to `before + tied.len()`.
            let rank = 2 * ranks.all.len() + tied.len() + 1;
            ranks.all.extend(tied.iter().map(|_| rank));
            ranks.sum += tied.iter().filter(|(_, few)| *few).count() * rank;
            ranks.ties.push(tied.len());
        }
        ranks
    }

    fn hopeless(&self) -> bool {
        self.ties.len() < 2 || self.few == 0
    }

    fn work(&self) -> f64 {
        2.0 * (self.few as f64 * self.all.len() as f64).powi(2)
    }

    /// Counts the subsets of the smaller group's size by the sum of their ranks. Counts are whole
    /// numbers, kept as floats: below 2^53 they are exact, above they are right to 15 digits.
    fn exact(&self) -> f64 {
        let highest: usize = self.all.iter().rev().take(self.few).sum();
        let width = highest + 1;
        let mut ways = vec![0.0f64; (self.few + 1) * width];
        ways[0] = 1.0;
        for (seen, rank) in self.all.iter().enumerate() {
            for size in (1..=self.few.min(seen + 1)).rev() {
                let (fewer, these) = ways.split_at_mut(size * width);
                let from = &fewer[(size - 1) * width..];
                for (to, one_less) in these[*rank..width].iter_mut().zip(from) {
                    *to += one_less;
                }
            }
        }
        let by_sum = &ways[self.few * width..];
        let all: f64 = by_sum.iter().sum();
        let low: f64 = by_sum[..=self.sum].iter().sum();
        let high: f64 = by_sum[self.sum..].iter().sum();
        (2.0 * low.min(high) / all).min(1.0)
    }

    fn approximate(&self) -> f64 {
        let (few, all) = (self.few as f64, self.all.len() as f64);
        let many = all - few;
        let expected = few * (all + 1.0) / 2.0;
        let tied: f64 = self.ties.iter().map(|n| (*n as f64).powi(3) - *n as f64).sum();
        let variance = few * many / 12.0 * (all + 1.0 - tied / (all * (all - 1.0)));
        let distance = ((self.sum as f64 / 2.0 - expected).abs() - 0.5).max(0.0);
        (2.0 * Normal::standard().sf(distance / variance.sqrt())).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p(base: &[f64], candidate: &[f64]) -> f64 {
        RankTest::of(base, candidate).p
    }

    fn close(measured: f64, expected: f64) -> bool {
        (measured - expected).abs() <= 1e-12 * expected.max(1e-3)
    }

    fn steps(count: u32, first: f64, step: f64) -> Vec<f64> {
        (0..count).map(|n| first + f64::from(n) * step).collect()
    }

    /// `scipy.stats.mannwhitneyu(a, b, alternative="two-sided", method="exact").pvalue` of SciPy
    /// 1.17.1.
    #[test]
    fn without_ties_it_is_scipys_exact_test() {
        let table: [(Vec<f64>, Vec<f64>, f64); 11] = [
            (steps(5, 1.0, 1.0), steps(5, 6.0, 1.0), 0.007936507936507936),
            (steps(6, 1.0, 1.0), steps(6, 7.0, 1.0), 0.0021645021645021645),
            (steps(3, 1.0, 1.0), steps(3, 4.0, 1.0), 0.1),
            (steps(4, 1.0, 1.0), steps(4, 5.0, 1.0), 0.02857142857142857),
            (steps(6, 1.0, 2.0), steps(6, 2.0, 2.0), 0.6991341991341992),
            (vec![1., 2., 3., 5., 8., 4.], vec![6., 7., 9., 10., 11., 12.], 0.008658008658008658),
            (vec![19., 22., 16., 29., 24.], vec![20., 11., 17., 12.], 0.1111111111111111),
            (vec![0.5, 11.5], steps(9, 1.0, 1.0), 1.0),
            (steps(20, 0.0, 2.0), steps(20, 6.5, 2.0), 0.0859140199856938),
            (steps(50, 0.0, 1.0), steps(50, 10.5, 1.0), 0.0010550164711136663),
            (steps(30, 0.0, 1.5), steps(45, 7.25, 1.0), 0.025617569820228375),
        ];
        for (base, candidate, expected) in table {
            let measured = p(&base, &candidate);
            assert!(close(measured, expected), "{base:?} {candidate:?}: {measured}");
        }
        assert_eq!(p(&steps(5, 1.0, 1.0), &steps(5, 6.0, 1.0)), 2.0 / 252.0);
    }

    /// `scipy.stats.permutation_test((a, b), U, permutation_type="independent",
    /// n_resamples=inf, alternative="two-sided").pvalue` of SciPy 1.17.1.
    #[test]
    fn with_ties_it_is_scipys_permutation_test() {
        let table: [(&[f64], &[f64], f64); 6] = [
            (&[1., 1., 2., 3.], &[2., 3., 3., 4.], 0.2),
            (&[0., 0., 0., 0., 0., 1.], &[0., 1., 1., 2., 2., 2.], 0.04112554112554113),
            (&[5., 5., 5.], &[5., 5., 5.], 1.0),
            (&[1., 2., 2., 3., 3.], &[3., 3., 4., 4., 5., 5.], 0.025974025974025976),
            (&[0., 0., 0., 0.], &[0., 0., 0., 1.], 1.0),
            (&[1.; 6], &[2.; 6], 0.0021645021645021645),
        ];
        for (base, candidate, expected) in table {
            let measured = p(base, candidate);
            assert!(close(measured, expected), "{base:?} {candidate:?}: {measured}");
        }
    }

    /// `scipy.stats.mannwhitneyu(a, b, method="asymptotic").pvalue` of SciPy 1.17.1.
    #[test]
    fn large_groups_have_scipys_approximation() {
        let base = steps(60, 0.0, 1.0);
        for (first, expected) in [(12.0, 1.4948043885242112e-07), (12.5, 8.60399756980784e-08)] {
            let candidate = steps(80, first, 1.0);
            assert!(Ranks::of(&base, &candidate).work() > MOST_WORK);
            let measured = p(&base, &candidate);
            assert!((measured / expected - 1.0).abs() < 1e-6, "{measured}");
        }
    }

    #[test]
    fn the_smallest_p_is_that_of_groups_wholly_apart() {
        for (few, many) in [(1, 1), (2, 2), (4, 4), (5, 5), (6, 6), (3, 9), (24, 24)] {
            let apart = p(&steps(few, 0.0, 1.0), &steps(many, 1e3, 1.0));
            assert!(close(apart, least_p(few as usize, many as usize)), "{few} {many}: {apart}");
        }
        assert_eq!((least_p(0, 5), least_p(0, 0)), (1.0, 1.0));
    }

    #[test]
    fn values_that_are_all_one_say_nothing() {
        assert!(RankTest::of(&[0.0; 6], &[-0.0; 6]).hopeless);
        assert!(!RankTest::of(&[0.0; 6], &[0.0, 0.0, 0.0, 0.0, 0.0, 1e-9]).hopeless);
        let endless = RankTest::of(&[1.0; 5], &[f64::INFINITY; 5]);
        assert_eq!(endless.p, 2.0 / 252.0);
    }
}
