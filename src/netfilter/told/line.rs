//! The line of a packet in the log, and what there is of IPv4 in it.
//!
//! - takes: a packet that is told of, and names of interfaces
//! - gives: a line in the kernel's words
//! - obeys: `nf_log_syslog`: `nf_log_ip_packet`, `dump_ipv4_packet`, `nf_log_dump_tcp_header`; ledger 9.217, 9.218

use std::{fmt::Write as _, net::Ipv4Addr};

use super::{About, Told, Why, line6, option};
use crate::{
    netfilter::table::LOOPBACK,
    packet::{
        icmp4::ty,
        ipv4::{MORE_FRAGMENTS, OFFSET_MASK, protocol},
    },
};

/// Writes words; a string takes all.
macro_rules! put {
    ($to:expr, $($rest:tt)*) => { let _ = write!($to, $($rest)*); };
}
pub(super) use put;

/// The bit of the fragment word that must be 0.
const RESERVED: u16 = 0x8000;
const DONT_FRAGMENT: u16 = 0x4000;
/// Bytes of the header of ICMP.
pub(super) const ICMP: usize = 8;
/// Bytes of an IPv4 header without options.
const HEADER: usize = 20;
/// Bytes of a TCP header without options.
const TCP: usize = 20;
const UDP: usize = 8;

/// What there is of a packet to be read, from its network header on.
#[derive(Clone, Copy)]
pub(super) struct Held<'a> {
    pub(super) bytes: &'a [u8],
    /// Its length, which may be more.
    pub(super) len: usize,
}

impl<'a> Held<'a> {
    pub(super) fn get(&self, at: usize, len: usize) -> Option<&'a [u8]> {
        self.bytes.get(at..at.checked_add(len)?)
    }

    /// Bytes that are left; where a header lies about its length, the kernel's counter goes round.
    pub(super) fn left(&self, at: usize) -> u32 {
        (self.len as u32).wrapping_sub(at as u32)
    }
}

pub(super) fn word(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).map_or(0, |two| u16::from_be_bytes([two[0], two[1]]))
}

pub(super) fn long(bytes: &[u8], at: usize) -> u32 {
    u32::from(word(bytes, at)) << 16 | u32::from(word(bytes, at + 2))
}

/// Bytes in hexadecimal.
pub(super) fn hex(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        put!(out, "{byte:02X}");
    }
}

/// The line of a packet for `LOG` and `TRACE`, with names of interfaces by their numbers.
pub fn line(told: &Told, name: &dyn Fn(u16) -> String) -> String {
    let about = &told.about;
    let mut out = String::with_capacity(256);
    let options = match about.why {
        Why::Log { options, .. } => {
            out += &about.words.text();
            options
        }
        Why::Trace { kind, number } => {
            let (table, chain) = (about.table.name(), about.words.text());
            put!(out, "TRACE: {table}:{chain}:{}:{number} ", kind.name());
            option::TRACE
        }
        Why::Invalid { protocol, why } => {
            put!(out, "nf_ct_proto_{protocol}: {why} ");
            option::TRACE
        }
        Why::Nflog { .. } | Why::Audit(_) => option::TRACE,
    };
    let named = |iface: u16| if iface == 0 { String::new() } else { name(iface) };
    put!(out, "IN={} OUT={} ", named(about.input), named(about.output));
    let held = Held { bytes: &told.bytes, len: about.len as usize };
    let six = told.bytes.first().is_some_and(|first| first >> 4 == 6);
    if about.input != 0 {
        link(&mut out, about, options, six);
    }
    match six {
        true => line6::packet(&mut out, held, 0, options, Some(about.mark)),
        false => packet(&mut out, held, 0, options, about.mark),
    }
    out.truncate(out.trim_end().len());
    out
}

/// The header in front of the packet.
fn link(out: &mut String, about: &About, options: u8, six: bool) {
    let mut looped = [0; super::LINK];
    looped[12..].copy_from_slice(if six { &[0x86, 0xdd] } else { &[8, 0] });
    let header = if about.input == LOOPBACK { Some(&looped) } else { about.link() };
    let mac = |bytes: &[u8]| {
        let octets: Vec<_> = bytes.iter().map(|octet| format!("{octet:02x}")).collect();
        octets.join(":")
    };
    match header {
        Some(header) if options & option::MAC_DECODE != 0 && about.input != LOOPBACK => {
            let (dst, src, kind) = (mac(&header[..6]), mac(&header[6..12]), word(header, 12));
            put!(out, "MACSRC={src} MACDST={dst} MACPROTO={kind:04x} ");
        }
        Some(header) => {
            put!(out, "MAC={} ", mac(header));
        }
        None => *out += "MAC= ",
    }
}

