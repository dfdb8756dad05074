//! Rules and next-hop objects as an operator types them.

use super::{World, compare};

const RULES: &str = "
rule
rule add from 10.0.0.0/8 to 20.0.0.1 tos 0x10 fwmark 0x10/0xff iif d0 oif d1 table 100 pref 100
rule add not from 10.1.1.1 lookup 200
rule add fwmark 7 blackhole
rule add to 1.2.3.4 unreachable
rule add to 1.2.3.5 prohibit
rule add pref 50 nop
rule add pref 60 goto 32766
rule add pref 61 goto 40000
rule add pref 62 goto 10
rule add ipproto udp sport 53 dport 1000-2000 table 300 suppress_prefixlength 0
rule add ipproto 47 table main suppress_ifgroup 5
rule add ipproto gre table main suppress_ifgroup default
rule add l3mdev pref 1000
rule add l3mdev table 5
rule add l3mdev from 1.1.1.1 pref 1001
rule add iif nosuch table 7
rule add protocol static table 7
rule add from 0.0.0.0/8 table 8
rule add to 0/0 table 9
rule add from 10.0.0.1/8 table 8
rule add table 0
rule add table 9 tos 3
rule add table 9 tos 0x1c
rule add table 9 tos 0xe0
rule add table 9 dsfield 4
rule add from 10.0.0.0/8
rule add from 10.0.0.0/8 pref 5
rule add from 10.0.0.0/8 pref 5
rule add unicast pref 9
rule add pref 10 local
rule add broadcast pref 11
rule add fwmark 0 table 9 pref 4
rule add fwmark 0/0xff table 9 pref 6
rule add sport 0 table 9
rule add sport 5-3 table 9
rule add sport 65535 table 9
rule add ipproto 0 table 9 pref 3
rule add pref 4294967295 table 5
rule add pref 77 from 10.0.0.0/8 from 11.0.0.0/8 table 5
rule show
-d rule show
-j rule show
-j -p rule show
-N rule show
-d -j rule show
-o rule show
-4 rule show
rule show pref 100
rule show table 200
rule show from 10.0.0.0/8
rule show from 0/0
rule show fwmark 7
rule show fwmark 0x10/0xff
rule show iif d0
rule show oif d1
rule show not
rule show l3mdev
rule show proto static
rule show 1.2.3.4
rule show to 1.2.3.4
rule show ipproto udp
rule show sport 53
rule show dport 1000-2000
rule show tos 0x10
-j rule show pref 12345
rule del pref 5
rule del pref 5
rule del from 10.0.0.0/8
rule del table 7
rule del goto 40000
rule del nop
rule del blackhole table 5
rule del unreachable
rule del ipproto udp sport 53
rule del l3mdev
rule del fwmark 7
rule del from 99.0.0.0/8
rule del not from 10.1.1.1
rule
rule flush pref 100
rule flush proto static
rule flush table 9
rule
rule flush
rule
rule add pref 0 table 5
rule
rule del pref 0
rule
";

#[test]
fn rules_are_what_the_real_ip_makes_of_them() {
    compare(RULES);
}

