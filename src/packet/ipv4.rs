//! The IPv4 header: where a datagram is from, where it is going and how far it may go.
//!
//! - takes: bytes that start at the IPv4 header and may run on into link padding
//! - gives: a view of header, options and payload, each cut to what the header says
//! - obeys: RFC 791 §3.1, RFC 1812 §5.2.2, RFC 6864; rows [4.3] to [4.15], [4.38] to [4.52]

use std::net::Ipv4Addr;

use super::{Malformed, checksum, room, split};

pub mod compiled;
pub mod option;
pub use compiled::{Compiled, Echo, Router};
pub use option::{BadOption, Ipv4Option, Options};

/// Bytes of the header without options.
pub const HEADER_LEN: usize = 20;
/// Bytes of the longest header.
pub const MAX_HEADER_LEN: usize = 60;

/// Where the fields stand from the start of the header.
pub mod field {
    use std::ops::Range;

    /// Version and header length.
    pub const VERSION_IHL: usize = 0;
    /// Type of service: DSCP and ECN.
    pub const TOS: usize = 1;
    /// Length of header and payload.
    pub const TOTAL_LEN: Range<usize> = 2..4;
    /// Identification.
    pub const ID: Range<usize> = 4..6;
    /// Flags and fragment offset.
    pub const FRAGMENT: Range<usize> = 6..8;
    /// Time to live.
    pub const TTL: usize = 8;
    /// Protocol of the payload.
    pub const PROTOCOL: usize = 9;
    /// Header checksum.
    pub const CHECKSUM: Range<usize> = 10..12;
    /// Source address.
    pub const SRC: Range<usize> = 12..16;
    /// Destination address.
    pub const DST: Range<usize> = 16..20;
    /// Where options start, when there are any.
    pub const OPTIONS: usize = 20;
}

/// Numbers of the protocols that a datagram carries.
pub mod protocol {
    /// ICMP.
    pub const ICMP: u8 = 1;
    /// IGMP.
    pub const IGMP: u8 = 2;
    /// IPv4 in IPv4.
    pub const IPIP: u8 = 4;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// DCCP.
    pub const DCCP: u8 = 33;
    /// GRE.
    pub const GRE: u8 = 47;
    /// IPsec encapsulating security payload.
    pub const ESP: u8 = 50;
    /// IPsec authentication header.
    pub const AH: u8 = 51;
    /// OSPF.
    pub const OSPF: u8 = 89;
    /// PIM.
    pub const PIM: u8 = 103;
    /// VRRP.
    pub const VRRP: u8 = 112;
    /// SCTP.
    pub const SCTP: u8 = 132;
    /// UDP-Lite.
    pub const UDPLITE: u8 = 136;

    /// The name in `/etc/protocols`, where there is one here.
    pub const fn name(protocol: u8) -> Option<&'static str> {
        Some(match protocol {
            ICMP => "icmp",
            IGMP => "igmp",
            IPIP => "ipencap",
            TCP => "tcp",
            UDP => "udp",
            DCCP => "dccp",
            GRE => "gre",
            ESP => "esp",
            AH => "ah",
            OSPF => "ospf",
            PIM => "pim",
            VRRP => "vrrp",
            SCTP => "sctp",
            UDPLITE => "udplite",
            _ => return None,
        })
    }
}

/// Bit of the fragment word: more fragments follow.
pub const MORE_FRAGMENTS: u16 = 0x2000;
/// Bit of the fragment word: must not be fragmented.
pub const DONT_FRAGMENT: u16 = 0x4000;
/// Bit of the fragment word that must be zero (and is not looked at when forwarding).
pub const RESERVED: u16 = 0x8000;
/// Bits of the fragment word that give the offset, in units of 8 bytes.
pub const OFFSET_MASK: u16 = 0x1fff;

/// Whether an address names a group: 224.0.0.0/4.
#[inline]
pub const fn is_multicast(addr: u32) -> bool {
    addr >> 28 == 0xe
}

/// Whether an address is 255.255.255.255.
#[inline]
pub const fn is_limited_broadcast(addr: u32) -> bool {
    addr == u32::MAX
}

