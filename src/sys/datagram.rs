//! Many datagrams in one call: `sendmmsg(2)`, `recvmmsg(2)`, and what the kernel tells beside them.

mod batch;
pub mod bind;
pub mod client;
pub mod complaints;
pub mod receive;
pub mod send;