const NEXTHOPS: &str = "
nexthop
nexthop add id 1 via 192.0.2.9 dev d0
nexthop add id 2 via 192.0.2.10 dev d0 onlink
nexthop add id 3 dev d1
nexthop add id 4 blackhole
nexthop add id 5 via fe80::1 dev d0
nexthop add id 6 group 1/2,3
nexthop add id 7 group 1/2,3 type resilient buckets 8 idle_timer 60 unbalanced_timer 300
nexthop add id 8 group 1/2 type resilient
nexthop add id 9 group 1/6
nexthop add id 10 group 1/4
nexthop add id 11 group 4
nexthop add id 12 via 203.0.113.1 dev d0
nexthop add id 13 via 203.0.113.1 dev d0 onlink proto bgp
nexthop add id 14 via 192.0.2.9
nexthop add id 15 onlink
nexthop add id 16 via 192.0.2.9 dev nosuch
nexthop add id 1 via 192.0.2.9 dev d0
nexthop replace id 1 via 192.0.2.11 dev d0
nexthop replace id 1 group 2
nexthop replace id 6 via 192.0.2.9 dev d0
nexthop replace id 7 group 1/2
nexthop replace id 7 group 1/2 type resilient buckets 16
nexthop replace id 6 group 1/2,5
nexthop add id 20 group 1/1
nexthop add id 21 group 99
nexthop add id 22 group 1,256
nexthop add id 25 group 1/2 type mpath
nexthop add id 26 group 5/1
nexthop add id 28 group 7/1
nexthop add id 29 group 1/7 type resilient buckets 4
nexthop add via 192.0.2.12 dev d0
nexthop add id 32 blackhole dev d0
nexthop add id 33 group 1 via 192.0.2.9
nexthop add id 34 via inet6 fe80::2 dev d1
nexthop add id 35 via inet 192.0.2.9 dev d0
nexthop add id 37
nexthop add id 38 dev d0 onlink
nexthop add id 39 via 192.0.2.255 dev d0
nexthop add id 39 via any dev d0
nexthop add id 39 via 0.0.0.0 dev d0
nexthop replace dev d0
nexthop replace id 40 dev d1
nexthop replace id 41 group 1/2,2 type resilient buckets 4
nexthop replace id 41 group 1/2,2 type resilient idle_timer 7 proto static
nexthop replace id 40 dev d1 proto static
nexthop
-d nexthop
-j nexthop
-j -p nexthop show id 7
-N -d nexthop show id 7
-s nexthop
nexthop show dev d0
nexthop show dev nosuch
nexthop show groups
nexthop show proto 186
nexthop show id 99
nexthop show id 6
nexthop show vrf d0
nexthop show master d0
nexthop get id 6
nexthop get id 99
nexthop bucket get id 7 index 30
nexthop bucket get id 1 index 3
nexthop bucket get id 6 index 3
nexthop bucket get id 99 index 3
nexthop bucket show id 6
nexthop bucket show id 1
nexthop bucket show id 99
nexthop bucket show dev nosuch
route add 10.0.0.0/8 nhid 1
route add 10.1.0.0/16 nhid 6
route add 10.2.0.0/16 nhid 99
route add 10.3.0.0/16 nhid 4
route add 10.4.0.0/16 nhid 5
route add 10.5.0.0/16 nhid 7 metric 5 src 192.0.2.1
route add 10.6.0.0/16 nhid 1 via 192.0.2.9
route add 10.6.0.0/16 nhid 1 dev d0
route add 10.6.0.0/16 nhid 0 dev d0
route add 10.16.0.0/16 nhid 3
route add 10.17.0.0/16 via 192.0.2.255
route add 10.17.0.0/16 via 192.0.2.255 dev d0
route add 10.7.0.0/16 via inet6 fe80::1 dev d0
route add 10.8.0.0/16 nexthop via inet6 fe80::1 dev d0 nexthop via 192.0.2.9 weight 3
route add 10.9.0.0/16 via inet6 fe80::1
route add 10.10.0.0/16 dev d0 via inet 192.0.2.9
route add 10.14.0.0/16 via inet6 2001:db8::1 dev d0 onlink
route add 10.15.0.0/16 nhid 25 mtu 1400 table 77
route add 10.15.0.0/16 nhid 25 mtu lock 1400 hoplimit 9 table 77
route
-d route
-j route
-d -j route
-o route
route show via 192.0.2.9
route show via inet6 fe80::1
route show dev d0
route show table 77
-4 route show table all root 10.0.0.0/8
route get 10.0.0.1
route get 10.3.0.1
route get 10.4.0.1
-j route get 10.4.0.1
route get 10.7.0.1
route get 10.5.0.1 fibmatch
route get 10.0.0.1 fibmatch
route get 10.8.0.1 fibmatch
nexthop replace id 1 via 192.0.2.13 dev d0
route show 10.0.0.0/8
route get 10.0.0.1
route del 10.0.0.0/8 nhid 2
route del 10.0.0.0/8 nhid 1
nexthop del id 1
nexthop
route
nexthop del id 1
nexthop del
nexthop del id 4
nexthop flush dev d1
nexthop flush proto 186
nexthop flush
nexthop
route
nexthop flush
";

#[test]
fn next_hop_objects_are_what_the_real_ip_makes_of_them() {
    compare(NEXTHOPS);
}

