//! Routes of IPv6, which know no scopes and no TOS, but siblings: routes to one prefix with one
//! metric and gateways of their own are one route that shares its flows.
//!
//! - obeys: ledger 8.173 to 8.176; `ip6_route_info_create`, `fib6_nh_init`, `fib6_add_rt2node`,
//!   `ip6_route_del`

use std::net::IpAddr;

use super::{
    control::{ITSELF, Links, RouteControl, RouteError, Verb, World},
    family::Family,
    rib::{Alias, InfoId, Nexthop, Prefix, RouteInfo, shelf},
    spec::{NextHopSpec, RouteSpec, RouteType, proto, scope, table},
};

/// The metric of a route that states none (`IP6_RT_PRIO_USER`).
const PRIO_USER: u32 = 1024;

/// Routes that have no way out (`RTF_REJECT`).
pub(super) fn rejects(kind: RouteType) -> bool {
    matches!(
        kind,
        RouteType::Blackhole | RouteType::Unreachable | RouteType::Prohibit | RouteType::Throw
    )
}

/// Whether others to its prefix may share its flows (`rt6_qualify_for_ecmp`): it leads through a
/// gateway, and was not learned from a router advertisement.
fn shares(info: &RouteInfo) -> bool {
    info.nhid == 0
        && info.proto != proto::RA
        && !info.nexthops.is_empty()
        && info.nexthops.iter().all(|hop| hop.gateway.is_some())
}

fn same_hop(one: &Nexthop, other: &Nexthop) -> bool {
    (one.iface, one.gateway) == (other.iface, other.gateway)
}

/// Whether both lead the same way (`rt6_duplicate_nexthop`).
fn same_way(one: &RouteInfo, other: &RouteInfo) -> bool {
    if one.nhid != 0 || other.nhid != 0 {
        return one.nhid == other.nhid;
    }
    match (&one.nexthops[..], &other.nexthops[..]) {
        ([], []) => true,
        (of, others) => of.iter().any(|hop| others.iter().any(|other| same_hop(hop, other))),
    }
}

/// What adding or replacing a route comes to: the route, the place of the one that goes for it, and
/// those of its siblings, which go as well; the last one first.
type Placed = (RouteInfo, Option<usize>, Vec<usize>);

impl<B: Family> RouteControl<B> {
    /// Makes a change.
    pub(super) fn apply_six(
        &mut self,
        verb: Verb,
        prefix: Prefix<B>,
        spec: &RouteSpec,
        world: &mut World<'_>,
    ) -> Result<(), RouteError> {
        if verb == Verb::Delete {
            let (at, rest) = self.find_to_delete_six(prefix, spec, world)?;
            let Some(rest) = rest else {
                if let Some(alias) = self.rib.get(spec.table, prefix).get(at).copied() {
                    self.note(true, prefix, alias, world.objects);
                }
                self.delete(spec.table, prefix, at, world.hops);
                return Ok(());
            };
            self.note_part(prefix, at, &rest);
            return self.put(spec.table, prefix, (rest, Some(at), Vec::new()), world).map(drop);
        }
        let info = self.resolve_six(spec, world)?;
        let placed = self.place_six(verb, prefix, info)?;
        let alias = Alias { info: self.put(spec.table, prefix, placed, world)?, tos: 0 };
        self.note(false, prefix, alias, world.objects);
        Ok(())
    }

    /// Tells of the siblings that go while others stay.
    fn note_part(&mut self, prefix: Prefix<B>, at: usize, rest: &RouteInfo) {
        let alias = self.rib.get(rest.table, prefix).get(at).copied();
        let Some(whole) = alias.and_then(|alias| self.rib.info(alias.info)).cloned() else {
            return;
        };
        if let Some(journal) = &mut self.journal {
            for hop in whole.nexthops.iter().filter(|hop| !rest.nexthops.contains(hop)) {
                let nexthops = vec![hop.clone()];
                let info = RouteInfo { nexthops: nexthops.clone(), ..whole.clone() };
                journal.push((true, prefix, 0, info, nexthops));
            }
        }
    }

