//! SANE: a scanner's host tells where it hands over the picture.
//!
//! - obeys: the SANE network protocol's SANE_NET_START; `nf_conntrack_sane` of the kernel; row [9.175]

use super::super::entry::Dir;
use super::{Cx, Desk, Helper, Verdict, expect_plain};

/// Number of the call that starts a picture, and bytes of it and of the start of its answer.
const START: u32 = 7;
const CALL_LEN: usize = 8;

/// What is remembered: whether the next answer is that to a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Started(bool);

/// Reads a segment.
pub fn read(cx: &Cx<'_>, started: &mut Started, desk: &mut impl Desk) -> Verdict {
    if !cx.established || cx.payload.is_empty() {
        return Verdict::Accept;
    }
    let Some(&[a, b, c, d, zero_high, zero_low, high, low]) = cx.payload.first_chunk::<CALL_LEN>()
    else {
        if cx.dir == Dir::Reply {
            started.0 = false;
        }
        return Verdict::Accept;
    };
    let word = u32::from_be_bytes([a, b, c, d]);
    if cx.dir == Dir::Original {
        if cx.payload.len() == CALL_LEN {
            started.0 = word == START;
        }
        return Verdict::Accept;
    }
    let answered = std::mem::take(&mut started.0);
    // A success, and a port in the lower half of a number.
    if !answered || word != 0 || [zero_high, zero_low] != [0, 0] {
        return Verdict::Accept;
    }
    let asked = &cx.tuples[0];
    let port = u16::from_be_bytes([high, low]);
    let expect = cx.expect(Helper::Sane, 0, Some(asked.src), (asked.dst, port));
    expect_plain(desk, expect, Helper::Sane)
}

#[cfg(test)]
mod tests {
    use super::super::sample::{CLIENT, Counter, SERVER, cx, plain};
    use super::*;

    /// Shows [9.175].
    #[test]
    fn the_picture_is_expected_after_the_answer_to_a_start() {
        let tuples = plain(6, 6566);
        let mut started = Started::default();
        let mut desk = Counter::default();
        let mut hear = |dir, bytes: &[u8], desk: &mut Counter| {
            assert_eq!(read(&cx(bytes, dir, &tuples), &mut started, desk), Verdict::Accept);
            desk.expects.len()
        };
        let answer = [0, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0x12, 0x34];
        assert_eq!(hear(Dir::Reply, &answer, &mut desk), 0, "nobody asked");
        hear(Dir::Original, &[0, 0, 0, 5, 0, 0, 0, 0], &mut desk);
        assert_eq!(hear(Dir::Reply, &answer, &mut desk), 0, "another call");
        hear(Dir::Original, &[0, 0, 0, 7, 0, 0, 0, 0], &mut desk);
        assert_eq!(hear(Dir::Reply, &answer, &mut desk), 1);
        assert_eq!(hear(Dir::Reply, &answer, &mut desk), 1, "once");
        let tuple = desk.expects[0].tuple;
        assert_eq!((tuple.src, tuple.dst, tuple.dport), (CLIENT, SERVER, 1025));
        for failed in [[0, 0, 0, 4, 0, 0, 4, 1], [0, 0, 0, 0, 0, 1, 4, 1]] {
            hear(Dir::Original, &[0, 0, 0, 7, 0, 0, 0, 0], &mut desk);
            assert_eq!(hear(Dir::Reply, &failed, &mut desk), 1);
        }
    }

    #[test]
    fn any_segment_is_read() {
        let tuples = plain(6, 6566);
        bolero::check!().with_type::<Vec<(bool, Vec<u8>)>>().for_each(|segments| {
            let mut started = Started::default();
            for (reply, bytes) in segments {
                let dir = if *reply { Dir::Reply } else { Dir::Original };
                let _ = read(&cx(bytes, dir, &tuples), &mut started, &mut Counter::default());
            }
        });
    }
}
