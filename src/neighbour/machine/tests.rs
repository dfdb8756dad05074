use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::*;
use crate::neighbour::control::Proxied;

mod collector;
mod random;
mod rules;

const IFACE: u16 = 1;
const KEY: Key = v4(9);
const MAC: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 9]);
const OTHER: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 8]);
const SECOND: Nanos = 1_000_000_000;

const fn v4(last: u8) -> Key {
    Key { iface: IFACE, address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)) }
}

fn table() -> Neighbours<u32> {
    let mut table = Neighbours::new(65_536, 7);
    table.add_device(IFACE, None);
    table
}

/// Actions in short words, in order.
fn said(table: &mut Neighbours<u32>) -> Vec<String> {
    let short = |action: Action<u32>| match action {
        Action::Solicit { mac: Some(_), attempt, .. } => format!("unicast {attempt}"),
        Action::Solicit { attempt, .. } => format!("broadcast {attempt}"),
        Action::Ask(_) => "ask".into(),
        Action::Resolved(_, mac) => format!("resolved {}", mac.octets()[5]),
        Action::Unresolved(_) => "unresolved".into(),
        Action::Watch(_, on) => format!("watch {on}"),
        Action::Release(_, packets) => format!("release {packets:?}"),
        Action::Fail(_, packets) => format!("fail {packets:?}"),
        Action::Drop(why, packets) => format!("drop {why:?} {packets:?}"),
        Action::Redo(packet) => format!("redo {packet}"),
        Action::Tell { state, deleted: false, .. } => state.name().to_lowercase(),
        Action::Tell { state, .. } => format!("deleted {}", state.name().to_lowercase()),
    };
    table.take_actions().into_iter().map(short).collect()
}

fn state(table: &Neighbours<u32>) -> State {
    table.get(KEY).unwrap().state
}

/// A neighbour in a state that it came to in the ordinary way at `now`.
fn in_state(wanted: State, now: Nanos) -> Neighbours<u32> {
    let mut table = table();
    let put = |table: &mut Neighbours<u32>, state| assert!(table.set(now, KEY, MAC, state));
    match wanted {
        State::None => assert!(table.create(now, KEY)),
        State::Incomplete => table.handle_use(now, KEY),
        State::Failed => {
            table.create(now, KEY);
            table.update(now, KEY, None, State::Failed, UpdateFlags::ADMIN).unwrap();
        }
        State::Delay => {
            put(&mut table, State::Stale);
            table.note_used(now, KEY);
        }
        valid => put(&mut table, valid),
    }
    assert_eq!(state(&table), wanted);
    table.take_actions();
    table
}

fn reachable_time(table: &Neighbours<u32>) -> Nanos {
    table.params(Some(IFACE), Family::Arp).reachable_time()
}

#[test]
fn packets_wait_for_the_answer_and_leave_in_order() {
    let mut table = table();
    for packet in 1..=3 {
        table.handle_packet(0, KEY, packet, 100);
    }
    assert_eq!(said(&mut table), ["broadcast 3"]);
    assert_eq!((table.held(), table.hint(KEY)), (3, Some(&3)));
    table.hear(10, KEY, MAC, State::Reachable, (false, false));
    assert_eq!(said(&mut table), ["resolved 9", "release [1, 2, 3]"]);
    assert_eq!((table.held(), state(&table)), (0, State::Reachable));
}

#[test]
fn silence_is_asked_three_times_and_then_the_senders_are_told() {
    let mut table = table();
    table.handle_packet(0, KEY, 1, 100);
    assert_eq!(said(&mut table), ["broadcast 3"]);
    for second in 1..=2 {
        table.poll(second * SECOND - 1);
        assert!(said(&mut table).is_empty());
        table.poll(second * SECOND);
        assert_eq!(said(&mut table).len(), 1);
    }
    table.poll(3 * SECOND);
    assert_eq!(said(&mut table), ["fail [1]"]);
    assert_eq!((state(&table), table.stats(Family::Arp).res_failed), (State::Failed, 1));
    table.handle_packet(4 * SECOND, KEY, 2, 100);
    assert_eq!(said(&mut table), ["broadcast 3"], "asked afresh");
}

