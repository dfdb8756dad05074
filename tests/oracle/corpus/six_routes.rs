//! Routes and rules of IPv6: sources, metrics, tables, several next hops, and objects: [8.169] to
//! [8.177].

use std::net::Ipv6Addr;

use super::Family;
use super::six::{
    DMZ6, DMZ6_HOST, LAN6, LAN6_HOST, LAN6_NEAR, LAN6_OTHER, WAN6, WAN6_HOST, host, ip6,
};
use crate::common::frame::filler;
use crate::common::frame6::Ip6;

const BY_WAN: &str = "wan: udp6";
const BY_DMZ: &str = "dmz: udp6";
const BY_VLAN: &str = "wan: vlan 10 udp6";

fn udp(src: Ipv6Addr, dst: Ipv6Addr) -> Ip6 {
    Ip6::new(src, dst).udp(1000, 2000, b"route")
}

impl Family {
    /// Adds packets from several sources to one place.
    fn probes6(&mut self, when: &str, dst: Ipv6Addr) {
        for (name, src) in [
            ("a host", LAN6_HOST),
            ("another host", LAN6_OTHER),
            ("another net", host(0x77, 1)),
            ("a link-local host", LAN6_NEAR),
        ] {
            self.lan6(format!("{when}: from {name}"), &udp(src, dst), "?");
        }
        self.lan6(format!("{when}: lost"), &udp(LAN6_HOST, dst).hops(1), "?");
        self.dmz6(format!("{when}: from the dmz"), &udp(DMZ6_HOST, dst), "?");
        self.wan6(format!("{when}: from the wan"), &udp(host(5, 5), dst), "?");
    }

    /// Of the packets since `from`, those that pass may do so by the wan or by its VLAN.
    fn either_way(&mut self, from: usize) {
        for step in &mut self.steps[from..] {
            if !step.name.contains("link-local") && !step.name.contains("lost") {
                step.expect = format!("{BY_WAN} or {BY_VLAN}");
            }
        }
    }
}

/// Routes for sources.
pub(crate) fn sources() -> Family {
    let mut f = Family::six("six-source-routes");
    let there = ip6("2001:db8:70::1");
    let add = |f: &mut Family, words: &str| f.ip(format!("-6 route add {words}"));
    f.probes6("none", there);
    add(&mut f, "2001:db8:70::/48 from 2001:db8:1::/64 via 2001:db8:3::10");
    f.probes6("for the lan", there);
    add(&mut f, "2001:db8:70::/48 via 2001:db8:2::9");
    f.probes6("for the lan and for all", there);
    add(&mut f, "2001:db8:70::/64 from 2001:db8:1::11/128 via 2001:db8:4::10");
    f.probes6("more of the destination and of the source", there);
    add(&mut f, "2001:db8:70::/64 from 2001:db8:77::/48 via 2001:db8:4::10");
    f.probes6("and one for another net", there);
    add(&mut f, "unreachable 2001:db8:70::1/128 from 2001:db8:1::10/128");
    f.probes6("unreachable for one", there);
    add(&mut f, "default from 2001:db8:1::/64 via 2001:db8:3::10");
    f.probes6("by default for the lan", ip6("2001:db8:99::1"));
    f.ip_says("-6 route show 2001:db8:70::/48", "?");
    f.ip_says("-6 route show table main from 2001:db8:1::/64", "?");
    f.ip_says("-6 route get 2001:db8:70::5 from 2001:db8:1::10 iif lan", "?");
    f.ip_says("-6 route get 2001:db8:70::5 from 2001:db8:5::10 iif lan", "?");
    f.ip("-6 route del 2001:db8:70::/48 from 2001:db8:1::/64");
    f.probes6("without the first", ip6("2001:db8:70:1::1"));
    f.ip_says("-6 route del 2001:db8:70::/48 from 2001:db8:1::/64", "?");
    f.ip("-6 route del 2001:db8:70::1/128 from 2001:db8:1::10/128");
    f.probes6("without the unreachable", there);
    f
}

/// When there are several ways to one prefix with one metric.
const SIBLINGS: [&str; 3] = ["50 appended", "50 prepended", "without that"];

