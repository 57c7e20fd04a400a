//! When the attempts of a load are wanted.

use std::ops::Range;
use std::time::Duration;

use crate::load::{Schedule, Shape, Stage};
use crate::scenario::at::At;
use crate::scenario::diagnostic::Problems;
use crate::scenario::raw::{self, Arrivals};
use crate::units::{Rate, Span};

use super::{LONGEST_CELL, number, place, span, surplus};

/// At most this many stages.
const MOST_STAGES: usize = 100;
/// How long attempts are started when nothing says so.
const DEFAULT_WINDOW: Span = Span::from_millis(10_000);
/// Window of a single burst: all of it is wanted at its start.
const BURST_WINDOW: Span = Span::from_millis(1000);
/// Stands in for a rate that is missing or wrong, so that the rest is still checked.
const STAND_IN: f64 = 1.0;

/// The schedule of a load. `longest_attempt` bounds the time from an attempt's start to its end.
pub(super) fn schedule(
    load: &At<raw::Load>,
    longest_attempt: Duration,
    problems: &mut Problems,
) -> Schedule {
    let raw = load.get();
    let arrivals = raw.arrivals.as_ref().map_or(Arrivals::Constant, |arrivals| *arrivals.get());
    if !problems.lost("arrivals") {
        check_keys(raw, arrivals, problems);
    }
    let attempts = raw
        .attempts
        .as_ref()
        .map(|_| number("attempts", raw.attempts.as_ref(), 1, 1..=1_000_000_000_000, problems));
    let range = Duration::from_nanos(1)..=LONGEST_CELL;
    let duration = raw
        .duration
        .as_ref()
        .map(|_| span("duration", raw.duration.as_ref(), DEFAULT_WINDOW, range, problems));
    let wanted = Wanted { load, raw, attempts, duration };
    let schedule = match arrivals {
        Arrivals::Constant | Arrivals::Poisson => wanted.steady(arrivals, problems),
        Arrivals::Ramp => wanted.ramp(problems),
        Arrivals::Step => wanted.step(problems),
        Arrivals::Burst => wanted.burst(problems),
        Arrivals::Closed => wanted.closed(longest_attempt, problems),
    };
    check_length(load, &schedule, problems);
    schedule
}

/// A key, the arrivals that it belongs to, and where it was written.
type KeyOfArrivals = (&'static str, &'static [Arrivals], Option<Range<usize>>);

fn keys(raw: &raw::Load) -> [KeyOfArrivals; 8] {
    use Arrivals::{Burst, Closed, Constant, Poisson, Ramp, Step};
    [
        ("rate", &[Constant, Poisson], place(&raw.rate)),
        ("from", &[Ramp], place(&raw.from)),
        ("to", &[Ramp], place(&raw.to)),
        ("stages", &[Step], place(&raw.stages)),
        ("size", &[Burst], place(&raw.size)),
        ("every", &[Burst], place(&raw.every)),
        ("clients", &[Closed], place(&raw.clients)),
        ("pause", &[Closed], place(&raw.pause)),
    ]
}

fn check_keys(raw: &raw::Load, arrivals: Arrivals, problems: &mut Problems) {
    let foreign: Vec<_> = keys(raw)
        .into_iter()
        .filter(|(_, kinds, _)| !kinds.contains(&arrivals))
        .map(|(key, _, place)| (key, place))
        .collect();
    let owner = |key: &str| match key {
        "rate" => "constant",
        "from" | "to" => "ramp",
        "stages" => "step",
        "size" | "every" => "burst",
        _ => "closed",
    };
    let help = |key: &str| format!("remove it, or write arrivals = \"{}\"", owner(key));
    surplus(&foreign, &format!("with arrivals \"{}\"", name(arrivals)), help, problems);
}

fn name(arrivals: Arrivals) -> &'static str {
    match arrivals {
        Arrivals::Constant => "constant",
        Arrivals::Poisson => "poisson",
        Arrivals::Ramp => "ramp",
        Arrivals::Step => "step",
        Arrivals::Burst => "burst",
        Arrivals::Closed => "closed",
    }
}

/// A load's own words on how long and how much.
struct Wanted<'r> {
    load: &'r At<raw::Load>,
    raw: &'r raw::Load,
    attempts: Option<u64>,
    duration: Option<Span>,
}

