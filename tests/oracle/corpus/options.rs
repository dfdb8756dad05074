//! IPv4 options: [4.38] to [4.79].

use super::Family;
use crate::common::frame::{DF, Ip, filler};
use crate::topology::{DMZ_HOST, LAN, LAN_HOST, WAN, WAN_HOST};

/// Record route with room for `n` addresses, the first `used` of them taken.
fn record_route(n: u8, used: u8) -> Vec<u8> {
    let mut option = vec![7, 3 + 4 * n, 4 + 4 * used];
    for k in 0..n {
        option.extend(if k < used { [10, 99, 0, k] } else { [0; 4] });
    }
    option
}

/// Timestamp of this kind with `slots` words of data, `pointer` and `overflow` as given.
fn timestamp(kind: u8, slots: &[[u8; 4]], pointer: u8, overflow: u8) -> Vec<u8> {
    let mut option = vec![68, 4 + 4 * slots.len() as u8, pointer, overflow << 4 | kind];
    option.extend(slots.concat());
    option
}

/// Source route, loose (131) or strict (137).
fn source_route(kind: u8, pointer: u8, hops: &[[u8; 4]]) -> Vec<u8> {
    let mut option = vec![kind, 3 + 4 * hops.len() as u8, pointer];
    option.extend(hops.concat());
    option
}

