//! Routes as stated, with interfaces and gateways found, and held to what the kernel allows.
//!
//! - obeys: ledger 5.29 to 5.33; `fib_create_info`, `fib_check_nh`, `fib_table_delete`

use std::net::IpAddr;

use super::{
    control::{ITSELF, Links, RouteControl, RouteError, World},
    family::Family,
    rib::{Alias, Nexthop, Prefix, RouteInfo, shelf},
    spec::{NextHopSpec, RouteSpec, RouteType, proto, scope, table},
};

/// True for an address of fe80::/10.
fn is_link_local<B: Family>(address: B) -> bool {
    matches!(address.address(), IpAddr::V6(six) if six.is_unicast_link_local())
}

impl<B: Family> RouteControl<B> {
    pub(super) fn find_to_delete(
        &self,
        prefix: Prefix<B>,
        spec: &RouteSpec,
        world: &World<'_>,
    ) -> Result<usize, RouteError> {
        let wanted: Result<Vec<_>, RouteError> = spec
            .nexthops
            .iter()
            .map(|hop| match &hop.dev {
                Some(dev) => {
                    let iface = world
                        .links
                        .by_name(dev)
                        .ok_or_else(|| RouteError::NoDevice(dev.clone()))?;
                    Ok((Some(iface), hop.via))
                }
                None => Ok((None, hop.via)),
            })
            .collect();
        let wanted = wanted?;
        // What the request leaves out matches any route, as `fib_table_delete` has it.
        let matches = |alias: &Alias| {
            let Some(info) = self.rib.info(alias.info) else { return false };
            let hops_match = spec.nhid.is_none_or(|id| id == info.nhid)
                && (wanted.is_empty()
                    // A single one is compared with the first (`fib_nh_match`).
                    || ((wanted.len() == 1 || wanted.len() == info.nexthops.len())
                        && !info.nexthops.is_empty()
                        && wanted.iter().zip(&info.nexthops).all(|((iface, via), hop)| {
                            iface.is_none_or(|iface| iface == hop.iface)
                                && via.is_none_or(|via| Some(via) == hop.gateway)
                        })));
            alias.tos == spec.tos
                && info.table == spec.table
                && (spec.kind == RouteType::Unicast || spec.kind == info.kind)
                && (spec.metric == 0 || spec.metric == info.metric)
                && (spec.proto == 0 || spec.proto == proto::BOOT || spec.proto == info.proto)
                && spec.prefsrc.is_none_or(|prefsrc| Some(prefsrc) == info.prefsrc)
                && spec.scope.is_none_or(|scope| scope == info.scope)
                && hops_match
        };
        self.rib.get(spec.table, prefix).iter().position(matches).ok_or(RouteError::NoProcess)
    }

    pub(super) fn resolve(
        &self,
        spec: &RouteSpec,
        world: &World<'_>,
    ) -> Result<RouteInfo, RouteError> {
        let (links, objects) = (world.links, world.objects);
        let has_device = matches!(
            spec.kind,
            RouteType::Unicast
                | RouteType::Local
                | RouteType::Broadcast
                | RouteType::Anycast
                | RouteType::Multicast
        );
        if !has_device && spec.nexthops.iter().any(|hop| hop.via.is_some()) {
            return Err(RouteError::Invalid);
        }
        if let Some(id) = spec.nhid {
            if !spec.nexthops.is_empty() {
                return Err(RouteError::Invalid);
            }
            if !objects.contains(id) {
                return Err(RouteError::NoObject(id));
            }
        } else if has_device && spec.nexthops.is_empty() && spec.kind == RouteType::Unicast {
            return Err(RouteError::NoNexthop);
        }
        let nexthops = match has_device {
            true => {
                let found: Result<Vec<_>, RouteError> = spec
                    .nexthops
                    .iter()
                    .map(|hop| self.resolve_nexthop(spec.table, hop, links))
                    .collect();
                found?
            }
            false => Vec::new(),
        };
        // What is sent out by the loopback would come in again, which it does not here.
        let loops = nexthops.iter().any(|hop| hop.iface == ITSELF);
        if loops && !matches!(spec.kind, RouteType::Local | RouteType::Broadcast) {
            return Err(RouteError::NoDevice("lo".to_owned()));
        }
        if let Some(prefsrc) = spec.prefsrc
            && !links.is_local(prefsrc, nexthops.first().map(|hop| hop.iface))
        {
            return Err(RouteError::InvalidPrefsrc);
        }
        let through = |hop: &Nexthop| hop.gateway.is_some();
        let gatewayed = match spec.nhid {
            Some(id) => objects.nexthops(id).iter().any(through),
            None => nexthops.iter().any(through),
        };
        let default_scope = match spec.kind {
            _ if B::SIX => scope::UNIVERSE,
            RouteType::Local => scope::HOST,
            RouteType::Unicast if !gatewayed && spec.nhid.is_none() => scope::LINK,
            RouteType::Broadcast | RouteType::Multicast | RouteType::Anycast => scope::LINK,
            _ => scope::UNIVERSE,
        };
        let scope = spec.scope.unwrap_or(default_scope);
        if gatewayed && scope >= scope::LINK {
            return Err(RouteError::InvalidGateway);
        }
        Ok(RouteInfo {
            kind: spec.kind,
            table: spec.table,
            proto: spec.proto,
            scope,
            metric: spec.metric,
            prefsrc: spec.prefsrc,
            mtu: spec.mtu,
            mtu_locked: spec.mtu_locked,
            metrics: spec.metrics.clone(),
            nexthops,
            nhid: spec.nhid.unwrap_or_default(),
            src: spec.src.filter(|src| src.prefix_len() > 0),
            pref: spec.pref,
            expires: None,
        })
    }

