//! `icmp4-input`: ICMP messages for the router.
//!
//! - takes: packets for the router with protocol 1
//! - gives: echo and timestamp requests, turned into replies in place, to `ip4-output`; the rest
//!   ends here
//! - obeys: RFC 792, RFC 1122 section 3.2.2; ledger 3.9 to 3.25, 3.27

use std::net::Ipv4Addr;

use super::reply;
use crate::{
    dpdk::mbuf::{Flags, Packet},
    graph::{Cx, Edge, Frame, Node, Out, Reason, Snmp},
    icmp::table::Verdict,
    packet::{
        checksum,
        ipv4::{Ipv4Spec, Ipv4View, protocol},
    },
    tables::{Tables, Tunables},
};

/// The node.
pub struct Icmp4Input;

const REPLY: u8 = 0;
const TRUNCATED: u8 = 1;
const CHECKSUM: u8 = 2;
const UNKNOWN: u8 = 3;
const CONSUMED: u8 = 4;
const BAD_QUOTE: u8 = 5;
const IGNORED: u8 = 6;
const NO_ROUTE: u8 = 7;
const NO_BUFFER: u8 = 8;
const LEARN: u8 = 9;

const ECHO_REPLY: u8 = 0;
const ECHO: u8 = 8;
const TIMESTAMP: u8 = 13;
const TIMESTAMP_REPLY: u8 = 14;
const ADDRESS_MASK: u8 = 17;
const ADDRESS_MASK_REPLY: u8 = 18;

/// What a message calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Reply,
    End(u8),
}

/// The decision of `icmp_rcv` after the checksum, in its order.
fn call(kind: u8, message: &[u8], broadcast: bool, tunables: &Tunables) -> Call {
    if kind > ADDRESS_MASK_REPLY {
        return Call::End(UNKNOWN);
    }
    let query = matches!(kind, ECHO | TIMESTAMP);
    if broadcast {
        if query && tunables.echo_ignore_broadcasts {
            return Call::End(IGNORED);
        }
        if !query && !matches!(kind, ADDRESS_MASK | ADDRESS_MASK_REPLY) {
            return Call::End(IGNORED);
        }
    }
    match kind {
        ECHO if tunables.echo_ignore_all => Call::End(IGNORED),
        ECHO => Call::Reply,
        TIMESTAMP if message.len() >= 12 => Call::Reply,
        TIMESTAMP => Call::End(BAD_QUOTE),
        3 | 4 | 5 | 11 | 12 => {
            // An error must quote a header and eight bytes behind it [3.12].
            let quoted = message.get(8..).unwrap_or_default();
            let whole = Ipv4View::new_quoted(quoted)
                .is_ok_and(|header| quoted.len() >= header.header_len() + 8);
            Call::End(if whole { CONSUMED } else { BAD_QUOTE })
        }
        _ => Call::End(CONSUMED),
    }
}

fn counter(kind: u8) -> Option<Snmp> {
    Some(match kind {
        ECHO_REPLY => Snmp::IcmpInEchoReps,
        3 => Snmp::IcmpInDestUnreachs,
        4 => Snmp::IcmpInSrcQuenchs,
        5 => Snmp::IcmpInRedirects,
        ECHO => Snmp::IcmpInEchos,
        11 => Snmp::IcmpInTimeExcds,
        12 => Snmp::IcmpInParmProbs,
        TIMESTAMP => Snmp::IcmpInTimestamps,
        TIMESTAMP_REPLY => Snmp::IcmpInTimestampReps,
        ADDRESS_MASK => Snmp::IcmpInAddrMasks,
        ADDRESS_MASK_REPLY => Snmp::IcmpInAddrMaskReps,
        _ => return None,
    })
}

/// Whether an error tells of a path, and of one that the router itself has sent to: the kernel
/// believes what quotes an echo reply, which it has made without a socket (`icmp_err`).
fn teaches(message: &[u8], iface: u16, cx: &Cx<'_, Tables>) -> bool {
    if !matches!(message[..2], [3, 4] | [5, 0..=3]) {
        return false;
    }
    let quoted = message.get(8..).unwrap_or_default();
    let Ok(header) = Ipv4View::new_quoted(quoted) else { return false };
    header.protocol() == protocol::ICMP
        && quoted.get(header.header_len()) == Some(&ECHO_REPLY)
        && cx.tables.locals.contains(cx.tables.vrf(iface), header.src())
}

/// Milliseconds since midnight UTC.
fn since_midnight(cx: &Cx<'_, Tables>) -> u32 {
    ((cx.now + cx.wall_offset) / 1_000_000 % 86_400_000) as u32
}

