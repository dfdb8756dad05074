//! The names that routing numbers have in `/etc/iproute2`, both ways.
//!
//! The tables are those that iproute2 ships; files of the machine are not read, so a line means the
//! same on every machine.

use std::borrow::Cow;

use crate::route::spec::RouteType;

/// Route origins (`rt_protos`).
pub const PROTOS: &[(&str, u8)] = &[
    ("unspec", 0),
    ("redirect", 1),
    ("kernel", 2),
    ("boot", 3),
    ("static", 4),
    ("gated", 8),
    ("ra", 9),
    ("mrt", 10),
    ("zebra", 11),
    ("bird", 12),
    ("dnrouted", 13),
    ("xorp", 14),
    ("ntk", 15),
    ("dhcp", 16),
    ("keepalived", 18),
    ("babel", 42),
    ("ovn", 84),
    ("openr", 99),
    ("bgp", 186),
    ("isis", 187),
    ("ospf", 188),
    ("rip", 189),
    ("eigrp", 192),
];

/// Distances of a destination (`rt_scopes`).
pub const SCOPES: &[(&str, u8)] =
    &[("global", 0), ("nowhere", 255), ("host", 254), ("link", 253), ("site", 200)];

/// Routing tables (`rt_tables`).
pub const TABLES: &[(&str, u32)] =
    &[("unspec", 0), ("default", 253), ("main", 254), ("local", 255)];

/// DSCP code points as TOS bytes (`rt_dsfield`).
pub const DSFIELDS: &[(&str, u8)] = &[
    ("default", 0x00),
    ("AF11", 0x28),
    ("AF12", 0x30),
    ("AF13", 0x38),
    ("AF21", 0x48),
    ("AF22", 0x50),
    ("AF23", 0x58),
    ("AF31", 0x68),
    ("AF32", 0x70),
    ("AF33", 0x78),
    ("AF41", 0x88),
    ("AF42", 0x90),
    ("AF43", 0x98),
    ("CS1", 0x20),
    ("CS2", 0x40),
    ("CS3", 0x60),
    ("CS4", 0x80),
    ("CS5", 0xa0),
    ("CS6", 0xc0),
    ("CS7", 0xe0),
    ("EF", 0xb8),
];

/// Route types by the word that iproute2 prints.
pub const TYPES: &[(&str, RouteType)] = &[
    ("unicast", RouteType::Unicast),
    ("local", RouteType::Local),
    ("broadcast", RouteType::Broadcast),
    ("anycast", RouteType::Anycast),
    ("multicast", RouteType::Multicast),
    ("blackhole", RouteType::Blackhole),
    ("unreachable", RouteType::Unreachable),
    ("prohibit", RouteType::Prohibit),
    ("throw", RouteType::Throw),
];

/// Groups of interfaces (`group`).
pub const GROUPS: &[(&str, u32)] = &[("default", 0)];

/// IP protocols (`/etc/protocols`).
pub const IP_PROTOS: &[(&str, u8)] = &[
    ("ip", 0),
    ("hopopt", 0),
    ("icmp", 1),
    ("igmp", 2),
    ("ggp", 3),
    ("ipencap", 4),
    ("st", 5),
    ("tcp", 6),
    ("egp", 8),
    ("igp", 9),
    ("pup", 12),
    ("udp", 17),
    ("hmp", 20),
    ("xns-idp", 22),
    ("rdp", 27),
    ("iso-tp4", 29),
    ("dccp", 33),
    ("xtp", 36),
    ("ddp", 37),
    ("idpr-cmtp", 38),
    ("ipv6", 41),
    ("ipv6-route", 43),
    ("ipv6-frag", 44),
    ("idrp", 45),
    ("rsvp", 46),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("skip", 57),
    ("ipv6-icmp", 58),
    ("ipv6-nonxt", 59),
    ("ipv6-opts", 60),
    ("rspf", 73),
    ("vmtp", 81),
    ("eigrp", 88),
    ("ospf", 89),
    ("ax.25", 93),
    ("ipip", 94),
    ("etherip", 97),
    ("encap", 98),
    ("pim", 103),
    ("ipcomp", 108),
    ("vrrp", 112),
    ("l2tp", 115),
    ("isis", 124),
    ("sctp", 132),
    ("fc", 133),
    ("mobility-header", 135),
    ("udplite", 136),
    ("mpls-in-ip", 137),
    ("manet", 138),
    ("hip", 139),
    ("shim6", 140),
    ("wesp", 141),
    ("rohc", 142),
    ("ethernet", 143),
];

/// Congestion control algorithms that a route may name; the metric `congctl` holds the index.
pub const CONGCTL: &[&str] = &[
    "reno",
    "cubic",
    "bbr",
    "bic",
    "cdg",
    "dctcp",
    "highspeed",
    "htcp",
    "hybla",
    "illinois",
    "lp",
    "nv",
    "scalable",
    "vegas",
    "veno",
    "westwood",
    "yeah",
];

fn name_of<T: Copy + PartialEq + ToString>(
    names: &'static [(&'static str, T)],
    value: T,
) -> Cow<'static, str> {
    match names.iter().find(|(_, v)| *v == value) {
        Some((name, _)) => Cow::Borrowed(name),
        None => Cow::Owned(value.to_string()),
    }
}

/// How iproute2 prints a route origin.
#[must_use]
pub fn proto(value: u8) -> Cow<'static, str> {
    name_of(PROTOS, value)
}

/// How iproute2 prints a scope.
#[must_use]
pub fn scope(value: u8) -> Cow<'static, str> {
    name_of(SCOPES, value)
}

/// How iproute2 prints a table.
#[must_use]
pub fn table(value: u32) -> Cow<'static, str> {
    name_of(TABLES, value)
}

/// How iproute2 prints a TOS byte.
#[must_use]
pub fn dsfield(value: u8) -> Cow<'static, str> {
    match DSFIELDS.iter().find(|(_, v)| *v == value) {
        Some((name, _)) => Cow::Borrowed(name),
        None => Cow::Owned(format!("{value:#04x}")),
    }
}

/// How iproute2 prints a group of interfaces.
#[must_use]
pub fn group(value: u32) -> Cow<'static, str> {
    name_of(GROUPS, value)
}

/// How iproute2 prints an IP protocol.
#[must_use]
pub fn ip_proto(value: u8) -> Cow<'static, str> {
    match IP_PROTOS.iter().find(|(_, n)| *n == value) {
        Some((name, _)) => Cow::Borrowed(name),
        None => Cow::Owned(format!("ipproto-{value}")),
    }
}

/// The word for a route type.
#[must_use]
pub fn route_type(value: RouteType) -> &'static str {
    TYPES.iter().find(|(_, t)| *t == value).map_or("unicast", |(name, _)| name)
}
