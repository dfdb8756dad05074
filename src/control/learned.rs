//! What the router learns about single destinations: path MTUs and better gateways.
//!
//! - takes: ICMP errors and redirects about the router's own packets
//! - gives: exceptions from routes, as [`Exceptions`] for the workers
//! - obeys: RFC 1191, RFC 1122 section 3.2.2.2; `__ip_rt_update_pmtu`, `__ip_do_redirect`; ledger 5.69
//!   to 5.76 and 5.97 to 5.101: 600 s, at least 552 bytes, 2048 places of at most five exceptions by next hop

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, hash_map},
    fmt,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use ipnet::IpNet;

use super::{Router, links::View};
use crate::{
    dpdk::mbuf::Packet,
    graph::{Nanos, Reason},
    ip6::table::Parsed,
    neighbour::control::Key,
    packet::{
        icmp6::{self, Icmp6View},
        ipv4::{self, Ipv4View, protocol},
        ipv6::{Ipv6View, MIN_MTU, address},
        l3_hash6,
        ndisc::Redirect,
    },
    route::{
        exceptions::{Entry, Exceptions},
        hops::HopSpec,
        policy::Flow,
        table::HopKind,
    },
};

const SECOND: Nanos = 1_000_000_000;
/// How long a redirect is believed (`RT_GC_TIMEOUT`).
const REDIRECT_HOLDS: Nanos = 300 * SECOND;
/// Places of a next hop's exceptions (`FNHE_HASH_SIZE`), and how many one holds.
const PLACES: u32 = 2048;
const DEPTH: usize = 5;
/// Bound over all next hops.
const LIMIT: usize = 65_536;

/// One exception.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Learned {
    /// Path MTU.
    pub mtu: Option<u16>,
    /// The MTU is not to be lowered further.
    pub locked: bool,
    /// Gateway in the place of the route's.
    pub gateway: Option<IpAddr>,
    expires: Nanos,
    /// Grows with each change, so that the oldest can be told.
    stamp: u64,
    output: u32,
    transit: Option<u32>,
}

impl Learned {
    /// Nanoseconds for which it still holds.
    pub fn left(&self, now: Nanos) -> Nanos {
        self.expires.saturating_sub(now)
    }
}

impl fmt::Display for Learned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(gateway) = self.gateway {
            write!(f, "redirected to {gateway} ")?;
        }
        match self.mtu {
            Some(mtu) if self.locked => write!(f, "mtu lock {mtu}"),
            Some(mtu) => write!(f, "mtu {mtu}"),
            None => Ok(()),
        }
    }
}

/// All exceptions, by the hop of the route and the destination.
#[derive(Default)]
pub(super) struct Memory {
    all: BTreeMap<(u32, IpAddr), Learned>,
    /// The same by destination.
    by_dst: BTreeSet<(IpAddr, u32)>,
    /// The same by the end of their time.
    ends: BTreeSet<(Nanos, (u32, IpAddr))>,
    /// The same by age.
    ages: BTreeMap<u64, (u32, IpAddr)>,
    /// Destinations by hop and place, the oldest first.
    places: HashMap<(u32, u32), Vec<IpAddr>>,
    stamp: u64,
    changed: bool,
}

impl Memory {
    /// What was learned about destinations in a network, and `of` each of them.
    pub(super) fn within<T>(
        &self,
        net: IpNet,
        of: impl Fn(IpAddr) -> T,
    ) -> Vec<((u32, IpAddr), IpAddr, T)> {
        let found = self.by_dst.range((net.network(), 0)..=(net.broadcast(), u32::MAX));
        found.map(|(dst, hop)| ((*hop, *dst), *dst, of(*dst))).collect()
    }
}

fn place(dst: IpAddr) -> u32 {
    let word = match dst {
        IpAddr::V4(four) => four.to_bits(),
        IpAddr::V6(six) => l3_hash6(six.to_bits(), 0, 0, 0),
    };
    (word.wrapping_mul(0x9e37_79b1) >> 16) % PLACES
}

impl Router {
    /// What was learned about a destination by a hop.
    pub fn exception(&self, hop: u32, dst: IpAddr) -> Option<&Learned> {
        self.memory.all.get(&(hop, dst))
    }

