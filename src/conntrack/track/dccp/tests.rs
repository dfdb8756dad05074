//! The machine by stories and cells, malformed headers.

use super::*;
use crate::conntrack::tests::{Bench, Packet, S};
use crate::conntrack::{CtInfo, Verdict, show::Shown};

use Dir::{Original as C, Reply as R};

/// A packet with a long sequence number, and an acknowledgement where its type has one.
fn l4(dir: Dir, ty: u8, seq: u64, ack: u64) -> Vec<u8> {
    let ports: [u16; 2] = if dir == R { [80, 4000] } else { [4000, 80] };
    let mut l4 = [ports[0].to_be_bytes(), ports[1].to_be_bytes()].concat();
    l4.extend([6, 0, 0, 0, ty << 1 | 1, 0]);
    l4.extend(&seq.to_be_bytes()[2..]);
    l4.extend(ack.to_be_bytes());
    l4
}

fn dccp(dir: Dir, ty: u8, seq: u64, ack: u64) -> Packet {
    let (src, dst) = if dir == R { ("10.0.0.2", "10.0.0.1") } else { ("10.0.0.1", "10.0.0.2") };
    Packet::new(src, dst, 33, l4(dir, ty, seq, ack))
}

impl Bench {
    fn dccp(&mut self, dir: Dir, ty: u8, seq: u64, ack: u64) -> Result<CtInfo, Why> {
        self.info(&dccp(dir, ty, seq, ack).bytes())
    }

    fn dccp_state(&self) -> (State, u64) {
        match self.only().state {
            Shown::Dccp(state) => (state, self.only().left / S),
            other => panic!("{other:?}"),
        }
    }

    fn open_dccp(&mut self) {
        assert_eq!(self.dccp(C, ty::REQUEST, 1 << 40, 0), Ok(CtInfo::New));
        assert_eq!(self.dccp_state(), (State::Request, 240));
        assert!(self.dccp(R, ty::RESPONSE, 7 << 40, 1 << 40).is_ok());
        assert_eq!(self.dccp_state(), (State::Respond, 480));
        assert!(self.dccp(C, ty::ACK, (1 << 40) + 1, 7 << 40).is_ok());
        assert_eq!(self.dccp_state(), (State::PartOpen, 480));
        assert!(self.dccp(R, ty::ACK, 8, 9).is_ok());
        assert_eq!(self.dccp_state(), (State::Open, 43_200));
    }
}

/// Shows [9.144] and [9.101].
#[test]
fn a_connection_opens_and_closes() {
    let mut bench = Bench::new();
    bench.open_dccp();
    assert!(bench.only().is(status::ASSURED));
    assert!(bench.list()[0].starts_with("dccp     33 43200 OPEN src=10.0.0.1"));
    for (dir, ty, wanted) in [
        (C, ty::DATA, (State::Open, 43_200)),
        (R, ty::CLOSE_REQ, (State::CloseReq, 64)),
        (C, ty::CLOSE, (State::Closing, 64)),
        (R, ty::RESET, (State::TimeWait, 240)),
        // Made anew from the other side: the roles change.
        (R, ty::REQUEST, (State::Request, 240)),
        (C, ty::RESPONSE, (State::Respond, 480)),
    ] {
        assert!(bench.dccp(dir, ty, 1, 1).is_ok());
        assert_eq!(bench.dccp_state(), wanted);
    }
}

/// Shows [9.144]: an ACK of something else does not assure.
#[test]
fn only_the_acknowledged_response_assures() {
    let mut bench = Bench::new();
    bench.dccp(C, ty::REQUEST, 5, 0).unwrap();
    bench.dccp(R, ty::RESPONSE, 99, 5).unwrap();
    bench.dccp(C, ty::ACK, 6, 98).unwrap();
    assert!(!bench.only().is(status::ASSURED));
}

