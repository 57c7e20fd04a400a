//! Pictures that one would put in a talk: PNGs at twice the size at which they are shown.

mod datagrams;
mod heatmap;
mod latency;
mod loss;
mod page;
mod palette;
mod panel;
mod scale;
mod strips;
mod sweep;
mod timeline;
mod wording;

pub use page::PictureError;

use crate::measure::result::{CellResult, RunResult};
use page::{Align, Drawn, FAINT, INK, NOTE, Page, TITLE, fitted};

/// A picture's bytes, or why there are none.
pub type Picture = Result<Vec<u8>, PictureError>;

/// Width of every picture, in pixels.
const WIDTH: u32 = 2400;
/// Height of every picture, in pixels.
const HEIGHT: u32 = 1500;
/// Distance of everything from the page's sides.
const MARGIN: i32 = 70;
/// Where a picture's plots begin, below title and note.
const BODY: i32 = 210;
/// Cells that stand beside each other in one picture.
const COLUMNS: usize = 4;

/// Every picture that applies to the result, with the name of its file.
pub fn pictures(result: &RunResult) -> Vec<(&'static str, Picture)> {
    let mut pictures = vec![
        ("latency.png", latency::draw(result)),
        ("timeline.png", timeline::draw(result)),
        ("heatmap.png", heatmap::draw(result)),
    ];
    if !result.scenario.sweep.is_empty() {
        pictures.push(("sweep.png", sweep::draw(result)));
    }
    if result.cells.iter().any(|cell| cell.datagrams.is_some()) {
        pictures.push(("udp_loss.png", loss::draw(result)));
    }
    pictures
}

/// Draws one picture: the title says what is shown, the note how to read it.
fn titled(title: &str, note: &str, body: impl FnOnce(&Page) -> Drawn) -> Picture {
    page::png(WIDTH, HEIGHT, |page| {
        let room = page.width - 2 * MARGIN;
        let title = fitted(title, TITLE, true, room);
        page.text((MARGIN, 70), Align::Left, &title, (TITLE, true), INK)?;
        let note = fitted(note, NOTE, false, room);
        page.text((MARGIN, 142), Align::Left, &note, (NOTE, false), FAINT)?;
        body(page)
    })
}

/// The cells that fit beside each other, and a remark where there are more.
fn shown(result: &RunResult) -> (&[CellResult], String) {
    let all = result.cells.len();
    let cells = &result.cells[..all.min(COLUMNS)];
    let remark =
        if all > COLUMNS { format!(" · first {COLUMNS} of {all} cells") } else { String::new() };
    (cells, remark)
}

/// What a picture without any cell says.
const NOTHING: &str = "No cell was run: there is nothing to show.";

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
