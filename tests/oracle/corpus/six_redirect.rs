//! Redirects, sent and received, and what those who say that packets are too big change: [8.112],
//! [8.120] to [8.124].

use std::net::Ipv6Addr;
use std::time::Duration;

use super::Family;
use super::six::{
    ALL_NODES, DMZ6_HOST, FAR6, LAN6, LAN6_HOST, LAN6_LINK, LAN6_NEAR, LAN6_OTHER, LAN6_SECOND,
    WAN6, WAN6_HOST, WAN6_LINK, framed, host, ip6, link_local,
};
use crate::common::frame::filler;
use crate::common::frame6::{Ip6, source_mac, target_mac};
use crate::topology::{LAN_MAC, WAN_MAC, mac_of};

/// What goes back to the link that it came from.
pub(crate) fn sent() -> Family {
    let mut f = Family::six("six-redirects-sent");
    f.topology = f
        .topology
        .route("2001:db8:70::/48", &[("via", "2001:db8:1::11")])
        .route("2001:db8:71::/48", &[("via", "fe80::11"), ("dev", "lan")])
        .route("2001:db8:72::/48", &[("dev", "lan")])
        .route("2001:db8:73::/48", &[("via", "fe80::11"), ("dev", "lan"), ("mtu", "1300")]);
    for n in 0..64 {
        f.topology.neighbour(host(1, 0x200 + n), "lan");
    }
    f.topology.neighbour(ip6("2001:db8:72::1"), "lan");
    f.topology.neighbour(ip6("fe80::77:ff:fe00:2"), "lan");
    // Whoever was told is not told again for a while, so each comes from a host of its own.
    let mut crowd = (0..64).map(|n| host(1, 0x200 + n));
    let mut from = |dst: Ipv6Addr| Ip6::new(crowd.next().expect("a crowd large enough"), dst);
    for (name, dst) in [
        ("a gateway", ip6("2001:db8:70::1")),
        ("a link-local gateway", ip6("2001:db8:71::1")),
        ("a neighbour", LAN6_OTHER),
        ("a neighbour by a route", ip6("2001:db8:72::1")),
        ("a link-local neighbour", link_local(0x11)),
    ] {
        f.lan6(format!("by {name}"), &from(dst).udp(1, 2, b"hairpin"), "?");
        f.lan6(format!("long by {name}"), &from(dst).udp(1, 2, &filler(1452)), "?");
        f.lan6(format!("an error by {name}"), &from(dst).icmp(1, 0, &filler(60)), "?");
        f.lan6(format!("an echo by {name}"), &from(dst).echo(1, 1, b"x"), "?");
        f.lan6(
            format!("with a routing header by {name}"),
            &from(dst).by_way_of(0, 0, &[]).udp(1, 2, b"x"),
            "?",
        );
        f.lan6(format!("with hop limit 1 by {name}"), &from(dst).udp(1, 2, b"x").hops(1), "?");
        f.lan6(
            format!("from a link-local host by {name}"),
            &from(dst).udp(1, 2, b"x").from(LAN6_NEAR),
            "?",
        );
        f.lan6(
            format!("from another net by {name}"),
            &from(dst).udp(1, 2, b"x").from(WAN6_HOST),
            "?",
        );
        f.lan6(format!("from far by {name}"), &from(dst).udp(1, 2, b"x").from(FAR6), "?");
        f.lan6(
            format!("a piece by {name}"),
            &from(dst).udp(1, 2, &filler(100)).fragment(1, 64, 44, false),
            "?",
        );
    }
    f.lan6(
        "too big by a link-local gateway",
        &from(ip6("2001:db8:73::1")).udp(1, 2, &filler(1400)),
        "?",
    );
    f
}

/// How often one host is told.
pub(crate) fn limited() -> Family {
    let mut f = Family::six("six-redirects-limited");
    for n in 1..12 {
        f.lan6(format!("{n}"), &Ip6::new(LAN6_HOST, LAN6_OTHER).udp(1, 2, b"x"), "?");
    }
    f.settle(Duration::from_millis(1500));
    for n in 12..16 {
        f.lan6(format!("{n} after a while"), &Ip6::new(LAN6_HOST, LAN6_OTHER).udp(1, 2, b"x"), "?");
    }
    f
}

impl Family {
    /// Pings from far, whose answers show which gateway they take.
    fn far_ping(&mut self, name: impl Into<String>, far: Ipv6Addr, to: Ipv6Addr) {
        let ping = Ip6::new(far, WAN6).echo(1, 1, b"far");
        self.add(name, "wan", framed(mac_of(link_local(9)), WAN_MAC, &ping), "wan: icmp6 129/0");
        self.leads_to(to);
    }

