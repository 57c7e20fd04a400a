//! What the kernel says of datagrams that were sent before: a socket's queue of errors.

use std::io;
#[cfg(target_os = "linux")]
use std::mem::{size_of, zeroed};
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;

use super::client::Client;
use crate::measure::datagram::Content;
#[cfg(target_os = "linux")]
use crate::measure::datagram::{Header, LENGTH};

/// Who says that a datagram did not arrive (`include/uapi/linux/errqueue.h`, SO_EE_ORIGIN_*).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// This host's own stack: the call that sent it has said so already.
    Local,
    /// ICMP or ICMPv6, of whatever host.
    Icmp,
}

/// An error, and the datagram that it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Complaint {
    /// Its number: ECONNREFUSED where nobody is bound to the port.
    pub errno: i32,
    /// Who says so.
    pub origin: Origin,
    /// The head of the datagram, which ICMP carries back (RFC 1812, 4.3.2.3; RFC 4443, 3.1).
    pub about: Content,
}

/// Takes the next error of the socket's queue (MSG_ERRQUEUE, `recv(2)`); `None` where it is empty, and
/// always over AF_UNIX, which has none. Never waits.
///
/// # Errors
/// Of recvmsg(2), ENOMEM.
#[cfg(target_os = "linux")]
pub fn next(client: &Client) -> io::Result<Option<Complaint>> {
    if client.is_unix() {
        return Ok(None);
    }
    let mut head = [0_u8; LENGTH];
    // Room for the error and the address of who sent it, aligned as control messages are.
    let mut control = [0_u64; 32];
    let mut part = libc::iovec { iov_base: head.as_mut_ptr().cast(), iov_len: head.len() };
    // SAFETY: a msghdr of zeros is one without name, parts and control.
    #[allow(unsafe_code)]
    let mut message: libc::msghdr = unsafe { zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control) as _;
    let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
    // SAFETY: the message names buffers that outlive the call, with their lengths.
    #[allow(unsafe_code)]
    let read = unsafe { libc::recvmsg(client.as_raw_fd(), &raw mut message, flags) };
    if read < 0 {
        let error = io::Error::last_os_error();
        return if error.kind() == io::ErrorKind::WouldBlock { Ok(None) } else { Err(error) };
    }
    let length = (read as usize).min(LENGTH);
    // An entry without a reason is none that we know of; those behind it are asked for all the same.
    let (errno, origin) = reason(&message).unwrap_or((0, Origin::Local));
    Ok(Some(Complaint { errno, origin, about: Header::read(&head[..length]) }))
}

/// Elsewhere there is no such queue.
///
/// # Errors
/// None.
#[cfg(not(target_os = "linux"))]
pub fn next(_: &Client) -> io::Result<Option<Complaint>> {
    Ok(None)
}

/// Errno and origin in the control messages of what recvmsg(2) filled.
#[cfg(target_os = "linux")]
fn reason(message: &libc::msghdr) -> Option<(i32, Origin)> {
    const ICMP: [u8; 2] = [2, 3];
    // SAFETY: the kernel has filled the control buffer and set its length; the macros stay within it,
    // and the error is read only where the control message is long enough for it.
    #[allow(unsafe_code)]
    unsafe {
        let mut at = libc::CMSG_FIRSTHDR(message);
        while let Some(control) = at.as_ref() {
            let kind = (control.cmsg_level, control.cmsg_type);
            let wanted = kind == (libc::IPPROTO_IP, libc::IP_RECVERR)
                || kind == (libc::IPPROTO_IPV6, libc::IPV6_RECVERR);
            let whole = libc::CMSG_LEN(size_of::<libc::sock_extended_err>() as u32) as usize;
            if wanted && control.cmsg_len >= whole as _ {
                let error: libc::sock_extended_err =
                    libc::CMSG_DATA(at).cast::<libc::sock_extended_err>().read_unaligned();
                let icmp = ICMP.contains(&error.ee_origin);
                let origin = if icmp { Origin::Icmp } else { Origin::Local };
                return Some((error.ee_errno as i32, origin));
            }
            at = libc::CMSG_NXTHDR(message, at);
        }
    }
    None
}
