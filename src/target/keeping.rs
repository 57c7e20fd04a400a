//! Where accepted connections are kept: what a scenario asks for, and what is possible here.

use std::io;
use std::sync::Arc;

use super::lot::Purse;
use crate::scenario::plan::{Serve, TargetEngine};
use crate::sys::{limits, uring};

/// Descriptors that a process needs beside its connections, and a batch of accepts.
const BESIDE: u64 = 96;

/// Where an acceptor keeps its connections.
#[derive(Debug, Clone)]
pub enum Keeping {
    /// In the process's table of descriptors.
    Shared,
    /// In a table of descriptors of its own.
    OwnTable,
    /// In a ring of so many places, as far as they wait and descriptors are scarce.
    Ring(u32, Arc<Purse>),
}

/// What was decided.
#[derive(Debug)]
pub struct Decision {
    /// Where each acceptor keeps its connections.
    pub keeping: Keeping,
    /// Acceptors that stand in for one.
    pub crew: usize,
    /// Connections for which each of them has room; no limit for one that stands alone.
    pub room: usize,
    /// Why it is so, where that is worth a word.
    pub notice: Option<String>,
}

impl Decision {
    /// The engine's name.
    pub fn engine(&self) -> &'static str {
        match self.keeping {
            Keeping::Shared => "epoll",
            Keeping::OwnTable => "threads",
            Keeping::Ring(..) => "io_uring",
        }
    }

    /// As ordinary servers do.
    fn ordinary(notice: Option<String>) -> Self {
        Self { keeping: Keeping::Shared, crew: 1, room: usize::MAX, notice }
    }
}

/// What this process may do.
#[derive(Debug)]
struct Means {
    /// RLIMIT_NOFILE.
    descriptors: u64,
    ring: fn() -> io::Result<()>,
    table: fn() -> io::Result<()>,
}

/// Decides for a target that shall hold `expected` connections at once.
pub fn decide(serve: &Serve, expected: u64) -> Decision {
    // Without a limit that can be read there is none to be short of.
    let descriptors = limits::descriptors().map_or(u64::MAX, |(soft, _)| soft);
    decide_by(serve, expected, &Means { descriptors, ring: uring::available, table: own_table })
}

/// Whether threads may have tables of their own.
fn own_table() -> io::Result<()> {
    std::thread::spawn(limits::own_descriptors)
        .join()
        .unwrap_or_else(|_| Err(io::Error::other("the thread panicked")))
}

fn decide_by(serve: &Serve, expected: u64, means: &Means) -> Decision {
    let limit = means.descriptors;
    // An acceptor that found no descriptor before it is full would keep its turn.
    let room = (limit / 10 * 9).min(limit.saturating_sub(BESIDE)).max(1);
    let many = format!(
        "{expected} connections at once are expected, and RLIMIT_NOFILE is {limit} (ulimit -n)"
    );
    let few = expected <= room || serve.serial;
    match serve.engine {
        TargetEngine::Epoll => return Decision::ordinary(None),
        TargetEngine::Auto if few => return Decision::ordinary(None),
        TargetEngine::Threads => return threads(serve, room, expected, means, None),
        TargetEngine::Auto | TargetEngine::IoUring => {}
    }
    let asked = serve.engine == TargetEngine::IoUring;
    match (means.ring)() {
        Ok(()) => {
            let notice = format!("{many}: the target keeps those that wait in io_uring");
            ring(serve, limit, room, expected, (!asked).then_some(notice))
        }
        Err(error) => {
            let many = if asked { "engine \"io_uring\" is asked for" } else { &many };
            let why = format!("{many}, but io_uring is not available to the target: {error}");
            threads(serve, room, expected, means, Some(why))
        }
    }
}

/// Acceptors that stand in for each one that was planned, at most 1,024 in all.
fn crew(serve: &Serve, expected: u64, room: u64) -> usize {
    let planned = u64::from(serve.listeners.saturating_mul(serve.acceptors).max(1));
    let share = expected.div_ceil(planned).div_ceil(room.max(1));
    usize::try_from(share.clamp(1, (1024 / planned).max(1))).unwrap_or(1)
}

