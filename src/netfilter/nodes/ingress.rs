//! `nf-ingress`: frames of an interface meet its chains of nftables before anybody else looks at them.
//!
//! - takes: frames as they were received; on the `port-input` arc only while a chain stands there
//! - gives: those that may go on to `classify`
//! - obeys: `nf_ingress`, `nft_do_chain_netdev`
//! - costs: nothing while no chain stands there

use super::around::Around;
use crate::{
    dpdk::mbuf::Packet,
    graph::{Cx, Edge, Frame, Node, Out, Reason},
    netfilter::{
        Conn, DropCause, PacketFacts, PacketKind, Verdict, View, nft, rule::Hook, table::Filter,
    },
    tables::Tables,
};

/// The node.
pub struct Ingress;

const ON: u8 = 0;
const RULE: u8 = 1;
const POLICY: u8 = 2;
const TARGET: u8 = 3;

/// Length of a header of Ethernet, and of a tag in it.
const ETHERNET: usize = 14;
const TAG: usize = 4;

/// Where the network header of a frame stands.
fn network(data: &[u8]) -> usize {
    let mut at = ETHERNET;
    while at + TAG <= data.len()
        && at < ETHERNET + 2 * TAG
        && matches!(data[at - 2..at], [0x81, 0x00] | [0x88, 0xa8])
    {
        at += TAG;
    }
    at
}

/// To whom a frame is addressed.
fn kind(data: &[u8], own: u64) -> PacketKind {
    let Some(mac) = data.first_chunk::<6>() else { return PacketKind::Host };
    let number = u64::from_le_bytes([mac[0], mac[1], mac[2], mac[3], mac[4], mac[5], 0, 0]);
    match mac {
        [0xff, 0xff, 0xff, 0xff, 0xff, 0xff] => PacketKind::Broadcast,
        [first, ..] if first & 1 != 0 => PacketKind::Multicast,
        _ if number == own => PacketKind::Host,
        _ => PacketKind::Other,
    }
}

/// Lets a frame meet the chains of its interface.
fn meet(packet: &mut Packet, filter: &Filter, cx: &mut Cx<'_, Tables>) -> u8 {
    let port = cx.tables.ifaces.port(packet.port());
    let (iface, own) = (port.iface, port.mac);
    let Some(program) = filter.nft() else { return ON };
    let trace = packet.trace();
    for number in filter.ingress(iface) {
        let worker = cx.own.worker;
        let Some(meeting) = filter.meeting(*number, false, Hook::PreRouting, worker) else {
            continue;
        };
        let data = packet.data_mut();
        let (l3, kind) = (network(data), kind(data, own));
        let Some((link, ip)) = data.split_at_mut_checked(l3) else { return ON };
        let about = PacketFacts {
            link,
            input: iface,
            kind,
            conn: Conn::default(),
            now: cx.now,
            wall: cx.now + cx.wall_offset,
            ..PacketFacts::default()
        };
        let mut view = View::frame(ip, about);
        let mut around = Around {
            tables: cx.tables,
            own: cx.own,
            pool: cx.pool,
            stats: cx.stats,
            now: cx.now,
            hook: Hook::PreRouting,
            hop: 0,
            iface,
            trace,
            copies: false,
            path: None,
            six: false,
        };
        match nft::evaluate(program, &meeting, &mut view, &mut around) {
            Verdict::Accept => {}
            Verdict::Drop(DropCause::Rule) => return RULE,
            Verdict::Drop(DropCause::Policy) => return POLICY,
            _ => return TARGET,
        }
    }
    ON
}

impl Node<Tables> for Ingress {
    fn name(&self) -> &'static str {
        "nf-ingress"
    }

    fn edges(&self) -> &'static [Edge] {
        &[
            Edge::Continue,
            Edge::Drop(Reason::FilterRule),
            Edge::Drop(Reason::FilterPolicy),
            Edge::Drop(Reason::FilterTarget),
        ]
    }

    fn process(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame, out: &mut Out) {
        let Some(filter) = cx.tables.filter.as_deref() else { return };
        for (number, packet) in frame.iter_mut().enumerate() {
            out.set(number, meet(packet, filter, cx));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_stand_before_the_network_header() {
        let mut frame = [0; 40];
        (frame[12], frame[13]) = (8, 0);
        assert_eq!(network(&frame), 14);
        (frame[12], frame[13], frame[16], frame[17]) = (0x81, 0, 8, 0);
        assert_eq!(network(&frame), 18);
        (frame[12], frame[13], frame[16], frame[17]) = (0x88, 0xa8, 0x81, 0);
        assert_eq!(network(&frame), 22);
        assert_eq!(network(&frame[..14]), 14);
    }

    #[test]
    fn a_frame_is_for_whom_its_destination_names() {
        let own = u64::from_le_bytes([2, 0, 0, 0, 0, 1, 0, 0]);
        assert_eq!(kind(&[2, 0, 0, 0, 0, 1], own), PacketKind::Host);
        assert_eq!(kind(&[2, 0, 0, 0, 0, 2], own), PacketKind::Other);
        assert_eq!(kind(&[1, 0, 0x5e, 0, 0, 1], own), PacketKind::Multicast);
        assert_eq!(kind(&[0xff; 6], own), PacketKind::Broadcast);
    }
}
