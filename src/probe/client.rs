//! One client of an experiment, and what became of it.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use socket2::Socket;

use super::METHODS;
use super::ground::missing;
use crate::measure::Outcome;
use crate::measure::card::{Methods, Missing};
use crate::measure::held::Peer;
use crate::sys::permit::PermittedAddr;
use crate::sys::ready::{self, Progress};
use crate::sys::socket::{Dialer, local_peer};
use crate::sys::standing::Standing;
use crate::sys::tcp_info::TcpInfo;
use crate::sys::{errno, listener};

/// More connections than any listener of ours has had: a listener that always has one more is no
/// reason to go on for ever.
const MOST_ACCEPTED: usize = 1 << 17;

/// A client that began to connect.
#[derive(Debug)]
pub struct Client {
    /// Its socket.
    pub socket: Socket,
    /// When it began.
    pub begun: Instant,
    /// The errno with which it ended: the kernel tells it once only.
    ended: OnceLock<i32>,
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

impl Fate {
    /// For an observation.
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Established => "established",
            Self::Ended(_) => "ended",
        }
    }

    /// The name of the errno with which it ended; empty where it did not, or without one.
    pub fn errno(self) -> String {
        match self {
            Self::Ended(errno) if errno != 0 => errno::name(errno),
            _ => String::new(),
        }
    }
}

impl Client {
    /// Begins to connect, without waiting.
    ///
    /// # Errors
    /// Where there is no socket, or no port. What else connect(2) says shows in [`Client::fate`].
    pub fn connect(to: PermittedAddr) -> Result<Self, Missing> {
        let dialer = Dialer::new(to, &[], None, false);
        let socket = dialer.socket(0).map_err(|error| missing("socket", &error))?;
        let client = Self::of(socket, Instant::now());
        if let Err(error) = dialer.connect(&client.socket) {
            match errno::outcome(errno::number(&error)) {
                Outcome::NoPort | Outcome::NoFd | Outcome::NoBuffer => {
                    return Err(missing("connect", &error));
                }
                _ => client.end(errno::number(&error)),
            };
        }
        Ok(client)
    }

    /// One whose socket began to connect at this instant.
    pub fn of(socket: Socket, begun: Instant) -> Self {
        Self { socket, begun, ended: OnceLock::new() }
    }

    /// Where it stands, by TCP_INFO; where that is not there, or says nothing, by poll(2).
    ///
    /// # Errors
    /// As of `getsockopt(2)` and `poll(2)`.
    pub fn fate(&self) -> Result<Fate, Missing> {
        if let Some(errno) = self.ended.get() {
            return Ok(Fate::Ended(*errno));
        }
        let told = match METHODS {
            Methods::Native => TcpInfo::of(&self.socket).ok().filter(TcpInfo::is_told),
            Methods::Portable => None,
        };
        match told.map(|info| info.standing()) {
            Some(Standing::Connecting) => Ok(Fate::Waiting),
            Some(Standing::Established) => Ok(Fate::Established),
            Some(Standing::Closed) => self.errno().map(|errno| self.end(errno)),
            None => self.fate_by_poll(),
        }
    }

    /// Where it stands, by poll(2) and SO_ERROR, as every POSIX system tells it.
    ///
    /// # Errors
    /// As of `poll(2)` and `getsockopt(2)`.
    pub fn fate_by_poll(&self) -> Result<Fate, Missing> {
        if let Some(errno) = self.ended.get() {
            return Ok(Fate::Ended(*errno));
        }
        let progress = ready::progress(&self.socket).map_err(|error| missing("poll", &error))?;
        match progress {
            Progress::Pending => Ok(Fate::Waiting),
            Progress::Open => Ok(Fate::Established),
            Progress::Ended => self.errno().map(|errno| self.end(errno)),
        }
    }

    /// Its own address.
    pub fn local(&self) -> Option<SocketAddr> {
        self.socket.local_addr().ok()?.as_socket()
    }

    /// Its end of the connection, as [`tally`] names it.
    pub fn peer(&self) -> Peer {
        local_peer(&self.socket)
    }

    /// Whether it stands like this now.
    pub fn stands(&self, fate: Fate) -> bool {
        self.fate().is_ok_and(|is| is == fate)
    }

    /// The error that waits at the socket; 0 for none.
    fn errno(&self) -> Result<i32, Missing> {
        let error = self.socket.take_error().map_err(|error| missing("SO_ERROR", &error))?;
        Ok(error.map_or(0, |error| errno::number(&error)))
    }

    fn end(&self, errno: i32) -> Fate {
        Fate::Ended(*self.ended.get_or_init(|| errno))
    }
}

/// Ends connections by RST, so that nothing of them stays in TIME_WAIT.
pub fn discard(clients: impl IntoIterator<Item = Client>) {
    for client in clients {
        // Where the option is refused, the connection ends by FIN.
        let _ = client.socket.set_linger(Some(Duration::ZERO));
    }
}

/// Accepts until nobody waits.
///
/// # Errors
/// As of `accept(2)`.
pub fn drain(from: &Socket) -> Result<Vec<Socket>, Missing> {
    let mut all = Vec::new();
    each(from, |connection, _| all.push(connection))?;
    Ok(all)
}

/// Accepts until nobody waits, and closes what it gets: the clients' ends in the order in which they
/// came. One descriptor is enough for it.
///
/// # Errors
/// As of `accept(2)`.
pub fn tally(from: &Socket) -> Result<Vec<Peer>, Missing> {
    let mut all = Vec::new();
    each(from, |_, peer| all.push(peer))?;
    Ok(all)
}

fn each(from: &Socket, mut take: impl FnMut(Socket, Peer)) -> Result<(), Missing> {
    for _ in 0..MOST_ACCEPTED {
        match listener::accept(from) {
            Ok((connection, peer)) => take(connection, peer),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
            // It was reset while it waited; some systems keep its place until then.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionAborted => {}
            Err(error) => return Err(missing("accept", &error)),
        }
    }
    Ok(())
}

/// Which of these clients the listener gives to accept() within `patience`, all of them or not.
///
/// # Errors
/// As of `accept(2)`.
pub fn taken(from: &Socket, wanted: &[Peer], patience: Duration) -> Result<HashSet<Peer>, Missing> {
    let mut seen = HashSet::new();
    let mut failed = None;
    wait(patience, Duration::from_millis(2), || {
        match tally(from) {
            Ok(peers) => seen.extend(peers.into_iter().filter(|peer| wanted.contains(peer))),
            Err(missing) => failed = Some(missing),
        }
        failed.is_some() || seen.len() == wanted.len()
    });
    failed.map_or(Ok(seen), Err)
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