#[test]
fn whoever_may_not_be_asked_fails_at_once() {
    let mut table = table();
    table.set_param(None, Family::Arp, Var::McastSolicit, 0);
    table.handle_packet(0, KEY, 1, 100);
    assert_eq!(said(&mut table), ["drop Unasked [1]"]);
    assert_eq!((state(&table), table.held(), table.next_deadline()), (State::Failed, 0, None));
}

#[test]
fn those_who_watch_are_asked_before_all_are() {
    let mut table = table();
    table.set_param(Some(IFACE), Family::Arp, Var::AppSolicit, 2);
    table.set_param(Some(IFACE), Family::Arp, Var::McastSolicit, 1);
    table.handle_packet(0, KEY, 1, 100);
    for second in 1..=4 {
        table.poll(second * SECOND);
    }
    assert_eq!(said(&mut table), ["ask", "ask", "broadcast 5", "fail [1]"]);
}

#[test]
fn the_queue_is_bounded_and_the_oldest_goes_first() {
    let mut table = table();
    for packet in 0..1000 {
        table.handle_packet(0, KEY, packet, 1500);
    }
    let dropped: Vec<u32> = table
        .take_actions()
        .into_iter()
        .flat_map(|action| if let Action::Drop(_, packets) = action { packets } else { vec![] })
        .collect();
    assert_eq!(dropped.len() + table.held(), 1000);
    assert!(table.held() < 150 && dropped[..3] == [0, 1, 2]);
    assert_eq!(table.stats(Family::Arp).unres_discards, dropped.len() as u64);
}

#[test]
fn a_queue_without_room_still_keeps_the_newest() {
    let mut table = table();
    table.set_param(None, Family::Arp, Var::UnresQlenBytes, 0);
    for packet in 1..=3 {
        table.handle_packet(0, KEY, packet, 100);
    }
    assert_eq!(said(&mut table), ["broadcast 3", "drop QueueFull [1]", "drop QueueFull [2]"]);
}

#[test]
fn an_entry_that_nobody_uses_becomes_stale_and_sends_nothing() {
    let mut table = in_state(State::Reachable, 0);
    let expires = reachable_time(&table);
    table.poll(expires);
    assert_eq!(state(&table), State::Reachable);
    table.poll(expires + SECOND);
    assert_eq!((said(&mut table), state(&table)), (vec!["watch true".into()], State::Stale));
    assert_eq!(table.next_deadline(), None, "a stale entry has no timer");
    table.poll(10_000 * SECOND);
    assert_eq!((said(&mut table).len(), state(&table)), (0, State::Stale));
}

#[test]
fn one_in_use_is_probed_by_unicast_and_never_loses_a_packet_while_it_answers() {
    let mut table = in_state(State::Reachable, 0);
    let mut now = 0;
    for _cycle in 0..5 {
        let mut log = Vec::new();
        while state(&table) != State::Stale {
            now = table.next_deadline().unwrap();
            table.poll(now);
            log.extend(said(&mut table));
            table.note_used(now, KEY);
            log.extend(said(&mut table));
            if log.last().is_some_and(|last| last.starts_with("unicast")) {
                table.hear(now, KEY, MAC, State::Reachable, (false, false));
                log.extend(said(&mut table));
                break;
            }
        }
        assert!(!log.iter().any(|said| said == "unresolved"), "{log:?}");
        assert_eq!(log.iter().filter(|said| said.starts_with("unicast")).count(), 1, "{log:?}");
        assert_eq!(state(&table), State::Reachable);
    }
    assert!(now > 5 * 20 * SECOND);
}

