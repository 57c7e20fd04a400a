//! A baseline: runs that were kept, to compare later ones with.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::result::{Environment, Place};
use super::sample::Sample;
use crate::scenario::file_safe;
use crate::scenario::plan::{Cell, Plan};
use crate::units::Span;

/// Version of the layout of a baseline's file.
pub const SCHEMA_VERSION: u32 = 1;

/// Runs that later ones are compared with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// [`SCHEMA_VERSION`] of the program that wrote this.
    pub schema_version: u32,
    /// Version of the program that wrote this.
    pub loadgen_version: String,
    /// UTC, RFC 3339.
    pub saved_at: String,
    /// What it fits.
    pub key: Key,
    /// The runs, with whole histograms.
    pub sample: Sample,
}

impl Baseline {
    /// A baseline of these runs.
    pub fn new(sample: Sample, saved_at: String) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            loadgen_version: env!("CARGO_PKG_VERSION").to_owned(),
            saved_at,
            key: Key::of(&sample),
            sample,
        }
    }
}

/// What a baseline fits: runs of the same scenario in the same environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// Name of the scenario.
    pub scenario: String,
    /// Of all in the resolved scenario that bears on what is measured.
    pub scenario_digest: String,
    /// Where the runs were made.
    pub environment: Ground,
    /// Of `environment`.
    pub environment_digest: String,
}

/// Those parts of an environment in which runs that are compared must be alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ground {
    /// Operating system, release and version, as `uname` says.
    pub kernel: String,
    /// Machine architecture.
    pub architecture: String,
    /// CPU model.
    pub cpu: String,
    /// Processors that the runner may use.
    pub cpus: u32,
    /// Clock source of the kernel.
    pub clock_source: String,
    /// Whether they were made as root.
    pub root: bool,
    /// `lab` or `host`; empty where that is not known.
    pub place: String,
    /// The host's kernel settings that bear on connecting.
    pub settings: BTreeMap<String, String>,
}

impl Key {
    /// What these runs fit.
    pub fn of(sample: &Sample) -> Self {
        let places: BTreeSet<_> = sample.runs.iter().map(|run| place(&run.place)).collect();
        let place = places.into_iter().collect::<Vec<_>>().join(" and ");
        let environment = Ground { place, ..Ground::of(&sample.environment) };
        Self {
            scenario: sample.scenario.name.clone(),
            scenario_digest: digest(&bearing(&sample.scenario)),
            environment_digest: digest(&environment),
            environment,
        }
    }

    /// The name of a baseline that was given none: safe as a file's.
    pub fn name(&self) -> String {
        format!("{}-{}", file_safe(&self.scenario), self.environment_digest)
    }
}

impl Ground {
    /// That of an environment, whose place is not known.
    pub fn of(environment: &Environment) -> Self {
        Self {
            kernel: environment.kernel.clone(),
            architecture: environment.architecture.clone(),
            cpu: environment.cpu.clone(),
            cpus: environment.cpus,
            clock_source: environment.clock_source.clone(),
            root: environment.root,
            place: String::new(),
            settings: environment.sysctl.clone(),
        }
    }

    /// In what `now` differs from this, one sentence each. A place that is not known differs from
    /// none.
    pub fn differences(&self, now: &Self) -> Vec<String> {
        let known = !self.place.is_empty() && !now.place.is_empty();
        let (then_place, now_place) =
            if known { (&*self.place, &*now.place) } else { Default::default() };
        let (then_cpus, now_cpus) = (self.cpus.to_string(), now.cpus.to_string());
        let words = [
            ("the kernel", self.kernel.as_str(), now.kernel.as_str()),
            ("the machine", &self.architecture, &now.architecture),
            ("the CPU", &self.cpu, &now.cpu),
            ("the number of CPUs", &then_cpus, &now_cpus),
            ("the clock source", &self.clock_source, &now.clock_source),
            ("the user", user(self.root), user(now.root)),
            ("the place", then_place, now_place),
        ];
        let words = words.into_iter().filter(|(_, then, now)| then != now);
        let words = words.map(|(what, then, now)| was(what, then, now));
        let keys: BTreeSet<_> = self.settings.keys().chain(now.settings.keys()).collect();
        let settings = keys.into_iter().filter_map(|key| {
            let [then, now] =
                [self, now].map(|of| of.settings.get(key).map_or("absent", String::as_str));
            (then != now).then(|| was(key, then, now))
        });
        words.chain(settings).collect()
    }
}

