//! Many datagrams in one call of the kernel (`recvmmsg(2)`, `sendmmsg(2)`): one after the other where
//! a system has no such call, or another one.

use std::io;
use std::os::fd::RawFd;

#[cfg(target_os = "linux")]
pub(super) use libc::mmsghdr as Message;

/// A message and its length, as on Linux.
#[cfg(not(target_os = "linux"))]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
#[repr(C)]
pub(super) struct Message {
    pub msg_hdr: libc::msghdr,
    pub msg_len: libc::c_uint,
}

/// What a call without any message is.
pub(super) fn empty() -> Message {
    // SAFETY: plain data of C, for which zeroes are valid: null pointers, lengths of zero.
    #[allow(unsafe_code)]
    unsafe {
        std::mem::zeroed()
    }
}

/// Receives into messages; how many were filled. The error of the first alone is told.
///
/// # Safety
/// Each message names memory that is valid for its length, and nobody else's during the call.
#[allow(unsafe_code)]
pub(super) unsafe fn receive(
    fd: RawFd,
    messages: &mut [Message],
    flags: libc::c_int,
) -> io::Result<usize> {
    #[cfg(target_os = "linux")]
    // SAFETY: as the caller's.
    return count(unsafe {
        let length = messages.len() as libc::c_uint;
        libc::recvmmsg(fd, messages.as_mut_ptr(), length, flags as _, std::ptr::null_mut())
    });
    #[cfg(not(target_os = "linux"))]
    // SAFETY: as the caller's.
    one_by_one(messages, |header| unsafe { libc::recvmsg(fd, header, flags) })
}

/// Sends messages; how many the kernel took. The error of the first alone is told.
///
/// # Safety
/// Each message names memory that is valid for its length, and not written to during the call.
#[allow(unsafe_code)]
pub(super) unsafe fn send(
    fd: RawFd,
    messages: &mut [Message],
    flags: libc::c_int,
) -> io::Result<usize> {
    #[cfg(target_os = "linux")]
    // SAFETY: as the caller's.
    return count(unsafe {
        let length = messages.len() as libc::c_uint;
        libc::sendmmsg(fd, messages.as_mut_ptr(), length, flags as _)
    });
    #[cfg(not(target_os = "linux"))]
    // SAFETY: as the caller's.
    one_by_one(messages, |header| unsafe { libc::sendmsg(fd, header, flags) })
}

#[cfg(target_os = "linux")]
fn count(result: libc::c_int) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

#[cfg(not(target_os = "linux"))]
fn one_by_one(
    messages: &mut [Message],
    call: impl Fn(&mut libc::msghdr) -> libc::ssize_t,
) -> io::Result<usize> {
    for (done, message) in messages.iter_mut().enumerate() {
        match libc::c_uint::try_from(call(&mut message.msg_hdr)) {
            Ok(length) => message.msg_len = length,
            Err(_) if done > 0 => return Ok(done),
            Err(_) => return Err(io::Error::last_os_error()),
        }
    }
    Ok(messages.len())
}
