//! Which of several routers on its links a host uses.
//!
//! - takes: routes that routers told of, and what is known of them as neighbours
//! - gives: the order of those routes, the one in force first; and now and then a question for a router
//!   that does not answer
//! - obeys: RFC 4191 sections 3.2 and 3.5, RFC 4861 section 6.3.6; `rt6_score_route`, `rt6_probe`; row
//!   [8.176]

use std::{
    cmp::Reverse,
    net::{IpAddr, Ipv6Addr},
};

use ipnet::Ipv6Net;

use super::Router;
use crate::{
    graph::Nanos,
    ndisc::{Route, RouteKind},
    neighbour::control::{Key, State},
    route::control::Verb,
};

/// A route through a router, by interface, prefix and router.
type Way = (u16, Ipv6Net, Ipv6Addr);

/// The order of routes through routers.
#[derive(Default)]
pub(super) struct Ways {
    /// As they were first told of.
    told: Vec<Way>,
    /// As they stand among the routes.
    standing: Vec<Way>,
    /// When routers that do not answer are asked again.
    pub(super) ask_at: Option<Nanos>,
}

/// The way of a route that a router told of.
fn way(index: u16, route: &Route) -> Option<Way> {
    let told = matches!(route.kind, RouteKind::Default | RouteKind::Information);
    Some((index, route.network, route.gateway.filter(|_| told)?))
}

impl Router {
    /// A route was put behind all others.
    pub(super) fn note_way(&mut self, index: u16, route: &Route) {
        let Some(way) = way(index, route) else { return };
        let ways = &mut self.hosts.ways;
        ways.standing.retain(|known| *known != way);
        ways.standing.push(way);
        if !ways.told.contains(&way) {
            ways.told.push(way);
        }
        self.rank_routers(Some(way.1));
    }

    /// A route is no more.
    pub(super) fn forget_way(&mut self, index: u16, route: &Route) {
        let Some(way) = way(index, route) else { return };
        let ways = &mut self.hosts.ways;
        ways.told.retain(|known| *known != way);
        ways.standing.retain(|known| *known != way);
    }

    /// Something is known of a neighbour, which may be a router.
    pub(super) fn heed_router(&mut self, key: Key) {
        let leads = |way: &Way| (way.0, IpAddr::from(way.2)) == (key.iface, key.address);
        if self.hosts.ways.told.iter().any(leads) {
            self.rank_routers(None);
        }
    }

    /// Whether it matters to the router who answers: where it forwards it does not.
    fn is_host(&self) -> bool {
        self.ifaces.iter().any(|iface| iface.vrf_table.is_none() && !iface.conf6.transit)
    }

    /// True for a router that was asked and did not answer.
    fn is_silent(&self, way: &Way) -> bool {
        let key = Key { iface: way.0, address: way.2.into() };
        self.neighbours.get(key).is_some_and(|entry| entry.state == State::Failed)
    }

    fn route_of(&self, way: &Way) -> Option<Route> {
        let routes = &self.hosts.of.get(&way.0)?.routes;
        routes.iter().find(|route| self::way(way.0, route).as_ref() == Some(way)).copied()
    }

    /// Puts routes in order: those whose router answers before others, then by the routers' rank, then
    /// as they were told of.
    fn rank_routers(&mut self, network: Option<Ipv6Net>) {
        let mut networks: Vec<Ipv6Net> = match network {
            Some(network) => vec![network],
            None => self.hosts.ways.told.iter().map(|way| way.1).collect(),
        };
        networks.sort_unstable();
        networks.dedup();
        let host = self.is_host();
        for network in networks {
            let ways = self.hosts.ways.told.iter().filter(|way| way.1 == network);
            let mut wanted: Vec<(Way, Route)> =
                ways.filter_map(|way| Some((*way, self.route_of(way)?))).collect();
            if wanted.len() < 2 {
                continue;
            }
            if host {
                let next = self.now + self.probe_interval(wanted[0].0.0);
                self.hosts.ways.ask_at.get_or_insert(next);
            }
            wanted.sort_by_key(|(way, route)| {
                (route.metric, host && self.is_silent(way), Reverse(route.preference))
            });
            self.reorder(&wanted);
        }
    }

    /// Puts those behind all others that do not stand in order.
    fn reorder(&mut self, wanted: &[(Way, Route)]) {
        let mut ready = 0;
        for way in &self.hosts.ways.standing {
            if wanted.get(ready).is_some_and(|(next, _)| next == way) {
                ready += 1;
            }
        }
        // Nobody is told: nothing comes and nothing goes.
        let journal = self.routes6.journal.take();
        for (way, route) in &wanted[ready..] {
            if let Some(spec) = self.spec_of(self.now, way.0, route) {
                let _ = self.kernel_route(Verb::Delete, spec.clone());
                let _ = self.kernel_route(Verb::Append, spec);
            }
            let standing = &mut self.hosts.ways.standing;
            standing.retain(|known| known != way);
            standing.push(*way);
        }
        self.routes6.journal = journal;
    }

    /// `router_probe_interval` of an interface.
    fn probe_interval(&self, index: u16) -> Nanos {
        let own = self.hosts.of.get(&index);
        own.map_or(60_000_000_000, |own| own.host.conf().router_probe_interval)
    }

    /// Asks for routers that do not answer, and looks whether they do, once in a while.
    pub(super) fn poll_routers(&mut self, now: Nanos) {
        if self.hosts.ways.ask_at.is_none_or(|at| at > now) {
            return;
        }
        self.hosts.ways.ask_at = None;
        let silent = self.hosts.ways.told.iter().filter(|way| self.is_silent(way));
        for (index, _, router) in silent.copied().collect::<Vec<_>>() {
            self.solicit_six(index, router, None);
        }
        self.rank_routers(None);
    }
}
