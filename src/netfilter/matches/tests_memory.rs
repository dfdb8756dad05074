//! Matches that remember, and every match with every packet.

use std::net::IpAddr;

use crate::netfilter::doubles::*;
use crate::netfilter::rule::*;
use crate::netfilter::view::{Conn, ConnState, PacketFacts, View};
use crate::netfilter::{DropCause, Env, Program, Slots, Verdict, compile, evaluate};

const MS: u64 = 1_000_000;

/// A program whose only rule takes the packets that a match holds for.
struct One {
    program: Program,
    slots: Slots,
}

impl One {
    fn new(asked: Match) -> Self {
        Self::of_workers(2, asked)
    }

    fn of_workers(workers: usize, asked: Match) -> Self {
        let mut slots = Slots::new(workers);
        let program = compile(&Self::ruleset(asked), LINKS, &mut slots, &[]).unwrap();
        Self { program, slots }
    }

    fn ruleset(asked: Match) -> Ruleset {
        let rule = rule_of(0, vec![asked], Target::Drop);
        ruleset(Family::Four, TableName::Mangle, Hook::Forward, rule)
    }

    fn again(&mut self, asked: Match, renewed: &[TableName]) {
        self.program = compile(&Self::ruleset(asked), LINKS, &mut self.slots, renewed).unwrap();
    }

    fn at(&self, now: u64, packet: &[u8]) -> bool {
        let about = PacketFacts { now: now * MS, ..PacketFacts::default() };
        self.hit(about, packet, &mut World::default(), 0)
    }

    fn hit(&self, about: PacketFacts<'_>, packet: &[u8], world: &mut World, worker: usize) -> bool {
        let mut bytes = packet.to_vec();
        let mut view = View::new(&mut bytes, packet.len(), about).unwrap();
        let entry = self.program.entry(TableName::Mangle, Hook::Forward).unwrap();
        evaluate(&self.program, entry, &mut view, world, worker) == Verdict::Drop(DropCause::Rule)
    }
}

fn from(last: u8) -> Vec<u8> {
    let mut packet = udp(1, 2);
    packet[15] = last;
    packet
}

#[test]
fn a_limit_survives_other_rules_but_not_its_table() {
    let limit = || Match::Limit(Limit { period: 10_000, burst: 3 });
    let mut one = One::new(limit());
    let hits = |one: &One, now| (0..10).filter(|_| one.at(now, &udp(1, 2))).count();
    assert_eq!(hits(&one, 5000), 3);
    one.again(limit(), &[]);
    assert_eq!(hits(&one, 5000), 0);
    assert_eq!(hits(&one, 7000), 2);
    one.again(limit(), &[TableName::Mangle]);
    assert_eq!(hits(&one, 7000), 3);
}

fn hashlimit(rate: HashRate, above: bool) -> HashLimit {
    HashLimit {
        name: "h".into(),
        above,
        rate,
        by_destination: false,
        by_source: true,
        by_destination_port: false,
        by_source_port: false,
        source_mask: 32,
        destination_mask: 32,
        buckets: 0,
        max: 0,
        gc_interval: 1000,
        expire: 10_000,
        rate_match: false,
        rate_interval: 1,
    }
}

#[test]
fn each_group_has_a_bucket() {
    let rate = HashRate::Packets { period: 100_000, burst: 4 };
    let one = One::new(Match::HashLimit(Box::new(hashlimit(rate, false))));
    let hits = |now, last| (0..10).filter(|_| one.at(now, &from(last))).count();
    assert_eq!((hits(1000, 1), hits(1000, 2)), (4, 4));
    assert_eq!((hits(1000, 1), hits(1100, 1), hits(1300, 2)), (0, 1, 3));
    let above = One::new(Match::HashLimit(Box::new(hashlimit(rate, true))));
    assert_eq!((0..10).filter(|_| above.at(1000, &from(1))).count(), 6);
    // A net is one group.
    let net = HashLimit { source_mask: 24, ..hashlimit(rate, false) };
    let net = One::new(Match::HashLimit(Box::new(net)));
    assert_eq!((1..=10).filter(|last| net.at(1000, &from(*last))).count(), 4);
    // By port, of packets that have no room for one.
    let ports = HashLimit { by_source_port: true, ..hashlimit(rate, false) };
    let asked = Match::HashLimit(Box::new(ports));
    assert_eq!(ask(0, asked, &udp(1, 2)[..22]), None);
}

