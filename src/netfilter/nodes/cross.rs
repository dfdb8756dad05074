//! `nat64`: packets of connections between IPv6 and IPv4 become ones of the other family.
//!
//! - takes: packets that have met PREROUTING of their family and have such a connection; the router's own
//!   errors about them
//! - gives: the packet in the other family to its look-up, and from there to the hooks behind; to
//!   `icmp6-error` or `icmp4-error` what cannot go on and whose sender is to know
//! - obeys: RFC 6146 section 3.5, RFC 7915; hop limits count once, as the packet is forwarded behind
//! - costs: a look-up of the way, a copy of the packet

use std::net::Ipv4Addr;

use super::pass::{Fate, Passage, done, info_of};
use crate::{
    conntrack::{
        Addr, ConnId, CtInfo, Dir, Tuple, Verdict, headers,
        nat::{
            cross::{Net64, is_host4},
            nat64::{How, Translated, Untranslatable, translate},
        },
        tuple::ICMPV6,
    },
    dpdk::mbuf::{Flags, Meta, Packet},
    graph::{Cx, Edge, Frame, Node, Out, Reason},
    icmp::table::Cause,
    icmp6::table::Cause6,
    netfilter::{
        nodes::hooked::{CROSS, NO_CROSS},
        rule::Hook,
        table::Filter,
    },
    packet::{
        Flow, checksum,
        ipv4::{self, protocol},
        ipv6::{self, MIN_MTU},
    },
    route::table::HopKind,
    tables::Tables,
};

/// The node.
pub struct Nat64;

const TO_SIX: u8 = 0;
const TO_FOUR: u8 = 1;
const ERROR6: u8 = 2;
const ERROR4: u8 = 3;
const REFUSED: u8 = 4;
const NO_BUFFER: u8 = 5;
const AGAIN: u8 = 6;
const CLASH: u8 = 7;

/// Room for the largest Ethernet header.
const LINK_ROOM: usize = 18;
/// By how much a packet may grow: headers of IPv6 are longer, and an error quotes one.
const LONGER: usize = 48;
const DF: u8 = 0x40;
/// What every host of IPv4 takes.
const LEAST_MTU: u16 = 576;

/// At the end of PREROUTING: a packet to the other family goes there, and a new connection gets its tuple.
pub(super) fn look(passage: &mut Passage<'_>, filter: &Filter, cx: &mut Cx<'_, Tables>) -> Fate {
    let Some(net) = filter.cross else { return Fate::On };
    let entry = passage.conn().and_then(|conn| Some((conn, cx.own.conntrack.get(conn)?)));
    let crosses = entry.is_some_and(|(_, entry)| entry.is_crossing());
    if passage.hook == Hook::LocalOut {
        // An error of the router's own is in the family of what it is about, which may have come from the
        // other.
        let there = crosses && goes_there(passage, net).is_some();
        return if there { Fate::Edge(CROSS) } else { Fate::On };
    }
    if crosses {
        return Fate::Edge(CROSS);
    }
    let shared = |own: Option<Ipv4Addr>| own.is_some_and(|own| cx.tables.owns(passage.input, own));
    if goes_there(passage, net).is_none_or(shared) {
        return Fate::On;
    }
    match entry {
        Some((conn, _)) if passage.info() == CtInfo::New => {
            let from_inside = passage.meta.done & done::HAIRPIN != 0;
            if !cx.own.cross(conn, net, (passage.six, from_inside), cx.now) {
                return Fate::Edge(NO_CROSS);
            }
            cx.own.conntrack.set_policy(conn, filter.cross_policy, &filter.rules);
            Fate::Edge(CROSS)
        }
        _ => Fate::Edge(NO_CROSS),
    }
}

/// Whether a packet goes to an address of the other family, or to one that only stands for hosts of it;
/// that one may be the router's as well.
fn goes_there(passage: &Passage<'_>, net: Net64) -> Option<Option<Ipv4Addr>> {
    let ip = passage.ip();
    if passage.six {
        let dst = ip.get(24..40)?.first_chunk::<16>()?;
        return net.inner(Addr(*dst)).map(|_| None);
    }
    let dst = ip.get(16..20)?.first_chunk::<4>()?;
    net.is_pool(Addr::four(*dst)).then_some(Some((*dst).into()))
}

/// What becomes of a packet.
enum Become {
    Other(Packet),
    Edge(u8),
}

/// The IP packet in a frame, without what pads that.
fn trimmed(packet: &Packet) -> &[u8] {
    headers::trimmed(packet.data().get(packet.l3()..).unwrap_or_default())
}

/// Ends a packet with an error to its sender.
fn tell(packet: &mut Packet, six: bool, cause6: Cause6, cause: Cause, word: u32) -> Become {
    packet.set_hop(0);
    packet.set_hash(word);
    packet.set_note(if six { cause6.note() } else { cause.note() });
    Become::Edge(if six { ERROR6 } else { ERROR4 })
}

