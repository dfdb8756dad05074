//! What is known of one connection: four cache lines.
//!
//! - gives: [`Entry`], of which a look-up touches one line of tuples and the line of facts
//! - obeys: rows [9.67] to [9.70], [9.99] to [9.106]

use super::{
    Nanos,
    chain::Link,
    track::{dccp::Dccp, gre::Gre, sctp::Sctp, tcp::Tcp},
    tuple::Tuple,
};

/// Bits of a connection's status, with the kernel's values (`IPS_*`).
pub mod status {
    /// Came from an expectation.
    pub const EXPECTED: u32 = 1 << 0;
    /// Packets have been seen both ways.
    pub const SEEN_REPLY: u32 = 1 << 1;
    /// Not to be dropped early.
    pub const ASSURED: u32 = 1 << 2;
    /// In the table: its first packet has left the router.
    pub const CONFIRMED: u32 = 1 << 3;
    /// Needs its source translated in the original direction.
    pub const SRC_NAT: u32 = 1 << 4;
    /// Needs its destination translated in the original direction.
    pub const DST_NAT: u32 = 1 << 5;
    /// Sequence numbers are adjusted.
    pub const SEQ_ADJUST: u32 = 1 << 6;
    /// It is decided how the source is translated.
    pub const SRC_NAT_DONE: u32 = 1 << 7;
    /// It is decided how the destination is translated.
    pub const DST_NAT_DONE: u32 = 1 << 8;
    /// On its way out of the table.
    pub const DYING: u32 = 1 << 9;
    /// Its timeout was set by hand and is never refreshed.
    pub const FIXED_TIMEOUT: u32 = 1 << 10;
    /// Not a connection but a template for some.
    pub const TEMPLATE: u32 = 1 << 11;
    /// Lost a clash and answers for the reply direction alone, for a second.
    pub const NAT_CLASH: u32 = 1 << 12;
    /// Its helper was attached by a rule.
    pub const HELPER: u32 = 1 << 13;
    /// Handed to a flow table.
    pub const OFFLOAD: u32 = 1 << 14;
    /// Handed to hardware.
    pub const HW_OFFLOAD: u32 = 1 << 15;
    /// Not of the kernel: packets of it wait for a program, and it is not known yet.
    pub const PARKED: u32 = 1 << 31;
    /// Both translations are decided.
    pub const NAT_DONE_MASK: u32 = SRC_NAT_DONE | DST_NAT_DONE;
    /// Some translation is needed.
    pub const NAT_MASK: u32 = SRC_NAT | DST_NAT;
    /// Bits that an operator cannot change.
    pub const UNCHANGEABLE: u32 = EXPECTED
        | CONFIRMED
        | DYING
        | TEMPLATE
        | NAT_MASK
        | NAT_DONE_MASK
        | SEQ_ADJUST
        | NAT_CLASH
        | HELPER
        | OFFLOAD
        | HW_OFFLOAD
        | PARKED;
}

/// A connection by its place and the generation of that place, so that a dead one is seen as such.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId {
    /// Place in the worker's table; never 0.
    pub index: u32,
    /// How often the place has been given out.
    pub generation: u32,
}

impl ConnId {
    /// As one number, for a packet's note; 0 is never one.
    pub const fn to_bits(self) -> u64 {
        (self.generation as u64) << 32 | self.index as u64
    }

    /// Of one number; 0 is none.
    pub const fn from_bits(bits: u64) -> Option<Self> {
        match bits as u32 {
            0 => None,
            index => Some(Self { index, generation: (bits >> 32) as u32 }),
        }
    }
}

/// Which way a packet goes within its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Dir {
    /// The way of the first packet.
    #[default]
    Original = 0,
    /// The other way.
    Reply = 1,
}

impl Dir {
    /// The other direction.
    #[inline]
    pub const fn other(self) -> Self {
        match self {
            Self::Original => Self::Reply,
            Self::Reply => Self::Original,
        }
    }

    /// 0 or 1.
    #[inline]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// State of the tracker of a connection's protocol.
#[derive(Debug, Clone, Copy)]
pub enum Proto {
    /// The protocol keeps none.
    None,
    /// TCP.
    Tcp(Tcp),
    /// UDP: from when on the flow counts as a stream.
    Udp(Nanos),
    /// GRE.
    Gre(Gre),
    /// SCTP.
    Sctp(Sctp),
    /// DCCP.
    Dccp(Dccp),
}

/// One direction's place in the table.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Node {
    pub(crate) tuple: Tuple,
    /// What stands behind it in its chain.
    pub(crate) next: Link,
    pub(crate) hash: u32,
    /// In the first node the first expectation of this master, in the second the helper's data.
    pub(crate) extra: u32,
    /// In the first node the turn of the wheel in which an unconfirmed entry was made, in the second
    /// what a proxy of handshakes keeps.
    pub(crate) stamp: u32,
    pub(crate) linked: bool,
    /// In the first node what is kept beside the entry: bits of [`feature`].
    pub(crate) features: u8,
}

/// In which directions an entry's zone counts, and one thing more.
pub(crate) mod dirs {
    /// In the original one.
    pub(crate) const ORIGINAL: u8 = 1;
    /// In the reply direction.
    pub(crate) const REPLY: u8 = 2;
    /// Beside the entry stands when it ends (`known.rs`).
    pub(crate) const KNOWN: u8 = 4;
}

/// What may be kept of a connection beside its entry.
pub(crate) mod feature {
    /// Packets and octets.
    pub(crate) const ACCT: u8 = 1;
    /// When it began and ended.
    pub(crate) const TIMESTAMP: u8 = 2;
    /// Labels have been set.
    pub(crate) const LABELS: u8 = 4;
    /// The original tuple stands in the directory of all workers.
    pub(crate) const LISTED: u8 = 8;
    /// The reply's tuple does.
    pub(crate) const LISTED_REPLY: u8 = 16;
    /// It holds a block of ports.
    pub(crate) const BLOCK: u8 = 32;
    /// It holds a mapping of its source.
    pub(crate) const CONE: u8 = 64;
}

