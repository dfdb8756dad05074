//! Stories of translated connections in a real table.

use super::super::super::sample::{Bench, Packet, S};
use super::super::super::tuple::{Addr, Seed};
use super::super::{applies, manip, manip_error};
use super::*;
use crate::packet::generate::Random;

const PUBLIC: Addr = Addr::four([203, 0, 113, 1]);

/// A router with one masquerading rule towards the outside.
struct Router {
    bench: Bench,
    sources: Sources,
    random: Random,
}

impl Router {
    fn new() -> Self {
        let sources = Sources::new(3000, Seed::new(3));
        Self { bench: Bench::new(), sources, random: Random::new(1) }
    }

    fn setup(&mut self, conn: ConnId, range: &Range, which: Manip) -> Outcome {
        let mut env = Env {
            table: &mut self.bench.ct,
            sources: &mut self.sources,
            steers: |_: &Tuple| true,
            random: || self.random.next_u64() as u16,
            now: self.bench.now,
        };
        env.setup(conn, range, which)
    }

    /// The packet as it leaves; a new connection has its ends translated into these ranges.
    fn forward(&mut self, mut packet: Vec<u8>, dst: Range, src: Range) -> Option<Vec<u8>> {
        let entered = self.bench.enter(&packet);
        let conn = entered.conn?;
        let dir = entered.info.dir();
        let error = packet[9] == 1 && packet[20] == 3;
        for (range, which) in [(dst, Manip::Dst), (src, Manip::Src)] {
            if !error {
                self.setup(conn, &range, which);
            }
            let entry = self.bench.ct.get(conn)?;
            if applies(entry.status, dir, which) {
                let other = *entry.tuple(dir.other());
                let written = if error {
                    manip_error(&mut packet, &other, which)
                } else {
                    manip(&mut packet, &other.inverse()?, which)
                };
                assert!(written);
            }
        }
        let verdict = self.bench.ct.confirm(conn, entered.info, self.bench.now);
        (verdict == crate::conntrack::Verdict::Accept).then_some(packet)
    }

    fn masquerade(&mut self, packet: Packet) -> Option<Vec<u8>> {
        self.forward(packet.bytes(), Range::NONE, Range::address(PUBLIC))
    }

    fn pass(&mut self, packet: Packet) -> Option<Vec<u8>> {
        self.forward(packet.bytes(), Range::NONE, Range::NONE)
    }
}

fn ends(packet: &[u8]) -> String {
    let tuple = Tuple::of(packet).expect("a tuple");
    let [src, dst] = [tuple.src, tuple.dst].map(|address| address.ip(false));
    format!("{src}:{} > {dst}:{}", tuple.sport, tuple.dport)
}

/// Shows [9.225], [9.234], [9.241] and [9.245].
#[test]
fn clients_share_an_address_and_each_gets_its_answers() {
    let mut router = Router::new();
    let ask = |host: u8, server| Packet::udp(&format!("10.0.0.{host}"), 5000, server, 53, b"?");
    let one = router.masquerade(ask(1, "8.8.8.8")).unwrap();
    assert_eq!(ends(&one), "203.0.113.1:5000 > 8.8.8.8:53");
    let more = router.masquerade(ask(1, "8.8.4.4")).unwrap();
    assert_eq!(ends(&more), "203.0.113.1:5000 > 8.8.4.4:53");
    let two = router.masquerade(ask(2, "8.8.8.8")).unwrap();
    let moved = Tuple::of(&two).unwrap().sport;
    assert!(moved >= 1024 && moved != 5000);
    // The second client keeps what it has with another server, where the port would be free.
    let again = router.masquerade(ask(2, "9.9.9.9")).unwrap();
    assert_eq!(Tuple::of(&again).unwrap().sport, moved);
    for (port, host) in [(5000, 1), (moved, 2)] {
        let answer = Packet::udp("8.8.8.8", 53, "203.0.113.1", port, b"!");
        let answer = router.pass(answer).unwrap();
        assert_eq!(ends(&answer), format!("8.8.8.8:53 > 10.0.0.{host}:5000"));
    }
    let same = router.masquerade(ask(1, "8.8.8.8")).unwrap();
    assert_eq!(ends(&same), ends(&one), "later packets keep the decision");
    router.bench.balanced();
}

/// Shows [9.233].
#[test]
fn the_routers_own_flow_makes_way_for_one_that_has_its_port() {
    let mut router = Router::new();
    router.masquerade(Packet::udp("10.0.0.1", 5000, "8.8.8.8", 53, b"")).unwrap();
    let own = router.pass(Packet::udp("203.0.113.1", 5000, "8.8.8.8", 53, b"")).unwrap();
    let tuple = Tuple::of(&own).unwrap();
    assert!(tuple.src == PUBLIC && tuple.sport != 5000);
}

/// Shows [9.236].
#[test]
fn an_error_finds_the_client_with_its_own_packet() {
    let mut router = Router::new();
    let sent = Packet::udp("10.0.0.1", 5000, "8.8.8.8", 53, b"?").bytes();
    let left = router.forward(sent.clone(), Range::NONE, Range::address(PUBLIC)).unwrap();
    let error = Packet::error("192.0.2.9", "203.0.113.1", 3, 3, &left);
    let error = router.pass(error).unwrap();
    assert_eq!(error[12..20], [192, 0, 2, 9, 10, 0, 0, 1]);
    assert_eq!(error[28..], sent);
}

