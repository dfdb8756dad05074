//! Rules: every selector and action, tables, order and deletion: [5.4], [5.77], [6.111] to [6.130].

use std::net::Ipv4Addr;

use super::{Family, from};
use crate::common::frame::{Ip, MF, filler};
use crate::topology::{
    DMZ_HOST, DMZ_MAC, LAN, LAN_HOST, LAN_MAC, LAN_OTHER, WAN_HOST, WAN_MAC, colons, mac_of,
};

const FAR: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
const FAR_TOO: Ipv4Addr = Ipv4Addr::new(10, 9, 5, 5);

/// What a rule may ask of a packet.
#[derive(Clone, Copy)]
struct Facts {
    iif: &'static str,
    src: Ipv4Addr,
    dst: Ipv4Addr,
    tos: u8,
    protocol: u8,
    /// Of whole packets alone.
    ports: Option<(u16, u16)>,
}

struct Probe {
    name: &'static str,
    facts: Facts,
    packet: Ip,
    words: &'static str,
}

fn probes() -> Vec<Probe> {
    let mut all = Vec::new();
    let mut add = |name, iif, packet: Ip, protocol, ports, words| {
        let facts =
            Facts { iif, src: packet.src, dst: packet.dst, tos: packet.tos, protocol, ports };
        all.push(Probe { name, facts, packet, words });
    };
    let lan = || Ip::new(LAN_HOST, FAR);
    add("UDP", "lan", lan().udp(1000, 2000, b"rule"), 17, Some((1000, 2000)), "udp");
    add(
        "from another host",
        "lan",
        Ip::new(LAN_OTHER, FAR).udp(1000, 2000, b""),
        17,
        Some((1000, 2000)),
        "udp",
    );
    add(
        "to another host",
        "lan",
        Ip::new(LAN_HOST, FAR_TOO).udp(1000, 2000, b""),
        17,
        Some((1000, 2000)),
        "udp",
    );
    add("TOS 0x10", "lan", lan().tos(0x10).udp(1000, 2000, b""), 17, Some((1000, 2000)), "udp");
    add("TOS 0x12", "lan", lan().tos(0x12).udp(1000, 2000, b""), 17, Some((1000, 2000)), "udp");
    add("TOS 0xb0", "lan", lan().tos(0xb0).udp(1000, 2000, b""), 17, Some((1000, 2000)), "udp");
    add("from port 53", "lan", lan().udp(53, 2000, b""), 17, Some((53, 2000)), "udp");
    add("to port 3000", "lan", lan().udp(1000, 3000, b""), 17, Some((1000, 3000)), "udp");
    add("to port 3001", "lan", lan().udp(1000, 3001, b""), 17, Some((1000, 3001)), "udp");
    add("TCP", "lan", lan().tcp((1000, 2000), 1, 0, 2, b""), 6, Some((1000, 2000)), "tcp S");
    add("echo request", "lan", lan().echo(1, 1, b"rule"), 1, None, "icmp 8/0");
    add("protocol 47", "lan", lan().raw(47, &filler(24)), 47, None, "proto 47");
    add(
        "first fragment",
        "lan",
        lan().udp(1000, 2000, &filler(56)).flags(MF),
        17,
        None,
        "frag 0+64 more",
    );
    add("later fragment", "lan", lan().raw(17, &filler(64)).offset(64), 17, None, "frag 64+64");
    add(
        "by the wan",
        "wan",
        Ip::new(WAN_HOST, FAR).udp(1000, 2000, b""),
        17,
        Some((1000, 2000)),
        "udp",
    );
    add(
        "by the dmz",
        "dmz",
        Ip::new(DMZ_HOST, FAR).udp(1000, 2000, b""),
        17,
        Some((1000, 2000)),
        "udp",
    );
    all
}

/// Gives the family every probe; `leads` says out of which port each goes.
fn probe(f: &mut Family, when: &str, leads: &dyn Fn(&Facts) -> &'static str) {
    for Probe { name, facts, packet, words } in probes() {
        let (host, mac) = match facts.iif {
            "lan" => (LAN_HOST, LAN_MAC),
            "wan" => (WAN_HOST, WAN_MAC),
            _ => (DMZ_HOST, DMZ_MAC),
        };
        let expect = match leads(&facts) {
            "nothing" => "nothing".to_owned(),
            port => format!("{port}{words}"),
        };
        f.add(format!("{when}: {name}"), facts.iif, from(host, mac, &packet), expect);
    }
}

