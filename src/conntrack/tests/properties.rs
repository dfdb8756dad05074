//! Any packets in any order; the table against a plain map; sizes and timings.

use std::{collections::HashMap, hint::black_box};

use super::*;
use crate::conntrack::sample::drive;
use crate::conntrack::table::Warm;
use crate::packet::generate::Random;

#[test]
fn any_packets_in_any_order_leave_the_books_balanced() {
    bolero::check!().for_each(|bytes: &[u8]| drive(bytes));
}

/// The same with many packets, as the fuzzer alone would need long to get there.
#[test]
fn many_random_packets_leave_the_books_balanced() {
    let mut random = Random::new(5);
    for _ in 0..60 {
        let bytes: Vec<u8> = (0..4000).map(|_| random.next_u64() as u8).collect();
        drive(&bytes);
    }
}

/// The table against a map of tuples: made, asked, ended, run out of time.
#[test]
fn the_table_agrees_with_a_map() {
    let mut random = Random::new(11);
    let mut bench = Bench::sized(5000);
    let mut model: HashMap<u32, Nanos> = HashMap::new();
    let packet = |n: u32, reply: bool| {
        let [a, b] = [n.to_be_bytes(), (n ^ 0xffff).to_be_bytes()]
            .map(|[_, _, c, d]| format!("10.{}.{c}.{d}", n >> 16 & 0xff));
        let (a, b) = if reply { (b, a) } else { (a, b) };
        let (from, to) = if reply { (2, 1) } else { (1, 2) };
        Packet::new(&a, &b, 200, vec![]).l4(|l4| l4.extend([from, to])).raw()
    };
    let life = bench.rules.timeouts.generic;
    for _ in 0..100_000 {
        let n = random.below(3000) as u32;
        match random.below(8) {
            0..=4 => {
                let known = model.get(&n).is_some_and(|ends| *ends > bench.now);
                let reply = known && random.below(2) == 0;
                let info = bench.info(&packet(n, reply)).unwrap();
                assert_eq!(
                    info != CtInfo::New || bench_is_unanswered(&mut bench, &packet(n, false)),
                    known || info == CtInfo::New
                );
                assert!(known || info == CtInfo::New);
                assert!(!reply || info == CtInfo::EstablishedReply);
                model.insert(n, bench.now + life);
            }
            5 => {
                let tuple = Tuple::of(&packet(n, random.below(2) == 0)).unwrap();
                let found = bench.ct.lookup(&tuple, bench.now);
                let known = model.get(&n).is_some_and(|ends| *ends > bench.now);
                assert_eq!(found.is_some(), known, "{n}");
            }
            6 => {
                let tuple = Tuple::of(&packet(n, false)).unwrap();
                if let Some((conn, _)) = bench.ct.lookup(&tuple, bench.now) {
                    bench.ct.kill(conn, bench.now);
                }
                model.remove(&n);
            }
            _ => {
                let span = random.below(2) * S * 3;
                bench.now += span;
                bench.ct.run(bench.now, &bench.rules, 64);
            }
        }
    }
    let live = model.values().filter(|ends| **ends > bench.now).count();
    bench.wait(0);
    assert_eq!(bench.list().len(), live);
}

fn bench_is_unanswered(bench: &mut Bench, packet: &[u8]) -> bool {
    let tuple = Tuple::of(packet).unwrap();
    bench
        .ct
        .lookup(&tuple, bench.now)
        .is_some_and(|(conn, _)| !bench.ct.get(conn).unwrap().is(status::SEEN_REPLY))
}

/// A million connections with all that may be kept beside them.
#[test]
fn a_million_connections_take_less_than_400_mib() {
    let limits = Limits { entries: 1 << 20, buckets: 1 << 20, ..Limits::default() };
    let ct = Conntrack::new(&limits, 1, 0);
    let entry = size_of::<Entry>() + 4 * 8 + 2 * 8 + 2 * 8;
    let all = entry * (limits.entries as usize + 1025) + ct.buckets() as usize * 16;
    assert!(all < 400 << 20, "{} MiB", all >> 20);
    assert_eq!(ct.entries.capacity(), limits.entries as usize + 1025, "reserved once");
}

/// Time that this thread has had on a core: others share the machine.
fn spent() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Figures, in a build with optimisation: `cargo test --release -- --ignored --nocapture`.
#[test]
#[ignore = "prints timings"]
fn timings() {
    let limits = Limits { entries: 1 << 20, buckets: 1 << 20, ..Limits::default() };
    let rules = Rules { max: 0, checksum: false, ..Rules::default() };
    let mut ct = Conntrack::new(&limits, 1, 0);
    let packets: Vec<Vec<u8>> = (0..1_000_000u32)
        .map(|n| {
            let [_, b, c, d] = n.to_be_bytes();
            Packet::udp(&format!("10.{b}.{c}.{d}"), 1000, "192.0.2.1", 53, b"").raw()
        })
        .collect();
    let mut now = S;
    let mut longest = 0;
    let started = spent();
    for burst in packets.chunks(32) {
        let one = spent();
        let cx = EnterCx::new(now, &rules);
        for packet in burst {
            let entered = ct.enter(packet, &cx);
            if let Some(conn) = entered.conn {
                ct.confirm(conn, entered.info, now);
            }
        }
        longest = longest.max(spent() - one);
    }
    let each = |started: u64, n: usize| (spent() - started) as f64 / n as f64;
    println!("new flow: {:.0} ns, longest burst {longest} ns", each(started, packets.len()));
    let mut order: Vec<usize> = (0..packets.len()).collect();
    Random::new(1).shuffle(&mut order);
    for (name, flows) in [("10,000 flows", 10_000), ("1,000,000 flows", packets.len())] {
        let order: Vec<usize> = order.iter().map(|n| n % flows).collect();
        for warm in [false, true] {
            let started = spent();
            for burst in order.chunks(64) {
                now += 1000;
                let cx = EnterCx::new(now, &rules);
                let mut prepared = [Prepared::default(); 64];
                for (prepared, n) in prepared.iter_mut().zip(burst) {
                    *prepared = ct.prepare(&packets[*n], &cx);
                }
                if warm {
                    let mut nodes = [Warm::default(); 64];
                    for (node, prepared) in nodes.iter_mut().zip(&prepared) {
                        *node = ct.warm(prepared.hash());
                    }
                    black_box(nodes.map(|node| ct.warm_entry(node)));
                }
                for (prepared, n) in prepared.iter().zip(burst) {
                    let entered = ct.enter_prepared(&packets[*n], prepared, &cx);
                    if let Some(conn) = entered.conn {
                        ct.confirm(conn, entered.info, now);
                    }
                }
            }
            println!("{name}, warmed {warm}: {:.1} ns", each(started, order.len()));
        }
    }
    let started = spent();
    let (mut turns, mut longest) = (0, 0);
    now += 31 * S;
    while ct.count() != 0 {
        let one = spent();
        ct.run(now, &rules, 256);
        longest = longest.max(spent() - one);
        turns += 1;
    }
    println!(
        "expiry: {:.0} ns each, {turns} turns, longest {longest} ns",
        each(started, packets.len())
    );
}
