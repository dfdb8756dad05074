use super::*;
use crate::{conntrack::Addr, packet::generate::Random};

fn ready<F: Family>(entries: u32) -> FlowTable<F> {
    let mut table = FlowTable::new(entries);
    for _ in 0..=entries / GROWTH as u32 {
        table.grow();
    }
    assert!(table.is_ready());
    table
}

fn learned<F: Family>(key: F::Key, generation: u32, conn: u64) -> Learned<F> {
    let (hop, path, delta, dir) = (7, 0, F::Delta::default(), Dir::Original);
    Learned { key, generation, conn, hop, path, delta, dir, counts: false }
}

fn tuple(six: bool, random: &mut Random) -> Tuple {
    let mut bytes = || {
        let mut all = [0; 16];
        let len = if six { 16 } else { 4 };
        all[..len].iter_mut().for_each(|byte| *byte = random.next_u64() as u8);
        Addr(all)
    };
    let (src, dst) = (bytes(), bytes());
    let proto = if random.next_u64() & 1 == 0 { 6 } else { 17 };
    Tuple {
        src,
        dst,
        sport: random.next_u64() as u16,
        dport: random.next_u64() as u16,
        proto,
        six,
        zone: 0,
    }
}

fn frame(flow: &Tuple, tos: u8, label: u32) -> Vec<u8> {
    let mut frame = vec![0; 12];
    if flow.six {
        frame.extend([0x86, 0xdd]);
        frame.extend((6 << 28 | u32::from(tos) << 20 | label).to_be_bytes());
        frame.extend([0, 20, flow.proto, 9]);
        frame.extend(flow.src.0);
        frame.extend(flow.dst.0);
    } else {
        frame.extend([8, 0, 0x45, tos, 0, 40, 0, 0, 0x40, 0, 9, flow.proto, 0, 0]);
        frame.extend(flow.src.first4());
        frame.extend(flow.dst.first4());
    }
    frame.extend(flow.sport.to_be_bytes());
    frame.extend(flow.dport.to_be_bytes());
    frame.extend([0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x10, 0, 0, 0, 0, 0, 0]);
    frame
}

fn keys_agree<F: Family>() {
    let mut random = Random::new(3);
    for _ in 0..1000 {
        let flow = tuple(F::SIX, &mut random);
        let (tos, label) = (random.next_u64() as u8, random.next_u64() as u32 & 0xf_ffff);
        let iface = random.next_u64() as u16;
        let key = F::key(&frame(&flow, tos, label), iface).unwrap();
        assert!(key == F::key_of(&flow, tos, label, iface));
        assert_eq!(F::is_udp(&key), flow.proto == 17);
        let other = F::key_of(&flow, tos ^ 4, label, iface);
        assert!(key != other);
        assert!(key != F::key_of(&flow, tos, label, iface ^ 1));
    }
}

#[test]
fn a_flow_has_the_key_of_its_packets() {
    keys_agree::<Four>();
    keys_agree::<Six>();
}

fn refused<F: Family>(change: impl Fn(&mut Vec<u8>)) -> bool {
    let flow = Tuple { proto: 6, six: F::SIX, ..tuple(F::SIX, &mut Random::new(1)) };
    let mut frame = frame(&flow, 0, 0);
    assert!(F::key(&frame, 1).is_some());
    change(&mut frame);
    F::key(&frame, 1).is_none()
}

#[test]
fn what_begins_ends_or_is_cut_goes_the_long_way() {
    for flags in [0x02, 0x12, 0x11, 0x14, 0x00, 0x08] {
        assert!(refused::<Four>(|frame| frame[47] = flags), "{flags:x}");
        assert!(refused::<Six>(|frame| frame[67] = flags), "{flags:x}");
    }
    assert!(refused::<Four>(|frame| frame[22] = 1) && refused::<Six>(|frame| frame[21] = 1));
    assert!(refused::<Four>(|frame| frame[20] = 0x20) && refused::<Four>(|frame| frame[21] = 1));
    assert!(refused::<Four>(|frame| frame[14] = 0x46));
    assert!(refused::<Four>(|frame| frame[23] = 1) && refused::<Six>(|frame| frame[20] = 44));
    assert!(refused::<Four>(|frame| frame.truncate(53)));
    assert!(refused::<Six>(|frame| frame.truncate(73)));
}

/// Whether another flow has the same tag where a flow stands first.
fn collides(table: &FlowTable<Four>, key: &FlowKey) -> bool {
    let hash = Four::hash(key);
    table.tags(hash).unwrap().matching(FlowTable::<Four>::tag(hash)).count_ones() > 1
}

