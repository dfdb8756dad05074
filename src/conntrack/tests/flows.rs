//! Flows without states of their own: UDP and its kin, GRE, unknown protocols; zones, templates.

use super::*;

const A: &str = "10.0.0.1";
const B: &str = "10.0.0.2";

fn ask() -> Vec<u8> {
    Packet::udp(A, 1000, B, 53, b"ask").bytes()
}

fn answer() -> Vec<u8> {
    Packet::udp(B, 53, A, 1000, b"answer").bytes()
}

/// Shows [9.92], [9.94], [9.95], [9.100] and [9.68].
#[test]
fn a_flow_is_new_until_it_is_answered() {
    let mut bench = Bench::new();
    assert_eq!(bench.info(&ask()), Ok(CtInfo::New));
    assert_eq!(bench.info(&ask()), Ok(CtInfo::New));
    assert_eq!(
        bench.only().line(&show::Options::default()),
        "udp      17 30 src=10.0.0.1 dst=10.0.0.2 sport=1000 dport=53 [UNREPLIED] \
         src=10.0.0.2 dst=10.0.0.1 sport=53 dport=1000 mark=0 use=1"
    );
    assert_eq!(bench.info(&answer()), Ok(CtInfo::EstablishedReply));
    assert_eq!(bench.info(&ask()), Ok(CtInfo::Established));
    assert!(bench.only().is(status::SEEN_REPLY | status::CONFIRMED));
    assert!(!bench.only().is(status::ASSURED));
}

/// Shows [9.116] and [9.119]: a flow is a stream when it is alive after two seconds.
#[test]
fn a_flow_both_ways_is_a_stream_after_two_seconds() {
    let mut bench = Bench::new();
    bench.pass(&ask());
    bench.pass(&answer());
    bench.pass(&ask());
    assert_eq!((bench.only().left, bench.only().is(status::ASSURED)), (30 * S, false));
    bench.now += 2 * S;
    bench.pass(&answer());
    assert_eq!((bench.only().left, bench.only().is(status::ASSURED)), (30 * S, false));
    bench.now += 1;
    bench.pass(&ask());
    assert_eq!((bench.only().left, bench.only().is(status::ASSURED)), (120 * S, true));
    bench.wait(119 * S);
    assert_eq!(bench.ct.count(), 1);
    bench.wait(2 * S);
    assert_eq!((bench.ct.count(), bench.ct.stats.expired), (0, 1));
}

/// Shows [9.70]: the time counts from the confirmation on, and an entry is dead on time.
#[test]
fn an_expired_flow_is_new_again_even_before_the_wheel_comes() {
    let mut bench = Bench::new();
    let entered = bench.enter(&ask());
    bench.now += 20 * S;
    bench.ct.confirm(entered.conn.unwrap(), entered.info, bench.now);
    bench.now += 30 * S - 1;
    assert_eq!(bench.info(&answer()), Ok(CtInfo::EstablishedReply));
    bench.now += 30 * S;
    assert_eq!(bench.info(&ask()), Ok(CtInfo::New));
    bench.wait(0);
}

/// Shows [9.87] and [9.108]: the second packet of a new flow in one burst finds the entry of the first.
#[test]
fn two_packets_of_a_new_flow_in_one_burst_share_an_entry() {
    let mut bench = Bench::new();
    let (first, second) = (bench.enter(&ask()), bench.enter(&ask()));
    assert_eq!(first.conn, second.conn);
    assert_eq!((first.fresh, second.fresh, second.info), (true, false, CtInfo::New));
    assert_eq!((bench.ct.count(), bench.ct.pending()), (1, 1));
    for entered in [first, second] {
        let verdict = bench.ct.confirm(entered.conn.unwrap(), entered.info, bench.now);
        assert_eq!(verdict, Verdict::Accept);
    }
    assert_eq!((bench.ct.pending(), bench.ct.stats.insert, bench.ct.stats.new), (0, 1, 1));
    bench.wait(S);
}

