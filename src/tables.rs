//! Everything that workers read, in one snapshot: a packet sees one generation of all of it.
//!
//! Written by the management core alone. The parts behind an `Arc` are changed in place under their
//! own rules; the rest is replaced as a whole.

use std::{net::Ipv4Addr, sync::Arc};

mod own;
mod six;
mod sources;
pub use own::Here;
pub use six::source_of;
pub use sources::Unbelievable;

use crate::{
    graph::{Snapshot, trace::Session},
    icmp::{
        expected::Expected,
        table::{LimitRules, Limits},
    },
    ip4::table::ReassemblyRules,
    ip6::table::Tunables6,
    neighbour::table::NeighbourTables,
    netfilter::{flows::Flows, table::Filter},
    port::table::{Iface, Ifaces, LocalAddresses},
    route::{
        exceptions::Exceptions,
        fib::Fib4,
        fib6::Fib6,
        multipath::Multipath,
        policy::{Flow, Policy, Sources},
        table::{HopKind, HopTable},
        trie::Tries,
    },
};

/// Tunables that nodes read.
#[derive(Clone, Debug)]
pub struct Tunables {
    /// `net.ipv4.icmp_echo_ignore_all`.
    pub echo_ignore_all: bool,
    /// `net.ipv4.icmp_echo_ignore_broadcasts`.
    pub echo_ignore_broadcasts: bool,
    /// `net.ipv4.icmp_errors_use_inbound_ifaddr`.
    pub errors_use_inbound: bool,
    /// `net.ipv4.fwmark_reflect`.
    pub fwmark_reflect: bool,
    /// `net.ipv4.icmp_echo_enable_probe`.
    pub echo_probe: bool,
    /// `net.ipv4.icmp_ignore_bogus_error_responses`.
    pub ignore_bogus_errors: bool,
    /// `net.ipv4.ip_default_ttl`.
    pub default_ttl: u8,
    /// Limits on ICMP messages.
    pub icmp: LimitRules,
    /// Which of several next hops packets take.
    pub multipath: Multipath,
    /// `net.ipv4.route.redirect_number`, `redirect_load` and `redirect_silence` (ms).
    pub redirects: (u8, u32, u32),
    /// `net.ipv4.ip_forward_use_pmtu`.
    pub forward_use_pmtu: bool,
    /// How fragments are put together.
    pub reassembly: ReassemblyRules,
    /// Of IPv6.
    pub six: Tunables6,
    /// Per-worker destination cache in front of the look-up.
    pub destination_cache: bool,
}

impl Default for Tunables {
    fn default() -> Self {
        Self {
            echo_ignore_all: false,
            echo_ignore_broadcasts: true,
            errors_use_inbound: false,
            fwmark_reflect: false,
            echo_probe: false,
            ignore_bogus_errors: true,
            default_ttl: 64,
            icmp: LimitRules {
                ratelimit_ms: 1000,
                ratemask: 0x1818,
                msgs_per_sec: 1000,
                msgs_burst: 50,
                seed: 0,
            },
            multipath: Multipath { policy: 0, fields: 7, seed: 0 },
            redirects: (9, 20, 20_480),
            forward_use_pmtu: false,
            reassembly: ReassemblyRules::default(),
            six: Tunables6::default(),
            destination_cache: false,
        }
    }
}

/// Features that packets in transit may meet, of IPv4 and of IPv6.
pub const IN_TRANSIT: [&[&str]; 2] = [
    &[
        "nf4-flowtable",
        "ip4-reassemble",
        "nf4-pre-routing",
        "ip4-addresses",
        "ip4-source-forward",
        "ip4-clamp-mss",
        "ip4-transit",
        "nf4-forward",
    ],
    &["nf6-flowtable", "ip6-reassemble", "nf6-pre-routing", "ip6-transit", "nf6-forward"],
];

impl Snapshot for Tables {
    type Own = Flows;
}

