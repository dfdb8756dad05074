//! ARP under its tunables: [7.93] to [7.95], [7.107] to [7.125].

use std::net::Ipv4Addr;
use std::time::Duration;

use super::Family;
use crate::common::frame::{ARP, Arp, BROADCAST, Ip, Mac, ether, pad};
use crate::topology::{
    DMZ, FAR_HOST, LAN, LAN_HOST, LAN_MAC, LAN_OTHER, LAN_SECOND, WAN, WAN_HOST, WAN_MAC, mac_of,
};

const STRANGER: Mac = [0x02, 0xcc, 0, 0, 0, 9];

fn arp(to: Mac, from: Mac, arp: &Arp) -> Vec<u8> {
    pad(ether(to, from, ARP, &arp.bytes()), 60)
}

/// A request from a host of the lan, to all.
fn ask(from: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    arp(BROADCAST, mac_of(from), &Arp::request(mac_of(from), from, target))
}

fn tuned(name: &'static str, sysctls: &[(&str, &str)]) -> Family {
    let mut f = Family::new(name);
    for (sysctl, value) in sysctls {
        f.topology = f.topology.sysctl(&format!("net.ipv4.conf.{sysctl}"), value);
    }
    f
}

fn host(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 1, 0, last)
}

/// Which of these questions on the lan are answered: for its own address, its second one, the wan's;
/// the same from senders elsewhere; and probes for the three.
fn ignoring(name: &'static str, level: &str, answers: [bool; 9]) -> Family {
    let mut f = tuned(name, &[("all.arp_ignore", level)]);
    let cases = [
        ("of the lan", LAN_HOST),
        ("off every subnet", Ipv4Addr::new(172, 16, 9, 9)),
        ("that is nobody", Ipv4Addr::UNSPECIFIED),
    ];
    let mut answers = answers.into_iter();
    for (sender, from) in cases {
        for (target, of) in [("lan", LAN), ("second", LAN_SECOND), ("wan", WAN)] {
            let expect = match answers.next() {
                Some(true) => format!("lan: arp reply {of}"),
                _ => "nothing".to_owned(),
            };
            let name = format!("who has the {target} address, by one {sender}");
            f.add(name, "lan", ask(from, of), expect);
        }
    }
    // What is not answered is not learned either.
    f.wan(
        "the sender off every subnet is still reached by routes alone",
        &Ip::new(WAN_HOST, LAN_HOST).udp(1, 2, b"x"),
        "lan: udp",
    );
    f
}

pub(crate) fn ignore_1() -> Family {
    let (yes, no) = (true, false);
    ignoring("arp-ignore-1", "1", [yes, yes, no, yes, yes, no, yes, yes, no])
}

pub(crate) fn ignore_2() -> Family {
    let (yes, no) = (true, false);
    ignoring("arp-ignore-2", "2", [yes, yes, no, no, no, no, yes, yes, no])
}

pub(crate) fn ignore_3() -> Family {
    ignoring("arp-ignore-3", "3", [true; 9])
}

pub(crate) fn ignore_5() -> Family {
    ignoring("arp-ignore-5", "5", [true; 9])
}

pub(crate) fn ignore_8() -> Family {
    let mut f = ignoring("arp-ignore-8", "8", [false; 9]);
    let h = host(61);
    f.add("an unknown host asks in vain", "lan", ask(h, LAN), "nothing");
    f.wan(
        "and is not learned from that",
        &Ip::new(WAN_HOST, h).udp(1, 2, b"x"),
        "lan: arp who-has 10.1.0.61 tell 10.1.0.1",
    );
    f
}

/// In whose name a host of the lan is asked for, when it has pinged this address.
fn announcing(name: &'static str, level: &str, names: [Ipv4Addr; 4]) -> Family {
    let mut f = tuned(name, &[("all.arp_announce", level)]);
    for ((what, of), (last, asks)) in
        [("lan", LAN), ("second", LAN_SECOND), ("wan", WAN), ("dmz", DMZ)]
            .into_iter()
            .zip((60..).zip(names))
    {
        let h = host(last);
        let ping = Ip::new(h, of).echo(1, 1, b"who");
        f.lan(
            format!("ping of the {what} address from a host not known"),
            &ping,
            format!("lan: arp who-has {h} tell {asks}"),
        );
        f.add(
            format!("the answer from the {what} address follows"),
            "lan",
            arp(LAN_MAC, mac_of(h), &Arp::reply(mac_of(h), h, LAN_MAC, asks)),
            "lan: icmp 0/0",
        );
    }
    let h = host(70);
    f.wan(
        "a packet in transit bears nobody's name",
        &Ip::new(WAN_HOST, h).udp(1, 2, b"x"),
        "lan: arp who-has 10.1.0.70 tell 10.1.0.1",
    );
    f
}

