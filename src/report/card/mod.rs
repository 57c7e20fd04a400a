//! Backlog cards to bytes, and back.

pub mod json;
mod markdown;
pub mod rows;
mod words;

pub use markdown::{card as markdown, comparison as markdown_comparison, plain as escaped};
pub use words::{clean, found_at, named, remark, stretches, telling, title};

use super::files::{Folder, FolderError};
use super::{html, picture};
use crate::measure::card::Card;

/// The card for programs, in a card's folder.
pub const CARD: &str = "card.json";

/// Writes `card.json`; cheap enough to be called whenever an experiment has ended.
pub fn write(folder: &Folder, card: &Card) -> Result<(), FolderError> {
    folder.write(CARD, &json::card(card))
}

/// Writes every file of a card.
///
/// # Errors
/// What could not be written, in words; what a picture lacks does not keep the others from being
/// written.
pub fn write_all(folder: &Folder, card: &Card) -> Result<(), String> {
    let told = |error: FolderError| error.to_string();
    write(folder, card).map_err(told)?;
    folder.write("card.md", markdown(card).as_bytes()).map_err(told)?;
    folder.write("card.html", &html::card(card)).map_err(told)?;
    let named = vec![(String::new(), card)];
    let png = picture::cards(&named).png().map_err(|why| format!("card.png: {why}"))?;
    folder.write("card.png", &png).map_err(told)
}
