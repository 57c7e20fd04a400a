//! Random orders that a seed repeats.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// Keeps the draws apart from those of arrivals with the same seed.
const STREAM: u64 = 0x6f72_6465_7220_6f66;

/// The numbers below `count` in an order that `seed` decides; each order is as likely as any other
/// (Fisher and Yates, but for a bias of `count` in 2^64).
pub fn shuffled(count: usize, seed: u64) -> Vec<usize> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed ^ STREAM);
    let mut order: Vec<usize> = (0..count).collect();
    for left in (1..count).rev() {
        let below = left as u128 + 1;
        let choice = (u128::from(random.next_u64()) * below) >> 64;
        order.swap(left, choice as usize);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_is_a_permutation_that_its_seed_repeats() {
        for count in [0, 1, 2, 7, 1000] {
            let order = shuffled(count, 3);
            assert_eq!(order, shuffled(count, 3));
            let mut sorted = order;
            sorted.sort_unstable();
            assert_eq!(sorted, (0..count).collect::<Vec<_>>());
        }
        assert_ne!(shuffled(50, 1), shuffled(50, 2));
    }

    #[test]
    fn no_place_is_preferred() {
        let mut seen = [[0u32; 4]; 4];
        for seed in 0..4000 {
            for (place, number) in shuffled(4, seed).into_iter().enumerate() {
                seen[place][number] += 1;
            }
        }
        // Expected 1000 each with a deviation of 27.
        for count in seen.as_flattened() {
            assert!((850..1150).contains(count), "{seen:?}");
        }
    }
}
