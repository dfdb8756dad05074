//! `ip6-local`: packets for the router itself, header by header.
//!
//! - takes: IPv6 packets whose destination is this router's, or a group it has joined
//! - gives: ICMPv6 to `icmp6-input`, TCP without a listener to `tcp6-reset`, fragments to
//!   `ip6-reassemble-local`, from where they come back whole; the next segment of a segment routing header to
//!   `ip6-lookup`, what the last one carries to its own input; errors to `icmp6-error`
//! - obeys: RFC 8200 section 4, RFC 8754 section 4.3; `ip6_protocol_deliver_rcu`; ledger 8.28 to 8.37,
//!   8.46 to 8.50, 8.58 to 8.61, 8.96 to 8.101

use super::segments;
use crate::{
    dpdk::mbuf::{Flags, Packet},
    graph::{Cx, Edge, Frame, Node, Out, Reason, Snmp},
    icmp6::table::Cause6,
    ip6::table::Parsed,
    packet::{
        checksum, icmp6,
        ipv4::protocol,
        ipv6::{
            Ipv6View, field,
            fragment::{self, FragmentHeader},
            next_header,
            option::{Discard, Place, Verdict, walk},
            routing::{self, RoutingView},
        },
        tcp::TcpView,
    },
    tables::Tables,
};

/// The node.
pub struct Ip6Local;

const ICMP: u8 = 0;
const TCP: u8 = 1;
const ERROR: u8 = 2;
const REASSEMBLY: u8 = 3;
pub(super) const SEGMENT: u8 = 4;
pub(super) const INNER6: u8 = 5;
pub(super) const INNER4: u8 = 6;
const HEADER: u8 = 7;
const OPTIONS: u8 = 8;
const OPTIONS_TOO_LONG: u8 = 9;
const ROUTED_GROUP: u8 = 10;
pub(super) const SEGMENTS: u8 = 11;
const UDP_MALFORMED: u8 = 12;
const UDP_CHECKSUM: u8 = 13;
const UDP_GROUP: u8 = 14;
const TCP_MALFORMED: u8 = 15;
const TCP_CHECKSUM: u8 = 16;
const NOT_TAKEN: u8 = 17;
const DONE: u8 = 18;
const UNWANTED: u8 = 19;

/// UDP-Lite, whose length field tells how much of it the checksum covers.
const UDPLITE: u8 = protocol::UDPLITE;

/// What becomes of a packet after one of its headers.
pub(super) enum Step {
    /// It goes on to the next.
    On(Parsed),
    /// It leaves by an edge.
    Leave(u8),
    /// It ends, and its sender is told, with the pointer where there is one.
    Tell(Cause6, usize),
}
use Step::{Leave, On, Tell};

/// Whether a datagram is whole, and how long; the edge that names what is wrong if not. UDP-Lite has
/// in its length field how much of it the checksum covers.
fn check_udp(ip: &Ipv6View<'_>, segment: &[u8], lite: bool) -> Result<usize, u8> {
    let Some(head) = segment.first_chunk::<8>() else { return Err(UDP_MALFORMED) };
    let told = usize::from(u16::from_be_bytes([head[4], head[5]]));
    // What is too long for the field says so by zero.
    let covered = if told == 0 { segment.len() } else { told };
    if covered < 8 || covered > segment.len() {
        return Err(UDP_MALFORMED);
    }
    let len = if lite { segment.len() } else { covered };
    let number = if lite { UDPLITE } else { next_header::UDP };
    let pseudo = checksum::pseudo_header6(ip.src(), ip.dst(), number, len as u32);
    let sum = checksum::add(pseudo, checksum::sum(&segment[..covered]));
    if head[6..8] == [0, 0] || sum != 0xffff { Err(UDP_CHECKSUM) } else { Ok(len) }
}

fn udp(ip: &Ipv6View<'_>, segment: &[u8], lite: bool, group: bool) -> (Step, Option<usize>) {
    match check_udp(ip, segment, lite) {
        Err(edge) => (Leave(edge), None),
        Ok(_) if group => (Leave(UDP_GROUP), None),
        // What is behind the datagram is no part of it, and is not quoted.
        Ok(len) => (Tell(Cause6::PortUnreachable, 0), Some(len)),
    }
}

fn tcp(ip: &Ipv6View<'_>, segment: &[u8], foreign: bool) -> Step {
    Leave(match TcpView::new_checked(segment) {
        _ if foreign => NOT_TAKEN,
        Err(_) => TCP_MALFORMED,
        Ok(tcp) if !tcp.checksum_holds6(ip.src(), ip.dst()) => TCP_CHECKSUM,
        Ok(_) => TCP,
    })
}

