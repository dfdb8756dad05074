//! A hop as nodes that send read it: once for the packets in a row that take it.
//!
//! - takes: packets whose way is known
//! - gives: packets in the frame they leave in, at the port they leave by
//! - costs: one line a hop; the frame is written where the packet's first line is touched anyway

use super::table::{Hop, HopOut};
use crate::{
    dpdk::mbuf::{Notes, Packet},
    graph::Cx,
    packet::{checksum, ipv6, word},
    tables::Tables,
};

/// What the common case needs to know of a hop: three words of one line, so that reading it anew for each
/// packet costs less than a wrong guess that the last one's serves once more.
#[derive(Clone, Copy)]
pub struct Quick<'a> {
    hop: Hop<'a>,
    out: u64,
}

/// Offset of the network header in an untagged frame, as packets note it.
const UNTAGGED: u16 = 14 << 8;

impl<'a> Quick<'a> {
    /// Reads a hop; only a plain one, towards a neighbour, lets anything go.
    #[inline(always)]
    pub fn plain(hop: Hop<'a>) -> Self {
        Self { hop, out: hop.bits() }
    }

    /// Nothing is known of the packet but that its network header stands behind an untagged one; one in
    /// transit does not leave where it came from, which may call for a redirect; and the hop is plain.
    #[inline(always)]
    fn fits<const TRANSIT: bool>(&self, notes: Notes) -> bool {
        let differ = HopOut::plain_iface_of(self.out) ^ notes.bits() & 0xffff_0000;
        (notes.bits() as u16 == UNTAGGED) & (differ as u16 == 0) & !(TRANSIT & (differ == 0))
    }

    #[inline(always)]
    fn put(&self, frame: &mut [u8]) {
        let (head, tail) = self.hop.header();
        frame[..8].copy_from_slice(&head);
        frame[6..14].copy_from_slice(&tail);
    }

    /// The common case of IPv4, in place: an untagged frame in and out that fits and, in transit, has
    /// time to live. `notes` are the packet's, which many may have alike. False where nothing has been done.
    #[inline(always)]
    pub fn go4<const TRANSIT: bool>(&self, packet: &mut Packet, notes: Notes) -> bool {
        let fits = self.fits::<TRANSIT>(notes);
        let Some(bytes) = packet.data_mut().first_chunk_mut::<34>() else {
            return false;
        };
        let life = word(bytes, 22);
        let large = u16::from_be_bytes(word(bytes, 16)) > HopOut::mtu_of(self.out);
        if large | (TRANSIT & (life[0] <= 1)) | !fits {
            return false;
        }
        if TRANSIT {
            bytes[22..26].copy_from_slice(&checksum::ttl_decremented(life));
        }
        self.put(bytes);
        packet.set_port(HopOut::port_of(self.out));
        true
    }

    /// The same of IPv6; what is of one link alone is none of it.
    #[inline(always)]
    pub fn go6<const TRANSIT: bool>(&self, packet: &mut Packet, notes: Notes) -> bool {
        let fits = self.fits::<TRANSIT>(notes);
        let Some(bytes) = packet.data_mut().first_chunk_mut::<{ ipv6::HEAD_LEN }>() else {
            return false;
        };
        let total = usize::from(u16::from_be_bytes(word(bytes, 18))) + ipv6::HEADER_LEN;
        let (limit, near) = (bytes[21], (bytes[22] == 0) | (bytes[22] >= 0xfe));
        let spent = TRANSIT & ((limit <= 1) | near);
        let most = HopOut::mtu_of(self.out).max(ipv6::MIN_MTU);
        if (total > usize::from(most)) | spent | !fits {
            return false;
        }
        if TRANSIT {
            bytes[21] = limit - 1;
        }
        self.put(bytes);
        packet.set_port(HopOut::port_of(self.out));
        true
    }
}

/// How packets by one hop leave.
#[derive(Clone, Copy)]
pub struct Rewrite<'a> {
    /// Where and how the hop sends.
    pub out: HopOut,
    /// The common case.
    pub quick: Quick<'a>,
    tag: [u8; 4],
}

impl<'a> Rewrite<'a> {
    /// Reads a hop.
    #[inline(always)]
    pub fn read(hop: Hop<'a>) -> Self {
        // Whoever has come here has looked at the kind.
        let quick = Quick { out: HopOut::to_neighbour(hop.bits()), ..Quick::plain(hop) };
        Self { out: hop.out(), quick, tag: hop.tag() }
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
