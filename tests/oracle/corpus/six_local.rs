//! What the router takes as its own, and echoes: [8.6], [8.11], [8.12], [8.17], [8.18], [8.125], [8.128].

use std::net::Ipv6Addr;

use super::Family;
use super::six::{
    ALL_NODES, ALL_ROUTERS, DMZ6, LAN6, LAN6_HOST, LAN6_LINK, LAN6_NEAR, LAN6_OTHER, LAN6_SECOND,
    VLAN6, WAN6, WAN6_HOST, WAN6_LINK, ip6, link_local,
};
use crate::common::frame::filler;
use crate::common::frame6::{Ip6, solicited};

/// Every address that could be the router's.
fn places() -> Vec<(&'static str, Ipv6Addr)> {
    vec![
        ("the lan address", LAN6),
        ("the second lan address", LAN6_SECOND),
        ("the wan address", WAN6),
        ("the dmz address", DMZ6),
        ("the VLAN address", VLAN6),
        ("the link-local address", LAN6_LINK),
        ("the lan anycast address", ip6("2001:db8:1::")),
        ("the wan anycast address", ip6("2001:db8:2::")),
        ("the link-local anycast address", ip6("fe80::")),
        ("all nodes", ALL_NODES),
        ("all routers", ALL_ROUTERS),
        ("all nodes of the interface", ip6("ff01::1")),
        ("all routers of the interface", ip6("ff01::2")),
        ("all routers of the site", ip6("ff05::2")),
        ("all nodes of the site", ip6("ff05::1")),
        ("all nodes of the world", ip6("ff0e::1")),
        ("all of MLDv2", ip6("ff02::16")),
        ("all of OSPF", ip6("ff02::5")),
        ("a group of no scope", ip6("ff00::1")),
        ("a transient group", ip6("ff12::1234")),
        ("the group of the lan address", solicited(LAN6)),
        ("the group of the second lan address", solicited(LAN6_SECOND)),
        ("the group of the anycast address", solicited(ip6("2001:db8:1::"))),
        ("the group of a host", solicited(LAN6_HOST)),
        ("loopback", ip6("::1")),
        ("nobody", ip6("::")),
    ]
}

pub(crate) fn family() -> Family {
    let mut f = Family::six("six-local");
    for (name, dst) in places() {
        for (who, src) in [
            ("", LAN6_HOST),
            (" from a link-local address", LAN6_NEAR),
            (" from far", ip6("2001:db8:9::5")),
        ] {
            let to = Ip6::new(src, dst);
            f.lan6(format!("ping of {name}{who}"), &to.clone().echo(1, 1, &filler(16)), "?");
            f.lan6(format!("closed port of {name}{who}"), &to.clone().udp(1, 9, b"x"), "?");
            f.lan6(
                format!("connection to {name}{who}"),
                &to.clone().tcp((5, 9), 1, 0, 2, b""),
                "?",
            );
            f.lan6(
                format!("unknown header to {name}{who}"),
                &to.clone().raw(199, b"12345678"),
                "?",
            );
            f.lan6(format!("option to tell of to {name}{who}"), &to.dst_options(&[0x9e, 0]), "?");
        }
    }
    f
}

pub(crate) fn echo() -> Family {
    let mut f = Family::six("six-echo");
    echoes(&mut f);
    f
}

fn echoes(f: &mut Family) {
    let to = |dst| Ip6::new(LAN6_HOST, dst);
    for len in [0, 1, 2, 3, 7, 8, 56, 100, 1231, 1232, 1233, 1400, 1451, 1452] {
        f.lan6(format!("echo of {len} bytes"), &to(LAN6).echo(1, 2, &filler(len)), "?");
    }
    for (id, sequence) in [(0, 0), (1, 0xffff), (0xffff, 1), (0xffff, 0xffff)] {
        f.lan6(format!("echo {id} {sequence}"), &to(LAN6).echo(id, sequence, b"abc"), "?");
    }
    for (name, dst) in [
        ("lan", LAN6),
        ("all nodes", ALL_NODES),
        ("anycast", ip6("2001:db8:1::")),
        ("link-local", LAN6_LINK),
    ] {
        for class in [0, 1, 2, 3, 4, 0xb8, 0xff] {
            f.lan6(
                format!("echo of class {class} to {name}"),
                &to(dst).echo(1, 1, b"c").class(class),
                "?",
            );
        }
        for label in [1, 0x12345, 0xfffff] {
            f.lan6(
                format!("echo of label {label} to {name}"),
                &to(dst).echo(1, 1, b"c").label(label),
                "?",
            );
        }
        for hops in [0, 1, 2, 255] {
            f.lan6(
                format!("echo of hop limit {hops} to {name}"),
                &to(dst).echo(1, 1, b"c").hops(hops),
                "?",
            );
        }
        f.lan6(format!("echo with code 1 to {name}"), &to(dst).icmp(128, 1, b"abcdefgh"), "?");
        f.lan6(format!("echo with code 255 to {name}"), &to(dst).icmp(128, 255, b"abcdefgh"), "?");
        f.lan6(format!("reply to {name}"), &to(dst).icmp(129, 0, b"abcdefgh"), "?");
        f.lan6(
            format!("echo with a wrong checksum to {name}"),
            &to(dst).echo(1, 1, b"x").spoil_payload(2, 4),
            "?",
        );
        for len in 0..9 {
            f.lan6(
                format!("echo cut to {len} bytes to {name}"),
                &to(dst).echo(1, 1, b"x").cut_payload(len),
                "?",
            );
        }
        for len in 0..5 {
            f.lan6(
                format!("right echo of {len} bytes to {name}"),
                &to(dst).icmp(128, 0, &filler(len)),
                "?",
            );
        }
        f.lan6(
            format!("echo behind options to {name}"),
            &to(dst).dst_options(&[]).hop_by_hop(&[]).echo(1, 1, b"x"),
            "?",
        );
        f.lan6(
            format!("echo from the router itself to {name}"),
            &Ip6::new(LAN6, dst).echo(1, 1, b"x"),
            "?",
        );
        f.lan6(
            format!("echo from another net to {name}"),
            &Ip6::new(WAN6_HOST, dst).echo(1, 1, b"x"),
            "?",
        );
        f.lan6(
            format!("echo from no net to {name}"),
            &Ip6::new(ip6("2001:db8:99::1"), dst).echo(1, 1, b"x"),
            "?",
        );
        f.lan6(
            format!("echo from another host to {name}"),
            &Ip6::new(LAN6_OTHER, dst).echo(1, 1, b"x"),
            "?",
        );
    }
    f.wan6("echo on the wan to the lan address", &Ip6::new(WAN6_HOST, LAN6).echo(1, 1, b"x"), "?");
    f.wan6(
        "echo on the wan to its link-local address",
        &Ip6::new(link_local(0x10), WAN6_LINK).echo(1, 1, b"x"),
        "?",
    );
    f.wan6("echo on the wan to all nodes", &Ip6::new(WAN6_HOST, ALL_NODES).echo(1, 1, b"x"), "?");
}

/// Echoes with one tunable, or more.
pub(crate) fn echo_with(name: &'static str, tunables: &[(&str, &str)]) -> Family {
    let mut f = Family::six(name);
    for (tunable, value) in tunables {
        f = f.with(tunable, value);
    }
    echoes(&mut f);
    f
}
