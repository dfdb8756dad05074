//! `ip route`, carried out.

use std::{
    cmp::Reverse,
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
};

use ipnet::IpNet;

use super::ip::{Done, Refused};
use super::{Desk, route6};
use crate::{
    control::{Query, families::Kept},
    iproute2::{
        Inet, Options, RouteCommand, RouteFilter, RouteGet,
        show::{self, NextHopView, RouteGetView, RouteView},
    },
    packet::Bits,
    port::table::{Iface, LOOPBACK},
    route::{
        control::{ITSELF, Verb},
        nexthops::Nexthops,
        policy::Flow,
        rib::{Nexthop, Prefix, RouteInfo},
        spec::{RouteSpec, RouteType, table},
    },
};

impl Desk<'_> {
    pub(super) fn route(&mut self, command: &RouteCommand, options: &Options) -> Done {
        let (verb, spec): (Verb, &RouteSpec) = match command {
            RouteCommand::Add(spec) => (Verb::Add, spec),
            RouteCommand::Replace(spec) => (Verb::Replace, spec),
            RouteCommand::Change(spec) => (Verb::Change, spec),
            RouteCommand::Append(spec) => (Verb::Append, spec),
            RouteCommand::Prepend(spec) => (Verb::Prepend, spec),
            RouteCommand::Del { spec, .. } => (Verb::Delete, spec),
            RouteCommand::Flush(filter) => return self.flush_routes(filter),
            RouteCommand::Show(filter) if filter.cached => return self.show_cache(filter, options),
            RouteCommand::Show(filter) => {
                self.check_filter(filter.dev.as_ref())?;
                self.check_table(filter, "Dump")?;
                let mut views = Vec::new();
                if filter.family.takes(false) {
                    // Of two routes that begin alike the kernel tells the longer one first.
                    views =
                        self.route_views::<u32, _>(|prefix, _| (prefix.bits, Reverse(prefix.len)));
                }
                if filter.family.takes(true) {
                    views.extend(self.route_views::<u128, _>(route6::place));
                }
                return Ok(show::show_routes(&views, filter, options));
            }
            RouteCommand::Get(get) => {
                return match get.dst {
                    IpAddr::V4(dst) => self.get_route(get, dst, options),
                    IpAddr::V6(dst) => self.get_route6(get, dst, options),
                };
            }
            RouteCommand::InVrf { vrf, command } => {
                let command = self.in_vrf(vrf, command)?;
                return self.route(&command, options);
            }
        };
        self.router.route(verb, spec).map_err(Refused::new)?;
        Ok(String::new())
    }

    /// The same command with the table of the VRF.
    fn in_vrf(&self, vrf: &str, command: &RouteCommand) -> Result<RouteCommand, Refused> {
        let table = self.vrf_table(vrf)?;
        let mut command = command.clone();
        match &mut command {
            RouteCommand::Add(spec)
            | RouteCommand::Replace(spec)
            | RouteCommand::Change(spec)
            | RouteCommand::Append(spec)
            | RouteCommand::Prepend(spec)
            | RouteCommand::Del { spec, .. } => spec.table = table,
            RouteCommand::Flush(filter) | RouteCommand::Show(filter) => filter.table = Some(table),
            RouteCommand::Get(_) | RouteCommand::InVrf { .. } => {}
        }
        Ok(command)
    }

    /// All routes of a family, table by table as the kernel's hash of their numbers has it.
    fn route_views<B: Kept, K: Ord>(
        &self,
        order: impl Fn(&Prefix<B>, &RouteInfo) -> K,
    ) -> Vec<RouteView> {
        let rib = B::routes(self.router).rib();
        let mut all = Vec::with_capacity(rib.len());
        for (shelf, prefix) in rib.prefixes() {
            for alias in rib.get(shelf, prefix) {
                if let Some(info) = rib.info(alias.info) {
                    all.push((prefix, alias.tos, info));
                }
            }
        }
        all.sort_by_cached_key(|(prefix, _, info)| {
            (info.table & 0xff, info.table, order(prefix, info))
        });
        let view = |(prefix, tos, info): (Prefix<B>, u8, &RouteInfo)| {
            self.route_view(prefix.net(), tos, info)
        };
        all.into_iter().map(view).collect()
    }

    /// Only tables that have or had routes can be asked for.
    fn check_table(&self, filter: &RouteFilter, what: &str) -> Result<(), Refused> {
        let Some(table) = filter.table else { return Ok(()) };
        let (there, family) = match filter.family {
            Inet::Six => (self.table_exists::<u128>(table), "ipv6"),
            _ => (self.table_exists::<u32>(table), "ipv4"),
        };
        match there {
            true => Ok(()),
            false => Err(Refused::new(format!(
                "Error: {family}: FIB table does not exist.\n{what} terminated"
            ))),
        }
    }

    fn flush_routes(&mut self, filter: &RouteFilter) -> Done {
        self.check_filter(filter.dev.as_ref())?;
        if filter.cached {
            self.check_table(filter, "Flush")?;
            return Ok(self.flush_cache(filter));
        }
        self.check_table(filter, "Flush")?;
        let ifaces = self.router.ifaces().to_vec();
        let objects = self.router.objects().clone();
        let now = self.now;
        let fits = |net: IpNet, info: &RouteInfo| {
            filter.accepts(&view(net, 0, info, &objects, &ifaces, now))
        };
        let mut gone = 0;
        if filter.family.takes(false) {
            gone += self.router.flush_routes(|_, prefix, info| fits(prefix.net(), info));
        }
        if filter.family.takes(true) {
            gone += self.router.flush_routes6(|prefix, info| fits(prefix.net(), info));
        }
        if gone == 0 && filter.family != Inet::Six {
            return Ok("Nothing to flush.\n".to_owned());
        }
        Ok(String::new())
    }

    /// The way that a packet takes, by the tables that forward packets.
    fn get_route(&mut self, get: &RouteGet, dst: Ipv4Addr, options: &Options) -> Done {
        let iif = match &get.iif {
            Some(name) => self.known(name)?.index,
            None => 0,
        };
        let oif = match (&get.vrf, &get.oif) {
            (Some(vrf), _) => self.vrf_index(vrf)?,
            (None, Some(name)) => self.known(name)?.index,
            (None, None) => 0,
        };
        let query = Query {
            flow: Flow {
                src: get.from.and_then(u32::of).unwrap_or(0),
                dst: dst.to_bits(),
                mark: get.mark,
                tos: get.tos,
                protocol: get.ipproto.unwrap_or_default(),
                sport: get.sport.unwrap_or_default(),
                dport: get.dport.unwrap_or_default(),
                ..Flow::default()
            },
            iif,
            oif,
        };
        self.check_source(get, &query)?;
        let unreachable = || Refused::new("RTNETLINK answers: Network is unreachable");
        let found = self.router.explain(&query);
        let refusal = match found.as_ref().map(|found| found.kind) {
            None | Some(RouteType::Throw) => Some(unreachable()),
            Some(RouteType::Blackhole) => Some(Refused::invalid()),
            Some(RouteType::Unreachable) => {
                Some(Refused::new("RTNETLINK answers: No route to host"))
            }
            Some(RouteType::Prohibit) => Some(Refused::new("RTNETLINK answers: Permission denied")),
            Some(_) => None,
        };
        let bound = self.router.ifaces().iter().find(|own| own.index == oif);
        if let Some(own) = bound.filter(|own| own.vrf_table.is_none())
            && refusal.is_some()
            && iif == 0
        {
            return Ok(show::show_route_get(&on_link(get, dst, own), options));
        }
        let found = match (refusal, found) {
            (Some(refusal), _) => return Err(refusal),
            (None, Some(found)) => found,
            (None, None) => return Err(unreachable()),
        };
        let routes = self.router.routes();
        let matched = found.alias.and_then(|alias| Some((alias, routes.rib().info(alias.info)?)));
        let Some((alias, info)) = matched else { return Err(unreachable()) };
        if self.router.objects().is_blackhole(info.nhid) {
            return Err(Refused::invalid());
        }
        let arrives = self.router.ifaces().iter().find(|own| own.index == iif);
        if info.kind == RouteType::Unicast && arrives.is_some_and(|own| !own.conf.forwarding) {
            return Err(Refused::new("RTNETLINK answers: No route to host"));
        }
        if get.fibmatch {
            let matched = self.route_view(found.prefix.net(), alias.tos, info);
            // The table is told wherever it is not main.
            let filter = RouteFilter { table: None, ..RouteFilter::default() };
            return Ok(show::show_routes(&[matched], &filter, options));
        }
        let own = self.router.ifaces().iter().find(|own| own.index == found.iface);
        let via = found.gateway;
        let towards = match via {
            Some(IpAddr::V4(four)) => four,
            _ => dst,
        };
        let chosen = || own.and_then(|own| own.select_address(towards)).map(IpAddr::V4);
        let local = info.kind == RouteType::Local;
        let prefsrc = match get.from {
            Some(_) => None,
            None if local => info.prefsrc.or(Some(get.dst)),
            None => info.prefsrc.or_else(chosen),
        };
        let on_loopback = local || iif != 0 && info.kind == RouteType::Broadcast;
        let view = RouteGetView {
            dst: get.dst,
            from: get.from,
            kind: info.kind,
            tos: get.tos,
            via,
            dev: if on_loopback { Some("lo".to_owned()) } else { own.map(|own| own.name.clone()) },
            table: if self.router.rules_are_own() { info.table } else { table::MAIN },
            prefsrc,
            mark: get.mark,
            uid: get.iif.is_none().then_some(get.uid.unwrap_or(0)),
            cache: match info.kind {
                RouteType::Local => vec!["local".to_owned()],
                RouteType::Broadcast => vec!["local".to_owned(), "brd".to_owned()],
                _ if self.redirects(&query, found.iface, found.gateway) => {
                    vec!["redirect".to_owned()]
                }
                _ => Vec::new(),
            },
            expires: found.expires.map(|seconds| seconds as u32),
            mtu: found.mtu.or(info.mtu),
            mtu_locked: info.mtu_locked || found.mtu_locked,
            metrics: info.metrics.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect(),
            iif: get.iif.clone(),
        };
        let mut text = show::show_route_get(&view, options);
        if options.details && !options.json {
            text.push_str(&found.story);
        }
        Ok(text)
    }

    /// What the kernel refuses for the sake of the source.
    fn check_source(&self, get: &RouteGet, query: &Query) -> Result<(), Refused> {
        let from = Ipv4Addr::from_bits(query.flow.src);
        if from.is_multicast() || from.is_broadcast() || get.iif.is_some() && from.is_unspecified()
        {
            return Err(Refused::invalid());
        }
        if from.is_unspecified() {
            return Ok(());
        }
        let Some(iif) = self.router.ifaces().iter().find(|own| own.index == query.iif) else {
            let mut own = self.router.ifaces().iter().flat_map(|iface| &iface.addresses);
            return match own.any(|own| own.local.addr() == from) {
                true => Ok(()),
                false => Err(Refused::new("RTNETLINK answers: Network is unreachable")),
            };
        };
        let back = self.router.explain(&self.way_back(query));
        let elsewhere = || match iif.conf.rp_filter {
            0 => Ok(()),
            _ => Err(Refused::new("RTNETLINK answers: Invalid cross-device link")),
        };
        match back.map(|back| (back.kind, back.iface)) {
            Some((RouteType::Local, _)) if iif.conf.accept_local => Ok(()),
            Some((RouteType::Local | RouteType::Broadcast, _)) => Err(Refused::invalid()),
            Some((RouteType::Unicast, iface)) if iface == iif.index => Ok(()),
            Some((RouteType::Unicast, _)) if iif.conf.rp_filter == 2 => Ok(()),
            _ => elsewhere(),
        }
    }

    fn way_back(&self, query: &Query) -> Query {
        let flow = Flow { src: query.flow.dst, dst: query.flow.src, mark: 0, ..query.flow };
        Query { flow, iif: query.iif, oif: 0 }
    }

    /// Whether the sender would be told a better way.
    fn redirects(&self, query: &Query, out: u16, gateway: Option<IpAddr>) -> bool {
        if query.iif == 0 || query.iif != out {
            return false;
        }
        let Some(iif) = self.router.ifaces().iter().find(|own| own.index == query.iif) else {
            return false;
        };
        let back = self.router.explain(&self.way_back(query));
        let near = back.is_some_and(|back| back.iface == iif.index && back.gateway.is_none());
        let towards = match gateway {
            Some(IpAddr::V4(four)) => four,
            _ => query.flow.dst.into(),
        };
        let shared = iif.conf.shared_media || iif.on_link(query.flow.src.into(), towards);
        near && iif.conf.send_redirects && shared
    }

    /// Whether the kernel would know a table of this number: one that has or had routes.
    fn table_exists<B: Kept>(&self, id: u32) -> bool {
        let routes = B::routes(self.router);
        matches!(id, table::MAIN | table::LOCAL)
            || routes.trie(id).is_some()
            || routes.rib().prefix_count(id) > 0
    }

    /// What was learned about destinations, as `ip route show cache` prints it.
    fn show_cache(&self, filter: &RouteFilter, options: &Options) -> Done {
        self.check_filter(filter.dev.as_ref())?;
        self.check_table(filter, "Dump")?;
        let mut all = String::new();
        if filter.family.takes(false) {
            self.show_cache4(&mut all, options);
        }
        if filter.family.takes(true) {
            let views: Vec<RouteView> = self.learned6().into_iter().map(|(_, view)| view).collect();
            let learned = RouteFilter { cached: false, ..filter.clone() };
            all.push_str(&show::show_routes(&views, &learned, options));
        }
        Ok(all)
    }

    fn show_cache4(&self, all: &mut String, options: &Options) {
        for (_, dst, learned) in self.router.exceptions() {
            let IpAddr::V4(dst) = dst else { continue };
            let flow = Flow { dst: dst.to_bits(), ..Flow::default() };
            let Some(found) = self.router.explain(&Query { flow, iif: 0, oif: 0 }) else {
                continue;
            };
            let own = self.router.ifaces().iter().find(|own| own.index == found.iface);
            let redirected = learned.gateway.is_some();
            let view = RouteGetView {
                via: found.gateway,
                dev: own.map(|own| own.name.clone()),
                cache: if redirected { vec!["redirected".to_owned()] } else { Vec::new() },
                expires: found.expires.map(|seconds| seconds as u32),
                mtu: learned.mtu.map(u32::from),
                mtu_locked: learned.locked,
                ..way_to(dst.into())
            };
            all.push_str(&show::show_route_get(&view, options));
        }
    }

    /// Forgets what was learned: all of IPv4, as the kernel does, and of IPv6 what the filter takes.
    fn flush_cache(&mut self, filter: &RouteFilter) -> String {
        if filter.family.takes(false) {
            self.router.forget_exceptions(|_, dst| dst.is_ipv4());
        }
        if filter.family.takes(true) {
            let learned = RouteFilter { cached: false, ..filter.clone() };
            let mut all = self.learned6();
            all.retain(|(_, view)| learned.accepts(view));
            let gone: BTreeSet<_> = all.into_iter().map(|(key, _)| key).collect();
            self.router.forget_exceptions(|hop, dst| gone.contains(&(hop, dst)));
        }
        String::new()
    }

    /// A route as `ip route show` wants it, with its next-hop object.
    pub(super) fn route_view(&self, dst: IpNet, tos: u8, info: &RouteInfo) -> RouteView {
        let (objects, ifaces) = (self.router.objects(), self.router.ifaces());
        let mut view = view(dst, tos, info, objects, ifaces, self.now);
        view.nh_info = self.nexthop_view(info.nhid);
        view
    }
}

