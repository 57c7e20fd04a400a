//! Packets as pcapng (draft-ietf-opsawg-pcapng), which Wireshark, tshark and tcpdump read: one
//! section, one interface of Ethernet, times in nanoseconds.

use std::io::{self, Write};

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 6;
const STATISTICS: u32 = 5;
/// Written in the order of this machine's bytes, by which readers know it.
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
/// LINKTYPE_ETHERNET; loopback has such headers as well, of zeroes.
const ETHERNET: u16 = 1;
/// Type, both lengths.
const FRAME: usize = 12;
/// Room for the last block, of statistics.
const LAST: u64 = 64;
/// Interface, time, both lengths of the packet.
const PACKET_HEAD: usize = 20;

/// The file's name inside a run's folder; a cell of a sweep has one of its own.
pub fn file_name(cell: Option<&str>) -> String {
    cell.map_or("capture.pcapng".to_owned(), |cell| format!("capture.{cell}.pcapng"))
}

/// Whether a file of this name at the top of a run's folder is one of packets.
pub fn is_own(name: &str) -> bool {
    name.starts_with("capture.") && name.ends_with(".pcapng")
}

/// Appends packets to a file, up to a bound.
pub struct Writer<W> {
    sink: W,
    /// Whole blocks that are not written yet.
    waiting: Vec<u8>,
    room: u64,
    kept: u64,
    beyond: u64,
}

impl<W: Write> Writer<W> {
    /// Begins a file of at most `size` bytes, of the first `snap` bytes of each packet of the
    /// interface `name`.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn new(sink: W, name: &str, snap: u32, size: u64) -> io::Result<Self> {
        let room = size.saturating_sub(LAST);
        let mut new = Self { sink, waiting: Vec::new(), room, kept: 0, beyond: 0 };
        // Version 1.0, of a length that is not known; written by loadgen (shb_userappl).
        let mut section = BYTE_ORDER.to_ne_bytes().to_vec();
        section.extend([1u16, 0].map(u16::to_ne_bytes).concat());
        section.extend(u64::MAX.to_ne_bytes());
        section.extend(options(&[(4, b"loadgen")]));
        new.add(SECTION, &section);
        let mut interface = [ETHERNET, 0].map(u16::to_ne_bytes).concat();
        interface.extend(snap.to_ne_bytes());
        // if_name, and if_tsresol: 10^-9 s.
        interface.extend(options(&[(2, name.as_bytes()), (9, &[9])]));
        new.add(INTERFACE, &interface);
        new.flush()?;
        Ok(new)
    }

    /// Adds a packet of `length` bytes, in nanoseconds since 1970, of which `bytes` are known. It is
    /// counted only, from the first on that has no room.
    pub fn packet(&mut self, at: u64, length: u32, bytes: &[u8]) {
        let block = (FRAME + PACKET_HEAD + bytes.len().next_multiple_of(4)) as u64;
        if self.beyond > 0 || block > self.room {
            self.beyond += 1;
            return;
        }
        self.kept += 1;
        let (high, low) = ((at >> 32) as u32, at as u32);
        let head = [0, high, low, bytes.len() as u32, length].map(u32::to_ne_bytes).concat();
        self.add(PACKET, &[&head, bytes].concat());
    }

    /// Writes what waits.
    ///
    /// # Errors
    /// Those of the sink; what waited is gone then.
    pub fn flush(&mut self) -> io::Result<()> {
        let written = self.sink.write_all(&self.waiting);
        self.waiting.clear();
        written?;
        self.sink.flush()
    }

    /// Ends the file with what the interface counted: packets that were `dropped` before they could
    /// be read are missing in it.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn finish(&mut self, at: u64, dropped: u64) -> io::Result<()> {
        let mut block = [0, (at >> 32) as u32, at as u32].map(u32::to_ne_bytes).concat();
        let received = self.kept + self.beyond + dropped;
        // isb_ifrecv, isb_ifdrop.
        block.extend(options(&[(4, &received.to_ne_bytes()), (5, &dropped.to_ne_bytes())]));
        self.add(STATISTICS, &block);
        self.flush()
    }

    /// Packets that are in the file, and packets that are not because it is full.
    pub fn counts(&self) -> (u64, u64) {
        (self.kept, self.beyond)
    }

    /// The sink.
    pub fn get_ref(&self) -> &W {
        &self.sink
    }

    /// A block: its type, its length, what it holds to a multiple of 4 bytes, its length again.
    fn add(&mut self, kind: u32, body: &[u8]) {
        let padded = body.len().next_multiple_of(4);
        let length = ((FRAME + padded) as u32).to_ne_bytes();
        self.waiting.extend(kind.to_ne_bytes());
        self.waiting.extend(length);
        self.waiting.extend(body);
        self.waiting.resize(self.waiting.len() + padded - body.len(), 0);
        self.waiting.extend(length);
        self.room = self.room.saturating_sub((FRAME + padded) as u64);
    }
}

