//! The command line: one file a subcommand.

mod baseline;
mod check;
mod compare;
mod document;
mod finish;
mod interrupts;
mod knee;
mod man;
mod place;
mod prepare;
mod probe;
mod progress;
mod read;
mod receive;
mod repeats;
mod report;
mod result;
mod run;
mod serve;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use baseline::BaselineArgs;
use compare::CompareArgs;
use probe::ProbeArgs;
use repeats::RepeatArgs;

use crate::runner::{self, Order, RunError};
use crate::scenario::{self, Diagnostics};
use crate::sys::permit::Cidr;
use crate::units::Ratio;

/// Which queue of which host made clients wait, and how would another backlog behave?
#[derive(Debug, Parser)]
#[command(name = "loadgen", version, max_term_width = 80, after_help = EXIT_STATUSES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_STATUSES: &str = "\
Exit status: 0 pass; 1 a limit was broken, or a candidate is worse than its base;
2 bad input (scenario, arguments, files); 3 the environment cannot do it; 4 inconclusive or invalid; 130 interrupted.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a scenario, and write its result to a folder
    Run(Box<RunArgs>),
    /// Find the highest value of a key at which a limit still holds
    Knee(Box<KneeArgs>),
    /// Check a scenario: print what it resolves to, and what it will cost
    Check(ScenarioArgs),
    /// Make the page of a run again, or one page of several runs
    Report(ReportArgs),
    /// Find out by experiment how this system's queues behave: its backlog card
    Probe(ProbeArgs),
    /// Judge a candidate's runs against a base's: worse, better or the same; or put backlog cards
    /// beside each other
    Compare(Box<CompareArgs>),
    /// Keep runs as a baseline, to compare later ones with
    Baseline(BaselineArgs),
    /// Print the JSON Schema of scenarios
    Schema,
    /// Be a target: listen, accept at a pace, serve
    Serve(Box<ServeArgs>),
    /// Print the manual page (roff): loadgen man | man -l -
    Man,
    /// Try whether a lab can be made, and leave at once
    #[command(hide = true)]
    LabProbe,
    /// Be a load worker: orders in, records out
    #[command(hide = true)]
    Work {
        /// Speak with the runner over standard input and output
        #[arg(long, required = true)]
        stdio: bool,
    },
}

/// A scenario, and what is changed in it.
#[derive(Debug, Args)]
struct ScenarioArgs {
    /// The scenario, a TOML file
    scenario: PathBuf,
    /// Set a key of the scenario, such as target.backlog=16 or load.rate=500/s
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Seed of every random draw
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

#[derive(Debug, Args)]
struct RunArgs {
    #[command(flatten)]
    scenario: ScenarioArgs,
    #[command(flatten)]
    place: PlaceArgs,
    /// Go on with an interrupted run of this scenario, in its folder
    /// [default: reports/<scenario>/latest]
    #[arg(long, value_name = "DIR", num_args = 0..=1, conflicts_with_all = ["out", "force"])]
    resume: Option<Option<PathBuf>>,
    /// In which order the cells of a sweep run; results list them as written
    #[arg(long, value_enum, default_value = "random")]
    order: OrderChoice,
    #[command(flatten)]
    repeats: RepeatArgs,
}

/// Where a run is made, where its result goes, and what is said.
#[derive(Debug, Args)]
struct PlaceArgs {
    /// Write the result exactly there; the folder must be empty
    /// [default: reports/<scenario>/<UTC time>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Replace an earlier result in the folder of --out
    #[arg(long, requires = "out")]
    force: bool,
    /// Allow load to go to a private or link-local range, such as 10.1.0.0/16
    #[arg(long, value_name = "CIDR")]
    allow: Vec<Cidr>,
    /// Whether to run in private network namespaces
    #[arg(long, value_enum, default_value = "prefer")]
    lab: LabChoice,
    /// Print the verdict only
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Debug, Args)]
struct ReportArgs {
    /// A run's folder, or its run.json; nothing else of a run is needed
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,
    /// Write the page to this file, and no pictures [default for one run: report.html and the
    /// pictures, where its run.json is; several runs need a file]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct KneeArgs {
    #[command(flatten)]
    scenario: ScenarioArgs,
    #[command(flatten)]
    place: PlaceArgs,
    /// The key to vary: a number, with or without a unit, such as load.rate or target.backlog
    #[arg(long, value_name = "KEY")]
    over: String,
    /// The limit that is to hold, such as "counters.ListenOverflows == 0" or "connect.p99 <= 50ms"
    #[arg(long, value_name = "LIMIT")]
    until: String,
    /// The first value [default: the scenario's own]
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    from: Option<String>,
    /// The lowest value
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    min: Option<String>,
    /// The highest value
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    max: Option<String>,
    /// How close the edges must be
    #[arg(long, value_name = "SHARE", default_value = "2%")]
    within: Ratio,
    /// How often each edge is tried
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    repeats: u16,
    /// End the search after so many runs
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u16).range(1..=1000))]
    most_runs: u16,
    /// High values break the limit, as of a rate [default: found by trying]
    #[arg(long, conflicts_with = "falling")]
    rising: bool,
    /// Low values break the limit, as of a backlog [default: found by trying]
    #[arg(long)]
    falling: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OrderChoice {
    /// By the seed, so that a drift of the machine is not mistaken for an effect
    Random,
    /// As the scenario lists them
    Written,
}

