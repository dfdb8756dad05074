//! Words of a rule: numbers, addresses, protocols, ports, and how they are printed.
//!
//! - takes: one word
//! - gives: its value, or the sentence with which iptables refuses it
//! - obeys: xtables' readers: numbers are C's, so that `0x10` and `010` are 16 and 8
//!
//! Names of hosts are not resolved: a rule that depends on what a resolver said once is refused.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::iproute2::names::IP_PROTOS;
use crate::netfilter::rule::{Family, Masked, Prefix, Span};

use super::error::{Fact, Parse};
use super::services;

/// A number of C.
pub(super) fn number(text: &str) -> Option<u64> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => (hex, 16),
        None if text.len() > 1 && text.starts_with('0') => (&text[1..], 8),
        None => (text, 10),
    };
    // A sign is no digit, though Rust would read it.
    if !digits.starts_with(|c: char| c.is_ascii_hexdigit()) {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

/// A number of 32 bits.
pub(super) fn number32(text: &str) -> Option<u32> {
    number(text).and_then(|n| u32::try_from(n).ok())
}

/// At most so many bytes of a text, whole characters only.
pub(super) fn cut(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// An address of a family.
pub(super) fn host(text: &str, family: Family) -> Parse<IpAddr> {
    let address = match family {
        Family::Four => text.parse().ok().map(IpAddr::V4),
        Family::Six => text.parse().ok().map(IpAddr::V6),
    };
    Ok(address.ok_or_else(|| Fact::NoHost(text.to_owned()))?)
}

/// An address with a mask; of IPv4, missing parts are zeros.
pub(super) fn prefix(text: &str, family: Family) -> Parse<Prefix> {
    let (address, mask) = match text.rsplit_once('/') {
        Some((address, mask)) => (address, Some(mask)),
        None => (text, None),
    };
    let mask = match mask {
        Some(mask) => mask_of(mask, family).ok_or_else(|| Fact::Mask(mask.to_owned()))?,
        None => length_mask(family.bits(), family),
    };
    // Of `any/0` the name does not matter.
    if mask == family.any() {
        return Ok(Prefix::new(mask, mask));
    }
    let parts = address.split('.').count();
    let padded = match family {
        Family::Four if parts < 4 && address.starts_with(|c: char| c.is_ascii_digit()) => {
            format!("{}{}", address, ".0".repeat(4 - parts))
        }
        _ => address.to_owned(),
    };
    let address = host(&padded, family).map_err(|_| Fact::NoHost(address.to_owned()))?;
    Ok(Prefix::new(address, mask))
}

fn mask_of(text: &str, family: Family) -> Option<IpAddr> {
    if let Ok(mask) = host(text, family) {
        return Some(mask);
    }
    let length = number(text).and_then(|n| u8::try_from(n).ok())?;
    (length <= family.bits()).then(|| length_mask(length, family))
}

/// The mask of a length.
pub(super) fn length_mask(length: u8, family: Family) -> IpAddr {
    match family {
        Family::Four => {
            let bits = u32::MAX.checked_shl(32 - u32::from(length.min(32))).unwrap_or(0);
            Ipv4Addr::from_bits(bits).into()
        }
        Family::Six => {
            let bits = u128::MAX.checked_shl(128 - u32::from(length.min(128))).unwrap_or(0);
            Ipv6Addr::from_bits(bits).into()
        }
    }
}

/// A prefix as rules print it: the length always, or the mask if it has holes.
pub(super) fn prefix_text(prefix: Prefix) -> String {
    match prefix.length() {
        Some(length) => format!("{}/{length}", prefix.address),
        None => format!("{}/{}", prefix.address, prefix.mask),
    }
}

/// A prefix as extensions and lists print it: a single address alone.
pub(super) fn short_prefix_text(prefix: Prefix) -> String {
    match prefix.length() {
        Some(length) if length == Family::of(prefix.address).bits() => prefix.address.to_string(),
        _ => prefix_text(prefix),
    }
}

/// Names of protocols beside those of [`IP_PROTOS`], under which they are printed.
const MORE_PROTOCOLS: &[(&str, u8)] = &[("icmpv6", 58), ("ipv6-mh", 135), ("mh", 135), ("all", 0)];

fn protocols() -> impl Iterator<Item = &'static (&'static str, u8)> {
    IP_PROTOS.iter().chain(MORE_PROTOCOLS)
}

/// A protocol by number or name.
pub(super) fn protocol(text: &str) -> Parse<u8> {
    let known = number(text).and_then(|n| u8::try_from(n).ok());
    let named = || protocols().find(|(name, _)| *name == text).map(|(_, number)| *number);
    Ok(known.or_else(named).ok_or_else(|| Fact::Protocol(text.to_owned()))?)
}

/// The name of a protocol, or its number.
pub(super) fn protocol_text(number: u8) -> String {
    match protocol_name(number) {
        Some(name) => name.to_owned(),
        None => number.to_string(),
    }
}

/// The name of a protocol.
pub(super) fn protocol_name(number: u8) -> Option<&'static str> {
    protocols().find(|(_, known)| *known == number && number != 0).map(|(name, _)| *name)
}

