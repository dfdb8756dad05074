//! The way of the router's own packets, and putting them on it.
//!
//! - takes: a destination, and what its session is bound to
//! - gives: packets for `ip4-output` and `ip6-output`, cut where they are larger than the path carries;
//!   whole ones for `ip4-originate` and `ip6-originate` where the packet filter is to see them
//! - obeys: `ip_route_output_key`, `ip_append_data`; RFC 1122 section 3.3.4 (choice of the source)
//!
//! The ways of IPv6 are found in `way6`.

use std::net::{IpAddr, Ipv4Addr};

use super::{
    packet::{self, Ends},
    spec::{Origin, Unsendable},
};
use crate::{
    control::{Query, Router},
    dpdk::mbuf::Flags,
    graph::Snmp,
    neighbour::control::Key,
    packet::ipv4::{self, Ipv4Spec},
    port::table::Iface,
    route::{policy::Flow, spec::RouteType, table::HopKind},
    worker::{Entry, Injected},
};

/// Room for the largest Ethernet header in front of a packet.
const LINK_ROOM: usize = 18;
const DF: u16 = 0x4000;

/// What a session is bound to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound {
    pub(super) vrf: u16,
    /// Interface, 0 for any.
    pub(super) iface: u16,
    pub(super) source: Option<IpAddr>,
    pub(super) tos: u8,
}

impl Bound {
    fn source4(&self) -> Option<Ipv4Addr> {
        match self.source {
            Some(IpAddr::V4(source)) => Some(source),
            _ => None,
        }
    }
}

/// The way of a packet of the router's own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    /// `None` for the router itself.
    pub(super) hop: Option<u32>,
    pub(super) iface: u16,
    pub(super) mtu: u16,
    pub(super) mtu_locked: bool,
    pub(super) source: IpAddr,
    pub(super) ttl: u8,
}

/// A datagram that is to be sent.
pub(super) struct Datagram {
    pub(super) protocol: u8,
    pub(super) ttl: u8,
    pub(super) tos: u8,
    pub(super) df: bool,
    pub(super) dst: IpAddr,
    pub(super) payload: Vec<u8>,
}

impl Router {
    /// Where the words of an operator lead.
    pub(super) fn bind(&self, origin: &Origin) -> Result<Bound, Unsendable> {
        let mut bound = Bound { vrf: 0, iface: 0, source: origin.source, tos: origin.tos };
        if let Some(name) = &origin.vrf {
            let vrf = self.iface(name).filter(|iface| iface.vrf_table.is_some());
            bound.vrf = vrf.ok_or(Unsendable::NoDevice)?.index;
        }
        if let Some(name) = &origin.iface {
            let iface = self.iface(name).ok_or(Unsendable::NoDevice)?;
            bound.vrf = iface.own_vrf();
            if iface.vrf_table.is_none() {
                bound.iface = iface.index;
            }
        }
        if let Some(source) = origin.source {
            // One of a single link is an address there alone.
            let of_link = matches!(source, IpAddr::V6(six) if six.is_unicast_link_local());
            let may = |iface: &&Iface| match of_link {
                true => iface.index == bound.iface,
                false => iface.own_vrf() == bound.vrf,
            };
            if !self.ifaces().iter().filter(may).any(|iface| has(iface, source)) {
                return Err(Unsendable::ForeignSource);
            }
        }
        Ok(bound)
    }

    /// The way of a packet of the router's own.
    pub(super) fn way(&mut self, bound: &Bound, dst: IpAddr, of: u8) -> Result<Way, Unsendable> {
        match dst {
            IpAddr::V4(dst) => self.way4(bound, dst, of),
            IpAddr::V6(dst) => self.way6(bound, dst, of),
        }
    }

    /// The same over IPv4, as `ip_route_output_key` finds it.
    fn way4(&mut self, bound: &Bound, dst: Ipv4Addr, of: u8) -> Result<Way, Unsendable> {
        let bits = dst.to_bits();
        if ipv4::is_limited_broadcast(bits) {
            return Err(Unsendable::Prohibited);
        }
        let mut flow = Flow {
            src: bound.source4().map_or(0, Ipv4Addr::to_bits),
            tos: bound.tos & 0xfc,
            protocol: of,
            ..Flow::out(bits, bound.vrf)
        };
        if bound.iface != 0 {
            flow.oif = bound.iface;
        }
        let ttl = self.tunables().default_ttl;
        let tables = self.current();
        let kind = tables.hops.get(tables.route(&flow)).kind();
        if kind == HopKind::Local {
            let source = bound.source.unwrap_or(dst.into());
            return Ok(Way { hop: None, iface: 0, mtu: u16::MAX, mtu_locked: false, source, ttl });
        }
        if bound.iface != 0 {
            return self.way_by(bound, flow, dst, ttl);
        }
        match kind {
            HopKind::Neighbour | HopKind::Link | HopKind::Group | HopKind::Choice => {}
            HopKind::Broadcast | HopKind::Prohibit => return Err(Unsendable::Prohibited),
            HopKind::Unreachable => return Err(Unsendable::HostUnreachable),
            HopKind::Blackhole | HopKind::Invalid => return Err(Unsendable::Blackhole),
            _ => return Err(Unsendable::NoRoute),
        }
        let mut hop = tables.output_hop(&flow).ok_or(Unsendable::NoRoute)?;
        let source = match bound.source4() {
            Some(source) => source,
            None => {
                let facts = tables.hops.get(hop);
                let chosen = Some(facts.prefsrc()).filter(|source| !source.is_unspecified());
                let towards = facts.gateway().unwrap_or(dst);
                let source = chosen.or_else(|| self.source_on(facts.out().iface, towards));
                // As the kernel does: once more, with the source that was found.
                flow.src = source.ok_or(Unsendable::NoRoute)?.to_bits();
                hop = tables.output_hop(&flow).ok_or(Unsendable::NoRoute)?;
                flow.src.into()
            }
        };
        let facts = tables.hops.get(hop);
        let (out, attrs) = (facts.out(), facts.attrs());
        let ttl = if attrs.hoplimit == 0 { ttl } else { attrs.hoplimit };
        let (mtu_locked, source) = (attrs.mtu_locked, source.into());
        Ok(Way { hop: Some(hop), iface: out.iface, mtu: out.mtu, mtu_locked, source, ttl })
    }

