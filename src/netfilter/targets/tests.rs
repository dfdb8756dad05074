//! Each target, and what becomes of the packet.

use std::net::Ipv4Addr;

use crate::netfilter::doubles::*;
use crate::netfilter::rule::*;
use crate::netfilter::view::{Conn, ConnState, PacketFacts};
use crate::netfilter::{DropCause, SetFound, Verdict};
use crate::packet::{
    checksum,
    tcp::{
        TcpView,
        flag::{ACK, SYN},
    },
};

/// What a target does in table mangle, to a packet in transit.
fn mangle(target: Target, packet: &[u8]) -> (Verdict, Vec<u8>) {
    let mut about = PacketFacts::default();
    apply(TableName::Mangle, Hook::Forward, target, packet, &mut about, &mut World::default())
}

fn apply(
    table: TableName,
    hook: Hook,
    target: Target,
    packet: &[u8],
    about: &mut PacketFacts<'_>,
    world: &mut World,
) -> (Verdict, Vec<u8>) {
    let protocol = packet[if packet[0] >> 4 == 4 { 9 } else { 6 }];
    let syn =
        Match::Tcp(Tcp { flags: Some(Is::so(Masked { value: SYN, mask: SYN })), ..Tcp::default() });
    let matches = if matches!(target, Target::Tcpmss(_)) { vec![syn] } else { vec![] };
    effect(table, hook, rule_of(protocol, matches, target), packet, about, world)
}

#[test]
fn fields_of_the_network_header_change_with_their_checksum() {
    let packet = four(|frame| frame.tos(0x03).ttl(9).tcp(1000, 80, SYN));
    let after = |target| {
        let (verdict, after) = mangle(target, &packet);
        assert_eq!(verdict, Verdict::Accept);
        assert!(checksums_hold(&after));
        after
    };
    assert_eq!(after(Target::Dscp(46))[1], 0xbb);
    assert_eq!(after(Target::Tos(Masked { value: 0x10, mask: 0x12 }))[1], 0x11);
    let ecn = EcnTarget { ip: Some(1), cwr: Some(true), ece: Some(true) };
    let changed = after(Target::Ecn(ecn));
    assert_eq!((changed[1], changed[33]), (1, SYN | 0xc0));
    assert_eq!(after(Target::Ttl(Ttl::Set(100)))[8], 100);
    assert_eq!(after(Target::Ttl(Ttl::Increase(250)))[8], 255);
    assert_eq!(after(Target::Ttl(Ttl::Decrease(10)))[8], 0);
    let (_, hop) = mangle(Target::HopLimit(Ttl::Decrease(1)), &six(17, &[0; 8]));
    assert_eq!(hop[7], 63);
    let (_, class) = mangle(Target::Dscp(46), &six(17, &[0; 8]));
    assert_eq!(class[..2], [0x6b, 0x80]);
}

#[test]
fn the_maximum_segment_size_is_lowered_or_added_but_never_raised() {
    let mss = |bytes: &[u8]| TcpView::new_checked(&bytes[20..]).unwrap().mss();
    let set = |packet: &[u8], mss| {
        let (verdict, after) = mangle(Target::Tcpmss(Tcpmss::Set(mss)), packet);
        assert_eq!(verdict, Verdict::Accept);
        assert!(checksums_hold(&after));
        after
    };
    for options in [&[2, 4, 5, 0xb4][..], &[1, 2, 4, 5, 0xb4, 1, 1, 1]] {
        let syn = tcp_with(SYN, options, &[]);
        assert_eq!(mss(&set(&syn, 1400)), Some(1400));
        assert_eq!(mss(&set(&syn, 1461)), Some(1460));
    }
    let bare = tcp_with(SYN, &[1, 1, 1, 1], &[]);
    let grown = set(&bare, 1400);
    assert_eq!((mss(&grown), grown.len(), bare.len()), (Some(536), 48, 44));
    assert_eq!(u16::from_be_bytes([grown[2], grown[3]]), 48);
    assert_eq!(set(&tcp_with(SYN, &[], b"data"), 1400).len(), 44);
    let clamp = |mtus| {
        let mut world = World { mtus, ..World::default() };
        let syn = tcp_with(SYN, &[2, 4, 5, 0xb4], &[]);
        let target = Target::Tcpmss(Tcpmss::Clamp);
        let mut about = PacketFacts::default();
        apply(TableName::Mangle, Hook::Forward, target, &syn, &mut about, &mut world)
    };
    assert_eq!(mss(&clamp([Some(1400), Some(1500)]).1), Some(1360));
    assert_eq!(mss(&clamp([Some(1500), Some(1300)]).1), Some(1260));
    assert_eq!(mss(&clamp([None, None]).1), Some(1460));
    assert_eq!(clamp([Some(40), None]).0, Verdict::Drop(DropCause::Target));
    // A header that says it is longer than the packet.
    let mut lies = tcp_with(SYN, &[], &[]);
    lies[32] = 8 << 4;
    let (verdict, _) = mangle(Target::Tcpmss(Tcpmss::Set(1)), &lies);
    assert_eq!(verdict, Verdict::Drop(DropCause::Target));
}

