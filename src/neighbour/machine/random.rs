//! Any order of events keeps what must hold.

use std::collections::HashSet;

use bolero::TypeGenerator;

use super::*;

#[derive(Clone, Copy, Debug, TypeGenerator)]
enum Event {
    Packet(u8, u16),
    Use(u8),
    Used(u8),
    Confirmed(u8),
    Learn(u8, bool),
    Hear(u8, bool, u8),
    Update(u8, u8, u8, Option<bool>),
    Administer(u8, u8, u8, Option<bool>),
    Delete(u8),
    Remove(u8),
    Down(bool, bool),
    Delay(u8),
    Wait(u8),
    Param(u8, u8),
}

fn key(number: u8) -> Key {
    let iface = 1 + u16::from(number & 1);
    let address = match number & 2 {
        0 => IpAddr::V4(Ipv4Addr::new(10, 0, 0, number >> 2)),
        _ => IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, (number >> 2).into())),
    };
    Key { iface, address }
}

fn mac(other: bool) -> MacAddr {
    if other { OTHER } else { MAC }
}

fn flags(bits: u8) -> UpdateFlags {
    UpdateFlags {
        overrides: bits & 1 != 0,
        weak: bits & 2 != 0,
        overrides_router: bits & 4 != 0,
        router: bits & 8 != 0,
        admin: bits & 16 != 0,
        probes: bits & 32 != 0,
        ext_learned: bits & 64 != 0,
        managed: bits & 128 != 0,
    }
}

fn any_state(number: u8) -> State {
    State::ALL[usize::from(number) % State::ALL.len()]
}

/// What workers would know by the actions alone.
#[derive(Default)]
struct Workers {
    known: HashMap<Key, MacAddr>,
    watched: HashSet<Key>,
    out: Vec<u32>,
}

impl Workers {
    fn act(&mut self, table: &mut Neighbours<u32>) {
        for action in table.take_actions() {
            match action {
                Action::Resolved(key, mac) => {
                    self.known.insert(key, mac);
                }
                Action::Unresolved(key) => {
                    assert!(self.known.remove(&key).is_some());
                }
                Action::Watch(key, true) => assert!(self.watched.insert(key)),
                Action::Watch(key, false) => assert!(self.watched.remove(&key)),
                Action::Release(key, packets) => {
                    assert!(self.known.contains_key(&key), "sent to nowhere");
                    self.out.extend(packets);
                }
                Action::Fail(_, packets) | Action::Drop(_, packets) => self.out.extend(packets),
                Action::Redo(packet) => self.out.push(packet),
                Action::Solicit { .. } | Action::Ask(_) | Action::Tell { .. } => {}
            }
        }
    }
}

fn check(table: &Neighbours<u32>, workers: &Workers, now: Nanos) {
    for (key, entry) in table.iter() {
        assert_eq!(workers.known.get(key).copied(), entry.valid_mac(), "{key:?}");
        assert_eq!(workers.watched.contains(key), entry.state == State::Stale);
        assert!(entry.waiting() == 0 || !entry.state.is_valid());
        assert!(entry.deadline().is_none_or(|at| at > now && entry.state.in_timer()));
        assert!(!entry.state.is_valid() || entry.mac.is_some());
        let place = entry.place;
        assert_eq!(place.counted, !entry.is_exempt());
        assert!(place.aged.is_none() || !(entry.state.in_timer() || entry.is_exempt()));
    }
    let valid = table.iter().filter(|(_, entry)| entry.state.is_valid()).count();
    assert_eq!(valid, workers.known.len());
    let waiting: usize = table.iter().map(|(_, entry)| entry.waiting()).sum();
    let proxied: usize = [1, 2]
        .into_iter()
        .flat_map(|iface| Family::ALL.map(|family| table.params(Some(iface), family).proxied()))
        .sum();
    assert_eq!(table.held(), waiting + proxied);
    let timers = table.iter().filter(|(_, entry)| entry.deadline().is_some()).count();
    assert_eq!(timers, table.core.deadlines.len());
    for family in Family::ALL {
        let of = |wanted: fn(&Entry<u32>) -> bool| {
            let mine = |(key, entry): &(&Key, &Entry<u32>)| key.family() == family && wanted(entry);
            table.iter().filter(mine).count()
        };
        let core = &table.core.tables[family as usize];
        assert_eq!(core.entries, of(|_| true));
        assert_eq!(core.counted, of(|entry| entry.place.counted));
        assert_eq!(core.forced.len(), of(|entry| entry.place.forced.is_some()));
        assert_eq!(core.aged.len(), of(|entry| entry.place.aged.is_some()));
        let stats = core.stats;
        assert_eq!(stats.allocs - stats.destroys, core.entries as u64);
    }
    assert!(table.iter().count() <= table.limit());
}

