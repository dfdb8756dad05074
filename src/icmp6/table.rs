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
    /// A better way for the sender; the packet goes on, this is a copy of it.
    Redirect = 78,
}

impl Cause6 {
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
            78 => Self::Redirect,
            _ => return None,
        })
    }

    /// The error; `None` where another message is due.
    pub const fn message(self, pointer: u32, mtu: u32) -> Option<ErrorKind> {
        Some(match self {
            Self::NoRoute | Self::RouteUnreachable => {
                ErrorKind::Unreachable { code: unreachable::NO_ROUTE }
            }
            Self::Prohibited => ErrorKind::Unreachable { code: unreachable::PROHIBITED },
            Self::BeyondScope => ErrorKind::Unreachable { code: unreachable::BEYOND_SCOPE },
            Self::NeighbourFailed => ErrorKind::Unreachable { code: unreachable::ADDRESS },
            Self::PortUnreachable => ErrorKind::Unreachable { code: unreachable::PORT },
            Self::TooBig => ErrorKind::PacketTooBig { mtu },
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
            Self::Redirect => return None,
        })
    }

    /// The drop reason of the packet that provoked it.
    pub const fn reason(self) -> Reason {
        match self {
            Self::NoRoute => Reason::Ip6NoRoute,
            Self::RouteUnreachable => Reason::Ip6RouteUnreachable,
            Self::Prohibited => Reason::Ip6RouteProhibit,
            Self::BeyondScope => Reason::Ip6BeyondScope,
            Self::NeighbourFailed => Reason::NeighbourFailed,
            Self::PortUnreachable => Reason::Udp6NoSocket,
            Self::TooBig => Reason::Ip6TooBig,
            Self::HopLimit => Reason::Ip6HopLimit,
            Self::ReassemblyTimeout => Reason::FragTimeoutTold,
            Self::HeaderField | Self::Option => Reason::Ip6Header,
            Self::NextHeader => Reason::Ip6NextHeader,
            Self::Redirect => Reason::Redirected,
        }
    }
}
