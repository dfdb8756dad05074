//! What the router says of itself in answers and options: its addresses, and the time.

use std::net::Ipv4Addr;

use super::Tables;
use crate::{
    graph::Cx,
    packet::{
        Flow,
        ipv4::{self, Router},
    },
    port::table::Iface,
    route::table::HopKind,
};

impl Tables {
    /// The address that the router's own packets to `dst` carry on the way `hop`
    /// (`fib_result_prefsrc`).
    pub fn source_on(&self, hop: u32, dst: Ipv4Addr) -> Option<Ipv4Addr> {
        let hop = self.hops.get(hop);
        let chosen = hop.prefsrc();
        if !chosen.is_unspecified() {
            return Some(chosen);
        }
        let towards = hop.gateway().unwrap_or(dst);
        let iface = self.ifaces.get(hop.out().iface);
        let vrf = iface.map_or(0, Iface::own_vrf);
        iface.and_then(|iface| iface.select_address(towards)).or_else(|| self.any_address(vrf))
    }

    /// An interface without an address speaks with another's of its VRF.
    fn any_address(&self, vrf: u16) -> Option<Ipv4Addr> {
        let all = self.ifaces.iter();
        let up = all.filter(|iface| iface.up && iface.own_vrf() == vrf);
        // Of a VRF its own address goes before those of the others in it (`inet_select_addr`).
        let up = self.ifaces.get(vrf).into_iter().chain(up);
        up.filter_map(|iface| iface.addresses.first()).map(|first| first.local.addr()).next()
    }

    /// The address by which the sender of a packet that came by `iface` knows the router, where the
    /// packet was to none (`fib_compute_spec_dst`).
    pub fn known_as(&self, iface: u16, sender: Ipv4Addr, tos: u8) -> Option<Ipv4Addr> {
        let on_iface = || self.ifaces.get(iface)?.select_address(sender);
        if ipv4::is_zeronet(sender.to_bits()) {
            return on_iface();
        }
        let flow = Flow { tos, ..Flow::out(sender.to_bits(), self.vrf(iface)) };
        let index = self.route(&flow);
        let hop = self.hops.get(index);
        match hop.kind() {
            HopKind::Group => {
                let first = self.hops.members(hop).next()?;
                self.source_on(first, sender)
            }
            HopKind::Neighbour | HopKind::Link | HopKind::Local | HopKind::Broadcast => {
                self.source_on(index, sender)
            }
            _ => on_iface(),
        }
    }

    /// Whether an address is one of some other host's: not the router's, and not one of broadcast
    /// or multicast (`inet_addr_type`, which asks the table of local addresses alone).
    pub fn is_elsewhere(&self, address: Ipv4Addr) -> bool {
        let bits = address.to_bits();
        if ipv4::is_multicast(bits) || ipv4::is_loopback(bits) || self.locals.contains(0, address) {
            return false;
        }
        !self.is_broadcast(0, address)
    }

    /// Whether an address is one of broadcast on an interface in `vrf`, or everywhere.
    pub fn is_broadcast(&self, vrf: u16, address: Ipv4Addr) -> bool {
        let bits = address.to_bits();
        if ipv4::is_zeronet(bits) || ipv4::is_limited_broadcast(bits) {
            return true;
        }
        let own = self.ifaces.iter().filter(|iface| iface.own_vrf() == vrf);
        let mut known = own.flat_map(|iface| &iface.addresses);
        known.any(|own| {
            let subnet = !own.secondary && own.local.prefix_len() < 31;
            own.broadcast == Some(address) || subnet && own.local.broadcast() == address
        })
    }
}

/// What the router tells of itself to the sender of one packet.
pub struct Here<'a, 'b> {
    cx: &'a Cx<'b, Tables>,
    iface: u16,
    sender: Ipv4Addr,
    tos: u8,
    /// The packet's destination, where it is the router's.
    to: Option<Ipv4Addr>,
}

impl<'a, 'b> Here<'a, 'b> {
    /// For the packet of this header, which came by `iface`; `local` when it is to an address of the
    /// router's, broadcast not counted.
    pub fn new(cx: &'a Cx<'b, Tables>, header: &[u8], iface: u16, local: bool) -> Self {
        let address = |at: usize| {
            let octets = header.get(at..).and_then(|rest| rest.first_chunk::<4>());
            octets.map_or(Ipv4Addr::UNSPECIFIED, |octets| (*octets).into())
        };
        Self {
            cx,
            iface,
            sender: address(ipv4::field::SRC.start),
            tos: header.get(ipv4::field::TOS).copied().unwrap_or_default(),
            to: local.then(|| address(ipv4::field::DST.start)),
        }
    }
}

impl Router for Here<'_, '_> {
    fn own_address(&self) -> Ipv4Addr {
        let known = || self.cx.tables.known_as(self.iface, self.sender, self.tos);
        self.to.or_else(known).unwrap_or(Ipv4Addr::UNSPECIFIED)
    }

    fn is_elsewhere(&self, address: Ipv4Addr) -> bool {
        self.cx.tables.is_elsewhere(address)
    }

    fn time(&self) -> u32 {
        self.cx.since_midnight()
    }
}
