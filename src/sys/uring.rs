//! io_uring: batched system calls, and sockets that are kept without a descriptor.
//!
//! Requests are queued without a system call and run by the next [`Ring::enter`], all in the
//! order in which they were queued. The calls of one kind stand next to each other in such a batch,
//! which keeps the kernel's code in the CPU's caches: on Linux 6.18 that saves more than the
//! system calls themselves.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use io_uring::squeue::{Entry, Flags};
use io_uring::types::{CancelBuilder, Fd, Fixed, SubmitArgs, Timespec};
use io_uring::{EnterFlags, IoUring, Probe, cqueue, opcode};
use nix::sys::eventfd::{EfdFlags, EventFd};
use socket2::{SockAddr, Socket};

use super::error_name;
use super::socket::{Dialer, UNSPECIFIED};

/// Requests that are queued before a system call has to be made.
const REQUESTS: u32 = 256;
/// Completions that the kernel keeps for us without allocating. It also decides how many buckets the
/// kernel has for watched sockets (`io_uring/io_uring.c`, io_ring_ctx_alloc): with these there are
/// 256, the most, and [`Ring::cancel`] has to search one of them.
const COMPLETIONS: u32 = 8192;
/// Names that callers do not use. This one's completions concern nobody.
const NOBODY: u64 = u64::MAX - 0xff;
/// The name of a socket that is being taken out of its place.
const TAKEN_OUT: u64 = NOBODY - 1;
/// Of Linux 6.8, the newest that is asked for.
const NEEDED: [u8; 5] = [
    opcode::Connect::CODE,
    opcode::PollAdd::CODE,
    opcode::AsyncCancel::CODE,
    opcode::Close::CODE,
    opcode::FixedFdInstall::CODE,
];

/// Whether this process may use io_uring, and the kernel has what [`Ring`] needs.
///
/// # Errors
/// EPERM (`kernel.io_uring_disabled`, or a seccomp filter), ENOSYS (not compiled in, or a filter),
/// ENOMEM (RLIMIT_MEMLOCK before Linux 5.12), Unsupported (a kernel before 6.8). The text names
/// the call, the error and what helps.
pub fn available() -> io::Result<()> {
    let ring = IoUring::new(1).map_err(|error| refused(&error))?;
    let mut probe = Probe::new();
    ring.submitter().register_probe(&mut probe).map_err(|error| refused(&error))?;
    let known = NEEDED.iter().all(|code| probe.is_supported(*code));
    known.then_some(()).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::Unsupported,
            "this kernel's io_uring has no IORING_OP_FIXED_FD_INSTALL: Linux 6.8 or later is \
             needed",
        )
    })
}

fn refused(error: &io::Error) -> io::Error {
    let number = error.raw_os_error().unwrap_or(0);
    let remedy = match number {
        libc::EPERM => {
            "kernel.io_uring_disabled must be 0 (`sysctl kernel.io_uring_disabled`), and no \
             seccomp filter may forbid the call (containers often do)"
        }
        libc::ENOSYS => {
            "the kernel needs CONFIG_IO_URING, and no seccomp filter may forbid the call"
        }
        libc::ENOMEM => "raise RLIMIT_MEMLOCK (`ulimit -l`)",
        libc::EMFILE | libc::ENFILE => "raise RLIMIT_NOFILE (`ulimit -n`)",
        _ => "see io_uring_setup(2)",
    };
    let text = format!("io_uring_setup: {}: {remedy}", error_name(error));
    io::Error::new(error.kind(), text)
}

/// What a socket is watched for; errors and hang-ups are always told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// Bytes, or the other side's close.
    Arrival,
    /// Room for bytes to be sent.
    Room,
}

impl Readiness {
    fn mask(self) -> u32 {
        let mask = match self {
            Self::Arrival => libc::POLLIN | libc::POLLRDHUP,
            Self::Room => libc::POLLOUT,
        };
        mask as u32
    }
}

/// How long [`Ring::enter`] waits for a completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Not at all.
    Look,
    /// So many nanoseconds.
    For(u64),
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Completion {
    /// The name that the request was given.
    pub name: u64,
    /// The error number; 0 where it succeeded.
    pub errno: i32,
}

/// A ring, with places for sockets that need no descriptor there. It belongs to the thread that
/// made it (IORING_SETUP_SINGLE_ISSUER): requests of another fail with EEXIST.
pub struct Ring {
    ring: IoUring,
    /// Where queued connections go to: the kernel reads an address when it takes the request, later
    /// than it is queued. There is one more than requests can be queued, used in turn.
    addresses: Box<[SockAddr]>,
    /// The one to use next.
    turn: usize,
    /// Completions that were met while another was looked for.
    met: VecDeque<Completion>,
}

