//! Routes from the operator's words to the forwarding table.
//!
//! Checks what a route says as the kernel does, keeps it in the [`Rib`], and puts the best route of
//! each prefix into the forwarding table. A change that is refused changes nothing.
//!
//! - obeys: ledger 5.20 to 5.33, 5.62, 5.78 to 5.88; errors in the words of iproute2 and the kernel

use std::net::Ipv4Addr;

use thiserror::Error;

use super::{
    fib::{Fib4Writer, FibFull},
    hops::{Egress, HopSpec, Hops, HopsFull},
    rib::{Alias, InfoId, Nexthop, Prefix, Rib, RouteInfo},
    spec::{NextHopSpec, RouteSpec, RouteType, proto, scope, table},
    table::HopKind,
};

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
    /// Only the main and local tables are there yet.
    #[error("table {0} is not supported yet: only main and local are")]
    Table(u32),
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
    /// The router has this address.
    fn is_local(&self, address: Ipv4Addr) -> bool;
}

/// The routes and the forwarding table.
pub struct RouteControl {
    rib: Rib,
    fib: Fib4Writer,
    limit: usize,
    /// Changes refused for want of room.
    pub refused: u64,
}

impl RouteControl {
    /// No routes, and room for `limit` of them and for `groups` groups of longer ones.
    pub fn new(limit: usize, groups: u32) -> Self {
        Self { rib: Rib::default(), fib: Fib4Writer::new(groups), limit, refused: 0 }
    }

    /// The routes.
    pub fn rib(&self) -> &Rib {
        &self.rib
    }

    /// The forwarding table.
    pub fn fib(&self) -> &Fib4Writer {
        &self.fib
    }

    /// The forwarding table, to retire and reclaim.
    pub fn fib_mut(&mut self) -> &mut Fib4Writer {
        &mut self.fib
    }

    /// Makes a change.
    ///
    /// # Errors
    /// When the route cannot be as stated, is there, or is not; nothing has changed then.
    pub fn apply(
        &mut self,
        verb: Verb,
        spec: &RouteSpec,
        links: &dyn Links,
        hops: &mut Hops,
    ) -> Result<(), RouteError> {
        if !matches!(spec.table, table::MAIN | table::LOCAL) {
            return Err(RouteError::Table(spec.table));
        }
        let prefix = Prefix::of(spec.dst.addr().to_bits(), spec.dst.prefix_len());
        if verb == Verb::Delete {
            let place = self.find_to_delete(prefix, spec, links)?;
            self.delete(prefix, place, hops);
            return Ok(());
        }
        let info = self.resolve(spec, links)?;
        let same = |alias: &Alias| {
            let other = self.rib.info(alias.info);
            alias.tos == spec.tos
                && other
                    .is_some_and(|other| (other.table, other.metric) == (spec.table, spec.metric))
        };
        let place = self.rib.get(prefix).iter().position(same);
        match (verb, place) {
            (Verb::Add, Some(_)) => return Err(RouteError::Exists),
            (Verb::Change, None) => return Err(RouteError::NoEntry),
            (Verb::Append | Verb::Prepend, Some(_)) => {
                let twin = |alias: &Alias| self.rib.info(alias.info) == Some(&info);
                if self.rib.get(prefix).iter().any(|alias| alias.tos == spec.tos && twin(alias)) {
                    return Err(RouteError::Exists);
                }
            }
            _ => {}
        }
        let replaces = place.filter(|_| matches!(verb, Verb::Replace | Verb::Change));
        if replaces.is_none() && self.rib.len() >= self.limit {
            self.refused += 1;
            return Err(RouteError::RoutesFull(self.limit));
        }
        let id = self.share(info, links, hops).inspect_err(|_| self.refused += 1)?;
        // The forwarding table's room is proved before anything is changed.
        if prefix.len > 24 && self.rib.get(prefix).is_empty() {
            let value = self.rib.hop(id);
            if let Err(full) = self.fib.insert(prefix.bits, prefix.len, value) {
                self.refused += 1;
                self.forget_unused(id, hops);
                return Err(full.into());
            }
        }
        let gone = match replaces {
            Some(place) => self.rib.replace(prefix, place, id),
            None => {
                let alias = Alias { info: id, tos: spec.tos };
                self.rib.insert(prefix, alias, verb == Verb::Prepend);
                None
            }
        };
        self.refresh(prefix);
        if let Some(hop) = gone {
            hops.release(hop);
        }
        Ok(())
    }

