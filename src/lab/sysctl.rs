//! Kernel settings of a lab: set in its namespaces, and read back.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;

use super::{LabError, Privacy};
use crate::scenario::is_setting;
use crate::sys::error_name;
use crate::sys::namespace::Namespace;

/// Longest value that is written; the kernel takes no more than a page.
const LONGEST: usize = 4096;

/// Sets each key in this namespace and returns what the kernel then says.
///
/// # Errors
/// Names the key, the value, the error (or what was read back) and the remedy.
pub(super) fn apply(
    privacy: &Privacy,
    place: &Namespace,
    settings: &[(String, String)],
) -> Result<Vec<(String, String)>, LabError> {
    let work = || {
        let inside = Namespace::current().and_then(|here| here.id());
        settings
            .iter()
            .map(|(key, value)| match &inside {
                Ok(id) if *id != privacy.outside() => set(key, value),
                Ok(_) => {
                    Err(failed(key, value, "this is the host's namespace", "Report this".into()))
                }
                Err(error) => Err(unknown_place(key, value, error)),
            })
            .collect()
    };
    place.run(work).map_err(|error| super::link_error("entering the namespace", &error))?
}

/// Sets one key in the calling thread's namespace: `/proc/sys/net` is that of the thread.
fn set(key: &str, value: &str) -> Result<(String, String), LabError> {
    let path = path(key, value)?;
    let refused = |error: &io::Error| {
        let now = fs::read_to_string(&path).ok().map(|text| normal(&text));
        failed(key, value, &error_name(error), remedy(error, now))
    };
    // One write, without O_CREAT or O_TRUNC: that is what the kernel expects of a setting.
    let written = OpenOptions::new()
        .write(true)
        .open(&path)
        .and_then(|mut file| file.write_all(format!("{}\n", value.trim()).as_bytes()));
    written.map_err(|error| refused(&error))?;
    let now = fs::read_to_string(&path).map_err(|error| refused(&error))?;
    if normal(&now) != normal(value) {
        let reason = format!("the kernel made {:?} of it", normal(&now));
        return Err(failed(key, value, &reason, "Write a value that the kernel keeps".into()));
    }
    Ok((key.to_owned(), normal(&now)))
}

/// Nothing is written where nobody knows whose setting it would be.
fn unknown_place(key: &str, value: &str, error: &io::Error) -> LabError {
    let reason = format!("which namespace this is cannot be seen ({})", error_name(error));
    failed(key, value, &reason, "Raise the limit of descriptors (ulimit -n)".into())
}

/// The file of a key below `net.`, and of no other.
fn path(key: &str, value: &str) -> Result<PathBuf, LabError> {
    if !is_setting(key) {
        return Err(failed(
            key,
            value,
            "it is no dotted name below net.",
            "Only settings of a network namespace can be set, such as net.core.somaxconn".into(),
        ));
    }
    if value.len() > LONGEST || value.chars().any(|c| c.is_control() && c != '\t') {
        return Err(failed(key, value, "it is too long or no plain text", "Write one line".into()));
    }
    Ok(PathBuf::from("/proc/sys").join(key.replace('.', "/")))
}

fn failed(key: &str, value: &str, reason: &str, remedy: String) -> LabError {
    let value = value.chars().take(100).collect();
    LabError::Setting { key: key.into(), value, reason: reason.into(), remedy }
}

fn remedy(error: &io::Error, now: Option<String>) -> String {
    match (error.raw_os_error(), now) {
        (Some(libc::ENOENT), _) => {
            "This kernel has no such setting in a network namespace: it is misspelt, newer, or \
             belongs to the whole host"
                .into()
        }
        (Some(libc::EACCES | libc::EPERM), _) => {
            "The setting cannot be written in a network namespace: it belongs to the whole host"
                .into()
        }
        (Some(libc::EROFS), _) => "/proc/sys is mounted read-only here: start the container with \
             --security-opt systempaths=unconfined or --privileged"
            .into(),
        (_, Some(now)) => format!("The kernel refuses the value; it is now {now:?}"),
        (_, None) => "The kernel refuses the value".into(),
    }
}

/// Words separated by single blanks: the kernel writes tabs between the numbers of a setting.
fn normal(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_below_net_have_a_file() {
        let wanted = PathBuf::from("/proc/sys/net/ipv4/tcp_syncookies");
        assert_eq!(path("net.ipv4.tcp_syncookies", "0").unwrap(), wanted);
        for key in [
            "",
            "net",
            "net.",
            "net.core",
            "kernel.panic",
            "net/core/somaxconn",
            "net..core.x",
            "net.core.",
            "net.core.../../kernel/panic",
            "net.ipv4/tcp_rmem",
            "net.ipv4.conf.eth0@if5",
            "net.ipv4.a b",
            "net.ipv4.a\0",
            "NET.core.x",
            " net.core.somaxconn",
            ".net.core.x",
        ] {
            let error = path(key, "1").unwrap_err().to_string();
            assert!(error.contains("below net."), "{key:?}: {error}");
        }
    }

    #[test]
    fn values_are_one_line_of_text() {
        assert!(path("net.ipv4.tcp_rmem", "4096\t131072 6291456").is_ok());
        for value in ["1\n2", "1\0", &"9".repeat(5000)] {
            assert!(path("net.core.somaxconn", value).is_err());
        }
    }

    #[test]
    fn whitespace_does_not_count() {
        assert_eq!(normal(" 4096\t131072   6291456\n"), "4096 131072 6291456");
    }
}
