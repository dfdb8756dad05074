//! VRFs of IPv6: equal prefixes apart, in the machine that knows them.
//!
//! ```text
//!   red  (table 10)   lan    2001:db8:1::1/64     wan     2001:db8:2::1/64     red itself   2001:db8:ff::1
//!   blue (table 20)   dmz    2001:db8:1::1/64     wan.20  2001:db8:2::1/64     blue itself  2001:db8:ff::1
//!   outside                                       wan.10  2001:db8:4::1/64
//! ```

use std::net::Ipv6Addr;

use super::Family;
use super::six::{
    ALL_NODES, FAR6, LAN6, LAN6_HOST, LAN6_NEAR, VLAN6, VLAN6_HOST, WAN6, WAN6_HOST, host, ip6,
    link_local,
};
use crate::common::frame::{Mac, ether, filler, pad, tag};
use crate::common::frame6::{IPV6, Ip6, group_mac, solicited};
use crate::topology::{DMZ_MAC, LAN_MAC, Route, Topology, WAN_MAC, mac_of};

/// The address of each VRF itself.
const LOOP: Ipv6Addr = host(0xff, 1);

/// Where a packet comes from: the port, the VLAN, the router there, and who sends there.
type Place = (&'static str, Option<u16>, Mac, Ipv6Addr);
const RED_LAN: Place = ("lan", None, LAN_MAC, LAN6_HOST);
const RED_WAN: Place = ("wan", None, WAN_MAC, WAN6_HOST);
const BLUE_DMZ: Place = ("dmz", None, DMZ_MAC, LAN6_HOST);
const BLUE_WAN: Place = ("wan", Some(20), WAN_MAC, WAN6_HOST);
const OUTSIDE: Place = ("wan", Some(10), WAN_MAC, VLAN6_HOST);

fn topology() -> Topology {
    let mut topology = super::vrf::topology(None);
    topology.six = true;
    for (name, address) in [
        ("lan", "2001:db8:1::1/64"),
        ("wan", "2001:db8:2::1/64"),
        ("dmz", "2001:db8:1::1/64"),
        ("wan.20", "2001:db8:2::1/64"),
        ("wan.10", "2001:db8:4::1/64"),
    ] {
        topology = topology.port(name, |port| port.addresses.push(address));
    }
    for vrf in &mut topology.vrfs {
        vrf.addresses.push("2001:db8:ff::1/128");
    }
    for (port, hosts) in [
        ("lan", vec![LAN6_HOST, LAN6_NEAR]),
        ("dmz", vec![LAN6_HOST, LAN6_NEAR]),
        ("wan", vec![WAN6_HOST, host(2, 9), link_local(9)]),
        ("wan.20", vec![WAN6_HOST, host(2, 9), link_local(9)]),
        ("wan.10", vec![VLAN6_HOST]),
    ] {
        for host in hosts {
            topology.neighbour(host, port);
        }
    }
    let route = |to, words: &[(&'static str, &'static str)]| Route {
        kind: None,
        to,
        words: words.to_vec(),
    };
    let nowhere =
        |to, table| Route { kind: Some("unreachable"), to, words: vec![("table", table)] };
    topology.routes.extend([
        route("2001:db8:9::/48", &[("via", "2001:db8:2::9"), ("dev", "wan"), ("table", "10")]),
        route("2001:db8:9::/48", &[("via", "fe80::9"), ("dev", "wan.20"), ("table", "20")]),
        route("2001:db8:20::/48", &[("via", "2001:db8:2::10"), ("dev", "wan.20"), ("table", "20")]),
        nowhere("2001:db8:20::/48", "10"),
        nowhere("::/0", "20"),
        route("2001:db8:30::/48", &[("via", "2001:db8:4::10")]),
    ]);
    topology
        .sysctl("net.ipv6.conf.default.accept_dad", "0")
        .sysctl("net.ipv6.conf.all.forwarding", "1")
        .sysctl("net.ipv6.icmp.ratelimit", "0")
        // Who is not there is asked for once: a question a second later would be another frame's.
        .sysctl("net.ipv6.neigh.default.mcast_solicit", "1")
        .sysctl("net.ipv6.neigh.wan.mcast_solicit", "1")
}

impl Family {
    /// Adds a packet that comes from a place.
    fn at6(&mut self, name: impl Into<String>, place: Place, packet: &Ip6) {
        let (port, vlan, router, host) = place;
        let near = packet.src.segments()[..4] == host.segments()[..4]
            || packet.src.segments()[0] == 0xfe80;
        let sender = if near { packet.src } else { host };
        let to = if packet.dst.is_multicast() { group_mac(packet.dst) } else { router };
        let frame = pad(ether(to, mac_of(sender), IPV6, &packet.bytes()), 60);
        let frame = vlan.map_or(frame.clone(), |vid| tag(&frame, vid));
        self.add(name, port, frame, "?");
    }
}

pub(crate) fn family() -> Family {
    let mut f = Family { topology: topology(), ..Family::six("six-vrf") };
    for (who, place) in [
        ("red lan", RED_LAN),
        ("red wan", RED_WAN),
        ("blue dmz", BLUE_DMZ),
        ("blue wan", BLUE_WAN),
        ("outside", OUTSIDE),
    ] {
        let h = place.3;
        for (name, dst) in [
            ("a lan host", LAN6_HOST),
            ("a wan host", WAN6_HOST),
            ("far", FAR6),
            ("a net of blue alone", ip6("2001:db8:20::1")),
            ("a net outside", ip6("2001:db8:30::1")),
            ("a host outside", VLAN6_HOST),
            ("no way", ip6("2001:db8:99::1")),
            ("the lan address", LAN6),
            ("the wan address", WAN6),
            ("the VRF itself", LOOP),
            ("the address outside", VLAN6),
            (
                "its link-local address",
                match place.0 {
                    "lan" => ip6("fe80::77:ff:fe00:1"),
                    "wan" => ip6("fe80::77:ff:fe00:2"),
                    _ => ip6("fe80::77:ff:fe00:3"),
                },
            ),
            ("all nodes", ALL_NODES),
            ("the anycast address", ip6("2001:db8:1::")),
        ] {
            if dst == h {
                continue;
            }
            f.at6(format!("{who} to {name}"), place, &Ip6::new(h, dst).udp(1, 33434, &filler(20)));
            f.at6(
                format!("{who} to {name}, lost"),
                place,
                &Ip6::new(h, dst).udp(1, 33434, &filler(20)).hops(1),
            );
            f.at6(
                format!("{who} to {name}, echo"),
                place,
                &Ip6::new(h, dst).echo(1, 1, &filler(20)),
            );
            f.at6(
                format!("{who} to {name}, tcp"),
                place,
                &Ip6::new(h, dst).tcp((1, 2), 3, 0, 2, b""),
            );
        }
        for (name, target) in [("lan", LAN6), ("wan", WAN6), ("VRF", LOOP), ("outside", VLAN6)] {
            let ask = Ip6::new(h, solicited(target)).solicit(target, &[]);
            f.at6(format!("{who} asks for the {name} address"), place, &ask);
        }
        f.at6(format!("{who}: from the lan address"), place, &Ip6::new(LAN6, FAR6).udp(1, 2, b"x"));
        f.at6(
            format!("{who}: from a link-local host"),
            place,
            &Ip6::new(link_local(0x10), FAR6).udp(1, 2, b"x"),
        );
    }
    f
}
