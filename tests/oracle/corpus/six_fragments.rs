//! Fragments on their way and for the router itself: [8.51] to [8.57].

use std::time::Duration;

use super::Family;
use super::six::{
    ALL_NODES, DMZ6_HOST, LAN6, LAN6_HOST, LAN6_LINK, LAN6_NEAR, LAN6_OTHER, LAN6_SECOND,
    WAN6_HOST, ip6, link_local,
};
use crate::common::frame::filler;
use crate::common::frame6::{FRAGMENT, Ip6};

/// A question of `8 + len` bytes to the router.
fn asked(len: usize) -> Ip6 {
    Ip6::new(LAN6_HOST, LAN6).echo(5, 6, &filler(len))
}

impl Family {
    /// Gives a packet in pieces: of each the first byte, how many, and whether more are to come.
    fn pieces6(
        &mut self,
        name: &str,
        id: u32,
        packet: &Ip6,
        pieces: &[(usize, usize, bool)],
        end: &str,
    ) {
        for (n, (offset, len, more)) in pieces.iter().enumerate() {
            let last = n + 1 == pieces.len();
            let piece = packet.fragment(id, *offset, *len, *more);
            let name = format!("{name}, {} of {}: {offset}+{len}", n + 1, pieces.len());
            // One of 8 bytes may be found too short for what it holds (RFC 8200 §5).
            let sure = !last && *len != 8;
            self.lan6(name, &piece, if sure { "nothing" } else { end });
        }
    }
}

pub(crate) fn family() -> Family {
    let mut f = Family::six("six-fragments");
    let mut id = 100;
    let mut next = || {
        id += 1;
        id
    };
    transit(&mut f);
    let (a, b, c) = ((0, 64, true), (64, 64, true), (128, 28, false));
    let q = asked(148);
    for (name, order) in [
        ("in order", [a, b, c]),
        ("last first", [c, b, a]),
        ("middle first", [b, a, c]),
        ("middle last", [a, c, b]),
        ("first last", [b, c, a]),
        ("last, first, middle", [c, a, b]),
    ] {
        f.pieces6(name, next(), &q, &order, "lan: icmp6 129/0");
    }
    for len in [1, 7, 8, 9, 500, 1232, 1233, 1400, 1452, 1453, 2000, 4000, 9000] {
        let q = asked(len);
        let half = (len / 2 + 8) & !7;
        if half < len + 8 && len < 2800 {
            f.pieces6(
                &format!("{len} bytes in two"),
                next(),
                &q,
                &[(0, half, true), (half, len + 8 - half, false)],
                "?",
            );
        }
        let size = 1232;
        let pieces: Vec<_> = (0..len + 8)
            .step_by(size)
            .map(|at| (at, size.min(len + 8 - at), at + size < len + 8))
            .collect();
        f.pieces6(&format!("{len} bytes as they fit"), next(), &q, &pieces, "?");
    }
    // Twice the same, and overlaps (RFC 5722).
    f.pieces6("first twice", next(), &q, &[a, a, b, c], "?");
    f.pieces6("middle twice", next(), &q, &[a, b, b, c], "?");
    f.pieces6("last twice", next(), &q, &[c, c, a, b], "?");
    f.pieces6("overlap by 8 bytes", next(), &q, &[a, (56, 72, true), c], "?");
    f.pieces6("overlap and then the right ones", next(), &q, &[a, (56, 72, true), a, b, c], "?");
    f.pieces6("one within another", next(), &q, &[a, (8, 16, true), b, c], "?");
    f.pieces6("one around another", next(), &q, &[(64, 16, true), b, a, c], "?");
    f.pieces6("two ends, the second farther", next(), &q, &[c, (128, 24, false), a, b], "?");
    f.pieces6("more behind the end", next(), &q, &[(64, 64, false), (128, 16, true), a], "?");
    f.pieces6(
        "end before what came",
        next(),
        &q,
        &[(128, 24, true), (64, 32, false), a, b, c],
        "?",
    );
    f.pieces6("a hole", next(), &q, &[a, c], "?");
    for (name, piece) in [
        ("whole", (0, 156, false)),
        ("whole of 4 bytes", (0, 4, false)),
        ("of nothing", (0, 0, false)),
        ("of nothing, more to come", (0, 0, true)),
        ("of nothing, later", (64, 0, false)),
        ("of 1 byte, more to come", (0, 1, true)),
        ("of 9 bytes, more to come", (64, 9, true)),
        ("of 63 bytes, more to come", (64, 63, true)),
    ] {
        f.pieces6(&format!("one {name}"), next(), &q, &[piece], "?");
    }
    for (offset, len, more) in [
        (65528, 7, false),
        (65528, 8, true),
        (65528, 100, false),
        (65000, 800, false),
        (65400, 128, true),
        (64096, 1440, true),
    ] {
        let piece = asked(2000).piece(offset, more, next()).cut_payload(len);
        f.lan6(
            format!("at {offset}, {len} bytes{}", if more { " and more" } else { "" }),
            &piece,
            "?",
        );
    }
    keys(&mut f, &mut next);
    nested(&mut f, &mut next);
    f
}

