//! What can be wrong with a capture file, said so that an operator can find the place.

use std::io;
use std::path::PathBuf;

/// A capture file that cannot be read on, and where.
#[derive(Debug, thiserror::Error)]
#[error("{}: byte {offset}: {fault}", path.display())]
pub struct CaptureError {
    /// The file.
    pub path: PathBuf,
    /// Where in the file, counted after unpacking when it is compressed.
    pub offset: u64,
    /// What is wrong there.
    #[source]
    pub fault: CaptureFault,
}

impl CaptureError {
    /// Whether the file merely ends too early, so that every record before the end is sound.
    pub const fn is_truncation(&self) -> bool {
        matches!(self.fault, CaptureFault::Truncated { .. } | CaptureFault::PackedCut { .. })
    }
}

/// What is wrong with a capture file.
#[derive(Debug, thiserror::Error)]
pub enum CaptureFault {
    /// The system would not open or read it.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It has no bytes.
    #[error("the file is empty")]
    Empty,
    /// Its first bytes are those of no capture.
    #[error("not a pcap or pcapng capture: it starts with {}", hex(.magic))]
    NotACapture {
        /// The first bytes.
        magic: Vec<u8>,
    },
    /// It is packed in a way that is not unpacked here.
    #[error("compressed by {by}, which is not read: unpack it first")]
    Compressed {
        /// The tool that packs so.
        by: &'static str,
    },
    /// It is of a version whose layout is not known here.
    #[error("version {major}.{minor} of the capture format is not read")]
    Version {
        /// Major version.
        major: u16,
        /// Minor version.
        minor: u16,
    },
    /// It ends in the middle of something.
    #[error("ends too early, after {} packets: {have} of the {need} bytes of {within} are there", packet - 1)]
    Truncated {
        /// The packet, counted from 1, that is not whole.
        packet: u64,
        /// What the end cuts.
        within: &'static str,
        /// Bytes needed.
        need: usize,
        /// Bytes there.
        have: usize,
    },
    /// It is packed, and what packs it ends before it should.
    #[error("the compressed file ends too early, after {packets} packets")]
    PackedCut {
        /// Packets that are whole.
        packets: u64,
    },
    /// Its packets are of a link that cannot be made into Ethernet.
    #[error("link type {0} cannot be replayed: Ethernet, Linux cooked, raw IP and loopback can")]
    LinkType(u32),
    /// A packet is longer than any can be.
    #[error("packet {packet} is said to have {len} bytes: the file is damaged")]
    PacketLength {
        /// The packet, counted from 1.
        packet: u64,
        /// Its length.
        len: u32,
    },
    /// A block's length is not one that a block can have.
    #[error("a block is said to have {len} bytes: the file is damaged")]
    BlockLength {
        /// Its length.
        len: u32,
    },
    /// The length after a block is not the one before it.
    #[error(
        "a block starts with length {before} and ends with length {after}: the file is damaged"
    )]
    BlockTrailer {
        /// Length before the block.
        before: u32,
        /// Length after the block.
        after: u32,
    },
    /// A section's byte order mark is neither one nor the other.
    #[error("the byte order mark of a section is {0:#010x}: the file is damaged")]
    ByteOrder(u32),
    /// A packet names an interface that was not described.
    #[error("packet {packet} is of interface {interface}, and only {described} are described")]
    Interface {
        /// The packet, counted from 1.
        packet: u64,
        /// The interface it names.
        interface: u32,
        /// How many there are.
        described: usize,
    },
}

/// Bytes as pairs of hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}