/// Destination options [8.60, 8.61].
fn destination(bytes: &[u8], parsed: Parsed, cx: &Cx<'_, Tables>) -> Step {
    let limits = cx.tables.tunables.six.destination;
    match walk(bytes, parsed.at.into(), Place::Destination, limits) {
        Verdict::Accept(taken) => On(parsed.past(taken.len)),
        Verdict::Problem { code, pointer } => Tell(super::hop_by_hop::problem(code), pointer),
        Verdict::Discard(Discard::TooLong) => Leave(OPTIONS_TOO_LONG),
        Verdict::Discard(Discard::Truncated) => Leave(HEADER),
        Verdict::Discard(_) => Leave(OPTIONS),
    }
}

/// A routing header, in the order of `ipv6_rthdr_rcv` [8.47, 8.48].
fn route(packet: &mut Packet, parsed: Parsed, to_many: bool, cx: &Cx<'_, Tables>) -> Step {
    let at = usize::from(parsed.at);
    let bytes = packet.data().get(packet.l3()..).unwrap_or_default();
    let header = bytes.get(at..).map(RoutingView::new_checked);
    let Some(Ok(header)) = header else { return Leave(HEADER) };
    if to_many {
        return Leave(ROUTED_GROUP);
    }
    match header.ty() {
        routing::ty::SEGMENTS => segments::visit(packet, parsed, cx),
        // Of networks of low power it is no node.
        routing::ty::RPL => Leave(SEGMENTS),
        _ if header.segments_left() == 0 => {
            On(Parsed { source_routed: true, ..parsed.past(header.len()) })
        }
        // Type 2 leads to mobile nodes at home, of which it is none; type 0 nobody follows any more.
        _ => Tell(Cause6::HeaderField, at + routing::field::TYPE),
    }
}

/// A fragment header [8.52]: the only piece goes on, any other to where pieces are put together.
fn piece(bytes: &[u8], parsed: Parsed, cx: &Cx<'_, Tables>) -> Step {
    let at = usize::from(parsed.at);
    let header = bytes.get(at..).map(FragmentHeader::read);
    let whole = bytes.get(field::PAYLOAD_LEN) != Some(&[0, 0]);
    cx.count(Snmp::Ip6ReasmReqds, u64::from(!parsed.fragmented));
    match header {
        Some(Ok(header)) if whole && !parsed.fragmented => {
            if header.is_atomic() {
                cx.count(Snmp::Ip6ReasmOKs, 1);
                return On(Parsed { fragmented: true, ..parsed.past(fragment::LEN) });
            }
            if !has_upper_header(bytes, parsed) {
                return Tell(Cause6::HeadersIncomplete, 0);
            }
            Leave(REASSEMBLY)
        }
        _ => Tell(Cause6::HeaderField, at),
    }
}

/// Whether a first fragment has all headers up to that of the transport (RFC 8200 section 4.5); later
/// ones, and those whose chain does not end in sight, count as if.
pub(super) fn has_upper_header(bytes: &[u8], parsed: Parsed) -> bool {
    let number = bytes.get(usize::from(parsed.named_at)).copied().unwrap_or(next_header::NONE);
    let Some(upper) = crate::packet::ipv6::extension::skip(bytes, parsed.at.into(), number) else {
        return true;
    };
    let least = match upper.number {
        next_header::TCP => 20,
        next_header::UDP => 8,
        next_header::ICMPV6 => icmp6::HEADER_LEN,
        _ => 1,
    };
    upper.is_later_fragment() || upper.offset + least <= bytes.len()
}

/// Whether a packet to a group comes from a source from which the group is not wanted; what is said of
/// groups themselves is heard from everybody (RFC 3810 section 6) [8.97, 8.155, 8.157].
fn is_unwanted(
    iface: u16,
    ip: &Ipv6View<'_>,
    number: u8,
    rest: &[u8],
    cx: &Cx<'_, Tables>,
) -> bool {
    let refused = cx.tables.ifaces.get(iface).is_some_and(|own| !own.admits(ip.dst(), ip.src()));
    let kind = rest.first().copied().unwrap_or_default();
    refused && !(number == next_header::ICMPV6 && icmp6::is_listener_discovery(kind))
}

