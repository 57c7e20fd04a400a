//! What the kernel charges a receiver's buffer for a datagram (`truesize`), and how many fit.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use socket2::Socket;

use crate::measure::result::Charge;
use crate::sys::datagram::bind::{Binding, MemInfo, bind};
use crate::sys::endpoint::Endpoint;
use crate::units::UnixName;

/// Most datagrams that are sent to see how many fit.
const MOST: u64 = 4_096;
/// Datagrams between two looks at the drops.
const STEP: u64 = 32;

/// Measures the charge of datagrams of `size` bytes of payload on a socket of its own, of the same
/// kind as one at `address` and with the same buffer, over loopback.
///
/// # Errors
/// As of sockets and of sending.
pub fn measure(address: Endpoint, rcvbuf: Option<usize>, size: u16) -> io::Result<Charge> {
    let receiver = bind(nearby(address), Binding { rcvbuf, ..Binding::default() })?;
    let at = Endpoint::of(&receiver)?;
    let sender = at.socket()?;
    sender.connect(&at.sock_addr())?;
    let payload = vec![0; size.into()];
    sender.send(&payload)?;
    let info = MemInfo::of(&receiver)?;
    if let Endpoint::Unix(..) = at {
        // The sender is charged, and the queue is counted in datagrams (`net.unix.max_dgram_qlen`).
        let charged = MemInfo::of(&sender)?.sending.into();
        return Ok(Charge { size, charged, fit: fill_queue(&sender, &payload) });
    }
    let charged = u64::from(info.charged).max(1);
    // One that finds the limit not yet exceeded is let in whole (`net/ipv4/udp.c`,
    // __udp_enqueue_schedule_skb).
    let computed = u64::from(info.limit) / charged + 1;
    let fit = match computed <= MOST {
        true => fill_buffer(&receiver, &sender, &payload, 2 * computed)?,
        false => Some(computed),
    };
    Ok(Charge { size, charged, fit })
}

/// Loopback of the same family; the kernel chooses port or name.
fn nearby(address: Endpoint) -> Endpoint {
    match address {
        Endpoint::Unix(kind, _) => Endpoint::Unix(kind, UnixName::UNNAMED),
        Endpoint::Inet(at) | Endpoint::Udp(at) => {
            let loopback: IpAddr = match at.ip() {
                IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            };
            Endpoint::Udp((loopback, 0).into())
        }
    }
}

/// Sends until one is dropped; one is there already.
fn fill_buffer(
    receiver: &Socket,
    sender: &Socket,
    payload: &[u8],
    most: u64,
) -> io::Result<Option<u64>> {
    let mut sent = 1;
    while sent <= most + STEP {
        for _ in 0..STEP {
            sender.send(payload)?;
        }
        sent += STEP;
        let drops = u64::from(MemInfo::of(receiver)?.drops);
        if drops > 0 {
            return Ok(Some(sent - drops));
        }
    }
    Ok(None)
}

/// Sends until the queue takes no more; one is there already.
fn fill_queue(sender: &Socket, payload: &[u8]) -> Option<u64> {
    let mut sent = 1;
    while sent <= MOST {
        if sender.send(payload).is_err() {
            return Some(sent);
        }
        sent += 1;
    }
    None
}
