//! Several runs beside each other.

use std::borrow::Cow;

use maud::{Markup, html};

use super::figures::figure;
use super::parts::{Column, Row, table, text};
use super::{alt, compare, differences::differences, document, knee, partial, verdict};
use crate::measure::result::{CellResult, Environment, RunResult};
use crate::report::comparison::words;
use crate::report::picture::{self, HEIGHT};
use crate::report::sides::sides;
use crate::report::text::{letter, thousands};

/// Keys of the environment that differ between any two runs and mean nothing.
const ALWAYS: [&str; 3] = ["started_at", "load_average", "command_line"];
/// Up to so many differing keys are unfolded.
const UNFOLDED: usize = 8;
/// So many differing keys are listed.
const LISTED: usize = 60;

/// The page; without any run it says so.
pub fn page(results: &[RunResult]) -> Markup {
    let names: Vec<_> = (0..results.len()).map(letter).collect();
    let mut scenarios: Vec<_> = results.iter().map(|one| one.scenario.name.as_str()).collect();
    scenarios.dedup();
    let title = format!("{} runs of {}", results.len(), scenarios.join(", "));
    let header = html! {
        p.kicker { "loadgen comparison" }
        h1 { (title) }
        p.lead { "Each run has a letter; a cell is named by it." }
    };
    let main = html! {
        (verdicts(results, &names))
        (cells(results, &names))
        (findings(results, &names))
        (unlike(results, &names))
    };
    document(&format!("{title} · loadgen"), header, main)
}

fn verdicts(results: &[RunResult], names: &[String]) -> Markup {
    let rows = results.iter().zip(names).map(|(result, name)| {
        let (word, tone) = verdict::word(result);
        let attempts = result.cells.iter().map(|cell| cell.ledger.attempts);
        Row::new([
            text(name),
            html! { strong class=(tone) { (word) } },
            text(&result.scenario.name),
            text(&result.environment.started_at),
            text(&result.environment.kernel),
            text(&result.loadgen_version),
            text(result.cells.len()),
            text(thousands(attempts.fold(0u64, u64::saturating_add))),
        ])
    });
    let columns = [
        Column::Text("run"),
        Column::Text("verdict"),
        Column::Text("scenario"),
        Column::Text("started"),
        Column::Text("kernel"),
        Column::Text("loadgen"),
        Column::Number("cells"),
        Column::Number("attempts"),
    ];
    html! {
        section id="verdict" {
            h2 { "Verdicts" }
            @if results.is_empty() { p { "There is no run to compare." } }
            (table("The runs", &columns, rows.collect()))
            @if results.len() > 1 {
                p { a href="#differences" { "In what the runs differ" } " stands at the end." }
            }
            @for (result, name) in results.iter().zip(names) {
                @let (_, tone) = verdict::word(result);
                div class={ "verdict " (tone) } {
                    h3 { "Run " (name) }
                    @let repeats = result.repeats.as_ref();
                    @if let Some(found) = repeats.and_then(|repeats| repeats.comparison.as_ref()) {
                        p { strong { (words::headline(found)) } }
                    }
                    (verdict::reasons(result))
                    (knee::told(result))
                    (partial(&result.status))
                }
            }
        }
    }
}

/// What is not alike in the runs' environments and scenarios.
fn unlike(results: &[RunResult], names: &[String]) -> Markup {
    let environments: Vec<&Environment> = results.iter().map(|one| &one.environment).collect();
    let plans: Vec<_> = results.iter().map(|one| &one.scenario).collect();
    let mut grounds = differences(&environments);
    grounds.retain(|(key, _)| !ALWAYS.iter().any(|skip| key.split('.').next() == Some(*skip)));
    html! {
        section id="differences" {
            h2 { "In what the runs differ" }
            (listed("Environment", grounds, names))
            (listed("Scenario", differences(&plans), names))
        }
    }
}

/// The keys that differ, folded where they are many: unlike scenarios differ in most.
fn listed(what: &str, found: Vec<(String, Vec<Option<String>>)>, names: &[String]) -> Markup {
    let count = found.len();
    let told = match count {
        0 => "alike".to_owned(),
        1 => "1 key differs".to_owned(),
        several => format!("{several} keys differ"),
    };
    let rows = found.into_iter().take(LISTED).map(|(key, values)| {
        let told = values.into_iter().zip(names).map(|(value, name)| {
            format!("{name}: {}", value.unwrap_or_else(|| "not there".to_owned()))
        });
        Row::new([text(key), html! { ul { @for one in told { li { (one) } } } }])
    });
    let columns = [Column::Text("key"), Column::Long("in each run")];
    let title = format!("{what}: {told}");
    html! {
        @if count == 0 {
            h3 { (title) }
        } @else {
            details open[count <= UNFOLDED] {
                summary { h3 { (title) } }
                (table(&format!("What differs: {what}"), &columns, rows.collect()))
                @if count > LISTED {
                    p.faint { "And " (count - LISTED) " more: compare the run.json files." }
                }
            }
        }
    }
}

fn cells(results: &[RunResult], names: &[String]) -> Markup {
    let runs: Vec<Vec<Cow<CellResult>>> = results.iter().map(compared).collect();
    // The first cells of all runs, then the second ones: what is alike stands side by side.
    let most = runs.iter().map(Vec::len).max().unwrap_or(0);
    let all: Vec<(String, &CellResult)> = (0..most)
        .flat_map(|index| runs.iter().zip(names).map(move |(run, name)| (index, run, name)))
        .filter_map(|(index, run, name)| Some((name, run.get(index)?)))
        .map(|(name, cell)| (format!("{name} {}", cell.title()), cell.as_ref()))
        .collect();
    let rows: Vec<_> = all.iter().map(|(name, cell)| (text(name), *cell)).collect();
    let sketch = picture::overlaid("Runs", &all);
    let words = alt::latency(all.iter().map(|(name, cell)| (name.as_str(), *cell)));
    html! {
        section id="compared" {
            h2 { "Cells compared" }
            (compare::tables(&rows))
            (figure(&sketch, HEIGHT, "latency", &words))
        }
    }
}

/// The cells of a run; of repeated ones what all of each side measured together. Ledgers of
/// datagrams are not added up, so that these stay single.
fn compared(result: &RunResult) -> Vec<Cow<'_, CellResult>> {
    let datagrams = result.cells.iter().any(|cell| cell.datagrams.is_some());
    match &result.repeats {
        Some(_) if !datagrams => {
            sides(result).into_iter().map(|side| Cow::Owned(side.whole)).collect()
        }
        _ => result.cells.iter().map(Cow::Borrowed).collect(),
    }
}

fn findings(results: &[RunResult], names: &[String]) -> Markup {
    html! {
        section id="findings" {
            h2 { "Findings" }
            @for (result, name) in results.iter().zip(names) {
                h3 { "Run " (name) }
                (verdict::found(result))
            }
        }
    }
}
