//! Hosts of IPv6 that talk with servers of IPv4 through the whole router.

use super::{
    fragments::Lab,
    workers::{LAN, WAN, ip},
    *,
};
use crate::{
    conntrack::{Tuple, headers, tuple::ICMPV6},
    control::LogLine,
    packet::{
        icmp4::ErrorKind,
        ipv4::protocol,
        ipv6::{Ipv6View, fragment::FragmentHeader},
    },
    port::table::IfaceAddr6,
};
use std::net::Ipv6Addr;

const WORDS: &str = "[limits]\nconnections = 16384\n[nat64]\npool = \"203.0.113.192/30\"\n";
const HOST: u128 = 0x2001_0db8_0001_0000_0000_0000_0000_0007;
const SERVER: [u8; 4] = [198, 51, 100, 9];

fn seen(four: [u8; 4]) -> Ipv6Addr {
    Ipv6Addr::from_bits(0x0064_ff9b << 96 | u128::from(u32::from_be_bytes(four)))
}

fn lab(machine: &Machine, workers: usize) -> Lab {
    let mut lab = Lab::new(machine, workers, WORDS);
    let own = IfaceAddr6::permanent("2001:db8:1::1/64".parse().unwrap());
    lab.router().add_address6("lan", own).unwrap();
    lab.router().commit();
    lab
}

fn from_host(n: u128, server: [u8; 4]) -> FrameBuilder {
    FrameBuilder::new().ipv6(Ipv6Addr::from_bits(HOST + n), seen(server))
}

fn only(lab: &Lab) -> (usize, Vec<u8>) {
    let mut sent = lab.take();
    assert_eq!(sent.len(), 1, "frames");
    sent.pop().map(|(to, _, frame)| (to, frame)).unwrap()
}

/// The checksum of the transport holds.
#[track_caller]
fn is_whole(frame: &[u8]) {
    let packet = ip(frame);
    let found = headers::find(packet).unwrap();
    let l4 = &packet[found.l4..];
    let sum = match found.six {
        false => {
            assert!(checksum::ipv4_header(&packet[..20]));
            let ends = [&packet[12..20], &[0, found.proto], &(l4.len() as u16).to_be_bytes()];
            if found.proto == protocol::ICMP {
                checksum::sum(l4)
            } else {
                checksum::add(checksum::sum(&ends.concat()), checksum::sum(l4))
            }
        }
        true => {
            let ends = [&packet[8..40], &(l4.len() as u32).to_be_bytes(), &[0, 0, 0, found.proto]];
            checksum::add(checksum::sum(&ends.concat()), checksum::sum(l4))
        }
    };
    assert_eq!(sum, 0xffff, "checksum of {packet:02x?}");
}

/// Shows RFC 6146 section 1.2.2: a walk there and back, of each protocol, with one hop counted.
#[test]
fn hosts_of_ipv6_reach_servers_of_ipv4() {
    let machine = machine_for(&world());
    for workers in [1, 3] {
        let mut lab = lab(&machine, workers);
        for n in 0..30_u16 {
            let there = from_host((n % 3).into(), SERVER);
            let there = match n % 3 {
                0 => there.udp(4000 + n, 53).payload_len(33),
                1 => there.tcp(4000 + n, 80, 2),
                _ => there.echo_request(4000 + n, 7).payload_len(21),
            };
            lab.give_by(LAN, &there.build());
            let (to, out) = only(&lab);
            is_whole(&out);
            let view = Ipv4View::new_checked(ip(&out)).unwrap();
            assert_eq!((to, view.dst().octets(), view.ttl()), (WAN, SERVER, 63));
            assert!((192..196).contains(&view.src().octets()[3]) && view.src().octets()[0] == 203);
            let l4 = view.payload().to_vec();
            let word = |at: usize| u16::from_be_bytes([l4[at], l4[at + 1]]);
            let back = FrameBuilder::new().ipv4(view.dst(), view.src());
            let back = match n % 3 {
                0 => back.udp(53, word(0)).payload_len(50),
                1 => back.tcp_spec(crate::packet::tcp::TcpSpec {
                    src_port: 80,
                    dst_port: word(0),
                    seq: 9,
                    ack: 1,
                    flags: 0x12,
                    window: 500,
                }),
                _ => back.echo_reply(word(4), word(6)).payload_len(21),
            };
            lab.give_by(WAN, &back.build());
            let (to, came) = only(&lab);
            is_whole(&came);
            let view = Ipv6View::new_checked(ip(&came)).unwrap();
            assert_eq!((to, view.src(), view.hop_limit()), (LAN, seen(SERVER), 63));
            assert_eq!(view.dst().to_bits(), HOST + u128::from(n % 3));
            let tuple = Tuple::of(ip(&came)).unwrap();
            let port = if tuple.proto == ICMPV6 { tuple.sport } else { tuple.dport };
            assert_eq!(port, 4000 + n);
        }
        lab.finish();
    }
}

