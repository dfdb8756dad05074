//! `ip4-forward` and `ip4-output`: put a packet into the frame it leaves in.
//!
//! - takes: packets with [`Packet::hop`] set; `ip4-forward` those in transit, `ip4-output` those that
//!   the router made or has dealt with before
//! - gives: complete frames to the post-routing arc; expired and oversized ones to `icmp4-error`
//!   or `ip4-fragment`; those whose neighbour is not known to `ip4-resolve`
//! - obeys: RFC 1812 section 5.3, RFC 1624; ledger 4.116 to 4.129 in that order
//! - costs: the packet's first line and one line a hop; 20 to 25 cycles (`benches/engine.rs`)

use crate::{
    dpdk::mbuf::{Flags, Packet},
    graph::{Cx, Edge, Frame, Node, Out, Reason},
    icmp::table::Cause,
    packet::checksum,
    route::table::{Hop, HopOut},
    tables::Tables,
};

/// Packets in transit.
pub struct Forward;

/// Packets whose time to live is not ours to lower.
pub struct Output;

const SEND: u8 = 0;
const ERROR: u8 = 1;
const FRAGMENT: u8 = 2;
const RESOLVE: u8 = 3;
const L2_MULTICAST: u8 = 4;
const NO_ROUTE: u8 = 5;

const EDGES: &[Edge] = &[
    Edge::Arc("ip4-post-routing"),
    Edge::To("icmp4-error"),
    Edge::To("ip4-fragment"),
    Edge::To("ip4-resolve"),
    Edge::Drop(Reason::UnicastInL2Multicast),
    Edge::Drop(Reason::OutNoRoute),
];

const DF: u8 = 0x40;

/// A hop as read once for the packets in a row that take it.
#[derive(Clone, Copy)]
struct Rewrite {
    out: HopOut,
    head: [u8; 8],
    tail: [u8; 8],
    tag: [u8; 4],
}

impl Rewrite {
    #[inline(always)]
    fn read(hop: Hop<'_>) -> Self {
        let out = hop.out();
        let (head, tail) = hop.header();
        Self { out, head, tail, tag: hop.tag() }
    }
}

/// The common case, in place: an untagged frame in and out that fits and has time to live.
#[inline(always)]
fn quick<const TRANSIT: bool>(packet: &mut Packet, rewrite: &Rewrite) -> bool {
    let out = rewrite.out;
    let odd = packet.flags().any(Flags(0xff)) | (packet.l3() != 14) | out.tagged | !out.resolved;
    let Some(bytes) = packet.data_mut().first_chunk_mut::<34>() else {
        return false;
    };
    let total = u16::from_be_bytes([bytes[16], bytes[17]]);
    if odd | (total > out.mtu) | (TRANSIT & (bytes[22] <= 1)) {
        return false;
    }
    if TRANSIT {
        let changed = checksum::ttl_decremented([bytes[22], bytes[23], bytes[24], bytes[25]]);
        bytes[22..26].copy_from_slice(&changed);
    }
    bytes[..8].copy_from_slice(&rewrite.head);
    bytes[6..14].copy_from_slice(&rewrite.tail);
    packet.set_port(out.port);
    true
}

/// Every case, in the kernel's order.
fn full<const TRANSIT: bool>(packet: &mut Packet, rewrite: &Rewrite, cx: &Cx<'_, Tables>) -> u8 {
    let out = rewrite.out;
    if TRANSIT && packet.flags().any(Flags::L2_BROADCAST.with(Flags::L2_MULTICAST)) {
        return L2_MULTICAST;
    }
    let l3 = packet.l3();
    let Some(header) = packet.data_mut().get_mut(l3..).and_then(<[u8]>::first_chunk_mut::<20>)
    else {
        return NO_ROUTE;
    };
    let fits = u16::from_be_bytes([header[2], header[3]]) <= out.mtu;
    if TRANSIT {
        if header[8] <= 1 {
            packet.set_note(Cause::TtlExceeded.note());
            return ERROR;
        }
        if !fits && header[6] & DF != 0 {
            packet.set_note(Cause::FragNeeded.note());
            return ERROR;
        }
        checksum::ttl_decrement(header);
    }
    if !fits {
        return FRAGMENT;
    }
    if !out.resolved {
        return RESOLVE;
    }
    dress(packet, rewrite, cx)
}

/// Gives the packet its Ethernet header, whatever it had before.
fn dress(packet: &mut Packet, rewrite: &Rewrite, cx: &Cx<'_, Tables>) -> u8 {
    let (l3, need) = (packet.l3(), if rewrite.out.tagged { 18 } else { 14 });
    if l3 > need {
        packet.pull(l3 - need);
    } else if !packet.push(need - l3) {
        return NO_ROUTE;
    }
    packet.set_l3(need as u8);
    let len = packet.len();
    let Some(header) = packet.data_mut().get_mut(..need) else {
        return NO_ROUTE;
    };
    header[..8].copy_from_slice(&rewrite.head);
    header[6..14].copy_from_slice(&rewrite.tail);
    if rewrite.out.tagged {
        header[14..18].copy_from_slice(&rewrite.tag);
        // The port counts in `tx`; a sub-interface has no other place.
        if let Some(counts) = cx.stats.ifaces.get(usize::from(rewrite.out.iface)) {
            counts.tx_packets.add(1);
            counts.tx_bytes.add(len as u64);
        }
    }
    packet.set_port(rewrite.out.port);
    SEND
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
        if !quick::<TRANSIT>(packet, &rewrite) {
            out.set(number, full::<TRANSIT>(packet, &rewrite, cx));
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
