//! Cards and their comparison as Markdown, whose tables are those of GitHub.

use std::fmt::Write as _;

use super::rows::{Known, confidence, instrument, summary};
use super::words::{clean, named, remark, telling, title};
use crate::measure::card::{Card, Experiment, Inferred, Missing};
use crate::measure::result::Status;
use crate::report::text::letter;
use crate::verdict::cards::{self, Comparison, Kind, Line, Told};

/// A text from outside, of which nothing is markup.
pub fn plain(text: &str) -> String {
    let text = clean(text);
    let part = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let mut shown = String::new();
    let mut before = None;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        // Within a word it is no emphasis, and names are full of it.
        let inside = c == '_' && part(before) && part(rest.peek().copied());
        match c {
            '<' => shown.push_str("&lt;"),
            '&' => shown.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '!' if !inside => {
                shown.extend(['\\', c]);
            }
            // What looks like an address would become a link.
            ':' if rest.peek() == Some(&'/') => shown.push_str("&#58;"),
            // GitHub would send word to whoever has that name.
            '@' => shown.push_str("@<!-- -->"),
            // "www." begins a link, too.
            '.' if before.is_some_and(|c| matches!(c, 'w' | 'W')) => shown.push_str("<!-- -->."),
            c => shown.push(c),
        }
        before = Some(c);
    }
    shown
}

/// Addresses and settings in parentheses, where there are any.
fn bracketed(remark: &str) -> String {
    if remark.is_empty() { String::new() } else { format!(" ({})", plain(remark)) }
}

/// The card: values, what is missing, and every observation, to which the values are linked.
pub fn card(card: &Card) -> String {
    let mut text = format!("# Backlog card: {}\n\n", plain(&card.system));
    let environment = &card.environment;
    for (name, fact) in [
        ("made", environment.started_at.clone()),
        ("kernel", environment.kernel.clone()),
        (
            "machine",
            format!("{}, {} CPUs, {}", environment.cpu, environment.cpus, environment.architecture),
        ),
        ("place", cards::place(&card.place)),
        ("depth", format!("{}, {:.1} s", cards::depth(card.depth), card.took_s)),
        ("methods", cards::methods(card.methods).to_owned()),
        ("loadgen", card.loadgen_version.clone()),
    ] {
        let _ = writeln!(text, "- {name}: {}", plain(&fact));
    }
    if let Status::Partial { reason } = &card.status {
        let _ = writeln!(text, "\n**Partial**: {}.", plain(reason));
    }
    let _ = writeln!(text, "\n{}.\n\n## Values\n", summary(card));
    text.push_str("| experiment | value | found | confidence | expected | observations |\n");
    text.push_str("| --- | --- | --- | --- | --- | --- |\n");
    for (index, experiment) in card.experiments.iter().enumerate() {
        for inferred in &experiment.inferred {
            value(&mut text, index, experiment, inferred);
        }
    }
    missing(&mut text, card);
    text.push_str("\n## Observations\n");
    for (index, one) in card.experiments.iter().enumerate() {
        experiment(&mut text, index, one);
    }
    text
}

fn value(text: &mut String, index: usize, experiment: &Experiment, inferred: &Inferred) {
    let known = match Known::of(inferred) {
        Known::Nothing => "-".to_owned(),
        Known::Agrees => {
            let source = inferred.expected.as_ref().map_or("", |expected| &expected.source);
            format!("yes: {}", plain(source))
        }
        Known::Differs(value, source) => format!("**no**: {} ({})", plain(&value), plain(&source)),
    };
    let _ = writeln!(
        text,
        "| [{}](#e{}){} | {} | {} | {}: {} | {known} | {} |",
        plain(&experiment.id),
        index + 1,
        bracketed(&remark(experiment)),
        plain(&inferred.name),
        plain(&inferred.value.to_string()),
        confidence(inferred.confidence),
        plain(&inferred.because),
        links(index, &inferred.from),
    );
}

/// Links to the observations of an experiment, from 1; those that follow each other by their ends.
fn links(experiment: usize, from: &[usize]) -> String {
    let link = |number: &usize| format!("[{0}](#e{1}-{0})", number + 1, experiment + 1);
    let stretches = super::words::stretches(from);
    let shown = stretches.iter().map(|(first, last)| match last - first {
        0 => link(first),
        1 => format!("{}, {}", link(first), link(last)),
        _ => format!("{} to {}", link(first), link(last)),
    });
    shown.collect::<Vec<_>>().join(", ")
}

fn missing(text: &mut String, card: &Card) {
    let all = card.experiments.iter().enumerate();
    let all: Vec<(usize, &Experiment, &Missing)> = all
        .flat_map(|(index, one)| one.missing.iter().map(move |missing| (index, one, missing)))
        .collect();
    if all.is_empty() {
        return;
    }
    text.push_str("\n## Not found out\n\n| experiment | value | why | what would help |\n");
    text.push_str("| --- | --- | --- | --- |\n");
    for (index, experiment, missing) in all {
        let what = if missing.what.is_empty() { "all" } else { &missing.what };
        let _ = writeln!(
            text,
            "| [{}](#e{}){} | {} | {} | {} |",
            plain(&experiment.id),
            index + 1,
            bracketed(&remark(experiment)),
            plain(what),
            plain(&missing.why),
            plain(&missing.remedy)
        );
    }
}

