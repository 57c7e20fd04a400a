//! What the kernel holds of the clients' side while a cell runs: their sockets by state, interval
//! by interval, and memory when most connections are open.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::measure::result::{MemoryResult, SocketStates, StatesResult, TargetInterval};
use crate::observe::memory::{KernelMemory, resident};
use crate::observe::states::{Seen, StateWatch};
use crate::sys::netlink::{End, Families};
use crate::sys::permit::PermittedAddr;

/// Watches the clients' side from the network namespace of the calling thread.
pub struct ClientsSide {
    watch: Option<StateWatch>,
    looked: Seen,
    interval: u64,
    states: Vec<Option<SocketStates>>,
    memory: MemoryWatch,
    /// Resident memory of each worker process, which is the clients' as well.
    processes: Vec<Arc<AtomicU64>>,
}

/// What was seen of the clients' side.
#[derive(Debug, Default)]
pub struct ClientsTold {
    /// Their sockets in each interval.
    pub states: Vec<Option<SocketStates>>,
    /// Their sockets over the whole cell; `None` where they cannot be seen.
    pub sockets: Option<StatesResult>,
    /// What memory was like.
    pub memory: MemoryWatch,
}

impl ClientsSide {
    /// Starts to look at the sockets that are connected to `address`; intervals are `interval`
    /// nanoseconds long. Memory is read before any client is there.
    pub fn start(address: PermittedAddr, interval: u64) -> Self {
        let watch = address.get().inet().and_then(|address| {
            StateWatch::start(End::Remote(address.port()), Families::of(address)).ok()
        });
        Self {
            looked: watch.as_ref().map(StateWatch::seen).unwrap_or_default(),
            watch,
            interval: interval.max(1),
            states: Vec::new(),
            memory: MemoryWatch { before: Reading::take(&[]), most: None },
            processes: Vec::new(),
        }
    }

    /// Counts the resident memory of worker processes as well.
    pub fn add(&mut self, processes: &[Arc<AtomicU64>]) {
        self.processes.extend_from_slice(processes);
    }

    /// Ends the intervals that are over at `now`, in nanoseconds since the start of the schedule,
    /// when `open` connections are open or being opened.
    pub fn tick(&mut self, now: u64, open: u64) {
        let over = (now / self.interval) as usize;
        if self.states.len() < over {
            // More than one only where the control plane was held up.
            let seen = self.looked.interval();
            self.states.resize(over, seen);
            let processes = &self.processes;
            self.memory.note(open, over - 1, || Reading::take(processes));
        }
    }

    /// Ends the last interval, with a last look.
    pub fn finish(mut self, now: u64) -> ClientsTold {
        let sockets = self.watch.take().map(StateWatch::finish);
        self.states.resize((now / self.interval) as usize, None);
        self.states.push(self.looked.interval());
        ClientsTold { states: self.states, sockets, memory: self.memory }
    }
}

/// Memory before the first attempt, and when most connections were open.
#[derive(Debug, Clone, Copy, Default)]
pub struct MemoryWatch {
    before: Option<Reading>,
    most: Option<(u64, usize, Reading)>,
}

/// Memory at an instant.
#[derive(Debug, Clone, Copy)]
struct Reading {
    kernel: KernelMemory,
    resident: u64,
}

impl Reading {
    fn take(processes: &[Arc<AtomicU64>]) -> Option<Self> {
        let others = processes.iter().map(|resident| resident.load(Ordering::Relaxed));
        let resident = others.fold(resident().ok()?, u64::saturating_add);
        Some(Self { kernel: KernelMemory::read().ok()?, resident })
    }
}

impl MemoryWatch {
    /// Reads where no more have been open before; of a plateau, its end stays, when everything
    /// that connections need has been allocated.
    fn note(&mut self, open: u64, interval: usize, read: impl FnOnce() -> Option<Reading>) {
        let most = self.most.map_or(MemoryResult::LEAST, |(most, ..)| most);
        if open >= most
            && let Some(reading) = read()
        {
            self.most = Some((open, interval, reading));
        }
    }

    /// What connections cost; `None` where too few were open. `target` is the target's series and
    /// its resident memory before the first of them; `both_ends` is whether it is on this machine.
    pub fn result(
        &self,
        target: (&[TargetInterval], Option<u64>),
        both_ends: bool,
    ) -> Option<MemoryResult> {
        let (before, (connections, interval, then)) = (self.before?, self.most?);
        let (intervals, target_before) = target;
        let so_far = &intervals[..intervals.len().min(interval + 1)];
        let target_then = so_far.iter().rev().find_map(|seen| seen.resident);
        Some(MemoryResult {
            connections,
            interval,
            both_ends,
            kernel_bytes: growth(before.kernel.slab, then.kernel.slab),
            queued_bytes: growth(before.kernel.queued, then.kernel.queued),
            client_bytes: growth(before.resident, then.resident),
            target_bytes: target_before.zip(target_then).map(|(before, then)| growth(before, then)),
        })
    }
}

fn growth(before: u64, then: u64) -> i64 {
    i64::try_from(i128::from(then) - i128::from(before)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(slab: u64, resident: u64) -> Option<Reading> {
        Some(Reading { kernel: KernelMemory { slab, queued: 4096 }, resident })
    }

    #[test]
    fn memory_is_that_of_the_most_connections() {
        let mut watch = MemoryWatch { before: reading(1000, 100), most: None };
        watch.note(999, 0, || unreachable!("too few"));
        assert!(watch.result((&[], None), true).is_none());
        for (interval, open, slab) in
            [(1, 1000, 2000), (2, 5000, 9000), (3, 5000, 9100), (4, 4999, 1)]
        {
            watch.note(open, interval, || reading(slab, 50));
        }
        let target: Vec<_> = [Some(70), Some(80), None, None, Some(90)]
            .map(|resident| TargetInterval { resident, ..TargetInterval::default() })
            .into();
        let expected = MemoryResult {
            connections: 5000,
            interval: 3,
            both_ends: true,
            kernel_bytes: 8100,
            queued_bytes: 0,
            client_bytes: -50,
            target_bytes: Some(60),
        };
        assert_eq!(watch.result((&target, Some(20)), true), Some(expected));
        let unseen = watch.result((&[], Some(20)), false).expect("the clients' own");
        assert_eq!((unseen.target_bytes, unseen.both_ends), (None, false));
    }

    #[test]
    fn intervals_are_entered_once_each() {
        let mut side = ClientsSide {
            watch: None,
            looked: Seen::default(),
            interval: 100,
            states: Vec::new(),
            memory: MemoryWatch::default(),
            processes: Vec::new(),
        };
        for (now, over) in [(0, 0), (99, 0), (100, 1), (150, 1), (420, 4)] {
            side.tick(now, 5);
            assert_eq!(side.states.len(), over, "{now}");
        }
        assert_eq!(side.finish(555).states.len(), 6);
    }
}
