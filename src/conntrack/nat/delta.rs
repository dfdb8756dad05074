//! What a translation changes in every packet of one flow, worked out once.
//!
//! - takes: the tuple that packets have and the one that they shall have
//! - gives: a [`Delta`] that writes both ends of a packet at once, and takes a hop from it
//! - obeys: RFC 1624 section 3; the same bytes as [`manip`] of both ends, which a test shows
//! - costs: two additions for the checksums, whatever changes
//!
//! It is for TCP and UDP where the caller knows that the transport header is there whole, and where;
//! all else goes through [`manip`].
//!
//! [`manip`]: super::manip

use crate::packet::checksum::{add, sum};
use crate::packet::ipv4::protocol;
use crate::packet::{ipv4, ipv6, tcp, udp};

use super::super::tuple::Tuple;

/// Both ends of a flow's packets, and what they change in the checksums; `N` octets an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delta<const N: usize> {
    /// Source and destination.
    ends: [[u8; N]; 2],
    ports: [u8; 4],
    /// What is added to the sum of the IP header, a hop less included, and to that of the transport, both in
    /// the order of memory, which one's complement does not mind (RFC 1071 section 2.B).
    l3: u16,
    l4: u16,
}

impl<const N: usize> Default for Delta<N> {
    fn default() -> Self {
        Self { ends: [[0; N]; 2], ports: [0; 4], l3: 0, l4: 0 }
    }
}

/// What a hop less takes from the sum of an IPv4 header, complemented.
const HOP: u16 = !0x0100;

impl<const N: usize> Delta<N> {
    const SIX: bool = N == 16;

    /// From one tuple to another, which may be the same; nothing for protocols other than TCP and UDP, and
    /// for the other family.
    pub fn new(old: &Tuple, new: &Tuple) -> Option<Self> {
        if !matches!(new.proto, protocol::TCP | protocol::UDP) || new.six != Self::SIX {
            return None;
        }
        let ends = |tuple: &Tuple| add(sum(&tuple.src.0), sum(&tuple.dst.0));
        let addresses = add(!ends(old), ends(new));
        let ports = |tuple: &Tuple| add(tuple.sport, tuple.dport);
        let l4 = add(addresses, add(!ports(old), ports(new)));
        let [[a, b], [c, d]] = [new.sport, new.dport].map(u16::to_be_bytes);
        Some(Self {
            ends: [*new.src.0.first_chunk()?, *new.dst.0.first_chunk()?],
            ports: [a, b, c, d],
            l3: add(addresses, HOP).to_be(),
            l4: l4.to_be(),
        })
    }

    /// Writes a packet of the flow, one of UDP or else of TCP, and takes a hop from it, of which it has one
    /// at least. False where the transport header does not stand there whole, behind a network header
    /// without options.
    #[inline(always)]
    pub fn forward(&self, packet: &mut [u8], udp: bool) -> bool {
        self.write(packet, udp).is_some()
    }

    #[inline(always)]
    fn write(&self, packet: &mut [u8], udp: bool) -> Option<()> {
        let len = if Self::SIX { ipv6::HEADER_LEN } else { ipv4::HEADER_LEN };
        let (head, segment) = packet.split_at_mut_checked(len)?;
        if udp {
            let header = segment.first_chunk_mut::<{ udp::HEADER_LEN }>()?;
            let [a, b, c, d, _, _, high, low] = header;
            [*a, *b, *c, *d] = self.ports;
            // A datagram without a checksum stays without, and none comes to be without.
            let check = u16::from_ne_bytes([*high, *low]);
            if check != 0 {
                let check = mended(check, self.l4);
                [*high, *low] = if check == 0 { [0xff; 2] } else { check.to_ne_bytes() };
            }
        } else {
            let header = segment.first_chunk_mut::<{ tcp::HEADER_LEN }>()?;
            let [a, b, c, d, _, _, _, _, _, _, _, _, _, _, _, _, high, low, ..] = header;
            [*a, *b, *c, *d] = self.ports;
            let check = u16::from_ne_bytes([*high, *low]);
            [*high, *low] = mended(check, self.l4).to_ne_bytes();
        }
        self.write_head(head)
    }

