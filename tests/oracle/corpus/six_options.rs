//! Hop-by-hop and destination options: padding, unknown ones, alerts and jumbograms: [8.30], [8.38] to
//! [8.45], [8.60], [8.61].

use super::Family;
use super::six::{
    ALL_NODES, DMZ6_HOST, LAN6, LAN6_HOST, LAN6_LINK, LAN6_NEAR, WAN6_HOST, framed, ip6, ping,
    through,
};
use crate::common::frame::filler;
use crate::common::frame6::{DST_OPTIONS, HOP_BY_HOP, Ip6, NONE, ROUTING};
use crate::topology::{LAN_MAC, mac_of};

/// What becomes of a packet whose options are accepted or not: passed on, answered, answered to a group.
#[derive(Clone, Copy)]
enum Fate {
    Kept,
    Dropped,
    /// Parameter problem, for unicast only or for groups too.
    Told(u8, u32, bool),
}
use Fate::{Dropped, Kept, Told};

impl Family {
    /// Options, in each of the two headers, of packets to others, to the router and to a group.
    fn options6(&mut self, name: &str, options: &[u8], hop: Fate, dst: Fate) {
        let all = Ip6::new(LAN6_HOST, ALL_NODES).echo(1, 1, b"all");
        for (header, number, fate) in [("hop", HOP_BY_HOP, hop), ("dst", DST_OPTIONS, dst)] {
            let with = |packet: Ip6| match number {
                HOP_BY_HOP => packet.hop_by_hop(options),
                _ => packet.dst_options(options),
            };
            let told = |group: bool| match fate {
                Dropped => Some("nothing".to_owned()),
                Told(_, _, false) if group => Some("nothing".to_owned()),
                Told(code, pointer, _) => Some(format!("lan: icmp6 4/{code} ptr {pointer}")),
                Kept => None,
            };
            let passes = format!("wan: {}", if number == 0 { "hbh+udp6" } else { "dst+udp6" });
            let pass = told(false).filter(|_| number == HOP_BY_HOP).unwrap_or(passes);
            let answer = || "lan: icmp6 129/0".to_owned();
            self.lan6(format!("{header}: {name}"), &with(through()), pass);
            let ours = told(false).unwrap_or_else(answer);
            self.lan6(format!("{header}: {name}, to the router"), &with(ping()), ours);
            let group = told(true).unwrap_or_else(answer);
            self.lan6(format!("{header}: {name}, to all nodes"), &with(all.clone()), group);
        }
    }
}

