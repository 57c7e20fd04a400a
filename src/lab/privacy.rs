//! Leaving the host's network: once, before any thread starts.

use std::fs;
use std::io;

use super::LabError;
use crate::sys::error_name;
use crate::sys::namespace::{self, Namespace};

/// Proof that this process is in a network namespace of its own.
#[derive(Debug)]
pub struct Privacy {
    outside: u64,
}

impl Privacy {
    /// Number of the network namespace in which the process was started.
    pub(super) fn outside(&self) -> u64 {
        self.outside
    }
}

/// Moves this process into a private network namespace; as an ordinary user into a private user
/// namespace as well, in which it is the administrator and its files stay its own.
///
/// # Errors
/// Where the system refuses, with what would help; and where the process has several threads.
pub fn enter() -> Result<Privacy, LabError> {
    let outside = number()?;
    if threads() > 1 {
        return Err(LabError::Refused {
            call: "entering a lab",
            errno: "EINVAL".into(),
            remedy: "The process has several threads already; a lab is entered before the second"
                .into(),
        });
    }
    // The administrator needs no user namespace, in which permissions on files would differ.
    if namespace::unshare_net().is_err() {
        become_administrator()?;
    }
    match number()? {
        inside if inside != outside => Ok(Privacy { outside }),
        _ => Err(refused("unshare", &io::Error::other("no effect"))),
    }
}

/// A user namespace in which this user is number 0, and a network namespace that belongs to it.
fn become_administrator() -> Result<(), LabError> {
    let (user, group) = (namespace::effective_user(), namespace::effective_group());
    namespace::unshare_user_and_net()
        .map_err(|error| refused("unshare(CLONE_NEWUSER | CLONE_NEWNET)", &error))?;
    // A group map may only be written once setgroups(2) is given up (user_namespaces(7)).
    let files = [
        ("writing /proc/self/setgroups", "/proc/self/setgroups", "deny".to_owned()),
        ("writing /proc/self/uid_map", "/proc/self/uid_map", format!("0 {user} 1\n")),
        ("writing /proc/self/gid_map", "/proc/self/gid_map", format!("0 {group} 1\n")),
    ];
    for (call, path, text) in files {
        fs::write(path, text).map_err(|error| refused(call, &error))?;
    }
    Ok(())
}

fn number() -> Result<u64, LabError> {
    Namespace::current()
        .and_then(|here| here.id())
        .map_err(|error| refused("reading /proc/thread-self/ns/net", &error))
}

fn threads() -> usize {
    fs::read_dir("/proc/self/task").map_or(1, Iterator::count)
}

/// An error of making namespaces, with what the host's settings say about it.
pub(super) fn refused(call: &'static str, error: &io::Error) -> LabError {
    let host = Host::read(|path| fs::read_to_string(path).ok());
    LabError::Refused { call, errno: error_name(error), remedy: host.remedy(error) }
}

/// What the host says about namespaces of ordinary users; `None` where it has no such setting.
#[derive(Debug, Default)]
struct Host {
    userns_clone: Option<u64>,
    apparmor: Option<u64>,
    max_user: Option<u64>,
    max_net: Option<u64>,
}

impl Host {
    fn read(text: impl Fn(&str) -> Option<String>) -> Self {
        let number = |path| text(path)?.trim().parse().ok();
        Self {
            userns_clone: number("/proc/sys/kernel/unprivileged_userns_clone"),
            apparmor: number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
            max_user: number("/proc/sys/user/max_user_namespaces"),
            max_net: number("/proc/sys/user/max_net_namespaces"),
        }
    }

    /// What the host's administrator, or whoever started this container, can do.
    fn remedy(&self, error: &io::Error) -> String {
        let setting = match error.raw_os_error() {
            _ if self.max_user == Some(0) => "sysctl -w user.max_user_namespaces=10000",
            _ if self.max_net == Some(0) => "sysctl -w user.max_net_namespaces=10000",
            Some(libc::ENOSPC) => {
                return format!(
                    "The host's limit of namespaces is reached: end other programs that hold \
                     some, or raise user.max_user_namespaces (now {}) and \
                     user.max_net_namespaces (now {}) as root; or --lab off",
                    shown(self.max_user),
                    shown(self.max_net)
                );
            }
            Some(libc::EAGAIN) => {
                return "No more threads may be started: raise the limit of processes (ulimit -u); \
                        or --lab off"
                    .into();
            }
            Some(libc::EINVAL | libc::ENOSYS) => {
                return "This kernel was built without user or network namespaces: use another \
                        kernel, or --lab off"
                    .into();
            }
            _ if error.kind() == io::ErrorKind::Unsupported => {
                return "Labs need Linux: use --lab off here".into();
            }
            _ if self.userns_clone == Some(0) => "sysctl -w kernel.unprivileged_userns_clone=1",
            _ if self.apparmor == Some(1) => {
                "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
            }
            _ => {
                return "A container or a security policy forbids it: start the container with \
                        --cap-add SYS_ADMIN or --security-opt seccomp=unconfined, run as root, \
                        or use --lab off"
                    .into();
            }
        };
        format!(
            "The host forbids it to ordinary users: `{setting}` as root permits it; or --lab off"
        )
    }
}

fn shown(limit: Option<u64>) -> String {
    limit.map_or_else(|| "unknown".into(), |limit| limit.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names of files and what they hold.
    type Settings<'a> = &'a [(&'a str, &'a str)];

    fn remedy(errno: i32, settings: Settings) -> String {
        let host = Host::read(|path| {
            settings.iter().find(|(name, _)| path.ends_with(name)).map(|(_, v)| format!("{v}\n"))
        });
        host.remedy(&io::Error::from_raw_os_error(errno))
    }

    #[test]
    fn the_remedy_follows_from_what_the_host_says() {
        let cases: &[(i32, Settings, &str)] = &[
            (libc::EPERM, &[("unprivileged_userns_clone", "0")], "unprivileged_userns_clone=1"),
            (
                libc::EACCES,
                &[
                    ("unprivileged_userns_clone", "1"),
                    ("apparmor_restrict_unprivileged_userns", "1"),
                ],
                "apparmor_restrict_unprivileged_userns=0",
            ),
            (libc::ENOSPC, &[("max_user_namespaces", "0")], "max_user_namespaces=10000"),
            (libc::ENOSPC, &[("max_net_namespaces", "0")], "max_net_namespaces=10000"),
            (
                libc::ENOSPC,
                &[("max_user_namespaces", "7"), ("max_net_namespaces", "9")],
                "(now 7) and user.max_net_namespaces (now 9)",
            ),
            (libc::EINVAL, &[], "built without"),
            (libc::EPERM, &[], "container"),
            (libc::EPERM, &[("max_user_namespaces", "rubbish")], "container"),
        ];
        for (errno, settings, needle) in cases {
            let text = remedy(*errno, settings);
            assert!(text.contains(needle) && text.contains("--lab off"), "{errno}: {text}");
        }
    }

    #[test]
    fn with_several_threads_it_is_refused_and_nothing_has_changed() {
        let before = number().unwrap();
        let error = std::thread::spawn(enter).join().unwrap().unwrap_err();
        assert!(error.to_string().contains("several threads"), "{error}");
        assert_eq!(number().unwrap(), before);
    }
}
