//! Everything of one cell.

use maud::{Markup, html};

use super::parts::{Column, Row, facts, folded, heading, percent, table, text};
use super::{datagrams, figures, ground, ledger, metrics, partial, why, wire};
use crate::measure::result::{self, CellResult, LoadResult};
use crate::report::text::thousands;
use crate::units::human_nanos;

/// Where in a page a cell stands.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Its number.
    pub index: usize,
    /// Level of its headings.
    pub level: u8,
    /// Width of the narrowest bar in its pictures.
    pub grain: i32,
}

/// The figures of one cell, without the pictures.
pub fn figures(cell: &CellResult, place: Place) -> Markup {
    let Place { level, .. } = place;
    html! {
        (partial(&cell.status))
        (notices(cell))
        (why::classes(cell, level))
        @match &cell.datagrams {
            Some(ledger) => (datagrams::section(cell, ledger, level)),
            None => (ledger::section(cell, level)),
        }
        (metrics::section(cell, level))
        (trust(cell, level))
    }
}

/// All of one cell.
pub fn whole(scenario: &str, cell: &CellResult, place: Place) -> Markup {
    let Place { index, level, .. } = place;
    html! {
        (partial(&cell.status))
        (notices(cell))
        (why::classes(cell, level))
        (why::prediction(cell, level))
        (heading(level, "Over time"))
        (figures::of_cell(scenario, cell, place))
        (wire::section(cell, index, level))
        @match &cell.datagrams {
            Some(ledger) => (datagrams::section(cell, ledger, level)),
            None => (ledger::section(cell, level)),
        }
        (metrics::section(cell, level))
        (loads(cell, level))
        (trust(cell, level))
        (counters(cell))
        (ground::settings(cell))
    }
}

/// What was not as it was asked for, or could not be observed.
fn notices(cell: &CellResult) -> Markup {
    let notices: Vec<_> =
        cell.loads.iter().flat_map(|load| &load.notices).chain(&cell.target.notices).collect();
    html! {
        @if !notices.is_empty() {
            ul { @for notice in notices { li.doubt { (notice) } } }
        }
    }
}

fn loads(cell: &CellResult, level: u8) -> Markup {
    let columns = [
        Column::Text("load"),
        Column::Text("client"),
        Column::Text("driven by"),
        Column::Number("offered"),
        Column::Number("attempts"),
        Column::Number("not issued"),
        Column::Number("offered/s"),
        Column::Number("achieved/s"),
        Column::Number("SYN retransmits"),
        Column::Text("errors"),
    ];
    let row = |load: &LoadResult| {
        let errors = load.errors.iter().map(|(name, n)| format!("{name} {}", thousands(*n)));
        Row::new([
            text(&load.name),
            text(format!("{}, {}", load.client, load.lifecycle)),
            text(format!("{} x {}", load.workers, load.engine)),
            text(thousands(load.offered)),
            text(thousands(load.attempts)),
            text(thousands(load.unissued)),
            text(format!("{:.1}", load.offered_rate)),
            text(format!("{:.1}", load.achieved_rate)),
            text(thousands(load.syn_retransmits)),
            text(errors.collect::<Vec<_>>().join(", ")),
        ])
    };
    let rows = cell.loads.iter().map(row).collect();
    html! {
        (heading(level, "Clients and target"))
        (table("What each load offered, and what was made of it", &columns, rows))
        (facts(target(cell)))
    }
}

fn target(cell: &CellResult) -> Vec<(&'static str, Markup)> {
    let target = &cell.target;
    let asked = target.backlog_asked.map(|asked| asked.to_string());
    let effective = target.backlog_effective.map(|effective| effective.to_string());
    let backlog = asked.zip(effective).map(|(asked, effective)| {
        html! {
            "asked for " (asked) ", granted " (effective)
            @if target.clamped { " " strong.doubt { "clamped" } }
        }
    });
    let place = match &cell.place {
        result::Place::Lab { link, .. } => format!("a lab of private network namespaces, {link}"),
        result::Place::Host { reason } => format!("the host's network: {reason}"),
    };
    let restarts = target.restarts.len();
    let known = [
        ("Where", Some(text(place))),
        ("Target", Some(text(format!("{} at {}", target.kind, target.address)))),
        ("Backlog", backlog),
        ("Listeners", (target.listeners > 1).then(|| text(target.listeners))),
        ("Kept by", target.engine.as_ref().map(text)),
        ("Restarts", (restarts > 0).then(|| text(restarts))),
    ];
    known.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// How far the figures can be trusted.
fn trust(cell: &CellResult, level: u8) -> Markup {
    let validity = &cell.validity;
    let seconds = |seconds: f64| text(format!("{seconds:.3} s"));
    html! {
        (heading(level, "How far to trust these figures"))
        @if validity.is_valid() { p.good { "Nothing speaks against them." } }
        @else { ul { @for reason in &validity.reasons { li.bad { (reason) } } } }
        (facts(vec![
            ("Resolution", html! {
                (human_nanos(validity.resolution))
                " (a latency below it is not resolved, never fast)"
            }),
            ("Schedule lag, p99", text(human_nanos(validity.lag_p99))),
            ("Observer error, p99", text(human_nanos(validity.observer_error_p99))),
            ("Rate kept", text(percent(validity.achieved_ratio))),
            ("Ready, no CPU", seconds(validity.run_delay_s)),
            ("Taken by the host", seconds(validity.steal_s)),
            ("Queue samples lost", text(percent(validity.sampler_lost))),
        ]))
    }
}

/// Every counter of the kernel that grew.
fn counters(cell: &CellResult) -> Markup {
    let grown = cell.counters.iter().filter(|counter| counter.after != counter.before);
    let rows = grown.map(|counter| {
        Row::new([
            text(&counter.counter),
            text(&counter.namespace),
            text(thousands(counter.before)),
            text(thousands(counter.after)),
            text(thousands(i128::from(counter.after) - i128::from(counter.before))),
        ])
    });
    let rows: Vec<_> = rows.collect();
    let columns = [
        Column::Text("counter"),
        Column::Text("namespace"),
        Column::Number("before"),
        Column::Number("after"),
        Column::Number("growth"),
    ];
    html! {
        @if !rows.is_empty() {
            (folded(
                &format!("Counters of the kernel that grew ({})", rows.len()),
                table("As the kernel names them", &columns, rows),
            ))
        }
    }
}