fn experiment(text: &mut String, index: usize, experiment: &Experiment) {
    let number = index + 1;
    let _ = writeln!(
        text,
        "\n### <a id=\"e{number}\"></a>{number}. {}{}\n\n{}\n\n{} Told by: {}. It took {:.1} s.",
        plain(&experiment.id),
        bracketed(&remark(experiment)),
        plain(&experiment.question),
        plain(&experiment.method.how),
        instrument(experiment.method.instrument),
        experiment.took_s,
    );
    if experiment.observations.is_empty() {
        text.push_str("\nNothing was seen.\n");
        return;
    }
    text.push_str("\n| # | given | seen |\n| ---: | --- | --- |\n");
    for (place, observation) in experiment.observations.iter().enumerate() {
        let [given, seen] = named(observation).map(|words| plain(&words));
        let place = place + 1;
        let anchor = format!("<a id=\"e{number}-{place}\"></a>{place}");
        let _ = writeln!(text, "| {anchor} | {given} | {seen} |");
    }
}

/// Cards side by side: differences first; what is equal is counted, or listed where `all`.
pub fn comparison(found: &Comparison, all: bool) -> String {
    let mut text = "# Backlog cards compared\n\n| | system | made | depth | place |\n".to_owned();
    text.push_str("| --- | --- | --- | --- | --- |\n");
    for (index, card) in found.cards.iter().enumerate() {
        let _ = writeln!(
            text,
            "| **{}** | {} | {} | {} | {} |",
            letter(index),
            plain(&card.system),
            plain(&card.environment.started_at),
            cards::depth(card.depth),
            plain(&cards::place(&card.place))
        );
    }
    for (what, each) in &found.unlike {
        let each =
            each.iter().enumerate().map(|(n, told)| format!("{}: {}", letter(n), plain(told)));
        let each = each.collect::<Vec<_>>().join("; ");
        let _ = writeln!(text, "\nNot made alike: **{what}** ({each}).");
    }
    for (kind, heading) in [
        (Kind::Different, "Differences"),
        (Kind::Within, "Differences within the uncertainty"),
        (Kind::Lacking, "Not in every card"),
        (Kind::Same, "Equal"),
    ] {
        let count = found.count(kind);
        let _ = writeln!(text, "\n## {heading}: {count}");
        if kind == Kind::Same && !all {
            if count > 0 {
                text.push_str("\nThese are not listed; `--all` lists them.\n");
            }
        } else if count > 0 {
            table(&mut text, found, kind);
        }
    }
    text
}

fn table(text: &mut String, found: &Comparison, kind: Kind) {
    let cards = found.cards.iter().enumerate();
    let titles: Vec<_> =
        cards.map(|(n, card)| format!("{}: {}", letter(n), plain(&title(card)))).collect();
    let _ = writeln!(text, "\n| experiment | value | {} |", titles.join(" | "));
    let _ = writeln!(text, "| --- | --- |{}", " --- |".repeat(titles.len()));
    for line in found.of(kind) {
        let each = (0..line.told.len()).map(|index| plain(&cell(line, index)));
        let _ = writeln!(
            text,
            "| {}{} | {} | {} |",
            plain(&line.key.id),
            bracketed(&super::found_at(line)),
            plain(&line.key.name),
            each.collect::<Vec<_>>().join(" | ")
        );
    }
}

/// What a card says in a line of the comparison.
fn cell(line: &Line, index: usize) -> String {
    line.shown(index).unwrap_or_else(|| telling(line.told.get(index).unwrap_or(&Told::Nothing)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::card::{Confidence, Value};
    use crate::report::sample;

    #[test]
    fn every_value_is_linked_to_observations_that_are_there() {
        for one in [sample::linux_card(), sample::gvisor_card()] {
            let text = card(&one);
            let links: Vec<_> =
                text.split("](#").skip(1).filter_map(|r| r.split(')').next()).collect();
            assert!(links.len() > one.experiments.len(), "{}", links.len());
            for link in links {
                assert_eq!(text.matches(&format!("<a id=\"{link}\">")).count(), 1, "{link}");
            }
        }
        let text = card(&sample::linux_card());
        assert!(text.contains("[1](#e1-1) to [7](#e1-7) |"), "{text}");
        assert!(text.contains("| 3 |") || text.contains("<a id=\"e1-3\"></a>3 | backlog = 1 |"));
    }

    #[test]
    fn every_row_of_a_table_has_its_columns() {
        let (linux, mut gvisor) = (sample::linux_card(), sample::gvisor_card());
        gvisor.system = "a | b\n| c [x](http://y) <b> `|` \\| **d** _e_".to_owned();
        let odd = (Confidence::Low, "|");
        gvisor.experiments[0].infer("od|d", Value::word("a|\u{1b}b\\|c"), &[], odd);
        let compared = cards::compare(&[&linux, &gvisor]);
        for text in [card(&gvisor), comparison(&compared, true), comparison(&compared, false)] {
            assert!(!text.contains('\u{1b}') && !text.contains("<b>") && !text.contains("http://"));
            let mut columns = None;
            for line in text.lines() {
                // A bar is escaped by an odd number of backslashes.
                let bare = line.replace("\\\\", "").replace("\\|", "");
                let bars = bare.starts_with('|').then(|| bare.matches('|').count());
                assert!(columns.is_none() || bars.is_none() || columns == bars, "{line}");
                columns = bars;
            }
        }
    }

    #[test]
    fn equal_values_are_folded() {
        let card = sample::linux_card();
        let compared = cards::compare(&[&card, &card]);
        let text = comparison(&compared, false);
        assert!(
            text.contains("## Differences: 0\n") && text.contains("`--all` lists them"),
            "{text}"
        );
        assert!(!text.contains("n + 1"));
        assert!(comparison(&compared, true).contains("| n + 1 | n + 1 |"));
    }
}
