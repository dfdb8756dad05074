//! Matches on headers of IPv6 and IPsec, and every match with packets of any bytes.

use crate::netfilter::doubles::*;
use crate::netfilter::rule::*;
use crate::netfilter::view::{Conn, ConnState, PacketFacts, View};
use crate::netfilter::{Slots, compile, evaluate};

const HIT: Option<bool> = Some(true);
const MISS: Option<bool> = Some(false);
const HOT: Option<bool> = None;

#[test]
fn fragment_headers() {
    // The second fragment of datagram 0x01020304; more follow.
    let packet = six(44, &[17, 0, 0, 9, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0]);
    let of = |frag, packet: &[u8]| ask(0, Match::Frag(frag), packet);
    let any = Frag::default();
    let id = |first| Frag { id: Some(Is::so(Span::new(first, 0x0102_0304))), ..any };
    assert_eq!((of(id(0), &packet), of(id(0x0102_0304), &packet)), (HIT, HIT));
    assert_eq!(of(Frag { id: Some(Is::so(Span::only(5))), ..any }, &packet), MISS);
    let first = Frag { first: true, ..any };
    assert_eq!(of(first, &packet), MISS);
    assert_eq!(of(first, &six(44, &[17, 0, 0, 1, 1, 2, 3, 4])), HIT);
    let more = |want| Frag { more: Some(want), ..any };
    assert_eq!((of(more(true), &packet), of(more(false), &packet)), (HIT, MISS));
    let reserved = Frag { reserved: true, ..any };
    assert_eq!(of(reserved, &packet), HIT);
    assert_eq!(of(reserved, &six(44, &[17, 1, 0, 9, 1, 2, 3, 4])), MISS);
    assert_eq!((of(any, &six(17, &[0; 8])), of(any, &six(44, &[17, 0, 0]))), (MISS, HOT));
}

#[test]
fn which_headers_there_are() {
    // Hop-by-hop options, then UDP.
    let packet = six(0, &[17, 0, 1, 4, 0, 0, 0, 0, 0, 1, 0, 2, 0, 8, 0, 0]);
    let of = |bits, not, soft| {
        ask(0, Match::Ipv6Header(Ipv6Header { headers: Is { not, value: bits }, soft }), &packet)
    };
    let (hop, payload) = (HeaderOption::HopByHop as u8, HeaderOption::Payload as u8);
    assert_eq!((of(hop | payload, false, false), of(hop, false, false)), (HIT, MISS));
    assert_eq!((of(hop, false, true), of(HeaderOption::Routing as u8, false, true)), (HIT, MISS));
    assert_eq!((of(hop, true, false), of(hop, true, true)), (HIT, MISS));
}

#[test]
fn routing_headers() {
    let mut payload = vec![17, 4, 0, 1, 0, 0, 0, 0];
    let addresses: Vec<std::net::Ipv6Addr> =
        ["2001:db8::a", "2001:db8::b"].iter().map(|text| text.parse().unwrap()).collect();
    payload.extend(addresses.iter().flat_map(|address| address.octets()));
    payload.extend([0; 8]);
    let packet = six(43, &payload);
    let of = |rt: Rt, packet: &[u8]| ask(0, Match::Rt(rt), packet);
    assert_eq!(of(Rt { kind: Some(Is::so(0)), ..Rt::default() }, &packet), HIT);
    assert_eq!(of(Rt { kind: Some(Is::so(4)), ..Rt::default() }, &packet), MISS);
    let left =
        |first, last| Rt { segments_left: Some(Is::so(Span::new(first, last))), ..Rt::default() };
    assert_eq!((of(left(1, 9), &packet), of(left(2, 9), &packet)), (HIT, MISS));
    assert_eq!(of(Rt { length: Some(Is::so(40)), reserved: true, ..Rt::default() }, &packet), HIT);
    let via = |list: &[std::net::Ipv6Addr], not_strict| {
        of(Rt { addresses: Some(list.to_vec()), not_strict, ..Rt::default() }, &packet)
    };
    assert_eq!((via(&addresses, false), via(&addresses[..1], false)), (HIT, MISS));
    assert_eq!((via(&addresses[1..], true), via(&[addresses[1], addresses[0]], true)), (HIT, MISS));
    assert_eq!(of(Rt::default(), &packet[..60]), MISS);
    assert_eq!(
        (of(Rt::default(), &six(17, &[0; 8])), of(Rt::default(), &six(43, &[17]))),
        (MISS, HOT)
    );
}

