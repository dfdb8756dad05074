//! To which worker the packets of a flow come.
//!
//! - takes: a tuple, as it stands in packets
//! - gives: the worker by whose queue they come in, where that can be known
//! - obeys: how ports spread packets: by a hash in software, or by the device's
//! - costs: two multiplications, or sixteen steps for a device's hash
//!
//! A worker that chooses a port for a translated source chooses one whose answers come to itself, and
//! what has come elsewhere, as a datagram that was put together from pieces, knows where it belongs.

use crate::packet::{ipv4::protocol, toeplitz::Pattern, tuple_hash, tuple_hash6};

use super::tuple::{Addr, Tuple};

/// What of a packet a device hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fields {
    /// Addresses of packets at all.
    pub addresses: bool,
    /// Ports of TCP.
    pub tcp: bool,
    /// Ports of UDP.
    pub udp: bool,
}

/// How a device tells workers apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rss {
    /// Its key.
    pub pattern: Pattern,
    /// What it hashes of IPv4 and of IPv6.
    pub fields: [Fields; 2],
    /// The worker of each entry of its table.
    pub workers: Box<[u16]>,
}

/// Where flows are at home.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Homes {
    /// Nobody knows: ports spread packets in ways that do not agree, or that are not told.
    #[default]
    Unknown,
    /// So many workers share all flows by a hash in software.
    Hash(u32),
    /// The devices' own hash.
    Rss(Rss),
}

impl Homes {
    /// The worker to which packets with this tuple come when they come whole.
    #[inline]
    pub fn of(&self, tuple: &Tuple) -> Option<u16> {
        match self {
            Self::Unknown => None,
            Self::Hash(workers) => {
                // High bits of the product pick evenly whatever the number of workers.
                let hash = u64::from(flow_hash(tuple));
                Some(((hash * u64::from(*workers)) >> 32) as u16)
            }
            Self::Rss(rss) => rss.of(tuple),
        }
    }

    /// Whether ports count for where packets with this tuple come.
    pub fn is_by_ports(&self, tuple: &Tuple) -> bool {
        match self {
            Self::Unknown => false,
            Self::Hash(_) => has_ports(tuple.proto),
            Self::Rss(rss) => {
                let fields = rss.fields[usize::from(tuple.six)];
                match tuple.proto {
                    protocol::TCP => fields.tcp,
                    protocol::UDP => fields.udp,
                    _ => false,
                }
            }
        }
    }
}

const fn has_ports(proto: u8) -> bool {
    matches!(
        proto,
        protocol::TCP | protocol::UDP | protocol::UDPLITE | protocol::DCCP | protocol::SCTP
    )
}

/// What [`crate::packet::flow_hash`] and its counterpart have for packets with a tuple.
fn flow_hash(tuple: &Tuple) -> u32 {
    let Tuple { proto, .. } = *tuple;
    let (sport, dport) = if has_ports(proto) { (tuple.sport, tuple.dport) } else { (0, 0) };
    let four = |address: Addr| u32::from_be_bytes(address.first4());
    let six = |address: Addr| u128::from_be_bytes(address.0);
    match tuple.six {
        false => tuple_hash(four(tuple.src), four(tuple.dst), proto, sport, dport, 0),
        true => tuple_hash6(six(tuple.src), six(tuple.dst), proto, sport, dport, 0),
    }
}

impl Rss {
    fn of(&self, tuple: &Tuple) -> Option<u16> {
        let fields = self.fields[usize::from(tuple.six)];
        let ports = match tuple.proto {
            protocol::TCP => fields.tcp,
            protocol::UDP => fields.udp,
            // Devices do not agree on what they hash of it.
            protocol::SCTP => return None,
            _ => false,
        };
        if !fields.addresses && !ports {
            return None;
        }
        let words = |address: &Addr| {
            let words = address.0.as_chunks::<2>().0;
            words.iter().fold(0, |all, word| all ^ u16::from_be_bytes(*word))
        };
        let mut folded = words(&tuple.src) ^ words(&tuple.dst);
        if ports {
            folded ^= tuple.sport ^ tuple.dport;
        }
        let at = self.pattern.hash(folded) as usize % self.workers.len().max(1);
        self.workers.get(at).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{
        FrameBuilder, flow_hash as hash4, flow_hash6 as hash6, toeplitz::toeplitz,
    };
    use std::net::{Ipv4Addr, Ipv6Addr};

    fn frames(a: u32, b: u32, sport: u16, dport: u16) -> Vec<Vec<u8>> {
        let (a4, b4) = (Ipv4Addr::from_bits(a), Ipv4Addr::from_bits(b));
        let wide = |n: u32| Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(n) << 40 | 7);
        let four = FrameBuilder::new().ipv4(a4, b4);
        let six = FrameBuilder::new().ipv6(wide(a), wide(b));
        vec![
            four.clone().udp(sport, dport).build(),
            four.clone().tcp(sport, dport, 2).build(),
            four.echo_request(sport, dport).build(),
            six.clone().udp(sport, dport).build(),
            six.tcp(sport, dport, 2).build(),
        ]
    }

    /// A tuple is at home where the spreading of packets takes them.
    #[test]
    fn tuples_are_at_home_where_their_packets_come() {
        bolero::check!().with_type::<(u32, u32, u16, u16, u8)>().for_each(
            |&(a, b, sport, dport, workers)| {
                let workers = u32::from(workers).max(1);
                for frame in frames(a, b, sport, dport) {
                    let ip = &frame[14..];
                    let hash = if ip[0] >> 4 == 4 { hash4(ip, 0) } else { hash6(ip, 0) };
                    let there = (u64::from(hash) * u64::from(workers)) >> 32;
                    let tuple = Tuple::of(ip).unwrap();
                    assert_eq!(Homes::Hash(workers).of(&tuple), Some(there as u16));
                    assert_eq!(Homes::Unknown.of(&tuple), None);
                }
            },
        );
    }

    #[test]
    fn a_device_is_followed_by_its_key_and_its_table() {
        let key: Vec<u8> = [0x6d, 0x5a].into_iter().cycle().take(40).collect();
        let all = Fields { addresses: true, tcp: true, udp: true };
        let workers: Vec<u16> = (0..128).map(|entry| entry % 3).collect();
        let rss = |fields| {
            let pattern = Pattern::of(&key).unwrap();
            Homes::Rss(Rss { pattern, fields, workers: workers.clone().into() })
        };
        for frame in frames(0x0a00_0001, 0xc000_0205, 40_000, 53) {
            let ip = &frame[14..];
            let tuple = Tuple::of(ip).unwrap();
            let addresses = if tuple.six { &ip[8..40] } else { &ip[12..20] };
            let ports = tuple.proto == protocol::TCP || tuple.proto == protocol::UDP;
            let l4 = if tuple.six { 40 } else { 20 };
            let mut input = addresses.to_vec();
            let alone = toeplitz(&key, &input);
            if ports {
                input.extend(&ip[l4..l4 + 4]);
            }
            let there = workers[toeplitz(&key, &input) as usize % 128];
            assert_eq!(rss([all; 2]).of(&tuple), Some(there));
            let narrow = Fields { tcp: false, udp: false, ..all };
            assert_eq!(rss([narrow; 2]).of(&tuple), Some(workers[alone as usize % 128]));
            assert_eq!(rss([Fields::default(); 2]).of(&tuple), None);
        }
    }
}
