//! What reassembly of both families has in common: where pieces lie, and the lists of datagrams.
//!
//! - takes: bytes at their places, keys, times
//! - gives: how a piece lies to those before it, and which datagram runs out of time first
//! - costs: a copy of each piece and a step for each 512 bytes of it; memory is taken once
//!
//! The rules for the pieces of each family are in [`crate::ip4::reassembly`] and
//! [`crate::ip6::reassembly`].

pub(crate) mod queues;
pub(crate) mod store;

/// What is known of a piece beside its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Mark {
    /// Interface by which it came.
    pub iface: u16,
    /// Flags of its packet.
    pub flags: u8,
    /// What its packet says of its options, where a flag says that it has any.
    pub options: u64,
}

/// Congestion experienced, in the type of service or traffic class.
const CE: u8 = 3;
const NOT_ECT: u8 = 1;

/// Marks to add to those of the first piece; nothing where the marks of the pieces cannot go
/// together (RFC 3168 section 5.3). `seen` has a bit for each of the four codepoints.
pub(crate) const fn join_marks(seen: u8) -> Option<u8> {
    match seen {
        seen if seen & NOT_ECT != 0 && seen != NOT_ECT => None,
        seen if seen & 1 << CE != 0 && seen != 1 << CE => Some(CE),
        _ => Some(0),
    }
}
