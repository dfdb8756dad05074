//! The IPv4 forwarding table: one or two memory accesses a look-up, changed in place.
//!
//! The first 24 bits of the destination index a root of 2^24 entries; routes longer than that hang
//! groups of 256 entries below. An entry is a value (the index of a hop) and the length of the
//! route it came from, so that a change knows which entries are its own. The default route is
//! kept apart: changing it is one store.
//!
//! With destinations anywhere what counts is how much memory look-ups touch. So the root holds values, or links to
//! groups, in 16 bits; lengths stand beside it, and what does not fit stands elsewhere.
//!
//! One writer, any number of readers, no locks: a group is complete before the root points to it,
//! and a freed group is filled anew only when no reader can hold it.
//!
//! - obeys: RFC 1812 section 5.2.4.3 (longest match); ledger 5.6, 5.90 to 5.92
//! - costs: `benches/fib.rs`

use std::sync::{
    Arc,
    atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering},
};

use bytemuck::Zeroable;
use thiserror::Error;

use crate::{
    dpdk::{pages, prefetch::prefetch_at},
    publish::{Epoch, Retired},
};

const EXTENDED: u32 = 1 << 31;
const VALUE: u32 = 0x00ff_ffff;
const GROUP: usize = 256;
/// Prefix length of an entry, in bits 24 to 30; one that is all zero has no route.
const DEPTH_SHIFT: u32 = 24;
/// In a slot of the root, the number of a group is in the lower bits.
const GROUPED: u16 = 1 << 15;
/// In a slot of the root: the entry does not fit, and stands in `large`.
const LARGE: u16 = 0x7fff;
/// In a slot of the root: value and length are about to change, and the new ones stand in `moving`.
const MOVING: u16 = 0x7ffe;

/// Slots between two whose changes are counted as one.
const APART: usize = 4096;

/// Largest value that the table can hold.
pub const MAX_VALUE: u32 = VALUE;

const fn entry(depth: u8, value: u32) -> u32 {
    (depth as u32) << DEPTH_SHIFT | value & VALUE
}

const fn depth(entry: u32) -> u8 {
    (entry >> DEPTH_SHIFT & 0x7f) as u8
}

/// What a slot of the root holds of an entry.
const fn slot(entry: u32) -> u16 {
    let (what, grouped) = (entry & VALUE, entry & EXTENDED != 0);
    let most = if grouped { GROUPED } else { MOVING };
    if what >= most as u32 {
        return LARGE;
    }
    what as u16 | if grouped { GROUPED } else { 0 }
}

/// Whether a slot holds a value.
const fn is_value(slot: u16) -> bool {
    slot != 0 && slot < MOVING
}

/// An entry for each value of the first 24 bits.
type Root<T> = Box<[T; 1 << 24]>;

fn empty<T: Zeroable>() -> Root<T> {
    let Ok(root) = pages::zeroed(1 << 24).try_into() else { unreachable!("as long as asked for") };
    root
}

/// What readers hold.
pub struct Fib4 {
    root: Root<AtomicU16>,
    /// For slots with a value, the length of its route.
    lens: Root<AtomicU8>,
    /// Entries that do not fit into their slots. Memory is taken for these alone.
    large: Root<AtomicU32>,
    /// Slot, in the upper half, and entry of the last change that was of value and length.
    moving: AtomicU64,
    /// How many changes of lengths there were, of slots that are [`APART`] from each other. A route that covers
    /// millions of slots would hold up readers of all for as long as it is written if they were counted as one.
    changes: Box<[AtomicU32]>,
    groups: Box<[AtomicU32]>,
    default: AtomicU32,
}

/// All groups are in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "the forwarding table has no room for more routes longer than /24 (all {limit} groups are in \
         use); raise `limits.fib-groups`"
)]
pub struct FibFull {
    /// The configured limit.
    pub limit: u32,
}

impl Fib4 {
    fn new(groups: u32) -> Self {
        Self {
            root: empty(),
            lens: empty(),
            large: empty(),
            moving: AtomicU64::new(0),
            changes: pages::zeroed(APART),
            groups: pages::zeroed(groups as usize * GROUP),
            default: AtomicU32::new(0),
        }
    }

