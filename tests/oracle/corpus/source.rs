//! Which sources are believed, and which interfaces forward: `rp_filter`, `accept_local`,
//! `route_localnet`, `bc_forwarding` and `forwarding` of each interface: [4.30], [5.49], [5.106],
//! [5.107].

use std::net::Ipv4Addr;

use super::{Family, from};
use crate::common::frame::{BROADCAST, IPV4, Ip, ether, pad, tag};
use crate::topology::{
    DMZ, DMZ_HOST, DMZ_MAC, FAR_HOST, LAN, LAN_HOST, LAN_MAC, LAN_SECOND, ONLINK_HOST, VLAN10,
    VLAN10_HOST, WAN, WAN_HOST, WAN_MAC,
};

/// A source, what it is, and by which port it is reached.
const SOURCES: [(&str, [u8; 4], &str); 20] = [
    ("a lan host", [10, 1, 0, 10], "lan"),
    ("a wan host", [192, 0, 2, 10], "wan"),
    ("a dmz host", [198, 51, 100, 10], "dmz"),
    ("a VLAN host", [203, 0, 113, 10], "wan.10"),
    ("a host behind the wan gateway", [10, 9, 0, 1], "wan"),
    ("a host behind the dmz gateway", [10, 9, 1, 1], "dmz"),
    ("a host behind the VLAN gateway", [10, 9, 1, 200], "wan.10"),
    ("a host on the wan by a route", [10, 50, 0, 1], "wan"),
    ("a host without a route", [172, 30, 0, 1], "no route"),
    ("a host behind an unreachable route", [10, 20, 0, 1], "no route"),
    ("a host behind a prohibit route", [10, 21, 0, 1], "no route"),
    ("a host behind a blackhole", [10, 22, 0, 1], "no route"),
    ("a host behind a throw route", [10, 23, 0, 1], "no route"),
    ("the router's lan address", [10, 1, 0, 1], "own"),
    ("the router's dmz address", [198, 51, 100, 1], "own"),
    ("the lan's broadcast address", [10, 1, 0, 255], "broadcast"),
    ("the dmz's broadcast address", [198, 51, 100, 255], "broadcast"),
    ("127.0.0.1", [127, 0, 0, 1], "never"),
    ("a group", [224, 0, 0, 5], "never"),
    ("255.255.255.255", [255, 255, 255, 255], "never"),
];

/// What the filter of a port says of a source.
fn passes(strictness: u8, port: &str, reached: &str) -> bool {
    match (strictness, reached) {
        (_, "never" | "own") => false,
        // Without the filter only the router's own addresses are looked up.
        (0, _) => true,
        (_, "broadcast" | "no route") => false,
        (1, by) => by == port,
        _ => true,
    }
}

/// Every source by every port, to another port and to the router.
fn all_sources(mut f: Family, strictness: &dyn Fn(&str) -> u8) -> Family {
    let ports = [
        ("lan", LAN_MAC, LAN_HOST, LAN),
        ("wan", WAN_MAC, WAN_HOST, WAN),
        ("dmz", DMZ_MAC, DMZ_HOST, DMZ),
        ("wan.10", WAN_MAC, VLAN10_HOST, VLAN10),
    ];
    for (port, mac, host, own) in ports {
        let wrap = |packet: &Ip| {
            let frame = from(host, mac, packet);
            if port == "wan.10" { ("wan", tag(&frame, 10)) } else { (port, frame) }
        };
        for (name, source, reached) in SOURCES {
            let source = Ipv4Addr::from(source);
            let passes = passes(strictness(port), port, reached);
            let to = if port == "dmz" { LAN_HOST } else { DMZ_HOST };
            let out = if port == "dmz" { "lan: udp" } else { "dmz: udp" };
            let (enters, frame) = wrap(&Ip::new(source, to).udp(1, 2, b"in transit"));
            f.add(
                format!("{port}: from {name}, in transit"),
                enters,
                frame,
                if passes { out } else { "nothing" },
            );
            let (enters, frame) = wrap(&Ip::new(source, own).echo(1, 1, b"to the router"));
            let answer = match reached {
                _ if !passes => "nothing",
                "lan" | "wan" | "dmz" => {
                    ANSWERS[["lan", "wan", "dmz"].iter().position(|p| *p == reached).unwrap_or(0)]
                }
                "wan.10" => "wan: vlan 10 icmp 0/0",
                "broadcast" if source.octets()[0] == 10 => "lan: icmp 0/0",
                "broadcast" => "dmz: icmp 0/0",
                _ => "nothing",
            };
            f.add(format!("{port}: from {name}, to the router"), enters, frame, answer);
        }
        let dhcp = Ip::new(Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST).udp(68, 67, &[0; 300]);
        let frame = pad(ether(BROADCAST, crate::topology::mac_of(host), IPV4, &dhcp.bytes()), 60);
        let (enters, frame) =
            if port == "wan.10" { ("wan", tag(&frame, 10)) } else { (port, frame) };
        f.add(format!("{port}: from nobody to all"), enters, frame, "nothing");
        let (enters, frame) = wrap(&Ip::new(Ipv4Addr::UNSPECIFIED, own).echo(1, 1, b"nobody"));
        f.add(format!("{port}: from nobody to the router"), enters, frame, "nothing");
    }
    f
}

