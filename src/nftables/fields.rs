//! Fields of headers: where they are and what they hold.
//!
//! - gives: [`Field`], and what a packet must be for it to have one
//! - obeys: nft(8), "PAYLOAD EXPRESSIONS"

use super::types::{Kind, Type};
use crate::netfilter::nft::{Base, Sums};

/// What a packet must be to have a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Anything.
    Nothing,
    /// A frame of Ethernet.
    Link,
    /// One with a tag.
    Tag,
    /// Of this kind, as the link layer says.
    Network(u16),
    /// Of this protocol.
    Transport(u8),
}

/// A field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) base: Base,
    pub(super) bit: u32,
    pub(super) of: Type,
    pub(super) need: Need,
    /// Types of ICMP messages that have it; any if there are none.
    pub(super) types: &'static [u8],
    pub(super) sums: Sums,
}

/// Names, first bits and sizes of a header's fields.
type Fields = &'static [(&'static str, u32, u32, Kind)];

const ETHER: Fields = &[
    ("daddr", 0, 48, Kind::Ether),
    ("saddr", 48, 48, Kind::Ether),
    ("type", 96, 16, Kind::EtherType),
];

const VLAN: Fields = &[
    ("pcp", 112, 3, Kind::Integer),
    ("dei", 115, 1, Kind::Integer),
    ("id", 116, 12, Kind::Integer),
    ("type", 128, 16, Kind::EtherType),
];

const IP: Fields = &[
    ("version", 0, 4, Kind::Integer),
    ("hdrlength", 4, 4, Kind::Integer),
    ("dscp", 8, 6, Kind::Dscp),
    ("ecn", 14, 2, Kind::Ecn),
    ("length", 16, 16, Kind::Integer),
    ("id", 32, 16, Kind::Integer),
    ("frag-off", 48, 16, Kind::Integer),
    ("ttl", 64, 8, Kind::Integer),
    ("protocol", 72, 8, Kind::Protocol),
    ("checksum", 80, 16, Kind::Integer),
    ("saddr", 96, 32, Kind::Ip4),
    ("daddr", 128, 32, Kind::Ip4),
];

const IP6: Fields = &[
    ("version", 0, 4, Kind::Integer),
    ("dscp", 4, 6, Kind::Dscp),
    ("ecn", 10, 2, Kind::Ecn),
    ("flowlabel", 12, 20, Kind::Integer),
    ("length", 32, 16, Kind::Integer),
    ("nexthdr", 48, 8, Kind::Protocol),
    ("hoplimit", 56, 8, Kind::Integer),
    ("saddr", 64, 128, Kind::Ip6),
    ("daddr", 192, 128, Kind::Ip6),
];

const ARP: Fields = &[
    ("htype", 0, 16, Kind::Integer),
    ("ptype", 16, 16, Kind::EtherType),
    ("hlen", 32, 8, Kind::Integer),
    ("plen", 40, 8, Kind::Integer),
    ("operation", 48, 16, Kind::ArpOperation),
    ("saddr ether", 64, 48, Kind::Ether),
    ("saddr ip", 112, 32, Kind::Ip4),
    ("daddr ether", 144, 48, Kind::Ether),
    ("daddr ip", 192, 32, Kind::Ip4),
];

const PORTS: Fields = &[("sport", 0, 16, Kind::Service), ("dport", 16, 16, Kind::Service)];

const TCP: Fields = &[
    ("sport", 0, 16, Kind::Service),
    ("dport", 16, 16, Kind::Service),
    ("sequence", 32, 32, Kind::Integer),
    ("ackseq", 64, 32, Kind::Integer),
    ("doff", 96, 4, Kind::Integer),
    ("reserved", 100, 4, Kind::Integer),
    ("flags", 104, 8, Kind::TcpFlags),
    ("window", 112, 16, Kind::Integer),
    ("checksum", 128, 16, Kind::Integer),
    ("urgptr", 144, 16, Kind::Integer),
];

const UDP: Fields = &[
    ("sport", 0, 16, Kind::Service),
    ("dport", 16, 16, Kind::Service),
    ("length", 32, 16, Kind::Integer),
    ("checksum", 48, 16, Kind::Integer),
];

const UDPLITE: Fields = &[
    ("sport", 0, 16, Kind::Service),
    ("dport", 16, 16, Kind::Service),
    ("csumcov", 32, 16, Kind::Integer),
    ("checksum", 48, 16, Kind::Integer),
];

const SCTP: Fields = &[
    ("sport", 0, 16, Kind::Service),
    ("dport", 16, 16, Kind::Service),
    ("vtag", 32, 32, Kind::Integer),
    ("checksum", 64, 32, Kind::Integer),
];

const DCCP: Fields = &[
    ("sport", 0, 16, Kind::Service),
    ("dport", 16, 16, Kind::Service),
    ("type", 67, 4, Kind::Integer),
];

const ICMP: Fields = &[
    ("type", 0, 8, Kind::IcmpType),
    ("code", 8, 8, Kind::IcmpCode),
    ("checksum", 16, 16, Kind::Integer),
    ("id", 32, 16, Kind::Integer),
    ("sequence", 48, 16, Kind::Integer),
    ("gateway", 32, 32, Kind::Integer),
    ("mtu", 48, 16, Kind::Integer),
];

