//! The engines that there are: one worker, and a reactor of each kind.

use std::io;
use std::sync::Arc;

use super::reactor::{MioReactor, UringReactor};
use super::{Engine, Handover, Share, Stop, WorkerReport, worker};

/// Readiness by epoll, deadlines by timerfd, and a descriptor for each connection.
#[derive(Debug)]
pub struct MioEngine {
    /// Ends it early.
    pub stop: Arc<Stop>,
}

impl MioEngine {
    /// The name in results.
    pub const NAME: &str = "mio";
}

impl Engine for MioEngine {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn run(&self, share: Share, handover: Handover) -> io::Result<WorkerReport> {
        worker::run::<MioReactor>(&self.stop, share, handover)
    }
}

/// Batched system calls by io_uring, and connections that are held without a descriptor: as many
/// in one worker as its share has slots, which may be RLIMIT_NOFILE. Where
/// [`available`](crate::sys::uring::available) refuses, so does this.
///
/// Clients of a closed loop that are due together are connected by one system call and looked at
/// after it: what the first of them waits for the others is part of its `connect_service` and
/// `observer_error`. Those of an open loop have a call each.
#[derive(Debug)]
pub struct IoUringEngine {
    /// Ends it early.
    pub stop: Arc<Stop>,
}

impl IoUringEngine {
    /// The name in results.
    pub const NAME: &str = "io_uring";
}

impl Engine for IoUringEngine {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn run(&self, share: Share, handover: Handover) -> io::Result<WorkerReport> {
        worker::run::<UringReactor>(&self.stop, share, handover)
    }
}