#[test]
fn workers_share_groups_and_blocks() {
    let rate = HashRate::Packets { period: 1_000_000, burst: 1000 };
    let one = One::new(Match::HashLimit(Box::new(hashlimit(rate, false))));
    let hits = std::thread::scope(|scope| {
        let run = || (0..2000).filter(|_| one.at(99_000, &from(1))).count();
        let all = [(); 4].map(|()| scope.spawn(run));
        all.map(|run| run.join().unwrap()).iter().sum::<usize>()
    });
    // Whoever comes while a group is made may have one more than there are.
    assert!((1000..1010).contains(&hits), "{hits}");
    let asked = ConnLimit { upto: Is::not(600), mask: 32, destination: false };
    let one = One::new(Match::ConnLimit(asked));
    let hits = std::thread::scope(|scope| {
        let run = |worker: u64| {
            let one = &one;
            scope.spawn(move || {
                let mut world = World { open: (0..2000).collect(), ..World::default() };
                let mut hit = |id| {
                    let conn = Conn { state: ConnState::New, id };
                    let about = PacketFacts { conn, ..PacketFacts::default() };
                    one.hit(about, &from(1), &mut world, worker as usize)
                };
                (worker * 500..worker * 500 + 500).filter(|id| hit(*id)).count()
            })
        };
        [0, 1].map(run).map(|run| run.join().unwrap()).iter().sum::<usize>()
    });
    // Two that come in one moment may both see that they are too many.
    assert!((399..=401).contains(&hits), "{hits}");
}

#[test]
fn bytes_are_limited_too() {
    // 16 kB a second, so that in each second about as much comes through.
    let rate = HashRate::Bytes { cost: HashRate::cost(16_000), burst: 0 };
    let one = One::new(Match::HashLimit(Box::new(hashlimit(rate, false))));
    let packet = four(|frame| frame.udp(1, 2).payload_len(972));
    let hits = |now| (0..100).filter(|_| one.at(now, &packet)).count();
    assert_eq!((hits(1000), hits(1500), hits(1500)), (15, 8, 0));
    let rate = HashRate::Bytes { cost: HashRate::cost(16_000), burst: 2 };
    let one = One::new(Match::HashLimit(Box::new(hashlimit(rate, false))));
    assert_eq!((0..100).filter(|_| one.at(1000, &packet)).count(), 45);
}

#[test]
fn a_rate_is_told_from_the_last_interval() {
    let rate = HashRate::Packets { period: 100_000, burst: 5 };
    let asked = HashLimit { rate_match: true, ..hashlimit(rate, true) };
    let one = One::new(Match::HashLimit(Box::new(asked)));
    // Ten a second and five for a burst.
    assert_eq!((0..20).filter(|_| one.at(1000, &from(1))).count(), 5);
    assert!(one.at(2000, &from(1)));
    assert!(!one.at(3000, &from(1)));
}

