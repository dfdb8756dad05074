//! Messages of the link that workers left to us: neighbours, routers, and who listens to which group.
//!
//! - takes: neighbour discovery, MLD and IGMP
//! - gives: what neighbours' entries, addresses and groups are told, and answers
//! - obeys: RFC 4861, RFC 5549; what a message means is in `ndisc::decide`, in the kernel's order

use std::net::{IpAddr, Ipv6Addr};

use super::Router;
use crate::{
    dpdk::mbuf::{Flags, Packet},
    graph::{Nanos, Reason},
    ndisc::{
        Conf,
        decide::{self, Arrival, Asked, Target, Told, Update},
    },
    neighbour::control::{Family, Key, State, UpdateFlags, Var},
    packet::{
        MacAddr, envelope, igmp, mld,
        ndisc::{
            Message, Neighbour, Redirect, RouterAdvertisement, RouterSolicitation, group_mac,
            solicited_node,
        },
    },
    worker::{Entry, Injected},
};

impl Router {
    /// A worker left a message of neighbour discovery or of MLD.
    /// With `delayed` it has waited for the answer of a proxy.
    pub(super) fn handle_nd(&mut self, now: Nanos, packet: Packet, delayed: bool) {
        let (index, flags) = (packet.iface(), packet.flags());
        let bytes = packet.data().get(packet.l3()..).unwrap_or_default();
        let known = self.ifaces.iter().any(|iface| iface.index == index && iface.up);
        if !known {
            return self.discard(packet, Reason::LinkDown);
        }
        let to_group = flags.any(Flags::L2_BROADCAST.with(Flags::L2_MULTICAST));
        let params = self.neighbours.params(Some(index), Family::Ndisc);
        match Message::parse(bytes) {
            Ok(Message::Neighbour(heard)) => {
                let arrival = Arrival {
                    unicast_frame: !to_group,
                    looped: false,
                    delayed,
                    may_delay: params.get(Var::ProxyDelay) != 0,
                };
                let target = heard.target.into();
                if self.handle_neighbour(now, index, &heard, arrival) {
                    self.neighbours.delay(now, index, Family::Ndisc, target, packet);
                    return self.act(now);
                }
            }
            Ok(Message::RouterSolicitation(heard)) => {
                self.handle_router_solicitation(now, index, &heard);
            }
            Ok(Message::RouterAdvertisement(heard)) => self.handle_router(now, index, &heard),
            Ok(Message::Redirect(heard)) => self.handle_redirect6(now, index, &heard),
            Err(_) => match mld::Message::parse(bytes) {
                Some(heard) => self.handle_mld(now, index, &heard, to_group),
                None => return self.discard(packet, Reason::NdMalformed),
            },
        }
        self.act(now);
        self.discard(packet, Reason::LocalDone);
    }

    /// A worker left an IGMP message.
    pub(super) fn handle_igmp(&mut self, now: Nanos, packet: Packet) {
        let (index, flags) = (packet.iface(), packet.flags());
        let bytes = packet.data().get(packet.l3()..).unwrap_or_default();
        let to_group = flags.any(Flags::L2_BROADCAST.with(Flags::L2_MULTICAST));
        if let (Some(heard), Some(own)) = (igmp::Message::parse(bytes), self.own(index)) {
            match heard {
                igmp::Message::Query(query) => own.igmp.handle_query(now, &query),
                // A report to one station alone has not been heard by the querier.
                igmp::Message::Report { group, .. } if to_group => own.igmp.handle_report(group),
                _ => {}
            }
            self.apply_host(now, index);
        }
        self.discard(packet, Reason::LocalDone);
    }

    fn handle_mld(&mut self, now: Nanos, index: u16, heard: &mld::Message, to_group: bool) {
        let Some(own) = self.own(index) else { return };
        match heard {
            mld::Message::Query(query) => own.mld.handle_query(now, query),
            mld::Message::Report { group, .. } if to_group => own.mld.handle_report(*group),
            _ => {}
        }
        self.apply_host(now, index);
    }

    fn conf6(&mut self, index: u16) -> Conf {
        self.own(index).map_or_else(Conf::default, |own| own.host.conf().clone())
    }

    /// An address of the VRF in which an interface is, as the interface is asked for it.
    fn of_master(&self, index: u16, address: Ipv6Addr) -> Option<Target> {
        let vrf = self.ifaces.iter().find(|iface| iface.index == index)?.vrf;
        let known = self.hosts.of.get(&vrf).filter(|_| vrf != 0)?.host.address(address)?;
        let crate::ndisc::Flags { tentative, optimistic, .. } = known.flags;
        Some(Target::Own { tentative, optimistic, nonce: known.nonce(), master: true })
    }

