//! How large each datagram is: a function of its attempt's number and the seed.

use crate::measure::datagram::LENGTH;
use crate::scenario::plan::Sizes;

/// The sizes of a load.
#[derive(Debug)]
pub struct SizeOf {
    sizes: Sizes,
    seed: u64,
}

impl SizeOf {
    pub fn new(sizes: Sizes, seed: u64) -> Self {
        Self { sizes, seed }
    }

    /// Of the datagram of attempt `number`, in bytes: whoever sends it, and with whatever others.
    pub fn of(&self, number: u64) -> u16 {
        let size = match &self.sizes {
            Sizes::Fixed { bytes } => *bytes,
            Sizes::Turns { bytes } => bytes[(number % bytes.len() as u64) as usize],
            Sizes::Uniform { min, max } => {
                let span = u64::from(max.saturating_sub(*min)) + 1;
                min + ((u128::from(self.random(number)) * u128::from(span)) >> 64) as u16
            }
            Sizes::Exponential { min, mean, max } => {
                // 53 bits, as a float has them; above zero, so that the logarithm is finite.
                let share = ((self.random(number) >> 11) + 1) as f64 / (1_u64 << 53) as f64;
                let above = -share.ln() * f64::from(*mean);
                (f64::from(*min) + above).min(f64::from(*max)) as u16
            }
        };
        size.max(LENGTH as u16)
    }

    /// SplitMix64 (Steele, Lea, Flood 2014): any number's value without those before it.
    fn random(&self, number: u64) -> u64 {
        let mut z =
            self.seed.wrapping_add(number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(sizes: Sizes) -> Vec<u16> {
        let sizes = SizeOf::new(sizes, 7);
        (0..10_000).map(|number| sizes.of(number)).collect()
    }

    fn mean(sizes: &[u16]) -> f64 {
        sizes.iter().map(|size| f64::from(*size)).sum::<f64>() / sizes.len() as f64
    }

    #[test]
    fn sizes_keep_their_bounds_and_means() {
        let uniform = some(Sizes::Uniform { min: 100, max: 200 });
        assert_eq!((uniform.iter().min(), uniform.iter().max()), (Some(&100), Some(&200)));
        assert!((mean(&uniform) - 150.0).abs() < 3.0);
        let exponential = some(Sizes::Exponential { min: 100, mean: 300, max: 60_000 });
        assert!((mean(&exponential) - 400.0).abs() < 20.0, "{}", mean(&exponential));
        let cut = some(Sizes::Exponential { min: 100, mean: 300, max: 500 });
        assert_eq!((cut.iter().min(), cut.iter().max()), (Some(&100), Some(&500)));
        let turns = some(Sizes::Turns { bytes: vec![50, 60, 70] });
        assert_eq!(turns[..4], [50, 60, 70, 50]);
        assert_eq!(some(Sizes::Fixed { bytes: 1 })[0], LENGTH as u16);
        let all = some(Sizes::Uniform { min: 0, max: u16::MAX });
        assert!(mean(&all) > 30_000.0);
    }
}
