//! The books of both sides, and how they meet.

use maud::{Markup, html};

use super::parts::{Column, Row, heading, table, text};
use crate::measure::result::{CellResult, Ledger};
use crate::report::text::thousands;

/// Attempts, what became of them at each side, and what stands between the sides.
pub fn section(cell: &CellResult, level: u8) -> Markup {
    let ledger = &cell.ledger;
    let columns =
        [Column::Long("what"), Column::Number("count"), Column::Long("why, or who counted")];
    let mut rows = clients(cell);
    rows.extend(between(ledger));
    html! {
        (heading(level, "Ledger: where every attempt went"))
        (table("From the clients' attempts to the target's connections", &columns, rows))
    }
}

fn row(what: &str, count: impl Into<i128>, why: &str) -> Row {
    Row::new([text(what), text(thousands(count)), text(why)])
}

fn clients(cell: &CellResult) -> Vec<Row> {
    let ledger = &cell.ledger;
    let mut rows = vec![row("attempts", ledger.attempts, "handed out by the schedule")];
    for load in &cell.loads {
        let by = format!("clients of {}", load.name);
        let some = load.outcomes.iter().filter(|(_, count)| **count > 0);
        rows.extend(some.map(|(class, count)| row(&format!("= {class}"), *count, &by)));
        let ended = load.endings.iter().filter(|(_, count)| **count > 0);
        let by = format!("what became of established connections of {}", load.name);
        rows.extend(ended.map(|(class, count)| row(&format!("session: {class}"), *count, &by)));
    }
    let gaps = [
        ("attempts without an outcome", ledger.unclassified),
        ("established connections without an end", ledger.unended),
        ("accepted connections without an end at the target", ledger.unended_at_target),
    ];
    let gaps = gaps.into_iter().filter(|(_, count)| *count != 0);
    rows.extend(gaps.map(|(what, count)| row(what, count, "the books are not whole").marked(true)));
    rows
}

/// From what clients established to what the target got.
fn between(ledger: &Ledger) -> Vec<Row> {
    let mut rows = vec![row("established", ledger.established, "at the clients")];
    let Some(unexplained) = ledger.unexplained else {
        rows.push(Row::new([
            text("at the target"),
            text("-"),
            text("the target's side cannot be seen"),
        ]));
        return rows;
    };
    let source = match ledger.target_source.as_str() {
        "own" => "the target counted",
        "kernel" => "the kernel counted, in the target's namespace",
        other => other,
    };
    rows.extend(ledger.steps.iter().map(|step| {
        let sign = if step.count < 0 { "-" } else { "+" };
        let count = format!("{sign}{}", thousands(step.count.unsigned_abs()));
        Row::new([text("step"), text(count), text(&step.why)])
    }));
    let some = ledger
        .target
        .iter()
        .filter(|(class, count)| **count > 0 || **class == crate::measure::TargetOutcome::Accepted);
    rows.extend(some.map(|(class, count)| row(&format!("= {class}"), *count, source)));
    let ends = ledger.target_endings.iter().filter(|(_, count)| **count > 0);
    let by = "how accepted connections came to their end";
    rows.extend(ends.map(|(class, count)| row(&format!("at the target: {class}"), *count, by)));
    let why = if unexplained == 0 { "the sides meet" } else { "nobody knows" };
    rows.push(row("unexplained", unexplained, why).marked(unexplained != 0));
    rows
}