/// One header of a packet; and where the packet ends, when that is sooner than it is.
fn step(packet: &mut Packet, parsed: Parsed, cx: &Cx<'_, Tables>) -> (Step, Option<usize>) {
    let flags = packet.flags();
    let group = flags.any(Flags::IP_BROADCAST);
    let foreign = group || flags.any(Flags::L2_BROADCAST.with(Flags::L2_MULTICAST));
    let bytes = packet.data().get(packet.l3()..).unwrap_or_default();
    let Ok(ip) = Ipv6View::new_quoted(bytes) else { return (Leave(HEADER), None) };
    let at = usize::from(parsed.at);
    let (Some(&number), Some(rest)) = (bytes.get(usize::from(parsed.named_at)), bytes.get(at..))
    else {
        return (Leave(HEADER), None);
    };
    let only = |step: Step| (step, None);
    match number {
        next_header::ICMPV6 | next_header::TCP | next_header::UDP | UDPLITE
            if group && is_unwanted(packet.iface(), &ip, number, rest, cx) =>
        {
            only(Leave(UNWANTED))
        }
        next_header::ROUTING => only(route(packet, parsed, foreign, cx)),
        next_header::DESTINATION => only(destination(bytes, parsed, cx)),
        next_header::FRAGMENT => only(piece(bytes, parsed, cx)),
        // Linux always takes messages of PIM, and says nothing about them.
        next_header::NONE | protocol::PIM => only(Leave(DONE)),
        next_header::ICMPV6 => only(Leave(ICMP)),
        next_header::TCP => only(tcp(&ip, rest, foreign)),
        next_header::UDP => udp(&ip, rest, false, group),
        UDPLITE => udp(&ip, rest, true, group),
        _ => only(Tell(Cause6::NextHeader, parsed.named_at.into())),
    }
}

fn one(packet: &mut Packet, cx: &Cx<'_, Tables>) -> u8 {
    let mut parsed = Parsed::of(packet);
    // Each header is eight bytes or more, so this ends with the packet.
    loop {
        let (step, end) = step(packet, parsed, cx);
        match step {
            On(further) => parsed = further,
            // Of what was inside nothing is known yet.
            Leave(edge @ (INNER6 | INNER4)) => return edge,
            Leave(SEGMENT) => {
                Parsed { source_routed: true, ..parsed }.note(packet);
                return SEGMENT;
            }
            Leave(edge) => {
                parsed.note(packet);
                return edge;
            }
            Tell(cause, pointer) => {
                if let Some(len) = end {
                    packet.truncate(packet.l3() + usize::from(parsed.at) + len);
                }
                packet.set_note(cause.note());
                packet.set_hash(pointer as u32);
                return ERROR;
            }
        }
    }
}

/// Whether a packet counts as handed to a protocol, be it one that refuses it.
fn is_delivered(packet: &Packet, edge: u8) -> bool {
    match edge {
        ICMP | TCP | UDP_MALFORMED | UDP_CHECKSUM | UDP_GROUP | TCP_MALFORMED | TCP_CHECKSUM
        | NOT_TAKEN | DONE => true,
        ERROR => Cause6::from_note(packet.note()) == Some(Cause6::PortUnreachable),
        _ => false,
    }
}

impl Node<Tables> for Ip6Local {
    fn name(&self) -> &'static str {
        "ip6-local"
    }

    fn edges(&self) -> &'static [Edge] {
        &[
            Edge::To("icmp6-input"),
            Edge::To("tcp6-reset"),
            Edge::To("icmp6-error"),
            Edge::To("ip6-reassemble-local"),
            Edge::To("ip6-lookup"),
            Edge::To("ip6-input"),
            Edge::To("ip4-input"),
            Edge::Drop(Reason::Ip6Header),
            Edge::Drop(Reason::Ip6Options),
            Edge::Drop(Reason::Ip6OptionsTooLong),
            Edge::Drop(Reason::Ip6SourceRoute),
            Edge::Drop(Reason::Ip6Segments),
            Edge::Drop(Reason::Udp6Malformed),
            Edge::Drop(Reason::Udp6Checksum),
            Edge::Drop(Reason::Udp6Group),
            Edge::Drop(Reason::TcpMalformed),
            Edge::Drop(Reason::TcpChecksum),
            Edge::Drop(Reason::Broadcast),
            Edge::Drop(Reason::LocalDone),
            Edge::Drop(Reason::Ip6MulticastSource),
        ]
    }

    fn process(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame, out: &mut Out) {
        let mut delivered = 0;
        for (index, packet) in frame.iter_mut().enumerate() {
            let edge = one(packet, cx);
            delivered += u64::from(is_delivered(packet, edge));
            out.set(index, edge);
        }
        cx.count(Snmp::Ip6InDelivers, delivered);
    }
}
