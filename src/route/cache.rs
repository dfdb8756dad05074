//! A worker's own memory of recent destinations, in front of the look-up.
//!
//! Bounded whatever the traffic [5.103], and emptied in one step when any table changes: each entry
//! carries the low byte of the generation in which it was learned.

use super::{
    fib::Fib4,
    policy::{Flow, Policy, Sources},
};

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

/// What of a flow decides under some rules.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct FlowKey {
    ends: u64,
    rest: u64,
    ports: u32,
}

#[derive(Clone, Copy, Default)]
#[repr(align(32))]
struct FlowEntry {
    key: FlowKey,
    generation: u32,
    hop: u32,
}

/// A worker's own memory of recent decisions, in front of the rules.
///
/// Direct-mapped, bounded whatever the traffic, and emptied in one step when any table changes. Its
/// key has only the fields that some rule looks at.
pub struct FlowCache {
    entries: Box<[FlowEntry]>,
    mask: usize,
}

impl FlowCache {
    /// Remembers up to `entries` flows, rounded up to a power of two.
    pub fn new(entries: usize) -> Self {
        let slots = entries.next_power_of_two().max(2);
        Self { entries: vec![FlowEntry::default(); slots].into_boxed_slice(), mask: slots - 1 }
    }

    /// The hop of a flow, remembered from `generation` or decided anew.
    #[inline]
    pub fn decide(
        &mut self,
        policy: &Policy,
        generation: u64,
        flow: &Flow,
        from: Sources<'_>,
    ) -> u32 {
        let fields = policy.fields();
        let ports = u32::from(flow.sport) << 16 | u32::from(flow.dport);
        let key = FlowKey {
            ends: u64::from(flow.src & fields.src) << 32 | u64::from(flow.dst),
            rest: u64::from(flow.mark & fields.mark) << 32
                | u64::from(flow.iif) << 16
                | u64::from(flow.tos & fields.tos) << 8
                | u64::from(flow.protocol & fields.protocol),
            ports: ports & fields.ports,
        };
        let mixed = (key.ends ^ key.rest.rotate_left(21) ^ u64::from(key.ports) << 17)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let entry = &mut self.entries[(mixed >> 32) as usize & self.mask];
        // Generations that are 2^32 apart never meet: a day of changes is far fewer.
        if entry.key == key && entry.generation == generation as u32 {
            return entry.hop;
        }
        let hop = policy.decide(flow, from).0;
        *entry = FlowEntry { key, generation: generation as u32, hop };
        hop
    }
}
