//! Packets of an interface, as its link carries them: a ring that the kernel fills (AF_PACKET,
//! TPACKET_V3, `Documentation/networking/packet_mmap.rst`). It only listens: nothing here can send.
//!
//! A plain socket would not do: its buffer is bounded by `net.core.rmem_max`, which is a few hundred
//! packets, and the ring is not.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};

mod block;

pub use block::Frame;

/// Bytes of a block, which is handed over as a whole: some 1,500 small packets.
const BLOCK: usize = 256 << 10;
/// 32 MiB in all: 200,000 small packets, half a second of what two CPUs can do.
const BLOCKS: usize = 128;
/// How long a block waits to be filled before it is handed over as it is, in milliseconds.
const RETIRE: u32 = 20;
/// What the kernel wants to be told although frames of this version have no fixed size.
const FRAME: u32 = 2048;
/// Where a block's status lies (`struct tpacket_block_desc`).
const STATUS: usize = 8;

/// Which packets of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// All that it sends or receives.
    Both,
    /// What it sends: over loopback each packet is received as well, by the same interface.
    Sent,
}

/// A ring of packets. It belongs to the network namespace in which it was opened, and can be read
/// from any thread.
#[derive(Debug)]
pub struct Ring {
    socket: Socket,
    memory: Memory,
    next: usize,
    dropped: u64,
}

impl Ring {
    /// Begins to record `which` packets of the interface `name`, the first `snap` bytes of each.
    ///
    /// # Errors
    /// `EPERM` without `CAP_NET_RAW` over the namespace, `ENODEV`, `ENOMEM`, `EAFNOSUPPORT` in a
    /// kernel without packet sockets.
    pub fn open(name: &str, which: Which, snap: u32) -> io::Result<Self> {
        let interface = nix::net::if_::if_nametoindex(name)?;
        // Of no protocol yet, so that nothing comes before there are ring and filter.
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(0)))?;
        socket.attach_filter(&filter(which, snap))?;
        set(&socket, libc::PACKET_VERSION, &(libc::tpacket_versions::TPACKET_V3 as libc::c_int))?;
        let request = libc::tpacket_req3 {
            tp_block_size: BLOCK as u32,
            tp_block_nr: BLOCKS as u32,
            tp_frame_size: FRAME,
            tp_frame_nr: (BLOCK * BLOCKS) as u32 / FRAME,
            tp_retire_blk_tov: RETIRE,
            tp_sizeof_priv: 0,
            tp_feature_req_word: 0,
        };
        set(&socket, libc::PACKET_RX_RING, &request)?;
        let memory = Memory::of(&socket)?;
        bind(&socket, interface)?;
        Ok(Self { socket, memory, next: 0, dropped: 0 })
    }

    /// How long a packet may wait for its block, at most.
    pub const PATIENCE: Duration = Duration::from_millis(2 * RETIRE as u64);

    /// Waits until there are packets, at most for `patience`.
    ///
    /// # Errors
    /// Those of `poll(2)`, and `ENETDOWN` where the interface is gone.
    pub fn wait(&self, patience: Duration) -> io::Result<()> {
        if self.memory.is_ours(self.next) {
            return Ok(());
        }
        let mut watched = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        let patience = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
        match poll(&mut watched, patience) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        self.socket.take_error()?.map_or(Ok(()), Err)
    }

    /// Gives the packets of one block to `each`, in the order in which they passed; whether there
    /// was one.
    pub fn read(&mut self, each: impl FnMut(Frame<'_>)) -> bool {
        if !self.memory.is_ours(self.next) {
            return false;
        }
        block::frames(self.memory.block(self.next)).for_each(each);
        self.memory.give_back(self.next);
        self.next = (self.next + 1) % BLOCKS;
        true
    }

    /// Packets that the kernel dropped since the ring was opened, because it was full.
    ///
    /// # Errors
    /// None in practice.
    pub fn dropped(&mut self) -> io::Result<u64> {
        // Reading sets the kernel's own counts back.
        self.dropped += u64::from(statistics(&self.socket)?.tp_drops);
        Ok(self.dropped)
    }
}

