//! The server under test: a listener whose accept queue is the lever, and what it counts.

mod acceptor;
mod connection;
mod counts;
mod crew;
mod door;
mod keeping;
mod lot;
mod parking;
pub mod protocol;
pub mod receiver;
mod restart;
mod server;
pub mod stdio;
mod turn;

use crate::scenario::{pace, service};

pub use counts::{Tally, Totals};
pub use door::Door;
pub use server::{Occasion, Server};
