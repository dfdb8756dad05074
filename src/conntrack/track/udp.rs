//! UDP and UDP-Lite: a flow of packets both ways is a stream.
//!
//! - obeys: rows [9.116] to [9.120]; `nf_conntrack_proto_udp.c`

use crate::packet::ipv4::protocol;

use super::{
    super::{
        Nanos,
        entry::{Entry, Proto, status},
        timeouts::{SECOND, Timeouts},
    },
    Facts, Step, Why, assure, sum_holds_plain,
};

/// How long a flow must have lived to count as a stream.
const STREAM: u64 = 2 * SECOND;

/// How long a stream lives from its last packet on, where an entry is of one and will stay so.
pub(crate) const fn stream(entry: &Entry, timeouts: &Timeouts, now: Nanos) -> Option<Nanos> {
    let lasts = matches!(entry.proto, Proto::Udp(from) if now > from);
    let fixed = entry.status & (status::NAT_CLASH | status::FIXED_TIMEOUT) != 0;
    if lasts && entry.is(status::SEEN_REPLY | status::ASSURED) && !fixed {
        return Some(timeouts.udp[1]);
    }
    None
}

/// Whether a datagram is one that a connection may have; `packet` begins with its network header, which
/// is without options.
#[inline(always)]
pub(crate) fn is_sound<const SIX: bool>(packet: &[u8], verify: bool) -> bool {
    let l4 = if SIX { packet.get(40..) } else { packet.get(20..) };
    let Some(l4) = l4 else { return false };
    let Some(&[_, _, _, _, high, low, c, d]) = l4.first_chunk() else { return false };
    let len = usize::from(u16::from_be_bytes([high, low]));
    (len >= 8) & (len <= l4.len())
        && ([c, d] == [0, 0] || !verify || sum_holds_plain::<SIX>(packet, l4, protocol::UDP))
}

/// The ways a header can be wrong.
fn fault(facts: &Facts<'_>) -> Option<Why> {
    let Some(&[_, _, _, _, high, low, c, d]) = facts.l4.first_chunk() else {
        return Some(Why::Short);
    };
    let len = usize::from(u16::from_be_bytes([high, low]));
    if len > facts.l4.len() || len < 8 {
        return Some(Why::Malformed);
    }
    // A sender need not compute one.
    if [c, d] == [0, 0] {
        return None;
    }
    (facts.verify && !facts.sum_holds(protocol::UDP, facts.l4.len())).then_some(Why::BadChecksum)
}

/// A packet of UDP.
pub(crate) fn packet(entry: &mut Entry, facts: &Facts<'_>) -> Step {
    if let Some(why) = fault(facts) {
        return Step::Invalid(why);
    }
    if facts.fresh {
        entry.proto = Proto::Udp(facts.now + STREAM);
    }
    let [unreplied, stream] = facts.timeouts.udp;
    if !entry.is(status::SEEN_REPLY) {
        return Step::Refresh(unreplied);
    }
    let lasts = matches!(entry.proto, Proto::Udp(from) if facts.now > from);
    if lasts && !entry.is(status::NAT_CLASH) {
        assure(entry);
    }
    Step::Refresh(if lasts { stream } else { unreplied })
}

/// The ways a header of UDP-Lite can be wrong.
fn lite_fault(facts: &Facts<'_>) -> Option<Why> {
    let Some(&[_, _, _, _, high, low, c, d]) = facts.l4.first_chunk() else {
        return Some(Why::Short);
    };
    let cover = match usize::from(u16::from_be_bytes([high, low])) {
        0 => facts.l4.len(),
        cover if cover < 8 || cover > facts.l4.len() => return Some(Why::BadCoverage),
        cover => cover,
    };
    if [c, d] == [0, 0] {
        return Some(Why::NoChecksum);
    }
    // The kernel takes the pseudo-header of UDP for it, so that what is right is wrong.
    (facts.verify && !facts.sum_holds(protocol::UDP, cover)).then_some(Why::BadChecksum)
}

/// A packet of UDP-Lite.
pub(crate) fn lite_packet(entry: &mut Entry, facts: &Facts<'_>) -> Step {
    if let Some(why) = lite_fault(facts) {
        return Step::Invalid(why);
    }
    let [unreplied, stream] = facts.timeouts.udplite;
    if !entry.is(status::SEEN_REPLY) {
        return Step::Refresh(unreplied);
    }
    if !entry.is(status::NAT_CLASH) {
        assure(entry);
    }
    Step::Refresh(stream)
}
