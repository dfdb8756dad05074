//! The one clock: the time stamp counter, in nanoseconds.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::{dpdk::cycles::rdtsc, graph::Nanos};

/// Turns TSC ticks into nanoseconds since the clock was made.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: u64,
    hz: u64,
    /// Nanoseconds a tick, as a 32.32 fixed-point number.
    scale: u64,
    wall_offset: Nanos,
}

impl Clock {
    /// Starts at zero, for a counter of `hz` ticks a second.
    pub fn new(hz: u64) -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let scale = ((1_000_000_000_u128 << 32) / u128::from(hz.max(1))) as u64;
        Self { start: rdtsc(), hz, scale, wall_offset: wall.as_nanos() as Nanos }
    }

    /// Nanoseconds since the clock was made.
    #[inline]
    pub fn now(&self) -> Nanos {
        self.at(rdtsc())
    }

    /// Nanoseconds since the clock was made, when the TSC was `stamp`.
    #[inline]
    pub fn at(&self, stamp: u64) -> Nanos {
        let ticks = stamp.wrapping_sub(self.start);
        ((u128::from(ticks) * u128::from(self.scale)) >> 32) as Nanos
    }

    /// What to add to [`Clock::now`] to get nanoseconds since 1970.
    pub fn wall_offset(&self) -> Nanos {
        self.wall_offset
    }

    /// Ticks a second.
    pub fn hz(&self) -> u64 {
        self.hz
    }
}
