//! Listen queues as the kernel sees them, for any listener of a network namespace.

use std::io;
use std::net::{IpAddr, SocketAddr};

use crate::measure::result::SocketStates;
use crate::sys::netlink::{End, Families, Listener, SockDiag, StateCounts};

/// The accept queue of an address, summed over the listeners that share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListenQueue {
    /// Connections that wait to be accepted.
    pub depth: u32,
    /// The limit; one more fits (`sk_acceptq_is_full`, `include/net/sock.h`).
    pub limit: u32,
    /// Listeners found; 0 where nobody listens, above 1 with `SO_REUSEPORT`.
    pub listeners: u32,
}

/// A reader of listen queues. It sees the network namespace in which it was opened.
#[derive(Debug)]
pub struct Diag {
    kernel: SockDiag,
}

impl Diag {
    /// Opens one for the calling thread's network namespace.
    ///
    /// # Errors
    /// Where the kernel has no `sock_diag`, or descriptors are out.
    pub fn open() -> io::Result<Self> {
        Ok(Self { kernel: SockDiag::open()? })
    }

    /// The accept queue that connections to `at` enter: of all listeners at its port whose address
    /// is the same or the wildcard. An unspecified address stands for any. Costs a walk over the
    /// listeners only, whatever the number of connections.
    ///
    /// # Errors
    /// As [`SockDiag::listeners`].
    pub fn listeners(&mut self, at: SocketAddr) -> io::Result<ListenQueue> {
        let mut whole = ListenQueue::default();
        for queue in self.each_listener(at)? {
            whole.depth = whole.depth.saturating_add(queue.depth);
            whole.limit = whole.limit.saturating_add(queue.limit);
            whole.listeners += 1;
        }
        Ok(whole)
    }

    /// As [`Diag::listeners`], one entry for each listener, in the order in which the kernel
    /// lists them.
    ///
    /// # Errors
    /// As [`SockDiag::listeners`].
    pub fn each_listener(&mut self, at: SocketAddr) -> io::Result<Vec<ListenQueue>> {
        let (wanted, mut queues) = (at.ip().to_canonical(), Vec::new());
        self.kernel.listeners(at.port(), |listener| {
            if serves(listener, wanted) {
                let (depth, limit) = (listener.queue, listener.limit);
                queues.push(ListenQueue { depth, limit, listeners: 1 });
            }
        })?;
        Ok(queues)
    }

    /// Sockets that are being opened or closed, at one end of their connection. Costs a walk over
    /// the whole connection table: see [`super::states`] for how often that is bearable.
    ///
    /// # Errors
    /// As [`SockDiag::listeners`].
    pub fn states(&mut self, end: End, families: Families) -> io::Result<SocketStates> {
        self.kernel.count(end, families).map(|counts| by_name(&counts))
    }

    /// Half-open connections at a local port. Costs as much as [`Diag::states`].
    ///
    /// # Errors
    /// As [`SockDiag::listeners`].
    pub fn syn_recv(&mut self, port: u16) -> io::Result<u64> {
        Ok(self.states(End::Local(port), Families::Both)?.syn_recv)
    }
}

/// The kernel's numbers of the states (`include/net/tcp_states.h`) by their names.
fn by_name(counts: &StateCounts) -> SocketStates {
    SocketStates {
        syn_sent: counts[2],
        syn_recv: counts[3],
        fin_wait1: counts[4],
        fin_wait2: counts[5],
        time_wait: counts[6],
        close_wait: counts[8],
        last_ack: counts[9],
        closing: counts[11],
    }
}

/// Whether a connection to `wanted` reaches this listener.
fn serves(listener: &Listener, wanted: IpAddr) -> bool {
    match (listener.local, wanted) {
        (_, any) if any.is_unspecified() => true,
        (IpAddr::V6(local), IpAddr::V4(_)) => local.is_unspecified() && !listener.v6_only,
        (IpAddr::V4(local), IpAddr::V4(_)) if local.is_unspecified() => true,
        (IpAddr::V6(local), IpAddr::V6(_)) if local.is_unspecified() => true,
        (local, wanted) => local == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use socket2::{Domain, Protocol, Socket, Type};
    use std::net::TcpStream;

    fn listen(at: &str, backlog: i32, v6_only: bool) -> (Socket, SocketAddr) {
        let at: SocketAddr = at.parse().unwrap();
        let socket =
            Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP)).unwrap();
        if at.is_ipv6() {
            socket.set_only_v6(v6_only).unwrap();
        }
        socket.bind(&at.into()).unwrap();
        socket.listen(backlog).unwrap();
        let bound = socket.local_addr().unwrap().as_socket().unwrap();
        (socket, bound)
    }

    fn at(ip: &str, port: u16) -> SocketAddr {
        SocketAddr::new(ip.parse().unwrap(), port)
    }

    #[test]
    fn depth_and_limit_are_the_kernels() {
        let (_listener, bound) = listen("127.0.0.1:0", 7, false);
        let mut diag = Diag::open().unwrap();
        assert_eq!(
            diag.listeners(bound).unwrap(),
            ListenQueue { depth: 0, limit: 7, listeners: 1 }
        );
        let _clients: Vec<_> = (0..3).map(|_| TcpStream::connect(bound).unwrap()).collect();
        assert_eq!(diag.listeners(bound).unwrap().depth, 3);
        assert_eq!(diag.listeners(at("127.0.0.2", bound.port())).unwrap().listeners, 0);
        assert_eq!(diag.listeners(at("0.0.0.0", bound.port())).unwrap().listeners, 1);
        assert_eq!(diag.listeners(at("::ffff:127.0.0.1", bound.port())).unwrap().listeners, 1);
        assert_eq!(diag.syn_recv(bound.port()).unwrap(), 0);
    }

    #[test]
    fn wildcards_serve_their_families() {
        let mut diag = Diag::open().unwrap();
        for (local, v6_only, v4_served, v6_served) in
            [("0.0.0.0:0", false, 1, 0), ("[::]:0", false, 1, 1), ("[::]:0", true, 0, 1)]
        {
            let (_listener, bound) = listen(local, 4, v6_only);
            let port = bound.port();
            let (v4, v6) = (at("127.0.0.1", port), at("::1", port));
            assert_eq!(diag.listeners(v4).unwrap().listeners, v4_served, "{local} {v6_only}");
            assert_eq!(diag.listeners(v6).unwrap().listeners, v6_served, "{local} {v6_only}");
        }
    }
}
