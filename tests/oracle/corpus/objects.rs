//! Next-hop objects and several next hops: routes through objects, groups, blackholes, resilient
//! groups, and what becomes of routes when objects change or go: [6.133] to [6.142].

use super::Family;
use crate::common::frame::Ip;
use crate::topology::{DMZ_HOST, LAN_HOST, SENTINELS, colons, mac_of};

const BY_WAN: &str = "wan: udp";
const BY_DMZ: &str = "dmz: udp";
const BY_VLAN: &str = "wan: vlan 10 udp";
const BY_NONE: &str = "lan: icmp 3/0";

pub(crate) fn family() -> Family {
    let mut f = Family::new("objects");
    for line in [
        "nexthop add id 1 via 192.0.2.9 dev wan",
        "nexthop add id 2 via 198.51.100.10 dev dmz",
        "nexthop add id 3 via 203.0.113.10 dev wan.10",
        "nexthop add id 4 blackhole",
    ] {
        f.topology = f.topology.command(line);
    }
    let mut round = 0;
    let mut flows = |f: &mut Family, when: &str, expect: &str| {
        round += 1;
        // An error goes to each sender five times at most.
        for n in 0..4_u8 {
            let flow = Ip::new([10, 1, 0, 100 + round % 100].into(), [10, 80, n, 1].into());
            let flow = flow.udp(1, 2, b"flow");
            f.lan(format!("{when}: flow {n}"), &flow, expect);
            if expect.contains(" or ") {
                f.lan(format!("{when}: flow {n} again"), &flow, expect);
            }
        }
    };
    f.ip_says("nexthop show", "says id 1 via 192.0.2.9 dev wan scope link");
    f.ip_says("route add 10.80.0.0/16 nhid 77", "Error: Nexthop id does not exist.");
    f.ip("route add 10.80.0.0/16 nhid 1");
    f.ip_says("route show 10.80.0.0/16", "says nhid 1 via 192.0.2.9 dev wan");
    flows(&mut f, "one object", BY_WAN);
    f.ip("nexthop replace id 1 via 203.0.113.10 dev wan.10");
    flows(&mut f, "replaced while in use", BY_VLAN);
    f.ip_says("route show 10.80.0.0/16", "says via 203.0.113.10");
    f.ip("nexthop replace id 1 blackhole");
    flows(&mut f, "a blackhole instead", "nothing");
    f.ip_says("route show 10.80.0.0/16", "says blackhole");
    f.ip("nexthop replace id 1 via 192.0.2.9 dev wan");
    flows(&mut f, "and back", BY_WAN);
    f.ip("nexthop del id 1");
    flows(&mut f, "deleted with its route", BY_NONE);
    f.ip_says("route show 10.80.0.0/16", "done");
    f.ip_says("nexthop get id 1", "RTNETLINK answers: No such file or directory");
    f.ip("nexthop add id 1 via 192.0.2.9 dev wan");

    f.ip("nexthop add id 10 group 1/2");
    f.ip("route add 10.80.0.0/16 nhid 10");
    f.ip_says("route show 10.80.0.0/16", "says nexthop via 198.51.100.10 dev dmz weight 1");
    flows(&mut f, "a group", "wan: udp or dmz: udp");
    f.ip("nexthop replace id 10 group 1,5/3,2");
    f.ip_says("nexthop show id 10", "says id 10 group 1,5/3,2");
    flows(&mut f, "another group", "wan: udp or wan: vlan 10 udp");
    f.ip("nexthop replace id 3 via 198.51.100.10 dev dmz");
    flows(&mut f, "a member replaced", "wan: udp or dmz: udp");
    f.ip("nexthop replace id 10 group 2");
    flows(&mut f, "a group of one", BY_DMZ);
    f.ip("nexthop replace id 10 group 1/2/3");
    f.ip("nexthop del id 1");
    flows(&mut f, "a member deleted", BY_DMZ);
    f.ip_says("route show 10.80.0.0/16", "says nhid 10");
    f.ip("nexthop add id 1 via 192.0.2.9 dev wan");
    flows(&mut f, "a member that is back is none", BY_DMZ);
    f.ip("nexthop replace id 10 group 1/2");
    flows(&mut f, "until it is made one", "wan: udp or dmz: udp");
    f.ip_says("nexthop add id 11 group 1/10", "says Error");
    f.ip_says("nexthop add id 11 group 1/4", "says Error");
    f.ip_says("nexthop add id 11 group 1/99", "says Error");
    f.ip_says("nexthop replace id 10 via 192.0.2.9 dev wan", "says Error");
    f.ip_says("nexthop replace id 1 group 2", "says Error");
    f.ip_says("nexthop add id 1 via 192.0.2.10 dev wan", "RTNETLINK answers: File exists");
    f.ip_says("nexthop del id 99", "RTNETLINK answers: No such file or directory");
    flows(&mut f, "what was refused", "wan: udp or dmz: udp");

    // A link that goes takes its objects along.
    f.ip("link set dmz down");
    f.ip_says("nexthop show", "says id 10 group 1");
    flows(&mut f, "a member's link down", BY_WAN);
    f.ip("link set dmz up");
    for host in [DMZ_HOST, SENTINELS[2].0] {
        f.ip(format!("neigh replace {host} lladdr {} dev dmz", colons(mac_of(host))));
    }
    flows(&mut f, "the link up again", BY_WAN);
    f.ip_says("nexthop show", "says id 10 group 1");
    f.ip("nexthop add id 2 via 198.51.100.10 dev dmz");
    f.ip("nexthop add id 3 via 203.0.113.10 dev wan.10");
    f.ip("nexthop replace id 10 group 1/2");
    flows(&mut f, "all made anew", "wan: udp or dmz: udp");
    f.ip("link set dmz carrier off");
    f.ip_says("nexthop show", "says id 10 group 1");
    flows(&mut f, "a member's cable pulled", BY_WAN);
    f.ip("link set dmz carrier on");
    flows(&mut f, "and plugged in", BY_WAN);
    for host in [DMZ_HOST, SENTINELS[2].0] {
        f.ip(format!("neigh replace {host} lladdr {} dev dmz", colons(mac_of(host))));
    }
    f.ip("nexthop add id 2 via 198.51.100.10 dev dmz");

    // Resilient.
    f.ip("nexthop add id 20 group 1/2 type resilient buckets 8 idle_timer 120");
    f.ip("route replace 10.80.0.0/16 nhid 20");
    flows(&mut f, "a resilient group", "wan: udp or dmz: udp");
    f.ip("nexthop replace id 20 group 1/2,3 type resilient buckets 8");
    flows(&mut f, "with another weight", "wan: udp or dmz: udp");
    f.ip_says("nexthop replace id 20 group 1/2 type resilient buckets 16", "says Error");
    f.ip("nexthop del id 1");
    flows(&mut f, "a resilient group that lost one", BY_DMZ);
    f.ip("nexthop del id 2");
    flows(&mut f, "and the other", BY_NONE);
    f.ip_says("nexthop show", "says id 3");
    f.ip_says("route show 10.80.0.0/16", "done");

    // Several routes by one object, and the flows of one network by several next hops.
    f.ip("nexthop add id 1 via 192.0.2.9 dev wan");
    for n in 0..4 {
        f.ip(format!("route add 10.80.{n}.0/24 nhid 1"));
    }
    flows(&mut f, "four routes", BY_WAN);
    f.ip("nexthop replace id 1 via 203.0.113.10 dev wan.10");
    flows(&mut f, "four routes moved at once", BY_VLAN);
    f.ip("route del 10.80.3.0/24 nhid 1");
    f.ip_says("route del 10.80.2.0/24 nhid 3", "RTNETLINK answers: No such process");
    f.ip_says("route add 10.80.9.0/24 nhid 1 via 192.0.2.9", "says Error");
    f.ip_says("nexthop flush", "Flushed 3 nexthops");
    flows(&mut f, "all flushed", BY_NONE);
    f.ip_says("nexthop show", "done");

    f.ip(
        "route add 10.80.0.0/16 nexthop via 192.0.2.9 weight 3 nexthop via 198.51.100.10 weight 5",
    );
    f.ip_says("route show 10.80.0.0/16", "says nexthop via 198.51.100.10 dev dmz weight 5");
    flows(&mut f, "weights", "wan: udp or dmz: udp");
    f.lan("another route stands", &Ip::new(LAN_HOST, [10, 9, 0, 1].into()).udp(1, 2, b""), BY_WAN);
    f
}