/// Shows RFC 6146 section 3.5.1.1: one address and port in IPv4 for all servers, and one address for a host.
#[test]
fn an_end_of_ipv6_is_one_end_of_ipv4() {
    let machine = machine_for(&world());
    for workers in [1, 3] {
        let mut lab = lab(&machine, workers);
        let mut ends = HashMap::new();
        for server in 1..30 {
            for n in 0..6_u16 {
                let there = from_host(u128::from(n % 3), [198, 51, 100, server]);
                lab.give_by(LAN, &there.udp(7000 + n / 3, 53).build());
                let tuple = Tuple::of(ip(&only(&lab).1)).unwrap();
                let end = (tuple.src, tuple.sport);
                assert_eq!(*ends.entry(n).or_insert(end), end, "{workers} workers");
            }
        }
        assert_eq!((ends[&0].0, ends[&1].0, ends[&2].0), (ends[&3].0, ends[&4].0, ends[&5].0));
        let all: std::collections::HashSet<_> = ends.values().collect();
        assert_eq!(all.len(), 6);
        // Who was not asked is not let in.
        let (address, port) = ends[&0];
        let stranger = FrameBuilder::new()
            .ipv4([198, 51, 100, 99].into(), Ipv4Addr::from(address.first4()))
            .udp(53, port);
        lab.give_by(WAN, &stranger.build());
        assert!(lab.take().is_empty());
        assert_eq!(lab.ended(Reason::NatCross), 1);
        lab.finish();
    }
}

/// Shows RFC 7915 section 4.2 and RFC 6146 section 3.5: errors reach whom they concern.
#[test]
fn errors_cross_both_ways() {
    let machine = machine_for(&world());
    for workers in [1, 3] {
        let mut lab = lab(&machine, workers);
        for n in 0..8_u16 {
            let asked = from_host(0, SERVER).udp(5000 + n, 53).payload_len(100).build();
            lab.give_by(LAN, &asked);
            let (_, out) = only(&lab);
            let mapped = Ipv4View::new_checked(ip(&out)).unwrap();
            let error = FrameBuilder::new()
                .ipv4([198, 51, 100, 77].into(), mapped.src())
                .icmp_error(ErrorKind::TimeExceeded { code: 0 })
                .payload(&ip(&out)[..60]);
            lab.give_by(WAN, &error.build());
            let (to, came) = only(&lab);
            is_whole(&came);
            let view = Ipv6View::new_checked(ip(&came)).unwrap();
            assert_eq!((to, view.src()), (LAN, seen([198, 51, 100, 77])));
            assert_eq!(view.payload()[..2], [3, 0]);
            let quoted = Tuple::of(&view.payload()[8..]).unwrap();
            assert_eq!(quoted, Tuple::of(ip(&asked)).unwrap());

            // A host says that nobody is there.
            let answer = FrameBuilder::new().ipv4(SERVER.into(), mapped.src());
            let port = u16::from_be_bytes([ip(&out)[20], ip(&out)[21]]);
            lab.give_by(WAN, &answer.udp(53, port).payload_len(40).build());
            let (_, came) = only(&lab);
            let error = FrameBuilder::new()
                .ipv6(Ipv6Addr::from_bits(HOST), seen(SERVER))
                .icmp6_error(crate::packet::icmp6::ErrorKind::Unreachable { code: 4 })
                .payload(ip(&came));
            lab.give_by(LAN, &error.build());
            let (to, left) = only(&lab);
            is_whole(&left);
            let view = Ipv4View::new_checked(ip(&left)).unwrap();
            assert_eq!((to, view.dst().octets(), view.src()), (WAN, SERVER, mapped.src()));
            assert_eq!(view.payload()[..2], [3, 3]);
            let quoted = Tuple::of(&view.payload()[8..]).unwrap();
            assert_eq!((quoted.dport, quoted.src.first4()), (port, SERVER));
        }
        lab.finish();
    }
}