/// Routes of all types, metrics, and what commands do to them.
pub(crate) fn changes() -> Family {
    let mut f = Family::six("six-routes");
    let there = ip6("2001:db8:70::1");
    for (words, then) in [
        ("route add 2001:db8:70::/48 via 2001:db8:2::9 metric 50", "metric 50"),
        ("route add 2001:db8:70::/48 via 2001:db8:3::10 metric 40", "metric 40 too"),
        ("route add 2001:db8:70::/48 via 2001:db8:4::10 metric 60", "metric 60 too"),
        ("route del 2001:db8:70::/48 metric 40", "without 40"),
        ("route add 2001:db8:70::/48 via 2001:db8:4::10 metric 50", "50 again"),
        ("route append 2001:db8:70::/48 via 2001:db8:4::10 metric 50", "50 appended"),
        ("route replace 2001:db8:70::/48 via 2001:db8:3::10 metric 50", "50 replaced"),
        ("route change 2001:db8:70::/48 via 2001:db8:2::9 metric 50", "50 changed"),
        ("route change 2001:db8:71::/48 via 2001:db8:2::9", "a change of none"),
        ("route prepend 2001:db8:70::/48 via 2001:db8:4::10 metric 50", "50 prepended"),
        ("route add blackhole 2001:db8:70::/64", "a blackhole"),
        ("route replace prohibit 2001:db8:70::/64", "forbidden"),
        ("route replace unreachable 2001:db8:70::/64", "unreachable"),
        ("route add throw 2001:db8:70::1/128", "thrown"),
        ("route del 2001:db8:70::1/128", "not thrown"),
        ("route del 2001:db8:70::/64", "without that"),
        ("route del 2001:db8:70::/48", "without the first"),
        ("route flush 2001:db8:70::/48", "flushed"),
        ("route add 2001:db8:70::/48 via 2001:db8:77::1", "a gateway out of reach"),
        (
            "route add 2001:db8:70::/48 via 2001:db8:77::1 dev wan onlink",
            "a gateway declared on the link",
        ),
        ("route add 2001:db8:70::/48 via 2001:db8:2::1", "the router itself as its gateway"),
        ("route add 2001:db8:70::/48 via fe80::9", "a link-local gateway on no link"),
        ("route replace 2001:db8:70::/48 via fe80::9 dev wan", "a link-local gateway"),
        ("route add 2001:db8:70::/48 via ff02::9 dev wan", "a group for a gateway"),
        ("route add 2001:db8:70::1/48 dev wan", "host bits"),
        ("route add 2001:db8:70::/129 dev wan", "too long a prefix"),
        ("route add local 2001:db8:70::1/128 dev lo", "the router's own"),
        ("route add anycast 2001:db8:70::2/128 dev lan", "an anycast address"),
        ("route del local 2001:db8:70::1/128", "no longer its own"),
        ("route add 2001:db8:70::/48 dev lan metric 3", "on the lan"),
        ("route del 2001:db8:70::/48 dev lan", "no longer on the lan"),
        ("route add 2001:db8:70::/48 via inet6 2001:db8:2::9 metric 7 pref high", "preferred"),
        ("route add 2001:db8:70::/48 via 2001:db8:3::10 metric 7 pref low", "less preferred"),
        ("route del 2001:db8:70::/48 metric 7", "neither"),
    ] {
        f.ip_says(format!("-6 {words}"), "?");
        if then != "on the lan" {
            let from = f.steps.len();
            f.probes6(then, there);
            if SIBLINGS.contains(&then) {
                f.either_way(from);
            }
        }
        f.ip_says("-6 route show 2001:db8:70::/48", "?");
    }
    for words in [
        "route get 2001:db8:9::1",
        "route get 2001:db8:9:1:8000::1",
        "route get 2001:db8:9::1 from 2001:db8:1::10 iif lan",
        "route get 2001:db8:1::1",
        "route get 2001:db8:1::10",
        "route get fe80::9 dev wan",
        "route get ff02::1 dev wan",
        "route get 2001:db8:20::1",
        "route get 2001:db8:21::1",
        "route get 2001:db8:22::1",
        "route get 2001:db8:23::1",
        "route get 2001:db8:99::1",
        "route get 2001:db8:30::1",
        "route get ::1",
        "route show",
        "route show table local",
        "route show 2001:db8:9::/48",
        "route show root 2001:db8:9::/48",
        "route show match 2001:db8:9:1::1",
        "route show exact 2001:db8:9:1::/64",
        "route show dev wan",
        "route show type unreachable",
        "route show proto static",
        "route show via 2001:db8:2::9",
        "rule show",
        "neigh show dev dmz",
    ] {
        f.ip_says(format!("-6 {words}"), "?");
    }
    f
}

