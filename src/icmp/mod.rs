//! ICMP: errors about packets, answers to queries, and the limits on both.

pub mod expected;
pub mod nodes;
pub mod table;
