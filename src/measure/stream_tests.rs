use super::*;
use crate::measure::empty;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Histograms of loss periods, and what a ledger is given of them.
struct Books {
    bursts: Histogram<u64>,
    gaps: Histogram<u64>,
}

impl Books {
    fn new() -> Self {
        Self { bursts: empty(), gaps: empty() }
    }

    fn periods(&mut self) -> Periods<'_> {
        Periods { bursts: &mut self.bursts, gaps: &mut self.gaps }
    }
}

/// The counts of a histogram of small values, value by value.
fn values(histogram: &Histogram<u64>) -> Vec<u64> {
    let each = histogram.iter_recorded();
    each.flat_map(|v| std::iter::repeat_n(v.value_iterated_to(), v.count_at_value() as usize))
        .collect()
}

/// The same by sets, without any bound.
#[derive(Default)]
struct Model {
    came: Vec<u64>,
    late: BTreeSet<u64>,
    duplicates: u64,
    closed: bool,
}

impl Model {
    fn receive(&mut self, place: u64) -> Arrival {
        if self.came.contains(&place) || self.late.contains(&place) {
            self.duplicates += 1;
            return Arrival::Duplicate;
        }
        if self.closed {
            self.late.insert(place);
            return Arrival::Late;
        }
        let earliest = self.came.iter().position(|other| *other > place);
        let extent = earliest.map_or(0, |j| (self.came.len() - j) as u64);
        self.came.push(place);
        Arrival::New { extent }
    }

    /// Bursts and gaps among the places below `end`, sorted by length.
    fn periods(&self, end: u64) -> (Vec<u64>, Vec<u64>) {
        let came: Vec<bool> =
            (0..end).map(|p| self.came.contains(&p) || self.late.contains(&p)).collect();
        let runs: Vec<&[bool]> = came.chunk_by(|a, b| a == b).collect();
        let lengths = |wanted: bool, inner: bool| {
            let among = runs.iter().enumerate().filter(|(at, run)| {
                run[0] == wanted && (!inner || (*at > 0 && at + 1 < runs.len()))
            });
            let mut lengths: Vec<u64> = among.map(|(_, run)| run.len() as u64).collect();
            lengths.sort_unstable();
            lengths
        };
        (lengths(false, false), lengths(true, true))
    }
}

/// First numbers: small, and so that both 2^32 and 2^64 are passed on the way.
fn firsts() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        Just(u64::from(u32::MAX) - 100),
        Just(u64::MAX - 100),
        Just((1 << 63) - 100),
        any::<u64>()
    ]
}

/// Places in about their order, with losses, duplicates and reordering.
fn arrivals() -> impl Strategy<Value = Vec<u64>> {
    let steps = prop_oneof![
        20 => Just((1i64, 0)),
        3 => (2..40i64).prop_map(|lost| (lost, 0)),
        2 => Just((0, 0)),
        3 => (1..300i64).prop_map(|back| (1, back)),
    ];
    prop::collection::vec(steps, 1..400).prop_map(|steps| {
        let mut high = -1i64;
        let place = |(step, back): (i64, i64)| {
            high += step;
            (high - back).max(0) as u64
        };
        steps.into_iter().map(place).collect()
    })
}

proptest! {
    #[test]
    fn it_agrees_with_sets(
        first in firsts(),
        before in arrivals(),
        after in prop::collection::vec(0..2000u64, 0..50),
        tail in 0..500u64,
    ) {
        let mut books = Books::new();
        let (mut ledger, mut model) = (StreamLedger::new(first), Model::default());
        for place in &before {
            let came = ledger.receive(first.wrapping_add(*place), &mut books.periods());
            // Which of its runs are kept bounds what is known of an extent.
            match (came, model.receive(*place)) {
                (Arrival::New { extent }, Arrival::New { extent: true_one }) => {
                    prop_assert!(extent <= true_one && (extent > 0) == (true_one > 0));
                    prop_assert!(extent == true_one || model.came.len() > RUNS);
                }
                (came, wanted) => prop_assert_eq!(came, wanted),
            }
        }
        let end = before.iter().max().map_or(0, |last| last + 1) + tail;
        prop_assert_eq!(ledger.close(first.wrapping_add(end), end), Closing::Closed);
        model.closed = true;
        for place in after.iter().filter(|place| **place < end) {
            let came = ledger.receive(first.wrapping_add(*place), &mut books.periods());
            prop_assert_eq!(came, model.receive(*place));
        }
        let totals = ledger.finish(&mut books.periods());
        prop_assert_eq!(totals.sent, Some(end));
        prop_assert_eq!(totals.received, model.came.len() as u64);
        prop_assert_eq!(totals.late, model.late.len() as u64);
        prop_assert_eq!(totals.duplicates, model.duplicates);
        prop_assert_eq!(totals.received + totals.late + totals.lost, end);
        let (bursts, gaps) = model.periods(end);
        prop_assert_eq!(totals.longest_burst, bursts.last().copied().unwrap_or(0));
        prop_assert_eq!((values(&books.bursts), values(&books.gaps)), (bursts, gaps));
    }

    #[test]
    fn no_numbers_make_it_loop_or_panic(
        first: u64,
        numbers in prop::collection::vec(any::<(u64, bool)>(), 0..200),
    ) {
        let mut books = Books::new();
        let mut ledger = StreamLedger::new(first);
        let mut came = 0;
        for (number, near) in &numbers {
            let number = if *near { first.wrapping_add(number % 100_000) } else { *number };
            came += u64::from(matches!(
                ledger.receive(number, &mut books.periods()),
                Arrival::New { .. } | Arrival::Late
            ));
            if number % 64 == 0 {
                ledger.close(number, number.wrapping_sub(first));
            }
        }
        let totals = ledger.finish(&mut books.periods());
        prop_assert_eq!(totals.received + totals.late, came);
        if let Some(sent) = totals.sent {
            prop_assert_eq!(sent, totals.received + totals.late + totals.lost);
        }
    }
}

