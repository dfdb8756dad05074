//! Routes from the operator's words to the forwarding table.
//!
//! Checks what a route says as the kernel does, keeps it in the [`Rib`], and puts the best route of
//! each prefix into the forwarding table. A change that is refused changes nothing.
//!
//! - obeys: ledger 5.20 to 5.33, 5.62, 5.78 to 5.88; errors in the words of iproute2 and the kernel

use std::{collections::HashMap, net::IpAddr};

use thiserror::Error;

use super::{
    family::{Family, FibWriter},
    fib::FibFull,
    hops::{Egress, HopSpec, Hops, HopsFull},
    nexthops::Nexthops,
    rib::{Alias, InfoId, Nexthop, Prefix, Rib, RouteInfo},
    spec::{RouteSpec, RouteType, table},
    table::{Attrs, HopKind},
    trie::{TrieId, TriesWriter},
    views::{Choice, View},
};
use crate::publish::Epoch;

/// What to do with a route, as the flags of `RTM_NEWROUTE` say [2.43 to 2.46].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// A new route; refused when there is one with this TOS and metric.
    Add,
    /// In the place of the route with this TOS and metric, or new.
    Replace,
    /// In the place of the route with this TOS and metric, which must be there.
    Change,
    /// Behind the routes with this TOS and metric.
    Append,
    /// Before the routes with this TOS and metric.
    Prepend,
    /// Away.
    Delete,
}

/// The number of the router itself among interfaces: routes by it lead nowhere else.
pub const ITSELF: u16 = 0;

/// A change that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RouteError {
    /// There is one already.
    #[error("RTNETLINK answers: File exists")]
    Exists,
    /// There is none to change.
    #[error("RTNETLINK answers: No such file or directory")]
    NoEntry,
    /// There is none to delete.
    #[error("RTNETLINK answers: No such process")]
    NoProcess,
    /// No route was ever in this table (IPv6).
    #[error("Error: FIB table does not exist.")]
    NoTable,
    /// No interface of this name.
    #[error("Cannot find device \"{0}\"")]
    NoDevice(String),
    /// The interface is down.
    #[error("Error: Device for nexthop is not up.")]
    DeviceDown,
    /// The gateway is not on a link.
    #[error("Error: Nexthop has invalid gateway.")]
    InvalidGateway,
    /// The preferred source is not the router's.
    #[error("Error: Invalid prefsrc address.")]
    InvalidPrefsrc,
    /// Neither gateway nor device.
    #[error("RTNETLINK answers: No such device")]
    NoNexthop,
    /// A field that does not go with the others.
    #[error("RTNETLINK answers: Invalid argument")]
    Invalid,
    /// No next-hop object of this number.
    #[error("Error: Nexthop id does not exist.")]
    NoObject(u32),
    /// The gateway is the router itself (IPv6).
    #[error("Error: Gateway can not be a local address.")]
    LocalGateway,
    /// The gateway is no unicast address (IPv6).
    #[error("Error: Invalid gateway address.")]
    GatewayAddress,
    /// The gateway is on no link (IPv6).
    #[error("RTNETLINK answers: No route to host")]
    NoWay,
    /// A link-local gateway without an interface.
    #[error("Error: Egress device not specified.")]
    NoEgress,
    /// A gateway that is said to be on the link of no interface (IPv6).
    #[error("Error: Nexthop device required for onlink.")]
    OnlinkWithoutDevice,
    /// The interface is down (IPv6).
    #[error("Error: Nexthop device is not up.")]
    DeviceNotUp,
    /// The preferred source is not the router's (IPv6).
    #[error("Error: Invalid source address.")]
    InvalidSource,
    /// One of several next hops has no gateway (IPv6).
    #[error("Error: Device only routes can not be added for IPv6 using the multipath API.")]
    DeviceOnly,
    /// A route for some sources through a next-hop object.
    #[error("Error: Nexthops can not be used with source routing.")]
    SourceOfObject,
    /// A gateway on the loopback (IPv6).
    #[error("Error: Egress device can not be loopback device for this route.")]
    ByLoopback,
    /// A route of IPv6 through a next-hop object of IPv4.
    #[error("Error: IPv6 routes can not use an IPv4 nexthop.")]
    ObjectOfFour,
    /// There is no route to the prefix that could be changed (IPv6).
    #[error("Error: Can not replace route - no match found.")]
    NoMatch,
    /// The configured number of routes is reached.
    #[error("all {0} routes are in use; raise `limits.routes`")]
    RoutesFull(usize),
    /// The forwarding table is full.
    #[error(transparent)]
    Fib(#[from] FibFull),
    /// The hop table is full.
    #[error(transparent)]
    Hops(#[from] HopsFull),
}

/// What routes need to know of interfaces.
pub trait Links: Egress {
    /// Index of an interface.
    fn by_name(&self, name: &str) -> Option<u16>;
    /// Administratively up.
    fn is_up(&self, iface: u16) -> bool;
    /// The router has this address; a link-local one counts on `iface` alone.
    fn is_local(&self, address: IpAddr, iface: Option<u16>) -> bool;
    /// The table of the VRF that an interface is in.
    fn route_table(&self, iface: Option<u16>) -> Option<u32>;
}

/// A change of a route: taken away or not, prefix, TOS, route, and its next hops at the time.
pub type RouteNote<B = u32> = (bool, Prefix<B>, u8, RouteInfo, Vec<Nexthop>);

/// What a change of routes reads and writes beside them.
pub struct World<'a> {
    /// Interfaces and neighbours.
    pub links: &'a dyn Links,
    /// Hops, of both families.
    pub hops: &'a mut Hops,
    /// Next-hop objects, of both families.
    pub objects: &'a Nexthops,
    /// The router's clock.
    pub now: u64,
}

