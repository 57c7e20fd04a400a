//! The life of an attempt in the hot loop: from its being established to its end.

use std::io::{self, IoSlice, Read};
use std::net::Shutdown;
use std::time::Duration;

use super::reactor::{Interest, Reactor, Watch};
use super::slots::Phase;
use super::waiting::Slot;
use super::worker::{RECORDS, ROOM, Worker};
use crate::clients::{Arrived, Want};
use crate::measure::{Ending, Event, Outcome, Record};
use crate::scenario::plan::{Lifecycle, VanishHow};
use crate::sys::clock;
use crate::sys::deaf::deafen;
use crate::sys::errno;
use crate::sys::socket::has_ended;
use crate::sys::standing::Standing;
use crate::sys::tcp_info::TcpInfo;

/// Reads of one connection before others have their turn.
const BUFFERS: usize = 16;
/// Steps of one connection's script before others have their turn: some four exchanges.
const STEPS: usize = 8;

impl<R: Reactor> Worker<R> {
    /// Does what the script of an established connection wants, until it has to wait or others
    /// have to have their turn.
    pub(super) fn drive(&mut self, slot: Slot) {
        for _ in 0..STEPS {
            let Some(attempt) = self.slots.get(slot) else { return };
            let Phase::Open { progress, pausing, fin, .. } = &mut attempt.phase else { return };
            let stream = &self.streams[attempt.part];
            match stream.part.script.want(progress) {
                Want::Nothing => return self.end(slot, Ending::Done, 0),
                Want::Vanish(how) => return self.vanish(slot, how),
                Want::Shutdown => match attempt.socket.shutdown(Shutdown::Write) {
                    Ok(()) => {
                        *fin = Some(clock::monotonic() - self.epoch);
                        stream.part.script.shut(progress);
                    }
                    Err(error) => return self.broke(slot, &error),
                },
                Want::Pause { time, until } => {
                    *pausing = true;
                    let line = attempt.part * 2 + 1;
                    let was_watched = attempt.watch != Watch::Idle;
                    let deadline = self.now().saturating_add(time).min(until);
                    self.waiting.push(line, slot, deadline);
                    self.rest(slot);
                    // An end that came with the reply makes no new event.
                    if was_watched {
                        self.paused(slot);
                    }
                    return;
                }
                Want::Receive => {
                    let was_watched = attempt.watch != Watch::Idle;
                    self.time_exchange(slot);
                    self.listen(slot);
                    // Bytes that came before the wish for them make no new event.
                    if !was_watched || !self.receive(slot) {
                        return;
                    }
                }
                Want::Send(first, second) => {
                    let parts = [IoSlice::new(first), IoSlice::new(second)];
                    match attempt.socket.send_vectored(&parts) {
                        Ok(count) => stream.part.script.sent(progress, count),
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                            self.watch(slot, Interest::Room);
                            return self.time_exchange(slot);
                        }
                        Err(error) => return self.broke(slot, &error),
                    }
                }
            }
        }
        self.time_exchange(slot);
        self.yield_turn(slot);
    }

    /// Sets the deadline of an exchange when it has to wait for the first time; what moves later
    /// does not move the deadline.
    fn time_exchange(&mut self, slot: Slot) {
        let now = self.now();
        let Some(attempt) = self.slots.get(slot) else { return };
        let Phase::Open { timed: timed @ false, .. } = &mut attempt.phase else { return };
        *timed = true;
        let deadline = now + self.streams[attempt.part].part.timeout;
        self.waiting.push(attempt.part * 2, slot, deadline);
    }

    /// There is more to do at once for this attempt, after the others have had their turn.
    fn yield_turn(&mut self, slot: Slot) {
        let token = self.slots.token(slot);
        let Some(attempt) = self.slots.get(slot) else { return };
        if !std::mem::replace(&mut attempt.yielded, true) {
            self.yielded.push_back(token);
        }
    }

    /// Gives those who yielded another turn.
    pub(super) fn resume_yielded(&mut self) {
        for _ in 0..self.yielded.len() {
            if self.records.len() + ROOM > RECORDS {
                return;
            }
            let Some(token) = self.yielded.pop_front() else { return };
            let Some(slot) = self.slots.by_token(token) else { continue };
            if !self.at_hand(slot) {
                continue;
            }
            let Some(attempt) = self.slots.get(slot) else { continue };
            attempt.yielded = false;
            match attempt.phase {
                Phase::Open { pausing: true, .. } => self.paused(slot),
                _ => self.drive(slot),
            }
            self.rest(slot);
        }
    }

    /// Reads until nothing is left or it is the others' turn; whether the script may go on.
    fn receive(&mut self, slot: Slot) -> bool {
        for _ in 0..BUFFERS {
            let Some(attempt) = self.slots.get(slot) else { return false };
            let Phase::Open { progress, intended, issued, retransmits, timed, fin, .. } =
                &mut attempt.phase
            else {
                return false;
            };
            let part = &self.streams[attempt.part].part;
            let arrived = match (&attempt.socket).read(&mut self.buffer) {
                Ok(0) if part.way.keeps_packets() && !has_ended(&attempt.socket) => continue,
                Ok(0) => {
                    let arrived = part.script.closed(progress);
                    if let Some(sent) = fin.take() {
                        let at = clock::monotonic() - self.epoch;
                        let (load, number) = (part.load, attempt.number);
                        let event = Event::Closed { sent };
                        self.records.push(Record { load, attempt: number, at, event });
                    }
                    match arrived {
                        Arrived::Early => {
                            self.end(slot, Ending::Closed, 0);
                            return false;
                        }
                        Arrived::Part => return true,
                        Arrived::Reply => Arrived::Reply,
                    }
                }
                Ok(count) => part.script.received(progress, &self.buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    self.broke(slot, &error);
                    return false;
                }
            };
            if arrived == Arrived::Reply {
                let at = clock::monotonic() - self.epoch;
                let resent = match progress.exchanges() {
                    1 => TcpInfo::of(&attempt.socket)
                        .map_or(0, |info| info.retransmits().saturating_sub(*retransmits)),
                    _ => 0,
                };
                let event = Event::Reply { intended: *intended, issued: *issued, resent };
                *timed = false;
                // The next exchange is wanted when the script has paused.
                *intended = at.saturating_add(part.script.pause());
                *issued = *intended;
                let (load, number) = (part.load, attempt.number);
                self.records.push(Record { load, attempt: number, at, event });
                return true;
            }
        }
        self.yield_turn(slot);
        false
    }

    /// The reactor says that something happened to the socket of `slot`; `errno` is how connecting
    /// failed, where it knows.
    pub(super) fn ready(&mut self, slot: Slot, errno: i32) {
        if !self.at_hand(slot) {
            return;
        }
        let Some(attempt) = self.slots.get(slot) else { return };
        if R::ONCE {
            attempt.watch = Watch::Idle;
        }
        match &attempt.phase {
            Phase::Connecting => {
                if let Ok(info) = TcpInfo::of(&attempt.socket)
                    && info.standing() != Standing::Connecting
                {
                    self.waiting.remove(slot);
                    self.connecting(slot, &info, errno);
                }
            }
            Phase::HalfOpen => {}
            Phase::Open { pausing: true, .. } => self.paused(slot),
            Phase::Open { progress, .. } => {
                let script = &self.streams[attempt.part].part.script;
                let sending = matches!(script.want(progress), Want::Send(..));
                if sending || self.receive(slot) {
                    self.drive(slot);
                }
            }
        }
        self.rest(slot);
    }

    /// Looks after an attempt that pauses: nothing was asked for, so that only an end of the
    /// connection matters.
    fn paused(&mut self, slot: Slot) {
        self.receive(slot);
        let Some(attempt) = self.slots.get(slot) else { return };
        let Phase::Open { progress, .. } = &attempt.phase else { return };
        if self.streams[attempt.part].part.script.want(progress) == Want::Nothing {
            self.end(slot, Ending::Done, 0);
        }
    }

    /// Ends the waits whose time is over.
    pub(super) fn end_waits(&mut self, now: u64) {
        while let Some(slot) = self.waiting.pop_due(now) {
            if !self.at_hand(slot) {
                continue;
            }
            let Some(attempt) = self.slots.get(slot) else { continue };
            match &mut attempt.phase {
                Phase::Connecting => match TcpInfo::of(&attempt.socket) {
                    // The event that tells so is not read yet.
                    Ok(info) if info.standing() != Standing::Connecting => {
                        self.connecting(slot, &info, 0);
                    }
                    info => {
                        self.connect_failed(slot, Outcome::Timeout, 0, info.ok().as_ref());
                    }
                },
                Phase::HalfOpen => match TcpInfo::of(&attempt.socket) {
                    // The kernel gave up before we did.
                    Ok(info) if info.standing() != Standing::Connecting => {
                        self.connecting(slot, &info, 0);
                    }
                    info => {
                        self.connect_failed(slot, Outcome::HalfOpen, 0, info.ok().as_ref());
                    }
                },
                Phase::Open {
                    pausing: pausing @ true, timed, progress, intended, issued, ..
                } => {
                    (*pausing, *timed) = (false, false);
                    *issued = now.max(*intended);
                    self.streams[attempt.part].part.script.resumed(progress, now);
                    self.drive(slot);
                }
                // The same holds for a reply.
                Phase::Open { .. } => match self.receive(slot) {
                    true => self.drive(slot),
                    false => self.end(slot, Ending::Timeout, 0),
                },
            }
            if self.records.len() + ROOM > RECORDS {
                return;
            }
        }
    }

    /// The client leaves without a word.
    fn vanish(&mut self, slot: Slot, how: VanishHow) {
        let Some(attempt) = self.slots.get(slot) else { return };
        // Whoever closes the socket, now or at the cell's end, sends RST.
        let left = attempt.socket.set_linger(Some(Duration::ZERO)).and_then(|()| match how {
            VanishHow::Rst => Ok(None),
            VanishHow::Silent => {
                deafen(&attempt.socket).and_then(|()| attempt.socket.try_clone()).map(Some)
            }
        });
        match left {
            Ok(None) => self.end(slot, Ending::Vanished, 0),
            Ok(Some(socket)) if self.purse.open() => {
                self.left_open.push(socket);
                self.end(slot, Ending::Vanished, 0);
            }
            Ok(Some(_)) => self.end(slot, Ending::Other, libc::EMFILE),
            Err(error) => self.broke(slot, &error),
        }
    }

    fn broke(&mut self, slot: Slot, error: &io::Error) {
        let number = errno::number(error);
        self.end(slot, errno::ending(number), number);
    }

    /// An established connection came to its end.
    pub(super) fn end(&mut self, slot: Slot, ending: Ending, errno: i32) {
        let at = self.now();
        self.end_at(slot, at, ending, errno);
    }

    pub(super) fn end_at(&mut self, slot: Slot, at: u64, ending: Ending, errno: i32) {
        if let Some(attempt) = self.slots.get(slot) {
            let (part, number) = (attempt.part, attempt.number);
            let load = self.streams[part].part.load;
            let event = Event::End { ending, errno };
            self.records.push(Record { load, attempt: number, at, event });
        }
        self.release(slot, at, 0);
    }

    /// Closes the socket, or keeps it for the next attempt, and frees the place. A client of a
    /// closed loop waits for `least` nanoseconds.
    pub(super) fn release(&mut self, slot: Slot, at: u64, least: u64) {
        self.waiting.remove(slot);
        let token = self.slots.token(slot);
        let Some(attempt) = self.slots.take(slot) else { return };
        let stream = &mut self.streams[attempt.part];
        let recycled = stream.part.lifecycle == Lifecycle::Recycle && !self.purse.is_overdrawn();
        // A watch that was told of late may have been begun anew.
        let watched =
            attempt.watch != Watch::Idle || R::ONCE && matches!(attempt.phase, Phase::Open { .. });
        let forgotten = !watched || self.reactor.forget(&attempt.socket, token, recycled).is_ok();
        if recycled && forgotten && self.reactor.disconnect(&attempt.socket).is_ok() {
            stream.spare.push(attempt.socket);
        } else {
            self.purse.closed();
        }
        stream.pacing.ended(at, least);
    }

    pub(super) fn cut(&mut self, slot: Slot) {
        if !self.at_hand(slot) {
            return;
        }
        let Some(attempt) = self.slots.get(slot) else { return };
        if matches!(attempt.phase, Phase::Open { .. }) {
            return self.end(slot, Ending::Cut, 0);
        }
        match TcpInfo::of(&attempt.socket) {
            Ok(info) if info.standing() == Standing::Established => {
                let class = self.class(slot, &info);
                self.record_connect(slot, class, 0, Some(&info));
                self.end(slot, Ending::Cut, 0);
            }
            Ok(info) if info.standing() == Standing::Closed => self.connecting(slot, &info, 0),
            info => self.connect_failed(slot, Outcome::Cut, 0, info.ok().as_ref()),
        }
    }
}
