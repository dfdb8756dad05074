//! ARP of the management core: questions asked, heard and answered.
//!
//! - takes: ARP packets that workers left, and neighbours that have to be asked
//! - gives: requests, answers for the router and for those it speaks for, announcements
//! - obeys: RFC 826, RFC 5227; `arp_rcv`, `arp_process`, `arp_solicit`; the decisions are
//!   `neighbour/arp.rs`

use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;

use super::Router;
use crate::{
    dpdk::mbuf::{Flags, Packet},
    graph::{Nanos, Reason},
    neighbour::{
        arp::{self, Answer, Came, Facts, Kind, Learn},
        control::{Family, Key, Var},
    },
    packet::{
        Flow, MacAddr,
        arp::{ArpSpec, ArpView},
        ipv4, l3_hash,
    },
    port::table::{Iface, IfaceAddr},
    route::{
        spec::{RouteType, table},
        table::HopKind,
    },
    tables::Tables,
};

/// What an ARP packet on an interface may ask about the router.
struct World<'a> {
    router: &'a Router,
    tables: &'a Tables,
    iface: &'a Iface,
}

/// Scope of an address (`inet_rtm_newaddr` with iproute2's default).
fn scope_of(own: &IfaceAddr) -> u8 {
    if own.local.addr().is_loopback() { arp::scope::HOST } else { 0 }
}

fn scoped(iface: &Iface) -> impl Iterator<Item = (Ipv4Net, u8)> + '_ {
    iface.addresses.iter().map(|own| (own.local, scope_of(own)))
}

impl World<'_> {
    /// Where a flow goes: the kind of its route, and the interface it leaves by.
    fn way(&self, flow: &Flow) -> (HopKind, u16) {
        let hops = &self.tables.hops;
        let mut hop = hops.get(self.tables.route(flow));
        if hop.kind() == HopKind::Vrf {
            hop = hops.get(self.tables.route_within(flow, hop.out().iface));
        }
        if hop.kind() == HopKind::Group {
            let seed = self.tables.tunables.multipath.seed;
            hop = hops.get(hops.member(hop, l3_hash(flow.src, flow.dst, seed)));
        }
        (hop.kind(), hop.out().iface)
    }
}

impl Facts for World<'_> {
    fn kind(&self, address: Ipv4Addr) -> Kind {
        self.router.kind_of(self.iface, address)
    }

    fn arrives(&self, sender: Ipv4Addr, target: Ipv4Addr) -> Option<(Kind, u16)> {
        let (conf, index) = (&self.iface.conf, self.iface.index);
        let bits = sender.to_bits();
        let impossible = ipv4::is_multicast(bits)
            || ipv4::is_limited_broadcast(bits)
            || ipv4::is_loopback(bits) && !conf.route_localnet
            || target.is_unspecified();
        if impossible || self.tables.denies_source(self.iface, sender) {
            return None;
        }
        if target.is_broadcast() {
            return Some((Kind::Broadcast, index));
        }
        let flow =
            Flow { src: bits, iif: index, oif: 0, ..Flow::out(target.to_bits(), self.iface.vrf) };
        let believed = |out: u16| {
            let redirects = out == index && conf.send_redirects;
            let asks = conf.rp_filter != 0 || self.tables.custom_locals || redirects;
            let back = Flow { iif: out, ..flow };
            !asks || self.tables.validate_source(index, &back).is_ok()
        };
        match self.way(&flow) {
            (HopKind::Local, _) => believed(0).then_some((Kind::Local, index)),
            (HopKind::Broadcast, _) => Some((Kind::Broadcast, index)),
            // Without forwarding there is no route.
            (HopKind::Neighbour | HopKind::Link, _) if !conf.forwarding => {
                Some((Kind::Other, index))
            }
            // Back where it came from a route leads only for private VLANs (`__mkroute_input`).
            (HopKind::Neighbour | HopKind::Link, out) => (believed(out)
                && (out != index || conf.arp.proxy_pvlan))
                .then_some((Kind::Unicast, out)),
            _ => Some((Kind::Other, index)),
        }
    }

    fn leaves(&self, to: Ipv4Addr, source: Ipv4Addr) -> Option<u16> {
        let vrf = self.iface.own_vrf();
        let flow = Flow { src: source.to_bits(), ..Flow::out(to.to_bits(), vrf) };
        match self.way(&flow) {
            (HopKind::Neighbour | HopKind::Link | HopKind::Broadcast, out) => Some(out),
            (HopKind::Local, _) => Some(0),
            _ => None,
        }
    }

    fn confirms(&self, anywhere: bool, peer: Ipv4Addr, local: Ipv4Addr, widest: u8) -> bool {
        let here = |iface: &Iface| {
            let localnet = iface.conf.route_localnet;
            arp::confirm(scoped(iface), peer, local, widest, localnet).is_some()
        };
        if anywhere { self.router.ifaces.iter().any(here) } else { here(self.iface) }
    }

    fn proxied(&self, target: Ipv4Addr) -> bool {
        self.router.neighbours.proxy(self.iface.index, target.into()).is_some()
    }

    fn medium(&self, iface: u16) -> i32 {
        let other = self.router.ifaces.iter().find(|other| other.index == iface);
        other.map_or(0, |other| other.conf.arp.medium)
    }
}