/// The snapshot. Who counts references to it does not write to lines that workers read.
#[derive(Clone)]
#[repr(align(128))]
pub struct Tables {
    /// Interfaces.
    pub ifaces: Arc<Ifaces>,
    /// The router's own addresses.
    pub locals: Arc<LocalAddresses>,
    /// Local routes were added by hand.
    pub custom_locals: bool,
    /// Longest prefix match to an index of `hops`.
    pub fib: Arc<Fib4>,
    /// The other tables.
    pub tries: Arc<Tries>,
    /// Which tables to ask; `None` for `fib` alone.
    pub policy: Option<Arc<Policy>>,
    /// The same for IPv6.
    pub fib6: Arc<Fib6>,
    /// The other tables of IPv6.
    pub tries6: Arc<Tries<u128>>,
    /// Which tables of IPv6 to ask; `None` for `fib6` alone.
    pub policy6: Option<Arc<Policy<u128>>>,
    /// Labels of IPv6 prefixes, by which sources are chosen (`ip addrlabel`).
    pub labels: Arc<crate::ndisc::select::Labels>,
    /// What the indices stand for.
    pub hops: Arc<HopTable>,
    /// What was learned about single destinations.
    pub exceptions: Arc<Exceptions>,
    /// Neighbours on links.
    pub neighbours: Arc<NeighbourTables>,
    /// Limits on ICMP messages.
    pub limits: Arc<Limits>,
    /// What the router's own probes wait for; `None` while there are none.
    pub expected: Option<Arc<Expected>>,
    /// Tunables.
    pub tunables: Tunables,
    /// Grows when `features` or `trace` change.
    pub wiring: u64,
    /// Feature nodes that are on.
    pub features: Vec<&'static str>,
    /// The packet filter; `None` while nothing is filtered or tracked.
    pub filter: Option<Arc<Filter>>,
    /// Nobody looks at plain packets in transit but the look-up, of IPv4 and of IPv6.
    pub straight: [bool; 2],
    /// Packets to follow.
    pub trace: Option<Arc<Session>>,
    /// Grows with each change of anything a destination cache may hold.
    pub generation: u64,
}

impl Tables {
    /// The tables that rules name.
    #[inline]
    pub fn sources(&self) -> Sources<'_> {
        Sources { fib: &self.fib, tries: &self.tries, hops: &self.hops }
    }

    /// Hop of a flow, its TOS considered; groups are not resolved.
    pub fn route(&self, flow: &Flow) -> u32 {
        let index = match &self.policy {
            None => self.fib.lookup(flow.dst),
            Some(policy) => policy.decide(flow, self.sources()).0,
        };
        let hop = self.hops.get(index);
        match hop.kind() {
            HopKind::Choice => self.hops.chosen(hop, flow.tos),
            HopKind::Vrf => self.route_within(flow, hop.out().iface),
            _ => index,
        }
    }

    /// Hop of a flow that a route has led into a VRF, by the table of that; a route from there into
    /// another VRF leads nowhere.
    pub fn route_within(&self, flow: &Flow, vrf: u16) -> u32 {
        let flow = Flow { iif: 0, oif: vrf, vrf, ..*flow };
        let index = match &self.policy {
            Some(policy) => policy.decide(&flow, self.sources()).0,
            None => 0,
        };
        let hop = self.hops.get(index);
        match hop.kind() {
            HopKind::Choice => self.hops.chosen(hop, flow.tos),
            HopKind::Vrf => 0,
            _ => index,
        }
    }

    /// The VRF of an interface, 0 for none; that of a VRF is itself.
    #[inline]
    pub fn vrf(&self, iface: u16) -> u16 {
        self.ifaces.get(iface).map_or(0, Iface::own_vrf)
    }

    /// True when the address is the router's for what comes by an interface: in its VRF, or outside
    /// of all, as the local table is asked before the VRFs'.
    pub fn owns(&self, iface: u16, address: Ipv4Addr) -> bool {
        let vrf = self.vrf(iface);
        self.locals.contains(vrf, address) || vrf != 0 && self.locals.contains(0, address)
    }

    /// True when the source of a packet that came by an interface cannot be: the router's own, or,
    /// where the kernel looks sources up, a broadcast address.
    pub fn denies_source(&self, iface: &Iface, address: Ipv4Addr) -> bool {
        let vrf = iface.own_vrf();
        !iface.conf.accept_local && self.owns(iface.index, address)
            || self.locals.is_barred(vrf, address)
            || vrf != 0 && self.locals.is_barred(0, address)
    }

    /// Hop of a packet of the router's own: routes, then groups by destination, what was learned
    /// about the path, then the neighbour on a link. `None` where nothing can be sent.
    pub fn output_hop(&self, flow: &Flow) -> Option<u32> {
        let mut index = self.route(flow);
        let mut hop = self.hops.get(index);
        if hop.kind() == HopKind::Group {
            let hash = crate::packet::l3_hash(flow.src, flow.dst, self.tunables.multipath.seed);
            index = self.hops.member(hop, hash);
            hop = self.hops.get(index);
        }
        if let Some(learned) = self.exceptions.output(index, flow.dst) {
            return Some(learned);
        }
        match hop.kind() {
            HopKind::Neighbour | HopKind::Broadcast => Some(index),
            HopKind::Link => match self.neighbours.four.get(hop.out().iface, flow.dst.into()) {
                0 => Some(index),
                known => Some(known),
            },
            _ => None,
        }
    }
}
