//! `ip4-reassemble-local` and `ip4-reassemble`: fragments become the datagram that they were cut from.
//!
//! - takes: fragments for the router, or as a feature of the pre-routing arc all packets; what is no
//!   fragment passes
//! - gives: whole datagrams, back to `ip4-local` or onwards; fragments are copied and their buffers
//!   freed, so what waits takes nothing from the pool; when time runs out for a datagram whose first
//!   fragment came, a copy of that to `icmp4-error`
//! - obeys: RFC 791 section 3.2, RFC 1122 section 3.3.2; ledger 3.51, 4.27, 4.101 to 4.114; see
//!   [`crate::ip4::reassembly`]
//! - costs: nothing while it is off; else a copy of each fragment, and one of the datagram

use crate::{
    dpdk::mbuf::{Flags, Meta, Packet},
    graph::{Cx, Edge, Frame, Nanos, Node, Out, Reason, Snmp, Stats, Timer},
    icmp::table::Cause,
    ip4::{
        reassembly::{Datagram, Done, Fate, Mark, Piece, Reassembler},
        table::{ReassemblyRoom, ReassemblyRules},
    },
    packet::{
        Flow, checksum,
        ipv4::{self, Ipv4View},
    },
    route::table::HopKind,
    tables::Tables,
};

/// The node. Each has datagrams of its own, so that one user's fragments never meet another's [4.101].
pub struct Reassemble {
    name: &'static str,
    edges: &'static [Edge],
    /// Datagrams may be in transit.
    transit: bool,
    all: Reassembler,
    /// Workers among which `ipfrag_high_thresh` is divided.
    share: usize,
}

const ON: u8 = 0;
const ERROR: u8 = 1;
const JOINED: u8 = 2;
const DUPLICATE: u8 = 3;
const OVERLAP: u8 = 4;
const MALFORMED: u8 = 5;
const ECN: u8 = 6;
const OVERSIZE: u8 = 7;
const MEMORY: u8 = 8;
const NO_BUFFER: u8 = 9;

/// All ways out, the first of which differs.
macro_rules! edges {
    ($on:expr) => {
        &[
            $on,
            Edge::To("icmp4-error"),
            Edge::Drop(Reason::Reassembled),
            Edge::Drop(Reason::FragDuplicate),
            Edge::Drop(Reason::FragOverlap),
            Edge::Drop(Reason::FragMalformed),
            Edge::Drop(Reason::FragEcn),
            Edge::Drop(Reason::FragOversize),
            Edge::Drop(Reason::FragMemory),
            Edge::Drop(Reason::FragNoBuffer),
        ]
    };
}

/// Room for the largest Ethernet header.
const LINK_ROOM: usize = 18;
/// More than any ICMP error quotes behind the header.
const QUOTE: usize = 576;
/// Datagrams that run out of time in one go; the rest do in the next turn.
const BUDGET: usize = 64;

fn is_fragment(packet: &Packet) -> bool {
    let at = packet.l3() + ipv4::field::FRAGMENT.start;
    let word = packet.data().get(at..).and_then(<[u8]>::first_chunk::<2>);
    let word = word.map_or(0, |word| u16::from_be_bytes(*word));
    word & (ipv4::MORE_FRAGMENTS | ipv4::OFFSET_MASK) != 0
}

impl Reassemble {
    /// For packets to the router.
    pub fn delivery(room: ReassemblyRoom) -> Self {
        Self::new("ip4-reassemble-local", edges!(Edge::Arc("ip4-delivery")), false, room)
    }

    /// For all packets, before their way is known.
    pub fn pre_routing(room: ReassemblyRoom) -> Self {
        Self::new("ip4-reassemble", edges!(Edge::Continue), true, room)
    }

    fn new(
        name: &'static str,
        edges: &'static [Edge],
        transit: bool,
        room: ReassemblyRoom,
    ) -> Self {
        let ReassemblyRoom { memory, share, seed } = room;
        Self { name, edges, transit, all: Reassembler::new(memory, seed), share }
    }

    /// Takes a fragment: the edge by which it ends, or nothing when it is kept.
    fn take(&mut self, packet: &Packet, cx: &Cx<'_, Tables>, out: &mut Out) -> Option<u8> {
        cx.count(Snmp::ReasmReqds, 1);
        let bytes = packet.data().get(packet.l3()..).unwrap_or_default();
        let Ok(ip) = Ipv4View::new_checked(bytes) else { return Some(MALFORMED) };
        let rules = &cx.tables.tunables.reassembly;
        let rules = ReassemblyRules { high_thresh: rules.high_thresh / self.share, ..*rules };
        let flags = packet.flags();
        let options = if flags.any(Flags::OPTIONS) { packet.options() } else { 0 };
        let mark = Mark { iface: packet.iface(), flags: flags.without(Flags::META).0, options };
        let vrf = cx.tables.vrf(packet.iface());
        let put = self.all.put(&Piece { ip, vrf, mark }, cx.now, &rules);
        if put.too_far > 0 {
            cx.stats.end_kept(Reason::FragTooFar, put.too_far.into());
            cx.count(Snmp::ReasmFails, 1);
        }
        let edge = match put.fate {
            Fate::Kept => return None,
            Fate::Whole(done) => self.finish(done, packet, cx, out),
            Fate::Duplicate => DUPLICATE,
            Fate::Overlap => OVERLAP,
            Fate::Malformed => MALFORMED,
            Fate::Ecn => ECN,
            Fate::Oversize => OVERSIZE,
            Fate::Refused => MEMORY,
        };
        let reason = if edge == JOINED { Reason::Reassembled } else { Reason::FragGivenUp };
        cx.stats.end_kept(reason, put.ended.into());
        Some(edge)
    }

