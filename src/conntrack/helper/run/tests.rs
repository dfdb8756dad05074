//! Stories of helped connections in a real table, through a masquerading router.

use super::super::super::nat::sources::Sources;
use super::super::super::nat::{Range, applies, manip, sequence};
use super::super::super::sample::{Bench, Packet};
use super::super::super::tuple::Seed;
use super::*;

const PUBLIC: Addr = Addr::four([203, 0, 113, 100]);
const ACK: u8 = 16;
const SYN: u8 = 2;

struct Router {
    bench: Bench,
    sources: Sources,
    helpers: Helpers,
    /// The helper that a rule attaches to new connections.
    helper: Option<Helper>,
}

impl Router {
    fn new(helper: Helper) -> Self {
        Self {
            bench: Bench::new(),
            sources: Sources::new(3000, Seed::new(3)),
            helpers: Helpers::new(4),
            helper: Some(helper),
        }
    }

    /// A packet from inside has its source translated where it makes a new connection.
    fn forward(&mut self, packet: Packet) -> Vec<u8> {
        let inside = packet.src.to_string().starts_with("10.");
        let mut packet = packet.bytes();
        let entered = self.bench.enter(&packet);
        let conn = entered.conn.expect("a connection");
        let (now, dir) = (self.bench.now, entered.info.dir());
        let expect = self.bench.ct.fulfilled().copied();
        let fresh = matches!(entered.info, CtInfo::New | CtInfo::Related);
        let mut env = Env {
            table: &mut self.bench.ct,
            sources: &mut self.sources,
            steers: |_: &Tuple| true,
            random: || 7,
            now,
        };
        if fresh && let Some(expect) = expect.filter(|_| entered.info == CtInfo::Related) {
            begin(&mut env, conn, &expect);
        } else if fresh && let Some(helper) = self.helper {
            env.table.get_mut(conn).unwrap().helper = helper.number();
        }
        for which in [Manip::Dst, Manip::Src] {
            let range = match which {
                Manip::Src if inside => Range::address(PUBLIC),
                _ => Range::NONE,
            };
            env.setup(conn, &range, which);
            let entry = env.table.get(conn).unwrap();
            if applies(entry.status, dir, which) {
                let target = entry.tuple(dir.other()).inverse().unwrap();
                assert!(manip(&mut packet, &target, which));
            }
        }
        let len = packet.len();
        packet.resize(len + 100, 0);
        let rules = self.bench.rules.clone();
        let heard = self.helpers.run(
            &mut self.bench.ct,
            conn,
            entered.info,
            &mut packet,
            len,
            &rules,
            now,
            &mut || 7,
        );
        assert_eq!(heard.verdict, Verdict::Accept);
        packet.truncate(heard.len);
        let verdict = self.bench.ct.confirm(conn, entered.info, now);
        assert_eq!(verdict, crate::conntrack::Verdict::Accept);
        if self.bench.ct.get(conn).unwrap().is(status::SEQ_ADJUST) {
            let corrections = *self.bench.ct.seqadj(conn).unwrap();
            assert!(sequence::adjust(&mut packet, &corrections, dir.index()));
        }
        self.bench.balanced();
        packet
    }
}

fn segment(
    src: (&str, u16),
    dst: (&str, u16),
    numbers: (u32, u32),
    flags: u8,
    data: &str,
) -> Packet {
    let mut l4 = [src.1.to_be_bytes(), dst.1.to_be_bytes()].concat();
    l4.extend(numbers.0.to_be_bytes());
    l4.extend(numbers.1.to_be_bytes());
    l4.extend([0x50, flags, 0xff, 0, 0, 0, 0, 0]);
    l4.extend(data.as_bytes());
    Packet::new(src.0, dst.0, 6, l4)
}

fn numbers(packet: &[u8]) -> (u32, u32) {
    let word = |at: usize| u32::from_be_bytes(packet[at..at + 4].try_into().unwrap());
    (word(24), word(28))
}

