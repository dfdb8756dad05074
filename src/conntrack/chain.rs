//! Chains of tuples: whose hash differs is passed by without being touched.
//!
//! - gives: [`Chains`], heads of chains whose nodes stand in the entries
//! - obeys: row [9.86]
//! - costs: a tuple that is not there costs the line of the chain's head, in most cases; one that is
//!   there costs a line more
//!
//! A link has the hash of the node that it leads to, and whether more stand behind that one.

use super::{
    entry::{Dir, Entry},
    tuple::Tuple,
};
use crate::dpdk::pages::Stretch;

/// A way to a node: its hash, whether the chain goes on behind it, its entry, its direction. 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Link(u64);

const MORE: u64 = 1 << 31;

impl Link {
    pub(crate) const NONE: Self = Self(0);

    const fn new(hash: u32, index: u32, dir: Dir, more: bool) -> Self {
        let node = (index << 1 | dir as u32) as u64;
        Self((hash as u64) << 32 | if more { MORE } else { 0 } | node)
    }

    /// Whether it leads nowhere.
    #[inline]
    pub(crate) const fn is_none(self) -> bool {
        self.0 == 0
    }

    #[inline]
    pub(crate) const fn hash(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The node's place.
    #[inline]
    pub(crate) const fn index(self) -> usize {
        (self.0 as u32 & 0x7fff_ffff) as usize >> 1
    }

    /// The node's direction.
    #[inline]
    pub(crate) const fn dir(self) -> Dir {
        if self.0 & 1 == 0 { Dir::Original } else { Dir::Reply }
    }

    #[inline]
    const fn more(self) -> bool {
        self.0 & MORE != 0
    }

    /// What stands behind the node.
    #[inline]
    pub(crate) fn next(self, entries: &[Entry]) -> Self {
        if self.more() { entries[self.index()].nodes[self.dir().index()].next } else { Self::NONE }
    }
}

/// Heads of chains.
#[derive(Debug)]
pub(crate) struct Chains {
    heads: Box<[u64]>,
}

impl Chains {
    pub(crate) fn new(chains: usize) -> Self {
        // Plain numbers, so that zeroed pages are not touched.
        Self { heads: vec![0; chains.max(1)].into() }
    }

    pub(crate) const fn len(&self) -> usize {
        self.heads.len()
    }

    /// Where it lies.
    pub(crate) fn stretch(&self) -> Stretch {
        Stretch::of(&self.heads)
    }

    /// The chain of a hash.
    #[inline]
    pub(crate) fn of(&self, hash: u32) -> usize {
        ((u64::from(hash) * self.heads.len() as u64) >> 32) as usize
    }

    /// The first link of a chain.
    #[inline]
    pub(crate) fn head(&self, chain: usize) -> Link {
        Link(self.heads[chain])
    }

    /// The first link of a hash's chain.
    #[inline]
    pub(crate) fn first(&self, hash: u32) -> Link {
        self.head(self.of(hash))
    }

    /// The link to a tuple's node of one of the wanted directions.
    #[inline]
    pub(crate) fn find(
        &self,
        entries: &[Entry],
        hash: u32,
        tuple: &Tuple,
        dirs: [bool; 2],
    ) -> Link {
        let mut link = self.first(hash);
        while !link.is_none() {
            if link.hash() == hash
                && dirs[link.dir().index()]
                && entries[link.index()].nodes[link.dir().index()].tuple == *tuple
            {
                return link;
            }
            link = link.next(entries);
        }
        Link::NONE
    }

    /// Puts a direction of an entry at the head of its chain.
    pub(crate) fn link(&mut self, entries: &mut [Entry], index: u32, dir: Dir) {
        let here = &mut entries[index as usize].nodes[dir.index()];
        let chain = self.of(here.hash);
        here.next = Link(self.heads[chain]);
        here.linked = true;
        self.heads[chain] = Link::new(here.hash, index, dir, !here.next.is_none()).0;
    }

    /// Takes a direction of an entry out, if it is in.
    pub(crate) fn unlink(&mut self, entries: &mut [Entry], index: u32, dir: Dir) {
        let here = &mut entries[index as usize].nodes[dir.index()];
        if !here.linked {
            return;
        }
        here.linked = false;
        let (hash, next) = (here.hash, here.next);
        let chain = self.of(hash);
        // The node before the one looked at, and the one before that; nothing stands for the head.
        let mut before: [Option<Link>; 2] = [None; 2];
        let mut link = Link(self.heads[chain]);
        while !link.is_none() {
            if (link.index(), link.dir()) == (index as usize, dir) {
                self.set(entries, chain, before[0], next);
                if let (true, Some(last)) = (next.is_none(), before[0]) {
                    // The one before has nothing behind it any more.
                    self.set(entries, chain, before[1], Link(last.0 & !MORE));
                }
                return;
            }
            before = [Some(link), before[0]];
            link = link.next(entries);
        }
    }

    fn set(&mut self, entries: &mut [Entry], chain: usize, before: Option<Link>, link: Link) {
        match before {
            None => self.heads[chain] = link.0,
            Some(node) => entries[node.index()].nodes[node.dir().index()].next = link,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::generate::Random;

    /// One chain against a list, nodes of both directions, in and out at random.
    #[test]
    fn a_chain_agrees_with_a_list() {
        let mut random = Random::new(9);
        let mut entries = vec![Entry::empty(); 20];
        let mut chains = Chains::new(1);
        let mut list: Vec<(u32, Dir)> = Vec::new();
        for (n, entry) in entries.iter_mut().enumerate() {
            for (dir, node) in entry.nodes.iter_mut().enumerate() {
                node.hash = n as u32 / 2 + 1;
                node.tuple.sport = n as u16;
                node.tuple.dport = dir as u16;
            }
        }
        for _ in 0..100_000 {
            let index = random.below(19) as u32 + 1;
            let dir = if random.below(2) == 0 { Dir::Original } else { Dir::Reply };
            match list.iter().position(|node| *node == (index, dir)) {
                Some(at) => {
                    chains.unlink(&mut entries, index, dir);
                    list.remove(at);
                }
                None => {
                    chains.link(&mut entries, index, dir);
                    list.insert(0, (index, dir));
                }
            }
            let mut link = chains.head(0);
            for (index, dir) in &list {
                assert_eq!((link.index(), link.dir()), (*index as usize, *dir));
                link = link.next(&entries);
            }
            assert!(link.is_none());
            let node = entries[index as usize].nodes[dir.index()];
            let found = chains.find(&entries, node.hash, &node.tuple, [true; 2]);
            assert_eq!(found.is_none(), !list.contains(&(index, dir)));
        }
    }
}
