//! Interfaces of the management core: which there are, and what comes of their coming and going.
//!
//! - obeys: ledger 5.62 (routes of a link that goes), 5.64, 7.87, 7.88, 7.99; `fib_sync_down_dev`,
//!   `fib_sync_up`, `neigh_changeaddr`

use super::{
    AddressError, IfaceSpec, LinkError, Router, events::What, families::Kept, links::View,
};
use crate::{
    neighbour::control::Family,
    packet::MacAddr,
    port::table::{Iface, IfaceConf, IfaceConf6, LOOPBACK, NO_PORT},
    route::{
        control::{RouteControl, Verb, World},
        rib::{Prefix, RouteInfo},
        spec::RouteType,
    },
};

/// Least MTU of a link of IPv6.
const MIN_MTU6: u16 = crate::packet::ipv6::MIN_MTU;

impl Router {
    /// Adds an interface, down and without addresses. Gives its index.
    ///
    /// # Errors
    /// When the name or the VLAN is taken, or no index is left.
    pub fn add_iface(&mut self, spec: IfaceSpec) -> Result<u16, LinkError> {
        let taken = |iface: &Iface| {
            iface.name == spec.name || (iface.port == spec.port && iface.vlan == spec.vlan)
        };
        if self.ifaces.iter().any(taken) {
            return Err(LinkError::Exists);
        }
        if spec.vlan.is_some_and(|vlan| vlan == 0 || vlan > 4094) || spec.mtu < 68 {
            return Err(LinkError::Invalid);
        }
        let parent = match spec.vlan {
            Some(_) => {
                let on = |iface: &&Iface| iface.port == spec.port && iface.vlan.is_none();
                Some(self.ifaces.iter().find(on).ok_or(LinkError::Invalid)?.index)
            }
            None => None,
        };
        let index = self.free_index()?;
        self.ifaces.push(Iface {
            index,
            name: spec.name,
            port: spec.port,
            vlan: spec.vlan,
            parent,
            mac: spec.mac,
            mtu: spec.mtu,
            up: false,
            carrier: true,
            noarp: false,
            conf: spec.conf,
            vrf: 0,
            group: 0,
            vrf_table: None,
            addresses: Vec::new(),
            addresses6: Vec::new(),
            conf6: spec.conf6,
            groups6: Vec::new(),
            groups4: Vec::new(),
            filters: Vec::new(),
            link6: 0,
        });
        self.ifaces.sort_by_key(|iface| iface.index);
        self.neighbours.add_device(index, None);
        self.links_changed();
        self.tell_link(index);
        Ok(index)
    }

    /// Where an interface stands; the loopback is made when it is first named.
    pub(super) fn find_or_loopback(&mut self, name: &str) -> Result<usize, AddressError> {
        if let Some(place) = self.find(name) {
            return Ok(place);
        }
        let missing = || AddressError::NoDevice(name.to_owned());
        if name != LOOPBACK {
            return Err(missing());
        }
        let index = self.free_index().map_err(|_| missing())?;
        self.ifaces.push(Iface {
            index,
            name: name.to_owned(),
            port: NO_PORT,
            vlan: None,
            parent: None,
            mac: MacAddr::new([0; 6]),
            mtu: u16::MAX,
            up: false,
            carrier: true,
            noarp: false,
            conf: IfaceConf::default(),
            vrf: 0,
            group: 0,
            vrf_table: None,
            addresses: Vec::new(),
            addresses6: Vec::new(),
            conf6: IfaceConf6::default(),
            groups6: Vec::new(),
            groups4: Vec::new(),
            filters: Vec::new(),
            link6: 0,
        });
        self.ifaces.sort_by_key(|iface| iface.index);
        self.neighbours.add_device(index, None);
        // It is there: it was just made.
        let _ = self.set_up(name, true);
        self.find(name).ok_or_else(missing)
    }

    /// Removes a VLAN sub-interface or a VRF with everything on it.
    ///
    /// # Errors
    /// When there is none of this name, or it is a port.
    pub fn delete_iface(&mut self, name: &str) -> Result<(), LinkError> {
        let place = self.find(name).ok_or_else(|| LinkError::NoDevice(name.into()))?;
        if self.ifaces[place].vlan.is_none() && self.ifaces[place].vrf_table.is_none() {
            return Err(LinkError::Invalid);
        }
        self.release_slaves(self.ifaces[place].index);
        self.set_up(name, false)?;
        let addresses: Vec<_> = self.ifaces[place].addresses.iter().map(|own| own.local).collect();
        for address in addresses {
            let _ = self.delete_address(name, address);
        }
        let index = self.ifaces[place].index;
        self.delete_nexthops_by(index);
        self.flush_where(|_, _, info| info.nexthops.iter().any(|hop| hop.iface == index));
        self.flush_of::<u128>(|_, _, info| info.nexthops.iter().any(|hop| hop.iface == index));
        self.neighbours.remove_device(index);
        self.act(self.now);
        let gone = self.ifaces.remove(place);
        self.links_changed();
        self.tell(true, |_| Some(What::Link(gone)));
        Ok(())
    }