/// The routes of a family and its forwarding tables.
pub struct RouteControl<B: Family = u32> {
    pub(super) rib: Rib<B>,
    pub(super) fib: B::Writer,
    pub(super) tries: TriesWriter<B>,
    pub(super) trie_of: HashMap<u32, TrieId>,
    /// Hops that choose by DSCP or source, by the prefix that they stand for.
    pub(super) choices: HashMap<(View, Prefix<B>), Choice>,
    limit: usize,
    /// What has changed, for those who watch: taken away or not, prefix, TOS, route and next hops.
    pub journal: Option<Vec<RouteNote<B>>>,
    /// Routes that are flushed go into the journal too.
    pub tells_flushed: bool,
    /// Changes refused for want of room.
    pub refused: u64,
}

impl<B: Family> RouteControl<B> {
    /// No routes, and room for `limit` of them and for `groups` groups of longer ones.
    pub fn new(limit: usize, groups: u32) -> Self {
        let mut routes = Self {
            rib: Rib::default(),
            fib: B::Writer::with_groups(groups),
            tries: TriesWriter::new(MAX_TABLES, groups.max(MAX_TABLES) * 2),
            trie_of: HashMap::new(),
            choices: HashMap::new(),
            limit,
            journal: None,
            tells_flushed: false,
            refused: 0,
        };
        // There is room for the first one.
        let _ = routes.ensure_table(table::LOCAL);
        routes
    }

    /// The routes.
    pub fn rib(&self) -> &Rib<B> {
        &self.rib
    }

    /// The large forwarding table.
    pub fn fib(&self) -> &B::Writer {
        &self.fib
    }

    /// The other forwarding tables.
    pub fn tries(&self) -> &TriesWriter<B> {
        &self.tries
    }

    /// The forwarding table of a table; `None` for one without routes that nothing asked for.
    pub fn trie(&self, table_id: u32) -> Option<TrieId> {
        self.trie_of.get(&table_id).copied()
    }

    /// Makes a forwarding table of its own for `table_id`, filled with the routes it has. The local
    /// and the main table have one together otherwise.
    ///
    /// # Errors
    /// When there is no room.
    pub fn ensure_table(&mut self, table_id: u32) -> Result<TrieId, FibFull> {
        if let Some(id) = self.trie_of.get(&table_id) {
            return Ok(*id);
        }
        let id = self.tries.create()?;
        self.trie_of.insert(table_id, id);
        let view = View::One(table_id);
        let there = |(of, prefix): (u32, Prefix<B>)| (of == view.shelf()).then_some(prefix);
        let prefixes: Vec<Prefix<B>> = self.rib.prefixes().filter_map(there).collect();
        for prefix in prefixes {
            // Only main comes here with routes, whose choices by DSCP wait for its next change.
            if let Some((hop, _)) = self.plain_value(view, prefix) {
                self.tries.insert(id, prefix.bits, prefix.len, hop)?;
            }
        }
        Ok(id)
    }

