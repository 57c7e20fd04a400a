//! A load's part while it runs.

use std::collections::VecDeque;
use std::io;

use super::sizes::SizeOf;
use super::stream::Stream;
use super::{DatagramPart, PartReport, SentStream, Tallies};
use crate::engine::pacing::Pacing;
use crate::load::{Arrival, Schedule, Turns};
use crate::measure::Outcome;
use crate::measure::book::PUNCTUAL;
use crate::scenario::plan::DatagramReply;
use crate::sys::datagram::client::Client;
use crate::sys::datagram::send::{MOST_BYTES, MOST_SEGMENTS};

/// Datagrams in one call of an open loop; more of them would queue behind each other unseen.
pub const BURST: usize = 8;
/// Datagrams in one call of a closed loop.
const MOST: usize = 32;

/// One load's part: its schedule, its streams, and what came of them.
#[derive(Debug)]
pub struct Lane {
    pub load: u16,
    pub pacing: Pacing,
    /// Whether a client of a closed loop sends again as soon as it has sent.
    relentless: bool,
    turns: Turns,
    pub sizes: SizeOf,
    pub timeout: u64,
    pub echo: bool,
    pub bulk: bool,
    /// Datagrams that one call may take.
    pub most: usize,
    pub streams: Vec<Stream>,
    /// Streams of a closed loop that have nothing to wait for, the longest idle first.
    idle: VecDeque<usize>,
    /// Deadlines of replies (nanoseconds since the cell's start) and their streams, in order.
    line: VecDeque<(u64, usize)>,
    /// Attempts up to this instant count as made in time, in nanoseconds since the cell's start.
    punctual_until: u64,
    taken: u64,
    pub tallies: Box<Tallies>,
}

impl Lane {
    pub fn new(part: DatagramPart) -> io::Result<Self> {
        let (index, workers) = (part.index, part.workers.max(1));
        let turns = Turns::of_streams(u64::from(part.all_streams), index, workers);
        let share = (index, workers);
        let pacing = Pacing::in_turns(&part.schedule, part.seed, part.start, share, turns);
        let echo = part.reply == DatagramReply::Echo;
        let think = match &part.schedule {
            Schedule::Open { .. } => None,
            Schedule::Closed { think, .. } => Some(think.nanos()),
        };
        let largest = usize::from(part.sizes.largest()).max(1);
        let most = match (part.bulk, think) {
            (Some(_), _) => MOST_SEGMENTS.min(MOST_BYTES / largest).max(1),
            (None, Some(_)) => MOST,
            (None, None) => BURST,
        };
        let stream = |one: &super::StreamPart| {
            let client = Client::open(one.destination, one.source, part.ports)?;
            Ok(Stream::new(one.number, client, most))
        };
        Ok(Self {
            load: part.load,
            pacing,
            relentless: think == Some(0) && !echo,
            turns,
            timeout: part.timeout,
            echo,
            bulk: part.bulk.is_some(),
            most,
            streams: part.streams.iter().map(stream).collect::<io::Result<_>>()?,
            idle: (0..part.streams.len()).collect(),
            line: VecDeque::with_capacity(if echo { 1024 } else { 0 }),
            punctual_until: part.start + part.schedule.window().nanos() + PUNCTUAL,
            taken: 0,
            tallies: Box::default(),
            sizes: SizeOf::new(part.sizes, part.seed),
        })
    }

    /// The next attempt that is due, and the stream that it goes to.
    pub fn take(&mut self, now: u64) -> Option<(Arrival, usize)> {
        let arrival = self.due(now)?;
        let stream = match self.pacing.is_open() {
            true => self.turns.place(arrival.number),
            // There are as many clients as streams.
            false => self.idle.pop_front().unwrap_or(0),
        };
        Some((arrival, stream))
    }

    /// Another attempt that is due for the same stream, to go with those before it: one of `size`
    /// bytes, if that is given.
    pub fn take_along(&mut self, stream: usize, size: Option<u16>, now: u64) -> Option<Arrival> {
        let fits = |number| size.is_none_or(|size| self.sizes.of(number) == size);
        let number = self.pacing.number().filter(|number| fits(*number))?;
        if self.pacing.is_open() {
            if self.streams.len() > 1 && self.turns.place(number) != stream {
                return None;
            }
        } else if self.relentless {
            // Its client is done with the one before, and this is its next.
            self.pacing.ended(now, 0);
        } else {
            return None;
        }
        self.due(now)
    }

    fn due(&mut self, now: u64) -> Option<Arrival> {
        let arrival = self.pacing.take(now)?;
        self.taken += 1;
        self.tallies.attempts += 1;
        self.tallies.punctual += u64::from(now < self.punctual_until);
        Some(arrival)
    }

    /// A stream has nothing to wait for any more; its client starts again after `least` nanoseconds.
    pub fn ended(&mut self, stream: usize, now: u64, least: u64) {
        if !self.pacing.is_open() {
            self.pacing.ended(now, least);
            self.idle.push_back(stream);
        }
    }

    /// A datagram waits for its reply until `deadline`.
    pub fn wait(&mut self, stream: usize, deadline: u64) {
        self.streams[stream].awaited.push();
        self.line.push_back((deadline, stream));
    }

    /// When the earliest wait ends.
    pub fn deadline(&self) -> Option<u64> {
        self.line.front().map(|(deadline, _)| *deadline)
    }

    /// Ends the waits that have lasted too long.
    pub fn expire(&mut self, now: u64) {
        while let Some((deadline, stream)) = self.line.front().copied() {
            let awaited = &mut self.streams[stream].awaited;
            if deadline > now && !awaited.is_first_settled() {
                return;
            }
            self.line.pop_front();
            if awaited.pop() {
                self.tallies.outcomes.add(Outcome::Timeout, 1);
                self.ended(stream, now, 0);
            }
        }
    }

    /// Ends all waits, because the run ends.
    pub fn cut(&mut self) {
        while let Some((_, stream)) = self.line.pop_front() {
            let waited = self.streams[stream].awaited.pop();
            self.tallies.outcomes.add(Outcome::Cut, i64::from(waited));
        }
    }

    /// Whether all is sent and nothing is waited for.
    pub fn is_over(&self, now: u64) -> bool {
        self.line.is_empty() && self.pacing.is_over(now)
    }

    pub fn sent(&self) -> impl Iterator<Item = SentStream> + '_ {
        let sent = |stream: &Stream| SentStream {
            load: self.load,
            stream: stream.number,
            sent: stream.next,
        };
        self.streams.iter().map(sent)
    }

    /// What was wanted before `wanted_until` counts as wanted.
    pub fn report(self, wanted_until: u64) -> super::SenderPart {
        let unissued = self.pacing.unissued(wanted_until);
        let report = PartReport { load: self.load, taken: self.taken, unissued };
        super::SenderPart { report, late: self.tallies }
    }
}
