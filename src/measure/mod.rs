//! What is measured and what is reported, and nothing about how: records of attempts, histograms,
//! series, ledgers, results. Pure.

pub mod attempts;
pub mod attribution;
pub mod baseline;
pub mod book;
pub mod card;
pub mod classes;
pub mod comparison;
pub mod datagram;
pub mod datagrams;
pub mod greeting;
mod heat;
pub mod held;
mod histogram;
pub mod intervals;
pub mod knee;
pub mod ledger;
mod outcome;
pub mod prediction;
mod record;
mod restart;
pub mod result;
pub mod sample;
pub mod sent;
mod sockets;
pub mod stream;
pub mod syn_retries;
mod timeline;
pub mod trial;
mod turn;
pub mod variation;
pub mod wire;

pub use histogram::{
    HIGHEST, Metric, Recorder, Summary, Unit, decode, empty, encode, percentile, record,
    record_many,
};
pub use outcome::{Ending, Outcome, TargetEnding, TargetOutcome};
pub use record::{Event, Record};