    /// The way by one interface: its routes, and without any the destination is taken to be on its
    /// link.
    fn way_by(
        &mut self,
        bound: &Bound,
        flow: Flow,
        dst: Ipv4Addr,
        ttl: u8,
    ) -> Result<Way, Unsendable> {
        let found = self.explain(&Query { flow, iif: 0, oif: bound.iface });
        let found = found.filter(|found| found.iface == bound.iface);
        let unicast = found.filter(|found| found.kind == RouteType::Unicast);
        let (gateway, learned, locked) = match &unicast {
            Some(found) => (found.gateway, found.mtu, found.mtu_locked),
            None => (None, None, false),
        };
        let address = gateway.unwrap_or(dst.into());
        let towards = match address {
            IpAddr::V4(four) => four,
            IpAddr::V6(_) => dst,
        };
        let source = match bound.source {
            Some(source) => source,
            None => self.source_on(bound.iface, towards).ok_or(Unsendable::NoRoute)?.into(),
        };
        let key = Key { iface: bound.iface, address };
        let hop = self.neighbour_hop(key).ok_or(Unsendable::NoBuffer)?;
        let mtu = self.hops().table().get(hop).out().mtu;
        let mtu = learned.map_or(mtu, |learned| mtu.min(learned as u16));
        Ok(Way { hop: Some(hop), iface: bound.iface, mtu, mtu_locked: locked, source, ttl })
    }

    /// The address with which the router speaks on an interface.
    pub(super) fn source_on(&self, index: u16, towards: Ipv4Addr) -> Option<Ipv4Addr> {
        let iface = self.ifaces().iter().find(|iface| iface.index == index)?;
        let others = || {
            let vrf = iface.own_vrf();
            let up = |other: &&Iface| other.up && other.own_vrf() == vrf;
            self.ifaces().iter().filter(up).find_map(|other| other.select_address(towards))
        };
        iface.select_address(towards).or_else(others)
    }

    /// Puts a datagram on its way, in pieces where it has to be.
    pub(super) fn originate(&mut self, way: &Way, datagram: &Datagram) -> Result<(), Unsendable> {
        let Some(hop) = way.hop else { return Ok(()) };
        let mtu = usize::from(way.mtu);
        let six = datagram.dst.is_ipv6();
        // What the filter is to see is cut behind it.
        let filters = self.filters_own(six);
        let pieces = match Ends::of(way.source, datagram.dst) {
            Some(Ends::Four(src, dst)) => {
                let header = Ipv4Spec {
                    tos: datagram.tos,
                    id: self.icmp_limits.next_id(),
                    fragment_word: if datagram.df { DF } else { 0 },
                    ttl: datagram.ttl,
                    protocol: datagram.protocol,
                    src,
                    dst,
                    options: &[],
                    payload_len: datagram.payload.len(),
                };
                let pieces = packet::pieces(&header, &datagram.payload, mtu);
                match filters && pieces.len() > 1 {
                    true => packet::pieces(&header, &datagram.payload, usize::from(u16::MAX)),
                    false => pieces,
                }
            }
            Some(Ends::Six(src, dst)) => {
                let most = if filters { usize::from(u16::MAX) } else { mtu };
                self.pieces6(src, dst, datagram, most)
            }
            None => return Err(Unsendable::NoRoute),
        };
        if pieces.is_empty() {
            return Err(Unsendable::TooLong { mtu: way.mtu.into() });
        }
        let entry = match (six, filters) {
            (false, false) => Entry::Output,
            (true, false) => Entry::Output6,
            (false, true) => Entry::Originate,
            (true, true) => Entry::Originate6,
        };
        let counted = |four, of_six| if six { of_six } else { four };
        self.probes.count(counted(Snmp::OutRequests, Snmp::Ip6OutRequests), 1);
        if pieces.len() > 1 {
            self.probes.count(counted(Snmp::FragOKs, Snmp::Ip6FragOKs), 1);
            let many = pieces.len() as u64;
            self.probes.count(counted(Snmp::FragCreates, Snmp::Ip6FragCreates), many);
        }
        for piece in &pieces {
            let sent = self.pool.alloc_for(LINK_ROOM, piece.len()).and_then(|(mut packet, l3)| {
                let room = packet.resize(l3 + piece.len());
                room.then(|| {
                    packet.data_mut()[l3..].copy_from_slice(piece);
                    packet.begin(way.iface, l3 as u8, Flags::LOCAL_OUT);
                    packet.set_trace(0);
                    packet.set_hop(hop);
                    packet
                })
            });
            let Some(packet) = sent else {
                self.probes.count(counted(Snmp::OutDiscards, Snmp::Ip6OutDiscards), 1);
                return Err(Unsendable::NoBuffer);
            };
            self.made += 1;
            self.probes.credit -= 1;
            self.injected.push(Injected { entry, packet });
        }
        Ok(())
    }
}

/// Whether an address is one of an interface's, in use.
pub(super) fn has(iface: &Iface, address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => iface.addresses.iter().any(|own| own.local.addr() == address),
        IpAddr::V6(address) => {
            iface.addresses6.iter().any(|own| own.local.addr() == address && own.is_usable())
        }
    }
}
