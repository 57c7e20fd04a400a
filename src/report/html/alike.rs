//! Findings of one kind in several cells, as one.

use crate::measure::result::{CellResult, Finding};

/// A finding in the cell in which it weighs most, and its like in the others.
#[derive(Debug)]
pub struct Alike<'r> {
    /// The one that is told.
    pub first: (&'r CellResult, &'r Finding),
    /// The others, in the order of the cells.
    pub others: Vec<(&'r CellResult, &'r Finding)>,
}

/// Every finding of the cells, each kind once, the one with the largest impact first.
pub fn alike(cells: &[CellResult]) -> Vec<Alike<'_>> {
    let mut kinds: Vec<(String, Vec<(&CellResult, &Finding)>)> = Vec::new();
    for (cell, found) in cells.iter().flat_map(|c| c.findings.iter().map(move |f| (c, f))) {
        let kind = kind(&found.text);
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, list)) => list.push((cell, found)),
            None => kinds.push((kind, vec![(cell, found)])),
        }
    }
    let mut all: Vec<_> = kinds.into_iter().filter_map(|(_, list)| gathered(list)).collect();
    // Findings of one cell are in order already, and stay so.
    all.sort_by(|a, b| b.first.1.impact.total_cmp(&a.first.1.impact));
    all
}

fn gathered<'r>(mut list: Vec<(&'r CellResult, &'r Finding)>) -> Option<Alike<'r>> {
    let weight = |at: &usize| list.get(*at).map_or(0.0, |(_, found)| found.impact);
    // Of several that weigh the same, the first.
    let most = (0..list.len()).rev().max_by(|a, b| weight(a).total_cmp(&weight(b)))?;
    let first = list.remove(most);
    Some(Alike { first, others: list })
}

/// What a sentence says without its figures: two of one kind differ in nothing else before the first
/// colon or full stop. What stands in brackets is detail.
fn kind(text: &str) -> String {
    let ends = [": ", ". "].iter().filter_map(|end| text.find(end)).min();
    let begin = &text[..ends.unwrap_or(text.len())];
    let mut depth = 0usize;
    let plain: String = begin
        .chars()
        .filter(|c| {
            depth += usize::from(*c == '(');
            let inside = depth > 0;
            depth = depth.saturating_sub(usize::from(*c == ')'));
            !inside
        })
        .collect();
    let words = plain.split_whitespace();
    let words = words.filter(|word| !word.contains(|c: char| c.is_ascii_digit()));
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn finding(text: &str, impact: f64) -> Finding {
        Finding { text: text.into(), evidence: "e".into(), remedy: String::new(), impact }
    }

    #[test]
    fn a_kind_is_its_sentence_without_figures() {
        let one = "412 of 1,800 attempts (23 %) met a full accept queue: the kernel dropped 5.";
        let other = "7 of 90 attempts (7.8 %) met a full accept queue: the kernel did not.";
        let lost = "7 of 90 attempts (7.8 %) lost a packet in the network (7 data), and took 1.2s.";
        assert_eq!(kind(one), kind(other));
        assert_eq!(kind(one), "of attempts met a full accept queue");
        assert_ne!(kind(one), kind(lost));
        assert_eq!([kind(""), kind(")("), kind("1 (2 (3) 4")], ["", ")", ""]);
    }

    #[test]
    fn a_kind_is_told_where_it_weighs_most() {
        let mut run = sample::sweep(&[5, 50, 500]);
        for (cell, impact) in run.cells.iter_mut().zip([0.2, 0.7, 0.1]) {
            cell.findings = vec![
                finding(&format!("{impact} of 9 attempts waited: long."), impact),
                finding("Only settings.", 0.0),
            ];
        }
        let found = alike(&run.cells);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(found[0].first.1.impact, 0.7);
        let others: Vec<_> = found[0].others.iter().map(|(_, one)| one.impact).collect();
        assert_eq!(others, [0.2, 0.1]);
        assert_eq!(found[1].first.0.name, run.cells[0].name, "the first of several alike");
    }
}
