//! What there is of IPv6 in the line of a packet.
//!
//! - obeys: `dump_ipv6_packet`

use std::net::Ipv6Addr;

use super::{
    line::{Held, ICMP, incomplete, long, put, tcp, udp, word},
    option,
};
use crate::{conntrack::tuple::ICMPV6, packet::ipv4::protocol};
use std::fmt::Write as _;

const HEADER: usize = 40;
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const DESTINATION: u8 = 60;

/// An address with all its digits.
fn address(bytes: &[u8]) -> String {
    let whole = bytes.first_chunk::<16>().map_or(Ipv6Addr::UNSPECIFIED, |all| (*all).into());
    let words: Vec<_> = whole.segments().iter().map(|word| format!("{word:04x}")).collect();
    words.join(":")
}

/// An IPv6 packet whose header stands at an offset; one that another quotes has no mark.
pub(super) fn packet(out: &mut String, held: Held<'_>, at: usize, options: u8, mark: Option<u32>) {
    let Some(header) = held.get(at, HEADER) else {
        *out += "TRUNCATED";
        return;
    };
    let first = long(header, 0);
    put!(out, "SRC={} DST={} ", address(&header[8..24]), address(&header[24..40]));
    put!(
        out,
        "LEN={} TC={} HOPLIMIT={} FLOWLBL={} ",
        usize::from(word(header, 4)) + HEADER,
        first >> 20 & 0xff,
        header[7],
        first & 0xf_ffff
    );
    let Some((kind, l4, later)) = extensions(out, held, header[6], at + HEADER, options) else {
        return;
    };
    let whole = match kind {
        protocol::TCP => tcp(out, held, l4, later, options),
        protocol::UDP => udp(out, "UDP", held, l4, later),
        protocol::UDPLITE => udp(out, "UDPLITE", held, l4, later),
        ICMPV6 => {
            *out += "PROTO=ICMPv6 ";
            later || icmp(out, held, l4, options, mark.is_some())
        }
        other => {
            put!(out, "PROTO={other} ");
            true
        }
    };
    if whole && let Some(mark) = mark.filter(|mark| *mark != 0) {
        put!(out, "MARK=0x{mark:x} ");
    }
}

/// Extension headers: the protocol behind them, where it stands, and whether it is in an earlier fragment;
/// `None` where the line ends with them.
fn extensions(
    out: &mut String,
    held: Held<'_>,
    mut kind: u8,
    mut at: usize,
    options: u8,
) -> Option<(u8, usize, bool)> {
    let told = options & option::IP_OPTIONS != 0;
    let mut later = false;
    while matches!(
        kind,
        HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION | protocol::AH | protocol::ESP
    ) {
        let Some(head) = held.get(at, 2) else {
            *out += "TRUNCATED";
            return None;
        };
        if told {
            *out += "OPT ( ";
        }
        let close = |out: &mut String| {
            if told {
                *out += ")";
            }
        };
        let len = match kind {
            FRAGMENT => {
                *out += "FRAG:";
                let Some(fragment) = held.get(at, 8) else {
                    *out += "TRUNCATED ";
                    return None;
                };
                let place = word(fragment, 2);
                put!(out, "{} ", place & 0xfff8);
                if place & 1 != 0 {
                    *out += "INCOMPLETE ";
                }
                put!(out, "ID:{:08x} ", long(fragment, 4));
                later |= place & 0xfff8 != 0;
                8
            }
            protocol::AH => {
                if told {
                    *out += "AH ";
                    if later {
                        close(out);
                        return None;
                    }
                    let Some(header) = held.get(at, 12) else {
                        incomplete(out, held, at);
                        close(out);
                        return None;
                    };
                    put!(out, "SPI=0x{:x} ", long(header, 4));
                }
                (usize::from(head[1]) + 2) * 4
            }
            protocol::ESP => {
                if told {
                    *out += "ESP ";
                    match held.get(at, 8) {
                        _ if later => {}
                        Some(header) => {
                            put!(out, "SPI=0x{:x} ", long(header, 0));
                        }
                        None => incomplete(out, held, at),
                    }
                    close(out);
                }
                return None;
            }
            _ if later => {
                close(out);
                return None;
            }
            _ => (usize::from(head[1]) + 1) * 8,
        };
        if told {
            *out += ") ";
        }
        (kind, at) = (head[0], at + len);
    }
    Some((kind, at, later))
}

/// A message of ICMPv6; false where it ends in its header.
fn icmp(out: &mut String, held: Held<'_>, at: usize, options: u8, outer: bool) -> bool {
    let Some(header) = held.get(at, ICMP) else {
        incomplete(out, held, at);
        return false;
    };
    let (kind, code) = (header[0], header[1]);
    put!(out, "TYPE={kind} CODE={code} ");
    match kind {
        128 | 129 => {
            put!(out, "ID={} SEQ={} ", word(header, 4), word(header, 6));
        }
        1..=4 => {
            if kind == 4 {
                put!(out, "POINTER={:08x} ", long(header, 4));
            }
            if outer {
                *out += "[";
                packet(out, held, at + ICMP, options, None);
                *out += "] ";
            }
            if kind == 2 {
                put!(out, "MTU={} ", long(header, 4));
            }
        }
        _ => {}
    }
    true
}
