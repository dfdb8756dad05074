//! Neighbour discovery: questions answered, answers believed, neighbours found and lost: [7.128] to
//! [7.156].

use std::net::Ipv6Addr;
use std::time::Duration;

use super::Family;
use super::six::{
    ALL_NODES, ALL_ROUTERS, DMZ6, LAN6, LAN6_HOST, LAN6_LINK, LAN6_NEAR, LAN6_SECOND, WAN6,
    WAN6_HOST, WAN6_LINK, framed, host, ip6, link_local,
};
use crate::common::frame::{BROADCAST, Mac, filler};
use crate::common::frame6::{
    Ip6, OVERRIDE, ROUTER, SOLICITED, group_mac, solicited, source_mac, target_mac,
};
use crate::topology::{LAN_MAC, WAN_MAC, mac_of};

const STRANGER: Mac = [0x02, 0xcc, 0, 0, 0, 9];

/// A question for an address, to its group.
fn ask(src: Ipv6Addr, target: Ipv6Addr) -> Ip6 {
    let options = if src.is_unspecified() { Vec::new() } else { source_mac(mac_of(src)) };
    Ip6::new(src, solicited(target)).solicit(target, &options)
}

pub(crate) fn solicitations() -> Family {
    let mut f = Family::six("six-solicitations").with("net.ipv6.neigh.lan.proxy_delay", "0");
    for (name, target) in [
        ("the router", LAN6),
        ("its second address", LAN6_SECOND),
        ("its link-local address", LAN6_LINK),
        ("its address on the wan", WAN6),
        ("its address on the dmz", DMZ6),
        ("its link-local address on the wan", WAN6_LINK),
        ("its anycast address", ip6("2001:db8:1::")),
        ("the wan's anycast address", ip6("2001:db8:2::")),
        ("the link-local anycast address", ip6("fe80::")),
        ("a host of the lan", host(1, 0x11)),
        ("nobody's address", host(1, 0x250)),
        ("a host of the wan", WAN6_HOST),
        ("all nodes", ALL_NODES),
        ("its own group", solicited(LAN6)),
        ("nobody", ip6("::")),
        ("loopback", ip6("::1")),
        ("a mapped address", ip6("::ffff:10.1.0.1")),
    ] {
        for (who, src) in
            [("a host", LAN6_HOST), ("a link-local host", LAN6_NEAR), ("nobody", ip6("::"))]
        {
            f.lan6(format!("{name} asked for by {who}"), &ask(src, target), "?");
            f.lan6(
                format!("{name} asked for by {who}, unicast"),
                &ask(src, target).to(LAN6).solicit(target, &source_mac(mac_of(LAN6_HOST))),
                "?",
            );
            f.lan6(
                format!("{name} asked for by {who}, to all nodes"),
                &Ip6::new(src, ALL_NODES).solicit(target, &[]),
                "?",
            );
        }
    }
    let to = |dst| Ip6::new(LAN6_HOST, dst);
    let own = source_mac(mac_of(LAN6_HOST));
    for hops in [0, 1, 64, 254] {
        f.lan6(format!("hop limit {hops}"), &to(LAN6).solicit(LAN6, &own).hops(hops), "nothing");
    }
    for code in [1, 2, 255] {
        let rest = [&[0; 4], &LAN6.octets()[..], &own].concat();
        f.lan6(format!("code {code}"), &to(LAN6).hops(255).icmp(135, code, &rest), "nothing");
    }
    f.lan6("checksum wrong", &to(LAN6).solicit(LAN6, &own).spoil_payload(2, 1), "nothing");
    for len in (1..24).chain([25, 26, 28, 31]) {
        let rest = [&[0; 4], &LAN6.octets()[..], &own].concat();
        let packet = to(LAN6).hops(255).icmp(135, 0, &rest[..len - 4.min(len)]);
        f.lan6(format!("of {len} bytes"), &packet, "?");
    }
    for (name, options) in [
        ("no option", vec![]),
        ("an option of no length", vec![1, 0, 0, 0, 0, 0, 0, 0]),
        ("an option beyond the end", vec![1, 2, 1, 2, 3, 4, 5, 6]),
        ("an unknown option", vec![99, 1, 0, 0, 0, 0, 0, 0]),
        (
            "an unknown option and the address",
            [vec![99, 1, 0, 0, 0, 0, 0, 0], own.clone()].concat(),
        ),
        (
            "the address and an option of no length",
            [own.clone(), vec![99, 0, 0, 0, 0, 0, 0, 0]].concat(),
        ),
        ("the address twice", [own.clone(), own.clone()].concat()),
        ("the target's address instead", target_mac(mac_of(LAN6_HOST))),
        ("an address of 14 bytes", [&[1, 2][..], &[7; 14]].concat()),
        ("a nonce", vec![14, 1, 1, 2, 3, 4, 5, 6]),
        ("the address and a nonce", [own.clone(), vec![14, 1, 1, 2, 3, 4, 5, 6]].concat()),
        ("a group's Ethernet address", source_mac([0x33, 0x33, 0, 0, 0, 1])),
        ("everybody's Ethernet address", source_mac(BROADCAST)),
        ("no Ethernet address", source_mac([0; 6])),
        ("the router's Ethernet address", source_mac(LAN_MAC)),
        ("a stranger's Ethernet address", source_mac(STRANGER)),
    ] {
        f.lan6(
            format!("with {name}"),
            &Ip6::new(LAN6_HOST, solicited(LAN6)).solicit(LAN6, &options),
            "?",
        );
        f.lan6(format!("unicast with {name}"), &to(LAN6).solicit(LAN6, &options), "?");
        f.lan6(
            format!("from nobody with {name}"),
            &Ip6::new(ip6("::"), solicited(LAN6)).solicit(LAN6, &options),
            "?",
        );
    }
    for (name, src) in [
        ("the router's own address", LAN6),
        ("its address on the wan", WAN6),
        ("a group", ALL_NODES),
        ("loopback", ip6("::1")),
        ("a mapped address", ip6("::ffff:10.1.0.10")),
        ("the wan's subnet", WAN6_HOST),
    ] {
        f.lan6(
            format!("asked by {name}"),
            &Ip6::new(src, solicited(LAN6)).solicit(LAN6, &own),
            "?",
        );
    }
    let me = mac_of(LAN6_HOST);
    for (name, mac) in [
        ("a stranger", STRANGER),
        ("everybody", BROADCAST),
        ("all nodes", group_mac(ALL_NODES)),
        ("the router", LAN_MAC),
        ("the wan", WAN_MAC),
    ] {
        f.add(format!("in a frame to {name}"), "lan", framed(me, mac, &ask(LAN6_HOST, LAN6)), "?");
    }
    f.add(
        "in a stranger's frame",
        "lan",
        framed(STRANGER, group_mac(solicited(LAN6)), &ask(LAN6_HOST, LAN6)),
        "?",
    );
    f.lan6("behind hop-by-hop options", &to(LAN6).hop_by_hop(&[]).solicit(LAN6, &own), "?");
    f.lan6("behind destination options", &to(LAN6).dst_options(&[]).solicit(LAN6, &own), "?");
    f.lan6("in an only piece", &to(LAN6).solicit(LAN6, &own).piece(0, false, 9), "?");
    f.lan6("to the group of another address", &to(solicited(LAN6_SECOND)).solicit(LAN6, &own), "?");
    f.lan6("to all routers", &to(ALL_ROUTERS).solicit(LAN6, &own), "?");
    f.lan6("to the group of a host", &to(solicited(LAN6_HOST)).solicit(LAN6, &own), "?");
    f.lan6("to be passed on", &to(WAN6_HOST).solicit(WAN6_HOST, &own), "?");
    f.lan6("from nobody, unicast", &Ip6::new(ip6("::"), LAN6).solicit(LAN6, &[]), "?");
    f
}

