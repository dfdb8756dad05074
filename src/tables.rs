//! Everything that workers read, in one snapshot: a packet sees one generation of all of it.
//!
//! Written by the management core alone. The parts behind an `Arc` are changed in place under their
//! own rules; the rest is replaced as a whole.

use std::sync::Arc;

use crate::{
    graph::trace::Session,
    icmp::table::{LimitRules, Limits},
    neighbour::table::NeighbourTable,
    port::table::{Ifaces, LocalAddresses},
    route::{fib::Fib4, table::HopTable},
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
    /// `net.ipv4.ip_default_ttl`.
    pub default_ttl: u8,
    /// Limits on ICMP messages.
    pub icmp: LimitRules,
    /// `net.ipv4.fib_multipath_hash_policy`: 0 for addresses, 1 for addresses and ports.
    pub multipath_policy: u8,
    /// Seed of the flow hash.
    pub hash_seed: u32,
    /// Per-worker destination cache in front of the look-up.
    pub destination_cache: bool,
}

impl Default for Tunables {
    fn default() -> Self {
        Self {
            echo_ignore_all: false,
            echo_ignore_broadcasts: true,
            errors_use_inbound: false,
            default_ttl: 64,
            icmp: LimitRules {
                ratelimit_ms: 1000,
                ratemask: 0x1818,
                msgs_per_sec: 1000,
                msgs_burst: 50,
            },
            multipath_policy: 0,
            hash_seed: 0,
            destination_cache: false,
        }
    }
}

/// The snapshot.
#[derive(Clone)]
pub struct Tables {
    /// Interfaces.
    pub ifaces: Arc<Ifaces>,
    /// The router's own addresses.
    pub locals: Arc<LocalAddresses>,
    /// Longest prefix match to an index of `hops`.
    pub fib: Arc<Fib4>,
    /// What the indices stand for.
    pub hops: Arc<HopTable>,
    /// Neighbours on links.
    pub neighbours: Arc<NeighbourTable>,
    /// Limits on ICMP messages.
    pub limits: Arc<Limits>,
    /// Tunables.
    pub tunables: Tunables,
    /// Grows when `features` or `trace` change.
    pub wiring: u64,
    /// Feature nodes that are on.
    pub features: Vec<&'static str>,
    /// Packets to follow.
    pub trace: Option<Arc<Session>>,
    /// Grows with each change of anything a destination cache may hold.
    pub generation: u64,
}
