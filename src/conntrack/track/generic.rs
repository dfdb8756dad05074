//! Protocols that nobody knows: one entry for a pair of addresses, one timeout.
//!
//! - obeys: row [9.140]; `nf_conntrack_proto_generic.c`

use super::{Facts, Step};

/// A packet of any protocol.
pub(crate) const fn packet(facts: &Facts<'_>) -> Step {
    Step::Refresh(facts.timeouts.generic)
}
