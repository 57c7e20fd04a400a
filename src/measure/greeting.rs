//! The first bytes that a client of ours sends to a target of ours: who it is and since when it
//! believes to be connected, so that the target can measure `queue_wait`.

/// Length of a greeting on the wire.
pub const LENGTH: usize = 40;

/// No text protocol begins with this.
const MAGIC: [u8; 8] = *b"\x89LGREET1";

/// A client's identity and instants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Greeting {
    /// Identity of the run: greetings of another run are not of this ledger.
    pub run: u64,
    /// Index of the load in the upper 16 bits, number of the attempt in the lower 48.
    pub client: u64,
    /// CLOCK_MONOTONIC of the client when it was established, in nanoseconds.
    pub monotonic: u64,
    /// CLOCK_REALTIME at the same instant, for a target on another host.
    pub realtime: u64,
}

impl Greeting {
    /// The bytes on the wire: magic, then four big-endian numbers.
    pub fn encode(&self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        bytes[..8].copy_from_slice(&MAGIC);
        let numbers = [self.run, self.client, self.monotonic, self.realtime];
        for (place, number) in bytes[8..].chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_be_bytes());
        }
        bytes
    }

    /// Reads what [`Greeting::encode`] wrote; `None` for anything else.
    pub fn decode(bytes: &[u8; LENGTH]) -> Option<Self> {
        if bytes[..8] != MAGIC {
            return None;
        }
        let number = |at: usize| {
            let mut number = [0; 8];
            number.copy_from_slice(&bytes[at..at + 8]);
            u64::from_be_bytes(number)
        };
        Some(Self {
            run: number(8),
            client: number(16),
            monotonic: number(24),
            realtime: number(32),
        })
    }

    /// Whether `bytes`, the first ones of a connection, can still become a greeting.
    pub fn may_begin(bytes: &[u8]) -> bool {
        let seen = bytes.len().min(MAGIC.len());
        bytes[..seen] == MAGIC[..seen]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_greeting_survives_the_wire(run: u64, client: u64, monotonic: u64, realtime: u64) {
            let greeting = Greeting { run, client, monotonic, realtime };
            prop_assert_eq!(Greeting::decode(&greeting.encode()), Some(greeting));
        }

        #[test]
        fn rubbish_is_no_greeting(bytes: [u8; LENGTH]) {
            prop_assume!(bytes[..8] != MAGIC);
            prop_assert_eq!(Greeting::decode(&bytes), None);
        }
    }

    #[test]
    fn a_prefix_may_become_one() {
        assert!(Greeting::may_begin(b""));
        assert!(Greeting::may_begin(b"\x89LG"));
        assert!(!Greeting::may_begin(b"GET / HTTP/1.1"));
    }
}
