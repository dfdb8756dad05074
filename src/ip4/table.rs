//! How fragments are put together, as configured.

use crate::graph::Nanos;

/// Tunables of reassembly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReassemblyRules {
    /// `net.ipv4.ipfrag_time`.
    pub time: Nanos,
    /// `net.ipv4.ipfrag_high_thresh`: with more bytes than that waiting nothing more is taken.
    pub high_thresh: usize,
    /// `net.ipv4.ipfrag_max_dist`: 0 for no limit.
    pub max_dist: u32,
}

impl Default for ReassemblyRules {
    fn default() -> Self {
        Self { time: 30_000_000_000, high_thresh: 4 << 20, max_dist: 64 }
    }
}

/// What a worker sets aside for fragments when it is built.
#[derive(Clone, Copy, Debug)]
pub struct ReassemblyRoom {
    /// Bytes.
    pub memory: usize,
    /// Workers that share what `ipfrag_high_thresh` allows.
    pub share: usize,
    /// Seed of the table of datagrams.
    pub seed: u64,
}
