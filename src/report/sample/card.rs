//! Cards for tests: a Linux of today, and a system that calls itself Linux and is none.

use crate::measure::card::Card;
use crate::report::card::json;

/// A card of Linux 6.18, made in a lab.
pub fn linux_card() -> Card {
    json::read(include_bytes!("../../../tests/cards/linux.json")).expect("a card")
}

/// A quick card of gVisor's network stack, which lacks half of the instruments.
pub fn gvisor_card() -> Card {
    json::read(include_bytes!("../../../tests/cards/gvisor.json")).expect("a card")
}
