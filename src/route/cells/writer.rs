//! The one who hangs routes into trees, and takes them away.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::{
    publish::{Epoch, Retired},
    route::fib::FibFull,
};

/// Room for nodes, of the one writer.
pub(in crate::route) struct CellsWriter {
    cells: Pool,
    groups: Pool,
    /// All nodes are of 256 entries.
    wide: bool,
    unlinked: Vec<u32>,
    retired: Retired<u32>,
}

struct Pool {
    limit: u32,
    next: u32,
    free: Vec<u32>,
}

impl Pool {
    const fn new(limit: u32) -> Self {
        Self { limit, next: 0, free: Vec::new() }
    }

    fn take(&mut self) -> Result<u32, FibFull> {
        if let Some(free) = self.free.pop() {
            return Ok(free);
        }
        if self.next == self.limit {
            return Err(FibFull { limit: self.limit });
        }
        self.next += 1;
        Ok(self.next - 1)
    }

    fn used(&self) -> u32 {
        self.next - self.free.len() as u32
    }
}

impl CellsWriter {
    /// Room for so many nodes of a cache line and of 1 KiB; memory is taken as it is used. Without
    /// room for the former, all nodes are of 256 entries.
    pub(in crate::route) fn new(cells: u32, groups: u32) -> (Self, Cells) {
        let (cells, groups) = (cells.min(VALUE), groups.min(VALUE));
        let writer = Self {
            cells: Pool::new(cells),
            groups: Pool::new(groups),
            wide: cells == 0,
            unlinked: Vec::new(),
            retired: Retired::default(),
        };
        (writer, Cells::new(cells, groups))
    }

    /// Nodes in use, those that wait for readers included.
    pub(in crate::route) fn used(&self) -> u32 {
        self.cells.used() + self.groups.used()
    }

    /// Bytes that nodes have touched at most.
    pub(in crate::route) fn bytes(&self) -> u64 {
        let words = u64::from(self.cells.next) * CELL as u64;
        (words + u64::from(self.groups.next) * GROUP as u64) * size_of::<u32>() as u64
    }

    fn build_shortcut(&mut self, cells: &Cells, shortcut: &Shortcut) -> Result<u32, FibFull> {
        let link = link(SHORTCUT, 0, self.cells.take()?);
        if let Some(cell) = cells.cell(link) {
            set_wide(cell, 0, shortcut.key & mask(shortcut.len));
            set_wide(cell, MASK, mask(shortcut.len));
            cell[LEN].store(shortcut.len.into(), Ordering::Relaxed);
            cell[WITHIN].store(shortcut.within, Ordering::Relaxed);
            cell[OUTSIDE].store(shortcut.outside, Ordering::Relaxed);
        }
        Ok(link)
    }

    /// A node of runs or of all octets.
    fn build(&mut self, cells: &Cells, level: usize, all: &[u32; GROUP]) -> Result<u32, FibFull> {
        let runs = if self.wide { None } else { runs_of(all, level) };
        let Some((ends, found)) = runs else {
            let link = link(ALL, level, self.groups.take()?);
            for (slot, entry) in cells.group(link).iter().zip(all) {
                slot.store(*entry, Ordering::Relaxed);
            }
            return Ok(link);
        };
        let link = link(RUNS, level, self.cells.take()?);
        if let Some(cell) = cells.cell(link) {
            for (word, four) in cell.iter().zip(ends.as_chunks::<4>().0) {
                word.store(u32::from_le_bytes(*four), Ordering::Relaxed);
            }
            for (slot, entry) in cell[ENDS..].iter().zip(found) {
                slot.store(entry, Ordering::Relaxed);
            }
        }
        Ok(link)
    }

    /// Gives a node back that no reader has seen.
    fn unbuild(&mut self, link: u32) {
        let pool = if link & KIND == ALL { &mut self.groups } else { &mut self.cells };
        pool.free.push(value_of(link));
    }

