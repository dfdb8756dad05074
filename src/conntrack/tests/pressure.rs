//! Full tables, clashes, expectations, deletion.

use super::*;
use crate::conntrack::{
    expect::{Refused, flag},
    manage::{Change, Denied},
};

fn flow(n: u32) -> Vec<u8> {
    let [a, b, c, d] = (0x0a00_0000 + n).to_be_bytes();
    Packet::udp(&format!("{a}.{b}.{c}.{d}"), 1000, "192.0.2.1", 53, b"").bytes()
}

fn back(n: u32) -> Vec<u8> {
    let [a, b, c, d] = (0x0a00_0000 + n).to_be_bytes();
    Packet::udp("192.0.2.1", 53, &format!("{a}.{b}.{c}.{d}"), 1000, b"").bytes()
}

/// Shows [9.80], [9.112] and [9.114].
#[test]
fn flows_that_are_not_assured_make_room() {
    let mut bench = Bench::sized(100);
    for n in 0..50 {
        bench.pass(&flow(n));
        bench.pass(&back(n));
    }
    bench.now += 3 * S;
    for n in 0..50 {
        bench.pass(&flow(n));
    }
    let assured =
        |bench: &Bench| bench.list().iter().filter(|line| line.contains("[ASSURED]")).count();
    assert_eq!(assured(&bench), 50);
    // A flood: others go, these stay.
    let mut dropped = 0;
    for n in 1000..3000 {
        let entered = bench.pass(&flow(n));
        if entered.verdict == Verdict::Drop {
            assert_eq!(entered.why, Some(Why::TableFull));
            dropped += 1;
        }
        assert!(bench.ct.count() <= 100);
    }
    assert_eq!(assured(&bench), 50);
    let stats = bench.ct.stats;
    assert!(stats.early_drop > 500, "{stats:?}");
    assert_eq!(stats.drop, dropped);
    bench.wait(0);
    bench.wait(200 * S);
    assert_eq!(bench.ct.count(), 0);
}

/// Shows [9.112]: a table of assured flows takes no other.
#[test]
fn a_table_of_assured_flows_is_full() {
    let mut bench = Bench::sized(20);
    for n in 0..20 {
        bench.pass(&flow(n));
        bench.pass(&back(n));
    }
    bench.now += 3 * S;
    for n in 0..20 {
        assert_eq!(bench.info(&flow(n)), Ok(CtInfo::Established));
    }
    assert_eq!(bench.pass(&flow(99)).verdict, Verdict::Drop);
    assert_eq!((bench.ct.stats.drop, bench.ct.stats.early_drop), (1, 0));
    assert_eq!(bench.info(&flow(3)), Ok(CtInfo::Established), "known flows are not hurt");
    bench.rules.max = 10;
    assert_eq!(bench.pass(&flow(99)).verdict, Verdict::Drop);
}

/// Shows [9.108]: translation has given two flows the same answers.
#[test]
fn clashes_are_resolved_where_the_protocol_does_not_mind() {
    let clash = |proto: u8| {
        let mut bench = Bench::new();
        let of = |sport: u16| {
            let packet = Packet::udp("10.0.0.1", sport, "192.0.2.1", 53, b"");
            let l4 = |l4: &mut Vec<u8>| {
                if proto == 6 {
                    l4.truncate(4);
                    l4.extend([0, 0, 0, 9, 0, 0, 0, 0, 0x50, 2, 9, 9, 0, 0, 0, 0]);
                }
            };
            Packet { proto, ..packet }.l4(l4).bytes()
        };
        let (one, two) = (bench.enter(&of(1)), bench.enter(&of(2)));
        let reply = bench.ct.tuples(one.conn.unwrap()).unwrap()[1];
        for entered in [one, two] {
            assert!(bench.ct.alter_reply(entered.conn.unwrap(), Tuple { dport: 77, ..reply }));
            bench.ct.get_mut(entered.conn.unwrap()).unwrap().status |=
                status::SRC_NAT | status::NAT_DONE_MASK;
        }
        let first = bench.ct.confirm(one.conn.unwrap(), one.info, bench.now);
        let second = bench.ct.confirm(two.conn.unwrap(), two.info, bench.now);
        assert_eq!(first, Verdict::Accept);
        bench.balanced();
        (bench, second)
    };
    // Different flows with the same answers cannot both be.
    for proto in [6, 17] {
        let (bench, second) = clash(proto);
        assert_eq!(second, Verdict::Drop);
        let stats = bench.ct.stats;
        assert_eq!((stats.insert_failed, stats.drop, stats.clash_resolve), (1, 1, 0));
    }
}

