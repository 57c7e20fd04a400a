//! Error numbers: their names, and the outcome classes that they mean.

use std::io;

use crate::measure::{Ending, Outcome, TargetEnding};

/// The name of an error number, such as `ECONNREFUSED`.
pub fn name(errno: i32) -> String {
    match nix::errno::Errno::from_raw(errno) {
        nix::errno::Errno::UnknownErrno => format!("errno {errno}"),
        known => format!("{known:?}"),
    }
}

/// The name of an error that the system returned; the text of any other.
pub fn error_name(error: &io::Error) -> String {
    error.raw_os_error().map_or_else(|| error.to_string(), name)
}

/// The name and the system's text of an error: `EMFILE: Too many open files`.
pub fn describe(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(errno) => {
            format!("{}: {}", name(errno), nix::errno::Errno::from_raw(errno).desc())
        }
        None => error.to_string(),
    }
}

/// The error's number; EIO where it did not come from the kernel.
pub fn number(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}

/// How an attempt to connect that failed with `errno` is classed.
pub fn outcome(errno: i32) -> Outcome {
    match errno {
        libc::ECONNREFUSED => Outcome::Refused,
        libc::ECONNRESET | libc::EPIPE | libc::ECONNABORTED => Outcome::Reset,
        libc::ETIMEDOUT => Outcome::Timeout,
        libc::EHOSTUNREACH | libc::ENETUNREACH | libc::EHOSTDOWN | libc::ENETDOWN => {
            Outcome::Unreachable
        }
        libc::EADDRNOTAVAIL => Outcome::NoPort,
        libc::EMFILE | libc::ENFILE => Outcome::NoFd,
        libc::ENOBUFS | libc::ENOMEM => Outcome::NoBuffer,
        libc::EAGAIN => Outcome::Again,
        _ => Outcome::Other,
    }
}

/// How an established connection that failed with `errno` is classed.
pub fn ending(errno: i32) -> Ending {
    match errno {
        libc::ECONNRESET | libc::EPIPE | libc::ECONNABORTED => Ending::Reset,
        libc::ETIMEDOUT => Ending::Timeout,
        _ => Ending::Other,
    }
}

/// How a connection that the target accepted and that failed with `errno` is classed.
pub fn target_ending(errno: i32) -> TargetEnding {
    match ending(errno) {
        Ending::Reset => TargetEnding::Reset,
        Ending::Timeout => TargetEnding::Timeout,
        _ => TargetEnding::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_names_and_classes() {
        assert_eq!(name(libc::ECONNREFUSED), "ECONNREFUSED");
        assert_eq!(name(99_999), "errno 99999");
        assert_eq!(outcome(libc::EADDRNOTAVAIL), Outcome::NoPort);
        assert_eq!(outcome(libc::EPROTO), Outcome::Other);
        assert_eq!(ending(libc::EPIPE), Ending::Reset);
        let error = io::Error::from_raw_os_error(libc::EMFILE);
        assert!(describe(&error).starts_with("EMFILE: "));
    }
}
