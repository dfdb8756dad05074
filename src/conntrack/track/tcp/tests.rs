//! The machine cell by cell, the window by segments, stories of connections.

use super::*;
use crate::conntrack::tests::{Bench, Packet, S};
use crate::conntrack::{CtInfo, Verdict};
use crate::packet::tcp::flag as bits;

const CLIENT: &str = "10.0.0.1";
const SERVER: &str = "10.0.0.2";

/// A segment; numbers are relative to 1000 for the client and 5000 for the server.
#[derive(Debug, Clone)]
struct Seg {
    reply: bool,
    flags: u8,
    seq: u32,
    ack: u32,
    window: u16,
    options: Vec<u8>,
    data: usize,
}

fn seg(dir: Dir, flags: u8, seq: u32, ack: u32) -> Seg {
    let reply = dir == Dir::Reply;
    Seg { reply, flags, seq, ack, window: 1000, options: Vec::new(), data: 0 }
}

impl Seg {
    fn window(mut self, window: u16) -> Self {
        self.window = window;
        self
    }

    fn data(mut self, data: usize) -> Self {
        self.data = data;
        self
    }

    fn options(mut self, options: &[u8]) -> Self {
        self.options = options.to_vec();
        self
    }

    fn l4(&self) -> Vec<u8> {
        let (own, other) = if self.reply { (5000, 1000) } else { (1000, 5000) };
        let ports: [u16; 2] = if self.reply { [80, 4000] } else { [4000, 80] };
        let mut l4 = [ports[0].to_be_bytes(), ports[1].to_be_bytes()].concat();
        l4.extend(self.seq.wrapping_add(own).to_be_bytes());
        let ack = if self.flags & bits::ACK == 0 { 0 } else { self.ack.wrapping_add(other) };
        l4.extend(ack.to_be_bytes());
        l4.extend([(5 + self.options.len() as u8 / 4) << 4, self.flags]);
        l4.extend(self.window.to_be_bytes());
        l4.extend([0; 4]);
        l4.extend(&self.options);
        l4.extend(vec![7; self.data]);
        l4
    }

    fn bytes(&self) -> Vec<u8> {
        let (src, dst) = if self.reply { (SERVER, CLIENT) } else { (CLIENT, SERVER) };
        Packet::new(src, dst, 6, self.l4()).bytes()
    }
}

use Dir::{Original as C, Reply as R};

const SYN: u8 = bits::SYN;
const ACK: u8 = bits::ACK;
const SYNACK: u8 = bits::SYN | bits::ACK;
const FIN: u8 = bits::FIN | bits::ACK;
const RST: u8 = bits::RST;

impl Bench {
    fn seg(&mut self, seg: &Seg) -> Result<CtInfo, Why> {
        self.info(&seg.bytes())
    }

    /// Segments that all belong to their connection.
    fn play(&mut self, segments: &[Seg]) {
        for seg in segments {
            assert!(self.seg(seg).is_ok(), "{seg:?}: {:?}", self.list());
        }
    }

    fn state(&self) -> State {
        match self.only().state {
            crate::conntrack::show::Shown::Tcp(state) => state,
            other => panic!("{other:?}"),
        }
    }

    fn open(&mut self) {
        self.play(&[seg(C, SYN, 0, 0), seg(R, SYNACK, 0, 1), seg(C, ACK, 1, 1)]);
        assert_eq!((self.state(), self.only().left), (State::Established, 432_000 * S));
    }
}

/// Shows [9.122]: all 120 cells against a table written as the ledger tells it.
#[test]
fn every_cell_of_the_machine() {
    // A letter a state: none, sent (s), received (r), established (e), fin wait (f), close wait (w),
    // last ack (l), time wait (t), close (c), second syn (2); i ignored, - invalid.
    let table = [
        (C, Class::Syn, "ssiiiiiss2"),
        (C, Class::SynAck, "--r------r"),
        (C, Class::Fin, "--ffllltc-"),
        (C, Class::Ack, "e-eewwttc-"),
        (C, Class::Rst, "-ccccccccc"),
        (C, Class::None, "----------"),
        (R, Class::Syn, "-2-----s-2"),
        (R, Class::SynAck, "-riiiiiiir"),
        (R, Class::Fin, "--ffllltc-"),
        (R, Class::Ack, "-irewwttci"),
        (R, Class::Rst, "-ccccccccc"),
        (R, Class::None, "----------"),
    ];
    let mut cells = 0;
    for (dir, class, row) in table {
        for (letter, state) in row.chars().zip(State::ALL) {
            let wanted = match letter {
                '-' => Move::Invalid,
                'i' => Move::Ignore,
                's' => Move::To(State::SynSent),
                'r' => Move::To(State::SynRecv),
                'e' => Move::To(State::Established),
                'f' => Move::To(State::FinWait),
                'w' => Move::To(State::CloseWait),
                'l' | 'L' => Move::To(State::LastAck),
                't' => Move::To(State::TimeWait),
                'c' => Move::To(State::Close),
                _ => Move::To(State::SynSent2),
            };
            assert_eq!(transition(dir, class, state), wanted, "{dir:?} {class:?} {state:?}");
            cells += 1;
        }
    }
    assert_eq!(cells, 120);
}

