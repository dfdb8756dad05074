//! A worker's own memory of recent destinations, in front of the look-up.
//!
//! Bounded whatever the traffic [5.103], and emptied in one step when any table changes: each entry
//! carries the low byte of the generation in which it was learned.

use super::fib::Fib4;

/// Direct-mapped: destination, generation and result in one word.
pub struct DestinationCache {
    entries: Box<[u64]>,
    mask: usize,
    generation: u64,
}

impl DestinationCache {
    /// Remembers up to `entries` destinations, rounded up to a power of two.
    pub fn new(entries: usize) -> Self {
        let slots = entries.next_power_of_two().max(2);
        Self { entries: vec![0; slots].into_boxed_slice(), mask: slots - 1, generation: 0 }
    }

    #[inline]
    fn slot(&self, dst: u32) -> usize {
        (dst.wrapping_mul(0x9e37_79b1) >> 12) as usize & self.mask
    }

    /// Looks all of `dst` up, those remembered from `generation` without the table.
    pub fn lookup_batch(&mut self, fib: &Fib4, generation: u64, dst: &[u32], found: &mut [u32]) {
        if generation != self.generation {
            // The byte has come round: what is left from 256 generations ago must not match.
            if generation >> 8 != self.generation >> 8 {
                self.entries.fill(0);
            }
            self.generation = generation;
        }
        let stamp = (generation & 0xff) << 24;
        for (dst, found) in dst.iter().zip(found) {
            let slot = self.slot(*dst);
            let entry = self.entries[slot];
            let tag = u64::from(*dst) << 32 | stamp;
            *found = if entry & 0xffff_ffff_ff00_0000 == tag && entry as u32 & 0xff_ffff != 0 {
                entry as u32 & 0xff_ffff
            } else {
                let index = fib.lookup(*dst);
                self.entries[slot] = tag | u64::from(index & 0xff_ffff);
                index
            };
        }
    }
}
