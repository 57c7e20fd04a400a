//! Client kind `connect`: connect, say who one is if asked to, hold, close.

use super::{Progress, Stage, Want};

/// See [`crate::scenario::plan::Client::Connect`].
#[derive(Debug, Clone)]
pub struct Connect {
    /// Nanoseconds for which the connection is held.
    pub(super) hold: u64,
    pub(super) greet: bool,
    /// Whether the target closes first, which is then waited for.
    pub(super) target_closes: bool,
}

impl Connect {
    pub(super) fn new(hold: u64, greet: bool, target_closes: bool) -> Self {
        Self { hold, greet, target_closes }
    }

    pub(super) fn sending<'a>(&self, progress: &'a Progress) -> Want<'a> {
        if self.greet && progress.sent < progress.greeting.len() {
            Want::Send(&progress.greeting[progress.sent..], &[])
        } else {
            self.after_greeting()
        }
    }

    pub(super) fn sent(&self, progress: &mut Progress) {
        if progress.sent >= progress.greeting.len() {
            progress.stage = match self.after_greeting() {
                Want::Pause(_) => Stage::Pausing,
                Want::Receive => Stage::AwaitingClose,
                _ => Stage::Over,
            };
        }
    }

    pub(super) fn resumed(&self, progress: &mut Progress) {
        progress.stage = if self.target_closes { Stage::AwaitingClose } else { Stage::Over };
    }

    fn after_greeting(&self) -> Want<'static> {
        match (self.hold, self.target_closes) {
            (0, false) => Want::Nothing,
            (0, true) => Want::Receive,
            (hold, _) => Want::Pause(hold),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Arrived, Script};
    use super::*;
    use crate::measure::greeting::{Greeting, LENGTH};

    const GREETING: Greeting = Greeting { run: 1, client: 2, monotonic: 3, realtime: 4 };

    fn begin(hold: u64, greet: bool, target_closes: bool) -> (Script, Progress) {
        (Script::Connect(Connect::new(hold, greet, target_closes)), Progress::new(&GREETING))
    }

    #[test]
    fn the_plainest_client_closes_at_once() {
        let (script, progress) = begin(0, false, false);
        assert!(script.closes_at_once());
        assert_eq!(script.want(&progress), Want::Nothing);
    }

    #[test]
    fn a_greeting_may_take_several_writes() {
        let (script, mut progress) = begin(5, true, false);
        script.sent(&mut progress, 10);
        assert_eq!(script.want(&progress), Want::Send(&GREETING.encode()[10..], &[]));
        script.sent(&mut progress, LENGTH - 10);
        assert_eq!(script.want(&progress), Want::Pause(5));
        script.resumed(&mut progress);
        assert_eq!(script.want(&progress), Want::Nothing);
    }

    #[test]
    fn a_close_while_holding_is_early_unless_it_was_expected() {
        let (script, mut progress) = begin(5, false, false);
        assert_eq!(script.closed(&mut progress), Arrived::Early);
        let (script, mut progress) = begin(5, false, true);
        assert_eq!(script.closed(&mut progress), Arrived::Part);
        assert_eq!(script.want(&progress), Want::Nothing);
    }

    #[test]
    fn the_targets_close_is_waited_for() {
        let (script, progress) = begin(0, false, true);
        assert_eq!(script.want(&progress), Want::Receive);
    }
}
