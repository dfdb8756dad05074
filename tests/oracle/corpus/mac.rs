//! Links that get another Ethernet address, and links on which nobody is asked: [1.15], [7.87], [7.88],
//! [7.99].

use std::net::Ipv4Addr;

use super::Family;
use super::six::{DMZ6_HOST, LAN6_HOST, VLAN6_HOST, WAN6_HOST};
use crate::common::frame::{ARP, Arp, IPV4, Ip, Mac, ether, pad, tag};
use crate::common::frame6::Ip6;
use crate::topology::{
    DMZ, DMZ_HOST, DMZ_MAC, LAN_HOST, VLAN10, VLAN10_HOST, WAN_MAC, colons, mac_of,
};

const OTHER: Mac = [2, 0, 0, 0, 0x0d, 1];

fn arp(to: Mac, from: Mac, arp: &Arp) -> Vec<u8> {
    pad(ether(to, from, ARP, &arp.bytes()), 60)
}

fn to_dmz() -> Ip {
    Ip::new(LAN_HOST, DMZ_HOST).udp(1, 2, b"x")
}

fn asked() -> String {
    format!("dmz: arp who-has {DMZ_HOST} tell {DMZ}")
}

impl Family {
    /// The host of the dmz answers for itself, and what has waited goes to it.
    fn dmz_answers(&mut self, name: &str, router: Mac, expect: &str) {
        let reply = Arp::reply(mac_of(DMZ_HOST), DMZ_HOST, router, DMZ);
        self.add(name, "dmz", arp(router, mac_of(DMZ_HOST), &reply), expect);
    }

    fn dmz_sends(&mut self, name: &str, router: Mac, expect: &str) {
        let packet = Ip::new(DMZ_HOST, LAN_HOST).udp(1, 2, b"x");
        let frame = pad(ether(router, mac_of(DMZ_HOST), IPV4, &packet.bytes()), 60);
        self.add(name, "dmz", frame, expect);
    }
}

/// Another address: what was known is forgotten, frames come and go with the new one, and who wants to
/// be told is.
pub(crate) fn changed() -> Family {
    let mut f = Family::new("link-address");
    f.topology = f.topology.sysctl("net.ipv4.conf.lan.arp_notify", "1");
    let permanent = Ipv4Addr::new(198, 51, 100, 77);
    f.ip(format!("neigh replace {permanent} lladdr {} dev dmz", colons(mac_of(permanent))));
    f.ip(format!("neigh replace {DMZ_HOST} lladdr {} dev dmz", colons(mac_of(DMZ_HOST))));
    f.lan("before", &to_dmz(), "dmz: udp");
    f.ip(format!("link set dmz address {}", colons(OTHER)));
    f.ip_says(format!("neigh show {permanent} nud all"), "done");
    f.ip_says(format!("neigh show {DMZ_HOST} nud all"), "done");
    f.lan("after", &to_dmz(), asked());
    f.dmz_answers("to the new address", OTHER, "dmz: udp");
    f.lan("and again", &to_dmz(), "dmz: udp");
    f.dmz_sends("from the dmz to the old address", DMZ_MAC, "nothing");
    f.dmz_sends("from the dmz to the new address", OTHER, "lan: udp");
    f.add(
        "who has the router's address",
        "dmz",
        arp([0xff; 6], mac_of(DMZ_HOST), &Arp::request(mac_of(DMZ_HOST), DMZ_HOST, DMZ)),
        format!("dmz: arp reply {DMZ}"),
    );
    f.ip_says("link set dmz address 01:00:00:00:00:01", "says Cannot assign requested address");
    f.ip_says("link set dmz address 00:00:00:00:00:00", "says Cannot assign requested address");
    // The same again is a change as well.
    f.ip(format!("link set dmz address {}", colons(OTHER)));
    f.lan("the same address", &to_dmz(), asked());
    f.dmz_answers("that is answered", OTHER, "dmz: udp");
    f.ip_says(
        "link set lan address 02:00:00:00:0a:01",
        "done; lan: arp who-has 10.1.0.1 tell 10.1.0.1, arp who-has 10.1.0.2 tell 10.1.0.2",
    );
    f.ip(format!("link set dmz address {}", colons(DMZ_MAC)));
    f.lan("a frame to the old address of the lan", &to_dmz(), "nothing");
    f
}

/// Nobody is asked, nobody is answered, and all frames go to the router's own address. A VLAN, as a
/// whole port without ARP cannot be asked whether it is there.
pub(crate) fn noarp() -> Family {
    let mut f = Family::new("link-noarp");
    let host = mac_of(VLAN10_HOST);
    let packet = Ip::new(LAN_HOST, VLAN10_HOST).udp(1, 2, b"x");
    let back = Ip::new(VLAN10_HOST, LAN_HOST).udp(1, 2, b"x");
    let request = arp([0xff; 6], host, &Arp::request(host, VLAN10_HOST, VLAN10));
    let reply = arp(WAN_MAC, host, &Arp::reply(host, VLAN10_HOST, WAN_MAC, VLAN10));
    let back = pad(ether(WAN_MAC, host, IPV4, &back.bytes()), 60);
    let look = format!("neigh show {VLAN10_HOST} nud all");
    let asked = format!("wan: vlan 10 arp who-has {VLAN10_HOST} tell {VLAN10}");
    f.ip(format!("neigh replace {VLAN10_HOST} lladdr {} dev wan.10", colons(host)));
    f.lan("before", &packet, "wan: vlan 10 udp");
    f.ip("link set wan.10 arp off");
    f.ip_says(look.clone(), "done");
    f.lan("nobody is asked", &packet, "wan: vlan 10 udp");
    f.ip_says(look.clone(), "says NOARP");
    f.add("nor answered", "wan", tag(&request, 10), "nothing");
    f.add("nor heard", "wan", tag(&reply, 10), "nothing");
    f.lan("still nobody", &packet, "wan: vlan 10 udp");
    f.add("what comes is forwarded", "wan", tag(&back, 10), "lan: udp");
    f.ip("link set wan.10 arp off");
    f.ip_says(look.clone(), "says NOARP");
    f.ip("link set wan.10 arp on");
    f.ip_says(look, "done");
    f.lan("asked again", &packet, asked);
    f.add("and heard", "wan", tag(&reply, 10), "wan: vlan 10 udp");
    f.add("and answered", "wan", tag(&request, 10), format!("wan: vlan 10 arp reply {VLAN10}"));
    f
}

fn to_dmz6() -> Ip6 {
    Ip6::new(LAN6_HOST, DMZ6_HOST).udp(1, 2, b"x")
}

/// The same of IPv6.
pub(crate) fn six() -> Family {
    let mut f = Family::six("six-link-address");
    f.lan6("before", &to_dmz6(), "?");
    f.ip(format!("link set dmz address {}", colons(OTHER)));
    f.lan6("after", &to_dmz6(), "?");
    let to_vlan = Ip6::new(LAN6_HOST, VLAN6_HOST).udp(1, 2, b"x");
    f.lan6("to the VLAN", &to_vlan, "?");
    f.ip("link set wan.10 arp off");
    f.lan6("nobody is asked", &to_vlan, "?");
    f.ip_says(format!("-6 neigh show {VLAN6_HOST} nud all"), "says NOARP");
    f.ip("link set wan.10 arp on");
    f.lan6("asked again", &to_vlan, "?");
    f.ip("link set wan address 02:00:00:00:0b:01");
    f.lan6("to the wan", &Ip6::new(LAN6_HOST, WAN6_HOST).udp(1, 2, b"x"), "?");
    f
}
