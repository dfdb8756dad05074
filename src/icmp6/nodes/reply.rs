//! What all answers of the router over IPv6 have in common: a buffer, a way and a header.

use std::net::Ipv6Addr;

use crate::{
    dpdk::mbuf::{Flags, Packet},
    graph::{Cx, Snmp},
    icmp::table::Verdict,
    packet::{
        Flow,
        ipv6::{HEADER_LEN, Ipv6Spec},
        tuple_hash6,
    },
    tables::Tables,
};

/// Room for the largest Ethernet header in front of an answer.
pub(super) const LINK_ROOM: usize = 18;

/// The mark of an answer: none, or that of what it answers (`IP6_REPLY_MARK`).
pub(super) fn mark(cx: &Cx<'_, Tables>, about: &Packet) -> u32 {
    if cx.tables.tunables.six.fwmark_reflect { about.meta().mark } else { 0 }
}

/// The way of an answer of `mark` from `src`, where that is known, to `dst` about a packet that came by `iface`;
/// `None` where there is none, as there is to the router itself.
pub(super) fn way(
    cx: &Cx<'_, Tables>,
    src: Option<Ipv6Addr>,
    dst: Ipv6Addr,
    protocol: u8,
    (iface, mark): (u16, u32),
) -> Option<u32> {
    if cx.tables.owns6(iface, dst.to_bits()) {
        return None;
    }
    let flow = Flow {
        src: src.map_or(0, |src| src.to_bits()),
        protocol,
        mark,
        ..Flow::out(dst.to_bits(), cx.tables.vrf(iface))
    };
    cx.tables.output_hop6(&flow, iface)
}

/// The way of an answer whose source is still to be chosen, by the interface that the question came by
/// alone, as the kernel binds it (`RT6_LOOKUP_F_IFACE`).
pub(super) fn way_back(
    cx: &Cx<'_, Tables>,
    dst: Ipv6Addr,
    protocol: u8,
    (iface, mark): (u16, u32),
) -> Option<u32> {
    way(cx, None, dst, protocol, (iface, mark))
        .filter(|hop| cx.tables.hops.get(*hop).out().iface == iface)
}

/// Counts a message that has no way to its target (`icmpv6_xrlim_allow` looks for one first).
pub(super) fn count_nowhere(cx: &Cx<'_, Tables>, kind: u8) {
    let rules = &cx.tables.tunables.six.icmp;
    cx.count(Snmp::Ip6OutNoRoutes, 1);
    cx.count(Snmp::Icmp6OutRateLimitHost, u64::from(rules.is_limited(kind)));
}

/// Whether an answer about what came by `iface` is for the router itself.
pub(super) fn is_to_self(cx: &Cx<'_, Tables>, iface: u16, dst: Ipv6Addr) -> bool {
    let dst = dst.to_bits();
    cx.tables.owns6(iface, dst) || cx.tables.is_anycast6(iface, dst)
}

/// An answer of the router's to itself comes in again, as by its loopback; behind the packet filter, where
/// that sees it.
pub(super) fn come_in(packet: &mut Packet, iface: u16, cx: &Cx<'_, Tables>) {
    if cx.tables.filter.as_deref().is_some_and(|filter| filter.sees_own(true)) {
        packet.add_flags(Flags::LOCAL_OUT);
        packet.loops(iface);
        return;
    }
    packet.begin(iface, packet.l3() as u8, Flags(0));
}

/// Whether the limits let a message go to `target`; counts it where they do not.
pub(super) fn allowed(cx: &Cx<'_, Tables>, kind: u8, target: Ipv6Addr) -> bool {
    let tunables = &cx.tables.tunables;
    let rules = (&tunables.icmp, &tunables.six.icmp);
    let held_back = match cx.tables.limits.allow6(rules, kind, target.to_bits(), cx.now) {
        Verdict::Allowed => return true,
        Verdict::TargetLimited => Snmp::Icmp6OutRateLimitHost,
        // Of both families together, and so counted where the kernel counts it.
        Verdict::GloballyLimited => Snmp::IcmpOutRateLimitGlobal,
    };
    cx.count(held_back, 1);
    false
}

/// Whether somebody may be redirected, or to somewhere: six times at once, and then once a second.
pub(super) fn may_redirect(cx: &Cx<'_, Tables>, whom: Ipv6Addr) -> bool {
    cx.tables.may_redirect6(whom.to_bits(), cx.now)
}

/// Hop limit of the router's own packets on the way `hop`.
pub(super) fn hop_limit(cx: &Cx<'_, Tables>, hop: u32) -> u8 {
    let facts = cx.tables.hops.get(hop);
    match facts.attrs().hoplimit {
        0 => cx.tables.ifaces.get(facts.out().iface).map_or(64, |own| own.conf6.hop_limit),
        stated => stated,
    }
}

/// Flow label of an answer, `stated` where the question's is to come back.
pub(super) fn flow_label(
    cx: &Cx<'_, Tables>,
    (src, dst, protocol): (Ipv6Addr, Ipv6Addr, u8),
    stated: u32,
) -> u32 {
    let tunables = &cx.tables.tunables;
    let seed = tunables.multipath.seed;
    let hash = tuple_hash6(src.to_bits(), dst.to_bits(), protocol, 0, 0, seed);
    tunables.six.flow_label(stated, hash)
}

/// An empty answer of `payload_len` bytes behind `header`, on the way `hop`, noted as the router's own;
/// `None` when no buffer is free.
pub(super) fn new(
    cx: &Cx<'_, Tables>,
    hop: u32,
    header: &Ipv6Spec,
    provoked_by: &Packet,
) -> Option<Packet> {
    let mut packet = cx.pool.alloc()?;
    if !packet.resize(LINK_ROOM + HEADER_LEN + header.payload_len) {
        return None;
    }
    header.emit(packet.data_mut().get_mut(LINK_ROOM..)?).ok()?;
    packet.begin(cx.tables.hops.get(hop).out().iface, LINK_ROOM as u8, Flags::LOCAL_OUT);
    packet.set_trace(provoked_by.trace());
    packet.set_hop(hop);
    cx.count(Snmp::Ip6OutRequests, 1);
    Some(packet)
}
