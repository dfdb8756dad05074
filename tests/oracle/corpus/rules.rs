//! Rules, tables and next-hop objects: [5.22], [5.45], [5.77], [6.111] to [6.130].

use std::net::Ipv4Addr;

use super::Family;
use crate::common::frame::{Ip, filler};
use crate::topology::{LAN_HOST, WAN_HOST};

/// Where only tables other than main lead, or its default route.
const FAR: Ipv4Addr = Ipv4Addr::new(172, 16, 9, 9);

fn from(host: u8) -> Ip {
    Ip::new([10, 1, 0, host].into(), FAR)
}

pub(crate) fn family() -> Family {
    let mut f = Family::new("rules");
    f.topology = f
        .topology
        .port("wan", |port| port.group = 7)
        .route("default", &[("via", "192.0.2.9")])
        .route("default", &[("via", "192.0.2.10"), ("table", "100")])
        .route("default", &[("via", "198.51.100.10"), ("table", "101")])
        .stated(
            "route add throw 172.16.0.0/12 table 102",
            "[[route]]\nto = \"172.16.0.0/12\"\ntype = \"throw\"\ntable = 102",
        )
        .stated(
            "route add unreachable 172.16.0.0/12 table 103",
            "[[route]]\nto = \"172.16.0.0/12\"\ntype = \"unreachable\"\ntable = 103",
        )
        .rule(
            "pref 100 from 10.1.0.100 table 100",
            "priority = 100\nfrom = \"10.1.0.100\"\ntable = 100",
        )
        .rule(
            "pref 110 to 172.16.1.0/24 table 101",
            "priority = 110\nto = \"172.16.1.0/24\"\ntable = 101",
        )
        .rule("pref 120 tos 0x10 table 101", "priority = 120\ntos = 0x10\ntable = 101")
        .rule(
            "pref 130 to 172.16.0.0/12 iif wan table 101",
            "priority = 130\nto = \"172.16.0.0/12\"\niif = \"wan\"\ntable = 101",
        )
        .rule("pref 140 ipproto tcp table 101", "priority = 140\nipproto = \"tcp\"\ntable = 101")
        .rule(
            "pref 150 sport 1000-1999 table 101",
            "priority = 150\nsport = \"1000-1999\"\ntable = 101",
        )
        .rule(
            "pref 160 ipproto udp dport 53 table 101",
            "priority = 160\nipproto = 17\ndport = 53\ntable = 101",
        )
        .rule(
            "pref 170 from 10.1.0.101 prohibit",
            "priority = 170\nfrom = \"10.1.0.101\"\naction = \"prohibit\"",
        )
        .rule(
            "pref 180 from 10.1.0.102 unreachable",
            "priority = 180\nfrom = \"10.1.0.102\"\naction = \"unreachable\"",
        )
        .rule(
            "pref 190 from 10.1.0.103 blackhole",
            "priority = 190\nfrom = \"10.1.0.103\"\naction = \"blackhole\"",
        )
        .rule(
            "pref 200 from 10.1.0.104 goto 300",
            "priority = 200\nfrom = \"10.1.0.104\"\ngoto = 300",
        )
        .rule(
            "pref 210 from 10.1.0.104 prohibit",
            "priority = 210\nfrom = \"10.1.0.104\"\naction = \"prohibit\"",
        )
        .rule(
            "pref 220 from 10.1.0.105 nop",
            "priority = 220\nfrom = \"10.1.0.105\"\naction = \"nop\"",
        )
        .rule(
            "pref 230 from 10.1.0.106 table 102",
            "priority = 230\nfrom = \"10.1.0.106\"\ntable = 102",
        )
        .rule(
            "pref 235 from 10.1.0.106 table 104",
            "priority = 235\nfrom = \"10.1.0.106\"\ntable = 104",
        )
        .rule(
            "pref 240 from 10.1.0.107 table 103",
            "priority = 240\nfrom = \"10.1.0.107\"\ntable = 103",
        )
        .rule(
            "pref 300 from 10.1.0.104 table 101",
            "priority = 300\nfrom = \"10.1.0.104\"\ntable = 101",
        )
        .rule(
            "pref 400 from 10.1.0.109 table main suppress_prefixlength 0",
            "priority = 400\nfrom = \"10.1.0.109\"\ntable = 254\nsuppress-prefixlength = 0",
        )
        .rule(
            "pref 410 from 10.1.0.109 table 101",
            "priority = 410\nfrom = \"10.1.0.109\"\ntable = 101",
        )
        .rule(
            "pref 420 from 10.1.0.110 table main suppress_ifgroup 7",
            "priority = 420\nfrom = \"10.1.0.110\"\ntable = 254\nsuppress-ifgroup = 7",
        )
        .rule(
            "pref 430 from 10.1.0.110 table 101",
            "priority = 430\nfrom = \"10.1.0.110\"\ntable = 101",
        )
        .rule(
            "pref 440 from 10.1.0.111 iif nosuch table 101",
            "priority = 440\nfrom = \"10.1.0.111\"\niif = \"dmz\"\ntable = 101",
        );
    let udp = |packet: Ip| packet.udp(5, 6, &filler(30));
    f.lan("no rule of its own: main", &udp(Ip::new(LAN_HOST, FAR)), "wan: udp");
    f.lan("from", &udp(from(100)), "wan: udp");
    f.lan("to", &udp(Ip::new(LAN_HOST, [172, 16, 1, 1].into())), "dmz: udp");
    f.lan(
        "one after the prefix of to",
        &udp(Ip::new(LAN_HOST, [172, 16, 2, 0].into())),
        "wan: udp",
    );
    for (tos, expect) in
        [(0x10, "dmz: udp"), (0x11, "dmz: udp"), (0x30, "dmz: udp"), (0x08, "wan: udp")]
    {
        f.lan(
            format!("tos, packet with {tos:#04x}"),
            &udp(Ip::new(LAN_HOST, FAR).tos(tos)),
            expect,
        );
    }
    f.wan("iif", &udp(Ip::new(WAN_HOST, FAR)), "dmz: udp");
    let tcp = Ip::new(LAN_HOST, FAR).tcp((5, 6), 1, 1, 2, b"");
    f.lan("ipproto", &tcp, "dmz: tcp S");
    for (port, expect) in
        [(999, "wan: udp"), (1000, "dmz: udp"), (1999, "dmz: udp"), (2000, "wan: udp")]
    {
        let packet = Ip::new(LAN_HOST, FAR).udp(port, 6, b"");
        f.lan(format!("sport {port} of 1000-1999"), &packet, expect);
    }
    f.lan("dport", &Ip::new(LAN_HOST, FAR).udp(5, 53, b""), "dmz: udp");
    f.lan("prohibit", &udp(from(101)), "lan: icmp 3/13");
    f.lan("unreachable", &udp(from(102)), "lan: icmp 3/0");
    f.lan("blackhole", &udp(from(103)), "nothing");
    f.lan("goto leaps over prohibit", &udp(from(104)), "dmz: udp");
    f.lan("nop", &udp(from(105)), "wan: udp");
    f.lan("throw, an empty table, then main", &udp(from(106)), "wan: udp");
    f.lan("an unreachable route in a table of its own", &udp(from(107)), "lan: icmp 3/1");
    f.lan("a default route that is suppressed", &udp(from(109)), "dmz: udp");
    let longer = Ip::new([10, 1, 0, 109].into(), [10, 9, 0, 1].into());
    f.lan("a longer route that is not suppressed", &udp(longer), "wan: udp");
    f.lan("a route out of a group that is suppressed", &udp(from(110)), "dmz: udp");
    f.lan("a rule for another interface", &udp(from(111)), "wan: udp");
    f.lan(
        "to the router, whatever rules say",
        &udp(Ip::new([10, 1, 0, 101].into(), [10, 1, 0, 1].into())),
        "lan: icmp 3/3",
    );
    f
}

