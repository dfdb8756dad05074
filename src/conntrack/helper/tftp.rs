//! TFTP: the answer to a request comes from a port of its own.
//!
//! - obeys: RFC 1350 section 4; `nf_conntrack_tftp` of the kernel; row [9.173]

use super::super::entry::Dir;
use super::{Cx, Desk, Helper, Verdict, Why, expect_plain, follow};
use crate::packet::ipv4::protocol;

const READ: u16 = 1;
const WRITE: u16 = 2;

/// Reads a datagram.
pub fn read(cx: &Cx<'_>, desk: &mut impl Desk) -> Verdict {
    let Some(&opcode) = cx.payload.first_chunk() else { return Verdict::Accept };
    if !matches!(u16::from_be_bytes(opcode), READ | WRITE) {
        return Verdict::Accept;
    }
    let [original, reply] = cx.tuples;
    let mut expect = cx.expect(Helper::Tftp, 0, Some(reply.src), (reply.dst, reply.dport));
    expect.tuple.proto = protocol::UDP;
    if !cx.translated {
        return expect_plain(desk, expect, Helper::Tftp);
    }
    // The request has told no port, so that there is nothing to edit.
    expect.saved_port = original.sport;
    expect.dir = Dir::Reply;
    expect.follow = follow::MASTER;
    match desk.expect(expect, Helper::Tftp.most(0)) {
        Ok(()) => Verdict::Accept,
        Err(_) => Verdict::Drop(Why::NoExpectation),
    }
}

#[cfg(test)]
mod tests {
    use super::super::after;
    use super::super::sample::{Counter, cx, masqueraded, plain};
    use super::*;
    use crate::conntrack::nat::Range;

    /// Shows [9.173].
    #[test]
    fn the_answer_to_a_request_is_expected_from_any_port() {
        let tuples = plain(17, 69);
        for (opcode, expected) in [(1, 1), (2, 1), (3, 0), (4, 0), (5, 0)] {
            let mut desk = Counter::default();
            let payload = [0, opcode, b'f', 0];
            assert_eq!(read(&cx(&payload, Dir::Original, &tuples), &mut desk), Verdict::Accept);
            assert_eq!(desk.expects.len(), expected, "{opcode}");
            if let [expect] = desk.expects[..] {
                let [original, _] = tuples;
                assert_eq!((expect.tuple.src, expect.tuple.dst), (original.dst, original.src));
                assert_eq!((expect.mask_sport, expect.tuple.dport), (0, original.sport));
                assert_eq!(expect.expires, 300 * crate::conntrack::timeouts::SECOND);
            }
        }
    }

    #[test]
    fn under_translation_the_answer_goes_to_the_client() {
        let tuples = masqueraded(17, 69);
        let mut desk = Counter::default();
        let request = cx(&[0, 1, b'f', 0], Dir::Original, &tuples);
        assert_eq!(read(&request, &mut desk), Verdict::Accept);
        let [expect] = desk.expects[..] else { panic!() };
        let [original, reply] = tuples;
        assert_eq!((expect.tuple.dst, expect.tuple.dport), (reply.dst, reply.dport));
        let [src, dst] = after::follow(&tuples, &expect, &expect.tuple);
        assert_eq!(src, Some(Range::address(original.dst)));
        let port = original.sport;
        assert_eq!(dst, Some(Range::address(original.src).with_ports(port, port)));
        desk.refuse = u32::MAX;
        assert_eq!(read(&request, &mut desk), Verdict::Drop(Why::NoExpectation));
    }
}
