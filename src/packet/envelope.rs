//! What an ICMPv6 message of the link came in: addresses, hop limit, router alert.
//!
//! - takes: bytes that start at the IPv6 header, or a message to be put into a packet
//! - gives: an [`Envelope`], whose message has a checksum that holds; packets from the IPv6 header on
//! - obeys: RFC 8200 section 4, RFC 4443 section 2.3, RFC 2711 (router alert)

use std::net::Ipv6Addr;

use super::checksum;

const HEADER: usize = 40;
const HOP_BY_HOP: u8 = 0;
const ICMPV6: u8 = 58;
const DESTINATION: u8 = 60;
const FRAGMENT: u8 = 44;
const PAD1: u8 = 0;
const ALERT: u8 = 5;

/// A message and what it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// Source of the packet.
    pub src: Ipv6Addr,
    /// Destination of the packet.
    pub dst: Ipv6Addr,
    /// Hop limit.
    pub hop_limit: u8,
    /// Value of a router alert in the hop-by-hop options.
    pub alert: Option<u16>,
    /// The ICMPv6 message, as long as the IPv6 header says, of eight bytes at least.
    pub message: &'a [u8],
}

/// The value of a router alert among options.
fn alert(mut options: &[u8]) -> Option<u16> {
    while let Some((&kind, rest)) = options.split_first() {
        if kind == PAD1 {
            options = rest;
            continue;
        }
        let len = usize::from(*rest.first()?);
        let value = rest.get(1..1 + len)?;
        if kind == ALERT {
            return value.try_into().ok().map(u16::from_be_bytes);
        }
        options = &rest[1 + len..];
    }
    None
}

/// The complement of the sum over pseudo-header and message: 0 where the message's checksum holds.
pub fn icmp6_checksum(src: Ipv6Addr, dst: Ipv6Addr, message: &[u8]) -> u16 {
    let mut sum = checksum::Pieces::default();
    sum.push(&src.octets());
    sum.push(&dst.octets());
    sum.push(&u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
    sum.push(&[0, 0, 0, ICMPV6]);
    sum.push(message);
    !sum.sum()
}

impl<'a> Envelope<'a> {
    /// Opens a packet whose checksum holds; options before the message are passed over.
    pub fn open(l3: &'a [u8]) -> Option<Self> {
        let (header, _) = l3.split_first_chunk::<HEADER>()?;
        let octets =
            |at: usize| header[at..at + 16].try_into().map(|o: [u8; 16]| Ipv6Addr::from(o));
        let (src, dst) = (octets(8).ok()?, octets(24).ok()?);
        let len = usize::from(u16::from_be_bytes([header[4], header[5]]));
        let mut rest = l3.get(HEADER..HEADER + len).filter(|_| header[0] >> 4 == 6)?;
        let (mut next, mut found) = (header[6], None);
        while next != ICMPV6 {
            let more = if next == FRAGMENT { 0 } else { usize::from(*rest.get(1)?) };
            let len = 8 + more * 8;
            let (extension, behind) = rest.split_at_checked(len)?;
            match next {
                HOP_BY_HOP => found = alert(&extension[2..]),
                DESTINATION => {}
                // The only piece of its packet.
                FRAGMENT if extension[2] == 0 && extension[3] & 0xf9 == 0 => {}
                _ => return None,
            }
            (next, rest) = (extension[0], behind);
        }
        let sound = rest.len() >= 8 && icmp6_checksum(src, dst, rest) == 0;
        sound.then_some(Self { src, dst, hop_limit: header[7], alert: found, message: rest })
    }
}

fn ipv6(src: Ipv6Addr, dst: Ipv6Addr, next: u8, hop_limit: u8, len: usize) -> Vec<u8> {
    let mut packet = Vec::with_capacity(HEADER + len);
    let [high, low] = u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes();
    packet.extend_from_slice(&[0x60, 0, 0, 0, high, low, next, hop_limit]);
    packet.extend_from_slice(&src.octets());
    packet.extend_from_slice(&dst.octets());
    packet
}

fn sealed(src: Ipv6Addr, dst: Ipv6Addr, mut message: Vec<u8>) -> Vec<u8> {
    if let Some(field) = message.get_mut(2..4) {
        field.fill(0);
        let check = icmp6_checksum(src, dst, &message);
        message[2..4].copy_from_slice(&check.to_be_bytes());
    }
    message
}

/// The packet of a message, its checksum filled in.
pub fn seal(src: Ipv6Addr, dst: Ipv6Addr, hop_limit: u8, message: Vec<u8>) -> Vec<u8> {
    let mut packet = ipv6(src, dst, ICMPV6, hop_limit, message.len());
    packet.extend_from_slice(&sealed(src, dst, message));
    packet
}

/// Gives a packet of the router's own its traffic class.
pub fn set_class(packet: &mut [u8], class: u8) {
    if let Some([first, second]) = packet.first_chunk_mut::<2>() {
        (*first, *second) = (0x60 | class >> 4, class << 4 | *second & 0x0f);
    }
}

/// The packet of a message that routers on the link shall look at: hop limit 1 and a router alert
/// for MLD.
pub fn seal_alert(src: Ipv6Addr, dst: Ipv6Addr, message: Vec<u8>) -> Vec<u8> {
    let mut packet = ipv6(src, dst, HOP_BY_HOP, 1, 8 + message.len());
    packet.extend_from_slice(&[ICMPV6, 0, ALERT, 2, 0, 0, 1, 0]);
    packet.extend_from_slice(&sealed(src, dst, message));
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens() {
        let (src, dst) = ("fe80::1".parse().unwrap(), "ff02::16".parse().unwrap());
        let message = vec![143, 0, 0, 0, 0, 0, 0, 0];
        let packet = seal_alert(src, dst, message.clone());
        let open = Envelope::open(&packet).expect("a packet");
        assert_eq!((open.src, open.dst, open.hop_limit, open.alert), (src, dst, 1, Some(0)));
        assert_eq!(open.message.len(), 8);
        let packet = seal(src, dst, 255, message);
        assert_eq!(
            Envelope::open(&packet).map(|open| (open.hop_limit, open.alert)),
            Some((255, None))
        );
        for at in 40..packet.len() {
            let mut wrong = packet.clone();
            wrong[at] ^= 0x10;
            assert_eq!(Envelope::open(&wrong), None, "a bit of byte {at} differs");
            assert_eq!(Envelope::open(&packet[..at]), None);
        }
    }

    #[test]
    fn a_class_stands_beside_the_label() {
        let mut packet = seal(Ipv6Addr::LOCALHOST, Ipv6Addr::LOCALHOST, 255, vec![0; 8]);
        packet[1] = 0x05;
        set_class(&mut packet, 0xb8);
        assert_eq!(packet[..4], [0x6b, 0x85, 0, 0]);
        set_class(&mut [], 1);
    }

    #[test]
    fn no_bytes_make_it_panic() {
        bolero::check!().for_each(|bytes: &[u8]| {
            Envelope::open(bytes);
            let head = [&[0x60, 0, 0, 0, 0, bytes.len() as u8, 0, 1][..], &[0; 32], bytes].concat();
            Envelope::open(&head);
        });
    }
}