impl Ring {
    /// A ring with so many places.
    ///
    /// # Errors
    /// As of [`available`]; EMFILE where `places` is more than RLIMIT_NOFILE.
    pub fn new(places: u32) -> io::Result<Self> {
        let ring = IoUring::builder()
            .setup_cqsize(COMPLETIONS)
            .setup_single_issuer()
            .setup_defer_taskrun()
            .build(REQUESTS)
            .map_err(|error| refused(&error))?;
        ring.submitter().register_files_sparse(places)?;
        let nowhere = SockAddr::from(SocketAddr::from(([0, 0, 0, 0], 0)));
        let addresses = vec![nowhere; ring.params().sq_entries() as usize + 1].into_boxed_slice();
        Ok(Self { ring, addresses, turn: 0, met: VecDeque::new() })
    }

    /// Connects `socket` to the address of `dialer`. It completes when the handshake is over, or
    /// has failed.
    ///
    /// # Errors
    /// As of [`Ring::enter`], where the queue was full.
    pub fn connect(&mut self, socket: &Socket, dialer: &Dialer, name: u64) -> io::Result<()> {
        self.turn = (self.turn + 1) % self.addresses.len();
        let address = &mut self.addresses[self.turn];
        address.clone_from(dialer.address());
        let request =
            opcode::Connect::new(Fd(socket.as_raw_fd()), address.as_ptr().cast(), address.len());
        self.queue(request.build().user_data(name))
    }

    /// Resets the connection of `socket` and frees its port, so that it can connect again: see
    /// [`disconnect`](super::socket::disconnect). What is queued later finds it disconnected.
    ///
    /// # Errors
    /// As of [`Ring::connect`].
    pub fn disconnect(&mut self, socket: &Socket) -> io::Result<()> {
        let length = size_of::<libc::sockaddr>() as libc::socklen_t;
        let request =
            opcode::Connect::new(Fd(socket.as_raw_fd()), &raw const UNSPECIFIED, length).build();
        self.queue(request.flags(Flags::SKIP_SUCCESS).user_data(NOBODY))
    }

    /// Completes once, as soon as `socket` (or anything else that can be polled) is ready; at once
    /// where it is already.
    ///
    /// # Errors
    /// As of [`Ring::connect`].
    pub fn watch(
        &mut self,
        socket: &impl AsRawFd,
        readiness: Readiness,
        name: u64,
    ) -> io::Result<()> {
        let request = opcode::PollAdd::new(Fd(socket.as_raw_fd()), readiness.mask());
        self.queue(request.build().user_data(name))
    }

    /// Ends the requests of this name. It has to be done before their socket is closed: a request
    /// holds the connection open.
    ///
    /// # Errors
    /// As of [`Ring::connect`].
    pub fn cancel(&mut self, name: u64) -> io::Result<()> {
        let all = CancelBuilder::user_data(name).all();
        let request = opcode::AsyncCancel2::new(all).build();
        self.queue(request.flags(Flags::SKIP_SUCCESS).user_data(NOBODY))
    }

    /// Keeps `socket` in `place` and closes its descriptor; something that arrives completes
    /// `name`. The socket comes back where that is not possible.
    pub fn park(&mut self, place: u32, socket: Socket, name: u64) -> Result<(), Socket> {
        if self.ring.submitter().register_files_update(place, &[socket.as_raw_fd()]).is_err() {
            return Err(socket);
        }
        let request = opcode::PollAdd::new(Fixed(place), Readiness::Arrival.mask());
        match self.queue(request.build().user_data(name)) {
            Ok(()) => Ok(()),
            Err(_) => {
                self.empty(place);
                Err(socket)
            }
        }
    }

    /// Takes the socket out of `place`, with a new descriptor, and ends the request `name`.
    ///
    /// # Errors
    /// EMFILE and ENFILE without a descriptor; the connection is closed then.
    pub fn unpark(&mut self, place: u32, name: u64) -> io::Result<Socket> {
        self.take(place, name).inspect_err(|_| self.empty(place))
    }

    /// As [`Ring::unpark`], but without a descriptor the socket stays in its place, unwatched.
    ///
    /// # Errors
    /// EMFILE and ENFILE without a descriptor.
    pub fn take(&mut self, place: u32, name: u64) -> io::Result<Socket> {
        let descriptor = self.cancel(name).and_then(|()| self.install(place))?;
        self.empty(place);
        // SAFETY: the descriptor was made for us just now, and nobody else knows of it.
        #[allow(unsafe_code)]
        Ok(unsafe { Socket::from_raw_fd(descriptor) })
    }

    /// Closes the socket in `place`, and ends the request `name`.
    ///
    /// # Errors
    /// As of [`Ring::connect`].
    pub fn evict(&mut self, place: u32, name: u64) -> io::Result<()> {
        self.empty(place);
        self.cancel(name)
    }

