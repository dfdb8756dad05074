//! Each match with a packet that it is about, and one that it is not.

use std::net::Ipv4Addr;

use crate::netfilter::doubles::{World, ask, ask_at, facts, four, six, tcp, tcp_with, udp};
use crate::netfilter::rule::*;
use crate::netfilter::view::{Conn, ConnState, PacketFacts, PacketKind};
use crate::packet::tcp::flag::{ACK, FIN, RST, SYN};

const HIT: Option<bool> = Some(true);
const MISS: Option<bool> = Some(false);
/// The packet is not to go on.
const HOT: Option<bool> = None;

fn ports(first: u16, last: u16) -> Option<Is<Span<u16>>> {
    Some(Is::so(Span::new(first, last)))
}

#[test]
fn tcp_asks_ports_flags_and_options() {
    let of = |ask_for: Tcp, packet: &[u8]| ask(6, Match::Tcp(ask_for), packet);
    let any = Tcp::default();
    let to = |first, last| Tcp { destination: ports(first, last), ..any };
    assert_eq!(of(to(80, 90), &tcp(1000, 80, SYN)), HIT);
    assert_eq!(of(to(80, 90), &tcp(1000, 91, SYN)), MISS);
    assert_eq!(of(Tcp { source: ports(1000, 1000), ..any }, &tcp(1000, 80, SYN)), HIT);
    assert_eq!(of(Tcp { source: ports(1000, 1000), ..any }, &tcp(1001, 80, SYN)), MISS);
    let not = Tcp { destination: Some(Is::not(Span::only(80))), ..any };
    assert_eq!((of(not, &tcp(1, 80, SYN)), of(not, &tcp(1, 81, SYN))), (MISS, HIT));
    let syn = Masked { value: SYN, mask: FIN | SYN | RST | ACK };
    let syn = Tcp { flags: Some(Is::so(syn)), ..any };
    assert_eq!((of(syn, &tcp(1, 80, SYN)), of(syn, &tcp(1, 80, SYN | ACK))), (HIT, MISS));
    let option = Tcp { option: Some(Is::so(8)), ..any };
    assert_eq!(of(option, &tcp_with(SYN, &[1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0], &[])), HIT);
    assert_eq!(of(option, &tcp_with(SYN, &[2, 4, 5, 0xb4], &[])), MISS);
    let none = Tcp { option: Some(Is::not(8)), ..any };
    assert_eq!(of(none, &tcp_with(SYN, &[], &[])), HIT);
    // A header that is not all there, or that lies about its length.
    assert_eq!(of(any, &tcp(1, 80, SYN)[..39]), HOT);
    let mut short = tcp_with(SYN, &[], &[]);
    short[32] = 4 << 4;
    assert_eq!((of(any, &short), of(option, &short)), (HIT, HOT));
    // Later fragments match no port, and one that overwrites flags is an attack.
    let fragment =
        |offset| four(|frame| frame.fragment_offset(offset).protocol(6).payload(&[0; 40]));
    assert_eq!((of(any, &fragment(16)), of(any, &fragment(8))), (MISS, HOT));
    assert_eq!(ask(6, Match::Tcp(any), &udp(1, 2)), MISS);
}

#[test]
fn udp_asks_ports() {
    let to = Match::Udp(Udp { destination: ports(53, 53), source: None });
    assert_eq!(ask(17, to.clone(), &udp(9, 53)), HIT);
    assert_eq!(ask(17, to.clone(), &udp(53, 9)), MISS);
    assert_eq!(ask(17, to.clone(), &tcp(9, 53, SYN)), MISS);
    assert_eq!(ask(17, to.clone(), &udp(9, 53)[..27]), HOT);
    let mut lite = udp(9, 53);
    lite[9] = 136;
    assert_eq!(
        ask(136, Match::UdpLite(Udp { destination: ports(53, 53), source: None }), &lite),
        HIT
    );
    let later = four(|frame| frame.fragment_offset(1480).protocol(17).payload(&[0; 8]));
    assert_eq!(ask(17, to, &later), MISS);
}