pub(crate) fn announce_0() -> Family {
    announcing("arp-announce-0", "0", [LAN, LAN_SECOND, WAN, DMZ])
}

pub(crate) fn announce_1() -> Family {
    announcing("arp-announce-1", "1", [LAN, LAN_SECOND, LAN, LAN])
}

pub(crate) fn announce_2() -> Family {
    announcing("arp-announce-2", "2", [LAN; 4])
}

/// Announcements and unasked replies of strangers, and whether they are known from them.
fn accepting(name: &'static str, level: &str, near: bool, far: bool) -> Family {
    let mut f = tuned(name, &[("all.arp_accept", level)]);
    // The far host is on the lan by a route alone.
    f.topology = f.topology.command("route add 10.66.0.0/16 dev lan");
    let mut number = 60;
    for (place, base, known) in [("near", host(0), near), ("far", [10, 66, 0, 0].into(), far)] {
        let mut case = |what: &str, make: &dyn Fn(Mac, Ipv4Addr) -> Vec<u8>, known: bool| {
            number += 1;
            let [a, b, c, _] = base.octets();
            let h = Ipv4Addr::new(a, b, c, number);
            f.add(format!("{place}: {what}"), "lan", make(mac_of(h), h), "nothing");
            let expect = match known {
                true => "lan: udp".to_owned(),
                false => format!("lan: arp who-has {h} tell 10.1.0.1"),
            };
            let packet = Ip::new(WAN_HOST, h).udp(1, 2, b"x");
            f.wan(format!("{place}: a packet after {what}"), &packet, expect);
            if known {
                f.leads_to(h);
            }
        };
        let all = |packet: &Arp| arp(BROADCAST, packet.sender_mac, packet);
        case("an announcement by request", &|m, h| all(&Arp::request(m, h, h)), known);
        case("an announcement by reply", &|m, h| all(&Arp::reply(m, h, m, h)), known);
        case("one that names nobody", &|m, h| all(&Arp::reply(m, h, BROADCAST, h)), known);
        case(
            "a reply to the router",
            &|m, h| arp(LAN_MAC, m, &Arp::reply(m, h, LAN_MAC, LAN)),
            known,
        );
        case("a reply to all", &|m, h| all(&Arp::reply(m, h, LAN_MAC, LAN)), known);
        case("a question to another", &|m, h| all(&Arp::request(m, h, LAN_HOST)), false);
    }
    f.add(
        "an announcement of the router's own address",
        "lan",
        arp(BROADCAST, STRANGER, &Arp::request(STRANGER, LAN, LAN)),
        "nothing",
    );
    f.ip_says("neigh get 10.1.0.1 dev lan", "Error: Neighbour entry not found.");
    f
}

pub(crate) fn accept_1() -> Family {
    accepting("arp-accept-1", "1", true, true)
}

pub(crate) fn accept_2() -> Family {
    accepting("arp-accept-2", "2", true, false)
}

/// Answers only where the sender is.
pub(crate) fn filter() -> Family {
    let mut f = tuned("arp-filter", &[("all.arp_filter", "1")]);
    f.topology = f.topology.command("route add 10.1.0.77/32 dev wan");
    f.add("a sender of the lan", "lan", ask(host(60), LAN), "lan: arp reply 10.1.0.1");
    f.add("a sender who is reached by the wan", "lan", ask(host(77), LAN), "nothing");
    f.add("on the wan it is answered", "wan", ask(host(77), WAN), "wan: arp reply 192.0.2.1");
    f.add("a sender behind the wan", "lan", ask(FAR_HOST, LAN), "nothing");
    f.add("a sender of the wan, on the lan", "lan", ask(WAN_HOST, LAN), "nothing");
    f.add("a sender no route leads to", "lan", ask([172, 16, 9, 9].into(), LAN), "nothing");
    f.add(
        "a probe is answered all the same",
        "lan",
        ask(Ipv4Addr::UNSPECIFIED, LAN),
        "lan: arp reply 10.1.0.1",
    );
    f.ip_says("neigh get 10.1.0.77 dev lan", "Error: Neighbour entry not found.");
    f
}

/// A sender must be where packets from it may come from.
pub(crate) fn strict() -> Family {
    let mut f = tuned("arp-strict", &[("all.rp_filter", "1")]);
    f.add("a sender of the lan", "lan", ask(host(60), LAN), "lan: arp reply 10.1.0.1");
    f.add("a sender of the wan, on the lan", "lan", ask(WAN_HOST, LAN), "nothing");
    f.add("a sender behind the wan", "lan", ask(FAR_HOST, LAN), "nothing");
    f.add("a sender no route leads to", "lan", ask([172, 16, 9, 9].into(), LAN), "nothing");
    f.add("a probe", "lan", ask(Ipv4Addr::UNSPECIFIED, LAN), "lan: arp reply 10.1.0.1");
    f
}

