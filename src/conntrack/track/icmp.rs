//! ICMP: questions with answers are connections, errors belong to what they quote.
//!
//! - obeys: rows [9.137], [9.138]; `nf_conntrack_proto_icmp.c`

use crate::packet::{checksum, icmp4};

use super::{super::entry::Entry, Facts, Step, Why};

/// What a message is before any entry is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An error that quotes a packet from this octet of the message on.
    Error(usize),
    /// A message that may have an entry of its own.
    Query,
    /// A message that is never tracked.
    Untracked,
    /// No message at all.
    Malformed(Why),
}

/// Judges a message.
pub(crate) fn kind(l4: &[u8], verify: bool) -> Kind {
    let Some(&[ty, ..]) = l4.first_chunk::<8>() else { return Kind::Malformed(Why::Short) };
    if verify && checksum::sum(l4) != 0xffff {
        return Kind::Malformed(Why::BadChecksum);
    }
    match ty {
        19.. => Kind::Malformed(Why::BadType),
        ty if icmp4::is_error(ty) => Kind::Error(icmp4::HEADER_LEN),
        _ => Kind::Query,
    }
}

/// A message of a connection.
pub(crate) const fn packet(entry: &mut Entry, facts: &Facts<'_>) -> Step {
    let [ty, _] = entry.nodes[0].tuple.type_code();
    // An answer may have been sent twice, so it does not end the connection.
    // Answers may be of the other family, where the connection is of both.
    if facts.fresh && (facts.six || !matches!(ty, 8 | 13 | 15 | 17)) {
        return Step::Invalid(Why::NoStart);
    }
    Step::Refresh(facts.timeouts.icmp)
}
