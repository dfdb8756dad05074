//! How IPv6 fragments are put together, as configured.

use crate::graph::Nanos;

/// Tunables of reassembly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReassemblyRules {
    /// `net.ipv6.ip6frag_time`.
    pub time: Nanos,
    /// `net.ipv6.ip6frag_high_thresh`: with more bytes than that waiting nothing more is taken.
    pub high_thresh: usize,
}

impl Default for ReassemblyRules {
    fn default() -> Self {
        Self { time: 60_000_000_000, high_thresh: 4 << 20 }
    }
}
