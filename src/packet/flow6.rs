//! Flows of IPv6: which packets belong together, and what routing looks at in one.
//!
//! - takes: bytes that start at the IPv6 header, in whatever state
//! - gives: a number that both directions of a conversation share; the fields of `struct flowi6`
//! - obeys: the kernel's flow dissector, which goes over hop-by-hop, routing and destination headers
//!   and stops at a fragment header; row [8.34]
//! - costs: four multiplications for a packet without extension headers (`benches/checksum.rs`)

use super::flow::{PI, mix, multiply_mix};
use super::ipv4::protocol;
use super::ipv6::{self, address_at, extension, field, next_header};

/// Extension headers that a dissector goes over at most, as with the kernel's.
const MOST_HEADERS: usize = 15;

/// What routing looks at in an IPv6 packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fields6 {
    /// Source.
    pub src: u128,
    /// Destination.
    pub dst: u128,
    /// Traffic class, ECN bits included.
    pub traffic_class: u8,
    /// Flow label.
    pub flow_label: u32,
    /// The next header that the IPv6 header names.
    pub next_header: u8,
    /// Protocol behind the extension headers, as far as a dissector goes.
    pub protocol: u8,
    /// Source port; zero where there is none, and for fragments.
    pub sport: u16,
    /// Destination port likewise.
    pub dport: u16,
}

/// Where the bytes stand that count as ports of a protocol: those of IPsec are its index.
const fn ports_at(number: u8) -> Option<usize> {
    match number {
        protocol::TCP
        | protocol::UDP
        | protocol::DCCP
        | protocol::ESP
        | protocol::SCTP
        | protocol::UDPLITE => Some(0),
        protocol::AH => Some(4),
        _ => None,
    }
}

/// The protocol of a packet, and where it stands unless the packet is a fragment.
#[inline]
fn dissect(l3: &[u8], first: u8) -> (u8, Option<usize>) {
    let (mut number, mut at) = (first, ipv6::HEADER_LEN);
    for _ in 0..MOST_HEADERS {
        match number {
            next_header::HOP_BY_HOP | next_header::ROUTING | next_header::DESTINATION => {
                let Some(&[next, told]) = l3.get(at..).and_then(|rest| rest.first_chunk()) else {
                    return (number, None);
                };
                at += extension::len_of(number, told);
                number = next;
            }
            next_header::FRAGMENT => return (l3.get(at).copied().unwrap_or(number), None),
            _ => break,
        }
    }
    (number, Some(at))
}

impl Fields6 {
    /// Of a packet; all zero for bytes too short for an IPv6 header.
    #[inline]
    pub fn of(l3: &[u8]) -> Self {
        let Some(head) = l3.first_chunk::<{ ipv6::HEADER_LEN }>() else { return Self::default() };
        let first = head[field::NEXT_HEADER];
        let (protocol, at) = dissect(l3, first);
        let ports = at.zip(ports_at(protocol)).and_then(|(at, skip)| l3.get(at + skip..));
        let &[a, b, c, d] = ports.and_then(|rest| rest.first_chunk()).unwrap_or(&[0; 4]);
        Self {
            src: address_at(head, field::SRC.start),
            dst: address_at(head, field::DST.start),
            traffic_class: head[0] << 4 | head[1] >> 4,
            flow_label: u32::from_be_bytes([0, head[1] & 0x0f, head[2], head[3]]),
            next_header: first,
            protocol,
            sport: u16::from_be_bytes([a, b]),
            dport: u16::from_be_bytes([c, d]),
        }
    }
}

/// An address and a port as one word.
#[inline(always)]
const fn end(address: u128, port: u16) -> u64 {
    multiply_mix((address >> 64) as u64 ^ PI[1], address as u64 ^ PI[2]) ^ port as u64
}

/// Hash of a pair of addresses with a word of any meaning, the same for both directions.
#[inline]
pub const fn l3_hash6(src: u128, dst: u128, word: u32, seed: u32) -> u32 {
    mix(end(src, 0), end(dst, 0), (word as u64) << 8, seed)
}

/// Hash of a 5-tuple, the same for both directions; ports are zero where there are none.
#[inline]
pub const fn tuple_hash6(
    src: u128,
    dst: u128,
    protocol: u8,
    src_port: u16,
    dst_port: u16,
    seed: u32,
) -> u32 {
    mix(end(src, src_port), end(dst, dst_port), protocol as u64, seed)
}

