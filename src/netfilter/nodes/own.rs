//! Packets that the filter itself sends: segments in somebody's stead, and copies.
//!
//! - takes: what is to be said, or a packet
//! - gives: a packet with its way, kept until its node has done with the packet that called for it
//! - obeys: `synproxy_send_tcp`, `nf_dup_ipv4`, `nf_dup_ipv6` of the kernel

use std::net::IpAddr;

use super::pass::{done, note_of};
use crate::{
    conntrack::CtInfo,
    dpdk::{
        mbuf::{Flags, Meta, Packet},
        mempool::Pool,
    },
    graph::{Snmp, Stats},
    netfilter::{flows::Flows, proxy::Ends, proxy::Options, rule::Hook},
    packet::{
        Flow, checksum,
        ipv4::{self, Ipv4Spec, protocol},
        ipv6::{self, Ipv6Spec},
        tcp,
    },
    route::table::HopKind,
    tables::Tables,
};

/// Room for the largest Ethernet header in front of a packet.
const LINK_ROOM: usize = 18;
const DF: u16 = 0x4000;

/// Where a packet is made, and what for.
#[derive(Clone, Copy)]
pub(super) struct Maker<'a> {
    pub(super) tables: &'a Tables,
    pub(super) pool: &'a Pool,
    pub(super) stats: &'a Stats,
    /// The interface of the packet that called for it.
    pub(super) iface: u16,
    pub(super) trace: u16,
}

/// A segment without data.
#[derive(Clone, Copy)]
pub(super) struct Segment {
    pub(super) ends: Ends,
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) flags: u8,
    pub(super) window: u16,
    pub(super) options: Options,
}

impl Segment {
    /// Writes the header behind one of IP.
    fn emit(&self, into: &mut [u8], options: &[u8]) -> Option<()> {
        let Self { ends, seq, ack, flags, window, .. } = self;
        let (head, rest) = into.split_first_chunk_mut::<{ tcp::HEADER_LEN }>()?;
        head[tcp::field::SRC_PORT].copy_from_slice(&ends.sport.to_be_bytes());
        head[tcp::field::DST_PORT].copy_from_slice(&ends.dport.to_be_bytes());
        head[tcp::field::SEQ].copy_from_slice(&seq.to_be_bytes());
        head[tcp::field::ACK].copy_from_slice(&ack.to_be_bytes());
        head[tcp::field::DATA_OFFSET] = (((tcp::HEADER_LEN + options.len()) / 4) << 4) as u8;
        head[tcp::field::FLAGS] = *flags;
        head[tcp::field::WINDOW].copy_from_slice(&window.to_be_bytes());
        rest.get_mut(..options.len())?.copy_from_slice(options);
        let check = match (ends.src.ip(ends.six), ends.dst.ip(ends.six)) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                checksum::transport(src, dst, protocol::TCP, into)
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                checksum::transport6(src, dst, protocol::TCP, into)
            }
            _ => return None,
        };
        into[tcp::field::CHECKSUM].copy_from_slice(&check.to_be_bytes());
        Some(())
    }
}