/// A rule that takes what its selectors do not fit.
pub(crate) fn inverted() -> Family {
    let mut f = Family::new("rules-inverted");
    f.topology = f
        .topology
        .route("default", &[("via", "192.0.2.9")])
        .route("default", &[("via", "198.51.100.10"), ("table", "101")])
        .rule(
            "pref 100 not from 10.1.0.0/25 table 101",
            "priority = 100\nnot = true\nfrom = \"10.1.0.0/25\"\ntable = 101",
        );
    for (host, expect) in
        [(10, "wan: udp"), (127, "wan: udp"), (128, "dmz: udp"), (200, "dmz: udp")]
    {
        f.lan(format!("not from a /25, host {host}"), &from(host).udp(5, 6, b""), expect);
    }
    f
}

/// Routes through next-hop objects: [6.133].
pub(crate) fn nexthops() -> Family {
    let mut f = Family::new("nexthops");
    let through = |topology: crate::topology::Topology, ip, toml| topology.stated(ip, toml);
    f.topology = f
        .topology
        .stated(
            "nexthop add id 1 via 192.0.2.9 dev wan",
            "[[nexthop]]\nid = 1\nvia = \"192.0.2.9\"\ndev = \"wan\"",
        )
        .stated(
            "nexthop add id 2 via 198.51.100.10 dev dmz",
            "[[nexthop]]\nid = 2\nvia = \"198.51.100.10\"\ndev = \"dmz\"",
        )
        .stated("nexthop add id 3 blackhole", "[[nexthop]]\nid = 3\nblackhole = true")
        .stated("nexthop add id 4 dev wan", "[[nexthop]]\nid = 4\ndev = \"wan\"")
        .stated(
            "nexthop add id 5 group 2,3",
            "[[nexthop]]\nid = 5\ngroup = [{ id = 2, weight = 3 }]",
        )
        .stated(
            "nexthop add id 6 group 1 type resilient buckets 8",
            "[[nexthop]]\nid = 6\ngroup = [{ id = 1 }]\nbuckets = 8",
        )
        .stated(
            "nexthop add id 7 via 192.0.2.10 dev wan onlink",
            "[[nexthop]]\nid = 7\nvia = \"192.0.2.10\"\ndev = \"wan\"\nonlink = true",
        );
    for (id, ip, toml) in [
        (1, "route add 172.16.1.0/24 nhid 1", "[[route]]\nto = \"172.16.1.0/24\"\nnhid = 1"),
        (2, "route add 172.16.2.0/24 nhid 2", "[[route]]\nto = \"172.16.2.0/24\"\nnhid = 2"),
        (3, "route add 172.16.3.0/24 nhid 3", "[[route]]\nto = \"172.16.3.0/24\"\nnhid = 3"),
        (4, "route add 10.50.0.0/24 nhid 4", "[[route]]\nto = \"10.50.0.0/24\"\nnhid = 4"),
        (5, "route add 172.16.5.0/24 nhid 5", "[[route]]\nto = \"172.16.5.0/24\"\nnhid = 5"),
        (6, "route add 172.16.6.0/24 nhid 6", "[[route]]\nto = \"172.16.6.0/24\"\nnhid = 6"),
        (
            7,
            "route add 172.16.7.0/24 nhid 7 mtu 1300",
            "[[route]]\nto = \"172.16.7.0/24\"\nnhid = 7\nmtu = 1300",
        ),
    ] {
        f.topology = through(f.topology, ip, toml);
        let (to, expect) = match id {
            2 | 5 => ([172, 16, id, 1], "dmz: udp"),
            3 => ([172, 16, id, 1], "nothing"),
            4 => ([10, 50, 0, 1], "wan: udp"),
            _ => ([172, 16, id, 1], "wan: udp"),
        };
        f.lan(
            format!("by object {id}"),
            &Ip::new(LAN_HOST, to.into()).udp(5, 6, b"object"),
            expect,
        );
        let long = Ip::new(LAN_HOST, to.into()).udp(5, 6, &filler(1200));
        f.lan(format!("long, by object {id}"), &long, expect);
    }
    f
}
