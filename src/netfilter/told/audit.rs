//! The line of a packet for `AUDIT`.
//!
//! - takes: a packet that is told of, and the number of the record
//! - gives: a line as the kernel's audit writes it where no daemon reads it
//! - obeys: `xt_AUDIT`: `audit_ip4`, `audit_ip6`

use std::net::{Ipv4Addr, Ipv6Addr};

use super::Told;
use crate::conntrack::headers;

/// Type of records about packets (`AUDIT_NETFILTER_PKT`).
const PACKET: u16 = 1324;

/// The line of a packet; `serial` tells records apart.
pub fn audit(told: &Told, serial: u64) -> String {
    let about = &told.about;
    let (seconds, millis) = (about.wall / 1_000_000_000, about.wall / 1_000_000 % 1000);
    let bytes = &told.bytes;
    let ends = match bytes.first().map(|first| first >> 4) {
        Some(4) => bytes.get(..20).map(|header| {
            let address = |at: usize| {
                let octets = header.get(at..at + 4).and_then(|all| all.first_chunk::<4>());
                octets.map_or(Ipv4Addr::UNSPECIFIED, |all| (*all).into())
            };
            format!("saddr={} daddr={} proto={}", address(12), address(16), header[9])
        }),
        Some(6) => bytes.get(..40).map(|header| {
            let address = |at: usize| {
                let octets = header.get(at..at + 16).and_then(|all| all.first_chunk::<16>());
                octets.map_or(Ipv6Addr::UNSPECIFIED, |all| (*all).into())
            };
            let proto = headers::find(bytes).map_or(header[6], |found| found.proto);
            format!("saddr={} daddr={} proto={proto}", address(8), address(24))
        }),
        _ => None,
    };
    let ends = ends.unwrap_or_else(|| "saddr=? daddr=? proto=-1".to_owned());
    let mark = about.mark;
    format!("audit: type={PACKET} audit({seconds}.{millis:03}:{serial}): mark={mark:#x} {ends}")
}
