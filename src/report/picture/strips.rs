//! Rows of plots, one above the other, with a column a cell: what all pictures of datagrams are.

use plotters::style::RGBColor;

use super::page::{Align, Drawn, FAINT, INK, LABEL, Page, fitted, text_width};
use super::panel::{Frame, Panel};
use super::scale::Scale;
use super::{BODY, MARGIN};

/// Room for the labels of a column's vertical axes.
const AXIS: i32 = 150;
/// Height of a row's heading.
const HEADING: i32 = 64;
const GAP: i32 = 22;
/// Room for the labels of a horizontal axis.
const FOOT: i32 = 118;

/// How marks of a vertical axis are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marks {
    /// As counts.
    Counts,
    /// As latencies.
    Latencies,
}

/// One row.
pub struct Strip<'a> {
    /// What it shows: words in the colours of the lines stand for a legend.
    pub heading: Vec<(&'static str, RGBColor)>,
    /// The horizontal scale, of all cells.
    pub x: Scale,
    /// About how many marks it has at most.
    pub across: usize,
    /// What stands below the horizontal axis; without it, the axis is that of the row below.
    pub below: Option<&'static str>,
    /// The vertical scale of each cell.
    pub y: Vec<Scale>,
    /// The vertical marks.
    pub marks: Marks,
    /// Draws the plot of a cell, by its number.
    pub plot: Box<dyn Fn(usize, &Panel) -> Drawn + 'a>,
}

/// Draws all rows; each of `names` is a column.
pub fn draw(page: &Page, names: &[&str], strips: &[Strip]) -> Drawn {
    let width = (page.width - 2 * MARGIN) / names.len().max(1) as i32;
    let left = |column: usize| MARGIN + column as i32 * width;
    for (column, name) in names.iter().enumerate() {
        let name = fitted(name, LABEL + 6, true, width - AXIS - 24);
        let at = (left(column) + AXIS, BODY + 14);
        page.text(at, Align::Left, &name, (LABEL + 6, true), INK)?;
    }
    let feet: i32 = strips.iter().map(|strip| HEADING + foot(strip)).sum();
    let mut top = BODY + 48;
    let height = (page.height - 12 - top - feet) / strips.len().max(1) as i32;
    for strip in strips {
        legend(page, (MARGIN, top + 24), &strip.heading)?;
        let ticks = strip.x.count_ticks(strip.across);
        for (column, y) in strip.y.iter().enumerate() {
            let (from, to) = (left(column) + AXIS, left(column) + width - 24);
            let frame =
                Frame { left: from, top: top + HEADING, right: to, bottom: top + HEADING + height };
            let panel = Panel::new(page, frame, strip.x, *y);
            panel.columns(&ticks, strip.below.is_some())?;
            panel.rows(&match strip.marks {
                Marks::Counts => y.count_ticks(4),
                Marks::Latencies => y.latency_ticks(false),
            })?;
            (strip.plot)(column, &panel)?;
            panel.floor()?;
        }
        if let Some(words) = strip.below {
            let at = (page.width / 2, top + HEADING + height + 78);
            page.text(at, Align::Centre, words, (LABEL, true), INK)?;
        }
        top += HEADING + height + foot(strip);
    }
    Ok(())
}

fn foot(strip: &Strip) -> i32 {
    if strip.below.is_some() { FOOT } else { GAP }
}

/// Words in the colours of what they name.
pub fn legend(page: &Page, (mut x, y): (i32, i32), parts: &[(&str, RGBColor)]) -> Drawn {
    for (index, (text, colour)) in parts.iter().enumerate() {
        let bold = *colour != FAINT;
        page.text((x, y), Align::Left, text, (LABEL, bold), *colour)?;
        x += text_width(text, LABEL, bold) + if index == 0 { 18 } else { 40 };
    }
    Ok(())
}
