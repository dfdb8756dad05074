//! Neighbours of the management core: asked for, learned, and put where workers find them.
//!
//! - obeys: ledger 1.31, 7.60, 7.75 to 7.81; the machine is `neighbour/control.rs`, what is said on
//!   the wire `arp.rs` and `ndisc.rs`

use std::{
    net::IpAddr,
    sync::{Arc, atomic::Ordering},
};

use super::{NeighbourError, Router, events::What, links::View};
use crate::{
    dpdk::mbuf::{Flags, Packet},
    graph::{Nanos, Reason},
    icmp::table::Cause,
    icmp6::table::Cause6,
    neighbour::{
        control::{Action, EntryFlags, Key, Lost, Proxied, Refusal, State, UpdateFlags},
        table::NeighbourTables,
    },
    packet::MacAddr,
    route::{
        control::Verb,
        hops::{Change, HopSpec},
        table::Attrs,
    },
    worker::{Entry, Injected},
};

/// A neighbour as the administrator states it.
#[derive(Clone, Copy, Debug)]
pub struct NeighbourSpec {
    /// Link-layer address; without one that which is known.
    pub mac: Option<MacAddr>,
    /// State.
    pub state: State,
    /// Marks, and whether it is only to be used.
    pub flags: UpdateFlags,
    /// Who says so (`RTPROT_*`).
    pub protocol: u8,
}

impl NeighbourSpec {
    /// A neighbour for good.
    pub fn permanent(mac: MacAddr) -> Self {
        let flags = UpdateFlags::default();
        Self { mac: Some(mac), state: State::Permanent, flags, protocol: 0 }
    }
}

/// True for a packet of IPv6, whatever its neighbour's address is of.
fn is_six(packet: &Packet) -> bool {
    packet.data().get(packet.l3()).is_some_and(|first| first >> 4 == 6)
}

impl Router {
    /// Sets a neighbour by hand.
    ///
    /// # Errors
    /// When the interface is not there, the verb does not fit, or the table is full.
    pub fn set_neighbour(
        &mut self,
        verb: Verb,
        dev: &str,
        address: IpAddr,
        spec: &NeighbourSpec,
        now: Nanos,
    ) -> Result<(), NeighbourError> {
        let key = self.neighbour_key(dev, address)?;
        let verb = match verb {
            Verb::Add => (true, true, false),
            Verb::Change => (false, false, true),
            Verb::Append | Verb::Prepend => (true, false, false),
            _ => (true, false, true),
        };
        let NeighbourSpec { mac, state, flags, protocol } = *spec;
        let done = self.neighbours.administer(now, key, mac, state, flags, protocol, verb);
        self.act(now);
        done.map_err(|refusal| self.refused(refusal))
    }

    /// Forgets a neighbour.
    ///
    /// # Errors
    /// When the interface or the neighbour is not there.
    pub fn delete_neighbour(
        &mut self,
        dev: &str,
        address: IpAddr,
        now: Nanos,
    ) -> Result<(), NeighbourError> {
        let key = self.neighbour_key(dev, address)?;
        let there = self.neighbours.delete(now, key);
        self.act(now);
        if there { Ok(()) } else { Err(NeighbourError::NotFound) }
    }

    /// Answers for an address on an interface, or with `None` on all.
    ///
    /// # Errors
    /// When the interface is not there, or an IPv6 address has none.
    pub fn add_proxy(
        &mut self,
        dev: Option<&str>,
        address: IpAddr,
        entry: Proxied,
    ) -> Result<(), NeighbourError> {
        let iface = self.proxy_iface(dev, address)?;
        self.neighbours.add_proxy(iface, address, entry);
        iface.into_iter().for_each(|index| self.follow_proxies(index));
        Ok(())
    }

    /// Answers no more.
    ///
    /// # Errors
    /// When there is no such entry.
    pub fn delete_proxy(
        &mut self,
        dev: Option<&str>,
        address: IpAddr,
    ) -> Result<(), NeighbourError> {
        let iface = self.proxy_iface(dev, address)?;
        let done = self.neighbours.delete_proxy(iface, address);
        iface.into_iter().for_each(|index| self.follow_proxies(index));
        done.map_err(|refusal| self.refused(refusal))
    }

