//! What crosses to the workers: the hops that the forwarding table's indices stand for.
//!
//! A hop is one cache line: what to do with a packet, and for a forwarded one the ready-made
//! Ethernet header. Hops are changed in place, one word at a time, in an order that leaves no
//! moment at which a worker could send a packet wrong: the address before the flag that says it is
//! valid. A freed hop is reused only when every worker has let go of its index.
//!
//! - obeys: ledger 5.7 to 5.9 (the result of a look-up), 5.34 to 5.49 (types and their answers)

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
};

use super::trie::TrieId;
use crate::{
    dpdk::pages::{self, Line},
    packet::ipv6::MIN_MTU,
};

/// What a packet meets at a hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum HopKind {
    /// No route: ICMP network unreachable.
    #[default]
    NoRoute = 0,
    /// To the neighbour that the hop names.
    Neighbour = 1,
    /// To a neighbour on the link that the packet's destination names.
    Link = 2,
    /// To this router.
    Local = 3,
    /// To this router as broadcast.
    Broadcast = 4,
    /// Dropped in silence.
    Blackhole = 5,
    /// ICMP host unreachable.
    Unreachable = 6,
    /// ICMP communication prohibited.
    Prohibit = 7,
    /// To one of several hops, by the flow's hash.
    Group = 8,
    /// To the hop for the packet's DSCP.
    Choice = 9,
    /// Ends the look-up in this table; without another table, no route.
    Throw = 10,
    /// A destination that no packet on the wire may have (route types multicast and anycast).
    Invalid = 11,
    /// A rule of type unreachable: ICMP network unreachable.
    NetUnreachable = 12,
    /// Into a VRF: looked up again there, as the router's own.
    Vrf = 13,
    /// To the hop for the packet's source (source-specific routes of IPv6).
    Sources = 14,
}

impl HopKind {
    #[inline]
    const fn from_bits(bits: u8) -> Self {
        match bits {
            1 => Self::Neighbour,
            2 => Self::Link,
            3 => Self::Local,
            4 => Self::Broadcast,
            5 => Self::Blackhole,
            6 => Self::Unreachable,
            7 => Self::Prohibit,
            8 => Self::Group,
            9 => Self::Choice,
            10 => Self::Throw,
            11 => Self::Invalid,
            12 => Self::NetUnreachable,
            13 => Self::Vrf,
            14 => Self::Sources,
            _ => Self::NoRoute,
        }
    }
}

/// Where and how a hop sends: one word, so that it is read and written as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct HopOut {
    /// What a packet meets.
    pub kind: HopKind,
    /// The Ethernet header is complete.
    pub resolved: bool,
    /// The frame carries an 802.1Q tag.
    pub tagged: bool,
    /// The use of a group's buckets is noted.
    pub resilient: bool,
    /// The neighbour is in doubt: the hop's use is noted.
    pub suspect: bool,
    /// DPDK port.
    pub port: u16,
    /// Interface.
    pub iface: u16,
    /// Largest IPv4 packet.
    pub mtu: u16,
}

/// Flags in a hop's word.
const RESOLVED: u64 = 1 << 8;
const TAGGED: u64 = 1 << 9;
const RESILIENT: u64 = 1 << 10;
const SUSPECT: u64 = 1 << 11;

impl HopOut {
    /// Largest packet of IPv6: no link may carry less than 1280 bytes (RFC 8200 section 5).
    #[inline(always)]
    pub const fn mtu6(self) -> u16 {
        if self.mtu < MIN_MTU { MIN_MTU } else { self.mtu }
    }

    /// Frames leave without a tag, and where to is known beyond doubt.
    #[inline(always)]
    pub const fn is_plain(self) -> bool {
        self.resolved & !self.tagged & !self.suspect
    }

    /// [`Self::iface`] in a hop's word, in the upper half; the lower is zero where the hop is plain and a
    /// neighbour's, and nowhere else.
    #[inline(always)]
    pub const fn plain_iface_of(bits: u64) -> u32 {
        const PLAIN: u64 = HopKind::Neighbour as u64 | RESOLVED;
        (bits & !RESILIENT ^ PLAIN) as u32
    }

