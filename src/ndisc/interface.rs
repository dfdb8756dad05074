//! An interface as a host of its link: its addresses, the routers that it hears, and the routes that
//! come of both.
//!
//! `handle_*` tells the machine what the world said, [`Interface::add`] and its like what operators
//! want; [`Interface::poll`] lets time pass, [`Interface::take_actions`] says what is to be done.

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;

use super::{
    Address, Conf,
    address::Phase,
    decide::Update,
    identifier::Chance,
    select::{Candidate, Labels, Wanted, source},
    solicit::Solicit,
};
use crate::{
    graph::Nanos,
    packet::{MacAddr, ndisc::Preference},
};

/// Routes of an interface; what a flood of advertisements tells beyond them is not believed.
const MOST_ROUTES: usize = 1024;

/// Where a route of an interface comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteKind {
    /// The network of an address.
    Connected,
    /// A network that a router said to be on the link.
    OnLink,
    /// A router, for all that has no route.
    Default,
    /// A network that a router said to be behind it.
    Information,
}

/// A route of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where it comes from.
    pub kind: RouteKind,
    /// Its network.
    pub network: Ipv6Net,
    /// The router, where there is one.
    pub gateway: Option<Ipv6Addr>,
    /// Its metric.
    pub metric: u32,
    /// Its rank among routes of equal metric.
    pub preference: Preference,
    /// When it ends.
    pub expires: Option<Nanos>,
    /// Hop limit and MTU that came with it.
    pub hop_limit: Option<u8>,
    /// MTU of the link, as the router said.
    pub mtu: Option<u32>,
}

/// What a router said of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// Hop limit of what we send (`hop_limit`).
    HopLimit(u8),
    /// The link's MTU (`mtu`).
    Mtu(u32),
    /// How long a neighbour counts as reachable (`base_reachable_time_ms`).
    ReachableTime(Nanos),
    /// Time between questions (`retrans_time_ms`).
    RetransTime(Nanos),
}

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Action {
    /// Send a packet of the link, to the group or station that it names.
    Send(Vec<u8>),
    /// Listen to a group.
    Join(Ipv6Addr),
    /// Listen to it no more.
    Leave(Ipv6Addr),
    /// Take up an anycast address, or give it up.
    Anycast(Ipv6Addr, bool),
    /// Packets to an address are ours from now on.
    Receive(Ipv6Addr),
    /// They are not any more.
    Refuse(Ipv6Addr),
    /// An address is new or another than before, for those who watch.
    Tell(Address),
    /// An address is no more, for those who watch; what stands on it goes next.
    Gone(Address),
    /// Nothing is left of an address.
    Forget(Ipv6Addr),
    /// A route is new, or another than before.
    SetRoute(Route),
    /// A route is no more.
    DeleteRoute(Route),
    /// The first address of the link is there, from which reports may come.
    Ready,
    /// IPv6 is to be off (`disable_ipv6`).
    Disable,
    /// Something about the link is known.
    Learned(Parameter),
    /// A neighbour's entry is told.
    Neighbour(Update),
}

/// What routers said last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) managed: bool,
    pub(super) other: bool,
    pub(super) hop_limit: u8,
    pub(super) mtu: Option<u32>,
    pub(super) reachable: Nanos,
    pub(super) retrans: Nanos,
}

/// The machine of an interface.
#[derive(Debug)]
pub struct Interface {
    pub(super) conf: Conf,
    pub(super) mac: MacAddr,
    /// The device's MTU.
    pub(super) mtu: u32,
    pub(super) up: bool,
    pub(super) addresses: Vec<Address>,
    pub(super) anycast: Vec<(Ipv6Addr, u32)>,
    pub(super) routes: Vec<Route>,
    pub(super) chance: Chance,
    pub(super) chosen_secret: Option<Ipv6Addr>,
    /// By how much temporary addresses are replaced sooner, so that not all hosts do so at once.
    pub(super) desync: Option<u32>,
    /// Making temporary addresses has failed too often.
    pub(super) no_temporary: bool,
    pub(super) solicit: Solicit,
    pub(super) said: Said,
    pub(super) actions: Vec<Action>,
}