/// Shows [9.144]: every cell.
#[test]
fn every_cell_of_the_machine() {
    // A letter a state: none, request (q), respond (s), partopen (p), open (o), closereq (r),
    // closing (g), timewait (t); i ignored, - invalid.
    let table = [
        (true, ty::REQUEST, "qqsiiiiq"),
        (true, ty::RESPONSE, "-iiiiii-"),
        (true, ty::ACK, "--pporg-"),
        (true, ty::DATA, "----org-"),
        (true, ty::DATA_ACK, "--pporg-"),
        (true, ty::CLOSE_REQ, "--------"),
        (true, ty::CLOSE, "---ggg--"),
        (true, ty::RESET, "-tttttti"),
        (true, ty::SYNC, "-iiiiiii"),
        (true, ty::SYNC_ACK, "-iiiiiii"),
        (false, ty::REQUEST, "-iiiiiiq"),
        (false, ty::RESPONSE, "-ssiiii-"),
        (false, ty::ACK, "---oo-g-"),
        (false, ty::DATA, "---oo-g-"),
        (false, ty::DATA_ACK, "---oo-g-"),
        (false, ty::CLOSE_REQ, "---rrrr-"),
        (false, ty::CLOSE, "---gg-g-"),
        (false, ty::RESET, "-ttttttt"),
        (false, ty::SYNC, "-iiiiiii"),
        (false, ty::SYNC_ACK, "-iiiiiii"),
    ];
    for (client, ty, row) in table {
        for (letter, state) in row.chars().zip(State::ALL) {
            let wanted = match letter {
                '-' => Move::Invalid,
                'i' => Move::Ignore,
                letter => Move::To(State::ALL["nqsporgt".find(letter).unwrap()]),
            };
            assert_eq!(transition(client, ty, state), wanted, "{client} {ty} {state:?}");
        }
    }
}

/// Shows [9.144].
#[test]
fn malformed_headers_are_invalid() {
    let mut bench = Bench::new();
    let base = dccp(C, ty::REQUEST, 5, 0);
    for (packet, why) in [
        (base.clone().l4(|l4| l4[4] = 2).bytes(), Why::Malformed),
        (base.clone().l4(|l4| l4[4] = 7).bytes(), Why::Malformed),
        (base.clone().l4(|l4| l4[5] = 15).bytes(), Why::BadCoverage),
        (base.clone().l4(|l4| l4[6] = 1).raw(), Why::BadChecksum),
        (base.clone().l4(|l4| l4[8] = 10 << 1).bytes(), Why::ReservedType),
    ] {
        assert_eq!(bench.info(&packet), Err(why));
    }
    let entered = bench.pass(&base.clone().l4(|l4| l4.truncate(11)).raw());
    assert_eq!((entered.why, entered.verdict), (Some(Why::Short), Verdict::Drop));
    assert_eq!((bench.ct.stats.drop, bench.ct.stats.invalid, bench.ct.count()), (1, 6, 0));
    bench.wait(S);
}

/// Shows [9.144].
#[test]
fn loose_pickup_and_lone_resets() {
    // No type but a Request begins a connection, loose or not.
    for ty in 1..=9 {
        assert_eq!(Bench::new().dccp(C, ty, 1, 1), Err(Why::BadState), "{ty}");
    }
    let mut bench = Bench::new();
    bench.rules.dccp_loose = false;
    assert_eq!(bench.dccp(C, ty::REQUEST, 1, 0), Ok(CtInfo::New));
    assert_eq!(bench.dccp(R, ty::RESET, 1, 1), Ok(CtInfo::EstablishedReply));
    assert_eq!(bench.ct.count(), 0, "refused: gone at once");
    bench.wait(S);
}

/// A Request that was ignored and is answered after all.
#[test]
fn an_answered_request_resynchronises() {
    let mut bench = Bench::new();
    bench.open_dccp();
    bench.dccp(C, ty::REQUEST, 77, 0).unwrap();
    assert_eq!(bench.dccp_state().0, State::Open);
    bench.dccp(R, ty::RESPONSE, 500, 77).unwrap();
    assert_eq!(bench.dccp_state(), (State::Respond, 480));
}
