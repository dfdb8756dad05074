//! A hop as nodes that send read it: once for the packets in a row that take it.
//!
//! - takes: packets whose way is known
//! - gives: packets in the frame they leave in, at the port they leave by
//! - costs: one line a hop; the frame is written where the packet's first line is touched anyway

use super::table::{Hop, HopOut};
use crate::{dpdk::mbuf::Packet, graph::Cx, tables::Tables};

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
