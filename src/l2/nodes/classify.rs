//! `classify`: one pass over a frame that proves the plain packets and parts them from the rest.
//!
//! - takes: packets as received; starts their notes
//! - gives: unicast IPv4 packets without options, and IPv6 packets without hop-by-hop options between
//!   global addresses, that pass every receive check to their pre-routing arcs; everything else to
//!   `ethernet-input`, which repeats the checks one by one and names what is wrong
//! - obeys: RFC 1812 section 5.2.2, ledger 4.13 to 4.16
//! - costs: two cache lines a packet, 15 to 20 cycles (`benches/engine.rs`)

use crate::{
    dpdk::mbuf::{Flags, Packet},
    graph::{Cx, Edge, FRAME_LEN, Frame, Node, Out},
    packet::{checksum, ipv6},
    port::table::{LocalAddresses, PortFacts},
    route::{family::Fib, rewrite::Rewrite, table::HopKind},
    tables::Tables,
};

/// The node.
pub struct Classify;

const IP4: u8 = 0;
const ETHERNET: u8 = 1;
const IP6: u8 = 2;
const SEND4: u8 = 3;
const SEND6: u8 = 4;

/// First octets that take an address off the plain way: zero, loopback, multicast and above.
const ODD: [bool; 256] = {
    let mut odd = [false; 256];
    odd[0] = true;
    odd[127] = true;
    let mut octet = 224;
    while octet < 256 {
        odd[octet] = true;
        octet += 1;
    }
    odd
};

const AHEAD: usize = 4;

/// EtherType, version and header length of plain IPv4, as they stand behind the addresses of a frame, and
/// which bits they are.
const PLAIN: (u32, u32) =
    (u32::from_le_bytes([8, 0, 0x45, 0]), u32::from_le_bytes([255, 255, 255, 0]));

/// True for a packet that needs no further check before its route.
///
/// What is wrong is gathered before it is looked at, so that a packet costs one branch.
#[inline(always)]
fn plain(head: &[u8; 34], len: usize, port: &PortFacts, locals: &LocalAddresses) -> bool {
    let [a, b, c, d, e, f, g, h, _, _, _, _, i, j, k, l, m, n, ..] = *head;
    let Some(header) = head.last_chunk::<20>() else {
        return false;
    };
    let kind = (u32::from_le_bytes([i, j, k, l]) ^ PLAIN.0) & PLAIN.1;
    let total = usize::from(u16::from_be_bytes([m, n]));
    // Below 20, or more than there is.
    let misfit = total.wrapping_sub(20) > len.wrapping_sub(34);
    let src = u32::from_be_bytes([head[26], head[27], head[28], head[29]]);
    let odd = ODD[usize::from(head[26])] | ODD[usize::from(head[30])];
    let wrong = !port.is_own([a, b, c, d, e, f, g, h]) | !port.up | misfit | odd;
    (kind == 0) & !wrong & checksum::ipv4_header20(header) & !locals.may_contain(src)
}

/// The edge of a packet, and where it goes to if it is plain IPv4.
#[inline(always)]
fn one(packet: &mut Packet, port: &PortFacts, locals: &LocalAddresses) -> (u8, u32) {
    packet.begin(port.iface, 14, port.flags);
    let (len, whole) = (packet.len(), packet.is_contiguous());
    let Some(head) = packet.data().first_chunk::<34>() else {
        return (ETHERNET, 0);
    };
    if !(plain(head, len, port, locals) & whole) {
        return (six(packet, len, whole, port), 0);
    }
    let dst = u32::from_be_bytes([head[30], head[31], head[32], head[33]]);
    let total = usize::from(u16::from_be_bytes([head[16], head[17]]));
    if total + 14 != len {
        packet.truncate(total + 14);
    }
    (IP4, dst)
}

/// What is not plain IPv4 may be plain IPv6.
#[inline(always)]
fn six(packet: &mut Packet, len: usize, whole: bool, port: &PortFacts) -> u8 {
    let Some(head) = packet.data().first_chunk::<{ ipv6::HEAD_LEN }>() else {
        return ETHERNET;
    };
    let [a, b, c, d, e, f, g, h, ..] = *head;
    if !(port.is_own([a, b, c, d, e, f, g, h]) & whole & port.six & ipv6::plain(head, len)) {
        return ETHERNET;
    }
    let total = ipv6::HEAD_LEN + usize::from(u16::from_be_bytes([head[18], head[19]]));
    if total != len {
        packet.truncate(total);
    }
    // What `ip4-forwarding` says of the port is none of its business.
    packet.begin(port.iface, 14, Flags(0));
    IP6
}

