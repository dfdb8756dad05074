//! `ip4-options` and `ip4-router-alert`: deal with what senders ask of the routers on the way.
//!
//! - takes: packets with options whose way is known; [`Packet::options`] says what comes after
//! - gives: packets with their options filled in to forwarding or delivery, by another way when a
//!   source route says so; malformed ones and refused routes to `icmp4-error`
//! - obeys: RFC 791 section 3.1, RFC 1812 sections 5.2.4 and 5.3.13, RFC 2113; ledger 4.38 to 4.73
//! - costs: nothing to packets without options

use std::net::Ipv4Addr;

use super::{
    input::{self, Way},
    lookup, source,
};
use crate::{
    dpdk::mbuf::{Flags, Packet},
    graph::{Cx, Edge, Frame, Node, Out, Reason},
    icmp::table::Cause,
    neighbour::table::martian,
    packet::{Flow, ipv4::Compiled},
    tables::{Here, Tables},
};

/// The node.
pub struct Ip4Options;

/// What comes after; the numbers are those of the edges here and of `ip4-lookup`.
pub(super) mod after {
    pub(in super::super) const FORWARD: u8 = 0;
    pub(in super::super) const LOCAL: u8 = 1;
    pub(in super::super) const ERROR: u8 = 2;
    pub(in super::super) const BLACKHOLE: u8 = 3;
    pub(in super::super) const FORWARDING_OFF: u8 = 4;
}

const SOURCE_ROUTE: u8 = 5;
const RP_FILTER: u8 = 6;
const MARTIAN: u8 = 7;
const LOG: u8 = 8;

/// Notes for this node what is to come after it.
pub(super) fn later(packet: &mut Packet, next: u8) {
    packet.set_options(next.into());
}

/// The IPv4 header of a packet, options included.
fn header_mut(packet: &mut Packet) -> Option<&mut [u8]> {
    let l3 = packet.l3();
    let bytes = packet.data_mut().get_mut(l3..)?;
    let len = usize::from(bytes.first()? & 0x0f) * 4;
    bytes.get_mut(..len)
}

/// The kernel has asked for the source by now, where it asks at all.
fn believe(packet: &mut Packet, cx: &Cx<'_, Tables>, next: u8) -> Result<(), u8> {
    let filters = cx.tables.ifaces.get(packet.iface()).is_some_and(|it| it.conf.rp_filter != 0);
    if !filters || !matches!(next, after::FORWARD | after::LOCAL) {
        return Ok(());
    }
    let out = if next == after::FORWARD { cx.tables.hops.get(packet.hop()).out().iface } else { 0 };
    let (edge, wrong) = match source::validate(packet, cx, out) {
        Ok(_) => return Ok(()),
        Err(source::Unbelievable::ReversePath) => (RP_FILTER, martian::REVERSE_PATH),
        Err(source::Unbelievable::Martian) => (MARTIAN, martian::SOURCE),
    };
    Err(if source::logs(packet, wrong, cx) { LOG } else { edge })
}

fn one(packet: &mut Packet, cx: &Cx<'_, Tables>) -> u8 {
    let next = packet.options() as u8;
    if let Err(edge) = believe(packet, cx, next) {
        return edge;
    }
    let iface = packet.iface();
    let local = next == after::LOCAL && !packet.flags().any(Flags::IP_BROADCAST);
    let Some(header) = header_mut(packet) else { return SOURCE_ROUTE };
    let here = Here::new(cx, header, iface, local);
    let (compiled, sound) = Compiled::new(header, &here);
    packet.set_options(compiled.to_bits());
    match sound {
        Err(pointer) => {
            packet.set_note(Cause::option_note(pointer));
            after::ERROR
        }
        Ok(()) if compiled.is_source_routed() => follow(packet, compiled, next, cx),
        Ok(()) => next,
    }
}

/// Takes a packet further along its source route (`ip_options_rcv_srr`).
fn follow(packet: &mut Packet, mut compiled: Compiled, next: u8, cx: &Cx<'_, Tables>) -> u8 {
    let conf = cx.tables.ifaces.get(packet.iface()).map(|iface| iface.conf).unwrap_or_default();
    if !conf.accept_source_route {
        return if source::logs(packet, martian::SOURCE_ROUTE, cx) { LOG } else { SOURCE_ROUTE };
    }
    let foreign = Flags::L2_BROADCAST.with(Flags::L2_MULTICAST).with(Flags::IP_BROADCAST);
    if packet.flags().any(foreign) {
        return SOURCE_ROUTE;
    }
    match next {
        // On its way between two routers of a loose route; a strict one leaves no room for others.
        after::FORWARD if !compiled.is_strict() => return next,
        after::FORWARD => {
            packet.set_note(Cause::source_route_note(DESTINATION));
            return after::ERROR;
        }
        after::LOCAL => {}
        _ => return SOURCE_ROUTE,
    }
    let Some(header) = header_mut(packet) else { return SOURCE_ROUTE };
    let places = compiled.unvisited(header);
    for place in places {
        let (slot, address) = match place {
            Ok(place) => place,
            Err(pointer) => {
                packet.set_note(Cause::source_route_note(pointer));
                return after::ERROR;
            }
        };
        match reroute(packet, address, cx) {
            Ok(after::FORWARD) => {
                compiled.reroute(slot);
                packet.set_options(compiled.to_bits());
                return after::FORWARD;
            }
            Ok(after::LOCAL) => {
                if let Some(header) = header_mut(packet) {
                    compiled.pass_through(header, address);
                }
            }
            Ok(_) => return SOURCE_ROUTE,
            Err(edge) => return edge,
        }
    }
    packet.set_options(compiled.to_bits());
    after::LOCAL
}

