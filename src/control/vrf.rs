//! VRFs: interfaces with tables, local addresses and neighbours of their own.
//!
//! - obeys: `ip-vrf(8)`; `drivers/net/vrf.c`: the routes of an interface that comes or goes move with
//!   it, and the first VRF brings the rule that leads its packets to its table

use super::{LinkError, Router};
use crate::{
    graph::MAX_IFACES,
    packet::MacAddr,
    port::table::{Iface, IfaceConf, IfaceConf6, NO_PORT},
    route::spec::RuleSpec,
};

/// Priority of the rule for VRFs (`FIB_RULE_PREF` of `vrf_fib_rule`).
const RULE_PRIORITY: u32 = 1000;
/// MTU of a VRF, as the kernel has it.
const MTU: u16 = u16::MAX;

impl Router {
    /// An index that no interface has.
    pub(super) fn free_index(&self) -> Result<u16, LinkError> {
        (1..MAX_IFACES as u16)
            .find(|index| self.ifaces.iter().all(|iface| iface.index != *index))
            .ok_or(LinkError::Full)
    }

    /// Adds a VRF whose routes stand in `table`; it is up when it is switched on. Gives its index.
    ///
    /// # Errors
    /// When the name or the table is taken, or no index is left.
    pub fn add_vrf(&mut self, name: &str, table: u32) -> Result<u16, LinkError> {
        if self.iface(name).is_some() {
            return Err(LinkError::Exists);
        }
        if table == 0 {
            return Err(LinkError::Invalid);
        }
        let index = self.free_index()?;
        let [high, low] = index.to_be_bytes();
        self.ifaces.push(Iface {
            index,
            name: name.to_owned(),
            port: NO_PORT,
            vlan: None,
            parent: None,
            mac: MacAddr::new([0x02, 0x56, 0x52, 0x46, high, low]),
            mtu: MTU,
            up: false,
            carrier: true,
            noarp: true,
            conf: IfaceConf::default(),
            vrf: 0,
            group: 0,
            vrf_table: Some(table),
            addresses: Vec::new(),
            addresses6: Vec::new(),
            conf6: IfaceConf6::default(),
            groups6: Vec::new(),
            groups4: Vec::new(),
            filters: Vec::new(),
            link6: 0,
        });
        self.neighbours.add_device(index, None);
        self.ifaces.sort_by_key(|iface| iface.index);
        let leads = |rule: &RuleSpec| rule.l3mdev && rule.priority == Some(RULE_PRIORITY);
        for any in [RuleSpec::lookup(0), RuleSpec::lookup6(0)] {
            if !self.rules_of(any.is_six()).iter().any(leads) {
                let priority = Some(RULE_PRIORITY);
                let rule = RuleSpec { priority, l3mdev: true, protocol: 2, ..any };
                // There is none like it.
                let _ = self.add_rule(&rule);
            }
        }
        self.links_changed();
        self.tell_link(index);
        Ok(index)
    }

    /// Puts an interface into a VRF, or out of it. As in the kernel it goes down and up again: its
    /// neighbours are forgotten, and the routes of its addresses move.
    ///
    /// # Errors
    /// When there is no such interface, or `master` is no VRF.
    pub fn set_master(&mut self, name: &str, master: Option<&str>) -> Result<(), LinkError> {
        let missing = |name: &str| LinkError::NoDevice(name.to_owned());
        let iface = self.iface(name).ok_or_else(|| missing(name))?;
        let (was, is_vrf, up) = (iface.vrf, iface.vrf_table.is_some(), iface.up);
        let vrf = match master {
            None => 0,
            Some(master) => {
                let vrf = self.iface(master).ok_or_else(|| missing(master))?;
                if vrf.vrf_table.is_none() || is_vrf {
                    return Err(LinkError::Invalid);
                }
                vrf.index
            }
        };
        if was == vrf {
            return Ok(());
        }
        self.set_up(name, false)?;
        self.move_addresses(name, vrf);
        self.set_up(name, up)?;
        self.links_changed();
        if let Some(place) = self.find(name) {
            self.tell_link(self.ifaces[place].index);
        }
        Ok(())
    }

    /// Puts an interface into a group, which rules may name.
    ///
    /// # Errors
    /// When there is no such interface.
    pub fn set_group(&mut self, name: &str, group: u32) -> Result<(), LinkError> {
        let place = self.find(name).ok_or_else(|| LinkError::NoDevice(name.to_owned()))?;
        if std::mem::replace(&mut self.ifaces[place].group, group) != group {
            self.links_changed();
            self.tell_link(self.ifaces[place].index);
        }
        Ok(())
    }

    /// The table of the VRF that an interface is in, or is.
    pub(super) fn vrf_table_of(&self, index: u16) -> Option<u32> {
        let vrf = self.ifaces.iter().find(|iface| iface.index == index)?.own_vrf();
        self.ifaces.iter().find(|iface| iface.index == vrf)?.vrf_table
    }

