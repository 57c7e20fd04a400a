//! A backlog card as a page: values, each with links to the observations that it rests on.

use maud::{Markup, html};

use super::figures::figure;
use super::framed;
use super::parts::{Column, Row, facts, table, text};
use crate::measure::card::{Card, Experiment, Inferred, Missing};
use crate::measure::result::Status;
use crate::report::card::rows::{Known, confidence, instrument, summary};
use crate::report::card::{clean, named, remark, stretches};
use crate::report::picture::{self, HEIGHT};
use crate::verdict::cards;

/// The page of a card.
pub fn page(card: &Card) -> Vec<u8> {
    let system = clean(&card.system);
    let header = html! {
        p.kicker {
            "loadgen " (clean(&card.loadgen_version)) " · " (clean(&card.environment.started_at))
            " · " (clean(&card.environment.kernel))
        }
        h1 { "Backlog card: " (system) }
        p.lead { (summary(card)) "." }
        @if let Status::Partial { reason } = &card.status {
            p.doubt { strong { "Partial: " } (clean(reason)) }
        }
    };
    let named = vec![(String::new(), card)];
    let sketch = picture::cards(&named);
    let main = html! {
        section id="values" { h2 { "Values" } (values(card)) }
        section id="picture" {
            h2 { "At a glance" }
            (figure(&sketch, HEIGHT, "card", "The same figures are in the table of values."))
        }
        (missing(card))
        (ground(card))
        (observations(card))
    };
    let title = format!("Backlog card of {system} · loadgen");
    let origin = "Made by loadgen from card.json alone.";
    framed(&title, header, main, "To the values", origin).into_string().into_bytes()
}

/// What an experiment was made over, in parentheses.
fn place(experiment: &Experiment) -> Markup {
    let remark = remark(experiment);
    html! { @if !remark.is_empty() { br; span.faint { (remark) } } }
}

fn values(card: &Card) -> Markup {
    let experiments = card.experiments.iter().enumerate();
    let rows = experiments.flat_map(|(index, experiment)| {
        experiment.inferred.iter().map(move |inferred| value(index, experiment, inferred))
    });
    let columns = [
        Column::Text("experiment"),
        Column::Text("value"),
        Column::Long("found"),
        Column::Long("confidence"),
        Column::Long("expected"),
        Column::Text("observations"),
    ];
    table("What was inferred", &columns, rows.collect())
}

fn value(index: usize, experiment: &Experiment, inferred: &Inferred) -> Row {
    let known = Known::of(inferred);
    let source = inferred.expected.as_ref().map_or("", |expected| &expected.source);
    let expected = match &known {
        Known::Nothing => text("-"),
        Known::Agrees => html! { span.good { "yes" } ": " (clean(source)) },
        Known::Differs(value, source) => html! { strong { "no" } ": " (value) " (" (source) ")" },
    };
    Row::new([
        html! { a href={ "#e" (index + 1) } { (clean(&experiment.id)) } (place(experiment)) },
        text(clean(&inferred.name)),
        text(clean(&inferred.value.to_string())),
        html! { (confidence(inferred.confidence)) ": " (clean(&inferred.because)) },
        expected,
        links(index + 1, &inferred.from),
    ])
    .marked(matches!(known, Known::Differs(..)))
}

/// Links to observations, from 1; those that follow each other by their ends.
fn links(experiment: usize, from: &[usize]) -> Markup {
    let link = |number: usize| {
        html! { a href={ "#e" (experiment) "-" (number + 1) } { (number + 1) } }
    };
    html! {
        @for (place, (first, last)) in stretches(from).into_iter().enumerate() {
            @if place > 0 { ", " }
            (link(first))
            @if last > first { (if last == first + 1 { ", " } else { " to " }) (link(last)) }
        }
    }
}