const WAYS: &str = "
addr add 198.51.100.1/24 dev d1
route add 10.1.0.0/16 via 192.0.2.9
route add 10.2.0.0/16 via 198.51.100.9
route add 10.3.0.0/16 nexthop via 192.0.2.9 nexthop via 198.51.100.9
route add blackhole 10.4.0.0/16
route add unreachable 10.5.0.0/16
route add prohibit 10.6.0.0/16
route add throw 10.7.0.0/16
route add 10.8.0.0/16 via 192.0.2.9 src 198.51.100.1 mtu 1400
route get 10.1.0.1 from 192.0.2.1
route get 10.1.0.1 from 198.51.100.1
route get 10.1.0.1 from 9.9.9.9
route get 10.1.0.1 from 224.0.0.1
route get 10.1.0.1 from 192.0.2.77 iif d1
route get 10.1.0.1 from 198.51.100.77 iif d1
route get 10.2.0.1 from 198.51.100.77 iif d1
-j route get 10.1.0.1 from 198.51.100.77 iif d1
route get 10.1.0.1 iif d1
route get 10.4.0.1 from 198.51.100.77 iif d1
route get 10.5.0.1 from 198.51.100.77 iif d1
route get 10.6.0.1 from 198.51.100.77 iif d1
route get 10.7.0.1 from 198.51.100.77 iif d1
route get 99.0.0.1 from 198.51.100.77 iif d1
route get 192.0.2.1 from 198.51.100.77 iif d1
route get 198.51.100.255 from 198.51.100.77 iif d1
route get 10.7.0.1
route get 10.8.0.1
route get 10.8.0.1 fibmatch
-d route get 10.8.0.1 fibmatch
route get 10.1.0.1 oif d0
route get 10.1.0.1 oif d1
route get 10.1.0.1 oif nosuch
route get 10.1.0.1 iif nosuch
route get 224.0.0.1
route get 10.1.0.1 mark 5
route get 10.1.0.1 mark 0x20
-N route get 10.1.0.1
-o route get 10.1.0.1
-j -p route get 10.1.0.1
rule add from 198.51.100.0/24 table 100
rule add fwmark 7 prohibit
rule add ipproto udp dport 53 table 101
rule add to 10.9.0.0/16 blackhole
rule add to 10.10.0.0/16 unreachable
route add default via 192.0.2.20 table 100
route add default via 192.0.2.21 table 101
route get 10.1.0.1
route get 10.1.0.1 from 198.51.100.1
route get 10.1.0.1 mark 7
route get 10.9.0.1
route get 10.10.0.1
route get 10.1.0.1 ipproto udp dport 53
route get 10.1.0.1 ipproto udp dport 54
route get 10.1.0.1 from 198.51.100.77 iif d1
route get 10.1.0.1 from 198.51.100.1 fibmatch
route get 10.4.0.1 fibmatch
route get 192.0.2.1
route get 192.0.2.255
route get 192.0.2.1 fibmatch
route get 10.99.0.1 oif d0
route show table 101
route show table 102
route flush cache
route del default table 101
route show table 101
route flush table 102
route show cache
route show table default
";

#[test]
fn the_way_of_a_packet_is_what_the_real_ip_tells() {
    compare(WAYS);
}

#[test]
fn details_tell_rule_table_route_member_and_neighbour() {
    let mut world = World::new();
    for line in [
        "nexthop add id 1 via 192.0.2.9 dev d0",
        "nexthop add id 2 via 192.0.2.10 dev d0",
        "nexthop add id 10 group 1/2,3",
        "route add 10.0.0.0/8 nhid 10 table 100",
        "rule add pref 10 nop",
        "rule add pref 20 goto 50",
        "rule add pref 50 from all to 10.0.0.0/8 table 200",
        "rule add pref 60 to 10.0.0.0/8 table 100",
        "neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev d0",
        "neigh add 192.0.2.10 lladdr 02:00:00:00:00:0a dev d0",
    ] {
        let said = world.ip(line);
        assert_eq!((said.status, &*said.err), (0, ""), "{line}");
    }
    let said = world.ip("-d route get 10.1.2.3").out;
    let lines: Vec<&str> = said.lines().map(str::trim).skip(2).collect();
    assert_eq!(
        lines[..5],
        [
            "rule 0: table local has no route",
            "rule 10: nop",
            "rule 20: goto 50",
            "rule 50: table 200 has no route",
            "rule 60: table 100, route 10.0.0.0/8",
        ]
    );
    assert_eq!(lines[5], "next-hop object 10");
    let via = if said.contains("via 192.0.2.9 dev") { "192.0.2.9" } else { "192.0.2.10" };
    assert!(lines[6].contains(&format!("chooses via {via} dev d0, which has ")), "{said}");
    assert!(lines[7].starts_with(&format!("neighbour {via}: lladdr 02:00:00:00:00:0")), "{said}");
    assert_eq!(lines[8], "out by d0 at port 0, from 02:00:00:00:00:01, mtu 1500");
}

