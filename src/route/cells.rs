//! Where routes of either family hang that are longer than a table's first index: trees over the
//! octets of a destination, one node an octet at most.
//!
//! A tree hangs from a slot. What a slot holds is an *entry*: a value with the length of the route
//! that it came from, or a *link* to a node, with the octet that the node asks for. There are three
//! kinds of nodes, and the one that takes the least memory is used:
//!
//! - a *shortcut*: what destinations within one prefix find, and what the others do. A route that
//!   stands alone takes one of these whatever its length;
//! - *runs*: up to 13 runs of octets that find the same;
//! - *all*: 256 entries.
//!
//! The first two are a processor's cache line each. A pool may be told to make only the third kind,
//! which is the quickest to look at: for addresses of four octets it is worth its memory.
//!
//! One writer and any number of readers without
//! locks: a node is complete before it is linked; what changes in it later are single entries, each
//! from one right answer to another; and a node that was given up is filled anew only when no
//! reader can hold it. Taking a route away needs no room.
//!
//! - takes: the upper bits of a destination ([`crate::packet::bits::Bits::upper`])
//! - gives: the entry of the longest route below a slot
//! - obeys: RFC 1812 section 5.2.4.3 (longest match)
//! - costs: 64 bytes a node of the first two kinds, 1 KiB one of the third (`benches/fib.rs`)

use std::{
    hint::select_unpredictable,
    sync::atomic::{AtomicU32, Ordering},
};

use crate::dpdk::{pages, prefetch::prefetch_at};

mod writer;

pub(super) use writer::CellsWriter;

const VALUE: u32 = 0x00ff_ffff;
const LEN_SHIFT: u32 = 24;
/// A link's kind, in its upper three bits; the upper bit tells links from values.
const LINK: u32 = 1 << 31;
const KIND: u32 = 0b111 << 29;
const SHORTCUT: u32 = 0b100 << 29;
const RUNS: u32 = 0b101 << 29;
const ALL: u32 = 0b110 << 29;
const KIND_SHIFT: u32 = 29;

/// Words of a cache line.
const CELL: usize = 16;
const GROUP: usize = 256;
/// Runs: the last octet of each but the last, four a word, then what they find.
const ENDS: usize = 3;
const MOST_RUNS: usize = CELL - ENDS;
/// A shortcut: the prefix, its mask, its length, what it leads to and what the others find.
const MASK: usize = 4;
const LEN: usize = 8;
const WITHIN: usize = 9;
const OUTSIDE: usize = 10;

/// The entry of a route that is at least a bit long.
pub(super) const fn entry(len: u8, value: u32) -> u32 {
    (len as u32 - 1) << LEN_SHIFT | value & VALUE
}

/// Length of the route that an entry came from; 0 for none.
pub(super) const fn len_of(entry: u32) -> u8 {
    if entry == 0 { 0 } else { (entry >> LEN_SHIFT & 0x7f) as u8 + 1 }
}

/// What stands below a route that goes, where `cover` is left: the default route is kept elsewhere.
pub(super) fn cover_entry(cover: Option<(u8, u32)>) -> u32 {
    cover.filter(|(len, _)| *len > 0).map_or(0, |(len, value)| entry(len, value))
}

pub(super) const fn value_of(entry: u32) -> u32 {
    entry & VALUE
}

pub(super) const fn is_link(entry: u32) -> bool {
    entry & LINK != 0
}

const fn link(kind: u32, level: usize, index: u32) -> u32 {
    kind | (level as u32) << LEN_SHIFT | index
}

/// Which octet a node asks for.
const fn level_of(link: u32) -> usize {
    (link >> LEN_SHIFT & 0xf) as usize
}

/// Read where it lies, of which the last byte comes first.
#[inline(always)]
fn octet(key: &u128, level: usize) -> u8 {
    bytemuck::bytes_of(key)[15 - (level & 15)]
}

fn mask(len: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(len)).unwrap_or(0)
}

