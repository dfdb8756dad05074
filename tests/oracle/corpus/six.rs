//! The laboratory of IPv6, and how packets get into it.
//!
//! ```text
//!   lan     2001:db8:1::1/64, ::2/64   fe80::77:ff:fe00:1   hosts ::10, ::11
//!   wan     2001:db8:2::1/64           fe80::77:ff:fe00:2   gateway ::9, host ::10
//!   dmz     2001:db8:3::1/64, MTU 1400 fe80::77:ff:fe00:3   host ::10
//!   wan.10  2001:db8:4::1/64           fe80::77:ff:fe00:2   host ::10
//! ```

use std::net::Ipv6Addr;

use super::Family;
use crate::common::frame::{Mac, ether, filler, pad};
use crate::common::frame6::{IPV6, Ip6, group_mac};
use crate::topology::{DMZ_MAC, LAN_MAC, Topology, WAN_MAC, mac_of};

/// A neighbour's address on every link.
pub(crate) const fn link_local(host: u16) -> Ipv6Addr {
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, host)
}

/// A host in one of the laboratory's nets.
pub(crate) const fn host(net: u16, host: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, net, 0, 0, 0, 0, host)
}

pub(crate) const LAN6: Ipv6Addr = host(1, 1);
pub(crate) const LAN6_SECOND: Ipv6Addr = host(1, 2);
pub(crate) const WAN6: Ipv6Addr = host(2, 1);
pub(crate) const DMZ6: Ipv6Addr = host(3, 1);
pub(crate) const VLAN6: Ipv6Addr = host(4, 1);
pub(crate) const LAN6_HOST: Ipv6Addr = host(1, 0x10);
pub(crate) const LAN6_OTHER: Ipv6Addr = host(1, 0x11);
pub(crate) const WAN6_GATEWAY: Ipv6Addr = host(2, 9);
pub(crate) const WAN6_HOST: Ipv6Addr = host(2, 0x10);
pub(crate) const DMZ6_HOST: Ipv6Addr = host(3, 0x10);
pub(crate) const VLAN6_HOST: Ipv6Addr = host(4, 0x10);
/// Behind the wan gateway.
pub(crate) const FAR6: Ipv6Addr = host(9, 1);

/// The router's own link-local addresses, made from its Ethernet addresses.
pub(crate) const LAN6_LINK: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0x77, 0xff, 0xfe00, 1);
pub(crate) const WAN6_LINK: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0x77, 0xff, 0xfe00, 2);
/// A host's on the lan.
pub(crate) const LAN6_NEAR: Ipv6Addr = link_local(0x10);

pub(crate) const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
pub(crate) const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

impl Topology {
    /// The standard laboratory with IPv6 as well.
    pub(crate) fn six() -> Self {
        let mut topology = Self::standard();
        topology.six = true;
        for (port, addresses) in [
            ("lan", &["2001:db8:1::1/64", "2001:db8:1::2/64"][..]),
            ("wan", &["2001:db8:2::1/64"]),
            ("dmz", &["2001:db8:3::1/64"]),
            ("wan.10", &["2001:db8:4::1/64"]),
        ] {
            topology = topology.port(port, |port| port.addresses.extend(addresses));
        }
        for (address, port) in [
            (LAN6_HOST, "lan"),
            (LAN6_OTHER, "lan"),
            (WAN6_GATEWAY, "wan"),
            (WAN6_HOST, "wan"),
            (DMZ6_HOST, "dmz"),
            (VLAN6_HOST, "wan.10"),
            (host(0x50, 1), "wan"),
            (link_local(0x10), "lan"),
            (link_local(0x11), "lan"),
            (link_local(9), "wan"),
            (link_local(0x10), "wan"),
        ] {
            topology.neighbour(address, port);
        }
        topology
            .route("2001:db8:9::/48", &[("via", "2001:db8:2::9")])
            .route("2001:db8:9:1::/64", &[("via", "2001:db8:3::10")])
            .route("2001:db8:9:1:8000::/65", &[("via", "2001:db8:2::10")])
            .route("2001:db8:9:1:8000::1/128", &[("via", "2001:db8:4::10")])
            .special("unreachable", "2001:db8:20::/48")
            .route("2001:db8:20:1::/64", &[("via", "2001:db8:2::9")])
            .special("prohibit", "2001:db8:21::/48")
            .special("blackhole", "2001:db8:22::/48")
            .special("throw", "2001:db8:23::/48")
            .route("2001:db8:30::/48", &[("via", "2001:db8:2::9"), ("mtu", "1300")])
            .route("2001:db8:40::/48", &[("via", "2001:db8:2::9"), ("metric", "20")])
            .route("2001:db8:40::/48", &[("via", "2001:db8:3::10"), ("metric", "10")])
            .route("2001:db8:50::/48", &[("dev", "wan")])
            .route("2001:db8:60::/48", &[("via", "fe80::9"), ("dev", "wan")])
            .sysctl("net.ipv6.conf.default.accept_dad", "0")
            .sysctl("net.ipv6.conf.all.forwarding", "1")
            .sysctl("net.ipv6.icmp.ratelimit", "0")
    }
}

