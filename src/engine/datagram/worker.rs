//! The loop: no allocation, no lock and no formatting for a datagram.
//!
//! A pass sends what is due, ends what has waited too long for its reply, hands tallies over once an
//! interval, and sleeps until the next of these or an event.

use std::io;

use super::gate::{Gate, Sign};
use super::lane::Lane;
use super::sending::Draft;
use super::wait::{Watch, Woken};
use super::{DatagramHandover, DatagramShare, SenderReport, Snapshot, Stop};
use crate::measure::datagram::LENGTH;
use crate::observe::cpu;
use crate::sys::clock;
use crate::sys::datagram::send::Outbox;

/// How often a worker sees whether it is to stop, in nanoseconds.
const LOOK: u64 = 50_000_000;
/// How often one that waits for nothing sees whether something came, in nanoseconds.
const GLANCE: u64 = 100_000;
/// How often the gate is looked at, in nanoseconds.
const GATE: u64 = 20_000_000;
/// Closing markers of each stream, and nanoseconds between them.
const MARKERS: u32 = 5;
const BETWEEN_MARKERS: u64 = 10_000_000;

pub(super) fn run(
    share: DatagramShare,
    handover: DatagramHandover,
    stop: &Stop,
    closing: &Gate,
) -> io::Result<SenderReport> {
    clock::tighten_timer_slack();
    let mut worker = Worker::new(share, handover)?;
    // An instant before the epoch has no number, so that nothing may happen there.
    while clock::monotonic() < worker.epoch && !stop.requested() {
        clock::sleep_until(worker.epoch.min(clock::monotonic() + LOOK));
    }
    let ran = worker.run(stop);
    // What happened before an error counts as well.
    let closed = worker.close(closing);
    Ok(SenderReport { failed: ran.and(closed).err(), ..worker.report() })
}

pub(super) struct Worker {
    pub(super) epoch: u64,
    pub(super) run: u32,
    /// What makes an instant of CLOCK_MONOTONIC one of the clock in headers.
    pub(super) shift: u64,
    /// Last reading of the clock, in nanoseconds since the epoch.
    pub(super) looked: u64,
    interval: u64,
    pub(super) lanes: Vec<Lane>,
    /// Lane and stream of each client, by the name under which it is watched.
    pub(super) places: Vec<(usize, usize)>,
    watch: Watch,
    pub(super) woken: Vec<Woken>,
    /// Names of clients who have not read all that came.
    pub(super) unread: Vec<usize>,
    pub(super) outbox: Outbox,
    pub(super) drafts: Box<[Draft]>,
    handover: DatagramHandover,
    next_handover: u64,
    /// When to see whether somebody wants an end.
    next_look: u64,
    /// When to see whether something came, where nothing is waited for.
    next_glance: u64,
    /// What was wanted before this instant counts as wanted.
    wanted_until: u64,
}

impl Worker {
    fn new(share: DatagramShare, handover: DatagramHandover) -> io::Result<Self> {
        let largest = share.parts.iter().map(|part| usize::from(part.sizes.largest())).max();
        let lanes = share.parts.into_iter().map(Lane::new).collect::<io::Result<Vec<_>>>()?;
        let most = lanes.iter().map(|lane| lane.most).max().unwrap_or(1);
        let watch = Watch::new()?;
        let mut places = Vec::new();
        for (index, lane) in lanes.iter().enumerate() {
            for (place, stream) in lane.streams.iter().enumerate() {
                watch.add(&stream.client, places.len())?;
                places.push((index, place));
            }
        }
        Ok(Self {
            epoch: share.epoch,
            run: share.run,
            shift: match share.realtime {
                true => clock::realtime().wrapping_sub(clock::monotonic()),
                false => 0,
            },
            looked: 0,
            interval: share.interval.max(1),
            lanes,
            woken: Vec::with_capacity(places.len()),
            unread: Vec::with_capacity(places.len()),
            places,
            watch,
            outbox: Outbox::new(most, largest.unwrap_or(0).max(LENGTH)),
            drafts: vec![Draft::default(); most].into_boxed_slice(),
            handover,
            next_handover: share.interval.max(1),
            next_look: LOOK,
            next_glance: 0,
            wanted_until: 0,
        })
    }

