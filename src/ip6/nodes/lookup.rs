//! `ip6-lookup`: finds the hop of each packet's destination.
//!
//! - takes: sound IPv6 packets; reads [`Packet::l3`] and the addresses
//! - gives: the hop's index in [`Packet::set_hop`]; to `ip6-forward`, `ip6-local`, or an end
//! - obeys: RFC 4291 section 2.5.6 (link-local addresses are each link's own); ledger 8.169 to 8.177
//! - costs: one look-up a frame with its cache misses overlapped (`benches/fib.rs`)

use std::net::Ipv6Addr;

use crate::{
    dpdk::mbuf::{Flags, Packet},
    graph::{Cx, Edge, FRAME_LEN, Frame, Node, Out, Reason, Snmp},
    icmp6::table::Cause6,
    packet::{
        Flow,
        ipv6::{address, address_at, field},
    },
    route::{family::Fib, multipath6::path_hash6, table::HopKind},
    tables::Tables,
};

/// The node.
pub struct Lookup6;

const FORWARD: u8 = 0;
const LOCAL: u8 = 1;
const ERROR: u8 = 2;
const BLACKHOLE: u8 = 3;
const FORWARDING_OFF: u8 = 4;
const NOT_JOINED: u8 = 5;

/// The hop of a packet whose destination is of one link, or `None` where it is the router's.
fn on_link(packet: &Packet, dst: u128, cx: &Cx<'_, Tables>) -> Option<u32> {
    let iface = packet.iface();
    if cx.tables.owns6(iface, dst) || cx.tables.is_anycast6(iface, dst) {
        return None;
    }
    if !address::is_on_link(dst) {
        return Some(0);
    }
    let known = cx.tables.neighbours.six.get(iface, Ipv6Addr::from_bits(dst));
    Some(match known {
        0 => cx.tables.ifaces.get(iface).map_or(0, |own| own.link6),
        known => known,
    })
}

/// Everything but a plain next hop.
#[cold]
fn other(packet: &mut Packet, mut index: u32, dst: u128, cx: &Cx<'_, Tables>) -> u8 {
    let hops = &cx.tables.hops;
    if address::is_multicast(dst) {
        cx.count(Snmp::Ip6InMcastPkts, 1);
        let own = cx.tables.ifaces.get(packet.iface());
        let group = Ipv6Addr::from_bits(dst);
        if own.is_none_or(|own| own.groups6.binary_search(&group).is_err()) {
            return NOT_JOINED;
        }
        packet.add_flags(Flags::IP_BROADCAST);
        return LOCAL;
    }
    if address::is_link_local(dst) {
        match on_link(packet, dst, cx) {
            None => return LOCAL,
            Some(hop) => index = hop,
        }
    }
    let flow = || {
        let l3 = packet.data().get(packet.l3()..).unwrap_or_default();
        Flow::<u128>::of_six(l3, packet.iface(), cx.tables.vrf(packet.iface()))
    };
    if hops.get(index).kind() == HopKind::Sources {
        index = cx.tables.sources6().by_source(index, flow().src);
    }
    if hops.get(index).kind() == HopKind::Vrf {
        let vrf = hops.get(index).out().iface;
        index = cx.tables.route6_within(&flow(), vrf);
    }
    packet.set_hop(index);
    let mut hop = hops.get(index);
    if hop.kind() == HopKind::Group {
        let ip = packet.data().get(packet.l3()..).unwrap_or_default();
        let hash = path_hash6(ip, &cx.tables.tunables.multipath);
        if hop.out().resilient {
            hops.touch(hops.bucket_of(hop, hash), (cx.now / 100_000_000) as u32);
        }
        index = hops.member(hop, hash);
        packet.set_hop(index);
        hop = hops.get(index);
    }
    // What was learned of a path holds for others' packets too (`rt6_find_cached_rt`).
    if let Some(learned) = cx.tables.exceptions.output6(index, dst) {
        packet.set_hop(learned);
        hop = hops.get(learned);
    }
    let cause = match hop.kind() {
        // Asked for once a way is found: who has none is told so by hosts too.
        HopKind::Neighbour | HopKind::Link if packet.flags().any(Flags::NO_FORWARD) => {
            return FORWARDING_OFF;
        }
        HopKind::Neighbour => return FORWARD,
        HopKind::Link => {
            let known = cx.tables.neighbours.six.get(hop.out().iface, Ipv6Addr::from_bits(dst));
            if known != 0 {
                packet.set_hop(known);
            }
            return FORWARD;
        }
        // No interface but the loopback has a way there (`rt6_need_strict`).
        HopKind::Local if address::is_loopback(dst) => Cause6::NoRoute,
        HopKind::Local | HopKind::Broadcast => return LOCAL,
        HopKind::Blackhole => return BLACKHOLE,
        HopKind::Unreachable | HopKind::NetUnreachable => Cause6::RouteUnreachable,
        HopKind::Prohibit => Cause6::Prohibited,
        _ if dst == 0 => Cause6::ToNobody,
        _ => Cause6::NoRoute,
    };
    packet.set_note(cause.note());
    ERROR
}

impl Node<Tables> for Lookup6 {
    fn name(&self) -> &'static str {
        "ip6-lookup"
    }

    fn edges(&self) -> &'static [Edge] {
        &[
            Edge::Arc("ip6-forwarding"),
            Edge::Arc("ip6-delivery"),
            Edge::To("icmp6-error"),
            Edge::Drop(Reason::Blackhole),
            Edge::Drop(Reason::Ip6ForwardingOff),
            Edge::Drop(Reason::MulticastNotJoined),
        ]
    }

    fn process(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame, out: &mut Out) {
        let count = frame.len();
        let (mut dst, mut found) = ([0; FRAME_LEN], [0; FRAME_LEN]);
        for (packet, dst) in frame.iter().zip(&mut dst) {
            let l3 = packet.l3();
            let data = packet.data();
            // The common offset is spelled out so that it costs one comparison.
            *dst = match data.first_chunk::<54>() {
                Some(head) if l3 == 14 => address_at(head, 14 + field::DST.start),
                _ => address_at(data, l3 + field::DST.start),
            };
        }
        let (dst, found) = (&dst[..count], &mut found[..count]);
        match cx.tables.policy6.as_deref() {
            None => cx.tables.fib6.lookup_batch(dst, found),
            Some(policy) => {
                let sources = cx.tables.sources6();
                for (packet, found) in frame.iter().zip(found.iter_mut()) {
                    let (l3, iface) = (packet.data().get(packet.l3()..), packet.iface());
                    let vrf = cx.tables.vrf(iface);
                    let flow = Flow::<u128>::of_six(l3.unwrap_or_default(), iface, vrf);
                    let flow = Flow { mark: packet.meta().mark, ..flow };
                    *found = policy.decide(&flow, sources).0;
                }
            }
        }
        let hops = &cx.tables.hops;
        let learned = !cx.tables.exceptions.no_output6();
        let (mut last, mut plain) = (u32::MAX, false);
        for (number, (packet, index)) in frame.iter_mut().zip(found.iter()).enumerate() {
            packet.set_hop(*index);
            if *index != last {
                (last, plain) = (*index, hops.get(*index).kind() == HopKind::Neighbour);
            }
            // A first octet of 0xfe and above is of one link, or a group.
            let near = dst[number] >> 120 >= 0xfe;
            if learned && let Some(other) = cx.tables.exceptions.output6(*index, dst[number]) {
                packet.set_hop(other);
            }
            if !plain || near || packet.flags().any(Flags::NO_FORWARD) {
                out.set(number, other(packet, *index, dst[number], cx));
            }
        }
    }
}
