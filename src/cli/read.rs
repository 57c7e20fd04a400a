//! Reading a scenario's file.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::{Failure, ScenarioArgs};
use crate::scenario::{self, Diagnostics, Resolved};
use crate::sys::errno;

/// Longest file of a message, in bytes; the scenario itself sets a lower limit.
const LONGEST_MESSAGE: u64 = 1 << 20;

/// Reads and resolves the scenario that the arguments name.
pub fn scenario(args: &ScenarioArgs) -> Result<Resolved, Failure> {
    let name = args.scenario.display().to_string();
    let text = text(&args.scenario, &name)?;
    let mut overrides = args.set.clone();
    overrides.extend(args.seed.map(|seed| format!("seed={seed}")));
    let folder = args.scenario.parent().unwrap_or(Path::new("."));
    let read_file = |path: &Path| {
        let path = folder.join(path);
        // A pipe would be waited for.
        if !std::fs::metadata(&path)?.is_file() {
            return Err(std::io::Error::other("it is no regular file"));
        }
        let mut bytes = Vec::new();
        File::open(path)?.take(LONGEST_MESSAGE).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    Ok(scenario::resolve(&text, &name, &overrides, &read_file)?)
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
