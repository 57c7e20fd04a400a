//! Pictures that one would put in a talk: PNGs at twice the size at which they are shown, and the same
//! as SVG.

mod bitmap;
mod card;
mod comparison;
mod datagrams;
mod heatmap;
mod knee;
mod ladder;
mod latency;
mod loss;
mod page;
mod palette;
mod panel;
mod scale;
mod strips;
mod svg;
mod sweep;
mod timeline;
mod wording;

pub use ladder::seconds;
pub use page::PictureError;
pub use palette::style;

use super::sides::sides;
use crate::measure::comparison::ComparisonResult;
use crate::measure::result::{CellResult, Ladder, RunResult};
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
pub const HEIGHT: u32 = 1500;
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
    } else if let Some(repeats) = &result.repeats {
        pictures.extend(repeats.comparison.as_ref().map(|f| ("comparison.png", comparison(f))));
    } else if !result.scenario.sweep.is_empty() {
        pictures.push(("sweep.png", sweep::sketch(result)));
    }
    if result.cells.iter().any(|cell| cell.datagrams.is_some()) {
        pictures.push(("udp_loss.png", loss::sketch(result)));
    }
    pictures
}

/// The pictures of one cell alone that have a time axis, with the names of the files in which cells
/// stand beside each other.
pub fn of_cell<'r>(scenario: &str, cell: &'r CellResult) -> Vec<(&'static str, Sketch<'r>)> {
    let alone = [cell];
    let mut pictures = vec![
        ("timeline.png", timeline::of_cells(scenario, &alone, "")),
        ("heatmap.png", heatmap::of_cells(scenario, &alone, "")),
    ];
    if cell.datagrams.is_some() {
        pictures.push(("udp_loss.png", loss::of_cells(scenario, &alone, "")));
    }
    pictures
}

/// Latency by percentile, of cells of any runs, each with its name.
pub fn overlaid<'s>(scenario: &str, cells: &[(String, &CellResult)]) -> Sketch<'s> {
    latency::of_cells(scenario, cells)
}

/// A backlog card on one page, or several beside each other, each with a letter.
pub fn cards<'r>(cards: &'r [card::Named<'r>]) -> Sketch<'r> {
    card::sketch(cards)
}

/// A comparison of runs on one page: effects, and every run.
pub fn comparison(found: &ComparisonResult) -> Sketch<'_> {
    comparison::sketch(found)
}

/// The parts of a comparison for a page of HTML, each with its height: effects, and every run.
pub fn of_comparison(found: &ComparisonResult) -> [(Sketch<'_>, u32); 2] {
    [comparison::effects(found), comparison::each_run(found)]
}

/// The packets of one connection, between two lines that go down with time; and its height.
pub fn ladder(ladder: &Ladder) -> (Sketch<'_>, u32) {
    ladder::sketch(ladder)
}

impl<'r> Sketch<'r> {
    /// A picture whose title says what is shown, and whose note how to read it.
    fn new(title: String, note: String, body: impl Fn(&Page) -> Drawn + 'r) -> Self {
        Self { title, note, body: Box::new(body) }
    }

    /// What is shown.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// How to read it.
    pub fn note(&self) -> &str {
        &self.note
    }

    /// The picture as an element of HTML, without title and note; `height` in pixels, of a page
    /// that is [`WIDTH`] wide, and `grain` the width of the narrowest bar in it: what it costs in
    /// bytes goes down as that goes up. `id` is unique in the page, and `alt` says what is to be
    /// seen. Colours are classes, see [`style`].
    pub fn svg(
        &self,
        height: u32,
        grain: i32,
        id: &str,
        alt: &str,
    ) -> Result<String, PictureError> {
        let size = (WIDTH as i32, height as i32);
        let elements = svg::elements(size, grain, |page| (self.body)(page))?;
        let (title, alt) = (svg::escaped(&self.title), svg::escaped(alt));
        // Nothing is drawn above the body.
        let top = BODY - 30;
        Ok(format!(
            "<svg viewBox=\"0 {top} {WIDTH} {}\" role=\"img\" aria-labelledby=\"{id}t {id}d\" \
             font-size=\"{}\"><title id=\"{id}t\">{title}</title><desc id=\"{id}d\">{alt}</desc>\
             {elements}</svg>",
            height as i32 - top,
            svg::em(page::LABEL),
        ))
    }

    /// The picture as a PNG.
    pub fn png(&self) -> Picture {
        bitmap::png(WIDTH, HEIGHT, |page| {
            let room = page.width - 2 * MARGIN;
            let title = fitted(&self.title, TITLE, true, room);
            page.text((MARGIN, 70), Align::Left, &title, (TITLE, true), INK)?;
            let note = fitted(&self.note, NOTE, false, room);
            page.text((MARGIN, 142), Align::Left, &note, (NOTE, false), FAINT)?;
            (self.body)(page)
        })
    }
}

/// Each packet of a connection in words, with sequence numbers relative to the first.
pub fn packets(ladder: &Ladder) -> Vec<String> {
    let origins = ladder::Origins::of(ladder);
    ladder.steps.iter().map(|step| origins.words(step)).collect()
}

/// The cells that fit beside each other, and a remark where there are more. Of repeated runs the
/// first of each side that counts.
fn shown(result: &RunResult) -> (Vec<&CellResult>, String) {
    let all = result.cells.len();
    if result.repeats.is_some() {
        let firsts: Vec<_> = sides(result).into_iter().map(|side| side.first).collect();
        let cells: Vec<_> = firsts.into_iter().take(COLUMNS).collect();
        let remark = format!(" · {} of {all} runs: the first of a side that counts", cells.len());
        let remark = if cells.len() < all { remark } else { String::new() };
        return (cells, remark);
    }
    let cells = result.cells.iter().take(COLUMNS).collect();
    let remark =
        if all > COLUMNS { format!(" · first {COLUMNS} of {all} cells") } else { String::new() };
    (cells, remark)
}

/// A cell's name where there is little room: what tells it from its siblings. With several keys the
/// values alone; of a search the value and the number of the run.
pub(crate) fn label(cell: &CellResult) -> String {
    let values: Vec<_> = cell.axes.iter().map(|axis| axis.value.as_str()).collect();
    if let Some(trial) = &cell.trial {
        let run = format!("{} #{}", trial.arm.name(), trial.run);
        return values.into_iter().chain([run.as_str()]).collect::<Vec<_>>().join(" · ");
    }
    match (values.as_slice(), cell.name.rsplit_once(",run=")) {
        ([value], Some((_, run))) => format!("{value} #{run}"),
        ([_, _, ..], _) => values.join(" · "),
        ([value], None) => {
            let key = cell.axes[0].path.rsplit('.').next().unwrap_or_default();
            format!("{key} = {value}")
        }
        _ => cell.name.clone(),
    }
}

/// What a picture without any cell says.
const NOTHING: &str = "No cell was run: there is nothing to show.";

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