/// Turns a request into its reply, in its own buffer.
fn turn(packet: &mut Packet, cx: &Cx<'_, Tables>, broadcast: bool) -> u8 {
    let l3 = packet.l3();
    let bytes = packet.data().get(l3..).unwrap_or_default();
    let Ok(ip) = Ipv4View::new_checked(bytes) else {
        return TRUNCATED;
    };
    let (src, dst, tos, header_len) = (ip.src(), ip.dst(), ip.tos(), ip.header_len());
    let kind = ip.payload().first().copied().unwrap_or_default();
    let reply_type = if kind == ECHO { ECHO_REPLY } else { TIMESTAMP_REPLY };
    let payload_len = match reply_type {
        ECHO_REPLY => ip.payload().len(),
        _ => 20,
    };
    let Some(hop) = reply::way(cx, src, dst, tos, packet.iface()) else {
        return NO_ROUTE;
    };
    let address: Ipv4Addr = match broadcast {
        false => dst,
        true => match reply::source(cx, hop, src) {
            Some(address) => address,
            None => return NO_ROUTE,
        },
    };
    let limits = &cx.tables.limits;
    if limits.allow(&cx.tables.tunables.icmp, reply_type, 0, src, cx.now) != Verdict::Allowed {
        return IGNORED;
    }
    // Options of the request are not carried over yet, so the header may shrink to 20 bytes.
    let start = l3 + header_len - 20;
    if !packet.resize(l3 + header_len + payload_len) {
        return NO_BUFFER;
    }
    let header = Ipv4Spec {
        tos,
        id: cx.tables.limits.next_id(),
        fragment_word: 0,
        ttl: reply::ttl(cx, hop),
        protocol: protocol::ICMP,
        src: address,
        dst: src,
        options: &[],
        payload_len,
    };
    packet.pull(start - start.min(l3));
    let at = start.min(l3);
    let Some(bytes) = packet.data_mut().get_mut(at..) else {
        return NO_BUFFER;
    };
    if header.emit(bytes).is_err() {
        return NO_BUFFER;
    }
    let Some(message) = bytes.get_mut(20..) else {
        return NO_BUFFER;
    };
    // The code of an echo comes back as it was.
    message[0] = reply_type;
    if reply_type == TIMESTAMP_REPLY {
        message[1] = 0;
        let now = since_midnight(cx).to_be_bytes();
        message[12..16].copy_from_slice(&now);
        message[16..20].copy_from_slice(&now);
    }
    message[2..4].fill(0);
    let sum = checksum::checksum(message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    packet.begin(cx.tables.hops.get(hop).out().iface, at as u8, Flags::LOCAL_OUT);
    packet.set_hop(hop);
    cx.count(Snmp::IcmpInMsgs, 1);
    cx.count(Snmp::IcmpOutMsgs, 1);
    cx.count(Snmp::OutRequests, 1);
    let sent = if kind == ECHO { Snmp::IcmpOutEchoReps } else { Snmp::IcmpOutTimestampReps };
    cx.count(sent, 1);
    REPLY
}

fn one(packet: &mut Packet, cx: &Cx<'_, Tables>) -> u8 {
    let broadcast = packet.flags().any(Flags::IP_BROADCAST);
    let bytes = packet.data().get(packet.l3()..).unwrap_or_default();
    let Ok(ip) = Ipv4View::new_checked(bytes) else {
        return TRUNCATED;
    };
    let message = ip.payload();
    if message.len() < 8 {
        return TRUNCATED;
    }
    if checksum::sum(message) != 0xffff {
        return CHECKSUM;
    }
    let kind = message[0];
    if let Some(counter) = counter(kind) {
        cx.count(counter, 1);
    }
    match call(kind, message, broadcast, &cx.tables.tunables) {
        Call::Reply => turn(packet, cx, broadcast),
        Call::End(CONSUMED) if teaches(message, packet.iface(), cx) => LEARN,
        Call::End(edge) => edge,
    }
}

impl Node<Tables> for Icmp4Input {
    fn name(&self) -> &'static str {
        "icmp4-input"
    }

    fn edges(&self) -> &'static [Edge] {
        &[
            Edge::To("ip4-output"),
            Edge::Drop(Reason::IcmpTruncated),
            Edge::Drop(Reason::IcmpChecksum),
            Edge::Drop(Reason::IcmpUnknownType),
            Edge::Drop(Reason::IcmpConsumed),
            Edge::Drop(Reason::IcmpBadQuote),
            Edge::Drop(Reason::IcmpIgnored),
            Edge::Drop(Reason::OutNoRoute),
            Edge::Drop(Reason::NoBuffer),
            Edge::To("icmp4-learn"),
        ]
    }

    fn process(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame, out: &mut Out) {
        for (index, packet) in frame.iter_mut().enumerate() {
            out.set(index, one(packet, cx));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(kind: u8, broadcast: bool) -> Call {
        call(kind, &[0; 28], broadcast, &Tunables::default())
    }

    #[test]
    fn echo_and_timestamp_are_answered_and_nothing_else() {
        for kind in 0..=255 {
            let answered = plain(kind, false) == Call::Reply;
            assert_eq!(answered, matches!(kind, ECHO | TIMESTAMP), "type {kind}");
        }
        assert_eq!(plain(19, false), Call::End(UNKNOWN));
        assert_eq!(plain(ADDRESS_MASK, false), Call::End(CONSUMED));
        assert_eq!(plain(3, false), Call::End(BAD_QUOTE));
    }

    #[test]
    fn sysctls_silence_echo() {
        let quiet = Tunables { echo_ignore_all: true, ..Tunables::default() };
        assert_eq!(call(ECHO, &[0; 8], false, &quiet), Call::End(IGNORED));
        assert_eq!(plain(ECHO, true), Call::End(IGNORED));
        let loud = Tunables { echo_ignore_broadcasts: false, ..Tunables::default() };
        assert_eq!(call(ECHO, &[0; 8], true, &loud), Call::Reply);
        assert_eq!(call(ECHO_REPLY, &[0; 8], true, &loud), Call::End(IGNORED));
    }
}
