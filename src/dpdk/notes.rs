//! What is noted of a packet beside its bytes: in its mbuf, and in a line behind that.

use crate::packet::{PIECES_MAX, Pieces};

/// What is known of a packet, in a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Flags(pub u8);

impl Flags {
    /// The link-layer destination was broadcast.
    pub const L2_BROADCAST: Self = Self(1);
    /// The link-layer destination was multicast.
    pub const L2_MULTICAST: Self = Self(2);
    /// The IPv4 destination is a broadcast address of this router.
    pub const IP_BROADCAST: Self = Self(4);
    /// The router made this packet.
    pub const LOCAL_OUT: Self = Self(8);
    /// Forwarding is off where the packet came in.
    pub const NO_FORWARD: Self = Self(16);
    /// What the packet filter knows of the packet is in [`super::mbuf::Packet::meta`].
    pub const META: Self = Self(32);
    /// The packet was put together from pieces; [`super::mbuf::Packet::piece_size`] tells how large they were.
    pub const REASSEMBLED: Self = Self(64);
    /// The IPv4 header has options; [`super::mbuf::Packet::options`] says what is known of them.
    pub const OPTIONS: Self = Self(128);

    /// True when any flag of `other` is set.
    #[inline]
    pub const fn any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Both sets together.
    #[inline]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// This set without those of `other`.
    #[inline]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// How a packet as received lies in its buffers: where its data begins, how many references and buffers there
/// are, and by which port it came, as one word (`rearm_data`). Most drivers give all packets of a port the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape(pub(super) u64);

impl Shape {
    /// DPDK port.
    #[inline(always)]
    pub const fn port(self) -> u16 {
        (self.0 >> 48) as u16
    }

    /// The packet lies in one buffer.
    #[inline(always)]
    pub const fn is_contiguous(self) -> bool {
        (self.0 >> 32) as u16 == 1
    }
}

/// What packets start with that come in alike: interface, offset of the network header, flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notes(pub(super) u32);

impl Notes {
    /// See [`super::mbuf::Packet::begin`].
    #[inline]
    pub const fn new(iface: u16, l3: u8, flags: Flags) -> Self {
        Self((iface as u32) << 16 | (l3 as u32) << 8 | flags.0 as u32)
    }

    /// Interface (upper half), offset, and flags (lowest octet).
    #[inline(always)]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The same without any flag.
    #[inline]
    pub const fn without_flags(self) -> Self {
        Self(self.0 & !0xff)
    }
}

/// What the packet filter knows of a packet: a line of its own behind the mbuf, which is neither read
/// nor written while nothing is filtered. It means something only with [`Flags::META`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct Meta {
    /// The connection in the worker's table, as that counts them; 0 for none.
    pub conn: u64,
    /// What the packet is to its connection, as the tracker says it.
    pub info: u8,
    /// What has been done with it: bits that the filter defines.
    pub done: u8,
    /// Of a copy that the filter made, which of its gateways it goes to on a link in place of its
    /// destination; 0 where the destination is meant.
    pub zone: u16,
    /// `fwmark`.
    pub mark: u32,
    /// Class for queueing disciplines (`skb->priority`).
    pub priority: u32,
    /// The worker that is to have the packet, or whose the connection is of a packet that has left it.
    pub worker: u8,
    /// Of a packet that a program decides on, number of the node where it goes on.
    pub node: u8,
    /// Where at that node.
    pub place: u8,
    /// What the packet is tracked by beside its zone: number of a template, 0 for none.
    pub template: u8,
    /// What the pieces carried from which it was put together.
    pub pieces: Pieces,
    /// Of a packet that waits for a program, its queue; of one that the flow table may learn, the path of
    /// counts that it has raised so far.
    pub stage: u16,
    /// What has become of it there; 0 for a packet that has not been there.
    pub outcome: u8,
    /// What its way was like when it left.
    pub way: u32,
}

impl Meta {
    /// Nothing is known.
    pub(super) const NONE: Self = Self {
        conn: 0,
        info: 0,
        done: 0,
        zone: 0,
        mark: 0,
        priority: 0,
        worker: 0,
        node: 0,
        place: 0,
        template: 0,
        pieces: [0; PIECES_MAX],
        stage: 0,
        outcome: 0,
        way: 0,
    };

    /// A bit of [`Self::done`]: the router has sent it to itself.
    pub const LOOPED: u8 = 2;

    /// What is known of a packet that refuses this one: it is related to the same connection, and goes the
    /// other way (`nf_ct_attach`).
    pub const fn answered(self) -> Self {
        let related = match self.info.wrapping_sub(1) {
            3 | 4 => 1,
            _ => 4,
        };
        let info = if self.conn == 0 { 0 } else { related + 1 };
        Self { conn: self.conn, zone: self.zone, info, ..Self::NONE }
    }
}
