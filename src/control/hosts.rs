//! What the router is on each of its links beside forwarding: addresses of its own, groups that it
//! listens to, and what it tells hosts there.
//!
//! - takes: interfaces that come and go, addresses, messages of the link, time
//! - gives: packets, routes, and the addresses and groups that workers know
//! - obeys: RFC 4861, RFC 4862; the machines are in `ndisc` and `multicast`, this is their hands

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use ipnet::Ipv6Net;

use super::{Router, events::What, routers::Ways};
use crate::{
    dpdk::mbuf::Flags,
    graph::{Nanos, Snmp},
    multicast::{self, Igmp, Mld, Protocol as _},
    ndisc::{
        Action, Address, Advertiser, Conf, Interface, Parameter, Route, Settings, select::Labels,
    },
    neighbour::control::{Family, Key, Var},
    packet::{MacAddr, envelope, generate::Random, igmp, ndisc},
    port::table::{AddrFlags, GroupFilter, Iface, IfaceAddr6},
    route::spec::RouteType,
    worker::{Entry, Injected},
};

pub(super) const SECOND: Nanos = 1_000_000_000;
const MILLISECOND: Nanos = 1_000_000;
/// Ethertypes.
const IPV4: [u8; 2] = [0x08, 0x00];
const IPV6: [u8; 2] = [0x86, 0xdd];

/// Who listens for the operator.
const OPERATOR: multicast::Owner = multicast::Owner(0);

/// A change of what is listened to that was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    /// No such interface.
    #[error("Cannot find device \"{0}\"")]
    NoDevice(String),
    /// What the socket call would have said.
    #[error("RTNETLINK answers: {0}")]
    Refused(#[from] multicast::Error),
}

/// The machines of one interface.
pub(super) struct Own {
    pub(super) host: Interface,
    pub(super) advertiser: Option<Advertiser>,
    pub(super) mld: multicast::Host<Mld>,
    pub(super) igmp: multicast::Host<Igmp>,
    /// Tunables as they were set; what the interface's own say is counted in when they are used.
    base: Conf,
    /// Routes that were made.
    pub(super) routes: Vec<Route>,
    /// Who made an address, and the other end of its link.
    pub(super) notes: BTreeMap<Ipv6Addr, (Option<Ipv6Addr>, u8)>,
    /// Addresses of others that it answers for.
    proxied: BTreeSet<Ipv6Addr>,
}

/// The machines of all interfaces.
#[derive(Default)]
pub(super) struct Hosts {
    /// Links have hosts and routers that hear us. In a replay they have none, unless it says so.
    pub(super) speaks: bool,
    pub(super) of: BTreeMap<u16, Own>,
    pub(super) labels: Arc<Labels>,
    pub(super) seed: u64,
    /// Routes through routers of the links.
    pub(super) ways: Ways,
}

impl Hosts {
    /// When something is to be done.
    pub(super) fn next_deadline(&self) -> Option<Nanos> {
        let of = |own: &Own| {
            let advertiser = own.advertiser.as_ref().and_then(Advertiser::next_deadline);
            let groups = [own.mld.next_deadline(), own.igmp.next_deadline()];
            [own.host.next_deadline(), advertiser].into_iter().chain(groups).flatten().min()
        };
        self.of.values().filter_map(of).chain(self.ways.ask_at).min()
    }
}

/// Groups of every node.
const ALL_NODES: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xff01, 0, 0, 0, 0, 0, 0, 1), Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1)];
/// Groups of every router.
const ALL_ROUTERS: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2),
    Ipv6Addr::new(0xff01, 0, 0, 0, 0, 0, 0, 2),
    Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 0, 2),
];
/// Who made an address (`IFAPROT_*`).
const BY_ROUTER: u8 = 2;
const BY_LINK: u8 = 3;

