//! The hot loop, whatever the reactor: no allocation, no lock and no formatting for an attempt.
//!
//! A pass issues what is due (at most [`BURST`] attempts), ends what has waited too long, hands
//! records over once an interval, and sleeps until the next of these or an event.

use std::collections::VecDeque;
use std::io;

use socket2::Socket;

use super::descriptors::Purse;
use super::pacing::Pacing;
use super::reactor::{ROOM_WAKE, Reactor, Token, Until, Wake, Watch};
use super::room::Waiters;
use super::slots::{Attempt, Phase, Slots};
use super::waiting::Waiting;
use super::{Batch, Handover, Part, PartReport, Share, Stop, Way, WorkerReport};
use crate::measure::held::Peer;
use crate::measure::{Event, Outcome, Record};
use crate::observe::cpu;
use crate::scenario::plan::Lifecycle;
use crate::sys::clock;
use crate::sys::errno;
use crate::sys::socket::read_size;

/// Connects in one pass; more of them would queue behind each other unseen.
const BURST: usize = 8;
/// Records in one buffer that travels between a worker and its collector.
pub const RECORDS: usize = 8192;
/// Records that one pass may add, generously: an event brings at most five.
pub(super) const ROOM: usize = 2048;
/// How often a worker sees whether it is to stop, in nanoseconds.
const LOOK: u64 = 50_000_000;
/// A client of a closed loop whose attempt failed on this machine waits so long, in nanoseconds:
/// there may be a descriptor or a port then.
pub(super) const BACK_OFF: u64 = 1_000_000;

/// Runs the share with a reactor of its own.
pub(super) fn run<R: Reactor>(
    stop: &Stop,
    share: Share,
    handover: Handover,
) -> io::Result<WorkerReport> {
    clock::tighten_timer_slack();
    let mut worker = Worker::<R>::new(share, handover)?;
    // An instant before the epoch has no number, so that nothing may happen there.
    while clock::monotonic() < worker.epoch && !stop.requested() {
        clock::sleep_until(worker.epoch.min(clock::monotonic() + LOOK));
    }
    let ran = worker.run(stop);
    // What happened before an error counts as well.
    let report = worker.finish();
    Ok(WorkerReport { failed: ran.err(), ..report })
}

/// One part of a load, with what changes while it runs.
pub(super) struct Stream {
    pub(super) part: Part,
    pub(super) pacing: Pacing,
    /// Attempts that the schedule has handed out.
    taken: u64,
    /// Sockets that wait to connect again (`lifecycle = "recycle"`).
    pub(super) spare: Vec<Socket>,
}

impl Stream {
    fn report(self, now: u64) -> PartReport {
        let unissued = self.pacing.unissued(now);
        PartReport { load: self.part.load, taken: self.taken, unissued }
    }
}

pub(super) struct Worker<R> {
    pub(super) reactor: R,
    pub(super) epoch: u64,
    /// Last reading of the clock, good enough where nothing has taken time since.
    pub(super) looked: u64,
    pub(super) run: u64,
    /// Whether clients' ends are asked for.
    pub(super) names: bool,
    interval: u64,
    pub(super) streams: Vec<Stream>,
    pub(super) slots: Slots,
    pub(super) purse: Purse,
    pub(super) waiting: Waiting,
    /// Clients that wait for room in the queue of an AF_UNIX listener.
    pub(super) room: Option<Waiters>,
    /// Attempts that have more to do at once, after the others' turn.
    pub(super) yielded: VecDeque<Token>,
    pub(super) records: Vec<Record>,
    handover: Handover,
    next_handover: u64,
    /// When to see whether somebody wants an end.
    next_look: u64,
    /// What was wanted before this instant counts as wanted.
    wanted_until: u64,
    /// Connections whose clients left without a word.
    pub(super) left_open: Vec<Socket>,
    pub(super) buffer: Box<[u8]>,
}

