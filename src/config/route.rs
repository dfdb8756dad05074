//! Routes and neighbours of the file, in the words of `ip route` and `ip neigh`.
//!
//! - obeys: `ip-route(8)`, `ip-neighbour(8)`; what the kernel refuses is refused here

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::Range,
};

use ipnet::IpNet;

use super::{
    Vrf,
    policy::tos,
    section::section,
    value::{At, Errors, InterfaceName, Prefix, Word, choices, words},
};
use crate::{
    packet::MacAddr,
    route::spec::{NextHopSpec, Pref, RouteSpec, RouteType, proto, scope, table},
};

section! {
    /// A route.
    pub(super) struct RouteTable {
        /// Destination: "default", a prefix, or an address.
        to "to": At<Prefix> = None;
        /// What a packet to there meets.
        kind "type": RouteType = Some(RouteType::Unicast);
        /// Gateway.
        via "via": Option<At<IpAddr>> = Some(None);
        /// Gateway of IPv6 for a route of IPv4; needs `dev`.
        via6 "via6": Option<At<Ipv6Addr>> = Some(None);
        /// Interface; what the gateway is reached by unless given.
        dev "dev": Option<At<InterfaceName>> = Some(None);
        /// The gateway is on the link, even if no address of the interface covers it.
        onlink "onlink": bool = Some(false);
        /// Next-hop object to go through, in the place of a gateway and an interface.
        nhid "nhid": Option<At<u32>> = Some(None);
        /// Several next hops that share the flows: [{ via = "192.0.2.1", weight = 2 }, ...].
        nexthops "nexthops": Vec<At<NextHopTable>> = Some(Vec::new());
        /// Preference among routes to one prefix; the lowest is used.
        metric "metric": u32 = Some(0);
        /// Source address of packets that the router makes for there.
        src "src": Option<IpAddr> = Some(None);
        /// Source that packets must have, for IPv6: a prefix.
        from "from": Option<At<Prefix>> = Some(None);
        /// Preference among default routers, for IPv6 (RFC 4191).
        pref "pref": Pref = Some(Pref::Medium);
        /// TOS byte of the packets that take the route; 0 for all.
        tos "tos": Option<At<u8>> = Some(None);
        /// Largest packet on the way, in bytes.
        mtu "mtu": Option<u32> = Some(None), in 68..=65_535;
        /// The MTU is locked: what is learned of the path does not change it.
        mtu_lock "mtu-lock": bool = Some(false);
        /// What the router's own packets should assume about the path.
        metrics "metrics": Metrics = Metrics::empty();
        /// Routing table; `main` unless given.
        table "table": Option<At<u32>> = Some(None), in 1..=0xffff_ffff;
        /// VRF in whose table the route stands, in the place of `table`.
        vrf "vrf": Option<At<InterfaceName>> = Some(None);
        /// Who the route is from.
        protocol "protocol": Protocol = Some(Protocol(proto::STATIC));
        /// How far the destination is; what the next hop tells unless given.
        scope "scope": Option<Scope> = Some(None);
    }
}

section! {
    /// A next hop.
    pub(super) struct NextHopTable {
        /// Gateway.
        via "via": Option<IpAddr> = Some(None);
        /// Interface; what the gateway is reached by unless given.
        dev "dev": Option<At<InterfaceName>> = Some(None);
        /// Gateway of the other family; needs `dev`.
        via6 "via6": Option<Ipv6Addr> = Some(None);
        /// Share of the flows.
        weight "weight": u16 = Some(1), in 1..=256;
        /// The gateway is on the link, even if no address of the interface covers it.
        onlink "onlink": bool = Some(false);
    }
}

section! {
    /// What the router's own packets should assume about a path.
    pub(super) struct Metrics {
        /// Largest segment that TCP offers, in bytes.
        advmss "advmss": Option<u32> = Some(None);
        /// TTL of packets.
        hoplimit "hoplimit": Option<u32> = Some(None), in 0..=255;
        /// Round-trip time to begin with, in milliseconds.
        rtt "rtt": Option<u32> = Some(None), in 0..=536_870_911;
        /// Its variance to begin with, in milliseconds.
        rttvar "rttvar": Option<u32> = Some(None), in 0..=1_073_741_823;
        /// Least time before TCP sends again, in milliseconds.
        rto_min "rto-min": Option<u32> = Some(None);
        /// Largest window that TCP offers, in bytes.
        window "window": Option<u32> = Some(None);
        /// Upper bound of TCP's congestion window, in segments.
        cwnd "cwnd": Option<u32> = Some(None);
        /// Where slow start ends, in segments.
        ssthresh "ssthresh": Option<u32> = Some(None);
        /// Packets out of order that are no loss.
        reordering "reordering": Option<u32> = Some(None);
        /// Congestion window to begin with, in segments.
        initcwnd "initcwnd": Option<u32> = Some(None);
        /// Receive window to begin with, in segments.
        initrwnd "initrwnd": Option<u32> = Some(None);
        /// Acknowledge at once.
        quickack "quickack": Option<bool> = Some(None);
        /// Use explicit congestion notification.
        ecn "ecn": bool = Some(false);
    }
}