fn ring(serve: &Serve, limit: u64, room: u64, expected: u64, notice: Option<String>) -> Decision {
    let places = u32::try_from(limit).unwrap_or(u32::MAX).min(MOST_PLACES);
    let room = room.min(u64::from(places) / 10 * 9);
    let keeping = Keeping::Ring(places, Arc::new(Purse::new(limit / 2)));
    Decision { keeping, crew: crew(serve, expected, room), room: in_memory(room), notice }
}

/// Places that a ring may have (`io_uring/filetable.h`, IORING_MAX_FIXED_FILES).
const MOST_PLACES: u32 = 1 << 20;

fn in_memory(room: u64) -> usize {
    usize::try_from(room).unwrap_or(usize::MAX)
}

fn threads(
    serve: &Serve,
    room: u64,
    expected: u64,
    means: &Means,
    why: Option<String>,
) -> Decision {
    let told = |rest: String| match &why {
        Some(why) => Some(format!("{why}; {rest}")),
        None => Some(rest),
    };
    if serve.restart.is_some() {
        return Decision::ordinary(told(
            "threads with descriptors of their own would keep the listener open in a restart: \
             the target has the process's descriptors only"
                .to_owned(),
        ));
    }
    match (means.table)() {
        Ok(()) => {
            let size = crew(serve, expected, room);
            let notice = match &why {
                Some(_) => told(format!("{size} threads with descriptors of their own accept")),
                None => None,
            };
            Decision { keeping: Keeping::OwnTable, crew: size, room: in_memory(room), notice }
        }
        Err(error) => Decision::ordinary(told(format!(
            "threads cannot have descriptors of their own: unshare: {error}: the target has the \
             process's descriptors only"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::plan::{Restart, Succession};
    use crate::units::Span;

    const ABLE: Means = Means { descriptors: 1000, ring: || Ok(()), table: || Ok(()) };

    fn no_ring() -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::PermissionDenied, "io_uring_setup: EPERM"))
    }

    fn decided(engine: TargetEngine, expected: u64, means: &Means) -> Decision {
        decide_by(&Serve { engine, ..Serve::default() }, expected, means)
    }

    #[test]
    fn few_connections_are_kept_as_ever() {
        let few = decided(TargetEngine::Auto, 900, &ABLE);
        assert_eq!((few.engine(), few.crew, few.room), ("epoll", 1, usize::MAX));
        let one_by_one = Serve { serial: true, ..Serve::default() };
        assert_eq!(decide_by(&one_by_one, 9000, &ABLE).engine(), "epoll");
    }

    #[test]
    fn many_are_kept_in_rings_or_by_threads() {
        let many = decided(TargetEngine::Auto, 3000, &ABLE);
        assert_eq!((many.engine(), many.crew, many.room), ("io_uring", 4, 900));
        assert!(many.notice.is_some_and(|notice| notice.contains("3000 connections")));
        let means = Means { ring: no_ring, ..ABLE };
        let without = decided(TargetEngine::Auto, 3000, &means);
        assert_eq!((without.engine(), without.crew), ("threads", 4));
        assert!(without.notice.is_some_and(|notice| notice.contains("io_uring_setup: EPERM")));
        assert_eq!(decided(TargetEngine::Threads, 10, &ABLE).crew, 1);
    }

    #[test]
    fn nothing_listens_on_after_a_restart() {
        let restart = Restart { at: Span::default(), succession: Succession::HandOver };
        let serve = Serve { restart: Some(restart), ..Serve::default() };
        assert_eq!(decide_by(&serve, 3000, &ABLE).engine(), "io_uring");
        let without = decide_by(&serve, 3000, &Means { ring: no_ring, ..ABLE });
        assert_eq!(without.engine(), "epoll");
        assert!(without.notice.is_some_and(|notice| notice.contains("restart")));
    }
}