    /// Gives up the forwarding tables of tables that have no routes.
    pub fn prune(&mut self) {
        let idle: Vec<u32> = self
            .trie_of
            .keys()
            .copied()
            .filter(|id| !matches!(*id, table::LOCAL | table::MAIN))
            .filter(|id| self.rib.prefix_count(*id) == 0)
            .collect();
        for table_id in idle {
            if let Some(id) = self.trie_of.remove(&table_id) {
                self.tries.delete(id);
            }
        }
    }

    /// True when places were given up since the last [`RouteControl::retire`].
    pub fn has_unlinked(&self) -> bool {
        self.fib.has_unlinked() || self.tries.has_unlinked()
    }

    /// Tags places that were given up with an epoch that began after that.
    pub fn retire(&mut self, epoch: Epoch) {
        self.fib.retire(epoch);
        self.tries.retire(epoch);
    }

    /// Makes places free that no worker can hold.
    pub fn reclaim(&mut self, safe: Epoch) {
        self.fib.reclaim(safe);
        self.tries.reclaim(safe);
    }

    /// Makes a change.
    ///
    /// # Errors
    /// When the route cannot be as stated, is there, or is not; nothing has changed then.
    pub fn apply(
        &mut self,
        verb: Verb,
        spec: &RouteSpec,
        world: &mut World<'_>,
    ) -> Result<(), RouteError> {
        let prefix = Prefix::of_net(spec.dst).ok_or(RouteError::Invalid)?;
        if B::SIX {
            return self.apply_six(verb, prefix, spec, world);
        }
        if verb == Verb::Delete {
            let place = self.find_to_delete(prefix, spec, world)?;
            if let Some(alias) = self.rib.get(spec.table, prefix).get(place).copied() {
                self.note(true, prefix, alias, world.objects);
            }
            self.delete(spec.table, prefix, place, world.hops);
            return Ok(());
        }
        let info = self.resolve(spec, world)?;
        let same = |alias: &Alias| {
            let other = self.rib.info(alias.info);
            alias.tos == spec.tos
                && other
                    .is_some_and(|other| (other.table, other.metric) == (spec.table, spec.metric))
        };
        let place = self.rib.get(spec.table, prefix).iter().position(same);
        let twin =
            |alias: &Alias| alias.tos == spec.tos && self.rib.info(alias.info) == Some(&info);
        let twin = self.rib.get(spec.table, prefix).iter().position(twin);
        match (verb, place) {
            (Verb::Add, Some(_)) => return Err(RouteError::Exists),
            (Verb::Change, None) => return Err(RouteError::NoEntry),
            (Verb::Append | Verb::Prepend, Some(_)) if twin.is_some() => {
                return Err(RouteError::Exists);
            }
            // The first is what it is to become already; another one would be there twice.
            (Verb::Replace | Verb::Change, Some(first)) if twin.is_some() => {
                return if twin == Some(first) { Ok(()) } else { Err(RouteError::Exists) };
            }
            _ => {}
        }
        let replaces = place.filter(|_| matches!(verb, Verb::Replace | Verb::Change));
        if replaces.is_none() {
            self.check_limit()?;
        }
        let id = self.share_counted(info, world)?;
        if self.rib.get(spec.table, prefix).is_empty() {
            self.prove_or_forget(spec.table, prefix, id, world)?;
        }
        let gone = match replaces {
            Some(place) => self.rib.replace(spec.table, prefix, place, id),
            None => {
                let alias = Alias { info: id, tos: spec.tos };
                self.rib.insert(spec.table, prefix, alias, verb == Verb::Prepend);
                None
            }
        };
        self.note(false, prefix, Alias { info: id, tos: spec.tos }, world.objects);
        self.refresh(spec.table, prefix, world.hops);
        if let Some(hop) = gone {
            world.hops.release(hop);
        }
        Ok(())
    }

    pub(super) fn check_limit(&mut self) -> Result<(), RouteError> {
        if self.rib.len() < self.limit {
            return Ok(());
        }
        self.refused += 1;
        Err(RouteError::RoutesFull(self.limit))
    }

    pub(super) fn share_counted(
        &mut self,
        info: RouteInfo,
        world: &mut World<'_>,
    ) -> Result<InfoId, HopsFull> {
        self.share(info, world).inspect_err(|_| self.refused += 1)
    }

    /// Proves the forwarding tables' room before anything is changed.
    pub(super) fn prove_or_forget(
        &mut self,
        table_id: u32,
        prefix: Prefix<B>,
        id: InfoId,
        world: &mut World<'_>,
    ) -> Result<(), FibFull> {
        self.prove_room(table_id, prefix, self.rib.hop(id)).inspect_err(|_| {
            self.refused += 1;
            self.forget_unused(id, world.hops);
        })
    }

