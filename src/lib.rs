//! loadgen: which queue of which host made clients wait, and how would another backlog behave?
//!
//! The map of the house; data goes one way, from top to bottom:
//!
//! | module | what lives there |
//! | --- | --- |
//! | [`cli`] | one file a subcommand; the control plane |
//! | [`runner`] | carries a plan out, cell by cell, and keeps the result on disk |
//! | [`engine`] | load workers: pacing and the hot loop |
//! | [`probe`] | experiments that find out how this system's queues behave: its backlog card |
//! | [`clients`] | one file a client kind: a state machine |
//! | [`target`] | `loadgen serve`: listener, accept pacing, service |
//! | [`lab`] | the private network namespaces |
//! | [`observe`] | kernel counters, listen queues, the environment |
//! | [`sys`] | every system call that needs unsafe or nix |
//! | [`report`] | results to bytes: CSV, JSON, pictures, terminal |
//! | [`explain`] | evidence to sentences: why clients waited or failed (pure) |
//! | [`verdict`] | limits and validity: results to a judgement (pure) |
//! | [`measure`] | records, histograms, ledgers, results (pure) |
//! | [`load`] | arrival schedules (pure) |
//! | [`scenario`] | what a user writes, and the plan that it resolves to (pure) |
//! | [`units`] | values with a unit |

#![deny(unsafe_code)]

pub mod cli;
pub mod clients;
pub mod engine;
pub mod explain;
pub mod lab;
pub mod load;
pub mod measure;
pub mod observe;
pub mod probe;
pub mod report;
pub mod runner;
pub mod scenario;
pub mod sys;
pub mod target;
pub mod units;
pub mod verdict;
