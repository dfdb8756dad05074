//! The management core's routes: every alias of every prefix, compact enough for a full table.
//!
//! - obeys: ledger 5.5, 5.6, 5.25 to 5.28 (shared route information), 5.84 to 5.88 (aliases in order
//!   of TOS and metric)
//! - costs: 20 bytes a prefix and a slot; information is shared by all routes that are alike

use std::{
    collections::{BTreeMap, HashMap},
    hash::BuildHasherDefault,
    net::IpAddr,
};

use ipnet::IpNet;

use super::spec::{Pref, RouteType, table};
use crate::packet::Bits;

/// A hasher for keys that the operator chose, not an attacker's packets.
type Hasher = BuildHasherDefault<rapidhash::fast::RapidHasher<'static>>;

/// A next hop with its interface found.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Nexthop {
    /// Interface.
    pub iface: u16,
    /// Gateway; `None` for destinations on the link.
    pub gateway: Option<IpAddr>,
    /// Share of the flows.
    pub weight: u16,
    /// Stated to be on the link.
    pub onlink: bool,
}

/// What routes share: everything but the prefix and the selectors of the alias.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RouteInfo {
    /// Type.
    pub kind: RouteType,
    /// Table.
    pub table: u32,
    /// Who installed it.
    pub proto: u8,
    /// Scope.
    pub scope: u8,
    /// Metric.
    pub metric: u32,
    /// Preferred source.
    pub prefsrc: Option<IpAddr>,
    /// MTU.
    pub mtu: Option<u32>,
    /// The MTU is locked.
    pub mtu_locked: bool,
    /// Other metrics.
    pub metrics: Vec<(&'static str, u32)>,
    /// Next hops.
    pub nexthops: Vec<Nexthop>,
    /// The next-hop object that they come from, 0 for none.
    pub nhid: u32,
    /// Source that packets must have, as address and length (IPv6).
    pub src: Option<IpNet>,
    /// Preference among default routers (IPv6).
    pub pref: Pref,
    /// When the route goes, on the router's clock (IPv6).
    pub expires: Option<u64>,
}

/// A prefix: address in host order with its host bits zero, and length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix<B = u32> {
    /// Address.
    pub bits: B,
    /// Length.
    pub len: u8,
}

impl<B: Bits> Prefix<B> {
    /// The prefix of `len` bits around an address.
    pub fn of(bits: B, len: u8) -> Self {
        Self { bits: bits & B::mask(len), len }
    }

    /// The prefix of a network, where it is of this family.
    pub fn of_net(net: IpNet) -> Option<Self> {
        Some(Self::of(B::of(net.addr())?, net.prefix_len()))
    }

    /// The network.
    pub fn net(&self) -> IpNet {
        self.bits.net(self.len)
    }

    /// True when `other` lies in this prefix.
    pub fn contains(&self, other: &Self) -> bool {
        self.len <= other.len && other.bits.agrees(self.bits, self.len)
    }
}

/// One route of a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alias {
    /// Its information.
    pub info: InfoId,
    /// TOS that it takes, 0 for all.
    pub tos: u8,
}

/// Names a [`RouteInfo`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InfoId(u32);

struct Shared {
    info: RouteInfo,
    routes: u32,
    hop: u32,
    /// None of its next hops can be used.
    dead: bool,
}

/// One alias inline, more of them aside: nearly all prefixes have one.
#[derive(Clone, Copy)]
enum Slot {
    One(Alias),
    Many(u32),
}

/// The prefixes of one table, or of the local and the main table together.
struct Shelf<B> {
    prefixes: HashMap<Prefix<B>, Slot, Hasher>,
    /// Prefixes in use, by length.
    lengths: Box<[u32]>,
}

impl<B: Bits> Default for Shelf<B> {
    fn default() -> Self {
        Self { prefixes: HashMap::default(), lengths: vec![0; usize::from(B::LEN) + 1].into() }
    }
}

/// The shelf on which the routes of a table stand: local and main share one, as they share a trie
/// in the kernel until a rule parts them (`fib_unmerge`).
pub const fn shelf(table_id: u32) -> u32 {
    if table_id == table::LOCAL { table::MAIN } else { table_id }
}

/// The routes.
#[derive(Default)]
pub struct Rib<B = u32> {
    shelves: BTreeMap<u32, Shelf<B>>,
    many: Vec<Vec<Alias>>,
    free_many: Vec<u32>,
    infos: Vec<Option<Shared>>,
    free_infos: Vec<u32>,
    by_info: HashMap<RouteInfo, u32>,
    routes: usize,
}

impl<B: Bits> Rib<B> {
    /// Number of routes.
    pub fn len(&self) -> usize {
        self.routes
    }