#[test]
fn any_order_of_events_keeps_what_must_hold() {
    bolero::check!().with_type::<Vec<(Event, u8)>>().for_each(|events| {
        let mut table = Neighbours::new(24, 3);
        table.add_device(1, None);
        table.add_device(2, None);
        table.tell(true);
        let thresholds = Thresholds { interval: 30, thresh1: 2, thresh2: 4, thresh3: 8 };
        table.set_thresholds(Family::Arp, thresholds);
        let mut workers = Workers::default();
        let (mut now, mut packets) = (0, 0);
        for &(event, passes) in events {
            now += Nanos::from(passes) * 50_000_000;
            match event {
                Event::Packet(at, len) => {
                    table.handle_packet(now, key(at), packets, usize::from(len) * 16);
                    packets += 1;
                }
                Event::Use(at) => table.handle_use(now, key(at)),
                Event::Used(at) => table.note_used(now, key(at)),
                Event::Confirmed(at) => table.handle_confirmation(now, key(at)),
                Event::Learn(at, other) => {
                    table.learn(now, key(at), mac(other));
                }
                Event::Hear(at, other, how) => {
                    let state = if how & 1 == 0 { State::Stale } else { State::Reachable };
                    let how = (how & 2 != 0, how & 4 != 0);
                    table.hear(now, key(at), mac(other), state, how);
                }
                Event::Update(at, to, how, other) => {
                    let state = any_state(to);
                    let _ = table.update(now, key(at), other.map(mac), state, flags(how));
                }
                Event::Administer(at, to, how, other) => {
                    let verb = (how & 1 != 0, how & 2 != 0, how & 4 != 0);
                    let (mac, state, flags) = (other.map(mac), any_state(to), flags(how));
                    let _ = table.administer(now, key(at), mac, state, flags, how, verb);
                }
                Event::Delete(at) => {
                    table.delete(now, key(at));
                }
                Event::Remove(at) => {
                    table.remove(key(at));
                }
                Event::Down(second, true) => table.handle_link_down(1 + u16::from(second)),
                Event::Down(second, false) => {
                    table.handle_carrier_loss(1 + u16::from(second), Family::Arp);
                }
                Event::Delay(at) => {
                    let key = key(at);
                    table.delay(now, key.iface, key.family(), key.address, packets);
                    packets += 1;
                }
                Event::Wait(tenths) => now += Nanos::from(tenths) * SECOND / 10,
                Event::Param(var, value) => {
                    let var = Var::ALL[usize::from(var) % Var::ALL.len()];
                    let iface = (value & 1 == 0).then_some(1);
                    table.set_param(iface, Family::Arp, var, value.into());
                }
            }
            workers.act(&mut table);
            table.poll(now);
            workers.act(&mut table);
            if let Some(next) = table.next_deadline() {
                assert!(next > now, "a deadline that poll does not serve");
            }
            check(&table, &workers, now);
            let ended: HashSet<u32> = workers.out.iter().copied().collect();
            assert_eq!(ended.len(), workers.out.len(), "no packet comes out twice");
            assert_eq!(ended.len() + table.held(), packets as usize);
        }
    });
}
