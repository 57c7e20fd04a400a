//! Every metric of a cell, with its exact values.

use maud::{Markup, html};

use super::parts::{Column, Row, heading, latency, table, text};
use crate::measure::result::{CellResult, MetricResult};
use crate::measure::{Metric, Unit};
use crate::report::text::thousands;
use crate::units::human_nanos;

/// The table, with what each metric is.
pub fn section(cell: &CellResult, level: u8) -> Markup {
    let columns = [
        Column::Text("metric"),
        Column::Text("load"),
        Column::Number("count"),
        Column::Number("min"),
        Column::Number("mean"),
        Column::Number("p50"),
        Column::Number("p90"),
        Column::Number("p99"),
        Column::Number("p99.9"),
        Column::Number("p99.99"),
        Column::Number("max"),
        Column::Long("from where to where"),
    ];
    let measured = cell.metrics.iter().filter(|metric| metric.summary.count > 0);
    let rows: Vec<_> = measured.map(|metric| row(cell, metric)).collect();
    html! {
        (heading(level, "Exact values"))
        @if rows.is_empty() { p.doubt { "Nothing was measured." } }
        (table("Each metric; < marks what this run did not resolve", &columns, rows))
    }
}

fn row(cell: &CellResult, measured: &MetricResult) -> Row {
    // What the tool measures of itself is what the resolution is made of.
    let own = matches!(
        measured.metric,
        Metric::Lag | Metric::KernelRtt | Metric::ObserverError | Metric::Service
    );
    let value = |value: u64| match measured.metric.unit() {
        Unit::Datagrams => text(thousands(value)),
        Unit::Nanoseconds if own => text(human_nanos(value)),
        Unit::Nanoseconds => text(latency(value, cell)),
    };
    let s = &measured.summary;
    let mean = if s.mean.is_finite() { s.mean.max(0.0) as u64 } else { 0 };
    let clocks = if measured.two_clocks { "; compares the clocks of two hosts" } else { "" };
    Row::new([
        text(measured.metric),
        text(&measured.load),
        text(thousands(s.count)),
        value(s.min),
        value(mean),
        value(s.p50),
        value(s.p90),
        value(s.p99),
        value(s.p999),
        value(s.p9999),
        value(s.max),
        text(format!("{}{clocks}", meaning(measured.metric))),
    ])
}

/// From where to where a metric counts.
fn meaning(metric: Metric) -> &'static str {
    match metric {
        Metric::Connect => "intended to established",
        Metric::ConnectService => "issued to established",
        Metric::KernelRtt => "SYN to SYN+ACK, by the client's kernel",
        Metric::WireRtt => "SYN to SYN+ACK on the lab's link",
        Metric::Lag => "intended to issued: the tool's own lateness",
        Metric::ObserverError => "connect_service less kernel_rtt: what observing adds",
        Metric::QueueWait => "established at the client to accepted by the target",
        Metric::Service => "accepted to reply sent",
        Metric::Request => "intended to the whole reply",
        Metric::RequestService => "issued to the whole reply",
        Metric::Close => "FIN sent to the peer's FIN, by the side that closed first",
        Metric::Owd => "intended to received",
        Metric::OwdService => "sent to received",
        Metric::Ipdv => "difference of owd between neighbours",
        Metric::IpdvService => "difference of owd_service between neighbours",
        Metric::Jitter => "interarrival jitter of owd (RFC 3550), interval by interval",
        Metric::JitterService => "the same, from owd_service",
        Metric::Rtt => "intended to its echo",
        Metric::RttService => "sent to its echo",
        Metric::LossBurst => "datagrams lost one after the other",
        Metric::LossGap => "datagrams received between two such bursts",
        Metric::ReorderExtent => "reordering extent (RFC 4737)",
    }
}
