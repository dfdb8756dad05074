//! Which of several next hops an IPv6 packet takes.
//!
//! - takes: bytes that start at an IPv6 header, and the tunables
//! - gives: the same number for all packets of a flow, and for both of its directions where both have
//!   the same flow label
//! - obeys: `rt6_multipath_hash`; `net.ipv6.fib_multipath_hash_policy` and `_fields`
//! - differs: as in [`multipath`](super::multipath), directions are not told apart

use super::multipath::Multipath;
use crate::packet::{
    Fields6, Flow, icmp6,
    ipv6::{self, next_header},
    l3_hash, l3_hash6, tuple_hash, tuple_hash6,
};

/// A packet inside of another.
enum Inner<'a> {
    Four(&'a [u8]),
    Six(&'a [u8]),
}

/// The packet that another carries, by the protocols that the kernel's dissector goes into.
fn inner(l3: &[u8]) -> Option<Inner<'_>> {
    let view = ipv6::Ipv6View::new_quoted(l3).ok()?;
    let upper = view.upper_layer().filter(|upper| upper.fragment.is_none())?;
    let rest = view.payload().get(upper.offset..)?;
    let four = |rest: &'_ [u8]| rest.len() >= 20 && rest[0] >> 4 == 4;
    let six = |rest: &'_ [u8]| rest.len() >= ipv6::HEADER_LEN && rest[0] >> 4 == 6;
    match upper.number {
        next_header::IPV4 if four(rest) => Some(Inner::Four(rest)),
        next_header::IPV6 if six(rest) => Some(Inner::Six(rest)),
        next_header::GRE => {
            let gre: &[u8; 4] = rest.first_chunk()?;
            let words = [0x80, 0x20, 0x10].map(|bit| usize::from(gre[0] & bit != 0));
            let rest = rest.get(4 + 4 * words.iter().sum::<usize>()..)?;
            match [gre[2], gre[3]] {
                [0x08, 0x00] if four(rest) => Some(Inner::Four(rest)),
                [0x86, 0xdd] if six(rest) => Some(Inner::Six(rest)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The packet that an ICMPv6 error is about, where the error stands right behind the IPv6 header.
fn concerned(l3: &[u8]) -> Option<&[u8]> {
    let is_icmp = *l3.get(ipv6::field::NEXT_HEADER)? == next_header::ICMPV6;
    let is_error = is_icmp && icmp6::quotes(*l3.get(ipv6::HEADER_LEN)?);
    let about = l3.get(ipv6::HEADER_LEN + icmp6::HEADER_LEN..)?;
    (is_error && about.len() >= ipv6::HEADER_LEN).then_some(about)
}

/// Addresses, flow label and the first next header.
fn addresses(l3: &[u8], seed: u32) -> u32 {
    let Fields6 { src, dst, flow_label, next_header, .. } = Fields6::of(l3);
    l3_hash6(src, dst, flow_label << 8 | u32::from(next_header), seed)
}

/// Hash of a flow under `net.ipv6.fib_multipath_hash_policy`.
pub fn path_hash6(l3: &[u8], rules: &Multipath) -> u32 {
    let seed = rules.seed;
    match rules.policy {
        0 => addresses(concerned(l3).unwrap_or(l3), seed),
        1 => {
            let Fields6 { src, dst, protocol, sport, dport, .. } = Fields6::of(l3);
            tuple_hash6(src, dst, protocol, sport, dport, seed)
        }
        2 => match inner(l3) {
            Some(Inner::Four(four)) => {
                let flow = Flow::of(four, 0, 0);
                l3_hash(flow.src, flow.dst, seed)
            }
            Some(Inner::Six(six)) => addresses(six, seed),
            None => addresses(concerned(l3).unwrap_or(l3), seed),
        },
        _ => {
            let outer = picked6(l3, rules.fields, seed);
            let fields = rules.fields >> 6;
            match inner(l3).filter(|_| fields & 0x3f != 0) {
                Some(Inner::Four(four)) => outer ^ picked4(four, fields, seed).rotate_left(16),
                Some(Inner::Six(six)) => outer ^ picked6(six, fields, seed).rotate_left(16),
                None => outer,
            }
        }
    }
}

/// A field, when its bit is set.
const fn keep(fields: u16, bit: u16, value: u32) -> u32 {
    if fields & 1 << bit != 0 { value } else { 0 }
}

/// Hash of the fields of an IPv6 packet that six bits choose, in the order of
/// `FIB_MULTIPATH_HASH_FIELD_*`.
fn picked6(l3: &[u8], fields: u16, seed: u32) -> u32 {
    let of = Fields6::of(l3);
    let address = |bit: u16, bits: u128| if fields & 1 << bit != 0 { bits } else { 0 };
    let label = keep(fields, 3, of.flow_label);
    tuple_hash6(
        address(0, of.src),
        address(1, of.dst),
        keep(fields, 2, of.protocol.into()) as u8,
        keep(fields, 4, of.sport.into()) as u16,
        keep(fields, 5, of.dport.into()) as u16,
        seed ^ label.wrapping_mul(0x9e37_79b1),
    )
}

/// The same of an IPv4 packet, which has no flow label.
fn picked4(l3: &[u8], fields: u16, seed: u32) -> u32 {
    let of = Flow::of(l3, 0, 0);
    tuple_hash(
        keep(fields, 0, of.src),
        keep(fields, 1, of.dst),
        keep(fields, 2, of.protocol.into()) as u8,
        keep(fields, 4, of.sport.into()) as u16,
        keep(fields, 5, of.dport.into()) as u16,
        seed,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::FrameBuilder;
    use std::net::{Ipv4Addr, Ipv6Addr};

    const A: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
    const B: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 77);
    const C: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 78);

    fn hash(policy: u8, fields: u16, frame: FrameBuilder) -> u32 {
        path_hash6(&frame.build()[14..], &Multipath { policy, fields, seed: 7 })
    }

    fn udp(sport: u16) -> FrameBuilder {
        FrameBuilder::new().ipv6(A, B).udp(sport, 53)
    }

    #[test]
    fn each_policy_looks_at_its_fields() {
        assert_eq!(hash(0, 0, udp(1)), hash(0, 0, udp(2)));
        assert_ne!(hash(0, 0, udp(1)), hash(0, 0, udp(1).flow_label(9)));
        assert_ne!(hash(0, 0, udp(1)), hash(0, 0, udp(1).protocol(6)));
        assert_ne!(hash(1, 0, udp(1)), hash(1, 0, udp(2)));
        assert_eq!(hash(1, 0, udp(1)), hash(1, 0, udp(1).flow_label(9)));
        let (ports, addresses, label) = (0x30, 0x03, 0x08);
        assert_ne!(hash(3, ports, udp(1)), hash(3, ports, udp(2)));
        assert_eq!(hash(3, addresses, udp(1)), hash(3, addresses, udp(2)));
        assert_ne!(hash(3, label, udp(1)), hash(3, label, udp(1).flow_label(9)));
        let other = FrameBuilder::new().ipv6(B, C).udp(1, 53);
        assert_eq!(hash(3, ports, udp(1)), hash(3, ports, other));
    }

    #[test]
    fn extension_headers_do_not_move_the_ports() {
        let options = udp(1).destination_options(&[0x1e, 0]);
        assert_eq!(hash(1, 0, udp(1)), hash(1, 0, options));
    }

    #[test]
    fn both_directions_meet() {
        let back = FrameBuilder::new().ipv6(B, A).udp(53, 1);
        for policy in 0..=3 {
            assert_eq!(hash(policy, 0x37, udp(1)), hash(policy, 0x37, back.clone()));
        }
    }

    #[test]
    fn an_error_takes_the_path_of_what_it_is_about() {
        let quoted = udp(1).build();
        let error = FrameBuilder::new()
            .ipv6(C, A)
            .icmp6_error(icmp6::ErrorKind::PacketTooBig { mtu: 1280 })
            .payload(&quoted[14..]);
        assert_eq!(hash(0, 0, error.clone()), hash(0, 0, udp(1)));
        assert_eq!(hash(2, 0, error), hash(2, 0, udp(1)));
        let echo = FrameBuilder::new().ipv6(C, A).echo_request(1, 2).payload(&quoted[14..]);
        assert_ne!(hash(0, 0, echo), hash(0, 0, udp(1)));
    }

    #[test]
    fn tunnels_are_told_apart_by_what_they_carry() {
        let outer = || FrameBuilder::new().ipv6(C, B);
        let six = |port| outer().protocol(41).payload(&udp(port).build()[14..]);
        assert_eq!(hash(2, 0, six(1)), hash(2, 0, udp(1)));
        assert_ne!(hash(3, 0x30 << 6, six(1)), hash(3, 0x30 << 6, six(2)));
        let (a, b) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
        let four = FrameBuilder::new().ipv4(a, b).udp(1, 2).build();
        let carried = outer().protocol(4).payload(&four[14..]);
        let gre = [&[0x20, 0, 8, 0, 0, 0, 0, 5], &four[14..]].concat();
        assert_eq!(hash(2, 0, carried.clone()), l3_hash(a.to_bits(), b.to_bits(), 7));
        assert_eq!(hash(2, 0, outer().protocol(47).payload(&gre)), hash(2, 0, carried));
    }

    #[test]
    fn every_policy_shares_flows_evenly() {
        for (policy, fields) in [(0, 0), (1, 0), (2, 0), (3, 0x01), (3, 0x03), (3, 0x37)] {
            let mut counts = [0_u32; 3];
            for n in 0..30_000_u128 {
                let host = Ipv6Addr::from_bits(A.to_bits() + n);
                let hash = hash(policy, fields, FrameBuilder::new().ipv6(host, B).udp(1, 53));
                counts[((u64::from(hash) * 3) >> 32) as usize] += 1;
            }
            for count in counts {
                assert!((9_500..10_500).contains(&count), "{policy} {fields:#x}: {counts:?}");
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic() {
        bolero::check!().with_type::<(Vec<u8>, u8, u16)>().for_each(|(bytes, policy, fields)| {
            let rules = Multipath { policy: policy % 4, fields: *fields, seed: 0 };
            path_hash6(bytes, &rules);
            let head = [&[0x60, 0, 0, 0, 0, 0, *policy, 1][..], &[0; 32], bytes].concat();
            path_hash6(&head, &rules);
        });
    }
}
