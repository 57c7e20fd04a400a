//! A comparison of runs to bytes: for terminals, pull requests, CI systems and histories.
//!
//! What is compared may come from anywhere: every text passes [`clean`](super::card::clean), and is
//! escaped as its surroundings want it.

pub mod github;
pub mod history;
pub mod json;
pub mod junit;
mod markdown;
mod text;
pub mod words;

pub use github::{Shown, github};
pub use json::json;
pub use junit::junit;
pub use markdown::markdown;
pub use text::text;
