//! Messages of netlink whose attributes are written one by one, and attributes that are read
//! (`include/uapi/linux/netlink.h`): for nf_tables and queueing disciplines, of which no crate that
//! we may use knows enough.

use std::io;

use netlink_packet_core::{NLA_F_NESTED, NLA_TYPE_MASK, NetlinkSerializable};

use super::questions::rubbish;

/// A message that grows attribute by attribute.
#[derive(Debug, Clone)]
pub struct Message {
    kind: u16,
    bytes: Vec<u8>,
}

impl Message {
    /// Of a type, with the fixed part that this type begins with.
    pub fn new(kind: u16, fixed: &[u8]) -> Self {
        Self { kind, bytes: fixed.to_vec() }
    }

    /// With an attribute.
    pub fn with(mut self, kind: u16, value: &[u8]) -> Self {
        let length = u16::try_from(4 + value.len()).expect("our attributes are short");
        self.bytes.extend(length.to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self
    }

    /// With a number as the netfilter part of the kernel wants them: 32 bits, big-endian.
    pub fn with_number(self, kind: u16, value: u32) -> Self {
        self.with(kind, &value.to_be_bytes())
    }

    /// With a text that ends in a zero byte.
    pub fn with_text(self, kind: u16, text: &str) -> Self {
        let mut value = text.as_bytes().to_vec();
        value.push(0);
        self.with(kind, &value)
    }

    /// With an attribute that consists of `first` and the attributes that `inside` adds.
    pub fn with_nest(
        self,
        kind: u16,
        first: &[u8],
        inside: impl FnOnce(Message) -> Message,
    ) -> Self {
        let nest = inside(Message::new(0, first));
        self.with(kind | NLA_F_NESTED, &nest.bytes)
    }
}

impl NetlinkSerializable for Message {
    fn message_type(&self) -> u16 {
        self.kind
    }

    fn buffer_len(&self) -> usize {
        self.bytes.len()
    }

    fn serialize(&self, buffer: &mut [u8]) {
        buffer[..self.bytes.len()].copy_from_slice(&self.bytes);
    }
}

/// Gives kind and value of each attribute to `each`.
///
/// # Errors
/// `InvalidData` where the lengths do not fit, and those of `each`.
pub fn each<'a>(
    attributes: &'a [u8],
    mut each: impl FnMut(u16, &'a [u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut rest = attributes;
    while !rest.is_empty() {
        let head = rest.first_chunk().map(|&[a, b, c, d]| ([a, b], [c, d]));
        let (length, kind) = head.ok_or_else(|| rubbish("an attribute is cut"))?;
        let length = usize::from(u16::from_ne_bytes(length));
        let value = rest.get(4..length).ok_or_else(|| rubbish("an attribute's length is wrong"))?;
        each(u16::from_ne_bytes(kind) & NLA_TYPE_MASK, value)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or(&[]);
    }
    Ok(())
}

/// The value of the first attribute of a kind; empty where there is none, or where what precedes
/// it is not readable.
pub fn find(attributes: &[u8], wanted: u16) -> &[u8] {
    let mut found = None;
    let _ = each(attributes, |kind, value| {
        if kind == wanted {
            found.get_or_insert(value);
        }
        Ok(())
    });
    found.unwrap_or(&[])
}

/// The `n`th of the 32-bit numbers in a value, in the machine's order; 0 where it is shorter.
pub fn number(value: &[u8], n: usize) -> u32 {
    value.get(4 * n..).and_then(|rest| rest.first_chunk()).map_or(0, |&b| u32::from_ne_bytes(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn attributes_are_padded_and_nest() {
        let message = Message::new(7, &[9; 4])
            .with_text(1, "ab")
            .with_nest(2, &[5; 4], |m| m.with_number(3, 1).with(4, &[1]))
            .with(5, &[]);
        let attributes = &message.bytes[4..];
        assert_eq!(find(attributes, 1), b"ab\0");
        let nest = find(attributes, 2);
        assert_eq!(number(nest, 0), 0x0505_0505);
        assert_eq!(find(&nest[4..], 3), [0, 0, 0, 1]);
        assert_eq!(find(&nest[4..], 4), [1]);
        assert!(find(attributes, 9).is_empty());
        let mut kinds = Vec::new();
        each(attributes, |kind, _| {
            kinds.push(kind);
            Ok(())
        })
        .unwrap();
        assert_eq!(kinds, [1, 2, 5]);
        assert_eq!(message.buffer_len() % 4, 0);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..100), n in 0usize..30) {
            let _ = each(&bytes, |_, value| {
                number(value, n);
                Ok(())
            });
            find(&bytes, 1);
        }
    }
}