/// Pieces that are not for the router are none of its business.
fn transit(f: &mut Family) {
    let q = Ip6::new(LAN6_HOST, WAN6_HOST).udp(1, 2, &filler(156));
    for (offset, len, more) in [
        (0, 64, true),
        (64, 64, true),
        (128, 36, false),
        (0, 164, false),
        (0, 9, true),
        (8, 0, false),
        (64, 1, true),
    ] {
        f.lan6(format!("through: {offset}+{len} {more}"), &q.fragment(7, offset, len, more), "?");
    }
    f.lan6("through: beyond the end of everything", &q.clone().piece(65528, true, 7), "?");
    f.lan6("through: with hop limit 1, first", &q.fragment(7, 0, 64, true).hops(1), "?");
    f.lan6("through: with hop limit 1, later", &q.fragment(7, 64, 64, true).hops(1), "?");
    f.lan6("through: header cut short", &q.clone().header(FRAGMENT, &[0, 0]).raw(59, b""), "?");
    let big = Ip6::new(LAN6_HOST, DMZ6_HOST).udp(1, 2, &filler(1400));
    f.lan6("through: too big, first", &big.fragment(7, 0, 1400, true), "?");
    f.lan6("through: too big, later", &big.fragment(7, 8, 1400, false), "?");
}

/// What belongs together.
fn keys(f: &mut Family, next: &mut impl FnMut() -> u32) {
    let q = asked(100);
    let id = next();
    f.lan6("key: first", &q.fragment(id, 0, 64, true), "nothing");
    f.lan6("key: of another identification", &q.fragment(id + 1000, 64, 44, false), "nothing");
    f.lan6("key: from another source", &q.fragment(id, 64, 44, false).from(LAN6_OTHER), "nothing");
    f.lan6("key: to another address", &q.fragment(id, 64, 44, false).to(LAN6_SECOND), "nothing");
    f.wan6("key: from another port", &q.fragment(id, 64, 44, false), "?");
    let id = next();
    f.lan6("key: with hop limit 9", &q.fragment(id, 0, 64, true).hops(9), "nothing");
    f.lan6("key: and 200", &q.fragment(id, 64, 44, false).hops(200), "lan: icmp6 129/0");
    let id = next();
    f.lan6("key: with a class", &q.fragment(id, 0, 64, true).class(0x20), "nothing");
    f.lan6("key: and another", &q.fragment(id, 64, 44, false).class(0x40), "?");
    for (first, second) in
        [(0, 0), (0, 1), (1, 0), (0, 2), (1, 2), (2, 1), (2, 3), (3, 2), (1, 3), (3, 0), (0, 3)]
    {
        let id = next();
        f.lan6(
            format!("congestion {first} before {second}"),
            &q.fragment(id, 0, 64, true).class(first),
            "nothing",
        );
        f.lan6(
            format!("congestion {second} behind {first}"),
            &q.fragment(id, 64, 44, false).class(second),
            "?",
        );
    }
    let near = Ip6::new(LAN6_NEAR, LAN6_LINK).echo(1, 1, &filler(100));
    let id = next();
    f.lan6("key: link-local, first", &near.fragment(id, 0, 64, true), "nothing");
    f.lan6("key: link-local, last", &near.fragment(id, 64, 44, false), "lan: icmp6 129/0");
    let all = Ip6::new(LAN6_HOST, ALL_NODES).echo(1, 1, &filler(100));
    let id = next();
    f.lan6("key: to all nodes, first", &all.fragment(id, 0, 64, true), "nothing");
    f.lan6("key: to all nodes, last", &all.fragment(id, 64, 44, false), "?");
    let id = next();
    f.lan6("key: next header 17 first", &q.fragment(id, 0, 64, true), "nothing");
    let other = Ip6::new(LAN6_HOST, LAN6).raw(17, &filler(108));
    f.lan6("key: and another behind", &other.fragment(id, 64, 44, false), "?");
}

