//! Routes on their way into the forwarding tables: which of a prefix counts, and where it stands.
//!
//! - obeys: ledger 5.84 to 5.88 (aliases by TOS and metric); `fib_table_lookup`, `fib_unmerge`

use std::{collections::BTreeMap, net::IpAddr};

use super::{
    control::RouteControl,
    family::{Family, FibWriter},
    fib::FibFull,
    hops::{Egress, EgressFacts, HopSpec, Hops},
    rib::{Alias, Prefix, RouteInfo, shelf},
    spec::table,
    trie::TrieId,
};
use crate::packet::MacAddr;

/// Which forwarding table a prefix stands in, and whose routes it is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum View {
    /// Local and main together, in the large table.
    Both,
    /// One table alone.
    One(u32),
}

impl View {
    pub(super) const fn shelf(self) -> u32 {
        match self {
            Self::Both => table::MAIN,
            Self::One(table_id) => shelf(table_id),
        }
    }
}

/// A hop that leads to others by a field of the packet.
pub(super) struct Choice {
    hop: u32,
    /// The table of sources.
    sources: Option<TrieId>,
}

/// What a choice needs to know of interfaces.
struct Nowhere;

impl Egress for Nowhere {
    fn egress(&self, _: u16) -> Option<EgressFacts> {
        None
    }

    fn neighbour(&self, _: u16, _: IpAddr) -> Option<(MacAddr, bool)> {
        None
    }
}

impl<B: Family> RouteControl<B> {
    /// Makes the places that a new prefix needs; look-ups change only by what `refresh` writes next.
    pub(super) fn prove_room(
        &mut self,
        table_id: u32,
        prefix: Prefix<B>,
        hop: u32,
    ) -> Result<(), FibFull> {
        for view in self.views(table_id)? {
            match view {
                View::Both if prefix.len > B::Writer::FREE_LEN => {
                    self.fib.insert(prefix.bits, prefix.len, hop)?
                }
                View::Both => {}
                View::One(table_id) => {
                    let trie = self.ensure_table(table_id)?;
                    let done = self.tries.insert(trie, prefix.bits, prefix.len, hop);
                    if done.is_err() {
                        let cover = self.cover_value(view, prefix);
                        self.tries.remove(trie, prefix.bits, prefix.len, cover);
                    }
                    done?;
                }
            }
        }
        Ok(())
    }

    /// The forwarding tables in which the routes of a table stand.
    pub(super) fn views(&mut self, table_id: u32) -> Result<Vec<View>, FibFull> {
        Ok(match table_id {
            table::LOCAL => {
                let mut both = vec![View::Both, View::One(table::LOCAL)];
                if self.trie_of.contains_key(&table::MAIN) {
                    both.push(View::One(table::MAIN));
                }
                both
            }
            table::MAIN if self.trie_of.contains_key(&table::MAIN) => {
                vec![View::Both, View::One(table::MAIN)]
            }
            table::MAIN => vec![View::Both],
            other => {
                self.ensure_table(other)?;
                vec![View::One(other)]
            }
        })
    }

    /// The aliases of a prefix that count in a view, in their order.
    pub(super) fn counting(
        &self,
        view: View,
        prefix: Prefix<B>,
    ) -> impl Iterator<Item = (&Alias, &RouteInfo)> {
        self.rib.get(view.shelf(), prefix).iter().filter_map(move |alias| {
            let info = self.rib.info(alias.info)?;
            let here = match view {
                View::Both => true,
                View::One(table_id) => info.table == table_id,
            };
            (here && !self.rib.is_dead(alias.info)).then_some((alias, info))
        })
    }

    /// The hop of a prefix, and whether it holds for every TOS.
    pub(super) fn plain_value(&self, view: View, prefix: Prefix<B>) -> Option<(u32, bool)> {
        let mut plain = true;
        for (alias, info) in self.counting(view, prefix) {
            let any_source = info.src.is_none();
            if alias.tos == 0 && any_source {
                return Some((self.rib.hop(alias.info), plain));
            }
            plain = false;
        }
        (!plain).then_some((0, false))
    }

    /// The hop of a prefix for one DSCP, those around it considered.
    pub(super) fn value_for(&self, view: View, prefix: Prefix<B>, dscp: u8) -> u32 {
        let around = self.rib.covers(view.shelf(), prefix).map(|(cover, _)| cover);
        for prefix in std::iter::once(prefix).chain(around) {
            // Of the old TOS bits only, as the kernel compares (`fib_dscp_masked_match`).
            let fits = |tos: u8| tos == 0 || tos >> 2 == dscp & 7;
            let mut all = self.counting(view, prefix);
            if let Some((alias, _)) =
                all.find(|(alias, info)| fits(alias.tos) && info.src.is_none())
            {
                return self.rib.hop(alias.info);
            }
        }
        0
    }