/// The tuples that a packet, and what it quotes where it is an error, shall have.
fn targets(
    ip: &[u8],
    six: bool,
    tuples: &[Tuple; 2],
    info: CtInfo,
    net: Net64,
) -> Option<(Tuple, Option<Tuple>)> {
    let other = info.dir().other().index();
    let mut target = tuples[other].inverse()?;
    let proto = headers::find(ip).map(|found| found.proto);
    let errs = matches!(proto, Some(protocol::ICMP | ICMPV6))
        && matches!(info, CtInfo::Related | CtInfo::RelatedReply);
    if !errs {
        return Some((target, None));
    }
    // Who tells of an error in IPv4 is seen in the prefix; who does in IPv6 as the host that it is about
    // (RFC 6146 section 3.5, RFC 6791).
    if !six {
        let src = Addr::four(*ip.get(12..16)?.first_chunk::<4>()?);
        target.src = net.outer(Some(src).filter(|src| is_host4(*src))?);
    }
    Some((target, Some(tuples[other])))
}

/// What the way of a packet in the other family carries, where there is one.
fn way(target: &Tuple, packet: &Packet, cx: &Cx<'_, Tables>) -> (HopKind, u16) {
    let (iface, vrf) = (packet.iface(), cx.tables.vrf(packet.iface()));
    let mark = packet.meta().mark;
    let (sport, dport, protocol) = (target.sport, target.dport, target.proto);
    let hop = if target.six {
        let bits = |address: Addr| u128::from_be_bytes(address.0);
        let (src, dst) = (bits(target.src), bits(target.dst));
        let flow = Flow { src, dst, mark, iif: iface, vrf, sport, dport, protocol, oif: 0, tos: 0 };
        cx.tables.hops.get(cx.tables.route6(&flow))
    } else {
        let bits = |address: Addr| u32::from_be_bytes(address.first4());
        let (src, dst) = (bits(target.src), bits(target.dst));
        let flow = Flow { src, dst, mark, iif: iface, vrf, sport, dport, protocol, oif: 0, tos: 0 };
        cx.tables.hops.get(cx.tables.route(&flow))
    };
    let mtu = match hop.kind() {
        // Its members may differ; what does not fit is found out where one is chosen.
        HopKind::Group => {
            cx.tables.hops.members(hop).map(|n| cx.tables.hops.get(n).out().mtu).min()
        }
        _ => Some(hop.out().mtu),
    };
    (hop.kind(), mtu.filter(|mtu| *mtu != 0).unwrap_or(u16::MAX))
}

/// Makes the packet of the other family.
fn turn(packet: &mut Packet, net: Net64, cx: &mut Cx<'_, Tables>) -> Become {
    let meta = packet.meta();
    let entry = ConnId::from_bits(meta.conn).and_then(|conn| cx.own.conntrack.get(conn));
    let Some(entry) = entry.filter(|entry| entry.is_crossing()) else {
        return Become::Edge(REFUSED);
    };
    let tuples = [*entry.tuple(Dir::Original), *entry.tuple(Dir::Reply)];
    let info = info_of(meta.info);
    let six = packet.data().get(packet.l3()).is_some_and(|byte| byte >> 4 == 6);
    let ip = trimmed(packet);
    let Some((target, quoted)) = targets(ip, six, &tuples, info, net) else {
        return Become::Edge(REFUSED);
    };
    let limit = ip.get(if six { ipv6::field::HOP_LIMIT } else { ipv4::field::TTL });
    let own = packet.flags().any(Flags::LOCAL_OUT);
    if !own && limit.is_none_or(|limit| *limit <= 1) {
        return tell(packet, six, Cause6::HopLimit, Cause::TtlExceeded, 0);
    }
    let (kind, mtu) = way(&target, packet, cx);
    match kind {
        HopKind::Prohibit => {
            return tell(packet, six, Cause6::Prohibited, Cause::Prohibited, 0);
        }
        HopKind::NoRoute | HopKind::Unreachable | HopKind::NetUnreachable | HopKind::Throw => {
            return tell(packet, six, Cause6::NoRoute, Cause::NetUnreachable, 0);
        }
        _ => {}
    }
    let here = cx.tables.ifaces.get(packet.iface());
    let (mtu4, mtu6) = match six {
        true => (mtu, here.map_or(MIN_MTU, |own| own.mtu6())),
        false => (here.map_or(LEAST_MTU, |own| own.mtu), mtu),
    };
    let how = How { mtu4, mtu6, id: cx.own.random() as u16, clear_tos: false };
    let len = ip.len() + LONGER;
    let Some((mut other, l3)) = cx.pool.alloc_for(LINK_ROOM, len) else {
        return Become::Edge(NO_BUFFER);
    };
    if !other.resize(l3 + len) {
        return Become::Edge(NO_BUFFER);
    }
    let Some(room) = other.data_mut().get_mut(l3..) else { return Become::Edge(NO_BUFFER) };
    let done = match translate(ip, &target, quoted.as_ref(), &how, room) {
        Ok(done) => done,
        Err(Untranslatable::SourceRoute) => {
            return tell(packet, six, Cause6::NoRoute, Cause::SourceRouteFailed, 0);
        }
        Err(Untranslatable::RoutingHeader { pointer }) => {
            return tell(packet, six, Cause6::HeaderField, Cause::None, pointer.into());
        }
        Err(_) => return Become::Edge(REFUSED),
    };
    let joined = packet.flags().any(Flags::REASSEMBLED);
    let too_long = done.len > usize::from(mtu);
    if too_long && !joined && !done.may_be_cut {
        // What of the sender's own family would have fitted (RFC 7915 sections 4 and 5).
        let word = if six { u32::from(mtu) + 20 } else { u32::from(mtu.saturating_sub(20)) };
        return tell(packet, six, Cause6::TooBigBeyond, Cause::FragNeededBeyond, word);
    }
    other.truncate(l3 + done.len);
    dress(&mut other, packet, l3, &done, six, joined);
    Become::Other(other)
}