    /// All that was learned, with the hop of the route and the destination.
    pub fn exceptions(&self) -> impl Iterator<Item = (u32, IpAddr, &Learned)> {
        self.memory.all.iter().map(|((hop, dst), learned)| (*hop, *dst, learned))
    }

    /// Sets how long a path MTU of IPv6 is believed.
    pub fn set_path_rules6(&mut self, holds: Nanos) {
        self.pmtu_holds6 = holds;
    }

    /// Sets `net.ipv4.route.min_pmtu` and how long a path MTU is believed.
    pub fn set_path_rules(&mut self, min_pmtu: u16, holds: Nanos) {
        (self.min_pmtu, self.pmtu_holds) = (min_pmtu, holds);
    }

    /// Forgets what was learned by a hop about a destination, where `gone` says so (`ip route flush
    /// cache`).
    pub fn forget_exceptions(&mut self, gone: impl Fn(u32, IpAddr) -> bool) {
        let keys = self.memory.all.keys().copied().filter(|(hop, dst)| gone(*hop, *dst));
        let keys: Vec<_> = keys.collect();
        for key in keys {
            self.forget(key);
        }
    }

    pub(super) fn forget(&mut self, key: (u32, IpAddr)) {
        if let Some(learned) = self.memory.all.remove(&key) {
            self.memory.by_dst.remove(&(key.1, key.0));
            self.memory.ends.remove(&(learned.expires, key));
            self.memory.ages.remove(&learned.stamp);
            let (hop, dst) = key;
            if let hash_map::Entry::Occupied(mut here) = self.memory.places.entry((hop, place(dst)))
            {
                here.get_mut().retain(|other| *other != dst);
                if here.get().is_empty() {
                    here.remove();
                }
            }
            self.hops.release(learned.output);
            learned.transit.into_iter().for_each(|hop| self.hops.release(hop));
            self.memory.changed = true;
            self.dirty = true;
        }
    }

    /// Forgets what hangs on a hop that is no more.
    pub(super) fn forget_hop(&mut self, hop: u32) {
        // Addresses of IPv4 come before all of IPv6.
        let first = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let keys = self.memory.all.range((hop, first)..(hop + 1, first));
        let keys: Vec<_> = keys.map(|(key, _)| *key).collect();
        for key in keys {
            self.forget(key);
        }
    }

    /// Forgets what has come to its time.
    pub(super) fn expire_exceptions(&mut self, now: Nanos) {
        self.now = self.now.max(now);
        while let Some((end, key)) = self.memory.ends.first().copied()
            && end <= now
        {
            self.forget(key);
        }
    }

    /// When [`Router::expire_exceptions`] has something to do.
    pub(super) fn next_exception(&self) -> Option<Nanos> {
        self.memory.ends.first().map(|(end, _)| *end)
    }

    /// Puts new exceptions where workers read them.
    pub(super) fn publish_exceptions(&mut self) {
        if !std::mem::take(&mut self.memory.changed) {
            return;
        }
        let (mut transit, mut output): (Vec<Entry>, Vec<Entry>) = (Vec::new(), Vec::new());
        let mut output6: Vec<Entry<u128>> = Vec::new();
        for ((hop, dst), learned) in &self.memory.all {
            match dst {
                IpAddr::V4(dst) => {
                    output.push((*hop, dst.to_bits(), learned.output));
                    if let Some(way) = learned.transit {
                        transit.push((*hop, dst.to_bits(), way));
                    }
                }
                IpAddr::V6(dst) => output6.push((*hop, dst.to_bits(), learned.output)),
            }
        }
        self.learned = Arc::new(Exceptions::new(&transit, &output, &output6));
    }

