//! The router that is configured twice: as a Linux namespace and as Wagonway.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use crate::common::frame::Mac;

/// A port, or a VLAN of one.
#[derive(Clone, Debug)]
pub(crate) struct Port {
    pub(crate) name: &'static str,
    pub(crate) mac: Mac,
    pub(crate) mtu: u16,
    pub(crate) addresses: Vec<&'static str>,
    /// The port that carries it and the VLAN identifier.
    pub(crate) vlan: Option<(&'static str, u16)>,
    /// Group of interfaces.
    pub(crate) group: u32,
    /// The VRF that it is in.
    pub(crate) vrf: Option<&'static str>,
}

impl Port {
    /// The router's address here, and a host in its subnet that only sentinels come from.
    pub(crate) fn ends(&self) -> (Ipv4Addr, Ipv4Addr) {
        let (address, _) = self.addresses[0].split_once('/').expect("an address and a length");
        let router: Ipv4Addr = address.parse().expect("an address");
        let [a, b, c, _] = router.octets();
        (router, Ipv4Addr::new(a, b, c, 251))
    }
}

/// A VRF.
#[derive(Clone, Debug)]
pub(crate) struct Vrf {
    pub(crate) name: &'static str,
    pub(crate) table: u32,
    pub(crate) addresses: Vec<&'static str>,
}

/// A neighbour that is never asked for.
#[derive(Clone, Debug)]
pub(crate) struct Neighbour {
    pub(crate) address: IpAddr,
    pub(crate) mac: Mac,
    pub(crate) port: &'static str,
}

/// A route in the words of `ip route add`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Route {
    /// `unreachable`, `blackhole`, ... or nothing for an ordinary one.
    pub(crate) kind: Option<&'static str>,
    pub(crate) to: &'static str,
    /// `via`, `dev`, `metric`, `mtu`, `tos`, ... each with its value.
    pub(crate) words: Vec<(&'static str, &'static str)>,
}

/// Everything that is configured.
#[derive(Clone, Debug)]
pub(crate) struct Topology {
    pub(crate) ports: Vec<Port>,
    /// With any of these, it takes a kernel that knows them: a guest's.
    pub(crate) vrfs: Vec<Vrf>,
    pub(crate) neighbours: Vec<Neighbour>,
    pub(crate) routes: Vec<Route>,
    /// What else is configured: as `ip` takes it, and as the file states it.
    pub(crate) statements: Vec<(String, String)>,
    pub(crate) sysctls: Vec<(String, String)>,
    /// What else follows `ip`, after all of that.
    pub(crate) commands: Vec<String>,
    /// Files of rules for netfilter, `.v4` or `.v6`, that hold before the first frame comes.
    pub(crate) rules: Vec<String>,
    /// Whether IPv6 is on, as it is not in the laboratories of IPv4 alone.
    pub(crate) six: bool,
    /// Whether what the router says of itself, unasked, is looked at: see [`is_chatter`].
    ///
    /// [`is_chatter`]: crate::outcome::is_chatter
    pub(crate) chatty: bool,
}

pub(crate) const LAN_MAC: Mac = [0x02, 0x77, 0, 0, 0, 1];
pub(crate) const WAN_MAC: Mac = [0x02, 0x77, 0, 0, 0, 2];
pub(crate) const DMZ_MAC: Mac = [0x02, 0x77, 0, 0, 0, 3];

pub(crate) const LAN: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
pub(crate) const LAN_SECOND: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 2);
pub(crate) const WAN: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub(crate) const DMZ: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
pub(crate) const VLAN10: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);

pub(crate) const LAN_HOST: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 10);
pub(crate) const LAN_OTHER: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 11);
pub(crate) const WAN_GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);
pub(crate) const WAN_HOST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
pub(crate) const DMZ_HOST: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 10);
pub(crate) const VLAN10_HOST: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 10);
/// On the wan link by a route, not by an address.
pub(crate) const ONLINK_HOST: Ipv4Addr = Ipv4Addr::new(10, 50, 0, 1);
/// Behind the wan gateway.
pub(crate) const FAR_HOST: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);

