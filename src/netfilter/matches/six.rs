//! Matches on the headers between IPv6's own and what it carries.
//!
//! - takes: a packet of IPv6
//! - gives: [`Found`]
//! - obeys: ip6t_frag, ip6t_ipv6header, ip6t_rt, ip6t_hbh, ip6t_mh, ip6t_ah, ip6t_eui64 of the kernel

use super::{Found, ports::within};
use crate::netfilter::rule::{Ah, ExtOptions, Frag, HeaderOption, Ipv6Header, Is, Rt, Span};
use crate::netfilter::view::View;
use crate::packet::ipv6::{
    HEADER_LEN, address_at,
    extension::{self, Missing, next_header},
};

/// What stands at the first header of a type and behind it, or what to say where there is none.
fn find<'a>(view: &'a View<'_>, number: u8) -> Result<&'a [u8], Found> {
    let (head, rest) = view.bytes().split_at(HEADER_LEN);
    match extension::find(rest, head[6], number, false) {
        Ok(at) => rest.get(at.offset..).ok_or(Found::HotDrop),
        Err(Missing::Absent) => Err(Found::Miss),
        Err(Missing::Truncated) => Err(Found::HotDrop),
    }
}

fn long(bytes: &[u8; 4]) -> u32 {
    u32::from_be_bytes(*bytes)
}

/// `frag`
pub(super) fn frag(view: &View<'_>, ask: &Frag) -> Found {
    let head = match find(view, next_header::FRAGMENT) {
        Ok(head) => head,
        Err(found) => return found,
    };
    let Some(&[_, reserved, high, low, a, b, c, d]) = head.first_chunk() else {
        return Found::HotDrop;
    };
    let word = u16::from_be_bytes([high, low]);
    let (first, more) = (word & !7 == 0, word & 1 != 0);
    Found::of(
        within(&ask.id, long(&[a, b, c, d]))
            && !(ask.reserved && (reserved != 0 || word & 6 != 0))
            && (first || !ask.first)
            && ask.more.is_none_or(|want| want == more),
    )
}

/// `ipv6header`
pub(super) fn ipv6header(view: &View<'_>, ask: &Ipv6Header) -> Found {
    let bytes = view.bytes();
    let (mut number, mut at, mut seen) = (bytes[6], HEADER_LEN, 0);
    loop {
        let bit = match number {
            next_header::HOP_BY_HOP => HeaderOption::HopByHop,
            next_header::ROUTING => HeaderOption::Routing,
            next_header::FRAGMENT => HeaderOption::Fragment,
            next_header::AUTHENTICATION => HeaderOption::Ah,
            next_header::DESTINATION => HeaderOption::Destination,
            next_header::NONE => {
                seen |= HeaderOption::NoNext as u8;
                break;
            }
            next_header::ESP => {
                if bytes.len() < at + 2 {
                    return Found::Miss;
                }
                seen |= HeaderOption::Esp as u8;
                break;
            }
            _ => {
                seen |= HeaderOption::Payload as u8;
                break;
            }
        };
        let Some(&[next, told]) = bytes.get(at..).and_then(|rest| rest.first_chunk()) else {
            return Found::Miss;
        };
        seen |= bit as u8;
        at += extension::len_of(number, told);
        number = next;
        if at > bytes.len() {
            if !matches!(number, next_header::NONE | next_header::ESP) {
                seen |= HeaderOption::Payload as u8;
            }
            break;
        }
    }
    let asked = ask.headers.value;
    let not = if ask.headers.not { 0xff } else { 0 };
    Found::of(match ask.soft {
        true => (seen ^ asked ^ not) & asked == 0,
        false => (seen == asked) != ask.headers.not,
    })
}

