//! Pictures that one would put in a talk: PNGs at twice the size at which they are shown.

mod datagrams;
mod heatmap;
mod knee;
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

/// A picture that can be drawn.
pub struct Sketch<'r> {
    /// What is shown.
    title: String,
    /// How to read it.
    note: String,
    body: Box<dyn Fn(&Page) -> Drawn + 'r>,
}

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
pub fn pictures(result: &RunResult) -> Vec<(&'static str, Sketch<'_>)> {
    let mut pictures = vec![
        ("latency.png", latency::sketch(result)),
        ("timeline.png", timeline::sketch(result)),
        ("heatmap.png", heatmap::sketch(result)),
    ];
    if let Some(knee) = &result.knee {
        pictures.push(("knee.png", knee::sketch(&result.scenario.name, knee)));
    } else if !result.scenario.sweep.is_empty() {
        pictures.push(("sweep.png", sweep::sketch(result)));
    }
    if result.cells.iter().any(|cell| cell.datagrams.is_some()) {
        pictures.push(("udp_loss.png", loss::sketch(result)));
    }
    pictures
}

impl<'r> Sketch<'r> {
    /// A picture whose title says what is shown, and whose note how to read it.
    fn new(title: String, note: String, body: impl Fn(&Page) -> Drawn + 'r) -> Self {
        Self { title, note, body: Box::new(body) }
    }

    /// The picture as a PNG.
    pub fn png(&self) -> Picture {
        page::png(WIDTH, HEIGHT, |page| {
            let room = page.width - 2 * MARGIN;
            let title = fitted(&self.title, TITLE, true, room);
            page.text((MARGIN, 70), Align::Left, &title, (TITLE, true), INK)?;
            let note = fitted(&self.note, NOTE, false, room);
            page.text((MARGIN, 142), Align::Left, &note, (NOTE, false), FAINT)?;
            (self.body)(page)
        })
    }
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
