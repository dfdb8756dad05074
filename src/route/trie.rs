//! Forwarding tables beside the main one: any number of them, small until they are used.
//!
//! Each table is a tree of groups of 256 entries, one octet of the destination a level; a look-up
//! takes one to four memory accesses. All tables share one pool of groups, so an empty table costs
//! one group and one slot. An entry holds a value and the length of the route that it came from, as
//! in [`super::fib`], and changes follow the same rules: one writer, a group is complete before it
//! is linked, and filled anew only when no reader can hold it.
//!
//! - obeys: RFC 1812 section 5.2.4.3 (longest match); ledger 6.111 (many tables)
//! - costs: 1 KiB an empty table (`benches/fib.rs`)

use std::sync::{
    Arc,
    atomic::{AtomicU32, AtomicU64, Ordering},
};

use super::fib::FibFull;
use crate::{
    packet::Bits,
    publish::{Epoch, Retired},
};

const EXTENDED: u32 = 1 << 31;
const VALUE: u32 = 0x00ff_ffff;
const GROUP: usize = 256;
const DEPTH_SHIFT: u32 = 24;

const fn entry(depth: u8, value: u32) -> u32 {
    (depth as u32 - 1) << DEPTH_SHIFT | value & VALUE
}

const fn depth(entry: u32) -> u8 {
    if entry & VALUE == 0 { 0 } else { (entry >> DEPTH_SHIFT & 0x7f) as u8 + 1 }
}

/// Names a table of a [`Tries`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TrieId(u32);

impl TrieId {
    /// As a number, for a hop that leads to a table.
    pub(super) const fn number(self) -> u32 {
        self.0
    }

    pub(super) const fn from_number(number: u32) -> Self {
        Self(number)
    }
}

/// What readers hold: all tables.
pub struct Tries<B = u32> {
    width: std::marker::PhantomData<B>,
    groups: Box<[AtomicU32]>,
    /// First group (high half) and the value of the default route, by table.
    roots: Box<[AtomicU64]>,
}

impl<B: Bits> Tries<B> {
    /// Value of the longest route of `table` that covers `dst`, or 0.
    pub fn lookup(&self, table: TrieId, dst: B) -> u32 {
        self.lookup_with_len(table, dst).0
    }

    /// Value of the longest route of `table` that covers `dst`, or 0, and its length.
    #[inline]
    pub fn lookup_with_len(&self, table: TrieId, dst: B) -> (u32, u8) {
        let root = self.roots.get(table.0 as usize).map_or(0, |root| root.load(Ordering::Acquire));
        let (mut group, default) = ((root >> 32) as usize, root as u32);
        for level in 0..usize::from(B::LEN) / 8 {
            let at = group * GROUP + usize::from(dst.octet(level));
            let found = self.groups.get(at).map_or(0, |entry| entry.load(Ordering::Acquire));
            if found & EXTENDED == 0 {
                return if found == 0 { (default, 0) } else { (found & VALUE, depth(found)) };
            }
            group = (found & VALUE) as usize;
        }
        (default, 0)
    }
}

/// The one writer.
pub struct TriesWriter<B = u32> {
    tries: Arc<Tries<B>>,
    group_limit: u32,
    next_group: u32,
    free_groups: Vec<u32>,
    next_table: u32,
    free_tables: Vec<u32>,
    unlinked: Vec<Gone>,
    retired: Retired<Gone>,
}

/// What no reader may find any more.
#[derive(Clone, Copy)]
enum Gone {
    Group(u32),
    Table(u32),
}

impl<B: Bits> TriesWriter<B> {
    /// Room for `tables` tables and for `groups` groups of 1 KiB; memory is taken as it is used.
    pub fn new(tables: u32, groups: u32) -> Self {
        let tries = Tries {
            width: std::marker::PhantomData,
            groups: bytemuck::zeroed_slice_box(groups as usize * GROUP),
            roots: bytemuck::zeroed_slice_box(tables as usize),
        };
        Self {
            tries: Arc::new(tries),
            group_limit: groups.min(VALUE),
            next_group: 0,
            free_groups: Vec::new(),
            next_table: 0,
            free_tables: Vec::new(),
            unlinked: Vec::new(),
            retired: Retired::default(),
        }
    }

