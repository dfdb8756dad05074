//! How often rules held.
//!
//! - takes: packets, each counted by the worker that has it; rule sets, one after the other
//! - gives: [`Counts`], the sums; [`Slots`], which remembers whose count is where while rules come and
//!   go
//! - costs: two plain stores a rule that holds, into memory that no other worker writes
//!
//! Slots only ever become more; those of rules that went are used again once the last program that
//! counted there has been let go. A count never goes back: what is shown is the difference to what it
//! was when the rule came or was last zeroed.

use std::{
    collections::HashMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use crate::publish::{Apart, is_apart};

use super::matches::recent::Seen;
use super::memory::{Memory, Named};
use super::rule::{self, Ruleset, TableName};

/// Slots that are added at once.
const CHUNK: usize = 1024;

/// A count of one worker.
#[derive(Debug, Default)]
struct Pair {
    packets: AtomicU64,
    bytes: AtomicU64,
}

const _: () = assert!(is_apart::<Apart<[Pair; CHUNK]>>());

type Block = Arc<Apart<[Pair; CHUNK]>>;

/// Places in which workers count, as many as there were when a program was made.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    workers: usize,
    /// For each thousand of slots the workers' blocks.
    blocks: Vec<Block>,
}

impl Counts {
    /// Counts a packet; only the worker of this number may.
    #[inline]
    pub(super) fn add(&self, slot: u32, worker: usize, bytes: usize) {
        self.add_many(slot, worker, 1, bytes as u64);
    }

    /// Counts packets that have so many bytes together.
    #[inline]
    pub(super) fn add_many(&self, slot: u32, worker: usize, packets: u64, bytes: u64) {
        let slot = slot as usize;
        let Some(block) = self.blocks.get(slot / CHUNK * self.workers + worker) else { return };
        let pair = &block[slot % CHUNK];
        // Nobody else writes here, so that this needs no atomic addition.
        pair.packets.store(pair.packets.load(Relaxed) + packets, Relaxed);
        pair.bytes.store(pair.bytes.load(Relaxed) + bytes, Relaxed);
    }

    /// The sum over all workers.
    fn sum(&self, slot: u32) -> rule::Counters {
        let slot = slot as usize;
        let first = slot / CHUNK * self.workers;
        let blocks = self.blocks.get(first..first + self.workers).unwrap_or_default();
        blocks.iter().fold(rule::Counters::default(), |sum, block| rule::Counters {
            packets: sum.packets + block[slot % CHUNK].packets.load(Relaxed),
            bytes: sum.bytes + block[slot % CHUNK].bytes.load(Relaxed),
        })
    }

    fn grow(&mut self) {
        for _ in 0..self.workers {
            let block = Apart(std::array::from_fn(|_| Pair::default()));
            self.blocks.push(Arc::new(block));
        }
    }
}

/// Held by a program as long as workers may count by it.
pub(super) type Lease = Arc<()>;

/// A rule that has a slot.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    /// The rule without its counters.
    pub(super) rule: rule::Rule,
    /// Where it counts.
    pub(super) slot: u32,
    /// What its matches remember, in their order.
    pub(super) memory: Vec<Memory>,
}

/// A chain of rules that have slots.
#[derive(Clone, Debug, Default)]
pub(super) struct KeptChain {
    /// Where its end counts.
    pub(super) policy: u32,
    /// Its rules in order.
    pub(super) rules: Vec<Kept>,
}

type KeptTables = HashMap<(TableName, String), KeptChain>;

/// What management remembers of one family's rules from one program to the next.
#[derive(Debug)]
pub struct Slots {
    counts: Counts,
    next: u32,
    free: Vec<u32>,
    /// Slots whose rules went, with the programs that may still count there.
    leaving: Vec<(Weak<()>, Vec<u32>)>,
    lease: Lease,
    base: Vec<rule::Counters>,
    zero: Vec<rule::Counters>,
    kept: KeptTables,
    /// Lists and buckets that rules share by name.
    pub(super) named: HashMap<String, Named>,
}

