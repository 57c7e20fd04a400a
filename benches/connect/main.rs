//! What measuring costs: our engine beside a bare epoll loop written with libc.
//!
//! `cargo bench --bench connect [-- --quick]`. Everything runs in one go against one target (a
//! child process), generator and target each pinned to a CPU of its own. Rounds of the
//! loops are interleaved, and each is compared with the bare loop of its own round,
//! so that a noisy neighbour troubles both sides of a ratio. Connections are closed by RST in all
//! of them, since TIME_WAIT would make the search for a port slower from round to round.

mod bare;
mod cost;
mod ours;
mod table;
mod target;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use loadgen::scenario::plan::Lifecycle;
use loadgen::sys::uring;

use ours::Kind;
use table::{Pair, Round};

#[global_allocator]
static ALLOCATOR: cost::Counting = cost::Counting;

/// Connections in progress at once, in every loop.
const IN_FLIGHT: u32 = 8;
/// Arrivals a second of the open loop.
const OPEN_RATE: f64 = 2000.0;

/// How much is run.
struct Extent {
    rounds: usize,
    /// Of one loop in one round.
    slice: Duration,
    open: Duration,
}

impl Extent {
    const FULL: Self =
        Self { rounds: 25, slice: Duration::from_millis(500), open: Duration::from_secs(3) };
    const QUICK: Self =
        Self { rounds: 13, slice: Duration::from_millis(200), open: Duration::from_secs(3) };
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |wanted: &str| arguments.iter().any(|argument| argument == wanted);
    let done = if has(target::ARGUMENT) {
        target::serve(&arguments)
    } else {
        run(if has("--quick") { Extent::QUICK } else { Extent::FULL })
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the benchmark cannot run: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(extent: Extent) -> anyhow::Result<()> {
    let cpus = cost::Cpus::choose().context("choosing CPUs")?;
    let target = target::Target::start(cpus.target).context("starting the target")?;
    cost::pin(cpus.generator).context("pinning the generator")?;
    table::heading(&extent, &cpus);

    // The first of each warms caches, pages and branch predictors up.
    let engines = engines();
    round(&target, extent.slice / 2, &engines)?;
    let rounds = (0..extent.rounds)
        .map(|_| round(&target, extent.slice, &engines))
        .collect::<anyhow::Result<Vec<_>>>()?;
    table::rounds(&engines, &rounds);
    for kind in engines {
        let open = ours::open_loop(kind, target.address, OPEN_RATE, extent.open)?;
        table::open_loop(kind, OPEN_RATE, &open);
    }
    Ok(())
}

/// The engines that there are here; the default first.
fn engines() -> Vec<Kind> {
    match uring::available() {
        Ok(()) => vec![Kind::Mio, Kind::IoUring],
        Err(error) => {
            println!("without io_uring: {error}");
            vec![Kind::Mio]
        }
    }
}

fn round(target: &target::Target, slice: Duration, engines: &[Kind]) -> anyhow::Result<Round> {
    let address = target.address;
    let bare = bare::run(address, IN_FLIGHT as usize, slice).context("the bare loop")?;
    let ran = |kind: &Kind| {
        let ran = |lifecycle| ours::closed_loop(*kind, address, IN_FLIGHT, lifecycle, slice);
        Ok(Pair { fresh: ran(Lifecycle::Fresh)?, recycle: ran(Lifecycle::Recycle)? })
    };
    Ok(Round { bare, ours: engines.iter().map(ran).collect::<anyhow::Result<_>>()? })
}
