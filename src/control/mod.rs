//! The management core: the one writer of every table that workers read.
//!
//! [`Router`] is a machine without threads or clocks: commands and punted packets go in with the
//! time, packets to inject come out, and [`Router::commit`] publishes what has changed. The live
//! loop and deterministic replay drive the same machine.

mod addresses;
mod addresses6;
mod arp;
mod events;
mod explain;
pub mod families;
mod filter;
mod host_routes;
mod hosts;
mod ifaces;
mod journal;
mod learned;
mod links;
mod martians;
mod ndisc;
mod neighbours;
mod nexthops;
pub mod probe;
pub mod queues;
mod router;
mod routers;
mod rules;
mod spec;
mod vrf;

pub use events::{Event, News, What};
pub use explain::{Explanation, Query};
pub use hosts::GroupError;
pub use journal::{JournalCounts, LogLine};
pub use learned::Learned;
pub use neighbours::NeighbourSpec;
pub use router::Router;
pub use rules::RuleError;
pub use spec::{AddressError, IfaceSpec, Limits, LinkError, NeighbourError};
