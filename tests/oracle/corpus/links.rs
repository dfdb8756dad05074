//! Links and next hops that fail and come back: [5.62] to [5.64], [6.138], and what `ip route show`
//! says meanwhile.

use super::Family;
use crate::common::frame::Ip;
use crate::topology::{DMZ_HOST, FAR_HOST, LAN_HOST, SENTINELS, WAN_GATEWAY, colons, mac_of};

const EITHER: &str = "wan: udp or dmz: udp";

/// Routes by the dmz alone, by it and the wan, with it as first and as second choice.
fn with_routes(name: &'static str, ignore: &str) -> Family {
    let mut f = Family::new(name);
    f.topology = f
        .topology
        .sysctl("net.ipv4.conf.all.ignore_routes_with_linkdown", ignore)
        .sysctl("net.ipv4.conf.default.ignore_routes_with_linkdown", ignore)
        .command("route add 10.90.0.0/16 nexthop via 192.0.2.9 nexthop via 198.51.100.10 weight 2")
        .command("route add 10.91.0.0/16 via 198.51.100.10 metric 1")
        .command("route add 10.91.0.0/16 via 192.0.2.9 metric 2")
        .command("route add 10.92.0.0/16 via 192.0.2.9 metric 1")
        .command("route add 10.92.0.0/16 via 198.51.100.10 metric 2")
        .command("route add 10.93.0.0/16 via 198.51.100.10")
        .command("route add 10.94.0.0/16 dev dmz")
        .command("route add 10.95.0.0/16 nexthop via 198.51.100.10 nexthop via 198.51.100.11")
        .command("route add default via 203.0.113.10");
    f
}

/// Flows to each of these networks.
fn flows(f: &mut Family, when: &str, expects: [&str; 7]) {
    let [shared, first, second, only, link, both, own] = expects;
    for n in 0..6 {
        let flow = Ip::new(LAN_HOST, [10, 90, n, 1].into()).udp(1, 2, b"flow");
        f.lan(format!("{when}: shared, flow {n}"), &flow, shared);
        f.lan(format!("{when}: shared, flow {n} again"), &flow, shared);
    }
    let to = |net: u8| Ip::new(LAN_HOST, [10, net, 0, 1].into()).udp(1, 2, b"flow");
    f.lan(format!("{when}: dmz first"), &to(91), first);
    f.lan(format!("{when}: dmz second"), &to(92), second);
    f.lan(format!("{when}: dmz only"), &to(93), only);
    f.lan(format!("{when}: on the dmz link"), &to(94), link);
    f.lan(format!("{when}: two gateways on the dmz"), &to(95), both);
    f.lan(format!("{when}: dmz host"), &Ip::new(LAN_HOST, DMZ_HOST).udp(1, 2, b""), own);
    f.wan(
        format!("{when}: to the router's dmz address"),
        &Ip::new(FAR_HOST, crate::topology::DMZ).echo(1, 1, b""),
        "wan: icmp 0/0",
    );
}

fn show(f: &mut Family, says: &str) {
    f.ip_says("route show", says);
    f.ip_says("route show 10.90.0.0/16", "says ");
    f.ip_says("route show dev dmz", "says ");
    f.ip_says("route show table local dev dmz", "says local 198.51.100.1");
}

/// The dmz's neighbours, which a link that goes down takes along.
fn neighbours(f: &mut Family) {
    for host in [DMZ_HOST, [198, 51, 100, 11].into(), [10, 94, 0, 1].into(), SENTINELS[2].0] {
        f.ip(format!("neigh replace {host} lladdr {} dev dmz", colons(mac_of(host))));
    }
}

/// By either of two gateways on the dmz.
const EITHER_THERE: &str = "dmz: udp or dmz: udp";

const HEALTHY: [&str; 7] =
    [EITHER, "dmz: udp", "wan: udp", "dmz: udp", "dmz: udp", EITHER_THERE, "dmz: udp"];
const DEFAULT: &str = "wan: vlan 10 udp";

/// The dmz is switched off and on.
pub(crate) fn switched() -> Family {
    let mut f = with_routes("links-switched", "0");
    neighbours(&mut f);
    show(&mut f, "says 10.93.0.0/16 via 198.51.100.10 dev dmz");
    flows(&mut f, "up", HEALTHY);
    f.ip("link set dmz down");
    f.ip_says("route show", "says nexthop via 198.51.100.10 dev dmz weight 2 dead");
    f.ip_says("route show 10.90.0.0/16", "says ");
    f.ip_says("route show dev dmz", "says ");
    f.ip_says("route show table local dev dmz", "says local 198.51.100.1");
    let by_default = ["wan: udp", "wan: udp", "wan: udp", DEFAULT, DEFAULT, DEFAULT, DEFAULT];
    flows(&mut f, "down", by_default);
    f.ip("link set dmz up");
    show(&mut f, "says 198.51.100.0/24 dev dmz proto kernel scope link src 198.51.100.1");
    neighbours(&mut f);
    flows(
        &mut f,
        "up again",
        [EITHER, "wan: udp", "wan: udp", DEFAULT, DEFAULT, DEFAULT, "dmz: udp"],
    );
    f.ip("route add 10.93.0.0/16 via 198.51.100.10");
    f.ip_says("route show 10.93.0.0/16", "says dev dmz");
    f.lan(
        "a route made anew",
        &Ip::new(LAN_HOST, [10, 93, 0, 1].into()).udp(1, 2, b""),
        "dmz: udp",
    );
    f.ip("link set dmz down");
    f.ip_says("route add 10.96.0.0/16 via 198.51.100.10", "Error: Nexthop has invalid gateway.");
    f.ip_says("route add 10.96.0.0/16 dev dmz", "Error: Device for nexthop is not up.");
    f.ip("link set dmz up");
    neighbours(&mut f);
    f.lan(
        "the link serves its own network",
        &Ip::new(LAN_HOST, DMZ_HOST).udp(2, 2, b""),
        "dmz: udp",
    );
    f
}