/// Shows [9.123], [9.101] and [9.121].
#[test]
fn a_handshake_opens_and_the_last_ack_assures() {
    let mut bench = Bench::new();
    assert_eq!(bench.seg(&seg(C, SYN, 0, 0)), Ok(CtInfo::New));
    assert_eq!((bench.state(), bench.only().left), (State::SynSent, 120 * S));
    assert_eq!(bench.seg(&seg(R, SYNACK, 0, 1)), Ok(CtInfo::EstablishedReply));
    assert_eq!((bench.state(), bench.only().left), (State::SynRecv, 60 * S));
    assert!(!bench.only().is(status::ASSURED));
    assert_eq!(bench.seg(&seg(C, ACK, 1, 1)), Ok(CtInfo::Established));
    assert_eq!((bench.state(), bench.only().left), (State::Established, 432_000 * S));
    assert!(bench.only().is(status::ASSURED));
    assert!(bench.list()[0].starts_with("tcp      6 432000 ESTABLISHED src=10.0.0.1"));
}

/// Shows [9.123].
#[test]
fn a_simultaneous_open_ends_established() {
    let mut bench = Bench::new();
    bench.play(&[seg(C, SYN, 0, 0), seg(R, SYN, 0, 0)]);
    assert_eq!(bench.state(), State::SynSent2);
    bench.play(&[seg(C, SYNACK, 0, 1), seg(R, SYNACK, 0, 1)]);
    assert_eq!(bench.state(), State::SynRecv);
    bench.play(&[seg(R, ACK, 1, 1)]);
    assert_eq!(bench.state(), State::Established);
}

/// Shows [9.124].
#[test]
fn both_ways_to_close() {
    let mut bench = Bench::new();
    bench.open();
    for (segment, state, left) in [
        (seg(C, FIN, 1, 1), State::FinWait, 120),
        (seg(R, ACK, 1, 2), State::CloseWait, 60),
        (seg(R, FIN, 1, 2), State::LastAck, 30),
        (seg(C, ACK, 2, 2), State::TimeWait, 120),
        (seg(C, ACK, 2, 2), State::TimeWait, 120),
    ] {
        bench.play(&[segment]);
        assert_eq!((bench.state(), bench.only().left), (state, left * S));
    }
    let mut bench = Bench::new();
    bench.open();
    bench.play(&[seg(R, FIN, 1, 1), seg(C, FIN, 1, 2)]);
    assert_eq!(bench.state(), State::LastAck);
    bench.play(&[seg(R, ACK, 2, 2)]);
    assert_eq!(bench.state(), State::TimeWait);
    bench.wait(121 * S);
    assert_eq!(bench.ct.count(), 0);
}

/// Shows [9.125] and [9.131].
#[test]
fn only_nine_sets_of_flags_are_valid_and_few_begin_a_connection() {
    let valid = [SYN, 0x22, SYNACK, RST, 0x14, FIN, 0x31, ACK, 0x30];
    for flags in 0..=255u8 {
        let mut bench = Bench::new();
        let result = bench.seg(&seg(C, flags, 0, 0));
        let plain = flags & 0x37;
        if !valid.contains(&plain) {
            assert_eq!(result, Err(Why::BadFlags), "{flags:#x}");
        } else if matches!(plain, SYN | 0x22 | ACK | 0x30) {
            assert_eq!(result, Ok(CtInfo::New), "{flags:#x}");
        } else {
            assert_eq!(result, Err(Why::BadState), "{flags:#x}");
            assert_eq!(bench.ct.count(), 0);
        }
    }
}