const BY_WAN: &str = "wan: ";
const BY_DMZ: &str = "dmz: ";
const BY_VLAN: &str = "wan: vlan 10 ";

fn with_tables(name: &'static str) -> Family {
    let mut f = Family::new(name);
    f.topology = f
        .topology
        .command("route add default via 198.51.100.10 table 100")
        .command("route add default via 203.0.113.10 table 101")
        .command("route add throw 10.9.0.0/24 table 102")
        .command("route add 10.9.0.0/16 via 198.51.100.10 table 102")
        .command("route add 10.9.5.0/24 via 198.51.100.10 table 103")
        .command("route add prohibit 10.9.0.0/24 table 104")
        .command("route add blackhole 10.9.5.0/24 table 104");
    f
}

/// One rule at a time with each selector, for a table that leads elsewhere.
pub(crate) fn selectors() -> Family {
    let mut f = with_tables("rule-selectors");
    probe(&mut f, "no rule", &|_| BY_WAN);
    f.ip_says(
        "rule show",
        "0: from all lookup local / 32766: from all lookup main / 32767: from all lookup default",
    );
    type Fits = fn(&Facts) -> bool;
    let rules: [(&str, Fits); 26] = [
        ("from all", |_| true),
        ("from 10.1.0.10", |p| p.src == LAN_HOST),
        ("from 10.1.0.10/31", |p| p.src == LAN_HOST || p.src == LAN_OTHER),
        ("from 10.1.0.0/24", |p| p.iif == "lan"),
        ("not from 10.1.0.10", |p| p.src != LAN_HOST),
        ("to 10.9.5.0/24", |p| p.dst == FAR_TOO),
        ("not to 10.9.5.0/24", |p| p.dst != FAR_TOO),
        ("from 10.1.0.10 to 10.9.5.5", |p| p.src == LAN_HOST && p.dst == FAR_TOO),
        ("tos 0x10", |p| p.tos & 0x1c == 0x10),
        ("not tos 0x10", |p| p.tos & 0x1c != 0x10),
        ("iif lan", |p| p.iif == "lan"),
        ("iif wan", |p| p.iif == "wan"),
        ("not iif lan", |p| p.iif != "lan"),
        ("iif nosuch", |_| false),
        ("iif lo", |_| false),
        ("oif wan", |_| false),
        ("fwmark 1", |_| false),
        ("not fwmark 1", |_| true),
        ("fwmark 0/0xff", |_| true),
        ("ipproto udp", |p| p.protocol == 17),
        ("ipproto tcp", |p| p.protocol == 6),
        ("ipproto 47", |p| p.protocol == 47),
        ("sport 53", |p| p.ports.is_some_and(|(sport, _)| sport == 53)),
        ("dport 2500-3000", |p| p.ports.is_some_and(|(_, dport)| (2500..=3000).contains(&dport))),
        ("ipproto udp sport 1000 dport 2000", |p| {
            p.protocol == 17 && p.ports == Some((1000, 2000))
        }),
        ("not ipproto udp dport 2000", |p| {
            !(p.protocol == 17 && p.ports.is_some_and(|(_, dport)| dport == 2000))
        }),
    ];
    for (words, fits) in rules {
        f.ip(format!("rule add pref 100 {words} table 100"));
        f.ip_says("rule show", "says 100:");
        probe(&mut f, words, &|facts| if fits(facts) { BY_DMZ } else { BY_WAN });
        f.ip("rule del pref 100");
    }
    f.ip("rule add from 10.1.0.10 to 10.9.0.0/16 tos 0x10 iif lan ipproto udp sport 1000 dport 2000 table 100");
    f.ip_says("rule show", "says 32765:");
    probe(&mut f, "all selectors", &|p| {
        let all = p.src == LAN_HOST && p.tos & 0x1c == 0x10 && p.ports == Some((1000, 2000));
        if all && p.protocol == 17 { BY_DMZ } else { BY_WAN }
    });
    f.ip("rule del table 100");
    probe(&mut f, "none left", &|_| BY_WAN);
    f.ip_says("rule show", "says 32766:");
    f
}