fn missing(card: &Card) -> Markup {
    let experiments = card.experiments.iter().enumerate();
    let row = |index: usize, experiment: &Experiment, missing: &Missing| {
        let what = if missing.what.is_empty() { "all" } else { &missing.what };
        Row::new([
            html! { a href={ "#e" (index + 1) } { (clean(&experiment.id)) } (place(experiment)) },
            text(clean(what)),
            text(clean(&missing.why)),
            text(clean(&missing.remedy)),
        ])
    };
    let rows: Vec<_> = experiments
        .flat_map(|(index, one)| one.missing.iter().map(move |missing| row(index, one, missing)))
        .collect();
    let columns = [
        Column::Text("experiment"),
        Column::Text("value"),
        Column::Long("why"),
        Column::Long("what would help"),
    ];
    html! {
        @if !rows.is_empty() {
            section id="missing" { h2 { "Not found out" } (table("What is missing", &columns, rows)) }
        }
    }
}

fn ground(card: &Card) -> Markup {
    let environment = &card.environment;
    let settings = environment.sysctl.iter().map(|(key, value)| format!("{key} = {value}"));
    html! {
        section id="ground" {
            h2 { "How it was made" }
            (facts(vec![
                ("command line", text(clean(&environment.command_line.join(" ")))),
                ("place", text(clean(&cards::place(&card.place)))),
                ("depth", html! { (cards::depth(card.depth)) ", " (format!("{:.1}", card.took_s)) " s" }),
                ("methods", text(cards::methods(card.methods))),
                ("machine", html! {
                    (clean(&environment.cpu)) ", " (environment.cpus) " CPUs, "
                    (clean(&environment.architecture))
                }),
                ("settings", html! { @for setting in settings { (clean(&setting)) br; } }),
            ]))
        }
    }
}

fn observations(card: &Card) -> Markup {
    let columns = [Column::Text("#"), Column::Long("given"), Column::Long("seen")];
    html! {
        section id="observations" {
            h2 { "Observations" }
            @for (index, experiment) in card.experiments.iter().enumerate() {
                h3 id={ "e" (index + 1) } { (index + 1) ". " (clean(&experiment.id)) }
                p {
                    (clean(&experiment.question)) " " (clean(&experiment.method.how))
                    " Told by: " (instrument(experiment.method.instrument)) ". It took "
                    (format!("{:.1}", experiment.took_s)) " s."
                    (place(experiment))
                }
                @if experiment.observations.is_empty() { p { "Nothing was seen." } }
                (table("What was seen", &columns, seen(index + 1, experiment)))
            }
        }
    }
}

fn seen(number: usize, experiment: &Experiment) -> Vec<Row> {
    let rows = experiment.observations.iter().zip(1..).map(|(observation, place)| {
        let [given, seen] = named(observation);
        let anchor = html! { span id={ "e" (number) "-" (place) } { (place) } };
        Row::new([anchor, text(given), text(seen)])
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn page_of(card: &Card) -> String {
        String::from_utf8(page(card)).expect("text")
    }

    #[test]
    fn every_value_is_linked_to_observations_that_are_there() {
        let text = page_of(&sample::linux_card());
        let links: Vec<_> =
            text.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(links.len() > 60, "{}", links.len());
        for link in links {
            assert_eq!(text.matches(&format!("id=\"{link}\"")).count(), 1, "{link}");
        }
        assert!(text.contains("<svg") && !text.contains("To the verdict"));
    }

    #[test]
    fn a_hostile_card_is_a_plain_page() {
        let mut card = sample::gvisor_card();
        let evil = "<script>alert(1)</script>\u{1b}]0;x\u{7}\u{202e}";
        card.system = evil.to_owned();
        card.experiments[0].id = evil.to_owned();
        card.experiments[0].inferred[0].because = evil.repeat(100);
        card.experiments[0].missing[0].why = evil.to_owned();
        card.environment.sysctl.insert(evil.to_owned(), evil.to_owned());
        let text = page_of(&card);
        assert!(
            !text.contains("<script") && !text.contains('\u{1b}') && !text.contains('\u{202e}')
        );
        assert!(text.contains("&lt;script&gt;"));
    }
}
