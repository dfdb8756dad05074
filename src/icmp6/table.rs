//! What crosses to the workers: causes of ICMPv6 errors.

use crate::{
    graph::Reason,
    packet::icmp6::{ErrorKind, parameter_problem, time_exceeded, unreachable},
};

/// Why an ICMPv6 error is due, and what becomes of the packet that provoked it. Kept on the packet as
/// [`crate::dpdk::mbuf::Packet::note`]; numbers are apart from those of IPv4. A pointer to a bad byte
/// is kept in the place of the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Cause6 {
    /// No route.
    NoRoute = 64,
    /// A route of type unreachable.
    RouteUnreachable = 65,
    /// A route of type prohibit.
    Prohibited = 66,
    /// A source of one link, on its way to another.
    BeyondScope = 67,
    /// The neighbour did not answer.
    NeighbourFailed = 68,
    /// No local service on the port.
    PortUnreachable = 69,
    /// Larger than the way out carries.
    TooBig = 70,
    /// The hop limit ran out.
    HopLimit = 71,
    /// The rest of a packet did not come in time; this is a copy of its first fragment.
    ReassemblyTimeout = 72,
    /// A field of a header that cannot be.
    HeaderField = 73,
    /// A next header that nothing takes.
    NextHeader = 74,
    /// An option that is not known and must be.
    Option = 75,
    /// A first fragment without all headers up to that of the transport.
    HeadersIncomplete = 76,
    /// Larger than the way carries, but not than the link: found when the hop limit was lowered already.
    TooBigForWay = 77,
    /// No route to the address that is nobody's.
    ToNobody = 79,
    /// A better way for the sender; the packet goes on, this is a copy of it.
    Redirect = 78,
    /// A rule of the packet filter refuses it; the code is in the place of the pointer.
    Rejected = 80,
    /// Larger than what carries it in IPv4; the MTU is in the place of the pointer.
    TooBigBeyond = 81,
}

impl Cause6 {
    /// In the place of the pointer of a packet that is too big: its sender is to be redirected as well.
    pub const REDIRECT_TOO: u32 = 1;

    /// The note for a packet.
    pub const fn note(self) -> u16 {
        self as u16
    }

    /// Reads a packet's note; `None` for a note of IPv4.
    pub const fn from_note(note: u16) -> Option<Self> {
        Some(match note {
            64 => Self::NoRoute,
            65 => Self::RouteUnreachable,
            66 => Self::Prohibited,
            67 => Self::BeyondScope,
            68 => Self::NeighbourFailed,
            69 => Self::PortUnreachable,
            70 => Self::TooBig,
            71 => Self::HopLimit,
            72 => Self::ReassemblyTimeout,
            73 => Self::HeaderField,
            74 => Self::NextHeader,
            75 => Self::Option,
            76 => Self::HeadersIncomplete,
            77 => Self::TooBigForWay,
            78 => Self::Redirect,
            79 => Self::ToNobody,
            80 => Self::Rejected,
            81 => Self::TooBigBeyond,
            _ => return None,
        })
    }

    /// The error; `None` where another message is due.
    pub const fn message(self, pointer: u32, mtu: u32) -> Option<ErrorKind> {
        Some(match self {
            Self::NoRoute | Self::RouteUnreachable | Self::ToNobody => {
                ErrorKind::Unreachable { code: unreachable::NO_ROUTE }
            }
            Self::Prohibited => ErrorKind::Unreachable { code: unreachable::PROHIBITED },
            Self::BeyondScope => ErrorKind::Unreachable { code: unreachable::BEYOND_SCOPE },
            Self::NeighbourFailed => ErrorKind::Unreachable { code: unreachable::ADDRESS },
            Self::PortUnreachable => ErrorKind::Unreachable { code: unreachable::PORT },
            Self::TooBig | Self::TooBigForWay => ErrorKind::PacketTooBig { mtu },
            Self::HopLimit => ErrorKind::TimeExceeded { code: time_exceeded::HOP_LIMIT },
            Self::ReassemblyTimeout => ErrorKind::TimeExceeded { code: time_exceeded::REASSEMBLY },
            Self::HeaderField => {
                ErrorKind::ParameterProblem { code: parameter_problem::FIELD, pointer }
            }
            Self::NextHeader => {
                ErrorKind::ParameterProblem { code: parameter_problem::NEXT_HEADER, pointer }
            }
            Self::Option => {
                ErrorKind::ParameterProblem { code: parameter_problem::OPTION, pointer }
            }
            Self::HeadersIncomplete => {
                ErrorKind::ParameterProblem { code: parameter_problem::INCOMPLETE, pointer }
            }
            Self::Rejected => ErrorKind::Unreachable { code: pointer as u8 },
            Self::TooBigBeyond => ErrorKind::PacketTooBig { mtu: pointer },
            Self::Redirect => return None,
        })
    }

