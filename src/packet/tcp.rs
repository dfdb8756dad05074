//! The TCP header: ports, sequence numbers, flags and options of a segment.
//!
//! - obeys: RFC 9293 §3.1

use std::net::{Ipv4Addr, Ipv6Addr};

use super::ipv4::protocol;
use super::{Malformed, checksum, room, split};

/// Bytes of the header without options.
pub const HEADER_LEN: usize = 20;

/// Where the fields stand from the start of the header.
pub mod field {
    use std::ops::Range;

    /// Source port.
    pub const SRC_PORT: Range<usize> = 0..2;
    /// Destination port.
    pub const DST_PORT: Range<usize> = 2..4;
    /// Sequence number.
    pub const SEQ: Range<usize> = 4..8;
    /// Acknowledgment number.
    pub const ACK: Range<usize> = 8..12;
    /// Header length in its upper four bits.
    pub const DATA_OFFSET: usize = 12;
    /// Flags.
    pub const FLAGS: usize = 13;
    /// Window.
    pub const WINDOW: Range<usize> = 14..16;
    /// Checksum.
    pub const CHECKSUM: Range<usize> = 16..18;
    /// Urgent pointer.
    pub const URGENT: Range<usize> = 18..20;
}

/// Bits of the flags byte.
pub mod flag {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Opens a connection.
    pub const SYN: u8 = 0x02;
    /// Aborts a connection.
    pub const RST: u8 = 0x04;
    /// Hand over to the application at once.
    pub const PSH: u8 = 0x08;
    /// The acknowledgment number counts.
    pub const ACK: u8 = 0x10;
    /// The urgent pointer counts.
    pub const URG: u8 = 0x20;
    /// ECN echo.
    pub const ECE: u8 = 0x40;
    /// Congestion window reduced.
    pub const CWR: u8 = 0x80;
}

/// A TCP segment whose header is known to be whole.
#[derive(Debug, Clone, Copy)]
pub struct TcpView<'a> {
    fixed: &'a [u8; HEADER_LEN],
    segment: &'a [u8],
    header_len: usize,
}

impl<'a> TcpView<'a> {
    /// Proves the header and its length.
    pub fn new_checked(segment: &'a [u8]) -> Result<Self, Malformed> {
        let (fixed, _) = split::<HEADER_LEN>(segment, "tcp")?;
        let header_len = usize::from(fixed[field::DATA_OFFSET] >> 4) * 4;
        if header_len < HEADER_LEN {
            return Err(Malformed::HeaderLength {
                header: "tcp",
                found: header_len,
                least: HEADER_LEN,
            });
        }
        if segment.len() < header_len {
            let have = segment.len();
            return Err(Malformed::Truncated { header: "tcp", need: header_len, have });
        }
        Ok(Self { fixed, segment, header_len })
    }

    /// Source port.
    pub const fn src_port(&self) -> u16 {
        u16::from_be_bytes([self.fixed[0], self.fixed[1]])
    }

    /// Destination port.
    pub const fn dst_port(&self) -> u16 {
        u16::from_be_bytes([self.fixed[2], self.fixed[3]])
    }

    /// Sequence number.
    pub const fn seq(&self) -> u32 {
        u32::from_be_bytes([self.fixed[4], self.fixed[5], self.fixed[6], self.fixed[7]])
    }

    /// Acknowledgment number.
    pub const fn ack(&self) -> u32 {
        u32::from_be_bytes([self.fixed[8], self.fixed[9], self.fixed[10], self.fixed[11]])
    }

    /// Header length in bytes.
    pub const fn header_len(&self) -> usize {
        self.header_len
    }

    /// Flags; see [`flag`].
    pub const fn flags(&self) -> u8 {
        self.fixed[13]
    }

    /// Window.
    pub const fn window(&self) -> u16 {
        u16::from_be_bytes([self.fixed[14], self.fixed[15]])
    }

    /// Checksum as it stands.
    pub const fn checksum(&self) -> u16 {
        u16::from_be_bytes([self.fixed[16], self.fixed[17]])
    }

    /// Urgent pointer.
    pub const fn urgent(&self) -> u16 {
        u16::from_be_bytes([self.fixed[18], self.fixed[19]])
    }

