//! A search: the knee in words, then each value that was tried.

use super::{Sheet, Tone};
use crate::measure::result::{Direction, KneeResult, KneeStep};
use crate::report::text::{columns, shorten};

const VALUE: usize = 18;

/// Writes what a search found, and from what.
pub fn table(sheet: &mut Sheet, knee: &KneeResult) {
    let KneeResult { over, until, holds, breaks, confidence, .. } = knee;
    match (holds, breaks) {
        (Some(holds), Some(breaks)) => {
            let (best, beyond) = match knee.direction {
                Some(Direction::Falling) => ("lowest", "below"),
                _ => ("highest", "above"),
            };
            let text = format!(
                "{over} = {holds} is the {best} value at which {until} held each time; {beyond}, \
                 at {breaks}, it broke each time"
            );
            sheet.say(Tone::Heading, "knee: ", &text);
            sheet.say(Tone::Plain, "      ", confidence);
        }
        _ => {
            let text = format!("none was found over {over} for {until}: {confidence}");
            sheet.say(Tone::Doubtful, "knee: ", &text);
        }
    }
    for note in &knee.notes {
        sheet.say(Tone::Doubtful, "note: ", note);
    }
    if knee.steps.is_empty() {
        return;
    }
    sheet.blank();
    let head = ["held", "broke", "unclear"].map(str::to_owned);
    sheet.row(Tone::Heading, &row("tried", head, "measured"));
    for (text, steps) in by_value(&knee.steps) {
        let count = |holds| steps.iter().filter(|step| step.holds == holds).count();
        let counts = [Some(true), Some(false), None].map(count);
        let tone = match counts {
            [_, 0, 0] => Tone::Good,
            [0, _, 0] => Tone::Bad,
            _ => Tone::Doubtful,
        };
        let measured: Vec<_> = steps.iter().map(|s| s.measured.as_deref().unwrap_or("-")).collect();
        sheet.row(tone, &row(text, counts.map(|n| n.to_string()), &measured.join(", ")));
    }
}

fn row(value: &str, counts: [String; 3], measured: &str) -> String {
    let [held, broke, unclear] = counts;
    let value = shorten(value, VALUE);
    let gap = " ".repeat(VALUE.saturating_sub(columns(&value)));
    let measured = shorten(measured, 80 - VALUE - 2 - 25);
    format!("  {value}{gap} {held:>5} {broke:>6} {unclear:>8}   {measured}")
}

/// The steps of each value, in order of the values.
fn by_value(steps: &[KneeStep]) -> Vec<(&str, Vec<&KneeStep>)> {
    let mut sorted: Vec<&KneeStep> = steps.iter().collect();
    sorted.sort_by(|a, b| a.value.total_cmp(&b.value));
    let groups = sorted.chunk_by(|a, b| a.value == b.value);
    groups.filter_map(|group| Some((group.first()?.text.as_str(), group.to_vec()))).collect()
}
