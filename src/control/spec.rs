//! What the router is asked to be, and why it refuses.

use thiserror::Error;

use crate::{
    graph::MAX_IFACES,
    packet::MacAddr,
    port::table::{IfaceConf, IfaceConf6},
    route::control::RouteError,
};

/// Bounds of the tables.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Routes.
    pub routes: usize,
    /// Forwarding entries.
    pub nexthops: u32,
    /// Neighbours.
    pub neighbours: usize,
    /// Groups of routes longer than /24.
    pub fib_groups: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { routes: 4_000_000, nexthops: 1 << 18, neighbours: 65_536, fib_groups: 1 << 17 }
    }
}

/// An interface to be.
#[derive(Clone, Debug)]
pub struct IfaceSpec {
    /// Name.
    pub name: String,
    /// DPDK port.
    pub port: u16,
    /// VLAN id, for a sub-interface.
    pub vlan: Option<u16>,
    /// Link-layer address.
    pub mac: MacAddr,
    /// MTU.
    pub mtu: u16,
    /// Its tunables.
    pub conf: IfaceConf,
    /// Its tunables of IPv6.
    pub conf6: IfaceConf6,
}

/// A change of a link that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LinkError {
    /// No such interface.
    #[error("Cannot find device \"{0}\"")]
    NoDevice(String),
    /// The name or VLAN is taken.
    #[error("RTNETLINK answers: File exists")]
    Exists,
    /// Out of range.
    #[error("RTNETLINK answers: Invalid argument")]
    Invalid,
    /// No station's own address (`is_valid_ether_addr`).
    #[error("RTNETLINK answers: Cannot assign requested address")]
    BadMac,
    /// Less than IPv4 needs (RFC 791).
    #[error("Error: mtu less than device minimum.")]
    SmallMtu,
    /// No more interfaces.
    #[error("all {MAX_IFACES} interfaces are in use")]
    Full,
}

/// A change of an address that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AddressError {
    /// No such interface.
    #[error("Cannot find device \"{0}\"")]
    NoDevice(String),
    /// The interface has it already.
    #[error("Error: ipv4: Address already assigned.")]
    Exists,
    /// The interface does not have it.
    #[error("Error: ipv4: Address not found.")]
    NotFound,
    /// The same of IPv6.
    #[error("Error: ipv6: address already assigned.")]
    Exists6,
    /// The same of IPv6.
    #[error("Error: ipv6: address not found.")]
    NotFound6,
    /// It cannot be so.
    #[error("RTNETLINK answers: {0}")]
    Refused6(crate::ndisc::AddressError),
    /// Its routes could not be made.
    #[error(transparent)]
    Route(#[from] RouteError),
}

/// A change of a neighbour that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NeighbourError {
    /// No such interface.
    #[error("Cannot find device \"{0}\"")]
    NoDevice(String),
    /// There is one already.
    #[error("RTNETLINK answers: File exists")]
    Exists,
    /// There is none.
    #[error("RTNETLINK answers: No such file or directory")]
    NotFound,
    /// The table is full.
    #[error("all {0} neighbours are in use; raise `limits.neighbours`")]
    Full(usize),
    /// Its link-layer address is neither given nor known.
    #[error("Error: No link layer address given.")]
    NoAddress,
    /// A permanent entry needs no keeping.
    #[error("Error: Invalid NTF_* flag for permanent entry.")]
    Managed,
    /// A proxy for an IPv6 address has an interface.
    #[error("RTNETLINK answers: Invalid argument")]
    Invalid,
}