    /// A worker left an ICMP error about a packet that the router itself has sent.
    pub(super) fn handle_error(&mut self, now: Nanos, packet: Packet) {
        let bytes = packet.data().get(packet.l3()..).unwrap_or_default();
        if bytes.first().is_some_and(|first| first >> 4 == 6) {
            return self.handle_error6(now, packet);
        }
        let ip = Ipv4View::new_checked(bytes);
        // What answers a TCP probe comes here as well, and was refused.
        let reason = match &ip {
            Ok(ip) if ip.protocol() == protocol::TCP => Reason::TcpNoSocket,
            _ => Reason::IcmpConsumed,
        };
        if let Ok(ip) = ip
            && ip.protocol() == protocol::ICMP
            && let Some((message, quoted)) = ip.payload().split_at_checked(8)
            && let Ok(quoted) = Ipv4View::new_quoted(quoted)
        {
            let iface = packet.iface();
            match message[..2] {
                [3, 4] => {
                    let mtu = u16::from_be_bytes([message[6], message[7]]);
                    self.learn_mtu(now, iface, &quoted, mtu);
                }
                [5, 0..=3] => {
                    let gateway = Ipv4Addr::new(message[4], message[5], message[6], message[7]);
                    self.learn_redirect(now, iface, ip.src(), gateway, &quoted);
                }
                _ => {}
            }
        }
        self.discard(packet, reason);
    }

    /// The hops of the router's own packets to `dst`, as the workers choose them, and the routes'
    /// own ways: one, or all next hops of a group.
    fn own_ways(&self, flow: &Flow) -> Vec<u32> {
        let tables = self.current();
        let index = tables.route(flow);
        let hop = tables.hops.get(index);
        match hop.kind() {
            HopKind::Group => tables.hops.members(hop).collect(),
            HopKind::Neighbour | HopKind::Link => vec![index],
            _ => Vec::new(),
        }
    }

    /// The flow of a packet of the router's own that an ICMP error quotes.
    fn own_flow(&self, iface: u16, quoted: &Ipv4View<'_>) -> Flow {
        let vrf = self.ifaces.iter().find(|own| own.index == iface).map_or(0, |own| own.vrf);
        Flow {
            src: quoted.src().to_bits(),
            tos: quoted.tos(),
            protocol: quoted.protocol(),
            ..Flow::out(quoted.dst().to_bits(), vrf)
        }
    }

    /// Somebody on the way could not pass a packet of ours on.
    pub(super) fn learn_mtu(&mut self, now: Nanos, iface: u16, quoted: &Ipv4View<'_>, mtu: u16) {
        let flow = self.own_flow(iface, quoted);
        let least = self.min_pmtu;
        for hop in self.own_ways(&flow) {
            let dst = IpAddr::V4(quoted.dst());
            let known = self.memory.all.get(&(hop, dst)).cloned();
            let facts = self.hops.table().get(hop);
            if facts.attrs().mtu_locked {
                continue;
            }
            let old = known.as_ref().and_then(|known| known.mtu).unwrap_or(facts.out().mtu);
            if known.as_ref().is_some_and(|known| known.locked) || old < mtu {
                continue;
            }
            let (mtu, locked) = if mtu < least { (old.min(least), true) } else { (mtu, false) };
            let same = known.as_ref().is_some_and(|known| {
                known.mtu == Some(mtu) && !locked && known.left(now) > self.pmtu_holds / 2
            });
            if !same {
                let gateway = known.and_then(|known| known.gateway);
                self.remember(now, (hop, dst), Some(mtu), locked, gateway, self.pmtu_holds);
            }
        }
    }

