//! ICMPv6: what went wrong with a packet, and questions whether one is there.
//!
//! - takes: the message alone, and the addresses of the packet for its checksum
//! - obeys: RFC 4443; `is_ineligible` of the kernel; rows [3.66] to [3.89]

use std::net::Ipv6Addr;

use super::ipv6::{self, extension, next_header};
use super::{Malformed, checksum, room, split};

mod number;
pub use number::{
    is_error, is_listener_discovery, is_neighbour_discovery, name, parameter_problem, quotes,
    time_exceeded, ty, unreachable,
};

/// Bytes before the data or the quotation.
pub const HEADER_LEN: usize = 8;
/// The longest packet that carries an error: what every link must carry.
pub const MAX_ERROR_LEN: usize = ipv6::MIN_MTU as usize;

/// Where the fields stand from the start of the message.
pub mod field {
    use std::ops::Range;

    /// Type.
    pub const TYPE: usize = 0;
    /// Code.
    pub const CODE: usize = 1;
    /// Checksum over pseudo-header and message.
    pub const CHECKSUM: Range<usize> = 2..4;
    /// The word whose meaning is the type's: the MTU of a Packet Too Big, the pointer of a Parameter
    /// Problem, identifier and sequence number of an echo.
    pub const REST: Range<usize> = 4..8;
}

/// An ICMPv6 message whose header is known to be whole.
#[derive(Debug, Clone, Copy)]
pub struct Icmp6View<'a> {
    header: &'a [u8; HEADER_LEN],
    message: &'a [u8],
}

impl<'a> Icmp6View<'a> {
    /// Proves the header; `message` is all that follows the extension headers.
    pub fn new_checked(message: &'a [u8]) -> Result<Self, Malformed> {
        let (header, _) = split(message, "icmpv6")?;
        Ok(Self { header, message })
    }

    /// Type; see [`ty`].
    pub const fn ty(&self) -> u8 {
        self.header[0]
    }

    /// Code.
    pub const fn code(&self) -> u8 {
        self.header[1]
    }

    /// Checksum as it stands.
    pub const fn checksum(&self) -> u16 {
        u16::from_be_bytes([self.header[2], self.header[3]])
    }

    /// Whether the checksum holds.
    pub fn checksum_holds(&self, src: Ipv6Addr, dst: Ipv6Addr) -> bool {
        checksum::transport6_holds(src, dst, next_header::ICMPV6, self.message)
    }

    /// Identifier of an echo.
    pub const fn id(&self) -> u16 {
        u16::from_be_bytes([self.header[4], self.header[5]])
    }

    /// Sequence number of an echo.
    pub const fn seq(&self) -> u16 {
        u16::from_be_bytes([self.header[6], self.header[7]])
    }

    /// The word whose meaning is the type's: MTU, or pointer.
    pub const fn word(&self) -> u32 {
        u32::from_be_bytes([self.header[4], self.header[5], self.header[6], self.header[7]])
    }

    /// What follows the header: the data of an echo or the quotation of an error.
    pub fn data(&self) -> &'a [u8] {
        self.message.get(HEADER_LEN..).unwrap_or_default()
    }

    /// The packet that an error quotes.
    pub fn quoted(&self) -> Result<ipv6::Ipv6View<'a>, Malformed> {
        ipv6::Ipv6View::new_quoted(self.data())
    }
}

/// What an error message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Destination unreachable with a code of [`unreachable`].
    Unreachable {
        /// The code.
        code: u8,
    },
    /// Larger than the next link carries.
    PacketTooBig {
        /// What the next link carries.
        mtu: u32,
    },
    /// Time exceeded with a code of [`time_exceeded`].
    TimeExceeded {
        /// The code.
        code: u8,
    },
    /// Parameter problem with a code of [`parameter_problem`].
    ParameterProblem {
        /// The code.
        code: u8,
        /// The bad byte, counted from the start of the quoted packet.
        pointer: u32,
    },
}

impl ErrorKind {
    /// Type of the message.
    pub const fn ty(self) -> u8 {
        match self {
            Self::Unreachable { .. } => ty::UNREACHABLE,
            Self::PacketTooBig { .. } => ty::PACKET_TOO_BIG,
            Self::TimeExceeded { .. } => ty::TIME_EXCEEDED,
            Self::ParameterProblem { .. } => ty::PARAMETER_PROBLEM,
        }
    }

    /// Code of the message.
    pub const fn code(self) -> u8 {
        match self {
            Self::Unreachable { code }
            | Self::TimeExceeded { code }
            | Self::ParameterProblem { code, .. } => code,
            Self::PacketTooBig { .. } => 0,
        }
    }

