//! The table that a reader sees.

use std::time::Duration;

use super::Ran;
use super::cost::Cpus;

/// Ours must deliver this share of what the bare loops deliver for the same CPU time.
const LEAST: f64 = 0.85;
/// A bulk must deliver so many times what single datagrams do.
const LEAST_BULK: f64 = 10.0;

/// One run of each, one after the other.
pub struct Round {
    /// Bare loops on both sides.
    pub bare: Ran,
    /// Our sender and a receiver with the ledger.
    pub ours: Ran,
    /// The same in bulk.
    pub bulk: Ran,
    /// Our sender and the bare receiver.
    pub sender: Ran,
}

/// Says what is run.
pub fn heading(rounds: usize, slice: Duration, cpus: &Cpus) {
    println!(
        "{rounds} rounds of {slice:?} a loop; {} bytes; sender on CPU {}, receiver on CPU {}",
        super::SIZE,
        cpus.generator,
        cpus.target
    );
    if cpus.generator == cpus.target {
        println!("only one CPU is usable: both sides share it, and figures mean little");
    }
}

/// A loop's name, and what it did in a round.
type Figure = (&'static str, fn(&Round) -> &Ran);

/// All loops, and whether ours meet their bars.
pub fn rounds(rounds: &[Round]) {
    println!("\n{:<50}{:>12}{:>22}", "", "median", "quartiles");
    let figures: [Figure; 4] = [
        ("bare", |round| &round.bare),
        ("loadgen", |round| &round.ours),
        ("loadgen, gso", |round| &round.bulk),
        ("our sender, bare receiver", |round| &round.sender),
    ];
    for (name, of) in figures {
        row(&format!("{name}, datagrams a CPU second"), rounds, 0, "", |round| {
            of(round).per_cpu_second()
        });
        row(&format!("{name}, share delivered"), rounds, 3, "", |round| {
            of(round).delivered as f64 / of(round).sent as f64
        });
    }
    let ratio = |a: &Ran, b: &Ran| a.per_cpu_second() / b.per_cpu_second();
    let bar = format!(">= {LEAST}");
    row("loadgen / bare", rounds, 3, &bar, |round| ratio(&round.ours, &round.bare));
    row("our sender / bare", rounds, 3, "", |round| ratio(&round.sender, &round.bare));
    let bar = format!(">= {LEAST_BULK}");
    row("loadgen, gso / loadgen", rounds, 2, &bar, |round| ratio(&round.bulk, &round.ours));
}

fn row(name: &str, rounds: &[Round], digits: usize, bar: &str, figure: impl Fn(&Round) -> f64) {
    let mut values: Vec<f64> = rounds.iter().map(figure).collect();
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
    let (low, median, high) = (at(0.25), at(0.5), at(0.75));
    let least = bar.strip_prefix(">= ").and_then(|least| least.parse::<f64>().ok());
    let mark = least.map_or(String::new(), |least| {
        format!("{} (bar: {bar})", if median >= least { "pass" } else { "FAIL" })
    });
    println!(
        "{name:<50}{:>12}{:>22}  {mark}",
        format!("{median:.digits$}"),
        format!("{low:.digits$} .. {high:.digits$}"),
    );
}
