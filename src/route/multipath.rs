//! Which of several next hops a packet takes.
//!
//! - takes: bytes that start at an IPv4 header, and the tunables
//! - gives: the same number for all packets of a flow, and for both of its directions
//! - obeys: `fib_multipath_hash`; `net.ipv4.fib_multipath_hash_policy` and `_fields`; ledger 6.133 to 6.139
//! - differs: Linux's hash tells the directions apart; here they meet on one path, as stateful
//!   boxes on it want them to

use super::policy::Flow;
use crate::packet::{flow_hash, ipv4::protocol, l3_hash, tuple_hash};

/// What the choice hangs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Multipath {
    /// `net.ipv4.fib_multipath_hash_policy`: 0 for addresses, 1 for addresses and ports, 2 for inner
    /// addresses, 3 for the fields of `fields`.
    pub policy: u8,
    /// `net.ipv4.fib_multipath_hash_fields`, bits of `FIB_MULTIPATH_HASH_FIELD_*`.
    pub fields: u16,
    /// `net.ipv4.fib_multipath_hash_seed`, or one that nobody can foretell.
    pub seed: u32,
}

/// The IPv4 header of the packet inside of one that carries another, by the protocols that the
/// kernel's dissector goes into: IP in IP, and GRE without options.
fn inner(l3: &[u8]) -> Option<&[u8]> {
    let at = usize::from(l3.first()? & 0x0f) * 4;
    let whole = u16::from_be_bytes([*l3.get(6)?, *l3.get(7)?]) & 0x3fff == 0;
    match l3.get(9)? {
        4 if whole => l3.get(at..),
        47 if whole => {
            let gre = l3.get(at..at + 4)?;
            let words = [0x80, 0x20, 0x10].map(|bit| usize::from(gre[0] & bit != 0));
            let len = 4 + 4 * words.iter().sum::<usize>();
            (gre[2..4] == [0x08, 0x00]).then(|| l3.get(at + len..))?
        }
        _ => None,
    }
    .filter(|inner| inner.len() >= 20 && inner[0] >> 4 == 4)
}

/// The packet that an ICMP error is about: the error takes the path of what caused it.
fn concerned(l3: &[u8]) -> Option<&[u8]> {
    let at = usize::from(l3.first()? & 0x0f) * 4;
    let first = u16::from_be_bytes([*l3.get(6)?, *l3.get(7)?]) & 0x1fff == 0;
    let is_error = *l3.get(9)? == protocol::ICMP && matches!(l3.get(at)?, 3 | 4 | 5 | 11 | 12);
    l3.get(at + 8..).filter(|inner| first && is_error && inner.len() >= 20)
}

