//! The judgement, what was found, and the limits: what a reader wants first.

use maud::{Markup, html};

use super::alike::{Alike, alike};
use super::parts::{Column, Row, folded, percent, table, text};
use super::{compare, knee, partial};
use crate::measure::result::{CellResult, Finding, RunResult, Verdict};
use crate::report::grounds::grounds;

/// So many findings are seen at once.
const SEEN: usize = 12;
/// So many cells of findings that are alike are named beside the first one.
const NAMED: usize = 12;

/// The verdict as a word, and the class of its colour.
pub fn word(result: &RunResult) -> (&'static str, &'static str) {
    match result.verdict {
        Verdict::Pass => ("pass", "good"),
        Verdict::Fail => ("fail", "bad"),
        Verdict::Inconclusive { .. } => ("inconclusive", "doubt"),
        Verdict::Invalid { .. } => ("invalid", "bad"),
    }
}

/// The verdict, why, and the most important figures.
pub fn section(result: &RunResult) -> Markup {
    let (word, tone) = word(result);
    html! {
        section id="verdict" class={ "verdict " (tone) } {
            h2 { "Verdict: " (word) }
            (reasons(result))
            (knee::told(result))
            (partial(&result.status))
            (compare::figures(result))
        }
        nav aria-label="Sections" { ul {
            @for (id, name) in sections(result) { li { a href={ "#" (id) } { (name) } } }
        } }
    }
}

fn sections(result: &RunResult) -> Vec<(&'static str, &'static str)> {
    let repeats = result.repeats.as_ref();
    let compared = repeats.is_some_and(|repeats| repeats.comparison.is_some());
    let all = [
        ("comparison", "Comparison", compared),
        ("findings", "Findings", true),
        ("limits", "Limits", !result.limits.is_empty()),
        ("knee", "Knee", result.knee.is_some()),
        ("compared", "Cells compared", result.cells.len() > 1),
        ("cells", "Measurements", true),
        ("environment", "Environment", true),
        ("scenario", "Scenario", true),
        ("words", "What the words mean", true),
    ];
    all.into_iter().filter(|(.., there)| *there).map(|(id, name, _)| (id, name)).collect()
}

/// Why the verdict is what it is.
pub fn reasons(result: &RunResult) -> Markup {
    let grounds = grounds(result);
    let all = result.limits.len();
    html! {
        @match &result.verdict {
            Verdict::Pass if result.knee.is_some() => {
                p { "The search came to its end, and the knee was found." }
            }
            Verdict::Pass if !grounds.is_empty() => (sentences(&grounds)),
            Verdict::Pass if all == 0 => p { "The run is valid; the scenario sets no limits." },
            Verdict::Pass => p { "The run is valid, and " (all) " of " (all) " limits held." },
            _ => (sentences(&grounds)),
        }
    }
}

/// One as a paragraph, several as a list.
fn sentences(parts: &[String]) -> Markup {
    html! {
        @if let [part] = parts { p { (part) } }
        @else { ul { @for part in parts { li { (part) } } } }
    }
}

/// Every finding with its evidence, the largest impact first.
pub fn findings(result: &RunResult) -> Markup {
    html! { section id="findings" { h2 { "Findings" } (found(result)) } }
}

/// The findings of a run, without a heading.
pub fn found(result: &RunResult) -> Markup {
    let several = result.cells.len() > 1;
    let all = alike(&result.cells);
    let list = |some: &[Alike]| {
        html! { ol.findings { @for found in some { (finding(several, found)) } } }
    };
    html! {
        @if all.is_empty() { p { "There are none." } }
        @else { (list(&all[..all.len().min(SEEN)])) }
        @if let Some(rest) = all.get(SEEN..).filter(|rest| !rest.is_empty()) {
            (folded(&format!("{} more findings", rest.len()), list(rest)))
        }
    }
}

/// A finding; `several` where the run has cells to be told apart.
fn finding(several: bool, Alike { first: (cell, found), others }: &Alike) -> Markup {
    html! {
        li {
            (said(found))
            @if several || impact(found).is_some() { p { (whose(several, cell, found)) } }
            @if !others.is_empty() {
                details {
                    summary {
                        "Likewise in " (others.len()) " more cell(s): "
                        @for (cell, _) in others.iter().take(NAMED) { span.tag { (cell.title()) } " " }
                        @if others.len() > NAMED { "…" }
                    }
                    ol.findings { @for (cell, found) in others {
                        li { (said(found)) p { (whose(true, cell, found)) } }
                    } }
                }
            }
        }
    }
}

fn said(found: &Finding) -> Markup {
    html! {
        p.say { (found.text) }
        @if !found.remedy.is_empty() { p { span.label { "What would help" } (found.remedy) } }
        @if !found.evidence.is_empty() { p { span.label { "Evidence" } (found.evidence) } }
    }
}

/// The cell of a finding, if that is to be told, and how much of it is concerned.
fn whose(several: bool, cell: &CellResult, found: &Finding) -> Markup {
    html! {
        @if several { span.tag { (cell.title()) } " " }
        @if let Some(share) = impact(found) { span.tag { (percent(share)) " of attempts" } }
    }
}

fn impact(found: &Finding) -> Option<f64> {
    Some(found.impact).filter(|impact| impact.is_finite() && *impact > 0.0).map(|i| i.min(1.0))
}

/// The title of the cell of this name.
pub fn title_of(result: &RunResult, name: &str) -> String {
    let cell = result.cells.iter().find(|cell| cell.name == name);
    cell.map_or_else(|| name.to_owned(), CellResult::title)
}

/// Every limit, broken ones first.
pub fn limits(result: &RunResult) -> Markup {
    let mut limits: Vec<_> = result.limits.iter().collect();
    limits.sort_by_key(|limit| match limit.holds {
        Some(false) => 0,
        None => 1,
        Some(true) => 2,
    });
    let columns = [
        Column::Text("limit"),
        Column::Text("judgement"),
        Column::Number("measured"),
        Column::Text("cell"),
        Column::Text("load"),
    ];
    let quiet = limits.len() > SEEN && limits.iter().all(|limit| limit.holds == Some(true));
    let rows = limits.into_iter().map(|limit| {
        let (word, tone) = match limit.holds {
            Some(true) => ("holds", "good"),
            Some(false) => ("broken", "bad"),
            None => ("unknown", "doubt"),
        };
        Row::new([
            text(format!("{} {}", limit.subject, limit.condition)),
            html! { strong class=(tone) { (word) } },
            text(limit.measured.as_deref().unwrap_or("nothing")),
            text(title_of(result, &limit.cell)),
            text(limit.load.as_deref().unwrap_or("all")),
        ])
    });
    html! {
        @if !result.limits.is_empty() {
            section id="limits" {
                h2 { "Limits" }
                @let all = table(
                    "What the scenario demands, and what was measured", &columns, rows.collect(),
                );
                @if quiet { (folded("All of them held", all)) } @else { (all) }
            }
        }
    }
}