/// Shows RFC 7915 sections 4 and 5: what is too long is cut where it may be, and else its sender is told.
#[test]
fn what_does_not_fit_is_cut_or_told_of() {
    let machine = machine_for(&world());
    let mut lab = lab(&machine, 1);
    lab.give_by(LAN, &from_host(0, SERVER).udp(5000, 53).build());
    let (_, out) = only(&lab);
    let (mapped, port) = (Ipv4View::new_checked(ip(&out)).unwrap().src(), 5000);
    let back = || FrameBuilder::new().ipv4(SERVER.into(), mapped).udp(53, port).payload_len(1472);
    lab.give_by(WAN, &back().build());
    let sent = lab.take();
    assert_eq!(sent.len(), 2, "pieces");
    let mut whole = Vec::new();
    for (to, _, frame) in &sent {
        let view = Ipv6View::new_checked(ip(frame)).unwrap();
        assert!(*to == LAN && frame.len() <= 14 + 1280 && view.next_header() == 44);
        let header = FragmentHeader::read(view.payload()).unwrap();
        assert_eq!(usize::from(header.offset), whole.len());
        whole.extend_from_slice(&view.payload()[8..]);
    }
    assert_eq!(whole.len(), 1480);

    lab.give_by(WAN, &back().dont_fragment().build());
    let (to, told) = only(&lab);
    let view = Ipv4View::new_checked(ip(&told)).unwrap();
    assert_eq!((to, view.dst().octets(), &view.payload()[..2]), (WAN, SERVER, &[3, 4][..]));
    assert_eq!(u16::from_be_bytes([view.payload()[6], view.payload()[7]]), 1480);

    // The way in IPv4 is narrow, by the trunk.
    let narrow = [203, 0, 113, 9];
    lab.give_by(LAN, &from_host(0, narrow).udp(5001, 53).payload_len(1400).build());
    let (to, told) = only(&lab);
    let view = Ipv6View::new_checked(ip(&told)).unwrap();
    assert_eq!((to, view.dst().to_bits(), &view.payload()[..2]), (LAN, HOST, &[2, 0][..]));
    assert_eq!(view.payload()[4..8], 1420_u32.to_be_bytes());
    // With that it fits.
    lab.give_by(LAN, &from_host(0, narrow).udp(5001, 53).payload_len(1372).build());
    assert_eq!(only(&lab).0, 2);

    // The last hop is this one.
    let last = {
        let mut frame = from_host(0, SERVER).udp(5002, 53).build();
        frame[21] = 1;
        frame
    };
    lab.give_by(LAN, &last);
    let (to, told) = only(&lab);
    let view = Ipv6View::new_checked(ip(&told)).unwrap();
    assert_eq!((to, view.src()), (LAN, "2001:db8:1::1".parse().unwrap()));
    assert_eq!(view.payload()[..2], [3, 0]);
    lab.finish();
}

/// Shows RFC 6146 section 3.4: pieces are put together before they cross.
#[test]
fn datagrams_in_pieces_cross_whole() {
    let machine = machine_for(&world());
    for workers in [1, 3] {
        let mut lab = lab(&machine, workers);
        for n in 0..6_u16 {
            let whole = from_host(0, SERVER).udp(6000 + n, 53).payload_len(1600).build();
            let payload = &whole[54..];
            for (offset, piece) in [(0, &payload[..1000]), (1000, &payload[1000..])] {
                let header = FragmentHeader {
                    next_header: 17,
                    offset,
                    more: offset == 0,
                    id: u32::from(n) + 9,
                };
                let mut frame = whole[..54].to_vec();
                frame[20] = 44;
                frame[18..20].copy_from_slice(&(8 + piece.len() as u16).to_be_bytes());
                frame.extend(header.to_bytes());
                frame.extend(piece);
                lab.give_by(LAN, &frame);
            }
            let sent = lab.take();
            assert_eq!(sent.len(), 2, "it is longer than the link carries");
            let mut joined = Vec::new();
            for (to, _, frame) in &sent {
                let view = Ipv4View::new_checked(ip(frame)).unwrap();
                assert!(*to == WAN && view.checksum_holds());
                assert_eq!(view.fragment_offset(), joined.len());
                joined.extend_from_slice(view.payload());
            }
            assert_eq!(joined[8..], payload[8..]);
            // And the answer in pieces of IPv4.
            let mapped = Ipv4View::new_checked(ip(&sent[0].2)).unwrap().src();
            let port = u16::from_be_bytes([joined[0], joined[1]]);
            let back = FrameBuilder::new().ipv4(SERVER.into(), mapped).udp(53, port);
            let back = back.id(n).payload_len(2000).build();
            for piece in super::workers::pieces(&back, 1400) {
                lab.give_by(WAN, &piece);
            }
            let sent = lab.take();
            let bytes: usize = sent
                .iter()
                .map(|(to, _, frame)| {
                    assert_eq!(*to, LAN);
                    Ipv6View::new_checked(ip(frame)).unwrap().payload().len() - 8
                })
                .sum();
            assert_eq!(bytes, 2008);
        }
        lab.finish();
    }
}

