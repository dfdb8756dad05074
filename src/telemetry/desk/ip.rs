//! Commands of iproute2, carried out; what they print is as `ip` prints it.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;

use super::Desk;
use crate::{
    control::{AddressError, IfaceSpec, Query},
    iproute2::{
        Action, AddrCommand, AddrFilter, AddrSpec, Broadcast, Command, LinkChange, LinkCommand,
        NeighCommand, NeighFilter, NeighSpec, NudState, Options, RouteCommand, RouteFilter,
        RouteGet, VlanProtocol, VlanSpec,
        show::{
            self, AddrView, LinkDetails, LinkStats, LinkView, NeighStats, NeighView, NextHopView,
            RouteGetView, RouteView, iff,
        },
    },
    neighbour::control::{Key, State},
    packet::MacAddr,
    port::table::{Iface, IfaceAddr},
    route::{
        control::{RouteControl, Verb},
        policy::Flow,
        rib::{Nexthop, Prefix, RouteInfo},
        spec::{RouteSpec, RouteType, scope, table},
    },
};

/// MTU of a VRF's interface and its least, as the kernel shows them.
const VRF_MTU: u32 = 65_575;
const VRF_MIN_MTU: u32 = 1280;

/// A command that was not carried out.
pub(super) struct Refused {
    pub(super) message: String,
    /// Exit status of `ip`.
    pub(super) status: u8,
}

impl Refused {
    /// A value that does not fit, as `ip` says it.
    pub(super) fn argument(word: &str, what: &str) -> Self {
        Self { message: format!("Error: argument \"{word}\" is wrong: {what}"), status: 255 }
    }

    /// What `ip` itself finds out ends with 1, what the kernel refuses with 2.
    pub(super) fn new(message: impl ToString) -> Self {
        let message = message.to_string();
        let status = if message.starts_with("Cannot find device") { 1 } else { 2 };
        Self { message, status }
    }

    pub(super) fn unsupported() -> Self {
        Self::new("RTNETLINK answers: Operation not supported")
    }

    fn invalid() -> Self {
        Self::new("RTNETLINK answers: Invalid argument")
    }

    fn no_device(name: &str) -> Self {
        Self::new(format!("Cannot find device \"{name}\""))
    }
}

pub(super) type Done = Result<String, Refused>;

