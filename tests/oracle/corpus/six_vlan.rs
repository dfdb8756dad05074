//! IPv6 on a VLAN, and on the link that carries it.

use super::Family;
use super::six::{
    ALL_NODES, ALL_ROUTERS, DMZ6_HOST, FAR6, LAN6_HOST, VLAN6, VLAN6_HOST, WAN6, WAN6_HOST,
    WAN6_LINK, framed, host, ip6, link_local,
};
use crate::common::frame::{filler, tag, tag_as};
use crate::common::frame6::{Ip6, group_mac, solicited, source_mac, target_mac};
use crate::topology::{WAN_MAC, mac_of};

/// The packets that are tried under each tag.
fn packets() -> Vec<(&'static str, Ip6)> {
    let own = source_mac(mac_of(VLAN6_HOST));
    vec![
        ("to the lan", Ip6::new(VLAN6_HOST, LAN6_HOST).udp(1, 2, b"x")),
        ("to the wan", Ip6::new(VLAN6_HOST, WAN6_HOST).udp(1, 2, b"x")),
        ("to the dmz, too big", Ip6::new(VLAN6_HOST, DMZ6_HOST).udp(1, 2, &filler(1400))),
        ("back", Ip6::new(VLAN6_HOST, host(4, 0x11)).udp(1, 2, b"x").hops(1)),
        ("lost", Ip6::new(VLAN6_HOST, FAR6).udp(1, 2, b"x").hops(1)),
        ("no way", Ip6::new(VLAN6_HOST, ip6("2001:db8:99::1")).udp(1, 2, b"x")),
        ("ping", Ip6::new(VLAN6_HOST, VLAN6).echo(1, 1, b"x")),
        ("ping of the wan address", Ip6::new(VLAN6_HOST, WAN6).echo(1, 1, b"x")),
        ("ping of the link-local address", Ip6::new(VLAN6_HOST, WAN6_LINK).echo(1, 1, b"x")),
        ("ping of all nodes", Ip6::new(VLAN6_HOST, ALL_NODES).echo(1, 1, b"x")),
        ("ping of all routers", Ip6::new(VLAN6_HOST, ALL_ROUTERS).echo(1, 1, b"x")),
        ("ping of the anycast address", Ip6::new(VLAN6_HOST, ip6("2001:db8:4::")).echo(1, 1, b"x")),
        ("long ping", Ip6::new(VLAN6_HOST, VLAN6).echo(1, 1, &filler(1452))),
        ("closed port", Ip6::new(VLAN6_HOST, VLAN6).udp(1, 9, b"x")),
        ("connection", Ip6::new(VLAN6_HOST, VLAN6).tcp((1, 9), 1, 0, 2, b"")),
        ("asks for the address", Ip6::new(VLAN6_HOST, solicited(VLAN6)).solicit(VLAN6, &own)),
        ("asks for the wan address", Ip6::new(VLAN6_HOST, solicited(WAN6)).solicit(WAN6, &own)),
        (
            "asks for the link-local address",
            Ip6::new(VLAN6_HOST, solicited(WAN6_LINK)).solicit(WAN6_LINK, &own),
        ),
        ("asks unicast", Ip6::new(VLAN6_HOST, VLAN6).solicit(VLAN6, &own)),
        ("asks as nobody", Ip6::new(ip6("::"), solicited(VLAN6)).solicit(VLAN6, &[])),
        (
            "tells",
            Ip6::new(VLAN6_HOST, VLAN6).advertise(
                VLAN6_HOST,
                0x60,
                &target_mac(mac_of(VLAN6_HOST)),
            ),
        ),
    ]
}

pub(crate) fn family() -> Family {
    let mut f = Family::six("six-vlan");
    for (name, packet) in packets() {
        let to = if packet.dst.is_multicast() { group_mac(packet.dst) } else { WAN_MAC };
        let frame = framed(mac_of(VLAN6_HOST), to, &packet);
        f.add(name, "wan", tag(&frame, 10), "?");
        f.add(format!("{name}, priority 5"), "wan", tag(&frame, 0xa00a), "?");
        f.add(format!("{name}, may be dropped"), "wan", tag(&frame, 0x100a), "?");
        f.add(format!("{name}, VLAN 11"), "wan", tag(&frame, 11), "nothing");
        f.add(format!("{name}, VLAN 4095"), "wan", tag(&frame, 4095), "nothing");
        f.add(format!("{name}, of 802.1ad"), "wan", tag_as(&frame, 0x88a8, 10), "nothing");
        f.add(format!("{name}, twice tagged"), "wan", tag(&tag(&frame, 10), 10), "nothing");
        // What goes back by one and is told by the other has no order that a stand-in could show.
        if name != "to the wan" {
            f.add(format!("{name}, without a tag"), "wan", frame.clone(), "?");
        }
        f.add(format!("{name}, on the lan"), "lan", tag(&frame, 10), "nothing");
        f.add(
            format!("{name}, for another"),
            "wan",
            tag(&framed(mac_of(VLAN6_HOST), [2, 0xcc, 0, 0, 0, 7], &packet), 10),
            "?",
        );
    }
    let near = link_local(0x66);
    let ask = Ip6::new(near, solicited(VLAN6)).solicit(VLAN6, &source_mac(mac_of(near)));
    f.add(
        "a link-local host asks",
        "wan",
        tag(&framed(mac_of(near), group_mac(ask.dst), &ask), 10),
        "?",
    );
    let ping = Ip6::new(near, WAN6_LINK).echo(1, 1, b"x");
    f.add("and pings", "wan", tag(&framed(mac_of(near), WAN_MAC, &ping), 10), "?");
    f
}
