//! `ip4-lookup`: finds the hop of each packet's destination.
//!
//! - takes: sound IPv4 packets; reads [`Packet::l3`] and the destination
//! - gives: the hop's index in [`Packet::set_hop`]; to `ip4-forward`, `ip4-local`, or an end
//! - obeys: RFC 1812 section 5.2.4.3; ledger 5.5 to 5.9, 5.34 to 5.49
//! - costs: one look-up a frame with its cache misses overlapped (`benches/fib.rs`)

use crate::{
    dpdk::mbuf::{Flags, Packet},
    graph::{Cx, Edge, FRAME_LEN, Frame, Node, Out, Reason},
    icmp::table::Cause,
    packet::{flow_hash, l3_hash},
    route::{cache::DestinationCache, table::HopKind},
    tables::Tables,
};

/// The node, with its worker's destination cache.
pub struct Lookup {
    cache: DestinationCache,
}

impl Lookup {
    /// The node; `entries` destinations are remembered while the cache is on.
    pub fn new(entries: usize) -> Self {
        Self { cache: DestinationCache::new(entries) }
    }
}

const FORWARD: u8 = 0;
const LOCAL: u8 = 1;
const ERROR: u8 = 2;
const BLACKHOLE: u8 = 3;
const FORWARDING_OFF: u8 = 4;

/// Hash of a flow under `fib_multipath_hash_policy`.
fn path_hash(packet: &Packet, cx: &Cx<'_, Tables>) -> u32 {
    let ip = packet.data().get(packet.l3()..).unwrap_or_default();
    let seed = cx.tables.tunables.hash_seed;
    match cx.tables.tunables.multipath_policy {
        0 => {
            let word = |at: usize| {
                ip.get(at..at + 4)
                    .and_then(|word| word.try_into().ok())
                    .map_or(0, u32::from_be_bytes)
            };
            l3_hash(word(12), word(16), seed)
        }
        _ => flow_hash(ip, seed),
    }
}

/// Everything but a plain next hop.
#[cold]
fn other(packet: &mut Packet, mut index: u32, cx: &Cx<'_, Tables>) -> u8 {
    let hops = &cx.tables.hops;
    let mut hop = hops.get(index);
    let unicast = |kind| !matches!(kind, HopKind::Local | HopKind::Broadcast);
    if packet.flags().any(Flags::NO_FORWARD) && unicast(hop.kind()) {
        return FORWARDING_OFF;
    }
    if hop.kind() == HopKind::Group {
        index = hops.member(hop, path_hash(packet, cx));
        packet.set_hop(index);
        hop = hops.get(index);
    }
    match hop.kind() {
        HopKind::Neighbour => FORWARD,
        HopKind::Link => {
            let ip = packet.data().get(packet.l3()..).unwrap_or_default();
            if let Some(&[a, b, c, d]) = ip.get(16..20).and_then(|dst| dst.first_chunk::<4>()) {
                let known = cx.tables.neighbours.get(hop.out().iface, [a, b, c, d].into());
                // Without a neighbour the link's own hop stays; it never resolves, so `ip4-forward`
                // makes its checks first and then asks the management core.
                if known != 0 {
                    packet.set_hop(known);
                }
            }
            FORWARD
        }
        HopKind::Local => LOCAL,
        HopKind::Broadcast => {
            packet.add_flags(Flags::IP_BROADCAST);
            LOCAL
        }
        HopKind::Blackhole => BLACKHOLE,
        HopKind::NoRoute | HopKind::Group => {
            packet.set_note(Cause::NetUnreachable.note());
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

impl Node<Tables> for Lookup {
    fn name(&self) -> &'static str {
        "ip4-lookup"
    }

    fn edges(&self) -> &'static [Edge] {
        &[
            Edge::To("ip4-forward"),
            Edge::To("ip4-local"),
            Edge::To("icmp4-error"),
            Edge::Drop(Reason::Blackhole),
            Edge::Drop(Reason::ForwardingOff),
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
        if cx.tables.tunables.destination_cache {
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
            if !plain || packet.flags().any(Flags::NO_FORWARD) {
                out.set(number, other(packet, *index, cx));
            }
        }
        let _ = FORWARD;
    }
}