    /// Puts a route where it belongs.
    fn put(
        &mut self,
        table_id: u32,
        prefix: Prefix<B>,
        (info, at, siblings): Placed,
        world: &mut World<'_>,
    ) -> Result<InfoId, RouteError> {
        if at.is_none() {
            self.check_limit()?;
        }
        let id = self.share_counted(info, world)?;
        if self.rib.get(table_id, prefix).is_empty() {
            self.prove_or_forget(table_id, prefix, id, world)?;
        }
        for sibling in siblings {
            self.delete(table_id, prefix, sibling, world.hops);
        }
        let alias = Alias { info: id, tos: 0 };
        let gone = match at {
            Some(at) => self.rib.replace(table_id, prefix, at, id),
            None => {
                self.rib.insert(table_id, prefix, alias, false);
                None
            }
        };
        self.refresh(table_id, prefix, world.hops);
        if let Some(hop) = gone {
            world.hops.release(hop);
        }
        Ok(id)
    }

    /// What adding or replacing a route comes to (`fib6_add_rt2node`).
    fn place_six(
        &self,
        verb: Verb,
        prefix: Prefix<B>,
        info: RouteInfo,
    ) -> Result<Placed, RouteError> {
        let there = self.rib.get(info.table, prefix);
        let of = |alias: &Alias| self.rib.info(alias.info);
        let rivals: Vec<(usize, &RouteInfo)> = there
            .iter()
            .enumerate()
            .filter_map(|(at, alias)| Some((at, of(alias)?)))
            .filter(|(_, other)| {
                (other.table, other.metric, other.src) == (info.table, info.metric, info.src)
            })
            .collect();
        let replaces = matches!(verb, Verb::Replace | Verb::Change);
        if replaces {
            let alike = rivals.iter().find(|(_, other)| shares(other) == shares(&info));
            return match alike.or(rivals.first()) {
                Some((at, _)) => {
                    let at = *at;
                    // Siblings stand behind the first one.
                    let rest = rivals
                        .iter()
                        .filter(|(other, own)| *other > at && shares(&info) && shares(own));
                    let gone = rest.map(|(at, _)| *at).rev().collect();
                    Ok((info, Some(at), gone))
                }
                None if verb == Verb::Replace => Ok((info, None, Vec::new())),
                None if there.is_empty() => Err(RouteError::NoMatch),
                None => Err(RouteError::NoEntry),
            };
        }
        if !rivals.is_empty() && verb == Verb::Add {
            return Err(RouteError::Exists);
        }
        if rivals.iter().any(|(_, other)| same_way(other, &info)) {
            return Err(RouteError::Exists);
        }
        let sibling = rivals.iter().find(|(_, other)| shares(other) && shares(&info));
        Ok(match sibling {
            Some((at, other)) => {
                let mut both = (*other).clone();
                both.nexthops.extend(info.nexthops);
                (both, Some(*at), Vec::new())
            }
            None => (info, None, Vec::new()),
        })
    }

    /// What a delete comes to: the place of a route, and what is left of it when one of its siblings
    /// goes (`ip6_route_del`).
    fn find_to_delete_six(
        &self,
        prefix: Prefix<B>,
        spec: &RouteSpec,
        world: &World<'_>,
    ) -> Result<(usize, Option<RouteInfo>), RouteError> {
        let mut wanted = Vec::with_capacity(spec.nexthops.len());
        for hop in &spec.nexthops {
            let iface = match &hop.dev {
                Some(dev) => Some(
                    world.links.by_name(dev).ok_or_else(|| RouteError::NoDevice(dev.clone()))?,
                ),
                None => None,
            };
            wanted.push((iface, hop.via));
        }
        let fits = |hop: &Nexthop, (iface, via): &(Option<u16>, Option<IpAddr>)| {
            iface.is_none_or(|iface| iface == hop.iface)
                && via.is_none_or(|via| Some(via) == hop.gateway)
        };
        let there = self.rib.get(spec.table, prefix);
        let src = spec.src.filter(|src| src.prefix_len() > 0);
        // Where no route to the prefix is for some sources, the kernel does not look at the one that
        // is stated, and a route for all of them goes (`fib6_locate`).
        let sourced = there
            .iter()
            .filter_map(|alias| self.rib.info(alias.info))
            .any(|info| info.table == spec.table && info.src.is_some());
        let matches = |info: &RouteInfo| {
            info.table == spec.table
                && (info.src == src || !sourced)
                && (spec.metric == 0 || spec.metric == info.metric)
                && (spec.proto == 0 || spec.proto == info.proto)
                && spec.nhid.is_none_or(|id| id == info.nhid)
                && wanted.iter().all(|wanted| info.nexthops.iter().any(|hop| fits(hop, wanted)))
        };
        let found = there.iter().enumerate().find_map(|(at, alias)| {
            let info = self.rib.info(alias.info).filter(|info| matches(info))?;
            Some((at, info))
        });
        let known = matches!(spec.table, table::MAIN | table::LOCAL)
            || self.trie_of.contains_key(&spec.table);
        let none = if known { RouteError::NoProcess } else { RouteError::NoTable };
        let (at, info) = found.ok_or(none)?;
        // A gateway names one of several; a device alone all of them.
        let named =
            |hop: &Nexthop| wanted.iter().any(|wanted| wanted.1.is_some() && fits(hop, wanted));
        let left: Vec<Nexthop> = match wanted.iter().any(|(_, via)| via.is_some()) {
            true => info.nexthops.iter().filter(|hop| !named(hop)).cloned().collect(),
            false => Vec::new(),
        };
        let rest = (!left.is_empty()).then(|| RouteInfo { nexthops: left, ..info.clone() });
        Ok((at, rest))
    }