/// What is the router's own for a time, and otherwise a host's on the lan.
const OWN: [&str; 9] = [
    "2001:db8:70::1",
    "2001:db8:70::2",
    "2001:db8:70::3",
    "2001:db8:70::5",
    "2001:db8:70::7",
    "2001:db8:71::1",
    "2001:db8:1::",
    "2001:db8:72::1",
    "2001:db8:3::1",
];

/// Addresses come and go.
pub(crate) fn addresses() -> Family {
    let mut f = Family::six("six-addresses");
    for own in OWN {
        f.topology.neighbour(ip6(own), "lan");
    }
    // For a time it is one of the two that a link of the dmz has room for.
    f.topology.neighbour(ip6("2001:db8:70::3"), "dmz");
    let mut seen_second = false;
    let ping = |dst| Ip6::new(LAN6_HOST, dst).echo(1, 1, b"x");
    for (words, then) in [
        ("addr add 2001:db8:70::1/64 dev lan nodad", "another net"),
        ("addr add 2001:db8:70::1/64 dev lan nodad", "the same again"),
        ("addr add 2001:db8:70::1/128 dev lan nodad", "the same, longer"),
        ("addr add 2001:db8:70::2/127 dev dmz nodad", "two of two"),
        ("addr add 2001:db8:70::5/128 dev lo nodad", "of its own"),
        ("addr add 2001:db8:70::7/64 dev lan nodad noprefixroute", "without a route"),
        ("addr del 2001:db8:70::1/64 dev lan", "the net gone"),
        ("addr del 2001:db8:70::1/64 dev lan", "and gone again"),
        ("addr add 2001:db8:71::1/64 dev lan nodad preferred_lft 0", "deprecated"),
        ("addr add fe80::55/64 dev lan nodad", "link-local"),
        ("addr del fe80::77:ff:fe00:1/64 dev lan", "the first link-local gone"),
        ("addr add ::/64 dev lan", "none"),
        ("addr add ff02::5/64 dev lan", "a group"),
        ("addr add ::1/128 dev lan", "loopback"),
        ("addr add 2001:db8:72::1 peer 2001:db8:72::2/128 dev lan nodad", "a peer"),
        ("addr add 2001:db8:73::/64 dev lan nodad anycast", "anycast"),
        ("addr flush dev dmz", "flushed"),
    ] {
        f.ip_says(format!("-6 {words}"), "?");
        // Linux takes an address for its own some time after it says so.
        f.settle(std::time::Duration::from_millis(60));
        for dst in OWN {
            let name = format!("{then}: ping {dst}, time {}", f.steps.len());
            f.wan6(name, &Ip6::new(WAN6_HOST, ip6(dst)).echo(1, 1, b"x"), "?");
        }
        for dst in ["fe80::77:ff:fe00:1", "fe80::55"] {
            // Before it is the router's it would be another host's, and cause redirects.
            if dst != "fe80::55" || seen_second {
                f.lan6(format!("{then}: ping {dst}"), &ping(ip6(dst)), "?");
            }
            seen_second |= words.contains("fe80::55");
        }
    }
    f
}

