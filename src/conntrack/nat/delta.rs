//! What a translation changes in every packet of one flow, worked out once.
//!
//! - takes: the tuple that packets have and the one that they shall have
//! - gives: a [`Delta`] that writes both ends of a packet at once
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
    src: [u8; N],
    dst: [u8; N],
    ports: [u8; 4],
    /// What is added to the sum of the IP header, and to that of the transport.
    l3: u16,
    l4: u16,
    udp: bool,
}

impl<const N: usize> Delta<N> {
    const SIX: bool = N == 16;

    /// From one tuple to another; nothing for protocols other than TCP and UDP, and for the other
    /// family.
    pub fn new(old: &Tuple, new: &Tuple) -> Option<Self> {
        let udp = match new.proto {
            protocol::TCP => false,
            protocol::UDP => true,
            _ => return None,
        };
        if new.six != Self::SIX {
            return None;
        }
        let ends = |tuple: &Tuple| add(sum(&tuple.src.0), sum(&tuple.dst.0));
        let l3 = add(!ends(old), ends(new));
        let ports = |tuple: &Tuple| add(tuple.sport, tuple.dport);
        let l4 = add(l3, add(!ports(old), ports(new)));
        let [[a, b], [c, d]] = [new.sport, new.dport].map(u16::to_be_bytes);
        let (src, dst) = (*new.src.0.first_chunk()?, *new.dst.0.first_chunk()?);
        Some(Self { src, dst, ports: [a, b, c, d], l3, l4, udp })
    }

    /// Writes a packet of the flow whose transport header stands at `l4`; false where it does not
    /// stand there whole.
    #[inline(always)]
    pub fn apply(&self, packet: &mut [u8], l4: usize) -> bool {
        self.write(packet, l4).is_some()
    }

    #[inline(always)]
    fn write(&self, packet: &mut [u8], l4: usize) -> Option<()> {
        if l4 < if Self::SIX { ipv6::HEADER_LEN } else { ipv4::HEADER_LEN } {
            return None;
        }
        let (head, segment) = packet.split_at_mut_checked(l4)?;
        if self.udp {
            let header = segment.first_chunk_mut::<{ udp::HEADER_LEN }>()?;
            let [a, b, c, d, _, _, high, low] = header;
            [*a, *b, *c, *d] = self.ports;
            // A datagram without a checksum stays without, and none comes to be without.
            if [*high, *low] != [0, 0] {
                [*high, *low] = match mended([*high, *low], self.l4) {
                    [0, 0] => [0xff, 0xff],
                    check => check,
                };
            }
        } else {
            let header = segment.first_chunk_mut::<{ tcp::HEADER_LEN }>()?;
            let [a, b, c, d, _, _, _, _, _, _, _, _, _, _, _, _, high, low, ..] = header;
            [*a, *b, *c, *d] = self.ports;
            [*high, *low] = mended([*high, *low], self.l4);
        }
        if Self::SIX {
            head.get_mut(ipv6::field::SRC)?.copy_from_slice(&self.src);
            head.get_mut(ipv6::field::DST)?.copy_from_slice(&self.dst);
        } else {
            let header = head.first_chunk_mut::<{ ipv4::HEADER_LEN }>()?;
            let check = mended([header[10], header[11]], self.l3);
            header[ipv4::field::CHECKSUM].copy_from_slice(&check);
            header[ipv4::field::SRC].copy_from_slice(&self.src);
            header[ipv4::field::DST].copy_from_slice(&self.dst);
        }
        Some(())
    }
}

/// A checksum with something added to the sum that it is the complement of.
#[inline]
const fn mended(check: [u8; 2], delta: u16) -> [u8; 2] {
    (!add(!u16::from_be_bytes(check), delta)).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::rewrite::{Manip, manip};
    use super::super::sample::{packet, settle, tuple};
    use super::*;

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
                let (mut both, before) = (one.clone(), one.clone());
                assert!(manip(&mut one, &new, Manip::Src) && manip(&mut one, &new, Manip::Dst));
                let write = |from, to, packet: &mut [u8]| match *six {
                    true => Delta::<16>::new(from, to).unwrap().apply(packet, 40),
                    false => Delta::<4>::new(from, to).unwrap().apply(packet, 20),
                };
                assert!(write(&old, &new, &mut both));
                assert_eq!(both, one);
                assert!(write(&new, &old, &mut both));
                assert_eq!(both, before);
            },
        );
    }

    #[test]
    fn headers_that_are_not_there_whole_are_refused() {
        let old = tuple(false, 6, 1, 2, (3, 4));
        let delta = Delta::<4>::new(&old, &old).unwrap();
        assert!(!delta.apply(&mut [0; 39], 20));
        assert!(!delta.apply(&mut [0; 60], 19));
        assert!(!delta.apply(&mut [0; 60], 61));
        assert!(delta.apply(&mut [0; 60], 24));
        assert_eq!(Delta::<4>::new(&old, &tuple(false, 1, 1, 2, (3, 4))), None);
        assert_eq!(Delta::<16>::new(&old, &old), None);
    }
}
