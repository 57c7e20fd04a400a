//! From a scenario's text to its plan, or to all that is wrong with it.

use std::ops::Range;

use toml::de::DeTable;

use super::at::At;
use super::diagnostic::{Diagnostics, Problems};
use super::overrides::{self, Change};
use super::plan::{self, Cell, Client, Plan, Target};
use super::raw::Scenario;
use super::read;
use super::source::Sources;
use super::sweep::{self, Axis};
use super::validate::{self, Files, ReadFile};

/// Longest text of a scenario, in bytes.
pub const LONGEST_TEXT: usize = 1 << 20;
/// Most bytes of messages over all cells.
const MOST_MESSAGE_BYTES: usize = 64 << 20;

/// Bytes of text, over all cells, after which a wrong scenario is not searched for more problems.
const WRONG_TEXT: usize = 2 << 20;

/// A scenario that can be run.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// What to run.
    pub plan: Plan,
    /// What its author should know; often empty.
    pub notices: Diagnostics,
}

/// Resolves the text of a scenario.
///
/// `file` is the name that problems are located in; `overrides` are the `key=value` of `--set`,
/// in their order; `read_file` reads the file of a message and decides what a relative path is
/// relative to. All problems of the file and of the overrides are found at once.
pub fn resolve(
    text: &str,
    file: &str,
    overrides: &[String],
    read_file: ReadFile<'_>,
) -> Result<Resolved, Diagnostics> {
    let changes: Vec<_> = overrides.iter().zip(1..).map(|(text, n)| Change::set(n, text)).collect();
    resolve_changed(text, file, &changes, read_file)
}

/// As [`resolve`], with changes of any kind, later ones over earlier ones.
pub fn resolve_changed(
    text: &str,
    file: &str,
    changes: &[Change],
    read_file: ReadFile<'_>,
) -> Result<Resolved, Diagnostics> {
    let Written { root, sources, mut problems } = written(text, file, changes)?;
    let files = Files::new(read_file);
    let plan = plan(root, &files, &sources, &mut problems);
    let failed = problems.any_error();
    let found = problems.located(&sources);
    match plan {
        Some(plan) if !failed => Ok(Resolved { plan, notices: found }),
        _ => Err(found),
    }
}

/// A scenario as it is written, changes included, and what is wrong with it so far.
pub(super) struct Written<'a> {
    pub root: DeTable<'a>,
    pub sources: Sources<'a>,
    pub problems: Problems,
}

/// Reads a scenario and changes it.
///
/// # Errors
/// Where the text is none.
pub(super) fn written<'a>(
    text: &'a str,
    file: &str,
    changes: &'a [Change],
) -> Result<Written<'a>, Diagnostics> {
    if let Some((why, help)) = unfit(text) {
        return Err(Diagnostics::unreadable(file, why, help));
    }
    let mut sources = Sources::new(file, text);
    let mut problems = Problems::default();
    let mut root = read::parse(text, &sources, &mut problems);
    overrides::apply(changes, &mut root, &mut sources, &mut problems);
    Ok(Written { root, sources, problems })
}

fn unfit(text: &str) -> Option<(&'static str, &'static str)> {
    if text.len() > LONGEST_TEXT {
        return Some(("this is larger than 1 MiB", "a scenario is a short text: name its file"));
    }
    if text.contains('\0') {
        return Some(("this is binary", "a scenario is a text in TOML: name its file"));
    }
    if text.trim().is_empty() {
        return Some((
            "this file is empty",
            "a scenario has at least a `name` and a [[load]]; see scenarios/ for examples",
        ));
    }
    None
}

fn plan<'a>(
    mut root: DeTable<'a>,
    files: &Files,
    sources: &Sources<'a>,
    problems: &mut Problems,
) -> Option<Plan> {
    let axes = sweep::take(&mut root, sources, problems);
    // Without the sweep's values keys may be missing, so that nothing but the reading counts.
    let base = read::read(root.clone(), sources, problems)?;
    // Limits belong to the plan: no need to read them again for each cell.
    root.remove("limits");
    let cells = cells(&root, &axes, files, sources, problems);
    let name = name(&base, problems);
    let limits = validate::limits(base.limits.as_ref(), &cells, problems);
    (!problems.any_error()).then(|| Plan {
        name,
        description: base.description.clone().unwrap_or_default(),
        seed: base.seed.unwrap_or(1),
        interval: validate::interval(base.interval.as_ref(), &cells, problems),
        sweep: axes
            .iter()
            .map(|axis| plan::Axis { path: axis.path.clone(), values: axis.texts.clone() })
            .collect(),
        cells,
        limits,
    })
}

fn name(base: &Scenario, problems: &mut Problems) -> String {
    let Some(name) = &base.name else {
        problems.missing(
            "name",
            0..0,
            "the scenario has no name",
            "write one above the first table, such as name = \"backlog\"",
        );
        return String::new();
    };
    validate::check_name("scenario", name, problems);
    name.get().clone()
}

fn cells<'a>(
    root: &DeTable<'a>,
    axes: &[Axis<'a>],
    files: &Files,
    sources: &Sources<'a>,
    problems: &mut Problems,
) -> Vec<Cell> {
    let mut cells = Vec::new();
    let mut message_bytes = 0;
    for (done, combination) in sweep::combinations(root, axes).enumerate() {
        // Of a small file, the problems of all cells are told; a large one must not take minutes.
        let long_enough = done * sources.len() > WRONG_TEXT;
        if problems.is_full() || (long_enough && problems.any_error()) {
            break;
        }
        let Some(raw) = read::read(combination.table, sources, problems) else { continue };
        let Some(mut cell) = validate::cell(&raw, files, problems) else { continue };
        check_axes(&cell, axes, raw.target.as_ref().map(At::span), problems);
        cell.name = combination.name;
        cell.axes = combination.values;
        message_bytes += cell.loads.iter().map(|load| message_len(&load.client)).sum::<usize>();
        if message_bytes > MOST_MESSAGE_BYTES {
            let help = "send shorter messages, or sweep over fewer values";
            problems.error(0..0, "the messages of all cells exceed 64 MiB", help);
            break;
        }
        cells.push(cell);
    }
    cells
}

fn message_len(client: &Client) -> usize {
    client.exchange().map_or(0, |exchange| exchange.message.len())
}

/// A sweep over what an external target ignores would run the same cell again and again.
fn check_axes(
    cell: &Cell,
    axes: &[Axis<'_>],
    target: Option<Range<usize>>,
    problems: &mut Problems,
) {
    if target.is_none() || !matches!(cell.target, Target::External { .. }) {
        return;
    }
    for axis in axes {
        let kept = ["target.address", "target.transport", "target.sample", "target.command"];
        if axis.path.starts_with("target.") && !kept.contains(&axis.path.as_str()) {
            problems.error(
                axis.span.clone(),
                format!(
                    "`{}` is without effect on a server of yours: all cells would be one",
                    axis.path
                ),
                format!(
                    "remove this path from the sweep (on the command line: --set {}={})",
                    axis.path,
                    axis.texts.first().map_or("", String::as_str)
                ),
            );
        }
    }
}
