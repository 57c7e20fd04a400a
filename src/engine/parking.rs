//! What an attempt needs of the reactor while it waits: to be watched, or to be kept without a
//! descriptor.

use std::io;

use super::reactor::{Interest, Reactor, Watch};
use super::slots::Phase;
use super::waiting::Slot;
use super::worker::Worker;
use crate::clients::Want;
use crate::measure::{Ending, Event, Record};
use crate::sys::errno;

/// A wait that is worth parking: parking and taking back cost some 3 us, and the fewer connections
/// have descriptors, the more can be made. In nanoseconds.
const LONG: u64 = 100_000_000;

impl<R: Reactor> Worker<R> {
    /// Has the reactor watch the socket of `slot`.
    pub(super) fn watch(&mut self, slot: Slot, interest: Interest) {
        let token = self.slots.token(slot);
        let Some(attempt) = self.slots.get(slot) else { return };
        if attempt.watch.covers(interest) {
            return;
        }
        // Without it the attempt ends by its timeout, which is the truth for this client.
        if let Ok(watch) = self.reactor.watch(&attempt.socket, token, attempt.watch, interest) {
            attempt.watch = watch;
        }
    }

    /// Sees to it that an attempt which waits hears of what it waits for: it is parked, or watched
    /// again where a watch has ended.
    pub(super) fn rest(&mut self, slot: Slot) {
        let Some(attempt) = self.slots.get(slot) else { return };
        if attempt.watch == Watch::Always || attempt.yielded {
            return;
        }
        match &attempt.phase {
            Phase::HalfOpen => {}
            Phase::Connecting => self.watch(slot, Interest::Room),
            Phase::Open { pausing: true, .. } => self.pause(slot),
            Phase::Open { progress, .. } => {
                match self.streams[attempt.part].part.script.want(progress) {
                    Want::Send(..) => self.watch(slot, Interest::Room),
                    _ => self.listen(slot),
                }
            }
        }
    }

    /// Watches for arrivals, which are expected soon: the descriptor is kept as long as there are
    /// enough of them.
    pub(super) fn listen(&mut self, slot: Slot) {
        if !self.purse.is_overdrawn() || !self.park(slot) {
            self.watch(slot, Interest::Arrival);
        }
    }

    fn pause(&mut self, slot: Slot) {
        let time = self.waiting.deadline(slot).map_or(0, |end| end.saturating_sub(self.looked));
        if time < LONG || !self.park(slot) {
            self.watch(slot, Interest::Arrival);
        }
    }

    /// Gives the descriptor up, if the reactor can do without it; whether it did.
    fn park(&mut self, slot: Slot) -> bool {
        if !self.reactor.parks() {
            return false;
        }
        let token = self.slots.token(slot);
        let Some(attempt) = self.slots.get(slot) else { return false };
        if attempt.watch != Watch::Idle {
            if self.reactor.forget(&attempt.socket, token, true).is_err() {
                return false;
            }
            attempt.watch = Watch::Idle;
        }
        let reactor = &mut self.reactor;
        let parked = self.slots.park(slot, |socket| reactor.park(slot, socket, token));
        if parked {
            self.purse.closed();
        }
        parked
    }

    /// Sees to it that the attempt has its socket, if it was parked; whether there is one.
    pub(super) fn at_hand(&mut self, slot: Slot) -> bool {
        if !self.slots.is_parked(slot) {
            return true;
        }
        match self.reactor.unpark(slot, self.slots.token(slot)) {
            Ok(socket) => {
                self.slots.unpark(slot, socket);
                self.purse.overdraw();
                true
            }
            Err(error) => {
                self.lost(slot, &error);
                false
            }
        }
    }

    /// There was no descriptor for a connection that was parked, which is therefore closed.
    fn lost(&mut self, slot: Slot, error: &io::Error) {
        let at = self.now();
        self.waiting.remove(slot);
        let Some(attempt) = self.slots.take_parked(slot) else { return };
        let stream = &mut self.streams[attempt.part];
        let event = Event::End { ending: Ending::Other, errno: errno::number(error) };
        self.records.push(Record { load: stream.part.load, attempt: attempt.number, at, event });
        stream.pacing.ended(at, 0);
    }
}
