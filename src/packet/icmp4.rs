//! ICMP for IPv4: the messages with which hosts and routers tell each other what went wrong.
//!
//! - obeys: RFC 792 (messages), RFC 1191 §4 (next-hop MTU), RFC 1812 §4.3.2.3 (how much to quote);
//!   rows [3.7], [3.8], [3.85]

use std::net::Ipv4Addr;

use super::{Malformed, checksum, ipv4, room, split};

mod number;
pub use number::{name, parameter_problem, redirect, time_exceeded, ty, unreachable};

/// Bytes before the data or the quotation.
pub const HEADER_LEN: usize = 8;
/// The longest datagram that carries an error: what every host must be able to take.
pub const MAX_ERROR_LEN: usize = 576;
/// The highest type that Linux knows; a higher one is treated as an error is.
pub const MAX_TYPE: u8 = 18;

/// Where the fields stand from the start of the message.
pub mod field {
    use std::ops::Range;

    /// Type.
    pub const TYPE: usize = 0;
    /// Code.
    pub const CODE: usize = 1;
    /// Checksum over the whole message.
    pub const CHECKSUM: Range<usize> = 2..4;
    /// The word whose meaning is the type's.
    pub const REST: Range<usize> = 4..8;
    /// Identifier of a query.
    pub const ID: Range<usize> = 4..6;
    /// Sequence number of a query.
    pub const SEQ: Range<usize> = 6..8;
    /// Next-hop MTU of a "fragmentation needed".
    pub const MTU: Range<usize> = 6..8;
    /// Pointer of a Parameter Problem.
    pub const POINTER: usize = 4;
    /// Gateway of a Redirect.
    pub const GATEWAY: Range<usize> = 4..8;
}

/// Whether a message of this type reports an error, so that no error may be sent about it.
pub const fn is_error(ty: u8) -> bool {
    matches!(
        ty,
        ty::UNREACHABLE
            | ty::SOURCE_QUENCH
            | ty::REDIRECT
            | ty::TIME_EXCEEDED
            | ty::PARAMETER_PROBLEM
    )
}

/// Whether an error may be sent about a message of this type: neither an error nor unknown [3.33].
pub const fn may_be_answered_by_error(ty: u8) -> bool {
    ty <= MAX_TYPE && !is_error(ty)
}

/// An ICMP message whose header is known to be whole.
#[derive(Debug, Clone, Copy)]
pub struct Icmp4View<'a> {
    header: &'a [u8; HEADER_LEN],
    message: &'a [u8],
}

impl<'a> Icmp4View<'a> {
    /// Proves the header; `message` is the whole payload of the datagram.
    pub fn new_checked(message: &'a [u8]) -> Result<Self, Malformed> {
        let (header, _) = split(message, "icmp")?;
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

    /// Whether the checksum over the whole message holds.
    pub fn checksum_holds(&self) -> bool {
        checksum::sum(self.message) == 0xffff
    }

    /// Identifier of a query.
    pub const fn id(&self) -> u16 {
        u16::from_be_bytes([self.header[4], self.header[5]])
    }

    /// Sequence number of a query.
    pub const fn seq(&self) -> u16 {
        u16::from_be_bytes([self.header[6], self.header[7]])
    }

    /// Next-hop MTU of a "fragmentation needed".
    pub const fn mtu(&self) -> u16 {
        self.seq()
    }

    /// Pointer of a Parameter Problem.
    pub const fn pointer(&self) -> u8 {
        self.header[4]
    }

    /// Gateway of a Redirect.
    pub const fn gateway(&self) -> Ipv4Addr {
        Ipv4Addr::new(self.header[4], self.header[5], self.header[6], self.header[7])
    }

    /// What follows the header: the data of a query or the quotation of an error.
    pub fn data(&self) -> &'a [u8] {
        self.message.get(HEADER_LEN..).unwrap_or_default()
    }

    /// The datagram that an error quotes.
    pub fn quoted(&self) -> Result<ipv4::Ipv4View<'a>, Malformed> {
        ipv4::Ipv4View::new_quoted(self.data())
    }
}

/// What an error message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Destination unreachable with a code of [`unreachable`] other than "fragmentation needed".
    Unreachable {
        /// The code.
        code: u8,
    },
    /// Larger than the next link carries, and must not be fragmented.
    FragmentationNeeded {
        /// What the next link carries.
        mtu: u16,
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
        /// The bad byte, counted from the start of the quoted header.
        pointer: u8,
    },
    /// Redirect with a code of [`redirect`].
    Redirect {
        /// The code.
        code: u8,
        /// The better next hop.
        gateway: Ipv4Addr,
    },
    /// Source quench; no router sends it today.
    SourceQuench,
}

