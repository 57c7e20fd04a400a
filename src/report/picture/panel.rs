//! One plot on a page: a frame, two scales, a light grid, and what is drawn in it.

use plotters::style::RGBColor;

use super::page::{Align, Drawn, FAINT, GRID, INK, LABEL, Page, Stroke};
use super::palette::{BLACK, BLUE, ORANGE, VERMILLION};
use super::scale::{Scale, Tick};

/// The rectangle of a plot, in pixels; labels lie outside of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Left edge.
    pub left: i32,
    /// Upper edge.
    pub top: i32,
    /// Right edge.
    pub right: i32,
    /// Lower edge.
    pub bottom: i32,
}

/// A frame with its scales.
pub struct Panel<'p, 'b> {
    page: &'p Page<'b>,
    /// Where it is.
    pub frame: Frame,
    x: Scale,
    y: Scale,
}

impl<'p, 'b> Panel<'p, 'b> {
    /// A plot in `frame`.
    pub fn new(page: &'p Page<'b>, frame: Frame, x: Scale, y: Scale) -> Self {
        Self { page, frame, x, y }
    }

    /// Horizontal place of a value.
    pub fn x(&self, value: f64) -> i32 {
        let width = f64::from(self.frame.right - self.frame.left);
        self.frame.left + (self.x.share(value) * width).round() as i32
    }

    /// Vertical place of a value.
    pub fn y(&self, value: f64) -> i32 {
        let height = f64::from(self.frame.bottom - self.frame.top);
        self.frame.bottom - (self.y.share(value) * height).round() as i32
    }

    /// Grid lines across, with their labels to the left.
    pub fn rows(&self, ticks: &[Tick]) -> Drawn {
        let Frame { left, right, .. } = self.frame;
        for tick in ticks {
            let y = self.y(tick.at);
            self.page.line((left, y), (right, y), Stroke::solid(GRID, 2))?;
            let at = (left - 14, y);
            self.page.text(at, Align::Right, &tick.label, (LABEL, false), FAINT)?;
        }
        Ok(())
    }

    /// Grid lines downwards, with their labels below where `labelled`.
    pub fn columns(&self, ticks: &[Tick], labelled: bool) -> Drawn {
        let Frame { top, bottom, .. } = self.frame;
        for tick in ticks {
            let x = self.x(tick.at);
            self.page.line((x, top), (x, bottom), Stroke::solid(GRID, 2))?;
            if labelled {
                let at = (x, bottom + 34);
                self.page.text(at, Align::Centre, &tick.label, (LABEL, false), FAINT)?;
            }
        }
        Ok(())
    }

    /// The line on which the plot stands.
    pub fn floor(&self) -> Drawn {
        let Frame { left, right, bottom, .. } = self.frame;
        self.page.line((left, bottom), (right, bottom), Stroke::solid(INK, 3))
    }

    /// A line through values.
    pub fn curve(&self, values: &[(f64, f64)], stroke: Stroke) -> Drawn {
        let points: Vec<_> = values.iter().map(|(x, y)| (self.x(*x), self.y(*y))).collect();
        self.page.path(&points, stroke)
    }

    /// A line of steps, `width` long each, from 0 on; it has gaps where values are missing.
    pub fn steps(&self, width: f64, values: &[Option<f64>], stroke: Stroke) -> Drawn {
        for run in runs(values) {
            let mut points = Vec::with_capacity(run.len() * 2);
            for (index, value) in run {
                points.push((index as f64 * width, value));
                points.push(((index + 1) as f64 * width, value));
            }
            self.curve(&points, stroke)?;
        }
        Ok(())
    }

    /// Filled bars, `width` long each, from 0 on.
    pub fn bars(
        &self,
        width: f64,
        values: &[Option<f64>],
        colour: RGBColor,
        opacity: f64,
    ) -> Drawn {
        for (index, value) in values.iter().enumerate() {
            let Some(value) = value.filter(|v| *v > 0.0) else { continue };
            let from = self.x(index as f64 * width);
            let to = self.x((index + 1) as f64 * width).max(from + 1);
            let top = self.y(value).min(self.frame.bottom - 3);
            self.page.fill((from, top), (to, self.frame.bottom), colour, opacity)?;
        }
        Ok(())
    }

    /// One filled bar between two values of the horizontal axis.
    pub fn bar(&self, from: f64, to: f64, value: f64, colour: RGBColor) -> Drawn {
        let (from, to) = (self.x(from), self.x(to));
        let top = self.y(value).min(self.frame.bottom - 3);
        // A white line between neighbours, as long as there is room for it.
        let to = if to - from > 8 { to - 2 } else { to.max(from + 1) };
        self.page.fill((from, top), (to, self.frame.bottom), colour, 0.85)
    }

    /// How full a queue was against its limit (dashed); shaded where it was `full`, by index.
    pub fn depth(
        &self,
        width: f64,
        depth: &[Option<f64>],
        limit: &[Option<f64>],
        full: impl Fn(usize) -> bool,
    ) -> Drawn {
        let Frame { top, bottom, .. } = self.frame;
        for index in 0..depth.len() {
            if full(index) {
                let from = self.x(index as f64 * width);
                let to = self.x((index + 1) as f64 * width).max(from + 1);
                self.page.fill((from, top), (to, bottom), ORANGE, 0.22)?;
            }
        }
        self.bars(width, depth, BLUE, 0.35)?;
        self.steps(width, depth, Stroke::solid(BLUE, 4))?;
        self.steps(width, limit, Stroke::dashed(VERMILLION, 4))
    }

    /// Dotted lines downwards at some instants.
    pub fn instants(&self, at: &[f64]) -> Drawn {
        let Frame { top, bottom, .. } = self.frame;
        at.iter()
            .map(|at| self.x(*at))
            .try_for_each(|x| self.page.line((x, top), (x, bottom), Stroke::dashed(BLACK, 3)))
    }

    /// Says in words why the plot is empty.
    pub fn words(&self, text: &str) -> Drawn {
        let Frame { left, top, right, bottom } = self.frame;
        self.page.words((left, top), (right, bottom), text)
    }
}

/// Stretches of values without a gap, with their indices.
fn runs(values: &[Option<f64>]) -> Vec<Vec<(usize, f64)>> {
    let mut runs = vec![Vec::new()];
    for (index, value) in values.iter().enumerate() {
        match (value, runs.last_mut()) {
            (Some(value), Some(run)) => run.push((index, *value)),
            _ => runs.push(Vec::new()),
        }
    }
    runs.retain(|run| !run.is_empty());
    runs
}
