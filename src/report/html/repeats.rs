//! Repeated runs: the sides beside each other, and each run folded.

use maud::{Markup, html};

use super::figures::figure;
use super::parts::folded;
use super::{alt, cell, compare, figures};
use crate::measure::result::{Arm, CellResult, RunResult};
use crate::report::picture::{self, HEIGHT};
use crate::report::sides::sides;

/// What all runs of a side measured together, then every run.
pub fn section(result: &RunResult) -> Markup {
    let sides = sides(result);
    let named: Vec<_> = sides.iter().map(|side| (side.name.clone(), &side.whole)).collect();
    let sketch = picture::overlaid(&result.scenario.name, &named);
    let words = alt::latency(named.iter().map(|(name, cell)| (name.as_str(), *cell)));
    let whole = |(name, cell): &(String, &'_ CellResult)| {
        // What is added up of datagrams is their delay alone.
        cell.datagrams.is_none().then(|| (html! { (name) }, (*cell).clone()))
    };
    let wholes: Vec<_> = named.iter().filter_map(whole).collect();
    let rows: Vec<_> = wholes.iter().map(|(name, cell)| (name.clone(), cell)).collect();
    let each: Vec<_> = result
        .cells
        .iter()
        .enumerate()
        .map(|(index, cell)| (html! { a href={ "#cell" (index) } { (cell.title()) } }, cell))
        .collect();
    html! {
        section id="compared" {
            h2 { "The sides, all runs together" }
            @if rows.is_empty() { p { "Of datagrams, each run has its own ledger below." } }
            (compare::tables(&rows))
            (figure(&sketch, HEIGHT, "latency", &words))
            (folded(&format!("Each of {} runs beside each other", each.len()), compare::tables(&each)))
        }
    }
}

/// Every run, folded by side; pictures of the first that counts of each combination.
pub fn cells(result: &RunResult) -> Markup {
    let drawn: Vec<_> = sides(result).iter().map(|side| std::ptr::from_ref(side.first)).collect();
    let grain = figures::grain(drawn.len());
    let of = |arm: Arm| {
        let cells = result.cells.iter().enumerate();
        cells.filter(move |(_, cell)| cell.trial.map_or(Arm::Base, |trial| trial.arm) == arm)
    };
    html! {
        section id="cells" {
            h2 { "Each run" }
            p.faint {
                "Pictures over time are those of the first run of each side that counts; the others \
                 have their figures here, and their intervals in timeline.csv."
            }
            @for arm in [Arm::Base, Arm::Candidate] {
                @if of(arm).next().is_some() {
                    details {
                        summary { h3 { (of(arm).count()) " run(s) of the " (arm.name()) } }
                        @for (index, one) in of(arm) {
                            @let place = cell::Place { index, level: 5, grain };
                            details.cell id={ "cell" (index) } {
                                summary { h4 { (one.title()) } span.faint { (compare::line(one)) } }
                                @match drawn.contains(&std::ptr::from_ref(one)) {
                                    true => (cell::whole(&result.scenario.name, one, place)),
                                    false => (cell::figures(one, place)),
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
