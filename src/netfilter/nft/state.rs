//! What rules and elements of sets remember: counts, rates, quotas.
//!
//! - takes: packets
//! - gives: whether there is something left for them
//! - obeys: `nft_counter`, `nft_limit`, `nft_quota`
//! - costs: two plain stores for a count; one compare-and-swap for what workers share
//!
//! The management core holds these as well as the programs that it makes, so that they outlive a program
//! as long as their rule does.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use super::table::Table;
use crate::{
    graph::Nanos,
    netfilter::{
        env::Env,
        matches::{Found, connlimit::Counted},
        rule::Is,
        view::View,
    },
    publish::Apart,
};

/// A count of one worker.
#[derive(Debug, Default)]
struct Pair {
    packets: AtomicU64,
    bytes: AtomicU64,
}

/// `counter`
#[derive(Debug)]
pub struct Count {
    workers: Box<[Apart<Pair>]>,
}

impl Count {
    /// One of so many workers, that begins with these packets and bytes.
    #[must_use]
    pub fn new(workers: usize, packets: u64, bytes: u64) -> Self {
        let count = Self { workers: (0..workers.max(1)).map(|_| Apart::default()).collect() };
        count.set(packets, bytes);
        count
    }

    /// Counts a packet; only the worker of this number may.
    #[inline]
    pub fn add(&self, worker: usize, bytes: usize) {
        self.add_many(worker, 1, bytes as u64);
    }

    /// Counts packets that have so many bytes together.
    #[inline]
    pub fn add_many(&self, worker: usize, packets: u64, bytes: u64) {
        let Some(pair) = self.workers.get(worker) else { return };
        // Nobody else writes here, so that this needs no atomic addition.
        pair.packets.store(pair.packets.load(Relaxed).wrapping_add(packets), Relaxed);
        pair.bytes.store(pair.bytes.load(Relaxed).wrapping_add(bytes), Relaxed);
    }

    /// Packets and bytes of all workers.
    #[must_use]
    pub fn sum(&self) -> (u64, u64) {
        self.workers.iter().fold((0, 0), |(packets, bytes), pair| {
            let add = |sum: u64, part: &AtomicU64| sum.wrapping_add(part.load(Relaxed));
            (add(packets, &pair.packets), add(bytes, &pair.bytes))
        })
    }

    /// Begins with these, before any worker counts.
    fn set(&self, packets: u64, bytes: u64) {
        if let Some(pair) = self.workers.first() {
            pair.packets.store(packets, Relaxed);
            pair.bytes.store(bytes, Relaxed);
        }
    }
}

/// `limit`
///
/// What is in the bucket is the time since it would have been empty.
#[derive(Debug)]
#[repr(align(128))]
pub struct Limit {
    /// When it would have been empty.
    empty: AtomicU64,
    rate: Rate,
}

/// How fast a bucket fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    /// Units in a period: packets or bytes.
    pub rate: u64,
    /// The period in nanoseconds.
    pub period: u64,
    /// Units beyond.
    pub burst: u64,
    /// Bytes, not packets.
    pub bytes: bool,
}

impl Rate {
    /// Nanoseconds that a packet costs.
    fn cost(&self, bytes: usize) -> u64 {
        let units = if self.bytes { bytes as u64 } else { 1 };
        self.period.saturating_mul(units) / self.rate.max(1)
    }

    /// Nanoseconds that a bucket holds.
    fn most(&self) -> u64 {
        match self.bytes {
            true => {
                self.period.saturating_mul(self.rate.saturating_add(self.burst)) / self.rate.max(1)
            }
            false => (self.period / self.rate.max(1)).saturating_mul(self.burst),
        }
    }

    /// Takes a packet's share out of a bucket; whether it was there.
    fn take(&self, empty: &AtomicU64, bytes: usize, now: Nanos) -> bool {
        let (cost, most) = (self.cost(bytes), self.most());
        let now = now.saturating_add(LONG_AGO);
        let taken = empty.fetch_update(Relaxed, Relaxed, |empty| {
            let has = now.saturating_sub(empty).min(most);
            let left = has.checked_sub(cost)?;
            Some(now.saturating_sub(left))
        });
        taken.is_ok()
    }
}

/// Buckets begin full: the clock may be younger than what they hold.
const LONG_AGO: u64 = 1 << 62;

impl Limit {
    /// A full one.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self { empty: AtomicU64::new(0), rate }
    }

    /// Takes a packet's share; whether it was there.
    #[inline]
    pub fn take(&self, bytes: usize, now: Nanos) -> bool {
        self.rate.take(&self.empty, bytes, now)
    }
}