/// An IPv4 packet whose header stands at an offset; one that another quotes has it behind 0.
fn packet(out: &mut String, held: Held<'_>, at: usize, options: u8, mark: u32) {
    let Some(header) = held.get(at, HEADER) else {
        *out += "TRUNCATED";
        return;
    };
    let address = |at: usize| Ipv4Addr::from(long(header, at));
    let (tos, fragment) = (header[1], word(header, 6));
    put!(out, "SRC={} DST={} ", address(12), address(16));
    put!(
        out,
        "LEN={} TOS=0x{:02X} PREC=0x{:02X} TTL={} ID={} ",
        word(header, 2),
        tos & 0x1e,
        tos & 0xe0,
        header[8],
        word(header, 4)
    );
    for (bit, name) in [(RESERVED, "CE "), (DONT_FRAGMENT, "DF "), (MORE_FRAGMENTS, "MF ")] {
        if fragment & bit != 0 {
            *out += name;
        }
    }
    let offset = fragment & OFFSET_MASK;
    if offset != 0 {
        put!(out, "FRAG:{offset} ");
    }
    let header_len = usize::from(header[0] & 0xf) * 4;
    if options & option::IP_OPTIONS != 0 && header_len > HEADER {
        let Some(bytes) = held.get(at + HEADER, header_len - HEADER) else {
            *out += "TRUNCATED";
            return;
        };
        *out += "OPT (";
        hex(out, bytes);
        *out += ") ";
    }
    let l4 = at + header_len;
    let whole = match header[9] {
        protocol::TCP => tcp(out, held, l4, offset != 0, options),
        protocol::UDP => udp(out, "UDP", held, l4, offset != 0),
        protocol::UDPLITE => udp(out, "UDPLITE", held, l4, offset != 0),
        protocol::ICMP => {
            *out += "PROTO=ICMP ";
            if offset == 0 {
                icmp(out, held, at, l4, options);
            }
            true
        }
        kind @ (protocol::AH | protocol::ESP) => {
            let (name, len, spi) = if kind == protocol::AH { ("AH", 12, 4) } else { ("ESP", 8, 0) };
            put!(out, "PROTO={name} ");
            match held.get(l4, len) {
                _ if offset != 0 => {}
                Some(bytes) => {
                    put!(out, "SPI=0x{:x} ", long(bytes, spi));
                }
                None => incomplete(out, held, l4),
            }
            true
        }
        other => {
            put!(out, "PROTO={other} ");
            true
        }
    };
    if whole && at == 0 && mark != 0 {
        put!(out, "MARK=0x{mark:x} ");
    }
}

pub(super) fn incomplete(out: &mut String, held: Held<'_>, at: usize) {
    put!(out, "INCOMPLETE [{} bytes] ", held.left(at));
}

/// A segment of TCP; false where it ends in its header.
pub(super) fn tcp(out: &mut String, held: Held<'_>, at: usize, later: bool, options: u8) -> bool {
    *out += "PROTO=TCP ";
    if later {
        return true;
    }
    let Some(header) = held.get(at, TCP) else {
        incomplete(out, held, at);
        return false;
    };
    put!(out, "SPT={} DPT={} ", word(header, 0), word(header, 2));
    if options & option::TCP_SEQUENCE != 0 {
        put!(out, "SEQ={} ACK={} ", long(header, 4), long(header, 8));
    }
    put!(out, "WINDOW={} RES=0x{:02x} ", word(header, 14), (header[12] & 0xf) << 2);
    let flags = ["CWR ", "ECE ", "URG ", "ACK ", "PSH ", "RST ", "SYN ", "FIN "];
    for (place, name) in flags.into_iter().enumerate() {
        if header[13] & 0x80 >> place != 0 {
            *out += name;
        }
    }
    put!(out, "URGP={} ", word(header, 18));
    let len = usize::from(header[12] >> 4) * 4;
    if options & option::TCP_OPTIONS != 0 && len > TCP {
        let Some(bytes) = held.get(at + TCP, len - TCP) else {
            *out += "OPT (TRUNCATED)";
            return false;
        };
        *out += "OPT (";
        hex(out, bytes);
        *out += ") ";
    }
    true
}

/// A datagram of UDP or UDP-Lite; false where it ends in its header.
pub(super) fn udp(out: &mut String, name: &str, held: Held<'_>, at: usize, later: bool) -> bool {
    put!(out, "PROTO={name} ");
    match held.get(at, UDP) {
        _ if later => true,
        None => {
            incomplete(out, held, at);
            false
        }
        Some(header) => {
            let (src, dst, len) = (word(header, 0), word(header, 2), word(header, 4));
            put!(out, "SPT={src} DPT={dst} LEN={len} ");
            true
        }
    }
}

/// Bytes that a message of a type must have.
const fn least(kind: u8) -> usize {
    match kind {
        ty::ECHO_REPLY | ty::ECHO_REQUEST => 4,
        3 | 4 | 5 | 11 | 12 => ICMP + HEADER,
        13 | 14 => 20,
        17 | 18 => 12,
        _ => 0,
    }
}

/// A message of ICMP in the packet at an offset.
fn icmp(out: &mut String, held: Held<'_>, at: usize, l4: usize, options: u8) {
    let Some(header) = held.get(l4, ICMP) else { return incomplete(out, held, l4) };
    let (kind, code) = (header[0], header[1]);
    put!(out, "TYPE={kind} CODE={code} ");
    if held.left(l4) < least(kind) as u32 {
        return incomplete(out, held, l4);
    }
    match kind {
        ty::ECHO_REPLY | ty::ECHO_REQUEST => {
            put!(out, "ID={} SEQ={} ", word(header, 4), word(header, 6));
        }
        ty::PARAMETER_PROBLEM => {
            put!(out, "PARAMETER={} ", header[4]);
        }
        3 | 4 | 5 | 11 => {
            if kind == ty::REDIRECT {
                put!(out, "GATEWAY={} ", Ipv4Addr::from(long(header, 4)));
            }
            // What a quoted error quotes is left out.
            if at == 0 {
                *out += "[";
                packet(out, held, l4 + ICMP, options, 0);
                *out += "] ";
            }
            if (kind, code) == (3, 4) {
                put!(out, "MTU={} ", word(header, 6));
            }
        }
        _ => {}
    }
}
