//! Segment routing headers, where the router is one of the nodes that they lead to.
//!
//! - obeys: RFC 8754 section 4.3.1; `ipv6_srh_rcv`; `net.ipv6.conf.*.seg6_enabled`
//! - differs: a keyed hash is never right, as the router has no keys

use super::local::{INNER4, INNER6, SEGMENT, SEGMENTS, Step};
use crate::{
    dpdk::mbuf::{Flags, Packet},
    graph::Cx,
    icmp6::table::Cause6,
    ip6::table::Parsed,
    packet::ipv6::{field, next_header, routing, routing::RoutingView},
    tables::Tables,
};

/// Deals with a segment routing header that is there whole.
pub(super) fn visit(packet: &mut Packet, parsed: Parsed, cx: &Cx<'_, Tables>) -> Step {
    let (l3, iface, at) = (packet.l3(), packet.iface(), usize::from(parsed.at));
    let enabled = cx.tables.ifaces.get(iface).is_some_and(|own| own.conf6.seg6_enabled);
    let bytes = packet.data().get(l3..).unwrap_or_default();
    let header = bytes.get(at..).map(RoutingView::new_checked);
    let Some(Ok(header)) = header.filter(|_| enabled) else { return Step::Leave(SEGMENTS) };
    if header.has_hmac() {
        return Step::Leave(SEGMENTS);
    }
    let left = header.segments_left();
    if left == 0 {
        return last(packet, parsed, header.len(), header.next_header());
    }
    if header.leaves_too_many() {
        return Step::Tell(Cause6::HeaderField, at + routing::field::SEGMENTS_LEFT);
    }
    let Some(next) = header.address(left - 1) else { return Step::Leave(SEGMENTS) };
    let ours = cx.tables.owns6(iface, next.to_bits());
    let Some(bytes) = packet.data_mut().get_mut(l3..) else { return Step::Leave(SEGMENTS) };
    bytes[at + routing::field::SEGMENTS_LEFT] = left - 1;
    bytes[field::DST].copy_from_slice(&next.octets());
    if !ours {
        // From here on it is a packet to forward as any other.
        return Step::Leave(SEGMENT);
    }
    if bytes[field::HOP_LIMIT] <= 1 {
        return Step::Tell(Cause6::HopLimit, 0);
    }
    bytes[field::HOP_LIMIT] -= 1;
    // The same header again, for the next visit.
    Step::On(parsed)
}

/// The last visit: another packet inside is taken out, all else is the router's own.
fn last(packet: &mut Packet, parsed: Parsed, len: usize, carries: u8) -> Step {
    let edge = match carries {
        next_header::IPV6 => INNER6,
        next_header::IPV4 => INNER4,
        _ => return Step::On(Parsed { source_routed: true, ..parsed.past(len) }),
    };
    let (iface, l3) = (packet.iface(), packet.l3() as u8);
    let kept = packet.flags().without(Flags::OPTIONS).without(Flags::IP_BROADCAST);
    packet.pull(usize::from(parsed.at) + len);
    packet.begin(iface, l3, kept);
    Step::Leave(edge)
}
