//! IPv4 options: [4.38] to [4.79].

use std::net::Ipv4Addr;
use std::time::Duration;

use super::Family;
use crate::common::frame::{DF, Ip, MF, filler};
use crate::topology::{
    DMZ, DMZ_HOST, FAR_HOST, LAN, LAN_HOST, LAN_OTHER, LAN_SECOND, WAN, WAN_HOST,
};

/// Flag of a segment that opens a connection.
const SYN: u8 = 2;

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

/// Every way in which an option can be wrong, alone and behind one that is right.
pub(crate) fn malformed() -> Family {
    let mut f = Family::new("options-malformed");
    let rr = |pointer: u8, len: u8| {
        let mut option = vec![7, len, pointer];
        option.resize(usize::from(len).max(3), 0);
        option
    };
    let ts = |kind: u8, pointer: u8, len: u8| {
        let mut option = vec![68, len, pointer, kind];
        option.resize(usize::from(len).max(4), 0);
        option
    };
    let sr = |kind: u8, pointer: u8, len: u8| {
        let mut option = vec![kind, len, pointer];
        option.resize(usize::from(len).max(3), 9);
        option
    };
    let mut wrong: Vec<(String, Vec<u8>, u8)> = Vec::new();
    // Lengths, of options known and not.
    for kind in [7, 68, 130, 131, 134, 136, 137, 148, 94, 158, 255] {
        for len in [0, 1, 40] {
            wrong.push((format!("option {kind} of length {len}"), vec![kind, len, 4, 0], 0));
        }
    }
    for (name, option, at) in [
        ("record route without a pointer", rr(0, 2), 1),
        ("record route with pointer 3", rr(3, 7), 2),
        ("record route with pointer 0", rr(0, 11), 2),
        ("record route whose last place has three bytes", rr(4, 6), 2),
        ("record route whose last place has one byte", rr(8, 8), 2),
        ("record route with a pointer between places", rr(6, 7), 2),
        ("timestamps without a pointer", ts(0, 0, 2), 1),
        ("timestamps without flags", ts(0, 5, 3), 1),
        ("timestamps with pointer 4", ts(0, 4, 8), 2),
        ("timestamps with pointer 0", ts(1, 0, 12), 2),
        ("timestamps whose last place has three bytes", ts(0, 5, 7), 2),
        ("timestamps with a pointer between places", ts(0, 6, 8), 2),
        ("timestamps of kind 2 whose last place has three bytes", ts(2, 5, 7), 2),
        ("timestamps with addresses whose last place has seven bytes", ts(1, 5, 11), 2),
        ("timestamps with addresses whose last place has four bytes", ts(1, 13, 16), 2),
        ("timestamps for addresses whose last place has seven bytes", ts(3, 5, 11), 2),
        ("timestamps for addresses whose last place has four bytes", ts(3, 13, 16), 2),
        ("timestamps that overflow once too often", ts(0xf0, 9, 8), 3),
        ("timestamps with addresses that overflow once too often", ts(0xf1, 13, 12), 3),
        ("timestamps of kind 2 that overflow once too often", ts(0xf2, 9, 8), 3),
        ("timestamps of no place that overflow once too often", ts(0xf0, 5, 4), 3),
        ("loose source route without a pointer", sr(131, 0, 2), 1),
        ("loose source route with pointer 3", sr(131, 3, 7), 2),
        ("loose source route with pointer 0", sr(131, 0, 11), 2),
        ("strict source route without a pointer", sr(137, 0, 2), 1),
        ("strict source route with pointer 3", sr(137, 3, 7), 2),
        ("router alert of two bytes", vec![148, 2], 1),
        ("router alert of three bytes", vec![148, 3, 0], 1),
        ("label of six bytes", vec![134, 6, 0, 0, 0, 1], 1),
        ("label of seven bytes", vec![134, 7, 0, 0, 0, 1, 1], 1),
        ("label of no domain", vec![134, 10, 0, 0, 0, 0, 1, 4, 0, 1], 2),
        ("label of a domain that nobody knows", vec![134, 10, 0, 0, 0, 3, 1, 4, 0, 1], 2),
    ] {
        wrong.push((name.to_owned(), option, at));
    }
    for (name, first, second) in [
        ("two record routes", rr(4, 7), rr(4, 7)),
        ("two record routes, the first full", rr(8, 7), rr(4, 7)),
        ("two timestamps", ts(0, 5, 8), ts(0, 5, 8)),
        ("two timestamps of different kinds", ts(1, 5, 12), ts(3, 5, 12)),
        ("two loose source routes", sr(131, 4, 7), sr(131, 4, 7)),
        ("two strict source routes", sr(137, 4, 7), sr(137, 4, 7)),
        ("a strict and a loose source route", sr(137, 4, 7), sr(131, 4, 7)),
    ] {
        let at = first.len() as u8;
        wrong.push((name.to_owned(), [first, second].concat(), at));
    }
    let record = record_route(2, 0);
    for (name, options, at) in wrong {
        let pointer = 20 + at;
        let through =
            |options: &[u8]| Ip::new(LAN_HOST, WAN_HOST).options(options).udp(1, 2, b"malformed");
        f.lan(name.clone(), &through(&options), format!("lan: icmp 12/0 ptr {pointer}"));
        let moved = [&[1, 1, 1][..], &options].concat();
        f.lan(
            format!("{name}, behind three no-operations"),
            &through(&moved),
            format!("lan: icmp 12/0 ptr {}", pointer + 3),
        );
        // The error's own header continues what was sound.
        if !name.contains("record route") && !name.contains("option 7 ") {
            let behind = [&record[..], &options].concat();
            f.lan(
                format!("{name}, behind a record route"),
                &through(&behind),
                format!("lan: icmp 12/0 ptr {}", pointer + record.len() as u8),
            );
        }
        f.lan(
            format!("{name}, in a ping"),
            &Ip::new(LAN_HOST, LAN).options(&options).echo(1, 1, b"malformed"),
            format!("lan: icmp 12/0 ptr {pointer}"),
        );
        f.lan(
            format!("{name}, to everybody"),
            &Ip::new(LAN_HOST, Ipv4Addr::BROADCAST).options(&options).udp(1, 2, b""),
            "nothing",
        );
    }
    // What a network knows is told, whatever stands behind the end.
    for garbage in [&[0, 7, 2, 1][..], &[0, 131, 0, 0], &[1, 0, 255, 255], &[0, 148, 3, 0]] {
        f.lan(
            format!("garbage {garbage:?} behind the end"),
            &Ip::new(LAN_HOST, WAN_HOST).options(garbage).udp(1, 2, b"wiped"),
            "wan: udp",
        );
    }
    f
}

