//! The UDP header: which ports a datagram goes between.
//!
//! - obeys: RFC 768

use std::net::{Ipv4Addr, Ipv6Addr};

use super::ipv4::protocol;
use super::{Malformed, checksum, room, split};

/// Bytes of the header.
pub const HEADER_LEN: usize = 8;

/// Where the fields stand from the start of the header.
pub mod field {
    use std::ops::Range;

    /// Source port.
    pub const SRC_PORT: Range<usize> = 0..2;
    /// Destination port.
    pub const DST_PORT: Range<usize> = 2..4;
    /// Length of header and payload.
    pub const LEN: Range<usize> = 4..6;
    /// Checksum; zero when there is none.
    pub const CHECKSUM: Range<usize> = 6..8;
}

/// A UDP datagram whose length is known to hold.
#[derive(Debug, Clone, Copy)]
pub struct UdpView<'a> {
    header: &'a [u8; HEADER_LEN],
    segment: &'a [u8],
}

impl<'a> UdpView<'a> {
    /// Proves the header and its length field; bytes beyond that length belong to nobody.
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (header, _) = split::<HEADER_LEN>(bytes, "udp")?;
        let len = usize::from(u16::from_be_bytes([header[4], header[5]]));
        if len < HEADER_LEN {
            return Err(Malformed::LengthField { header: "udp", found: len, least: HEADER_LEN });
        }
        let segment = bytes.get(..len).ok_or(Malformed::Truncated {
            header: "udp",
            need: len,
            have: bytes.len(),
        })?;
        Ok(Self { header, segment })
    }

    /// Source port.
    pub const fn src_port(&self) -> u16 {
        u16::from_be_bytes([self.header[0], self.header[1]])
    }

    /// Destination port.
    pub const fn dst_port(&self) -> u16 {
        u16::from_be_bytes([self.header[2], self.header[3]])
    }

    /// Length of header and payload.
    pub const fn len(&self) -> u16 {
        u16::from_be_bytes([self.header[4], self.header[5]])
    }

    /// Whether the datagram carries nothing.
    pub const fn is_empty(&self) -> bool {
        self.segment.len() == HEADER_LEN
    }

    /// Checksum as it stands; zero when there is none.
    pub const fn checksum(&self) -> u16 {
        u16::from_be_bytes([self.header[6], self.header[7]])
    }

    /// Whether there is no checksum or the one there is holds.
    pub fn checksum_holds(&self, src: Ipv4Addr, dst: Ipv4Addr) -> bool {
        self.checksum() == 0 || checksum::transport_holds(src, dst, protocol::UDP, self.segment)
    }

    /// Whether there is a checksum and it holds over IPv6, which wants one (RFC 8200 section 8.1).
    pub fn checksum_holds6(&self, src: Ipv6Addr, dst: Ipv6Addr) -> bool {
        self.checksum() != 0 && checksum::transport6_holds(src, dst, protocol::UDP, self.segment)
    }

    /// What the datagram carries.
    pub fn payload(&self) -> &'a [u8] {
        self.segment.get(HEADER_LEN..).unwrap_or_default()
    }
}

/// A UDP header to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UdpSpec {
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
}

impl UdpSpec {
    /// Writes the header before a payload that stands at `buf[8..]` already, checksum included, and
    /// returns the length of both; `buf` is the whole datagram.
    pub fn emit(&self, buf: &mut [u8], src: Ipv4Addr, dst: Ipv4Addr) -> Result<usize, Malformed> {
        let len = self.write(buf)?;
        let checksum = checksum::transport(src, dst, protocol::UDP, buf);
        buf[field::CHECKSUM].copy_from_slice(&checksum.to_be_bytes());
        Ok(len)
    }

    /// As [`emit`](Self::emit), for a datagram over IPv6.
    pub fn emit6(&self, buf: &mut [u8], src: Ipv6Addr, dst: Ipv6Addr) -> Result<usize, Malformed> {
        let len = self.write(buf)?;
        let checksum = checksum::transport6(src, dst, protocol::UDP, buf);
        buf[field::CHECKSUM].copy_from_slice(&checksum.to_be_bytes());
        Ok(len)
    }