impl Interface {
    /// The machine of an interface that is down.
    pub fn new(conf: Conf, mac: MacAddr, mtu: u32, seed: [u8; 32]) -> Self {
        Self {
            conf,
            mac,
            mtu,
            up: false,
            addresses: Vec::new(),
            anycast: Vec::new(),
            routes: Vec::new(),
            chance: Chance::new(seed),
            chosen_secret: None,
            desync: None,
            no_temporary: false,
            solicit: Solicit::default(),
            said: Said::default(),
            actions: Vec::new(),
        }
    }

    /// The tunables.
    pub fn conf(&self) -> &Conf {
        &self.conf
    }

    /// Its addresses, those that reach farthest first.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// One of its addresses.
    pub fn address(&self, address: Ipv6Addr) -> Option<&Address> {
        self.addresses.iter().find(|known| known.address == address)
    }

    /// Whether an address is an anycast one of the interface.
    pub fn is_anycast(&self, address: Ipv6Addr) -> bool {
        self.anycast.iter().any(|(known, _)| *known == address)
    }

    /// Anycast addresses, and how many networks each stands for.
    pub fn anycasts(&self) -> &[(Ipv6Addr, u32)] {
        &self.anycast
    }

    /// Routes that come of its addresses and of what routers say.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// Whether routers say that addresses, and that other things, are to be had by DHCPv6.
    pub fn managed(&self) -> (bool, bool) {
        (self.said.managed, self.said.other)
    }

    /// Whether the link is up and IPv6 on.
    pub fn is_up(&self) -> bool {
        self.up
    }

    /// An address of the link that may be used; not one whose search for duplicates goes on.
    pub fn link_local(&self) -> Option<Ipv6Addr> {
        let usable = |known: &&Address| known.scope() == 2 && !known.flags.tentative;
        self.addresses.iter().rfind(usable).map(|known| known.address)
    }

    /// What may be chosen as a source; `iface` is the interface's number.
    pub fn candidates(&self, iface: u16) -> impl Iterator<Item = Candidate> {
        self.addresses.iter().map(move |known| Candidate {
            address: known.address,
            len: known.len,
            iface,
            tentative: known.flags.tentative || known.flags.dadfailed,
            optimistic: known.flags.optimistic,
            uses_optimistic: self.conf.use_optimistic,
            deprecated: known.flags.deprecated,
            temporary: known.flags.temporary,
            home: known.flags.home,
            prefers_temporary: self.conf.use_tempaddr >= 2,
        })
    }

    /// The interface's address to send to a destination of its link from.
    pub fn source(&self, iface: u16, dst: Ipv6Addr, labels: &Labels) -> Option<Ipv6Addr> {
        source(self.candidates(iface), Wanted { dst, iface }, labels)
    }

    pub(super) fn secret(&self) -> Option<Ipv6Addr> {
        self.conf.stable_secret.or(self.chosen_secret)
    }

    /// The link came up.
    pub fn handle_up(&mut self, now: Nanos) {
        if self.up || self.conf.disable_ipv6 {
            return;
        }
        self.up = true;
        let waiting = self.addresses.iter().filter(|known| known.phase == Phase::Before);
        let waiting: Vec<Ipv6Addr> = waiting.map(|known| known.address).collect();
        self.make_link_local(now);
        for address in waiting {
            self.connect(now, address);
            self.begin(now, address);
        }
    }

    /// The interface was taken down: what does not last is gone. [8.123]
    pub fn handle_down(&mut self, now: Nanos) {
        let _ = now;
        self.up = false;
        self.solicit = Solicit::default();
        let keeps = self.conf.keep_addr_on_down && !self.conf.disable_ipv6;
        let stays = |known: &Address| keeps && known.flags.permanent && known.scope() != 2;
        let all: Vec<(Ipv6Addr, bool)> =
            self.addresses.iter().map(|known| (known.address, stays(known))).collect();
        for (address, stays) in all {
            if stays { self.suspend(address) } else { self.delete(address) }
        }
        for route in std::mem::take(&mut self.routes) {
            self.actions.push(Action::DeleteRoute(route));
        }
    }

    /// The device has another link-layer address.
    pub fn set_mac(&mut self, mac: MacAddr) {
        self.mac = mac;
    }

