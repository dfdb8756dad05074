//! Routes of each kind and how one is chosen: [5.2], [5.6], [5.8], [5.34] to [5.47].

use std::net::Ipv4Addr;
use std::time::Duration;

use super::Family;
use crate::common::frame::{DF, Ip, MF, filler};
use crate::topology::{CROWD, DMZ_HOST, FAR_HOST, LAN_HOST, WAN_HOST};

pub(crate) fn family() -> Family {
    let mut f = Family::new("routes");
    let kinds: [(&str, [u8; 4], &str); 5] = [
        ("no route", [172, 31, 0, 1], "lan: icmp 3/0"),
        ("unreachable", [10, 20, 0, 1], "lan: icmp 3/1"),
        ("prohibit", [10, 21, 0, 1], "lan: icmp 3/13"),
        ("blackhole", [10, 22, 0, 1], "nothing"),
        ("throw", [10, 23, 0, 1], "lan: icmp 3/0"),
    ];
    for (kind, to, answer) in kinds {
        // Errors about routes are limited by their receiver, so each comes from a sender of its own.
        let mut sender = CROWD;
        let mut to = || {
            let sender = Ipv4Addr::new(10, 1, 0, sender.next().expect("a crowd large enough"));
            Ip::new(sender, to.into())
        };
        f.lan(format!("{kind}: UDP"), &to().udp(1, 2, &filler(40)), answer);
        f.lan(format!("{kind}: long UDP"), &to().udp(1, 2, &filler(1472)), answer);
        f.lan(format!("{kind}: TCP"), &to().tcp((1, 2), 1, 1, 2, b""), answer);
        f.lan(format!("{kind}: echo request"), &to().echo(1, 1, b"ping"), answer);
        f.lan(format!("{kind}: DF"), &to().flags(DF).udp(1, 2, b""), answer);
        f.lan(format!("{kind}: TOS 0x5d"), &to().tos(0x5d).udp(1, 2, b""), answer);
        f.lan(format!("{kind}: TTL 1"), &to().ttl(1).udp(1, 2, b""), answer);
        f.lan(format!("{kind}: first fragment"), &to().raw(17, &filler(64)).flags(MF), answer);
        f.lan(format!("{kind}: later fragment"), &to().raw(17, &filler(64)).offset(64), "nothing");
        let culprit = to();
        let quoted = Ip::new(culprit.dst, culprit.src).udp(1, 2, b"");
        f.lan(format!("{kind}: ICMP error"), &culprit.icmp_error(3, 1, 0, &quoted, 8), "nothing");
        let wan_answer = answer.replace("lan", "wan");
        f.wan(
            format!("{kind}: from behind the gateway"),
            &Ip::new(FAR_HOST, to().dst).udp(1, 2, b""),
            wan_answer,
        );
    }
    let chosen: [(&str, [u8; 4], &str); 20] = [
        ("/16", [10, 9, 0, 1], "wan: udp"),
        ("/16, last address", [10, 9, 255, 255], "wan: udp"),
        ("/16, first address", [10, 9, 0, 0], "wan: udp"),
        ("one before the /16", [10, 8, 255, 255], "lan: icmp 3/0"),
        ("one after the /16", [10, 10, 0, 0], "lan: icmp 3/0"),
        ("/24 in the /16", [10, 9, 1, 5], "dmz: udp"),
        ("one before the /24", [10, 9, 0, 255], "wan: udp"),
        ("first of the /24", [10, 9, 1, 0], "dmz: udp"),
        ("last of the /24's lower half", [10, 9, 1, 127], "dmz: udp"),
        ("/25 in the /24", [10, 9, 1, 128], "wan: udp"),
        ("last of the /25", [10, 9, 1, 255], "wan: udp"),
        ("one after the /24", [10, 9, 2, 0], "wan: udp"),
        ("/32 in the /25", [10, 9, 1, 200], "wan: vlan 10 udp"),
        ("one before the /32", [10, 9, 1, 199], "wan: udp"),
        ("one after the /32", [10, 9, 1, 201], "wan: udp"),
        ("hole in an unreachable route", [10, 20, 1, 9], "wan: udp"),
        ("beside the hole in an unreachable route", [10, 20, 2, 9], "lan: icmp 3/1"),
        ("lowest metric of two", [10, 40, 1, 1], "dmz: udp"),
        ("directly connected", [192, 0, 2, 10], "wan: udp"),
        ("on the link by a route without gateway", [10, 50, 0, 1], "wan: udp"),
    ];
    for ((name, to, expect), sender) in chosen.into_iter().zip(CROWD.skip(50)) {
        let packet = Ip::new([10, 1, 0, sender].into(), to.into()).udp(1, 2, b"lpm");
        f.lan(format!("chosen: {name}"), &packet, expect);
    }
    f.wan(
        "unreachable, told through the port the source is behind",
        &Ip::new(DMZ_HOST, [10, 20, 0, 1].into()).udp(1, 2, b""),
        "dmz: icmp 3/1",
    );
    f.wan(
        "no route, with a source nobody can reach",
        &Ip::new([172, 30, 0, 1].into(), [172, 31, 0, 1].into()).udp(1, 2, b""),
        "nothing",
    );
    f.wan(
        "no route, at the router's own network's edge",
        &Ip::new(WAN_HOST, [198, 51, 101, 0].into()).udp(1, 2, b""),
        "wan: icmp 3/0",
    );
    f
}