#[test]
fn use_of_a_stale_entry_delays_and_then_probes() {
    let mut table = in_state(State::Stale, 0);
    table.note_used(100 * SECOND, KEY);
    assert_eq!((said(&mut table), state(&table)), (vec!["watch false".into()], State::Delay));
    table.poll(105 * SECOND - 1);
    assert_eq!(state(&table), State::Delay);
    table.poll(105 * SECOND);
    assert_eq!((said(&mut table), state(&table)), (vec!["unicast 0".into()], State::Probe));
    for second in 106..=107 {
        table.poll(second * SECOND);
    }
    assert_eq!(said(&mut table), ["unicast 1", "unicast 2"]);
    table.poll(108 * SECOND);
    assert_eq!((said(&mut table), state(&table)), (vec!["unresolved".into()], State::Failed));
}

#[test]
fn after_unicast_questions_broadcast_ones_may_follow() {
    let mut table = in_state(State::Probe, 0);
    table.set_param(None, Family::Arp, Var::UcastSolicit, 1);
    table.set_param(None, Family::Arp, Var::McastResolicit, 2);
    for second in 0..=3 {
        table.poll(second * SECOND);
    }
    assert_eq!(said(&mut table), ["unicast 0", "broadcast 1", "broadcast 2", "unresolved"]);
}

#[test]
fn what_is_confirmed_from_above_needs_no_question() {
    let mut table = in_state(State::Delay, 0);
    table.handle_confirmation(2 * SECOND, KEY);
    table.poll(5 * SECOND);
    assert_eq!((said(&mut table).len(), state(&table)), (0, State::Reachable));
}

#[test]
fn a_stale_answer_releases_packets_that_make_it_be_probed() {
    let mut table = table();
    table.handle_packet(0, KEY, 1, 100);
    table.take_actions();
    assert!(table.learn(SECOND / 2, KEY, MAC));
    assert_eq!(said(&mut table), ["resolved 9", "watch true", "release [1]", "watch false"]);
    assert_eq!(state(&table), State::Delay);
    table.poll(SECOND / 2 + 5 * SECOND);
    assert_eq!(said(&mut table), ["unicast 0"]);
}

#[test]
fn a_timer_is_never_shorter_than_a_hundredth_of_a_second() {
    let mut table = table();
    table.set_param(None, Family::Arp, Var::RetransTime, 0);
    table.handle_packet(0, KEY, 1, 100);
    assert_eq!(table.next_deadline(), Some(SECOND / 100));
}

#[test]
fn a_second_claim_within_the_locktime_is_not_believed_unless_announced() {
    let mut table = table();
    table.learn(0, KEY, MAC);
    let claim = |table: &mut Neighbours<u32>, at, announced| {
        table.hear(at, KEY, OTHER, State::Stale, (false, announced));
        table.get(KEY).unwrap().mac
    };
    assert_eq!(claim(&mut table, SECOND / 2, false), Some(MAC));
    assert_eq!(claim(&mut table, SECOND, false), Some(MAC));
    assert_eq!(claim(&mut table, SECOND + 1, false), Some(OTHER));
    table.learn(SECOND + 2, KEY, MAC);
    assert_eq!(table.get(KEY).unwrap().mac, Some(MAC), "a request is believed at once");
    assert_eq!(claim(&mut table, SECOND + 3, true), Some(OTHER));
}

#[test]
fn strangers_teach_nothing_unless_accepted() {
    let mut table = table();
    table.hear(0, KEY, MAC, State::Reachable, (false, true));
    assert!(table.get(KEY).is_none());
    table.hear(0, KEY, MAC, State::Stale, (true, true));
    assert_eq!(state(&table), State::Stale);
}

#[test]
fn the_same_address_on_two_interfaces_is_two_neighbours() {
    let mut table = table();
    let there = Key { iface: 2, ..KEY };
    table.learn(0, KEY, MAC);
    table.learn(0, there, OTHER);
    let mac = |key| table.get(key).unwrap().mac;
    assert_eq!((mac(KEY), mac(there)), (Some(MAC), Some(OTHER)));
}