impl Slots {
    /// No rule yet, for so many workers.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        Self {
            counts: Counts { workers: workers.max(1), blocks: Vec::new() },
            next: 0,
            free: Vec::new(),
            leaving: Vec::new(),
            lease: Lease::default(),
            base: Vec::new(),
            zero: Vec::new(),
            kept: HashMap::new(),
            named: HashMap::new(),
        }
    }

    /// How many workers count.
    pub(super) fn workers(&self) -> usize {
        self.counts.workers
    }

    /// A chain as it was.
    pub(super) fn chain(&self, table: TableName, chain: &str) -> Option<&KeptChain> {
        self.kept.get(&(table, chain.to_owned()))
    }

    /// A slot that nobody counts in, which shows `base` until somebody does.
    fn take(&mut self, base: rule::Counters) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| {
            let slot = self.next;
            self.next += 1;
            if (slot as usize).is_multiple_of(CHUNK) {
                self.counts.grow();
                let room = self.base.len() + CHUNK;
                self.base.resize(room, rule::Counters::default());
                self.zero.resize(room, rule::Counters::default());
            }
            slot
        });
        self.set(slot, base);
        slot
    }

    /// From now on a slot shows `base` and what comes.
    fn set(&mut self, slot: u32, base: rule::Counters) {
        self.base[slot as usize] = base;
        self.zero[slot as usize] = self.counts.sum(slot);
    }

    /// What a slot shows.
    fn shown(&self, slot: u32) -> rule::Counters {
        let (base, zero) = (self.base[slot as usize], self.zero[slot as usize]);
        let sum = self.counts.sum(slot);
        rule::Counters {
            packets: base.packets.wrapping_add(sum.packets.wrapping_sub(zero.packets)),
            bytes: base.bytes.wrapping_add(sum.bytes.wrapping_sub(zero.bytes)),
        }
    }

    /// Which of the rules were there already.
    pub(super) fn plan(&self, ruleset: &Ruleset) -> Plan {
        let mut plan = Plan::new();
        for table in &ruleset.tables {
            for (number, chain) in table.chains.iter().enumerate() {
                let had = self.chain(table.name, &chain.name);
                let had = had.map(|had| had.rules.as_slice()).unwrap_or_default();
                plan.insert((table.name, number), likenesses(had, &chain.rules));
            }
        }
        plan
    }

    /// Gives the rules of a new program their slots: a rule that was there keeps its own. Tables that
    /// are `renewed` count from what the rule set says.
    pub(super) fn settle(
        &mut self,
        ruleset: &Ruleset,
        plan: &Plan,
        mut memories: HashMap<Place, Vec<Memory>>,
        renewed: &[TableName],
    ) -> (KeptSlots, Counts, Lease) {
        self.reclaim();
        let mut old = std::mem::take(&mut self.kept);
        let mut slots = KeptSlots::new();
        let mut going = Vec::new();
        for table in &ruleset.tables {
            let anew = renewed.contains(&table.name);
            for (number, chain) in table.chains.iter().enumerate() {
                let before = old.remove(&(table.name, chain.name.clone()));
                let policy = self.seat(before.as_ref().map(|had| had.policy), chain.counters, anew);
                let mut had: Vec<Option<u32>> = before
                    .into_iter()
                    .flat_map(|had| had.rules)
                    .map(|had| Some(had.slot))
                    .collect();
                let same = plan.get(&(table.name, number)).into_iter().flatten();
                let rules = chain.rules.iter().zip(same).enumerate().map(|(at, (rule, same))| {
                    let slot = same.and_then(|old| had.get_mut(old)?.take());
                    let memory = memories.remove(&(table.name, number, at)).unwrap_or_default();
                    Kept { rule: bare(rule), slot: self.seat(slot, rule.counters, anew), memory }
                });
                let kept = KeptChain { policy, rules: rules.collect() };
                going.extend(had.into_iter().flatten());
                let seats = kept.rules.iter().map(|kept| kept.slot).collect();
                slots.insert((table.name, number), (policy, seats));
                self.kept.insert((table.name, chain.name.clone()), kept);
            }
        }
        for chain in old.into_values() {
            going.push(chain.policy);
            going.extend(chain.rules.into_iter().map(|kept| kept.slot));
        }
        let lease = Lease::default();
        let before = std::mem::replace(&mut self.lease, lease.clone());
        self.leaving.push((Arc::downgrade(&before), going));
        (slots, self.counts.clone(), lease)
    }

    /// The slot that somebody had, or a new one.
    fn seat(&mut self, had: Option<u32>, base: rule::Counters, anew: bool) -> u32 {
        let Some(slot) = had else { return self.take(base) };
        if anew {
            self.set(slot, base);
        }
        slot
    }

    /// Frees the slots that no program counts in any more.
    fn reclaim(&mut self) {
        // Programs may be let go in any order, so that an older one keeps what younger ones left.
        while let Some((lease, _)) = self.leaving.first() {
            if lease.strong_count() > 0 {
                break;
            }
            let (_, slots) = self.leaving.remove(0);
            self.free.extend(slots);
        }
    }

    /// What a rule counted, by its chain and its place in it from 0.
    #[must_use]
    pub fn rule(&self, table: TableName, chain: &str, at: usize) -> Option<rule::Counters> {
        self.chain(table, chain)?.rules.get(at).map(|kept| self.shown(kept.slot))
    }

    /// What came to the end of a chain.
    #[must_use]
    pub fn policy(&self, table: TableName, chain: &str) -> Option<rule::Counters> {
        self.chain(table, chain).map(|kept| self.shown(kept.policy))
    }

    /// What is in a list of `recent`, if any rule has one of this name.
    #[must_use]
    pub fn recent(&self, name: &str) -> Option<Vec<Seen>> {
        match self.named.get(&format!("recent {name}")) {
            Some(Named::Recent(list)) => Some(list.seen()),
            _ => None,
        }
    }

    /// Writes what was counted into a rule set, of which the last program was made.
    pub fn fill(&self, ruleset: &mut Ruleset) {
        for table in &mut ruleset.tables {
            for chain in &mut table.chains {
                let Some(kept) = self.kept.get(&(table.name, chain.name.clone())) else { continue };
                if chain.policy.is_some() {
                    chain.counters = self.shown(kept.policy);
                }
                for (rule, kept) in chain.rules.iter_mut().zip(&kept.rules) {
                    rule.counters = self.shown(kept.slot);
                }
            }
        }
    }

    /// Lets what came to the ends of a table's built-in chains count anew, as every change of the table
    /// does (libiptc's `COUNTER_MAP_ZEROED`), each from what `from` says of it.
    pub fn begin_policies(
        &mut self,
        table: &rule::Table,
        from: impl Fn(&rule::Chain) -> rule::Counters,
    ) {
        for chain in table.chains.iter().filter(|chain| chain.policy.is_some()) {
            if let Some(slot) = self.chain(table.name, &chain.name).map(|kept| kept.policy) {
                self.set(slot, from(chain));
            }
        }
    }

    /// `-Z`: starts again at zero, for a table, one of its chains, or one rule by its place from 0.
    pub fn zero(&mut self, table: TableName, chain: Option<&str>, at: Option<usize>) {
        let mut slots = Vec::new();
        for ((of, name), kept) in &self.kept {
            if *of != table || chain.is_some_and(|chain| chain != name) {
                continue;
            }
            match at {
                Some(at) => slots.extend(kept.rules.get(at).map(|kept| kept.slot)),
                None => {
                    slots.push(kept.policy);
                    slots.extend(kept.rules.iter().map(|kept| kept.slot));
                }
            }
        }
        for slot in slots {
            self.set(slot, rule::Counters::default());
        }
    }
}

