//! `[lab]`.

use crate::scenario::at::At;
use crate::scenario::diagnostic::Problems;
use crate::scenario::plan::{Family, Lab, Link};
use crate::scenario::raw;

use super::number;

/// Longest value of a kernel setting.
const LONGEST_VALUE: usize = 200;
/// At most this many settings.
const MOST_SETTINGS: usize = 100;

/// The lab of a cell.
pub(super) fn lab(raw: Option<&raw::Lab>, external: bool, problems: &mut Problems) -> Lab {
    let nothing = raw::Lab::default();
    let raw = raw.unwrap_or(&nothing);
    let link = raw.link.as_ref().map_or(Link::Loopback, |link| *link.get());
    if let Some(written) = raw.link.as_ref().filter(|_| external && link == Link::Veth) {
        problems.error(
            written.span(),
            "a server of yours is outside the lab: no virtual link leads to it",
            "remove `link`, or remove `target.address` to measure our own server",
        );
    }
    Lab {
        link,
        family: raw.family.unwrap_or(Family::Ipv4),
        sources: number("sources", raw.sources.as_ref(), 1, 1..=4096, problems),
        sysctl: settings(raw.sysctl.as_ref(), external, problems),
    }
}

fn settings(
    raw: Option<&raw::Sysctl>,
    external: bool,
    problems: &mut Problems,
) -> Vec<(String, String)> {
    let entries = raw.map_or(&[][..], |map| map.0.0.as_slice());
    if let Some((key, _)) = entries.get(MOST_SETTINGS) {
        let help = format!("at most {MOST_SETTINGS}");
        problems.error(key.span(), "too many kernel settings", help);
    }
    for (key, value) in entries.iter().take(MOST_SETTINGS) {
        if external {
            problems.error(
                key.span(),
                "a server of yours is outside the lab: its kernel settings are not ours to change",
                "remove [lab.sysctl], or remove `target.address` to measure our own server",
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
    let legal = |c: char| c.is_ascii_alphanumeric() || "_.-/@".contains(c);
    if !name.chars().all(legal) || name.split(['.', '/']).any(str::is_empty) || name.len() > 200 {
        problems.error(
            key.span(),
            format!("`{name}` is not the name of a kernel setting"),
            "write it as `sysctl` prints it, such as net.ipv4.tcp_syncookies",
        );
    }
}
