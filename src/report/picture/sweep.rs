//! `sweep.png`: how what was measured changes over the swept values.
//!
//! The first swept key is the horizontal axis of every panel. A second one makes a column of panels
//! for each of its values (small multiples: all have the same scales). From the third one on, there is
//! also a row of panels for each combination of the others, and only latency is shown.

mod datagrams;
mod grid;
mod measures;

use plotters::style::{RGBColor, WHITE};

use super::page::{Align, Drawn, INK, LABEL, Page, fitted, text_width};
use super::panel::{Frame, Panel};
use super::scale::Tick;
use super::{BODY, MARGIN, NOTHING, Sketch};
use crate::measure::result::RunResult;
use grid::{Grid, Line};
use measures::Row;

const AXIS: i32 = 150;
const HEADING: i32 = 66;
const GAP: i32 = 26;
/// Below the lowest panels: values of the first key, and its name.
const FOOT: i32 = 124;
/// Above the highest panels, where there are several columns.
const HEAD: i32 = 56;
/// Between two columns.
const GUTTER: i32 = 40;
/// Right of the last column, where the values at its last point go over the edge.
const RIGHT: i32 = 110;
/// Values stand beside their points as long as each has so many pixels.
const NAMED: i32 = 230;
/// Least width of a mark's text, in pixels.
const MARK: i32 = 90;

/// The picture.
pub fn sketch(result: &RunResult) -> Sketch<'_> {
    let paths: Vec<_> = result.scenario.sweep.iter().map(|axis| axis.path.as_str()).collect();
    let title = format!("{}: what {} changes", result.scenario.name, paths.join(" and "));
    let grid = Grid::of(&result.cells);
    let note = format!(
        "one point a cell, over all of its loads; hollow, and < at its value: the run did not resolve it{}",
        grid.left_out()
    );
    let axis = paths.first().copied().unwrap_or_default();
    Sketch::new(title, note, move |page| match result.cells.is_empty() {
        true => page.words((0, BODY), (page.width, page.height), NOTHING),
        false => Sheet::new(page, &grid, measures::rows(&result.cells)).draw(axis),
    })
}

/// Where everything is.
struct Sheet<'s, 'p> {
    page: &'s Page<'p>,
    grid: &'s Grid,
    rows: Vec<Row>,
    lines: Vec<Line>,
    top: i32,
    /// Height of a line of panels, with its heading.
    height: i32,
    /// Width of a column.
    width: i32,
}

impl<'s, 'p> Sheet<'s, 'p> {
    fn new(page: &'s Page<'p>, grid: &'s Grid, rows: Vec<Row>) -> Self {
        let lines = grid.lines(rows.len());
        let top = BODY + if grid.columns.len() > 1 { HEAD } else { 0 };
        let height = (page.height - top - FOOT) / lines.len().max(1) as i32;
        let columns = grid.columns.len().max(1) as i32;
        let room = page.width - 2 * MARGIN - AXIS - RIGHT - GUTTER * (columns - 1);
        Self { page, grid, rows, lines, top, height, width: room / columns }
    }

    fn draw(&self, axis: &str) -> Drawn {
        for (column, name) in self.grid.columns.iter().enumerate().filter(|(_, n)| !n.is_empty()) {
            let name = fitted(name, LABEL, true, self.width);
            let at = (self.left(column) + self.width / 2, BODY + 16);
            self.page.text(at, Align::Centre, &name, (LABEL, true), INK)?;
        }
        for index in 0..self.lines.len() {
            self.line(index)?;
        }
        let words = fitted(axis, LABEL, true, self.page.width - 2 * MARGIN);
        let at = (self.page.width / 2, self.page.height - 36);
        self.page.text(at, Align::Centre, &words, (LABEL, true), INK)
    }

    fn left(&self, column: usize) -> i32 {
        MARGIN + AXIS + column as i32 * (self.width + GUTTER)
    }

    fn line(&self, index: usize) -> Drawn {
        let line = &self.lines[index];
        let Some(row) = self.rows.get(line.row) else { return Ok(()) };
        let top = self.top + index as i32 * self.height;
        self.heading((MARGIN, top + 26), line, row)?;
        let (x, places) = self.grid.positions(f64::from(self.width));
        for (column, cells) in line.cells.iter().enumerate() {
            let left = self.left(column);
            let (top, bottom) = (top + HEADING, top + self.height - GAP);
            let frame = Frame { left, top, right: left + self.width, bottom };
            let panel = Panel::new(self.page, frame, x, row.scale);
            let marks = places.iter().map(|at| Tick { at: *at, label: String::new() });
            panel.columns(&marks.collect::<Vec<_>>(), false)?;
            panel.rows(&marks_of(row, column == 0))?;
            panel.floor()?;
            let points: Vec<_> =
                cells.iter().map(|cell| (*cell, places[self.grid.place_of(*cell)])).collect();
            self.points(&panel, row, &points)?;
            if index + 1 == self.lines.len() {
                self.names(&panel, &places)?;
            }
        }
        Ok(())
    }

