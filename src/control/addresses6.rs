//! IPv6 addresses of interfaces, with the routes that come of them.
//!
//! - obeys: RFC 4291, RFC 4862; `addrconf_add_dev`, `__ipv6_ifa_notify`: a host route in the local
//!   table, the prefix route with metric 256, and the subnet-router anycast address of a router

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;

use super::{AddressError, Router};
use crate::{
    packet::ndisc,
    port::table::{AddrFlags, IfaceAddr6},
    route::{
        control::{RouteError, Verb},
        hops::HopSpec,
        spec::{NextHopSpec, RouteSpec, RouteType, proto, scope, table},
        table::Attrs,
    },
};

/// Metric of routes that come of addresses (`IP6_RT_PRIO_ADDRCONF`).
const PRIO_ADDRCONF: u32 = 256;

impl Router {
    /// Gives an interface an IPv6 address, with the routes that come of it.
    ///
    /// # Errors
    /// When the interface is not there or has the address, or the routes do not fit.
    pub fn add_address6(&mut self, name: &str, own: IfaceAddr6) -> Result<(), AddressError> {
        let place = self.find(name).ok_or_else(|| AddressError::NoDevice(name.into()))?;
        let iface = &mut self.ifaces[place];
        let same = |other: &IfaceAddr6| other.local.addr() == own.local.addr();
        if iface.addresses6.iter().any(same) {
            return Err(AddressError::Exists6);
        }
        iface.addresses6.push(own.clone());
        // The widest scope first, and the youngest of one scope before the others
        // (`ipv6_link_dev_addr`).
        iface.addresses6.sort_by_key(|own| own.local.addr().is_unicast_link_local());
        let (index, up) = (iface.index, iface.up);
        self.links_changed();
        if up {
            self.routes_of_address6(index, &own, Verb::Append)?;
        }
        self.choose_groups6(index);
        Ok(())
    }

    /// Takes an IPv6 address from an interface, with its routes.
    ///
    /// # Errors
    /// When the interface is not there or does not have the address.
    pub fn delete_address6(&mut self, name: &str, local: Ipv6Net) -> Result<(), AddressError> {
        let place = self.find(name).ok_or_else(|| AddressError::NoDevice(name.into()))?;
        let addresses = &mut self.ifaces[place].addresses6;
        let at =
            addresses.iter().position(|own| own.local == local).ok_or(AddressError::NotFound6)?;
        let own = addresses.remove(at);
        let index = self.ifaces[place].index;
        let _ = self.routes_of_address6(index, &own, Verb::Delete);
        self.links_changed();
        self.choose_groups6(index);
        Ok(())
    }

    /// IPv6 begins on an interface that has come up: its link-local address, the routes of all its
    /// addresses, and the route for groups.
    pub(super) fn start_six(&mut self, index: u16) {
        let Some(place) = self.ifaces.iter().position(|iface| iface.index == index) else { return };
        let iface = &self.ifaces[place];
        if iface.conf6.disable_ipv6 || iface.vrf_table.is_some() {
            return;
        }
        let own = ndisc::link_local(iface.mac);
        let any = iface.addresses6.iter().any(|own| own.local.addr().is_unicast_link_local());
        let name = iface.name.clone();
        if !any {
            let local = Ipv6Net::new_assert(own, 64);
            self.ifaces[place]
                .addresses6
                .push(IfaceAddr6 { proto: 3, ..IfaceAddr6::permanent(local) });
        }
        self.ifaces[place].link6 = self.link_hop6(index);
        let groups = Ipv6Net::new_assert(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8);
        let route = self.owned6(&name, index, groups, RouteType::Multicast);
        let _ = self.kernel_route(Verb::Append, route);
        for own in self.ifaces[place].addresses6.clone() {
            // Room for an interface's own few routes is taken for granted here.
            let _ = self.routes_of_address6(index, &own, Verb::Append);
        }
        self.choose_groups6(index);
    }

