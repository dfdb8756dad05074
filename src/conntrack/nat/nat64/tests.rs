use super::super::sample::{packet, settle};
use super::*;
use crate::conntrack::headers;
use crate::conntrack::tuple::Addr;
use std::net::Ipv6Addr;

const SERVER: Addr = Addr::four([198, 51, 100, 7]);
const POOL: Addr = Addr::four([203, 0, 113, 1]);
const ROUTER: Addr = Addr::four([198, 51, 100, 1]);
const HOW: How = How { mtu4: 1500, mtu6: 1500, id: 0x77, clear_tos: false };

fn six(text: &str) -> Addr {
    Addr(text.parse::<Ipv6Addr>().unwrap().octets())
}

fn host() -> Addr {
    six("2001:db8::5")
}

fn embedded() -> Addr {
    six("64:ff9b::c633:6407")
}

/// From the host of IPv6 to the server, as each side sees it.
fn inside(proto: u8) -> Tuple {
    Tuple { src: host(), dst: embedded(), sport: 0x1234, dport: 80, proto, six: true, zone: 0 }
}

fn outside(proto: u8) -> Tuple {
    Tuple { src: POOL, dst: SERVER, sport: 0x9c40, dport: 80, proto, six: false, zone: 0 }
}

fn swapped(tuple: Tuple) -> Tuple {
    Tuple { src: tuple.dst, dst: tuple.src, sport: tuple.dport, dport: tuple.sport, ..tuple }
}

fn turn(bytes: &[u8], target: &Tuple, quoted: Option<&Tuple>) -> Result<Vec<u8>, Untranslatable> {
    let mut out = vec![0xa5; bytes.len() + 120];
    let done = translate(bytes, target, quoted, &HOW, &mut out)?;
    out.truncate(done.len);
    let mut whole = out.clone();
    settle(&mut whole);
    assert_eq!(out, whole, "checksums equal those computed anew");
    Ok(out)
}

const SYN: [u8; 20] = [0x12, 0x34, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0x20, 0, 0, 0, 0, 0];

#[test]
fn a_syn_crosses_and_the_answer_comes_back() {
    let mut syn = packet(host(), embedded(), true, 6, &SYN);
    syn[0..2].copy_from_slice(&[0x6b, 0x91]); // Traffic class 0xb9.
    settle(&mut syn);
    let crossed = turn(&syn, &outside(6), None).unwrap();
    assert_eq!(crossed[..2], [0x45, 0xb9]);
    assert_eq!(crossed[2..10], [0, 40, 0, 0x77, 0, 0, 64, 6], "it may be cut: short, no DF");
    assert_eq!(crossed[12..24], [203, 0, 113, 1, 198, 51, 100, 7, 0x9c, 0x40, 0, 80]);

    let mut answer = packet(SERVER, POOL, false, 6, &[&[0, 80, 0x9c, 0x40], &SYN[4..]].concat());
    settle(&mut answer);
    let back = turn(&answer, &swapped(inside(6)), None).unwrap();
    assert_eq!(back[..8], [0x60, 0, 0, 0, 0, 20, 6, 64]);
    assert_eq!(back[8..24], embedded().0);
    assert_eq!(back[24..44], [&host().0[..], &[0, 80, 0x12, 0x34]].concat());
}

#[test]
fn checksums_hold_for_every_protocol_and_there_and_back_is_the_same() {
    bolero::check!()
        .with_type::<(u8, [u8; 20], Vec<u8>, [u32; 2], [u128; 2], (u16, u16))>()
        .for_each(|&(proto, head, ref rest, four, long, ports)| {
            let proto = [6, 17, 33, 132, 136, 1, 50][usize::from(proto) % 7];
            let mut l4 = [&head[..], rest].concat();
            if proto == protocol::ICMP {
                l4[0] = 8;
            }
            if proto == protocol::UDP {
                let len = l4.len() as u16;
                l4[4..6].copy_from_slice(&len.to_be_bytes());
            }
            let [src, dst] = four.map(|bits| Addr::four(bits.to_be_bytes()));
            let mut sent = packet(src, dst, false, proto, &l4);
            settle(&mut sent);
            let [src6, dst6] = long.map(|bits| Addr(bits.to_be_bytes()));
            let there = Tuple {
                src: src6,
                dst: dst6,
                sport: ports.0,
                dport: ports.1,
                proto,
                six: true,
                zone: 0,
            };
            let crossed = turn(&sent, &there, None).unwrap();
            let no_sum = proto == protocol::UDP && sent[26..28] == [0, 0];
            if no_sum {
                assert_ne!(crossed[46..48], [0, 0], "IPv6 has no UDP without checksum");
            }
            let mut home = Tuple { proto, ..Tuple::of(&sent).unwrap() };
            home.six = false;
            let back = turn(&crossed, &home, None).unwrap();
            if !no_sum {
                assert_eq!(back[20..], sent[20..]);
            }
            assert_eq!(back[8..10], sent[8..10]);
            assert_eq!(back[12..20], sent[12..20]);
        });
}

