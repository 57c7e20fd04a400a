//! The words of a card, which may come from anywhere, as one line that steers nothing.

use crate::measure::card::{Card, Datum, Experiment, Family, Observation};
use crate::verdict::cards::{Line, Told};

/// Longest text that is shown, in characters.
const LONGEST: usize = 600;

/// A text without what steers a terminal, a page or the direction of writing; a long one is cut.
pub fn clean(text: &str) -> String {
    let mut shown = String::new();
    for (index, c) in text.chars().enumerate() {
        if index == LONGEST {
            shown.push_str("...");
            break;
        }
        match c {
            '\n' | '\r' | '\t' => shown.push(' '),
            c if c.is_control() || is_format(c) => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
    }
    shown
}

/// Characters that are not seen and change how others are: directions, joiners, line separators.
fn is_format(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Where an experiment was made: its addresses and its settings.
pub fn remark(experiment: &Experiment) -> String {
    let family = experiment.family.map(|family| family.to_string());
    let settings = experiment.settings.iter().map(|(key, value)| format!("{key} = {value}"));
    clean(&family.into_iter().chain(settings).collect::<Vec<_>>().join(", "))
}

/// Where the value of a comparison's line was found: over which addresses, with which settings.
pub fn found_at(line: &Line) -> String {
    let families = line.families.iter().map(Family::to_string);
    let settings = line.key.settings.iter().map(|(key, value)| format!("{key} = {value}"));
    clean(&families.chain(settings).collect::<Vec<_>>().join(", "))
}

/// What was given, or seen: `backlog = 5, clients = 11`.
pub fn named(observation: &Observation) -> [String; 2] {
    [&observation.given, &observation.seen].map(|map| {
        let each = map.iter().map(|(name, datum)| format!("{name} = {}", datum_text(datum)));
        clean(&each.collect::<Vec<_>>().join(", "))
    })
}

fn datum_text(datum: &Datum) -> String {
    match datum {
        Datum::Flag(flag) => if *flag { "yes" } else { "no" }.to_owned(),
        Datum::Count(count) => count.to_string(),
        Datum::Measure(measure) => measure_text(*measure),
        Datum::Word(word) => word.clone(),
        Datum::Measures(all) => {
            // More would be cut anyway.
            let shown = all.iter().take(LONGEST / 4).map(|one| measure_text(*one));
            format!("[{}]", shown.collect::<Vec<_>>().join(" "))
        }
    }
}

/// As many digits as say anything.
fn measure_text(measure: f64) -> String {
    if measure != 0.0 && (measure.abs() < 1e-3 || measure.abs() >= 1e6) {
        return format!("{measure:.2e}");
    }
    let text = format!("{measure:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// What a card of a comparison says where it has no value.
pub fn telling(told: &Told) -> String {
    match told {
        Told::Value(inferred) => clean(&inferred.value.to_string()),
        Told::Missing(why) => format!("not found out: {}", clean(why)),
        Told::Nothing => "not tried".to_owned(),
    }
}

/// A card in a line: what it is of, and when it was made.
pub fn title(card: &Card) -> String {
    clean(&format!("{}, {}", card.system, card.environment.started_at))
}

/// Numbers as stretches without a gap, each with its first and its last.
pub fn stretches(numbers: &[usize]) -> Vec<(usize, usize)> {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let mut stretches: Vec<(usize, usize)> = Vec::new();
    for number in sorted {
        match stretches.last_mut().filter(|(_, last)| last + 1 == number) {
            Some((_, last)) => *last = number,
            None => stretches.push((number, number)),
        }
    }
    stretches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_steer_nothing() {
        for (text, shown) in [
            ("a\x1b[31m", "a\\u{1b}[31m"),
            ("two\nlines", "two lines"),
            ("\u{202e}evil", "\\u{202e}evil"),
            ("n + 1", "n + 1"),
        ] {
            assert_eq!(clean(text), shown);
        }
        assert_eq!(clean(&"x".repeat(5000)).len(), LONGEST + 3);
    }

    #[test]
    fn numbers_that_follow_each_other_are_a_stretch() {
        assert_eq!(stretches(&[3, 1, 2, 7, 7, 9, 10]), [(1, 3), (7, 7), (9, 10)]);
        assert!(stretches(&[]).is_empty());
    }

    #[test]
    fn observations_are_told_on_a_line() {
        let seen = Observation::new().given("backlog", 5i64).seen("rtt_s", vec![5.2e-6, 0.25]);
        let seen = seen.seen("held", 3i64).seen("readable", true).seen("after_s", 1.0);
        let [given, seen] = named(&seen);
        assert_eq!(given, "backlog = 5");
        assert_eq!(seen, "after_s = 1, held = 3, readable = yes, rtt_s = [5.20e-6 0.25]");
    }
}
