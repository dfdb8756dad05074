//! `ip4-source-forward` and `ip4-source-local`: is the source where the packet came from?
//!
//! - takes: packets whose way is known, in transit or for the router, while some interface has
//!   `rp_filter` on, or there are local routes by hand
//! - gives: packets from believable sources onwards; the rest is dropped
//! - obeys: RFC 3704 (strict and loose); `fib_validate_source`; ledger 4.30, 5.49
//! - costs: nothing while it is off; a second look-up a packet while it is on

use crate::{
    dpdk::mbuf::Packet,
    graph::{Cx, Edge, Frame, Node, Out, Reason},
    neighbour::table::martian,
    packet::{Flow, ipv4},
    tables::Tables,
};

pub(crate) use crate::tables::Unbelievable;

/// The node.
pub struct Source {
    name: &'static str,
    /// Of packets in transit, whose way out takes part in the decision of the rules.
    transit: bool,
}

impl Source {
    /// For packets in transit.
    pub fn forwarding() -> Self {
        Self { name: "ip4-source-forward", transit: true }
    }

    /// For packets to the router.
    pub fn delivery() -> Self {
        Self { name: "ip4-source-local", transit: false }
    }
}

const ON: u8 = 0;
const RP_FILTER: u8 = 1;
const MARTIAN: u8 = 2;
const LOG: u8 = 3;

/// Checks a packet's source against the routes. Gives whether it is on the link of the interface by
/// which the packet came.
pub(crate) fn validate(
    packet: &Packet,
    cx: &Cx<'_, Tables>,
    out_iface: u16,
) -> Result<bool, Unbelievable> {
    let index = packet.iface();
    let vrf = cx.tables.ifaces.get(index).map_or(0, |iface| iface.vrf);
    let bytes = packet.data().get(packet.l3()..).unwrap_or_default();
    cx.tables.validate_source(index, &Flow::of(bytes, out_iface, vrf))
}

/// Whether a packet with impossible addresses is to be logged; notes for what.
pub(crate) fn logs(packet: &mut Packet, wrong: u16, cx: &Cx<'_, Tables>) -> bool {
    let iface = cx.tables.ifaces.get(packet.iface());
    let logs = iface.is_some_and(|iface| iface.conf.log_martians);
    if logs {
        packet.set_note(wrong);
    }
    logs
}

impl Node<Tables> for Source {
    fn name(&self) -> &'static str {
        self.name
    }

    fn edges(&self) -> &'static [Edge] {
        &[
            Edge::Continue,
            Edge::Drop(Reason::RpFilter),
            Edge::Drop(Reason::MartianSource),
            Edge::To("martian-log"),
        ]
    }

    fn process(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame, out: &mut Out) {
        for (number, packet) in frame.iter_mut().enumerate() {
            let filters =
                cx.tables.ifaces.get(packet.iface()).is_some_and(|iface| iface.conf.rp_filter != 0);
            if !filters && !cx.tables.custom_locals {
                continue;
            }
            let bytes = packet.data().get(packet.l3()..).unwrap_or_default();
            // What DHCP clients say to all needs no way back.
            let anybody = bytes.get(12..16) == Some(&[0; 4])
                && bytes.get(16).is_some_and(|first| ipv4::is_multicast(u32::from(*first) << 24));
            if anybody {
                continue;
            }
            let out_iface = match self.transit {
                true => cx.tables.hops.get(packet.hop()).out().iface,
                false => 0,
            };
            let (edge, wrong) = match validate(packet, cx, out_iface) {
                Ok(_) => (ON, 0),
                Err(Unbelievable::ReversePath) => (RP_FILTER, martian::REVERSE_PATH),
                Err(Unbelievable::Martian) => (MARTIAN, martian::SOURCE),
            };
            out.set(number, if edge != ON && logs(packet, wrong, cx) { LOG } else { edge });
        }
    }
}