impl ErrorKind {
    /// Type of the message.
    pub const fn ty(self) -> u8 {
        match self {
            Self::Unreachable { .. } | Self::FragmentationNeeded { .. } => ty::UNREACHABLE,
            Self::TimeExceeded { .. } => ty::TIME_EXCEEDED,
            Self::ParameterProblem { .. } => ty::PARAMETER_PROBLEM,
            Self::Redirect { .. } => ty::REDIRECT,
            Self::SourceQuench => ty::SOURCE_QUENCH,
        }
    }

    /// Code of the message.
    pub const fn code(self) -> u8 {
        match self {
            Self::Unreachable { code }
            | Self::TimeExceeded { code }
            | Self::ParameterProblem { code, .. }
            | Self::Redirect { code, .. } => code,
            Self::FragmentationNeeded { .. } => unreachable::FRAGMENTATION_NEEDED,
            Self::SourceQuench => 0,
        }
    }

    /// The second word of the message.
    const fn rest(self) -> [u8; 4] {
        match self {
            Self::FragmentationNeeded { mtu } => {
                let [high, low] = mtu.to_be_bytes();
                [0, 0, high, low]
            }
            Self::ParameterProblem { pointer, .. } => [pointer, 0, 0, 0],
            Self::Redirect { gateway, .. } => gateway.octets(),
            Self::Unreachable { .. } | Self::TimeExceeded { .. } | Self::SourceQuench => [0; 4],
        }
    }
}

/// How many bytes of the culprit an error quotes: as many as keep the datagram within 576 bytes and
/// the MTU of the way back [3.8].
///
/// `culprit_len` counts from the culprit's IPv4 header on; `option_len` is that of the error's own
/// IPv4 options.
pub const fn quote_len(culprit_len: usize, option_len: usize, path_mtu: usize) -> usize {
    let most = if path_mtu < MAX_ERROR_LEN { path_mtu } else { MAX_ERROR_LEN };
    let room = most.saturating_sub(ipv4::HEADER_LEN + option_len + HEADER_LEN);
    if culprit_len < room { culprit_len } else { room }
}

/// Writes an error message that quotes `quote` (the culprit from its IPv4 header on, cut by
/// [`quote_len`]) at the start of `buf` and returns its length.
pub fn emit_error(buf: &mut [u8], kind: ErrorKind, quote: &[u8]) -> Result<usize, Malformed> {
    let message = room(buf, HEADER_LEN + quote.len(), "icmp")?;
    message[HEADER_LEN..].copy_from_slice(quote);
    emit_header(message, kind.ty(), kind.code(), kind.rest());
    Ok(message.len())
}

/// An echo message to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EchoSpec<'a> {
    /// Whether it is the answer.
    pub reply: bool,
    /// Identifier: which conversation.
    pub id: u16,
    /// Sequence number: which question of it.
    pub seq: u16,
    /// What is to be sent back.
    pub data: &'a [u8],
}

impl EchoSpec<'_> {
    /// Writes the message at the start of `buf` and returns its length.
    pub fn emit(&self, buf: &mut [u8]) -> Result<usize, Malformed> {
        let message = room(buf, HEADER_LEN + self.data.len(), "icmp")?;
        message[HEADER_LEN..].copy_from_slice(self.data);
        let ty = if self.reply { ty::ECHO_REPLY } else { ty::ECHO_REQUEST };
        emit_header(message, ty, 0, query_rest(self.id, self.seq));
        Ok(message.len())
    }
}

/// A timestamp message to be written; times are milliseconds since midnight UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimestampSpec {
    /// Whether it is the answer.
    pub reply: bool,
    /// Identifier: which conversation.
    pub id: u16,
    /// Sequence number: which question of it.
    pub seq: u16,
    /// When the question was sent.
    pub originate: u32,
    /// When the question was received.
    pub receive: u32,
    /// When the answer was sent.
    pub transmit: u32,
}

impl TimestampSpec {
    /// Bytes of the message.
    pub const LEN: usize = HEADER_LEN + 12;