/// A neighbour's answer.
fn answer(of: Ipv6Addr, flags: u8, mac: Mac) -> Ip6 {
    Ip6::new(of, WAN6).advertise(of, flags, &target_mac(mac))
}

impl Family {
    /// Adds what the wan says, whoever sends it.
    fn wan_says(&mut self, name: impl Into<String>, packet: &Ip6, expect: impl Into<String>) {
        let to = if packet.dst.is_multicast() { group_mac(packet.dst) } else { WAN_MAC };
        self.add(name, "wan", framed(mac_of(packet.src), to, packet), expect);
    }
}

/// Neighbours that are found while packets wait.
pub(crate) fn resolve() -> Family {
    let mut f = Family::six("six-resolve");
    let udp = |to: Ipv6Addr, n: u8| Ip6::new(LAN6_HOST, to).udp(1, 2, &[n]);
    let asked = |of: Ipv6Addr| format!("wan: ns {of}");
    let flags = SOLICITED | OVERRIDE;

    let h = host(2, 0x60);
    f.lan6("first packet to a silent host asks", &udp(h, 1), asked(h));
    f.lan6("second packet waits", &udp(h, 2), "nothing");
    f.lan6("third packet waits", &udp(h, 3), "nothing");
    f.wan_says(
        "an answer for another host changes nothing",
        &answer(host(2, 0x61), flags, STRANGER),
        "nothing",
    );
    f.wan_says(
        "the answer lets all three go in order",
        &answer(h, flags, mac_of(h)),
        "wan: udp6, udp6, udp6",
    );
    f.leads_to(h);
    f.lan6("a fourth goes at once", &udp(h, 4), "wan: udp6");
    f.leads_to(h);
    for (n, (name, flags, mac)) in [
        ("without override and another address", SOLICITED, STRANGER),
        ("without override and the same address", SOLICITED, mac_of(h)),
        ("with override and another address", SOLICITED | OVERRIDE, STRANGER),
        ("unasked, with override and the first address", OVERRIDE, mac_of(h)),
        ("unasked, without override", 0, STRANGER),
    ]
    .into_iter()
    .enumerate()
    {
        f.wan_says(format!("an answer {name}"), &answer(h, flags, mac), "?");
        f.lan6(format!("and then packet {}", 5 + n), &udp(h, 5), "?");
    }
    for (n, (name, flags, mac)) in [
        ("unasked", 0, true),
        ("unasked with override", OVERRIDE, true),
        ("asked without override", SOLICITED, true),
        ("by a router", SOLICITED | OVERRIDE | ROUTER, true),
        ("without an address", SOLICITED | OVERRIDE, false),
    ]
    .into_iter()
    .enumerate()
    {
        let h = host(2, 0x70 + n as u16);
        let options = if mac { target_mac(mac_of(h)) } else { Vec::new() };
        f.lan6(format!("{name}: asked"), &udp(h, 1), asked(h));
        f.wan_says(
            format!("{name}: answered"),
            &Ip6::new(h, WAN6).advertise(h, flags, &options),
            "?",
        );
        f.lan6(format!("{name}: and then"), &udp(h, 2), "?");
    }
    for (n, (name, packet)) in [
        ("hop limit 254", answer(host(2, 0x80), flags, STRANGER).hops(254)),
        (
            "to all nodes, asked",
            Ip6::new(host(2, 0x81), ALL_NODES).advertise(
                host(2, 0x81),
                flags,
                &target_mac(STRANGER),
            ),
        ),
        (
            "to all nodes, unasked",
            Ip6::new(host(2, 0x82), ALL_NODES).advertise(
                host(2, 0x82),
                OVERRIDE,
                &target_mac(STRANGER),
            ),
        ),
        (
            "from another address",
            Ip6::new(link_local(0x10), WAN6).advertise(host(2, 0x83), flags, &target_mac(STRANGER)),
        ),
        (
            "with an option of no length",
            Ip6::new(host(2, 0x84), WAN6).advertise(
                host(2, 0x84),
                flags,
                &[2, 0, 1, 2, 3, 4, 5, 6],
            ),
        ),
        (
            "with the sender's option",
            Ip6::new(host(2, 0x85), WAN6).advertise(host(2, 0x85), flags, &source_mac(STRANGER)),
        ),
        ("with a wrong checksum", answer(host(2, 0x86), flags, STRANGER).spoil_payload(2, 1)),
        (
            "to the link-local address",
            Ip6::new(host(2, 0x87), WAN6_LINK).advertise(
                host(2, 0x87),
                flags,
                &target_mac(STRANGER),
            ),
        ),
        (
            "from nobody",
            Ip6::new(ip6("::"), WAN6).advertise(host(2, 0x88), flags, &target_mac(STRANGER)),
        ),
        ("with a group's address", answer(host(2, 0x89), flags, [0x33, 0x33, 0, 0, 0, 1])),
        ("with no address", answer(host(2, 0x8a), flags, [0; 6])),
    ]
    .into_iter()
    .enumerate()
    {
        let h = host(2, 0x80 + n as u16);
        f.lan6(format!("answer {name}: asked"), &udp(h, 1), asked(h));
        f.wan_says(format!("answer {name}: given"), &packet, "?");
        f.wan_says(format!("answer {name}: the right one"), &answer(h, flags, mac_of(h)), "?");
    }
    let h = host(2, 0x62);
    f.lan6("asked by a packet", &udp(h, 1), asked(h));
    f.wan_says("answered by the host's own question", &ask(h, WAN6), "?");
    let h = host(2, 0x63);
    f.wan_says("a host asks first", &ask(h, WAN6), "?");
    f.lan6("and is known from it", &udp(h, 1), "?");
    let h = host(2, 0x64);
    f.wan_says("a host asks for another", &ask(h, host(2, 0x65)), "nothing");
    f.lan6("and is not known from it", &udp(h, 1), asked(h));
    let h = host(2, 0x66);
    f.wan_says("an answer that nobody asked for", &answer(h, flags, mac_of(h)), "nothing");
    f.lan6("makes nobody known", &udp(h, 1), asked(h));
    let h = host(2, 0x67);
    let solicit = |options: &[u8]| Ip6::new(h, solicited(WAN6)).solicit(WAN6, options);
    f.wan_says("a host asks and does not say where it is", &solicit(&[]), "?");
    f.wan_says("and says it when asked", &answer(h, flags, mac_of(h)), "?");
    let near = link_local(0x77);
    f.lan6("to a link-local gateway", &udp(ip6("2001:db8:61::1"), 1), "lan: icmp6 1/0");
    f.wan_says(
        "a router asks for a router",
        &Ip6::new(near, ALL_ROUTERS).hops(255).icmp(
            133,
            0,
            &[&[0; 4][..], &source_mac(mac_of(near))].concat(),
        ),
        "nothing",
    );
    let h = host(2, 0x69);
    f.lan6(
        "a packet as large as can be waits",
        &Ip6::new(LAN6_HOST, h).udp(1, 2, &filler(1452)),
        asked(h),
    );
    f.wan_says("and goes", &answer(h, flags, mac_of(h)), "wan: udp6");
    let h = host(1, 0x60);
    let ping = Ip6::new(h, LAN6).echo(1, 1, b"who");
    f.add("ping from a host not known", "lan", framed(mac_of(h), LAN_MAC, &ping), "?");
    let told = Ip6::new(h, LAN6).advertise(h, flags, &target_mac(mac_of(h)));
    f.add("the reply follows", "lan", framed(mac_of(h), LAN_MAC, &told), "?");
    let h = link_local(0x61);
    let ping = Ip6::new(h, LAN6).echo(1, 1, b"who");
    f.add("ping from a link-local host not known", "lan", framed(mac_of(h), LAN_MAC, &ping), "?");
    let told = Ip6::new(h, LAN6_LINK).advertise(h, flags, &target_mac(mac_of(h)));
    f.add("its reply follows", "lan", framed(mac_of(h), LAN_MAC, &told), "?");
    let h = host(2, 0x6a);
    f.lan6("echo through to a host not known", &Ip6::new(LAN6_HOST, h).echo(1, 1, b"x"), asked(h));
    f.wan_says("which asks for the router's link-local address", &ask(h, WAN6_LINK), "?");
    f
}

