//! From the raw mirror to a cell of the plan: defaults, ranges, and what must fit together.
//!
//! Every check goes on after a problem with a value that is good enough to find the next one.

mod client;
mod datagram;
mod exchange;
mod lab;
mod limits;
mod listener;
mod load;
mod message;
mod receiver;
mod schedule;
mod target;
mod transport;

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::io;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use lab::is_setting;
pub(super) use limits::{limits, subject};
pub(super) use load::{latest_end, longest_attempt};

use super::at::At;
use super::diagnostic::Problems;
use super::plan::{Cell, Load, Target, Transport};
use super::raw::{CloseWord, Kind, ReplyEnd, Scenario};
use super::table::default_name;
use crate::units::Span;

/// Longest time from a cell's start to its last attempt.
const LONGEST_CELL: Duration = Duration::from_secs(24 * 3600);
/// Intervals of a cell's timeline that are kept in memory.
const MOST_INTERVALS: u128 = 100_000;
/// Addresses of half-open clients when nothing says how many.
const STRANGERS: u16 = 64;
/// At most this many loads.
const MOST_LOADS: usize = 32;

/// Reads a message's file; the caller decides what a relative path is relative to.
pub type ReadFile<'f> = &'f dyn Fn(&Path) -> io::Result<Vec<u8>>;

/// Reads each file once, however many cells name it.
pub(super) struct Files<'f> {
    read: ReadFile<'f>,
    known: RefCell<HashMap<PathBuf, Result<Vec<u8>, String>>>,
}

impl<'f> Files<'f> {
    /// Nothing is read yet.
    pub fn new(read: ReadFile<'f>) -> Self {
        Self { read, known: RefCell::default() }
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        self.known
            .borrow_mut()
            .entry(path.to_owned())
            .or_insert_with(|| (self.read)(path).map_err(|error| error.to_string()))
            .clone()
    }
}

/// A cell without its name and axes, which the sweep knows.
pub(super) fn cell(raw: &Scenario, files: &Files, problems: &mut Problems) -> Option<Cell> {
    let transport = transport::written(raw.target.as_ref());
    let target = target::target(raw.target.as_ref(), wishes(raw, transport), problems);
    let mut lab = lab::lab(raw.lab.as_ref(), &target, problems);
    if let Some(raw) = &raw.lab {
        transport::check_lab(raw, &lab, target.transport(), problems);
    }
    transport::notice_fast_open(raw.load.as_deref().unwrap_or_default(), &lab, &target, problems);
    let loads = loads(raw, &target, files, problems);
    lab.strangers = strangers(raw, transport, problems);
    if let Target::Receiver { receive, .. } = &target {
        let written = raw.load.as_deref().unwrap_or_default();
        datagram::check_streams(receive, &loads, written, problems);
        receiver::check_family(raw.target.as_ref(), receive, &lab, problems);
    }
    let cell = Cell { name: String::new(), axes: Vec::new(), lab, target, loads };
    listener::notices(raw.target.as_ref(), &cell, problems);
    (!cell.loads.is_empty()).then_some(cell)
}

/// What the loads make of a target that does not say otherwise.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wishes {
    /// Whether a load sends messages and waits for replies.
    pub requests: bool,
    /// Whether a load wants the target to close first.
    pub server_closes: bool,
    /// Whether a load of datagrams awaits echoes.
    pub echoes: bool,
    /// Whether a load sends datagrams in bulk.
    pub bulk: bool,
}

fn wishes(raw: &Scenario, transport: Transport) -> Wishes {
    let loads = || raw.load.iter().flatten().map(At::get);
    Wishes {
        requests: loads().any(|load| match client::kind(load, transport) {
            Kind::Request => true,
            Kind::Churn | Kind::Hold => load.message.is_some(),
            Kind::Connect | Kind::HalfOpen | Kind::Datagram => false,
        }),
        server_closes: loads().any(|load| {
            let close = load.close.as_ref().map(At::get);
            client::kind(load, transport) == Kind::Churn && close == Some(&CloseWord::FinServer)
        }),
        echoes: loads().any(|load| {
            load.reply.as_ref().is_some_and(|reply| matches!(reply.get(), ReplyEnd::Echo))
        }),
        bulk: loads().any(|load| load.bulk.is_some()),
    }
}

/// How many addresses half-open clients come from.
fn strangers(raw: &Scenario, transport: Transport, problems: &mut Problems) -> u16 {
    let loads = raw.load.iter().flatten().map(At::get);
    let half_open = loads.filter(|load| client::kind(load, transport) == Kind::HalfOpen);
    let sources = half_open
        .map(|load| number("sources", load.sources.as_ref(), STRANGERS, 1..=4096, problems));
    sources.max().unwrap_or(0)
}

