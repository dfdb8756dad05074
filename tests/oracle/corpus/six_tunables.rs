//! The same packets under one tunable after another, and duplicates of addresses: [7.157] to [7.162].

use std::net::Ipv6Addr;
use std::time::Duration;

use super::Family;
use super::six::{
    ALL_NODES, ALL_ROUTERS, DMZ6, DMZ6_HOST, FAR6, LAN6, LAN6_HOST, LAN6_LINK, LAN6_NEAR,
    LAN6_OTHER, WAN6, WAN6_HOST, framed, host, ip6, link_local,
};
use crate::common::frame::{BROADCAST, filler};
use crate::common::frame6::{
    Ip6, OVERRIDE, SOLICITED, group_mac, solicited, source_mac, target_mac,
};
use crate::topology::{LAN_MAC, mac_of};

fn probes() -> Vec<(&'static str, Ip6)> {
    let to = |dst| Ip6::new(LAN6_HOST, dst);
    let own = source_mac(mac_of(LAN6_HOST));
    vec![
        ("through", to(WAN6_HOST).udp(1, 2, b"x")),
        ("to the far", to(FAR6).udp(1, 2, b"x")),
        ("to the dmz, 1400 bytes", to(DMZ6_HOST).raw(253, &filler(1360))),
        ("to the dmz, 1401 bytes", to(DMZ6_HOST).raw(253, &filler(1361))),
        ("to the wan, 1300 bytes", to(WAN6_HOST).raw(253, &filler(1260))),
        ("lost", to(WAN6_HOST).udp(1, 2, b"x").hops(1)),
        ("no way", to(ip6("2001:db8:99::1")).udp(1, 2, b"x")),
        ("ping", to(LAN6).echo(1, 1, b"x")),
        ("ping of the wan address", to(WAN6).echo(1, 1, b"x")),
        ("ping of the dmz address", to(DMZ6).echo(1, 1, b"x")),
        ("ping of the link-local address", Ip6::new(LAN6_NEAR, LAN6_LINK).echo(1, 1, b"x")),
        ("ping of all nodes", to(ALL_NODES).echo(1, 1, b"x")),
        ("ping of all routers", to(ALL_ROUTERS).echo(1, 1, b"x")),
        ("ping of the anycast address", to(ip6("2001:db8:1::")).echo(1, 1, b"x")),
        ("long ping", to(LAN6).echo(1, 1, &filler(1452))),
        ("ping with a label and a class", to(LAN6).echo(1, 1, b"x").label(77).class(0xb8)),
        ("closed port", to(LAN6).udp(1, 9, b"x")),
        ("closed port with a label", to(LAN6).udp(1, 9, b"x").label(77)),
        ("connection", to(LAN6).tcp((1, 9), 1, 0, 2, b"")),
        (
            "connection with a label and a class",
            to(LAN6).tcp((1, 9), 1, 0, 2, b"").label(77).class(0xb8),
        ),
        ("asks", to(solicited(LAN6)).solicit(LAN6, &own)),
        ("asks by unicast", to(LAN6).solicit(LAN6, &own)),
        ("asks as nobody", Ip6::new(ip6("::"), solicited(LAN6)).solicit(LAN6, &[])),
        ("asks for the link-local address", to(solicited(LAN6_LINK)).solicit(LAN6_LINK, &own)),
        ("asks in an only piece", to(LAN6).solicit(LAN6, &own).piece(0, false, 5)),
        ("tells", to(LAN6).advertise(LAN6_OTHER, OVERRIDE, &target_mac(mac_of(LAN6_OTHER)))),
        ("options", to(LAN6).hop_by_hop(&[0x9e, 0]).udp(1, 9, b"x")),
        ("a way", to(LAN6).by_way_of(0, 1, &[FAR6]).udp(1, 9, b"x")),
        ("a segment", to(LAN6).segments(1, &[FAR6, LAN6], &[]).udp(1, 9, b"x")),
        ("link-local source", to(WAN6_HOST).from(LAN6_NEAR).udp(1, 2, b"x")),
        ("unknown header", to(LAN6).raw(199, b"12345678")),
    ]
}

/// All of it under these.
pub(crate) fn tuned(name: &'static str, tunables: &[(&str, &str)]) -> Family {
    let mut f = Family::six(name).with("net.ipv6.neigh.lan.proxy_delay", "0");
    for (tunable, value) in tunables {
        f = f.with(tunable, value);
    }
    for (name, packet) in probes() {
        f.lan6(name, &packet, "?");
        let me = mac_of(packet.src);
        f.add(format!("{name}, to everybody"), "lan", framed(me, BROADCAST, &packet), "?");
        let to = if packet.dst.is_multicast() { LAN_MAC } else { group_mac(ALL_NODES) };
        f.add(format!("{name}, the other kind of frame"), "lan", framed(me, to, &packet), "?");
    }
    f.wan6("from the wan", &Ip6::new(WAN6_HOST, LAN6_HOST).udp(1, 2, b"x"), "?");
    f.wan6("from the wan, long", &Ip6::new(WAN6_HOST, LAN6_HOST).udp(1, 2, &filler(1400)), "?");
    f.wan6("from the wan to the router", &Ip6::new(WAN6_HOST, WAN6).echo(1, 1, b"x"), "?");
    f.wan6("from the wan to all nodes", &Ip6::new(WAN6_HOST, ALL_NODES).echo(1, 1, b"x"), "?");
    f.dmz6("from the dmz to the router", &Ip6::new(DMZ6_HOST, DMZ6).echo(1, 1, &filler(1352)), "?");
    f
}

