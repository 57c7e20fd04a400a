//! When packets are sent again: a ladder a schedule, on one axis of time.

use super::series::{Series, every, settings};
use super::{Named, absent, nothing, small};
use crate::measure::card::{Experiment, Inferred, Value};
use crate::report::picture::page::{Align, Drawn, FAINT, INK, LABEL, Page, Stroke, fitted};
use crate::report::picture::palette;
use crate::report::picture::panel::{Frame, Panel};
use crate::report::picture::scale::{Scale, Tick, number};

/// Most ladders, and most rungs of one.
const LADDERS: usize = 7;
const RUNGS: usize = 40;

/// Draws them.
pub fn draw(page: &Page, frame: Frame, cards: &[Named]) -> Drawn {
    let is_schedule = |_: &Experiment, one: &Inferred| matches!(one.value, Value::Schedule { .. });
    let mut ladders = every(cards, is_schedule, name);
    ladders.truncate(LADDERS);
    if ladders.is_empty() {
        return nothing(page, frame, "No schedule is known.");
    }
    let last = ladders.iter().flat_map(|one| rungs(one.value)).fold(10.0, f64::max);
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
        let middle = plot.top + step * index as i32 + step / 2;
        one(page, &panel, ladder, middle, step)?;
    }
    let words = absent(cards, ladders.iter().map(|one| one.card));
    small(page, (plot.right, plot.top + 16), Align::Right, &words, 500)
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

fn one(page: &Page, panel: &Panel, ladder: &Series, middle: i32, step: i32) -> Drawn {
    let colour = palette::series(ladder.card).colour;
    let words = fitted(&ladder.name, LABEL, true, panel.frame.right - panel.frame.left);
    let below = (step / 5).clamp(14, 26);
    page.text((panel.frame.left, middle - below), Align::Left, &words, (LABEL, true), colour)?;
    let y = middle + below;
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
        if x >= free && step > 90 {
            let words = number(at.round());
            page.text((x, y + 34), Align::Centre, &words, (LABEL - 6, false), FAINT)?;
            free = x + 40;
        }
    }
    gives_up(page, panel, ladder, y)
}

/// The instant at which the same experiment saw that nothing follows.
fn gives_up(page: &Page, panel: &Panel, ladder: &Series, y: i32) -> Drawn {
    let Some(Value::Seconds { seconds, .. }) = ladder.experiment.value("gives_up") else {
        return Ok(());
    };
    let x = panel.x(*seconds);
    page.line((x, y - 22), (x, y + 22), Stroke::solid(INK, 5))?;
    let words = format!("gives up at {} s", number(seconds.round()));
    page.label((x + 14, y), Align::Left, &words, false, INK)
}

/// Instants that have a place on the axis.
fn rungs(value: &Value) -> Vec<f64> {
    match value {
        Value::Schedule { seconds, .. } => {
            seconds.iter().copied().filter(|at| (0.0..1e5).contains(at)).take(RUNGS).collect()
        }
        _ => Vec::new(),
    }
}

/// Marks at powers of two: timers double.
fn seconds(x: Scale) -> Vec<Tick> {
    let marks = (0..17).map(|power| f64::from(1u32 << power)).take_while(|at| *at <= x.high());
    marks.map(|at| Tick { at, label: number(at) }).collect()
}
