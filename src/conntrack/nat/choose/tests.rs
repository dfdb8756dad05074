use super::*;
use crate::packet::generate::Random;
use std::collections::HashSet;
use std::net::IpAddr;

const PUBLIC: &str = "203.0.113.1";

fn address(text: &str) -> Addr {
    text.parse::<IpAddr>().unwrap().into()
}

fn tuple(proto: u8, src: &str, sport: u16, dst: &str, dport: u16) -> Tuple {
    let six = src.contains(':');
    Tuple { src: address(src), dst: address(dst), sport, dport, proto, six, zone: 0 }
}

/// Connections as a list: the first tuple and the reply of each.
#[derive(Default)]
struct Table {
    made: Vec<(Tuple, Tuple)>,
    taken: HashSet<Tuple>,
    /// Closed connections of TCP, which may give way.
    closed: HashSet<Tuple>,
    /// Replies go to this worker of so many, by their destination port.
    workers: u16,
    looks: u32,
}

impl Table {
    fn add(&mut self, original: Tuple, now: Tuple) {
        let reply = now.inverse().unwrap();
        self.made.push((original, reply));
        assert!(self.taken.insert(reply), "taken twice");
    }

    /// Makes a connection with a translated source, as a first packet would.
    fn connect(&mut self, original: Tuple, range: &Range) -> Choice {
        let mut random = Random::new(self.made.len() as u64);
        let mut random = || random.next_u64() as u16;
        let choice = choose(&original, range, Manip::Src, false, self, &mut random);
        if let Choice::Found(now) = choice {
            self.add(original, now);
        }
        choice
    }
}

impl Tuples for Table {
    fn taken(&mut self, reply: &Tuple) -> bool {
        self.taken.contains(reply)
    }

    fn taken_for_good(&mut self, reply: &Tuple) -> bool {
        self.looks += 1;
        if self.closed.remove(reply) {
            self.taken.remove(reply);
        }
        self.taken.contains(reply)
    }

    fn mapping_of_source(
        &mut self,
        tuple: &Tuple,
        fits: impl FnMut(&Tuple) -> bool,
    ) -> Option<Tuple> {
        self.made
            .iter()
            .filter(|(old, _)| {
                (old.src, old.sport, old.proto) == (tuple.src, tuple.sport, tuple.proto)
            })
            .filter_map(|(_, reply)| {
                Some(Tuple { dst: tuple.dst, dport: tuple.dport, ..reply.inverse()? })
            })
            .find({
                let mut fits = fits;
                move |found| fits(found)
            })
    }

    fn steers(&self, reply: &Tuple) -> bool {
        self.workers < 2 || reply.dport % self.workers == 1
    }
}

fn masquerade() -> Range {
    Range::address(address(PUBLIC))
}

fn shown(choice: Choice) -> (IpAddr, u16) {
    let Choice::Found(tuple) = choice else { panic!("{choice:?}") };
    (tuple.src.ip(tuple.six), tuple.sport)
}

/// Shows [9.241] and [9.244].
#[test]
fn a_client_keeps_its_port_until_another_has_it() {
    let mut table = Table::default();
    let public: IpAddr = PUBLIC.parse().unwrap();
    let first = table.connect(tuple(6, "10.0.0.1", 5000, "8.8.8.8", 80), &masquerade());
    assert_eq!(shown(first), (public, 5000));
    let other_server = table.connect(tuple(6, "10.0.0.1", 5000, "8.8.4.4", 80), &masquerade());
    assert_eq!(shown(other_server), (public, 5000), "one port for both servers");
    let second = table.connect(tuple(6, "10.0.0.2", 5000, "8.8.8.8", 80), &masquerade());
    let (_, moved) = shown(second);
    assert!(moved >= 1024 && moved != 5000, "{moved}");
    let again = table.connect(tuple(6, "10.0.0.2", 5000, "9.9.9.9", 80), &masquerade());
    assert_eq!(shown(again).1, moved, "the mapping of the same source is used again");
}

/// Shows [9.242]: ports stay in their class.
#[test]
fn privileged_ports_stay_privileged() {
    for (port, class) in [(100, 1..=511), (511, 1..=511), (512, 600..=1023), (1023, 600..=1023)] {
        let mut table = Table::default();
        for host in 1..=40 {
            let src = format!("10.0.0.{host}");
            let choice = table.connect(tuple(17, &src, port, "8.8.8.8", 53), &masquerade());
            let (_, moved) = shown(choice);
            assert!(host == 1 && moved == port || class.contains(&moved), "{port}: {moved}");
        }
    }
}

