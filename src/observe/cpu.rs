//! CPU time that was used, waited for, or taken away.

use std::fs;
use std::io;
use std::time::Duration;

use crate::sys::limits;

pub use crate::sys::limits::{process_cpu, thread_cpu};

/// CPU time that this machine's host has taken from it since it started, over all processors
/// (`steal` in `/proc/stat`, `fs/proc/stat.c`). Its resolution is a tick, mostly 10 ms.
///
/// # Errors
/// Where the system has no such figure.
pub fn steal() -> io::Result<Duration> {
    let ticks = parse_steal(&fs::read_to_string("/proc/stat")?)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "/proc/stat names no steal"))?;
    Ok(Duration::from_secs_f64(ticks as f64 * limits::user_tick().as_secs_f64()))
}

/// Ticks of steal in a `/proc/stat` text.
fn parse_steal(stat: &str) -> Option<u64> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    line.split_whitespace().nth(7)?.parse().ok()
}

/// Time for which the calling thread was ready to run and did not get a processor
/// (`/proc/thread-self/schedstat`, `Documentation/scheduler/sched-stats.rst`).
///
/// # Errors
/// Where the kernel was built without it.
pub fn run_delay() -> io::Result<Duration> {
    parse_run_delay(&fs::read_to_string("/proc/thread-self/schedstat")?)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "schedstat is not readable"))
}

fn parse_run_delay(schedstat: &str) -> Option<Duration> {
    schedstat.split_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steal_is_the_eighth_figure_of_the_first_line() {
        let text = "cpu  72613 0 11344 214914 1023 0 94 126 0 0\ncpu0 35549 0 4618 109618 175 0 13 66 0 0\n";
        assert_eq!(parse_steal(text), Some(126));
        for rubbish in
            ["", "cpu", "cpu 1 2 3 4 5 6 7", "cpu a b c d e f g h", "cpu0 1 1 1 1 1 1 1 9"]
        {
            assert_eq!(parse_steal(rubbish), None, "{rubbish:?}");
        }
    }

    #[test]
    fn run_delay_is_the_second_figure_in_nanoseconds() {
        assert_eq!(parse_run_delay("8112345 4711 12\n"), Some(Duration::from_nanos(4711)));
        assert_eq!(parse_run_delay("8112345\n"), None);
        assert_eq!(parse_run_delay("1 -1 1\n"), None);
    }

    #[test]
    fn this_machine_has_both_figures() {
        steal().unwrap();
        run_delay().unwrap();
    }
}
