//! How a candidate compares with its base: the verdict, every metric, and every run.

use maud::{Markup, html};

use super::figures::figure;
use super::framed;
use super::parts::{Column, Row, facts, folded, table, text};
use crate::measure::comparison::{Change, ComparedMetric, ComparisonResult};
use crate::report::card::clean;
use crate::report::comparison::words;
use crate::report::picture;

/// So many metrics have a row; of those that do not count, folded.
const LISTED: usize = 200;
/// So many runs of a metric are told.
const RUNS: usize = 48;
/// So many effects are told to those who do not see them.
const TOLD: usize = 24;

/// The page of a comparison alone.
pub fn page(found: &ComparisonResult) -> Vec<u8> {
    let scenario = clean(&found.scenario);
    let title = format!("{scenario}: {} · loadgen", words::word(&found.verdict));
    let header = html! {
        p.kicker { "loadgen comparison · " (clean(&found.loadgen_version)) }
        h1 { (scenario) }
    };
    let origin = "Made by loadgen from single runs: each run is one value of each metric.";
    let main = section(found);
    framed(&title, header, main, "To the verdict", origin).into_string().into_bytes()
}

/// The class of a judgement's colour.
fn tone(change: &Change) -> &'static str {
    match change {
        Change::Worse => "bad",
        Change::Better | Change::Same => "good",
        Change::Inconclusive { .. } | Change::Incomparable { .. } => "doubt",
    }
}

/// Everything of a comparison.
pub fn section(found: &ComparisonResult) -> Markup {
    let (counting, others): (Vec<_>, Vec<_>) = found.metrics.iter().partition(|one| one.counts);
    html! {
        section id="comparison" {
            div class={ "verdict " (tone(&found.verdict)) } {
                h2 { (words::headline(found)) }
                (list(words::reasons(&found.verdict)))
                (facts(words::parties(found).map(|(side, told)| (side, text(told))).into()))
                (list(words::notes(found)))
            }
            (pictures(found))
            (metrics("What counts, candidate against base", &counting))
            @if !others.is_empty() {
                (folded(
                    &format!("What does not count ({})", others.len()),
                    metrics("Shown only: none of it decides the verdict", &others),
                ))
            }
            (folded("Every run in numbers", each_run(&counting)))
            p.faint {
                "Each run is one value. Effect: Hodges-Lehmann estimate, with an interval by bootstrap \
                 over runs. p: exact two-sided Mann-Whitney, corrected for the metrics that count \
                 (Holm), against alpha = " (words::alpha(found.alpha)) ". Worse or better: p is not \
                 above alpha, the estimate is past the least effect that matters, and the whole \
                 interval past half of it; same: the whole interval lies within it."
            }
        }
    }
}

fn list(sentences: Vec<String>) -> Markup {
    html! {
        @if !sentences.is_empty() { ul { @for one in &sentences { li { (one) } } } }
    }
}

fn pictures(found: &ComparisonResult) -> Markup {
    let [(effects, height), (runs, half)] = picture::of_comparison(found);
    let told = found.metrics.iter().take(TOLD).map(words::sentence).collect::<Vec<_>>().join(". ");
    html! {
        @if !found.metrics.is_empty() {
            (figure(&effects, height, "effects", &told))
            (figure(&runs, half, "runs", "Every run as a dot; the table below has the numbers."))
        }
    }
}

fn metrics(caption: &str, metrics: &[&ComparedMetric]) -> Markup {
    let columns = [
        Column::Text("metric"),
        Column::Text("where"),
        Column::Text("verdict"),
        Column::Number("base"),
        Column::Number("candidate"),
        Column::Number("effect [interval]"),
        Column::Number("p"),
        Column::Number("matters from"),
    ];
    let rows = metrics.iter().take(LISTED).map(|metric| {
        let found = metric.effect.as_ref();
        Row::new([
            text(words::subject(metric)),
            text(words::place(metric)),
            html! { strong class=(tone(&metric.change)) { (words::word(&metric.change)) } },
            text(words::middle(metric.unit, &metric.base)),
            text(words::middle(metric.unit, &metric.candidate)),
            text(found.map_or("-".to_owned(), |found| words::effect(metric.unit, found))),
            text(found.map_or("-".to_owned(), |one| words::probability(one.p_corrected))),
            text(words::least(metric)),
        ])
    });
    html! {
        (table(caption, &columns, rows.collect()))
        @if metrics.len() > LISTED { p.faint { "And " (metrics.len() - LISTED) " more." } }
    }
}

fn each_run(metrics: &[&ComparedMetric]) -> Markup {
    let columns = [Column::Text("metric"), Column::Text("side"), Column::Long("runs, in order")];
    let rows = metrics.iter().take(LISTED / 4).flat_map(|metric| {
        [("base", &metric.base), ("candidate", &metric.candidate)].map(|(side, runs)| {
            let shown = runs.iter().take(RUNS).map(|run| words::figure(metric.unit, *run));
            let more = if runs.len() > RUNS { " ..." } else { "" };
            let shown = shown.collect::<Vec<_>>().join(" · ");
            let name = format!("{} {}", words::subject(metric), words::place(metric));
            Row::new([text(name), text(side), text(format!("{shown}{more}"))])
        })
    });
    table("The value of each run", &columns, rows.collect())
}
