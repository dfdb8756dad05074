//! `ip4-lookup`: finds the hop of each packet's destination.
//!
//! - takes: sound IPv4 packets; reads [`Packet::l3`] and the destination
//! - gives: the hop's index in [`Packet::set_hop`]; to `ip4-forward`, `ip4-local`, or an end; packets
//!   with options by way of `ip4-options`
//! - obeys: RFC 1812 section 5.2.4.3; ledger 5.5 to 5.9, 5.34 to 5.49
//! - costs: one look-up a frame with its cache misses overlapped (`benches/fib.rs`)

use super::{
    options::{
        self,
        after::{BLACKHOLE, ERROR, FORWARD, FORWARDING_OFF, LOCAL},
    },
    source,
};
use crate::{
    dpdk::mbuf::{Flags, Packet},
    graph::{Cx, Edge, FRAME_LEN, Frame, Node, Out, Reason},
    icmp::table::Cause,
    neighbour::table::martian,
    route::{
        cache::{DestinationCache, FlowCache, FlowKey},
        multipath::path_hash,
        policy::{Flow, Policy},
        table::HopKind,
    },
    tables::Tables,
};

/// The node, with its worker's caches.
pub struct Lookup {
    cache: DestinationCache,
    flows: FlowCache,
}

impl Lookup {
    /// The node; `entries` destinations are remembered while the cache is on.
    pub fn new(entries: usize) -> Self {
        Self { cache: DestinationCache::new(entries), flows: FlowCache::new(entries) }
    }

    /// Asks the rules which tables to ask.
    #[inline(never)]
    fn decide(&mut self, policy: &Policy, cx: &Cx<'_, Tables>, frame: &Frame, found: &mut [u32]) {
        let tables = cx.tables;
        let sources = tables.sources();
        let (generation, caches) = (tables.generation, tables.tunables.destination_cache);
        let (mut iface, mut vrf) = (u16::MAX, 0);
        for (packet, found) in frame.iter().zip(found) {
            if packet.iface() != iface {
                iface = packet.iface();
                vrf = tables.vrf(iface);
            }
            let data = packet.data();
            let mark = packet.meta().mark;
            let decide = || {
                let l3 = data.get(packet.l3()..).unwrap_or_default();
                policy.decide(&Flow { mark, ..Flow::of(l3, iface, vrf) }, sources).0
            };
            *found = match data.first_chunk::<38>() {
                // What is remembered is so of packets without a mark.
                _ if !caches || mark != 0 => decide(),
                Some(head) if packet.l3() == 14 && head[14] == 0x45 => {
                    let key = FlowKey::of_frame(head, iface);
                    self.flows.hop(policy, generation, key, decide)
                }
                _ => {
                    let l3 = data.get(packet.l3()..).unwrap_or_default();
                    let key = FlowKey::of(&Flow::of(l3, iface, vrf));
                    self.flows.hop(policy, generation, key, decide)
                }
            };
        }
    }
}

const MARTIAN_DESTINATION: u8 = 5;
const LOG: u8 = 6;
const OPTIONS: u8 = 7;
const NO_ROUTE: u8 = 8;

