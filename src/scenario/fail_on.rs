//! `--fail-on`: what decides a comparison of runs, `request.p99>15%,outcomes.timeout>1%`.

use super::at::At;
use super::diagnostic::{Diagnostics, Problems};
use super::plan::{Cell, Subject};
use super::source::Sources;
use super::validate;

/// What problems are located in.
const NAME: &str = "--fail-on";
/// At most this many subjects.
const MOST: usize = 50;
/// Longest text, in bytes.
const LONGEST: usize = 10_000;
/// Largest least effect: a factor of 1001.
const LARGEST: f64 = 1000.0;
const EXAMPLE: &str = "write what is judged as in [limits], and behind > the least effect that \
                       matters: request.p99>15%,outcomes.timeout>1%,throughput";

/// What decides, and from which effect on, where it has one of its own.
type Judged = (Subject, Option<f64>);

/// The subjects that decide, in the order written, each with its least effect where it has one of
/// its own: a ratio's distance from 1, or for shares a difference (`>15%` is 0.15). `cells` are
/// those that are compared: their loads may be named, and what none of them measures is refused.
/// Beside them what is doubtful, such as a counter that this kernel has not.
pub fn fail_on(text: &str, cells: &[Cell]) -> Result<(Vec<Judged>, Diagnostics), Diagnostics> {
    if text.len() > LONGEST {
        let why = format!("this is longer than {LONGEST} bytes");
        return Err(Diagnostics::unreadable(NAME, &why, "name fewer subjects"));
    }
    let sources = Sources::new(NAME, text);
    let mut problems = Problems::default();
    let mut wanted: Vec<Judged> = Vec::new();
    let mut start = 0;
    for (count, part) in text.split(',').enumerate() {
        if count == MOST {
            let help = format!("name at most {MOST}");
            problems.error(start..text.len(), "too many subjects", help);
            break;
        }
        if let Some(one) = one(part, start, cells, &mut problems) {
            if wanted.iter().any(|(subject, _)| *subject == one.0) {
                let title = format!("`{}` is there twice", one.0);
                problems.error(span(part, start), title, "name it once");
            }
            wanted.push(one);
        }
        start += part.len() + 1;
    }
    let failed = problems.any_error();
    let found = problems.located(&sources);
    if failed { Err(found) } else { Ok((wanted, found)) }
}

/// The part without the space around it, `start` bytes into the text.
fn span(part: &str, start: usize) -> std::ops::Range<usize> {
    let from = start + part.len() - part.trim_start().len();
    from..from + part.trim().len()
}

fn one(part: &str, start: usize, cells: &[Cell], problems: &mut Problems) -> Option<Judged> {
    let whole = span(part, start);
    if whole.is_empty() {
        problems.error(start..start + part.len(), "nothing is named here", EXAMPLE);
        return None;
    }
    let Some(at) = part.find(['>', '<', '=', '!']) else {
        let key = At::new(whole, part.trim().to_owned());
        return Some((validate::subject(&key, cells, problems)?, None));
    };
    let key = At::new(span(&part[..at], start), part[..at].trim().to_owned());
    let effect = effect(&part[at..], start + at, problems);
    if key.get().is_empty() {
        problems.error(whole, "nothing is named here", EXAMPLE);
        return None;
    }
    let subject = validate::subject(&key, cells, problems)?;
    Some((subject, Some(effect?)))
}

