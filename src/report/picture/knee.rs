//! `knee.png`: every value that a search tried, and what was measured there.

use plotters::style::RGBColor;

use super::page::{Align, Drawn, FAINT, INK, LABEL, Page, Stroke, fitted, text_width};
use super::palette::{GREEN, ORANGE, VERMILLION};
use super::panel::{Frame, Panel};
use super::scale::{Scale, Tick, number};
use super::{BODY, MARGIN, Sketch};
use crate::measure::result::{Direction, KneeResult, KneeStep};
use crate::scenario::plan::{Bound, Limit};
use crate::units::{Quantity, Span};

const AXIS: i32 = 190;
const LEGEND: i32 = 90;
const FOOT: i32 = 150;
/// Least distance of two marks of the horizontal axis, in pixels.
const APART: i32 = 190;

/// The picture.
pub fn sketch<'r>(scenario: &str, knee: &'r KneeResult) -> Sketch<'r> {
    let title = match (&knee.holds, &knee.breaks) {
        (Some(holds), Some(breaks)) => {
            format!("{scenario}: the knee of {} is between {holds} and {breaks}", knee.over)
        }
        _ => format!("{scenario}: no knee of {} was found", knee.over),
    };
    let note = format!("{} · one mark a run; shaded: between the edges", knee.until);
    Sketch::new(title, note, move |page| match knee.steps.is_empty() {
        true => page.words((0, BODY), (page.width, page.height), "No value was tried."),
        false => body(page, knee),
    })
}

fn body(page: &Page, knee: &KneeResult) -> Drawn {
    legend(page, knee)?;
    let frame = Frame {
        left: MARGIN + AXIS,
        top: BODY + LEGEND,
        right: page.width - MARGIN - 60,
        bottom: page.height - FOOT,
    };
    let values = || knee.steps.iter().map(|step| step.value).filter(|v| v.is_finite() && *v > 0.0);
    let (low, high) = (values().fold(f64::MAX, f64::min), values().fold(0.0, f64::max));
    let x = Scale::log(low / 1.15, high * 1.15);
    let (y, ticks) = vertical(knee);
    let panel = Panel::new(page, frame, x, y);
    bracket(page, &panel, knee)?;
    panel.rows(&ticks)?;
    marks(page, &panel, &knee.steps)?;
    panel.floor()?;
    if let Some(bound) = knee.limit.as_ref().map(bound) {
        let at = panel.y(bound);
        page.line((frame.left, at), (frame.right, at), Stroke::dashed(FAINT, 4))?;
    }
    for step in &knee.steps {
        let at = (panel.x(step.value), step.figure.map_or(frame.bottom, |v| panel.y(v)));
        page.disc(at, 15, colour(step.holds))?;
    }
    let words = (page.width / 2, page.height - 40);
    page.text(words, Align::Centre, &knee.over, (LABEL, true), INK)
}

fn colour(holds: Option<bool>) -> RGBColor {
    match holds {
        Some(true) => GREEN,
        Some(false) => VERMILLION,
        None => FAINT,
    }
}

fn legend(page: &Page, knee: &KneeResult) -> Drawn {
    let mut at = (MARGIN, BODY + 20);
    let what = knee.limit.as_ref().map_or(knee.until.clone(), |limit| limit.subject.to_string());
    let parts = [
        (what.as_str(), INK),
        ("held", GREEN),
        ("broke", VERMILLION),
        ("could not tell", FAINT),
        ("the bound (dashed)", FAINT),
    ];
    for (text, colour) in parts {
        let text = fitted(text, LABEL, true, 1000);
        page.text(at, Align::Left, &text, (LABEL, true), colour)?;
        at.0 += text_width(&text, LABEL, true) + 44;
    }
    Ok(())
}

fn bound(limit: &Limit) -> f64 {
    match limit.bound {
        Bound::Time(span) => span.nanos() as f64,
        Bound::Count(count) => count,
        Bound::Share(share) => share,
        Bound::Rate(per_second) => per_second,
    }
}

