//! What all answers of the router have in common: a buffer, a way and a header.

use std::net::Ipv4Addr;

use crate::{
    dpdk::mbuf::{Flags, Packet},
    graph::{Cx, Snmp},
    packet::ipv4::Ipv4Spec,
    port::table::Iface,
    route::table::HopKind,
    tables::Tables,
};

/// Room for the largest Ethernet header in front of an answer.
pub(super) const LINK_ROOM: usize = 18;

/// The way that the router's own packets take to `dst`, or `None` where there is none.
pub(super) fn way(cx: &Cx<'_, Tables>, dst: Ipv4Addr) -> Option<u32> {
    cx.tables.output_hop(dst)
}

/// The address that the router's own packets carry on the way `hop`.
pub(super) fn source(cx: &Cx<'_, Tables>, hop: u32, dst: Ipv4Addr) -> Option<Ipv4Addr> {
    let hop = cx.tables.hops.get(hop);
    let chosen = hop.prefsrc();
    if !chosen.is_unspecified() {
        return Some(chosen);
    }
    let towards = hop.gateway().unwrap_or(dst);
    let iface = cx.tables.ifaces.get(hop.out().iface);
    iface.and_then(|iface| iface.select_address(towards)).or_else(|| any_address(cx))
}

/// An interface without an address speaks with another's.
fn any_address(cx: &Cx<'_, Tables>) -> Option<Ipv4Addr> {
    cx.tables.ifaces.iter().filter(|iface| iface.up).find_map(first)
}

fn first(iface: &Iface) -> Option<Ipv4Addr> {
    iface.addresses.first().map(|address| address.local.addr())
}

/// An empty answer of `payload_len` bytes behind `header`, on the way `hop`, noted as the router's
/// own; `None` when no buffer is free.
pub(super) fn new(
    cx: &Cx<'_, Tables>,
    hop: u32,
    header: &Ipv4Spec<'_>,
    provoked_by: &Packet,
) -> Option<Packet> {
    let mut packet = cx.pool.alloc()?;
    if !packet.resize(LINK_ROOM + header.header_len() + header.payload_len) {
        return None;
    }
    header.emit(&mut packet.data_mut()[LINK_ROOM..]).ok()?;
    packet.begin(cx.tables.hops.get(hop).out().iface, LINK_ROOM as u8, Flags::LOCAL_OUT);
    packet.set_trace(provoked_by.trace());
    packet.set_hop(hop);
    cx.count(Snmp::OutRequests, 1);
    Some(packet)
}

impl Tables {
    /// Hop of the router's own packets to `dst`: routes, then groups by destination, then the
    /// neighbour on a link. `None` where nothing can be sent.
    pub fn output_hop(&self, dst: Ipv4Addr) -> Option<u32> {
        let mut index = self.fib.lookup(dst.to_bits());
        let mut hop = self.hops.get(index);
        if hop.kind() == HopKind::Group {
            let hash = crate::packet::l3_hash(0, dst.to_bits(), self.tunables.hash_seed);
            index = self.hops.member(hop, hash);
            hop = self.hops.get(index);
        }
        match hop.kind() {
            HopKind::Neighbour | HopKind::Broadcast => Some(index),
            HopKind::Link => match self.neighbours.get(hop.out().iface, dst) {
                0 => Some(index),
                known => Some(known),
            },
            _ => None,
        }
    }
}