/// The least effect, from its sign on.
fn effect(text: &str, start: usize, problems: &mut Problems) -> Option<f64> {
    let whole = span(text, start);
    let Some(value) = text.strip_prefix('>').filter(|rest| !rest.starts_with(['=', '>'])) else {
        let help = "write `>`: which direction is worse is known of each subject";
        problems.error(whole, "only `>` stands between a subject and its least effect", help);
        return None;
    };
    let Some(percent) = value.trim().strip_suffix('%') else {
        let help = "write a percentage, such as request.p99>15%; of shares it means percentage \
                    points. A bound on the value itself belongs into the scenario's [limits]";
        problems.error(whole, format!("`{}` is not a least effect", value.trim()), help);
        return None;
    };
    let share = percent.trim().parse::<f64>().ok().map(|percent| percent / 100.0);
    let share = share.filter(|share| (0.0..=LARGEST).contains(share));
    if share.is_none() {
        let title = format!("`{}` is not a percentage from 0 to 100000", value.trim());
        problems.error(whole, title, "write one, such as request.p99>15%");
    }
    share
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use crate::scenario::plan::Statistic;

    fn cells() -> Vec<Cell> {
        sample::backlog().scenario.cells
    }

    #[test]
    fn subjects_and_their_least_effects_are_read() {
        let text = "connect.p99 > 15%, outcomes.timeout>0.5%,throughput,load.clients.connect.p999";
        let (wanted, doubts) = fail_on(text, &cells()).expect("sound");
        assert!(doubts.is_empty());
        let connect = |load, p| Subject::Metric {
            load,
            metric: "connect".to_owned(),
            statistic: Statistic::Percentile(p),
        };
        assert_eq!(
            wanted,
            [
                (connect(None, 99.0), Some(0.15)),
                (Subject::Outcome { load: None, outcome: "timeout".to_owned() }, Some(0.005)),
                (Subject::Throughput { load: None }, None),
                (connect(Some("clients".to_owned()), 99.9), None),
            ]
        );
        assert_eq!(
            fail_on("cpu_per_attempt,outcomes.failed>0%,counters.ListenDrops", &cells())
                .expect("sound")
                .0
                .len(),
            3
        );
    }

    #[test]
    fn what_is_wrong_is_located_with_its_remedy() {
        for (text, column, parts) in [
            ("", 1, ["nothing is named", "request.p99>15%"]),
            ("throughput,", 12, ["nothing is named", "request.p99>15%"]),
            (">5%", 1, ["nothing is named", "request.p99>15%"]),
            ("connect.p99>15", 12, ["`15` is not a least effect", "percentage"]),
            ("connect.p99>5ms", 12, ["`5ms` is not a least effect", "[limits]"]),
            ("connect.p99>=15%", 12, ["only `>`", "which direction"]),
            ("throughput<5%", 11, ["only `>`", "which direction"]),
            ("throughput>-5%", 11, ["not a percentage", "15%"]),
            ("throughput>nan%", 11, ["not a percentage", "15%"]),
            ("throughput>1e9%", 11, ["not a percentage", "15%"]),
            ("throughput, throughput>5%", 13, ["there twice", "once"]),
            ("throughptu", 1, ["cannot", "did you mean `throughput`?"]),
            ("conect", 1, ["can be judged", "did you mean `connect.p99`?"]),
            ("conect.p99", 1, ["no metric `conect`", "did you mean `connect`?"]),
            ("request.p99", 1, ["nothing here measures", "client = \"request\""]),
            ("load.client.connect.p50", 1, ["no load", "did you mean `clients`?"]),
            ("load.clients.cpu_per_attempt", 1, ["over all loads", "without a load"]),
        ] {
            let found = fail_on(text, &cells()).expect_err(text);
            let item = &found.items()[0];
            assert_eq!(item.position, Some((1, column)), "{text}: {found}");
            let told = found.render(false);
            let parts = parts.iter().filter(|part| **part != "cannot");
            parts.for_each(|part| assert!(told.contains(part), "{part}: {told}"));
        }
    }

    #[test]
    fn hostile_texts_are_bounded() {
        for text in ["x,".repeat(200), "a".repeat(20_000), "\u{1b}[2J>\u{7}%".repeat(40)] {
            let told = fail_on(&text, &cells()).expect_err("nonsense").render(false);
            assert!(told.len() < 40_000 && !told.contains(['\u{1b}', '\u{7}']), "{}", told.len());
        }
    }
}
