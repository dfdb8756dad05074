//! The router as a host and a router of its links: what it says there, and what it answers.

use std::net::Ipv6Addr;

use super::{fragments::Lab, *};
use crate::{
    control::NeighbourSpec,
    ndisc::{Conf, Prefix, Settings},
    neighbour::control::State,
    packet::{
        envelope, igmp, mld,
        ndisc::{
            ALL_NODES, ALL_ROUTERS, Advertisement, Item, Message, Neighbour, Preference,
            PrefixInfo, RouterAdvertisement, RouterSolicitation, group_mac, link_local,
            solicited_node,
        },
        record::{Newer, Query, RecordKind},
    },
    port::table::{AddrFlags, IfaceAddr6},
};

const SECOND: Nanos = 1_000_000_000;
const PEER: MacAddr = MacAddr::new([2, 9, 9, 9, 9, 9]);

fn lab(machine: &Machine) -> Lab {
    let leniency = Leniency { any_mac: false, stand_in: false, speaks: true };
    Lab::with(machine, 1, "", leniency)
}

fn ip(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

fn mac(lab: &mut Lab) -> MacAddr {
    lab.router().iface("lan").unwrap().mac
}

/// A frame of the link for a packet of IPv6.
fn frame(lab: &mut Lab, packet: &[u8]) -> Vec<u8> {
    let dst: [u8; 16] = packet[24..40].try_into().unwrap();
    let dst = Ipv6Addr::from(dst);
    let to = if dst.is_multicast() { group_mac(dst) } else { mac(lab) };
    [&to.octets()[..], &PEER.octets(), &[0x86, 0xdd], packet].concat()
}

/// What leaves by the lan while seconds pass: ND messages.
fn hear(lab: &mut Lab, seconds: u64) -> Vec<Message> {
    frames(lab, seconds).iter().filter_map(|frame| Message::parse(&frame[14..]).ok()).collect()
}

fn frames(lab: &mut Lab, seconds: u64) -> Vec<Vec<u8>> {
    lab.wait(seconds * SECOND);
    lab.take().into_iter().filter(|(port, ..)| *port == 0).map(|(.., frame)| frame).collect()
}

fn say(lab: &mut Lab, packet: &[u8]) {
    let frame = frame(lab, packet);
    lab.give(&frame);
}

fn add(lab: &mut Lab, address: &str) {
    let own = IfaceAddr6::permanent(address.parse().unwrap());
    lab.router().add_address6("lan", own).unwrap();
}

fn flags(lab: &mut Lab, address: &str) -> AddrFlags {
    let lan = lab.router().iface("lan").unwrap();
    let own = lan.addresses6.iter().find(|own| own.local.addr() == ip(address));
    own.expect("the address").flags
}

fn asks(src: &str, target: &str) -> Neighbour {
    let (src, target) = (ip(src), ip(target));
    let mac = (!src.is_unspecified()).then_some(PEER);
    let (nonce, advertisement) = (None, None);
    Neighbour { src, dst: solicited_node(target), target, mac, nonce, advertisement }
}

/// A new address is asked for, belongs to its group, and is answered for only when it is ours.
/// [7.157] [7.158] [8.18] [8.67]
#[test]
fn an_address_is_used_when_nobody_else_has_it() {
    let machine = machine_for(&world());
    let mut lab = lab(&machine);
    frames(&mut lab, 10);
    add(&mut lab, "2001:db8:a::1/64");
    assert!(flags(&mut lab, "2001:db8:a::1").any(AddrFlags::TENTATIVE));
    say(&mut lab, &asks("fe80::9", "2001:db8:a::1").to_bytes());
    let sent = frames(&mut lab, 3);
    let questions: Vec<Neighbour> = sent
        .iter()
        .filter_map(|frame| Neighbour::parse(&frame[14..]))
        .filter(|said| said.target == ip("2001:db8:a::1"))
        .collect();
    let [question] = &questions[..] else { panic!("{questions:?}") };
    assert!(question.src.is_unspecified() && question.nonce.is_some());
    let group = ip("ff02::1:ff00:1");
    let told = sent.iter().filter_map(|frame| mld::Message::parse(&frame[14..]));
    let told: Vec<_> = told.collect();
    assert!(
        told.iter().any(|said| matches!(said, mld::Message::Records { records, .. }
            if records.iter().any(|r| r.group == group && r.kind == RecordKind::ToExclude))),
        "{told:?}"
    );
    assert!(!flags(&mut lab, "2001:db8:a::1").any(AddrFlags::TENTATIVE));
    say(&mut lab, &asks("fe80::9", "2001:db8:a::1").to_bytes());
    let answers = hear(&mut lab, 1);
    let [Message::Neighbour(answer)] = &answers[..] else { panic!("{answers:?}") };
    let says = Advertisement { router: true, solicited: true, overrides: true };
    assert_eq!((answer.advertisement, answer.dst), (Some(says), ip("fe80::9")));
    assert_eq!(answer.mac, Some(mac(&mut lab)));
    lab.finish();
}

/// Somebody has the address, or wants it at the same time: it is never used. [7.161] [8.68]
#[test]
fn a_duplicate_is_found() {
    let machine = machine_for(&world());
    for other in [true, false] {
        let mut lab = lab(&machine);
        frames(&mut lab, 10);
        add(&mut lab, "2001:db8:a::1/64");
        let probe = asks("::", "2001:db8:a::1");
        let says = Advertisement { router: false, solicited: false, overrides: true };
        let has = Neighbour {
            src: ip("2001:db8:a::1"),
            dst: ALL_NODES,
            mac: Some(PEER),
            advertisement: Some(says),
            ..probe
        };
        say(&mut lab, &if other { has } else { probe }.to_bytes());
        frames(&mut lab, 5);
        assert!(flags(&mut lab, "2001:db8:a::1").any(AddrFlags::DADFAILED));
        say(&mut lab, &asks("fe80::9", "2001:db8:a::1").to_bytes());
        assert!(hear(&mut lab, 1).is_empty());
        lab.finish();
    }
}

/// Routers answer for all nodes' and routers' groups, and for queries of both protocols. [8.137]
/// [8.150] [8.151] [6.19]
#[test]
fn queries_are_answered() {
    let machine = machine_for(&world());
    let mut lab = lab(&machine);
    frames(&mut lab, 10);
    let newer = || Newer { suppress: false, robustness: 2, interval: 125, sources: vec![] };
    let query = Query { src: ip("fe80::9"), group: ip("::"), code: 1000, newer: Some(newer()) };
    say(&mut lab, &mld::Message::Query(query).to_bytes());
    let sent = frames(&mut lab, 3);
    let [answer] = &sent[..] else { panic!("{sent:x?}") };
    let Some(mld::Message::Records { src, records }) = mld::Message::parse(&answer[14..]) else {
        panic!("{answer:x?}")
    };
    assert_eq!(src, link_local(mac(&mut lab)));
    let groups: Vec<_> = records.iter().map(|record| record.group).collect();
    assert!(groups.contains(&ALL_ROUTERS) && groups.contains(&ip("ff05::2")), "{groups:?}");
    assert!(!groups.contains(&ALL_NODES) && !groups.contains(&ip("ff01::2")));
    assert!(records.iter().all(|record| record.kind == RecordKind::IsExclude));

    let index = lab.router().iface("lan").unwrap().index;
    let group = "239.1.2.3".parse().unwrap();
    lab.router().with_igmp(index, |igmp, now| igmp.hold(now, group)).unwrap();
    let told: Vec<_> =
        frames(&mut lab, 5).iter().filter_map(|f| igmp::Message::parse(&f[14..])).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    let query = Query { src: [10, 0, 0, 9].into(), group: [0; 4].into(), code: 0, newer: None };
    let packet = igmp::Message::Query(query).to_bytes(1);
    let to = MacAddr::of_ipv4_group([224, 0, 0, 1].into());
    let frame = [&to.octets()[..], &PEER.octets(), &[8, 0], &packet].concat();
    lab.give(&frame);
    let sent = frames(&mut lab, 11);
    let told: Vec<_> = sent.iter().filter_map(|f| igmp::Message::parse(&f[14..])).collect();
    let src = [10, 0, 0, 1].into();
    assert_eq!(told, [igmp::Message::Report { src, group, first: true }]);
    assert_eq!(sent[0][..6], [1, 0, 0x5e, 1, 2, 3]);
    lab.finish();
}

/// Who answers for another listens to that one's group, and answers without taking its place. [7.142]
/// [7.143] [7.148] [8.11]
#[test]
fn a_proxy_answers_for_another() {
    let machine = machine_for(&world());
    let words = "\"net.ipv6.conf.lan.proxy_ndp\" = 1\n";
    let leniency = Leniency { any_mac: false, stand_in: false, speaks: true };
    let mut lab = Lab::with(&machine, 1, words, leniency);
    frames(&mut lab, 10);
    let other = ip("2001:db8:a::77");
    say(&mut lab, &asks("fe80::9", "2001:db8:a::77").to_bytes());
    assert!(hear(&mut lab, 2).is_empty());
    let proxied = crate::neighbour::control::Proxied::default();
    lab.router().add_proxy(Some("lan"), other.into(), proxied).unwrap();
    frames(&mut lab, 5);
    say(&mut lab, &asks("fe80::9", "2001:db8:a::77").to_bytes());
    let answers = hear(&mut lab, 2);
    let [Message::Neighbour(answer)] = &answers[..] else { panic!("{answers:?}") };
    let says = Advertisement { router: false, solicited: true, overrides: false };
    assert_eq!((answer.target, answer.advertisement), (other, Some(says)));
    assert_eq!(answer.src, link_local(mac(&mut lab)));
    lab.router().delete_proxy(Some("lan"), other.into()).unwrap();
    frames(&mut lab, 5);
    say(&mut lab, &asks("fe80::9", "2001:db8:a::77").to_bytes());
    // The router itself may ask whether its neighbour is still there.
    let answers =
        |said: &Message| matches!(said, Message::Neighbour(n) if n.advertisement.is_some());
    assert!(!hear(&mut lab, 2).iter().any(answers));
    lab.finish();
}

/// A group may be wanted from one source alone; what is said of groups is heard from everybody. [8.155]
/// [8.157] [8.163]
#[test]
fn a_group_is_heard_from_sources_that_are_wanted() {
    let machine = machine_for(&world());
    let mut lab = lab(&machine);
    frames(&mut lab, 10);
    let group = ip("ff1e::9");
    lab.router().join_group("lan", group.into(), Some(ip("fe80::9").into())).unwrap();
    frames(&mut lab, 5);
    for (src, answered) in [("fe80::9", true), ("fe80::8", false)] {
        let own = link_local(mac(&mut lab)).to_string();
        say(&mut lab, &asks(src, &own).to_bytes());
        frames(&mut lab, 1);
        let ping = envelope::seal(ip(src), group, 64, vec![128, 0, 0, 0, 0, 1, 0, 1]);
        say(&mut lab, &ping);
        let replies = frames(&mut lab, 1).iter().filter(|frame| frame[54] == 129).count();
        assert_eq!(replies, usize::from(answered), "{src}");
    }
    let newer = Newer { suppress: false, robustness: 2, interval: 125, sources: vec![] };
    let query = Query { src: ip("fe80::8"), group, code: 1000, newer: Some(newer) };
    say(&mut lab, &mld::Message::Query(query).to_bytes());
    let told: Vec<_> =
        frames(&mut lab, 3).iter().filter_map(|f| mld::Message::parse(&f[14..])).collect();
    let [mld::Message::Records { records, .. }] = &told[..] else { panic!("{told:?}") };
    assert_eq!((records[0].kind, records[0].group), (RecordKind::IsInclude, group));
    lab.finish();
}

/// Hosts are told of prefixes, at once where they ask. [8.71] [8.72] [8.84]
#[test]
fn hosts_are_told_what_holds_on_the_link() {
    let machine = machine_for(&world());
    let mut lab = lab(&machine);
    frames(&mut lab, 10);
    let index = lab.router().iface("lan").unwrap().index;
    let prefixes = vec![Prefix::new(ip("2001:db8:a::"), 64)];
    let settings = Settings { prefixes, ..Settings::default() };
    lab.router().set_advertising(index, Some(settings));
    let first = hear(&mut lab, 1);
    let [Message::RouterAdvertisement(told)] = &first[..] else { panic!("{first:?}") };
    assert_eq!((told.dst, told.lifetime), (ALL_NODES, 1800));
    assert_eq!(told.items.prefixes().count(), 1);
    let asked = RouterSolicitation { src: ip("fe80::9"), dst: ALL_ROUTERS, mac: Some(PEER) };
    say(&mut lab, &asked.to_bytes());
    let answers = hear(&mut lab, 1);
    let [Message::RouterAdvertisement(told)] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!(told.dst, ip("fe80::9"));
    lab.router().set_advertising(index, None);
    // Nobody answers any more, but the router has a turn.
    say(&mut lab, &asked.to_bytes());
    let last = hear(&mut lab, 1);
    let [Message::RouterAdvertisement(told)] = &last[..] else { panic!("{last:?}") };
    assert_eq!((told.dst, told.lifetime), (ALL_NODES, 0));
    lab.finish();
}

/// As a host the router takes addresses and a default route from another. [8.74] [8.76] [8.78] [8.83]
#[test]
fn a_host_configures_itself() {
    let machine = machine_for(&world());
    let mut lab = lab(&machine);
    let index = lab.router().iface("lan").unwrap().index;
    lab.router().set_host_conf(index, Conf { accept_ra: 2, ..Conf::default() });
    frames(&mut lab, 10);
    let info = Prefix::new(ip("2001:db8:f::"), 64).info;
    let heard = RouterAdvertisement {
        src: ip("fe80::9"),
        dst: ALL_NODES,
        hop_limit: 33,
        managed: false,
        other: false,
        home_agent: false,
        preference: Some(Default::default()),
        lifetime: 600,
        reachable_time: 0,
        retrans_timer: 0,
        items: vec![
            Item::Source(PEER),
            Item::Mtu(1400),
            Item::Prefix(PrefixInfo { valid: 100, preferred: 50, ..info }),
        ]
        .into(),
    };
    say(&mut lab, &heard.to_bytes());
    frames(&mut lab, 5);
    let lan = lab.router().iface("lan").unwrap();
    assert_eq!((lan.conf6.hop_limit, lan.mtu6()), (33, 1400));
    let made = lan.addresses6.iter().find(|own| own.local.network() == ip("2001:db8:f::"));
    assert!(made.is_some_and(|own| own.flags.any(AddrFlags::MANAGETEMPADDR)));
    let best = |lab: &mut Lab, dst: &str| {
        let tables = lab.router().routes6().rib();
        tables.best(crate::route::spec::table::MAIN, ip(dst).to_bits()).is_some()
    };
    assert!(best(&mut lab, "2001:db8:ffff::1"), "by the router");
    assert!(best(&mut lab, "2001:db8:f::5"), "on the link");
    frames(&mut lab, 100);
    let lan = lab.router().iface("lan").unwrap();
    assert!(lan.addresses6.iter().all(|own| own.local.network() != ip("2001:db8:f::")));
    frames(&mut lab, 600);
    assert!(!best(&mut lab, "2001:db8:ffff::1"));
    lab.finish();
}

/// Two routers, of which one stops to answer; `forwards` says what the one who listens is.
fn two_routers(forwards: bool) {
    let machine = machine_for(&world());
    let words = format!("\"net.ipv6.conf.all.forwarding\" = {}\n", u8::from(forwards));
    let leniency = Leniency { any_mac: false, stand_in: false, speaks: true };
    let mut lab = Lab::with(&machine, 1, &words, leniency);
    let index = lab.router().iface("lan").unwrap().index;
    lab.router().set_host_conf(index, Conf { accept_ra: 2, ..Conf::default() });
    frames(&mut lab, 10);
    let tell = |lab: &mut Lab, src: &str, preference: Preference| {
        let heard = RouterAdvertisement {
            src: ip(src),
            dst: ALL_NODES,
            hop_limit: 0,
            managed: false,
            other: false,
            home_agent: false,
            preference: Some(preference),
            lifetime: 1800,
            reachable_time: 0,
            retrans_timer: 0,
            items: vec![Item::Source(PEER)].into(),
        };
        say(lab, &heard.to_bytes());
        frames(lab, 1);
    };
    let used = |lab: &mut Lab| {
        let rib = lab.router().routes6().rib();
        let everything = crate::route::rib::Prefix::of(0, 0);
        let first = rib.get(crate::route::spec::table::MAIN, everything)[0];
        rib.info(first.info).unwrap().nexthops[0].gateway.unwrap().to_string()
    };
    let fail = |lab: &mut Lab, router: &str| {
        let stated = NeighbourSpec { state: State::Failed, ..NeighbourSpec::permanent(PEER) };
        let now = lab.now();
        let router = ip(router).into();
        lab.router().set_neighbour(Verb::Replace, "lan", router, &stated, now).unwrap();
    };
    tell(&mut lab, "fe80::9", Preference::Medium);
    tell(&mut lab, "fe80::8", Preference::Medium);
    assert_eq!(used(&mut lab), "fe80::9", "the first");
    tell(&mut lab, "fe80::9", Preference::Medium);
    assert_eq!(used(&mut lab), "fe80::9", "told again, it is the first still");
    fail(&mut lab, "fe80::9");
    assert_eq!(used(&mut lab), if forwards { "fe80::9" } else { "fe80::8" });
    let asked = hear(&mut lab, 61).into_iter().filter(|said| {
        matches!(said, Message::Neighbour(n) if n.target == ip("fe80::9") && n.dst.is_multicast())
    });
    assert_eq!(asked.count(), usize::from(!forwards), "once a minute");
    tell(&mut lab, "fe80::9", Preference::Medium);
    assert_eq!(used(&mut lab), "fe80::9", "it is there again");
    tell(&mut lab, "fe80::8", Preference::High);
    assert_eq!(used(&mut lab), "fe80::8", "the better one");
    fail(&mut lab, "fe80::8");
    fail(&mut lab, "fe80::9");
    assert_eq!(used(&mut lab), "fe80::8", "of none that answers the better one");
    lab.finish();
}

/// A host leaves a router that does not answer, asks for it now and then, and comes back to it; where
/// there is a rank, that decides among those who answer. [8.176]
#[test]
fn hosts_prefer_routers_that_answer() {
    two_routers(false);
}

/// A router does not mind who answers. [8.176]
#[test]
fn routers_prefer_routers_by_rank_alone() {
    two_routers(true);
}

/// An interface that goes down takes its addresses along, as in Linux.
#[test]
fn a_link_that_goes_takes_its_addresses_along() {
    let machine = machine_for(&world());
    let mut lab = lab(&machine);
    frames(&mut lab, 10);
    add(&mut lab, "2001:db8:a::1/64");
    frames(&mut lab, 5);
    let router = lab.router();
    router.set_up("lan", false).unwrap();
    assert!(router.iface("lan").unwrap().addresses6.is_empty());
    router.set_up("lan", true).unwrap();
    let own = link_local(router.iface("lan").unwrap().mac);
    frames(&mut lab, 5);
    let lan = lab.router().iface("lan").unwrap();
    assert_eq!(lan.addresses6.iter().map(|own| own.local.addr()).collect::<Vec<_>>(), [own]);
    lab.finish();
}
