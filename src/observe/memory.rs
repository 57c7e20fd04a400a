//! Memory: what the kernel holds for connections, and what a process uses.

use std::fs;
use std::io;

use crate::sys::limits;

/// What the kernel holds, over the whole machine, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KernelMemory {
    /// The kernel's own objects (`Slab` of `/proc/meminfo`, `fs/proc/meminfo.c`). Sockets are in
    /// the part that can be reclaimed as well as in the other.
    pub slab: u64,
    /// What is charged to TCP for queued data (`mem` of `/proc/net/sockstat`, `net/ipv4/proc.c`).
    pub queued: u64,
}

impl KernelMemory {
    /// Reads both figures.
    ///
    /// # Errors
    /// Where `/proc` is not mounted or not Linux's.
    pub fn read() -> io::Result<Self> {
        let meminfo = fs::read_to_string("/proc/meminfo")?;
        let sockstat = fs::read_to_string("/proc/thread-self/net/sockstat")?;
        Self::parse(&meminfo, &sockstat, limits::page_size())
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no Slab or no TCP mem"))
    }

    fn parse(meminfo: &str, sockstat: &str, page: u64) -> Option<Self> {
        let tcp = sockstat.lines().find_map(|line| line.strip_prefix("TCP:"))?;
        let mut words = tcp.split_whitespace().skip_while(|word| *word != "mem");
        let pages: u64 = words.nth(1)?.parse().ok()?;
        Some(Self { slab: limits::memory(meminfo, "Slab")?, queued: pages.checked_mul(page)? })
    }
}

/// Resident memory of this process, in bytes (`VmRSS` of `/proc/self/status`,
/// `fs/proc/task_mmu.c`).
///
/// # Errors
/// Where `/proc` is not mounted or not Linux's.
pub fn resident() -> io::Result<u64> {
    limits::memory(&fs::read_to_string("/proc/self/status")?, "VmRSS")
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "/proc/self/status has no VmRSS"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &str = "MemTotal:       24684084 kB\nSlab:             163540 kB\n\
                           SReclaimable:     123456 kB\n";
    const SOCKSTAT: &str = "sockets: used 271\nTCP: inuse 14 orphan 0 tw 3 alloc 27 mem 5\n\
                            UDP: inuse 2 mem 9\n";

    #[test]
    fn both_figures_are_bytes() {
        let read = KernelMemory::parse(MEMINFO, SOCKSTAT, 4096);
        assert_eq!(read, Some(KernelMemory { slab: 163_540 * 1024, queued: 5 * 4096 }));
        for (meminfo, sockstat) in [
            ("", SOCKSTAT),
            (MEMINFO, ""),
            (MEMINFO, "TCP: inuse 1 mem"),
            (MEMINFO, "TCP: mem x"),
            (MEMINFO, "TCP: mem 18446744073709551615"),
            (MEMINFO, "UDP: inuse 2 mem 9"),
        ] {
            assert_eq!(KernelMemory::parse(meminfo, sockstat, 4096), None, "{sockstat:?}");
        }
    }

    #[test]
    fn this_machine_tells_both() {
        assert!(KernelMemory::read().unwrap().slab > 1 << 20);
    }

    #[test]
    fn what_is_touched_is_resident() {
        // Other tests take and free memory meanwhile: no more than this one's is certain.
        let memory = std::hint::black_box(vec![1u8; 64 << 20]);
        assert!(resident().unwrap() >= 64 << 20);
        drop(memory);
    }
}