    /// The shared information, with a hop of its own if it is new.
    fn share(
        &mut self,
        info: RouteInfo,
        links: &dyn Links,
        hops: &mut Hops,
    ) -> Result<InfoId, HopsFull> {
        if let Some(id) = self.rib.find_info(&info) {
            return Ok(id);
        }
        let hop = acquire(&info, links, hops)?;
        Ok(self.rib.share(info, hop))
    }

    /// Takes new information back that no route came to use.
    fn forget_unused(&mut self, id: InfoId, hops: &mut Hops) {
        if let Some(hop) = self.rib.forget_unused(id) {
            hops.release(hop);
        }
    }

    fn delete(&mut self, prefix: Prefix, place: usize, hops: &mut Hops) {
        let gone = self.rib.remove(prefix, place);
        self.refresh(prefix);
        if let Some(hop) = gone {
            hops.release(hop);
        }
    }

    /// The value in force for a prefix: its first route that ends the look-up and takes any TOS.
    fn best(&self, aliases: &[Alias]) -> Option<u32> {
        let ends = |alias: &&Alias| {
            alias.tos == 0
                && self.rib.info(alias.info).is_some_and(|info| info.kind != RouteType::Throw)
        };
        aliases.iter().find(ends).map(|alias| self.rib.hop(alias.info))
    }

    /// Brings the forwarding table up to date for one prefix.
    fn refresh(&mut self, prefix: Prefix) {
        match self.best(self.rib.get(prefix)) {
            // There is room: `apply` has proved it, and every other change only takes away.
            Some(value) => {
                let _ = self.fib.insert(prefix.bits, prefix.len, value);
            }
            None => {
                let cover = self
                    .rib
                    .covers(prefix)
                    .find_map(|(cover, aliases)| Some((cover.len, self.best(aliases)?)));
                self.fib.remove(prefix.bits, prefix.len, cover);
            }
        }
    }

    /// Takes all routes away for which `gone` says so; gives their number.
    pub fn flush(&mut self, hops: &mut Hops, gone: impl Fn(Prefix, &RouteInfo) -> bool) -> usize {
        let all: Vec<Prefix> = self.rib.prefixes().collect();
        let mut count = 0;
        for prefix in all {
            let going = |rib: &Rib, alias: &Alias| {
                rib.info(alias.info).is_some_and(|info| gone(prefix, info))
            };
            while let Some(place) =
                self.rib.get(prefix).iter().position(|alias| going(&self.rib, alias))
            {
                self.delete(prefix, place, hops);
                count += 1;
            }
        }
        count
    }

    /// Removes routes that cannot be without the interface: it went down [5.62].
    pub fn handle_link_down(&mut self, iface: u16, hops: &mut Hops) -> usize {
        self.flush(hops, |_, info| {
            info.table == table::MAIN && info.nexthops.iter().any(|hop| hop.iface == iface)
        })
    }

    fn find_to_delete(
        &self,
        prefix: Prefix,
        spec: &RouteSpec,
        links: &dyn Links,
    ) -> Result<usize, RouteError> {
        let wanted: Result<Vec<_>, RouteError> = spec
            .nexthops
            .iter()
            .map(|hop| match &hop.dev {
                Some(dev) => {
                    let iface =
                        links.by_name(dev).ok_or_else(|| RouteError::NoDevice(dev.clone()))?;
                    Ok((Some(iface), hop.via))
                }
                None => Ok((None, hop.via)),
            })
            .collect();
        let wanted = wanted?;
        // What the request leaves out matches any route, as `fib_table_delete` has it.
        let matches = |alias: &Alias| {
            let Some(info) = self.rib.info(alias.info) else { return false };
            let hops_match = wanted.is_empty()
                || (wanted.len() == info.nexthops.len()
                    && wanted.iter().zip(&info.nexthops).all(|((iface, via), hop)| {
                        iface.is_none_or(|iface| iface == hop.iface)
                            && via.is_none_or(|via| Some(via) == hop.gateway)
                    }));
            alias.tos == spec.tos
                && info.table == spec.table
                && (spec.kind == RouteType::Unicast || spec.kind == info.kind)
                && (spec.metric == 0 || spec.metric == info.metric)
                && (spec.proto == 0 || spec.proto == proto::BOOT || spec.proto == info.proto)
                && spec.prefsrc.is_none_or(|prefsrc| Some(prefsrc) == info.prefsrc)
                && spec.scope.is_none_or(|scope| scope == info.scope)
                && hops_match
        };
        self.rib.get(prefix).iter().position(matches).ok_or(RouteError::NoProcess)
    }

