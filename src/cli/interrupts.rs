//! Ctrl-C, SIGTERM and SIGHUP.

use super::{Exit, Failure};
use crate::engine::Stop;
use crate::sys::errno;

/// Set by the first of them.
pub static INTERRUPTED: Stop = Stop::new();

/// Notes Ctrl-C, SIGTERM and SIGHUP in a thread of its own; the second one ends the program at once.
pub fn listen() -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::Environment(format!(
            "cannot watch for Ctrl-C: {}; raise the limits of descriptors and processes \
             (ulimit -n, ulimit -u)",
            errno::describe(&error)
        ))
    };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    std::thread::Builder::new()
        .name("interrupts".to_owned())
        .spawn(move || runtime.block_on(note_interrupts()))
        .map(drop)
        .map_err(failed)
}

async fn note_interrupts() -> std::io::Result<std::convert::Infallible> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
        }
        if INTERRUPTED.requested() {
            std::process::exit(Exit::Interrupted as i32);
        }
        INTERRUPTED.request();
    }
}