    /// Switches an interface on or off. Off takes its routes and neighbours away, on brings those
    /// back that come from its addresses [5.62].
    ///
    /// # Errors
    /// When there is no such interface.
    pub fn set_up(&mut self, name: &str, up: bool) -> Result<(), LinkError> {
        let place = self.find(name).ok_or_else(|| LinkError::NoDevice(name.into()))?;
        if self.ifaces[place].up == up {
            return Ok(());
        }
        let index = self.ifaces[place].index;
        let on_it = self.ifaces.iter().filter(|own| own.parent == Some(index));
        let vlans: Vec<String> = on_it.map(|own| own.name.clone()).collect();
        if !up {
            // VLANs follow their port (`vlan_device_event`).
            for vlan in &vlans {
                self.set_up(vlan, false)?;
            }
        }
        self.ifaces[place].up = up;
        self.links_changed();
        self.tell_link(index);
        if up {
            let addresses = self.ifaces[place].addresses.clone();
            for own in addresses {
                // Room for an interface's own few routes is taken for granted here; where there is
                // none, the link is up without them and `refused` has counted it.
                let _ = self.subnet_routes(index, &own, Verb::Append);
            }
            self.start_six(index);
            self.follow_link(index);
            if self.ifaces[place].conf.arp.notify {
                self.announce(index);
            }
        } else {
            self.follow_link(index);
            let down: Vec<u16> =
                self.ifaces.iter().filter(|own| !own.up).map(|own| own.index).collect();
            // A route goes when the last of its next hops does; until then it goes by the others.
            let by = |info: &RouteInfo| {
                info.nexthops.iter().any(|hop| hop.iface == index)
                    && info.nexthops.iter().all(|hop| down.contains(&hop.iface))
            };
            self.flush_where(|_, _, info| info.kind != RouteType::Local && by(info));
            self.stop_six(index);
            self.flush_of::<u128>(|_, _, info| by(info));
            self.delete_nexthops_by(index);
            self.neighbours.handle_link_down(index);
            self.follow_proxies(index);
            self.act(self.now);
        }
        if up {
            for vlan in &vlans {
                self.set_up(vlan, true)?;
            }
        }
        Ok(())
    }

    /// Routes and groups by an interface that came or went, or whose link did.
    pub(super) fn follow_link(&mut self, index: u16) {
        self.refresh_hops(index);
        let Self { routes, routes6, objects, hops, ifaces, neighbours, now, .. } = self;
        let links = &View { ifaces, neighbours };
        hops.heal(index, links);
        objects.heal(index, links, hops);
        let mut world = World { links, hops, objects, now: *now };
        routes.handle_link_change(index, &mut world);
        routes6.handle_link_change(index, &mut world);
        self.dirty = true;
        self.note_hop_changes();
    }

    /// Takes routes away with what hangs on them.
    pub(super) fn flush_where(
        &mut self,
        gone: impl Fn(&RouteControl, Prefix, &RouteInfo) -> bool,
    ) -> usize {
        self.flush_of::<u32>(gone)
    }

    /// The same for a family.
    pub(super) fn flush_of<B: Kept>(
        &mut self,
        gone: impl Fn(&RouteControl<B>, Prefix<B>, &RouteInfo) -> bool,
    ) -> usize {
        let count =
            B::parts(self).with(|routes, world| routes.flush_with(world.hops, world.objects, gone));
        if count > 0 {
            self.policy_changed();
        }
        self.note_hop_changes();
        count
    }

    /// The device said whether there is a link.
    pub fn set_carrier(&mut self, port: u16, carrier: bool) {
        let mut changed = Vec::new();
        for iface in self.ifaces.iter_mut().filter(|iface| iface.port == port) {
            if std::mem::replace(&mut iface.carrier, carrier) != carrier {
                changed.push(iface.index);
            }
        }
        for index in changed {
            if !carrier {
                self.delete_nexthops_by(index);
            }
            self.follow_link(index);
            if !carrier {
                self.evict(index);
            }
            self.links_changed();
            self.tell_link(index);
        }
    }

    /// Without a link nobody answers: neighbours are forgotten, but for those set by hand.
    fn evict(&mut self, index: u16) {
        let own = self.ifaces.iter().find(|iface| iface.index == index);
        if own.is_some_and(|iface| iface.conf.arp.evict_nocarrier) {
            self.neighbours.handle_carrier_loss(index, Family::Arp);
        }
        self.neighbours.handle_carrier_loss(index, Family::Ndisc);
        self.act(self.now);
    }

