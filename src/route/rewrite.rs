//! A hop as nodes that send read it: once for the packets in a row that take it.
//!
//! - takes: packets whose way is known
//! - gives: packets in the frame they leave in, at the port they leave by
//! - costs: one line a hop; the frame is written where the packet's first line is touched anyway

use super::table::{Hop, HopOut};
use crate::{
    dpdk::mbuf::Packet,
    graph::Cx,
    packet::{
        checksum,
        ipv6::{self, MIN_MTU},
    },
    tables::Tables,
};

/// How packets by one hop leave.
#[derive(Clone, Copy)]
pub struct Rewrite {
    /// Where and how the hop sends.
    pub out: HopOut,
    /// Frames leave without a tag, and where to is known beyond doubt.
    pub plain: bool,
    head: [u8; 8],
    tail: [u8; 8],
    tag: [u8; 4],
}

impl Rewrite {
    /// Reads a hop.
    #[inline(always)]
    pub fn read(hop: Hop<'_>) -> Self {
        let out = hop.out();
        let (head, tail) = hop.header();
        let plain = out.resolved & !out.tagged & !out.suspect;
        Self { out, plain, head, tail, tag: hop.tag() }
    }

    /// Writes the header of an untagged frame over the one that is there.
    #[inline(always)]
    pub fn put(&self, frame: &mut [u8]) {
        frame[..8].copy_from_slice(&self.head);
        frame[6..14].copy_from_slice(&self.tail);
    }

    /// The common case of IPv4, in place: an untagged frame in and out that fits and, in transit, has
    /// time to live. False where nothing has been done.
    #[inline(always)]
    pub fn quick4<const TRANSIT: bool>(&self, packet: &mut Packet) -> bool {
        let out = self.out;
        let odd = !packet.is_plain_at(14) | !self.plain;
        // A packet that leaves where it came from may call for a redirect.
        let back = TRANSIT & (packet.iface() == out.iface);
        let Some(bytes) = packet.data_mut().first_chunk_mut::<34>() else {
            return false;
        };
        let total = u16::from_be_bytes([bytes[16], bytes[17]]);
        if odd | back | (total > out.mtu) | (TRANSIT & (bytes[22] <= 1)) {
            return false;
        }
        if TRANSIT {
            let changed = checksum::ttl_decremented([bytes[22], bytes[23], bytes[24], bytes[25]]);
            bytes[22..26].copy_from_slice(&changed);
        }
        self.put(bytes);
        packet.set_port(out.port);
        true
    }

    /// The same of IPv6; what is of one link alone is none of it.
    #[inline(always)]
    pub fn quick6<const TRANSIT: bool>(&self, packet: &mut Packet) -> bool {
        let out = self.out;
        let odd = !packet.is_plain_at(14) | !self.plain;
        let back = TRANSIT & (packet.iface() == out.iface);
        let Some(bytes) = packet.data_mut().first_chunk_mut::<{ ipv6::HEAD_LEN }>() else {
            return false;
        };
        let total = usize::from(u16::from_be_bytes([bytes[18], bytes[19]])) + ipv6::HEADER_LEN;
        let (limit, near) = (bytes[21], (bytes[22] == 0) | (bytes[22] >= 0xfe));
        let spent = TRANSIT & ((limit <= 1) | near);
        if odd | back | (total > usize::from(self.mtu6())) | spent {
            return false;
        }
        if TRANSIT {
            bytes[21] = limit - 1;
        }
        self.put(bytes);
        packet.set_port(out.port);
        true
    }

    /// Largest packet of IPv6: no link may carry less than 1280 bytes (RFC 8200 section 5).
    #[inline(always)]
    pub const fn mtu6(&self) -> u16 {
        if self.out.mtu < MIN_MTU { MIN_MTU } else { self.out.mtu }
    }

    /// Gives a packet its Ethernet header, whatever it had before. False where there is no room.
    pub fn dress(&self, packet: &mut Packet, cx: &Cx<'_, Tables>) -> bool {
        let (l3, need) = (packet.l3(), if self.out.tagged { 18 } else { 14 });
        if l3 > need {
            packet.pull(l3 - need);
        } else if !packet.push(need - l3) {
            return false;
        }
        packet.set_l3(need as u8);
        let len = packet.len();
        let Some(header) = packet.data_mut().get_mut(..need) else { return false };
        self.put(header);
        if self.out.tagged {
            header[14..18].copy_from_slice(&self.tag);
            // The port counts in `tx`; a sub-interface has no other place.
            if let Some(counts) = cx.stats.ifaces.get(usize::from(self.out.iface)) {
                counts.tx_packets.add(1);
                counts.tx_bytes.add(len as u64);
            }
        }
        packet.set_port(self.out.port);
        if self.out.suspect {
            cx.stats.marks.leave(packet.hop());
        }
        true
    }
}