impl Wanted<'_> {
    fn steady(&self, arrivals: Arrivals, problems: &mut Problems) -> Schedule {
        let rate = self.rate("rate", self.raw.rate.as_ref(), problems);
        let poisson = arrivals == Arrivals::Poisson;
        let window = self.duration.unwrap_or_else(|| match self.attempts {
            // Random gaps may add up to more than their mean: ten standard deviations.
            Some(n) if poisson => {
                seconds((n as f64 + 10.0 * (n as f64).sqrt() + 10.0) / rate.per_second())
            }
            Some(n) => seconds(n as f64 / rate.per_second()),
            None => DEFAULT_WINDOW,
        });
        let shape = if poisson { Shape::Poisson { rate } } else { Shape::Constant { rate } };
        Schedule::Open { shape, window, attempts: self.attempts }
    }

    fn ramp(&self, problems: &mut Problems) -> Schedule {
        let from = self.rate("from", self.raw.from.as_ref(), problems);
        let to = self.rate("to", self.raw.to.as_ref(), problems);
        if let (Some(attempts), None) = (&self.raw.attempts, self.duration) {
            problems.missing(
                "duration",
                attempts.span(),
                "a ramp needs a `duration`: the rate is `to` at its end",
                "add one, such as duration = \"10s\"",
            );
        }
        let window = self.duration.unwrap_or(DEFAULT_WINDOW);
        Schedule::Open { shape: Shape::Ramp { from, to }, window, attempts: self.attempts }
    }

    fn step(&self, problems: &mut Problems) -> Schedule {
        const EXAMPLE: &str = "write stages = [{ rate = \"100/s\", span = \"5s\" }, { rate = \"1000/s\", span = \"5s\" }]";
        if let Some(duration) = &self.raw.duration {
            let help = "remove it: the stages' spans say how long";
            problems.error(duration.span(), "`duration` means nothing with stages", help);
        }
        let written = self.raw.stages.as_ref().map_or(&[][..], |stages| stages.get().as_slice());
        match &self.raw.stages {
            None => problems.missing(
                "stages",
                self.load.span(),
                "arrivals \"step\" need `stages`",
                EXAMPLE,
            ),
            Some(list) if list.get().is_empty() => {
                problems.error(list.span(), "there are no stages in this list", EXAMPLE);
            }
            Some(list) if list.get().len() > MOST_STAGES => {
                problems.error(list.span(), "too many stages", format!("at most {MOST_STAGES}"));
            }
            Some(_) => {}
        }
        let mut stages = Vec::new();
        for stage in written.iter().take(MOST_STAGES) {
            match (stage.get().rate, stage.get().span) {
                (Some(rate), Some(span)) if !span.is_zero() => stages.push(Stage { rate, span }),
                (Some(_), Some(_)) => {
                    problems.error(
                        stage.span(),
                        "a stage of no length",
                        "write a `span` above zero",
                    );
                }
                (None, _) => {
                    problems.missing("rate", stage.span(), "a stage needs a `rate`", EXAMPLE)
                }
                (_, None) => {
                    problems.missing("span", stage.span(), "a stage needs a `span`", EXAMPLE)
                }
            }
        }
        let window = stages.iter().map(|stage| stage.span.get()).sum::<Duration>().into();
        Schedule::Open { shape: Shape::Step { stages }, window, attempts: self.attempts }
    }

    fn burst(&self, problems: &mut Problems) -> Schedule {
        let range = Duration::from_nanos(1)..=LONGEST_CELL;
        if self.raw.size.is_none() {
            let help = "write how many attempts come at once, such as size = 12";
            problems.missing("size", self.load.span(), "arrivals \"burst\" need a `size`", help);
        }
        let size = number("size", self.raw.size.as_ref(), 1, 1..=10_000_000, problems);
        let Some(_) = &self.raw.every else {
            let window = self.duration.unwrap_or(BURST_WINDOW);
            let attempts = Some(self.attempts.unwrap_or(size).min(size));
            let shape = Shape::Burst { size, every: window };
            return Schedule::Open { shape, window, attempts };
        };
        let every = span("every", self.raw.every.as_ref(), BURST_WINDOW, range, problems);
        let window = self.duration.unwrap_or_else(|| match self.attempts {
            Some(n) => seconds(n.div_ceil(size) as f64 * every.get().as_secs_f64()),
            None => DEFAULT_WINDOW,
        });
        Schedule::Open { shape: Shape::Burst { size, every }, window, attempts: self.attempts }
    }

    fn closed(&self, longest_attempt: Duration, problems: &mut Problems) -> Schedule {
        if self.raw.clients.is_none() {
            let help = "write how many clients take turns, such as clients = 50";
            problems.missing(
                "clients",
                self.load.span(),
                "arrivals \"closed\" need `clients`",
                help,
            );
        }
        let clients = number("clients", self.raw.clients.as_ref(), 1, 1..=1_000_000, problems);
        let range = Duration::ZERO..=LONGEST_CELL;
        let think = span("pause", self.raw.pause.as_ref(), Span::default(), range, problems);
        let window = self.duration.unwrap_or_else(|| match self.attempts {
            // Long enough even if each attempt takes as long as it may.
            Some(n) => {
                let turn = (longest_attempt + think.get()).as_secs_f64();
                seconds(n.div_ceil(u64::from(clients)) as f64 * turn).min(LONGEST_CELL.into())
            }
            None => DEFAULT_WINDOW,
        });
        Schedule::Closed { clients, think, window, attempts: self.attempts }
    }

    fn rate(&self, key: &str, rate: Option<&At<Rate>>, problems: &mut Problems) -> Rate {
        if rate.is_none() {
            problems.missing(
                key,
                self.load.span(),
                format!("this load needs a `{key}`"),
                format!("add one, such as {key} = \"500/s\""),
            );
        }
        let stand_in = || Rate::new(STAND_IN).expect("it is positive and finite");
        rate.map_or_else(stand_in, |rate| *rate.get())
    }
}

/// A span of so many seconds, rounded up to whole nanoseconds; at most [`Span::MAX`].
fn seconds(seconds: f64) -> Span {
    let nanos = (seconds * 1e9).ceil().clamp(1.0, Span::MAX.as_nanos() as f64);
    Duration::from_nanos(nanos as u64).into()
}

fn check_length(load: &At<raw::Load>, schedule: &Schedule, problems: &mut Problems) {
    let start = load.get().start.as_ref().map_or(Duration::ZERO, |start| start.get().get());
    if start.saturating_add(schedule.window().get()) > LONGEST_CELL {
        problems.error(
            load.span(),
            format!("this load would go on until {}", Span::from(start + schedule.window().get())),
            "a cell lasts at most 24 h: start fewer attempts, for a shorter time or at a higher rate",
        );
    }
}
