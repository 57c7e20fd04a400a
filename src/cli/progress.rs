//! Progress on standard error: a bar on a terminal, a line a cell elsewhere.

mod rest;

use std::io::IsTerminal;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};

use crate::runner::Moment;
use crate::scenario::plan::Cell;
use rest::Rest;

/// Columns of the bar, its brackets, and the gaps.
const BAR: usize = 12 + 4;
/// Widest line, one column less than most terminals have.
const WIDEST: usize = 79;
/// A longer name of a cell is cut on a terminal.
const NAME: usize = 24;

/// Shows how far a run is.
pub struct Progress {
    shown: Shown,
    goal: Goal,
    cell: Option<Cellular>,
}

/// What a run is on the way to.
enum Goal {
    /// The last cell of a plan.
    Cells { done: usize, rest: Rest },
    /// The last of repeated runs: where they are, and what is known of the comparison.
    Repeats { stage: String, known: String, rest: Rest },
    /// The edges of a knee; what is known of them.
    Knee { known: String },
}

/// The cell that runs.
struct Cellular {
    index: usize,
    began: Instant,
    /// Instant and attempts of the moment before, for the rate.
    before: (f64, u64),
    rate: f64,
}

enum Shown {
    Bar(ProgressBar),
    Lines,
    Nothing,
}

impl Progress {
    /// Progress of `cells`, in the order in which they run, after `done` earlier ones; nothing is
    /// shown when `quiet`.
    pub fn of_cells(done: usize, cells: &[&Cell], quiet: bool) -> Self {
        let goal = Goal::Cells { done, rest: Rest::of(cells) };
        Self { shown: Shown::new(quiet), goal, cell: None }
    }

    /// Progress of repeated runs, of which each cell is in `cells`.
    pub fn of_repeats(cells: &[&Cell], quiet: bool) -> Self {
        let (stage, known) = (String::new(), String::new());
        let goal = Goal::Repeats { stage, known, rest: Rest::of(cells) };
        Self { shown: Shown::new(quiet), goal, cell: None }
    }

    /// Notes where repeated runs are, such as `pair 3 of 6`, and what is known of the comparison.
    pub fn stage(&mut self, now: String, knowledge: String) {
        if let Goal::Repeats { stage, known, .. } = &mut self.goal {
            (*stage, *known) = (now, knowledge);
        }
    }

    /// Progress of a search.
    pub fn of_search(quiet: bool) -> Self {
        let goal = Goal::Knee { known: String::new() };
        Self { shown: Shown::new(quiet), goal, cell: None }
    }

    /// Notes what is known of the edges, such as `holds 400/s, breaks 800/s`.
    pub fn know(&mut self, edges: String) {
        self.goal = Goal::Knee { known: edges };
    }

    /// Shows a moment.
    pub fn show(&mut self, moment: &Moment) {
        let now = Instant::now();
        if self.cell.as_ref().is_none_or(|cell| cell.index != moment.index) {
            self.begin(moment, now);
        }
        let Some(cell) = &mut self.cell else { return };
        let (then, attempts) = cell.before;
        if moment.elapsed_s - then >= 0.5 {
            cell.rate = (moment.seen.attempts - attempts) as f64 / (moment.elapsed_s - then);
            cell.before = (moment.elapsed_s, moment.seen.attempts);
        }
        if let Shown::Bar(bar) = &self.shown {
            let share = (moment.elapsed_s / moment.window_s.max(0.001)).clamp(0.0, 1.0);
            bar.set_position((share * 1000.0) as u64);
            bar.set_message(self.message(moment, now));
        }
    }