/// Shows [9.242]: the last that was tried is what is left, and the work is bounded.
#[test]
fn a_range_without_a_free_port_is_exhausted() {
    let mut table = Table::default();
    let range = masquerade().with_ports(40_000, 40_001);
    for host in [1, 2] {
        let src = format!("10.0.0.{host}");
        let port = shown(table.connect(tuple(6, &src, 9, "8.8.8.8", 80), &range)).1;
        assert!((40_000..=40_001).contains(&port));
    }
    let third = table.connect(tuple(6, "10.0.0.3", 9, "8.8.8.8", 80), &range);
    assert!(matches!(third, Choice::Exhausted(tuple) if tuple.src == address(PUBLIC)));
    // Another server has the ports free.
    table.connect(tuple(6, "10.0.0.3", 9, "8.8.4.4", 80), &range);

    for port in 0..=u16::MAX {
        table.taken.insert(tuple(6, "8.8.8.8", 80, PUBLIC, port));
    }
    table.looks = 0;
    let none = table.connect(tuple(6, "10.0.0.4", 5000, "8.8.8.8", 80), &masquerade());
    assert!(matches!(none, Choice::Exhausted(_)));
    assert!(table.looks <= 4 * HARDER, "{}", table.looks);
}

#[test]
fn a_closed_connection_gives_way_when_ports_are_short() {
    let mut table = Table::default();
    for port in 1024..=u16::MAX {
        let reply = tuple(6, "8.8.8.8", 80, PUBLIC, port);
        table.taken.insert(reply);
        table.closed.insert(reply);
    }
    let choice = table.connect(tuple(6, "10.0.0.4", 5000, "8.8.8.8", 80), &masquerade());
    assert!(shown(choice).1 >= 1024);
    assert_eq!(table.looks, 1, "the first that is looked at again");
}

/// Shows [9.242]: a service keeps its port.
#[test]
fn a_destination_keeps_its_port_without_a_range() {
    let mut table = Table::default();
    let mut random = || 7;
    let current = tuple(6, "10.0.0.1", 5000, PUBLIC, 8080);
    let inner = Range::address(address("192.168.1.8"));
    let mut choose = |range: &Range, table: &mut Table| {
        choose(&current, range, Manip::Dst, false, table, &mut random)
    };
    let want = Tuple { dst: address("192.168.1.8"), ..current };
    assert_eq!(choose(&inner, &mut table), Choice::Found(want));
    table.taken.insert(want.inverse().unwrap());
    assert_eq!(choose(&inner, &mut table), Choice::Exhausted(want));

    // A range starts with its first port, or at random if it is told so.
    let ports = inner.with_ports(80, 89);
    let at = |choice: Choice| choice.tuple().dport;
    assert_eq!(at(choose(&ports, &mut table)), 80);
    assert_eq!(at(choose(&ports.with(flag::PROTO_RANDOM), &mut table)), 87);
    // A single port is taken whether it is free or not.
    let one = inner.with_ports(8080, 8080);
    assert_eq!(choose(&one, &mut table), Choice::Found(want));
}

#[test]
fn ports_are_shifted_from_their_base() {
    let mut table = Table::default();
    let range = Range { base_port: 5000, ..Range::address(address("192.168.1.8")) }
        .with_ports(2000, 2009)
        .with(flag::PROTO_OFFSET);
    for (dport, want) in [(5000, 2000), (5007, 2007), (5012, 2002), (4999, 2005)] {
        let current = tuple(17, "10.0.0.1", 5000, PUBLIC, dport);
        let choice = choose(&current, &range, Manip::Dst, false, &mut table, &mut || 0);
        assert_eq!(choice.tuple().dport, want, "{dport}");
    }
}

/// Shows [9.243].
#[test]
fn random_ports_are_not_the_clients_own() {
    for random in [flag::PROTO_RANDOM, flag::PROTO_RANDOM_FULLY] {
        let mut table = Table::default();
        let range = masquerade().with(random);
        let ports: HashSet<_> = (0..20)
            .map(|n| {
                let dst = format!("8.8.8.{n}");
                shown(table.connect(tuple(6, "10.0.0.1", 5000, &dst, 80), &range)).1
            })
            .collect();
        assert!(ports.len() > 15, "{ports:?}");
    }
}

