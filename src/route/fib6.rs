//! The IPv6 forwarding table: changed in place, looked up a frame at a time.
//!
//! The first 24 bits of the destination index a root of 2^24 entries, whose memory is taken as it is
//! used: all of today's unicast space lies in an eighth of it. Longer routes hang below in trees of
//! [`super::cells`], where a route that stands alone is one cache line whatever its length. The
//! default route is kept apart: changing it is one store.
//!
//! - takes: destinations as numbers
//! - gives: the value of the longest route that covers each
//! - obeys: RFC 1812 section 5.2.4.3 (longest match), which RFC 8200 leaves as it is; one writer and
//!   any number of readers as in [`super::fib`]
//! - costs: `benches/fib.rs`

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use super::{
    cells::{self, Cells, CellsWriter},
    family::{Fib, FibWriter},
    fib::{FibFull, MAX_VALUE},
};
use crate::{
    dpdk::{pages, prefetch::prefetch_at},
    publish::Epoch,
};

const ROOT_BITS: u8 = 24;
/// The first octet below the root.
const BELOW: usize = 3;
/// Nodes of a cache line for each of 1 KiB: most routes stand alone.
const CELLS: u32 = 16;
/// Nodes of either kind that there is room for, for each group that is configured.
pub const NODES_A_GROUP: u32 = CELLS + 1;

/// What readers hold.
pub struct Fib6 {
    root: Box<[AtomicU32]>,
    cells: Cells,
    default: AtomicU32,
}

impl Fib6 {
    #[inline(always)]
    fn first(&self, dst: u128) -> u32 {
        let slot = self.root.get((dst >> (128 - ROOT_BITS)) as usize);
        slot.map_or(0, |slot| slot.load(Ordering::Acquire))
    }

    /// What asks for the line of the root that a look-up of an address reads.
    #[inline(always)]
    pub fn asker(&self) -> impl Fn(u128) {
        let root = &self.root[..];
        move |dst| prefetch_at(root, (dst >> (128 - ROOT_BITS)) as usize)
    }
}

impl Fib<u128> for Fib6 {
    #[inline]
    fn lookup(&self, dst: u128) -> u32 {
        self.lookup_with_len(dst).0
    }

    #[inline]
    fn lookup_with_len(&self, dst: u128) -> (u32, u8) {
        let found = self.cells.follow(self.first(dst), dst);
        if found == 0 {
            return (self.default.load(Ordering::Acquire), 0);
        }
        (cells::value_of(found), cells::len_of(found))
    }

    #[inline]
    fn lookup_batch(&self, dst: &[u128], found: &mut [u32]) {
        let default = self.default.load(Ordering::Acquire);
        let mut links = 0;
        // Independent loads one after the other, so that their misses overlap.
        for (dst, found) in dst.iter().zip(found.iter_mut()) {
            *found = self.first(*dst);
            links |= *found;
        }
        if cells::is_link(links) {
            self.cells.follow_all(dst, found);
        }
        for found in found.iter_mut() {
            *found = if *found == 0 { default } else { cells::value_of(*found) };
        }
    }
}

/// The one writer.
pub struct Fib6Writer {
    fib: Arc<Fib6>,
    nodes: CellsWriter,
}

impl Fib6Writer {
    /// An empty table with room for `groups` nodes of 1 KiB and 16 times as many of a cache line;
    /// memory is taken as it is used.
    pub fn new(groups: u32) -> Self {
        let (nodes, cells) = CellsWriter::new(groups.saturating_mul(CELLS), groups);
        let root = pages::zeroed(1 << ROOT_BITS);
        Self { fib: Arc::new(Fib6 { root, cells, default: AtomicU32::new(0) }), nodes }
    }

    /// The slots of the root that a route of at most its length takes.
    fn slots(fib: &Fib6, prefix: u128, len: u8) -> &[AtomicU32] {
        let first = (prefix >> (128 - ROOT_BITS)) as usize;
        fib.root.get(first..first + (1 << (ROOT_BITS - len))).unwrap_or_default()
    }
}

impl FibWriter<u128> for Fib6Writer {
    type Fib = Fib6;
    const FREE_LEN: u8 = ROOT_BITS;

    fn with_groups(groups: u32) -> Self {
        Self::new(groups)
    }

    fn table(&self) -> &Arc<Fib6> {
        &self.fib
    }

    fn usage(&self) -> (u64, u64) {
        let root = size_of_val(&*self.fib.root) as u64;
        (self.nodes.used().into(), root + self.nodes.bytes())
    }

    fn insert(&mut self, prefix: u128, len: u8, value: u32) -> Result<(), FibFull> {
        if len == 0 {
            self.fib.default.store(value & MAX_VALUE, Ordering::Release);
            return Ok(());
        }
        let new = cells::entry(len, value);
        if len > ROOT_BITS {
            let slots = Self::slots(&self.fib, prefix, ROOT_BITS);
            return slots.iter().try_for_each(|slot| {
                self.nodes.insert(&self.fib.cells, slot, BELOW, (prefix, len), new)
            });
        }
        let rule = |old| if cells::len_of(old) <= len { new } else { old };
        for slot in Self::slots(&self.fib, prefix, len) {
            self.fib.cells.change(slot, &rule);
        }
        Ok(())
    }

