//! `icmp6-error`: tells a packet's sender why it did not arrive.
//!
//! - takes: packets that end here, with a [`Cause6`] noted
//! - gives: an error to `ip6-output` where the rules allow one; the packet itself is dropped for
//!   the cause's reason
//! - obeys: RFC 4443 section 2.4; `icmp6_send`; ledger 3.59 to 3.90

use super::{LINK_ROOM, hop_limit, new};
use crate::{
    dpdk::mbuf::{Flags, Packet},
    graph::{Cx, Edge, Frame, Node, Out, Snmp},
    icmp6::table::Cause6,
    packet::{
        Flow,
        icmp6::{HEADER_LEN, Icmp6Spec, may_be_answered_by_error, quote_len},
        ipv6::{self, Ipv6Spec, Ipv6View, MIN_MTU, address, next_header},
    },
    tables::Tables,
};

/// The node.
pub struct Icmp6Error;

const DROP: u8 = 0;
const SEND: u8 = 1;

fn answer(culprit: &Packet, cx: &Cx<'_, Tables>) -> Option<Packet> {
    let cause = Cause6::from_note(culprit.note())?;
    let bytes = culprit.data().get(culprit.l3()..)?;
    let ip = Ipv6View::new_quoted(bytes).ok()?;
    let tables = cx.tables;
    let mtu = tables.hops.get(culprit.hop()).out().mtu.max(MIN_MTU);
    let kind = cause.message(culprit.hash(), mtu.into())?;
    let many = Flags::L2_BROADCAST.with(Flags::L2_MULTICAST);
    let to_many = address::is_multicast(ip.dst_bits()) || culprit.flags().any(many);
    if to_many && !kind.answers_multicast() {
        return None;
    }
    let from = ip.src_bits();
    if from == 0 || address::is_multicast(from) || !may_be_answered_by_error(bytes) {
        return None;
    }
    let iface = culprit.iface();
    let own = tables.owns6(iface, ip.dst_bits()).then_some(ip.dst());
    let flow =
        Flow { src: own.map_or(0, |own| own.to_bits()), ..Flow::out(from, tables.vrf(iface)) };
    let hop = tables.output_hop6(&flow, iface)?;
    let src = own.or_else(|| tables.source_on6(hop, from))?;
    let quote = &bytes[..quote_len(bytes.len())];
    let header = Ipv6Spec {
        traffic_class: 0,
        flow_label: 0,
        payload_len: HEADER_LEN + quote.len(),
        next_header: next_header::ICMPV6,
        hop_limit: hop_limit(cx, hop),
        src,
        dst: ip.src(),
    };
    let mut packet = new(cx, hop, &header, culprit)?;
    let message = packet.data_mut().get_mut(LINK_ROOM + ipv6::HEADER_LEN..)?;
    message.get_mut(HEADER_LEN..)?.copy_from_slice(quote);
    Icmp6Spec::error(kind).emit(message, src, ip.src()).ok()?;
    Some(packet)
}

impl Node<Tables> for Icmp6Error {
    fn name(&self) -> &'static str {
        "icmp6-error"
    }

    fn edges(&self) -> &'static [Edge] {
        &[Edge::DropMarked, Edge::To("ip6-output")]
    }

    fn process(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame, out: &mut Out) {
        for (index, culprit) in frame.iter_mut().enumerate() {
            if let Some(packet) = answer(culprit, cx)
                && out.emit(SEND, packet).is_err()
            {
                cx.count(Snmp::Icmp6OutErrors, 1);
            }
            out.set(index, DROP);
        }
    }
}
