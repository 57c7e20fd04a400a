//! The value with which a search over one key begins.

use toml::de::DeValue;

use super::diagnostic::{Diagnostics, Problems};
use super::overrides::{Change, words};
use super::resolve::{Written, written};
use super::source::Sources;
use super::table::Value;
use super::{sweep, table};
use crate::units::Quantity;

/// Where a search over one key begins, and how far it may go: texts as the user wrote them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Start<'s> {
    /// Path of the key (`--over`).
    pub over: &'s str,
    /// The first value (`--from`), if not the scenario's own.
    pub from: Option<&'s str>,
    /// The lowest value (`--min`).
    pub least: Option<&'s str>,
    /// The highest value (`--max`).
    pub most: Option<&'s str>,
}

/// The first value, the lowest and the highest of a search over a key of the scenario in `text`,
/// changed by `changes`. All have one unit.
///
/// # Errors
/// Where the key is none of a cell's, has no number or several to begin with, where a bound has
/// another unit, and where the scenario sweeps over other keys: each with its place and remedy.
pub fn start(
    text: &str,
    file: &str,
    changes: &[Change],
    wanted: &Start<'_>,
) -> Result<[Quantity; 3], Diagnostics> {
    let Written { mut root, sources, problems } = written(text, file, changes)?;
    let mut find = Find { sources, problems };
    let found = find.start(&mut root, wanted);
    match found {
        Some(found) if !find.problems.any_error() => Ok(found),
        _ => Err(find.problems.located(&find.sources)),
    }
}

struct Find<'a> {
    sources: Sources<'a>,
    problems: Problems,
}

impl<'a> Find<'a> {
    fn start(
        &mut self,
        root: &mut toml::de::DeTable<'a>,
        wanted: &Start<'a>,
    ) -> Option<[Quantity; 3]> {
        let begin = self.sources.push("--over".to_owned(), wanted.over);
        let span = begin..begin + wanted.over.len();
        let Some(path) = words(wanted.over) else {
            let help = "write tables and key with dots in between, such as load.rate";
            self.problems.error(span, "this is not the path of a key", help);
            return None;
        };
        if !sweep::is_sweepable(&path, root, span.clone(), &mut self.problems) {
            return None;
        }
        let listed = self.listed(root, wanted.over);
        let first = match wanted.from {
            Some(from) => self.given("--from", from)?,
            None => self.own(root, &path, listed, span, wanted.over)?,
        };
        let (least, most) = first.range();
        let least = self.bound("--min", wanted.least, first, first.with(least))?;
        let most = self.bound("--max", wanted.most, first, first.with(most))?;
        if least.value() > most.value() {
            let title = format!("no value lies between --min {least} and --max {most}");
            self.problems.error(begin..begin, title, "write a --min below --max");
            return None;
        }
        if !(least.value()..=most.value()).contains(&first.value()) {
            let title = format!("the search begins with {first}, outside of {least} to {most}");
            self.problems.error(begin..begin, title, "write another --from, --min or --max");
        }
        Some([first, least, most])
    }

    /// The first of the values that the scenario sweeps the key over, if it does. Other axes are in
    /// the way.
    fn listed(&mut self, root: &toml::de::DeTable<'a>, over: &str) -> Option<Value<'a>> {
        let DeValue::Table(axes) = root.get("sweep")?.get_ref() else { return None };
        let mut first = None;
        for (key, value) in axes.iter() {
            if key.get_ref() == over {
                first = value.get_ref().as_array().and_then(|list| list.iter().next()).cloned();
                continue;
            }
            let axis = key.get_ref();
            self.problems.error(
                key.span(),
                format!("a search varies one key, and this sweeps over `{axis}` as well"),
                format!("choose one of its values, such as --set {axis}=VALUE"),
            );
        }
        first
    }

    fn given(&mut self, name: &str, text: &'a str) -> Option<Quantity> {
        let begin = self.sources.push(name.to_owned(), text);
        let parsed = text.parse();
        let span = begin..begin + text.len();
        parsed.map_err(|error: crate::units::UnitError| self.tell(span, &error.to_string())).ok()
    }

    fn bound(
        &mut self,
        name: &str,
        text: Option<&'a str>,
        first: Quantity,
        default: Quantity,
    ) -> Option<Quantity> {
        let Some(text) = text else { return Some(default) };
        let bound = self.given(name, text)?;
        if bound.is_like(first) {
            return Some(bound);
        }
        let begin = self.sources.push(name.to_owned(), text);
        let title =
            format!("\"{text}\" has another unit than {first}, with which the search begins");
        let help = "write it in the same unit";
        self.problems.error(begin..begin + text.len(), title, help);
        None
    }

    /// The value that the scenario itself gives to the key.
    fn own(
        &mut self,
        root: &toml::de::DeTable<'a>,
        path: &[String],
        listed: Option<Value<'a>>,
        span: std::ops::Range<usize>,
        over: &str,
    ) -> Option<Quantity> {
        let mut values = table::lookup(root, path);
        values.extend(listed.as_ref());
        let texts: Vec<_> = values.iter().map(|v| sweep::text_of(v, &self.sources)).collect();
        let (Some(first), Some(value)) = (texts.first(), values.first()) else {
            self.problems.error(
                span,
                format!("the scenario does not set `{over}`: there is no value to begin with"),
                "write --from VALUE; loadgen schema lists the keys that there are",
            );
            return None;
        };
        if let Some(other) = texts.iter().find(|text| *text != first) {
            let title = format!("loads differ in `{over}`: {first} and {other}");
            self.problems.error(
                span,
                title,
                "name one load, as in load.NAME.rate, or write --from VALUE",
            );
            return None;
        }
        let place = value.span();
        let parsed = first.parse();
        parsed.map_err(|error: crate::units::UnitError| self.tell(place, &error.to_string())).ok()
    }

    fn tell(&mut self, span: std::ops::Range<usize>, error: &str) {
        let (title, help) = error.split_once(": ").unwrap_or((error, ""));
        self.problems.error(span, title, help);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "name = \"x\"\n[target]\naccept = \"asap\"\n[[load]]\nrate = \"500/s\"\n\
                        attempts = 40\n[[load]]\nrate = \"700/s\"\nattempts = 40\n";

    fn of<'s>(over: &'s str) -> Start<'s> {
        Start { over, ..Start::default() }
    }