    /// A gateway knows a better one for a packet of ours.
    pub(super) fn learn_redirect(
        &mut self,
        now: Nanos,
        iface: u16,
        from: Ipv4Addr,
        gateway: Ipv4Addr,
        quoted: &Ipv4View<'_>,
    ) {
        let Some(own) = self.ifaces.iter().find(|own| own.index == iface) else { return };
        let conf = own.conf;
        let bits = gateway.to_bits();
        let impossible = ipv4::is_multicast(bits) || ipv4::is_limited_broadcast(bits) || bits == 0;
        if gateway == from || !conf.accept_redirects || impossible {
            return;
        }
        if conf.shared_media {
            // Whatever is not the router's own or a broadcast address counts (`inet_addr_type`).
            let flow = Flow::out(bits, own.vrf);
            let tables = self.current();
            if matches!(
                tables.hops.get(tables.route(&flow)).kind(),
                HopKind::Local | HopKind::Broadcast | HopKind::Invalid
            ) {
                return;
            }
        } else {
            let known = self.is_gateway(iface, gateway);
            if !own.on_link(gateway, from) || conf.secure_redirects && !known {
                return;
            }
        }
        let flow = self.own_flow(iface, quoted);
        let ways = self.own_ways(&flow);
        let dst = IpAddr::V4(quoted.dst());
        for hop in ways {
            let facts = self.hops.table().get(hop);
            let current = self.exception(hop, dst).and_then(|known| known.gateway);
            let stated = facts.gateway().filter(|_| facts.kind() == HopKind::Neighbour);
            let by = current.or(stated.map(IpAddr::V4));
            if by != Some(from.into()) {
                continue;
            }
            // Until the new gateway has answered, the old one serves.
            let key = Key { iface: facts.out().iface, address: gateway.into() };
            let valid = self.neighbours.get(key).is_some_and(|entry| entry.state.is_valid());
            if !valid {
                self.neighbours.handle_use(now, key);
                self.act(now);
                continue;
            }
            let known = self.exception(hop, dst);
            let (mtu, locked) = known.map_or((None, false), |known| (known.mtu, known.locked));
            let gateway = Some(gateway.into());
            self.remember(now, (hop, dst), mtu, locked, gateway, REDIRECT_HOLDS);
        }
    }

    /// True when some default route goes by this gateway (`ip_fib_check_default`).
    fn is_gateway(&self, iface: u16, gateway: Ipv4Addr) -> bool {
        let through = |info: &crate::route::rib::RouteInfo| {
            self.objects
                .of(info)
                .iter()
                .any(|hop| hop.gateway == Some(gateway.into()) && hop.iface == iface)
        };
        self.routes.rib().all_infos().any(|(_, info)| through(info))
    }

    /// A worker left an ICMPv6 error about a packet that the router itself has sent.
    fn handle_error6(&mut self, now: Nanos, packet: Packet) {
        let at = usize::from(Parsed::of(&packet).at);
        let bytes = packet.data().get(packet.l3()..).unwrap_or_default();
        if let Some(message) = bytes.get(at..)
            && let Ok(error) = Icmp6View::new_checked(message)
            && let Ok(quoted) = error.quoted()
            && error.ty() == icmp6::ty::PACKET_TOO_BIG
        {
            self.learn_mtu6(now, packet.iface(), &quoted, error.word());
        }
        let number = bytes.get(usize::from(Parsed::of(&packet).named_at));
        let reason = match number.copied() {
            Some(protocol::TCP) => Reason::TcpNoSocket,
            _ => Reason::Icmp6Consumed,
        };
        self.discard(packet, reason);
    }

    /// Somebody on the way could not pass a packet of ours on (`__ip6_rt_update_pmtu`): what is below
    /// the least that a link carries is not believed, and no lock of a route holds it off.
    pub(super) fn learn_mtu6(&mut self, now: Nanos, iface: u16, quoted: &Ipv6View<'_>, mtu: u32) {
        let Ok(mtu) = u16::try_from(mtu) else { return };
        if mtu < MIN_MTU {
            return;
        }
        let vrf = self.ifaces.iter().find(|own| own.index == iface).map_or(0, |own| own.vrf);
        let flow = Flow {
            src: quoted.src_bits(),
            tos: quoted.traffic_class(),
            protocol: quoted.next_header(),
            ..Flow::out(quoted.dst_bits(), vrf)
        };
        let tables = self.current();
        let index = match address::is_link_local(flow.dst) {
            true => tables.ifaces.get(iface).map_or(0, |own| own.link6),
            false => tables.route6(&flow),
        };
        let hop = tables.hops.get(index);
        let ways: Vec<u32> = match hop.kind() {
            HopKind::Group => tables.hops.members(hop).collect(),
            HopKind::Neighbour | HopKind::Link => vec![index],
            _ => Vec::new(),
        };
        let dst = IpAddr::V6(quoted.dst());
        for hop in ways {
            let known = self.exception(hop, dst).cloned();
            let old = known.as_ref().and_then(|known| known.mtu);
            let old = old.unwrap_or(self.hops.table().get(hop).out().mtu);
            if mtu < old {
                let gateway = known.and_then(|known| known.gateway);
                self.remember(now, (hop, dst), Some(mtu), false, gateway, self.pmtu_holds6);
            }
        }
    }

