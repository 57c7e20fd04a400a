//! `card.png`: one page of what a system's queues hold, or of several systems beside each other.

mod capacity;
mod charge;
mod ladders;
mod series;

use std::collections::BTreeSet;

use super::page::{Align, Drawn, FAINT, GRID, INK, LABEL, Page, fitted};
use super::panel::Frame;
use super::{BODY, MARGIN, Sketch};
use crate::measure::card::Card;
use crate::report::card::{clean, title};
use crate::verdict::cards;

/// A card, and the letter by which it goes; without one where it stands alone.
pub type Named<'c> = (String, &'c Card);

/// More cards would not be told apart.
const MOST: usize = 7;
/// Distance between the plots of a page, and of a plot's heading from it.
const GAP: i32 = 110;
const HEADING: i32 = 62;
/// A line that several others cover is wider by so many pixels.
const WIDEST: u32 = 18;

/// The picture of a card, or of several.
pub fn sketch<'r>(cards: &'r [Named<'r>]) -> Sketch<'r> {
    let shown = &cards[..cards.len().min(MOST)];
    let (heading, note) = match shown {
        [(_, card)] => {
            let depth = cards::depth(card.depth);
            let heading = format!("Backlog card: {}", clean(&card.system));
            (heading, format!("{depth} · {}", clean(&card.environment.kernel)))
        }
        several => {
            let names = several.iter().map(|(name, card)| format!("{name}: {}", title(card)));
            let note = names.collect::<Vec<_>>().join(" · ");
            (format!("{} backlog cards", cards.len()), note)
        }
    };
    Sketch::new(heading, note, move |page| match shown.is_empty() {
        true => page.words((0, BODY), (page.width, page.height), "There is no card to show."),
        false => body(page, shown),
    })
}

type Part = fn(&Page, Frame, &[Named]) -> Drawn;

fn body(page: &Page, cards: &[Named]) -> Drawn {
    let parts: [(&str, Part); 4] = [
        ("Connections held without accept(), by listen(n)", capacity::accept),
        ("When packets are sent again (s after the first)", ladders::draw),
        ("Half-open handshakes held, by n", capacity::half_open),
        ("Receive buffer a datagram takes (bytes), by payload", charge::draw),
    ];
    let top = BODY + 20;
    let width = (page.width - 2 * MARGIN - GAP) / 2;
    let height = (page.height - 40 - top - GAP / 2) / 2;
    for (index, (heading, draw)) in parts.into_iter().enumerate() {
        let (column, row) = ((index % 2) as i32, (index / 2) as i32);
        let left = MARGIN + column * (width + GAP);
        let upper = top + row * (height + GAP / 2);
        let words = fitted(heading, LABEL + 4, true, width);
        page.text((left, upper), Align::Left, &words, (LABEL + 4, true), INK)?;
        let frame =
            Frame { left, top: upper + HEADING, right: left + width, bottom: upper + height };
        draw(page, frame, cards)?;
    }
    Ok(())
}

/// Says in words why a plot is empty.
fn nothing(page: &Page, frame: Frame, why: &str) -> Drawn {
    let (from, to) = ((frame.left, frame.top), (frame.right, frame.bottom));
    page.fill(from, to, GRID, 0.35)?;
    page.words(from, to, why)
}

/// Which cards are not in a plot for want of a value; empty where all are.
fn absent(cards: &[Named], shown: impl Iterator<Item = usize>) -> String {
    let shown: BTreeSet<usize> = shown.collect();
    let missing = cards.iter().enumerate().filter(|(index, _)| !shown.contains(index));
    let names: Vec<_> = missing.map(|(_, (name, _))| name.as_str()).collect();
    if names.is_empty() { String::new() } else { format!("not known of {}", names.join(", ")) }
}

/// By how many pixels each line is wider than usual, so that it shows beside later ones that cover it
/// where they have the same points.
fn rims(lines: &[&[(i64, i64)]]) -> Vec<u32> {
    let lines: Vec<BTreeSet<_>> = lines.iter().map(|line| line.iter().collect()).collect();
    let mut depths = vec![0u32; lines.len()];
    for (index, line) in lines.iter().enumerate().rev() {
        let later = lines.iter().zip(&depths).skip(index + 1);
        let above = later.filter(|(later, _)| !later.is_disjoint(line));
        depths[index] = above.map(|(_, depth)| depth + 1).max().unwrap_or(0);
    }
    let deepest = depths.iter().copied().max().unwrap_or(0).max(3);
    depths.into_iter().map(|depth| WIDEST * depth / deepest).collect()
}

/// Words in the colour of what explains, no wider than `room`.
fn small(page: &Page, at: (i32, i32), align: Align, words: &str, room: i32) -> Drawn {
    page.text(at, align, &fitted(words, LABEL - 4, false, room), (LABEL - 4, false), FAINT)
}

#[cfg(test)]
#[path = "card/tests.rs"]
mod tests;
