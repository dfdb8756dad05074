//! Matches on transport headers.
//!
//! - takes: a packet whose protocol the rule has asked for
//! - gives: [`Found`]
//! - obeys: xt_tcpudp, xt_sctp, xt_dccp, xt_multiport, xt_tcpmss, xt_esp, xt_ipcomp, ipt_ah and
//!   `icmp_match`, `icmp6_match` of the kernel

use super::Found;
use crate::netfilter::rule::{
    Bits, Dccp, Family, Icmp, Is, Masked, Multiport, PortSide, Span, Tcp, Udp,
};
use crate::netfilter::view::View;

/// A 16-bit number at a place of a header.
#[inline]
fn word(head: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([head[at], head[at + 1]])
}

/// A 32-bit number at a place of a header.
#[inline]
fn long(head: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]])
}

/// Whether a number is in a range, if one is asked for.
#[inline]
pub(super) fn within<T: Copy + PartialOrd>(asked: &Option<Is<Span<T>>>, value: T) -> bool {
    asked.as_ref().is_none_or(|is| is.holds(|span| span.contains(value)))
}

/// Whether bits are as they should be.
#[inline]
pub(super) fn masked8(asked: &Is<Masked<u8>>, value: u8) -> bool {
    asked.holds(|bits| value & bits.mask == bits.value)
}

/// `tcp`
#[inline]
pub(super) fn tcp(view: &View<'_>, ask: &Tcp) -> Found {
    match view.facts().fragment_offset {
        0 => {}
        // A second fragment that would overwrite the first one's flags; of IPv6 the kernel compares bytes.
        1 if view.facts().family == Family::Four => return Found::HotDrop,
        _ => return Found::Miss,
    }
    let Some(head) = view.l4_head::<20>() else { return Found::HotDrop };
    let holds = within(&ask.source, word(head, 0))
        && within(&ask.destination, word(head, 2))
        && ask.flags.as_ref().is_none_or(|flags| masked8(flags, head[13]));
    let option = ask.option.filter(|option| option.value != 0);
    match option {
        _ if !holds => Found::Miss,
        None => Found::Hit,
        Some(option) => tcp_option(view, head, option),
    }
}

fn tcp_option(view: &View<'_>, head: &[u8; 20], option: Is<u8>) -> Found {
    let len = usize::from(head[12] >> 4) * 4;
    let Some(options) = view.l4().get(20..len.max(20)).filter(|_| len >= 20) else {
        return Found::HotDrop;
    };
    Found::of(option.holds(|kind| has_option(options, *kind)))
}

/// Whether an option of a kind is among these.
fn has_option(options: &[u8], kind: u8) -> bool {
    let mut at = 0;
    while let Some(&have) = options.get(at) {
        if have == kind {
            return true;
        }
        at += step(options, at);
    }
    false
}

/// How far it is from an option to the next one.
pub(in crate::netfilter) fn step(options: &[u8], at: usize) -> usize {
    match options.get(at..) {
        Some([kind, len, ..]) if *kind >= 2 => usize::from(*len).max(1),
        _ => 1,
    }
}

/// `udp`, `udplite`
#[inline]
pub(super) fn udp(view: &View<'_>, ask: &Udp) -> Found {
    if view.facts().fragment_offset != 0 {
        return Found::Miss;
    }
    let Some(head) = view.l4_head::<8>() else { return Found::HotDrop };
    Found::of(within(&ask.source, word(head, 0)) && within(&ask.destination, word(head, 2)))
}

/// `icmp`, `icmp6`; `any` is the type that stands for all.
#[inline]
pub(super) fn icmp(view: &View<'_>, ask: &Is<Icmp>, any: Option<u8>) -> Found {
    if view.facts().fragment_offset != 0 {
        return Found::Miss;
    }
    let Some(head) = view.l4_head::<8>() else { return Found::HotDrop };
    Found::of(ask.holds(|icmp| {
        Some(icmp.kind) == any || icmp.kind == head[0] && icmp.codes.contains(head[1])
    }))
}

