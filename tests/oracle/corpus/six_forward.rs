//! Forwarding: hop limits, routes of all types, scopes, sizes, and frames for others: [8.94], [8.103]
//! to [8.119], [8.123].

use std::net::Ipv6Addr;

use super::Family;
use super::six::{
    DMZ6, DMZ6_HOST, FAR6, LAN6, LAN6_HOST, LAN6_LINK, LAN6_NEAR, LAN6_OTHER, VLAN6_HOST, WAN6,
    WAN6_GATEWAY, WAN6_HOST, WAN6_LINK, from6, host, ip6, link_local,
};
use crate::common::frame::{filler, tag};
use crate::common::frame6::Ip6;
use crate::topology::WAN_MAC;

fn udp(dst: Ipv6Addr) -> Ip6 {
    Ip6::new(LAN6_HOST, dst).udp(1000, 33434, &filler(20))
}

pub(crate) fn family() -> Family {
    let mut f = Family::six("six-forward");
    for (words, to, expect) in [
        ("2001:db8:2::10", Some(WAN6_HOST), "wan: udp6"),
        ("2001:db8:9::1", Some(WAN6_GATEWAY), "wan: udp6"),
        ("2001:db8:9:ffff::1", Some(WAN6_GATEWAY), "wan: udp6"),
        ("2001:db8:9:1::1", Some(DMZ6_HOST), "dmz: udp6"),
        ("2001:db8:9:1:7fff:ffff:ffff:ffff", Some(DMZ6_HOST), "dmz: udp6"),
        ("2001:db8:9:1:8000::", Some(WAN6_HOST), "wan: udp6"),
        ("2001:db8:9:1:8000::1", None, "wan: vlan 10 udp6"),
        ("2001:db8:9:1:8000::2", Some(WAN6_HOST), "wan: udp6"),
        ("2001:db8:9:2::", Some(WAN6_GATEWAY), "wan: udp6"),
        ("2001:db8:a::1", None, "lan: icmp6 1/0"),
        ("2001:db8:8:ffff::1", None, "lan: icmp6 1/0"),
        ("2001:db8:20::1", None, "?"),
        ("2001:db8:20:1::1", Some(WAN6_GATEWAY), "wan: udp6"),
        ("2001:db8:20:2::1", None, "?"),
        ("2001:db8:21::1", None, "?"),
        ("2001:db8:22::1", None, "?"),
        ("2001:db8:23::1", None, "?"),
        ("2001:db8:30::1", Some(WAN6_GATEWAY), "wan: udp6"),
        ("2001:db8:40::1", Some(DMZ6_HOST), "dmz: udp6"),
        ("2001:db8:50::1", None, "wan: udp6"),
        ("2001:db8:60::1", None, "wan: udp6"),
        ("2001:db8:99::1", None, "lan: icmp6 1/0"),
        ("3fff::1", None, "lan: icmp6 1/0"),
        ("2001:db8:3::10", Some(DMZ6_HOST), "dmz: udp6"),
        ("2001:db8:4::10", None, "wan: vlan 10 udp6"),
    ] {
        for hops in [64, 255, 2, 1, 0] {
            let expect = if hops < 2 { "?" } else { expect };
            f.lan6(format!("{words} with hop limit {hops}"), &udp(ip6(words)).hops(hops), expect);
            if let Some(to) = to.filter(|_| hops > 1) {
                f.leads_to(to);
            }
        }
        let (echo, tcp) = (
            Ip6::new(LAN6_HOST, ip6(words)).echo(1, 1, b"e"),
            Ip6::new(LAN6_HOST, ip6(words)).tcp((1, 2), 3, 4, 2, b""),
        );
        f.lan6(format!("{words}, echo"), &echo, "?");
        f.lan6(format!("{words}, tcp"), &tcp, "?");
        let error = Ip6::new(LAN6_HOST, ip6(words)).icmp_error(1, 0, 0, &udp(WAN6_HOST), 999);
        f.lan6(format!("{words}, an error"), &error, "?");
    }
    for hops in 0..4 {
        for (name, dst) in
            [("the router", LAN6), ("its wan address", WAN6), ("its dmz address", DMZ6)]
        {
            let ping = Ip6::new(LAN6_HOST, dst).echo(1, 1, b"near").hops(hops);
            f.lan6(format!("{name} with hop limit {hops}"), &ping, "lan: icmp6 129/0");
        }
    }
    let from_vlan = from6(VLAN6_HOST, WAN_MAC, &Ip6::new(VLAN6_HOST, LAN6_HOST).udp(1, 2, b"v"));
    f.add("from the VLAN", "wan", tag(&from_vlan, 10), "lan: udp6");
    f.add("from the VLAN with a priority", "wan", tag(&from_vlan, 0xa00a), "lan: udp6");
    f.add("from an unknown VLAN", "wan", tag(&from_vlan, 11), "nothing");
    f.wan6("wan to lan", &Ip6::new(WAN6_HOST, LAN6_HOST).udp(1, 2, b"w"), "lan: udp6");
    f.dmz6("dmz to lan", &Ip6::new(DMZ6_HOST, LAN6_HOST).udp(1, 2, b"d"), "lan: udp6");
    f.wan6("far to lan", &Ip6::new(FAR6, LAN6_HOST).udp(1, 2, b"f"), "lan: udp6");
    f.wan6(
        "a source that belongs on the lan",
        &Ip6::new(LAN6_OTHER, LAN6_HOST).udp(1, 2, b"f"),
        "lan: udp6",
    );
    for version in ["udp", "an extension header nobody knows"] {
        for size in [0, 1, 500, 1452] {
            let packet = match version {
                "udp" => Ip6::new(LAN6_HOST, WAN6_HOST).udp(1, 2, &filler(size.min(1444))),
                _ => Ip6::new(LAN6_HOST, WAN6_HOST).raw(140, &filler(size)),
            };
            f.lan6(format!("{version} of {size} bytes"), &packet, "?");
        }
    }
    f
}

