//! Why each attempt took as long as it did: what its client saw, joined with what the target says of
//! the same connection, and with what the queues and counters around it tell. Pure.

mod evidence;
mod facts;
mod losses;

use std::collections::{BTreeMap, HashMap, VecDeque};

pub use evidence::{Close, Evidence, Growth, syn_schedule};

use super::classes::{Class, ClassResult, ClassesResult, NetworkLosses};
use super::held::{Fate, Held, Peer};
use super::record::{Event, Record};
use facts::Facts;
use losses::Losses;

/// Most attempts whose class waits for the evidence of the whole cell.
const MOST_DOUBTFUL: usize = 1 << 22;
/// Most clients' ends of which a target may speak before their clients do.
const MOST_UNCLAIMED: usize = 1 << 20;

/// The attempts of one cell, as far as they are not classified yet.
///
/// Memory is taken by those that are open, that the target has not named yet, or that need the
/// evidence of the whole cell; those without trouble are forgotten when they end.
#[derive(Debug)]
pub struct Attempts {
    /// Whether the target names the connections that it held.
    named: bool,
    /// Established ones, by load and number.
    open: HashMap<u64, Facts>,
    /// Those that the target has not named yet, by their client's end, the oldest first.
    sought: HashMap<Peer, VecDeque<u64>>,
    /// What the target named before its client's record was there.
    unclaimed: HashMap<Peer, VecDeque<Held>>,
    /// Ended ones that need the evidence of the whole cell.
    doubtful: Vec<Facts>,
    /// Load by load.
    tallies: Vec<BTreeMap<Class, (u64, f64)>>,
    /// Whether any was found again.
    found: bool,
    joined: u64,
    by_cookie: u64,
    network: NetworkLosses,
}

impl Attempts {
    /// None yet of so many loads.
    pub fn new(loads: usize, named: bool) -> Self {
        Self {
            named,
            open: HashMap::new(),
            sought: HashMap::new(),
            unclaimed: HashMap::new(),
            doubtful: Vec::new(),
            tallies: vec![BTreeMap::new(); loads],
            found: false,
            joined: 0,
            by_cookie: 0,
            network: NetworkLosses::default(),
        }
    }

    /// Enters what a worker says of an attempt.
    pub fn enter(&mut self, record: &Record) {
        let id = u64::from(record.load) << 48 | record.attempt & ((1 << 48) - 1);
        match record.event {
            Event::Connect { peer, outcome, .. } => {
                let Some(mut facts) = Facts::of(record) else { return };
                if !outcome.established() {
                    return self.ended(facts);
                }
                if self.named && peer.is_known() {
                    facts.held = self.claim(peer, facts.issued);
                    self.found |= facts.held.is_some();
                    if facts.held.is_none() {
                        self.sought.entry(peer).or_default().push_back(id);
                    }
                }
                self.open.insert(id, facts);
            }
            Event::Reply { intended, resent, .. } => {
                if let Some(facts) = self.open.get_mut(&id) {
                    facts.replied_to(intended, record.at, resent);
                }
            }
            Event::Closed { .. } => {}
            Event::End { ending, .. } => {
                if let Some(facts) = self.open.get_mut(&id) {
                    facts.end = Some((record.at, ending));
                    self.settle(id);
                }
            }
        }
    }

    /// Enters what the target says of the connections that it held.
    pub fn held(&mut self, batch: &[Held]) {
        for held in batch {
            match self.seeker(held) {
                Some(id) => {
                    if let Some(facts) = self.open.get_mut(&id) {
                        facts.held = Some(*held);
                        self.found = true;
                    }
                    self.settle(id);
                }
                // A target that names what nobody made fills no memory.
                None if self.unclaimed.len() >= MOST_UNCLAIMED => {}
                None => {
                    let waiting = self.unclaimed.entry(held.peer).or_default();
                    // The oldest is the least likely to be asked for.
                    if waiting.len() >= 8 {
                        waiting.pop_front();
                    }
                    waiting.push_back(*held);
                }
            }
        }
    }