/// Shows [9.108]: one flow that became two entries, one of them with other answers.
#[test]
fn the_loser_of_a_clash_answers_for_a_second() {
    let mut bench = Bench::new();
    let first = bench.pass(&flow(1));
    bench.ct.get_mut(first.conn.unwrap()).unwrap().status |= status::NAT_DONE_MASK;
    // As another worker of the kernel would: an entry of the same flow beside the first.
    let [original, reply] = bench.ct.tuples(first.conn.unwrap()).unwrap();
    let other = Tuple { dport: 4444, ..reply };
    let hash = bench.ct.hash(&original);
    let index =
        bench.ct.create(&original, &other, hash, Zone::DEFAULT, &bench.rules, bench.now).unwrap();
    bench.ct.entries[index as usize].expires = 30 * S;
    let conn = bench.ct.id(index);
    assert_eq!(bench.ct.confirm(conn, CtInfo::New, bench.now), Verdict::Accept);
    assert_eq!(bench.ct.stats.clash_resolve, 1);
    assert!(bench.ct.get(conn).unwrap().is(status::NAT_CLASH | status::FIXED_TIMEOUT));
    assert_eq!(bench.list().len(), 1, "hidden");
    let answer = Packet::udp("192.0.2.1", 53, "10.0.0.1", 4444, b"").bytes();
    assert_eq!(bench.enter(&answer).conn, Some(conn));
    assert_eq!(bench.enter(&flow(1)).conn, first.conn);
    bench.wait(2 * S);
    assert_eq!(bench.ct.count(), 1);
    // The very same twice: the packets go on with the first.
    let index =
        bench.ct.create(&original, &reply, hash, Zone::DEFAULT, &bench.rules, bench.now).unwrap();
    let conn = bench.ct.id(index);
    assert_eq!(bench.ct.confirm(conn, CtInfo::New, bench.now), Verdict::Accept);
    assert_eq!((bench.ct.stats.clash_resolve, bench.ct.count()), (2, 1));
    bench.wait(S);
}

#[test]
fn a_tuple_is_taken_by_others_and_not_by_the_same_flow() {
    let mut bench = Bench::new();
    let one = bench.pass(&flow(1)).conn.unwrap();
    let two = bench.enter(&flow(2)).conn.unwrap();
    let [_, reply] = bench.ct.tuples(one).unwrap();
    let [_, pending] = bench.ct.tuples(two).unwrap();
    assert!(bench.ct.tuple_taken(&reply, two, bench.now));
    assert!(!bench.ct.tuple_taken(&reply, one, bench.now));
    assert!(bench.ct.tuple_taken(&pending, one, bench.now), "chosen but not confirmed yet");
    assert!(!bench.ct.tuple_taken(&Tuple { dport: 9, ..reply }, two, bench.now));
    assert_eq!(bench.ct.stats.taken, 2);
    bench.now += 31 * S;
    assert!(!bench.ct.tuple_taken(&reply, two, bench.now), "its time is over");
}

/// Many tuples of one hash: the chain has an end.
#[test]
fn a_chain_that_is_too_long_takes_no_more() {
    let limits = Limits { entries: 500, buckets: 1, ..Limits::default() };
    let mut bench = Bench::new();
    bench.ct = Conntrack::new(&limits, 1, bench.now);
    let mut refused = 0;
    for n in 0..200 {
        refused += u64::from(bench.pass(&flow(n)).verdict == Verdict::Drop);
    }
    assert_eq!((bench.ct.stats.chaintoolong, bench.ct.stats.insert_failed), (refused, refused));
    assert!((100..180).contains(&refused), "{refused}");
    bench.wait(S);
}

/// A refused flow makes room in the whole table: what is closing or was never assured goes.
#[test]
fn a_full_table_thins_out_after_a_refusal() {
    let mut bench = Bench::new();
    let limits = Limits { entries: 100, buckets: 100_000, ..Limits::default() };
    bench.ct = Conntrack::new(&limits, 1, bench.now);
    for n in 0..100 {
        bench.pass(&flow(n));
    }
    bench.ct.run(bench.now, &bench.rules, 1000);
    assert_eq!(bench.ct.count(), 100, "a table may be full");
    // None of the chains looked at has an entry.
    assert_eq!(bench.pass(&flow(5000)).verdict, Verdict::Drop);
    bench.wait(0);
    assert_eq!(bench.ct.count(), 94, "down to 95 %");
    bench.wait(S);
    assert_eq!(bench.ct.count(), 94);
    assert_eq!(bench.info(&flow(5000)), Ok(CtInfo::New));
}

/// A table for expectations: a control connection of UDP, and the flow that it announces.
fn announced(bench: &mut Bench, n: u32) -> (ConnId, Expect) {
    let entered = bench.pass(&flow(n));
    let master = entered.conn.unwrap();
    bench.ct.get_mut(master).unwrap().helper = 1;
    let [_, reply] = bench.ct.tuples(master).unwrap();
    let expect = Expect {
        tuple: Tuple { sport: 0, dport: 5000, ..reply },
        mask_src: Addr([0xff; 16]),
        mask_sport: 0,
        master,
        class: 0,
        flags: 0,
        helper: 7,
        follow: 3,
        dir: Dir::Reply,
        saved_addr: Addr::default(),
        saved_port: 0,
        expires: bench.now + 300 * S,
    };
    (master, expect)
}