/// Link-local addresses do not leave their link.
pub(crate) fn scopes() -> Family {
    let mut f = Family::six("six-link-local");
    let near = |dst| Ip6::new(LAN6_NEAR, dst).udp(1, 33434, &filler(20));
    let closed = |src, dst| Ip6::new(src, dst).udp(1, 33434, &filler(20));
    f.all_lan6(
        "link-local: ",
        &[
            ("to the wan", near(WAN6_HOST), "?"),
            ("to the far", near(FAR6), "?"),
            ("to the wan with hop limit 1", near(WAN6_HOST).hops(1), "?"),
            ("to the router", near(LAN6), "?"),
            ("to the router's wan address", near(WAN6), "?"),
            ("to the router's link-local address", near(LAN6_LINK), "?"),
            ("to no way", near(ip6("2001:db8:99::1")), "?"),
            ("to a blackhole", near(ip6("2001:db8:22::1")), "?"),
            ("to the unreachable", near(ip6("2001:db8:20::1")), "?"),
            ("to the forbidden", near(ip6("2001:db8:21::1")), "?"),
            ("to the wan, too big", Ip6::new(LAN6_NEAR, DMZ6_HOST).udp(1, 2, &filler(1400)), "?"),
            ("global to the link-local address", closed(LAN6_HOST, LAN6_LINK), "?"),
            ("wan's to the link-local address", closed(WAN6_HOST, LAN6_LINK), "?"),
            ("fe81 to the router", closed(ip6("fe81::10"), LAN6), "?"),
            ("febf to the wan", closed(ip6("febf::10"), WAN6_HOST), "?"),
            ("an error to the wan", Ip6::new(LAN6_NEAR, WAN6_HOST).icmp(1, 0, &filler(60)), "?"),
            (
                "tcp to the router's wan address",
                Ip6::new(LAN6_NEAR, WAN6).tcp((1, 2), 3, 0, 2, b""),
                "?",
            ),
            ("ping to the router's wan address", Ip6::new(LAN6_NEAR, WAN6).echo(1, 1, b"x"), "?"),
            (
                "ping to the router's link-local address",
                Ip6::new(LAN6_NEAR, LAN6_LINK).echo(1, 1, b"x"),
                "?",
            ),
            ("ping to the same from global", Ip6::new(LAN6_HOST, LAN6_LINK).echo(1, 1, b"x"), "?"),
            ("from the loopback", closed(ip6("::1"), WAN6_HOST), "?"),
            ("from nobody", closed(ip6("::"), WAN6_HOST), "?"),
            ("to the anycast address", near(ip6("2001:db8:1::")), "?"),
            ("to the link-local anycast address", near(ip6("fe80::")), "?"),
            (
                "ping to the link-local anycast address",
                Ip6::new(LAN6_NEAR, ip6("fe80::")).echo(1, 1, b"x"),
                "?",
            ),
        ],
    );
    let wan = |dst| Ip6::new(link_local(0x10), dst).udp(1, 33434, &filler(20));
    f.wan6("wan link-local to the lan", &wan(LAN6_HOST), "?");
    f.wan6("wan link-local to the router", &wan(WAN6), "?");
    f.wan6("wan link-local to its link-local address", &wan(WAN6_LINK), "?");
    f.wan6("wan link-local to a lan address of the router", &wan(LAN6), "?");
    f.wan6("wan link-local back out", &wan(FAR6), "?");
    f
}

