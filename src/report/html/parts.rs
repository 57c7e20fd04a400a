//! What every part of a page is made of: tables that scroll in a box of their own, folded parts, facts.

use maud::{Markup, Render, html};

use crate::measure::result::CellResult;
use crate::report::terminal;

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub enum Column<'n> {
    /// Short texts, which are not broken.
    Text(&'n str),
    /// Sentences.
    Long(&'n str),
    /// Numbers.
    Number(&'n str),
}

impl<'n> Column<'n> {
    fn name(self) -> &'n str {
        match self {
            Self::Text(name) | Self::Long(name) | Self::Number(name) => name,
        }
    }

    fn class(self) -> Option<&'static str> {
        match self {
            Self::Text(_) => None,
            Self::Long(_) => Some("long"),
            Self::Number(_) => Some("num"),
        }
    }
}

/// A row of a table: what it is about, then its values.
#[derive(Debug)]
pub struct Row {
    cells: Vec<Markup>,
    /// Whether something is wrong with it.
    marked: bool,
}

impl Row {
    /// A row whose first cell names it.
    pub fn new<const N: usize>(cells: [Markup; N]) -> Self {
        Self { cells: cells.into(), marked: false }
    }

    /// The row, marked where something is wrong with it.
    pub fn marked(self, marked: bool) -> Self {
        Self { marked, ..self }
    }

    /// The row with one more value.
    pub fn with(mut self, cell: Markup) -> Self {
        self.cells.push(cell);
        self
    }
}

/// A table; without rows nothing.
pub fn table(caption: &str, columns: &[Column], rows: Vec<Row>) -> Markup {
    let class = |index: usize| columns.get(index).and_then(|column| column.class());
    html! {
        @if !rows.is_empty() {
            div.scroll tabindex="0" role="region" aria-label=(caption) {
                table {
                    caption { (caption) }
                    thead { tr { @for column in columns {
                        th scope="col" class=[column.class()] { (column.name()) }
                    } } }
                    tbody { @for row in &rows {
                        tr class=[row.marked.then_some("mark")] {
                            @for (index, cell) in row.cells.iter().enumerate() {
                                @if index == 0 {
                                    th scope="row" class=[class(index)] { (cell) }
                                } @else {
                                    td class=[class(index)] { (cell) }
                                }
                            }
                        }
                    } }
                }
            }
        }
    }
}

/// Any text, escaped.
pub fn text(value: impl std::fmt::Display) -> Markup {
    html! { (value.to_string()) }
}

/// A share from 0 to 1 as a number, with a bar.
pub fn share(share: f64) -> Markup {
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    html! {
        (percent(share))
        span.track aria-hidden="true" {
            span.share style={ "width:" (format!("{:.1}", share * 100.0)) "%" } {}
        }
    }
}

/// A share as text: none of what is there becomes 0 %, and not quite all never 100 %.
pub fn percent(share: f64) -> String {
    match share * 100.0 {
        0.0 => "0 %".to_owned(),
        100.0 => "100 %".to_owned(),
        ..0.01 => "<0.01 %".to_owned(),
        99.99.. => ">99.99 %".to_owned(),
        some @ (..1.0 | 99.0..) => format!("{some:.2} %"),
        some => format!("{some:.1} %"),
    }
}

/// `count / all`, 0 where there is nothing.
pub fn ratio(count: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { count as f64 / all as f64 }
}

/// A latency, or that the cell did not resolve it.
pub fn latency(nanos: u64, cell: &CellResult) -> String {
    terminal::resolved(nanos, cell.validity.resolution)
}

/// Facts, each with its name.
pub fn facts(facts: Vec<(&str, Markup)>) -> Markup {
    html! {
        @if !facts.is_empty() {
            dl.facts { @for (name, value) in &facts { dt { (name) } dd { (value) } } }
        }
    }
}

/// A part that is folded until it is wanted.
pub fn folded(summary: &str, body: Markup) -> Markup {
    html! { details { summary { (summary) } (body) } }
}

/// A heading below `h2`: level 3, 4 within a cell of several, or 5 within a run of a side.
pub fn heading(level: u8, words: impl Render) -> Markup {
    html! {
        @match level {
            ..=3 => h3 { (words) },
            4 => h4 { (words) },
            _ => h5 { (words) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_never_rounded_to_none_or_all() {
        let texts = [0.0, 1e-9, 0.005, 0.25, 0.9999999, 1.0].map(percent);
        assert_eq!(texts, ["0 %", "<0.01 %", "0.50 %", "25.0 %", ">99.99 %", "100 %"]);
        assert_eq!(ratio(3, 0), 0.0);
    }

    #[test]
    fn a_table_names_its_columns_and_rows() {
        let rows = vec![Row::new([text("<b>"), text(7)]).marked(true)];
        let made = table("few", &[Column::Text("what"), Column::Number("n")], rows).into_string();
        assert!(
            made.contains("<th scope=\"row\">&lt;b&gt;</th><td class=\"num\">7</td>"),
            "{made}"
        );
        assert!(made.contains("<th scope=\"col\" class=\"num\">n</th>"), "{made}");
        assert!(table("none", &[], vec![]).into_string().is_empty());
    }
}