/// Plain packets of IPv4 go straight to where they leave, where nothing but the look-up would look at
/// them; what calls for more than a plain hop goes on to the look-up all the same.
#[inline(always)]
fn straight4(cx: &Cx<'_, Tables>, frame: &mut Frame, out: &mut Out, dst: &[u32; FRAME_LEN]) {
    let mut found = [0; FRAME_LEN];
    let count = frame.len().min(FRAME_LEN);
    cx.tables.fib.lookup_batch(&dst[..count], &mut found[..count]);
    each(cx, frame, out, (IP4, SEND4), &found, Rewrite::quick4::<true>);
}

/// The same of IPv6.
#[inline(always)]
fn straight6(cx: &Cx<'_, Tables>, frame: &mut Frame, out: &mut Out) {
    let (mut dst, mut found) = ([0; FRAME_LEN], [0; FRAME_LEN]);
    for (packet, dst) in frame.iter().zip(&mut dst) {
        if let Some(head) = packet.data().first_chunk::<{ ipv6::HEAD_LEN }>() {
            *dst = ipv6::address_at(head, 14 + ipv6::field::DST.start);
        }
    }
    let count = frame.len();
    cx.tables.fib6.lookup_batch(&dst[..count], &mut found[..count]);
    each(cx, frame, out, (IP6, SEND6), &found, Rewrite::quick6::<true>);
}

/// Sends what goes by a plain hop; `edges` are that of packets which may, and that of those which do.
#[inline(always)]
fn each(
    cx: &Cx<'_, Tables>,
    frame: &mut Frame,
    out: &mut Out,
    edges: (u8, u8),
    found: &[u32],
    quick: impl Fn(&Rewrite, &mut Packet) -> bool,
) {
    let hops = &cx.tables.hops;
    let mut last = found.first().copied().unwrap_or(0);
    let read = |index: u32| {
        let hop = hops.get(index);
        (Rewrite::read(hop), hop.kind() == HopKind::Neighbour)
    };
    let (mut rewrite, mut plain) = read(last);
    for (number, (packet, index)) in frame.iter_mut().zip(found).enumerate() {
        if *index != last {
            last = *index;
            (rewrite, plain) = read(last);
        }
        if plain && out.edge(number) == edges.0 && quick(&rewrite, packet) {
            out.set(number, edges.1);
        }
    }
}

impl Node<Tables> for Classify {
    fn name(&self) -> &'static str {
        "classify"
    }

    fn edges(&self) -> &'static [Edge] {
        &[
            Edge::Arc("ip4-pre-routing"),
            Edge::To("ethernet-input"),
            Edge::Arc("ip6-pre-routing"),
            Edge::Arc("ip4-post-routing"),
            Edge::Arc("ip6-post-routing"),
        ]
    }

    fn process(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame, out: &mut Out) {
        let (ifaces, locals) = (&*cx.tables.ifaces, &*cx.tables.locals);
        let mut number = frame.first().map_or(0, |packet| packet.port());
        let mut port = ifaces.port(number);
        let mut dst = [0; FRAME_LEN];
        // What has come by each edge.
        let mut seen = 0_u8;
        for index in 0..frame.len().min(FRAME_LEN) {
            if let Some(ahead) = frame.get(index + AHEAD) {
                ahead.prefetch();
            }
            let packet = &mut frame[index];
            if packet.port() != number {
                number = packet.port();
                port = ifaces.port(number);
            }
            let (edge, to) = one(packet, port, locals);
            out.set(index, edge);
            dst[index] = to;
            seen |= 1 << edge;
        }
        if cx.tables.straight[0] && seen & 1 << IP4 != 0 {
            straight4(cx, frame, out, &dst);
        }
        if cx.tables.straight[1] && seen & 1 << IP6 != 0 {
            straight6(cx, frame, out);
        }
    }
}
