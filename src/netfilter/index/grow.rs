//! Trees over the boxes of a chain's rules.
//!
//! - takes: the boxes
//! - gives: an [`Index`] whose leaves hold few rules, as far as the rules can be told apart
//! - costs: some sorting a cut; at most some dozens of places a rule

use std::collections::{BTreeMap, HashMap};

use super::{Cut, DIMS, Index, LEAF, TREES, boxes};
use crate::netfilter::program::{Chain, Program};

/// Rules that are not parted any further.
const FEW: usize = if cfg!(test) { 1 } else { 6 };
/// Cuts one below the other.
const DEEP: usize = 12;
/// Times that a rule may stand in the parts of one cut, on average.
const REPEATS: usize = 6;
/// Places of rules and boundaries in all cuts, for each rule and beside.
const ROOM: (usize, usize) = (48, 4096);

/// A box and its rule.
type Boxed = (boxes::Box, u32);

/// The index of a chain.
pub(super) fn index(program: &Program, chain: &Chain) -> Index {
    let rules = chain.start..chain.end;
    let all: Vec<Boxed> =
        rules.map(|at| (boxes::of(program, &program.ops[at as usize]), at)).collect();
    // By which of addresses and ports they ask for.
    let mut kinds: BTreeMap<u8, Vec<u32>> = BTreeMap::new();
    for (at, (asked, _)) in all.iter().enumerate() {
        let kind = [0, 2, 4, 5].into_iter().filter(|dim| asked[*dim] != (0, u64::MAX));
        kinds.entry(kind.fold(0, |kind, dim| kind | 1 << dim)).or_default().push(at as u32);
    }
    // A tree for a handful of rules would cost more than they do elsewhere.
    let (small, large): (Vec<_>, Vec<_>) =
        kinds.into_values().partition(|rules| rules.len() * TREES * 4 < all.len());
    let mut together: Vec<u32> = small.into_iter().flatten().collect();
    together.sort_unstable();
    let mut growing = Growing {
        all: &all,
        index: Index::default(),
        known: HashMap::new(),
        room: all.len() * ROOM.0 + ROOM.1,
    };
    for rules in large.into_iter().chain([together]).filter(|rules| !rules.is_empty()) {
        let root = growing.grow(&rules, &[(0, u64::MAX); DIMS], 0);
        growing.index.roots.push(root);
    }
    growing.index
}

struct Growing<'a> {
    all: &'a [Boxed],
    index: Index,
    /// Leaves by their rules: many parts hold the same.
    known: HashMap<Vec<u32>, u32>,
    room: usize,
}

/// A cut that could be made.
struct Plan {
    dim: usize,
    starts: Vec<u64>,
    /// How many rules a packet that is about one of them meets.
    meets: f64,
}

impl Growing<'_> {
    /// The place of a tree over some rules, which are numbers of boxes in order.
    fn grow(&mut self, rules: &[u32], within: &boxes::Box, depth: usize) -> u32 {
        if rules.len() <= FEW || depth == DEEP || self.room == 0 {
            return self.leaf(rules);
        }
        let plans = (0..DIMS).filter_map(|dim| self.plan(rules, within[dim], dim));
        let best = plans.min_by(|a, b| a.meets.total_cmp(&b.meets));
        let Some(best) = best.filter(|best| best.meets < 0.9 * rules.len() as f64) else {
            return self.leaf(rules);
        };
        let count = best.starts.len();
        let mut parts = vec![Vec::new(); count];
        for rule in rules {
            let (first, last) = self.parts(*rule, &best);
            for part in &mut parts[first..=last] {
                part.push(*rule);
            }
        }
        let places: usize = parts.iter().map(Vec::len).sum();
        self.room = self.room.saturating_sub(places + count);
        let cut = self.index.cuts.len();
        let first = self.index.starts.len();
        let dim = best.dim as u8;
        self.index.starts.extend(&best.starts);
        let mut made = Cut { dim, first: first as u32, count: count as u32, ..Cut::default() };
        self.index.hint(&mut made);
        self.index.cuts.push(made);
        self.index.parts.resize(first + count, 0);
        for (at, part) in parts.into_iter().enumerate() {
            let mut inside = *within;
            let ends = best.starts.get(at + 1).map_or(u64::MAX, |next| next - 1);
            inside[best.dim] =
                (best.starts[at].max(inside[best.dim].0), ends.min(inside[best.dim].1));
            self.index.parts[first + at] = self.grow(&part, &inside, depth + 1);
        }
        cut as u32
    }

    fn leaf(&mut self, rules: &[u32]) -> u32 {
        if let Some(known) = self.known.get(rules) {
            return *known;
        }
        let leaf = self.index.rules.len() as u32 | LEAF;
        self.index.rules.push(rules.len() as u32);
        self.index.rules.extend(rules.iter().map(|rule| self.all[*rule as usize].1));
        self.known.insert(rules.to_vec(), leaf);
        leaf
    }

    /// The first and the last part of a cut that a rule's box reaches into.
    fn parts(&self, rule: u32, plan: &Plan) -> (usize, usize) {
        let (low, high) = self.all[rule as usize].0[plan.dim];
        let part = |value| plan.starts.partition_point(|start| *start <= value) - 1;
        (part(low), part(high))
    }

    /// A cut along a dimension, where that parts anything within a range.
    fn plan(&self, rules: &[u32], within: (u64, u64), dim: usize) -> Option<Plan> {
        let mut starts = vec![0];
        let (least, most) = within;
        for rule in rules {
            let (low, high) = self.all[*rule as usize].0[dim];
            starts.extend(Some(low).filter(|low| *low > least && *low <= most));
            starts.extend(high.checked_add(1).filter(|next| *next > least && *next <= most));
        }
        starts.sort_unstable();
        starts.dedup();
        let mut plan = Plan { dim, starts, meets: 0.0 };
        while plan.starts.len() > 1 {
            let mut change = vec![0_i64; plan.starts.len() + 1];
            let mut places = 0;
            for rule in rules {
                let (first, last) = self.parts(*rule, &plan);
                change[first] += 1;
                change[last + 1] -= 1;
                places += last - first + 1;
            }
            if places <= rules.len() * REPEATS + 64 {
                let mut size = 0;
                let squares: i64 = change
                    .iter()
                    .map(|more| {
                        size += more;
                        size * size
                    })
                    .sum();
                plan.meets = squares as f64 / places as f64;
                return Some(plan);
            }
            // Too many would stand in too many parts: every other boundary goes.
            let mut at = 0;
            plan.starts.retain(|_| {
                at += 1;
                at % 2 == 1
            });
        }
        None
    }
}
