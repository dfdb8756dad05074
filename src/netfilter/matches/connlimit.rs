//! `connlimit`: how many connections a block of addresses has open.
//!
//! - takes: a packet, its connection, what is open
//! - gives: whether the block has more than it may
//! - obeys: xt_connlimit and nf_conncount of the kernel: a connection counts from its first packet that
//!   meets the rule until it is closed or waits to be forgotten
//! - costs: a look at a line of eight blocks, and one at up to [`LOOKS`] of the worker's own connections of
//!   the packet's block, as the kernel looks at all of them
//!
//! Blocks are shared by all workers, each with its count in the same word as its tag, so that a place
//! can change hands only while nothing is counted there. Which connections were counted each worker
//! keeps for itself, those of a block in a ring; it gives up those that are over when others of the block
//! are counted, as the kernel does. What the other workers' packets cannot do for it, it does by and by
//! ([`Counted::sweep`]).

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use super::Found;
use crate::netfilter::env::Env;
use crate::netfilter::rule::{ConnLimit, Family, Is};
use crate::netfilter::view::View;

/// Blocks that share a line.
const WAYS: usize = 8;
/// Lines of blocks.
const LINES: usize = 2048;
/// Connections that a worker can keep count of.
const CONNS: usize = 1 << 16;
/// Places that are looked at for a connection.
const PROBES: usize = 16;
/// Connections of a block that are looked at when one is counted; where it has more, the others come the next time.
const LOOKS: usize = 64;
/// No connection.
const NONE: u32 = u32::MAX;

/// A connection that was counted.
#[derive(Debug, Default)]
struct Conn {
    /// Its id and one, 0 for a free place.
    id: AtomicU64,
    /// The place of its block.
    block: AtomicU32,
    /// The connection before it in the ring of its block, and the one behind it.
    ring: [AtomicU32; 2],
}

/// What one rule counts.
#[derive(Debug)]
pub(in crate::netfilter) struct Counted {
    /// Tags in the upper half of each word, counts in the lower.
    blocks: Box<[AtomicU64]>,
    conns: Box<[Box<[Conn]>]>,
    /// Of each worker a connection of each block.
    rings: Box<[Box<[AtomicU32]>]>,
    /// Where each worker goes on to sweep.
    swept: Box<[AtomicU32]>,
    seed: u64,
}

const COUNT: u64 = 0xffff_ffff;

impl Counted {
    /// Nothing yet.
    pub(in crate::netfilter) fn new(workers: usize) -> Self {
        let conns = || (0..CONNS).map(|_| Conn::default()).collect();
        let rings = || (0..LINES * WAYS).map(|_| AtomicU32::new(NONE)).collect();
        Self {
            blocks: (0..LINES * WAYS).map(|_| AtomicU64::new(0)).collect(),
            conns: (0..workers).map(|_| conns()).collect(),
            rings: (0..workers).map(|_| rings()).collect(),
            swept: (0..workers).map(|_| AtomicU32::new(0)).collect(),
            seed: super::seed(),
        }
    }

    /// The tag of a block, and its line.
    fn place(hash: u64) -> (u64, std::ops::Range<usize>) {
        let line = (hash >> 32) as usize % LINES * WAYS;
        ((hash & COUNT).max(1) << 32, line..line + WAYS)
    }

    /// How many a block has. Two workers that saw its first connections in one moment may each have
    /// taken a place for it.
    fn has(&self, hash: u64) -> u32 {
        let (tag, places) = Self::place(hash);
        let words = self.blocks[places].iter().map(|word| word.load(Relaxed));
        words.filter(|word| word & !COUNT == tag).map(|word| (word & COUNT) as u32).sum()
    }

    /// Adds one to a block; gives its place.
    fn add(&self, hash: u64) -> Option<usize> {
        let (tag, places) = Self::place(hash);
        for free in [false, true] {
            for at in places.clone() {
                let change = |word: u64| match word & !COUNT == tag {
                    true if word & COUNT < COUNT => Some(word + 1),
                    false if free && word & COUNT == 0 => Some(tag | 1),
                    _ => None,
                };
                if self.blocks[at].fetch_update(Relaxed, Relaxed, change).is_ok() {
                    return Some(at);
                }
            }
        }
        None
    }

    /// A worker's connection at `place` is counted no more.
    fn leave(&self, worker: usize, place: usize) {
        let (conns, rings) = (&self.conns[worker], &self.rings[worker]);
        let conn = &conns[place];
        conn.id.store(0, Relaxed);
        let at = conn.block.load(Relaxed) as usize;
        let [before, behind] = conn.ring.each_ref().map(|link| link.load(Relaxed));
        conns[before as usize].ring[1].store(behind, Relaxed);
        conns[behind as usize].ring[0].store(before, Relaxed);
        if rings[at].load(Relaxed) == place as u32 {
            rings[at].store(if behind == place as u32 { NONE } else { behind }, Relaxed);
        }
        let fewer = |word: u64| (word & COUNT != 0).then(|| word - 1);
        let _ = self.blocks[at].fetch_update(Relaxed, Relaxed, fewer);
    }