    #[inline(always)]
    fn second(&self, group: u32, dst: u32) -> u32 {
        let at = (group & VALUE) as usize * GROUP + (dst & 0xff) as usize;
        self.groups.get(at).map_or(0, |entry| entry.load(Ordering::Acquire))
    }

    #[inline(always)]
    fn first(&self, dst: u32) -> u32 {
        self.root[(dst >> 8) as usize].load(Ordering::Acquire).into()
    }

    /// The entry of a slot, or the link in its place. Value and length are those of one route at any time.
    fn entry(&self, at: usize) -> u32 {
        loop {
            let changed = &self.changes[at % APART];
            let changes = changed.load(Ordering::Acquire);
            let slot = self.root[at].load(Ordering::Acquire);
            let len = self.lens[at].load(Ordering::Acquire);
            match slot {
                0 => return 0,
                LARGE => return self.large[at].load(Ordering::Acquire),
                MOVING => {
                    let moving = self.moving.load(Ordering::Acquire);
                    if moving >> 32 == at as u64 {
                        return moving as u32;
                    }
                    // The writer has gone on: the slot is set.
                }
                _ if slot & GROUPED != 0 => return EXTENDED | u32::from(slot & !GROUPED),
                _ => {
                    // No length has begun to change meanwhile: what the slot holds did not leave and come again.
                    let again = self.root[at].load(Ordering::Acquire);
                    if again == slot && changed.load(Ordering::Acquire) == changes {
                        return entry(len, slot.into());
                    }
                }
            }
        }
    }

    /// The entry for `dst`, from a group if there is one.
    fn whole(&self, dst: u32) -> u32 {
        let found = self.entry((dst >> 8) as usize);
        if found & EXTENDED != 0 { self.second(found, dst) } else { found }
    }

    /// The value for `dst` where its slot, as [`Fib4::first`] gives it, does not hold it.
    #[inline(always)]
    fn beyond(&self, first: u32, dst: u32) -> u32 {
        let grouped = first & u32::from(GROUPED) != 0;
        let found =
            if grouped { self.second(first & u32::from(!GROUPED), dst) } else { self.whole(dst) };
        found & VALUE
    }

    /// Value of the longest route that covers `dst`, or 0.
    #[inline]
    pub fn lookup(&self, dst: u32) -> u32 {
        let mut found = self.first(dst);
        if found >= u32::from(MOVING) {
            found = self.beyond(found, dst);
        }
        if found == 0 { self.default.load(Ordering::Acquire) } else { found }
    }

    /// Value of the longest route that covers `dst`, or 0, and its length.
    pub fn lookup_with_len(&self, dst: u32) -> (u32, u8) {
        let found = self.whole(dst);
        if found == 0 {
            return (self.default.load(Ordering::Acquire), 0);
        }
        (found & VALUE, depth(found))
    }

    /// What asks for the line that a look-up of an address reads first.
    #[inline(always)]
    pub fn asker(&self) -> impl Fn(u32) {
        let root = self.root.as_slice();
        move |dst| prefetch_at(root, (dst >> 8) as usize)
    }

    /// Looks all of `dst` up; `found` is as long as `dst`.
    #[inline]
    pub fn lookup_batch(&self, dst: &[u32], found: &mut [u32]) {
        let default = self.default.load(Ordering::Acquire);
        let mut most = 0;
        // Independent loads one after the other, so that their misses overlap.
        for (dst, found) in dst.iter().zip(found.iter_mut()) {
            let first = self.first(*dst);
            most = most.max(first);
            *found = first;
        }
        if most >= u32::from(MOVING) {
            for (dst, found) in dst.iter().zip(found.iter_mut()) {
                if *found >= u32::from(MOVING) {
                    *found = self.beyond(*found, *dst);
                }
            }
        }
        for found in found.iter_mut() {
            *found = if *found == 0 { default } else { *found };
        }
    }
}

/// The one writer.
pub struct Fib4Writer {
    fib: Arc<Fib4>,
    limit: u32,
    next: u32,
    free: Vec<u32>,
    unlinked: Vec<u32>,
    retired: Retired<u32>,
    /// A bit for each large page of the entries that did not fit into their slots.
    large: u32,
}