    #[inline(always)]
    fn write_head(&self, head: &mut [u8]) -> Option<()> {
        if Self::SIX {
            let head = head.first_chunk_mut::<{ ipv6::HEADER_LEN }>()?;
            ipv6::decrement_hop_limit(head);
            head[ipv6::field::SRC.start..].copy_from_slice(self.ends.as_flattened());
        } else {
            let head = head.first_chunk_mut::<{ ipv4::HEADER_LEN }>()?;
            head[ipv4::field::TTL] = head[ipv4::field::TTL].wrapping_sub(1);
            let check = mended(u16::from_ne_bytes([head[10], head[11]]), self.l3);
            head[ipv4::field::CHECKSUM].copy_from_slice(&check.to_ne_bytes());
            head[ipv4::field::SRC.start..].copy_from_slice(self.ends.as_flattened());
        }
        Some(())
    }
}

/// A checksum with something added to the sum that it is the complement of.
#[inline(always)]
const fn mended(check: u16, delta: u16) -> u16 {
    !add(!check, delta)
}

#[cfg(test)]
mod tests {
    use super::super::rewrite::{Manip, manip};
    use super::super::sample::{packet, settle, tuple};
    use super::*;
    use crate::packet::checksum::ttl_decrement;

    #[test]
    fn both_ends_at_once_are_one_end_after_the_other() {
        bolero::check!().with_type::<(bool, bool, [u128; 4], [(u16, u16); 2], Vec<u8>)>().for_each(
            |(six, is_udp, ends, ports, payload)| {
                let proto = if *is_udp { 17 } else { 6 };
                let mut l4 = vec![0; 20];
                l4.extend(payload);
                l4[..2].copy_from_slice(&ports[0].0.to_be_bytes());
                l4[2..4].copy_from_slice(&ports[0].1.to_be_bytes());
                let has_sum = payload.first().is_some_and(|byte| byte & 1 == 1);
                l4[6..8].fill(u8::from(has_sum));
                let old = tuple(*six, proto, ends[0], ends[1], ports[0]);
                let new = tuple(*six, proto, ends[2], ends[3], ports[1]);
                let mut one = packet(old.src, old.dst, *six, proto, &l4);
                settle(&mut one);
                let (mut both, mut before) = (one.clone(), one.clone());
                assert!(manip(&mut one, &new, Manip::Src) && manip(&mut one, &new, Manip::Dst));
                let hop = |packet: &mut [u8]| match *six {
                    true => packet[7] -= 1,
                    false => {
                        ttl_decrement(packet.first_chunk_mut().expect("a header"));
                    }
                };
                let write = |from, to, packet: &mut [u8]| match *six {
                    true => Delta::<16>::new(from, to).unwrap().forward(packet, *is_udp),
                    false => Delta::<4>::new(from, to).unwrap().forward(packet, *is_udp),
                };
                assert!(write(&old, &new, &mut both));
                hop(&mut one);
                assert_eq!(both, one);
                assert!(write(&new, &old, &mut both));
                let mut same = before.clone();
                assert!(write(&old, &old, &mut same) && write(&old, &old, &mut same));
                hop(&mut before);
                hop(&mut before);
                assert_eq!(both, before);
                assert_eq!(same, before);
            },
        );
    }

    #[test]
    fn headers_that_are_not_there_whole_are_refused() {
        let old = tuple(false, 6, 1, 2, (3, 4));
        let delta = Delta::<4>::new(&old, &old).unwrap();
        for (udp, need) in [(true, 28), (false, 40)] {
            let mut short = vec![0; need - 1];
            assert!(!delta.forward(&mut short, udp));
            assert!(short.iter().all(|byte| *byte == 0));
            assert!(delta.forward(&mut vec![0; need], udp));
        }
        assert_eq!(Delta::<4>::new(&old, &tuple(false, 1, 1, 2, (3, 4))), None);
        assert_eq!(Delta::<16>::new(&old, &old), None);
    }
}
