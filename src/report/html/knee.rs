//! A search for the highest value that holds.

use maud::{Markup, html};

use super::figures::figure;
use super::parts::{Column, Row, table, text};
use crate::measure::result::{Direction, KneeResult, RunResult};
use crate::report::picture::{self, HEIGHT};

/// What was tried, and what came of it.
pub fn section(result: &RunResult) -> Markup {
    let Some(knee) = &result.knee else { return html! {} };
    let drawn = picture::pictures(result).into_iter().find(|(name, _)| *name == "knee.png");
    html! {
        section id="knee" {
            h2 { "Knee of " (knee.over) }
            p.say { (found(knee)) }
            p { (knee.confidence) }
            @for note in &knee.notes { p { (note) } }
            @if let Some((_, sketch)) = drawn { (figure(&sketch, HEIGHT, "knee", &found(knee))) }
            (tried(knee))
        }
    }
}

/// What the search of a run found, in a sentence; nothing where it was none.
pub fn told(result: &RunResult) -> Markup {
    html! { @if let Some(knee) = &result.knee { p { (found(knee)) " " (knee.confidence) } } }
}

fn found(knee: &KneeResult) -> String {
    let KneeResult { over, until, .. } = knee;
    let (to, extreme) = match knee.direction {
        Some(Direction::Falling) => ("down to", "lowest"),
        Some(Direction::Rising) | None => ("up to", "highest"),
    };
    match (&knee.holds, &knee.breaks) {
        (Some(holds), Some(breaks)) => {
            format!("{until} holds {to} {over} = {holds} and is broken at {breaks}.")
        }
        (Some(holds), None) => {
            format!("{until} holds {to} {over} = {holds}, the {extreme} value that was tried.")
        }
        (None, _) => format!("{until} held at no value of {over} that was tried."),
    }
}

fn tried(knee: &KneeResult) -> Markup {
    let rows = knee.steps.iter().map(|step| {
        let (word, tone) = match step.holds {
            Some(true) => ("holds", "good"),
            Some(false) => ("broken", "bad"),
            None => ("cannot tell", "doubt"),
        };
        Row::new([
            text(&step.text),
            html! { strong class=(tone) { (word) } },
            text(step.measured.as_deref().unwrap_or("nothing")),
            text(&step.cell),
            text(step.doubt.as_deref().unwrap_or_default()),
        ])
    });
    let columns = [
        Column::Text("value"),
        Column::Text("the limit"),
        Column::Number("measured"),
        Column::Text("cell"),
        Column::Text("doubt"),
    ];
    table("Every value, in the order of trying", &columns, rows.collect())
}
