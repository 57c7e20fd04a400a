//! Packets of a lab's link. They can be recorded in a lab and nowhere else.

use std::io;

use super::links::NAME;
use super::{Lab, LabError};
use crate::sys::error_name;
use crate::sys::packet::{Ring, Which};

/// Bytes that are kept of each packet: every header of TCP over IPv6 with all its options.
pub const SNAP: u32 = 128;

/// A lab's link, listened to at the clients' end.
///
/// What the clients send is seen when it leaves them, whether it arrives or not, and what comes for
/// them when it arrives: each SYN of theirs is there once. Over loopback, which has one end, packets
/// are taken when they are sent. Queues of the link (`rate`, `delay`) lie before that.
#[derive(Debug)]
pub struct Tap {
    /// The packets.
    pub ring: Ring,
    /// Name of the interface.
    pub interface: &'static str,
}

impl Tap {
    /// Begins to record.
    ///
    /// # Errors
    /// Names the system's error and the remedy.
    pub fn open(lab: &Lab) -> Result<Self, LabError> {
        let (interface, which) = match lab.separate() {
            true => (NAME, Which::Both),
            false => ("lo", Which::Sent),
        };
        let open = lab.client().run(|| Ring::open(interface, which, SNAP));
        let ring = open.flatten().map_err(|error| refused(&error))?;
        Ok(Self { ring, interface })
    }
}

fn refused(error: &io::Error) -> LabError {
    let remedy = match error.kind() {
        io::ErrorKind::OutOfMemory => "Free memory: the ring of packets takes 32 MiB",
        _ => {
            "Where this kernel has no packet sockets, load the module af_packet, or leave \
              lab.capture out"
        }
    };
    LabError::Capture { reason: error_name(error), remedy }
}
