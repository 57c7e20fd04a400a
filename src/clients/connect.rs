//! Client kind `connect`: connect, say who one is if asked to, hold, close.

use super::{Finish, Progress, Stage, Want};

/// See [`crate::scenario::plan::Client::Connect`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connect {
    /// Nanoseconds for which the connection is held.
    pub(super) hold: u64,
    pub(super) greet: bool,
    /// How it ends.
    pub(super) finish: Finish,
}

impl Connect {
    pub(super) fn sending<'a>(&self, progress: &'a Progress) -> Want<'a> {
        if self.greet && progress.sent < progress.greeting.len() {
            return Want::Send(&progress.greeting[progress.sent..], &[]);
        }
        match self.after_greeting() {
            Stage::Pausing => Want::Pause { time: self.hold, until: u64::MAX },
            Stage::AwaitingClose => Want::Receive,
            Stage::Closing => Want::Shutdown,
            _ => Want::Nothing,
        }
    }

    pub(super) fn sent(&self, progress: &mut Progress) {
        if progress.sent >= progress.greeting.len() {
            progress.stage = self.after_greeting();
        }
    }

    pub(super) fn resumed(&self, progress: &mut Progress) {
        progress.stage = self.after_hold();
    }

    fn after_greeting(&self) -> Stage {
        if self.hold > 0 { Stage::Pausing } else { self.after_hold() }
    }

    /// There is no message behind which FIN could be sent.
    fn after_hold(&self) -> Stage {
        match self.finish {
            Finish::HalfClose => Stage::Closing,
            finish => finish.stage(),
        }
    }
}