/// Shows [9.91] and [9.107]: what is dropped on its way leaves nothing.
#[test]
fn the_last_packet_that_is_dropped_takes_a_pending_entry_with_it() {
    let mut bench = Bench::new();
    let (first, second) = (bench.enter(&ask()), bench.enter(&ask()));
    bench.ct.release(first.conn.unwrap(), bench.now);
    assert_eq!(bench.ct.pending(), 1);
    bench.ct.release(second.conn.unwrap(), bench.now);
    assert_eq!((bench.ct.pending(), bench.ct.count(), bench.ct.stats.abandoned), (0, 0, 1));
    assert_eq!(bench.ct.confirm(first.conn.unwrap(), first.info, bench.now), Verdict::Accept);
    bench.wait(S);
    assert_eq!(bench.ct.get(first.conn.unwrap()).map(|_| ()), None);
    // A packet that never comes back at all.
    bench.enter(&ask());
    bench.wait(59 * S);
    assert_eq!(bench.ct.pending(), 1);
    bench.wait(2 * S);
    assert_eq!(bench.ct.pending(), 0);
}

/// Shows [9.27]: what waits for a program keeps its connection.
#[test]
fn a_connection_whose_packets_are_away_does_not_end_with_the_turn() {
    let mut bench = Bench::new();
    let (first, second) = (bench.enter(&ask()), bench.enter(&ask()));
    let conn = first.conn.unwrap();
    assert_eq!(second.conn, Some(conn));
    bench.ct.park(conn);
    bench.ct.park(conn);
    bench.ct.abandon(bench.now);
    bench.wait(120 * S);
    assert_eq!((bench.ct.pending(), bench.ct.count()), (1, 1), "however long");
    bench.ct.unpark(conn);
    bench.ct.abandon(bench.now);
    assert_eq!(bench.ct.pending(), 1, "the second is away still");
    bench.ct.unpark(conn);
    assert_eq!(bench.ct.confirm(conn, second.info, bench.now), Verdict::Accept);
    assert!(bench.only().is(status::CONFIRMED) && !bench.only().is(status::PARKED));
    // One that comes back and goes nowhere ends with the turn as any other.
    bench.ct.kill(conn, bench.now);
    let third = bench.enter(&ask()).conn.unwrap();
    bench.ct.park(third);
    bench.ct.unpark(third);
    bench.ct.abandon(bench.now);
    assert_eq!((bench.ct.pending(), bench.ct.count()), (0, 0));
    // One that is ended while it is away is gone, and its packets know no connection.
    let fourth = bench.enter(&ask()).conn.unwrap();
    bench.ct.park(fourth);
    assert!(bench.ct.kill(fourth, bench.now));
    bench.ct.unpark(fourth);
    bench.wait(S);
    assert_eq!((bench.ct.pending(), bench.ct.count()), (0, 0));
    assert!(bench.ct.get(fourth).is_none());
}

/// Shows [9.109]: packets of the reply direction put nothing into the table.
#[test]
fn only_the_original_direction_confirms() {
    let mut bench = Bench::new();
    let conn = bench.enter(&ask()).conn.unwrap();
    let verdict = bench.ct.confirm(conn, CtInfo::EstablishedReply, bench.now);
    assert_eq!((verdict, bench.ct.pending()), (Verdict::Accept, 1));
    // The answer cannot be there before the question has left.
    let reply = bench.enter(&answer());
    assert_eq!((reply.info, reply.fresh), (CtInfo::New, true));
}

/// Shows [9.117]: three malformed headers and one without checksum.
#[test]
fn malformed_udp_is_invalid() {
    let mut bench = Bench::new();
    let base = Packet::udp(A, 1, B, 2, b"data");
    for (packet, why) in [
        (base.clone().l4(|l4| l4.truncate(7)).raw(), Why::Short),
        (base.clone().l4(|l4| l4[5] = 13).raw(), Why::Malformed),
        (base.clone().l4(|l4| l4[5] = 7).raw(), Why::Malformed),
        (base.clone().l4(|l4| l4[7] = 1).raw(), Why::BadChecksum),
    ] {
        assert_eq!(bench.info(&packet), Err(why));
    }
    assert_eq!((bench.ct.stats.invalid, bench.ct.stats.error, bench.ct.count()), (4, 0, 0));
    assert_eq!(bench.info(&base.raw()), Ok(CtInfo::New), "zero: not computed");
    let six = Packet::udp("fd00::1", 1, "fd00::2", 2, b"data");
    assert_eq!(bench.info(&six.clone().l4(|l4| l4[7] = 1).raw()), Err(Why::BadChecksum));
    assert_eq!(bench.info(&six.bytes()), Ok(CtInfo::New));
    let short = Packet::new(A, B, 17, vec![0; 3]).raw();
    assert_eq!(bench.info(&short), Err(Why::NoTuple));
    bench.wait(S);
}

