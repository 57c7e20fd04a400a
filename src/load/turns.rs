//! Who takes which attempt: numbers dealt out in turn.

/// The attempts of one worker: in each round of `length` numbers those whose place in it is `first`,
/// `first + step`, and so on.
///
/// With as many places in a round as workers, each worker has one of them. Where attempts take turns
/// among streams, a round is one turn of all streams, and a worker has the places of its own streams:
/// each stream gets its share, however many workers there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turns {
    first: u64,
    step: u64,
    length: u64,
    /// Places of this worker in a round.
    places: u64,
}

impl Turns {
    /// One place in `workers` for worker `index`.
    pub fn of_worker(index: u64, workers: u64) -> Self {
        Self::of_streams(workers.max(1), index, workers)
    }

    /// The places of the streams `index`, `index + workers`, ... out of `streams`.
    pub fn of_streams(streams: u64, index: u64, workers: u64) -> Self {
        let (length, step) = (streams.max(1), workers.max(1));
        Self { first: index, step, length, places: length.saturating_sub(index).div_ceil(step) }
    }

    /// How many streams this worker has.
    pub fn places(&self) -> u64 {
        self.places
    }

    /// The number of its attempt `nth`, from 0; `None` where it has none, or none so high.
    pub fn number(&self, nth: u64) -> Option<u64> {
        let round = nth.checked_div(self.places)?;
        let place = self.first + (nth - round * self.places) * self.step;
        round.checked_mul(self.length)?.checked_add(place)
    }

    /// Which of its own streams attempt `number` goes to, which is one of its attempts.
    pub fn place(&self, number: u64) -> usize {
        (number % self.length / self.step) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_attempt_is_one_workers_and_streams_get_equal_shares(
            streams in 1u64..40,
            workers in 1u64..20,
            rounds in 1u64..5,
        ) {
            let mut taken = Vec::new();
            for index in 0..workers {
                let turns = Turns::of_streams(streams, index, workers);
                let own: Vec<u64> = (index..streams).step_by(workers as usize).collect();
                prop_assert_eq!(turns.places(), own.len() as u64);
                for nth in 0..rounds * turns.places() {
                    let number = turns.number(nth).expect("it has streams");
                    prop_assert_eq!(own[turns.place(number)], number % streams);
                    taken.push(number);
                }
                prop_assert_eq!(turns.number(0).is_none(), own.is_empty());
            }
            taken.sort_unstable();
            prop_assert_eq!(taken, (0..rounds * streams).collect::<Vec<_>>());
        }

        #[test]
        fn workers_alone_take_one_residue_each(index in 0u64..20, more in 1u64..20, nth in 0u64..99) {
            let workers = index + more;
            let turns = Turns::of_worker(index, workers);
            prop_assert_eq!(turns.number(nth), Some(index + nth * workers));
            prop_assert_eq!(turns.place(index + nth * workers), 0);
        }
    }

    #[test]
    fn a_number_beyond_all_numbers_is_none() {
        assert_eq!(Turns::of_worker(1, 2).number(u64::MAX), None);
        assert_eq!(Turns::of_worker(0, 1).number(u64::MAX), Some(u64::MAX));
    }
}
