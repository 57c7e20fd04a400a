//! Why attempts took as long as they did, and what the theory of queues says to it.

use super::cell::say;
use super::{Sheet, Tone};
use crate::measure::result::{CellResult, ClassesResult, Finding, FlowResult, PredictionResult};
use crate::report::text::{shorten, thousands};
use crate::units::human_nanos;

/// Writes the classes, and the prediction beside the measurement.
pub fn lines(sheet: &mut Sheet, cell: &CellResult) {
    if let Some(classes) = &cell.classes {
        table(sheet, cell, classes);
    }
    if let Some(prediction) = &cell.prediction {
        predicted(sheet, prediction);
    }
}

/// Writes a finding: what and why, from what, and what would help.
pub fn finding(sheet: &mut Sheet, finding: &Finding) {
    say(sheet, Tone::Plain, "finding", &finding.text);
    if !finding.evidence.is_empty() {
        say(sheet, Tone::Plain, "", &format!("evidence: {}", finding.evidence));
    }
    if !finding.remedy.is_empty() {
        say(sheet, Tone::Plain, "", &format!("remedy: {}", finding.remedy));
    }
}

/// One row a class and load, with its shares of the attempts and of the whole latency.
fn table(sheet: &mut Sheet, cell: &CellResult, classes: &ClassesResult) {
    let (attempts, latency) = (classes.attempts(), classes.whole_latency_s());
    if attempts == 0 {
        return;
    }
    sheet.row(Tone::Heading, &row("why", ["attempts", "share", "of latency"].map(str::to_owned)));
    for one in &classes.classes {
        let name = match cell.loads.len() {
            0 | 1 => one.class.label().to_owned(),
            _ => format!("{}, {}", one.class.label(), one.load),
        };
        let shares = [one.count as f64 / attempts as f64, one.latency_s / latency];
        let [share, of_latency] = shares.map(percent);
        sheet.row(Tone::Plain, &row(&name, [thousands(one.count), share, of_latency]));
    }
    if !classes.named {
        let text = "the target does not name its connections: waits in its queue are not known";
        say(sheet, Tone::Doubtful, "", text);
    }
}

fn row(name: &str, values: [String; 3]) -> String {
    let [count, share, latency] = values;
    let name = shorten(name, 36);
    format!("  {name:<36}{:>14}{share:>12}{latency:>12}", shorten(&count, 14))
}

fn percent(share: f64) -> String {
    if share.is_finite() { format!("{:.2} %", (share * 100.0).min(999.0)) } else { "-".to_owned() }
}

fn predicted(sheet: &mut Sheet, prediction: &PredictionResult) {
    let method = prediction.method.replace('_', " ");
    say(sheet, Tone::Plain, "theory", &format!("{}; {method}", prediction.model));
    let flow = |flow: &FlowResult| {
        let blocking = percent(flow.blocking);
        format!("blocked {blocking} of SYNs, mean wait {}", wait(flow.mean_wait_s))
    };
    say(sheet, Tone::Plain, "", &format!("predicted {}", flow(&prediction.predicted)));
    say(sheet, Tone::Plain, "", &format!("measured  {}", flow(&prediction.measured)));
}

fn wait(seconds: Option<f64>) -> String {
    let nanos = seconds.filter(|seconds| seconds.is_finite()).map(|s| (s.max(0.0) * 1e9) as u64);
    nanos.map_or("not measured".to_owned(), human_nanos)
}