pub(crate) fn family() -> Family {
    let mut f = Family::six("six-options");
    let both =
        |f: &mut Family, name: &str, options: &[u8], fate| f.options6(name, options, fate, fate);
    for n in 0..9 {
        let fate = if n <= 7 { Kept } else { Dropped };
        // What fills the header up counts as well.
        let fate = if (n + 2usize).next_multiple_of(8) - 2 > 7 && n != 0 { Dropped } else { fate };
        both(&mut f, &format!("{n} Pad1"), &vec![0; n], fate);
    }
    for n in 0..8u8 {
        let option = [vec![1, n], vec![0; n.into()]].concat();
        // Beyond 4, what fills the header up makes it too much.
        let fate = if n <= 4 { Kept } else { Dropped };
        both(&mut f, &format!("PadN with {n} bytes"), &option, fate);
    }
    both(&mut f, "PadN with 12 bytes", &[vec![1, 12], vec![0; 12]].concat(), Dropped);
    both(
        &mut f,
        "PadN with 6 bytes behind a skipped one",
        &[vec![0x1e, 4, 1, 2, 3, 4], vec![1, 6, 0, 0, 0, 0, 0, 0]].concat(),
        Dropped,
    );
    both(&mut f, "PadN with something in it", &[1, 4, 0, 0, 1, 0], Dropped);
    both(&mut f, "PadN with something in its last byte", &[1, 4, 0, 0, 0, 9], Dropped);
    both(&mut f, "PadN longer than the header", &[1, 5, 0, 0, 0, 0], Dropped);
    both(&mut f, "PadN whose length is missing", &[0, 0, 0, 0, 0, 1], Dropped);
    both(&mut f, "PadN twice", &[1, 1, 0, 1, 1, 0], Kept);
    for (kind, fate) in [
        (0x1e, Kept),
        (0x3e, Kept),
        (0x5e, Dropped),
        (0x7e, Dropped),
        (0x9e, Told(2, 42, true)),
        (0xbe, Told(2, 42, true)),
        (0xde, Told(2, 42, false)),
        (0xfe, Told(2, 42, false)),
    ] {
        both(&mut f, &format!("unknown option {kind:#04x}"), &[kind, 4, 1, 2, 3, 4], fate);
        both(&mut f, &format!("unknown option {kind:#04x} of no length"), &[kind, 0], fate);
        both(
            &mut f,
            &format!("unknown option {kind:#04x} too long"),
            &[kind, 5, 1, 2, 3, 4],
            Dropped,
        );
        let at = |fate, by: u32| match fate {
            Told(code, pointer, group) => Told(code, pointer + by, group),
            other => other,
        };
        both(
            &mut f,
            &format!("unknown option {kind:#04x} behind padding"),
            &[0, kind, 1, 9],
            at(fate, 1),
        );
        let options = [0x1e, 2, 7, 7, 0x3e, 3, 7, 7, 7, kind, 1, 0];
        both(&mut f, &format!("unknown option {kind:#04x} behind others"), &options, at(fate, 9));
    }
    // Each knows options that the other does not.
    f.options6("router alert", &[5, 2, 0, 0], Kept, Kept);
    f.options6("router alert for nothing known", &[5, 2, 0x7f, 0xff], Kept, Kept);
    f.options6("router alert twice", &[5, 2, 0, 0, 5, 2, 0, 1], Kept, Kept);
    f.options6("router alert of 1 byte", &[5, 1, 0], Dropped, Kept);
    f.options6("router alert of 4 bytes", &[5, 4, 0, 0, 0, 0], Dropped, Kept);
    f.options6("jumbo length misplaced", &[0, 0xc2, 4, 0, 1, 0, 0], Dropped, Told(2, 43, false));
    f.options6("jumbo length of 2 bytes", &[1, 0, 0xc2, 2, 0, 1], Dropped, Told(2, 42 + 2, false));
    f.options6(
        "jumbo length too little",
        &[0xc2, 4, 0, 0, 0xff, 0xff],
        Told(0, 44, false),
        Told(2, 42, false),
    );
    f.options6(
        "jumbo length beside a length",
        &[0xc2, 4, 0, 1, 0, 0],
        Told(0, 42, false),
        Told(2, 42, false),
    );
    f.options6(
        "home address",
        &[vec![1, 2, 0, 0, 0xc9, 16], ip6("2001:db8:1::11").octets().to_vec()].concat(),
        Told(2, 46, false),
        Told(2, 46, false),
    );
    f.options6("tunnel limit", &[4, 1, 3], Kept, Kept);
    f.options6("label of a domain", &[7, 8, 0, 0, 0, 1, 0, 0, 0, 0], Dropped, Kept);
    f.options6("telemetry too short", &[0x31, 2, 0, 0], Dropped, Kept);
    f.options6("endpoint identification", &[0x8a, 2, 1, 2], Told(2, 42, true), Told(2, 42, true));
    for n in [7, 8, 9, 20] {
        let options: Vec<u8> = [0x1e, 0].repeat(n);
        let fate = if n <= 8 { Kept } else { Dropped };
        both(&mut f, &format!("{n} unknown options"), &options, fate);
        let options: Vec<u8> = [0x1e, 0, 1, 0].repeat(n);
        // Behind the last of 8, what fills the header up makes too much padding.
        let fate = if n == 7 { Kept } else { Dropped };
        both(&mut f, &format!("{n} unknown options with padding between"), &options, fate);
    }
    both(&mut f, "200 bytes in one option", &[vec![0x1e, 198], vec![9; 198]].concat(), Kept);
    jumbo(&mut f);
    headers(&mut f);
    f
}