/// `quota`
#[derive(Debug)]
#[repr(align(128))]
pub struct Quota {
    used: AtomicU64,
    most: u64,
}

impl Quota {
    /// One of so many bytes, some of which are used.
    #[must_use]
    pub fn new(most: u64, used: u64) -> Self {
        Self { used: AtomicU64::new(used), most }
    }

    /// Takes a packet's bytes; whether they are too many.
    #[inline]
    pub fn is_over(&self, bytes: usize) -> bool {
        let before = self.used.fetch_add(bytes as u64, Relaxed);
        before.saturating_add(bytes as u64) > self.most
    }

    /// Bytes that are used, no more than there are.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.used.load(Relaxed).min(self.most)
    }
}

/// `ct count`: open connections that have met a rule.
#[derive(Debug)]
pub struct Conns(Counted);

impl Conns {
    /// None yet, of so many workers.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        Self(Counted::new(workers.max(1)))
    }

    /// Counts a packet's connection; whether there are up to so many then, or with `not` more.
    pub(super) fn ask<E: Env>(
        &self,
        view: &View<'_>,
        upto: &Is<u32>,
        worker: usize,
        env: &E,
    ) -> Found {
        self.0.ask_of(0, view, upto, worker, env)
    }

    /// Gives up connections of a worker that are over; looks at up to `most` of them.
    pub fn sweep(&self, worker: usize, most: usize, is_open: &dyn Fn(u64) -> bool) {
        self.0.sweep(worker, most, is_open);
    }
}

/// What a statement or an object remembers.
#[derive(Clone, Debug)]
pub enum State {
    /// `counter`
    Count(Arc<Count>),
    /// `limit`
    Limit(Arc<Limit>),
    /// `quota`
    Quota(Arc<Quota>),
    /// `numgen inc`: the last number.
    Number(Arc<Apart<AtomicU64>>),
    /// `ct count`
    Conns(Arc<Conns>),
    /// `meter`: elements that packets add.
    Table(Arc<Table>),
}

impl State {
    /// `numgen inc` with this last number.
    #[must_use]
    pub fn number(last: u64) -> Self {
        Self::Number(Arc::new(Apart(last.into())))
    }
}

/// A kind of state that each element of a set has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stated {
    /// `counter`
    Count,
    /// `limit`; whether what is over passes.
    Limit(Rate, bool),
    /// `quota`: bytes; whether what is over passes.
    Quota(u64, bool),
}

impl Stated {
    /// Asks the words that an element of a table remembers with; whether the rule goes on.
    #[inline]
    pub(super) fn ask(&self, words: &[AtomicU64; 2], bytes: usize, now: Nanos) -> bool {
        match self {
            Self::Count => {
                words[0].fetch_add(1, Relaxed);
                words[1].fetch_add(bytes as u64, Relaxed);
                true
            }
            Self::Limit(rate, over) => rate.take(&words[0], bytes, now) != *over,
            Self::Quota(most, over) => {
                let used = words[0].fetch_add(bytes as u64, Relaxed).saturating_add(bytes as u64);
                (used > *most) == *over
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_limit_lets_pass_what_it_holds_and_what_comes_in() {
        let limit = Limit::new(Rate { rate: 5, period: SECOND, burst: 3, bytes: false });
        let start = 1_700 * SECOND;
        let passed = (0..10).filter(|n| limit.take(100, start + n)).count();
        assert_eq!(passed, 3);
        assert!(
            limit.take(100, start + SECOND / 5 + 10) && !limit.take(100, start + SECOND / 5 + 11)
        );
        // Of bytes it holds what comes in a period and the burst.
        let limit = Limit::new(Rate { rate: 1000, period: SECOND, burst: 500, bytes: true });
        let passed = (0..10).filter(|n| limit.take(400, start + n)).count();
        assert_eq!(passed, 3);
    }

    #[test]
    fn a_quota_is_over_with_the_packet_that_is_too_much() {
        let quota = Quota::new(250, 0);
        assert_eq!([100, 150, 1].map(|len| quota.is_over(len)), [false, false, true]);
        assert_eq!(quota.used(), 250);
    }

    #[test]
    fn counts_of_workers_add_up_to_what_they_began_with() {
        let count = Count::new(2, 5, 500);
        count.add(0, 100);
        count.add(1, 60);
        count.add(7, 1);
        assert_eq!(count.sum(), (7, 660));
    }
}