    /// What readers hold.
    pub fn tables(&self) -> &Arc<Tries<B>> {
        &self.tries
    }

    /// Groups in use, those that wait for readers included.
    pub fn groups(&self) -> u32 {
        self.next_group - self.free_groups.len() as u32
    }

    fn full(&self) -> FibFull {
        FibFull { limit: self.group_limit }
    }

    fn take_group(&mut self, fill: u32) -> Result<u32, FibFull> {
        let group = match self.free_groups.pop() {
            Some(group) => group,
            None if self.next_group < self.group_limit => {
                self.next_group += 1;
                self.next_group - 1
            }
            None => return Err(self.full()),
        };
        for entry in self.group(group) {
            entry.store(fill, Ordering::Relaxed);
        }
        Ok(group)
    }

    fn group(&self, group: u32) -> &[AtomicU32] {
        &self.tries.groups[group as usize * GROUP..][..GROUP]
    }

    fn root(&self, table: TrieId) -> (u32, u32) {
        let root = self.tries.roots[table.0 as usize].load(Ordering::Relaxed);
        ((root >> 32) as u32, root as u32)
    }

    /// A new, empty table.
    ///
    /// # Errors
    /// When all tables or groups are in use.
    pub fn create(&mut self) -> Result<TrieId, FibFull> {
        let table = match self.free_tables.pop() {
            Some(table) => table,
            None if (self.next_table as usize) < self.tries.roots.len() => {
                self.next_table += 1;
                self.next_table - 1
            }
            None => return Err(FibFull { limit: self.tries.roots.len() as u32 }),
        };
        match self.take_group(0) {
            Ok(group) => {
                let root = u64::from(group) << 32;
                self.tries.roots[table as usize].store(root, Ordering::Release);
                Ok(TrieId(table))
            }
            Err(full) => {
                self.free_tables.push(table);
                Err(full)
            }
        }
    }

    /// Gives a table up, which the caller has emptied.
    pub fn delete(&mut self, table: TrieId) {
        let (group, _) = self.root(table);
        self.unlinked.push(Gone::Group(group));
        self.unlinked.push(Gone::Table(table.0));
    }

    /// Gives a table up with all that stands in it.
    pub fn discard(&mut self, table: TrieId) {
        let (group, _) = self.root(table);
        self.discard_group(group);
        self.unlinked.push(Gone::Table(table.0));
    }

    fn discard_group(&mut self, group: u32) {
        for at in 0..GROUP {
            let found = self.group(group)[at].load(Ordering::Relaxed);
            if found & EXTENDED != 0 {
                self.discard_group(found & VALUE);
            }
        }
        self.unlinked.push(Gone::Group(group));
    }

    /// Sets the value of a route; `value` is from 1 to [`super::fib::MAX_VALUE`].
    ///
    /// # Errors
    /// When the route needs groups and too few are free; no look-up has changed then.
    pub fn insert(&mut self, table: TrieId, prefix: B, len: u8, value: u32) -> Result<(), FibFull> {
        if len == 0 {
            let (group, _) = self.root(table);
            let root = u64::from(group) << 32 | u64::from(value & VALUE);
            self.tries.roots[table.0 as usize].store(root, Ordering::Release);
            return Ok(());
        }
        let (mut group, _) = self.root(table);
        let levels = usize::from(len - 1) / 8;
        for level in 0..levels {
            let at = usize::from(prefix.octet(level));
            let found = self.group(group)[at].load(Ordering::Relaxed);
            group = if found & EXTENDED != 0 {
                found & VALUE
            } else {
                let child = self.take_group(found)?;
                self.group(group)[at].store(EXTENDED | child, Ordering::Release);
                child
            };
        }
        let new = entry(len, value);
        self.rewrite(group, levels, prefix, len, &|old| if depth(old) <= len { new } else { old });
        Ok(())
    }

