//! Every system call that needs `unsafe` or nix, behind small safe functions.
//!
//! What depends on the operating system is chosen here and in [`crate::lab`], nowhere else.

#[cfg_attr(not(any(target_os = "linux", target_os = "freebsd")), path = "alarm_elsewhere.rs")]
mod alarm;
#[cfg(target_os = "linux")]
mod attributes;
pub mod clock;
pub mod datagram;
pub mod deaf;
pub mod endpoint;
pub mod errno;
pub mod interrupt;
pub mod limits;
pub mod listener;
pub mod namespace;
#[cfg_attr(not(target_os = "linux"), path = "netlink_elsewhere.rs")]
pub mod netlink;
#[cfg(target_os = "linux")]
pub mod nft;
mod options;
#[cfg_attr(not(target_os = "linux"), path = "packet_elsewhere.rs")]
pub mod packet;
pub mod parent;
pub mod permit;
#[cfg(target_os = "linux")]
mod questions;
pub mod ready;
pub mod socket;
mod socket_table;
pub mod standing;
#[cfg_attr(not(target_os = "linux"), path = "tcp_info_elsewhere.rs")]
pub mod tcp_info;
#[cfg(target_os = "linux")]
pub mod traffic;
#[cfg_attr(not(target_os = "linux"), path = "unix_diag_elsewhere.rs")]
pub mod unix_diag;
mod unix_table;
#[cfg_attr(not(target_os = "linux"), path = "uring_elsewhere.rs")]
pub mod uring;

pub use errno::error_name;
