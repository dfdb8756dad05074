//! Which connections of a source there are, so that a source keeps the mapping that it has.
//!
//! - takes: connections by their place, when it is decided how their source is translated and when
//!   they end
//! - gives: the places of those with the same source, newest first
//! - obeys: the kernel's `nf_nat_bysource`; rows [9.241], [9.244]
//! - costs: three numbers for each place, taken once; a short chain for a look-up
//!
//! Chains are by a keyed hash of source, protocol and zone; who looks compares the tuples.

use super::super::tuple::{Addr, Seed, Tuple};
use crate::dpdk::pages::Stretch;

/// A place's neighbours in its chain, and which chain that is; 0 is none.
#[derive(Debug, Clone, Copy, Default)]
struct Links {
    next: u32,
    before: u32,
    /// The chain, counted from 1.
    chain: u32,
}

/// The connections of one worker by their sources; places start with 1.
#[derive(Debug)]
pub struct Sources {
    seed: Seed,
    heads: Box<[u32]>,
    links: Box<[Links]>,
}

impl Sources {
    /// For connections with places up to `capacity`.
    pub fn new(capacity: u32, seed: Seed) -> Self {
        let chains = (capacity.max(1) as usize).next_power_of_two();
        Self {
            seed,
            heads: vec![0; chains].into(),
            links: vec![Links::default(); capacity as usize + 1].into(),
        }
    }

    /// Where chains begin, and the places of connections.
    pub(crate) fn memory(&self) -> (Stretch, Stretch) {
        (Stretch::of(&self.heads), Stretch::of(&self.links))
    }

    fn chain(&self, original: &Tuple) -> usize {
        let key = Tuple { dst: Addr::default(), dport: 0, ..*original };
        self.seed.hash(&key) as usize & (self.heads.len() - 1)
    }

    /// Puts a connection in by its original tuple.
    ///
    /// Whatever was in at its place goes: connections that end need not be taken out, as long as who
    /// looks minds that some of the places may be dead.
    pub fn insert(&mut self, place: u32, original: &Tuple) {
        self.remove(place);
        let chain = self.chain(original);
        let next = self.heads[chain];
        let Some(links) = self.links.get_mut(place as usize) else { return };
        *links = Links { next, before: 0, chain: chain as u32 + 1 };
        if next != 0 {
            self.links[next as usize].before = place;
        }
        self.heads[chain] = place;
    }

    /// Takes a connection out, if it is in.
    pub fn remove(&mut self, place: u32) {
        let Some(links) = self.links.get_mut(place as usize) else { return };
        let Links { next, before, chain } = std::mem::take(links);
        if chain == 0 {
            return;
        }
        if next != 0 {
            self.links[next as usize].before = before;
        }
        if before == 0 {
            self.heads[chain as usize - 1] = next;
        } else {
            self.links[before as usize].next = next;
        }
    }

    /// The places in the chain of a source, newest first; their tuples are to be compared.
    pub fn of(&self, original: &Tuple) -> impl Iterator<Item = u32> {
        let mut at = self.heads[self.chain(original)];
        std::iter::from_fn(move || {
            let place = at;
            at = self.links[place as usize].next;
            (place != 0).then_some(place)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn connections_are_found_by_their_source() {
        bolero::check!().with_type::<Vec<(u8, u8)>>().for_each(|steps| {
            // Four chains for many sources.
            let mut sources = Sources { heads: [0; 4].into(), ..Sources::new(20, Seed::new(1)) };
            let mut plain: HashMap<u32, u8> = HashMap::new();
            let tuple = |host: u8| Tuple {
                src: Addr::four([10, 0, 0, host % 8]),
                dport: u16::from(host),
                ..Tuple::default()
            };
            for &(step, host) in steps {
                let place = u32::from(step % 20) + 1;
                if step & 0x80 == 0 {
                    sources.insert(place, &tuple(host));
                    plain.insert(place, host);
                } else {
                    sources.remove(place);
                    plain.remove(&place);
                }
                for host in 0..8 {
                    let found: Vec<_> = sources.of(&tuple(host)).collect();
                    for (place, owner) in &plain {
                        assert!(owner % 8 != host || found.contains(place));
                    }
                    assert!(found.iter().all(|place| plain.contains_key(place)));
                }
            }
            sources.insert(21, &tuple(1));
            sources.remove(21);
        });
    }

    /// Shows [9.241]: the newest mapping is met first.
    #[test]
    fn the_newest_comes_first_and_destinations_do_not_count() {
        let mut sources = Sources::new(8, Seed::new(7));
        let one = Tuple { sport: 5, dport: 80, ..Tuple::default() };
        sources.insert(3, &one);
        sources.insert(2, &Tuple { dport: 81, ..one });
        assert_eq!(sources.of(&Tuple { dport: 99, ..one }).collect::<Vec<_>>(), [2, 3]);
    }
}
