//! The router's state on the management core, and every change of it.

use std::{
    collections::HashMap,
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use ipnet::Ipv4Net;
use thiserror::Error;

use super::links::View;
use crate::{
    dpdk::{
        mbuf::{Flags, Packet},
        mempool::Pool,
    },
    graph::{MAX_IFACES, Nanos, Reason, trace::Session},
    icmp::table::{Cause, Limits as IcmpLimits},
    neighbour::{
        arp::{Facts, Learn, consider},
        control::{Action, Key, Neighbours, Rules, State},
        nodes::{PuntKind, Punted},
        table::NeighbourTable,
    },
    packet::{
        MacAddr,
        arp::{ArpSpec, ArpView},
    },
    port::table::{Iface, IfaceAddr, IfaceConf, Ifaces, LocalAddresses},
    publish::{Epochs, Publisher, Reader},
    route::{
        control::{RouteControl, RouteError, Verb},
        hops::{Change, HopSpec, Hops},
        spec::{NextHopSpec, RouteSpec, RouteType, proto, scope, table},
    },
    tables::{Tables, Tunables},
    worker::{Entry, Injected},
};

/// Bounds of the tables.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Routes.
    pub routes: usize,
    /// Forwarding entries.
    pub nexthops: u32,
    /// Neighbours.
    pub neighbours: usize,
    /// Groups of routes longer than /24.
    pub fib_groups: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { routes: 4_000_000, nexthops: 1 << 18, neighbours: 65_536, fib_groups: 1 << 17 }
    }
}

/// An interface to be.
#[derive(Clone, Debug)]
pub struct IfaceSpec {
    /// Name.
    pub name: String,
    /// DPDK port.
    pub port: u16,
    /// VLAN id, for a sub-interface.
    pub vlan: Option<u16>,
    /// Link-layer address.
    pub mac: MacAddr,
    /// MTU.
    pub mtu: u16,
    /// Its tunables.
    pub conf: IfaceConf,
}

/// A change of a link that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LinkError {
    /// No such interface.
    #[error("Cannot find device \"{0}\"")]
    NoDevice(String),
    /// The name or VLAN is taken.
    #[error("RTNETLINK answers: File exists")]
    Exists,
    /// Out of range.
    #[error("RTNETLINK answers: Invalid argument")]
    Invalid,
    /// Less than IPv4 needs (RFC 791).
    #[error("Error: mtu less than device minimum.")]
    SmallMtu,
    /// No more interfaces.
    #[error("all {MAX_IFACES} interfaces are in use")]
    Full,
}

/// A change of an address that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AddressError {
    /// No such interface.
    #[error("Cannot find device \"{0}\"")]
    NoDevice(String),
    /// The interface has it already.
    #[error("Error: ipv4: Address already assigned.")]
    Exists,
    /// The interface does not have it.
    #[error("Error: ipv4: Address not found.")]
    NotFound,
    /// Its routes could not be made.
    #[error(transparent)]
    Route(#[from] RouteError),
}

/// A change of a neighbour that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NeighbourError {
    /// No such interface.
    #[error("Cannot find device \"{0}\"")]
    NoDevice(String),
    /// There is one already.
    #[error("RTNETLINK answers: File exists")]
    Exists,
    /// There is none.
    #[error("RTNETLINK answers: No such file or directory")]
    NotFound,
    /// The table is full.
    #[error("all {0} neighbours are in use; raise `limits.neighbours`")]
    Full(usize),
}

/// The management core's state.
pub struct Router {
    limits: Limits,
    ifaces: Vec<Iface>,
    any_mac: bool,
    stand_in: bool,
    routes: RouteControl,
    hops: Hops,
    /// Hops to a gateway, by the neighbour that they need.
    gateways: HashMap<Key, Vec<u32>>,
    neighbours: Neighbours<Packet>,
    /// Hops to neighbours on links, for the table that workers ask.
    on_link: HashMap<Key, u32>,
    neighbour_table: Arc<NeighbourTable>,
    neighbour_slots: usize,
    tunables: Tunables,
    features: Vec<&'static str>,
    trace: Option<Arc<Session>>,
    icmp_limits: Arc<IcmpLimits>,
    publisher: Publisher<Tables>,
    epochs: Arc<Epochs>,
    dirty: bool,
    links_dirty: bool,
    wiring: u64,
    generation: u64,
    pool: Pool,
    injected: Vec<Injected>,
    /// Packets that the management core ended, by reason.
    dropped: HashMap<Reason, u64>,
    /// Packets that the management core made.
    pub made: u64,
    /// Times that an address was asked for.
    pub solicits: AtomicU64,
}

