//! Which buckets move, and what becomes of objects.

use std::net::Ipv4Addr;

use super::*;
use crate::route::doubles::Up;

#[test]
fn buckets_of_those_who_stay_do_not_move_when_one_leaves() {
    let mut buckets = vec![0; 128];
    assert!(!balance(&mut buckets, &[(1, 1), (2, 1), (3, 2)], |_| true));
    let count = |buckets: &[u32], id| buckets.iter().filter(|owner| **owner == id).count();
    assert_eq!([1, 2, 3].map(|id| count(&buckets, id)), [32, 32, 64]);
    let before = buckets.clone();
    assert!(!balance(&mut buckets, &[(1, 1), (3, 2)], |_| false));
    for (old, new) in before.iter().zip(&buckets) {
        assert!(old == new || *old == 2, "only what was 2's moves");
    }
    assert_eq!([1, 3].map(|id| count(&buckets, id)), [43, 85]);
}

#[test]
fn a_new_member_gets_only_idle_buckets() {
    let mut buckets = vec![0; 64];
    balance(&mut buckets, &[(1, 1)], |_| true);
    assert!(balance(&mut buckets, &[(1, 1), (2, 1)], |bucket| bucket < 10));
    assert_eq!(buckets.iter().filter(|owner| **owner == 2).count(), 10);
    assert!(!balance(&mut buckets, &[(1, 1), (2, 1)], |_| true));
    assert_eq!(buckets.iter().filter(|owner| **owner == 2).count(), 32);
}

#[test]
fn what_is_of_ipv4_carries_no_routes_of_ipv6_and_takes_nobody_s_place_who_does() {
    let (mut nexthops, mut hops) = (Nexthops::default(), Hops::new(64));
    let resolve = |_: &NextHopSpec| Err(NexthopError::Incomplete);
    let mut set = |nexthops: &mut Nexthops, id, six, serves_six, kind| {
        let spec = NexthopSpec { id, protocol: 0, six, kind };
        let around = Around { now: 0, resolve: &resolve, serves_six };
        nexthops.set(Verb::Replace, &spec, &around, &Up, &mut hops)
    };
    let group = |id| NexthopKind::Group { members: vec![(id, 1)], resilient: None };
    for (id, six) in [(1, false), (2, true)] {
        set(&mut nexthops, id, six, false, NexthopKind::Blackhole).unwrap();
        set(&mut nexthops, id + 10, false, false, group(id)).unwrap();
    }
    let fits = [1, 2, 11, 12].map(|id| nexthops.check_six(id).is_ok());
    assert_eq!(fits, [false, true, false, true]);
    let refused = Err(NexthopError::OfFour(RouteError::ObjectOfFour));
    assert_eq!(set(&mut nexthops, 2, false, true, NexthopKind::Blackhole), refused);
    assert_eq!(set(&mut nexthops, 12, false, true, group(1)), refused);
    assert_eq!(set(&mut nexthops, 12, false, true, group(2)), Ok(12));
}

#[test]
fn flows_of_a_resilient_group_stay_when_another_next_hop_is_lost() {
    let (mut nexthops, mut hops) = (Nexthops::default(), Hops::new(64));
    let resolve = |stated: &NextHopSpec| {
        let gateway = stated.via;
        Ok(Nexthop { iface: 1, gateway, weight: 1, onlink: false })
    };
    let set = |nexthops: &mut Nexthops, hops: &mut Hops, id, kind| {
        let spec = NexthopSpec { id, protocol: 0, six: false, kind };
        let around = Around { now: 0, resolve: &resolve, serves_six: false };
        nexthops.set(Verb::Add, &spec, &around, &Up, hops).unwrap();
    };
    for id in 1..=4 {
        let via = Some(std::net::IpAddr::V4(Ipv4Addr::new(10, 0, 0, id as u8)));
        let kind = NexthopKind::Via { via, dev: Some("up".into()), onlink: false };
        set(&mut nexthops, &mut hops, id, kind);
    }
    let resilient = ResilientSpec { buckets: 512, idle_timer: 12_000, unbalanced_timer: 0 };
    let members = vec![(1, 1), (2, 1), (3, 2), (4, 4)];
    let kind = NexthopKind::Group { members, resilient: Some(resilient) };
    set(&mut nexthops, &mut hops, 10, kind);
    let group = nexthops.hop(10, false).unwrap();
    let ways = |hops: &Hops| -> Vec<u32> {
        let of = |flow: u32| {
            let hash = crate::packet::l3_hash(flow, 0x0a00_0001, 7);
            hops.table().member(hops.table().get(group), hash)
        };
        (0..100_000).map(of).collect()
    };
    let before = ways(&hops);
    let lost = nexthops.leaf(2, 0);
    let due = [(1, 0.125), (2, 0.125), (3, 0.25), (4, 0.5)];
    for (id, due) in due {
        let leaf = nexthops.leaf(id, 0);
        let share = before.iter().filter(|way| **way == leaf).count() as f64 / 100_000.0;
        assert!((share - due).abs() < 0.02, "{id}: {share} for {due}");
    }
    nexthops.delete(2, 0, &Up, &mut hops).unwrap();
    let after = ways(&hops);
    let moved = before.iter().zip(&after).filter(|(old, new)| old != new).count();
    assert!(before.iter().zip(&after).all(|(old, new)| old == new || *old == lost));
    assert_eq!(moved, before.iter().filter(|way| **way == lost).count());
    assert!(after.iter().all(|way| *way != lost));
}
