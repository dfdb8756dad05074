//! Neighbours of the management core: asked for, learned, and put where workers find them.
//!
//! - obeys: RFC 826; ledger 1.31; the NUD machine is `neighbour/control.rs`

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, atomic::Ordering},
};

use super::{NeighbourError, Router, events::What, links::View};
use crate::{
    dpdk::mbuf::{Flags, Packet},
    graph::{Nanos, Reason},
    icmp::table::Cause,
    icmp6::table::Cause6,
    neighbour::{
        arp::{Facts, Learn, consider},
        control::{Action, Key, State},
        table::NeighbourTables,
    },
    packet::{
        MacAddr,
        arp::{ArpSpec, ArpView},
    },
    port::table::Iface,
    route::{
        control::Verb,
        hops::{Change, HopSpec},
        table::Attrs,
    },
    worker::{Entry, Injected},
};

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
        mac: MacAddr,
        state: State,
        now: Nanos,
    ) -> Result<(), NeighbourError> {
        let iface = self.iface(dev).ok_or_else(|| NeighbourError::NoDevice(dev.into()))?.index;
        let key = Key { iface, address };
        match (verb, self.neighbours.get(key).is_some()) {
            (Verb::Add, true) => return Err(NeighbourError::Exists),
            (Verb::Change, false) => return Err(NeighbourError::NotFound),
            _ => {}
        }
        if !self.neighbours.set(now, key, mac, state) {
            return Err(NeighbourError::Full(self.neighbours.rules().limit));
        }
        self.act(now);
        Ok(())
    }

    /// Forgets a neighbour.
    ///
    /// # Errors
    /// When the interface or the neighbour is not there.
    pub fn delete_neighbour(&mut self, dev: &str, address: IpAddr) -> Result<(), NeighbourError> {
        let iface = self.iface(dev).ok_or_else(|| NeighbourError::NoDevice(dev.into()))?.index;
        if !self.neighbours.delete(Key { iface, address }) {
            return Err(NeighbourError::NotFound);
        }
        self.act(0);
        Ok(())
    }

    /// Ends a packet that the management core holds.
    pub fn discard(&mut self, packet: Packet, reason: Reason) {
        self.drop_packet(packet, reason);
    }

    pub(super) fn drop_packet(&mut self, packet: Packet, reason: Reason) {
        drop(packet);
        *self.dropped.entry(reason).or_default() += 1;
    }

    /// Does what the neighbour table wants done.
    pub(super) fn act(&mut self, _now: Nanos) {
        for action in self.neighbours.take_actions() {
            match action {
                Action::Solicit(key, mac) => self.solicit(key, mac),
                Action::Tell { key: Key { iface, address }, mac, state, deleted } => {
                    self.tell(deleted, |_| Some(What::Neighbour { iface, address, mac, state }));
                }
                Action::Resolved(key, mac) => self.resolved(key, mac),
                Action::Unresolved(key) => self.unresolved(key),
                Action::Release(key, packets) => {
                    for mut packet in packets {
                        let hop = match is_six(&packet) == key.address.is_ipv6() {
                            true => self.neighbour_hop(key),
                            false => self.crossed_hop(key),
                        };
                        match hop {
                            Some(hop) => {
                                packet.set_hop(hop);
                                let six = is_six(&packet);
                                let entry = if six { Entry::Output6 } else { Entry::Output };
                                self.injected.push(Injected { entry, packet });
                            }
                            None => self.drop_packet(packet, Reason::NeighbourTableFull),
                        }
                    }
                }
                Action::Fail(_, packets) => {
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
                Action::Drop(packets) => {
                    for packet in packets {
                        self.drop_packet(packet, Reason::NeighbourQueueFull);
                    }
                }
            }
        }
    }

    /// The hop of a neighbour on a link, made if there is none.
    pub(super) fn neighbour_hop(&mut self, key: Key) -> Option<u32> {
        self.hop_to(key, key.address.is_ipv6())
    }

    /// The same for packets of the other family (RFC 5549).
    fn crossed_hop(&mut self, key: Key) -> Option<u32> {
        self.hop_to(key, !key.address.is_ipv6())
    }

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

    fn resolved(&mut self, key: Key, _mac: MacAddr) {
        let Some(hop) = self.neighbour_hop(key) else { return };
        let view = View { ifaces: &self.ifaces, neighbours: &self.neighbours };
        for hop in self.gateways.get(&key).into_iter().flatten() {
            self.hops.refresh(*hop, &view);
        }
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
        let view = View { ifaces: &self.ifaces, neighbours: &self.neighbours };
        for hop in self.gateways.get(&key).into_iter().flatten() {
            self.hops.refresh(*hop, &view);
        }
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

    /// Sends an ARP packet on an interface.
    fn send_arp(&mut self, index: u16, to: MacAddr, arp: &ArpSpec) {
        self.send_link(index, to, &[0x08, 0x06], &arp.to_bytes());
    }

    fn solicit(&mut self, key: Key, mac: Option<MacAddr>) {
        let target = match key.address {
            IpAddr::V4(target) => target,
            IpAddr::V6(target) => {
                self.solicits.fetch_add(1, Ordering::Relaxed);
                return self.solicit_six(key.iface, target, mac);
            }
        };
        let Some(iface) = self.ifaces.iter().find(|iface| iface.index == key.iface) else { return };
        // `arp_announce` 0: in the name that the packet bears, when the router itself made it.
        let bears = self.neighbours.first_waiting(key).and_then(|packet| {
            let ip = packet.data().get(packet.l3()..)?;
            Some(Ipv4Addr::from(*ip.get(12..16)?.first_chunk::<4>()?))
        });
        let vrf = iface.own_vrf();
        // The VRF's own address goes before those of the others in it (`inet_select_addr`).
        let same = || {
            let all = || self.ifaces.iter().filter(move |other| other.own_vrf() == vrf);
            all().filter(|own| own.vrf_table.is_some()).chain(all())
        };
        let own = |address: &Ipv4Addr| {
            same().flat_map(|iface| &iface.addresses).any(|own| own.local.addr() == *address)
        };
        let any = || same().find_map(|other| other.select_address(target));
        let chosen = || iface.select_address(target).or_else(any);
        let Some(source) = bears.filter(own).or_else(chosen) else { return };
        let arp = ArpSpec::request(iface.mac, source, target);
        self.solicits.fetch_add(1, Ordering::Relaxed);
        self.send_arp(key.iface, mac.unwrap_or(MacAddr::new([0xff; 6])), &arp);
    }

    /// A worker left an ARP packet.
    pub(super) fn handle_arp(&mut self, now: Nanos, packet: Packet) {
        let (index, l3) = (packet.iface(), packet.l3());
        let Some(iface) = self.ifaces.iter().find(|iface| iface.index == index) else {
            return self.drop_packet(packet, Reason::LinkDown);
        };
        let Ok(arp) = ArpView::new_checked(packet.data().get(l3..).unwrap_or_default()) else {
            return self.drop_packet(packet, Reason::ArpMalformed);
        };
        // The local table is asked before that of the VRF.
        let same = |own: &&Iface| own.own_vrf() == iface.own_vrf() || own.own_vrf() == 0;
        let local = |address: Ipv4Addr| {
            let mut all = self.ifaces.iter().filter(same).flat_map(|own| &own.addresses);
            all.any(|own| own.local.addr() == address)
        };
        let unicast = !packet.flags().any(Flags::L2_BROADCAST.with(Flags::L2_MULTICAST));
        let facts = Facts {
            target_local: local(arp.target_ip()),
            sender_local: local(arp.sender_ip()),
            unicast,
        };
        let verdict = consider(&arp, facts);
        let key = Key { iface: index, address: arp.sender_ip().into() };
        let (mac, ours) = (arp.sender_mac(), iface.mac);
        let reply = ArpSpec::reply(ours, arp.target_ip(), mac, arp.sender_ip());
        match verdict.learn {
            Learn::No => {}
            Learn::Create => self.neighbours.handle_request(now, key, mac),
            Learn::Update { confirmed, gratuitous } => {
                self.neighbours.handle_hint(now, key, mac, confirmed, gratuitous);
            }
        }
        // What waited for the sender goes before the answer to it, as from the kernel.
        self.act(now);
        if verdict.reply {
            self.send_arp(index, mac, &reply);
        }
        self.drop_packet(packet, Reason::LocalDone);
    }
}