/// Everything but a plain next hop.
#[cold]
pub(super) fn other(packet: &mut Packet, mut index: u32, dst: u32, cx: &Cx<'_, Tables>) -> u8 {
    let hops = &cx.tables.hops;
    let mut hop = hops.get(index);
    if hop.kind() == HopKind::Choice {
        let l3 = packet.l3();
        let tos = packet.data().get(l3 + 1).copied().unwrap_or_default();
        index = hops.chosen(hop, tos);
        packet.set_hop(index);
        hop = hops.get(index);
    }
    if hop.kind() == HopKind::Vrf {
        let (flow, vrf) =
            (Flow::of(packet.data().get(packet.l3()..).unwrap_or_default(), 0, 0), hop.out().iface);
        index = cx.tables.route_within(&flow, vrf);
        packet.set_hop(index);
        hop = hops.get(index);
        match hop.kind() {
            HopKind::Neighbour | HopKind::Link | HopKind::Group => {}
            // The router has it as if it had come by the VRF (`vrf_local_xmit`).
            HopKind::Local => packet.set_iface(vrf),
            // A VRF gives up without a word (`vrf_tx_error`).
            _ => return NO_ROUTE,
        }
    }
    let local = match hop.kind() {
        HopKind::Local => true,
        HopKind::Broadcast => !forwards_broadcast(packet, cx),
        _ => false,
    };
    if packet.flags().any(Flags::NO_FORWARD) && !local {
        return FORWARDING_OFF;
    }
    if hop.kind() == HopKind::Group {
        let ip = packet.data().get(packet.l3()..).unwrap_or_default();
        let hash = path_hash(ip, &cx.tables.tunables.multipath);
        if hop.out().resilient {
            hops.touch(hops.bucket_of(hop, hash), (cx.now / 100_000_000) as u32);
        }
        index = hops.member(hop, hash);
        packet.set_hop(index);
        hop = hops.get(index);
    }
    match hop.kind() {
        HopKind::Neighbour => FORWARD,
        HopKind::Link => {
            let known = cx.tables.neighbours.four.get(hop.out().iface, dst.into());
            // Without a neighbour the link's own hop stays; it never resolves, so `ip4-forward`
            // makes its checks first and then asks the management core.
            if known != 0 && cx.tables.exceptions.transit(index, dst).is_none() {
                packet.set_hop(known);
            }
            FORWARD
        }
        HopKind::Local => LOCAL,
        HopKind::Broadcast if local => {
            packet.add_flags(Flags::IP_BROADCAST);
            LOCAL
        }
        HopKind::Broadcast => FORWARD,
        HopKind::Blackhole => BLACKHOLE,
        HopKind::Invalid if source::logs(packet, martian::DESTINATION, cx) => LOG,
        HopKind::Invalid => MARTIAN_DESTINATION,
        HopKind::NoRoute
        | HopKind::Group
        | HopKind::Choice
        | HopKind::Sources
        | HopKind::Throw
        | HopKind::Vrf => {
            packet.set_note(Cause::NetUnreachable.note());
            ERROR
        }
        HopKind::NetUnreachable => {
            packet.set_note(Cause::RuleUnreachable.note());
            ERROR
        }
        HopKind::Unreachable => {
            packet.set_note(Cause::HostUnreachable.note());
            ERROR
        }
        HopKind::Prohibit => {
            packet.set_note(Cause::Prohibited.note());
            ERROR
        }
    }
}

/// True where `bc_forwarding` sends broadcasts to another link on.
fn forwards_broadcast(packet: &Packet, cx: &Cx<'_, Tables>) -> bool {
    cx.tables.ifaces.get(packet.iface()).is_some_and(|iface| iface.conf.bc_forwarding)
}

impl Node<Tables> for Lookup {
    fn name(&self) -> &'static str {
        "ip4-lookup"
    }

    fn edges(&self) -> &'static [Edge] {
        &[
            Edge::Arc("ip4-forwarding"),
            Edge::Arc("ip4-delivery"),
            Edge::To("icmp4-error"),
            Edge::Drop(Reason::Blackhole),
            Edge::Drop(Reason::ForwardingOff),
            Edge::Drop(Reason::MartianDestination),
            Edge::To("martian-log"),
            Edge::To("ip4-options"),
            Edge::Drop(Reason::OutNoRoute),
        ]
    }

    fn process(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame, out: &mut Out) {
        let count = frame.len();
        let (mut dst, mut found) = ([0; FRAME_LEN], [0; FRAME_LEN]);
        for (packet, dst) in frame.iter().zip(&mut dst) {
            let l3 = packet.l3();
            let data = packet.data();
            // The common offset is spelled out so that it costs one comparison.
            *dst = match data.first_chunk::<34>() {
                Some(head) if l3 == 14 => {
                    u32::from_be_bytes([head[30], head[31], head[32], head[33]])
                }
                _ => data
                    .get(l3 + 16..l3 + 20)
                    .and_then(|dst| dst.try_into().ok())
                    .map_or(0, u32::from_be_bytes),
            };
        }
        let (dst, found) = (&dst[..count], &mut found[..count]);
        if let Some(policy) = cx.tables.policy.as_deref() {
            self.decide(policy, cx, frame, found);
        } else if cx.tables.tunables.destination_cache {
            self.cache.lookup_batch(&cx.tables.fib, cx.tables.generation, dst, found);
        } else {
            cx.tables.fib.lookup_batch(dst, found);
        }
        let hops = &cx.tables.hops;
        let (mut last, mut plain) = (u32::MAX, false);
        for (number, (packet, index)) in frame.iter_mut().zip(found.iter()).enumerate() {
            packet.set_hop(*index);
            if *index != last {
                (last, plain) = (*index, hops.get(*index).kind() == HopKind::Neighbour);
            }
            if !plain || packet.flags().any(Flags::NO_FORWARD.with(Flags::OPTIONS)) {
                let next = other(packet, *index, dst[number], cx);
                let options = next <= FORWARDING_OFF && packet.flags().any(Flags::OPTIONS);
                if options {
                    options::later(packet, next);
                }
                out.set(number, if options { OPTIONS } else { next });
            }
        }
        if !cx.tables.exceptions.no_transit() {
            for (packet, dst) in frame.iter_mut().zip(dst) {
                if let Some(learned) = cx.tables.exceptions.transit(packet.hop(), *dst) {
                    packet.set_hop(learned);
                }
            }
        }
    }
}
