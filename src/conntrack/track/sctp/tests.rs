//! The machine by stories and cells, tags, malformed packets.

use super::*;
use crate::conntrack::tests::{Bench, Packet, S};
use crate::conntrack::{CtInfo, show::Shown, status};

use Dir::{Original as C, Reply as R};

/// A chunk of a type with its value.
fn chunk(ty: u8, flags: u8, value: &[u8]) -> Vec<u8> {
    let len = 4 + value.len() as u16;
    let mut chunk = vec![ty, flags];
    chunk.extend(len.to_be_bytes());
    chunk.extend(value);
    chunk.resize(usize::from(len).next_multiple_of(4), 0);
    chunk
}

fn init(ty: u8, tag: u32) -> Vec<u8> {
    let mut value = tag.to_be_bytes().to_vec();
    value.extend([0; 12]);
    chunk(ty, 0, &value)
}

fn plain(ty: u8) -> Vec<u8> {
    chunk(ty, 0, &[])
}

fn l4(dir: Dir, tag: u32, chunks: &[Vec<u8>]) -> Vec<u8> {
    let ports: [u16; 2] = if dir == R { [80, 4000] } else { [4000, 80] };
    let mut l4 = [ports[0].to_be_bytes(), ports[1].to_be_bytes()].concat();
    l4.extend(tag.to_be_bytes());
    l4.extend([0; 4]);
    l4.extend(chunks.concat());
    let crc = crc::of_packet(&l4);
    l4[8..12].copy_from_slice(&crc.to_le_bytes());
    l4
}

fn raw(dir: Dir, l4: Vec<u8>) -> Vec<u8> {
    let (src, dst) = if dir == R { ("10.0.0.2", "10.0.0.1") } else { ("10.0.0.1", "10.0.0.2") };
    Packet::new(src, dst, 132, l4).raw()
}

fn sctp(dir: Dir, tag: u32, chunks: &[Vec<u8>]) -> Vec<u8> {
    raw(dir, l4(dir, tag, chunks))
}

/// Tags: the client's packets carry 200, the server's 100.
const TAGS: [u32; 2] = [200, 100];

impl Bench {
    fn sctp(&mut self, dir: Dir, chunks: &[Vec<u8>]) -> Result<CtInfo, Why> {
        self.info(&sctp(dir, TAGS[dir.index()], chunks))
    }

    fn association(&self) -> (State, u64) {
        match self.only().state {
            Shown::Sctp(state) => (state, self.only().left / S),
            other => panic!("{other:?}"),
        }
    }

    fn open_sctp(&mut self) {
        assert_eq!(self.info(&sctp(C, 0, &[init(chunk::INIT, 100)])), Ok(CtInfo::New));
        assert_eq!(self.association(), (State::Closed, 10));
        assert!(self.info(&sctp(R, 100, &[init(chunk::INIT_ACK, 200)])).is_ok());
        assert_eq!(self.association(), (State::CookieWait, 3));
        assert!(self.sctp(C, &[chunk(chunk::COOKIE_ECHO, 0, b"cookie")]).is_ok());
        assert_eq!(self.association(), (State::CookieEchoed, 3));
        assert!(!self.only().is(status::ASSURED));
        assert!(self.sctp(R, &[plain(chunk::COOKIE_ACK)]).is_ok());
        assert_eq!(self.association(), (State::Established, 210));
        assert!(self.only().is(status::ASSURED));
    }
}

/// Shows [9.142] and [9.101].
#[test]
fn an_association_opens_and_closes() {
    let mut bench = Bench::new();
    bench.open_sctp();
    assert_eq!(
        bench.list(),
        ["sctp     132 210 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=4000 dport=80 \
          src=10.0.0.2 dst=10.0.0.1 sport=80 dport=4000 [ASSURED] mark=0 use=1"]
    );
    assert!(bench.sctp(C, &[chunk(chunk::DATA, 3, &[0; 20])]).is_ok());
    assert!(bench.sctp(C, &[chunk(chunk::SHUTDOWN, 0, &[0; 4])]).is_ok());
    assert_eq!(bench.association(), (State::ShutdownSent, 3));
    assert!(bench.sctp(R, &[plain(chunk::SHUTDOWN_ACK)]).is_ok());
    assert_eq!(bench.association(), (State::ShutdownAckSent, 3));
    assert!(bench.sctp(C, &[plain(chunk::SHUTDOWN_COMPLETE)]).is_ok());
    assert_eq!(bench.association(), (State::Closed, 10));
    bench.wait(11 * S);
    assert_eq!(bench.ct.count(), 0);
}