impl Own {
    fn new(iface: &Iface, conf: Conf, seed: u64) -> Self {
        let mut random = Random::new(seed ^ u64::from(iface.index).rotate_left(48));
        let mut secret = [0; 32];
        for chunk in secret.as_chunks_mut::<8>().0 {
            *chunk = random.next_u64().to_be_bytes();
        }
        let mut own = Self {
            host: Interface::new(conf.clone(), iface.mac, iface.mtu.into(), secret),
            advertiser: None,
            mld: multicast::Host::new(Mld::knobs(), random.next_u64()),
            igmp: multicast::Host::new(Igmp::knobs(), random.next_u64()),
            base: Conf::default(),
            routes: Vec::new(),
            notes: BTreeMap::new(),
            proxied: BTreeSet::new(),
        };
        for group in ALL_NODES {
            own.mld.hold(0, group);
        }
        if conf.forwarding {
            for group in ALL_ROUTERS {
                own.mld.hold(0, group);
            }
        }
        own.igmp.hold(0, igmp::ALL_HOSTS);
        own
    }
}

impl Router {
    /// Whether the router speaks as a host of its links: asks for duplicates and routers, tells which
    /// groups it listens to. Without that its addresses are usable at once.
    pub fn set_speaks(&mut self, speaks: bool) {
        self.hosts.speaks = speaks;
    }

    /// The tunables of an interface, with what others say.
    fn conf_of(&self, iface: &Iface, base: Conf) -> Conf {
        let times = self.neighbours.params(Some(iface.index), Family::Ndisc);
        let conf = Conf {
            retrans_time: times.get(Var::RetransTime) * MILLISECOND,
            forwarding: iface.conf6.forwarding,
            all_forwarding: iface.conf6.forwarding,
            disable_ipv6: iface.conf6.disable_ipv6,
            accept_redirects: iface.conf6.accept_redirects,
            proxy_ndp: iface.conf6.proxy_ndp,
            ..base
        };
        match (self.hosts.speaks, iface.has_port()) {
            // Where nobody answers nobody can be asked (`addrconf_dad_begin`).
            (true, true) if iface.noarp => Conf { accept_dad: 0, ..conf },
            (true, true) => conf,
            (_, true) => Conf { accept_dad: 0, router_solicitations: 0, ..conf },
            // Nobody is on the own link of a VRF or of the loopback.
            _ => Conf { accept_dad: 0, router_solicitations: 0, addr_gen_mode: 1, ..conf },
        }
    }

    /// The machines of an interface, which are made when they are first wanted.
    pub(super) fn own(&mut self, index: u16) -> Option<&mut Own> {
        let iface = self.ifaces.iter().find(|iface| iface.index == index)?;
        if !self.hosts.of.contains_key(&index) {
            let own = Own::new(iface, self.conf_of(iface, Conf::default()), self.hosts.seed);
            self.hosts.of.insert(index, own);
        }
        self.hosts.of.get_mut(&index)
    }

    /// Tunables of an interface as a host.
    pub fn host_conf(&self, index: u16) -> Conf {
        self.hosts.of.get(&index).map_or_else(Conf::default, |own| own.base.clone())
    }

    /// Sets tunables of an interface as a host; what [`crate::port::table::IfaceConf6`] says is taken
    /// from there.
    pub fn set_host_conf(&mut self, index: u16, base: Conf) {
        if let Some(own) = self.own(index) {
            own.base = base;
        }
        self.refresh_host(index);
    }

    /// The addresses of an interface, with their lifetimes and flags.
    pub fn host(&self, index: u16) -> Option<&Interface> {
        self.hosts.of.get(&index).map(|own| &own.host)
    }

    /// IPv6 groups of an interface.
    pub fn mld(&self, index: u16) -> Option<&multicast::Host<Mld>> {
        self.hosts.of.get(&index).map(|own| &own.mld)
    }

    /// IPv4 groups of an interface.
    pub fn igmp(&self, index: u16) -> Option<&multicast::Host<Igmp>> {
        self.hosts.of.get(&index).map(|own| &own.igmp)
    }

    /// Changes what is listened to on an interface; nothing where it is not there.
    pub fn with_mld<T>(
        &mut self,
        index: u16,
        change: impl FnOnce(&mut multicast::Host<Mld>, Nanos) -> T,
    ) -> Option<T> {
        let now = self.now;
        let done = self.own(index).map(|own| change(&mut own.mld, now));
        self.apply_host(now, index);
        done
    }

