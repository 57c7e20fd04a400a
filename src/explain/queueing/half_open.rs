//! A client that believes to be connected while its final ACK met a full accept queue.
//!
//! Whatever it sends is another try: the kernel makes the connection of the first packet that
//! finds a place (`net/ipv4/tcp_minisocks.c`, `tcp_check_req`), or of the first byte where the
//! handshake was by SYN cookie (`net/ipv4/syncookies.c`). Linux only.

use super::model::{Model, Stream};
use super::retries::{TICK, Wheel, synack_wait};

/// From the end of a handshake to what the client sends next, in nanoseconds: a wake-up.
const WAKE: u64 = 300_000;
/// The first wait for an acknowledgement of data: `TCP_RTO_MIN` and a short round trip.
const RESEND: u64 = 51 * TICK;
/// That of the tail loss probe, where two packets are out (`tcp_schedule_loss_probe`).
const PROBE: u64 = 2 * TICK;
/// `tcp_synack_retries` of every kernel that is not told otherwise.
const SYNACK_RETRIES: u32 = 5;

/// What comes next; of one instant in this order. A final ACK is one round trip behind what a
/// timer of its client sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Next {
    /// Its first bytes, and its FIN where it closes at once.
    First,
    /// The last packet once more (RFC 8985, tail loss probe).
    Probe,
    /// The first packet again, after a wait of so many nanoseconds.
    Resent(u64),
    /// The target sends its SYN-ACK again, and the client answers.
    SynAck,
    /// Its FIN, some time after its bytes.
    Fin,
    /// Its RST.
    Reset,
    /// The final ACK of the handshake.
    FinalAck,
}

/// One such client.
#[derive(Debug, Clone, Copy)]
pub struct HalfOpen {
    /// Since when it believes to be connected, in nanoseconds.
    pub since: u64,
    /// Its stream.
    pub stream: usize,
    /// Its listener.
    pub listener: usize,
    /// Whether the target keeps a request of it; else it got a cookie.
    kept: bool,
    /// SYN-ACKs that were sent again.
    resent: u32,
    over: bool,
}

impl HalfOpen {
    /// A SYN was answered at `since`, with a request kept or by cookie.
    pub fn new(since: u64, stream: usize, listener: usize, kept: bool) -> Self {
        Self { since, stream, listener, kept, resent: 0, over: false }
    }

    /// Whether it is half-open no more.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// It is half-open no more.
    pub fn end(&mut self) {
        (self.over, self.kept) = (true, false);
    }

    /// Whether the target keeps a request of it.
    pub fn is_kept(&self) -> bool {
        self.kept
    }

    /// Whether its request is there without a SYN-ACK sent again.
    pub fn is_young(&self) -> bool {
        self.kept && self.resent == 0
    }

    /// Whether its request is given up instead of having its SYN-ACK sent again. Old ones are
    /// sooner, where the SYN queue is more than half full (`inet_connection_sock.c`,
    /// `reqsk_timer_handler`).
    pub fn expires(&self, young: u64, all: u64, model: &Model) -> bool {
        let mut most = SYNACK_RETRIES;
        if all * 2 > model.places.saturating_sub(1).max(8) {
            let mut young = young * 2;
            while most > 2 && all >= young {
                (most, young) = (most - 1, young * 2);
            }
        }
        self.resent >= most
    }

    /// What found no place at `at`; what comes next and when. `None` where the connection is lost.
    pub fn follow(
        &mut self,
        at: u64,
        done: Next,
        stream: &Stream,
        wheel: Wheel,
    ) -> Option<Vec<(u64, Next)>> {
        // Of a cookie the kernel knows only the first byte: a FIN behind it is answered by RST.
        let lost = done == Next::Reset || (!self.kept && done == Next::Fin && stream.speaks);
        if lost || at >= self.since.saturating_add(stream.timeout.max(stream.lasts())) {
            return None;
        }
        Some(match done {
            Next::FinalAck => self.begin(at, stream, wheel),
            Next::Resent(waited) => {
                let wait = waited.saturating_mul(2);
                vec![(wheel.expiry(at, wait), Next::Resent(wait))]
            }
            Next::SynAck => {
                self.resent += 1;
                vec![(wheel.expiry(at, synack_wait(self.resent)), Next::SynAck)]
            }
            Next::Fin if !stream.speaks => vec![(wheel.expiry(at, RESEND), Next::Resent(RESEND))],
            Next::First | Next::Probe | Next::Fin | Next::Reset => Vec::new(),
        })
    }

    /// Everything that follows an ignored final ACK.
    fn begin(&self, at: u64, stream: &Stream, wheel: Wheel) -> Vec<(u64, Next)> {
        let mut next = Vec::new();
        let awake = at + WAKE;
        if stream.speaks {
            next.push((awake, Next::First));
            next.push((wheel.expiry(awake, RESEND), Next::Resent(RESEND)));
        }
        if self.kept {
            next.push((wheel.expiry(at, synack_wait(0)), Next::SynAck));
        }
        if let Some(hold) = stream.closes() {
            let closing = awake.saturating_add(hold);
            let reset = stream.patience < u64::MAX;
            next.push((closing, if reset { Next::Reset } else { Next::Fin }));
            if stream.speaks && hold == 0 && !reset && self.kept {
                next.push((wheel.expiry(awake, PROBE), Next::Probe));
            }
        }
        next
    }
}
