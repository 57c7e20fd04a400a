//! Packets of a lab's link, counted: handshakes, what was sent again, resets. Pure.
//!
//! A connection is a pair of addresses and ports with one initial sequence number: a SYN with another
//! number opens another connection over the same ports, and one with the same was sent again.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;

pub use self::connection::Answer;
use self::connection::{Connection, Seen};
use self::ladders::Ladders;
use self::segment::{ACK, RST, SYN, Segment, segment};
use crate::measure::result::WireResult;

mod connection;
mod ladders;
mod segment;
#[cfg(test)]
mod tests;

/// Connections that are followed at a time; some 100 MB in the worst case.
const MOST: usize = 1 << 18;
/// Connections that have ended and are kept for stragglers.
const ENDED: usize = 1 << 13;

/// Ports and addresses of a connection: the client's, the target's.
type Ends = (SocketAddr, SocketAddr);

/// What has been seen so far.
#[derive(Debug)]
pub struct Wire {
    counts: WireResult,
    most: usize,
    open: HashMap<Ends, Connection>,
    /// Those that have ended, oldest first, with their initial sequence number.
    ended: VecDeque<(Ends, u32)>,
    ladders: Ladders,
    unfollowed: u64,
}

impl Default for Wire {
    fn default() -> Self {
        Self::with_room(MOST)
    }
}

impl Wire {
    /// Follows so many connections at a time.
    fn with_room(most: usize) -> Self {
        Self {
            counts: WireResult::default(),
            most,
            open: HashMap::new(),
            ended: VecDeque::new(),
            ladders: Ladders::default(),
            unfollowed: 0,
        }
    }

    /// Enters a packet of `length` bytes that passed at `at`, in nanoseconds since 1970; `frame` is
    /// its beginning, with the link's header. What it answers, where it is a first SYN+ACK.
    pub fn enter(&mut self, at: u64, length: u32, frame: &[u8]) -> Option<Answer> {
        let segment = segment(frame, length)?;
        self.counts.rst += u64::from(segment.has(RST));
        let ends = if segment.flags & (SYN | ACK) == SYN || self.knows(&segment) {
            (segment.from, segment.to)
        } else {
            (segment.to, segment.from)
        };
        let opens = segment.flags & (SYN | ACK | RST) == SYN;
        let seen = match self.open.get_mut(&ends) {
            Some(known) if !opens || known.isn() == segment.seq => {
                let had_ended = known.has_ended();
                let seen = known.enter(at, &segment);
                if known.has_ended() && !had_ended {
                    self.ended.push_back((ends, known.isn()));
                }
                seen
            }
            _ if opens => return self.open(ends, at, &segment),
            _ => Seen::Other,
        };
        self.count(seen)
    }

    fn knows(&self, segment: &Segment) -> bool {
        self.open.contains_key(&(segment.from, segment.to))
    }

    fn count(&mut self, seen: Seen) -> Option<Answer> {
        let counts = &mut self.counts;
        match seen {
            Seen::SynAgain => counts.syn_again += 1,
            Seen::SynAck(_) => counts.syn_ack += 1,
            Seen::SynAckAgain => counts.syn_ack_again += 1,
            Seen::Handshake => counts.handshakes += 1,
            Seen::Other => {}
        }
        if let Seen::SynAck(answer) = seen { Some(answer) } else { None }
    }

    fn open(&mut self, ends: Ends, at: u64, syn: &Segment) -> Option<Answer> {
        self.counts.syn += 1;
        if let Some(before) = self.open.remove(&ends) {
            self.ladders.offer(before);
        }
        while self.ended.len() > ENDED || self.open.len() >= self.most {
            let Some((ends, isn)) = self.ended.pop_front() else {
                self.unfollowed += 1;
                return None;
            };
            // Its ports may belong to another connection by now.
            if self.open.get(&ends).is_some_and(|known| known.isn() == isn)
                && let Some(ended) = self.open.remove(&ends)
            {
                self.ladders.offer(ended);
            }
        }
        self.open.insert(ends, Connection::new(at, syn));
        None
    }

    /// Counts and ladders; those of its fields that only a file or a socket knows are left empty.
    pub fn finish(mut self) -> WireResult {
        // In the order of their ports, so that the same packets give the same ladders.
        let mut open: Vec<_> = self.open.into_iter().collect();
        open.sort_unstable_by_key(|(ends, _)| *ends);
        open.into_iter().for_each(|(_, connection)| self.ladders.offer(connection));
        self.counts.ladders = self.ladders.draw();
        if self.unfollowed > 0 {
            self.counts.notices.push(format!(
                "{} connections were opened while {} others were followed: only their first SYNs \
                 and their RSTs are counted, and SYNs sent again are counted as first ones",
                self.unfollowed, self.most
            ));
        }
        self.counts
    }
}
