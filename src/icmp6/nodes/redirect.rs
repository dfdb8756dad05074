//! Tells a sender of a better way than the one by this router.
//!
//! - takes: a packet that is to leave by the link that it came by, its hop known
//! - gives: a redirect, where the sender is a neighbour, and the better way means something to it
//! - obeys: RFC 4861 sections 4.5 and 8.2; `ndisc_send_redirect`; ledger 8.112, 8.120, 8.121

use std::net::{IpAddr, Ipv6Addr};

use super::reply;
use crate::{
    dpdk::mbuf::Packet,
    graph::Cx,
    packet::{
        icmp6::{self, fill_checksum, ty},
        ipv6::{self, Ipv6Spec, Ipv6View, MIN_MTU, address, next_header},
    },
    tables::Tables,
};

/// Type, code, checksum, a reserved word, target and destination.
const BODY: usize = 40;
/// An option with a link-layer address.
const LINK_LEN: usize = 8;
/// Options of a redirect: where the target is, and the packet that took the longer way.
const TARGET: u8 = 2;
const REDIRECTED: u8 = 4;
/// Bytes of an option before the packet that it quotes.
const QUOTE_AT: usize = 8;

/// The neighbour that a hop leads to, where that is not the destination itself.
fn gateway(cx: &Cx<'_, Tables>, hop: u32, dst: Ipv6Addr) -> Option<Ipv6Addr> {
    match cx.tables.hops.any_gateway(hop) {
        Some(IpAddr::V6(gateway)) if gateway != dst => Some(gateway),
        _ => None,
    }
}

/// The redirect that a packet calls for.
pub(super) fn redirect(culprit: &Packet, cx: &Cx<'_, Tables>) -> Option<Packet> {
    let (tables, iface) = (cx.tables, culprit.iface());
    let bytes = culprit.data().get(culprit.l3()..)?;
    let ip = Ipv6View::new_quoted(bytes).ok()?;
    let (to, destination) = (ip.src(), ip.dst());
    let link = tables.ifaces.get(iface)?;
    let own = link
        .addresses6
        .iter()
        .find(|own| address::is_link_local(own.local.addr().to_bits()) && own.is_usable())?;
    let src = own.local.addr();
    let target = gateway(cx, culprit.hop(), destination).unwrap_or(destination);
    if target != destination && !address::is_link_local(target.to_bits()) {
        return None;
    }
    let to_self = reply::is_to_self(cx, iface, to);
    let hop = match reply::way(cx, Some(src), to, next_header::ICMPV6, (iface, 0)) {
        None if to_self => 0,
        hop => hop?,
    };
    if gateway(cx, hop, to).is_some() || !reply::may_redirect(cx, to) {
        return None;
    }
    let better = tables.hops.get(culprit.hop());
    let told = if better.out().resolved { LINK_LEN } else { 0 };
    let room = usize::from(MIN_MTU) - ipv6::HEADER_LEN - BODY - told;
    let quote = room.min(bytes.len() + QUOTE_AT) & !7;
    let header = Ipv6Spec {
        traffic_class: link.conf6.ndisc_tclass,
        flow_label: 0,
        payload_len: BODY + told + quote,
        next_header: next_header::ICMPV6,
        hop_limit: 255,
        src,
        dst: to,
    };
    let mut packet = reply::new(cx, hop, &header, culprit)?;
    let message = packet.data_mut().get_mut(reply::LINK_ROOM + ipv6::HEADER_LEN..)?;
    message[icmp6::field::TYPE] = ty::REDIRECT;
    message[8..24].copy_from_slice(&target.octets());
    message[24..BODY].copy_from_slice(&destination.octets());
    let (link_option, quoted) = message[BODY..].split_at_mut(told);
    if let [kind, words, mac @ ..] = link_option {
        (*kind, *words) = (TARGET, 1);
        mac.copy_from_slice(&better.header().0[..6]);
    }
    if let Some((head, copy)) = quoted.split_at_mut_checked(QUOTE_AT) {
        (head[0], head[1]) = (REDIRECTED, (quote / 8) as u8);
        copy.copy_from_slice(&bytes[..copy.len()]);
    }
    fill_checksum(message, src, to);
    cx.count_icmp6_out(ty::REDIRECT);
    if to_self {
        reply::come_in(&mut packet, iface, cx);
    }
    Some(packet)
}