/// What the neighbours' states become.
pub(crate) fn states() -> Family {
    // Nobody is asked a second time, and none doubted, while this takes its time.
    let mut f = Family::six("six-neighbour-states")
        .with("net.ipv6.neigh.wan.retrans_time_ms", "60000")
        .with("net.ipv6.neigh.wan.delay_first_probe_time", "60");
    let mut last = 0x100;
    let known = [0x02, 0xdd, 0, 0, 0, 1];
    let states = ["incomplete", "reachable", "stale", "permanent", "noarp"];
    for state in states {
        for flags in (0..8u8).map(|bits| bits << 5) {
            for mac in [Some(known), Some(STRANGER), None] {
                last += 1;
                let h = host(2, last);
                let words = format!("{h} dev wan");
                if state == "incomplete" {
                    f.lan6(format!("{h}: asked"), &Ip6::new(LAN6_HOST, h).udp(1, 2, b"x"), "?");
                } else {
                    let mac = crate::topology::colons(known);
                    f.ip_says(format!("-6 neigh replace {words} lladdr {mac} nud {state}"), "?");
                }
                let options = mac.map(target_mac).unwrap_or_default();
                let packet = Ip6::new(h, WAN6).advertise(h, flags, &options);
                let kind = mac.map_or("none", |mac| if mac == known { "same" } else { "other" });
                f.wan_says(
                    format!("{h}: {state}, flags {flags:#04x}, address {kind}"),
                    &packet,
                    "?",
                );
                f.ip_says(format!("-6 neigh show {words}"), "?");
            }
        }
    }
    for state in &states[1..] {
        for mac in [known, STRANGER] {
            last += 1;
            let h = host(2, last);
            let words = format!("{h} dev wan");
            f.ip_says(
                format!(
                    "-6 neigh replace {words} lladdr {} nud {state}",
                    crate::topology::colons(known)
                ),
                "?",
            );
            let packet = Ip6::new(h, solicited(WAN6)).solicit(WAN6, &source_mac(mac));
            let kind = if mac == known { "same" } else { "other" };
            f.wan_says(format!("{h}: {state}, asks with {kind} address"), &packet, "?");
            f.ip_says(format!("-6 neigh show {words}"), "?");
        }
    }
    f
}