    /// Puts `new`, whose route is `len` bits of `key`, below `slot`, which stands for the first
    /// `level` octets of `key` and holds nothing longer than that.
    ///
    /// # Errors
    /// When there is no room for nodes; no look-up has changed then.
    pub(in crate::route) fn insert<'a>(
        &mut self,
        cells: &'a Cells,
        mut slot: &'a AtomicU32,
        mut level: usize,
        (key, len): (u128, u8),
        new: u32,
    ) -> Result<(), FibFull> {
        let last = usize::from(len - 1) / 8;
        loop {
            let found = slot.load(Ordering::Relaxed);
            if !is_link(found) && self.wide {
                slot.store(self.build(cells, level, &[found; GROUP])?, Ordering::Release);
                continue;
            }
            if !is_link(found) {
                let lone = Shortcut { key, len, within: new, outside: found };
                let lone = self.build_shortcut(cells, &lone)?;
                slot.store(lone, Ordering::Release);
                return Ok(());
            }
            if found & KIND == SHORTCUT {
                let (Some(cell), Some(old)) = (cells.cell(found), cells.shortcut(found)) else {
                    return Ok(());
                };
                let inside = (key ^ old.key) & mask(old.len) == 0;
                if is_link(old.within) && inside && len > old.len {
                    (slot, level) = (&cell[WITHIN], level_of(old.within));
                } else if !is_link(old.within) && inside && len == old.len {
                    cell[WITHIN].store(new, Ordering::Release);
                    return Ok(());
                } else {
                    self.part(cells, slot, level, &old, key, last)?;
                }
                continue;
            }
            if last == level {
                let rule = |old| if len_of(old) <= len { new } else { old };
                return self.rewrite(cells, slot, (key, len), &rule);
            }
            let at = octet(&key, level);
            let Some(below) = cells.slot(found, at) else { return Ok(()) };
            let next = below.load(Ordering::Relaxed);
            if is_link(next) || found & KIND == ALL {
                (slot, level) = (below, level + 1);
                continue;
            }
            let lone = Shortcut { key, len, within: new, outside: next };
            let lone = self.build_shortcut(cells, &lone)?;
            let mut all = cells.spread(found);
            all[usize::from(at)] = lone;
            let built = self.build(cells, level, &all).inspect_err(|_| self.unbuild(lone))?;
            slot.store(built, Ordering::Release);
            self.unlinked.push(found);
            return Ok(());
        }
    }

    /// Parts a shortcut in `slot` where `key` leaves it, or where a route ends that `last` asks for.
    fn part(
        &mut self,
        cells: &Cells,
        slot: &AtomicU32,
        level: usize,
        old: &Shortcut,
        key: u128,
        last: usize,
    ) -> Result<(), FibFull> {
        let found = slot.load(Ordering::Relaxed);
        let ends = usize::from(old.len - 1) / 8;
        let same = (key ^ old.key).leading_zeros() as usize / 8;
        let at = same.min(last).min(ends).max(level);
        let mut all = [old.outside; GROUP];
        if at < ends {
            all[usize::from(octet(&old.key, at))] = found;
        } else if is_link(old.within) {
            all[usize::from(octet(&old.key, at))] = old.within;
        } else {
            all[span(old.key, at, old.len)].fill(old.within);
        }
        let mut built = self.build(cells, at, &all)?;
        if at > level {
            let (within, outside) = (built, old.outside);
            let before = Shortcut { key, len: 8 * at as u8, within, outside };
            built = self.build_shortcut(cells, &before).inspect_err(|_| self.unbuild(within))?;
        }
        slot.store(built, Ordering::Release);
        if at == ends {
            self.unlinked.push(found);
        }
        Ok(())
    }

    /// Changes what a route takes of the node in which it ends.
    fn rewrite(
        &mut self,
        cells: &Cells,
        slot: &AtomicU32,
        (key, len): (u128, u8),
        rule: &impl Fn(u32) -> u32,
    ) -> Result<(), FibFull> {
        let found = slot.load(Ordering::Relaxed);
        let level = level_of(found);
        let span = span(key, level, len);
        let mut all = cells.spread(found);
        let changes = |entry: u32| !is_link(entry) && rule(entry) != entry;
        // Runs that reach beyond the route are parted, in a new node.
        let beyond = |at: usize, next: usize| {
            let run = |at| cells.slot(found, at as u8).map(std::ptr::from_ref);
            next < GROUP && at < GROUP && run(at) == run(next)
        };
        let edges = [(span.start, span.start.wrapping_sub(1)), (span.end - 1, span.end)];
        let parts = edges.iter().any(|(at, next)| beyond(*at, *next) && changes(all[*at]));
        let new = if parts {
            for entry in &mut all[span.clone()] {
                if !is_link(*entry) {
                    *entry = rule(*entry);
                }
            }
            Some(self.build(cells, level, &all)?)
        } else {
            None
        };
        for at in span {
            if let Some(slot) = cells.slot(found, at as u8)
                && (new.is_none() || is_link(slot.load(Ordering::Relaxed)))
            {
                cells.change(slot, rule);
            }
        }
        if let Some(new) = new {
            slot.store(new, Ordering::Release);
            self.unlinked.push(found);
        }
        Ok(())
    }

    /// Takes a route away below `top`; `cover` is the entry of the next shorter one.
    pub(in crate::route) fn remove<'a>(
        &mut self,
        cells: &'a Cells,
        top: &'a AtomicU32,
        (key, len): (u128, u8),
        cover: u32,
    ) {
        let last = usize::from(len - 1) / 8;
        let mut path = arrayvec::ArrayVec::<&'a AtomicU32, 33>::new();
        let mut slot = top;
        loop {
            let found = slot.load(Ordering::Relaxed);
            if !is_link(found) || path.try_push(slot).is_err() {
                break;
            }
            if found & KIND == SHORTCUT {
                let (Some(cell), Some(old)) = (cells.cell(found), cells.shortcut(found)) else {
                    break;
                };
                if (key ^ old.key) & mask(old.len) != 0 {
                    break;
                }
                slot = &cell[WITHIN];
                if !is_link(old.within) {
                    if len == old.len {
                        slot.store(cover, Ordering::Release);
                    }
                    break;
                }
                continue;
            }
            if level_of(found) == last {
                let rule = |old| if len_of(old) == len { cover } else { old };
                // It ends where its runs do: nothing is built.
                let _ = self.rewrite(cells, slot, (key, len), &rule);
                break;
            }
            let Some(below) = cells.slot(found, octet(&key, level_of(found))) else { break };
            slot = below;
        }
        while let Some(slot) = path.pop() {
            let found = slot.load(Ordering::Relaxed);
            let Some(value) = cells.alone(found) else { break };
            slot.store(value, Ordering::Release);
            self.unlinked.push(found);
        }
    }

    /// Empties a slot and gives all nodes below it up.
    pub(in crate::route) fn discard(&mut self, cells: &Cells, slot: &AtomicU32) {
        let found = slot.swap(0, Ordering::AcqRel);
        let mut below = vec![found];
        while let Some(link) = below.pop().filter(|link| is_link(*link)) {
            let links =
                |slot: &AtomicU32| Some(slot.load(Ordering::Relaxed)).filter(|e| is_link(*e));
            below.extend(cells.slots(link).iter().filter_map(links));
            self.unlinked.push(link);
        }
    }

    pub(in crate::route) fn has_unlinked(&self) -> bool {
        !self.unlinked.is_empty()
    }

    pub(in crate::route) fn retire(&mut self, epoch: Epoch) {
        for link in self.unlinked.drain(..) {
            self.retired.push(epoch, link);
        }
    }

    pub(in crate::route) fn reclaim(&mut self, safe: Epoch) {
        while let Some(link) = self.retired.pop(safe) {
            self.unbuild(link);
        }
    }
}