    pub(super) fn note(
        &mut self,
        deleted: bool,
        prefix: Prefix<B>,
        alias: Alias,
        objects: &Nexthops,
    ) {
        if self.journal.is_none() {
            return;
        }
        let Some(info) = self.rib.info(alias.info).cloned() else { return };
        let nexthops = objects.of(&info).into_owned();
        if let Some(journal) = &mut self.journal {
            journal.push((deleted, prefix, alias.tos, info, nexthops));
        }
    }

    /// Puts all routes of which `wanted` says so into the journal, as if they had been changed.
    pub fn note_routes(&mut self, objects: &Nexthops, wanted: impl Fn(&RouteInfo) -> bool) {
        let rib = &self.rib;
        let found: Vec<(Prefix<B>, Alias)> = rib
            .prefixes()
            .flat_map(|(shelf, prefix)| {
                rib.get(shelf, prefix).iter().map(move |own| (prefix, *own))
            })
            .filter(|(_, alias)| rib.info(alias.info).is_some_and(&wanted))
            .collect();
        for (prefix, alias) in found {
            self.note(false, prefix, alias, objects);
        }
    }

    /// The shared information, with a hop of its own if it is new.
    fn share(&mut self, info: RouteInfo, world: &mut World<'_>) -> Result<InfoId, HopsFull> {
        if let Some(id) = self.rib.find_info(&info) {
            return Ok(id);
        }
        let hop = acquire::<B>(&info, world)?;
        Ok(self.rib.share(info, hop))
    }

    /// Takes new information back that no route came to use.
    fn forget_unused(&mut self, id: InfoId, hops: &mut Hops) {
        if let Some(hop) = self.rib.forget_unused(id) {
            hops.release(hop);
        }
    }

    pub(super) fn delete(
        &mut self,
        table_id: u32,
        prefix: Prefix<B>,
        place: usize,
        hops: &mut Hops,
    ) {
        let gone = self.rib.remove(table_id, prefix, place);
        self.refresh(table_id, prefix, hops);
        if let Some(hop) = gone {
            hops.release(hop);
        }
    }

    /// An interface came, went, or its link did: routes that have no next hop left stand aside, and
    /// groups share their flows among those that are left [5.62]. `all_usable` says of an interface
    /// whether next hops by it count.
    pub fn handle_link_change(&mut self, iface: u16, world: &mut World<'_>) {
        let World { links, hops, objects, .. } = world;
        let usable = |iface: u16| links.egress(iface).is_none_or(|facts| facts.usable);
        let changed: Vec<(InfoId, bool)> =
            self.rib
                .all_infos()
                .filter(|(_, info)| matches!(info.kind, RouteType::Unicast | RouteType::Multicast))
                .filter_map(|(id, info)| {
                    let nexthops = objects.of(info);
                    nexthops.iter().any(|hop| hop.iface == iface).then(|| {
                        (id, nexthops.iter().all(|hop| hop.iface != 0 && !usable(hop.iface)))
                    })
                })
                .collect();
        let turned: Vec<InfoId> = changed
            .into_iter()
            .filter_map(|(id, dead)| self.rib.set_dead(id, dead).then_some(id))
            .collect();
        if turned.is_empty() {
            return;
        }
        let all: Vec<(u32, Prefix<B>)> = self
            .rib
            .prefixes()
            .filter(|(table_id, prefix)| {
                let aliases = self.rib.get(*table_id, *prefix);
                aliases.iter().any(|alias| turned.contains(&alias.info))
            })
            .collect();
        for (table_id, prefix) in all {
            // Of the shelf of main, either table may be meant.
            let of = if table_id == table::MAIN { table::LOCAL } else { table_id };
            self.refresh(of, prefix, hops);
        }
    }

    /// Takes all routes away for which `gone` says so; gives their number.
    pub fn flush(
        &mut self,
        hops: &mut Hops,
        objects: &Nexthops,
        gone: impl Fn(Prefix<B>, &RouteInfo) -> bool,
    ) -> usize {
        self.flush_with(hops, objects, |_, prefix, info| gone(prefix, info))
    }

