//! `tcp6-reset`: refuses TCP segments over IPv6 to ports that nothing listens on.
//!
//! - takes: sound TCP segments for the router, their place told by [`Parsed`]
//! - gives: a reset to `ip6-output`, or to `ip6-input` where it is for the router itself, but never in
//!   answer to a reset nor from an anycast address; the segment itself ends here, or goes to
//!   `icmp4-learn` where it answers a probe
//! - obeys: RFC 9293 section 3.5.2 (reset generation); `tcp_v6_send_reset`

use super::reply;
use crate::{
    dpdk::mbuf::{Flags, Meta, Packet},
    graph::{Cx, Edge, Frame, Node, Out, Reason, Snmp},
    ip6::table::Parsed,
    packet::{
        ipv6::{self, Ipv6Spec, Ipv6View, next_header},
        tcp::{self, TcpSpec, TcpView},
    },
    tables::Tables,
};

/// The node.
pub struct Tcp6Reset;

/// `nf6-reset`: segments that a rule refuses, to whomever they go; their place is in that of the hash.
pub struct Tcp6Refuse;

const DROP: u8 = 0;
const SEND: u8 = 1;
const PROBE: u8 = 2;
const COME_IN: u8 = 3;

/// `net.ipv6.flowlabel_reflect`: labels of segments that are refused come back.
const REFLECT_RESET: u8 = 2;

/// A refusal by a rule (`nf_send_reset6`) has neither class nor label, and belongs to the connection.
fn answer(segment: &Packet, at: usize, by_rule: bool, cx: &Cx<'_, Tables>) -> Option<Packet> {
    let bytes = segment.data().get(segment.l3()..)?;
    let ip = Ipv6View::new_quoted(bytes).ok()?;
    let (iface, src, dst) = (segment.iface(), ip.dst(), ip.src());
    let told = TcpView::new_checked(bytes.get(at..)?).ok()?;
    let reset = TcpSpec::reset(&told)?;
    if by_rule && !told.checksum_holds6(ip.src(), ip.dst()) {
        return None;
    }
    if cx.tables.is_anycast6(iface, src.to_bits()) {
        return None;
    }
    let to_self = reply::is_to_self(cx, iface, dst);
    let hop =
        match reply::way(cx, Some(src), dst, next_header::TCP, (iface, reply::mark(cx, segment))) {
            None if to_self => 0,
            None => {
                cx.count(Snmp::Ip6OutNoRoutes, 1);
                return None;
            }
            Some(hop) => hop,
        };
    let reflects = cx.tables.tunables.six.flowlabel_reflect & REFLECT_RESET != 0;
    let stated = if reflects { ip.flow_label() } else { 0 };
    let flow_label = || reply::flow_label(cx, (src, dst, next_header::TCP), stated);
    let header = Ipv6Spec {
        // The segment's traffic class, but not its ECN bits.
        traffic_class: if by_rule { 0 } else { ip.traffic_class() & 0xfc },
        flow_label: if by_rule { 0 } else { flow_label() },
        payload_len: tcp::HEADER_LEN,
        next_header: next_header::TCP,
        hop_limit: reply::hop_limit(cx, hop),
        src,
        dst,
    };
    let mut packet = reply::new(cx, hop, &header, segment)?;
    packet.set_mark(reply::mark(cx, segment));
    let place = packet.data_mut().get_mut(reply::LINK_ROOM + ipv6::HEADER_LEN..)?;
    reset.emit6(place, src, dst).ok()?;
    cx.count(Snmp::TcpOutRsts, 1);
    if to_self {
        reply::come_in(&mut packet, iface, cx);
    }
    Some(packet)
}

/// Whether a segment answers one of the router's own probes, which is refused all the same.
fn expected(segment: &Packet, cx: &Cx<'_, Tables>) -> bool {
    let Some(expected) = &cx.tables.expected else { return false };
    let at = segment.l3() + usize::from(Parsed::of(segment).at);
    let bytes = segment.data().get(at..).unwrap_or_default();
    TcpView::new_checked(bytes).is_ok_and(|segment| expected.has(segment.dst_port()))
}

impl Node<Tables> for Tcp6Reset {
    fn name(&self) -> &'static str {
        "tcp6-reset"
    }

    fn edges(&self) -> &'static [Edge] {
        &[
            Edge::Drop(Reason::TcpNoSocket),
            Edge::Arc("ip6-local-out"),
            Edge::To("icmp4-learn"),
            Edge::To("ip6-input"),
        ]
    }

    fn process(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame, out: &mut Out) {
        for (index, segment) in frame.iter().enumerate() {
            let at = Parsed::of(segment).at.into();
            if let Some(packet) = answer(segment, at, false, cx) {
                let edge = if packet.flags().any(Flags::LOCAL_OUT) { SEND } else { COME_IN };
                // A reset that finds no room is lost like any other packet; the sender tries again.
                let _ = out.emit(edge, packet);
            }
            out.set(index, if expected(segment, cx) { PROBE } else { DROP });
        }
    }
}

impl Node<Tables> for Tcp6Refuse {
    fn name(&self) -> &'static str {
        "nf6-reset"
    }

    fn edges(&self) -> &'static [Edge] {
        &[Edge::Drop(Reason::FilterReject), Edge::Arc("ip6-local-out")]
    }

    fn process(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame, out: &mut Out) {
        let foreign = Flags::L2_BROADCAST.with(Flags::L2_MULTICAST);
        for segment in frame.iter().filter(|segment| !segment.flags().any(foreign)) {
            if let Some(mut packet) = answer(segment, segment.hash() as usize, true, cx) {
                let mark = packet.meta().mark;
                packet.set_meta(Meta { mark, ..segment.meta().answered() });
                if let Some(filter) = cx.tables.filter.as_deref() {
                    cx.own.has_reset(segment.meta().conn, &filter.rules, cx.now);
                }
                let _ = out.emit(SEND, packet);
            }
        }
    }
}