    /// Whether the checksum holds.
    pub fn checksum_holds(&self, src: Ipv4Addr, dst: Ipv4Addr) -> bool {
        checksum::transport_holds(src, dst, protocol::TCP, self.segment)
    }

    /// Whether the checksum holds over IPv6.
    pub fn checksum_holds6(&self, src: Ipv6Addr, dst: Ipv6Addr) -> bool {
        checksum::transport6_holds(src, dst, protocol::TCP, self.segment)
    }

    /// The option bytes.
    pub fn option_bytes(&self) -> &'a [u8] {
        self.segment.get(HEADER_LEN..self.header_len).unwrap_or_default()
    }

    /// The maximum segment size option of a SYN, where there is one.
    pub fn mss(&self) -> Option<u16> {
        let place = self.mss_place()?;
        Some(u16::from_be_bytes([*self.segment.get(place)?, *self.segment.get(place + 1)?]))
    }

    /// Where the maximum segment size stands, from the start of the header.
    fn mss_place(&self) -> Option<usize> {
        let mut rest = self.option_bytes();
        loop {
            match rest {
                [0, ..] | [] => return None,
                [1, after @ ..] => rest = after,
                [2, 4, _, _, ..] => return Some(self.header_len - rest.len() + 2),
                [_, len, ..] if *len >= 2 => rest = rest.get(usize::from(*len)..)?,
                _ => return None,
            }
        }
    }

    /// What the segment carries.
    pub fn payload(&self) -> &'a [u8] {
        self.segment.get(self.header_len..).unwrap_or_default()
    }
}

/// A TCP header without options to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TcpSpec {
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgment number.
    pub ack: u32,
    /// Flags; see [`flag`].
    pub flags: u8,
    /// Window.
    pub window: u16,
}

impl TcpSpec {
    /// The reset that answers a segment to where nobody listens, or `None` for a reset (RFC 9293
    /// section 3.5.2).
    pub fn reset(segment: &TcpView<'_>) -> Option<Self> {
        let flags = segment.flags();
        if flags & flag::RST != 0 {
            return None;
        }
        let ports =
            Self { src_port: segment.dst_port(), dst_port: segment.src_port(), ..Self::default() };
        if flags & flag::ACK != 0 {
            return Some(Self { seq: segment.ack(), flags: flag::RST, ..ports });
        }
        let bits = u32::from(flags & flag::SYN != 0) + u32::from(flags & flag::FIN != 0);
        let len = segment.payload().len() as u32;
        let ack = segment.seq().wrapping_add(bits).wrapping_add(len);
        Some(Self { ack, flags: flag::RST | flag::ACK, ..ports })
    }

    /// Writes the header before a payload that stands at `buf[20..]` already, checksum included, and
    /// returns the length of both; `buf` is the whole segment.
    pub fn emit(&self, buf: &mut [u8], src: Ipv4Addr, dst: Ipv4Addr) -> Result<usize, Malformed> {
        let len = self.write(buf)?;
        let checksum = checksum::transport(src, dst, protocol::TCP, buf);
        buf[field::CHECKSUM].copy_from_slice(&checksum.to_be_bytes());
        Ok(len)
    }

    /// As [`emit`](Self::emit), for a segment over IPv6.
    pub fn emit6(&self, buf: &mut [u8], src: Ipv6Addr, dst: Ipv6Addr) -> Result<usize, Malformed> {
        let len = self.write(buf)?;
        let checksum = checksum::transport6(src, dst, protocol::TCP, buf);
        buf[field::CHECKSUM].copy_from_slice(&checksum.to_be_bytes());
        Ok(len)
    }

    /// Writes the header without its checksum.
    fn write(&self, buf: &mut [u8]) -> Result<usize, Malformed> {
        let len = buf.len();
        let header = room(buf, HEADER_LEN, "tcp")?;
        header.fill(0);
        header[field::SRC_PORT].copy_from_slice(&self.src_port.to_be_bytes());
        header[field::DST_PORT].copy_from_slice(&self.dst_port.to_be_bytes());
        header[field::SEQ].copy_from_slice(&self.seq.to_be_bytes());
        header[field::ACK].copy_from_slice(&self.ack.to_be_bytes());
        header[field::DATA_OFFSET] = 5 << 4;
        header[field::FLAGS] = self.flags;
        header[field::WINDOW].copy_from_slice(&self.window.to_be_bytes());
        Ok(len)
    }
}

