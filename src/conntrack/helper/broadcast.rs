//! Queries to all, as of NetBIOS names and of SNMP: answers come from hosts that were not asked.
//!
//! - takes: a query that the router itself has sent to a broadcast address, and the mask of the
//!   network that it is of
//! - gives: an expectation of answers from any host of that network
//! - obeys: `nf_conntrack_broadcast_help` of the kernel; row [9.175]

use super::super::entry::Dir;
use super::super::expect::flag;
use super::super::tuple::Addr;
use super::{Cx, Desk, Helper, Verdict, expect_plain};

/// Reads a query; `helper` is [`Helper::NetbiosNs`] or [`Helper::Snmp`].
pub fn read(cx: &Cx<'_>, helper: Helper, mask: Addr, desk: &mut impl Desk) -> Verdict {
    if cx.dir == Dir::Reply {
        return Verdict::Accept;
    }
    let reply = &cx.tuples[1];
    let mut expect = cx.expect(helper, 0, Some(reply.src), (reply.dst, reply.dport));
    expect.tuple = *reply;
    expect.mask_src = mask;
    expect.mask_sport = u16::MAX;
    expect.flags = flag::PERMANENT;
    let verdict = expect_plain(desk, expect, helper);
    desk.refresh(helper.info().classes.first().map_or(0, |class| class.timeout));
    // The query goes out whether its answers will find the way or not.
    let _ = verdict;
    Verdict::Accept
}

#[cfg(test)]
mod tests {
    use super::super::sample::{CLIENT, Counter, SERVER, cx, plain};
    use super::*;

    /// Shows [9.175].
    #[test]
    fn answers_come_from_any_host_of_the_network() {
        let tuples = plain(17, 137);
        let mut desk = Counter::default();
        let mask = Addr::four([255, 255, 255, 0]);
        let query = cx(&[0], Dir::Original, &tuples);
        assert_eq!(read(&query, Helper::NetbiosNs, mask, &mut desk), Verdict::Accept);
        let [expect] = desk.expects[..] else { panic!() };
        assert_eq!((expect.tuple.src, expect.tuple.dst, expect.mask_src), (SERVER, CLIENT, mask));
        assert_eq!((expect.tuple.sport, expect.mask_sport, expect.tuple.proto), (137, 0xffff, 17));
        assert_eq!((expect.flags, desk.refreshed), (flag::PERMANENT, Some(3)));
        let mut desk = Counter::default();
        let answer = cx(&[0], Dir::Reply, &tuples);
        assert_eq!(read(&answer, Helper::Snmp, mask, &mut desk), Verdict::Accept);
        assert!(desk.expects.is_empty());
    }
}
