//! IPv4: receive checks, local delivery, forwarding, fragmentation.

pub mod nodes;
