//! Listen queues as the kernel sees them, for any listener of a network namespace.

use std::io;
use std::net::{IpAddr, SocketAddr};

use crate::sys::netlink::{Entry, SockDiag, State};

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
    /// As [`SockDiag::dump`].
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
    /// As [`SockDiag::dump`].
    pub fn each_listener(&mut self, at: SocketAddr) -> io::Result<Vec<ListenQueue>> {
        let (wanted, mut queues, mut current) = (at.ip().to_canonical(), Vec::new(), 0);
        self.kernel.dump(State::Listen, at.port(), |attempt, entry| {
            if attempt != current {
                queues.clear();
                current = attempt;
            }
            if serves(entry, wanted) {
                let (depth, limit) = (entry.receive_queue, entry.send_queue);
                queues.push(ListenQueue { depth, limit, listeners: 1 });
            }
        })?;
        Ok(queues)
    }

    /// Half-open connections at a local port. Costs a walk over the whole connection table: about
    /// once a second is often enough.
    ///
    /// # Errors
    /// As [`SockDiag::dump`].
    pub fn syn_recv(&mut self, port: u16) -> io::Result<u64> {
        let (mut count, mut current) = (0, 0);
        self.kernel.dump(State::SynReceived, port, |attempt, _| {
            if attempt != current {
                (count, current) = (0, attempt);
            }
            count += 1;
        })?;
        Ok(count)
    }
}

/// Whether a connection to `wanted` reaches this listener.
fn serves(listener: &Entry, wanted: IpAddr) -> bool {
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