#[test]
fn an_echo_changes_type_and_identifier() {
    let mut echo = packet(host(), embedded(), true, 58, &[128, 0, 0, 0, 0x12, 0x34, 0, 1, 9]);
    settle(&mut echo);
    let crossed = turn(&echo, &outside(1), None).unwrap();
    assert_eq!(crossed[20..22], [8, 0]);
    assert_eq!(crossed[24..], [0x9c, 0x40, 0, 1, 9]);
    let mut reply = packet(SERVER, POOL, false, 1, &[0, 0, 0, 0, 0x9c, 0x40, 0, 1, 9]);
    settle(&mut reply);
    let back = Tuple { sport: 0x1234, ..swapped(inside(58)) };
    let back = turn(&reply, &back, None).unwrap();
    assert_eq!(
        (back[6], &back[40..42], &back[44..]),
        (58, &[129, 0][..], &[0x12, 0x34, 0, 1, 9][..])
    );
}

/// What the host sent and the router of IPv4 saw.
fn seen_outside() -> Vec<u8> {
    let mut seen = packet(POOL, SERVER, false, 6, &[&[0x9c, 0x40], &SYN[2..]].concat());
    settle(&mut seen);
    seen
}

fn error4(head: [u8; 8], quote: &[u8]) -> Vec<u8> {
    let mut error = packet(ROUTER, POOL, false, 1, &[&head[..], quote].concat());
    settle(&mut error);
    error
}

fn to_host() -> Tuple {
    Tuple { src: six("64:ff9b::c633:6401"), dst: host(), ..inside(58) }
}

#[test]
fn an_error_of_ipv4_reaches_the_host_of_ipv6_about_its_own_packet() {
    for cut in [40, 28] {
        let error = error4([3, 4, 0, 0, 0, 0, 5, 0x14], &seen_outside()[..cut]);
        let crossed = turn(&error, &to_host(), Some(&inside(6))).unwrap();
        assert_eq!(crossed[40..42], [2, 0]);
        assert_eq!(crossed[44..48], 1320_u32.to_be_bytes(), "1300 and the longer header");
        let quote = &crossed[48..];
        assert_eq!(quote[4..8], [0, 20, 6, 64], "the length that it had");
        assert_eq!(quote[8..40], [host().0, embedded().0].concat());
        assert_eq!(quote[40..44], [0x12, 0x34, 0, 80]);
        assert_eq!(quote.len(), cut + 20);
    }
}

#[test]
fn an_error_of_ipv6_reaches_the_server_of_ipv4() {
    let mut answer =
        packet(embedded(), host(), true, 6, &[&[0, 80, 0x12, 0x34], &SYN[4..]].concat());
    settle(&mut answer);
    let mut error = packet(
        six("2001:db8::1"),
        embedded(),
        true,
        58,
        &[&[2, 0, 0, 0, 0, 0, 5, 0], &answer[..]].concat(),
    );
    settle(&mut error);
    let target = Tuple { src: POOL, dst: SERVER, ..outside(1) };
    let crossed = turn(&error, &target, Some(&swapped(outside(6)))).unwrap();
    assert_eq!(crossed[20..22], [3, 4]);
    assert_eq!(crossed[24..28], 1260_u32.to_be_bytes());
    assert_eq!(crossed[28 + 12..28 + 24], [198, 51, 100, 7, 203, 0, 113, 1, 0, 80, 0x9c, 0x40]);
    assert!(checksum::ipv4_header(&crossed[28..48]));
}