/// Shows [9.142]: every cell leads somewhere that the machine knows, and no row forgets a state.
#[test]
fn every_cell_of_the_machine() {
    // A letter a state: none (n), closed (c), cookie wait (w), echoed (e), established (s),
    // shutdown sent (o), received (i), acknowledged (a), heartbeat (h); - invalid.
    let table = [
        (C, chunk::INIT, "ccwesccaw"),
        (C, chunk::INIT_ACK, "ccwesoiac"),
        (C, chunk::ABORT, "ccccccccc"),
        (C, chunk::SHUTDOWN, "ccweooiac"),
        (C, chunk::SHUTDOWN_ACK, "acwesaaaa"),
        (C, chunk::ERROR, "ccwesoiac"),
        (C, chunk::COOKIE_ECHO, "cceesoiac"),
        (C, chunk::COOKIE_ACK, "ccwssoiac"),
        (C, chunk::SHUTDOWN_COMPLETE, "ccwesoicc"),
        (C, chunk::HEARTBEAT, "hcwesoiah"),
        (C, chunk::HEARTBEAT_ACK, "ccwesoiah"),
        (C, chunk::DATA, "ncwesoiah"),
        (R, chunk::INIT, "-cwesoia-"),
        (R, chunk::INIT_ACK, "-wwesoia-"),
        (R, chunk::ABORT, "-ccccccc-"),
        (R, chunk::SHUTDOWN, "-cweioia-"),
        (R, chunk::SHUTDOWN_ACK, "-cwesaaa-"),
        (R, chunk::ERROR, "-cwcsoia-"),
        (R, chunk::COOKIE_ECHO, "-ceesoia-"),
        (R, chunk::COOKIE_ACK, "-cwssoia-"),
        (R, chunk::SHUTDOWN_COMPLETE, "-cwesoic-"),
        (R, chunk::HEARTBEAT, "-cwesoiah"),
        (R, chunk::HEARTBEAT_ACK, "-cwesoias"),
        (R, chunk::DATA, "ncwesoiah"),
    ];
    for (dir, ty, row) in table {
        for (letter, state) in row.chars().zip(State::ALL) {
            let wanted = "ncwesoiah".find(letter).map(|n| State::ALL[n]);
            assert_eq!(transition(dir, ty, state), wanted, "{dir:?} {ty} {state:?}");
        }
    }
}

/// Shows [9.142]: chunks that cannot stand so.
#[test]
fn malformed_packets_are_invalid() {
    let mut bench = Bench::new();
    let good = init(chunk::INIT, 100);
    let zero = vec![chunk::DATA, 0, 0, 0];
    for (bytes, why) in [
        (raw(C, l4(C, 0, &[])[..11].to_vec()), Why::Short),
        (sctp(C, 0, &[]), Why::BadChunks),
        (sctp(C, 0, &[good.clone(), plain(chunk::SHUTDOWN)]), Why::BadChunks),
        (sctp(C, 0, &[plain(chunk::SHUTDOWN), good.clone()]), Why::BadChunks),
        (sctp(C, 0, &[plain(chunk::DATA), plain(chunk::COOKIE_ECHO)]), Why::BadChunks),
        (sctp(C, 0, &[plain(chunk::DATA), plain(chunk::COOKIE_ACK)]), Why::BadChunks),
        (sctp(C, 0, &[plain(chunk::DATA), plain(chunk::SHUTDOWN_COMPLETE)]), Why::BadChunks),
        (sctp(C, 0, std::slice::from_ref(&zero)), Why::BadChunks),
        (sctp(C, 0, &[plain(chunk::DATA), zero]), Why::BadChunks),
    ] {
        assert_eq!(bench.info(&bytes), Err(why));
    }
    let mut bad = sctp(C, 0, std::slice::from_ref(&good));
    bad[30] ^= 1;
    assert_eq!(bench.info(&bad), Err(Why::BadChecksum));
    bench.rules.checksum = false;
    assert_eq!(bench.info(&bad), Ok(CtInfo::New));
}

/// Shows [9.143]: what may begin an association.
#[test]
fn only_some_chunks_begin_an_association() {
    let start = |tag, chunks: &[Vec<u8>]| Bench::new().info(&sctp(C, tag, chunks));
    for ty in [chunk::ABORT, chunk::SHUTDOWN_COMPLETE, chunk::COOKIE_ACK, chunk::DATA, 3] {
        assert_eq!(start(5, &[plain(ty)]), Err(Why::NoStart), "{ty}");
    }
    assert_eq!(start(5, &[init(chunk::INIT, 9)]), Err(Why::NoStart), "an INIT has no tag");
    assert_eq!(start(0, &[plain(chunk::INIT)]), Err(Why::NoStart), "an INIT cut short");
    assert_eq!(start(0, &[init(chunk::INIT, 9)]), Ok(CtInfo::New));
    assert_eq!(start(5, &[plain(chunk::SHUTDOWN_ACK)]), Ok(CtInfo::New));
    assert_eq!(start(5, &[plain(chunk::HEARTBEAT)]), Ok(CtInfo::New));
}