/// Shows [9.132] and [9.79].
#[test]
fn malformed_headers_are_invalid_and_pass() {
    let whole = seg(C, SYN, 0, 0).l4();
    let packet = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut l4 = whole.clone();
        change(&mut l4);
        Packet::new(CLIENT, SERVER, 6, l4)
    };
    let mut bench = Bench::new();
    for (packet, why) in [
        (packet(&|l4| l4.truncate(19)).bytes(), Why::Short),
        (packet(&|l4| l4[12] = 0x40).bytes(), Why::Malformed),
        (packet(&|l4| l4[12] = 0x60).bytes(), Why::Malformed),
        (packet(&|l4| l4[16] = 1).raw(), Why::BadChecksum),
    ] {
        let before = bench.ct.stats.invalid;
        let entered = bench.pass(&packet);
        assert_eq!((entered.why, entered.info), (Some(why), CtInfo::Invalid));
        assert_eq!(entered.verdict, Verdict::Accept);
        assert_eq!(bench.ct.stats.invalid, before + 1);
    }
    assert_eq!(bench.ct.count(), 0);
    bench.wait(S);
}

/// Shows [9.130].
#[test]
fn connections_under_way_are_picked_up_unless_the_knob_says_no() {
    let mut bench = Bench::new();
    assert_eq!(bench.seg(&seg(C, ACK, 100, 77).data(10)), Ok(CtInfo::New));
    assert_eq!((bench.state(), bench.only().left), (State::Established, 300 * S));
    // Windows are not checked any more, for both ends.
    bench.play(&[seg(R, ACK, 90_000, 99_999).data(5)]);
    bench.play(&[seg(C, ACK, 1_000_000, 5)]);
    assert!(bench.only().is(status::ASSURED));
    let mut bench = Bench::new();
    bench.rules.tcp_loose = false;
    assert_eq!(bench.seg(&seg(C, ACK, 100, 77)), Err(Why::NoPickup));
    assert_eq!(bench.seg(&seg(C, SYN, 0, 0)), Ok(CtInfo::New));
}

/// Shows [9.128]: each edge of the four conditions.
#[test]
fn segments_are_held_against_both_windows() {
    let open = || {
        let mut bench = Bench::new();
        bench.open();
        bench
    };
    // The server offers 1000 octets behind 1.
    let cases = [
        (seg(C, ACK, 1001, 1).data(1), Ok(()), "at the edge of the window"),
        (seg(C, ACK, 2000, 1), Ok(()), "beyond, by no more than the largest window"),
        (seg(C, ACK, 2001, 1), Err(Why::SeqOver), "an octet further"),
        (seg(C, ACK, 50_000, 1).data(1), Err(Why::SeqOver), "far beyond"),
        (seg(C, ACK, 1, 2), Err(Why::AckOver), "what has not been sent"),
        (seg(C, ACK, 0u32.wrapping_sub(2000), 1), Ok(()), "old, let through"),
        (seg(C, ACK, 1, 0u32.wrapping_sub(70_000)), Ok(()), "an old acknowledgement"),
    ];
    for (segment, wanted, what) in cases {
        assert_eq!(open().seg(&segment).map(|_| ()), wanted, "{what}");
        let mut bench = open();
        bench.rules.tcp_be_liberal = true;
        assert!(bench.seg(&segment).is_ok(), "{what}");
    }
}

/// What is let through without being believed changes neither windows nor time.
#[test]
fn ignored_segments_teach_nothing() {
    let mut bench = Bench::new();
    bench.open();
    bench.now += 100 * S;
    let before = bench.only();
    bench.play(&[seg(C, ACK, 0u32.wrapping_sub(2000), 1)]);
    assert_eq!(bench.only().left, before.left);
    assert_eq!(bench.seg(&seg(C, ACK, 1, 0u32.wrapping_sub(70_000))), Ok(CtInfo::Established));
    assert_eq!(bench.only().left, before.left);
}

/// A sender that sends a little more than it may; when that is acknowledged nothing breaks.
#[test]
fn octets_beyond_the_window_may_be_acknowledged() {
    let mut bench = Bench::new();
    bench.open();
    bench.play(&[seg(C, ACK, 1, 1).data(1000)]);
    // Fills the window; the next is within the receiver's largest window of the edge.
    assert_eq!(bench.seg(&seg(C, ACK, 1002, 1).data(100)), Ok(CtInfo::Established));
    assert_eq!(bench.seg(&seg(R, ACK, 1, 1102)), Ok(CtInfo::EstablishedReply));
}