    fn resolve(&self, spec: &RouteSpec, links: &dyn Links) -> Result<RouteInfo, RouteError> {
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
        if has_device && spec.nexthops.is_empty() && spec.kind == RouteType::Unicast {
            return Err(RouteError::NoNexthop);
        }
        let nexthops = match has_device {
            true => {
                let found: Result<Vec<_>, RouteError> =
                    spec.nexthops.iter().map(|hop| self.resolve_nexthop(hop, links)).collect();
                found?
            }
            false => Vec::new(),
        };
        if let Some(prefsrc) = spec.prefsrc
            && !links.is_local(prefsrc)
        {
            return Err(RouteError::InvalidPrefsrc);
        }
        let gatewayed = nexthops.iter().any(|hop| hop.gateway.is_some());
        let default_scope = match spec.kind {
            RouteType::Local => scope::HOST,
            RouteType::Unicast if !gatewayed => scope::LINK,
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
        })
    }

    fn resolve_nexthop(&self, hop: &NextHopSpec, links: &dyn Links) -> Result<Nexthop, RouteError> {
        let stated = match &hop.dev {
            Some(dev) => Some(links.by_name(dev).ok_or_else(|| RouteError::NoDevice(dev.clone()))?),
            None => None,
        };
        let weight = hop.weight.max(1);
        let iface = match (hop.via, stated) {
            (None, None) => return Err(RouteError::NoNexthop),
            (None, Some(iface)) => iface,
            (Some(_), None) if hop.onlink => return Err(RouteError::Invalid),
            (Some(via), stated) => match stated {
                Some(iface) if hop.onlink => {
                    if links.is_local(via) {
                        return Err(RouteError::InvalidGateway);
                    }
                    iface
                }
                _ => self.reach(via, stated).ok_or(RouteError::InvalidGateway)?,
            },
        };
        if !links.is_up(iface) {
            return Err(RouteError::DeviceDown);
        }
        Ok(Nexthop { iface, gateway: hop.via, weight, onlink: hop.onlink })
    }

    /// The interface on whose link a gateway is: the longest route to it that has no gateway of its
    /// own [5.30].
    fn reach(&self, via: Ipv4Addr, stated: Option<u16>) -> Option<u16> {
        for (_, aliases) in self.rib.matches(via) {
            for info in aliases.iter().filter_map(|alias| self.rib.info(alias.info)) {
                let on_link = info.kind == RouteType::Unicast && info.scope >= scope::LINK;
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

/// The hop that carries a route out.
fn acquire(info: &RouteInfo, links: &dyn Links, hops: &mut Hops) -> Result<u32, HopsFull> {
    let plain = |kind| HopSpec::Plain(kind);
    let via = |hop: &Nexthop| HopSpec::Via {
        iface: hop.iface,
        gateway: hop.gateway,
        mtu: info.mtu.map(|mtu| mtu.min(u32::from(u16::MAX)) as u16),
        prefsrc: info.prefsrc.unwrap_or(Ipv4Addr::UNSPECIFIED),
    };
    match info.kind {
        RouteType::Local => hops.acquire(plain(HopKind::Local), links),
        RouteType::Broadcast | RouteType::Anycast => {
            let iface = info.nexthops.first().map_or(0, |hop| hop.iface);
            let prefsrc = info.prefsrc.unwrap_or(Ipv4Addr::UNSPECIFIED);
            hops.acquire(HopSpec::Broadcast { iface, prefsrc }, links)
        }
        RouteType::Blackhole => hops.acquire(plain(HopKind::Blackhole), links),
        RouteType::Unreachable => hops.acquire(plain(HopKind::Unreachable), links),
        RouteType::Prohibit => hops.acquire(plain(HopKind::Prohibit), links),
        RouteType::Throw | RouteType::Multicast => hops.acquire(plain(HopKind::NoRoute), links),
        RouteType::Unicast => match &info.nexthops[..] {
            [one] => hops.acquire(via(one), links),
            several => {
                let mut members = Vec::with_capacity(several.len());
                for hop in several {
                    match hops.acquire(via(hop), links) {
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