const ANSWERS: [&str; 3] = ["lan: icmp 0/0", "wan: icmp 0/0", "dmz: icmp 0/0"];

/// Strict on the lan and the VLAN, off on the wan, loose on the dmz.
pub(crate) fn by_interface() -> Family {
    let mut f = Family::new("sources-by-interface");
    f.topology = f
        .topology
        .sysctl("net.ipv4.conf.lan.rp_filter", "1")
        .sysctl("net.ipv4.conf.wan.rp_filter", "0")
        .sysctl("net.ipv4.conf.dmz.rp_filter", "2")
        .sysctl("net.ipv4.conf.wan.10.rp_filter", "1");
    all_sources(f, &|port| match port {
        "lan" | "wan.10" => 1,
        "wan" => 0,
        _ => 2,
    })
}

/// Loose for all, whatever an interface says: the greater value counts, and 2 is more than 1.
pub(crate) fn loose() -> Family {
    let mut f = Family::new("sources-loose");
    f.topology = f
        .topology
        .sysctl("net.ipv4.conf.all.rp_filter", "2")
        .sysctl("net.ipv4.conf.lan.rp_filter", "1")
        .sysctl("net.ipv4.conf.dmz.rp_filter", "0");
    all_sources(f, &|_| 2)
}

/// Strict for all, and then the routes change.
pub(crate) fn strict() -> Family {
    let mut f = Family::new("sources-strict");
    f.topology = f
        .topology
        .sysctl("net.ipv4.conf.all.rp_filter", "1")
        .sysctl("net.ipv4.conf.lan.rp_filter", "0");
    f = all_sources(f, &|_| 1);
    let far = || Ip::new(FAR_HOST, DMZ_HOST).udp(1, 2, b"asymmetric");
    f.wan("by the way that leads back", &far(), "dmz: udp");
    f.lan("by another way", &far(), "nothing");
    f.ip("route replace 10.9.0.0/16 via 10.1.0.11");
    f.wan("by the way that led back once", &far(), "nothing");
    f.lan("by the way that leads back now", &far(), "dmz: udp");
    f.ip("route append 10.9.0.0/16 via 192.0.2.9");
    f.wan("by a second choice", &far(), "nothing");
    f.ip("route replace 10.9.0.0/16 nexthop via 192.0.2.9 nexthop via 10.1.0.11");
    f.wan("by one next hop of two", &far(), "dmz: udp");
    f.lan("by the other", &far(), "dmz: udp");
    f.dmz("by none of them", &Ip::new(FAR_HOST, LAN_HOST).udp(1, 2, b""), "nothing");
    f.ip("route del 10.9.0.0/16");
    f.ip("route del 10.9.0.0/16");
    f.wan("by no way at all", &far(), "nothing");
    f.ip("route add default via 192.0.2.9");
    f.wan("by the default route", &far(), "dmz: udp");
    f.lan("against the default route", &far(), "nothing");
    f.ip("addr add 10.9.0.99/24 dev lan");
    f.lan("from a network that was added", &far(), "dmz: udp");
    f.wan("and no longer by the default route", &far(), "nothing");
    f.ip("addr del 10.9.0.99/24 dev lan");
    f.wan("until it was taken away", &far(), "dmz: udp");
    f
}

