//! One connection as a ladder: two lines that go down with time, and an arrow for each packet.

use super::page::{Align, Drawn, FAINT, GRID, INK, LABEL, Page, Stroke, fitted};
use super::palette::{BLUE, GREEN, VERMILLION};
use super::{BODY, Sketch};
use crate::measure::result::{Ladder, Step};
use crate::report::text::thousands;

/// Places of the two lines, and of the times beside them.
const CLIENT: i32 = 420;
const TARGET: i32 = 1980;
const TIMES: i32 = 390;
/// Height of a packet's arrow with its text, and how far it falls on its way.
const STEP: i32 = 96;
const FALL: i32 = 26;
/// Height of a pause, and how long nothing must be seen for one, in seconds.
const PAUSE: i32 = 64;
const LONG_S: f64 = 0.1;
/// Most packets that are drawn.
const MOST: usize = 64;

/// The picture, and the height of the page that it needs.
pub fn sketch(ladder: &Ladder) -> (Sketch<'_>, u32) {
    let rows: i32 = pauses(ladder).map(|pause| STEP + pause.map_or(0, |_| PAUSE)).sum();
    let height = BODY + 110 + rows + 110;
    let note = "time goes down; dashed: the same was sent before".to_owned();
    let sketch = Sketch::new(ladder.title.clone(), note, move |page| body(page, ladder));
    (sketch, height as u32)
}

/// For each packet that is drawn, how long nothing was seen before it, if that was long.
fn pauses(ladder: &Ladder) -> impl Iterator<Item = Option<f64>> {
    let steps = &ladder.steps[..ladder.steps.len().min(MOST)];
    steps.iter().enumerate().map(|(index, step)| {
        let before = index.checked_sub(1).map(|before| steps[before].at_s)?;
        Some(step.at_s - before).filter(|pause| *pause >= LONG_S)
    })
}

fn body(page: &Page, ladder: &Ladder) -> Drawn {
    let (top, bottom) = (BODY + 70, page.height - 90);
    for (x, who, address) in
        [(CLIENT, "client", &ladder.client), (TARGET, "target", &ladder.target)]
    {
        let text = fitted(&format!("{who} {address}"), LABEL, true, 800);
        page.text((x, BODY + 14), Align::Centre, &text, (LABEL, true), INK)?;
        page.line((x, top - 16), (x, bottom), Stroke::solid(GRID, 6))?;
    }
    let origins = Origins::of(ladder);
    let mut y = top;
    for (step, pause) in ladder.steps.iter().zip(pauses(ladder)) {
        if let Some(pause) = pause {
            let text = format!("{pause:.2} s later");
            let at = ((CLIENT + TARGET) / 2, y + PAUSE / 2);
            page.text(at, Align::Centre, &text, (LABEL, false), FAINT)?;
            y += PAUSE;
        }
        packet(page, y, step, &origins)?;
        y += STEP;
    }
    let more = ladder.left_out.saturating_add(ladder.steps.len().saturating_sub(MOST) as u64);
    let text = match (more, &origins) {
        (0, _) => origins.text(),
        (more, _) => format!("{} more packets are left out; {}", thousands(more), origins.text()),
    };
    page.text((CLIENT, page.height - 44), Align::Left, &text, (LABEL, false), FAINT)
}

fn packet(page: &Page, top: i32, step: &Step, origins: &Origins) -> Drawn {
    let (from, to) = if step.from_client { (CLIENT, TARGET) } else { (TARGET, CLIENT) };
    let begin = top + STEP - FALL - 12;
    let end = begin + FALL;
    let colour = match (step.flags.contains("RST"), step.again, step.from_client) {
        (true, ..) | (_, true, _) => VERMILLION,
        (_, _, true) => BLUE,
        _ => GREEN,
    };
    let inwards = if step.from_client { 1 } else { -1 };
    let stroke = Stroke { colour, width: 5, dashed: step.again };
    page.line((from + 5 * inwards, begin), (to - 5 * inwards, end), stroke)?;
    let tip = (to - 6 * inwards, end);
    let head = [(tip.0 - 30 * inwards, end - 18), tip, (tip.0 - 30 * inwards, end + 14)];
    page.path(&head, Stroke::solid(colour, 5))?;
    page.text((TIMES, begin), Align::Right, &seconds(step.at_s), (LABEL, false), FAINT)?;
    let text = fitted(&origins.words(step), LABEL, true, TARGET - CLIENT - 120);
    page.text(((CLIENT + TARGET) / 2, begin - 22), Align::Centre, &text, (LABEL, true), colour)
}

/// An instant, to the microsecond: a handshake takes few of them, and a retry a million.
pub fn seconds(at_s: f64) -> String {
    format!("{at_s:.6} s")
}

/// The first sequence numbers of both sides, where their SYNs were seen.
pub struct Origins {
    client: Option<u32>,
    target: Option<u32>,
}

impl Origins {
    /// Those of a connection.
    pub fn of(ladder: &Ladder) -> Self {
        let syn = |from_client| {
            let mut steps = ladder.steps.iter();
            let found = steps.find(|s| s.from_client == from_client && s.flags.contains("SYN"));
            found.map(|step| step.seq)
        };
        Self { client: syn(true), target: syn(false) }
    }

    /// A packet in words: `SYN+ACK seq y ack x+1`.
    pub fn words(&self, step: &Step) -> String {
        let (own, peer) = match step.from_client {
            true => ((self.client, 'x'), (self.target, 'y')),
            false => ((self.target, 'y'), (self.client, 'x')),
        };
        let mut text = format!("{} seq {}", step.flags, relative(step.seq, own));
        if let Some(ack) = step.ack {
            text.push_str(&format!(" ack {}", relative(ack, peer)));
        }
        if step.bytes > 0 {
            text.push_str(&format!(", {} bytes", thousands(step.bytes)));
        }
        text.push_str(if step.again { ", sent again" } else { "" });
        text
    }

    fn text(&self) -> String {
        let known = [('x', self.client), ('y', self.target)].into_iter();
        let known = known.filter_map(|(name, at)| Some(format!("{name} = {}", thousands(at?))));
        known.collect::<Vec<_>>().join(", ")
    }
}

/// A number of a sequence that began at `origin`; sequence numbers wrap around (RFC 9293, 3.4).
fn relative(number: u32, (origin, name): (Option<u32>, char)) -> String {
    match origin.map(|origin| number.wrapping_sub(origin)) {
        None => thousands(number),
        Some(0) => name.to_string(),
        Some(ahead) => format!("{name}+{}", thousands(ahead)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn packets_are_told_in_words() {
        let ladder = sample::ladder();
        let origins = Origins::of(&ladder);
        let words: Vec<_> = ladder.steps.iter().map(|step| origins.words(step)).collect();
        assert_eq!(
            words[..4],
            ["SYN seq x", "SYN seq x, sent again", "SYN+ACK seq y ack x+1", "ACK seq x+1 ack y+1"]
        );
        let (from_middle, step) = (Origins { client: None, target: None }, &ladder.steps[3]);
        assert!(!from_middle.words(step).contains('x'), "{}", from_middle.words(step));
    }

    #[test]
    fn a_pause_has_room_of_its_own() {
        let ladder = sample::ladder();
        let (_, height) = sketch(&ladder);
        let mut quick = ladder.clone();
        quick.steps.iter_mut().for_each(|step| step.at_s = 0.0);
        assert_eq!(sketch(&quick).1 as i32, height as i32 - PAUSE);
        quick.steps = vec![quick.steps[0].clone(); 5000];
        assert!(sketch(&quick).1 < 10_000, "bounded");
    }
}
