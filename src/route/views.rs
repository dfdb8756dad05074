//! Routes on their way into the forwarding tables: which of a prefix counts, and where it stands.
//!
//! - obeys: ledger 5.84 to 5.88 (aliases by TOS and metric); `fib_table_lookup`, `fib_unmerge`

use std::net::Ipv4Addr;

use super::{
    control::RouteControl,
    fib::FibFull,
    hops::{Egress, EgressFacts, HopSpec, Hops},
    rib::{Alias, Prefix, RouteInfo, shelf},
    spec::table,
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

/// What a choice needs to know of interfaces.
struct Nowhere;

impl Egress for Nowhere {
    fn egress(&self, _: u16) -> Option<EgressFacts> {
        None
    }

    fn neighbour(&self, _: u16, _: Ipv4Addr) -> Option<MacAddr> {
        None
    }
}

impl RouteControl {
    /// Makes the places that a new prefix needs; look-ups change only by what `refresh` writes next.
    pub(super) fn prove_room(
        &mut self,
        table_id: u32,
        prefix: Prefix,
        hop: u32,
    ) -> Result<(), FibFull> {
        for view in self.views(table_id)? {
            match view {
                View::Both if prefix.len > 24 => self.fib.insert(prefix.bits, prefix.len, hop)?,
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
        prefix: Prefix,
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
    pub(super) fn plain_value(&self, view: View, prefix: Prefix) -> Option<(u32, bool)> {
        let mut plain = true;
        for (alias, _) in self.counting(view, prefix) {
            if alias.tos == 0 {
                return Some((self.rib.hop(alias.info), plain));
            }
            plain = false;
        }
        (!plain).then_some((0, false))
    }

    /// The hop of a prefix for one DSCP, those around it considered.
    pub(super) fn value_for(&self, view: View, prefix: Prefix, dscp: u8) -> u32 {
        let around = self.rib.covers(view.shelf(), prefix).map(|(cover, _)| cover);
        for prefix in std::iter::once(prefix).chain(around) {
            // Of the old TOS bits only, as the kernel compares (`fib_dscp_masked_match`).
            let fits = |tos: u8| tos == 0 || tos >> 2 == dscp & 7;
            let mut all = self.counting(view, prefix);
            if let Some((alias, _)) = all.find(|(alias, _)| fits(alias.tos)) {
                return self.rib.hop(alias.info);
            }
        }
        0
    }

    /// Brings the forwarding tables up to date for one prefix.
    pub(super) fn refresh(&mut self, table_id: u32, prefix: Prefix, hops: &mut Hops) {
        // There is room: `apply` has proved it, and every other change only takes away.
        for view in self.views(table_id).unwrap_or_default() {
            self.refresh_view(view, prefix, hops);
            if !self.choices.is_empty() {
                // What is chosen by TOS below it may fall back on it.
                let within = |(of, below): &(View, Prefix)| {
                    (*of == view && prefix.contains(below) && *below != prefix).then_some(*below)
                };
                let mut below: Vec<Prefix> = self.choices.keys().filter_map(within).collect();
                below.sort_unstable_by_key(|below| below.len);
                for below in below {
                    self.refresh_view(view, below, hops);
                }
            }
        }
    }

    pub(super) fn refresh_view(&mut self, view: View, prefix: Prefix, hops: &mut Hops) {
        let old = self.choices.remove(&(view, prefix));
        let value = match self.plain_value(view, prefix) {
            Some((hop, true)) => Some(hop),
            Some((otherwise, false)) => {
                let each = (0..64).map(|dscp| self.value_for(view, prefix, dscp)).collect();
                match hops.acquire(HopSpec::Choice(each), &Nowhere) {
                    Ok(hop) => {
                        self.choices.insert((view, prefix), hop);
                        Some(hop)
                    }
                    Err(_) => {
                        self.refused += 1;
                        (otherwise != 0).then_some(otherwise)
                    }
                }
            }
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
            hops.release(old);
        }
    }

    /// Length and value of the next shorter prefix in a view.
    pub(super) fn cover_value(&self, view: View, prefix: Prefix) -> Option<(u8, u32)> {
        self.rib.covers(view.shelf(), prefix).find_map(|(cover, _)| {
            match self.choices.get(&(view, cover)) {
                Some(choice) => Some((cover.len, *choice)),
                None => {
                    let (hop, _) = self.plain_value(view, cover)?;
                    (hop != 0).then_some((cover.len, hop))
                }
            }
        })
    }
}