    /// Removes a route. `cover` is the next shorter route of the table: its length and value.
    pub fn remove(&mut self, table: TrieId, prefix: B, len: u8, cover: Option<(u8, u32)>) {
        let (root, _) = self.root(table);
        if len == 0 {
            self.tries.roots[table.0 as usize].store(u64::from(root) << 32, Ordering::Release);
            return;
        }
        let new = cover.filter(|&(len, _)| len > 0).map_or(0, |(len, value)| entry(len, value));
        let levels = usize::from(len - 1) / 8;
        let mut path = [(0, 0); 16];
        let mut group = root;
        for (level, place) in path[..levels].iter_mut().enumerate() {
            let at = usize::from(prefix.octet(level));
            *place = (group, at);
            let found = self.group(group)[at].load(Ordering::Relaxed);
            if found & EXTENDED == 0 {
                return;
            }
            group = found & VALUE;
        }
        self.rewrite(group, levels, prefix, len, &|old| if depth(old) == len { new } else { old });
        for level in (0..levels).rev() {
            let (parent, at) = path[level];
            let Some(value) = self.uniform(group, level) else { break };
            self.group(parent)[at].store(value, Ordering::Release);
            self.unlinked.push(Gone::Group(group));
            group = parent;
        }
    }

    /// The one value of a group below `level`, if no route in it is longer than the entry above.
    fn uniform(&self, group: u32, level: usize) -> Option<u32> {
        let entries = self.group(group);
        let value = entries[0].load(Ordering::Relaxed);
        let shallow = value & EXTENDED == 0 && usize::from(depth(value)) <= 8 * (level + 1);
        (shallow && entries.iter().all(|entry| entry.load(Ordering::Relaxed) == value))
            .then_some(value)
    }

    fn rewrite(&self, group: u32, level: usize, prefix: B, len: u8, change: &impl Fn(u32) -> u32) {
        let bits = u32::from(len) - 8 * level as u32;
        let span = 1_usize << 8_u32.saturating_sub(bits);
        let first = usize::from(prefix.octet(level)) & !(span - 1);
        for slot in &self.group(group)[first..first + span] {
            self.change(slot, change);
        }
    }

    fn change(&self, slot: &AtomicU32, change: &impl Fn(u32) -> u32) {
        let old = slot.load(Ordering::Relaxed);
        if old & EXTENDED != 0 {
            for below in self.group(old & VALUE) {
                self.change(below, change);
            }
            return;
        }
        let new = change(old);
        if new != old {
            slot.store(new, Ordering::Release);
        }
    }

    /// True when something was given up since the last [`TriesWriter::retire`].
    pub fn has_unlinked(&self) -> bool {
        !self.unlinked.is_empty()
    }

    /// Tags what was given up with an epoch that began after that.
    pub fn retire(&mut self, epoch: Epoch) {
        for gone in self.unlinked.drain(..) {
            self.retired.push(epoch, gone);
        }
    }

