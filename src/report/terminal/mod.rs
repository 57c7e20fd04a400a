//! The closing summary at a terminal: a compact table a cell, a comparison of all cells, the
//! limits, and last the verdict. No line is wider than 80 columns.

pub mod baseline;
mod card;
mod cards;
mod cell;
mod compare;
mod datagrams;
mod knee;
mod metrics;
mod repeats;
mod sockets;
mod target;
mod why;
mod wire;

pub use card::card;
pub use cards::cards;

use super::grounds::grounds;
use super::text::{columns, plain, wrap};
use crate::measure::result::{LimitResult, RunResult, Status, Verdict};
use crate::units::human_nanos;

/// No line is wider than this, however wide the terminal.
const WIDEST: usize = 80;
/// Narrower terminals wrap by themselves.
const NARROWEST: usize = 60;

/// A run of more cells is shown by the comparison of all of them alone.
const MOST_TABLES: usize = 12;

/// How a line is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tone {
    Plain,
    Heading,
    Good,
    Bad,
    Doubtful,
}

impl Tone {
    /// The terminal's code (ECMA-48, SGR).
    fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Heading => Some("1"),
            Self::Good => Some("32"),
            Self::Bad => Some("1;31"),
            Self::Doubtful => Some("33"),
        }
    }
}

/// Lines so far.
struct Sheet {
    text: String,
    width: usize,
    colour: bool,
}

impl Sheet {
    /// Adds a text from a first column on; what is too long goes on below, indented as `first`.
    fn say(&mut self, tone: Tone, first: &str, text: &str) {
        for line in wrap(&plain(first), &plain(text), self.width) {
            self.line(tone, &line);
        }
    }

    /// Adds the fields of a table's row, which its widths keep short enough.
    fn row(&mut self, tone: Tone, row: &str) {
        let row = plain(row);
        if columns(row.trim_end()) <= self.width {
            self.line(tone, &row);
        } else {
            self.say(tone, "  ", &row);
        }
    }

    fn line(&mut self, tone: Tone, line: &str) {
        let line = line.trim_end();
        match tone.code().filter(|_| self.colour && !line.is_empty()) {
            Some(code) => self.text.push_str(&format!("\x1b[{code}m{line}\x1b[0m\n")),
            None => self.text.push_str(&format!("{line}\n")),
        }
    }

    fn blank(&mut self) {
        self.text.push('\n');
    }
}

/// The summary of a run; `width` is the terminal's, `colour` whether it takes colours.
pub fn summary(result: &RunResult, width: usize, colour: bool) -> String {
    let width = width.clamp(NARROWEST, WIDEST);
    let mut sheet = Sheet { text: String::new(), width, colour };
    if let Some(knee) = &result.knee {
        knee::table(&mut sheet, knee);
        sheet.blank();
    } else if let Some(repeats) = &result.repeats {
        repeats::table(&mut sheet, result, repeats);
        sheet.blank();
    } else if result.cells.len() <= MOST_TABLES {
        for cell in &result.cells {
            cell::table(&mut sheet, cell);
            sheet.blank();
        }
    }
    if result.cells.len() > 1 && result.knee.is_none() && result.repeats.is_none() {
        compare::table(&mut sheet, &result.cells);
        sheet.blank();
    }
    if !result.limits.is_empty() {
        sheet.say(Tone::Heading, "", "limits");
        limits(&mut sheet, result);
        sheet.blank();
    }
    for part in &result.resumed {
        let when = &part.environment.started_at;
        let differs = match part.differs.is_empty() {
            true => "nothing that is recorded has changed".to_owned(),
            false => part.differs.join("; "),
        };
        let tone = if part.differs.is_empty() { Tone::Plain } else { Tone::Doubtful };
        sheet.say(tone, "resumed: ", &format!("at {when}; {differs}"));
    }
    if let Status::Partial { reason } = &result.status {
        sheet.say(Tone::Doubtful, "partial: ", reason);
    }
    verdict(&mut sheet, result);
    sheet.text
}

/// Every limit; of repeated runs each that does not hold, as each run has its own.
fn limits(sheet: &mut Sheet, result: &RunResult) {
    let is_told = |limit: &&LimitResult| result.repeats.is_none() || limit.holds != Some(true);
    result.limits.iter().filter(is_told).for_each(|limit| judged(sheet, limit));
    let rest = result.limits.iter().filter(|limit| !is_told(limit)).count();
    if rest > 0 {
        let all = result.limits.len();
        sheet.say(Tone::Good, "  holds   ", &format!("{rest} of {all}, over all runs"));
    }
}

fn judged(sheet: &mut Sheet, limit: &LimitResult) {
    let (tone, first) = match limit.holds {
        Some(true) => (Tone::Good, "  holds   "),
        Some(false) => (Tone::Bad, "  broken  "),
        None => (Tone::Doubtful, "  unknown "),
    };
    let place = limit.load.as_ref().map_or(String::new(), |load| format!(" {load}"));
    let measured = limit.measured.as_deref().unwrap_or("nothing");
    let LimitResult { cell, subject, condition, .. } = limit;
    let text = format!("{cell}{place}: {subject} {condition}, measured {measured}");
    sheet.say(tone, first, &text);
}

fn verdict(sheet: &mut Sheet, result: &RunResult) {
    let (tone, word) = match &result.verdict {
        Verdict::Pass => (Tone::Good, "pass"),
        Verdict::Fail => (Tone::Bad, "fail"),
        Verdict::Inconclusive { .. } => (Tone::Doubtful, "inconclusive"),
        Verdict::Invalid { .. } => (Tone::Bad, "INVALID"),
    };
    let grounds = grounds(result).join("; ");
    let separator = if grounds.is_empty() { "" } else { ": " };
    sheet.say(tone, "verdict: ", &format!("{word}{separator}{grounds}"));
}

/// A latency, as `<58.0us` where the run could not resolve it.
pub(super) fn resolved(nanos: u64, resolution: u64) -> String {
    if nanos < resolution {
        return format!("<{}", human_nanos(resolution));
    }
    human_nanos(nanos)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