/// Options that are right, in every amount and on every way.
pub(crate) fn filled() -> Family {
    let mut f = Family::new("options-filled");
    for n in 1..=9 {
        for used in [0, n / 2, n - 1, n] {
            f.lan(
                format!("record route of {n}, {used} used, {}", f.steps.len()),
                &Ip::new(LAN_HOST, WAN_HOST).options(&record_route(n, used)).udp(1, 2, b"rr"),
                "wan: udp",
            );
        }
    }
    let stamps = |kind: u8, words: u8, used: u8, overflow: u8| {
        timestamp(kind, &vec![[10, 9, 0, 9]; words.into()], 5 + 4 * used, overflow)
    };
    for kind in [0, 1, 2, 3, 15] {
        let pair = if matches!(kind, 1 | 3) { 2 } else { 1 };
        for overflow in [0, 7, 14] {
            for used in [0, 2, 4] {
                let options = stamps(kind, 4, used * pair / pair, overflow);
                f.lan(
                    format!("timestamps of kind {kind}, {used} of 4 used, overflow {overflow}"),
                    &Ip::new(LAN_HOST, WAN_HOST).options(&options).udp(1, 2, b"ts"),
                    "wan: udp",
                );
            }
        }
    }
    for (name, next) in [
        ("its lan address", LAN.octets()),
        ("its second lan address", LAN_SECOND.octets()),
        ("its wan address", WAN.octets()),
        ("its dmz address", DMZ.octets()),
        ("a loopback address", [127, 0, 0, 1]),
        ("a broadcast address of its own", [10, 1, 0, 255]),
        ("the limited broadcast address", [255; 4]),
        ("address 0", [0; 4]),
        ("a group", [224, 0, 0, 1]),
        ("another's address", [10, 1, 0, 77]),
    ] {
        let options = timestamp(3, &[next, [0; 4], next, [0; 4]], 5, 0);
        f.lan(
            format!("timestamps for addresses, {name} next"),
            &Ip::new(LAN_HOST, WAN_HOST).options(&options).udp(1, 2, b"ts"),
            "wan: udp",
        );
        f.lan(
            format!("timestamps for addresses, {name} next, in a ping"),
            &Ip::new(LAN_HOST, LAN).options(&options).echo(1, 1, b"ts"),
            "lan: icmp 0/0",
        );
    }
    let record = record_route(3, 1);
    for (name, src, dst, expect) in [
        ("behind the gateway", LAN_HOST, FAR_HOST, "wan: udp"),
        ("behind another gateway", LAN_HOST, [10, 9, 1, 1].into(), "dmz: udp"),
        ("to the dmz", LAN_HOST, DMZ_HOST, "dmz: udp"),
        ("back out of the same port", LAN_HOST, LAN_OTHER, "lan: udp"),
        ("from afar", FAR_HOST, WAN_HOST, "wan: udp"),
        ("from nowhere", [172, 31, 0, 9].into(), WAN_HOST, "wan: udp"),
        ("from 0.1.2.3", [0, 1, 2, 3].into(), WAN_HOST, "wan: udp"),
        ("by a link route", LAN_HOST, [10, 50, 0, 1].into(), "wan: udp"),
        ("into a VLAN", LAN_HOST, [203, 0, 113, 10].into(), "wan: vlan 10 udp"),
    ] {
        for (what, options) in [
            ("record route", record.clone()),
            ("timestamps with addresses", timestamp(1, &[[0; 4]; 4], 5, 0)),
            ("both", [record.clone(), vec![1], timestamp(1, &[[0; 4]; 4], 5, 0)].concat()),
        ] {
            f.lan(
                format!("{what} {name}"),
                &Ip::new(src, dst).options(&options).udp(1, 2, b"way"),
                expect,
            );
        }
    }
    answers(&mut f);
    pieces(&mut f);
    f
}

