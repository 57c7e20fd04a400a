//! When to look while pairs of runs are added, and what each look may spend.

use crate::measure::comparison::Looks;

/// Pairs before the first look: with fewer, not even groups wholly apart are significant once alpha
/// is divided (6 against 6: p = 0.0022).
const FIRST: u32 = 6;
/// By how much the number of pairs grows from look to look. More looks would leave less of alpha for
/// each.
const GROWTH: f64 = 1.4;

impl Looks {
    /// Looks at up to `most` pairs: at 6, then at about 1.4 times as many each time, in even numbers
    /// since pairs are made in blocks of two, and at `most` itself.
    ///
    /// Each spends alpha divided by their number, planned before the first run. By Bonferroni's
    /// inequality the chance that *any* look raises a false alarm is at most the sum: alpha,
    /// however much the looks have in common and whichever of them one stops at. A schedule that
    /// spends less on early looks (O'Brien-Fleming) would need the looks' joint distribution, which
    /// exact tests of few runs do not have. Intervals have the confidence 1 - `alpha_each`, so that
    /// "the same" is not reached by looking often, either.
    pub fn plan(most: u32, alpha: f64) -> Self {
        let mut after = Vec::new();
        let mut wanted = f64::from(FIRST);
        while even(wanted) < most {
            after.push(even(wanted));
            wanted *= GROWTH;
        }
        // A look just before the last one tells nothing that the last one does not.
        if after.last().is_some_and(|last| f64::from(*last) * GROWTH.sqrt() > f64::from(most)) {
            after.pop();
        }
        after.push(most);
        let alpha_each = alpha / after.len() as f64;
        Self { after, at: 1, alpha_each }
    }

    /// After how many pairs the present look is.
    pub fn pairs(&self) -> u32 {
        let index = (self.at as usize).saturating_sub(1);
        self.after.get(index).or(self.after.last()).copied().unwrap_or_default()
    }

    /// The look after this one; `None` after the last.
    pub fn next(&self) -> Option<Self> {
        let more = (self.at as usize) < self.after.len();
        more.then(|| Self { at: self.at + 1, ..self.clone() })
    }
}

fn even(pairs: f64) -> u32 {
    2 * (pairs / 2.0).round() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_grow_to_the_maximum() {
        for (most, after) in [
            (1, vec![1]),
            (4, vec![4]),
            (6, vec![6]),
            (7, vec![7]),
            (8, vec![6, 8]),
            (12, vec![6, 8, 12]),
            (24, vec![6, 8, 12, 16, 24]),
        ] {
            let looks = Looks::plan(most, 0.05);
            assert_eq!(looks.after, after);
            assert_eq!(looks.alpha_each * after.len() as f64, 0.05);
        }
    }

    #[test]
    fn they_are_taken_one_after_the_other_and_end() {
        for most in 1..=500 {
            let mut looks = Some(Looks::plan(most, 0.05));
            let mut taken = Vec::new();
            while let Some(look) = looks {
                taken.push(look.pairs());
                looks = look.next();
            }
            assert!(taken.is_sorted_by(|a, b| a < b), "{taken:?}");
            assert_eq!(taken.last(), Some(&most));
            assert!(taken.len() <= 16, "{taken:?}");
        }
    }
}
