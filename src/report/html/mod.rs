//! `report.html`: one file that says what happened and why, for somebody who was not there.
//!
//! It asks the network for nothing and runs no script; everything that comes from a result is text
//! from outside, and escaped.

mod alike;
mod alt;
mod card;
mod cards;
mod cell;
mod compare;
mod comparison;
mod datagrams;
mod differences;
mod figures;
mod ground;
mod knee;
mod ledger;
mod metrics;
mod parts;
mod repeats;
mod runs;
mod verdict;
mod why;
mod wire;

pub use card::page as card;
pub use cards::page as cards;
pub use comparison::page as comparison;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::picture;
use crate::measure::result::{RunResult, Status};

const STYLE: &str = include_str!("style.css");
/// Nothing may be fetched, and nothing may run.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";
/// Up to so many cells are unfolded.
const UNFOLDED: usize = 3;

/// The page of one run, or of several beside each other.
pub fn page(results: &[RunResult]) -> Vec<u8> {
    let markup = match results {
        [result] => run(result),
        several => runs::page(several),
    };
    markup.into_string().into_bytes()
}

/// The page of runs around its parts.
fn document(title: &str, header: Markup, main: Markup) -> Markup {
    let origin = "Made by loadgen from run.json alone; latencies count from the instant at which the \
                  schedule wanted an attempt.";
    framed(title, header, main, "To the verdict", origin)
}

/// Any page around its parts; `skip` leads over the header, and `origin` says what it was made from.
fn framed(title: &str, header: Markup, main: Markup, skip: &str, origin: &str) -> Markup {
    let dark = picture::style(true);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { (title) }
                // Ours alone: nothing of a result is in it.
                style {
                    (PreEscaped(STYLE))
                    (PreEscaped(picture::style(false)))
                    (PreEscaped(format!("@media (prefers-color-scheme:dark){{{dark}}}")))
                }
            }
            body {
                a.skip href="#main" { (skip) }
                header { (header) }
                main id="main" { (main) }
                footer {
                    p { (origin) " This page fetches nothing and runs no script." }
                }
            }
        }
    }
}

/// The page of one run.
fn run(result: &RunResult) -> Markup {
    let name = &result.scenario.name;
    let title = format!("{name}: {} · loadgen", verdict::word(result).0);
    let header = html! {
        p.kicker {
            "loadgen " (result.loadgen_version) " · " (result.environment.started_at)
            @if !result.environment.kernel.is_empty() { " · " (result.environment.kernel) }
        }
        h1 { (name) }
        @if !result.scenario.description.is_empty() { p.lead { (result.scenario.description) } }
    };
    let compared = result.repeats.as_ref().and_then(|repeats| repeats.comparison.as_ref());
    let main = html! {
        @if let Some(found) = compared { (comparison::section(found)) }
        (verdict::section(result))
        // What a search broke on purpose is no news.
        (knee::section(result))
        (verdict::findings(result))
        (verdict::limits(result))
        @if result.repeats.is_some() {
            (repeats::section(result))
            (repeats::cells(result))
        } @else {
            (compare::section(result))
            (cells(result))
        }
        (ground::environment(result))
        (ground::scenario(result))
        (ground::words())
    };
    document(&title, header, main)
}

/// Every cell: a single one as it is, several in folds.
fn cells(result: &RunResult) -> Markup {
    let name = &result.scenario.name;
    let grain = figures::grain(result.cells.len());
    let place = |index, level| cell::Place { index, level, grain };
    html! {
        section id="cells" {
            @match result.cells.as_slice() {
                [] => { h2 { "Measurements" } p { "No cell was run: there is nothing to show." } }
                [cell] => { h2 { "Measurements" } (cell::whole(name, cell, place(0, 3))) }
                several => {
                    h2 { "Each cell" }
                    @for (index, cell) in several.iter().enumerate() {
                        details.cell id={ "cell" (index) } open[several.len() <= UNFOLDED] {
                            summary {
                                h3 { (cell.title()) }
                                span.faint { (compare::line(cell)) }
                            }
                            (cell::whole(name, cell, place(index, 4)))
                        }
                    }
                }
            }
        }
    }
}

/// A sentence for what did not run to its end; nothing else.
fn partial(status: &Status) -> Markup {
    html! {
        @if let Status::Partial { reason } = status {
            p.doubt { strong { "Partial: " } (reason) }
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
