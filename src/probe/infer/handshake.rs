//! How long handshakes take: percentiles of what was measured.

use crate::measure::card::{Confidence, Datum, Experiment, Missing, Value};

/// Fewer do not tell a 99th percentile.
const FEWEST: usize = 100;

/// `connect_p50`, `connect_p99`, `kernel_rtt_p50` and `kernel_rtt_p99`.
pub fn conclude(experiment: &mut Experiment) {
    for (measured, name) in [("connect_s", "connect"), ("kernel_rtt_s", "kernel_rtt")] {
        let found =
            experiment.observations.iter().enumerate().find_map(|(number, seen)| {
                match seen.seen.get(measured) {
                    Some(Datum::Measures(of)) if of.len() >= FEWEST => Some((number, of.clone())),
                    _ => None,
                }
            });
        let Some((number, mut of)) = found else {
            let missing = Missing::all("TCP_INFO does not tell it here", "use native methods");
            experiment.missing.push(missing.of(name));
            continue;
        };
        of.sort_by(f64::total_cmp);
        let quarters = (at(&of, 0.75) - at(&of, 0.25)) / 2.0;
        let sure = (Confidence::High, "it may be off by half of what lies between its quarters");
        experiment.infer(&format!("{name}_p50"), seconds(at(&of, 0.5), quarters), &[number], sure);
        let tail = (at(&of, 0.995) - at(&of, 0.98)) / 2.0;
        let sure = (Confidence::Medium, "few lie beyond; off by half of what is around it");
        experiment.infer(&format!("{name}_p99"), seconds(at(&of, 0.99), tail), &[number], sure);
    }
}

fn seconds(seconds: f64, give: f64) -> Value {
    /// The kernel tells round trips in microseconds.
    const STEP: f64 = 1e-6;
    Value::Seconds { seconds, give: give.max(STEP) }
}

/// The value below or at which this share lies, of rising values (nearest rank).
fn at(of: &[f64], share: f64) -> f64 {
    let rank = (share * of.len() as f64).ceil() as usize;
    of.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::card::{Instrument, Method, Observation};

    fn concluded(of: Vec<f64>) -> Experiment {
        let method = Method { instrument: Instrument::TcpInfo, how: String::new() };
        let mut experiment = Experiment::new("x", "", method);
        experiment.saw(Observation::new().seen("connect_s", of));
        conclude(&mut experiment);
        experiment
    }

    #[test]
    fn percentiles_and_what_they_may_be_off_by() {
        let of: Vec<f64> = (1..=200).rev().map(|n| f64::from(n) * 1e-5).collect();
        let experiment = concluded(of);
        let Some(Value::Seconds { seconds, give }) = experiment.value("connect_p50") else {
            panic!("a median")
        };
        assert!((seconds - 1e-3).abs() < 1e-9 && (give - 5e-4).abs() < 1e-9);
        let Some(Value::Seconds { seconds, give }) = experiment.value("connect_p99") else {
            panic!("a tail")
        };
        assert!((seconds - 1.98e-3).abs() < 1e-9 && (give - 1.5e-5).abs() < 1e-9);
        assert_eq!(experiment.missing[0].what, "kernel_rtt");
    }

    #[test]
    fn few_handshakes_have_no_percentiles() {
        assert_eq!(concluded(vec![1e-5; 99]).inferred, []);
    }
}
