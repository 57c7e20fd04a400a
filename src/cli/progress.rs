//! Progress on standard error: a bar on a terminal, a line a cell elsewhere.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

use crate::runner::Moment;

/// Shows how far a run is.
pub struct Progress {
    shown: Shown,
    cells: usize,
    cell: Option<usize>,
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
    /// Progress of `cells` cells; nothing is shown when `quiet`.
    pub fn new(cells: usize, quiet: bool) -> Self {
        let shown = if quiet {
            Shown::Nothing
        } else if std::io::stderr().is_terminal() {
            let bar = ProgressBar::new(1000);
            let style = ProgressStyle::with_template("{prefix} [{bar:20}] {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            Shown::Bar(bar)
        } else {
            Shown::Lines
        };
        Self { shown, cells, cell: None, before: (0.0, 0), rate: 0.0 }
    }

    /// Shows a moment.
    pub fn show(&mut self, moment: &Moment) {
        if self.cell != Some(moment.index) {
            self.cell = Some(moment.index);
            self.before = (0.0, 0);
            self.rate = 0.0;
            self.begin(moment);
        }
        let (then, attempts) = self.before;
        if moment.elapsed_s - then >= 0.5 {
            self.rate = (moment.seen.attempts - attempts) as f64 / (moment.elapsed_s - then);
            self.before = (moment.elapsed_s, moment.seen.attempts);
        }
        if let Shown::Bar(bar) = &self.shown {
            let share = (moment.elapsed_s / moment.window_s.max(0.001)).clamp(0.0, 1.0);
            bar.set_position((share * 1000.0) as u64);
            bar.set_message(self.message(moment));
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }

    fn begin(&self, moment: &Moment) {
        let number = moment.index + 1;
        let name: String = moment.name.chars().take(18).collect();
        match &self.shown {
            Shown::Bar(bar) => bar.set_prefix(format!("{number}/{} {name}", self.cells)),
            Shown::Lines => eprintln!("cell {number} of {}: {}", self.cells, moment.name),
            Shown::Nothing => {}
        }
    }

    fn message(&self, moment: &Moment) -> String {
        let queue = match moment.accept_queue {
            Some((depth, limit)) => format!(" queue {depth}/{limit}"),
            None => String::new(),
        };
        format!("{:.0}/s, {} open{queue}", self.rate, moment.seen.in_progress)
    }
}