    fn proxy_iface(
        &self,
        dev: Option<&str>,
        address: IpAddr,
    ) -> Result<Option<u16>, NeighbourError> {
        match dev {
            Some(dev) => self.neighbour_key(dev, address).map(|key| Some(key.iface)),
            None if address.is_ipv6() => Err(NeighbourError::Invalid),
            None => Ok(None),
        }
    }

    fn neighbour_key(&self, dev: &str, address: IpAddr) -> Result<Key, NeighbourError> {
        let iface = self.iface(dev).ok_or_else(|| NeighbourError::NoDevice(dev.into()))?.index;
        Ok(Key { iface, address })
    }

    fn refused(&self, refusal: Refusal) -> NeighbourError {
        match refusal {
            Refusal::NotFound => NeighbourError::NotFound,
            Refusal::Exists => NeighbourError::Exists,
            Refusal::Full => NeighbourError::Full(self.neighbours.limit()),
            Refusal::NoAddress => NeighbourError::NoAddress,
            Refusal::Permanent => NeighbourError::Managed,
            Refusal::Locked => NeighbourError::Invalid,
        }
    }

    /// A worker has used a hop whose neighbour is in doubt.
    pub fn note_used(&mut self, now: Nanos, hop: u32) {
        if let Some(HopSpec::Via { iface, gateway: Some(address), .. }) = self.hops.spec(hop) {
            let key = Key { iface: *iface, address: *address };
            self.neighbours.note_used(now, key);
            self.act(now);
        }
    }

    /// Ends a packet that the management core holds.
    pub fn discard(&mut self, packet: Packet, reason: Reason) {
        self.drop_packet(packet, reason);
    }

    pub(super) fn drop_packet(&mut self, packet: Packet, reason: Reason) {
        drop(packet);
        *self.dropped.entry(reason).or_default() += 1;
    }

    /// Does what the neighbour tables want done.
    pub(super) fn act(&mut self, now: Nanos) {
        loop {
            let actions = self.neighbours.take_actions();
            if actions.is_empty() {
                return;
            }
            for action in actions {
                self.act_on(now, action);
            }
        }
    }

    fn act_on(&mut self, now: Nanos, action: Action<Packet>) {
        match action {
            Action::Solicit { key, mac, attempt: _ } => {
                self.solicits.fetch_add(1, Ordering::Relaxed);
                match key.address {
                    IpAddr::V4(target) => self.solicit(key, target, mac),
                    IpAddr::V6(target) => self.solicit_six(key.iface, target, mac),
                }
            }
            Action::Ask(key) => {
                let (state, flags) = (State::None, EntryFlags::default());
                self.tell(false, |_| {
                    Some(What::Neighbour { key, mac: None, state, flags, missed: true })
                });
            }
            Action::Tell { key, mac, state, flags, deleted } => {
                self.tell(deleted, |_| {
                    Some(What::Neighbour { key, mac, state, flags, missed: false })
                });
            }
            Action::Resolved(key, _) => {
                self.resolved(key);
                self.heed_router(key);
            }
            Action::Unresolved(key) => {
                self.unresolved(key);
                self.heed_router(key);
            }
            Action::Watch(key, _) => self.refresh_neighbour(key),
            Action::Release(key, packets) => self.release(key, packets),
            Action::Fail(key, packets) => {
                self.fail(packets);
                self.heed_router(key);
            }
            Action::Drop(why, packets) => {
                let reason = match why {
                    Lost::QueueFull => Reason::NeighbourQueueFull,
                    Lost::TableFull => Reason::NeighbourTableFull,
                    Lost::ProxyQueueFull => Reason::ProxyQueueFull,
                    Lost::Unasked => Reason::NeighbourFailed,
                    Lost::Flushed => Reason::NeighbourDead,
                };
                for packet in packets {
                    self.drop_packet(packet, reason);
                }
            }
            Action::Redo(packet) => {
                // ARP begins with the hardware type, IPv6 with its version.
                match is_six(&packet) {
                    true => self.handle_nd(now, packet, true),
                    false => self.handle_arp(now, packet, true),
                }
            }
        }
    }

