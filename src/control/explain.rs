//! Why a packet takes the way it takes: rules, tables, routes, what was learned, and neighbours,
//! asked one after the other on the management core.

use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv6Addr},
};

use super::{Router, families::Kept};
use crate::{
    neighbour::control::Key,
    packet::{Bits, ipv4::Ipv4Spec},
    port::table::LOOPBACK,
    route::{
        control::ITSELF,
        multipath::path_hash,
        multipath6::path_hash6,
        policy::{Flow, dscp_mask},
        rib::{Alias, Prefix},
        spec::{RouteType, RuleAction, RuleSpec, table},
        table::HopKind,
    },
    tables::source_of,
};

/// A packet whose way is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Query<B = u32> {
    /// Its fields; interfaces are filled in.
    pub flow: Flow<B>,
    /// Interface by which it comes, 0 for a packet of the router's own.
    pub iif: u16,
    /// Interface by which it has to leave, 0 for any.
    pub oif: u16,
}

/// The way found.
#[derive(Clone, Debug)]
pub struct Explanation<B = u32> {
    /// What the packet meets.
    pub kind: RouteType,
    /// Prefix of the route.
    pub prefix: Prefix<B>,
    /// The route; `None` where a rule alone decides.
    pub alias: Option<Alias>,
    /// Interface.
    pub iface: u16,
    /// Gateway.
    pub gateway: Option<IpAddr>,
    /// Learned path MTU.
    pub mtu: Option<u32>,
    /// The learned path MTU is locked.
    pub mtu_locked: bool,
    /// Seconds that what was learned still holds.
    pub expires: Option<u64>,
    /// Everything in words, a line each.
    pub story: String,
}

/// The name of a table that has one, else its number.
fn table_name(id: u32) -> String {
    match id {
        table::DEFAULT => "default".to_owned(),
        table::MAIN => "main".to_owned(),
        table::LOCAL => "local".to_owned(),
        other => other.to_string(),
    }
}

impl Router {
    /// The VRF of an interface: its own index for a VRF.
    fn vrf_of(&self, index: u16) -> u16 {
        self.ifaces.iter().find(|iface| iface.index == index).map_or(0, |iface| iface.own_vrf())
    }

    fn rule_fits<B: Kept>(&self, rule: &RuleSpec, flow: &Flow<B>) -> bool {
        let index = |name: &str| match self.iface(name) {
            Some(iface) => Some(iface.index),
            None if name == "lo" => Some(0),
            None => None,
        };
        let in_range = |range: Option<(u16, u16)>, port: u16| {
            range.is_none_or(|(first, last)| (first..=last).contains(&port))
        };
        // A rule for a VRF takes what comes and goes by its interfaces.
        let is = |name: &String, own: u16| {
            let named = index(name);
            named == Some(own) || own != 0 && flow.vrf != 0 && named == Some(flow.vrf)
        };
        let all = rule.from.contains(&flow.src.address())
            && rule.to.contains(&flow.dst.address())
            && (rule.tos == 0 || rule.tos >> 2 == flow.tos >> 2 & dscp_mask::<B>())
            && (rule.fwmask == 0 || flow.mark & rule.fwmask == rule.fwmark & rule.fwmask)
            && rule.iif.as_ref().is_none_or(|name| is(name, flow.iif))
            && rule.oif.as_ref().is_none_or(|name| is(name, flow.oif))
            && (rule.ipproto == 0 || rule.ipproto == flow.protocol)
            && in_range(rule.sport, flow.sport)
            && in_range(rule.dport, flow.dport)
            && (!rule.l3mdev || flow.vrf != 0);
        all != rule.invert
    }

    /// The route of one table for a flow, with its prefix.
    fn route_in<B: Kept>(
        &self,
        table_id: u32,
        flow: &Flow<B>,
        oif: u16,
    ) -> Option<(Prefix<B>, Alias)> {
        let rib = B::routes(self).rib();
        let fits = |alias: &&Alias| {
            let Some(info) = rib.info(alias.info) else { return false };
            let by = |oif| self.objects.of(info).iter().any(|hop| hop.iface == oif);
            info.table == table_id
                && !rib.is_dead(alias.info)
                && (alias.tos == 0 || alias.tos >> 2 == flow.tos >> 2 & 7)
                && info.src.is_none_or(|src| src.contains(&flow.src.address()))
                && (oif == 0 || info.kind != RouteType::Unicast && !B::SIX || by(oif))
        };
        // Beside routes for some sources one for all is passed over.
        let sourced = |aliases: &[Alias]| {
            let infos = aliases.iter().filter_map(|alias| rib.info(alias.info));
            infos.into_iter().any(|info| info.table == table_id && info.src.is_some())
        };
        rib.matches(table_id, flow.dst).find_map(|(prefix, aliases)| {
            let some = sourced(aliases);
            let of_source = |alias: &&Alias| {
                !some || rib.info(alias.info).is_some_and(|info| info.src.is_some())
            };
            Some((prefix, *aliases.iter().filter(of_source).find(fits)?))
        })
    }

