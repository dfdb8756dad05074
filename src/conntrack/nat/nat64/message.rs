//! What each ICMP error is called in the other family.
//!
//! - obeys: RFC 7915 sections 4.2 and 5.2

use crate::packet::{icmp4, icmp6, ipv6};

use super::How;

/// An error: type, code and the word that follows the checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) ty: u8,
    pub(super) code: u8,
    pub(super) word: u32,
}

const fn message(ty: u8, code: u8, word: u32) -> Option<Message> {
    Some(Message { ty, code, word })
}

/// Bytes by which a header of IPv6 is longer than one of IPv4.
const LONGER: u32 = 20;

/// Sizes that links were known to carry when routers did not tell them (RFC 1191 section 7).
const PLATEAUS: [u32; 10] = [65_535, 32_000, 17_914, 8_166, 4_352, 2_002, 1_492, 1_006, 508, 296];

/// An error of IPv4 as one of IPv6; `total` is the total length that its quotation tells.
pub(super) fn to6(old: Message, total: u16, how: &How) -> Option<Message> {
    use icmp6::{parameter_problem, ty, unreachable};
    match (old.ty, old.code) {
        (icmp4::ty::UNREACHABLE, code) => match code {
            0 | 1 | 5..=8 | 11 | 12 => message(ty::UNREACHABLE, unreachable::NO_ROUTE, 0),
            9 | 10 | 13 | 15 => message(ty::UNREACHABLE, unreachable::PROHIBITED, 0),
            2 => message(
                ty::PARAMETER_PROBLEM,
                parameter_problem::NEXT_HEADER,
                ipv6::field::NEXT_HEADER as u32,
            ),
            3 => message(ty::UNREACHABLE, unreachable::PORT, 0),
            4 => {
                let told = match old.word & 0xffff {
                    // An old router tells none: the next lower size that there is.
                    0 => PLATEAUS.into_iter().find(|&size| size < u32::from(total)).unwrap_or(68),
                    mtu => mtu,
                };
                let mtu = (told + LONGER)
                    .min(u32::from(how.mtu6))
                    .min(u32::from(how.mtu4) + LONGER)
                    .max(u32::from(ipv6::MIN_MTU));
                message(ty::PACKET_TOO_BIG, 0, mtu)
            }
            _ => None,
        },
        (icmp4::ty::TIME_EXCEEDED, code) => message(ty::TIME_EXCEEDED, code, 0),
        (icmp4::ty::PARAMETER_PROBLEM, 0 | 2) => {
            let pointer = match old.word >> 24 {
                same @ (0 | 1) => same,
                2 | 3 => 4,
                8 => 7,
                9 => 6,
                12..=15 => 8,
                16..=19 => 24,
                _ => return None,
            };
            message(ty::PARAMETER_PROBLEM, parameter_problem::FIELD, pointer)
        }
        _ => None,
    }
}

/// An error of IPv6 as one of IPv4.
pub(super) fn to4(old: Message, how: &How) -> Option<Message> {
    use icmp4::{parameter_problem, ty, unreachable};
    match (old.ty, old.code) {
        (icmp6::ty::UNREACHABLE, code) => {
            let code = match code {
                0 | 2 | 3 => unreachable::HOST,
                1 => unreachable::HOST_PROHIBITED,
                4 => unreachable::PORT,
                _ => return None,
            };
            message(ty::UNREACHABLE, code, 0)
        }
        (icmp6::ty::PACKET_TOO_BIG, _) => {
            let mtu = old
                .word
                .saturating_sub(LONGER)
                .min(u32::from(how.mtu4))
                .min(u32::from(how.mtu6).saturating_sub(LONGER));
            message(ty::UNREACHABLE, unreachable::FRAGMENTATION_NEEDED, mtu)
        }
        (icmp6::ty::TIME_EXCEEDED, code) => message(ty::TIME_EXCEEDED, code, 0),
        (icmp6::ty::PARAMETER_PROBLEM, 0) => {
            let pointer = match old.word {
                same @ (0 | 1) => same,
                4 | 5 => 2,
                6 => 9,
                7 => 8,
                8..=23 => 12,
                24..=39 => 16,
                _ => return None,
            };
            message(ty::PARAMETER_PROBLEM, parameter_problem::POINTER, pointer << 24)
        }
        (icmp6::ty::PARAMETER_PROBLEM, 1) => message(ty::UNREACHABLE, unreachable::PROTOCOL, 0),
        _ => None,
    }
}
