//! Reading JSON that anybody may have written: results, cards and baselines.

use std::fs::File;
use std::io::{Error, Read};
use std::path::Path;

use super::Failure;
use crate::report::card::clean;
use crate::sys::errno;

/// What kind of document is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// Such as `result`.
    pub name: &'static str,
    /// The most bytes that are read of one.
    pub longest: u64,
    /// What to give instead, behind "name" or "give".
    pub instead: &'static str,
    /// How it was to be: behind "or its".
    pub file: &'static str,
}

impl Wanted {
    /// The whole document.
    ///
    /// # Errors
    /// That of the kernel, with the file's name; that it is no regular file, or longer than any such
    /// document is.
    pub fn bytes(&self, path: &Path) -> Result<Vec<u8>, Failure> {
        let bytes = self.taken(path).map_err(|error| {
            let why = errno::describe(&error);
            self.wrong(path, &format!("cannot be read: {why}; name {}", self.instead))
        })?;
        bytes.ok_or_else(|| {
            let (most, name) = (self.longest >> 20, self.name);
            self.wrong(path, &format!("this is larger than {most} MiB: no {name} is"))
        })
    }

    /// Its bytes; `None` where they are more than of any such document.
    fn taken(&self, path: &Path) -> std::io::Result<Option<Vec<u8>>> {
        let found = std::fs::metadata(path)?;
        // A pipe would be waited for.
        if !found.is_file() {
            return Err(Error::other("it is no regular file"));
        }
        if found.len() > self.longest {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(found.len() as usize + 1).map_err(Error::other)?;
        // It may grow meanwhile.
        File::open(path)?.take(self.longest + 1).read_to_end(&mut bytes)?;
        Ok((bytes.len() as u64 <= self.longest).then_some(bytes))
    }

    /// Says what is wrong with it.
    pub fn wrong(&self, path: &Path, why: &str) -> Failure {
        Failure::Input(format!("{}: {}", shown(path), clean(why)))
    }

    /// Says where it stops being one.
    pub fn malformed(&self, path: &Path, error: &serde_json::Error) -> Failure {
        let text = error.to_string();
        let why = clean(text.split(" at line ").next().unwrap_or_default());
        let (path, line, column) = (shown(path), error.line(), error.column());
        let Self { name, instead, file, .. } = self;
        Failure::Input(format!(
            "{path}:{line}:{column}: this is no whole {name} of loadgen: {why}; give {instead}, or \
             its {file} as it was written"
        ))
    }
}

/// A path that steers no terminal.
pub fn shown(path: &Path) -> String {
    clean(&path.display().to_string())
}