/// Whether an address never leaves a host: 127.0.0.0/8.
#[inline]
pub const fn is_loopback(addr: u32) -> bool {
    addr >> 24 == 127
}

/// Whether an address is of "this network": 0.0.0.0/8.
#[inline]
pub const fn is_zeronet(addr: u32) -> bool {
    addr >> 24 == 0
}

/// Whether an address is of the reserved class E, 240.0.0.0/4, limited broadcast included.
#[inline]
pub const fn is_class_e(addr: u32) -> bool {
    addr >> 28 == 0xf
}

/// Whether an address is of the link alone: 169.254.0.0/16.
#[inline]
pub const fn is_link_local(addr: u32) -> bool {
    addr >> 16 == 0xa9fe
}

/// Whether a group is never forwarded: 224.0.0.0/24.
#[inline]
pub const fn is_local_multicast(addr: u32) -> bool {
    addr >> 8 == 0xe0_00_00
}

/// A datagram whose header, options and lengths are known to hold together.
#[derive(Debug, Clone, Copy)]
pub struct Ipv4View<'a> {
    fixed: &'a [u8; HEADER_LEN],
    header: &'a [u8],
    payload: &'a [u8],
}

impl<'a> Ipv4View<'a> {
    /// Proves version, header length and total length, in the order in which Linux looks at them.
    ///
    /// The checksum is not looked at: see [`checksum_holds`](Self::checksum_holds). Bytes beyond the
    /// total length are link padding and belong to nobody.
    #[inline]
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let view = Self::new_quoted(bytes)?;
        let (total, header_len) = (usize::from(view.total_len()), view.header.len());
        if bytes.len() < total {
            return Err(Malformed::Truncated { header: "ipv4", need: total, have: bytes.len() });
        }
        let Some(payload_len) = total.checked_sub(header_len) else {
            return Err(Malformed::LengthField { header: "ipv4", found: total, least: header_len });
        };
        let payload = view.payload.get(..payload_len).unwrap_or_default();
        Ok(Self { payload, ..view })
    }

    /// Proves the header alone, for the quotation in an ICMP error, whose payload is cut short.
    #[inline]
    pub fn new_quoted(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (fixed, _) = split::<HEADER_LEN>(bytes, "ipv4")?;
        let version = fixed[0] >> 4;
        if version != 4 {
            return Err(Malformed::Version { header: "ipv4", found: version });
        }
        let header_len = usize::from(fixed[0] & 0x0f) * 4;
        if header_len < HEADER_LEN {
            return Err(Malformed::HeaderLength {
                header: "ipv4",
                found: header_len,
                least: HEADER_LEN,
            });
        }
        let (header, payload) = bytes.split_at_checked(header_len).ok_or(Malformed::Truncated {
            header: "ipv4",
            need: header_len,
            have: bytes.len(),
        })?;
        Ok(Self { fixed, header, payload })
    }

    /// Version; always 4 in a view.
    pub const fn version(&self) -> u8 {
        self.fixed[0] >> 4
    }

    /// Header length in words of 4 bytes.
    pub const fn ihl(&self) -> u8 {
        self.fixed[0] & 0x0f
    }

    /// Header length in bytes.
    pub const fn header_len(&self) -> usize {
        self.header.len()
    }

    /// Type of service: DSCP in the upper 6 bits, ECN in the lower 2.
    pub const fn tos(&self) -> u8 {
        self.fixed[1]
    }

    /// Differentiated services code point.
    pub const fn dscp(&self) -> u8 {
        self.fixed[1] >> 2
    }

    /// Explicit congestion notification.
    pub const fn ecn(&self) -> u8 {
        self.fixed[1] & 3
    }

    /// Length of header and payload as the header says it.
    pub const fn total_len(&self) -> u16 {
        u16::from_be_bytes([self.fixed[2], self.fixed[3]])
    }

    /// Identification.
    pub const fn id(&self) -> u16 {
        u16::from_be_bytes([self.fixed[4], self.fixed[5]])
    }

    /// Flags and fragment offset as one word.
    pub const fn fragment_word(&self) -> u16 {
        u16::from_be_bytes([self.fixed[6], self.fixed[7]])
    }

    /// Whether the datagram must not be fragmented.
    pub const fn df(&self) -> bool {
        self.fragment_word() & DONT_FRAGMENT != 0
    }

    /// Whether more fragments follow.
    pub const fn mf(&self) -> bool {
        self.fragment_word() & MORE_FRAGMENTS != 0
    }

    /// The flag bit that must be zero.
    pub const fn reserved(&self) -> bool {
        self.fragment_word() & RESERVED != 0
    }

    /// Where the payload stands in the whole datagram, in bytes.
    pub const fn fragment_offset(&self) -> usize {
        (self.fragment_word() & OFFSET_MASK) as usize * 8
    }

    /// Whether this is a part of a datagram, be it the first or a later one.
    pub const fn is_fragment(&self) -> bool {
        self.fragment_word() & (MORE_FRAGMENTS | OFFSET_MASK) != 0
    }

    /// Time to live.
    pub const fn ttl(&self) -> u8 {
        self.fixed[8]
    }

    /// Protocol of the payload.
    pub const fn protocol(&self) -> u8 {
        self.fixed[9]
    }

    /// Header checksum as it stands in the header.
    pub const fn checksum(&self) -> u16 {
        u16::from_be_bytes([self.fixed[10], self.fixed[11]])
    }

    /// Source address.
    pub const fn src(&self) -> Ipv4Addr {
        Ipv4Addr::new(self.fixed[12], self.fixed[13], self.fixed[14], self.fixed[15])
    }

    /// Destination address.
    pub const fn dst(&self) -> Ipv4Addr {
        Ipv4Addr::new(self.fixed[16], self.fixed[17], self.fixed[18], self.fixed[19])
    }

    /// Whether the header checksum holds, options included.
    #[inline]
    pub fn checksum_holds(&self) -> bool {
        match self.ihl() {
            5 => checksum::ipv4_header20(self.fixed),
            _ => checksum::ipv4_header(self.header),
        }
    }

    /// The header, options included.
    pub const fn header(&self) -> &'a [u8] {
        self.header
    }

    /// The option bytes; empty in the common case.
    pub fn option_bytes(&self) -> &'a [u8] {
        self.header.get(HEADER_LEN..).unwrap_or_default()
    }

    /// The options one after another.
    pub fn options(&self) -> Options<'a> {
        Options::new(self.option_bytes())
    }

    /// What the datagram carries, without link padding.
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