/// Options: a code, a length, a value to a multiple of 4 bytes; and their end.
fn options(all: &[(u16, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (code, value) in all {
        bytes.extend(code.to_ne_bytes());
        bytes.extend((value.len() as u16).to_ne_bytes());
        bytes.extend(*value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes.extend([0; 4]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The blocks of a file, by type and length; panics where they do not fit together.
    fn blocks(mut file: &[u8]) -> Vec<(u32, usize)> {
        let word = |at: usize, file: &[u8]| u32::from_ne_bytes(*file[at..].first_chunk().unwrap());
        let mut found = Vec::new();
        while !file.is_empty() {
            let length = word(4, file) as usize;
            assert_eq!(word(length - 4, file) as usize, length, "the length stands at both ends");
            assert!(length.is_multiple_of(4));
            found.push((word(0, file), length));
            file = &file[length..];
        }
        found
    }

    #[test]
    fn a_file_is_a_row_of_blocks_and_never_too_long() {
        for size in [0, 200, 300, 1000] {
            let mut writer = Writer::new(Vec::new(), "lab", 128, size).expect("memory");
            (0..10).for_each(|n| writer.packet(n, 1500, &[1; 74]));
            let (kept, beyond) = writer.counts();
            assert_eq!(kept + beyond, 10);
            writer.finish(11, 0).expect("memory");
            let file = writer.get_ref();
            let blocks = blocks(file);
            assert_eq!(blocks[0].0, SECTION);
            assert_eq!(blocks[1].0, INTERFACE);
            assert_eq!(blocks.len() as u64, 2 + kept + 1);
            assert!(kept == 0 || file.len() as u64 <= size, "{} of {size}", file.len());
            assert!(kept < 10, "{kept} in {size}");
        }
    }

    #[test]
    fn a_packet_s_time_is_in_two_halves() {
        let mut writer = Writer::new(Vec::new(), "lo", 128, 1 << 20).expect("memory");
        let head = writer.get_ref().len();
        writer.packet(0x0123_4567_89ab_cdef, 60, &[7; 5]);
        writer.finish(1, 3).expect("memory");
        let file = writer.get_ref();
        let block = &file[head..][..40];
        let wanted = [PACKET, 40, 0, 0x0123_4567, 0x89ab_cdef, 5, 60].map(u32::to_ne_bytes);
        assert_eq!(block[..28], wanted.concat());
        assert_eq!(block[28..36], [7, 7, 7, 7, 7, 0, 0, 0]);
        let all = blocks(file);
        assert_eq!(all.last().map(|(kind, _)| *kind), Some(STATISTICS));
        let received = (1u64 + 3).to_ne_bytes();
        assert!(file.windows(12).any(|w| w[..4] == [4, 0, 8, 0] && w[4..] == received));
    }

    #[test]
    fn files_are_known_by_their_names() {
        assert_eq!(file_name(None), "capture.pcapng");
        assert_eq!(file_name(Some("backlog=5")), "capture.backlog=5.pcapng");
        assert!(is_own(&file_name(None)) && is_own(&file_name(Some("a.b"))));
        assert!(!is_own("mine.pcapng") && !is_own("capture.pcap"));
    }
}