    /// What an address is to an interface, which somebody asks for or tells of.
    fn target(&mut self, index: u16, address: Ipv6Addr, asks: bool) -> Target {
        let of_master = self.of_master(index, address).filter(|_| asks);
        let proxy = self.neighbours.proxy(index, address.into());
        let Some(own) = self.own(index) else { return Target::Other };
        let proxies = own.host.conf().proxy_ndp;
        match own.host.address(address) {
            Some(known) => Target::Own {
                tentative: known.flags.tentative,
                optimistic: known.flags.optimistic,
                nonce: known.nonce(),
                master: false,
            },
            None => match (of_master, proxy.filter(|_| proxies)) {
                (Some(target), _) => target,
                _ if own.host.is_anycast(address) => Target::Anycast,
                (None, Some(entry)) => Target::Proxy { router: entry.router },
                (None, None) => Target::Other,
            },
        }
    }

    /// True when a question is to be looked at again after a while.
    fn handle_neighbour(
        &mut self,
        now: Nanos,
        index: u16,
        heard: &Neighbour,
        arrival: Arrival,
    ) -> bool {
        let target = self.target(index, heard.target, heard.advertisement.is_none());
        let conf = self.conf6(index);
        let Some(mac) = self.mac_of(index) else { return false };
        if heard.advertisement.is_some() {
            let nets = self.own(index).map(|own| own.host.addresses()).unwrap_or_default();
            let on_link = nets.iter().any(|own| own.network().contains(&heard.src));
            match decide::advertisement(heard, target, arrival, mac, on_link, &conf) {
                Told::Ignore | Told::Conflict => {}
                Told::Duplicate => self.note_duplicate(now, index, heard.target),
                Told::Update(update) => self.update_neighbour(now, index, &update),
            }
            return false;
        }
        match decide::solicitation(heard, target, arrival, &conf) {
            Asked::Later => return true,
            Asked::Ignore | Asked::OwnProbe => {}
            Asked::Duplicate => self.note_duplicate(now, index, heard.target),
            Asked::Defend(answer) => {
                if let Some(src) = self.answers_from(index, &answer) {
                    let packet = answer.packet(src, mac);
                    self.send_nd(now, index, packet.to_bytes());
                }
            }
            Asked::Reply { update, answer } => {
                self.neighbours.count_probe(Family::Ndisc, heard.dst.is_multicast());
                self.update_neighbour(now, index, &update);
                let key = Key { iface: index, address: heard.src.into() };
                // Who is not known in the end is not answered.
                if self.neighbours.get(key).is_some()
                    && let Some(src) = self.answers_from(index, &answer)
                {
                    let packet = answer.packet(src, mac);
                    self.send_nd(now, index, packet.to_bytes());
                }
            }
        }
        false
    }

    /// Whom an answer comes from: the target, or for others an address of the interface.
    fn answers_from(&mut self, index: u16, answer: &decide::Answer) -> Option<Ipv6Addr> {
        if answer.own {
            return Some(answer.target);
        }
        let host = &self.hosts.of.get(&index)?.host;
        host.source(index, answer.dst, &self.hosts.labels)
    }

    pub(super) fn mac_of(&self, index: u16) -> Option<MacAddr> {
        self.ifaces.iter().find(|iface| iface.index == index).map(|iface| iface.mac)
    }

    fn note_duplicate(&mut self, now: Nanos, index: u16, address: Ipv6Addr) {
        if let Some(own) = self.own(index) {
            own.host.handle_duplicate(now, address);
        }
        self.apply_host(now, index);
    }

    fn handle_router_solicitation(&mut self, now: Nanos, index: u16, heard: &RouterSolicitation) {
        let conf = self.conf6(index);
        if let Some(update) = decide::router_solicitation(heard, &conf) {
            self.update_neighbour(now, index, &update);
        }
        if let Some(advertiser) = self.own(index).and_then(|own| own.advertiser.as_mut()) {
            advertiser.handle_solicitation(now, heard);
        }
    }

    fn handle_router(&mut self, now: Nanos, index: u16, heard: &RouterAdvertisement) {
        if let Some(own) = self.own(index) {
            // A station that cannot be told where it is has been heard all the same.
            let _ = own.host.handle_advertisement(now, heard);
        }
        self.apply_host(now, index);
    }