impl Metrics {
    /// As routes keep them.
    fn kept(&self) -> Vec<(&'static str, u32)> {
        let stated = [
            ("window", self.window),
            ("rtt", self.rtt.map(|millis| millis * 8)),
            ("rttvar", self.rttvar.map(|millis| millis * 4)),
            ("ssthresh", self.ssthresh),
            ("cwnd", self.cwnd),
            ("advmss", self.advmss),
            ("reordering", self.reordering),
            ("hoplimit", self.hoplimit),
            ("initcwnd", self.initcwnd),
            ("features", self.ecn.then_some(1)),
            ("rto_min lock", self.rto_min),
            ("initrwnd", self.initrwnd),
            ("quickack", self.quickack.map(u32::from)),
        ];
        stated.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

words!(Ipv6Addr);

impl Word for Ipv6Addr {
    const WHAT: &'static str = "an IPv6 address such as \"fe80::1\"";

    fn parse(text: &str) -> Result<Self, (String, Option<String>)> {
        let hint = text.parse::<Ipv4Addr>().is_ok().then(|| "that is for `via`".to_owned());
        text.parse().map_err(|_| (format!("{text:?} is not an IPv6 address"), hint))
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

section! {
    /// A neighbour that needs no question.
    pub(super) struct NeighbourTable {
        /// Its address.
        address "address": At<IpAddr> = None;
        /// Its link-layer address.
        lladdr "lladdr": MacAddr = None;
        /// Interface that it is on.
        dev "dev": At<InterfaceName> = None;
    }
}

choices!(Pref { "low" = Pref::Low, "medium" = Pref::Medium, "high" = Pref::High });

choices!(RouteType {
    "unicast" = RouteType::Unicast,
    "blackhole" = RouteType::Blackhole,
    "unreachable" = RouteType::Unreachable,
    "prohibit" = RouteType::Prohibit,
    "throw" = RouteType::Throw,
});

/// Origin of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Protocol(pub(super) u8);

choices!(Protocol {
    "static" = Protocol(proto::STATIC),
    "boot" = Protocol(proto::BOOT),
    "kernel" = Protocol(proto::KERNEL),
    "ra" = Protocol(9),
    "zebra" = Protocol(11),
    "bird" = Protocol(12),
    "dhcp" = Protocol(16),
    "keepalived" = Protocol(18),
    "babel" = Protocol(42),
    "openr" = Protocol(99),
    "bgp" = Protocol(186),
    "isis" = Protocol(187),
    "ospf" = Protocol(188),
    "rip" = Protocol(189),
    "eigrp" = Protocol(192),
});

/// Scope of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scope(u8);

choices!(Scope {
    "global" = Scope(scope::UNIVERSE),
    "link" = Scope(scope::LINK),
    "host" = Scope(scope::HOST),
});

/// A permanent neighbour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Its address.
    pub address: IpAddr,
    /// Its link-layer address.
    pub lladdr: MacAddr,
    /// Name of the interface that it is on.
    pub dev: String,
}

impl RouteTable {
    /// The route, when its parts fit together.
    pub(super) fn spec(
        &self,
        place: Range<usize>,
        vrfs: &[Vrf],
        errors: &mut Errors,
    ) -> Option<RouteSpec> {
        let before = errors.0.len();
        let single = self.via.is_some() || self.via6.is_some() || self.dev.is_some();
        let leads_on = self.kind == RouteType::Unicast;
        if let Some(id) = &self.nhid {
            if single || self.onlink || !self.nexthops.is_empty() || !leads_on {
                let hint = "the object says where the route leads; leave the rest out".to_owned();
                errors.add(id.place(), "the route leads two ways", hint);
            }
        } else if leads_on && !single && self.nexthops.is_empty() {
            let hint = "add via = \"ADDRESS\", dev = \"INTERFACE\" or nexthops = [...]; or say what \
                        happens to the packets, as in type = \"blackhole\"";
            errors.add(place.clone(), "the route leads nowhere", hint.to_owned());
        }
        if let Some(hop) = self.nexthops.first() {
            if single || self.onlink {
                let hint = "put `via`, `dev` and `onlink` into `nexthops`, or leave `nexthops` out";
                let message = "next hops are given twice";
                errors.add(hop.place(), message, hint.to_owned());
            }
            if !leads_on {
                errors.add(hop.place(), "a route of this type has no next hops", None);
            }
        } else if !leads_on && single {
            let at = self.via.as_ref().map(At::place);
            let at = at.or_else(|| self.dev.as_ref().map(At::place)).unwrap_or_default();
            errors.add(at, "a route of this type has no next hop", None);
        }
        let six = matches!(self.to.0, IpNet::V6(_));
        let others = self.from.as_ref().filter(|from| !six || !matches!(from.0, IpNet::V6(_)));
        if let Some(from) = others {
            errors.add(from.place(), "`from` is for routes of IPv6, and of one", None);
        }
        if let Some(via) = self.via.as_ref().filter(|via| via.is_ipv6() != six) {
            let hint = if six { None } else { Some("write it as `via6`".to_owned()) };
            errors.add(via.place(), "the gateway is of the other family", hint);
        }
        if let Some(via6) = &self.via6 {
            if self.via.is_some() {
                errors.add(via6.place(), "the next hop has two gateways", None);
            } else if self.dev.is_none() {
                errors.add(via6.place(), "`via6` needs `dev`", None);
            }
        }
        for hop in &self.nexthops {
            if hop.via6.is_some() && (hop.via.is_some() || hop.dev.is_none()) {
                errors.add(hop.place(), "`via6` needs `dev`, and no `via`", None);
            } else if hop.via.is_none() && hop.dev.is_none() {
                let hint = "add via = \"ADDRESS\" or dev = \"INTERFACE\"".to_owned();
                errors.add(hop.place(), "the next hop leads nowhere", hint);
            }
            if hop.onlink && hop.dev.is_none() {
                errors.add(hop.place(), "`onlink` needs `dev`", None);
            }
        }
        if self.onlink && self.dev.is_none() && self.nexthops.is_empty() {
            errors.add(self.to.place(), "`onlink` needs `dev`", None);
        }
        let table = self.table_of(vrfs, errors);
        let tos = tos(self.tos.as_ref(), errors);
        if self.mtu_lock && self.mtu.is_none() {
            errors.add(place, "`mtu-lock` needs `mtu`", None);
        }
        let nexthops = if self.nhid.is_some() {
            Vec::new()
        } else if self.nexthops.is_empty() && leads_on {
            vec![NextHopSpec {
                via: self.gateway(),
                dev: self.dev.as_ref().map(|dev| dev.0.clone()),
                weight: 1,
                onlink: self.onlink,
            }]
        } else {
            let hop = |hop: &At<NextHopTable>| NextHopSpec {
                via: hop.via.or(hop.via6.map(IpAddr::V6)),
                dev: hop.dev.as_ref().map(|dev| dev.0.clone()),
                weight: hop.weight,
                onlink: hop.onlink,
            };
            self.nexthops.iter().map(hop).collect()
        };
        (errors.0.len() == before).then(|| RouteSpec {
            dst: self.to.0,
            src: self.from.as_ref().map(|from| from.0),
            kind: self.kind,
            tos,
            table,
            metric: self.metric,
            proto: self.protocol.0,
            scope: self.scope.map(|scope| scope.0),
            prefsrc: self.src,
            mtu: self.mtu,
            mtu_locked: self.mtu_lock,
            metrics: self.metrics.kept(),
            nexthops,
            nhid: self.nhid.as_deref().copied(),
            pref: self.pref,
            expires: None,
        })
    }

    fn gateway(&self) -> Option<IpAddr> {
        self.via.as_deref().copied().or(self.via6.as_deref().copied().map(IpAddr::V6))
    }

    /// The table, that of the VRF when one is named.
    fn table_of(&self, vrfs: &[Vrf], errors: &mut Errors) -> u32 {
        let Some(name) = &self.vrf else {
            return self.table.as_deref().copied().unwrap_or(table::MAIN);
        };
        if let Some(table) = &self.table {
            let message = "`table` and `vrf` are both given";
            errors.add(table.place(), message, "leave one of them out".to_owned());
        }
        match vrfs.iter().find(|vrf| *vrf.name == name.0) {
            Some(vrf) => vrf.table,
            None => {
                let near = super::suggest(&name.0, vrfs.iter().map(|vrf| vrf.name.as_str()));
                let hint = near.map(|near| format!("did you mean {near:?}?"));
                errors.add(name.place(), format!("there is no VRF {:?}", name.0), hint);
                table::MAIN
            }
        }
    }

    /// Interfaces that the route names, with their places.
    pub(super) fn devices(&self) -> impl Iterator<Item = &At<InterfaceName>> {
        let of_hops = self.nexthops.iter().filter_map(|hop| hop.dev.as_ref());
        self.dev.iter().chain(of_hops)
    }
}
