//! `nf-queue`: hands packets to programs; and what the hooks do with those that come back.
//!
//! - takes: packets for which a rule says so, and which have a listener
//! - gives: the packet, through a bounded ring that nobody waits for; drops when it is full
//! - obeys: `__nf_queue`, `nf_reinject`, `nf_ip_reroute`; ledger 9.27

use std::{net::IpAddr, sync::Arc};

use crossbeam_queue::ArrayQueue;

use super::hooked::{ENDED, FULL, NO_WAY, ON, QUEUE};
use crate::{
    conntrack::ConnId,
    dpdk::mbuf::{Flags, Meta, Packet},
    graph::{Cx, Edge, Frame, Node, Out, Reason},
    netfilter::{
        queue::{Outcome, Place},
        rule::Hook,
    },
    packet::Flow,
    tables::Tables,
};

/// The node.
pub struct Queue {
    ring: Arc<ArrayQueue<Packet>>,
}

impl Queue {
    /// Into this ring.
    pub fn new(ring: Arc<ArrayQueue<Packet>>) -> Self {
        Self { ring }
    }
}

impl Node<Tables> for Queue {
    fn name(&self) -> &'static str {
        "nf-queue"
    }

    fn edges(&self) -> &'static [Edge] {
        &[Edge::Drop(Reason::QueueFull)]
    }

    fn process(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame, _out: &mut Out) {
        let offered = frame.len();
        let mut stay = Frame::new();
        for packet in frame.drain(..) {
            let conn = ConnId::from_bits(packet.meta().conn);
            match self.ring.push(packet) {
                // Its connection is not known yet, and is not to end with the turn.
                Ok(()) => conn.map_or((), |conn| cx.own.conntrack.park(conn)),
                Err(back) => stay.push(back),
            }
        }
        cx.stats.punted.add((offered - stay.len()) as u64);
        frame.extend(stay);
    }
}

/// Where a packet goes on that comes back.
pub(super) enum Resumed {
    /// It has been at this hook before.
    Past,
    /// At this hook from this step on.
    From(u8),
    /// By an edge of its node.
    Edge(u8),
}

/// A packet with an outcome meets a hook.
#[cold]
pub(super) fn resume(
    packet: &mut Packet,
    meta: &mut Meta,
    (hook, six): (Hook, bool),
    cx: &mut Cx<'_, Tables>,
) -> Resumed {
    let place = Place::of(meta.place);
    let edge = match Outcome::of(meta) {
        Some(Outcome::Drop) => ENDED,
        Some(Outcome::Full) => FULL,
        Some(Outcome::Nobody) if !place.bypass => QUEUE,
        _ if place.hook != hook => return Resumed::Past,
        outcome => {
            release(meta, cx);
            let again = outcome == Some(Outcome::Repeat);
            if !finds_its_way(packet, meta, (hook, six), cx) {
                return Resumed::Edge(NO_WAY);
            }
            return Resumed::From(place.rank + u8::from(!again));
        }
    };
    release(meta, cx);
    Resumed::Edge(edge)
}

/// A packet comes back while nothing is filtered any more: the edge that it takes.
#[cold]
pub(super) fn orphan(packet: &mut Packet, cx: &mut Cx<'_, Tables>) -> u8 {
    let mut meta = packet.meta();
    let edge = match Outcome::of(&meta) {
        Some(Outcome::Drop) => ENDED,
        Some(Outcome::Full) => FULL,
        Some(Outcome::Nobody) if !Place::of(meta.place).bypass => QUEUE,
        _ => ON,
    };
    release(&mut meta, cx);
    packet.set_meta(meta);
    edge
}

/// The packet is as one that never was away.
fn release(meta: &mut Meta, cx: &mut Cx<'_, Tables>) {
    meta.outcome = 0;
    if let Some(conn) = ConnId::from_bits(meta.conn) {
        cx.own.conntrack.unpark(conn);
    }
}

/// What tells a packet's way from others, so that a hop which has become another's is not taken for it;
/// where the router sends it, with what may not change without another way (`struct ip_rt_info`).
pub(super) fn way_of(packet: &Packet, meta: &Meta, cx: &Cx<'_, Tables>) -> u32 {
    let hops = &cx.tables.hops;
    let hop = hops.get(packet.hop());
    let mix = |sum: u32, word: u32| (sum ^ word).wrapping_mul(0x0100_0193);
    let (dst, src) = hop.header();
    let octets = dst.iter().chain(&src).map(|octet| u32::from(*octet));
    let gateway = match hops.any_gateway(packet.hop()) {
        Some(IpAddr::V4(four)) => four.to_bits(),
        Some(IpAddr::V6(six)) => six.to_bits() as u32,
        None => 0,
    };
    let facts = [hop.kind() as u32, u32::from(hop.out().iface), gateway];
    let sum = facts.into_iter().chain(octets).fold(0x811c_9dc5, mix);
    if Place::of(meta.place).hook != Hook::LocalOut {
        return sum;
    }
    let ip = packet.data().get(packet.l3()..).unwrap_or_default();
    let (class, addresses) = match ip.first().map(|first| first >> 4) {
        Some(6) => (ip.get(..2), ip.get(8..40)),
        _ => (ip.get(1..2), ip.get(12..20)),
    };
    let parts = [class, addresses].into_iter().flatten().flatten();
    parts.map(|octet| u32::from(*octet)).fold(mix(sum, meta.mark), mix)
}

/// Whether the packet has a way still; one that was changed where the router sends it, or whose way has
/// become another's, is looked up again.
fn finds_its_way(
    packet: &mut Packet,
    meta: &Meta,
    (hook, six): (Hook, bool),
    cx: &Cx<'_, Tables>,
) -> bool {
    if packet.hop() == 0 || hook == Hook::PreRouting {
        return true;
    }
    let own = packet.flags().any(Flags::LOCAL_OUT);
    if meta.way == way_of(packet, meta, cx) {
        return true;
    }
    let iface = packet.iface();
    let vrf = cx.tables.vrf(iface);
    let ip = packet.data().get(packet.l3()..).unwrap_or_default();
    let (iif, oif) = if own { (0, vrf) } else { (iface, 0) };
    let hop = match six {
        false => {
            let flow = Flow::of(ip, iif, vrf);
            cx.tables.output_hop(&Flow { mark: meta.mark, oif, ..flow })
        }
        true => {
            let flow = Flow::<u128>::of_six(ip, iif, vrf);
            let iface = if own { iface } else { 0 };
            cx.tables.output_hop6(&Flow { mark: meta.mark, oif, ..flow }, iface)
        }
    };
    let Some(hop) = hop else { return false };
    packet.set_hop(hop);
    if own {
        packet.set_iface(cx.tables.hops.get(hop).out().iface);
    }
    true
}