    /// The way of a packet, and why it is that.
    pub fn explain<B: Kept>(&self, query: &Query<B>) -> Option<Explanation<B>> {
        let from = if query.iif != 0 { query.iif } else { query.oif };
        let vrf = self.vrf_of(from);
        let flow = Flow { iif: query.iif, oif: query.oif, vrf, ..query.flow };
        // To be on a VRF binds to its table, not to the device.
        let oif = if query.oif == vrf { 0 } else { query.oif };
        let mut story = String::new();
        let mut from_priority = 0;
        for rule in B::rules(self) {
            let priority = rule.priority.unwrap_or_default();
            if priority < from_priority || !self.rule_fits(rule, &flow) {
                continue;
            }
            let ends = |kind, story: String| {
                Some(Explanation {
                    kind,
                    prefix: Prefix::of(B::default(), 0),
                    alias: None,
                    iface: 0,
                    gateway: None,
                    mtu: None,
                    mtu_locked: false,
                    expires: None,
                    story,
                })
            };
            let mut tell = |what: &str| {
                let _ = writeln!(story, "    rule {priority}: {what}");
            };
            let table_id = match rule.action {
                RuleAction::Nop => {
                    tell("nop");
                    continue;
                }
                RuleAction::Goto(target) => {
                    if B::rules(self).iter().any(|other| other.priority == Some(target)) {
                        tell(&format!("goto {target}"));
                        from_priority = target;
                    } else {
                        tell(&format!("goto {target}, which is not there"));
                    }
                    continue;
                }
                RuleAction::Blackhole => {
                    tell("blackhole");
                    return ends(RouteType::Blackhole, story);
                }
                RuleAction::Unreachable => {
                    tell("unreachable");
                    return ends(RouteType::Throw, story);
                }
                RuleAction::Prohibit => {
                    tell("prohibit");
                    return ends(RouteType::Prohibit, story);
                }
                RuleAction::Lookup(_) if rule.l3mdev => {
                    let vrf = self.ifaces().iter().find(|iface| iface.index == vrf)?;
                    vrf.vrf_table?
                }
                RuleAction::Lookup(table_id) => table_id,
            };
            let name = table_name(table_id);
            let Some((prefix, alias)) = self.route_in(table_id, &flow, oif) else {
                let _ = writeln!(story, "    rule {priority}: table {name} has no route");
                continue;
            };
            let info = B::routes(self).rib().info(alias.info)?;
            if info.kind == RouteType::Throw {
                let _ = writeln!(story, "    rule {priority}: table {name} throws");
                continue;
            }
            let short = rule.suppress_prefixlength.is_some_and(|len| prefix.len <= len);
            let by = self.objects.of(info).first().map_or(0, |hop| hop.iface);
            let group = self.ifaces().iter().find(|iface| iface.index == by);
            let group = group.map(|iface| iface.group);
            if short || rule.suppress_ifgroup.is_some_and(|of| group == Some(of)) {
                let _ = writeln!(story, "    rule {priority}: table {name} is suppressed");
                continue;
            }
            let net = prefix.net();
            let _ = writeln!(story, "    rule {priority}: table {name}, route {net}");
            return Some(self.follow(&flow, prefix, alias, story));
        }
        None
    }

    /// The address that a packet of the router's own to `dst` comes from when it leaves by `iface`.
    pub fn source6(&self, dst: Ipv6Addr, iface: u16) -> Option<Ipv6Addr> {
        // By the loopback, which need not be there, its addresses come before the others.
        let way = match iface {
            ITSELF => self.iface(LOOPBACK).or(self.ifaces.first())?,
            _ => self.ifaces.iter().find(|own| own.index == iface)?,
        };
        source_of(way, self.ifaces.iter(), dst.to_bits(), self.labels())
    }

    /// Whether an address of IPv6 is the router's.
    pub fn has_address6(&self, address: Ipv6Addr) -> bool {
        let mut all = self.ifaces.iter().flat_map(|iface| &iface.addresses6);
        address.is_loopback() || all.any(|own| own.local.addr() == address)
    }

    /// Where a hop leads, in the words of `ip route`.
    fn way_of(&self, index: u32) -> String {
        let hop = self.hops().table().get(index);
        let iface = hop.out().iface;
        let dev = self.ifaces.iter().find(|own| own.index == iface);
        let dev = dev.map_or_else(|| format!("if{iface}"), |own| own.name.clone());
        match (hop.kind(), self.hops().table().any_gateway(index)) {
            (HopKind::Neighbour, Some(via)) => format!("via {via} dev {dev}"),
            (HopKind::Link, _) => format!("dev {dev}"),
            (HopKind::Blackhole, _) => "a blackhole".to_owned(),
            _ => "nothing".to_owned(),
        }
    }