    /// A hop's word as if it were a neighbour's.
    #[inline(always)]
    pub const fn to_neighbour(bits: u64) -> u64 {
        bits & !0xff | HopKind::Neighbour as u64
    }

    /// [`Self::port`] in a hop's word.
    #[inline(always)]
    pub const fn port_of(bits: u64) -> u16 {
        (bits >> 32) as u16
    }

    /// [`Self::mtu`] in a hop's word.
    #[inline(always)]
    pub const fn mtu_of(bits: u64) -> u16 {
        (bits >> 48) as u16
    }

    const fn to_bits(self) -> u64 {
        self.kind as u64
            | (self.resolved as u64 * RESOLVED)
            | (self.tagged as u64 * TAGGED)
            | (self.resilient as u64 * RESILIENT)
            | (self.suspect as u64 * SUSPECT)
            | (self.iface as u64) << 16
            | (self.port as u64) << 32
            | (self.mtu as u64) << 48
    }

    #[inline]
    const fn from_bits(bits: u64) -> Self {
        Self {
            kind: HopKind::from_bits(bits as u8),
            resolved: bits & RESOLVED != 0,
            tagged: bits & TAGGED != 0,
            resilient: bits & RESILIENT != 0,
            suspect: bits & SUSPECT != 0,
            iface: (bits >> 16) as u16,
            port: (bits >> 32) as u16,
            mtu: (bits >> 48) as u16,
        }
    }
}

const WORDS: usize = 8;
const OUT: usize = 0;
/// Bytes 0 to 7 of the frame: destination, and two bytes of the source.
const HEAD: usize = 1;
/// Bytes 6 to 13 of the frame: source, and ethertype or tag protocol.
const TAIL: usize = 2;
/// Bytes 14 to 17 of a tagged frame.
const TAG: usize = 3;
/// IPv4 gateway (high half, 0 for the destination itself) and preferred source.
const ADDRESSES: usize = 4;
/// First bucket (high half) and number of buckets of a group.
const GROUP: usize = 5;
/// What the router's own packets carry on this way: [`Attrs`]; for a group, the first of its members
/// in the buckets (high half) and their number.
const ATTRS: usize = 6;

/// Metrics of a route that matter to the router's own packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Attrs {
    /// `hoplimit`, 0 for `net.ipv4.ip_default_ttl`.
    pub hoplimit: u8,
    /// `advmss`, 0 for none.
    pub advmss: u16,
    /// `mtu lock`.
    pub mtu_locked: bool,
    /// `realms`, the source's in the upper half.
    pub realms: u32,
}

impl Attrs {
    const fn to_bits(self) -> u64 {
        self.hoplimit as u64
            | (self.mtu_locked as u64) << 8
            | (self.advmss as u64) << 16
            | (self.realms as u64) << 32
    }

    const fn from_bits(bits: u64) -> Self {
        Self {
            hoplimit: bits as u8,
            mtu_locked: bits & 1 << 8 != 0,
            advmss: (bits >> 16) as u16,
            realms: (bits >> 32) as u32,
        }
    }
}

/// What an index out of range reads as; never written.
static NOWHERE: [AtomicU64; WORDS] = [const { AtomicU64::new(0) }; WORDS];

/// Words of a hop's IPv6 addresses: gateway and preferred source, two each.
const SIX_WORDS: usize = 4;

/// All hops, by index.
pub struct HopTable {
    words: Box<[Line<[AtomicU64; WORDS]>]>,
    /// IPv6 addresses of hops that have some; only such hops take memory here.
    six: Box<[AtomicU64]>,
    buckets: Box<[AtomicU32]>,
    /// When a bucket of a resilient group was last used, in tenths of a second.
    used: Box<[AtomicU32]>,
}

/// One hop, as a worker reads it.
#[derive(Clone, Copy)]
pub struct Hop<'a>(&'a [AtomicU64; WORDS]);

