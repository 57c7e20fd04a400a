//! What a search says in the end: its edges, and how sure they are.

use super::{Edges, Search, State, Tried};
use crate::measure::result::{Direction, KneeResult, Status, Verdict};

/// Enters what the search says so far; `text` writes a value as the scenario would.
pub fn conclude(knee: &mut KneeResult, search: &Search, text: impl Fn(f64) -> String) {
    knee.direction = search.direction();
    let edges = search.edges();
    knee.holds = edges.map(|edges| text(edges.holds.value));
    knee.breaks = edges.map(|edges| text(edges.breaks.value));
    knee.confidence = match &edges {
        Some(edges) => sure(search, edges, &text),
        None => none(knee, search, &text),
    };
    knee.notes.retain(|note| !note.starts_with(OUT_OF_ORDER));
    let odd: Vec<_> = search.out_of_order().into_iter().map(&text).collect();
    if !odd.is_empty() {
        let odd = odd.join(", ");
        knee.notes.push(format!(
            "{OUT_OF_ORDER}: it held at {odd} as well, beyond a value at which it broke each time; \
             the edge named is the first one"
        ));
    }
}

const OUT_OF_ORDER: &str = "the limit does not break once and for all";

/// The judgement over a search: a knee found is a pass.
pub fn verdict(knee: &KneeResult, status: &Status) -> Verdict {
    if let Status::Partial { reason } = status {
        return Verdict::Inconclusive { reasons: vec![format!("the search is partial: {reason}")] };
    }
    match (&knee.holds, &knee.breaks) {
        (Some(_), Some(_)) => Verdict::Pass,
        _ => Verdict::Inconclusive { reasons: vec![format!("no knee: {}", knee.confidence)] },
    }
}

/// The share of runs that may break at a value although `runs` in a row held there, with 95 %
/// confidence: the largest `p` with `(1 - p)^runs >= 5 %` (Clopper and Pearson).
fn may_break(runs: usize) -> f64 {
    1.0 - 0.05f64.powf(1.0 / runs.max(1) as f64)
}

fn sure(search: &Search, edges: &Edges<'_>, text: &impl Fn(f64) -> String) -> String {
    let (held, _) = edges.holds.tally();
    let (_, broke) = edges.breaks.tally();
    let (first, last) = (edges.holds.value, edges.breaks.value);
    let mut words = format!(
        "held in {held} of {held} runs at {}, broke in {broke} of {broke} at {}",
        text(first),
        text(last)
    );
    let (low, high) = (first.min(last), first.max(last));
    let between = |tried: &&Tried| low < tried.value && tried.value < high;
    for (state, what) in [
        (State::Mixed, "some runs held and some broke"),
        (State::Breaks, "the runs that were made broke"),
        (State::Unclear, "no run could tell"),
    ] {
        let values = search.tried().iter().filter(between).filter(|tried| tried.state() == state);
        let values: Vec<_> = values.map(|tried| text(tried.value)).collect();
        if !values.is_empty() {
            words.push_str(&format!("; between them, at {}, {what}", values.join(", ")));
        }
    }
    let (ask, apart) = (search.ask(), high / low - 1.0);
    let neighbours = ask.whole && high - low <= 1.0;
    if apart > ask.within * 1.001 && !neighbours {
        words.push_str(&format!("; these are {:.1} % apart", apart * 100.0));
    }
    if search.is_spent() {
        words.push_str(&format!("; the search ended after {} runs", ask.most_runs));
    }
    words.push_str(&format!(
        ". Up to {:.0} % of runs at {} may break all the same (95 % confidence)",
        may_break(held) * 100.0,
        text(first)
    ));
    words
}

/// Why there are no edges.
fn none(knee: &KneeResult, search: &Search, text: &impl Fn(f64) -> String) -> String {
    let of = |state: State| search.tried().iter().filter(move |tried| tried.state() == state);
    let ends = |state: State| {
        let mut values = of(state).map(|tried| tried.value);
        let first = values.next();
        first.map(|first| (first, values.next_back().unwrap_or(first)))
    };
    let range = |(low, high): (f64, f64)| match low == high {
        true => format!("at {}", text(low)),
        false => format!("from {} to {}", text(low), text(high)),
    };
    let doubt = || knee.steps.iter().rev().find_map(|step| step.doubt.clone()).unwrap_or_default();
    let unclear = ends(State::Unclear).map(|ends| {
        format!(
            "no run could tell {}: {}. That is a limit of the generator or of the machine, not of the \
             target",
            range(ends),
            doubt()
        )
    });
    let ended = match search.is_spent() {
        true => format!("the search ended after {} runs", search.ask().most_runs),
        false => "begin elsewhere with --from, or go further with --max or --min".to_owned(),
    };
    let mut words = match (ends(State::Holds), ends(State::Breaks)) {
        (Some(held), None) => vec![format!("the limit held {}", range(held))],
        (None, Some(broke)) => vec![format!("the limit broke {}", range(broke))],
        (Some(held), Some(broke)) => {
            let falling = search.direction() == Some(Direction::Falling);
            let side = if falling { "low" } else { "high" };
            vec![format!(
                "the limit held {} and broke {}, which is not what a limit does that {side} values break",
                range(held),
                range(broke)
            )]
        }
        (None, None) if search.tried().is_empty() => vec!["nothing was tried".to_owned()],
        (None, None) => Vec::new(),
    };
    match unclear {
        Some(unclear) => words.push(unclear),
        None => words.push(ended),
    }
    words.join("; ")
}
