//! Drives the built program as a user does: scenarios in, exit status, text and folders out.
//!
//! Nothing here uses the crate's own types, so that the contracts (exit statuses, files, columns,
//! `run.json`) are held as users' scripts see them. A case that cannot run here is listed as
//! skipped (see [`common::skipped`]) and never passes silently.

mod addresses;
mod bad_input;
mod baseline;
mod cards;
mod ci;
mod classes;
mod closing;
mod common;
mod compare;
mod datagrams;
mod datagrams_external;
mod desk;
mod engines;
mod environment;
mod external;
mod folder;
mod half_open;
mod hlog;
mod interrupted;
mod knee;
mod lab;
mod ledger;
mod limits;
mod listeners;
mod many;
mod output;
mod perf;
mod probe;
mod repeats;
mod report_page;
mod restart;
mod resume;
mod schedule;
mod serve;
mod sockets;
mod stall;
mod unix;
mod vanish;
mod wire;