/// Sizes and the links they fit.
pub(crate) fn sizes() -> Family {
    let mut f = Family::six("six-sizes");
    let to = |dst, len: usize| Ip6::new(LAN6_HOST, dst).raw(253, &filler(len - 40));
    for len in [1279, 1280, 1281, 1299, 1300, 1301, 1399, 1400, 1401, 1499, 1500] {
        for (name, dst) in [
            ("the dmz", DMZ6_HOST),
            ("a route with an MTU", ip6("2001:db8:30::1")),
            ("the wan", WAN6_HOST),
        ] {
            f.lan6(format!("{len} bytes to {name}"), &to(dst, len), "?");
        }
        f.dmz6(
            format!("{len} bytes to the dmz address"),
            &Ip6::new(DMZ6_HOST, DMZ6).echo(1, 1, &filler(len - 48)),
            "?",
        );
        f.lan6(
            format!("{len} bytes of ping"),
            &Ip6::new(LAN6_HOST, LAN6).echo(1, 1, &filler(len - 48)),
            "?",
        );
        f.lan6(
            format!("{len} bytes of ping to the dmz address"),
            &Ip6::new(LAN6_HOST, DMZ6).echo(1, 1, &filler(len - 48)),
            "?",
        );
    }
    f.all_lan6(
        "too big: ",
        &[
            ("hop limit 1 counts first", to(DMZ6_HOST, 1401).hops(1), "?"),
            ("a link-local source counts later", to(DMZ6_HOST, 1401).from(LAN6_NEAR), "?"),
            ("a piece", to(DMZ6_HOST, 1401).piece(0, true, 5), "?"),
            ("a later piece", to(DMZ6_HOST, 1401).piece(8, true, 5), "?"),
            ("an error", Ip6::new(LAN6_HOST, DMZ6_HOST).icmp(1, 0, &filler(1400)), "?"),
            ("a ping", Ip6::new(LAN6_HOST, DMZ6_HOST).echo(1, 1, &filler(1400)), "?"),
            ("from nobody", to(DMZ6_HOST, 1401).from(ip6("::")), "?"),
            (
                "from an address without a way back",
                to(DMZ6_HOST, 1401).from(ip6("2001:db8:99::1")),
                "?",
            ),
            ("behind options", to(DMZ6_HOST, 1401).hop_by_hop(&[]), "?"),
            ("tcp", Ip6::new(LAN6_HOST, DMZ6_HOST).tcp((1, 2), 3, 4, 16, &filler(1400)), "?"),
        ],
    );
    f
}

