//! Amanda: a host that is saved tells the backup server on which ports it hands over its data.
//!
//! - takes: datagrams of the host that answer the server
//! - gives: an expectation for each stream that the answer names
//! - obeys: `nf_conntrack_amanda` and `nf_nat_amanda` of the kernel; row [9.175]
//! - costs: a search of the datagram for five words

use super::super::entry::Dir;
use super::text::{self, Line};
use super::{Cx, Desk, Helper, Verdict, expect_plain, expect_translated};

/// How long a connection lives after an answer, in seconds: the next one may take its time.
pub const MASTER_TIMEOUT: u32 = 300;
const STREAMS: [&[u8]; 4] = [b"DATA ", b"MESG ", b"INDEX ", b"STATE "];

/// Reads a datagram.
pub fn read(cx: &Cx<'_>, desk: &mut impl Desk) -> Verdict {
    if cx.dir == Dir::Original {
        return Verdict::Accept;
    }
    desk.refresh(MASTER_TIMEOUT);
    let data = cx.payload;
    let Some(connect) = text::find(data, b"CONNECT ") else { return Verdict::Accept };
    let start = connect + 8;
    let Some(len) = data[start..].iter().position(|&byte| byte == b'\n') else {
        return Verdict::Accept;
    };
    let line = &data[start..start + len];
    for stream in STREAMS {
        let Some(found) = text::find(line, stream) else { continue };
        let at = found + stream.len();
        // No more digits are read than a port has.
        let digits = &line[at..line.len().min(at + 5)];
        let (port, len) = text::digits(digits);
        let port = port as u16;
        if port == 0 {
            break;
        }
        let asked = &cx.tuples[0];
        let expect = cx.expect(Helper::Amanda, 0, Some(asked.src), (asked.dst, port));
        let verdict = if cx.translated {
            expect_translated(desk, expect, Helper::Amanda, Dir::Original, |edits, port| {
                let text = Line::default().number(u32::from(port));
                edits.replace(start + at, len, text.bytes()).is_ok()
            })
        } else {
            expect_plain(desk, expect, Helper::Amanda)
        };
        if verdict != Verdict::Accept {
            return verdict;
        }
    }
    Verdict::Accept
}

#[cfg(test)]
mod tests {
    use super::super::Why;
    use super::super::sample::{CLIENT, Counter, SERVER, cx, masqueraded, plain};
    use super::*;

    const ANSWER: &str =
        "Amanda 2.6 REP HANDLE 1 SEQ 2\nCONNECT DATA 11 MESG 222 INDEX 65000\nOK\n";

    /// Shows [9.175].
    #[test]
    fn each_stream_of_an_answer_is_expected() {
        let tuples = plain(17, 10_080);
        let mut desk = Counter::default();
        let cx = cx(ANSWER.as_bytes(), Dir::Reply, &tuples);
        assert_eq!(read(&cx, &mut desk), Verdict::Accept);
        let ports: Vec<_> = desk.expects.iter().map(|expect| expect.tuple.dport).collect();
        assert_eq!(ports, [11, 222, 65_000]);
        let tuple = desk.expects[0].tuple;
        assert_eq!((tuple.src, tuple.dst, tuple.proto), (CLIENT, SERVER, 6));
        assert_eq!(desk.refreshed, Some(300));
        let mut desk = Counter::default();
        assert_eq!(read(&Cx { dir: Dir::Original, ..cx }, &mut desk), Verdict::Accept);
        assert!(desk.expects.is_empty() && desk.refreshed.is_none());
    }

    #[test]
    fn ports_that_are_taken_are_told_anew() {
        let tuples = masqueraded(17, 10_080);
        let mut desk = Counter { refuse: 1, ..Counter::default() };
        let cx = cx(ANSWER.as_bytes(), Dir::Reply, &tuples);
        assert_eq!(read(&cx, &mut desk), Verdict::Accept);
        let first = desk.expects[0].tuple.dport;
        assert_ne!(first, 11);
        let want = ANSWER.replace("DATA 11", &format!("DATA {first}"));
        assert_eq!(desk.edited(ANSWER.as_bytes()), want.as_bytes());
        desk.refuse = u32::MAX;
        assert_eq!(read(&cx, &mut desk), Verdict::Drop(Why::PortsInUse));
    }

    #[test]
    fn any_datagram_is_read() {
        let tuples = masqueraded(17, 10_080);
        bolero::check!().with_type::<(Vec<u8>, u8)>().for_each(|(bytes, cut)| {
            let start = &ANSWER.as_bytes()[..usize::from(*cut) % ANSWER.len()];
            let text = [start, bytes].concat();
            let mut desk = Counter::default();
            let _ = read(&cx(&text, Dir::Reply, &tuples), &mut desk);
            let _ = desk.edited(&text);
        });
    }
}
