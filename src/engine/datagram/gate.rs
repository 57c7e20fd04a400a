//! What a worker waits for before it closes its streams.

use std::sync::atomic::{AtomicU8, Ordering};

/// Shut until the runner opens it, or gives the run up.
#[derive(Debug, Default)]
pub struct Gate(AtomicU8);

/// What a gate says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// Wait.
    Shut,
    /// Close the streams with their markers.
    Open,
    /// Nobody listens any more: go home.
    Abandoned,
}

const OPEN: u8 = 1;
const ABANDONED: u8 = 2;

impl Gate {
    /// A gate that is shut.
    pub const fn new() -> Self {
        Self(AtomicU8::new(0))
    }

    /// Lets workers close their streams; they notice within some 20 ms.
    pub fn open(&self) {
        // One that was abandoned stays so.
        let _ = self.0.compare_exchange(0, OPEN, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Sends workers home without closing markers, unless it is open.
    pub fn abandon(&self) {
        let _ = self.0.compare_exchange(0, ABANDONED, Ordering::Relaxed, Ordering::Relaxed);
    }

    pub(super) fn sign(&self) -> Sign {
        match self.0.load(Ordering::Relaxed) {
            OPEN => Sign::Open,
            ABANDONED => Sign::Abandoned,
            _ => Sign::Shut,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runner_that_goes_abandons_only_what_is_shut() {
        let gate = Gate::new();
        assert_eq!(gate.sign(), Sign::Shut);
        gate.abandon();
        assert_eq!(gate.sign(), Sign::Abandoned);
        gate.open();
        assert_eq!(gate.sign(), Sign::Abandoned);
        let gate = Gate::new();
        gate.open();
        gate.abandon();
        assert_eq!(gate.sign(), Sign::Open);
    }
}