/// A port by number or service.
pub(super) fn port(text: &str) -> Parse<u16> {
    let known = number(text).and_then(|n| u16::try_from(n).ok());
    Ok(known.or_else(|| services::port(text)).ok_or_else(|| Fact::Port(text.to_owned()))?)
}

/// Ports from one to another; a missing end is the lowest or highest.
pub(super) fn port_span(text: &str) -> Parse<Span<u16>> {
    let Some((first, last)) = text.split_once(':') else { return port(text).map(Span::only) };
    let first = if first.is_empty() { 0 } else { port(first)? };
    let last = if last.is_empty() { u16::MAX } else { port(last)? };
    if first > last {
        return Err(Fact::PortRange("invalid portrange (min > max)").into());
    }
    Ok(Span { first, last })
}

/// `5` or `5:7`.
pub(super) fn span_text<T: Copy + PartialEq + std::fmt::Display>(span: Span<T>) -> String {
    if span.first == span.last {
        span.first.to_string()
    } else {
        format!("{}:{}", span.first, span.last)
    }
}

/// `0x5` or with a mask that leaves bits out `0x5/0xf`.
pub(super) fn mark_text(mark: Masked<u32>) -> String {
    if mark.mask == u32::MAX {
        format!("{:#x}", mark.value)
    } else {
        format!("{:#x}/{:#x}", mark.value, mark.mask)
    }
}

/// Puts a text where a shell would read it as one word.
pub(super) fn quote(out: &mut String, text: &str) {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    // A word that begins with a dash could be taken for an option when it is read back.
    if !text.is_empty() && !text.starts_with('-') && text.chars().all(plain) {
        let _ = write!(out, " {text}");
        return;
    }
    out.push_str(" \"");
    for c in text.chars() {
        if matches!(c, '"' | '\\' | '\'') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

/// Puts a name where it reads back as one word: quoted only where it must be.
pub(super) fn name(out: &mut String, text: &str) {
    let odd = |c: char| c == '"' || c.is_ascii_whitespace();
    if text.is_empty() || text.starts_with(['-', '!']) || text.contains(odd) {
        quote(out, text);
    } else {
        let _ = write!(out, " {text}");
    }
}

/// ` !` where something must not hold.
pub(super) fn bang(out: &mut String, not: bool) {
    if not {
        out.push_str(" !");
    }
}

/// Levels of syslog: the words that are read, and the one that is printed first.
const LEVELS: &[(&str, u8)] = &[
    ("alert", 1),
    ("crit", 2),
    ("debug", 7),
    ("emerg", 0),
    ("error", 3),
    ("info", 6),
    ("notice", 5),
    ("warn", 4),
    ("err", 3),
    ("panic", 0),
    ("warning", 4),
];

/// A level of syslog.
pub(super) fn level(text: &str) -> Option<u8> {
    if let Some(number) = number(text) {
        return u8::try_from(number).ok().filter(|level| *level <= 7);
    }
    LEVELS.iter().find(|(name, _)| *name == text).map(|(_, level)| *level)
}

/// The word of a level.
pub(super) fn level_text(level: u8) -> &'static str {
    LEVELS.iter().find(|(_, known)| *known == level).map_or("UNKNOWN", |(name, _)| name)
}

/// The words of a C locale's `isprint`.
pub(super) fn printable(byte: u8) -> bool {
    byte.is_ascii_graphic() || byte == b' '
}