/// Shows [9.136].
#[test]
fn windows_are_scaled_when_both_offer_it() {
    let wscale = |n| vec![1, 3, 3, n];
    let mut bench = Bench::new();
    bench.play(&[
        seg(C, SYN, 0, 0).options(&wscale(15)),
        seg(R, SYNACK, 0, 1).options(&wscale(7)),
        seg(C, ACK, 1, 1).window(1),
    ]);
    let Proto::Tcp(tcp) = bench.proto() else { panic!() };
    assert_eq!((tcp.seen[0].scale, tcp.seen[1].scale), (14, 7));
    // The client's one is worth 16,384.
    assert!(bench.seg(&seg(R, ACK, 16_385, 1).window(1000)).is_ok());
    assert_eq!(bench.seg(&seg(R, ACK, 16_385 + 16_384, 1)), Err(Why::SeqOver));
    // 128,000 octets from 1 on, and as many again that are let through.
    assert!(bench.seg(&seg(C, ACK, 128_001, 1)).is_ok());
    assert_eq!(bench.seg(&seg(C, ACK, 256_001, 1)), Err(Why::SeqOver));

    let mut bench = Bench::new();
    bench.play(&[seg(C, SYN, 0, 0).options(&wscale(7)), seg(R, SYNACK, 0, 1), seg(C, ACK, 1, 1)]);
    let Proto::Tcp(tcp) = bench.proto() else { panic!() };
    assert_eq!((tcp.seen[0].scale, tcp.seen[1].scale), (0, 0));
    assert_eq!(bench.seg(&seg(C, ACK, 2001, 1)), Err(Why::SeqOver));
}

/// Shows [9.128]: what is acknowledged selectively moves the window.
#[test]
fn selective_acknowledgements_count() {
    let mut bench = Bench::new();
    let permitted = [4, 2, 1, 1];
    bench.play(&[
        seg(C, SYN, 0, 0).options(&permitted),
        seg(R, SYNACK, 0, 1).options(&permitted),
        seg(C, ACK, 1, 1),
        seg(C, ACK, 101, 1).data(100),
    ]);
    let block = |left: u32, right: u32| {
        let mut options = vec![1, 1, 5, 10];
        options.extend((left + 1000).to_be_bytes());
        options.extend((right + 1000).to_be_bytes());
        options
    };
    let ahead = seg(R, ACK, 1, 1).options(&block(101, 300));
    assert_eq!(bench.seg(&ahead), Err(Why::AckOver), "selects what was never sent");
    bench.play(&[seg(R, ACK, 1, 1).options(&block(101, 201))]);
    let Proto::Tcp(tcp) = bench.proto() else { panic!() };
    assert_eq!(tcp.seen[0].maxend, 1000 + 201 + 1000);
}

/// Shows [9.126] and [9.127]: a client that came up again and takes its old port.
#[test]
fn a_client_that_restarted_gets_through() {
    let mut bench = Bench::new();
    bench.open();
    // Its SYN is ignored, the server answers with what it expects, the client resets that.
    assert_eq!(bench.seg(&seg(C, SYN, 900_000, 0)), Ok(CtInfo::Established));
    assert_eq!(bench.state(), State::Established);
    assert_eq!(bench.seg(&seg(R, ACK, 1, 1)), Ok(CtInfo::EstablishedReply));
    assert_eq!(bench.seg(&seg(C, RST, 1, 0)), Ok(CtInfo::Established));
    assert_eq!((bench.state(), bench.only().left), (State::Close, 10 * S));
    // The SYN again: the entry is gone and another takes its place.
    let old = bench.only().id;
    assert_eq!(bench.seg(&seg(C, SYN, 900_000, 0)), Ok(CtInfo::New));
    assert_ne!(bench.only().id, old);
    bench.play(&[seg(R, SYNACK, 70_000, 900_001), seg(C, ACK, 900_001, 70_001)]);
    assert_eq!(bench.state(), State::Established);
    bench.wait(S);
}

/// Shows [9.126]: a SYN that was ignored is answered, so both ends are in step.
#[test]
fn an_answered_syn_resynchronises() {
    let mut bench = Bench::new();
    bench.open();
    bench.play(&[seg(C, SYN, 500_000, 0).options(&[1, 3, 3, 3]).window(500)]);
    bench.play(&[seg(R, SYNACK, 700_000, 500_001).options(&[1, 3, 3, 4])]);
    assert_eq!(bench.state(), State::SynRecv);
    let Proto::Tcp(tcp) = bench.proto() else { panic!() };
    assert_eq!((tcp.seen[0].scale, tcp.seen[1].scale), (3, 4));
    bench.play(&[seg(C, ACK, 500_001, 700_001)]);
    assert_eq!(bench.state(), State::Established);
}