impl Fib4Writer {
    /// An empty table with room for `groups` groups; memory is taken as it is used.
    pub fn new(groups: u32) -> Self {
        Self {
            fib: Arc::new(Fib4::new(groups)),
            limit: groups,
            next: 0,
            free: Vec::new(),
            unlinked: Vec::new(),
            retired: Retired::default(),
            large: 0,
        }
    }

    /// What readers hold.
    pub fn table(&self) -> &Arc<Fib4> {
        &self.fib
    }

    /// Groups in use, those that wait for readers included.
    pub fn groups(&self) -> u32 {
        self.next - self.free.len() as u32
    }

    /// Groups in use, and bytes that the table has touched at most.
    pub fn usage(&self) -> (u64, u64) {
        let root = size_of_val(&*self.fib.root) + size_of_val(&*self.fib.lens);
        let groups = u64::from(self.next) * (GROUP * size_of::<u32>()) as u64;
        let bytes = root as u64 + groups + u64::from(self.large.count_ones()) * pages::LARGE as u64;
        (u64::from(self.groups()), bytes)
    }

    fn take_group(&mut self) -> Option<u32> {
        if let Some(group) = self.free.pop() {
            return Some(group);
        }
        (self.next < self.limit).then(|| {
            self.next += 1;
            self.next - 1
        })
    }

    fn group(&self, group: u32) -> &[AtomicU32] {
        &self.fib.groups[group as usize * GROUP..][..GROUP]
    }