    fn remove(&mut self, prefix: u128, len: u8, cover: Option<(u8, u32)>) {
        if len == 0 {
            self.fib.default.store(0, Ordering::Release);
            return;
        }
        let new = cells::cover_entry(cover);
        if len > ROOT_BITS {
            for slot in Self::slots(&self.fib, prefix, ROOT_BITS) {
                self.nodes.remove(&self.fib.cells, slot, (prefix, len), new);
            }
            return;
        }
        let rule = |old| if cells::len_of(old) == len { new } else { old };
        for slot in Self::slots(&self.fib, prefix, len) {
            self.fib.cells.change(slot, &rule);
        }
    }

    fn has_unlinked(&self) -> bool {
        self.nodes.has_unlinked()
    }

    fn retire(&mut self, epoch: Epoch) {
        self.nodes.retire(epoch);
    }

    fn reclaim(&mut self, safe: Epoch) {
        self.nodes.reclaim(safe);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        sync::{
            Mutex,
            atomic::{AtomicBool, AtomicU64},
        },
    };

    use super::*;
    use crate::packet::bits::Bits;

    /// Longest match by looking at every route.
    #[derive(Default)]
    struct Plain(BTreeMap<(u8, u128), u32>);

    impl Plain {
        fn best(&self, dst: u128, below: u8) -> Option<(u8, u32)> {
            let shorter = self.0.iter().rev().filter(|((len, _), _)| *len < below);
            shorter
                .filter(|((len, prefix), _)| prefix.agrees(dst, *len))
                .map(|((len, _), value)| (*len, *value))
                .next()
        }
    }

    const LENGTHS: [u8; 28] = [
        0, 3, 20, 23, 24, 25, 28, 31, 32, 33, 36, 39, 40, 41, 44, 46, 47, 48, 49, 56, 63, 64, 65,
        96, 112, 120, 127, 128,
    ];

    fn assert_equal(fib: &Fib6, plain: &Plain, seed: u128) {
        let edges = plain.0.keys().flat_map(|&(len, prefix)| {
            let last = prefix | !u128::mask(len);
            [
                prefix,
                last,
                prefix.wrapping_sub(1),
                last.wrapping_add(1),
                prefix ^ seed & u128::from(u64::MAX),
            ]
        });
        let dst: Vec<u128> = edges.collect();
        let mut found = vec![0; dst.len()];
        fib.lookup_batch(&dst, &mut found);
        for (dst, found) in dst.iter().zip(found) {
            let expected = plain.best(*dst, 129).map_or((0, 0), |(len, value)| (value, len));
            assert_eq!(fib.lookup_with_len(*dst), expected, "{dst:032x} with {:x?}", plain.0);
            assert_eq!(found, expected.0, "{dst:032x} in a frame");
        }
    }

    /// Few distinct prefixes, so that routes nest and are removed again.
    fn prefix(bits: u128, len: u8) -> u128 {
        let few = 0x0000_0301_c003_0103_0000_0000_8000_00c3;
        (0x2001_0d00_0000_0000_0000_0000_0000_0000 | bits & few) & u128::mask(len)
    }

    #[test]
    fn any_order_of_changes_gives_the_longest_match_of_ipv6() {
        let writer = Mutex::new(Fib6Writer::new(256));
        bolero::check!()
            .with_type::<Vec<(bool, u128, u8)>>()
            .with_max_len(96)
            .with_iterations(400)
            .for_each(|steps| {
                let mut writer = writer.lock().unwrap();
                let mut plain = Plain::default();
                for (number, &(add, bits, len)) in steps.iter().enumerate() {
                    let len = LENGTHS[usize::from(len) % LENGTHS.len()];
                    let prefix = prefix(bits, len);
                    if add {
                        // Few values, so that neighbours are alike.
                        let value = number as u32 % 3 + 1;
                        writer.insert(prefix, len, value).unwrap();
                        plain.0.insert((len, prefix), value);
                    } else if plain.0.remove(&(len, prefix)).is_some() {
                        writer.remove(prefix, len, plain.best(prefix, len));
                    }
                    writer.retire(Epoch(1));
                    writer.reclaim(Epoch(1));
                }
                assert_equal(writer.table(), &plain, steps.len() as u128 * 0x9e37_79b9);
                for (len, prefix) in plain.0.keys().copied().collect::<Vec<_>>() {
                    plain.0.remove(&(len, prefix));
                    writer.remove(prefix, len, plain.best(prefix, len));
                    assert_equal(writer.table(), &plain, 1);
                }
                writer.retire(Epoch(1));
                writer.reclaim(Epoch(1));
                assert_eq!(writer.usage().0, 0, "every node is given back");
            });
    }

