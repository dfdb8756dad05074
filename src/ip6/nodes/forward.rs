//! `ip6-forward` and `ip6-output`: put a packet into the frame it leaves in.
//!
//! - takes: packets with [`Packet::hop`] set; `ip6-forward` and `ip6-transit` those in transit,
//!   `ip6-output` those that the router made or has dealt with before
//! - gives: complete frames to the post-routing arc; expired and oversized ones to `icmp6-error`;
//!   those whose neighbour is not known to `ip6-resolve`; the router's own that are too large, and
//!   those that were put together, to `ip6-fragment`
//! - obeys: RFC 8200 sections 3 and 5; `ip6_forward`; ledger 8.103 to 8.117 in that order
//! - costs: the packet's first line and one line a hop

use crate::{
    dpdk::mbuf::{Flags, Packet},
    graph::{Cx, Edge, Frame, Node, Out, Reason},
    icmp6::table::Cause6,
    ip6::table::Parsed,
    packet::ipv6::{Ipv6View, MIN_MTU, address, field},
    route::{rewrite::Rewrite, table::HopOut},
    tables::Tables,
};

/// Packets in transit.
pub struct Forward6;

/// Packets whose hop limit is not ours to lower.
pub struct Output6;

/// Packets in transit that somebody looks at before they leave: `ip6-transit` does the first half of
/// `ip6-forward`, and `ip6-output` the other.
pub struct Transit6;

const SEND: u8 = 0;
const ERROR: u8 = 1;
const RESOLVE: u8 = 2;
const L2_MULTICAST: u8 = 3;
const NO_ROUTE: u8 = 4;
const SCOPE: u8 = 5;
const CUT: u8 = 6;
const ALERT: u8 = 7;

const EDGES: &[Edge] = &[
    Edge::Arc("ip6-post-routing"),
    Edge::To("icmp6-error"),
    Edge::To("ip6-resolve"),
    Edge::Drop(Reason::UnicastInL2Multicast),
    Edge::Drop(Reason::Ip6OutNoRoute),
    Edge::Drop(Reason::Ip6BeyondScope),
    Edge::To("ip6-fragment"),
    Edge::To("ip6-router-alert"),
];

/// The same, for the first half alone.
const TRANSIT_EDGES: &[Edge] = {
    let mut edges = [Edge::Continue; 8];
    let mut at = 1;
    while at < edges.len() {
        edges[at] = EDGES[at];
        at += 1;
    }
    &{ edges }
};

/// What a packet in transit goes through before it is of the way it takes, in the kernel's order
/// (`ip6_forward`): the edge by which it ends, where it does not come so far.
fn transit(packet: &mut Packet, out: HopOut, cx: &Cx<'_, Tables>) -> Result<(), u8> {
    if packet.flags().any(Flags::L2_BROADCAST.with(Flags::L2_MULTICAST)) {
        return Err(L2_MULTICAST);
    }
    let (l3, iface, mut redirects) = (packet.l3(), packet.iface(), false);
    let ip = Ipv6View::new_quoted(packet.data().get(l3..).unwrap_or_default());
    let ip = ip.map_err(|_| NO_ROUTE)?;
    if Parsed::of(packet).alert.is_some() {
        return Err(ALERT);
    }
    if ip.hop_limit() <= 1 {
        packet.set_note(Cause6::HopLimit.note());
        return Err(ERROR);
    }
    // What comes by a VRF came by no link, as far as redirects are concerned.
    if iface == out.iface {
        let routed = Parsed::of(packet).source_routed || cx.tables.vrf(iface) != 0;
        redirects = !routed && cx.tables.may_redirect6(ip.dst_bits(), cx.now);
    } else {
        let src = ip.src_bits();
        if src == 0 || address::is_multicast(src) || address::is_loopback(src) {
            return Err(SCOPE);
        }
        if address::is_link_local(src) {
            packet.set_note(Cause6::BeyondScope.note());
            return Err(ERROR);
        }
    }
    // Pieces that all fit may leave as they came [8.55].
    let joined = packet.flags().any(Flags::REASSEMBLED) && packet.piece_size() <= out.mtu6();
    if packet.len() - l3 > usize::from(out.mtu6()) && !joined {
        // What the link itself carries goes on to where the way's own MTU is asked for.
        let link = cx.tables.ifaces.get(out.iface).map_or(0, |out| out.mtu6().max(MIN_MTU));
        let fits = packet.len() - l3 <= usize::from(link);
        packet.set_note(if fits { Cause6::TooBigForWay } else { Cause6::TooBig }.note());
        packet.set_hash(if redirects { Cause6::REDIRECT_TOO } else { 0 });
        return Err(ERROR);
    }
    if redirects {
        packet.set_note(Cause6::Redirect.note());
        return Err(ERROR);
    }
    if let Some(limit) = packet.data_mut().get_mut(l3 + field::HOP_LIMIT) {
        *limit -= 1;
    }
    Ok(())
}

/// Every case, in the kernel's order.
fn full<const TRANSIT: bool>(
    packet: &mut Packet,
    rewrite: &Rewrite<'_>,
    cx: &Cx<'_, Tables>,
) -> u8 {
    if TRANSIT && let Err(edge) = transit(packet, rewrite.out, cx) {
        return edge;
    }
    let joined = packet.flags().any(Flags::REASSEMBLED);
    let most =
        if joined { rewrite.out.mtu6().min(packet.piece_size()) } else { rewrite.out.mtu6() };
    if (!TRANSIT || joined) && packet.len() - packet.l3() > usize::from(most) {
        return CUT;
    }
    if !rewrite.out.resolved {
        return RESOLVE;
    }
    if rewrite.dress(packet, cx) { SEND } else { NO_ROUTE }
}

#[inline(always)]
fn run<const TRANSIT: bool>(cx: &Cx<'_, Tables>, frame: &mut Frame, out: &mut Out) {
    let hops = &cx.tables.hops;
    let Some(first) = frame.first() else { return };
    let mut index = first.hop();
    let mut rewrite = Rewrite::read(hops.get(index));
    for (number, packet) in frame.iter_mut().enumerate() {
        if packet.hop() != index {
            index = packet.hop();
            rewrite = Rewrite::read(hops.get(index));
        }
        if !rewrite.quick.go6::<TRANSIT>(packet, packet.notes()) {
            let edge = full::<TRANSIT>(packet, &rewrite, cx);
            out.set(number, edge);
        }
    }
}

impl Node<Tables> for Forward6 {
    fn name(&self) -> &'static str {
        "ip6-forward"
    }

    fn edges(&self) -> &'static [Edge] {
        EDGES
    }

    fn process(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame, out: &mut Out) {
        run::<true>(cx, frame, out);
    }
}

impl Node<Tables> for Transit6 {
    fn name(&self) -> &'static str {
        "ip6-transit"
    }

    fn edges(&self) -> &'static [Edge] {
        TRANSIT_EDGES
    }

    fn process(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame, out: &mut Out) {
        for (number, packet) in frame.iter_mut().enumerate() {
            let hop = cx.tables.hops.get(packet.hop()).out();
            if let Err(edge) = transit(packet, hop, cx) {
                out.set(number, edge);
            }
        }
    }
}

impl Node<Tables> for Output6 {
    fn name(&self) -> &'static str {
        "ip6-output"
    }

    fn edges(&self) -> &'static [Edge] {
        EDGES
    }

    fn process(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame, out: &mut Out) {
        run::<false>(cx, frame, out);
    }
}
