//! What is due for one stream goes in one call, each datagram with the instant right before it.

use std::io;

use super::lane::{BURST, Lane};
use super::worker::Worker;
use crate::measure::datagram::{Header, Kind, LENGTH};
use crate::measure::{Outcome, record, record_many};
use crate::sys::clock;
use crate::sys::errno;

/// A client of a closed loop whose datagram the kernel did not take waits so long, in nanoseconds:
/// there may be room then.
const BACK_OFF: u64 = 1_000_000;
/// How often one datagram is tried again because ICMP told of earlier ones.
const TRIES: u32 = 64;

/// A datagram that is about to be sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Draft {
    /// When the schedule wanted it, in nanoseconds since the cell's start.
    intended: u64,
    /// When it is handed to the kernel, on the same line.
    sent: u64,
    size: u16,
}

/// What to do after a call that failed.
enum Next {
    /// The error was of an earlier datagram, or its cause is gone.
    Again,
    /// The datagram was not taken.
    Fail(Outcome, i32),
}

impl Worker {
    /// Sends what is due, the most overdue load first.
    pub(super) fn send_due(&mut self) {
        let mut left = BURST;
        while left > 0 {
            // Every call ends with a reading of the clock: no need to ask again.
            let now = self.looked;
            let next = |(index, lane): (usize, &Lane)| Some((lane.pacing.next(now)?, index));
            let due = self.lanes.iter().enumerate().filter_map(next).min();
            let Some((_, index)) = due.filter(|(intended, _)| *intended <= now) else { break };
            let Some((stream, count)) = self.gather(index, now) else { break };
            self.send(index, stream, count);
            left = left.saturating_sub(count);
        }
    }

    /// Drafts of what is due for one stream: its index, and how many.
    fn gather(&mut self, index: usize, now: u64) -> Option<(usize, usize)> {
        let lane = &mut self.lanes[index];
        let (first, stream) = lane.take(now)?;
        let size = lane.sizes.of(first.number);
        self.drafts[0] = Draft { intended: first.offset, sent: 0, size };
        let most = lane.streams[stream].batch;
        // A bulk is cut into equal parts.
        let equal = lane.bulk.then_some(size);
        let mut count = 1;
        while count < most {
            let Some(arrival) = lane.take_along(stream, equal, now) else { break };
            let size = equal.unwrap_or_else(|| lane.sizes.of(arrival.number));
            self.drafts[count] = Draft { intended: arrival.offset, sent: 0, size };
            count += 1;
        }
        Some((stream, count))
    }

    /// Sends the drafts, in as many calls as it takes. Each is sent, or fails by itself.
    fn send(&mut self, index: usize, stream: usize, count: usize) {
        let mut from = 0;
        let (mut tries, mut failed) = (0, false);
        while from < count {
            self.write(index, stream, from, count);
            let done = self.call(index, stream, from, count);
            let end = self.now();
            match done {
                Ok(taken) => {
                    self.book(index, stream, from, from + taken, end);
                    from += taken;
                    if from < count {
                        tries += 1;
                        // The kernel stops at an error and does not say which.
                        let explained = self.hear(index, stream, None) > 0;
                        self.lanes[index].tallies.retried += u64::from(!explained);
                    }
                }
                Err(error) => {
                    tries += 1;
                    let Next::Fail(outcome, errno) = self.judge(index, stream, &error, tries)
                    else {
                        continue;
                    };
                    failed = true;
                    let lost = if self.lanes[index].bulk { count - from } else { 1 };
                    self.fail(index, from, from + lost, (outcome, errno));
                    if self.lanes[index].echo {
                        self.lanes[index].ended(stream, end, BACK_OFF);
                    }
                    from += lost;
                }
            }
        }
        let lane = &mut self.lanes[index];
        if !lane.echo {
            lane.ended(stream, self.looked, if failed { BACK_OFF } else { 0 });
        }
        // What a socket refuses is offered in smaller portions.
        let batch = &mut lane.streams[stream].batch;
        *batch = if tries > 0 { 1 } else { (*batch * 2).min(lane.most) };
    }