/// Hosts that nothing but sentinels is exchanged with, and where they are.
pub(crate) const SENTINELS: [(Ipv4Addr, &str); 4] = [
    (Ipv4Addr::new(10, 1, 0, 251), "lan"),
    (Ipv4Addr::new(192, 0, 2, 251), "wan"),
    (Ipv4Addr::new(198, 51, 100, 251), "dmz"),
    (Ipv4Addr::new(203, 0, 113, 251), "wan.10"),
];

/// Last bytes of further lan hosts, for errors that are limited by the sender they go to.
pub(crate) const CROWD: std::ops::Range<u8> = 100..200;

/// The address of a host, made from its IP address so that a dump can be read.
pub(crate) fn mac_of(host: impl Into<IpAddr>) -> Mac {
    match host.into() {
        IpAddr::V4(host) => {
            let [a, b, c, d] = host.octets();
            [0x02, 0xaa, a, b, c, d]
        }
        IpAddr::V6(host) => {
            let [_, _, _, _, _, net, .., c, d] = host.octets();
            [0x02, 0xbb, 0, net, c, d]
        }
    }
}

impl Topology {
    /// Three ports and a VLAN, static neighbours, and at least one route of each kind.
    pub(crate) fn standard() -> Self {
        let port = |name, mac, mtu, addresses: &[&'static str], vlan| Port {
            name,
            mac,
            mtu,
            addresses: addresses.to_vec(),
            vlan,
            group: 0,
            vrf: None,
        };
        let mut topology = Self {
            ports: vec![
                port("lan", LAN_MAC, 1500, &["10.1.0.1/24", "10.1.0.2/24"], None),
                port("wan", WAN_MAC, 1500, &["192.0.2.1/24"], None),
                port("dmz", DMZ_MAC, 1400, &["198.51.100.1/24"], None),
                port("wan.10", WAN_MAC, 1500, &["203.0.113.1/24"], Some(("wan", 10))),
            ],
            vrfs: Vec::new(),
            neighbours: Vec::new(),
            routes: Vec::new(),
            statements: Vec::new(),
            sysctls: Vec::new(),
            commands: Vec::new(),
            rules: Vec::new(),
            six: false,
            chatty: false,
        };
        for (address, port) in [
            (LAN_HOST, "lan"),
            (LAN_OTHER, "lan"),
            (WAN_GATEWAY, "wan"),
            (WAN_HOST, "wan"),
            (ONLINK_HOST, "wan"),
            (DMZ_HOST, "dmz"),
            (VLAN10_HOST, "wan.10"),
        ]
        .into_iter()
        .chain(SENTINELS)
        {
            topology.neighbour(address, port);
        }
        for host in CROWD {
            topology.neighbour(Ipv4Addr::new(10, 1, 0, host), "lan");
        }
        topology
            .route("10.9.0.0/16", &[("via", "192.0.2.9")])
            .route("10.9.1.0/24", &[("via", "198.51.100.10")])
            .route("10.9.1.128/25", &[("via", "192.0.2.10")])
            .route("10.9.1.200/32", &[("via", "203.0.113.10")])
            .special("unreachable", "10.20.0.0/16")
            .route("10.20.1.0/24", &[("via", "192.0.2.9")])
            .special("prohibit", "10.21.0.0/16")
            .special("blackhole", "10.22.0.0/16")
            .special("throw", "10.23.0.0/16")
            .route("10.30.0.0/16", &[("via", "192.0.2.9"), ("mtu", "1300")])
            .route("10.40.0.0/16", &[("via", "192.0.2.9"), ("metric", "20")])
            .route("10.40.0.0/16", &[("via", "198.51.100.10"), ("metric", "10")])
            .route("10.50.0.0/16", &[("dev", "wan")])
            .sysctl("net.ipv4.ip_forward", "1")
            .sysctl("net.ipv4.conf.all.rp_filter", "0")
            .sysctl("net.ipv4.conf.default.rp_filter", "0")
            .sysctl("net.ipv4.conf.all.send_redirects", "0")
            .sysctl("net.ipv4.conf.default.send_redirects", "0")
            .sysctl("net.ipv4.icmp_ratelimit", "0")
            .sysctl("net.ipv4.icmp_ratemask", "0")
            .sysctl("net.ipv4.icmp_msgs_per_sec", "1000000")
            .sysctl("net.ipv4.icmp_msgs_burst", "1000000")
    }