fn user(root: bool) -> &'static str {
    if root { "root" } else { "an ordinary user" }
}

fn was(what: &str, then: &str, now: &str) -> String {
    format!("{what} was {then}, and is {now}")
}

fn place(place: &Place) -> &'static str {
    match place {
        Place::Lab { .. } => "lab",
        Place::Host { .. } => "host",
    }
}

/// The plan without what leaves measurements as they are: words about it, what is judged, which
/// random draws were made, and in how fine rows it is told.
fn bearing(plan: &Plan) -> Plan {
    let unnamed = |cell: &Cell| Cell { name: String::new(), ..cell.clone() };
    Plan {
        cells: plan.cells.iter().map(unnamed).collect(),
        name: String::new(),
        description: String::new(),
        seed: 0,
        interval: Span::from_millis(1),
        limits: Vec::new(),
        ..plan.clone()
    }
}

/// Ten hexadecimal digits of a value: its JSON by FNV-1a (64 bits, RFC 9923), folded. The same on
/// every machine and in every version; it guards against mix-ups, not against forgery.
fn digest(value: &impl Serialize) -> String {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let json = serde_json::to_string(value).expect("maps have keys that are text");
    let hash = json.bytes().fold(BASIS, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    format!("{:010x}", (hash >> 40 ^ hash) & 0xff_ffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::result::Arm;
    use crate::report::sample;

    fn sample() -> Sample {
        let mut result = sample::sweep(&[5]);
        result.environment.kernel = "Linux 6.18.44 #1 SMP".to_owned();
        result.environment.cpus = 2;
        Sample::of(&result, Arm::Base).expect("a run has a base")
    }

    #[test]
    fn digests_are_those_of_fnv_1a() {
        // FNV-1a of "\"a\"", with the quotes that make it JSON, computed apart.
        let by_hand = [0x22u64, 0x61, 0x22].iter().fold(14_695_981_039_346_656_037u64, |h, b| {
            (u128::from(h ^ b) * 1_099_511_628_211u128 % (1u128 << 64)) as u64
        });
        let folded = (by_hand ^ (by_hand >> 40)) % (1 << 40);
        assert_eq!(digest(&"a"), format!("{folded:010x}"));
        assert_ne!(digest(&"a"), digest(&"b"));
    }

    #[test]
    fn what_does_not_bear_on_measurements_is_not_in_the_key() {
        let then = sample();
        let mut now = then.clone();
        now.scenario.description = "other words".to_owned();
        (now.scenario.seed, now.scenario.interval) = (77, Span::from_millis(500));
        now.scenario.limits.clear();
        now.environment.started_at = "later".to_owned();
        now.environment.load_average = 7.0;
        assert_eq!(Key::of(&then), Key::of(&now));
    }

    #[test]
    fn differences_name_both_values() {
        let then = sample();
        let mut now = then.clone();
        now.scenario.cells[0].lab.sources += 1;
        now.environment.kernel = "Linux 6.1.9 #1".to_owned();
        now.environment.sysctl.insert("net.core.somaxconn".to_owned(), "128".to_owned());
        now.runs[0].place = Place::Host { reason: "--lab off".to_owned() };
        let (then, now) = (Key::of(&then), Key::of(&now));
        assert_ne!(then.scenario_digest, now.scenario_digest);
        assert_ne!(then.name(), now.name());
        assert!(then.name().starts_with("backlog-"), "{}", then.name());
        assert_eq!(
            then.environment.differences(&now.environment),
            [
                "the kernel was Linux 6.18.44 #1 SMP, and is Linux 6.1.9 #1",
                "the place was lab, and is host",
                "net.core.somaxconn was absent, and is 128",
            ]
        );
        let mut nowhere = now.environment.clone();
        nowhere.place.clear();
        assert_eq!(now.environment.differences(&nowhere), [""; 0], "an unknown place");
    }
}
