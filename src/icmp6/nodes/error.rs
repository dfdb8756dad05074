//! `icmp6-error`: tells a packet's sender why it did not arrive.
//!
//! - takes: packets that end here, with a [`Cause6`] noted
//! - gives: an error to `ip6-output` where the rules allow one, to `ip6-input` where it is for the
//!   router itself; the packet itself is dropped for the cause's reason, but goes on behind a redirect
//! - obeys: RFC 4443 section 2.4; `icmp6_send`, in the order of its checks; ledger 3.79 to 3.87

use std::net::Ipv6Addr;

use super::{redirect::redirect, reply};
use crate::{
    dpdk::mbuf::{Flags, Packet},
    graph::{Cx, Edge, Frame, Node, Out, Snmp},
    icmp6::table::Cause6,
    packet::{
        icmp6::{ErrorKind, HEADER_LEN, Icmp6Spec, may_be_answered_by_error, quote_len},
        ipv6::{self, Ipv6Spec, Ipv6View, MIN_MTU, address, next_header},
    },
    tables::Tables,
};

/// The node.
pub struct Icmp6Error;

const DROP: u8 = 0;
const SEND: u8 = 1;
const COME_IN: u8 = 2;

/// Whether the rules let a packet provoke this error at all.
fn may_provoke(ip: &Ipv6View<'_>, bytes: &[u8], flags: Flags, kind: ErrorKind) -> bool {
    let many = Flags::L2_BROADCAST.with(Flags::L2_MULTICAST);
    let to_many = address::is_multicast(ip.dst_bits()) || flags.any(many);
    let src = ip.src_bits();
    (!to_many || answers_many(kind, bytes))
        && src != 0
        && !address::is_multicast(src)
        && may_be_answered_by_error(bytes)
}

/// Whether the error is one of those that are sent about packets to many: of a Parameter Problem, the
/// option must ask for it.
fn answers_many(kind: ErrorKind, bytes: &[u8]) -> bool {
    match kind {
        ErrorKind::ParameterProblem { pointer, .. } if kind.answers_multicast() => {
            bytes.get(pointer as usize).is_some_and(|option| option & 0xc0 == 0x80)
        }
        _ => kind.answers_multicast(),
    }
}

/// The culprit's destination, when that is the router's and so the source of the error.
fn meant(culprit: &Packet, ip: &Ipv6View<'_>, cx: &Cx<'_, Tables>) -> Option<Ipv6Addr> {
    let many = Flags::L2_BROADCAST.with(Flags::L2_MULTICAST);
    let (iface, dst) = (culprit.iface(), ip.dst_bits());
    let own = !address::is_multicast(dst)
        && !culprit.flags().any(many)
        && (cx.tables.owns6_itself(iface, dst) || cx.tables.is_anycast6_anywhere(iface, dst));
    own.then_some(ip.dst())
}

fn answer(culprit: &Packet, cx: &Cx<'_, Tables>) -> Option<Packet> {
    let cause = Cause6::from_note(culprit.note())?;
    let bytes = culprit.data().get(culprit.l3()..)?;
    let ip = Ipv6View::new_quoted(bytes).ok()?;
    let tables = cx.tables;
    let mtu = tables.hops.get(culprit.hop()).out().mtu.max(MIN_MTU);
    let kind = cause.message(culprit.hash(), mtu.into())?;
    if !may_provoke(&ip, bytes, culprit.flags(), kind) {
        return None;
    }
    let (iface, dst) = (culprit.iface(), ip.src());
    // Whoever is one of many would not know what the error is about.
    if !tables.tunables.six.icmp.errors_to_anycast && tables.is_anycast6(iface, dst.to_bits()) {
        return None;
    }
    let own = meant(culprit, &ip, cx);
    // Who is of one link alone is told on that of the route, where it came by a VRF.
    let routed = !address::needs_interface(ip.dst_bits());
    let bound = match routed && address::is_link_local(dst.to_bits()) {
        true => tables.bound6(iface, culprit.hop()),
        false => iface,
    };
    // To the router itself it goes by no link, and comes in again.
    let to_self = reply::is_to_self(cx, bound, dst);
    let mark = reply::mark(cx, culprit);
    let way = |src| {
        let hop = reply::way(cx, src, dst, next_header::ICMPV6, (bound, mark));
        hop.or(to_self.then_some(0))
    };
    // The source is chosen first, as it may decide by which route the error goes.
    // What the router itself has sent came by no link, and the way to whom it concerns decides.
    let sent = culprit.flags().any(Flags::LOCAL_OUT) && !to_self;
    let src = own
        .or_else(|| {
            way(None).filter(|_| sent).and_then(|hop| tables.source_on6(hop, dst.to_bits()))
        })
        .or_else(|| tables.hops.prefsrc6(way(None)?))
        .or_else(|| tables.source_at6(iface, dst.to_bits()));
    let Some(hop) = way(src) else {
        reply::count_nowhere(cx, kind.ty());
        return None;
    };
    let src = src?;
    if cause == Cause6::ToNobody && hop != 0 && tables.hops.get(hop).out().iface != iface {
        // The kernel asks once more for the way back from nobody, by the link alone, and counts that.
        cx.count(Snmp::Ip6OutNoRoutes, 1);
    }
    if !reply::allowed(cx, kind.ty(), dst) {
        return None;
    }
    let quote = &bytes[..quote_len(bytes.len())];
    let header = Ipv6Spec {
        traffic_class: 0,
        flow_label: reply::flow_label(cx, (src, dst, next_header::ICMPV6), 0),
        payload_len: HEADER_LEN + quote.len(),
        next_header: next_header::ICMPV6,
        hop_limit: reply::hop_limit(cx, hop),
        src,
        dst,
    };
    let Some(mut packet) = reply::new(cx, hop, &header, culprit) else {
        cx.count(Snmp::Icmp6OutErrors, 1);
        return None;
    };
    let message = packet.data_mut().get_mut(reply::LINK_ROOM + ipv6::HEADER_LEN..)?;
    message.get_mut(HEADER_LEN..)?.copy_from_slice(quote);
    Icmp6Spec::error(kind).emit(message, src, dst).ok()?;
    cx.count_icmp6_out(kind.ty());
    packet.set_mark(mark);
    packet.attach(culprit);
    if to_self {
        reply::come_in(&mut packet, bound, cx);
    }
    Some(packet)
}