fn loads(raw: &Scenario, target: &Target, files: &Files, problems: &mut Problems) -> Vec<Load> {
    let written = raw.load.as_deref().unwrap_or_default();
    if written.is_empty() {
        problems.missing(
            "load",
            0..0,
            "there is no load",
            "add one, such as\n[[load]]\nrate = \"100/s\"\nduration = \"5s\"",
        );
    }
    if let Some(surplus) = written.get(MOST_LOADS) {
        problems.error(
            surplus.span(),
            format!("these are {} loads", written.len()),
            format!("a scenario has at most {MOST_LOADS}"),
        );
    }
    let mut names = HashSet::new();
    let mut loads = Vec::new();
    for (index, one) in written.iter().take(MOST_LOADS).enumerate() {
        let name = load_name(one.get().name.as_ref(), index, problems);
        if !names.insert(name.clone()) {
            let span = one.get().name.as_ref().map_or(one.span(), At::span);
            let help = "each load needs a name of its own";
            problems.error(span, format!("a load before this one has the name `{name}`"), help);
        }
        loads.push(load::load(name, one, target, files, problems));
    }
    loads
}

fn load_name(name: Option<&At<String>>, index: usize, problems: &mut Problems) -> String {
    let Some(name) = name else { return default_name(index) };
    check_name("load", name, problems);
    if name.get() == "target" {
        problems.error(
            name.span(),
            "`target` stands for the target's side in results",
            "give the load another name",
        );
    }
    name.get().clone()
}

/// Longest name of a scenario or load: it becomes part of a file's name.
const LONGEST_NAME: usize = 64;

/// Names are parts of paths.
pub(super) fn check_name(what: &str, name: &At<String>, problems: &mut Problems) {
    let text = name.get();
    let sound = text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        && text.len() <= LONGEST_NAME;
    if !sound {
        problems.error(
            name.span(),
            format!("\"{text}\" cannot be the name of a {what}"),
            format!(
                "use letters, digits, `.`, `_` and `-`, a letter or digit first, at most {LONGEST_NAME}"
            ),
        );
    }
}

/// Whether the target is a server of the user.
fn external(target: &Target) -> bool {
    matches!(target, Target::External { .. })
}

/// The number, or `default`; told where it is outside `range`.
fn number<T: Copy + PartialOrd + std::fmt::Display>(
    key: &str,
    value: Option<&At<T>>,
    default: T,
    range: RangeInclusive<T>,
    problems: &mut Problems,
) -> T {
    let Some(value) = value else { return default };
    if !range.contains(value.get()) {
        problems.error(
            value.span(),
            format!("`{key}` cannot be {}", value.get()),
            format!("write a number from {} to {}", range.start(), range.end()),
        );
        return default;
    }
    *value.get()
}

/// The span, or `default`; told where it is outside `range`.
fn span(
    key: &str,
    value: Option<&At<Span>>,
    default: Span,
    range: RangeInclusive<Duration>,
    problems: &mut Problems,
) -> Span {
    let Some(value) = value else { return default };
    if !range.contains(&value.get().get()) {
        let (least, most) = (Span::from(*range.start()), Span::from(*range.end()));
        problems.error(
            value.span(),
            format!("`{key}` cannot be {}", value.get()),
            format!("write a duration from \"{least}\" to \"{most}\""),
        );
        return default;
    }
    *value.get()
}

/// Tells of keys that have no meaning beside another value; `given` has the key and its place.
fn surplus(
    given: &[(&str, Option<Range<usize>>)],
    why: &str,
    help: impl Fn(&str) -> String,
    problems: &mut Problems,
) {
    for (key, place) in given {
        if let Some(place) = place {
            problems.error(place.clone(), format!("`{key}` means nothing {why}"), help(key));
        }
    }
}

/// Where an optional value was written.
fn place<T>(value: &Option<At<T>>) -> Option<Range<usize>> {
    value.as_ref().map(At::span)
}

/// The interval of the timeline, of which no cell may have too many.
pub(super) fn interval(raw: Option<&At<Span>>, cells: &[Cell], problems: &mut Problems) -> Span {
    let range = Duration::from_millis(10)..=Duration::from_secs(3600);
    let interval = span("interval", raw, Span::from_millis(100), range, problems);
    let Some(last) = cells.iter().flat_map(|cell| &cell.loads).max_by_key(|load| latest_end(load))
    else {
        return interval;
    };
    let end = latest_end(last);
    let intervals = end.as_nanos().div_ceil(interval.get().as_nanos().max(1));
    if intervals > MOST_INTERVALS {
        let longest = Span::from(longest_attempt(&last.client, last.timeout));
        let (start, window, whole) = (last.start, last.schedule.window(), Span::from(end));
        // A whole number of seconds is easy to write; only lengths of over a second get here.
        let least = Span::from(Duration::from_secs(
            end.as_nanos().div_ceil(MOST_INTERVALS * 1_000_000_000) as u64,
        ));
        problems.error(
            raw.map_or(0..0, At::span),
            format!(
                "the longest load takes up to {whole} (start {start}, window {window}, longest \
                 attempt {longest}): {intervals} intervals of {interval}, at most \
                 {MOST_INTERVALS} are kept"
            ),
            format!("write interval = \"{least}\" or more, or a shorter load"),
        );
    }
    interval
}
