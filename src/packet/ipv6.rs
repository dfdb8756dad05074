//! The IPv6 header: where a packet is from, where it is going and how far it may go.
//!
//! - takes: bytes that start at the IPv6 header and may run on into link padding
//! - gives: a view of header and payload, cut to what the header says; extension headers, their
//!   options and addresses have files of their own
//! - obeys: RFC 8200 section 3, RFC 6437; rows [8.19] to [8.26]

use std::net::Ipv6Addr;

use super::{Malformed, ethernet, room, split};

pub mod address;
pub mod extension;
pub mod fragment;
pub mod option;
pub mod routing;

pub use extension::{Chain, Extension, next_header};

/// Bytes of the header.
pub const HEADER_LEN: usize = 40;
/// The least that every link carries (RFC 8200 section 5).
pub const MIN_MTU: u16 = 1280;
/// Bytes of link and network header that [`plain`] looks at.
pub const HEAD_LEN: usize = ethernet::HEADER_LEN + HEADER_LEN;

/// Where the fields stand from the start of the header.
pub mod field {
    use std::ops::Range;

    /// Version, traffic class and flow label.
    pub const FLOW: Range<usize> = 0..4;
    /// Length of what follows the header.
    pub const PAYLOAD_LEN: Range<usize> = 4..6;
    /// Type of what follows the header.
    pub const NEXT_HEADER: usize = 6;
    /// Hop limit.
    pub const HOP_LIMIT: usize = 7;
    /// Source address.
    pub const SRC: Range<usize> = 8..24;
    /// Destination address.
    pub const DST: Range<usize> = 24..40;
}

/// Whether a frame carries a packet that needs no further check before its route: IPv6 without tag,
/// no longer than the frame, without hop-by-hop options, between addresses whose first octet alone
/// tells that they are neither unspecified, loopback, mapped, link-local, site-local nor a group.
///
/// Whose frame it is and whether the source is an address of the router are the caller's to ask.
#[inline(always)]
pub fn plain(head: &[u8; HEAD_LEN], len: usize) -> bool {
    let ip6 = (head[12] == 0x86) & (head[13] == 0xdd) & (head[14] >> 4 == 6);
    let payload = usize::from(u16::from_be_bytes([head[18], head[19]]));
    let fits = payload + HEAD_LEN <= len;
    let unicast = |first: u8| first.wrapping_sub(1) < 0xfd;
    ip6 & fits & (head[20] != next_header::HOP_BY_HOP) & unicast(head[22]) & unicast(head[38])
}

/// Lowers the hop limit by one; the caller decides first whether the packet may go on.
#[inline(always)]
pub const fn decrement_hop_limit(header: &mut [u8; HEADER_LEN]) {
    header[field::HOP_LIMIT] = header[field::HOP_LIMIT].wrapping_sub(1);
}

/// A packet whose header and length are known to hold together.
#[derive(Debug, Clone, Copy)]
pub struct Ipv6View<'a> {
    fixed: &'a [u8; HEADER_LEN],
    payload: &'a [u8],
}

