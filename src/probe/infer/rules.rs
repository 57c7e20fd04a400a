//! Which rule turns the number given to `listen(2)` into a capacity.

/// A rule in the words of the card, and the capacity that it gives.
type Rule = (&'static str, fn(i64) -> i64);

/// Rules that systems are known to follow.
const RULES: [Rule; 5] = [
    ("n", |n| n),
    ("n + 1", |n| n + 1),
    ("n + 2", |n| n + 2),
    ("floor(3n/2)", |n| n * 3 / 2),
    ("floor(3n/2) + 1", |n| n * 3 / 2 + 1),
];

/// What is known of capacities.
#[derive(Debug, Clone, Copy)]
pub struct Fit {
    /// The rule, in the card's words.
    pub rule: &'static str,
    /// What it says for a number.
    pub of: fn(i64) -> i64,
    /// Numbers for which it holds exactly.
    pub exact: usize,
    /// Capacity that no large number exceeds, and how many numbers ran into it.
    pub most: Option<(i64, usize)>,
    /// Capacity below which no small number falls, and how many numbers were raised to it.
    pub least: Option<(i64, usize)>,
}

/// Why no rule is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// None of the rules says this.
    None,
    /// Several say it; other numbers would tell.
    Several,
}

/// The rule that the capacities of positive numbers follow, but for a range in which the system
/// keeps all of them.
///
/// # Errors
/// Where it is none of the known ones, or may be several.
pub fn fit(points: &[(i64, i64)]) -> Result<Fit, Unfit> {
    let positive: Vec<_> = points.iter().copied().filter(|(n, _)| *n > 0).collect();
    let mut fits: Vec<_> = RULES.iter().filter_map(|rule| fits(*rule, &positive)).collect();
    let best = fits.iter().map(|fit| fit.exact).max().ok_or(Unfit::None)?;
    fits.retain(|fit| fit.exact == best);
    match fits.as_slice() {
        [one] => Ok(*one),
        _ => Err(Unfit::Several),
    }
}

fn fits((rule, of): Rule, points: &[(i64, i64)]) -> Option<Fit> {
    let top = points.iter().map(|(_, held)| *held).max()?;
    let bottom = points.iter().map(|(_, held)| *held).min()?;
    let mut fit = Fit { rule, of, exact: 0, most: None, least: None };
    for (n, held) in points {
        let by_rule = of(*n);
        match () {
            () if *held == by_rule => fit.exact += 1,
            () if *held == top && by_rule > top => more(&mut fit.most, top),
            () if *held == bottom && by_rule < bottom => more(&mut fit.least, bottom),
            () => return None,
        }
    }
    (fit.exact > 0).then_some(fit)
}

fn more(bound: &mut Option<(i64, usize)>, at: i64) {
    *bound = Some((at, bound.map_or(1, |(_, times)| times + 1)));
}

#[cfg(test)]
mod tests {
    use super::*;

    type Found = (&'static str, Option<(i64, usize)>, Option<(i64, usize)>);

    fn found(points: &[(i64, i64)]) -> Found {
        let fit = fit(points).expect("a rule");
        (fit.rule, fit.most, fit.least)
    }

    #[test]
    fn linux_holds_one_more_up_to_its_limit() {
        let linux = [(0, 1), (1, 2), (5, 6), (37, 38), (128, 129), (1000, 1001), (-1, 4097)];
        assert_eq!(found(&linux), ("n + 1", None, None));
        let clamped = [(1, 2), (5, 6), (37, 38), (128, 65), (1000, 65)];
        assert_eq!(found(&clamped), ("n + 1", Some((65, 2)), None));
    }

    #[test]
    fn other_systems_have_their_own_rules() {
        let freebsd = [(0, 1), (1, 2), (5, 8), (16, 25), (128, 193), (1000, 193)];
        assert_eq!(found(&freebsd), ("floor(3n/2) + 1", Some((193, 1)), None));
        let macos = [(0, 128), (1, 1), (5, 5), (16, 16), (128, 128), (1000, 128)];
        assert_eq!(found(&macos), ("n", Some((128, 1)), None));
    }

    #[test]
    fn small_numbers_may_be_raised() {
        let raised = [(1, 9), (5, 9), (16, 17), (128, 129), (5000, 1025)];
        assert_eq!(found(&raised), ("n + 1", Some((1025, 1)), Some((9, 2))));
    }

    #[test]
    fn nothing_is_named_that_other_rules_say_as_well_or_none_says() {
        let named = |points: &[(i64, i64)]| fit(points).map(|fit| fit.rule);
        assert_eq!(named(&[(1, 2)]), Err(Unfit::Several));
        assert_eq!(named(&[(2, 7), (3, 5), (9, 100)]), Err(Unfit::None));
        assert_eq!(named(&[(0, 1), (-1, 4097)]), Err(Unfit::None));
        assert_eq!(named(&[(1, 2), (2, 3), (5, 6)]), Ok("n + 1"));
    }
}
