//! The update rule, case by case [7.37 to 7.45, 7.76 to 7.78].

use super::*;

const NOTHING: UpdateFlags = UpdateFlags { overrides: false, ..UpdateFlags::OVERRIDE };
const WEAK: UpdateFlags = UpdateFlags { weak: true, ..NOTHING };
const OVERRIDE: UpdateFlags = UpdateFlags::OVERRIDE;

#[test]
fn what_an_update_makes_of_each_state() {
    use State::{
        Delay, Failed, Incomplete, Noarp, None as Fresh, Permanent, Probe, Reachable, Stale,
    };
    let same = Some(MAC);
    let moved = Some(OTHER);
    // Before, address, new state, flags; after, and whether the new address was taken.
    let cases = [
        // A first address is taken whatever the flags [7.43].
        (Fresh, same, Stale, NOTHING, Stale, false),
        (Incomplete, moved, Stale, NOTHING, Stale, true),
        (Incomplete, moved, Reachable, NOTHING, Reachable, true),
        (Failed, moved, Stale, WEAK, Stale, true),
        // The same address: stale news do not degrade what is known better [7.42].
        (Reachable, same, Stale, NOTHING, Reachable, false),
        (Delay, same, Stale, OVERRIDE, Delay, false),
        (Probe, same, Stale, WEAK, Probe, false),
        (Stale, same, Stale, NOTHING, Stale, false),
        (Stale, same, Reachable, NOTHING, Reachable, false),
        (Delay, same, Reachable, NOTHING, Reachable, false),
        (Probe, same, Reachable, NOTHING, Reachable, false),
        // Another address without override [7.41].
        (Reachable, moved, Stale, NOTHING, Reachable, false),
        (Reachable, moved, Reachable, NOTHING, Reachable, false),
        (Reachable, moved, Reachable, WEAK, Stale, false),
        (Stale, moved, Reachable, WEAK, Stale, false),
        (Probe, moved, Reachable, WEAK, Probe, false),
        // With override.
        (Reachable, moved, Stale, OVERRIDE, Stale, true),
        (Reachable, moved, Reachable, OVERRIDE, Reachable, true),
        (Delay, moved, Stale, OVERRIDE, Stale, true),
        (Probe, moved, Reachable, OVERRIDE, Reachable, true),
        // No address: what is known counts [7.40].
        (Stale, None, Reachable, NOTHING, Reachable, false),
        (Probe, None, Reachable, OVERRIDE, Reachable, false),
        // What is not valid takes the state alone [7.39].
        (Reachable, None, Failed, NOTHING, Failed, false),
        (Incomplete, None, Failed, NOTHING, Failed, false),
        // The administrator may do all [7.38].
        (Reachable, same, Stale, UpdateFlags::ADMIN, Stale, false),
        (Permanent, moved, Stale, UpdateFlags::ADMIN, Stale, true),
        (Noarp, moved, Permanent, UpdateFlags::ADMIN, Permanent, true),
        (Stale, same, Delay, UpdateFlags::ADMIN, Delay, false),
    ];
    for (old, mac, new, flags, expected, taken) in cases {
        let mut table = in_state(old, 0);
        let case = format!("{old:?} {mac:?} {new:?} {flags:?}");
        table.update(SECOND, KEY, mac, new, flags).unwrap();
        let entry = table.get(KEY).unwrap();
        assert_eq!(entry.state, expected, "{case}");
        if entry.state.is_valid() {
            assert_eq!(entry.mac == Some(OTHER), taken, "{case}");
        }
        assert_eq!(entry.deadline().is_some(), entry.state.in_timer(), "{case}");
    }
}

#[test]
fn what_is_refused() {
    for old in [State::Noarp, State::Permanent] {
        for flags in [NOTHING, WEAK, OVERRIDE] {
            let mut table = in_state(old, 0);
            let done = table.update(9 * SECOND, KEY, Some(OTHER), State::Reachable, flags);
            assert_eq!(done, Err(Refusal::Locked));
            assert!(table.take_actions().is_empty() && state(&table) == old);
        }
    }
    for old in [State::None, State::Incomplete, State::Failed] {
        let mut table = in_state(old, 0);
        let done = table.update(0, KEY, None, State::Stale, OVERRIDE);
        assert_eq!(done, Err(Refusal::NoAddress));
    }
    let done = table().update(0, KEY, Some(MAC), State::Stale, OVERRIDE);
    assert_eq!(done, Err(Refusal::NotFound));
}

