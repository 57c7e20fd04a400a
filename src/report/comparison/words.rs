//! What a comparison says, in words and figures for people.

use crate::measure::comparison::{
    Better, Change, ComparedMetric, ComparisonResult, Effect, Measure, Relation, Scale,
};
use crate::report::card::clean;
use crate::report::text::thousands;
use crate::units::human_nanos;

/// A tenfold and more is told as a factor.
const LARGE: f64 = 9.0;
/// So many reasons and runs are named one by one.
const NAMED: usize = 20;

/// The judgement in a word.
pub fn word(change: &Change) -> &'static str {
    match change {
        Change::Worse => "worse",
        Change::Better => "better",
        Change::Same => "same",
        Change::Inconclusive { .. } => "inconclusive",
        Change::Incomparable { .. } => "incomparable",
    }
}

/// The judgement over all, as a colleague would say it.
pub fn headline(found: &ComparisonResult) -> String {
    let (first, rest) = word(&found.verdict).split_at(1);
    format!("{}{rest}: {}.", first.to_uppercase(), told(found))
}

/// What was found out, as part of a sentence.
pub fn told(found: &ComparisonResult) -> String {
    let counting = || found.metrics.iter().filter(|metric| metric.counts);
    let all = counting().count();
    let with = |wanted: &str| counting().filter(|metric| word(&metric.change) == wanted).count();
    let metrics = |number: usize| match (number, all) {
        (_, 1) => "the one metric that counts".to_owned(),
        (number, all) if number == all => format!("all {all} metrics that count"),
        _ => format!("{number} of {all} metrics that count"),
    };
    match &found.verdict {
        Change::Worse => format!("the candidate is worse in {}", metrics(with("worse"))),
        Change::Better => {
            format!("the candidate is better in {}, and worse in none", metrics(with("better")))
        }
        Change::Same => {
            format!("base and candidate differ by less than matters in {}", metrics(all))
        }
        Change::Inconclusive { .. } => {
            "these runs do not tell whether the candidate got worse".to_owned()
        }
        Change::Incomparable { .. } => "base and candidate were not measured alike".to_owned(),
    }
}

/// Why the judgement is none, and what would help; one sentence each.
pub fn reasons(change: &Change) -> Vec<String> {
    match change {
        Change::Worse | Change::Better | Change::Same => Vec::new(),
        Change::Inconclusive { reason, more_runs } => {
            let more = more_runs.map(more);
            std::iter::once(clean(reason)).chain(more).collect()
        }
        Change::Incomparable { reasons } => few(reasons),
    }
}

fn more(runs: u32) -> String {
    match runs {
        1 => "1 more run a side would probably suffice.".to_owned(),
        runs => format!("{} more runs a side would probably suffice.", thousands(runs)),
    }
}

/// Texts from outside; of many the first.
fn few(texts: &[String]) -> Vec<String> {
    let rest = texts.len().saturating_sub(NAMED);
    let rest = (rest > 0).then(|| format!("and {rest} more"));
    texts.iter().take(NAMED).map(|text| clean(text)).chain(rest).collect()
}

/// What else has to be known: unlike sides that were accepted, runs left out, looks taken.
pub fn notes(found: &ComparisonResult) -> Vec<String> {
    let mut notes = Vec::new();
    let incomparable = matches!(found.verdict, Change::Incomparable { .. });
    match (incomparable, found.accepted) {
        (true, _) => notes.push("To compare them nevertheless: --accept-environment.".to_owned()),
        (false, true) => notes.extend(
            few(&found.unlike).into_iter().map(|one| format!("Not alike, and accepted: {one}")),
        ),
        (false, false) => {}
    }
    for (side, party) in [("base", &found.base), ("candidate", &found.candidate)] {
        let left = few(&party.left_out).into_iter();
        notes.extend(left.map(|one| format!("Left out of the {side}: {one}")));
    }
    notes.extend(few(&fewer(found)));
    let changed = matches!(found.verdict, Change::Worse | Change::Better);
    if changed && found.relation == Relation::Apart {
        notes.push(
            "The sides ran at different times: what the machine did meanwhile looks like a change. \
             loadgen run --versus runs them in turn."
                .to_owned(),
        );
    }
    if let Some(looks) = &found.looks {
        notes.push(format!(
            "Look {} of {}: each may spend {} of alpha = {}, so that looking often raises no \
             false alarm.",
            looks.at,
            looks.after.len(),
            alpha(looks.alpha_each),
            alpha(found.alpha)
        ));
    }
    notes
}

