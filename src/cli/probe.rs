//! `loadgen probe`: the backlog card of this system.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::interrupts::{self, INTERRUPTED};
use super::prepare::{self, RESULTS};
use super::{Exit, Failure, LabChoice, place, print_out};
use crate::measure::card::{Card, Depth, Place};
use crate::measure::result::Status;
use crate::observe::environment;
use crate::probe::{self, Ground, Moment, Order};
use crate::report::card;
use crate::report::files::Folder;
use crate::report::terminal;
use crate::runner::RunError;
use crate::scenario::file_safe;

/// Below the folder of all results.
const CARDS: &str = "cards";
/// Most values for listen(2): each takes as many connections, several times.
const MOST_BACKLOGS: usize = 32;
/// Widest line that is printed.
const COLUMNS: usize = 80;

#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct ProbeArgs {
    /// Values to give to listen(2)
    #[arg(
        long,
        value_name = "N,...",
        value_delimiter = ',',
        value_parser = |text: &str| text.trim().parse::<i32>(),
        allow_hyphen_values = true,
        default_value = "0,1,5,16,128,1000,-1"
    )]
    backlog: Vec<i32>,
    /// Below a minute: long timers are not waited for
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// Until every timer has run out: some minutes
    #[arg(long)]
    full: bool,
    /// Write the card to this folder, which must be empty
    /// [default: reports/cards/<system>/<UTC time>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// In private network namespaces or not at all
    #[arg(long, conflicts_with = "host")]
    lab: bool,
    /// On the host's loopback, where kernel settings are not changed
    #[arg(long)]
    host: bool,
}

const AFTER: &str = "\
What a system lacks is a line of the card that says why, and no error.
Exit status: 0 a card was made; 2 bad arguments or folder; 3 --lab is not
possible here, there are too few descriptors, or the card cannot be
written; 130 interrupted (a partial card).";

/// Makes a card.
pub fn probe(args: &ProbeArgs, command_line: Vec<String>) -> Result<Exit, Failure> {
    check(&args.backlog)?;
    prepare::raise_descriptors()?;
    crate::sys::limits::survive_file_size_limit();
    let environment = environment::read(command_line);
    // Before the lab, in which an ordinary user has an administrator's rights on their own files.
    let folder = folder(args, &environment.kernel, &environment.started_at)?;
    let ground = ground(args).inspect_err(|_| folder.discard())?;
    interrupts::listen()?;
    folder.begin().map_err(RunError::from)?;
    if let Place::Host { reason } = ground.place() {
        anstream::eprintln!("notice: probing on the host's loopback: {reason}");
    }
    let order = Order { backlogs: args.backlog.clone(), depth: args.depth(), environment };
    let card = make(ground, order, &folder)?;
    show(&card, &folder)
}

/// Makes the experiments; what is known is written whenever some have ended.
fn make(ground: Ground, order: Order, folder: &Folder) -> Result<Card, Failure> {
    card::write(folder, &probe::blank(&ground, &order)).map_err(RunError::from)?;
    let progress = Progress::new();
    let mut written = Ok(());
    // Without a place for the card, nobody waits for the rest.
    let mut failed = false;
    let stopped = std::cell::Cell::new(false);
    let stop = || INTERRUPTED.requested() || stopped.get();
    let card = probe::run(ground, order, &stop, &mut |moment| {
        progress.show(moment);
        if !failed {
            written = card::write(folder, moment.card);
            failed = written.is_err();
            stopped.set(failed);
        }
    });
    progress.finish();
    written.map_err(RunError::from)?;
    Ok(card)
}

/// Prints and writes a card.
fn show(made: &Card, folder: &Folder) -> Result<Exit, Failure> {
    let written = card::write_all(folder, made);
    print_out(&terminal::card(made, COLUMNS, true))?;
    print_out(&format!("results: {}\n", folder.path().display()))?;
    let failed = written.err().map(Failure::Environment);
    // Whoever interrupts what has just ended has a whole card.
    if INTERRUPTED.requested() && made.status != Status::Complete {
        // What could not be written is told all the same.
        if let Some(failure) = &failed {
            super::complain(failure);
        }
        return Ok(Exit::Interrupted);
    }
    failed.map_or(Ok(Exit::Pass), Err)
}

fn check(backlogs: &[i32]) -> Result<(), Failure> {
    if backlogs.len() > MOST_BACKLOGS {
        let found = backlogs.len();
        let text = format!("--backlog: {found} values, and at most {MOST_BACKLOGS} are tried");
        return Err(Failure::Input(text));
    }
    let mut sorted = backlogs.to_vec();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => {
            let text = format!("--backlog: {} is given twice: give each value once", pair[0]);
            Err(Failure::Input(text))
        }
        None => Ok(()),
    }
}

fn folder(args: &ProbeArgs, kernel: &str, started_at: &str) -> Result<Folder, Failure> {
    let system = match file_safe(&probe::system(kernel)) {
        // A system that does not say its name, or whose name leads elsewhere.
        odd if odd.trim_matches('.').is_empty() => "unknown".to_owned(),
        system => system,
    };
    let base = Path::new(RESULTS).join(CARDS);
    let folder = Folder::for_card(&base, &system, started_at, args.out.as_deref());
    Ok(folder.map_err(RunError::from)?)
}

fn ground(args: &ProbeArgs) -> Result<Ground, Failure> {
    let choice = match (args.lab, args.host) {
        (true, _) => LabChoice::Require,
        (_, true) => LabChoice::Off,
        _ => LabChoice::Prefer,
    };
    place::ground(choice)
}

impl ProbeArgs {
    fn depth(&self) -> Depth {
        match (self.quick, self.full) {
            (true, _) => Depth::Quick,
            (_, true) => Depth::Full,
            _ => Depth::Standard,
        }
    }
}

/// A bar on a terminal, a line for what has ended elsewhere.
struct Progress(Option<ProgressBar>);

impl Progress {
    fn new() -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(None);
        }
        let bar = ProgressBar::new(0);
        let style = ProgressStyle::with_template("[{bar:12}] {pos}/{len} {elapsed} {wide_msg}");
        if let Ok(style) = style {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message("the first experiments");
        bar.enable_steady_tick(std::time::Duration::from_millis(500));
        Self(Some(bar))
    }

    fn show(&self, moment: &Moment) {
        match &self.0 {
            Some(bar) => {
                bar.set_length(moment.all as u64);
                bar.set_position(moment.done as u64);
                bar.set_message(format!("left: {}", moment.left.join(", ")));
            }
            None => {
                let Moment { name, done, all, .. } = moment;
                anstream::eprintln!("{done} of {all}: {name}");
            }
        }
    }

    fn finish(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_backlog_is_tried_once_and_not_too_many() {
        assert!(check(&[0, 5, -1]).is_ok());
        let told = |backlogs: &[i32]| check(backlogs).expect_err("refused").to_string();
        assert_eq!(told(&[5, 0, 5]), "--backlog: 5 is given twice: give each value once");
        let many: Vec<i32> = (0..33).collect();
        assert_eq!(told(&many), "--backlog: 33 values, and at most 32 are tried");
    }
}
