//! The rows of datagrams.

use super::super::page::{FAINT, Stroke};
use super::super::palette::{BLUE, ORANGE, VERMILLION};
use super::super::scale::{Scale, number};
use super::measures::{Row, each, line, row};
use crate::measure::Metric;
use crate::measure::result::{CellResult, ReceiverResult};

/// Shares of loss, the fullest receive buffer, and the longest loss burst.
pub fn rows(cells: &[CellResult]) -> Vec<Row> {
    let lost = each(cells, |cell| percent(cell.datagrams.as_ref()?.lost_of(None)?));
    let unsent = each(cells, |cell| {
        let ledger = cell.datagrams.as_ref()?;
        percent((ledger.unsent, ledger.wanted))
    });
    let shares = vec![
        line("lost", Stroke::solid(VERMILLION, 6), lost),
        line("not sent", Stroke::solid(ORANGE, 6), unsent),
    ];
    let peak = |one: &ReceiverResult| one.rcvbuf_effective.map(|_| one.queue_peak);
    let buffers = vec![
        line("fullest seen", Stroke::solid(BLUE, 6), each(cells, |cell| kib(cell, peak))),
        line(
            "limit (dashed)",
            Stroke::dashed(FAINT, 5),
            each(cells, |cell| kib(cell, |one| one.rcvbuf_effective)),
        ),
    ];
    let bursts = each(cells, |cell| {
        let bursts = cell.metrics.iter().filter(|m| m.metric == Metric::LossBurst);
        bursts.map(|m| m.summary.max as f64).reduce(f64::max)
    });
    let bursts = vec![line("longest", Stroke::solid(VERMILLION, 6), bursts)];
    vec![
        row(
            "Share of datagrams, %:",
            shares,
            |high, _| Scale::from_zero(high),
            Box::new(|_, v| format!("{v:.2} %")),
        ),
        row("Receive buffer, KiB:", buffers, Scale::counts, Box::new(|_, v| number(v.round()))),
        row("Loss burst, datagrams:", bursts, Scale::counts, Box::new(|_, v| number(v))),
    ]
}

fn percent((some, all): (u64, u64)) -> Option<f64> {
    (all > 0).then(|| some as f64 / all as f64 * 100.0)
}

/// The most of any receiver.
fn kib(cell: &CellResult, bytes: impl Fn(&ReceiverResult) -> Option<u64>) -> Option<f64> {
    let receivers = &cell.datagrams.as_ref()?.receivers;
    receivers.iter().filter_map(bytes).max().map(|bytes| bytes as f64 / 1024.0)
}
