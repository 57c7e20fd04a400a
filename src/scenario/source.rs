//! The texts that a scenario is made of: its file, then each `--set` of the command line.
//!
//! They share one line of byte offsets, the file first, so that a span alone says which text it
//! points into.

use std::ops::Range;

/// The texts, in the order of their offsets.
#[derive(Debug)]
pub(super) struct Sources<'a> {
    parts: Vec<Part<'a>>,
}

#[derive(Debug)]
struct Part<'a> {
    name: String,
    text: &'a str,
    start: usize,
}

/// A place in one of the texts, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place<'a> {
    /// The text's name.
    pub name: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The lines that the span touches (at most the first few).
    pub lines: &'a str,
    /// The span within `lines`, in bytes.
    pub within: Range<usize>,
}

/// A span over more lines than this is shown as its beginning.
const MOST_LINES: usize = 4;

impl<'a> Sources<'a> {
    /// The file's text, at offset 0.
    pub fn new(file: &str, text: &'a str) -> Self {
        Self { parts: vec![Part { name: file.to_owned(), text, start: 0 }] }
    }

    /// Adds a text behind the others; returns its offset.
    pub fn push(&mut self, name: String, text: &'a str) -> usize {
        // One byte between two texts, so that the end of one is not the start of the next.
        let start = self.parts.last().map_or(0, |last| last.start + last.text.len() + 1);
        self.parts.push(Part { name, text, start });
        start
    }

    /// Length of all texts, in bytes.
    pub fn len(&self) -> usize {
        self.parts.iter().map(|part| part.text.len()).sum()
    }

    /// The text under `span`; empty where it points nowhere.
    pub fn slice(&self, span: Range<usize>) -> &'a str {
        let part = self.part(span.start);
        let end = span.end.saturating_sub(part.start);
        part.text.get(span.start - part.start..end).unwrap_or_default()
    }

    /// The line number of `offset`, distinct over all texts.
    pub fn line_key(&self, offset: usize) -> (usize, usize) {
        let part = self.part(offset);
        let at = floor_boundary(part.text, offset - part.start);
        (part.start, part.text[..at].matches('\n').count())
    }

    /// Where `span` is.
    pub fn place(&self, span: Range<usize>) -> Place<'a> {
        let part = self.part(span.start);
        let text = part.text;
        let start = floor_boundary(text, span.start - part.start);
        let end = floor_boundary(text, span.end.saturating_sub(part.start)).max(start);
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let mut lines_end = line_start;
        for line in text[line_start..].split_inclusive('\n').take(MOST_LINES) {
            lines_end += line.len();
            if lines_end >= end {
                break;
            }
        }
        let lines = text[line_start..lines_end].trim_end_matches(['\n', '\r']);
        let limit = lines.len();
        Place {
            name: part.name.clone(),
            line: text[..line_start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            lines,
            within: (start - line_start).min(limit)..(end - line_start).min(limit),
        }
    }

    fn part(&self, offset: usize) -> &Part<'a> {
        let after = self.parts.partition_point(|part| part.start <= offset);
        &self.parts[after.saturating_sub(1)]
    }
}

/// The greatest character boundary of `text` that is not above `at`.
fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_alone_says_which_text() {
        let mut sources = Sources::new("f.toml", "a = 1\nü = 2\n");
        let start = sources.push("--set #1".into(), "b=3");
        let place = sources.place(6..8);
        assert_eq!((place.name.as_str(), place.line, place.column), ("f.toml", 2, 1));
        assert_eq!((place.lines, place.within), ("ü = 2", 0..2));
        let place = sources.place(start + 2..start + 3);
        assert_eq!((place.name.as_str(), place.line, place.column), ("--set #1", 1, 3));
        assert_eq!(sources.slice(start + 2..start + 3), "3");
    }

    #[test]
    fn no_span_panics() {
        let mut sources = Sources::new("f", "ü\n\nüü");
        sources.push("s".into(), "");
        for start in 0..20 {
            for end in 0..20 {
                sources.place(start..end);
                sources.slice(start..end);
                sources.line_key(start);
            }
        }
    }
}
