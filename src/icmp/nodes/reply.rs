//! What all answers of the router have in common: a buffer, a way and a header.

use std::net::Ipv4Addr;

use crate::{
    dpdk::mbuf::{Flags, Packet},
    graph::{Cx, Snmp},
    icmp::table::Verdict,
    packet::{
        Flow,
        ipv4::{Compiled, Ipv4Spec, protocol},
    },
    tables::Tables,
};

/// Room for the largest Ethernet header in front of an answer.
pub(super) const LINK_ROOM: usize = 18;

/// The mark of an answer: none, or that of what it answers (`IP4_REPLY_MARK`).
pub(super) fn mark(cx: &Cx<'_, Tables>, about: &Packet) -> u32 {
    if cx.tables.tunables.fwmark_reflect { about.meta().mark } else { 0 }
}

/// The way of an answer to `dst` about a packet, or `None` where there is none.
pub(super) fn way(
    cx: &Cx<'_, Tables>,
    dst: Ipv4Addr,
    src: Ipv4Addr,
    tos: u8,
    about: &Packet,
) -> Option<u32> {
    let flow = Flow {
        src: src.to_bits(),
        tos,
        protocol: protocol::ICMP,
        mark: mark(cx, about),
        ..Flow::out(dst.to_bits(), cx.tables.vrf(about.iface()))
    };
    cx.tables.output_hop(&flow)
}

/// What is known of the options of a packet that is to be answered.
pub(super) fn options(packet: &Packet) -> Compiled {
    match packet.flags().any(Flags::OPTIONS) {
        true => Compiled::from_bits(packet.options()),
        false => Compiled::default(),
    }
}

/// Whether the limits let a message go to `target`; counts it where they do not.
pub(super) fn allowed(cx: &Cx<'_, Tables>, kind: u8, code: u8, target: Ipv4Addr) -> bool {
    let held_back =
        match cx.tables.limits.allow(&cx.tables.tunables.icmp, kind, code, target, cx.now) {
            Verdict::Allowed => return true,
            Verdict::TargetLimited => Snmp::IcmpOutRateLimitHost,
            Verdict::GloballyLimited => Snmp::IcmpOutRateLimitGlobal,
        };
    cx.count(held_back, 1);
    false
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
    packet.set_mark(mark(cx, provoked_by));
    cx.count(Snmp::OutRequests, 1);
    Some(packet)
}