    /// Sends a whole datagram on; `packet` was the fragment that it lacked.
    fn finish(&mut self, done: Done, packet: &Packet, cx: &Cx<'_, Tables>, out: &mut Out) -> u8 {
        let whole = join(&self.all.datagram(&done), packet, self.transit, cx);
        self.all.release(done);
        match whole.map(|whole| out.emit(ON, whole)) {
            Some(Ok(())) => {
                cx.count(Snmp::ReasmOKs, 1);
                JOINED
            }
            _ => NO_BUFFER,
        }
    }

    /// Whether the sender is to hear that time ran out: only from where the datagram was to go.
    fn tells(&self, header: &[u8], iface: u16, cx: &Cx<'_, Tables>) -> bool {
        if !self.transit {
            return true;
        }
        let flow = Flow::of(header, iface, cx.tables.vrf(iface));
        cx.tables.hops.get(cx.tables.route(&flow)).kind() == HopKind::Local
    }
}

/// The datagram in one packet.
fn join(
    datagram: &Datagram<'_>,
    last: &Packet,
    transit: bool,
    cx: &Cx<'_, Tables>,
) -> Option<Packet> {
    let (mut header, header_len) = datagram.header();
    let header = &mut header[..header_len];
    checksum::ipv4_header_fill(header);
    let (mut packet, l3) = cx.pool.alloc_for(LINK_ROOM, datagram.total_len())?;
    let mut fits = packet.resize(l3) && packet.append(header);
    for bytes in datagram.bytes() {
        fits &= packet.append(bytes);
    }
    if !fits {
        return None;
    }
    packet.copy_notes(last);
    let meta = last.flags().any(Flags::META).then(|| last.meta());
    begin(&mut packet, datagram, l3);
    if let Some(meta) = meta {
        packet.set_meta(meta);
    }
    if transit {
        packet.add_flags(Flags::REASSEMBLED);
        packet.set_piece_size(datagram.largest());
        let meta = packet.meta();
        packet.set_meta(Meta { pieces: datagram.lengths(), ..meta });
    }
    Some(packet)
}

/// Notes what was known of the first fragment, and the interface of the last one.
fn begin(packet: &mut Packet, datagram: &Datagram<'_>, l3: usize) {
    let (first, last) = (datagram.first(), datagram.last());
    let flags = Flags(first.flags);
    packet.begin(last.iface, l3 as u8, flags);
    if flags.any(Flags::OPTIONS) {
        packet.set_options(first.options);
    }
}

/// The first fragment as far as an error quotes it.
fn first(datagram: &Datagram<'_>, cx: &Cx<'_, Tables>) -> Option<Packet> {
    let mut packet = cx.pool.alloc()?;
    let mut fits = packet.resize(LINK_ROOM) && packet.append(datagram.first_header());
    for bytes in datagram.first_bytes(QUOTE) {
        fits &= packet.append(bytes);
    }
    begin(&mut packet, datagram, LINK_ROOM);
    packet.set_trace(0);
    packet.set_hop(0);
    packet.set_note(Cause::ReassemblyTimeout.note());
    fits.then_some(packet)
}

impl Node<Tables> for Reassemble {
    fn name(&self) -> &'static str {
        self.name
    }

    fn edges(&self) -> &'static [Edge] {
        self.edges
    }

    fn process(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame, out: &mut Out) {
        if !frame.iter().any(is_fragment) {
            return;
        }
        let mut stay = Frame::new();
        for packet in frame.drain(..) {
            let edge = if is_fragment(&packet) { self.take(&packet, cx, out) } else { Some(ON) };
            match edge {
                Some(edge) => {
                    out.set(stay.len(), edge);
                    stay.push(packet);
                }
                None => cx.stats.kept.add(1),
            }
        }
        frame.extend(stay);
    }

    fn timer(&mut self) -> Option<&mut dyn Timer<Tables>> {
        Some(self)
    }
}

impl Timer<Tables> for Reassemble {
    fn due(&self) -> Nanos {
        self.all.due()
    }

    fn run_out(&mut self, cx: &mut Cx<'_, Tables>, out: &mut Out) {
        for _ in 0..BUDGET {
            let Some(done) = self.all.expire(cx.now) else { return };
            cx.count(Snmp::ReasmTimeout, 1);
            cx.count(Snmp::ReasmFails, 1);
            let datagram = self.all.datagram(&done);
            cx.stats.end_kept(Reason::FragTimeout, datagram.pieces().into());
            let header = datagram.first_header();
            if !header.is_empty()
                && self.tells(header, datagram.last().iface, cx)
                && let Some(packet) = first(&datagram, cx)
            {
                // Without room the sender is not told.
                let _ = out.emit(ERROR, packet);
            }
            self.all.release(done);
        }
    }

    fn clear(&mut self, stats: &Stats) {
        while let Some(done) = self.all.expire(Nanos::MAX) {
            stats.end_kept(Reason::Shutdown, self.all.datagram(&done).pieces().into());
            self.all.release(done);
        }
    }
}
