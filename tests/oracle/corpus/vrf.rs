//! VRFs: equal prefixes and addresses apart, and what leads from one to another.
//!
//! ```text
//!   red  (table 10)   lan    10.1.0.1/24     wan     192.0.2.1/24     red itself   10.255.0.1/32
//!   blue (table 20)   dmz    10.1.0.1/24     wan.20  192.0.2.1/24     blue itself  10.255.0.1/32
//!   outside                                  wan.10  203.0.113.1/24
//! ```

use std::net::Ipv4Addr;
use std::time::Duration;

use super::Family;
use crate::common::frame::{ARP, Arp, BROADCAST, DF, IPV4, Ip, Mac, ether, filler, pad, tag};
use crate::topology::{
    DMZ_MAC, LAN, LAN_HOST, LAN_MAC, LAN_OTHER, Port, Route, Topology, VLAN10, VLAN10_HOST, Vrf,
    WAN, WAN_GATEWAY, WAN_HOST, WAN_MAC, mac_of,
};

/// Behind the gateway of either VRF.
const FAR: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
/// The address of each VRF itself.
const LOOP: Ipv4Addr = Ipv4Addr::new(10, 255, 0, 1);
/// Where a packet comes from: the port, the VLAN, and who sends there when the source is elsewhere.
type Place = (&'static str, Option<u16>, Mac, Ipv4Addr);
const RED_LAN: Place = ("lan", None, LAN_MAC, LAN_HOST);
const RED_WAN: Place = ("wan", None, WAN_MAC, WAN_HOST);
const BLUE_DMZ: Place = ("dmz", None, DMZ_MAC, LAN_HOST);
const BLUE_WAN: Place = ("wan", Some(20), WAN_MAC, WAN_HOST);
const OUTSIDE: Place = ("wan", Some(10), WAN_MAC, VLAN10_HOST);

pub(super) fn topology(outside: Option<&'static str>) -> Topology {
    let port = |name, mac, mtu, address, vlan, vrf| Port {
        name,
        mac,
        mtu,
        addresses: vec![address],
        vlan,
        group: 0,
        vrf,
    };
    let (red, blue) = (Some("red"), Some("blue"));
    let mut topology = Topology::standard();
    topology.ports = vec![
        port("lan", LAN_MAC, 1500, "10.1.0.1/24", None, red),
        port("wan", WAN_MAC, 1500, "192.0.2.1/24", None, red),
        port("dmz", DMZ_MAC, 1400, "10.1.0.1/24", None, blue),
        port("wan.20", WAN_MAC, 1500, "192.0.2.1/24", Some(("wan", 20)), blue),
        port("wan.10", WAN_MAC, 1500, "203.0.113.1/24", Some(("wan", 10)), outside),
    ];
    let vrf = |name, table, addresses: &[&'static str]| Vrf {
        name,
        table,
        addresses: addresses.to_vec(),
    };
    topology.vrfs = vec![vrf("red", 10, &["10.255.0.1/32"]), vrf("blue", 20, &["10.255.0.1/32"])];
    topology.vrfs.extend(outside.map(|name| vrf(name, 30, &[])));
    topology.neighbours.clear();
    let lan_hosts = [10, 11, 251].into_iter().chain(100..140);
    for (port, net, hosts) in [
        ("lan", [10, 1, 0], lan_hosts.clone().collect::<Vec<_>>()),
        ("dmz", [10, 1, 0], lan_hosts.collect()),
        ("wan", [192, 0, 2], vec![9, 10, 251]),
        ("wan.20", [192, 0, 2], vec![9, 10, 251]),
        ("wan.10", [203, 0, 113], vec![10, 11, 251]),
    ] {
        for host in hosts {
            let address = Ipv4Addr::new(net[0], net[1], net[2], host);
            topology.neighbour(address, port);
        }
    }
    topology.routes.clear();
    // What the standard laboratory switches off is on here.
    topology
        .sysctl("net.ipv4.conf.all.send_redirects", "1")
        .sysctl("net.ipv4.conf.default.send_redirects", "1")
        .within("10", "10.9.0.0/16", &[("via", "192.0.2.9"), ("dev", "wan")])
        .within("20", "10.9.0.0/16", &[("via", "192.0.2.9"), ("dev", "wan.20")])
        .within("20", "10.20.0.0/16", &[("via", "192.0.2.10"), ("dev", "wan.20")])
        .nowhere("10", "10.20.0.0/16")
        .nowhere("20", "0.0.0.0/0")
        .route("10.30.0.0/16", &[("via", "203.0.113.10")])
        .route("10.9.0.0/16", &[("via", "203.0.113.10")])
}

impl Topology {
    /// Adds a route to a table.
    fn within(
        self,
        table: &'static str,
        to: &'static str,
        words: &[(&'static str, &'static str)],
    ) -> Self {
        let mut all = words.to_vec();
        all.push(("table", table));
        self.route(to, &all)
    }

    /// Adds an unreachable route to a table.
    fn nowhere(mut self, table: &'static str, to: &'static str) -> Self {
        self.routes.push(Route { kind: Some("unreachable"), to, words: vec![("table", table)] });
        self
    }
}

impl Family {
    fn of_vrfs(name: &'static str, outside: Option<&'static str>) -> Self {
        Self { topology: topology(outside), ..Self::new(name) }
    }

    /// Adds a packet that comes from a place.
    fn at(&mut self, name: impl Into<String>, place: Place, packet: &Ip, expect: &str) {
        let (port, vlan, router, host) = place;
        let on_link = packet.src.octets()[..3] == host.octets()[..3];
        let sender = if on_link { packet.src } else { host };
        let frame = pad(ether(router, mac_of(sender), IPV4, &packet.bytes()), 60);
        let frame = vlan.map_or(frame.clone(), |vid| tag(&frame, vid));
        self.add(name, port, frame, expect);
    }

    /// Asks at a place who has an address.
    fn who_has(&mut self, name: impl Into<String>, place: Place, target: Ipv4Addr, expect: &str) {
        let (port, vlan, _, host) = place;
        let ask = Arp::request(mac_of(host), host, target);
        let frame = pad(ether(BROADCAST, mac_of(host), ARP, &ask.bytes()), 60);
        let frame = vlan.map_or(frame.clone(), |vid| tag(&frame, vid));
        self.add(name, port, frame, expect);
    }
}

fn udp(src: Ipv4Addr, dst: Ipv4Addr) -> Ip {
    Ip::new(src, dst).udp(1000, 33434, &filler(20))
}

fn ping(src: Ipv4Addr, dst: Ipv4Addr) -> Ip {
    Ip::new(src, dst).echo(1, 1, &filler(20))
}

fn ip(octets: [u8; 4]) -> Ipv4Addr {
    octets.into()
}

pub(crate) fn family() -> Family {
    let mut f = Family::of_vrfs("vrf", None);
    let h = LAN_HOST;
    apart(&mut f);

    // Outside of the VRF's table: the local table is asked before it, the main table after it.
    f.at("red pings the address outside", RED_LAN, &ping(h, VLAN10), "lan: icmp 0/0");
    f.at("blue pings the address outside", BLUE_DMZ, &ping(h, VLAN10), "dmz: icmp 0/0");
    f.at("red: on to the link outside", RED_LAN, &udp(h, VLAN10_HOST), "wan: vlan 10 udp");
    f.at("blue: its last route keeps it in", BLUE_DMZ, &udp(h, VLAN10_HOST), "dmz: icmp 3/1");
    let main = ip([10, 30, 0, 1]);
    f.at("red: on by the main table", RED_LAN, &udp(h, main), "wan: vlan 10 udp");
    f.at("red: on by the main table, TTL 1", RED_LAN, &udp(h, main).ttl(1), "lan: icmp 11/0");
    f.at("outside: back to red needs a way", OUTSIDE, &udp(main, h), "wan: vlan 10 icmp 3/0");
    let back = Ip::new(VLAN10_HOST, VLAN10).echo(1, 1, &filler(20));
    f.at("outside: ping", OUTSIDE, &back, "wan: vlan 10 icmp 0/0");
    f.at("outside: the VRF's address", OUTSIDE, &ping(VLAN10_HOST, LOOP), "wan: vlan 10 icmp 3/0");
    f.at("outside: far", OUTSIDE, &udp(VLAN10_HOST, FAR), "wan: vlan 10 icmp 5/1, vlan 10 udp");

    leaks(&mut f);
    rules(&mut f);
    moves(&mut f);
    f
}

/// Each VRF by itself.
fn apart(f: &mut Family) {
    let h = LAN_HOST;
    for (vrf, near, far, lan, wan) in [
        ("red", RED_LAN, RED_WAN, "lan", "wan:"),
        ("blue", BLUE_DMZ, BLUE_WAN, "dmz", "wan: vlan 20"),
    ] {
        let name = |what: &str| format!("{vrf}: {what}");
        let to_lan = |what: &str| format!("{lan}: {what}");
        let to_wan = |what: &str| format!("{wan} {what}");
        let more = wan.trim_start_matches("wan:");
        let redirected = format!("{}, {}", to_wan("icmp 5/1"), format!("{more} udp").trim_start());
        f.at(name("forward"), near, &udp(h, WAN_HOST), &to_wan("udp"));
        f.at(name("forward by a gateway"), near, &udp(h, FAR), &to_wan("udp"));
        f.at(name("and back"), far, &udp(FAR, h), &to_lan("udp"));
        f.at(name("ping the router"), near, &ping(h, LAN), &to_lan("icmp 0/0"));
        f.at(name("ping its other address"), near, &ping(h, WAN), &to_lan("icmp 0/0"));
        f.at(name("ping the VRF itself"), near, &ping(h, LOOP), &to_lan("icmp 0/0"));
        f.at(name("ping from far"), far, &ping(FAR, LOOP), &to_wan("icmp 0/0"));
        f.at(name("TTL 1"), near, &udp(h, WAN_HOST).ttl(1), &to_lan("icmp 11/0"));
        f.at(name("TTL 1 from far"), far, &udp(FAR, h).ttl(1), &to_wan("icmp 11/0"));
        f.at(name("UDP to a closed port"), near, &udp(h, LAN), &to_lan("icmp 3/3"));
        f.at(name("UDP to a closed port of the VRF"), near, &udp(h, LOOP), &to_lan("icmp 3/3"));
        let syn = Ip::new(h, WAN).tcp((40_000, 81), 1, 0, 2, b"");
        f.at(name("TCP to a closed port"), near, &syn, &to_lan("tcp RA"));
        let strange = Ip::new(h, LAN).raw(253, &filler(20));
        f.at(name("protocol of no kind"), near, &strange, &to_lan("icmp 3/2"));
        f.at(name("ping the broadcast address"), near, &ping(h, ip([10, 1, 0, 255])), "nothing");
        f.at(name("ping everybody"), near, &ping(h, Ipv4Addr::BROADCAST), "nothing");
        f.at(name("from the router's own address"), near, &udp(WAN, FAR), "nothing");
        f.at(name("from the VRF's own address"), near, &udp(LOOP, FAR), "nothing");
        f.at(name("from the address outside"), near, &udp(VLAN10, FAR), "nothing");
        f.at(name("from the broadcast address"), near, &udp(ip([10, 1, 0, 255]), FAR), "nothing");
        f.at(name("redirect"), far, &udp(WAN_HOST, FAR), &redirected);
        f.who_has(name("who has the router"), near, LAN, &to_lan("arp reply 10.1.0.1"));
        f.who_has(name("who has its other address"), near, WAN, &to_lan("arp reply 192.0.2.1"));
        f.who_has(name("who has the VRF"), near, LOOP, &to_lan("arp reply 10.255.0.1"));
        f.who_has(
            name("who has the address outside"),
            near,
            VLAN10,
            &to_lan("arp reply 203.0.113.1"),
        );
        f.who_has(name("who has a host of the other link"), near, WAN_HOST, "nothing");
        f.who_has(
            name("who has the router, at the other end"),
            far,
            WAN,
            &to_wan("arp reply 192.0.2.1"),
        );
        let asks = "arp who-has 192.0.2.77 tell 192.0.2.1";
        // Nobody is known there: the VRF asks on its own link, in its own name.
        let unknown = ip([192, 0, 2, 77]);
        f.at(
            name("to a neighbour to be asked for"),
            near,
            &udp(h, unknown),
            &format!("{}; wan:{}", to_lan("icmp 3/1"), vec![format!("{more} {asks}"); 3].join(",")),
        );
        f.settle(Duration::from_millis(3400));
    }
    f.who_has("outside: who has the router", OUTSIDE, VLAN10, "wan: vlan 10 arp reply 203.0.113.1");
    f.who_has("outside: who has an address of the VRFs", OUTSIDE, WAN, "nothing");
    f.who_has("outside: who has the VRFs", OUTSIDE, LOOP, "nothing");
    let long = Ip::new(WAN_HOST, h).flags(DF).udp(1, 2, &filler(1472));
    f.at("red: the lan is wide", RED_WAN, &long, "lan: udp");
    f.at("blue: the dmz is narrow", BLUE_WAN, &long, "wan: vlan 20 icmp 3/4 mtu 1400");
    let unreachable = ip([10, 20, 0, 1]);
    f.at("red: unreachable", RED_LAN, &udp(h, unreachable), "lan: icmp 3/1");
    f.at("blue: the same network", BLUE_DMZ, &udp(h, unreachable), "wan: vlan 20 udp");
    let no_route = ip([172, 16, 0, 1]);
    f.at("red: no route", RED_LAN, &udp(LAN_OTHER, no_route), "lan: icmp 3/0");
    f.at("blue: no route", BLUE_DMZ, &udp(LAN_OTHER, no_route), "dmz: icmp 3/1");
}

/// From one VRF to another on purpose.
fn leaks(f: &mut Family) {
    let h = LAN_HOST;
    f.ip("route add 10.60.0.0/16 via 192.0.2.10 dev wan.20 table 10");
    let there = ip([10, 60, 0, 1]);
    f.at("leak by a device of blue", RED_LAN, &udp(h, there), "wan: vlan 20 udp");
    f.at("leak by a device of blue: TTL 1", RED_LAN, &udp(h, there).ttl(1), "lan: icmp 11/0");
    f.at("leak: blue has no such route", BLUE_DMZ, &udp(h, there), "dmz: icmp 3/1");
    f.at("leak: what comes back stays in blue", BLUE_WAN, &udp(there, h), "dmz: udp");

    f.ip("route add 10.61.0.0/16 dev blue table 10");
    f.ip("route add 10.61.0.0/16 via 192.0.2.9 dev wan.20 table 20");
    let there = ip([10, 61, 0, 1]);
    f.at("leak into blue", RED_LAN, &udp(h, there), "wan: vlan 20 udp");
    f.at("leak into blue: TTL 2", RED_LAN, &udp(h, there).ttl(2), "wan: vlan 20 udp");
    f.at("leak into blue: TTL 1", RED_LAN, &udp(h, there).ttl(1), "lan: icmp 11/0");
    f.ip("route change 10.61.0.0/16 via 192.0.2.10 dev wan.20 table 20");
    f.at("leak into blue, by another gateway", RED_LAN, &udp(h, there), "wan: vlan 20 udp");
    f.ip("route del 10.61.0.0/16 table 20");
    f.at("leak into blue, where there is no route", RED_LAN, &udp(LAN_OTHER, there), "nothing");

    f.ip("route add 10.1.0.0/24 dev red");
    f.at("into red from outside", OUTSIDE, &udp(VLAN10_HOST, h), "lan: udp");
    f.at("and back to the outside", RED_LAN, &udp(h, VLAN10_HOST), "wan: vlan 10 udp");
    f.at(
        "into red from outside: the router",
        OUTSIDE,
        &ping(VLAN10_HOST, LAN),
        "wan: vlan 10 icmp 0/0",
    );
    f.at(
        "into red from outside: TTL 1",
        OUTSIDE,
        &udp(VLAN10_HOST, h).ttl(1),
        "wan: vlan 10 icmp 11/0",
    );
    f.ip("route del 10.1.0.0/24 dev red");
    f.at("into red no more", OUTSIDE, &udp(ip([203, 0, 113, 11]), h), "wan: vlan 10 icmp 3/0");
}

/// Rules before and behind that of the VRFs.
fn rules(f: &mut Family) {
    let (h, other) = (LAN_HOST, ip([10, 31, 0, 1]));
    f.ip("rule add pref 500 to 10.9.0.0/16 table 20");
    f.at("a rule before the VRFs'", RED_LAN, &udp(h, FAR), "wan: vlan 20 udp");
    f.ip("rule del pref 500");
    f.at("the rule is gone", RED_LAN, &udp(h, FAR), "wan: udp");
    f.ip("rule add pref 1500 to 10.0.0.0/8 prohibit");
    f.at("a rule behind the VRFs': found before", RED_LAN, &udp(h, FAR), "wan: udp");
    f.at("a rule behind the VRFs'", RED_LAN, &udp(ip([10, 1, 0, 101]), other), "lan: icmp 3/13");
    f.ip("rule del pref 1500");
    f.ip("rule add pref 400 iif red to 10.9.0.0/16 unreachable");
    let sender = ip([10, 1, 0, 102]);
    f.at("a rule for what comes in by red", RED_LAN, &udp(sender, FAR), "wan: udp");
    f.at("and not for blue", BLUE_DMZ, &udp(sender, FAR), "wan: vlan 20 udp");
    f.ip("rule del pref 400");
    f.ip("rule add pref 400 iif lan to 10.9.0.0/16 unreachable");
    f.at("a rule for what comes in by the lan", RED_LAN, &udp(sender, FAR), "lan: icmp 3/0");
    f.ip("rule del pref 400");
    // As `ip-vrf(8)` advises: the addresses outside are then out of reach.
    f.ip("rule add pref 32765 table local");
    f.ip("rule del pref 0");
    f.at("local table last: red", RED_LAN, &ping(ip([10, 1, 0, 103]), VLAN10), "lan: icmp 0/0");
    f.at("local table last: blue", BLUE_DMZ, &ping(ip([10, 1, 0, 103]), VLAN10), "dmz: icmp 3/1");
    f.at("local table last: own", RED_LAN, &ping(h, LAN), "lan: icmp 0/0");
    f.ip("rule add pref 0 table local");
    f.ip("rule del pref 32765");
    f.at("local table first again", BLUE_DMZ, &ping(h, VLAN10), "dmz: icmp 0/0");
}

/// An interface goes from VRF to VRF, and a VRF goes.
fn moves(f: &mut Family) {
    let h = LAN_HOST;
    let crowd = |last| ip([10, 1, 0, last]);
    let learn = |f: &mut Family| {
        let mac = crate::topology::colons(mac_of(VLAN10_HOST));
        f.ip(format!("neigh replace {VLAN10_HOST} lladdr {mac} nud permanent dev wan.10"));
    };
    f.ip("link set wan.10 master red");
    learn(f);
    f.at("wan.10 in red", RED_LAN, &udp(h, VLAN10_HOST), "wan: vlan 10 udp");
    f.at("wan.10 in red, and back", OUTSIDE, &udp(VLAN10_HOST, h), "lan: udp");
    f.at("wan.10 in red: its address", RED_LAN, &ping(h, VLAN10), "lan: icmp 0/0");
    f.at("wan.10 in red: the VRF's", OUTSIDE, &ping(VLAN10_HOST, LOOP), "wan: vlan 10 icmp 0/0");
    f.at("wan.10 in red: not for blue", BLUE_DMZ, &ping(crowd(104), VLAN10), "dmz: icmp 3/1");
    f.at(
        "wan.10 in red: the main table is empty",
        RED_LAN,
        &udp(crowd(104), ip([10, 30, 0, 1])),
        "lan: icmp 3/0",
    );
    f.who_has("wan.10 in red: not asked for in blue", BLUE_DMZ, VLAN10, "nothing");
    f.ip("link set wan.10 master blue");
    learn(f);
    f.at("wan.10 in blue", BLUE_DMZ, &udp(h, VLAN10_HOST), "wan: vlan 10 udp");
    f.at("wan.10 in blue: its address", BLUE_DMZ, &ping(h, VLAN10), "dmz: icmp 0/0");
    f.at("wan.10 in blue, and back", OUTSIDE, &udp(VLAN10_HOST, h), "dmz: udp");
    f.at("wan.10 in blue: not for red", RED_LAN, &ping(crowd(105), VLAN10), "lan: icmp 3/0");
    f.ip("link set wan.10 nomaster");
    learn(f);
    f.at("wan.10 outside again", OUTSIDE, &ping(VLAN10_HOST, VLAN10), "wan: vlan 10 icmp 0/0");
    f.at("wan.10 outside again: red", RED_LAN, &udp(h, VLAN10_HOST), "wan: vlan 10 udp");
    f.at("wan.10 outside again: blue", BLUE_DMZ, &udp(crowd(106), VLAN10_HOST), "dmz: icmp 3/1");

    f.ip("link del red");
    for (address, dev) in [(LAN_HOST, "lan"), (WAN_HOST, "wan"), (WAN_GATEWAY, "wan")] {
        let mac = crate::topology::colons(mac_of(address));
        f.ip(format!("neigh replace {address} lladdr {mac} nud permanent dev {dev}"));
    }
    for (address, dev) in [("10.1.0.251", "lan"), ("192.0.2.251", "wan")] {
        let mac = crate::topology::colons(mac_of(address.parse::<Ipv4Addr>().expect("an address")));
        f.ip(format!("neigh replace {address} lladdr {mac} nud permanent dev {dev}"));
    }
    f.at("red is gone: forward", RED_LAN, &udp(h, WAN_HOST), "wan: udp");
    f.at("red is gone: its routes as well", RED_LAN, &udp(h, FAR), "lan: icmp 3/0");
    f.at("red is gone: ping", RED_LAN, &ping(h, WAN), "lan: icmp 0/0");
    f.at("red is gone: outside reaches the lan", OUTSIDE, &udp(VLAN10_HOST, h), "lan: udp");
    // The port went down and up as it left, its VLANs with it, and a route by one of them is gone.
    f.at("red is gone: blue has a route less", BLUE_DMZ, &udp(h, FAR), "dmz: icmp 3/1");
}

/// What holds for a packet is what holds for the link that it came in by, not for its VRF.
pub(crate) fn tunables() -> Family {
    let mut f = Family::of_vrfs("vrf-tunables", Some("green"));
    let topology = std::mem::replace(&mut f.topology, Topology::standard());
    f.topology = topology
        .sysctl("net.ipv4.conf.red.rp_filter", "0")
        .sysctl("net.ipv4.conf.lan.rp_filter", "1")
        .sysctl("net.ipv4.conf.blue.rp_filter", "1")
        .sysctl("net.ipv4.conf.dmz.rp_filter", "2")
        .sysctl("net.ipv4.conf.wan.20.rp_filter", "0")
        .sysctl("net.ipv4.conf.red.forwarding", "1")
        .sysctl("net.ipv4.conf.wan.forwarding", "0")
        .sysctl("net.ipv4.conf.green.forwarding", "0")
        .sysctl("net.ipv4.conf.green.send_redirects", "0");
    f.topology.routes.retain(|route| route.words.iter().any(|(word, _)| *word == "table"));
    f.topology = f
        .topology
        .within("30", "10.9.0.0/16", &[("via", "203.0.113.11"), ("dev", "wan.10")])
        .route("172.17.0.0/16", &[("via", "203.0.113.10"), ("dev", "wan.10")]);
    let h = LAN_HOST;
    let nobody = ip([172, 16, 5, 5]);
    f.at("strict: from its own link", RED_LAN, &udp(h, FAR), "wan: udp");
    f.at("strict: from another link of the VRF", RED_LAN, &udp(WAN_HOST, h), "nothing");
    f.at("strict: from far, on another link", RED_LAN, &udp(ip([10, 9, 7, 7]), FAR), "nothing");
    f.at("strict: from nowhere", RED_LAN, &udp(nobody, FAR), "nothing");
    f.at("strict: from unreachable", RED_LAN, &udp(ip([10, 20, 0, 1]), FAR), "nothing");
    f.at("strict: by the main table", RED_LAN, &udp(ip([172, 17, 0, 1]), FAR), "nothing");
    f.at("strict: ping from its own link", RED_LAN, &ping(h, WAN), "lan: icmp 0/0");
    f.at("strict: ping from another link", RED_LAN, &ping(WAN_HOST, LAN), "nothing");
    f.at("strict: ping from nowhere", RED_LAN, &ping(nobody, LAN), "nothing");
    f.at("loose: from its own link", BLUE_DMZ, &udp(h, FAR), "wan: vlan 20 udp");
    f.at("loose: from another link of the VRF", BLUE_DMZ, &udp(WAN_HOST, h), "dmz: udp");
    f.at("loose: from unreachable", BLUE_DMZ, &udp(nobody, FAR), "nothing");
    f.at("loose: ping from another link", BLUE_DMZ, &ping(WAN_HOST, LAN), "wan: vlan 20 icmp 0/0");
    f.at("off: from the other link", BLUE_WAN, &udp(LAN_OTHER, h), "dmz: udp");
    f.at("off: from unreachable", BLUE_WAN, &udp(nobody, h), "dmz: udp");
    f.at("the VRF forwards, the link does not", RED_WAN, &udp(WAN_HOST, h), "nothing");
    f.at("but answers", RED_WAN, &ping(WAN_HOST, WAN), "wan: icmp 0/0");
    let (host, far) = (VLAN10_HOST, FAR);
    f.at(
        "the link forwards and redirects, the VRF does neither",
        OUTSIDE,
        &udp(host, far),
        "wan: vlan 10 icmp 5/1, vlan 10 udp",
    );
    f.at("and the VRF answers", OUTSIDE, &ping(host, VLAN10), "wan: vlan 10 icmp 0/0");
    f
}
