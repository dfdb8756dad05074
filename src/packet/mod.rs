//! What a packet says: header views, writers and checksums over plain bytes.
//!
//! - takes: byte slices; nothing here knows where they live
//! - gives: views whose constructor proves the bounds once, so that no accessor can fail afterwards,
//!   and writers that emit into a caller's buffer
//! - costs: no allocation, no I/O and no clock on any parsing path (`benches/checksum.rs`)

pub mod arp;
pub mod bits;
pub mod build;
pub mod checksum;
pub mod envelope;
pub mod ethernet;
pub mod flow;
pub mod flow6;
mod flowi;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod generate;
pub mod icmp4;
pub mod icmp6;
pub mod igmp;
pub mod ipv4;
pub mod ipv6;
pub mod jhash;
pub mod mac;
pub mod mld;
pub mod ndisc;
pub mod record;
pub mod tcp;
pub mod toeplitz;
pub mod udp;
pub mod vlan;

pub use bits::Bits;
pub use build::FrameBuilder;
pub use flow::{flow_hash, l3_hash, tuple_hash};
pub use flow6::{Fields6, flow_hash6, l3_hash6, tuple_hash6};
pub use flowi::Flow;
pub use mac::MacAddr;

/// `N` bytes of a frame as one, so that they are read by one load.
#[inline(always)]
pub fn word<const N: usize>(frame: &[u8], at: usize) -> [u8; N] {
    let mut all = [0; N];
    all.copy_from_slice(&frame[at..at + N]);
    all
}

/// Most pieces of a packet of which it is known how long they were.
pub const PIECES_MAX: usize = 16;

/// Bytes that each piece of a packet carried, with zeros behind them; only zeros where there were more
/// than [`PIECES_MAX`], or none.
pub type Pieces = [u16; PIECES_MAX];

/// Why bytes are not the header that they were said to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Fewer bytes than the header, or the length it announces, needs.
    #[error("{header}: {have} bytes where {need} are needed")]
    Truncated {
        /// The header that was being read.
        header: &'static str,
        /// Bytes needed.
        need: usize,
        /// Bytes there.
        have: usize,
    },
    /// A version nibble other than the protocol's.
    #[error("{header}: version {found}")]
    Version {
        /// The header that was being read.
        header: &'static str,
        /// The version it carries.
        found: u8,
    },
    /// A header length below the fixed part of the header.
    #[error("{header}: header length {found} is below {least}")]
    HeaderLength {
        /// The header that was being read.
        header: &'static str,
        /// The header length it carries, in bytes.
        found: usize,
        /// The least that the protocol allows.
        least: usize,
    },
    /// A total length that does not even cover the header.
    #[error("{header}: length field {found} is below the {least} bytes of its header")]
    LengthField {
        /// The header that was being read.
        header: &'static str,
        /// The length it carries.
        found: usize,
        /// The least that it can be.
        least: usize,
    },
    /// A field whose value names another format.
    #[error("{header}: {field} is {found}")]
    Field {
        /// The header that was being read.
        header: &'static str,
        /// The field.
        field: &'static str,
        /// The value it carries.
        found: u32,
    },
    /// The buffer given to a writer is too small for what it was asked to write.
    #[error("{header}: {need} bytes to write and room for {have}")]
    NoRoom {
        /// The header that was being written.
        header: &'static str,
        /// Bytes needed.
        need: usize,
        /// Bytes there.
        have: usize,
    },
}

/// The first `N` bytes as an array, with the rest, or the fact that they are not there.
fn split<'a, const N: usize>(
    bytes: &'a [u8],
    header: &'static str,
) -> Result<(&'a [u8; N], &'a [u8]), Malformed> {
    bytes.split_first_chunk::<N>().ok_or(Malformed::Truncated {
        header,
        need: N,
        have: bytes.len(),
    })
}

/// Room for exactly `need` bytes at the start of a writer's buffer.
fn room<'a>(
    buf: &'a mut [u8],
    need: usize,
    header: &'static str,
) -> Result<&'a mut [u8], Malformed> {
    let have = buf.len();
    buf.get_mut(..need).ok_or(Malformed::NoRoom { header, need, have })
}