/// Octets of a node that a route of `len` bits takes, which ends in it.
fn span(key: u128, level: usize, len: u8) -> std::ops::Range<usize> {
    let width = 1_usize << (8 * (level + 1) - usize::from(len));
    let first = usize::from(octet(&key, level)) & !(width - 1);
    first..first + width
}

/// Nodes, as readers hold them.
pub(super) struct Cells {
    words: Box<[AtomicU32]>,
    /// The first word that begins a cache line.
    first: usize,
    groups: Box<[AtomicU32]>,
}

struct Shortcut {
    key: u128,
    len: u8,
    within: u32,
    outside: u32,
}

impl Cells {
    fn new(cells: u32, groups: u32) -> Self {
        let words: Box<[AtomicU32]> = pages::zeroed((cells as usize + 1) * CELL);
        let first = words.as_ptr().align_offset(CELL * size_of::<u32>()).min(CELL);
        Self { words, first, groups: pages::zeroed(groups as usize * GROUP) }
    }

    #[inline(always)]
    fn cell(&self, link: u32) -> Option<&[AtomicU32; CELL]> {
        let at = self.first + value_of(link) as usize * CELL;
        self.words.get(at..)?.first_chunk()
    }

    /// What `key` finds below a link to a shortcut.
    #[inline(always)]
    fn past_shortcut(&self, link: u32, key: &u128) -> u32 {
        let Some(cell) = self.cell(link) else { return 0 };
        let differ = (wide(cell, 0) ^ *key) & wide(cell, MASK);
        // Both are read, so that nothing has to be guessed.
        let within = cell[WITHIN].load(Ordering::Acquire);
        let outside = cell[OUTSIDE].load(Ordering::Acquire);
        select_unpredictable(differ == 0, within, outside)
    }

    /// The run that an octet is in: so many runs end before it.
    #[inline(always)]
    fn run(cell: &[AtomicU32; CELL], octet: u8) -> usize {
        const HIGH: u64 = 0x8080_8080_8080_8080;
        const ONES: u64 = 0x0101_0101_0101_0101;
        let octets = u64::from(octet) * ONES;
        // In each byte: the upper bit where the end is below the octet.
        let below = |ends: u64| {
            let rest = (ends | HIGH) - (octets & !HIGH);
            !((ends & !octets) | (!(ends ^ octets) & rest)) & HIGH
        };
        let word = |at: usize| u64::from(cell[at].load(Ordering::Relaxed));
        let both =
            (below(word(0) | word(1) << 32) >> 7) + (below(word(2) | 0xffff_ffff << 32) >> 7);
        (both.wrapping_mul(ONES) >> 56) as usize
    }

    #[inline(always)]
    fn past_runs(&self, link: u32, key: &u128) -> u32 {
        let Some(cell) = self.cell(link) else { return 0 };
        let run = Self::run(cell, octet(key, level_of(link)));
        cell.get(ENDS + run).map_or(0, |entry| entry.load(Ordering::Acquire))
    }

    /// Where among the groups the entry of `key` is, in a node of 256.
    #[inline(always)]
    fn place(link: u32, key: &u128) -> usize {
        value_of(link) as usize * GROUP + usize::from(octet(key, level_of(link)))
    }

    #[inline(always)]
    fn past_all(&self, link: u32, key: &u128) -> u32 {
        self.groups.get(Self::place(link, key)).map_or(0, |entry| entry.load(Ordering::Acquire))
    }

    /// What `key` finds from an entry on: an entry without link.
    #[inline(always)]
    pub(super) fn follow(&self, mut entry: u32, key: u128) -> u32 {
        while is_link(entry) {
            entry = match entry & KIND {
                SHORTCUT => self.past_shortcut(entry, &key),
                RUNS => self.past_runs(entry, &key),
                _ => self.past_all(entry, &key),
            };
        }
        entry
    }

