use super::*;
use std::collections::{HashMap, HashSet};

fn pool(addresses: u8) -> Range {
    let end = |last| Addr::four([203, 0, 113, last]);
    Range { min: end(1), max: end(addresses), ..Range::address(end(1)) }
}

fn plan(addresses: u8, size: u16) -> Plan {
    Plan {
        addresses: addresses.into(),
        first_port: 1024,
        last_port: 2047,
        size,
        per_subscriber: 2,
        subscribers: 16,
        share: (0, 1),
    }
}

fn host(n: u8) -> Addr {
    Addr::four([100, 64, 0, n])
}

fn inside(address: Addr, zone: u16) -> Inside {
    Inside { address, six: false, zone }
}

fn flow(n: u8, sport: u16) -> Tuple {
    Tuple {
        src: host(n),
        dst: Addr::four([8, 8, 8, 8]),
        sport,
        dport: 80,
        proto: 6,
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

fn connect(
    blocks: &mut Blocks,
    table: &mut Table,
    tuple: Tuple,
) -> Result<(Tuple, BlockId, Option<Record>), Refused> {
    let (choice, block, record) =
        blocks.choose(Inside::of(&tuple), &tuple, &pool(2), table, &mut || 5)?;
    let Choice::Found(found) = choice else { panic!("exhausted") };
    blocks.hold(block);
    assert!(table.0.insert(found.inverse().unwrap()));
    assert_eq!(blocks.block_of(found.src, found.sport), Some(block));
    Ok((found, block, record))
}

#[test]
fn a_record_tells_of_all_connections_of_a_block() {
    let (mut blocks, mut table) = (Blocks::new(plan(2, 64), Seed::new(1)), Table::default());
    let (first, block, record) = connect(&mut blocks, &mut table, flow(1, 5000)).unwrap();
    let record = record.expect("a new block");
    assert!(record.taken && record.subscriber == host(1) && record.last - record.first == 63);
    assert!((record.first..=record.last).contains(&first.sport) && first.src == record.address);
    let mut held = vec![block];
    for sport in 1..64 {
        let (found, block, again) = connect(&mut blocks, &mut table, flow(1, sport)).unwrap();
        assert!(again.is_none() && (record.first..=record.last).contains(&found.sport));
        held.push(block);
    }
    let (next, second, more) = connect(&mut blocks, &mut table, flow(1, 6000)).unwrap();
    let more = more.expect("the first block is full");
    assert_eq!(more.address, record.address, "one address for a subscriber");
    assert!(next.src == record.address && second != block);
    // The last connection gives the block back, and none before.
    for (n, block) in held.iter().enumerate() {
        let back = blocks.release(*block);
        assert_eq!(back, (n == 63).then_some(Record { taken: false, ..record }));
    }
    assert_eq!(blocks.of(host(1), 0, &pool(2)).collect::<Vec<_>>(), [second]);
    assert_eq!(blocks.release(second), Some(Record { taken: false, ..more }));
    assert_eq!(blocks.release(second), None);
    assert_eq!(blocks.find(host(1), 0, pool(2).min), None);
}

#[test]
fn subscribers_and_blocks_are_limited() {
    let mut blocks = Blocks::new(plan(1, 256), Seed::new(1));
    let one = &pool(1);
    for _ in 0..2 {
        blocks.take(inside(host(1), 0), one, false).unwrap();
    }
    assert_eq!(blocks.take(inside(host(1), 0), one, false), Err(Refused::Limit));
    blocks.take(inside(host(2), 0), one, false).unwrap();
    // The same address in another zone is somebody else.
    blocks.take(inside(host(1), 7), one, false).unwrap();
    assert_eq!(blocks.take(inside(host(3), 0), one, false), Err(Refused::NoBlock));
    assert_eq!(blocks.take(inside(host(2), 0), one, false), Err(Refused::NoBlock));

    let mut blocks = Blocks::new(Plan { subscribers: 1, ..plan(1, 64) }, Seed::new(1));
    blocks.take(inside(host(1), 0), one, false).unwrap();
    assert_eq!(blocks.take(inside(host(2), 0), one, false), Err(Refused::Subscribers));
    let none = Plan { addresses: 0, ..plan(1, 64) };
    assert_eq!(
        Blocks::new(none, Seed::new(1)).take(inside(host(1), 0), one, false),
        Err(Refused::NoBlock)
    );
}

#[test]
fn blocks_are_never_of_two() {
    bolero::check!().with_type::<Vec<(u8, u8)>>().for_each(|steps| {
        let mut blocks = Blocks::new(plan(2, 128), Seed::new(3));
        let mut owned: HashMap<u32, u8> = HashMap::new();
        for &(step, n) in steps {
            let n = n % 20;
            if step % 3 != 0 {
                match blocks.take(inside(host(n), 0), &pool(2), false) {
                    Ok((block, record)) => {
                        blocks.hold(block);
                        assert_eq!(record.subscriber, host(n));
                        assert_eq!(owned.insert(block.0, n), None);
                    }
                    Err(Refused::Limit) => {
                        assert_eq!(owned.values().filter(|&&owner| owner == n).count(), 2);
                    }
                    Err(Refused::NoBlock) => assert!(owned.len() >= 8),
                    Err(Refused::Subscribers) => {
                        assert_eq!(owned.values().collect::<HashSet<_>>().len(), 16);
                    }
                }
            } else if let Some(block) = owned.keys().copied().min() {
                let record = blocks.release(BlockId(block)).expect("the last");
                assert_eq!(Some(record.subscriber), owned.remove(&block).map(host));
            }
            let home: HashSet<_> =
                blocks.of(host(n), 0, &pool(2)).map(|block| blocks.range(block).min).collect();
            assert!(home.len() <= 1, "one address for a subscriber");
            let free: u32 = blocks.homes.iter().map(|home| home.free).sum();
            assert_eq!(free as usize, blocks.homes.len() * 8 - owned.len(), "none is lost");
        }
    });
}

#[test]
fn workers_never_take_one_block_and_together_take_all() {
    let mut all: Vec<_> = (0..3)
        .map(|me| Blocks::new(Plan { share: (me, 3), ..plan(1, 128) }, Seed::new(1)))
        .collect();
    let mut first = HashSet::new();
    for n in 0..24 {
        if let Ok((_, record)) = all[usize::from(n) % 3].take(inside(host(n), 0), &pool(1), false) {
            assert!(first.insert(record.first), "{record:?}");
        }
    }
    assert_eq!(first.len(), 8);
    assert!(all.iter().all(|blocks| blocks.homes[0].free == 0));
}

#[test]
fn an_address_that_has_no_block_in_use_makes_room_for_another() {
    let mut blocks = Blocks::new(plan(1, 64), Seed::new(1));
    let other = Range::address(Addr::four([203, 0, 113, 99]));
    let (block, _) = blocks.take(inside(host(1), 0), &pool(1), false).unwrap();
    assert_eq!(blocks.take(inside(host(2), 0), &other, false), Err(Refused::NoBlock));
    blocks.hold(block);
    blocks.release(block).unwrap();
    let (_, record) = blocks.take(inside(host(2), 0), &other, false).unwrap();
    assert_eq!(record.address, other.min);
}