    /// True without routes.
    pub fn is_empty(&self) -> bool {
        self.routes == 0
    }

    /// Number of different [`RouteInfo`]s.
    pub fn infos(&self) -> usize {
        self.by_info.len()
    }

    /// Routes of a prefix in a table, the first one in force. Those of the local and the main table
    /// come together, whichever is asked.
    pub fn get(&self, table_id: u32, prefix: Prefix<B>) -> &[Alias] {
        self.shelves.get(&shelf(table_id)).map_or(&[], |shelf| self.aliases(shelf, prefix))
    }

    fn aliases<'a>(&'a self, shelf: &'a Shelf<B>, prefix: Prefix<B>) -> &'a [Alias] {
        match shelf.prefixes.get(&prefix) {
            None => &[],
            Some(Slot::One(alias)) => std::slice::from_ref(alias),
            Some(Slot::Many(at)) => &self.many[*at as usize],
        }
    }

    /// What the routes with this information share.
    pub fn info(&self, id: InfoId) -> Option<&RouteInfo> {
        self.infos.get(id.0 as usize)?.as_ref().map(|shared| &shared.info)
    }

    /// The hop that carries this information out.
    pub fn hop(&self, id: InfoId) -> u32 {
        self.infos.get(id.0 as usize).and_then(Option::as_ref).map_or(0, |shared| shared.hop)
    }

    /// Sets the hop that carries this information out; gives the one before.
    pub fn set_hop(&mut self, id: InfoId, hop: u32) -> u32 {
        match self.infos.get_mut(id.0 as usize).and_then(Option::as_mut) {
            Some(shared) => std::mem::replace(&mut shared.hop, hop),
            None => 0,
        }
    }

    /// True when no next hop of this information can be used.
    pub fn is_dead(&self, id: InfoId) -> bool {
        self.infos.get(id.0 as usize).and_then(Option::as_ref).is_some_and(|shared| shared.dead)
    }

    /// Notes whether any next hop can be used; true when that is news.
    pub fn set_dead(&mut self, id: InfoId, dead: bool) -> bool {
        let shared = self.infos.get_mut(id.0 as usize).and_then(Option::as_mut);
        shared.is_some_and(|shared| std::mem::replace(&mut shared.dead, dead) != dead)
    }

    /// The information if some route has it already.
    pub fn find_info(&self, info: &RouteInfo) -> Option<InfoId> {
        self.by_info.get(info).copied().map(InfoId)
    }

    /// The shared copy of `info`, made with `hop` if it is new.
    pub fn share(&mut self, info: RouteInfo, hop: u32) -> InfoId {
        if let Some(&id) = self.by_info.get(&info) {
            return InfoId(id);
        }
        let shared = Some(Shared { info: info.clone(), routes: 0, hop, dead: false });
        let id = match self.free_infos.pop() {
            Some(id) => {
                self.infos[id as usize] = shared;
                id
            }
            None => {
                self.infos.push(shared);
                (self.infos.len() - 1) as u32
            }
        };
        self.by_info.insert(info, id);
        InfoId(id)
    }

    /// A route has the information no longer.
    fn unshare(&mut self, id: InfoId) -> Option<u32> {
        self.infos.get_mut(id.0 as usize)?.as_mut()?.routes -= 1;
        self.forget_unused(id)
    }

    /// Forgets information that no route has; gives its hop.
    pub fn forget_unused(&mut self, id: InfoId) -> Option<u32> {
        let place = self.infos.get_mut(id.0 as usize)?;
        if place.as_ref()?.routes > 0 {
            return None;
        }
        let shared = place.take()?;
        self.by_info.remove(&shared.info);
        self.free_infos.push(id.0);
        Some(shared.hop)
    }

    fn order(&self, alias: &Alias) -> (bool, u8, u8, u32) {
        let Some(info) = self.info(alias.info) else { return (false, 0, 0, 0) };
        let src = info.src.map_or(0, |src| src.prefix_len());
        // The local table is asked first; a longer source and a higher TOS before others; then the
        // lower metric.
        (info.table != table::LOCAL, u8::MAX - src, u8::MAX - alias.tos, info.metric)
    }

