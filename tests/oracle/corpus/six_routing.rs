//! Routing headers, old and new: [8.46] to [8.50].

use std::net::Ipv6Addr;

use super::Family;
use super::six::{
    ALL_NODES, FAR6, LAN6, LAN6_HOST, LAN6_LINK, LAN6_OTHER, LAN6_SECOND, WAN6, WAN6_HOST, framed,
    ip6, link_local,
};
use crate::common::frame::filler;
use crate::common::frame6::{Ip6, NONE};
use crate::topology::mac_of;

fn to(dst: Ipv6Addr) -> Ip6 {
    Ip6::new(LAN6_HOST, dst)
}

/// Every type of routing header, with every count of segments left.
fn types(f: &mut Family) {
    for kind in [0, 1, 2, 3, 4, 5, 6, 253, 254, 255] {
        for left in [0, 1, 2, 3] {
            let name = |where_to: &str| format!("type {kind}, {left} left, {where_to}");
            let with = |packet: Ip6, last: Ipv6Addr| {
                packet.last(last).by_way_of(kind, left, &[WAN6_HOST, FAR6]).echo(1, 1, b"way")
            };
            f.lan6(name("through"), &with(to(WAN6_HOST), FAR6), "wan: rh+icmp6 128/0");
            let last = if left == 0 { LAN6 } else { FAR6 };
            f.lan6(name("to the router"), &with(to(LAN6), last), "?");
            f.lan6(name("to all nodes"), &with(to(ALL_NODES), ALL_NODES), "nothing");
        }
    }
}

/// What else may be wrong with one of type 2 that is for the router, and with the plain ones.
fn odd(f: &mut Family) {
    let home = |way: Ipv6Addr| to(LAN6).last(way).by_way_of(2, 1, &[way]);
    f.all_lan6(
        "type 2 by way of ",
        &[
            (
                "the router's other address",
                home(LAN6_SECOND).echo(1, 1, b"x"),
                "lan: icmp6 4/0 ptr 42",
            ),
            ("its address on the wan", home(WAN6).echo(1, 1, b"x"), "lan: icmp6 4/0 ptr 42"),
            ("itself", home(LAN6).echo(1, 1, b"x"), "lan: icmp6 4/0 ptr 42"),
            ("a host", home(WAN6_HOST).udp(1, 2, b"x"), "lan: icmp6 4/0 ptr 42"),
            ("a group", home(ALL_NODES).udp(1, 2, b"x"), "?"),
            ("a link-local address", home(LAN6_LINK).echo(1, 1, b"x"), "lan: icmp6 4/0 ptr 42"),
            ("loopback", home(ip6("::1")).echo(1, 1, b"x"), "?"),
            ("nobody", home(ip6("::")).udp(1, 2, b"x"), "lan: icmp6 4/0 ptr 42"),
        ],
    );
    f.all_lan6(
        "odd: ",
        &[
            (
                "type 2 with two addresses",
                to(LAN6).by_way_of(2, 1, &[WAN6_HOST, FAR6]).udp(1, 2, b"x"),
                "?",
            ),
            (
                "type 2 with no address",
                to(LAN6).by_way_of(2, 1, &[]).udp(1, 2, b"x"),
                "lan: icmp6 4/0 ptr 42",
            ),
            (
                "type 0 with no address and nothing left",
                to(LAN6).by_way_of(0, 0, &[]).echo(1, 1, b"x"),
                "lan: icmp6 129/0",
            ),
            (
                "type 0 of odd length and nothing left",
                to(LAN6).routing(0, 0, &[0; 12]).echo(1, 1, b"x"),
                "lan: icmp6 129/0",
            ),
            (
                "type 0 of odd length",
                to(LAN6).routing(0, 1, &[0; 12]).echo(1, 1, b"x"),
                "lan: icmp6 4/0 ptr 42",
            ),
            (
                "longer than the packet",
                to(LAN6).header(43, &[9, 0, 0, 0, 0, 0, 0]).echo(1, 1, b"x"),
                "nothing",
            ),
            ("cut to 4 bytes", to(LAN6).header(43, &[0, 0, 0]).raw(NONE, b""), "nothing"),
            ("nothing left and nothing next", to(LAN6).by_way_of(0, 0, &[]).raw(NONE, b""), "?"),
            (
                "twice and nothing left",
                to(LAN6).by_way_of(0, 0, &[]).by_way_of(2, 0, &[]).echo(1, 1, b"x"),
                "?",
            ),
            (
                "behind options and nothing left",
                to(LAN6).dst_options(&[]).by_way_of(0, 0, &[]).echo(1, 1, b"x"),
                "?",
            ),
            (
                "before options and nothing left",
                to(LAN6).by_way_of(0, 0, &[]).dst_options(&[]).echo(1, 1, b"x"),
                "lan: icmp6 129/0",
            ),
            (
                "before options to tell of",
                to(LAN6).by_way_of(0, 0, &[]).dst_options(&[0x9e, 0]).echo(1, 1, b"x"),
                "lan: icmp6 4/2 ptr 50",
            ),
            (
                "behind options to tell of",
                to(LAN6).dst_options(&[0x9e, 0]).by_way_of(0, 1, &[FAR6]).echo(1, 1, b"x"),
                "lan: icmp6 4/2 ptr 42",
            ),
            (
                "behind hop-by-hop",
                to(LAN6).hop_by_hop(&[]).by_way_of(0, 1, &[FAR6]).echo(1, 1, b"x"),
                "?",
            ),
            (
                "type 0 to a link-local address",
                to(LAN6_LINK).by_way_of(0, 1, &[FAR6]).echo(1, 1, b"x"),
                "?",
            ),
            (
                "type 0 from a link-local address",
                Ip6::new(link_local(0x10), LAN6).by_way_of(0, 1, &[FAR6]).echo(1, 1, b"x"),
                "?",
            ),
            (
                "through with hop limit 1",
                to(WAN6_HOST).by_way_of(0, 1, &[FAR6]).hops(1).udp(1, 2, b"x"),
                "lan: icmp6 3/0",
            ),
            (
                "closed port behind it",
                to(LAN6).by_way_of(0, 0, &[FAR6]).udp(1, 9, b"x"),
                "lan: icmp6 1/4",
            ),
        ],
    );
    let sent = to(LAN6).by_way_of(0, 1, &[FAR6]).echo(1, 1, b"x");
    f.add(
        "to everybody on the link",
        "lan",
        framed(mac_of(LAN6_HOST), [0xff; 6], &sent),
        "nothing",
    );
}

