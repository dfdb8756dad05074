//! Where the parts of a packet are.
//!
//! - takes: a packet as rules see it
//! - gives: the bytes from a header on; options of TCP and of IPv4, headers of IPv6
//! - obeys: `nft_set_pktinfo`, `nft_payload`, `nft_exthdr`

use super::{Family, load::Base};
use crate::netfilter::{rule, view::View};
use crate::packet::{ipv4::protocol, ipv6::extension};

/// Whether a packet has a transport header that can be told: of later fragments only what it is.
pub(super) fn has_protocol(view: &View<'_>) -> bool {
    !view.facts().broken
}

/// A packet's protocol and the place of its header: an authentication header is one here, though tables of
/// iptables look behind it (`IP6_FH_F_AUTH`).
#[inline]
pub(super) fn transport(view: &View<'_>) -> (u8, usize) {
    let facts = view.facts();
    let plain = (facts.protocol, facts.l4);
    if facts.family == rule::Family::Four || facts.l4 == 40 || facts.fragment_offset != 0 {
        return plain;
    }
    extension(view, protocol::AH).map_or(plain, |at| (protocol::AH, at))
}

/// The place of a header's first byte from the network header on; nothing where it is not to be seen.
pub(super) fn start(view: &View<'_>, base: Base) -> Option<usize> {
    let facts = view.facts();
    let whole = has_protocol(view) && facts.fragment_offset == 0;
    match base {
        Base::Link => None,
        Base::Network => Some(0),
        Base::Transport => whole.then(|| transport(view).1),
        Base::Inner => {
            let len = match facts.protocol {
                protocol::UDP | protocol::UDPLITE => 8,
                protocol::TCP => usize::from(view.l4().get(12)? >> 4) * 4,
                _ => return None,
            };
            whole.then_some(facts.l4 + len)
        }
    }
}

/// Bytes of a header from a place on.
///
/// The kernel reads few bytes at even places without a look at whether the packet is a fragment other than
/// the first (`nft_payload_fast_eval`).
#[inline]
pub(super) fn bytes<'a>(view: &'a View<'_>, base: Base, at: usize, len: usize) -> Option<&'a [u8]> {
    if base == Base::Link {
        return view.about.link.get(at..at + len);
    }
    let quick = matches!(len, 1 | 2 | 4) && at.is_multiple_of(len);
    if base == Base::Transport && quick && view.facts().fragment_offset != 0 && has_protocol(view) {
        let from = view.facts().l4 + at;
        return view.bytes().get(from..from + len);
    }
    let from = start(view, base)? + at;
    view.bytes().get(from..from + len)
}

/// What the link layer says the packet is.
pub(super) fn ethertype(view: &View<'_>, family: Family) -> u16 {
    match view.facts().family {
        _ if family == Family::Netdev => {
            let link = view.about.link;
            let last = link.len().checked_sub(2).and_then(|at| link.get(at..)?.first_chunk());
            last.map_or(0, |word: &[u8; 2]| u16::from_be_bytes(*word))
        }
        rule::Family::Four => 0x0800,
        rule::Family::Six => 0x86dd,
    }
}

/// The place and the length of an option of TCP, from the network header on.
pub(super) fn tcp_option(view: &View<'_>, kind: u8) -> Option<(usize, usize)> {
    let facts = view.facts();
    if facts.protocol != protocol::TCP || start(view, Base::Transport).is_none() {
        return None;
    }
    let head = view.l4();
    let len = usize::from(*head.get(12)? >> 4) * 4;
    if len < 20 || len > head.len() {
        return None;
    }
    option(&head[..len], 20, kind).map(|(at, len)| (facts.l4 + at, len))
}

/// Whether the segment's header is there whole.
pub(super) fn has_tcp(view: &View<'_>) -> bool {
    let head = view.l4();
    let len = head.get(12).map_or(0, |byte| usize::from(byte >> 4) * 4);
    view.facts().protocol == protocol::TCP
        && start(view, Base::Transport).is_some()
        && len >= 20
        && len <= head.len()
}

/// The place and the length of an option of IPv4.
pub(super) fn ip_option(view: &View<'_>, kind: u8) -> Option<(usize, usize)> {
    let facts = view.facts();
    if facts.family != rule::Family::Four {
        return None;
    }
    option(view.bytes().get(..facts.l4)?, 20, kind)
}

fn option(head: &[u8], mut at: usize, kind: u8) -> Option<(usize, usize)> {
    while at < head.len() {
        let len = match head[at] {
            0 | 1 if kind == head[at] => return Some((at, 1)),
            0 | 1 => 1,
            _ => usize::from(*head.get(at + 1)?).max(2),
        };
        if at + len > head.len() {
            return None;
        }
        if head[at] == kind {
            return Some((at, len));
        }
        at += len;
    }
    None
}

/// The place of an extension header of IPv6 (`ipv6_find_hdr`).
pub(super) fn extension(view: &View<'_>, which: u8) -> Option<usize> {
    if view.facts().family != rule::Family::Six {
        return None;
    }
    let bytes = view.bytes();
    let (mut next, mut at) = (*bytes.get(6)?, 40);
    loop {
        if next == which {
            return (at < bytes.len()).then_some(at);
        }
        if !extension::is_extension(next) || next == 59 {
            return None;
        }
        let &[then, told, high, low] = bytes.get(at..)?.first_chunk::<4>()?;
        if next == 44 && u16::from_be_bytes([high, low]) >> 3 != 0 {
            return None;
        }
        at += extension::len_of(next, told);
        next = then;
    }
}