/// Rules.
pub(crate) fn rules() -> Family {
    let mut f = Family::six("six-rules");
    for (table, gateway) in [("101", "2001:db8:3::10"), ("102", "2001:db8:4::10")] {
        f.ip(format!("-6 route add 2001:db8:9::/48 via {gateway} table {table}"));
    }
    f.ip("-6 route add 2001:db8:9::/48 via 2001:db8:3::10 table 103");
    f.ip("-6 route add throw 2001:db8:9::/64 table 103");
    f.ip("-6 route add default via 2001:db8:3::10 table 104");
    let far = ip6("2001:db8:9::1");
    f.probes6("no rule", far);
    for words in [
        "from 2001:db8:1::10 table 101",
        "from 2001:db8:1::/64 table 102",
        "to 2001:db8:9::/48 table 101",
        "to 2001:db8:8::/48 table 101",
        "iif lan table 101",
        "iif wan table 101",
        "iif nothere table 101",
        "not from 2001:db8:1::10 table 101",
        "from 2001:db8:1::/64 iif lan to 2001:db8:9::1 table 102",
        "ipproto udp table 101",
        "ipproto tcp table 101",
        "sport 1000 table 101",
        "dport 2000-2001 table 101",
        "dport 53 table 101",
        "tos 0x10 table 101",
        "dsfield 0x10 table 101",
        "table 103",
        "table 200",
        "table 104 suppress_prefixlength 0",
        "table 101 suppress_prefixlength 48",
        "table 101 suppress_prefixlength 47",
        "table main suppress_prefixlength 0",
        "blackhole",
        "unreachable",
        "prohibit",
        "from 2001:db8:1::10 blackhole",
        "iif lan prohibit",
        "nop",
        "goto 32000",
        "from ::/0 iif lan unreachable",
        "from all to 2001:db8:9::/64 ipproto icmp table 101",
        "from all to 2001:db8:9::/64 ipproto ipv6-icmp table 101",
        "l3mdev",
        "fwmark 1 table 101",
        "oif wan table 101",
    ] {
        f.ip_says(format!("-6 rule add pref 1000 {words}"), "?");
        f.probes6(words, far);
        let echo = Ip6::new(LAN6_HOST, far).echo(1, 1, b"x");
        f.lan6(format!("{words}: echo"), &echo, "?");
        let class = udp(LAN6_HOST, far).class(0x10);
        f.lan6(format!("{words}: class 0x10"), &class, "?");
        let piece =
            Ip6::new(LAN6_HOST, far).udp(1000, 2000, &filler(80)).fragment(1, 64, 24, false);
        f.lan6(format!("{words}: a later piece"), &piece, "?");
        let behind = udp(LAN6_HOST, far).dst_options(&[]);
        f.lan6(format!("{words}: behind options"), &behind, "?");
        f.lan6(format!("{words}: the router"), &Ip6::new(LAN6_HOST, LAN6).echo(1, 1, b"x"), "?");
        f.ip_says("-6 rule show pref 1000", "?");
        f.ip_says("-6 rule del pref 1000", "?");
    }
    f.probes6("no rule again", far);
    f
}

/// Several next hops.
pub(crate) fn several() -> Family {
    let mut f = Family::six("six-multipath");
    let flow = |n: u16| udp(LAN6_HOST, Ipv6Addr::new(0x2001, 0xdb8, 0x70, n, 0, 0, 0, 1));
    let either = "wan: udp6 or dmz: udp6";
    let flows = |f: &mut Family, when: &str, expect: &str| {
        for n in 0..12 {
            f.lan6(format!("{when}: flow {n}"), &flow(n), expect);
            f.lan6(format!("{when}: flow {n} again"), &flow(n), expect);
        }
    };
    f.ip("-6 route add 2001:db8:70::/48 nexthop via 2001:db8:2::9 nexthop via 2001:db8:3::10");
    f.ip_says("-6 route show 2001:db8:70::/48", "?");
    flows(&mut f, "two", either);
    f.ip("-6 route del 2001:db8:70::/48 via 2001:db8:2::9");
    flows(&mut f, "one of two", BY_DMZ);
    f.ip("-6 route append 2001:db8:70::/48 via 2001:db8:2::9");
    f.ip_says("-6 route show 2001:db8:70::/48", "?");
    flows(&mut f, "one added", either);
    f.ip("-6 route replace 2001:db8:70::/48 nexthop via 2001:db8:2::9 weight 3 nexthop via 2001:db8:4::10");
    f.ip_says("-6 route show 2001:db8:70::/48", "?");
    flows(&mut f, "on the wan and on its VLAN", "wan: udp6 or wan: vlan 10 udp6");
    f.ip("-6 route replace 2001:db8:70::/48 via 2001:db8:4::10");
    flows(&mut f, "one in the place of two", BY_VLAN);
    f.ip("link set dmz down");
    f.ip("-6 route replace 2001:db8:70::/48 via 2001:db8:2::9");
    flows(&mut f, "a link down", BY_WAN);
    f
}

