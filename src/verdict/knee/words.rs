//! What a search says in the end: its edges, and how sure they are.

use super::{Edges, Search, State, Tried};
use crate::measure::result::{Direction, KneeResult, Status, Verdict};

/// Enters what the search says so far; `text` writes a value as the scenario would.
pub fn conclude(knee: &mut KneeResult, search: &Search, text: impl Fn(f64) -> String) {
    knee.direction = search.direction();
    let edges = search.edges();
    let rising = knee.direction != Some(Direction::Falling);
    // Without an edge, the hardest value that held, or the easiest that broke, is what is known.
    let outermost = |state: State, hardest: bool| {
        let mut found = search.tried().iter().filter(|tried| tried.state() == state);
        let one = if hardest == rising { found.next_back() } else { found.next() };
        one.map(|tried| tried.value)
    };
    knee.holds = match &edges {
        Some(edges) => Some(edges.holds.value),
        None => outermost(State::Holds, true),
    }
    .map(&text);
    knee.breaks = match &edges {
        Some(edges) => Some(edges.breaks.value),
        None => outermost(State::Breaks, false),
    }
    .map(&text);
    knee.converged = edges.as_ref().is_some_and(|edges| converged(search, edges));
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
        (Some(_), Some(_)) if knee.converged => Verdict::Pass,
        (Some(holds), Some(breaks)) => Verdict::Inconclusive {
            reasons: vec![format!(
                "the knee lies between {holds} and {breaks}, and the search ended before that was \
                 close enough: {}",
                knee.confidence
            )],
        },
        _ => Verdict::Inconclusive { reasons: vec![format!("no knee: {}", knee.confidence)] },
    }
}

/// Whether the edges are as close as was asked, or as runs that differ let them be, and were tried as
/// often.
fn converged(search: &Search, edges: &Edges<'_>) -> bool {
    let (first, waver) = (edges.holds.value, edges.wavers.value);
    let (low, high) = (first.min(waver), first.max(waver));
    let ask = search.ask();
    let close = high <= low * (1.0 + ask.within * 1.001) || ask.whole && high - low <= 1.0;
    let often = |tried: &Tried| {
        let (held, broke) = tried.tally();
        held + broke >= ask.repeats
    };
    close && often(edges.holds) && often(edges.breaks)
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
