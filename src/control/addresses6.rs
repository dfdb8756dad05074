//! IPv6 addresses of interfaces, and IPv6 on an interface that comes or goes.
//!
//! - obeys: RFC 4291, RFC 4862; `addrconf_notify`, `inet6_addr_add`, `inet6_addr_del`; what becomes of an
//!   address is in `ndisc`

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;

use super::{AddressError, Router};
use crate::{
    graph::Nanos,
    ndisc::{self, FOREVER, Flags, NewAddress},
    port::table::{AddrFlags, IfaceAddr6, LOOPBACK},
    route::{
        control::Verb,
        hops::HopSpec,
        spec::{NextHopSpec, RouteSpec, RouteType, proto, table},
        table::Attrs,
    },
};

/// Metric of routes that come of addresses (`IP6_RT_PRIO_ADDRCONF`).
pub(super) const PRIO_ADDRCONF: u32 = 256;
const SECOND: Nanos = 1_000_000_000;
/// Least MTU of a link of IPv6.
const MIN_MTU: u16 = crate::packet::ipv6::MIN_MTU;

fn groups() -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8)
}

/// An address as stated, for the machine that keeps it.
fn stated(own: &IfaceAddr6, now: Nanos) -> NewAddress {
    let left = |until: Option<Nanos>| match until {
        None => FOREVER,
        Some(at) => u32::try_from(at.saturating_sub(now) / SECOND).unwrap_or(FOREVER),
    };
    let is = |flag: AddrFlags| own.flags.any(flag);
    NewAddress {
        address: own.local.addr(),
        len: own.local.prefix_len(),
        flags: Flags {
            nodad: is(AddrFlags::NODAD),
            home: is(AddrFlags::HOMEADDRESS),
            mngtmpaddr: is(AddrFlags::MANAGETEMPADDR),
            noprefixroute: is(AddrFlags::NOPREFIXROUTE),
            ..Flags::default()
        },
        valid: left(own.valid_until),
        preferred: left(own.preferred_until),
        metric: own.metric,
    }
}

impl From<ndisc::AddressError> for AddressError {
    fn from(error: ndisc::AddressError) -> Self {
        match error {
            ndisc::AddressError::Exists => Self::Exists6,
            ndisc::AddressError::NotFound => Self::NotFound6,
            other => Self::Refused6(other),
        }
    }
}

impl Router {
    /// Gives an interface an IPv6 address; it is usable when nobody else turns out to have it.
    ///
    /// # Errors
    /// When the interface is not there or has the address, or it cannot be.
    pub fn add_address6(&mut self, name: &str, own: IfaceAddr6) -> Result<(), AddressError> {
        if let Some(place) = self.find(name)
            && self.ifaces[place].link6 != 0
        {
            let index = self.ifaces[place].index;
            self.with_mld(index, |mld, now| mld.rejoin(now));
        }
        self.state_address6(name, own, |host, now, new| host.add(now, new))
    }

    /// Sets lifetimes and flags of an address anew (`ip addr change`).
    ///
    /// # Errors
    /// When the interface is not there or does not have the address, or it cannot be.
    pub fn change_address6(&mut self, name: &str, own: IfaceAddr6) -> Result<(), AddressError> {
        self.state_address6(name, own, |host, now, new| host.change(now, new))
    }

    fn state_address6(
        &mut self,
        name: &str,
        own: IfaceAddr6,
        state: impl FnOnce(&mut ndisc::Interface, Nanos, NewAddress) -> Result<(), ndisc::AddressError>,
    ) -> Result<(), AddressError> {
        let place = self.find_or_loopback(name)?;
        let (index, now) = (self.ifaces[place].index, self.now);
        let machines = self.own(index).ok_or_else(|| AddressError::NoDevice(name.into()))?;
        state(&mut machines.host, now, stated(&own, now))?;
        self.note_address6(index, &own);
        self.apply_host(now, index);
        Ok(())
    }

    /// Takes an IPv6 address from an interface, with its routes.
    ///
    /// # Errors
    /// When the interface is not there or does not have the address.
    pub fn delete_address6(&mut self, name: &str, local: Ipv6Net) -> Result<(), AddressError> {
        let place = self.find(name).ok_or_else(|| AddressError::NoDevice(name.into()))?;
        let iface = &self.ifaces[place];
        if iface.addresses6.iter().all(|own| own.local != local) {
            return Err(AddressError::NotFound6);
        }
        let (index, now) = (iface.index, self.now);
        if let Some(machines) = self.own(index) {
            machines.host.remove(now, local.addr())?;
        }
        self.apply_host(now, index);
        Ok(())
    }

    /// The loopback address is the router's own from the start (`init_loopback`).
    pub(super) fn begin_loopback(&mut self) {
        let dev = Some(LOOPBACK.to_owned());
        let hop = NextHopSpec { via: None, dev, weight: 1, onlink: false };
        let own = RouteSpec {
            kind: RouteType::Local,
            table: table::LOCAL,
            proto: proto::KERNEL,
            ..RouteSpec::through(Ipv6Net::from(Ipv6Addr::LOCALHOST), hop)
        };
        // There is room for the first one.
        let _ = self.kernel_route(Verb::Append, own);
    }

    /// IPv6 begins on an interface that has come up: its link-local address, the routes of all its
    /// addresses, and the route for groups.
    pub(super) fn start_six(&mut self, index: u16) {
        let Some(place) = self.ifaces.iter().position(|iface| iface.index == index) else { return };
        let iface = &self.ifaces[place];
        let small = iface.mtu < MIN_MTU && iface.has_port();
        let (has_port, disabled) = (iface.has_port(), iface.conf6.disable_ipv6 || small);
        let now = self.now;
        self.refresh_host(index);
        if has_port && !disabled && self.ifaces[place].link6 == 0 {
            self.ifaces[place].link6 = self.link_hop6(index);
            if let Some(route) = self.owned6(index, groups(), RouteType::Multicast) {
                let _ = self.kernel_route(Verb::Append, route);
            }
        }
        if let Some(machines) = self.own(index) {
            if !disabled {
                machines.host.handle_up(now);
            }
            if has_port {
                machines.igmp.handle_up(now);
                if !disabled {
                    machines.mld.handle_up(now);
                }
            }
        }
        self.apply_host(now, index);
    }

    /// IPv6 ends on an interface that goes down: its addresses go with their routes, as in Linux.
    pub(super) fn stop_six(&mut self, index: u16) {
        let Some(place) = self.ifaces.iter().position(|iface| iface.index == index) else { return };
        let now = self.now;
        if let Some(machines) = self.own(index) {
            machines.host.handle_down(now);
            machines.mld.handle_down();
            machines.igmp.handle_down();
        }
        self.apply_host(now, index);
        let hop = std::mem::take(&mut self.ifaces[place].link6);
        if hop != 0 {
            if let Some(route) = self.owned6(index, groups(), RouteType::Multicast) {
                let _ = self.kernel_route(Verb::Delete, route);
            }
            self.hops.release(hop);
        }
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
}
