//! `ip6-local`: packets for the router itself, by what follows their headers.
//!
//! - takes: IPv6 packets whose destination is this router's, or a group it has joined
//! - gives: ICMPv6 to `icmp6-input`, errors to `icmp6-error`
//! - obeys: RFC 8200 section 4; `ip6_input_finish`; ledger 8.95 to 8.102

use crate::{
    dpdk::mbuf::{Flags, Packet},
    graph::{Cx, Edge, Frame, Node, Out, Reason, Snmp},
    icmp6::table::Cause6,
    packet::ipv6::{HEADER_LEN, Ipv6View, field, next_header},
    tables::Tables,
};

/// The node.
pub struct Ip6Local;

const ICMP: u8 = 0;
const ERROR: u8 = 1;
const HEADER: u8 = 2;
const DONE: u8 = 3;

fn one(packet: &mut Packet) -> u8 {
    let bytes = packet.data().get(packet.l3()..).unwrap_or_default();
    let Ok(ip) = Ipv6View::new_checked(bytes) else { return HEADER };
    let Some(upper) = ip.upper_layer() else { return HEADER };
    match upper.number {
        next_header::ICMPV6 => ICMP,
        next_header::NONE => DONE,
        _ if packet.flags().any(Flags::IP_BROADCAST) => DONE,
        next_header::UDP => {
            packet.set_note(Cause6::PortUnreachable.note());
            ERROR
        }
        _ => {
            packet.set_note(Cause6::NextHeader.note());
            packet.set_hash(if upper.offset == HEADER_LEN { field::NEXT_HEADER as u32 } else { 0 });
            ERROR
        }
    }
}

impl Node<Tables> for Ip6Local {
    fn name(&self) -> &'static str {
        "ip6-local"
    }

    fn edges(&self) -> &'static [Edge] {
        &[
            Edge::To("icmp6-input"),
            Edge::To("icmp6-error"),
            Edge::Drop(Reason::Ip6Header),
            Edge::Drop(Reason::LocalDone),
        ]
    }

    fn process(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame, out: &mut Out) {
        let mut delivered = 0;
        for (index, packet) in frame.iter_mut().enumerate() {
            let edge = one(packet);
            delivered += u64::from(edge != HEADER);
            out.set(index, edge);
        }
        cx.count(Snmp::Ip6InDelivers, delivered);
    }
}
