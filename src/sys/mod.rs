//! Every system call that needs unsafe or nix; the only place, with the lab, that knows which
//! operating system it runs on.

pub mod clock;
pub mod errno;
pub mod permit;
pub mod socket;
pub mod tcp_info;