/// One connection.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub struct Entry {
    pub(crate) nodes: [Node; 2],
    /// Bits of [`status`].
    pub status: u32,
    /// The connection's mark.
    pub mark: u32,
    pub(crate) generation: u32,
    /// The connection that announced this one.
    pub(crate) master: u32,
    pub(crate) master_generation: u32,
    pub(crate) wheel_next: u32,
    /// When it ends; while unconfirmed, how long it lives from the confirmation on.
    pub(crate) expires: Nanos,
    pub(crate) wheel_prev: u32,
    pub(crate) wheel_slot: u16,
    /// The helper that reads it, 0 for none.
    pub helper: u16,
    /// Zones of both directions are in the tuples; this is the one it was made in.
    pub zone: u16,
    /// Bits of [`dirs`].
    pub(crate) zone_dirs: u8,
    pub(crate) live: bool,
    /// Interface whose address a masquerade used, 0 for none.
    pub masquerade: u32,
    /// What has happened and has not been told yet.
    pub(crate) events: u16,
    /// Which events may be told of it.
    pub event_mask: u16,
    /// Timeout policy, 0 for none.
    pub policy: u16,
    /// Packets under way with this entry before its confirmation.
    pub(crate) held: u16,
    /// Place in the slab of sequence adjustments, 0 for none.
    pub(crate) seqadj: u32,
    /// Free for whoever keeps something by connection, as the short way.
    pub note: u32,
    /// State of the protocol's tracker.
    pub proto: Proto,
}

impl Entry {
    /// The tuple of a direction.
    #[inline]
    pub const fn tuple(&self, dir: Dir) -> &Tuple {
        &self.nodes[dir.index()].tuple
    }

    /// Whether all these bits of [`status`] are set.
    #[inline]
    pub const fn is(&self, bits: u32) -> bool {
        self.status & bits == bits
    }

    /// Whether its directions are of two families.
    #[inline]
    pub const fn is_crossing(&self) -> bool {
        self.nodes[0].tuple.six != self.nodes[1].tuple.six
    }

    /// The connection that announced this one; it may be dead by now.
    pub const fn master(&self) -> Option<ConnId> {
        match self.master {
            0 => None,
            index => Some(ConnId { index, generation: self.master_generation }),
        }
    }

    /// Time left, where it is in the table; else how long it will live.
    #[inline]
    pub const fn left(&self, now: Nanos) -> Nanos {
        if self.is(status::CONFIRMED) { self.expires.saturating_sub(now) } else { self.expires }
    }

    /// Whether its time is over; an unconfirmed entry's time has not begun.
    #[inline]
    pub const fn is_expired(&self, now: Nanos) -> bool {
        self.is(status::CONFIRMED) && self.expires <= now
    }

    /// An event to be told when a packet of the connection leaves.
    #[inline]
    pub(crate) const fn happened(&mut self, event: u16) {
        self.events |= event;
    }

    /// Whether its zone counts for tuples of a direction.
    pub const fn has_zone(&self, reply: bool) -> bool {
        self.zone_dirs & if reply { 2 } else { 1 } != 0
    }

    /// Whatever the helper keeps for it; 0 at first.
    pub const fn helper_data(&self) -> u32 {
        self.nodes[1].extra
    }

    /// Sets what the helper keeps for it.
    pub const fn set_helper_data(&mut self, data: u32) {
        self.nodes[1].extra = data;
    }

    /// Whatever a proxy of handshakes keeps for it; 0 at first.
    pub const fn proxy(&self) -> u32 {
        self.nodes[1].stamp
    }

    /// Sets what a proxy of handshakes keeps for it.
    pub const fn set_proxy(&mut self, data: u32) {
        self.nodes[1].stamp = data;
    }

    /// A place without a connection.
    pub(crate) const fn empty() -> Self {
        let node = Node {
            tuple: Tuple {
                src: super::tuple::Addr([0; 16]),
                dst: super::tuple::Addr([0; 16]),
                sport: 0,
                dport: 0,
                proto: 0,
                six: false,
                zone: 0,
            },
            next: Link::NONE,
            hash: 0,
            extra: 0,
            stamp: 0,
            linked: false,
            features: 0,
        };
        Self {
            nodes: [node; 2],
            status: 0,
            mark: 0,
            generation: 0,
            master: 0,
            master_generation: 0,
            wheel_next: 0,
            expires: 0,
            wheel_prev: 0,
            wheel_slot: 0,
            helper: 0,
            zone: 0,
            zone_dirs: 3,
            live: false,
            masquerade: 0,
            events: 0,
            event_mask: u16::MAX,
            policy: 0,
            held: 0,
            seqadj: 0,
            note: 0,
            proto: Proto::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows [9.67]: an entry is four cache lines, a look-up touches two.
    #[test]
    fn an_entry_is_four_cache_lines() {
        assert_eq!(size_of::<Entry>(), 256);
        assert_eq!(size_of::<Node>(), 64);
        assert_eq!(size_of::<Proto>(), 64);
        assert_eq!(std::mem::offset_of!(Entry, status), 128);
        assert_eq!(std::mem::offset_of!(Entry, proto), 192);
    }

    #[test]
    fn a_connection_is_one_number() {
        let id = ConnId { index: 7, generation: u32::MAX };
        assert_eq!(ConnId::from_bits(id.to_bits()), Some(id));
        assert_eq!(ConnId::from_bits(0), None);
    }
}