    /// The same for IPv4.
    pub fn with_igmp<T>(
        &mut self,
        index: u16,
        change: impl FnOnce(&mut multicast::Host<Igmp>, Nanos) -> T,
    ) -> Option<T> {
        let now = self.now;
        let done = self.own(index).map(|own| change(&mut own.igmp, now));
        self.apply_host(now, index);
        done
    }

    /// The operator listens to a group on an interface, from everybody or from one source more.
    ///
    /// # Errors
    /// When the interface is not there, or in the words of the socket calls.
    pub fn join_group(
        &mut self,
        name: &str,
        group: IpAddr,
        source: Option<IpAddr>,
    ) -> Result<(), GroupError> {
        let index = self.index_of(name)?;
        let done = match (group, source) {
            (IpAddr::V4(group), None) => {
                self.with_igmp(index, |igmp, now| igmp.join(now, OPERATOR, group))
            }
            (IpAddr::V6(group), None) => {
                self.with_mld(index, |mld, now| mld.join(now, OPERATOR, group))
            }
            (IpAddr::V4(group), Some(IpAddr::V4(source))) => {
                self.with_igmp(index, |igmp, now| igmp.join_source(now, OPERATOR, group, source))
            }
            (IpAddr::V6(group), Some(IpAddr::V6(source))) => {
                self.with_mld(index, |mld, now| mld.join_source(now, OPERATOR, group, source))
            }
            _ => Some(Err(multicast::Error::Invalid)),
        };
        Ok(done.unwrap_or(Err(multicast::Error::NotAvailable))?)
    }

    /// The operator listens to a group no more.
    ///
    /// # Errors
    /// When the interface is not there, or the group is not listened to.
    pub fn leave_group(&mut self, name: &str, group: IpAddr) -> Result<(), GroupError> {
        let index = self.index_of(name)?;
        let done = match group {
            IpAddr::V4(group) => {
                self.with_igmp(index, |igmp, now| igmp.leave(now, OPERATOR, group))
            }
            IpAddr::V6(group) => self.with_mld(index, |mld, now| mld.leave(now, OPERATOR, group)),
        };
        Ok(done.unwrap_or(Err(multicast::Error::NotAvailable))?)
    }

    fn index_of(&self, name: &str) -> Result<u16, GroupError> {
        let iface = self.iface(name).ok_or_else(|| GroupError::NoDevice(name.to_owned()))?;
        Ok(iface.index)
    }

    /// Labels of prefixes (`ip addrlabel`).
    pub fn labels(&self) -> &Labels {
        &self.hosts.labels
    }

    /// Changes labels of prefixes.
    pub fn with_labels<T>(&mut self, change: impl FnOnce(&mut Labels) -> T) -> T {
        self.dirty = true;
        change(Arc::make_mut(&mut self.hosts.labels))
    }

    /// Tells hosts of an interface what holds there, or no more.
    pub fn set_advertising(&mut self, index: u16, settings: Option<Settings>) {
        let now = self.now;
        let seed = self.hosts.seed ^ u64::from(index);
        let Some(iface) = self.ifaces.iter().find(|iface| iface.index == index) else { return };
        let (mac, mtu) = (iface.mac, iface.mtu.into());
        let Some(own) = self.own(index) else { return };
        match (&mut own.advertiser, settings) {
            (Some(advertiser), Some(settings)) => advertiser.set_settings(now, settings),
            (Some(advertiser), None) => {
                advertiser.cease(now);
                self.apply_host(now, index);
                if let Some(own) = self.own(index) {
                    own.advertiser = None;
                }
            }
            (None, Some(settings)) => {
                own.advertiser = Some(Advertiser::new(now, settings, mac, mtu, seed));
            }
            (None, None) => {}
        }
        self.apply_host(now, index);
    }

    /// What is told to hosts of an interface.
    pub fn advertising(&self, index: u16) -> Option<&Advertiser> {
        self.hosts.of.get(&index)?.advertiser.as_ref()
    }