#[test]
fn options_are_stripped() {
    let options = [2, 4, 5, 0xb4, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 4, 2, 1, 1, 1];
    let (_, after) = mangle(Target::Tcpoptstrip(vec![8, 4]), &tcp_with(SYN, &options, b"x"));
    assert!(checksums_hold(&after));
    assert_eq!(after[40..60], [2, 4, 5, 0xb4, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
}

#[test]
fn marks_and_classes() {
    let packet = tcp(1000, 80, ACK);
    let conn = Conn { state: ConnState::New, id: 1 };
    let mut about = PacketFacts { mark: 0xff00, conn, ..PacketFacts::default() };
    let mut world = World { facts: Some(facts()), ..World::default() };
    let mut run = |target, about: &mut PacketFacts<'_>| {
        apply(TableName::Mangle, Hook::Forward, target, &packet, about, &mut world);
        world.facts.unwrap().mark
    };
    run(Target::Mark(Masked { value: 0x1, mask: 0xf000 }), &mut about);
    assert_eq!(about.mark, 0x0f01);
    let save = Connmark::Save { ct_mask: 0xff, nf_mask: 0x0f };
    assert_eq!(run(Target::Connmark(save), &mut about), 0x01);
    let set = Connmark::Set(Masked { value: 0x70, mask: 0xf0 });
    assert_eq!(run(Target::Connmark(set), &mut about), 0x71);
    run(Target::Connmark(Connmark::Restore { ct_mask: 0xf0, nf_mask: 0xff }), &mut about);
    assert_eq!(about.mark, 0x0f70);
    run(Target::Classify(0x1_0002), &mut about);
    assert_eq!(about.priority, 0x1_0002);
}

#[test]
fn who_else_has_the_packet() {
    let packet = udp(1, 2);
    let mut world = World::default();
    let mut run = |table, hook, target| {
        let mut about = PacketFacts::default();
        let (verdict, after) = apply(table, hook, target, &packet, &mut about, &mut world);
        assert_eq!(after, packet);
        verdict
    };
    let filter = |target| (TableName::Filter, Hook::Forward, target);
    let (table, hook, target) = filter(Target::Reject(Reject::Icmp(13)));
    assert_eq!(run(table, hook, target), Verdict::Reject(Reject::Icmp(13)));
    let queue = |first, last, bypass| {
        Target::Nfqueue(Nfqueue { queues: Span::new(first, last), bypass, cpu_fanout: false })
    };
    let of = |number, bypass| Verdict::Queue { number, bypass };
    assert_eq!(run(TableName::Filter, Hook::Forward, queue(5, 5, true)), of(5, true));
    assert_eq!(run(TableName::Filter, Hook::Forward, Target::Queue), of(0, false));
    let Verdict::Queue { number, .. } = run(TableName::Filter, Hook::Forward, queue(10, 13, false))
    else {
        panic!("no queue");
    };
    assert!((10..=13).contains(&number));
    let log = Log {
        level: 4,
        prefix: "hello".into(),
        tcp_sequence: false,
        tcp_options: false,
        ip_options: false,
        uid: false,
        mac_decode: false,
    };
    run(TableName::Filter, Hook::Forward, Target::Log(log));
    run(TableName::Filter, Hook::Forward, Target::Nflog(Nflog { group: 3, ..Nflog::default() }));
    run(TableName::Filter, Hook::Forward, Target::Audit(Audit::Drop));
    let tee = |output: &str| {
        let gateway = Ipv4Addr::new(192, 0, 2, 9).into();
        Target::Tee(Tee { gateway, output: Some(output.into()) })
    };
    run(TableName::Mangle, Hook::Forward, tee("eth1"));
    run(TableName::Mangle, Hook::Forward, tee("absent"));
    let told = ["LOG hello", "NFLOG 3", "AUDIT Drop", "TEE 192.0.2.9 Some(3)"];
    assert_eq!(world.told, told);
    let mut about = PacketFacts::default();
    let syn = tcp(1, 2, SYN);
    let proxy = Target::Synproxy(Synproxy::default());
    let (verdict, _) =
        apply(TableName::Filter, Hook::LocalIn, proxy, &syn, &mut about, &mut World::default());
    assert_eq!(verdict, Verdict::Stolen);
}

#[test]
fn translations_are_asked_for() {
    let packet = udp(1, 2);
    let mut world = World::default();
    for (hook, target) in [
        (Hook::PostRouting, Target::Snat(Nat::default())),
        (Hook::PreRouting, Target::Dnat(Nat::default())),
        (Hook::PostRouting, Target::Masquerade(Masquerade::default())),
        (Hook::PreRouting, Target::Redirect(Redirect::default())),
        (
            Hook::PreRouting,
            Target::Netmap(Prefix::from("10.0.0.0/8".parse::<ipnet::IpNet>().unwrap())),
        ),
    ] {
        let mut about = PacketFacts::default();
        let (verdict, _) = apply(TableName::Nat, hook, target, &packet, &mut about, &mut world);
        assert_eq!(verdict, Verdict::Accept);
    }
    let heads: Vec<_> = world.told.iter().map(|told| told.split('(').next().unwrap()).collect();
    assert_eq!(
        heads,
        [
            "PostRouting Snat",
            "PreRouting Dnat",
            "PostRouting Masquerade",
            "PreRouting Redirect",
            "PreRouting Netmap"
        ]
    );
}

#[test]
fn the_raw_table_speaks_before_connections_are_looked_up() {
    let packet = udp(1, 2);
    let run = |target, about: &mut PacketFacts<'_>| {
        apply(TableName::Raw, Hook::PreRouting, target, &packet, about, &mut World::default());
    };
    let mut about = PacketFacts::default();
    run(Target::Notrack, &mut about);
    assert_eq!(about.conn.state, ConnState::Untracked);
    let zone = Ct { zone: Some(CtZone::Both(7)), ..Ct::default() };
    run(Target::Ct(Box::new(zone.clone())), &mut about);
    assert_eq!(about.template, None);
    let mut about = PacketFacts::default();
    run(Target::Ct(Box::new(zone)), &mut about);
    assert_eq!(about.template, Some(0));
    run(Target::Ct(Box::new(Ct { notrack: true, ..Ct::default() })), &mut about);
    assert_eq!(about.conn.state, ConnState::None);
    run(Target::Trace, &mut about);
    assert!(about.traced);
}

