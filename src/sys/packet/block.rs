//! What a block of the ring holds (`struct tpacket_block_desc` and `struct tpacket3_hdr`,
//! `include/uapi/linux/if_packet.h`). Nothing outside of the block is read, whatever it says.

/// Offsets in a block: number of packets, place of the first.
const COUNT: usize = 12;
const FIRST: usize = 16;

/// A packet with its link's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// When the kernel saw it: nanoseconds since 1970.
    pub at: u64,
    /// Its whole length in bytes.
    pub length: u32,
    /// Its bytes, as far as they were kept.
    pub bytes: &'a [u8],
}

/// The packets of a block, in order; those before the first that makes no sense.
pub fn frames(block: &[u8]) -> impl Iterator<Item = Frame<'_>> {
    let count = word(block, COUNT).unwrap_or(0);
    let mut place = word(block, FIRST).map(|first| first as usize);
    (0..count).map_while(move |_| {
        let header = block.get(place?..)?;
        // The last one names none.
        let next = word(header, 0).filter(|next| *next > 0);
        place = place.zip(next).map(|(place, next)| place + next as usize);
        frame(header)
    })
}

/// A header: place of the next, seconds, nanoseconds, bytes kept, length, status; then, in two
/// bytes, where the packet begins.
fn frame(header: &[u8]) -> Option<Frame<'_>> {
    let (seconds, nanos) = (word(header, 4)?, word(header, 8)?);
    let (kept, length) = (word(header, 12)? as usize, word(header, 16)?);
    let begins = usize::from(u16::from_ne_bytes(*header.get(24..)?.first_chunk()?));
    let bytes = header.get(begins..)?.get(..kept)?;
    Some(Frame { at: u64::from(seconds) * 1_000_000_000 + u64::from(nanos), length, bytes })
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A block as the kernel fills it.
    fn filled(packets: &[(u64, u32, &[u8])]) -> Vec<u8> {
        const HEADER: usize = 48;
        let mut block = vec![0; HEADER];
        block[COUNT..][..4].copy_from_slice(&(packets.len() as u32).to_ne_bytes());
        block[FIRST..][..4].copy_from_slice(&(HEADER as u32).to_ne_bytes());
        for (number, (at, length, bytes)) in packets.iter().enumerate() {
            let begins = 82u16;
            let next = (usize::from(begins) + bytes.len()).next_multiple_of(16) as u32;
            let (seconds, nanos) = ((at / 1_000_000_000) as u32, (at % 1_000_000_000) as u32);
            let start = block.len();
            let named = if number + 1 == packets.len() { 0 } else { next };
            for word in [named, seconds, nanos, bytes.len() as u32, *length, 1] {
                block.extend(word.to_ne_bytes());
            }
            block.extend(begins.to_ne_bytes());
            block.resize(start + usize::from(begins), 0);
            block.extend(*bytes);
            block.resize(start + next as usize, 0);
        }
        block
    }

    #[test]
    fn packets_are_found_in_order() {
        let block = filled(&[(1_700_000_000_000_000_001, 5, b"hello"), (7, 900, b"beginning")]);
        let found: Vec<_> = frames(&block).collect();
        let first = Frame { at: 1_700_000_000_000_000_001, length: 5, bytes: b"hello" };
        assert_eq!(found, [first, Frame { at: 7, length: 900, bytes: b"beginning" }]);
        assert_eq!(frames(&filled(&[])).count(), 0);
    }

    proptest! {
        #[test]
        fn no_block_makes_it_panic(
            changes in prop::collection::vec((0usize..200, any::<u8>()), 0..20),
            cut in 0usize..250,
        ) {
            let mut block = filled(&[(1, 5, b"hello"), (2, 3, b"you")]);
            for (at, byte) in changes {
                let at = at % block.len();
                block[at] = byte;
            }
            block.truncate(cut);
            prop_assert!(frames(&block).map(|f| f.bytes.len()).all(|n| n <= block.len()));
        }
    }
}
