//! `icmp6-input`: ICMPv6 messages for the router.
//!
//! - takes: packets for the router whose headers end in ICMPv6, as [`Parsed`] tells
//! - gives: echo requests, turned into replies in place, to `ip6-output`, or to `ip6-input` where the
//!   router asked itself; what concerns neighbours, routers and groups to `nd-input`; what tells of a
//!   path of the router's own or answers one of its probes to `icmp4-learn`; the rest ends here
//! - obeys: RFC 4443 sections 2.4 and 4; `icmpv6_rcv` and `icmpv6_notify`; ledger 3.70 to 3.78, 3.88

use std::net::Ipv6Addr;

use super::reply;
use crate::{
    dpdk::mbuf::{Flags, Packet},
    graph::{Cx, Edge, Frame, Node, Out, Reason, Snmp},
    ip6::table::Parsed,
    packet::{
        icmp6::{
            HEADER_LEN, Icmp6View, fill_checksum, is_error, is_listener_discovery,
            is_neighbour_discovery, ty,
        },
        ipv6::{self, Ipv6Spec, Ipv6View, address, extension, field, next_header},
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
const IGNORED: u8 = 6;
const BAD_QUOTE: u8 = 7;
const NO_SESSION: u8 = 8;
const NO_BUFFER: u8 = 9;
const LEARN: u8 = 10;
const COME_IN: u8 = 11;

/// `net.ipv6.flowlabel_reflect`: labels of echo requests come back.
const REFLECT_ECHO: u8 = 4;

/// What an error that somebody sent is about: whether it quotes enough, and of which protocol.
fn about(message: &[u8]) -> Result<u8, u8> {
    let quoted = message.get(HEADER_LEN..).unwrap_or_default();
    let number = *quoted.get(field::NEXT_HEADER).ok_or(BAD_QUOTE)?;
    if quoted.len() < ipv6::HEADER_LEN {
        return Err(BAD_QUOTE);
    }
    let upper = extension::skip(quoted, ipv6::HEADER_LEN, number).ok_or(BAD_QUOTE)?;
    if quoted.len() < upper.offset + 8 {
        return Err(BAD_QUOTE);
    }
    Ok(upper.number)
}

/// What becomes of an error.
fn heard(message: &[u8]) -> u8 {
    match about(message) {
        Err(edge) => edge,
        // The kernel believes what is about messages, which it makes without a socket, and does not
        // ask who is said to have sent them (`icmpv6_err`).
        Ok(next_header::ICMPV6) if message[0] == ty::PACKET_TOO_BIG => LEARN,
        // The protocols that look for the session that is meant; the router has none.
        Ok(next_header::TCP | next_header::UDP) => NO_SESSION,
        Ok(_) => CONSUMED,
    }
}

/// Whether a message is about one of the router's own probes.
fn expected(message: &[u8], cx: &Cx<'_, Tables>) -> bool {
    cx.tables.expected.as_ref().is_some_and(|expected| expected.wants6(message))
}

/// Where an echo reply comes from: the address that was asked, unless that is of many; and whether it
/// is sent at all (`icmpv6_echo_reply`).
fn echo_source(
    packet: &Packet,
    ip: &Ipv6View<'_>,
    cx: &Cx<'_, Tables>,
) -> Result<Option<Ipv6Addr>, u8> {
    let (rules, iface) = (&cx.tables.tunables.six.icmp, packet.iface());
    if packet.flags().any(Flags::IP_BROADCAST) {
        return if rules.echo_ignore_multicast { Err(IGNORED) } else { Ok(None) };
    }
    let anycast = cx.tables.is_anycast6(iface, ip.dst_bits());
    // From a VRF an address outside is within reach, but nothing comes back from there.
    if cx.tables.vrf(iface) != 0
        && !anycast
        && !address::is_link_local(ip.dst_bits())
        && !cx.tables.owns6_itself(iface, ip.dst_bits())
    {
        return Err(NO_ROUTE);
    }
    if anycast && rules.echo_ignore_anycast {
        return Err(IGNORED);
    }
    Ok((!anycast || rules.anycast_source).then_some(ip.dst()))
}

/// Turns an echo request into its reply, in its own buffer; gives the edge by which that leaves.
fn turn(packet: &mut Packet, at: usize, cx: &Cx<'_, Tables>) -> Result<u8, u8> {
    let (l3, iface) = (packet.l3(), packet.iface());
    let bytes = packet.data().get(l3..).unwrap_or_default();
    let ip = Ipv6View::new_quoted(bytes).map_err(|_| TRUNCATED)?;
    let (dst, payload_len) = (ip.src(), bytes.len().saturating_sub(at));
    let own = echo_source(packet, &ip, cx)?;
    let mark = reply::mark(cx, packet);
    let hop = match own {
        Some(_) => reply::way(cx, own, dst, next_header::ICMPV6, (iface, mark)),
        None => {
            // To an address of a VRF's it has come by the interface that has it.
            let shared = Some(iface).filter(|_| cx.tables.vrf(iface) != 0);
            let shared = shared.and_then(|iface| cx.tables.anycast6_on(iface, ip.dst_bits()));
            reply::way_back(cx, dst, next_header::ICMPV6, (shared.unwrap_or(iface), mark))
        }
    };
    // To the router itself it goes by no link, and comes in again.
    let to_self = reply::is_to_self(cx, iface, dst);
    let hop = hop.or_else(|| to_self.then_some(0)).ok_or(NO_ROUTE)?;
    let chosen = || match to_self {
        true => cx.tables.source_at6(iface, dst.to_bits()),
        false => cx.tables.source_on6(hop, dst.to_bits()),
    };
    let src = own.or_else(chosen).ok_or(NO_ROUTE)?;
    if !reply::allowed(cx, ty::ECHO_REPLY, dst) {
        return Err(IGNORED);
    }
    let reflects = cx.tables.tunables.six.flowlabel_reflect & REFLECT_ECHO != 0;
    let stated = if reflects { ip.flow_label() } else { 0 };
    let header = Ipv6Spec {
        traffic_class: ip.traffic_class(),
        flow_label: reply::flow_label(cx, (src, dst, next_header::ICMPV6), stated),
        payload_len,
        next_header: next_header::ICMPV6,
        hop_limit: reply::hop_limit(cx, hop),
        src,
        dst,
    };
    // What stood between the header and the message does not come back.
    packet.pull(at - ipv6::HEADER_LEN);
    let bytes = packet.data_mut().get_mut(l3..).ok_or(NO_BUFFER)?;
    header.emit(bytes).map_err(|_| NO_BUFFER)?;
    let message = bytes.get_mut(ipv6::HEADER_LEN..).ok_or(NO_BUFFER)?;
    (message[0], message[1]) = (ty::ECHO_REPLY, message[1]);
    fill_checksum(message, src, dst);
    packet.begin(cx.tables.hops.get(hop).out().iface, l3 as u8, Flags::LOCAL_OUT);
    packet.set_hop(hop);
    packet.set_mark(mark);
    cx.count_icmp6_out(ty::ECHO_REPLY);
    cx.count(Snmp::Ip6OutRequests, 1);
    if to_self {
        reply::come_in(packet, iface, cx);
        return Ok(if packet.flags().any(Flags::LOCAL_OUT) { REPLY } else { COME_IN });
    }
    Ok(REPLY)
}

/// `suppress_frag_ndisc` of the interface by which a packet came.
fn suppresses(packet: &Packet, cx: &Cx<'_, Tables>) -> bool {
    let own = cx.tables.ifaces.get(packet.iface());
    own.is_none_or(|own| own.conf6.suppress_frag_ndisc)
}

fn one(packet: &mut Packet, cx: &Cx<'_, Tables>) -> u8 {
    let parsed = Parsed::of(packet);
    let at = usize::from(parsed.at);
    let bytes = packet.data().get(packet.l3()..).unwrap_or_default();
    let Ok(ip) = Ipv6View::new_quoted(bytes) else { return TRUNCATED };
    let message = bytes.get(at..).unwrap_or_default();
    let whole = crate::packet::checksum::transport6_holds;
    if !whole(ip.src(), ip.dst(), next_header::ICMPV6, message) {
        return CHECKSUM;
    }
    let Ok(view) = Icmp6View::new_checked(message) else { return TRUNCATED };
    let kind = view.ty();
    cx.count_icmp6_in(kind);
    match kind {
        ty::ECHO_REQUEST if cx.tables.tunables.six.icmp.echo_ignore_all => IGNORED,
        ty::ECHO_REQUEST => match turn(packet, at, cx) {
            Ok(edge) | Err(edge) => edge,
        },
        kind if is_error(kind) => match heard(message) {
            BAD_QUOTE => BAD_QUOTE,
            _ if expected(message, cx) => LEARN,
            edge => edge,
        },
        ty::ECHO_REPLY if expected(message, cx) => LEARN,
        // Neighbours have no need of fragments, and who forges has (RFC 6980).
        kind if is_neighbour_discovery(kind) && parsed.fragmented && suppresses(packet, cx) => {
            IGNORED
        }
        kind if is_neighbour_discovery(kind) || is_listener_discovery(kind) => ND,
        _ => CONSUMED,
    }
}

impl Node<Tables> for Icmp6Input {
    fn name(&self) -> &'static str {
        "icmp6-input"
    }

    fn edges(&self) -> &'static [Edge] {
        &[
            Edge::Arc("ip6-local-out"),
            Edge::Drop(Reason::Icmp6Truncated),
            Edge::Drop(Reason::Icmp6Checksum),
            Edge::Drop(Reason::Icmp6Consumed),
            Edge::Drop(Reason::Ip6OutNoRoute),
            Edge::To("nd-input"),
            Edge::Drop(Reason::Icmp6Ignored),
            Edge::Drop(Reason::Icmp6BadQuote),
            Edge::Drop(Reason::Icmp6NoSession),
            Edge::Drop(Reason::NoBuffer),
            Edge::To("icmp4-learn"),
            Edge::To("ip6-input"),
        ]
    }

    fn process(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame, out: &mut Out) {
        for (index, packet) in frame.iter_mut().enumerate() {
            out.set(index, one(packet, cx));
        }
        cx.count(Snmp::Icmp6InMsgs, frame.len() as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{FrameBuilder, icmp6::ErrorKind};

    /// Shows [3.72] and [3.73].
    #[test]
    fn an_error_must_quote_a_header_and_eight_bytes_behind_all_headers() {
        let lost = ErrorKind::TimeExceeded { code: 0 };
        let say = |kind: ErrorKind, quoted: &FrameBuilder, len: usize| {
            let quoted = quoted.build();
            let quote = &quoted[14..14 + len];
            let (src, dst) = (Ipv6Addr::LOCALHOST, Ipv6Addr::LOCALHOST);
            let frame = FrameBuilder::new().ipv6(src, dst).icmp6_error(kind).payload(quote).build();
            heard(&frame[54..])
        };
        let message = |quoted: &FrameBuilder, len: usize| say(lost, quoted, len);
        let base = FrameBuilder::new().ipv6(Ipv6Addr::LOCALHOST, Ipv6Addr::LOCALHOST);
        let echo = base.clone().echo_reply(1, 2).payload_len(20);
        assert_eq!(
            (message(&echo, 48), message(&echo, 47), message(&echo, 0)),
            (CONSUMED, BAD_QUOTE, BAD_QUOTE)
        );
        let too_big = ErrorKind::PacketTooBig { mtu: 1300 };
        assert_eq!(say(too_big, &echo, 60), LEARN);
        assert_eq!(message(&base.clone().udp(1, 2).payload_len(20), 60), NO_SESSION);
        let behind = base.destination_options(&[]).tcp(1, 2, 2);
        assert_eq!((message(&behind, 56), message(&behind, 55)), (NO_SESSION, BAD_QUOTE));
    }
}