/// Next-hop objects.
pub(crate) fn objects() -> Family {
    let mut f = Family::six("six-objects");
    for line in [
        "nexthop add id 1 via 2001:db8:2::9 dev wan",
        "nexthop add id 2 via 2001:db8:3::10 dev dmz",
        "nexthop add id 3 via fe80::10 dev wan",
        "nexthop add id 4 blackhole",
        "-6 nexthop add id 5 dev wan",
        "-6 nexthop add id 6 blackhole",
        "nexthop add id 7 via 192.0.2.9 dev wan",
    ] {
        f.ip_says(line, "?");
    }
    let there = ip6("2001:db8:70::1");
    f.ip_says("-6 route add 2001:db8:70::/48 nhid 77", "?");
    for id in [1, 2, 3, 4, 6, 7] {
        f.ip_says(format!("-6 route replace 2001:db8:70::/48 nhid {id}"), "?");
        f.probes6(&format!("by object {id}"), there);
        f.ip_says("-6 route show 2001:db8:70::/48", "?");
    }
    f.ip("-6 route replace 2001:db8:70::/48 nhid 1");
    f.ip_says("nexthop replace id 1 via 2001:db8:3::10 dev dmz", "?");
    f.probes6("replaced", there);
    f.ip_says("nexthop replace id 1 blackhole", "?");
    f.probes6("replaced by a blackhole", there);
    f.ip_says("nexthop replace id 1 via 192.0.2.9 dev wan", "?");
    f.probes6("replaced by one of IPv4", there);
    f.ip_says("nexthop del id 1", "?");
    f.probes6("deleted", there);
    f.ip_says("nexthop add id 1 via 2001:db8:2::9 dev wan", "?");
    f.ip_says("nexthop add id 10 group 1/2", "?");
    f.ip_says("-6 route add 2001:db8:70::/48 nhid 10", "?");
    f.lan6("by a group", &udp(LAN6_HOST, there), "wan: udp6 or dmz: udp6");
    f.ip_says("nexthop del id 1", "?");
    f.probes6("a member gone", there);
    f.ip_says("-6 route show 2001:db8:70::/48", "?");
    f.ip_says("route add 10.80.0.0/16 nhid 2", "?");
    f.ip_says("nexthop add id 11 group 7", "?");
    f.ip_says("-6 route add 2001:db8:71::/48 nhid 11", "?");
    f.ip_says("nexthop add id 12 group 2/7", "?");
    f.ip_says("-6 route add 2001:db8:71::/48 nhid 12", "?");
    f.ip_says("nexthop add id 13 group 6", "?");
    f.ip_says("-6 route add 2001:db8:71::/48 nhid 13", "?");
    f.ip_says("-6 route show 2001:db8:71::/48", "?");
    f.ip_says("nexthop replace id 13 group 4", "?");
    f.ip_says("nexthop replace id 13 group 3", "?");
    f.ip_says("-6 route show 2001:db8:71::/48 dev wan", "?");
    f.ip_says("-6 route show 2001:db8:71::/48", "?");
    f.ip_says("nexthop show", "?");
    f.ip_says("-6 nexthop show", "?");
    f.ip_says("-4 nexthop show", "?");
    f.ip_says("-6 nexthop show id 2", "?");
    f.ip_says("-6 nexthop show groups", "?");
    f.ip_says("nexthop flush", "?");
    f.probes6("all gone", there);
    f
}

/// Links down and up.
pub(crate) fn links() -> Family {
    let mut f = Family::six("six-links");
    let check = |f: &mut Family, when: &str| {
        f.lan6(format!("{when}: through"), &udp(LAN6_HOST, ip6("2001:db8:9::1")), "?");
        f.lan6(format!("{when}: to the link"), &udp(LAN6_HOST, WAN6_HOST), "?");
        f.lan6(format!("{when}: to its address"), &Ip6::new(LAN6_HOST, WAN6).echo(1, 1, b"x"), "?");
        f.lan6(format!("{when}: to the dmz"), &udp(LAN6_HOST, DMZ6_HOST), "?");
        f.lan6(
            format!("{when}: to the dmz's address"),
            &Ip6::new(LAN6_HOST, DMZ6).echo(1, 1, b"x"),
            "?",
        );
        f.ip_says("-6 route show dev wan", "?");
    };
    check(&mut f, "before");
    f.ip("link set wan down");
    check(&mut f, "down");
    f
}
