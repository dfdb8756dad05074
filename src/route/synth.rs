//! Synthetic tables with the shape of the Internet's, for measurements and tests.
//!
//! - takes: how many prefixes, and what chance starts from
//! - gives: that many distinct unicast prefixes, the same ones on every machine
//! - obeys: the share of each length in a full table of either family as collectors of BGP publish
//!   it; the networks that test topologies use are left out

use std::collections::HashSet;

use ipnet::{Ipv4Net, Ipv6Net};

use super::rib::Prefix;
use crate::packet::{bits::Bits, generate::Random};

/// Prefixes of each length in a thousand; those longer than /24 come from inside of networks.
const LENGTHS: &[(u8, u32)] = &[
    (8, 1),
    (10, 1),
    (11, 1),
    (12, 1),
    (13, 1),
    (14, 2),
    (15, 3),
    (16, 14),
    (17, 8),
    (18, 14),
    (19, 25),
    (20, 45),
    (21, 52),
    (22, 113),
    (23, 103),
    (24, 610),
    (25, 1),
    (26, 1),
    (28, 1),
    (30, 1),
    (32, 2),
];

/// Networks that no prefix lies in or covers: those of hosts in tests, and those that are no unicast
/// destinations.
fn taken(prefix: Prefix) -> bool {
    let first = prefix.bits >> 24;
    let within = |net: [u8; 4], len: u8| {
        let other = Prefix::of(u32::from_be_bytes(net), len);
        let shorter = len.min(prefix.len);
        Prefix::of(prefix.bits, shorter) == Prefix::of(other.bits, shorter)
    };
    first == 0
        || first >= 224
        || within([10, 0, 0, 0], 8)
        || within([127, 0, 0, 0], 8)
        || within([169, 254, 0, 0], 16)
        || within([172, 16, 0, 0], 12)
        || within([192, 0, 0, 0], 16)
        || within([192, 168, 0, 0], 16)
        || within([198, 18, 0, 0], 15)
        || within([198, 51, 100, 0], 24)
        || within([203, 0, 113, 0], 24)
}

/// `count` distinct prefixes in an order of chance.
///
/// A table of a million prefixes has about as many of each length as the Internet's; where a length
/// has no more prefixes to give, others take their place.
pub fn prefixes(count: usize, seed: u64) -> impl Iterator<Item = Ipv4Net> {
    let mut random = Random::new(seed);
    let mut seen: HashSet<Prefix> = HashSet::with_capacity(count);
    let all: u32 = LENGTHS.iter().map(|(_, share)| share).sum();
    std::iter::from_fn(move || {
        while seen.len() < count {
            let mut place = random.below(u64::from(all)) as u32;
            let length = LENGTHS.iter().find(|(_, share)| {
                let here = place < *share;
                place = place.wrapping_sub(*share);
                here
            });
            let length = length.map_or(24, |(length, _)| *length);
            let prefix = Prefix::of(random.next_u64() as u32, length);
            if !taken(prefix) && seen.insert(prefix) {
                return Ipv4Net::new(prefix.bits.into(), prefix.len).ok();
            }
        }
        None
    })
}

/// IPv6 prefixes of each length in a thousand.
const LENGTHS6: &[(u8, u32)] = &[
    (20, 1),
    (24, 3),
    (28, 9),
    (29, 27),
    (30, 4),
    (31, 3),
    (32, 108),
    (33, 12),
    (34, 9),
    (35, 5),
    (36, 54),
    (37, 5),
    (38, 13),
    (39, 8),
    (40, 116),
    (41, 5),
    (42, 22),
    (43, 6),
    (44, 105),
    (45, 8),
    (46, 20),
    (47, 18),
    (48, 433),
    (56, 1),
    (64, 4),
    (128, 1),
];
/// What registries give out of, by the first 12 bits, as often as prefixes come from there.
const REGISTRIES: [u128; 10] =
    [0x200, 0x240, 0x240, 0x240, 0x260, 0x260, 0x280, 0x2a0, 0x2a0, 0x2a0];
/// The documentation prefix, of which the hosts in tests are.
const DOCUMENTATION: u128 = 0x2001_0db8 << 96;
/// A network for each so many prefixes: those that are longer lie in one.
const PER_NETWORK: u64 = 4;

/// The /32 of a network, the same for the same number.
fn network(seed: u64, number: u64) -> u128 {
    let mut random = Random::new(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let registry = REGISTRIES[random.below(REGISTRIES.len() as u64) as usize];
    // Registries give out in order: an eighth of what they have is in use.
    registry << 116 | u128::from(random.below(1 << 17)) << 96
}

/// `count` distinct IPv6 prefixes in an order of chance, the longer ones anywhere in the /32 of one
/// of a quarter as many networks.
pub fn prefixes6(count: usize, seed: u64) -> impl Iterator<Item = Ipv6Net> {
    let mut random = Random::new(seed);
    let mut seen: HashSet<(u128, u8)> = HashSet::with_capacity(count);
    let all: u32 = LENGTHS6.iter().map(|(_, share)| share).sum();
    let networks = count as u64 / PER_NETWORK + 1;
    std::iter::from_fn(move || {
        while seen.len() < count {
            let mut place = random.below(u64::from(all)) as u32;
            let length = LENGTHS6.iter().find(|(_, share)| {
                let here = place < *share;
                place = place.wrapping_sub(*share);
                here
            });
            let length = length.map_or(48, |(length, _)| *length);
            let host = u128::from(random.next_u64()) << 32 | u128::from(random.next_u64() as u32);
            let bits = (network(seed, random.below(networks)) | host) & u128::mask(length);
            let of_tests = bits.agrees(DOCUMENTATION, length.min(32));
            if !of_tests && seen.insert((bits, length)) {
                return Ipv6Net::new(bits.into(), length).ok();
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_distinct_and_mostly_24_bits_long_and_the_same_each_time() {
        let all: Vec<_> = prefixes(20_000, 1).collect();
        assert_eq!(all.len(), 20_000);
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
        let of = |len| all.iter().filter(|net| net.prefix_len() == len).count();
        assert!((11_500..13_000).contains(&of(24)), "{} of /24", of(24));
        assert!(of(32) > 0 && of(8) > 0);
        assert!(all.iter().all(|net| !net.contains(&std::net::Ipv4Addr::new(10, 0, 0, 1))));
        assert_eq!(prefixes(20_000, 1).collect::<Vec<_>>(), all);
        assert_ne!(prefixes(20_000, 2).collect::<Vec<_>>(), all);
    }

    #[test]
    fn prefixes_of_ipv6_are_distinct_global_and_mostly_48_bits_long() {
        let all: Vec<_> = prefixes6(20_000, 1).collect();
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), 20_000);
        let of = |len| all.iter().filter(|net| net.prefix_len() == len).count();
        assert!((8_000..9_500).contains(&of(48)), "{} of /48", of(48));
        assert!(of(32) > 1_500 && of(128) > 0);
        let tests: Ipv6Net = "2001:db8::/32".parse().unwrap();
        assert!(all.iter().all(|net| net.addr().segments()[0] >> 13 == 1));
        assert!(all.iter().all(|net| !net.contains(&tests) && !tests.contains(net)));
        assert_eq!(prefixes6(20_000, 1).collect::<Vec<_>>(), all);
        assert_eq!(prefixes6(16, 1).count(), 16);
    }
}
