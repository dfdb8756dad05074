//! Pieces that do not fit together, and those that do in spite of it: [4.93], [4.101] to [4.114].

use std::time::Duration;

use super::{Family, from};
use crate::common::frame::{BROADCAST, DF, IPV4, Ip, MF, ether, filler, pad};
use crate::topology::{CROWD, LAN, LAN_HOST, LAN_OTHER, LAN_SECOND, WAN_HOST, WAN_MAC, mac_of};

const REPLY: &str = "lan: icmp 0/0";

/// A ping of the router that is different each time, and its pieces.
struct Pings(u16);

impl Pings {
    /// One whose IPv4 payload is `len` bytes long.
    fn next(&mut self, len: usize) -> Ip {
        self.0 += 1;
        Ip::new(LAN_HOST, LAN).id(self.0).echo(2, self.0, &filler(len - 8))
    }
}

/// Gives the frames of one case, of which only the last may cause something.
fn case(f: &mut Family, name: &str, pieces: &[Ip], answer: &str) {
    let last = pieces.len() - 1;
    for (n, piece) in pieces.iter().enumerate() {
        let expect = if n == last { answer } else { "nothing" };
        f.lan(format!("{name}, {} of {}", n + 1, pieces.len()), piece, expect);
    }
}

/// Pieces by where they start, how long they are, and whether more follow; the payload is that of one
/// ping, as far as it reaches.
fn cut(whole: &Ip, pieces: &[(usize, usize, bool)]) -> Vec<Ip> {
    pieces.iter().map(|(start, len, more)| whole.fragment(*start, *len, *more)).collect()
}

/// Bounds, duplicates and overlaps.
pub(crate) fn family() -> Family {
    let mut f = Family::new("reassembly-bounds");
    // Time must not run out before all frames have been played.
    f.topology = f.topology.sysctl("net.ipv4.ipfrag_time", "60");
    let mut pings = Pings(2000);
    // A ping of 304 bytes; what matters is what comes between its pieces, and in which order.
    for (name, pieces, answered) in [
        (
            "the same piece thrice",
            &[(0, 104, true), (0, 104, true), (0, 104, true), (104, 200, false)][..],
            true,
        ),
        (
            "a duplicate within a longer piece",
            &[(0, 200, true), (8, 16, true), (200, 104, false)],
            true,
        ),
        (
            "a duplicate at the end of a piece",
            &[(0, 200, true), (192, 8, true), (200, 104, false)],
            true,
        ),
        (
            "a duplicate within two pieces that came in order",
            &[(0, 96, true), (96, 104, true), (88, 16, true), (200, 104, false)],
            true,
        ),
        (
            "a duplicate of all that came in order",
            &[(0, 96, true), (96, 104, true), (0, 200, true), (200, 104, false)],
            true,
        ),
        (
            "within two pieces that came in the other order",
            &[(96, 104, true), (0, 96, true), (88, 16, true), (200, 104, false)],
            false,
        ),
        (
            "all of two pieces that came in the other order",
            &[(96, 104, true), (0, 96, true), (0, 200, true), (200, 104, false)],
            false,
        ),
        ("a duplicate of the end", &[(104, 200, false), (104, 200, false), (0, 104, true)], true),
        (
            "a duplicate of part of the end",
            &[(104, 200, false), (204 / 8 * 8, 104, false), (0, 104, true)],
            true,
        ),
        (
            "one byte unit over the left edge",
            &[(104, 96, true), (96, 16, true), (0, 104, true), (200, 104, false)],
            false,
        ),
        (
            "one byte unit over the right edge",
            &[(0, 104, true), (96, 104, true), (200, 104, false)],
            false,
        ),
        ("around another piece", &[(104, 8, true), (0, 200, true), (200, 104, false)], false),
        ("from the start over all", &[(96, 8, true), (0, 304, true)], false),
        (
            "over a gap between two pieces",
            &[(0, 96, true), (200, 104, false), (88, 120, true)],
            false,
        ),
        (
            "exactly in a gap between two pieces",
            &[(0, 96, true), (200, 104, false), (96, 104, true)],
            true,
        ),
        (
            "gaps filled from behind",
            &[(200, 104, false), (136, 64, true), (64, 72, true), (0, 64, true)],
            true,
        ),
        (
            "every other piece, then the rest",
            &[(64, 64, true), (192, 112, false), (128, 64, true), (0, 64, true)],
            true,
        ),
        (
            "an overlap in a datagram that is all but whole",
            &[(0, 104, true), (200, 104, false), (96, 104, true), (104, 96, true)],
            false,
        ),
        (
            "pieces that end beyond the end",
            &[(200, 64, false), (264, 40, true), (0, 200, true)],
            false,
        ),
        (
            "pieces that end at the end and promise more",
            &[(200, 104, false), (200, 104, true), (0, 200, true)],
            true,
        ),
        (
            "an end before what has come",
            &[(104, 200, true), (0, 104, false), (0, 104, true)],
            false,
        ),
    ] {
        let whole = pings.next(304);
        case(&mut f, name, &cut(&whole, pieces), if answered { REPLY } else { "nothing" });
    }

    let whole = pings.next(304);
    let mut pieces =
        cut(&whole, &[(0, 104, true), (96, 208, false), (0, 104, true), (104, 200, false)]);
    case(&mut f, "a datagram comes anew after an overlap", &pieces, REPLY);
    // What comes twice with other bytes changes nothing: the first bytes stay.
    let whole = pings.next(304);
    pieces = cut(&whole, &[(0, 104, true), (0, 104, true), (104, 200, false)]);
    pieces[1] = pieces[1].clone().spoil_payload(40, 0xff);
    case(&mut f, "a duplicate with other bytes", &pieces, REPLY);
    let whole = pings.next(304);
    pieces = cut(&whole, &[(0, 104, true), (104, 200, false)]);
    pieces[0] = pieces[0].clone().spoil_payload(40, 0xff);
    case(&mut f, "pieces whose ICMP checksum does not hold", &pieces, "nothing");

    lengths(&mut f, &mut pings);
    headers(&mut f, &mut pings);
    f
}