/// A program of classic BPF that says how many bytes of a packet are kept: none of those that were
/// not asked for (`net/core/filter.c`, SKF_AD_PKTTYPE).
fn filter(which: Which, snap: u32) -> Vec<SockFilter> {
    /// `BPF_LD | BPF_B | BPF_ABS`, `BPF_JMP | BPF_JEQ | BPF_K`, `BPF_RET | BPF_K`.
    const LOAD: u16 = 0x30;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    let packet_type = (libc::SKF_AD_OFF + libc::SKF_AD_PKTTYPE) as u32;
    let keep = SockFilter::new(RETURN, 0, 0, snap);
    match which {
        Which::Both => vec![keep],
        Which::Sent => vec![
            SockFilter::new(LOAD, 0, 0, packet_type),
            SockFilter::new(JUMP_IF_EQUAL, 0, 1, u32::from(libc::PACKET_OUTGOING)),
            keep,
            SockFilter::new(RETURN, 0, 0, 0),
        ],
    }
}

/// Sets an option of packet sockets.
fn set<T>(socket: &Socket, option: libc::c_int, value: &T) -> io::Result<()> {
    // SAFETY: the kernel reads as many bytes as the value has.
    #[allow(unsafe_code)]
    let done = unsafe {
        let length = size_of::<T>() as libc::socklen_t;
        let value = std::ptr::from_ref(value).cast();
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_PACKET, option, value, length)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn statistics(socket: &Socket) -> io::Result<libc::tpacket_stats_v3> {
    let mut found = libc::tpacket_stats_v3 { tp_packets: 0, tp_drops: 0, tp_freeze_q_cnt: 0 };
    let mut length = size_of_val(&found) as libc::socklen_t;
    // SAFETY: the kernel writes at most as many bytes as `length` says, and any are valid.
    #[allow(unsafe_code)]
    let done = unsafe {
        let found = (&raw mut found).cast();
        let option = libc::PACKET_STATISTICS;
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_PACKET, option, found, &mut length)
    };
    if done == 0 { Ok(found) } else { Err(io::Error::last_os_error()) }
}

/// Packets of every protocol begin to come, from one interface.
fn bind(socket: &Socket, interface: u32) -> io::Result<()> {
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: (libc::ETH_P_ALL as u16).to_be(),
        sll_ifindex: interface as libc::c_int,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    // SAFETY: the kernel reads as many bytes as the address has.
    #[allow(unsafe_code)]
    let done = unsafe {
        let length = size_of_val(&address) as libc::socklen_t;
        libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The ring, shared with the kernel block by block: one whose status says so is ours, and the
/// kernel does not touch it until it is given back.
#[derive(Debug)]
struct Memory(NonNull<u8>);

// SAFETY: it is the one reference to its memory, and no thread's.
#[allow(unsafe_code)]
unsafe impl Send for Memory {}

impl Memory {
    fn of(socket: &Socket) -> io::Result<Self> {
        // SAFETY: a new mapping at a place of the kernel's choice touches no other memory.
        #[allow(unsafe_code)]
        let memory = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                BLOCK * BLOCKS,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                socket.as_raw_fd(),
                0,
            )
        };
        match NonNull::new(memory.cast::<u8>()) {
            Some(memory) if memory.as_ptr().cast() != libc::MAP_FAILED => Ok(Self(memory)),
            _ => Err(io::Error::last_os_error()),
        }
    }

    fn status(&self, block: usize) -> &AtomicU32 {
        assert!(block < BLOCKS);
        // SAFETY: inside of the mapping, which lives as long as `self`; aligned, as blocks are
        // pages; and only ever used as an atomic while the kernel may write it.
        #[allow(unsafe_code)]
        unsafe {
            AtomicU32::from_ptr(self.0.as_ptr().add(block * BLOCK + STATUS).cast())
        }
    }

    fn is_ours(&self, block: usize) -> bool {
        self.status(block).load(Ordering::Acquire) & libc::TP_STATUS_USER != 0
    }

    /// The bytes of a block that [is ours](Self::is_ours).
    fn block(&self, block: usize) -> &[u8] {
        assert!(self.is_ours(block));
        // SAFETY: inside of the mapping, and not written by the kernel until it is given back,
        // which takes `&mut self`, so that this borrow has ended.
        #[allow(unsafe_code)]
        unsafe {
            std::slice::from_raw_parts(self.0.as_ptr().add(block * BLOCK), BLOCK)
        }
    }

    fn give_back(&mut self, block: usize) {
        self.status(block).store(libc::TP_STATUS_KERNEL, Ordering::Release);
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own, and nothing borrows from it any more.
        #[allow(unsafe_code)]
        unsafe {
            libc::munmap(self.0.as_ptr().cast(), BLOCK * BLOCKS);
        }
    }
}