/// Segment routing headers (RFC 8754).
fn segments(f: &mut Family) {
    let two = [FAR6, LAN6];
    let seg = |left| to(LAN6).last(FAR6).segments(left, &two, &[]).udp(1, 2, &filler(20));
    f.all_lan6(
        "segments: ",
        &[
            ("one left", seg(1), "?"),
            ("two left of two", seg(2), "?"),
            ("three left of two", seg(3), "?"),
            ("none left", to(LAN6).segments(0, &[LAN6, WAN6_HOST], &[]).echo(1, 1, b"x"), "?"),
            (
                "none left and a closed port",
                to(LAN6).segments(0, &[LAN6, WAN6_HOST], &[]).udp(1, 9, b"x"),
                "?",
            ),
            ("one left, hop limit 1", seg(1).hops(1), "?"),
            ("one left, hop limit 2", seg(1).hops(2), "?"),
            ("one left, hop limit 0", seg(1).hops(0), "?"),
            (
                "next is the router too",
                to(LAN6).last(WAN6).segments(1, &[WAN6, LAN6], &[]).echo(1, 1, b"x"),
                "?",
            ),
            (
                "two of three are the router",
                to(LAN6).last(FAR6).segments(2, &[FAR6, WAN6, LAN6], &[]).udp(1, 2, b"x"),
                "?",
            ),
            (
                "all three are the router",
                to(LAN6)
                    .last(LAN6_SECOND)
                    .segments(2, &[LAN6_SECOND, WAN6, LAN6], &[])
                    .echo(1, 1, b"x"),
                "?",
            ),
            (
                "next is a group",
                to(LAN6).last(ALL_NODES).segments(1, &[ALL_NODES, LAN6], &[]).udp(1, 2, b"x"),
                "nothing",
            ),
            (
                "next is loopback",
                to(LAN6).last(ip6("::1")).segments(1, &[ip6("::1"), LAN6], &[]).echo(1, 1, b"x"),
                "?",
            ),
            (
                "next is on the link it came from",
                to(LAN6).last(LAN6_OTHER).segments(1, &[LAN6_OTHER, LAN6], &[]).udp(1, 2, b"x"),
                "?",
            ),
            (
                "next has no way",
                to(LAN6)
                    .last(ip6("2001:db8:99::1"))
                    .segments(1, &[ip6("2001:db8:99::1"), LAN6], &[])
                    .udp(1, 2, b"x"),
                "?",
            ),
            (
                "next is link-local",
                to(LAN6)
                    .last(link_local(0x11))
                    .segments(1, &[link_local(0x11), LAN6], &[])
                    .udp(1, 2, b"x"),
                "?",
            ),
            (
                "with PadN behind",
                to(LAN6).last(FAR6).segments(1, &two, &[4, 6, 0, 0, 0, 0, 0, 0]).udp(1, 2, b"x"),
                "?",
            ),
            (
                "with Pad1 behind",
                to(LAN6).last(FAR6).segments(1, &two, &[0; 8]).udp(1, 2, b"x"),
                "?",
            ),
            (
                "with a broken option behind",
                to(LAN6).last(FAR6).segments(1, &two, &[4, 7, 0, 0, 0, 0, 0, 0]).udp(1, 2, b"x"),
                "?",
            ),
            (
                "with a signature behind",
                to(LAN6)
                    .last(FAR6)
                    .segments(1, &two, &[&[5, 38, 0, 0, 0, 0, 0, 1][..], &[7; 32]].concat())
                    .udp(1, 2, b"x"),
                "?",
            ),
            (
                "last entry beyond the header",
                to(LAN6)
                    .routing(4, 1, &[&[2, 0, 0, 0][..], &FAR6.octets(), &LAN6.octets()].concat())
                    .udp(1, 2, b"x"),
                "?",
            ),
            (
                "last entry less than there are",
                to(LAN6)
                    .last(FAR6)
                    .routing(4, 1, &[&[0, 0, 0, 0][..], &FAR6.octets(), &LAN6.octets()].concat())
                    .udp(1, 2, b"x"),
                "?",
            ),
            (
                "flags set",
                to(LAN6)
                    .last(FAR6)
                    .routing(4, 1, &[&[1, 0xff, 1, 2][..], &FAR6.octets(), &LAN6.octets()].concat())
                    .udp(1, 2, b"x"),
                "?",
            ),
            (
                "cut short",
                to(LAN6).header(43, &[4, 4, 1, 1, 0, 0, 0]).raw(NONE, &filler(8)),
                "nothing",
            ),
            (
                "to the router's link-local address",
                to(LAN6_LINK).last(FAR6).segments(1, &[FAR6, LAN6_LINK], &[]).udp(1, 2, b"x"),
                "?",
            ),
            (
                "behind hop-by-hop",
                to(LAN6).last(FAR6).hop_by_hop(&[]).segments(1, &two, &[]).udp(1, 2, b"x"),
                "?",
            ),
            (
                "and IPv6 inside, none left",
                to(LAN6).segments(0, &[LAN6], &[]).raw(41, &to(WAN6_HOST).udp(1, 2, b"x").bytes()),
                "?",
            ),
            (
                "and IPv6 inside for the router, none left",
                to(LAN6).segments(0, &[LAN6], &[]).raw(41, &to(LAN6).echo(1, 2, b"x").bytes()),
                "?",
            ),
            (
                "and IPv6 inside, one left",
                to(LAN6).segments(1, &two, &[]).raw(41, &to(WAN6_HOST).udp(1, 2, b"x").bytes()),
                "?",
            ),
            (
                "too big for the link behind",
                to(LAN6)
                    .last(ip6("2001:db8:3::10"))
                    .segments(1, &[ip6("2001:db8:3::10"), LAN6], &[])
                    .udp(1, 2, &filler(1400)),
                "?",
            ),
        ],
    );
}

