//! The private network namespaces in which cells run, made without root.
//!
//! [`enter`] moves the whole process once, before any thread starts; [`Lab::create`] makes fresh
//! namespaces for each cell. Nothing is named in the host, so that all of it vanishes with the
//! last process in it, however that ends.

use std::io;
use std::net::IpAddr;

use crate::scenario::plan;
use crate::sys::error_name;
use crate::sys::namespace::Namespace;
use crate::sys::permit::Policy;

mod addresses;
mod half_open;
mod impair;
mod links;
mod privacy;
mod sysctl;
mod tap;

pub use addresses::Addresses;
pub use half_open::{HalfOpen, LabAddr};
pub use impair::Impairments;
pub use privacy::{Privacy, enter};
pub use tap::{SNAP, Tap};

/// Ports of the target.
#[derive(Debug, Clone, Copy)]
pub enum Towards<'a> {
    /// Of UDP.
    Udp(&'a [u16]),
    /// Of TCP.
    Tcp(&'a [u16]),
}

/// Why there is no lab; the text names the remedy.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The system did not give a private namespace.
    #[error("there is no private network namespace: {call} failed with {errno}. {remedy}")]
    Refused {
        /// The system call, or the file written.
        call: &'static str,
        /// The error by name.
        errno: String,
        /// What would help.
        remedy: String,
    },
    /// A link or an address could not be made.
    #[error("the lab's network is not complete: {step} failed with {reason}. {remedy}")]
    Link {
        /// What was being done.
        step: String,
        /// The error by name, or the state that was met.
        reason: String,
        /// What would help.
        remedy: &'static str,
    },
    /// Datagrams cannot be lost, held or doubled on purpose.
    #[error("the lab cannot {what}: {reason}. {remedy}")]
    Impairment {
        /// What was wanted.
        what: &'static str,
        /// The error by name, or why not.
        reason: String,
        /// What would help.
        remedy: &'static str,
    },
    /// Packets cannot be recorded.
    #[error("the lab's packets cannot be recorded: AF_PACKET failed with {reason}. {remedy}")]
    Capture {
        /// The error by name.
        reason: String,
        /// What would help.
        remedy: &'static str,
    },
    /// A kernel setting did not take its value.
    #[error("the lab's setting {key} = {value:?} does not hold: {reason}. {remedy}")]
    Setting {
        /// Dotted name.
        key: String,
        /// The value wanted.
        value: String,
        /// The error by name, or the value read back.
        reason: String,
        /// What would help.
        remedy: String,
    },
}

/// The namespaces of one cell. They vanish with this value and the last socket and thread in them.
#[derive(Debug)]
pub struct Lab {
    client: Namespace,
    /// `None` where both sides share one namespace.
    target: Option<Namespace>,
    addresses: Addresses,
    sysctl: Vec<(String, String)>,
}

impl Lab {
    /// Makes the namespaces, links, addresses and settings that a cell wants, and waits until
    /// they can be used. Blocks for some milliseconds (up to about a second with 4096 sources).
    ///
    /// # Errors
    /// Names the step or the setting, the system's error and the remedy.
    pub fn create(privacy: &Privacy, plan: &plan::Lab) -> Result<Self, LabError> {
        let addresses = Addresses::of(plan);
        let client = fresh(privacy)?;
        let target = match plan.link {
            plan::Link::Loopback => {
                links::loopback(&client, &addresses)?;
                None
            }
            plan::Link::Veth => {
                let target = fresh(privacy)?;
                links::veth(&client, &target, &addresses)?;
                Some(target)
            }
        };
        // The client's side first, so that what is kept was read at the target.
        let mut sysctl = sysctl::apply(privacy, &client, &plan.sysctl)?;
        if let Some(target) = &target {
            sysctl = sysctl::apply(privacy, target, &plan.sysctl)?;
        }
        Ok(Self { client, target, addresses, sysctl })
    }

    /// The clients' side.
    pub fn client(&self) -> &Namespace {
        &self.client
    }

    /// The target's side; the same as the clients' over loopback.
    pub fn target(&self) -> &Namespace {
        self.target.as_ref().unwrap_or(&self.client)
    }

    /// Whether each side has a namespace of its own.
    pub fn separate(&self) -> bool {
        self.target.is_some()
    }

    /// The clients' source addresses, as many as planned.
    pub fn client_addresses(&self) -> &[IpAddr] {
        &self.addresses.clients
    }

    /// The target's address.
    pub fn target_address(&self) -> IpAddr {
        self.addresses.target
    }

    /// Puts into force what `plan` does to packets on their way to the target, which is bound to the
    /// ports: once for a lab, and it lasts as long as the lab.
    ///
    /// # Errors
    /// Names what this kernel cannot do, and what works without it.
    pub fn impair(&self, plan: &plan::Impair, to: Towards) -> Result<Impairments, LabError> {
        Impairments::start(self, plan, to)
    }

    /// Kernel settings that were set, as read back at the target.
    pub fn sysctl(&self) -> &[(String, String)] {
        &self.sysctl
    }

    /// The address by which a datagram reaches all of the target's receivers; `None` for
    /// [`plan::Cast::Unicast`], and where the family has none. To multicast over veth the receivers
    /// join it on the interface of [`Lab::target_address`]; over loopback on loopback.
    pub fn group(&self, cast: plan::Cast) -> Option<IpAddr> {
        match cast {
            plan::Cast::Unicast => None,
            plan::Cast::Multicast => Some(self.addresses.multicast),
            plan::Cast::Broadcast => self.addresses.broadcast,
        }
    }

    /// Whether the address is one of this lab's.
    pub fn contains(&self, ip: IpAddr) -> bool {
        ip == self.addresses.target || self.addresses.clients.contains(&ip)
    }

    /// What load in this lab may reach: what `policy` permits, the lab's target and its groups.
    pub fn permits(&self, policy: Policy) -> Policy {
        let Addresses { target, multicast, broadcast, .. } = self.addresses;
        policy.with_lab([target, multicast].into_iter().chain(broadcast))
    }
}

/// A namespace of a cell; certainly not the one in which the process was started.
fn fresh(privacy: &Privacy) -> Result<Namespace, LabError> {
    let refused = |error: &io::Error| privacy::refused("unshare(CLONE_NEWNET) for a cell", error);
    let made = Namespace::fresh().map_err(|error| refused(&error))?;
    match made.id() {
        Ok(id) if id != privacy.outside() => Ok(made),
        Ok(_) => Err(refused(&io::Error::other("the host's own namespace"))),
        Err(error) => Err(refused(&error)),
    }
}

/// An error while a link is made.
fn link_error(step: impl Into<String>, error: &io::Error) -> LabError {
    let remedy = match error.raw_os_error() {
        Some(libc::EOPNOTSUPP) => {
            "This kernel cannot make veth pairs: load the module veth, or use link = \"loopback\""
        }
        Some(libc::EAFNOSUPPORT | libc::EACCES | libc::EADDRNOTAVAIL) => {
            "Where IPv6 is switched off in this kernel, use family = \"ipv4\""
        }
        Some(libc::EMFILE | libc::ENFILE) => "Raise the limit of descriptors (ulimit -n)",
        Some(libc::EAGAIN) => "Raise the limit of processes (ulimit -u)",
        _ => "If this persists, use link = \"loopback\" or --lab off, and report the error",
    };
    LabError::Link { step: step.into(), reason: error_name(error), remedy }
}