/// Own addresses as sources, loopback on the wire, and broadcasts that go on.
pub(crate) fn lenient() -> Family {
    let mut f = Family::new("sources-lenient");
    f.topology = f
        .topology
        .sysctl("net.ipv4.conf.lan.accept_local", "1")
        .sysctl("net.ipv4.conf.dmz.accept_local", "1")
        .sysctl("net.ipv4.conf.dmz.rp_filter", "1")
        .sysctl("net.ipv4.conf.lan.route_localnet", "1")
        .sysctl("net.ipv4.conf.all.bc_forwarding", "1")
        .sysctl("net.ipv4.conf.lan.bc_forwarding", "1")
        .sysctl("net.ipv4.conf.wan.10.forwarding", "0");
    let udp = |src, dst| Ip::new(src, dst).udp(1, 2, b"lenient");
    let ping = |src, dst| Ip::new(src, dst).echo(1, 1, b"lenient");
    for (name, own) in
        [("its lan", LAN), ("its second lan", LAN_SECOND), ("its dmz", DMZ), ("its wan", WAN)]
    {
        f.lan(format!("accept_local: from {name} address"), &udp(own, WAN_HOST), "wan: udp");
        f.wan(format!("no accept_local: from {name} address"), &udp(own, LAN_HOST), "nothing");
        let strict = if own == DMZ { "lan: udp" } else { "nothing" };
        f.dmz(format!("accept_local, strict: from {name} address"), &udp(own, LAN_HOST), strict);
        f.lan(format!("accept_local: ping from {name} address"), &ping(own, LAN), "nothing");
    }
    let loopback = Ipv4Addr::new(127, 0, 0, 1);
    f.lan("route_localnet: ping to 127.0.0.1", &ping(LAN_HOST, loopback), "lan: icmp 0/0");
    f.lan(
        "route_localnet: ping to 127.9.9.9",
        &ping(LAN_HOST, Ipv4Addr::new(127, 9, 9, 9)),
        "lan: icmp 0/0",
    );
    f.wan("no route_localnet: ping to 127.0.0.1", &ping(WAN_HOST, loopback), "nothing");
    f.lan("route_localnet: from 127.0.0.1", &udp(loopback, WAN_HOST), "wan: udp");
    f.wan("no route_localnet: from 127.0.0.1", &udp(loopback, LAN_HOST), "nothing");

    for (name, to, out) in [
        ("wan", [192, 0, 2, 255], "wan: udp"),
        ("dmz", [198, 51, 100, 255], "dmz: udp"),
        ("VLAN", [203, 0, 113, 255], "wan: vlan 10 udp"),
        ("lan", [10, 1, 0, 255], "lan: udp"),
    ] {
        let to = Ipv4Addr::from(to);
        f.lan(format!("bc_forwarding: to the {name}'s broadcast address"), &udp(LAN_HOST, to), out);
        f.lan(
            format!("bc_forwarding: to the {name}'s broadcast address with TTL 1"),
            &udp(LAN_HOST, to).ttl(1),
            "lan: icmp 11/0",
        );
        f.dmz(
            format!("no bc_forwarding: to the {name}'s broadcast address"),
            &udp(DMZ_HOST, to),
            "nothing",
        );
        let frame =
            ether(BROADCAST, crate::topology::mac_of(LAN_HOST), IPV4, &udp(LAN_HOST, to).bytes());
        f.add(
            format!("bc_forwarding: to the {name}'s broadcast address in a broadcast frame"),
            "lan",
            pad(frame, 60),
            "nothing",
        );
    }
    f.lan("bc_forwarding: to all", &udp(LAN_HOST, Ipv4Addr::BROADCAST), "nothing");

    let vlan = |packet: &Ip| tag(&from(VLAN10_HOST, WAN_MAC, packet), 10);
    f.add("no forwarding: in transit", "wan", vlan(&udp(VLAN10_HOST, LAN_HOST)), "nothing");
    f.add(
        "no forwarding: to the router",
        "wan",
        vlan(&ping(VLAN10_HOST, VLAN10)),
        "wan: vlan 10 icmp 0/0",
    );
    f.add(
        "no forwarding: to another address of the router",
        "wan",
        vlan(&ping(VLAN10_HOST, LAN)),
        "wan: vlan 10 icmp 0/0",
    );
    f.add("no forwarding: with TTL 1", "wan", vlan(&udp(VLAN10_HOST, LAN_HOST).ttl(1)), "nothing");
    f.add(
        "no forwarding: without a route",
        "wan",
        vlan(&udp(VLAN10_HOST, Ipv4Addr::new(172, 31, 0, 1))),
        "nothing",
    );
    f.lan(
        "to the interface that does not forward",
        &udp(LAN_HOST, VLAN10_HOST),
        "wan: vlan 10 udp",
    );
    f.lan("from a host on the wan by a route", &udp(ONLINK_HOST, WAN_HOST), "wan: udp");
    f
}