/// Lowers the maximum segment size that a SYN announces to `most`, and corrects the checksum. Leaves
/// every other segment as it is, and those whose options are broken.
pub fn clamp_mss(segment: &mut [u8], most: u16) {
    let Ok(view) = TcpView::new_checked(segment) else { return };
    if view.flags() & flag::SYN == 0 {
        return;
    }
    let (Some(place), Some(announced)) = (view.mss_place(), view.mss()) else { return };
    if announced <= most {
        return;
    }
    let old = u16::from_be_bytes([segment[16], segment[17]]);
    // At an odd place the two bytes lie in two words of the sum, which then sees them swapped.
    let (before, after) = match place % 2 {
        0 => (announced, most),
        _ => (announced.swap_bytes(), most.swap_bytes()),
    };
    let new = checksum::update16(old, before, after);
    segment[place..place + 2].copy_from_slice(&most.to_be_bytes());
    segment[field::CHECKSUM].copy_from_slice(&new.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_reads_back_and_agrees_with_an_independent_checksum() {
        bolero::check!().with_type::<(u16, u16, u32, u32, u8, u16, u32, Vec<u8>)>().for_each(
            |(src_port, dst_port, seq, ack, flags, window, src, payload)| {
                let (src, dst) = (Ipv4Addr::from_bits(*src), Ipv4Addr::new(192, 0, 2, 1));
                let spec = TcpSpec {
                    src_port: *src_port,
                    dst_port: *dst_port,
                    seq: *seq,
                    ack: *ack,
                    flags: *flags,
                    window: *window,
                };
                let mut buf = vec![0xee; HEADER_LEN];
                buf.extend(payload);
                assert_eq!(spec.emit(&mut buf, src, dst), Ok(buf.len()));
                let view = TcpView::new_checked(&buf).unwrap();
                let back = TcpSpec {
                    src_port: view.src_port(),
                    dst_port: view.dst_port(),
                    seq: view.seq(),
                    ack: view.ack(),
                    flags: view.flags(),
                    window: view.window(),
                };
                assert_eq!(back, spec);
                assert_eq!((view.payload(), view.urgent()), (&payload[..], 0));
                assert!(view.checksum_holds(src, dst));
                let theirs = etherparse::TcpHeaderSlice::from_slice(&buf).unwrap();
                let want =
                    theirs.calc_checksum_ipv4_raw(src.octets(), dst.octets(), payload).unwrap();
                assert_eq!(view.checksum(), want);
                assert_eq!(theirs.syn(), flags & flag::SYN != 0);
                assert_eq!(theirs.cwr(), flags & flag::CWR != 0);
            },
        );
    }

    #[test]
    fn over_ipv6_the_checksum_agrees_with_an_independent_one() {
        bolero::check!().with_type::<(u16, u128, Vec<u8>)>().for_each(|(port, src, payload)| {
            let (src, dst) = (Ipv6Addr::from_bits(*src), Ipv6Addr::LOCALHOST);
            let spec = TcpSpec { src_port: *port, flags: flag::SYN, ..TcpSpec::default() };
            let mut buf = vec![0xee; HEADER_LEN];
            buf.extend(payload);
            assert_eq!(spec.emit6(&mut buf, src, dst), Ok(buf.len()));
            let view = TcpView::new_checked(&buf).unwrap();
            assert!(view.checksum_holds6(src, dst));
            let theirs = etherparse::TcpHeaderSlice::from_slice(&buf).unwrap();
            let want = theirs.calc_checksum_ipv6_raw(src.octets(), dst.octets(), payload).unwrap();
            assert_eq!(view.checksum(), want);
        });
    }

    #[test]
    fn header_lengths_that_lie_are_refused() {
        let mut bytes = [0; 24];
        for (offset, whole) in [(4, false), (5, true), (6, true), (7, false)] {
            bytes[12] = offset << 4;
            assert_eq!(TcpView::new_checked(&bytes).is_ok(), whole, "{offset}");
        }
        for len in 0..20 {
            assert!(TcpView::new_checked(&bytes[..len]).is_err());
        }
    }

    #[test]
    fn the_mss_is_found_among_other_options_and_bad_ones_end_the_search() {
        let mss = |options: [u8; 8]| {
            let mut bytes = [0; 28];
            bytes[12] = 7 << 4;
            bytes[20..].copy_from_slice(&options);
            TcpView::new_checked(&bytes).unwrap().mss()
        };
        assert_eq!(mss([2, 4, 0x05, 0xb4, 0, 0, 0, 0]), Some(1460));
        assert_eq!(mss([1, 3, 3, 7, 2, 4, 0x05, 0x78]), Some(1400));
        assert_eq!(mss([0, 2, 4, 1, 1, 1, 1, 1]), None);
        assert_eq!(mss([8, 0, 2, 4, 1, 1, 1, 1]), None);
        assert_eq!(mss([8, 200, 2, 4, 1, 1, 1, 1]), None);
    }

    #[test]
    fn no_bytes_make_the_view_panic() {
        bolero::check!().for_each(|bytes: &[u8]| {
            if let Ok(view) = TcpView::new_checked(bytes) {
                let _ = (view.mss(), view.payload(), view.option_bytes());
            }
        });
    }

    fn answer_to(flags: u8, seq: u32, ack: u32, payload: usize) -> Option<TcpSpec> {
        let mut bytes = vec![0; HEADER_LEN + payload];
        let (src, dst) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let segment = TcpSpec { src_port: 40000, dst_port: 80, seq, ack, flags, window: 1 };
        segment.emit(&mut bytes, src, dst).unwrap();
        TcpSpec::reset(&TcpView::new_checked(&bytes).unwrap())
    }

    #[test]
    fn a_reset_acknowledges_what_it_refuses() {
        let syn = answer_to(flag::SYN, 100, 0, 0).unwrap();
        assert_eq!((syn.seq, syn.ack, syn.flags), (0, 101, flag::RST | flag::ACK));
        assert_eq!((syn.src_port, syn.dst_port), (80, 40000));
        let data = answer_to(flag::FIN, u32::MAX, 0, 5).unwrap();
        assert_eq!((data.ack, data.flags), (5, flag::RST | flag::ACK));
        let ack = answer_to(flag::ACK, 7, 1234, 3).unwrap();
        assert_eq!((ack.seq, ack.ack, ack.flags), (1234, 0, flag::RST));
        assert!(answer_to(flag::RST | flag::ACK, 1, 1, 0).is_none());
    }

    #[test]
    fn a_syn_announces_no_more_than_it_may_and_keeps_its_checksum() {
        let (a, b) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(192, 0, 2, 1));
        let build = |flags: u8, options: &[u8]| {
            let len = HEADER_LEN + options.len();
            let mut segment = vec![0; len];
            segment[12] = (len as u8 / 4) << 4;
            segment[13] = flags;
            segment[HEADER_LEN..].copy_from_slice(options);
            let sum = checksum::transport(a, b, protocol::TCP, &segment);
            segment[16..18].copy_from_slice(&sum.to_be_bytes());
            segment
        };
        let mss = [2, 4, 0x05, 0xb4];
        let odd = [1, 2, 4, 0x05, 0xb4, 1, 1, 0];
        for (flags, options, most, wanted) in [
            (flag::SYN, &mss[..], 1200, 1200),
            (flag::SYN | flag::ACK, &odd[..], 1200, 1200),
            (flag::SYN, &mss[..], 1460, 1460),
            (flag::SYN, &mss[..], 9000, 1460),
            (flag::ACK, &mss[..], 1200, 1460),
        ] {
            let mut segment = build(flags, options);
            clamp_mss(&mut segment, most);
            let at = HEADER_LEN + options.len() - if options.len() == 4 { 2 } else { 5 };
            assert_eq!(u16::from_be_bytes([segment[at], segment[at + 1]]), wanted);
            assert!(checksum::transport_holds(a, b, protocol::TCP, &segment), "{options:?}");
        }
    }

    #[test]
    fn no_options_make_clamping_panic() {
        bolero::check!().for_each(|bytes: &[u8]| {
            let mut segment = bytes.to_vec();
            clamp_mss(&mut segment, 536);
        });
    }
}
