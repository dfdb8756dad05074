//! What a router that answers for another makes up: numbers that come of its own secret.

use crate::common::frame::{TCP, checksum};

/// Offsets of a segment's ports, sequence number, flags and checksum.
const FLAGS: usize = 13;
const CHECKSUM: usize = 16;
const SYN: u8 = 0x02;
const SYN_ACK: u8 = 0x12;

/// The addresses of a packet as they stand in it, and its segment, if it carries TCP directly.
fn parts(packet: &[u8]) -> Option<(&[u8], &[u8])> {
    let (addresses, protocol, header) = match packet.first()? >> 4 {
        4 => (packet.get(12..20)?, packet[9], usize::from(packet[0] & 15) * 4),
        _ => (packet.get(8..40)?, packet[6], 40),
    };
    let segment = packet.get(header..).filter(|segment| segment.len() >= 20)?;
    (protocol == TCP).then_some((addresses, segment))
}

/// The sum over a segment and its addresses, which is 0 if all is right.
fn sum(packet: &[u8]) -> Option<u16> {
    let (addresses, segment) = parts(packet)?;
    let len = (segment.len() as u16).to_be_bytes();
    Some(checksum(&[addresses, &[0, TCP], &len, segment]))
}

/// Takes the sequence number out of an answer that the router gives to a SYN in the place of its
/// destination, and of its timestamp what does not stand for an option.
pub(crate) fn blank(packet: &mut [u8], given: &[u8]) {
    let answers = |packet: &[u8]| {
        let ((to, answer), (from, asked)) = (parts(packet)?, parts(given)?);
        let half = to.len() / 2;
        let addresses = to.len() == from.len() && to[..half] == from[half..];
        let ports = answer[..2] == asked[2..4] && answer[2..4] == asked[..2];
        let asks = asked[FLAGS] & SYN_ACK == SYN;
        Some(addresses && ports && asks && answer[FLAGS] & SYN_ACK == SYN_ACK)
    };
    if answers(packet) != Some(true) || sum(packet) != Some(0) {
        return;
    }
    let header = packet.len() - parts(packet).map_or(0, |(_, segment)| segment.len());
    let segment = &mut packet[header..];
    segment[4..8].fill(0);
    let end = (usize::from(segment[12] >> 4) * 4).min(segment.len());
    let mut at = 20;
    while at + 1 < end {
        match (segment[at], usize::from(segment[at + 1])) {
            (0, _) => break,
            (1, _) => at += 1,
            (8, 10) if at + 10 <= end => {
                // The last six bits say which options the client has.
                segment[at + 2..at + 5].fill(0);
                segment[at + 5] &= 0x3f;
                at += 10;
            }
            (_, len) => at += len.max(2),
        }
    }
    segment[CHECKSUM..CHECKSUM + 2].fill(0);
    let right = sum(packet).unwrap_or_default();
    packet[header + CHECKSUM..header + CHECKSUM + 2].copy_from_slice(&right.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::frame::Ip;
    use crate::topology::{LAN_HOST, WAN_HOST};

    #[test]
    fn only_what_was_made_up_is_taken_out() {
        let given = Ip::new(WAN_HOST, LAN_HOST).tcp((1, 80), 7, 0, SYN, b"").bytes();
        let blanked = |seq, ack, flags| {
            let answer = Ip::new(LAN_HOST, WAN_HOST).tcp((80, 1), seq, ack, flags, b"");
            let mut packet = answer.bytes();
            blank(&mut packet, &given);
            packet
        };
        assert_eq!(blanked(1, 8, SYN_ACK), blanked(2, 8, SYN_ACK));
        assert_ne!(blanked(1, 8, SYN_ACK), blanked(1, 9, SYN_ACK));
        assert_ne!(blanked(1, 8, 0x14), blanked(2, 8, 0x14));
    }
}