    /// Writes the message at the start of `buf` and returns its length.
    pub fn emit(&self, buf: &mut [u8]) -> Result<usize, Malformed> {
        let message = room(buf, Self::LEN, "icmp")?;
        message[8..12].copy_from_slice(&self.originate.to_be_bytes());
        message[12..16].copy_from_slice(&self.receive.to_be_bytes());
        message[16..20].copy_from_slice(&self.transmit.to_be_bytes());
        let ty = if self.reply { ty::TIMESTAMP_REPLY } else { ty::TIMESTAMP_REQUEST };
        emit_header(message, ty, 0, query_rest(self.id, self.seq));
        Ok(Self::LEN)
    }
}

/// The second word of a query.
const fn query_rest(id: u16, seq: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (id.to_be_bytes(), seq.to_be_bytes());
    [a, b, c, d]
}

/// Writes the header before data that stands in its place already; `message` holds 8 bytes or more.
fn emit_header(message: &mut [u8], ty: u8, code: u8, rest: [u8; 4]) {
    message[field::TYPE] = ty;
    message[field::CODE] = code;
    message[field::CHECKSUM].fill(0);
    message[field::REST].copy_from_slice(&rest);
    let checksum = checksum::checksum(message);
    message[field::CHECKSUM].copy_from_slice(&checksum.to_be_bytes());
}

