//! Interfaces, addresses and routes of a lab, over rtnetlink.

#[cfg(target_os = "linux")]
pub(super) use linux::{NAME, loopback, veth};

#[cfg(target_os = "linux")]
mod linux;

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use super::super::{Addresses, LabError, link_error};
    use crate::sys::namespace::Namespace;

    /// As on Linux; there never is such a link.
    pub const NAME: &str = "veth";

    /// No other system has namespaces, so nothing gets here.
    pub fn loopback(_: &Namespace, _: &Addresses) -> Result<(), LabError> {
        Err(link_error("making links", &std::io::ErrorKind::Unsupported.into()))
    }

    pub fn veth(place: &Namespace, _: &Namespace, all: &Addresses) -> Result<(), LabError> {
        loopback(place, all)
    }
}
#[cfg(not(target_os = "linux"))]
pub(super) use elsewhere::{NAME, loopback, veth};
