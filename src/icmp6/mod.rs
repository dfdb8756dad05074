//! ICMPv6: errors about packets, answers to queries, and what both are held to.

pub mod nodes;
pub mod table;
