//! What a datagram takes of the receive buffer, by its payload.

use super::series::{every, points};
use super::{Named, absent, nothing, rims, small};
use crate::report::picture::page::{Align, Drawn, FAINT, LABEL, Page, Stroke, fitted};
use crate::report::picture::palette;
use crate::report::picture::panel::{Frame, Panel};
use crate::report::picture::scale::{Scale, Tick, number};

const LINES: usize = 6;
const LINE: i32 = 44;
/// Least distance between two marks of the horizontal axis, in pixels.
const APART: i32 = 110;

/// Draws a line for each card, and the payload itself beside it.
pub fn draw(page: &Page, frame: Frame, cards: &[Named]) -> Drawn {
    let mut lines = every(
        cards,
        |experiment, one| experiment.id.starts_with("udp.receive_buffer") && one.name == "charge",
        |_, _| "charge".to_owned(),
    );
    lines.retain(|line| !points(line.value).is_empty());
    lines.truncate(LINES);
    let all = || lines.iter().flat_map(|line| points(line.value));
    let Some(longest) = all().map(|(payload, _)| *payload).max() else {
        return nothing(page, frame, "The charge is not known.");
    };
    let plot = Frame {
        left: frame.left + 130,
        right: frame.right - 30,
        top: frame.top + LINE * lines.len() as i32 + 30,
        bottom: frame.bottom - 60,
    };
    let most = all().map(|(_, bytes)| *bytes as f64).fold(1.0, f64::max);
    let x = Scale::linear(0.0, (longest as f64 * 1.05).max(1.0));
    let y = Scale::from_zero(most);
    let panel = Panel::new(page, plot, x, y);
    panel.rows(&y.count_ticks(5))?;
    panel.columns(&marks(&panel, all().map(|(payload, _)| *payload)), true)?;
    panel.floor()?;
    let end = (longest as f64).min(y.high());
    panel.curve(&[(0.0, 0.0), (end, end)], Stroke::dashed(FAINT, 3))?;
    let rims = rims(&lines.iter().map(|line| points(line.value)).collect::<Vec<_>>());
    for (index, (line, rim)) in lines.iter().zip(rims).enumerate() {
        let stroke = palette::series(line.card);
        let places: Vec<_> =
            points(line.value).iter().map(|(of, bytes)| (*of as f64, *bytes as f64)).collect();
        panel.curve(&places, Stroke { width: 4 + rim, ..stroke })?;
        let mut free = i32::MIN;
        for (payload, bytes) in &places {
            let at = (panel.x(*payload), panel.y(*bytes));
            page.disc(at, 11 + rim, stroke.colour)?;
            page.note(
                (at.0 - 20, at.1 - 20),
                (at.0 + 20, at.1 + 20),
                &format!("{payload} -> {bytes}"),
            )?;
            if lines.len() == 1 && at.0 >= free {
                let above = (at.0, at.1 - 34);
                page.text(above, Align::Centre, &number(*bytes), (LABEL - 4, true), FAINT)?;
                free = at.0 + APART;
            }
        }
        let at = (frame.left, frame.top + 10 + LINE * index as i32);
        let words = fitted(&line.name, LABEL, true, plot.right - frame.left - 500);
        page.text(at, Align::Left, &words, (LABEL, true), stroke.colour)?;
    }
    let legend = (frame.right - 30, frame.top + 10);
    small(page, legend, Align::Right, "dashed: the payload itself", 480)?;
    let words = absent(cards, lines.iter().map(|line| line.card));
    small(page, (legend.0, legend.1 + LINE), Align::Right, &words, 480)
}

/// The payloads that were tried, as long as they do not crowd.
fn marks(panel: &Panel, payloads: impl Iterator<Item = i64>) -> Vec<Tick> {
    let mut all: Vec<i64> = payloads.collect();
    all.sort_unstable_by(|a, b| b.cmp(a));
    all.dedup();
    let mut taken: Vec<i32> = Vec::new();
    let mut marks = Vec::new();
    for payload in all {
        let x = panel.x(payload as f64);
        if taken.iter().all(|other| (other - x).abs() >= APART) {
            taken.push(x);
            marks.push(Tick { at: payload as f64, label: number(payload as f64) });
        }
    }
    marks
}