/// Neighbours that never answer, and those that no longer do.
pub(crate) fn failure() -> Family {
    let mut f =
        Family::six("six-resolve-failure").with("net.ipv6.neigh.wan.retrans_time_ms", "500");
    let h = host(2, 0x70);
    let packet = |from: Ipv6Addr| Ip6::new(from, h).udp(1, 2, &filler(12));
    f.lan6("two packets wait: first", &packet(LAN6_HOST), "?");
    f.lan6("two packets wait: after three questions both are told of", &packet(host(1, 0x11)), "?");
    f.settle(Duration::from_millis(1800));
    f.lan6("the next packet asks again", &packet(LAN6_HOST), "?");
    f.wan_says("and a late answer helps", &answer(h, SOLICITED | OVERRIDE, mac_of(h)), "?");
    let h = host(2, 0x71);
    f.lan6(
        "from a link-local address nothing is asked",
        &Ip6::new(LAN6_NEAR, h).udp(1, 2, b"x"),
        "?",
    );
    f.settle(Duration::from_millis(1800));
    f.lan6("an error is told to nobody", &Ip6::new(LAN6_HOST, h).icmp(1, 0, &filler(50)), "?");
    f.settle(Duration::from_millis(1800));
    let h = host(2, 0x72);
    f.lan6("with hop-by-hop options", &Ip6::new(LAN6_HOST, h).hop_by_hop(&[]).udp(1, 2, b"x"), "?");
    f.settle(Duration::from_millis(1800));
    let h = host(2, 0x73);
    f.lan6(
        "a first piece",
        &Ip6::new(LAN6_HOST, h).udp(1, 2, &filler(64)).fragment(1, 0, 64, true),
        "?",
    );
    f.settle(Duration::from_millis(1800));
    f
}

