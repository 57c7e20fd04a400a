//! Samples what waits in the receivers' buffers, and ends their intervals.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError};

use super::books::Values;
use super::place::Place;
use super::reader::Shared;
use crate::measure::Metric;
use crate::measure::datagrams::Cause;
use crate::measure::result::{DatagramInterval, SamplerResult};
use crate::observe::counters::Counters;
use crate::observe::ticker::{Sampling, Ticker};
use crate::sys::clock;
use crate::sys::endpoint::Endpoint;

/// What goes to all and finds nobody: once, however many should have got it.
const IGNORED: (&str, &str) = ("IgnoredMulti", "Udp6IgnoredMulti");
/// Who counts what the kernel lost on its way to a socket: by UDP over IPv4, and over IPv6.
const COUNTERS: [(Cause, &str, &str); 4] = [
    (Cause::NoSocket, "NoPorts", "Udp6NoPorts"),
    (Cause::NoSocket, IGNORED.0, IGNORED.1),
    (Cause::Memory, "MemErrors", "Udp6MemErrors"),
    (Cause::Checksum, "Udp:InCsumErrors", "Udp6InCsumErrors"),
];

/// An interval that is over.
#[derive(Debug)]
pub struct Seen {
    /// Its number, from 0 at the schedule's start.
    pub index: usize,
    /// What came, what waited and what was lost.
    pub datagrams: DatagramInterval,
    /// Histograms of what was measured in it, encoded.
    pub metrics: BTreeMap<Metric, String>,
}

/// Samples until `stop`, and gives each interval to `each` when it is over. Belongs into a thread of
/// its own, inside the target's network namespace.
pub fn run(
    places: &[Arc<Place>],
    shared: &Shared,
    when: Sampling,
    stop: &AtomicBool,
    mut each: impl FnMut(Seen),
) -> SamplerResult {
    clock::tighten_timer_slack();
    let mut sampler = Sampler::new(places, shared);
    let mut ticker = Ticker::new(when);
    let mut index = 0;
    while let Some(now) = ticker.sleep(stop) {
        while now >= (index as u64 + 1) * when.interval {
            each(sampler.finish_interval(index));
            index += 1;
        }
        sampler.sample();
    }
    let now = clock::monotonic().saturating_sub(when.epoch);
    while now >= (index as u64 + 1) * when.interval {
        each(sampler.finish_interval(index));
        index += 1;
    }
    each(sampler.finish_interval(index));
    ticker.result("so_meminfo", sampler.failed)
}

struct Sampler<'a> {
    places: &'a [Arc<Place>],
    shared: &'a Shared,
    is_unix: bool,
    is_v6: bool,
    failed: u64,
    /// Of the fullest socket in the interval: most bytes, their sum over the samples, the limit.
    most: Option<u64>,
    sum: u64,
    samples: u64,
    limit: Option<u64>,
    drops: u64,
    counters: Option<Counters>,
    /// Empty, to be exchanged for the books' own.
    spare: Option<Box<Values>>,
}

impl<'a> Sampler<'a> {
    fn new(places: &'a [Arc<Place>], shared: &'a Shared) -> Self {
        let address = places.first().map(|place| place.address);
        Self {
            places,
            shared,
            is_unix: matches!(address, Some(Endpoint::Unix(..))),
            is_v6: address.and_then(|at| at.socket_addr()).is_some_and(|at| at.is_ipv6()),
            failed: 0,
            most: None,
            sum: 0,
            samples: 0,
            limit: None,
            drops: 0,
            counters: Counters::read().ok(),
            spare: Some(Box::default()),
        }
    }

    fn sample(&mut self) {
        if self.is_unix {
            // Its receivers are charged nothing.
            return;
        }
        let mut fullest = None;
        for place in self.places {
            match place.look() {
                Ok(Some(info)) => {
                    let look = (u64::from(info.charged), u64::from(info.limit));
                    fullest = fullest.max(Some(look));
                }
                Ok(None) => {}
                Err(_) => {
                    self.failed += 1;
                    return;
                }
            }
        }
        if let Some((charged, limit)) = fullest {
            self.most = self.most.max(Some(charged));
            self.limit = Some(limit);
            self.sum += charged;
            self.samples += 1;
        }
    }

    fn finish_interval(&mut self, index: usize) -> Seen {
        let spare = self.spare.take().unwrap_or_default();
        let mut books = self.shared.books.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut datagrams, mut values) = books.finish_interval(spare);
        drop(books);
        datagrams.queue_bytes = self.most.take();
        datagrams.queue_mean = (self.samples > 0).then(|| self.sum as f64 / self.samples as f64);
        (self.sum, self.samples) = (0, 0);
        datagrams.queue_limit = self.limit;
        (datagrams.delay_p50, datagrams.delay_p99, datagrams.delay_max) = values.delay();
        if !self.is_unix {
            datagrams.lost = self.lost();
        }
        let metrics = values.take();
        self.spare = Some(values);
        Seen { index, datagrams, metrics }
    }

    /// By what the sockets' drops and the kernel's counters have grown.
    fn lost(&mut self) -> BTreeMap<Cause, u64> {
        // A look that fails leaves the drops to the next one.
        self.places.iter().for_each(|place| drop(place.look()));
        let drops = self.places.iter().map(|place| place.dropped().0).sum();
        let grown = drops - std::mem::replace(&mut self.drops, drops);
        let mut lost = BTreeMap::from([(Cause::ReceiveBuffer, grown)]);
        if let (Some(before), Ok(after)) = (&self.counters, Counters::read()) {
            for (cause, v4, v6) in COUNTERS {
                let name = if self.is_v6 { v6 } else { v4 };
                let value = |of: &Counters| of.get(name).unwrap_or(0);
                let copies = if v4 == IGNORED.0 { self.places.len() as u64 } else { 1 };
                let grown = value(&after).saturating_sub(value(before));
                *lost.entry(cause).or_default() += grown * copies;
            }
            self.counters = Some(after);
        }
        lost.retain(|_, count| *count > 0);
        lost
    }
}
