//! Datagrams over time: the series of a cell, and their rows in `timeline.png`.

use plotters::style::RGBColor;

use super::page::{Drawn, FAINT, INK, Page, Stroke};
use super::palette::{BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILLION};
use super::panel::Panel;
use super::scale::Scale;
use super::strips::{self, Marks, Strip};
use crate::measure::Outcome;
use crate::measure::result::{Cause, CellResult, DatagramInterval};

/// One value a step; `None` where nothing is known.
pub type Values = Vec<Option<f64>>;

/// A place of loss with a colour of its own, from the senders to the readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its name in legends.
    pub name: &'static str,
    /// Its colour.
    pub colour: RGBColor,
    causes: &'static [Cause],
}

/// Every place that is known interval by interval.
pub const PLACES: [Place; 8] = [
    Place {
        name: "unsent",
        colour: ORANGE,
        causes: &[Cause::SendBuffer, Cause::SendQueue, Cause::SendError],
    },
    Place { name: "lab_loss", colour: BLUE, causes: &[Cause::LabLoss] },
    Place { name: "lab_rate", colour: SKY, causes: &[Cause::LabRate] },
    Place { name: "lab_delay", colour: PURPLE, causes: &[Cause::LabDelay] },
    Place { name: "link", colour: GREEN, causes: &[Cause::Link] },
    Place { name: "no_socket", colour: BLACK, causes: &[Cause::NoSocket] },
    Place { name: "receive_buffer", colour: VERMILLION, causes: &[Cause::ReceiveBuffer] },
    Place { name: "memory, checksum", colour: FAINT, causes: &[Cause::Memory, Cause::Checksum] },
];

/// The series of one cell, in steps of one length.
pub struct Series<'a> {
    /// The cell's.
    pub name: &'a str,
    /// Length of a step, in seconds.
    pub step: f64,
    /// Datagrams a second.
    pub sent: Values,
    pub received: Values,
    pub replies: Values,
    /// Lost a second at each of [`PLACES`].
    pub lost: Vec<Values>,
    /// Most KiB seen in a receive buffer, and its limit.
    pub queue: Values,
    pub limit: Values,
    /// p50, p99 and maximum of the delay, in nanoseconds.
    pub delay: [Values; 3],
    /// When the receivers were closed.
    pub restarts: Vec<f64>,
    /// Lost or not sent at an instant that nobody knows.
    pub timeless: u64,
}

