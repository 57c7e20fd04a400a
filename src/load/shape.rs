//! What a schedule is: open loop (a shape of arrivals) or closed loop (clients that take turns).

use serde::{Deserialize, Serialize};

use crate::units::{Rate, Span};

/// When the attempts of one load are wanted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "loop")]
pub enum Schedule {
    /// Attempts have intended instants of their own, whatever the target does.
    Open {
        /// How the arrivals lie in time.
        shape: Shape,
        /// No attempt is intended at or after this offset.
        window: Span,
        /// At most this many attempts; `None` leaves the number to shape and window.
        attempts: Option<u64>,
    },
    /// Each of `clients` starts its next attempt `think` after its last one ended. Queueing at
    /// the target slows such a load down, so that it hides what it should measure.
    Closed {
        /// Clients that take turns, each with one attempt at a time.
        clients: u32,
        /// Pause between the end of an attempt and the next one's intended instant.
        think: Span,
        /// No attempt is started at or after this offset.
        window: Span,
        /// At most this many attempts over all clients.
        attempts: Option<u64>,
    },
}

impl Schedule {
    /// Offset from the load's start at which it wants no more attempts.
    pub fn window(&self) -> Span {
        match self {
            Self::Open { window, .. } | Self::Closed { window, .. } => *window,
        }
    }
}

/// How the arrivals of an open loop lie in time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "shape")]
pub enum Shape {
    /// One arrival every `1 / rate`, the first at offset 0.
    Constant {
        /// Arrivals a second.
        rate: Rate,
    },
    /// A Poisson process: independent, exponentially distributed gaps of mean `1 / rate`.
    Poisson {
        /// Mean arrivals a second.
        rate: Rate,
    },
    /// The rate moves linearly from `from` to `to` over the window.
    Ramp {
        /// Rate at offset 0.
        from: Rate,
        /// Rate at the window's end.
        to: Rate,
    },
    /// Constant rates, one after the other.
    Step {
        /// The stages in their order; the window is the sum of their spans.
        stages: Vec<Stage>,
    },
    /// `size` arrivals at once, every `every`.
    Burst {
        /// Arrivals at one instant.
        size: u64,
        /// From one burst to the next.
        every: Span,
    },
}

/// One constant part of [`Shape::Step`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// Arrivals a second.
    pub rate: Rate,
    /// How long this rate holds.
    pub span: Span,
}
