//! What a comparison becomes, and where it goes.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::sides::is_comparison;
use crate::cli::document::{Wanted, shown};
use crate::cli::{Failure, print_out, report};
use crate::measure::comparison::ComparisonResult;
use crate::report::{comparison, html, picture};
use crate::runner::RunError;
use crate::sys::errno;

/// Longest file that is looked through for whether it may be replaced, and longest history.
const LONGEST: u64 = 64 << 20;
/// Widest line that is printed.
const COLUMNS: usize = 80;
/// The variable by which GitHub Actions names the file of a step's summary.
const STEP_SUMMARY: &str = "GITHUB_STEP_SUMMARY";

/// How a comparison is written, as the user says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a terminal
    Text,
    /// For a pull request
    Markdown,
    /// Everything, for programs (of runs)
    Json,
    /// JUnit XML, for CI systems (of runs)
    Junit,
    /// Annotations and a step summary of GitHub Actions (of runs)
    Github,
}

/// What a comparison becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Text,
    Markdown,
    Json,
    Junit,
    Github,
    Page,
    Picture,
}

impl From<Format> for Shape {
    fn from(format: Format) -> Self {
        match format {
            Format::Text => Self::Text,
            Format::Markdown => Self::Markdown,
            Format::Json => Self::Json,
            Format::Junit => Self::Junit,
            Format::Github => Self::Github,
        }
    }
}

impl Shape {
    /// The ending of a file's name that asks for it.
    fn ending(self) -> Option<&'static str> {
        match self {
            Self::Markdown => Some("md"),
            Self::Json => Some("json"),
            Self::Junit => Some("xml"),
            Self::Text | Self::Github => None,
            Self::Page => Some("html"),
            Self::Picture => Some("png"),
        }
    }

    /// Whether a file that begins so may be one of ours, of this shape.
    fn is_ours(self, bytes: &[u8]) -> bool {
        let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let has = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
        match self {
            Self::Text => has(b"\nbase  ") && has(b"\ncandidate  "),
            Self::Markdown | Self::Github => {
                first.starts_with(b"# Backlog cards compared")
                    || first.starts_with(b"### ") && has(b" loadgen: ")
            }
            Self::Json => is_comparison(bytes),
            Self::Junit => first.starts_with(b"<?xml") && has(b"<testsuite"),
            Self::Page => bytes.starts_with(b"<!DOCTYPE html>") && has(b">loadgen comparison"),
            Self::Picture => bytes.starts_with(b"\x89PNG\r\n\x1a\n"),
        }
    }
}

/// What is written, and where.
#[derive(Debug)]
pub struct Output {
    pub shape: Shape,
    /// `None` for standard output.
    pub file: Option<PathBuf>,
}

impl Output {
    /// What the user asked for: a format, or the ending of a file's name; one of `able`.
    pub fn wanted(
        format: Option<Format>,
        file: Option<&Path>,
        able: &[Shape],
    ) -> Result<Self, Failure> {
        let endings: Vec<_> =
            able.iter().filter_map(|shape| Some((shape.ending()?, *shape))).collect();
        let shape = match (format, file) {
            (Some(format), _) => {
                let shape = Shape::from(format);
                able.contains(&shape).then_some(shape).ok_or_else(|| {
                    let name = format.to_possible_value().map(|value| value.get_name().to_owned());
                    Failure::Input(format!(
                        "--format {} is for runs: cards become text, markdown, or by --out FILE a \
                         page (.html) or a picture (.png)",
                        name.unwrap_or_default()
                    ))
                })?
            }
            (None, None) => Shape::Text,
            (None, Some(file)) => {
                let ending = file.extension().and_then(|ending| ending.to_str());
                let found = endings.iter().find(|(known, _)| Some(*known) == ending);
                found.map(|(_, shape)| *shape).ok_or_else(|| {
                    let known: Vec<_> = endings.iter().map(|(one, _)| format!(".{one}")).collect();
                    let (last, others) = known.split_last().map_or(("", &[][..]), |(a, b)| (a, b));
                    Failure::Input(format!(
                        "{}: the name says what is written: {} or {last}; or choose with --format",
                        shown(file),
                        others.join(", ")
                    ))
                })?
            }
        };
        Ok(Self { shape, file: file.map(Path::to_owned) })
    }

    /// Refuses to write over what is no comparison of ours.
    pub fn spare_others(&self) -> Result<(), Failure> {
        let Some(out) = &self.file else { return Ok(()) };
        let in_the_way = match std::fs::metadata(out) {
            Err(_) => false,
            // A device would be replaced by a file; what is a folder is told later.
            Ok(found) if !found.is_file() => !found.is_dir(),
            Ok(_) => {
                let mut bytes = Vec::new();
                let read = File::open(out).and_then(|f| f.take(LONGEST).read_to_end(&mut bytes));
                read.is_err() || !(bytes.is_empty() || self.shape.is_ours(&bytes))
            }
        };
        let refused = || {
            let out = shown(out);
            Failure::Input(format!(
                "{out}: is there and is no comparison: name another file with --out"
            ))
        };
        (!in_the_way).then_some(()).ok_or_else(refused)
    }

    /// Writes a comparison of runs.
    pub fn write(&self, found: &ComparisonResult) -> Result<(), Failure> {
        if self.shape == Shape::Github {
            return self.show_in_job(found);
        }
        self.put(&rendered(self.shape, found)?)
    }

