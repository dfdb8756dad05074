//! IPv4: receive checks, local delivery, forwarding, fragmentation and reassembly.

pub mod nodes;
pub mod reassembly;
pub mod table;