#[test]
fn nobody_is_asked_for_a_group_or_where_nobody_answers() {
    let mut table = table();
    table.add_device(3, Some(OTHER));
    let group6 = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 5);
    for (iface, address, mac) in [
        (1, IpAddr::V4(Ipv4Addr::new(224, 0, 0, 5)), [1, 0, 0x5e, 0, 0, 5]),
        (1, IpAddr::V4(Ipv4Addr::BROADCAST), [0xff; 6]),
        (1, IpAddr::V6(group6), [0x33, 0x33, 0, 0, 0, 5]),
        (3, IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), OTHER.octets()),
    ] {
        let key = Key { iface, address };
        table.handle_packet(0, key, 1, 100);
        let entry = table.get(key).unwrap();
        assert_eq!((entry.state, entry.mac), (State::Noarp, Some(MacAddr::new(mac))));
        let log = said(&mut table);
        assert_eq!(log[1..], ["release [1]"], "{log:?}");
    }
}

#[test]
fn a_link_that_goes_down_forgets_its_neighbours_in_silence() {
    let mut table = table();
    table.handle_packet(0, v4(1), 1, 100);
    table.set(0, v4(2), MAC, State::Permanent);
    table.learn(0, v4(3), MAC);
    table.learn(0, Key { iface: 2, ..KEY }, MAC);
    table.add_proxy(Some(IFACE), v4(7).address, Proxied::default());
    table.delay(0, IFACE, Family::Arp, v4(7).address, 70);
    table.take_actions();
    table.handle_carrier_loss(IFACE, Family::Arp);
    let log = said(&mut table);
    let expected = ["drop Flushed [1]", "watch false", "unresolved", "drop Flushed [70]"];
    assert_eq!(log, expected);
    assert!(table.get(v4(2)).is_some() && table.proxy(IFACE, v4(7).address).is_none());
    table.handle_link_down(IFACE);
    assert_eq!((table.iter().count(), table.held()), (1, 0));
}

#[test]
fn a_deleted_neighbour_fails_first() {
    let mut table = table();
    table.tell(true);
    table.handle_packet(0, KEY, 1, 100);
    table.take_actions();
    assert!(table.delete(1, KEY));
    assert_eq!(said(&mut table), ["fail [1]", "failed", "deleted failed"]);
    assert!(!table.delete(1, KEY));
    table.set(2, KEY, MAC, State::Permanent);
    table.take_actions();
    assert!(table.delete(3, KEY));
    assert_eq!(said(&mut table), ["unresolved", "failed", "deleted failed"]);
    let stats = table.stats(Family::Arp);
    assert_eq!((stats.allocs, stats.destroys, stats.res_failed), (2, 2, 1));
}

#[test]
fn watchers_hear_what_the_kernel_tells() {
    let mut table = table();
    table.tell(true);
    table.learn(0, KEY, MAC);
    assert_eq!(said(&mut table), ["resolved 9", "watch true", "stale"]);
    table.note_used(0, KEY);
    table.poll(5 * SECOND);
    assert_eq!(said(&mut table), ["watch false", "unicast 0", "probe"]);
    table.hear(5 * SECOND, KEY, MAC, State::Reachable, (false, false));
    assert_eq!(said(&mut table), ["reachable"]);
    table.hear(6 * SECOND, KEY, MAC, State::Stale, (false, false));
    assert!(said(&mut table).is_empty());
}

#[test]
fn managed_neighbours_stay_resolved_without_traffic() {
    let mut table = table();
    let flags = UpdateFlags { managed: true, ..UpdateFlags::default() };
    let new = (true, false, true);
    table.administer(0, KEY, None, State::None, flags, 0, new).unwrap();
    assert_eq!(said(&mut table), ["broadcast 3"]);
    table.hear(1, KEY, MAC, State::Stale, (false, false));
    table.take_actions();
    table.poll(5 * SECOND);
    assert_eq!(state(&table), State::Delay);
    let permanent = table.administer(0, v4(1), None, State::Permanent, flags, 0, new);
    assert_eq!(permanent, Err(Refusal::Permanent));
}

