//! A packet as rules see it.
//!
//! - takes: the bytes from the network header on, and what the router knows beside them
//! - gives: [`View`]: addresses, the transport header's place, marks, the connection
//! - obeys: `ipv6_find_hdr` of the kernel, asked for the last header
//! - costs: one pass over the header, and over each extension header of IPv6

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::graph::Nanos;
use crate::packet::{
    ipv4,
    ipv6::{self, extension, next_header},
};

use super::rule::Family;

/// To whom a packet's link layer destination belongs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PacketKind {
    /// This host; also of packets that it sends.
    #[default]
    Host,
    /// All on the link.
    Broadcast,
    /// A group.
    Multicast,
    /// Somebody else.
    Other,
}

/// How a packet stands to its connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConnState {
    /// It has none: nobody looked, or none can be made of it.
    #[default]
    None,
    /// It begins one, or none has answered yet.
    New,
    /// Of one that has seen answers.
    Established,
    /// The same, the other way.
    EstablishedReply,
    /// An error about one, or the first of one that was expected.
    Related,
    /// The same, the other way.
    RelatedReply,
    /// Nobody is to look.
    Untracked,
}

impl ConnState {
    /// Whether the packet goes the other way than its connection's first.
    #[must_use]
    pub fn is_reply(self) -> bool {
        matches!(self, Self::EstablishedReply | Self::RelatedReply)
    }

    /// Whether there is a connection.
    #[must_use]
    pub fn is_tracked(self) -> bool {
        !matches!(self, Self::None | Self::Untracked)
    }
}

/// A packet's connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Conn {
    /// How the packet stands to it.
    pub state: ConnState,
    /// Which it is, in the words of its worker's tracker.
    pub id: u64,
}

/// What the router knows of a packet beside its bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct PacketFacts<'a> {
    /// The link layer's header, if there is one.
    pub link: &'a [u8],
    /// Interface it came by, 0 for none.
    pub input: u16,
    /// Interface it leaves by, 0 while unknown.
    pub output: u16,
    /// To whom it was addressed.
    pub kind: PacketKind,
    /// `nfmark`
    pub mark: u32,
    /// `skb->priority`: a class of a queueing discipline.
    pub priority: u32,
    /// Its connection.
    pub conn: Conn,
    /// What `CT` said before the connection was looked up: a number of
    /// [`Program::template`](super::Program::template).
    pub template: Option<u16>,
    /// The queue of its interface that a set chose for it.
    pub queue: Option<u16>,
    /// Whether every rule that it meets is told of.
    pub traced: bool,
    /// Whether somebody follows it, who is told of these rules as well.
    pub followed: bool,
    /// Time.
    pub now: Nanos,
    /// Nanoseconds since 1970.
    pub wall: Nanos,
}

/// What was read of a packet's headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Its family.
    pub family: Family,
    /// Source, an IPv4 address in the lowest bits.
    pub src: u128,
    /// Destination.
    pub dst: u128,
    /// The transport protocol; of a fragment of IPv6 other than the first what its header tells.
    pub protocol: u8,
    /// Not 0 for fragments other than the first; in units of 8 bytes.
    pub fragment_offset: u16,
    /// Where the transport header stands.
    pub l4: usize,
    /// Whether the way to the transport header leads out of the packet.
    pub broken: bool,
}

impl Facts {
    /// Reads the headers; nothing where there is no whole network header.
    #[must_use]
    #[inline]
    pub fn of(packet: &[u8]) -> Option<Self> {
        match packet.first()? >> 4 {
            4 => Self::of_four(packet),
            6 => Self::of_six(packet),
            _ => None,
        }
    }

    #[inline]
    fn of_four(packet: &[u8]) -> Option<Self> {
        let head = packet.first_chunk::<{ ipv4::HEADER_LEN }>()?;
        let word =
            |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        Some(Self {
            family: Family::Four,
            src: word(12).into(),
            dst: word(16).into(),
            protocol: head[9],
            fragment_offset: u16::from_be_bytes([head[6], head[7]]) & ipv4::OFFSET_MASK,
            l4: usize::from(head[0] & 0xf) * 4,
            broken: false,
        })
    }