impl Maker<'_> {
    /// The way of a packet that the router sends, whoever it names as its source.
    fn way(&self, src: IpAddr, dst: IpAddr, protocol: u8) -> Option<u32> {
        let vrf = self.tables.vrf(self.iface);
        match (src, dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                let flow = Flow { src: src.to_bits(), protocol, ..Flow::out(dst.to_bits(), vrf) };
                self.tables.output_hop(&flow)
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                let flow = Flow { src: src.to_bits(), protocol, ..Flow::out(dst.to_bits(), vrf) };
                self.tables.output_hop6(&flow, self.iface)
            }
            _ => None,
        }
    }

    /// An empty packet of the router's own with room for so many bytes.
    fn packet(&self, hop: u32, len: usize) -> Option<Packet> {
        let mut packet = self.pool.alloc()?;
        if !packet.resize(LINK_ROOM + len) {
            return None;
        }
        packet.begin(self.tables.hops.get(hop).out().iface, LINK_ROOM as u8, Flags::LOCAL_OUT);
        packet.set_trace(self.trace);
        packet.set_hop(hop);
        Some(packet)
    }

    fn count(&self, six: bool) {
        let counter = if six { Snmp::Ip6OutRequests } else { Snmp::OutRequests };
        self.stats.snmp[counter as usize].add(1);
    }

    /// Has a segment sent; one that finds no way or no room is lost like any other.
    pub(super) fn send(&self, segment: &Segment, meta: Meta, own: &mut Flows) -> Option<()> {
        let Ends { six, src, dst, .. } = segment.ends;
        let (src, dst) = (src.ip(six), dst.ip(six));
        let hop = self.way(src, dst, protocol::TCP)?;
        let mut options = [0; Options::MOST];
        let len = segment.options.write(&mut options);
        let payload_len = tcp::HEADER_LEN + len;
        let head = if six { ipv6::HEADER_LEN } else { ipv4::HEADER_LEN };
        let mut packet = self.packet(hop, head + payload_len)?;
        let bytes = packet.data_mut().get_mut(LINK_ROOM..)?;
        match (src, dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                let header = Ipv4Spec {
                    tos: 0,
                    id: 0,
                    fragment_word: DF,
                    ttl: self.tables.tunables.default_ttl,
                    protocol: protocol::TCP,
                    src,
                    dst,
                    options: &[],
                    payload_len,
                };
                header.emit(bytes).ok()?;
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                let iface = self.tables.hops.get(hop).out().iface;
                let hop_limit =
                    self.tables.ifaces.get(iface).map_or(64, |iface| iface.conf6.hop_limit);
                let header = Ipv6Spec {
                    traffic_class: 0,
                    flow_label: 0,
                    payload_len,
                    next_header: protocol::TCP,
                    hop_limit,
                    src,
                    dst,
                };
                header.emit(bytes).ok()?;
            }
            _ => return None,
        }
        segment.emit(bytes.get_mut(head..)?, options.get(..len)?)?;
        packet.set_meta(meta);
        self.count(six);
        own.sent.try_push(packet).ok()
    }

    /// Has a copy of a packet sent to a gateway, or to where that is reached by; no connection counts it,
    /// and it is not copied again.
    pub(super) fn copy(
        &self,
        ip: &[u8],
        gateway: IpAddr,
        output: Option<u16>,
        hook: Hook,
        own: &mut Flows,
    ) -> Option<()> {
        let vrf = self.tables.vrf(self.iface);
        let oif = output.unwrap_or(vrf);
        let tos = |ip: &[u8]| ip.get(1).copied().unwrap_or(0);
        let hop = match gateway {
            IpAddr::V4(to) => {
                let flow = Flow { tos: tos(ip), oif, ..Flow::out(to.to_bits(), vrf) };
                self.tables.output_hop(&flow)?
            }
            IpAddr::V6(to) => {
                let flow = Flow { oif, ..Flow::out(to.to_bits(), vrf) };
                self.tables.output_hop6(&flow, oif)?
            }
        };
        let mut packet = self.packet(hop, ip.len())?;
        let bytes = packet.data_mut().get_mut(LINK_ROOM..)?;
        bytes.copy_from_slice(ip);
        let six = gateway.is_ipv6();
        // Two who copy to each other are to end some time.
        let comes_in = matches!(hook, Hook::PreRouting | Hook::LocalIn);
        if six {
            let limit = bytes.get_mut(ipv6::field::HOP_LIMIT)?;
            *limit = limit.wrapping_sub(u8::from(comes_in));
        } else {
            let head = usize::from(*bytes.first()? & 0xf) * 4;
            let header = bytes.get_mut(..head)?;
            header[ipv4::field::FRAGMENT.start] |= (DF >> 8) as u8;
            header[ipv4::field::TTL] = header[ipv4::field::TTL].wrapping_sub(u8::from(comes_in));
            header[ipv4::field::CHECKSUM].fill(0);
            let check = checksum::checksum(header);
            header[ipv4::field::CHECKSUM].copy_from_slice(&check.to_be_bytes());
        }
        let info = note_of(CtInfo::Untracked);
        // Until the gateway is known on its link, it is to be looked for there, and not the destination.
        let zone = match &self.tables.filter {
            Some(filter) if self.tables.hops.get(hop).kind() == HopKind::Link => {
                filter.gateway_number(gateway)
            }
            _ => 0,
        };
        packet.set_meta(Meta { info, done: done::COPY, zone, ..Meta::default() });
        self.count(six);
        own.sent.try_push(packet).ok()
    }
}
