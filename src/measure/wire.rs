//! What was seen on the wire of a lab whose link was captured.

use serde::{Deserialize, Serialize};

use super::result::{Ledger, LoadResult};
use super::{Outcome, Summary};

/// A capture, counted.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct WireResult {
    /// The capture's file in the run's folder.
    pub file: String,
    /// Packets in it.
    pub packets: u64,
    /// Packets that the kernel dropped before they could be read.
    pub missed: u64,
    /// Packets that are not in the file, because it had reached its bound; all counts include
    /// them.
    pub beyond: u64,
    /// First SYNs.
    pub syn: u64,
    /// SYNs sent again.
    pub syn_again: u64,
    /// First SYN+ACKs.
    pub syn_ack: u64,
    /// SYN+ACKs sent again.
    pub syn_ack_again: u64,
    /// RSTs, of either side.
    pub rst: u64,
    /// Handshakes of SYN, SYN+ACK and ACK.
    pub handshakes: u64,
    /// Time from the SYN that was answered to its first SYN+ACK, in nanoseconds, also of those that
    /// were sent again; `None` without any.
    pub handshake_time: Option<Summary>,
    /// Connections drawn packet by packet: a typical one, the slowest, and one that was never
    /// answered; those that there were.
    pub ladders: Vec<Ladder>,
    /// What must be known to read the counts, such as where they differ from the clients' own; one
    /// sentence each.
    #[serde(default)]
    pub notices: Vec<String>,
}

impl WireResult {
    /// Packets that were seen, in the file or not.
    pub fn seen(&self) -> u64 {
        self.packets + self.beyond
    }

    /// Holds the counts against those of the clients; what differs is noted.
    pub fn compare(&mut self, loads: &[LoadResult], ledger: &Ledger) {
        let outcomes = || loads.iter().flat_map(|load| &load.outcomes);
        let of = |classes: &[Outcome]| -> u64 {
            outcomes().filter(|(class, _)| classes.contains(class)).map(|(_, count)| count).sum()
        };
        let sent = of(&SENT);
        if self.syn < sent || self.syn > sent + of(&PERHAPS_SENT) {
            self.notices.push(format!(
                "{} first SYNs are on the wire, and {sent} attempts of the clients sent one",
                self.syn
            ));
        }
        let again: u64 = loads.iter().map(|load| load.syn_retransmits).sum();
        // Nobody tells the clients of half-open handshakes how often their SYNs were sent.
        if self.syn_again != again && of(&[Outcome::HalfOpen]) == 0 {
            self.notices.push(format!(
                "{} SYNs were sent again on the wire, and the clients know of {again}",
                self.syn_again
            ));
        }
        let established = ledger.established;
        if self.handshakes != established {
            self.notices.push(format!(
                "{} handshakes were completed on the wire, and {established} connections were \
                 established at the clients",
                self.handshakes
            ));
        }
    }
}

/// What became of attempts that certainly sent a SYN.
const SENT: [Outcome; 7] = [
    Outcome::Ok,
    Outcome::OkRetried,
    Outcome::Refused,
    Outcome::Reset,
    Outcome::Timeout,
    Outcome::HalfOpen,
    Outcome::Cut,
];
/// What became of attempts that may have failed before.
const PERHAPS_SENT: [Outcome; 2] = [Outcome::Unreachable, Outcome::Other];

/// One connection, packet by packet.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Ladder {
    /// Which one, such as `slowest of 4,800 handshakes`.
    pub title: String,
    /// The client's address.
    pub client: String,
    /// The target's address.
    pub target: String,
    /// The packets, in order.
    pub steps: Vec<Step>,
    /// Packets that were left out between or after those, so that the ladder stays readable: once
    /// it is long, only SYN, FIN and RST are still drawn.
    pub left_out: u64,
}

/// One packet.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Step {
    /// Seconds since the connection's first packet.
    pub at_s: f64,
    /// Whether the client sent it.
    pub from_client: bool,
    /// Its flags, such as `SYN+ACK`.
    pub flags: String,
    /// Sequence number as it was sent.
    pub seq: u32,
    /// Acknowledgement number; `None` without the flag ACK.
    pub ack: Option<u32>,
    /// Bytes of payload.
    pub bytes: u32,
    /// Whether the same was sent before.
    pub again: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn compared(change: impl Fn(&mut WireResult, &mut LoadResult)) -> Vec<String> {
        let cell = &sample::backlog().cells[0];
        let mut load = cell.loads[0].clone();
        load.outcomes =
            [(Outcome::Ok, 90), (Outcome::Timeout, 5), (Outcome::NoPort, 3), (Outcome::Other, 2)]
                .into();
        load.syn_retransmits = 7;
        let ledger = Ledger { established: 90, ..Ledger::default() };
        let mut wire =
            WireResult { syn: 95, syn_again: 7, handshakes: 90, ..WireResult::default() };
        change(&mut wire, &mut load);
        wire.compare(&[load], &ledger);
        wire.notices
    }

    #[test]
    fn what_differs_from_the_clients_counts_is_noted() {
        assert_eq!(compared(|_, _| {}), [""; 0]);
        assert_eq!(compared(|wire, _| wire.syn = 97), [""; 0], "both others may have sent one");
        for (syn, told) in [(94, "94 first SYNs"), (98, "98 first SYNs")] {
            let notices = compared(|wire, _| wire.syn = syn);
            assert!(notices.len() == 1 && notices[0].starts_with(told), "{notices:?}");
        }
        let notices = compared(|wire, _| wire.syn_again = 8);
        assert!(notices[0].contains("the clients know of 7"), "{notices:?}");
        let notices = compared(|wire, _| wire.handshakes = 89);
        assert!(notices[0].contains("90 connections were established"), "{notices:?}");
    }

    #[test]
    fn half_open_clients_do_not_know_what_was_sent_again() {
        let notices = compared(|wire, load| {
            load.outcomes.insert(Outcome::HalfOpen, 4);
            (wire.syn, wire.syn_again) = (99, 20);
        });
        assert_eq!(notices, [""; 0]);
    }
}