    /// Writes headers, each with its place in the stream and the present instant.
    fn write(&mut self, index: usize, stream: usize, from: usize, count: usize) {
        let lane = &self.lanes[index];
        let stream = &lane.streams[stream];
        let to_header = self.epoch.wrapping_add(self.shift);
        let mut now = clock::monotonic();
        for (nth, draft) in self.drafts[from..count].iter_mut().enumerate() {
            if nth > 0 && !lane.bulk {
                now = clock::monotonic();
            }
            draft.sent = now.saturating_sub(self.epoch);
            let header = Header {
                kind: Kind::Data,
                run: self.run,
                stream: stream.number,
                sequence: stream.next + nth as u64,
                intended: draft.intended.wrapping_add(to_header),
                sent: now.wrapping_add(self.shift),
            };
            header.write(self.outbox.datagram(from + nth, usize::from(draft.size)));
        }
    }

    /// How many datagrams the kernel took.
    fn call(
        &mut self,
        index: usize,
        stream: usize,
        from: usize,
        count: usize,
    ) -> io::Result<usize> {
        let lane = &self.lanes[index];
        let client = &lane.streams[stream].client;
        match lane.bulk {
            false => self.outbox.send(client, from..count),
            true => {
                let segment = self.drafts[from].size;
                self.outbox.send_bulk(client, from..count, segment).map(|()| count - from)
            }
        }
    }

    /// Enters datagrams that the kernel took.
    fn book(&mut self, index: usize, stream: usize, from: usize, to: usize, end: u64) {
        let lane = &mut self.lanes[index];
        let drafts = &self.drafts[from..to];
        let tallies = &mut *lane.tallies;
        tallies.calls += 1;
        tallies.sent += drafts.len() as u64;
        for draft in drafts {
            tallies.bytes += u64::from(draft.size);
            record(&mut tallies.lag, draft.sent.saturating_sub(draft.intended));
        }
        if lane.bulk {
            lane.streams[stream].push_bulk(drafts.len() as u64);
            let error = end.saturating_sub(drafts[0].sent);
            record_many(&mut tallies.observer_error, error, drafts.len() as u64);
        } else {
            for draft in drafts {
                record(&mut tallies.observer_error, end.saturating_sub(draft.sent));
            }
        }
        lane.streams[stream].next += drafts.len() as u64;
        if lane.echo {
            for draft in drafts {
                lane.wait(stream, draft.sent.saturating_add(lane.timeout));
            }
        } else {
            tallies.outcomes.add(Outcome::Ok, drafts.len() as i64);
        }
    }

    /// Enters attempts that the kernel did not take.
    fn fail(&mut self, index: usize, from: usize, to: usize, (outcome, errno): (Outcome, i32)) {
        let tallies = &mut *self.lanes[index].tallies;
        for draft in &self.drafts[from..to] {
            record(&mut tallies.lag, draft.sent.saturating_sub(draft.intended));
        }
        tallies.fail(outcome, errno, (to - from) as u64);
    }

    /// Whose error it is that a call returned.
    fn judge(&mut self, index: usize, stream: usize, error: &io::Error, tries: u32) -> Next {
        let errno = errno::number(error);
        let client = &self.lanes[index].streams[stream].client;
        if client.is_unix() {
            let deserted = matches!(errno, libc::ECONNREFUSED | libc::ENOTCONN);
            return match deserted && tries == 1 && client.reconnect().is_ok() {
                true => Next::Again,
                // Without a peer, because it refused before.
                false if deserted => Next::Fail(Outcome::Refused, libc::ECONNREFUSED),
                false => Next::Fail(errno::outcome(errno), errno),
            };
        }
        let heard = self.hear(index, stream, Some(errno)) > 0;
        // ECONNREFUSED is never UDP's own word on the datagram at hand.
        match (heard || errno == libc::ECONNREFUSED) && tries < TRIES {
            true => Next::Again,
            false => Next::Fail(errno::outcome(errno), errno),
        }
    }

    /// Sends the closing marker of each stream once. One that the kernel does not take is lost; there
    /// are others.
    pub(super) fn send_closing_markers(&mut self) {
        for lane in &mut self.lanes {
            for stream in &mut lane.streams {
                let sent = clock::monotonic().wrapping_add(self.shift);
                let (run, number) = (self.run, stream.number);
                let header = Header {
                    kind: Kind::Closing,
                    run,
                    stream: number,
                    sequence: stream.next,
                    intended: stream.next,
                    sent,
                };
                header.write(self.outbox.datagram(0, LENGTH));
                // An error of an earlier datagram, or a peer that went and came back.
                let first = self.outbox.send(&stream.client, 0..1);
                if first.is_err() && (!stream.client.is_unix() || stream.client.reconnect().is_ok())
                {
                    let _ = self.outbox.send(&stream.client, 0..1);
                }
            }
        }
    }
}