    fn handle_redirect6(&mut self, now: Nanos, index: u16, heard: &Redirect) {
        let conf = self.conf6(index);
        let Some(update) = decide::redirect(heard, &conf) else { return };
        if self.learn_redirect6(now, index, heard) {
            self.update_neighbour(now, index, &update);
        }
    }

    /// Tells a neighbour's entry what was heard of it.
    pub(super) fn update_neighbour(&mut self, now: Nanos, index: u16, update: &Update) {
        let key = Key { iface: index, address: update.address.into() };
        let entry = self.neighbours.lookup(key);
        let was_router = entry.is_some_and(|entry| entry.flags.router);
        let known = entry.map(|entry| entry.state);
        match known {
            Some(State::Failed) if update.unless_failed => return,
            None if !update.create || !self.neighbours.create(now, key) => return,
            _ => {}
        }
        let flags = UpdateFlags {
            overrides: update.overrides,
            weak: update.weak,
            overrides_router: update.router.is_some(),
            router: update.router.unwrap_or(false),
            ..UpdateFlags::default()
        };
        // One that is made of an answer nobody asked for has yet to be asked itself.
        let reachable = update.reachable && known.is_some();
        let state = if reachable { State::Reachable } else { State::Stale };
        // What is the administrator's, or lacks an address, stays as it is.
        let _ = self.neighbours.update(now, key, update.mac, state, flags);
        self.act(now);
        // Who is no router any more routes nothing (`rt6_clean_tohost`).
        if was_router && update.router == Some(false) {
            if let Some(own) = self.own(index) {
                own.host.forget_routers(|gateway| gateway == update.address);
            }
            self.apply_host(now, index);
        }
    }

    /// Asks for an IPv6 neighbour, all stations that may be it or the one at `mac`.
    pub(super) fn solicit_six(&mut self, index: u16, target: Ipv6Addr, mac: Option<MacAddr>) {
        let key = Key { iface: index, address: IpAddr::V6(target) };
        // In the name that the packet bears, where it is one of this interface.
        let bears = self.neighbours.hint(key).and_then(|packet| {
            let ip = packet.data().get(packet.l3()..)?;
            (ip.first()? >> 4 == 6).then_some(())?;
            Some(Ipv6Addr::from(*ip.get(8..24)?.first_chunk::<16>()?))
        });
        let Some(mine) = self.mac_of(index) else { return };
        let Some(own) = self.own(index) else { return };
        let usable = |src: &Ipv6Addr| {
            own.host.address(*src).is_some_and(|own| !own.flags.tentative || own.flags.optimistic)
        };
        let source = bears.filter(usable);
        let link_local = own.host.link_local();
        let Some(asked) = decide::question(target, mac.is_some(), source, link_local, mine) else {
            return;
        };
        let to = mac.unwrap_or_else(|| group_mac(solicited_node(target)));
        let mut packet = asked.to_bytes();
        envelope::set_class(&mut packet, self.class_of_discovery(index));
        self.send_link(index, to, &[0x86, 0xdd], &packet);
    }

    /// Sends a frame of the management core's own on an interface.
    pub(super) fn send_link(
        &mut self,
        index: u16,
        to: MacAddr,
        ethertype: &[u8; 2],
        payload: &[u8],
    ) {
        let Some(iface) = self.ifaces.iter().find(|iface| iface.index == index && iface.up) else {
            return;
        };
        let Some(mut packet) = self.pool.alloc() else { return };
        let mut frame = Vec::with_capacity(128);
        frame.extend_from_slice(&to.octets());
        frame.extend_from_slice(&iface.mac.octets());
        if let Some(vlan) = iface.vlan {
            frame.extend_from_slice(&[0x81, 0x00]);
            frame.extend_from_slice(&vlan.to_be_bytes());
        }
        frame.extend_from_slice(ethertype);
        frame.extend_from_slice(payload);
        if packet.fill(&frame) {
            let l3 = frame.len() - payload.len();
            packet.begin(index, l3 as u8, Flags::LOCAL_OUT);
            packet.set_port(iface.port);
            packet.set_hop(0);
            self.made += 1;
            if ethertype == &[0x86, 0xdd] {
                self.count_six(payload);
            }
            let entry = match *ethertype {
                [0x86, 0xdd] if self.filters_own(true) => Entry::LinkOut6,
                [0x08, 0x00] if self.filters_own(false) => Entry::LinkOut,
                _ => Entry::Transmit,
            };
            self.injected.push(Injected { entry, packet });
        }
    }
}