    /// As [`Cells::follow`], where all nodes are of 256 entries and the first asks for the first
    /// octet, of four.
    #[inline(always)]
    pub(super) fn follow_wide(&self, mut entry: u32, key: u128) -> u32 {
        let octets = (key >> 96) as u32;
        for below in [24, 16, 8, 0] {
            if !is_link(entry) {
                break;
            }
            let at = value_of(entry) as usize * GROUP + (octets >> below & 0xff) as usize;
            entry = self.groups.get(at).map_or(0, |entry| entry.load(Ordering::Acquire));
        }
        entry
    }

    /// As [`Cells::follow`], of many at once: their cache misses overlap.
    #[inline(always)]
    pub(super) fn follow_all(&self, keys: &[u128], entries: &mut [u32]) {
        for (keys, entries) in keys.chunks(LANES).zip(entries.chunks_mut(LANES)) {
            self.follow_lanes(keys, entries);
        }
    }

    fn follow_lanes(&self, keys: &[u128], entries: &mut [u32]) {
        let mut waiting = Waiting { cells: self, lanes: [[0; LANES]; KINDS], count: [0; KINDS] };
        for (lane, (entry, key)) in entries.iter().zip(keys).enumerate() {
            waiting.push(lane as u8, *entry, key);
        }
        while waiting.any() {
            waiting.pass::<{ kind_at(SHORTCUT) }>(keys, entries, |at, key| {
                self.past_shortcut(at, key)
            });
            waiting.pass::<{ kind_at(RUNS) }>(keys, entries, |at, key| self.past_runs(at, key));
            waiting.pass::<{ kind_at(ALL) }>(keys, entries, |at, key| self.past_all(at, key));
        }
    }

    fn shortcut(&self, link: u32) -> Option<Shortcut> {
        let cell = self.cell(link)?;
        Some(Shortcut {
            key: wide(cell, 0),
            len: cell[LEN].load(Ordering::Relaxed) as u8,
            within: cell[WITHIN].load(Ordering::Relaxed),
            outside: cell[OUTSIDE].load(Ordering::Relaxed),
        })
    }

    fn group(&self, link: u32) -> &[AtomicU32] {
        self.groups.get(value_of(link) as usize * GROUP..).unwrap_or_default()
    }

    /// The slot of an octet in a node.
    fn slot(&self, link: u32, octet: u8) -> Option<&AtomicU32> {
        if link & KIND == ALL {
            return self.group(link).get(usize::from(octet));
        }
        let cell = self.cell(link)?;
        cell.get(ENDS + Self::run(cell, octet))
    }

    /// What each octet finds in a node.
    fn spread(&self, link: u32) -> [u32; GROUP] {
        let of = |octet| self.slot(link, octet).map_or(0, |slot| slot.load(Ordering::Relaxed));
        std::array::from_fn(|at| of(at as u8))
    }

    /// All slots of a node.
    fn slots(&self, link: u32) -> &[AtomicU32] {
        match link & KIND {
            ALL => self.group(link).get(..GROUP).unwrap_or_default(),
            RUNS => self.cell(link).map_or(&[], |cell| &cell[ENDS..]),
            _ => self.cell(link).map_or(&[], |cell| &cell[WITHIN..=OUTSIDE]),
        }
    }

    /// Changes every entry below a slot.
    pub(super) fn change(&self, slot: &AtomicU32, rule: &impl Fn(u32) -> u32) {
        let old = slot.load(Ordering::Relaxed);
        if is_link(old) {
            self.slots(old).iter().for_each(|slot| self.change(slot, rule));
            return;
        }
        let new = rule(old);
        if new != old {
            slot.store(new, Ordering::Release);
        }
    }

    /// What all of a node finds, if nothing in it is longer than what leads to it.
    fn alone(&self, link: u32) -> Option<u32> {
        if link & KIND == SHORTCUT {
            let shortcut = self.shortcut(link)?;
            return (shortcut.within == shortcut.outside).then_some(shortcut.outside);
        }
        let value = self.slot(link, 0)?.load(Ordering::Relaxed);
        let short = !is_link(value) && usize::from(len_of(value)) <= 8 * level_of(link);
        let same = |octet| {
            self.slot(link, octet).is_some_and(|slot| slot.load(Ordering::Relaxed) == value)
        };
        (short && (0..=u8::MAX).all(same)).then_some(value)
    }
}

