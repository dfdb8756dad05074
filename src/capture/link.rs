//! Links of captures: what the first header of a packet is, and how to make it an Ethernet frame.
//!
//! - obeys: draft-ietf-opsawg-pcaplinktype (numbers and layouts of the links)

use std::fmt;
use std::net::Ipv4Addr;

use super::read::Record;
use crate::packet::MacAddr;
use crate::packet::ethernet::{EthernetSpec, ethertype};
use crate::packet::ipv4;

/// What the packets of a capture start with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinkType {
    /// An Ethernet header.
    Ethernet,
    /// A Linux "cooked" header, version 1 (`tcpdump -i any`).
    Sll,
    /// A Linux "cooked" header, version 2.
    Sll2,
    /// An IPv4 or IPv6 header; the number says which of the spellings the file used.
    RawIp(u32),
    /// An IPv4 header.
    Ipv4,
    /// An IPv6 header.
    Ipv6,
    /// A BSD address family in the byte order of the machine that captured.
    Null,
    /// A BSD address family in network byte order.
    Loop,
    /// A link that cannot be made into Ethernet.
    Other(u32),
}

impl LinkType {
    /// The link with this number in a file.
    #[inline]
    pub const fn from_number(number: u32) -> Self {
        match number {
            0 => Self::Null,
            1 => Self::Ethernet,
            12 | 14 | 101 => Self::RawIp(number),
            108 => Self::Loop,
            113 => Self::Sll,
            228 => Self::Ipv4,
            229 => Self::Ipv6,
            276 => Self::Sll2,
            other => Self::Other(other),
        }
    }

    /// The link's number in a file.
    pub const fn number(self) -> u32 {
        match self {
            Self::Null => 0,
            Self::Ethernet => 1,
            Self::Loop => 108,
            Self::Sll => 113,
            Self::Ipv4 => 228,
            Self::Ipv6 => 229,
            Self::Sll2 => 276,
            Self::RawIp(number) | Self::Other(number) => number,
        }
    }
}

impl fmt::Display for LinkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Null => "NULL",
            Self::Ethernet => "EN10MB",
            Self::Loop => "LOOP",
            Self::Sll => "LINUX_SLL",
            Self::Sll2 => "LINUX_SLL2",
            Self::RawIp(_) => "RAW",
            Self::Ipv4 => "IPV4",
            Self::Ipv6 => "IPV6",
            Self::Other(number) => return write!(f, "link type {number}"),
        })
    }
}

/// Why a record is no frame that could be put on an Ethernet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// The capture kept no byte of the packet.
    #[error("the capture kept no byte of the packet")]
    Empty,
    /// The link is not one of those that can be made into Ethernet.
    #[error("link type {0} cannot be made into Ethernet")]
    Link(u32),
    /// The packet ends within its link header.
    #[error("{have} bytes are too few for the {need} of the link header")]
    Short {
        /// Bytes of the link header.
        need: usize,
        /// Bytes there.
        have: usize,
    },
    /// The link header names a payload that Ethernet has no type for.
    #[error("protocol {0:#06x} of the link header has no Ethernet type")]
    Protocol(u32),
}

/// The packet was sent to every station of the link.
const TO_ALL: u16 = 1;
/// The packet was sent to a group.
const TO_GROUP: u16 = 2;
/// Kinds of device in a cooked header whose packets are of no network: netlink, and 802.11 in its
/// three forms.
const FOREIGN_DEVICES: [u16; 4] = [824, 801, 802, 803];

/// Makes an Ethernet frame of a record in `frame`, whose former contents are lost.
///
/// # Errors
/// As [`ethernet`].
pub fn to_ethernet(
    record: &Record<'_>,
    dst: MacAddr,
    src: MacAddr,
    frame: &mut Vec<u8>,
) -> Result<(), Unsupported> {
    frame.clear();
    let (header, rest) = ethernet(record, dst, src)?;
    frame.extend_from_slice(header.as_ref().map_or(&[], |header| &header[..]));
    frame.extend_from_slice(rest);
    Ok(())
}