/// What a rule may do, and what comes after it.
pub(crate) fn actions() -> Family {
    let mut f = with_tables("rule-actions");
    f.ip("rule add pref 100 to 10.9.5.0/24 blackhole");
    probe(&mut f, "blackhole", &|p| if p.dst == FAR_TOO { "nothing" } else { BY_WAN });
    f.ip("rule del pref 100");
    for (n, (action, answer)) in
        [("prohibit", "lan: icmp 3/13"), ("unreachable", "lan: icmp 3/0")].into_iter().enumerate()
    {
        f.ip(format!("rule add pref 100 to 10.9.5.0/24 {action}"));
        let sender = Ipv4Addr::new(10, 1, 0, 100 + n as u8);
        f.lan(format!("{action}: meant"), &Ip::new(sender, FAR_TOO).udp(1, 2, b""), answer);
        f.lan(format!("{action}: not meant"), &Ip::new(sender, FAR).udp(1, 2, b""), "wan: udp");
        f.ip_says("rule show", format!("says 100: from all to 10.9.5.0/24 {action}"));
        f.ip("rule del pref 100");
    }
    f.ip("rule add pref 100 nop");
    probe(&mut f, "nop", &|_| BY_WAN);
    f.ip("rule add pref 90 iif lan goto 200");
    f.ip("rule add pref 150 table 101");
    probe(&mut f, "goto a rule that is not there", &|_| BY_VLAN);
    f.ip_says("rule show", "says [unresolved]");
    f.ip("rule add pref 200 from 10.1.0.11 table 100");
    probe(&mut f, "goto", &|p| match p.iif {
        "lan" if p.src == LAN_OTHER => BY_DMZ,
        "lan" => BY_WAN,
        _ => BY_VLAN,
    });
    f.ip("rule del pref 200");
    probe(&mut f, "goto a rule that is gone", &|_| BY_VLAN);
    f.ip("rule del pref 90");
    f.ip("rule del pref 100");
    f.ip("rule del pref 150");

    // A table that does not know, that throws, or that says no.
    f.ip("rule add pref 100 table 103");
    probe(&mut f, "a table with one route", &|p| if p.dst == FAR_TOO { BY_DMZ } else { BY_WAN });
    f.ip("rule add pref 110 table 102");
    probe(&mut f, "and one that throws", &|p| if p.dst == FAR_TOO { BY_DMZ } else { BY_WAN });
    f.ip("rule add pref 120 table 101");
    probe(&mut f, "and one behind it", &|p| if p.dst == FAR_TOO { BY_DMZ } else { BY_VLAN });
    f.ip("rule add pref 95 table 999");
    probe(&mut f, "and an empty one before", &|p| if p.dst == FAR_TOO { BY_DMZ } else { BY_VLAN });
    f.ip("route add 10.9.0.0/24 via 192.0.2.10 table 999");
    probe(&mut f, "that is empty no more", &|p| if p.dst == FAR_TOO { BY_DMZ } else { BY_WAN });
    f.ip("route flush table 999");
    probe(&mut f, "and empty again", &|p| if p.dst == FAR_TOO { BY_DMZ } else { BY_VLAN });
    for priority in [95, 100, 110, 120] {
        f.ip(format!("rule del pref {priority}"));
    }
    f.ip("rule add pref 100 table 104");
    f.lan(
        "a route that prohibits",
        &Ip::new([10, 1, 0, 110].into(), FAR).udp(1, 2, b""),
        "lan: icmp 3/13",
    );
    f.lan(
        "a route that is a blackhole",
        &Ip::new([10, 1, 0, 110].into(), FAR_TOO).udp(1, 2, b""),
        "nothing",
    );
    f.ip("rule del table 104");

    // Main, but not by routes that are too short or lead out by a group of interfaces.
    f.ip("route add default via 192.0.2.10");
    f.ip("rule add pref 100 table main suppress_prefixlength 0");
    f.ip("rule add pref 110 table 100");
    let there = |p: &Facts| p.dst.octets()[0] == 10;
    probe(&mut f, "no default route of main", &|p| if there(p) { BY_WAN } else { BY_DMZ });
    let abroad = Ip::new(LAN_HOST, [172, 31, 0, 1].into()).udp(1, 2, b"");
    f.lan("no default route of main: abroad", &abroad, "dmz: udp");
    f.ip("rule del pref 100");
    f.ip("rule add pref 100 table main suppress_prefixlength 16");
    probe(&mut f, "no /16 of main", &|_| BY_DMZ);
    f.lan(
        "no /16 of main: a host of a /24",
        &Ip::new(LAN_HOST, WAN_HOST).udp(1, 2, b""),
        "wan: udp",
    );
    f.ip("rule del pref 100");
    f.ip("link set wan group 5");
    f.ip("rule add pref 100 table main suppress_ifgroup 5");
    probe(&mut f, "no route by the wan's group", &|_| BY_DMZ);
    f.ip_says("rule show", "says suppress_ifgroup 5");
    f.ip("link set wan group 0");
    probe(&mut f, "nobody in that group", &|_| BY_WAN);
    f.ip("rule del pref 100");
    f.ip("rule del pref 110");
    f.ip("route del default");

    // The router's own packets.
    let ping = || Ip::new(LAN_HOST, LAN).echo(1, 1, b"own");
    f.lan("own: an answer", &ping(), "lan: icmp 0/0");
    f.ip(format!("neigh replace 10.1.0.10 lladdr {} dev lan", colons(mac_of(LAN_HOST))));
    f.ip("rule add pref 100 iif lo table 100");
    f.lan("own: an answer by another table", &ping(), "dmz: icmp 0/0");
    f.lan("own: not what passes through", &Ip::new(LAN_HOST, FAR).udp(1, 2, b""), "wan: udp");
    f.ip("rule del pref 100");
    f.ip("rule add pref 100 from 10.1.0.1 table 100");
    f.lan("own: an answer by its source", &ping(), "dmz: icmp 0/0");
    f.lan(
        "own: an error has no source yet",
        &Ip::new(LAN_HOST, FAR).ttl(1).udp(1, 2, b""),
        "lan: icmp 11/0",
    );
    f.ip("rule del pref 100");
    f.ip("rule add pref 100 to 10.1.0.10 ipproto icmp table 100");
    f.lan("own: an answer by its protocol", &ping(), "dmz: icmp 0/0");
    f.ip("rule del pref 100");

    // Order, and what is refused.
    f.ip("rule add pref 300 table 100");
    f.ip("rule add pref 200 table 101");
    probe(&mut f, "the lower number", &|_| BY_VLAN);
    f.ip("rule del pref 200");
    probe(&mut f, "then the next", &|_| BY_DMZ);
    f.ip("rule add pref 300 table 101");
    probe(&mut f, "of two equal ones the first", &|_| BY_DMZ);
    f.ip_says("rule add pref 300 table 101", "RTNETLINK answers: File exists");
    f.ip("rule del pref 300 table 100");
    probe(&mut f, "then the second", &|_| BY_VLAN);
    f.ip_says("rule del pref 300 table 100", "RTNETLINK answers: No such file or directory");
    f.ip("rule del pref 300");
    f.ip("rule add table 100");
    f.ip("rule add table 101");
    f.ip_says("rule show", "says 32764: from all lookup 101");
    probe(&mut f, "without a number the last one first", &|_| BY_VLAN);
    f.ip("rule del table 101");
    f.ip("rule del table 100");
    f.ip_says("rule add pref 10 goto 5", "says Error");
    f.ip("rule del pref 32766");
    probe(&mut f, "without main", &|_| "nothing");
    f.ip("rule add pref 32766 table main");
    probe(&mut f, "with main again", &|_| BY_WAN);

    // The local table asked later.
    f.ip("rule add pref 300 table local");
    f.ip("rule del pref 0");
    f.lan("local later: nothing before it", &ping(), "lan: icmp 0/0");
    f.ip("rule add pref 100 to 10.1.0.1 table 101");
    f.lan("local later: a table before it", &ping(), "wan: vlan 10 icmp 8/0");
    f.lan(
        "local later: another address",
        &Ip::new(LAN_HOST, [10, 1, 0, 2].into()).echo(1, 1, b""),
        "lan: icmp 0/0",
    );
    f.ip("rule del pref 100");
    f.lan("local later: that rule gone", &ping(), "lan: icmp 0/0");
    f.ip("rule add pref 0 table local");
    f.ip("rule del pref 300");
    f.lan("local first again", &ping(), "lan: icmp 0/0");
    probe(&mut f, "at the end", &|_| BY_WAN);
    f.ip_says(
        "rule show",
        "0: from all lookup local / 32766: from all lookup main / 32767: from all lookup default",
    );

    // Broadcast addresses are no sources once there were rules.
    f.wan(
        "from the lan's broadcast address",
        &Ip::new([10, 1, 0, 255].into(), LAN_HOST).udp(1, 2, b""),
        "nothing",
    );
    f
}