    fn remember(
        &mut self,
        now: Nanos,
        key: (u32, IpAddr),
        mtu: Option<u16>,
        locked: bool,
        gateway: Option<IpAddr>,
        holds: Nanos,
    ) {
        let (hop, dst) = key;
        let Some(HopSpec::Via { iface, six, gateway: by, mtu: route_mtu, prefsrc, attrs }) =
            self.hops.spec(hop).cloned()
        else {
            return;
        };
        let via = |mtu: Option<u16>| HopSpec::Via {
            iface,
            six,
            gateway: Some(gateway.or(by).unwrap_or(dst)),
            mtu: match (mtu, route_mtu) {
                (Some(learned), Some(stated)) => Some(learned.min(stated)),
                (learned, stated) => learned.or(stated),
            },
            prefsrc,
            attrs,
        };
        let transit_mtu = mtu.filter(|_| self.tunables().forward_use_pmtu);
        let in_transit = gateway.is_some() || transit_mtu.is_some();
        let view = View { ifaces: &self.ifaces, neighbours: &self.neighbours };
        let Ok(output) = self.hops.acquire(via(mtu), &view) else { return };
        let transit = match in_transit {
            true => self.hops.acquire(via(transit_mtu), &view).ok(),
            false => None,
        };
        // What is released below may be what was just taken again.
        self.forget(key);
        self.make_room(key);
        self.memory.stamp += 1;
        let learned = Learned {
            mtu,
            locked,
            gateway,
            expires: now + holds,
            stamp: self.memory.stamp,
            output,
            transit,
        };
        self.memory.ends.insert((learned.expires, key));
        self.memory.ages.insert(learned.stamp, key);
        self.memory.places.entry((hop, place(dst))).or_default().push(dst);
        self.memory.all.insert(key, learned);
        self.memory.by_dst.insert((key.1, key.0));
        self.memory.changed = true;
        self.dirty = true;
        self.note_hop_changes();
    }

    /// The oldest exception of a full place goes.
    fn make_room(&mut self, (hop, dst): (u32, IpAddr)) {
        if let Some(here) = self.memory.places.get(&(hop, place(dst)))
            && here.len() >= DEPTH
        {
            self.forget((hop, here[0]));
        }
        if self.memory.all.len() >= LIMIT
            && let Some(key) = self.memory.ages.values().next().copied()
        {
            self.forget(key);
        }
    }
}

impl Router {
    /// A gateway of IPv6 knows a better one, or that the destination is on the link
    /// (`rt6_do_redirect`); false when it is not the one that our packets go by.
    pub(super) fn learn_redirect6(&mut self, now: Nanos, iface: u16, heard: &Redirect) -> bool {
        let vrf = self.ifaces.iter().find(|own| own.index == iface).map_or(0, |own| own.vrf);
        let flow = Flow { src: heard.dst.to_bits(), ..Flow::out(heard.destination.to_bits(), vrf) };
        let tables = self.current();
        let index = tables.route6(&flow);
        let hop = tables.hops.get(index);
        let ways: Vec<u32> = match hop.kind() {
            HopKind::Group => tables.hops.members(hop).collect(),
            HopKind::Neighbour => vec![index],
            _ => Vec::new(),
        };
        let dst = IpAddr::V6(heard.destination);
        let mut believed = false;
        for hop in ways {
            let known = self.exception(hop, dst).cloned();
            let stated = self.hops.table().gateway6(hop).map(IpAddr::V6);
            let by = known.as_ref().and_then(|known| known.gateway).or(stated);
            if by != Some(heard.src.into()) || self.hops.table().get(hop).out().iface != iface {
                continue;
            }
            believed = true;
            let gateway = Some(heard.target.into());
            // What was known of the path lay behind the other gateway (`rt6_insert_exception`).
            self.remember(now, (hop, dst), None, false, gateway, REDIRECT_HOLDS);
        }
        believed
    }
}
