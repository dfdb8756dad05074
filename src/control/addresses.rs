//! Addresses of interfaces, with the routes that come of them.
//!
//! - obeys: ledger 5.23 (`fib_add_ifaddr`), 5.62

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::{AddressError, Router, events::What};
use crate::{
    port::table::IfaceAddr,
    route::{
        control::{RouteError, Verb},
        spec::{NextHopSpec, Pref, RouteSpec, RouteType, proto, scope, table},
    },
};

impl Router {
    /// Gives an interface an address, with the routes that come of it.
    ///
    /// # Errors
    /// When the interface is not there or has the address, or the routes do not fit.
    pub fn add_address(
        &mut self,
        name: &str,
        local: Ipv4Net,
        broadcast: Option<Ipv4Addr>,
    ) -> Result<(), AddressError> {
        let place = self.find_or_loopback(name)?;
        let iface = &mut self.ifaces[place];
        if iface.addresses.iter().any(|own| own.local == local) {
            return Err(AddressError::Exists);
        }
        let same_subnet = |own: &IfaceAddr| {
            own.local.prefix_len() == local.prefix_len() && own.local.contains(&local.addr())
        };
        let secondary = iface.addresses.iter().any(same_subnet);
        let own = IfaceAddr { local, broadcast, secondary };
        iface.addresses.push(own.clone());
        let (index, up) = (iface.index, iface.up);
        self.links_changed();
        self.tell_address(false, index, &own);
        self.local_route(index, local, Verb::Append)?;
        if up {
            self.subnet_routes(index, &own, Verb::Append)?;
        }
        Ok(())
    }

    /// Takes an address from an interface, with its routes and those that prefer it as source.
    ///
    /// # Errors
    /// When the interface is not there or does not have the address.
    pub fn delete_address(&mut self, name: &str, local: Ipv4Net) -> Result<(), AddressError> {
        let place = self.find(name).ok_or_else(|| AddressError::NoDevice(name.into()))?;
        let addresses = &mut self.ifaces[place].addresses;
        let at =
            addresses.iter().position(|own| own.local == local).ok_or(AddressError::NotFound)?;
        let own = addresses.remove(at);
        let index = self.ifaces[place].index;
        self.tell_address(true, index, &own);
        let _ = self.subnet_routes(index, &own, Verb::Delete);
        let vrf = self.ifaces[place].own_vrf();
        let same = self.ifaces.iter().filter(|iface| iface.own_vrf() == vrf);
        let still = same.flat_map(|iface| &iface.addresses);
        if still.into_iter().all(|other| other.local.addr() != local.addr()) {
            let _ = self.local_route(index, local, Verb::Delete);
            let table = self.vrf_table_of(index).unwrap_or(table::MAIN);
            self.flush_where(|_, _, info| {
                info.prefsrc == Some(local.addr().into()) && info.table == table
            });
        }
        self.links_changed();
        // `promote_secondaries` is 0, as by default on Linux: the others of its subnet go with it.
        let heir = self.ifaces[place].addresses.iter().find(|other| {
            other.secondary
                && !own.secondary
                && other.local.prefix_len() == local.prefix_len()
                && other.local.contains(&local.addr())
        });
        if let Some(heir) = heir.map(|heir| heir.local) {
            self.delete_address(name, heir)?;
        }
        // An interface without an address routes nothing (`fib_disable_ip`).
        if self.ifaces[place].addresses.is_empty() {
            self.flush_where(|_, _, info| info.nexthops.iter().any(|hop| hop.iface == index));
        }
        Ok(())
    }

    fn tell_address(&mut self, deleted: bool, index: u16, own: &IfaceAddr) {
        self.tell(deleted, |router| {
            let iface = router.ifaces.iter().find(|iface| iface.index == index)?;
            Some(What::Address(iface.clone(), own.clone()))
        });
    }