fn lengths(f: &mut Family, pings: &mut Pings) {
    // Bytes that no offset can follow are left out, so these two meet.
    let whole = pings.next(304);
    let meeting = cut(&whole, &[(0, 101, true), (96, 208, false)]);
    case(f, "a first piece of 101 bytes counts as 96", &meeting, REPLY);
    let whole = pings.next(304);
    let apart = cut(&whole, &[(0, 103, true), (104, 200, false)]);
    case(f, "a first piece of 103 bytes leaves a gap", &apart, "nothing");
    for len in [1, 7] {
        let whole = pings.next(304);
        let pieces = cut(&whole, &[(0, 104, true), (104, len, true), (104, 200, false)]);
        case(f, &format!("a piece of {len} bytes ends all"), &pieces, "nothing");
    }
    let whole = pings.next(304);
    let pieces = cut(&whole, &[(0, 104, true), (200, 0, true), (104, 200, false)]);
    case(f, "an empty piece with more to come ends all", &pieces, "nothing");
    let whole = pings.next(304);
    let pieces = cut(&whole, &[(0, 304, true), (304, 0, false)]);
    case(f, "an empty last piece ends all", &pieces, "nothing");
    let whole = pings.next(304);
    let pieces = cut(&whole, &[(0, 8, true), (8, 8, true), (16, 8, true), (24, 280, false)]);
    case(f, "pieces of eight bytes", &pieces, REPLY);
    let whole = pings.next(305);
    let pieces = cut(&whole, &[(304, 1, false), (0, 304, true)]);
    case(f, "a last piece of one byte", &pieces, REPLY);
    let whole = pings.next(304);
    let mut pieces = cut(&whole, &[(0, 104, true), (104, 200, false)]);
    pieces[1] = pieces[1].clone().total_len(220 - 8);
    case(f, "a last piece with bytes behind its end", &pieces, "nothing");

    // The longest that there can be, and one unit and one byte more.
    for (name, len, answered) in [
        ("65535 bytes", 65_515, true),
        ("65536 bytes", 65_516, false),
        ("65556 bytes", 65_536, false),
    ] {
        let whole = pings.next(len);
        let starts: Vec<usize> = (0..len).step_by(1480).collect();
        let pieces: Vec<_> = starts
            .iter()
            .map(|start| {
                let end = (start + 1480).min(len);
                whole.fragment(*start, end - start, end < len)
            })
            .collect();
        let answer = match answered {
            false => "nothing".to_owned(),
            true => {
                let cut = starts.iter().map(|start| {
                    let end = (start + 1480).min(len);
                    let more = if end < len { " more" } else { "" };
                    format!("frag {start}+{}{more}", end - start)
                });
                format!("lan: {}", cut.collect::<Vec<_>>().join(", "))
            }
        };
        case(f, &format!("a ping of {name}"), &pieces, &answer);
    }
    let far = |id, len, flags| {
        Ip::new(LAN_HOST, LAN).id(id).raw(1, &filler(len)).offset(65_528).flags(flags)
    };
    case(
        f,
        "two pieces beyond 65535 that overlap",
        &[far(9001, 1000, MF), far(9001, 1008, 0)],
        "nothing",
    );
    case(
        f,
        "two pieces beyond 65535 that are the same",
        &[far(9002, 1000, 0), far(9002, 1000, 0)],
        "nothing",
    );
}

