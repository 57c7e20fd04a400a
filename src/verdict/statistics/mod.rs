//! Statistics of runs: one value a run, few runs a side. Pure; every random draw is seeded.
//!
//! A difference is believed where two things hold: chance is excluded (an exact rank test,
//! corrected for the number of metrics), and the effect is past what matters, its whole interval
//! past half of that. Neither assumes anything of how the values are distributed.

mod bootstrap;
mod effect;
mod holm;
mod looks;
mod mann_whitney;

pub use bootstrap::{Interval, interval};
pub use effect::{Difference, median};
pub use holm::holm;
pub use mann_whitney::{RankTest, least_p};

#[cfg(test)]
mod properties;