#[test]
fn options_of_a_header() {
    // Router alert, two bytes of padding.
    let packet = six(0, &[17, 0, 5, 2, 0, 0, 1, 0, 0, 1, 0, 2, 0, 8, 0, 0]);
    let option = |kind, length| ExtOption { kind, length };
    let of = |options: &[ExtOption], length, packet: &[u8]| {
        let length = Some(Is::so(length));
        ask(0, Match::HopByHop(ExtOptions { length, options: options.to_vec() }), packet)
    };
    assert_eq!(of(&[option(5, Some(2)), option(1, None)], 8, &packet), HIT);
    assert_eq!(of(&[option(5, Some(3))], 8, &packet), MISS);
    assert_eq!(of(&[option(1, None)], 8, &packet), MISS);
    assert_eq!(of(&[option(5, None), option(1, None), option(1, None)], 8, &packet), MISS);
    assert_eq!(of(&[], 16, &packet), MISS);
    let destination = Match::DestinationOptions(ExtOptions::default());
    assert_eq!(ask(0, destination.clone(), &packet), MISS);
    assert_eq!(ask(0, destination, &six(60, &[17, 0, 1, 4, 0, 0, 0, 0])), HIT);
}

#[test]
fn mobility_and_ipsec() {
    let mobility = |first, last, packet: &[u8]| {
        ask(135, Match::Mobility(Is::so(Span::new(first, last))), packet)
    };
    let update = six(135, &[59, 1, 5, 0, 0, 0, 0, 0]);
    assert_eq!((mobility(5, 5, &update), mobility(0, 4, &update)), (HIT, MISS));
    assert_eq!(
        (mobility(5, 5, &six(135, &[17, 1, 5, 0, 0, 0])), mobility(5, 5, &six(135, &[59, 1]))),
        (HOT, HOT)
    );
    let spi = |first, last| Some(Is::so(Span::new(first, last)));
    let esp = four(|frame| frame.protocol(50).payload(&[0, 0, 1, 0, 0, 0, 0, 1]));
    let of = |span: Option<Is<Span<u32>>>| ask(50, Match::Esp(span.unwrap()), &esp);
    assert_eq!(
        (of(spi(256, 256)), of(spi(0, 255)), ask(50, Match::Esp(spi(1, 2).unwrap()), &esp[..27])),
        (HIT, MISS, HOT)
    );
    let ah = four(|frame| frame.protocol(51).payload(&[17, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]));
    let of = |spi| ask(51, Match::Ah(Ah { spi, ..Ah::default() }), &ah);
    assert_eq!((of(spi(256, 256)), of(spi(0, 255))), (HIT, MISS));
    let ah6 = six(51, &[17, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]);
    let of = |length, reserved| {
        let length = Some(Is::so(length));
        ask(0, Match::Ah(Ah { spi: spi(256, 256), length, reserved }), &ah6)
    };
    assert_eq!((of(12, true), of(16, false)), (HIT, MISS));
    let ipcomp = four(|frame| frame.protocol(108).payload(&[17, 0, 0, 9]));
    let of = |span: Option<Is<Span<u32>>>| ask(108, Match::Ipcomp(span.unwrap()), &ipcomp);
    assert_eq!((of(spi(9, 9)), of(spi(1, 8))), (HIT, MISS));
}