/// Turns an echo request into its reply where it stands, checksum mended [3.15].
///
/// Anything but a whole echo request is left as it is, and `false` is said.
pub fn echo_reply_in_place(message: &mut [u8]) -> bool {
    let Some(header) = message.first_chunk_mut::<HEADER_LEN>() else {
        return false;
    };
    if header[field::TYPE] != ty::ECHO_REQUEST {
        return false;
    }
    let code = header[field::CODE];
    let old = u16::from_be_bytes([ty::ECHO_REQUEST, code]);
    let new = u16::from_be_bytes([ty::ECHO_REPLY, code]);
    let check = checksum::update16(u16::from_be_bytes([header[2], header[3]]), old, new);
    header[field::TYPE] = ty::ECHO_REPLY;
    header[field::CHECKSUM].copy_from_slice(&check.to_be_bytes());
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_has_the_bytes_of_its_rfc() {
        let culprit = [0x45, 0, 0, 20];
        for (kind, first_words) in [
            (ErrorKind::Unreachable { code: 1 }, [3, 1, 0xb7, 0xea, 0, 0, 0, 0]),
            (ErrorKind::FragmentationNeeded { mtu: 1400 }, [3, 4, 0xb2, 0x6f, 0, 0, 5, 0x78]),
            (ErrorKind::TimeExceeded { code: 0 }, [11, 0, 0xaf, 0xeb, 0, 0, 0, 0]),
            (
                ErrorKind::ParameterProblem { code: 0, pointer: 20 },
                [12, 0, 0x9a, 0xeb, 20, 0, 0, 0],
            ),
            (
                ErrorKind::Redirect { code: 1, gateway: Ipv4Addr::new(10, 0, 0, 254) },
                [5, 1, 0xaa, 0xec, 10, 0, 0, 254],
            ),
            (ErrorKind::SourceQuench, [4, 0, 0xb6, 0xeb, 0, 0, 0, 0]),
        ] {
            let mut buf = [0xee; 16];
            assert_eq!(emit_error(&mut buf, kind, &culprit), Ok(12));
            assert_eq!((&buf[..8], &buf[8..12]), (&first_words[..], &culprit[..]), "{kind:?}");
            let view = Icmp4View::new_checked(&buf[..12]).unwrap();
            assert!(view.checksum_holds() && is_error(view.ty()));
            assert_eq!((view.ty(), view.code()), (kind.ty(), kind.code()));
            assert!(emit_error(&mut buf[..11], kind, &culprit).is_err());
        }
    }

    #[test]
    fn fields_of_errors_read_back() {
        let mut buf = [0; 64];
        let mut quote = [0; 28];
        quote[0] = 0x45;
        quote[2..4].copy_from_slice(&1500u16.to_be_bytes());
        let gateway = Ipv4Addr::new(192, 0, 2, 1);
        let len = emit_error(&mut buf, ErrorKind::Redirect { code: 1, gateway }, &quote).unwrap();
        let view = Icmp4View::new_checked(&buf[..len]).unwrap();
        assert_eq!(view.gateway(), gateway);
        assert_eq!(view.quoted().unwrap().total_len(), 1500);
        emit_error(&mut buf, ErrorKind::FragmentationNeeded { mtu: 1280 }, &quote).unwrap();
        assert_eq!(Icmp4View::new_checked(&buf[..len]).unwrap().mtu(), 1280);
        let problem = ErrorKind::ParameterProblem { code: 0, pointer: 22 };
        emit_error(&mut buf, problem, &quote).unwrap();
        assert_eq!(Icmp4View::new_checked(&buf[..len]).unwrap().pointer(), 22);
    }

    /// Shows [3.8].
    #[test]
    fn an_error_is_never_longer_than_576_bytes() {
        assert_eq!(quote_len(1500, 0, 1500), 548);
        assert_eq!(quote_len(80, 0, 1500), 80);
        assert_eq!(quote_len(1500, 8, 1500), 540);
        assert_eq!(quote_len(1500, 0, 296), 268);
        assert_eq!(quote_len(1500, 40, 68), 0);
        assert_eq!(quote_len(1500, 40, 20), 0);
    }

    #[test]
    fn echo_messages_agree_with_an_independent_reader() {
        bolero::check!().with_type::<(bool, u16, u16, Vec<u8>)>().for_each(
            |(reply, id, seq, data)| {
                let mut buf = vec![0xee; data.len() + 8];
                let spec = EchoSpec { reply: *reply, id: *id, seq: *seq, data };
                assert_eq!(spec.emit(&mut buf), Ok(buf.len()));
                let view = Icmp4View::new_checked(&buf).unwrap();
                assert_eq!((view.id(), view.seq(), view.data()), (*id, *seq, &data[..]));
                assert!(view.checksum_holds());
                let theirs = etherparse::Icmpv4Slice::from_slice(&buf).unwrap();
                let header = etherparse::IcmpEchoHeader { id: *id, seq: *seq };
                let want = match reply {
                    true => etherparse::Icmpv4Type::EchoReply(header),
                    false => etherparse::Icmpv4Type::EchoRequest(header),
                };
                assert_eq!(theirs.icmp_type(), want);
                assert_eq!(view.checksum(), want.calc_checksum(data));
            },
        );
    }

    /// Shows [3.15].
    #[test]
    fn an_echo_request_turned_in_place_is_the_reply_written_anew() {
        bolero::check!().with_type::<(u16, u16, Vec<u8>)>().for_each(|(id, seq, data)| {
            let mut asked = vec![0; data.len() + 8];
            let mut answered = asked.clone();
            let spec = EchoSpec { reply: false, id: *id, seq: *seq, data };
            spec.emit(&mut asked).unwrap();
            EchoSpec { reply: true, ..spec }.emit(&mut answered).unwrap();
            assert!(echo_reply_in_place(&mut asked));
            let view = Icmp4View::new_checked(&asked).unwrap();
            // A reply of zeros alone has no right checksum but 0xffff, which mending cannot know.
            assert!(view.checksum_holds() || answered[4..].iter().all(|byte| *byte == 0));
            assert_eq!(asked[4..], answered[4..]);
            assert!(!echo_reply_in_place(&mut asked), "it is no request any more");
        });
        assert!(!echo_reply_in_place(&mut [8, 0, 0]));
    }

    #[test]
    fn timestamp_messages_agree_with_an_independent_reader() {
        let spec = TimestampSpec {
            reply: true,
            id: 7,
            seq: 8,
            originate: 1,
            receive: 86_399_999,
            transmit: 3,
        };
        let mut buf = [0; TimestampSpec::LEN];
        assert_eq!(spec.emit(&mut buf), Ok(20));
        let theirs = etherparse::Icmpv4Slice::from_slice(&buf).unwrap();
        let want = etherparse::Icmpv4Type::TimestampReply(etherparse::icmpv4::TimestampMessage {
            id: 7,
            seq: 8,
            originate_timestamp: 1,
            receive_timestamp: 86_399_999,
            transmit_timestamp: 3,
        });
        assert_eq!(theirs.icmp_type(), want);
        assert!(Icmp4View::new_checked(&buf).unwrap().checksum_holds());
    }

    /// Shows [3.33].
    #[test]
    fn no_error_is_sent_about_an_error_or_an_unknown_type() {
        let answerable: Vec<u8> = (0..=255).filter(|ty| may_be_answered_by_error(*ty)).collect();
        assert_eq!(answerable, [0, 1, 2, 6, 7, 8, 9, 10, 13, 14, 15, 16, 17, 18]);
    }
}
