//! One run of a value: whether the limit held in it.

use crate::measure::result::{CellResult, Status};
use crate::scenario::plan::Limit;
use crate::verdict::{Judged, judge, sampler_lossy};

/// What one run says.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// Whether the limit held; `None` where this run cannot tell.
    pub holds: Option<bool>,
    /// Why it cannot.
    pub doubt: Option<String>,
    /// What was measured, as text.
    pub measured: Option<String>,
    /// The same as a number: nanoseconds, a count, or a share from 0 to 1.
    pub figure: Option<f64>,
}

impl Trial {
    /// The judgement of a cell. A limit on a metric of several loads holds where each of them does.
    /// What makes it doubtful is among the cell's reasons then.
    pub fn judged(limit: &Limit, cell: &mut CellResult) -> Self {
        let judged = judge(limit, cell);
        cell.validity.reasons.extend(judged.iter().filter_map(|one| one.distrust.clone()));
        let is = |wanted: Option<bool>| judged.iter().find(|one| one.result.holds == wanted);
        let decides = is(Some(false)).or(is(None)).or(is(Some(true)));
        let doubt = doubt(cell, decides);
        Self {
            holds: decides.filter(|_| doubt.is_none()).and_then(|one| one.result.holds),
            doubt,
            measured: decides.and_then(|one| one.result.measured.clone()),
            figure: decides.and_then(|one| one.value),
        }
    }
}

fn doubt(cell: &CellResult, decides: Option<&Judged>) -> Option<String> {
    // No limit judges the samples of a queue: that they are few is no reason to doubt a judgement.
    let sampler = cell.target.sampler.as_ref();
    let few = sampler.and_then(|sampler| sampler_lossy(sampler.lost, sampler.ticks));
    let matters = |reason: &&String| few.as_ref() != Some(*reason);
    if let Some(reason) = cell.validity.reasons.iter().find(matters) {
        return Some(reason.clone());
    }
    if let Status::Partial { reason } = &cell.status {
        return Some(reason.clone());
    }
    match decides {
        Some(one) if one.result.holds.is_some() => None,
        Some(one) if one.result.measured.is_some() => {
            Some("the run does not resolve so low a latency".to_owned())
        }
        _ => Some("nothing was measured that the limit judges".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use crate::scenario::plan::{Bound, Comparison, Subject};

    fn limit(counter: &str) -> Limit {
        let subject = Subject::Counter(counter.to_owned());
        Limit { subject, comparison: Comparison::Equal, bound: Bound::Count(0.0) }
    }

    #[test]
    fn a_run_holds_breaks_or_cannot_tell() {
        let mut cell = sample::backlog().cells.remove(0);
        let overflows = cell.counter("ListenOverflows").expect("a counter") as f64;
        let trial = Trial::judged(&limit("ListenOverflows"), &mut cell);
        assert_eq!((trial.holds, trial.figure), (Some(false), Some(overflows)));
        let absent = Trial::judged(&limit("NoSuchCounter"), &mut cell);
        assert_eq!(absent.holds, None);
        assert!(absent.doubt.expect("why").contains("nothing was measured"));
        cell.validity.reasons.push("the generator was late".to_owned());
        let late = Trial::judged(&limit("ListenOverflows"), &mut cell);
        assert_eq!((late.holds, late.figure), (None, Some(overflows)));
        assert_eq!(late.doubt.as_deref(), Some("the generator was late"));
        let sampler = cell.target.sampler.as_mut().expect("a sampler");
        (sampler.lost, sampler.ticks) = (500, 1000);
        let few = sampler_lossy(sampler.lost, sampler.ticks).expect("half is too much");
        cell.validity.reasons = vec![few];
        let blind = Trial::judged(&limit("ListenOverflows"), &mut cell);
        assert_eq!(blind.holds, Some(false), "the counter is the kernel's");
    }
}
