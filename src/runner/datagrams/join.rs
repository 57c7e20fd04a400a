//! What was sent and what came, stream by stream.

use std::collections::BTreeMap;

use super::assemble::Parts;
use crate::measure::result::{DatagramsResult, StreamResult};

/// Both ends' books, joined.
#[derive(Debug, Default)]
pub struct Joined {
    /// Each stream at each receiver.
    pub streams: Vec<StreamResult>,
    /// What came, each counted once.
    pub received: u64,
    /// What came after its closing marker.
    pub late: u64,
    /// What came of a stream beyond what was sent of it.
    pub surplus: u64,
    /// What came of streams that nobody sent.
    pub foreign: u64,
}

/// Joins what the senders and the target say of the streams; each goes to `copies` receivers, or to
/// one of several in turn.
pub fn join(parts: &Parts, at_target: &[StreamResult], copies: u16) -> Joined {
    let sent = parts.reports.iter().flat_map(|report| &report.streams);
    let to = |stream: u32| match copies {
        1 => {
            let receiver = stream as usize % parts.addresses.len().max(1);
            receiver as u16..receiver as u16 + 1
        }
        copies => 0..copies,
    };
    let sent = sent.flat_map(|one| {
        to(one.stream).map(|receiver| StreamResult {
            load: one.load,
            stream: one.stream,
            receiver,
            sent: one.sent,
            ..StreamResult::default()
        })
    });
    join_streams(sent, at_target)
}

fn join_streams(sent: impl Iterator<Item = StreamResult>, came: &[StreamResult]) -> Joined {
    let mut came: BTreeMap<(u16, u32), &StreamResult> =
        came.iter().map(|stream| ((stream.receiver, stream.stream), stream)).collect();
    let mut joined = Joined::default();
    for stream in sent {
        let at_target = came.remove(&(stream.receiver, stream.stream)).copied();
        let seen = at_target.unwrap_or_default();
        let arrived = seen.received.saturating_add(seen.late);
        joined.received = joined.received.saturating_add(seen.received);
        joined.late = joined.late.saturating_add(seen.late);
        joined.surplus = joined.surplus.saturating_add(arrived.saturating_sub(stream.sent));
        joined.streams.push(StreamResult {
            load: stream.load,
            stream: stream.stream,
            receiver: stream.receiver,
            sent: stream.sent,
            lost: stream.sent.saturating_sub(arrived),
            ..seen
        });
    }
    joined.streams.sort_by_key(|stream| (stream.stream, stream.receiver));
    joined.streams.truncate(DatagramsResult::MOST_STREAMS);
    let unknown = came.values().map(|stream| stream.received.saturating_add(stream.late));
    joined.foreign = unknown.fold(0, u64::saturating_add);
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(stream: u32, receiver: u16, sent: u64, received: u64) -> StreamResult {
        StreamResult { stream, receiver, sent, received, ..StreamResult::default() }
    }

    #[test]
    fn each_stream_loses_what_did_not_come_of_it() {
        let sent = [stream(1, 0, 10, 0), stream(0, 0, 10, 0), stream(2, 1, 5, 0)];
        // The second says that more came than was sent; the fourth is nobody's.
        let came = [stream(0, 0, 9, 7), stream(1, 0, 0, 12), stream(9, 1, 0, 3)];
        let joined = join_streams(sent.into_iter(), &came);
        let lost: Vec<_> =
            joined.streams.iter().map(|one| (one.stream, one.sent, one.lost)).collect();
        assert_eq!(lost, [(0, 10, 3), (1, 10, 0), (2, 5, 5)]);
        assert_eq!((joined.received, joined.surplus, joined.foreign), (19, 2, 3));
    }
}
