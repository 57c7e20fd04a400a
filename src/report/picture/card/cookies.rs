//! How many half-open handshakes are held, and where SYN cookies begin.

use super::series::{every, settings};
use super::{Named, absent, nothing, small};
use crate::measure::card::{Experiment, Inferred, Value};
use crate::report::picture::page::{Align, Drawn, INK, LABEL, Page, fitted};
use crate::report::picture::palette;
use crate::report::picture::panel::Frame;
use crate::report::picture::scale::{Scale, number};

const QUEUE: &str = "tcp.syn_queue.";
/// Most bars.
const BARS: usize = 12;

struct Bar {
    words: String,
    count: i64,
    card: usize,
}

/// Draws a bar for each number.
pub fn draw(page: &Page, frame: Frame, cards: &[Named]) -> Drawn {
    let mut bars = bars(cards);
    bars.truncate(BARS);
    if bars.is_empty() {
        return nothing(page, frame, "Nothing is known of half-open handshakes.");
    }
    let most = bars.iter().map(|bar| bar.count).max().unwrap_or(1).max(1);
    let least = bars.iter().map(|bar| bar.count).filter(|count| *count > 0).min().unwrap_or(1);
    let scale = Scale::counts(most as f64, least as f64);
    let step = ((frame.bottom - frame.top) / bars.len() as i32).min(90);
    let room = (frame.right - frame.left) * 6 / 10;
    let (from, to) = (frame.left + room + 20, frame.right - 110);
    for (index, bar) in bars.iter().enumerate() {
        let y = frame.top + step * index as i32 + step / 2;
        let words = fitted(&bar.words, LABEL - 2, false, room);
        page.text((frame.left + room, y), Align::Right, &words, (LABEL - 2, false), INK)?;
        let end = from + (scale.share(bar.count as f64) * f64::from(to - from)).round() as i32;
        let half = (step * 3 / 10).max(4);
        let colour = palette::series(bar.card).colour;
        page.fill((from, y - half), (end.max(from + 4), y + half), colour, 0.85)?;
        page.note((from, y - half), (to, y + half), &format!("{}: {}", bar.words, bar.count))?;
        let count = number(bar.count as f64);
        page.text((end + 14, y), Align::Left, &count, (LABEL, true), colour)?;
    }
    let words = absent(cards, bars.iter().map(|bar| bar.card));
    small(page, (frame.right, frame.top - 6), Align::Right, &words, 500)
}

/// Every number that experiments with the SYN queue found.
fn bars(cards: &[Named]) -> Vec<Bar> {
    let wanted = |experiment: &Experiment, one: &Inferred| {
        experiment.id.starts_with(QUEUE)
            && matches!(one.value, Value::Count { .. } | Value::Counts { .. })
    };
    let mut bars = Vec::new();
    for one in every(cards, wanted, name) {
        match one.value {
            Value::Count { count, .. } => {
                bars.push(Bar { words: one.name, count: *count, card: one.card });
            }
            Value::Counts { of, points, .. } => bars.extend(points.iter().map(|(input, count)| {
                let of = crate::report::card::clean(of);
                let words = format!("{}, {of}={input}", one.name);
                Bar { words, count: *count, card: one.card }
            })),
            _ => {}
        }
    }
    bars
}

/// Settings tell these apart better than the names of experiments.
fn name(experiment: &Experiment, inferred: &Inferred) -> String {
    let what = match (experiment.id.trim_start_matches(QUEUE), inferred.name.as_str()) {
        ("cookies", "onset") => "held until cookies begin".to_owned(),
        (_, "capacity") => "held".to_owned(),
        (kind, name) => format!("{kind} {name}"),
    };
    match settings(experiment).replace("tcp_syncookies=0, ", "").replace(", tcp_syncookies=0", "") {
        none if none.is_empty() => what,
        settings => format!("{what}, {settings}"),
    }
}
