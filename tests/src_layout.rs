//! The direction of imports and the purity that DESIGN.md demands, read from the sources.

use std::fs;
use std::path::{Path, PathBuf};

const LONGEST_FILE: usize = 500;

/// What stands where: a module may use those below it, and its own.
const LAYERS: &[&[&str]] = &[
    &["main"],
    &["cli"],
    &["runner"],
    &["engine", "probe"],
    &["clients", "target", "lab"],
    &["observe"],
    &["sys"],
    &["report"],
    &["verdict", "explain"],
    &["measure"],
    &["scenario"],
    &["load"],
    &["units"],
];

/// No clock, no socket, no file, no runtime.
const PURE: &[&str] = &["scenario", "load", "measure", "verdict", "explain", "report", "units"];
const IMPURE: &[&str] = &[
    "tokio",
    "nix",
    "clap",
    "mio",
    "socket2",
    "libc",
    "std::fs",
    "std::net",
    "std::process",
    "std::env",
    "std::thread",
    "Instant",
    "SystemTime",
];
/// (file, word): a value type without a socket, or the one module that writes files.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("report/files.rs", "std::fs"),
    ("report/files/appended.rs", "std::fs"),
    // The number of the process, for the name of a temporary link.
    ("report/files.rs", "std::process"),
    // Parses the text of an address; opens nothing.
    ("scenario/validate/target.rs", "std::net"),
    // Makes a number of an address; opens nothing.
    ("measure/held.rs", "std::net"),
];

/// (file, module above it): the words that limits judge are those of measurements, and measured
/// results carry the plan that they belong to.
const UPWARDS: &[(&str, &str)] = &[
    ("scenario/validate/limits.rs", "measure"),
    // The one module that writes files names the errors of it.
    ("report/files.rs", "sys"),
];

struct Source {
    /// Below `src/`.
    name: String,
    /// Without comments.
    code: Vec<String>,
    lines: usize,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut files: Vec<PathBuf> = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|e| e == "rs") => files.push(path),
                false => {}
            }
        }
    }
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let code = text.lines().map(str::trim).filter(|line| !line.starts_with("//"));
        Source {
            name: path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned(),
            code: code.map(str::to_owned).collect(),
            lines: text.lines().count(),
        }
    };
    let sources: Vec<Source> = files.into_iter().map(read).collect();
    assert!(sources.len() > 50, "the sources were found");
    sources
}

impl Source {
    fn module(&self) -> &str {
        self.name.split(['/', '.']).next().unwrap()
    }

    /// A file of tests, by the names that are used for such.
    fn is_test(&self) -> bool {
        self.name.contains("tests") || self.name.ends_with("sample.rs")
    }

    /// What is compiled into the program: all before the tests at the file's end.
    fn program(&self) -> impl Iterator<Item = &String> {
        let begins = |pair: &[String]| pair[0] == "#[cfg(test)]" && pair[1].contains("mod tests {");
        let tests = self.code.windows(2).position(begins);
        self.code[..tests.unwrap_or(self.code.len())].iter()
    }

    /// Modules of the crate that are named: `crate::x`, also in braces.
    fn uses(&self) -> Vec<(String, String)> {
        let text = self.program().cloned().collect::<Vec<_>>().join("\n");
        let mut found = Vec::new();
        for (at, _) in text.match_indices("crate::") {
            let rest = &text[at + "crate::".len()..];
            let line = rest.lines().next().unwrap_or_default().to_owned();
            let names: Vec<&str> = match rest.strip_prefix('{') {
                Some(list) => list.split('}').next().unwrap().split(',').collect(),
                None => vec![rest],
            };
            for name in names {
                let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
                let name: String = name.trim().chars().take_while(|c| is_part(*c)).collect();
                found.push((name, line.clone()));
            }
        }
        found
    }
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// Whether `word` stands in the line as a path's beginning or a name of its own.
fn names(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let before =
            line[..at].chars().next_back().is_none_or(|c| !part(c) && c != '.' && c != '"');
        let after = line[at + word.len()..].chars().next();
        let path = word.chars().next().is_some_and(char::is_lowercase) && !word.contains("::");
        before
            && if path {
                line[at + word.len()..].starts_with("::")
            } else {
                after.is_none_or(|c| !part(c))
            }
    })
}

#[test]
fn imports_go_one_way() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| source.name != "lib.rs" && !source.is_test()) {
        let own = source.module();
        let from = layer(own).unwrap_or_else(|| panic!("{} has no place in LAYERS", source.name));
        for (to, line) in source.uses() {
            let Some(at) = layer(&to) else { continue };
            let beside = at == from && to != own;
            if (at < from || beside) && !UPWARDS.contains(&(source.name.as_str(), to.as_str())) {
                wrong.push(format!("{}: {to} ({line})", source.name));
            }
        }
    }
    assert!(wrong.is_empty(), "against the direction of imports:\n{}", wrong.join("\n"));
}

#[test]
fn the_core_is_pure() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|s| PURE.contains(&s.module()) && !s.is_test()) {
        for line in source.program() {
            for word in IMPURE.iter().filter(|word| names(line, word)) {
                if !EXCEPTIONS.contains(&(source.name.as_str(), word)) {
                    wrong.push(format!("{}: {word}: {line}", source.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "impure:\n{}", wrong.join("\n"));
}

#[test]
fn the_purity_check_sees_what_it_should() {
    for (line, word, seen) in [
        ("use std::fs::{self, File};", "std::fs", true),
        ("let now = Instant::now();", "Instant", true),
        ("use std::time::{Duration, Instant};", "Instant", true),
        ("pub instants: u64,", "Instant", false),
        ("fn inst(a: MyInstant) {}", "Instant", false),
        ("tokio::spawn(x);", "tokio", true),
        ("let mio = \"mio\";", "mio", false),
        ("\"std::net\"", "std::net", false),
    ] {
        assert_eq!(names(line, word), seen, "{line}");
    }
}

#[test]
fn only_sys_and_lab_ask_for_the_operating_system() {
    for source in sources() {
        let asks = source.code.iter().find(|line| line.contains("target_os"));
        if let Some(line) = asks.filter(|_| !["sys", "lab"].contains(&source.module())) {
            panic!("{}: {line}", source.name);
        }
    }
}

#[test]
fn unsafe_code_lives_in_sys() {
    for source in sources() {
        let has = |line: &&String| line.contains("unsafe {") || line.contains("unsafe fn");
        if let Some(line) = source.code.iter().find(has).filter(|_| source.module() != "sys") {
            panic!("{}: {line}", source.name);
        }
    }
}

#[test]
fn no_file_is_too_long() {
    for source in sources() {
        assert!(source.lines <= LONGEST_FILE, "{} has {} lines", source.name, source.lines);
    }
}

#[test]
fn the_map_has_the_same_order() {
    let map = Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md");
    let map = fs::read_to_string(map).unwrap();
    let rows = map.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let modules = rows.map(|name| name.trim_end_matches('/').trim_end_matches(".rs"));
    let mapped: Vec<&str> = modules.filter(|module| layer(module).is_some()).collect();
    let all: Vec<&str> = LAYERS.iter().skip(1).flat_map(|layer| layer.iter().copied()).collect();
    assert_eq!(mapped, all);
}