#[test]
fn a_generation_ends_what_was_learned_before() {
    let mut table = ready::<Four>(1024);
    let mut random = Random::new(5);
    let flows: Vec<_> = (0..256).map(|_| tuple(false, &mut random)).collect();
    let key = |flow: &Tuple| Four::key_of(flow, 0, 0, 1);
    for (number, flow) in flows.iter().enumerate() {
        table.learn(learned(key(flow), 1, number as u64), |_| true);
    }
    let found = |table: &FlowTable<Four>, flow: &Tuple, generation| {
        let place = table.search(&key(flow), generation);
        if let Some(place) = place {
            let candidate = table.candidate(Four::hash(&key(flow)));
            assert!(candidate == Some(place) || collides(table, &key(flow)));
        }
        place
    };
    for (number, flow) in flows.iter().enumerate() {
        let place = found(&table, flow, 1).expect("a quarter of the places hold all");
        assert_eq!(table.way(place).unwrap().conn, number as u64);
        assert_eq!(found(&table, flow, 2), None);
    }
    // Learned anew it stands where it stood.
    table.learn(learned(key(&flows[0]), 2, 900), |_| true);
    let place = found(&table, &flows[0], 2).unwrap();
    assert_eq!(table.way(place).unwrap().conn, 900);
    assert_eq!(found(&table, &flows[0], 1), None);
}

#[test]
fn the_dead_make_room_and_the_living_seldom() {
    let mut table = ready::<Six>(64);
    let mut random = Random::new(9);
    // All of one home, and of one other.
    let mut key = || loop {
        let key = Six::key_of(&tuple(true, &mut random), 0, 0, 1);
        let hash = Six::hash(&key);
        let places = FlowTable::<Six> { mask: 7, ways: vec![], tags: vec![], turn: 0 };
        if places.first(hash) == 3 && places.second(hash) == 6 {
            break key;
        }
    };
    let all = |table: &FlowTable<Six>| {
        let conns = (0..64).map(|at| table.way(at).unwrap().conn).filter(|conn| *conn != 0);
        let mut conns: Vec<_> = conns.collect();
        conns.sort_unstable();
        conns
    };
    for conn in 1..=16 {
        let key = key();
        table.learn(learned(key, 1, conn), |_| true);
        assert!(table.search(&key, 1).is_some());
        assert!(table.candidate(Six::hash(&key)).is_some());
    }
    assert_eq!(all(&table), (1..=16).collect::<Vec<_>>());
    let mut taken = 0;
    for conn in 20..100 {
        table.learn(learned(key(), 1, conn), |_| true);
        taken += usize::from(all(&table).contains(&conn));
    }
    assert_eq!(taken, 10);
    table.learn(learned(key(), 1, 200), |_| false);
    assert!(all(&table).contains(&200));
    let mut none = FlowTable::<Six>::new(0);
    none.grow();
    none.learn(learned(key(), 1, 1), |_| true);
    assert!(!none.is_ready() && none.way(0).is_none());
}

#[test]
fn paths_carry_what_they_counted_to_every_rule_once() {
    let mut paths = Paths::new(true);
    let by = |paths: &mut Paths, slots: &[u32]| {
        slots.iter().fold(Paths::NONE, |path, slot| paths.extend(path, *slot).unwrap())
    };
    let (one, two) = (by(&mut paths, &[3, 9]), by(&mut paths, &[3, 9, 5, 3]));
    assert_ne!(one, two);
    assert_eq!(one, by(&mut paths, &[3, 9]));
    paths.count(one, 100);
    paths.count(two, 60);
    paths.count(two, 40);
    let mut sums = std::collections::BTreeMap::<u32, (u64, u64)>::new();
    let mut flush = |paths: &mut Paths| {
        paths.flush(|slot, packets, octets| {
            let sum = sums.entry(slot).or_default();
            *sum = (sum.0 + packets, sum.1 + octets);
        });
    };
    flush(&mut paths);
    flush(&mut paths);
    assert_eq!(sums.into_iter().collect::<Vec<_>>(), [(3, (5, 300)), (5, (2, 100)), (9, (3, 200))]);
    paths.clear();
    assert!(!paths.has_counted());
    assert_eq!(by(&mut paths, &[9]), by(&mut paths, &[9]));
}

#[test]
fn there_are_only_so_many_paths() {
    let mut paths = Paths::new(true);
    let known = (0..).take_while(|slot| paths.extend(Paths::NONE, *slot).is_some()).count();
    assert_eq!(known, PATHS - 1);
    assert!(paths.extend(Paths::NONE, 7).is_some(), "one that is known still is");
    assert_eq!(Paths::new(false).extend(Paths::NONE, 1), None);
}
