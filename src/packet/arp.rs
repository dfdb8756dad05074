//! ARP for IPv4 over Ethernet: who has an address, and where it is.
//!
//! - obeys: RFC 826 (the packet), RFC 5227 §1.1 (probes and announcements)

use std::net::Ipv4Addr;

use super::mac::MacAddr;
use super::{Malformed, room, split};

/// Bytes of an ARP packet for IPv4 over Ethernet.
pub const PACKET_LEN: usize = 28;

/// Where the fields stand from the start of the ARP packet.
pub mod field {
    use std::ops::Range;

    /// Kind of link; 1 is Ethernet.
    pub const HARDWARE: Range<usize> = 0..2;
    /// Kind of network address; 0x0800 is IPv4.
    pub const PROTOCOL: Range<usize> = 2..4;
    /// Operation.
    pub const OPERATION: Range<usize> = 6..8;
    /// Sender's link address.
    pub const SENDER_MAC: Range<usize> = 8..14;
    /// Sender's IPv4 address.
    pub const SENDER_IP: Range<usize> = 14..18;
    /// Target's link address.
    pub const TARGET_MAC: Range<usize> = 18..24;
    /// Target's IPv4 address.
    pub const TARGET_IP: Range<usize> = 24..28;
}

/// Operation: who has the target address.
pub const REQUEST: u16 = 1;
/// Operation: the sender has the sender address.
pub const REPLY: u16 = 2;
/// The hardware type of Ethernet.
pub const HARDWARE_ETHERNET: u16 = 1;
/// The hardware type of IEEE 802 networks, which Linux takes for Ethernet's.
pub const HARDWARE_IEEE802: u16 = 6;

/// An ARP packet that is known to speak of IPv4 over Ethernet.
#[derive(Debug, Clone, Copy)]
pub struct ArpView<'a>(&'a [u8; PACKET_LEN]);

impl<'a> ArpView<'a> {
    /// Proves that the packet is whole and speaks of IPv4 over Ethernet.
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (packet, _) = split(bytes, "arp")?;
        let view = Self(packet);
        let not = |field, found: u16| {
            Err(Malformed::Field { header: "arp", field, found: u32::from(found) })
        };
        match *packet {
            [a, b, ..]
                if !matches!(u16::from_be_bytes([a, b]), HARDWARE_ETHERNET | HARDWARE_IEEE802) =>
            {
                not("hardware type", u16::from_be_bytes([a, b]))
            }
            [_, _, a, b, ..] if [a, b] != [0x08, 0x00] => {
                not("protocol type", u16::from_be_bytes([a, b]))
            }
            [_, _, _, _, len, ..] if len != 6 => not("hardware address length", len.into()),
            [_, _, _, _, _, len, ..] if len != 4 => not("protocol address length", len.into()),
            _ => Ok(view),
        }
    }

    /// Operation; [`REQUEST`] and [`REPLY`] are the ones a router answers or learns from.
    pub const fn operation(&self) -> u16 {
        u16::from_be_bytes([self.0[6], self.0[7]])
    }

    /// Sender's link address.
    pub const fn sender_mac(&self) -> MacAddr {
        let p = self.0;
        MacAddr([p[8], p[9], p[10], p[11], p[12], p[13]])
    }

    /// Sender's IPv4 address; unspecified in a probe.
    pub const fn sender_ip(&self) -> Ipv4Addr {
        let p = self.0;
        Ipv4Addr::new(p[14], p[15], p[16], p[17])
    }

    /// Target's link address; of no meaning in a request.
    pub const fn target_mac(&self) -> MacAddr {
        let p = self.0;
        MacAddr([p[18], p[19], p[20], p[21], p[22], p[23]])
    }

    /// Target's IPv4 address.
    pub const fn target_ip(&self) -> Ipv4Addr {
        let p = self.0;
        Ipv4Addr::new(p[24], p[25], p[26], p[27])
    }

    /// Whether this tells everyone of the sender instead of asking: sender and target address agree.
    pub fn is_gratuitous(&self) -> bool {
        self.sender_ip() == self.target_ip()
    }

    /// Whether this asks if an address is free before taking it.
    pub fn is_probe(&self) -> bool {
        self.operation() == REQUEST && self.sender_ip().is_unspecified()
    }
}

/// An ARP packet to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArpSpec {
    /// Operation.
    pub operation: u16,
    /// Sender's link address.
    pub sender_mac: MacAddr,
    /// Sender's IPv4 address.
    pub sender_ip: Ipv4Addr,
    /// Target's link address; zero in a request.
    pub target_mac: MacAddr,
    /// Target's IPv4 address.
    pub target_ip: Ipv4Addr,
}

