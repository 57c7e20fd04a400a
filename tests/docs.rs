//! The documentation says what the program does: keys, examples, commands and links.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use loadgen::scenario;
use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The pages that are written for readers.
fn pages() -> Vec<String> {
    let mut pages: Vec<String> = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"]
        .into_iter()
        .map(str::to_owned)
        .chain(["reports/README.md".to_owned()])
        .collect();
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".md") {
            pages.push(format!("docs/{name}"));
        }
    }
    pages
}

/// Code blocks of a language, with the number of their first line.
fn blocks<'p>(page: &'p str, language: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut open: Option<(&'p str, usize, String)> = None;
    for (number, line) in page.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(word)) => open = Some((word, number + 2, String::new())),
            (Some(_), Some(_)) => {
                let (word, first, text) = open.take().unwrap();
                if word == language {
                    found.push((first, text));
                }
            }
            (Some((_, _, text)), None) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a code block is not closed");
    found
}

fn properties(schema: &Value, names: &mut BTreeSet<String>) {
    if let Some(Value::Object(properties)) = schema.get("properties") {
        names.extend(properties.keys().cloned());
    }
    if let Some(Value::Object(definitions)) = schema.get("$defs") {
        definitions.values().for_each(|definition| properties(definition, names));
    }
}

#[test]
fn every_key_of_a_scenario_is_documented() {
    let page = read("docs/scenario.md");
    let mut names = BTreeSet::new();
    properties(&scenario::schema(), &mut names);
    assert!(names.len() > 40, "the schema has changed its form: {names:?}");
    let missing: Vec<_> =
        names.iter().filter(|name| !page.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "not in docs/scenario.md: {missing:?}");
}

#[test]
fn every_example_resolves() {
    let mut examples = 0;
    for name in pages() {
        for (line, text) in blocks(&read(&name), "toml") {
            let file = |_: &Path| Ok(b"GET / HTTP/1.0\r\n\r\n".to_vec());
            let resolved = scenario::resolve(&text, &name, &[], &file).unwrap_or_else(|problems| {
                panic!("{name}, the block in line {line}:\n{}", problems.render(false))
            });
            let notices = resolved.notices.render(false);
            assert!(resolved.notices.is_empty(), "{name}, the block in line {line}:\n{notices}");
            examples += 1;
        }
    }
    assert!(examples >= 4, "only {examples} examples were found");
}

#[test]
fn the_readme_names_both_commands() {
    let commands: String =
        blocks(&read("README.md"), "sh").into_iter().map(|(_, text)| text).collect();
    for command in ["cargo run --release -- run scenarios/backlog.toml", "make test"] {
        assert!(commands.lines().any(|line| line == command), "`{command}` is not in a block");
    }
}

#[test]
fn every_scenario_is_toured() {
    let readme = read("README.md");
    for entry in fs::read_dir(root().join("scenarios")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(readme.contains(&format!("scenarios/{name}")), "{name} is not in README.md");
    }
}

#[test]
fn no_link_is_dead() {
    for name in pages() {
        let text = read(&name);
        let page = root().join(&name);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.starts_with("https://") || target.starts_with('#') {
                continue;
            }
            let path: PathBuf = page.parent().unwrap().join(target.split('#').next().unwrap());
            assert!(path.exists(), "{name} links to {target}, which does not exist");
        }
    }
}
