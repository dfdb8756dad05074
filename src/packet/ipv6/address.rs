//! IPv6 addresses: of which kind one is, and how far it means the same thing.
//!
//! - takes: the bits of an address, first octet highest
//! - obeys: RFC 4291 section 2, RFC 4193, RFC 6724 section 3.1; `__ipv6_addr_type` of the kernel;
//!   rows [8.1] to [8.18]

use std::net::Ipv6Addr;

/// Scopes as the second nibble of a group has them; unicast addresses have one of them too.
pub mod scope {
    /// Reserved; such a group is not to be used.
    pub const RESERVED: u8 = 0;
    /// One interface of one node.
    pub const INTERFACE_LOCAL: u8 = 1;
    /// One link.
    pub const LINK_LOCAL: u8 = 2;
    /// One site.
    pub const SITE_LOCAL: u8 = 5;
    /// One organisation.
    pub const ORGANISATION_LOCAL: u8 = 8;
    /// The whole internet.
    pub const GLOBAL: u8 = 14;
}

/// All nodes of a link.
pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// All nodes of an interface.
pub const ALL_NODES_OF_INTERFACE: Ipv6Addr = Ipv6Addr::new(0xff01, 0, 0, 0, 0, 0, 0, 1);
/// All routers of a link.
pub const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
/// All routers of an interface.
pub const ALL_ROUTERS_OF_INTERFACE: Ipv6Addr = Ipv6Addr::new(0xff01, 0, 0, 0, 0, 0, 0, 2);
/// All routers of a site.
pub const ALL_ROUTERS_OF_SITE: Ipv6Addr = Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 0, 2);
/// All routers that speak version 2 of multicast listener discovery.
pub const ALL_MLD2_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x16);

/// What kind of address it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `::`: no address at all.
    Unspecified,
    /// `::1`.
    Loopback,
    /// `::a.b.c.d`, deprecated.
    Compatible,
    /// `::ffff:a.b.c.d`: an IPv4 address written as one of IPv6.
    Mapped,
    /// Of the link alone: fe80::/10.
    LinkLocal,
    /// Of the site alone, deprecated: fec0::/10.
    SiteLocal,
    /// Every other unicast address, unique local ones (fc00::/7) included.
    Unicast,
    /// A group: ff00::/8.
    Multicast,
}

/// The kind of an address.
#[inline]
pub const fn kind(bits: u128) -> Kind {
    match (bits >> 118) as u16 {
        0x3fa => return Kind::LinkLocal,
        0x3fb => return Kind::SiteLocal,
        0x3fc.. => return Kind::Multicast,
        0 => {}
        _ => return Kind::Unicast,
    }
    match (bits, bits >> 32) {
        (0, _) => Kind::Unspecified,
        (1, _) => Kind::Loopback,
        (_, 0) => Kind::Compatible,
        (_, 0xffff) => Kind::Mapped,
        _ => Kind::Unicast,
    }
}

impl Kind {
    /// Whether the kernel counts it among the unicast addresses (`IPV6_ADDR_UNICAST`).
    pub const fn is_unicast(self) -> bool {
        !matches!(self, Self::Unspecified | Self::Mapped | Self::Multicast)
    }
}

/// How far an address means the same thing; see [`scope`]. The unspecified address has none.
#[inline]
pub const fn scope_of(bits: u128) -> u8 {
    match kind(bits) {
        Kind::Multicast => multicast_scope(bits),
        Kind::Loopback | Kind::LinkLocal => scope::LINK_LOCAL,
        Kind::SiteLocal => scope::SITE_LOCAL,
        Kind::Unspecified => scope::RESERVED,
        Kind::Compatible | Kind::Mapped | Kind::Unicast => scope::GLOBAL,
    }
}

/// Whether an address names a group: ff00::/8.
#[inline]
pub const fn is_multicast(bits: u128) -> bool {
    bits >> 120 == 0xff
}

/// Whether an address is of one link: fe80::/10.
#[inline]
pub const fn is_link_local(bits: u128) -> bool {
    bits >> 118 == 0x3fa
}

/// Whether a link-local address is of the prefix that every link has a route for: fe80::/64.
#[inline]
pub const fn is_on_link(bits: u128) -> bool {
    bits >> 64 == 0xfe80 << 48
}

/// Whether an address is `::1`.
#[inline]
pub const fn is_loopback(bits: u128) -> bool {
    bits == 1
}

/// Whether an address is an IPv4 address written as one of IPv6.
#[inline]
pub const fn is_mapped(bits: u128) -> bool {
    bits >> 32 == 0xffff
}

/// Scope of a group; see [`scope`].
#[inline]
pub const fn multicast_scope(group: u128) -> u8 {
    (group >> 112) as u8 & 0x0f
}

/// Flags of a group: 1 for a transient one, 2 based on a prefix, 4 with its rendezvous point in it.
#[inline]
pub const fn multicast_flags(group: u128) -> u8 {
    (group >> 116) as u8 & 0x0f
}

/// Whether an address means something on one link only, so that an interface belongs to it
/// (`__ipv6_addr_needs_scope_id`).
#[inline]
pub const fn needs_interface(bits: u128) -> bool {
    is_link_local(bits)
        || is_multicast(bits)
            && matches!(multicast_scope(bits), scope::INTERFACE_LOCAL | scope::LINK_LOCAL)
}

/// The group that an address listens to (RFC 4291 section 2.7.1).
#[inline]
pub const fn solicited_node(bits: u128) -> u128 {
    0xff02_0000_0000_0000_0000_0001_ff00_0000 | bits & 0x00ff_ffff
}

