//! What a lab does to packets on their way to the target, and what it has counted.

#[cfg(target_os = "linux")]
pub use linux::Impairments;

#[cfg(target_os = "linux")]
mod linux;

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use std::io;

    use crate::lab::{Lab, LabError, Towards, link_error};
    use crate::measure::result::ImpairmentResult;
    use crate::scenario::plan::Impair;

    /// As on Linux; none is ever made.
    #[derive(Debug)]
    pub struct Impairments(());

    impl Impairments {
        pub(in crate::lab) fn start(_: &Lab, _: &Impair, _: Towards) -> Result<Self, LabError> {
            Err(link_error("impairing a link", &io::ErrorKind::Unsupported.into()))
        }

        /// As on Linux.
        ///
        /// # Errors
        /// Never.
        pub fn read(&self) -> io::Result<Vec<ImpairmentResult>> {
            Ok(Vec::new())
        }

        /// As on Linux.
        ///
        /// # Errors
        /// Never.
        pub fn lost_syns(&self) -> io::Result<Option<u64>> {
            Ok(None)
        }

        /// As on Linux.
        ///
        /// # Errors
        /// Never.
        pub fn queued(&self) -> io::Result<u64> {
            Ok(0)
        }
    }
}
#[cfg(not(target_os = "linux"))]
pub use elsewhere::Impairments;
