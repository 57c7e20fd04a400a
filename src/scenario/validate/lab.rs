//! `[lab]`.

use crate::scenario::at::At;
use crate::scenario::diagnostic::Problems;
use crate::scenario::plan::{Capture, Family, Lab, Link, Target};
use crate::scenario::raw;

use super::{number, receiver};
use crate::units::Bytes;

/// Longest value of a kernel setting.
const LONGEST_VALUE: usize = 200;
/// Longest name of a kernel setting.
const LONGEST_NAME: usize = 200;
/// At most this many settings.
const MOST_SETTINGS: usize = 100;
/// Smallest and largest file of packets: hundreds of packets, and what a machine can read again.
const CAPTURES: (Bytes, Bytes) = (Bytes(64 << 10), Bytes(16 << 30));

/// A target that is outside the lab: what it is, and the key that makes it so.
struct Outside {
    what: &'static str,
    key: &'static str,
}

fn outside(target: &Target) -> Option<Outside> {
    match target {
        Target::External { .. } => {
            Some(Outside { what: "a server of yours", key: "`target.address`" })
        }
        Target::Own { command: Some(_), .. } | Target::Receiver { command: Some(_), .. } => {
            Some(Outside {
                what: "a target that a command of yours starts",
                key: "`target.command` and `target.address`",
            })
        }
        Target::Own { command: None, .. } | Target::Receiver { command: None, .. } => None,
    }
}

/// The lab of a cell.
pub(super) fn lab(raw: Option<&raw::Lab>, target: &Target, problems: &mut Problems) -> Lab {
    let outside = outside(target);
    let nothing = raw::Lab::default();
    let raw = raw.unwrap_or(&nothing);
    let link = raw.link.as_ref().map_or(Link::Loopback, |link| *link.get());
    if let (Some(written), Some(Outside { what, key }), Link::Veth) = (&raw.link, &outside, link) {
        problems.error(
            written.span(),
            format!("{what} is outside the lab: no virtual link leads to it"),
            format!("remove `link`, or remove {key} to measure our own server"),
        );
    }
    Lab {
        link,
        family: raw.family.as_ref().map_or(Family::Ipv4, |family| *family.get()),
        sources: number("sources", raw.sources.as_ref(), 1, 1..=4096, problems),
        strangers: 0,
        impair: receiver::impair(raw.impair.as_ref(), target, link, problems),
        capture: capture(raw.capture.as_ref(), outside.as_ref(), problems),
        sysctl: settings(raw.sysctl.as_ref(), outside.as_ref(), problems),
    }
}

fn capture(
    raw: Option<&At<raw::Capture>>,
    outside: Option<&Outside>,
    problems: &mut Problems,
) -> Option<Capture> {
    let written = raw?;
    let capture = written.get().0?;
    if let Some(Outside { what, key }) = outside {
        problems.error(
            written.span(),
            format!("{what} is outside the lab: only the lab's own link is recorded"),
            format!("remove `capture`, or remove {key} to measure our own server"),
        );
    }
    let (least, most) = CAPTURES;
    if !(least.0..=most.0).contains(&capture.size.0) {
        let help = format!("write a size from \"{least}\" to \"{most}\"");
        problems.error(written.span(), "no file of packets has this size", help);
    }
    Some(capture)
}

fn settings(
    raw: Option<&raw::Sysctl>,
    outside: Option<&Outside>,
    problems: &mut Problems,
) -> Vec<(String, String)> {
    let entries = raw.map_or(&[][..], |map| map.0.0.as_slice());
    if let Some((key, _)) = entries.get(MOST_SETTINGS) {
        let help = format!("at most {MOST_SETTINGS}");
        problems.error(key.span(), "too many kernel settings", help);
    }
    for (key, value) in entries.iter().take(MOST_SETTINGS) {
        if let Some(Outside { what, key: by }) = outside {
            problems.error(
                key.span(),
                format!("{what} is outside the lab: its kernel settings are not ours to change"),
                format!("remove [lab.sysctl], or remove {by} to measure our own server"),
            );
        }
        check_key(key, problems);
        let text = &value.get().0;
        if text.is_empty() || text.len() > LONGEST_VALUE || text.chars().any(char::is_control) {
            problems.error(
                value.span(),
                "this cannot be the value of a kernel setting",
                format!("write a number or a short text, at most {LONGEST_VALUE} characters"),
            );
        }
    }
    entries.iter().map(|(key, value)| (key.get().clone(), value.get().0.clone())).collect()
}

/// Settings become paths below /proc/sys.
fn check_key(key: &At<String>, problems: &mut Problems) {
    let name = key.get();
    if !name.starts_with("net.") {
        problems.error(
            key.span(),
            format!("`{name}` is not a setting of a network namespace"),
            "only names that begin with `net.` can be set, such as net.core.somaxconn",
        );
        return;
    }
    if !is_setting(name) {
        problems.error(
            key.span(),
            format!("`{name}` is not the name of a kernel setting"),
            "write it as `sysctl` prints it, such as net.ipv4.tcp_syncookies",
        );
    }
}

/// Whether this is the dotted name of a kernel setting below `net.`. A dot leads one folder down,
/// so that no name leads out of /proc/sys/net; interfaces whose names have dots cannot be named.
pub fn is_setting(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let mut parts = name.split('.');
    parts.next() == Some("net")
        && name.len() <= LONGEST_NAME
        && parts.clone().count() >= 2
        && parts.all(|part| !part.is_empty() && part.chars().all(plain))
}