    /// The router is about to end: hosts shall not use it any more.
    pub fn cease(&mut self, now: Nanos) {
        for index in self.hosts.of.keys().copied().collect::<Vec<_>>() {
            if let Some(advertiser) = self.own(index).and_then(|own| own.advertiser.as_mut()) {
                advertiser.cease(now);
            }
            self.apply_host(now, index);
        }
    }

    /// Who answers for an address listens to its group (`pndisc_constructor`).
    pub(super) fn follow_proxies(&mut self, index: u16) {
        let mine = self.neighbours.proxies().filter_map(|(on, address, _)| match address {
            IpAddr::V6(six) if on == Some(index) => Some(six),
            _ => None,
        });
        let wanted: BTreeSet<Ipv6Addr> = mine.collect();
        let now = self.now;
        let Some(own) = self.own(index) else { return };
        let before = std::mem::replace(&mut own.proxied, wanted.clone());
        for address in before.difference(&wanted) {
            own.mld.drop_hold(now, ndisc::solicited_node(*address));
        }
        for address in wanted.difference(&before) {
            own.mld.hold(now, ndisc::solicited_node(*address));
        }
        self.apply_host(now, index);
    }

    /// An interface's tunables, address or MTU are others.
    pub(super) fn refresh_host(&mut self, index: u16) {
        let now = self.now;
        let Some(place) = self.ifaces.iter().position(|iface| iface.index == index) else { return };
        let Some(own) = self.hosts.of.get(&index) else { return };
        let base = own.base.clone();
        let iface = &self.ifaces[place];
        let (mac, mtu, ours) = (iface.mac, iface.mtu, self.conf_of(iface, base));
        let up = iface.up;
        let Some(own) = self.hosts.of.get_mut(&index) else { return };
        let before = own.host.conf().forwarding;
        own.host.set_mac(mac);
        if let Some(advertiser) = &mut own.advertiser {
            advertiser.set_mac(mac);
        }
        own.host.set_mtu(mtu.into());
        for knobs in [own.mld.knobs(), own.igmp.knobs()].map(|knobs| knobs.mtu) {
            if knobs != usize::from(mtu) {
                let (six, four) = (*own.mld.knobs(), *own.igmp.knobs());
                own.mld.set_knobs(multicast::Knobs { mtu: mtu.into(), ..six });
                own.igmp.set_knobs(multicast::Knobs { mtu: mtu.into(), ..four });
            }
        }
        if before != ours.forwarding {
            for group in ALL_ROUTERS {
                match ours.forwarding {
                    true => own.mld.hold(now, group),
                    false => own.mld.drop_hold(now, group),
                }
            }
        }
        let enabled = own.host.conf().disable_ipv6 && !ours.disable_ipv6;
        own.host.set_conf(now, ours);
        if up && enabled {
            own.host.handle_up(now);
        }
        self.apply_host(now, index);
    }

    /// Tells all neighbours of an interface its addresses, where `ndisc_notify` says so.
    pub(super) fn announce_six(&mut self, index: u16) {
        if let Some(own) = self.hosts.of.get_mut(&index) {
            own.host.announce();
            self.apply_host(self.now, index);
        }
    }

    /// What all interfaces share is other than before.
    pub(super) fn refresh_hosts(&mut self) {
        for index in self.hosts.of.keys().copied().collect::<Vec<_>>() {
            self.refresh_host(index);
        }
    }

    /// Lets time pass.
    pub(super) fn poll_hosts(&mut self, now: Nanos) {
        if self.hosts.next_deadline().is_none_or(|at| at > now) {
            return;
        }
        for index in self.hosts.of.keys().copied().collect::<Vec<_>>() {
            let Some(own) = self.hosts.of.get_mut(&index) else { continue };
            own.host.poll(now);
            own.mld.poll(now);
            own.igmp.poll(now);
            if let Some(advertiser) = &mut own.advertiser {
                advertiser.poll(now);
            }
            self.apply_host(now, index);
        }
        self.poll_routers(now);
    }

