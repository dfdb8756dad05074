//! `icmp4-error`: tells a packet's sender why it did not arrive.
//!
//! - takes: packets that end here, with a [`Cause`] noted
//! - gives: an error to `ip4-output` where the rules allow one; the packet itself is dropped for
//!   the cause's reason
//! - obeys: RFC 792, RFC 1122 section 3.2.2, RFC 1812 section 4.3.2; ledger 3.8, 3.30 to 3.40 in that
//!   order, 3.53 to 3.58

use std::net::Ipv4Addr;

use super::reply;
use crate::{
    dpdk::mbuf::{Flags, Packet},
    graph::{Cx, Edge, Frame, Node, Out, Snmp},
    icmp::table::Cause,
    packet::{
        Flow, checksum,
        ipv4::{self, Compiled, Ipv4Spec, Ipv4View, protocol},
    },
    route::table::HopKind,
    tables::{Here, Tables},
};

/// The node.
pub struct Icmp4Error;

const DROP: u8 = 0;
const SEND: u8 = 1;

/// An ICMP datagram stays within what every host accepts [3.8].
const MAX_TOTAL: usize = 576;
const ICMP_HEADER: usize = 8;
/// Stands for the source where the router has no address at all (`INADDR_DUMMY`).
const NOBODY: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 8);
/// Highest type that is defined; above it a message counts as an error [3.33].
const MAX_TYPE: u8 = 18;

/// True for a type that is an error or unknown [3.9].
fn is_error(kind: u8) -> bool {
    // What the kernel has no definition for counts as an error as well.
    matches!(kind, 1..=7 | 9..=12) || kind > MAX_TYPE
}

/// Whether the rules let a packet provoke an error at all [3.31 to 3.33].
fn may_provoke(ip: &Ipv4View<'_>, flags: Flags) -> bool {
    let foreign = Flags::L2_BROADCAST.with(Flags::L2_MULTICAST).with(Flags::IP_BROADCAST);
    if flags.any(foreign) || ipv4::is_multicast(ip.dst().to_bits()) || ip.fragment_offset() != 0 {
        return false;
    }
    // Too short to show its type, it may be an error: nothing is sent.
    ip.protocol() != protocol::ICMP || ip.payload().first().is_some_and(|kind| !is_error(*kind))
}

/// The 32 bits behind the checksum [3.37].
fn info(cause: Cause, pointer: u8, mtu: u16, gateway: Ipv4Addr) -> [u8; 4] {
    match cause {
        Cause::FragNeeded | Cause::FragNeededBeyond => {
            let [high, low] = mtu.to_be_bytes();
            [0, 0, high, low]
        }
        Cause::Option | Cause::SourceRoute => [pointer, 0, 0, 0],
        Cause::Redirect => gateway.octets(),
        _ => [0; 4],
    }
}

/// Whether the culprit was to be delivered here.
fn was_for_us(culprit: &Packet, ip: &Ipv4View<'_>, tables: &Tables) -> bool {
    let vrf = tables.vrf(culprit.iface());
    if vrf == 0 || tables.locals.contains(vrf, ip.dst()) {
        return tables.locals.contains(vrf, ip.dst());
    }
    // From a VRF an address outside is within reach if the rules say so.
    let bytes = culprit.data().get(culprit.l3()..).unwrap_or_default();
    tables.locals.contains(0, ip.dst())
        && tables.hops.get(tables.route(&Flow::of(bytes, culprit.iface(), vrf))).kind()
            == HopKind::Local
}

/// Source of the error, where it does not depend on the way it takes [3.34].
fn source(
    culprit: &Packet,
    ip: &Ipv4View<'_>,
    options: Compiled,
    cx: &Cx<'_, Tables>,
) -> Option<Ipv4Addr> {
    // Whatever was delivered was for the router, be it by a route alone.
    let (cause, _) = Cause::from_note(culprit.note());
    let delivered = matches!(cause, Cause::PortUnreachable | Cause::ProtocolUnreachable);
    // What goes on by a source route was not for the router alone.
    let ours = was_for_us(culprit, ip, cx.tables);
    if (ours || delivered) && !options.is_rerouted() {
        return Some(ip.dst());
    }
    if !cx.tables.tunables.errors_use_inbound {
        return None;
    }
    cx.tables.ifaces.get(culprit.iface())?.select_address(ip.src())
}

