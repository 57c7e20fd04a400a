//! The life of an attempt in the hot loop: from its first look at the connection to its being
//! established, or not.

use std::io;

use super::Way;
use super::reactor::{Dialed, Interest, Reactor, Watch};
use super::slots::Phase;
use super::waiting::Slot;
use super::worker::{BACK_OFF, Worker};
use crate::measure::greeting::Greeting;
use crate::measure::held::Peer;
use crate::measure::{Ending, Event, Outcome, Record};
use crate::sys::clock;
use crate::sys::errno;
use crate::sys::socket::local_peer;
use crate::sys::standing::Standing;
use crate::sys::tcp_info::TcpInfo;

/// The class of an established attempt.
fn success(early: usize, info: &TcpInfo) -> Outcome {
    if syn_retransmits(early, info) > 0 { Outcome::OkRetried } else { Outcome::Ok }
}

/// SYNs that were sent again. Of `early` bytes that went with the SYN and were not taken, the
/// kernel counts the second sending as a retransmit.
fn syn_retransmits(early: usize, info: &TcpInfo) -> u8 {
    info.retransmits().saturating_sub(u8::from(early > 0 && !info.syn_data_acked()))
}

impl<R: Reactor> Worker<R> {
    /// Starts connecting.
    ///
    /// # Errors
    /// How connecting failed at once; the attempt is still in its place then.
    pub(super) fn dial(&mut self, slot: Slot) -> io::Result<()> {
        let token = self.slots.token(slot);
        let Some(attempt) = self.slots.get(slot) else { return Ok(()) };
        let part = &self.streams[attempt.part].part;
        let dialed = match part.connects_by_itself() {
            true => {
                attempt.early = part.connect(&attempt.socket)?;
                Dialed::Called
            }
            false => self.reactor.dial(&part.way, &attempt.socket, token)?,
        };
        match dialed {
            Dialed::Called => {
                let info = part.way.look(&attempt.socket)?;
                self.connecting(slot, &info, 0);
            }
            Dialed::Queued => {
                attempt.watch = Watch::Dialing;
                self.waiting.push(attempt.part * 2, slot, attempt.issued + part.timeout);
            }
        }
        Ok(())
    }

    /// Looks how far a connection is. On one host the handshake is often over when `connect()`
    /// returns, although it says EINPROGRESS: asking the kernel saves a wait for the event.
    /// `errno` says how it failed, where that is known already.
    pub(super) fn connecting(&mut self, slot: Slot, info: &TcpInfo, errno: i32) {
        match info.standing() {
            Standing::Established => self.established(slot, info),
            Standing::Closed => {
                let number = match errno {
                    0 => self.pending_error(slot),
                    known => known,
                };
                // Only a handshake sets it, and the end of the connection leaves it: established,
                // and reset before anybody looked.
                if info.rtt_us() > 0 {
                    let class = self.class(slot, info);
                    let at = self.record_connect(slot, class, 0, Some(info));
                    return self.end_at(slot, at, errno::ending(number), number);
                }
                self.connect_failed(slot, errno::outcome(number), number, Some(info));
            }
            Standing::Connecting => {
                let Some(attempt) = self.slots.get(slot) else { return };
                let (index, issued) = (attempt.part, attempt.issued);
                let part = &self.streams[index].part;
                match part.way {
                    Way::Whole(_) => {
                        let deadline = issued + part.timeout;
                        self.watch(slot, Interest::Room);
                        self.waiting.push(index * 2, slot, deadline);
                    }
                    // No event will ever tell of it.
                    Way::Half(_, hold) => self.waiting.push(index * 2 + 1, slot, issued + hold),
                }
            }
        }
    }

    /// Why the kernel closed a connection.
    fn pending_error(&mut self, slot: Slot) -> i32 {
        let error = self.slots.get(slot).and_then(|a| a.socket.take_error().ok().flatten());
        error.map_or(libc::ECONNABORTED, |error| errno::number(&error))
    }

    /// The class of the established attempt in a place.
    pub(super) fn class(&mut self, slot: Slot, info: &TcpInfo) -> Outcome {
        success(self.slots.get(slot).map_or(0, |attempt| attempt.early), info)
    }

    /// Records how connecting ended; the instant of it.
    pub(super) fn record_connect(
        &mut self,
        slot: Slot,
        outcome: Outcome,
        errno: i32,
        info: Option<&TcpInfo>,
    ) -> u64 {
        let at = self.now();
        if let Some(attempt) = self.slots.get(slot) {
            // Only who is established can be found at the target.
            let peer = match self.names && outcome.established() {
                true => local_peer(&attempt.socket),
                false => Peer::UNKNOWN,
            };
            let event = Event::Connect {
                intended: attempt.intended,
                issued: attempt.issued,
                kernel_rtt_us: info.map_or(0, TcpInfo::rtt_us),
                retransmits: info.map_or(0, |info| syn_retransmits(attempt.early, info)),
                syn_data: info.is_some_and(TcpInfo::syn_data_acked),
                peer,
                outcome,
                errno,
            };
            let load = self.streams[attempt.part].part.load;
            self.records.push(Record { load, attempt: attempt.number, at, event });
        }
        at
    }

    fn established(&mut self, slot: Slot, info: &TcpInfo) {
        let class = self.class(slot, info);
        let at = self.record_connect(slot, class, 0, Some(info));
        let Some(attempt) = self.slots.get(slot) else { return };
        let part = &self.streams[attempt.part].part;
        if part.script.closes_at_once() {
            return self.end_at(slot, at, Ending::Done, 0);
        }
        let greeting = Greeting {
            run: self.run,
            client: u64::from(part.load) << 48 | attempt.number & ((1 << 48) - 1),
            monotonic: self.epoch + at,
            realtime: if part.script.greets() { clock::realtime() } else { 0 },
        };
        let mut progress = part.script.begin(&greeting, attempt.number);
        if attempt.early > 0 {
            part.script.sent(&mut progress, attempt.early);
        }
        attempt.phase = Phase::Open {
            progress,
            intended: attempt.intended,
            issued: attempt.issued,
            retransmits: info.retransmits(),
            pausing: false,
            timed: false,
            fin: None,
        };
        self.drive(slot);
    }

    pub(super) fn connect_failed(
        &mut self,
        slot: Slot,
        outcome: Outcome,
        errno: i32,
        info: Option<&TcpInfo>,
    ) {
        let at = self.record_connect(slot, outcome, errno, info);
        let wait = match outcome {
            Outcome::NoPort | Outcome::NoBuffer | Outcome::Unreachable => BACK_OFF,
            _ => 0,
        };
        self.release(slot, at, wait);
    }
}
