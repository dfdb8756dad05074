//! ICMP errors in the words of `ping(8)`.

use std::net::Ipv4Addr;

use crate::packet::icmp6::{parameter_problem, time_exceeded, ty, unreachable};

/// An error of ICMP.
pub(super) fn words(kind: u8, code: u8, info: u32) -> String {
    let text = match (kind, code) {
        (3, 0) => "Destination Net Unreachable",
        (3, 1) => "Destination Host Unreachable",
        (3, 2) => "Destination Protocol Unreachable",
        (3, 3) => "Destination Port Unreachable",
        (3, 4) => return format!("Frag needed and DF set (mtu = {})", info & 0xffff),
        (3, 5) => "Source Route Failed",
        (3, 6) => "Destination Net Unknown",
        (3, 7) => "Destination Host Unknown",
        (3, 8) => "Source Host Isolated",
        (3, 9) => "Destination Net Prohibited",
        (3, 10) => "Destination Host Prohibited",
        (3, 11) => "Destination Net Unreachable for Type of Service",
        (3, 12) => "Destination Host Unreachable for Type of Service",
        (3, 13) => "Packet filtered",
        (3, 14) => "Precedence Violation",
        (3, 15) => "Precedence Cutoff",
        (3, code) => return format!("Dest Unreachable, Bad Code: {code}"),
        (4, _) => "Source Quench",
        (5, code) => {
            let what = match code {
                0 => "Redirect Network",
                1 => "Redirect Host",
                2 => "Redirect Type of Service and Network",
                3 => "Redirect Type of Service and Host",
                code => return format!("Redirect, Bad Code: {code}"),
            };
            return format!("{what}(New nexthop: {})", Ipv4Addr::from_bits(info));
        }
        (11, 0) => "Time to live exceeded",
        (11, 1) => "Frag reassembly time exceeded",
        (11, code) => return format!("Time exceeded, Bad Code: {code}"),
        (12, _) => return format!("Parameter problem: pointer = {}", info >> 24),
        (kind, _) => return format!("Bad ICMP type: {kind}"),
    };
    text.to_owned()
}

/// An error of ICMPv6.
pub(super) fn words6(kind: u8, code: u8, info: u32) -> String {
    match (kind, code) {
        (ty::UNREACHABLE, code) => {
            let what = match code {
                unreachable::NO_ROUTE => "No route",
                unreachable::PROHIBITED => "Administratively prohibited",
                unreachable::BEYOND_SCOPE => "Beyond scope of source address",
                unreachable::ADDRESS => "Address unreachable",
                unreachable::PORT => "Port unreachable",
                code => return format!("Destination unreachable: Unknown code {code}"),
            };
            format!("Destination unreachable: {what}")
        }
        (ty::PACKET_TOO_BIG, 0) => format!("Packet too big: mtu={info}"),
        (ty::PACKET_TOO_BIG, code) => format!("Packet too big: mtu={info}, code={code}"),
        (ty::TIME_EXCEEDED, time_exceeded::HOP_LIMIT) => "Time exceeded: Hop limit".into(),
        (ty::TIME_EXCEEDED, time_exceeded::REASSEMBLY) => {
            "Time exceeded: Defragmentation failure".into()
        }
        (ty::TIME_EXCEEDED, code) => format!("Time exceeded: code {code}"),
        (ty::PARAMETER_PROBLEM, code) => {
            let what = match code {
                parameter_problem::FIELD => "Wrong header field ",
                parameter_problem::NEXT_HEADER => "Unknown header ",
                parameter_problem::OPTION => "Unknown option ",
                code => return format!("Parameter problem: code {code} at {info}"),
            };
            format!("Parameter problem: {what}at {info}")
        }
        (kind, _) => format!("unknown icmp type: {kind}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_both_families_have_their_words() {
        assert_eq!(words(3, 4, 1300), "Frag needed and DF set (mtu = 1300)");
        assert_eq!(words(5, 1, 0x0a00_0001), "Redirect Host(New nexthop: 10.0.0.1)");
        assert_eq!(words6(1, 3, 0), "Destination unreachable: Address unreachable");
        assert_eq!(words6(1, 6, 0), "Destination unreachable: Unknown code 6");
        assert_eq!(words6(3, 0, 0), "Time exceeded: Hop limit");
        assert_eq!(words6(4, 1, 40), "Parameter problem: Unknown header at 40");
        assert_eq!(words6(100, 0, 0), "unknown icmp type: 100");
    }
}
