//! Reading a scenario's file.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::{Failure, ScenarioArgs};
use crate::scenario::{self, Change, Diagnostics, Resolved};
use crate::sys::errno;

/// Longest file of a message, in bytes; the scenario itself sets a lower limit.
const LONGEST_MESSAGE: u64 = 1 << 20;

/// Reads and resolves the scenario that the arguments name.
pub fn scenario(args: &ScenarioArgs) -> Result<Resolved, Failure> {
    Ok(Written::read(args)?.resolve(&[])?)
}

/// A scenario as its author wrote it.
pub struct Written {
    /// The file's name.
    pub name: String,
    /// Its text.
    pub text: String,
    /// What the command line changes in it.
    pub changes: Vec<Change>,
    folder: PathBuf,
}

impl Written {
    /// Reads the scenario that the arguments name.
    pub fn read(args: &ScenarioArgs) -> Result<Self, Diagnostics> {
        let name = args.scenario.display().to_string();
        let seed = args.seed.map(|seed| format!("seed={seed}"));
        let set = args.set.iter().chain(&seed);
        Ok(Self {
            text: text(&args.scenario, &name)?,
            changes: set.zip(1..).map(|(text, number)| Change::set(number, text)).collect(),
            folder: args.scenario.parent().unwrap_or(Path::new(".")).to_owned(),
            name,
        })
    }

    /// What it resolves to with these `further` changes.
    pub fn resolve(&self, further: &[Change]) -> Result<Resolved, Diagnostics> {
        let changes = [&self.changes, further].concat();
        let read_file = |path: &Path| read_message(&self.folder.join(path));
        scenario::resolve_changed(&self.text, &self.name, &changes, &read_file)
    }
}

fn read_message(path: &Path) -> std::io::Result<Vec<u8>> {
    // A pipe would be waited for.
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(LONGEST_MESSAGE).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn text(path: &Path, name: &str) -> Result<String, Diagnostics> {
    let unreadable = |why: &str, help: &str| Diagnostics::unreadable(name, why, help);
    let failed = |error: std::io::Error| {
        let help = match error.kind() {
            std::io::ErrorKind::NotFound => "give the path of a scenario; see scenarios/",
            std::io::ErrorKind::PermissionDenied => "make it readable",
            _ => "give the path of a scenario, a TOML file",
        };
        unreadable(&format!("this cannot be read: {}", errno::describe(&error)), help)
    };
    let file = File::open(path).map_err(failed)?;
    if file.metadata().is_ok_and(|about| about.is_dir()) {
        return Err(unreadable("this is a folder", "give the path of a scenario, a TOML file"));
    }
    let mut bytes = Vec::new();
    file.take(scenario::LONGEST_TEXT as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > scenario::LONGEST_TEXT {
        return Err(unreadable("this is larger than 1 MiB", "a scenario is a short text"));
    }
    String::from_utf8(bytes)
        .map_err(|_| unreadable("this is binary", "a scenario is a text in TOML, in UTF-8"))
}