#[test]
fn sets_gain_and_lose_elements() {
    let packet = udp(1, 2);
    let mut world =
        World { found: Some(SetFound { mark: (1, 3), priority: 9, queue: 4 }), ..World::default() };
    let mut run = |target: SetTarget| {
        let mut about = PacketFacts { mark: 0xf2, ..PacketFacts::default() };
        let target = Target::Set(Box::new(target));
        apply(TableName::Mangle, Hook::Forward, target, &packet, &mut about, &mut world);
        (world.sets.len(), about.mark, about.priority, about.queue)
    };
    let of = Some(("seen".to_owned(), vec![SetSide::Source]));
    assert_eq!(run(SetTarget { add: of.clone(), ..SetTarget::default() }), (1, 0xf2, 0, None));
    assert_eq!(run(SetTarget { del: of.clone(), ..SetTarget::default() }), (0, 0xf2, 0, None));
    let map = SetTarget {
        map: of,
        map_mark: true,
        map_priority: true,
        map_queue: true,
        ..SetTarget::default()
    };
    assert_eq!(run(map), (0, 0xf1, 9, Some(4)));
}

#[test]
fn prefixes_are_exchanged_without_a_change_to_any_checksum() {
    let address = |text: &str| text.parse::<std::net::Ipv6Addr>().unwrap();
    let mut datagram = [0, 1, 0, 2, 0, 12, 0, 0, 1, 2, 3, 4];
    let sum = checksum::transport6(address("2001:db8::1"), address("2001:db8::2"), 17, &datagram);
    datagram[6..8].copy_from_slice(&sum.to_be_bytes());
    let packet = six(17, &datagram);
    for (from, to) in [("2001:db8::/48", "fd01:203:405::/48"), ("2001:db8::/64", "fd00:1:2:3::/64")]
    {
        let split = |net: &str| {
            let net: ipnet::Ipv6Net = net.parse().unwrap();
            (net.network(), net.prefix_len())
        };
        let mut about = PacketFacts::default();
        let run = |target, hook, packet: &[u8], about: &mut PacketFacts<'_>| {
            apply(TableName::Mangle, hook, target, packet, about, &mut World::default()).1
        };
        let out = Target::Snpt(Npt { from: split(from), to: split(to) });
        let mapped = run(out, Hook::PostRouting, &packet, &mut about);
        let source = std::net::Ipv6Addr::from(*mapped[8..].first_chunk::<16>().unwrap());
        assert!(to.parse::<ipnet::Ipv6Net>().unwrap().contains(&source));
        assert!(checksum::transport6_holds(source, address("2001:db8::2"), 17, &mapped[40..]));
        // And back, as the answer comes to that address.
        let mut answer = mapped.clone();
        answer[24..40].copy_from_slice(&source.octets());
        let back = Target::Dnpt(Npt { from: split(to), to: split(from) });
        let answered = run(back, Hook::PreRouting, &answer, &mut about);
        assert_eq!(answered[24..40], address("2001:db8::1").octets());
    }
}