/// Neighbours asked again when their time is over.
pub(crate) fn unreachable() -> Family {
    let mut f = Family::six("six-unreachability")
        .with("net.ipv6.neigh.wan.retrans_time_ms", "300")
        .with("net.ipv6.neigh.wan.delay_first_probe_time", "1");
    let h = host(2, 0x70);
    let udp = |n: u8| Ip6::new(LAN6_HOST, h).udp(1, 2, &[n]);
    f.wan_says("a host asks first", &ask(h, WAN6), "?");
    f.settle(Duration::from_millis(1150));
    f.wan_says("it confirms", &answer(h, SOLICITED, mac_of(h)), "nothing");
    f.lan6("known", &udp(1), "wan: udp6");
    f.settle(Duration::from_millis(1500));
    f.wan_says("it says it has moved", &answer(h, OVERRIDE, STRANGER), "nothing");
    f.lan6("believed, and doubted", &udp(2), "?");
    f.settle(Duration::from_millis(2600));
    f.lan6("asked anew", &udp(3), "?");
    f.wan_says("found again", &answer(h, SOLICITED | OVERRIDE, mac_of(h)), "?");
    f
}

/// Addresses answered for in others' names.
pub(crate) fn proxy() -> Family {
    let mut f = Family::six("six-proxy")
        .with("net.ipv6.conf.lan.proxy_ndp", "1")
        .with("net.ipv6.neigh.lan.proxy_delay", "0");
    let target = host(1, 0x77);
    f.lan6("not yet", &ask(LAN6_HOST, target), "?");
    f.ip(format!("-6 neigh add proxy {target} dev lan"));
    f.ip("-6 route add 2001:db8:1::77/128 via 2001:db8:2::10 dev wan");
    for (name, src) in
        [("a host", LAN6_HOST), ("a link-local host", LAN6_NEAR), ("nobody", ip6("::"))]
    {
        f.lan6(format!("asked by {name}"), &ask(src, target), "?");
        let me = if src.is_unspecified() { LAN6_HOST } else { src };
        f.add(
            format!("asked by {name} in a frame to the router"),
            "lan",
            framed(mac_of(me), LAN_MAC, &ask(src, target)),
            "?",
        );
    }
    f.lan6("passed on", &Ip6::new(LAN6_HOST, target).udp(1, 2, b"x"), "?");
    f.lan6("pinged", &Ip6::new(LAN6_HOST, target).echo(1, 2, b"x"), "?");
    f.lan6(
        "asked itself, by unicast",
        &Ip6::new(LAN6_HOST, target).solicit(target, &source_mac(mac_of(LAN6_HOST))),
        "?",
    );
    f.lan6(
        "told, by unicast",
        &Ip6::new(LAN6_HOST, target).advertise(LAN6_HOST, SOLICITED, &[]),
        "?",
    );
    f.lan6("from a link-local host", &Ip6::new(LAN6_NEAR, target).udp(1, 2, b"x"), "?");
    f.lan6("another", &ask(LAN6_HOST, host(1, 0x78)), "nothing");
    f.wan6("on the wan nothing is answered for", &ask(WAN6_HOST, target), "nothing");
    f.ip(format!("-6 neigh add proxy {} dev lan router", host(1, 0x78)));
    f.lan6("another that is a router", &ask(LAN6_HOST, host(1, 0x78)), "?");
    f.ip(format!("-6 neigh del proxy {target} dev lan"));
    f.lan6("no longer", &ask(LAN6_HOST, target), "nothing");
    f
}

