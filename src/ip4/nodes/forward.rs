//! `ip4-forward` and `ip4-output`: put a packet into the frame it leaves in.
//!
//! - takes: packets with [`Packet::hop`] set; `ip4-forward` and `ip4-transit` those in transit,
//!   `ip4-output` those that the router made or has dealt with before
//! - gives: complete frames to the post-routing arc; expired and oversized ones to `icmp4-error`
//!   or `ip4-fragment`; those whose neighbour is not known to `ip4-resolve`
//! - obeys: RFC 1812 section 5.3, RFC 1624; ledger 4.116 to 4.129 in that order
//! - costs: the packet's first line and one line a hop; 20 to 25 cycles (`benches/engine.rs`)

use std::net::Ipv4Addr;

use super::{options, source};
use crate::{
    dpdk::mbuf::{Flags, Packet},
    graph::{Cx, Edge, Frame, Node, Out, Reason},
    icmp::table::Cause,
    packet::{
        checksum,
        ipv4::{Ipv4Option, Ipv4View, option},
    },
    route::{rewrite::Rewrite, table::HopOut},
    tables::Tables,
};

/// Packets in transit.
pub struct Forward;

/// Packets whose time to live is not ours to lower.
pub struct Output;

/// Packets in transit that somebody looks at before they leave: `ip4-transit` does the first half of
/// `ip4-forward`, and `ip4-output` the other.
pub struct Transit;

const SEND: u8 = 0;
const ERROR: u8 = 1;
const FRAGMENT: u8 = 2;
const RESOLVE: u8 = 3;
const L2_MULTICAST: u8 = 4;
const NO_ROUTE: u8 = 5;
const RP_FILTER: u8 = 6;
const MARTIAN: u8 = 7;
const ALERT: u8 = 8;

const EDGES: &[Edge] = &[
    Edge::Arc("ip4-post-routing"),
    Edge::To("icmp4-error"),
    Edge::To("ip4-fragment"),
    Edge::To("ip4-resolve"),
    Edge::Drop(Reason::UnicastInL2Multicast),
    Edge::Drop(Reason::OutNoRoute),
    Edge::Drop(Reason::RpFilter),
    Edge::Drop(Reason::MartianSource),
    Edge::To("ip4-router-alert"),
];

/// The same, for the first half alone.
const TRANSIT_EDGES: &[Edge] = {
    let mut edges = [Edge::Continue; 9];
    let mut at = 1;
    while at < edges.len() {
        edges[at] = EDGES[at];
        at += 1;
    }
    &{ edges }
};

const DF: u8 = 0x40;

/// What a packet in transit goes through before it is of the way it takes, in the kernel's order
/// (`ip_forward`): the edge by which it ends, where it does not come so far.
fn transit(packet: &mut Packet, out: HopOut, cx: &Cx<'_, Tables>) -> Result<(), u8> {
    let mut redirects = false;
    if packet.iface() == out.iface {
        redirects = calls_for_redirect(packet, out.iface, cx)?;
    }
    if packet.flags().any(Flags::L2_BROADCAST.with(Flags::L2_MULTICAST)) {
        return Err(L2_MULTICAST);
    }
    let options = packet.flags().any(Flags::OPTIONS);
    if options && options::is_alert(packet) {
        return Err(ALERT);
    }
    let strayed = options && options::fails_strict_route(packet, cx);
    let l3 = packet.l3();
    let (joined, piece) = (packet.flags().any(Flags::REASSEMBLED), packet.piece_size());
    let header = packet.data_mut().get_mut(l3..).and_then(<[u8]>::first_chunk_mut::<20>);
    let header = header.ok_or(NO_ROUTE)?;
    let fits = u16::from_be_bytes([header[2], header[3]]) <= out.mtu;
    let df = header[6] & DF != 0;
    if header[8] <= 1 {
        packet.set_note(Cause::TtlExceeded.note());
        return Err(ERROR);
    }
    if strayed {
        packet.set_note(Cause::SourceRouteFailed.note());
        return Err(ERROR);
    }
    // Pieces that all fit may leave as they came [4.93].
    if !fits && df && !(joined && piece <= out.mtu) {
        packet.set_note(Cause::FragNeeded.note());
        return Err(ERROR);
    }
    checksum::ttl_decrement(header);
    if redirects && may_redirect(packet, cx) {
        // The sender is told first, and the packet goes on from there.
        packet.set_note(Cause::Redirect.note());
        return Err(ERROR);
    }
    if options {
        options::finish(packet, cx);
    }
    Ok(())
}

