//! One turn of one connection: reading and writing as far as it goes without waiting.

use std::io::{self, Read, Write};
use std::net::Shutdown;

use socket2::Socket;

use super::connection::{Connection, State};
use crate::sys::clock;
use crate::sys::socket::has_ended;

/// Reads, or writes, of one connection before the others get their turn.
const TURN: usize = 16;

/// How far a connection moved.
pub enum Moved {
    /// It waits for its client.
    Waiting,
    /// It goes on when the others had their turn.
    TurnOver,
    /// A message is there to be served.
    Message,
    /// A reply is sent.
    Replied,
    /// The client has closed.
    ClientClosed,
}

/// Reads what is there, for one turn. `is_end` says whether a read of nothing is the end, and not
/// an empty packet.
///
/// # Errors
/// Of `read`; the connection is broken then.
pub fn read(
    connection: &mut Connection,
    mut socket: impl Read,
    buffer: &mut [u8],
    is_end: impl Fn() -> bool,
) -> io::Result<Moved> {
    for _ in 0..TURN {
        if !connection.has_room() {
            connection.drained();
            return Ok(Moved::Message);
        }
        match socket.read(buffer) {
            // Whoever floods with empty packets starves nobody.
            Ok(0) if !is_end() => return Ok(Moved::TurnOver),
            Ok(0) => {
                connection.drained();
                if connection.state == State::Serving {
                    return Ok(Moved::Message);
                }
                connection.client_closed();
                return Ok(Moved::ClientClosed);
            }
            Ok(count) => connection.received(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                connection.drained();
                let served = connection.state == State::Serving;
                return Ok(if served { Moved::Message } else { Moved::Waiting });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Moved::TurnOver)
}

/// Sends what the peer takes, for one turn.
///
/// # Errors
/// Of `write`; the connection is broken then.
pub fn reply(connection: &mut Connection, mut socket: impl Write) -> io::Result<Moved> {
    for _ in 0..TURN {
        match socket.write(connection.to_send()) {
            Ok(count) => {
                if connection.sent(count) {
                    return Ok(Moved::Replied);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Moved::Waiting),
            Err(error) => return Err(error),
        }
    }
    Ok(Moved::TurnOver)
}

/// Looks after a client that has closed: it may still reset the connection.
///
/// # Errors
/// Of `read`; the connection is broken then.
pub fn linger(mut socket: impl Read, buffer: &mut [u8]) -> io::Result<Moved> {
    match socket.read(buffer) {
        // Nothing can follow a FIN.
        Ok(0..) => Ok(Moved::Waiting),
        Err(error) => match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(Moved::Waiting),
            _ => Err(error),
        },
    }
}

/// Closes first, unless the client has closed already, and swallows what comes until it does.
///
/// # Errors
/// Of `read` and `shutdown`; the connection is broken then.
pub fn close(connection: &mut Connection, socket: &Socket, buffer: &mut [u8]) -> io::Result<Moved> {
    for _ in 0..TURN {
        let waiting = match (&mut &*socket).read(buffer) {
            Ok(0) if has_ended(socket) => {
                connection.client_closed();
                return Ok(Moved::ClientClosed);
            }
            Ok(count) => {
                connection.swallow(&buffer[..count]);
                false
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => true,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => false,
            Err(error) => return Err(error),
        };
        // At once, also where the client floods.
        if connection.fin_sent.is_none() {
            socket.shutdown(Shutdown::Write).map_err(|error| match error.kind() {
                io::ErrorKind::NotConnected => io::Error::from_raw_os_error(libc::ECONNRESET),
                _ => error,
            })?;
            connection.fin_sent = Some(clock::monotonic());
        }
        if waiting {
            return Ok(Moved::Waiting);
        }
    }
    Ok(Moved::TurnOver)
}

#[cfg(test)]
mod tests {
    use super::super::connection::Manners;
    use super::*;
    use crate::scenario::plan::{Closer, Reply};
    use crate::units::Bytes;

    fn connection(reply: Reply) -> Connection {
        Connection::new(Manners { reply, close: Closer::Client, delay: 0 }, 0)
    }

    #[test]
    fn a_client_that_never_pauses_gets_a_turn_and_no_more() {
        let mut buffer = [0; 1024];
        for reply in [Reply::None, Reply::Bytes(Bytes(5))] {
            let mut connection = connection(reply);
            let mut endless = io::repeat(b'x').take(1 << 30);
            let moved = read(&mut connection, &mut endless, &mut buffer, || true).expect("bytes");
            assert!(matches!(moved, Moved::TurnOver));
            assert_eq!(endless.limit(), (1 << 30) - (TURN * buffer.len()) as u64);
        }
    }

    #[test]
    fn a_large_reply_is_sent_in_turns() {
        let mut connection = connection(Reply::Bytes(Bytes(1 << 30)));
        connection.received(b"x");
        connection.drained();
        connection.served();
        let mut turns = 1;
        while !matches!(reply(&mut connection, io::sink()).expect("a sink"), Moved::Replied) {
            turns += 1;
        }
        assert!(turns > 100, "{turns}");
    }
}
