//! When each cell of a run ran, and in which part of a run that was resumed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::result::Environment;

/// When a cell ran among the others. Cells run in random order, so that a drift of the machine is
/// not mistaken for an effect of what is swept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// Place in the order in which cells ran, from 1.
    pub place: u32,
    /// In which part of the run: 0 for the first, `n` for the `n`th time that it was resumed.
    pub part: u32,
    /// UTC, RFC 3339.
    pub started_at: String,
}

/// A part of a run that was resumed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resumed {
    /// Where and how this part was made.
    pub environment: Environment,
    /// In what it differs from the first part, one sentence each; empty where nothing that is
    /// recorded does.
    pub differs: Vec<String>,
}

impl Resumed {
    /// A part made in `environment` by this version of the program, after one in `first` by
    /// `first_version`.
    pub fn new(environment: Environment, first: &Environment, first_version: &str) -> Self {
        let differs = differences(&environment, first, first_version);
        Self { environment, differs }
    }
}

/// What may make figures differ. Load, descriptors and the command line are recorded, not compared.
fn differences(now: &Environment, then: &Environment, version: &str) -> Vec<String> {
    let words = [
        ("loadgen", env!("CARGO_PKG_VERSION").to_owned(), version.to_owned()),
        ("the kernel", now.kernel.clone(), then.kernel.clone()),
        ("the machine", now.architecture.clone(), then.architecture.clone()),
        ("the CPU", now.cpu.clone(), then.cpu.clone()),
        ("the number of CPUs", now.cpus.to_string(), then.cpus.to_string()),
        ("the clock", now.clock_source.clone(), then.clock_source.clone()),
        ("root", now.root.to_string(), then.root.to_string()),
    ];
    let words = words.into_iter().filter(|(_, now, then)| now != then);
    let mut told: Vec<String> =
        words.map(|(what, now, then)| format!("{what} was {then}, and is {now}")).collect();
    let keys: BTreeMap<_, _> = now.sysctl.iter().chain(&then.sysctl).collect();
    for key in keys.keys() {
        let value = |of: &Environment| of.sysctl.get(*key).cloned().unwrap_or("absent".to_owned());
        if value(now) != value(then) {
            told.push(format!("{key} was {}, and is {}", value(then), value(now)));
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_compared_by_what_may_make_figures_differ() {
        let then = Environment { kernel: "Linux 6.1".to_owned(), ..Environment::default() };
        let mut now = then.clone();
        now.started_at = "later".to_owned();
        now.load_average = 7.0;
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(Resumed::new(now.clone(), &then, version).differs, [""; 0]);
        now.kernel = "Linux 6.18".to_owned();
        now.sysctl.insert("net.core.somaxconn".to_owned(), "128".to_owned());
        assert_eq!(
            Resumed::new(now, &then, "0.0.9").differs,
            [
                format!("loadgen was 0.0.9, and is {version}"),
                "the kernel was Linux 6.1, and is Linux 6.18".to_owned(),
                "net.core.somaxconn was absent, and is 128".to_owned(),
            ]
        );
    }
}
