//! Synthetic tables with the shape of the Internet's, for measurements and tests.
//!
//! - takes: how many prefixes, and what chance starts from
//! - gives: that many distinct unicast prefixes, the same ones on every machine
//! - obeys: the share of each length in a full IPv4 table as collectors of BGP publish it; the
//!   networks that test topologies use are left out

use std::collections::HashSet;

use ipnet::Ipv4Net;

use super::rib::Prefix;
use crate::packet::generate::Random;

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
}