/// Pieces with other headers, and what is found in the whole.
fn nested(f: &mut Family, next: &mut impl FnMut() -> u32) {
    let to = |packet: Ip6| packet;
    let pieces = [(0, 64, true), (64, 44, false)];
    let base = || Ip6::new(LAN6_HOST, LAN6);
    let data = filler(100);
    f.pieces6("closed port", next(), &to(base().udp(1, 9, &data)), &pieces, "?");
    f.pieces6(
        "closed port of TCP",
        next(),
        &to(base().tcp((1, 9), 1, 0, 2, &filler(88))),
        &pieces,
        "?",
    );
    f.pieces6("unknown header", next(), &to(base().raw(199, &filler(108))), &pieces, "?");
    f.pieces6("nothing next", next(), &to(base().raw(59, &filler(108))), &pieces, "?");
    f.pieces6(
        "checksum wrong",
        next(),
        &to(base().echo(1, 1, &data).spoil_payload(2, 1)),
        &pieces,
        "?",
    );
    f.pieces6("behind hop-by-hop", next(), &base().hop_by_hop(&[]).echo(1, 1, &data), &pieces, "?");
    f.pieces6(
        "behind destination options",
        next(),
        &base().dst_options(&[]).echo(1, 1, &data),
        &pieces,
        "?",
    );
    f.pieces6(
        "behind routing",
        next(),
        &base().by_way_of(0, 0, &[]).echo(1, 1, &data),
        &pieces,
        "?",
    );
    f.pieces6(
        "closed port behind hop-by-hop",
        next(),
        &base().hop_by_hop(&[]).udp(1, 9, &data),
        &pieces,
        "?",
    );
    let options =
        [&[58, 0, 1, 4, 0, 0, 0, 0][..], &base().echo(1, 1, &data).bytes()[40..]].concat();
    let long = [(0, 64, true), (64, 52, false)];
    f.pieces6("options within", next(), &base().raw(60, &options), &long, "?");
    f.pieces6("hop-by-hop within", next(), &base().raw(0, &options), &long, "?");
    let option =
        [&[58, 0, 0x9e, 4, 0, 0, 0, 0][..], &base().echo(1, 1, &data).bytes()[40..]].concat();
    f.pieces6("an option within to tell of", next(), &base().raw(60, &option), &long, "?");
    f.pieces6(
        "first of 8 bytes",
        next(),
        &base().udp(1, 9, &data),
        &[(0, 8, true), (8, 100, false)],
        "?",
    );
    f.pieces6(
        "headers not all in the first",
        next(),
        &base().raw(60, &options),
        &[(0, 8, true), (8, 108, false)],
        "?",
    );
    f.pieces6(
        "TCP header not all in the first",
        next(),
        &base().tcp((1, 9), 1, 0, 2, &data),
        &[(0, 8, true), (8, 112, false)],
        "?",
    );
    f.pieces6(
        "first piece of TCP alone too short",
        next(),
        &base().tcp((1, 9), 1, 0, 2, b""),
        &[(0, 8, true), (8, 12, false)],
        "?",
    );
    let inner = base().echo(1, 1, &data).piece(0, false, 9).bytes()[40..].to_vec();
    f.pieces6(
        "a piece within pieces",
        next(),
        &base().raw(44, &inner),
        &[(0, 64, true), (64, 52, false)],
        "?",
    );
    f.lan6(
        "jumbogram and a piece",
        &base().hop_by_hop(&[0xc2, 4, 0, 1, 0, 0]).payload_len(0).piece(0, true, next()),
        "?",
    );
    f.lan6("piece with no length", &base().piece(0, true, next()).payload_len(0), "?");
    f.lan6("piece cut short", &base().header(FRAGMENT, &[0, 0]).raw(59, b""), "?");
    f.lan6(
        "reserved bits set",
        &base().echo(1, 1, b"x").header(FRAGMENT, &[0xff, 0, 6, 0, 0, 0, 5]),
        "?",
    );
    f.pieces6(
        "from a link-local address",
        next(),
        &Ip6::new(link_local(0x10), LAN6).echo(1, 1, &data),
        &pieces,
        "?",
    );
    f.pieces6("from nobody", next(), &Ip6::new(ip6("::"), LAN6).echo(1, 1, &data), &pieces, "?");
    f.pieces6(
        "from a group",
        next(),
        &Ip6::new(ip6("ff02::9"), LAN6).echo(1, 1, &data),
        &pieces,
        "?",
    );
}

