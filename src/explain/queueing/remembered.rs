//! What a kernel remembers of a peer whose connections are closed (`net/ipv4/tcp_metrics.c`).

use super::half_open::RESEND;

/// A round trip on one machine: what the coarse clock of timestamps shows of it, in nanoseconds.
const SHORT: f64 = 1e6;

/// The remembered round trip between two addresses, in nanoseconds.
///
/// Where clients and target have the same address, what the target measured is taken for the
/// clients' own round trip. The target measures long ones: from its SYN-ACK to what made the
/// connection at last. A few of these make every client wait seconds before it sends again.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Remembered {
    shared: bool,
    round_trip: f64,
}

impl Remembered {
    /// Nothing so far; `shared` where clients and target have the same address.
    pub fn new(shared: bool) -> Self {
        Self { shared, round_trip: 0.0 }
    }

    /// A connection is closed that was made so many nanoseconds after its SYN-ACK.
    pub fn closed(&mut self, made_after: u64) {
        if self.shared {
            // The acknowledgement of its FIN counts an eighth (`tcp_rtt_estimator`).
            self.learn(made_after as f64 * 7.0 / 8.0);
            self.learn(SHORT);
        }
    }

    /// A longer one is believed at once, a shorter one an eighth at a time (`tcp_update_metrics`).
    fn learn(&mut self, round_trip: f64) {
        let longer = round_trip - self.round_trip;
        self.round_trip += if longer >= 0.0 { longer } else { longer / 8.0 };
    }

    /// How long a new connection waits for an acknowledgement before it sends again, in nanoseconds
    /// (`tcp_init_metrics`).
    pub fn timeout(&self) -> u64 {
        RESEND.max((3.0 * self.round_trip) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_round_trip_is_believed_at_once_and_forgotten_slowly() {
        let mut kernel = Remembered::new(true);
        assert_eq!(kernel.timeout(), RESEND);
        kernel.closed(8_000_000_000);
        let first = kernel.timeout();
        assert!(
            (18_000_000_000..19_000_000_000).contains(&first),
            "3 * 7 s, less an eighth: {first}"
        );
        (0..10).for_each(|_| kernel.closed(20_000));
        assert!((1_000_000_000..3_000_000_000).contains(&kernel.timeout()), "{kernel:?}");
        (0..100).for_each(|_| kernel.closed(20_000));
        assert_eq!(kernel.timeout(), RESEND);
        let mut apart = Remembered::new(false);
        apart.closed(8_000_000_000);
        assert_eq!(apart.timeout(), RESEND);
    }
}