    #[inline]
    fn of_six(packet: &[u8]) -> Option<Self> {
        let head = packet.first_chunk::<{ ipv6::HEADER_LEN }>()?;
        let mut facts = Self {
            family: Family::Six,
            src: ipv6::address_at(head, 8),
            dst: ipv6::address_at(head, 24),
            protocol: head[6],
            fragment_offset: 0,
            l4: ipv6::HEADER_LEN,
            broken: false,
        };
        if is_extension(facts.protocol) {
            facts.walk(packet);
        }
        Some(facts)
    }

    /// Goes to the last header.
    fn walk(&mut self, packet: &[u8]) {
        while is_extension(self.protocol) && self.protocol != next_header::NONE {
            let head =
                |from: usize| packet.get(self.l4 + from..).and_then(|rest| rest.first_chunk());
            let Some(&[next, told]) = head(0) else {
                self.broken = true;
                return;
            };
            if self.protocol == next_header::ROUTING && head(2).is_none() {
                self.broken = true;
                return;
            }
            if self.protocol == next_header::FRAGMENT {
                let Some(word) = head(2) else {
                    self.broken = true;
                    return;
                };
                let offset = u16::from_be_bytes(*word) >> 3;
                if offset != 0 {
                    // Behind such a header nobody can go on, and the kernel does not forgive it.
                    self.broken = is_extension(next) && next != next_header::NONE;
                    (self.protocol, self.fragment_offset) = (next, offset);
                    return;
                }
            }
            self.l4 += extension::len_of(self.protocol, told);
            self.protocol = next;
        }
    }

    /// The source.
    #[must_use]
    pub fn source(&self) -> IpAddr {
        address(self.family, self.src)
    }

    /// The destination.
    #[must_use]
    pub fn destination(&self) -> IpAddr {
        address(self.family, self.dst)
    }
}

/// Headers that the kernel's walk goes over.
fn is_extension(number: u8) -> bool {
    extension::is_extension(number)
}

/// The address of these bits.
pub(super) fn address(family: Family, bits: u128) -> IpAddr {
    match family {
        Family::Four => Ipv4Addr::from_bits(bits as u32).into(),
        Family::Six => Ipv6Addr::from_bits(bits).into(),
    }
}

/// The bits of an address, those of IPv4 lowest.
pub(super) fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(four) => four.to_bits().into(),
        IpAddr::V6(six) => six.to_bits(),
    }
}

/// A packet on its way past rules.
#[derive(Debug)]
pub struct View<'a> {
    bytes: &'a mut [u8],
    len: usize,
    facts: Facts,
    /// What is known beside its bytes; targets change some of it.
    pub about: PacketFacts<'a>,
}

impl<'a> View<'a> {
    /// The packet in the first `len` of `bytes`, which start at its network header; what is behind
    /// is room into which a target may let it grow. Nothing without a whole network header.
    #[must_use]
    #[inline]
    pub fn new(bytes: &'a mut [u8], len: usize, about: PacketFacts<'a>) -> Option<Self> {
        let facts = Facts::of(bytes.get(..len)?)?;
        Some(Self { bytes, len, facts, about })
    }

    /// A frame from its network header on, of which nothing has been proved; one that is no sound packet has
    /// no transport header (`nft_set_pktinfo_ipv4_validate`).
    #[must_use]
    pub fn frame(bytes: &'a mut [u8], about: PacketFacts<'a>) -> Self {
        let none = Facts {
            family: Family::Four,
            src: 0,
            dst: 0,
            protocol: 0,
            fragment_offset: 0,
            l4: 0,
            broken: true,
        };
        let stated = |at: usize| match bytes.get(at..at + 2) {
            Some([high, low]) => usize::from(*high) << 8 | usize::from(*low),
            _ => usize::MAX,
        };
        let read = match about.link.last_chunk::<2>() {
            Some([0x08, 0x00]) => Facts::of(bytes).filter(|facts| {
                let len = stated(2);
                facts.family == Family::Four
                    && facts.l4 >= ipv4::HEADER_LEN
                    && (facts.l4..=bytes.len()).contains(&len)
            }),
            Some([0x86, 0xdd]) => Facts::of(bytes).filter(|facts| {
                let len = stated(4).saturating_add(ipv6::HEADER_LEN);
                facts.family == Family::Six && len <= bytes.len()
            }),
            _ => None,
        };
        let (len, facts) = (bytes.len(), read.unwrap_or(none));
        Self { bytes, len, facts, about }
    }

