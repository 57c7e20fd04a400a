//! `loadgen compare`: backlog cards beside each other.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;

use super::document::Wanted;
use super::{Exit, Failure, print_out, report};
use crate::measure::card::Card;
use crate::report::card::{self, json};
use crate::report::text::letter;
use crate::report::{html, picture, terminal};
use crate::runner::RunError;
use crate::verdict::cards;

/// Widest line that is printed.
const COLUMNS: usize = 80;
/// More would not fit beside each other.
const MOST: usize = 12;

const WANTED: Wanted = Wanted {
    name: "card",
    longest: json::LONGEST,
    instead: "the folder of a card",
    file: "card.json",
};

#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct CompareArgs {
    /// Cards, as `loadgen probe` wrote them: card.json, or its folder
    #[arg(value_name = "CARD", num_args = 2.., required = true)]
    cards: Vec<PathBuf>,
    /// Write the comparison to this file, whose name ends with .md, .html or .png, instead of printing
    /// it; an earlier one is replaced
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// List equal values, too
    #[arg(long)]
    all: bool,
}

const AFTER: &str = "\
Exit status: 0 compared, whatever came of it; 2 a file is no card, or bad
arguments; 3 the comparison cannot be written.";

/// What a comparison becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Markdown,
    Page,
    Picture,
}

/// Compares the cards.
pub fn compare(args: &CompareArgs) -> Result<Exit, Failure> {
    if args.cards.len() > MOST {
        let found = args.cards.len();
        return Err(Failure::Input(format!("{found} cards, and at most {MOST} are compared")));
    }
    let named = args.out.as_deref().map(|out| format(out).map(|format| (out, format)));
    let out = named.transpose()?;
    if let Some((out, format)) = out {
        spare_others(out, format)?;
    }
    let cards = args.cards.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
    let cards: Vec<&Card> = cards.iter().collect();
    let found = cards::compare(&cards);
    let Some((out, format)) = out else {
        return print_out(&terminal::cards(&found, args.all, COLUMNS, true));
    };
    let bytes = match format {
        Format::Markdown => card::markdown_comparison(&found, args.all).into_bytes(),
        Format::Page => html::cards(&found, args.all),
        Format::Picture => {
            let named: Vec<_> =
                cards.iter().enumerate().map(|(n, card)| (letter(n), *card)).collect();
            let drawn = picture::cards(&named).png();
            drawn.map_err(|why| Failure::Environment(format!("{}: {why}", out.display())))?
        }
    };
    let (folder, name) = report::place(out)?;
    folder.write(&name, &bytes).map_err(RunError::from)?;
    print_out(&format!("comparison: {}\n", out.display()))
}

fn format(out: &Path) -> Result<Format, Failure> {
    match out.extension().and_then(|extension| extension.to_str()) {
        Some("md") => Ok(Format::Markdown),
        Some("html") => Ok(Format::Page),
        Some("png") => Ok(Format::Picture),
        _ => Err(Failure::Input(format!(
            "{}: the name says what is written: .md, .html or .png",
            out.display()
        ))),
    }
}

/// Refuses to write over what is no comparison of ours.
fn spare_others(out: &Path, format: Format) -> Result<(), Failure> {
    let begin: &[u8] = match format {
        Format::Markdown => b"# Backlog cards compared",
        Format::Page => b"<!DOCTYPE html>",
        Format::Picture => b"\x89PNG\r\n\x1a\n",
    };
    let in_the_way = match std::fs::metadata(out) {
        Err(_) => false,
        // A device would be replaced by a file; what is a folder is told later.
        Ok(found) if !found.is_file() => !found.is_dir(),
        Ok(_) => {
            let mut start = Vec::new();
            let file = File::open(out);
            let read = file.and_then(|f| f.take(begin.len() as u64).read_to_end(&mut start));
            read.is_err() || !(start.is_empty() || start == begin)
        }
    };
    let refused = || {
        let out = out.display();
        Failure::Input(format!(
            "{out}: is there and is no comparison: name another file with --out"
        ))
    };
    (!in_the_way).then_some(()).ok_or_else(refused)
}

/// The card at `path`: a `card.json`, or the folder of a card.
fn read(path: &Path) -> Result<Card, Failure> {
    let file = match path.is_dir() {
        // A run's folder is told apart by what is in it.
        true if !path.join(card::CARD).exists() && path.join("run.json").exists() => {
            path.join("run.json")
        }
        true => path.join(card::CARD),
        false => path.to_owned(),
    };
    json::read(&WANTED.bytes(&file)?).map_err(|error| match error {
        json::ReadError::Malformed(error) => WANTED.malformed(&file, &error),
        other => WANTED.wrong(&file, &other.to_string()),
    })
}