/// As routers are, with source routing off.
pub(crate) fn family() -> Family {
    let mut f = Family::six("six-routing");
    types(&mut f);
    odd(&mut f);
    segments(&mut f);
    f
}

/// With `accept_source_route` on, which is for type 2 alone.
pub(crate) fn accepted() -> Family {
    let mut f = Family::six("six-routing-accepted")
        .with("net.ipv6.conf.all.accept_source_route", "1")
        .with("net.ipv6.conf.default.accept_source_route", "1");
    types(&mut f);
    odd(&mut f);
    f
}

/// With it below zero.
pub(crate) fn refused() -> Family {
    let mut f = Family::six("six-routing-refused")
        .with("net.ipv6.conf.all.accept_source_route", "-1")
        .with("net.ipv6.conf.default.accept_source_route", "-1");
    types(&mut f);
    f
}

/// A router that takes segments from the lan.
pub(crate) fn segments_on() -> Family {
    let mut f = Family::six("six-segments")
        .with("net.ipv6.conf.all.seg6_enabled", "1")
        .with("net.ipv6.conf.lan.seg6_enabled", "1");
    segments(&mut f);
    let from_wan = Ip6::new(WAN6_HOST, WAN6).last(LAN6_HOST).segments(1, &[LAN6_HOST, WAN6], &[]);
    f.wan6("segments: from the wan, where they are off", &from_wan.udp(1, 2, b"x"), "?");
    f
}