    /// Says something beside the bar; nothing when quiet.
    pub fn say(&self, text: &str) {
        let text: String = text.chars().filter(|c| !c.is_control()).collect();
        match &self.shown {
            Shown::Bar(bar) => bar.suspend(|| anstream::eprintln!("{text}")),
            Shown::Lines => anstream::eprintln!("{text}"),
            Shown::Nothing => {}
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }

    fn begin(&mut self, moment: &Moment, now: Instant) {
        if let (Some(cell), Goal::Cells { rest, .. } | Goal::Repeats { rest, .. }) =
            (&self.cell, &mut self.goal)
        {
            rest.ended((now - cell.began).as_secs_f64());
        }
        let began = now;
        self.cell = Some(Cellular { index: moment.index, began, before: (0.0, 0), rate: 0.0 });
        match &self.shown {
            Shown::Bar(bar) => bar.set_prefix(self.prefix(moment)),
            Shown::Lines => eprintln!("{}", self.line(moment)),
            Shown::Nothing => {}
        }
    }

    fn prefix(&self, moment: &Moment) -> String {
        let number = moment.index + 1;
        let name: String = moment.name.chars().take(NAME).collect();
        match &self.goal {
            Goal::Cells { done, rest } => format!("{number}/{} {name}", done + rest.cells()),
            Goal::Repeats { stage, .. } => format!("{stage} {name}"),
            Goal::Knee { .. } => format!("run {number} {name}"),
        }
    }

    fn line(&self, moment: &Moment) -> String {
        let number = moment.index + 1;
        let name = &moment.name;
        match &self.goal {
            Goal::Cells { done, rest } => {
                let left = rest.left(0.0);
                format!("cell {number} of {}: {name}; {left} left", done + rest.cells())
            }
            Goal::Repeats { stage, known, rest } => {
                let known = if known.is_empty() { String::new() } else { format!("; {known}") };
                format!("{stage}: {name}; {} left{known}", rest.left(0.0))
            }
            Goal::Knee { known } if known.is_empty() => format!("run {number}: {name}"),
            Goal::Knee { known } => format!("run {number}: {name} ({known})"),
        }
    }

    fn message(&self, moment: &Moment, now: Instant) -> String {
        let Some(cell) = &self.cell else { return String::new() };
        let left = |rest: &Rest| format!("{} left", rest.left((now - cell.began).as_secs_f64()));
        let goal = match &self.goal {
            Goal::Cells { rest, .. } => left(rest),
            Goal::Repeats { rest, known, .. } if known.is_empty() => left(rest),
            Goal::Repeats { rest, known, .. } => format!("{}, {known}", left(rest)),
            Goal::Knee { known } => known.clone(),
        };
        let queue = match moment.accept_queue {
            Some((depth, limit)) => format!(", queue {depth}/{limit}"),
            None => String::new(),
        };
        let separator = if goal.is_empty() { "" } else { ", " };
        let open = moment.seen.in_progress;
        let message = format!("{goal}{separator}{:.0}/s, {open} open{queue}", cell.rate);
        let room = WIDEST.saturating_sub(self.prefix(moment).chars().count() + BAR);
        message.chars().take(room).collect()
    }
}

impl Shown {
    fn new(quiet: bool) -> Self {
        if quiet {
            return Self::Nothing;
        }
        if !std::io::stderr().is_terminal() {
            return Self::Lines;
        }
        let bar = ProgressBar::new(1000);
        let style = ProgressStyle::with_template("{prefix} [{bar:12}] {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self::Bar(bar)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::Seen;

    fn moment(index: usize, name: &str) -> Moment {
        Moment {
            index,
            name: name.to_owned(),
            elapsed_s: 3.0,
            window_s: 8.0,
            seen: Seen { attempts: 123_456_789, established: 9, in_progress: 123_456 },
            accept_queue: Some((123_456, 123_456)),
        }
    }

    #[test]
    fn no_line_of_a_terminal_is_too_wide() {
        for goal in [
            Goal::Cells { done: 998, rest: Rest::of(&[]) },
            Goal::Knee { known: "holds 123456.789/s, breaks 123456.987/s".to_owned() },
            Goal::Repeats {
                stage: "pair 499 of up to 500".to_owned(),
                known: "after 486 pairs: inconclusive".to_owned(),
                rest: Rest::of(&[]),
            },
        ] {
            let mut progress = Progress { shown: Shown::Nothing, goal, cell: None };
            let moment = moment(999, &"long=".repeat(20));
            progress.show(&moment);
            let message = progress.message(&moment, Instant::now());
            let width = progress.prefix(&moment).chars().count() + BAR + message.chars().count();
            assert!(width <= WIDEST && !message.is_empty(), "{message}");
        }
    }

    #[test]
    fn lines_say_which_cell_of_how_many_and_what_is_known() {
        let mut progress = Progress::of_cells(3, &[], true);
        assert_eq!(progress.line(&moment(3, "backlog=5")), "cell 4 of 3: backlog=5; 0s left");
        let mut repeats = Progress::of_repeats(&[], true);
        repeats.stage("warm-up".to_owned(), String::new());
        assert_eq!(repeats.line(&moment(0, "base")), "warm-up: base; 0s left");
        repeats.stage("pair 7 of up to 24".to_owned(), "after 6 pairs: inconclusive".to_owned());
        assert_eq!(
            repeats.line(&moment(14, "base,run=7")),
            "pair 7 of up to 24: base,run=7; 0s left; after 6 pairs: inconclusive"
        );
        progress.know("holds 400/s".to_owned());
        assert_eq!(progress.line(&moment(0, "rate=1")), "run 1: rate=1 (holds 400/s)");
    }
}