    /// The same, with the routes at hand.
    pub fn flush_with(
        &mut self,
        hops: &mut Hops,
        objects: &Nexthops,
        gone: impl Fn(&Self, Prefix<B>, &RouteInfo) -> bool,
    ) -> usize {
        let all: Vec<(u32, Prefix<B>)> = self.rib.prefixes().collect();
        let mut count = 0;
        for (shelf, prefix) in all {
            let going = |routes: &Self, alias: &Alias| {
                routes.rib.info(alias.info).is_some_and(|info| gone(routes, prefix, info))
            };
            while let Some(place) =
                self.rib.get(shelf, prefix).iter().position(|alias| going(self, alias))
            {
                let alias = self.rib.get(shelf, prefix)[place];
                let table_id = self.rib.info(alias.info).map_or(shelf, |info| info.table);
                if self.tells_flushed {
                    self.note(true, prefix, alias, objects);
                }
                self.delete(table_id, prefix, place, hops);
                count += 1;
            }
        }
        count
    }
}

/// The metrics of a route that its hops carry.
fn attrs(info: &RouteInfo) -> Attrs {
    let metric = |name: &str| info.metrics.iter().find(|(known, _)| *known == name);
    let number = |name: &str| metric(name).map_or(0, |(_, value)| *value);
    Attrs {
        hoplimit: number("hoplimit").min(255) as u8,
        advmss: number("advmss").min(u32::from(u16::MAX)) as u16,
        mtu_locked: info.mtu_locked,
        realms: number("realms"),
    }
}

/// The hop that carries a next hop of a route out.
pub(super) fn via_hop(hop: &Nexthop, six: bool, info: Option<&RouteInfo>) -> HopSpec {
    HopSpec::Via {
        iface: hop.iface,
        six,
        gateway: hop.gateway,
        mtu: info.and_then(|info| info.mtu).map(|mtu| mtu.min(u32::from(u16::MAX)) as u16),
        prefsrc: info.and_then(|info| info.prefsrc),
        attrs: info.map(attrs).unwrap_or_default(),
    }
}

/// The hop that carries a route out.
fn acquire<B: Family>(info: &RouteInfo, world: &mut World<'_>) -> Result<u32, HopsFull> {
    let World { links, hops, objects, .. } = world;
    let links = *links;
    let plain = |kind| HopSpec::Plain(kind);
    if let (RouteType::Unicast, Some(hop)) = (info.kind, objects.hop(info.nhid, B::SIX)) {
        hops.share(hop);
        return Ok(hop);
    }
    match info.kind {
        RouteType::Local => hops.acquire(plain(HopKind::Local), links),
        RouteType::Broadcast if !B::SIX => {
            let iface = info.nexthops.first().map_or(0, |hop| hop.iface);
            hops.acquire(HopSpec::Broadcast { iface, prefsrc: info.prefsrc }, links)
        }
        RouteType::Blackhole => hops.acquire(plain(HopKind::Blackhole), links),
        RouteType::Unreachable => hops.acquire(plain(HopKind::Unreachable), links),
        RouteType::Prohibit => hops.acquire(plain(HopKind::Prohibit), links),
        RouteType::Throw => hops.acquire(plain(HopKind::Throw), links),
        // To the router, as any address of its own (RFC 4291 section 2.6).
        RouteType::Anycast if B::SIX => hops.acquire(plain(HopKind::Local), links),
        RouteType::Anycast => hops.acquire(plain(HopKind::Invalid), links),
        RouteType::Multicast if !B::SIX => hops.acquire(plain(HopKind::Invalid), links),
        // Of IPv6 all others are ways, whatever they are called; but by the loopback there is none
        // (`fib6_is_reject`).
        _ => match &info.nexthops[..] {
            [Nexthop { iface: ITSELF, .. }] => hops.acquire(plain(HopKind::NetUnreachable), links),
            [one] => hops.acquire(via_hop(one, B::SIX, Some(info)), links),
            several => {
                let mut members = Vec::with_capacity(several.len());
                for hop in several {
                    match hops.acquire(via_hop(hop, B::SIX, Some(info)), links) {
                        Ok(index) => members.push((index, hop.weight)),
                        Err(full) => {
                            members.iter().for_each(|&(index, _)| hops.release(index));
                            return Err(full);
                        }
                    }
                }
                let group = hops.acquire(HopSpec::Group(members.clone()), links);
                // The group holds its members now; what we took for it is given back.
                members.iter().for_each(|&(index, _)| hops.release(index));
                group
            }
        },
    }
}

/// Most tables beside main.
const MAX_TABLES: u32 = 65_536;
