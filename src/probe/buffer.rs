//! A receive buffer of UDP that nobody empties, and a client that fills it.

use std::io::{ErrorKind, Read};
use std::net::SocketAddr;
use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

use socket2::Socket;

use super::ground::missing;
use super::{METHODS, Site};
use crate::measure::Outcome;
use crate::measure::card::{Methods, Missing};
use crate::sys::datagram::bind::{Binding, MemInfo, bind};
use crate::sys::datagram::client::Client;
use crate::sys::endpoint::Endpoint;
use crate::sys::errno;

/// Where datagrams pass through a queue of the system's own, it is given time to empty it.
const BURST: u32 = 32;
/// So long nothing may come before all has come.
const CALM: Duration = Duration::from_millis(2);
/// Datagrams of which none was dropped; more are not tried.
const MOST: u32 = 300_000;
/// As long as filling one buffer may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// A receiver and its client.
#[derive(Debug)]
pub struct Buffer {
    /// The receiver.
    pub receiver: Socket,
    client: Client,
}

/// What became of a buffer that was sent more and more.
#[derive(Debug)]
pub struct Filled {
    /// SO_RCVBUF as it is read back, in bytes.
    pub granted: i64,
    /// Datagrams that were sent.
    pub sent: u32,
    /// Numbers of those that were read, in order; the low bytes of them where no more fit.
    pub read: Vec<u32>,
    /// What the socket said before they were read, where it says anything.
    pub memory: Option<MemInfo>,
}

impl Buffer {
    /// Bound here, with SO_RCVBUF as `asked` (the system's default without).
    ///
    /// # Errors
    /// As of bind(2) and setsockopt(2): ENOBUFS where a system refuses what is too large.
    pub fn open(site: &Site, asked: Option<usize>) -> Result<Self, Missing> {
        let at = Endpoint::Udp(SocketAddr::new(site.address, 0));
        let receiver = bind(at, Binding { rcvbuf: asked, ..Binding::default() })
            .map_err(|error| missing("bind", &error))?;
        let to = site.permit(&receiver)?;
        let client = Client::open(to, None, None).map_err(|error| missing("connect", &error))?;
        Ok(Self { receiver, client })
    }

    /// SO_RCVBUF as it is read back, in bytes.
    ///
    /// # Errors
    /// As of getsockopt(2).
    pub fn granted(&self) -> Result<i64, Missing> {
        let bytes = self.receiver.recv_buffer_size();
        bytes.map(|bytes| bytes as i64).map_err(|error| missing("SO_RCVBUF", &error))
    }

    /// Sends datagrams of `size` bytes, each of which begins with its number.
    ///
    /// # Errors
    /// As of send(2), where it is not taken for a while.
    pub fn send(&self, numbers: Range<u32>, size: usize) -> Result<(), Missing> {
        let mut datagram = vec![0; size];
        let begun = Instant::now();
        for number in numbers {
            for (byte, of) in datagram.iter_mut().zip(number.to_le_bytes()) {
                *byte = of;
            }
            while let Err(error) = self.client.send(&datagram) {
                let full = error.kind() == ErrorKind::WouldBlock
                    || errno::outcome(errno::number(&error)) == Outcome::NoBuffer;
                if !full || begun.elapsed() > PATIENCE {
                    return Err(missing("send", &error));
                }
                thread::yield_now();
            }
            if number % BURST == BURST - 1 {
                thread::yield_now();
            }
        }
        Ok(())
    }

    /// Reads all that waits: the numbers, in order. Waits a little where fewer than `all` do.
    ///
    /// # Errors
    /// As of recv(2).
    pub fn drain(&self, all: u32) -> Result<Vec<u32>, Missing> {
        let mut read = Vec::new();
        let mut before = None;
        loop {
            let mut number = [0; 4];
            match (&self.receiver).read(&mut number) {
                Ok(_) => read.push(u32::from_le_bytes(number)),
                Err(error) if error.kind() != ErrorKind::WouldBlock => {
                    return Err(missing("recv", &error));
                }
                Err(_) if read.len() as u64 >= u64::from(all) || before == Some(read.len()) => {
                    return Ok(read);
                }
                Err(_) => {
                    before = Some(read.len());
                    thread::sleep(CALM);
                }
            }
        }
    }

    /// What the socket says of its memory; `None` where it says nothing.
    pub fn memory(&self) -> Option<MemInfo> {
        match METHODS {
            Methods::Native => MemInfo::of(&self.receiver).ok(),
            Methods::Portable => None,
        }
    }

    /// Sends `count` datagrams and reads what is left of them.
    fn fill(&self, count: u32, size: usize) -> Result<Filled, Missing> {
        self.send(0..count, size)?;
        let (granted, memory) = (self.granted()?, self.memory());
        Ok(Filled { granted, sent: count, read: self.drain(count)?, memory })
    }
}

/// Sends to fresh buffers, each time more, until some are dropped; or a great many were not.
///
/// # Errors
/// As of [`Buffer::open`] and [`Buffer::send`].
pub fn overfill(site: &Site, asked: usize, size: usize) -> Result<Filled, Missing> {
    let begun = Instant::now();
    let granted = Buffer::open(site, Some(asked))?.granted()?;
    let mut count = (granted / size.max(256) as i64).clamp(0, i64::from(MOST)) as u32 + 16;
    loop {
        let filled = Buffer::open(site, Some(asked))?.fill(count, size)?;
        let dropped = filled.read.len() < count as usize;
        if dropped || count >= MOST || begun.elapsed() > PATIENCE {
            return Ok(filled);
        }
        count = count.saturating_mul(8).min(MOST);
    }
}

/// The smallest buffer, as it is read back in bytes, that holds `count` datagrams; `None` where one
/// of `most` bytes, as asked for, does not.
///
/// # Errors
/// As of [`Buffer::open`] and [`Buffer::send`].
pub fn smallest(site: &Site, count: u32, size: usize, most: usize) -> Result<Option<i64>, Missing> {
    let (mut too_small, mut enough) = (0, most + 1);
    let mut granted = None;
    while too_small + 1 < enough {
        let asked = too_small.midpoint(enough);
        let filled = Buffer::open(site, Some(asked))?.fill(count, size)?;
        if filled.read.len() == count as usize {
            (enough, granted) = (asked, Some(filled.granted));
        } else {
            too_small = asked;
        }
    }
    Ok(granted)
}