/// Shows [9.78]: checksums are verified where packets come in, unless the knob or the device says no.
#[test]
fn checksums_are_verified_at_pre_routing_alone() {
    let bad = Packet::udp(A, 1, B, 2, b"data").l4(|l4| l4[7] = 1).raw();
    let mut bench = Bench::new();
    assert_eq!(bench.info(&bad), Err(Why::BadChecksum));
    let out = EnterCx { hook: Hook::LocalOut, ..EnterCx::new(bench.now, &bench.rules) };
    assert_eq!(bench.ct.enter(&bad, &out).info, CtInfo::New);
    let mut bench = Bench::new();
    let good = EnterCx { checksum_good: true, ..EnterCx::new(bench.now, &bench.rules) };
    assert_eq!(bench.ct.enter(&bad, &good).info, CtInfo::New);
    let mut bench = Bench::new();
    bench.rules.checksum = false;
    assert_eq!(bench.info(&bad), Ok(CtInfo::New));
}

/// Shows [9.120].
#[test]
fn udplite_covers_what_it_says() {
    let mut bench = Bench::new();
    let lite = |cover: u16| {
        Packet::udp(A, 1, B, 2, b"12345678").l4(|l4| l4[4..6].copy_from_slice(&cover.to_be_bytes()))
    };
    let of = |cover| Packet { proto: 136, ..lite(cover) };
    assert_eq!(bench.info(&of(7).bytes()), Err(Why::BadCoverage));
    assert_eq!(bench.info(&of(1).bytes()), Err(Why::BadCoverage));
    assert_eq!(bench.info(&of(17).bytes()), Err(Why::BadCoverage));
    assert_eq!(bench.info(&of(8).raw()), Err(Why::NoChecksum));
    let mut damaged = of(8).bytes();
    damaged[27] ^= 1;
    assert_eq!(bench.info(&damaged), Err(Why::BadChecksum));
    // The kernel looks for the sum of UDP, so that what is right is wrong (`udplite_error`).
    assert_eq!(bench.info(&of(8).bytes()), Err(Why::BadChecksum));
    bench.rules.checksum = false;
    let mut behind = of(8).bytes();
    behind[35] ^= 1;
    assert_eq!(bench.info(&behind), Ok(CtInfo::New), "damage that is not covered");
    assert_eq!(bench.only().left, 30 * S);
    let back = Packet::udp(B, 2, A, 1, b"12345678").l4(|l4| l4[4..6].fill(0));
    assert_eq!(bench.info(&Packet { proto: 136, ..back }.bytes()), Ok(CtInfo::EstablishedReply));
    assert_eq!(bench.info(&of(0).bytes()), Ok(CtInfo::Established));
    assert_eq!((bench.only().left, bench.only().is(status::ASSURED)), (180 * S, true));
}

/// Shows [9.63] and [9.140].
#[test]
fn unknown_protocols_have_one_entry_for_a_pair_of_addresses() {
    let mut bench = Bench::new();
    let ospf = |src, dst, data: &[u8]| Packet::new(src, dst, 89, data.to_vec()).raw();
    assert_eq!(bench.info(&ospf(A, B, b"hello")), Ok(CtInfo::New));
    assert_eq!(bench.info(&ospf(A, B, b"")), Ok(CtInfo::New));
    assert_eq!(bench.info(&ospf(B, A, b"x")), Ok(CtInfo::EstablishedReply));
    assert_eq!(
        bench.list(),
        ["unknown  89 600 src=10.0.0.1 dst=10.0.0.2 src=10.0.0.2 dst=10.0.0.1 mark=0 use=1"]
    );
    bench.wait(601 * S);
    assert_eq!(bench.ct.count(), 0);
}

