//! What is forgotten [7.60 to 7.74].

use super::*;

fn key(number: u32) -> Key {
    Key { iface: IFACE, address: IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + number)) }
}

fn small(thresholds: Thresholds) -> Neighbours<u32> {
    let mut table = table();
    table.set_thresholds(Family::Arp, thresholds);
    table
}

fn linux() -> Neighbours<u32> {
    small(Thresholds::LINUX)
}

#[test]
fn below_the_first_threshold_nothing_is_forgotten() {
    let mut table = linux();
    for number in 0..127 {
        table.learn(0, key(number), MAC);
    }
    table.poll(1_000_000 * SECOND);
    assert_eq!(table.count(Family::Arp), 127);
    assert!(table.stats(Family::Arp).periodic_gc_runs > 60_000);
}

#[test]
fn above_it_what_nobody_has_used_for_a_minute_goes() {
    let mut table = linux();
    for number in 0..200 {
        table.learn(0, key(number), MAC);
    }
    assert!(table.set(0, key(500), MAC, State::Permanent));
    let learned = UpdateFlags { ext_learned: true, ..UpdateFlags::default() };
    let new = (true, false, true);
    table.administer(0, key(501), Some(MAC), State::Stale, learned, 0, new).unwrap();
    table.learn(50 * SECOND, key(502), MAC);
    let at = table.next_deadline().unwrap();
    assert!((60 * SECOND..=75 * SECOND).contains(&at), "{at}");
    table.poll(at - 1);
    assert_eq!(table.count(Family::Arp), 203);
    table.poll(at);
    assert_eq!(table.count(Family::Arp), 3);
    assert_eq!(table.stats(Family::Arp).destroys, 200);
    assert_eq!(table.next_deadline(), None);
}

#[test]
fn what_failed_goes_with_the_next_run() {
    let mut table = linux();
    for number in 0..128 {
        table.handle_use(0, key(number));
    }
    for second in 1..=3 {
        table.poll(second * SECOND);
    }
    assert_eq!(table.stats(Family::Arp).res_failed, 128);
    let next = table.next_deadline().unwrap();
    assert!(next <= 45 * SECOND, "{next}");
    table.poll(next);
    assert_eq!(table.count(Family::Arp), 0);
}

#[test]
fn confirmed_entries_count_their_minute_from_there() {
    let mut table = small(Thresholds { thresh1: 1, ..Thresholds::LINUX });
    table.learn(0, KEY, MAC);
    table.handle_confirmation(100 * SECOND, KEY);
    table.poll(150 * SECOND);
    assert!(table.get(KEY).is_some());
    table.poll(180 * SECOND);
    assert!(table.get(KEY).is_none());
}

#[test]
fn a_scan_fills_the_table_to_its_limit_and_takes_no_live_entry() {
    let mut table = linux();
    for number in 0..300 {
        table.set(0, key(number), MAC, State::Reachable);
        table.set(0, key(1000 + number), MAC, State::Permanent);
    }
    let mut now = 0;
    for absent in 0..100_000 {
        now += 100_000;
        table.handle_packet(now, key(1 << 16 | absent), absent, 60);
        table.poll(now);
        assert!(table.count(Family::Arp) <= 1024 + 300);
    }
    for number in 0..300 {
        assert_eq!(table.get(key(number)).unwrap().state, State::Reachable);
        assert!(table.get(key(1000 + number)).is_some());
    }
    let stats = *table.stats(Family::Arp);
    assert!(stats.table_fulls > 90_000 && stats.forced_gc_runs >= stats.table_fulls);
    let ended: usize = table
        .take_actions()
        .iter()
        .map(|action| match action {
            Action::Drop(_, packets) | Action::Fail(_, packets) => packets.len(),
            _ => 0,
        })
        .sum();
    assert_eq!(ended + table.held(), 100_000);
}

#[test]
fn a_forced_run_takes_failed_entries_first_and_spares_young_ones() {
    let thresholds = Thresholds { interval: 30, thresh1: 0, thresh2: 4, thresh3: 6 };
    let mut table = small(thresholds);
    for number in 0..3 {
        table.learn(number.into(), key(number), MAC);
    }
    for number in 3..5 {
        table.create(0, key(number));
        table.update(0, key(number), None, State::Failed, UpdateFlags::ADMIN).unwrap();
    }
    assert!(table.learn(SECOND, key(5), MAC));
    assert!(table.learn(SECOND, key(6), MAC));
    assert!(table.get(key(3)).is_none() && table.get(key(4)).is_none());
    assert!(table.learn(SECOND, key(7), MAC));
    assert!(!table.learn(SECOND, key(8), MAC), "all are young");
    assert_eq!(table.stats(Family::Arp).table_fulls, 1);
    assert!(table.learn(6 * SECOND - 1, key(8), MAC));
    assert!(table.get(key(0)).is_none() && table.get(key(2)).is_none(), "the oldest went");
    assert!(table.get(key(7)).is_some());
}

#[test]
fn between_the_thresholds_runs_are_five_seconds_apart() {
    let mut table = small(Thresholds { interval: 30, thresh1: 0, thresh2: 2, thresh3: 100 });
    for number in 0..10 {
        table.learn(0, key(number), MAC);
    }
    let runs = |table: &Neighbours<u32>| table.stats(Family::Arp).forced_gc_runs;
    assert_eq!(runs(&table), 0);
    table.learn(5 * SECOND + 1, key(20), MAC);
    assert_eq!((runs(&table), table.count(Family::Arp)), (1, 2));
    table.learn(10 * SECOND, key(21), MAC);
    assert_eq!(runs(&table), 1);
    table.learn(10 * SECOND + 2, key(22), MAC);
    assert_eq!(runs(&table), 2);
}

#[test]
fn permanent_entries_do_not_count_but_for_the_memory_that_they_take() {
    let mut table = Neighbours::<u32>::new(16, 1);
    table.set_thresholds(Family::Arp, Thresholds { thresh3: 4, ..Thresholds::LINUX });
    for number in 0..12 {
        assert!(table.set(0, key(number), MAC, State::Permanent));
    }
    for number in 20..24 {
        assert!(table.create(0, key(number)));
    }
    assert!(!table.create(0, key(30)));
    assert!(!table.set(0, key(31), MAC, State::Permanent), "no memory");
    assert_eq!(table.count(Family::Arp), 16);
}

#[test]
fn a_hundred_thousand_neighbours_cost_no_timers_and_are_all_kept() {
    let mut table = Neighbours::<u32>::new(200_000, 1);
    for number in 0..100_000 {
        assert!(table.learn(0, key(number), MAC));
    }
    assert_eq!(table.count(Family::Arp), 100_000);
    assert!(table.core.deadlines.is_empty());
    // 8 buckets, doubled until they are not fewer than the entries.
    assert_eq!(table.stats(Family::Arp).hash_grows, 14);
}

#[test]
fn a_scan_of_a_million_absent_neighbours_is_refused_beyond_the_table() {
    let mut table = Neighbours::<u32>::new(16_384, 1);
    for absent in 0..1_000_000 {
        table.handle_packet(u64::from(absent) * 1000, key(absent), absent, 60);
        table.take_actions();
    }
    assert_eq!(table.count(Family::Arp), 16_384);
    assert_eq!(table.stats(Family::Arp).table_fulls, 1_000_000 - 16_384);
}
