//! ICMPv6: as ICMP; neighbour discovery and listeners are not tracked at all.
//!
//! - obeys: row [9.139]; `nf_conntrack_proto_icmpv6.c`

use super::{
    super::{entry::Entry, tuple::ICMPV6},
    Facts, Step, Why,
    icmp::Kind,
    sum_holds,
};

/// Length of the fixed part of a redirect.
const REDIRECT_LEN: usize = 40;
/// The option with the packet that was redirected.
const REDIRECTED: u8 = 4;

/// Judges a message.
pub(crate) fn kind(packet: &[u8], l4: &[u8], verify: bool) -> Kind {
    let Some(&[ty, ..]) = l4.first_chunk::<8>() else { return Kind::Malformed(Why::Short) };
    if verify && !sum_holds(packet, l4, true, ICMPV6, l4.len()) {
        return Kind::Malformed(Why::BadChecksum);
    }
    match ty {
        130..=136 | 143 => Kind::Untracked,
        137 => redirect(packet, l4),
        128.. => Kind::Query,
        _ => Kind::Error(8),
    }
}

/// A redirect belongs to the packet that it quotes, where a neighbour sent it.
fn redirect(packet: &[u8], l4: &[u8]) -> Kind {
    let Some(head) = l4.get(..REDIRECT_LEN) else { return Kind::Malformed(Why::Short) };
    if head[1] != 0 {
        return Kind::Query;
    }
    let hop_limit = packet.get(7).copied();
    let link_local = matches!(packet.get(8..10), Some(&[0xfe, 0x80..=0xbf]));
    if hop_limit != Some(255) || !link_local {
        return Kind::Malformed(Why::BadRedirect);
    }
    match l4.get(REDIRECT_LEN..REDIRECT_LEN + 2) {
        None | Some(&[_, 0]) => Kind::Malformed(Why::Malformed),
        Some(&[REDIRECTED, _]) => Kind::Error(REDIRECT_LEN + 8),
        Some(_) => Kind::Query,
    }
}

/// A message of a connection.
pub(crate) const fn packet(entry: &mut Entry, facts: &Facts<'_>) -> Step {
    let [ty, _] = entry.nodes[0].tuple.type_code();
    // Answers may be of the other family, where the connection is of both.
    if facts.fresh && (!facts.six || !matches!(ty, 128 | 139)) {
        return Step::Invalid(Why::NoStart);
    }
    Step::Refresh(facts.timeouts.icmpv6)
}
