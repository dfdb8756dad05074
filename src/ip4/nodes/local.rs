//! `ip4-local`: packets for the router itself, by protocol.
//!
//! - takes: IPv4 packets whose destination is this router's, broadcast, or a group it has joined
//! - gives: fragments to `ip4-reassemble-local`, from where they come back whole; ICMP to
//!   `icmp4-input`, IGMP to `igmp-input`, TCP without a listener to `tcp-reset`, errors to `icmp4-error`
//! - obeys: RFC 1122 sections 3.2.2.1 and 4.1.3.1; ledger 3.41, 3.42, 4.28; TTL is not looked at [3.50]

use crate::{
    dpdk::mbuf::{Flags, Packet},
    graph::{Cx, Edge, Frame, Node, Out, Reason, Snmp},
    icmp::table::Cause,
    packet::{
        checksum,
        ipv4::{Ipv4View, protocol},
        tcp::TcpView,
    },
    tables::Tables,
};

/// The node.
pub struct Ip4Local;

const ICMP: u8 = 0;
const TCP: u8 = 1;
const ERROR: u8 = 2;
const REASSEMBLY: u8 = 3;
const UDP_MALFORMED: u8 = 4;
const UDP_CHECKSUM: u8 = 5;
const TCP_MALFORMED: u8 = 6;
const TCP_CHECKSUM: u8 = 7;
const BROADCAST: u8 = 8;
const HEADER: u8 = 9;
const MARTIAN: u8 = 10;
const DONE: u8 = 11;
const GROUPS: u8 = 12;

const IGMP: u8 = 2;

/// Whether a datagram is whole; the edge that names what is wrong if not.
fn check_udp(ip: &Ipv4View<'_>) -> Result<(), u8> {
    let Some((head, _)) = ip.payload().split_first_chunk::<8>() else {
        return Err(UDP_MALFORMED);
    };
    let len = u16::from_be_bytes([head[4], head[5]]);
    let Some(datagram) = ip.payload().get(..usize::from(len)).filter(|_| len >= 8) else {
        return Err(UDP_MALFORMED);
    };
    let unchecked = head[6..8] == [0, 0];
    if unchecked || checksum::transport_holds(ip.src(), ip.dst(), protocol::UDP, datagram) {
        Ok(())
    } else {
        Err(UDP_CHECKSUM)
    }
}

/// The same of UDP-Lite, whose length field tells how much of it the checksum covers, and which never goes
/// without one (`udplite_checksum_init`).
fn check_udplite(ip: &Ipv4View<'_>) -> Result<(), u8> {
    let payload = ip.payload();
    let Some(head) = payload.first_chunk::<8>() else { return Err(UDP_MALFORMED) };
    let told = usize::from(u16::from_be_bytes([head[4], head[5]]));
    let covered = if told == 0 { payload.len() } else { told };
    let Some(part) = payload.get(..covered) else { return Err(UDP_MALFORMED) };
    let pseudo =
        checksum::pseudo_header(ip.src(), ip.dst(), protocol::UDPLITE, payload.len() as u16);
    let sum = checksum::add(pseudo, checksum::sum(part));
    if covered < 8 || head[6..8] == [0, 0] || sum != 0xffff { Err(UDP_CHECKSUM) } else { Ok(()) }
}

fn udp(ip: &Ipv4View<'_>, lite: bool, broadcast: bool) -> (u8, Cause) {
    let checked = if lite { check_udplite(ip) } else { check_udp(ip) };
    match checked {
        Err(edge) => (edge, Cause::None),
        Ok(()) if broadcast => (BROADCAST, Cause::None),
        Ok(()) => (ERROR, Cause::PortUnreachable),
    }
}

fn tcp(ip: &Ipv4View<'_>, broadcast: bool) -> u8 {
    match TcpView::new_checked(ip.payload()) {
        Err(_) => TCP_MALFORMED,
        Ok(tcp) if !tcp.checksum_holds(ip.src(), ip.dst()) => TCP_CHECKSUM,
        Ok(_) if broadcast => BROADCAST,
        Ok(_) => TCP,
    }
}

fn choose(ip: &Ipv4View<'_>, broadcast: bool) -> (u8, Cause) {
    if ip.is_fragment() {
        return (REASSEMBLY, Cause::None);
    }
    match ip.protocol() {
        protocol::ICMP => (ICMP, Cause::None),
        protocol::UDP => udp(ip, false, broadcast),
        protocol::UDPLITE => udp(ip, true, broadcast),
        protocol::TCP => (tcp(ip, broadcast), Cause::None),
        // Whatever it says, nobody is told.
        IGMP if ip.payload().len() >= 8 => (GROUPS, Cause::None),
        IGMP => (DONE, Cause::None),
        _ if broadcast => (BROADCAST, Cause::None),
        _ => (ERROR, Cause::ProtocolUnreachable),
    }
}

fn one(packet: &mut Packet, cx: &Cx<'_, Tables>) -> u8 {
    let flags = packet.flags();
    let broadcast = flags.any(Flags::IP_BROADCAST);
    let foreign = flags.any(Flags::L2_BROADCAST.with(Flags::L2_MULTICAST));
    let bytes = packet.data().get(packet.l3()..).unwrap_or_default();
    let Ok(ip) = Ipv4View::new_checked(bytes) else {
        return HEADER;
    };
    // A directed broadcast is known only after the look-up, so its source is proved here.
    if cx.tables.owns(packet.iface(), ip.src()) {
        return MARTIAN;
    }
    let (mut edge, cause) = choose(&ip, broadcast);
    if cause == Cause::PortUnreachable && ip.protocol() == protocol::UDP {
        // What is behind the datagram is no part of it, and is not quoted.
        let len =
            ip.payload().get(4..6).map_or(0, |len| usize::from(len[0]) << 8 | usize::from(len[1]));
        let end = packet.l3() + ip.header_len() + len;
        packet.truncate(end);
    }
    if edge == TCP && foreign {
        edge = BROADCAST;
    }
    packet.set_note(cause.note());
    edge
}

impl Node<Tables> for Ip4Local {
    fn name(&self) -> &'static str {
        "ip4-local"
    }

    fn edges(&self) -> &'static [Edge] {
        &[
            Edge::To("icmp4-input"),
            Edge::To("tcp-reset"),
            Edge::To("icmp4-error"),
            Edge::To("ip4-reassemble-local"),
            Edge::Drop(Reason::UdpMalformed),
            Edge::Drop(Reason::UdpChecksum),
            Edge::Drop(Reason::TcpMalformed),
            Edge::Drop(Reason::TcpChecksum),
            Edge::Drop(Reason::Broadcast),
            Edge::Drop(Reason::IpHeader),
            Edge::Drop(Reason::MartianSource),
            Edge::Drop(Reason::LocalDone),
            Edge::To("igmp-input"),
        ]
    }

    fn process(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame, out: &mut Out) {
        let mut delivered = 0;
        for (index, packet) in frame.iter_mut().enumerate() {
            let edge = one(packet, cx);
            delivered += u64::from(!matches!(edge, REASSEMBLY | HEADER | MARTIAN));
            out.set(index, edge);
        }
        cx.count(Snmp::InDelivers, delivered);
    }
}