/// The tables of RFC 7915 sections 4.2 and 5.2.
#[test]
fn each_error_is_called_by_its_name_in_the_other_family() {
    use message::{Message, to4, to6};
    let up = |ty, code, word| {
        to6(Message { ty, code, word }, 1400, &HOW).map(|m| (m.ty, m.code, m.word))
    };
    for (code, want) in [
        (0, (1, 0, 0)),
        (1, (1, 0, 0)),
        (2, (4, 1, 6)),
        (3, (1, 4, 0)),
        (5, (1, 0, 0)),
        (9, (1, 1, 0)),
        (10, (1, 1, 0)),
        (12, (1, 0, 0)),
        (13, (1, 1, 0)),
        (15, (1, 1, 0)),
    ] {
        assert_eq!(up(3, code, 0), Some(want), "code {code}");
    }
    assert_eq!((up(3, 14, 0), up(5, 0, 0), up(4, 0, 0), up(13, 0, 0)), (None, None, None, None));
    assert_eq!(up(3, 4, 0), Some((2, 0, 1280)), "no MTU told: 1006, but never below 1280");
    assert_eq!(up(3, 4, 9000), Some((2, 0, 1500)), "no more than the next link carries");
    assert_eq!((up(11, 0, 0), up(11, 1, 0)), (Some((3, 0, 0)), Some((3, 1, 0))));
    let pointers: Vec<_> = (0..21).map(|at| up(12, 0, at << 24).map(|(_, _, at)| at)).collect();
    let mut want =
        vec![Some(0), Some(1), Some(4), Some(4), None, None, None, None, Some(7), Some(6)];
    want.extend([None, None, Some(8), Some(8), Some(8), Some(8), Some(24), Some(24), Some(24)]);
    want.extend([Some(24), None]);
    assert_eq!(pointers, want);

    let down =
        |ty, code, word| to4(Message { ty, code, word }, &HOW).map(|m| (m.ty, m.code, m.word));
    let codes: Vec<_> = (0..6).map(|code| down(1, code, 0).map(|(_, code, _)| code)).collect();
    assert_eq!(codes, [Some(1), Some(10), Some(1), Some(1), Some(3), None]);
    assert_eq!(down(2, 0, 1400), Some((3, 4, 1380)));
    assert_eq!(down(2, 0, 9000), Some((3, 4, 1480)));
    assert_eq!((down(4, 1, 0), down(4, 2, 0)), (Some((3, 2, 0)), None));
    let pointers: Vec<_> =
        [0, 1, 2, 4, 5, 6, 7, 8, 23, 24, 39, 40].map(|at| down(4, 0, at).map(|m| m.2 >> 24)).into();
    assert_eq!(
        pointers,
        [0, 1, 99, 2, 2, 9, 8, 12, 12, 16, 16, 99].map(|at| (at != 99).then_some(at))
    );
}

#[test]
fn fragments_keep_their_place_and_identification() {
    let mut first =
        packet(SERVER, POOL, false, 17, &[0, 80, 0x9c, 0x40, 0, 40, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8]);
    first[4..8].copy_from_slice(&[0xab, 0xcd, 0x20, 0]);
    let mut out = [0; 200];
    let back = swapped(inside(17));
    let done = translate(&first, &back, None, &HOW, &mut out).unwrap();
    assert_eq!(out[6], 44);
    assert_eq!(out[40..52], [17, 0, 0, 1, 0, 0, 0xab, 0xcd, 0, 80, 0x12, 0x34]);
    assert!(done.may_be_cut);
    // And back: the fragment of IPv6 is one of IPv4 again.
    let mut again = [0; 200];
    let home = Tuple {
        six: false,
        ..Tuple { src: SERVER, dst: POOL, sport: 80, dport: 0x9c40, ..outside(17) }
    };
    let done = translate(&out[..done.len], &home, None, &HOW, &mut again).unwrap();
    checksum::ipv4_header_fill(&mut first[..20]);
    assert_eq!(again[..done.len], first);

    let mut later = first.clone();
    later[6..8].copy_from_slice(&[0, 3]);
    let done = translate(&later, &back, None, &HOW, &mut out).unwrap();
    assert_eq!(out[40..done.len], [&[17, 0, 0, 24, 0, 0, 0xab, 0xcd][..], &later[20..]].concat());

    first[26..28].fill(0);
    assert_eq!(translate(&first, &back, None, &HOW, &mut out), Err(Untranslatable::NoChecksum));
    first[9] = 1;
    first[20] = 8;
    assert_eq!(translate(&first, &back, None, &HOW, &mut out), Err(Untranslatable::Fragment));
}

