//! A client that believes to be connected while its final ACK met a full accept queue.
//!
//! Whatever it sends is another try: the kernel makes the connection of the first packet that
//! finds a place (`net/ipv4/tcp_minisocks.c`, `tcp_check_req`), or of the first byte where the
//! handshake was by SYN cookie (`net/ipv4/syncookies.c`). Linux only.

use super::model::{Model, Stream};
use super::retries::{TICK, synack_wait};

/// From the end of a handshake to what the client sends next, in nanoseconds: a wake-up.
const WAKE: u64 = 300_000;
/// The first wait for an acknowledgement: `TCP_RTO_MIN` and a short round trip.
pub const RESEND: u64 = 51 * TICK;
/// That of the tail loss probe, where two packets are out (`tcp_schedule_loss_probe`); of a single
/// one an acknowledgement may be delayed, so that it is [`RESEND`].
const PROBE: u64 = 2 * TICK;
/// `tcp_synack_retries` of every kernel that is not told otherwise.
const SYNACK_RETRIES: u32 = 5;

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Next {
    /// The final ACK of the handshake.
    FinalAck,
    /// Its first bytes, and its FIN where it closes at once.
    First,
    /// The last packet once more, or one that was not sent yet (RFC 8985, tail loss probe).
    Probe,
    /// The first packet again, after a wait of so many nanoseconds.
    Resent(u64),
    /// The target sends its SYN-ACK again.
    SynAck,
    /// It answers that.
    AckAgain,
    /// Its FIN, where that does not come with its bytes.
    Fin,
    /// Its RST.
    Reset,
}

/// When that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// When a timer of the kernel runs out that is set now for so many nanoseconds.
    Timer(u64),
    /// When its program does it, so many nanoseconds from now.
    Program(u64),
    /// As soon as it has the packet that it answers.
    Answer,
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
    /// Whether it may have one packet on its way only: its SYN was lost more than once
    /// (`tcp_init_transfer`).
    careful: bool,
    /// How long it waits for an acknowledgement at first, in nanoseconds.
    timeout: u64,
    /// SYN-ACKs that were sent again.
    resent: u32,
    over: bool,
}

impl HalfOpen {
    /// SYN `tries` (0: the first one) of a client was answered at `since`, with a request `kept` or by
    /// cookie; for an acknowledgement it waits `timeout` nanoseconds at first.
    pub fn new(
        (since, tries): (u64, u32),
        (stream, listener): (usize, usize),
        kept: bool,
        timeout: u64,
    ) -> Self {
        let careful = tries > 1;
        Self { since, stream, listener, kept, careful, timeout, resent: 0, over: false }
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

    /// Whether the target makes the connection of this, if there is a place.
    pub fn opens(&self, next: Next, stream: &Stream) -> bool {
        !matches!(next, Next::Reset | Next::SynAck) && !self.is_unknown(next, stream)
    }

    /// Whether this is answered by RST: of a cookie the kernel knows only the first byte, and what
    /// is behind it belongs to no connection.
    fn is_unknown(&self, next: Next, stream: &Stream) -> bool {
        let fin = next == Next::Fin || (next == Next::Probe && self.probes_by_fin(stream));
        !self.kept && stream.speaks && fin
    }

    fn probes_by_fin(&self, stream: &Stream) -> bool {
        stream.closes() == Some(0)
    }

    /// What comes after this has found no place at `at`; `None` where the connection is lost.
    pub fn follow(&mut self, at: u64, done: Next, stream: &Stream) -> Option<Vec<(When, Next)>> {
        let lost = done == Next::Reset || self.is_unknown(done, stream);
        if lost || at >= self.since.saturating_add(stream.timeout.max(stream.lasts())) {
            return None;
        }
        Some(match done {
            Next::FinalAck => self.begin(stream),
            Next::First => {
                let two = self.probes_by_fin(stream) && !self.careful;
                vec![(When::Timer(if two { PROBE } else { RESEND }), Next::Probe)]
            }
            Next::Fin if !stream.speaks => vec![(When::Timer(RESEND), Next::Probe)],
            Next::Probe => vec![(When::Timer(self.timeout), Next::Resent(self.timeout))],
            Next::Resent(waited) => {
                let wait = waited.saturating_mul(2);
                vec![(When::Timer(wait), Next::Resent(wait))]
            }
            Next::SynAck => {
                self.resent += 1;
                let again = (When::Timer(synack_wait(self.resent)), Next::SynAck);
                vec![(When::Answer, Next::AckAgain), again]
            }
            Next::AckAgain | Next::Fin | Next::Reset => Vec::new(),
        })
    }

    /// Everything that follows an ignored final ACK.
    fn begin(&self, stream: &Stream) -> Vec<(When, Next)> {
        let awake = |later: u64| When::Program(WAKE.saturating_add(later));
        let mut next = Vec::new();
        if self.kept {
            next.push((When::Timer(synack_wait(0)), Next::SynAck));
        }
        if stream.speaks {
            next.push((awake(0), Next::First));
        }
        match stream.closes() {
            Some(hold) if stream.patience < u64::MAX => next.push((awake(hold), Next::Reset)),
            // The FIN of a careful client has to wait behind its bytes, and all are careful once
            // their bytes had to be sent again.
            Some(hold) if stream.speaks && (self.careful || hold >= RESEND) => {}
            Some(hold) => next.push((awake(hold), Next::Fin)),
            None => {}
        }
        next
    }
}