    /// Adds a host that is never asked for.
    pub(crate) fn neighbour(&mut self, address: impl Into<IpAddr>, port: &'static str) {
        let address = address.into();
        self.neighbours.push(Neighbour { address, mac: mac_of(address), port });
    }

    /// Adds an ordinary route.
    pub(crate) fn route(
        mut self,
        to: &'static str,
        words: &[(&'static str, &'static str)],
    ) -> Self {
        self.routes.push(Route { kind: None, to, words: words.to_vec() });
        self
    }

    /// Adds a route that forwards nothing.
    pub(crate) fn special(mut self, kind: &'static str, to: &'static str) -> Self {
        self.routes.push(Route { kind: Some(kind), to, words: Vec::new() });
        self
    }

    /// Adds what is said in the words of `ip` and in those of the file.
    pub(crate) fn stated(mut self, ip: &str, toml: &str) -> Self {
        self.statements.push((ip.to_owned(), toml.to_owned()));
        self
    }

    /// Adds a rule.
    pub(crate) fn rule(self, ip: &str, toml: &str) -> Self {
        self.stated(&format!("rule add {ip}"), &format!("[[rule]]\n{toml}"))
    }

    /// Sets a tunable.
    pub(crate) fn sysctl(mut self, name: &str, value: &str) -> Self {
        self.sysctls.retain(|(known, _)| known != name);
        self.sysctls.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a command.
    pub(crate) fn command(mut self, words: impl Into<String>) -> Self {
        self.commands.push(words.into());
        self
    }

    /// Changes a port.
    pub(crate) fn port(mut self, name: &str, change: impl FnOnce(&mut Port)) -> Self {
        let port = self.ports.iter_mut().find(|port| port.name == name);
        change(port.expect("a port of that name"));
        self
    }

    /// The commands beyond that for `ip -batch`.
    pub(crate) fn more_batch(&self) -> String {
        self.commands.iter().map(|command| format!("{command}\n")).collect()
    }

    /// Addresses, neighbours and routes for `ip -batch`.
    pub(crate) fn ip_batch(&self) -> String {
        let mut lines = String::new();
        for port in &self.ports {
            if port.group != 0 {
                put(&mut lines, format_args!("link set {} group {}", port.name, port.group));
            }
            for address in &port.addresses {
                let how = if address.contains(':') { "nodad" } else { "brd +" };
                put(&mut lines, format_args!("addr add {address} {how} dev {}", port.name));
            }
        }
        for vrf in &self.vrfs {
            for address in &vrf.addresses {
                put(&mut lines, format_args!("addr add {address} dev {}", vrf.name));
            }
        }
        for Neighbour { address, mac, port } in &self.neighbours {
            let mac = colons(*mac);
            put(
                &mut lines,
                format_args!("neigh replace {address} lladdr {mac} nud permanent dev {port}"),
            );
        }
        for route in &self.routes {
            let kind = route.kind.map(|kind| format!("{kind} ")).unwrap_or_default();
            let words: String =
                route.words.iter().map(|(word, value)| format!(" {word} {value}")).collect();
            put(&mut lines, format_args!("route add {kind}{}{words} proto static", route.to));
        }
        for (ip, _) in &self.statements {
            put(&mut lines, format_args!("{ip}"));
        }
        lines
    }
}

fn put(lines: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(lines, "{line}").expect("write to a string");
}

/// `02:77:00:00:00:01`.
pub(crate) fn colons(mac: Mac) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}