/// Every case, in the kernel's order.
fn full<const TRANSIT: bool>(
    packet: &mut Packet,
    rewrite: &Rewrite<'_>,
    cx: &Cx<'_, Tables>,
) -> u8 {
    let out = rewrite.out;
    if TRANSIT {
        if let Err(edge) = transit(packet, out, cx) {
            return edge;
        }
    } else if packet.note() == Cause::Redirect.note() {
        // It comes from where its sender was told, and goes on as if from here.
        packet.set_note(0);
        if packet.flags().any(Flags::OPTIONS) {
            options::finish(packet, cx);
        }
    }
    let joined = packet.flags().any(Flags::REASSEMBLED);
    let header = packet.data().get(packet.l3()..).and_then(<[u8]>::first_chunk::<20>);
    let Some(header) = header else { return NO_ROUTE };
    if joined || u16::from_be_bytes([header[2], header[3]]) > out.mtu {
        return FRAGMENT;
    }
    if !out.resolved {
        return RESOLVE;
    }
    if rewrite.dress(packet, cx) { SEND } else { NO_ROUTE }
}

/// Whether the sender of a packet that leaves by the interface it came in by should be told of its
/// next hop (`__mkroute_input`): it is on the link, and so it can reach the next hop itself.
fn calls_for_redirect(packet: &Packet, iface: u16, cx: &Cx<'_, Tables>) -> Result<bool, u8> {
    let Some(facts) = cx.tables.ifaces.get(iface) else { return Ok(false) };
    if !facts.conf.send_redirects {
        return Ok(false);
    }
    let on_link = match source::validate(packet, cx, iface) {
        Ok(on_link) => on_link,
        Err(source::Unbelievable::ReversePath) => return Err(RP_FILTER),
        Err(source::Unbelievable::Martian) => return Err(MARTIAN),
    };
    let ip = packet.data().get(packet.l3()..).unwrap_or_default();
    let Ok(ip) = Ipv4View::new_quoted(ip) else { return Ok(false) };
    let routed = |found: Ipv4Option<'_>| {
        matches!(found.kind, option::LOOSE_SOURCE_ROUTE | option::STRICT_SOURCE_ROUTE)
    };
    let by_sender = ip.options().flatten().any(routed);
    let hop = cx.tables.hops.get(packet.hop());
    // A neighbour that is the destination itself is none of a route.
    let gateway = hop.gateway().filter(|gateway| *gateway != ip.dst());
    let gateway = gateway.unwrap_or(Ipv4Addr::UNSPECIFIED);
    let reachable = facts.conf.shared_media || facts.on_link(ip.src(), gateway);
    Ok(on_link && !by_sender && reachable)
}

/// Whether the sender has not been told too often (`ip_rt_send_redirect`).
fn may_redirect(packet: &Packet, cx: &Cx<'_, Tables>) -> bool {
    let bytes = packet.data().get(packet.l3()..).unwrap_or_default();
    let rules = cx.tables.tunables.redirects;
    match bytes.get(12..16).and_then(|src| src.first_chunk::<4>()) {
        Some(&src) => cx.tables.limits.allow_redirect(rules, src.into(), cx.now),
        None => false,
    }
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
        if !rewrite.quick.go4::<TRANSIT>(packet, packet.notes()) {
            let edge = full::<TRANSIT>(packet, &rewrite, cx);
            out.set(number, edge);
        }
    }
}

impl Node<Tables> for Forward {
    fn name(&self) -> &'static str {
        "ip4-forward"
    }

    fn edges(&self) -> &'static [Edge] {
        EDGES
    }

    fn process(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame, out: &mut Out) {
        run::<true>(cx, frame, out);
    }
}

impl Node<Tables> for Transit {
    fn name(&self) -> &'static str {
        "ip4-transit"
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

impl Node<Tables> for Output {
    fn name(&self) -> &'static str {
        "ip4-output"
    }

    fn edges(&self) -> &'static [Edge] {
        EDGES
    }

    fn process(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame, out: &mut Out) {
        run::<false>(cx, frame, out);
    }
}