    /// Gives an interface another link-layer address, and the VLANs on it that have had the same. What
    /// was known of neighbours is forgotten; they are told where `arp_notify` and `ndisc_notify` say so.
    ///
    /// # Errors
    /// When there is no such interface, or the address is that of a group or of nobody.
    pub fn set_mac(&mut self, name: &str, mac: MacAddr) -> Result<(), LinkError> {
        let place = self.find(name).ok_or_else(|| LinkError::NoDevice(name.into()))?;
        if !mac.is_unicast() {
            return Err(LinkError::BadMac);
        }
        let index = self.ifaces[place].index;
        let before = std::mem::replace(&mut self.ifaces[place].mac, mac);
        self.links_changed();
        if self.ifaces[place].noarp {
            self.neighbours.add_device(index, Some(mac));
        }
        self.forget_neighbours(index);
        self.refresh_hops(index);
        self.refresh_host(index);
        self.tell_link(index);
        if self.ifaces[place].up {
            if self.ifaces[place].conf.arp.notify {
                self.announce(index);
            }
            self.announce_six(index);
        }
        let follows = |own: &&Iface| own.parent == Some(index) && own.mac == before;
        let vlans: Vec<String> =
            self.ifaces.iter().filter(follows).map(|own| own.name.clone()).collect();
        for vlan in &vlans {
            self.set_mac(vlan, mac)?;
        }
        Ok(())
    }

    /// Asks for neighbours on an interface and answers them, or no longer (`IFF_NOARP`).
    ///
    /// # Errors
    /// When there is no such interface.
    pub fn set_arp(&mut self, name: &str, on: bool) -> Result<(), LinkError> {
        let place = self.find(name).ok_or_else(|| LinkError::NoDevice(name.into()))?;
        if self.ifaces[place].noarp != on {
            return Ok(());
        }
        let (index, mac) = (self.ifaces[place].index, self.ifaces[place].mac);
        self.ifaces[place].noarp = !on;
        self.links_changed();
        self.neighbours.add_device(index, (!on).then_some(mac));
        self.forget_neighbours(index);
        self.refresh_host(index);
        self.tell_link(index);
        Ok(())
    }

    /// Forgets all neighbours of an interface, those set by hand among them.
    fn forget_neighbours(&mut self, index: u16) {
        for family in Family::ALL {
            self.neighbours.flush_device(index, family, false);
        }
        self.act(self.now);
    }

    /// Sets the MTU.
    ///
    /// # Errors
    /// When there is no such interface, or the MTU is out of range.
    pub fn set_mtu(&mut self, name: &str, mtu: u16) -> Result<(), LinkError> {
        let place = self.find(name).ok_or_else(|| LinkError::NoDevice(name.into()))?;
        if mtu < 68 {
            return Err(LinkError::SmallMtu);
        }
        let before = std::mem::replace(&mut self.ifaces[place].mtu, mtu);
        let (index, up) = (self.ifaces[place].index, self.ifaces[place].up);
        self.refresh_hops(index);
        match (before >= MIN_MTU6, mtu >= MIN_MTU6) {
            // What is too small for IPv6 has none (`addrconf_notify`).
            (true, false) if up => {
                self.stop_six(index);
                self.with_igmp(index, |igmp, now| igmp.handle_up(now));
            }
            (false, true) if up => self.start_six(index),
            _ => self.refresh_host(index),
        }
        self.links_changed();
        self.tell_link(index);
        Ok(())
    }

    /// Sets the tunables of an interface.
    ///
    /// # Errors
    /// When there is no such interface.
    pub fn set_conf(&mut self, name: &str, conf: IfaceConf) -> Result<(), LinkError> {
        let place = self.find(name).ok_or_else(|| LinkError::NoDevice(name.into()))?;
        if self.ifaces[place].conf != conf {
            self.ifaces[place].conf = conf;
            self.links_changed();
        }
        Ok(())
    }

    /// Moves an interface that is down, and the routes of its addresses, to another VRF.
    pub(super) fn move_addresses(&mut self, name: &str, vrf: u16) {
        let Some(place) = self.find(name) else { return };
        let (index, addresses) = (self.ifaces[place].index, self.ifaces[place].addresses.clone());
        for own in &addresses {
            let _ = self.local_route(index, own.local, Verb::Delete);
        }
        self.ifaces[place].vrf = vrf;
        for own in &addresses {
            // Room for the few routes of an interface is taken for granted, as in `set_up`.
            let _ = self.local_route(index, own.local, Verb::Append);
        }
    }

    pub(super) fn refresh_hops(&mut self, iface: u16) {
        let view = View { ifaces: &self.ifaces, neighbours: &self.neighbours };
        for hop in self.hops.by_iface(iface) {
            self.hops.refresh(hop, &view);
        }
    }
}