impl HopTable {
    /// Room for `hops` hops and `buckets` buckets of groups; memory is taken as it is used.
    pub fn new(hops: u32, buckets: u32) -> Self {
        Self {
            words: pages::zeroed(hops as usize),
            six: pages::zeroed(hops as usize * SIX_WORDS),
            buckets: pages::zeroed(buckets as usize),
            used: pages::zeroed(buckets as usize),
        }
    }

    /// Number of hops there is room for.
    pub fn capacity(&self) -> u32 {
        self.words.len() as u32
    }

    /// Number of buckets there is room for.
    pub fn bucket_capacity(&self) -> u32 {
        self.buckets.len() as u32
    }

    /// The hop of an index; one that is out of range reads as no route.
    #[inline(always)]
    pub fn get(&self, index: u32) -> Hop<'_> {
        Hop(self.words.get(index as usize).map_or(&NOWHERE, |line| &line.0))
    }

    /// The member of a group that takes flows of this hash.
    #[inline]
    pub fn member(&self, group: Hop<'_>, hash: u32) -> u32 {
        let word = group.0[GROUP].load(Ordering::Acquire);
        let (first, count) = ((word >> 32) as u32, word as u32);
        let place = (u64::from(hash) * u64::from(count)) >> 32;
        let bucket = first.wrapping_add(place as u32) as usize;
        self.buckets.get(bucket).map_or(0, |member| member.load(Ordering::Relaxed))
    }

    /// The bucket of a group that takes flows of this hash, counted over all groups.
    #[inline]
    pub fn bucket_of(&self, group: Hop<'_>, hash: u32) -> u32 {
        let word = group.0[GROUP].load(Ordering::Acquire);
        let place = (u64::from(hash) * u64::from(word as u32)) >> 32;
        ((word >> 32) as u32).wrapping_add(place as u32)
    }

    /// When a bucket was last used, in tenths of a second; 0 for never.
    pub fn used(&self, bucket: u32) -> u32 {
        self.used.get(bucket as usize).map_or(0, |used| used.load(Ordering::Relaxed))
    }

    /// Notes the use of a bucket; written by workers, ten times a second at most.
    #[inline]
    pub fn touch(&self, bucket: u32, tenths: u32) {
        if let Some(used) = self.used.get(bucket as usize)
            && used.load(Ordering::Relaxed) != tenths
        {
            used.store(tenths, Ordering::Relaxed);
        }
    }

    /// The hop that a choice has for a DSCP.
    #[inline]
    pub fn chosen(&self, choice: Hop<'_>, tos: u8) -> u32 {
        let first = (choice.0[GROUP].load(Ordering::Acquire) >> 32) as usize;
        let member = self.buckets.get(first + usize::from(tos >> 2));
        member.map_or(0, |member| member.load(Ordering::Relaxed))
    }

    /// Members of a group, each once.
    pub fn members<'a>(&'a self, group: Hop<'_>) -> impl Iterator<Item = u32> + use<'a> {
        let word = group.0[ATTRS].load(Ordering::Acquire);
        let (first, count) = ((word >> 32) as usize, word as u32 as usize);
        let members = self.buckets.get(first..first + count).unwrap_or_default();
        members.iter().map(|member| member.load(Ordering::Relaxed))
    }

    /// Writes a hop that no worker can see yet. Only the management core calls this and the
    /// `set_` functions.
    pub fn write(&self, index: u32, out: HopOut, gateway: Option<IpAddr>, prefsrc: Option<IpAddr>) {
        let hop = self.get(index);
        let four = |address: Option<IpAddr>| match address {
            Some(IpAddr::V4(four)) => u64::from(four.to_bits()),
            _ => 0,
        };
        hop.0[ADDRESSES].store(four(gateway) << 32 | four(prefsrc), Ordering::Relaxed);
        let six = |address: Option<IpAddr>| match address {
            Some(IpAddr::V6(six)) => six.to_bits(),
            _ => 0,
        };
        let words = [six(gateway), six(prefsrc)];
        for (place, word) in words.into_iter().enumerate() {
            // Untouched memory of hops without IPv6 addresses stays untouched.
            if word != self.six(index, place) {
                self.set_six(index, place, word);
            }
        }
        hop.0[OUT].store(out.to_bits(), Ordering::Release);
    }

    fn six(&self, index: u32, place: usize) -> u128 {
        let at = index as usize * SIX_WORDS + place * 2;
        let word = |at: usize| self.six.get(at).map_or(0, |word| word.load(Ordering::Relaxed));
        u128::from(word(at)) << 64 | u128::from(word(at + 1))
    }

    fn set_six(&self, index: u32, place: usize, bits: u128) {
        let at = index as usize * SIX_WORDS + place * 2;
        if let Some([high, low]) = self.six.get(at..at + 2) {
            high.store((bits >> 64) as u64, Ordering::Relaxed);
            low.store(bits as u64, Ordering::Relaxed);
        }
    }

    /// The IPv6 gateway of a hop, where it has one.
    pub fn gateway6(&self, index: u32) -> Option<Ipv6Addr> {
        Some(self.six(index, 0)).filter(|bits| *bits != 0).map(Ipv6Addr::from_bits)
    }

    /// The IPv6 address that the router's own packets carry on this way, where the route names one.
    pub fn prefsrc6(&self, index: u32) -> Option<Ipv6Addr> {
        Some(self.six(index, 1)).filter(|bits| *bits != 0).map(Ipv6Addr::from_bits)
    }

    /// The gateway of a hop, of either family; `None` when the next hop is the destination.
    pub fn any_gateway(&self, index: u32) -> Option<IpAddr> {
        let four = self.get(index).gateway().map(IpAddr::V4);
        four.or_else(|| self.gateway6(index).map(IpAddr::V6))
    }

    /// Sets the Ethernet header. The caller has `resolved` off, or changes only the destination.
    /// `six` is for packets of IPv6.
    pub fn set_header(&self, index: u32, dst: [u8; 6], src: [u8; 6], vlan: Option<u16>, six: bool) {
        let hop = self.get(index);
        let ethertype: [u8; 2] = if six { [0x86, 0xdd] } else { [0x08, 0x00] };
        let protocol: [u8; 2] = if vlan.is_some() { [0x81, 0x00] } else { ethertype };
        let head = [dst[0], dst[1], dst[2], dst[3], dst[4], dst[5], src[0], src[1]];
        let tail = [src[0], src[1], src[2], src[3], src[4], src[5], protocol[0], protocol[1]];
        let [high, low] = vlan.unwrap_or(0).to_be_bytes();
        let tag = [high, low, ethertype[0], ethertype[1], 0, 0, 0, 0];
        hop.0[TAIL].store(u64::from_ne_bytes(tail), Ordering::Relaxed);
        hop.0[TAG].store(u64::from_ne_bytes(tag), Ordering::Relaxed);
        hop.0[HEAD].store(u64::from_ne_bytes(head), Ordering::Relaxed);
    }

    /// Sets where and how the hop sends, after the header that it vouches for.
    pub fn set_out(&self, index: u32, out: HopOut) {
        self.get(index).0[OUT].store(out.to_bits(), Ordering::Release);
    }

    /// Points a group at its `count` buckets from `first`, all written before, and at the list of
    /// its members behind them.
    pub fn set_group(&self, index: u32, first: u32, count: u32, members: u32) {
        let word = |first: u32, count: u32| u64::from(first) << 32 | u64::from(count);
        let hop = self.get(index);
        hop.0[ATTRS].store(word(first + count, members), Ordering::Release);
        hop.0[GROUP].store(word(first, count), Ordering::Release);
    }

    /// Sets what the router's own packets carry on this way.
    pub fn set_attrs(&self, index: u32, attrs: Attrs) {
        self.get(index).0[ATTRS].store(attrs.to_bits(), Ordering::Relaxed);
    }

    /// Writes one bucket.
    pub fn set_bucket(&self, bucket: u32, member: u32) {
        if let Some(slot) = self.buckets.get(bucket as usize) {
            slot.store(member, Ordering::Release);
        }
    }
}