    fn install(&mut self, place: u32) -> io::Result<RawFd> {
        let request = opcode::FixedFdInstall::new(Fixed(place), 0);
        self.queue(request.build().user_data(TAKEN_OUT))?;
        loop {
            // It completes as soon as it is taken from the queue.
            self.call(Patience::Look)?;
            let mut found = None;
            for entry in self.ring.completion() {
                match entry.user_data() {
                    TAKEN_OUT => found = Some(entry.result()),
                    _ => self.met.extend(completion(&entry)),
                }
            }
            match found {
                Some(descriptor @ 0..) => return Ok(descriptor),
                Some(error) => return Err(io::Error::from_raw_os_error(-error)),
                None => {}
            }
        }
    }

    fn empty(&mut self, place: u32) {
        // A place that exists can be emptied; were it not, the next socket would take it over.
        let _ = self.ring.submitter().register_files_update(place, &[-1]);
    }

    /// Runs what is queued, and waits for a completion.
    ///
    /// # Errors
    /// ENOMEM, EBADR (a completion was lost): the ring is of no use any more.
    pub fn enter(&mut self, patience: Patience) -> io::Result<()> {
        let ready = !self.met.is_empty() || !self.ring.completion().is_empty();
        match ready {
            true if self.ring.submission().is_empty() => Ok(()),
            true => self.call(Patience::Look),
            false => self.call(patience),
        }
    }

    /// Runs what is queued, if anything is; whether anything was.
    ///
    /// # Errors
    /// As of [`Ring::enter`].
    pub fn submit(&mut self) -> io::Result<bool> {
        let queued = !self.ring.submission().is_empty();
        if queued {
            self.call(Patience::Look)?;
        }
        Ok(queued)
    }

    /// An eventfd that is written to when [`Ring::enter`] may have something to do, so that it need
    /// not be waited in. (Polling the ring itself does not tell of work that the kernel leaves to
    /// us, which is all of it: IORING_SETUP_DEFER_TASKRUN.) A call does not do all of that work at
    /// once: what is left is not told of again.
    ///
    /// # Errors
    /// EMFILE and ENOMEM.
    pub fn bell(&mut self) -> io::Result<OwnedFd> {
        let bell = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        self.ring.submitter().register_eventfd(bell.as_raw_fd())?;
        Ok(bell.into())
    }

    /// A completion that has come.
    pub fn completed(&mut self) -> Option<Completion> {
        if let Some(met) = self.met.pop_front() {
            return Some(met);
        }
        self.ring.completion().find_map(|entry| completion(&entry))
    }

    fn queue(&mut self, request: Entry) -> io::Result<()> {
        loop {
            // SAFETY: a request points to nothing, to an address that lives for ever, or to one
            // of `addresses`: that one changes again when as many more are queued as the queue
            // has room for, so that this one is taken. Descriptors are numbers, and a wrong one is
            // an error.
            #[allow(unsafe_code)]
            let pushed = unsafe { self.ring.submission().push(&request) };
            if pushed.is_ok() {
                return Ok(());
            }
            self.call(Patience::Look)?;
            // The kernel takes nothing more while it has completions that nobody reads.
            self.met.extend(self.ring.completion().filter_map(|entry| completion(&entry)));
        }
    }

    fn call(&mut self, patience: Patience) -> io::Result<()> {
        let queued = self.ring.submission().len() as u32;
        let submitter = self.ring.submitter();
        let done = match patience {
            // SAFETY: the flags ask for no argument, and none is given.
            #[allow(unsafe_code)]
            Patience::Look => unsafe {
                let flags = EnterFlags::GETEVENTS.bits();
                submitter.enter::<libc::sigset_t>(queued, 0, flags, None)
            },
            Patience::For(time) => {
                let time =
                    Timespec::new().sec(time / 1_000_000_000).nsec((time % 1_000_000_000) as u32);
                submitter.submit_with_args(1, &SubmitArgs::new().timespec(&time))
            }
        };
        match done.map_err(|error| (error.raw_os_error(), error)) {
            // Nothing came in time, a signal came, or completions have to be read first.
            Err((Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN), _)) => Ok(()),
            Err((_, error)) => Err(error),
            Ok(_) => Ok(()),
        }
    }
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.debug_struct("Ring").field("met", &self.met).finish_non_exhaustive()
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // What is queued may be the end of requests that hold connections open. Without this the
        // kernel would end them later, when nobody waits for it any more.
        while self.call(Patience::Look).is_ok() && self.ring.completion().count() > 0 {}
    }
}

/// What a completion says to whom it concerns; nothing where it concerns nobody.
fn completion(entry: &cqueue::Entry) -> Option<Completion> {
    let (name, errno) = (entry.user_data(), -entry.result().min(0));
    (name != NOBODY && errno != libc::ECANCELED).then_some(Completion { name, errno })
}

#[cfg(test)]
pub(crate) mod tests;