    /// The drop reason of the packet that provoked it.
    pub const fn reason(self) -> Reason {
        match self {
            Self::NoRoute => Reason::Ip6NoRoute,
            Self::ToNobody => Reason::Ip6ToNobody,
            Self::RouteUnreachable => Reason::Ip6RouteUnreachable,
            Self::Prohibited => Reason::Ip6RouteProhibit,
            Self::BeyondScope => Reason::Ip6BeyondScope,
            Self::NeighbourFailed => Reason::NeighbourFailed,
            Self::PortUnreachable => Reason::Udp6NoSocket,
            Self::TooBig | Self::TooBigBeyond => Reason::Ip6TooBig,
            Self::TooBigForWay => Reason::Ip6TooBigForWay,
            Self::HopLimit => Reason::Ip6HopLimit,
            Self::ReassemblyTimeout => Reason::FragTimeoutTold,
            Self::HeaderField | Self::Option | Self::HeadersIncomplete => Reason::Ip6Header,
            Self::NextHeader => Reason::Ip6NextHeader,
            Self::Rejected => Reason::FilterReject,
            Self::Redirect => Reason::Redirected,
        }
    }
}

/// Tunables of ICMPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// `net.ipv6.icmp.ratelimit`: ms between messages to one target, 0 for no limit.
    pub ratelimit_ms: u32,
    /// `net.ipv6.icmp.ratemask`: a bit for each type that is limited.
    pub ratemask: [u64; 4],
    /// `net.ipv6.icmp.echo_ignore_all`.
    pub echo_ignore_all: bool,
    /// `net.ipv6.icmp.echo_ignore_multicast`.
    pub echo_ignore_multicast: bool,
    /// `net.ipv6.icmp.echo_ignore_anycast`.
    pub echo_ignore_anycast: bool,
    /// `net.ipv6.anycast_src_echo_reply`.
    pub anycast_source: bool,
    /// `net.ipv6.icmp.error_anycast_as_unicast`.
    pub errors_to_anycast: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            ratelimit_ms: 100,
            // All errors but Packet Too Big: 0-1,3-127.
            ratemask: [!(1 << 2), u64::MAX, 0, 0],
            echo_ignore_all: false,
            echo_ignore_multicast: false,
            echo_ignore_anycast: false,
            anycast_source: false,
            errors_to_anycast: false,
        }
    }
}

impl Rules {
    /// Whether messages of a type are limited.
    pub const fn is_limited(&self, kind: u8) -> bool {
        self.ratemask[kind as usize / 64] & 1 << (kind % 64) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows [3.87].
    #[test]
    fn errors_but_too_big_are_limited_by_default() {
        let limited: Vec<u8> =
            (0..=255).filter(|kind| Rules::default().is_limited(*kind)).collect();
        let wanted: Vec<u8> = (0..128).filter(|kind| *kind != 2).collect();
        assert_eq!(limited, wanted);
    }

    #[test]
    fn notes_carry_the_cause() {
        for note in 0..=u16::MAX {
            if let Some(cause) = Cause6::from_note(note) {
                assert_eq!(cause.note(), note);
            }
        }
        assert_eq!(
            Cause6::from_note(Cause6::HeadersIncomplete.note()),
            Some(Cause6::HeadersIncomplete)
        );
    }
}
