//! `arp-input` and `ip4-resolve`: hand packets to the management core.
//!
//! - takes: ARP packets, and IPv4 packets whose neighbour's address is not known
//! - gives: the packet, through a bounded ring that nobody waits for; drops when it is full
//! - obeys: ledger 1.31 (the incomplete queue is the management core's)

use std::{net::Ipv4Addr, sync::Arc};

use crossbeam_queue::ArrayQueue;

use crate::{
    dpdk::mbuf::Packet,
    graph::{Cx, Edge, Frame, Node, Out, Reason},
    tables::Tables,
};

/// What the management core is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PuntKind {
    /// Read this ARP packet.
    Arp,
    /// Read this packet about an IPv6 neighbour.
    Nd,
    /// Find the neighbour for this packet: on [`Packet::iface`], at the address that
    /// [`Packet::hash`] holds.
    Resolve,
    /// Learn from this ICMP error about a packet of the router's own.
    Learn,
    /// Log this packet, whose addresses are impossible, and end it: what is wrong is the note.
    Martian,
}

/// A packet on its way to the management core.
pub struct Punted {
    /// What is asked.
    pub kind: PuntKind,
    /// The packet.
    pub packet: Packet,
}

/// The node.
pub struct Punt {
    name: &'static str,
    kind: PuntKind,
    ring: Arc<ArrayQueue<Punted>>,
}

impl Punt {
    /// `arp-input`.
    pub fn arp(ring: Arc<ArrayQueue<Punted>>) -> Self {
        Self { name: "arp-input", kind: PuntKind::Arp, ring }
    }

    /// `nd-input`.
    pub fn nd(ring: Arc<ArrayQueue<Punted>>) -> Self {
        Self { name: "nd-input", kind: PuntKind::Nd, ring }
    }

    /// `icmp4-learn`.
    pub fn learn(ring: Arc<ArrayQueue<Punted>>) -> Self {
        Self { name: "icmp4-learn", kind: PuntKind::Learn, ring }
    }

    /// `ip4-resolve`.
    pub fn resolve(ring: Arc<ArrayQueue<Punted>>) -> Self {
        Self { name: "ip4-resolve", kind: PuntKind::Resolve, ring }
    }
}

/// Notes whom the packet needs, by interface and address: the hop's index may be given to another
/// hop before the management core gets to the packet.
fn note_neighbour(packet: &mut Packet, tables: &Tables) {
    let hop = tables.hops.get(packet.hop());
    let ip = packet.data().get(packet.l3()..).unwrap_or_default();
    let dst = ip.get(16..20).and_then(|dst| dst.try_into().ok()).map_or(0, u32::from_be_bytes);
    let address = hop.neighbour().map_or(dst, Ipv4Addr::to_bits);
    packet.set_iface(hop.out().iface);
    packet.set_hash(address);
}

impl Node<Tables> for Punt {
    fn name(&self) -> &'static str {
        self.name
    }

    fn edges(&self) -> &'static [Edge] {
        &[Edge::Drop(Reason::PuntFull)]
    }

    fn process(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame, _out: &mut Out) {
        let offered = frame.len();
        let mut stay = Frame::new();
        for mut packet in frame.drain(..) {
            if self.kind == PuntKind::Resolve {
                note_neighbour(&mut packet, cx.tables);
            } else if self.kind == PuntKind::Learn {
                // When it came: what it waits in the ring is no part of a round trip.
                packet.set_hash(cx.now as u32);
            }
            if let Err(back) = self.ring.push(Punted { kind: self.kind, packet }) {
                stay.push(back.packet);
            }
        }
        cx.stats.punted.add((offered - stay.len()) as u64);
        frame.extend(stay);
    }
}