    /// Prints the annotations; the summary goes to the file of --out, or to the job's own, or
    /// follows.
    fn show_in_job(&self, found: &ComparisonResult) -> Result<(), Failure> {
        let shown = comparison::github(found);
        print_out(&shown.annotations)?;
        match (&self.file, step_summary()) {
            (None, Some(job)) => append_text(&job, &shown.summary),
            _ => self.put(shown.summary.as_bytes()),
        }
    }

    /// Writes or prints what it has become.
    pub fn put(&self, bytes: &[u8]) -> Result<(), Failure> {
        let Some(out) = &self.file else {
            return print_out(&String::from_utf8_lossy(bytes)).map(drop);
        };
        let (folder, name) = report::place(out)?;
        folder.write(&name, bytes).map_err(RunError::from)?;
        print_out(&format!("comparison: {}\n", shown(out))).map(drop)
    }
}

/// A comparison of runs in this shape.
fn rendered(shape: Shape, found: &ComparisonResult) -> Result<Vec<u8>, Failure> {
    match shape {
        Shape::Text => Ok(comparison::text(found, COLUMNS).into_bytes()),
        Shape::Markdown | Shape::Github => Ok(comparison::markdown(found).into_bytes()),
        Shape::Json => Ok(comparison::json(found)),
        Shape::Junit => Ok(comparison::junit(found)),
        Shape::Page => Ok(html::comparison(found)),
        Shape::Picture => picture::comparison(found)
            .png()
            .map_err(|why| Failure::Environment(format!("the picture cannot be drawn: {why}"))),
    }
}

/// Where GitHub Actions wants a step's summary to be appended.
fn step_summary() -> Option<PathBuf> {
    std::env::var_os(STEP_SUMMARY).filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// Adds to the end of a file, which others may be adding to.
fn append_text(file: &Path, text: &str) -> Result<(), Failure> {
    let told = |error: std::io::Error| {
        let (file, why) = (shown(file), errno::describe(&error));
        Failure::Environment(format!(
            "{file}: the summary cannot be added: {why}; set {STEP_SUMMARY} to a file, or unset it"
        ))
    };
    // A pipe would be waited for.
    if std::fs::metadata(file).is_ok_and(|found| !found.is_file()) {
        return Err(told(std::io::Error::other("it is no regular file")));
    }
    let mut file = OpenOptions::new().append(true).create(true).open(file).map_err(told)?;
    file.write_all(text.as_bytes()).map_err(told)
}

/// Adds a row to a history, which is replaced as a whole.
pub fn append(file: &Path, found: &ComparisonResult, commit: Option<&str>) -> Result<(), Failure> {
    const HISTORY: Wanted = Wanted {
        name: "history",
        longest: LONGEST,
        instead: "another file with --history",
        file: "file",
    };
    // Others may be adding a row, too: each waits for its turn.
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let turn = std::fs::File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| {
        folder.lock()?;
        Ok(folder)
    });
    let old = if file.exists() { Some(HISTORY.bytes(file)?) } else { None };
    let grown = comparison::history::history(old.as_deref(), found, commit);
    let grown = grown.map_err(|why| HISTORY.wrong(file, &why.to_string()))?;
    let (folder, name) = report::place(file)?;
    folder.write(&name, &grown).map_err(RunError::from)?;
    drop(turn);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CARDS: &[Shape] = &[Shape::Text, Shape::Markdown, Shape::Page, Shape::Picture];

    fn wanted(format: Option<Format>, file: Option<&str>) -> Result<Shape, String> {
        let output = Output::wanted(format, file.map(Path::new), CARDS);
        output.map(|output| output.shape).map_err(|why| why.to_string())
    }

    #[test]
    fn a_format_is_chosen_by_word_or_by_ending() {
        assert_eq!(wanted(None, None), Ok(Shape::Text));
        assert_eq!(wanted(None, Some("a.md")), Ok(Shape::Markdown));
        assert_eq!(wanted(None, Some("a.png")), Ok(Shape::Picture));
        assert_eq!(wanted(Some(Format::Text), Some("a.md")), Ok(Shape::Text));
        let why = wanted(Some(Format::Junit), None).expect_err("of runs");
        assert!(why.contains("--format junit is for runs"), "{why}");
        for other in ["a", "a.xml", "a.json", ".md"] {
            let why = wanted(None, Some(other)).expect_err(other);
            assert!(why.contains("what is written: .md, .html or .png"), "{why}");
        }
    }

    #[test]
    fn only_our_own_is_replaced() {
        let markdown: &[u8] = b"### \xe2\x9d\x8c loadgen: `clean`\n\nworse\n";
        let xml: &[u8] = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"clean\">";
        let json: &[u8] = b"{\"schema_version\":1,\"candidate\":{},\"metrics\":[]}";
        let text: &[u8] = b"WORSE\nbase       a\ncandidate  b\n";
        for (shape, ours) in [
            (Shape::Markdown, markdown),
            (Shape::Junit, xml),
            (Shape::Json, json),
            (Shape::Text, text),
        ] {
            assert!(shape.is_ours(ours), "{shape:?}");
            for other in
                [&b"# My notes\n"[..], b"{\"a\": 1}", b"<?xml version=\"1.0\"?><svg/>", b"x"]
            {
                assert!(!shape.is_ours(other), "{shape:?}");
            }
        }
    }
}
