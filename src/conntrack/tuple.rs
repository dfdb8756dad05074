//! Names a flow in one direction: addresses, the transport's part and the protocol.
//!
//! - takes: a packet from its IP header on
//! - gives: its [`Tuple`], the tuple of the answer, and a keyed hash of either
//! - obeys: rows [9.56], [9.60] to [9.66]; `nf_ct_get_tuple` and `nf_ct_invert_tuple` of the kernel

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::packet::ipv4::protocol;

use super::headers::{self, Found};

/// Protocol number of ICMPv6.
pub const ICMPV6: u8 = 58;

/// An address of either family; one of IPv4 stands in the first four octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Addr(pub [u8; 16]);

impl Addr {
    /// An address of IPv4.
    pub const fn four([a, b, c, d]: [u8; 4]) -> Self {
        Self([a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    }

    /// Its first four octets, all of an address of IPv4.
    pub const fn first4(self) -> [u8; 4] {
        let [a, b, c, d, ..] = self.0;
        [a, b, c, d]
    }

    /// The address with its family.
    pub const fn ip(self, six: bool) -> IpAddr {
        if six {
            IpAddr::V6(Ipv6Addr::from_octets(self.0))
        } else {
            IpAddr::V4(Ipv4Addr::from_octets(self.first4()))
        }
    }
}

impl From<IpAddr> for Addr {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(four) => Self::four(four.octets()),
            IpAddr::V6(six) => Self(six.octets()),
        }
    }
}

/// A flow in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(C, align(8))]
pub struct Tuple {
    /// Where it comes from.
    pub src: Addr,
    /// Where it goes.
    pub dst: Addr,
    /// Source port; the identifier of ICMP, the key of GRE.
    pub sport: u16,
    /// Destination port; type and code of ICMP as one number, the key of GRE.
    pub dport: u16,
    /// Protocol number.
    pub proto: u8,
    /// Whether it is of IPv6.
    pub six: bool,
    /// The zone that it is looked up in.
    pub zone: u16,
}

/// Types of ICMP with an answer, and the type of that answer.
const ICMP_PAIRS: [(u8, u8); 4] = [(8, 0), (13, 14), (15, 16), (17, 18)];
/// The same of ICMPv6: echo and node information.
const ICMP6_PAIRS: [(u8, u8); 2] = [(128, 129), (139, 140)];

fn partner(pairs: &[(u8, u8)], ty: u8) -> Option<u8> {
    pairs.iter().find_map(|&(ask, answer)| match ty {
        _ if ty == ask => Some(answer),
        _ if ty == answer => Some(ask),
        _ => None,
    })
}

impl Tuple {
    /// The tuple of a packet of zone 0, where it has one.
    pub fn of(packet: &[u8]) -> Option<Self> {
        let found = headers::find(packet)?;
        Self::at(packet, &found)
    }

    /// The tuple of a packet whose headers have been found; the key of GRE is the packet's call.
    #[inline]
    pub fn at(packet: &[u8], found: &Found) -> Option<Self> {
        let mut tuple = Self { proto: found.proto, six: found.six, ..Self::default() };
        if found.six {
            let header: &[u8; 40] = packet.first_chunk()?;
            let (addresses, _) = header[8..].as_chunks::<16>();
            (tuple.src, tuple.dst) = (Addr(addresses[0]), Addr(addresses[1]));
        } else {
            let header: &[u8; 20] = packet.first_chunk()?;
            let (addresses, _) = header[12..].as_chunks::<4>();
            (tuple.src, tuple.dst) = (Addr::four(addresses[0]), Addr::four(addresses[1]));
        }
        let l4 = packet.get(found.l4..)?;
        match found.proto {
            protocol::ICMP | ICMPV6 => {
                let &[ty, code, _, _, high, low, _, _] = l4.first_chunk()?;
                tuple.sport = u16::from_be_bytes([high, low]);
                tuple.dport = u16::from_be_bytes([ty, code]);
            }
            protocol::GRE => tuple.dport = super::track::gre::call(l4)?,
            protocol::TCP | protocol::UDP | protocol::UDPLITE | protocol::SCTP | protocol::DCCP => {
                let &[a, b, c, d] = l4.first_chunk()?;
                tuple.sport = u16::from_be_bytes([a, b]);
                tuple.dport = u16::from_be_bytes([c, d]);
            }
            // Others have no part of their own: one entry for a pair of addresses.
            _ => {}
        }
        Some(tuple)
    }

    /// The tuple of the answer; messages of ICMP without one have none.
    #[inline]
    pub fn inverse(&self) -> Option<Self> {
        let mut back =
            Self { src: self.dst, dst: self.src, sport: self.dport, dport: self.sport, ..*self };
        let pairs: &[_] = match self.proto {
            protocol::ICMP => &ICMP_PAIRS,
            ICMPV6 => &ICMP6_PAIRS,
            _ => return Some(back),
        };
        let [ty, code] = self.dport.to_be_bytes();
        back.sport = self.sport;
        back.dport = u16::from_be_bytes([partner(pairs, ty)?, code]);
        Some(back)
    }