    #[test]
    fn a_dense_node_of_ipv6_takes_all_octets_and_gives_them_back() {
        let mut writer = Fib6Writer::new(4);
        let net = |third: u128, len| (0x2001_0db8 << 96 | third << 80, len);
        for third in 0..256 {
            let (prefix, len) = net(third, 48);
            writer.insert(prefix, len, third as u32 % 7 + 1).unwrap();
        }
        for third in 0..256 {
            assert_eq!(writer.table().lookup(net(third, 48).0 | 5), third as u32 % 7 + 1);
        }
        for third in 0..256 {
            let (prefix, len) = net(third, 48);
            writer.remove(prefix, len, None);
        }
        writer.retire(Epoch(1));
        writer.reclaim(Epoch(1));
        assert_eq!(writer.usage().0, 0);
    }

    #[test]
    fn two_halves_alike_do_not_become_one_route_of_ipv6() {
        let mut writer = Fib6Writer::new(16);
        let base = 0x2001_0db8_u128 << 96;
        let half = 1 << 95;
        let longer = base | 5 << 88;
        for (prefix, len, value) in [(base, 33, 7), (base | half, 33, 7), (longer, 64, 8)] {
            writer.insert(prefix, len, value).unwrap();
        }
        writer.remove(longer, 64, Some((33, 7)));
        writer.remove(base, 33, None);
        assert_eq!(writer.table().lookup_with_len(base), (0, 0));
        assert_eq!(writer.table().lookup_with_len(base | half), (7, 33));
    }

    #[test]
    fn routes_of_ipv6_go_when_there_is_no_room_for_nodes() {
        let mut writer = Fib6Writer::new(1);
        let base = 0x2001_0db8_u128 << 96;
        let alike: Vec<u128> = (0..8).map(|third| base | third << 80).collect();
        for prefix in &alike {
            writer.insert(*prefix, 48, 7).unwrap();
            writer.retire(Epoch(1));
            writer.reclaim(Epoch(1));
        }
        let mut other = (0..64).map(|n| base | n << 70);
        assert!(other.any(|prefix| writer.insert(prefix, 60, 9).is_err()), "there is room left");
        writer.remove(alike[4], 48, None);
        assert_eq!(writer.table().lookup(alike[4]), 0);
        assert_eq!(writer.table().lookup(alike[5] | 1), 7);
    }

    #[test]
    fn a_full_table_of_ipv6_refuses_and_answers_as_before() {
        let mut writer = Fib6Writer::new(1);
        let mut there = Vec::new();
        let mut random = crate::packet::generate::Random::new(7);
        let mut refused = 0;
        for _ in 0..200 {
            let bits = u128::from(random.next_u64()) << 64 & 0x0000_00ff_ffff_ffff << 64;
            let prefix = 0x2001_0d00 << 96 | bits;
            match writer.insert(prefix, 64, 3) {
                Ok(()) => there.push(prefix),
                Err(_) => refused += 1,
            }
            assert!(there.iter().all(|prefix| writer.table().lookup(prefix | 1) == 3));
        }
        assert!(refused > 0 && there.len() > 3, "{refused} refused of 200");
        for prefix in there {
            writer.remove(prefix, 64, None);
        }
        writer.retire(Epoch(1));
        assert!(writer.insert(0x2001_u128 << 112, 64, 1).is_err(), "nothing free before the epoch");
        writer.reclaim(Epoch(1));
        assert_eq!(writer.usage().0, 0);
    }

    #[test]
    fn no_lookup_of_ipv6_sees_a_half_made_change() {
        let mut writer = Fib6Writer::new(4096);
        let base = 0x2001_0db8 << 96;
        writer.insert(base, 32, 1).unwrap();
        let (stop, looked) = (AtomicBool::new(false), AtomicU64::new(0));
        let table = Arc::clone(writer.table());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut random = crate::packet::generate::Random::new(3);
                while !stop.load(Ordering::Relaxed) {
                    let dst: [u128; 64] =
                        std::array::from_fn(|_| base | u128::from(random.next_u64()) << 32);
                    let mut found = [0; 64];
                    table.lookup_batch(&dst, &mut found);
                    // Every route of the second kind says its length; none is without any.
                    for (dst, found) in dst.iter().zip(found) {
                        assert!((1..=128).contains(&found), "{dst:032x} finds {found}");
                        let (value, len) = table.lookup_with_len(*dst);
                        assert!(
                            value == u32::from(len) || (value, len) == (1, 32),
                            "{value} {len}"
                        );
                    }
                    looked.fetch_add(64, Ordering::Relaxed);
                }
            });
            let mut random = crate::packet::generate::Random::new(4);
            // The second reader's epochs are not kept here: nothing is used twice.
            for _ in 0..3000 {
                let len = 33 + random.below(64) as u8;
                let prefix = base | u128::from(random.next_u64() & 0xc0c0_c0c0_c0c0_c0c0) << 32;
                let prefix = prefix & u128::mask(len);
                if writer.insert(prefix, len, len.into()).is_err() {
                    break;
                }
            }
            while looked.load(Ordering::Relaxed) < 10_000 {
                std::thread::yield_now();
            }
            stop.store(true, Ordering::Relaxed);
        });
    }
}