/// Links of the least size that IPv6 has, and of less, where there is none.
pub(crate) fn small() -> Family {
    let mut f = Family::six("six-small-link");
    f.topology = f.topology.port("dmz", |port| port.mtu = 1280);
    for len in [1279, 1280, 1281, 1400, 1500] {
        let packet = |src, dst| Ip6::new(src, dst).raw(253, &filler(len - 40));
        f.lan6(format!("{len} bytes"), &packet(LAN6_HOST, DMZ6_HOST), "?");
        f.lan6(
            format!("{len} bytes of a ping"),
            &Ip6::new(LAN6_HOST, DMZ6).echo(1, 1, &filler(len - 48)),
            "?",
        );
        f.dmz6(format!("{len} bytes back"), &packet(DMZ6_HOST, LAN6_HOST), "?");
        f.dmz6(
            format!("{len} bytes of a ping from there"),
            &Ip6::new(DMZ6_HOST, DMZ6).echo(1, 1, &filler(len - 48)),
            "?",
        );
    }
    f.ip("link set wan mtu 1279");
    f.lan6("to a link too small for IPv6", &udp(WAN6_HOST), "?");
    f.lan6("to its address", &Ip6::new(LAN6_HOST, WAN6).echo(1, 1, b"x"), "?");
    f.wan6("from a link too small for IPv6", &Ip6::new(WAN6_HOST, LAN6).echo(1, 1, b"x"), "?");
    f.wan6(
        "through from a link too small for IPv6",
        &Ip6::new(WAN6_HOST, LAN6_HOST).udp(1, 2, b"x"),
        "?",
    );
    f
}

/// Not a router.
pub(crate) fn off() -> Family {
    let mut f = Family::six("six-host")
        .with("net.ipv6.conf.all.forwarding", "0")
        .with("net.ipv6.conf.all.accept_ra", "0")
        .with("net.ipv6.conf.default.accept_ra", "0");
    for (name, dst) in [
        ("wan", WAN6_HOST),
        ("far", FAR6),
        ("no way", ip6("2001:db8:99::1")),
        ("unreachable", ip6("2001:db8:20::1")),
        ("forbidden", ip6("2001:db8:21::1")),
        ("blackhole", ip6("2001:db8:22::1")),
        ("the router", LAN6),
        ("its wan address", WAN6),
        ("its link-local address", LAN6_LINK),
        ("the anycast address", ip6("2001:db8:1::")),
        ("all nodes", ip6("ff02::1")),
        ("all routers", ip6("ff02::2")),
        ("all routers of the site", ip6("ff05::2")),
        ("a group", ip6("ff0e::9")),
        ("a host beside", LAN6_OTHER),
    ] {
        for hops in [64, 1] {
            f.lan6(format!("{name}, hop limit {hops}"), &udp(dst).hops(hops), "?");
            let ping = Ip6::new(LAN6_HOST, dst).echo(1, 1, b"host").hops(hops);
            f.lan6(format!("{name}, ping with hop limit {hops}"), &ping, "?");
        }
        f.lan6(format!("{name} from nearby"), &udp(dst).from(LAN6_NEAR), "?");
        f.lan6(format!("{name}, an option to tell of"), &udp(dst).hop_by_hop(&[0x9e, 0]), "?");
    }
    let ask =
        |target| Ip6::new(LAN6_HOST, crate::common::frame6::solicited(target)).solicit(target, &[]);
    f.lan6("asked for its address", &ask(LAN6), "?");
    f.lan6("asked for its link-local address", &ask(LAN6_LINK), "?");
    f.lan6("asked for its anycast address", &ask(ip6("2001:db8:1::")), "?");
    f
}

