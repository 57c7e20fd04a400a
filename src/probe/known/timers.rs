//! Retries, TIME_WAIT and ports.

use super::Case;
use crate::measure::card::Value;

/// What is known of them.
pub fn expected(_: &Case) -> Option<(Value, &'static str)> {
    None
}