/// Duplicate address detection: what is said and heard while an address is not the router's yet.
pub(crate) fn duplicates(name: &'static str, tunables: &[(&str, &str)]) -> Family {
    let mut f = Family::six(name)
        .with("net.ipv6.conf.lan.accept_dad", "1")
        .with("net.ipv6.conf.lan.router_solicitation_delay", "0")
        .with("net.ipv6.neigh.lan.retrans_time_ms", "400");
    for (tunable, value) in tunables {
        f = f.with(tunable, value);
    }
    let soon = Duration::from_millis(100);
    let thrice = tunables.iter().any(|(name, _)| name.ends_with("dad_transmits"));
    let over = Duration::from_millis(if thrice { 1900 } else { 1000 });
    let shown =
        |f: &mut Family, own: Ipv6Addr| f.ip_says(format!("-6 -o addr show dev lan to {own}"), "?");
    let own = |n| host(1, 0x500 + n);
    let group = |n| solicited(own(n));
    for n in 0..14 {
        f.topology.neighbour(own(n), "lan");
    }
    let stranger = mac_of(LAN6_OTHER);
    let others: Vec<(&str, Option<Ip6>)> = vec![
        ("nothing", None),
        ("another's same question", Some(Ip6::new(ip6("::"), group(1)).solicit(own(1), &[]))),
        (
            "a question with a nonce",
            Some(Ip6::new(ip6("::"), group(2)).solicit(own(2), &[14, 1, 1, 2, 3, 4, 5, 6])),
        ),
        (
            "a question by one who has an address",
            Some(Ip6::new(LAN6_OTHER, group(3)).solicit(own(3), &source_mac(stranger))),
        ),
        (
            "an answer to all",
            Some(Ip6::new(own(4), ALL_NODES).advertise(own(4), OVERRIDE, &target_mac(stranger))),
        ),
        (
            "an answer to all without override",
            Some(Ip6::new(own(5), ALL_NODES).advertise(own(5), 0, &target_mac(stranger))),
        ),
        (
            "an answer to all without an address",
            Some(Ip6::new(own(6), ALL_NODES).advertise(own(6), OVERRIDE, &[])),
        ),
        (
            "an answer to all, as if asked",
            Some(Ip6::new(own(7), ALL_NODES).advertise(
                own(7),
                SOLICITED | OVERRIDE,
                &target_mac(stranger),
            )),
        ),
        (
            "an answer to the other address",
            Some(Ip6::new(own(8), LAN6).advertise(own(8), OVERRIDE, &target_mac(stranger))),
        ),
        (
            "an answer with the router's own Ethernet address",
            Some(Ip6::new(own(9), ALL_NODES).advertise(own(9), OVERRIDE, &target_mac(LAN_MAC))),
        ),
        ("a ping", Some(Ip6::new(LAN6_HOST, own(10)).echo(1, 1, b"x"))),
        ("a datagram", Some(Ip6::new(LAN6_HOST, own(11)).udp(1, 9, b"x"))),
        ("hop limit 254", Some(Ip6::new(ip6("::"), group(12)).solicit(own(12), &[]).hops(254))),
        (
            "a question with an address from nobody",
            Some(Ip6::new(ip6("::"), group(13)).solicit(own(13), &source_mac(stranger))),
        ),
    ];
    for (n, (name, packet)) in others.into_iter().enumerate() {
        let own = own(n as u16);
        f.ip_says(format!("-6 addr add {own}/64 dev lan"), "?");
        f.settle(soon);
        if let Some(packet) = packet {
            let to = if packet.dst.is_multicast() { group_mac(packet.dst) } else { LAN_MAC };
            f.add(format!("met by {name}"), "lan", framed(stranger, to, &packet), "?");
            f.settle(soon);
        }
        shown(&mut f, own);
        f.add(
            format!("{name}: a question for it"),
            "lan",
            framed(
                stranger,
                group_mac(solicited(own)),
                &Ip6::new(link_local(0x11), solicited(own)).solicit(own, &[]),
            ),
            "?",
        );
        f.settle(over);
        shown(&mut f, own);
        f.wan6(format!("{name}: a ping at last"), &Ip6::new(WAN6_HOST, own).echo(1, 1, b"x"), "?");
        f.ip_says(format!("-6 addr del {own}/64 dev lan"), "?");
    }
    f
}
