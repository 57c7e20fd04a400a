//! Which queue dropped each lost SYN: each is matched with what the kernel counted at its time, and
//! no count is used twice.

use super::evidence::{Close, Evidence, Growth};
use super::facts::Facts;
use crate::measure::classes::{Class, LostSyns};

/// Retransmits come so much later than they are due at most: timers are coarse when they are long
/// (`kernel/time/timer.c`).
const LATENESS: f64 = 0.04;
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
    causes: Vec<Option<Class>>,
    found: Vec<LostSyns>,
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
    pub fn new(attempts: &[Facts], evidence: &'e Evidence) -> Self {
        let mut losses = Self {
            evidence,
            left: evidence.growth.clone(),
            rest: evidence.rest,
            closes: evidence.closes.clone(),
            causes: vec![None; attempts.len()],
            found: Vec::new(),
        };
        let mut syns: Vec<Lost> = attempts
            .iter()
            .enumerate()
            .flat_map(|(attempt, facts)| {
                let times = evidence.syns.iter().take(facts.lost_syns());
                times.map(move |after| {
                    let late = (*after as f64 * LATENESS) as u64;
                    let sent = (facts.issued + after, facts.issued + after + late);
                    Lost { sent, attempt }
                })
            })
            .collect();
        syns.sort_by_key(|lost| lost.sent);
        for lost in syns {
            let cause = losses.cause(lost.sent);
            losses.note(cause, lost.sent.0);
            // The first one is what made the client wait at all.
            losses.causes[lost.attempt].get_or_insert(cause);
        }
        losses
    }

    /// Why each attempt lost its first SYN; `None` for those that lost none.
    pub fn causes(&self) -> Vec<Option<Class>> {
        self.causes.clone()
    }

    /// The lost SYNs by cause.
    pub fn found(self) -> Vec<LostSyns> {
        let mut found = self.found;
        found.sort_by_key(|one| one.class);
        found
    }

    /// Whether the close of a listener took an established connection with it. What its client has
    /// closed already waits in the queue all the same.
    pub fn closed_upon(&mut self, established: u64) -> bool {
        let mut closes = self.closes.iter_mut();
        let close = closes.find(|close| close.reset > 0 && close.at >= established);
        close.is_some_and(|close| {
            close.reset -= 1;
            true
        })
    }

    fn note(&mut self, class: Class, at: u64) {
        let at = at as f64 / 1e9;
        match self.found.iter_mut().find(|one| one.class == class) {
            Some(one) => {
                one.count += 1;
                one.span_s = (one.span_s.0.min(at), one.span_s.1.max(at));
            }
            None => self.found.push(LostSyns { class, count: 1, span_s: (at, at) }),
        }
    }

    /// Takes one from the largest count of what was dropped at its time.
    fn cause(&mut self, (from, to): (u64, u64)) -> Class {
        type Part = (Class, fn(&mut Growth) -> &mut u64);
        const PARTS: [Part; 3] = [
            (Class::AcceptQueueFull, |growth| &mut growth.accept_queue),
            (Class::SynQueueFull, |growth| &mut growth.syn_queue),
            (Class::NetworkLoss, |growth| &mut growth.path),
        ];
        let around = self.evidence.intervals(from, to);
        for growths in [&mut self.left[around], std::slice::from_mut(&mut self.rest)] {
            let left = |part: &Part, growths: &mut [Growth]| -> u64 {
                growths.iter_mut().map(|growth| *part.1(growth)).sum()
            };
            let most = PARTS.iter().rev().max_by_key(|part| left(part, growths));
            let Some((class, part)) = most else { continue };
            if let Some(count) = growths.iter_mut().map(part).find(|count| **count > 0) {
                *count -= 1;
                return *class;
            }
        }
        self.uncounted(from, to)
    }

    /// Why nobody counted it.
    fn uncounted(&mut self, from: u64, to: u64) -> Class {
        let (from, to) = (from.saturating_sub(AROUND_A_CLOSE), to + AROUND_A_CLOSE);
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