    /// Takes the interfaces of a VRF out of it, before it goes.
    pub(super) fn release_slaves(&mut self, vrf: u16) {
        let slaves: Vec<String> =
            self.ifaces.iter().filter(|own| own.vrf == vrf).map(|own| own.name.clone()).collect();
        for name in slaves {
            // It is there: it was just found.
            let _ = self.set_master(&name, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::NeighbourSpec;
    use crate::{
        control::{IfaceSpec, Limits},
        dpdk::{
            eal::{Eal, EalOptions, Huge},
            mempool::Pool,
        },
        neighbour::control::{Key, State},
        packet::{Flow, MacAddr},
        publish::Epochs,
        route::{
            control::Verb,
            rib::Prefix,
            spec::{NextHopSpec, RouteSpec, table},
            table::HopKind,
        },
    };
    use std::net::Ipv4Addr;

    const ROUTER: &str = "10.1.0.1/24";

    /// Two VRFs with a port each, both ports with the same address; a port outside, and a VLAN on
    /// the first.
    fn router() -> (Router, Eal) {
        let options = EalOptions {
            prefix: "vrf".into(),
            huge: Huge::Never,
            in_memory: true,
            memory_mib: Some(32),
            ..EalOptions::default()
        };
        let eal = Eal::start(&options).unwrap();
        let pool = Pool::new("vrf", 1023, 0, 2176, -1).unwrap();
        let limits = Limits { routes: 1000, nexthops: 1000, neighbours: 100, fib_groups: 100 };
        let mut router = Router::new(&limits, Epochs::new(0), pool, false, false, 1);
        for (port, name, vlan) in
            [(0, "r1", None), (1, "b1", None), (2, "out", None), (0, "r1.5", Some(5))]
        {
            let mac = MacAddr::new([2, 0, 0, 0, 0, port as u8]);
            let name = name.to_owned();
            let conf = IfaceConf::default();
            let conf6 = IfaceConf6::default();
            router.add_iface(IfaceSpec { name, port, vlan, mac, mtu: 1500, conf, conf6 }).unwrap();
        }
        router.add_vrf("red", 10).unwrap();
        router.add_vrf("blue", 20).unwrap();
        router.set_master("r1", Some("red")).unwrap();
        router.set_master("b1", Some("blue")).unwrap();
        for name in ["r1", "b1", "out", "r1.5", "red", "blue"] {
            router.set_up(name, true).unwrap();
        }
        for name in ["r1", "b1"] {
            router.add_address(name, ROUTER.parse().unwrap(), None).unwrap();
        }
        router.add_address("out", "203.0.113.1/24".parse().unwrap(), None).unwrap();
        router.commit();
        (router, eal)
    }

    fn index(router: &Router, name: &str) -> u16 {
        router.iface(name).unwrap().index
    }

    /// What becomes of a packet that comes by an interface, and by which one it goes.
    fn way(router: &Router, from: &str, dst: [u8; 4]) -> (HopKind, u16) {
        let tables = router.current();
        let iif = index(router, from);
        let flow =
            Flow { dst: u32::from_be_bytes(dst), iif, vrf: tables.vrf(iif), ..Flow::default() };
        let hop = tables.hops.get(tables.route(&flow));
        (hop.kind(), hop.out().iface)
    }

    fn has(router: &Router, table_id: u32, prefix: [u8; 4], len: u8) -> bool {
        let prefix = Prefix::of(u32::from_be_bytes(prefix), len);
        !router.routes().rib().get(table_id, prefix).is_empty()
    }

    #[test]
    fn equal_addresses_stand_in_each_vrfs_own_table_and_lead_to_its_own_links() {
        let (router, _eal) = router();
        for table_id in [10, 20] {
            assert!(has(&router, table_id, [10, 1, 0, 1], 32), "local in {table_id}");
            assert!(has(&router, table_id, [10, 1, 0, 0], 24), "connected in {table_id}");
        }
        assert!(!has(&router, table::LOCAL, [10, 1, 0, 1], 32));
        let (r1, b1, out) = (index(&router, "r1"), index(&router, "b1"), index(&router, "out"));
        assert_eq!(way(&router, "r1", [10, 1, 0, 9]), (HopKind::Link, r1));
        assert_eq!(way(&router, "b1", [10, 1, 0, 9]), (HopKind::Link, b1));
        assert_eq!(way(&router, "out", [10, 1, 0, 9]).0, HopKind::NoRoute);
        // The local table is asked before the VRF's, the main table after it.
        assert_eq!(way(&router, "r1", [203, 0, 113, 1]).0, HopKind::Local);
        assert_eq!(way(&router, "r1", [203, 0, 113, 9]), (HopKind::Link, out));
        let tables = router.current();
        let own = Ipv4Addr::new(10, 1, 0, 1);
        assert!(tables.owns(r1, own) && tables.owns(b1, own) && !tables.owns(out, own));
        assert!(tables.owns(r1, Ipv4Addr::new(203, 0, 113, 1)));
    }

    #[test]
    fn a_rule_for_a_vrf_takes_what_comes_by_its_links() {
        let (mut router, _eal) = router();
        let rule = RuleSpec {
            priority: Some(500),
            iif: Some("red".into()),
            action: crate::route::spec::RuleAction::Prohibit,
            ..RuleSpec::lookup(table::MAIN)
        };
        router.add_rule(&rule).unwrap();
        router.commit();
        assert_eq!(way(&router, "r1", [10, 1, 0, 9]).0, HopKind::Prohibit);
        assert_eq!(way(&router, "b1", [10, 1, 0, 9]).0, HopKind::Link);
        assert_eq!(way(&router, "out", [203, 0, 113, 9]).0, HopKind::Link);
    }

    #[test]
    fn an_interface_takes_its_routes_along_and_leaves_its_neighbours_behind() {
        let (mut router, _eal) = router();
        let (mac, address) = (MacAddr::new([2, 9, 9, 9, 9, 9]), Ipv4Addr::new(203, 0, 113, 9));
        let spec = NeighbourSpec::permanent(mac);
        router.set_neighbour(Verb::Add, "out", address.into(), &spec, 0).unwrap();
        router.set_master("out", Some("red")).unwrap();
        router.commit();
        assert!(has(&router, 10, [203, 0, 113, 0], 24) && has(&router, 10, [203, 0, 113, 1], 32));
        assert!(!has(&router, table::MAIN, [203, 0, 113, 0], 24));
        assert!(!has(&router, table::LOCAL, [203, 0, 113, 1], 32));
        assert_eq!(router.neighbours().iter().count(), 0);
        assert_eq!(way(&router, "b1", [203, 0, 113, 9]).0, HopKind::NoRoute);
        assert_eq!(router.set_master("red", Some("blue")), Err(LinkError::Invalid));
        router.delete_iface("red").unwrap();
        router.commit();
        assert_eq!((router.iface("r1").unwrap().vrf, router.iface("out").unwrap().vrf), (0, 0));
        assert!(has(&router, table::MAIN, [10, 1, 0, 0], 24));
        assert!(!has(&router, 10, [10, 1, 0, 0], 24));
    }

    #[test]
    fn an_address_that_goes_takes_no_routes_of_another_vrf_along() {
        let (mut router, _eal) = router();
        for (table_id, dev) in [(10, "r1"), (20, "b1")] {
            let hop = NextHopSpec { via: None, dev: Some(dev.into()), weight: 1, onlink: false };
            let spec = RouteSpec {
                table: table_id,
                prefsrc: Some(Ipv4Addr::new(10, 1, 0, 1).into()),
                ..RouteSpec::through("10.5.0.0/16".parse::<ipnet::Ipv4Net>().unwrap(), hop)
            };
            router.route(Verb::Add, &spec).unwrap();
        }
        // Another address keeps the interface routing.
        router.add_address("r1", "10.2.0.1/24".parse().unwrap(), None).unwrap();
        router.delete_address("r1", ROUTER.parse().unwrap()).unwrap();
        assert!(!has(&router, 10, [10, 5, 0, 0], 16), "it went with its source");
        assert!(has(&router, 20, [10, 5, 0, 0], 16) && has(&router, 20, [10, 1, 0, 1], 32));
    }

    /// Shows [1.15] and [7.85].
    #[test]
    fn another_ethernet_address_forgets_neighbours_and_is_that_of_vlans_too() {
        let (mut router, _eal) = router();
        let other = MacAddr([2, 0, 0, 0, 0, 0x77]);
        let index = router.iface("r1").unwrap().index;
        let key = Key { iface: index, address: "10.1.0.9".parse().unwrap() };
        let known = |router: &Router| router.neighbours().get(key).map(|entry| entry.state);
        let learn = |router: &mut Router| {
            let mac = MacAddr([2, 0, 0, 0, 0, 9]);
            router.with_neighbours(|all| all.set(0, key, mac, State::Permanent));
        };
        learn(&mut router);
        router.set_mac("r1", other).unwrap();
        assert_eq!(known(&router), None, "even what was set by hand");
        assert_eq!(router.iface("r1").unwrap().mac, other);
        assert_eq!(router.iface("r1.5").unwrap().mac, other);
        for bad in [MacAddr([1, 0, 0, 0, 0, 1]), MacAddr([0; 6]), MacAddr::BROADCAST] {
            assert_eq!(router.set_mac("r1", bad), Err(LinkError::BadMac));
        }
        learn(&mut router);
        router.set_arp("r1", true).unwrap();
        assert_eq!(known(&router), Some(State::Permanent), "nothing has changed");
        router.set_arp("r1", false).unwrap();
        assert_eq!(known(&router), None);
        assert!(router.with_neighbours(|all| all.create(0, key)));
        let entry = router.neighbours().get(key).unwrap();
        assert_eq!((entry.state, entry.mac), (State::Noarp, Some(other)));
        router.set_arp("r1", true).unwrap();
        assert_eq!(known(&router), None);
    }

    #[test]
    fn vlans_go_down_and_up_with_their_port() {
        let (mut router, _eal) = router();
        router.set_up("r1", false).unwrap();
        assert!(!router.iface("r1.5").unwrap().up);
        router.set_up("r1", true).unwrap();
        assert!(router.iface("r1.5").unwrap().up);
    }
}
