//! ICMPv6 that comes in, and which errors go out about what: [3.66] to [3.91].

use super::Family;
use super::six::{
    ALL_NODES, DMZ6_HOST, FAR6, LAN6, LAN6_HOST, LAN6_LINK, LAN6_NEAR, LAN6_OTHER, WAN6_HOST, host,
    ip6,
};
use crate::common::frame::filler;
use crate::common::frame6::{Ip6, NONE};
use std::time::Duration;

/// Every type that there could be: to the router, to all nodes, and lost on its way.
pub(crate) fn types() -> Family {
    let mut f = Family::six("six-icmp-types");
    for kind in 0..=255u8 {
        let message = |dst| Ip6::new(LAN6_HOST, dst).icmp(kind, 0, &filler(28));
        f.lan6(format!("type {kind}"), &message(LAN6), "?");
        f.lan6(format!("type {kind}, lost"), &message(FAR6).hops(1), "?");
        f.lan6(format!("type {kind}, no way"), &message(ip6("2001:db8:99::1")), "?");
        if kind % 4 == 0 || (128..160).contains(&kind) {
            f.lan6(format!("type {kind} to all nodes"), &message(ALL_NODES), "?");
            f.lan6(format!("type {kind} of hop limit 255"), &message(LAN6).hops(255), "?");
        }
    }
    f
}

/// What gets no error, and how much is quoted.
pub(crate) fn errors() -> Family {
    let mut f = Family::six("six-icmp-errors");
    for len in [0, 1, 8, 100, 1191, 1192, 1193, 1194, 1231, 1232, 1233, 1400, 1444] {
        let closed = Ip6::new(LAN6_HOST, LAN6).udp(1, 9, &filler(len));
        f.lan6(format!("closed port and {len} bytes"), &closed, "?");
        let lost = Ip6::new(LAN6_HOST, WAN6_HOST).udp(1, 9, &filler(len)).hops(1);
        f.lan6(format!("lost and {len} bytes"), &lost, "?");
        let padded = [lost.bytes(), vec![0xaa; 9]].concat();
        let frame = crate::common::frame::ether(
            crate::topology::LAN_MAC,
            crate::topology::mac_of(LAN6_HOST),
            crate::common::frame6::IPV6,
            &padded,
        );
        f.add(format!("lost and {len} bytes with more behind"), "lan", frame, "?");
    }
    let culprit = || Ip6::new(LAN6_HOST, WAN6_HOST).udp(1, 2, b"x");
    for (name, lost) in [
        ("an error", culprit().icmp_error(1, 4, 0, &culprit(), 99)),
        ("an error behind options", culprit().dst_options(&[]).icmp_error(1, 4, 0, &culprit(), 99)),
        (
            "an error behind hop-by-hop",
            culprit().hop_by_hop(&[]).icmp_error(1, 4, 0, &culprit(), 99),
        ),
        (
            "an error behind routing",
            culprit().by_way_of(0, 0, &[]).icmp_error(1, 4, 0, &culprit(), 99),
        ),
        (
            "an error in an only piece",
            culprit().icmp_error(1, 4, 0, &culprit(), 99).piece(0, false, 7),
        ),
        (
            "an error in a first piece",
            culprit().icmp_error(1, 4, 0, &culprit(), 99).piece(0, true, 7),
        ),
        (
            "an error in a later piece",
            culprit().icmp_error(1, 4, 0, &culprit(), 99).piece(80, false, 7),
        ),
        ("a later piece", culprit().piece(80, true, 7)),
        ("a first piece", culprit().piece(0, true, 7)),
        ("a redirect", culprit().redirect(WAN6_HOST, FAR6, &[])),
        ("ICMP without a type", culprit().raw(58, b"")),
        ("ICMP of one byte", culprit().raw(58, &[1])),
        ("ICMP of one byte that asks", culprit().raw(58, &[128])),
        ("an error with a wrong checksum", culprit().icmp(1, 4, &filler(60)).spoil_payload(2, 9)),
        ("nothing next", culprit().raw(NONE, b"")),
        ("headers cut short", culprit().header(60, &[9, 0, 0, 0, 0, 0, 0]).raw(58, &[128, 0])),
        ("headers without end", culprit().header(60, &[255, 0, 0, 0, 0, 0, 0]).raw(58, &[1, 0])),
        ("authentication and an error", culprit().auth(6).icmp(1, 4, &filler(60))),
        ("secret", culprit().raw(50, &filler(60))),
        ("tcp", culprit().tcp((1, 2), 3, 4, 16, b"")),
        ("tcp reset", culprit().tcp((1, 2), 3, 4, 4, b"")),
        ("an echo", culprit().echo(1, 2, b"x")),
        ("a reply", culprit().icmp(129, 0, b"12345678")),
        ("a solicitation", culprit().solicit(WAN6_HOST, &[])),
        ("IPv4 within", culprit().raw(4, &filler(40))),
        ("IPv6 within", culprit().raw(41, &culprit().bytes())),
    ] {
        f.lan6(format!("lost: {name}"), &lost.clone().hops(1), "?");
        f.lan6(format!("no way: {name}"), &lost.clone().to(ip6("2001:db8:99::1")), "?");
        f.lan6(format!("link-local: {name}"), &lost.clone().from(LAN6_NEAR), "?");
        f.lan6(format!("from nobody: {name}"), &lost.clone().from(ip6("::")).hops(1), "?");
        let frame =
            super::six::framed(crate::topology::mac_of(LAN6_HOST), [0xff; 6], &lost.hops(1));
        f.add(format!("to everybody on the link: {name}"), "lan", frame, "?");
    }
    for (name, src) in [
        ("a group", ip6("ff02::9")),
        ("loopback", ip6("::1")),
        ("the router", LAN6),
        ("the router's link-local address", LAN6_LINK),
        ("its anycast address", ip6("2001:db8:1::")),
        ("another anycast address", ip6("2001:db8:2::")),
        ("a mapped address", ip6("::ffff:10.1.0.10")),
        ("a host of another port", WAN6_HOST),
        ("far away", FAR6),
    ] {
        let from = |dst| Ip6::new(src, dst).udp(1, 9, b"from");
        f.lan6(format!("from {name}, lost"), &from(FAR6).hops(1), "?");
        f.lan6(format!("from {name}, closed port"), &from(LAN6), "?");
        f.lan6(format!("from {name}, no way"), &from(ip6("2001:db8:99::1")), "?");
        f.lan6(
            format!("from {name}, unknown header"),
            &Ip6::new(src, LAN6).raw(199, b"12345678"),
            "?",
        );
        f.lan6(format!("from {name}, option to tell of"), &from(FAR6).hop_by_hop(&[0x9e, 0]), "?");
    }
    for class in [0, 3, 0xb8, 0xff] {
        f.lan6(format!("lost with class {class}"), &culprit().class(class).hops(1), "?");
        f.lan6(format!("lost with label {class}"), &culprit().label(class.into()).hops(1), "?");
    }
    f
}