/// A rule with each match that asks anything of bytes, one after the other, so that all are asked.
fn everything(family: Family) -> Ruleset {
    let mut ruleset = Ruleset::new(family);
    let chain = ruleset.table_mut(TableName::Mangle).chain_mut("FORWARD").unwrap();
    let of = |protocol, matches: Vec<Match>, target| rule_of(protocol, matches, target);
    let tcp = Match::Tcp(Tcp { option: Some(Is::so(9)), ..Tcp::default() });
    let syn =
        Match::Tcp(Tcp { flags: Some(Is::so(Masked { value: 2, mask: 2 })), ..Tcp::default() });
    let chunks = |rule| {
        let chunks = vec![Chunk { kind: 1, flags: None }];
        Match::Sctp(Sctp { chunks: Some(Is::so(SctpChunks { rule, chunks })), ..Sctp::default() })
    };
    let dccp = Match::Dccp(Dccp { option: Some(Is::so(7)), ..Dccp::default() });
    let text = Match::String(StringMatch {
        not: false,
        algorithm: Algorithm::BoyerMoore,
        from: 9,
        to: 900,
        ignore_case: true,
        pattern: b"x".to_vec(),
    });
    let steps =
        [U32Op::At, U32Op::Left, U32Op::At].map(|op| U32Step { op, number: 0xffff_fff0 }).to_vec();
    let u32 = Match::U32(Is::so(vec![U32Test { start: 0, steps, ranges: vec![Span::only(1)] }]));
    let strip: Vec<u8> = (2..=255).collect();
    let target = |how| of(6, vec![syn.clone()], Target::Tcpmss(how));
    chain.rules = vec![
        of(0, vec![text], Target::None),
        of(0, vec![u32], Target::None),
        target(Tcpmss::Clamp),
        target(Tcpmss::Set(1)),
        of(6, vec![], Target::Tcpoptstrip(strip)),
        of(6, vec![Match::TcpMss(Is::so(Span::new(0, 9)))], Target::None),
        of(6, vec![tcp], Target::None),
        of(132, vec![chunks(ChunkRule::All)], Target::None),
        of(33, vec![dccp], Target::None),
        of(0, vec![], Target::Dscp(3)),
    ];
    if family == Family::Six {
        let options =
            ExtOptions { length: None, options: vec![ExtOption { kind: 5, length: Some(2) }; 16] };
        let addresses = Some(vec![std::net::Ipv6Addr::LOCALHOST; 3]);
        let more = [
            Match::Rt(Rt { addresses, not_strict: true, reserved: true, ..Rt::default() }),
            Match::HopByHop(options.clone()),
            Match::DestinationOptions(options),
            Match::Frag(Frag { reserved: true, ..Frag::default() }),
            Match::Ah(Ah { reserved: true, ..Ah::default() }),
            Match::Ipv6Header(Ipv6Header { headers: Is::so(9), soft: true }),
            Match::Eui64,
        ];
        chain.rules.extend(more.map(|asked| of(0, vec![asked], Target::None)));
        chain.rules.push(of(135, vec![Match::Mobility(Is::so(Span::new(0, 9)))], Target::None));
    } else {
        chain.rules.push(of(0, vec![], Target::Ttl(Ttl::Decrease(1))));
        chain.rules.push(of(
            6,
            vec![],
            Target::Ecn(EcnTarget { ip: Some(1), cwr: Some(true), ece: None }),
        ));
    }
    ruleset
}

#[test]
fn packets_of_any_bytes_do_no_harm() {
    let program = |family| compile(&everything(family), LINKS, &mut Slots::new(1), &[]).unwrap();
    let programs = [program(Family::Four), program(Family::Six)];
    bolero::check!().with_type::<(Vec<u8>, u8, bool, u8)>().for_each(
        |(bytes, protocol, is_six, room)| {
            let protocol =
                [6, 17, 132, 33, 0, 43, 44, 60, 135, 51, *protocol][usize::from(protocol % 11)];
            let mut packet = match is_six {
                true => six(protocol, &[]),
                false => {
                    let mut packet = udp(1, 2);
                    packet.truncate(20);
                    packet[9] = protocol;
                    packet
                }
            };
            packet.extend(bytes);
            if !is_six && let Some(first) = bytes.first() {
                packet[0] = 0x40 | first & 0xf;
            }
            let len = packet.len();
            packet.resize(len + usize::from(*room), 0);
            let conn = Conn { state: ConnState::New, id: 1 };
            let about =
                PacketFacts { conn, link: &bytes[..bytes.len().min(14)], ..PacketFacts::default() };
            let Some(mut view) = View::new(&mut packet, len, about) else { return };
            let program = &programs[usize::from(*is_six)];
            let entry = program.entry(TableName::Mangle, Hook::Forward).unwrap();
            evaluate(
                program,
                entry,
                &mut view,
                &mut World { mtus: [Some(70), None], ..World::default() },
                0,
            );
        },
    );
}