    /// A route as stated, with interfaces and gateways found.
    fn resolve_six(&self, spec: &RouteSpec, world: &World<'_>) -> Result<RouteInfo, RouteError> {
        let (links, objects) = (world.links, world.objects);
        let own = spec.proto == proto::KERNEL;
        if let Some(id) = spec.nhid {
            if !objects.contains(id) {
                return Err(RouteError::NoObject(id));
            }
            if spec.src.is_some_and(|src| src.prefix_len() > 0) {
                return Err(RouteError::SourceOfObject);
            }
            objects.check_six(id)?;
        }
        let nexthops = if spec.nhid.is_some() || rejects(spec.kind) {
            Vec::new()
        } else {
            let found: Result<Vec<_>, RouteError> = spec
                .nexthops
                .iter()
                .map(|hop| self.resolve_nexthop_six(spec.table, hop, links))
                .collect();
            let found = found?;
            match &found[..] {
                [] => return Err(RouteError::NoNexthop),
                [_] => {}
                several => {
                    if several.iter().any(|hop| hop.gateway.is_none()) {
                        return Err(RouteError::DeviceOnly);
                    }
                    let twice = |(at, hop): (usize, &Nexthop)| {
                        several[..at].iter().any(|other| same_hop(other, hop))
                    };
                    if several.iter().enumerate().any(twice) {
                        return Err(RouteError::Exists);
                    }
                }
            }
            found
        };
        if let Some(prefsrc) = spec.prefsrc
            && !links.is_local(prefsrc, nexthops.first().map(|hop| hop.iface))
        {
            return Err(RouteError::InvalidSource);
        }
        Ok(RouteInfo {
            kind: spec.kind,
            table: spec.table,
            proto: spec.proto,
            scope: scope::UNIVERSE,
            metric: if spec.metric == 0 && !own { PRIO_USER } else { spec.metric },
            prefsrc: spec.prefsrc,
            mtu: spec.mtu,
            mtu_locked: spec.mtu_locked,
            metrics: spec.metrics.clone(),
            nexthops,
            nhid: spec.nhid.unwrap_or_default(),
            src: spec.src.filter(|src| src.prefix_len() > 0),
            pref: spec.pref,
            expires: spec.expires.map(|seconds| world.now + u64::from(seconds) * 1_000_000_000),
        })
    }

    /// A next hop with its interface found (`fib6_nh_init`, `ip6_validate_gw`).
    fn resolve_nexthop_six(
        &self,
        table_id: u32,
        hop: &NextHopSpec,
        links: &dyn Links,
    ) -> Result<Nexthop, RouteError> {
        let mut iface = match &hop.dev {
            Some(dev) => Some(links.by_name(dev).ok_or_else(|| RouteError::NoDevice(dev.clone()))?),
            None => None,
        };
        let gateway = match hop.via {
            Some(IpAddr::V6(via)) => Some(via),
            Some(IpAddr::V4(_)) => return Err(RouteError::Invalid),
            None => None,
        };
        if let Some(via) = gateway {
            if links.is_local(via.into(), iface) {
                return Err(RouteError::LocalGateway);
            }
            if !via.is_unicast_link_local() {
                if via.is_multicast() || via.is_unspecified() || via.is_loopback() {
                    return Err(RouteError::GatewayAddress);
                }
                let found = match B::of(via.into()) {
                    Some(_) if hop.onlink => iface,
                    Some(bits) => self.reach_six(table_id, bits, iface),
                    None => None,
                };
                iface = match found {
                    None if hop.onlink => return Err(RouteError::OnlinkWithoutDevice),
                    None => return Err(RouteError::NoWay),
                    found => found,
                };
            }
            match iface {
                None => return Err(RouteError::NoEgress),
                Some(ITSELF) => return Err(RouteError::ByLoopback),
                Some(_) => {}
            }
        }
        let iface = iface.ok_or(RouteError::NoNexthop)?;
        if !links.is_up(iface) {
            return Err(RouteError::DeviceNotUp);
        }
        let weight = hop.weight.max(1);
        Ok(Nexthop { iface, gateway: hop.via, weight, onlink: hop.onlink })
    }

