use super::super::sample::{PROTOCOLS, packet, plain_crc, settle, tuple};
use super::*;
use crate::conntrack::tuple::Addr;

const LAN: Addr = Addr::four([192, 168, 0, 2]);
const SERVER: Addr = Addr::four([198, 51, 100, 7]);
const PUBLIC: Addr = Addr::four([203, 0, 113, 1]);

fn to(proto: u8) -> Tuple {
    Tuple { src: PUBLIC, dst: SERVER, sport: 40_000, dport: 80, proto, ..Tuple::default() }
}

/// Shows [9.246] to [9.250]: every checksum equals that of a whole computation.
#[test]
fn checksums_equal_those_computed_anew() {
    bolero::check!()
        .with_type::<(bool, u8, [u128; 4], (u16, u16), [u8; 16], Vec<u8>, bool)>()
        .for_each(|&(six, proto, ends, ports, head, ref rest, source)| {
            let mut proto = PROTOCOLS[usize::from(proto) % PROTOCOLS.len()];
            if six && proto == protocol::ICMP {
                proto = ICMPV6;
            }
            let mut l4 = [&head[..], &[0; 4], rest].concat();
            match proto {
                protocol::ICMP => l4[0] = if source { 8 } else { 0 },
                ICMPV6 => l4[0] = if source { 128 } else { 129 },
                protocol::GRE => l4[1..4].copy_from_slice(&[1, 0x88, 0x0b]),
                _ => {}
            }
            let old = tuple(six, proto, ends[0], ends[1], (1, 2));
            let new = tuple(six, proto, ends[2], ends[3], ports);
            let mut packet = packet(old.src, old.dst, six, proto, &l4);
            settle(&mut packet);
            let before = packet.clone();
            let which = if source { Manip::Src } else { Manip::Dst };

            assert!(manip(&mut packet, &new, which));

            let mut whole = packet.clone();
            settle(&mut whole);
            assert_eq!(packet, whole, "from {before:x?}");
            let found = Tuple::of(&packet).expect("a tuple");
            match which {
                Manip::Src => assert_eq!((found.src, found.dst), (new.src, old.dst)),
                Manip::Dst => assert_eq!((found.src, found.dst), (old.src, new.dst)),
            }
            match (proto, which) {
                (protocol::ICMP | ICMPV6, _) => assert_eq!(found.sport, new.sport),
                (protocol::GRE, Manip::Src) => {}
                (_, Manip::Src) => assert_eq!(found.sport, new.sport),
                (_, Manip::Dst) => assert_eq!(found.dport, new.dport),
            }
            // The way back restores all.
            let back = Tuple::of(&before).expect("a tuple");
            assert!(manip(&mut packet, &back, which));
            assert_eq!(packet, before);
        });
}

#[test]
fn any_bytes_are_written_or_refused() {
    bolero::check!().with_type::<(Vec<u8>, [u128; 2], (u16, u16), bool, bool)>().for_each(
        |(bytes, ends, ports, six, source)| {
            let mut packet = bytes.clone();
            let target = tuple(*six, 6, ends[0], ends[1], *ports);
            let which = if *source { Manip::Src } else { Manip::Dst };
            let _ = manip(&mut packet, &target, which);
            assert_eq!(packet.len(), bytes.len());
        },
    );
}

/// A SYN from 192.168.0.2:4660 to 198.51.100.7:80, byte by byte.
#[test]
fn a_syn_leaves_with_the_public_address() {
    #[rustfmt::skip]
    let mut syn = [
        0x45, 0, 0, 40, 0, 1, 0x40, 0, 64, 6, 0xce, 0xf0, 192, 168, 0, 2, 198, 51, 100, 7,
        0x12, 0x34, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0x20, 0, 0xd2, 0x54, 0, 0,
    ];
    settle(&mut syn);
    assert!(manip(&mut syn, &to(6), Manip::Src));
    assert_eq!(syn[12..16], [203, 0, 113, 1]);
    assert_eq!(syn[20..24], [0x9c, 0x40, 0, 80]);
    let mut whole = syn;
    settle(&mut whole);
    assert_eq!(syn, whole);
}

/// Shows [9.247].
#[test]
fn eight_quoted_bytes_of_tcp_get_a_port_and_no_checksum() {
    let mut quote = packet(LAN, SERVER, false, 6, &[0x12, 0x34, 0, 80, 1, 2, 3, 4]);
    quote[3] = 60; // What it said before it was cut short.
    settle(&mut quote);
    quote.push(0xaa);
    let len = quote.len();
    assert!(write(&mut quote[..len - 1], &to(6), Manip::Src));
    assert_eq!(quote[20..], [0x9c, 0x40, 0, 80, 1, 2, 3, 4, 0xaa]);
    assert!(checksum::ipv4_header(&quote[..20]));
    quote.truncate(27);
    assert!(!write(&mut quote, &to(6), Manip::Src), "seven bytes are not enough");
}

/// Shows [9.248].
#[test]
fn udp_without_checksum_stays_without() {
    let mut datagram = packet(LAN, SERVER, false, 17, &[0x12, 0x34, 0, 80, 0, 9, 0, 0, 1]);
    settle(&mut datagram);
    assert!(manip(&mut datagram, &to(17), Manip::Src));
    assert_eq!(datagram[26..28], [0, 0]);
    assert_eq!(datagram[20..22], 40_000_u16.to_be_bytes());
}

