//! Several routes to one network, and which of them is in force after each change: [5.33], [5.84] to
//! [5.88]; and routes for one TOS with what they fall back on: [5.85], [5.86].

use std::net::Ipv4Addr;

use super::Family;
use crate::common::frame::Ip;
use crate::topology::LAN_HOST;

const FAR: Ipv4Addr = Ipv4Addr::new(10, 80, 0, 1);
const SHOW: &str = "route show 10.80.0.0/16";
const EXISTS: &str = "RTNETLINK answers: File exists";

/// Gateways whose ports tell them apart.
const WAN: &str = "via 192.0.2.9";
const DMZ: &str = "via 198.51.100.10";
const VLAN: &str = "via 203.0.113.10";

const BY_WAN: &str = "wan: udp";
const BY_DMZ: &str = "dmz: udp";
const BY_VLAN: &str = "wan: vlan 10 udp";
const BY_NONE: &str = "lan: icmp 3/0";

pub(crate) fn family() -> Family {
    let mut f = Family::new("aliases");
    let mut steps = 0;
    // Each change, what it says, what is in force then, and something that is listed.
    let mut change = |f: &mut Family, words: &str, says: &str, expect: &str| {
        let (verb, rest) = words.split_once(' ').unwrap_or((words, ""));
        f.ip_says(format!("route {verb} 10.80.0.0/16 {rest}"), says);
        f.ip_says(SHOW, "says ");
        steps += 1;
        f.lan(
            format!("{steps}: after {words}"),
            &Ip::new(LAN_HOST, FAR).udp(steps, 2, b"alias"),
            expect,
        );
    };
    let done = "done";
    let none = "RTNETLINK answers: No such process";
    let no_entry = "RTNETLINK answers: No such file or directory";
    change(&mut f, &format!("change {WAN}"), no_entry, BY_NONE);
    change(&mut f, &format!("del {WAN}"), none, BY_NONE);
    change(&mut f, &format!("add {WAN} metric 20"), done, BY_WAN);
    change(&mut f, &format!("add {DMZ} metric 10"), done, BY_DMZ);
    change(&mut f, &format!("add {VLAN} metric 15"), done, BY_DMZ);
    change(&mut f, &format!("add {VLAN} metric 10"), EXISTS, BY_DMZ);
    change(&mut f, "del metric 10", done, BY_VLAN);
    change(&mut f, &format!("change {DMZ} metric 15"), done, BY_DMZ);
    change(&mut f, &format!("change {VLAN} metric 16"), no_entry, BY_DMZ);
    change(&mut f, &format!("replace {VLAN} metric 5"), done, BY_VLAN);
    change(&mut f, &format!("replace {WAN} metric 5"), done, BY_WAN);
    change(&mut f, &format!("append {DMZ} metric 5"), done, BY_WAN);
    change(&mut f, &format!("append {DMZ} metric 5"), EXISTS, BY_WAN);
    change(&mut f, &format!("prepend {VLAN} metric 5"), done, BY_VLAN);
    change(&mut f, &format!("prepend {VLAN} metric 5"), EXISTS, BY_VLAN);
    change(&mut f, &format!("append {VLAN} metric 5"), EXISTS, BY_VLAN);
    change(&mut f, &format!("replace {WAN} metric 5"), EXISTS, BY_VLAN);
    change(&mut f, &format!("replace {WAN} metric 5 proto static"), done, BY_WAN);
    change(&mut f, &format!("del {WAN} metric 5"), done, BY_WAN);
    change(&mut f, &format!("del {WAN} metric 5"), done, BY_DMZ);
    change(&mut f, "del", done, BY_DMZ);
    change(&mut f, &format!("add {VLAN}"), done, BY_VLAN);
    f.ip_says("route add blackhole 10.80.0.0/16", EXISTS);
    f.ip("route replace blackhole 10.80.0.0/16");
    f.lan("a blackhole in the place of a route", &Ip::new(LAN_HOST, FAR).udp(1, 3, b""), "nothing");
    f.ip_says(SHOW, "says blackhole");
    f.ip("route prepend 10.80.0.0/16 via 192.0.2.9");
    f.lan("a route before a blackhole", &Ip::new(LAN_HOST, FAR).udp(2, 3, b""), BY_WAN);
    f.ip("route del blackhole 10.80.0.0/16");
    f.lan("the blackhole gone", &Ip::new(LAN_HOST, FAR).udp(3, 3, b""), BY_WAN);
    f.ip_says("route del 10.80.0.0/16 via 192.0.2.10", none);
    f.ip_says("route del 10.80.0.0/16 proto static", none);
    f.ip_says("route del 10.80.0.0/17", none);
    f.ip("route del 10.80.0.0/16 dev dmz");
    f.ip("route del 10.80.0.0/16 dev wan");
    f.lan("the first of each device gone", &Ip::new(LAN_HOST, FAR).udp(4, 3, b""), BY_WAN);
    f.ip_says(SHOW, "says metric 20");
    f.ip("route flush 10.80.0.0/16");
    f.lan("all of them flushed", &Ip::new(LAN_HOST, FAR).udp(5, 3, b""), BY_NONE);
    f.ip_says(SHOW, "done");
    // What differs in type, source or protocol alone is the same route for `add`.
    f.ip("route add 10.80.0.0/16 via 192.0.2.9 proto static");
    f.ip_says("route add 10.80.0.0/16 via 192.0.2.9 proto zebra", EXISTS);
    f.ip_says("route add 10.80.0.0/16 via 192.0.2.9 src 10.1.0.1", EXISTS);
    f.ip("route append 10.80.0.0/16 via 192.0.2.9 proto zebra");
    f.ip("route append 10.80.0.0/16 via 198.51.100.10 src 10.1.0.1");
    f.ip_says(SHOW, "says proto zebra");
    f.ip("route flush proto zebra");
    f.ip_says(SHOW, "says proto static");
    f.lan("one protocol flushed", &Ip::new(LAN_HOST, FAR).udp(6, 3, b""), BY_WAN);
    f.ip("route flush proto static");
    f.lan("the other as well", &Ip::new(LAN_HOST, FAR).udp(7, 3, b""), BY_DMZ);
    f.ip_says("route show proto boot 10.80.0.0/16", "says src 10.1.0.1");
    f.ip_says("route show table all 10.80.0.0/16", "says via 198.51.100.10");
    f
}