impl Router {
    /// A router without interfaces. `epochs` has a cell for each worker. With `any_mac` every
    /// unicast frame counts as addressed to the router; with `stand_in` a neighbour that nobody has
    /// set is given an address of its own instead of being asked for.
    pub fn new(
        limits: &Limits,
        epochs: Arc<Epochs>,
        pool: Pool,
        any_mac: bool,
        stand_in: bool,
        seed: u64,
    ) -> Self {
        let routes = RouteControl::new(limits.routes, limits.fib_groups);
        let hops = Hops::new(limits.nexthops);
        let rules = Rules { limit: limits.neighbours, ..Rules::default() };
        let neighbour_table = Arc::new(NeighbourTable::new(64));
        let icmp_limits = Arc::new(IcmpLimits::default());
        let ifaces = Arc::new(Ifaces::default());
        let tunables = Tunables { hash_seed: seed as u32, ..Tunables::default() };
        let tables = Tables {
            locals: Arc::new(LocalAddresses::new(&ifaces)),
            ifaces,
            fib: Arc::clone(routes.fib().table()),
            hops: Arc::clone(hops.table()),
            neighbours: Arc::clone(&neighbour_table),
            limits: Arc::clone(&icmp_limits),
            tunables: tunables.clone(),
            wiring: 0,
            features: Vec::new(),
            trace: None,
            generation: 1,
        };
        Self {
            limits: *limits,
            ifaces: Vec::new(),
            any_mac,
            stand_in,
            routes,
            hops,
            gateways: HashMap::new(),
            neighbours: Neighbours::new(rules, seed),
            on_link: HashMap::new(),
            neighbour_table,
            neighbour_slots: 0,
            tunables,
            features: Vec::new(),
            trace: None,
            icmp_limits,
            publisher: Publisher::new(tables),
            epochs,
            dirty: false,
            links_dirty: false,
            wiring: 0,
            generation: 1,
            pool,
            injected: Vec::new(),
            dropped: HashMap::new(),
            made: 0,
            solicits: AtomicU64::new(0),
        }
    }

    /// A reader of the tables, for one worker.
    pub fn reader(&self) -> Reader<Tables> {
        self.publisher.reader()
    }

    /// Interfaces, in the order of their indices.
    pub fn ifaces(&self) -> &[Iface] {
        &self.ifaces
    }

    /// The interface of a name.
    pub fn iface(&self, name: &str) -> Option<&Iface> {
        self.ifaces.iter().find(|iface| iface.name == name)
    }

    /// Routes.
    pub fn routes(&self) -> &RouteControl {
        &self.routes
    }

    /// Hops.
    pub fn hops(&self) -> &Hops {
        &self.hops
    }

    /// Neighbours.
    pub fn neighbours(&self) -> &Neighbours<Packet> {
        &self.neighbours
    }

    /// Packets that the management core ended, by reason.
    pub fn dropped(&self) -> &HashMap<Reason, u64> {
        &self.dropped
    }

    /// Tunables.
    pub fn tunables(&self) -> &Tunables {
        &self.tunables
    }

    /// Changes tunables.
    pub fn set_tunables(&mut self, change: impl FnOnce(&mut Tunables, &mut Rules)) {
        let mut rules = *self.neighbours.rules();
        change(&mut self.tunables, &mut rules);
        self.neighbours.set_rules(rules);
        self.dirty = true;
    }

    /// Bounds of the tables.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The trace under way.
    pub fn trace(&self) -> Option<&Arc<Session>> {
        self.trace.as_ref()
    }

    /// Follows packets for `session`, or none.
    pub fn set_trace(&mut self, session: Option<Arc<Session>>) {
        self.trace = session;
        self.wiring += 1;
        self.dirty = true;
    }

    fn links_changed(&mut self) {
        self.dirty = true;
        self.links_dirty = true;
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.ifaces.iter().position(|iface| iface.name == name)
    }