    /// The interface by which a gateway is on the link (`ip6_route_check_nh`): the table of the
    /// route is asked first, then all of them.
    fn reach_six(&self, table_id: u32, via: B, stated: Option<u16>) -> Option<u16> {
        let own = (shelf(table_id) != table::MAIN).then_some(table_id);
        let first = own.and_then(|own| self.direct_six(own, via, stated));
        first.or_else(|| self.direct_six(table::MAIN, via, stated))
    }

    /// The interface of the longest route of a table, if it leads to no gateway.
    fn direct_six(&self, table_id: u32, via: B, stated: Option<u16>) -> Option<u16> {
        // Routes by other interfaces than the stated one are passed over.
        let by = |info: &&RouteInfo| match stated {
            Some(iface) => info.nexthops.iter().any(|hop| hop.iface == iface),
            None => true,
        };
        let infos = |aliases: &[Alias]| {
            aliases.iter().filter_map(|alias| self.rib.info(alias.info)).find(by)
        };
        let info = self.rib.matches(table_id, via).find_map(|(_, aliases)| infos(aliases))?;
        let hop = info.nexthops.first().filter(|_| !rejects(info.kind))?;
        hop.gateway.is_none().then_some(hop.iface)
    }

    /// When the next route goes.
    pub fn next_expiry(&self) -> Option<u64> {
        self.rib.all_infos().filter_map(|(_, info)| info.expires).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::{doubles::Up, hops::Hops, nexthops::Nexthops};

    struct Table {
        routes: RouteControl<u128>,
        hops: Hops,
        objects: Nexthops,
        now: u64,
    }

    impl Table {
        fn new() -> Self {
            let routes = RouteControl::new(100, 64);
            Self { routes, hops: Hops::new(64), objects: Nexthops::default(), now: 0 }
        }

        fn apply(&mut self, verb: Verb, spec: &RouteSpec) -> Result<(), RouteError> {
            let Self { hops, objects, now, .. } = self;
            let mut world = World { links: &Up, hops, objects, now: *now };
            self.routes.apply(verb, spec, &mut world)
        }

        /// Gateways of all routes to a prefix, route by route.
        fn gateways(&self, dst: &str) -> Vec<Vec<String>> {
            let prefix = Prefix::of_net(dst.parse().unwrap()).unwrap();
            let rib = self.routes.rib();
            let infos = rib.get(table::MAIN, prefix).iter().filter_map(|own| rib.info(own.info));
            let of = |hop: &Nexthop| hop.gateway.map_or("none".to_owned(), |via| via.to_string());
            infos.map(|info| info.nexthops.iter().map(of).collect()).collect()
        }
    }

    fn route(dst: &str, via: Option<&str>) -> RouteSpec {
        let hop = NextHopSpec {
            via: via.map(|via| via.parse().unwrap()),
            dev: Some("d0".to_owned()),
            weight: 1,
            onlink: false,
        };
        RouteSpec::through(dst.parse::<ipnet::IpNet>().unwrap(), hop)
    }

    const NET: &str = "2001:db8:5::/48";

    #[test]
    fn routes_through_gateways_with_one_metric_are_siblings() {
        let mut table = Table::new();
        table.apply(Verb::Add, &route(NET, Some("fe80::1"))).unwrap();
        assert_eq!(table.apply(Verb::Add, &route(NET, Some("fe80::2"))), Err(RouteError::Exists));
        table.apply(Verb::Append, &route(NET, Some("fe80::2"))).unwrap();
        assert_eq!(
            table.apply(Verb::Append, &route(NET, Some("fe80::2"))),
            Err(RouteError::Exists)
        );
        table.apply(Verb::Append, &route(NET, None)).unwrap();
        assert_eq!(table.gateways(NET), [vec!["fe80::1", "fe80::2"], vec!["none"]]);
        table.apply(Verb::Delete, &route(NET, Some("fe80::1"))).unwrap();
        assert_eq!(table.gateways(NET), [vec!["fe80::2"], vec!["none"]]);
        table.apply(Verb::Append, &route(NET, Some("fe80::3"))).unwrap();
        table.apply(Verb::Replace, &route(NET, Some("fe80::4"))).unwrap();
        assert_eq!(table.gateways(NET), [vec!["fe80::4"], vec!["none"]]);
        let any = RouteSpec { nexthops: Vec::new(), proto: 0, ..route(NET, None) };
        table.apply(Verb::Delete, &any).unwrap();
        table.apply(Verb::Delete, &any).unwrap();
        assert_eq!(table.apply(Verb::Delete, &any), Err(RouteError::NoProcess));
        assert_eq!(table.apply(Verb::Change, &route(NET, None)), Err(RouteError::NoMatch));
    }

    #[test]
    fn a_route_without_metric_has_1024_and_a_gateway_is_looked_for_on_the_links() {
        let mut table = Table::new();
        let far = route("2001:db8:7::/48", Some("2001:db8:1::9"));
        assert_eq!(table.apply(Verb::Add, &far), Err(RouteError::NoWay));
        table.apply(Verb::Add, &route("2001:db8:1::/64", None)).unwrap();
        table.apply(Verb::Add, &far).unwrap();
        let behind = route("2001:db8:8::/48", Some("2001:db8:7::1"));
        assert_eq!(table.apply(Verb::Add, &behind), Err(RouteError::NoWay));
        let group = route("2001:db8:8::/48", Some("ff02::1"));
        assert_eq!(table.apply(Verb::Add, &group), Err(RouteError::GatewayAddress));
        let rib = table.routes.rib();
        assert!(rib.all_infos().all(|(_, info)| info.metric == 1024));
    }

    #[test]
    fn beside_a_route_for_some_sources_one_for_all_is_passed_over() {
        let mut table = Table::new();
        table.apply(Verb::Add, &route("::/0", Some("fe80::1"))).unwrap();
        table.apply(Verb::Add, &route(NET, Some("fe80::2"))).unwrap();
        let src = Some("2001:db8:77::/64".parse().unwrap());
        table.apply(Verb::Add, &RouteSpec { src, ..route(NET, Some("fe80::3")) }).unwrap();
        let routes = &table.routes;
        let by = |dst: &str, src: &str| {
            let bits = |text: &str| text.parse::<std::net::Ipv6Addr>().unwrap().to_bits();
            use crate::route::{
                family::{Fib, FibWriter},
                policy::Sources,
            };
            let fib = &**routes.fib().table();
            let from = Sources { fib, tries: routes.tries().tables(), hops: table.hops.table() };
            let hop = from.by_source(fib.lookup(bits(dst)), bits(src));
            table.hops.table().any_gateway(hop).unwrap().to_string()
        };
        assert_eq!(by("2001:db8:5::1", "2001:db8:77::9"), "fe80::3");
        assert_eq!(by("2001:db8:5::1", "2001:db8:78::9"), "fe80::1");
        assert_eq!(by("2001:db8:6::1", "2001:db8:77::9"), "fe80::1");
    }

    #[test]
    fn a_delete_for_some_sources_takes_a_route_for_all_where_none_is_for_any() {
        let mut table = Table::new();
        let src = |words: &str| Some(words.parse().unwrap());
        let some = RouteSpec { src: src("2001:db8:77::/64"), ..route(NET, Some("fe80::3")) };
        let others = RouteSpec { src: src("2001:db8:78::/64"), ..route(NET, None) };
        let gone = RouteSpec { nexthops: Vec::new(), proto: 0, ..some.clone() };
        table.apply(Verb::Add, &route(NET, Some("fe80::2"))).unwrap();
        table.apply(Verb::Add, &others).unwrap();
        assert_eq!(table.apply(Verb::Delete, &gone), Err(RouteError::NoProcess));
        table.apply(Verb::Add, &some).unwrap();
        table.apply(Verb::Delete, &gone).unwrap();
        table.apply(Verb::Delete, &RouteSpec { proto: 0, ..others }).unwrap();
        assert_eq!(table.gateways(NET), [vec!["fe80::2"]]);
        table.apply(Verb::Delete, &gone).unwrap();
        assert!(table.gateways(NET).is_empty());
    }

    #[test]
    fn a_route_knows_when_it_ends() {
        let mut table = Table::new();
        table.now = 5_000_000_000;
        let spec = RouteSpec { expires: Some(10), ..route(NET, Some("fe80::1")) };
        table.apply(Verb::Add, &spec).unwrap();
        assert_eq!(table.routes.next_expiry(), Some(15_000_000_000));
    }
}