    /// A next hop with its interface found.
    ///
    /// # Errors
    /// When the interface is not there or down, or the gateway is on no link.
    pub fn resolve_nexthop(
        &self,
        table_id: u32,
        hop: &NextHopSpec,
        links: &dyn Links,
    ) -> Result<Nexthop, RouteError> {
        let stated = match &hop.dev {
            Some(dev) => Some(links.by_name(dev).ok_or_else(|| RouteError::NoDevice(dev.clone()))?),
            None => None,
        };
        let weight = hop.weight.max(1);
        let via = hop.via.and_then(B::of);
        let iface = match (via, stated) {
            // A gateway of the other family is taken to be on the link.
            (None, None) if hop.via.is_some() => return Err(RouteError::Invalid),
            (None, None) => return Err(RouteError::NoNexthop),
            (None, Some(iface)) => iface,
            (Some(_), None) if hop.onlink => return Err(RouteError::Invalid),
            (Some(via), stated) => match stated {
                // It is on the link by its nature.
                Some(iface) if is_link_local(via) => iface,
                Some(iface) if hop.onlink => {
                    if links.is_local(via.address(), Some(iface)) {
                        return Err(RouteError::InvalidGateway);
                    }
                    iface
                }
                _ => links
                    .route_table(stated)
                    .or((shelf(table_id) != table::MAIN).then_some(table_id))
                    .and_then(|own| self.reach(own, via, stated))
                    .or_else(|| self.reach(table::MAIN, via, stated))
                    .ok_or(RouteError::InvalidGateway)?,
            },
        };
        if !links.is_up(iface) {
            return Err(RouteError::DeviceDown);
        }
        Ok(Nexthop { iface, gateway: hop.via, weight, onlink: hop.onlink })
    }

    /// The interface on whose link a gateway is: the longest route to it that has no gateway of its
    /// own [5.30].
    pub(super) fn reach(&self, table_id: u32, via: B, stated: Option<u16>) -> Option<u16> {
        for (_, aliases) in self.rib.matches(table_id, via) {
            for info in aliases.iter().filter_map(|alias| self.rib.info(alias.info)) {
                let by = |hop: &Nexthop| stated.is_none_or(|iface| iface == hop.iface);
                if info.kind == RouteType::Broadcast && info.nexthops.iter().all(by) {
                    // The address is no station's.
                    return None;
                }
                // Routes of IPv6 have no scope.
                let near = B::SIX || info.scope >= scope::LINK;
                let on_link = info.kind == RouteType::Unicast && near;
                let direct = on_link || info.kind == RouteType::Local;
                let [hop] = &info.nexthops[..] else { continue };
                if direct && hop.gateway.is_none() && stated.is_none_or(|iface| iface == hop.iface)
                {
                    return Some(hop.iface);
                }
            }
            // Only a stated interface is looked for behind shorter routes as well.
            stated?;
        }
        None
    }
}