/// Shows [9.127].
#[test]
fn a_syn_in_time_wait_opens_a_new_connection() {
    let mut bench = Bench::new();
    bench.open();
    bench.play(&[seg(C, FIN, 1, 1), seg(R, FIN, 1, 2), seg(C, ACK, 2, 2)]);
    assert_eq!(bench.state(), State::TimeWait);
    let old = bench.only().id;
    assert_eq!(bench.seg(&seg(C, SYN, 100_000, 0)), Ok(CtInfo::New));
    assert_ne!(bench.only().id, old);
    // From the server's side as well: the directions change.
    bench.play(&[seg(R, SYNACK, 0, 100_001), seg(C, ACK, 100_001, 1)]);
    bench.play(&[seg(C, FIN, 100_001, 1), seg(R, FIN, 1, 100_002), seg(C, ACK, 100_002, 2)]);
    assert_eq!(bench.seg(&seg(R, SYN, 100_000, 0)), Ok(CtInfo::New));
    assert!(bench.list()[0].contains("src=10.0.0.2 dst=10.0.0.1 sport=80"));
    bench.wait(S);
}

/// Shows [9.133] and [9.129].
#[test]
fn forged_resets_do_not_close() {
    let mut bench = Bench::new();
    bench.open();
    bench.play(&[seg(C, ACK, 1, 1).data(100), seg(R, ACK, 1, 101)]);
    // Older than what the other side has acknowledged.
    assert_eq!(bench.seg(&seg(C, RST, 100, 0)), Err(Why::BadReset));
    bench.rules.tcp_be_liberal = true;
    assert_eq!(bench.seg(&seg(C, RST, 100, 0)), Err(Why::BadReset), "liberal or not");
    bench.rules.tcp_be_liberal = false;
    // In the window but not exact: the other side may challenge it, so nothing changes but the time.
    assert_eq!(bench.seg(&seg(C, RST, 150, 0)), Ok(CtInfo::Established));
    assert_eq!((bench.state(), bench.only().left), (State::Established, 10 * S));
    bench.play(&[seg(R, ACK, 1, 101)]);
    assert_eq!(bench.only().left, 300 * S, "no longer ten seconds");
    // Exact.
    assert_eq!(bench.seg(&seg(C, RST, 101, 0)), Ok(CtInfo::Established));
    assert_eq!(bench.state(), State::Close);
    let mut bench = Bench::new();
    bench.open();
    bench.rules.tcp_ignore_invalid_rst = true;
    bench.play(&[seg(C, ACK, 1, 1).data(100), seg(R, ACK, 1, 101)]);
    assert!(bench.seg(&seg(C, RST, 100, 0)).is_ok());
}

/// A reset right behind the data that it follows is taken at its word.
#[test]
fn a_reset_behind_its_own_data_closes() {
    let mut bench = Bench::new();
    bench.open();
    bench.play(&[seg(R, ACK, 1, 1).data(19)]);
    bench.play(&[seg(R, RST | ACK, 20, 1)]);
    assert_eq!((bench.state(), bench.only().left), (State::Close, 10 * S));
}

/// Shows [9.134].
#[test]
fn a_reset_for_an_answer_leaves_no_entry() {
    let mut bench = Bench::new();
    bench.rules.acct = true;
    bench.play(&[seg(C, SYN, 0, 0)]);
    let entered = bench.pass(&seg(R, RST | ACK, 0u32.wrapping_sub(5000), 1).bytes());
    assert_eq!((entered.info, entered.verdict), (CtInfo::EstablishedReply, Verdict::Accept));
    assert_eq!(bench.ct.count(), 0);
    // The packet still has its connection until the turn is over.
    let entry = bench.ct.get(entered.conn.unwrap()).unwrap();
    assert!(entry.is(status::DYING));
    bench.wait(S);
    assert!(bench.ct.get(entered.conn.unwrap()).is_none());
}

/// A SYN with higher numbers and without options leaves what the first has offered.
#[test]
fn a_repeated_syn_without_options_takes_nothing_back() {
    let mut bench = Bench::new();
    bench.play(&[seg(C, SYN, 0, 0).options(&[4, 2, 3, 3, 5, 1, 1, 1]), seg(C, SYN, 300, 0)]);
    let Proto::Tcp(tcp) = bench.proto() else { panic!() };
    assert_eq!((tcp.seen[0].end, tcp.seen[0].scale), (1301, 5));
    assert_eq!(tcp.seen[0].flags & (flag::SACK_PERM | flag::WINDOW_SCALE), 3);
}