    /// The second word of the message.
    const fn rest(self) -> [u8; 4] {
        match self {
            Self::PacketTooBig { mtu } => mtu.to_be_bytes(),
            Self::ParameterProblem { pointer, .. } => pointer.to_be_bytes(),
            Self::Unreachable { .. } | Self::TimeExceeded { .. } => [0; 4],
        }
    }

    /// Whether the error may be sent about a packet to a group or to a link address of many
    /// (RFC 4443 section 2.4 (e)): of the others the sender hears nothing.
    pub const fn answers_multicast(self) -> bool {
        matches!(
            self,
            Self::PacketTooBig { .. }
                | Self::ParameterProblem { code: parameter_problem::OPTION, .. }
        )
    }
}

/// Whether an error may be sent about a packet, which starts at its IPv6 header: not about an error,
/// nor about an ICMPv6 message that is cut before its type. Chains that end before anybody can tell
/// count as no ICMPv6.
pub fn may_be_answered_by_error(packet: &[u8]) -> bool {
    let Some((header, payload)) = packet.split_at_checked(ipv6::HEADER_LEN) else {
        return false;
    };
    let Some(upper) = extension::skip(payload, 0, header[ipv6::field::NEXT_HEADER]) else {
        return true;
    };
    if upper.number != next_header::ICMPV6 {
        return true;
    }
    match payload.get(upper.offset) {
        Some(kind) => !is_error(*kind),
        // The first of several parts may be that short.
        None => upper.fragment.is_some_and(|word| word != 0),
    }
}

/// How many bytes of the culprit an error quotes, so that it fits every link [3.86].
pub const fn quote_len(culprit_len: usize) -> usize {
    let room = MAX_ERROR_LEN - ipv6::HEADER_LEN - HEADER_LEN;
    if culprit_len < room { culprit_len } else { room }
}

/// A message to be written: any type, with the word behind its checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Icmp6Spec {
    /// Type; see [`ty`].
    pub ty: u8,
    /// Code.
    pub code: u8,
    /// The word whose meaning is the type's.
    pub rest: [u8; 4],
}

impl Icmp6Spec {
    /// An echo request, or the answer to one.
    pub const fn echo(reply: bool, id: u16, seq: u16) -> Self {
        let ([a, b], [c, d]) = (id.to_be_bytes(), seq.to_be_bytes());
        let ty = if reply { ty::ECHO_REPLY } else { ty::ECHO_REQUEST };
        Self { ty, code: 0, rest: [a, b, c, d] }
    }

    /// An error.
    pub const fn error(kind: ErrorKind) -> Self {
        Self { ty: kind.ty(), code: kind.code(), rest: kind.rest() }
    }

    /// Writes the header before what stands at `buf[8..]` already, checksum included, and returns the
    /// length of both; `buf` is the whole message.
    pub fn emit(&self, buf: &mut [u8], src: Ipv6Addr, dst: Ipv6Addr) -> Result<usize, Malformed> {
        let len = buf.len();
        let header = room(buf, HEADER_LEN, "icmpv6")?;
        header[field::TYPE] = self.ty;
        header[field::CODE] = self.code;
        header[field::CHECKSUM].fill(0);
        header[field::REST].copy_from_slice(&self.rest);
        fill_checksum(buf, src, dst);
        Ok(len)
    }
}

