//! What IPv6 is received at all: versions, lengths, and addresses of every type and scope: [8.1] to
//! [8.22], [8.89] to [8.91], [8.107].

use super::Family;
use super::six::{ALL_NODES, LAN6, LAN6_HOST, WAN6_HOST, framed, ip6, ping, through};
use crate::common::frame::{BROADCAST, IPV4, Mac, ether, filler};
use crate::common::frame6::{HOP_BY_HOP, IPV6, Ip6, NONE, group_mac};
use crate::topology::{LAN_MAC, WAN_MAC, mac_of};

pub(crate) fn family() -> Family {
    let mut f = Family::six("six-receive");
    for version in 0..16 {
        let (pass, answer) =
            if version == 6 { ("wan: udp6", "lan: icmp6 129/0") } else { ("nothing", "nothing") };
        f.lan6(format!("version {version}"), &through().version(version), pass);
        f.lan6(format!("version {version}, to the router"), &ping().version(version), answer);
    }
    let whole = through().bytes();
    for len in (0..whole.len()).filter(|len| *len < 48 || len % 5 == 0) {
        let frame = ether(LAN_MAC, mac_of(LAN6_HOST), IPV6, &whole[..len]);
        f.add(format!("cut to {len} bytes"), "lan", frame, "nothing");
    }
    let len = (whole.len() - 40) as u16;
    for (more, expect) in [(1, "nothing"), (8, "nothing"), (1000, "nothing"), (60000, "nothing")] {
        let packet = through().payload_len(len + more);
        f.lan6(format!("{more} bytes longer in words than in deeds"), &packet, expect);
    }
    for less in [1, 8, 19, 20, 21, 27, 28] {
        let packet = through().payload_len(len - less);
        f.lan6(format!("{less} bytes shorter in words than in deeds"), &packet, "wan: udp6");
        let packet = ping().payload_len(len - less);
        f.lan6(format!("{less} bytes shorter, to the router"), &packet, "nothing");
    }
    for extra in [1, 2, 7, 100, 1400] {
        let frame = |packet: &Ip6| {
            let bytes = [packet.bytes(), vec![0xee; extra]].concat();
            ether(LAN_MAC, mac_of(LAN6_HOST), IPV6, &bytes)
        };
        f.add(format!("{extra} bytes behind it"), "lan", frame(&through()), "wan: udp6");
        f.add(format!("{extra} bytes behind a ping"), "lan", frame(&ping()), "lan: icmp6 129/0");
    }
    let bare = |dst| Ip6::new(LAN6_HOST, dst).raw(NONE, b"");
    f.lan6("nothing in it", &bare(WAN6_HOST), "wan: none6");
    f.lan6("nothing in it, to the router", &bare(LAN6), "nothing");
    f.lan6("nothing next and something in it", &bare(WAN6_HOST).raw(NONE, b"abc"), "wan: none6");
    f.lan6("the same to the router", &bare(LAN6).raw(NONE, b"abc"), "nothing");
    f.lan6("no payload and UDP", &through().raw(17, b""), "wan: udp6");
    f.lan6("no payload and UDP, to the router", &ping().raw(17, b""), "nothing");
    f.lan6("length zero and bytes there", &through().payload_len(0), "wan: udp6");
    f.lan6(
        "length zero, hop-by-hop first and no jumbogram",
        &through().payload_len(0).first(HOP_BY_HOP),
        "nothing",
    );
    f.add(
        "IPv6 in a frame of IPv4",
        "lan",
        ether(LAN_MAC, mac_of(LAN6_HOST), IPV4, &through().bytes()),
        "nothing",
    );
    for class in [0, 1, 2, 3, 0x10, 0x2e << 2, 0xff] {
        f.lan6(format!("class {class:#04x} passes"), &through().class(class), "wan: udp6");
        f.lan6(format!("class {class:#04x} comes back"), &ping().class(class), "lan: icmp6 129/0");
    }
    for label in [1, 0x12345, 0x80000, 0xfffff] {
        f.lan6(format!("label {label:#07x} passes"), &through().label(label), "wan: udp6");
        let ping = ping().label(label);
        f.lan6(format!("label {label:#07x} to the router"), &ping, "lan: icmp6 129/0");
    }
    frames(&mut f);
    f
}