    /// Tells all neighbours where its addresses are, if `ndisc_notify` says so
    /// (`ndisc_send_unsol_na`).
    pub fn announce(&mut self) {
        if !self.conf.ndisc_notify || self.conf.disable_ipv6 {
            return;
        }
        let usable = |own: &&Address| !own.flags.tentative || own.flags.optimistic;
        let all: Vec<Ipv6Addr> =
            self.addresses.iter().filter(usable).map(|own| own.address).collect();
        for address in all {
            self.announce_address(address);
        }
    }

    /// Replaces the tunables.
    pub fn set_conf(&mut self, now: Nanos, conf: Conf) {
        let before = std::mem::replace(&mut self.conf, conf);
        if before.forwarding != self.conf.forwarding {
            self.turn(self.conf.forwarding);
            if self.conf.forwarding && self.conf.accept_ra != 2 {
                self.forget_routers(|_| true);
            }
        }
        if self.conf.disable_ipv6 && !before.disable_ipv6 {
            self.handle_down(now);
        }
        if self.up && before.addr_gen_mode != self.conf.addr_gen_mode {
            self.make_link_local(now);
        }
    }

    /// The device has another MTU.
    pub fn set_mtu(&mut self, mtu: u32) {
        self.mtu = mtu;
    }

    /// Default routes through these routers are no more.
    pub fn forget_routers(&mut self, which: impl Fn(Ipv6Addr) -> bool) {
        let gone =
            |route: &Route| route.kind == RouteKind::Default && route.gateway.is_some_and(&which);
        while let Some(place) = self.routes.iter().position(gone) {
            let route = self.routes.remove(place);
            self.actions.push(Action::DeleteRoute(route));
        }
    }

    fn route(&self, kind: RouteKind, network: Ipv6Net, gateway: Option<Ipv6Addr>) -> Option<usize> {
        let same =
            |route: &Route| (route.kind, route.network, route.gateway) == (kind, network, gateway);
        self.routes.iter().position(same)
    }

    /// Finds a route of the interface.
    pub(super) fn find_route(
        &self,
        kind: RouteKind,
        network: Ipv6Net,
        gateway: Option<Ipv6Addr>,
    ) -> Option<Route> {
        self.route(kind, network, gateway).map(|place| self.routes[place])
    }

    pub(super) fn set_route(
        &mut self,
        kind: RouteKind,
        network: Ipv6Net,
        gateway: Option<Ipv6Addr>,
        metric: u32,
        expires: Option<Nanos>,
        preference: Preference,
    ) {
        let (hop_limit, mtu) = (None, None);
        let route = Route { kind, network, gateway, metric, preference, expires, hop_limit, mtu };
        self.put_route(route);
    }

    pub(super) fn put_route(&mut self, route: Route) {
        match self.route(route.kind, route.network, route.gateway) {
            Some(place) => {
                let before = std::mem::replace(&mut self.routes[place], route);
                if before != route {
                    self.actions.push(Action::SetRoute(route));
                }
            }
            None if self.routes.len() >= MOST_ROUTES => {}
            None => {
                self.routes.push(route);
                self.actions.push(Action::SetRoute(route));
            }
        }
    }

    pub(super) fn delete_route(
        &mut self,
        kind: RouteKind,
        network: Ipv6Net,
        gateway: Option<Ipv6Addr>,
    ) {
        if let Some(place) = self.route(kind, network, gateway) {
            let route = self.routes.remove(place);
            self.actions.push(Action::DeleteRoute(route));
        }
    }

    /// When [`Interface::poll`] has something to do.
    pub fn next_deadline(&self) -> Option<Nanos> {
        let addresses = self.addresses.iter().filter_map(|known| self.address_deadline(known));
        let routes = self.routes.iter().filter_map(|route| route.expires);
        addresses.chain(routes).chain(self.solicit.deadline).min()
    }

    /// Lets time pass.
    pub fn poll(&mut self, now: Nanos) {
        let due = |known: &&Address| known.deadline.is_some_and(|at| at <= now);
        let asking: Vec<Ipv6Addr> = self.addresses.iter().filter(due).map(|a| a.address).collect();
        for address in asking {
            self.probe(now, address);
        }
        self.age(now);
        let ended = |route: &Route| route.expires.is_some_and(|at| at <= now);
        while let Some(place) = self.routes.iter().position(ended) {
            let route = self.routes.remove(place);
            self.actions.push(Action::DeleteRoute(route));
        }
        self.poll_solicitations(now);
    }

    /// What is to be done, in order.
    pub fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }
}
