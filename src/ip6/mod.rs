//! IPv6: receive checks, extension headers, local delivery and forwarding.

pub mod nodes;
pub mod reassembly;
pub mod table;
