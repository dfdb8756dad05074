//! Routes of every type and scope, preferred sources, metrics, and what `ip route get` tells of them:
//! [5.30] to [5.45], [5.50] to [5.56].

use std::net::Ipv4Addr;

use super::Family;
use crate::common::frame::{DF, Ip, filler};
use crate::topology::{CROWD, FAR_HOST, LAN, LAN_HOST, WAN_HOST, colons, mac_of};

pub(crate) fn family() -> Family {
    let mut f = Family::new("kinds");
    let neighbours = [([10, 71, 0, 9], "wan"), ([172, 20, 0, 9], "dmz"), ([10, 73, 0, 1], "dmz")];
    for (host, port) in neighbours {
        let mac = colons(mac_of(Ipv4Addr::from(host)));
        let words = format!("neigh replace {} lladdr {mac} dev {port}", Ipv4Addr::from(host));
        f.topology = f.topology.command(words);
    }
    let udp = |dst: [u8; 4]| Ip::new(LAN_HOST, dst.into()).udp(1, 2, b"kind");
    let ping = |dst: [u8; 4]| Ip::new(LAN_HOST, dst.into()).echo(1, 1, b"kind");

    // The router's own by a route.
    f.ip("route add local 10.70.0.0/24 dev lan");
    f.lan("ping to a local network", &ping([10, 70, 0, 77]), "lan: icmp 0/0");
    f.lan("UDP to a local network", &udp([10, 70, 0, 78]), "lan: icmp 3/3");
    f.wan(
        "ping to a local network by the wan",
        &Ip::new(WAN_HOST, [10, 70, 0, 1].into()).echo(1, 1, b""),
        "wan: icmp 0/0",
    );
    f.wan(
        "from a local network",
        &Ip::new([10, 70, 0, 1].into(), LAN_HOST).udp(1, 2, b""),
        "nothing",
    );
    f.wan(
        "from a broadcast address, with local routes",
        &Ip::new([10, 1, 0, 255].into(), LAN_HOST).udp(1, 2, b""),
        "nothing",
    );
    f.ip_says("route show table local 10.70.0.0/24", "says local 10.70.0.0/24 dev lan");
    f.ip("route del local 10.70.0.0/24 dev lan");
    f.lan("ping to a network that was local", &ping([10, 70, 0, 77]), "lan: icmp 3/0");
    f.ip("route add local 10.9.0.77 dev lan");
    f.lan("ping to a local host in a routed network", &ping([10, 9, 0, 77]), "lan: icmp 0/0");
    f.lan("UDP beside it", &udp([10, 9, 0, 78]), "wan: udp");
    f.ip("route add 10.9.0.77 via 198.51.100.10");
    f.lan("ping, and a route in main", &ping([10, 9, 0, 77]), "lan: icmp 0/0");
    f.ip("route del local 10.9.0.77");
    f.lan("ping by the route in main", &ping([10, 9, 0, 77]), "dmz: icmp 8/0");
    f.ip("route del 10.9.0.77");

    // Broadcast, anycast and multicast by hand.
    f.ip("route add broadcast 10.71.0.255 dev wan");
    f.lan("UDP to a broadcast address by hand", &udp([10, 71, 0, 255]), "nothing");
    f.lan("ping to a broadcast address by hand", &ping([10, 71, 0, 255]), "nothing");
    f.ip_says("route show table local 10.71.0.255", "says broadcast 10.71.0.255 dev wan");
    f.ip("route del broadcast 10.71.0.255 dev wan");
    f.lan("UDP to an address that was broadcast", &udp([10, 71, 0, 255]), "lan: icmp 3/0");
    f.ip("route add anycast 10.71.0.9 dev wan");
    f.lan("UDP to an anycast address", &udp([10, 71, 0, 9]), "nothing");
    f.lan("ping to an anycast address", &ping([10, 71, 0, 9]), "nothing");
    f.ip_says("route show table local 10.71.0.9", "says anycast 10.71.0.9 dev wan");
    f.ip("route del anycast 10.71.0.9 dev wan");
    f.ip("route add multicast 239.1.0.0/16 dev wan");
    f.ip_says("route show 239.1.0.0/16", "says multicast 239.1.0.0/16 dev wan");
    f.lan("UDP to a group with a route", &udp([239, 1, 1, 1]), "nothing");
    f.ip("route del multicast 239.1.0.0/16");

    // Throw, prohibit, unreachable, blackhole come and go.
    let senders = CROWD.map(|host| Ipv4Addr::new(10, 1, 0, host));
    for (sender, (kind, answer)) in senders.zip([
        ("throw", "lan: icmp 3/0"),
        ("prohibit", "lan: icmp 3/13"),
        ("unreachable", "lan: icmp 3/1"),
        ("blackhole", "nothing"),
    ]) {
        let udp = |n: u16| Ip::new(sender, [10, 9, 7, 7].into()).udp(n, 2, b"kind");
        f.lan(format!("before {kind}"), &udp(1), "wan: udp");
        f.ip(format!("route add {kind} 10.9.7.0/24"));
        f.lan(format!("with {kind}"), &udp(2), answer);
        f.ip_says("route show 10.9.7.0/24", format!("says {kind} 10.9.7.0/24"));
        f.ip_says(format!("route add {kind} 10.9.7.0/24"), "RTNETLINK answers: File exists");
        f.ip("route add 10.9.7.7 via 198.51.100.10");
        f.lan(format!("with a host route in {kind}"), &udp(3), "dmz: udp");
        f.ip("route del 10.9.7.7");
        f.ip("route add 10.9.7.0/24 via 192.0.2.10 metric 5");
        f.lan(format!("with {kind} before another"), &udp(4), answer);
        f.ip(format!("route del {kind} 10.9.7.0/24"));
        f.lan(format!("with {kind} gone"), &udp(5), "wan: udp");
        f.ip("route del 10.9.7.0/24");
        f.lan(format!("after {kind}"), &udp(6), "wan: udp");
    }

    // Preferred sources, asked for by `get` and seen in errors.
    f.ip("route add 10.72.0.0/24 via 192.0.2.9 src 10.1.0.2");
    f.ip_says("route get 10.72.0.1", "says src 10.1.0.2");
    f.wan(
        "an error to a host whose route has a source",
        &Ip::new([10, 72, 0, 1].into(), LAN_HOST).ttl(1).udp(1, 2, b""),
        "wan: icmp 11/0",
    );
    f.ip("route replace 10.72.0.0/24 via 192.0.2.9 src 198.51.100.1");
    f.wan(
        "an error to a host whose route has another source",
        &Ip::new([10, 72, 0, 1].into(), LAN_HOST).ttl(1).udp(2, 2, b""),
        "wan: icmp 11/0",
    );
    f.ip_says(
        "route add 10.72.1.0/24 via 192.0.2.9 src 10.1.0.99",
        "Error: Invalid prefsrc address.",
    );
    f.ip("route replace 10.72.0.0/24 via 192.0.2.9");
    f.ip_says("route get 10.72.0.1", "says src 192.0.2.1");
    f.ip("addr add 192.0.2.7/24 dev wan");
    f.ip("route replace 10.72.0.0/24 via 192.0.2.9 src 192.0.2.7");
    f.ip_says("route get 10.72.0.1", "says src 192.0.2.7");
    f.ip("addr del 192.0.2.7/24 dev wan");
    f.ip_says("route show 10.72.0.0/24", "done");
    f.lan("a route whose source is gone is gone", &udp([10, 72, 0, 1]), "lan: icmp 3/0");

    // Gateways that are not on a link, unless it is said that they are.
    f.ip_says("route add 10.73.0.0/24 via 172.20.0.9", "Error: Nexthop has invalid gateway.");
    f.ip_says(
        "route add 10.73.0.0/24 via 172.20.0.9 dev dmz",
        "Error: Nexthop has invalid gateway.",
    );
    f.ip_says("route add 10.73.0.0/24 via 10.9.0.1", "Error: Nexthop has invalid gateway.");
    f.ip("route add 10.77.0.0/24 via 192.0.2.1");
    f.ip_says("route show 10.77.0.0/24", "says via 192.0.2.1 dev wan");
    f.ip("route del 10.77.0.0/24");
    f.ip("route add 10.73.0.0/24 via 172.20.0.9 dev dmz onlink");
    f.lan("by a gateway that is said to be on the link", &udp([10, 73, 0, 1]), "dmz: udp");
    f.leads_to([172, 20, 0, 9]);
    f.ip_says("route show 10.73.0.0/24", "says onlink");
    f.ip("route replace 10.73.0.0/24 dev dmz");
    f.lan("straight to the host", &udp([10, 73, 0, 1]), "dmz: udp");
    f.leads_to([10, 73, 0, 1]);
    f.ip("route add 172.20.0.0/16 dev dmz");
    f.ip("route replace 10.73.0.0/24 via 172.20.0.9");
    f.lan("by a gateway on the link by a route", &udp([10, 73, 0, 1]), "dmz: udp");
    f.leads_to([172, 20, 0, 9]);
    f.ip("route del 172.20.0.0/16");
    f.lan("even when that route is gone", &udp([10, 73, 0, 1]), "dmz: udp");
    f.ip_says("route add 10.74.0.0/24 dev wan scope host", "done");
    f.ip_says("route show 10.74.0.0/24", "says scope host");
    f.ip_says(
        "route add 10.75.0.0/24 via 192.0.2.9 scope link",
        "Error: Nexthop has invalid gateway.",
    );

    // Metrics that are kept, shown and obeyed.
    f.ip("route add 10.76.0.0/24 via 192.0.2.9 mtu 1200 advmss 1100 hoplimit 33 window 20000 rtt 5ms initcwnd 35 initrwnd 20 quickack 1");
    f.ip_says(
        "route show 10.76.0.0/24",
        "says mtu 1200 window 20000 rtt 5ms advmss 1100 hoplimit 33",
    );
    f.ip_says("route get 10.76.0.1", "says mtu 1200 window 20000 rtt 5ms advmss 1100 hoplimit 33");
    f.lan(
        "too long for the MTU of the route",
        &Ip::new(LAN_HOST, [10, 76, 0, 1].into()).flags(DF).udp(1, 2, &filler(1200)),
        "lan: icmp 3/4 mtu 1200",
    );
    f.wan(
        "an answer with the hop limit of the route",
        &Ip::new([10, 76, 0, 1].into(), LAN).echo(1, 1, b"hops"),
        "wan: icmp 0/0",
    );
    f.wan(
        "an error with the hop limit of the route",
        &Ip::new([10, 76, 0, 1].into(), LAN_HOST).ttl(1).udp(1, 2, b""),
        "wan: icmp 11/0",
    );
    f.wan(
        "a long answer in pieces of the route's MTU",
        &Ip::new([10, 76, 0, 1].into(), LAN).echo(1, 1, &filler(1400)),
        "wan: frag 0+1176 more, frag 1176+232",
    );
    f.ip("route replace 10.76.0.0/24 via 192.0.2.9 mtu lock 1100");
    f.ip_says("route show 10.76.0.0/24", "says mtu lock 1100");
    f.lan(
        "too long for the locked MTU of the route",
        &Ip::new(LAN_HOST, [10, 76, 0, 1].into()).flags(DF).udp(1, 2, &filler(1200)),
        "lan: icmp 3/4 mtu 1100",
    );
    let reply = Ip::new(LAN, [10, 76, 0, 1].into()).icmp(0, 0, &filler(1400));
    f.wan(
        "a locked MTU is not lowered",
        &Ip::new([10, 76, 0, 1].into(), LAN).icmp_error(3, 4, 700, &reply, 8),
        "nothing",
    );
    f.wan(
        "so the answer comes in pieces of it",
        &Ip::new([10, 76, 0, 1].into(), LAN).echo(1, 1, &filler(1400)),
        "wan: frag 0+1080 more, frag 1080+328",
    );
    f.ip("route replace 10.76.0.0/24 via 192.0.2.9");
    f.wan(
        "without metrics, with the router's own hop limit",
        &Ip::new([10, 76, 0, 1].into(), LAN).echo(1, 1, b"hops"),
        "wan: icmp 0/0",
    );

    for (words, says) in [
        ("10.9.0.1", "says 10.9.0.1 via 192.0.2.9 dev wan src 192.0.2.1"),
        ("10.9.1.1", "says via 198.51.100.10 dev dmz"),
        ("10.9.1.200", "says via 203.0.113.10 dev wan.10"),
        ("10.1.0.10", "says 10.1.0.10 dev lan src 10.1.0.1"),
        ("10.1.0.1", "says local 10.1.0.1 dev lo"),
        ("10.1.0.255", "says broadcast 10.1.0.255 dev lan"),
        ("10.20.0.1", "RTNETLINK answers: No route to host"),
        ("10.21.0.1", "RTNETLINK answers: Permission denied"),
        ("10.22.0.1", "RTNETLINK answers: Invalid argument"),
        ("10.23.0.1", "RTNETLINK answers: Network is unreachable"),
        ("172.31.0.1", "RTNETLINK answers: Network is unreachable"),
        ("10.9.0.1 from 10.1.0.10 iif lan", "says 10.9.0.1 from 10.1.0.10 via 192.0.2.9 dev wan"),
        ("10.1.0.1 from 10.1.0.10 iif lan", "says local 10.1.0.1 from 10.1.0.10 dev lo"),
        ("10.9.0.1 from 10.1.0.2", "says 10.9.0.1 from 10.1.0.2 via 192.0.2.9 dev wan"),
        ("10.9.0.1 oif wan", "says via 192.0.2.9 dev wan"),
        ("fibmatch 10.9.0.1", "says 10.9.0.0/16 via 192.0.2.9 dev wan"),
        ("fibmatch 10.9.1.130", "says 10.9.1.128/25 via 192.0.2.10 dev wan"),
    ] {
        f.ip_says(format!("route get {words}"), says);
    }
    f.wan("and everything else as before", &Ip::new(FAR_HOST, LAN_HOST).udp(1, 2, b""), "lan: udp");
    f
}