/// A rule by table, number of the chain in it, and its place in that.
pub(super) type Place = (TableName, usize, usize);

/// For each chain of each table, and each of its rules, the place that the rule had in the chain.
pub(super) type Plan = HashMap<(TableName, usize), Vec<Option<usize>>>;

/// For each chain of each table where its end and its rules count.
pub(super) type KeptSlots = HashMap<(TableName, usize), (u32, Vec<u32>)>;

/// A rule without its counters.
pub(super) fn bare(rule: &rule::Rule) -> rule::Rule {
    rule::Rule { counters: rule::Counters::default(), ..rule.clone() }
}

/// For each of the new rules the old one that it is, if it was there.
///
/// What stands before and behind all changes stays itself, also where rules are alike; between, a rule
/// is the first one of its likeness that is left.
fn likenesses(had: &[Kept], rules: &[rule::Rule]) -> Vec<Option<usize>> {
    let alike = |(old, new): &(&Kept, &rule::Rule)| {
        old.rule.target == new.target
            && old.rule.basic == new.basic
            && old.rule.matches == new.matches
    };
    let head = had.iter().zip(rules).take_while(alike).count();
    let (olds, news) = (&had[head..], &rules[head..]);
    let tail = olds.iter().rev().zip(news.iter().rev()).take_while(alike).count();
    let mut between: HashMap<&rule::Rule, Vec<usize>> = HashMap::new();
    for (at, old) in had.iter().enumerate().take(had.len() - tail).skip(head).rev() {
        between.entry(&old.rule).or_default().push(at);
    }
    let behind = rules.len() - tail;
    let mut find = |(at, rule): (usize, &rule::Rule)| match at {
        _ if at < head => Some(at),
        _ if at >= behind => Some(at - behind + had.len() - tail),
        _ => between.get_mut(&bare(rule)).and_then(Vec::pop),
    };
    rules.iter().enumerate().map(&mut find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netfilter::rule::{Chain, Family, Policy, Rule, Table, Target};

    fn ruleset(marks: &[u32]) -> Ruleset {
        let rule = |mark: &u32| Rule {
            target: Target::Classify(*mark),
            counters: rule::Counters { packets: u64::from(*mark), bytes: 0 },
            ..Rule::default()
        };
        let rules = marks.iter().map(rule).collect();
        let chain =
            Chain { name: "INPUT".into(), policy: Some(Policy::Accept), rules, ..Chain::default() };
        let table = Table { name: TableName::Filter, chains: vec![chain] };
        Ruleset { family: Family::Four, tables: vec![table] }
    }

    fn settle(
        slots: &mut Slots,
        ruleset: &Ruleset,
        renewed: &[TableName],
    ) -> (Vec<u32>, Counts, Lease) {
        let plan = slots.plan(ruleset);
        let (mut seats, counts, lease) = slots.settle(ruleset, &plan, HashMap::new(), renewed);
        (seats.remove(&(TableName::Filter, 0)).unwrap().1, counts, lease)
    }

    #[test]
    fn rules_keep_their_counts_while_others_come_and_go() {
        let mut slots = Slots::new(2);
        let shown = |slots: &Slots, at| slots.rule(TableName::Filter, "INPUT", at).unwrap().packets;
        let (seats, counts, _lease) = settle(&mut slots, &ruleset(&[2, 1, 2, 3]), &[]);
        for (times, seat) in seats.iter().enumerate() {
            for _ in 0..=times {
                counts.add(*seat, times % 2, 100);
            }
        }
        let all = |slots: &Slots, rules| (0..rules).map(|at| shown(slots, at)).collect::<Vec<_>>();
        assert_eq!(all(&slots, 4), [3, 3, 5, 7]);
        // The first of two that are alike goes, and one comes in front.
        settle(&mut slots, &ruleset(&[1, 2, 3]), &[]);
        assert_eq!(all(&slots, 3), [3, 5, 7]);
        let (after, ..) = settle(&mut slots, &ruleset(&[9, 1, 2, 3]), &[]);
        assert_eq!(all(&slots, 4), [9, 3, 5, 7]);
        assert_eq!(after[1], seats[1]);
        slots.zero(TableName::Filter, Some("INPUT"), Some(1));
        assert_eq!(all(&slots, 4), [9, 0, 5, 7]);
        settle(&mut slots, &ruleset(&[9, 1, 2, 3]), &[TableName::Filter]);
        assert_eq!(all(&slots, 4), [9, 1, 2, 3]);
        counts.add(seats[3], 0, 100);
        assert_eq!(all(&slots, 4), [9, 1, 2, 4]);
    }

    #[test]
    fn slots_are_used_again_when_the_last_program_is_gone() {
        let mut slots = Slots::new(1);
        let (seats, counts, lease) = settle(&mut slots, &ruleset(&[7]), &[]);
        counts.add(seats[0], 0, 1);
        let (second, ..) = settle(&mut slots, &ruleset(&[8]), &[]);
        let (third, ..) = settle(&mut slots, &ruleset(&[8, 5]), &[]);
        assert!(second[0] != seats[0] && third[1] != seats[0]);
        drop(lease);
        let (fourth, ..) = settle(&mut slots, &ruleset(&[8, 5, 6]), &[]);
        assert_eq!(fourth[2], seats[0]);
        assert_eq!(slots.rule(TableName::Filter, "INPUT", 2).unwrap().packets, 6);
    }

    #[test]
    fn more_than_a_chunk_of_rules_count_apart() {
        let mut slots = Slots::new(2);
        let marks: Vec<u32> = (0..3000).collect();
        let (seats, counts, _) = settle(&mut slots, &ruleset(&marks), &[TableName::Filter]);
        counts.add(seats[2999], 1, 64);
        counts.add(seats[2999], 0, 64);
        let shown = |at| slots.rule(TableName::Filter, "INPUT", at).unwrap();
        assert_eq!((shown(2999).packets, shown(2999).bytes), (3001, 128));
        assert_eq!(shown(2998).packets, 2998);
    }
}
