//! Neighbours: who answers on a link, and at which link-layer address.

mod action;
pub mod arp;
pub mod control;
mod core;
mod entry;
mod gc;
mod machine;
pub mod nodes;
mod params;
mod proxy;
mod stats;
pub mod table;