/// Jumbograms, which do not fit on this link: their length is a lie.
fn jumbo(f: &mut Family) {
    let jumbo = |len: u32| {
        let option = [&[0xc2, 4][..], &len.to_be_bytes()].concat();
        through().hop_by_hop(&option).payload_len(0)
    };
    f.all_lan6(
        "jumbogram ",
        &[
            ("of 65536 bytes, cut", jumbo(65536), "nothing"),
            ("of 65535 bytes", jumbo(65535), "lan: icmp6 4/0 ptr 44"),
            ("of the true length", jumbo(36), "?"),
            ("of no length", jumbo(0), "?"),
            ("of 4294967295 bytes", jumbo(u32::MAX), "nothing"),
            ("to the router", jumbo(65536).to(LAN6), "?"),
            ("to the router of the true length", jumbo(36).to(LAN6), "lan: icmp6 4/0 ptr 44"),
        ],
    );
    let twice = [0xc2, 4, 0, 1, 0, 0, 1, 0, 0xc2, 4, 0, 1, 0, 0];
    f.lan6("jumbogram twice said", &through().hop_by_hop(&twice).payload_len(0), "nothing");
}

/// Headers of options that lie about themselves.
fn headers(f: &mut Family) {
    for (header, number) in [("hop", HOP_BY_HOP), ("dst", DST_OPTIONS)] {
        let name = |words: &str| format!("{header} header {words}");
        let with = |packet: Ip6, rest: &[u8]| packet.header(number, rest);
        let one = [&[0, 1, 4][..], &[0; 4]].concat();
        for (way, packet) in [("through", through()), ("to the router", ping())] {
            f.lan6(name(&format!("right, {way}")), &with(packet.clone(), &one), "?");
            for words in [1, 4, 5, 200, 255] {
                let mut rest = one.clone();
                rest[0] = words;
                let packet = with(packet.clone(), &rest);
                f.lan6(name(&format!("{words} words long, {way}")), &packet, "?");
            }
            for len in [0, 1, 3, 6] {
                let packet = with(packet.clone().raw(NONE, b""), &one[..len]);
                f.lan6(name(&format!("ends after {} bytes, {way}", len + 1)), &packet, "?");
            }
            let twice = with(with(packet.clone(), &one), &one);
            f.lan6(name(&format!("twice, {way}")), &twice, "?");
            let thrice = with(twice, &one);
            f.lan6(name(&format!("three times, {way}")), &thrice, "?");
            let last = with(packet.clone().raw(NONE, b""), &one);
            f.lan6(name(&format!("and nothing more, {way}")), &last, "?");
            let unknown = with(packet.clone().raw(199, b"abcdefgh"), &one);
            f.lan6(name(&format!("and an unknown one, {way}")), &unknown, "?");
        }
    }
    let pad = [&[0, 1, 4][..], &[0; 4]].concat();
    let orders: [(&str, &[u8]); 6] = [
        ("hop behind dst", &[DST_OPTIONS, HOP_BY_HOP]),
        ("hop before dst", &[HOP_BY_HOP, DST_OPTIONS]),
        ("dst twice", &[DST_OPTIONS, DST_OPTIONS]),
        ("hop, dst, hop", &[HOP_BY_HOP, DST_OPTIONS, HOP_BY_HOP]),
        ("hop, dst, dst", &[HOP_BY_HOP, DST_OPTIONS, DST_OPTIONS]),
        ("ten dst", &[DST_OPTIONS; 10]),
    ];
    for (order, numbers) in orders {
        let with = |packet: Ip6| numbers.iter().fold(packet, |packet, n| packet.header(*n, &pad));
        f.lan6(format!("{order}, through"), &with(through()), "?");
        f.lan6(format!("{order}, to the router"), &with(ping()), "?");
    }
    let alert = [5, 2, 0, 0];
    f.all_lan6(
        "hop limit and alert: ",
        &[
            ("hop limit 1", through().hops(1).hop_by_hop(&alert), "lan: icmp6 3/0"),
            ("hop limit 0", through().hops(0).hop_by_hop(&alert), "lan: icmp6 3/0"),
            (
                "hop limit 1 and an unknown option to tell of",
                through().hops(1).hop_by_hop(&[0x9e, 0]),
                "?",
            ),
            ("no way", through().to(ip6("2001:db8:99::1")).hop_by_hop(&alert), "lan: icmp6 1/0"),
            (
                "too big",
                Ip6::new(LAN6_HOST, DMZ6_HOST).udp(1, 2, &filler(1400)).hop_by_hop(&alert),
                "lan: icmp6 2/0 mtu 1400",
            ),
            (
                "from the unspecified address",
                through().from(ip6("::")).hop_by_hop(&[0x9e, 0]),
                "nothing",
            ),
            (
                "from a link-local address, told",
                through().from(LAN6_NEAR).hop_by_hop(&[0x9e, 0]),
                "lan: icmp6 4/2 ptr 42",
            ),
            (
                "to a link-local address",
                ping().to(LAN6_LINK).hop_by_hop(&[0x9e, 0]),
                "lan: icmp6 4/2 ptr 42",
            ),
            (
                "from somewhere without a way back",
                through().from(ip6("2001:db8:99::1")).hop_by_hop(&[0x9e, 0]),
                "?",
            ),
        ],
    );
    let told = Ip6::new(LAN6_HOST, WAN6_HOST).udp(1, 2, &filler(1400)).hop_by_hop(&[0x9e, 0]);
    f.lan6("told of with as much as fits", &told, "lan: icmp6 4/2 ptr 42");
    let error = Ip6::new(LAN6_HOST, WAN6_HOST).icmp(1, 0, &filler(60)).hop_by_hop(&[0x9e, 0]);
    f.lan6("an error with an unknown option", &error, "nothing");
    let broadcast = framed(mac_of(LAN6_HOST), [0xff; 6], &through().hop_by_hop(&[0x9e, 0]));
    f.add("to everybody on the link, an unknown option", "lan", broadcast, "lan: icmp6 4/2 ptr 42");
    let broadcast =
        framed(mac_of(LAN6_HOST), LAN_MAC, &through().hop_by_hop(&[0x9e, 0]).says(ROUTING));
    f.add("unknown option before a routing header that is none", "lan", broadcast, "?");
}

