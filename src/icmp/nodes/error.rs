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
    icmp::table::{Cause, Verdict},
    packet::{
        checksum,
        ipv4::{self, Ipv4Spec, Ipv4View, protocol},
    },
    tables::Tables,
};

/// The node.
pub struct Icmp4Error;

const DROP: u8 = 0;
const SEND: u8 = 1;

/// An ICMP datagram stays within what every host accepts [3.8].
const MAX_TOTAL: usize = 576;
const ICMP_HEADER: usize = 8;
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
        Cause::FragNeeded => {
            let [high, low] = mtu.to_be_bytes();
            [0, 0, high, low]
        }
        Cause::Option => [pointer, 0, 0, 0],
        Cause::Redirect => gateway.octets(),
        _ => [0; 4],
    }
}

/// Source of the error [3.34].
fn source(culprit: &Packet, ip: &Ipv4View<'_>, hop: u32, cx: &Cx<'_, Tables>) -> Option<Ipv4Addr> {
    if cx.tables.locals.contains(cx.tables.vrf(culprit.iface()), ip.dst()) {
        return Some(ip.dst());
    }
    if cx.tables.tunables.errors_use_inbound
        && let Some(iface) = cx.tables.ifaces.get(culprit.iface())
        && let Some(address) = iface.select_address(ip.src())
    {
        return Some(address);
    }
    reply::source(cx, hop, ip.src())
}

fn answer(culprit: &Packet, cx: &Cx<'_, Tables>) -> Option<Packet> {
    let (cause, pointer) = Cause::from_note(culprit.note());
    let bytes = culprit.data().get(culprit.l3()..)?;
    // A datagram that was shorter than its packet has been cut, and the header still counts it all.
    let ip = Ipv4View::new_quoted(bytes).ok()?;
    if cause == Cause::None || !may_provoke(&ip, culprit.flags()) {
        return None;
    }
    let by_route = matches!(
        cause,
        Cause::NetUnreachable | Cause::RuleUnreachable | Cause::HostUnreachable | Cause::Prohibited
    );
    if by_route && !cx.tables.limits.allow_route_error(ip.src(), cx.now) {
        cx.count(Snmp::IcmpOutRateLimitHost, 1);
        return None;
    }
    let (kind, code) = cause.message();
    let hop = reply::way(cx, ip.src(), ip.dst(), ip.tos(), culprit.iface())?;
    let src = source(culprit, &ip, hop, cx)?;
    let tables = cx.tables;
    match tables.limits.allow(&tables.tunables.icmp, kind, code, ip.src(), cx.now) {
        Verdict::Allowed => {}
        Verdict::TargetLimited => {
            cx.count(Snmp::IcmpOutRateLimitHost, 1);
            return None;
        }
        Verdict::GloballyLimited => {
            cx.count(Snmp::IcmpOutRateLimitGlobal, 1);
            return None;
        }
    }
    let room = usize::from(tables.hops.get(hop).out().mtu).min(MAX_TOTAL) - 20 - ICMP_HEADER;
    let quote = bytes.get(..usize::from(ip.total_len()).min(room).min(bytes.len()))?;
    let header = Ipv4Spec {
        // The culprit's type of service with the precedence of network control [3.40].
        tos: ip.tos() & 0x1e | 0xc0,
        id: tables.limits.next_id(),
        fragment_word: 0,
        ttl: reply::ttl(cx, hop),
        protocol: protocol::ICMP,
        src,
        dst: ip.src(),
        options: &[],
        payload_len: ICMP_HEADER + quote.len(),
    };
    let Some(mut packet) = reply::new(cx, hop, &header, culprit) else {
        cx.count(Snmp::IcmpOutErrors, 1);
        return None;
    };
    let message = packet.data_mut().get_mut(reply::LINK_ROOM + 20..)?;
    // The MTU that failed is that of the way the culprit would have taken.
    let meant = tables.hops.get(culprit.hop());
    let (mtu, gateway) = (meant.out().mtu, meant.gateway().unwrap_or(ip.dst()));
    message[..2].copy_from_slice(&[kind, code]);
    message[4..8].copy_from_slice(&info(cause, pointer, mtu, gateway));
    message[ICMP_HEADER..].copy_from_slice(quote);
    let sum = checksum::checksum(message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    cx.count(Snmp::IcmpOutMsgs, 1);
    cx.count(
        match kind {
            11 => Snmp::IcmpOutTimeExcds,
            12 => Snmp::IcmpOutParmProbs,
            5 => Snmp::IcmpOutRedirects,
            _ => Snmp::IcmpOutDestUnreachs,
        },
        1,
    );
    Some(packet)
}

impl Node<Tables> for Icmp4Error {
    fn name(&self) -> &'static str {
        "icmp4-error"
    }

    fn edges(&self) -> &'static [Edge] {
        &[Edge::DropMarked, Edge::To("ip4-output")]
    }

    fn process(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame, out: &mut Out) {
        for (index, culprit) in frame.iter().enumerate() {
            if let Some(packet) = answer(culprit, cx)
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
