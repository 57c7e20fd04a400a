//! Names of AF_UNIX sockets: `unix:/path`, `unix:@abstract`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::UnitError;

/// Longest name in bytes: `sun_path` (`unix(7)`) with the NUL before or after the name.
const LONGEST: usize = 107;

/// Whether an AF_UNIX socket keeps the boundaries between writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnixKind {
    /// SOCK_STREAM: bytes.
    Stream,
    /// SOCK_SEQPACKET: packets.
    Seqpacket,
    /// SOCK_DGRAM: datagrams.
    Datagram,
}

/// The name of an AF_UNIX socket: a path, an abstract name (`@` stands for its leading NUL), or
/// none yet, so that the kernel gives an abstract one when it is bound (`unix(7)`, autobind).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct UnixName {
    length: u8,
    bytes: [u8; LONGEST + 1],
}

impl UnixName {
    /// No name yet.
    pub const UNNAMED: Self = Self { length: 0, bytes: [0; LONGEST + 1] };

    /// An abstract name, without its NUL; `None` where it is no name of ours (see
    /// [`UnixName::from_str`]).
    pub fn of_abstract(name: &[u8]) -> Option<Self> {
        format!("@{}", std::str::from_utf8(name).ok()?).parse().ok()
    }

    /// The whole text: a path, `@` and an abstract name, or nothing.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or_default()
    }

    /// The abstract name without its NUL, if it is one.
    pub fn abstract_name(&self) -> Option<&str> {
        self.as_str().strip_prefix('@')
    }

    /// The path, if it is one.
    pub fn path(&self) -> Option<&str> {
        Some(self.as_str()).filter(|text| !text.is_empty() && !text.starts_with('@'))
    }

    /// Whether the kernel has still to choose a name.
    pub fn is_unnamed(&self) -> bool {
        self.length == 0
    }
}

impl FromStr for UnixName {
    type Err = UnitError;

    /// Reads `/path`, `./path` or `@name`; an empty text is no name. Names that cannot be printed
    /// are not read.
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (begin, bare) = match text.strip_prefix('@') {
            Some(name) => (1, name),
            None => (0, text),
        };
        let sound = match begin {
            1 => !bare.is_empty(),
            _ => text.is_empty() || text.starts_with(['/', '.']),
        };
        if !sound || bare.len() > LONGEST || text.chars().any(char::is_control) {
            return Err(UnitError(format!(
                "\"{}\" is not the name of a socket: write a path such as /run/server.sock, or @ \
                 and an abstract name, of at most {LONGEST} bytes",
                text.escape_default()
            )));
        }
        let mut bytes = [0; LONGEST + 1];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Ok(Self { length: text.len() as u8, bytes })
    }
}

impl fmt::Display for UnixName {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for UnixName {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// What carries connections or datagrams between clients and target.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// TCP over IPv4 or IPv6.
    #[default]
    Tcp,
    /// AF_UNIX, SOCK_STREAM.
    UnixStream,
    /// AF_UNIX, SOCK_SEQPACKET.
    UnixSeqpacket,
    /// UDP over IPv4 or IPv6.
    Udp,
    /// AF_UNIX, SOCK_DGRAM.
    UnixDgram,
}

impl Transport {
    /// Which kind of AF_UNIX socket, if it is one.
    pub const fn unix(self) -> Option<UnixKind> {
        match self {
            Self::Tcp | Self::Udp => None,
            Self::UnixStream => Some(UnixKind::Stream),
            Self::UnixSeqpacket => Some(UnixKind::Seqpacket),
            Self::UnixDgram => Some(UnixKind::Datagram),
        }
    }

    /// Whether it is TCP.
    pub const fn is_tcp(&self) -> bool {
        matches!(self, Self::Tcp)
    }

    /// Whether it has IP addresses and ports.
    pub const fn is_ip(&self) -> bool {
        matches!(self, Self::Tcp | Self::Udp)
    }

    /// Whether it carries datagrams, and no connections.
    pub const fn carries_datagrams(&self) -> bool {
        matches!(self, Self::Udp | Self::UnixDgram)
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::UnixStream => "unix-stream",
            Self::UnixSeqpacket => "unix-seqpacket",
            Self::Udp => "udp",
            Self::UnixDgram => "unix-dgram",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_their_text() {
        for text in ["", "@a", "@0057d62", "/run/x.sock", "./x", "@ä b"] {
            let name: UnixName = text.parse().expect(text);
            assert_eq!(name.to_string(), text);
        }
        let name: UnixName = "@abc".parse().expect("a name");
        assert_eq!((name.abstract_name(), name.path()), (Some("abc"), None));
        assert_eq!(UnixName::of_abstract(b"abc"), Some(name));
        let path: UnixName = "/a".parse().expect("a path");
        assert_eq!((path.abstract_name(), path.path()), (None, Some("/a")));
        assert!(UnixName::UNNAMED.is_unnamed() && UnixName::UNNAMED.path().is_none());
    }

    #[test]
    fn what_is_no_name_is_told() {
        let (full, over) = ("a".repeat(LONGEST), "a".repeat(LONGEST + 1));
        assert!(format!("@{full}").parse::<UnixName>().is_ok());
        assert!(format!("@{over}").parse::<UnixName>().is_err());
        assert!(format!("/{full}").parse::<UnixName>().is_err());
        for text in ["@", "80", "a/b", "/a\0b", "@\n"] {
            let error = text.parse::<UnixName>().unwrap_err().to_string();
            assert!(error.contains("/run/server.sock"), "{error}");
        }
        assert_eq!(UnixName::of_abstract(&[0xff]), None);
    }
}
