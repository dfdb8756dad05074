//! Neighbour discovery: the five messages of RFC 4861 and their options.
//!
//! - takes: bytes that start at the IPv6 header; messages to be written
//! - gives: a [`Message`], or why it is [`Refused`]; packets from the IPv6 header on
//! - obeys: RFC 4861 sections 4, 6.1, 7.1 and 8.1, in the order in which Linux checks; rows [7.129]
//!   to [7.131], [7.139], [7.140], [7.149]

#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod neighbour;
mod option;
mod redirect;
mod router;

pub use neighbour::{Advertisement, Neighbour};
pub use option::{Item, Items, Pref64, PrefixInfo, RouteInfo};
pub use redirect::Redirect;
pub use router::{Preference, RouterAdvertisement, RouterSolicitation};

use std::net::Ipv6Addr;

use super::{MacAddr, envelope::Envelope};

/// ICMPv6 type of a router solicitation.
pub const ROUTER_SOLICITATION: u8 = 133;
/// ICMPv6 type of a router advertisement.
pub const ROUTER_ADVERTISEMENT: u8 = 134;
/// ICMPv6 type of a neighbour solicitation.
pub const NEIGHBOUR_SOLICITATION: u8 = 135;
/// ICMPv6 type of a neighbour advertisement.
pub const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
/// ICMPv6 type of a redirect.
pub const REDIRECT: u8 = 137;

/// All nodes of the link.
pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// All routers of the link.
pub const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

const HEADER: usize = 40;
const ICMPV6: u8 = 58;
/// Only a packet that no router has touched has this hop limit.
const HOP_LIMIT: u8 = 255;

/// Why a message is not heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not an ICMPv6 message of the five types, or its checksum does not hold.
    #[error("not a message of neighbour discovery")]
    Other,
    /// It may have come from behind a router.
    #[error("invalid hop-limit")]
    HopLimit,
    /// Its code is not 0.
    #[error("invalid ICMPv6 code")]
    Code,
    /// Shorter than its type needs.
    #[error("packet too short")]
    Short,
    /// The target is a group.
    #[error("multicast target address")]
    Target,
    /// A solicitation of one who looks for duplicates that did not go to a solicited-node group.
    #[error("bad DAD packet (wrong destination)")]
    ProbeDestination,
    /// An option of no length, or one that is longer than the message.
    #[error("invalid ND option")]
    Options,
    /// A link-layer address that is not Ethernet's.
    #[error("invalid link-layer address length")]
    LinkLayer,
    /// One who looks for duplicates tells where it is.
    #[error("bad DAD packet (link-layer address option)")]
    ProbeLinkLayer,
    /// An advertisement to a group says that it answers somebody.
    #[error("solicited NA is multicasted")]
    Solicited,
    /// The source is not an address of the link.
    #[error("source address is not link-local")]
    Source,
    /// A redirect for a group.
    #[error("destination address is multicast")]
    Destination,
    /// A redirect to a target that is neither the destination nor a router's address of the link.
    #[error("target address is not link-local unicast")]
    RedirectTarget,
}

/// A message of neighbour discovery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Who routes here?
    RouterSolicitation(RouterSolicitation),
    /// A router tells what holds on the link.
    RouterAdvertisement(RouterAdvertisement),
    /// A question for a neighbour, or what one tells of itself.
    Neighbour(Neighbour),
    /// There is a better way.
    Redirect(Redirect),
}

impl Message {
    /// Reads the packet of a message.
    pub fn parse(l3: &[u8]) -> Result<Self, Refused> {
        let envelope = Envelope::open(l3).ok_or(Refused::Other)?;
        let kind = envelope.message[0];
        if !(ROUTER_SOLICITATION..=REDIRECT).contains(&kind) {
            return Err(Refused::Other);
        }
        if envelope.hop_limit != HOP_LIMIT {
            return Err(Refused::HopLimit);
        }
        if envelope.message[1] != 0 {
            return Err(Refused::Code);
        }
        match kind {
            ROUTER_SOLICITATION => {
                RouterSolicitation::read(&envelope).map(Self::RouterSolicitation)
            }
            ROUTER_ADVERTISEMENT => {
                RouterAdvertisement::read(&envelope).map(Self::RouterAdvertisement)
            }
            REDIRECT => Redirect::read(&envelope).map(Self::Redirect),
            _ => Neighbour::read(&envelope).map(Self::Neighbour),
        }
    }
}

/// The 16 bytes of a message at a place.
fn address(message: &[u8], at: usize) -> Result<Ipv6Addr, Refused> {
    let octets: Option<[u8; 16]> = message.get(at..at + 16).and_then(|bytes| bytes.try_into().ok());
    octets.map(Ipv6Addr::from).ok_or(Refused::Short)
}

/// The group that an address listens to (RFC 4291 section 2.7.1).
pub fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = address.octets();
    let low = u16::from_be_bytes([b, c]);
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), low)
}

/// Whether a group is one that addresses listen to.
pub fn is_solicited_node(group: Ipv6Addr) -> bool {
    group.octets().starts_with(&[0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff])
}

/// The link-layer address of a group (RFC 2464 section 7).
pub fn group_mac(group: Ipv6Addr) -> MacAddr {
    let [.., a, b, c, d] = group.octets();
    MacAddr::new([0x33, 0x33, a, b, c, d])
}

/// The link-local address that comes of a link-layer address (RFC 4291 appendix A).
pub fn link_local(mac: MacAddr) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac.octets();
    Ipv6Addr::from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f])
}

/// True for packets that [`Neighbour::parse`] may take, without looking at all of it.
pub fn is_neighbour(l3: &[u8]) -> bool {
    l3.first().is_some_and(|first| first >> 4 == 6)
        && l3.get(6..8) == Some(&[ICMPV6, HOP_LIMIT])
        && matches!(l3.get(HEADER), Some(&(NEIGHBOUR_SOLICITATION | NEIGHBOUR_ADVERTISEMENT)))
}

#[cfg(test)]
mod tests;
