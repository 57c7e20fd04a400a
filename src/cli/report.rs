//! `loadgen report`: the page again, from `run.json` alone.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Exit, Failure, ReportArgs, print_out};
use crate::measure::result::{RunResult, SCHEMA_VERSION};
use crate::report::files::Folder;
use crate::report::{self, PAGE, html};
use crate::runner::RunError;
use crate::sys::errno;

/// Longest `run.json` that is read: far above what 64 cells with all their streams take.
const LONGEST: u64 = 512 << 20;

/// Makes one page of the runs.
pub fn report(args: &ReportArgs) -> Result<Exit, Failure> {
    let files: Vec<_> = args.runs.iter().map(|run| run_json(run)).collect();
    if let (None, [_, _, ..]) = (&args.out, files.as_slice()) {
        let text = "several runs make one page: name its file, such as --out report.html";
        return Err(Failure::Input(text.to_owned()));
    }
    let runs = files.iter().map(|file| read(file)).collect::<Result<Vec<_>, _>>()?;
    let (folder, name) = place(args.out.as_ref().unwrap_or(&files[0]))?;
    let page = match &args.out {
        Some(out) => {
            folder.write(&name, &html::page(&runs)).map_err(RunError::from)?;
            out.clone()
        }
        None => {
            report::write_pictures(&folder, &runs[0])
                .map_err(|error| Failure::Environment(error.to_string()))?;
            folder.path().join(PAGE)
        }
    };
    print_out(&format!("report: {}\n", page.display()))
}

/// The result in a run's folder, or the file itself.
fn run_json(run: &Path) -> PathBuf {
    if run.is_dir() { run.join("run.json") } else { run.to_owned() }
}

/// The folder of a file, and the file's name in it.
fn place(file: &Path) -> Result<(Folder, String), Failure> {
    let name = file.file_name().and_then(|name| name.to_str()).filter(|_| !file.is_dir());
    let Some(name) = name else {
        let text = format!("{}: is not a file: name one with --out", file.display());
        return Err(Failure::Input(text));
    };
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    if !parent.is_dir() {
        let text = format!("{}: there is no such folder: make it first", parent.display());
        return Err(Failure::Input(text));
    }
    Ok((Folder::existing(parent), name.to_owned()))
}

/// The version of a result whose other fields may be of any kind.
#[derive(Debug, Deserialize)]
struct Version {
    schema_version: u32,
    #[serde(default)]
    loadgen_version: serde_json::Value,
}

/// A result that may come from anywhere: bounded in size, and in depth by the parser.
fn read(path: &Path) -> Result<RunResult, Failure> {
    let shown = path.display();
    let bytes = bytes(path).map_err(|why| Failure::Input(format!("{shown}: {why}")))?;
    let unreadable = |error: serde_json::Error| {
        let (line, column) = (error.line(), error.column());
        let text = error.to_string();
        let why = text.split(" at line ").next().unwrap_or_default();
        Failure::Input(format!(
            "{shown}:{line}:{column}: this is no whole result of loadgen: {why}; give the folder \
             of a run, or its run.json as it was written"
        ))
    };
    let version: Version = serde_json::from_slice(&bytes).map_err(unreadable)?;
    if version.schema_version > SCHEMA_VERSION {
        let by = version.loadgen_version.as_str().map_or(String::new(), |version| {
            let plain: String = version.chars().filter(|c| c.is_ascii_graphic()).take(40).collect();
            format!(" by loadgen {plain}")
        });
        return Err(Failure::Input(format!(
            "{shown}: this was written{by} in layout {}, and this loadgen reads layouts up to \
             {SCHEMA_VERSION}: use the newer loadgen",
            version.schema_version
        )));
    }
    serde_json::from_slice(&bytes).map_err(unreadable)
}

fn bytes(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| {
        let help = match error.kind() {
            ErrorKind::NotFound => "give the folder of a run, or its run.json",
            ErrorKind::PermissionDenied => "make it readable",
            _ => "give the folder of a run",
        };
        format!("this cannot be read: {}; {help}", errno::describe(&error))
    };
    // A pipe would be waited for.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err("this is no regular file; give the folder of a run".to_owned());
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(failed)?;
    match bytes.len() as u64 > LONGEST {
        true => Err(format!("this is larger than {} MiB: no run writes so much", LONGEST >> 20)),
        false => Ok(bytes),
    }
}
