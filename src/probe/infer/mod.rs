//! From observations to values: pure functions, each tested on recorded observations.

pub mod sockets;
