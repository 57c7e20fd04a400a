//! What the lab's path loses, interval by interval.

use std::collections::BTreeMap;

use crate::lab::Impairments;
use crate::measure::result::{Cause, ImpairmentResult};

/// Watches what the lab drops on the way.
#[derive(Debug, Default)]
pub struct PathWatch {
    impairments: Option<Impairments>,
    interval: u64,
    told: PathTold,
}

/// What was dropped on the way.
#[derive(Debug, Default)]
pub struct PathTold {
    /// What each impairment did, from the first datagram to the last.
    pub impairments: Vec<ImpairmentResult>,
    /// What was lost in each interval.
    pub lost: Vec<BTreeMap<Cause, u64>>,
    /// SYNs among what the lab's loss took in each interval, where these are counted.
    pub syns: Option<Vec<u64>>,
}

impl PathWatch {
    /// Watches these; intervals are so many nanoseconds long.
    pub fn new(impairments: Option<Impairments>, interval: u64) -> Self {
        Self { impairments, interval: interval.max(1), told: PathTold::default() }
    }

    /// Looks, `now` nanoseconds after the schedule's start. What was dropped since the last look is
    /// entered into the interval of this one.
    pub fn look(&mut self, now: u64) {
        let Some(Ok(seen)) = self.impairments.as_ref().map(Impairments::read) else { return };
        let syns = self.impairments.as_ref().and_then(|one| one.lost_syns().ok().flatten());
        self.told.enter((now / self.interval) as usize, seen, syns);
    }

    /// Packets that still wait on the way; 0 where that cannot be known.
    pub fn queued(&self) -> u64 {
        self.impairments.as_ref().and_then(|one| one.queued().ok()).unwrap_or(0)
    }

    /// What was dropped.
    pub fn finish(self) -> PathTold {
        self.told
    }
}

impl PathTold {
    fn enter(&mut self, index: usize, seen: Vec<ImpairmentResult>, syns: Option<u64>) {
        if let Some(all) = syns {
            let known = self.syns.get_or_insert_default();
            known.resize(known.len().max(index + 1), 0);
            let before: u64 = known.iter().sum();
            known[index] += all.saturating_sub(before);
        }
        if self.lost.len() <= index {
            self.lost.resize(index + 1, BTreeMap::new());
        }
        for one in &seen {
            let known = self.impairments.iter().find(|before| before.what == one.what);
            let grown = one.dropped.saturating_sub(known.map_or(0, |before| before.dropped));
            if grown > 0 {
                *self.lost[index].entry(one.cause).or_default() += grown;
            }
        }
        self.impairments = seen;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_falls_into_the_interval_of_the_look() {
        let seen = |dropped| {
            let what = "loss 3%".to_owned();
            vec![ImpairmentResult { what, cause: Cause::LabLoss, dropped, seen: None }]
        };
        let mut told = PathTold::default();
        for (index, dropped) in [(0, 0), (0, 4), (2, 9), (3, 9)] {
            told.enter(index, seen(dropped), Some(dropped / 2));
        }
        let lost: Vec<_> = told.lost.iter().map(|one| one.get(&Cause::LabLoss).copied()).collect();
        assert_eq!(lost, [Some(4), None, Some(5), None]);
        assert_eq!(told.impairments[0].dropped, 9);
        assert_eq!(told.syns, Some(vec![2, 0, 2, 0]));
    }
}