/// Hash of a flow under `fib_multipath_hash_policy` [6.136].
pub fn path_hash(ip: &[u8], rules: &Multipath) -> u32 {
    let seed = rules.seed;
    let word = |ip: &[u8], at: usize| {
        ip.get(at..at + 4).and_then(|word| word.try_into().ok()).map_or(0, u32::from_be_bytes)
    };
    let addresses = |ip: &[u8]| l3_hash(word(ip, 12), word(ip, 16), seed);
    match rules.policy {
        0 => addresses(concerned(ip).unwrap_or(ip)),
        1 => flow_hash(ip, seed),
        2 => addresses(inner(ip).unwrap_or(ip)),
        _ => {
            let fields = rules.fields;
            let pick = |flow: Flow, bit: u16| {
                let on = |n: u16| fields & (bit << n) != 0;
                let keep = |value: u32, n| if on(n) { value } else { 0 };
                tuple_hash(
                    keep(flow.src, 0),
                    keep(flow.dst, 1),
                    keep(flow.protocol.into(), 2) as u8,
                    keep(flow.sport.into(), 4) as u16,
                    keep(flow.dport.into(), 5) as u16,
                    seed,
                )
            };
            let outer = pick(Flow::of(ip, 0, 0), 1);
            match inner(ip).filter(|_| fields & 0x0fc0 != 0) {
                Some(inner) => outer ^ pick(Flow::of(inner, 0, 0), 1 << 6).rotate_left(16),
                None => outer,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::FrameBuilder;
    use std::net::Ipv4Addr;

    const A: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    const B: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 77);

    fn hash(policy: u8, fields: u16, frame: FrameBuilder) -> u32 {
        path_hash(&frame.build()[14..], &Multipath { policy, fields, seed: 7 })
    }

    fn udp(sport: u16) -> FrameBuilder {
        FrameBuilder::new().ipv4(A, B).udp(sport, 53)
    }

    #[test]
    fn each_policy_looks_at_its_fields() {
        assert_eq!(hash(0, 0, udp(1)), hash(0, 0, udp(2)));
        assert_ne!(hash(1, 0, udp(1)), hash(1, 0, udp(2)));
        let (ports, addresses) = (0x30, 0x03);
        assert_ne!(hash(3, ports, udp(1)), hash(3, ports, udp(2)));
        assert_eq!(hash(3, addresses, udp(1)), hash(3, addresses, udp(2)));
        let other = FrameBuilder::new().ipv4(B, Ipv4Addr::new(9, 9, 9, 9)).udp(1, 53);
        assert_eq!(hash(3, ports, udp(1)), hash(3, ports, other));
    }

    /// 100,000 flows that differ in the fields that a policy looks at.
    fn flows(policy: u8, fields: u16) -> impl Iterator<Item = FrameBuilder> {
        (0..100_000_u32).map(move |n| {
            let host = Ipv4Addr::from_bits(0x0a00_0000 + n);
            let by_ports = policy == 1 || policy == 3 && fields & 0x30 != 0;
            match by_ports {
                true => {
                    let net = Ipv4Addr::new(10, 0, 0, (n >> 15) as u8);
                    FrameBuilder::new().ipv4(net, B).udp(1024 + (n & 0x7fff) as u16, 53)
                }
                false => FrameBuilder::new().ipv4(host, B).udp(1, 53),
            }
        })
    }

    #[test]
    fn every_policy_shares_a_hundred_thousand_flows_by_weight_within_two_percent() {
        for (policy, fields) in [(0, 0), (1, 0), (2, 0), (3, 0x03), (3, 0x01), (3, 0x37)] {
            for weights in [&[1_u32, 1][..], &[1, 2, 5], &[3, 5], &[10, 1, 1, 1, 1, 1, 1]] {
                let total: u32 = weights.iter().sum();
                let mut counts = vec![0_u32; weights.len()];
                for flow in flows(policy, fields) {
                    // As `HopTable::member` does, of one bucket a unit of weight.
                    let hash = u64::from(hash(policy, fields, flow));
                    let mut place = ((hash * u64::from(total)) >> 32) as u32;
                    let member = weights.iter().position(|weight| {
                        let here = place < *weight;
                        place = place.saturating_sub(*weight);
                        here
                    });
                    counts[member.unwrap()] += 1;
                }
                for (count, weight) in counts.iter().zip(weights) {
                    let share = f64::from(*count) / 100_000.0;
                    let due = f64::from(*weight) / f64::from(total);
                    assert!(
                        (share - due).abs() < 0.02,
                        "policy {policy} {fields:#x}, {weights:?}: {share} for {due}"
                    );
                }
            }
        }
    }

    #[test]
    fn both_directions_meet() {
        let back = FrameBuilder::new().ipv4(B, A).udp(53, 1);
        for policy in 0..=3 {
            assert_eq!(hash(policy, 0x37, udp(1)), hash(policy, 0x37, back.clone()));
        }
    }

    #[test]
    fn an_error_takes_the_path_of_what_it_is_about() {
        let quoted = udp(1).build();
        let mut message = vec![11, 0, 0, 0, 0, 0, 0, 0];
        message.extend_from_slice(&quoted[14..]);
        let error = FrameBuilder::new().ipv4(Ipv4Addr::new(8, 8, 8, 8), A).protocol(1);
        assert_eq!(hash(0, 0, error.payload(&message)), hash(0, 0, udp(1)));
    }

    #[test]
    fn tunnels_are_told_apart_by_what_they_carry() {
        let carried = |port| {
            let inner = udp(port).build();
            let outer = FrameBuilder::new().ipv4(B, Ipv4Addr::new(8, 8, 8, 8)).protocol(4);
            outer.payload(&inner[14..])
        };
        assert_eq!(hash(2, 0, carried(1)), hash(2, 0, udp(1)));
        assert_eq!(hash(2, 0, carried(1)), hash(2, 0, carried(2)));
        assert_ne!(hash(3, 0x30 << 6, carried(1)), hash(3, 0x30 << 6, carried(2)));
    }

    #[test]
    fn no_bytes_make_it_panic() {
        bolero::check!().with_type::<(Vec<u8>, u8, u16)>().for_each(|(bytes, policy, fields)| {
            path_hash(bytes, &Multipath { policy: policy % 4, fields: *fields, seed: 0 });
        });
    }
}
