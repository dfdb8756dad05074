//! Nodes of ICMPv6.

mod error;
mod input;

pub use error::Icmp6Error;
pub use input::Icmp6Input;

use crate::{
    dpdk::mbuf::{Flags, Packet},
    graph::{Cx, Snmp},
    packet::ipv6::Ipv6Spec,
    tables::Tables,
};

/// Room for the largest Ethernet header in front of an answer.
const LINK_ROOM: usize = 18;

/// An empty answer of `payload_len` bytes behind `header`, on the way `hop`, noted as the router's
/// own; `None` when no buffer is free.
fn new(cx: &Cx<'_, Tables>, hop: u32, header: &Ipv6Spec, provoked_by: &Packet) -> Option<Packet> {
    let mut packet = cx.pool.alloc()?;
    let len = header.payload_len + crate::packet::ipv6::HEADER_LEN;
    if !packet.resize(LINK_ROOM + len) {
        return None;
    }
    header.emit(packet.data_mut().get_mut(LINK_ROOM..)?).ok()?;
    packet.begin(cx.tables.hops.get(hop).out().iface, LINK_ROOM as u8, Flags::LOCAL_OUT);
    packet.set_trace(provoked_by.trace());
    packet.set_hop(hop);
    cx.count(Snmp::Ip6OutRequests, 1);
    Some(packet)
}

/// Hop limit of the router's own packets on the way `hop`.
fn hop_limit(cx: &Cx<'_, Tables>, hop: u32) -> u8 {
    let facts = cx.tables.hops.get(hop);
    match facts.attrs().hoplimit {
        0 => cx.tables.ifaces.get(facts.out().iface).map_or(64, |own| own.conf6.hop_limit),
        stated => stated,
    }
}
