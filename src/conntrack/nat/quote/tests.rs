use super::super::sample::{PROTOCOLS, packet, settle, tuple};
use super::*;
use crate::conntrack::tuple::Addr;

const LAN: Addr = Addr::four([192, 168, 0, 2]);
const SERVER: Addr = Addr::four([198, 51, 100, 7]);
const PUBLIC: Addr = Addr::four([203, 0, 113, 1]);
const ROUTER: Addr = Addr::four([198, 51, 100, 1]);

/// "Fragmentation needed" from a router on the way, about what left as the public address.
fn too_big(quoted: &[u8]) -> Vec<u8> {
    let message = [&[3, 4, 0, 0, 0, 0, 5, 0x14], quoted].concat();
    let mut error = packet(ROUTER, PUBLIC, false, 1, &message);
    settle(&mut error);
    error
}

fn segment(src: Addr, sport: u16) -> Vec<u8> {
    let [high, low] = sport.to_be_bytes();
    let l4 = [high, low, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0x20, 0, 0, 0, 0, 0];
    let mut segment = packet(src, SERVER, false, 6, &l4);
    settle(&mut segment);
    segment
}

/// What the connection's first packet was, before its source was translated.
fn original() -> Tuple {
    Tuple { src: LAN, dst: SERVER, sport: 0x1234, dport: 80, proto: 6, ..Tuple::default() }
}

/// Shows [9.236]: the inner host is told about the packet that it sent.
#[test]
fn an_error_from_the_way_reaches_the_inner_host_with_inner_addresses() {
    for cut in [40, 28] {
        let mut error = too_big(&segment(PUBLIC, 40_000)[..cut]);
        // The error answers, so its destination is translated, and the source of what it quotes.
        assert!(manip_error(&mut error, &original(), Manip::Dst));
        assert_eq!(
            error[12..20],
            [198, 51, 100, 1, 192, 168, 0, 2],
            "from the router, to the host"
        );
        assert!(checksum::ipv4_header(&error[..20]));
        assert_eq!(checksum::sum(&error[20..]), 0xffff);
        assert_eq!(error[28..], segment(LAN, 0x1234)[..cut], "{cut} bytes quoted");
    }
}

#[test]
fn an_error_that_is_damaged_or_cut_short_is_not_written() {
    let good = too_big(&segment(PUBLIC, 40_000));
    let mut bad = good.clone();
    bad[47] ^= 1;
    assert!(!manip_error(&mut bad, &original(), Manip::Dst), "a wrong checksum");
    for quoted in 0..28 {
        let mut short = too_big(&segment(PUBLIC, 40_000)[..quoted]);
        assert!(!manip_error(&mut short, &original(), Manip::Dst), "{quoted} bytes quoted");
    }
}

/// Checksums hold outside and inside, in both families and for every protocol.
#[test]
fn errors_about_any_protocol_hold_together() {
    bolero::check!().with_type::<(bool, u8, [u128; 4], (u16, u16), [u8; 20], bool, u8)>().for_each(
        |&(six, proto, ends, ports, l4, source, cut)| {
            let mut proto = PROTOCOLS[usize::from(proto) % PROTOCOLS.len()];
            let mut l4 = l4;
            if six && proto == protocol::ICMP {
                proto = ICMPV6;
            }
            match proto {
                protocol::ICMP => l4[0] = 8,
                ICMPV6 => l4[0] = 128,
                protocol::GRE => l4[1] = 1,
                _ => {}
            }
            let seen = tuple(six, proto, ends[0], ends[1], (1, 2));
            let shown = tuple(six, proto, ends[2], ends[3], ports);
            let mut inner = packet(seen.src, seen.dst, six, proto, &l4);
            settle(&mut inner);
            let quote = inner.len() - usize::from(cut % 13);
            let (kind, icmp) = if six { (1, ICMPV6) } else { (3, protocol::ICMP) };
            let message = [&[kind, 0, 0, 0, 0, 0, 0, 0], &inner[..quote]].concat();
            let mut error = packet(seen.dst, seen.src, six, icmp, &message);
            settle(&mut error);
            let which = if source { Manip::Src } else { Manip::Dst };

            assert!(manip_error(&mut error, &shown, which));

            let mut whole = error.clone();
            settle(&mut whole);
            assert_eq!(error, whole);
            let start = if six { 48 } else { 28 };
            assert!(super::super::rewrite::write(&mut inner[..quote], &shown, which.other()));
            assert_eq!(error[start..], inner[..quote]);
        },
    );
}

#[test]
fn any_bytes_are_an_error_or_refused() {
    bolero::check!().with_type::<(Vec<u8>, bool)>().for_each(|(bytes, six)| {
        let mut packet = bytes.clone();
        let _ = is_redirect(bytes);
        let _ = manip_error(&mut packet, &Tuple { six: *six, ..original() }, Manip::Src);
    });
}

#[test]
fn redirects_are_known() {
    assert!(is_redirect(&packet(LAN, SERVER, false, 1, &[5, 0])));
    assert!(!is_redirect(&packet(LAN, SERVER, false, 1, &[3, 0])));
    assert!(is_redirect(&packet(Addr([0x20; 16]), Addr([0x21; 16]), true, 58, &[137, 0])));
}
