//! `udp_loss.png`: when and where datagrams were lost, how full the receive buffer was then, and how
//! many were lost one after the other; one column a cell.

use super::datagrams::{PLACES, Series, Values, across, highest, queue, time, timed};
use super::page::{Align, FAINT, INK, Page};
use super::palette::VERMILLION;
use super::panel::Panel;
use super::scale::Scale;
use super::strips::{self, Marks, Strip};
use super::{COLUMNS, Drawn, Sketch};
use crate::measure::result::{CellResult, RunResult};
use crate::measure::{Metric, decode, empty};
use crate::report::text::thousands;

/// Lengths up to this have a bar each; longer ones share a bar with their neighbours.
const SINGLE: u64 = 10;
/// Bars a decade beyond.
const BARS: f64 = 8.0;

/// The picture.
pub fn sketch(result: &RunResult) -> Sketch<'_> {
    let all: Vec<_> = result.cells.iter().filter(|cell| cell.datagrams.is_some()).collect();
    let more = match all.len() {
        0..=COLUMNS => String::new(),
        all => format!(" · first {COLUMNS} of {all} cells"),
    };
    let cells: Vec<_> = all.into_iter().take(COLUMNS).collect();
    of_cells(&result.scenario.name, &cells, &more)
}

/// The picture of some cells.
pub fn of_cells<'r>(scenario: &str, cells: &[&'r CellResult], remark: &str) -> Sketch<'r> {
    let title = format!("{scenario}: where datagrams were lost, and when");
    let column = if cells.len() > 1 { "one column a cell; " } else { "" };
    let note = format!("{column}losses stacked by cause{remark}");
    let cells = cells.to_vec();
    Sketch::new(title, note, move |page| body(page, &cells))
}

fn body(page: &Page, cells: &[&CellResult]) -> Drawn {
    let series = Series::of(page, cells);
    let names: Vec<_> = series.iter().map(|one| one.name).collect();
    let bursts: Vec<_> = cells.iter().map(|cell| Bursts::of(cell)).collect();
    let mut rows = vec![losses(page, &series)];
    rows.extend(queue(&series));
    timed(&mut rows);
    rows.extend(distribution(&bursts));
    strips::draw(page, &names, &rows)
}

/// The row of losses by cause.
fn losses<'a>(page: &'a Page, series: &'a [Series]) -> Strip<'a> {
    let stacks: Vec<Vec<Values>> = series.iter().map(stack).collect();
    let whole = highest(stacks.iter().flatten());
    let lossy = |place: usize| highest(series.iter().map(|one| &one.lost[place])) > 0.0;
    let present = PLACES.iter().enumerate().filter(|(place, _)| lossy(*place));
    let legend = present.map(|(_, place)| (place.name, place.colour));
    let scale = Scale::from_zero(whole);
    Strip {
        heading: [("Lost, per second:", INK)].into_iter().chain(legend).collect(),
        x: time(series),
        across: across(series.len()),
        below: None,
        y: vec![scale; series.len()],
        marks: Marks::Counts,
        plot: Box::new(move |column, panel| {
            let one = &series[column];
            for (values, place) in stacks[column].iter().zip(PLACES).rev() {
                panel.bars(one.step, values, place.colour, 1.0)?;
            }
            timeless(page, panel, one, highest(&stacks[column]) > 0.0)
        }),
    }
}

/// Says how many were lost at an instant that nobody knows.
fn timeless(page: &Page, panel: &Panel, one: &Series, drawn: bool) -> Drawn {
    match (one.timeless, drawn) {
        (0, false) => panel.words("nothing was lost"),
        (0, true) => Ok(()),
        (count, false) => panel.words(&format!("{} lost, nobody knows when", thousands(count))),
        (count, true) => {
            let text = format!("and {} nobody knows when", thousands(count));
            let at = (panel.frame.right - 8, panel.frame.top + 22);
            page.label(at, Align::Right, &text, false, FAINT)
        }
    }
}

