//! Why attempts took as long as they did, and what the theory of queues says to it.

use maud::{Markup, html};

use super::parts::{Column, Row, facts, heading, percent, ratio, share, table, text};
use crate::measure::result::{CellResult, Class, ClassesResult, FlowResult, PredictionResult};
use crate::report::text::thousands;
use crate::units::human_nanos;

/// The classes of a cell's attempts.
pub fn classes(cell: &CellResult, level: u8) -> Markup {
    let Some(classes) = &cell.classes else { return html! {} };
    html! {
        (heading(level, "Why attempts took as long as they did"))
        (all(classes))
        (lost_syns(classes))
        @if cell.loads.len() > 1 { (by_load(classes)) }
        p.faint {
            (thousands(classes.joined)) " of " (thousands(cell.ledger.established))
            " established attempts were found again at the target"
            @if classes.by_cookie > 0 {
                ", " (thousands(classes.by_cookie)) " of them with a handshake by SYN cookie"
            }
            @if !classes.named { ", which did not name the connections that it held" }
            "."
        }
    }
}

/// Each class over all loads, and the unexplained rest whatever it is.
fn all(classes: &ClassesResult) -> Markup {
    let (attempts, latency) = (classes.attempts(), classes.whole_latency_s());
    let rows = Class::ALL.into_iter().filter_map(|class| {
        let (count, sum) = (classes.count(class), classes.latency_s(class));
        let rest = class == Class::Unexplained;
        let of_latency = if latency > 0.0 { sum / latency } else { 0.0 };
        (count > 0 || rest).then(|| {
            let row = Row::new([
                text(class.label()),
                text(thousands(count)),
                share(ratio(count, attempts)),
                text(seconds(sum)),
                share(of_latency),
            ]);
            row.marked(rest && count > 0)
        })
    });
    let columns = [
        Column::Text("class"),
        Column::Number("attempts"),
        Column::Number("share of attempts"),
        Column::Number("latency in all"),
        Column::Number("share of all latency"),
    ];
    let caption = format!("Each of {} attempts has one class", thousands(attempts));
    table(&caption, &columns, rows.collect())
}

fn lost_syns(classes: &ClassesResult) -> Markup {
    let columns = [
        Column::Text("SYNs that brought nothing"),
        Column::Number("packets"),
        Column::Number("first"),
        Column::Number("last"),
    ];
    let rows = classes.lost_syns.iter().map(|lost| {
        Row::new([
            text(lost.class.label()),
            text(thousands(lost.count)),
            text(format!("{:.2} s", lost.span_s.0)),
            text(format!("{:.2} s", lost.span_s.1)),
        ])
    });
    table("SYNs that were dropped; an attempt may have lost several", &columns, rows.collect())
}

fn by_load(classes: &ClassesResult) -> Markup {
    let columns = [
        Column::Text("load"),
        Column::Text("class"),
        Column::Number("attempts"),
        Column::Number("latency in all"),
    ];
    let rows = classes.classes.iter().map(|one| {
        Row::new([
            text(&one.load),
            text(one.class.label()),
            text(thousands(one.count)),
            text(seconds(one.latency_s)),
        ])
    });
    table("The same, load by load", &columns, rows.collect())
}

/// What is predicted beside what was measured.
pub fn prediction(cell: &CellResult, level: u8) -> Markup {
    let Some(told) = &cell.prediction else { return html! {} };
    let wait = |flow: &FlowResult| flow.mean_wait_s.map_or("not measured".to_owned(), seconds);
    let (predicted, measured) = (&told.predicted, &told.measured);
    let rows = vec![
        Row::new([
            text("SYNs that found no place"),
            text(percent(predicted.blocking)),
            text(percent(measured.blocking)),
            text(apart(Some(predicted.blocking), Some(measured.blocking))),
        ]),
        Row::new([
            text("mean wait in the queue"),
            text(wait(predicted)),
            text(wait(measured)),
            text(apart(predicted.mean_wait_s, measured.mean_wait_s)),
        ]),
    ];
    let columns = [
        Column::Text("quantity"),
        Column::Number("predicted"),
        Column::Number("measured"),
        Column::Number("measured is"),
    ];
    html! {
        (heading(level, "Prediction and measurement"))
        (table("What the theory of queues expects of this accept queue", &columns, rows))
        (model(told))
    }
}

fn model(told: &PredictionResult) -> Markup {
    let method = match told.method.as_str() {
        "closed_form" => "closed form",
        "simulation" => "discrete-event simulation of the same schedule",
        other => other,
    };
    html! {
        (facts(vec![
            ("Model", html! { (told.model) " (" (method) ")" }),
            ("Queue", html! {
                (thousands(told.places)) " places, " (told.acceptors) " acceptor(s)"
            }),
            ("Rates", text(format!(
                "{:.1}/s arrive, {:.1}/s can be accepted", told.arrival_rate, told.accept_rate
            ))),
        ]))
        @if !told.assumptions.is_empty() {
            p.faint { "Taken for granted:" }
            ul.faint { @for assumption in &told.assumptions { li { (assumption) } } }
        }
    }
}

/// By how much the measurement differs from the prediction.
fn apart(predicted: Option<f64>, measured: Option<f64>) -> String {
    match predicted.zip(measured) {
        Some((predicted, measured)) if predicted > 0.0 && measured.is_finite() => {
            let by = (measured / predicted - 1.0) * 100.0;
            match by.abs() {
                ..0.05 => "the same".to_owned(),
                size => format!("{size:.1} % {}", if by < 0.0 { "less" } else { "more" }),
            }
        }
        _ => "-".to_owned(),
    }
}

/// Seconds, however few, as people write them.
pub fn seconds(seconds: f64) -> String {
    human_nanos((seconds.max(0.0) * 1e9).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_told_in_words() {
        assert_eq!(apart(Some(0.25), Some(0.262)), "4.8 % more");
        assert_eq!(apart(Some(0.25), Some(0.2)), "20.0 % less");
        assert_eq!(apart(Some(0.25), Some(0.25)), "the same");
        assert_eq!([apart(Some(0.0), Some(1.0)), apart(None, Some(1.0))], ["-", "-"]);
    }
}