/// Where a packet goes that has become one of the other family: to hosts that are seen in IPv4 it comes
/// in once more, as if from outside (RFC 6146 section 3.8).
fn onward(packet: &mut Packet, net: Net64, cx: &mut Cx<'_, Tables>) -> u8 {
    let ip = packet.data().get(packet.l3()..).unwrap_or_default();
    if ip.first().is_none_or(|byte| byte >> 4 == 6) {
        return TO_SIX;
    }
    let dst = ip.get(16..20).and_then(|dst| dst.first_chunk::<4>());
    if dst.is_none_or(|dst| !net.is_pool(Addr::four(*dst))) {
        return TO_FOUR;
    }
    let meta = packet.meta();
    let conn = ConnId::from_bits(meta.conn);
    let info = info_of(meta.info);
    if conn.is_some_and(|conn| cx.own.conntrack.confirm(conn, info, cx.now) == Verdict::Drop) {
        return CLASH;
    }
    packet.set_meta(Meta { mark: meta.mark, done: done::HAIRPIN, ..Meta::default() });
    AGAIN
}

/// Gives the new packet what is known of the old one.
fn dress(
    other: &mut Packet,
    packet: &Packet,
    l3: usize,
    done: &Translated,
    six: bool,
    joined: bool,
) {
    let gone = Flags::REASSEMBLED.with(Flags::OPTIONS).with(Flags::META);
    let flags = packet.flags().without(gone);
    let meta = packet.meta();
    other.set_port(packet.port());
    other.begin(packet.iface(), l3 as u8, flags);
    other.set_trace(packet.trace());
    other.set_hop(0);
    other.set_meta(Meta { pieces: Default::default(), done: meta.done & !done::LEARNS, ..meta });
    if six && joined {
        // What came in pieces may leave in such.
        if let Some(header) = other.data_mut().get_mut(l3..l3 + ipv4::HEADER_LEN) {
            header[ipv4::field::FRAGMENT.start] &= !DF;
            header[4..6].copy_from_slice(&done.id.to_be_bytes());
            checksum::ipv4_header_fill(header);
        }
    } else if !six && done.len > usize::from(MIN_MTU) && (joined || done.may_be_cut) {
        // Of what may be cut no piece is longer than what every link carries (RFC 7915 section 4).
        other.add_flags(Flags::REASSEMBLED);
        other.set_piece_size(MIN_MTU);
    }
}

impl Node<Tables> for Nat64 {
    fn name(&self) -> &'static str {
        "nat64"
    }

    fn edges(&self) -> &'static [Edge] {
        &[
            Edge::To("ip6-lookup"),
            Edge::To("ip4-lookup"),
            Edge::To("icmp6-error"),
            Edge::To("icmp4-error"),
            Edge::Drop(Reason::NatCross),
            Edge::Drop(Reason::NoBuffer),
            Edge::To("nf4-pre-routing"),
            Edge::Drop(Reason::ConntrackClash),
        ]
    }

    fn process(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame, out: &mut Out) {
        let net = cx.tables.filter.as_ref().and_then(|filter| filter.cross);
        for (number, packet) in frame.iter_mut().enumerate() {
            let Some(net) = net else {
                out.set(number, REFUSED);
                continue;
            };
            match turn(packet, net, cx) {
                Become::Other(other) => {
                    // The old packet ends here in its place.
                    *packet = other;
                    out.set(number, onward(packet, net, cx));
                }
                Become::Edge(edge) => out.set(number, edge),
            }
        }
    }
}
