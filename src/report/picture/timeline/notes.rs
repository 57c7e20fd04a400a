//! The exact values of each step, for those who point at it.

use super::super::BODY;
use super::super::page::{Drawn, Page};
use super::super::panel::Panel;
use super::super::scale::number;
use super::{Column, Values};

/// Notes from the top of the page down to the foot of the last panel.
pub fn steps(page: &Page, panel: &Panel, column: &Column) -> Drawn {
    for index in 0..column.attempts.len().max(column.queue.len()) {
        let (from, to) = (index as f64 * column.step, (index + 1) as f64 * column.step);
        let (left, right) = (panel.x(from), panel.x(to));
        page.note((left, BODY + 48), (right, panel.frame.bottom), &words(column, index, from))?;
    }
    Ok(())
}

fn words(column: &Column, index: usize, from: f64) -> String {
    let rates = [
        ("attempts/s", &column.attempts),
        ("ok/s", &column.ok),
        ("ok after a retry/s", &column.retried),
        ("errors/s", &column.errors),
        ("in the accept queue", &column.queue),
        ("its limit", &column.limit),
        ("half-open", &column.syn),
        ("ListenOverflows/s", &column.overflows),
        ("cookies/s", &column.cookies),
    ];
    let always = |name: &str| name == "attempts/s" || name == "in the accept queue";
    let known = rates.into_iter().filter_map(|(name, values): (_, &Values)| {
        let value = values.get(index).copied().flatten()?;
        (value > 0.0 || always(name)).then(|| format!("{} {name}", number(value.round())))
    });
    format!("{from:.1} s: {}", known.collect::<Vec<_>>().join(", "))
}
