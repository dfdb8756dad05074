//! Neighbour solicitations and advertisements (RFC 4861 sections 4.3 and 4.4), as far as an IPv4
//! router needs them for gateways that have IPv6 addresses alone.
//!
//! - takes: bytes that start at the IPv6 header
//! - gives: a [`Neighbour`], or nothing where the checks of RFC 4861 section 7.1 fail

use std::net::Ipv6Addr;

use super::{MacAddr, checksum};

const HEADER: usize = 40;
const BODY: usize = 24;
const OPTION: usize = 8;
const ICMPV6: u8 = 58;
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
const ROUTER: u8 = 0x80;
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;

/// A message about a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Source of the packet; unspecified for one who looks for duplicates.
    pub src: Ipv6Addr,
    /// Destination of the packet.
    pub dst: Ipv6Addr,
    /// The address that is asked for, or told of.
    pub target: Ipv6Addr,
    /// Where the sender is (of a solicitation), or the target.
    pub mac: Option<MacAddr>,
    /// An advertisement, and what its flags say.
    pub advertisement: Option<Advertisement>,
}

/// Flags of an advertisement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Advertisement {
    /// The sender is a router.
    pub router: bool,
    /// It answers a solicitation.
    pub solicited: bool,
    /// It takes the place of what is known.
    pub overrides: bool,
}

/// The group that an address listens to (RFC 4291 section 2.7.1).
pub fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = address.octets();
    let low = u16::from_be_bytes([b, c]);
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), low)
}

/// The link-layer address of a group (RFC 2464 section 7).
pub fn group_mac(group: Ipv6Addr) -> MacAddr {
    let [.., a, b, c, d] = group.octets();
    MacAddr::new([0x33, 0x33, a, b, c, d])
}

/// The link-local address that comes of a link-layer address (RFC 4291 appendix A).
pub fn link_local(mac: MacAddr) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac.octets();
    Ipv6Addr::from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f])
}

/// True for packets that [`Neighbour::parse`] may take, without looking at all of it.
pub fn is_neighbour(l3: &[u8]) -> bool {
    l3.first().is_some_and(|first| first >> 4 == 6)
        && l3.get(6..8) == Some(&[ICMPV6, 255])
        && matches!(l3.get(HEADER), Some(&(SOLICITATION | ADVERTISEMENT)))
}

/// Checksum of a message, 0 where it holds (RFC 4443 section 2.3).
fn sum(src: Ipv6Addr, dst: Ipv6Addr, message: &[u8]) -> u16 {
    let len = u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes();
    let pseudo = [&src.octets()[..], &dst.octets(), &len, &[0, 0, 0, ICMPV6], message].concat();
    checksum::checksum(&pseudo)
}

impl Neighbour {
    /// Reads a message, with the checks of RFC 4861 sections 7.1.1 and 7.1.2.
    pub fn parse(l3: &[u8]) -> Option<Self> {
        if !is_neighbour(l3) {
            return None;
        }
        let address = |at: usize| {
            let octets: Option<[u8; 16]> = l3.get(at..at + 16)?.try_into().ok();
            octets.map(Ipv6Addr::from)
        };
        let (src, dst) = (address(8)?, address(24)?);
        let len = usize::from(u16::from_be_bytes([*l3.get(4)?, *l3.get(5)?]));
        let message = l3.get(HEADER..HEADER + len)?;
        let body = message.get(..BODY)?;
        let target = address(HEADER + 8)?;
        if body[1] != 0 || target.is_multicast() || sum(src, dst, message) != 0 {
            return None;
        }
        let asks = body[0] == SOLICITATION;
        let wanted = if asks { 1 } else { 2 };
        let mut mac = None;
        let mut options = &message[BODY..];
        while !options.is_empty() {
            let len = usize::from(*options.get(1)?) * 8;
            // An option of no length would never end.
            let (option, rest) = options.split_at_checked(len).filter(|_| len > 0)?;
            if option[0] == wanted && len == OPTION {
                mac = option[2..8].try_into().ok().map(MacAddr::new);
            }
            options = rest;
        }
        if asks && src.is_unspecified() && (mac.is_some() || dst != solicited_node(target)) {
            return None;
        }
        let flag = |bit: u8| body[4] & bit != 0;
        if !asks && dst.is_multicast() && flag(SOLICITED) {
            return None;
        }
        let advertisement = (!asks).then(|| Advertisement {
            router: flag(ROUTER),
            solicited: flag(SOLICITED),
            overrides: flag(OVERRIDE),
        });
        Some(Self { src, dst, target, mac, advertisement })
    }