/// What the Ethernet address says against what the IPv6 address says.
fn frames(f: &mut Family) {
    const STRANGER: Mac = [0x02, 0xcc, 0, 0, 0, 9];
    let me = mac_of(LAN6_HOST);
    for (name, to, pass, answer) in [
        ("the router's", LAN_MAC, "wan: udp6", "lan: icmp6 129/0"),
        ("a stranger's", STRANGER, "nothing", "nothing"),
        ("the router's on another port", WAN_MAC, "nothing", "nothing"),
        ("everybody's", BROADCAST, "nothing", "lan: icmp6 129/0"),
        ("all nodes'", group_mac(ALL_NODES), "nothing", "lan: icmp6 129/0"),
        ("a group's nobody is in", [0x33, 0x33, 9, 9, 9, 9], "nothing", "lan: icmp6 129/0"),
        ("an IPv4 group's", [1, 0, 0x5e, 0, 0, 1], "nothing", "lan: icmp6 129/0"),
    ] {
        f.add(format!("through, frame to {name}"), "lan", framed(me, to, &through()), pass);
        f.add(format!("ping, frame to {name}"), "lan", framed(me, to, &ping()), answer);
        let lost = through().hops(1);
        f.add(
            format!("hop limit 1, frame to {name}"),
            "lan",
            framed(me, to, &lost),
            if to == LAN_MAC { "lan: icmp6 3/0" } else { "nothing" },
        );
        let closed = Ip6::new(LAN6_HOST, LAN6).udp(1, 9, b"x");
        f.add(
            format!("closed port, frame to {name}"),
            "lan",
            framed(me, to, &closed),
            if to == LAN_MAC { "lan: icmp6 1/4" } else { "nothing" },
        );
        let all = Ip6::new(LAN6_HOST, ALL_NODES).echo(1, 1, b"all");
        f.add(format!("ping of all nodes, frame to {name}"), "lan", framed(me, to, &all), answer);
    }
    f.add(
        "from the router's own Ethernet address",
        "lan",
        framed(LAN_MAC, LAN_MAC, &ping()),
        "lan: icmp6 129/0",
    );
    f.add(
        "from a group's Ethernet address",
        "lan",
        framed(BROADCAST, LAN_MAC, &ping()),
        "lan: icmp6 129/0",
    );
}

/// Sources of every kind.
const SOURCES: [&str; 21] = [
    "2001:db8:1::10",
    "fe80::10",
    "::",
    "::1",
    "::ffff:10.1.0.10",
    "::10.1.0.10",
    "64:ff9b::10.1.0.10",
    "2002:a01:a::1",
    "2002:7f00:1::1",
    "fc00::10",
    "fec0::10",
    "3ffe::10",
    "ff02::10",
    "ff0e::10",
    "2001:db8:1::1",
    "2001:db8:2::1",
    "2001:db8:2::10",
    "2001:db8:1::",
    "2001:db8:22::1",
    "2001:db8:77::1",
    "fe80::77:ff:fe00:1",
];

/// Destinations of every kind.
const DESTINATIONS: [&str; 25] = [
    "2001:db8:1::1",
    "2001:db8:2::1",
    "2001:db8:2::10",
    "2001:db8:9::1",
    "fe80::77:ff:fe00:1",
    "fe81::1",
    "febf::1",
    "::",
    "::1",
    "::ffff:10.9.0.1",
    "::10.9.0.1",
    "2002:a09:1::1",
    "fc00::1",
    "fec0::1",
    "ff00::1",
    "ff01::1",
    "ff02::1",
    "ff02::2",
    "ff02::1:ff00:1",
    "ff02::99",
    "ff05::2",
    "ff08::1",
    "ff0e::1",
    "2001:db8:1::",
    "2001:db8:77::1",
];

/// What each letter of a table stands for: `w` for what passes, `r` for an answer to the lan, `R` for
/// one to the wan, and so on.
fn outcome_of(letter: char, passes: &str, answered: &str) -> String {
    match letter {
        'w' => format!("wan: {passes}"),
        'r' => format!("lan: {answered}"),
        'R' => format!("wan: {answered}"),
        'n' => "lan: icmp6 1/0".to_owned(),
        'N' => "wan: icmp6 1/0".to_owned(),
        's' => "lan: icmp6 1/2".to_owned(),
        _ => "nothing".to_owned(),
    }
}