impl<'a> Ipv6View<'a> {
    /// Proves version and payload length, in the order in which Linux looks at them.
    ///
    /// Bytes beyond the payload are link padding and belong to nobody, but for a payload length of
    /// zero before hop-by-hop options: those may tell a greater length, so all bytes are kept.
    #[inline]
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let view = Self::new_quoted(bytes)?;
        let len = usize::from(view.payload_len());
        if len == 0 && view.next_header() == next_header::HOP_BY_HOP {
            return Ok(view);
        }
        let payload = view.payload.get(..len).ok_or(Malformed::Truncated {
            header: "ipv6",
            need: HEADER_LEN + len,
            have: bytes.len(),
        })?;
        Ok(Self { payload, ..view })
    }

    /// Proves the header alone, for the quotation in an ICMPv6 error, whose payload is cut short.
    #[inline]
    pub fn new_quoted(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (fixed, payload) = split::<HEADER_LEN>(bytes, "ipv6")?;
        let version = fixed[0] >> 4;
        if version != 6 {
            return Err(Malformed::Version { header: "ipv6", found: version });
        }
        Ok(Self { fixed, payload })
    }

    /// Version; always 6 in a view.
    pub const fn version(&self) -> u8 {
        self.fixed[0] >> 4
    }

    /// Traffic class: DSCP in the upper 6 bits, ECN in the lower 2.
    pub const fn traffic_class(&self) -> u8 {
        self.fixed[0] << 4 | self.fixed[1] >> 4
    }

    /// Differentiated services code point.
    pub const fn dscp(&self) -> u8 {
        self.traffic_class() >> 2
    }

    /// Explicit congestion notification.
    pub const fn ecn(&self) -> u8 {
        self.traffic_class() & 3
    }

    /// Flow label, 20 bits.
    pub const fn flow_label(&self) -> u32 {
        u32::from_be_bytes([0, self.fixed[1] & 0x0f, self.fixed[2], self.fixed[3]])
    }

    /// Length of what follows the header, as the header says it.
    pub const fn payload_len(&self) -> u16 {
        u16::from_be_bytes([self.fixed[4], self.fixed[5]])
    }

    /// Type of what follows the header.
    pub const fn next_header(&self) -> u8 {
        self.fixed[field::NEXT_HEADER]
    }

    /// Hop limit.
    pub const fn hop_limit(&self) -> u8 {
        self.fixed[field::HOP_LIMIT]
    }

    /// Source address as bits.
    #[inline]
    pub fn src_bits(&self) -> u128 {
        address_at(self.fixed, field::SRC.start)
    }

    /// Destination address as bits.
    #[inline]
    pub fn dst_bits(&self) -> u128 {
        address_at(self.fixed, field::DST.start)
    }

    /// Source address.
    #[inline]
    pub fn src(&self) -> Ipv6Addr {
        Ipv6Addr::from_bits(self.src_bits())
    }

    /// Destination address.
    #[inline]
    pub fn dst(&self) -> Ipv6Addr {
        Ipv6Addr::from_bits(self.dst_bits())
    }

    /// The header.
    pub const fn header(&self) -> &'a [u8; HEADER_LEN] {
        self.fixed
    }

    /// What follows the header, extension headers first, without link padding.
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// The extension headers one after another.
    pub fn chain(&self) -> Chain<'a> {
        Chain::new(self.next_header(), self.payload)
    }

    /// What stands behind the extension headers, as far as it can be found.
    pub fn upper_layer(&self) -> Option<extension::Upper> {
        extension::skip(self.payload, 0, self.next_header())
    }
}

/// The address at a place of a header; zero where the header ends before it.
#[inline(always)]
pub fn address_at(header: &[u8], at: usize) -> u128 {
    header.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |octets| {
        // One load and one swap, which the compiler makes of it.
        u128::from_be_bytes(*octets)
    })
}

/// An IPv6 header to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ipv6Spec {
    /// Traffic class.
    pub traffic_class: u8,
    /// Flow label, 20 bits.
    pub flow_label: u32,
    /// Bytes that follow the header.
    pub payload_len: usize,
    /// Type of what follows the header.
    pub next_header: u8,
    /// Hop limit.
    pub hop_limit: u8,
    /// Source address.
    pub src: Ipv6Addr,
    /// Destination address.
    pub dst: Ipv6Addr,
}