/// Shows [9.141].
#[test]
fn gre_is_tracked_by_addresses_and_calls_by_number() {
    let mut bench = Bench::new();
    let plain = Packet::new(A, B, 47, vec![0, 0, 8, 0]).raw();
    assert_eq!(bench.info(&plain), Ok(CtInfo::New));
    assert_eq!(
        bench.info(&Packet::new(B, A, 47, vec![0, 0, 8, 0]).raw()),
        Ok(CtInfo::EstablishedReply)
    );
    assert_eq!(bench.only().left, 30 * S);
    assert_eq!(bench.info(&plain), Ok(CtInfo::Established));
    assert_eq!((bench.only().left, bench.only().is(status::ASSURED)), (180 * S, true));
    // A control connection tells which calls belong together.
    let mut bench = Bench::new();
    let master = bench.pass(&ask()).conn.unwrap();
    let call =
        |src, dst, id: u8| Packet::new(src, dst, 47, vec![0x30, 1, 0x88, 0x0b, 0, 0, 0, id]).raw();
    let known = |src: &str, dst: &str, sport, dport| Tuple {
        src: ip(src).into(),
        dst: ip(dst).into(),
        sport,
        dport,
        proto: 47,
        ..Tuple::default()
    };
    for (a, b) in [(7, 9), (8, 10)] {
        assert!(bench.ct.add_call(master, known(A, B, a, b)));
        assert!(bench.ct.add_call(master, known(B, A, b, a)));
    }
    assert_eq!(bench.info(&call(A, B, 9)), Ok(CtInfo::New));
    assert_eq!(bench.info(&call(A, B, 10)), Ok(CtInfo::New));
    assert_eq!(bench.info(&call(B, A, 7)), Ok(CtInfo::EstablishedReply));
    assert_eq!(bench.info(&call(B, A, 8)), Ok(CtInfo::EstablishedReply));
    assert_eq!(bench.ct.count(), 3);
    bench.ct.kill(master, bench.now);
    assert_eq!(bench.info(&call(B, A, 8)), Ok(CtInfo::New), "forgotten with its control");
    assert_eq!(
        bench.info(&Packet::new(A, B, 47, vec![0, 1, 8, 0, 0, 0, 0, 1]).raw()),
        Err(Why::NoTuple)
    );
}

/// Shows [9.179].
#[test]
fn zones_keep_equal_tuples_apart() {
    let mut bench = Bench::new();
    let enter = |bench: &mut Bench, zone, packet: &[u8]| {
        let cx = EnterCx { zone, ..EnterCx::new(bench.now, &bench.rules) };
        let entered = bench.ct.enter(packet, &cx);
        bench.ct.confirm(entered.conn.unwrap(), entered.info, bench.now);
        entered
    };
    let (one, two) = (Zone::both(1), Zone::both(2));
    assert_eq!(enter(&mut bench, one, &ask()).info, CtInfo::New);
    assert_eq!(enter(&mut bench, two, &ask()).info, CtInfo::New);
    assert_eq!(enter(&mut bench, two, &answer()).info, CtInfo::EstablishedReply);
    assert_eq!(enter(&mut bench, Zone::DEFAULT, &answer()).info, CtInfo::New);
    assert_eq!(bench.ct.count(), 3);
    // A zone of the original direction alone: answers come without it.
    let from = Zone { id: 7, original: true, reply: false };
    let ask = Packet::udp(A, 9, B, 9, b"").bytes();
    assert_eq!(enter(&mut bench, from, &ask).info, CtInfo::New);
    let back = Packet::udp(B, 9, A, 9, b"").bytes();
    assert_eq!(enter(&mut bench, Zone::DEFAULT, &back).info, CtInfo::EstablishedReply);
    assert_eq!(enter(&mut bench, from, &ask).info, CtInfo::Established);
    assert!(bench.list().iter().any(|line| line.contains("dport=9 zone-orig=7 src=")));
    bench.wait(S);
}

/// Shows [9.81], [9.177] and [9.181].
#[test]
fn a_template_gives_helper_zone_events_and_timeouts() {
    let mut bench = Bench::new();
    let mut timeouts = Timeouts::default();
    timeouts.udp[0] = 7 * S;
    bench.rules.policies = vec![Policy { name: "short".into(), six: None, proto: 17, timeouts }];
    let template = Template { zone: Some(Zone::both(5)), helper: 3, policy: 1, event_mask: 1 };
    let cx = EnterCx { template: Some(template), ..EnterCx::new(bench.now, &bench.rules) };
    let entered = bench.ct.enter(&ask(), &cx);
    bench.ct.confirm(entered.conn.unwrap(), entered.info, bench.now);
    let shown = bench.only();
    assert_eq!((shown.left, shown.zone, shown.helper, shown.policy), (7 * S, 5, 3, 1));
    assert!(shown.is(status::HELPER));
    let helpers = ["ftp".into(), "tftp".into(), "sip".into()];
    let options = show::Options { helpers: &helpers, extended: true, ..Default::default() };
    let line = shown.line(&options);
    assert!(line.starts_with("ipv4     2 udp      17 7 src="), "{line}");
    assert!(line.ends_with("mark=0 zone=5 helper=sip use=1"), "{line}");
}