    /// A redirect from a gateway on the wan.
    fn told(&mut self, name: impl Into<String>, from: Ipv6Addr, packet: &Ip6) {
        self.add(name, "wan", framed(mac_of(from), WAN_MAC, packet), "?");
    }
}

/// What a host believes, and what a router does not.
pub(crate) fn received(name: &'static str, forwarding: bool) -> Family {
    let mut f = Family::six(name).with("net.ipv6.conf.default.accept_ra", "0");
    if !forwarding {
        f = f.with("net.ipv6.conf.all.forwarding", "0");
    }
    let (first, better) = (link_local(9), link_local(0x10));
    let far = |n| Ipv6Addr::new(0x2001, 0xdb8, 0x60, 0, 0, 0, 0, n);
    let option = target_mac(mac_of(better));
    let told = |n, dst| Ip6::new(first, dst).redirect(better, far(n), &option);
    let quote = |n| {
        let culprit = Ip6::new(WAN6, far(n)).icmp(129, 0, &filler(40)).bytes();
        let words = (culprit.len() + 8).div_ceil(8);
        let mut option = vec![4, words as u8, 0, 0, 0, 0, 0, 0];
        option.extend(culprit);
        option.resize(words * 8, 0);
        option
    };
    f.far_ping("the first way", far(1), first);
    for (n, (name, packet)) in [
        ("right", told(1, WAN6)),
        ("right, to the link-local address", told(2, WAN6_LINK)),
        ("without an option", Ip6::new(first, WAN6).redirect(better, far(3), &[])),
        (
            "with a quote",
            Ip6::new(first, WAN6).redirect(better, far(4), &[option.clone(), quote(4)].concat()),
        ),
        ("with a quote alone", Ip6::new(first, WAN6).redirect(better, far(5), &quote(5))),
        ("hop limit 254", told(6, WAN6).hops(254)),
        (
            "code 1",
            Ip6::new(first, WAN6).hops(255).icmp(
                137,
                1,
                &[&[0; 4], &better.octets()[..], &far(7).octets(), &option].concat(),
            ),
        ),
        ("checksum wrong", told(8, WAN6).spoil_payload(2, 1)),
        (
            "by another than the gateway",
            Ip6::new(link_local(0x11), WAN6).redirect(better, far(9), &option),
        ),
        ("by a global address", Ip6::new(host(2, 9), WAN6).redirect(better, far(10), &option)),
        ("to a global gateway", Ip6::new(first, WAN6).redirect(WAN6_HOST, far(11), &option)),
        ("to itself", Ip6::new(first, WAN6).redirect(first, far(12), &target_mac(mac_of(first)))),
        (
            "to the destination",
            Ip6::new(first, WAN6).redirect(far(13), far(13), &target_mac(mac_of(better))),
        ),
        (
            "to the router itself",
            Ip6::new(first, WAN6).redirect(WAN6_LINK, far(14), &target_mac(WAN_MAC)),
        ),
        ("to a group", Ip6::new(first, WAN6).redirect(ALL_NODES, far(15), &option)),
        ("for a group", Ip6::new(first, WAN6).redirect(better, ALL_NODES, &option)),
        ("to all nodes", told(17, ALL_NODES)),
        (
            "with an option of no length",
            Ip6::new(first, WAN6).redirect(better, far(18), &[2, 0, 1, 2, 3, 4, 5, 6]),
        ),
        (
            "with the sender's option",
            Ip6::new(first, WAN6).redirect(better, far(19), &source_mac(mac_of(better))),
        ),
        ("cut short", Ip6::new(first, WAN6).redirect(better, far(20), &[]).cut_payload(39)),
        (
            "cut to two addresses",
            Ip6::new(first, WAN6).redirect(better, far(21), &[]).cut_payload(40),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let n = n as u16 + 1;
        f.told(format!("redirect {name}"), packet.src, &packet);
        let ping = Ip6::new(far(n), WAN6).echo(1, 1, b"far");
        f.add(
            format!("redirect {name}: the answer"),
            "wan",
            framed(mac_of(first), WAN_MAC, &ping),
            "?",
        );
        f.ip_says(format!("-6 route get {}", far(n)), "?");
    }
    f.told(
        "redirect back",
        first,
        &Ip6::new(better, WAN6).redirect(first, far(1), &target_mac(mac_of(first))),
    );
    f.ip_says(format!("-6 route get {} from {WAN6}", far(1)), "?");
    let show = |f: &mut Family, n| {
        f.ip_says(format!("-6 route get {}", far(n)), "?");
        f.ip_says(format!("-d -6 route show cache {}", far(n)), "?");
        f.ip_says(format!("-j -6 route show cache {}", far(n)), "?");
    };
    for n in [1, 2, 4, 13, 6] {
        show(&mut f, n);
    }
    let long = |n| Ip6::new(WAN6, far(n)).icmp(129, 0, &filler(1396));
    let big = |n, mtu| Ip6::new(far(n), WAN6).icmp_error(2, 0, mtu, &long(n), 1232);
    f.told("too big behind the better gateway", first, &big(2, 1400));
    show(&mut f, 2);
    f.told("too big behind the first gateway", first, &big(6, 1400));
    show(&mut f, 6);
    f.told("redirect after too big", first, &told(6, WAN6));
    show(&mut f, 6);
    f.ip_says(format!("-6 route show cache root {} via {first}", far(0)), "?");
    f.ip_says(format!("-6 route show cache dev wan {}", far(2)), "?");
    f.ip_says(format!("-6 route show cache proto static {}", far(2)), "?");
    f.ip_says(format!("-6 route show cache proto kernel {}", far(2)), "?");
    f.ip_says("-6 route show cache table local", "?");
    f.ip_says("-6 route show cache table 77", "?");
    f.ip(format!("-6 route flush cache {}", far(2)));
    show(&mut f, 2);
    show(&mut f, 4);
    f.ip("route flush cache");
    show(&mut f, 4);
    f.ip("-6 route flush cache");
    show(&mut f, 4);
    f.ip_says("-6 route show cache", "?");
    f
}

/// Too big.
pub(crate) fn too_big() -> Family {
    let mut f = Family::six("six-too-big");
    let ping = |host: Ipv6Addr| Ip6::new(host, LAN6).echo(1, 1, &filler(1392));
    let reply = |host: Ipv6Addr| Ip6::new(LAN6, host).icmp(129, 0, &filler(1396));
    let big = |host: Ipv6Addr, mtu| Ip6::new(host, LAN6).icmp_error(2, 0, mtu, &reply(host), 1232);
    for n in 0..40 {
        f.topology.neighbour(host(1, 0x300 + n), "lan");
    }
    for (n, (name, mtu)) in [
        ("1500", 1500),
        ("1499", 1499),
        ("1440", 1440),
        ("1439", 1439),
        ("1400", 1400),
        ("1300", 1300),
        ("1281", 1281),
        ("1280", 1280),
        ("1279", 1279),
        ("1000", 1000),
        ("68", 68),
        ("0", 0),
        ("9000", 9000),
        ("4294967295", u32::MAX),
    ]
    .into_iter()
    .enumerate()
    {
        let h = host(1, 0x300 + n as u16);
        f.lan6(format!("{name}: before"), &ping(h), "lan: icmp6 129/0");
        f.lan6(format!("{name}: told"), &big(h, mtu), "nothing");
        f.ip_says(format!("-6 route get {h}"), "?");
        f.ip_says(format!("-6 route show cache {h}"), "?");
        f.lan6(format!("{name}: after"), &ping(h), "?");
        f.lan6(format!("{name}: told again, more"), &big(h, 1450), "nothing");
        f.lan6(format!("{name}: after that"), &ping(h), "?");
        f.wan6(
            format!("{name}: what passes through"),
            &Ip6::new(WAN6_HOST, h).udp(1, 2, &filler(1300)),
            "?",
        );
        f.lan6(
            format!("{name}: from another address of the router"),
            &ping(h).to(LAN6_SECOND).echo(1, 1, &filler(1392)),
            "?",
        );
    }
    for (n, (name, error)) in [
        ("about nothing", Ip6::new(LAN6_HOST, LAN6).icmp(2, 0, &1300u32.to_be_bytes())),
        (
            "code 1",
            Ip6::new(host(1, 0x311), LAN6).icmp_error(2, 1, 1300, &reply(host(1, 0x311)), 1232),
        ),
        (
            "from another",
            Ip6::new(LAN6_OTHER, LAN6).icmp_error(2, 0, 1300, &reply(host(1, 0x312)), 1232),
        ),
        (
            "to another address",
            Ip6::new(host(1, 0x313), LAN6_SECOND).icmp_error(
                2,
                0,
                1300,
                &reply(host(1, 0x313)),
                1232,
            ),
        ),
        (
            "quoting 40 bytes",
            Ip6::new(host(1, 0x314), LAN6).icmp_error(2, 0, 1300, &reply(host(1, 0x314)), 40),
        ),
        (
            "quoting 48 bytes",
            Ip6::new(host(1, 0x315), LAN6).icmp_error(2, 0, 1300, &reply(host(1, 0x315)), 48),
        ),
        (
            "about a datagram",
            Ip6::new(host(1, 0x316), LAN6).icmp_error(
                2,
                0,
                1300,
                &Ip6::new(LAN6, host(1, 0x316)).udp(9, 1, b"x"),
                99,
            ),
        ),
        (
            "about a segment",
            Ip6::new(host(1, 0x317), LAN6).icmp_error(
                2,
                0,
                1300,
                &Ip6::new(LAN6, host(1, 0x317)).tcp((9, 1), 0, 1, 20, b""),
                99,
            ),
        ),
        (
            "about a piece",
            Ip6::new(host(1, 0x318), LAN6).icmp_error(
                2,
                0,
                1300,
                &reply(host(1, 0x318)).piece(0, true, 9),
                99,
            ),
        ),
        (
            "about a later piece",
            Ip6::new(host(1, 0x319), LAN6).icmp_error(
                2,
                0,
                1300,
                &reply(host(1, 0x319)).piece(64, true, 9),
                99,
            ),
        ),
        (
            "about what another sent",
            Ip6::new(host(1, 0x31a), LAN6).icmp_error(
                2,
                0,
                1300,
                &Ip6::new(WAN6_HOST, host(1, 0x31a)).icmp(129, 0, &filler(99)),
                99,
            ),
        ),
        (
            "about an echo of the router's",
            Ip6::new(host(1, 0x31b), LAN6).icmp_error(
                2,
                0,
                1300,
                &Ip6::new(LAN6, host(1, 0x31b)).echo(1, 1, &filler(99)),
                99,
            ),
        ),
        ("with a wrong checksum", big(host(1, 0x31c), 1300).spoil_payload(2, 1)),
        (
            "from the wan",
            Ip6::new(WAN6_HOST, LAN6).icmp_error(2, 0, 1300, &reply(host(1, 0x31d)), 1232),
        ),
        (
            "about what an unknown header held",
            Ip6::new(host(1, 0x31e), LAN6).icmp_error(
                2,
                0,
                1300,
                &Ip6::new(LAN6, host(1, 0x31e)).raw(253, &filler(99)),
                99,
            ),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let h = host(1, 0x310 + n as u16);
        if name == "from the wan" {
            f.wan6(format!("{name}: told"), &error, "?");
        } else {
            f.lan6(format!("{name}: told"), &error, "?");
        }
        f.lan6(format!("{name}: after"), &ping(h), "?");
    }
    let near = Ip6::new(LAN6_NEAR, LAN6_LINK);
    f.lan6(
        "link-local: told",
        &near.clone().icmp_error(
            2,
            0,
            1300,
            &Ip6::new(LAN6_LINK, LAN6_NEAR).icmp(129, 0, &filler(1396)),
            1232,
        ),
        "?",
    );
    f.lan6("link-local: after", &near.echo(1, 1, &filler(1392)), "?");
    f.dmz6(
        "an error for one of another link",
        &Ip6::new(DMZ6_HOST, LAN6).icmp_error(
            2,
            0,
            1300,
            &Ip6::new(LAN6, DMZ6_HOST).icmp(129, 0, &filler(1300)),
            1232,
        ),
        "?",
    );
    f.dmz6("and after", &Ip6::new(DMZ6_HOST, LAN6).echo(1, 1, &filler(1340)), "?");
    f.add(
        "in a frame to everybody",
        "lan",
        framed(mac_of(LAN6_HOST), [0xff; 6], &big(LAN6_HOST, 1300)),
        "?",
    );
    f.add("an answer after that", "lan", framed(mac_of(LAN6_HOST), LAN_MAC, &ping(LAN6_HOST)), "?");
    f
}

/// What was learned does not last.
pub(crate) fn too_big_expires() -> Family {
    let mut f = Family::six("six-too-big-expires").with("net.ipv6.route.mtu_expires", "1");
    let ping = Ip6::new(LAN6_HOST, LAN6).echo(1, 1, &filler(1392));
    let reply = Ip6::new(LAN6, LAN6_HOST).icmp(129, 0, &filler(1396));
    f.lan6("before", &ping, "lan: icmp6 129/0");
    f.lan6("told", &Ip6::new(LAN6_HOST, LAN6).icmp_error(2, 0, 1300, &reply, 1232), "nothing");
    f.lan6("at once", &ping, "?");
    f.settle(Duration::from_millis(1600));
    f.lan6("later", &ping, "?");
    f
}
