//! `ethernet-input`: what `classify` did not pass, looked at field by field.
//!
//! - takes: frames with their notes started
//! - gives: IPv4 to `ip4-input`, ARP to `arp-input`, IPv6 to `ip6-input`;
//!   VLAN-tagged ones on their sub-interface
//! - obeys: IEEE 802.3, IEEE 802.1Q; ledger 1.34

use crate::{
    dpdk::mbuf::{Flags, Packet},
    graph::{Cx, Edge, Frame, Node, Out, Reason},
    packet::{
        ethernet::{EthernetView, ethertype},
        vlan,
    },
    tables::Tables,
};

/// The node.
pub struct EthernetInput;

const IP4: u8 = 0;
const ARP: u8 = 1;
const TRUNCATED: u8 = 2;
const OTHER_HOST: u8 = 3;
const UNHANDLED: u8 = 4;
const UNKNOWN_VLAN: u8 = 5;
const LINK_DOWN: u8 = 6;
const NO_BUFFER: u8 = 7;
const IP6: u8 = 8;

fn one(packet: &mut Packet, cx: &Cx<'_, Tables>) -> u8 {
    let (ifaces, port) = (&cx.tables.ifaces, packet.port());
    let facts = ifaces.port(port);
    let Some(mut iface) = ifaces.get(facts.iface) else {
        return LINK_DOWN;
    };
    if !iface.up {
        return LINK_DOWN;
    }
    if !packet.linearize(cx.pool) {
        return NO_BUFFER;
    }
    let Ok(peeled) = vlan::peel(packet.data()) else {
        return TRUNCATED;
    };
    let Ok(ethernet) = EthernetView::new_checked(packet.data()) else {
        return TRUNCATED;
    };
    let (tag, kind, l3) = (peeled.tags().first().copied(), peeled.ethertype, peeled.offset);
    if peeled.tags().len() > 1 {
        return UNKNOWN_VLAN;
    }
    let dst = ethernet.dst();
    if let Some(tag) = tag.filter(|tag| tag.tci.vid() != 0) {
        // A VLAN of 802.1Q does not hear frames with a service tag (802.1ad) of its number.
        let sub = ifaces.vlan(port, tag.tci.vid()).filter(|_| tag.tpid == ethertype::VLAN);
        let Some(sub) = sub else {
            return UNKNOWN_VLAN;
        };
        if !sub.up {
            return LINK_DOWN;
        }
        iface = sub;
        if let Some(counts) = cx.stats.ifaces.get(usize::from(sub.index)) {
            counts.rx_packets.add(1);
            counts.rx_bytes.add(packet.len() as u64);
        }
    }
    let link = match dst {
        _ if dst.is_broadcast() => Flags::L2_BROADCAST,
        _ if dst.is_multicast() => Flags::L2_MULTICAST,
        _ if dst == iface.mac || facts.any_mac => Flags(0),
        _ => return OTHER_HOST,
    };
    let forwarding = if iface.conf.forwarding { Flags(0) } else { Flags::NO_FORWARD };
    let index = iface.index;
    packet.begin(index, l3 as u8, link.with(forwarding));
    match kind {
        ethertype::IPV4 => IP4,
        ethertype::ARP => ARP,
        ethertype::IPV6 => IP6,
        _ => UNHANDLED,
    }
}

impl Node<Tables> for EthernetInput {
    fn name(&self) -> &'static str {
        "ethernet-input"
    }

    fn edges(&self) -> &'static [Edge] {
        &[
            Edge::To("ip4-input"),
            Edge::To("arp-input"),
            Edge::Drop(Reason::EthernetTruncated),
            Edge::Drop(Reason::OtherHost),
            Edge::Drop(Reason::UnhandledEthertype),
            Edge::Drop(Reason::UnknownVlan),
            Edge::Drop(Reason::LinkDown),
            Edge::Drop(Reason::NoBuffer),
            Edge::To("ip6-input"),
        ]
    }

    fn process(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame, out: &mut Out) {
        for (index, packet) in frame.iter_mut().enumerate() {
            out.set(index, one(packet, cx));
        }
    }
}
