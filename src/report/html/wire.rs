//! What was seen on the wire: counts, and two connections packet by packet.

use maud::{Markup, html};

use super::figures::figure;
use super::parts::{Column, Row, folded, heading, latency, table, text};
use crate::measure::Metric;
use crate::measure::result::{CellResult, Ladder, WireResult};
use crate::report::picture::{self, seconds};
use crate::report::text::thousands;
use crate::units::human_nanos;

/// The capture of a cell.
pub fn section(cell: &CellResult, index: usize, level: u8) -> Markup {
    let Some(wire) = &cell.wire else { return html! {} };
    html! {
        (heading(level, "On the wire"))
        p {
            (wire.file) " holds " (thousands(wire.packets))
            " packets; Wireshark opens it."
            @if wire.beyond > 0 {
                " " (thousands(wire.beyond)) " more came when it was full; they are counted here."
            }
            @if wire.missed > 0 {
                " " span.doubt { (thousands(wire.missed)) " packets were missed." }
            }
        }
        @for notice in &wire.notices { p { (notice) } }
        (counts(wire))
        (times(cell, wire))
        @for (number, ladder) in wire.ladders.iter().enumerate() {
            (drawn(ladder, &format!("ladder{index}-{number}")))
        }
    }
}

fn counts(wire: &WireResult) -> Markup {
    let kinds = [
        ("SYN, first", wire.syn),
        ("SYN, sent again", wire.syn_again),
        ("SYN+ACK, first", wire.syn_ack),
        ("SYN+ACK, sent again", wire.syn_ack_again),
        ("RST", wire.rst),
        ("handshakes to their end", wire.handshakes),
    ];
    let rows = kinds.map(|(name, count)| Row::new([text(name), text(thousands(count))])).into();
    table("Packets by kind", &[Column::Text("packet"), Column::Number("count")], rows)
}

/// The handshake on the wire, and as kernel and clients saw it.
fn times(cell: &CellResult, wire: &WireResult) -> Markup {
    let on_wire = wire.handshake_time.iter().map(|summary| ("SYN to SYN+ACK on the wire", summary));
    let seen = [
        ("kernel_rtt: the client's kernel", Metric::KernelRtt),
        ("connect_service: the client", Metric::ConnectService),
    ];
    let seen = seen.iter().flat_map(|(name, metric)| {
        let metrics = cell.metrics.iter().filter(move |m| m.metric == *metric);
        metrics.filter(|m| m.summary.count > 0).map(move |m| (*name, &m.summary))
    });
    let rows = on_wire.chain(seen).map(|(name, s)| {
        let own = |nanos| text(human_nanos(nanos));
        let [p50, p99, max] = match name.starts_with("connect") {
            true => [s.p50, s.p99, s.max].map(|nanos| text(latency(nanos, cell))),
            false => [own(s.p50), own(s.p99), own(s.max)],
        };
        Row::new([text(name), text(thousands(s.count)), p50, p99, max])
    });
    let columns = [
        Column::Text("time of a handshake"),
        Column::Number("count"),
        Column::Number("p50"),
        Column::Number("p99"),
        Column::Number("max"),
    ];
    table("How long handshakes took, by who looked", &columns, rows.collect())
}

fn drawn(ladder: &Ladder, id: &str) -> Markup {
    let (sketch, height) = picture::ladder(ladder);
    let packets = picture::packets(ladder);
    let told: Vec<_> = ladder
        .steps
        .iter()
        .zip(&packets)
        .map(|(step, words)| {
            let who = if step.from_client { "client" } else { "target" };
            format!("{} {who}: {words}", seconds(step.at_s))
        })
        .collect();
    let rows = ladder.steps.iter().zip(&packets).map(|(step, words)| {
        let mut row = Row::new([text(seconds(step.at_s)), text(words)]);
        let who = if step.from_client { "client" } else { "target" };
        row = row.with(text(who)).with(text(&step.flags)).with(text(step.seq));
        row.with(text(step.ack.map_or(String::new(), |ack| ack.to_string())))
    });
    let columns = [
        Column::Text("time"),
        Column::Text("packet"),
        Column::Text("from"),
        Column::Text("flags"),
        Column::Number("seq"),
        Column::Number("ack"),
    ];
    html! {
        (figure(&sketch, height, id, &told.join("; ")))
        (folded("These packets as a table", table(&ladder.title, &columns, rows.collect())))
    }
}
