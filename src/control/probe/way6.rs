//! The way of the router's own packets over IPv6.
//!
//! - obeys: `ip6_dst_lookup_tail`, `ip6_append_data`; RFC 6724 (choice of the source), RFC 8200 section
//!   4.5; a packet that is bound to an interface goes by a route of that alone

use std::net::{IpAddr, Ipv6Addr};

use super::{
    packet,
    spec::Unsendable,
    way::{Bound, Datagram, Way},
};
use crate::{
    control::{Query, Router},
    neighbour::control::Key,
    packet::{
        ipv6::{Ipv6Spec, address},
        tuple_hash6,
    },
    route::{policy::Flow, spec::RouteType, table::HopKind},
    tables::Tables,
};

/// Hop limit of what goes to many unless it is stated (`IPV6_DEFAULT_MCASTHOPS`).
const TO_GROUP: u8 = 1;

/// Why nothing can be sent by what a route leads to; `None` where something can.
const fn refusal(kind: HopKind) -> Option<Unsendable> {
    Some(match kind {
        HopKind::Neighbour | HopKind::Link | HopKind::Group => return None,
        HopKind::Prohibit => Unsendable::Prohibited,
        HopKind::Unreachable => Unsendable::HostUnreachable,
        HopKind::Blackhole => Unsendable::Blackhole,
        _ => Unsendable::NoRoute,
    })
}

impl Router {
    /// The way of a packet of the router's own over IPv6.
    pub(super) fn way6(&mut self, bound: &Bound, dst: Ipv6Addr, of: u8) -> Result<Way, Unsendable> {
        let bits = dst.to_bits();
        let source = match bound.source {
            Some(IpAddr::V6(source)) => Some(source),
            _ => None,
        };
        let mut flow = Flow {
            src: source.map_or(0, Ipv6Addr::to_bits),
            tos: bound.tos,
            protocol: of,
            ..Flow::out(bits, bound.vrf)
        };
        if bound.iface != 0 {
            flow.oif = bound.iface;
        }
        let of_link = address::needs_interface(bits);
        if of_link && bound.iface == 0 {
            return Err(Unsendable::NoLink);
        }
        let tables = self.current();
        if bits == 0 || of_link && tables.owns6(bound.iface, bits) {
            return Ok(here(source, dst));
        }
        if of_link {
            let hop = tables.output_hop6(&flow, bound.iface).ok_or(Unsendable::NoRoute)?;
            return leaving(&tables, hop, source, bits);
        }
        if tables.hops.get(tables.route6(&flow)).kind() == HopKind::Local {
            return Ok(here(source, dst));
        }
        if bound.iface != 0 {
            let hop = self.hop_by(bound, flow)?;
            return leaving(&self.current(), hop, source, bits);
        }
        // Where only routes of some sources lead there, a source is chosen before the way is.
        let hop = match refusal(tables.hops.get(tables.route6(&flow)).kind()) {
            None => tables.output_hop6(&flow, 0),
            Some(why) => {
                let chosen = source.or_else(|| tables.source_anywhere6(bound.vrf, bits));
                flow.src = chosen.ok_or(why)?.to_bits();
                if let Some(why) = refusal(tables.hops.get(tables.route6(&flow)).kind()) {
                    return Err(why);
                }
                tables.output_hop6(&flow, 0)
            }
        };
        let source = Some(Ipv6Addr::from_bits(flow.src)).filter(|source| !source.is_unspecified());
        leaving(&tables, hop.ok_or(Unsendable::NoRoute)?, source, bits)
    }

    /// The hop of the routes by one interface.
    fn hop_by(&mut self, bound: &Bound, flow: Flow<u128>) -> Result<u32, Unsendable> {
        let found = self.explain(&Query { flow, iif: 0, oif: bound.iface });
        let found =
            found.filter(|found| found.iface == bound.iface && found.kind == RouteType::Unicast);
        let address = found.ok_or(Unsendable::NoRoute)?.gateway;
        let dst = Ipv6Addr::from_bits(flow.dst);
        let key = Key { iface: bound.iface, address: address.unwrap_or(dst.into()) };
        let tables = self.current();
        let by_route = tables.output_hop6(&flow, bound.iface);
        // What was learned of the path hangs on the hop of the route.
        if let Some(hop) = by_route.filter(|hop| tables.hops.get(*hop).out().iface == bound.iface) {
            return Ok(hop);
        }
        self.neighbour_hop(key).ok_or(Unsendable::NoBuffer)
    }

    /// A datagram over IPv6 with its header, in pieces where it has to be.
    pub(super) fn pieces6(
        &self,
        src: Ipv6Addr,
        dst: Ipv6Addr,
        datagram: &Datagram,
        mtu: usize,
    ) -> Vec<Vec<u8>> {
        let tunables = self.tunables();
        let seed = tunables.multipath.seed;
        let hash = tuple_hash6(src.to_bits(), dst.to_bits(), datagram.protocol, 0, 0, seed);
        let header = Ipv6Spec {
            traffic_class: datagram.tos,
            flow_label: tunables.six.flow_label(0, hash),
            payload_len: datagram.payload.len(),
            next_header: datagram.protocol,
            hop_limit: datagram.ttl,
            src,
            dst,
        };
        let id = self.icmp_limits.next_fragment_id(seed);
        packet::pieces6(&header, &datagram.payload, mtu, id)
    }

    /// Whether what the router sends to a group on an interface is heard by itself as well.
    pub(super) fn hears_group(&self, index: u16, group: Ipv6Addr) -> bool {
        let iface = self.ifaces().iter().find(|iface| iface.index == index);
        iface.is_some_and(|iface| iface.groups6.contains(&group))
    }
}

fn here(source: Option<Ipv6Addr>, dst: Ipv6Addr) -> Way {
    let (mtu, ttl) = (u16::MAX, 64);
    Way { hop: None, iface: 0, mtu, mtu_locked: false, source: source.unwrap_or(dst).into(), ttl }
}

fn leaving(
    tables: &Tables,
    hop: u32,
    source: Option<Ipv6Addr>,
    dst: u128,
) -> Result<Way, Unsendable> {
    let facts = tables.hops.get(hop);
    let (out, attrs) = (facts.out(), facts.attrs());
    let source = source.or_else(|| tables.source_on6(hop, dst)).ok_or(Unsendable::ForeignSource)?;
    let ttl = match attrs.hoplimit {
        _ if address::is_multicast(dst) => TO_GROUP,
        0 => tables.ifaces.get(out.iface).map_or(64, |own| own.conf6.hop_limit),
        stated => stated,
    };
    let (iface, mtu, mtu_locked) = (out.iface, out.mtu, attrs.mtu_locked);
    Ok(Way { hop: Some(hop), iface, mtu, mtu_locked, source: source.into(), ttl })
}
