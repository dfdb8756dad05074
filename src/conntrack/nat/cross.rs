//! Connections whose hosts inside speak IPv6 and whose servers speak IPv4 (NAT64).
//!
//! - takes: connections of IPv6 to an address with one of IPv4 in it
//! - gives: the tuple that the connection has in IPv4: a [`Net64`] says which addresses stand for which
//! - obeys: RFC 6146 sections 3.1, 3.5 and 3.8, RFC 6052 section 2.2; who may send from outside is whoever
//!   was sent to, unless operators want otherwise
//! - costs: what the choice of a port costs, once a connection
//!
//! An address and port inside has one of the pool for all servers of a protocol, and addresses of one host
//! are of one address of the pool. The connection is one entry, whose tuples are of two families.

use crate::packet::{icmp4, icmp6, ipv4::protocol};

use super::super::{
    entry::{ConnId, Dir, status},
    tuple::{Addr, ICMPV6, Tuple},
};
use super::{
    Choice, Range,
    blocks::Refused,
    choose::flag,
    setup::{Env, Others, Outcome},
};

/// Addresses that stand for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Net64 {
    /// The prefix that IPv4 is seen in.
    pub prefix: Addr,
    /// Its length: 32, 40, 48, 56, 64 or 96.
    pub len: u8,
    /// First and last address that hosts are seen as.
    pub pool: [Addr; 2],
}

impl Net64 {
    /// The octets of an address of IPv6 in which the four of IPv4 stand; the ninth is always 0.
    fn places(self) -> [usize; 4] {
        let start = usize::from(self.len / 8);
        let place = |n: usize| if start + n >= 8 && start < 9 { start + n + 1 } else { start + n };
        [0, 1, 2, 3].map(place)
    }

    /// The address of IPv4 in one of the prefix.
    pub fn inner(self, address: Addr) -> Option<Addr> {
        let len = usize::from(self.len / 8);
        let same = address.0.get(..len)? == self.prefix.0.get(..len)?;
        let octets = self.places().map(|at| address.0.get(at).copied().unwrap_or(0));
        same.then_some(Addr::four(octets))
    }

    /// The address that stands for one of IPv4.
    pub fn outer(self, four: Addr) -> Addr {
        let mut address = self.prefix;
        for (at, octet) in self.places().into_iter().zip(four.first4()) {
            if let Some(place) = address.0.get_mut(at) {
                *place = octet;
            }
        }
        address
    }

    /// Whether hosts are seen as this address.
    pub fn is_pool(self, four: Addr) -> bool {
        (self.pool[0]..=self.pool[1]).contains(&four)
    }
}

/// Whether somebody beyond a link can have this address.
pub const fn is_host4(address: Addr) -> bool {
    !matches!(address.first4(), [0 | 127 | 224.., ..])
}

/// The same of IPv6.
const fn is_host6(Addr(octets): Addr) -> bool {
    let odd = matches!(octets, [0xff, ..] | [0xfe, 0x80..=0xbf, ..]);
    !odd && u128::from_be_bytes(octets) > 1
}

/// The tuple of a first packet in IPv4 but for its source, where it has one.
fn seen_outside(tuple: &Tuple, net: Net64) -> Option<Tuple> {
    let host = tuple.six && net.inner(tuple.src).is_none() && is_host6(tuple.src);
    let dst = net.inner(tuple.dst).filter(|dst| host && is_host4(*dst))?;
    let (proto, dport) = match (tuple.proto, tuple.type_code()) {
        (ICMPV6, [icmp6::ty::ECHO_REQUEST, 0]) => {
            (protocol::ICMP, u16::from_be_bytes([icmp4::ty::ECHO_REQUEST, 0]))
        }
        (protocol::TCP | protocol::UDP, _) => (tuple.proto, tuple.dport),
        _ => return None,
    };
    // Hosts are spread over the pool by their addresses.
    let host = tuple
        .src
        .0
        .as_chunks::<4>()
        .0
        .iter()
        .fold([0; 4], |all, word| std::array::from_fn(|at| all[at] ^ word[at]));
    Some(Tuple { src: Addr::four(host), dst, dport, proto, six: false, ..*tuple })
}

/// The tuple of a first packet in IPv6 that comes from outside to what a host is seen as.
fn seen_inside(tuple: &Tuple, inner: &Tuple, net: Net64) -> Option<Tuple> {
    let (sport, dport) = match (tuple.proto, tuple.type_code()) {
        (protocol::ICMP, [icmp4::ty::ECHO_REQUEST, 0]) => {
            (inner.sport, u16::from_be_bytes([icmp6::ty::ECHO_REQUEST, 0]))
        }
        (protocol::TCP | protocol::UDP, _) => (tuple.sport, inner.sport),
        _ => return None,
    };
    let (src, dst) = (net.outer(Some(tuple.src).filter(|src| is_host4(*src))?), inner.src);
    Some(Tuple { src, dst, sport, dport, proto: inner.proto, six: true, ..*tuple })
}