/// The Ethernet frame of a record: a header, when it has none of its own, and the bytes behind it.
///
/// An Ethernet record is taken as it is, tags included. Any other gets the given addresses, but
/// goes to the group's or everyone's address where it was sent so.
///
/// # Errors
/// When the record is none that Ethernet could carry.
#[inline]
pub fn ethernet<'a>(
    record: &Record<'a>,
    dst: MacAddr,
    src: MacAddr,
) -> Result<(Option<[u8; 14]>, &'a [u8]), Unsupported> {
    match record.link {
        _ if record.data.is_empty() => Err(Unsupported::Empty),
        LinkType::Ethernet => Ok((None, record.data)),
        _ => other(record, dst, src).map(|(header, payload)| (Some(header), payload)),
    }
}

/// The same of a record of another link.
fn other<'a>(
    record: &Record<'a>,
    dst: MacAddr,
    src: MacAddr,
) -> Result<([u8; 14], &'a [u8]), Unsupported> {
    let (ethertype, sent_to, payload) = match record.link {
        LinkType::Sll => {
            let (&[a, b, c, d, _, _, _, _, _, _, _, _, _, _, y, z], payload) =
                header::<16>(record.data)?;
            cooked([a, b], [c, d], [y, z], payload)?
        }
        LinkType::Sll2 => {
            let (&[y, z, _, _, _, _, _, _, c, d, b, ..], payload) = header::<20>(record.data)?;
            cooked([0, b], [c, d], [y, z], payload)?
        }
        LinkType::RawIp(_) => (version(record.data[0])?, None, record.data),
        LinkType::Ipv4 => (ethertype::IPV4, None, record.data),
        LinkType::Ipv6 => (ethertype::IPV6, None, record.data),
        LinkType::Null | LinkType::Loop => {
            let (&family, payload) = header::<4>(record.data)?;
            let family = match (record.link, family) {
                (LinkType::Null, [_, _, 0, 0]) => u32::from_le_bytes(family),
                _ => u32::from_be_bytes(family),
            };
            (family_type(family)?, None, payload)
        }
        LinkType::Ethernet | LinkType::Other(_) => {
            return Err(Unsupported::Link(record.link.number()));
        }
    };
    let dst = match sent_to {
        Some(TO_ALL) => MacAddr::BROADCAST,
        Some(TO_GROUP) | None => group(ethertype, payload).unwrap_or(dst),
        Some(_) => dst,
    };
    Ok((EthernetSpec { dst, src, ethertype }.to_bytes(), payload))
}

/// Splits a link header off.
fn header<const N: usize>(data: &[u8]) -> Result<(&[u8; N], &[u8]), Unsupported> {
    data.split_first_chunk().ok_or(Unsupported::Short { need: N, have: data.len() })
}

/// What a cooked header says: type of the payload, whom it was sent to, payload.
fn cooked(
    sent_to: [u8; 2],
    device: [u8; 2],
    protocol: [u8; 2],
    payload: &[u8],
) -> Result<(u16, Option<u16>, &[u8]), Unsupported> {
    let protocol = u16::from_be_bytes(protocol);
    let foreign = FOREIGN_DEVICES.contains(&u16::from_be_bytes(device));
    let ethertype = match protocol {
        // A header of IEEE 802.2 follows, and an 802.3 frame tells its length in place of a type.
        4 if !foreign => u16::try_from(payload.len())
            .ok()
            .filter(|len| *len < ethertype::LEAST)
            .ok_or(Unsupported::Protocol(4))?,
        ethertype::LEAST.. if !foreign => protocol,
        _ => return Err(Unsupported::Protocol(protocol.into())),
    };
    Ok((ethertype, Some(u16::from_be_bytes(sent_to)), payload))
}

/// The Ethernet type of an IP packet, by its version.
fn version(first: u8) -> Result<u16, Unsupported> {
    match first >> 4 {
        4 => Ok(ethertype::IPV4),
        6 => Ok(ethertype::IPV6),
        other => Err(Unsupported::Protocol(other.into())),
    }
}