    pub(super) fn kernel_route(&mut self, verb: Verb, spec: RouteSpec) -> Result<(), RouteError> {
        match self.route(verb, &spec) {
            // Two interfaces may bring the same route: once is enough.
            Err(RouteError::Exists | RouteError::NoProcess) => Ok(()),
            other => other,
        }
    }

    pub(super) fn owned(
        &self,
        index: u16,
        dst: Ipv4Net,
        kind: RouteType,
        prefsrc: Ipv4Addr,
    ) -> RouteSpec {
        let dev = self.ifaces.iter().find(|iface| iface.index == index);
        let (table, scope) = match kind {
            RouteType::Local => (table::LOCAL, scope::HOST),
            RouteType::Broadcast => (table::LOCAL, scope::LINK),
            _ => (table::MAIN, scope::LINK),
        };
        // In a VRF all of them stand in its table (`fib_magic`).
        let table = self.vrf_table_of(index).unwrap_or(table);
        RouteSpec {
            dst: dst.into(),
            src: None,
            kind,
            tos: 0,
            table,
            metric: 0,
            proto: proto::KERNEL,
            scope: Some(scope),
            prefsrc: Some(prefsrc.into()),
            mtu: None,
            mtu_locked: false,
            metrics: Vec::new(),
            nexthops: vec![NextHopSpec {
                via: None,
                dev: dev.map(|iface| iface.name.clone()),
                weight: 1,
                onlink: false,
            }],
            nhid: None,
            pref: Pref::Medium,
            expires: None,
        }
    }

    pub(super) fn local_route(
        &mut self,
        index: u16,
        local: Ipv4Net,
        verb: Verb,
    ) -> Result<(), RouteError> {
        let address = local.addr();
        let mut spec = self.owned(index, Ipv4Net::from(address), RouteType::Local, address);
        // To others a secondary address looks like the first one of its subnet (`fib_add_ifaddr`).
        spec.prefsrc = match verb {
            Verb::Delete => None,
            _ => Some(self.primary_of(index, local).into()),
        };
        // A local address answers whether its interface is up or not.
        let place = self.ifaces.iter().position(|iface| iface.index == index);
        let up = place.map(|place| std::mem::replace(&mut self.ifaces[place].up, true));
        let done = self.kernel_route(verb, spec);
        if let (Some(place), Some(up)) = (place, up) {
            self.ifaces[place].up = up;
        }
        done
    }

    /// The first address of an interface in the subnet of another one.
    fn primary_of(&self, index: u16, local: Ipv4Net) -> Ipv4Addr {
        let own = self.ifaces.iter().filter(|iface| iface.index == index);
        let first = own
            .flat_map(|iface| &iface.addresses)
            .map(|own| own.local)
            .find(|own| own.prefix_len() == local.prefix_len() && own.contains(&local.addr()));
        first.map_or(local.addr(), |first| first.addr())
    }

    /// The routes of a subnet: connected, and broadcast [5.23].
    pub(super) fn subnet_routes(
        &mut self,
        index: u16,
        own: &IfaceAddr,
        verb: Verb,
    ) -> Result<(), RouteError> {
        let (net, address) = (own.local.trunc(), own.local.addr());
        if let Some(broadcast) = own.broadcast {
            let host = Ipv4Net::from(broadcast);
            self.kernel_route(verb, self.owned(index, host, RouteType::Broadcast, address))?;
        }
        if own.secondary || net.prefix_len() == 32 {
            return Ok(());
        }
        let itself = self.ifaces.iter().any(|iface| iface.index == index && iface.is_loopback());
        let kind = if itself { RouteType::Local } else { RouteType::Unicast };
        self.kernel_route(verb, self.owned(index, net, kind, address))?;
        if net.prefix_len() < 31 {
            let last = Ipv4Net::from(net.broadcast());
            self.kernel_route(verb, self.owned(index, last, RouteType::Broadcast, address))?;
        }
        Ok(())
    }
}