    // ---- links ----

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
        let index = (1..MAX_IFACES as u16)
            .find(|index| self.ifaces.iter().all(|iface| iface.index != *index))
            .ok_or(LinkError::Full)?;
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
            conf: spec.conf,
            addresses: Vec::new(),
        });
        self.ifaces.sort_by_key(|iface| iface.index);
        self.links_changed();
        Ok(index)
    }

    /// Removes a VLAN sub-interface with everything on it.
    ///
    /// # Errors
    /// When there is none of this name, or it is a port.
    pub fn delete_iface(&mut self, name: &str) -> Result<(), LinkError> {
        let place = self.find(name).ok_or_else(|| LinkError::NoDevice(name.into()))?;
        if self.ifaces[place].vlan.is_none() {
            return Err(LinkError::Invalid);
        }
        self.set_up(name, false)?;
        let addresses: Vec<_> = self.ifaces[place].addresses.iter().map(|own| own.local).collect();
        for address in addresses {
            let _ = self.delete_address(name, address);
        }
        let index = self.ifaces[place].index;
        self.neighbours.handle_link_down(index, false);
        self.act(0);
        self.ifaces.remove(place);
        self.links_changed();
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
        self.ifaces[place].up = up;
        self.links_changed();
        if up {
            let addresses = self.ifaces[place].addresses.clone();
            for own in addresses {
                // Room for an interface's own few routes is taken for granted here; where there is
                // none, the link is up without them and `refused` has counted it.
                let _ = self.subnet_routes(index, &own, Verb::Append);
            }
        } else {
            let Self { routes, hops, .. } = self;
            routes.flush(hops, |_, info| {
                info.kind != RouteType::Local && info.nexthops.iter().any(|hop| hop.iface == index)
            });
            self.neighbours.handle_link_down(index, false);
            self.act(0);
        }
        Ok(())
    }

    /// The device said whether there is a link.
    pub fn set_carrier(&mut self, port: u16, carrier: bool) {
        for iface in self.ifaces.iter_mut().filter(|iface| iface.port == port) {
            if iface.carrier != carrier {
                iface.carrier = carrier;
                self.dirty = true;
                self.links_dirty = true;
            }
        }
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
        self.ifaces[place].mtu = mtu;
        self.refresh_hops(self.ifaces[place].index);
        self.links_changed();
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

    fn refresh_hops(&mut self, iface: u16) {
        let view = View { ifaces: &self.ifaces, neighbours: &self.neighbours };
        for hop in self.hops.by_iface(iface) {
            self.hops.refresh(hop, &view);
        }
    }

    // ---- addresses ----

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
        let place = self.find(name).ok_or_else(|| AddressError::NoDevice(name.into()))?;
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
        self.local_route(index, local.addr(), Verb::Append)?;
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
        let _ = self.subnet_routes(index, &own, Verb::Delete);
        let still = self.ifaces.iter().flat_map(|iface| &iface.addresses);
        if still.into_iter().all(|other| other.local.addr() != local.addr()) {
            let _ = self.local_route(index, local.addr(), Verb::Delete);
            let Self { routes, hops, .. } = self;
            routes.flush(hops, |_, info| info.prefsrc == Some(local.addr()));
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
            let Self { routes, hops, .. } = self;
            routes.flush(hops, |_, info| info.nexthops.iter().any(|hop| hop.iface == index));
            self.note_hop_changes();
        }
        Ok(())
    }

    fn kernel_route(&mut self, verb: Verb, spec: RouteSpec) -> Result<(), RouteError> {
        match self.route(verb, &spec) {
            // Two interfaces may bring the same route: once is enough.
            Err(RouteError::Exists | RouteError::NoProcess) => Ok(()),
            other => other,
        }
    }

    fn owned(&self, index: u16, dst: Ipv4Net, kind: RouteType, prefsrc: Ipv4Addr) -> RouteSpec {
        let dev = self.ifaces.iter().find(|iface| iface.index == index);
        let (table, scope) = match kind {
            RouteType::Local => (table::LOCAL, scope::HOST),
            RouteType::Broadcast => (table::LOCAL, scope::LINK),
            _ => (table::MAIN, scope::LINK),
        };
        RouteSpec {
            dst,
            kind,
            tos: 0,
            table,
            metric: 0,
            proto: proto::KERNEL,
            scope: Some(scope),
            prefsrc: Some(prefsrc),
            mtu: None,
            mtu_locked: false,
            metrics: Vec::new(),
            nexthops: vec![NextHopSpec {
                via: None,
                dev: dev.map(|iface| iface.name.clone()),
                weight: 1,
                onlink: false,
            }],
        }
    }

    fn local_route(&mut self, index: u16, address: Ipv4Addr, verb: Verb) -> Result<(), RouteError> {
        let spec = self.owned(index, Ipv4Net::from(address), RouteType::Local, address);
        // A local address answers whether its interface is up or not.
        let place = self.ifaces.iter().position(|iface| iface.index == index);
        let up = place.map(|place| std::mem::replace(&mut self.ifaces[place].up, true));
        let done = self.kernel_route(verb, spec);
        if let (Some(place), Some(up)) = (place, up) {
            self.ifaces[place].up = up;
        }
        done
    }

    /// The routes of a subnet: connected, and broadcast [5.23].
    fn subnet_routes(&mut self, index: u16, own: &IfaceAddr, verb: Verb) -> Result<(), RouteError> {
        let (net, address) = (own.local.trunc(), own.local.addr());
        if let Some(broadcast) = own.broadcast {
            let host = Ipv4Net::from(broadcast);
            self.kernel_route(verb, self.owned(index, host, RouteType::Broadcast, address))?;
        }
        if own.secondary || net.prefix_len() == 32 {
            return Ok(());
        }
        self.kernel_route(verb, self.owned(index, net, RouteType::Unicast, address))?;
        if net.prefix_len() < 31 {
            let last = Ipv4Net::from(net.broadcast());
            self.kernel_route(verb, self.owned(index, last, RouteType::Broadcast, address))?;
        }
        Ok(())
    }

    // ---- routes ----

    /// Changes a route.
    ///
    /// # Errors
    /// When the route cannot be as stated, is there, or is not.
    pub fn route(&mut self, verb: Verb, spec: &RouteSpec) -> Result<(), RouteError> {
        let Self { routes, hops, ifaces, neighbours, .. } = self;
        let view = View { ifaces, neighbours };
        routes.apply(verb, spec, &view, hops)?;
        self.dirty = true;
        self.note_hop_changes();
        Ok(())
    }

    /// Takes away all routes for which `gone` says so; gives their number.
    pub fn flush_routes(
        &mut self,
        gone: impl Fn(crate::route::rib::Prefix, &crate::route::rib::RouteInfo) -> bool,
    ) -> usize {
        let Self { routes, hops, .. } = self;
        let count = routes.flush(hops, gone);
        self.dirty = true;
        self.note_hop_changes();
        count
    }

    fn note_hop_changes(&mut self) {
        for change in self.hops.take_changes() {
            match change {
                Change::Added(hop, HopSpec::Via { iface, gateway: Some(address), .. }) => {
                    let key = Key { iface, address };
                    self.gateways.entry(key).or_default().push(hop);
                    if self.stand_in && self.neighbours.get(key).is_none() {
                        self.neighbours.set(0, key, stand_in_mac(address), State::Noarp);
                    }
                }
                Change::Removed(hop, HopSpec::Via { iface, gateway: Some(address), .. }) => {
                    let key = Key { iface, address };
                    if let Some(hops) = self.gateways.get_mut(&key) {
                        hops.retain(|other| *other != hop);
                        if hops.is_empty() {
                            self.gateways.remove(&key);
                        }
                    }
                }
                _ => {}
            }
        }
        self.act(0);
    }

    // ---- neighbours ----

    /// Sets a neighbour by hand.
    ///
    /// # Errors
    /// When the interface is not there, the verb does not fit, or the table is full.
    pub fn set_neighbour(
        &mut self,
        verb: Verb,
        dev: &str,
        address: Ipv4Addr,
        mac: MacAddr,
        state: State,
        now: Nanos,
    ) -> Result<(), NeighbourError> {
        let iface = self.iface(dev).ok_or_else(|| NeighbourError::NoDevice(dev.into()))?.index;
        let key = Key { iface, address };
        match (verb, self.neighbours.get(key).is_some()) {
            (Verb::Add, true) => return Err(NeighbourError::Exists),
            (Verb::Change, false) => return Err(NeighbourError::NotFound),
            _ => {}
        }
        if !self.neighbours.set(now, key, mac, state) {
            return Err(NeighbourError::Full(self.neighbours.rules().limit));
        }
        self.act(now);
        Ok(())
    }

    /// Forgets a neighbour.
    ///
    /// # Errors
    /// When the interface or the neighbour is not there.
    pub fn delete_neighbour(&mut self, dev: &str, address: Ipv4Addr) -> Result<(), NeighbourError> {
        let iface = self.iface(dev).ok_or_else(|| NeighbourError::NoDevice(dev.into()))?.index;
        if !self.neighbours.remove(Key { iface, address }) {
            return Err(NeighbourError::NotFound);
        }
        self.act(0);
        Ok(())
    }

    /// Ends a packet that the management core holds.
    pub fn discard(&mut self, packet: Packet, reason: Reason) {
        self.drop_packet(packet, reason);
    }

    fn drop_packet(&mut self, packet: Packet, reason: Reason) {
        drop(packet);
        *self.dropped.entry(reason).or_default() += 1;
    }

    /// Does what the neighbour table wants done.
    fn act(&mut self, _now: Nanos) {
        for action in self.neighbours.take_actions() {
            match action {
                Action::Solicit(key, mac) => self.solicit(key, mac),
                Action::Resolved(key, mac) => self.resolved(key, mac),
                Action::Unresolved(key) => self.unresolved(key),
                Action::Release(key, packets) => {
                    let hop = self.neighbour_hop(key);
                    for mut packet in packets {
                        match hop {
                            Some(hop) => {
                                packet.set_hop(hop);
                                self.injected.push(Injected { entry: Entry::Output, packet });
                            }
                            None => self.drop_packet(packet, Reason::NeighbourTableFull),
                        }
                    }
                }
                Action::Fail(_, packets) => {
                    for mut packet in packets {
                        if packet.flags().any(Flags::LOCAL_OUT) {
                            self.drop_packet(packet, Reason::NeighbourFailed);
                            continue;
                        }
                        packet.set_note(Cause::NeighbourFailed.note());
                        self.injected.push(Injected { entry: Entry::Error, packet });
                    }
                }
                Action::Drop(packets) => {
                    for packet in packets {
                        self.drop_packet(packet, Reason::NeighbourQueueFull);
                    }
                }
            }
        }
    }

    /// The hop of a neighbour on a link, made if there is none.
    fn neighbour_hop(&mut self, key: Key) -> Option<u32> {
        if let Some(hop) = self.on_link.get(&key) {
            return Some(*hop);
        }
        let view = View { ifaces: &self.ifaces, neighbours: &self.neighbours };
        let spec = HopSpec::Via {
            iface: key.iface,
            gateway: Some(key.address),
            mtu: None,
            prefsrc: Ipv4Addr::UNSPECIFIED,
        };
        let hop = self.hops.acquire(spec, &view).ok()?;
        self.on_link.insert(key, hop);
        for change in self.hops.take_changes() {
            if let Change::Added(hop, _) = change {
                self.gateways.entry(key).or_default().push(hop);
            }
        }
        Some(hop)
    }

    fn resolved(&mut self, key: Key, _mac: MacAddr) {
        let Some(hop) = self.neighbour_hop(key) else { return };
        let view = View { ifaces: &self.ifaces, neighbours: &self.neighbours };
        for hop in self.gateways.get(&key).into_iter().flatten() {
            self.hops.refresh(*hop, &view);
        }
        if !self.neighbour_table.set(key.iface, key.address, hop, &mut self.neighbour_slots) {
            self.rebuild_neighbour_table();
        }
        self.dirty = true;
    }

    fn rebuild_neighbour_table(&mut self) {
        let table = NeighbourTable::new(self.on_link.len() * 2);
        self.neighbour_slots = 0;
        for (key, hop) in &self.on_link {
            table.set(key.iface, key.address, *hop, &mut self.neighbour_slots);
        }
        self.neighbour_table = Arc::new(table);
        self.dirty = true;
    }

    fn unresolved(&mut self, key: Key) {
        self.neighbour_table.set(key.iface, key.address, 0, &mut self.neighbour_slots);
        let view = View { ifaces: &self.ifaces, neighbours: &self.neighbours };
        for hop in self.gateways.get(&key).into_iter().flatten() {
            self.hops.refresh(*hop, &view);
        }
        if let Some(hop) = self.on_link.remove(&key) {
            self.hops.release(hop);
            for change in self.hops.take_changes() {
                if let Change::Removed(hop, _) = change
                    && let Some(hops) = self.gateways.get_mut(&key)
                {
                    hops.retain(|other| *other != hop);
                }
            }
        }
        self.dirty = true;
    }

    /// Sends an ARP packet on an interface.
    fn send_arp(&mut self, index: u16, to: MacAddr, arp: &ArpSpec) {
        let Some(iface) = self.ifaces.iter().find(|iface| iface.index == index && iface.up) else {
            return;
        };
        let Some(mut packet) = self.pool.alloc() else { return };
        let mut frame = Vec::with_capacity(64);
        frame.extend_from_slice(&to.octets());
        frame.extend_from_slice(&iface.mac.octets());
        if let Some(vlan) = iface.vlan {
            frame.extend_from_slice(&[0x81, 0x00]);
            frame.extend_from_slice(&vlan.to_be_bytes());
        }
        frame.extend_from_slice(&[0x08, 0x06]);
        frame.extend_from_slice(&arp.to_bytes());
        if packet.fill(&frame) {
            packet.begin(index, 14, Flags::LOCAL_OUT);
            packet.set_port(iface.port);
            self.made += 1;
            self.injected.push(Injected { entry: Entry::Transmit, packet });
        }
    }

    fn solicit(&mut self, key: Key, mac: Option<MacAddr>) {
        let Some(iface) = self.ifaces.iter().find(|iface| iface.index == key.iface) else { return };
        // `arp_announce` 0: in the name that the packet bears, when the router itself made it.
        let bears = self.neighbours.first_waiting(key).and_then(|packet| {
            let ip = packet.data().get(packet.l3()..)?;
            Some(Ipv4Addr::from(*ip.get(12..16)?.first_chunk::<4>()?))
        });
        let own = |address: &Ipv4Addr| {
            let all = self.ifaces.iter().flat_map(|iface| &iface.addresses);
            all.into_iter().any(|own| own.local.addr() == *address)
        };
        let any = || self.ifaces.iter().find_map(|other| other.select_address(key.address));
        let chosen = || iface.select_address(key.address).or_else(any);
        let Some(source) = bears.filter(own).or_else(chosen) else { return };
        let arp = ArpSpec::request(iface.mac, source, key.address);
        self.solicits.fetch_add(1, Ordering::Relaxed);
        self.send_arp(key.iface, mac.unwrap_or(MacAddr::new([0xff; 6])), &arp);
    }

    // ---- packets ----

    /// A worker left a packet to us.
    pub fn handle_punt(&mut self, now: Nanos, punted: Punted) {
        match punted.kind {
            PuntKind::Arp => self.handle_arp(now, punted.packet),
            PuntKind::Resolve => {
                let (iface, address) =
                    (punted.packet.iface(), Ipv4Addr::from_bits(punted.packet.hash()));
                let key = Key { iface, address };
                if !self.ifaces.iter().any(|known| known.index == iface && known.up) {
                    self.drop_packet(punted.packet, Reason::LinkDown);
                    return;
                }
                if self.stand_in && self.neighbours.get(key).is_none() {
                    self.neighbours.set(now, key, stand_in_mac(address), State::Noarp);
                }
                let len = punted.packet.len();
                self.neighbours.handle_packet(now, key, punted.packet, len);
                self.act(now);
            }
        }
    }

    fn handle_arp(&mut self, now: Nanos, packet: Packet) {
        let (index, l3) = (packet.iface(), packet.l3());
        let Some(iface) = self.ifaces.iter().find(|iface| iface.index == index) else {
            return self.drop_packet(packet, Reason::LinkDown);
        };
        let Ok(arp) = ArpView::new_checked(packet.data().get(l3..).unwrap_or_default()) else {
            return self.drop_packet(packet, Reason::ArpMalformed);
        };
        let local = |address: Ipv4Addr| {
            self.ifaces.iter().any(|own| own.addresses.iter().any(|a| a.local.addr() == address))
        };
        let unicast = !packet.flags().any(Flags::L2_BROADCAST.with(Flags::L2_MULTICAST));
        let facts = Facts {
            target_local: local(arp.target_ip()),
            sender_local: local(arp.sender_ip()),
            unicast,
        };
        let verdict = consider(&arp, facts);
        let key = Key { iface: index, address: arp.sender_ip() };
        let (mac, ours) = (arp.sender_mac(), iface.mac);
        let reply = ArpSpec::reply(ours, arp.target_ip(), mac, arp.sender_ip());
        match verdict.learn {
            Learn::No => {}
            Learn::Create => self.neighbours.handle_request(now, key, mac),
            Learn::Update { confirmed, gratuitous } => {
                self.neighbours.handle_hint(now, key, mac, confirmed, gratuitous);
            }
        }
        // What waited for the sender goes before the answer to it, as from the kernel.
        self.act(now);
        if verdict.reply {
            self.send_arp(index, mac, &reply);
        }
        self.drop_packet(packet, Reason::LocalDone);
    }

    /// Lets time pass.
    pub fn poll(&mut self, now: Nanos) {
        self.neighbours.poll(now);
        self.act(now);
        let safe = self.epochs.safe();
        self.publisher.reclaim(safe);
        self.hops.reclaim(safe);
        self.routes.fib_mut().reclaim(safe);
    }

    /// When [`Router::poll`] has something to do.
    pub fn next_deadline(&self) -> Option<Nanos> {
        self.neighbours.next_deadline()
    }

    /// Packets for the workers since the last call.
    pub fn take_injected(&mut self) -> Vec<Injected> {
        std::mem::take(&mut self.injected)
    }

    /// Packets that wait for a neighbour.
    pub fn held(&self) -> usize {
        self.neighbours.held()
    }

    /// Forgets packets that wait; for the end.
    pub fn clear(&mut self) {
        let keys: Vec<Key> = self.neighbours.iter().map(|(key, _)| *key).collect();
        for key in keys {
            self.neighbours.remove(key);
        }
        for action in self.neighbours.take_actions() {
            if let Action::Fail(_, packets) = action {
                for packet in packets {
                    self.drop_packet(packet, Reason::Shutdown);
                }
            }
        }
        for injected in std::mem::take(&mut self.injected) {
            self.drop_packet(injected.packet, Reason::Shutdown);
        }
    }

    /// Publishes what has changed, and retires what it replaced.
    pub fn commit(&mut self) {
        let unlinked = self.hops.has_unlinked() || self.routes.fib().has_unlinked();
        if self.dirty {
            self.dirty = false;
            self.generation += 1;
            let old = self.publisher.current();
            let (ifaces, locals) = if self.links_dirty {
                self.links_dirty = false;
                let ifaces = Ifaces::new(self.ifaces.clone(), self.any_mac);
                let locals = LocalAddresses::new(&ifaces);
                (Arc::new(ifaces), Arc::new(locals))
            } else {
                (Arc::clone(&old.ifaces), Arc::clone(&old.locals))
            };
            let next = Tables {
                ifaces,
                locals,
                neighbours: Arc::clone(&self.neighbour_table),
                tunables: self.tunables.clone(),
                wiring: self.wiring,
                features: self.features.clone(),
                trace: self.trace.clone(),
                generation: self.generation,
                fib: Arc::clone(&old.fib),
                hops: Arc::clone(&old.hops),
                limits: Arc::clone(&self.icmp_limits),
            };
            drop(old);
            self.publisher.publish(next, &self.epochs);
        }
        if unlinked {
            // Behind the publication, so that no cache of a worker still names what is retired.
            let epoch = self.epochs.advance();
            self.hops.retire(epoch);
            self.routes.fib_mut().retire(epoch);
        }
        self.poll_reclaim();
    }

    fn poll_reclaim(&mut self) {
        let safe = self.epochs.safe();
        self.publisher.reclaim(safe);
        self.hops.reclaim(safe);
        self.routes.fib_mut().reclaim(safe);
    }
}

/// A link-layer address for a neighbour that nobody can be asked for: locally administered, and
/// telling which address it stands for.
fn stand_in_mac(address: Ipv4Addr) -> MacAddr {
    let [a, b, c, d] = address.octets();
    MacAddr::new([0x02, 0x57, a, b, c, d])
}
