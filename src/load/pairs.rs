//! In which order two sides take turns, so that neither has the better half of a drift.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// Keeps the draws apart from those of arrivals and of cells' order with the same seed.
const STREAM: u64 = 0x7061_6972_7320_6f66;

/// Pairs of the sides 0 and 1, without end: two pairs are a block, 0 1 1 0 or 1 0 0 1 as the seed
/// decides. In a block both sides stand at the same place on average, so that a steady drift of the
/// machine cancels out; which side begins is random, so that nothing periodic favours one.
/// The first pairs are the same however many are taken.
pub struct Pairs {
    random: Xoshiro256PlusPlus,
    /// The second pair of the present block.
    second: Option<[usize; 2]>,
}

impl Pairs {
    /// The pairs that `seed` decides.
    pub fn new(seed: u64) -> Self {
        Self { random: Xoshiro256PlusPlus::seed_from_u64(seed ^ STREAM), second: None }
    }
}

impl Iterator for Pairs {
    type Item = [usize; 2];

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(pair) = self.second.take() {
            return Some(pair);
        }
        // The highest bit is the best of this generator.
        let first = (self.random.next_u64() >> 63) as usize;
        self.second = Some([1 - first, first]);
        Some([first, 1 - first])
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
            let more: Vec<usize> = Pairs::new(seed).take(2 * blocks + 5).flatten().collect();
            prop_assert_eq!(&more[..order.len()], &order[..]);
        }
    }

    #[test]
    fn neither_side_begins_more_often() {
        let begins = (0..2000).filter(|seed| Pairs::new(*seed).next() == Some([1, 0])).count();
        // Expected 1000 with a deviation of 22.
        assert!((890..1110).contains(&begins), "{begins}");
        let within = Pairs::new(1).step_by(2).take(2000).filter(|pair| pair[0] == 1).count();
        assert!((890..1110).contains(&within), "{within}");
    }
}