    /// Does what the machines of an interface want done.
    pub(super) fn apply_host(&mut self, now: Nanos, index: u16) {
        loop {
            let Some(own) = self.hosts.of.get_mut(&index) else { return };
            let actions = own.host.take_actions();
            if actions.is_empty() {
                break;
            }
            for action in actions {
                self.act_for_host(now, index, action);
            }
        }
        self.send_reports(index);
        self.send_advertisements(now, index);
        self.show_host(now, index);
    }

    fn act_for_host(&mut self, now: Nanos, index: u16, action: Action) {
        let Some(own) = self.hosts.of.get_mut(&index) else { return };
        match action {
            Action::Send(packet) => self.send_nd(now, index, packet),
            Action::Join(group) => own.mld.hold(now, group),
            Action::Leave(group) => own.mld.drop_hold(now, group),
            Action::Ready => own.mld.handle_address(now),
            Action::Anycast(address, there) => {
                self.host_route(index, address, RouteType::Anycast, there);
            }
            Action::Receive(address) => {
                self.host_route(index, address, RouteType::Local, true);
                self.peer_route(index, address, true);
            }
            Action::Refuse(address) => {
                self.host_route(index, address, RouteType::Local, false);
                self.peer_route(index, address, false);
            }
            Action::Tell(known) => {
                let known = shown(&known, own);
                self.tell_address6(false, index, known);
            }
            Action::Gone(gone) => {
                let known = shown(&gone, own);
                self.tell_address6(true, index, known);
            }
            Action::Forget(address) => {
                own.notes.remove(&address);
            }
            Action::SetRoute(route) => self.set_host_route(now, index, route),
            Action::DeleteRoute(route) => {
                self.delete_host_route(index, &route);
                self.forget_way(index, &route);
            }
            Action::Disable => {
                if let Some(iface) = self.ifaces.iter_mut().find(|iface| iface.index == index) {
                    iface.conf6.disable_ipv6 = true;
                }
                self.links_changed();
            }
            Action::Learned(parameter) => self.learn_parameter(index, parameter),
            Action::Neighbour(update) => self.update_neighbour(now, index, &update),
        }
    }

    fn learn_parameter(&mut self, index: u16, parameter: Parameter) {
        let Some(iface) = self.ifaces.iter_mut().find(|iface| iface.index == index) else { return };
        let mut times = |var: Var, value: Nanos| {
            self.neighbours.set_param(Some(index), Family::Ndisc, var, value);
        };
        match parameter {
            Parameter::HopLimit(limit) => iface.conf6.hop_limit = limit,
            Parameter::Mtu(mtu) => {
                iface.conf6.mtu = u16::try_from(mtu).unwrap_or(u16::MAX);
                self.refresh_hops(index);
            }
            Parameter::RetransTime(time) => {
                times(Var::RetransTime, time / MILLISECOND);
                // It times the search for duplicates as well.
                return self.refresh_host(index);
            }
            Parameter::ReachableTime(time) => {
                times(Var::BaseReachableTime, time / MILLISECOND);
                // A stale entry stays as long again, twice (`ndisc_router_discovery`).
                return times(Var::GcStaleTime, 3 * time / SECOND);
            }
        }
        self.links_changed();
    }

    /// Sends what tells of groups.
    fn send_reports(&mut self, index: u16) {
        let speaks = self.hosts.speaks;
        let Some(own) = self.hosts.of.get_mut(&index) else { return };
        let (six, four) = (own.mld.take_actions(), own.igmp.take_actions());
        if !speaks || six.is_empty() && four.is_empty() {
            return;
        }
        let src = own.host.link_local().unwrap_or(Ipv6Addr::UNSPECIFIED);
        let mut packets: Vec<(MacAddr, [u8; 2], Vec<u8>)> = Vec::new();
        if own.host.is_up() {
            packets.extend(six.iter().map(|out| {
                let packet = Mld::packet(out, src, 0);
                (link_address(&packet), IPV6, packet)
            }));
        }
        let address = self.ifaces.iter().find(|iface| iface.index == index);
        let address = address.and_then(|iface| iface.select_address(igmp::ALL_HOSTS));
        let address = address.unwrap_or(std::net::Ipv4Addr::UNSPECIFIED);
        packets.extend(four.iter().map(|out| {
            // What may not be cut needs no identification.
            let packet = Igmp::packet(out, address, 0);
            let [a, b, c, d] = [packet[16], packet[17], packet[18], packet[19]];
            (MacAddr::of_ipv4_group([a, b, c, d].into()), IPV4, packet)
        }));
        for (to, ethertype, packet) in packets {
            self.send_link(index, to, &ethertype, &packet);
        }
    }