/// The limits, each at a value of its own.
pub(crate) fn limits() -> Family {
    let mut f = Family::six("six-options-limits")
        .with("net.ipv6.max_hbh_opts_number", "2")
        .with("net.ipv6.max_dst_opts_number", "-2")
        .with("net.ipv6.max_hbh_length", "16")
        .with("net.ipv6.max_dst_opts_length", "24");
    for n in 0..6 {
        let options = [0x1e, 0].repeat(n);
        let known = [5, 2, 0, 0].repeat(n);
        for (header, number) in [("hop", HOP_BY_HOP), ("dst", DST_OPTIONS)] {
            let with = |packet: Ip6, options: &[u8]| match number {
                HOP_BY_HOP => packet.hop_by_hop(options),
                _ => packet.dst_options(options),
            };
            f.lan6(format!("{header}: {n} unknown"), &with(ping(), &options), "?");
            f.lan6(format!("{header}: {n} unknown, through"), &with(through(), &options), "?");
            f.lan6(format!("{header}: {n} alerts"), &with(ping(), &known), "?");
            let pads = [1, 0].repeat(n);
            f.lan6(format!("{header}: {n} PadN"), &with(ping(), &pads), "?");
        }
    }
    for len in [6, 14, 22, 30] {
        let option = [vec![0x1e, len as u8 - 2], vec![0; len - 2]].concat();
        f.lan6(format!("hop header of {} bytes", len + 2), &ping().hop_by_hop(&option), "?");
        let pads =
            [vec![1, 4, 0, 0, 0, 0], [0x1e, 6, 0, 0, 0, 0, 0, 0].repeat((len - 6) / 8)].concat();
        f.lan6(format!("dst header of {} bytes", len + 2), &ping().dst_options(&pads), "?");
    }
    f
}
