//! `tcp-reset`: refuses TCP segments to ports that nothing listens on.
//!
//! - takes: sound TCP segments for the router
//! - gives: a reset to `ip4-output`, but never in answer to a reset; the segment itself ends here
//! - obeys: RFC 9293 section 3.5.2 (reset generation)

use super::reply;
use crate::{
    dpdk::mbuf::{Flags, Meta, Packet},
    graph::{Cx, Edge, Frame, Node, Out, Reason, Snmp},
    packet::{
        ipv4::{Ipv4Spec, Ipv4View, protocol},
        tcp::{TcpSpec, TcpView},
    },
    tables::{Here, Tables},
};

/// The node.
pub struct TcpReset;

/// `nf4-reset`: segments that a rule refuses, to whomever they go.
pub struct TcpRefuse;

const DROP: u8 = 0;
const SEND: u8 = 1;
const PROBE: u8 = 2;
const HEADER: usize = 20;
const DF: u16 = 0x4000;

/// A refusal by a rule (`nf_send_reset`) has no type of service, and belongs to the connection.
fn answer(segment: &Packet, by_rule: bool, cx: &Cx<'_, Tables>) -> Option<Packet> {
    let ip = Ipv4View::new_checked(segment.data().get(segment.l3()..)?).ok()?;
    let told = TcpView::new_checked(ip.payload()).ok()?;
    if by_rule && (ip.fragment_offset() != 0 || !told.checksum_holds(ip.src(), ip.dst())) {
        return None;
    }
    let reset = TcpSpec::reset(&told)?;
    let here = Here::new(cx, ip.header(), segment.iface(), true);
    let mut echo = reply::options(segment).echo(ip.header(), &here)?;
    let dst = echo.first_hop().unwrap_or(ip.src());
    let hop = reply::way(cx, dst, ip.dst(), ip.tos(), segment)?;
    let header = Ipv4Spec {
        // The segment's type of service, but not its ECN bits.
        tos: if by_rule { 0 } else { ip.tos() & 0xfc },
        id: 0,
        fragment_word: DF,
        ttl: reply::ttl(cx, hop),
        protocol: protocol::TCP,
        src: ip.dst(),
        dst,
        options: echo.finish(ip.dst(), ip.src(), cx.since_midnight()),
        payload_len: HEADER,
    };
    let mut packet = reply::new(cx, hop, &header, segment)?;
    let bytes = packet.data_mut().get_mut(reply::LINK_ROOM + header.header_len()..)?;
    reset.emit(bytes, ip.dst(), ip.src()).ok()?;
    cx.count(Snmp::TcpOutRsts, 1);
    Some(packet)
}

/// Whether a segment answers one of the router's own probes, which is refused all the same.
fn expected(segment: &Packet, cx: &Cx<'_, Tables>) -> bool {
    let Some(expected) = &cx.tables.expected else { return false };
    let bytes = segment.data().get(segment.l3()..).unwrap_or_default();
    let Ok(ip) = Ipv4View::new_checked(bytes) else { return false };
    TcpView::new_checked(ip.payload()).is_ok_and(|segment| expected.has(segment.dst_port()))
}

impl Node<Tables> for TcpReset {
    fn name(&self) -> &'static str {
        "tcp-reset"
    }

    fn edges(&self) -> &'static [Edge] {
        &[Edge::Drop(Reason::TcpNoSocket), Edge::Arc("ip4-local-out"), Edge::To("icmp4-learn")]
    }

    fn process(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame, out: &mut Out) {
        for (index, segment) in frame.iter().enumerate() {
            if let Some(packet) = answer(segment, false, cx) {
                // A reset that finds no room is lost like any other packet; the sender tries again.
                let _ = out.emit(SEND, packet);
            }
            out.set(index, if expected(segment, cx) { PROBE } else { DROP });
        }
    }
}

impl Node<Tables> for TcpRefuse {
    fn name(&self) -> &'static str {
        "nf4-reset"
    }

    fn edges(&self) -> &'static [Edge] {
        &[Edge::Drop(Reason::FilterReject), Edge::Arc("ip4-local-out")]
    }

    fn process(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame, out: &mut Out) {
        let foreign = Flags::L2_BROADCAST.with(Flags::L2_MULTICAST).with(Flags::IP_BROADCAST);
        for segment in frame.iter().filter(|segment| !segment.flags().any(foreign)) {
            if let Some(mut packet) = answer(segment, true, cx) {
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
