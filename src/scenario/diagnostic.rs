//! What is wrong with a scenario, where, and what would be right.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};

use super::source::Sources;

/// More problems than these are counted, not shown.
const MOST_SHOWN: usize = 50;
/// More problems than these are not even collected.
const MOST_COLLECTED: usize = 1000;
/// Longer lines are not quoted.
const LONGEST_LINE: usize = 400;
/// Longer titles and remedies are cut.
const LONGEST_TEXT: usize = 600;

/// How grave a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The scenario cannot be run.
    Error,
    /// It can be, though perhaps not as its author thinks.
    Notice,
}

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How grave it is.
    pub severity: Severity,
    /// The file, or `--set #n`.
    pub file: String,
    /// Line and column, both from 1, the column in characters; `None` for the file as a whole.
    pub position: Option<(usize, usize)>,
    /// What is wrong.
    pub title: String,
    /// What would be right.
    pub help: Option<String>,
    /// The lines concerned and the part of them to point at, in bytes.
    quote: Option<(String, Range<usize>)>,
}

/// All problems of a scenario, in the order of their positions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Diagnostics {
    items: Vec<Diagnostic>,
}

impl Diagnostics {
    /// The one problem of a file that could not even be read as text; `help` is the remedy.
    pub fn unreadable(file: &str, why: &str, help: &str) -> Self {
        let item = Diagnostic {
            severity: Severity::Error,
            file: file.to_owned(),
            position: None,
            title: printable(why),
            help: Some(printable(help)),
            quote: None,
        };
        Self { items: vec![item] }
    }

    /// The problems.
    pub fn items(&self) -> &[Diagnostic] {
        &self.items
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The problems as text for a terminal: each with its place, a caret and the remedy, a blank
    /// line between two. Ends with a line feed unless empty.
    pub fn render(&self, coloured: bool) -> String {
        let renderer = if coloured { Renderer::styled() } else { Renderer::plain() };
        let mut text = String::new();
        for item in self.items.iter().take(MOST_SHOWN) {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&item.render(&renderer));
            text.push('\n');
        }
        if let Some(more @ 1..) = self.items.len().checked_sub(MOST_SHOWN) {
            text.push_str(&format!("\nand {more} more\n"));
        }
        text
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}

impl Diagnostic {
    fn render(&self, renderer: &Renderer) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Notice => Level::WARNING.with_name("notice"),
        };
        let title = level.primary_title(&self.title);
        let mut group = match (&self.quote, self.position) {
            (Some((lines, within)), Some((line, _))) => title.element(
                Snippet::source(lines)
                    .path(&self.file)
                    .line_start(line)
                    .annotation(AnnotationKind::Primary.span(within.clone())),
            ),
            (_, Some((line, column))) => {
                title.element(Origin::path(&self.file).line(line).char_column(column))
            }
            (_, None) => title.element(Origin::path(&self.file)),
        };
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help));
        }
        renderer.render(&[group])
    }
}

/// Keys whose values were left out because they were wrong, so that nobody calls them missing.
#[derive(Debug, Default)]
struct Gaps {
    everything: bool,
    keys: HashSet<String>,
}

/// Collects problems while a scenario is resolved.
#[derive(Debug, Default)]
pub(super) struct Problems {
    list: Vec<Problem>,
    seen: HashSet<(usize, String)>,
    broken_lines: HashSet<(usize, usize)>,
    gaps: Gaps,
}

#[derive(Debug)]
struct Problem {
    severity: Severity,
    span: Range<usize>,
    title: String,
    help: String,
}

impl Problems {
    /// Something that cannot be.
    pub fn error(&mut self, span: Range<usize>, title: impl Into<String>, help: impl Into<String>) {
        self.add(Severity::Error, span, title.into(), help.into());
    }

    /// Something that the author should know.
    pub fn notice(
        &mut self,
        span: Range<usize>,
        title: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.add(Severity::Notice, span, title.into(), help.into());
    }

    /// The absence of `key`, unless it is there and was wrong.
    pub fn missing(
        &mut self,
        key: &str,
        span: Range<usize>,
        title: impl Into<String>,
        help: impl Into<String>,
    ) {
        if !self.lost(key) {
            self.error(span, title, help);
        }
    }

    /// Notes that the value of `key` was left out.
    pub fn lose(&mut self, key: &str) {
        self.gaps.keys.insert(key.to_owned());
    }

    /// Notes a line whose syntax is broken: further problems on it are only echoes, and
    /// anything may be missing.
    pub fn lose_line(&mut self, line: (usize, usize)) {
        self.gaps.everything = true;
        self.broken_lines.insert(line);
    }