    /// Classifies what is left, by the evidence of the whole cell.
    pub fn finish(mut self, names: &[&str], evidence: &Evidence) -> ClassesResult {
        let mut left: Vec<_> = std::mem::take(&mut self.open).into_iter().collect();
        left.sort_unstable_by_key(|(id, _)| *id);
        self.doubtful.extend(left.into_iter().map(|(_, facts)| facts));
        // Somebody between the two translates addresses, so that nobody can be found again.
        self.named &= self.found || self.unclaimed.is_empty();
        let doubtful = std::mem::take(&mut self.doubtful);
        let losses = Losses::new(&doubtful, self.named, evidence);
        for (facts, fate) in doubtful.iter().zip(losses.fates()) {
            let class = facts.judged(self.named, *fate, evidence);
            if class == Class::NetworkLoss {
                *facts.lost_packet(*fate, &mut self.network) += 1;
            }
            self.book(facts, class);
        }
        let of_load = |(name, tally): (&&str, &BTreeMap<Class, (u64, f64)>)| {
            let one = |(class, (count, latency_s)): (&Class, &(u64, f64))| ClassResult {
                load: (*name).to_owned(),
                class: *class,
                count: *count,
                latency_s: *latency_s,
            };
            tally.iter().map(one).collect::<Vec<_>>()
        };
        ClassesResult {
            classes: names.iter().zip(&self.tallies).flat_map(of_load).collect(),
            lost_syns: losses.found(),
            network: self.network,
            joined: self.joined,
            by_cookie: self.by_cookie,
            named: self.named,
        }
    }

    /// What the target has already said of a connection that began at `issued`.
    fn claim(&mut self, peer: Peer, issued: u64) -> Option<Held> {
        let waiting = self.unclaimed.get_mut(&peer)?;
        // What is older was of another connection from the same port, which no client knows.
        while waiting.front().is_some_and(|held| held.at < issued) {
            waiting.pop_front();
        }
        let held = waiting.pop_front();
        if waiting.is_empty() {
            self.unclaimed.remove(&peer);
        }
        held
    }

    /// The attempt of which the target speaks. Where several had the same port, one after the other:
    /// an earlier one can be in the queue beside a later one only if it was reset, as the kernel
    /// makes no second connection between the same ends.
    fn seeker(&mut self, held: &Held) -> Option<u64> {
        let waiting = self.sought.get_mut(&held.peer)?;
        let open = &self.open;
        let begun = |id: &u64| open.get(id).is_some_and(|facts| facts.issued <= held.at);
        let place = match held.fate {
            Fate::Reset => waiting.iter().position(begun),
            Fate::Accepted | Fate::Left => waiting.iter().rposition(begun),
        }?;
        let id = waiting.remove(place);
        if waiting.is_empty() {
            self.sought.remove(&held.peer);
        }
        id
    }

    /// Classifies an attempt that is over and that the target has named.
    fn settle(&mut self, id: u64) {
        let over = |facts: &Facts| facts.end.is_some() && (!self.named || facts.held.is_some());
        if self.open.get(&id).is_some_and(over)
            && let Some(facts) = self.open.remove(&id)
        {
            self.ended(facts);
        }
    }

    fn ended(&mut self, facts: Facts) {
        match facts.plain(self.named) {
            Some(class) => self.book(&facts, class),
            // A target that drops everything for hours fills no memory.
            None if self.doubtful.len() >= MOST_DOUBTFUL => self.book(&facts, Class::Unexplained),
            None => self.doubtful.push(facts),
        }
    }

    fn book(&mut self, facts: &Facts, class: Class) {
        self.joined += u64::from(facts.held.is_some());
        self.by_cookie += u64::from(facts.held.is_some_and(|held| held.by_cookie));
        let Some(tally) = self.tallies.get_mut(usize::from(facts.load)) else { return };
        let (count, latency_s) = tally.entry(class).or_default();
        *count += 1;
        *latency_s += facts.latency() as f64 / 1e9;
    }
}

#[cfg(test)]
#[path = "attempts/tests.rs"]
mod tests;