impl<'a> Series<'a> {
    /// The series of each of the cells.
    pub fn of(page: &Page, cells: &[&'a CellResult]) -> Vec<Self> {
        let steps = page.steps(page.width) / cells.len().max(1);
        cells.iter().map(|cell| Self::new(cell, steps)).collect()
    }

    /// At most `steps` of them, so that each has a width.
    fn new(cell: &'a CellResult, steps: usize) -> Self {
        let seen = &cell.timeline.datagrams;
        let group = seen.len().div_ceil(steps.max(1)).max(1);
        let step = cell.timeline.interval_s.max(1e-9) * group as f64;
        let join = |value: &dyn Fn(&DatagramInterval) -> Option<f64>, join: fn(f64, f64) -> f64| {
            let groups = seen.chunks(group);
            groups.map(|group| group.iter().filter_map(value).reduce(join)).collect::<Values>()
        };
        let rate = |count: &dyn Fn(&DatagramInterval) -> Option<u64>| {
            let sums = join(&|one| count(one).map(|n| n as f64), |a, b| a + b);
            sums.into_iter().map(|sum| sum.map(|sum| sum / step)).collect::<Values>()
        };
        let most = |value: &dyn Fn(&DatagramInterval) -> Option<f64>| join(value, f64::max);
        let delay = |of: fn(&DatagramInterval) -> u64| {
            most(&|one| Some(of(one)).filter(|nanos| *nanos > 0).map(|nanos| nanos as f64))
        };
        let kib = |bytes: Option<u64>| bytes.map(|bytes| bytes as f64 / 1024.0);
        Self {
            name: &cell.name,
            step,
            sent: rate(&|one| Some(one.sent)),
            received: rate(&|one| one.received),
            replies: rate(&|one| Some(one.replies)),
            lost: PLACES.iter().map(|place| rate(&|one| Some(place.lost(one)))).collect(),
            queue: most(&|one| kib(one.queue_bytes)),
            limit: most(&|one| kib(one.queue_limit)),
            delay: [delay(|d| d.delay_p50), delay(|d| d.delay_p99), delay(|d| d.delay_max)],
            restarts: restarts(cell),
            timeless: timeless(cell),
        }
    }

    /// Whether a receive buffer dropped something in a step. It is full when the next datagram does
    /// not fit, which is below its limit.
    fn overflowed(&self, step: usize) -> bool {
        let places = PLACES.iter().zip(&self.lost);
        let mut buffers = places.filter(|(place, _)| place.causes.contains(&Cause::ReceiveBuffer));
        buffers.any(|(_, lost)| lost[step].is_some_and(|lost| lost > 0.0))
    }

    /// Where its time ends, in seconds.
    pub fn end(&self) -> f64 {
        self.sent.len() as f64 * self.step
    }
}

impl Place {
    /// What was lost there in an interval.
    fn lost(&self, seen: &DatagramInterval) -> u64 {
        let lost = seen.lost.iter().map(|(cause, n)| (*cause, *n));
        let unsent = seen.unsent.iter().map(|(outcome, n)| (unsent(*outcome), *n));
        let here = lost.chain(unsent).filter(|(cause, _)| self.causes.contains(cause));
        here.fold(0, |sum, (_, count)| sum.saturating_add(count))
    }
}

/// Why the sender's kernel did not take a datagram.
fn unsent(outcome: Outcome) -> Cause {
    match outcome {
        Outcome::Again => Cause::SendBuffer,
        Outcome::NoBuffer => Cause::SendQueue,
        _ => Cause::SendError,
    }
}

/// What is in the cell's ledger and in none of its intervals.
fn timeless(cell: &CellResult) -> u64 {
    let Some(ledger) = &cell.datagrams else { return 0 };
    let timed = cell.timeline.datagrams.iter().flat_map(|seen| PLACES.map(|one| one.lost(seen)));
    let timed = timed.fold(0, u64::saturating_add);
    ledger.lost.saturating_add(ledger.unsent).saturating_sub(timed)
}

/// When receivers were closed, within the time that is shown.
fn restarts(cell: &CellResult) -> Vec<f64> {
    let end = cell.timeline.datagrams.len() as f64 * cell.timeline.interval_s;
    let closed = cell.datagrams.iter().flat_map(|ledger| &ledger.restarts).map(|r| r.closed_s);
    closed.filter(|at| (0.0..=end).contains(at)).collect()
}

/// The largest of some series; 0 where they are empty.
pub fn highest<'v>(series: impl IntoIterator<Item = &'v Values>) -> f64 {
    series.into_iter().flatten().flatten().copied().fold(0.0, f64::max)
}

/// The time axis of all cells.
pub fn time(series: &[Series]) -> Scale {
    Scale::linear(0.0, series.iter().map(Series::end).fold(0.0, f64::max))
}

/// Marks of a time axis beside those of so many cells.
pub fn across(cells: usize) -> usize {
    if cells > 2 { 4 } else { 10 }
}

/// Names the time axis below the last of the rows that have it.
pub fn timed(rows: &mut [Strip]) {
    if let Some(last) = rows.last_mut() {
        last.below = Some("seconds since the start");
    }
}

/// The row of the fullest receive buffer; none where no cell's was seen.
pub fn queue<'a>(series: &'a [Series]) -> Option<Strip<'a>> {
    series.iter().flat_map(|one| &one.queue).flatten().next()?;
    let high = |one: &Series| Scale::from_zero(highest([&one.queue, &one.limit]));
    Some(Strip {
        heading: vec![
            ("Receive buffer, KiB:", INK),
            ("most seen", BLUE),
            ("limit (dashed)", VERMILLION),
            ("shaded where it dropped, dotted: restart; own scale", FAINT),
        ],
        x: time(series),
        across: across(series.len()),
        below: None,
        y: series.iter().map(high).collect(),
        marks: Marks::Counts,
        plot: Box::new(|column, panel| {
            let one = &series[column];
            if one.queue.iter().all(Option::is_none) {
                return panel.words("not observed");
            }
            panel.depth(one.step, &one.queue, &one.limit, |index| one.overflowed(index))?;
            panel.instants(&one.restarts)
        }),
    })
}