#[test]
fn icmp_asks_type_and_codes() {
    let ask_for = |kind, first, last| Is::so(Icmp { kind, codes: Span::new(first, last) });
    let echo = four(|frame| frame.echo_request(1, 1));
    assert_eq!(ask(1, Match::Icmp(ask_for(8, 0, 255)), &echo), HIT);
    assert_eq!(ask(1, Match::Icmp(ask_for(8, 1, 255)), &echo), MISS);
    assert_eq!(ask(1, Match::Icmp(ask_for(0, 0, 255)), &echo), MISS);
    assert_eq!(ask(1, Match::Icmp(ask_for(Icmp::ANY, 0, 255)), &echo), HIT);
    assert_eq!(ask(1, Match::Icmp(ask_for(8, 0, 255)), &echo[..27]), HOT);
    let echo6 = six(58, &[128, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(ask(58, Match::Icmp6(ask_for(128, 0, 255)), &echo6), HIT);
    assert_eq!(ask(58, Match::Icmp6(ask_for(129, 0, 255)), &echo6), MISS);
    assert_eq!(
        ask(58, Match::Icmp6(Is::not(Icmp { kind: 129, codes: Span::new(0, 255) })), &echo6),
        HIT
    );
}

#[test]
fn multiport_asks_for_one_of_several() {
    let of = |side, packet: &[u8]| {
        let ports = vec![Span::only(22), Span::new(80, 88)];
        ask(17, Match::Multiport(Is::so(Multiport { side, ports })), packet)
    };
    assert_eq!(of(PortSide::Destination, &udp(1, 85)), HIT);
    assert_eq!(of(PortSide::Destination, &udp(85, 1)), MISS);
    assert_eq!(of(PortSide::Source, &udp(22, 1)), HIT);
    assert_eq!(of(PortSide::Either, &udp(1, 22)), HIT);
    assert_eq!(of(PortSide::Either, &udp(1, 2)), MISS);
    assert_eq!(of(PortSide::Either, &udp(1, 2)[..23]), HOT);
}

#[test]
fn sctp_asks_ports_and_chunks() {
    let packet = |chunks: &[u8]| {
        let mut payload = vec![0, 10, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0];
        payload.extend(chunks);
        let len = 20 + payload.len();
        four(|frame| frame.protocol(132).payload(&payload))[..len].to_vec()
    };
    let of = |rule, kinds: &[(u8, Option<Masked<u8>>)], not, packet: &[u8]| {
        let chunks =
            kinds.iter().map(|(kind, flags)| Chunk { kind: *kind, flags: *flags }).collect();
        let chunks = Some(Is { not, value: SctpChunks { rule, chunks } });
        ask(132, Match::Sctp(Sctp { source: None, destination: ports(20, 20), chunks }), packet)
    };
    let two = packet(&[0, 3, 0, 6, 9, 9, 0, 0, 3, 0, 0, 4]);
    assert_eq!(of(ChunkRule::Any, &[(3, None), (7, None)], false, &two), HIT);
    assert_eq!(of(ChunkRule::Any, &[(7, None)], false, &two), MISS);
    assert_eq!(of(ChunkRule::Any, &[(7, None)], true, &two), HIT);
    assert_eq!(of(ChunkRule::All, &[(0, None), (3, None)], false, &two), HIT);
    assert_eq!(of(ChunkRule::All, &[(0, None), (7, None)], false, &two), MISS);
    assert_eq!(of(ChunkRule::Only, &[(0, None), (3, None), (4, None)], false, &two), HIT);
    assert_eq!(of(ChunkRule::Only, &[(0, None)], false, &two), MISS);
    let ends = Some(Masked { value: 1, mask: 1 });
    assert_eq!(of(ChunkRule::Any, &[(0, ends)], false, &two), HIT);
    let begins = Some(Masked { value: 0, mask: 2 });
    assert_eq!(of(ChunkRule::Any, &[(0, begins)], false, &two), MISS);
    // A chunk without length never ends, a packet without chunks has none to ask.
    assert_eq!(of(ChunkRule::Any, &[(7, None)], false, &packet(&[0, 0, 0, 0])), HOT);
    assert_eq!(of(ChunkRule::Any, &[(7, None)], false, &packet(&[])), HOT);
    let ask_ports =
        |last| Match::Sctp(Sctp { source: None, destination: ports(20, last), chunks: None });
    assert_eq!(ask(132, ask_ports(20), &packet(&[])), HIT);
    assert_eq!(
        ask(132, Match::Sctp(Sctp { destination: ports(21, 22), ..Sctp::default() }), &packet(&[])),
        MISS
    );
}

#[test]
fn dccp_asks_ports_types_and_options() {
    // A REQUEST (type 0) with long sequence numbers and one option.
    let mut header = [0; 24];
    (header[3], header[4], header[8], header[20]) = (33, 6, 1, 38);
    let request = four(|frame| frame.protocol(33).payload(&header));
    let of = |ask_for: Dccp, packet: &[u8]| ask(33, Match::Dccp(ask_for), packet);
    let types = |bits| Dccp { types: Some(Is::so(bits)), ..Dccp::default() };
    assert_eq!((of(types(1), &request), of(types(2), &request)), (HIT, MISS));
    assert_eq!(of(Dccp { destination: ports(33, 33), ..Dccp::default() }, &request), HIT);
    let option = |kind| Dccp { option: Some(Is::so(kind)), ..Dccp::default() };
    assert_eq!((of(option(38), &request), of(option(40), &request)), (HIT, MISS));
    let mut lies = request.clone();
    lies[24] = 3;
    assert_eq!(of(option(38), &lies), HOT);
}

#[test]
fn conntrack_asks_what_the_tracker_knows() {
    let packet = tcp(1000, 80, ACK);
    let of = |state, facts, ask_for: Match| {
        let about = PacketFacts { conn: Conn { state, id: 7 }, ..PacketFacts::default() };
        let mut world = World { facts, ..World::default() };
        ask_at(Hook::Forward, 0, ask_for, &packet, about, &mut world)
    };
    let state = |bits: u8| Match::State(Is::so(CtStates(bits)));
    let both = CtStates::ESTABLISHED.0 | CtStates::RELATED.0;
    assert_eq!(of(ConnState::EstablishedReply, None, state(both)), HIT);
    assert_eq!(of(ConnState::Related, None, state(both)), HIT);
    assert_eq!(of(ConnState::New, None, state(both)), MISS);
    assert_eq!(of(ConnState::None, None, state(CtStates::INVALID.0)), HIT);
    assert_eq!(of(ConnState::Untracked, None, state(CtStates::INVALID.0)), MISS);
    assert_eq!(of(ConnState::Untracked, None, state(CtStates::UNTRACKED.0)), HIT);
    assert_eq!(of(ConnState::New, Some(facts()), state(CtStates::SNAT.0)), HIT);
    assert_eq!(of(ConnState::New, Some(facts()), state(CtStates::DNAT.0)), MISS);
    let ct = |ask_for: Conntrack| {
        of(ConnState::Established, Some(facts()), Match::Conntrack(Box::new(ask_for)))
    };
    let any = Conntrack::default();
    let net = |text: &str| Some(Is::so(Prefix::from(text.parse::<ipnet::IpNet>().unwrap())));
    for (hit, miss) in [
        (
            Conntrack { protocol: Some(Is::so(6)), ..any },
            Conntrack { protocol: Some(Is::so(17)), ..any },
        ),
        (
            Conntrack { orig_source: net("10.0.0.0/24"), ..any },
            Conntrack { orig_source: net("10.0.1.0/24"), ..any },
        ),
        (
            Conntrack { orig_destination: net("10.0.0.2/32"), ..any },
            Conntrack { orig_destination: net("10.0.0.1/32"), ..any },
        ),
        (
            Conntrack { reply_source: net("10.0.0.2/32"), ..any },
            Conntrack { reply_source: net("192.0.2.1/32"), ..any },
        ),
        (
            Conntrack { reply_destination: net("192.0.2.1/32"), ..any },
            Conntrack { reply_destination: net("10.0.0.1/32"), ..any },
        ),
        (
            Conntrack { orig_source_port: ports(1000, 1000), ..any },
            Conntrack { orig_source_port: ports(1, 999), ..any },
        ),
        (
            Conntrack { orig_destination_port: ports(80, 80), ..any },
            Conntrack { orig_destination_port: ports(81, 90), ..any },
        ),
        (
            Conntrack { reply_source_port: ports(80, 80), ..any },
            Conntrack { reply_source_port: ports(2000, 2000), ..any },
        ),
        (
            Conntrack { reply_destination_port: ports(2000, 2000), ..any },
            Conntrack { reply_destination_port: ports(80, 80), ..any },
        ),
        (
            Conntrack { status: Some(Is::so(CtStatus::SEEN_REPLY)), ..any },
            Conntrack { status: Some(Is::so(CtStatus::ASSURED)), ..any },
        ),
        (
            Conntrack { expire: Some(Is::so(Span::new(100, 200))), ..any },
            Conntrack { expire: Some(Is::so(Span::new(1, 99))), ..any },
        ),
        (
            Conntrack { direction: Some(CtDirection::Original), ..any },
            Conntrack { direction: Some(CtDirection::Reply), ..any },
        ),
    ] {
        assert_eq!((ct(hit), ct(miss)), (HIT, MISS), "{hit:?}");
    }
    // Without a connection nothing but the state can be right.
    let proto = Match::Conntrack(Box::new(Conntrack { protocol: Some(Is::not(17)), ..any }));
    assert_eq!(of(ConnState::None, None, proto), MISS);
    let invalid =
        Conntrack { states: Some(Is::so(CtStates::INVALID)), protocol: Some(Is::so(6)), ..any };
    assert_eq!(of(ConnState::None, None, Match::Conntrack(Box::new(invalid))), HIT);
}

#[test]
fn marks_labels_bytes_and_helpers_of_connections() {
    let packet = tcp(1000, 80, ACK);
    let of = |ask_for: Match, world: &mut World| {
        let conn = Conn { state: ConnState::Established, id: 1 };
        let about = PacketFacts { conn, ..PacketFacts::default() };
        ask_at(Hook::Forward, 0, ask_for, &packet, about, world)
    };
    let mut world = World { facts: Some(facts()), helper: Some("ftp".into()), ..World::default() };
    let connmark = |value| Match::Connmark(Is::so(Masked { value, mask: 0xf0 }));
    assert_eq!((of(connmark(0x10), &mut world), of(connmark(0x20), &mut world)), (HIT, MISS));
    assert_eq!(of(connmark(0x10), &mut World::default()), MISS);
    let label = |label, set| Match::ConnLabel(ConnLabel { label: Is::so(label), set });
    assert_eq!((of(label(5, false), &mut world), of(label(6, false), &mut world)), (HIT, MISS));
    assert_eq!((of(label(6, true), &mut world), of(label(6, false), &mut world)), (HIT, HIT));
    assert_eq!(of(label(6, true), &mut World::default()), MISS);
    let bytes = |side, mode, first, last| {
        Match::ConnBytes(ConnBytes { count: Is::so(Span::new(first, last)), side, mode })
    };
    use {ConnBytesMode::*, ConnSide::*};
    assert_eq!(of(bytes(Original, Packets, 10, 10), &mut world), HIT);
    assert_eq!(of(bytes(Reply, Bytes, 9000, 9001), &mut world), HIT);
    assert_eq!(of(bytes(Both, Average, 250, 250), &mut world), HIT);
    assert_eq!(of(bytes(Both, Packets, 41, u64::MAX), &mut world), MISS);
    let helper = |name: &str| Match::Helper(Is::so(name.into()));
    assert_eq!((of(helper("ftp"), &mut world), of(helper("irc"), &mut world)), (HIT, MISS));
    assert_eq!((of(helper(""), &mut world), of(helper(""), &mut World::default())), (HIT, MISS));
    let about = PacketFacts { mark: 0x123, ..PacketFacts::default() };
    let mark = |value| {
        let ask_for = Match::Mark(Is::so(Masked { value, mask: 0xff }));
        ask_at(Hook::Forward, 0, ask_for, &packet, about, &mut World::default())
    };
    assert_eq!((mark(0x23), mark(0x123)), (HIT, MISS));
}

#[test]
fn fields_of_the_network_header() {
    let packet = four(|frame| frame.tos(0xba).ttl(9).udp(1, 2).payload_len(72));
    assert_eq!(
        (ask(0, Match::Dscp(Is::so(46)), &packet), ask(0, Match::Dscp(Is::so(47)), &packet)),
        (HIT, MISS)
    );
    let tos = |value| Match::Tos(Is::so(Masked { value, mask: 0x1e }));
    assert_eq!((ask(0, tos(0x1a), &packet), ask(0, tos(0x10), &packet)), (HIT, MISS));
    for (compare, found) in [
        (Compare::Equal(9), HIT),
        (Compare::NotEqual(9), MISS),
        (Compare::Less(10), HIT),
        (Compare::Less(9), MISS),
        (Compare::Greater(8), HIT),
        (Compare::Greater(9), MISS),
    ] {
        assert_eq!(ask(0, Match::Ttl(compare), &packet), found, "{compare:?}");
    }
    assert_eq!(ask(0, Match::HopLimit(Compare::Equal(64)), &six(17, &[0; 8])), HIT);
    let length = |first, last| Match::Length(Is::so(Span::new(first, last)));
    assert_eq!((ask(0, length(0, 100), &packet), ask(0, length(0, 99), &packet)), (HIT, MISS));
    assert_eq!(ask(0, length(48, 48), &six(17, &[0; 8])), HIT);
    let ecn = |bits| Match::Ecn(Ecn { ip: Some(Is::so(bits)), ..Ecn::default() });
    assert_eq!((ask(0, ecn(2), &packet), ask(0, ecn(1), &packet)), (HIT, MISS));
    let echo = |want| Match::Ecn(Ecn { ece: Some(want), ..Ecn::default() });
    let ece = tcp(1, 2, 0x40);
    assert_eq!((ask(6, echo(true), &ece), ask(6, echo(false), &ece)), (HIT, MISS));
    let range = |first: [u8; 4], last: [u8; 4]| {
        let span = Span::new(Ipv4Addr::from(first).into(), Ipv4Addr::from(last).into());
        Match::IpRange(IpRange { source: Some(Is::so(span)), destination: None })
    };
    assert_eq!(ask(0, range([10, 0, 0, 0], [10, 0, 0, 1]), &packet), HIT);
    assert_eq!(ask(0, range([10, 0, 0, 2], [10, 0, 0, 9]), &packet), MISS);
    let mss = |first, last| Match::TcpMss(Is::so(Span::new(first, last)));
    let syn = tcp_with(SYN, &[1, 2, 4, 5, 0xb4, 1, 1, 1], &[]);
    assert_eq!((ask(6, mss(1460, 1460), &syn), ask(6, mss(0, 1459), &syn)), (HIT, MISS));
    assert_eq!(ask(6, mss(0, 65535), &tcp_with(SYN, &[], &[])), MISS);
}

#[test]
fn what_the_router_knows_of_a_packet() {
    let packet = udp(1, 2);
    let mut link = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    let at = |ask_for: Match, about: PacketFacts<'_>, world: &mut World| {
        ask_at(Hook::Forward, 0, ask_for, &packet, about, world)
    };
    let here = PacketFacts { link: &link, input: 2, output: 3, ..PacketFacts::default() };
    let world = &mut World { realm: Some(7), ..World::default() };
    let mac = |last| Match::Mac(Is::so([2, 0, 0, 0, 0, last]));
    assert_eq!((at(mac(1), here, world), at(mac(2), here, world)), (HIT, MISS));
    assert_eq!(at(mac(1), PacketFacts::default(), world), MISS);
    let kind = |kind| Match::PacketType(Is::so(kind));
    assert_eq!(at(kind(PacketType::Unicast), here, world), HIT);
    let broadcast = PacketFacts { kind: PacketKind::Broadcast, ..here };
    assert_eq!(at(kind(PacketType::Broadcast), broadcast, world), HIT);
    assert_eq!(at(kind(PacketType::Multicast), broadcast, world), MISS);
    let group = |value| {
        let of = Some(Is::so(Masked { value, mask: u32::MAX }));
        Match::DevGroup(DevGroup { source: of, destination: None })
    };
    assert_eq!((at(group(20), here, world), at(group(30), here, world)), (HIT, MISS));
    let realm = |value| Match::Realm(Is::so(Masked { value, mask: 0xff }));
    assert_eq!((at(realm(7), here, world), at(realm(8), here, world)), (HIT, MISS));
    assert_eq!(
        (at(Match::Cpu(Is::so(0)), here, world), at(Match::Cpu(Is::so(1)), here, world)),
        (HIT, MISS)
    );
    let owner =
        |uid| Match::Owner(Owner { uid: Some(Is::so(Span::only(uid))), ..Owner::default() });
    let out = |ask_for, world: &mut World| {
        ask_at(Hook::LocalOut, 0, ask_for, &packet, PacketFacts::default(), world)
    };
    let mine = &mut World { owner: Some((1000, 100)), ..World::default() };
    assert_eq!((out(owner(1000), mine), out(owner(0), mine)), (HIT, MISS));
    assert_eq!(out(owner(1000), world), MISS);
    // An address made of the Ethernet address of its interface.
    let mut local = six(17, &[0; 8]);
    local[16..24].copy_from_slice(&[0, 0, 0, 0xff, 0xfe, 0, 0, 1]);
    link[12..].copy_from_slice(&[0x86, 0xdd]);
    let here = PacketFacts { link: &link, ..PacketFacts::default() };
    assert_eq!(ask_at(Hook::Forward, 0, Match::Eui64, &local, here, world), HIT);
    assert_eq!(ask_at(Hook::Forward, 0, Match::Eui64, &six(17, &[0; 8]), here, world), MISS);
}
