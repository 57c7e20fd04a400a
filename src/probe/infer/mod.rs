//! From observations to values: pure functions, each tested on recorded observations.

pub mod half_open;
pub mod seen;
pub mod timers;