fn data(n: u32, sport: u16) -> Vec<u8> {
    let [a, b, c, d] = (0x0a00_0000 + n).to_be_bytes();
    Packet::udp("192.0.2.1", sport, &format!("{a}.{b}.{c}.{d}"), 5000, b"").bytes()
}

/// Shows [9.69], [9.89], [9.93], [9.99], [9.159] to [9.161].
#[test]
fn an_announced_flow_is_related_once() {
    let mut bench = Bench::new();
    let (master, expect) = announced(&mut bench, 1);
    bench.ct.get_mut(master).unwrap().mark = 7;
    assert_eq!(bench.ct.expect(expect, 1, &bench.rules), Ok(()));
    let other = Packet::udp("192.0.2.9", 20, "10.0.0.1", 5000, b"").bytes();
    assert_eq!(bench.info(&other), Ok(CtInfo::New), "from another host");
    let entered = bench.pass(&data(1, 20));
    assert_eq!(entered.info, CtInfo::Related);
    let conn = entered.conn.unwrap();
    assert_eq!(bench.ct.fulfilled().map(|expect| expect.follow), Some(3));
    let shown = bench.ct.snapshot(conn, bench.now).unwrap();
    assert!(shown.is(status::EXPECTED));
    assert_eq!((shown.mark, shown.helper, bench.ct.master(conn)), (7, 7, Some(master)));
    assert_eq!(shown.master.map(|tuple| tuple.dport), Some(53));
    assert_eq!(bench.info(&data(1, 20)), Ok(CtInfo::Related), "until it is answered");
    assert_eq!(bench.info(&data(1, 21)), Ok(CtInfo::New), "another is not expected");
    let stats = bench.ct.stats;
    assert_eq!((stats.expect_new, stats.expect_create, stats.expect_delete), (1, 1, 1));
    bench.ct.kill(master, bench.now);
    bench.wait(S);
    assert!(bench.ct.get(conn).is_some(), "children outlive their master");
    assert_eq!(bench.ct.master(conn), None);
}

/// Shows [9.73], [9.162] to [9.165].
#[test]
fn expectations_are_bounded_and_end() {
    let mut bench = Bench::new();
    let (master, expect) = announced(&mut bench, 1);
    let at = |port| Expect { tuple: Tuple { dport: port, ..expect.tuple }, ..expect };
    let ports = |bench: &Bench| -> Vec<u16> {
        bench.ct.expects_of(master).map(|(_, expect)| expect.tuple.dport).collect()
    };
    for port in 1..=3 {
        bench.ct.expect(at(port), 2, &bench.rules).unwrap();
    }
    assert_eq!(ports(&bench), [3, 2], "the oldest of the class goes");
    bench.ct.expect(at(2), 2, &bench.rules).unwrap();
    assert_eq!(ports(&bench), [2, 3], "the same again takes its place");
    let (second, theirs) = announced(&mut bench, 1);
    assert_eq!(second, master);
    let (other, theirs) = (announced(&mut bench, 2).0, theirs);
    let same = Expect { master: other, ..at(2) };
    assert_eq!(bench.ct.expect(same, 2, &bench.rules), Err(Refused::Already));
    let wider = Expect { mask_src: Addr::default(), ..same };
    assert_eq!(bench.ct.expect(wider, 2, &bench.rules), Err(Refused::Busy));
    bench.rules.expect_max = 2;
    let more = Expect { master: other, tuple: Tuple { dport: 9, ..theirs.tuple }, ..theirs };
    assert_eq!(bench.ct.expect(more, 2, &bench.rules), Err(Refused::Full));
    bench.rules.expect_max = 100;
    // Permanent ones stay, inactive ones never match.
    bench.ct.expect(Expect { flags: flag::PERMANENT, ..at(50) }, 0, &bench.rules).unwrap();
    bench.ct.expect(Expect { flags: flag::INACTIVE, ..at(51) }, 0, &bench.rules).unwrap();
    let to = |port| Packet::udp("192.0.2.1", port, "10.0.0.1", port, b"").bytes();
    assert_eq!(bench.info(&to(50)), Ok(CtInfo::Related));
    assert_eq!(
        bench.info(&Packet::udp("192.0.2.1", 1, "10.0.0.1", 50, b"").bytes()),
        Ok(CtInfo::Related)
    );
    assert_eq!(bench.info(&to(51)), Ok(CtInfo::New));
    // Their time ends, and their master takes the rest along.
    let late = Expect { expires: bench.now + 1000 * S, ..at(60) };
    bench.ct.expect(late, 0, &bench.rules).unwrap();
    let change = Change { timeout: Some(5000 * S), ..Change::default() };
    bench.ct.change(master, &change, bench.now).unwrap();
    bench.wait(301 * S);
    assert_eq!(ports(&bench), [60]);
    bench.ct.kill(master, bench.now);
    assert_eq!(bench.ct.expects(), 0);
    assert_eq!(bench.ct.expect(at(1), 0, &bench.rules), Err(Refused::NoHelper));
    bench.balanced();
}

