//! Where a measurement departs from what the theory of queues predicts.

use super::case::{percent, seconds};
use crate::measure::result::{CellResult, Finding, PredictionResult};

/// Departures within so many times the spread of other seeds are chance.
const SPREADS: f64 = 3.0;
/// Beyond these, the share of the prediction by which the model itself may be off: its tests hold it
/// to a tenth of what kernels did.
const NEAR: f64 = 0.1;
/// Blocking that differs by less is of no interest.
const BLOCKING: f64 = 0.01;
/// Waits that differ by less are a busy machine's, in seconds.
const WAIT_S: f64 = 0.005;

/// A prediction that did not come true.
pub fn surprise(cell: &CellResult) -> Option<Finding> {
    // A schedule that was not kept is not the one that was predicted.
    let told = cell.prediction.as_ref().filter(|_| cell.validity.is_valid())?;
    let PredictionResult { predicted, measured, spread, .. } = told;
    let blocking = departs(measured.blocking, predicted.blocking, spread.blocking, BLOCKING);
    let waits = measured.mean_wait_s.zip(predicted.mean_wait_s);
    let wait = waits.filter(|(measured, predicted)| {
        let resolution = cell.validity.resolution as f64 / 1e9;
        departs(*measured, *predicted, spread.mean_wait_s.unwrap_or(0.0), WAIT_S.max(resolution))
    });
    if !blocking && wait.is_none() {
        return None;
    }
    let mut parts = Vec::new();
    if blocking {
        parts.push(format!(
            "{} of the SYNs found no place, and {} were predicted",
            percent(measured.blocking),
            percent(predicted.blocking)
        ));
    }
    if let Some((measured, predicted)) = wait {
        parts.push(format!(
            "connections waited {} on average, and {} was predicted",
            seconds(measured),
            seconds(predicted)
        ));
    }
    let text = format!("The queue did not behave as the theory says: {}.", parts.join("; "));
    let evidence = format!(
        "{} of {}; other seeds depart by {} and {} at most",
        told.method.replace('_', " "),
        told.model,
        percent(spread.blocking),
        seconds(spread.mean_wait_s.unwrap_or(0.0))
    );
    let remedy = format!(
        "One of its assumptions may not hold: {} Compare the queue and the counters over time.",
        told.assumptions.join(" ")
    );
    let impact = (measured.blocking - predicted.blocking).abs().min(1.0);
    Some(Finding { text, evidence, remedy, impact: if blocking { impact } else { 0.0 } })
}

fn departs(measured: f64, predicted: f64, spread: f64, floor: f64) -> bool {
    let allowed = (SPREADS * spread + NEAR * predicted.abs()).max(floor);
    (measured - predicted).abs() > allowed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::result::FlowResult;
    use crate::report::sample;

    fn cell(measured: FlowResult) -> CellResult {
        let mut cell = sample::sweep(&[50]).cells.remove(0);
        cell.prediction = Some(PredictionResult {
            method: "simulation".to_owned(),
            model: "M/D/1/52".to_owned(),
            places: 51,
            acceptors: 1,
            arrival_rate: 300.0,
            accept_rate: 200.0,
            predicted: FlowResult { blocking: 0.7, mean_wait_s: Some(0.25) },
            spread: FlowResult { blocking: 0.01, mean_wait_s: Some(0.002) },
            measured,
            assumptions: vec!["Accepting takes no time.".to_owned()],
        });
        cell
    }

    #[test]
    fn what_came_true_is_no_surprise() {
        for (blocking, wait) in [(0.7, Some(0.25)), (0.61, Some(0.28)), (0.72, None)] {
            let cell = cell(FlowResult { blocking, mean_wait_s: wait });
            assert_eq!(surprise(&cell), None, "{blocking} {wait:?}");
        }
        assert_eq!(surprise(&sample::sweep(&[50]).cells[0]), None, "nothing was predicted");
    }

    #[test]
    fn a_departure_of_an_eighth_is_one() {
        for (blocking, wait) in [(0.59, None), (0.7, Some(0.285))] {
            let odd = cell(FlowResult { blocking, mean_wait_s: wait });
            assert!(surprise(&odd).is_some(), "{blocking} {wait:?}");
        }
    }

    #[test]
    fn a_surprise_has_both_numbers() {
        let odd = cell(FlowResult { blocking: 0.5, mean_wait_s: Some(0.4) });
        let found = surprise(&odd).expect("a surprise");
        for part in ["50 % of the SYNs", "70 % were predicted", "400ms on average, and 250ms was"] {
            assert!(found.text.contains(part), "{part}: {}", found.text);
        }
        assert!(found.evidence.starts_with("simulation of M/D/1/52"), "{}", found.evidence);
        assert!(found.remedy.contains("Accepting takes no time."), "{}", found.remedy);
        assert!((found.impact - 0.2).abs() < 1e-9);
        let mut invalid = odd;
        invalid.validity.reasons.push("the generator was the limit".to_owned());
        assert_eq!(surprise(&invalid), None, "another schedule than the one predicted");
    }
}
