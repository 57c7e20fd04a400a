//! How the delay of a stream's datagrams varies.

/// The delays of one stream, on one pair of clocks, which need not agree: only differences count.
#[derive(Debug, Clone, Copy, Default)]
pub struct Variation {
    /// Sequence number and delay of the last that came.
    last: Option<(u64, i64)>,
    /// Sixteen times the jitter, so that nothing is lost to rounding (RFC 3550, A.8).
    jitter: u64,
}

impl Variation {
    /// A datagram came for the first time, `delay` nanoseconds after it left. Gives the magnitude of
    /// its delay variation (RFC 3393) where the one right before it came right before it.
    #[inline]
    pub fn arrive(&mut self, sequence: u64, delay: i64) -> Option<u64> {
        let (before, earlier) = self.last.replace((sequence, delay))?;
        let difference = delay.abs_diff(earlier);
        // RFC 3550, 6.4.1: in order of arrival, whatever the numbers.
        let decay = self.jitter.saturating_add(8) >> 4;
        self.jitter = self.jitter.saturating_add(difference) - decay;
        (sequence == before.wrapping_add(1)).then_some(difference)
    }

    /// Interarrival jitter, in nanoseconds.
    pub fn jitter(&self) -> u64 {
        self.jitter >> 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_goes_to_what_delays_differ_by() {
        let mut variation = Variation::default();
        assert_eq!(variation.arrive(u64::MAX, 5_000), None);
        for n in 0..400u64 {
            let delay = if n % 2 == 0 { 4_000 } else { 5_000 };
            assert_eq!(variation.arrive(n, delay), Some(1_000));
        }
        assert!((990..=1_000).contains(&variation.jitter()), "{}", variation.jitter());
        // The first step of RFC 3550: a sixteenth of the difference.
        let mut once = Variation::default();
        once.arrive(0, -100);
        once.arrive(1, 1_500);
        assert_eq!(once.jitter(), 100);
    }

    #[test]
    fn only_neighbours_in_number_have_a_variation() {
        let mut variation = Variation::default();
        let seen: Vec<_> = [(0, 10), (2, 15), (1, 18), (3, 20), (4, 14)]
            .map(|(sequence, delay)| variation.arrive(sequence, delay))
            .into();
        assert_eq!(seen, [None, None, None, None, Some(6)]);
    }

    #[test]
    fn clocks_far_apart_do_no_harm() {
        let mut variation = Variation::default();
        for (n, delay) in [i64::MIN, i64::MAX, i64::MIN, 0].into_iter().enumerate() {
            variation.arrive(n as u64, delay);
        }
        assert!(variation.jitter() > 0);
    }
}