/// For each place what was lost there and before; nothing where nothing was lost there.
fn stack(one: &Series) -> Vec<Values> {
    let mut sums = vec![0.0; one.sent.len()];
    let mut stacked = |place: &Values| -> Values {
        let steps = sums.iter_mut().zip(place);
        let raised = steps.map(|(sum, here)| {
            *sum += here.unwrap_or(0.0);
            here.filter(|here| *here > 0.0).map(|_| *sum)
        });
        raised.collect()
    };
    one.lost.iter().map(&mut stacked).collect()
}

/// How many loss bursts were how long.
struct Bursts {
    /// (from, to, bursts) of each bar, `from` and `to` being in datagrams.
    bars: Vec<(f64, f64, u64)>,
    lost: bool,
}

impl Bursts {
    fn of(cell: &CellResult) -> Self {
        let mut all = empty();
        let metrics = cell.metrics.iter().filter(|m| m.metric == Metric::LossBurst);
        for histogram in metrics.filter_map(|m| decode(&m.histogram)) {
            // Decoded histograms have one shape, so that adding cannot fail.
            let _ = all.add(&histogram);
        }
        let mut bars: Vec<(f64, f64, u64)> = Vec::new();
        for value in all.iter_recorded() {
            let (from, to) = bar(value.value_iterated_to());
            match bars.last_mut().filter(|last| last.0 == from) {
                Some(last) => last.2 += value.count_at_value(),
                None => bars.push((from, to, value.count_at_value())),
            }
        }
        Self { bars, lost: cell.datagrams.as_ref().is_some_and(|ledger| ledger.lost > 0) }
    }
}

/// The ends of the bar that has bursts of this length.
fn bar(length: u64) -> (f64, f64) {
    if length <= SINGLE {
        return (length as f64 - 0.5, length as f64 + 0.5);
    }
    // Between two lengths, so that each is in one bar.
    let edge = |number: u32| {
        let length = SINGLE as f64 * 10f64.powf(f64::from(number) / BARS);
        length.floor() + 0.5
    };
    let mut number = 0;
    while edge(number + 1) < length as f64 {
        number += 1;
    }
    (edge(number), edge(number + 1))
}

/// The row of loss bursts by their length; none where no cell has any.
fn distribution(bursts: &[Bursts]) -> Option<Strip<'_>> {
    let bars = || bursts.iter().flat_map(|one| &one.bars);
    bars().next()?;
    let longest = bars().map(|bar| bar.1).fold(10.5, f64::max);
    // Less would have marks between whole numbers.
    let most = bars().map(|bar| bar.2).max().unwrap_or(0).max(4) as f64;
    // The highest mark of a logarithmic axis is a power of ten.
    let most = if most < 50.0 { most } else { 10f64.powf(most.log10().ceil()) };
    Some(Strip {
        heading: vec![
            ("Loss bursts by length:", INK),
            ("bursts (bars)", VERMILLION),
            ("beyond 10, a bar has several lengths", FAINT),
        ],
        x: Scale::log(0.5, longest),
        across: 20,
        below: Some("datagrams of a stream lost one after the other"),
        y: vec![Scale::counts(most, 1.0); bursts.len()],
        marks: Marks::Counts,
        plot: Box::new(|column, panel| {
            let one = &bursts[column];
            if one.bars.is_empty() {
                return panel.words(if one.lost { "not measured" } else { "nothing was lost" });
            }
            one.bars.iter().try_for_each(|(from, to, bursts)| {
                panel.bar(*from, *to, *bursts as f64, VERMILLION)
            })
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_lie_side_by_side_and_hold_their_lengths() {
        let (mut length, mut end) = (1, 0.5);
        while length < 1_000_000 {
            let (from, to) = bar(length);
            assert_eq!(from, end, "{length}");
            assert!(from < length as f64 && (length as f64) < to);
            assert_eq!(bar(to.floor() as u64), (from, to));
            (length, end) = (to.ceil() as u64, to);
        }
        assert!(bar(u64::MAX).1.is_finite());
    }
}
