use super::super::after;
use super::super::sample::{CLIENT, Counter, PUBLIC, SERVER, cx, masqueraded, plain};
use super::*;
use crate::conntrack::nat::Range;
use crate::conntrack::tuple::Tuple;

fn fresh(dir: Dir) -> Lines {
    let mut lines = Lines::default();
    lines.picked_up[dir.index()] = true;
    lines
}

fn say(text: &str, dir: Dir, tuples: &[Tuple; 2]) -> (Verdict, Counter) {
    let mut desk = Counter::default();
    let verdict = read(&cx(text.as_bytes(), dir, tuples), &mut fresh(dir), false, &mut desk);
    (verdict, desk)
}

/// The port that a line has opened, if any.
fn opened(text: &str, dir: Dir, tuples: &[Tuple; 2]) -> Option<u16> {
    let (verdict, desk) = say(text, dir, tuples);
    assert_eq!(verdict, Verdict::Accept, "{text}");
    desk.expects.first().map(|expect| {
        let (from, to) = match dir {
            Dir::Original => (SERVER, CLIENT),
            Dir::Reply => (CLIENT, SERVER),
        };
        assert_eq!((expect.tuple.src, expect.tuple.dst), (from, to));
        assert_eq!((expect.tuple.sport, expect.mask_sport), (0, 0));
        expect.tuple.dport
    })
}

/// Shows [9.160], [9.166] and [9.167].
#[test]
fn all_four_ways_to_name_a_listener_are_read() {
    let tuples = plain(6, 21);
    let port = |text| opened(text, Dir::Original, &tuples);
    assert_eq!(port("PORT 10,0,0,2,4,1\r\n"), Some(1025));
    assert_eq!(port("port 10,0,0,2,255,255\r\n"), Some(65_535));
    assert_eq!(port("EPRT |1|10.0.0.2|6275|\r\n"), Some(6275));
    assert_eq!(port("eprt !1!10.0.0.2!6275!\r\n"), Some(6275));
    assert_eq!(port("STOR PORT 10,0,0,2,4,1\r\n"), None);
    assert_eq!(port("227 Entering Passive Mode (10,0,0,2,4,1)\r\n"), None, "no answer");
    let port = |text| opened(text, Dir::Reply, &tuples);
    assert_eq!(port("227 Entering Passive Mode (198,51,100,7,4,1)\r\n"), Some(1025));
    assert_eq!(port("227 =198,51,100,7,4,2\r\n"), Some(1026));
    assert_eq!(port("229 Entering Extended Passive Mode (|||6446|)\r\n"), Some(6446));
    assert_eq!(port("230 Login successful.\r\n"), None);
}

#[test]
fn listeners_of_ipv6_are_read() {
    let address = |text: &str| Addr::from(text.parse::<std::net::IpAddr>().unwrap());
    let [original, _] = plain(6, 21);
    let original =
        Tuple { src: address("2001:db8::2"), dst: address("2001:db8:9::7"), six: true, ..original };
    let tuples = [original, original.inverse().unwrap()];
    let (verdict, desk) = say("EPRT |2|2001:db8::2|5282|\r\n", Dir::Original, &tuples);
    assert_eq!((verdict, desk.expects[0].tuple.dport), (Verdict::Accept, 5282));
    assert_eq!(desk.expects[0].tuple.dst, address("2001:db8::2"));
    let (_, desk) = say("229 x (|||6446|)\r\n", Dir::Reply, &tuples);
    assert_eq!(desk.expects[0].tuple.dst, address("2001:db8:9::7"));
    let (verdict, desk) = say("PORT 10,0,0,2,4,1\r\n", Dir::Original, &tuples);
    assert_eq!((verdict, desk.expects.len()), (Verdict::Accept, 0), "no address of IPv6");
    let (verdict, _) = say("EPRT |1|10.0.0.2|5282|\r\n", Dir::Original, &tuples);
    assert_eq!(verdict, Verdict::Drop(Why::Partial("EPRT")), "the other family");

    let shown = Tuple { dst: address("2001:db8:f::1"), ..tuples[1] };
    let text = "EPRT |2|2001:db8::2|5282|\r\n";
    let (verdict, desk) = say(text, Dir::Original, &[original, shown]);
    assert_eq!(verdict, Verdict::Accept);
    let want = "EPRT |2|2001:0db8:000f:0000:0000:0000:0000:0001|5282|\r\n";
    assert_eq!(desk.edited(text.as_bytes()), want.as_bytes());
}

/// Shows [9.156].
#[test]
fn a_command_in_two_segments_is_dropped_to_come_whole() {
    let tuples = plain(6, 21);
    for text in ["P", "POR", "PORT", "PORT 10,0,0,2,4", "PORT 10,0,0,2,4,1", "EPRT |1|10.0.0.2|62"]
    {
        let (verdict, desk) = say(text, Dir::Original, &tuples);
        assert!(matches!(verdict, Verdict::Drop(Why::Partial(_))), "{text}");
        assert!(desk.expects.is_empty());
    }
    for text in ["22", "227 Entering", "229 Entering Extended (|||64"] {
        let (verdict, _) = say(text, Dir::Reply, &tuples);
        assert!(matches!(verdict, Verdict::Drop(Why::Partial(_))), "{text}");
    }
    assert_eq!(Why::Partial("PORT").to_string(), "partial matching of `PORT'");
}