pub(crate) fn tos() -> Family {
    let mut f = Family::new("tos");
    f.topology = f
        .topology
        .route("10.80.0.0/15", &[("via", "203.0.113.10")])
        .command("route add 10.81.0.0/16 via 203.0.113.10 tos 0x04");
    let mut round = 0;
    let mut all = |f: &mut Family, what: &str, expect: &dyn Fn(u8) -> &'static str| {
        round += 1;
        for tos in [
            0x00, 0x02, 0x03, 0x04, 0x08, 0x0c, 0x10, 0x11, 0x12, 0x1c, 0x20, 0x28, 0xb0, 0xb8,
            0xe0, 0xfc,
        ] {
            let packet = Ip::new(LAN_HOST, FAR).tos(tos).udp(round, 2, b"tos");
            f.lan(format!("{what}: TOS {tos:#04x}"), &packet, expect(tos));
        }
    };
    let low = |tos: u8| tos & 0x1c;
    all(&mut f, "none", &|_| BY_VLAN);
    f.ip("route add 10.80.0.0/16 via 192.0.2.9 tos 0x10");
    all(&mut f, "0x10 alone", &|tos| if low(tos) == 0x10 { BY_WAN } else { BY_VLAN });
    f.ip("route add 10.80.0.0/16 via 198.51.100.10 tos 0x08");
    let two = |tos: u8| match low(tos) {
        0x10 => BY_WAN,
        0x08 => BY_DMZ,
        _ => BY_VLAN,
    };
    all(&mut f, "0x10 and 0x08", &two);
    f.ip_says(SHOW, "says tos");
    f.ip("route add 10.80.0.0/16 via 198.51.100.10 metric 7");
    all(&mut f, "and one for the rest", &|tos| if low(tos) == 0x10 { BY_WAN } else { BY_DMZ });
    f.ip_says(SHOW, "says metric 7");
    f.ip("route add 10.80.0.0/24 via 203.0.113.10 tos 0x10");
    all(&mut f, "and a longer one", &|tos| if low(tos) == 0x10 { BY_VLAN } else { BY_DMZ });
    f.ip("route del 10.80.0.0/24 tos 0x10");
    f.ip("route add 10.80.0.0/24 via 203.0.113.10 tos 0x04");
    let four = |tos: u8| match low(tos) {
        0x04 => BY_VLAN,
        0x10 => BY_WAN,
        _ => BY_DMZ,
    };
    all(&mut f, "and another longer one", &four);
    f.ip_says("route add 10.80.0.0/16 via 192.0.2.9 tos 0x10", EXISTS);
    f.ip("route replace 10.80.0.0/16 via 203.0.113.10 tos 0x10");
    f.ip("route del 10.80.0.0/16 tos 0x08");
    let last = |tos: u8| match low(tos) {
        0x04 | 0x10 => BY_VLAN,
        _ => BY_DMZ,
    };
    all(&mut f, "one replaced, one gone", &last);
    f.ip("route del 10.80.0.0/16 metric 7");
    all(&mut f, "without one for the rest", &|_| BY_VLAN);
    f.ip_says("route get 10.80.0.1 tos 0x10", "says via 203.0.113.10");
    f.ip_says("route show 10.81.0.0/16", "says tos");
    f.lan(
        "only a TOS that does not fit",
        &Ip::new(LAN_HOST, [10, 81, 0, 1].into()).udp(1, 2, b""),
        BY_VLAN,
    );
    f
}
