//! Which queue dropped each lost SYN: each is matched with what the kernel counted at its time, and
//! no count is used twice.

use super::evidence::{Close, Evidence, Growth};
use super::facts::Facts;
use crate::measure::classes::{Class, LostSyns};

/// Retransmits come so much later than they are due at most: timers are coarse when they are long
/// (`kernel/time/timer.c`).
const LATENESS: f64 = 0.04;
/// How late a sampler may be on a machine that has no CPU for it, in nanoseconds.
const STARVED: u64 = 1_000_000_000;
/// How far the close of a listener and a lost packet may be apart, in nanoseconds.
const AROUND_A_CLOSE: u64 = 200_000_000;

/// The losses of a cell.
#[derive(Debug)]
pub struct Losses<'e> {
    evidence: &'e Evidence,
    /// What no SYN was matched with yet.
    left: Vec<Growth>,
    rest: Growth,
    closes: Vec<Close>,
    fates: Vec<PacketFate>,
    found: Vec<LostSyns>,
}

/// What became of the packets of one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PacketFate {
    /// Why its first SYN brought nothing; `None` where it was answered.
    pub lost_by: Option<Class>,
    /// Whether a listener was closed while its connection waited there.
    pub closed_upon: bool,
}

/// A SYN that brought nothing.
struct Lost {
    /// When it was sent, at the earliest and at the latest.
    sent: (u64, u64),
    /// Index of its attempt.
    attempt: usize,
}

impl<'e> Losses<'e> {
    /// Finds a cause for every lost SYN of these attempts.
    pub fn new(attempts: &[Facts], named: bool, evidence: &'e Evidence) -> Self {
        let mut losses = Self {
            evidence,
            left: evidence.growth.clone(),
            rest: evidence.rest,
            closes: evidence.closes.clone(),
            fates: vec![PacketFate::default(); attempts.len()],
            found: Vec::new(),
        };
        let mut syns: Vec<Lost> = attempts
            .iter()
            .enumerate()
            .flat_map(|(attempt, facts)| {
                let times = evidence.syns.iter().take(facts.lost_syns());
                times.map(move |after| {
                    let late = (*after as f64 * LATENESS) as u64;
                    let sent = facts.issued.saturating_add(*after);
                    let sent = (sent, sent.saturating_add(late));
                    Lost { sent, attempt }
                })
            })
            .collect();
        syns.sort_by_key(|lost| lost.sent);
        if named {
            losses.close_upon(attempts);
        }
        for lost in syns {
            let (cause, doubtful) = losses.cause(lost.sent);
            losses.note(cause, lost.sent.0, doubtful);
            // The first one is what made the client wait at all.
            losses.fates[lost.attempt].lost_by.get_or_insert(cause);
        }
        losses
    }

    /// What became of the packets of each attempt.
    pub fn fates(&self) -> &[PacketFate] {
        &self.fates
    }

    /// The lost SYNs by cause.
    pub fn found(self) -> Vec<LostSyns> {
        let mut found = self.found;
        found.sort_by_key(|one| one.class);
        found
    }

    /// Each close of a listener takes what waits in its queues with it: those that were established
    /// last, as they are accepted in order. What a client has closed waits all the same.
    fn close_upon(&mut self, attempts: &[Facts]) {
        let never_held = |facts: &Facts| facts.outcome.established() && facts.held.is_none();
        let mut waiting: Vec<(u64, usize)> = attempts
            .iter()
            .enumerate()
            .filter(|(_, facts)| never_held(facts))
            .map(|(index, facts)| (facts.at, index))
            .collect();
        waiting.sort_unstable();
        for close in &self.evidence.closes {
            let before = waiting.partition_point(|(at, _)| *at <= close.at);
            let taken = usize::try_from(close.reset).unwrap_or(before).min(before);
            for (_, index) in waiting.drain(before - taken..before) {
                self.fates[index].closed_upon = true;
            }
        }
    }

    fn note(&mut self, class: Class, at: u64, doubtful: bool) {
        let (at, doubtful) = (at as f64 / 1e9, u64::from(doubtful));
        match self.found.iter_mut().find(|one| one.class == class) {
            Some(one) => {
                one.count += 1;
                one.doubtful += doubtful;
                one.span_s = (one.span_s.0.min(at), one.span_s.1.max(at));
            }
            None => self.found.push(LostSyns { class, count: 1, doubtful, span_s: (at, at) }),
        }
    }

    /// Takes one from what was dropped at its time; whether another count might have been it as well.
    ///
    /// Where the path's count is of SYNs alone, each of these is one of ours, and comes first: the
    /// queue's count has final ACKs in it. Otherwise the largest count is the likeliest.
    fn cause(&mut self, (from, to): (u64, u64)) -> (Class, bool) {
        type Part = (Class, fn(&mut Growth) -> &mut u64);
        const QUEUES: [Part; 2] = [
            (Class::AcceptQueueFull, |growth| &mut growth.accept_queue),
            (Class::SynQueueFull, |growth| &mut growth.syn_queue),
        ];
        let exact = self.evidence.path_syns;
        let path: Part = match exact {
            true => (Class::NetworkLoss, |growth| &mut growth.path_syns),
            false => (Class::NetworkLoss, |growth| &mut growth.path),
        };
        let parts = [QUEUES[0], QUEUES[1], path];
        let near = self.evidence.intervals(from, to);
        // A sampler that gets no CPU reads very late.
        let wide =
            self.evidence.intervals(from.saturating_sub(STARVED), to.saturating_add(STARVED));
        for around in [Some(near), Some(wide), None] {
            let growths = match around {
                Some(around) => &mut self.left[around],
                None => std::slice::from_mut(&mut self.rest),
            };
            let left = |part: &Part, growths: &mut [Growth]| -> u64 {
                growths.iter_mut().fold(0, |sum, growth| sum.saturating_add(*part.1(growth)))
            };
            let certain = (exact && left(&path, growths) > 0).then_some(&path);
            let most = parts.iter().rev().max_by_key(|part| left(part, growths));
            let Some((class, part)) = certain.or(most) else { continue };
            let on_the_way = left(&path, growths) > 0;
            let in_a_queue = QUEUES.iter().any(|queue| left(queue, growths) > 0);
            if let Some(count) = growths.iter_mut().map(part).find(|count| **count > 0) {
                *count -= 1;
                return (*class, !exact && on_the_way && in_a_queue);
            }
        }
        (self.uncounted(from, to), false)
    }

    /// Why nobody counted it.
    fn uncounted(&mut self, from: u64, to: u64) -> Class {
        let (from, to) = (from.saturating_sub(AROUND_A_CLOSE), to.saturating_add(AROUND_A_CLOSE));
        let mut closes = self.closes.iter_mut();
        let close = closes.find(|close| close.dropped > 0 && (from..=to).contains(&close.at));
        if let Some(close) = close {
            close.dropped -= 1;
            return Class::ListenerClosed;
        }
        match self.evidence.counted && self.evidence.network {
            true => Class::NetworkLoss,
            false => Class::Unexplained,
        }
    }
}