    /// Puts a route where its TOS and metric place it, before (`first`) or behind its equals.
    pub fn insert(&mut self, table_id: u32, prefix: Prefix<B>, alias: Alias, first: bool) {
        if let Some(shared) = self.infos.get_mut(alias.info.0 as usize).and_then(Option::as_mut) {
            shared.routes += 1;
        }
        self.routes += 1;
        let shelf = self.shelves.entry(shelf(table_id)).or_default();
        let old = match shelf.prefixes.get(&prefix).copied() {
            None => {
                shelf.lengths[usize::from(prefix.len)] += 1;
                shelf.prefixes.insert(prefix, Slot::One(alias));
                return;
            }
            Some(Slot::One(old)) => {
                let at = match self.free_many.pop() {
                    Some(at) => at,
                    None => {
                        self.many.push(Vec::new());
                        (self.many.len() - 1) as u32
                    }
                };
                self.many[at as usize].push(old);
                shelf.prefixes.insert(prefix, Slot::Many(at));
                at
            }
            Some(Slot::Many(at)) => at,
        };
        let key = self.order(&alias);
        let list = &self.many[old as usize];
        let place = list.partition_point(|other| {
            let other = self.order(other);
            if first { other < key } else { other <= key }
        });
        self.many[old as usize].insert(place, alias);
    }

    /// Takes the route at `place` out. Gives the hop of its information when that is gone too.
    pub fn remove(&mut self, table_id: u32, prefix: Prefix<B>, place: usize) -> Option<u32> {
        let shelf_id = shelf(table_id);
        let shelf = self.shelves.get_mut(&shelf_id)?;
        let alias = match shelf.prefixes.get(&prefix).copied()? {
            Slot::One(alias) => {
                shelf.prefixes.remove(&prefix);
                shelf.lengths[usize::from(prefix.len)] -= 1;
                if shelf.prefixes.is_empty() {
                    self.shelves.remove(&shelf_id);
                }
                alias
            }
            Slot::Many(at) => {
                let alias = self.many[at as usize].remove(place);
                if let [last] = self.many[at as usize][..] {
                    self.many[at as usize].clear();
                    self.free_many.push(at);
                    shelf.prefixes.insert(prefix, Slot::One(last));
                }
                alias
            }
        };
        self.routes -= 1;
        self.unshare(alias.info)
    }

    /// Puts other information in the place of a route's. Gives the hop of the old information when
    /// that is gone.
    pub fn replace(
        &mut self,
        table_id: u32,
        prefix: Prefix<B>,
        place: usize,
        info: InfoId,
    ) -> Option<u32> {
        let shelf = self.shelves.get_mut(&shelf(table_id))?;
        let alias = match shelf.prefixes.get_mut(&prefix)? {
            Slot::One(alias) => alias,
            Slot::Many(at) => self.many[*at as usize].get_mut(place)?,
        };
        let old = std::mem::replace(&mut alias.info, info);
        if let Some(shared) = self.infos.get_mut(info.0 as usize).and_then(Option::as_mut) {
            shared.routes += 1;
        }
        self.unshare(old)
    }