impl From<OrderChoice> for Order {
    fn from(choice: OrderChoice) -> Self {
        match choice {
            OrderChoice::Random => Self::Random,
            OrderChoice::Written => Self::Written,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LabChoice {
    /// In a lab where one can be made, else on the host's loopback if the scenario allows it
    Prefer,
    /// In a lab or not at all
    Require,
    /// In the host's network
    Off,
}

#[derive(Debug, Args)]
struct ServeArgs {
    /// Speak with a runner over standard input and output; all else comes from it
    #[arg(long, exclusive = true)]
    stdio: bool,
    /// Where to listen: an address (port 0 takes any free one), unix:/path or unix:@name
    /// (unix-seqpacket: for packets; udp: and unix-dgram: for datagrams)
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    listen: crate::sys::endpoint::Endpoint,
    /// The number given to listen(2) [default: 128]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    backlog: Option<String>,
    /// Threads that accept [default: 1]
    #[arg(long, value_name = "N")]
    acceptors: Option<String>,
    /// Connections that it shall hold at once; more than ulimit -n allows are kept in io_uring, or
    /// by threads with descriptors of their own
    #[arg(long, value_name = "N", default_value_t = 0)]
    connections: u64,
    /// Where connections are kept: auto, epoll, io_uring or threads [default: auto]
    #[arg(long, value_name = "ENGINE")]
    engine: Option<String>,
    /// asap, never, or a rate such as 200/s [default: asap]
    #[arg(long, value_name = "PACE")]
    accept: Option<String>,
    /// Accept nothing in this window of time, such as 1s..2.5s
    #[arg(long, value_name = "FROM..TO")]
    stall: Vec<String>,
    /// Datagrams: size of the receive buffer, such as 64KiB [default: the kernel's]
    #[arg(long, value_name = "SIZE")]
    rcvbuf: Option<String>,
    /// Datagrams: asap, never, or a rate such as 200/s [default: asap]
    #[arg(long, value_name = "PACE")]
    drain: Option<String>,
    /// Datagrams: sockets and threads at the address [default: 1]
    #[arg(long, value_name = "N")]
    readers: Option<String>,
    /// Service time, such as 2ms [default: 0s]
    #[arg(long, value_name = "TIME")]
    service: Option<String>,
    /// Serve one client at a time, to its end
    #[arg(long)]
    serial: bool,
    /// none, echo, or a size such as 64KiB [default: echo; for datagrams: none]
    #[arg(long, value_name = "REPLY")]
    reply: Option<String>,
    /// Who closes first: client or server [default: client]
    #[arg(long, value_name = "WHO")]
    close: Option<String>,
}

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Exit {
    Pass = 0,
    Fail = 1,
    Input = 2,
    Environment = 3,
    Inconclusive = 4,
    Interrupted = 130,
}

/// Why a subcommand could not do its work.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// A scenario with problems.
    #[error("{0}")]
    Scenario(Diagnostics),
    /// Other input at fault.
    #[error("{0}")]
    Input(String),
    /// The environment cannot do it.
    #[error("{0}")]
    Environment(String),
    /// Nothing could be judged.
    #[error("{0}")]
    Inconclusive(String),
}

impl From<Diagnostics> for Failure {
    fn from(problems: Diagnostics) -> Self {
        Self::Scenario(problems)
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Input(text) => Self::Input(text),
            RunError::Environment(text) => Self::Environment(text),
        }
    }
}

/// Does what the arguments say.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Nothing can be done about a closed standard error.
            let _ = error.print();
            return exit(if error.use_stderr() { Exit::Input } else { Exit::Pass });
        }
    };
    let command_line: Vec<String> =
        arguments.iter().map(|argument| argument.to_string_lossy().into_owned()).collect();
    let done = match cli.command {
        Command::Run(args) => run::run(&args, command_line),
        Command::Knee(args) => knee::knee(&args, command_line),
        Command::Check(args) => check::check(&args),
        Command::Report(args) => report::report(&args),
        Command::Probe(args) => probe::probe(&args, command_line),
        Command::Compare(args) => compare::compare(&args),
        Command::Baseline(args) => baseline::baseline(&args, command_line),
        Command::Schema => print_out(&format!("{:#}\n", scenario::schema())),
        Command::Serve(args) => serve::serve(&args),
        Command::Man => man::man(),
        Command::LabProbe => place::probe(),
        Command::Work { .. } => work(),
    };
    exit(done.unwrap_or_else(|failure| complain(&failure)))
}

/// A worker process. The runner has been told what went wrong, and tells the user.
fn work() -> Result<Exit, Failure> {
    Ok(runner::work().map_or(Exit::Environment, |()| Exit::Pass))
}

fn exit(status: Exit) -> ExitCode {
    ExitCode::from(status as u8)
}

/// Refuses to begin with fewer descriptors than `least`: with a handful, libraries panic.
fn enough_descriptors(limit: u64, least: u64) -> Result<(), Failure> {
    if limit >= least {
        return Ok(());
    }
    Err(Failure::Environment(format!(
        "EMFILE: this process may open {limit} descriptors, and needs at least {least} before its \
         first connection; raise the limit (ulimit -n)"
    )))
}

fn complain(failure: &Failure) -> Exit {
    match failure {
        Failure::Scenario(problems) => {
            anstream::eprint!("{}", problems.render(true));
            Exit::Input
        }
        Failure::Input(text) => {
            anstream::eprintln!("error: {text}");
            Exit::Input
        }
        Failure::Environment(text) => {
            anstream::eprintln!("error: {text}");
            Exit::Environment
        }
        Failure::Inconclusive(text) => {
            anstream::eprintln!("error: {text}");
            Exit::Inconclusive
        }
    }
}

/// Prints to standard output; a reader that has gone away (`| head`) is no error.
fn print_out(text: &str) -> Result<Exit, Failure> {
    use std::io::Write;
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::Environment(
            format!("cannot write to standard output: {}", crate::sys::errno::describe(&error)),
        )),
        _ => Ok(Exit::Pass),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
