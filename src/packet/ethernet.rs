//! The Ethernet II header: who on the link a frame is for, and what it carries.
//!
//! - obeys: IEEE 802.3 §3.2.6 (a value of 0x0600 and above is a type), RFC 894

use super::mac::MacAddr;
use super::{Malformed, room, split};

/// Bytes of the header, without VLAN tags.
pub const HEADER_LEN: usize = 14;
/// The least frame that a wire carries, without its 4-byte frame check sequence.
pub const MIN_FRAME_LEN: usize = 60;

/// Where the fields stand from the start of the frame.
pub mod field {
    use std::ops::Range;

    /// Destination address.
    pub const DST: Range<usize> = 0..6;
    /// Source address.
    pub const SRC: Range<usize> = 6..12;
    /// Type of the payload, or its length when below 0x0600.
    pub const ETHERTYPE: Range<usize> = 12..14;
    /// Where the payload of an untagged frame starts.
    pub const PAYLOAD: usize = 14;
}

/// Types of payload.
pub mod ethertype {
    /// IPv4.
    pub const IPV4: u16 = 0x0800;
    /// ARP.
    pub const ARP: u16 = 0x0806;
    /// IEEE 802.1Q tag.
    pub const VLAN: u16 = 0x8100;
    /// IPv6.
    pub const IPV6: u16 = 0x86dd;
    /// MPLS unicast.
    pub const MPLS: u16 = 0x8847;
    /// PPPoE discovery.
    pub const PPPOE_DISCOVERY: u16 = 0x8863;
    /// PPPoE session.
    pub const PPPOE_SESSION: u16 = 0x8864;
    /// IEEE 802.1ad service tag.
    pub const QINQ: u16 = 0x88a8;
    /// LLDP.
    pub const LLDP: u16 = 0x88cc;
    /// Slow protocols, of which LACP is one.
    pub const SLOW: u16 = 0x8809;
    /// The least value that is a type; lesser ones are lengths of an IEEE 802.3 frame.
    pub const LEAST: u16 = 0x0600;

    /// The word of an operator for a type, where there is one.
    pub const fn name(ethertype: u16) -> Option<&'static str> {
        Some(match ethertype {
            IPV4 => "ipv4",
            ARP => "arp",
            VLAN => "802.1q",
            IPV6 => "ipv6",
            MPLS => "mpls",
            PPPOE_DISCOVERY => "pppoe-discovery",
            PPPOE_SESSION => "pppoe-session",
            QINQ => "802.1ad",
            LLDP => "lldp",
            SLOW => "slow-protocols",
            _ => return None,
        })
    }
}

/// A frame whose Ethernet header is known to be whole.
#[derive(Debug, Clone, Copy)]
pub struct EthernetView<'a> {
    header: &'a [u8; HEADER_LEN],
    payload: &'a [u8],
}

impl<'a> EthernetView<'a> {
    /// Proves that the frame holds an Ethernet header.
    #[inline]
    pub fn new_checked(frame: &'a [u8]) -> Result<Self, Malformed> {
        let (header, payload) = split(frame, "ethernet")?;
        Ok(Self { header, payload })
    }

    /// Destination address.
    #[inline]
    pub const fn dst(&self) -> MacAddr {
        let &[a, b, c, d, e, f, ..] = self.header;
        MacAddr([a, b, c, d, e, f])
    }

    /// Source address.
    #[inline]
    pub const fn src(&self) -> MacAddr {
        let &[_, _, _, _, _, _, a, b, c, d, e, f, ..] = self.header;
        MacAddr([a, b, c, d, e, f])
    }

    /// The type field as it stands, be it a type, a tag or a length.
    #[inline]
    pub const fn ethertype(&self) -> u16 {
        u16::from_be_bytes([self.header[12], self.header[13]])
    }

    /// Whether the type field is the length of an IEEE 802.3 frame.
    pub const fn is_802_3(&self) -> bool {
        self.ethertype() < ethertype::LEAST
    }

    /// What follows the header, tags and padding included.
    #[inline]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

/// An Ethernet header to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EthernetSpec {
    /// Destination address.
    pub dst: MacAddr,
    /// Source address.
    pub src: MacAddr,
    /// Type of the payload.
    pub ethertype: u16,
}

impl EthernetSpec {
    /// The header's bytes.
    pub const fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let [a, b, c, d, e, f] = self.dst.0;
        let [g, h, i, j, k, l] = self.src.0;
        let [m, n] = self.ethertype.to_be_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n]
    }

    /// Writes the header at the start of `buf` and returns its length.
    pub fn emit(&self, buf: &mut [u8]) -> Result<usize, Malformed> {
        room(buf, HEADER_LEN, "ethernet")?.copy_from_slice(&self.to_bytes());
        Ok(HEADER_LEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_back_as_written() {
        let spec = EthernetSpec {
            dst: MacAddr([2, 0, 0, 0, 0, 1]),
            src: MacAddr([2, 0, 0, 0, 0, 2]),
            ethertype: ethertype::ARP,
        };
        let mut frame = [0; 16];
        assert_eq!(spec.emit(&mut frame), Ok(14));
        assert_eq!(frame, [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 6, 0, 0]);
        let view = EthernetView::new_checked(&frame).unwrap();
        assert_eq!((view.dst(), view.src(), view.ethertype()), (spec.dst, spec.src, 0x0806));
        assert_eq!(view.payload(), [0, 0]);
        assert_eq!(frame[field::SRC], spec.src.0);
        assert!(!view.is_802_3());
    }

    #[test]
    fn a_short_frame_and_a_short_buffer_are_refused() {
        for len in 0..HEADER_LEN {
            assert!(EthernetView::new_checked(&[0; 14][..len]).is_err());
        }
        let spec = EthernetSpec { dst: MacAddr::ZERO, src: MacAddr::ZERO, ethertype: 0 };
        assert!(spec.emit(&mut [0; 13]).is_err());
    }

    #[test]
    fn views_agree_with_an_independent_reader() {
        bolero::check!().for_each(|bytes: &[u8]| {
            let ours = EthernetView::new_checked(bytes);
            let theirs = etherparse::Ethernet2HeaderSlice::from_slice(bytes);
            assert_eq!(ours.is_ok(), theirs.is_ok());
            if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
                assert_eq!(ours.dst().0, theirs.destination());
                assert_eq!(ours.src().0, theirs.source());
                assert_eq!(ours.ethertype(), theirs.ether_type().0);
            }
        });
    }
}