    /// Its bytes.
    #[must_use]
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Its bytes, to be changed.
    #[inline]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.len]
    }

    /// How long it is, which may be more than it was.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a packet has a header")]
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// What its headers say.
    #[must_use]
    #[inline]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Its bytes from the transport header on; none where there is no such header.
    #[must_use]
    #[inline]
    pub fn l4(&self) -> &[u8] {
        self.bytes().get(self.facts.l4..).unwrap_or_default()
    }

    /// The first bytes of the transport header.
    #[inline]
    pub(super) fn l4_head<const N: usize>(&self) -> Option<&[u8; N]> {
        self.l4().first_chunk()
    }

    /// Source and destination port, of protocols that have them where the kernel's sets and limits
    /// look: zero for all others and for fragments other than the first.
    #[must_use]
    pub fn ports(&self) -> (u16, u16) {
        use ipv4::protocol::{DCCP, SCTP, TCP, UDP, UDPLITE};
        let has = matches!(self.facts.protocol, TCP | UDP | UDPLITE | SCTP | DCCP);
        match self.l4_head() {
            Some(&[a, b, c, d]) if has && self.facts.fragment_offset == 0 => {
                (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
            }
            _ => (0, 0),
        }
    }

    /// The byte of TOS or traffic class.
    #[inline]
    pub(super) fn tos(&self) -> u8 {
        let (a, b) = (self.bytes[0], self.bytes[1]);
        if self.facts.family == Family::Four { b } else { a << 4 | b >> 4 }
    }

    /// TTL or hop limit.
    #[inline]
    pub(super) fn ttl(&self) -> u8 {
        self.bytes[if self.facts.family == Family::Four { 8 } else { 7 }]
    }

    /// Makes room for bytes at a place, which are zero; false without room for them.
    pub(super) fn grow(&mut self, at: usize, more: usize) -> bool {
        let longer = self.len + more;
        if at > self.len || longer > self.bytes.len() {
            return false;
        }
        self.bytes.copy_within(at..self.len, at + more);
        self.bytes[at..at + more].fill(0);
        self.len = longer;
        true
    }

    /// Reads the headers again after a target has written into them.
    pub(super) fn refresh(&mut self) {
        if let Some(facts) = Facts::of(self.bytes()) {
            self.facts = facts;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_ipv6_are_walked_as_the_kernel_does() {
        let mut packet = vec![0; 64];
        packet[0] = 0x60;
        let facts = |packet: &[u8]| Facts::of(packet).unwrap();
        // Hop-by-hop, then UDP.
        (packet[6], packet[40]) = (0, 17);
        assert_eq!((facts(&packet).protocol, facts(&packet).l4), (17, 48));
        // Destination options that lead out of the packet.
        (packet[6], packet[40], packet[41]) = (60, 60, 9);
        assert!(facts(&packet).broken);
        // A later fragment of UDP can be told, one of a header that goes on cannot.
        (packet[6], packet[40], packet[41], packet[43]) = (44, 17, 0, 0x10);
        let later = facts(&packet);
        assert_eq!((later.protocol, later.fragment_offset, later.broken), (17, 2, false));
        packet[40] = 60;
        assert!(facts(&packet).broken);
        packet[40] = 59;
        assert_eq!((facts(&packet).protocol, facts(&packet).broken), (59, false));
    }

    #[test]
    fn a_packet_grows_only_into_its_room() {
        let mut bytes = vec![0x45; 30];
        let mut view = View::new(&mut bytes, 24, PacketFacts::default()).unwrap();
        assert!(view.grow(20, 4) && !view.grow(20, 4));
        assert_eq!(
            (view.len(), &view.bytes()[19..]),
            (28, &[0x45, 0, 0, 0, 0, 0x45, 0x45, 0x45, 0x45][..])
        );
    }
}
