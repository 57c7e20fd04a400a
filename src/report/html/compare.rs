//! Cells beside each other: a table with a row for each load, and the figures of a single one.

use maud::{Markup, html};

use super::figures;
use super::parts::{Column, Row, latency, percent, ratio, table, text};
use crate::measure::result::{CellResult, DatagramsResult, LoadResult, RunResult};
use crate::measure::{Metric, Outcome, Summary};
use crate::report::text::thousands;

/// All cells in one table, with the pictures that compare them.
pub fn section(result: &RunResult) -> Markup {
    let several = result.cells.len() > 1;
    html! {
        @if several {
            section id="compared" {
                h2 { "Cells compared" }
                @let named: Vec<_> = result.cells.iter().enumerate()
                    .map(|(index, cell)| (html! { a href={ "#cell" (index) } { (cell.title()) } }, cell))
                    .collect();
                (tables(&named))
                (figures::comparing(result))
            }
        } @else if !result.cells.is_empty() {
            section id="latency" {
                h2 { "How long it took" }
                (figures::comparing(result))
            }
        }
    }
}

/// Cells of connections and cells of datagrams, in tables of their own; each cell with its name.
pub fn tables(named: &[(Markup, &CellResult)]) -> Markup {
    html! { (connections(named)) (datagrams(named)) }
}

fn connections(named: &[(Markup, &CellResult)]) -> Markup {
    let columns = [
        Column::Text("cell"),
        Column::Number("attempts"),
        Column::Number("p50"),
        Column::Number("p99"),
        Column::Number("p99.9"),
        Column::Number("max"),
        Column::Number("after a SYN retry"),
        Column::Number("errors"),
        Column::Number("queue / limit"),
        Column::Number("ListenOverflows"),
        Column::Number("unexplained"),
        Column::Text("figures"),
    ];
    let cells = named.iter().filter(|(_, cell)| cell.datagrams.is_none());
    let rows = cells.flat_map(|(name, cell)| cell.loads.iter().map(move |l| row(name, cell, l)));
    let caption = "Connect latency, shares of attempts, the longest accept queue, and its counter at the target";
    table(caption, &columns, rows.collect())
}

fn row(name: &Markup, cell: &CellResult, load: &LoadResult) -> Row {
    let connect = cell.metric(&load.name, Metric::Connect).map(|m| m.summary);
    let connect = connect.filter(|summary| summary.count > 0);
    let at = |of: fn(&Summary) -> u64| {
        text(connect.map_or("-".to_owned(), |summary| latency(of(&summary), cell)))
    };
    let name = html! { (name) @if cell.loads.len() > 1 { " " (load.name) } };
    Row::new([
        name,
        text(thousands(load.attempts)),
        at(|s| s.p50),
        at(|s| s.p99),
        at(|s| s.p999),
        at(|s| s.max),
        text(shared(load, |class| class == Outcome::OkRetried)),
        text(shared(load, Outcome::failed)),
        text(queue(cell)),
        text(cell.counter("ListenOverflows").map_or("-".to_owned(), thousands)),
        text(cell.ledger.unexplained.map_or("-".to_owned(), thousands)),
        trust(cell),
    ])
}

/// The longest accept queue that was seen, and its limit.
fn queue(cell: &CellResult) -> String {
    match (longest(cell), cell.target.backlog_effective) {
        (Some(longest), Some(limit)) => format!("{} / {}", thousands(longest), thousands(limit)),
        _ => "-".to_owned(),
    }
}

fn datagrams(named: &[(Markup, &CellResult)]) -> Markup {
    let columns = [
        Column::Text("cell"),
        Column::Number("sent"),
        Column::Number("received"),
        Column::Number("lost"),
        Column::Text("most by"),
        Column::Number("p50"),
        Column::Number("p99"),
        Column::Number("max"),
        Column::Number("longest burst"),
        Column::Number("unexplained"),
        Column::Text("figures"),
    ];
    let rows = named.iter().filter_map(|(name, cell)| {
        let ledger = cell.datagrams.as_ref()?;
        let delay = |of: fn(&Summary) -> u64| {
            text(largest(cell, cell.main_metric(), of).map_or("-".into(), |v| latency(v, cell)))
        };
        let burst = largest(cell, Metric::LossBurst, |s| s.max);
        let most = ledger.causes.iter().filter(|c| c.count > 0).max_by_key(|c| c.count);
        Some(Row::new([
            name.clone(),
            text(thousands(ledger.sent)),
            text(thousands(ledger.received)),
            text(lost(ledger)),
            text(most.map_or("-", |one| one.cause.name())),
            delay(|s| s.p50),
            delay(|s| s.p99),
            delay(|s| s.max),
            text(burst.map_or("-".to_owned(), thousands)),
            text(thousands(ledger.of(crate::measure::result::Cause::Unexplained))),
            trust(cell),
        ]))
    });
    table("What was sent, what came, and how long it was under way", &columns, rows.collect())
}

