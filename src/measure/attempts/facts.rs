//! What is known of one attempt, and what follows from it.

use super::evidence::Evidence;
use super::losses::PacketFate;
use crate::measure::classes::{Class, NetworkLosses};
use crate::measure::held::Held;
use crate::measure::outcome::{Ending, Outcome};
use crate::measure::record::{Event, Record};

/// What takes less, in nanoseconds, held nobody up: the wake-up of a process on a busy machine takes
/// as long.
const SLOW: u64 = 1_000_000;
/// What takes longer, in nanoseconds, matters more than how the handshake was made.
const SERIOUS: u64 = 50_000_000;
/// Shortest time after which a kernel sends data again (`TCP_RTO_MIN`, `include/net/tcp.h`).
const SHORTEST_RESEND: u64 = 200_000_000;

/// One attempt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Facts {
    /// Index of its load.
    pub load: u16,
    /// When the schedule wanted it.
    pub intended: u64,
    /// When `connect()` was called.
    pub issued: u64,
    /// When it was established, or failed.
    pub at: u64,
    /// The kernel's SYN to SYN-ACK time, in nanoseconds; 0 where unknown.
    pub rtt: u64,
    /// SYN retransmits.
    pub retransmits: u8,
    /// How connecting ended.
    pub outcome: Outcome,
    /// When its first reply was whole, where that was wanted with the connection.
    pub replied: Option<u64>,
    /// Segments sent again between establishment and that reply.
    pub resent: u8,
    /// When and how the established connection ended at the client.
    pub end: Option<(u64, Ending)>,
    /// What the target says of it.
    pub held: Option<Held>,
}

impl Facts {
    /// Those of an attempt whose connecting has ended; `None` for another record.
    pub fn of(record: &Record) -> Option<Self> {
        let Event::Connect { intended, issued, kernel_rtt_us, retransmits, outcome, .. } =
            record.event
        else {
            return None;
        };
        Some(Self {
            load: record.load,
            intended,
            issued,
            at: record.at,
            rtt: u64::from(kernel_rtt_us) * 1000,
            retransmits,
            outcome,
            replied: None,
            resent: 0,
            end: None,
            held: None,
        })
    }

    /// A whole reply came.
    pub fn replied_to(&mut self, intended: u64, at: u64, resent: u8) {
        if self.replied.is_none() && intended == self.intended {
            (self.replied, self.resent) = (Some(at), resent);
        }
    }

    /// From the intended instant to the first whole reply, or where none was wanted to the end of
    /// connecting, or until it failed.
    pub fn latency(&self) -> u64 {
        self.over().saturating_sub(self.intended)
    }

    fn over(&self) -> u64 {
        self.replied.or(self.broke()).unwrap_or(self.at)
    }

    /// When an established connection failed.
    fn broke(&self) -> Option<u64> {
        let planned = |ending| matches!(ending, Ending::Done | Ending::Cut | Ending::Vanished);
        self.end.filter(|(_, ending)| !planned(*ending)).map(|(at, _)| at)
    }

    /// When it came out of the accept queue, were it at the end of the run.
    fn accepted(&self) -> u64 {
        self.held.map_or(self.at, |held| held.at.max(self.at))
    }

    /// Its class where the attempt itself tells it.
    pub fn plain(&self, named: bool) -> Option<Class> {
        match self.outcome {
            Outcome::Ok | Outcome::OkRetried => {
                let troubled = self.retransmits > 0
                    || self.resent > 0
                    || named && self.held.is_none_or(|held| held.retransmits > 0);
                // What a target that names nobody held up, its queue tells.
                let untold = !named && self.latency() >= SLOW;
                (!troubled && !untold).then(|| self.by_time(0.0))
            }
            Outcome::HalfOpen => Some(Class::HalfOpen),
            Outcome::Refused if self.retransmits == 0 => Some(Class::Refused),
            Outcome::Again => Some(Class::NoPlace),
            Outcome::NoPort => Some(Class::NoPort),
            Outcome::NoFd | Outcome::NoBuffer => Some(Class::Generator),
            Outcome::Unreachable if self.retransmits == 0 => Some(Class::NetworkLoss),
            Outcome::Cut if self.lost_syns() == 0 => Some(Class::Cut),
            Outcome::Cut
            | Outcome::Timeout
            | Outcome::Reset
            | Outcome::Other
            | Outcome::Refused
            | Outcome::Unreachable => None,
        }
    }

    /// SYNs that brought nothing, as far as the client knows.
    pub fn lost_syns(&self) -> usize {
        let sent = usize::from(self.retransmits);
        match self.outcome {
            Outcome::Timeout => sent + 1,
            // The last one may still be on its way, or none was ever sent.
            Outcome::Cut | Outcome::Other => {
                sent + usize::from(self.at.saturating_sub(self.issued) >= SLOW)
            }
            // Their last one was answered, or never sent.
            _ => sent,
        }
    }

