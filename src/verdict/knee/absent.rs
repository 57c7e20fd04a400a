//! A limit on what a run does not have at all: no value of the key would change that.

use std::collections::BTreeSet;

use crate::measure::result::CellResult;
use crate::scenario::plan::{Limit, Subject};

/// Why a search for this limit is in vain, and what can be asked for instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absent {
    /// What the limit asks for.
    pub name: String,
    /// In a sentence.
    pub title: String,
    /// Names that this run has; none where nothing of the kind can be read here.
    pub there: Vec<String>,
}

/// What a whole run lacks of that which the limit judges; `None` where it has it.
pub fn absent(limit: &Limit, cell: &CellResult) -> Option<Absent> {
    match &limit.subject {
        Subject::Counter(name) if cell.counter(name).is_none() => {
            let here = cell.counters.iter().filter(|counter| counter.namespace == "target");
            let there: BTreeSet<_> = here.map(|counter| counter.counter.clone()).collect();
            let title = match there.is_empty() {
                true => format!("counters.{name}: no counter of the target can be read from here"),
                false => format!("the target's kernel has no counter `{name}`"),
            };
            Some(Absent { name: name.clone(), title, there: there.into_iter().collect() })
        }
        Subject::Metric { load, metric, .. } => {
            let here = cell.metrics.iter();
            let here = here.filter(|one| load.as_ref().is_none_or(|load| *load == one.load));
            let there: BTreeSet<_> =
                here.filter(|one| one.summary.count > 0).map(|one| one.metric.name()).collect();
            (!there.contains(metric.as_str())).then(|| Absent {
                name: metric.clone(),
                title: format!("`{metric}` was not measured in the first run"),
                there: there.into_iter().map(str::to_owned).collect(),
            })
        }
        Subject::Class { .. } if cell.classes.is_none() => {
            Some(nothing_of(limit, "this run has no classes"))
        }
        Subject::Loss(_) if cell.datagrams.is_none() => {
            Some(nothing_of(limit, "this run has no datagrams"))
        }
        _ => None,
    }
}

fn nothing_of(limit: &Limit, title: &str) -> Absent {
    Absent { name: limit.subject.to_string(), title: title.to_owned(), there: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use crate::scenario::plan::{Bound, Comparison, Statistic};

    fn limit(subject: Subject) -> Limit {
        Limit { subject, comparison: Comparison::Equal, bound: Bound::Count(0.0) }
    }

    fn metric(name: &str) -> Limit {
        let (load, statistic) = (None, Statistic::Max);
        limit(Subject::Metric { load, metric: name.to_owned(), statistic })
    }

    #[test]
    fn what_a_run_does_not_have_is_told_with_what_it_has() {
        let mut cell = sample::backlog().cells.remove(0);
        let counter = |name: &str| limit(Subject::Counter(name.to_owned()));
        assert_eq!(absent(&counter("ListenOverflows"), &cell), None);
        let odd = absent(&counter("ListenOverflow"), &cell).expect("no such counter");
        assert!(odd.title.contains("no counter `ListenOverflow`"), "{odd:?}");
        assert!(odd.there.contains(&"ListenOverflows".to_owned()), "{odd:?}");
        assert_eq!(absent(&metric("connect"), &cell), None);
        let odd = absent(&metric("rtt"), &cell).expect("no datagrams here");
        assert!(odd.title.contains("`rtt` was not measured"), "{odd:?}");
        assert!(odd.there.contains(&"connect".to_owned()), "{odd:?}");
        cell.counters.clear();
        let none = absent(&counter("ListenOverflows"), &cell).expect("none at all");
        assert!(none.there.is_empty() && none.title.contains("can be read from here"), "{none:?}");
    }
}
