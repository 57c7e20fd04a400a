//! What poll(2) says of a socket at this instant: every POSIX system has it.

use std::io;
use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::Socket;

/// How far a non-blocking connect(2) has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Nobody has answered.
    Pending,
    /// The socket can be written to: it is connected.
    Open,
    /// It failed, or the connection is over; SO_ERROR may say why.
    Ended,
}

/// How far the connection of this socket has come.
///
/// # Errors
/// EINTR, ENOMEM.
pub fn progress(socket: &Socket) -> io::Result<Progress> {
    let ready = events(socket, PollFlags::POLLOUT)?;
    let over = PollFlags::POLLERR | PollFlags::POLLHUP | PollFlags::POLLNVAL;
    Ok(match (ready.intersects(over), ready.contains(PollFlags::POLLOUT)) {
        (true, _) => Progress::Ended,
        (_, true) => Progress::Open,
        _ => Progress::Pending,
    })
}

/// Whether there is something to accept or to read.
///
/// # Errors
/// EINTR, ENOMEM.
pub fn is_readable(socket: &Socket) -> io::Result<bool> {
    Ok(events(socket, PollFlags::POLLIN)?.contains(PollFlags::POLLIN))
}

fn events(socket: &Socket, wanted: PollFlags) -> io::Result<PollFlags> {
    let mut one = [PollFd::new(socket.as_fd(), wanted)];
    poll(&mut one, PollTimeout::ZERO)?;
    Ok(one[0].revents().unwrap_or(PollFlags::empty()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::listener::{accept, listen};
    use std::net::SocketAddr;

    fn client(to: &Socket) -> Socket {
        let client = crate::sys::endpoint::Endpoint::of(to).and_then(|to| to.socket());
        let client = client.expect("a socket");
        // In progress, or over: poll says which.
        let _ = client.connect(&to.local_addr().expect("an address"));
        client
    }

    #[test]
    fn a_connection_is_open_and_over_when_it_was_reset() {
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0)), 4).expect("a listener");
        assert!(!is_readable(&listener).expect("polled"));
        let client = client(&listener);
        assert_eq!(progress(&client).expect("polled"), Progress::Open);
        assert!(is_readable(&listener).expect("polled"));
        let (accepted, _) = accept(&listener).expect("a connection");
        accepted.set_linger(Some(std::time::Duration::ZERO)).expect("an option");
        drop(accepted);
        assert_eq!(progress(&client).expect("polled"), Progress::Ended);
    }

    #[test]
    fn a_client_of_a_full_queue_is_pending_and_one_of_nobody_has_ended() {
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0)), 0).expect("a listener");
        let clients: Vec<_> = (0..6).map(|_| client(&listener)).collect();
        let last = clients.last().map(progress).expect("a client").expect("polled");
        assert_eq!(last, Progress::Pending);
        let gone = client(&{ listen(SocketAddr::from(([127, 0, 0, 1], 0)), 0).expect("one") });
        drop(listener);
        assert_eq!(progress(&gone).expect("polled"), Progress::Ended);
    }
}
