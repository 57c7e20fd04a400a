//! What each datagram of ours carries: whose it is, its place in its stream, and its instants.

use crate::scenario::plan::Datagrams;

/// Length of the header on the wire; no datagram of ours is shorter.
pub const LENGTH: usize = Datagrams::SMALLEST as usize;

/// No text protocol begins with this.
pub const MAGIC: [u8; 3] = *b"\x89LD";

/// What a datagram is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One of the stream.
    Data,
    /// The end of a stream: `sequence` is one past its last datagram, `intended` the number of its
    /// datagrams that the sender's kernel took. Sent several times.
    Closing,
}

impl Kind {
    /// The byte on the wire, right behind [`MAGIC`].
    pub const fn byte(self) -> u8 {
        match self {
            Self::Data => b'd',
            Self::Closing => b'c',
        }
    }

    const fn of(byte: u8) -> Option<Self> {
        match byte {
            b'd' => Some(Self::Data),
            b'c' => Some(Self::Closing),
            _ => None,
        }
    }
}

/// The head of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What it is.
    pub kind: Kind,
    /// Identity of the run: datagrams of another run are foreign.
    pub run: u32,
    /// Number of the stream in its cell.
    pub stream: u32,
    /// Place in the stream, from 0; only datagrams that the sender's kernel took have one.
    pub sequence: u64,
    /// When the schedule wanted it, in nanoseconds of the sender's CLOCK_MONOTONIC (CLOCK_REALTIME
    /// where the receiver has another clock).
    pub intended: u64,
    /// When it went out, on the same clock.
    pub sent: u64,
}

/// What the first bytes of a datagram are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// A header, whole.
    Ours(Header),
    /// It begins as a header does, and is damaged or cut.
    Corrupt,
    /// Nothing of ours.
    Foreign,
}

impl Header {
    /// Writes it to the first [`LENGTH`] bytes of a datagram: magic, kind, a checksum over the rest,
    /// then numbers, big-endian.
    ///
    /// # Panics
    /// Where there are fewer than [`LENGTH`] bytes.
    pub fn write(&self, datagram: &mut [u8]) {
        let head: &mut [u8; LENGTH] =
            datagram.first_chunk_mut().expect("a datagram of ours has room for its header");
        head[..3].copy_from_slice(&MAGIC);
        head[3] = self.kind.byte();
        head[8..12].copy_from_slice(&self.run.to_be_bytes());
        head[12..16].copy_from_slice(&self.stream.to_be_bytes());
        head[16..24].copy_from_slice(&self.sequence.to_be_bytes());
        head[24..32].copy_from_slice(&self.intended.to_be_bytes());
        head[32..40].copy_from_slice(&self.sent.to_be_bytes());
        let check = checksum(head);
        head[4..8].copy_from_slice(&check.to_be_bytes());
    }

    /// Reads the head of a datagram; what follows it may be anything, as in a reply of somebody who
    /// sends back what came and adds to it.
    pub fn read(datagram: &[u8]) -> Content {
        if datagram.get(..3) != Some(&MAGIC) {
            return Content::Foreign;
        }
        let Some(head) = datagram.first_chunk::<LENGTH>() else { return Content::Corrupt };
        let half =
            |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let whole = |at: usize| u64::from(half(at)) << 32 | u64::from(half(at + 4));
        match Kind::of(head[3]) {
            Some(kind) if half(4) == checksum(head) => Content::Ours(Self {
                kind,
                run: half(8),
                stream: half(12),
                sequence: whole(16),
                intended: whole(24),
                sent: whole(32),
            }),
            _ => Content::Corrupt,
        }
    }
}

/// Over everything but the checksum itself; a change of any one byte changes it. Each step is a
/// bijection of the sum for a given word, and of the word for a given sum, so that damage to one
/// word is never undone by those after it; the fold to 32 bits lets one in 2^32 through.
fn checksum(head: &[u8; LENGTH]) -> u32 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let word = |at: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&head[at..at + 8]);
        u64::from_be_bytes(bytes)
    };
    let words = [u64::from(head[3]), word(8), word(16), word(24), word(32)];
    let sum = words.iter().fold(ODD, |sum: u64, word| {
        let mixed = (sum ^ word).wrapping_mul(ODD);
        mixed ^ mixed >> 29
    });
    (sum >> 32) as u32 ^ sum as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn headers() -> impl Strategy<Value = Header> {
        let kinds = prop_oneof![Just(Kind::Data), Just(Kind::Closing)];
        (kinds, any::<(u32, u32, u64, u64, u64)>()).prop_map(|(kind, n)| Header {
            kind,
            run: n.0,
            stream: n.1,
            sequence: n.2,
            intended: n.3,
            sent: n.4,
        })
    }

    proptest! {
        #[test]
        fn a_header_survives_the_wire(header in headers(), length in LENGTH..2000) {
            let mut datagram = vec![7; length];
            header.write(&mut datagram);
            prop_assert_eq!(Header::read(&datagram), Content::Ours(header));
        }

        #[test]
        fn damage_is_seen(
            header in headers(),
            length in LENGTH..200,
            at in 0..LENGTH,
            change in 1u8..=255,
            cut in 1usize..LENGTH,
        ) {
            let mut datagram = vec![7; length];
            header.write(&mut datagram);
            prop_assert_ne!(Header::read(&datagram[..LENGTH - cut]), Content::Ours(header));
            datagram[at] ^= change;
            let seen = Header::read(&datagram);
            prop_assert_eq!(seen, if at < 3 { Content::Foreign } else { Content::Corrupt });
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            Header::read(&bytes);
            let mut begun = MAGIC.to_vec();
            begun.extend(bytes);
            Header::read(&begun);
        }
    }
}
