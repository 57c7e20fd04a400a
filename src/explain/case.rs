//! What findings are made of: a cell's evidence, and the words for shares and times.

use crate::measure::result::{CellResult, Class, ClassesResult, Finding, LostSyns};
use crate::scenario::plan::{Cell, Serve, Target};
use crate::units::{human_nanos, thousands};

/// What concerns fewer attempts than this share, and less of the whole latency, is not worth a
/// sentence, unless it is a loss.
const MATTERS: f64 = 0.01;
/// A wait shorter than this hurts nobody, in seconds: a busy machine makes such by itself.
const FELT_S: f64 = 0.005;

/// One cell: what was wanted, what was measured, and why each attempt took as long as it did.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The plan.
    pub plan: &'a Cell,
    /// The result.
    pub cell: &'a CellResult,
    /// Its classes.
    pub classes: &'a ClassesResult,
}

impl<'a> Case<'a> {
    /// Attempts of a class, if there are any.
    pub fn some(&self, class: Class) -> Option<u64> {
        Some(self.classes.count(class)).filter(|count| *count > 0)
    }

    /// The same, if they waited long enough, and made up enough of all, to be felt.
    pub fn felt(&self, class: Class) -> Option<u64> {
        let count = self.some(class)?;
        let latency = self.classes.latency_s(class);
        let whole = self.classes.whole_latency_s().max(f64::MIN_POSITIVE);
        let long = latency / count as f64 >= FELT_S;
        let much = self.share(count) >= MATTERS || latency / whole >= 0.5;
        (long && much && latency / whole >= MATTERS).then_some(count)
    }

    /// Whether so many attempts are worth a sentence.
    pub fn matters(&self, count: u64) -> bool {
        self.share(count) >= MATTERS
    }

    /// Share of all attempts.
    pub fn share(&self, count: u64) -> f64 {
        count as f64 / self.classes.attempts().max(1) as f64
    }

    /// `1,204 of 18,000 attempts (6.7 %)`
    pub fn told(&self, count: u64) -> String {
        let all = thousands(self.classes.attempts());
        format!("{} of {all} attempts ({})", thousands(count), percent(self.share(count)))
    }

    /// Mean latency of a class, in words.
    pub fn mean(&self, class: Class) -> String {
        let count = self.classes.count(class).max(1) as f64;
        seconds(self.classes.latency_s(class) / count)
    }

    /// `ListenOverflows +1,204, ListenDrops +1,204`: those that grew.
    pub fn grown(&self, names: &[&str]) -> String {
        let grown = names.iter().filter_map(|name| Some((name, self.cell.counter(name)?)));
        let grown = grown.filter(|(_, growth)| *growth > 0);
        let told: Vec<_> = grown.map(|(name, n)| format!("{name} +{}", thousands(n))).collect();
        told.join(", ")
    }

    /// `ok_retried 812, timeout 20`: those that there are, over all loads.
    pub fn outcomes(&self, wanted: &[crate::measure::Outcome]) -> String {
        let count = |outcome| -> u64 {
            self.cell.loads.iter().filter_map(|load| load.outcomes.get(outcome)).sum()
        };
        let some = wanted.iter().map(|outcome| (outcome, count(outcome))).filter(|(_, n)| *n > 0);
        let told: Vec<_> = some.map(|(outcome, n)| format!("{outcome} {}", thousands(n))).collect();
        told.join(", ")
    }

    /// A kernel setting of the target's side that is a number.
    pub fn setting(&self, name: &str) -> Option<i64> {
        self.cell.settings.get(name)?.trim().parse().ok()
    }

    /// How our own target serves.
    pub fn serve(&self) -> Option<&'a Serve> {
        match &self.plan.target {
            Target::Own { serve, .. } => Some(serve),
            Target::Receiver { .. } | Target::External { .. } => None,
        }
    }

    /// SYNs that were lost for a reason, in words: how many, and between when.
    pub fn lost(&self, class: Class) -> Option<(&'a LostSyns, String)> {
        let lost = self.classes.lost(class).filter(|lost| lost.count > 0)?;
        let most = if lost.doubtful > 0 { "at most " } else { "" };
        let doubt = match lost.doubtful {
            0 => String::new(),
            some => format!(
                " ({} of them at a time when queue and path both dropped packets, and nobody counted \
                 SYNs alone)",
                thousands(some)
            ),
        };
        let (count, when) = (thousands(lost.count), between(lost.span_s));
        Some((lost, format!("{most}{count} SYNs lost so, {when}{doubt}")))
    }

    /// A finding that concerns so many attempts.
    pub fn finding(
        &self,
        count: u64,
        text: String,
        evidence: Vec<String>,
        remedy: String,
    ) -> Finding {
        let evidence: Vec<_> = evidence.into_iter().filter(|one| !one.is_empty()).collect();
        Finding { text, evidence: evidence.join("; "), remedy, impact: self.share(count).min(1.0) }
    }
}

/// `6.7 %`
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        10.0.. => format!("{percent:.0} %"),
        1.0.. => format!("{percent:.1} %"),
        0.01.. => format!("{percent:.2} %"),
        _ if percent > 0.0 => "less than 0.01 %".to_owned(),
        _ => "0 %".to_owned(),
    }
}

/// `1.02s`
pub fn seconds(seconds: f64) -> String {
    human_nanos((seconds.max(0.0) * 1e9) as u64)
}

/// `between t=2.1 s and t=9.8 s`
pub fn between((from, to): (f64, f64)) -> String {
    format!("between t={from:.1} s and t={to:.1} s")
}

/// A rate a second, rounded up to what a reader can use.
pub fn rate(per_second: f64) -> String {
    match per_second {
        ..10.0 => format!("{:.1}/s", (per_second * 10.0).ceil() / 10.0),
        _ => format!("{}/s", thousands(per_second.ceil().min(1e15) as u64)),
    }
}