    /// Type and code, where it is a message of ICMP.
    pub const fn type_code(&self) -> [u8; 2] {
        self.dport.to_be_bytes()
    }

    /// The same tuple in another zone.
    #[inline]
    pub const fn in_zone(self, zone: u16) -> Self {
        Self { zone, ..self }
    }
}

/// The secret of a table's hash, so that nobody outside can aim at one chain.
#[derive(Debug, Clone, Copy)]
pub struct Seed([u64; 2]);

/// Multipliers without pattern: the fractional parts of the square roots of 2 and 3.
const MIX: [u64; 2] = [0x6a09_e667_f3bc_c909, 0xbb67_ae85_84ca_a73b];

/// Both halves of a wide product, folded.
#[inline(always)]
const fn fold(a: u64, b: u64) -> u64 {
    let wide = a as u128 * b as u128;
    (wide >> 64) as u64 ^ wide as u64
}

impl Seed {
    /// A secret made of random bits.
    pub const fn new(random: u64) -> Self {
        Self([fold(random ^ MIX[0], MIX[1]) ^ MIX[0], fold(random ^ MIX[1], MIX[0]) | 1])
    }

    /// The hash of a tuple with its zone.
    #[inline]
    pub fn hash(&self, tuple: &Tuple) -> u32 {
        (self.wide(tuple) >> 16) as u32
    }

    /// The same of 64 bits.
    #[inline]
    pub fn wide(&self, tuple: &Tuple) -> u64 {
        let half = |bytes: &Addr| {
            let [low, high] = *bytes.0.as_chunks::<8>().0 else { return (0, 0) };
            (u64::from_ne_bytes(low), u64::from_ne_bytes(high))
        };
        let ((a, b), (c, d)) = (half(&tuple.src), half(&tuple.dst));
        let ports = u64::from(tuple.sport) << 48
            | u64::from(tuple.dport) << 32
            | u64::from(tuple.zone) << 16
            | u64::from(tuple.proto) << 8
            | u64::from(tuple.six);
        let [first, second] = self.0;
        let one = fold(a ^ first, c ^ second);
        let two = fold(b ^ second ^ ports, d ^ first.rotate_left(29));
        let all = fold(one ^ ports ^ MIX[0], two ^ second);
        fold(all ^ first, MIX[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn icmp(proto: u8, ty: u8) -> Tuple {
        Tuple {
            src: Addr::four([1; 4]),
            dst: Addr::four([2; 4]),
            sport: 7,
            dport: u16::from_be_bytes([ty, 3]),
            proto,
            ..Tuple::default()
        }
    }

    /// Shows [9.64].
    #[test]
    fn messages_without_answer_have_no_inverse() {
        for (ask, answer) in [(8, 0), (13, 14), (15, 16), (17, 18)] {
            let back = icmp(protocol::ICMP, ask).inverse().unwrap();
            assert_eq!((back.type_code(), back.sport), ([answer, 3], 7));
            assert_eq!(back.inverse().unwrap(), icmp(protocol::ICMP, ask));
        }
        for ty in (0..=255).filter(|ty| ![0, 8, 13, 14, 15, 16, 17, 18].contains(ty)) {
            assert_eq!(icmp(protocol::ICMP, ty).inverse(), None, "{ty}");
        }
        for ty in (0..=255).filter(|ty| ![128, 129, 139, 140].contains(ty)) {
            assert_eq!(icmp(ICMPV6, ty).inverse(), None, "{ty}");
        }
        assert_eq!(icmp(ICMPV6, 128).inverse().unwrap().type_code(), [129, 3]);
        assert_eq!(icmp(ICMPV6, 140).inverse().unwrap().type_code(), [139, 3]);
    }

    #[test]
    fn a_tuple_is_small() {
        assert_eq!(size_of::<Tuple>(), 40);
    }

    /// Shows [9.66].
    #[test]
    fn neighbouring_tuples_spread_over_buckets() {
        let seed = Seed::new(1);
        let mut buckets = vec![0u32; 1 << 14];
        for n in 0..1u32 << 14 {
            let [_, _, c, d] = n.to_be_bytes();
            let tuple = Tuple {
                src: Addr::four([10, 0, c, d]),
                dst: Addr::four([10, 1, c, d]),
                sport: 1,
                dport: 2,
                proto: 17,
                ..Tuple::default()
            };
            buckets[(seed.hash(&tuple) >> 18) as usize] += 1;
        }
        assert!(buckets.iter().all(|&n| n < 12), "{:?}", buckets.iter().max());
        assert!(buckets.iter().filter(|&&n| n == 0).count() < 1 << 13);
        let zones = |zone| seed.hash(&Tuple { zone, ..Tuple::default() });
        assert_ne!(zones(0), zones(1));
        assert_ne!(Seed::new(2).hash(&Tuple::default()), zones(0));
    }

    #[test]
    fn any_bytes_have_a_tuple_or_none() {
        bolero::check!().for_each(|bytes: &[u8]| {
            if let Some(tuple) = Tuple::of(bytes)
                && let Some(back) = tuple.inverse()
            {
                assert_eq!(back.inverse(), Some(tuple));
            }
        });
    }
}
