//! The books of both sides, and how they meet.

use maud::{Markup, html};

use super::parts::{Column, Row, folded, heading, table, text};
use crate::measure::TargetOutcome;
use crate::measure::result::{CellResult, Ledger};
use crate::report::text::thousands;

/// Attempts, what became of them at each side, and what stands between the sides.
pub fn section(cell: &CellResult, level: u8) -> Markup {
    let columns =
        [Column::Long("what"), Column::Number("count"), Column::Long("who counted, or why")];
    html! {
        (heading(level, "Ledger: where every attempt went"))
        (table("What became of the clients' attempts", &columns, clients(cell)))
        (table("From established clients to the target", &columns, between(&cell.ledger)))
        (folded("How connections ended, as each side saw it", endings(cell)))
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
        let why = "that side cannot be seen";
        rows.push(Row::new([text("at the target"), text("-"), text(why)]));
        return rows;
    };
    rows.extend(ledger.steps.iter().map(|step| {
        let (word, sign) = if step.count < 0 { ("less", "-") } else { ("more", "+") };
        let count = format!("{sign}{}", thousands(step.count.unsigned_abs()));
        Row::new([text(word), text(count), text(&step.why)])
    }));
    let source = match ledger.target_source.as_str() {
        "own" => "the target",
        "kernel" => "the kernel, in the target's namespace",
        other => other,
    };
    let some = ledger.target.iter();
    let some = some.filter(|(class, count)| **count > 0 || **class == TargetOutcome::Accepted);
    rows.extend(some.map(|(class, count)| row(&format!("= {class}"), *count, source)));
    let why = if unexplained == 0 { "the sides meet" } else { "nobody knows" };
    rows.push(row("unexplained", unexplained, why).marked(unexplained != 0));
    rows
}

fn endings(cell: &CellResult) -> Markup {
    let ends = |side: &str, class: &str, count: u64| {
        (count > 0).then(|| Row::new([text(side), text(class), text(thousands(count))]))
    };
    let mut rows = Vec::new();
    for load in &cell.loads {
        let side = format!("clients of {}", load.name);
        rows.extend(load.endings.iter().filter_map(|(end, count)| ends(&side, end.name(), *count)));
    }
    let target = cell.ledger.target_endings.iter();
    rows.extend(target.filter_map(|(end, count)| ends("target", end.name(), *count)));
    let columns = [Column::Text("side"), Column::Text("end"), Column::Number("connections")];
    table("Of clients: established ones; of the target: accepted ones", &columns, rows)
}
