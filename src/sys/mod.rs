//! Every system call that needs `unsafe` or nix, behind small safe functions.
//!
//! What depends on the operating system is chosen here and in [`crate::lab`], nowhere else.

use std::io;

use nix::errno::Errno;

pub mod limits;
pub mod namespace;
#[cfg_attr(not(target_os = "linux"), path = "netlink_elsewhere.rs")]
pub mod netlink;
pub mod permit;

/// An error of a system call by its name, as manuals spell it: `EPERM`. Errors that did not come
/// from the system are given as their text.
pub fn error_name(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(code) if Errno::from_raw(code) != Errno::UnknownErrno => {
            format!("{:?}", Errno::from_raw(code))
        }
        Some(code) => format!("errno {code}"),
        None => error.to_string(),
    }
}