    /// Writes the header without its checksum.
    fn write(&self, buf: &mut [u8]) -> Result<usize, Malformed> {
        let len = buf.len();
        let wire_len = u16::try_from(len).map_err(|_| Malformed::NoRoom {
            header: "udp",
            need: len,
            have: usize::from(u16::MAX),
        })?;
        let header = room(buf, HEADER_LEN, "udp")?;
        header[field::SRC_PORT].copy_from_slice(&self.src_port.to_be_bytes());
        header[field::DST_PORT].copy_from_slice(&self.dst_port.to_be_bytes());
        header[field::LEN].copy_from_slice(&wire_len.to_be_bytes());
        header[field::CHECKSUM].fill(0);
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_reads_back_and_agrees_with_an_independent_checksum() {
        bolero::check!().with_type::<(u16, u16, u32, u32, Vec<u8>)>().for_each(
            |(src_port, dst_port, src, dst, payload)| {
                let (src, dst) = (Ipv4Addr::from_bits(*src), Ipv4Addr::from_bits(*dst));
                let mut buf = vec![0xee; HEADER_LEN];
                buf.extend(payload);
                let spec = UdpSpec { src_port: *src_port, dst_port: *dst_port };
                assert_eq!(spec.emit(&mut buf, src, dst), Ok(buf.len()));
                let view = UdpView::new_checked(&buf).unwrap();
                assert_eq!((view.src_port(), view.dst_port()), (*src_port, *dst_port));
                assert_eq!((view.payload(), view.is_empty()), (&payload[..], payload.is_empty()));
                assert!(view.checksum_holds(src, dst));
                let theirs = etherparse::UdpHeader::with_ipv4_checksum(
                    *src_port,
                    *dst_port,
                    &etherparse::Ipv4Header::new(
                        (payload.len() + 8) as u16,
                        64,
                        etherparse::IpNumber::UDP,
                        src.octets(),
                        dst.octets(),
                    )
                    .unwrap(),
                    payload,
                )
                .unwrap();
                assert_eq!(view.checksum(), theirs.checksum);
            },
        );
    }

    #[test]
    fn over_ipv6_the_checksum_agrees_with_an_independent_one_and_must_be_there() {
        bolero::check!().with_type::<(u16, u16, u128, u128, Vec<u8>)>().for_each(
            |&(src_port, dst_port, src, dst, ref payload)| {
                let (src, dst) = (Ipv6Addr::from_bits(src), Ipv6Addr::from_bits(dst));
                let mut buf = vec![0xee; HEADER_LEN];
                buf.extend(payload);
                assert_eq!(UdpSpec { src_port, dst_port }.emit6(&mut buf, src, dst), Ok(buf.len()));
                let view = UdpView::new_checked(&buf).unwrap();
                assert!(view.checksum_holds6(src, dst));
                let ip = etherparse::Ipv6Header {
                    source: src.octets(),
                    destination: dst.octets(),
                    ..Default::default()
                };
                let theirs =
                    etherparse::UdpHeader::with_ipv6_checksum(src_port, dst_port, &ip, payload);
                assert_eq!(view.checksum(), theirs.unwrap().checksum);
                buf[field::CHECKSUM].fill(0);
                assert!(!UdpView::new_checked(&buf).unwrap().checksum_holds6(src, dst));
            },
        );
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        let bytes = [0, 1, 0, 2, 0, 9, 0, 0, 0xff];
        assert!(UdpView::new_checked(&bytes).is_ok());
        for len in 0..bytes.len() {
            assert!(UdpView::new_checked(&bytes[..len]).is_err(), "{len}");
        }
        let mut short = bytes;
        short[5] = 7;
        assert!(matches!(UdpView::new_checked(&short), Err(Malformed::LengthField { .. })));
    }

    #[test]
    fn no_checksum_holds_and_a_wrong_one_does_not() {
        let (src, dst) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
        let mut bytes = [0, 1, 0, 2, 0, 9, 0, 0, 0xff];
        assert!(UdpView::new_checked(&bytes).unwrap().checksum_holds(src, dst));
        bytes[7] = 1;
        assert!(!UdpView::new_checked(&bytes).unwrap().checksum_holds(src, dst));
    }
}