#[test]
fn a_udp_checksum_that_becomes_zero_is_all_ones() {
    let mut datagram =
        packet(LAN, SERVER, false, 17, &[0x12, 0x34, 0, 80, 0, 10, 0xff, 0xff, 0, 0]);
    settle(&mut datagram);
    // A port that takes up the whole sum.
    let check = u16::from_be_bytes([datagram[26], datagram[27]]);
    let port = checksum::add(0x1234, check);
    let target = Tuple { src: LAN, dst: SERVER, sport: port, dport: 80, proto: 17, ..to(17) };
    assert!(manip(&mut datagram, &target, Manip::Src));
    assert_eq!(datagram[26..28], [0xff, 0xff]);
}

/// Shows [9.249] for SCTP, GRE and protocols that nobody knows.
#[test]
fn each_protocol_is_written_in_its_own_way() {
    let mut chunk =
        packet(LAN, SERVER, false, 132, &[0x12, 0x34, 0, 80, 1, 2, 3, 4, 0, 0, 0, 0, 9]);
    settle(&mut chunk);
    assert!(manip(&mut chunk, &to(132), Manip::Src));
    let crc = u32::from_le_bytes([chunk[28], chunk[29], chunk[30], chunk[31]]);
    chunk[28..32].fill(0);
    assert_eq!(crc, plain_crc(&chunk[20..]));

    let gre = |version| packet(SERVER, PUBLIC, false, 47, &[0x30, version, 0x88, 0x0b, 0, 0, 7, 7]);
    let target = Tuple { src: SERVER, dst: LAN, sport: 1, dport: 0x0102, proto: 47, ..to(47) };
    let mut one = gre(1);
    assert!(manip(&mut one, &target, Manip::Dst));
    assert_eq!(one[26..28], [1, 2]);
    let mut source = gre(1);
    assert!(manip(&mut source, &target, Manip::Src));
    assert_eq!(source[26..28], [7, 7], "the source's call is not in the packet");
    let mut zero = gre(0);
    assert!(manip(&mut zero, &target, Manip::Dst));
    assert_eq!(zero[26..28], [7, 7]);
    assert!(!manip(&mut gre(2), &target, Manip::Dst), "nobody knows version 2");

    let mut ospf = packet(LAN, SERVER, false, 89, &[2, 1]);
    settle(&mut ospf);
    assert!(manip(&mut ospf, &to(89), Manip::Src));
    assert_eq!((&ospf[12..16], &ospf[20..]), (&[203, 0, 113, 1][..], &[2, 1][..]));
    assert!(checksum::ipv4_header(&ospf[..20]));
}

#[test]
fn an_error_keeps_the_word_that_a_query_has_its_identifier_in() {
    let mut error = packet(LAN, SERVER, false, 1, &[3, 4, 0, 0, 0, 0, 5, 0xdc, 0x45]);
    settle(&mut error);
    assert!(manip(&mut error, &to(1), Manip::Src));
    assert_eq!(error[24..28], [0, 0, 5, 0xdc]);
    assert!(checksum::sum(&error[20..]) == 0xffff);
}

#[test]
fn later_fragments_and_padding_are_left_alone() {
    let mut later = packet(LAN, SERVER, false, 17, &[1, 2, 3, 4, 5, 6, 7, 8]);
    later[7] = 1;
    settle(&mut later);
    later.extend([0xee; 4]);
    assert!(manip(&mut later, &to(17), Manip::Src));
    assert_eq!(later[20..], [1, 2, 3, 4, 5, 6, 7, 8, 0xee, 0xee, 0xee, 0xee]);
    assert!(checksum::ipv4_header(&later[..20]));

    // A padded SCTP packet is summed without its padding.
    let mut chunk = packet(LAN, SERVER, false, 132, &[0, 1, 0, 2, 1, 2, 3, 4, 0, 0, 0, 0]);
    chunk.extend([0xee; 14]);
    assert!(manip(&mut chunk, &to(132), Manip::Src));
    let mut alone = chunk[20..32].to_vec();
    alone[8..].fill(0);
    assert_eq!(chunk[28..32], plain_crc(&alone).to_le_bytes());
}

#[test]
fn extension_headers_are_passed_over() {
    let (src, dst) = (Addr([0x20; 16]), Addr([0x21; 16]));
    let chain = [17, 0, 1, 4, 0, 0, 0, 0, 0x12, 0x34, 0, 80, 0, 9, 0xff, 0xff, 1];
    let mut datagram = packet(src, dst, true, 60, &chain);
    // The length of the segment in the pseudo-header is that behind the options.
    let mut plain = packet(src, dst, true, 17, &chain[8..]);
    settle(&mut plain);
    datagram[48..].copy_from_slice(&plain[40..]);
    let target = Tuple { six: true, src: Addr([0x33; 16]), dst, sport: 9, ..to(17) };
    assert!(manip(&mut datagram, &target, Manip::Src) && manip(&mut plain, &target, Manip::Src));
    assert_eq!(datagram[48..], plain[40..]);
    settle(&mut plain);
    assert_eq!(datagram[48..], plain[40..]);
}

#[test]
fn answers_have_the_other_end_translated() {
    for (status, dir, which, want) in [
        (status::SRC_NAT, Dir::Original, Manip::Src, true),
        (status::SRC_NAT, Dir::Original, Manip::Dst, false),
        (status::SRC_NAT, Dir::Reply, Manip::Dst, true),
        (status::SRC_NAT, Dir::Reply, Manip::Src, false),
        (status::DST_NAT, Dir::Original, Manip::Dst, true),
        (status::DST_NAT, Dir::Reply, Manip::Src, true),
        (status::NAT_DONE_MASK, Dir::Original, Manip::Src, false),
    ] {
        assert_eq!(applies(status, dir, which), want, "{status:#x} {dir:?} {which:?}");
    }
}
