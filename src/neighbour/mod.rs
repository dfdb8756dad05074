//! Neighbours: who answers on a link, and at which link-layer address.

pub mod arp;
pub mod control;
pub mod nodes;
pub mod table;
