//! Packets for the tests of translation, and the whole computation of their checksums.

use crate::conntrack::headers;
use crate::conntrack::tuple::ICMPV6;
#[cfg(test)]
use crate::conntrack::tuple::{Addr, Tuple};
use crate::packet::checksum;
use crate::packet::ipv4::protocol;

/// Protocols that have something to write.
#[cfg(test)]
pub(crate) const PROTOCOLS: [u8; 7] = [
    protocol::TCP,
    protocol::UDP,
    protocol::UDPLITE,
    protocol::DCCP,
    protocol::SCTP,
    protocol::ICMP,
    protocol::GRE,
];

/// A packet between two addresses, without a checksum yet.
#[cfg(test)]
pub(crate) fn packet(src: Addr, dst: Addr, six: bool, proto: u8, l4: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    if six {
        packet.extend([0x60, 0, 0, 0]);
        packet.extend((l4.len() as u16).to_be_bytes());
        packet.extend([proto, 64]);
        packet.extend(src.0);
        packet.extend(dst.0);
    } else {
        packet.extend([0x45, 0]);
        packet.extend((l4.len() as u16 + 20).to_be_bytes());
        packet.extend([0, 1, 0x40, 0, 64, proto, 0, 0]);
        packet.extend(src.first4());
        packet.extend(dst.first4());
    }
    packet.extend(l4);
    packet
}

/// Where the checksum of a transport header stands.
fn place(proto: u8) -> Option<usize> {
    match proto {
        protocol::TCP => Some(16),
        protocol::UDP | protocol::UDPLITE | protocol::DCCP => Some(6),
        protocol::ICMP | ICMPV6 => Some(2),
        _ => None,
    }
}

/// Computes every checksum of a packet from nothing; a UDP checksum of zero stays.
pub(crate) fn settle(packet: &mut [u8]) {
    if packet[0] >> 4 == 4 {
        let len = usize::from(packet[0] & 15) * 4;
        checksum::ipv4_header_fill(&mut packet[..len]);
    }
    let Some(found) = headers::find(packet) else { return };
    let ends = if found.six { &packet[8..40] } else { &packet[12..20] };
    let len = packet.len() - found.l4;
    let pseudo = match found.proto {
        protocol::ICMP => 0,
        proto => checksum::add(checksum::sum(ends), checksum::fold(len as u64 + u64::from(proto))),
    };
    let l4 = &mut packet[found.l4..];
    if found.proto == protocol::SCTP && l4.len() >= 12 {
        l4[8..12].fill(0);
        let crc = plain_crc(l4);
        l4[8..12].copy_from_slice(&crc.to_le_bytes());
    }
    let Some(at) = place(found.proto) else { return };
    let udp = found.proto == protocol::UDP;
    if l4.len() < at + 2 || udp && l4[at..at + 2] == [0, 0] {
        return;
    }
    l4[at..at + 2].fill(0);
    let check = match !checksum::add(pseudo, checksum::sum(l4)) {
        0 if udp || found.proto == protocol::UDPLITE => 0xffff,
        check => check,
    };
    l4[at..at + 2].copy_from_slice(&check.to_be_bytes());
}

/// CRC32c a bit at a time (RFC 9260 appendix A).
pub(crate) fn plain_crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            crc >> 1 ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 }
        })
    })
}

/// A tuple of either family from the same words.
#[cfg(test)]
pub(crate) fn tuple(six: bool, proto: u8, src: u128, dst: u128, ports: (u16, u16)) -> Tuple {
    let address = |bits: u128| {
        if six { Addr(bits.to_be_bytes()) } else { Addr::four((bits as u32).to_be_bytes()) }
    };
    Tuple {
        src: address(src),
        dst: address(dst),
        sport: ports.0,
        dport: ports.1,
        proto,
        six,
        zone: 0,
    }
}