impl Router {
    /// What an address is to an interface: by the local table, or that of its VRF
    /// (`inet_addr_type_dev_table`).
    fn kind_of(&self, iface: &Iface, address: Ipv4Addr) -> Kind {
        let bits = address.to_bits();
        if address.is_unspecified() || ipv4::is_limited_broadcast(bits) {
            return Kind::Broadcast;
        }
        if ipv4::is_multicast(bits) {
            return Kind::Multicast;
        }
        let vrf = iface.own_vrf();
        let table = match vrf {
            0 => table::LOCAL,
            _ => self.table_of(iface.index),
        };
        if vrf == 0 && ipv4::is_loopback(bits) {
            return Kind::Local;
        }
        let rib = self.routes.rib();
        let alive = |(_, aliases): (_, &[crate::route::rib::Alias])| {
            aliases.iter().find(|alias| !rib.is_dead(alias.info)).map(|alias| alias.info)
        };
        let found = rib.matches(table, bits).find_map(alive).and_then(|id| rib.info(id));
        match found.map(|info| info.kind) {
            None | Some(RouteType::Unicast) => Kind::Unicast,
            Some(RouteType::Local) => Kind::Local,
            Some(RouteType::Broadcast) => Kind::Broadcast,
            Some(RouteType::Multicast) => Kind::Multicast,
            Some(_) => Kind::Other,
        }
    }

    /// Sends an ARP packet on an interface, unless nobody speaks ARP there.
    pub(super) fn send_arp(&mut self, index: u16, to: MacAddr, arp: &ArpSpec) {
        if self.ifaces.iter().any(|iface| iface.index == index && iface.noarp) {
            return;
        }
        self.send_link(index, to, &[0x08, 0x06], &arp.to_bytes());
    }

