//! Routes that a link gives the router: to its own addresses, and those that other routers tell of.
//!
//! - takes: what the machines of `ndisc` have made of addresses and advertisements
//! - gives: routes of the kernel's own kinds (`RTPROT_KERNEL`, `RTPROT_RA`)

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;

use super::{Router, hosts::SECOND};
use crate::{
    graph::Nanos,
    ndisc::{Route, RouteKind},
    packet::ndisc::Preference,
    route::{
        control::Verb,
        spec::{NextHopSpec, Pref, RouteSpec, RouteType, proto, scope, table},
    },
};

impl Router {
    /// A route to an address of the router's own.
    pub(super) fn host_route(
        &mut self,
        index: u16,
        address: Ipv6Addr,
        kind: RouteType,
        there: bool,
    ) {
        let verb = if there { Verb::Append } else { Verb::Delete };
        let Some(spec) = self.owned6(index, Ipv6Net::from(address), kind) else { return };
        // Room for an interface's own few routes is taken for granted here.
        let _ = self.kernel_route(verb, spec);
    }

    /// A route to the other end of the link, where an address says who that is.
    pub(super) fn peer_route(&mut self, index: u16, address: Ipv6Addr, there: bool) {
        let noted = self.hosts.of.get(&index).and_then(|own| own.notes.get(&address));
        if let Some((Some(peer), _)) = noted.copied() {
            self.host_route(index, peer, RouteType::Unicast, there);
        }
    }

    pub(super) fn set_host_route(&mut self, now: Nanos, index: u16, route: Route) {
        // That a route ends at another time nobody is told.
        let same = |known: &Route| Route { expires: route.expires, ..*known } == route;
        let routes = self.hosts.of.get(&index).map(|own| &own.routes);
        let silent = routes.is_some_and(|routes| routes.iter().any(same));
        let journal = if silent { self.routes6.journal.take() } else { None };
        self.delete_host_route(index, &route);
        let spec = self.spec_of(now, index, &route);
        if let Some(own) = self.hosts.of.get_mut(&index) {
            own.routes.push(route);
        }
        if let Some(spec) = spec {
            let _ = self.kernel_route(Verb::Append, spec);
        }
        if silent {
            self.routes6.journal = journal;
        }
        self.note_way(index, &route);
    }

    pub(super) fn delete_host_route(&mut self, index: u16, route: &Route) {
        let Some(own) = self.hosts.of.get_mut(&index) else { return };
        let same = |known: &Route| {
            (known.kind, known.network, known.gateway) == (route.kind, route.network, route.gateway)
        };
        let Some(place) = own.routes.iter().position(same) else { return };
        let known = own.routes.remove(place);
        // What an address and a router both say stands once.
        let twin = |other: &Route| {
            (other.network, other.gateway, other.metric)
                == (known.network, known.gateway, known.metric)
        };
        if own.routes.iter().any(twin) {
            return;
        }
        if let Some(spec) = self.spec_of(0, index, &known) {
            let _ = self.kernel_route(Verb::Delete, spec);
        }
    }

    pub(super) fn spec_of(&self, now: Nanos, index: u16, route: &Route) -> Option<RouteSpec> {
        let mut spec = self.owned6(index, route.network, RouteType::Unicast)?;
        spec.metric = route.metric;
        if matches!(route.kind, RouteKind::Default | RouteKind::Information) {
            spec.proto = proto::RA;
        }
        spec.nexthops[0].via = route.gateway.map(Into::into);
        spec.pref = match route.preference {
            Preference::Low => Pref::Low,
            Preference::Medium => Pref::Medium,
            Preference::High => Pref::High,
        };
        spec.mtu = route.mtu;
        spec.metrics.extend(route.hop_limit.map(|limit| ("hoplimit", u32::from(limit))));
        let left = |at: Nanos| u32::try_from(at.saturating_sub(now) / SECOND).unwrap_or(u32::MAX);
        spec.expires = route.expires.map(left);
        Some(spec)
    }

    /// A route that comes of an interface.
    pub(super) fn owned6(&self, index: u16, dst: Ipv6Net, kind: RouteType) -> Option<RouteSpec> {
        let name = &self.ifaces.iter().find(|iface| iface.index == index)?.name;
        let (own_table, metric) = match kind {
            RouteType::Local | RouteType::Anycast => (table::LOCAL, 0),
            RouteType::Multicast => (table::LOCAL, super::addresses6::PRIO_ADDRCONF),
            _ => (table::MAIN, super::addresses6::PRIO_ADDRCONF),
        };
        let hop = NextHopSpec { via: None, dev: Some(name.clone()), weight: 1, onlink: false };
        Some(RouteSpec {
            kind,
            table: self.vrf_table_of(index).unwrap_or(own_table),
            metric,
            proto: proto::KERNEL,
            scope: Some(scope::UNIVERSE),
            ..RouteSpec::through(dst, hop)
        })
    }
}
