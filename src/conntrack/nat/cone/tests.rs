use super::*;
use std::collections::{HashMap, HashSet};

const PUBLIC: Addr = Addr::four([203, 0, 113, 1]);

fn flow(host: u8, sport: u16, server: u8) -> Tuple {
    Tuple {
        src: Addr::four([10, 0, 0, host]),
        dst: Addr::four([8, 8, 8, server]),
        sport,
        dport: 53,
        proto: 17,
        ..Tuple::default()
    }
}

#[derive(Default)]
struct Table(HashSet<Tuple>);

impl Tuples for Table {
    fn taken(&mut self, reply: &Tuple) -> bool {
        self.0.contains(reply)
    }

    fn mapping_of_source(&mut self, _: &Tuple, _: impl FnMut(&Tuple) -> bool) -> Option<Tuple> {
        None
    }
}

fn connect(cones: &mut Cones, table: &mut Table, tuple: Tuple) -> Tuple {
    let range = Range::address(PUBLIC);
    let Choice::Found(found) = cones.choose(&tuple, &range, false, table, &mut || 77) else {
        panic!("exhausted")
    };
    cones.hold(&tuple, &found).unwrap();
    assert!(table.0.insert(found.inverse().unwrap()));
    found
}

#[test]
fn a_source_shows_one_endpoint_to_all_and_no_two_show_the_same() {
    let (mut cones, mut table) = (Cones::new(100, Seed::new(1)), Table::default());
    let one = connect(&mut cones, &mut table, flow(1, 5000, 8));
    let two = connect(&mut cones, &mut table, flow(1, 5000, 9));
    assert_eq!((one.sport, two.sport), (5000, 5000));
    // Linux would share the port, as the servers are different.
    let other = connect(&mut cones, &mut table, flow(2, 5000, 10));
    assert_ne!(other.sport, 5000);
    assert_eq!(connect(&mut cones, &mut table, flow(2, 5000, 8)).sport, other.sport);
    assert_eq!(cones.len(), 2);
}

#[test]
fn anybody_reaches_the_inner_endpoint_as_long_as_a_connection_holds_it() {
    let (mut cones, mut table) = (Cones::new(100, Seed::new(1)), Table::default());
    let (first, second) = (flow(1, 5000, 8), flow(1, 5000, 9));
    connect(&mut cones, &mut table, first);
    connect(&mut cones, &mut table, second);
    let stranger = Tuple { dst: PUBLIC, dport: 5000, src: Addr::four([9; 4]), ..first };
    let inner = Range::address(first.src).with_ports(5000, 5000);
    assert_eq!(cones.inward(&stranger), Some(inner));
    assert_eq!(cones.inward(&Tuple { dport: 5001, ..stranger }), None);
    assert_eq!(cones.inward(&Tuple { proto: 6, ..stranger }), None);
    assert!(!cones.release(&first));
    assert!(cones.inward(&stranger).is_some());
    assert!(cones.release(&second));
    assert!(cones.inward(&stranger).is_none() && cones.is_empty());
    assert!(!cones.release(&second));
}

#[test]
fn places_are_bounded_and_used_again() {
    let mut cones = Cones::new(2, Seed::new(1));
    for host in [1, 2] {
        cones.hold(&flow(host, 1, 1), &flow(host + 10, 1, 1)).unwrap();
    }
    assert_eq!(cones.hold(&flow(3, 1, 1), &flow(13, 1, 1)), Err(Full));
    assert_eq!(cones.hold(&flow(2, 1, 1), &flow(12, 1, 1)), Ok(false));
    assert!(!cones.release(&flow(2, 1, 1)));
    assert!(cones.release(&flow(1, 1, 1)));
    cones.hold(&flow(3, 1, 1), &flow(13, 1, 1)).unwrap();
    assert_eq!(cones.len(), 2);
}

#[test]
fn mappings_are_those_of_a_plain_map() {
    bolero::check!().with_type::<Vec<(bool, u8, u8)>>().for_each(|steps| {
        // One chain, so that every removal is from the middle of something.
        let mut cones = Cones { inner: vec![0].into(), ..Cones::new(8, Seed::new(9)) };
        cones.outer = vec![0].into();
        let mut plain: HashMap<u8, (u8, u32)> = HashMap::new();
        for &(hold, host, port) in steps {
            let (host, port) = (host % 12, port % 4);
            let inner = flow(host, 1, 1);
            if hold {
                // Outer endpoints belong to one host alone.
                let outer = flow(host, u16::from(port), 1);
                let full = plain.len() == 8;
                match plain.get_mut(&host) {
                    Some((_, holders)) => *holders += 1,
                    None if !full => {
                        plain.insert(host, (port, 1));
                    }
                    None => {
                        assert_eq!(cones.hold(&inner, &outer), Err(Full));
                        continue;
                    }
                }
                cones.hold(&inner, &outer).unwrap();
            } else {
                let last = plain.get_mut(&host).is_some_and(|(_, holders)| {
                    *holders -= 1;
                    *holders == 0
                });
                if last {
                    plain.remove(&host);
                }
                assert_eq!(cones.release(&inner), last);
            }
            assert_eq!(cones.len() as usize, plain.len());
            for host in 0..12 {
                let inner = flow(host, 1, 1);
                let want = plain.get(&host).map(|(port, _)| u16::from(*port));
                assert_eq!(cones.outward(&inner).map(|tuple| tuple.sport), want);
                for port in 0..4 {
                    let outer = Tuple { dst: inner.src, dport: port, ..inner };
                    assert_eq!(cones.inward(&outer).is_some(), want == Some(port));
                }
            }
        }
    });
}
