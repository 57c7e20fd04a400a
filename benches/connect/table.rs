//! The table that a reader sees.

use loadgen::measure::Metric;

use super::cost::{Cost, Cpus};
use super::ours::{Kind, Ran};
use super::{Extent, IN_FLIGHT};

/// Ours may cost this much CPU time for each connection, compared with the bare loop.
const MOST_CPU: f64 = 1.0 / 0.90;
/// The hot loop must not allocate for an attempt.
const MOST_ALLOCATIONS: f64 = 0.01;

/// One run of each loop, one after the other.
pub struct Round {
    /// The loop written with libc.
    pub bare: Cost,
    /// Ours, one for each engine.
    pub ours: Vec<Pair>,
}

/// One engine of ours.
pub struct Pair {
    /// With a socket for each attempt.
    pub fresh: Ran,
    /// With one socket again and again.
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

/// All loops, and whether ours meet their bars.
pub fn rounds(engines: &[Kind], rounds: &[Round]) {
    println!("\n{:<42}{:>12}{:>22}", "", "median", "quartiles");
    let over = |figure: fn(&Round) -> f64| Spread::of(rounds.iter().map(figure));
    row("bare fresh, rate", "/s", &over(|r| r.bare.rate()), 0, "");
    row("bare fresh, CPU a connection", " us", &over(|r| r.bare.cpu_us()), 2, "");
    for (index, kind) in engines.iter().enumerate() {
        engine(*kind, &rounds.iter().map(|r| (&r.bare, &r.ours[index])).collect::<Vec<_>>());
    }
}

/// One engine beside the bare loop.
fn engine(kind: Kind, rounds: &[(&Cost, &Pair)]) {
    let over =
        |figure: fn(&Cost, &Pair) -> f64| Spread::of(rounds.iter().map(|(b, p)| figure(b, p)));
    println!("loadgen, {}", kind.name());
    row("  fresh, rate", "/s", &over(|_, p| p.fresh.cost.rate()), 0, "");
    row("  recycle, rate", "/s", &over(|_, p| p.recycle.cost.rate()), 0, "");
    row("  fresh, CPU a connection", " us", &over(|_, p| p.fresh.cost.cpu_us()), 2, "");
    row("  recycle, CPU a connection", " us", &over(|_, p| p.recycle.cost.cpu_us()), 2, "");

    let cpu = over(|b, p| p.fresh.cost.cpu_us() / b.cpu_us());
    let bar = mark(cpu.median <= MOST_CPU, &format!("<= {MOST_CPU:.2}"));
    row("  fresh CPU / bare CPU", "", &cpu, 3, &bar);
    row("  fresh rate / bare rate", "", &over(|b, p| p.fresh.cost.rate() / b.rate()), 3, "");
    let rate = over(|b, p| p.recycle.cost.rate() / b.rate());
    let least = kind.least_rate();
    let bar = mark(rate.median >= least, &format!(">= {least}"));
    row("  recycle rate / bare fresh rate", "", &rate, 3, &bar);
    // The same without what other processes took of the CPU meanwhile.
    let cpu = over(|b, p| b.cpu_us() / p.recycle.cost.cpu_us());
    row("  bare fresh CPU / recycle CPU", "", &cpu, 3, "");
    let allocations = over(|_, p| p.fresh.allocations_per_attempt);
    let bar = mark(allocations.median < MOST_ALLOCATIONS, &format!("< {MOST_ALLOCATIONS}"));
    row("  worker's allocations an attempt", "", &allocations, 4, &bar);

    let resent = |(_, pair): &(&Cost, &Pair)| pair.fresh.retransmits + pair.recycle.retransmits;
    let retransmits: u64 = rounds.iter().map(resent).sum();
    if retransmits > 0 {
        println!("{retransmits} SYNs were sent again: the target could not keep up all the time");
    }
}

fn row(name: &str, unit: &str, spread: &Spread, digits: usize, mark: &str) {
    let Spread { low, median, high } = spread;
    println!(
        "{name:<42}{:>12}{:>22}  {mark}",
        format!("{median:.digits$}{unit}"),
        format!("{low:.digits$} .. {high:.digits$}"),
    );
}

impl Kind {
    /// Recycled sockets must reach this rate, compared with the bare loop's fresh ones.
    fn least_rate(self) -> f64 {
        match self {
            Self::Mio => 1.35,
            Self::IoUring => 1.5,
        }
    }
}

/// How exact the open loop is.
pub fn open_loop(kind: Kind, rate: f64, ran: &Ran) {
    println!(
        "\n{} open loop at {rate}/s, {} connections{:>13}{:>11}",
        kind.name(),
        ran.cost.connections,
        "p50",
        "p99"
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
