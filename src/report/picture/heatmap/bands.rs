//! Names for the bands that SYN retries make, where the evidence says that they are such.

use super::super::page::{Align, Drawn, INK, Page};
use super::super::panel::Panel;
use super::{begin, readable};
use crate::measure::result::{CellResult, Heat};
use crate::measure::syn_retries;

/// Retries beyond a minute are seldom waited for.
const RETRIES: usize = 12;
/// Timers are late by up to 4 %, and then the attempt takes some time.
const LATE: f64 = 1.08;
/// A name's room above its band, in pixels: the next band must not lie in it.
const ROOM: i32 = 50;

/// Writes what each band is above its right end; one name for bands that lie close together.
pub fn name(page: &Page, panel: &Panel, cell: &CellResult, short: bool) -> Drawn {
    let what = if short { "retry" } else { "SYN retry" };
    let mut groups: Vec<(usize, usize, i32)> = Vec::new();
    for (retry, seconds) in bands(cell) {
        let y = panel.y(seconds * 1e9);
        match groups.last_mut() {
            Some((_, last, at)) if *at - y < ROOM => (*last, *at) = (retry, y),
            _ => groups.push((retry, retry, y)),
        }
    }
    for (first, last, y) in groups {
        let text = match first == last {
            true => format!("{} {what}", ordinal(first)),
            false => format!("{} to {} {what}", ordinal(first), ordinal(last)),
        };
        let at = (panel.frame.right - 10, (y - 31).max(panel.frame.top + 20));
        page.label(at, Align::Right, &text, true, INK)?;
    }
    Ok(())
}

/// Each retry that has a band, and when it is sent, in seconds; none where something else may have
/// made attempts as slow.
fn bands(cell: &CellResult) -> Vec<(usize, f64)> {
    let heat = &cell.timeline.heat;
    let Some(schedule) = schedule(cell).filter(|_| readable(heat)) else { return Vec::new() };
    let retried = cell.loads.iter().map(|load| load.retransmitted_established);
    let retried = retried.fold(0u64, u64::saturating_add);
    let slow = |at: f64| 0.97e9 <= at;
    let late = heat.places.iter().filter(|place| slow(begin(heat, place.1.saturating_add(1))));
    if late.map(|place| place.2).fold(0u64, u64::saturating_add) > retried {
        return Vec::new();
    }
    let has = |(_, at): &(usize, f64)| occupied(heat, at * 0.99e9, at * LATE * 1e9);
    schedule.into_iter().filter(has).collect()
}

/// Whether any attempt took so long.
fn occupied(heat: &Heat, from: f64, to: f64) -> bool {
    // The middle of a row stands for what is in it.
    let middle = |row| (begin(heat, row) * begin(heat, row.saturating_add(1))).sqrt();
    heat.places.iter().any(|place| {
        let half = begin(heat, place.1.saturating_add(1)) / middle(place.1);
        (from / half..to * half).contains(&middle(place.1))
    })
}

/// The number of each retry and its time since the first SYN, in seconds, by the settings of the
/// cell; `None` where they are not known.
fn schedule(cell: &CellResult) -> Option<Vec<(usize, f64)>> {
    if cell.settings.is_empty() {
        return None;
    }
    let instants = syn_retries::instants(syn_retries::linear(&cell.settings)?);
    Some((1..=RETRIES).zip(instants.map(|at| at as f64 / 1e9)).collect())
}

fn ordinal(number: usize) -> String {
    let ending = match (number % 10, number % 100) {
        (1, n) if n != 11 => "st",
        (2, n) if n != 12 => "nd",
        (3, n) if n != 13 => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn cell(linear: Option<&str>) -> CellResult {
        let mut cell = sample::backlog().cells.remove(0);
        cell.settings.insert("net.core.somaxconn".to_owned(), "4096".to_owned());
        cell.settings.extend(
            linear.map(|value| ("net.ipv4.tcp_syn_linear_timeouts".to_owned(), value.to_owned())),
        );
        cell
    }

    fn times(cell: &CellResult) -> Vec<f64> {
        schedule(cell).expect("settings").into_iter().map(|(_, at)| at).collect()
    }

    #[test]
    fn retries_come_when_the_kernel_sends_them() {
        let of = |linear| times(&cell(linear));
        assert_eq!(of(Some("4"))[..10], [1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 11.0, 19.0, 35.0, 67.0]);
        assert_eq!(of(Some("0"))[..5], [1.0, 3.0, 7.0, 15.0, 31.0]);
        assert_eq!(of(None)[..5], [1.0, 3.0, 7.0, 15.0, 31.0]);
        assert_eq!(schedule(&cell(Some("many"))), None);
        assert_eq!(of(Some("18446744073709551615"))[1], 2.0);
    }

    #[test]
    fn only_bands_that_are_there_are_named() {
        // The sample's clients try again after 1 s and after 3 s.
        let found: Vec<_> = bands(&cell(Some("0"))).into_iter().map(|(n, _)| n).collect();
        assert_eq!(found, [1, 2]);
        let found: Vec<_> = bands(&cell(Some("4"))).into_iter().map(|(n, _)| n).collect();
        assert_eq!(found, [1, 3]);
    }

    #[test]
    fn what_may_have_another_cause_is_not_named() {
        let mut slow = cell(Some("4"));
        slow.loads[0].retransmitted_established = 3;
        assert_eq!(bands(&slow), []);
        let mut unknown = cell(Some("4"));
        unknown.settings.clear();
        assert_eq!(bands(&unknown), []);
    }

    #[test]
    fn ordinals_are_english() {
        assert_eq!(
            [1, 2, 3, 4, 11, 12, 21].map(ordinal).join(" "),
            "1st 2nd 3rd 4th 11th 12th 21st"
        );
    }
}
