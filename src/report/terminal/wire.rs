//! What was seen on the lab's link.

use super::cell::{counts, say};
use super::{Sheet, Tone};
use crate::measure::result::{CellResult, WireResult};
use crate::measure::{Metric, decode, empty, percentile};
use crate::report::text::thousands;
use crate::units::human_nanos;

/// The same wait, as three look at it: the link, the kernel, the program.
const TIMES: [Metric; 3] = [Metric::WireRtt, Metric::KernelRtt, Metric::ConnectService];

/// Writes the counts, and the times of the handshake side by side.
pub fn lines(sheet: &mut Sheet, cell: &CellResult, wire: &WireResult) {
    let mut text = format!("{} packets in {}", thousands(wire.packets), wire.file);
    if cell.datagrams.is_none() {
        let classes = [
            ("SYN", wire.syn),
            ("SYN again", wire.syn_again),
            ("SYN+ACK", wire.syn_ack),
            ("SYN+ACK again", wire.syn_ack_again),
            ("RST", wire.rst),
            ("handshakes", wire.handshakes),
        ];
        text.push_str(&format!(": {}", counts(classes.into_iter())));
    }
    say(sheet, Tone::Plain, "wire", &text);
    let times: Vec<_> = TIMES.into_iter().filter_map(|metric| time(cell, metric)).collect();
    if times.len() > 1 && wire.handshake_time.is_some() {
        say(sheet, Tone::Plain, "", &format!("p50 and p99 of {}", times.join(", ")));
    }
    for notice in &wire.notices {
        say(sheet, Tone::Doubtful, "notice", notice);
    }
}

/// Median and 99th percentile of a metric, over all loads.
fn time(cell: &CellResult, metric: Metric) -> Option<String> {
    let mut all = empty();
    for one in cell.metrics.iter().filter(|one| one.metric == metric) {
        all.add(decode(&one.histogram)?).ok()?;
    }
    let at = |p| human_nanos(percentile(&all, p));
    (!all.is_empty()).then(|| format!("{metric} {} {}", at(50.0), at(99.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Summary;
    use crate::report::sample;
    use crate::report::terminal::summary;

    #[test]
    fn counts_and_times_stand_side_by_side() {
        let mut result = sample::backlog();
        result.cells.truncate(1);
        let cell = &mut result.cells[0];
        let mut metric = cell.metrics[0].clone();
        (metric.metric, metric.load) = (Metric::WireRtt, "wire".to_owned());
        cell.metrics.push(metric);
        cell.wire = Some(WireResult {
            file: "capture.pcapng".to_owned(),
            packets: 12_345,
            syn: 1_000,
            syn_again: 7,
            handshake_time: Some(Summary::default()),
            notices: vec!["odd".to_owned()],
            ..WireResult::default()
        });
        let flat = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let text = flat(summary(&result, 80, false));
        for part in [
            "wire 12,345 packets in capture.pcapng: 1,000 SYN, 7 SYN again ",
            "p50 and p99 of wire_rtt ",
            ", connect_service ",
            "notice odd",
        ] {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
        result.cells[0].wire = None;
        assert!(!flat(summary(&result, 80, false)).contains("wire 12"));
    }
}