/// The way to a destination of which nothing else is known.
pub(super) fn way_to(dst: IpAddr) -> RouteGetView {
    RouteGetView {
        dst,
        from: None,
        kind: RouteType::Unicast,
        tos: 0,
        via: None,
        dev: None,
        table: table::MAIN,
        prefsrc: None,
        mark: 0,
        uid: None,
        cache: Vec::new(),
        expires: None,
        mtu: None,
        mtu_locked: false,
        metrics: Vec::new(),
        iif: None,
    }
}

/// The way of a packet that is bound to an interface and has no route: the destination is taken to
/// be on the link.
fn on_link(get: &RouteGet, dst: Ipv4Addr, own: &Iface) -> RouteGetView {
    let broadcast = dst.is_broadcast();
    RouteGetView {
        from: get.from,
        kind: if broadcast { RouteType::Broadcast } else { RouteType::Unicast },
        tos: get.tos,
        dev: Some(own.name.clone()),
        prefsrc: match get.from {
            Some(_) => None,
            None => own.select_address(dst).map(IpAddr::V4),
        },
        mark: get.mark,
        uid: Some(get.uid.unwrap_or(0)),
        cache: if broadcast { vec!["local".into(), "brd".into()] } else { Vec::new() },
        ..way_to(get.dst)
    }
}

