//! A restart of the target: its listeners are closed, and others take their places. What that
//! does to those who wait is counted.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::Socket;

use super::door::Door;
use crate::measure::result::RestartResult;
use crate::observe::counters::Watch;
use crate::observe::listen::Diag;
use crate::scenario::plan::{Restart, Succession};
use crate::sys::deaf::deafen;
use crate::sys::tcp_info::TcpInfo;
use crate::sys::{clock, errno, listener};

/// From one try to listen to the next, in nanoseconds.
const RETRY: u64 = 20_000_000;

/// A thread that restarts the target at its time.
#[derive(Debug)]
pub struct Restarter {
    thread: JoinHandle<Option<RestartResult>>,
    /// Dropped to end it.
    life: Sender<()>,
}

impl Restarter {
    /// Waits for `restart` of `door`; the schedule starts at `epoch`, CLOCK_MONOTONIC in
    /// nanoseconds.
    ///
    /// # Errors
    /// Of thread creation.
    pub fn start(door: &Arc<Door>, restart: Restart, epoch: u64) -> io::Result<Self> {
        let (life, ends) = mpsc::channel();
        let door = Arc::clone(door);
        let when = Time { epoch, ends };
        let thread = std::thread::Builder::new()
            .name("restart".to_owned())
            .spawn(move || run(&door, restart, &when))?;
        Ok(Self { thread, life })
    }

    /// Ends it; what it did, if its time came. Acceptors must still be at work: it waits for them
    /// to let go of a listener.
    pub fn finish(self) -> Option<RestartResult> {
        drop(self.life);
        self.thread.join().ok().flatten()
    }
}

/// Time since the schedule's start, and its end.
struct Time {
    epoch: u64,
    ends: Receiver<()>,
}

impl Time {
    fn now(&self) -> u64 {
        clock::monotonic().saturating_sub(self.epoch)
    }

    /// Sleeps; `None` where the target ends before.
    fn sleep_until(&self, at: u64) -> Option<()> {
        let left = (self.epoch + at).saturating_sub(clock::monotonic());
        match self.ends.recv_timeout(Duration::from_nanos(left)) {
            Err(RecvTimeoutError::Timeout) => Some(()),
            _ => None,
        }
    }
}

fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

fn run(door: &Door, restart: Restart, time: &Time) -> Option<RestartResult> {
    clock::tighten_timer_slack();
    time.sleep_until(restart.at.nanos())?;
    let mut result = RestartResult { at_s: seconds(restart.at.nanos()), ..Default::default() };
    match restart.succession {
        Succession::HandOver => {
            if let Some(new) = listen(door, time, &mut result) {
                let old = door.replace(new);
                close(old, door, &mut result);
                result.closed_at_s = Some(seconds(time.now()));
                result.gap_s = Some(0.0);
            }
        }
        Succession::Gap(gap) => {
            let old = door.replace(Vec::new());
            close(old, door, &mut result);
            let closed = time.now();
            result.closed_at_s = Some(seconds(closed));
            if time.sleep_until(closed + gap.nanos()).is_some()
                && let Some(new) = listen(door, time, &mut result)
            {
                door.replace(new);
                result.gap_s = result.listening_at_s.map(|at| at - seconds(closed));
            }
        }
    }
    Some(result)
}

/// Listens as soon as the kernel lets it; `None` where the target ends before.
fn listen(door: &Door, time: &Time, result: &mut RestartResult) -> Option<Vec<Socket>> {
    loop {
        match door.listen_anew() {
            Ok(new) => {
                result.listening_at_s = Some(seconds(time.now()));
                return Some(new);
            }
            Err(error) => {
                *result.errors.entry(errno::error_name(&error)).or_default() += 1;
                time.sleep_until(time.now() + RETRY)?;
            }
        }
    }
}

/// Closes listeners from which nobody accepts any more, and counts what waits in them: the kernel
/// resets it (`net/ipv4/inet_connection_sock.c`, inet_csk_listen_stop), or moves it to others of
/// the group (`net.ipv4.tcp_migrate_req`).
fn close(old: Vec<Socket>, door: &Door, result: &mut RestartResult) {
    let mut diag = Diag::open().ok();
    let mut watch = Watch::open(&["TCPMigrateReqSuccess"]).ok();
    let mut migrations =
        || watch.as_mut().and_then(|w| w.read().ok()?.first().copied().flatten()).unwrap_or(0);
    // From here on nothing enters, so that what is counted is what is closed. A client whose SYN
    // comes in this instant sends it again.
    let drops = |one: &Socket| listener::dropped(one).map_or(0, u64::from);
    let dropped_before: u64 = old.iter().map(drops).sum();
    for listener in &old {
        if let Err(error) = deafen(listener) {
            *result.errors.entry(errno::error_name(&error)).or_default() += 1;
        }
    }
    let port = door.address.port();
    result.half_open =
        diag.as_mut().zip(port).and_then(|(d, port)| d.syn_recv(port).ok()).unwrap_or(0);
    let depth = |one: &Socket| TcpInfo::of(one).map_or(0, |info| u64::from(info.accept_queue()));
    let waiting: u64 = old.iter().map(depth).sum();
    let mut dropped = 0;
    for listener in old {
        dropped += drops(&listener);
        // What the listeners before it were rid of may be here now.
        let (waited, before) = (depth(&listener), migrations());
        drop(listener);
        result.queue_reset += waited.saturating_sub(migrations().saturating_sub(before));
    }
    result.dropped = dropped.saturating_sub(dropped_before);
    result.migrated = waiting.saturating_sub(result.queue_reset);
}
