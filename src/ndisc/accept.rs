//! A router's advertisement: default routes, routes behind it, prefixes, and what holds on the link.
//!
//! - obeys: RFC 4861 section 6.3.4, RFC 4191 section 3.1, in the kernel's order; rows [8.74] to [8.82]

use ipnet::Ipv6Net;

use super::{
    FOREVER, SECOND,
    decide::router_advertisement,
    interface::{Action, Interface, Parameter, Route, RouteKind},
};
use crate::{
    graph::Nanos,
    packet::ndisc::{Refused, RouteInfo, RouterAdvertisement},
};

const MILLISECOND: Nanos = 1_000_000;
/// Times beyond this are no times.
const LONGEST: u32 = 1 << 31;
/// Least MTU of a link.
const MIN_MTU: u32 = 1280;
const EVERYWHERE: Ipv6Net = Ipv6Net::new_assert(std::net::Ipv6Addr::UNSPECIFIED, 0);

impl Interface {
    /// A router tells of itself and of the link.
    pub fn handle_advertisement(
        &mut self,
        now: Nanos,
        heard: &RouterAdvertisement,
    ) -> Result<(), Refused> {
        let hears = self.up && self.conf.hears_routers();
        if hears {
            self.solicit.heard = true;
            (self.said.managed, self.said.other) = (heard.managed, heard.other);
            self.handle_default(now, heard);
            self.handle_times(heard);
        }
        let mac = heard.items.source()?;
        self.actions.push(Action::Neighbour(router_advertisement(heard.src, mac)));
        if !hears {
            return Ok(());
        }
        if self.conf.accept_ra_rtr_pref && !self.is_own(heard) {
            for route in heard.items.routes() {
                self.handle_route(now, heard, route);
            }
        }
        if self.conf.accept_ra_pinfo {
            for info in heard.items.prefixes() {
                self.handle_prefix(now, info, mac.is_some());
            }
        }
        if let Some(mtu) = heard.items.mtu().filter(|_| self.conf.accept_ra_mtu) {
            self.handle_mtu(heard, mtu);
        }
        Ok(())
    }

    /// It is our own, and we do not hear ourselves.
    fn is_own(&self, heard: &RouterAdvertisement) -> bool {
        !self.conf.accept_ra_from_local && self.position(heard.src).is_some()
    }

    fn handle_default(&mut self, now: Nanos, heard: &RouterAdvertisement) {
        let lifetime = u32::from(heard.lifetime);
        let short = lifetime != 0 && lifetime < self.conf.accept_ra_min_lft;
        if !self.conf.accept_ra_defrtr || short || self.is_own(heard) {
            return;
        }
        // The value that none may send counts as the usual rank.
        let preference = heard.preference.filter(|_| self.conf.accept_ra_rtr_pref);
        let gateway = Some(heard.src);
        let known = self.find_route(RouteKind::Default, EVERYWHERE, gateway);
        if known.is_some_and(|known| lifetime == 0 || known.metric != self.conf.ra_defrtr_metric) {
            self.delete_route(RouteKind::Default, EVERYWHERE, gateway);
        }
        let least = self.conf.accept_ra_min_hop_limit;
        let limits = heard.hop_limit != 0 && least <= u16::from(heard.hop_limit);
        if limits && self.said.hop_limit != heard.hop_limit {
            self.said.hop_limit = heard.hop_limit;
            self.actions.push(Action::Learned(Parameter::HopLimit(heard.hop_limit)));
        }
        if lifetime > 0 {
            self.put_route(Route {
                kind: RouteKind::Default,
                network: EVERYWHERE,
                gateway,
                metric: self.conf.ra_defrtr_metric,
                preference: preference.unwrap_or_default(),
                expires: Some(now + Nanos::from(lifetime) * SECOND),
                hop_limit: match limits {
                    true => Some(heard.hop_limit),
                    false => known.and_then(|known| known.hop_limit),
                },
                mtu: known.and_then(|known| known.mtu),
            });
        }
    }

    fn handle_times(&mut self, heard: &RouterAdvertisement) {
        let time = |milliseconds: u32, least: Nanos| {
            let counts = milliseconds > 0 && milliseconds < LONGEST;
            counts.then(|| (Nanos::from(milliseconds) * MILLISECOND).max(least))
        };
        if let Some(retrans) = time(heard.retrans_timer, 10 * MILLISECOND) {
            self.conf.retrans_time = retrans;
            if std::mem::replace(&mut self.said.retrans, retrans) != retrans {
                self.actions.push(Action::Learned(Parameter::RetransTime(retrans)));
            }
        }
        if let Some(reachable) = time(heard.reachable_time, 100 * MILLISECOND)
            && std::mem::replace(&mut self.said.reachable, reachable) != reachable
        {
            self.actions.push(Action::Learned(Parameter::ReachableTime(reachable)));
        }
    }

    fn handle_route(&mut self, now: Nanos, heard: &RouterAdvertisement, told: &RouteInfo) {
        let RouteInfo { prefix, len, preference, lifetime } = *told;
        let conf = &self.conf;
        if len == 0 && !conf.accept_ra_defrtr
            || lifetime != 0 && lifetime < conf.accept_ra_min_lft
            || len < conf.accept_ra_rt_info_min_plen
            || len > conf.accept_ra_rt_info_max_plen
        {
            return;
        }
        let network = Ipv6Net::new_assert(prefix, len);
        let gateway = Some(heard.src);
        let kind = match len {
            0 if self.find_route(RouteKind::Default, network, gateway).is_some() => {
                RouteKind::Default
            }
            _ => RouteKind::Information,
        };
        if lifetime == 0 {
            return self.delete_route(kind, network, gateway);
        }
        let expires = (lifetime != FOREVER).then(|| now + Nanos::from(lifetime) * SECOND);
        match self.find_route(kind, network, gateway) {
            Some(known) => self.put_route(Route { preference, expires, ..known }),
            None => self.set_route(kind, network, gateway, 1024, expires, preference),
        }
    }

    fn handle_mtu(&mut self, heard: &RouterAdvertisement, mtu: u32) {
        if !(MIN_MTU..=self.mtu).contains(&mtu) || self.said.mtu == Some(mtu) {
            return;
        }
        self.said.mtu = Some(mtu);
        self.actions.push(Action::Learned(Parameter::Mtu(mtu)));
        if let Some(known) = self.find_route(RouteKind::Default, EVERYWHERE, Some(heard.src)) {
            self.put_route(Route { mtu: Some(mtu), ..known });
        }
    }
}