    /// Its class when the whole cell is known, and what became of its packets.
    pub fn judged(&self, named: bool, fate: PacketFate, evidence: &Evidence) -> Class {
        if let Some(class) = self.plain(named) {
            return class;
        }
        let cause = fate.lost_by;
        match self.outcome {
            Outcome::Refused => return Class::Refused,
            Outcome::Unreachable => return Class::NetworkLoss,
            _ if !self.outcome.established() => {
                return cause.unwrap_or_else(|| self.reset(evidence));
            }
            _ if named && self.held.is_none() => {
                let never = self.never_held(fate.closed_upon, evidence);
                return never.or(cause).unwrap_or(Class::Unexplained);
            }
            _ => {}
        }
        let retried = cause.map(|cause| (self.at.saturating_sub(self.issued), cause));
        let unheard = self.unheard(evidence);
        let worst = retried.into_iter().chain(unheard).max_by_key(|(time, _)| *time);
        worst.map_or_else(|| self.by_time(evidence.queue_at(self.at)), |(_, class)| class)
    }

    /// The kind of packet of which the network took one first, where it took any.
    pub fn lost_packet<'n>(&self, fate: PacketFate, of: &'n mut NetworkLosses) -> &'n mut u64 {
        let answered_again = self.held.is_some_and(|held| held.retransmits > 0);
        match fate.lost_by {
            Some(Class::NetworkLoss) => &mut of.syn,
            _ if !self.outcome.established() => &mut of.syn,
            // The target sends its SYN+ACK again until the ACK of it, or data, comes through.
            _ if answered_again || self.held.is_none() && self.resent == 0 => &mut of.ack,
            _ => &mut of.data,
        }
    }

    /// By what took longest, where every packet arrived. `queue` is the length of the accept queue
    /// around it, for what no target names.
    fn by_time(&self, queue: f64) -> Class {
        let service = self.at.saturating_sub(self.issued);
        let observed = if self.rtt > 0 { service.saturating_sub(self.rtt) } else { 0 };
        let generator = self.issued.saturating_sub(self.intended) + observed;
        let accepted = self.accepted();
        let waited = accepted.saturating_sub(self.at);
        let rest = self.over().saturating_sub(accepted);
        // AF_UNIX, which has no handshake: whoever waits for a place does so in connect().
        let (waited, rest) = match self.held {
            None if self.rtt == 0 => (waited + service, rest),
            None if queue >= 1.0 => (waited + rest, 0),
            _ => (waited, rest),
        };
        let longest = generator.max(waited).max(rest);
        let by_cookie = self.held.is_some_and(|held| held.by_cookie);
        match longest {
            _ if by_cookie && longest < SERIOUS => Class::Cookie,
            0..SLOW => Class::Clean,
            _ if longest == waited => Class::Queued,
            _ if longest == rest => Class::Service,
            _ => Class::Generator,
        }
    }

    /// Established at the client, and later than that at the target: how much later, and why.
    fn unheard(&self, evidence: &Evidence) -> Option<(u64, Class)> {
        let late = self.accepted().saturating_sub(self.at);
        let answered_again = self.held.is_some_and(|held| held.retransmits > 0);
        // Data that was sent again completes a handshake, too.
        let resent = self.resent > 0 && (late >= SHORTEST_RESEND / 2 || self.held.is_none());
        if !answered_again && !resent {
            return (self.resent > 0 && evidence.lost_on_the_way() > 0)
                .then(|| (self.over().saturating_sub(self.at), Class::NetworkLoss));
        }
        let class = if evidence.overflows(self.at, self.at) > 0 {
            Class::AckDropped
        } else if evidence.lost_on_the_way() > 0 || evidence.network {
            Class::NetworkLoss
        } else {
            Class::Unexplained
        };
        Some((late, class))
    }

    /// Established at the client, and never at the target.
    fn never_held(&self, closed_upon: bool, evidence: &Evidence) -> Option<Class> {
        if closed_upon {
            return Some(Class::ListenerClosed);
        }
        if evidence.overflows(self.at, self.at) > 0 {
            let class = if evidence.aborts { Class::OverflowReset } else { Class::AckDropped };
            return Some(class);
        }
        if evidence.cookies_failed > 0 {
            return Some(Class::Cookie);
        }
        if evidence.defers {
            return Some(self.by_time(0.0));
        }
        (evidence.lost_on_the_way() > 0 || evidence.network).then_some(Class::NetworkLoss)
    }

    /// Reset before it was established.
    fn reset(&self, evidence: &Evidence) -> Class {
        match self.outcome {
            Outcome::Reset if !evidence.closes.is_empty() => Class::ListenerClosed,
            Outcome::Reset if evidence.aborts && evidence.overflows(self.issued, self.at) > 0 => {
                Class::OverflowReset
            }
            _ => Class::Unexplained,
        }
    }
}
