//! The bytes that a request sends.

use crate::scenario::at::At;
use crate::scenario::diagnostic::Problems;
use crate::scenario::raw;

use super::Files;

/// What is sent when nothing else is said.
const DEFAULT: &[u8] = b"ping\n";
/// Longest message.
const LONGEST: usize = 64 << 10;

/// The message; the default stands in for one that is wrong.
pub(super) fn message(
    raw: Option<&At<raw::Message>>,
    files: &Files,
    problems: &mut Problems,
) -> Vec<u8> {
    let Some(at) = raw else { return DEFAULT.to_vec() };
    let bytes = match at.get() {
        raw::Message::Bytes(bytes) => bytes.clone(),
        raw::Message::File(path) => match files.read(path) {
            Ok(bytes) => bytes,
            Err(why) => {
                problems.error(
                    at.span(),
                    format!("cannot read {}: {why}", path.display()),
                    "name a readable file, relative to the scenario file",
                );
                return DEFAULT.to_vec();
            }
        },
    };
    if bytes.is_empty() || bytes.len() > LONGEST {
        problems.error(
            at.span(),
            format!("a message of {} bytes", bytes.len()),
            format!("write one of 1 to {LONGEST} bytes"),
        );
        return DEFAULT.to_vec();
    }
    bytes
}
