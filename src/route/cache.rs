//! A worker's own memory of recent destinations, in front of the look-up.
//!
//! Bounded whatever the traffic [5.103], and emptied in one step when any table changes: each entry
//! carries the low byte of the generation in which it was learned.

use super::{
    fib::Fib4,
    policy::{Fields, Flow, Policy},
};
use crate::{dpdk::pages, packet::word};

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

/// What of a flow decides under some rules: the addresses as they stand in the header; the ports
/// likewise (high half), and below them interface, TOS and protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct FlowKey {
    ends: u64,
    rest: u64,
}

/// Which protocols have ports, a bit each, as [`Flow::of`] has it.
const PORTS: [u64; 4] = {
    let mut bits = [0; 4];
    let mut at = 0;
    while at < Flow::WITH_PORTS.len() {
        let protocol = Flow::WITH_PORTS[at] as usize;
        bits[protocol / 64] |= 1 << (protocol % 64);
        at += 1;
    }
    bits
};
/// Offset, and the flag for more, of a fragment.
const FRAGMENT: u16 = 0x3fff;

impl FlowKey {
    #[inline(always)]
    const fn pack(ends: [u8; 8], ports: [u8; 4], iif: u16, tos: u8, protocol: u8) -> Self {
        let small = (iif as u64) << 16 | (tos as u64) << 8 | protocol as u64;
        Self {
            ends: u64::from_ne_bytes(ends),
            rest: (u32::from_ne_bytes(ports) as u64) << 32 | small,
        }
    }

    /// Of a flow that came by wire, which has no mark.
    pub fn of(flow: &Flow) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (flow.src.to_be_bytes(), flow.dst.to_be_bytes());
        let ([i, j], [k, l]) = (flow.sport.to_be_bytes(), flow.dport.to_be_bytes());
        Self::pack([a, b, c, d, e, f, g, h], [i, j, k, l], flow.iif, flow.tos, flow.protocol)
    }

    /// The same, read from an untagged frame whose IPv4 header has no options.
    #[inline(always)]
    pub fn of_frame(frame: &[u8; 38], iif: u16) -> Self {
        let (tos, protocol) = (frame[15], frame[23]);
        let has_ports = PORTS[usize::from(protocol >> 6)] >> (protocol & 63) & 1;
        let whole = u16::from_be_bytes([frame[20], frame[21]]) & FRAGMENT == 0;
        let mask = 0_u32.wrapping_sub(has_ports as u32 & u32::from(whole));
        let ports = (u32::from_ne_bytes(word(frame, 34)) & mask).to_ne_bytes();
        Self::pack(word(frame, 26), ports, iif, tos, protocol)
    }

    /// The same, where the frame is known to have ports.
    #[inline(always)]
    pub fn of_whole(frame: &[u8; 38], iif: u16) -> Self {
        Self::pack(word(frame, 26), word(frame, 34), iif, frame[15], frame[23])
    }

    /// The protocol.
    #[inline(always)]
    pub const fn protocol(&self) -> u8 {
        self.rest as u8
    }

    /// What rules that look at `fields` look at.
    pub(super) fn mask(fields: &Fields) -> Self {
        let ([a, b, c, d], ports) = (fields.src.to_be_bytes(), fields.ports.to_be_bytes());
        Self::pack([a, b, c, d, 255, 255, 255, 255], ports, u16::MAX, fields.tos, fields.protocol)
    }

    #[inline(always)]
    const fn masked(self, mask: &Self) -> Self {
        Self { ends: self.ends & mask.ends, rest: self.rest & mask.rest }
    }

    /// A hash of all of it.
    #[inline(always)]
    pub const fn hash(self) -> u32 {
        let mixed = (self.ends ^ self.rest.rotate_left(21)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 32) as u32
    }

    #[inline(always)]
    const fn set(self, mask: usize) -> usize {
        self.hash() as usize & mask
    }
}

/// Two flows that share a cache line: of each the two words of its key, and the generation (high
/// half) with the hop.
type Set = [u64; 8];
const SECOND: usize = 4;
/// Sets for each flow that is to be remembered, so that hardly three ever meet in one: a decision is
/// dear, and memory that is not touched costs nothing.
const ROOM: usize = 8;

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
        Self { sets: pages::zeroed(sets), mask: sets - 1 }
    }

    /// The hop of a flow that came by wire, remembered from `generation` or decided anew by `decide`.
    #[inline(always)]
    pub fn hop(
        &mut self,
        policy: &Policy,
        generation: u64,
        key: FlowKey,
        decide: impl FnOnce() -> u32,
    ) -> u32 {
        let key = key.masked(policy.key_mask());
        let set = &mut self.sets[key.set(self.mask)];
        // Generations that are 2^32 apart never meet: a day of changes is far fewer.
        let is = |at: usize| {
            (set[at] == key.ends)
                & (set[at + 1] == key.rest)
                & ((set[at + 2] >> 32) as u32 == generation as u32)
        };
        if is(0) {
            set[2] as u32
        } else if is(SECOND) {
            set[SECOND + 2] as u32
        } else {
            learn(set, key, generation, decide())
        }
    }
}

/// Puts a decision first, where it is asked for first.
#[cold]
fn learn(set: &mut Set, key: FlowKey, generation: u64, hop: u32) -> u32 {
    set.copy_within(..SECOND, SECOND);
    set[..3].copy_from_slice(&[key.ends, key.rest, generation << 32 | u64::from(hop)]);
    hop
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        packet::generate::Random,
        route::{
            fib::Fib4Writer,
            policy::{Act, Rule, Sources, Where},
            table::HopTable,
            trie::TriesWriter,
        },
    };

    #[test]
    fn a_frame_has_the_key_of_its_flow() {
        bolero::check!().with_type::<([u8; 38], u16)>().for_each(|(frame, iif)| {
            let mut frame = *frame;
            frame[14] = 0x45;
            let flow = Flow::of(&frame[14..], *iif, 0);
            assert_eq!(FlowKey::of_frame(&frame, *iif), FlowKey::of(&flow));
        });
    }

    /// Whatever was asked before, and however the tables changed, what is remembered is what the
    /// rules say.
    #[test]
    fn what_is_remembered_is_what_the_rules_say() {
        let any = Rule { act: Act::Lookup(Where::Main, -1), ..Rule::ANY };
        let (fib, tries) = (Fib4Writer::new(16), TriesWriter::new(4, 16));
        let hops = HopTable::new(8, 8);
        let from: Sources<'_> =
            Sources { fib: fib.table().as_ref(), tries: tries.tables(), hops: &hops };
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
                for flow in &flows {
                    let decided = policy.decide(flow, from).0;
                    let found = cache.hop(&policy, generation, FlowKey::of(flow), || decided);
                    assert_eq!(found, decided, "{flow:?}");
                }
            }
        }
    }
}
