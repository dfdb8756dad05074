//! Turns a request into its answer, in its own buffer.
//!
//! - obeys: RFC 792, RFC 1122 sections 3.2.2.6 and 3.2.2.8, RFC 8335; `icmp_reply`; ledger 3.15 to
//!   3.17, 3.27

use std::net::Ipv4Addr;

use super::{probe::probe, reply};
use crate::{
    dpdk::mbuf::{Flags, Packet},
    graph::{Cx, Snmp},
    packet::{
        checksum,
        icmp4::ty,
        ipv4::{Ipv4Spec, Ipv4View, Router, protocol},
    },
    tables::{Here, Tables},
};

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// The request is not whole.
    Truncated,
    /// No way leads to the requester.
    NoRoute,
    /// It does not fit into its buffer.
    NoBuffer,
    /// A limit holds it back, or its options cannot be answered.
    HeldBack,
}

/// Bytes of a timestamp message.
const TIMESTAMP_LEN: usize = 20;

/// Turns an echo, timestamp or probe request into its answer.
pub(super) fn turn(
    packet: &mut Packet,
    cx: &Cx<'_, Tables>,
    broadcast: bool,
) -> Result<(), Silence> {
    let (l3, iface) = (packet.l3(), packet.iface());
    let bytes = packet.data().get(l3..).unwrap_or_default();
    let ip = Ipv4View::new_checked(bytes).map_err(|_| Silence::Truncated)?;
    let (src, tos, header_len) = (ip.src(), ip.tos(), ip.header_len());
    let &[kind, code, ..] = ip.payload() else { return Err(Silence::Truncated) };
    let (answer, code, payload_len, flags) = match kind {
        ty::TIMESTAMP_REQUEST => (ty::TIMESTAMP_REPLY, 0, TIMESTAMP_LEN, None),
        ty::EXTENDED_ECHO_REQUEST => {
            let (found, flags) = probe(ip.payload(), &cx.tables.ifaces);
            (ty::EXTENDED_ECHO_REPLY, found.unwrap_or(code), ip.payload().len(), Some(flags))
        }
        // The code of an echo comes back as it was.
        _ => (ty::ECHO_REPLY, code, ip.payload().len(), None),
    };

    let here = Here::new(cx, ip.header(), iface, !broadcast);
    let mut echo = reply::options(packet).echo(ip.header(), &here).ok_or(Silence::HeldBack)?;
    let dst = echo.first_hop().unwrap_or(src);
    let known_as = here.own_address();
    let hop = reply::way(cx, dst, known_as, tos, packet).ok_or(Silence::NoRoute)?;
    let address: Ipv4Addr = match known_as.is_unspecified() {
        false => known_as,
        true => cx.tables.source_on(hop, dst).ok_or(Silence::NoRoute)?,
    };
    if !reply::allowed(cx, answer, code, dst) {
        return Err(Silence::HeldBack);
    }
    let now = cx.since_midnight();
    let header = Ipv4Spec {
        tos,
        id: cx.tables.limits.next_id(),
        fragment_word: 0,
        ttl: reply::ttl(cx, hop),
        protocol: protocol::ICMP,
        src: address,
        dst,
        options: echo.finish(address, src, now),
        payload_len,
    };
    // The answer has no more options than the request, so its header starts where that one did or
    // later.
    let start = l3 + header_len - header.header_len().min(header_len);
    if !packet.resize(l3 + header_len + payload_len) {
        return Err(Silence::NoBuffer);
    }
    packet.pull(start - l3);
    let bytes = packet.data_mut().get_mut(l3..).ok_or(Silence::NoBuffer)?;
    let at = header.emit(bytes).map_err(|_| Silence::NoBuffer)?;
    let message = bytes.get_mut(at..).ok_or(Silence::NoBuffer)?;
    (message[0], message[1]) = (answer, code);
    if answer == ty::TIMESTAMP_REPLY {
        message[12..16].copy_from_slice(&now.to_be_bytes());
        message[16..20].copy_from_slice(&now.to_be_bytes());
    }
    if let Some(flags) = flags {
        message[7] = flags;
    }
    message[2..4].fill(0);
    let sum = checksum::checksum(message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    let mark = reply::mark(cx, packet);
    packet.begin(cx.tables.hops.get(hop).out().iface, l3 as u8, Flags::LOCAL_OUT);
    packet.set_hop(hop);
    packet.set_mark(mark);
    cx.count_icmp_out(answer);
    cx.count(Snmp::OutRequests, 1);
    Ok(())
}
