//! `[target]`: the listeners themselves, their restart included.

use std::time::Duration;

use crate::scenario::at::At;
use crate::scenario::diagnostic::Problems;
use crate::scenario::plan::{Cell, Load, Restart, Serve, Succession, Target, TargetEngine};
use crate::scenario::raw;
use crate::units::Span;

use super::{LONGEST_CELL, number, place, span, surplus};

/// Threads that accept, over all listeners.
const MOST_ACCEPTORS: u16 = 64;
/// The bit of `net.ipv4.tcp_fastopen` that a server needs
/// (`Documentation/networking/ip-sysctl.rst`).
const FAST_OPEN_SERVER: u32 = 2;

/// What is said of the listeners; the rest of the plan has its defaults.
pub(super) fn listening(raw: &raw::Target, problems: &mut Problems) -> Serve {
    let listeners = number("listeners", raw.listeners.as_ref(), 1, 1..=MOST_ACCEPTORS, problems);
    let acceptors = number("acceptors", raw.acceptors.as_ref(), 1, 1..=MOST_ACCEPTORS, problems);
    if let Some(written) = &raw.acceptors
        && listeners.saturating_mul(acceptors) > MOST_ACCEPTORS
    {
        problems.error(
            written.span(),
            format!("{listeners} listeners with {acceptors} acceptors each are too many threads"),
            format!("`listeners` times `acceptors` is at most {MOST_ACCEPTORS}"),
        );
    }
    let queue = raw.fast_open.as_ref();
    Serve {
        listeners,
        acceptors,
        defer_accept: raw.defer_accept.as_ref().map(|defer| {
            let range = Duration::from_millis(1)..=Duration::from_secs(3600);
            let least = Span::from_millis(1000);
            span("defer_accept", Some(defer), least, range, problems)
        }),
        fast_open: queue.map(|_| number("fast_open", queue, 1, 1..=65535, problems)),
        engine: engine(raw, problems),
        reuse_address: raw.reuse_address.as_ref().is_none_or(|reuse| *reuse.get()),
        restart: restart(raw, problems),
        ..Serve::default()
    }
}

fn engine(raw: &raw::Target, problems: &mut Problems) -> TargetEngine {
    let Some(written) = &raw.engine else { return TargetEngine::Auto };
    if *written.get() == TargetEngine::Threads && raw.restart_at.is_some() {
        problems.error(
            written.span(),
            "engine \"threads\" cannot restart: each thread's table has a copy of the listener, \
             which would listen on",
            "write engine = \"io_uring\", or remove `restart_at`",
        );
    }
    *written.get()
}

/// The target's patience with its own close.
pub(super) fn close_delay(raw: &raw::Target, problems: &mut Problems) -> Span {
    let range = Duration::ZERO..=Duration::from_secs(3600);
    span("close_delay", raw.close_delay.as_ref(), Span::default(), range, problems)
}

fn restart(raw: &raw::Target, problems: &mut Problems) -> Option<Restart> {
    let Some(at) = raw.restart_at.as_ref() else {
        surplus(
            &[("restart_gap", place(&raw.restart_gap)), ("hand_over", place(&raw.hand_over))],
            "without `restart_at`",
            |key| format!("remove `{key}`, or say when with restart_at = \"3s\""),
            problems,
        );
        return None;
    };
    let gap_range = Duration::ZERO..=Duration::from_secs(3600);
    let gap = span("restart_gap", raw.restart_gap.as_ref(), Span::default(), gap_range, problems);
    let hand_over = raw.hand_over.as_ref().is_some_and(|hand_over| *hand_over.get());
    if let (true, false, Some(written)) = (hand_over, gap.is_zero(), &raw.restart_gap) {
        problems.error(
            written.span(),
            "a hand-over has no gap: the new listeners are there before the old ones go",
            "remove `restart_gap`, or `hand_over`",
        );
    }
    let at = span("restart_at", Some(at), Span::default(), Duration::ZERO..=LONGEST_CELL, problems);
    let succession = if hand_over { Succession::HandOver } else { Succession::Gap(gap) };
    Some(Restart { at, succession })
}

/// Tells what can have no effect in this cell.
pub(super) fn notices(raw: Option<&At<raw::Target>>, cell: &Cell, problems: &mut Problems) {
    let (Some(raw), Target::Own { serve, .. }) = (raw.map(At::get), &cell.target) else { return };
    let end = |load: &Load| load.start.get().saturating_add(load.schedule.window().get());
    let last = cell.loads.iter().map(end).max().map(Span::from);
    if let (Some(restart), Some(written), Some(last)) = (serve.restart, &raw.restart_at, last)
        && restart.at >= last
    {
        problems.notice(
            written.span(),
            format!(
                "the restart comes when no attempt is started any more: the loads end at {last}"
            ),
            "write an earlier `restart_at`, or longer loads",
        );
    }
    let allowed = cell.lab.sysctl.iter().find(|(key, _)| key == "net.ipv4.tcp_fastopen");
    let allowed = allowed.and_then(|(_, value)| value.trim().parse().ok()).unwrap_or(1u32);
    if let (Some(written), 0) = (&raw.fast_open, allowed & FAST_OPEN_SERVER) {
        problems.notice(
            written.span(),
            "the kernel lets no server use TCP Fast Open unless it is told to",
            "add net.ipv4.tcp_fastopen = 3 to [lab.sysctl]",
        );
    }
}