    /// Brings the forwarding tables up to date for one prefix.
    pub(super) fn refresh(&mut self, table_id: u32, prefix: Prefix<B>, hops: &mut Hops) {
        // There is room: `apply` has proved it, and every other change only takes away.
        for view in self.views(table_id).unwrap_or_default() {
            self.refresh_view(view, prefix, hops);
            if !self.choices.is_empty() {
                // What is chosen by TOS below it may fall back on it.
                let within = |(of, below): &(View, Prefix<B>)| {
                    (*of == view && prefix.contains(below) && *below != prefix).then_some(*below)
                };
                let mut below: Vec<Prefix<B>> = self.choices.keys().filter_map(within).collect();
                below.sort_unstable_by_key(|below| below.len);
                for below in below {
                    self.refresh_view(view, below, hops);
                }
            }
        }
    }

    pub(super) fn refresh_view(&mut self, view: View, prefix: Prefix<B>, hops: &mut Hops) {
        let old = self.choices.remove(&(view, prefix));
        let value = match self.plain_value(view, prefix) {
            Some((hop, true)) => Some(hop),
            Some((otherwise, false)) => match self.choose(view, prefix, hops) {
                Ok(choice) => {
                    let hop = choice.hop;
                    self.choices.insert((view, prefix), choice);
                    Some(hop)
                }
                Err(()) => {
                    self.refused += 1;
                    (otherwise != 0).then_some(otherwise)
                }
            },
            None => None,
        };
        let (bits, len) = (prefix.bits, prefix.len);
        match (view, value) {
            (View::Both, Some(value)) => {
                let _ = self.fib.insert(bits, len, value);
            }
            (View::Both, None) => {
                let cover = self.cover_value(view, prefix);
                self.fib.remove(bits, len, cover);
            }
            (View::One(table_id), value) => {
                let Some(trie) = self.trie_of.get(&table_id).copied() else { return };
                match value {
                    Some(value) => {
                        let _ = self.tries.insert(trie, bits, len, value);
                    }
                    None => {
                        let cover = self.cover_value(view, prefix);
                        self.tries.remove(trie, bits, len, cover);
                    }
                }
            }
        }
        if let Some(old) = old {
            hops.release(old.hop);
            if let Some(trie) = old.sources {
                self.tries.discard(trie);
            }
        }
    }

    /// The hop of a prefix that depends on the packet's DSCP or source.
    fn choose(&mut self, view: View, prefix: Prefix<B>, hops: &mut Hops) -> Result<Choice, ()> {
        let mut by_source: BTreeMap<Prefix<B>, u32> = BTreeMap::new();
        for (alias, info) in self.counting(view, prefix) {
            if let Some(src) = info.src.and_then(Prefix::of_net) {
                by_source.entry(src).or_insert(self.rib.hop(alias.info));
            }
        }
        if by_source.is_empty() {
            let each = (0..64).map(|dscp| self.value_for(view, prefix, dscp)).collect();
            let hop = hops.acquire(HopSpec::Choice(each), &Nowhere).map_err(drop)?;
            return Ok(Choice { hop, sources: None });
        }
        let any = Prefix { bits: B::default(), len: 0 };
        // Beside routes for some sources the kernel does not see one for all: it goes on to shorter
        // prefixes (`fib6_node_lookup_1`).
        let otherwise = self.cover_value(view, prefix).map_or(0, |(_, hop)| hop);
        if otherwise != 0 {
            by_source.entry(any).or_insert(otherwise);
        }
        let trie = self.tries.create().map_err(drop)?;
        let fits = by_source
            .iter()
            .try_for_each(|(src, hop)| self.tries.insert(trie, src.bits, src.len, *hop));
        match fits
            .map_err(drop)
            .and_then(|()| hops.acquire(HopSpec::Sources(trie), &Nowhere).map_err(drop))
        {
            Ok(hop) => Ok(Choice { hop, sources: Some(trie) }),
            Err(()) => {
                self.tries.discard(trie);
                Err(())
            }
        }
    }

    /// Length and value of the next shorter prefix in a view.
    pub(super) fn cover_value(&self, view: View, prefix: Prefix<B>) -> Option<(u8, u32)> {
        self.rib.covers(view.shelf(), prefix).find_map(|(cover, _)| {
            match self.choices.get(&(view, cover)) {
                Some(choice) => Some((cover.len, choice.hop)),
                None => {
                    let (hop, _) = self.plain_value(view, cover)?;
                    (hop != 0).then_some((cover.len, hop))
                }
            }
        })
    }
}
