//! What comes back: replies, and datagrams that ICMP returns.

use super::stream::Reply;
use super::wait::Woken;
use super::worker::Worker;
use crate::measure::datagram::{Content, Header, Kind, LENGTH};
use crate::measure::{Outcome, record};
use crate::sys::datagram::complaints::{self, Origin};
use crate::sys::errno;

/// Datagrams that are read from one socket before others have their turn.
const TURN: usize = 64;
/// Errors that are read at once; a queue holds fewer.
const MOST_ERRORS: usize = 4096;

impl Worker {
    /// Looks after the streams to whom something happened.
    pub(super) fn look_after_woken(&mut self) {
        let mut woken = std::mem::take(&mut self.woken);
        for Woken { name, error } in woken.drain(..) {
            let (index, stream) = self.places[name];
            if error {
                self.hear(index, stream, None);
            }
            if !self.receive(index, stream) {
                self.unread.push(name);
            }
        }
        self.woken = woken;
        // Those of whom not all was read have another turn.
        self.woken.extend(self.unread.drain(..).map(|name| Woken { name, error: false }));
    }

    /// Reads what came to a stream; whether that was all.
    fn receive(&mut self, index: usize, stream: usize) -> bool {
        let mut head = [0; LENGTH];
        for _ in 0..TURN {
            match self.lanes[index].streams[stream].client.receive(&mut head) {
                Ok(length) => {
                    let at = self.now();
                    self.book_reply(index, stream, Header::read(&head[..length]), at);
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return true,
                // An error of an earlier datagram stands before what has come.
                Err(_) => {
                    self.hear(index, stream, None);
                }
            }
        }
        false
    }

    fn book_reply(&mut self, index: usize, stream: usize, content: Content, at: u64) {
        let lane = &mut self.lanes[index];
        lane.expire(at);
        let own = &mut lane.streams[stream];
        let ours = match content {
            Content::Ours(header) if header.run == self.run && header.stream == own.number => {
                Some(header)
            }
            _ => None,
        };
        let Some(header) = ours.filter(|_| lane.echo) else {
            lane.tallies.reply_foreign += 1;
            return;
        };
        // Who echoes everything echoes closing markers as well.
        if header.kind == Kind::Closing {
            return;
        }
        match own.awaited.reply(header.sequence) {
            Reply::InTime => {
                let arrived = at.wrapping_add(self.epoch).wrapping_add(self.shift);
                let tallies = &mut *lane.tallies;
                tallies.replies += 1;
                tallies.outcomes.add(Outcome::Ok, 1);
                record(&mut tallies.rtt, arrived.saturating_sub(header.intended));
                record(&mut tallies.rtt_service, arrived.saturating_sub(header.sent));
                lane.ended(stream, at, 0);
            }
            Reply::Late => lane.tallies.reply_late += 1,
            Reply::Again => lane.tallies.reply_duplicates += 1,
            Reply::Foreign => lane.tallies.reply_foreign += 1,
        }
    }

    /// Reads the errors that wait for a stream, and books whose they are: how many there were, of that
    /// number where one is given.
    pub(super) fn hear(&mut self, index: usize, stream: usize, errno: Option<i32>) -> usize {
        let mut heard = 0;
        for _ in 0..MOST_ERRORS {
            // Where errors cannot be read, there is nothing to tell of them.
            let client = &self.lanes[index].streams[stream].client;
            let Ok(Some(complaint)) = complaints::next(client) else { break };
            heard += usize::from(errno.is_none_or(|errno| errno == complaint.errno));
            if complaint.origin == Origin::Icmp {
                self.book_complaint(index, stream, complaint.about, complaint.errno);
            }
        }
        heard
    }

    fn book_complaint(&mut self, index: usize, stream: usize, about: Content, errno: i32) {
        let now = self.looked;
        let lane = &mut self.lanes[index];
        let own = &mut lane.streams[stream];
        let outcome = errno::outcome(errno);
        let sequence = match about {
            Content::Ours(header) if header.run != self.run || header.kind == Kind::Closing => {
                return;
            }
            Content::Ours(header) => Some(header.sequence),
            // ICMP need not bring back more than eight bytes behind the header of IP (RFC 792).
            Content::Corrupt | Content::Foreign => None,
        };
        let Some(sequence) = sequence else {
            lane.tallies.errors.add(errno, 1);
            if !lane.echo {
                lane.tallies.outcomes.add(Outcome::Ok, -1);
                lane.tallies.outcomes.add(outcome, 1);
            }
            // One of unknown number that a reply is due for waits until its time is over.
            return;
        };
        for sequence in own.meant(sequence) {
            let own = &mut lane.streams[stream];
            if lane.echo && own.awaited.settle(sequence) {
                lane.tallies.outcomes.add(outcome, 1);
                lane.tallies.errors.add(errno, 1);
                lane.ended(stream, now, 0);
            } else if !lane.echo && own.refuse(sequence) {
                lane.tallies.outcomes.add(Outcome::Ok, -1);
                lane.tallies.outcomes.add(outcome, 1);
                lane.tallies.errors.add(errno, 1);
            }
        }
    }
}