/// What `timeline.png` shows of datagrams; `delay` says which.
pub fn timeline(page: &Page, cells: &[&CellResult], delay: &'static str) -> Drawn {
    let series = Series::of(page, cells);
    let names: Vec<_> = series.iter().map(|one| one.name).collect();
    let mut rows = vec![counts(&series)];
    rows.extend(queue(&series));
    rows.extend(delays(&series, delay));
    timed(&mut rows);
    strips::draw(page, &names, &rows)
}

fn counts<'a>(series: &'a [Series]) -> Strip<'a> {
    let any = |of: for<'s> fn(&'s Series<'a>) -> &'s Values| highest(series.iter().map(of)) > 0.0;
    let lost: Vec<Values> = series.iter().map(|one| sum(&one.lost[1..])).collect();
    let unsent = any(|one| &one.lost[0]).then_some(("unsent", ORANGE));
    let replies = any(|one| &one.replies).then_some(("replies", PURPLE));
    let heading = [
        Some(("Datagrams, per second:", INK)),
        Some(("sent", BLACK)),
        any(|one| &one.received).then_some(("received", GREEN)),
        Some(("lost", VERMILLION)),
        unsent,
        replies,
    ];
    let high = series.iter().flat_map(|one| [&one.sent, &one.received, &one.replies]);
    let scale = Scale::from_zero(highest(high).max(highest(&lost)));
    Strip {
        heading: heading.into_iter().flatten().collect(),
        x: time(series),
        across: across(series.len()),
        below: None,
        y: vec![scale; series.len()],
        marks: Marks::Counts,
        plot: Box::new(move |column, panel| {
            let one = &series[column];
            if one.sent.is_empty() {
                return panel.words("no datagrams");
            }
            panel.steps(one.step, &one.sent, Stroke::solid(BLACK, 3))?;
            panel.steps(one.step, &one.received, Stroke::solid(GREEN, 5))?;
            for (values, colour) in
                [(&one.replies, PURPLE), (&lost[column], VERMILLION), (&one.lost[0], ORANGE)]
            {
                // A series that never leaves 0 would only paint the floor.
                if highest([values]) > 0.0 {
                    panel.steps(one.step, values, Stroke::solid(colour, 5))?;
                }
            }
            Ok(())
        }),
    }
}

/// The row of the delay; none where no cell's was measured.
fn delays<'a>(series: &'a [Series], name: &'static str) -> Option<Strip<'a>> {
    const LINES: [(&str, RGBColor); 3] = [("p50", BLUE), ("p99", ORANGE), ("max", VERMILLION)];
    let known = || series.iter().flat_map(|one| one.delay.iter().flatten().flatten());
    known().next()?;
    let low = known().copied().fold(f64::MAX, f64::min);
    let high = known().copied().fold(1.0, f64::max);
    let scale = Scale::decades(low.min(high), high);
    Some(Strip {
        heading: [(name, INK)].into_iter().chain(LINES).collect(),
        x: time(series),
        across: across(series.len()),
        below: None,
        y: vec![scale; series.len()],
        marks: Marks::Latencies,
        plot: Box::new(|column, panel: &Panel| {
            let one = &series[column];
            if one.delay.iter().flatten().all(Option::is_none) {
                return panel.words("nothing was received");
            }
            for (values, (_, colour)) in one.delay.iter().zip(LINES).rev() {
                panel.steps(one.step, values, Stroke::solid(colour, 5))?;
            }
            Ok(())
        }),
    })
}

/// The sum of series, step by step.
fn sum(series: &[Values]) -> Values {
    let longest = series.iter().map(Vec::len).max().unwrap_or(0);
    let at = |step: usize| series.iter().filter_map(|one| *one.get(step)?).reduce(|a, b| a + b);
    (0..longest).map(at).collect()
}
