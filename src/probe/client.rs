//! One client of an experiment, and what became of it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use socket2::Socket;

use super::ground::missing;
use crate::measure::card::Missing;
use crate::sys::listener;
use crate::sys::permit::PermittedAddr;
use crate::sys::socket::Dialer;
use crate::sys::tcp_info::{Standing, TcpInfo};

/// A client that began to connect.
#[derive(Debug)]
pub struct Client {
    /// Its socket.
    pub socket: Socket,
    /// When it began.
    pub begun: Instant,
}

/// Where a client stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// No answer yet.
    Waiting,
    /// It believes to be connected.
    Established,
    /// It failed or was closed, with this errno (0: without one).
    Ended(i32),
}

impl Client {
    /// Begins to connect, without waiting.
    ///
    /// # Errors
    /// Where there is no socket. What connect(2) itself says shows in [`Client::fate`].
    pub fn connect(to: PermittedAddr) -> Result<Self, Missing> {
        let dialer = Dialer::new(to, &[], None, false);
        let socket = dialer.socket(0).map_err(|error| missing("socket", &error))?;
        let begun = Instant::now();
        dialer.connect(&socket).map_err(|error| missing("connect", &error))?;
        Ok(Self { socket, begun })
    }

    /// Where it stands, by TCP_INFO.
    ///
    /// # Errors
    /// As of `getsockopt(2)`.
    pub fn fate(&self) -> Result<Fate, Missing> {
        let error = self.socket.take_error().map_err(|error| missing("SO_ERROR", &error))?;
        if let Some(error) = error {
            return Ok(Fate::Ended(error.raw_os_error().unwrap_or(0)));
        }
        let info = TcpInfo::of(&self.socket).map_err(|error| missing("TCP_INFO", &error))?;
        Ok(match info.standing() {
            Standing::Connecting => Fate::Waiting,
            Standing::Established => Fate::Established,
            Standing::Closed => Fate::Ended(0),
        })
    }

    /// Its own address.
    pub fn local(&self) -> Option<SocketAddr> {
        self.socket.local_addr().ok()?.as_socket()
    }
}

/// Accepts until nobody waits.
///
/// # Errors
/// As of `accept(2)`.
pub fn drain(from: &Socket) -> Result<Vec<Socket>, Missing> {
    let mut all = Vec::new();
    loop {
        match listener::accept(from) {
            Ok((connection, _)) => all.push(connection),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(all),
            Err(error) => return Err(missing("accept", &error)),
        }
    }
}

/// Looks every `step` until `seen` is true or `patience` is over; whether it became true.
pub fn wait(patience: Duration, step: Duration, mut seen: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    loop {
        if seen() {
            return true;
        }
        if begun.elapsed() >= patience {
            return false;
        }
        std::thread::sleep(step);
    }
}