    /// Sets a slot of the root. Who reads finds the old entry or the new one, and nothing of both.
    fn set(&mut self, at: usize, new: u32) {
        let (fib, slot) = (&*self.fib, slot(new));
        if slot == LARGE {
            fib.large[at].store(new, Ordering::Release);
            self.large |= 1 << (at * size_of::<u32>() / pages::LARGE);
        } else if is_value(slot) && fib.lens[at].load(Ordering::Relaxed) != depth(new) {
            let changed = &fib.changes[at % APART];
            changed.store(changed.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
            if is_value(fib.root[at].load(Ordering::Relaxed)) {
                fib.moving.store((at as u64) << 32 | u64::from(new), Ordering::Release);
                fib.root[at].store(MOVING, Ordering::Release);
            }
            fib.lens[at].store(depth(new), Ordering::Release);
        }
        fib.root[at].store(slot, Ordering::Release);
    }

    /// The group below a root entry, made if there is none.
    fn extend(&mut self, slot: usize) -> Result<u32, FibFull> {
        let first = self.fib.entry(slot);
        if first & EXTENDED != 0 {
            return Ok(first & VALUE);
        }
        let group = self.take_group().ok_or(FibFull { limit: self.limit })?;
        for entry in self.group(group) {
            entry.store(first, Ordering::Relaxed);
        }
        self.set(slot, EXTENDED | group);
        Ok(group)
    }

    /// Sets the value of a route; `value` is from 1 to [`MAX_VALUE`].
    ///
    /// # Errors
    /// When a route longer than /24 needs a group and none is free; nothing has changed then.
    pub fn insert(&mut self, prefix: u32, len: u8, value: u32) -> Result<(), FibFull> {
        let new = entry(len, value);
        if len > 24 {
            self.extend((prefix >> 8) as usize)?;
        }
        self.rewrite(prefix, len, |old| if depth(old) <= len { new } else { old });
        Ok(())
    }

    /// Removes a route. `cover` is the next shorter route that remains: its length and value.
    pub fn remove(&mut self, prefix: u32, len: u8, cover: Option<(u8, u32)>) {
        // The default route is not in the root: what it covers reads as empty.
        let new = cover.filter(|&(len, _)| len > 0).map_or(0, |(len, value)| entry(len, value));
        self.rewrite(prefix, len, |old| if depth(old) == len { new } else { old });
        if len > 24 {
            self.collapse((prefix >> 8) as usize);
        }
    }

    fn rewrite(&mut self, prefix: u32, len: u8, change: impl Fn(u32) -> u32) {
        if len == 0 {
            self.fib.default.store(change(0) & VALUE, Ordering::Release);
            return;
        }
        let store = |slot: &AtomicU32| {
            let old = slot.load(Ordering::Relaxed);
            let new = change(old);
            if new != old {
                slot.store(new, Ordering::Release);
            }
        };
        let first = (prefix >> 8) as usize;
        if len > 24 {
            let group = self.fib.entry(first);
            if group & EXTENDED != 0 {
                let start = (prefix & 0xff) as usize;
                self.group(group & VALUE)[start..][..1 << (32 - len)].iter().for_each(store);
            }
            return;
        }
        for slot in first..first + (1 << (24 - len)) {
            let old = self.fib.entry(slot);
            if old & EXTENDED != 0 {
                self.group(old & VALUE).iter().for_each(store);
                continue;
            }
            let new = change(old);
            if new != old {
                self.set(slot, new);
            }
        }
    }

    /// Gives a group up when no route longer than /24 is left in it.
    fn collapse(&mut self, slot: usize) {
        let first = self.fib.entry(slot);
        if first & EXTENDED == 0 {
            return;
        }
        let group = self.group(first & VALUE);
        let value = group[0].load(Ordering::Relaxed);
        let uniform =
            depth(value) <= 24 && group.iter().all(|e| e.load(Ordering::Relaxed) == value);
        if uniform {
            self.set(slot, value);
            self.unlinked.push(first & VALUE);
        }
    }

    /// True when groups were given up since the last [`Fib4Writer::retire`].
    pub fn has_unlinked(&self) -> bool {
        !self.unlinked.is_empty()
    }

    /// Tags groups that were given up with an epoch that began after that.
    pub fn retire(&mut self, epoch: Epoch) {
        for group in self.unlinked.drain(..) {
            self.retired.push(epoch, group);
        }
    }

    /// Makes groups free that no reader can hold.
    pub fn reclaim(&mut self, safe: Epoch) {
        while let Some(group) = self.retired.pop(safe) {
            self.free.push(group);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::atomic::AtomicBool};

    use super::*;

    /// Longest match by looking at every route.
    #[derive(Default)]
    struct Plain(BTreeMap<(u8, u32), u32>);

    impl Plain {
        fn covers(len: u8, prefix: u32, dst: u32) -> bool {
            len == 0 || (dst ^ prefix) >> (32 - len) == 0
        }

        fn lookup(&self, dst: u32) -> u32 {
            let mut covering = self.0.iter().rev().filter(|((l, p), _)| Self::covers(*l, *p, dst));
            covering.next().map_or(0, |(_, value)| *value)
        }

        fn cover(&self, prefix: u32, len: u8) -> Option<(u8, u32)> {
            let shorter = self.0.iter().rev().filter(|((l, _), _)| *l < len);
            shorter
                .filter(|((l, p), _)| Self::covers(*l, *p, prefix))
                .map(|((l, _), v)| (*l, *v))
                .next()
        }
    }

    fn mask(prefix: u32, len: u8) -> u32 {
        if len == 0 { 0 } else { prefix & u32::MAX << (32 - len) }
    }

    fn assert_equal(fib: &Fib4, plain: &Plain, seed: u32) {
        let edges = plain.0.keys().flat_map(|&(len, prefix)| {
            let last =
                prefix | if len == 0 { u32::MAX } else { !(u32::MAX << (32 - len) as u64 as u32) };
            [prefix, last, prefix.wrapping_sub(1), last.wrapping_add(1)]
        });
        let dst: Vec<u32> =
            edges.chain((0..64).map(|n| seed.wrapping_mul(0x9e37_79b1 ^ n))).collect();
        let mut found = vec![0; dst.len()];
        fib.lookup_batch(&dst, &mut found);
        for (dst, found) in dst.iter().zip(found) {
            assert_eq!(found, plain.lookup(*dst), "{dst:08x} with {:x?}", plain.0);
            assert_eq!(found, fib.lookup(*dst));
        }
    }

    #[test]
    fn any_order_of_changes_gives_the_longest_match() {
        let writer = std::sync::Mutex::new(Fib4Writer::new(64));
        bolero::check!()
            .with_type::<Vec<(bool, u16, u8, u8)>>()
            .with_max_len(64)
            .with_iterations(300)
            .for_each(|steps| {
                let mut writer = writer.lock().unwrap();
                let mut plain = Plain::default();
                for (number, &(add, high, low, len)) in steps.iter().enumerate() {
                    // Few distinct prefixes, so that routes nest and are removed again.
                    let len = [0, 8, 9, 15, 16, 22, 23, 24, 25, 26, 28, 30, 31, 32]
                        [usize::from(len % 14)];
                    let spread = u32::from(high & 3) << 24
                        | u32::from(high >> 14) << 8
                        | u32::from(low & 0xc3);
                    let prefix = mask(0x0a00_0000 + spread, len);
                    if add {
                        // Those that take 16 bits, and those that do not.
                        let value = [number as u32 + 1, 0x7fe0 + number as u32, VALUE][number % 3];
                        if writer.insert(prefix, len, value).is_ok() {
                            plain.0.insert((len, prefix), value);
                        }
                    } else if plain.0.remove(&(len, prefix)).is_some() {
                        let cover = plain.cover(prefix, len);
                        writer.remove(prefix, len, cover);
                    }
                    writer.retire(Epoch(1));
                    writer.reclaim(Epoch(1));
                }
                assert_equal(writer.table(), &plain, steps.len() as u32);
                for (len, prefix) in plain.0.keys().copied().collect::<Vec<_>>() {
                    let (value, found) = writer.table().lookup_with_len(prefix);
                    assert_eq!(Some((found, value)), plain.cover(prefix, 33), "{prefix:08x}");
                    plain.0.remove(&(len, prefix));
                    writer.remove(prefix, len, plain.cover(prefix, len));
                }
                writer.retire(Epoch(1));
                writer.reclaim(Epoch(1));
                assert_eq!(writer.groups(), 0, "every group is given back");
            });
    }

    #[test]
    fn a_full_table_refuses_and_changes_nothing() {
        let mut writer = Fib4Writer::new(1);
        assert!(writer.insert(0x0a00_0000, 25, 1).is_ok());
        assert_eq!(writer.insert(0x0b00_0000, 25, 2), Err(FibFull { limit: 1 }));
        assert_eq!(writer.table().lookup(0x0b00_0001), 0);
        assert!(writer.insert(0x0b00_0000, 24, 3).is_ok());
        assert_eq!(writer.table().lookup(0x0b00_0001), 3);
    }

    /// Lets a reader end, also where the writer panics.
    struct Stop<'a>(&'a AtomicBool);

    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_value_is_never_seen_with_the_length_of_another() {
        let mut writer = Fib4Writer::new(1);
        let table = Arc::clone(writer.table());
        // Of each length its value, of which every third does not fit into a slot.
        let value = |len: u8| u32::from(len) + if len.is_multiple_of(3) { 1 << 20 } else { 0 };
        let (dst, first, last) = (0x0a01_0203, 17, 24);
        writer.insert(mask(dst, first), first, value(first)).unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let (found, len) = table.lookup_with_len(dst);
                    assert_eq!(found, value(len), "with {len} bits");
                }
            });
            let _stop = Stop(&done);
            for _ in 0..50_000 {
                for len in first + 1..=last {
                    writer.insert(mask(dst, len), len, value(len)).unwrap();
                }
                for len in (first + 1..=last).rev() {
                    writer.remove(mask(dst, len), len, Some((len - 1, value(len - 1))));
                }
            }
        });
        assert_eq!(table.lookup_with_len(dst), (value(first), first));
    }

    #[test]
    fn groups_of_any_number_are_found() {
        let mut writer = Fib4Writer::new(u32::from(GROUPED) + 2);
        let base = |group: u32| 0x0a00_0000 + (group << 8);
        for group in 0..writer.limit {
            assert_eq!(writer.insert(base(group), 25, group + 1), Ok(()));
        }
        for group in 0..writer.limit {
            assert_eq!(writer.table().lookup(base(group) + 0x7f), group + 1);
            assert_eq!(writer.table().lookup(base(group) + 0x80), 0);
        }
    }

    #[test]
    fn a_group_is_not_reused_before_its_epoch() {
        let mut writer = Fib4Writer::new(1);
        assert!(writer.insert(0x0a00_0000, 32, 1).is_ok());
        writer.remove(0x0a00_0000, 32, None);
        writer.retire(Epoch(5));
        writer.reclaim(Epoch(4));
        assert!(writer.insert(0x0b00_0000, 32, 1).is_err());
        writer.reclaim(Epoch(5));
        assert!(writer.insert(0x0b00_0000, 32, 1).is_ok());
    }
}