/// Shows [9.161]: nobody can know of a connection that has not left yet.
#[test]
fn a_pending_master_expects_nobody() {
    let mut bench = Bench::new();
    let master = bench.enter(&flow(1)).conn.unwrap();
    let (_, expect) = announced(&mut bench, 2);
    bench.ct.get_mut(master).unwrap().helper = 1;
    let expect = Expect { master, ..expect };
    bench.ct.expect(expect, 0, &bench.rules).unwrap();
    assert_eq!(bench.info(&data(2, 9)), Ok(CtInfo::New));
}

/// Shows [9.106] and [9.147].
#[test]
fn operators_list_change_and_delete() {
    let mut bench = Bench::new();
    for n in 0..10 {
        bench.pass(&flow(n));
    }
    let conn = bench.pass(&flow(3)).conn.unwrap();
    let change = Change { mark: Some((5, 0xff)), labels: Some((4, 6)), ..Change::default() };
    bench.ct.change(conn, &change, bench.now).unwrap();
    assert_eq!((bench.ct.get(conn).unwrap().mark, bench.ct.labels(conn)), (5, Some(4)));
    let sweep = |bench: &mut Bench, wanted: &dyn Fn(&Entry) -> bool| {
        let (mut from, mut all) = (0, 0);
        loop {
            let (next, ended) = bench.ct.sweep(from, 3, bench.now, wanted);
            all += ended;
            match next {
                Some(next) => from = next,
                None => return all,
            }
        }
    };
    assert_eq!(sweep(&mut bench, &|entry| entry.mark == 5), 1);
    assert_eq!(bench.info(&flow(3)), Ok(CtInfo::New), "deleted: new again");
    assert_eq!(sweep(&mut bench, &|_| true), 10);
    assert_eq!(bench.ct.count(), 0);
    bench.wait(S);

    // By hand.
    let tuple = Tuple::of(&flow(1)).unwrap();
    let reply = tuple.inverse().unwrap();
    let wishes = Change {
        status: Some(status::ASSURED | status::SEEN_REPLY | status::FIXED_TIMEOUT),
        ..Change::default()
    };
    let add = |bench: &mut Bench, timeout| {
        bench.ct.add(&tuple, &reply, timeout, &wishes, Zone::DEFAULT, &bench.rules, bench.now)
    };
    assert_eq!(add(&mut bench, 0), Err(Denied::Invalid));
    let conn = add(&mut bench, 50 * S).unwrap();
    assert_eq!(add(&mut bench, 50 * S), Err(Denied::Exists));
    assert_eq!(bench.info(&flow(1)), Ok(CtInfo::Established));
    bench.now += 20 * S;
    bench.pass(&flow(1));
    assert_eq!(bench.only().left, 30 * S, "packets do not refresh it");
    let back = Change { status: Some(status::CONFIRMED), ..Change::default() };
    assert_eq!(bench.ct.change(conn, &back, bench.now), Err(Denied::Busy));
    assert_eq!(bench.ct.stats.created, 1);
    bench.wait(31 * S);
    assert_eq!(bench.ct.change(conn, &back, bench.now), Err(Denied::Gone));
}

/// Shows [9.186].
#[test]
fn labels_are_shown_by_name() {
    let mut bench = Bench::new();
    let conn = bench.pass(&flow(1)).conn.unwrap();
    bench.ct.set_labels(conn, 1 << 127 | 1);
    let mut names = vec![String::new(); 128];
    names[0] = "web".into();
    names[127] = "last".into();
    let options = show::Options { labels: Some(&names), ..Default::default() };
    let line = bench.only().line(&options);
    assert!(line.ends_with("use=1 labels=web,last"), "{line}");
}

/// Shows [9.145]: the line of `conntrack -S`.
#[test]
fn statistics_are_printed_as_the_tool_does() {
    let mut stats = Stats { taken: 1, invalid: 2, created: 3, chaintoolong: 4, ..Stats::default() };
    let other = stats;
    stats.add(&other);
    assert_eq!(
        stats.line(0),
        "cpu=0   \tfound=2 invalid=4 insert=6 insert_failed=0 drop=0 early_drop=0 error=0 \
         search_restart=0 clash_resolve=0 chaintoolong=8 "
    );
    assert!(stats.named().contains(&("invalid", 4)));
}
