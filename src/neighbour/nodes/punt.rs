//! `arp-input`, `nd-input`, `igmp-input`, `ip4-resolve` and `ip6-resolve`: hand packets to the management core.
//!
//! - takes: packets about neighbours, and packets whose neighbour's address is not known
//! - gives: the packet, through a bounded ring that nobody waits for; drops when it is full
//! - obeys: ledger 1.31 (the incomplete queue is the management core's)

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use crossbeam_queue::ArrayQueue;

use crate::{
    dpdk::mbuf::{Flags, Meta, Packet},
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
    /// Read this IGMP message.
    Igmp,
    /// Find the neighbour for this packet: on an interface, at an address.
    Resolve(u16, IpAddr),
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
    /// What is asked; `None` for a neighbour, whose address each packet tells.
    kind: Option<PuntKind>,
    ring: Arc<ArrayQueue<Punted>>,
}

impl Punt {
    /// `arp-input`.
    pub fn arp(ring: Arc<ArrayQueue<Punted>>) -> Self {
        Self { name: "arp-input", kind: Some(PuntKind::Arp), ring }
    }

    /// `nd-input`.
    pub fn nd(ring: Arc<ArrayQueue<Punted>>) -> Self {
        Self { name: "nd-input", kind: Some(PuntKind::Nd), ring }
    }

    /// `igmp-input`.
    pub fn igmp(ring: Arc<ArrayQueue<Punted>>) -> Self {
        Self { name: "igmp-input", kind: Some(PuntKind::Igmp), ring }
    }

    /// `icmp4-learn`.
    pub fn learn(ring: Arc<ArrayQueue<Punted>>) -> Self {
        Self { name: "icmp4-learn", kind: Some(PuntKind::Learn), ring }
    }

    /// `ip4-resolve` or `ip6-resolve`.
    pub fn resolve(name: &'static str, ring: Arc<ArrayQueue<Punted>>) -> Self {
        Self { name, kind: None, ring }
    }
}

/// Whom the packet needs, by interface and address: the hop's index may be given to another hop
/// before the management core gets to the packet.
fn neighbour(packet: &mut Packet, tables: &Tables) -> PuntKind {
    let index = packet.hop();
    let iface = tables.hops.get(index).out().iface;
    let ip = packet.data().get(packet.l3()..).unwrap_or_default();
    let six = ip.first().is_some_and(|first| first >> 4 == 6);
    let copied_to = || match &tables.filter {
        Some(filter) if packet.flags().any(Flags::META) => filter.gateway(packet.meta().zone),
        _ => None,
    };
    let address = match tables.hops.any_gateway(index).or_else(copied_to) {
        Some(gateway) => gateway,
        None if six => {
            let dst = ip.get(24..40).and_then(|dst| dst.first_chunk::<16>());
            dst.map_or(Ipv6Addr::UNSPECIFIED, |dst| (*dst).into()).into()
        }
        None => {
            let dst = ip.get(16..20).and_then(|dst| dst.first_chunk::<4>());
            dst.map_or(Ipv4Addr::UNSPECIFIED, |dst| (*dst).into()).into()
        }
    };
    // Of IPv6, who hears that nobody answered hears it from an address of where the packet came in.
    if !six {
        packet.set_iface(iface);
    }
    PuntKind::Resolve(iface, address)
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
            let kind = match self.kind {
                Some(kind) => kind,
                None => neighbour(&mut packet, cx.tables),
            };
            if packet.flags().any(Flags::META) && packet.meta().conn != 0 {
                // What comes of it is to come back to whoever has its connection.
                let meta = packet.meta();
                packet.set_meta(Meta { worker: cx.own.worker as u8, ..meta });
            }
            if kind == PuntKind::Learn {
                // When it came: what it waits in the ring is no part of a round trip.
                packet.set_hash(cx.now as u32);
            }
            if let Err(back) = self.ring.push(Punted { kind, packet }) {
                stay.push(back.packet);
            }
        }
        cx.stats.punted.add((offered - stay.len()) as u64);
        frame.extend(stay);
    }
}