/// Whether the cell's figures can be trusted.
fn trust(cell: &CellResult) -> Markup {
    html! {
        @if cell.validity.is_valid() { span.good { "valid" } }
        @else { strong.bad { "invalid" } }
    }
}

/// The figures of a cell that stands alone.
pub fn figures(result: &RunResult) -> Markup {
    let [cell] = result.cells.as_slice() else {
        return html! {
            @if !result.cells.is_empty() {
                dl.figures {
                    div { dt { "cells" } dd { (result.cells.len()) } }
                    @let attempts = result.cells.iter().map(|cell| cell.ledger.attempts);
                    @let all = attempts.fold(0u64, u64::saturating_add);
                    @if all > 0 { div { dt { "attempts" } dd { (thousands(all)) } } }
                }
            }
        };
    };
    html! { dl.figures { @for (name, value) in of_cell(cell) {
        div { dt { (name) } dd { (value) } }
    } } }
}

/// The most telling figures of a cell, in one line.
pub fn line(cell: &CellResult) -> String {
    let figures = of_cell(cell).into_iter();
    figures.map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(" · ")
}

fn of_cell(cell: &CellResult) -> Vec<(&'static str, String)> {
    let at = |of: fn(&Summary) -> u64| {
        largest(cell, cell.main_metric(), of).map(|nanos| latency(nanos, cell))
    };
    let (p50, p99) = (at(|s| s.p50), at(|s| s.p99));
    let figures = match &cell.datagrams {
        Some(ledger) => [
            ("sent", Some(thousands(ledger.sent))),
            ("lost", Some(lost(ledger))),
            ("delay p50", p50),
            ("delay p99", p99),
        ],
        None => [
            ("attempts", Some(thousands(cell.ledger.attempts))),
            ("after a SYN retry", Some(of_all(cell, |class| class == Outcome::OkRetried))),
            ("connect p50", p50),
            ("connect p99", p99),
        ],
    };
    figures.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// Share of the datagrams that were lost, as text.
pub fn lost(ledger: &DatagramsResult) -> String {
    let lost = ledger.lost_of(None);
    lost.map_or("-".to_owned(), |(lost, of)| percent(ratio(lost, of)))
}

/// The longest accept queue that was seen.
pub fn longest(cell: &CellResult) -> Option<u32> {
    cell.timeline.target.iter().filter_map(|seen| seen.accept_queue).max()
}

/// The largest of a statistic over the loads.
pub fn largest(cell: &CellResult, metric: Metric, of: fn(&Summary) -> u64) -> Option<u64> {
    let measured = cell.metrics.iter().filter(|m| m.metric == metric && m.summary.count > 0);
    measured.map(|m| of(&m.summary)).max()
}

/// Share of a load's attempts in the wanted classes, as text.
fn shared(load: &LoadResult, wanted: impl Fn(Outcome) -> bool) -> String {
    share(load.outcomes.iter().map(|(class, count)| (*class, *count)), wanted)
}

/// The same over all loads.
fn of_all(cell: &CellResult, wanted: impl Fn(Outcome) -> bool) -> String {
    let outcomes = cell.loads.iter().flat_map(|load| &load.outcomes);
    share(outcomes.map(|(class, count)| (*class, *count)), wanted)
}

fn share(counts: impl Iterator<Item = (Outcome, u64)>, wanted: impl Fn(Outcome) -> bool) -> String {
    let (mut some, mut all) = (0u64, 0u64);
    for (class, count) in counts {
        all = all.saturating_add(count);
        some = some.saturating_add(if wanted(class) { count } else { 0 });
    }
    if all == 0 { "-".to_owned() } else { percent(ratio(some, all)) }
}