/// A route as `ip route show` wants it.
fn view(
    dst: IpNet,
    tos: u8,
    info: &RouteInfo,
    objects: &Nexthops,
    ifaces: &[Iface],
    now: u64,
) -> RouteView {
    let blackhole = objects.is_blackhole(info.nhid);
    let view = view_with(dst, tos, info, &objects.of(info), blackhole, ifaces, now);
    RouteView { grouped: matches!(dst, IpNet::V6(_)) && objects.is_group(info.nhid), ..view }
}

/// The same with the next hops that it has, or had.
pub(super) fn view_with(
    dst: IpNet,
    tos: u8,
    info: &RouteInfo,
    nexthops: &[Nexthop],
    blackhole: bool,
    ifaces: &[Iface],
    now: u64,
) -> RouteView {
    let find = |index: u16| ifaces.iter().find(|iface| iface.index == index);
    let six = matches!(dst, IpNet::V6(_));
    // What is the router's own does not hang on a link.
    let follows = info.kind != RouteType::Local && !(six && info.kind == RouteType::Anycast);
    let mut nexthops: Vec<NextHopView> = nexthops
        .iter()
        .map(|hop| NextHopView {
            via: hop.gateway,
            dev: match hop.iface {
                ITSELF => Some(LOOPBACK.to_owned()),
                iface => find(iface).map(|iface| iface.name.clone()),
            },
            weight: hop.weight,
            onlink: hop.onlink,
            dead: follows && find(hop.iface).is_some_and(|iface| !iface.serves()),
            linkdown: follows && find(hop.iface).is_some_and(|iface| !iface.up || !iface.carrier),
        })
        .collect();
    let mut kind = info.kind;
    let loopback =
        || vec![NextHopView { dev: Some("lo".to_owned()), weight: 1, ..NextHopView::default() }];
    if kind == RouteType::Unicast && blackhole {
        // The kernel shows such a route by what its object does, on the loopback.
        kind = RouteType::Blackhole;
        nexthops = loopback();
    } else if six && nexthops.is_empty() {
        // What is refused stands on the loopback.
        nexthops = loopback();
    }
    let left = |end: u64| (end.saturating_sub(now) / 1_000_000_000) as u32;
    RouteView {
        dst,
        src: info.src,
        pref: six.then(|| show::pref(info.pref).to_owned()),
        expires: info.expires.map(left),
        iif: None,
        learned: false,
        grouped: false,
        kind,
        tos,
        table: info.table,
        metric: info.metric,
        proto: info.proto,
        scope: info.scope,
        prefsrc: info.prefsrc,
        mtu: info.mtu,
        mtu_locked: info.mtu_locked,
        metrics: info.metrics.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect(),
        nexthops,
        nhid: info.nhid,
        nh_info: None,
    }
}