#[test]
fn times_of_an_entry_move_each_by_its_own_event() {
    let ages = |table: &Neighbours<u32>, now| {
        let ages = table.get(KEY).unwrap().ages(now);
        [ages.used, ages.confirmed, ages.updated].map(|age| age / SECOND)
    };
    let mut table = table();
    table.learn(100 * SECOND, KEY, MAC);
    assert_eq!(ages(&table, 110 * SECOND), [10, 70, 10], "confirmed lies in the past [7.11]");
    table.note_used(110 * SECOND, KEY);
    assert_eq!(ages(&table, 110 * SECOND), [0, 70, 0]);
    table.poll(115 * SECOND);
    assert_eq!(ages(&table, 116 * SECOND), [6, 76, 1]);
    table.update(117 * SECOND, KEY, None, State::Reachable, OVERRIDE).unwrap();
    assert_eq!(ages(&table, 117 * SECOND), [0, 0, 0], "what is confirmed is used");
    // The same again confirms, and changes nothing.
    table.update(119 * SECOND, KEY, Some(MAC), State::Reachable, OVERRIDE).unwrap();
    assert_eq!(ages(&table, 120 * SECOND), [3, 1, 3]);
    table.update(120 * SECOND, KEY, Some(OTHER), State::Stale, OVERRIDE).unwrap();
    assert_eq!(ages(&table, 120 * SECOND), [3, 60, 0]);
}

#[test]
fn a_confirmed_entry_stays_reachable_from_its_last_answer_on() {
    let mut table = in_state(State::Reachable, 0);
    let reachable = reachable_time(&table);
    table.update(10 * SECOND, KEY, Some(MAC), State::Reachable, OVERRIDE).unwrap();
    table.poll(reachable + 1);
    assert_eq!(state(&table), State::Reachable);
    assert_eq!(table.next_deadline(), Some(10 * SECOND + reachable));
}

#[test]
fn the_router_mark_changes_only_with_its_own_flag() {
    let router = |flags| UpdateFlags { router: true, ..flags };
    let says = |flags| UpdateFlags { overrides_router: true, ..flags };
    let mut table = in_state(State::Reachable, 0);
    let mut step = |mac, flags, expected| {
        table.update(0, KEY, mac, State::Stale, flags).unwrap();
        assert_eq!(table.get(KEY).unwrap().flags.router, expected, "{flags:?}");
    };
    step(Some(MAC), router(OVERRIDE), false);
    step(Some(MAC), says(router(OVERRIDE)), true);
    step(Some(MAC), OVERRIDE, true);
    step(Some(OTHER), says(NOTHING), true);
    step(Some(MAC), says(OVERRIDE), false);
}

#[test]
fn the_verbs_of_ip_neigh() {
    type Table = Neighbours<u32>;
    let new = |verb| {
        move |table: &mut Table, mac, state| table.administer(0, KEY, mac, state, NOTHING, 0, verb)
    };
    let (add, change) = (new((true, true, false)), new((false, false, true)));
    let (replace, append) = (new((true, false, true)), new((true, false, false)));
    let mut table = table();
    assert_eq!(change(&mut table, Some(MAC), State::Permanent), Err(Refusal::NotFound));
    assert_eq!(add(&mut table, Some(MAC), State::Stale), Ok(()));
    assert_eq!(add(&mut table, Some(MAC), State::Stale), Err(Refusal::Exists));
    // Without replacing, another address is passed over.
    assert_eq!(append(&mut table, Some(OTHER), State::Permanent), Ok(()));
    let entry = table.get(KEY).unwrap();
    assert_eq!((entry.mac, entry.state), (Some(MAC), State::Stale));
    assert_eq!(append(&mut table, Some(MAC), State::Reachable), Ok(()));
    assert_eq!(state(&table), State::Reachable);
    assert_eq!(change(&mut table, Some(OTHER), State::Permanent), Ok(()));
    assert_eq!(table.get(KEY).unwrap().mac, Some(OTHER));
    assert_eq!(replace(&mut table, None, State::Stale), Ok(()));
    assert_eq!(state(&table), State::Stale);
    assert!(table.delete(0, KEY));
    assert_eq!(replace(&mut table, None, State::Permanent), Err(Refusal::NoAddress));
    assert_eq!(state(&table), State::None, "made, and left so");
}

#[test]
fn using_by_command_only_asks() {
    let uses = UpdateFlags { probes: true, ..NOTHING };
    let there = (false, false, true);
    let mut table = in_state(State::Permanent, 0);
    table.administer(0, KEY, None, State::None, uses, 0, there).unwrap();
    assert_eq!(state(&table), State::Incomplete);
    assert_eq!(said(&mut table), ["unresolved", "broadcast 3"]);
    let mut table = in_state(State::Stale, 0);
    table.administer(0, KEY, None, State::None, uses, 0, there).unwrap();
    assert_eq!(state(&table), State::Delay);
}

#[test]
fn marks_are_the_administrators() {
    let mut table = in_state(State::Reachable, 0);
    let learned = UpdateFlags { ext_learned: true, ..NOTHING };
    let there = (false, false, true);
    table.administer(0, KEY, Some(MAC), State::Reachable, learned, 42, there).unwrap();
    let entry = table.get(KEY).unwrap();
    assert!(entry.flags.ext_learned && entry.protocol == 42);
    table.update(0, KEY, Some(OTHER), State::Stale, OVERRIDE).unwrap();
    assert!(table.get(KEY).unwrap().flags.ext_learned);
    table.administer(0, KEY, Some(MAC), State::Reachable, NOTHING, 0, there).unwrap();
    let entry = table.get(KEY).unwrap();
    assert!(!entry.flags.ext_learned && entry.protocol == 42);
}