/// Errors about what the router is said to have sent.
pub(crate) fn received() -> Family {
    let mut f = Family::six("six-icmp-received");
    let own = Ip6::new(LAN6, LAN6_HOST).icmp(129, 0, &filler(40));
    let to = || Ip6::new(LAN6_HOST, LAN6);
    for kind in 1..5 {
        for code in [0, 1, 2, 3, 4, 5, 6, 7, 255] {
            let error = to().icmp_error(kind, code, 0, &own, 999);
            f.lan6(format!("{kind}/{code}"), &error, "nothing");
        }
        for quote in [0, 1, 8, 39, 40, 41, 48, 60] {
            let error = to().icmp_error(kind, 0, 1400, &own, quote);
            f.lan6(format!("{kind}/0 with a quote of {quote}"), &error, "nothing");
        }
        for len in 1..9 {
            let error = to().icmp_error(kind, 0, 0, &own, 99).cut_payload(len);
            f.lan6(format!("{kind}/0 cut to {len}"), &error, "nothing");
        }
        let error = to().icmp_error(kind, 0, 0, &own, 99).spoil_payload(2, 1);
        f.lan6(format!("{kind}/0 with a wrong checksum"), &error, "nothing");
        let other = Ip6::new(WAN6_HOST, LAN6_OTHER).udp(1, 2, b"x");
        f.lan6(
            format!("{kind}/0 about others' packets"),
            &to().icmp_error(kind, 0, 1300, &other, 99),
            "nothing",
        );
        let tcp = Ip6::new(LAN6, LAN6_HOST).tcp((80, 1), 1, 2, 20, b"");
        f.lan6(
            format!("{kind}/0 about a reset"),
            &to().icmp_error(kind, 0, 1300, &tcp, 99),
            "nothing",
        );
        let odd = own.clone().version(4);
        f.lan6(
            format!("{kind}/0 about version 4"),
            &to().icmp_error(kind, 0, 1300, &odd, 99),
            "nothing",
        );
        let nested = Ip6::new(LAN6, LAN6_HOST).icmp_error(1, 0, 0, &to().udp(1, 9, b"x"), 99);
        f.lan6(
            format!("{kind}/0 about an error"),
            &to().icmp_error(kind, 0, 1300, &nested, 999),
            "nothing",
        );
        let passing = Ip6::new(LAN6_HOST, WAN6_HOST).icmp_error(kind, 0, 1300, &other, 99);
        f.lan6(format!("{kind}/0 to another passes"), &passing, "?");
    }
    f.lan6("and still answers", &to().echo(1, 1, &filler(1400)), "?");
    f
}

