//! Small servers: each does one thing to every connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::sys::endpoint::Endpoint;
use crate::sys::permit::{PermittedAddr, Policy};
use crate::sys::socket::{accept, listen};
use crate::units::{UnixKind, UnixName};

/// A server on loopback, until it is dropped.
pub struct Peer {
    pub address: PermittedAddr,
    accepted: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    /// What only has to stay open.
    socket: Option<Socket>,
    thread: Option<JoinHandle<()>>,
}

impl Peer {
    /// Keeps connections until the client closes.
    pub fn accepting() -> Self {
        Self::serving(|mut stream| {
            let _ = stream.read_to_end(&mut Vec::new());
        })
    }

    /// Sends back what it reads.
    pub fn echoing() -> Self {
        Self::serving(|mut stream| {
            let mut buffer = [0; 64];
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                if stream.write_all(&buffer[..count]).is_err() {
                    return;
                }
            }
        })
    }

    /// Sends back what it reads first, and closes with that.
    pub fn echoing_once() -> Self {
        Self::serving(|mut stream| {
            let mut buffer = [0; 64];
            let count = stream.read(&mut buffer).unwrap_or(0);
            let _ = stream.write_all(&buffer[..count]);
        })
    }

    /// Sends for ever, and never a delimiter, as fast as it is read.
    pub fn flooding() -> Self {
        Self::serving(|mut stream| while stream.write_all(&[b'x'; 1 << 16]).is_ok() {})
    }

    /// Sends a byte every `time`, for ever.
    pub fn trickling(time: Duration) -> Self {
        Self::serving(move |mut stream| {
            while stream.write_all(b"x").is_ok() {
                thread::sleep(time);
            }
        })
    }

    /// Reads a little every `time`, for ever.
    pub fn sipping(time: Duration) -> Self {
        Self::serving(move |mut stream| {
            let mut buffer = vec![0; 256 * 1024];
            while let Ok(1..) = stream.read(&mut buffer) {
                thread::sleep(time);
            }
        })
    }

    /// Closes after `time`.
    pub fn closing(time: Duration) -> Self {
        Self::serving(move |_stream| thread::sleep(time))
    }

    /// Resets after `time`.
    pub fn resetting(time: Duration) -> Self {
        Self::serving(move |stream| {
            thread::sleep(time);
            let _ = Socket::from(stream).set_linger(Some(Duration::ZERO));
        })
    }

    /// Listens and never accepts.
    pub fn never_accepting(backlog: i32) -> Self {
        let listener = listen(anywhere(), backlog).expect("a listener");
        Self::holding(listener)
    }

    /// Listens on an abstract name and never accepts.
    pub fn unix(kind: UnixKind, backlog: i32) -> Self {
        Self::holding(listen(unnamed(kind), backlog).expect("a listener"))
    }

    /// Sends back what it reads, one client after the other.
    pub fn echoing_on_unix() -> Self {
        let listener = listen(unnamed(UnixKind::Stream), 128).expect("a listener");
        listener.set_nonblocking(false).expect("a blocking listener");
        let address = permitted(&listener);
        thread::spawn(move || {
            // It ends with the process: nobody else knows its name.
            while let Ok((mut stream, _)) = listener.accept() {
                let mut buffer = [0; 64];
                while let Ok(count @ 1..) = stream.read(&mut buffer) {
                    let _ = stream.write_all(&buffer[..count]);
                }
            }
        });
        Self { address, accepted: Arc::default(), stop: Arc::default(), socket: None, thread: None }
    }

    /// Accepts one connection, if one waits, and closes it.
    pub fn take_one(&self) {
        let _ = self.socket.as_ref().map(accept);
    }

    /// Has a port and does not listen on it; nobody else can take it meanwhile.
    pub fn refusing() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&anywhere().into()).expect("a port");
        Self::holding(socket)
    }

    /// Connections that were accepted so far.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::SeqCst)
    }

    fn holding(socket: Socket) -> Self {
        Self {
            address: permitted(&socket),
            accepted: Arc::default(),
            stop: Arc::default(),
            socket: Some(socket),
            thread: None,
        }
    }

    fn serving(serve: impl Fn(TcpStream) + Clone + Send + 'static) -> Self {
        let listener = listen(anywhere(), 128).expect("a listener");
        listener.set_nonblocking(false).expect("a blocking listener");
        let address = permitted(&listener);
        let listener = TcpListener::from(listener);
        let accepted = Arc::new(AtomicU64::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let (count, stopping) = (Arc::clone(&accepted), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if stopping.load(Ordering::SeqCst) {
                    return;
                }
                count.fetch_add(1, Ordering::SeqCst);
                let serve = serve.clone();
                thread::spawn(move || serve(stream));
            }
        });
        Self { address, accepted, stop, socket: None, thread: Some(thread) }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the accepting thread up.
        if TcpStream::connect(self.address.get().inet().expect("an address of TCP")).is_ok() {
            let _ = thread.join();
        }
    }
}

fn anywhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn unnamed(kind: UnixKind) -> Endpoint {
    Endpoint::Unix(kind, UnixName::UNNAMED)
}

fn permitted(socket: &Socket) -> PermittedAddr {
    let address = Endpoint::of(socket).expect("an address");
    Policy::default().permit(address).expect("loopback is permitted")
}