    /// Asks all stations for an address, or the one at `mac`.
    pub(super) fn solicit(&mut self, key: Key, target: Ipv4Addr, mac: Option<MacAddr>) {
        let Some(iface) = self.ifaces.iter().find(|iface| iface.index == key.iface) else { return };
        let bears = self.neighbours.hint(key).and_then(|packet| {
            let ip = packet.data().get(packet.l3()..)?;
            Some(Ipv4Addr::from(*ip.get(12..16)?.first_chunk::<4>()?))
        });
        let vrf = iface.own_vrf();
        // The VRF's own address goes before those of the others in it (`inet_select_addr`).
        let same = || {
            let all = || self.ifaces.iter().filter(move |other| other.own_vrf() == vrf);
            all().filter(|own| own.vrf_table.is_some()).chain(all())
        };
        let bears = arp::announce(
            iface.conf.arp.announce,
            bears,
            |source| self.kind_of(iface, source) == Kind::Local,
            |source| iface.on_link(target, source),
        );
        let any = || same().find_map(|other| other.select_address(target));
        let chosen = bears.or_else(|| iface.select_address(target)).or_else(any);
        let source = chosen.unwrap_or(Ipv4Addr::UNSPECIFIED);
        let arp = ArpSpec::request(iface.mac, source, target);
        self.send_arp(key.iface, mac.unwrap_or(MacAddr::BROADCAST), &arp);
    }

    /// Tells everybody on a link where the router's addresses are (`inetdev_send_gratuitous_arp`).
    pub(super) fn announce(&mut self, index: u16) {
        let Some(iface) = self.ifaces.iter().find(|iface| iface.index == index) else { return };
        let mac = iface.mac;
        let own: Vec<Ipv4Addr> = iface.addresses.iter().map(|own| own.local.addr()).collect();
        for address in own {
            self.send_arp(index, MacAddr::BROADCAST, &ArpSpec::request(mac, address, address));
        }
    }

    /// A worker left an ARP packet, or one has `waited` for its answer.
    pub(super) fn handle_arp(&mut self, now: Nanos, packet: Packet, waited: bool) {
        let (index, l3) = (packet.iface(), packet.l3());
        if !self.ifaces.iter().any(|iface| iface.index == index && iface.up) {
            return self.drop_packet(packet, Reason::LinkDown);
        }
        let Ok(arp) = ArpView::new_checked(packet.data().get(l3..).unwrap_or_default()) else {
            return self.drop_packet(packet, Reason::ArpMalformed);
        };
        let broadcast = packet.flags().any(Flags::L2_BROADCAST.with(Flags::L2_MULTICAST));
        if !waited {
            self.hear_arp(now, index, &arp, broadcast);
        }
        let here = |iface: &&Iface| iface.index == index && !iface.noarp;
        let Some(iface) = self.ifaces.iter().find(here) else {
            return self.drop_packet(packet, Reason::LocalDone);
        };
        let params = self.neighbours.params(Some(index), Family::Arp);
        let came = Came {
            iface: index,
            unicast: !broadcast,
            waited,
            conf: iface.conf.arp,
            forwarding: iface.conf.forwarding,
            route_localnet: iface.conf.route_localnet,
            delays: params.get(Var::ProxyDelay) != 0,
        };
        let tables = self.current();
        let world = World { router: self, tables: &tables, iface };
        let verdict = arp::consider(&arp, &came, &world);
        let key = Key { iface: index, address: arp.sender_ip().into() };
        let (mac, target, ours) = (arp.sender_mac(), arp.target_ip(), iface.mac);
        let reply = ArpSpec::reply(ours, target, mac, arp.sender_ip());
        let mut there = true;
        match verdict.learn {
            Learn::No => {}
            Learn::Request => there = self.neighbours.learn(now, key, mac),
            Learn::Hear { state, create, gratuitous } => {
                self.neighbours.hear(now, key, mac, state, (create, gratuitous));
            }
        }
        // What waited for the sender goes before the answer to it, as from the kernel.
        self.act(now);
        match verdict.answer {
            Answer::Now => self.send_arp(index, mac, &reply),
            Answer::IfLearned if there => self.send_arp(index, mac, &reply),
            Answer::Later => {
                let target = IpAddr::V4(target);
                self.neighbours.delay(now, index, Family::Arp, target, packet);
                return self.act(now);
            }
            Answer::Filtered => return self.drop_packet(packet, Reason::ArpFilter),
            Answer::No | Answer::IfLearned => {}
        }
        self.drop_packet(packet, Reason::LocalDone);
    }
}
