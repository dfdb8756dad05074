//! IPv6 gateways of IPv4 routes (RFC 5549, RFC 8950).
//!
//! The neighbour machine, the hops and the workers know neighbours by interface and IPv4 address. An
//! IPv6 gateway has a surrogate there: an address in 127/8, which no neighbour on a link can have. It
//! stands for that gateway for good, so that a packet on its way to the management core never meets
//! another one under the same address.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, Ipv6Addr},
};

const FIRST: u32 = 127 << 24 | 1;
const LAST: u32 = 127 << 24 | 0x00ff_ffff;

/// Surrogates in use.
#[derive(Clone, Debug, Default)]
pub struct Surrogates {
    by_gateway: BTreeMap<(u16, Ipv6Addr), Ipv4Addr>,
    by_surrogate: BTreeMap<Ipv4Addr, Ipv6Addr>,
}

impl Surrogates {
    /// The surrogate of a gateway on an interface. Of more than sixteen million the last ones share
    /// one, which never resolves.
    pub fn of(&mut self, iface: u16, gateway: Ipv6Addr) -> Ipv4Addr {
        let next = FIRST.saturating_add(self.by_gateway.len() as u32).min(LAST);
        let surrogate =
            *self.by_gateway.entry((iface, gateway)).or_insert_with(|| Ipv4Addr::from_bits(next));
        if surrogate.to_bits() != LAST {
            self.by_surrogate.insert(surrogate, gateway);
        }
        surrogate
    }

    /// The surrogate that a gateway has already.
    pub fn known(&self, iface: u16, gateway: Ipv6Addr) -> Option<Ipv4Addr> {
        self.by_gateway.get(&(iface, gateway)).copied()
    }

    /// The gateway that an address stands for.
    pub fn gateway(&self, address: Ipv4Addr) -> Option<Ipv6Addr> {
        self.by_surrogate.get(&address).copied()
    }

    /// True when nobody has one.
    pub fn is_empty(&self) -> bool {
        self.by_gateway.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_surrogate_stands_for_one_gateway_on_one_interface() {
        let mut all = Surrogates::default();
        let (a, b): (Ipv6Addr, Ipv6Addr) = ("fe80::1".parse().unwrap(), "fe80::2".parse().unwrap());
        let first = all.of(1, a);
        assert_eq!(all.of(1, a), first);
        assert!(first.is_loopback());
        let others = [all.of(1, b), all.of(2, a)];
        assert!(!others.contains(&first) && others[0] != others[1]);
        assert_eq!(all.gateway(others[1]), Some(a));
        assert_eq!((all.known(1, b), all.known(2, b)), (Some(others[0]), None));
    }
}