/// Where the destination stands in a header.
const DESTINATION: u8 = 16;

/// Finds the way to the next address of a source route, as if the packet had been sent to it.
fn reroute(packet: &mut Packet, address: Ipv4Addr, cx: &Cx<'_, Tables>) -> Result<u8, u8> {
    let tables = cx.tables;
    let (iface, vrf) = (packet.iface(), tables.vrf(packet.iface()));
    let bytes = packet.data().get(packet.l3()..).unwrap_or_default();
    let flow = Flow { dst: address.to_bits(), ..Flow::of(bytes, iface, vrf) };
    let localnet = tables.ifaces.get(iface).is_some_and(|iface| iface.conf.route_localnet);
    if input::way(flow.src.into(), address, flow.protocol, false, false, localnet) != Way::Route {
        return Err(SOURCE_ROUTE);
    }
    let index = tables.route(&flow);
    packet.set_hop(index);
    let next = lookup::other(packet, index, flow.dst, cx);
    if let Some(learned) = tables.exceptions.transit(packet.hop(), flow.dst) {
        packet.set_hop(learned);
    }
    if packet.flags().any(Flags::IP_BROADCAST) {
        return Err(SOURCE_ROUTE);
    }
    believe(packet, cx, next)?;
    Ok(next)
}

/// Whether a packet in transit waits for those who look at packets with router alert.
pub(super) fn is_alert(packet: &Packet) -> bool {
    Compiled::from_bits(packet.options()).is_alert()
}

/// The gateway that a packet goes through, where its hop is not the destination itself.
fn gateway(packet: &Packet, cx: &Cx<'_, Tables>) -> Option<Ipv4Addr> {
    let compiled = Compiled::from_bits(packet.options());
    let header = packet.data().get(packet.l3()..).unwrap_or_default();
    let hop = cx.tables.hops.get(packet.hop());
    hop.gateway().filter(|gateway| compiled.destination(header) != Some(*gateway))
}

/// Whether a packet by a strict source route would go through a gateway that its sender does not
/// name [4.71].
#[cold]
pub(super) fn fails_strict_route(packet: &Packet, cx: &Cx<'_, Tables>) -> bool {
    Compiled::from_bits(packet.options()).is_strict() && gateway(packet, cx).is_some()
}

/// Writes into the options what is known now that the packet leaves (`ip_forward_options`).
#[cold]
pub(super) fn finish(packet: &mut Packet, cx: &Cx<'_, Tables>) {
    let (tables, hop, vrf) = (cx.tables, packet.hop(), cx.tables.vrf(packet.iface()));
    let compiled = Compiled::from_bits(packet.options());
    let gateway = gateway(packet, cx);
    let source_for = |dst: Ipv4Addr| {
        let own = if tables.locals.contains(vrf, dst) {
            // No route out leads to an address of the router's, so the interface decides.
            let iface = tables.ifaces.get(tables.hops.get(hop).out().iface);
            iface.and_then(|iface| iface.select_address(gateway.unwrap_or(dst)))
        } else {
            tables.source_on(hop, dst)
        };
        own.unwrap_or(Ipv4Addr::UNSPECIFIED)
    };
    if let Some(header) = header_mut(packet) {
        compiled.forward(header, source_for);
    }
}

impl Node<Tables> for Ip4Options {
    fn name(&self) -> &'static str {
        "ip4-options"
    }

    fn edges(&self) -> &'static [Edge] {
        &[
            Edge::Arc("ip4-forwarding"),
            Edge::Arc("ip4-delivery"),
            Edge::To("icmp4-error"),
            Edge::Drop(Reason::Blackhole),
            Edge::Drop(Reason::ForwardingOff),
            Edge::Drop(Reason::SourceRoute),
            Edge::Drop(Reason::RpFilter),
            Edge::Drop(Reason::MartianSource),
            Edge::To("martian-log"),
        ]
    }

    fn process(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame, out: &mut Out) {
        for (number, packet) in frame.iter_mut().enumerate() {
            out.set(number, one(packet, cx));
        }
    }
}

/// The node where those who look at packets with router alert take them from the arc of its name;
/// what nobody takes is forwarded.
pub struct RouterAlert;

impl Node<Tables> for RouterAlert {
    fn name(&self) -> &'static str {
        "ip4-router-alert"
    }

    fn edges(&self) -> &'static [Edge] {
        &[Edge::Arc("ip4-forwarding")]
    }

    fn process(&mut self, _cx: &mut Cx<'_, Tables>, frame: &mut Frame, _out: &mut Out) {
        for packet in frame.iter_mut() {
            let heeded = Compiled::from_bits(packet.options()).heeded();
            packet.set_options(heeded.to_bits());
        }
    }
}
