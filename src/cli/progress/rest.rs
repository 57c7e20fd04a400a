//! How long the rest of a run will take.

use crate::runner;
use crate::scenario::plan::Cell;

/// Starting and ending a cell takes about so long, until one has shown it.
const BESIDE: f64 = 0.5;

/// Cells to come, and how long those before took beside their windows.
pub struct Rest {
    /// Seconds of each cell's schedule, in the order in which the cells run.
    windows: Vec<f64>,
    /// How many have ended.
    ended: usize,
    /// Seconds that these took beside their windows, in all.
    beside: f64,
}

impl Rest {
    /// All of `cells`, in the order in which they run.
    pub fn of(cells: &[&Cell]) -> Self {
        let windows = cells.iter().map(|cell| runner::window_of(cell).as_secs_f64());
        Self { windows: windows.collect(), ended: 0, beside: 0.0 }
    }

    /// How many cells there are, with those that have ended.
    pub fn cells(&self) -> usize {
        self.windows.len()
    }

    /// The cell that ran has ended after `took` seconds.
    pub fn ended(&mut self, took: f64) {
        let window = self.windows.get(self.ended).copied().unwrap_or(0.0);
        self.beside += (took - window).max(0.0);
        self.ended += 1;
    }

    /// What is left, as text, when the present cell has run for `elapsed` seconds.
    pub fn left(&self, elapsed: f64) -> String {
        let beside = match self.ended {
            0 => BESIDE,
            ended => self.beside / ended as f64,
        };
        let mut to_come = self.windows.iter().skip(self.ended).map(|window| window + beside);
        let present = to_come.next().map_or(0.0, |whole| (whole - elapsed).max(0.0));
        text(present + to_come.sum::<f64>())
    }
}

/// `50s`, `3min 20s`, `1h 4min`: two units, so that it does not flicker.
fn text(seconds: f64) -> String {
    let seconds = seconds.ceil().clamp(0.0, 1e9) as u64;
    match seconds {
        ..60 => format!("{seconds}s"),
        60..3600 => format!("{}min {}s", seconds / 60, seconds % 60),
        _ => format!("{}h {}min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cells_took_beside_their_windows_is_learnt() {
        let mut rest = Rest { windows: vec![10.0, 20.0, 30.0], ended: 0, beside: 0.0 };
        assert_eq!(rest.left(0.0), "1min 2s");
        assert_eq!(rest.left(4.0), "58s");
        assert_eq!(rest.left(1000.0), "51s", "the present cell takes longer than it should");
        rest.ended(14.0);
        assert_eq!(rest.left(0.0), "58s", "4 s a cell");
        rest.ended(20.0);
        assert_eq!(rest.left(30.0), "2s");
        rest.ended(30.0);
        assert_eq!(rest.left(9.0), "0s");
        rest.ended(30.0);
        assert_eq!(rest.left(0.0), "0s");
    }

    #[test]
    fn times_have_two_units() {
        for (seconds, expected) in
            [(0.1, "1s"), (59.0, "59s"), (200.0, "3min 20s"), (3840.0, "1h 4min")]
        {
            assert_eq!(text(seconds), expected);
        }
        assert_eq!(text(f64::NAN), "0s");
    }
}
