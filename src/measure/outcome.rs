//! The classes into which attempts fall; each ledger is a count for each class.

use serde::{Deserialize, Serialize};

/// Declares a class enum with the names that results use.
macro_rules! classes {
    ($(#[$doc:meta])* $name:ident { $($(#[$class_doc:meta])* $class:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$class_doc])* #[serde(rename = $text)] $class,)+
        }

        impl $name {
            /// Every class, in the order in which reports show them.
            pub const ALL: &'static [Self] = &[$(Self::$class,)+];

            /// The name in results.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$class => $text,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.pad(self.name())
            }
        }
    };
}

classes! {
    /// How an attempt to connect ended, as the client saw it.
    Outcome {
        /// Established with the first SYN. A datagram: sent, and replied to where a reply is due.
        Ok = "ok",
        /// Established after at least one SYN retransmit.
        OkRetried = "ok_retried",
        /// ECONNREFUSED: nobody listens. A datagram: the target's host said so (ICMP).
        Refused = "refused",
        /// ECONNRESET before the connection was established.
        Reset = "reset",
        /// Not established within the load's timeout, or ETIMEDOUT. A datagram: no reply within it.
        Timeout = "timeout",
        /// EHOSTUNREACH or ENETUNREACH.
        Unreachable = "unreachable",
        /// EADDRNOTAVAIL: no local port left.
        NoPort = "no_port",
        /// EMFILE or ENFILE: no descriptor left.
        NoFd = "no_fd",
        /// ENOBUFS or ENOMEM: no memory, or the sending interface's queue was full.
        NoBuffer = "no_buffer",
        /// EAGAIN: an AF_UNIX queue is full, or the sending socket's buffer.
        Again = "again",
        /// Left half-open, as planned: the client never saw the SYN-ACK.
        HalfOpen = "half_open",
        /// Still connecting when the run ended.
        Cut = "cut",
        /// Anything else; the errno is kept.
        Other = "other",
    }
}

impl Outcome {
    /// Whether a connection was established.
    pub const fn established(self) -> bool {
        matches!(self, Self::Ok | Self::OkRetried)
    }

    /// Whether it is neither a connection, nor what was planned, nor cut by the run's end.
    pub const fn failed(self) -> bool {
        !self.established() && !matches!(self, Self::HalfOpen | Self::Cut)
    }

    /// Whether the generator had no descriptor or memory for the attempt, so that the target never
    /// heard of it. (Ports are another matter: running out of them is what some runs are about.)
    pub const fn lacked_means(self) -> bool {
        matches!(self, Self::NoFd | Self::NoBuffer)
    }
}

classes! {
    /// What became of an established connection, as the client saw it.
    Ending {
        /// Held, or exchanged every message, as planned.
        Done = "done",
        /// ECONNRESET or EPIPE before that.
        Reset = "reset",
        /// A reply was not whole within the load's timeout.
        Timeout = "timeout",
        /// The target closed before that.
        Closed = "closed",
        /// Left without a word, or by RST, as planned (`vanish`).
        Vanished = "vanished",
        /// Still going on when the run ended.
        Cut = "cut",
        /// Anything else; the errno is kept.
        Other = "other",
    }
}

impl Ending {
    /// Whether the connection ended before it was done, though neither as planned nor by the run's
    /// end.
    pub const fn failed(self) -> bool {
        matches!(self, Self::Reset | Self::Timeout | Self::Closed | Self::Other)
    }
}

classes! {
    /// What became of a connection in the target's accept queue.
    TargetOutcome {
        /// Returned by `accept()` and alive.
        Accepted = "accepted",
        /// Still in the queue when the run ended.
        QueuedAtEnd = "queued_at_end",
        /// Reset by its client while it waited.
        ResetInQueue = "reset_in_queue",
        /// Reset by the target's kernel, because the target closed the listener: a restart.
        ResetByClose = "reset_by_close",
    }
}

classes! {
    /// How a connection that the target accepted came to its end, as the target saw it.
    TargetEnding {
        /// Both sides closed by FIN.
        Done = "done",
        /// ECONNRESET or EPIPE: the client reset it.
        Reset = "reset",
        /// ETIMEDOUT: the client's host does not answer any more.
        Timeout = "timeout",
        /// Still open when the run ended.
        OpenAtEnd = "open_at_end",
        /// Anything else; the errno is among the client faults.
        Other = "other",
    }
}