    /// By what a flow chooses among next hops.
    fn hash_of<B: Kept>(&self, flow: &Flow<B>) -> u32 {
        let ports = [flow.sport.to_be_bytes(), flow.dport.to_be_bytes()].concat();
        match (flow.src.address(), flow.dst.address()) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                let mut header = [0; 28];
                let spec = Ipv4Spec {
                    tos: flow.tos,
                    id: 0,
                    fragment_word: 0,
                    ttl: 64,
                    protocol: flow.protocol,
                    src,
                    dst,
                    options: &[],
                    payload_len: 8,
                };
                // A header of this size always fits.
                let _ = spec.emit(&mut header);
                header[20..24].copy_from_slice(&ports);
                path_hash(&header, &self.tunables().multipath)
            }
            (src, dst) => {
                let bits = |address: IpAddr| u128::of(address).unwrap_or(0).to_be_bytes();
                let mut header = [0; 48];
                header[0] = 0x60;
                header[5] = 8;
                header[6] = flow.protocol;
                header[7] = 64;
                header[8..24].copy_from_slice(&bits(src));
                header[24..40].copy_from_slice(&bits(dst));
                header[40..44].copy_from_slice(&ports);
                path_hash6(&header, &self.tunables().multipath)
            }
        }
    }

    /// From the route to the neighbour.
    fn follow<B: Kept>(
        &self,
        flow: &Flow<B>,
        prefix: Prefix<B>,
        alias: Alias,
        mut story: String,
    ) -> Explanation<B> {
        let routes = B::routes(self);
        let info = routes.rib().info(alias.info);
        let kind = info.map_or(RouteType::Throw, |info| info.kind);
        let hops = self.hops().table();
        let mut index = routes.rib().hop(alias.info);
        let mut hop = hops.get(index);
        if hop.kind() == HopKind::Group {
            let hash = self.hash_of(flow);
            let members: Vec<u32> = hops.members(hop).collect();
            index = hops.member(hop, hash);
            hop = hops.get(index);
            let shares = members.iter().filter(|member| **member == index).count();
            let nhid = info.map_or(0, |info| info.nhid);
            if nhid != 0 {
                let _ = writeln!(story, "    next-hop object {nhid}");
            }
            let _ = writeln!(
                story,
                "    hash {hash:08x} chooses {}, which has {shares} of {} buckets",
                self.way_of(index),
                members.len()
            );
        }
        let learned = self.exception(index, flow.dst.address());
        let (mut mtu, mut expires, mut locked) = (None, None, false);
        let mut gateway = hops.any_gateway(index).filter(|_| hop.kind() == HopKind::Neighbour);
        let iface = match kind {
            RouteType::Unicast => hop.out().iface,
            _ => info.and_then(|info| info.nexthops.first()).map_or(0, |hop| hop.iface),
        };
        if let Some(learned) = learned {
            mtu = learned.mtu.map(u32::from);
            locked = learned.locked;
            // Of IPv6, what is its own gateway is on the link.
            let on_link = B::SIX && learned.gateway == Some(flow.dst.address());
            gateway = learned.gateway.or(gateway).filter(|_| !on_link);
            expires = Some(learned.left(self.now) / 1_000_000_000);
            let _ = writeln!(story, "    learned: {learned}");
        }
        if kind == RouteType::Unicast {
            let address = gateway.unwrap_or(flow.dst.address());
            let state = match self.neighbours().get(Key { iface, address }) {
                Some(entry) => match entry.mac.filter(|_| entry.state.is_valid()) {
                    Some(mac) => format!("lladdr {mac} {}", entry.state.name()),
                    None => entry.state.name().to_owned(),
                },
                None => "not asked for yet".to_owned(),
            };
            let _ = writeln!(story, "    neighbour {address}: {state}");
            if let Some(own) = self.ifaces.iter().find(|own| own.index == iface) {
                let _ = writeln!(
                    story,
                    "    out by {} at port {}, from {}, mtu {}",
                    own.name, own.port, own.mac, own.mtu
                );
            }
        }
        Explanation {
            kind,
            prefix,
            alias: Some(alias),
            iface,
            gateway,
            mtu,
            mtu_locked: locked,
            expires,
            story,
        }
    }

    /// The table in which the routes of an interface stand.
    pub fn table_of(&self, iface: u16) -> u32 {
        let vrf = self.vrf_of(iface);
        let found = self.ifaces().iter().find(|iface| iface.index == vrf);
        found.and_then(|vrf| vrf.vrf_table).unwrap_or(table::MAIN)
    }
}