impl<S: Fn(&Tuple) -> bool, R: FnMut() -> u16> Env<'_, S, R> {
    /// Gives a connection from IPv4 that has not left yet its tuple in IPv6.
    pub fn cross_inward(&mut self, conn: ConnId, net: Net64, from_inside: bool) -> Outcome {
        let none = Outcome::Refused(Refused::NoBlock);
        let Some(entry) = self.table.get(conn) else { return Outcome::Settled };
        if entry.status & (status::CONFIRMED | status::DYING) != 0 {
            return none;
        }
        let current = entry.tuple(Dir::Reply).inverse().filter(|current| !current.six);
        let Some(current) = current else { return none };
        let carrier = self.table.carrier.as_ref();
        let inner = carrier.and_then(|carrier| carrier.inward64(&current, from_inside));
        let seen = inner.and_then(|inner| seen_inside(&current, &inner, net));
        let Some((seen, reply)) = seen.and_then(|seen| Some((seen, seen.inverse()?))) else {
            return none;
        };
        if self.table.tuple_taken(&reply, conn, self.now) {
            return none;
        }
        self.table.alter_reply(conn, reply);
        if let Some(entry) = self.table.get_mut(conn) {
            entry.status |= status::NAT_DONE_MASK;
        }
        Outcome::Chosen(Choice::Found(seen))
    }

    /// Gives a connection that has not left yet its tuple in IPv4.
    pub fn cross(&mut self, conn: ConnId, net: Net64) -> Outcome {
        let Some(entry) = self.table.get(conn) else { return Outcome::Settled };
        let current = entry.tuple(Dir::Reply).inverse();
        let original = *entry.tuple(Dir::Original);
        let done = entry.status & (status::CONFIRMED | status::DYING) != 0;
        let seen = current.filter(|_| !done).and_then(|current| seen_outside(&current, net));
        let Some(current) = seen else { return Outcome::Refused(Refused::NoBlock) };
        let [min, max] = net.pool;
        let flags = flag::MAP_IPS | flag::PERSISTENT;
        let range = Range { flags, min, max, ..Range::NONE };
        let mut carrier = self.table.carrier.take();
        let mut others = Others {
            table: self.table,
            sources: self.sources,
            steers: &self.steers,
            conn,
            now: self.now,
        };
        let decision = match &mut carrier {
            Some(carrier) => {
                carrier.cross(&original, &current, &range, &mut others, &mut self.random)
            }
            None => Err(Refused::NoBlock),
        };
        let held = decision.and_then(|decision| {
            let Some(carrier) = &mut carrier else { return Err(Refused::NoBlock) };
            let affinity = self.table.affinity.as_ref();
            let bits = carrier.hold(conn.index, &original, &decision, affinity)?;
            Ok((decision, bits))
        });
        self.table.carrier = carrier;
        let (choice, holds) = match held {
            Ok((decision, holds)) => (decision.choice, holds),
            Err(refused) => return Outcome::Refused(refused),
        };
        if let Some(reply) = choice.tuple().inverse() {
            self.table.alter_reply(conn, reply);
        }
        if let Some(entry) = self.table.get_mut(conn) {
            entry.status |= status::NAT_DONE_MASK;
            entry.nodes[0].features |= holds;
        }
        Outcome::Chosen(choice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv6Addr};

    /// The table of RFC 6052 section 2.4.
    #[test]
    fn addresses_stand_where_the_rfc_puts_them() {
        let four = Addr::four([192, 0, 2, 33]);
        for (prefix, len, seen) in [
            ("2001:db8::", 32, "2001:db8:c000:221::"),
            ("2001:db8:100::", 40, "2001:db8:1c0:2:21::"),
            ("2001:db8:122::", 48, "2001:db8:122:c000:2:2100::"),
            ("2001:db8:122:300::", 56, "2001:db8:122:3c0:0:221::"),
            ("2001:db8:122:344::", 64, "2001:db8:122:344:c0:2:2100::"),
            ("2001:db8:122:344::", 96, "2001:db8:122:344::c000:221"),
            ("64:ff9b::", 96, "64:ff9b::c000:221"),
        ] {
            let address = |text: &str| Addr::from(IpAddr::V6(text.parse::<Ipv6Addr>().unwrap()));
            let net = Net64 { prefix: address(prefix), len, pool: [four; 2] };
            assert_eq!(net.outer(four), address(seen), "{prefix}/{len}");
            assert_eq!(net.inner(address(seen)), Some(four), "{prefix}/{len}");
            assert_eq!(net.inner(address("2001:db9::")), None);
        }
    }

    #[test]
    fn only_what_has_a_counterpart_crosses() {
        let prefix = Addr::from(IpAddr::V6("64:ff9b::".parse::<Ipv6Addr>().unwrap()));
        let net = Net64 { prefix, len: 96, pool: [Addr::four([192, 0, 2, 1]); 2] };
        let server = net.outer(Addr::four([198, 51, 100, 7]));
        let host = Addr([0x20; 16]);
        let tuple =
            Tuple { src: host, dst: server, sport: 9, dport: 80, six: true, proto: 6, zone: 3 };
        let seen = seen_outside(&tuple, net).unwrap();
        assert_eq!((seen.dst, seen.sport, seen.dport), (Addr::four([198, 51, 100, 7]), 9, 80));
        assert!(!seen.six && seen.zone == 3 && seen.proto == 6);
        let ping = Tuple { proto: ICMPV6, dport: 0x8000, ..tuple };
        let seen = seen_outside(&ping, net).unwrap();
        assert_eq!((seen.proto, seen.dport, seen.sport), (protocol::ICMP, 0x0800, 9));
        for other in [
            Tuple { proto: 132, ..tuple },
            Tuple { dport: 0x8700, ..ping },
            Tuple { src: server, ..tuple },
            Tuple { dst: host, ..tuple },
            Tuple { six: false, ..tuple },
            Tuple { src: Addr([0xff; 16]), ..tuple },
            Tuple { src: Addr([0; 16]), ..tuple },
            Tuple { dst: net.outer(Addr::four([127, 0, 0, 1])), ..tuple },
            Tuple { dst: net.outer(Addr::four([224, 0, 0, 5])), ..tuple },
        ] {
            assert_eq!(seen_outside(&other, net), None, "{other:?}");
        }
    }
}