/// Lowers the hop limit.
fn lower(packet: &mut Packet) {
    let at = packet.l3() + ipv6::field::HOP_LIMIT;
    if let Some(limit) = packet.data_mut().get_mut(at) {
        *limit = limit.saturating_sub(1);
    }
}

/// A packet that called for a redirect goes on, and the redirect before it.
fn go_on(culprit: &mut Packet, cx: &Cx<'_, Tables>, out: &mut Out) {
    let answer = redirect(culprit, cx);
    lower(culprit);
    cx.count(Snmp::Ip6OutForwDatagrams, 1);
    let Some(mut first) = answer else { return };
    if !first.flags().any(Flags::LOCAL_OUT) {
        return send(Some(first), cx, out);
    }
    std::mem::swap(culprit, &mut first);
    if let Err(second) = out.emit(SEND, first) {
        // Without room the sender is told another time.
        *culprit = second;
        cx.count(Snmp::Icmp6OutErrors, 1);
    }
}

/// Sends what was made, where there is room.
fn send(answer: Option<Packet>, cx: &Cx<'_, Tables>, out: &mut Out) {
    let Some(packet) = answer else { return };
    let edge = if packet.flags().any(Flags::LOCAL_OUT) { SEND } else { COME_IN };
    if out.emit(edge, packet).is_err() {
        cx.count(Snmp::Icmp6OutErrors, 1);
    }
}

impl Node<Tables> for Icmp6Error {
    fn name(&self) -> &'static str {
        "icmp6-error"
    }

    fn edges(&self) -> &'static [Edge] {
        &[Edge::DropMarked, Edge::Arc("ip6-local-out"), Edge::To("ip6-input")]
    }

    fn process(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame, out: &mut Out) {
        for (index, culprit) in frame.iter_mut().enumerate() {
            match Cause6::from_note(culprit.note()) {
                Some(Cause6::Redirect) => {
                    go_on(culprit, cx, out);
                    out.set(index, SEND);
                    continue;
                }
                Some(cause @ (Cause6::TooBig | Cause6::TooBigForWay)) => {
                    if culprit.hash() & Cause6::REDIRECT_TOO != 0 {
                        send(redirect(culprit, cx), cx, out);
                    }
                    if cause == Cause6::TooBigForWay {
                        lower(culprit);
                    }
                }
                _ => {}
            }
            send(answer(culprit, cx), cx, out);
            out.set(index, DROP);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::FrameBuilder;

    const HOST: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9);

    fn provoke(builder: FrameBuilder, flags: Flags, kind: ErrorKind) -> bool {
        let frame = builder.build();
        let bytes = &frame[14..];
        may_provoke(&Ipv6View::new_checked(bytes).unwrap(), bytes, flags, kind)
    }

    /// Shows [3.86].
    #[test]
    fn no_error_about_groups_errors_or_from_nobody() {
        let lost = ErrorKind::TimeExceeded { code: 0 };
        let base = |src: Ipv6Addr, dst: Ipv6Addr| FrameBuilder::new().ipv6(src, dst);
        let group = Ipv6Addr::new(0xff0e, 0, 0, 0, 0, 0, 0, 1);
        assert!(provoke(base(HOST, HOST).udp(1, 2), Flags(0), lost));
        assert!(!provoke(base(HOST, group).udp(1, 2), Flags(0), lost));
        assert!(!provoke(base(HOST, HOST).udp(1, 2), Flags::L2_MULTICAST, lost));
        for src in [group, Ipv6Addr::UNSPECIFIED] {
            assert!(!provoke(base(src, HOST).udp(1, 2), Flags(0), lost), "{src}");
        }
        assert!(!provoke(base(HOST, HOST).icmp6_error(lost), Flags(0), lost));
        assert!(provoke(base(HOST, HOST).echo_request(1, 2), Flags(0), lost));
    }

    /// Shows [3.84].
    #[test]
    fn two_errors_about_groups_are_sent() {
        let group = Ipv6Addr::new(0xff0e, 0, 0, 0, 0, 0, 0, 1);
        let base = |option| FrameBuilder::new().ipv6(HOST, group).hop_by_hop(&[option, 0]);
        let unknown = ErrorKind::ParameterProblem { code: 2, pointer: 42 };
        assert!(provoke(base(0x9e), Flags(0), unknown));
        assert!(!provoke(base(0xde), Flags(0), unknown));
        assert!(provoke(base(0), Flags(0), ErrorKind::PacketTooBig { mtu: 1280 }));
        let field = ErrorKind::ParameterProblem { code: 0, pointer: 42 };
        assert!(!provoke(base(0x9e), Flags(0), field));
    }
}
