//! `connlimit`: how many connections a block of addresses has open.
//!
//! - takes: a packet, its connection, what is open
//! - gives: whether the block has more than it may
//! - obeys: xt_connlimit and nf_conncount of the kernel: a connection counts from its first packet that
//!   meets the rule until it is closed or waits to be forgotten
//! - costs: a look at a line of eight blocks, and one at the worker's own connections
//!
//! Blocks are shared by all workers, each with its count in the same word as its tag, so that a place
//! can change hands only while nothing is counted there. Which connections were counted each worker
//! keeps for itself; it looks after those of its own when they meet the rule, and by and by
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

/// A connection that was counted.
#[derive(Debug, Default)]
struct Conn {
    /// Its id and one, 0 for a free place.
    id: AtomicU64,
    /// The place of its block.
    block: AtomicU32,
}

/// What one rule counts.
#[derive(Debug)]
pub(in crate::netfilter) struct Counted {
    /// Tags in the upper half of each word, counts in the lower.
    blocks: Box<[AtomicU64]>,
    conns: Box<[Box<[Conn]>]>,
    /// Where each worker goes on to sweep.
    swept: Box<[AtomicU32]>,
    seed: u64,
}

const COUNT: u64 = 0xffff_ffff;

impl Counted {
    /// Nothing yet.
    pub(in crate::netfilter) fn new(workers: usize) -> Self {
        let conns = || (0..CONNS).map(|_| Conn::default()).collect();
        Self {
            blocks: (0..LINES * WAYS).map(|_| AtomicU64::new(0)).collect(),
            conns: (0..workers).map(|_| conns()).collect(),
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

    fn leave(&self, conn: &Conn) {
        conn.id.store(0, Relaxed);
        let at = conn.block.load(Relaxed) as usize;
        let fewer = |word: u64| (word & COUNT != 0).then(|| word - 1);
        let _ = self.blocks[at].fetch_update(Relaxed, Relaxed, fewer);
    }

    /// Counts a connection of this worker unless it was; gives how many its block has. Nothing where
    /// there is no room.
    fn count<E: Env>(&self, hash: u64, id: u64, worker: usize, env: &E) -> Option<u32> {
        let conns = self.conns.get(worker)?;
        let start = super::hash(self.seed, &[u128::from(id)]) as usize;
        let mut free = None;
        for probe in 0..PROBES {
            let conn = &conns[(start + probe) % CONNS];
            match conn.id.load(Relaxed) {
                0 => {
                    free = free.or(Some(conn));
                }
                have if have == id.wrapping_add(1) => return Some(self.has(hash)),
                have if !env.is_open(have - 1) => {
                    self.leave(conn);
                    free = free.or(Some(conn));
                }
                _ => {}
            }
        }
        let conn = free?;
        let at = self.add(hash)?;
        conn.block.store(at as u32, Relaxed);
        conn.id.store(id.wrapping_add(1), Relaxed);
        Some(self.has(hash))
    }

    /// Looks at up to `most` of the worker's connections, and counts those no more that are not open.
    pub(in crate::netfilter) fn sweep(
        &self,
        worker: usize,
        most: usize,
        is_open: &dyn Fn(u64) -> bool,
    ) {
        let (Some(conns), Some(swept)) = (self.conns.get(worker), self.swept.get(worker)) else {
            return;
        };
        let start = swept.load(Relaxed) as usize;
        for step in 0..most.min(CONNS) {
            let conn = &conns[(start + step) % CONNS];
            let id = conn.id.load(Relaxed);
            if id != 0 && !is_open(id - 1) {
                self.leave(conn);
            }
        }
        swept.store(((start + most) % CONNS) as u32, Relaxed);
    }

    /// Gives up those of the worker's connections that share the packet's block and are over.
    fn tidy<E: Env>(&self, worker: usize, env: &E) {
        self.sweep(worker, PROBES, &|id| env.is_open(id));
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
        self.tidy(worker, env);
        let conn = view.about.conn;
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