#[test]
fn a_vrf_has_routes_and_addresses_of_its_own() {
    let mut world = World::new();
    let mut ok = |line: &str| {
        let said = world.ip(line);
        assert_eq!((said.status, &*said.err), (0, ""), "{line}");
        said.out
    };
    ok("link add red type vrf table 100");
    ok("link set red up");
    ok("link set d1 master red");
    ok("addr add 192.0.2.2/24 dev d1");
    ok("route add 10.0.0.0/8 via 192.0.2.77 vrf red");
    assert_eq!(
        ok("vrf show"),
        "Name              Table\n-----------------------\nred                100\n"
    );
    assert_eq!(ok("-j vrf show"), "[{\"name\":\"red\",\"table\":100}]\n");
    assert_eq!(ok("vrf show red"), "red 100\n");
    let rules = "0:\tfrom all lookup local\n1000:\tfrom all lookup [l3mdev-table]\n\
                 32766:\tfrom all lookup main\n32767:\tfrom all lookup default\n";
    assert_eq!(ok("rule"), rules);
    assert_eq!(ok("route show vrf red 10.0.0.0/8"), "10.0.0.0/8 via 192.0.2.77 dev d1 \n");
    assert_eq!(ok("route show 10.0.0.0/8"), "");
    let way = ok("route get 10.0.0.1 vrf red");
    assert!(
        way.starts_with("10.0.0.1 via 192.0.2.77 dev d1 table 100 src 192.0.2.2 uid 0 "),
        "{way}"
    );
    assert_eq!(
        ok("route get 192.0.2.2 vrf red").split(" uid").next(),
        Some("local 192.0.2.2 dev lo table 100 src 192.0.2.2")
    );
    let link = ok("link show red");
    assert!(
        link.starts_with(
            "3: red: <NOARP,MASTER,UP,LOWER_UP> mtu 65575 qdisc noqueue state UP mode DEFAULT "
        ),
        "{link}"
    );
    assert!(ok("link show d1").contains("qdisc mq master red state UP"));
    assert!(ok("-d link show d1").contains("\n    vrf_slave table 100 "));
    assert!(ok("-d link show red").contains("\n    vrf table 100 "));
    assert_eq!(ok("link show master red").lines().count(), 2);
    assert_eq!(ok("link show vrf red"), ok("link show d1"));
    assert_eq!(ok("link show type vrf").lines().count(), 2);
    assert_eq!(ok("addr show vrf red").matches("inet 192.0.2.2/24").count(), 1);
    ok("link set d1 nomaster");
    assert_eq!(ok("link show master red"), "");
    ok("link del red");
    let said = world.ip("route show vrf red");
    assert_eq!(said.err.trim_end(), "Error: argument \"red\" is wrong: Invalid VRF");
    let said = world.ip("link set d1 master d0");
    assert_eq!(said.err, "RTNETLINK answers: Operation not supported\n");
    let said = world.ip("link set d1 vrf d0");
    assert_eq!(said.err.trim_end(), "Error: argument \"d0\" is wrong: Not a valid VRF name");
}

