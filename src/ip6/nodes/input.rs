//! `ip6-input`: the receive checks one by one, in the kernel's order.
//!
//! - takes: IPv6 packets that `classify` did not pass as plain; [`Packet::l3`] says where they start
//! - gives: sound packets to the pre-routing arc, by way of `ip6-hop-by-hop` where they have such options
//! - obeys: RFC 8200, RFC 4291 section 2.7; `ip6_rcv_core`; ledger 8.84 to 8.92

use crate::{
    dpdk::mbuf::{Flags, Packet},
    graph::{Cx, Edge, Frame, Node, Out, Reason},
    packet::ipv6::{HEADER_LEN, Ipv6View, address, next_header},
    tables::Tables,
};

/// The node.
pub struct Ip6Input;

const ROUTE: u8 = 0;
const HEADER: u8 = 1;
const TRUNCATED: u8 = 2;
const DISABLED: u8 = 3;
const L2_MULTICAST: u8 = 4;
const OPTIONS: u8 = 5;

/// Length of the packet, and the way it goes; or the edge of what is wrong.
fn check(bytes: &[u8], flags: Flags, iface: u16, cx: &Cx<'_, Tables>) -> Result<(usize, u8), u8> {
    let Some(found) = cx.tables.ifaces.get(iface) else { return Err(HEADER) };
    if !found.speaks6() {
        return Err(DISABLED);
    }
    let Ok(header) = Ipv6View::new_quoted(bytes) else { return Err(HEADER) };
    let (src, dst) = (header.src_bits(), header.dst_bits());
    if address::is_loopback(src) || address::is_loopback(dst) {
        return Err(HEADER);
    }
    let group = address::is_multicast(dst);
    if group && address::multicast_scope(dst) <= address::scope::INTERFACE_LOCAL {
        return Err(HEADER);
    }
    if !group
        && flags.any(Flags::L2_BROADCAST.with(Flags::L2_MULTICAST))
        && found.conf6.drop_unicast_in_l2_multicast
    {
        return Err(L2_MULTICAST);
    }
    if address::is_multicast(src) {
        return Err(HEADER);
    }
    let len = usize::from(header.payload_len());
    let options = header.next_header() == next_header::HOP_BY_HOP;
    let way = if options { OPTIONS } else { ROUTE };
    if len > 0 || !options {
        if HEADER_LEN + len > bytes.len() {
            return Err(TRUNCATED);
        }
        return Ok((HEADER_LEN + len, way));
    }
    Ok((bytes.len(), way))
}

fn one(packet: &mut Packet, cx: &Cx<'_, Tables>) -> u8 {
    let (l3, iface) = (packet.l3(), packet.iface());
    let bytes = packet.data().get(l3..).unwrap_or_default();
    match check(bytes, packet.flags(), iface, cx) {
        Err(edge) => edge,
        Ok((len, way)) => {
            packet.truncate(l3 + len);
            let forwards = cx.tables.ifaces.get(iface).is_some_and(|own| own.conf6.transit);
            let link = packet.flags().without(Flags::NO_FORWARD);
            packet.begin(
                iface,
                l3 as u8,
                if forwards { link } else { link.with(Flags::NO_FORWARD) },
            );
            way
        }
    }
}

impl Node<Tables> for Ip6Input {
    fn name(&self) -> &'static str {
        "ip6-input"
    }

    fn edges(&self) -> &'static [Edge] {
        &[
            Edge::Arc("ip6-pre-routing"),
            Edge::Drop(Reason::Ip6Header),
            Edge::Drop(Reason::Ip6Truncated),
            Edge::Drop(Reason::Ip6Disabled),
            Edge::Drop(Reason::UnicastInL2Multicast),
            Edge::To("ip6-hop-by-hop"),
        ]
    }

    fn process(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame, out: &mut Out) {
        for (index, packet) in frame.iter_mut().enumerate() {
            out.set(index, one(packet, cx));
        }
    }
}