/// Every source to every destination; a row for each source.
fn crossed(
    name: &'static str,
    packet: impl Fn(Ip6) -> Ip6,
    (passes, answered): (&str, &str),
    rows: [&str; SOURCES.len()],
) -> Family {
    let mut f = Family::six(name);
    // So that whatever has a way has the same one.
    f.topology = f.topology.route("::/0", &[("via", "2001:db8:2::9"), ("metric", "9")]);
    for (source, row) in SOURCES.iter().zip(rows) {
        for (destination, letter) in DESTINATIONS.iter().zip(row.chars()) {
            let packet = packet(Ip6::new(ip6(source), ip6(destination)));
            let expect = outcome_of(letter, passes, answered);
            f.lan6(format!("{source} to {destination}"), &packet, expect);
        }
    }
    f
}

/// Datagrams for a port that is closed.
pub(crate) fn crossed_udp() -> Family {
    let udp = |packet: Ip6| packet.udp(1, 33434, &filler(8));
    crossed(
        "six-scopes",
        udp,
        ("udp6", "icmp6 1/4"),
        [
            // begin six-scopes
            "rrwwrnnw.wwwww.........rw", // 2001:db8:1::10
            "rrssrnns.sssss.........rs", // fe80::10
            ".........................", // ::
            ".........................", // ::1
            "RRwwRNNw.wwwww.........Rw", // ::ffff:10.1.0.10
            "RRwwRNNw.wwwww.........Rw", // ::10.1.0.10
            "RRwwRNNw.wwwww.........Rw", // 64:ff9b::10.1.0.10
            "RRwwRNNw.wwwww.........Rw", // 2002:a01:a::1
            "RRwwRNNw.wwwww.........Rw", // 2002:7f00:1::1
            "RRwwRNNw.wwwww.........Rw", // fc00::10
            "RRwwRNNw.wwwww.........Rw", // fec0::10
            "RRwwRNNw.wwwww.........Rw", // 3ffe::10
            ".........................", // ff02::10
            ".........................", // ff0e::10
            "..ww...w.wwwww..........w", // 2001:db8:1::1
            "..ww...w.wwwww..........w", // 2001:db8:2::1
            "RRwwRNNw.wwwww.........Rw", // 2001:db8:2::10
            "..ww...w.wwwww..........w", // 2001:db8:1::
            "..ww...w.wwwww..........w", // 2001:db8:22::1
            "RRwwRNNw.wwwww.........Rw", // 2001:db8:77::1
            ".........................", // fe80::77:ff:fe00:1
                                         // end six-scopes
        ],
    )
}

/// Questions.
pub(crate) fn crossed_echo() -> Family {
    let echo = |packet: Ip6| packet.echo(1, 1, &filler(8));
    crossed(
        "six-scopes-echo",
        echo,
        ("icmp6 128/0", "icmp6 129/0"),
        [
            // begin six-scopes-echo
            "rrwwrnnw.wwwww..rrr.r..rw", // 2001:db8:1::10
            "rrssrnns.sssss..rrr.r..rs", // fe80::10
            "RR..R....................", // ::
            ".........................", // ::1
            "RRwwRNNw.wwwww..........w", // ::ffff:10.1.0.10
            "RRwwRNNw.wwwww..........w", // ::10.1.0.10
            "RRwwRNNw.wwwww..........w", // 64:ff9b::10.1.0.10
            "RRwwRNNw.wwwww..........w", // 2002:a01:a::1
            "RRwwRNNw.wwwww..........w", // 2002:7f00:1::1
            "RRwwRNNw.wwwww..........w", // fc00::10
            "RRwwRNNw.wwwww..........w", // fec0::10
            "RRwwRNNw.wwwww..........w", // 3ffe::10
            ".........................", // ff02::10
            ".........................", // ff0e::10
            "..ww...w.wwwww..........w", // 2001:db8:1::1
            "..ww...w.wwwww..........w", // 2001:db8:2::1
            "RRwwRNNw.wwwww..........w", // 2001:db8:2::10
            "..ww...w.wwwww..........w", // 2001:db8:1::
            "..ww...w.wwwww..........w", // 2001:db8:22::1
            "RRwwRNNw.wwwww..........w", // 2001:db8:77::1
            ".........................", // fe80::77:ff:fe00:1
                                         // end six-scopes-echo
        ],
    )
}
