//! Placeholder for the arrivals' iterator.
pub struct Arrivals;
