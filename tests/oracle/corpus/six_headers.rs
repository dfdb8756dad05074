//! What follows the headers: chains, numbers nobody knows, and what the router takes itself: [8.28] to
//! [8.37], [8.58], [8.59], [8.96] to [8.101].

use super::Family;
use super::six::{ALL_NODES, FAR6, LAN6, LAN6_HOST, LAN6_LINK, LAN6_NEAR, WAN6_HOST, ip6};
use crate::common::frame::filler;
use crate::common::frame6::{AUTH, DST_OPTIONS, ESP, Ip6, NONE};

pub(crate) fn family() -> Family {
    let mut f = Family::six("six-headers");
    numbers(&mut f);
    chains(&mut f);
    tcp(&mut f);
    udp(&mut f);
    f
}

/// Every number of a next header.
fn numbers(f: &mut Family) {
    for next in 0..=255u8 {
        let packet = |dst| Ip6::new(LAN6_HOST, dst).raw(next, &filler(24));
        f.lan6(format!("next header {next}"), &packet(LAN6), "?");
        if next % 5 == 0 || next < 64 {
            f.lan6(format!("next header {next}, through"), &packet(WAN6_HOST), "?");
        }
    }
    for next in [3, 47, 50, 135, 143, 253] {
        let packet = |src, dst| Ip6::new(src, dst).raw(next, &filler(24));
        f.lan6(format!("next header {next} to all nodes"), &packet(LAN6_HOST, ALL_NODES), "?");
        f.lan6(
            format!("next header {next} to the link-local address"),
            &packet(LAN6_NEAR, LAN6_LINK),
            "?",
        );
        f.lan6(format!("next header {next} from nobody"), &packet(ip6("::"), LAN6), "?");
        let behind = packet(LAN6_HOST, LAN6).dst_options(&[]);
        f.lan6(format!("next header {next} behind options"), &behind, "?");
        let behind = packet(LAN6_HOST, LAN6)
            .dst_options(&[0x1e, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
            .dst_options(&[]);
        f.lan6(format!("next header {next} behind two headers"), &behind, "?");
        let behind = packet(LAN6_HOST, LAN6).piece(0, false, 5);
        f.lan6(format!("next header {next} in an only piece"), &behind, "?");
        let empty = Ip6::new(LAN6_HOST, LAN6).raw(next, b"");
        f.lan6(format!("next header {next} and nothing"), &empty, "?");
    }
}

/// Headers in a row.
fn chains(f: &mut Family) {
    let with = |dst, chain: &str| {
        let packet = Ip6::new(LAN6_HOST, dst);
        chain.chars().fold(packet, |packet, letter| match letter {
            'h' => packet.hop_by_hop(&[]),
            'd' => packet.dst_options(&[]),
            'r' => packet.by_way_of(0, 0, &[]),
            'f' => packet.piece(0, false, 77),
            'a' => packet.auth(6),
            'e' => packet.header(ESP, &[0; 7]),
            _ => packet.header(DST_OPTIONS, &[0, 1, 4, 0, 0, 0, 1]),
        })
    };
    for chain in [
        "h", "d", "r", "f", "a", "e", "x", "hd", "hr", "hf", "ha", "hdrfad", "dr", "rd", "df",
        "fd", "rf", "fr", "ff", "fh", "dh", "rh", "ad", "da", "fa", "af", "rr", "dd", "ddd", "hdx",
        "drd", "hdrd", "fdx", "hfdrdd", "rdrd", "fff", "dddddddd", "rrrrrrrr", "ffffffff",
    ] {
        f.lan6(format!("chain {chain}, ping"), &with(LAN6, chain).echo(1, 1, b"chain"), "?");
        f.lan6(format!("chain {chain}, closed"), &with(LAN6, chain).udp(1, 9, b"chain"), "?");
        f.lan6(format!("chain {chain}, nothing"), &with(LAN6, chain).raw(NONE, b""), "?");
        f.lan6(format!("chain {chain}, through"), &with(WAN6_HOST, chain).udp(1, 9, b"chain"), "?");
        f.lan6(format!("chain {chain}, lost"), &with(FAR6, chain).hops(1).udp(1, 9, b"chain"), "?");
    }
    for n in [10, 40, 100, 170] {
        let chain = "d".repeat(n);
        f.lan6(format!("{n} headers, ping"), &with(LAN6, &chain).echo(1, 1, b"chain"), "?");
        f.lan6(format!("{n} headers, through"), &with(WAN6_HOST, &chain).udp(1, 1, b"chain"), "?");
        f.lan6(format!("{n} headers, closed"), &with(LAN6, &chain).udp(1, 9, b"chain"), "?");
    }
    for words in [3, 4, 5, 6, 7, 8, 20] {
        let packet = |dst| Ip6::new(LAN6_HOST, dst).auth(words).udp(1, 9, b"auth");
        f.lan6(format!("{words} words of authentication"), &packet(LAN6), "?");
        f.lan6(format!("{words} words of authentication, through"), &packet(WAN6_HOST), "?");
    }
    f.lan6(
        "authentication cut short",
        &Ip6::new(LAN6_HOST, LAN6).header(AUTH, &[4, 0]).raw(NONE, b""),
        "?",
    );
}

/// Segments for a router that listens nowhere.
fn tcp(f: &mut Family) {
    for flags in 0..64u8 {
        let packet = Ip6::new(LAN6_HOST, LAN6).tcp((1000, 80), 1000, 2000, flags, b"");
        f.lan6(format!("tcp flags {flags:#04x}"), &packet, "?");
    }
    let syn = || Ip6::new(LAN6_HOST, LAN6).tcp((1000, 80), 1000, 0, 2, b"");
    f.all_lan6(
        "tcp: ",
        &[
            ("with data", Ip6::new(LAN6_HOST, LAN6).tcp((1, 80), 5, 0, 2, &filler(99)), "?"),
            (
                "acknowledgment with data",
                Ip6::new(LAN6_HOST, LAN6).tcp((1, 80), 5, 77, 24, &filler(99)),
                "?",
            ),
            ("checksum wrong", syn().spoil_payload(16, 1), "?"),
            ("cut to 19 bytes", syn().cut_payload(19), "?"),
            ("header of 16 bytes", syn().set_payload(12, &[0x40]), "?"),
            ("header longer than the packet", syn().set_payload(12, &[0x60]), "?"),
            (
                "to the link-local address",
                Ip6::new(LAN6_NEAR, LAN6_LINK).tcp((1, 80), 5, 0, 2, b""),
                "?",
            ),
            ("to all nodes", Ip6::new(LAN6_HOST, ALL_NODES).tcp((1, 80), 5, 0, 2, b""), "?"),
            (
                "to the anycast address",
                Ip6::new(LAN6_HOST, ip6("2001:db8:1::")).tcp((1, 80), 5, 0, 2, b""),
                "?",
            ),
            ("from nobody", Ip6::new(ip6("::"), LAN6).tcp((1, 80), 5, 0, 2, b""), "?"),
            (
                "from a mapped address",
                Ip6::new(ip6("::ffff:10.1.0.10"), LAN6).tcp((1, 80), 5, 0, 2, b""),
                "?",
            ),
            ("with class and label", syn().class(0x2a).label(0x12345), "?"),
            ("with hop limit 1", syn().hops(1), "?"),
            ("through", Ip6::new(LAN6_HOST, WAN6_HOST).tcp((1, 80), 5, 0, 2, b""), "?"),
            (
                "through with a wrong checksum",
                Ip6::new(LAN6_HOST, WAN6_HOST).tcp((1, 80), 5, 0, 2, b"").spoil_payload(16, 1),
                "?",
            ),
        ],
    );
}

/// Datagrams for the same.
fn udp(f: &mut Family) {
    let closed = || Ip6::new(LAN6_HOST, LAN6).udp(1000, 9, &filler(40));
    f.all_lan6(
        "udp: ",
        &[
            ("closed port", closed(), "?"),
            ("checksum wrong", closed().spoil_payload(6, 1), "?"),
            ("no checksum", closed().set_payload(6, &[0, 0]), "?"),
            (
                "no checksum, through",
                Ip6::new(LAN6_HOST, WAN6_HOST).udp(1, 9, b"x").set_payload(6, &[0, 0]),
                "?",
            ),
            ("cut to 7 bytes", closed().cut_payload(7), "?"),
            ("length 7", closed().set_payload(4, &[0, 7]), "?"),
            ("length beyond the packet", closed().set_payload(4, &[0, 90]), "?"),
            ("length 0", closed().set_payload(4, &[0, 0]), "?"),
            ("length less than the packet", closed().set_payload(4, &[0, 20]), "?"),
            ("to port 0", Ip6::new(LAN6_HOST, LAN6).udp(1, 0, b"x"), "?"),
            ("from port 0", Ip6::new(LAN6_HOST, LAN6).udp(0, 9, b"x"), "?"),
            ("to the link-local address", Ip6::new(LAN6_NEAR, LAN6_LINK).udp(1, 9, b"x"), "?"),
            ("to all nodes", Ip6::new(LAN6_HOST, ALL_NODES).udp(1, 9, b"x"), "?"),
            (
                "to the anycast address",
                Ip6::new(LAN6_HOST, ip6("2001:db8:1::")).udp(1, 9, b"x"),
                "?",
            ),
            ("with class and label", closed().class(0x2a).label(0x12345), "?"),
            ("of 1232 bytes", Ip6::new(LAN6_HOST, LAN6).udp(1, 9, &filler(1224)), "?"),
            ("of 1452 bytes", Ip6::new(LAN6_HOST, LAN6).udp(1, 9, &filler(1444)), "?"),
            ("lite", Ip6::new(LAN6_HOST, LAN6).raw(136, &closed().bytes()[40..]), "?"),
            ("of nothing", Ip6::new(LAN6_HOST, LAN6).udp(1, 9, b""), "?"),
        ],
    );
}
