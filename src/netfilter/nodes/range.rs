//! What a rule of the nat table gives to choose from.
//!
//! - takes: the target of the rule, and where the packet is
//! - gives: a [`Range`]; nothing where the router has no address that would do
//! - obeys: `xt_nat`, `xt_MASQUERADE`, `xt_REDIRECT`, `xt_NETMAP`; ledger 9.252 to 9.254

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::around::Around;
use crate::{
    conntrack::{
        Addr,
        nat::choose::{Range, flag},
    },
    netfilter::{
        NatKind, NatRequest, View,
        rule::{self, Hook},
    },
    port::table::Iface,
};

const fn bit(on: bool, flag: u32) -> u32 {
    if on { flag } else { 0 }
}

fn with_ports(range: Range, ports: Option<rule::Span<u16>>) -> Range {
    match ports {
        Some(ports) => range.with_ports(ports.first, ports.last),
        None => range,
    }
}

fn stated(nat: &rule::Nat) -> Range {
    let range = match &nat.addresses {
        Some(span) => Range {
            flags: flag::MAP_IPS,
            min: Addr::from(span.first),
            max: Addr::from(span.last),
            ..Range::NONE
        },
        None => Range::NONE,
    };
    let range = with_ports(range, nat.ports);
    let range = Range { base_port: nat.base_port.unwrap_or(0), ..range };
    range.with(
        bit(nat.base_port.is_some(), flag::PROTO_OFFSET)
            | bit(nat.random, flag::PROTO_RANDOM)
            | bit(nat.random_fully, flag::PROTO_RANDOM_FULLY)
            | bit(nat.persistent, flag::PERSISTENT),
    )
}

impl Around<'_> {
    /// The address with which the router speaks to where a packet goes by the interface it leaves by.
    fn speaks_as(&self, view: &View<'_>) -> Option<IpAddr> {
        let iface = self.tables.ifaces.get(view.about.output)?;
        match view.facts().destination() {
            IpAddr::V4(dst) => {
                let next = self.tables.hops.get(self.hop).gateway().unwrap_or(dst);
                iface.select_address(next).map(IpAddr::V4)
            }
            IpAddr::V6(dst) => self.tables.source_at6(iface.index, dst.to_bits()).map(IpAddr::V6),
        }
    }

    /// The first address of the interface by which a packet came.
    fn first_address(&self, view: &View<'_>, six: bool) -> Option<IpAddr> {
        let iface = self.tables.ifaces.get(view.about.input)?;
        match six {
            false => iface.addresses.first().map(|own| IpAddr::V4(own.local.addr())),
            true => first6(iface).map(IpAddr::V6),
        }
    }
}

/// The first address beyond the link's own.
fn first6(iface: &Iface) -> Option<Ipv6Addr> {
    let all = || iface.addresses6.iter().map(|own| own.local.addr());
    all().find(|own| !own.is_unicast_link_local()).or_else(|| all().next())
}

/// The range that a rule gives.
pub(super) fn of(
    around: &Around<'_>,
    request: &NatRequest<'_>,
    view: &View<'_>,
) -> Option<(Range, u32)> {
    let six = matches!(view.facts().destination(), IpAddr::V6(_));
    Some(match request.kind {
        NatKind::Snat(nat) | NatKind::Dnat(nat) => (stated(nat), 0),
        NatKind::Masquerade(how) => {
            let range = Range::address(Addr::from(around.speaks_as(view)?)).with(
                bit(how.random, flag::PROTO_RANDOM)
                    | bit(how.random_fully, flag::PROTO_RANDOM_FULLY),
            );
            (with_ports(range, how.ports), view.about.output.into())
        }
        NatKind::Redirect(how) => {
            let here = match (request.hook, six) {
                (Hook::LocalOut, false) => IpAddr::V4(Ipv4Addr::LOCALHOST),
                (Hook::LocalOut, true) => IpAddr::V6(Ipv6Addr::LOCALHOST),
                _ => around.first_address(view, six)?,
            };
            let range = Range::address(Addr::from(here)).with(bit(how.random, flag::PROTO_RANDOM));
            (with_ports(range, how.ports), 0)
        }
        NatKind::Netmap(prefix) => {
            let (min, max) = ends(prefix);
            let range = Range { flags: flag::NETMAP, min, max, ..Range::NONE };
            (range, 0)
        }
    })
}

/// First and last address of a prefix.
fn ends(prefix: &rule::Prefix) -> (Addr, Addr) {
    match (prefix.address, prefix.mask) {
        (IpAddr::V4(address), IpAddr::V4(mask)) => {
            let (address, mask) = (address.to_bits(), mask.to_bits());
            let of = |bits: u32| Addr::from(IpAddr::V4(Ipv4Addr::from_bits(bits)));
            (of(address & mask), of(address | !mask))
        }
        (IpAddr::V6(address), IpAddr::V6(mask)) => {
            let (address, mask) = (address.to_bits(), mask.to_bits());
            let of = |bits: u128| Addr::from(IpAddr::V6(Ipv6Addr::from_bits(bits)));
            (of(address & mask), of(address | !mask))
        }
        _ => (Addr::default(), Addr::default()),
    }
}
