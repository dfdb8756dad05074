//! Finds the transport header of a packet as connection tracking sees it.
//!
//! - takes: a packet from its IP header on, or what an ICMP error quotes of one
//! - gives: the protocol and where its header begins
//! - obeys: rows [9.56], [9.59], [9.76]; `ipv4_get_l4proto`, `ipv6_get_l4proto` and
//!   `ipv6_skip_exthdr` of the kernel

/// Where a packet's transport header is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Protocol number.
    pub proto: u8,
    /// Whether the packet is of IPv6.
    pub six: bool,
    /// Where the transport header begins.
    pub l4: usize,
}

/// The packet without what stands behind the length that its header tells.
#[inline]
pub fn trimmed(packet: &[u8]) -> &[u8] {
    let len = match packet {
        [0x40..=0x4f, _, high, low, ..] => usize::from(u16::from_be_bytes([*high, *low])),
        [0x60..=0x6f, _, _, _, high, low, ..] => {
            40 + usize::from(u16::from_be_bytes([*high, *low]))
        }
        _ => return packet,
    };
    packet.get(..len).unwrap_or(packet)
}

/// Finds the transport header; later fragments and headers that run past the packet have none.
#[inline]
pub fn find(packet: &[u8]) -> Option<Found> {
    match packet.first()? >> 4 {
        4 => find4(packet),
        6 => find6(packet),
        _ => None,
    }
}

#[inline]
fn find4(packet: &[u8]) -> Option<Found> {
    let header: &[u8; 20] = packet.first_chunk()?;
    if u16::from_be_bytes([header[6], header[7]]) & 0x1fff != 0 {
        return None;
    }
    let l4 = usize::from(header[0] & 0xf) * 4;
    (20..=packet.len()).contains(&l4).then_some(Found { proto: header[9], six: false, l4 })
}

fn find6(packet: &[u8]) -> Option<Found> {
    let header: &[u8; 40] = packet.first_chunk()?;
    let (mut proto, mut l4) = (header[6], 40);
    // Each header is eight bytes at least, so the walk ends with the packet.
    while matches!(proto, 0 | 43 | 44 | 51 | 59 | 60) {
        if proto == 59 {
            return None;
        }
        let &[next, len] = packet.get(l4..)?.first_chunk()?;
        l4 += match proto {
            44 => {
                let &[_, _, high, low] = packet.get(l4..)?.first_chunk()?;
                if u16::from_be_bytes([high, low]) & !7 != 0 {
                    return None;
                }
                8
            }
            51 => (usize::from(len) + 2) * 4,
            _ => (usize::from(len) + 1) * 8,
        };
        proto = next;
    }
    // A packet may end with its last extension header; it is tracked all the same.
    Some(Found { proto, six: true, l4 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn six(next: u8, rest: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x60, 0, 0, 0, 0, rest.len() as u8, next, 64];
        packet.extend([0x20; 32]);
        packet.extend(rest);
        packet
    }

    /// Shows [9.56].
    #[test]
    fn extension_headers_are_walked() {
        let both = [60, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0, 1, 2, 3, 4, 0, 8, 0, 0];
        assert_eq!(find(&six(0, &both)), Some(Found { proto: 17, six: true, l4: 56 }));
        let auth = [6, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        assert_eq!(find(&six(51, &auth)).map(|found| (found.proto, found.l4)), Some((6, 56)));
        let first = [17, 0, 0, 1, 0, 0, 0, 9];
        assert_eq!(find(&six(44, &first)).map(|found| found.l4), Some(48));
        let later = [17, 0, 0, 8, 0, 0, 0, 9];
        assert_eq!(find(&six(44, &later)), None);
        assert_eq!(find(&six(59, &[])), None);
        assert_eq!(find(&six(60, &[17])), None);
        assert_eq!(find(&six(17, &[])).map(|found| found.l4), Some(40));
    }

    /// Shows [9.59] and [9.76].
    #[test]
    fn later_fragments_and_lying_headers_have_no_transport() {
        let mut packet = vec![0x45, 0, 0, 28, 0, 0, 0x20, 0, 64, 17, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2];
        assert!(find(&packet).is_some());
        packet[7] = 1;
        assert_eq!(find(&packet), None);
        packet[7] = 0;
        packet[0] = 0x46;
        assert_eq!(find(&packet), None);
        assert_eq!(find(&packet[..19]), None);
        assert_eq!(find(&[]), None);
    }

    #[test]
    fn padding_behind_a_packet_is_cut_off() {
        let mut packet = [0u8; 46];
        packet[0] = 0x45;
        packet[3] = 28;
        assert_eq!(trimmed(&packet).len(), 28);
        packet[3] = 200;
        assert_eq!(trimmed(&packet).len(), 46);
        assert_eq!(trimmed(&six(17, &[1, 2, 3])).len(), 43);
    }
}