/// Hash of the flow that an IPv6 packet belongs to, the same for both directions.
///
/// By addresses, protocol and ports behind the extension headers; every fragment by addresses and
/// protocol alone, else the first would part from the rest. Bytes too short for an IPv6 header all
/// hash alike.
#[inline]
pub fn flow_hash6(l3: &[u8], seed: u32) -> u32 {
    let Fields6 { src, dst, protocol, sport, dport, .. } = Fields6::of(l3);
    // What stands where ports would in IPsec is of one direction.
    let (sport, dport) = match protocol {
        protocol::ESP | protocol::AH => (0, 0),
        _ => (sport, dport),
    };
    tuple_hash6(src, dst, protocol, sport, dport, seed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::FrameBuilder;
    use std::collections::HashSet;
    use std::net::Ipv6Addr;

    const A: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
    const B: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 77);

    fn there() -> FrameBuilder {
        FrameBuilder::new().ipv6(A, B)
    }

    fn fields(builder: FrameBuilder) -> Fields6 {
        Fields6::of(&builder.build()[14..])
    }

    fn hash(builder: FrameBuilder) -> u32 {
        flow_hash6(&builder.build()[14..], 7)
    }

    #[test]
    fn the_fields_of_a_packet_are_read_behind_its_extension_headers() {
        let plain = there().tos(0xb9).flow_label(0x12345).udp(1000, 53);
        let wanted = Fields6 {
            src: A.to_bits(),
            dst: B.to_bits(),
            traffic_class: 0xb9,
            flow_label: 0x12345,
            next_header: 17,
            protocol: 17,
            sport: 1000,
            dport: 53,
        };
        assert_eq!(fields(plain.clone()), wanted);
        let chained = plain.clone().hop_by_hop(&[5, 2, 0, 0]).destination_options(&[]);
        assert_eq!(fields(chained), Fields6 { next_header: 0, ..wanted });
        let fragment = plain.fragment(7, 0, true);
        assert_eq!(fields(fragment), Fields6 { next_header: 44, sport: 0, dport: 0, ..wanted });
        assert_eq!(Fields6::of(&[0x60; 39]), Fields6::default());
    }

    #[test]
    fn both_directions_of_a_conversation_hash_alike() {
        bolero::check!().with_type::<(u128, u128, u8, u16, u16, u32)>().for_each(
            |&(src, dst, proto, sport, dport, seed)| {
                assert_eq!(
                    tuple_hash6(src, dst, proto, sport, dport, seed),
                    tuple_hash6(dst, src, proto, dport, sport, seed)
                );
                assert_eq!(l3_hash6(src, dst, 5, seed), l3_hash6(dst, src, 5, seed));
            },
        );
        let back = FrameBuilder::new().ipv6(B, A).tcp(80, 1000, 0x12);
        assert_eq!(hash(there().tcp(1000, 80, 0x02)), hash(back));
        assert_ne!(hash(there().udp(1000, 80)), hash(there().udp(80, 1000)));
    }

    #[test]
    fn all_fragments_of_a_packet_hash_alike() {
        let first = there().udp(1000, 80).fragment(1, 0, true);
        let later = there().protocol(17).fragment(1, 1480, false).payload(b"xyzwxyzw");
        assert_eq!(hash(first.clone()), hash(later));
        assert_ne!(hash(first), hash(there().udp(1000, 80)));
    }

    #[test]
    fn the_seed_and_every_field_count() {
        let base = tuple_hash6(1, 2, 6, 3, 4, 5);
        for other in [
            tuple_hash6(9, 2, 6, 3, 4, 5),
            tuple_hash6(1 << 80 | 1, 2, 6, 3, 4, 5),
            tuple_hash6(1, 9, 6, 3, 4, 5),
            tuple_hash6(1, 2, 9, 3, 4, 5),
            tuple_hash6(1, 2, 6, 9, 4, 5),
            tuple_hash6(1, 2, 6, 3, 9, 5),
            tuple_hash6(1, 2, 6, 3, 4, 9),
        ] {
            assert_ne!(base, other);
        }
        assert_ne!(l3_hash6(1, 2, 3, 4), l3_hash6(1, 2, 9, 4));
    }

    #[test]
    fn neighbouring_flows_spread_evenly_over_workers_and_buckets() {
        let mut hashes = HashSet::new();
        let mut workers = [0u32; 6];
        for host in 0..256 {
            for port in 0..256 {
                let hash =
                    tuple_hash6(A.to_bits() + host, B.to_bits(), 17, 1024 + port as u16, 53, 1);
                hashes.insert(hash);
                workers[((u64::from(hash) * 6) >> 32) as usize] += 1;
            }
        }
        assert!(hashes.len() > 65_530, "{}", hashes.len());
        for count in workers {
            assert!((10_400..11_450).contains(&count), "{workers:?}");
        }
    }

    #[test]
    fn no_bytes_make_it_panic() {
        bolero::check!().for_each(|bytes: &[u8]| {
            flow_hash6(bytes, 0);
            let head = [&[0x60, 0, 0, 0, 0, 0, 0, 1][..], &[0; 32], bytes].concat();
            flow_hash6(&head, 0);
        });
    }
}