    fn told(text: &str, wanted: &Start<'_>) -> String {
        start(text, "s.toml", &[], wanted).expect_err("wrong").render(false)
    }

    #[test]
    fn a_search_begins_with_the_scenarios_own_value() {
        let [first, least, most] = start(TEXT, "s.toml", &[], &of("load.attempts")).expect("there");
        assert_eq!([first, least, most].map(|q| q.to_string()), ["40", "1", "2147483647"]);
        let [first, ..] = start(TEXT, "s.toml", &[], &of("load.load-2.rate")).expect("there");
        assert_eq!(first.to_string(), "700/s");
        let changes = [Change::set(1, "load.rate=90/min")];
        let [first, ..] = start(TEXT, "s.toml", &changes, &of("load.rate")).expect("changed");
        assert_eq!(first.to_string(), "1.5/s");
        let swept = format!("{TEXT}[sweep]\ntarget.backlog = [5, 128]\n");
        let [first, ..] = start(&swept, "s.toml", &[], &of("target.backlog")).expect("listed");
        assert_eq!(first.to_string(), "5");
        let bounds = Start { from: Some("2s"), most: Some("1min"), ..of("load.duration") };
        let found = start(TEXT, "s.toml", &[], &bounds).expect("given").map(|q| q.to_string());
        assert_eq!(found, ["2s", "1ns", "60s"]);
    }

    #[test]
    fn what_cannot_be_searched_over_is_told_with_its_place() {
        for (over, parts) in [
            ("target.accept", vec!["s.toml:3", "\"asap\" is no number"]),
            ("load.rate", vec!["--over", "loads differ", "500/s and 700/s", "load.NAME.rate"]),
            ("target.backlog", vec!["does not set `target.backlog`", "--from"]),
            ("seed", vec!["`seed` is one for all cells"]),
            ("lode.rate", vec!["there is no `lode`", "did you mean `load`"]),
            ("load..rate", vec!["not the path of a key"]),
        ] {
            let told = told(TEXT, &of(over));
            for part in parts {
                assert!(told.contains(part), "{over}: {part}: {told}");
            }
        }
        let other = told(TEXT, &Start { from: Some("5ms"), most: Some("9/s"), ..of("load.rate") });
        assert!(other.contains("--max") && other.contains("another unit"), "{other}");
        let outside =
            told(TEXT, &Start { from: Some("50"), most: Some("9"), ..of("load.attempts") });
        assert!(outside.contains("outside of 1 to 9"), "{outside}");
        let crossed = Start { least: Some("60"), most: Some("9"), ..of("load.attempts") };
        let crossed = told(TEXT, &crossed);
        assert!(crossed.contains("between --min 60 and --max 9"), "{crossed}");
        let below = told(TEXT, &Start { from: Some("-5/s"), ..of("load.rate") });
        assert!(below.contains("a value above 0"), "{below}");
        let swept = format!("{TEXT}[sweep]\ntarget.backlog = [5, 128]\n");
        let two = told(&swept, &of("load.attempts"));
        assert!(two.contains("s.toml:11") && two.contains("--set target.backlog"), "{two}");
    }
}
