//! Datagrams: their rows in `outcomes.csv`, and `streams.csv`.

use super::{ALL_LOADS, maybe, table};
use crate::measure::result::{Cause, CellResult, DatagramsResult, RunResult};

/// Rows of what came of a cell's datagrams: replies by load, what the target counted, and losses by
/// cause. A count is empty where it is not known.
pub fn outcomes<'a>(
    cell: &'a CellResult,
    ledger: &'a DatagramsResult,
) -> impl Iterator<Item = [String; 5]> + 'a {
    let row = |load: &str, side: &str, class: &str, count: Option<u64>| {
        [cell.name.clone(), load.to_owned(), side.to_owned(), class.to_owned(), maybe(count)]
    };
    let replies = cell.loads.iter().flat_map(move |load| {
        let sent = load.datagrams.clone().unwrap_or_default();
        [
            ("replies", sent.replies),
            ("duplicates", sent.reply_duplicates),
            ("late", sent.reply_late),
            ("foreign", sent.reply_foreign),
        ]
        .map(|(class, count)| row(&load.name, "reply", class, Some(count)))
    });
    let counted = [
        ("expected", ledger.expected),
        ("received", ledger.received),
        ("late", ledger.late),
        ("lost", ledger.lost),
        ("duplicates", ledger.duplicates),
        ("reordered", ledger.reordered),
        ("outside", ledger.outside),
        ("foreign", ledger.foreign),
        ("corrupt", ledger.corrupt),
        ("surplus", ledger.surplus),
    ];
    let counted = counted.into_iter().map(move |(class, count)| {
        row(ALL_LOADS, "target", class, ledger.counted.then_some(count))
    });
    let causes = Cause::ALL.into_iter().map(move |cause| {
        let count = ledger.lost_of(Some(cause)).map(|(count, _)| count);
        row(ALL_LOADS, "loss", cause.name(), count)
    });
    replies.chain(counted).chain(causes)
}

/// `streams.csv`: one row a stream and receiver.
pub fn streams(result: &RunResult) -> Vec<u8> {
    let header = [
        "cell",
        "load",
        "stream",
        "receiver",
        "sent",
        "received",
        "late",
        "lost",
        "duplicates",
        "reordered",
        "outside",
        "longest_burst",
        "closed",
    ];
    table(header, result.cells.iter().flat_map(cell_streams))
}

fn cell_streams(cell: &CellResult) -> impl Iterator<Item = [String; 13]> {
    let streams = cell.datagrams.iter().flat_map(|ledger| &ledger.streams);
    streams.map(|one| {
        let load = cell.loads.get(usize::from(one.load));
        [
            cell.name.clone(),
            load.map_or_else(|| one.load.to_string(), |load| load.name.clone()),
            one.stream.to_string(),
            one.receiver.to_string(),
            one.sent.to_string(),
            one.received.to_string(),
            one.late.to_string(),
            one.lost.to_string(),
            one.duplicates.to_string(),
            one.reordered.to_string(),
            one.outside.to_string(),
            one.longest_burst.to_string(),
            one.closed.to_string(),
        ]
    })
}