    /// Prefixes around `prefix` in a table, longest first, itself excluded.
    pub fn covers(
        &self,
        table_id: u32,
        prefix: Prefix<B>,
    ) -> impl Iterator<Item = (Prefix<B>, &[Alias])> + '_ {
        let shelf = self.shelves.get(&shelf(table_id));
        shelf.into_iter().flat_map(move |shelf| {
            (0..prefix.len)
                .rev()
                .filter(|len| shelf.lengths[usize::from(*len)] > 0)
                .map(move |len| Prefix::of(prefix.bits, len))
                .map(|cover| (cover, self.aliases(shelf, cover)))
                .filter(|(_, aliases)| !aliases.is_empty())
        })
    }

    /// Prefixes of a table that cover an address, longest first.
    pub fn matches(
        &self,
        table_id: u32,
        address: B,
    ) -> impl Iterator<Item = (Prefix<B>, &[Alias])> + '_ {
        let host = Prefix { bits: address, len: B::LEN };
        std::iter::once((host, self.get(table_id, host)))
            .filter(|(_, aliases)| !aliases.is_empty())
            .chain(self.covers(table_id, host))
    }

    /// What the longest route of an address in a table shares with others.
    pub fn best(&self, table_id: u32, address: B) -> Option<InfoId> {
        let (_, aliases) = self.matches(table_id, address).next()?;
        aliases.first().map(|alias| alias.info)
    }

    /// Shelves with routes, main (which holds local too) first, then by number.
    pub fn tables(&self) -> Vec<u32> {
        let mut all: Vec<u32> = self.shelves.keys().copied().collect();
        all.sort_by_key(|table_id| (*table_id != table::MAIN, *table_id));
        all
    }

    /// Number of prefixes of a table.
    pub fn prefix_count(&self, table_id: u32) -> usize {
        self.shelves.get(&shelf(table_id)).map_or(0, |shelf| shelf.prefixes.len())
    }

    /// All prefixes with their tables, in the order of `ip route show`.
    pub fn sorted(&self) -> Vec<(u32, Prefix<B>)> {
        let mut all = Vec::with_capacity(self.routes);
        for table_id in self.tables() {
            let start = all.len();
            let shelf = &self.shelves[&table_id];
            all.extend(shelf.prefixes.keys().map(|prefix| (table_id, *prefix)));
            all[start..].sort_unstable();
        }
        all
    }

    /// All prefixes with their tables, in no order.
    pub fn prefixes(&self) -> impl Iterator<Item = (u32, Prefix<B>)> + '_ {
        self.shelves
            .iter()
            .flat_map(|(id, shelf)| shelf.prefixes.keys().map(|prefix| (*id, *prefix)))
    }

    /// All information in use.
    pub fn all_infos(&self) -> impl Iterator<Item = (InfoId, &RouteInfo)> {
        let numbered = self.infos.iter().enumerate();
        numbered.filter_map(|(id, shared)| Some((InfoId(id as u32), &shared.as_ref()?.info)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::spec::{proto, scope};

    fn info(table: u32, metric: u32) -> RouteInfo {
        RouteInfo {
            kind: RouteType::Unicast,
            table,
            proto: proto::BOOT,
            scope: scope::UNIVERSE,
            metric,
            prefsrc: None,
            mtu: None,
            mtu_locked: false,
            metrics: Vec::new(),
            nexthops: Vec::new(),
            nhid: 0,
            src: None,
            pref: Pref::Medium,
            expires: None,
        }
    }

    const P: Prefix = Prefix { bits: 0x0a00_0000, len: 8 };

    #[test]
    fn aliases_stand_by_table_then_tos_then_metric() {
        let mut rib = Rib::<u32>::default();
        for (table_id, tos, metric) in
            [(table::MAIN, 0, 5), (table::MAIN, 0, 1), (table::MAIN, 16, 9), (table::LOCAL, 0, 7)]
        {
            let info = rib.share(info(table_id, metric), 0);
            rib.insert(table::MAIN, P, Alias { info, tos }, false);
        }
        let order: Vec<_> = rib
            .get(table::MAIN, P)
            .iter()
            .map(|alias| (alias.tos, rib.info(alias.info).unwrap().metric))
            .collect();
        assert_eq!(order, [(0, 7), (16, 9), (0, 1), (0, 5)]);
        for _ in 0..4 {
            rib.remove(table::MAIN, P, 0);
        }
        assert!(rib.is_empty() && rib.infos() == 0 && rib.get(table::MAIN, P).is_empty());
    }

    #[test]
    fn ten_thousand_routes_through_one_gateway_share_their_information() {
        let mut rib = Rib::<u32>::default();
        for n in 0..10_000_u32 {
            let info = rib.share(info(table::MAIN, 0), 3);
            rib.insert(
                table::MAIN,
                Prefix { bits: n << 8, len: 24 },
                Alias { info, tos: 0 },
                false,
            );
        }
        assert_eq!((rib.len(), rib.infos()), (10_000, 1));
        let gone: Vec<_> = (0..10_000_u32)
            .filter_map(|n| rib.remove(table::MAIN, Prefix { bits: n << 8, len: 24 }, 0))
            .collect();
        assert_eq!(gone, [3], "the hop is given back once, with the last route");
    }

    #[test]
    fn covers_come_longest_first() {
        let mut rib = Rib::<u32>::default();
        let info = rib.share(info(table::MAIN, 0), 0);
        for len in [0, 8, 16, 24] {
            rib.insert(
                table::MAIN,
                Prefix::of(0x0a01_0203_u32, len),
                Alias { info, tos: 0 },
                false,
            );
        }
        let lens: Vec<_> = rib.matches(table::MAIN, 0x0a01_0909).map(|(p, _)| p.len).collect();
        assert_eq!(lens, [16, 8, 0]);
        let cover = rib.covers(table::MAIN, Prefix::of(0x0a01_0203, 16)).next();
        assert_eq!(cover.map(|(p, _)| p.len), Some(8));
    }

    #[test]
    fn tables_keep_their_routes_apart_but_for_local_and_main() {
        let mut rib = Rib::<u32>::default();
        for table_id in [10, table::MAIN, table::LOCAL] {
            let info = rib.share(info(table_id, 0), 0);
            rib.insert(table_id, P, Alias { info, tos: 0 }, false);
        }
        assert_eq!((rib.get(10, P).len(), rib.get(table::LOCAL, P).len()), (1, 2));
        assert_eq!(rib.tables(), [table::MAIN, 10]);
        rib.remove(10, P, 0);
        assert_eq!((rib.tables(), rib.len()), (vec![table::MAIN], 2));
    }
}