/// Metrics that count and have a value in some of a side's runs only.
fn fewer(found: &ComparisonResult) -> Vec<String> {
    let mut told = Vec::new();
    for metric in found.metrics.iter().filter(|metric| metric.counts) {
        let sides = [
            ("base", &found.base, metric.base.len()),
            ("candidate", &found.candidate, metric.candidate.len()),
        ];
        for (side, party, values) in sides {
            // Where it has none at all, that is the judgement.
            if (1..party.runs as usize).contains(&values) {
                let (subject, runs) = (subject(metric), party.runs);
                told.push(format!(
                    "{subject}: a value in {values} of the {side}'s {runs} runs; in the others it was \
                     not measured, or the tool's own lag was more than half of it"
                ));
            }
        }
    }
    told
}

/// The confidence of all intervals that are told, in percent; `None` where they differ or there is
/// none.
pub fn confidence(metrics: &[ComparedMetric]) -> Option<String> {
    let mut all = metrics.iter().filter_map(|metric| metric.effect).map(|found| found.confidence);
    let first = all.next()?;
    let percent = (first.clamp(0.0, 1.0) * 1000.0).round() / 10.0;
    all.all(|one| (one - first).abs() < 1e-9).then(|| format!("{percent} %"))
}

/// Both sides in a line each: name, runs, and when they began.
pub fn parties(found: &ComparisonResult) -> [(&'static str, String); 2] {
    [("base", &found.base), ("candidate", &found.candidate)].map(|(side, party)| {
        let runs =
            if party.runs == 1 { "1 run".to_owned() } else { format!("{} runs", party.runs) };
        let told = format!(
            "{}, {runs} from {}, loadgen {}",
            party.name, party.started_at, party.loadgen_version
        );
        (side, clean(&told))
    })
}

/// Where a metric was measured: its combination and load; empty where there is nothing to say.
pub fn place(metric: &ComparedMetric) -> String {
    let load = metric.load.iter().map(String::as_str);
    let parts = std::iter::once(metric.cell.as_str()).chain(load).filter(|part| !part.is_empty());
    clean(&parts.collect::<Vec<_>>().join(", "))
}

/// What is compared, such as `request.p99`.
pub fn subject(metric: &ComparedMetric) -> String {
    clean(&metric.subject)
}

/// The middle of a side's runs, as text with its unit.
pub fn middle(unit: Measure, runs: &[f64]) -> String {
    median(runs).map_or("-".to_owned(), |value| figure(unit, value))
}

/// The median; `None` of nothing.
pub fn median(runs: &[f64]) -> Option<f64> {
    let mut sorted = runs.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    match sorted.len() % 2 {
        1 => Some(upper),
        _ => sorted.get(sorted.len() / 2 - 1).map(|lower| lower / 2.0 + upper / 2.0),
    }
}

/// A value with its unit, short.
pub fn figure(unit: Measure, value: f64) -> String {
    match unit {
        Measure::Nanoseconds => human_nanos(value.round() as u64),
        Measure::Share => format!("{} %", digits(value * 100.0)),
        Measure::Count => count(value),
        Measure::PerSecond => format!("{}/s", count(value)),
    }
}

/// A count, or a mean of counts.
fn count(value: f64) -> String {
    match value.abs() {
        at if at >= 1e15 => format!("{value:.1e}"),
        at if at >= 1e7 => format!("{:.1}M", value / 1e6),
        at if at >= 100.0 || value.fract() == 0.0 => thousands(value.round() as i64),
        _ => digits(value),
    }
}

/// As many digits as one compares at a glance.
fn digits(value: f64) -> String {
    match value.abs() {
        at if at >= 1e6 => format!("{value:.0e}"),
        at if at >= 100.0 => format!("{value:.0}"),
        at if at >= 10.0 || value == 0.0 => format!("{value:.1}"),
        at if at < 0.01 => format!("{value:.0e}"),
        _ => format!("{value:.2}"),
    }
}

/// A difference in percent or in percentage points, with its sign.
pub fn signed(share: f64) -> String {
    let value = share * 100.0;
    match value.abs() {
        at if at >= 1e5 => format!("{value:+.0e}"),
        at if at >= 100.0 => format!("{value:+.0}"),
        0.05..1.0 => format!("{value:+.2}"),
        _ => format!("{value:+.1}"),
    }
}

/// By how much, with the interval: `+14.8 % [+13.9, +15.6]`.
pub fn effect(of: Measure, effect: &Effect) -> String {
    if effect.scale == Scale::Relative && effect.estimate >= LARGE {
        let times = |share: f64| format!("x{}", count(share + 1.0));
        let high = effect.high.map_or("...".to_owned(), times);
        return format!("{} [{}, {high}]", times(effect.estimate), times(effect.low));
    }
    let told = |value: f64| match effect.scale {
        Scale::Relative | Scale::Points => signed(value),
        Scale::Difference => {
            let sign = if value < 0.0 { "-" } else { "+" };
            format!("{sign}{}", figure(of, value.abs()))
        }
    };
    let unit = unit(effect.scale);
    let high = effect.high.map_or("...".to_owned(), told);
    format!("{}{unit} [{}, {high}]", told(effect.estimate), told(effect.low))
}

/// Percent, or percentage points; nothing where figures bring their own.
fn unit(scale: Scale) -> &'static str {
    match scale {
        Scale::Relative => " %",
        Scale::Points => " pp",
        Scale::Difference => "",
    }
}

