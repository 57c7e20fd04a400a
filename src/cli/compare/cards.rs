//! Backlog cards beside each other.

use std::path::Path;

use super::output::{Output, Shape};
use crate::cli::document::Wanted;
use crate::cli::{Exit, Failure};
use crate::measure::card::Card;
use crate::report::card::{self, json};
use crate::report::text::letter;
use crate::report::{html, picture, terminal};
use crate::verdict::cards;

/// Widest line that is printed.
const COLUMNS: usize = 80;
/// More would not fit beside each other.
const MOST: usize = 12;

/// What cards can become.
pub const SHAPES: &[Shape] = &[Shape::Text, Shape::Markdown, Shape::Page, Shape::Picture];

const WANTED: Wanted = Wanted {
    name: "card",
    longest: json::LONGEST,
    instead: "the folder of a card",
    file: "card.json",
};

/// Compares the cards.
pub fn compare(cards: &[Card], output: &Output, all: bool) -> Result<Exit, Failure> {
    match cards.len() {
        0 | 1 => {
            let text = "this is one card, and nothing to compare it with: give another";
            return Err(Failure::Input(text.to_owned()));
        }
        found if found > MOST => {
            return Err(Failure::Input(format!("{found} cards, and at most {MOST} are compared")));
        }
        _ => output.spare_others()?,
    }
    let cards: Vec<&Card> = cards.iter().collect();
    let found = cards::compare(&cards);
    let bytes = match output.shape {
        Shape::Markdown => card::markdown_comparison(&found, all).into_bytes(),
        Shape::Page => html::cards(&found, all),
        Shape::Picture => {
            let named: Vec<_> =
                cards.iter().enumerate().map(|(n, card)| (letter(n), *card)).collect();
            picture::cards(&named).png().map_err(|why| Failure::Environment(why.to_string()))?
        }
        Shape::Text | Shape::Json | Shape::Junit | Shape::Github => {
            terminal::cards(&found, all, COLUMNS, output.file.is_none()).into_bytes()
        }
    };
    output.put(&bytes)?;
    Ok(Exit::Pass)
}

/// The card in the bytes of a file.
pub fn of_bytes(file: &Path, bytes: &[u8]) -> Result<Card, Failure> {
    json::read(bytes).map_err(|error| match error {
        json::ReadError::Malformed(error) => WANTED.malformed(file, &error),
        other => WANTED.wrong(file, &other.to_string()),
    })
}