/// `multiport`
#[inline]
pub(super) fn multiport(view: &View<'_>, ask: &Is<Multiport>) -> Found {
    if view.facts().fragment_offset != 0 {
        return Found::Miss;
    }
    let Some(head) = view.l4_head::<4>() else { return Found::HotDrop };
    let (src, dst) = (word(head, 0), word(head, 2));
    Found::of(ask.holds(|ask| {
        ask.ports.iter().any(|span| match ask.side {
            PortSide::Source => span.contains(src),
            PortSide::Destination => span.contains(dst),
            PortSide::Either => span.contains(src) || span.contains(dst),
        })
    }))
}

/// `dccp`
pub(super) fn dccp(view: &View<'_>, ask: &Dccp) -> Found {
    if view.facts().fragment_offset != 0 {
        return Found::Miss;
    }
    let Some(head) = view.l4_head::<12>() else { return Found::HotDrop };
    let kind = head[8] >> 1 & 0xf;
    let types = |asked: &Bits| asked >> kind & 1 != 0;
    let holds = within(&ask.source, word(head, 0))
        && within(&ask.destination, word(head, 2))
        && ask.types.as_ref().is_none_or(|is| is.holds(types));
    match ask.option {
        _ if !holds => Found::Miss,
        None => Found::Hit,
        Some(option) => {
            let fixed = 12 + 4 * usize::from(head[8] & 1) + dccp_len(kind);
            let end = usize::from(head[4]) * 4;
            // Without options nobody looks whether the rest of the header is there.
            let options = match end == fixed {
                true => Some(&[][..]),
                false => view.l4().get(fixed..end),
            };
            match options {
                Some(options) => Found::of(option.holds(|kind| has_option(options, *kind))),
                None => Found::HotDrop,
            }
        }
    }
}

/// Bytes of a DCCP header behind the common part, by its type.
fn dccp_len(kind: u8) -> usize {
    match kind {
        2 => 0,
        0 => 4,
        3..=6 | 8 | 9 => 8,
        _ => 12,
    }
}

/// `tcpmss`, which does not ask whether the packet is a later fragment.
pub(super) fn tcpmss(view: &View<'_>, ask: &Is<Span<u16>>) -> Found {
    let Some(head) = view.l4_head::<20>() else { return Found::HotDrop };
    let len = usize::from(head[12] >> 4) * 4;
    let Some(options) = view.l4().get(20..len.max(20)).filter(|_| len >= 20) else {
        return Found::HotDrop;
    };
    let mut at = 0;
    while at < options.len() {
        if let [2, 4, high, low, ..] = options[at..] {
            let mss = u16::from_be_bytes([high, low]);
            return Found::of(ask.holds(|span| span.contains(mss)));
        }
        at += step(options, at);
    }
    Found::of(ask.not)
}

/// `esp`
pub(super) fn esp(view: &View<'_>, ask: &Is<Span<u32>>) -> Found {
    if view.facts().fragment_offset != 0 {
        return Found::Miss;
    }
    let Some(head) = view.l4_head::<8>() else { return Found::HotDrop };
    Found::of(ask.holds(|span| span.contains(long(head, 0))))
}

/// `ipcomp`
pub(super) fn ipcomp(view: &View<'_>, ask: &Is<Span<u32>>) -> Found {
    if view.facts().fragment_offset != 0 {
        return Found::Miss;
    }
    let Some(head) = view.l4_head::<4>() else { return Found::HotDrop };
    Found::of(ask.holds(|span| span.contains(word(head, 2).into())))
}

/// `ah` of IPv4
pub(super) fn ah(view: &View<'_>, spi: &Option<Is<Span<u32>>>) -> Found {
    if view.facts().fragment_offset != 0 {
        return Found::Miss;
    }
    let Some(head) = view.l4_head::<12>() else { return Found::HotDrop };
    Found::of(within(spi, long(head, 4)))
}
