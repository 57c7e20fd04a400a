//! The sockets of the receivers: where each is bound, and what its buffer and drops were.

use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use socket2::Socket;

use crate::scenario::plan::{Cast, DatagramReply, Receive};
use crate::sys::datagram::bind::{Binding, MemInfo, bind};
use crate::sys::deaf::deafen;
use crate::sys::endpoint::Endpoint;

/// The place of one reader: a socket, and others after it when it restarts.
#[derive(Debug)]
pub struct Place {
    /// Number of its receiver.
    pub receiver: u16,
    /// Where it is bound.
    pub address: Endpoint,
    how: Binding,
    present: Mutex<Present>,
}

#[derive(Debug)]
struct Present {
    /// `None` while nobody is bound.
    socket: Option<Arc<Socket>>,
    /// Drops of the present socket, as it counted them last.
    counted: u32,
    /// Of all sockets that were here.
    drops: u64,
    peak: u64,
}

/// What waits at a socket that hears nothing any more.
#[derive(Debug)]
pub struct Leaving {
    /// The socket.
    pub socket: Arc<Socket>,
    counted: u32,
}

impl Leaving {
    /// Datagrams that came since it became deaf, and were dropped for it.
    pub fn dropped(&self) -> u64 {
        MemInfo::of(&self.socket).map_or(0, |info| info.drops.wrapping_sub(self.counted).into())
    }
}

impl Place {
    fn lock(&self) -> MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bind(receiver: u16, at: Endpoint, how: Binding) -> io::Result<Self> {
        let socket = bind(at, how)?;
        let address = Endpoint::of(&socket)?;
        let present = Present { socket: Some(Arc::new(socket)), counted: 0, drops: 0, peak: 0 };
        Ok(Self { receiver, address, how, present: Mutex::new(present) })
    }

    /// The present socket.
    pub fn socket(&self) -> Option<Arc<Socket>> {
        self.lock().socket.clone()
    }

    /// Looks at the buffer; `None` while there is none.
    ///
    /// # Errors
    /// As of `getsockopt`.
    pub fn look(&self) -> io::Result<Option<MemInfo>> {
        self.lock().look()
    }

    /// Datagrams that its sockets dropped for want of room, as of the last look, and most bytes that
    /// were seen charged.
    pub fn dropped(&self) -> (u64, u64) {
        let present = self.lock();
        (present.drops, present.peak)
    }

    /// Takes the socket away: nothing enters it any more.
    ///
    /// # Errors
    /// ENOMEM; then datagrams may enter until it is closed.
    pub fn leave(&self) -> io::Result<Option<Leaving>> {
        let mut present = self.lock();
        present.look()?;
        let Some(socket) = present.socket.take() else { return Ok(None) };
        match self.address {
            // Who sends is told so: EPIPE.
            Endpoint::Unix(..) => socket.shutdown(std::net::Shutdown::Read)?,
            _ => deafen(&socket)?,
        }
        Ok(Some(Leaving { socket, counted: std::mem::take(&mut present.counted) }))
    }

    /// Binds another socket to the address.
    ///
    /// # Errors
    /// As of [`bind`].
    pub fn bind_anew(&self) -> io::Result<()> {
        let socket = bind(self.address, self.how)?;
        self.lock().socket = Some(Arc::new(socket));
        Ok(())
    }
}

impl Present {
    fn look(&mut self) -> io::Result<Option<MemInfo>> {
        let Some(socket) = &self.socket else { return Ok(None) };
        let info = MemInfo::of(socket)?;
        self.drops += u64::from(info.drops.wrapping_sub(self.counted));
        self.counted = info.drops;
        self.peak = self.peak.max(info.charged.into());
        Ok(Some(info))
    }
}

/// Binds every socket of `receive` at `address`: receiver by receiver, and reader by reader.
///
/// # Errors
/// As of [`bind`]; EINVAL where there are no more ports after the first.
pub fn bind_all(
    address: Endpoint,
    receive: &Receive,
    interface: Option<IpAddr>,
) -> io::Result<Vec<Arc<Place>>> {
    let how = Binding {
        reuse_port: receive.readers > 1,
        reuse_address: receive.cast != Cast::Unicast,
        rcvbuf: receive.rcvbuf.map(|bytes| usize::try_from(bytes.0).unwrap_or(usize::MAX)),
        // What is sent back goes as it came.
        gro: receive.gro && receive.reply == DatagramReply::None,
        group_on: interface.filter(|_| receive.cast == Cast::Multicast),
    };
    let address = match address {
        Endpoint::Inet(at) => Endpoint::Udp(at),
        other => other,
    };
    let mut places: Vec<Arc<Place>> = Vec::new();
    for receiver in 0..receive.receivers.max(1) {
        let first = match (receive.cast, places.first()) {
            (Cast::Multicast | Cast::Broadcast, Some(first)) => first.address,
            _ => following(address, receiver)?,
        };
        let mut at = first;
        for _ in 0..receive.readers.max(1) {
            let place = Place::bind(receiver, at, how)?;
            at = place.address;
            places.push(Arc::new(place));
        }
    }
    Ok(places)
}

/// The address of a receiver: ports follow one another, names get a number; what the kernel chooses
/// stays so.
fn following(address: Endpoint, receiver: u16) -> io::Result<Endpoint> {
    let invalid = || io::Error::from_raw_os_error(libc::EINVAL);
    match address {
        _ if receiver == 0 => Ok(address),
        Endpoint::Udp(mut at) if at.port() > 0 => {
            at.set_port(at.port().checked_add(receiver).ok_or_else(invalid)?);
            Ok(Endpoint::Udp(at))
        }
        Endpoint::Unix(kind, name) if !name.is_unnamed() => {
            let name = format!("{name}-{receiver}").parse().map_err(|_| invalid())?;
            Ok(Endpoint::Unix(kind, name))
        }
        _ => Ok(address),
    }
}