/// Announcements are not taken.
pub(crate) fn no_gratuitous() -> Family {
    let mut f = tuned("arp-no-gratuitous", &[("all.drop_gratuitous_arp", "1")]);
    let h = host(61);
    let to = Ip::new(WAN_HOST, h).udp(1, 2, b"x");
    f.add("a host asks", "lan", ask(h, LAN), "lan: arp reply 10.1.0.1");
    f.add(
        "and is announced elsewhere, by request",
        "lan",
        arp(BROADCAST, STRANGER, &Arp::request(STRANGER, h, h)),
        "nothing",
    );
    f.wan("but is still reached where it asked", &to, "lan: udp");
    f.leads_to(h);
    f.add(
        "and is announced elsewhere, by reply",
        "lan",
        arp(LAN_MAC, STRANGER, &Arp::reply(STRANGER, h, STRANGER, h)),
        "nothing",
    );
    f.wan("but is still reached", &to, "lan: udp");
    f.leads_to(h);
    f.add("a question remains a question", "lan", ask(host(62), LAN), "lan: arp reply 10.1.0.1");
    f
}

/// The questions on the lan that a proxy may answer.
fn proxied(mut f: Family, answers: [bool; 7]) -> Family {
    for ((what, target), answered) in [
        ("a host of the wan", WAN_HOST),
        ("a host behind the wan", FAR_HOST),
        ("a host of the dmz", Ipv4Addr::new(198, 51, 100, 66)),
        ("a host of the lan", LAN_OTHER),
        ("an unreachable host", [10, 20, 0, 1].into()),
        ("a host in the black hole", [10, 22, 0, 1].into()),
        ("nobody's host", [172, 16, 9, 9].into()),
    ]
    .into_iter()
    .zip(answers)
    {
        let expect = match answered {
            true => format!("lan: arp reply {target}"),
            false => "nothing".to_owned(),
        };
        f.add(format!("who has {what}"), "lan", ask(host(61), target), expect);
    }
    f
}

fn prompt(name: &'static str, sysctls: &[(&str, &str)]) -> Family {
    let mut f = tuned(name, sysctls);
    f.topology = f.topology.sysctl("net.ipv4.neigh.lan.proxy_delay", "0");
    f
}

/// For all that is reached elsewhere.
pub(crate) fn proxy() -> Family {
    let f = prompt("arp-proxy", &[("lan.proxy_arp", "1")]);
    let mut f = proxied(f, [true, true, true, false, false, false, false]);
    let to = Ip::new(WAN_HOST, host(61)).udp(1, 2, b"x");
    f.wan("who was answered is known", &to, "lan: udp");
    f.leads_to(host(61));
    f.add("on the wan nothing is proxied", "wan", ask(WAN_HOST, LAN_HOST), "nothing");
    f.add("a probe for a proxied address", "lan", ask(Ipv4Addr::UNSPECIFIED, WAN_HOST), "nothing");
    f.add("its own address is asked for", "lan", ask(host(61), host(61)), "nothing");
    f.add(
        "by unicast",
        "lan",
        arp(LAN_MAC, mac_of(host(62)), &Arp::request(mac_of(host(62)), host(62), WAN_HOST)),
        "lan: arp reply 192.0.2.10",
    );
    f.add("own addresses need no proxy", "lan", ask(host(61), WAN), "lan: arp reply 192.0.2.1");
    f
}

/// Set for all interfaces, which makes the wan answer too.
pub(crate) fn proxy_all() -> Family {
    let mut f = prompt("arp-proxy-all", &[("all.proxy_arp", "1")]);
    f.topology = f.topology.sysctl("net.ipv4.neigh.wan.proxy_delay", "0");
    let mut f = proxied(f, [true, true, true, false, false, false, false]);
    f.add("on the wan", "wan", ask(WAN_HOST, LAN_HOST), "wan: arp reply 10.1.0.10");
    f
}

/// Only where packets are forwarded.
pub(crate) fn proxy_host() -> Family {
    let f = prompt("arp-proxy-host", &[("lan.proxy_arp", "1"), ("lan.forwarding", "0")]);
    proxied(f, [false; 7])
}

/// Hosts of one link that do not hear each other (RFC 3069).
pub(crate) fn proxy_pvlan() -> Family {
    let f = prompt("arp-proxy-pvlan", &[("lan.proxy_arp_pvlan", "1")]);
    let mut f = proxied(f, [false, false, false, true, false, false, false]);
    f.add(
        "nobody knows of a host of the lan",
        "lan",
        ask(host(61), host(99)),
        "lan: arp reply 10.1.0.99",
    );
    f.add("its own address is asked for", "lan", ask(host(61), host(61)), "nothing");
    f.add("on the wan it is off", "wan", ask(WAN_HOST, [192, 0, 2, 66].into()), "nothing");
    f
}

