//! Routes and neighbours of the file, in the words of `ip route` and `ip neigh`.
//!
//! - obeys: `ip-route(8)`, `ip-neighbour(8)`; what the kernel refuses is refused here

use std::{net::Ipv4Addr, ops::Range};

use super::{
    section::section,
    value::{At, Errors, InterfaceName, Prefix, choices},
};
use crate::{
    packet::MacAddr,
    route::spec::{NextHopSpec, RouteSpec, RouteType, proto, scope, table},
};

section! {
    /// A route.
    pub(super) struct RouteTable {
        /// Destination: "default", a prefix, or an address.
        to "to": At<Prefix> = None;
        /// What a packet to there meets.
        kind "type": RouteType = Some(RouteType::Unicast);
        /// Gateway.
        via "via": Option<At<Ipv4Addr>> = Some(None);
        /// Interface; what the gateway is reached by unless given.
        dev "dev": Option<At<InterfaceName>> = Some(None);
        /// The gateway is on the link, even if no address of the interface covers it.
        onlink "onlink": bool = Some(false);
        /// Several next hops that share the flows: [{ via = "192.0.2.1", weight = 2 }, ...].
        nexthops "nexthops": Vec<At<NextHopTable>> = Some(Vec::new());
        /// Preference among routes to one prefix; the lowest is used.
        metric "metric": u32 = Some(0);
        /// Source address of packets that the router makes for there.
        src "src": Option<Ipv4Addr> = Some(None);
        /// Largest packet on the way, in bytes.
        mtu "mtu": Option<u32> = Some(None), in 68..=65_535;
        /// Routing table.
        table "table": u32 = Some(table::MAIN), in 1..=0xffff_ffff;
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
        via "via": Option<Ipv4Addr> = Some(None);
        /// Interface; what the gateway is reached by unless given.
        dev "dev": Option<At<InterfaceName>> = Some(None);
        /// Share of the flows.
        weight "weight": u16 = Some(1), in 1..=256;
        /// The gateway is on the link, even if no address of the interface covers it.
        onlink "onlink": bool = Some(false);
    }
}

section! {
    /// A neighbour that needs no question.
    pub(super) struct NeighbourTable {
        /// Its address.
        address "address": At<Ipv4Addr> = None;
        /// Its link-layer address.
        lladdr "lladdr": MacAddr = None;
        /// Interface that it is on.
        dev "dev": At<InterfaceName> = None;
    }
}

choices!(RouteType {
    "unicast" = RouteType::Unicast,
    "blackhole" = RouteType::Blackhole,
    "unreachable" = RouteType::Unreachable,
    "prohibit" = RouteType::Prohibit,
    "throw" = RouteType::Throw,
});

/// Origin of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Protocol(u8);

choices!(Protocol {
    "static" = Protocol(proto::STATIC),
    "boot" = Protocol(proto::BOOT),
    "kernel" = Protocol(proto::KERNEL),
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
    pub address: Ipv4Addr,
    /// Its link-layer address.
    pub lladdr: MacAddr,
    /// Name of the interface that it is on.
    pub dev: String,
}

impl RouteTable {
    /// The route, when its parts fit together.
    pub(super) fn spec(&self, place: Range<usize>, errors: &mut Errors) -> Option<RouteSpec> {
        let before = errors.0.len();
        let single = self.via.is_some() || self.dev.is_some();
        let leads_on = self.kind == RouteType::Unicast;
        if leads_on && !single && self.nexthops.is_empty() {
            let hint = "add via = \"ADDRESS\", dev = \"INTERFACE\" or nexthops = [...]; or say what \
                        happens to the packets, as in type = \"blackhole\"";
            errors.add(place, "the route leads nowhere", hint.to_owned());
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
        for hop in &self.nexthops {
            if hop.via.is_none() && hop.dev.is_none() {
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
        let nexthops = if self.nexthops.is_empty() && leads_on {
            vec![NextHopSpec {
                via: self.via.as_deref().copied(),
                dev: self.dev.as_ref().map(|dev| dev.0.clone()),
                weight: 1,
                onlink: self.onlink,
                via6: None,
            }]
        } else {
            let hop = |hop: &At<NextHopTable>| NextHopSpec {
                via: hop.via,
                dev: hop.dev.as_ref().map(|dev| dev.0.clone()),
                weight: hop.weight,
                onlink: hop.onlink,
                via6: None,
            };
            self.nexthops.iter().map(hop).collect()
        };
        (errors.0.len() == before).then(|| RouteSpec {
            dst: self.to.0,
            kind: self.kind,
            tos: 0,
            table: self.table,
            metric: self.metric,
            proto: self.protocol.0,
            scope: self.scope.map(|scope| scope.0),
            prefsrc: self.src,
            mtu: self.mtu,
            mtu_locked: false,
            metrics: Vec::new(),
            nexthops,
            nhid: None,
        })
    }

    /// Interfaces that the route names, with their places.
    pub(super) fn devices(&self) -> impl Iterator<Item = &At<InterfaceName>> {
        let of_hops = self.nexthops.iter().filter_map(|hop| hop.dev.as_ref());
        self.dev.iter().chain(of_hops)
    }
}
