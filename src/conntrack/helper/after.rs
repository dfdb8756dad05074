//! How connections that were announced are translated when they come.
//!
//! - obeys: `nf_nat_follow_master`, `nf_nat_pptp_expectfn` and `nf_nat_sip_expected` of the kernel;
//!   row [9.170]

use super::super::expect::Expect;
use super::super::nat::Range;
use super::super::tuple::Tuple;
use super::follow as way;

/// The ranges that the source and the destination of a connection are chosen from, source first, when
/// it was expected; nothing where it is translated as any other.
///
/// `master` are the tuples of the connection that announced it, `own` is the new connection's own.
pub fn follow(master: &[Tuple; 2], expect: &Expect, own: &Tuple) -> [Option<Range>; 2] {
    let back = &master[expect.dir.other().index()];
    let key = expect.saved_port;
    match expect.follow {
        // It comes from where the master goes to, and goes to where that comes from.
        way::MASTER => {
            [Some(Range::address(back.dst)), Some(Range::address(back.src).with_ports(key, key))]
        }
        // A call is named by its receiver's number, so that one end of each direction has it.
        way::CALL => {
            let (src, dst) = (Range::address(back.dst), Range::address(back.src));
            match expect.dir {
                super::Dir::Original => [Some(src.with_ports(key, key)), Some(dst)],
                super::Dir::Reply => [Some(src), Some(dst.with_ports(key, key))],
            }
        }
        // The source is hidden where it is the one that the master's answer comes from.
        way::SIP => {
            let same = own.src == master[expect.dir.index()].src;
            let source = same.then(|| Range::address(back.dst));
            [source, Some(Range::address(expect.saved_addr).with_ports(key, key))]
        }
        _ => [None, None],
    }
}
