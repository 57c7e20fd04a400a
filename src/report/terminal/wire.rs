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
