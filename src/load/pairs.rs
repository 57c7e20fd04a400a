//! In which order two sides take turns, so that neither has the better half of a drift.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// Keeps the draws apart from those of arrivals and of cells' order with the same seed.
const STREAM: u64 = 0x7061_6972_7320_6f66;

/// Pairs of the sides 0 and 1, without end: 0 1 1 0 and then 1 0 0 1, or the other way round as the
/// seed decides anew each time. In four runs both sides stand at the same place on average, so that a
/// steady drift of the machine cancels out; in eight, so does what comes every fourth run.
/// The first pairs are the same however many are taken.
pub struct Pairs {
    random: Xoshiro256PlusPlus,
    /// Which side begins the pairs to come, the next one last.
    begin: Vec<usize>,
}

impl Pairs {
    /// The pairs that `seed` decides.
    pub fn new(seed: u64) -> Self {
        Self { random: Xoshiro256PlusPlus::seed_from_u64(seed ^ STREAM), begin: Vec::new() }
    }
}

impl Iterator for Pairs {
    type Item = [usize; 2];

    fn next(&mut self) -> Option<Self::Item> {
        if self.begin.is_empty() {
            // The highest bit is the best of this generator.
            let first = (self.random.next_u64() >> 63) as usize;
            self.begin.extend([first, 1 - first, 1 - first, first]);
        }
        let begins = self.begin.pop()?;
        Some([begins, 1 - begins])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn blocks_are_balanced_and_their_seed_repeats_them(seed: u64, blocks in 1usize..40) {
            let order: Vec<usize> = Pairs::new(seed).take(2 * blocks).flatten().collect();
            for block in order.chunks(4) {
                prop_assert!([[0, 1, 1, 0], [1, 0, 0, 1]].iter().any(|one| one == block));
            }
            let places = |side| {
                let taken = order.iter().enumerate().filter(move |(_, taken)| **taken == side);
                taken.map(|(place, _)| place).sum::<usize>()
            };
            prop_assert_eq!(places(0), places(1), "a steady drift cancels out");
            for couple in order.chunks_exact(8) {
                for phase in 0..4 {
                    prop_assert_ne!(couple[phase], couple[phase + 4], "nothing of every fourth run");
                }
            }
            let more: Vec<usize> = Pairs::new(seed).take(2 * blocks + 5).flatten().collect();
            prop_assert_eq!(&more[..order.len()], &order[..]);
        }
    }

    #[test]
    fn neither_side_begins_more_often() {
        let begins = (0..2000).filter(|seed| Pairs::new(*seed).next() == Some([1, 0])).count();
        // Expected 1000 with a deviation of 22.
        assert!((890..1110).contains(&begins), "{begins}");
        let within = Pairs::new(1).step_by(4).take(2000).filter(|pair| pair[0] == 1).count();
        assert!((890..1110).contains(&within), "{within}");
    }
}