/// Shows [9.74], [9.75] and [9.178].
#[test]
fn packets_that_are_known_or_exempt_are_left_alone() {
    let mut bench = Bench::new();
    for (prior, info) in
        [(Prior::Untracked, CtInfo::Untracked), (Prior::Connection, CtInfo::Established)]
    {
        let cx = EnterCx { prior, ..EnterCx::new(bench.now, &bench.rules) };
        let entered = bench.ct.enter(&ask(), &cx);
        assert_eq!((entered.conn, entered.info), (None, info));
    }
    assert_eq!((bench.ct.stats.ignore, bench.ct.count(), bench.ct.stats.searched), (2, 0, 0));
}

/// Shows [9.52] and [9.76].
#[test]
fn what_has_no_transport_is_invalid_and_passes() {
    let mut bench = Bench::new();
    let mut fragment = ask();
    fragment[7] = 5;
    let entered = bench.enter(&fragment);
    assert_eq!((entered.info, entered.verdict), (CtInfo::Invalid, Verdict::Accept));
    assert_eq!((entered.why, bench.ct.stats.invalid), (Some(Why::NoTransport), 1));
    let cx = EnterCx { hook: Hook::LocalOut, ..EnterCx::new(bench.now, &bench.rules) };
    for odd in [&fragment[..], &ask()[..19], &[]] {
        assert_eq!(bench.ct.enter(odd, &cx).verdict, Verdict::Accept);
    }
    assert_eq!(bench.ct.stats.invalid, 1);
}

/// Shows [9.184] and [9.185].
#[test]
fn packets_and_times_are_kept_where_they_are_wanted() {
    let mut bench = Bench::new();
    bench.pass(&Packet::udp(A, 5, B, 5, b"").bytes());
    bench.rules.acct = true;
    bench.rules.timestamp = true;
    bench.pass(&ask());
    bench.pass(&ask());
    bench.pass(&answer());
    bench.now += 5 * S;
    let lines = bench.list();
    assert_eq!(
        lines[0],
        "udp      17 25 src=10.0.0.1 dst=10.0.0.2 sport=1000 dport=53 packets=2 bytes=62 \
         src=10.0.0.2 dst=10.0.0.1 sport=53 dport=1000 packets=1 bytes=34 mark=0 \
         delta-time=5 use=1"
    );
    assert!(!lines[1].contains("packets"), "made before");
}

/// Shows [9.83], [9.110], [9.149] and [9.187].
#[test]
fn events_are_told_when_packets_leave() {
    let mut bench = Bench::new();
    bench.pass(&Packet::udp(A, 5, B, 5, b"").bytes());
    assert!(bench.ct.events().is_empty(), "nobody listens");
    bench.ct.listen(true);
    bench.rules.acct = true;
    let entered = bench.enter(&ask());
    assert!(bench.ct.events().is_empty());
    bench.ct.confirm(entered.conn.unwrap(), entered.info, bench.now);
    bench.pass(&answer());
    bench.pass(&answer());
    bench.now += 3 * S;
    bench.pass(&ask());
    bench.ct.kill(entered.conn.unwrap(), bench.now);
    let mut lines = Vec::new();
    let mut what = Vec::new();
    while let Some(event) = bench.ct.events().pop() {
        lines.push(event.line(&show::Options::default()));
        what.push(event.what);
    }
    assert_eq!(what, [events::NEW, events::REPLY, events::ASSURED, events::DESTROY]);
    assert_eq!(
        lines[0],
        "    [NEW] udp      17 30 src=10.0.0.1 dst=10.0.0.2 sport=1000 dport=53 [UNREPLIED] \
         src=10.0.0.2 dst=10.0.0.1 sport=53 dport=1000"
    );
    assert_eq!(
        lines[3],
        "[DESTROY] udp      17 120 src=10.0.0.1 dst=10.0.0.2 sport=1000 dport=53 packets=2 bytes=62 \
         src=10.0.0.2 dst=10.0.0.1 sport=53 dport=1000 packets=2 bytes=68 [ASSURED]"
    );
}