#[test]
fn an_address_is_remembered() {
    let recent = |action, seconds, hit_count| {
        Match::Recent(Recent {
            name: "r".into(),
            action,
            seconds,
            reap: false,
            hit_count,
            same_ttl: false,
            mask: "255.255.255.255".parse::<IpAddr>().unwrap(),
            destination: false,
        })
    };
    use RecentAction::{Check, Remove, Set, Update};
    let mut one = One::new(recent(Is::so(Check), 0, 0));
    let mut step = |asked: Match, now, last| {
        // Another rule, the same list.
        one.again(asked, &[]);
        one.at(now, &from(last))
    };
    assert!(!step(recent(Is::so(Check), 0, 0), 1000, 1));
    assert!(step(recent(Is::so(Set), 0, 0), 1000, 1));
    assert!(step(recent(Is::so(Check), 0, 0), 9000, 1));
    assert!(!step(recent(Is::so(Check), 0, 0), 9000, 2));
    assert!(step(recent(Is::not(Check), 0, 0), 9000, 2));
    assert!(step(recent(Is::so(Check), 8, 0), 9000, 1));
    assert!(!step(recent(Is::so(Check), 7, 0), 9000, 1));
    assert!(!step(recent(Is::so(Update), 60, 3), 9000, 1));
    assert!(step(recent(Is::so(Update), 60, 1), 10_000, 1));
    assert!(step(recent(Is::so(Check), 60, 2), 10_000, 1));
    assert!(!step(recent(Is::so(Check), 60, 3), 10_000, 1));
    assert!(step(recent(Is::so(Remove), 0, 0), 10_000, 1));
    assert!(!step(recent(Is::so(Check), 0, 0), 10_000, 1));
    // The hundred that were seen last.
    step(recent(Is::so(Set), 0, 0), 20_000, 0);
    for last in 1..=100 {
        step(recent(Is::so(Set), 0, 0), 20_000 + u64::from(last), last);
    }
    assert!(!step(recent(Is::so(Check), 0, 0), 30_000, 0));
    assert!(step(recent(Is::so(Check), 0, 0), 30_000, 1));
    let seen = one.slots.recent("r").unwrap();
    assert_eq!(seen.len(), 100);
    let first = seen.iter().find(|seen| seen.address.to_string() == "10.0.0.1").unwrap();
    assert_eq!((first.ttl, first.times.as_slice()), (64, &[20_001][..]));
}

#[test]
fn quotas_and_every_nth() {
    let one = One::new(Match::Quota(Is::so(Quota { bytes: 100 })));
    let len = udp(1, 2).len();
    assert_eq!((0..10).filter(|_| one.at(0, &udp(1, 2))).count(), 100 / len);
    let nth = |packet| One::new(Match::Statistic(Is::so(Statistic::Nth { every: 3, packet })));
    for packet in 0..4 {
        let one = nth(packet);
        let hits: Vec<_> = (0..8).filter(|_| one.at(0, &udp(1, 2))).collect();
        assert_eq!(hits.len(), 2);
        let one = nth(packet);
        assert_eq!((0..8).position(|_| one.at(0, &udp(1, 2))), Some(packet as usize));
    }
    let random = One::new(Match::Statistic(Is::so(Statistic::Random { probability: 1 << 30 })));
    let hit = |random_number| {
        let mut world = World { random: random_number, ..World::default() };
        random.hit(PacketFacts::default(), &udp(1, 2), &mut world, 0)
    };
    assert!(hit((1 << 30) - 1) && !hit(1 << 30) && hit(1 << 31));
}

#[test]
fn connections_are_counted_while_they_are_open() {
    let asked = ConnLimit { upto: Is::not(2), mask: 24, destination: false };
    let one = One::new(Match::ConnLimit(asked));
    let mut world = World { open: (1..=100).collect(), ..World::default() };
    let hit = |id, last, worker, world: &mut World| {
        let conn = Conn { state: ConnState::New, id };
        let about = PacketFacts { conn, ..PacketFacts::default() };
        one.hit(about, &from(last), world, worker)
    };
    assert!(!hit(1, 1, 0, &mut world) && !hit(2, 2, 1, &mut world));
    // The third of a net, whichever worker has it; one that was counted stays as it is.
    assert!(hit(3, 3, 0, &mut world) && hit(3, 3, 0, &mut world));
    let mut other = from(1);
    other[14] = 9;
    let conn = Conn { state: ConnState::New, id: 50 };
    let about = PacketFacts { conn, ..PacketFacts::default() };
    assert!(!one.hit(about, &other, &mut world, 0));
    // Two of them are closed.
    world.open.retain(|id| ![1, 2].contains(id));
    for worker in 0..2 {
        one.program.sweep(worker, 1 << 16, &|id| world.is_open(id));
    }
    assert!(!hit(3, 3, 0, &mut world) && !hit(4, 4, 1, &mut world) && hit(5, 5, 1, &mut world));
}