/// Options of the request in what answers it.
fn answers(f: &mut Family) {
    for (host, (name, options)) in (110..).zip([
        ("record route", record_route(4, 1)),
        ("record route with one place left", record_route(3, 2)),
        ("record route, full", record_route(3, 3)),
        ("timestamps with one place left", timestamp(0, &[[9; 4], [0; 4]], 9, 0)),
        ("timestamps, full", timestamp(0, &[[9; 4], [9; 4]], 13, 3)),
        ("timestamps with addresses and one place left", timestamp(1, &[[0; 4]; 2], 5, 0)),
        ("timestamps of kind 2", timestamp(2, &[[0; 4]; 2], 5, 0)),
        (
            "record route and timestamps",
            [record_route(2, 0), timestamp(0, &[[0; 4]; 2], 5, 0), vec![1]].concat(),
        ),
        (
            "timestamps before a record route",
            [vec![1], timestamp(1, &[[0; 4]; 4], 5, 0), record_route(2, 0)].concat(),
        ),
        ("end and garbage", vec![1, 0, 7, 3]),
        ("security, stream identifier and router alert", {
            vec![130, 4, 1, 2, 136, 4, 1, 2, 148, 4, 0, 0]
        }),
    ]) {
        let with = |src: Ipv4Addr, dst: Ipv4Addr| Ip::new(src, dst).options(&options);
        f.lan(format!("ping, {name}"), &with(LAN_HOST, LAN).echo(1, 1, b"o"), "lan: icmp 0/0");
        f.lan(
            format!("ping to the wan address, {name}"),
            &with(LAN_HOST, WAN).echo(1, 1, b"o"),
            "lan: icmp 0/0",
        );
        f.lan(
            format!("ping answered by another port, {name}"),
            &with(DMZ_HOST, LAN).echo(1, 1, b"o"),
            "dmz: icmp 0/0",
        );
        f.lan(
            format!("timestamp request, {name}"),
            &with(LAN_HOST, LAN).icmp(13, 0, &[0, 1, 0, 1, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0]),
            "lan: icmp 14/0",
        );
        f.lan(
            format!("SYN to a closed port, {name}"),
            &with(LAN_HOST, LAN).tcp((40000, 81), 1, 0, SYN, b""),
            "lan: tcp RA",
        );
        f.lan(
            format!("protocol that nobody has, {name}"),
            &with(LAN_HOST, LAN).raw(253, &filler(9)),
            "lan: icmp 3/2",
        );
        f.lan(
            format!("unreachable, {name}"),
            &with([10, 1, 0, host].into(), [10, 20, 0, 1].into()).udp(1, 2, b""),
            "lan: icmp 3/1",
        );
        f.lan(
            format!("hop error by another port, {name}"),
            &with(DMZ_HOST, WAN_HOST).ttl(1).udp(1, 2, b""),
            "dmz: icmp 11/0",
        );
    }
    let record = record_route(4, 0);
    for (name, first, second) in [
        ("both with a record route", &record[..], &record[..]),
        ("the second's blanked", &record, &[1; 20]),
        ("the first with options alone", &record, &[]),
        ("the second with options alone", &[], &record),
    ] {
        let whole = Ip::new(LAN_HOST, LAN).id(f.steps.len() as u16).echo(1, 1, &filler(200));
        let pieces = [(first, 0, 104, true), (second, 104, 104, false)];
        for (number, (options, offset, len, more)) in pieces.into_iter().enumerate() {
            let piece = whole.clone().options(options).fragment(offset, len, more);
            let expect = if more { "nothing" } else { "lan: icmp 0/0" };
            f.lan(format!("ping in pieces, {name}: {number}"), &piece, expect);
        }
    }
    let long = Ip::new(DMZ_HOST, DMZ).options(&record_route(4, 0)).echo(1, 1, &filler(1440));
    f.dmz(
        "ping whose answer with its record route is cut",
        &long,
        "dmz: frag 0+1360 more, frag 1360+88",
    );
}