#[test]
fn a_long_packet_keeps_its_sender_told() {
    let long = packet(host(), embedded(), true, 50, &[0; 1241]);
    let mut out = [0; 1400];
    let done = translate(&long, &outside(50), None, &HOW, &mut out).unwrap();
    assert_eq!((done.may_be_cut, &out[4..8]), (false, &[0, 0, 0x40, 0][..]));
    let done = translate(&long[..1], &outside(50), None, &HOW, &mut out);
    assert_eq!(done, Err(Untranslatable::Malformed));
    let done = translate(&long, &outside(50), None, &HOW, &mut out[..1260]);
    assert_eq!(done, Err(Untranslatable::NoRoom));
}

#[test]
fn routes_that_are_not_used_up_are_refused() {
    let mut routed = packet(host(), embedded(), true, 43, &[6, 0, 0, 1, 0, 0, 0, 0]);
    routed.extend(SYN);
    routed[5] += 20;
    let mut out = [0; 200];
    let done = translate(&routed, &outside(6), None, &HOW, &mut out);
    assert_eq!(done, Err(Untranslatable::RoutingHeader { pointer: 43 }));
    routed[43] = 0;
    let done = translate(&routed, &outside(6), None, &HOW, &mut out).unwrap();
    assert_eq!((done.len, out[9]), (40, 6));

    let mut source =
        packet(SERVER, POOL, false, 6, &[&[131, 7, 4, 9, 9, 9, 9, 0], &SYN[..]].concat());
    source[0] = 0x47;
    let back = swapped(inside(6));
    assert_eq!(translate(&source, &back, None, &HOW, &mut out), Err(Untranslatable::SourceRoute));
    source[22] = 8;
    assert_eq!(translate(&source, &back, None, &HOW, &mut out).unwrap().len, 60);
}

#[test]
fn messages_that_only_one_family_has_are_refused() {
    let mut out = [0; 200];
    for ty in [4, 5, 9, 10, 13, 15, 17] {
        let message = packet(SERVER, POOL, false, 1, &[ty, 0, 0, 0, 0, 0, 0, 0]);
        let done = translate(&message, &to_host(), Some(&inside(6)), &HOW, &mut out);
        assert_eq!(done, Err(Untranslatable::Message), "{ty}");
    }
    for ty in [130, 133, 135, 137, 139, 100] {
        let message = packet(host(), embedded(), true, 58, &[ty, 0, 0, 0, 0, 0, 0, 0]);
        let done = translate(&message, &outside(1), Some(&outside(6)), &HOW, &mut out);
        assert_eq!(done, Err(Untranslatable::Message), "{ty}");
    }
    let error = error4([3, 1, 0, 0, 0, 0, 0, 0], &seen_outside());
    assert_eq!(translate(&error, &to_host(), None, &HOW, &mut out), Err(Untranslatable::Unrelated));
    let nested = error4([3, 1, 0, 0, 0, 0, 0, 0], &error);
    assert!(translate(&nested, &to_host(), Some(&inside(58)), &HOW, &mut out).is_err());
}

#[test]
fn any_bytes_are_translated_or_refused() {
    bolero::check!().with_type::<(Vec<u8>, bool, u8)>().for_each(|(bytes, to_six, shape)| {
        let mut bytes = bytes.clone();
        // Mostly something that begins like a packet.
        if shape & 1 == 0 && bytes.len() > 40 {
            bytes[0] = if *to_six { 0x45 } else { 0x60 };
            let len = bytes.len() as u16;
            if *to_six {
                bytes[2..4].copy_from_slice(&len.to_be_bytes());
                bytes[9] = if shape & 2 == 0 { 1 } else { bytes[9] };
            } else {
                bytes[4..6].copy_from_slice(&(len - 40).to_be_bytes());
                bytes[6] = if shape & 2 == 0 { 58 } else { bytes[6] };
            }
        }
        let (target, quoted) =
            if *to_six { (to_host(), inside(6)) } else { (outside(1), outside(6)) };
        let mut out = vec![0; bytes.len() + 120];
        if let Ok(done) = translate(&bytes, &target, Some(&quoted), &HOW, &mut out) {
            assert!(done.len <= out.len());
            let _ = headers::find(&out[..done.len]);
        }
        let mut small = [0; 50];
        let _ = translate(&bytes, &target, Some(&quoted), &HOW, &mut small);
    });
}