/// Shows [9.233].
#[test]
fn a_null_binding_moves_only_what_collides() {
    let mut table = Table::default();
    table.connect(tuple(6, "10.0.0.1", 5000, "8.8.8.8", 80), &masquerade());
    let own = tuple(6, PUBLIC, 5000, "8.8.8.8", 80);
    let moved = shown(table.connect(own, &Range::NONE)).1;
    assert_ne!(moved, 5000);
    let free = tuple(6, PUBLIC, 5001, "8.8.8.8", 80);
    assert_eq!(table.connect(free, &Range::NONE), Choice::Found(free));
}

/// Shows [9.249] for the choice: identifiers and calls.
#[test]
fn identifiers_and_calls_are_searched_like_ports() {
    let mut table = Table::default();
    let ask = |host| Tuple { dport: 0x0800, ..tuple(1, host, 77, "8.8.8.8", 0) };
    assert_eq!(shown(table.connect(ask("10.0.0.1"), &masquerade())).1, 77);
    assert_ne!(shown(table.connect(ask("10.0.0.2"), &masquerade())).1, 77);
    let range = masquerade().with_ports(10, 20);
    assert!((10..=20).contains(&shown(table.connect(ask("10.0.0.3"), &range)).1));

    let call = |host| tuple(47, host, 5, "8.8.8.8", 6);
    table.connect(call("10.0.0.1"), &masquerade());
    let choice = table.connect(call("10.0.0.2"), &masquerade());
    assert!(matches!(choice, Choice::Exhausted(tuple) if tuple.sport == 5), "nobody announced it");
    let mut random = || 8;
    let call = call("10.0.0.2");
    let choice = choose(&call, &masquerade(), Manip::Src, true, &mut table, &mut random);
    assert_eq!(shown(choice).1, 9, "calls start with 1");

    let other = tuple(89, "10.0.0.1", 0, "8.8.8.8", 0);
    table.connect(other, &masquerade());
    let other = tuple(89, "10.0.0.2", 0, "8.8.8.8", 0);
    assert!(matches!(table.connect(other, &masquerade()), Choice::Exhausted(_)));
}

/// Shows [9.241] and [9.243]: Linux 6.18 chose these addresses for these flows.
#[test]
fn addresses_of_a_range_are_those_that_linux_chooses() {
    let range = |min, max| Range { max: address(max), ..Range::address(address(min)) };
    let pick = |which, range: &Range, src, dst| {
        let current = tuple(17, src, 4000, dst, 1);
        let choice = choose(&current, range, which, false, &mut Table::default(), &mut || 0);
        end(choice.tuple(), which).0.ip(current.six).to_string()
    };
    let four = range("203.0.113.1", "203.0.113.200");
    for (src, plain, persistent) in [("10.1.0.1", 173, 39), ("10.1.0.77", 74, 68)] {
        let host = |last| format!("203.0.113.{last}");
        assert_eq!(pick(Manip::Src, &four, src, "8.8.8.8"), host(plain));
        let four = four.with(flag::PERSISTENT);
        for dst in ["8.8.8.8", "8.8.4.4", "1.2.3.4"] {
            assert_eq!(pick(Manip::Src, &four, src, dst), host(persistent));
        }
    }
    let inner = range("198.51.100.1", "198.51.100.100");
    for (src, dst, last) in [
        ("10.1.0.1", "8.8.8.8", 87),
        ("10.1.0.1", "8.8.4.4", 39),
        ("10.1.0.1", "1.2.3.4", 84),
        ("10.1.0.77", "8.8.8.8", 37),
        ("10.1.0.77", "8.8.4.4", 87),
        ("10.1.0.77", "1.2.3.4", 96),
    ] {
        assert_eq!(pick(Manip::Dst, &inner, src, dst), format!("198.51.100.{last}"));
    }
    let six = range("2001:db8::1", "2001:db8::ffff");
    assert_eq!(pick(Manip::Src, &six, "fd00:1::1", "2001:4860::1"), "2001:db8::afc7");
    let wide = range("2001:db8:1::", "2001:db8:7:ffff:ffff:ffff:ffff:ffff");
    assert_eq!(
        pick(Manip::Src, &wide, "fd00:1::1", "2001:4860::1"),
        "2001:db8:5:ce6f:afc6:cfdc:afc6:cfdc"
    );
    let inner = range("2001:db8:9::1", "2001:db8:9::200");
    for (dst, want) in [("2001:4860::1", "f0"), ("2001:4860::2", "85"), ("2400::7", "46")] {
        assert_eq!(pick(Manip::Dst, &inner, "fd00:1::1", dst), format!("2001:db8:9::{want}"));
    }
}

