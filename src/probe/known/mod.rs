//! What is known of systems from their source and documents, beside what was found.

mod queues;
mod sockets;
mod syn_queue;
mod timers;

use crate::measure::card::{Card, Expected, Experiment, Inferred, Sameness, Value};

/// What the rules are applied to.
#[derive(Debug, Clone, Copy)]
struct Case<'a> {
    /// The system's name and release, such as `Linux 6.18.5`.
    system: &'a str,
    /// The host's kernel settings by dotted name; those of the experiment go before.
    host: &'a std::collections::BTreeMap<String, String>,
    experiment: &'a Experiment,
    inferred: &'a Inferred,
}

/// Puts what is known of the card's system beside each inferred value.
pub fn compare(card: &mut Card) {
    let seen = card.clone();
    let before = seen.experiments.iter().zip(&mut card.experiments);
    for (experiment, after) in before {
        for (inferred, after) in experiment.inferred.iter().zip(&mut after.inferred) {
            let host = &seen.environment.sysctl;
            let case = Case { system: &seen.system, host, experiment, inferred };
            after.expected = expected(&case).map(|(value, source)| Expected {
                agrees: inferred.value.compared(&value) != Sameness::Different,
                value,
                source: source.to_owned(),
            });
        }
    }
}

/// The value by the system's own rules, and where they stand.
fn expected(case: &Case) -> Option<(Value, &'static str)> {
    queues::expected(case).or_else(|| timers::expected(case)).or_else(|| sockets::expected(case))
}

impl Case<'_> {
    /// A kernel setting as it was for the experiment.
    fn setting(&self, key: &str) -> Option<i64> {
        let text = self.experiment.settings.get(key).or_else(|| self.host.get(key))?;
        text.trim().parse().ok()
    }

    /// A kernel setting of Linux; `None` elsewhere.
    fn linux_setting(&self, key: &str) -> Option<i64> {
        self.setting(key).filter(|_| self.is_linux())
    }

    /// Whether the system is Linux.
    fn is_linux(&self) -> bool {
        self.system.starts_with("Linux ")
    }
}