/// Computes the checksum of a message and writes it into the message, where it is long enough.
pub fn fill_checksum(message: &mut [u8], src: Ipv6Addr, dst: Ipv6Addr) {
    if let Some(place) = message.get_mut(field::CHECKSUM) {
        place.fill(0);
        let checksum = checksum::transport6(src, dst, next_header::ICMPV6, message);
        message[field::CHECKSUM].copy_from_slice(&checksum.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends() -> (Ipv6Addr, Ipv6Addr) {
        ("2001:db8::1".parse().unwrap(), "2001:db8:1::2".parse().unwrap())
    }

    #[test]
    fn each_error_has_the_fields_of_its_rfc_and_a_checksum_that_holds() {
        let (src, dst) = ends();
        for (kind, header) in [
            (ErrorKind::Unreachable { code: 4 }, [1, 4, 0, 0, 0, 0, 0, 0]),
            (ErrorKind::PacketTooBig { mtu: 1400 }, [2, 0, 0, 0, 0, 0, 5, 0x78]),
            (ErrorKind::TimeExceeded { code: 1 }, [3, 1, 0, 0, 0, 0, 0, 0]),
            (ErrorKind::ParameterProblem { code: 2, pointer: 42 }, [4, 2, 0, 0, 0, 0, 0, 42]),
        ] {
            let mut buf = [0x60; 12];
            assert_eq!(Icmp6Spec::error(kind).emit(&mut buf, src, dst), Ok(12));
            let view = Icmp6View::new_checked(&buf).unwrap();
            assert!(view.checksum_holds(src, dst) && is_error(view.ty()) && quotes(view.ty()));
            assert_eq!(
                (view.ty(), view.code(), view.data()),
                (kind.ty(), kind.code(), &[0x60; 4][..])
            );
            buf[2..4].fill(0);
            assert_eq!(buf[..8], header);
            let theirs = etherparse::Icmpv6Slice::from_slice(&buf).unwrap().icmp_type();
            assert!(!matches!(theirs, etherparse::Icmpv6Type::Unknown { .. }), "{theirs:?}");
        }
        assert!(Icmp6Spec::echo(false, 1, 2).emit(&mut [0; 7], src, dst).is_err());
    }

    #[test]
    fn echo_messages_agree_with_an_independent_reader() {
        bolero::check!().with_type::<(bool, u16, u16, u128, Vec<u8>)>().for_each(
            |&(reply, id, seq, src, ref data)| {
                let (src, dst) = (Ipv6Addr::from_bits(src), Ipv6Addr::LOCALHOST);
                let mut buf = [&[0xee; 8][..], data].concat();
                Icmp6Spec::echo(reply, id, seq).emit(&mut buf, src, dst).unwrap();
                let view = Icmp6View::new_checked(&buf).unwrap();
                assert_eq!((view.id(), view.seq(), view.data()), (id, seq, &data[..]));
                let theirs = etherparse::Icmpv6Slice::from_slice(&buf).unwrap();
                let header = etherparse::IcmpEchoHeader { id, seq };
                let want = match reply {
                    true => etherparse::Icmpv6Type::EchoReply(header),
                    false => etherparse::Icmpv6Type::EchoRequest(header),
                };
                assert_eq!(theirs.icmp_type(), want);
                assert!(theirs.is_checksum_valid(src.octets(), dst.octets()));
                assert!(view.checksum_holds(src, dst));
            },
        );
    }

    /// Shows [3.86].
    #[test]
    fn an_error_fits_every_link() {
        assert_eq!((quote_len(1500), quote_len(1232), quote_len(60)), (1232, 1232, 60));
    }

    #[test]
    fn no_error_is_sent_about_an_error() {
        let about = |number: u8, payload: &[u8]| {
            let mut packet = vec![0x60, 0, 0, 0, 0, 0, number, 64];
            packet.resize(40, 0);
            packet.extend(payload);
            may_be_answered_by_error(&packet)
        };
        assert!(about(58, &[128, 0]) && !about(58, &[1, 0]) && !about(58, &[127]));
        assert!(!about(58, &[]), "cut before its type");
        assert!(about(17, &[]) && about(59, &[]) && about(60, &[58]));
        assert!(!about(60, &[58, 0, 1, 4, 0, 0, 0, 0, 3, 0]), "behind an extension header");
        assert!(about(44, &[58, 0, 0, 1, 0, 0, 0, 0]) && !about(44, &[58, 0, 0, 0, 0, 0, 0, 0]));
        assert!(about(44, &[58, 0, 0, 8, 0, 0, 0, 0, 1]), "a later fragment");
        assert!(!may_be_answered_by_error(&[0x60; 39]));
    }

    #[test]
    fn errors_about_groups_are_two() {
        assert!(ErrorKind::PacketTooBig { mtu: 1280 }.answers_multicast());
        let problem = |code| ErrorKind::ParameterProblem { code, pointer: 0 };
        assert!(problem(2).answers_multicast() && !problem(1).answers_multicast());
        assert!(!ErrorKind::TimeExceeded { code: 0 }.answers_multicast());
    }

    #[test]
    fn no_bytes_make_it_panic() {
        bolero::check!().for_each(|bytes: &[u8]| {
            may_be_answered_by_error(bytes);
            if let Ok(view) = Icmp6View::new_checked(bytes) {
                let (src, dst) = ends();
                let _ = (view.quoted(), view.checksum_holds(src, dst), view.word());
                let mut message = bytes.to_vec();
                fill_checksum(&mut message, src, dst);
                assert!(Icmp6View::new_checked(&message).unwrap().checksum_holds(src, dst));
            }
        });
    }
}