#[test]
fn connections_that_are_over_are_given_up_when_others_are_counted() {
    let asked = ConnLimit { upto: Is::not(100), mask: 24, destination: false };
    let one = One::new(Match::ConnLimit(asked));
    let mut world = World { open: (1..=1000).collect(), ..World::default() };
    let hit = |id, world: &mut World| {
        let conn = Conn { state: ConnState::New, id };
        let about = PacketFacts { conn, ..PacketFacts::default() };
        one.hit(about, &from(1), world, 0)
    };
    let mut other = from(1);
    other[14] = 9;
    let about =
        PacketFacts { conn: Conn { state: ConnState::New, id: 999 }, ..PacketFacts::default() };
    assert!(!one.hit(about, &other, &mut world, 0));
    // The block is full, whoever of it asks.
    assert_eq!((1..=150).filter(|id| !hit(*id, &mut world)).count(), 100);
    assert!(hit(1, &mut world) && hit(151, &mut world));
    // All but every tenth end, and no more than a part of them is looked at in one step.
    world.open.retain(|id| id % 10 == 0);
    let mut counted = (200..260).map(|id| 10 * id).filter(|id| {
        world.open.push(*id);
        !hit(*id, &mut world)
    });
    let last = counted.by_ref().count();
    assert_eq!(last, 60, "those that are open and these are fewer than a hundred");
    // Its own connection counts as long as its packets come.
    world.open.clear();
    assert!(!hit(2590, &mut world));
}

#[test]
fn a_worker_that_is_alone_gives_up_what_is_over_when_it_counts() {
    let asked = ConnLimit { upto: Is::not(1), mask: 32, destination: false };
    let one = One::of_workers(1, Match::ConnLimit(asked));
    let mut world = World::default();
    let hit = |id, world: &mut World| {
        let about =
            PacketFacts { conn: Conn { state: ConnState::New, id }, ..PacketFacts::default() };
        let mut packet = udp(1, 2);
        packet[12..16].copy_from_slice(&(id as u32 / 2).to_be_bytes());
        one.hit(about, &packet, world, 0)
    };
    world.open = vec![2, 3];
    assert!(!hit(2, &mut world) && hit(3, &mut world));
    // The second was dropped. Linux counts it until another of the block comes, too.
    world.open = vec![2];
    one.program.sweep(0, 1 << 16, &|id| world.is_open(id));
    assert!(hit(2, &mut world));
    // Many more blocks than there are places for.
    for id in (4..200_000).step_by(2) {
        world.open = vec![id];
        assert!(!hit(id, &mut world), "{id}");
    }
}

