//! A search for the highest value that holds.

use maud::{Markup, html};

use super::figures::figure;
use super::parts::{Column, Row, table, text};
use super::verdict::title_of;
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
            p { (sentence(&knee.confidence)) }
            @for note in &knee.notes { p { (note) } }
            @if let Some((_, sketch)) = drawn { (figure(&sketch, HEIGHT, "knee", &found(knee))) }
            (tried(result, knee))
        }
    }
}

/// What the search of a run found, in a sentence; nothing where it was none.
pub fn told(result: &RunResult) -> Markup {
    html! { @if let Some(knee) = &result.knee {
        p { strong { (found(knee)) } " " (sentence(&knee.confidence)) }
    } }
}

/// The words as a sentence.
fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let end = if words.ends_with('.') { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

fn found(knee: &KneeResult) -> String {
    let KneeResult { over, until, .. } = knee;
    let (way, end) = match knee.direction {
        Some(Direction::Falling) => ("down to", "lowest"),
        Some(Direction::Rising) | None => ("up to", "highest"),
    };
    match (&knee.holds, &knee.breaks) {
        (Some(holds), Some(breaks)) => {
            format!("{until} holds {way} {over} = {holds} and is broken at {breaks}.")
        }
        (Some(holds), None) => {
            format!("{until} holds {way} {over} = {holds}, the {end} value at which it did.")
        }
        (None, _) => format!("{until} held at no value of {over} that was tried."),
    }
}

fn tried(result: &RunResult, knee: &KneeResult) -> Markup {
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
            text(title_of(result, &step.cell)),
            text(step.doubt.as_deref().unwrap_or_default()),
        ])
    });
    let columns = [
        Column::Text("value"),
        Column::Text("the limit"),
        Column::Number("measured"),
        Column::Text("cell"),
        Column::Long("why it cannot be told"),
    ];
    table("Every value, in the order of trying", &columns, rows.collect())
}