/// Pieces whose rest never comes.
pub(crate) fn timeout() -> Family {
    let mut f = Family::six("six-fragments-timeout").with("net.ipv6.ip6frag_time", "1");
    let q = asked(148);
    let after = Duration::from_millis(1400);
    f.lan6("the first piece alone", &q.fragment(1, 0, 64, true), "?");
    f.settle(after);
    f.lan6("a later piece alone", &q.fragment(2, 64, 64, true), "?");
    f.settle(after);
    f.lan6("the last piece alone", &q.fragment(3, 128, 28, false), "?");
    f.settle(after);
    f.lan6("first of two", &q.fragment(4, 0, 64, true), "nothing");
    f.lan6("second of two, no third", &q.fragment(4, 64, 64, true), "?");
    f.settle(after);
    f.lan6("first of two reversed", &q.fragment(5, 64, 64, true), "nothing");
    f.lan6("second of two reversed, no third", &q.fragment(5, 0, 64, true), "?");
    f.settle(after);
    f.lan6("the rest comes too late", &q.fragment(5, 128, 28, false), "?");
    f.settle(after);
    f.lan6("overlap one", &q.fragment(6, 0, 64, true), "nothing");
    f.lan6("overlap two", &q.fragment(6, 56, 64, true), "?");
    f.settle(after);
    let all = Ip6::new(LAN6_HOST, ALL_NODES).echo(1, 1, &filler(100));
    f.lan6("to all nodes", &all.fragment(7, 0, 64, true), "?");
    f.settle(after);
    f.lan6("from a link-local address", &q.fragment(8, 0, 64, true).from(LAN6_NEAR), "?");
    f.settle(after);
    let error = Ip6::new(LAN6_HOST, LAN6).icmp(1, 0, &filler(100));
    f.lan6("an error", &error.fragment(9, 0, 64, true), "?");
    f.settle(after);
    let hop = Ip6::new(LAN6_HOST, LAN6).hop_by_hop(&[]).udp(1, 9, &filler(100));
    f.lan6("behind hop-by-hop", &hop.fragment(10, 0, 64, true), "?");
    f.settle(after);
    f.lan6(
        "of 1400 bytes",
        &Ip6::new(LAN6_HOST, LAN6).udp(1, 9, &filler(1392)).fragment(11, 0, 1400, true),
        "?",
    );
    f.settle(after);
    f
}
