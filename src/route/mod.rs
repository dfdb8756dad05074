//! Routing: routes as the operator states them, the forwarding table the workers read, and the
//! nodes that look packets up.

pub mod cache;
mod cells;
pub mod control;
#[cfg(test)]
mod doubles;
pub mod exceptions;
pub mod family;
pub mod fib;
pub mod fib6;
pub mod hops;
pub mod multipath;
pub mod multipath6;
pub mod nexthops;
pub mod policy;
mod resolve;
pub mod rewrite;
pub mod rib;
mod six;
pub mod spec;
pub mod synth;
pub mod table;
pub mod trie;
mod views;
