//! Words for numbers, as nft has them.
//!
//! - obeys: the symbol tables of nft(8), `nft describe`

/// A word and its number.
pub(super) type Names = &'static [(&'static str, u64)];

pub(super) const PROTOCOLS: Names = &[
    ("hopopt", 0),
    ("ip", 0),
    ("icmp", 1),
    ("igmp", 2),
    ("ipencap", 4),
    ("tcp", 6),
    ("egp", 8),
    ("udp", 17),
    ("dccp", 33),
    ("ipv6", 41),
    ("ipv6-route", 43),
    ("ipv6-frag", 44),
    ("rsvp", 46),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("ipv6-icmp", 58),
    ("icmpv6", 58),
    ("ipv6-nonxt", 59),
    ("ipv6-opts", 60),
    ("eigrp", 88),
    ("ospf", 89),
    ("ipip", 94),
    ("pim", 103),
    ("ipcomp", 108),
    ("comp", 108),
    ("vrrp", 112),
    ("l2tp", 115),
    ("sctp", 132),
    ("mobility-header", 135),
    ("mh", 135),
    ("udplite", 136),
];

pub(super) const ETHERTYPES: Names = &[
    ("ip", 0x0800),
    ("arp", 0x0806),
    ("ip6", 0x86dd),
    ("8021q", 0x8100),
    ("vlan", 0x8100),
    ("8021ad", 0x88a8),
];

pub(super) const ICMP_TYPES: Names = &[
    ("echo-reply", 0),
    ("destination-unreachable", 3),
    ("source-quench", 4),
    ("redirect", 5),
    ("echo-request", 8),
    ("router-advertisement", 9),
    ("router-solicitation", 10),
    ("time-exceeded", 11),
    ("parameter-problem", 12),
    ("timestamp-request", 13),
    ("timestamp-reply", 14),
    ("info-request", 15),
    ("info-reply", 16),
    ("address-mask-request", 17),
    ("address-mask-reply", 18),
];

pub(super) const ICMP_CODES: Names = &[
    ("net-unreachable", 0),
    ("host-unreachable", 1),
    ("prot-unreachable", 2),
    ("port-unreachable", 3),
    ("frag-needed", 4),
    ("net-prohibited", 9),
    ("host-prohibited", 10),
    ("admin-prohibited", 13),
];

pub(super) const ICMP6_TYPES: Names = &[
    ("destination-unreachable", 1),
    ("packet-too-big", 2),
    ("time-exceeded", 3),
    ("parameter-problem", 4),
    ("echo-request", 128),
    ("echo-reply", 129),
    ("mld-listener-query", 130),
    ("mld-listener-report", 131),
    ("mld-listener-done", 132),
    ("mld-listener-reduction", 132),
    ("nd-router-solicit", 133),
    ("nd-router-advert", 134),
    ("nd-neighbor-solicit", 135),
    ("nd-neighbor-advert", 136),
    ("nd-redirect", 137),
    ("router-renumbering", 138),
    ("ind-neighbor-solicit", 141),
    ("ind-neighbor-advert", 142),
    ("mld2-listener-report", 143),
];

pub(super) const ICMP6_CODES: Names = &[
    ("no-route", 0),
    ("admin-prohibited", 1),
    ("addr-unreachable", 3),
    ("port-unreachable", 4),
    ("policy-fail", 5),
    ("reject-route", 6),
];

pub(super) const ICMPX_CODES: Names =
    &[("no-route", 0), ("port-unreachable", 1), ("host-unreachable", 2), ("admin-prohibited", 3)];

pub(super) const DSCP: Names = &[
    ("cs0", 0),
    ("cs1", 8),
    ("cs2", 16),
    ("cs3", 24),
    ("cs4", 32),
    ("cs5", 40),
    ("cs6", 48),
    ("cs7", 56),
    ("df", 0),
    ("be", 0),
    ("lephb", 1),
    ("af11", 10),
    ("af12", 12),
    ("af13", 14),
    ("af21", 18),
    ("af22", 20),
    ("af23", 22),
    ("af31", 26),
    ("af32", 28),
    ("af33", 30),
    ("af41", 34),
    ("af42", 36),
    ("af43", 38),
    ("va", 44),
    ("ef", 46),
];

pub(super) const ECN: Names = &[("not-ect", 0), ("ect1", 1), ("ect0", 2), ("ce", 3)];

pub(super) const TCP_FLAGS: Names = &[
    ("fin", 1),
    ("syn", 2),
    ("rst", 4),
    ("psh", 8),
    ("ack", 16),
    ("urg", 32),
    ("ecn", 64),
    ("cwr", 128),
];

