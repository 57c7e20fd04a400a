//! Where an experiment's socket of AF_UNIX is: an abstract name where the system has such, or a file
//! in a folder of its own, which goes when the experiment is over.

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use socket2::Socket;

use super::METHODS;
use super::ground::missing;
use crate::measure::card::{Methods, Missing};
use crate::sys::endpoint::Endpoint;
use crate::sys::listener;
use crate::units::{UnixKind, UnixName};

/// A socket that has a name.
#[derive(Debug)]
pub struct UnixPlace {
    /// The socket.
    pub socket: Socket,
    _folder: Option<Folder>,
}

impl UnixPlace {
    /// Has `open` make a socket of this kind at a free name.
    ///
    /// # Errors
    /// As `open`'s: EPROTONOSUPPORT where the system has no such kind; as of mkdir(2).
    pub fn new(
        kind: UnixKind,
        open: impl Fn(Endpoint) -> io::Result<Socket>,
    ) -> Result<Self, Missing> {
        let unnamed = Endpoint::Unix(kind, UnixName::UNNAMED);
        if METHODS == Methods::Native
            && let Ok(socket) = open(unnamed)
            && Endpoint::of(&socket).is_ok_and(|named| named != unnamed)
        {
            return Ok(Self { socket, _folder: None });
        }
        let folder = Folder::new().map_err(|error| missing("mkdir", &error))?;
        let path = folder.0.join("s");
        let name: Option<UnixName> = path.to_str().and_then(|path| path.parse().ok());
        let name = name.ok_or_else(|| {
            Missing::all("the folder of temporary files has too long a name", "set TMPDIR=/tmp")
        })?;
        let socket = open(Endpoint::Unix(kind, name))
            .map_err(|error| missing("making a socket with a name", &error))?;
        Ok(Self { socket, _folder: Some(folder) })
    }
}

/// A folder that nobody else may enter; it is removed with this value.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn new() -> io::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        loop {
            let (process, number) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
            let path = std::env::temp_dir().join(format!("loadgen-{process}-{number}"));
            match DirBuilder::new().mode(0o700).create(&path) {
                // Somebody else's, or of a process that was killed.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                done => return done.map(|()| Self(path)),
            }
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Nothing can be done about a folder that does not go.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Accepts one, where one waits.
///
/// # Errors
/// As of `accept(2)`.
pub fn accept_one(from: &Socket) -> Result<Option<Socket>, Missing> {
    match listener::accept(from) {
        Ok((connection, _)) => Ok(Some(connection)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(missing("accept", &error)),
    }
}