    fn send_advertisements(&mut self, now: Nanos, index: u16) {
        let Some(own) = self.hosts.of.get_mut(&index) else { return };
        let Some(advertiser) = &mut own.advertiser else { return };
        let told = advertiser.take_actions();
        match own.host.link_local().filter(|_| own.host.is_up()) {
            Some(source) => advertiser.handle_up(now, source),
            None => advertiser.handle_down(),
        }
        for heard in told {
            self.send_six(now, index, &heard.to_bytes());
        }
    }

    /// Sends a message of neighbour discovery.
    pub(super) fn send_nd(&mut self, now: Nanos, index: u16, mut packet: Vec<u8>) {
        envelope::set_class(&mut packet, self.class_of_discovery(index));
        self.send_six(now, index, &packet);
    }

    /// `ndisc_tclass` of an interface.
    pub(super) fn class_of_discovery(&self, index: u16) -> u8 {
        let own = self.ifaces.iter().find(|iface| iface.index == index);
        own.map_or(0, |own| own.conf6.ndisc_tclass)
    }

    /// Sends a packet of the router's own on a link: to a group, or to a neighbour, which is looked for
    /// where it is not known.
    pub(super) fn send_six(&mut self, now: Nanos, index: u16, packet: &[u8]) {
        let Some(dst) = packet.get(24..40).and_then(|dst| dst.first_chunk::<16>()) else { return };
        let address = Ipv6Addr::from(*dst);
        if address.is_multicast() {
            return self.send_link(index, link_address(packet), &IPV6, packet);
        }
        let Some(mut made) = self.pool.alloc() else { return };
        let frame = [&[0; 12][..], &IPV6, packet].concat();
        if !made.fill(&frame) {
            return;
        }
        made.begin(index, 14, Flags::LOCAL_OUT);
        self.made += 1;
        self.count_six(packet);
        let link = self.ifaces.iter().find(|iface| iface.index == index).map_or(0, |own| own.link6);
        if link != 0 && self.filters_own(true) {
            // Its neighbour is looked for behind the filter.
            made.set_hop(link);
            self.injected.push(Injected { entry: Entry::Originate6, packet: made });
            return;
        }
        let len = made.len();
        let key = Key { iface: index, address: address.into() };
        self.neighbours.handle_packet(now, key, made, len);
        self.act(now);
    }

    /// Counts a message of ICMPv6 that the management core sends.
    pub(super) fn count_six(&mut self, packet: &[u8]) {
        let group = packet.get(24) == Some(&0xff);
        // Of MLD, options stand before the message.
        let at = if packet.get(6) == Some(&0) { 48 } else { 40 };
        let kind = packet.get(at).copied().unwrap_or_default();
        let named = Snmp::ALL.iter().find(|counter| counter.icmp6_type() == Some((true, kind)));
        for counter in named.into_iter().chain(&[Snmp::Icmp6OutMsgs, Snmp::Ip6OutRequests]) {
            self.probes.count(*counter, 1);
        }
        self.probes.count(Snmp::Ip6OutMcastPkts, u64::from(group));
    }

    fn tell_address6(&mut self, deleted: bool, index: u16, own: IfaceAddr6) {
        self.tell(deleted, |router| {
            let iface = router.ifaces.iter().find(|iface| iface.index == index)?;
            Some(What::Address6(iface.clone(), own))
        });
    }

    /// Notes who made an address, and the other end of its link.
    pub(super) fn note_address6(&mut self, index: u16, own: &IfaceAddr6) {
        if let Some(machines) = self.own(index) {
            machines.notes.insert(own.local.addr(), (own.peer, own.proto));
        }
    }