impl Hop<'_> {
    /// Where and how the hop sends.
    #[inline]
    pub fn out(self) -> HopOut {
        HopOut::from_bits(self.0[OUT].load(Ordering::Acquire))
    }

    /// The word of which [`Self::out`] is the meaning.
    #[inline(always)]
    pub fn bits(self) -> u64 {
        self.0[OUT].load(Ordering::Acquire)
    }

    /// What a packet meets here.
    #[inline]
    pub fn kind(self) -> HopKind {
        HopKind::from_bits(self.0[OUT].load(Ordering::Acquire) as u8)
    }

    /// The 14 bytes of the Ethernet header: bytes 0 to 7 and, overlapping, 6 to 13.
    #[inline]
    pub fn header(self) -> ([u8; 8], [u8; 8]) {
        let word = |at: usize| self.0[at].load(Ordering::Relaxed).to_ne_bytes();
        (word(HEAD), word(TAIL))
    }

    /// The four bytes behind the header of a tagged frame.
    #[inline]
    pub fn tag(self) -> [u8; 4] {
        let [a, b, c, d, ..] = self.0[TAG].load(Ordering::Relaxed).to_ne_bytes();
        [a, b, c, d]
    }

    /// The table of sources of a hop of kind [`HopKind::Sources`].
    pub fn trie(self) -> TrieId {
        TrieId::from_number(self.0[GROUP].load(Ordering::Acquire) as u32)
    }

    /// The gateway, or `None` when the next hop is the packet's destination or has no IPv4 address.
    #[inline]
    pub fn gateway(self) -> Option<Ipv4Addr> {
        let bits = (self.0[ADDRESSES].load(Ordering::Relaxed) >> 32) as u32;
        (bits != 0).then(|| Ipv4Addr::from_bits(bits))
    }

    /// What the router's own packets carry on this way.
    #[inline]
    pub fn attrs(self) -> Attrs {
        Attrs::from_bits(self.0[ATTRS].load(Ordering::Relaxed))
    }

    /// The address that the router's own packets carry on this way.
    #[inline]
    pub fn prefsrc(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.0[ADDRESSES].load(Ordering::Relaxed) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hop_reads_back_as_written() {
        let table = HopTable::new(8, 4);
        let out = HopOut {
            kind: HopKind::Neighbour,
            resolved: true,
            tagged: true,
            resilient: false,
            suspect: true,
            port: 3,
            iface: 700,
            mtu: 9000,
        };
        table.set_header(5, [1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12], Some(42), false);
        let six: Ipv6Addr = "2001:db8::9".parse().unwrap();
        table.write(5, out, Some(six.into()), Some(six.into()));
        assert_eq!((table.any_gateway(5), table.prefsrc6(5)), (Some(six.into()), Some(six)));
        let four = |last| Some(Ipv4Addr::new(192, 0, 2, last).into());
        table.write(5, out, four(1), four(9));
        assert_eq!((table.gateway6(5), table.prefsrc6(5)), (None, None));
        let hop = table.get(5);
        assert_eq!(hop.out(), out);
        assert_eq!(hop.header(), ([1, 2, 3, 4, 5, 6, 7, 8], [7, 8, 9, 10, 11, 12, 0x81, 0]));
        assert_eq!(hop.tag(), [0, 42, 8, 0]);
        assert_eq!(hop.gateway(), Some(Ipv4Addr::new(192, 0, 2, 1)));
        assert_eq!(hop.prefsrc(), Ipv4Addr::new(192, 0, 2, 9));
        assert_eq!(table.get(4).kind(), HopKind::NoRoute);
        assert_eq!(table.get(99).kind(), HopKind::NoRoute);
    }

    #[test]
    fn a_group_leads_each_hash_to_a_member() {
        let table = HopTable::new(8, 8);
        for (bucket, member) in [(4, 2), (5, 3), (6, 2), (7, 2)] {
            table.set_bucket(bucket, member);
        }
        table.set_group(1, 4, 4, 0);
        let quarter = 1 << 30;
        let members: Vec<_> =
            (0..8).map(|n| table.member(table.get(1), n / 2 * quarter + n)).collect();
        assert_eq!(members, [2, 2, 3, 3, 2, 2, 2, 2]);
    }
}
