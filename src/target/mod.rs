//! The server under test: a listener whose accept queue is the lever, and what it counts.

mod acceptor;
mod connection;
mod pace;
pub mod protocol;
mod server;
mod service;
pub mod stdio;

pub use server::{Bound, Occasion, Server, Tally, Totals};