/// Whether a group is one of those that addresses listen to.
#[inline]
pub const fn is_solicited_node(group: u128) -> bool {
    group >> 24 == 0xff02_0000_0000_0000_0000_0001_ff00_0000 >> 24
}

/// The link address of a group (RFC 2464 section 7).
#[inline]
pub const fn group_mac(group: u128) -> [u8; 6] {
    let [a, b, c, d] = (group as u32).to_be_bytes();
    [0x33, 0x33, a, b, c, d]
}

/// The anycast address of all routers of a prefix (RFC 4291 section 2.6.1); prefixes of one or two
/// addresses have none.
pub const fn subnet_router_anycast(bits: u128, prefix_len: u8) -> Option<u128> {
    match prefix_len {
        0 => Some(0),
        1..127 => Some(bits & u128::MAX << (128 - prefix_len)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(text: &str) -> u128 {
        text.parse::<Ipv6Addr>().unwrap().to_bits()
    }

    /// Shows [8.4] to [8.10] and [8.13].
    #[test]
    fn kinds_begin_and_end_where_they_should() {
        for (text, wanted, scope) in [
            ("::", Kind::Unspecified, 0),
            ("::1", Kind::Loopback, 2),
            ("::2", Kind::Compatible, 14),
            ("::10.0.0.1", Kind::Compatible, 14),
            ("::ffff:10.0.0.1", Kind::Mapped, 14),
            ("::fffe:10.0.0.1", Kind::Unicast, 14),
            ("::1:0:0:1", Kind::Unicast, 14),
            ("64:ff9b::1", Kind::Unicast, 14),
            ("2001:db8::1", Kind::Unicast, 14),
            ("fc00::1", Kind::Unicast, 14),
            ("fdff:ffff::1", Kind::Unicast, 14),
            ("fe00::1", Kind::Unicast, 14),
            ("fe7f:ffff::1", Kind::Unicast, 14),
            ("fe80::1", Kind::LinkLocal, 2),
            ("febf::1", Kind::LinkLocal, 2),
            ("fec0::1", Kind::SiteLocal, 5),
            ("feff::", Kind::SiteLocal, 5),
            ("ff00::", Kind::Multicast, 0),
            ("ff02::1", Kind::Multicast, 2),
            ("ffff::", Kind::Multicast, 15),
        ] {
            assert_eq!((kind(bits(text)), scope_of(bits(text))), (wanted, scope), "{text}");
        }
        assert!(!Kind::Mapped.is_unicast() && !Kind::Unspecified.is_unicast());
        assert!(Kind::Loopback.is_unicast() && Kind::Compatible.is_unicast());
    }

    #[test]
    fn of_link_local_addresses_the_first_prefix_has_a_route() {
        assert!(is_on_link(bits("fe80::1")) && is_on_link(bits("fe80::ffff:0:0:1")));
        assert!(!is_on_link(bits("fe80:0:0:1::1")) && !is_on_link(bits("fe81::1")));
    }

    /// Shows [8.14] to [8.16].
    #[test]
    fn groups_tell_flags_and_scope() {
        let both = |text| (multicast_flags(bits(text)), multicast_scope(bits(text)));
        assert_eq!(both("ff75::1"), (7, 5));
        assert_eq!(both("ff3e::1"), (3, 14));
        assert_eq!(both("ff02::1"), (0, 2));
        assert!(needs_interface(bits("ff01::1")) && needs_interface(bits("fe80::1")));
        assert!(!needs_interface(bits("ff05::2")) && !needs_interface(bits("::1")));
    }

    /// Shows [8.18].
    #[test]
    fn addresses_listen_to_the_group_of_their_last_bits() {
        let group = solicited_node(bits("2001:db8::12:3456"));
        assert_eq!(Ipv6Addr::from_bits(group).to_string(), "ff02::1:ff12:3456");
        assert!(is_solicited_node(group) && !is_solicited_node(bits("ff02::1")));
        assert_eq!(group, solicited_node(bits("fe80::aa12:3456")));
        assert_eq!(group_mac(group), [0x33, 0x33, 0xff, 0x12, 0x34, 0x56]);
    }

    /// Shows [8.12].
    #[test]
    fn routers_share_the_first_address_of_a_prefix() {
        let of = |len| subnet_router_anycast(bits("2001:db8:1:2::5"), len).map(Ipv6Addr::from_bits);
        assert_eq!(of(64).unwrap().to_string(), "2001:db8:1:2::");
        assert_eq!(of(126).unwrap().to_string(), "2001:db8:1:2::4");
        assert_eq!((of(127), of(128), of(0)), (None, None, Some(Ipv6Addr::UNSPECIFIED)));
    }

    #[test]
    fn kinds_agree_with_the_standard_library() {
        bolero::check!().with_type::<(u128, u8)>().for_each(|(address, shift)| {
            let address = address.checked_shr(u32::from(*shift)).unwrap_or(0);
            let theirs = Ipv6Addr::from_bits(address);
            assert_eq!(kind(address) == Kind::Multicast, theirs.is_multicast());
            assert_eq!(kind(address) == Kind::Loopback, theirs.is_loopback());
            assert_eq!(kind(address) == Kind::LinkLocal, theirs.is_unicast_link_local());
            assert_eq!(kind(address) == Kind::Unspecified, theirs.is_unspecified());
            assert_eq!(kind(address) == Kind::Mapped, theirs.to_ipv4_mapped().is_some());
        });
    }
}