/// 10 minutes at a million a second, every 10,000th of them lost and the one before it again, and the
/// last 7 lost: in steps, as a test has not ten minutes.
#[test]
fn long_streams_near_the_wraps() {
    for first in [u64::from(u32::MAX) - 500_000, u64::MAX - 500_000, 0] {
        let mut books = Books::new();
        let mut ledger = StreamLedger::new(first);
        let sent = 1_000_007;
        for place in 0..1_000_000u64 {
            let number = first.wrapping_add(place);
            if place % 10_000 == 9_999 {
                let before = number.wrapping_sub(1);
                assert_eq!(ledger.receive(before, &mut books.periods()), Arrival::Duplicate);
            } else {
                let new = Arrival::New { extent: 0 };
                assert_eq!(ledger.receive(number, &mut books.periods()), new);
            }
        }
        assert_eq!(ledger.close(first.wrapping_add(sent), sent), Closing::Closed);
        assert_eq!(ledger.close(first.wrapping_add(sent), sent), Closing::Again);
        let totals = ledger.finish(&mut books.periods());
        assert_eq!((totals.received, totals.lost, totals.duplicates), (999_900, 107, 100));
        // The last one lost and the tail are one burst.
        assert_eq!((books.bursts.len(), books.bursts.max(), totals.longest_burst), (100, 8, 8));
        // To three digits, as any value.
        assert_eq!(
            (books.gaps.len(), books.gaps.max()),
            (99, books.gaps.highest_equivalent(9_999))
        );
    }
}

#[test]
fn a_jump_takes_no_longer_than_a_window() {
    let mut books = Books::new();
    let mut ledger = StreamLedger::new(5);
    ledger.receive(5, &mut books.periods());
    let far = 5 + (1 << 62);
    assert_eq!(ledger.receive(far, &mut books.periods()), Arrival::New { extent: 0 });
    assert_eq!(ledger.receive(6, &mut books.periods()), Arrival::Outside);
    assert_eq!(ledger.receive(far, &mut books.periods()), Arrival::Duplicate);
    assert_eq!(ledger.receive(far - 1, &mut books.periods()), Arrival::New { extent: 1 });
    // Half of all numbers lie before the first.
    assert_eq!(ledger.receive(4, &mut books.periods()), Arrival::Outside);
    assert_eq!(ledger.receive(5 + (1 << 63), &mut books.periods()), Arrival::Outside);
    assert_eq!(ledger.close(5 + (1 << 62) + (1 << 61), (1 << 62) + (1 << 61)), Closing::Closed);
    let totals = ledger.finish(&mut books.periods());
    assert_eq!(totals.received, 3);
    assert_eq!(totals.lost, (1 << 62) + (1 << 61) - 3);
}

#[test]
fn what_is_older_than_the_window_is_counted_and_not_guessed() {
    let mut books = Books::new();
    let mut ledger = StreamLedger::new(0);
    for place in (0..WINDOW + 64).filter(|place| *place != 3) {
        ledger.receive(place, &mut books.periods());
    }
    assert_eq!(ledger.receive(3, &mut books.periods()), Arrival::Outside);
    assert_eq!(ledger.receive(2, &mut books.periods()), Arrival::Outside);
    assert_eq!(ledger.receive(64, &mut books.periods()), Arrival::Duplicate);
    let totals = ledger.finish(&mut books.periods());
    assert_eq!((totals.outside, totals.lost, totals.sent), (2, 1, None));
    assert_eq!((totals.received, totals.duplicates), (WINDOW + 63, 1));
}

#[test]
fn a_closing_marker_that_contradicts_is_refused() {
    let mut books = Books::new();
    let mut ledger = StreamLedger::new(100);
    ledger.receive(109, &mut books.periods());
    for (end, total) in [(109, 9), (110, 11), (120, 5), (99, u64::MAX)] {
        assert_eq!(ledger.close(end, total), Closing::Refused, "{end}");
    }
    assert_eq!(ledger.close(112, 12), Closing::Closed);
    assert_eq!(ledger.close(113, 13), Closing::Refused);
    assert_eq!(ledger.receive(112, &mut books.periods()), Arrival::Outside);
    assert_eq!(ledger.receive(111, &mut books.periods()), Arrival::Late);
    let totals = ledger.finish(&mut books.periods());
    assert_eq!((totals.received, totals.late, totals.lost), (1, 1, 10));
    assert_eq!(values(&books.bursts), [1, 9]);
}

#[test]
fn without_its_end_a_stream_is_lossy_only_up_to_the_last_that_came() {
    let mut books = Books::new();
    let mut ledger = StreamLedger::new(0);
    for place in [0, 1, 5, 6, 9] {
        ledger.receive(place, &mut books.periods());
    }
    let totals = ledger.finish(&mut books.periods());
    assert_eq!((totals.sent, totals.received, totals.lost), (None, 5, 5));
    assert_eq!((values(&books.bursts), values(&books.gaps)), (vec![2, 3], vec![2]));
}