pub(crate) fn family() -> Family {
    let mut f = Family::new("options");
    let with = |options: &[u8]| Ip::new(LAN_HOST, WAN_HOST).options(options).udp(1, 2, b"options");
    let mut forwarded =
        |name: &str, options: &[u8]| f.lan(name.to_owned(), &with(options), "wan: udp");
    forwarded("one no-operation and end", &[1]);
    forwarded("forty no-operations", &[1; 40]);
    forwarded("end at once", &[0, 0, 0, 0]);
    forwarded("end and something after it", &[0, 9, 9, 9]);
    forwarded("end and something long after it", &[1, 0, 7, 7, 4, 0, 0, 0]);
    forwarded("record route, empty", &record_route(3, 0));
    forwarded("record route, one taken", &record_route(3, 1));
    forwarded("record route, last place", &record_route(3, 2));
    forwarded("record route, full", &record_route(3, 3));
    forwarded("record route of nine", &record_route(9, 0));
    forwarded("record route of no places", &[7, 3, 4, 1]);
    forwarded("record route after a no-operation", &[&[1][..], &record_route(2, 0)].concat());
    forwarded("router alert", &[148, 4, 0, 0]);
    forwarded("router alert with a value", &[148, 4, 0, 1]);
    forwarded("security", &[130, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    forwarded("stream identifier", &[136, 4, 1, 2]);
    forwarded("option that nobody knows", &[94, 6, 1, 2, 3, 4]);
    forwarded("option that nobody knows, with no data", &[158, 2, 1, 1]);
    forwarded("timestamps", &timestamp(0, &[[0; 4]; 4], 5, 0));
    forwarded("timestamps, one taken", &timestamp(0, &[[1; 4], [0; 4]], 9, 0));
    forwarded("timestamps, full", &timestamp(0, &[[1; 4], [2; 4]], 13, 0));
    forwarded("timestamps, full and overflowing", &timestamp(0, &[[1; 4], [2; 4]], 13, 14));
    forwarded("timestamps with addresses", &timestamp(1, &[[0; 4]; 4], 5, 0));
    forwarded(
        "timestamps with addresses, one taken",
        &timestamp(1, &[[9; 4], [8; 4], [0; 4], [0; 4]], 13, 0),
    );
    forwarded(
        "timestamps for addresses, this router's wan address next",
        &timestamp(3, &[WAN.octets(), [0; 4]], 5, 0),
    );
    forwarded(
        "timestamps for addresses, this router's lan address next",
        &timestamp(3, &[LAN.octets(), [0; 4]], 5, 0),
    );
    forwarded(
        "timestamps for addresses, another next",
        &timestamp(3, &[[10, 9, 9, 9], [0; 4]], 5, 0),
    );
    forwarded("timestamps of kind 2, which is none", &timestamp(2, &[[0; 4]; 2], 5, 0));
    forwarded(
        "record route and timestamps",
        &[record_route(2, 0), vec![1], timestamp(0, &[[0; 4]; 2], 5, 0)].concat(),
    );

    for (name, options, pointer) in [
        ("option of length 0", vec![94, 0, 1, 1], 20),
        ("option of length 1", vec![94, 1, 1, 1], 20),
        ("option longer than the header", vec![94, 9, 1, 1], 20),
        ("option that ends before its length", vec![1, 1, 1, 94], 23),
        ("bad option after a good one", vec![1, 1, 94, 200], 22),
        ("record route of two bytes", vec![7, 2, 1, 1], 21),
        ("record route with pointer 3", [&[7, 7, 3][..], &[0; 4], &[1]].concat(), 22),
        ("record route with pointer 0", [&[7, 7, 0][..], &[0; 4], &[1]].concat(), 22),
        ("record route with room for half an address", vec![7, 5, 4, 0, 0, 1, 1, 1], 22),
        (
            "record route twice",
            [record_route(1, 0), vec![1], record_route(1, 0), vec![1]].concat(),
            28,
        ),
        ("timestamps of three bytes", vec![68, 3, 5, 1], 21),
        ("timestamps with pointer 4", timestamp(0, &[[0; 4]], 4, 0), 22),
        ("timestamps with addresses and room for half", timestamp(1, &[[0; 4]], 5, 0), 22),
        (
            "timestamps twice",
            [timestamp(0, &[[0; 4]], 5, 0), timestamp(0, &[[0; 4]], 5, 0)].concat(),
            28,
        ),
        ("timestamps with the last overflow", timestamp(0, &[[1; 4]], 9, 15), 23),
        ("router alert of three bytes", vec![148, 3, 0, 1], 21),
        ("source route of two bytes", vec![131, 2, 1, 1], 21),
        ("source route with pointer 3", source_route(131, 3, &[[10, 9, 0, 1]]), 22),
        (
            "source routes of both kinds",
            [
                source_route(131, 4, &[[10, 9, 0, 1]]),
                vec![1],
                source_route(137, 4, &[[10, 9, 0, 1]]),
                vec![1],
            ]
            .concat(),
            28,
        ),
    ] {
        f.lan(name, &with(&options), format!("lan: icmp 12/0 ptr {pointer}"));
        let to_router = Ip::new(LAN_HOST, LAN).options(&options).echo(1, 1, b"options");
        f.lan(
            format!("{name}, to the router"),
            &to_router,
            format!("lan: icmp 12/0 ptr {pointer}"),
        );
    }
    f.lan(
        "loose source route is not taken by default",
        &with(&source_route(131, 4, &[[10, 9, 0, 1]])),
        "nothing",
    );
    f.lan(
        "strict source route is not taken by default",
        &with(&source_route(137, 4, &[[10, 9, 0, 1]])),
        "nothing",
    );
    f.lan(
        "loose source route with room for half an address is not taken either",
        &with(&[131, 6, 4, 1, 1, 1, 1, 1]),
        "nothing",
    );
    f.lan(
        "loose source route that is used up is not taken either",
        &with(&source_route(131, 8, &[[10, 9, 0, 1]])),
        "nothing",
    );

    let ping = |options: &[u8]| Ip::new(LAN_HOST, LAN).options(options).echo(1, 1, b"options");
    for (name, options) in [
        ("no-operations", vec![1; 8]),
        ("record route", record_route(3, 0)),
        ("record route, one taken", record_route(3, 1)),
        ("record route, full", record_route(2, 2)),
        ("timestamps", timestamp(0, &[[0; 4]; 3], 5, 0)),
        ("timestamps with addresses", timestamp(1, &[[0; 4]; 4], 5, 0)),
        (
            "timestamps for addresses",
            timestamp(3, &[LAN.octets(), [0; 4], [10, 1, 0, 10], [0; 4]], 5, 0),
        ),
        ("router alert", vec![148, 4, 0, 0]),
        ("security", vec![130, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        ("an option that nobody knows", vec![94, 6, 1, 2, 3, 4]),
    ] {
        f.lan(format!("ping with {name}"), &ping(&options), "lan: icmp 0/0");
        f.lan(format!("TTL 1 with {name}"), &with(&options).ttl(1), "lan: icmp 11/0");
        f.lan(
            format!("UDP to a closed port with {name}"),
            &Ip::new(LAN_HOST, LAN).options(&options).udp(1, 33434, b""),
            "lan: icmp 3/3",
        );
        f.lan(
            format!("too big, DF and {name}"),
            &Ip::new(LAN_HOST, DMZ_HOST).flags(DF).options(&options).udp(1, 2, &filler(1400)),
            "lan: icmp 3/4 mtu 1400",
        );
    }
    for (name, options) in [
        ("no-operations", vec![1; 8]),
        ("record route, which only the first keeps", record_route(2, 0)),
        ("timestamps, which only the first keeps", timestamp(0, &[[0; 4]; 2], 5, 0)),
        ("security, which all keep", vec![130, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        ("an option to be copied that nobody knows", vec![158, 6, 1, 2, 3, 4]),
        ("an option not to be copied that nobody knows", vec![94, 6, 1, 2, 3, 4]),
    ] {
        let words = options.len().div_ceil(4) * 4;
        let step = (1400 - 20 - words) / 8 * 8;
        let packet = Ip::new(LAN_HOST, DMZ_HOST).options(&options).raw(253, &filler(1420));
        f.lan(
            format!("cut in two with {name}"),
            &packet,
            format!("dmz: frag 0+{step} more, frag {step}+{}", 1420 - step),
        );
    }
    f
}

/// The same router where the operator lets senders choose the way.
pub(crate) fn source_routes() -> Family {
    let mut f = Family::new("source-route");
    f.topology = f
        .topology
        .sysctl("net.ipv4.conf.all.accept_source_route", "1")
        .sysctl("net.ipv4.conf.default.accept_source_route", "1");
    let to = |dst: std::net::Ipv4Addr, options: &[u8]| {
        Ip::new(LAN_HOST, dst).options(options).udp(1, 2, b"source route")
    };
    let far = [10, 9, 0, 1];
    f.lan(
        "loose, to this router and on to the wan host",
        &to(LAN, &source_route(131, 4, &[WAN_HOST.octets()])),
        "wan: udp",
    );
    f.lan(
        "loose, to this router and on beyond the gateway",
        &to(LAN, &source_route(131, 4, &[far])),
        "wan: udp",
    );
    f.lan(
        "loose, two hops to go",
        &to(LAN, &source_route(131, 4, &[WAN_HOST.octets(), far])),
        "wan: udp",
    );
    f.lan(
        "loose, second of two hops",
        &to(LAN, &source_route(131, 8, &[[10, 7, 7, 7], far])),
        "wan: udp",
    );
    f.lan(
        "loose, the router twice",
        &to(LAN, &source_route(131, 4, &[WAN.octets(), WAN_HOST.octets()])),
        "wan: udp",
    );
    f.lan(
        "loose, the next hop has no route",
        &to(LAN, &source_route(131, 4, &[[172, 31, 0, 1]])),
        "nothing",
    );
    f.lan(
        "loose, not for this router yet",
        &to(WAN_HOST, &source_route(131, 4, &[far])),
        "wan: udp",
    );
    f.lan(
        "loose, used up, to this router",
        &Ip::new(LAN_HOST, LAN).options(&source_route(131, 8, &[[10, 7, 7, 7]])).udp(1, 33434, b""),
        "nothing",
    );
    f.lan(
        "loose, used up, passing",
        &to(WAN_HOST, &source_route(131, 8, &[[10, 7, 7, 7]])),
        "wan: udp",
    );
    f.lan(
        "loose with TTL 1",
        &to(LAN, &source_route(131, 4, &[WAN_HOST.octets()])).ttl(1),
        "lan: icmp 11/0",
    );
    f.lan(
        "loose back to the sender",
        &to(LAN, &source_route(131, 4, &[LAN_HOST.octets()])),
        "lan: udp",
    );
    f.lan(
        "strict, next hop on the link",
        &to(LAN, &source_route(137, 4, &[WAN_HOST.octets()])),
        "wan: udp",
    );
    f.lan(
        "strict, next hop behind a gateway",
        &to(LAN, &source_route(137, 4, &[far])),
        "lan: icmp 3/5",
    );
    f.lan(
        "strict, not for this router",
        &to(WAN_HOST, &source_route(137, 4, &[far])),
        "lan: icmp 12/0 ptr 16",
    );
    f.lan(
        "ping by a loose source route that is used up",
        &Ip::new(LAN_HOST, LAN)
            .options(&source_route(131, 8, &[[10, 1, 0, 11]]))
            .echo(1, 1, b"back"),
        "lan: icmp 0/0",
    );
    f
}