/// Shows [9.237]: both ends of one connection.
#[test]
fn a_forwarded_port_and_a_hidden_client_at_once() {
    let mut router = Router::new();
    let inner = Range::address(Addr::four([10, 0, 0, 8])).with_ports(8080, 8080);
    let hidden = Range::address(Addr::four([10, 0, 0, 254]));
    let ask = Packet::udp("10.0.0.1", 5000, "203.0.113.1", 80, b"?").bytes();
    let hairpin = router.forward(ask, inner, hidden).unwrap();
    assert_eq!(ends(&hairpin), "10.0.0.254:5000 > 10.0.0.8:8080");
    let answer = router.pass(Packet::udp("10.0.0.8", 8080, "10.0.0.254", 5000, b"!")).unwrap();
    assert_eq!(ends(&answer), "203.0.113.1:80 > 10.0.0.1:5000");
    assert!(router.bench.list()[0].contains("src=10.0.0.8 dst=10.0.0.254 sport=8080 dport=5000"));
}

/// Shows [9.242]: a range without a free port leads to no connection.
#[test]
fn what_finds_no_port_is_not_confirmed() {
    let mut router = Router::new();
    let range = Range::address(PUBLIC).with_ports(40_000, 40_001);
    for host in 1..=3 {
        let ask = Packet::udp(&format!("10.0.0.{host}"), 5000, "8.8.8.8", 53, b"").bytes();
        let left = router.forward(ask, Range::NONE, range);
        assert_eq!(left.is_some(), host < 3, "{host}");
    }
    assert_eq!(router.bench.ct.stats.insert_failed, 1);
}

#[test]
fn mappings_end_with_their_connections() {
    let mut router = Router::new();
    router.masquerade(Packet::udp("10.0.0.9", 5000, "8.8.8.8", 53, b"")).unwrap();
    let first = router.masquerade(Packet::udp("10.0.0.1", 5000, "8.8.8.8", 53, b"")).unwrap();
    router.bench.wait(60 * S);
    assert!(router.bench.list().is_empty());
    let later = router.masquerade(Packet::udp("10.0.0.1", 5000, "9.9.9.9", 53, b"")).unwrap();
    assert_eq!(ends(&later), "203.0.113.1:5000 > 9.9.9.9:53");
    assert_ne!(ends(&first), "203.0.113.1:5000 > 8.8.8.8:53");
}

#[test]
fn a_decision_is_made_once() {
    let mut router = Router::new();
    let ask = Packet::udp("10.0.0.1", 5000, "8.8.8.8", 53, b"").bytes();
    let conn = router.bench.enter(&ask).conn.unwrap();
    let range = Range::address(PUBLIC);
    assert!(matches!(router.setup(conn, &range, Manip::Src), Outcome::Chosen(Choice::Found(_))));
    assert_eq!(router.setup(conn, &range, Manip::Src), Outcome::Settled);
    let entry = router.bench.ct.get(conn).unwrap();
    assert_eq!(entry.status & status::NAT_MASK, status::SRC_NAT);
}

fn segment(src: &str, sport: u16, dst: &str, dport: u16, seq: u32, ack: u32, flags: u8) -> Packet {
    let mut l4 = [sport.to_be_bytes(), dport.to_be_bytes()].concat();
    l4.extend(seq.to_be_bytes());
    l4.extend(ack.to_be_bytes());
    l4.extend([0x50, flags, 0xff, 0, 0, 0, 0, 0]);
    Packet::new(src, dst, 6, l4)
}

#[test]
fn a_closed_connection_gives_its_port_to_a_newer_one() {
    const SYN: u8 = 2;
    const RST: u8 = 4;
    const ACK: u8 = 16;
    let range = Range::address(PUBLIC).with_ports(40_000, 40_001);
    let mut router = Router::new();
    let syn = |host, seq| segment(&format!("10.0.0.{host}"), 5000, "8.8.8.8", 80, seq, 0, SYN);
    let open = |router: &mut Router, host, seq| {
        let left = router.forward(syn(host, seq).bytes(), Range::NONE, range)?;
        Some(Tuple::of(&left)?.sport)
    };
    for host in [1, 2] {
        let port = open(&mut router, host, 1000).unwrap();
        let answer = segment("8.8.8.8", 80, "203.0.113.1", port, 1, 1001, SYN | ACK);
        router.pass(answer).unwrap();
        if host == 1 {
            let reset = segment("10.0.0.1", 5000, "8.8.8.8", 80, 1001, 2, RST | ACK);
            router.pass(reset).unwrap();
        }
    }
    assert_eq!(open(&mut router, 3, 900), None, "its numbers would be mistaken for old ones");
    let kept = router.bench.list();
    let closed = kept.iter().find(|line| line.contains("src=10.0.0.1 ")).unwrap();
    assert!(closed.contains("CLOSE"), "{closed}");
    assert!(open(&mut router, 3, 90_000).is_some());
    let left = router.bench.list().join("\n");
    assert!(!left.contains("src=10.0.0.1 ") && left.contains("src=10.0.0.2 "), "{left}");
}
