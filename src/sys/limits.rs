//! What the system grants this process, and what the process has used.

use std::fs;
use std::io;
use std::time::Duration;

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::time::TimeVal;
use nix::time::{ClockId, clock_gettime};

/// Soft and hard limit of open descriptors (`RLIMIT_NOFILE`).
///
/// # Errors
/// None in practice.
pub fn descriptors() -> io::Result<(u64, u64)> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok((unsigned(soft), unsigned(hard)))
}

/// Raises the soft limit of open descriptors to the hard limit and returns what then holds.
/// Concerns this process and those that it starts, nothing else of the host.
///
/// # Errors
/// Where the system refuses its own hard limit (macOS does, above `kern.maxfilesperproc`).
pub fn raise_descriptors() -> io::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(unsigned(hard))
}

/// A limit; FreeBSD counts with a sign.
fn unsigned(limit: libc::rlim_t) -> u64 {
    #[cfg(target_os = "freebsd")]
    return u64::try_from(limit).unwrap_or(0);
    #[cfg(not(target_os = "freebsd"))]
    limit
}

/// Gives the calling thread a table of descriptors of its own, a copy of the process's: with
/// RLIMIT_NOFILE of its own, and what it opens from now on is no other thread's (unshare(2)).
/// Needs no privilege.
///
/// # Errors
/// ENOMEM; `Unsupported` where the system has no such thing.
pub fn own_descriptors() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    return Ok(nix::sched::unshare(nix::sched::CloneFlags::CLONE_FILES)?);
    #[cfg(not(target_os = "linux"))]
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "only Linux has threads with descriptors of their own",
    ))
}

/// Lets a write beyond the limit of file sizes (`ulimit -f`) fail with EFBIG, which is reported,
/// where SIGXFSZ would end the process.
pub fn survive_file_size_limit() {
    use nix::sys::signal::{SigHandler, Signal, signal};
    // SAFETY: ignoring a signal runs no code in a handler.
    #[allow(unsafe_code)]
    // The signal exists, so that it can be ignored; were it not, the process would end as before.
    let _ = unsafe { signal(Signal::SIGXFSZ, SigHandler::SigIgn) };
}

/// First and last ephemeral port of the calling thread's network namespace.
///
/// # Errors
/// Where the system does not say (`net.ipv4.ip_local_port_range` is Linux's), or says rubbish.
pub fn ephemeral_ports() -> io::Result<(u16, u16)> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")?;
    parse_ports(&text).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, format!("not a range of ports: {text:?}"))
    })
}

fn parse_ports(text: &str) -> Option<(u16, u16)> {
    let mut words = text.split_whitespace().map(str::parse);
    match (words.next(), words.next(), words.next()) {
        (Some(Ok(first)), Some(Ok(last)), None) if first <= last => Some((first, last)),
        _ => None,
    }
}

/// Bytes of memory that can be had without swapping (`MemAvailable` of `/proc/meminfo`).
///
/// # Errors
/// Where the system does not say.
pub fn available_memory() -> io::Result<u64> {
    memory(&fs::read_to_string("/proc/meminfo")?, "MemAvailable").ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, "/proc/meminfo does not name MemAvailable")
    })
}

/// One quantity of a `/proc/meminfo` text, in bytes.
pub fn memory(meminfo: &str, name: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// CPU time (user, system) of this process, all threads together.
///
/// # Errors
/// None in practice.
pub fn process_cpu() -> io::Result<(Duration, Duration)> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    Ok((duration(usage.user_time()), duration(usage.system_time())))
}

fn duration(time: TimeVal) -> Duration {
    let micros = i128::from(time.tv_sec()) * 1_000_000 + i128::from(time.tv_usec());
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

/// CPU time of the calling thread (`CLOCK_THREAD_CPUTIME_ID`).
///
/// # Errors
/// None in practice.
pub fn thread_cpu() -> io::Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}

/// Length of the tick in which `/proc/stat` counts (`USER_HZ`, `sysconf(_SC_CLK_TCK)`).
pub fn user_tick() -> Duration {
    let rate = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok().flatten();
    let rate = rate.and_then(|hz| u32::try_from(hz).ok()).filter(|hz| *hz > 0);
    Duration::from_secs(1) / rate.unwrap_or(100)
}

/// Length of a page of memory, in bytes (`sysconf(_SC_PAGESIZE)`).
pub fn page_size() -> u64 {
    let size = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten();
    size.and_then(|size| u64::try_from(size).ok()).unwrap_or(4096)
}

/// Operating system, release, version and machine, as `uname(2)` says.
///
/// # Errors
/// None in practice.
pub fn system_names() -> io::Result<[String; 4]> {
    let names = nix::sys::utsname::uname()?;
    Ok([names.sysname(), names.release(), names.version(), names.machine()]
        .map(|name| name.to_string_lossy().into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raising_descriptors_reaches_the_hard_limit() {
        let hard = raise_descriptors().unwrap();
        assert_eq!(descriptors().unwrap(), (hard, hard));
    }

    #[test]
    fn port_ranges_are_two_ports_in_order() {
        assert_eq!(parse_ports("32768\t60999\n"), Some((32768, 60999)));
        for rubbish in ["", "1", "2 1", "1 2 3", "1 70000", "a b", "-1 5"] {
            assert_eq!(parse_ports(rubbish), None, "{rubbish:?}");
        }
    }

    #[test]
    fn memory_is_in_bytes() {
        let text =
            "MemTotal:       24684084 kB\nMemAvailable:   24277740 kB\nMemAvailableX: 1 kB\n";
        assert_eq!(memory(text, "MemAvailable"), Some(24_277_740 * 1024));
        assert_eq!(memory(text, "MemFree"), None);
        assert_eq!(memory("MemTotal: 99999999999999999999 kB", "MemTotal"), None);
        assert_eq!(memory("MemTotal: 18446744073709551615 kB", "MemTotal"), None);
    }

    #[test]
    fn cpu_time_grows_with_work() {
        let (before, process) = (thread_cpu().unwrap(), process_cpu().unwrap());
        let mut sum = 0u64;
        while thread_cpu().unwrap() < before + Duration::from_millis(20) {
            sum = std::hint::black_box(sum + 1);
        }
        let after = process_cpu().unwrap();
        assert!(after.0 + after.1 >= process.0 + process.1 + Duration::from_millis(10));
        assert!(user_tick() >= Duration::from_millis(1));
    }
}