/// The same with a default route: [5.2].
pub(crate) fn with_default() -> Family {
    let mut f = Family::new("default-route");
    f.topology = f
        .topology
        .route("default", &[("via", "192.0.2.9")])
        .route("172.16.0.0/12", &[("via", "198.51.100.10"), ("tos", "0x10")])
        .route("172.16.0.0/12", &[("via", "192.0.2.10")]);
    for (name, to, expect) in [
        ("anything else", [8, 8, 8, 8], "wan: udp"),
        ("the first ordinary address", [1, 0, 0, 0], "wan: udp"),
        ("the last ordinary address", [223, 255, 255, 255], "wan: udp"),
        ("one before loopback", [126, 255, 255, 255], "wan: udp"),
        ("one after loopback", [128, 0, 0, 0], "wan: udp"),
        ("unreachable stays", [10, 20, 0, 1], "lan: icmp 3/1"),
        ("prohibit stays", [10, 21, 0, 1], "lan: icmp 3/13"),
        ("blackhole stays", [10, 22, 0, 1], "nothing"),
        ("throw leaves the table, default route and all", [10, 23, 0, 1], "lan: icmp 3/0"),
        ("a longer prefix wins", [10, 9, 1, 1], "dmz: udp"),
        ("link-local address", [169, 254, 1, 1], "wan: udp"),
    ] {
        f.lan(
            format!("default route: {name}"),
            &Ip::new(LAN_HOST, to.into()).udp(1, 2, b"default"),
            expect,
        );
    }
    let to = || Ip::new(LAN_HOST, [172, 16, 1, 1].into());
    for (tos, expect) in [
        (0x00, "wan: udp"),
        (0x10, "dmz: udp"),
        (0x11, "dmz: udp"),
        (0x12, "dmz: udp"),
        (0x18, "wan: udp"),
        (0xb0, "dmz: udp"),
        (0xf0, "dmz: udp"),
    ] {
        f.lan(
            format!("route for TOS 0x10, packet with {tos:#04x}"),
            &to().tos(tos).udp(1, 2, b"tos"),
            expect,
        );
    }
    f.lan(
        "TTL 1 with a source that only the default route reaches",
        &Ip::new([8, 8, 8, 8].into(), DMZ_HOST).ttl(1).udp(1, 2, b""),
        "wan: icmp 11/0",
    );
    f
}