/// Pieces that are cut again, and pieces that pass.
fn pieces(f: &mut Family) {
    for (name, options) in [
        ("record route", record_route(2, 0)),
        ("security", vec![130, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        ("timestamps", timestamp(0, &[[0; 4]; 2], 5, 0)),
    ] {
        let packet = Ip::new(LAN_HOST, DMZ_HOST).options(&options).raw(253, &filler(1440));
        let len = options.len().div_ceil(4) * 4;
        let step = (1400 - 20 - len) / 8 * 8;
        f.lan(
            format!("a first piece is cut again, {name}"),
            &packet.clone().flags(MF),
            format!("dmz: frag 0+{step} more, frag {step}+{} more", 1440 - step),
        );
        f.lan(
            format!("a later piece is cut again, {name}"),
            &packet.clone().offset(1600),
            format!("dmz: frag 1600+{step} more, frag {}+{}", 1600 + step, 1440 - step),
        );
        f.lan(
            format!("a later piece passes, {name}"),
            &Ip::new(LAN_HOST, WAN_HOST).options(&options).raw(253, &filler(64)).offset(64),
            "wan: frag 64+64",
        );
    }
}

/// A host on the lan is told of a better way, whatever it asks of the routers on it, unless it has
/// chosen the way itself.
pub(crate) fn redirects() -> Family {
    let mut f = Family::new("options-redirects");
    f.topology = f
        .topology
        .sysctl("net.ipv4.conf.all.send_redirects", "1")
        .sysctl("net.ipv4.conf.default.send_redirects", "1")
        .sysctl("net.ipv4.conf.all.accept_source_route", "1")
        .sysctl("net.ipv4.conf.default.accept_source_route", "1");
    let from = |host: u8, dst: Ipv4Addr, options: &[u8]| {
        Ip::new([10, 1, 0, host].into(), dst).options(options).udp(1, 2, b"hairpin")
    };
    f.lan("no options", &from(100, LAN_OTHER, &[]), "lan: icmp 5/1, udp");
    f.lan("record route", &from(101, LAN_OTHER, &record_route(3, 0)), "lan: icmp 5/1, udp");
    f.lan(
        "timestamps with addresses",
        &from(102, LAN_OTHER, &timestamp(1, &[[0; 4]; 4], 5, 0)),
        "lan: icmp 5/1, udp",
    );
    f.lan("router alert", &from(103, LAN_OTHER, &[148, 4, 0, 0]), "lan: icmp 5/1, udp");
    f.lan(
        "loose source route that goes on elsewhere",
        &from(104, LAN, &source_route(131, 4, &[LAN_OTHER.octets()])),
        "lan: udp",
    );
    f.lan(
        "loose source route that is used up",
        &from(105, LAN_OTHER, &source_route(131, 8, &[[10, 7, 7, 7]])),
        "lan: udp",
    );
    f
}

/// Packets with options that wait for a neighbour who does not answer.
pub(crate) fn unresolved() -> Family {
    let mut f = Family::new("options-unresolved");
    let to = |host: u8, options: &[u8]| {
        Ip::new(LAN_HOST, [192, 0, 2, host].into()).options(options).udp(1, 2, b"waits")
    };
    let who_has = |host: u8| format!("arp who-has 192.0.2.{host} tell 192.0.2.1");
    let asked = |host| {
        format!("lan: icmp 3/1; wan: {}, {}, {}", who_has(host), who_has(host), who_has(host))
    };
    for (host, name, options) in [
        (71, "record route", record_route(3, 0)),
        (72, "record route with one place", record_route(1, 0)),
        (73, "timestamps, full", timestamp(0, &[[1; 4]], 9, 3)),
        (74, "security", vec![130, 4, 1, 2]),
    ] {
        f.lan(format!("{name}, and nobody is there"), &to(host, &options), asked(host));
        f.settle(Duration::from_millis(3300));
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
    hops(&mut f);
    refused(&mut f);
    returned(&mut f);
    f.lan(
        "ping by a loose source route that is used up",
        &Ip::new(LAN_HOST, LAN)
            .options(&source_route(131, 8, &[[10, 1, 0, 11]]))
            .echo(1, 1, b"back"),
        "lan: icmp 0/0",
    );
    f
}

/// Addresses that are the router's own, and what comes behind them.
fn hops(f: &mut Family) {
    let to = |options: &[u8]| Ip::new(LAN_HOST, LAN).options(options).udp(1, 33434, b"hops");
    let (lan2, wan, dmz) = (LAN_SECOND.octets(), WAN.octets(), DMZ.octets());
    let (host, far) = (WAN_HOST.octets(), FAR_HOST.octets());
    for kind in [131, 137] {
        let name = if kind == 131 { "loose" } else { "strict" };
        f.lan(
            format!("{name}, three addresses of the router's and a host"),
            &to(&source_route(kind, 4, &[lan2, wan, dmz, host])),
            "wan: udp",
        );
        f.lan(
            format!("{name}, the router's addresses alone"),
            &to(&source_route(kind, 4, &[lan2, wan])),
            "nothing",
        );
        f.lan(
            format!("{name}, second of three, a host"),
            &to(&source_route(kind, 8, &[[9; 4], host, far])),
            "wan: udp",
        );
        f.lan(format!("{name}, an empty list"), &to(&source_route(kind, 4, &[])), "lan: icmp 3/3");
        f.lan(
            format!("{name}, a pointer far behind the end"),
            &to(&source_route(kind, 255, &[host])),
            "wan: icmp 3/3",
        );
        f.lan(
            format!("{name}, with a record route"),
            &to(&[source_route(kind, 4, &[host]), record_route(2, 0), vec![1, 1]].concat()),
            "wan: udp",
        );
        f.lan(
            format!("{name}, with timestamps and addresses"),
            &to(&[source_route(kind, 4, &[host]), vec![1], timestamp(1, &[[0; 4]; 4], 5, 0)]
                .concat()),
            "wan: udp",
        );
        f.lan(
            format!("{name}, too big for the dmz"),
            &Ip::new(LAN_HOST, LAN)
                .options(&source_route(kind, 4, &[DMZ_HOST.octets()]))
                .raw(253, &filler(1400)),
            "dmz: frag 0+1368 more, frag 1368+32",
        );
        f.lan(
            format!("{name}, too big for the dmz with DF"),
            &Ip::new(LAN_HOST, LAN)
                .flags(DF)
                .options(&source_route(kind, 4, &[DMZ_HOST.octets()]))
                .raw(253, &filler(1400)),
            "lan: icmp 3/4 mtu 1400",
        );
    }
}

/// Lists that lead nowhere.
fn refused(f: &mut Family) {
    let to = |options: &[u8]| Ip::new(LAN_HOST, LAN).options(options).udp(1, 33434, b"refused");
    for (name, next) in [
        ("a broadcast address", [10, 1, 0, 255]),
        ("the limited broadcast address", [255; 4]),
        ("a group", [224, 0, 0, 1]),
        ("address 0", [0; 4]),
        ("a loopback address", [127, 0, 0, 1]),
        ("an unreachable route", [10, 20, 0, 1]),
        ("a prohibited route", [10, 21, 0, 1]),
        ("a blackhole", [10, 22, 0, 1]),
    ] {
        f.lan(
            format!("loose, the next hop is {name}"),
            &to(&source_route(131, 4, &[next])),
            "nothing",
        );
    }
    let mut half = source_route(131, 4, &[WAN.octets()]);
    half[1] += 3;
    half.extend([1, 2, 3]);
    f.lan("loose, the router and half an address", &to(&half), "lan: icmp 12/0 ptr 22");
    let mut crooked = source_route(137, 6, &[WAN_HOST.octets()]);
    crooked[2] = 6;
    f.lan("strict, a pointer between addresses", &to(&crooked), "lan: icmp 12/0 ptr 22");
    for (name, dst) in [
        ("an unreachable destination", [10, 20, 0, 1]),
        ("a blackholed destination", [10, 22, 0, 1]),
        ("a destination without a route", [172, 31, 0, 1]),
        ("everybody", [255; 4]),
        ("all hosts", [224, 0, 0, 1]),
    ] {
        f.lan(
            format!("loose, to {name}"),
            &Ip::new(LAN_HOST, dst.into())
                .options(&source_route(131, 4, &[WAN_HOST.octets()]))
                .udp(1, 2, b""),
            "nothing",
        );
    }
    let there = Ip::new(LAN_HOST, LAN)
        .options(&source_route(131, 4, &[WAN_HOST.octets()]))
        .udp(1, 2, b"frame");
    let frame = crate::common::frame::ether(
        crate::common::frame::BROADCAST,
        crate::topology::mac_of(LAN_HOST),
        crate::common::frame::IPV4,
        &there.bytes(),
    );
    f.add("loose, in a broadcast frame", "lan", frame, "nothing");
}

/// What answers a packet by a source route goes back the way it came.
fn returned(f: &mut Family) {
    let came_by = |visited: &[[u8; 4]]| source_route(131, 4 + 4 * visited.len() as u8, visited);
    for (name, visited, expect) in [
        ("one host of the lan", vec![LAN_OTHER.octets()], "lan"),
        ("one host of the dmz", vec![DMZ_HOST.octets()], "dmz"),
        ("two routers", vec![[10, 9, 0, 5], [192, 0, 2, 10]], "wan"),
        ("the sender and a router", vec![LAN_HOST.octets(), LAN_OTHER.octets()], "lan"),
        ("the sender alone", vec![LAN_HOST.octets()], "lan"),
        ("nobody", vec![], "lan"),
    ] {
        let with = |dst: Ipv4Addr| Ip::new(LAN_HOST, dst).options(&came_by(&visited));
        f.lan(
            format!("ping by {name}"),
            &with(LAN).echo(1, 1, b"back"),
            format!("{expect}: icmp 0/0"),
        );
        f.lan(
            format!("closed port by {name}"),
            &with(LAN).udp(1, 33434, b"back"),
            format!("{expect}: icmp 3/3"),
        );
        f.lan(
            format!("SYN to a closed port by {name}"),
            &with(LAN).tcp((40000, 81), 1, 0, SYN, b""),
            format!("{expect}: tcp RA"),
        );
        f.lan(
            format!("hop error by {name}"),
            &with(WAN_HOST).ttl(1).udp(1, 2, b"back"),
            format!("{expect}: icmp 11/0"),
        );
    }
    f.lan(
        "hop error of a packet that goes on by its route",
        &Ip::new(LAN_HOST, LAN)
            .ttl(1)
            .options(&source_route(131, 8, &[LAN_OTHER.octets(), WAN_HOST.octets()]))
            .udp(1, 2, b"back"),
        "lan: icmp 11/0",
    );
    f.lan(
        "ping by way of a network that no route leads to",
        &Ip::new(LAN_HOST, LAN).options(&came_by(&[[172, 31, 0, 1]])).echo(1, 1, b"back"),
        "nothing",
    );
}