/// Shows [9.168].
#[test]
fn only_a_line_after_a_line_is_read() {
    let tuples = plain(6, 21);
    let mut lines = Lines::default();
    let mut desk = Counter::default();
    let mut hear = |seq, text: &[u8], desk: &mut Counter| {
        let cx = Cx { seq, ..cx(text, Dir::Original, &tuples) };
        assert_eq!(read(&cx, &mut lines, false, desk), Verdict::Accept);
        desk.expects.len()
    };
    assert_eq!(hear(100, b"PORT 10,0,0,2,4,1\r\n", &mut desk), 0, "nobody knows what was before");
    assert_eq!(hear(119, b"STOR ", &mut desk), 0);
    assert_eq!(hear(124, b"PORT 10,0,0,2,4,1\r\n", &mut desk), 0, "in the middle of a line");
    assert_eq!(hear(143, b"PORT 10,0,0,2,4,2\r\n", &mut desk), 1);
    assert_eq!(hear(143, b"PORT 10,0,0,2,4,2\r\n", &mut desk), 2, "sent again");
    assert_eq!(hear(162, b"PORT 10,0,0,2,4,3\r\n", &mut desk), 3);
    assert_eq!(hear(119, b"PORT 10,0,0,2,4,4\r\n", &mut desk), 3, "two ends are remembered");
    assert_eq!(hear(143, b"PORT 10,0,0,2,4,5\r\n", &mut desk), 3);
    assert_eq!(hear(162, b"PORT 10,0,0,2,4,5\r\n", &mut desk), 4);
}

/// Shows [9.169].
#[test]
fn a_third_host_gets_no_hole_unless_loose() {
    let tuples = plain(6, 21);
    let text = "PORT 10,0,0,9,4,1\r\n";
    assert_eq!(opened(text, Dir::Original, &tuples), None);
    let mut desk = Counter::default();
    let cx = cx(text.as_bytes(), Dir::Original, &tuples);
    assert_eq!(read(&cx, &mut fresh(Dir::Original), true, &mut desk), Verdict::Accept);
    assert_eq!(desk.expects[0].tuple.dst, Addr::four([10, 0, 0, 9]));
}

/// Shows [9.170].
#[test]
fn a_translated_client_tells_its_public_address() {
    let tuples = masqueraded(6, 21);
    let text = b"PORT 10,0,0,2,4,1\r\n";
    let (verdict, desk) = say("PORT 10,0,0,2,4,1\r\n", Dir::Original, &tuples);
    assert_eq!(verdict, Verdict::Accept);
    assert_eq!(desk.edited(text), b"PORT 203,0,113,100,4,1\r\n");
    let [expect] = desk.expects[..] else { panic!() };
    assert_eq!((expect.tuple.dst, expect.tuple.dport), (PUBLIC, 1025));
    let [src, dst] = after::follow(&tuples, &expect, &expect.tuple);
    assert_eq!(src, Some(Range::address(SERVER)));
    assert_eq!(dst, Some(Range::address(CLIENT).with_ports(1025, 1025)));

    // A port that somebody else expects is moved.
    let mut desk = Counter { refuse: 2, ..Counter::default() };
    let cx = cx(text, Dir::Original, &tuples);
    assert_eq!(read(&cx, &mut fresh(Dir::Original), false, &mut desk), Verdict::Accept);
    let port = desk.expects[0].tuple.dport;
    assert!(port > 1025 && desk.expects[0].saved_port == 1025);
    let want = format!("PORT 203,0,113,100,{},{}\r\n", port >> 8, port & 255);
    assert_eq!(desk.edited(text), want.as_bytes());

    let mut desk = Counter { refuse: u32::MAX, ..Counter::default() };
    let verdict = read(&cx, &mut fresh(Dir::Original), false, &mut desk);
    assert_eq!(verdict, Verdict::Drop(Why::PortsInUse));
    assert_eq!(Why::PortsInUse.to_string(), "all ports in use");
}

#[test]
fn a_translated_server_tells_its_public_address() {
    // A client outside talks with a server behind a forwarded port.
    let [original, reply] = plain(6, 21);
    let tuples = [Tuple { dst: PUBLIC, ..original }, reply];
    for (text, want) in [
        ("227 Ok (198,51,100,7,4,1)\r\n", "227 Ok (203,0,113,100,4,1)\r\n"),
        ("229 Ok (|||1025|)\r\n", "229 Ok (|||1025|)\r\n"),
    ] {
        let (verdict, desk) = say(text, Dir::Reply, &tuples);
        assert_eq!(verdict, Verdict::Accept);
        assert_eq!(desk.edited(text.as_bytes()), want.as_bytes());
        let expect = desk.expects[0];
        assert_eq!((expect.tuple.src, expect.tuple.dst), (CLIENT, PUBLIC));
        let [src, dst] = after::follow(&tuples, &expect, &expect.tuple);
        assert_eq!(src, Some(Range::address(CLIENT)));
        assert_eq!(dst, Some(Range::address(SERVER).with_ports(1025, 1025)));
    }
}

#[test]
fn any_segment_is_read() {
    let tuples = masqueraded(6, 21);
    bolero::check!().with_type::<(Vec<Vec<u8>>, u8, bool)>().for_each(
        |(segments, start, loose)| {
            let mut lines = Lines { picked_up: [true; 2], ..Lines::default() };
            for segment in segments {
                let dir = if start & 1 == 0 { Dir::Original } else { Dir::Reply };
                let word: &[u8] = [&b"PORT "[..], b"EPRT |1|", b"227 1", b"229 (|||", b""]
                    [usize::from(start % 5)];
                let text = [word, segment].concat();
                let mut desk = Counter::default();
                let _ = read(&cx(&text, dir, &tuples), &mut lines, *loose, &mut desk);
                for expect in &desk.expects {
                    assert_eq!(expect.tuple.proto, 6);
                }
                let _ = desk.edited(&text);
            }
        },
    );
}
