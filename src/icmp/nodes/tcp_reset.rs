//! `tcp-reset`: refuses TCP segments to ports that nothing listens on.
//!
//! - takes: sound TCP segments for the router
//! - gives: a reset to `ip4-output`, but never in answer to a reset; the segment itself ends here
//! - obeys: RFC 9293 section 3.5.2 (reset generation)

use super::reply;
use crate::{
    dpdk::mbuf::Packet,
    graph::{Cx, Edge, Frame, Node, Out, Reason, Snmp},
    packet::{
        ipv4::{Ipv4Spec, Ipv4View, protocol},
        tcp::{TcpSpec, TcpView, flag},
    },
    tables::{Here, Tables},
};

/// The node.
pub struct TcpReset;

const DROP: u8 = 0;
const SEND: u8 = 1;
const PROBE: u8 = 2;
const HEADER: usize = 20;
const DF: u16 = 0x4000;

/// The reset that answers a segment, or `None` for a reset.
fn reset(segment: &TcpView<'_>) -> Option<TcpSpec> {
    let flags = segment.flags();
    if flags & flag::RST != 0 {
        return None;
    }
    let ports = TcpSpec {
        src_port: segment.dst_port(),
        dst_port: segment.src_port(),
        ..TcpSpec::default()
    };
    if flags & flag::ACK != 0 {
        return Some(TcpSpec { seq: segment.ack(), flags: flag::RST, ..ports });
    }
    let bits = u32::from(flags & flag::SYN != 0) + u32::from(flags & flag::FIN != 0);
    let len = segment.payload().len() as u32;
    let ack = segment.seq().wrapping_add(bits).wrapping_add(len);
    Some(TcpSpec { ack, flags: flag::RST | flag::ACK, ..ports })
}

fn answer(segment: &Packet, cx: &Cx<'_, Tables>) -> Option<Packet> {
    let ip = Ipv4View::new_checked(segment.data().get(segment.l3()..)?).ok()?;
    let reset = reset(&TcpView::new_checked(ip.payload()).ok()?)?;
    let here = Here::new(cx, ip.header(), segment.iface(), true);
    let mut echo = reply::options(segment).echo(ip.header(), &here)?;
    let dst = echo.first_hop().unwrap_or(ip.src());
    let hop = reply::way(cx, dst, ip.dst(), ip.tos(), segment.iface())?;
    let header = Ipv4Spec {
        // The segment's type of service, but not its ECN bits.
        tos: ip.tos() & 0xfc,
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
        &[Edge::Drop(Reason::TcpNoSocket), Edge::To("ip4-output"), Edge::To("icmp4-learn")]
    }

    fn process(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame, out: &mut Out) {
        for (index, segment) in frame.iter().enumerate() {
            if let Some(packet) = answer(segment, cx) {
                // A reset that finds no room is lost like any other packet; the sender tries again.
                let _ = out.emit(SEND, packet);
            }
            out.set(index, if expected(segment, cx) { PROBE } else { DROP });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer_to(flags: u8, seq: u32, ack: u32, payload: usize) -> Option<TcpSpec> {
        let mut bytes = vec![0; HEADER + payload];
        let (src, dst) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let segment = TcpSpec { src_port: 40000, dst_port: 80, seq, ack, flags, window: 1 };
        segment.emit(&mut bytes, src, dst).unwrap();
        reset(&TcpView::new_checked(&bytes).unwrap())
    }

    #[test]
    fn a_reset_acknowledges_what_it_refuses() {
        let syn = answer_to(flag::SYN, 100, 0, 0).unwrap();
        assert_eq!((syn.seq, syn.ack, syn.flags), (0, 101, flag::RST | flag::ACK));
        assert_eq!((syn.src_port, syn.dst_port), (80, 40000));
        let data = answer_to(flag::FIN, u32::MAX, 0, 5).unwrap();
        assert_eq!((data.ack, data.flags), (5, flag::RST | flag::ACK));
        let ack = answer_to(flag::ACK, 7, 1234, 3).unwrap();
        assert_eq!((ack.seq, ack.ack, ack.flags), (1234, 0, flag::RST));
        assert!(answer_to(flag::RST | flag::ACK, 1, 1, 0).is_none());
    }
}
