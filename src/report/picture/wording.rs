//! What the pictures of delay speak of: connections, datagrams or their replies.

use crate::measure::Metric;
use crate::measure::result::CellResult;

/// The words of one metric.
#[derive(Debug)]
pub struct Wording {
    /// What took so long, as a title.
    pub title: &'static str,
    /// The quantity.
    pub delay: &'static str,
    /// What it was measured of.
    pub of: &'static str,
    /// What one of the things counted is called, in the plural.
    pub things: &'static str,
    /// How a heatmap is to be read.
    pub hint: &'static str,
    /// Why a plot is empty.
    pub none: &'static str,
    /// Why a picture is empty.
    pub nothing: &'static str,
}

const CONNECT: Wording = Wording {
    title: "how long clients waited for a connection",
    delay: "connect latency",
    of: "attempts that were established",
    things: "attempts",
    hint: "; SYN retries form bands",
    none: "no attempt was established",
    nothing: "No attempt was established: there is no connect latency to show.",
};
const OWD: Wording = Wording {
    title: "how long datagrams were under way",
    delay: "one-way delay",
    of: "datagrams that were received",
    things: "datagrams",
    hint: "; a reader that stalls makes slopes",
    none: "nothing was received",
    nothing: "No datagram was received: there is no one-way delay to show.",
};
const RTT: Wording = Wording {
    title: "how long senders waited for a reply",
    delay: "round-trip time",
    of: "datagrams that were replied to",
    things: "datagrams",
    hint: "",
    none: "nothing was replied to",
    nothing: "No datagram was replied to: there is no round-trip time to show.",
};

/// The words for what the first of some cells measured.
pub fn of<'r>(cells: impl IntoIterator<Item = &'r CellResult>) -> &'static Wording {
    match cells.into_iter().next().map(CellResult::main_metric) {
        Some(Metric::Owd) => &OWD,
        Some(Metric::Rtt) => &RTT,
        _ => &CONNECT,
    }
}
