//! Arrival schedules: pure functions from an attempt's number to its offset from the load's
//! start. No clock and no socket lives here, so that tests are tables and properties.

mod arrivals;
mod shape;
mod shuffle;
mod turns;

pub use arrivals::{Arrival, Arrivals};
pub use shape::{Schedule, Shape, Stage};
pub use shuffle::shuffled;
pub use turns::Turns;