const ICMP6: Fields = &[
    ("type", 0, 8, Kind::Icmp6Type),
    ("code", 8, 8, Kind::Icmp6Code),
    ("checksum", 16, 16, Kind::Integer),
    ("parameter-problem", 32, 32, Kind::Integer),
    ("mtu", 32, 32, Kind::Integer),
    ("id", 32, 16, Kind::Integer),
    ("sequence", 48, 16, Kind::Integer),
    ("max-delay", 32, 16, Kind::Integer),
];

const IGMP: Fields = &[
    ("type", 0, 8, Kind::Integer),
    ("mrt", 8, 8, Kind::Integer),
    ("checksum", 16, 16, Kind::Integer),
    ("group", 32, 32, Kind::Ip4),
];

const AH: Fields = &[
    ("nexthdr", 0, 8, Kind::Protocol),
    ("hdrlength", 8, 8, Kind::Integer),
    ("reserved", 16, 16, Kind::Integer),
    ("spi", 32, 32, Kind::Integer),
    ("sequence", 64, 32, Kind::Integer),
];

const ESP: Fields = &[("spi", 0, 32, Kind::Integer), ("sequence", 32, 32, Kind::Integer)];

const COMP: Fields = &[
    ("nexthdr", 0, 8, Kind::Protocol),
    ("flags", 8, 8, Kind::Integer),
    ("cpi", 16, 16, Kind::Integer),
];

/// Headers by name: what a packet must be, where the place of its own checksum, the fields.
const HEADERS: &[(&str, Base, Need, Option<u8>, Fields)] = &[
    ("ether", Base::Link, Need::Link, None, ETHER),
    ("vlan", Base::Link, Need::Tag, None, VLAN),
    ("ip", Base::Network, Need::Network(0x0800), Some(10), IP),
    ("ip6", Base::Network, Need::Network(0x86dd), None, IP6),
    ("arp", Base::Network, Need::Network(0x0806), None, ARP),
    ("th", Base::Transport, Need::Nothing, None, PORTS),
    ("tcp", Base::Transport, Need::Transport(6), Some(16), TCP),
    ("udp", Base::Transport, Need::Transport(17), Some(6), UDP),
    ("udplite", Base::Transport, Need::Transport(136), Some(6), UDPLITE),
    ("sctp", Base::Transport, Need::Transport(132), None, SCTP),
    ("dccp", Base::Transport, Need::Transport(33), None, DCCP),
    ("icmp", Base::Transport, Need::Transport(1), Some(2), ICMP),
    ("icmpv6", Base::Transport, Need::Transport(58), Some(2), ICMP6),
    ("igmp", Base::Transport, Need::Transport(2), Some(2), IGMP),
    ("ah", Base::Transport, Need::Transport(51), None, AH),
    ("esp", Base::Transport, Need::Transport(50), None, ESP),
    ("comp", Base::Transport, Need::Transport(108), None, COMP),
];

/// Whether there is such a header, and its fields' names.
pub(super) fn header(name: &str) -> Option<impl Iterator<Item = &'static str>> {
    let found = HEADERS.iter().find(|(known, ..)| *known == name);
    found.map(|(.., fields)| fields.iter().map(|(name, ..)| *name))
}

/// A field by its header and its name.
pub(super) fn field(protocol: &str, name: &str) -> Option<Field> {
    let (_, base, need, sum, fields) = HEADERS.iter().find(|(known, ..)| *known == protocol)?;
    let (_, bit, bits, kind) = fields.iter().find(|(known, ..)| *known == name)?;
    let pseudo = *base == Base::Network
        && matches!(name, "saddr" | "daddr" | "protocol" | "nexthdr")
        && protocol != "arp";
    Some(Field {
        base: *base,
        bit: *bit,
        of: Type::new(*kind, *bits),
        need: *need,
        types: types(protocol, name),
        sums: Sums { own: *sum, pseudo },
    })
}

/// Types of messages that have a field.
fn types(protocol: &str, name: &str) -> &'static [u8] {
    match (protocol, name) {
        ("icmp", "id" | "sequence") => &[0, 8],
        ("icmp", "mtu") => &[3],
        ("icmp", "gateway") => &[5],
        ("icmpv6", "id" | "sequence") => &[128, 129],
        ("icmpv6", "mtu") => &[2],
        ("icmpv6", "parameter-problem") => &[4],
        ("icmpv6", "max-delay") => &[130],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_lie_where_their_headers_have_them() {
        let at = |protocol, name| {
            let field = field(protocol, name).unwrap();
            (field.bit, field.of.bits)
        };
        assert_eq!(at("ip", "daddr"), (128, 32));
        assert_eq!(at("ip6", "daddr"), (192, 128));
        assert_eq!(at("tcp", "flags"), (104, 8));
        assert_eq!(at("icmp", "mtu"), (48, 16));
        assert!(field("tcp", "nothing").is_none() && field("nobody", "sport").is_none());
    }

    #[test]
    fn fields_of_a_header_do_not_overlap_but_where_messages_differ() {
        for (name, .., fields) in HEADERS.iter().filter(|(name, ..)| !name.starts_with("icmp")) {
            let mut end = 0;
            for (field, bit, bits, _) in *fields {
                assert!(*bit >= end, "{name} {field}");
                end = bit + bits;
            }
        }
    }
}
