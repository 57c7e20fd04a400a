//! The table that a reader sees.

use loadgen::measure::Metric;

use super::cost::{Cost, Cpus};
use super::ours::Ran;
use super::{Extent, IN_FLIGHT};

/// Ours may cost this much CPU time for each connection, compared with the bare loop.
const MOST_CPU: f64 = 1.0 / 0.90;
/// Recycled sockets must reach this rate, compared with the bare loop's fresh ones.
const LEAST_RATE: f64 = 1.35;
/// The hot loop must not allocate for an attempt.
const MOST_ALLOCATIONS: f64 = 0.01;

/// One run of each loop, one after the other.
pub struct Round {
    /// The loop written with libc.
    pub bare: Cost,
    /// Ours, a socket for each attempt.
    pub fresh: Ran,
    /// Ours, one socket again and again.
    pub recycle: Ran,
}

/// Says what is run.
pub fn heading(extent: &Extent, cpus: &Cpus) {
    println!(
        "{} rounds of {:?} a loop; {IN_FLIGHT} in flight; generator on CPU {}, target on CPU {}; close by RST",
        extent.rounds, extent.slice, cpus.generator, cpus.target
    );
    if cpus.generator == cpus.target {
        println!("only one CPU is usable: generator and target share it, and figures mean little");
    }
}

/// The three loops, and whether ours meets its bars.
pub fn rounds(rounds: &[Round]) {
    let over = |figure: fn(&Round) -> f64| Spread::of(rounds.iter().map(figure));
    println!("\n{:<42}{:>12}{:>22}", "", "median", "quartiles");
    let row = |name: &str, unit: &str, spread: &Spread, digits: usize, mark: &str| {
        let Spread { low, median, high } = spread;
        println!(
            "{name:<42}{:>12}{:>22}  {mark}",
            format!("{median:.digits$}{unit}"),
            format!("{low:.digits$} .. {high:.digits$}"),
        );
    };
    row("bare fresh, rate", "/s", &over(|r| r.bare.rate()), 0, "");
    row("loadgen fresh, rate", "/s", &over(|r| r.fresh.cost.rate()), 0, "");
    row("loadgen recycle, rate", "/s", &over(|r| r.recycle.cost.rate()), 0, "");
    row("bare fresh, CPU a connection", " us", &over(|r| r.bare.cpu_us()), 2, "");
    row("loadgen fresh, CPU a connection", " us", &over(|r| r.fresh.cost.cpu_us()), 2, "");
    row("loadgen recycle, CPU a connection", " us", &over(|r| r.recycle.cost.cpu_us()), 2, "");

    let cpu = over(|r| r.fresh.cost.cpu_us() / r.bare.cpu_us());
    let bar = mark(cpu.median <= MOST_CPU, &format!("<= {MOST_CPU:.2}"));
    row("fresh CPU / bare CPU", "", &cpu, 3, &bar);
    row("fresh rate / bare rate", "", &over(|r| r.fresh.cost.rate() / r.bare.rate()), 3, "");
    let rate = over(|r| r.recycle.cost.rate() / r.bare.rate());
    let bar = mark(rate.median >= LEAST_RATE, &format!(">= {LEAST_RATE}"));
    row("recycle rate / bare fresh rate", "", &rate, 3, &bar);
    // The same without what other processes took of the CPU meanwhile.
    let cpu = over(|r| r.bare.cpu_us() / r.recycle.cost.cpu_us());
    row("bare fresh CPU / recycle CPU", "", &cpu, 3, "");
    let allocations = over(|r| r.fresh.allocations_per_attempt);
    let bar = mark(allocations.median < MOST_ALLOCATIONS, &format!("< {MOST_ALLOCATIONS}"));
    row("worker's allocations an attempt", "", &allocations, 4, &bar);

    let retransmits: u64 = rounds.iter().map(|r| r.fresh.retransmits + r.recycle.retransmits).sum();
    if retransmits > 0 {
        println!("{retransmits} SYNs were sent again: the target could not keep up all the time");
    }
}

/// How exact the open loop is.
pub fn open_loop(rate: f64, ran: &Ran) {
    println!(
        "\nopen loop at {rate}/s, {} connections{:>13}{:>11}",
        ran.cost.connections, "p50", "p99"
    );
    for metric in [Metric::Lag, Metric::ObserverError] {
        let [half, most] = [50.0, 99.0].map(|percent| ran.percentile_us(metric, percent));
        println!("{:<42}{half:>9.1} us{most:>8.1} us", metric.name());
    }
}

fn mark(passed: bool, bar: &str) -> String {
    format!("{} (bar: {bar})", if passed { "pass" } else { "FAIL" })
}

/// Median and quartiles.
struct Spread {
    low: f64,
    median: f64,
    high: f64,
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
        Self { low: at(0.25), median: at(0.5), high: at(0.75) }
    }
}