impl ArpSpec {
    /// The question "who has `target`? tell `sender_ip`".
    pub const fn request(sender_mac: MacAddr, sender_ip: Ipv4Addr, target: Ipv4Addr) -> Self {
        Self {
            operation: REQUEST,
            sender_mac,
            sender_ip,
            target_mac: MacAddr::ZERO,
            target_ip: target,
        }
    }

    /// The answer "`sender_ip` is at `sender_mac`" to who asked.
    pub const fn reply(
        sender_mac: MacAddr,
        sender_ip: Ipv4Addr,
        target_mac: MacAddr,
        target_ip: Ipv4Addr,
    ) -> Self {
        Self { operation: REPLY, sender_mac, sender_ip, target_mac, target_ip }
    }

    /// The packet's bytes.
    pub fn to_bytes(&self) -> [u8; PACKET_LEN] {
        let mut packet = [0; PACKET_LEN];
        packet[..6].copy_from_slice(&[0, 1, 8, 0, 6, 4]);
        packet[field::OPERATION].copy_from_slice(&self.operation.to_be_bytes());
        packet[field::SENDER_MAC].copy_from_slice(&self.sender_mac.0);
        packet[field::SENDER_IP].copy_from_slice(&self.sender_ip.octets());
        packet[field::TARGET_MAC].copy_from_slice(&self.target_mac.0);
        packet[field::TARGET_IP].copy_from_slice(&self.target_ip.octets());
        packet
    }

    /// Writes the packet at the start of `buf` and returns its length.
    pub fn emit(&self, buf: &mut [u8]) -> Result<usize, Malformed> {
        room(buf, PACKET_LEN, "arp")?.copy_from_slice(&self.to_bytes());
        Ok(PACKET_LEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
    const IP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    const REQUEST_BYTES: [u8; 28] =
        [0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2];

    #[test]
    fn a_request_has_the_bytes_of_rfc_826() {
        let spec = ArpSpec::request(MAC, IP, Ipv4Addr::new(10, 0, 0, 2));
        assert_eq!(spec.to_bytes(), REQUEST_BYTES);
        assert!(spec.emit(&mut [0; 27]).is_err());
    }

    #[test]
    fn a_packet_reads_back_as_written() {
        bolero::check!().with_type::<(u16, [u8; 6], u32, [u8; 6], u32)>().for_each(
            |&(operation, sender_mac, sender_ip, target_mac, target_ip)| {
                let spec = ArpSpec {
                    operation,
                    sender_mac: MacAddr(sender_mac),
                    sender_ip: sender_ip.into(),
                    target_mac: MacAddr(target_mac),
                    target_ip: target_ip.into(),
                };
                let bytes = spec.to_bytes();
                let view = ArpView::new_checked(&bytes).unwrap();
                let back = ArpSpec {
                    operation: view.operation(),
                    sender_mac: view.sender_mac(),
                    sender_ip: view.sender_ip(),
                    target_mac: view.target_mac(),
                    target_ip: view.target_ip(),
                };
                assert_eq!(back, spec);
                let theirs = etherparse::ArpPacketSlice::from_slice(&bytes).unwrap();
                assert_eq!(theirs.operation().0, operation);
                assert_eq!(theirs.sender_hw_addr(), sender_mac);
                assert_eq!(theirs.sender_protocol_addr(), sender_ip.to_be_bytes());
                assert_eq!(theirs.target_hw_addr(), target_mac);
                assert_eq!(theirs.target_protocol_addr(), target_ip.to_be_bytes());
            },
        );
    }

    #[test]
    fn packets_of_other_links_and_networks_are_refused_by_name() {
        for (at, value, field) in [
            (1, 15, "hardware type"),
            (3, 1, "protocol type"),
            (4, 8, "hardware address length"),
            (5, 16, "protocol address length"),
        ] {
            let mut bytes = REQUEST_BYTES;
            bytes[at] = value;
            match ArpView::new_checked(&bytes) {
                Err(Malformed::Field { field: found, .. }) => assert_eq!(found, field),
                other => panic!("{other:?}"),
            }
        }
        for len in 0..PACKET_LEN {
            assert!(ArpView::new_checked(&REQUEST_BYTES[..len]).is_err());
        }
    }

    #[test]
    fn probes_and_announcements_are_known() {
        let probe = ArpSpec::request(MAC, Ipv4Addr::UNSPECIFIED, IP).to_bytes();
        let announcement = ArpSpec::request(MAC, IP, IP).to_bytes();
        let (probe, announcement) =
            (ArpView::new_checked(&probe).unwrap(), ArpView::new_checked(&announcement).unwrap());
        assert!(probe.is_probe() && !probe.is_gratuitous());
        assert!(announcement.is_gratuitous() && !announcement.is_probe());
    }
}