impl<R: Reactor> Worker<R> {
    fn new(share: Share, handover: Handover) -> io::Result<Self> {
        let reactor = R::new(&share)?;
        let slots = share.slots;
        let lines = share.parts.len() * 2;
        let room = Waiters::of(&share.parts, &reactor)?;
        let packets = share.parts.iter().any(|part| part.way.keeps_packets());
        let stream = |part: Part| Stream {
            pacing: Pacing::new(&part.schedule, part.seed, part.start, part.index, part.workers),
            taken: 0,
            spare: Vec::with_capacity(match part.lifecycle {
                Lifecycle::Fresh => 0,
                Lifecycle::Recycle => slots,
            }),
            part,
        };
        Ok(Self {
            reactor,
            epoch: share.epoch,
            looked: 0,
            run: share.run,
            names: share.names,
            interval: share.interval,
            streams: share.parts.into_iter().map(stream).collect(),
            slots: Slots::new(slots),
            purse: Purse::new(share.descriptors),
            waiting: Waiting::new(slots, lines),
            room,
            yielded: VecDeque::with_capacity(slots),
            records: Vec::with_capacity(RECORDS),
            handover,
            next_handover: share.interval,
            next_look: LOOK,
            wanted_until: 0,
            left_open: Vec::new(),
            buffer: vec![0; read_size(packets)].into_boxed_slice(),
        })
    }

    fn run(&mut self, stop: &Stop) -> io::Result<()> {
        let mut woken = Vec::new();
        if stop.requested() {
            return Ok(());
        }
        loop {
            self.wanted_until = self.now();
            self.issue_due(&mut woken)?;
            let mut now = self.now();
            if R::QUEUES && self.has_chores(now) {
                // What was issued must not wait for them.
                self.turn(Until::Now, &mut woken)?;
                now = self.now();
            }
            self.end_waits(now);
            self.resume_yielded();
            if now >= self.next_handover || self.records.len() + ROOM > RECORDS {
                self.hand_over(now);
                self.next_handover = (now / self.interval + 1) * self.interval;
            }
            if self.is_finished(now) {
                self.wanted_until = u64::MAX;
                return Ok(());
            }
            if now >= self.next_look {
                self.next_look = now + LOOK;
                if stop.requested() {
                    // What was issued has to be called before it can be cut.
                    return if R::QUEUES { self.turn(Until::Now, &mut woken) } else { Ok(()) };
                }
            }
            let until = self.patience(now);
            self.turn(until, &mut woken)?;
        }
    }

    /// Waits, and looks after those to whom something happened.
    fn turn(&mut self, until: Until, woken: &mut Vec<Wake>) -> io::Result<()> {
        self.reactor.wait(until, woken)?;
        for wake in woken.drain(..) {
            if wake.token == ROOM_WAKE {
                self.admit();
            } else if let Some(slot) = self.slots.by_token(wake.token) {
                self.ready(slot, wake.errno);
            }
        }
        Ok(())
    }

    /// Whether something is to be done before the next wait that may take time.
    fn has_chores(&self, now: u64) -> bool {
        now >= self.next_handover
            || self.waiting.earliest().is_some_and(|deadline| deadline <= now)
            || !self.yielded.is_empty()
    }

    /// Nanoseconds since the cell's start.
    pub(super) fn now(&mut self) -> u64 {
        self.looked = clock::monotonic().saturating_sub(self.epoch);
        self.looked
    }

    fn is_finished(&mut self, now: u64) -> bool {
        self.slots.in_use() == 0 && self.streams.iter_mut().all(|s| s.pacing.is_over(now))
    }

    /// When something is due; at once where something is due already.
    fn patience(&mut self, now: u64) -> Until {
        let next = self.next_handover.min(self.next_look);
        let mut next = next.min(self.waiting.earliest().unwrap_or(u64::MAX));
        for stream in &mut self.streams {
            next = next.min(stream.pacing.next(now).unwrap_or(u64::MAX));
        }
        match next <= now || !self.yielded.is_empty() {
            true => Until::Now,
            false => Until::Instant(self.epoch + next),
        }
    }