    /// A worker's connection at `place` is counted in the block `at`, and is the last one of its ring.
    fn join(&self, worker: usize, place: usize, id: u64, at: usize) {
        let (conns, rings) = (&self.conns[worker], &self.rings[worker]);
        let (conn, own) = (&conns[place], place as u32);
        conn.id.store(id.wrapping_add(1), Relaxed);
        conn.block.store(at as u32, Relaxed);
        let (before, first) = match rings[at].load(Relaxed) {
            NONE => (own, own),
            first => (conns[first as usize].ring[0].load(Relaxed), first),
        };
        conn.ring[0].store(before, Relaxed);
        conn.ring[1].store(first, Relaxed);
        conns[before as usize].ring[1].store(own, Relaxed);
        conns[first as usize].ring[0].store(own, Relaxed);
        rings[at].store(first, Relaxed);
    }

    /// Counts a connection of this worker unless it was; gives how many its block has. Nothing where
    /// there is no room.
    fn count<E: Env>(&self, hash: u64, id: u64, worker: usize, env: &E) -> Option<u32> {
        let conns = self.conns.get(worker)?;
        let start = super::hash(self.seed, &[u128::from(id)]) as usize;
        let mut free = None;
        for probe in 0..PROBES {
            let place = start.wrapping_add(probe) % CONNS;
            match conns[place].id.load(Relaxed) {
                0 => {
                    free = free.or(Some(place));
                }
                have if have == id.wrapping_add(1) => return Some(self.has(hash)),
                have if !env.is_open(have - 1) => {
                    self.leave(worker, place);
                    free = free.or(Some(place));
                }
                _ => {}
            }
        }
        let place = free?;
        let at = self.add(hash).or_else(|| {
            Self::place(hash).1.for_each(|at| self.tidy_at(at, id, worker, env));
            self.add(hash)
        })?;
        self.join(worker, place, id, at);
        Some(self.has(hash))
    }

    /// Looks at up to `most` of the worker's connections, and counts those no more that are not open, for
    /// the others to see. A worker that is alone gives up what is over when it counts, and not before,
    /// just as the kernel does.
    pub(in crate::netfilter) fn sweep(
        &self,
        worker: usize,
        most: usize,
        is_open: &dyn Fn(u64) -> bool,
    ) {
        let (Some(conns), Some(swept)) = (self.conns.get(worker), self.swept.get(worker)) else {
            return;
        };
        if self.conns.len() == 1 {
            return;
        }
        let start = swept.load(Relaxed) as usize;
        for step in 0..most.min(CONNS) {
            let place = (start + step) % CONNS;
            let id = conns[place].id.load(Relaxed);
            if id != 0 && !is_open(id - 1) {
                self.leave(worker, place);
            }
        }
        swept.store(((start + most) % CONNS) as u32, Relaxed);
    }

    /// Gives up those of the worker's connections that share a block and are over, the oldest first, among
    /// as many as it looks at; but only up to `own`, the packet's, as nothing is added then
    /// (`__nf_conncount_add`).
    fn tidy<E: Env>(&self, hash: u64, own: u64, worker: usize, env: &E) {
        let (tag, places) = Self::place(hash);
        let tagged = |at: &usize| self.blocks[*at].load(Relaxed) & !COUNT == tag;
        places.filter(tagged).for_each(|at| self.tidy_at(at, own, worker, env));
    }

    /// [`tidy`](Self::tidy) of the block at a place.
    fn tidy_at<E: Env>(&self, at: usize, own: u64, worker: usize, env: &E) {
        let (Some(conns), Some(rings)) = (self.conns.get(worker), self.rings.get(worker)) else {
            return;
        };
        let mut place = rings[at].load(Relaxed);
        if place == NONE {
            return;
        }
        let last = conns[place as usize].ring[0].load(Relaxed);
        for look in 1..=LOOKS {
            let conn = &conns[place as usize];
            let (id, next) = (conn.id.load(Relaxed) - 1, conn.ring[1].load(Relaxed));
            if id == own {
                return;
            }
            if !env.is_open(id) {
                self.leave(worker, place as usize);
            }
            if place == last {
                return;
            }
            if look == LOOKS {
                rings[at].store(next, Relaxed);
            }
            place = next;
        }
    }

    /// Asks about a packet.
    pub(in crate::netfilter) fn ask<E: Env>(
        &self,
        view: &View<'_>,
        ask: &ConnLimit,
        worker: usize,
        env: &E,
    ) -> Found {
        let facts = view.facts();
        let address = if ask.destination { facts.dst } else { facts.src };
        let bits = if facts.family == Family::Four { 32 } else { 128 };
        let block = address.checked_shr(bits - u32::from(ask.mask).min(bits)).unwrap_or(0);
        self.ask_of(block, view, &ask.upto, worker, env)
    }

    /// Asks about a packet of a block.
    pub(in crate::netfilter) fn ask_of<E: Env>(
        &self,
        block: u128,
        view: &View<'_>,
        upto: &Is<u32>,
        worker: usize,
        env: &E,
    ) -> Found {
        let hash = super::hash(self.seed, &[block]);
        let conn = view.about.conn;
        self.tidy(hash, conn.id, worker, env);
        let count = match conn.state.is_tracked() {
            true => self.count(hash, conn.id, worker, env),
            false => Some(self.has(hash) + 1),
        };
        match count {
            Some(count) => Found::of(upto.holds(|most| count <= *most)),
            None => Found::HotDrop,
        }
    }
}
