//! Fragments to the router itself: [3.51], [4.27], [4.101] to [4.113].

use std::time::Duration;

use super::Family;
use crate::common::frame::{DF, Ip, MF, filler};
use crate::topology::{DMZ, DMZ_HOST, LAN, LAN_HOST, LAN_OTHER, WAN_HOST};

pub(crate) fn family() -> Family {
    let mut f = Family::new("reassembly");
    // Time must not run out before all frames have been played.
    f.topology = f.topology.sysctl("net.ipv4.ipfrag_time", "60");
    let mut id = 100;
    let mut ping = |len: usize| {
        id += 1;
        Ip::new(LAN_HOST, LAN).id(id).echo(1, id, &filler(len - 8))
    };
    for (name, order, answer) in [
        ("in order", [0, 1, 2], true),
        ("last first", [2, 1, 0], true),
        ("middle first", [1, 0, 2], true),
        ("first last", [1, 2, 0], true),
        ("last in the middle", [0, 2, 1], true),
        ("without the middle", [0, 2, 2], false),
        ("without the first", [1, 2, 1], false),
        ("without the last", [0, 1, 1], false),
    ] {
        let whole = ping(300);
        let pieces = [
            whole.fragment(0, 104, true),
            whole.fragment(104, 96, true),
            whole.fragment(200, 100, false),
        ];
        for (n, piece) in order.into_iter().enumerate() {
            let expect = if answer && n == 2 { "lan: icmp 0/0" } else { "nothing" };
            f.lan(format!("ping in three pieces {name}, piece {}", n + 1), &pieces[piece], expect);
        }
    }
    let mut two =
        |f: &mut Family, name: &str, change: &dyn Fn(Ip, Ip) -> (Ip, Ip), answer: &str| {
            let whole = ping(200);
            let (first, second) =
                change(whole.fragment(0, 104, true), whole.fragment(104, 96, false));
            f.lan(format!("{name}, first piece"), &first, "nothing");
            f.lan(format!("{name}, second piece"), &second, answer);
        };
    two(&mut f, "two pieces", &|a, b| (a, b), "lan: icmp 0/0");
    two(&mut f, "two pieces that differ in TTL", &|a, b| (a.ttl(9), b.ttl(99)), "lan: icmp 0/0");
    two(&mut f, "two pieces with DF", &|a, b| (a.flags(DF), b.flags(DF)), "lan: icmp 0/0");
    two(
        &mut f,
        "two pieces with different TOS",
        &|a, b| (a.tos(0x10), b.tos(0x20)),
        "lan: icmp 0/0",
    );
    for (a, b, answer) in [
        (0, 1, "nothing"),
        (0, 2, "nothing"),
        (0, 3, "nothing"),
        (1, 2, "lan: icmp 0/0"),
        (1, 3, "lan: icmp 0/0"),
        (2, 3, "lan: icmp 0/0"),
        (3, 3, "lan: icmp 0/0"),
        (2, 2, "lan: icmp 0/0"),
    ] {
        two(
            &mut f,
            &format!("two pieces marked ECN {a} and {b}"),
            &move |x, y| (x.tos(a), y.tos(b)),
            answer,
        );
    }
    two(&mut f, "two pieces with different identification", &|a, b| (a, b.id(9999)), "nothing");
    two(
        &mut f,
        "two pieces from different senders",
        &|a, mut b| {
            b.src = LAN_OTHER;
            (a, b)
        },
        "nothing",
    );
    two(
        &mut f,
        "two pieces with different protocols",
        &|a, b| (a, b.raw(17, &filler(96))),
        "nothing",
    );
    two(&mut f, "a gap between two pieces", &|a, b| (a, b.offset(112)), "nothing");
    two(&mut f, "two pieces that overlap", &|a, b| (a, b.offset(96)), "nothing");
    two(&mut f, "second piece still promises more", &|a, b| (a, b.flags(MF)), "nothing");
    two(&mut f, "first piece is not whole eights", &|a, b| (a.cut_payload(101), b), "nothing");
    two(
        &mut f,
        "two pieces in which the second is empty",
        &|a, b| (a, b.cut_payload(0)),
        "nothing",
    );
    two(
        &mut f,
        "two pieces with the reserved flag",
        &|a, b| (a.flags(0x8000), b.flags(0x8000)),
        "lan: icmp 0/0",
    );

    let whole = ping(200);
    f.lan("a piece comes twice: first", &whole.fragment(0, 104, true), "nothing");
    f.lan("a piece comes twice: first again", &whole.fragment(0, 104, true), "nothing");
    f.lan("a piece comes twice: last", &whole.fragment(104, 96, false), "lan: icmp 0/0");
    f.lan("a piece comes after the answer", &whole.fragment(104, 96, false), "nothing");
    let whole = ping(200);
    f.lan("two different ends: far end", &whole.fragment(104, 96, false), "nothing");
    f.lan("two different ends: near end", &whole.fragment(104, 56, false), "nothing");
    f.lan("two different ends: first", &whole.fragment(0, 104, true), "nothing");
    f.lan("one piece that is all, flagged as more to come", &ping(104).flags(MF), "nothing");
    f.lan(
        "one piece beyond 65535",
        &Ip::new(LAN_HOST, LAN).id(7).raw(1, &filler(64)).offset(65528),
        "nothing",
    );
    f.lan(
        "a piece with wrong ICMP checksum: first",
        &ping(104).spoil_payload(20, 1).flags(MF),
        "nothing",
    );

    let whole = ping(2000);
    f.lan("ping larger than a frame, first piece", &whole.fragment(0, 1480, true), "nothing");
    f.lan(
        "ping larger than a frame, second piece",
        &whole.fragment(1480, 520, false),
        "lan: frag 0+1480 more, frag 1480+520",
    );
    let whole = ping(4000);
    f.lan("ping of 4000, first piece", &whole.fragment(0, 1480, true), "nothing");
    f.lan("ping of 4000, second piece", &whole.fragment(1480, 1480, true), "nothing");
    f.lan(
        "ping of 4000, third piece",
        &whole.fragment(2960, 1040, false),
        "lan: frag 0+1480 more, frag 1480+1480 more, frag 2960+1040",
    );
    let whole = Ip::new(DMZ_HOST, DMZ).id(77).echo(1, 1, &filler(2992));
    f.dmz("ping of 3000 to the dmz, first piece", &whole.fragment(0, 1376, true), "nothing");
    f.dmz("ping of 3000 to the dmz, second piece", &whole.fragment(1376, 1376, true), "nothing");
    f.dmz(
        "ping of 3000 to the dmz, third piece",
        &whole.fragment(2752, 248, false),
        "dmz: frag 0+1376 more, frag 1376+1376 more, frag 2752+248",
    );
    let udp = Ip::new(LAN_HOST, LAN).id(500).udp(1, 33434, &filler(192));
    f.lan("UDP to a closed port, first piece", &udp.fragment(0, 104, true), "nothing");
    f.lan("UDP to a closed port, second piece", &udp.fragment(104, 96, false), "lan: icmp 3/3");
    let strange = Ip::new(LAN_HOST, LAN).id(501).raw(253, &filler(200));
    f.lan("protocol 253, first piece", &strange.fragment(0, 104, true), "nothing");
    f.lan("protocol 253, second piece", &strange.fragment(104, 96, false), "lan: icmp 3/2");
    let through = Ip::new(LAN_HOST, WAN_HOST).id(502).udp(1, 2, &filler(192));
    f.lan(
        "transit is not reassembled, last piece",
        &through.fragment(104, 96, false),
        "wan: frag 104+96",
    );
    f.lan(
        "transit is not reassembled, first piece",
        &through.fragment(0, 104, true),
        "wan: frag 0+104 more",
    );
    f
}

/// What happens when pieces never come.
pub(crate) fn timeout() -> Family {
    let mut f = Family::new("reassembly-timeout");
    f.topology = f.topology.sysctl("net.ipv4.ipfrag_time", "1");
    let whole = Ip::new(LAN_HOST, LAN).id(600).echo(1, 1, &filler(192));
    f.lan("only the last piece came", &whole.fragment(104, 96, false), "nothing");
    f.settle(Duration::from_millis(1500));
    f.lan(
        "only the first piece came",
        &whole.clone().id(601).fragment(0, 104, true),
        "lan: icmp 11/1",
    );
    f.settle(Duration::from_millis(1500));
    f.lan("first and middle came: first", &whole.clone().id(602).fragment(0, 104, true), "nothing");
    f.lan(
        "first and middle came: middle",
        &whole.clone().id(602).fragment(104, 48, true),
        "lan: icmp 11/1",
    );
    f.settle(Duration::from_millis(1500));
    f.lan(
        "last piece after the time is over",
        &whole.clone().id(601).fragment(104, 96, false),
        "nothing",
    );
    f.settle(Duration::from_millis(1500));
    super::pieces::timeouts(&mut f);
    f
}