/// Destinations that go down together.
const LANES: usize = 64;
const KINDS: usize = 8;

const fn kind_at(entry: u32) -> usize {
    (entry >> KIND_SHIFT) as usize
}

/// Who waits at which kind of node; those at values are done.
struct Waiting<'a> {
    cells: &'a Cells,
    lanes: [[u8; LANES]; KINDS],
    count: [u8; KINDS],
}

impl Waiting<'_> {
    /// Without a branch, which a processor would guess wrong. The node is asked for: by the time that it is
    /// looked at, the others of its kind have been.
    #[inline(always)]
    fn push(&mut self, lane: u8, entry: u32, key: &u128) {
        let kind = kind_at(entry) % KINDS;
        let (cells, all) = (self.cells, entry & KIND == ALL);
        // Of a value nothing is read any more: it asks for the first cell, which is at hand.
        let cell = select_unpredictable(is_link(entry), value_of(entry) as usize, 0);
        let table = select_unpredictable(all, &*cells.groups, &*cells.words);
        let place = Cells::place(entry, key);
        prefetch_at(table, select_unpredictable(all, place, cells.first + cell * CELL));
        self.lanes[kind][usize::from(self.count[kind]) % LANES] = lane;
        self.count[kind] = self.count[kind].wrapping_add(1);
    }

    fn any(&self) -> bool {
        self.count[kind_at(LINK)..].iter().any(|count| *count > 0)
    }

    /// All that wait at one kind of node go on by one.
    #[inline(always)]
    fn pass<const AT: usize>(
        &mut self,
        keys: &[u128],
        entries: &mut [u32],
        step: impl Fn(u32, &u128) -> u32,
    ) {
        let (lanes, count) = (self.lanes[AT], usize::from(std::mem::take(&mut self.count[AT])));
        for lane in &lanes[..count.min(LANES)] {
            let place = usize::from(*lane);
            if let (Some(key), Some(entry)) = (keys.get(place), entries.get_mut(place)) {
                *entry = step(*entry, key);
                self.push(*lane, *entry, key);
            }
        }
    }
}

/// Four words as one number.
#[inline(always)]
fn wide(cell: &[AtomicU32; CELL], at: usize) -> u128 {
    let word = |of: usize| u128::from(cell[at + of].load(Ordering::Relaxed));
    word(0) | word(1) << 32 | word(2) << 64 | word(3) << 96
}

fn set_wide(cell: &[AtomicU32; CELL], at: usize, number: u128) {
    for (word, shift) in cell[at..at + 4].iter().zip([0, 32, 64, 96]) {
        word.store((number >> shift) as u32, Ordering::Relaxed);
    }
}

/// The last octets of the runs of a node, and what they find; `None` for too many runs.
///
/// Routes that are alike side by side are runs of their own, so that each can go without room.
fn runs_of(all: &[u32; GROUP], level: usize) -> Option<([u8; 4 * ENDS], [u32; MOST_RUNS])> {
    let (mut ends, mut found) = ([u8::MAX; 4 * ENDS], [0; MOST_RUNS]);
    let mut runs = 0;
    for (at, entry) in all.iter().enumerate() {
        let begins = at > 0 && {
            let deep = !is_link(*entry) && usize::from(len_of(*entry)) > 8 * level;
            *entry != all[at - 1] || deep && at == span_at(at, level, len_of(*entry))
        };
        if begins {
            *ends.get_mut(runs)? = at as u8 - 1;
            runs += 1;
        }
        *found.get_mut(runs)? = *entry;
    }
    Some((ends, found))
}

/// The first octet of the span that `at` is in.
fn span_at(at: usize, level: usize, len: u8) -> usize {
    at & !((1 << (8 * (level + 1)).saturating_sub(usize::from(len))) - 1)
}