#[test]
fn a_default_reaches_those_interfaces_that_have_no_value_of_their_own() {
    let mut table = table();
    table.add_device(2, None);
    let get =
        |table: &Neighbours<u32>, iface| table.params(iface, Family::Arp).get(Var::UcastSolicit);
    table.set_param(Some(2), Family::Arp, Var::UcastSolicit, 9);
    table.set_param(None, Family::Arp, Var::UcastSolicit, 5);
    table.add_device(3, None);
    assert_eq!([Some(1), Some(2), Some(3), None].map(|iface| get(&table, iface)), [5, 9, 5, 5]);
    assert_eq!(table.params(Some(1), Family::Ndisc).get(Var::UcastSolicit), 3);
}

#[test]
fn the_reachable_time_is_random_between_half_and_one_and_a_half_and_drawn_anew() {
    let mut table = table();
    for iface in 2..200 {
        table.add_device(iface, None);
    }
    let times = |table: &Neighbours<u32>| -> Vec<Nanos> {
        (1..200).map(|iface| table.params(Some(iface), Family::Arp).reachable_time()).collect()
    };
    let before = times(&table);
    assert!(before.iter().all(|time| (15 * SECOND..45 * SECOND).contains(time)));
    let spread = before.iter().max().unwrap() - before.iter().min().unwrap();
    assert!(spread > 25 * SECOND);
    table.poll(300 * SECOND);
    assert_eq!(times(&table), before);
    table.poll(301 * SECOND);
    assert_ne!(times(&table), before);
    table.set_param(Some(1), Family::Arp, Var::BaseReachableTime, 2000);
    assert!((SECOND..3 * SECOND).contains(&reachable_time(&table)));
    table.set_param(Some(1), Family::Arp, Var::BaseReachableTime, 0);
    assert_eq!(reachable_time(&table), 0);
}

#[test]
fn names_and_units_are_those_of_sysctl() {
    let names: Vec<_> = Var::ALL.iter().map(|var| var.name()).collect();
    assert_eq!(names.len(), 14);
    let params = table();
    let params = params.params(None, Family::Arp);
    assert_eq!(params.unres_qlen(), 101, "as the kernel shows it");
    assert_eq!(params.time(Var::Locktime), SECOND);
    assert_eq!(params.time(Var::ProxyDelay), 800_000_000);
    let stats = table().stats(Family::Ndisc).all().map(|(name, _)| name);
    assert_eq!(stats[8..], ["periodic_gc_runs", "forced_gc_runs", "unres_discards", "table_fulls"]);
}

#[test]
fn delayed_answers_wait_up_to_the_proxy_delay_and_few_wait() {
    let mut table = table();
    let target = v4(50).address;
    for question in 0..200 {
        table.delay(0, IFACE, Family::Arp, target, question);
    }
    // "More than" the limit is too many, so one more waits.
    assert_eq!((table.held(), said(&mut table).len()), (65, 135));
    let last = 800_000_000;
    table.poll(last / 2);
    let half = said(&mut table).len();
    assert!((10..55).contains(&half), "{half}");
    table.poll(last);
    assert_eq!((said(&mut table).len() + half, table.held()), (65, 0));
    table.delay(last, IFACE, Family::Arp, target, 7);
    assert_eq!(table.held(), 1);
}

#[test]
fn proxy_entries_of_an_interface_go_before_those_of_all() {
    let mut table = table();
    let address = v4(50).address;
    table.add_proxy(None, address, Proxied { protocol: 4, ..Proxied::default() });
    table.add_proxy(Some(IFACE), address, Proxied { router: true, ..Proxied::default() });
    assert!(table.proxy(IFACE, address).unwrap().router);
    assert!(!table.proxy(2, address).unwrap().router);
    assert_eq!(table.proxy(2, v4(51).address), None);
    assert_eq!(table.delete_proxy(Some(2), address), Err(Refusal::NotFound));
    table.delete_proxy(None, address).unwrap();
    assert_eq!(table.proxies().count(), 1);
}