    /// Issues attempts whose instant has come, the most overdue load first.
    fn issue_due(&mut self, woken: &mut Vec<Wake>) -> io::Result<()> {
        for issued in 0..BURST {
            // Every attempt reads the clock itself: no need to ask again.
            let now = self.looked;
            let due = self
                .streams
                .iter_mut()
                .enumerate()
                .filter_map(|(index, stream)| Some((stream.pacing.next(now)?, index)))
                .min();
            let Some((_, index)) = due.filter(|(intended, _)| *intended <= now) else { break };
            // Clients of a closed loop go together. Those of an open one are late when several are
            // due, and must not wait for each other as well.
            if R::QUEUES && issued > 0 && self.streams[index].pacing.is_open() {
                self.turn(Until::Now, woken)?;
                if self.records.len() + ROOM > RECORDS {
                    break;
                }
            }
            let Some(arrival) = self.streams[index].pacing.take(now) else { break };
            self.streams[index].taken += 1;
            self.issue(index, arrival.number, arrival.offset);
        }
        Ok(())
    }

    fn issue(&mut self, part: usize, number: u64, intended: u64) {
        let made = match self.slots.make_room() {
            true => self.socket(part, number),
            false => Err(io::Error::from_raw_os_error(libc::EMFILE)),
        };
        let issued = self.now();
        let socket = match made {
            Ok(socket) => socket,
            Err(error) => return self.fail(part, number, intended, issued, errno::number(&error)),
        };
        let phase = match self.streams[part].part.way {
            Way::Whole(_) => Phase::Connecting,
            Way::Half(..) => Phase::HalfOpen,
        };
        let attempt = Attempt {
            part,
            number,
            intended,
            issued,
            socket,
            early: 0,
            watch: Watch::Idle,
            yielded: false,
            phase,
        };
        let slot = self.slots.insert(attempt);
        if let Err(error) = self.dial(slot) {
            if self.streams[part].part.waits_after(&error) {
                return self.wait_for_room(slot);
            }
            // Nobody heard of it.
            self.slots.take(slot);
            self.purse.closed();
            self.fail(part, number, intended, issued, errno::number(&error));
        }
    }

    /// A socket for an attempt: one that waits to connect again, else a new one.
    fn socket(&mut self, part: usize, number: u64) -> io::Result<Socket> {
        let stream = &mut self.streams[part];
        if let Some(socket) = stream.spare.pop() {
            return Ok(socket);
        }
        if !self.purse.open() {
            return Err(io::Error::from_raw_os_error(libc::EMFILE));
        }
        stream.part.way.socket(number).inspect_err(|_| self.purse.closed())
    }

    /// The attempt failed before it had a place.
    fn fail(&mut self, index: usize, number: u64, intended: u64, issued: u64, errno: i32) {
        let at = self.now();
        let outcome = errno::outcome(errno);
        let event = Event::Connect {
            intended,
            issued,
            kernel_rtt_us: 0,
            retransmits: 0,
            syn_data: false,
            peer: Peer::UNKNOWN,
            outcome,
            errno,
        };
        let load = self.streams[index].part.load;
        self.records.push(Record { load, attempt: number, at, event });
        // Nothing but this machine limits how often that happens.
        let back_off = if outcome == Outcome::Refused { 0 } else { BACK_OFF };
        self.streams[index].pacing.ended(at, back_off);
    }

    fn hand_over(&mut self, now: u64) {
        let empty = self.handover.emptied.try_recv();
        let empty = empty.unwrap_or_else(|_| Vec::with_capacity(RECORDS));
        let records = std::mem::replace(&mut self.records, empty);
        let in_progress = self.slots.in_use() as u32;
        let batch = Batch { worker: self.handover.worker, upto: now, records, in_progress };
        // Nobody receives any more only when the runner itself is ending.
        let _ = self.handover.filled.send(batch);
    }

    /// Ends what is still in progress, and hands the last records over.
    fn finish(mut self) -> WorkerReport {
        // What became due after the last pass, which was told to stop, was not wanted any more.
        let now = self.wanted_until;
        self.cut_waiters();
        for slot in self.slots.occupied() {
            self.cut(slot);
        }
        // What is queued names descriptors: it is called before they are closed, and taken by others.
        let _ = self.reactor.wait(Until::Now, &mut Vec::new());
        self.hand_over(u64::MAX);
        WorkerReport {
            parts: self.streams.into_iter().map(|stream| stream.report(now)).collect(),
            run_delay_s: cpu::run_delay().unwrap_or_default().as_secs_f64(),
            left_open: self.left_open,
            cpu_s: (0.0, 0.0),
            failed: None,
        }
    }
}
