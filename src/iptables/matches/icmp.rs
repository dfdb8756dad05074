//! `icmp` and `icmp6`: types of messages by number or name.
//!
//! - takes: `--icmp-type`, `--icmpv6-type`
//! - gives: [`Match::Icmp`], [`Match::Icmp6`]
//! - obeys: `iptables-extensions(8)`: a name may be cut short while it is not ambiguous

use std::fmt::Write as _;

use crate::netfilter::rule::{Icmp, Is, Match, Span};

use super::super::error::{Error, Fact, Parse};
use super::super::options::{Kind, opt};
use super::super::registry::{Families, Look, MatchEntry, Place, free};
use super::super::words::{self, bang};

/// A name, its type, and the codes it stands for.
type Name = (&'static str, u8, u8, u8);

const NAMES: &[Name] = &[
    ("any", 255, 0, 255),
    ("echo-reply", 0, 0, 255),
    ("pong", 0, 0, 255),
    ("destination-unreachable", 3, 0, 255),
    ("network-unreachable", 3, 0, 0),
    ("host-unreachable", 3, 1, 1),
    ("protocol-unreachable", 3, 2, 2),
    ("port-unreachable", 3, 3, 3),
    ("fragmentation-needed", 3, 4, 4),
    ("source-route-failed", 3, 5, 5),
    ("network-unknown", 3, 6, 6),
    ("host-unknown", 3, 7, 7),
    ("network-prohibited", 3, 9, 9),
    ("host-prohibited", 3, 10, 10),
    ("TOS-network-unreachable", 3, 11, 11),
    ("TOS-host-unreachable", 3, 12, 12),
    ("communication-prohibited", 3, 13, 13),
    ("host-precedence-violation", 3, 14, 14),
    ("precedence-cutoff", 3, 15, 15),
    ("source-quench", 4, 0, 255),
    ("redirect", 5, 0, 255),
    ("network-redirect", 5, 0, 0),
    ("host-redirect", 5, 1, 1),
    ("TOS-network-redirect", 5, 2, 2),
    ("TOS-host-redirect", 5, 3, 3),
    ("echo-request", 8, 0, 255),
    ("ping", 8, 0, 255),
    ("router-advertisement", 9, 0, 255),
    ("router-solicitation", 10, 0, 255),
    ("time-exceeded", 11, 0, 255),
    ("ttl-exceeded", 11, 0, 255),
    ("ttl-zero-during-transit", 11, 0, 0),
    ("ttl-zero-during-reassembly", 11, 1, 1),
    ("parameter-problem", 12, 0, 255),
    ("ip-header-bad", 12, 0, 0),
    ("required-option-missing", 12, 1, 1),
    ("timestamp-request", 13, 0, 255),
    ("timestamp-reply", 14, 0, 255),
    ("address-mask-request", 17, 0, 255),
    ("address-mask-reply", 18, 0, 255),
];

const NAMES6: &[Name] = &[
    ("destination-unreachable", 1, 0, 255),
    ("no-route", 1, 0, 0),
    ("communication-prohibited", 1, 1, 1),
    ("beyond-scope", 1, 2, 2),
    ("address-unreachable", 1, 3, 3),
    ("port-unreachable", 1, 4, 4),
    ("failed-policy", 1, 5, 5),
    ("reject-route", 1, 6, 6),
    ("packet-too-big", 2, 0, 255),
    ("time-exceeded", 3, 0, 255),
    ("ttl-exceeded", 3, 0, 255),
    ("ttl-zero-during-transit", 3, 0, 0),
    ("ttl-zero-during-reassembly", 3, 1, 1),
    ("parameter-problem", 4, 0, 255),
    ("bad-header", 4, 0, 0),
    ("unknown-header-type", 4, 1, 1),
    ("unknown-option", 4, 2, 2),
    ("echo-request", 128, 0, 255),
    ("ping", 128, 0, 255),
    ("echo-reply", 129, 0, 255),
    ("pong", 129, 0, 255),
    ("router-solicitation", 133, 0, 255),
    ("router-advertisement", 134, 0, 255),
    ("neighbour-solicitation", 135, 0, 255),
    ("neighbor-solicitation", 135, 0, 255),
    ("neighbour-advertisement", 136, 0, 255),
    ("neighbor-advertisement", 136, 0, 255),
    ("redirect", 137, 0, 255),
];

fn icmp_of(text: &str, names: &[Name], what: &'static str) -> Parse<Icmp> {
    let lower = text.to_ascii_lowercase();
    let begins = |name: &&Name| {
        name.0.get(..text.len()).is_some_and(|start| start.eq_ignore_ascii_case(text))
    };
    let mut found = names.iter().filter(begins);
    if let Some(first) = found.next() {
        let whole = names.iter().find(|name| name.0.eq_ignore_ascii_case(&lower));
        let chosen = match whole {
            Some(whole) => whole,
            None => match found.next() {
                Some(second) => {
                    let tells =
                        format!("Ambiguous {what} type `{text}': `{}' or `{}'?", first.0, second.0);
                    return Err(Fact::Tells(tells).into());
                }
                None => first,
            },
        };
        return Ok(Icmp { kind: chosen.1, codes: Span::new(chosen.2, chosen.3) });
    }
    let (kind, code) = match text.split_once('/') {
        Some((kind, code)) => (kind, Some(code)),
        None => (text, None),
    };
    let byte = |text: &str| words::number(text).and_then(|n| u8::try_from(n).ok());
    let Some(kind) = byte(kind) else {
        return Err(Error::from(Fact::Tells(format!("Unknown {what} type `{kind}'"))));
    };
    let codes = match code {
        None => Span::new(0, u8::MAX),
        Some(code) => match byte(code) {
            Some(code) => Span::only(code),
            None => return Err(Fact::Tells(format!("Unknown {what} code `{text}'")).into()),
        },
    };
    Ok(Icmp { kind, codes })
}

/// `8`, `3/1` or a range of codes.
fn save_icmp(out: &mut String, name: &str, of: &Is<Icmp>) {
    bang(out, of.not);
    let _ = write!(out, " --{name} {}", of.value.kind);
    let codes = of.value.codes;
    if codes != Span::new(0, u8::MAX) {
        let _ = write!(out, "/{}", span_of(codes));
    }
}

fn span_of(codes: Span<u8>) -> String {
    words::span_text(codes)
}

fn list_icmp(out: &mut String, word: &str, of: &Is<Icmp>, names: &[Name], look: Look) {
    let Icmp { kind, codes } = of.value;
    let inverted = if of.not { "!" } else { "" };
    let named = names
        .iter()
        .find(|name| (name.1, name.2, name.3) == (kind, codes.first, codes.last))
        .filter(|_| !look.numeric);
    if let Some((name, ..)) = named {
        let _ = write!(out, " {word} {inverted}{name}");
        return;
    }
    let gap = if of.not { " !" } else { "" };
    let _ = write!(out, " {word}{gap}type {kind}");
    if codes.first == codes.last {
        let _ = write!(out, " code {}", codes.first);
    } else if codes != Span::new(0, u8::MAX) {
        let _ = write!(out, " codes {}-{}", codes.first, codes.last);
    }
}

pub(super) static ICMP: MatchEntry = MatchEntry {
    name: "icmp",
    families: Families::Four,
    place: Place::ANY.protocols(&[1]),
    terse: false,
    options: &[opt(&["icmp-type"], Kind::Text).inverts().required()],
    build: |args| {
        let words = args.text("icmp-type").unwrap_or(Is::so("any"));
        let value = icmp_of(words.value, NAMES, "ICMP")?;
        Ok(Match::Icmp(Is { not: words.not, value }))
    },
    save: |of, out| {
        let Match::Icmp(of) = of else { return false };
        if of.value.kind == Icmp::ANY {
            bang(out, of.not);
            out.push_str(" --icmp-type any");
        } else {
            save_icmp(out, "icmp-type", of);
        }
        true
    },
    list: |of, out, look| {
        let Match::Icmp(of) = of else { return false };
        list_icmp(out, "icmp", of, NAMES, look);
        true
    },
    check: free,
};

pub(super) static ICMP6: MatchEntry = MatchEntry {
    name: "icmp6",
    families: Families::Six,
    place: Place::ANY.protocols(&[58]),
    terse: false,
    options: &[opt(&["icmpv6-type"], Kind::Text).inverts().required()],
    build: |args| {
        let words = args.text("icmpv6-type").unwrap_or(Is::so(""));
        let value = icmp_of(words.value, NAMES6, "ICMPv6")?;
        Ok(Match::Icmp6(Is { not: words.not, value }))
    },
    save: |of, out| {
        let Match::Icmp6(of) = of else { return false };
        save_icmp(out, "icmpv6-type", of);
        true
    },
    list: |of, out, look| {
        let Match::Icmp6(of) = of else { return false };
        list_icmp(out, "ipv6-icmp", of, NAMES6, look);
        true
    },
    check: free,
};
