//! What all answers of the router have in common: a buffer, a way and a header.

use std::net::Ipv4Addr;

use crate::{
    dpdk::mbuf::{Flags, Packet},
    graph::{Cx, Snmp},
    packet::{
        Flow,
        ipv4::{Ipv4Spec, protocol},
    },
    port::table::Iface,
    tables::Tables,
};

/// Room for the largest Ethernet header in front of an answer.
pub(super) const LINK_ROOM: usize = 18;

/// The way of an answer to `dst` about a packet that came by `iface`, or `None` where there is none.
pub(super) fn way(
    cx: &Cx<'_, Tables>,
    dst: Ipv4Addr,
    src: Ipv4Addr,
    tos: u8,
    iface: u16,
) -> Option<u32> {
    let flow = Flow {
        src: src.to_bits(),
        tos,
        protocol: protocol::ICMP,
        ..Flow::out(dst.to_bits(), cx.tables.vrf(iface))
    };
    cx.tables.output_hop(&flow)
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
    let vrf = iface.map_or(0, Iface::own_vrf);
    iface.and_then(|iface| iface.select_address(towards)).or_else(|| any_address(cx, vrf))
}

/// An interface without an address speaks with another's of its VRF.
fn any_address(cx: &Cx<'_, Tables>, vrf: u16) -> Option<Ipv4Addr> {
    let all = cx.tables.ifaces.iter();
    all.filter(|iface| iface.up && iface.own_vrf() == vrf).find_map(first)
}

fn first(iface: &Iface) -> Option<Ipv4Addr> {
    iface.addresses.first().map(|address| address.local.addr())
}

/// Time to live of the router's own packets on the way `hop`.
pub(super) fn ttl(cx: &Cx<'_, Tables>, hop: u32) -> u8 {
    match cx.tables.hops.get(hop).attrs().hoplimit {
        0 => cx.tables.tunables.default_ttl,
        stated => stated,
    }
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
