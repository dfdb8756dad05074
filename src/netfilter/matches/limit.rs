//! `limit`: a bucket that all packets of a rule share.
//!
//! - takes: the time
//! - gives: whether the bucket had enough
//! - obeys: xt_limit of the kernel: its credits and how it rounds them, at a thousand ticks a second
//! - costs: one compare-and-swap a packet

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use crate::graph::Nanos;
use crate::netfilter::rule::Limit;

/// Ticks a second.
const TICKS: u64 = 1000;
/// Nanoseconds a tick.
const TICK: Nanos = 1_000_000_000 / TICKS;
/// Credits a tick: the largest power of two with which a day's credits fit 32 bits.
const EACH: u32 = 32;

/// What a period costs; where the product would run over, less precisely.
pub(in crate::netfilter) const fn credits(period: u32) -> u32 {
    let second = TICKS as u32 * EACH;
    if period > u32::MAX / second {
        (period / Limit::SCALE).wrapping_mul(second)
    } else {
        (period * second) / Limit::SCALE
    }
}

/// The tick of a time.
pub(super) const fn tick(now: Nanos) -> i64 {
    (now / TICK) as i64
}

/// A bucket, as the one number that does not change while nobody takes from it: what is in it, less
/// what has flown into it since the start of time.
#[derive(Debug)]
#[repr(align(128))]
pub(in crate::netfilter) struct Bucket {
    level: AtomicI64,
    most: i64,
    cost: i64,
}

impl Bucket {
    /// A full one.
    pub(super) fn new(limit: &Limit) -> Self {
        Self {
            level: AtomicI64::new(i64::MAX / 2),
            most: credits(limit.period.wrapping_mul(limit.burst)).into(),
            cost: credits(limit.period).into(),
        }
    }

    /// Takes what a packet costs, if there is as much.
    #[inline]
    pub(super) fn take(&self, now: Nanos) -> bool {
        take(&self.level, self.most, self.cost, tick(now) * i64::from(EACH))
    }
}

/// Takes from a level, into which `flown` has flown since the start of time.
#[inline]
pub(super) fn take(level: &AtomicI64, most: i64, cost: i64, flown: i64) -> bool {
    level
        .fetch_update(Relaxed, Relaxed, |level| {
            let have = level.saturating_add(flown).min(most);
            (have >= cost).then(|| have - cost - flown)
        })
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_through_as_the_kernel_counts_credits() {
        // 10/s, burst 5.
        let bucket = Bucket::new(&Limit { period: 1000, burst: 5 });
        let ms = |ms: u64| ms * 1_000_000 + 77_000_000_000;
        let at = |times: &[u64]| times.iter().filter(|time| bucket.take(ms(**time))).count();
        assert_eq!(at(&[0; 100]), 5);
        assert_eq!(at(&[99]), 0);
        assert_eq!(at(&[100, 100, 150, 199, 200, 250]), 2);
        assert_eq!(at(&[60_000; 20]), 5);
        // Slow ones round as the kernel does: once a day.
        assert_eq!(credits(864_000_000), 86_400 * 32_000);
        assert_eq!(credits(3600 * 10_000 / 3), 38_400_000);
    }

    #[test]
    fn workers_share_a_bucket_exactly() {
        let bucket = Bucket::new(&Limit { period: 10_000, burst: 1000 });
        let took = std::thread::scope(|scope| {
            let run = || (0..4000).filter(|_| bucket.take(5_000_000_000)).count();
            let all: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
            all.into_iter().map(|one| one.join().unwrap()).sum::<usize>()
        });
        assert_eq!(took, 1000);
    }
}
