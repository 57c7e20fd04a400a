//! What became of a cell's datagrams.

use maud::{Markup, html};

use super::parts::{Column, Row, facts, heading, percent, ratio, table, text};
use crate::measure::result::{Cause, CellResult, DatagramsResult, Side};
use crate::report::text::thousands;

/// The ledger, each loss by its cause, and the buffers.
pub fn section(cell: &CellResult, ledger: &DatagramsResult, level: u8) -> Markup {
    html! {
        (heading(level, "Ledger: where every datagram went"))
        (balance(ledger))
        (causes(ledger))
        (beside(ledger))
        (receivers(ledger))
        (charges(ledger))
        (impairments(ledger))
        (facts(restarts(ledger)))
        @if !cell.target.client_faults.is_empty() {
            p.doubt {
                "At the target: "
                @for (index, (name, count)) in cell.target.client_faults.iter().enumerate() {
                    @if index > 0 { ", " }
                    (thousands(*count)) " " (name)
                }
            }
        }
    }
}

/// What was sent and what came: the sums that must add up.
fn balance(ledger: &DatagramsResult) -> Markup {
    let row = |what: &str, count: u64, why: &str| {
        Row::new([text(what), text(thousands(count)), text(why)])
    };
    let mut rows = vec![
        row("wanted", ledger.wanted, "handed out by the schedules"),
        row("not sent", ledger.unsent, "not taken by the sender's kernel"),
        row("sent", ledger.sent, "taken by the sender's kernel"),
    ];
    if ledger.copies > 1 {
        let why = format!("{} receivers for each", thousands(ledger.copies));
        rows.push(row("expected", ledger.expected, &why));
    }
    let came = if ledger.counted { "received" } else { "replied to" };
    match ledger.is_known() {
        true => rows.extend([
            row(&format!("= {came}"), ledger.received, "each counted once"),
            row("= late", ledger.late, "after the closing marker of its stream"),
            row("= lost", ledger.lost, "see by which cause"),
        ]),
        false => {
            rows.push(row("lost, at least", ledger.lost, "the target tells nothing of what it got"))
        }
    }
    if ledger.surplus > 0 {
        let why = "received beyond what was sent: the books are not whole";
        rows.push(row("surplus", ledger.surplus, why).marked(true));
    }
    let columns = [Column::Text("what"), Column::Number("datagrams"), Column::Long("why")];
    table("From the schedule to the reader", &columns, rows)
}

fn causes(ledger: &DatagramsResult) -> Markup {
    let told = |cause: Cause, count: u64| count > 0 || cause == Cause::Unexplained;
    let rows = ledger.causes.iter().filter(|one| told(one.cause, one.count)).map(|one| {
        let (side, all) = match one.side {
            Side::Sender => ("sender", ledger.wanted),
            Side::Path => ("path", ledger.expected),
            Side::Receiver => ("receiver", ledger.expected),
            Side::Unexplained => ("nobody knows", ledger.expected),
        };
        let row = Row::new([
            text(one.cause.name()),
            text(side),
            text(thousands(one.count)),
            text(percent(ratio(one.count, all))),
            text(&one.evidence),
        ]);
        row.marked(one.cause == Cause::Unexplained && one.count > 0)
    });
    let columns = [
        Column::Text("cause"),
        Column::Text("where"),
        Column::Number("datagrams"),
        Column::Number("share"),
        Column::Long("who counted"),
    ];
    table("Losses by cause", &columns, rows.collect())
}

/// What does not belong to the sums, where there was any.
fn beside(ledger: &DatagramsResult) -> Markup {
    let seen = [
        ("duplicates", ledger.duplicates),
        ("reordered", ledger.reordered),
        ("corrupt", ledger.corrupt),
        ("foreign", ledger.foreign),
        ("outside: too old to know whether they had come", ledger.outside),
    ];
    let rows = seen.into_iter().filter(|(_, count)| *count > 0);
    let rows = rows.map(|(name, count)| Row::new([text(name), text(thousands(count))]));
    table("Besides", &[Column::Text("what"), Column::Number("datagrams")], rows.collect())
}

fn receivers(ledger: &DatagramsResult) -> Markup {
    let rows = ledger.receivers.iter().enumerate().take(64).map(|(index, one)| {
        let bytes = |bytes: Option<u64>| text(bytes.map_or("-".to_owned(), thousands));
        let row = Row::new([
            text(index),
            one.rcvbuf_asked
                .map_or_else(|| text("kernel's default"), |asked| text(thousands(asked))),
            bytes(one.rcvbuf_effective),
            text(thousands(one.queue_peak)),
            bytes(one.drops),
            text(if one.is_clamped() { "clamped" } else { "" }),
        ]);
        row.marked(one.is_clamped())
    });
    let columns = [
        Column::Text("receiver"),
        Column::Number("SO_RCVBUF asked"),
        Column::Number("limit"),
        Column::Number("fullest seen"),
        Column::Number("dropped"),
        Column::Text(""),
    ];
    table("Receive buffers, in bytes as the kernel charges them", &columns, rows.collect())
}

fn charges(ledger: &DatagramsResult) -> Markup {
    let rows = ledger.charges.iter().map(|charge| {
        Row::new([
            text(thousands(charge.size)),
            text(thousands(charge.charged)),
            text(charge.fit.map_or("-".to_owned(), thousands)),
        ])
    });
    let columns = [
        Column::Number("bytes of payload"),
        Column::Number("bytes charged"),
        Column::Number("fit in a buffer"),
    ];
    table("What a datagram costs of a buffer", &columns, rows.collect())
}

fn impairments(ledger: &DatagramsResult) -> Markup {
    let rows = ledger.impairments.iter().map(|done| {
        Row::new([
            text(&done.what),
            text(thousands(done.dropped)),
            text(done.seen.map_or("-".to_owned(), thousands)),
        ])
    });
    let columns =
        [Column::Text("impairment"), Column::Number("packets dropped"), Column::Number("of")];
    table("What the lab did on the way", &columns, rows.collect())
}

fn restarts(ledger: &DatagramsResult) -> Vec<(&'static str, Markup)> {
    let told = ledger.restarts.iter().map(|restart| {
        let bound = restart.bound_s.map_or("not bound again before the end".to_owned(), |bound| {
            format!("bound again at {bound:.3} s")
        });
        let discarded = thousands(restart.discarded);
        let closed = restart.closed_s;
        ("Restart", text(format!("closed at {closed:.3} s, {bound}; {discarded} discarded")))
    });
    told.collect()
}