impl Desk<'_> {
    /// Carries a command out; gives what it prints.
    pub(super) fn execute(&mut self, command: &Command) -> Done {
        let options = &command.options;
        match &command.action {
            Action::Link(link) => self.link(link, options),
            Action::Addr(addr) => self.addr(addr, options),
            Action::Route(route) => self.route(route, options),
            Action::Neigh(neigh) => self.neigh(neigh, options),
            Action::Rule(rule) => self.rule(rule, options),
            Action::Nexthop(nexthop) => self.nexthop(nexthop, options),
            Action::Vrf(vrf) => self.vrf(vrf, options),
            Action::Monitor(_) | Action::Batch(_) => Err(Refused::unsupported()),
        }
    }

    fn known(&self, name: &str) -> Result<&Iface, Refused> {
        self.router.iface(name).ok_or_else(|| Refused::no_device(name))
    }

    /// The same of a filter, in the words of `ip route` and `ip neigh`.
    fn check_filter(&self, dev: Option<&String>) -> Result<(), Refused> {
        dev.map_or(Ok(()), |dev| self.known(dev).map(|_| ()))
    }

    /// The same in the words of `ip link` and `ip addr`.
    fn check_dev(&self, dev: Option<&String>) -> Result<(), Refused> {
        match dev {
            Some(dev) if self.router.iface(dev).is_none() => {
                let message = format!("Device \"{dev}\" does not exist.");
                Err(Refused { message, status: 1 })
            }
            _ => Ok(()),
        }
    }

    // ---- links ----

    fn link(&mut self, command: &LinkCommand, options: &Options) -> Done {
        match command {
            LinkCommand::Show(filter) => {
                self.check_dev(filter.dev.as_ref())?;
                self.check_master(filter.master.as_ref())?;
                Ok(show::show_links(&self.link_views(), filter, options))
            }
            LinkCommand::Set { dev, change } => self.change_link(dev, change),
            LinkCommand::Add { name, link, vlan, change } => {
                self.add_vlan(name.as_ref(), link.as_ref(), *vlan, change)
            }
            LinkCommand::AddVrf { name, table, change } => self.add_vrf(name, *table, change),
            LinkCommand::SetGroup { group, change } => {
                let of = self.router.ifaces().iter().filter(|iface| iface.group == *group);
                let names: Vec<String> = of.map(|iface| iface.name.clone()).collect();
                for name in names {
                    self.change_link(&name, change)?;
                }
                Ok(String::new())
            }
            LinkCommand::Del { dev } => {
                let iface = self.known(dev)?;
                if iface.vlan.is_none() && iface.vrf_table.is_none() {
                    return Err(Refused::unsupported());
                }
                self.router.delete_iface(dev).map_err(Refused::new)?;
                Ok(String::new())
            }
        }
    }

    pub(super) fn change_link(&mut self, dev: &str, change: &LinkChange) -> Done {
        self.known(dev)?;
        let LinkChange {
            up,
            carrier,
            mtu,
            address: None,
            name: None,
            alias: None,
            promisc: None,
            allmulticast: None,
            multicast: None,
            arp: None,
            txqueuelen: None,
            master,
            group,
        } = change
        else {
            return Err(Refused::unsupported());
        };
        if let Some(mtu) = mtu {
            let mtu = u16::try_from(*mtu)
                .map_err(|_| Refused::new("Error: mtu greater than device maximum."))?;
            self.router.set_mtu(dev, mtu).map_err(Refused::new)?;
        }
        if let Some(master) = master {
            self.set_master(dev, master)?;
        }
        if let Some(group) = group {
            self.router.set_group(dev, *group).map_err(Refused::new)?;
        }
        if let Some(carrier) = carrier {
            let port = self.known(dev)?.port;
            // A device says itself whether it has a link.
            if (self.devices)().iter().any(|device| device.port == port) {
                return Err(Refused::unsupported());
            }
            self.router.set_carrier(port, *carrier);
        }
        if let Some(up) = up {
            self.router.set_up(dev, *up).map_err(Refused::new)?;
        }
        Ok(String::new())
    }

    fn add_vlan(
        &mut self,
        name: Option<&String>,
        link: Option<&String>,
        vlan: VlanSpec,
        change: &LinkChange,
    ) -> Done {
        if vlan.protocol != VlanProtocol::Dot1q {
            return Err(Refused::unsupported());
        }
        let link = link.ok_or_else(Refused::invalid)?;
        let parent = self.known(link)?;
        let spec = IfaceSpec {
            name: name.cloned().unwrap_or_else(|| format!("{link}.{}", vlan.id)),
            port: parent.port,
            vlan: Some(vlan.id),
            mac: parent.mac,
            mtu: parent.mtu,
            conf: parent.conf,
        };
        let name = spec.name.clone();
        self.router.add_iface(spec).map_err(Refused::new)?;
        self.change_link(&name, change)
    }

    fn link_views(&self) -> Vec<LinkView> {
        let devices = (self.devices)();
        let ifaces = self.router.ifaces().iter();
        ifaces
            .map(|iface| {
                let at = usize::from(iface.index);
                let sum = |of: fn(&crate::graph::IfaceCounts) -> u64| {
                    self.tally().sum(|stats| stats.ifaces.get(at).map_or(0, of))
                };
                let device = devices.iter().find(|device| device.port == iface.port);
                let device = device.filter(|_| iface.vlan.is_none());
                let counted = device.map(|device| device.stats).unwrap_or_default();
                let mut stats = LinkStats::default();
                stats.rx.packets = sum(|counts| counts.rx_packets.get());
                stats.rx.bytes = sum(|counts| counts.rx_bytes.get());
                stats.rx.errors = counted.rx_errors;
                stats.rx.missed_errors = counted.rx_missed + counted.rx_no_buffer;
                stats.tx.packets = sum(|counts| counts.tx_packets.get());
                stats.tx.bytes = sum(|counts| counts.tx_bytes.get());
                stats.tx.errors = counted.tx_errors;
                stats.tx.dropped = sum(|counts| counts.tx_dropped.get());
                self.link_view(iface, stats)
            })
            .collect()
    }

    pub(super) fn link_view(&self, iface: &Iface, stats: LinkStats) -> LinkView {
        let is_vrf = iface.vrf_table.is_some();
        let mut flags =
            if is_vrf { iff::NOARP | iff::MASTER } else { iff::BROADCAST | iff::MULTICAST };
        if iface.up {
            flags |= iff::UP;
            flags |= if iface.carrier { iff::RUNNING | iff::LOWER_UP } else { 0 };
        }
        let operstate = match (iface.up, iface.carrier) {
            (true, true) => "UP",
            (true, false) if iface.vlan.is_some() => "LOWERLAYERDOWN",
            _ => "DOWN",
        };
        LinkView {
            ifindex: u32::from(iface.index),
            ifname: iface.name.clone(),
            link: iface.parent.map(|parent| self.name(parent)),
            flags,
            link_down: iface.up && !iface.carrier,
            mtu: if is_vrf { VRF_MTU } else { u32::from(iface.mtu) },
            qdisc: if iface.vlan.is_some() || is_vrf { "noqueue" } else { "mq" }.to_owned(),
            operstate: operstate.to_owned(),
            linkmode: "DEFAULT".to_owned(),
            group: iface.group,
            master: (iface.vrf != 0).then(|| self.name(iface.vrf)),
            txqlen: 1000,
            link_type: "ether".to_owned(),
            address: iface.mac.octets(),
            broadcast: [0xff; 6],
            ifalias: None,
            details: LinkDetails {
                min_mtu: if is_vrf { VRF_MIN_MTU } else { 68 },
                max_mtu: if is_vrf { VRF_MTU } else { u32::from(u16::MAX) },
                kind: match (iface.vlan, is_vrf) {
                    (Some(_), _) => Some("vlan".to_owned()),
                    (None, true) => Some("vrf".to_owned()),
                    (None, false) => None,
                },
                vrf_table: iface.vrf_table,
                vrf_slave: (iface.vrf != 0).then(|| self.router.table_of(iface.index)),
                vlan: iface.vlan.map(|vlan| (vlan, false)),
                ..LinkDetails::default()
            },
            stats,
            addrs: iface.addresses.iter().map(|own| address_view(iface, own)).collect(),
        }
    }

    // ---- addresses ----

    fn addr(&mut self, command: &AddrCommand, options: &Options) -> Done {
        match command {
            AddrCommand::Show(filter) => {
                self.check_dev(filter.dev.as_ref())?;
                self.check_master(filter.master.as_ref())?;
                Ok(show::show_addresses(&self.link_views(), filter, options))
            }
            AddrCommand::Add(spec) => self.add_address(spec, false),
            AddrCommand::Replace(spec) | AddrCommand::Change(spec) => self.add_address(spec, true),
            AddrCommand::Del { spec, wildcard } => self.delete_address(spec, *wildcard),
            AddrCommand::Flush(filter) => self.flush_addresses(filter),
        }
    }

    fn add_address(&mut self, spec: &AddrSpec, replace: bool) -> Done {
        self.known(&spec.dev)?;
        let plain = spec.peer.is_none_or(|peer| Some(peer) == spec.local)
            && !spec.noprefixroute
            && spec.metric.is_none()
            && spec.valid_lft.is_none()
            && spec.label.as_ref().is_none_or(|label| *label == spec.dev);
        if !plain {
            return Err(Refused::unsupported());
        }
        let local = spec.local.ok_or_else(Refused::invalid)?;
        let net = Ipv4Net::new(local, spec.prefixlen).map_err(|_| Refused::invalid())?;
        let broadcast = match spec.broadcast {
            Broadcast::None => None,
            Broadcast::Address(address) => Some(address),
        };
        match self.router.add_address(&spec.dev, net, broadcast) {
            Err(AddressError::Exists) if replace => Ok(String::new()),
            Err(error) => Err(Refused::new(error)),
            Ok(()) => Ok(String::new()),
        }
    }

    fn delete_address(&mut self, spec: &AddrSpec, wildcard: bool) -> Done {
        let iface = self.known(&spec.dev)?;
        let fits = |net: &Ipv4Net| {
            spec.local.is_none_or(|local| local == net.addr())
                && (wildcard || spec.prefixlen == net.prefix_len())
        };
        let found = iface.addresses.iter().map(|own| own.local).find(fits);
        let net = found.ok_or_else(|| Refused::new(AddressError::NotFound))?;
        self.router.delete_address(&spec.dev, net).map_err(Refused::new)?;
        Ok(String::new())
    }

    fn flush_addresses(&mut self, filter: &AddrFilter) -> Done {
        self.check_dev(filter.dev.as_ref())?;
        let fits = |net: &Ipv4Net| filter.to.is_none_or(|to| to.contains(&net.addr()));
        let mut found = Vec::new();
        for iface in self.router.ifaces() {
            if filter.dev.as_ref().is_none_or(|dev| *dev == iface.name) {
                let own = iface.addresses.iter().map(|own| own.local).filter(fits);
                found.extend(own.map(|net| (iface.name.clone(), net)));
            }
        }
        for (name, net) in found {
            self.router.delete_address(&name, net).map_err(Refused::new)?;
        }
        Ok(String::new())
    }

    // ---- routes ----

    fn route(&mut self, command: &RouteCommand, options: &Options) -> Done {
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
        let gone = self.router.flush_routes(|routes, prefix, info| {
            filter.accepts(&view(prefix, 0, info, routes, &ifaces))
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
        if routes.objects().is_blackhole(info.nhid) {
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
        let chosen = || own.and_then(|own| own.select_address(via.unwrap_or(get.dst)));
        let via = via.map(IpAddr::V4).or(found.gateway6.map(IpAddr::V6));
        let local = info.kind == RouteType::Local;
        let prefsrc = match get.from {
            Some(_) => None,
            None if local => Some(get.dst),
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
    fn redirects(&self, query: &Query, out: u16, gateway: Option<Ipv4Addr>) -> bool {
        if query.iif == 0 || query.iif != out {
            return false;
        }
        let Some(iif) = self.router.ifaces().iter().find(|own| own.index == query.iif) else {
            return false;
        };
        let back = self.router.explain(&self.way_back(query));
        let near = back.is_some_and(|back| back.iface == iif.index && back.gateway.is_none());
        let towards = gateway.unwrap_or(query.flow.dst.into());
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
            let flow = Flow { dst: dst.to_bits(), ..Flow::default() };
            let Some(found) = self.router.explain(&Query { flow, iif: 0, oif: 0 }) else {
                continue;
            };
            let own = self.router.ifaces().iter().find(|own| own.index == found.iface);
            let redirected = learned.gateway.is_some();
            let view = RouteGetView {
                via: found.gateway.map(IpAddr::V4),
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
    fn route_view(&self, prefix: Prefix, tos: u8, info: &RouteInfo) -> RouteView {
        let mut view = view(prefix, tos, info, self.router.routes(), self.router.ifaces());
        view.nh_info = self.nexthop_view(info.nhid);
        view
    }

    // ---- neighbours ----

    fn neigh(&mut self, command: &NeighCommand, options: &Options) -> Done {
        match command {
            NeighCommand::Add(spec) => self.set_neighbour(Verb::Add, spec),
            NeighCommand::Replace(spec) => self.set_neighbour(Verb::Replace, spec),
            NeighCommand::Change(spec) => self.set_neighbour(Verb::Change, spec),
            NeighCommand::Del(spec) => {
                self.known(&spec.dev)?;
                self.router.delete_neighbour(&spec.dev, spec.addr).map_err(Refused::new)?;
                Ok(String::new())
            }
            NeighCommand::Flush(filter) => self.flush_neighbours(filter),
            NeighCommand::Show(filter) => {
                self.check_filter(filter.dev.as_ref())?;
                Ok(show::show_neighbours(&self.neigh_views(), filter, options))
            }
            NeighCommand::Get { addr, dev, proxy } => {
                self.known(dev)?;
                let mut views = self.neigh_views();
                views.retain(|view| view.dst == IpAddr::V4(*addr) && view.dev == *dev && !proxy);
                if views.is_empty() {
                    return Err(Refused::new("RTNETLINK answers: No such file or directory"));
                }
                let filter = NeighFilter { nud: Some(NudState(0xff)), ..NeighFilter::default() };
                Ok(show::show_neighbours(&views, &filter, options))
            }
        }
    }

    fn set_neighbour(&mut self, verb: Verb, spec: &NeighSpec) -> Done {
        self.known(&spec.dev)?;
        if spec.proxy || spec.router || spec.use_now || spec.managed || spec.extern_learn {
            return Err(Refused::unsupported());
        }
        let state = match spec.nud {
            NudState::PERMANENT => State::Permanent,
            NudState::REACHABLE => State::Reachable,
            NudState::STALE => State::Stale,
            NudState::NOARP => State::Noarp,
            _ => return Err(Refused::invalid()),
        };
        let missing = || Refused::new("Error: No link layer address given.");
        let mac = MacAddr::new(spec.lladdr.ok_or_else(missing)?);
        self.router
            .set_neighbour(verb, &spec.dev, spec.addr, mac, state, self.now)
            .map_err(Refused::new)?;
        Ok(String::new())
    }

    fn flush_neighbours(&mut self, filter: &NeighFilter) -> Done {
        self.check_filter(filter.dev.as_ref())?;
        let lasting = NudState::PERMANENT.0 | NudState::NOARP.0;
        let going = |view: &NeighView| {
            filter.accepts(view) && (filter.nud.is_some() || view.state & lasting == 0)
        };
        let going: Vec<_> = self.neigh_views().into_iter().filter(going).collect();
        if going.is_empty() {
            return Ok("Nothing to flush.\n".to_owned());
        }
        for view in going {
            let iface = self.known(&view.dev)?.index;
            let dst = match view.dst {
                IpAddr::V4(dst) => Some(dst),
                IpAddr::V6(six) => self.router.neighbours().surrogates().known(iface, six),
            };
            if let Some(dst) = dst {
                self.router.delete_neighbour(&view.dev, dst).map_err(Refused::new)?;
            }
        }
        Ok(String::new())
    }

    fn neigh_views(&self) -> Vec<NeighView> {
        let mut entries: Vec<(&Key, _)> = self.router.neighbours().iter().collect();
        entries.sort_by_key(|(key, _)| **key);
        let views = entries.into_iter().map(|(key, entry)| {
            let seconds = (self.now.saturating_sub(entry.updated) / 1_000_000_000) as u32;
            NeighView {
                stats: NeighStats {
                    updated: seconds,
                    probes: entry.probes,
                    ..NeighStats::default()
                },
                ..self.neigh_view(*key, entry.mac, entry.state)
            }
        });
        views.collect()
    }

    pub(super) fn neigh_view(&self, key: Key, mac: Option<MacAddr>, state: State) -> NeighView {
        let nud = match state {
            State::Incomplete => NudState::INCOMPLETE,
            State::Reachable => NudState::REACHABLE,
            State::Stale => NudState::STALE,
            State::Probe => NudState::PROBE,
            State::Failed => NudState::FAILED,
            State::Permanent => NudState::PERMANENT,
            State::Noarp => NudState::NOARP,
        };
        NeighView {
            dst: self.router.neighbours().address(key),
            dev: self.name(key.iface),
            lladdr: mac.filter(|_| state.is_valid()).map(MacAddr::octets),
            state: nud.0,
            router: false,
            proxy: false,
            managed: false,
            extern_learn: false,
            protocol: 0,
            stats: NeighStats::default(),
        }
    }
}

/// What is said of a table that has never had a route.
fn no_table(what: &str) -> Refused {
    Refused::new(format!("Error: ipv4: FIB table does not exist.\n{what} terminated"))
}

/// The way to a destination of which nothing else is known.
fn way_to(dst: Ipv4Addr) -> RouteGetView {
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
fn on_link(get: &RouteGet, own: &Iface) -> RouteGetView {
    let broadcast = get.dst.is_broadcast();
    RouteGetView {
        from: get.from,
        kind: if broadcast { RouteType::Broadcast } else { RouteType::Unicast },
        tos: get.tos,
        dev: Some(own.name.clone()),
        prefsrc: get.from.map_or_else(|| own.select_address(get.dst), |_| None),
        mark: get.mark,
        uid: Some(get.uid.unwrap_or(0)),
        cache: if broadcast { vec!["local".into(), "brd".into()] } else { Vec::new() },
        ..way_to(get.dst)
    }
}

/// An address as `ip addr show` wants it.
pub(super) fn address_view(iface: &Iface, own: &IfaceAddr) -> AddrView {
    AddrView {
        local: own.local.addr(),
        peer: None,
        prefixlen: own.local.prefix_len(),
        metric: None,
        broadcast: own.broadcast,
        scope: scope::UNIVERSE,
        secondary: own.secondary,
        deprecated: false,
        noprefixroute: false,
        label: iface.name.clone(),
        valid_lft: None,
        preferred_lft: None,
    }
}

/// A route as `ip route show` wants it.
fn view(
    prefix: Prefix,
    tos: u8,
    info: &RouteInfo,
    routes: &RouteControl,
    ifaces: &[Iface],
) -> RouteView {
    let blackhole = routes.objects().is_blackhole(info.nhid);
    view_with(prefix, tos, info, &routes.nexthops(info), blackhole, ifaces)
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
            via6: hop.gateway6,
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
        dst: Ipv4Net::new(Ipv4Addr::from_bits(prefix.bits), prefix.len).unwrap_or_default(),
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