#[test]
fn what_was_learned_about_a_path_is_shown_and_can_be_forgotten() {
    use crate::{
        neighbour::nodes::{PuntKind, Punted},
        packet::ipv4::Ipv4Spec,
        telemetry::{
            protocol::{Request, Show},
            report::ExceptionRow,
        },
    };
    let mut world = World::new();
    world.ip("route add 10.0.0.0/8 via 192.0.2.9");
    world.router.commit();
    let header = |src: [u8; 4], dst: [u8; 4], protocol, payload_len: usize| {
        let mut bytes = vec![0; 20];
        let spec = Ipv4Spec {
            tos: 0,
            id: 1,
            fragment_word: 0x4000,
            ttl: 64,
            protocol,
            src: src.into(),
            dst: dst.into(),
            options: &[],
            payload_len,
        };
        spec.emit(&mut bytes).unwrap();
        bytes
    };
    // Too big for a link of 1300, says the gateway of a packet that the router has sent.
    let mut bytes = header([192, 0, 2, 9], [192, 0, 2, 1], 1, 36);
    bytes.extend([3, 4, 0, 0, 0, 0, 5, 20]);
    bytes.extend(header([192, 0, 2, 1], [10, 1, 2, 3], 17, 1400));
    bytes.extend([0; 8]);
    let mut packet = world.machine.pool.alloc().unwrap();
    assert!(packet.append(&bytes));
    packet.set_l3(0);
    packet.set_iface(1);
    world.router.handle_punt(0, Punted { kind: PuntKind::Learn, packet });
    world.router.commit();

    let cache = "    cache expires 600sec mtu 1300 \n";
    let way = world.ip("route get 10.1.2.3").out;
    assert_eq!(way, format!("10.1.2.3 via 192.0.2.9 dev d0 src 192.0.2.1 uid 0 \n{cache}"));
    let said = world.ip("route show cache").out;
    assert_eq!(said, format!("10.1.2.3 via 192.0.2.9 dev d0 \n{cache}"));
    assert!(world.ip("-d route get 10.1.2.3").out.contains("learned: mtu 1300"));
    let rows = super::all(&mut world, Request::Show(Show::Exceptions));
    let rows: Vec<ExceptionRow> =
        rows.into_iter().map(|row| serde_json::from_value(row).unwrap()).collect();
    assert_eq!((rows.len(), &*rows[0].dst, rows[0].mtu), (1, "10.1.2.3", Some(1300)));
    assert_eq!(world.ip("route get 10.1.2.4").out.lines().nth(1), Some("    cache "));
    let flushed = world.ip("route flush cache");
    assert_eq!((flushed.status, &*flushed.out), (0, ""));
    assert_eq!(world.ip("route show cache").out, "");
    assert_eq!(world.ip("route get 10.1.2.3").out.lines().nth(1), Some("    cache "));
}

#[test]
fn rules_objects_and_vrfs_are_reported_in_the_fields_of_ip() {
    use crate::telemetry::protocol::{Request, RouteQuery, Show};
    let mut world = World::new();
    for line in [
        "rule add pref 7 from 10.0.0.0/8 ipproto udp table 9",
        "nexthop add id 1 via 192.0.2.9 dev d0",
        "nexthop add id 2 via 192.0.2.10 dev d0",
        "nexthop add id 10 group 1/2,3 type resilient buckets 8",
        "route add 10.0.0.0/8 nhid 10 table 70000",
        "link add red type vrf table 5",
        "link set d1 master red",
    ] {
        let said = world.ip(line);
        assert_eq!((said.status, &*said.err), (0, ""), "{line}");
    }
    let rules = super::all(&mut world, Request::Show(Show::Rules));
    let rule = &rules[1];
    assert_eq!(rule["priority"], 7);
    assert_eq!(rule["words"], "from 10.0.0.0/8 ipproto udp lookup 9");
    assert_eq!(
        (&rule["src"], &rule["srclen"], &rule["table"]),
        (&"10.0.0.0".into(), &8.into(), &"9".into())
    );
    let nexthops = super::all(&mut world, Request::Show(Show::Nexthops));
    assert_eq!(nexthops[0]["words"], "via 192.0.2.9 dev d0 scope link");
    assert_eq!(nexthops[2]["type"], "resilient");
    let shares = serde_json::json!([{ "id": 1, "buckets": 2 }, { "id": 2, "buckets": 6 }]);
    assert_eq!(nexthops[2]["shares"], shares);
    let query = RouteQuery { table: Some(70_000), ..RouteQuery::default() };
    let routes = super::all(&mut world, Request::Show(Show::Routes(query)));
    assert_eq!(
        (routes.len(), &routes[0]["nhid"], &routes[0]["table"]),
        (1, &10.into(), &"70000".into())
    );
    assert_eq!(routes[0]["nexthops"].as_array().map(Vec::len), Some(2));
    let vrfs = super::all(&mut world, Request::Show(Show::Vrfs));
    assert_eq!((&vrfs[0]["name"], &vrfs[0]["interfaces"][0]), (&"red".into(), &"d1".into()));
    let links = super::all(&mut world, Request::Show(Show::Interfaces));
    assert_eq!((&links[1]["master"], &links[2]["kind"]), (&"red".into(), &"vrf".into()));
}
