//! Wagonway: a poll-mode software router that behaves like the Linux networking stack.
//!
//! This file is the map of the rooms. Dependencies point one way: `packet` and `publish` know
//! nobody; `dpdk` knows `packet`; `graph` knows those; the subsystems stand on the engine; `worker`
//! and `control` drive the subsystems; the faces are outermost. `tests/house.rs` checks the arrows.
#![deny(unsafe_code)]

// Engine
pub mod dpdk;
pub mod graph;
pub mod packet;
pub mod publish;

// Subsystems, in the packet's order
pub mod conntrack;
pub mod icmp;
pub mod icmp6;
pub mod ip4;
pub mod ip6;
pub mod l2;
pub mod multicast;
pub mod ndisc;
pub mod neighbour;
pub mod netfilter;
pub mod nftables;
pub mod port;
mod reassembly;
pub mod route;
pub mod sets;
pub mod tables;

// What drives them
pub mod control;
pub mod worker;

// Faces
pub mod capture;
pub mod cli;
pub mod config;
pub mod iproute2;
pub mod iptables;
pub mod live;
pub mod replay;
pub mod setup;
pub mod telemetry;
