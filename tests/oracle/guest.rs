//! The oracle where this machine's kernel knows too little: a guest's kernel, as the router.

use std::cell::RefCell;

use crate::common::guest::{self, Guest};
use crate::corpus::Family;
use crate::linux::FORWARDING;
use crate::outcome::{Outcome, Said};
use crate::topology::{Port, Topology};
use crate::wires::Wires;

/// What the guest's kernel is to know beside its cards.
const MODULES: [&str; 2] = ["vrf", "8021q"];

/// A Linux router in a machine of its own, with a wire in each port.
pub(crate) struct GuestRouter {
    guest: RefCell<Guest>,
    wires: Wires,
}

/// Why a topology that needs a guest cannot be had, if it cannot.
pub(crate) fn missing(topology: &Topology) -> Option<String> {
    if topology.vrfs.is_empty() { None } else { guest::missing() }
}

impl GuestRouter {
    /// Boots and configures it.
    pub(crate) fn new(topology: &Topology) -> Self {
        let cards: Vec<_> = topology
            .ports
            .iter()
            .filter(|port| port.vlan.is_none())
            .map(|port| (port.name, port.mac))
            .collect();
        let (mut guest, nics) = Guest::boot(&MODULES, &cards, topology.six);
        let names = topology.ports.iter().map(|port| port.name);
        let names: Vec<_> = names.chain(topology.vrfs.iter().map(|vrf| vrf.name)).collect();
        let of_one = |name: &str| {
            let ways = ["net.ipv4.conf.", "net.ipv6.conf."];
            let rest = ways.iter().find_map(|way| name.strip_prefix(way));
            let rest = rest.and_then(|rest| rest.rsplit_once('.'));
            rest.is_some_and(|(interface, _)| names.contains(&interface))
        };
        let (special, general): (Vec<_>, Vec<_>) =
            topology.sysctls.iter().partition(|(name, _)| of_one(name));
        for (name, value) in general.into_iter().filter(|(name, _)| name != FORWARDING) {
            guest.sysctl(name, value);
        }
        for vrf in &topology.vrfs {
            guest.ip(&format!("link add {} up type vrf table {}", vrf.name, vrf.table));
        }
        for Port { name, mtu, vlan, vrf, .. } in &topology.ports {
            if let Some((parent, vid)) = vlan {
                guest.ip(&format!("link add link {parent} name {name} type vlan id {vid}"));
            }
            if let Some(vrf) = vrf {
                guest.ip(&format!("link set {name} master {vrf}"));
            }
            if topology.six {
                // Cards were there before the default was set.
                guest.sysctl(&format!("net.ipv6.conf.{name}.accept_dad"), "0");
            }
            guest.ip(&format!("link set {name} mtu {mtu} up"));
        }
        let forwarding = topology.sysctls.iter().filter(|(name, _)| name == FORWARDING);
        for (name, value) in forwarding.chain(special) {
            guest.sysctl(name, value);
        }
        guest.ip_batch(&topology.ip_batch());
        Self { guest: RefCell::new(guest), wires: Wires::of_guest(nics) }
    }

    /// Gives it a family of frames.
    pub(crate) fn play(&self, family: &Family) -> Vec<Outcome> {
        let command = |words: &str| {
            let (status, out) = self.guest.borrow_mut().run(&format!("/bin/iproute2 {words}"));
            Said { out, status, ..Said::default() }
        };
        self.wires.play_with_answers(&family.topology, &family.steps, command)
    }
}