/// A probability in a few characters.
pub fn probability(p: f64) -> String {
    match p {
        ..0.0 => "-".to_owned(),
        0.0..0.0001 => "<.0001".to_owned(),
        0.0001..0.01 => format!("{p:.4}"),
        _ if p <= 1.0 => format!("{p:.3}"),
        _ => "-".to_owned(),
    }
}

/// A rate of false alarms: `0.05`.
pub fn alpha(alpha: f64) -> String {
    let text = probability(alpha);
    text.trim_end_matches('0').to_owned()
}

/// The least effect that matters, with its unit.
pub fn least(metric: &ComparedMetric) -> String {
    let scale = if metric.unit == Measure::Share { Scale::Points } else { Scale::Relative };
    format!("{}{}", digits(metric.minimum_effect * 100.0), unit(scale))
}

/// A changed metric in a sentence.
pub fn sentence(metric: &ComparedMetric) -> String {
    let place = match place(metric) {
        place if place.is_empty() => place,
        place => format!(" ({place})"),
    };
    let (base, candidate) =
        (middle(metric.unit, &metric.base), middle(metric.unit, &metric.candidate));
    let mut text = format!("{}{place}: {base} -> {candidate}", subject(metric));
    if let Some(found) = &metric.effect {
        let p = probability(found.p_corrected);
        text.push_str(&format!(", {}, p = {p}", effect(metric.unit, found)));
    }
    let direction = match metric.better {
        Better::Lower => "lower is better",
        Better::Higher => "higher is better",
    };
    match metric.effect.map(|effect| effect.scale) {
        Some(Scale::Difference) => text.push_str(&format!("; {direction}, and the base has none")),
        _ => text.push_str(&format!("; {direction}, less than {} does not matter", least(metric))),
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use proptest::prelude::*;

    #[test]
    fn figures_are_short_and_have_their_unit() {
        for (unit, value, text) in [
            (Measure::Nanoseconds, 1_171_234.4, "1.17ms"),
            (Measure::Nanoseconds, -1.0, "0ns"),
            (Measure::Share, 0.0, "0.0 %"),
            (Measure::Share, 0.0213, "2.13 %"),
            (Measure::Share, 0.00003, "3e-3 %"),
            (Measure::Count, 0.0, "0"),
            (Measure::Count, 1204.5, "1,205"),
            (Measure::Count, 2.5, "2.50"),
            (Measure::PerSecond, 1998.2, "1,998/s"),
            (Measure::PerSecond, 36_400_000.0, "36.4M/s"),
        ] {
            assert_eq!(figure(unit, value), text);
        }
        let shares = [0.148, -0.0021, 1.148, 0.0, -0.9995, 12.5];
        assert_eq!(shares.map(signed), ["+14.8", "-0.21", "+115", "+0.0", "-100.0", "+1250"]);
        assert_eq!(
            [0.00001, 0.00216, 0.39, 1.0].map(probability),
            ["<.0001", "0.0022", "0.390", "1.000"]
        );
    }

    #[test]
    fn the_median_is_between_the_middle_runs() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[1e308, 1e308]), Some(1e308), "no overflow");
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn a_change_is_told_in_a_sentence() {
        let told: Vec<_> = sample::comparison::worse().metrics.iter().map(sentence).collect();
        assert_eq!(
            told[0],
            "request.p99 (clients): 1.02ms -> 1.17ms, +14.8 % [+14.1, +15.5], p = 0.0065; lower is \
             better, less than 10.0 % does not matter"
        );
        assert!(told[2].contains("0.0 % -> 2.10 %, +2.1 pp [+1.8, +2.5]"), "{}", told[2]);
        let many = Effect {
            estimate: 5_810.4,
            low: 0.5,
            ..sample::comparison::worse().metrics[0].effect.expect("one")
        };
        assert_eq!(
            effect(Measure::Nanoseconds, &Effect { high: Some(9_000.0), ..many }),
            "x5,811 [x1.50, x9,001]"
        );
        assert!(told[4].contains("+1,201 [+1,188, +1,210]"), "{}", told[4]);
    }

    proptest! {
        #[test]
        fn no_figure_is_long(value in any::<f64>()) {
            for unit in [Measure::Nanoseconds, Measure::Share, Measure::Count, Measure::PerSecond] {
                prop_assert!(figure(unit, value).len() <= 19, "{}", figure(unit, value));
            }
            prop_assert!(signed(value).len() <= 8, "{}", signed(value));
            prop_assert!(probability(value).len() <= 6);
        }
    }
}
