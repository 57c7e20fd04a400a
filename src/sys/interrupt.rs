//! Ends a blocking system call of another thread: it then fails with EINTR (`signal(7)`).

use std::io;
use std::os::unix::thread::JoinHandleExt;
use std::thread::JoinHandle;

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

/// Does nothing where nobody has asked for it.
const SIGNAL: Signal = Signal::SIGURG;

extern "C" fn ignore(_: libc::c_int) {}

/// Lets [`interrupt`] have an effect in this process; without it the signal is not delivered.
///
/// # Errors
/// Those of `sigaction(2)`.
pub fn permit() -> io::Result<()> {
    // Without SA_RESTART, so that the call ends.
    let action = SigAction::new(SigHandler::Handler(ignore), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler does nothing, which is safe at any time, and nothing else in this
    // process handles the signal.
    #[allow(unsafe_code)]
    unsafe {
        sigaction(SIGNAL, &action)?;
    }
    Ok(())
}

/// Interrupts the thread's present system call. One that it enters later is not concerned: ask
/// again until the thread answers.
pub fn interrupt<T>(thread: &JoinHandle<T>) {
    // SAFETY: the thread is not joined as long as there is its handle, so that its number is still
    // its own; a thread that has ended is no error that matters.
    #[allow(unsafe_code)]
    unsafe {
        libc::pthread_kill(thread.as_pthread_t(), SIGNAL as libc::c_int);
    }
}
