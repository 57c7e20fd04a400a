//! How inferred values compare, and how they are written on one line.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Value;

/// How two values of the same name compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sameness {
    /// They are the same.
    Same,
    /// They differ, by no more than their uncertainty.
    Within,
    /// They differ.
    Different,
}

impl Value {
    /// How it compares with another one. Of schedules that nobody followed to their ends the part is
    /// compared that both have.
    pub fn compared(&self, other: &Self) -> Sameness {
        if self == other {
            return Sameness::Same;
        }
        let within = match (self, other) {
            (Self::Seconds { seconds: a, give: x }, Self::Seconds { seconds: b, give: y }) => {
                (a - b).abs() <= x + y
            }
            (
                Self::Schedule { seconds: a, give: x, complete: own },
                Self::Schedule { seconds: b, give: y, complete: its },
            ) => {
                let close = |(a, b): (&f64, &f64)| (a - b).abs() <= (x + y) * a.max(*b);
                let whole = |one: &[f64], complete: bool, other: &[f64]| {
                    !complete || one.len() >= other.len()
                };
                // Nothing beside something shares no part.
                let shared = a.is_empty() == b.is_empty();
                shared && a.iter().zip(b).all(close) && whole(a, *own, b) && whole(b, *its, a)
            }
            (Self::Counts { points: a, unit: x, .. }, Self::Counts { points: b, unit: y, .. }) => {
                // Of two tables that of the shared inputs.
                let shared = |(of, count): &(i64, i64)| {
                    b.iter().find(|(its, _)| its == of).is_none_or(|(_, its)| its == count)
                };
                let any = a.iter().any(|(of, _)| b.iter().any(|(its, _)| its == of));
                return match (x == y && a.iter().all(shared), any) {
                    (false, _) => Sameness::Different,
                    (true, true) => Sameness::Same,
                    // Without an input in common, nothing tells them apart.
                    (true, false) => Sameness::Within,
                };
            }
            _ => false,
        };
        if within { Sameness::Within } else { Sameness::Different }
    }
}

impl fmt::Display for Value {
    /// On one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count { count, unit } => write!(f, "{count} {unit}"),
            Self::Counts { points, .. } => {
                let shown = points.iter().map(|(of, count)| format!("{of} -> {count}"));
                f.write_str(&shown.collect::<Vec<_>>().join(", "))
            }
            Self::Seconds { seconds, .. } => f.write_str(&duration(*seconds)),
            Self::Schedule { seconds, complete, .. } if seconds.is_empty() => {
                f.write_str(if *complete { "none" } else { "none seen" })
            }
            Self::Schedule { seconds, complete, .. } => {
                let shown = seconds.iter().map(|at| instant(*at)).collect::<Vec<_>>();
                let end = if *complete { "" } else { " ..." };
                write!(f, "{} s{end}", shown.join(", "))
            }
            Self::Word { word } => f.write_str(word),
        }
    }
}

/// A length of time with its unit; whoever wrote the card.
fn duration(seconds: f64) -> String {
    match seconds.abs() {
        ..1e-3 => format!("{:.1} us", seconds * 1e6),
        ..1.0 => format!("{:.1} ms", seconds * 1e3),
        ..1e6 => format!("{seconds:.2} s"),
        _ => format!("{seconds:.2e} s"),
    }
}

/// Seconds with one decimal where it says anything: a timer's slack and tick are smaller.
fn instant(seconds: f64) -> String {
    if seconds.abs() >= 1e6 {
        return format!("{seconds:.1e}");
    }
    let text = format!("{seconds:.1}");
    text.trim_end_matches(".0").to_owned()
}