    /// Shows workers and faces what addresses and groups there are.
    fn show_host(&mut self, now: Nanos, index: u16) {
        let _ = now;
        let Some(own) = self.hosts.of.get(&index) else { return };
        let Some(iface) = self.ifaces.iter_mut().find(|iface| iface.index == index) else { return };
        let addresses: Vec<_> =
            own.host.addresses().iter().map(|known| shown(known, own)).collect();
        let mut groups6: Vec<_> = own.mld.groups().iter().map(|group| group.address).collect();
        groups6.sort_unstable();
        let mut groups4: Vec<_> = own.igmp.groups().iter().map(|group| group.address).collect();
        groups4.sort_unstable();
        let six = own.mld.groups().iter().filter_map(filter);
        let filters: Vec<GroupFilter> =
            six.chain(own.igmp.groups().iter().filter_map(filter)).collect();
        let changed = iface.addresses6 != addresses
            || iface.groups6 != groups6
            || iface.groups4 != groups4
            || iface.filters != filters;
        if changed {
            (iface.addresses6, iface.groups6) = (addresses, groups6);
            (iface.groups4, iface.filters) = (groups4, filters);
            self.links_changed();
        }
    }
}

/// What workers must know of a group that is not wanted from everybody.
fn filter<A: Copy + Eq + Into<IpAddr>>(group: &multicast::Group<A>) -> Option<GroupFilter> {
    let others = group.excludes > 0;
    let odd = group.sources.iter().filter(|source| group.permits(source.address) != others);
    let sources: Vec<IpAddr> = odd.map(|source| source.address.into()).collect();
    let plain = others && sources.is_empty();
    (!plain).then(|| GroupFilter { group: group.address.into(), others, sources })
}

/// The link-layer address of a packet to a group.
fn link_address(packet: &[u8]) -> MacAddr {
    let dst = packet.get(24..40).and_then(|dst| dst.first_chunk::<16>());
    ndisc::group_mac(dst.map_or(Ipv6Addr::UNSPECIFIED, |dst| Ipv6Addr::from(*dst)))
}

/// An address as workers and faces know it.
fn shown(known: &Address, own: &Own) -> IfaceAddr6 {
    let flags = known.flags;
    let all = [
        (flags.temporary, AddrFlags::TEMPORARY),
        (flags.nodad, AddrFlags::NODAD),
        (flags.optimistic, AddrFlags::OPTIMISTIC),
        (flags.dadfailed, AddrFlags::DADFAILED),
        (flags.home, AddrFlags::HOMEADDRESS),
        (flags.deprecated, AddrFlags::DEPRECATED),
        (flags.tentative, AddrFlags::TENTATIVE),
        (flags.permanent, AddrFlags::PERMANENT),
        (flags.mngtmpaddr, AddrFlags::MANAGETEMPADDR),
        (flags.noprefixroute, AddrFlags::NOPREFIXROUTE),
        (flags.stable_privacy, AddrFlags::STABLE_PRIVACY),
    ];
    let set = all.into_iter().filter(|(on, _)| *on);
    let until = |seconds: u32| {
        let at = known.stamp + Nanos::from(seconds) * SECOND;
        (seconds != crate::ndisc::FOREVER).then_some(at)
    };
    let of_link = known.address.is_unicast_link_local();
    let made = match (known.flags.permanent, of_link) {
        (false, false) => BY_ROUTER,
        (_, true) => BY_LINK,
        _ => 0,
    };
    let (peer, proto) = own.notes.get(&known.address).copied().unwrap_or((None, made));
    IfaceAddr6 {
        local: Ipv6Net::new_assert(known.address, known.len),
        peer,
        flags: set.fold(AddrFlags::default(), |all, (_, flag)| all.with(flag)),
        preferred_until: until(known.preferred),
        valid_until: until(known.valid),
        // The usual one is not said.
        metric: if known.metric == super::addresses6::PRIO_ADDRCONF { 0 } else { known.metric },
        proto,
    }
}
