//! `loadgen report`: the page again, from `run.json` alone.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::{Exit, Failure, ReportArgs, print_out, result};
use crate::report::files::Folder;
use crate::report::{self, PAGE, html};
use crate::runner::RunError;

/// Makes one page of the runs.
pub fn report(args: &ReportArgs) -> Result<Exit, Failure> {
    let files: Vec<_> = args.runs.iter().map(|run| run_json(run)).collect();
    if let (None, [_, _, ..]) = (&args.out, files.as_slice()) {
        let text = "several runs make one page: name its file, such as --out report.html";
        return Err(Failure::Input(text.to_owned()));
    }
    spare_others(args, &files)?;
    if args.out.is_none() && !files[0].is_file() {
        result::read(&files[0])?;
    }
    let (folder, name) = place(args.out.as_ref().unwrap_or(&files[0]))?;
    // A run that writes its own pictures at the same time would leave some of either.
    let folder = match &args.out {
        Some(_) => folder,
        None => Folder::ended(folder.path()).map_err(RunError::from)?,
    };
    let runs = files.iter().map(|file| result::read(file)).collect::<Result<Vec<_>, _>>()?;
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

/// Refuses to write over what is no page, and pictures beside what is no run.
fn spare_others(args: &ReportArgs, files: &[PathBuf]) -> Result<(), Failure> {
    let Some(out) = &args.out else {
        let named = |file: &PathBuf| file.file_name().is_some_and(|name| name == "run.json");
        let plain = files.iter().all(|file| named(file) || !file.is_file());
        return plain.then_some(()).ok_or_else(|| {
            let text = "the file is no run.json: name the page's file, such as --out report.html";
            Failure::Input(text.to_owned())
        });
    };
    let in_the_way = match std::fs::metadata(out) {
        Err(_) => false,
        // A device would be replaced by a file.
        Ok(found) if !found.is_file() => !found.is_dir(),
        Ok(_) => !is_page(out),
    };
    let refused = || {
        let out = out.display();
        Failure::Input(format!("{out}: is there and is no page: name another file with --out"))
    };
    (!in_the_way).then_some(()).ok_or_else(refused)
}

/// Whether a file is a page, or empty.
fn is_page(path: &Path) -> bool {
    const BEGIN: &[u8] = b"<!DOCTYPE html>";
    let mut start = Vec::new();
    let read = File::open(path).and_then(|f| f.take(BEGIN.len() as u64).read_to_end(&mut start));
    read.is_ok() && (start.is_empty() || start == BEGIN)
}

/// The result in a run's folder, or the file itself.
fn run_json(run: &Path) -> PathBuf {
    if run.is_dir() { run.join("run.json") } else { run.to_owned() }
}

/// The folder of a file, and the file's name in it.
pub fn place(file: &Path) -> Result<(Folder, String), Failure> {
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