impl Ipv6Spec {
    /// The header's bytes; a payload length that does not fit is written as the greatest.
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let mut header = [0; HEADER_LEN];
        let flow = 6 << 28 | u32::from(self.traffic_class) << 20 | self.flow_label & 0x000f_ffff;
        let len = u16::try_from(self.payload_len).unwrap_or(u16::MAX);
        header[field::FLOW].copy_from_slice(&flow.to_be_bytes());
        header[field::PAYLOAD_LEN].copy_from_slice(&len.to_be_bytes());
        header[field::NEXT_HEADER] = self.next_header;
        header[field::HOP_LIMIT] = self.hop_limit;
        header[field::SRC].copy_from_slice(&self.src.octets());
        header[field::DST].copy_from_slice(&self.dst.octets());
        header
    }

    /// Writes the header at the start of `buf` and returns its length.
    pub fn emit(&self, buf: &mut [u8]) -> Result<usize, Malformed> {
        let most = usize::from(u16::MAX);
        if self.payload_len > most {
            return Err(Malformed::NoRoom { header: "ipv6", need: self.payload_len, have: most });
        }
        room(buf, HEADER_LEN, "ipv6")?.copy_from_slice(&self.to_bytes());
        Ok(HEADER_LEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: [u8; 44] = [
        0x6b, 0x91, 0x23, 0x45, 0, 3, 17, 64, // class 0xb9, label 0x12345
        0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, //
        0x20, 1, 0x0d, 0xb8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, //
        0xaa, 0xbb, 0xcc, 0xee,
    ];

    #[test]
    fn every_field_of_a_literal_header_is_read() {
        let view = Ipv6View::new_checked(&PLAIN).unwrap();
        assert_eq!((view.version(), view.traffic_class()), (6, 0xb9));
        assert_eq!((view.dscp(), view.ecn(), view.flow_label()), (46, 1, 0x12345));
        assert_eq!((view.payload_len(), view.next_header(), view.hop_limit()), (3, 17, 64));
        assert_eq!(view.src().to_string(), "2001:db8::1");
        assert_eq!(view.dst().to_string(), "2001:db8:0:1::2");
        assert_eq!(view.payload(), [0xaa, 0xbb, 0xcc], "padding is not payload");
    }

    /// Shows [8.19].
    #[test]
    fn each_length_that_does_not_hold_has_its_own_reason() {
        let with = |at: usize, value: u8| {
            let mut bytes = PLAIN;
            bytes[at] = value;
            Ipv6View::new_checked(&bytes).map(|view| view.payload().len())
        };
        assert_eq!(with(0, 0x4b), Err(Malformed::Version { header: "ipv6", found: 4 }));
        let cut = Malformed::Truncated { header: "ipv6", need: 45, have: 44 };
        assert_eq!((with(5, 5), with(5, 4), with(5, 0)), (Err(cut), Ok(4), Ok(0)));
        for len in 0..43 {
            let cut = Ipv6View::new_checked(&PLAIN[..len]);
            assert!(matches!(cut, Err(Malformed::Truncated { .. })), "{len}");
        }
        let mut none = PLAIN;
        (none[5], none[6]) = (0, next_header::NONE);
        assert!(Ipv6View::new_checked(&none[..40]).unwrap().payload().is_empty());
    }

    #[test]
    fn a_quotation_and_a_jumbogram_keep_all_their_bytes() {
        let mut bytes = PLAIN;
        bytes[4] = 5;
        assert!(Ipv6View::new_checked(&bytes).is_err());
        assert_eq!(Ipv6View::new_quoted(&bytes).unwrap().payload().len(), 4);
        (bytes[4], bytes[5], bytes[6]) = (0, 0, next_header::HOP_BY_HOP);
        assert_eq!(Ipv6View::new_checked(&bytes).unwrap().payload().len(), 4);
    }

    #[test]
    fn headers_agree_with_an_independent_reader() {
        bolero::check!().with_type::<(bool, Vec<u8>)>().for_each(|(steer, bytes)| {
            let mut bytes = bytes.clone();
            if *steer && bytes.len() >= 40 {
                bytes[0] = 0x60 | (bytes[0] & 0x0f);
                let len = bytes.len() as u16 - 40;
                bytes[4..6].copy_from_slice(&len.to_be_bytes());
            }
            let theirs = etherparse::Ipv6HeaderSlice::from_slice(&bytes);
            let Ok(ours) = Ipv6View::new_quoted(&bytes) else {
                assert!(theirs.is_err());
                return;
            };
            let theirs = theirs.unwrap();
            assert_eq!(ours.traffic_class(), theirs.traffic_class());
            assert_eq!(ours.flow_label(), theirs.flow_label().value());
            assert_eq!(ours.payload_len(), theirs.payload_length());
            assert_eq!(ours.next_header(), theirs.next_header().0);
            assert_eq!(ours.hop_limit(), theirs.hop_limit());
            assert_eq!(ours.src(), theirs.source_addr());
            assert_eq!(ours.dst(), theirs.destination_addr());
        });
    }

    /// Shows [8.20].
    #[test]
    fn a_written_header_reads_back() {
        bolero::check!().with_type::<(u8, u32, u8, u8, u128, u128)>().for_each(
            |&(traffic_class, label, next_header, hop_limit, src, dst)| {
                let flow_label = label & 0x000f_ffff;
                let spec = Ipv6Spec {
                    traffic_class,
                    flow_label,
                    payload_len: 4,
                    next_header,
                    hop_limit,
                    src: Ipv6Addr::from_bits(src),
                    dst: Ipv6Addr::from_bits(dst),
                };
                let mut buf = [0x55; 44];
                assert_eq!(spec.emit(&mut buf), Ok(40));
                let view = Ipv6View::new_checked(&buf).unwrap();
                assert_eq!((view.traffic_class(), view.flow_label()), (traffic_class, flow_label));
                assert_eq!((view.next_header(), view.hop_limit()), (next_header, hop_limit));
                assert_eq!((view.src_bits(), view.dst_bits()), (src, dst));
                assert_eq!(view.payload(), [0x55; 4]);
            },
        );
        let spec = Ipv6Spec {
            traffic_class: 0,
            flow_label: 0,
            payload_len: 65_536,
            next_header: 59,
            hop_limit: 1,
            src: Ipv6Addr::LOCALHOST,
            dst: Ipv6Addr::LOCALHOST,
        };
        assert!(spec.emit(&mut [0; 80]).is_err());
        assert!(Ipv6Spec { payload_len: 0, ..spec }.emit(&mut [0; 39]).is_err());
    }

    #[test]
    fn the_plain_test_takes_what_every_single_check_takes() {
        bolero::check!().with_type::<([u8; 54], bool, u8, u8, u8)>().for_each(
            |(head, steer, from, to, len)| {
                let (mut head, len) = (*head, usize::from(*len));
                if *steer {
                    head[12..15].copy_from_slice(&[0x86, 0xdd, 0x60]);
                    head[18] = 0;
                    (head[22], head[38]) = (*from, *to);
                }
                let view = Ipv6View::new_quoted(&head[14..]);
                let all = head[12..14] == [0x86, 0xdd]
                    && view.is_ok_and(|view| {
                        let odd = |bits: u128| bits >> 120 == 0 || bits >> 121 == 0x7f;
                        usize::from(view.payload_len()) + 54 <= len
                            && view.next_header() != next_header::HOP_BY_HOP
                            && !odd(view.src_bits())
                            && !odd(view.dst_bits())
                    });
                assert_eq!(plain(&head, len), all);
                if all {
                    use address::{Kind, kind};
                    let view = Ipv6View::new_quoted(&head[14..]).unwrap();
                    assert_eq!(kind(view.src_bits()), Kind::Unicast);
                    assert_eq!(kind(view.dst_bits()), Kind::Unicast);
                }
            },
        );
    }

    #[test]
    fn lowering_the_hop_limit_changes_one_byte() {
        let mut header = *PLAIN.first_chunk().unwrap();
        decrement_hop_limit(&mut header);
        assert_eq!((header[7], &header[..7], &header[8..]), (63, &PLAIN[..7], &PLAIN[8..40]));
    }
}
