//! VRFs: interfaces with tables, local addresses and neighbours of their own.
//!
//! - obeys: `ip-vrf(8)`; `drivers/net/vrf.c`: the routes of an interface that comes or goes move with
//!   it, and the first VRF brings the rule that leads its packets to its table

use super::{LinkError, Router};
use crate::{
    graph::MAX_IFACES,
    packet::MacAddr,
    port::table::{Iface, IfaceConf},
    route::spec::RuleSpec,
};

/// Priority of the rule for VRFs (`FIB_RULE_PREF` of `vrf_fib_rule`).
const RULE_PRIORITY: u32 = 1000;
/// A VRF has no port.
const NO_PORT: u16 = u16::MAX;
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
            conf: IfaceConf::default(),
            vrf: 0,
            group: 0,
            vrf_table: Some(table),
            addresses: Vec::new(),
        });
        self.ifaces.sort_by_key(|iface| iface.index);
        let leads = |rule: &RuleSpec| rule.l3mdev && rule.priority == Some(RULE_PRIORITY);
        if !self.rules().iter().any(leads) {
            let rule = RuleSpec {
                priority: Some(RULE_PRIORITY),
                l3mdev: true,
                protocol: 2,
                ..RuleSpec::lookup(0)
            };
            // There is none like it.
            let _ = self.add_rule(&rule);
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