    /// Makes free what no reader can hold.
    pub fn reclaim(&mut self, safe: Epoch) {
        while let Some(gone) = self.retired.pop(safe) {
            match gone {
                Gone::Group(group) => self.free_groups.push(group),
                Gone::Table(table) => self.free_tables.push(table),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Longest match by looking at every route.
    #[derive(Default)]
    struct Plain(BTreeMap<(u8, u32), u32>);

    impl Plain {
        fn covers(len: u8, prefix: u32, dst: u32) -> bool {
            len == 0 || (dst ^ prefix) >> (32 - len) == 0
        }

        fn best(&self, dst: u32, below: u8) -> Option<(u8, u32)> {
            let shorter = self.0.iter().rev().filter(|((len, _), _)| *len < below);
            shorter
                .filter(|((len, prefix), _)| Self::covers(*len, *prefix, dst))
                .map(|((len, _), value)| (*len, *value))
                .next()
        }
    }

    fn mask(prefix: u32, len: u8) -> u32 {
        if len == 0 { 0 } else { prefix & u32::MAX << (32 - len) }
    }

    #[test]
    fn any_order_of_changes_in_two_tables_gives_the_longest_match_of_each() {
        bolero::check!()
            .with_type::<Vec<(bool, bool, u32, u8)>>()
            .with_max_len(64)
            .with_iterations(300)
            .for_each(|steps| {
                let mut writer = TriesWriter::<u32>::new(4, 512);
                let tables = [writer.create().unwrap(), writer.create().unwrap()];
                let mut plain = [Plain::default(), Plain::default()];
                for (number, &(add, second, bits, len)) in steps.iter().enumerate() {
                    let len =
                        [0, 1, 7, 8, 9, 15, 16, 17, 23, 24, 25, 31, 32][usize::from(len % 13)];
                    let which = usize::from(second);
                    // Few distinct prefixes, so that routes nest and are removed again.
                    let prefix = mask(0x0a00_0000 | bits & 0x8101_0181, len);
                    let (table, routes) = (tables[which], &mut plain[which]);
                    if add {
                        writer.insert(table, prefix, len, number as u32 + 1).unwrap();
                        routes.0.insert((len, prefix), number as u32 + 1);
                    } else if routes.0.remove(&(len, prefix)).is_some() {
                        writer.remove(table, prefix, len, routes.best(prefix, len));
                    }
                    writer.retire(Epoch(1));
                    writer.reclaim(Epoch(1));
                }
                for (table, routes) in tables.iter().zip(&mut plain) {
                    let edges = routes.0.keys().flat_map(|(_, prefix)| [*prefix, prefix ^ 1]);
                    for dst in edges.chain((0..64_u32).map(|n| n.wrapping_mul(0x9e37_79b1))) {
                        let expected = routes.best(dst, 33).map_or(0, |(_, value)| value);
                        assert_eq!(writer.tables().lookup(*table, dst), expected, "{dst:08x}");
                    }
                    for (len, prefix) in routes.0.keys().copied().collect::<Vec<_>>() {
                        routes.0.remove(&(len, prefix));
                        writer.remove(*table, prefix, len, routes.best(prefix, len));
                    }
                    writer.delete(*table);
                }
                writer.retire(Epoch(1));
                writer.reclaim(Epoch(1));
                assert_eq!(writer.groups(), 0, "every group is given back");
            });
    }

    #[test]
    fn an_empty_table_takes_a_kibibyte_and_thousands_fit() {
        let mut writer = TriesWriter::<u32>::new(5000, 8192);
        let tables: Vec<_> = (0..5000).map(|_| writer.create().unwrap()).collect();
        assert_eq!(writer.groups(), 5000);
        assert!(writer.create().is_err());
        writer.insert(tables[4999], 0x0a01_0203, 32, 7).unwrap();
        assert_eq!(writer.groups(), 5003, "a group for each octet behind the first");
        assert_eq!(writer.tables().lookup(tables[4999], 0x0a01_0203), 7);
        assert_eq!(writer.tables().lookup(tables[4998], 0x0a01_0203), 0);
    }

    #[test]
    fn a_pool_that_is_full_refuses_and_answers_as_before() {
        let mut writer = TriesWriter::<u32>::new(2, 2);
        let table = writer.create().unwrap();
        writer.insert(table, 0x0a00_0000, 8, 1).unwrap();
        assert!(writer.insert(table, 0x0a01_0200, 24, 2).is_err());
        assert_eq!(writer.tables().lookup(table, 0x0a01_0201), 1);
        assert!(writer.create().is_err());
    }
}
