//! Pictures in a page, each with its caption and with words for those who do not see it.

use maud::{Markup, PreEscaped, html};

use super::alt;
use super::cell::Place;
use crate::measure::result::{CellResult, RunResult};
use crate::report::picture::{self, HEIGHT, Sketch};

/// Narrowest bar of a picture in which it matters little, and of those of one cell among few: coarser
/// than in a PNG, for the sake of size.
const GRAIN: i32 = 12;

/// The narrowest bar of the pictures of each of so many cells: the page's size is what a mail takes,
/// however many there are.
pub fn grain(cells: usize) -> i32 {
    match cells {
        0..=4 => GRAIN,
        5..=16 => 2 * GRAIN,
        _ => 4 * GRAIN,
    }
}

/// One picture; `id` is unique in the page.
pub fn figure(sketch: &Sketch, height: u32, id: &str, alt: &str) -> Markup {
    grained(sketch, height, GRAIN, id, alt)
}

fn grained(sketch: &Sketch, height: u32, grain: i32, id: &str, alt: &str) -> Markup {
    html! {
        figure {
            figcaption { b { (sketch.title()) } ". " (sketch.note()) "." }
            @match sketch.svg(height, grain, id, alt) {
                // The renderer escapes what it writes.
                Ok(svg) => div.scroll tabindex="0" role="region" aria-label=(sketch.title()) {
                    (PreEscaped(svg))
                },
                Err(why) => p.doubt { "This picture cannot be drawn: " (why) },
            }
        }
    }
}

/// The pictures in which all cells are together.
pub fn comparing(result: &RunResult) -> Markup {
    let pictures = picture::pictures(result).into_iter();
    let all = pictures.filter(|(name, _)| matches!(*name, "latency.png" | "sweep.png"));
    html! { @for (name, sketch) in all {
        @let alt = match name {
            "latency.png" => {
                let named: Vec<_> = result.cells.iter().map(|c| (c.title(), c)).collect();
                alt::latency(named.iter().map(|(name, cell)| (name.as_str(), *cell)))
            }
            _ => alt::sweep(result),
        };
        (figure(&sketch, HEIGHT, stem(name), &alt))
    } }
}

/// The pictures of one cell that have a time axis.
pub fn of_cell(scenario: &str, cell: &CellResult, place: Place) -> Markup {
    let Place { index, grain, .. } = place;
    html! { @for (name, sketch) in picture::of_cell(scenario, cell) {
        @let alt = match name {
            "timeline.png" => alt::timeline(cell),
            "heatmap.png" => alt::heatmap(cell),
            _ => alt::losses(cell),
        };
        (grained(&sketch, HEIGHT, grain, &format!("{}{index}", stem(name)), &alt))
    } }
}

/// A file's name without its ending.
pub fn stem(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}
