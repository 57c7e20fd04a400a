//! Arrival schedules: pure functions from an attempt's number to its offset from the load's
//! start. No clock and no socket lives here, so that tests are tables and properties.

mod arrivals;
mod pairs;
mod shape;
mod shuffle;
mod turns;

pub use arrivals::{Arrival, Arrivals};
pub use pairs::Pairs;
pub use shape::{Schedule, Shape, Stage};
pub use shuffle::shuffled;
pub use turns::Turns;

/// Seed of a load: each has arrivals of its own, and every cell has the same ones.
pub fn seed_of(seed: u64, load: u16) -> u64 {
    seed.wrapping_add(0x9e37_79b9_7f4a_7c15u64.wrapping_mul(u64::from(load) + 1))
}