#[test]
fn sets_and_routes_are_asked_of_the_world() {
    let packet = udp(1, 2);
    let mut world = World::default();
    world.sets.push(("good".into(), "10.0.0.1".parse().unwrap()));
    let set = |name: &str, side| {
        Match::Set(SetMatch {
            name: Is::so(name.into()),
            sides: vec![side],
            return_nomatch: false,
            keep_counters: false,
            keep_subcounters: false,
            packets: None,
            bytes: None,
        })
    };
    let mut at = |hook, asked, packet: &[u8]| {
        ask_at(
            hook,
            0,
            asked,
            packet,
            PacketFacts { input: 2, ..PacketFacts::default() },
            &mut world,
        )
    };
    assert_eq!(at(Hook::Forward, set("good", SetSide::Source), &packet), Some(true));
    assert_eq!(at(Hook::Forward, set("good", SetSide::Destination), &packet), Some(false));
    let types =
        |bits| AddrType { destination: Some(Is::so(AddrTypes(bits))), ..AddrType::default() };
    let mut world = World {
        types: vec![
            ("10.0.0.2".parse().unwrap(), 1 << 2),
            ("2001:db8::2".parse().unwrap(), 1 << 2),
        ],
        reverse: true,
        ..World::default()
    };
    let mut at = |hook, asked, packet: &[u8]| {
        ask_at(
            hook,
            0,
            asked,
            packet,
            PacketFacts { input: 2, ..PacketFacts::default() },
            &mut world,
        )
    };
    assert_eq!(at(Hook::Forward, Match::AddrType(types(1 << 2)), &packet), Some(true));
    assert_eq!(at(Hook::Forward, Match::AddrType(types(1 << 1)), &packet), Some(false));
    let packet6 = six(17, &[0; 8]);
    assert_eq!(at(Hook::Forward, Match::AddrType(types(1 << 1)), &packet6), Some(true));
    assert_eq!(at(Hook::Forward, Match::AddrType(types(1 << 2 | 1 << 1)), &packet6), Some(true));
    assert_eq!(at(Hook::Forward, Match::AddrType(types(1 << 5)), &packet6), Some(false));
    let filter = |invert| Match::RpFilter(RpFilter { loose: true, invert, ..RpFilter::default() });
    assert_eq!(at(Hook::PreRouting, filter(false), &packet), Some(true));
    assert_eq!(at(Hook::PreRouting, filter(true), &packet), Some(false));
    let asked = world.paths.borrow()[0];
    assert_eq!((asked.to.to_string(), asked.iface, asked.loose), ("10.0.0.1".into(), 2, true));
    let path = |none, spi| {
        let element = PolicyElement { spi: Some(Is::so(spi)), ..PolicyElement::default() };
        let elements = if none { vec![] } else { vec![element] };
        Match::Policy(IpsecPolicy { way: PolicyWay::In, none, strict: false, elements })
    };
    assert_eq!(ask(0, path(true, 0), &packet), Some(true));
    let states = vec![crate::netfilter::IpsecState {
        request: 1,
        spi: 99,
        protocol: 50,
        mode: PolicyMode::Tunnel,
        tunnel: ["192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap()],
    }];
    let mut world = World { ipsec: states, ..World::default() };
    let mut at =
        |asked| ask_at(Hook::Forward, 0, asked, &packet, PacketFacts::default(), &mut world);
    assert_eq!(
        (at(path(true, 0)), at(path(false, 99)), at(path(false, 98))),
        (Some(false), Some(true), Some(false))
    );
}

#[test]
fn bytes_hours_and_text_of_a_packet() {
    let packet = four(|frame| frame.udp(1, 53).payload(b"Hello, world"));
    let text = |pattern: &[u8], from, to, ignore_case| {
        Match::String(StringMatch {
            not: false,
            algorithm: Algorithm::KnuthMorrisPratt,
            from,
            to,
            ignore_case,
            pattern: pattern.to_vec(),
        })
    };
    assert_eq!(ask(0, text(b"world", 0, 65535, false), &packet), Some(true));
    assert_eq!(ask(0, text(b"WORLD", 0, 65535, false), &packet), Some(false));
    assert_eq!(ask(0, text(b"WORLD", 0, 65535, true), &packet), Some(true));
    assert_eq!(ask(0, text(b"Hello", 28, 33, false), &packet), Some(true));
    assert_eq!(ask(0, text(b"Hello", 29, 65535, false), &packet), Some(false));
    assert_eq!(ask(0, text(b"Hello", 0, 32, false), &packet), Some(false));
    // "0>>22&0x3C@0&0xFFFF=53": the destination port behind a header of any length.
    let step = |op, number| U32Step { op, number };
    let u32 = |port| {
        let steps = vec![
            step(U32Op::Right, 22),
            step(U32Op::And, 0x3c),
            step(U32Op::At, 0),
            step(U32Op::And, 0xffff),
        ];
        Match::U32(Is::so(vec![U32Test { start: 0, steps, ranges: vec![Span::only(port)] }]))
    };
    assert_eq!((ask(0, u32(53), &packet), ask(0, u32(54), &packet)), (Some(true), Some(false)));
    let beyond = U32Test { start: 37, steps: vec![], ranges: vec![Span::new(0, u32::MAX)] };
    assert_eq!(ask(0, Match::U32(Is::so(vec![beyond])), &packet), Some(false));
    let noon = PacketFacts { wall: 1_795_694_400 * 1_000_000_000, ..PacketFacts::default() };
    let time = |week_days| Match::Time(Time { week_days, ..Time::ALWAYS });
    let at = |asked| ask_at(Hook::Forward, 0, asked, &packet, noon, &mut World::default());
    assert_eq!((at(time(1 << 4)), at(time(1 << 3))), (Some(true), Some(false)));
    assert_eq!(ask(0, Match::Comment("why".into()), &packet), Some(true));
}