/// `rt`
pub(super) fn rt(view: &View<'_>, ask: &Rt) -> Found {
    let head = match find(view, next_header::ROUTING) {
        Ok(head) => head,
        Err(found) => return found,
    };
    let Some(&[_, told, kind, left]) = head.first_chunk() else { return Found::HotDrop };
    let len = extension::len_of(next_header::ROUTING, told);
    if head.len() < len {
        return Found::Miss;
    }
    let holds = within(&ask.segments_left, left.into())
        && ask.length.as_ref().is_none_or(|is| is.holds(|asked| *asked as usize == len))
        && ask.kind.as_ref().is_none_or(|is| is.holds(|asked| *asked == u32::from(kind)));
    if !holds || ask.reserved && head.get(4..8).is_none_or(|reserved| reserved != [0; 4]) {
        return Found::Miss;
    }
    let Some(asked) = &ask.addresses else { return Found::Hit };
    let count = (len - 8) / 16;
    if asked.len() > count {
        return Found::Miss;
    }
    let mut there = (0..count).map(|at| address_at(head, 8 + at * 16));
    let mut asked = asked.iter().map(|address| address.to_bits());
    Found::of(match ask.not_strict {
        true => asked.all(|address| there.any(|have| have == address)),
        false => asked.len() == count && there.eq(asked),
    })
}

/// `hbh`, `dst`
pub(super) fn options(view: &View<'_>, ask: &ExtOptions, number: u8) -> Found {
    let head = match find(view, number) {
        Ok(head) => head,
        Err(found) => return found,
    };
    let Some(&[_, told]) = head.first_chunk() else { return Found::HotDrop };
    let len = extension::len_of(number, told);
    if head.len() < len {
        return Found::Miss;
    }
    if ask.length.as_ref().is_some_and(|is| !is.holds(|asked| *asked as usize == len)) {
        return Found::Miss;
    }
    let mut rest = &head[2..len];
    for option in &ask.options {
        let Some((&kind, behind)) = rest.split_first() else { return Found::Miss };
        if kind != option.kind {
            return Found::Miss;
        }
        if kind == 0 {
            rest = behind;
            continue;
        }
        let Some((&size, behind)) = behind.split_first() else { return Found::Miss };
        if option.length.is_some_and(|asked| asked != size) {
            return Found::Miss;
        }
        rest = behind.get(usize::from(size)..).unwrap_or_default();
    }
    Found::Hit
}

/// `mh`
pub(super) fn mobility(view: &View<'_>, ask: &Is<Span<u8>>) -> Found {
    if view.facts().fragment_offset != 0 {
        return Found::Miss;
    }
    match view.l4_head::<6>() {
        // Nothing may follow it.
        Some(&[next_header::NONE, _, kind, ..]) => Found::of(ask.holds(|span| span.contains(kind))),
        _ => Found::HotDrop,
    }
}

/// `ah`
pub(super) fn ah(view: &View<'_>, ask: &Ah) -> Found {
    let head = match find(view, next_header::AUTHENTICATION) {
        Ok(head) => head,
        Err(found) => return found,
    };
    let Some(&[_, told, high, low, a, b, c, d, ..]) = head.first_chunk::<12>() else {
        return Found::HotDrop;
    };
    let len = extension::len_of(next_header::AUTHENTICATION, told);
    let length = ask.length.filter(|is| is.value != 0);
    Found::of(
        within(&ask.spi, long(&[a, b, c, d]))
            && length.is_none_or(|is| is.holds(|asked| *asked as usize == len))
            && !(ask.reserved && (high, low) != (0, 0)),
    )
}

/// `eui64`
pub(super) fn eui64(view: &View<'_>) -> Found {
    let Some(&link) = view.about.link.first_chunk::<14>() else {
        return match view.facts().fragment_offset {
            0 => Found::Miss,
            _ => Found::HotDrop,
        };
    };
    let [_, _, _, _, _, _, a, b, c, d, e, f, ..] = link;
    let made = u64::from_be_bytes([a ^ 2, b, c, 0xff, 0xfe, d, e, f]);
    Found::of(link[12..] == [0x86, 0xdd] && view.facts().src as u64 == made)
}