/// An IPv4 header to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ipv4Spec<'a> {
    /// Type of service.
    pub tos: u8,
    /// Identification.
    pub id: u16,
    /// Flags and fragment offset as one word.
    pub fragment_word: u16,
    /// Time to live.
    pub ttl: u8,
    /// Protocol of the payload.
    pub protocol: u8,
    /// Source address.
    pub src: Ipv4Addr,
    /// Destination address.
    pub dst: Ipv4Addr,
    /// Options; padded with end options to a multiple of 4 bytes.
    pub options: &'a [u8],
    /// Bytes that follow the header.
    pub payload_len: usize,
}

impl Ipv4Spec<'_> {
    /// Bytes of the header with its padded options.
    pub const fn header_len(&self) -> usize {
        HEADER_LEN + self.options.len().next_multiple_of(4)
    }

    /// Writes the header with its checksum at the start of `buf` and returns its length.
    pub fn emit(&self, buf: &mut [u8]) -> Result<usize, Malformed> {
        let len = self.header_len();
        let total = len + self.payload_len;
        if len > MAX_HEADER_LEN {
            return Err(Malformed::NoRoom { header: "ipv4", need: len, have: MAX_HEADER_LEN });
        }
        let total_len = u16::try_from(total).map_err(|_| Malformed::NoRoom {
            header: "ipv4",
            need: total,
            have: usize::from(u16::MAX),
        })?;
        let header = room(buf, len, "ipv4")?;
        header[0] = 0x40 | (len / 4) as u8;
        header[field::TOS] = self.tos;
        header[field::TOTAL_LEN].copy_from_slice(&total_len.to_be_bytes());
        header[field::ID].copy_from_slice(&self.id.to_be_bytes());
        header[field::FRAGMENT].copy_from_slice(&self.fragment_word.to_be_bytes());
        header[field::TTL] = self.ttl;
        header[field::PROTOCOL] = self.protocol;
        header[field::SRC].copy_from_slice(&self.src.octets());
        header[field::DST].copy_from_slice(&self.dst.octets());
        let (options, padding) = header[HEADER_LEN..].split_at_mut(self.options.len());
        options.copy_from_slice(self.options);
        padding.fill(option::END);
        checksum::ipv4_header_fill(header);
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: [u8; 24] = [
        0x45, 0xb9, 0x00, 0x17, 0x12, 0x34, 0x60, 0x05, 0x40, 0x11, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
        0xaa, 0xbb, 0xcc, 0xee,
    ];

    #[test]
    fn every_field_of_a_literal_header_is_read() {
        let view = Ipv4View::new_checked(&PLAIN).unwrap();
        assert_eq!((view.version(), view.ihl(), view.header_len()), (4, 5, 20));
        assert_eq!((view.tos(), view.dscp(), view.ecn()), (0xb9, 46, 1));
        assert_eq!((view.total_len(), view.id()), (23, 0x1234));
        assert_eq!((view.df(), view.mf(), view.reserved()), (true, true, false));
        assert_eq!((view.fragment_offset(), view.is_fragment()), (40, true));
        assert_eq!((view.ttl(), view.protocol(), view.checksum()), (64, 17, 0));
        assert_eq!(view.src(), Ipv4Addr::new(10, 0, 0, 1));
        assert_eq!(view.dst(), Ipv4Addr::new(10, 0, 0, 2));
        assert_eq!(view.payload(), [0xaa, 0xbb, 0xcc], "padding is not payload");
        assert!(view.option_bytes().is_empty() && !view.checksum_holds());
    }

    #[test]
    fn each_length_that_does_not_hold_has_its_own_reason() {
        let with = |changes: &[(usize, u8)]| {
            let mut bytes = PLAIN;
            for &(at, value) in changes {
                bytes[at] = value;
            }
            Ipv4View::new_checked(&bytes).map(|view| view.payload().len())
        };
        assert_eq!(with(&[]), Ok(3));
        assert_eq!(with(&[(0, 0x65)]), Err(Malformed::Version { header: "ipv4", found: 6 }));
        let short = Malformed::HeaderLength { header: "ipv4", found: 16, least: 20 };
        assert_eq!(with(&[(0, 0x44)]), Err(short));
        let cut = Malformed::Truncated { header: "ipv4", need: 28, have: 24 };
        assert_eq!(with(&[(0, 0x47)]), Err(cut));
        let cut = Malformed::Truncated { header: "ipv4", need: 25, have: 24 };
        assert_eq!(with(&[(3, 25)]), Err(cut));
        let below = Malformed::LengthField { header: "ipv4", found: 19, least: 20 };
        assert_eq!(with(&[(3, 19)]), Err(below));
        for len in 0..23 {
            let cut = Ipv4View::new_checked(&PLAIN[..len]);
            assert!(matches!(cut, Err(Malformed::Truncated { .. })), "{len}");
        }
    }

    #[test]
    fn a_quotation_may_be_shorter_than_its_length_says() {
        let mut bytes = PLAIN;
        bytes[2] = 5;
        assert!(Ipv4View::new_checked(&bytes).is_err());
        assert_eq!(Ipv4View::new_quoted(&bytes).unwrap().payload().len(), 4);
    }

    #[test]
    fn headers_agree_with_an_independent_reader() {
        bolero::check!().with_type::<(bool, Vec<u8>)>().for_each(|(steer, bytes)| {
            let mut bytes = bytes.clone();
            if *steer && bytes.len() >= 20 {
                bytes[0] = 0x40 | (bytes[0] & 0x0f).max(5);
                let len = bytes.len() as u16;
                bytes[2..4].copy_from_slice(&len.to_be_bytes());
            }
            let (Ok(ours), Ok(theirs)) =
                (Ipv4View::new_checked(&bytes), etherparse::Ipv4HeaderSlice::from_slice(&bytes))
            else {
                let theirs = etherparse::Ipv4HeaderSlice::from_slice(&bytes);
                // They look at the header only, we at the total length too.
                assert!(Ipv4View::new_quoted(&bytes).is_ok() == theirs.is_ok());
                return;
            };
            assert_eq!(ours.ihl(), theirs.ihl());
            assert_eq!(ours.total_len(), theirs.total_len());
            assert_eq!(ours.dscp(), theirs.dcp().value());
            assert_eq!(ours.ecn(), theirs.ecn().value());
            assert_eq!(ours.id(), theirs.identification());
            assert_eq!(ours.df(), theirs.dont_fragment());
            assert_eq!(ours.mf(), theirs.more_fragments());
            assert_eq!(ours.is_fragment(), theirs.is_fragmenting_payload());
            assert_eq!(ours.fragment_offset(), theirs.fragments_offset().value() as usize * 8);
            assert_eq!(ours.ttl(), theirs.ttl());
            assert_eq!(ours.protocol(), theirs.protocol().0);
            assert_eq!(ours.src(), theirs.source_addr());
            assert_eq!(ours.dst(), theirs.destination_addr());
            assert_eq!(ours.option_bytes(), theirs.options());
            // Their header has no place for the reserved flag, so it is lost to their checksum.
            if !ours.reserved() {
                let want = theirs.to_header().calc_header_checksum();
                // Both spellings of zero hold.
                let both = want == 0 && ours.checksum() == 0xffff;
                assert_eq!(ours.checksum_holds(), both || want == ours.checksum());
            }
        });
    }

    #[test]
    fn a_written_header_reads_back_and_its_checksum_holds() {
        bolero::check!().with_type::<(u8, u16, u16, u8, u8, u32, u32, Vec<u8>)>().for_each(
            |(tos, id, fragment_word, ttl, protocol, src, dst, options)| {
                let spec = Ipv4Spec {
                    tos: *tos,
                    id: *id,
                    fragment_word: *fragment_word,
                    ttl: *ttl,
                    protocol: *protocol,
                    src: (*src).into(),
                    dst: (*dst).into(),
                    options,
                    payload_len: 4,
                };
                let mut buf = [0x55; 64];
                let Ok(len) = spec.emit(&mut buf) else {
                    assert!(options.len() > 40);
                    return;
                };
                let view = Ipv4View::new_checked(&buf[..len + 4]).unwrap();
                assert!(view.checksum_holds());
                assert_eq!((view.tos(), view.id(), view.ttl()), (*tos, *id, *ttl));
                assert_eq!(view.fragment_word(), *fragment_word);
                assert_eq!(view.src().to_bits(), *src);
                assert_eq!(view.dst().to_bits(), *dst);
                assert_eq!(view.payload().len(), 4);
                assert!(view.option_bytes().starts_with(options));
                assert!(view.option_bytes()[options.len()..].iter().all(|byte| *byte == 0));
            },
        );
    }

    #[test]
    fn address_classes_end_where_they_should() {
        let at = |a, b, c, d| Ipv4Addr::new(a, b, c, d).to_bits();
        assert!(is_multicast(at(224, 0, 0, 0)) && is_multicast(at(239, 255, 255, 255)));
        assert!(!is_multicast(at(223, 255, 255, 255)) && !is_multicast(at(240, 0, 0, 0)));
        assert!(is_class_e(at(240, 0, 0, 0)) && is_class_e(u32::MAX));
        assert!(is_limited_broadcast(u32::MAX) && !is_limited_broadcast(u32::MAX - 1));
        assert!(is_loopback(at(127, 255, 255, 255)) && !is_loopback(at(128, 0, 0, 0)));
        assert!(is_zeronet(at(0, 255, 255, 255)) && !is_zeronet(at(1, 0, 0, 0)));
        assert!(is_link_local(at(169, 254, 1, 1)) && !is_link_local(at(169, 253, 1, 1)));
        assert!(is_local_multicast(at(224, 0, 0, 255)) && !is_local_multicast(at(224, 0, 1, 0)));
    }
}