/// What is known of the culprit's options. A packet that waited for its neighbour has them read
/// anew, as the kernel does; `None` when they are not sound any more.
fn options(culprit: &mut Packet, cause: Cause, cx: &Cx<'_, Tables>) -> Option<Compiled> {
    let (l3, iface) = (culprit.l3(), culprit.iface());
    if cause != Cause::NeighbourFailed {
        return Some(reply::options(culprit));
    }
    let bytes = culprit.data_mut().get_mut(l3..)?;
    let len = usize::from(bytes.first()? & 0x0f) * 4;
    let header = bytes.get_mut(..len).filter(|header| header.len() > ipv4::HEADER_LEN);
    let Some(header) = header else { return Some(Compiled::default()) };
    let here = Here::new(cx, header, iface, false);
    let (compiled, sound) = Compiled::new(header, &here);
    sound.ok().map(|()| compiled)
}

fn answer(culprit: &mut Packet, cx: &Cx<'_, Tables>) -> Option<Packet> {
    let (cause, pointer) = Cause::from_note(culprit.note());
    // A datagram that was shorter than its packet has been cut, and the header still counts it all.
    let ip = Ipv4View::new_quoted(culprit.data().get(culprit.l3()..)?).ok()?;
    let by_route = matches!(
        cause,
        Cause::NetUnreachable | Cause::RuleUnreachable | Cause::HostUnreachable | Cause::Prohibited
    );
    if by_route && !cx.tables.limits.allow_route_error(ip.src(), cx.now) {
        cx.count(Snmp::IcmpOutRateLimitHost, 1);
        return None;
    }
    // Only now, so that what provokes no error counts in that limit as well (`ip_error`).
    if cause == Cause::None || !may_provoke(&ip, culprit.flags()) {
        return None;
    }
    let compiled = options(culprit, cause, cx)?;
    let culprit = &*culprit;
    let bytes = culprit.data().get(culprit.l3()..)?;
    let ip = Ipv4View::new_quoted(bytes).ok()?;
    let (kind, code) = match cause {
        Cause::Rejected => (3, pointer),
        cause => cause.message(),
    };
    let here = Here::new(cx, ip.header(), culprit.iface(), false);
    let mut echo = compiled.echo(ip.header(), &here)?;
    let dst = echo.first_hop().unwrap_or(ip.src());
    let stated = source(culprit, &ip, compiled, cx);
    let from = stated.unwrap_or(Ipv4Addr::UNSPECIFIED);
    // What a rule refuses the router itself comes back to it.
    let vrf = cx.tables.vrf(culprit.iface());
    let to_self = culprit.flags().any(Flags::LOCAL_OUT) && cx.tables.locals.contains(vrf, ip.src());
    let stated = if to_self { Some(dst) } else { stated };
    let hop = match to_self {
        true => 0,
        false => reply::way(cx, dst, from, ip.tos(), culprit)?,
    };
    let src = stated.or_else(|| cx.tables.source_on(hop, dst)).unwrap_or(NOBODY);
    if !reply::allowed(cx, kind, code, dst) {
        return None;
    }
    let tables = cx.tables;
    let link = if to_self { MAX_TOTAL } else { tables.hops.get(hop).out().mtu.into() };
    let most = link.min(MAX_TOTAL);
    let room = most.checked_sub(ipv4::HEADER_LEN + echo.len() + ICMP_HEADER)?;
    // A message that cannot even quote a header is of no use.
    if room <= ipv4::HEADER_LEN {
        return None;
    }
    let quote = bytes.get(..usize::from(ip.total_len()).min(room).min(bytes.len()))?;
    let header = Ipv4Spec {
        // The culprit's type of service with the precedence of network control [3.40].
        tos: ip.tos() & 0x1e | 0xc0,
        id: tables.limits.next_id(),
        fragment_word: 0,
        ttl: reply::ttl(cx, hop),
        protocol: protocol::ICMP,
        src,
        dst,
        options: echo.finish(src, ip.src(), cx.since_midnight()),
        payload_len: ICMP_HEADER + quote.len(),
    };
    let Some(mut packet) = reply::new(cx, hop, &header, culprit) else {
        cx.count(Snmp::IcmpOutErrors, 1);
        return None;
    };
    let at = reply::LINK_ROOM + header.header_len();
    let message = packet.data_mut().get_mut(at..)?;
    // The MTU that failed is that of the way the culprit would have taken.
    let meant = tables.hops.get(culprit.hop());
    let (mtu, gateway) = (meant.out().mtu, meant.gateway().unwrap_or(ip.dst()));
    let mtu = if cause == Cause::FragNeededBeyond { culprit.hash() as u16 } else { mtu };
    message[..2].copy_from_slice(&[kind, code]);
    message[4..8].copy_from_slice(&info(cause, pointer, mtu, gateway));
    message[ICMP_HEADER..].copy_from_slice(quote);
    let sum = checksum::checksum(message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    cx.count_icmp_out(kind);
    packet.attach(culprit);
    if to_self {
        packet.loops(culprit.iface());
    }
    Some(packet)
}

/// A packet that called for a redirect goes on, and the redirect before it.
fn go_on(culprit: &mut Packet, answer: Option<Packet>, cx: &Cx<'_, Tables>, out: &mut Out) {
    cx.count(Snmp::ForwDatagrams, 1);
    let Some(mut first) = answer else { return };
    std::mem::swap(culprit, &mut first);
    if let Err(second) = out.emit(SEND, first) {
        // Without room the sender is told another time.
        *culprit = second;
        cx.count(Snmp::IcmpOutErrors, 1);
    }
}

impl Node<Tables> for Icmp4Error {
    fn name(&self) -> &'static str {
        "icmp4-error"
    }

    fn edges(&self) -> &'static [Edge] {
        &[Edge::DropMarked, Edge::Arc("ip4-local-out")]
    }

    fn process(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame, out: &mut Out) {
        for (index, culprit) in frame.iter_mut().enumerate() {
            let answer = answer(culprit, cx);
            if Cause::from_note(culprit.note()).0 == Cause::Redirect {
                go_on(culprit, answer, cx, out);
                out.set(index, SEND);
                continue;
            }
            if let Some(packet) = answer
                && out.emit(SEND, packet).is_err()
            {
                cx.count(Snmp::IcmpOutErrors, 1);
            }
            out.set(index, DROP);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provoke(flags: Flags, dst: [u8; 4], fragment_word: u16, protocol: u8, first: u8) -> bool {
        let mut bytes = [0; 28];
        let spec = Ipv4Spec {
            tos: 0,
            id: 1,
            fragment_word,
            ttl: 1,
            protocol,
            src: [192, 0, 2, 1].into(),
            dst: dst.into(),
            options: &[],
            payload_len: 8,
        };
        spec.emit(&mut bytes).unwrap();
        bytes[20] = first;
        may_provoke(&Ipv4View::new_checked(&bytes).unwrap(), flags)
    }

    #[test]
    fn no_error_about_broadcast_multicast_later_fragments_or_errors() {
        let host = [198, 51, 100, 1];
        assert!(provoke(Flags(0), host, 0, 17, 0));
        assert!(provoke(Flags(0), host, 0x2000, 17, 0), "a first fragment may");
        assert!(provoke(Flags(0), host, 0, 1, 8), "an echo request may");
        assert!(!provoke(Flags::L2_BROADCAST, host, 0, 17, 0));
        assert!(!provoke(Flags::IP_BROADCAST, host, 0, 17, 0));
        assert!(!provoke(Flags(0), [239, 1, 1, 1], 0, 17, 0));
        assert!(!provoke(Flags(0), host, 1, 17, 0), "a later fragment");
        for kind in [1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 19, 42, 255] {
            assert!(!provoke(Flags(0), host, 0, 1, kind), "ICMP type {kind}");
        }
    }

    const WAY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);

    #[test]
    fn the_info_word_tells_the_mtu_or_the_offset() {
        assert_eq!(info(Cause::FragNeeded, 0, 1400, WAY), [0, 0, 5, 0x78]);
        assert_eq!(info(Cause::Redirect, 0, 1400, WAY), [192, 0, 2, 9]);
        assert_eq!(info(Cause::Option, 21, 1400, WAY), [21, 0, 0, 0]);
        assert_eq!(info(Cause::TtlExceeded, 0, 1400, WAY), [0; 4]);
    }
}