/// The scale of what is measured, and its marks.
fn vertical(knee: &KneeResult) -> (Scale, Vec<Tick>) {
    let limit = knee.limit.as_ref();
    // Whoever wrote the file: marks of larger values would not fit beside the axis.
    let sane = |value: &f64| (0.0..1e18).contains(value);
    let figures = knee.steps.iter().filter_map(|step| step.figure);
    let all: Vec<f64> = figures.chain(limit.map(bound)).filter(sane).collect();
    let high = all.iter().copied().fold(0.0, f64::max);
    let low = all.iter().copied().filter(|v| *v > 0.0).fold(f64::MAX, f64::min);
    match limit.map(|limit| limit.bound) {
        Some(Bound::Time(_)) => {
            let scale = Scale::decades(low.min(high.max(1.0)), high);
            (scale, scale.latency_ticks(true))
        }
        Some(Bound::Share(_)) => {
            let scale = Scale::from_zero(high);
            let percent =
                |tick: Tick| Tick { label: format!("{} %", number(tick.at * 100.0)), ..tick };
            (scale, scale.count_ticks(6).into_iter().map(percent).collect())
        }
        _ => {
            let scale = Scale::counts(high, low);
            (scale, scale.count_ticks(6))
        }
    }
}

/// Shades what lies between the last value that held and the first that broke each time.
fn bracket(page: &Page, panel: &Panel, knee: &KneeResult) -> Drawn {
    let value = |text: &Option<String>| {
        let text = text.as_ref()?;
        let step = knee.steps.iter().find(|step| step.text == *text);
        step.map(|step| step.value)
    };
    let (Some(holds), Some(breaks)) = (value(&knee.holds), value(&knee.breaks)) else {
        return Ok(());
    };
    let Frame { top, bottom, .. } = panel.frame;
    let (from, to) = (panel.x(holds.min(breaks)), panel.x(holds.max(breaks)));
    page.fill((from, top), (to.max(from + 3), bottom), ORANGE, 0.3)?;
    let falling = knee.direction == Some(Direction::Falling);
    let words = |what: &str, text: &Option<String>| {
        format!("{what} at {}", text.as_deref().unwrap_or_default())
    };
    let held = (words("holds", &knee.holds), GREEN);
    let broke = (words("breaks", &knee.breaks), VERMILLION);
    let (left, right) = if falling { (broke, held) } else { (held, broke) };
    let text = fitted(&left.0, LABEL, true, from - MARGIN);
    page.label((from - 20, top + 34), Align::Right, &text, true, left.1)?;
    let (room, width) = (page.width - MARGIN - to - 20, text_width(&right.0, LABEL, true));
    // Where there is no room beside the bracket, it stands below the other one.
    match width <= room {
        true => page.label((to + 20, top + 34), Align::Left, &right.0, true, right.1),
        false => page.label((from - 20, top + 80), Align::Right, &right.0, true, right.1),
    }
}

/// Marks of the horizontal axis: the values themselves, as long as they do not crowd; those of the
/// edges, which are tried most often, come first.
fn marks(page: &Page, panel: &Panel, steps: &[KneeStep]) -> Drawn {
    let mut values: Vec<(usize, f64, &str)> = Vec::new();
    for step in steps {
        match values.iter_mut().find(|(_, value, _)| *value == step.value) {
            Some((runs, ..)) => *runs += 1,
            None => values.push((1, step.value, &step.text)),
        }
    }
    values.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.total_cmp(&b.1)));
    let mut taken: Vec<i32> = Vec::new();
    let bottom = panel.frame.bottom;
    for (_, value, text) in values {
        let x = panel.x(value);
        page.line((x, bottom), (x, bottom + 12), Stroke::solid(INK, 3))?;
        if taken.iter().all(|other| (other - x).abs() >= APART) {
            taken.push(x);
            let text = fitted(&short(text), LABEL, false, APART - 10);
            page.text((x, bottom + 42), Align::Centre, &text, (LABEL, false), FAINT)?;
        }
    }
    Ok(())
}

/// The text of a value; of a time in its unit with few digits.
fn short(text: &str) -> String {
    let plain: Option<Quantity> = text.parse().ok();
    match (text.parse::<Span>(), plain) {
        (Ok(span), _) => crate::units::human_nanos(span.nanos()),
        (_, Some(quantity)) => quantity.to_string(),
        _ => text.chars().take(16).collect(),
    }
}