/// The Ethernet type of an address family; that of IPv6 differs from system to system.
fn family_type(family: u32) -> Result<u16, Unsupported> {
    match family {
        2 => Ok(ethertype::IPV4),
        10 | 24 | 28 | 30 => Ok(ethertype::IPV6),
        other => Err(Unsupported::Protocol(other)),
    }
}

/// The group address on the link for a packet to a group or to everyone.
fn group(ethertype: u16, payload: &[u8]) -> Option<MacAddr> {
    match ethertype {
        ethertype::IPV4 => {
            let dst = Ipv4Addr::from_octets(*payload.get(ipv4::field::DST)?.first_chunk()?);
            if ipv4::is_limited_broadcast(dst.to_bits()) {
                return Some(MacAddr::BROADCAST);
            }
            dst.is_multicast().then(|| MacAddr::of_ipv4_group(dst))
        }
        ethertype::IPV6 => match *payload.get(24..40)? {
            [0xff, .., a, b, c, d] => Some(MacAddr([0x33, 0x33, a, b, c, d])),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::FrameBuilder;

    const DST: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xdd]);
    const SRC: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x55]);

    fn frame(link: u32, data: &[u8]) -> Result<Vec<u8>, Unsupported> {
        let link = LinkType::from_number(link);
        let record = Record { ts_ns: 0, orig_len: data.len() as u32, data, link };
        let mut frame = vec![0xee; 3];
        to_ethernet(&record, DST, SRC, &mut frame).map(|()| frame)
    }

    fn expect(dst: MacAddr, ethertype: u16, payload: &[u8]) -> Result<Vec<u8>, Unsupported> {
        let mut frame = EthernetSpec { dst, src: SRC, ethertype }.to_bytes().to_vec();
        frame.extend_from_slice(payload);
        Ok(frame)
    }

    fn sll(sent_to: u8, device: u16, protocol: u16, payload: &[u8]) -> Vec<u8> {
        let [c, d] = device.to_be_bytes();
        let [y, z] = protocol.to_be_bytes();
        let mut bytes = vec![0, sent_to, c, d, 0, 6, 9, 9, 9, 9, 9, 9, 0, 0, y, z];
        bytes.extend_from_slice(payload);
        bytes
    }

    fn sll2(sent_to: u8, device: u16, protocol: u16, payload: &[u8]) -> Vec<u8> {
        let [c, d] = device.to_be_bytes();
        let [y, z] = protocol.to_be_bytes();
        let mut bytes = vec![y, z, 0, 0, 0, 0, 0, 3, c, d, sent_to, 6, 9, 9, 9, 9, 9, 9, 0, 0];
        bytes.extend_from_slice(payload);
        bytes
    }

    fn ip(dst: Ipv4Addr) -> Vec<u8> {
        FrameBuilder::new().ipv4(Ipv4Addr::new(10, 0, 0, 1), dst).udp(1, 2).build()[14..].to_vec()
    }

    #[test]
    fn numbers_of_links_read_back() {
        for number in 0..400 {
            assert_eq!(LinkType::from_number(number).number(), number);
        }
    }

    #[test]
    fn an_ethernet_record_is_taken_as_it_is() {
        let bytes = FrameBuilder::new().vlan(crate::packet::vlan::Tag::dot1q(7)).udp(1, 2).build();
        assert_eq!(frame(1, &bytes), Ok(bytes));
        assert_eq!(frame(1, &[1, 2, 3]), Ok(vec![1, 2, 3]), "a runt is the router's to drop");
    }

    #[test]
    fn cooked_records_get_the_given_addresses_and_the_type_of_their_header() {
        let packet = ip(Ipv4Addr::new(10, 0, 1, 1));
        for (link, make) in [(113, sll as fn(u8, u16, u16, &[u8]) -> Vec<u8>), (276, sll2)] {
            assert_eq!(frame(link, &make(0, 1, 0x0800, &packet)), expect(DST, 0x0800, &packet));
            assert_eq!(frame(link, &make(4, 1, 0x0800, &packet)), expect(DST, 0x0800, &packet));
            let arp = [0; 28];
            let all = MacAddr::BROADCAST;
            assert_eq!(frame(link, &make(1, 1, 0x0806, &arp)), expect(all, 0x0806, &arp));
            let tagged = [0, 7, 8, 0, 0x45];
            assert_eq!(frame(link, &make(0, 1, 0x8100, &tagged)), expect(DST, 0x8100, &tagged));
            let llc = [0x42, 0x42, 3, 0];
            assert_eq!(frame(link, &make(0, 1, 4, &llc)), expect(DST, 4, &llc));
            assert_eq!(frame(link, &make(0, 1, 3, &llc)), Err(Unsupported::Protocol(3)));
            assert_eq!(
                frame(link, &make(0, 824, 0x0800, &llc)),
                Err(Unsupported::Protocol(0x0800))
            );
            let header = make(0, 1, 0x0800, &[]);
            for len in 1..header.len() {
                let short = Unsupported::Short { need: header.len(), have: len };
                assert_eq!(frame(link, &header[..len]), Err(short));
            }
        }
    }

    #[test]
    fn raw_records_get_the_type_of_their_version() {
        let four = ip(Ipv4Addr::new(10, 0, 1, 1));
        let mut six = [0; 40];
        six[0] = 0x60;
        for link in [12, 14, 101] {
            assert_eq!(frame(link, &four), expect(DST, 0x0800, &four));
            assert_eq!(frame(link, &six), expect(DST, 0x86dd, &six));
            assert_eq!(frame(link, &[0x50]), Err(Unsupported::Protocol(5)));
        }
        assert_eq!(frame(228, &four), expect(DST, 0x0800, &four));
        assert_eq!(frame(229, &six), expect(DST, 0x86dd, &six));
    }

    #[test]
    fn packets_to_groups_and_to_all_go_to_the_address_that_the_link_has_for_them() {
        let group = ip(Ipv4Addr::new(224, 0, 0, 5));
        let mac = MacAddr([0x01, 0, 0x5e, 0, 0, 5]);
        assert_eq!(frame(101, &group), expect(mac, 0x0800, &group));
        assert_eq!(frame(113, &sll(2, 1, 0x0800, &group)), expect(mac, 0x0800, &group));
        let all = ip(Ipv4Addr::BROADCAST);
        assert_eq!(frame(101, &all), expect(MacAddr::BROADCAST, 0x0800, &all));
        let mut six = [0; 40];
        (six[0], six[24], six[39]) = (0x60, 0xff, 1);
        assert_eq!(frame(229, &six), expect(MacAddr([0x33, 0x33, 0, 0, 0, 1]), 0x86dd, &six));
    }

    #[test]
    fn loopback_records_tell_their_family_in_either_byte_order() {
        let four = ip(Ipv4Addr::new(10, 0, 1, 1));
        let with = |family: [u8; 4]| [&family[..], &four[..]].concat();
        assert_eq!(frame(0, &with([2, 0, 0, 0])), expect(DST, 0x0800, &four));
        assert_eq!(frame(0, &with([0, 0, 0, 2])), expect(DST, 0x0800, &four));
        assert_eq!(frame(108, &with([0, 0, 0, 2])), expect(DST, 0x0800, &four));
        for family in [10, 24, 28, 30] {
            assert_eq!(frame(108, &with([0, 0, 0, family])), expect(DST, 0x86dd, &four));
        }
        assert_eq!(frame(0, &with([7, 0, 0, 0])), Err(Unsupported::Protocol(7)));
        assert_eq!(frame(108, &[0, 0, 0]), Err(Unsupported::Short { need: 4, have: 3 }));
    }

    #[test]
    fn foreign_links_and_records_without_bytes_are_refused() {
        assert_eq!(frame(127, &[1]), Err(Unsupported::Link(127)));
        assert_eq!(frame(1, &[]), Err(Unsupported::Empty));
    }

    #[test]
    fn no_record_makes_it_panic() {
        bolero::check!().with_type::<(u32, Vec<u8>)>().for_each(|(link, data)| {
            let links = [0, 1, 12, 14, 101, 108, 113, 228, 229, 276, 9999];
            let _ = frame(links[*link as usize % links.len()], data);
        });
    }
}