/// Errors that are limited, by whom they go to.
pub(crate) fn limited() -> Family {
    let mut f = Family::six("six-icmp-limited").with("net.ipv6.icmp.ratelimit", "1000");
    let closed = |src| Ip6::new(src, LAN6).udp(1, 9, b"closed");
    let rest = Duration::from_millis(600);
    for n in 1..11 {
        f.lan6(format!("a neighbour, error {n}"), &closed(LAN6_HOST), "?");
    }
    for n in 1..4 {
        f.lan6(format!("another neighbour, error {n}"), &closed(LAN6_OTHER), "?");
    }
    for n in 1..4 {
        let big = Ip6::new(LAN6_HOST, DMZ6_HOST).raw(253, &filler(1400));
        f.lan6(format!("too big is not limited, {n}"), &big, "?");
        f.lan6(format!("nor are echoes, {n}"), &Ip6::new(LAN6_HOST, LAN6).echo(1, 1, b"x"), "?");
    }
    f.settle(rest);
    for n in 1..5 {
        f.lan6(format!("after a while, error {n}"), &closed(LAN6_HOST), "?");
    }
    f.settle(Duration::from_millis(2000));
    for n in 1..9 {
        f.lan6(format!("after a longer while, error {n}"), &closed(LAN6_HOST), "?");
    }
    for n in 1..10 {
        f.lan6(format!("far away, error {n}"), &closed(host(9, 7)), "?");
    }
    f
}

/// The same with other types limited.
pub(crate) fn limited_types() -> Family {
    let mut f = Family::six("six-icmp-limited-types")
        .with("net.ipv6.icmp.ratelimit", "100000")
        .with("net.ipv6.icmp.ratemask", "2-3,129");
    for n in 1..9 {
        f.lan6(format!("closed port, {n}"), &Ip6::new(LAN6_HOST, LAN6).udp(1, 9, b"x"), "?");
    }
    for n in 1..9 {
        f.lan6(format!("echo, {n}"), &Ip6::new(LAN6_OTHER, LAN6).echo(1, 1, b"x"), "?");
    }
    for n in 1..9 {
        let big = Ip6::new(LAN6_HOST, DMZ6_HOST).raw(253, &filler(1400));
        f.lan6(format!("too big, {n}"), &big, "?");
        f.lan6(format!("lost, {n}"), &Ip6::new(LAN6_HOST, WAN6_HOST).udp(1, 2, b"x").hops(1), "?");
    }
    f
}

/// All errors together are limited.
pub(crate) fn limited_together() -> Family {
    let mut f = Family::six("six-icmp-limited-together")
        .with("net.ipv6.icmp.ratelimit", "1000")
        .with("net.ipv4.icmp_msgs_per_sec", "1000")
        .with("net.ipv4.icmp_msgs_burst", "1");
    for n in 1..5 {
        let big = Ip6::new(LAN6_HOST, DMZ6_HOST).raw(253, &filler(1400));
        f.lan6(format!("too big, {n}"), &big, "?");
    }
    f
}

/// Errors about packets to and from anycast addresses as if they were another's.
pub(crate) fn anycast() -> Family {
    let mut f = Family::six("six-icmp-anycast").with("net.ipv6.icmp.error_anycast_as_unicast", "1");
    for (name, src) in [
        ("a host", LAN6_HOST),
        ("the anycast address", ip6("2001:db8:1::")),
        ("another anycast address", ip6("2001:db8:2::")),
    ] {
        let from = |dst| Ip6::new(src, dst).udp(1, 9, b"from");
        f.lan6(format!("{name}: lost"), &from(FAR6).hops(1), "?");
        f.lan6(format!("{name}: closed port"), &from(LAN6), "?");
        f.lan6(
            format!("{name}: closed port of the anycast address"),
            &from(ip6("2001:db8:1::")),
            "?",
        );
    }
    f
}
