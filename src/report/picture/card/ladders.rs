//! When packets are sent again: a ladder a schedule, on one axis of time.

use super::series::{Series, every, settings};
use super::{Named, absent, nothing, small};
use crate::measure::card::{Experiment, Inferred, Value};
use crate::report::picture::page::{
    Align, Drawn, FAINT, INK, LABEL, Page, Stroke, fitted, text_width,
};
use crate::report::picture::palette;
use crate::report::picture::panel::{Frame, Panel};
use crate::report::picture::scale::{Scale, Tick, number};
use crate::report::picture::{MARGIN, PictureError};

/// Most ladders, and most rungs of one.
const LADDERS: usize = 7;
const RUNGS: usize = 40;

/// Instants that have a place on the axis, in seconds.
const AXIS: std::ops::Range<f64> = 0.0..1e5;
/// Half the height of a title, the distance of the line below it, and what a ladder with figures takes
/// in all, in pixels.
const FIGURES: (i32, i32, i32) = (18, 14, 90);

/// Draws them.
pub fn draw(page: &Page, frame: Frame, cards: &[Named]) -> Drawn {
    let is_schedule = |_: &Experiment, one: &Inferred| matches!(one.value, Value::Schedule { .. });
    let mut ladders = every(cards, is_schedule, name);
    ladders.truncate(LADDERS);
    if ladders.is_empty() {
        return nothing(page, frame, "No schedule is known.");
    }
    let ends = ladders.iter().filter_map(end);
    let last = ladders.iter().flat_map(|one| rungs(one.value)).chain(ends).fold(10.0, f64::max);
    let x = Scale::log(0.7, (last * 1.5).min(1e5));
    let plot = Frame {
        left: frame.left + 10,
        right: frame.right - 30,
        top: frame.top,
        bottom: frame.bottom - 60,
    };
    let panel = Panel::new(page, plot, x, Scale::linear(0.0, 1.0));
    panel.columns(&seconds(x), true)?;
    panel.floor()?;
    let step = (plot.bottom - plot.top) / ladders.len() as i32;
    for (index, ladder) in ladders.iter().enumerate() {
        one(page, &panel, ladder, Place::of(plot.top + step * index as i32, step))?;
    }
    let words = absent(cards, ladders.iter().map(|one| one.card));
    small(page, (plot.right, plot.top - 14), Align::Right, &words, 500)
}

/// What is sent again, in the words of TCP, and with which settings.
fn name(experiment: &Experiment, inferred: &Inferred) -> String {
    let what = match experiment.id.as_str() {
        "tcp.syn_retries" => "SYN".to_owned(),
        "tcp.synack_retries" => "SYN-ACK".to_owned(),
        other => format!("{other} {}", inferred.name),
    };
    match settings(experiment) {
        none if none.is_empty() => what,
        settings => format!("{what}, {settings}"),
    }
}

/// Where a ladder's parts are, in pixels from the top of the page.
#[derive(Debug, Clone, Copy)]
struct Place {
    title: i32,
    line: i32,
    /// The rungs' figures, where there is room for them.
    figures: Option<i32>,
}

impl Place {
    /// In a stretch of `step` pixels from `top` on.
    fn of(top: i32, step: i32) -> Self {
        let room = step - FIGURES.2;
        if room >= 0 {
            let title = top + room.min(40) / 2 + FIGURES.0;
            let line = title + FIGURES.0 + FIGURES.1;
            return Self { title, line, figures: Some(line + 27) };
        }
        let apart = (step / 5).clamp(14, 26);
        let middle = top + step / 2;
        Self { title: middle - apart, line: middle + apart, figures: None }
    }
}

fn one(page: &Page, panel: &Panel, ladder: &Series, place: Place) -> Drawn {
    let colour = palette::series(ladder.card).colour;
    let y = place.line;
    let free = gives_up(page, panel, ladder, place)?;
    let words = fitted(&ladder.name, LABEL, true, free - panel.frame.left);
    page.text((panel.frame.left, place.title), Align::Left, &words, (LABEL, true), colour)?;
    let all = rungs(ladder.value);
    let Some(last) = all.last() else {
        let at = (panel.frame.left, y);
        return page.text(at, Align::Left, "none was seen", (LABEL, false), FAINT);
    };
    let complete = matches!(ladder.value, Value::Schedule { complete: true, .. });
    let line = Stroke::solid(colour, 4);
    let end = panel.x(*last);
    page.line((panel.frame.left, y), (end, y), line)?;
    if !complete {
        page.line((end, y), (panel.frame.right, y), Stroke::dashed(colour, 3))?;
    }
    let mut free = i32::MIN;
    for at in &all {
        let x = panel.x(*at);
        page.disc((x, y), 11, colour)?;
        page.note((x - 20, y - 20), (x + 20, y + 20), &format!("{}: {at:.2} s", ladder.name))?;
        // Where rungs crowd, some have no figure.
        if let Some(height) = place.figures.filter(|_| x >= free) {
            let words = number(at.round());
            page.text((x, height), Align::Centre, &words, (LABEL - 6, false), FAINT)?;
            free = x + 40;
        }
    }
    Ok(())
}

/// The instant at which the same experiment saw that nothing follows; how far the title may reach.
fn gives_up(
    page: &Page,
    panel: &Panel,
    ladder: &Series,
    place: Place,
) -> Result<i32, PictureError> {
    let right = panel.frame.right;
    let Some(seconds) = end(ladder) else { return Ok(right) };
    let x = panel.x(seconds);
    page.line((x, place.line - 22), (x, place.line + 22), Stroke::solid(INK, 5))?;
    let words = format!("gives up at {} s", number(seconds.round()));
    let start = right + MARGIN - text_width(&words, LABEL, false);
    if x + 14 <= start {
        page.label((x + 14, place.line), Align::Left, &words, false, INK)?;
        return Ok(right);
    }
    // Beside the title, where it has no room behind its mark.
    page.label((start, place.title), Align::Left, &words, false, INK)?;
    Ok(start - 20)
}

/// When it was over, if that has a place on the axis.
fn end(ladder: &Series) -> Option<f64> {
    match ladder.experiment.value("gives_up") {
        Some(Value::Seconds { seconds, .. }) => Some(*seconds).filter(|at| AXIS.contains(at)),
        _ => None,
    }
}

/// Instants that have a place on the axis.
fn rungs(value: &Value) -> Vec<f64> {
    match value {
        Value::Schedule { seconds, .. } => {
            seconds.iter().copied().filter(|at| AXIS.contains(at)).take(RUNGS).collect()
        }
        _ => Vec::new(),
    }
}

/// Marks at powers of two: timers double.
fn seconds(x: Scale) -> Vec<Tick> {
    let marks = (0..17).map(|power| f64::from(1u32 << power)).take_while(|at| *at <= x.high());
    marks.map(|at| Tick { at, label: number(at) }).collect()
}
