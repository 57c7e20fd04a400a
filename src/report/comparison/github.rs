//! A comparison for a job of GitHub Actions: annotations as workflow commands, and a summary.
//!
//! Source: docs.github.com, "Workflow commands for GitHub Actions".

use super::words::{headline, reasons, sentence, word};
use crate::measure::comparison::{Change, ComparisonResult};
use crate::report::card::clean;

/// Annotations of a kind that GitHub shows of one step.
const SHOWN: usize = 10;

/// What a job shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Workflow commands, a line each: to be printed.
    pub annotations: String,
    /// Markdown: to be appended to the file that GITHUB_STEP_SUMMARY names.
    pub summary: String,
}

/// The comparison as a job shows it: an error for each metric that got worse, a warning where
/// nothing is known, else a notice.
pub fn github(found: &ComparisonResult) -> Shown {
    let mut annotations = String::new();
    let scenario = clean(&found.scenario);
    let title = format!("loadgen {scenario}: {}", word(&found.verdict));
    match &found.verdict {
        Change::Worse => {
            let worse =
                found.metrics.iter().filter(|one| one.counts && one.change == Change::Worse);
            let all: Vec<_> = worse.map(sentence).collect();
            let shown = if all.len() > SHOWN { SHOWN - 1 } else { all.len() };
            all[..shown].iter().for_each(|one| command(&mut annotations, "error", &title, one));
            if all.len() > shown {
                let rest = format!("and {} more metrics got worse", all.len() - shown);
                command(&mut annotations, "error", &title, &rest);
            }
            if all.is_empty() {
                command(&mut annotations, "error", &title, &headline(found));
            }
        }
        unknown @ (Change::Inconclusive { .. } | Change::Incomparable { .. }) => {
            let lines = std::iter::once(headline(found)).chain(reasons(unknown));
            let lines = lines.collect::<Vec<_>>().join("\n");
            command(&mut annotations, "warning", &title, &lines);
        }
        Change::Better | Change::Same => {
            command(&mut annotations, "notice", &title, &headline(found));
        }
    }
    Shown { annotations, summary: super::markdown(found) }
}

/// Adds a workflow command.
fn command(text: &mut String, kind: &str, title: &str, message: &str) {
    let title = data(title).replace(':', "%3A").replace(',', "%2C");
    text.push_str(&format!("::{kind} title={title}::{}\n", data(message)));
}

/// Text that is one line of a command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::comparison as sample;

    #[test]
    fn a_verdict_has_its_kind_of_annotation() {
        let told: String = sample::all().iter().map(|found| github(found).annotations).collect();
        insta::assert_snapshot!(told);
    }

    #[test]
    fn no_text_begins_a_command_of_its_own() {
        let mut found = sample::hostile();
        found.verdict = Change::Worse;
        found.metrics.iter_mut().for_each(|one| one.change = Change::Worse);
        let told = github(&found).annotations;
        assert_eq!(told.lines().count(), 4, "those that count: {told}");
        for line in told.lines() {
            let rest = line.strip_prefix("::error title=").expect("a command");
            let (title, _) = rest.split_once("::").expect("a message");
            assert!(!title.contains([':', ',']), "{title}");
        }
        // What is printed beside it, where no file takes it.
        for line in github(&found).summary.lines() {
            assert!(!line.trim_start().starts_with("::") && !line.contains("##["), "{line}");
        }
    }

    #[test]
    fn more_than_github_shows_are_told_as_a_number() {
        let mut found = sample::worse();
        let worse = found.metrics[0].clone();
        found.metrics = vec![worse; 10];
        assert_eq!(github(&found).annotations.lines().count(), 10);
        found.metrics.push(found.metrics[0].clone());
        let told = github(&found).annotations;
        assert_eq!(told.lines().count(), 10);
        assert!(told.ends_with("::and 2 more metrics got worse\n"), "{told}");
    }
}
