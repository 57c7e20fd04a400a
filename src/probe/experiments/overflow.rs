//! What becomes of a SYN and of a final ACK that meet a full accept queue?

use crate::measure::card::Experiment;
use crate::probe::{Ground, Order};

/// None so far.
pub fn experiments(_: &Ground, _: &Order) -> Vec<Experiment> {
    Vec::new()
}
