//! `icmp6-input`: ICMPv6 messages for the router.
//!
//! - takes: packets for the router whose headers end in ICMPv6
//! - gives: echo replies to `ip6-output`; what concerns neighbours, routers and groups to `nd-input`;
//!   the rest ends here
//! - obeys: RFC 4443 section 4; `icmpv6_rcv`; ledger 3.59 to 3.75

use super::{LINK_ROOM, hop_limit, new};
use crate::{
    dpdk::mbuf::{Flags, Packet},
    graph::{Cx, Edge, Frame, Node, Out, Reason, Snmp},
    packet::{
        Flow,
        icmp6::{Icmp6View, fill_checksum, is_listener_discovery, is_neighbour_discovery, ty},
        ipv6::{self, Ipv6Spec, Ipv6View, next_header},
    },
    tables::Tables,
};

/// The node.
pub struct Icmp6Input;

const REPLY: u8 = 0;
const TRUNCATED: u8 = 1;
const CHECKSUM: u8 = 2;
const CONSUMED: u8 = 3;
const NO_ROUTE: u8 = 4;
const ND: u8 = 5;

fn reply(packet: &Packet, at: usize, cx: &Cx<'_, Tables>) -> Option<Packet> {
    let bytes = packet.data().get(packet.l3()..)?;
    let ip = Ipv6View::new_checked(bytes).ok()?;
    let message = ip.payload().get(at..)?;
    let (iface, from) = (packet.iface(), ip.src_bits());
    let group = packet.flags().any(Flags::IP_BROADCAST);
    let own = (!group && cx.tables.owns6(iface, ip.dst_bits())).then_some(ip.dst());
    let vrf = cx.tables.vrf(iface);
    let flow = Flow { src: own.map_or(0, |own| own.to_bits()), ..Flow::out(from, vrf) };
    let hop = cx.tables.output_hop6(&flow, iface)?;
    let src = own.or_else(|| cx.tables.source_on6(hop, from))?;
    let header = Ipv6Spec {
        traffic_class: ip.traffic_class(),
        flow_label: 0,
        payload_len: message.len(),
        next_header: next_header::ICMPV6,
        hop_limit: hop_limit(cx, hop),
        src,
        dst: ip.src(),
    };
    let mut answer = new(cx, hop, &header, packet)?;
    let place = answer.data_mut().get_mut(LINK_ROOM + ipv6::HEADER_LEN..)?;
    place.copy_from_slice(message);
    place[0] = ty::ECHO_REPLY;
    fill_checksum(place, src, ip.src());
    Some(answer)
}

fn one(packet: &mut Packet, cx: &Cx<'_, Tables>) -> u8 {
    let bytes = packet.data().get(packet.l3()..).unwrap_or_default();
    let Ok(ip) = Ipv6View::new_checked(bytes) else { return TRUNCATED };
    let Some(upper) = ip.upper_layer() else { return TRUNCATED };
    let message = ip.payload().get(upper.offset..).unwrap_or_default();
    let Ok(view) = Icmp6View::new_checked(message) else { return TRUNCATED };
    if !view.checksum_holds(ip.src(), ip.dst()) {
        return CHECKSUM;
    }
    let kind = view.ty();
    if is_neighbour_discovery(kind) || is_listener_discovery(kind) {
        return ND;
    }
    if kind != ty::ECHO_REQUEST {
        return CONSUMED;
    }
    match reply(packet, upper.offset, cx) {
        Some(mut answer) => {
            std::mem::swap(packet, &mut answer);
            REPLY
        }
        None => NO_ROUTE,
    }
}

impl Node<Tables> for Icmp6Input {
    fn name(&self) -> &'static str {
        "icmp6-input"
    }

    fn edges(&self) -> &'static [Edge] {
        &[
            Edge::To("ip6-output"),
            Edge::Drop(Reason::Icmp6Truncated),
            Edge::Drop(Reason::Icmp6Checksum),
            Edge::Drop(Reason::Icmp6Consumed),
            Edge::Drop(Reason::Ip6OutNoRoute),
            Edge::To("nd-input"),
        ]
    }

    fn process(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame, out: &mut Out) {
        for (index, packet) in frame.iter_mut().enumerate() {
            out.set(index, one(packet, cx));
        }
        cx.count(Snmp::Icmp6InMsgs, frame.len() as u64);
    }
}
