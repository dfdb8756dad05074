//! Interfaces as routes and hops ask for them.

use std::net::IpAddr;

use crate::{
    dpdk::mbuf::Packet,
    neighbour::control::{Key, Neighbours},
    packet::MacAddr,
    port::table::{Iface, LOOPBACK},
    route::{
        control::{ITSELF, Links},
        hops::{Egress, EgressFacts},
    },
};

/// A view of interfaces and neighbours for the time of one change.
pub(super) struct View<'a> {
    pub(super) ifaces: &'a [Iface],
    pub(super) neighbours: &'a Neighbours<Packet>,
}

impl Egress for View<'_> {
    fn egress(&self, index: u16) -> Option<EgressFacts> {
        let iface = self.ifaces.iter().find(|iface| iface.index == index)?;
        Some(EgressFacts {
            port: iface.port,
            mtu: iface.mtu,
            mtu6: iface.mtu6(),
            mac: iface.mac,
            vlan: iface.vlan,
            usable: iface.serves(),
            vrf: iface.vrf_table.is_some(),
        })
    }

    fn neighbour(&self, iface: u16, address: IpAddr) -> Option<(MacAddr, bool)> {
        let entry = self.neighbours.get(Key { iface, address })?;
        Some((entry.valid_mac()?, entry.is_watched()))
    }
}

impl Links for View<'_> {
    fn by_name(&self, name: &str) -> Option<u16> {
        if name == LOOPBACK {
            return Some(ITSELF);
        }
        self.ifaces.iter().find(|iface| iface.name == name).map(|iface| iface.index)
    }

    fn is_up(&self, index: u16) -> bool {
        index == ITSELF || self.ifaces.iter().any(|iface| iface.index == index && iface.up)
    }

    fn route_table(&self, iface: Option<u16>) -> Option<u32> {
        let of = |index: u16| self.ifaces.iter().find(|iface| iface.index == index);
        of(of(iface?)?.vrf)?.vrf_table
    }

    fn is_local(&self, address: IpAddr, by: Option<u16>) -> bool {
        match address {
            IpAddr::V4(four) => self
                .ifaces
                .iter()
                .any(|iface| iface.addresses.iter().any(|own| own.local.addr() == four)),
            IpAddr::V6(six) => self
                .ifaces
                .iter()
                .filter(|iface| !six.is_unicast_link_local() || by == Some(iface.index))
                .any(|iface| iface.addresses6.iter().any(|own| own.local.addr() == six)),
        }
    }
}
