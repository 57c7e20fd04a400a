//! The server under test: a listener whose accept queue is the lever, and what it counts.

mod acceptor;
mod connection;
mod counts;
mod crew;
mod door;
mod keeping;
mod lot;
mod pace;
mod parking;
pub mod protocol;
pub mod receiver;
mod restart;
mod server;
mod service;
pub mod stdio;
mod turn;

pub use counts::{Tally, Totals};
pub use door::Door;
pub use server::{Occasion, Server};
