//! A comparison as Markdown of GitHub's kind: for a pull request, or a job's summary.

use std::fmt::Write as _;

use super::words::{
    alpha, confidence, effect, headline, least, middle, notes, parties, place, probability,
    reasons, subject, word,
};
use crate::measure::comparison::{Change, ComparedMetric, ComparisonResult};
use crate::report::card::{clean, escaped};

/// So many metrics have a row in each table: GitHub takes 65,536 characters for a comment.
const LISTED: usize = 100;
/// So many values of single runs are told.
const RUNS: usize = 48;

/// The comparison: a headline, what counts, and folded all the rest.
pub fn markdown(found: &ComparisonResult) -> String {
    let mut text = format!(
        "### {} loadgen: {}\n\n{}\n",
        mark(&found.verdict),
        code(&found.scenario),
        strong(&headline(found))
    );
    let reasons = reasons(&found.verdict);
    for reason in &reasons {
        let _ = write!(text, "\n- {}", escaped(reason));
    }
    text.push_str(if reasons.is_empty() { "" } else { "\n" });
    let (counting, others): (Vec<_>, Vec<_>) = found.metrics.iter().partition(|one| one.counts);
    let interval = confidence(&found.metrics);
    let interval = interval.map_or("interval".to_owned(), |percent| format!("{percent} interval"));
    table(&mut text, &counting, &interval);
    text.push_str("\n<details><summary>How this was compared</summary>\n\n");
    for (side, told) in parties(found) {
        let _ = writeln!(text, "- {side}: {}", code(&told));
    }
    for note in notes(found) {
        let _ = writeln!(text, "- {}", escaped(&note));
    }
    let _ = writeln!(
        text,
        "- Each run is one value. p: exact two-sided Mann-Whitney, corrected for the metrics that \
         count (Holm), against alpha = {}. Effect: Hodges-Lehmann, its interval by bootstrap over \
         runs (of very few: over all pairs of them).\n\n</details>",
        alpha(found.alpha)
    );
    if !others.is_empty() {
        let _ =
            writeln!(text, "\n<details><summary>What does not count ({})</summary>", others.len());
        table(&mut text, &others, &interval);
        text.push_str("\n</details>\n");
    }
    each(&mut text, &counting);
    text
}

/// What is seen before anything is read; the words say the same.
fn mark(change: &Change) -> &'static str {
    match change {
        Change::Worse => "❌",
        Change::Better => "🚀",
        Change::Same => "✅",
        Change::Inconclusive { .. } => "❔",
        Change::Incomparable { .. } => "🚫",
    }
}

fn strong(text: &str) -> String {
    format!("**{}**", escaped(text))
}

/// A text from outside in which nothing is markup, a mention or a link; also within a table.
fn code(text: &str) -> String {
    // No run of backticks within ends the span.
    let text = clean(text).replace('`', "'").replace('|', "\\|");
    match text.trim() {
        "" => "-".to_owned(),
        text => format!("`{text}`"),
    }
}

fn table(text: &mut String, metrics: &[&ComparedMetric], interval: &str) {
    if metrics.is_empty() {
        return;
    }
    let placed = metrics.iter().any(|metric| !place(metric).is_empty());
    let (head, line) = if placed { ("| where ", "| --- ") } else { ("", "") };
    let _ = writeln!(
        text,
        "\n| metric {head}| base | candidate | effect [{interval}] | p | matters from | verdict |\n\
         | --- {line}| ---: | ---: | ---: | ---: | ---: | --- |"
    );
    for metric in metrics.iter().take(LISTED) {
        let found = metric.effect.as_ref();
        let place = if placed { format!("| {} ", code(&place(metric))) } else { String::new() };
        let verdict = word(&metric.change);
        let changed = matches!(metric.change, Change::Worse | Change::Better);
        let verdict = if changed { strong(verdict) } else { verdict.to_owned() };
        let _ = writeln!(
            text,
            "| {} {place}| {} | {} | {} | {} | {} | {verdict} |",
            code(&subject(metric)),
            middle(metric.unit, &metric.base),
            middle(metric.unit, &metric.candidate),
            // In one piece, however narrow the column.
            found.map_or("-".to_owned(), |found| effect(metric.unit, found)).replace(' ', "\u{a0}"),
            found.map_or("-".to_owned(), |one| probability(one.p_corrected).replace('<', "&lt;")),
            least(metric),
        );
    }
    if metrics.len() > LISTED {
        let _ = writeln!(text, "\nAnd {} more.", metrics.len() - LISTED);
    }
}

/// The value of each run of what counts.
fn each(text: &mut String, metrics: &[&ComparedMetric]) {
    if metrics.is_empty() {
        return;
    }
    text.push_str(
        "\n<details><summary>Every run</summary>\n\n| metric | side | runs, in order |\n",
    );
    text.push_str("| --- | --- | --- |\n");
    for metric in metrics.iter().take(LISTED / 4) {
        for (side, runs) in [("base", &metric.base), ("candidate", &metric.candidate)] {
            let shown = runs.iter().take(RUNS).map(|run| super::words::figure(metric.unit, *run));
            let more = if runs.len() > RUNS { " ..." } else { "" };
            let shown = shown.collect::<Vec<_>>().join(" · ");
            let _ = writeln!(text, "| {} | {side} | {shown}{more} |", code(&subject(metric)));
        }
    }
    text.push_str("\n</details>\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::comparison as sample;

    #[test]
    fn a_pull_request_is_told_the_verdict_first() {
        insta::assert_snapshot!(markdown(&sample::worse()));
    }

    #[test]
    fn reasons_are_a_list() {
        let told = markdown(&sample::incomparable());
        assert!(told.contains("\n- kernel: Linux 6.1.0 at main"), "{told}");
        assert!(markdown(&sample::inconclusive()).contains("- 14 more runs a side"));
    }

    #[test]
    fn texts_are_neither_markup_nor_mentions_nor_rows() {
        let told = markdown(&sample::hostile());
        let outside: Vec<_> = told.split('`').step_by(2).collect();
        for part in &outside {
            for odd in ["@octocat", "www.a", "<script"] {
                assert!(!part.contains(odd), "{part}");
            }
        }
        for line in told.lines().filter(|line| line.starts_with('|')) {
            let bars = line.replace("\\|", "").matches('|').count();
            assert!(bars == 9 || bars == 4, "{bars}: {line}");
        }
        assert_eq!(told.matches("<details>").count(), told.matches("</details>").count());
        assert!(told.len() < 65_536, "{} bytes", told.len());
    }
}