/// Shows RFC 6146 section 3.8: hosts inside meet by what they are seen as.
#[test]
fn hosts_of_ipv6_meet_by_their_addresses_of_ipv4() {
    let machine = machine_for(&world());
    for workers in [1, 3] {
        let mut lab = lab(&machine, workers);
        for n in 0..12_u16 {
            // Bob is known outside, as he has spoken with somebody.
            let bob = from_host(1, SERVER).udp(8000 + n, 53).build();
            lab.give_by(LAN, &bob);
            let bob = Tuple::of(ip(&only(&lab).1)).unwrap();
            let alice = from_host(0, bob.src.first4()).udp(9000 + n, bob.sport).payload_len(9);
            lab.give_by(LAN, &alice.build());
            let (to, came) = only(&lab);
            is_whole(&came);
            let tuple = Tuple::of(ip(&came)).unwrap();
            assert_eq!((to, tuple.dport), (LAN, 8000 + n), "{workers} workers");
            assert_eq!(u128::from_be_bytes(tuple.dst.0), HOST + 1);
            let seen_as = Ipv6Addr::from_octets(tuple.src.0);
            assert!(seen_as.to_bits() >> 32 == 0x0064_ff9b << 64, "{seen_as}");
            // And back.
            let back = FrameBuilder::new().ipv6(Ipv6Addr::from_bits(HOST + 1), seen_as);
            lab.give_by(LAN, &back.udp(8000 + n, tuple.sport).payload_len(9).build());
            let (_, came) = only(&lab);
            is_whole(&came);
            let tuple = Tuple::of(ip(&came)).unwrap();
            assert_eq!((u128::from_be_bytes(tuple.dst.0), tuple.dport), (HOST, 9000 + n));
            assert_eq!((tuple.src.0, tuple.sport), (seen(bob.src.first4()).octets(), bob.sport));
        }
        lab.finish();
    }
}

/// Shows RFC 4787 section 5 for both families: strangers are let in where that is wanted.
#[test]
fn strangers_of_ipv4_reach_hosts_of_ipv6_where_that_is_wanted() {
    let machine = machine_for(&world());
    for workers in [1, 3] {
        let words = format!("{WORDS}[netfilter]\nfiltering = \"endpoint-independent\"\n");
        let mut lab = Lab::new(&machine, workers, &words);
        let own = IfaceAddr6::permanent("2001:db8:1::1/64".parse().unwrap());
        lab.router().add_address6("lan", own).unwrap();
        lab.router().commit();
        lab.give_by(LAN, &from_host(0, SERVER).udp(8000, 53).build());
        let out = Tuple::of(ip(&only(&lab).1)).unwrap();
        for n in 0..20 {
            let stranger = [198, 51, 100, 100 + n];
            let there = FrameBuilder::new().ipv4(stranger.into(), out.src.first4().into());
            lab.give_by(WAN, &there.udp(77, out.sport).build());
            let (to, came) = only(&lab);
            is_whole(&came);
            let tuple = Tuple::of(ip(&came)).unwrap();
            assert_eq!((to, tuple.src.0, tuple.dport), (LAN, seen(stranger).octets(), 8000));
            lab.give_by(LAN, &from_host(0, stranger).udp(8000, 77).build());
            let back = Tuple::of(ip(&only(&lab).1)).unwrap();
            assert_eq!((back.src, back.sport, back.dst.first4()), (out.src, out.sport, stranger));
        }
        lab.finish();
    }
}

