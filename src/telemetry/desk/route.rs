//! `ip route`, carried out.

use std::net::{IpAddr, Ipv4Addr};

use super::Desk;
use super::ip::{Done, Refused};
use crate::{
    control::Query,
    iproute2::{
        Options, RouteCommand, RouteFilter, RouteGet,
        show::{self, NextHopView, RouteGetView, RouteView},
    },
    port::table::Iface,
    route::{
        control::Verb,
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
            RouteCommand::Show(filter) if filter.cached => return Ok(self.show_cache(options)),
            RouteCommand::Show(filter) => {
                self.check_filter(filter.dev.as_ref())?;
                if filter.table.is_some_and(|table| !self.table_exists(table)) {
                    return Err(no_table("Dump"));
                }
                let mut prefixes = self.router.routes().rib().sorted();
                // Of two routes that begin alike the kernel tells the longer one first.
                prefixes.sort_by_key(|(_, prefix)| (prefix.bits, std::cmp::Reverse(prefix.len)));
                let views = prefixes.into_iter();
                let mut views: Vec<_> = views
                    .flat_map(|(table_id, prefix)| self.route_views(table_id, prefix))
                    .collect();
                // Tables come in the order of the kernel's hash of their numbers.
                views.sort_by_key(|view| (view.table & 0xff, view.table));
                return Ok(show::show_routes(&views, filter, options));
            }
            RouteCommand::Get(get) => return self.get_route(get, options),
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

    fn route_views(&self, table_id: u32, prefix: Prefix) -> Vec<RouteView> {
        let routes = self.router.routes();
        let aliases = routes.rib().get(table_id, prefix).iter();
        let views = aliases.filter_map(|alias| {
            let info = routes.rib().info(alias.info)?;
            Some(self.route_view(prefix, alias.tos, info))
        });
        views.collect()
    }

    fn flush_routes(&mut self, filter: &RouteFilter) -> Done {
        self.check_filter(filter.dev.as_ref())?;
        if filter.cached {
            self.router.forget_exceptions();
            return Ok(String::new());
        }
        if filter.table.is_some_and(|table| !self.table_exists(table)) {
            return Err(no_table("Flush"));
        }
        let ifaces = self.router.ifaces().to_vec();
        let objects = self.router.objects().clone();
        let gone = self.router.flush_routes(|_, prefix, info| {
            filter.accepts(&view(prefix, 0, info, &objects, &ifaces))
        });
        if gone == 0 {
            return Ok("Nothing to flush.\n".to_owned());
        }
        Ok(String::new())
    }

    /// The way that a packet takes, by the tables that forward packets.
    fn get_route(&mut self, get: &RouteGet, options: &Options) -> Done {
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
                src: get.from.map_or(0, Ipv4Addr::to_bits),
                dst: get.dst.to_bits(),
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
            return Ok(show::show_route_get(&on_link(get, own), options));
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
            let matched = self.route_view(found.prefix, alias.tos, info);
            // The table is told wherever it is not main.
            let filter = RouteFilter { table: None, ..RouteFilter::default() };
            return Ok(show::show_routes(&[matched], &filter, options));
        }
        let own = self.router.ifaces().iter().find(|own| own.index == found.iface);
        let via = found.gateway;
        let towards = match via {
            Some(IpAddr::V4(four)) => four,
            _ => get.dst,
        };
        let chosen = || own.and_then(|own| own.select_address(towards)).map(IpAddr::V4);
        let local = info.kind == RouteType::Local;
        let prefsrc = match get.from {
            Some(_) => None,
            None if local => Some(get.dst.into()),
            None => info.prefsrc.or_else(chosen),
        };
        let on_loopback = local || iif != 0 && info.kind == RouteType::Broadcast;
        let view = RouteGetView {
            dst: get.dst.into(),
            from: get.from.map(IpAddr::V4),
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
        let from = get.from.unwrap_or(Ipv4Addr::UNSPECIFIED);
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
    fn table_exists(&self, id: u32) -> bool {
        let routes = self.router.routes();
        matches!(id, table::MAIN | table::LOCAL)
            || routes.trie(id).is_some()
            || routes.rib().prefix_count(id) > 0
    }

    /// What was learned about destinations, as `ip route show cache` prints it.
    fn show_cache(&self, options: &Options) -> String {
        let mut all = String::new();
        for (dst, learned) in self.router.exceptions() {
            let std::net::IpAddr::V4(dst) = dst else { continue };
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
                ..way_to(dst)
            };
            all.push_str(&show::show_route_get(&view, options));
        }
        all
    }

    /// A route as `ip route show` wants it, with its next-hop object.
    pub(super) fn route_view(&self, prefix: Prefix, tos: u8, info: &RouteInfo) -> RouteView {
        let mut view = view(prefix, tos, info, self.router.objects(), self.router.ifaces());
        view.nh_info = self.nexthop_view(info.nhid);
        view
    }
}

/// What is said of a table that has never had a route.
fn no_table(what: &str) -> Refused {
    Refused::new(format!("Error: ipv4: FIB table does not exist.\n{what} terminated"))
}

/// The way to a destination of which nothing else is known.
fn way_to(dst: Ipv4Addr) -> RouteGetView {
    RouteGetView {
        dst: dst.into(),
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
fn on_link(get: &RouteGet, own: &Iface) -> RouteGetView {
    let broadcast = get.dst.is_broadcast();
    RouteGetView {
        from: get.from.map(IpAddr::V4),
        kind: if broadcast { RouteType::Broadcast } else { RouteType::Unicast },
        tos: get.tos,
        dev: Some(own.name.clone()),
        prefsrc: get.from.map_or_else(|| own.select_address(get.dst), |_| None).map(IpAddr::V4),
        mark: get.mark,
        uid: Some(get.uid.unwrap_or(0)),
        cache: if broadcast { vec!["local".into(), "brd".into()] } else { Vec::new() },
        ..way_to(get.dst)
    }
}

/// A route as `ip route show` wants it.
fn view(
    prefix: Prefix,
    tos: u8,
    info: &RouteInfo,
    objects: &Nexthops,
    ifaces: &[Iface],
) -> RouteView {
    let blackhole = objects.is_blackhole(info.nhid);
    view_with(prefix, tos, info, &objects.of(info), blackhole, ifaces)
}

/// The same with the next hops that it has, or had.
pub(super) fn view_with(
    prefix: Prefix,
    tos: u8,
    info: &RouteInfo,
    nexthops: &[Nexthop],
    blackhole: bool,
    ifaces: &[Iface],
) -> RouteView {
    let find = |index: u16| ifaces.iter().find(|iface| iface.index == index);
    // What is the router's own does not hang on a link.
    let follows = info.kind != RouteType::Local;
    let mut nexthops: Vec<NextHopView> = nexthops
        .iter()
        .map(|hop| NextHopView {
            via: hop.gateway,
            dev: find(hop.iface).map(|iface| iface.name.clone()),
            weight: hop.weight,
            onlink: hop.onlink,
            dead: follows && find(hop.iface).is_some_and(|iface| !iface.serves()),
            linkdown: follows && find(hop.iface).is_some_and(|iface| !iface.up || !iface.carrier),
        })
        .collect();
    let mut kind = info.kind;
    if kind == RouteType::Unicast && blackhole {
        // The kernel shows such a route by what its object does, on the loopback.
        kind = RouteType::Blackhole;
        nexthops =
            vec![NextHopView { dev: Some("lo".to_owned()), weight: 1, ..NextHopView::default() }];
    }
    RouteView {
        dst: prefix.net(),
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