    /// The IPv6 packet.
    pub fn to_bytes(&self) -> Vec<u8> {
        let kind = if self.advertisement.is_some() { ADVERTISEMENT } else { SOLICITATION };
        let flags = self.advertisement.map_or(0, |says| {
            let bit = |on: bool, bit: u8| if on { bit } else { 0 };
            bit(says.router, ROUTER)
                | bit(says.solicited, SOLICITED)
                | bit(says.overrides, OVERRIDE)
        });
        let mut message = vec![kind, 0, 0, 0, flags, 0, 0, 0];
        message.extend_from_slice(&self.target.octets());
        if let Some(mac) = self.mac {
            message.extend_from_slice(&[if kind == SOLICITATION { 1 } else { 2 }, 1]);
            message.extend_from_slice(&mac.octets());
        }
        let check = sum(self.src, self.dst, &message);
        message[2..4].copy_from_slice(&check.to_be_bytes());
        let [high, low] = (message.len() as u16).to_be_bytes();
        let mut packet = vec![0x60, 0, 0, 0, high, low, ICMPV6, 255];
        packet.extend_from_slice(&self.src.octets());
        packet.extend_from_slice(&self.dst.octets());
        packet.extend_from_slice(&message);
        packet
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: MacAddr = MacAddr::new([2, 0x77, 0, 0, 0, 1]);

    fn solicitation() -> Neighbour {
        let target: Ipv6Addr = "fe80::1234:5678".parse().unwrap();
        Neighbour {
            src: link_local(MAC),
            dst: solicited_node(target),
            target,
            mac: Some(MAC),
            advertisement: None,
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let asked = solicitation();
        assert_eq!(Neighbour::parse(&asked.to_bytes()), Some(asked));
        let says = Advertisement { router: true, solicited: true, overrides: false };
        let told = Neighbour { dst: asked.src, advertisement: Some(says), ..asked };
        assert_eq!(Neighbour::parse(&told.to_bytes()), Some(told));
        assert_eq!(link_local(MAC).to_string(), "fe80::77:ff:fe00:1");
        assert_eq!(solicited_node(asked.target).to_string(), "ff02::1:ff34:5678");
        assert_eq!(group_mac(asked.dst).octets(), [0x33, 0x33, 0xff, 0x34, 0x56, 0x78]);
    }

    #[test]
    fn what_rfc_4861_refuses_is_refused() {
        let good = solicitation().to_bytes();
        let broken = |at: usize, value: u8| {
            let mut bytes = good.clone();
            bytes[at] = value;
            Neighbour::parse(&bytes)
        };
        assert!(broken(7, 254).is_none(), "it may come from behind a router");
        assert!(broken(43, 1).is_none(), "its checksum");
        assert!(broken(65, 0).is_none(), "an option without length");
        let anybody = Ipv6Addr::UNSPECIFIED;
        assert!(
            Neighbour::parse(&Neighbour { src: anybody, ..solicitation() }.to_bytes()).is_none()
        );
        for cut in 0..good.len() {
            assert!(Neighbour::parse(&good[..cut]).is_none());
        }
    }

    #[test]
    fn no_bytes_make_it_panic() {
        bolero::check!().for_each(|bytes: &[u8]| {
            let head =
                [&[0x60, 0, 0, 0, 0, bytes.len() as u8, 58, 255][..], &[0; 32], bytes].concat();
            Neighbour::parse(&head);
            Neighbour::parse(bytes);
        });
    }
}