/// Some interfaces forward and others do not.
pub(crate) fn by_interface() -> Family {
    let mut f = Family::six("six-forward-by-interface").with("net.ipv6.conf.lan.forwarding", "0");
    // Which is another host's then.
    f.topology.neighbour(ip6("2001:db8:1::"), "lan");
    f.lan6("in by one that does not", &udp(WAN6_HOST), "?");
    f.wan6("out by one that does not", &Ip6::new(WAN6_HOST, LAN6_HOST).udp(1, 2, b"x"), "?");
    f.lan6("ping of it", &Ip6::new(LAN6_HOST, LAN6).echo(1, 1, b"x"), "?");
    f.lan6(
        "all routers by one that does not",
        &Ip6::new(LAN6_HOST, ip6("ff02::2")).echo(1, 1, b"x"),
        "?",
    );
    f.wan6(
        "all routers by one that does",
        &Ip6::new(WAN6_HOST, ip6("ff02::2")).echo(1, 1, b"x"),
        "?",
    );
    f.lan6(
        "anycast by one that does not",
        &Ip6::new(LAN6_HOST, ip6("2001:db8:1::")).echo(1, 1, b"x"),
        "?",
    );
    f.wan6(
        "anycast by one that does",
        &Ip6::new(WAN6_HOST, ip6("2001:db8:2::")).echo(1, 1, b"x"),
        "?",
    );
    for (port, src, dst) in [("lan", LAN6_HOST, LAN6), ("wan", WAN6_HOST, WAN6)] {
        let ask = Ip6::new(src, crate::common::frame6::solicited(dst)).solicit(dst, &[]);
        match port {
            "lan" => f.lan6("asked on one that does not", &ask, "?"),
            _ => f.wan6("asked on one that does", &ask, "?"),
        }
    }
    f
}

/// The router's errors about what has nowhere to go, and where they come from.
pub(crate) fn sources() -> Family {
    let mut f = Family::six("six-error-sources");
    for (name, dst) in [
        ("no way", ip6("2001:db8:99::1")),
        ("closed port", WAN6),
        ("closed port here", LAN6),
        ("unreachable", ip6("2001:db8:20::1")),
    ] {
        for (who, src) in [
            ("a neighbour", LAN6_HOST),
            ("another", LAN6_OTHER),
            ("a neighbour by link-local address", LAN6_NEAR),
        ] {
            f.lan6(format!("{name}, told to {who}"), &udp(dst).from(src).udp(1, 2, b"s"), "?");
        }
        f.lan6(
            format!("{name}, told by way of another port"),
            &Ip6::new(host(9, 5), dst).udp(1, 2, b"s"),
            "?",
        );
        f.lan6(format!("{name}, told to the dmz"), &Ip6::new(DMZ6_HOST, dst).udp(1, 2, b"s"), "?");
        f.lan6(
            format!("{name}, told to nobody"),
            &Ip6::new(ip6("2001:db8:98::1"), dst).udp(1, 2, b"s"),
            "?",
        );
        f.lan6(
            format!("{name}, told to a blackhole"),
            &Ip6::new(ip6("2001:db8:22::9"), dst).udp(1, 2, b"s"),
            "?",
        );
    }
    for (hops, name) in [(1, "lost"), (0, "long lost")] {
        f.lan6(
            format!("{name}, told by way of another port"),
            &Ip6::new(host(9, 5), WAN6_HOST).udp(1, 2, b"s").hops(hops),
            "?",
        );
        f.lan6(
            format!("{name}, told to the dmz"),
            &Ip6::new(DMZ6_HOST, WAN6_HOST).udp(1, 2, b"s").hops(hops),
            "?",
        );
        f.wan6(
            format!("{name}, told by the wan"),
            &Ip6::new(FAR6, LAN6_HOST).udp(1, 2, b"s").hops(hops),
            "?",
        );
    }
    f
}
