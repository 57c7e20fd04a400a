//! Backlog cards beside each other as a page.

use maud::{Markup, html};

use super::figures::figure;
use super::framed;
use super::parts::{Column, Row, table, text};
use crate::report::card::{clean, found_at, telling, title};
use crate::report::picture::{self, HEIGHT};
use crate::report::text::letter;
use crate::verdict::cards::{self, Comparison, Kind, Line};

/// The page of a comparison; what is equal is folded, and open where `all`.
pub fn page(found: &Comparison, all: bool) -> Vec<u8> {
    let count = |kind| found.count(kind);
    let header = html! {
        p.kicker { "loadgen comparison" }
        h1 { (found.cards.len()) " backlog cards" }
        p.lead {
            (count(Kind::Different)) " values differ, " (count(Kind::Within))
            " within the uncertainty; " (count(Kind::Lacking)) " are not in every card; "
            (count(Kind::Same)) " are equal."
        }
    };
    let named: Vec<_> =
        found.cards.iter().enumerate().map(|(n, card)| (letter(n), *card)).collect();
    let sketch = picture::cards(&named);
    let main = html! {
        (made(found))
        (part(found, Kind::Different, "differences", "Differences"))
        section id="picture" {
            h2 { "At a glance" }
            (figure(&sketch, HEIGHT, "cards", "What differs is in the table of differences."))
        }
        (part(found, Kind::Within, "within", "Differences within the uncertainty"))
        (part(found, Kind::Lacking, "lacking", "Not in every card"))
        section id="equal" {
            h2 { "Equal" }
            details open[all] {
                summary { (count(Kind::Same)) " values are equal" }
                (lines(found, Kind::Same))
            }
        }
    };
    let origin = "Made by loadgen from the cards' card.json files alone.";
    let page = framed("Backlog cards · loadgen", header, main, "To the differences", origin);
    page.into_string().into_bytes()
}

/// What is compared, and in what it was not made alike.
fn made(found: &Comparison) -> Markup {
    let rows = found.cards.iter().enumerate().map(|(index, card)| {
        Row::new([
            text(letter(index)),
            text(clean(&card.system)),
            text(clean(&card.environment.started_at)),
            text(clean(&card.environment.kernel)),
            text(cards::depth(card.depth)),
            text(cards::methods(card.methods)),
            text(clean(&cards::place(&card.place))),
        ])
    });
    let columns = [
        Column::Text("card"),
        Column::Text("system"),
        Column::Text("made"),
        Column::Long("kernel"),
        Column::Text("depth"),
        Column::Text("methods"),
        Column::Long("place"),
    ];
    html! {
        section id="cards" {
            h2 { "The cards" }
            (table("What is compared", &columns, rows.collect()))
            @for (what, each) in &found.unlike {
                p.doubt {
                    "Not made alike: " strong { (what) } " ("
                    @for (index, told) in each.iter().enumerate() {
                        @if index > 0 { "; " }
                        (letter(index)) ": " (clean(told))
                    }
                    ")"
                }
            }
        }
    }
}

fn part(found: &Comparison, kind: Kind, id: &str, heading: &str) -> Markup {
    html! {
        section id=(id) {
            h2 { (heading) }
            @if found.count(kind) == 0 { p { "None." } }
            (lines(found, kind))
        }
    }
}

fn lines(found: &Comparison, kind: Kind) -> Markup {
    let titles: Vec<_> = found
        .cards
        .iter()
        .enumerate()
        .map(|(n, card)| format!("{}: {}", letter(n), title(card)))
        .collect();
    let mut columns = vec![Column::Text("experiment"), Column::Text("value")];
    columns.extend(titles.iter().map(|title| Column::Long(title)));
    let rows = found.of(kind).map(row).collect();
    let caption = match kind {
        Kind::Different => "Values that differ",
        Kind::Within => "Values that differ by no more than can be told",
        Kind::Lacking => "Values that a card has not, and why",
        Kind::Same => "Values that are equal in all cards",
    };
    table(caption, &columns, rows)
}

fn row(line: &Line) -> Row {
    let remark = found_at(line);
    let head = html! {
        (clean(&line.key.id))
        @if !remark.is_empty() { br; span.faint { (remark) } }
    };
    let mut row = Row::new([head, text(clean(&line.key.name))]);
    for (index, told) in line.told.iter().enumerate() {
        row = row.with(match line.shown(index) {
            Some(value) => text(clean(&value)),
            None => html! { span.faint { (telling(told)) } },
        });
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn differences_come_before_what_is_equal() {
        let (linux, mut gvisor) = (sample::linux_card(), sample::gvisor_card());
        gvisor.system = "<script>\u{1b}".to_owned();
        let found = cards::compare(&[&linux, &gvisor]);
        let text = String::from_utf8(page(&found, false)).expect("text");
        let at = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part}"));
        assert!(at("1000 -&gt; 129") < at("Not in every card"));
        assert!(at("setsockopt(TCP_DEFER_ACCEPT) had no effect") < at("id=\"equal\""));
        assert!(at("id=\"equal\"") < at("first in first out"));
        assert!(text.contains("Not made alike: <strong>depth</strong>"));
        assert!(
            !text.contains("<script")
                && !text.contains('\u{1b}')
                && !text.contains("<details open")
        );
        let open = String::from_utf8(page(&found, true)).expect("text");
        assert!(open.contains("<details open"));
    }
}
