//! A worker's own memory of recent destinations, in front of the look-up.
//!
//! Bounded whatever the traffic [5.103], and emptied in one step when any table changes: each entry
//! carries the low byte of the generation in which it was learned.

use super::{
    fib::Fib4,
    policy::{Fields, Flow, Policy, Sources},
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
}

impl FlowKey {
    /// Of the fields that some rule looks at.
    #[inline(always)]
    fn of(flow: &Flow, fields: &Fields) -> Self {
        let ports = (u32::from(flow.sport) << 16 | u32::from(flow.dport)) & fields.ports;
        let small = u64::from(flow.iif) << 16
            | u64::from(flow.tos & fields.tos) << 8
            | u64::from(flow.protocol & fields.protocol);
        // Marks and ports share the high half: packets from the wire have no mark, and the router's
        // own do not come here.
        Self {
            ends: u64::from(flow.src & fields.src) << 32 | u64::from(flow.dst),
            rest: u64::from(ports) << 32 | small,
        }
    }

    #[inline(always)]
    fn set(self, mask: usize) -> usize {
        let mixed = (self.ends ^ self.rest.rotate_left(21)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 32) as usize & mask
    }
}

/// Two flows that share a cache line: of each the two words of its key, and the generation (high
/// half) with the hop.
type Set = [u64; 8];
const SECOND: usize = 4;
/// Sets for each flow that is to be remembered, so that hardly three ever meet in one: a decision is
/// dear, and memory that is not touched costs nothing.
const ROOM: usize = 4;

/// A worker's own memory of recent decisions, in front of the rules.
///
/// Bounded whatever the traffic, and emptied in one step when any table changes. Its key has only
/// the fields that some rule looks at.
pub struct FlowCache {
    sets: Box<[Set]>,
    mask: usize,
}

impl FlowCache {
    /// Remembers `entries` flows and more.
    pub fn new(entries: usize) -> Self {
        let sets = (entries * ROOM).next_power_of_two();
        Self { sets: bytemuck::zeroed_slice_box(sets), mask: sets - 1 }
    }

    /// The hops of flows that came by wire, remembered from `generation` or decided anew.
    pub fn decide_batch(
        &mut self,
        policy: &Policy,
        generation: u64,
        flows: &[Flow],
        found: &mut [u32],
        from: Sources<'_>,
    ) {
        let fields = policy.fields();
        // Generations that are 2^32 apart never meet: a day of changes is far fewer.
        let generation = generation << 32;
        for (flow, found) in flows.iter().zip(found) {
            let key = FlowKey::of(flow, &fields);
            let set = &mut self.sets[key.set(self.mask)];
            let is = |at: usize| {
                set[at] == key.ends
                    && set[at + 1] == key.rest
                    && set[at + 2] >> 32 == generation >> 32
            };
            *found = if is(0) {
                set[2] as u32
            } else if is(SECOND) {
                set[SECOND + 2] as u32
            } else {
                let hop = policy.decide(flow, from).0;
                // The one learned last is the first to be asked for.
                set.copy_within(..SECOND, SECOND);
                set[..3].copy_from_slice(&[key.ends, key.rest, generation | u64::from(hop)]);
                hop
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        packet::generate::Random,
        route::{
            fib::Fib4Writer,
            policy::{Act, Rule, Where},
            table::HopTable,
            trie::TriesWriter,
        },
    };

    /// Whatever was asked before, and however the tables changed, what is remembered is what the
    /// rules say.
    #[test]
    fn what_is_remembered_is_what_the_rules_say() {
        let any = Rule {
            invert: false,
            src: (0, 0),
            dst: (0, 0),
            tos: 0,
            mark: (0, 0),
            iif: None,
            oif: None,
            protocol: 0,
            sport: None,
            dport: None,
            l3mdev: false,
            suppressed: Vec::new(),
            act: Act::Lookup(Where::Main, -1),
        };
        let (fib, tries) = (Fib4Writer::new(16), TriesWriter::new(4, 16));
        let hops = HopTable::new(8, 8);
        let from = Sources { fib: fib.table(), tries: tries.tables(), hops: &hops };
        let mut random = Random::new(3);
        let mut cache = FlowCache::new(4);
        for generation in 1..200 {
            let rules: Vec<Rule> = (1..6)
                .map(|hop| Rule {
                    src: (random.below(4) as u32, 32),
                    protocol: random.below(3) as u8,
                    sport: (random.below(2) == 0).then_some((1, 2)),
                    tos: random.below(2) as u8 * 8,
                    iif: (random.below(2) == 0).then_some(1),
                    act: Act::Hop(hop),
                    ..any.clone()
                })
                .collect();
            let policy = Policy::new(&rules, Vec::new(), &[]);
            for _ in 0..20 {
                let flows: Vec<Flow> = (0..16)
                    .map(|_| Flow {
                        src: random.below(4) as u32,
                        dst: random.below(3) as u32,
                        iif: random.below(2) as u16,
                        sport: random.below(4) as u16,
                        tos: random.below(2) as u8 * 8,
                        protocol: random.below(3) as u8,
                        ..Flow::default()
                    })
                    .collect();
                let mut found = [0; 16];
                cache.decide_batch(&policy, generation, &flows, &mut found, from);
                for (flow, found) in flows.iter().zip(found) {
                    assert_eq!(found, policy.decide(flow, from).0, "{flow:?}");
                }
            }
        }
    }
}
