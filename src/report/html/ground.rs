//! On what ground a run stands: the machine, the kernel's settings, the scenario, and what words mean.

use maud::{Markup, html};

use super::parts::{Column, Row, facts, folded, table, text};
use crate::measure::result::{CellResult, Environment, RunResult};
use crate::report::text::thousands;
use crate::scenario;

/// So many cells of a plan are described; it may come from anywhere.
const DESCRIBED: usize = 64;

/// The machine and how the program was called.
pub fn environment(result: &RunResult) -> Markup {
    let Environment { command_line, sysctl, .. } = &result.environment;
    html! {
        section id="environment" {
            h2 { "Environment" }
            (facts(machine(&result.environment)))
            @if !command_line.is_empty() { pre { (command_line.join(" ")) } }
            (settings_of("Kernel settings of the host", sysctl.iter()))
        }
    }
}

fn machine(environment: &Environment) -> Vec<(&'static str, Markup)> {
    let Environment { cpus, memory_bytes, descriptors: (soft, hard), .. } = environment;
    let mib = memory_bytes / (1 << 20);
    let all = [
        ("Started", environment.started_at.clone()),
        ("Kernel", environment.kernel.clone()),
        ("Machine", environment.architecture.clone()),
        ("CPU", format!("{} ({cpus} to use)", environment.cpu)),
        ("Memory", format!("{} MiB", thousands(mib))),
        ("Clock source", environment.clock_source.clone()),
        ("Descriptors", format!("{} soft, {} hard", thousands(*soft), thousands(*hard))),
        ("Load average", format!("{:.2}", environment.load_average)),
        ("As root", if environment.root { "yes" } else { "no" }.to_owned()),
    ];
    let known = all.into_iter().filter(|(_, value)| !value.is_empty());
    known.map(|(name, value)| (name, text(value))).collect()
}

/// The kernel's settings where a cell's target was.
pub fn settings(cell: &CellResult) -> Markup {
    settings_of("Kernel settings where the target was", cell.settings.iter())
}

fn settings_of<'a>(
    title: &str,
    settings: impl Iterator<Item = (&'a String, &'a String)>,
) -> Markup {
    let rows = settings.map(|(name, value)| Row::new([text(name), text(value)]));
    let rows: Vec<_> = rows.collect();
    html! { @if !rows.is_empty() {
        (folded(title, table(title, &[Column::Text("key"), Column::Text("value")], rows)))
    } }
}

/// The scenario as resolved.
pub fn scenario(result: &RunResult) -> Markup {
    let plan = &result.scenario;
    html! {
        section id="scenario" {
            h2 { "Scenario, as resolved" }
            @if plan.cells.is_empty() { p { "It has no cell." } }
            @else if plan.cells.len() > DESCRIBED {
                p { "It has " (thousands(plan.cells.len() as u64)) " cells; see run.json." }
            } @else { pre { (scenario::describe(plan)) } }
        }
    }
}

const WORDS: [(&str, &str); 10] = [
    (
        "accept queue",
        "Connections whose handshake is done wait here until the server calls accept(). \
      Its limit is the backlog; Linux lets it grow to the limit plus one.",
    ),
    ("SYN queue", "Connections whose handshake has begun."),
    (
        "SYN retry",
        "A SYN that meets a full accept queue is dropped without a word. The client's \
      kernel sends it again after 1 s: a latency of just over 1 s is a dropped SYN.",
    ),
    (
        "ListenOverflows",
        "The kernel's count of packets that met a full accept queue; a client that \
      tries again counts again.",
    ),
    (
        "SYN cookie",
        "An answer to a SYN for which the kernel keeps nothing; it is given when the SYN \
      queue is full.",
    ),
    (
        "intended instant",
        "When the schedule wanted an attempt. Latency counts from there, so that a \
      slow server cannot hide by slowing its clients down.",
    ),
    ("p99", "99 % of the attempts took so long, or less."),
    (
        "resolution",
        "The tool's own error, measured in the same run. A latency below it is not \
      resolved, which is not the same as fast.",
    ),
    (
        "unexplained",
        "What the books of both sides leave when every known cause is taken off. It is \
      always shown.",
    ),
    ("invalid", "The tool's own error was too large to judge by these figures."),
];

/// What the words mean, for somebody who has not met them.
pub fn words() -> Markup {
    html! {
        section id="words" {
            h2 { "What the words mean" }
            (facts(WORDS.map(|(word, meaning)| (word, text(meaning))).into()))
        }
    }
}