/// The dmz's cable is pulled and plugged in, and nothing else is done.
fn unplugged(name: &'static str, ignore: bool) -> Family {
    let mut f = with_routes(name, if ignore { "1" } else { "0" });
    neighbours(&mut f);
    show(&mut f, "says 10.93.0.0/16 via 198.51.100.10 dev dmz");
    flows(&mut f, "plugged in", HEALTHY);
    f.ip("link set dmz carrier off");
    let flags = if ignore { "dead linkdown" } else { "linkdown" };
    show(&mut f, &format!("says 10.93.0.0/16 via 198.51.100.10 dev dmz {flags}"));
    // A packet for a dead link is lost there; only whether it is sent there can be seen.
    if ignore {
        flows(
            &mut f,
            "unplugged",
            ["wan: udp", "wan: udp", "wan: udp", DEFAULT, DEFAULT, DEFAULT, DEFAULT],
        );
        f.ip_says("route get 10.93.0.1", "says via 203.0.113.10");
    } else {
        f.ip_says("route get 10.93.0.1", "says via 198.51.100.10 dev dmz");
        f.lan("the wan still serves", &Ip::new(LAN_HOST, FAR_HOST).udp(1, 2, b""), "wan: udp");
    }
    f.ip("link set dmz carrier on");
    show(&mut f, "says 10.93.0.0/16 via 198.51.100.10 dev dmz");
    neighbours(&mut f);
    flows(&mut f, "plugged in again", HEALTHY);
    f.ip("link set dmz carrier off");
    f.ip("route replace 10.92.0.0/16 via 198.51.100.10 metric 1");
    f.ip_says("route show 10.92.0.0/16", format!("says dev dmz metric 1 {flags}"));
    f.ip("link set dmz carrier on");
    neighbours(&mut f);
    f.lan(
        "a route made while unplugged",
        &Ip::new(LAN_HOST, [10, 92, 0, 1].into()).udp(1, 2, b""),
        "dmz: udp",
    );
    f
}

/// Routes by a link without carrier are used all the same.
pub(crate) fn carrier() -> Family {
    unplugged("links-unplugged", false)
}

/// They are not where this is said.
pub(crate) fn carrier_counts() -> Family {
    unplugged("links-unplugged-count", true)
}

/// A gateway that is no neighbour any more.
pub(crate) fn gateways() -> Family {
    let mut f = with_routes("links-gateways", "0");
    neighbours(&mut f);
    flows(&mut f, "all there", HEALTHY);
    f.ip("neigh replace 192.0.2.9 lladdr 02:aa:00:00:00:99 dev wan");
    let moved = Ip::new(LAN_HOST, FAR_HOST).udp(1, 2, b"moved");
    f.lan("the gateway has another address", &moved, "wan: udp");
    f.ip(format!("neigh replace 192.0.2.9 lladdr {} dev wan", colons(mac_of(WAN_GATEWAY))));
    f.lan("and its old one again", &moved, "wan: udp");
    f.leads_to(WAN_GATEWAY);
    f.ip("route replace 10.90.0.0/16 via 192.0.2.9");
    flows(
        &mut f,
        "one next hop less",
        ["wan: udp", "dmz: udp", "wan: udp", "dmz: udp", "dmz: udp", EITHER_THERE, "dmz: udp"],
    );
    f.ip("route change 10.90.0.0/16 nexthop via 198.51.100.10 nexthop via 192.0.2.9");
    flows(&mut f, "and back", HEALTHY);
    f.ip_says("route show 10.90.0.0/16", "says nexthop via 192.0.2.9 dev wan weight 1");
    f.ip_says(
        "route add 10.97.0.0/16 nexthop via 192.0.2.9 nexthop via 172.31.0.1",
        "Error: Nexthop has invalid gateway.",
    );
    f.ip_says("route del 10.90.0.0/16 nexthop via 192.0.2.9", "says ");
    f.ip("route replace 10.90.0.0/16 nexthop via 198.51.100.10 weight 3 nexthop via 192.0.2.9 weight 5");
    f.ip("route del 10.90.0.0/16 via 198.51.100.10");
    f.ip_says("route show 10.90.0.0/16", "done");
    f
}
