//! `icmp4-input`: ICMP messages for the router.
//!
//! - takes: packets for the router with protocol 1
//! - gives: echo, timestamp and probe requests, turned into replies in place, to `ip4-output`; errors
//!   about the router's own packets to `icmp4-learn`; the rest ends here
//! - obeys: RFC 792, RFC 1122 section 3.2.2; ledger 3.9 to 3.25, 3.27

use super::turn::{Silence, turn};
use crate::{
    dpdk::mbuf::{Flags, Packet},
    graph::{Cx, Edge, Frame, Node, Out, Reason, Snmp},
    neighbour::table::martian,
    packet::{
        checksum,
        icmp4::{MAX_TYPE, ty},
        ipv4::{Ipv4View, protocol},
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
const BROADCAST: u8 = 10;
const BOGUS: u8 = 11;
const NO_SESSION: u8 = 12;

/// What a message calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Reply,
    /// An error about a packet that somebody sent; true when it quotes enough to tell whose.
    Heard(bool),
    End(u8),
}

/// The decision of `icmp_rcv` after the checksum, in its order. The message has eight bytes or more.
fn call(message: &[u8], broadcast: bool, tunables: &Tunables) -> Call {
    let (kind, code) = (message[0], message[1]);
    let query = matches!(kind, ty::ECHO_REQUEST | ty::TIMESTAMP_REQUEST);
    if kind == ty::EXTENDED_ECHO_REQUEST {
        // Only about interfaces of the router itself, which the lowest bit says [RFC 8335].
        let answered = tunables.echo_probe && !tunables.echo_ignore_all && message[7] & 1 == 1;
        return if answered { Call::Reply } else { Call::End(IGNORED) };
    }
    if broadcast {
        let mask = matches!(kind, ty::ADDRESS_MASK_REQUEST | ty::ADDRESS_MASK_REPLY);
        if query && tunables.echo_ignore_broadcasts || !query && !mask {
            return Call::End(BROADCAST);
        }
    }
    let quoted = message.get(8..).unwrap_or_default();
    let header_len = quoted.first().map_or(0, |first| usize::from(first & 0x0f) * 4);
    let whole = quoted.len() >= header_len + 8;
    match (kind, code) {
        (ty::ECHO_REQUEST, _) if tunables.echo_ignore_all => Call::End(IGNORED),
        (ty::ECHO_REQUEST, _) => Call::Reply,
        (ty::TIMESTAMP_REQUEST, _) if quoted.len() >= 4 => Call::Reply,
        (ty::TIMESTAMP_REQUEST, _) => Call::End(BAD_QUOTE),
        // An error must quote a header and eight bytes behind it [3.12].
        (3 | 4 | 5 | 11 | 12, _) if quoted.len() < 20 => Call::End(BAD_QUOTE),
        (3 | 4 | 11 | 12, _) if header_len < 20 => Call::End(BAD_QUOTE),
        // Of no use to who sent the packet.
        (3, 16..) | (11, 1) => Call::End(CONSUMED),
        (5, _) if !whole => Call::End(BAD_QUOTE),
        (3 | 4 | 5 | 11 | 12, _) => Call::Heard(whole),
        (ty::EXTENDED_ECHO_REPLY, _) => Call::End(CONSUMED),
        (kind, _) if kind > MAX_TYPE => Call::End(UNKNOWN),
        _ => Call::End(CONSUMED),
    }
}

/// Whether an error is about a packet to a broadcast address, which nobody may complain of
/// (`icmp_ignore_bogus_error_responses`).
fn is_bogus(message: &[u8], iface: u16, cx: &Cx<'_, Tables>) -> bool {
    if cx.tables.tunables.ignore_bogus_errors || message[0] == ty::REDIRECT {
        return false;
    }
    let quoted = message.get(8..).and_then(|quoted| quoted.first_chunk::<20>());
    quoted.is_some_and(|&[.., a, b, c, d]| {
        cx.tables.is_broadcast(cx.tables.vrf(iface), [a, b, c, d].into())
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
        && quoted.get(header.header_len()) == Some(&ty::ECHO_REPLY)
        && cx.tables.owns(iface, header.src())
}

/// Whether a message is about one of the router's own probes.
fn expected(message: &[u8], cx: &Cx<'_, Tables>) -> bool {
    cx.tables.expected.as_ref().is_some_and(|expected| expected.wants(message))
}

fn one(packet: &mut Packet, cx: &Cx<'_, Tables>) -> u8 {
    let (broadcast, iface) = (packet.flags().any(Flags::IP_BROADCAST), packet.iface());
    let bytes = packet.data().get(packet.l3()..).unwrap_or_default();
    let Ok(ip) = Ipv4View::new_checked(bytes) else {
        return TRUNCATED;
    };
    let message = ip.payload();
    if checksum::sum(message) != 0xffff {
        return CHECKSUM;
    }
    if message.len() < 8 {
        return TRUNCATED;
    }
    cx.count_icmp_in(message[0]);
    match call(message, broadcast, &cx.tables.tunables) {
        Call::Reply => match turn(packet, cx, broadcast) {
            Ok(()) => REPLY,
            Err(Silence::Truncated) => TRUNCATED,
            Err(Silence::NoRoute) => NO_ROUTE,
            Err(Silence::NoBuffer) => NO_BUFFER,
            Err(Silence::HeldBack) => IGNORED,
        },
        Call::Heard(_) if is_bogus(message, iface, cx) => {
            packet.set_note(martian::BOGUS_ERROR);
            BOGUS
        }
        Call::Heard(false) => BAD_QUOTE,
        Call::Heard(true) if expected(message, cx) => LEARN,
        Call::Heard(true) if teaches(message, iface, cx) => LEARN,
        // The protocols that look for the session that is meant; the router has none.
        Call::Heard(true) if matches!(message.get(17), Some(&(protocol::TCP | protocol::UDP))) => {
            NO_SESSION
        }
        Call::Heard(true) => CONSUMED,
        Call::End(CONSUMED) if message[0] == ty::ECHO_REPLY && expected(message, cx) => LEARN,
        Call::End(edge) => edge,
    }
}

impl Node<Tables> for Icmp4Input {
    fn name(&self) -> &'static str {
        "icmp4-input"
    }

    fn edges(&self) -> &'static [Edge] {
        &[
            Edge::Arc("ip4-local-out"),
            Edge::Drop(Reason::IcmpTruncated),
            Edge::Drop(Reason::IcmpChecksum),
            Edge::Drop(Reason::IcmpUnknownType),
            Edge::Drop(Reason::IcmpConsumed),
            Edge::Drop(Reason::IcmpBadQuote),
            Edge::Drop(Reason::IcmpIgnored),
            Edge::Drop(Reason::OutNoRoute),
            Edge::Drop(Reason::NoBuffer),
            Edge::To("icmp4-learn"),
            Edge::Drop(Reason::IcmpBroadcast),
            Edge::To("martian-log"),
            Edge::Drop(Reason::IcmpNoSession),
        ]
    }

    fn process(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame, out: &mut Out) {
        cx.count(Snmp::IcmpInMsgs, frame.len() as u64);
        for (index, packet) in frame.iter_mut().enumerate() {
            out.set(index, one(packet, cx));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: u8, len: usize, broadcast: bool, tunables: &Tunables) -> Call {
        let mut message = vec![0; len];
        message[0] = kind;
        if len > 8 {
            message[8] = 0x45;
        }
        call(&message, broadcast, tunables)
    }

    fn plain(kind: u8, broadcast: bool) -> Call {
        of(kind, 36, broadcast, &Tunables::default())
    }

    #[test]
    fn echo_and_timestamp_are_answered_and_nothing_else() {
        for kind in 0..=255 {
            let answered = plain(kind, false) == Call::Reply;
            let queries = [ty::ECHO_REQUEST, ty::TIMESTAMP_REQUEST];
            assert_eq!(answered, queries.contains(&kind), "type {kind}");
        }
        assert_eq!(plain(19, false), Call::End(UNKNOWN));
        assert_eq!(plain(ty::EXTENDED_ECHO_REPLY, false), Call::End(CONSUMED));
        assert_eq!(plain(ty::ADDRESS_MASK_REQUEST, false), Call::End(CONSUMED));
    }

    /// Shows [3.12].
    #[test]
    fn an_error_must_quote_a_header_and_eight_bytes() {
        let tunables = Tunables::default();
        for kind in [3, 4, 11, 12] {
            assert_eq!(of(kind, 36, false, &tunables), Call::Heard(true));
            assert_eq!(of(kind, 35, false, &tunables), Call::Heard(false));
            assert_eq!(of(kind, 27, false, &tunables), Call::End(BAD_QUOTE));
        }
        assert_eq!(of(5, 35, false, &tunables), Call::End(BAD_QUOTE));
        let mut message = [0; 36];
        (message[0], message[8]) = (3, 0x44);
        assert_eq!(call(&message, false, &tunables), Call::End(BAD_QUOTE), "no header");
        (message[1], message[8]) = (16, 0x45);
        assert_eq!(call(&message, false, &tunables), Call::End(CONSUMED), "no such code");
    }

    #[test]
    fn sysctls_silence_echo() {
        let quiet = Tunables { echo_ignore_all: true, ..Tunables::default() };
        assert_eq!(of(8, 8, false, &quiet), Call::End(IGNORED));
        assert_eq!(plain(8, true), Call::End(BROADCAST));
        let loud = Tunables { echo_ignore_broadcasts: false, ..Tunables::default() };
        assert_eq!(of(8, 8, true, &loud), Call::Reply);
        assert_eq!(of(0, 8, true, &loud), Call::End(BROADCAST));
        let probed = Tunables { echo_probe: true, ..Tunables::default() };
        let request =
            |tunables: &Tunables, local| call(&[42, 0, 0, 0, 0, 1, 1, local], false, tunables);
        assert_eq!(request(&probed, 1), Call::Reply);
        assert_eq!(request(&probed, 0), Call::End(IGNORED));
        assert_eq!(request(&Tunables::default(), 1), Call::End(IGNORED));
    }
}