impl Family {
    pub(super) fn six(name: &'static str) -> Self {
        Self { topology: Topology::six(), ..Self::new(name) }
    }

    /// The same with another tunable.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.topology = self.topology.sysctl(name, value);
        self
    }

    /// Adds a packet from a lan host to the router's own address on the link layer, or to the group.
    pub(super) fn lan6(
        &mut self,
        name: impl Into<String>,
        packet: &Ip6,
        expect: impl Into<String>,
    ) {
        self.add(name, "lan", from6(LAN6_HOST, LAN_MAC, packet), expect);
    }

    /// The same from the wan host.
    pub(super) fn wan6(
        &mut self,
        name: impl Into<String>,
        packet: &Ip6,
        expect: impl Into<String>,
    ) {
        self.add(name, "wan", from6(WAN6_HOST, WAN_MAC, packet), expect);
    }

    /// The same from the dmz host.
    pub(super) fn dmz6(
        &mut self,
        name: impl Into<String>,
        packet: &Ip6,
        expect: impl Into<String>,
    ) {
        self.add(name, "dmz", from6(DMZ6_HOST, DMZ_MAC, packet), expect);
    }

    /// Adds several from the lan.
    pub(super) fn all_lan6(&mut self, about: &str, packets: &[(&str, Ip6, &str)]) {
        for (name, packet, expect) in packets {
            self.lan6(format!("{about}{name}"), packet, *expect);
        }
    }
}

/// A packet in a frame as a card sends it: from a host's Ethernet address, padded to 60 bytes.
pub(super) fn from6(host: Ipv6Addr, to: Mac, packet: &Ip6) -> Vec<u8> {
    let near = packet.src.segments()[..4] == host.segments()[..4];
    let near = near || packet.src.segments()[0] == 0xfe80;
    let to = if packet.dst.is_multicast() { group_mac(packet.dst) } else { to };
    framed(mac_of(if near { packet.src } else { host }), to, packet)
}

/// A packet in any frame.
pub(crate) fn framed(from: Mac, to: Mac, packet: &Ip6) -> Vec<u8> {
    pad(ether(to, from, IPV6, &packet.bytes()), 60)
}

/// A packet that the router has to pass on.
pub(super) fn through() -> Ip6 {
    Ip6::new(LAN6_HOST, WAN6_HOST).udp(1000, 33434, &filler(20))
}

/// A question that the router has to answer.
pub(crate) fn ping() -> Ip6 {
    Ip6::new(LAN6_HOST, LAN6).echo(1, 1, &filler(20))
}

/// An address in words.
pub(super) fn ip6(words: &str) -> Ipv6Addr {
    words.parse().expect("an address")
}
