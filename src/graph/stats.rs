//! Counters of one worker: written by that worker alone, read by anybody at any time.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use super::{Marks, REASONS, Reason, SNMPS};
use crate::publish::{Apart, is_apart};

const _: () = assert!(is_apart::<Stats>() && is_apart::<NodeStats>() && is_apart::<InputStats>());

/// Most edges of a node.
pub const MAX_EDGES: usize = 32;

/// Most interfaces; also the bound of interface indices.
pub const MAX_IFACES: usize = 1024;

/// A counter with one writer: no locked instruction, no lost count.
#[derive(Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds; only the owning worker does.
    #[inline]
    pub fn add(&self, by: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
    }

    /// Puts a value in the place of the last; only the owning worker does.
    #[inline]
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The value now.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counters of one node.
#[derive(Default)]
#[repr(align(128))]
pub struct NodeStats {
    /// Packets seen.
    pub packets: Count,
    /// Frames seen.
    pub batches: Count,
    /// TSC cycles spent.
    pub cycles: Count,
    /// Packets by edge.
    pub edges: [Count; MAX_EDGES],
}

/// Counters of one input.
#[derive(Default)]
#[repr(align(128))]
pub struct InputStats {
    /// Packets received.
    pub packets: Count,
    /// Polls that found packets.
    pub batches: Count,
    /// Polls.
    pub polls: Count,
    /// TSC cycles spent in polls that found packets.
    pub cycles: Count,
}

/// Counters of one interface on one worker.
#[derive(Default)]
pub struct IfaceCounts {
    /// Packets received.
    pub rx_packets: Count,
    /// Bytes received, Ethernet header included, frame check sequence not.
    pub rx_bytes: Count,
    /// Packets sent.
    pub tx_packets: Count,
    /// Bytes sent.
    pub tx_bytes: Count,
    /// Packets dropped on the way out.
    pub tx_dropped: Count,
}

const LATENCY_STEPS: usize = 8;
const LATENCY_BUCKETS: usize = 40 * LATENCY_STEPS;

/// Time from receive to transmit, in log-linear buckets of 12.5 % (TSC cycles).
pub struct Latency {
    buckets: Box<Apart<[Count; LATENCY_BUCKETS]>>,
}

impl Default for Latency {
    fn default() -> Self {
        Self { buckets: Box::new(Apart(std::array::from_fn(|_| Count::default()))) }
    }
}

impl Latency {
    /// Counts `packets` that took `cycles`.
    #[inline]
    pub fn record(&self, cycles: u64, packets: u64) {
        let cycles = cycles.max(LATENCY_STEPS as u64);
        let octave = 63 - cycles.leading_zeros() as usize;
        let step = (cycles >> (octave - 3)) as usize & (LATENCY_STEPS - 1);
        let bucket = ((octave - 3) * LATENCY_STEPS + step).min(LATENCY_BUCKETS - 1);
        self.buckets[bucket].add(packets);
    }

    /// Highest value of each bucket that is not empty, in cycles, and its count.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.buckets.iter().enumerate().filter(|(_, count)| count.get() > 0).map(
            |(bucket, count)| {
                let (octave, step) = (bucket / LATENCY_STEPS, (bucket % LATENCY_STEPS) as u64);
                let low = (LATENCY_STEPS as u64 + step) << octave;
                (low + (1 << octave) - 1, count.get())
            },
        )
    }
}

/// A turn that takes longer is a stall: 1500 of the smallest frames come by a line of 10 Gb/s meanwhile.
const STALL: Duration = Duration::from_micros(100);

/// Turns that took ten microseconds and more; the others cost a comparison. Sleep is no part of a turn.
#[derive(Default)]
pub struct LongTurns {
    /// Cycles of the longest.
    pub longest: Count,
    /// Those longer than [`STALL`].
    pub stalls: Count,
    /// All of them, by their cycles.
    pub lengths: Latency,
}

impl LongTurns {
    /// Cycles of the shortest turn that is counted, where a second has `hz`.
    pub const fn shortest(hz: u64) -> u64 {
        hz / 100_000
    }

    /// Counts a turn of so many `cycles`, where a second has `hz`.
    #[cold]
    pub fn record(&self, cycles: u64, hz: u64) {
        if cycles > self.longest.get() {
            self.longest.set(cycles);
        }
        if u128::from(cycles) * 1_000_000_000 > u128::from(hz) * STALL.as_nanos() {
            self.stall(cycles);
        }
        self.lengths.record(cycles, 1);
    }

    /// A function of its own, so that a tracer finds the moment (`benches/stalls`).
    #[inline(never)]
    fn stall(&self, cycles: u64) {
        std::hint::black_box(cycles);
        self.stalls.add(1);
    }
}

