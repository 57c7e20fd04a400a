//! Reading JSON that anybody may have written: results, cards and baselines.

use std::fs::File;
use std::io::Read;
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
    /// At most one byte more than the longest of them.
    ///
    /// # Errors
    /// That of the kernel, with the file's name.
    pub fn bytes(&self, path: &Path) -> Result<Vec<u8>, Failure> {
        self.taken(path).map_err(|error| {
            let why = errno::describe(&error);
            self.wrong(path, &format!("cannot be read: {why}; name {}", self.instead))
        })
    }

    fn taken(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        // A pipe would be waited for.
        if !std::fs::metadata(path)?.is_file() {
            return Err(std::io::Error::other("it is no regular file"));
        }
        let mut bytes = Vec::new();
        File::open(path)?.take(self.longest + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Says what is wrong with it.
    pub fn wrong(&self, path: &Path, why: &str) -> Failure {
        Failure::Input(format!("{}: {why}", clean(&path.display().to_string())))
    }

    /// Says where it stops being one.
    pub fn malformed(&self, path: &Path, error: &serde_json::Error) -> Failure {
        let text = error.to_string();
        let why = clean(text.split(" at line ").next().unwrap_or_default());
        let (path, line, column) =
            (clean(&path.display().to_string()), error.line(), error.column());
        let Self { name, instead, file, .. } = self;
        Failure::Input(format!(
            "{path}:{line}:{column}: this is no whole {name} of loadgen: {why}; give {instead}, or \
             its {file} as it was written"
        ))
    }
}
