//! Which rules of a long chain can fit a packet.
//!
//! - takes: the rules of a chain, as boxes in the space of what a packet's headers and interfaces say;
//!   a packet's [`Key`], a point in it
//! - gives: a [`Cursor`] over the rules whose boxes have the point, and maybe some more, in order
//! - costs: for each of a few trees a look or two where boundaries are, however many rules there are
//!
//! Rules are put apart by which of addresses and ports they ask for, so that those of a tree are about
//! equally small and cuts part them without repeating many. Each tree cuts where boxes begin and end,
//! first along what parts its rules best. Only what every packet can be asked without consequence is
//! looked at: a rule that is passed over would have missed, counted nothing and remembered nothing.

mod boxes;
mod grow;

#[cfg(test)]
mod tests;

use arrayvec::ArrayVec;

use super::program::{Chain, Program};
use super::rule::Family;
use super::view::View;
use crate::packet::ipv4::protocol::{DCCP, SCTP, TCP, UDP, UDPLITE};

/// What is looked at: source, its lower half (of IPv6), destination, its lower half, source port,
/// destination port, protocol, interfaces it comes and leaves by.
const DIMS: usize = 9;
/// Chains with fewer rules are gone through one by one.
const LEAST: usize = if cfg!(test) { 3 } else { 32 };
/// Most trees of a chain.
const TREES: usize = 16;
/// Marks a place that holds rules instead of a further cut.
const LEAF: u32 = 1 << 31;

/// A point in the space of rules.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key([u64; DIMS]);

/// A cut along one dimension.
#[derive(Clone, Copy, Debug, Default)]
struct Cut {
    dim: u8,
    /// Its first boundary, and the place of what is behind that.
    first: u32,
    /// How many.
    count: u32,
    /// Its first hint.
    hints: u32,
    /// How many, or 0 where the boundaries are few.
    hint_count: u32,
    /// The second boundary, from which on hints stand `1 << shift` apart.
    base: u64,
    shift: u8,
}

/// Boundaries that are looked through without hints.
const UNHINTED: usize = if cfg!(test) { 2 } else { 16 };

/// The trees of one chain.
#[derive(Debug, Default)]
pub(super) struct Index {
    roots: ArrayVec<u32, TREES>,
    cuts: Vec<Cut>,
    /// Where each part of each cut begins.
    starts: Vec<u64>,
    /// Of each stretch of a cut with many boundaries, the part in which it begins.
    hints: Vec<u32>,
    /// What is in each part: a cut, or with [`LEAF`] rules.
    parts: Vec<u32>,
    /// What leaves hold: how many rules, and these.
    rules: Vec<u32>,
}

impl Index {
    /// Of a chain; nothing for one that is short.
    pub(super) fn new(program: &Program, chain: &Chain) -> Option<Self> {
        let count = (chain.end - chain.start) as usize;
        (count >= LEAST).then(|| grow::index(program, chain))
    }

    /// The first and the last part of a cut that a value may be in.
    #[inline]
    fn within(&self, cut: &Cut, value: u64) -> (usize, usize) {
        if cut.hint_count == 0 {
            return (0, cut.count as usize - 1);
        }
        if value < cut.base {
            return (0, 0);
        }
        let stretch = ((value - cut.base) >> cut.shift).min(u64::from(cut.hint_count) - 2) as usize;
        let hints = &self.hints[cut.hints as usize + stretch..][..2];
        (hints[0] as usize, hints[1] as usize)
    }

    /// Makes the hints of a cut whose boundaries are there.
    fn hint(&mut self, cut: &mut Cut) {
        let starts = &self.starts[cut.first as usize..][..cut.count as usize];
        let (Some(base), Some(last)) = (starts.get(1), starts.last()) else { return };
        if starts.len() <= UNHINTED {
            return;
        }
        // About as many stretches as parts.
        let shift = (last - base).checked_ilog2().unwrap_or(0);
        let shift = shift.saturating_sub(starts.len().ilog2());
        let stretches = ((last - base) >> shift) + 1;
        cut.hints = self.hints.len() as u32;
        (cut.base, cut.shift) = (*base, shift as u8);
        let begins = (0..stretches).map(|stretch| base + (stretch << shift));
        let part = |value| (starts.partition_point(|start| *start <= value) - 1) as u32;
        self.hints.extend(begins.map(part));
        // Behind the last stretch everything is in the last part.
        self.hints.push(cut.count - 1);
        cut.hint_count = self.hints.len() as u32 - cut.hints;
    }

    /// The rules that may fit a packet.
    #[inline]
    pub(super) fn find(&self, key: &Key) -> Cursor<'_> {
        let mut lists = ArrayVec::new();
        for root in &self.roots {
            let mut at = *root;
            while at & LEAF == 0 {
                let cut = &self.cuts[at as usize];
                let (first, value) = (cut.first as usize, key.0[usize::from(cut.dim)]);
                let starts = &self.starts[first..first + cut.count as usize];
                let (low, high) = self.within(cut, value);
                // The part before the stretch's second boundary is the one that the stretch begins in.
                let part = low + starts[low + 1..=high].partition_point(|start| *start <= value);
                at = self.parts[first + part];
            }
            let leaf = &self.rules[(at & !LEAF) as usize..];
            let count = leaf[0] as usize;
            if count != 0 {
                lists.push(&leaf[1..=count]);
            }
        }
        Cursor { lists }
    }
}

/// Rules that may fit a packet, from each tree in order.
pub(super) struct Cursor<'a> {
    lists: ArrayVec<&'a [u32], TREES>,
}

impl Cursor<'_> {
    /// The next one from a place on; places only grow.
    #[inline]
    pub(super) fn next(&mut self, from: u32) -> Option<u32> {
        let mut next = u32::MAX;
        for list in &mut self.lists {
            if list.first().is_some_and(|first| *first < from) {
                let skip = match list.get(1) {
                    Some(second) if *second < from => list.partition_point(|rule| *rule < from),
                    _ => 1,
                };
                *list = &list[skip..];
            }
            next = next.min(list.first().copied().unwrap_or(u32::MAX));
        }
        (next != u32::MAX).then_some(next)
    }
}

impl Key {
    /// Of a packet; nothing for one of which some rule cannot tell the ports and would end it.
    #[inline]
    pub(super) fn of(view: &View<'_>) -> Option<Self> {
        let facts = view.facts();
        if facts.broken {
            return None;
        }
        let mut ports = (0, 0);
        let needed = match facts.protocol {
            TCP => 20,
            UDP | UDPLITE => 8,
            SCTP | DCCP => 12,
            _ => 0,
        };
        match facts.fragment_offset {
            0 if view.l4().len() < needed => return None,
            0 => ports = view.ports(),
            // A fragment that would overwrite flags ends at any rule about ports.
            1 if facts.protocol == TCP => return None,
            // All others match no ports at all.
            _ => {}
        }
        let (src, dst) = match facts.family {
            Family::Four => ([facts.src as u64, 0], [facts.dst as u64, 0]),
            Family::Six => (halves(facts.src), halves(facts.dst)),
        };
        Some(Self([
            src[0],
            src[1],
            dst[0],
            dst[1],
            ports.0.into(),
            ports.1.into(),
            facts.protocol.into(),
            view.about.input.into(),
            view.about.output.into(),
        ]))
    }
}

/// The upper and the lower half of an address.
fn halves(bits: u128) -> [u64; 2] {
    [(bits >> 64) as u64, bits as u64]
}