/// A SYN sent again does not keep the entry alive.
#[test]
fn a_repeated_syn_does_not_refresh() {
    let mut bench = Bench::new();
    bench.play(&[seg(C, SYN, 0, 0)]);
    bench.now += 100 * S;
    bench.play(&[seg(C, SYN, 0, 0)]);
    assert_eq!(bench.only().left, 20 * S);
}

/// Shows [9.135].
#[test]
fn a_dead_receiver_ends_a_connection_soon() {
    let mut bench = Bench::new();
    bench.open();
    bench.play(&[seg(C, ACK, 1, 1).data(10)]);
    assert_eq!(bench.only().left, 300 * S, "data that nobody has acknowledged");
    bench.play(&[seg(R, ACK, 1, 11)]);
    assert_eq!(bench.only().left, 432_000 * S);
    // The same acknowledgement again and again: the first repeats count.
    for left in [432_000, 432_000, 300, 300] {
        bench.play(&[seg(R, ACK, 1, 11)]);
        assert_eq!(bench.only().left, left * S);
    }
    bench.rules.tcp_max_retrans = 100;
    bench.play(&[seg(R, ACK, 1, 11)]);
    assert_eq!(bench.only().left, 432_000 * S);
    bench.play(&[seg(R, ACK, 1, 11).window(0)]);
    assert_eq!(bench.only().left, 300 * S, "a closed window");
}

/// FINs and resets of both sides that fit no window: the connection does not live for days.
#[test]
fn ends_that_cannot_be_placed_shorten_the_life() {
    let mut bench = Bench::new();
    bench.open();
    assert_eq!(bench.seg(&seg(C, FIN, 9000, 1)), Err(Why::SeqOver));
    assert_eq!(bench.only().left, 432_000 * S);
    assert_eq!(bench.seg(&seg(R, FIN, 9000, 1)), Err(Why::SeqOver));
    assert_eq!(bench.only().left, 300 * S);
}

/// A challenge ACK in LAST_ACK is no acknowledgement of the FIN.
#[test]
fn a_challenge_is_not_the_last_ack() {
    let mut bench = Bench::new();
    bench.open();
    bench.play(&[seg(C, FIN, 1, 1), seg(R, FIN, 1, 2)]);
    assert_eq!(bench.state(), State::LastAck);
    bench.play(&[seg(C, SYN, 50_000, 0), seg(R, ACK, 2, 2)]);
    assert_eq!(bench.state(), State::LastAck);
    bench.play(&[seg(R, ACK, 2, 2)]);
    assert_eq!(bench.state(), State::TimeWait);
}

/// Shows [9.126]: an ACK for an answer to a SYN, and the reset that follows it.
#[test]
fn an_ack_for_an_answer_leads_to_a_reset() {
    let mut bench = Bench::new();
    bench.play(&[seg(C, SYN, 0, 0)]);
    // The server has an old connection of the same ports.
    assert_eq!(bench.seg(&seg(R, ACK, 300, 77)), Ok(CtInfo::EstablishedReply));
    assert_eq!(bench.state(), State::SynSent);
    // The client resets with the number that was acknowledged.
    let reset = Seg { seq: 77, ..seg(C, RST, 0, 0) };
    assert_eq!(bench.seg(&reset), Ok(CtInfo::Established));
    assert_eq!((bench.state(), bench.only().left), (State::Close, 10 * S));
    assert_eq!(bench.seg(&seg(C, SYN, 0, 0)), Ok(CtInfo::New));
}

/// Shows [9.189]: offsets of a rewritten payload are taken into account.
#[test]
fn adjusted_sequence_numbers_fit_the_windows() {
    let mut bench = Bench::new();
    bench.open();
    let conn = bench.only().conn().unwrap();
    bench.play(&[seg(C, ACK, 1, 1).data(100)]);
    // What the client sent grew by 20 on its way, so the server acknowledges more.
    assert_eq!(bench.seg(&seg(R, ACK, 1, 121)), Err(Why::AckOver));
    bench.ct.seqadj_mut(conn).unwrap().grow(0, 1000, 20);
    assert_eq!(bench.seg(&seg(R, ACK, 1, 121)), Ok(CtInfo::EstablishedReply));
    assert!(bench.only().is(status::SEQ_ADJUST));
}

impl Bench {
    fn proto(&self) -> Proto {
        self.ct.get(self.only().conn().unwrap()).unwrap().proto
    }
}