/// The same for all interfaces.
pub(crate) fn proxy_pvlan_all() -> Family {
    let f = prompt("arp-proxy-pvlan-all", &[("all.proxy_arp_pvlan", "1")]);
    proxied(f, [false, false, false, true, false, false, false])
}

/// Two interfaces on one medium, and one that is on none.
pub(crate) fn proxy_medium() -> Family {
    let f = prompt(
        "arp-proxy-medium",
        &[
            ("lan.proxy_arp", "1"),
            ("lan.medium_id", "1"),
            ("wan.medium_id", "1"),
            ("dmz.medium_id", "2"),
        ],
    );
    proxied(f, [false, false, true, false, false, false, false])
}

pub(crate) fn proxy_no_medium() -> Family {
    let f = prompt(
        "arp-proxy-no-medium",
        &[("lan.proxy_arp", "1"), ("lan.medium_id", "1"), ("dmz.medium_id", "-1")],
    );
    proxied(f, [true, true, false, false, false, false, false])
}

/// Single addresses.
pub(crate) fn proxy_entries() -> Family {
    let mut f = prompt("arp-proxy-entries", &[]);
    f.ip("neigh add proxy 192.0.2.10 dev lan");
    f.ip("neigh add proxy 10.1.0.11 dev lan");
    f.ip("neigh add proxy 10.20.0.1 dev lan");
    f.ip_says("neigh show proxy 192.0.2.10 dev lan", "192.0.2.10 proxy");
    let mut f = proxied(f, [true, false, false, false, false, false, false]);
    f.add("not on another interface", "dmz", ask([198, 51, 100, 66].into(), WAN_HOST), "nothing");
    f.ip_says("neigh get proxy 192.0.2.10 dev lan", "192.0.2.10 dev lan proxy");
    f.ip("neigh del proxy 192.0.2.10 dev lan");
    f.add("no longer", "lan", ask(host(61), WAN_HOST), "nothing");
    f.ip_says("neigh del proxy 192.0.2.10 dev lan", "RTNETLINK answers: No such file or directory");
    f.ip_says("neigh get proxy 192.0.2.10 dev lan", "Error: Proxy neighbour entry not found.");
    f.ip("neigh add proxy 192.0.2.10 dev lan");
    f.ip("link set lan down");
    f.ip("link set lan up");
    f.add("a link that goes down takes them along", "lan", ask(host(61), WAN_HOST), "nothing");
    f
}

/// Answers that come late, so that the owner may be first.
pub(crate) fn proxy_delay() -> Family {
    let mut f = tuned("arp-proxy-delay", &[("lan.proxy_arp", "1")]);
    f.topology = f
        .topology
        .sysctl("net.ipv4.neigh.lan.proxy_delay", "20")
        .sysctl("net.ipv4.neigh.lan.proxy_qlen", "2");
    let all = |f: &mut Family, name: &str, last: u8| {
        f.add(name.to_owned(), "lan", ask(host(last), WAN_HOST), "lan: arp reply 192.0.2.10");
        f.settle(Duration::from_millis(300));
    };
    all(&mut f, "an answer within a fifth of a second", 61);
    all(&mut f, "and another", 62);
    f.add(
        "by unicast there is no wait",
        "lan",
        arp(LAN_MAC, mac_of(host(63)), &Arp::request(mac_of(host(63)), host(63), WAN_HOST)),
        "lan: arp reply 192.0.2.10",
    );
    let to = Ip::new(WAN_HOST, host(61)).udp(1, 2, b"x");
    f.wan("who asked is known", &to, "lan: udp");
    f.leads_to(host(61));
    f
}

/// Interfaces that come up say so.
pub(crate) fn notify() -> Family {
    let mut f = tuned("arp-notify", &[("lan.arp_notify", "1")]);
    f.ip("link set lan down");
    f.ip_says(
        "link set lan up",
        "done; lan: arp who-has 10.1.0.1 tell 10.1.0.1, arp who-has 10.1.0.2 tell 10.1.0.2",
    );
    f.ip("link set wan down");
    f.ip("link set wan up");
    f.wan(
        "the wan is there",
        &Ip::new(WAN_HOST, WAN).tcp((1, 2), 7, 0, 2, b""),
        "wan: arp who-has 192.0.2.10 tell 192.0.2.1",
    );
    f.add(
        "and answers",
        "wan",
        arp(WAN_MAC, mac_of(WAN_HOST), &Arp::reply(mac_of(WAN_HOST), WAN_HOST, WAN_MAC, WAN)),
        "wan: tcp RA",
    );
    f
}