/// Shows [9.150], [9.159], [9.161], [9.170], [9.189] and [9.251].
#[test]
fn active_ftp_through_a_masquerade() {
    let mut router = Router::new(Helper::Ftp);
    let (client, server, public) = (("10.0.0.1", 5000), ("8.8.8.8", 21), ("203.0.113.100", 5000));
    router.forward(segment(client, server, (99, 0), SYN, ""));
    router.forward(segment(server, public, (499, 100), SYN | ACK, ""));
    router.forward(segment(client, server, (100, 500), ACK, ""));
    router.forward(segment(server, public, (500, 100), ACK, "220 hi\r\n"));
    router.forward(segment(client, server, (100, 508), ACK, "USER x\r\n"));
    router.forward(segment(server, public, (508, 108), ACK, "331 x\r\n"));
    let port = router.forward(segment(client, server, (108, 515), ACK, "PORT 10,0,0,1,4,1\r\n"));
    assert_eq!(&port[40..], b"PORT 203,0,113,100,4,1\r\n");
    assert_eq!(numbers(&port), (108, 515));
    assert_eq!(router.bench.ct.expects(), 1);
    // Sent again: the command as it was, at the place where it was.
    let again = router.forward(segment(client, server, (108, 515), ACK, "PORT 10,0,0,1,4,1\r\n"));
    assert_eq!((&again[40..], numbers(&again)), (&port[40..], (108, 515)));
    // The server acknowledges the longer text, the client hears of its own.
    let answer = router.forward(segment(server, public, (515, 132), ACK, "200 ok\r\n"));
    assert_eq!(numbers(&answer), (515, 127));
    let list = router.forward(segment(client, server, (127, 523), ACK, "LIST\r\n"));
    assert_eq!(numbers(&list), (132, 523));

    let data = segment(("8.8.8.8", 20), ("203.0.113.100", 1025), (1, 0), SYN, "");
    let data = router.forward(data);
    assert_eq!(data[12..24], [8, 8, 8, 8, 10, 0, 0, 1, 0, 20, 4, 1]);
    assert_eq!(router.bench.ct.expects(), 0, "used");
    let back = segment(("10.0.0.1", 1025), ("8.8.8.8", 20), (1, 2), SYN | ACK, "");
    let back = router.forward(back);
    assert_eq!(back[12..24], [203, 0, 113, 100, 8, 8, 8, 8, 4, 1, 0, 20]);
}

/// Shows [9.173].
#[test]
fn tftp_through_a_masquerade() {
    let mut router = Router::new(Helper::Tftp);
    router.forward(Packet::udp("10.0.0.1", 5000, "8.8.8.8", 69, b"\0\x01f\0octet\0"));
    let data = router.forward(Packet::udp("8.8.8.8", 3333, "203.0.113.100", 5000, b"\0\x03\0\x01"));
    assert_eq!(data[12..24], [8, 8, 8, 8, 10, 0, 0, 1, 0x0d, 0x05, 0x13, 0x88]);
    let ack = router.forward(Packet::udp("10.0.0.1", 5000, "8.8.8.8", 3333, b"\0\x04\0\x01"));
    assert_eq!(ack[12..16], [203, 0, 113, 100]);
}

/// Shows [9.176].
#[test]
fn a_call_of_pptp_through_a_masquerade() {
    let mut router = Router::new(Helper::Pptp);
    let (client, server, public) = (("10.0.0.1", 5000), ("8.8.8.8", 1723), ("203.0.113.100", 5000));
    let message = |number: u8, len: u8, fields: &[u8]| {
        let mut bytes = vec![0, len, 0, 1, 0x1a, 0x2b, 0x3c, 0x4d, 0, number, 0, 0];
        bytes.extend(fields);
        bytes.resize(usize::from(len), 0);
        bytes
    };
    let mut seq = [100_u32, 500];
    router.forward(segment(client, server, (99, 0), SYN, ""));
    router.forward(segment(server, public, (499, 100), SYN | ACK, ""));
    router.forward(segment(client, server, (100, 500), ACK, ""));
    let mut say = |router: &mut Router, from: usize, bytes: Vec<u8>| {
        let (src, dst) = if from == 0 { (client, server) } else { (server, public) };
        let len = bytes.len() as u32;
        let packet = segment(src, dst, (seq[from], seq[1 - from]), ACK, "");
        seq[from] += len;
        router.forward(packet.l4(|l4| l4.extend(bytes)))
    };
    say(&mut router, 0, message(1, 156, &[]));
    say(&mut router, 1, message(2, 156, &[1, 0, 1]));
    let dial = say(&mut router, 0, message(7, 168, &[0, 7]));
    assert_eq!(dial[52..54], 5000_u16.to_be_bytes());
    let up = say(&mut router, 1, message(8, 32, &[0, 9, 0x13, 0x88, 1]));
    assert_eq!(up[52..57], [0, 9, 0, 7, 1]);
    assert_eq!(router.bench.ct.expects(), 2);

    let gre = |src, dst, call: u8| {
        let l4 = vec![0x30, 1, 0x88, 0x0b, 0, 4, call / 128 * 0x13, call, 0, 0, 0, 1, 1, 2, 3, 4];
        Packet::new(src, dst, 47, l4)
    };
    let out = router.forward(gre("10.0.0.1", "8.8.8.8", 9));
    assert_eq!((&out[12..16], &out[26..28]), (&[203, 0, 113, 100][..], &[0, 9][..]));
    assert_eq!(router.bench.ct.expects(), 0, "the other direction is not a connection of its own");
    let back = router.forward(gre("8.8.8.8", "203.0.113.100", 0x88));
    assert_eq!((&back[16..20], &back[26..28]), (&[10, 0, 0, 1][..], &[0, 7][..]));
    say(&mut router, 1, message(13, 148, &[0x13, 0x88]));
    assert!(router.bench.list().iter().all(|line| !line.contains("gre")), "hung up");
}