pub(super) const PACKET_TYPES: Names =
    &[("host", 0), ("unicast", 0), ("broadcast", 1), ("multicast", 2), ("other", 3)];

pub(super) const NFPROTO: Names = &[("ipv4", 2), ("ipv6", 10)];

pub(super) const CT_STATES: Names =
    &[("invalid", 1), ("established", 2), ("related", 4), ("new", 8), ("untracked", 64)];

pub(super) const CT_STATUS: Names = &[
    ("expected", 1),
    ("seen-reply", 1 << 1),
    ("assured", 1 << 2),
    ("confirmed", 1 << 3),
    ("snat", 1 << 4),
    ("dnat", 1 << 5),
    ("dying", 1 << 9),
];

pub(super) const DIRECTIONS: Names = &[("original", 0), ("reply", 1)];

pub(super) const FIB_TYPES: Names = &[
    ("unspec", 0),
    ("unicast", 1),
    ("local", 2),
    ("broadcast", 3),
    ("anycast", 4),
    ("multicast", 5),
    ("blackhole", 6),
    ("unreachable", 7),
    ("prohibit", 8),
    ("throw", 9),
    ("nat", 10),
    ("xresolve", 11),
];

pub(super) const ARP_OPERATIONS: Names = &[
    ("request", 1),
    ("reply", 2),
    ("rrequest", 3),
    ("rreply", 4),
    ("inrequest", 8),
    ("inreply", 9),
    ("nak", 10),
];

pub(super) const DAYS: Names = &[
    ("Sunday", 0),
    ("Monday", 1),
    ("Tuesday", 2),
    ("Wednesday", 3),
    ("Thursday", 4),
    ("Friday", 5),
    ("Saturday", 6),
];

pub(super) const BOOLEANS: Names = &[("exists", 1), ("missing", 0), ("true", 1), ("false", 0)];

/// TCP options: kind and the bits of their fields.
pub(super) type OptionFields = &'static [(&'static str, u32, u32)];

/// Options of TCP by name.
pub(super) const TCP_OPTIONS: &[(&str, u8, OptionFields)] = &[
    ("eol", 0, &[]),
    ("noop", 1, &[]),
    ("nop", 1, &[]),
    ("maxseg", 2, &[("length", 8, 8), ("size", 16, 16)]),
    ("window", 3, &[("length", 8, 8), ("count", 16, 8)]),
    ("sack-perm", 4, &[("length", 8, 8)]),
    ("sack-permitted", 4, &[("length", 8, 8)]),
    ("sack", 5, &[("length", 8, 8), ("left", 16, 32), ("right", 48, 32)]),
    ("timestamp", 8, &[("length", 8, 8), ("tsval", 16, 32), ("tsecr", 48, 32)]),
    ("md5sig", 19, &[("length", 8, 8)]),
    ("mptcp", 30, &[("length", 8, 8), ("subtype", 16, 4)]),
    ("fastopen", 34, &[("length", 8, 8)]),
];

/// Options of IPv4 by name.
pub(super) const IP_OPTIONS: &[(&str, u8, OptionFields)] = &[
    ("lsrr", 131, &[("type", 0, 8), ("length", 8, 8), ("ptr", 16, 8), ("addr", 24, 32)]),
    ("ra", 148, &[("type", 0, 8), ("length", 8, 8), ("value", 16, 16)]),
    ("rr", 7, &[("type", 0, 8), ("length", 8, 8), ("ptr", 16, 8), ("addr", 24, 32)]),
    ("ssrr", 137, &[("type", 0, 8), ("length", 8, 8), ("ptr", 16, 8), ("addr", 24, 32)]),
];

/// Extension headers of IPv6 by name.
pub(super) const EXTENSIONS: &[(&str, u8, OptionFields)] = &[
    ("hbh", 0, &[("nexthdr", 0, 8), ("hdrlength", 8, 8)]),
    ("rt", 43, &[("nexthdr", 0, 8), ("hdrlength", 8, 8), ("type", 16, 8), ("seg-left", 24, 8)]),
    (
        "frag",
        44,
        &[
            ("nexthdr", 0, 8),
            ("reserved", 8, 8),
            ("frag-off", 16, 13),
            ("reserved2", 29, 2),
            ("more-fragments", 31, 1),
            ("id", 32, 32),
        ],
    ),
    ("dst", 60, &[("nexthdr", 0, 8), ("hdrlength", 8, 8)]),
    (
        "mh",
        135,
        &[
            ("nexthdr", 0, 8),
            ("hdrlength", 8, 8),
            ("type", 16, 8),
            ("reserved", 24, 8),
            ("checksum", 32, 16),
        ],
    ),
];