    fn release(&mut self, key: Key, packets: Vec<Packet>) {
        for mut packet in packets {
            let six = is_six(&packet);
            match self.hop_to(key, six) {
                Some(hop) => {
                    packet.set_hop(hop);
                    let entry = if six { Entry::Output6 } else { Entry::Output };
                    self.injected.push(Injected { entry, packet });
                }
                None => self.drop_packet(packet, Reason::NeighbourTableFull),
            }
        }
    }

    fn fail(&mut self, packets: Vec<Packet>) {
        for mut packet in packets {
            if packet.flags().any(Flags::LOCAL_OUT) {
                self.probe_failed(&packet);
                self.drop_packet(packet, Reason::NeighbourFailed);
                continue;
            }
            let entry = if is_six(&packet) {
                packet.set_note(Cause6::NeighbourFailed.note());
                Entry::Error6
            } else {
                packet.set_note(Cause::NeighbourFailed.note());
                Entry::Error
            };
            self.injected.push(Injected { entry, packet });
        }
    }

    /// The hop of a neighbour on a link, made if there is none.
    pub(super) fn neighbour_hop(&mut self, key: Key) -> Option<u32> {
        self.hop_to(key, key.address.is_ipv6())
    }

    /// The same for packets of IPv6 or IPv4, whatever the neighbour's address is of (RFC 5549).
    fn hop_to(&mut self, key: Key, six: bool) -> Option<u32> {
        if let Some(hop) = self.on_link.get(&(key, six)) {
            return Some(*hop);
        }
        let view = View { ifaces: &self.ifaces, neighbours: &self.neighbours };
        let spec = HopSpec::Via {
            iface: key.iface,
            six,
            gateway: Some(key.address),
            mtu: None,
            prefsrc: None,
            attrs: Attrs::default(),
        };
        let hop = self.hops.acquire(spec, &view).ok()?;
        self.on_link.insert((key, six), hop);
        for change in self.hops.take_changes() {
            if let Change::Added(hop, _) = change {
                self.gateways.entry(key).or_default().push(hop);
            }
        }
        Some(hop)
    }

    /// Hops to a neighbour are written anew after its address, or what is thought of it, has changed.
    fn refresh_neighbour(&mut self, key: Key) {
        let view = View { ifaces: &self.ifaces, neighbours: &self.neighbours };
        for hop in self.gateways.get(&key).into_iter().flatten() {
            self.hops.refresh(*hop, &view);
        }
    }

    fn resolved(&mut self, key: Key) {
        let Some(hop) = self.neighbour_hop(key) else { return };
        self.refresh_neighbour(key);
        if !self.neighbour_table.set(key.iface, key.address, hop, &mut self.neighbour_slots) {
            self.rebuild_neighbour_table();
        }
        self.dirty = true;
    }

    fn rebuild_neighbour_table(&mut self) {
        let table = NeighbourTables::new(self.on_link.len() * 2);
        self.neighbour_slots = [0; 2];
        for ((key, six), hop) in &self.on_link {
            if key.address.is_ipv6() == *six {
                table.set(key.iface, key.address, *hop, &mut self.neighbour_slots);
            }
        }
        self.neighbour_table = Arc::new(table);
        self.dirty = true;
    }

    fn unresolved(&mut self, key: Key) {
        self.neighbour_table.set(key.iface, key.address, 0, &mut self.neighbour_slots);
        self.refresh_neighbour(key);
        let gone = [false, true].map(|six| self.on_link.remove(&(key, six)));
        for hop in gone.into_iter().flatten() {
            self.hops.release(hop);
            for change in self.hops.take_changes() {
                if let Change::Removed(hop, _) = change
                    && let Some(hops) = self.gateways.get_mut(&key)
                {
                    hops.retain(|other| *other != hop);
                }
            }
        }
        self.dirty = true;
    }
}
