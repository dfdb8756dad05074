//! Flow hashes: which packets belong together, as one small number.
//!
//! - takes: bytes that start at the IPv4 header, in whatever state
//! - gives: the same number for both directions of a conversation
//! - costs: two multiplications (`benches/checksum.rs`)
//!
//! Fragments have no ports but in the first of them, so every fragment is hashed by addresses and
//! protocol alone; else the first would part from the rest.

use super::ipv4::{self, protocol};

/// Odd constants without a pattern (digits of pi), so that no plain input multiplies to zero.
pub(super) const PI: [u64; 3] =
    [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7345, 0xa409_3822_299f_31d1];

/// The two halves of a full product, mixed.
#[inline(always)]
pub(super) const fn multiply_mix(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    product as u64 ^ (product >> 64) as u64
}

/// Mixes two ends, in either order, with a third word.
#[inline(always)]
pub(super) const fn mix(a: u64, b: u64, third: u64, seed: u32) -> u32 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    let seed = seed as u64;
    let ends = multiply_mix(low ^ PI[0], high ^ PI[1] ^ (seed << 32 | seed));
    let all = multiply_mix(ends ^ third, PI[2]);
    (all >> 32) as u32 ^ all as u32
}

/// Hash of a pair of addresses, the same for both directions.
#[inline]
pub const fn l3_hash(src: u32, dst: u32, seed: u32) -> u32 {
    mix(src as u64, dst as u64, 0, seed)
}

/// Hash of a 5-tuple, the same for both directions; ports are zero where there are none.
#[inline]
pub const fn tuple_hash(
    src: u32,
    dst: u32,
    protocol: u8,
    src_port: u16,
    dst_port: u16,
    seed: u32,
) -> u32 {
    let a = (src as u64) << 16 | src_port as u64;
    let b = (dst as u64) << 16 | dst_port as u64;
    mix(a, b, protocol as u64, seed)
}

/// Hash of the flow that an IPv4 packet belongs to, the same for both directions.
///
/// By addresses, protocol and ports when the packet is whole and of TCP, UDP, UDP-Lite, DCCP or
/// SCTP; by addresses and protocol otherwise. Bytes too short for an IPv4 header all hash alike.
#[inline]
pub fn flow_hash(l3: &[u8], seed: u32) -> u32 {
    let Some(header) = l3.first_chunk::<{ ipv4::HEADER_LEN }>() else {
        return tuple_hash(0, 0, 0, 0, 0, seed);
    };
    let &[ihl, _, _, _, _, _, frag_high, frag_low, _, proto, _, _, a, b, c, d, e, f, g, h] = header;
    let (src, dst) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
    let fragment = u16::from_be_bytes([frag_high, frag_low]);
    let has_ports = matches!(
        proto,
        protocol::TCP | protocol::UDP | protocol::UDPLITE | protocol::DCCP | protocol::SCTP
    ) && fragment & (ipv4::MORE_FRAGMENTS | ipv4::OFFSET_MASK) == 0;
    let ports = if has_ports {
        l3.get(usize::from(ihl & 0x0f) * 4..).and_then(|l4| l4.first_chunk::<4>())
    } else {
        None
    };
    let &[i, j, k, l] = ports.unwrap_or(&[0; 4]);
    tuple_hash(src, dst, proto, u16::from_be_bytes([i, j]), u16::from_be_bytes([k, l]), seed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::FrameBuilder;
    use std::collections::HashSet;
    use std::net::Ipv4Addr;

    const A: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    const B: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 77);

    fn hash(builder: FrameBuilder) -> u32 {
        flow_hash(&builder.build()[14..], 7)
    }

    #[test]
    fn both_directions_of_a_conversation_hash_alike() {
        bolero::check!().with_type::<(u32, u32, u8, u16, u16, u32)>().for_each(
            |&(src, dst, proto, sport, dport, seed)| {
                assert_eq!(
                    tuple_hash(src, dst, proto, sport, dport, seed),
                    tuple_hash(dst, src, proto, dport, sport, seed)
                );
                assert_eq!(l3_hash(src, dst, seed), l3_hash(dst, src, seed));
            },
        );
        let there = FrameBuilder::new().ipv4(A, B).tcp(1000, 80, 0x02);
        let back = FrameBuilder::new().ipv4(B, A).tcp(80, 1000, 0x12);
        assert_eq!(hash(there), hash(back));
    }

    #[test]
    fn swapping_the_ports_alone_is_another_flow() {
        let one = FrameBuilder::new().ipv4(A, B).udp(1000, 80);
        let other = FrameBuilder::new().ipv4(A, B).udp(80, 1000);
        assert_ne!(hash(one), hash(other));
    }

    #[test]
    fn options_do_not_move_the_ports() {
        let plain = FrameBuilder::new().ipv4(A, B).udp(1000, 80);
        let options = plain.clone().options(&[148, 4, 0, 0]);
        assert_eq!(hash(plain), hash(options));
    }

    #[test]
    fn all_fragments_of_a_datagram_hash_alike() {
        let first = FrameBuilder::new().ipv4(A, B).udp(1000, 80).more_fragments();
        let other_ports = FrameBuilder::new().ipv4(A, B).udp(9, 9).more_fragments();
        let later =
            FrameBuilder::new().ipv4(A, B).protocol(17).fragment_offset(1480).payload(b"xyzw");
        assert_eq!(hash(first.clone()), hash(later));
        assert_eq!(hash(first.clone()), hash(other_ports));
        assert_ne!(hash(first), hash(FrameBuilder::new().ipv4(A, B).udp(1000, 80)));
    }

    #[test]
    fn the_seed_and_every_field_count() {
        let base = tuple_hash(1, 2, 6, 3, 4, 5);
        for other in [
            tuple_hash(9, 2, 6, 3, 4, 5),
            tuple_hash(1, 9, 6, 3, 4, 5),
            tuple_hash(1, 2, 9, 3, 4, 5),
            tuple_hash(1, 2, 6, 9, 4, 5),
            tuple_hash(1, 2, 6, 3, 9, 5),
            tuple_hash(1, 2, 6, 3, 4, 9),
        ] {
            assert_ne!(base, other);
        }
    }

    /// Neighbouring addresses and ports are what real traffic has; they must not crowd.
    #[test]
    fn neighbouring_flows_spread_evenly_over_workers_and_buckets() {
        let mut hashes = HashSet::new();
        let mut workers = [0u32; 6];
        for host in 0..256 {
            for port in 0..256 {
                let hash =
                    tuple_hash(0x0a00_0000 + host, 0xc000_0201, 17, 1024 + port as u16, 53, 1);
                hashes.insert(hash);
                workers[((u64::from(hash) * 6) >> 32) as usize] += 1;
            }
        }
        // 65,536 draws of 2^32 meet about once in two tries.
        assert!(hashes.len() > 65_530, "{}", hashes.len());
        for count in workers {
            assert!((10_400..11_450).contains(&count), "{workers:?}");
        }
        let low: HashSet<u32> = hashes.iter().map(|hash| hash & 0xfff).collect();
        assert_eq!(low.len(), 4096);
    }

    #[test]
    fn no_bytes_make_it_panic() {
        bolero::check!().for_each(|bytes: &[u8]| {
            flow_hash(bytes, 0);
        });
    }
}
