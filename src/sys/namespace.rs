//! Network namespaces: made, held by a descriptor, entered by threads. Nothing is named, so the
//! kernel frees a namespace with its last descriptor, thread and socket
//! (`network_namespaces(7)`).

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::thread;

/// The calling thread's network namespace.
const OWN: &str = "/proc/thread-self/ns/net";

/// A network namespace that lives at least as long as this value.
#[derive(Debug)]
pub struct Namespace {
    handle: File,
}

impl Namespace {
    /// The namespace of the calling thread.
    ///
    /// # Errors
    /// Where `/proc` is not mounted, or the system has no namespaces.
    pub fn current() -> io::Result<Self> {
        Ok(Self { handle: File::open(OWN)? })
    }

    /// A new namespace with nothing in it but a loopback interface that is down. Made by a
    /// short-lived thread, so that the caller stays where it is.
    ///
    /// # Errors
    /// `EPERM` without `CAP_SYS_ADMIN` in the user namespace, `ENOSPC` at
    /// `/proc/sys/user/max_net_namespaces`.
    pub fn fresh() -> io::Result<Self> {
        on_a_thread(|| {
            unshare_net()?;
            Self::current()
        })?
    }

    /// Moves the calling thread into it; sockets that the thread makes from now on belong to it.
    ///
    /// # Errors
    /// `EPERM` without `CAP_SYS_ADMIN` over it.
    pub fn enter(&self) -> io::Result<()> {
        platform::enter(&self.handle)
    }

    /// Does `work` on a thread inside it and waits for the end.
    ///
    /// # Errors
    /// Where no thread can be started or it may not enter.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        on_a_thread(|| {
            self.enter()?;
            Ok(work())
        })?
    }

    /// The number by which the kernel tells namespaces apart: the inode of its nsfs file.
    ///
    /// # Errors
    /// None in practice; `fstat` on an open descriptor.
    pub fn id(&self) -> io::Result<u64> {
        Ok(self.handle.metadata()?.ino())
    }
}

impl AsRawFd for Namespace {
    fn as_raw_fd(&self) -> RawFd {
        self.handle.as_raw_fd()
    }
}

/// Moves the calling thread into a new network namespace.
///
/// # Errors
/// `EPERM` without `CAP_SYS_ADMIN`, `ENOSPC` at the namespaces' limit.
pub fn unshare_net() -> io::Result<()> {
    platform::unshare(false)
}

/// Moves this process into a new user namespace, in which it is the administrator, and a new
/// network namespace. Only while the process has one thread. The identity map is the caller's to
/// write (`user_namespaces(7)`).
///
/// # Errors
/// `EPERM` or `EACCES` where policy forbids it, `EINVAL` with several threads, `ENOSPC` at a limit.
pub fn unshare_user_and_net() -> io::Result<()> {
    platform::unshare(true)
}

/// Whether no packet can leave the network of this thread by a default route: so it is in every
/// lab. `false` where that cannot be told.
pub fn leads_nowhere() -> bool {
    let table = |name: &str| std::fs::read_to_string(format!("/proc/thread-self/net/{name}"));
    let Ok(v4) = table("route") else { return false };
    // Without IPv6 there is no such table.
    let v6 = table("ipv6_route").unwrap_or_default();
    // Device and destination, and destination, its length, ..., device.
    let default_v4 = |line: &str| line.split_whitespace().nth(1) == Some("00000000");
    let default_v6 = |line: &str| {
        let mut words = line.split_whitespace();
        let nowhere = "0".repeat(32);
        words.next() == Some(&nowhere) && words.next() == Some("00") && words.last() != Some("lo")
    };
    !v4.lines().any(default_v4) && !v6.lines().any(default_v6)
}

/// The effective user of this process.
pub fn effective_user() -> u32 {
    nix::unistd::geteuid().as_raw()
}

/// The effective group of this process.
pub fn effective_group() -> u32 {
    nix::unistd::getegid().as_raw()
}

/// Does `work` on a thread of its own, which ends before this returns.
fn on_a_thread<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let started = thread::Builder::new().name("namespace".into()).spawn_scoped(scope, work)?;
        Ok(started.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

#[cfg(target_os = "linux")]
mod platform {
    use super::{File, io};
    use nix::sched::{CloneFlags, setns, unshare as nix_unshare};

    pub fn enter(namespace: &File) -> io::Result<()> {
        Ok(setns(namespace, CloneFlags::CLONE_NEWNET)?)
    }

    pub fn unshare(user_too: bool) -> io::Result<()> {
        let user = if user_too { CloneFlags::CLONE_NEWUSER } else { CloneFlags::empty() };
        Ok(nix_unshare(user | CloneFlags::CLONE_NEWNET)?)
    }
}

#[cfg(not(target_os = "linux"))]
mod platform {
    use super::{File, io};

    pub fn enter(_: &File) -> io::Result<()> {
        unshare(false)
    }

    pub fn unshare(_: bool) -> io::Result<()> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "this operating system has no network namespaces; Linux has",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_current_namespace_has_a_number_and_can_be_worked_in_from_the_same_process() {
        let here = Namespace::current().unwrap();
        assert_eq!(here.id().unwrap(), Namespace::current().unwrap().id().unwrap());
        let elsewhere = on_a_thread(|| Namespace::current().unwrap().id().unwrap()).unwrap();
        assert_eq!(here.id().unwrap(), elsewhere);
    }
}
