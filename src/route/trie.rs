//! Forwarding tables beside the main one: any number of them, small until they are used.
//!
//! Each table is a tree of [`super::cells`] under a slot of its own, and all tables of a family share
//! one pool of nodes, so an empty table costs eight bytes. Changes follow the rules of
//! [`super::fib`].
//!
//! - obeys: RFC 1812 section 5.2.4.3 (longest match); ledger 6.111 (many tables)
//! - costs: 64 bytes a lone route of IPv6, and of IPv4 1 KiB an octet (`benches/fib.rs`)

use std::{
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use super::{
    cells::{self, Cells, CellsWriter},
    fib::FibFull,
};
use crate::{
    packet::bits::Bits,
    publish::{Epoch, Retired},
};

/// Nodes of a cache line for each of 1 KiB, of IPv6: most routes stand alone.
const CELLS: u32 = 8;

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

/// What readers hold: all tables of a family.
pub struct Tries<B = u32> {
    cells: Cells,
    /// Entry or link, and the value of the default route, by table.
    roots: Box<[[AtomicU32; 2]]>,
    family: PhantomData<B>,
}

impl<B: Bits> Tries<B> {
    /// Value of the longest route of `table` that covers `dst`, or 0.
    pub fn lookup(&self, table: TrieId, dst: B) -> u32 {
        self.lookup_with_len(table, dst).0
    }

    /// Value of the longest route of `table` that covers `dst`, or 0, and its length.
    #[inline]
    pub fn lookup_with_len(&self, table: TrieId, dst: B) -> (u32, u8) {
        let Some([root, default]) = self.roots.get(table.0 as usize) else { return (0, 0) };
        let root = root.load(Ordering::Acquire);
        let found = if B::SIX {
            self.cells.follow(root, dst.upper())
        } else {
            self.cells.follow_wide(root, dst.upper())
        };
        if found == 0 {
            return (default.load(Ordering::Acquire), 0);
        }
        (cells::value_of(found), cells::len_of(found))
    }
}

/// The one writer.
pub struct TriesWriter<B = u32> {
    tries: Arc<Tries<B>>,
    nodes: CellsWriter,
    next_table: u32,
    free_tables: Vec<u32>,
    unlinked: Vec<u32>,
    retired: Retired<u32>,
}

impl<B: Bits> TriesWriter<B> {
    /// Room for `tables` tables and for `groups` nodes of 1 KiB, and for IPv6 many times as many
    /// smaller ones; memory is taken as it is used.
    pub fn new(tables: u32, groups: u32) -> Self {
        let small = if B::SIX { groups.saturating_mul(CELLS) } else { 0 };
        let (nodes, cells) = CellsWriter::new(small, groups);
        let roots = bytemuck::zeroed_slice_box(tables as usize);
        Self {
            tries: Arc::new(Tries { cells, roots, family: PhantomData }),
            nodes,
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

    /// Nodes in use, those that wait for readers included.
    pub fn groups(&self) -> u32 {
        self.nodes.used()
    }

    /// A new, empty table.
    ///
    /// # Errors
    /// When all tables are in use.
    pub fn create(&mut self) -> Result<TrieId, FibFull> {
        if let Some(table) = self.free_tables.pop() {
            return Ok(TrieId(table));
        }
        if self.next_table as usize == self.tries.roots.len() {
            return Err(FibFull { limit: self.next_table });
        }
        self.next_table += 1;
        Ok(TrieId(self.next_table - 1))
    }

    /// Gives a table up, which the caller has emptied.
    pub fn delete(&mut self, table: TrieId) {
        if let Some([_, default]) = self.tries.roots.get(table.0 as usize) {
            default.store(0, Ordering::Release);
        }
        self.unlinked.push(table.0);
    }

    /// Gives a table up with all that stands in it.
    pub fn discard(&mut self, table: TrieId) {
        if let Some([root, _]) = self.tries.roots.get(table.0 as usize) {
            self.nodes.discard(&self.tries.cells, root);
        }
        self.delete(table);
    }

    /// Sets the value of a route; `value` is from 1 to [`super::fib::MAX_VALUE`].
    ///
    /// # Errors
    /// When the route needs nodes and too few are free; no look-up has changed then.
    pub fn insert(&mut self, table: TrieId, prefix: B, len: u8, value: u32) -> Result<(), FibFull> {
        let tries = &*self.tries;
        let Some([root, default]) = tries.roots.get(table.0 as usize) else { return Ok(()) };
        if len == 0 {
            default.store(value & super::fib::MAX_VALUE, Ordering::Release);
            return Ok(());
        }
        let new = cells::entry(len, value);
        self.nodes.insert(&tries.cells, root, 0, (prefix.upper(), len), new)
    }

    /// Removes a route. `cover` is the next shorter route of the table: its length and value.
    pub fn remove(&mut self, table: TrieId, prefix: B, len: u8, cover: Option<(u8, u32)>) {
        let tries = &*self.tries;
        let Some([root, default]) = tries.roots.get(table.0 as usize) else { return };
        if len == 0 {
            default.store(0, Ordering::Release);
            return;
        }
        self.nodes.remove(&tries.cells, root, (prefix.upper(), len), cells::cover_entry(cover));
    }

    /// True when something was given up since the last [`TriesWriter::retire`].
    pub fn has_unlinked(&self) -> bool {
        !self.unlinked.is_empty() || self.nodes.has_unlinked()
    }

    /// Tags what was given up with an epoch that began after that.
    pub fn retire(&mut self, epoch: Epoch) {
        self.nodes.retire(epoch);
        for table in self.unlinked.drain(..) {
            self.retired.push(epoch, table);
        }
    }

    /// Makes free what no reader can hold.
    pub fn reclaim(&mut self, safe: Epoch) {
        self.nodes.reclaim(safe);
        while let Some(table) = self.retired.pop(safe) {
            self.free_tables.push(table);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Longest match by looking at every route.
    struct Plain<B>(BTreeMap<(u8, B), u32>);

    impl<B: Bits> Plain<B> {
        fn best(&self, dst: B, below: u8) -> Option<(u8, u32)> {
            let shorter = self.0.iter().rev().filter(|((len, _), _)| *len < below);
            shorter
                .filter(|((len, prefix), _)| prefix.agrees(dst, *len))
                .map(|((len, _), value)| (*len, *value))
                .next()
        }
    }

    /// Changes of two tables with few distinct prefixes, so that routes nest and are removed again.
    fn longest_match<B: Bits>(steps: &[(bool, bool, u32, u8)], at: impl Fn(u32) -> B, lens: &[u8]) {
        let mut writer = TriesWriter::<B>::new(4, 512);
        let tables = [writer.create().unwrap(), writer.create().unwrap()];
        let mut plain = [Plain(BTreeMap::new()), Plain(BTreeMap::new())];
        for (number, &(add, second, bits, len)) in steps.iter().enumerate() {
            let len = lens[usize::from(len) % lens.len()];
            let prefix = at(0x0a00_0000 | bits & 0x8101_0181) & B::mask(len);
            let (table, routes) = (tables[usize::from(second)], &mut plain[usize::from(second)]);
            let value = number as u32 % 5 + 1;
            if add {
                writer.insert(table, prefix, len, value).unwrap();
                routes.0.insert((len, prefix), value);
            } else if routes.0.remove(&(len, prefix)).is_some() {
                writer.remove(table, prefix, len, routes.best(prefix, len));
            }
            writer.retire(Epoch(1));
            writer.reclaim(Epoch(1));
        }
        for (table, routes) in tables.iter().zip(&mut plain) {
            let edges =
                routes.0.keys().flat_map(|(len, prefix)| [*prefix, *prefix | !B::mask(*len)]);
            for dst in edges.chain((0..64_u32).map(|n| at(n.wrapping_mul(0x9e37_79b1)))) {
                let expected =
                    routes.best(dst, u8::MAX).map_or((0, 0), |(len, value)| (value, len));
                assert_eq!(writer.tables().lookup_with_len(*table, dst), expected, "{dst:x?}");
            }
            if steps.len() % 2 == 1 {
                writer.discard(*table);
                continue;
            }
            for (len, prefix) in routes.0.keys().copied().collect::<Vec<_>>() {
                routes.0.remove(&(len, prefix));
                writer.remove(*table, prefix, len, routes.best(prefix, len));
            }
            writer.delete(*table);
        }
        writer.retire(Epoch(1));
        writer.reclaim(Epoch(1));
        assert_eq!(writer.groups(), 0, "every node is given back");
    }

    #[test]
    fn any_order_of_changes_in_two_tables_gives_the_longest_match_of_each() {
        bolero::check!()
            .with_type::<Vec<(bool, bool, u32, u8)>>()
            .with_max_len(64)
            .with_iterations(300)
            .for_each(|steps| {
                let four = [0, 1, 7, 8, 9, 15, 16, 17, 23, 24, 25, 31, 32];
                longest_match(steps, |bits: u32| bits, &four);
                let six = [0, 1, 8, 9, 32, 47, 48, 49, 64, 72, 96, 103, 104, 105, 120, 127, 128];
                let spread = |bits: u32| {
                    u128::from(bits >> 16) << 112
                        | u128::from(bits & 0xff00) << 72
                        | u128::from(bits & 0xff)
                };
                longest_match(steps, spread, &six);
            });
    }

    #[test]
    fn an_empty_table_takes_no_node_and_thousands_fit() {
        let mut writer = TriesWriter::<u32>::new(5000, 8192);
        let tables: Vec<_> = (0..5000).map(|_| writer.create().unwrap()).collect();
        assert_eq!(writer.groups(), 0);
        assert!(writer.create().is_err());
        writer.insert(tables[4999], 0x0a01_0203, 32, 7).unwrap();
        assert_eq!(writer.groups(), 4, "a node for each octet");
        assert_eq!(writer.tables().lookup(tables[4999], 0x0a01_0203), 7);
        assert_eq!(writer.tables().lookup(tables[4999], 0x0a01_0204), 0);
        assert_eq!(writer.tables().lookup(tables[4998], 0x0a01_0203), 0);
    }

    #[test]
    fn a_lone_route_of_ipv6_takes_one_node_whatever_its_length() {
        let mut writer = TriesWriter::<u128>::new(2, 64);
        let table = writer.create().unwrap();
        let host = 0xfe80_u128 << 112 | 1;
        writer.insert(table, host, 128, 7).unwrap();
        assert_eq!(writer.groups(), 1);
        assert_eq!(writer.tables().lookup_with_len(table, host), (7, 128));
        assert_eq!(writer.tables().lookup(table, host + 1), 0);
    }

    #[test]
    fn a_pool_that_is_full_refuses_and_answers_as_before() {
        let mut writer = TriesWriter::<u32>::new(2, 2);
        let table = writer.create().unwrap();
        writer.insert(table, 0x0a00_0000, 8, 1).unwrap();
        assert!(writer.insert(table, 0x0a01_0200, 24, 2).is_err());
        assert_eq!(writer.tables().lookup(table, 0x0a01_0201), 1);
        writer.create().unwrap();
        assert!(writer.create().is_err());
    }
}