/// The limits that Linux starts with: [3.53] to [3.56].
pub(crate) fn default_limits() -> Family {
    let mut f = Family::new("default-limits");
    f.topology = f
        .topology
        .sysctl("net.ipv4.icmp_ratelimit", "1000")
        .sysctl("net.ipv4.icmp_ratemask", "6168");
    let from = |host: u8, to: [u8; 4]| Ip::new([10, 1, 0, host].into(), to.into());
    for n in 1..=8 {
        let expect = if n <= 6 { "lan: icmp 11/0" } else { "nothing" };
        f.lan(
            format!("hop error {n} in a row"),
            &from(100, [192, 0, 2, 10]).ttl(1).udp(1, 2, b""),
            expect,
        );
    }
    for n in 1..=8 {
        let expect = if n <= 6 { "lan: icmp 3/3" } else { "nothing" };
        f.lan(
            format!("port error {n} in a row"),
            &from(101, [10, 1, 0, 1]).udp(1, 33434, b""),
            expect,
        );
    }
    // An error about a route is weighed twice, before it is made and when it is sent.
    for n in 1..=5 {
        let expect = if n <= 2 { "lan: icmp 3/1" } else { "nothing" };
        f.lan(
            format!("route error {n} in a row"),
            &from(102, [10, 20, 0, 1]).udp(1, 2, b""),
            expect,
        );
    }
    for n in 1..=3 {
        f.lan(
            format!("hop error {n}, then"),
            &from(103, [192, 0, 2, 10]).ttl(1).udp(1, 2, b""),
            "lan: icmp 11/0",
        );
    }
    for (n, expect) in
        [(1, "lan: icmp 3/3"), (2, "lan: icmp 3/3"), (3, "lan: icmp 3/3"), (4, "nothing")]
    {
        f.lan(
            format!("port error {n} to the same host counts on"),
            &from(103, [10, 1, 0, 1]).udp(1, 33434, b""),
            expect,
        );
    }
    for n in 1..=9 {
        f.lan(
            format!("too-big error {n} is never limited"),
            &from(100, [198, 51, 100, 10]).flags(DF).udp(1, 2, &filler(1472)),
            "lan: icmp 3/4 mtu 1400",
        );
        f.lan(
            format!("echo reply {n} is never limited"),
            &from(100, [10, 1, 0, 1]).echo(1, n, b""),
            "lan: icmp 0/0",
        );
        f.lan(
            format!("TCP reset {n} is never limited"),
            &from(100, [10, 1, 0, 1]).tcp((n, 81), 1, 0, 2, b""),
            "lan: tcp RA",
        );
    }
    f
}

/// Errors about routes are limited by receiver: five at once, then one a second.
pub(crate) fn error_limit() -> Family {
    let mut f = Family::new("error-limit");
    let to = || Ip::new(LAN_HOST, [10, 20, 0, 1].into()).udp(1, 2, b"limit");
    for n in 1..=8 {
        let expect = if n <= 5 { "lan: icmp 3/1" } else { "nothing" };
        f.lan(format!("error {n} in a row"), &to(), expect);
    }
    let other = Ip::new([10, 1, 0, 100].into(), [10, 20, 0, 1].into()).udp(1, 2, b"limit");
    f.lan("error to another sender meanwhile", &other, "lan: icmp 3/1");
    f.lan(
        "what is limited is the receiver, not the route",
        &Ip::new(LAN_HOST, [10, 21, 0, 1].into()).udp(1, 2, b""),
        "nothing",
    );
    f.lan(
        "errors about hops are not limited with them",
        &Ip::new(LAN_HOST, WAN_HOST).ttl(1).udp(1, 2, b""),
        "lan: icmp 11/0",
    );
    f.settle(Duration::from_millis(1100));
    f.lan("error one second later", &to(), "lan: icmp 3/1");
    f.lan("and the next at once", &to(), "nothing");
    f
}
