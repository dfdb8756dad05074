//! Rows of the router's tables.

use ipnet::IpNet;
use serde_json::{Map, Value};

use super::{Desk, DeviceFacts};
use crate::{
    control::families::Kept,
    graph::Nanos,
    iproute2::{Options, names, show},
    neighbour::control::{Family, Stats},
    port::table::{Iface, LOOPBACK},
    route::{
        control::ITSELF,
        family::FibWriter,
        fib6,
        nexthops::ObjectKind,
        rib::{Prefix, RouteInfo},
        spec::{RouteType, proto, scope, table},
    },
    telemetry::report::{
        AddressRow, CounterRow, ExceptionRow, InterfaceKind, InterfaceRow, MemoryRow, NeighbourRow,
        NextHopRow, NexthopRow, RouteRow, RuleRow, ShareRow, ViaRow, VrfRow,
    },
};

impl Desk<'_> {
    /// Name of an interface.
    pub(super) fn name(&self, index: u16) -> String {
        if index == ITSELF {
            return LOOPBACK.to_owned();
        }
        let found = self.router.ifaces().iter().find(|iface| iface.index == index);
        found.map_or_else(|| format!("if{index}"), |iface| iface.name.clone())
    }

    pub(super) fn interface_rows(&self) -> Vec<InterfaceRow> {
        let devices = (self.devices)();
        let of = |port: u16| devices.iter().find(|device| device.port == port);
        let ifaces = self.router.ifaces().iter();
        ifaces.map(|iface| self.interface_row(iface, of(iface.port))).collect()
    }

    fn interface_row(&self, iface: &Iface, device: Option<&DeviceFacts>) -> InterfaceRow {
        let at = usize::from(iface.index);
        let sum = |of: fn(&crate::graph::IfaceCounts) -> u64| {
            self.tally().sum(|stats| stats.ifaces.get(at).map_or(0, of))
        };
        let port = device.filter(|_| iface.vlan.is_none());
        let mut flags = vec!["BROADCAST", "MULTICAST"];
        match (iface.up, iface.carrier) {
            (true, true) => flags.extend(["UP", "LOWER_UP"]),
            (true, false) => flags = vec!["NO-CARRIER", "BROADCAST", "MULTICAST", "UP"],
            (false, _) => {}
        }
        let state = match (iface.up, iface.carrier) {
            (true, true) => "UP",
            (true, false) if iface.vlan.is_some() => "LOWERLAYERDOWN",
            _ => "DOWN",
        };
        let stats = port.map(|device| device.stats).unwrap_or_default();
        InterfaceRow {
            index: u32::from(iface.index),
            name: iface.name.clone(),
            kind: match (iface.vlan, iface.vrf_table) {
                (Some(_), _) => InterfaceKind::Vlan,
                (None, Some(_)) => InterfaceKind::Vrf,
                (None, None) if iface.is_loopback() => InterfaceKind::Loopback,
                (None, None) => InterfaceKind::Port,
            },
            master: (iface.vrf != 0).then(|| self.name(iface.vrf)),
            table: iface.vrf_table,
            parent: iface.parent.map(|parent| self.name(parent)),
            vlan: iface.vlan,
            device: port.map(|device| device.device.clone()),
            driver: port.map(|device| device.driver.clone()),
            mac: iface.mac.to_string(),
            mtu: u32::from(iface.mtu),
            flags: flags.into_iter().map(str::to_owned).collect(),
            state: state.to_owned(),
            speed: port.and_then(|device| device.link.speed),
            addresses: iface
                .addresses
                .iter()
                .map(|own| AddressRow {
                    local: own.local.addr().to_string(),
                    prefixlen: own.local.prefix_len(),
                    broadcast: own.broadcast.map(|address| address.to_string()),
                    scope: "global".to_owned(),
                    secondary: own.secondary,
                })
                .collect(),
            rx_packets: sum(|counts| counts.rx_packets.get()),
            rx_bytes: sum(|counts| counts.rx_bytes.get()),
            rx_dropped: 0,
            rx_errors: stats.rx_errors,
            rx_missed: stats.rx_missed + stats.rx_no_buffer,
            tx_packets: sum(|counts| counts.tx_packets.get()),
            tx_bytes: sum(|counts| counts.tx_bytes.get()),
            tx_dropped: sum(|counts| counts.tx_dropped.get()),
            tx_errors: stats.tx_errors,
        }
    }

    pub(super) fn neighbour_rows(&self) -> Vec<NeighbourRow> {
        let neighbours = self.router.neighbours();
        let mut entries: Vec<_> = neighbours.iter().collect();
        entries.sort_by_key(|(key, _)| **key);
        let seconds = |age: Nanos| age / 1_000_000_000;
        let words = |all: &[(&str, bool)]| {
            all.iter().filter(|(_, on)| *on).map(|(word, _)| (*word).to_owned()).collect()
        };
        let rows = entries.into_iter().map(|(key, entry)| {
            let ages = entry.ages(self.now);
            let left = |at: Nanos| at.saturating_sub(self.now) as f64 / 1e9;
            NeighbourRow {
                dst: key.address.to_string(),
                dev: self.name(key.iface),
                lladdr: entry.valid_mac().map(|mac| mac.to_string()),
                state: vec![entry.state.name().to_owned()],
                flags: words(&[
                    ("router", entry.flags.router),
                    ("managed", entry.flags.managed),
                    ("extern_learn", entry.flags.ext_learned),
                ]),
                used: seconds(ages.used),
                confirmed: seconds(ages.confirmed),
                updated: seconds(ages.updated),
                timer: entry.deadline().map(left),
                probes: entry.probes,
                waiting: entry.waiting() as u64,
            }
        });
        let proxies = neighbours.proxies().map(|(iface, dst, entry)| NeighbourRow {
            dst: dst.to_string(),
            dev: iface.map_or_else(|| "*".to_owned(), |iface| self.name(iface)),
            flags: words(&[("proxy", true), ("router", entry.router)]),
            ..NeighbourRow::default()
        });
        rows.chain(proxies).collect()
    }

    /// What the neighbour tables count (`/proc/net/stat/arp_cache`).
    pub(super) fn neighbour_counters(&self) -> Vec<CounterRow> {
        let of = |family: Family| {
            let stats = self.router.neighbours().stats(family).all();
            stats.into_iter().zip(Stats::HELP).map(move |((name, value), help)| CounterRow {
                group: family.table().to_owned(),
                name: name.to_owned(),
                value,
                help: help.to_owned(),
            })
        };
        Family::ALL.into_iter().flat_map(of).collect()
    }

    /// Rows of the routes of one prefix in a table.
    pub(super) fn route_rows_of(&self, net: IpNet, wanted: u32) -> Vec<RouteRow> {
        match net {
            IpNet::V4(_) => self.route_rows::<u32>(net, wanted),
            IpNet::V6(_) => self.route_rows::<u128>(net, wanted),
        }
    }

    fn route_rows<B: Kept>(&self, net: IpNet, wanted: u32) -> Vec<RouteRow> {
        let Some(prefix) = Prefix::<B>::of_net(net) else { return Vec::new() };
        let rib = B::routes(self.router).rib();
        let aliases = rib.get(wanted, prefix).iter();
        let infos = aliases.filter_map(|alias| Some((alias.tos, rib.info(alias.info)?)));
        infos
            .filter(|(_, info)| info.table == wanted)
            .map(|(tos, info)| self.route_row(net, tos, info))
            .collect()
    }

    fn route_row(&self, net: IpNet, tos: u8, info: &RouteInfo) -> RouteRow {
        let six = matches!(net, IpNet::V6(_));
        let mut metrics = Map::new();
        if let Some(mtu) = info.mtu {
            metrics.insert("mtu".into(), Value::from(mtu));
        }
        for (name, number) in &info.metrics {
            metrics.insert((*name).to_owned(), Value::from(*number));
        }
        let nexthops = self.router.objects().of(info);
        let hops = nexthops.iter().map(|hop| NextHopRow {
            gateway: hop
                .gateway
                .filter(|gateway| gateway.is_ipv6() == six)
                .map(|gateway| gateway.to_string()),
            via: hop
                .gateway
                .filter(|gateway| gateway.is_ipv6() && !six)
                .map(|gateway| ViaRow { family: "inet6".to_owned(), host: gateway.to_string() }),
            dev: Some(self.name(hop.iface)),
            weight: hop.weight,
            flags: self.hop_flags(hop.iface, hop.onlink),
        });
        let mut hops: Vec<NextHopRow> = hops.collect();
        let single = if hops.len() == 1 { hops.pop() } else { None };
        let some = |wanted: bool, text: String| wanted.then_some(text);
        RouteRow {
            kind: some(info.kind != RouteType::Unicast, names::route_type(info.kind).into()),
            dst: match net.prefix_len() {
                0 => "default".to_owned(),
                len if len == net.max_prefix_len() => net.addr().to_string(),
                _ => net.to_string(),
            },
            from: info.src.map(|src| src.to_string()),
            tos: some(tos != 0, names::dsfield(tos).into_owned()),
            nhid: (info.nhid != 0).then_some(info.nhid),
            via: single.as_ref().and_then(|hop| hop.via.clone()),
            gateway: single.as_ref().and_then(|hop| hop.gateway.clone()),
            dev: single.as_ref().and_then(|hop| hop.dev.clone()),
            table: some(info.table != table::MAIN, names::table(info.table).into_owned()),
            protocol: some(info.proto != proto::BOOT, names::proto(info.proto).into_owned()),
            scope: some(info.scope != scope::UNIVERSE, names::scope(info.scope).into_owned()),
            prefsrc: info.prefsrc.map(|address| address.to_string()),
            metric: (info.metric != 0).then_some(info.metric),
            flags: single.map(|hop| hop.flags).unwrap_or_default(),
            metrics: if metrics.is_empty() { Vec::new() } else { vec![metrics] },
            nexthops: hops,
        }
    }

    /// State of a next hop, in the words of `ip route`.
    fn hop_flags(&self, iface: u16, onlink: bool) -> Vec<String> {
        let found = self.router.ifaces().iter().find(|known| known.index == iface);
        let carrier = found.is_none_or(|iface| iface.carrier);
        let flags = [(onlink, "onlink"), (!carrier, "linkdown")];
        flags.into_iter().filter(|(is, _)| *is).map(|(_, word)| word.to_owned()).collect()
    }

    pub(super) fn rule_rows(&self) -> Vec<RuleRow> {
        let rules = self.router.rules().iter().map(|rule| {
            let view = || [self.rule_view(rule)];
            let text = show::show_rules(view(), &Options::default());
            RuleRow {
                priority: rule.priority.unwrap_or_default(),
                words: text.split_once('\t').map_or("", |(_, words)| words).trim().to_owned(),
                fields: first_object(&show::show_rules(view(), &detailed()), "priority"),
            }
        });
        rules.collect()
    }

    pub(super) fn nexthop_rows(&self) -> Vec<NexthopRow> {
        let objects = self.router.objects().iter().map(|(id, object)| {
            let view = self.view_of(id, object);
            let text = show::show_nexthops([&view], &Options::default());
            let shares = match &object.kind {
                ObjectKind::Group { members, resilient: Some(state) } => {
                    let count = |id| state.buckets.iter().filter(|owner| **owner == id).count();
                    let share = |id| ShareRow { id, buckets: count(id) as u64 };
                    members.iter().map(|(id, _)| share(*id)).collect()
                }
                _ => Vec::new(),
            };
            NexthopRow {
                id,
                words: text.splitn(3, ' ').nth(2).unwrap_or("").trim().to_owned(),
                shares,
                fields: first_object(&show::show_nexthops([&view], &detailed()), "id"),
            }
        });
        objects.collect()
    }

    pub(super) fn vrf_rows(&self) -> Vec<VrfRow> {
        let ifaces = self.router.ifaces();
        let rows = ifaces.iter().filter_map(|iface| {
            let table = iface.vrf_table?;
            let members = ifaces.iter().filter(|own| own.vrf == iface.index);
            Some(VrfRow {
                name: iface.name.clone(),
                table,
                interfaces: members.map(|own| own.name.clone()).collect(),
                prefixes: self.router.routes().rib().prefix_count(table) as u64,
            })
        });
        rows.collect()
    }

    pub(super) fn exception_rows(&self) -> Vec<ExceptionRow> {
        let rows = self.router.exceptions().map(|(_, dst, learned)| ExceptionRow {
            dst: dst.to_string(),
            gateway: learned.gateway.map(|gateway| gateway.to_string()),
            mtu: learned.mtu,
            locked: learned.locked,
            expires: learned.left(self.now) / 1_000_000_000,
        });
        rows.collect()
    }

    pub(super) fn memory_rows(&self) -> Vec<MemoryRow> {
        let row = |name: &str, used: u64, limit: u64, bytes: u64, help: &str| MemoryRow {
            name: name.to_owned(),
            used,
            limit,
            bytes,
            help: help.to_owned(),
        };
        let limits = self.router.limits();
        let (count, room) = (u64::from(self.pool.count()), u64::from(self.pool.data_room()));
        let used = count - u64::from(self.pool.available()).min(count);
        let (groups, fib_bytes) = self.router.routes().fib().usage();
        let (nodes, node_bytes) = self.router.routes6().fib().usage();
        vec![
            row("packet buffers", used, count, count * room, "devices receive nothing"),
            row(
                "routes",
                self.router.routes().rib().len() as u64,
                limits.routes as u64,
                0,
                "more are refused; see limits.routes",
            ),
            row(
                "fib groups",
                groups,
                u64::from(limits.fib_groups),
                fib_bytes,
                "routes longer than /24 are refused; see limits.fib-groups",
            ),
            row(
                "IPv6 routes",
                self.router.routes6().rib().len() as u64,
                limits.routes as u64,
                0,
                "more are refused; see limits.routes",
            ),
            row(
                "IPv6 fib nodes",
                nodes,
                u64::from(limits.fib_groups) * u64::from(fib6::NODES_A_GROUP),
                node_bytes,
                "routes that need a new one are refused; see limits.fib-groups",
            ),
            row(
                "next hops",
                self.router.hops().len() as u64,
                u64::from(limits.nexthops),
                0,
                "routes that need a new one are refused; see limits.nexthops",
            ),
            row(
                "neighbours",
                self.router.neighbours().iter().count() as u64,
                limits.neighbours as u64,
                0,
                "packets to others are dropped; see limits.neighbours",
            ),
            row(
                "waiting for neighbours",
                self.router.held() as u64,
                0,
                0,
                "bounded for each neighbour by unres_qlen_bytes",
            ),
            row(
                "to the management core",
                self.rings.punted,
                self.rings.limit,
                0,
                "drops: punt_full",
            ),
            row("to workers", self.rings.injected, self.rings.limit, 0, "drops: inject_full"),
        ]
    }
}

/// How `ip -d -j` prints.
fn detailed() -> Options {
    Options { details: true, json: true, ..Options::default() }
}

/// The fields of the first entry of a listing, but for the one that a row has of its own.
fn first_object(listing: &str, own: &str) -> Map<String, Value> {
    let all: Vec<Map<String, Value>> = serde_json::from_str(listing).unwrap_or_default();
    let mut fields = all.into_iter().next().unwrap_or_default();
    fields.remove(own);
    fields
}
