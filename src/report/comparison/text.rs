//! A comparison at a terminal, or in the log of a job: the verdict, then a line a metric.

use super::words::{
    confidence, effect, headline, middle, notes, parties, place, probability, reasons, subject,
    word,
};
use crate::measure::comparison::{Change, ComparedMetric, ComparisonResult};
use crate::report::text::{columns, wrap};

/// Narrower terminals wrap by themselves.
const NARROWEST: usize = 40;
/// Room for a metric's name beside its figures.
const SUBJECT: usize = 16;
/// So many metrics have a line each.
const LISTED: usize = 400;

/// The comparison in lines of at most `width` columns (40 at least), without colours.
pub fn text(found: &ComparisonResult, width: usize) -> String {
    let mut sheet = Sheet { text: String::new(), width: width.max(NARROWEST) };
    sheet.say("", &headline(found));
    reasons(&found.verdict).iter().for_each(|reason| sheet.say("  - ", reason));
    sheet.blank();
    parties(found).iter().for_each(|(side, told)| sheet.say(&format!("{side:<10} "), told));
    notes(found).iter().for_each(|note| sheet.say("note: ", note));
    let (counting, others): (Vec<_>, Vec<_>) = found.metrics.iter().partition(|one| one.counts);
    sheet.blank();
    if !found.metrics.is_empty() {
        head(&mut sheet, &found.metrics);
    }
    table(&mut sheet, &counting);
    let changed = |one: &&&ComparedMetric| matches!(one.change, Change::Worse | Change::Better);
    let told: Vec<_> = others.iter().filter(changed).copied().collect();
    if !told.is_empty() {
        sheet.blank();
        sheet.say("", "Changed as well, but not judged:");
        table(&mut sheet, &told);
    }
    let rest = others.len() - told.len();
    if rest > 0 {
        sheet.blank();
        let metrics = if rest == 1 { "metric" } else { "metrics" };
        sheet.say("", &format!("Not shown: {rest} more {metrics}, not judged."));
    }
    sheet.text
}

/// Lines so far.
struct Sheet {
    text: String,
    width: usize,
}

impl Sheet {
    /// Adds a text behind a beginning; what is too long goes on below, indented.
    fn say(&mut self, first: &str, text: &str) {
        for line in wrap(first, text, self.width) {
            self.line(&line);
        }
    }

    /// Adds a line as it is, which its widths keep short enough.
    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn blank(&mut self) {
        self.text.push('\n');
    }
}

/// A line a metric, in groups of one combination and load.
fn table(sheet: &mut Sheet, metrics: &[&ComparedMetric]) {
    let mut before = None;
    for metric in metrics.iter().take(LISTED) {
        let here = place(metric);
        if before.as_ref() != Some(&here) {
            if before.is_some() {
                sheet.blank();
            }
            match here.is_empty() {
                false => sheet.say("", &format!("{here}:")),
                true if before.is_some() => sheet.say("", "over all:"),
                true => {}
            }
            before = Some(here);
        }
        row(sheet, metric);
    }
    if metrics.len() > LISTED {
        sheet.say("", &format!("and {} more metrics", metrics.len() - LISTED));
    }
}

fn head(sheet: &mut Sheet, metrics: &[ComparedMetric]) {
    let confidence = confidence(metrics).map_or(String::new(), |percent| format!("{percent} "));
    let interval = format!("effect [{confidence}interval]");
    let fields = ["base", "candidate", &interval, "p", "verdict"].map(str::to_owned);
    let line = laid("metric", "   ", &fields);
    if columns(&line) <= sheet.width {
        sheet.line(&line);
    }
}

/// One metric: on one line; with a long name on two; and where there is no room for that, in words.
fn row(sheet: &mut Sheet, metric: &ComparedMetric) {
    let (found, unit) = (metric.effect.as_ref(), metric.unit);
    let fields = [
        middle(unit, &metric.base),
        middle(unit, &metric.candidate),
        found.map_or("-".to_owned(), |found| effect(unit, found)),
        found.map_or("-".to_owned(), |found| probability(found.p_corrected)),
        word(&metric.change).to_owned(),
    ];
    let name = subject(metric);
    let (whole, below) = (laid(&name, "-> ", &fields), laid("", "-> ", &fields));
    if columns(&name) <= SUBJECT && columns(&whole) <= sheet.width {
        return sheet.line(&whole);
    }
    sheet.say("", &name);
    if columns(&below) <= sheet.width {
        return sheet.line(&below);
    }
    let [base, candidate, effect, p, verdict] = fields;
    sheet.say("  ", &format!("{base} -> {candidate}, {effect}, p {p}: {verdict}"));
}

/// The fields of a row, with `arrow` between the sides.
fn laid(name: &str, arrow: &str, [base, candidate, effect, p, verdict]: &[String; 5]) -> String {
    format!("{name:<SUBJECT$} {base:>8} {arrow}{candidate:<8} {effect:<22} {p:<6} {verdict}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::comparison as sample;

    #[test]
    fn a_verdict_comes_first_and_in_words() {
        let each = [sample::worse(), sample::better(), sample::same()];
        let told = each.iter().map(|found| text(found, 80)).collect::<Vec<_>>();
        insta::assert_snapshot!(told.join("\n=====\n"));
    }

    #[test]
    fn what_is_not_known_is_told_with_its_remedy() {
        let each = [sample::inconclusive(), sample::incomparable()];
        let told = each.iter().map(|found| text(found, 80)).collect::<Vec<_>>();
        insta::assert_snapshot!(told.join("\n=====\n"));
    }

    #[test]
    fn no_line_is_too_wide_and_none_steers_a_terminal() {
        for found in sample::all() {
            for width in [40, 60, 79, 80, 120] {
                for line in text(&found, width).lines() {
                    assert!(columns(line) <= width, "{} columns: {line}", columns(line));
                    assert!(!line.chars().any(char::is_control), "{line:?}");
                }
            }
        }
    }
}