/// Shows RFC 6888 REQ-14 for hosts of IPv6: one line tells whose the ports of a block are.
#[test]
fn hosts_of_ipv6_have_blocks_of_ports_too() {
    let machine = machine_for(&world());
    let mut lab = Lab::new(&machine, 1, &format!("{WORDS}[netfilter.blocks]\nsize = 64\n"));
    for n in 0..3 {
        lab.give_by(LAN, &from_host(n, SERVER).udp(8000, 53).build());
        let out = Tuple::of(ip(&only(&lab).1)).unwrap();
        let lines: Vec<_> = lab.router().take_log().collect();
        let [LogLine { text: line, .. }] = &lines[..] else { panic!("{lines:?}") };
        let (host, four) = (Ipv6Addr::from_bits(HOST + n), Ipv4Addr::from(out.src.first4()));
        let rest = line.strip_prefix(&format!("nat block taken: {host} as {four} ports ")).unwrap();
        let (first, last) = rest.split_once('-').unwrap();
        assert!((first.parse().unwrap()..=last.parse().unwrap()).contains(&out.sport), "{line}");
    }
    lab.finish();
}

#[test]
fn any_frames_between_families_are_accounted_for() {
    let machine = machine_for(&world());
    for workers in [1, 3] {
        let mut lab = lab(&machine, workers);
        let mut random = Random::new(11);
        let mut outside: Vec<Vec<u8>> = Vec::new();
        for n in 0..3000_u16 {
            let host = || from_host(u128::from(n % 5), [198, 51, 100, 1 + (n % 3) as u8]);
            let (place, mut frame) = match (random.below(8), outside.last()) {
                (0, _) => (LAN, host().udp(n % 40, 53).payload_len(usize::from(n % 1400)).build()),
                (1, _) => (LAN, host().tcp(n % 40, 80, 2).build()),
                (2, _) => (LAN, host().echo_request(n % 40, 7).payload_len(50).build()),
                (3, _) => {
                    (LAN, host().fragment(n.into(), 0, true).udp(1, 2).payload_len(64).build())
                }
                (4 | 5, Some(out)) => (WAN, super::workers::answer_to(out).payload_len(90).build()),
                (6, Some(out)) => {
                    let view = Ipv4View::new_checked(ip(out)).unwrap();
                    let error = FrameBuilder::new().ipv4([198, 51, 100, 77].into(), view.src());
                    let error = error.icmp_error(ErrorKind::FragmentationNeeded { mtu: 1000 });
                    (WAN, error.payload(&ip(out)[..ip(out).len().min(100)]).build())
                }
                _ => {
                    let four = FrameBuilder::new();
                    let four = four.ipv4(SERVER.into(), [203, 0, 113, 192 + (n % 4) as u8].into());
                    (WAN, four.udp(53, n).payload_len(30).build())
                }
            };
            if random.below(3) == 0 {
                damage(&mut frame, &mut random);
            }
            lab.give_by(place, &frame);
            for (to, _, frame) in lab.take() {
                let whole = ip(&frame).first() == Some(&0x45) && ip(&frame)[6] & 0x3f == 0;
                if to == WAN && whole {
                    outside.push(frame);
                }
            }
        }
        assert!(outside.len() > 500, "{}", outside.len());
        lab.finish();
    }
}

/// The short way is for packets that leave in the family that they came in.
#[test]
fn established_flows_between_families_go_on_crossing() {
    let machine = machine_for(&world());
    for workers in [1, 3] {
        let words = WORDS.replace("16384\n", "16384\nflowtable = 1024\n");
        let mut lab = Lab::new(&machine, workers, &words);
        let own = IfaceAddr6::permanent("2001:db8:1::1/64".parse().unwrap());
        lab.router().add_address6("lan", own).unwrap();
        lab.router().commit();
        for round in 0..40 {
            lab.give_by(LAN, &from_host(0, SERVER).udp(8000, 53).payload_len(round).build());
            let (to, out) = only(&lab);
            is_whole(&out);
            assert_eq!((to, &ip(&out)[16..20], ip(&out)[8]), (WAN, &SERVER[..], 63));
            lab.give_by(WAN, &super::workers::answer_to(&out).payload_len(round).build());
            let (to, came) = only(&lab);
            is_whole(&came);
            let tuple = Tuple::of(ip(&came)).unwrap();
            assert_eq!((to, tuple.dport, tuple.dst.0), (LAN, 8000, HOST.to_be_bytes()));
        }
        assert_eq!(lab.shortened(), 0);
        lab.finish();
    }
}
