//! Clients that leave without a word: which ones, and when.

use super::{Progress, Stage};
use crate::scenario::plan::{After, Vanish, VanishHow};

/// Decides who vanishes. The same seed gives the same attempts.
#[derive(Debug, Clone, Copy)]
pub struct Vanishing {
    vanish: Vanish,
    seed: u64,
}

impl Vanishing {
    pub(super) fn new(vanish: Vanish, seed: u64) -> Self {
        Self { vanish, seed }
    }

    pub(super) fn how(self) -> VanishHow {
        self.vanish.how
    }

    /// Whether attempt `number` is one of them.
    pub(super) fn takes(self, number: u64) -> bool {
        // 53 bits are all that a fraction has.
        let fraction = (mixed(self.seed ^ number) >> 11) as f64 / (1u64 << 53) as f64;
        fraction < self.vanish.ratio.get()
    }

    /// Whether a connection of theirs has come to where it is left.
    pub(super) fn is_due(self, progress: &Progress) -> bool {
        match self.vanish.after {
            After::Connect => true,
            After::Request => {
                progress.exchanges > 0 || !matches!(progress.stage, Stage::Sending | Stage::Pausing)
            }
        }
    }
}

/// Neighbouring numbers give unlike ones (Steele, Lea and Flood: SplitMix64).
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_kept_and_repeats() {
        let vanish = |ratio: &str| Vanish {
            after: After::Connect,
            ratio: ratio.parse().expect("a ratio"),
            how: VanishHow::Rst,
        };
        for (ratio, least, most) in [("5%", 4_800, 5_200), ("100%", 100_000, 100_000)] {
            let taken = |seed| {
                let vanishing = Vanishing::new(vanish(ratio), seed);
                (0..100_000).filter(|number| vanishing.takes(*number)).count()
            };
            assert!((least..=most).contains(&taken(7)), "{}", taken(7));
            assert_eq!(taken(7), taken(7));
        }
    }
}
