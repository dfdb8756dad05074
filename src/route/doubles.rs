//! What stands in for interfaces in tests of this room.

use std::net::IpAddr;

use super::{
    control::Links,
    hops::{Egress, EgressFacts},
};
use crate::packet::MacAddr;

/// Every interface is there and up; no neighbour is known.
pub(super) struct Up;

impl Egress for Up {
    fn egress(&self, _: u16) -> Option<EgressFacts> {
        Some(EgressFacts {
            port: 0,
            mtu: 1500,
            mtu6: 1500,
            mac: MacAddr::new([0; 6]),
            vlan: None,
            usable: true,
            vrf: false,
        })
    }

    fn neighbour(&self, _: u16, _: IpAddr) -> Option<(MacAddr, bool)> {
        None
    }
}

impl Links for Up {
    fn by_name(&self, _: &str) -> Option<u16> {
        Some(1)
    }

    fn is_up(&self, _: u16) -> bool {
        true
    }

    fn is_local(&self, _: IpAddr, _: Option<u16>) -> bool {
        false
    }

    fn route_table(&self, _: Option<u16>) -> Option<u32> {
        None
    }
}