    /// Nanoseconds since the cell's start.
    pub(super) fn now(&mut self) -> u64 {
        self.looked = clock::monotonic().saturating_sub(self.epoch);
        self.looked
    }

    fn run(&mut self, stop: &Stop) -> io::Result<()> {
        if stop.requested() {
            return Ok(());
        }
        loop {
            self.wanted_until = self.now();
            self.send_due();
            let now = self.looked;
            self.lanes.iter_mut().for_each(|lane| lane.expire(now));
            if now >= self.next_handover {
                self.hand_over(now);
                self.next_handover = (now / self.interval + 1) * self.interval;
            }
            if self.lanes.iter().all(|lane| lane.is_over(now)) {
                self.wanted_until = u64::MAX;
                return Ok(());
            }
            if now >= self.next_look {
                self.next_look = now + LOOK;
                if stop.requested() {
                    return Ok(());
                }
            }
            self.rest(now)?;
        }
    }

    /// Waits for the next thing to do, and looks after what came meanwhile.
    fn rest(&mut self, now: u64) -> io::Result<()> {
        let until = self.patience(now);
        let waits = self.lanes.iter().any(|lane| lane.deadline().is_some());
        if until.is_none() && !waits && now < self.next_glance && self.woken.is_empty() {
            return Ok(());
        }
        self.next_glance = now + GLANCE;
        self.watch.wait(until.map(|until| self.epoch + until), &mut self.woken)?;
        self.look_after_woken();
        Ok(())
    }

    /// When something is due; `None` where something is due already.
    fn patience(&self, now: u64) -> Option<u64> {
        let due = |lane: &Lane| {
            let (next, deadline) = (lane.pacing.next(now), lane.deadline());
            next.unwrap_or(u64::MAX).min(deadline.unwrap_or(u64::MAX))
        };
        let next = self.lanes.iter().map(due).min().unwrap_or(u64::MAX);
        let next = next.min(self.next_handover).min(self.next_look);
        Some(next).filter(|next| *next > now && self.woken.is_empty())
    }

    /// Hands over what happened since the last time; `upto` as in [`Snapshot`].
    fn hand_over(&mut self, upto: u64) {
        let index = (self.next_handover / self.interval) as usize - 1;
        for lane in &mut self.lanes {
            let empty = self.handover.emptied.try_recv().unwrap_or_default();
            let tallies = std::mem::replace(&mut lane.tallies, empty);
            let (worker, load) = (self.handover.worker, lane.load);
            let snapshot = Snapshot { worker, load, index, upto, tallies };
            // Nobody receives any more only when the runner itself is ending.
            let _ = self.handover.filled.send(snapshot);
        }
    }

    /// Ends what is still waited for, hands the last tallies over, waits for the gate, and sends
    /// closing markers.
    fn close(&mut self, closing: &Gate) -> io::Result<()> {
        // What has come already is no news of later.
        let mut come = self.watch.wait(None, &mut self.woken);
        self.look_after_woken();
        self.lanes.iter_mut().for_each(Lane::cut);
        self.hand_over(u64::MAX);
        while closing.sign() == Sign::Shut {
            come = come.and(self.look_around(GATE));
        }
        if closing.sign() == Sign::Open {
            for _ in 0..MARKERS {
                self.send_closing_markers();
                come = come.and(self.look_around(BETWEEN_MARKERS));
            }
        }
        come
    }

    /// Looks after what comes in a span of nanoseconds.
    fn look_around(&mut self, span: u64) -> io::Result<()> {
        let until = clock::monotonic() + span;
        while clock::monotonic() < until {
            if let Err(error) = self.watch.wait(Some(until), &mut self.woken) {
                clock::sleep_until(until);
                return Err(error);
            }
            self.now();
            self.look_after_woken();
        }
        Ok(())
    }

    fn report(self) -> SenderReport {
        let until = self.wanted_until;
        SenderReport {
            streams: self.lanes.iter().flat_map(Lane::sent).collect(),
            parts: self.lanes.into_iter().map(|lane| lane.report(until)).collect(),
            run_delay_s: cpu::run_delay().unwrap_or_default().as_secs_f64(),
            failed: None,
        }
    }
}
