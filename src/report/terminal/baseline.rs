//! Baselines at a terminal: all of them in a table, or one with its figures.

use std::collections::BTreeMap;

use super::{NARROWEST, Sheet, Tone, WIDEST};
use crate::measure::baseline::{Baseline, Ground};
use crate::measure::result::{CellResult, MetricResult};
use crate::measure::sample::Sample;
use crate::measure::{Summary, Unit};
use crate::report::card::clean;
use crate::report::text::{columns, shorten, thousands};
use crate::units::human_nanos;

/// Columns of the list.
const NAME: usize = 24;
const SCENARIO: usize = 12;
const KERNEL: usize = 15;
/// Statistics that are shown of each metric.
type Statistic = (&'static str, fn(&Summary) -> u64);
const STATISTICS: [Statistic; 4] = [
    ("p50", |summary| summary.p50),
    ("p90", |summary| summary.p90),
    ("p99", |summary| summary.p99),
    ("p999", |summary| summary.p999),
];

/// All baselines, by name; `here` is what they are to fit.
pub fn list(all: &[(String, Baseline)], here: &Ground, width: usize, colour: bool) -> String {
    let mut sheet = sheet(width, colour);
    let head = row("name", "scenario", ["saved (UTC)", "runs", "kernel", "here"]);
    sheet.line(Tone::Heading, &head);
    for (name, baseline) in all {
        let differences = baseline.key.environment.differences(here);
        let fits = if differences.is_empty() { "yes" } else { "no" };
        let saved = baseline.saved_at.get(..16).unwrap_or_default().replace('T', " ");
        let release = baseline.key.environment.kernel.split_whitespace().nth(1);
        let release = shorten(&clean(release.unwrap_or_default()), KERNEL);
        let runs = runs(&baseline.sample);
        let scenario = clean(&baseline.key.scenario);
        // A name is to be copied, and so it is never cut.
        let (first, name) = match columns(name) > NAME {
            true => (Some(name.as_str()), ""),
            false => (None, name.as_str()),
        };
        first.into_iter().for_each(|name| sheet.say(Tone::Plain, "", name));
        let told = [saved.as_str(), &runs, &release, fits];
        sheet.line(Tone::Plain, &row(name, &scenario, told));
        if let Some(first) = differences.first() {
            let more = differences.len() - 1;
            let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
            sheet.say(Tone::Doubtful, "  ", &format!("{}{more}", clean(first)));
        }
    }
    sheet.text
}

fn row(name: &str, scenario: &str, [saved, runs, kernel, here]: [&str; 4]) -> String {
    let scenario = shorten(scenario, SCENARIO);
    format!("{name:<NAME$} {scenario:<SCENARIO$} {saved:<16} {runs:>4} {kernel:<KERNEL$} {here}")
}

/// One baseline: what it fits, and the median over its runs of each metric's percentiles.
pub fn one(name: &str, baseline: &Baseline, width: usize, colour: bool) -> String {
    let mut sheet = sheet(width, colour);
    let Baseline { key, sample, loadgen_version, saved_at, .. } = baseline;
    let say = |sheet: &mut Sheet, what: &str, text: &str| {
        sheet.say(Tone::Plain, &format!("{what:<13}"), &clean(text));
    };
    sheet.say(Tone::Heading, "baseline: ", &clean(name));
    say(&mut sheet, "scenario", &format!("{} ({})", key.scenario, key.scenario_digest));
    say(&mut sheet, "saved", &format!("{saved_at} by loadgen {loadgen_version}"));
    say(
        &mut sheet,
        "measured",
        &format!("{} by loadgen {}", sample.environment.started_at, sample.loadgen_version),
    );
    say(&mut sheet, "runs", &runs(sample));
    let ground = &key.environment;
    say(&mut sheet, "environment", &key.environment_digest);
    say(&mut sheet, "  kernel", &format!("{}, {}", ground.kernel, ground.architecture));
    say(&mut sheet, "  CPU", &format!("{} of {}", ground.cpus, ground.cpu));
    let user = if ground.root { "root" } else { "an ordinary user" };
    say(&mut sheet, "  clock", &format!("{}, as {user}", ground.clock_source));
    say(&mut sheet, "  place", &ground.place);
    for (setting, value) in &ground.settings {
        sheet.say(Tone::Plain, "  ", &clean(&format!("{setting} = {value}")));
    }
    for cell in &sample.scenario.cells {
        let of_cell = sample.runs.iter().filter(|run| run.name == cell.name);
        figures(&mut sheet, &of_cell.collect::<Vec<_>>());
    }
    sheet.text
}

/// The runs of one combination.
fn figures(sheet: &mut Sheet, runs: &[&CellResult]) {
    let Some(first) = runs.first() else { return };
    sheet.blank();
    let combination = first.combination();
    let title = if combination.is_empty() { "median over runs" } else { combination.as_str() };
    let names: String = STATISTICS.iter().map(|(name, _)| format!("{name:>10}")).collect();
    let title = shorten(&clean(title), 34);
    sheet.line(Tone::Heading, &format!("{title:<34}{:>4}{names}", "runs"));
    for metric in &first.metrics {
        let all: Vec<_> =
            runs.iter().filter_map(|run| run.metric(&metric.load, metric.metric)).collect();
        let values = STATISTICS.map(|(_, of)| shown(metric, median(&all, of)));
        let values: String = values.iter().map(|value| format!("{value:>10}")).collect();
        let name = shorten(&clean(&format!("{} {}", metric.load, metric.metric)), 32);
        sheet.line(Tone::Plain, &format!("  {name:<32}{:>4}{values}", all.len()));
    }
}

/// The median; of an even number the lower of the two in the middle.
fn median(all: &[&MetricResult], of: fn(&Summary) -> u64) -> u64 {
    let mut values: Vec<_> = all.iter().map(|metric| of(&metric.summary)).collect();
    values.sort_unstable();
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(0)
}

fn shown(metric: &MetricResult, value: u64) -> String {
    match metric.metric.unit() {
        Unit::Nanoseconds => human_nanos(value),
        Unit::Datagrams => thousands(value),
    }
}

/// Runs of each combination: a number, or the least and the most of them.
fn runs(sample: &Sample) -> String {
    let counts = counts(sample);
    let (least, most) = (counts.values().min(), counts.values().max());
    match (least, most) {
        (Some(least), Some(most)) if least != most => format!("{least}-{most}"),
        (Some(least), _) => least.to_string(),
        (None, _) => "0".to_owned(),
    }
}

/// Runs of the combination that has fewest.
pub fn fewest(sample: &Sample) -> usize {
    counts(sample).into_values().min().unwrap_or(0)
}

fn counts(sample: &Sample) -> BTreeMap<&str, usize> {
    let mut counts: BTreeMap<_, _> =
        sample.scenario.cells.iter().map(|cell| (cell.name.as_str(), 0)).collect();
    for run in &sample.runs {
        *counts.entry(run.name.as_str()).or_default() += 1;
    }
    counts
}

fn sheet(width: usize, colour: bool) -> Sheet {
    Sheet { text: String::new(), width: width.clamp(NARROWEST, WIDEST), colour }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::result::Arm;
    use crate::report::sample;

    fn baseline() -> Baseline {
        let mut result = sample::sweep(&[5, 128]);
        result.environment.kernel = "Linux 6.18.44-generic-x #1 SMP".to_owned();
        result.environment.cpu = "A CPU\u{1b}[2J".to_owned();
        result.environment.sysctl.insert("net.core.somaxconn".to_owned(), "4096".to_owned());
        let sample = Sample::of(&result, Arm::Base).expect("a run has a base");
        Baseline::new(sample, "2026-11-23T09:00:00.000Z".to_owned())
    }

    #[test]
    fn a_list_says_what_fits_and_why_not() {
        let one = baseline();
        let here = one.key.environment.clone();
        let mut other = baseline();
        other.key.environment.cpus = 64;
        let long = "a-name-that-is-far-too-long-for-its-column".to_owned();
        let all = [("main".to_owned(), one), (long, other)];
        insta::assert_snapshot!(list(&all, &here, 80, false));
    }

    #[test]
    fn one_is_shown_with_its_figures() {
        let told = one("main", &baseline(), 80, false);
        assert!(!told.contains('\u{1b}') && told.lines().all(|line| line.len() <= 80), "{told}");
        insta::assert_snapshot!(told);
    }
}