/// Shows [9.143].
#[test]
fn tags_must_be_the_connections() {
    let mut bench = Bench::new();
    bench.open_sctp();
    let bad = |bench: &mut Bench, dir, tag, chunks: &[Vec<u8>]| {
        bench.info(&sctp(dir, tag, chunks)).map(|_| ())
    };
    let data = || chunk(chunk::DATA, 3, &[0; 20]);
    assert_eq!(bad(&mut bench, C, 201, &[data()]), Err(Why::BadTag));
    assert_eq!(bad(&mut bench, C, 1, &[init(chunk::INIT, 5)]), Err(Why::BadTag));
    assert_eq!(bad(&mut bench, C, 9, &[plain(chunk::COOKIE_ECHO)]), Err(Why::BadTag));
    for ty in [chunk::ABORT, chunk::SHUTDOWN_COMPLETE] {
        assert_eq!(bad(&mut bench, C, 100, &[plain(ty)]), Err(Why::BadTag));
        assert_eq!(bad(&mut bench, C, 200, &[chunk(ty, 1, &[])]), Err(Why::BadTag));
    }
    // An acknowledgement of an INIT that was not sent, with another tag than the known one.
    let mut early = Bench::new();
    early.info(&sctp(C, 0, &[init(chunk::INIT, 100)])).unwrap();
    assert_eq!(bad(&mut early, C, 0, &[init(chunk::INIT_ACK, 101)]), Err(Why::BadTag));
    assert!(early.info(&sctp(R, 100, &[init(chunk::INIT_ACK, 200)])).is_ok());
    // With the T bit an ABORT carries the receiver's own tag back.
    assert!(bad(&mut bench, C, 100, &[chunk(chunk::ABORT, 1, &[])]).is_ok());
    assert_eq!(bench.association(), (State::Closed, 10));
}

/// Shows [9.143]: a second path of an association.
#[test]
fn heartbeats_open_a_second_path() {
    let mut bench = Bench::new();
    assert_eq!(bench.sctp(C, &[chunk(chunk::HEARTBEAT, 0, b"info")]), Ok(CtInfo::New));
    assert_eq!(bench.association(), (State::HeartbeatSent, 30));
    assert!(bench.sctp(R, &[chunk(chunk::HEARTBEAT_ACK, 0, b"info")]).is_ok());
    assert_eq!(bench.association(), (State::Established, 210));
    assert!(bench.only().is(status::ASSURED));
    assert!(bench.sctp(C, &[chunk(chunk::DATA, 3, &[0; 20])]).is_ok());
    // The association was made anew with other tags: its heartbeat and the answer show it.
    let [new, other] = [777, 888];
    assert!(bench.info(&sctp(C, new, &[plain(chunk::HEARTBEAT)])).is_ok());
    let ack = sctp(R, other, &[plain(chunk::HEARTBEAT_ACK)]);
    assert!(bench.info(&ack).is_ok());
    let data = sctp(R, other, &[chunk(chunk::DATA, 3, &[0; 20])]);
    assert!(bench.info(&data).is_ok());
    assert_eq!(bench.sctp(R, &[chunk(chunk::DATA, 3, &[0; 20])]), Err(Why::BadTag));
}

/// An INIT sent again does not keep the entry alive.
#[test]
fn a_repeated_init_does_not_refresh() {
    let mut bench = Bench::new();
    let first = sctp(C, 0, &[init(chunk::INIT, 100)]);
    bench.info(&first).unwrap();
    bench.now += 8 * S;
    bench.info(&first).unwrap();
    assert_eq!(bench.association(), (State::Closed, 2));
}

/// What a first packet tells of tags: a HEARTBEAT its own, an acknowledged SHUTDOWN that of the answer.
#[test]
fn first_packets_tell_different_tags() {
    let data = || chunk(chunk::DATA, 3, &[0; 12]);
    for (ty, tag, answer) in [
        (chunk::HEARTBEAT, 77, 0),
        (chunk::HEARTBEAT_ACK, 77, 0),
        (chunk::SHUTDOWN_ACK, 77, 77),
        (chunk::SHUTDOWN, 0, 0),
        (chunk::ERROR, 0, 0),
        (chunk::COOKIE_ECHO, 0, 0),
    ] {
        let mut bench = Bench::new();
        assert_eq!(bench.info(&sctp(C, tag, &[plain(ty)])), Ok(CtInfo::New), "{ty}");
        assert_eq!(bench.info(&sctp(R, answer + 1, &[data()])), Err(Why::BadTag), "{ty}");
        assert!(bench.info(&sctp(R, answer, &[data()])).is_ok(), "{ty}");
    }
    // Only a HEARTBEAT tells the tag before other chunks are looked at.
    let both =
        |second| Bench::new().info(&sctp(C, 77, &[plain(chunk::COOKIE_ECHO), plain(second)]));
    assert_eq!(both(chunk::HEARTBEAT), Ok(CtInfo::New));
    assert_eq!(both(chunk::HEARTBEAT_ACK), Err(Why::BadTag));
}