    /// What a line of panels shows, in the colours of its curves.
    fn heading(&self, (mut x, y): (i32, i32), line: &Line, row: &Row) -> Drawn {
        let words = match line.name.is_empty() {
            true => row.heading.to_owned(),
            false => format!("{} · {}", line.name, row.heading),
        };
        let words = fitted(&words, LABEL, true, self.page.width / 2);
        self.page.text((x, y), Align::Left, &words, (LABEL, true), INK)?;
        x += text_width(&words, LABEL, true) + 18;
        for series in &row.series {
            let colour = series.stroke.colour;
            self.page.text((x, y), Align::Left, series.name, (LABEL, true), colour)?;
            x += text_width(series.name, LABEL, true) + 40;
        }
        Ok(())
    }

    /// Draws the cells' values; each cell with its place.
    fn points(&self, panel: &Panel, row: &Row, points: &[(usize, f64)]) -> Drawn {
        let value = |series: &measures::Series, cell: usize| *series.values.get(cell)?;
        let known = |(cell, _): &(usize, f64)| row.series.iter().any(|s| value(s, *cell).is_some());
        if !points.iter().any(known) {
            let words = if points.is_empty() { "not run" } else { "not observed" };
            return panel.words(words);
        }
        for series in &row.series {
            let known =
                points.iter().filter_map(|(cell, x)| Some((*cell, *x, value(series, *cell)?)));
            let known: Vec<_> = known.collect();
            let line: Vec<_> = known.iter().map(|(_, x, value)| (*x, *value)).collect();
            panel.curve(&line, series.stroke)?;
            for (cell, x, value) in &known {
                // Not resolved: the value is no more than the bound of what is.
                let hollow = (row.unresolved)(*cell, *value);
                let at = (panel.x(*x), panel.y(*value));
                self.page.disc(at, 12, series.stroke.colour)?;
                if hollow {
                    self.page.disc(at, 7, WHITE)?;
                }
            }
        }
        if self.width / self.grid.places.len().max(1) as i32 >= NAMED {
            for (cell, x) in points {
                self.values(panel, row, *cell, *x)?;
            }
        }
        Ok(())
    }

    /// Writes a cell's values beside its points, moved apart where they would cover each other.
    fn values(&self, panel: &Panel, row: &Row, cell: usize, x: f64) -> Drawn {
        let mut texts: Vec<(i32, f64, RGBColor)> = row
            .series
            .iter()
            .filter_map(|s| {
                let value = s.values.get(cell).copied().flatten()?;
                Some((panel.y(value), value, s.stroke.colour))
            })
            .collect();
        texts.sort_by_key(|(y, ..)| *y);
        let Frame { top, bottom, .. } = panel.frame;
        let step = 42;
        let mut lowest = bottom - 22;
        for text in texts.iter_mut().rev() {
            text.0 = (text.0 - 26).min(lowest);
            lowest = text.0 - step;
        }
        let mut highest = top;
        for text in &mut texts {
            text.0 = text.0.max(highest);
            highest = text.0 + step;
        }
        for (y, value, colour) in texts {
            let at = (panel.x(x) + 24, y);
            self.page.label(at, Align::Left, &(row.text)(cell, value), true, colour)?;
        }
        Ok(())
    }

    /// Writes the values of the first key below a column.
    fn names(&self, panel: &Panel, places: &[f64]) -> Drawn {
        let room = (self.width / places.len().max(1) as i32).max(MARK);
        // Texts that would overlap: each second, third, ...
        let skip = (places.len() as i32 * MARK).div_euclid(self.width.max(1)).max(0) as usize + 1;
        for (name, place) in self.grid.places.iter().zip(places).step_by(skip) {
            let text = fitted(name, LABEL, false, room - 10);
            let at = (panel.x(*place), panel.frame.bottom + 34);
            self.page.text(at, Align::Centre, &text, (LABEL, false), INK)?;
        }
        Ok(())
    }
}

/// The vertical marks of a row; only the first column has their texts.
fn marks_of(row: &Row, labelled: bool) -> Vec<Tick> {
    let ticks = match row.latency {
        true => row.scale.latency_ticks(false),
        false => row.scale.count_ticks(6),
    };
    // Every second mark, where there is no room for all.
    let skip = ticks.len().div_ceil(5).max(1);
    let plain = |tick: Tick| if labelled { tick } else { Tick { label: String::new(), ..tick } };
    ticks.into_iter().step_by(skip).map(plain).collect()
}