fn headers(f: &mut Family, pings: &mut Pings) {
    const NOPS: [u8; 8] = [1; 8];
    let whole = pings.next(304);
    let pieces = || cut(&whole, &[(0, 104, true), (104, 200, false)]);
    let with = |id, change: &dyn Fn(Ip, Ip) -> (Ip, Ip)| {
        let mut both = pieces().into_iter().map(|piece| piece.id(id));
        let (a, b) = (both.next().expect("a first"), both.next().expect("a second"));
        let (a, b) = change(a, b);
        [a, b]
    };
    const ROUTE: [u8; 11] = [7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0];
    const TIMES: [u8; 12] = [68, 12, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for (n, options) in [&ROUTE[..], &TIMES, &[148, 4, 0, 0], &NOPS].into_iter().enumerate() {
        let kind = options[0];
        let id = 3020 + 3 * n as u16;
        let first = with(id, &|a, b| (a.options(options), b));
        case(f, &format!("option {kind} in the first piece alone"), &first, REPLY);
        let both = with(id + 1, &|a, b| (a.options(options), b.options(options)));
        case(f, &format!("option {kind} in both pieces"), &both, REPLY);
        let [a, b] = with(id + 2, &|a, b| (a.options(options), b));
        case(f, &format!("option {kind} in the first piece, which comes last"), &[b, a], REPLY);
    }
    let second = with(3001, &|a, b| (a, b.options(&NOPS)));
    case(f, "options in the second piece alone", &second, REPLY);
    for (name, change) in [
        (
            "to another address of the router",
            (|p| {
                p.dst = LAN_SECOND;
            }) as fn(&mut Ip),
        ),
        ("from another sender", |p| p.src = LAN_OTHER),
    ] {
        let pieces = with(3002, &|a, mut b| {
            change(&mut b);
            (a, b)
        });
        case(f, &format!("second piece {name}"), &pieces, "nothing");
    }
    let pieces = with(0, &|a, b| (a, b));
    case(f, "pieces with identification 0", &pieces, REPLY);
    let pieces = with(3003, &|a, b| (a.flags(DF), b));
    case(f, "DF in the first piece alone", &pieces, REPLY);
    let pieces = with(3004, &|a, b| (a, b.flags(DF)));
    case(f, "DF in the second piece alone", &pieces, REPLY);
    let pieces = with(3005, &|a, b| (a.ttl(1), b.ttl(0)));
    case(f, "pieces whose TTL has run out", &pieces, REPLY);
    for marks in
        [[1, 2, 3], [3, 1, 1], [2, 2, 3], [3, 3, 3], [1, 1, 0], [0, 0, 3], [0, 0, 0], [2, 1, 2]]
    {
        let whole = pings.next(304);
        let pieces: Vec<_> = cut(&whole, &[(0, 104, true), (104, 96, true), (200, 104, false)])
            .into_iter()
            .zip(marks)
            .map(|(piece, mark)| piece.tos(0x88 | mark))
            .collect();
        let answered = !marks.contains(&0) || marks == [0; 3];
        let name = format!("three pieces marked ECN {} {} {}", marks[0], marks[1], marks[2]);
        case(f, &name, &pieces, if answered { REPLY } else { "nothing" });
    }
    let whole = pings.next(304);
    f.lan(
        "a piece between pieces of another protocol: ICMP",
        &whole.fragment(0, 104, true),
        "nothing",
    );
    let udp = Ip::new(LAN_HOST, LAN).id(3006).udp(9, 33_435, &filler(296));
    f.lan(
        "a piece between pieces of another protocol: UDP",
        &udp.fragment(0, 104, true),
        "nothing",
    );
    f.lan(
        "a piece between pieces of another protocol: ICMP again",
        &whole.fragment(104, 200, false),
        REPLY,
    );
    f.lan(
        "a piece between pieces of another protocol: UDP again",
        &udp.fragment(104, 200, false),
        "lan: icmp 3/3",
    );
    let spoilt = udp.clone().id(3007).spoil_payload(150, 1);
    case(
        f,
        "UDP whose checksum does not hold",
        &cut(&spoilt, &[(0, 104, true), (104, 200, false)]),
        "nothing",
    );
    let syn = Ip::new(LAN_HOST, LAN).id(3008).tcp((5, 81), 7, 0, 2, &filler(100));
    case(f, "a SYN in two pieces", &cut(&syn, &[(0, 24, true), (24, 96, false)]), "lan: tcp RA");
    let quoted = Ip::new(LAN, LAN_HOST).udp(1, 2, &filler(200));
    let error = Ip::new(LAN_HOST, LAN).id(3009).icmp_error(3, 3, 0, &quoted, 200);
    case(
        f,
        "an ICMP error in two pieces",
        &cut(&error, &[(0, 104, true), (104, 124, false)]),
        "nothing",
    );
    let mut to_all = Ip::new(LAN_HOST, LAN).id(3010).udp(1, 33_436, &filler(200));
    to_all.dst = std::net::Ipv4Addr::new(10, 1, 0, 255);
    case(
        f,
        "pieces to the broadcast address",
        &cut(&to_all, &[(0, 104, true), (104, 104, false)]),
        "nothing",
    );
    let ping = pings.next(304);
    for (n, (piece, expect)) in
        cut(&ping, &[(0, 104, true), (104, 200, false)]).iter().zip(["nothing", REPLY]).enumerate()
    {
        let frame = pad(ether(BROADCAST, mac_of(LAN_HOST), IPV4, &piece.bytes()), 60);
        f.add(format!("pieces in broadcast frames, {}", n + 1), "lan", frame, expect);
    }
    // By which port a piece comes is not part of its datagram.
    let ping = pings.next(304);
    f.lan("pieces by two ports: lan", &ping.fragment(0, 104, true), "nothing");
    let second = from(WAN_HOST, WAN_MAC, &ping.fragment(104, 200, false));
    f.add("pieces by two ports: wan", "wan", second, REPLY);
}

/// Too many pieces of one sender between two of a datagram [4.114].
pub(crate) fn distance() -> Family {
    let mut f = Family::new("reassembly-distance");
    f.topology =
        f.topology.sysctl("net.ipv4.ipfrag_time", "3").sysctl("net.ipv4.ipfrag_max_dist", "3");
    let mut pings = Pings(5000);
    for between in [0, 1, 2, 3, 4, 9] {
        let whole = pings.next(304);
        f.lan(format!("{between} between: first"), &whole.fragment(0, 104, true), "nothing");
        for n in 0..between {
            let other = pings.next(304).fragment(200, 104, false);
            f.lan(format!("{between} between: number {}", n + 1), &other, "nothing");
        }
        // The piece itself counts.
        let answer = if between < 3 { REPLY } else { "nothing" };
        f.lan(format!("{between} between: last"), &whole.fragment(104, 200, false), answer);
        if between < 3 {
            continue;
        }
        let answer = if between > 2 { REPLY } else { "nothing" };
        f.lan(format!("{between} between: first again"), &whole.fragment(0, 104, true), answer);
    }
    let whole = pings.next(304);
    f.lan("others between: first", &whole.fragment(0, 104, true), "nothing");
    for n in 0..9 {
        let mut other = pings.next(304).fragment(200, 104, false);
        other.src = LAN_OTHER;
        f.lan(format!("others between: number {n}"), &other, "nothing");
    }
    f.lan("others between: last", &whole.fragment(104, 200, false), REPLY);
    // Starting anew gives the datagram its whole time again.
    let whole = pings.next(304);
    f.lan("time anew: first", &whole.fragment(0, 104, true), "nothing");
    f.settle(Duration::from_millis(1700));
    for n in 0..4 {
        let other = pings.next(304).fragment(200, 104, false);
        f.lan(format!("time anew: number {n}"), &other, "nothing");
    }
    f.lan("time anew: last", &whole.fragment(104, 200, false), "nothing");
    f.settle(Duration::from_millis(1700));
    f.lan("time anew: first again", &whole.fragment(0, 104, true), REPLY);
    f
}

/// Nothing is put together [4.107].
pub(crate) fn off() -> Family {
    let mut f = Family::new("reassembly-off");
    f.topology = f
        .topology
        .sysctl("net.ipv4.ipfrag_low_thresh", "0")
        .sysctl("net.ipv4.ipfrag_high_thresh", "0")
        .sysctl("net.ipv4.ipfrag_time", "1");
    let mut pings = Pings(7000);
    let whole = pings.next(304);
    f.lan("first", &whole.fragment(0, 104, true), "nothing");
    f.settle(Duration::from_millis(1500));
    f.lan("first again", &whole.fragment(0, 104, true), "nothing");
    f.lan("last", &whole.fragment(104, 200, false), "nothing");
    f.lan("whole", &whole, REPLY);
    let through = Ip::new(LAN_HOST, WAN_HOST).id(502).udp(1, 2, &filler(192));
    f.lan("transit passes, first", &through.fragment(0, 104, true), "wan: frag 0+104 more");
    f.lan("transit passes, last", &through.fragment(104, 96, false), "wan: frag 104+96");
    f
}

/// Senders that time runs out for.
fn crowd(n: usize) -> std::net::Ipv4Addr {
    std::net::Ipv4Addr::new(10, 1, 0, CROWD.start + n as u8)
}

/// What is told about datagrams that stay in pieces [3.51], [4.112].
pub(crate) fn timeouts(f: &mut Family) {
    let wait = Duration::from_millis(1250);
    let told = "lan: icmp 11/1";
    let ping = |id| Ip::new(crowd(id), LAN).id(700 + id as u16).echo(3, id as u16, &filler(1992));
    for (n, (name, first, expect)) in [
        ("a large first piece", ping(0).fragment(0, 1480, true), told),
        ("a first piece of 101 bytes", ping(1).fragment(0, 101, true), told),
        ("a first piece of eight bytes", ping(2).fragment(0, 8, true), told),
        ("a first piece with options", ping(3).options(&[1, 1, 1, 0]).fragment(0, 104, true), told),
        (
            "a first piece with TOS, DF and a TTL of 1",
            ping(4).tos(0xb9).flags(DF).ttl(1).fragment(0, 104, true),
            told,
        ),
        (
            "a first piece that records its route",
            ping(5).options(&[7, 7, 4, 0, 0, 0, 0]).fragment(0, 104, true),
            told,
        ),
        ("a middle piece", ping(6).fragment(104, 104, true), "nothing"),
        ("an empty first piece", ping(7).fragment(0, 0, true), "nothing"),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(usize::from(first.src.octets()[3] - CROWD.start), n);
        f.lan(format!("{name} alone"), &first, expect);
        f.settle(wait);
    }
    let udp = Ip::new(crowd(20), LAN).id(800).udp(1, 33_434, &filler(400));
    f.lan("first of UDP alone", &udp.fragment(0, 104, true), told);
    f.settle(wait);
    let quoted = Ip::new(LAN, LAN_HOST).udp(1, 2, &filler(200));
    let error = Ip::new(crowd(21), LAN).id(801).icmp_error(3, 3, 0, &quoted, 200);
    f.lan("first of an ICMP error alone", &error.fragment(0, 104, true), "nothing");
    f.settle(wait);
    let mut to_all = udp.clone().id(802);
    to_all.dst = std::net::Ipv4Addr::new(10, 1, 0, 255);
    f.lan("first to the broadcast address alone", &to_all.fragment(0, 104, true), "nothing");
    f.settle(wait);
    let one = ping(22);
    f.lan("first and an overlap: first", &one.fragment(0, 104, true), "nothing");
    f.lan("first and an overlap: overlap", &one.fragment(96, 104, true), "nothing");
    f.settle(wait);
    let one = ping(23);
    f.lan("a duplicate gives no more time: first", &one.fragment(0, 104, true), "nothing");
    f.settle(Duration::from_millis(500));
    f.lan("a duplicate gives no more time: again", &one.fragment(0, 104, true), told);
    f.settle(Duration::from_millis(750));
    let one = ping(24);
    f.lan("first twice: first", &one.fragment(0, 104, true), "nothing");
    f.lan("first twice: with other bytes", &one.fragment(0, 104, true).spoil_payload(30, 9), told);
    f.settle(wait);
    let far = Ip::new(crowd(25), LAN).id(803).raw(1, &filler(64));
    f.lan("first and one beyond 65535: far", &far.clone().offset(65_528), "nothing");
    f.lan("first and one beyond 65535: first", &far.flags(MF), told);
    f.settle(wait);
    let through = Ip::new(LAN_HOST, WAN_HOST).id(804).udp(1, 2, &filler(192));
    f.lan("first in transit alone", &through.fragment(0, 104, true), "wan: frag 0+104 more");
    f.settle(wait);
}
