//! Groups that the router is in, asked for and told of (RFC 3810, RFC 2710): [8.130] to [8.156].

use std::net::Ipv6Addr;
use std::time::Duration;

use super::Family;
use super::six::{
    ALL_NODES, ALL_ROUTERS, LAN6, LAN6_HOST, LAN6_LINK, LAN6_NEAR, framed, ip6, link_local,
};
use crate::common::frame6::{Ip6, group_mac, solicited};
use crate::topology::{LAN_MAC, mac_of};

/// Of an MLD message: the alert that routers listen for.
const ALERT: [u8; 4] = [5, 2, 0, 0];

fn query(group: Ipv6Addr, delay: u16, more: &[u8]) -> Ip6 {
    let to = if group.is_unspecified() { ALL_NODES } else { group };
    let rest = [&delay.to_be_bytes()[..], &[0, 0], &group.octets(), more].concat();
    Ip6::new(link_local(0x10), to).hops(1).hop_by_hop(&ALERT).icmp(130, 0, &rest)
}

pub(crate) fn family() -> Family {
    let mut f = Family::six("six-groups")
        .with("net.ipv6.conf.default.mldv2_unsolicited_report_interval", "1");
    f.topology.chatty = true;
    let soon = Duration::from_millis(120);
    let own = solicited(LAN6);
    let all = ip6("::");
    let second = [2, 1, 0, 0];
    let about =
        |delay: u16, more: &[u8]| [&delay.to_be_bytes()[..], &[0, 0], &all.octets(), more].concat();
    let queries: Vec<(&str, Ip6)> = vec![
        ("of all, version 2", query(all, 10, &second)),
        ("of its own group, version 2", query(own, 10, &second)),
        ("of all nodes, version 2", query(ALL_NODES, 10, &second)),
        ("of all routers, version 2", query(ALL_ROUTERS, 10, &second)),
        ("of a group it is not in, version 2", query(ip6("ff02::77"), 10, &second)),
        ("of its own group and no source", query(own, 10, &[2, 1, 0, 0])),
        (
            "of its own group and a source",
            query(own, 10, &[&[2, 1, 0, 1][..], &LAN6_HOST.octets()].concat()),
        ),
        (
            "of all, with a source",
            query(all, 10, &[&[2, 1, 0, 1][..], &LAN6_HOST.octets()].concat()),
        ),
        ("of all, its sources cut off", query(all, 10, &[2, 1, 0, 9])),
        ("hop limit 2", query(all, 10, &second).hops(2)),
        (
            "from a global address",
            Ip6::new(LAN6_HOST, ALL_NODES).hops(1).hop_by_hop(&ALERT).icmp(
                130,
                0,
                &about(10, &second),
            ),
        ),
        (
            "from nobody",
            Ip6::new(all, ALL_NODES).hops(1).hop_by_hop(&ALERT).icmp(130, 0, &about(10, &second)),
        ),
        (
            "without an alert",
            Ip6::new(LAN6_NEAR, ALL_NODES).hops(1).icmp(130, 0, &about(10, &second)),
        ),
        (
            "with an alert for something else",
            Ip6::new(LAN6_NEAR, ALL_NODES).hops(1).hop_by_hop(&[5, 2, 0, 1]).icmp(
                130,
                0,
                &about(10, &second),
            ),
        ),
        (
            "to the router",
            Ip6::new(LAN6_NEAR, LAN6_LINK).hops(1).hop_by_hop(&ALERT).icmp(
                130,
                0,
                &about(10, &second),
            ),
        ),
        (
            "to all routers",
            Ip6::new(LAN6_NEAR, ALL_ROUTERS).hops(1).hop_by_hop(&ALERT).icmp(
                130,
                0,
                &about(10, &second),
            ),
        ),
        ("checksum wrong", query(all, 10, &second).spoil_payload(2, 1)),
        (
            "cut to 23 bytes",
            Ip6::new(LAN6_NEAR, ALL_NODES).hops(1).hop_by_hop(&ALERT).icmp(
                130,
                0,
                &about(10, &[])[..19],
            ),
        ),
        ("of 26 bytes", query(all, 10, &[2, 1])),
        ("of a global group", query(ip6("ff0e::1"), 10, &second)),
        (
            "of an address that is no group",
            Ip6::new(LAN6_NEAR, ALL_NODES).hops(1).hop_by_hop(&ALERT).icmp(
                130,
                0,
                &[&[0, 10, 0, 0][..], &LAN6.octets(), &second].concat(),
            ),
        ),
    ];
    for (name, packet) in queries {
        let to = if packet.dst.is_multicast() { group_mac(packet.dst) } else { LAN_MAC };
        f.add(format!("query {name}"), "lan", framed(mac_of(packet.src), to, &packet), "?");
        f.settle(soon);
    }
    for (words, group) in [
        ("addr add 2001:db8:1::abcd/64 dev lan nodad", ip6("ff02::1:ff00:abcd")),
        ("addr add 2001:db8:5::abcd/64 dev lan nodad", ip6("ff02::1:ff00:abcd")),
        ("addr del 2001:db8:1::abcd/64 dev lan", ip6("ff02::1:ff00:abcd")),
        ("addr del 2001:db8:5::abcd/64 dev lan", ip6("ff02::1:ff00:abcd")),
    ] {
        f.ip_says(format!("-6 {words}"), "?");
        f.settle(soon);
        f.ip_says("-6 maddr show dev lan", "?");
        f.lan6(
            format!("{words}: ping its group"),
            &Ip6::new(LAN6_HOST, group).echo(1, 1, b"x"),
            "?",
        );
    }
    f
}

/// Asked in the words of version 1, the router answers in them, and for a while tells in them.
pub(crate) fn first_version() -> Family {
    let mut f = Family::six("six-groups-version-1")
        .with("net.ipv6.conf.default.mldv2_unsolicited_report_interval", "1");
    f.topology.chatty = true;
    let soon = Duration::from_millis(120);
    let own = solicited(LAN6);
    for (name, packet) in [
        ("of its own group", query(own, 10, &[])),
        ("of all nodes", query(ALL_NODES, 10, &[])),
        ("of all routers", query(ALL_ROUTERS, 10, &[])),
        ("of a group it is not in", query(ip6("ff02::77"), 10, &[])),
        ("of its own group, at once", query(own, 0, &[])),
    ] {
        f.add(
            format!("query {name}"),
            "lan",
            framed(mac_of(packet.src), group_mac(packet.dst), &packet),
            "?",
        );
        f.settle(soon);
    }
    f
}

/// As it is told to use version 1 only.
pub(crate) fn forced() -> Family {
    let mut f = Family::six("six-groups-forced")
        .with("net.ipv6.conf.all.force_mld_version", "1")
        .with("net.ipv6.conf.default.mldv1_unsolicited_report_interval", "1");
    f.topology.chatty = true;
    let soon = Duration::from_millis(120);
    for (name, packet) in [
        ("of version 2", query(solicited(LAN6), 10, &[2, 1, 0, 0])),
        ("of version 1", query(solicited(LAN6), 10, &[])),
    ] {
        f.add(
            format!("query {name}"),
            "lan",
            framed(mac_of(packet.src), group_mac(packet.dst), &packet),
            "?",
        );
        f.settle(soon);
    }
    f
}