#[test]
fn a_mapped_prefix_keeps_hosts_and_ports() {
    let range = Range {
        flags: flag::NETMAP,
        min: address("192.168.2.0"),
        max: address("192.168.2.255"),
        ..Range::NONE
    };
    let mut table = Table::default();
    let choice = table.connect(tuple(6, "10.1.2.3", 5000, "8.8.8.8", 80), &range);
    assert_eq!(shown(choice), ("192.168.2.3".parse().unwrap(), 5000));
}

#[test]
fn replies_come_back_to_the_worker_as_long_as_there_are_such_ports() {
    let mut table = Table { workers: 4, ..Table::default() };
    let range = masquerade().with_ports(40_000, 40_039);
    let mut here = 0;
    for host in 0..40 {
        let src = format!("10.0.0.{host}");
        match table.connect(tuple(6, &src, 5000, "8.8.8.8", 80), &range) {
            Choice::Found(found) => {
                here += u32::from(found.sport % 4 == 1);
                assert_eq!(here, (host + 1).min(10), "the first ten have the way back");
            }
            Choice::Exhausted(_) => panic!("{host}"),
        }
    }
    let full = table.connect(tuple(6, "10.0.1.1", 5000, "8.8.8.8", 80), &range);
    assert!(matches!(full, Choice::Exhausted(_)));
    // A port of its own that leads elsewhere is given up, one that leads here is kept.
    let mut table = Table { workers: 4, ..Table::default() };
    let elsewhere = table.connect(tuple(6, "10.0.0.1", 5000, "8.8.8.8", 80), &masquerade());
    assert_eq!(shown(elsewhere).1 % 4, 1);
    let here = table.connect(tuple(6, "10.0.0.2", 5001, "8.8.8.8", 80), &masquerade());
    assert_eq!(shown(here).1, 5001);
    // What is not translated stays as it is.
    let plain = tuple(6, "10.0.0.3", 5000, "8.8.8.8", 80);
    assert_eq!(table.connect(plain, &Range::NONE), Choice::Found(plain));
}

#[test]
fn what_is_found_is_in_range_and_free() {
    bolero::check!()
        .with_type::<(Vec<(u8, u8, u16)>, u32, [u16; 3], [u8; 2], u8, u16, bool)>()
        .for_each(|(flows, flags, ports, hosts, workers, seed, destination)| {
            let (low, high) = (hosts[0].min(hosts[1]), hosts[0].max(hosts[1]));
            let mut range = Range {
                flags: flags & 0x3f,
                min: Addr::four([203, 0, 113, low]),
                max: Addr::four([203, 0, 113, high]),
                min_port: ports[0],
                max_port: ports[1],
                base_port: ports[2],
            };
            if range.min_port > range.max_port {
                std::mem::swap(&mut range.min_port, &mut range.max_port);
            }
            let which = if *destination { Manip::Dst } else { Manip::Src };
            let mut table = Table { workers: u16::from(workers % 5), ..Table::default() };
            let mut state = Random::new(u64::from(*seed));
            let mut random = || state.next_u64() as u16;
            let protocols = [6, 17, 1, 132, 47, 89];
            for &(proto, host, port) in flows.iter().take(64) {
                let proto = protocols[usize::from(proto) % protocols.len()];
                let mut current = Tuple {
                    src: Addr::four([10, 0, 0, host]),
                    dst: Addr::four([8, 8, 8, 8]),
                    sport: port,
                    dport: 80,
                    proto,
                    ..Tuple::default()
                };
                if proto == 1 {
                    current.dport = 0x0800;
                }
                let Choice::Found(found) =
                    choose(&current, &range, which, host & 1 == 0, &mut table, &mut random)
                else {
                    continue;
                };
                let one = range.has(flag::PROTO_SPECIFIED) && range.min_port == range.max_port;
                let reply = found.inverse().expect("an answer");
                assert!(one || !table.taken.contains(&reply), "{found:?}");
                if range.has(flag::MAP_IPS) {
                    assert!((range.min..=range.max).contains(end(&found, which).0));
                }
                let searched = has_ports(proto) || proto == 1;
                if range.has(flag::PROTO_SPECIFIED) && searched {
                    assert!(range.holds_port(&found, which), "{range:?} {found:?}");
                }
                if table.taken.insert(reply) {
                    table.made.push((current, reply));
                }
            }
        });
}