/// Everything that one worker counts; nothing of it shares cache lines with what others write.
#[repr(align(128))]
pub struct Stats {
    /// By node, in the graph's order.
    pub nodes: Box<[NodeStats]>,
    /// By input.
    pub inputs: Box<[InputStats]>,
    /// By drop reason.
    pub drops: [Count; REASONS],
    /// By MIB counter, those that nodes count themselves.
    pub snmp: [Count; SNMPS],
    /// ICMP messages received by type, and then those sent.
    pub icmp: [[Count; 256]; 2],
    /// The same of ICMPv6.
    pub icmp6: [[Count; 256]; 2],
    /// By interface index.
    pub ifaces: Box<Apart<[IfaceCounts; MAX_IFACES]>>,
    /// Packets that nodes made.
    pub made: Count,
    /// Packets taken from the management core.
    pub injected: Count,
    /// Packets given to the management core.
    pub punted: Count,
    /// Packets given to devices.
    pub transmitted: Count,
    /// Packets that nodes keep back at this time.
    pub kept: Count,
    /// Packets handed to another worker.
    pub handed_out: Count,
    /// Packets taken over from another worker; the inputs have counted them.
    pub handed_in: Count,
    /// Time from receive to transmit.
    pub latency: Latency,
    /// Turns of the worker's loop.
    pub loops: Count,
    /// Cycles of turns that found work.
    pub busy_cycles: Count,
    /// Cycles of turns that found none, asleep or not.
    pub idle_cycles: Count,
    /// Cycles of the idle ones spent asleep.
    pub asleep_cycles: Count,
    /// Turns that were long.
    pub long_turns: LongTurns,
    /// Hops used whose neighbour is in doubt.
    pub marks: Marks,
}

impl Stats {
    /// All zero, for this many nodes and inputs.
    pub fn new(nodes: usize, inputs: usize) -> Self {
        Self {
            nodes: (0..nodes).map(|_| NodeStats::default()).collect(),
            inputs: (0..inputs).map(|_| InputStats::default()).collect(),
            drops: std::array::from_fn(|_| Count::default()),
            snmp: std::array::from_fn(|_| Count::default()),
            icmp: std::array::from_fn(|_| std::array::from_fn(|_| Count::default())),
            icmp6: std::array::from_fn(|_| std::array::from_fn(|_| Count::default())),
            ifaces: Box::new(Apart(std::array::from_fn(|_| IfaceCounts::default()))),
            made: Count::default(),
            injected: Count::default(),
            punted: Count::default(),
            transmitted: Count::default(),
            kept: Count::default(),
            handed_out: Count::default(),
            handed_in: Count::default(),
            latency: Latency::default(),
            loops: Count::default(),
            busy_cycles: Count::default(),
            idle_cycles: Count::default(),
            asleep_cycles: Count::default(),
            long_turns: LongTurns::default(),
            marks: Marks::default(),
        }
    }

    /// Packets that came in from outside of this worker's graph.
    pub fn entered(&self) -> u64 {
        let received: u64 = self.inputs.iter().map(|input| input.packets.get()).sum();
        received + self.made.get() + self.injected.get()
    }

    /// Packets that left this worker's graph, or are kept back in it.
    pub fn left(&self) -> u64 {
        let dropped: u64 = self.drops.iter().map(Count::get).sum();
        let gone = self.transmitted.get() + self.punted.get() + self.handed_out.get();
        dropped + gone + self.kept.get()
    }

    /// Ends `count` packets that were kept back.
    pub fn end_kept(&self, reason: Reason, count: u64) {
        self.kept.add(count.wrapping_neg());
        self.drops[reason as usize].add(count);
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, ops::Range, sync::Arc};

    use super::*;
    use crate::publish::PAIR;

    #[test]
    fn a_stall_is_a_turn_of_more_than_a_hundred_microseconds() {
        let turns = LongTurns::default();
        // Ticks of a nanosecond.
        for cycles in [100_000, 250_000, 100_001, 20_000] {
            turns.record(cycles, 1_000_000_000);
        }
        assert_eq!((turns.longest.get(), turns.stalls.get()), (250_000, 2));
        assert_eq!(turns.lengths.iter().map(|(_, count)| count).sum::<u64>(), 4);
    }

    /// The pairs of cache lines that a worker's counters lie in.
    fn lines(stats: &Stats) -> HashSet<usize> {
        fn of<T: ?Sized>(what: &T) -> Range<usize> {
            let begin = std::ptr::from_ref(what).cast::<u8>().addr();
            begin / PAIR..(begin + size_of_val(what)).div_ceil(PAIR)
        }
        let parts = [
            of(stats),
            of(&*stats.nodes),
            of(&*stats.inputs),
            of(&*stats.ifaces),
            of(&*stats.latency.buckets),
            of(&*stats.long_turns.lengths.buckets),
        ];
        parts.into_iter().flatten().chain(stats.marks.lines()).collect()
    }

    #[test]
    fn workers_count_on_lines_of_their_own() {
        // With small things in between, as others would take memory.
        let all: Vec<_> = (1..8).map(|at| (Arc::new(Stats::new(at, at)), Box::new(at))).collect();
        let mut seen = HashSet::new();
        for (stats, other) in &all {
            for line in lines(stats) {
                assert!(seen.insert(line), "two workers write to one line");
            }
            assert!(!lines(stats).contains(&(std::ptr::from_ref(&**other).addr() / PAIR)));
        }
    }

    #[test]
    fn a_latency_bucket_holds_its_value_within_an_eighth() {
        for cycles in [8_u64, 9, 100, 1_000, 12_345, 1 << 30, (1 << 36) + 12_345] {
            let latency = Latency::default();
            latency.record(cycles, 3);
            let found: Vec<_> = latency.iter().collect();
            let [(high, 3)] = found[..] else { panic!("{found:?}") };
            assert!(high >= cycles && (high - cycles) * 8 <= cycles, "{cycles} in {high}");
        }
    }
}