    /// IPv6 ends on an interface that goes down: its link-local address goes with its routes.
    pub(super) fn stop_six(&mut self, index: u16) {
        let Some(place) = self.ifaces.iter().position(|iface| iface.index == index) else { return };
        let name = self.ifaces[place].name.clone();
        for own in self.ifaces[place].addresses6.clone() {
            let _ = self.routes_of_address6(index, &own, Verb::Delete);
        }
        let groups = Ipv6Net::new_assert(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8);
        let route = self.owned6(&name, index, groups, RouteType::Multicast);
        let _ = self.kernel_route(Verb::Delete, route);
        let hop = std::mem::take(&mut self.ifaces[place].link6);
        if hop != 0 {
            self.hops.release(hop);
        }
        self.ifaces[place].addresses6.retain(|own| !own.local.addr().is_unicast_link_local());
        self.choose_groups6(index);
    }

    /// The hop of destinations on an interface's link; 0 where there is no room.
    fn link_hop6(&mut self, iface: u16) -> u32 {
        let links = super::links::View { ifaces: &self.ifaces, neighbours: &self.neighbours };
        let spec = HopSpec::Via {
            iface,
            six: true,
            gateway: None,
            mtu: None,
            prefsrc: None,
            attrs: Attrs::default(),
        };
        self.hops.acquire(spec, &links).unwrap_or(0)
    }

    fn owned6(&self, name: &str, index: u16, dst: Ipv6Net, kind: RouteType) -> RouteSpec {
        let (own_table, metric) = match kind {
            RouteType::Local | RouteType::Anycast => (table::LOCAL, 0),
            RouteType::Multicast => (table::LOCAL, PRIO_ADDRCONF),
            _ => (table::MAIN, PRIO_ADDRCONF),
        };
        let hop = NextHopSpec { via: None, dev: Some(name.to_owned()), weight: 1, onlink: false };
        RouteSpec {
            kind,
            table: self.vrf_table_of(index).unwrap_or(own_table),
            metric,
            proto: proto::KERNEL,
            scope: Some(scope::UNIVERSE),
            ..RouteSpec::through(dst, hop)
        }
    }

    /// The routes of an address: local, connected, and anycast.
    fn routes_of_address6(
        &mut self,
        index: u16,
        own: &IfaceAddr6,
        verb: Verb,
    ) -> Result<(), RouteError> {
        let Some(iface) = self.ifaces.iter().find(|iface| iface.index == index) else {
            return Ok(());
        };
        let (name, forwarding) = (iface.name.clone(), iface.conf6.forwarding);
        let (local, net) = (own.local, own.local.trunc());
        let host = Ipv6Net::from(local.addr());
        self.kernel_route(verb, self.owned6(&name, index, host, RouteType::Local))?;
        // Another address may want the same prefix route.
        let shared = verb == Verb::Delete
            && self.ifaces.iter().any(|iface| {
                let others = iface.addresses6.iter().filter(|other| other.local != own.local);
                iface.index == index && others.into_iter().any(|other| other.local.trunc() == net)
            });
        if shared {
            return Ok(());
        }
        if !own.flags.any(AddrFlags::NOPREFIXROUTE) && local.prefix_len() < 128 {
            let mut route = self.owned6(&name, index, net, RouteType::Unicast);
            if own.metric != 0 {
                route.metric = own.metric;
            }
            self.kernel_route(verb, route)?;
        }
        if forwarding && local.prefix_len() < 127 {
            let anycast = Ipv6Net::from(net.network());
            self.kernel_route(verb, self.owned6(&name, index, anycast, RouteType::Anycast))?;
        }
        Ok(())
    }

    /// The groups that an interface listens to: all nodes, all routers, and those of its addresses
    /// (RFC 4291 section 2.8).
    pub(super) fn choose_groups6(&mut self, index: u16) {
        let Some(iface) = self.ifaces.iter_mut().find(|iface| iface.index == index) else {
            return;
        };
        let group = |scope: u16, last: u16| Ipv6Addr::new(0xff00 | scope, 0, 0, 0, 0, 0, 0, last);
        let mut groups = vec![group(1, 1), group(2, 1)];
        if iface.conf6.forwarding {
            groups.extend([group(1, 2), group(2, 2), group(5, 2)]);
        }
        for own in &iface.addresses6 {
            groups.push(ndisc::solicited_node(own.local.addr()));
            if iface.conf6.forwarding && own.local.prefix_len() < 127 {
                groups.push(ndisc::solicited_node(own.local.network()));
            }
        }
        groups.sort_unstable();
        groups.dedup();
        if iface.groups6 != groups {
            iface.groups6 = groups;
            self.links_changed();
        }
    }
}