    /// Whether the line was given to [`Problems::lose_line`].
    pub fn is_lost_line(&self, line: (usize, usize)) -> bool {
        self.broken_lines.contains(&line)
    }

    /// Whether the value of `key` may have been left out because it was wrong.
    pub fn lost(&self, key: &str) -> bool {
        self.gaps.everything || self.gaps.keys.contains(key)
    }

    /// Whether the scenario cannot be run.
    pub fn any_error(&self) -> bool {
        self.list.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// Whether so many were found that looking further is a waste.
    pub fn is_full(&self) -> bool {
        self.list.len() >= MOST_COLLECTED
    }

    fn add(&mut self, severity: Severity, span: Range<usize>, title: String, help: String) {
        if !self.is_full() && self.seen.insert((span.start, title.clone())) {
            self.list.push(Problem { severity, span, title, help });
        }
    }

    /// The problems with their places, sorted. Beside errors, notices are left out: they speak of
    /// a run that will not be.
    pub fn located(mut self, sources: &Sources) -> Diagnostics {
        if self.any_error() {
            self.list.retain(|problem| problem.severity == Severity::Error);
        }
        self.list.sort_by_key(|problem| (problem.span.start, problem.span.end));
        Diagnostics { items: self.list.into_iter().map(|problem| problem.at(sources)).collect() }
    }
}

impl Problem {
    fn at(self, sources: &Sources) -> Diagnostic {
        let place = sources.place(self.span);
        let quotable = place.lines.lines().all(|line| line.len() <= LONGEST_LINE);
        Diagnostic {
            severity: self.severity,
            file: printable(&place.name),
            position: Some((place.line, place.column)),
            title: printable(&self.title),
            help: (!self.help.is_empty()).then(|| printable(&self.help)),
            quote: quotable.then(|| (place.lines.to_owned(), place.within)),
        }
    }
}

/// `text` without control characters, and cut where it is too long for a message.
fn printable(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if out.len() > LONGEST_TEXT {
            out.push_str("...");
            break;
        }
        match c {
            '\n' => out.push(c),
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

/// The one of `known` that `word` was probably meant to be.
pub(super) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if word.len() > 200 {
        return None;
    }
    let lower = word.to_lowercase();
    known
        .into_iter()
        .map(|name| (strsim::normalized_damerau_levenshtein(&lower, &name.to_lowercase()), name))
        .filter(|(likeness, _)| *likeness >= 0.5)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// The remedy for an unknown word: what was probably meant, or what there is.
pub fn suggest<'k>(word: &str, known: &[&'k str]) -> (String, Option<&'k str>) {
    let listed = || {
        let quoted: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
        format!("known here: {}", quoted.join(", "))
    };
    match nearest(word, known.iter().copied()) {
        Some(name) => (format!("did you mean `{name}`? {}", listed()), Some(name)),
        None => (listed(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rendered_problem_has_place_caret_and_remedy() {
        let sources = Sources::new("x.toml", "a = 1\nname = 5\n");
        let mut problems = Problems::default();
        problems.error(13..14, "5 is not a name", "write name = \"five\"");
        let text = problems.located(&sources).render(false);
        for part in ["error: 5 is not a name", "x.toml:2:8", "name = 5", "^", "help: write name"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn problems_are_told_once_in_order_and_bounded() {
        let long = "x".repeat(5000);
        let sources = Sources::new("x.toml", &long);
        let mut problems = Problems::default();
        for offset in (0..3000).rev().chain(0..10) {
            problems.error(offset..offset + 1, "bad \u{1b}[31m", "");
        }
        let found = problems.located(&sources);
        assert_eq!(found.items().len(), MOST_COLLECTED);
        assert!(found.items().is_sorted_by_key(|item| item.position));
        let text = found.render(false);
        assert!(text.contains("and 950 more"), "{text}");
        assert!(!text.contains('\u{1b}') && text.len() < 20_000);
    }

    #[test]
    fn a_file_as_a_whole_can_be_wrong() {
        let text = Diagnostics::unreadable("dir", "is a folder", "name a file").render(false);
        assert!(text.contains("is a folder") && text.contains("dir") && text.contains("name a"));
    }

    #[test]
    fn the_nearest_word_is_found() {
        assert_eq!(nearest("backlogg", ["backlog", "acceptors"]), Some("backlog"));
        assert_eq!(nearest("Listenoverflows", ["ListenOverflows"]), Some("ListenOverflows"));
        assert_eq!(nearest("zzz", ["backlog", "acceptors"]), None);
    }
}
