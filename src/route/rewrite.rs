//! A hop as nodes that send read it: once for the packets in a row that take it.
//!
//! - takes: packets whose way is known
//! - gives: packets in the frame they leave in, at the port they leave by
//! - costs: one line a hop; the frame is written where the packet's first line is touched anyway

use super::table::{Hop, HopKind, HopOut};
use crate::{
    dpdk::mbuf::Packet,
    graph::Cx,
    packet::{checksum, ipv6, word},
    tables::Tables,
};

/// What the common case needs to know of a hop: few enough numbers to stay in registers.
#[derive(Clone, Copy)]
pub struct Quick {
    head: [u8; 8],
    tail: [u8; 8],
    /// Largest packet of IPv4; 0 where none may go.
    most4: u16,
    /// Largest packet of IPv6: no link may carry less than 1280 bytes (RFC 8200 section 5).
    most6: u16,
    /// Notes of a packet that came in by the interface it would leave by.
    back: u32,
    port: u16,
}

/// Offset of the network header in an untagged frame, as packets note it.
const UNTAGGED: u32 = 14 << 8;

impl Quick {
    /// Reads a hop; only a plain one, towards a neighbour, lets anything go.
    #[inline(always)]
    pub fn plain(hop: Hop<'_>) -> Self {
        Self::read(hop, hop.kind() == HopKind::Neighbour)
    }

    #[inline(always)]
    fn read(hop: Hop<'_>, goes: bool) -> Self {
        let out = hop.out();
        let (head, tail) = hop.header();
        let (most4, most6) = if goes & out.is_plain() { (out.mtu, out.mtu6()) } else { (0, 0) };
        let back = u32::from(out.iface) << 16 | UNTAGGED;
        Self { head, tail, most4, most6, back, port: out.port }
    }

    /// Nothing is known of the packet but that its network header stands behind an untagged one; and one
    /// in transit does not leave where it came from, which may call for a redirect.
    #[inline(always)]
    fn fits<const TRANSIT: bool>(&self, packet: &Packet) -> bool {
        let differ = packet.notes().bits() ^ self.back;
        (differ as u16 == 0) & !(TRANSIT & (differ == 0))
    }

    #[inline(always)]
    fn put(&self, frame: &mut [u8]) {
        frame[..8].copy_from_slice(&self.head);
        frame[6..14].copy_from_slice(&self.tail);
    }

    /// The common case of IPv4, in place: an untagged frame in and out that fits and, in transit, has
    /// time to live. False where nothing has been done.
    #[inline(always)]
    pub fn go4<const TRANSIT: bool>(&self, packet: &mut Packet) -> bool {
        let fits = self.fits::<TRANSIT>(packet);
        let Some(bytes) = packet.data_mut().first_chunk_mut::<34>() else {
            return false;
        };
        let life = word(bytes, 22);
        let large = u16::from_be_bytes(word(bytes, 16)) > self.most4;
        if large | (TRANSIT & (life[0] <= 1)) | !fits {
            return false;
        }
        if TRANSIT {
            bytes[22..26].copy_from_slice(&checksum::ttl_decremented(life));
        }
        self.put(bytes);
        packet.set_port(self.port);
        true
    }

    /// The same of IPv6; what is of one link alone is none of it.
    #[inline(always)]
    pub fn go6<const TRANSIT: bool>(&self, packet: &mut Packet) -> bool {
        let fits = self.fits::<TRANSIT>(packet);
        let Some(bytes) = packet.data_mut().first_chunk_mut::<{ ipv6::HEAD_LEN }>() else {
            return false;
        };
        let total = usize::from(u16::from_be_bytes(word(bytes, 18))) + ipv6::HEADER_LEN;
        let (limit, near) = (bytes[21], (bytes[22] == 0) | (bytes[22] >= 0xfe));
        let spent = TRANSIT & ((limit <= 1) | near);
        if (total > usize::from(self.most6)) | spent | !fits {
            return false;
        }
        if TRANSIT {
            bytes[21] = limit - 1;
        }
        self.put(bytes);
        packet.set_port(self.port);
        true
    }
}

/// How packets by one hop leave.
#[derive(Clone, Copy)]
pub struct Rewrite {
    /// Where and how the hop sends.
    pub out: HopOut,
    /// The common case.
    pub quick: Quick,
    tag: [u8; 4],
}

impl Rewrite {
    /// Reads a hop.
    #[inline(always)]
    pub fn read(hop: Hop<'_>) -> Self {
        Self { out: hop.out(), quick: Quick::read(hop, true), tag: hop.tag() }
    }

    /// Writes the header of an untagged frame over the one that is there.
    #[inline(always)]
    pub fn put(&self, frame: &mut [u8]) {
        self.quick.put(frame);
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
