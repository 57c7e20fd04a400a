//! What a loop costs: CPU time, allocations; and the CPUs that it runs on.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use nix::unistd::Pid;

/// What one run of a loop took.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// Connections that were established and closed.
    pub connections: u64,
    /// Wall time, in seconds.
    pub wall_s: f64,
    /// User and system time of the whole process, in seconds.
    pub cpu_s: f64,
}

impl Cost {
    /// Connections a second.
    pub fn rate(&self) -> f64 {
        self.connections as f64 / self.wall_s
    }

    /// CPU time of a connection, in microseconds.
    pub fn cpu_us(&self) -> f64 {
        self.cpu_s * 1e6 / self.connections as f64
    }
}

/// User and system time of this process so far, in seconds.
pub fn cpu_time() -> nix::Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    Ok((usage.user_time() + usage.system_time()).num_microseconds() as f64 / 1e6)
}

/// One CPU for each side.
#[derive(Debug, Clone, Copy)]
pub struct Cpus {
    /// All threads of the generator: the loops, and the collector of ours.
    pub generator: usize,
    /// All threads of the target.
    pub target: usize,
}

impl Cpus {
    /// The first two CPUs that we may use; the same one twice where there is only one.
    pub fn choose() -> nix::Result<Self> {
        let allowed = sched_getaffinity(Pid::from_raw(0))?;
        let mut usable = (0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu).unwrap_or(false));
        let generator = usable.next().ok_or(nix::Error::EINVAL)?;
        Ok(Self { generator, target: usable.next().unwrap_or(generator) })
    }
}

/// Keeps the calling thread, and those that it starts later, on one CPU.
pub fn pin(cpu: usize) -> nix::Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    sched_setaffinity(Pid::from_raw(0), &set)
}

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, counting the allocations of each thread.
pub struct Counting;

// SAFETY: every call is handed to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn count() {
    // A thread that is ending has no counter any more.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

/// Allocations of the calling thread so far.
pub fn allocations() -> u64 {
    ALLOCATIONS.with(Cell::get)
}