/// Advertisements that nobody asked for, under one tunable.
pub(crate) fn unasked(name: &'static str, tunable: &str, value: &str) -> Family {
    let mut f = Family::six(name).with(tunable, value);
    let mut last = 0x90;
    for flags in (0..8u8).map(|bits| bits << 5) {
        for mac in [true, false] {
            for (kind, src) in [("own net", 2), ("far", 9)] {
                for all in [true, false] {
                    last += 1;
                    let h = host(src, last);
                    let options = if mac { target_mac(STRANGER) } else { Vec::new() };
                    let to = if all { ALL_NODES } else { WAN6 };
                    let packet = Ip6::new(h, to).advertise(h, flags, &options);
                    let all = if all { "all" } else { "one" };
                    f.wan_says(
                        format!("{h} of {kind}, flags {flags:#04x}, address {mac}, to {all}"),
                        &packet,
                        "?",
                    );
                    f.ip_says(format!("-6 neigh show {h} dev wan"), "?");
                }
            }
        }
    }
    let h = host(2, 0x10);
    f.ip(format!(
        "-6 neigh replace {h} lladdr {} dev wan nud stale",
        crate::topology::colons(mac_of(h))
    ));
    for (all, to) in [("all", ALL_NODES), ("one", WAN6)] {
        for flags in [0, OVERRIDE, SOLICITED | OVERRIDE] {
            let packet = Ip6::new(h, to).advertise(h, flags, &target_mac(STRANGER));
            f.wan_says(format!("known, flags {flags:#04x}, to {all}"), &packet, "?");
            f.ip_says(format!("-6 neigh show {h} dev wan"), "?");
        }
    }
    f
}
