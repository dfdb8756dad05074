//! `ip6-reassemble-local` and `ip6-reassemble`: fragments become the packet that they were cut from.
//!
//! - takes: fragments for the router, their headers dealt with up to the fragment header; or as a feature
//!   of the pre-routing arc all packets; what is no fragment passes, and what is none that can be right
//! - gives: whole packets, back to `ip6-local` or onwards; fragments are copied and their buffers freed, so what
//!   waits takes nothing from the pool; when time runs out for a packet whose first fragment came, a
//!   copy of that to `icmp6-error`
//! - obeys: RFC 8200 section 4.5, RFC 5722; `ipv6_frag_rcv`, `nf_ct_frag6_gather`; ledger 8.52 to 8.56; see
//!   [`crate::ip6::reassembly`]

use super::local::has_upper_header;
use crate::{
    dpdk::mbuf::{Flags, Meta, Packet},
    graph::{Cx, Edge, Frame, Nanos, Node, Out, Reason, Snmp, Stats, Timer},
    icmp6::table::Cause6,
    ip4::table::ReassemblyRoom,
    ip6::{
        reassembly::{Datagram, Done, Fate, Mark, Piece, Reassembler},
        table::{Parsed, ReassemblyRules},
    },
    packet::{
        icmp6::MAX_ERROR_LEN,
        ipv6::{HEADER_LEN, extension, field, fragment, next_header},
    },
    tables::Tables,
};

/// The node. Each has packets of its own, so that one user's fragments never meet another's.
pub struct Reassemble6 {
    name: &'static str,
    edges: &'static [Edge],
    /// Packets may be in transit.
    transit: bool,
    all: Reassembler,
    /// Workers among which `ip6frag_high_thresh` is divided.
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

const LOCAL_EDGES: &[Edge] = &[
    Edge::To("ip6-local"),
    Edge::To("icmp6-error"),
    Edge::Drop(Reason::Reassembled),
    Edge::Drop(Reason::FragDuplicate),
    Edge::Drop(Reason::Frag6Overlap),
    Edge::Drop(Reason::Frag6Malformed),
    Edge::Drop(Reason::Frag6Ecn),
    Edge::Drop(Reason::Frag6Oversize),
    Edge::Drop(Reason::Frag6Memory),
    Edge::Drop(Reason::Frag6NoBuffer),
];

/// The same of packets in transit, whose end no counter of the kernel tells.
const TRANSIT_EDGES: &[Edge] = &[
    Edge::Continue,
    Edge::To("icmp6-error"),
    Edge::Drop(Reason::Reassembled),
    Edge::Drop(Reason::FragDuplicate),
    Edge::Drop(Reason::Frag6Filter),
    Edge::Drop(Reason::Frag6Filter),
    Edge::Drop(Reason::Frag6Filter),
    Edge::Drop(Reason::Frag6Filter),
    Edge::Drop(Reason::Frag6Filter),
    Edge::Drop(Reason::Frag6Filter),
];

/// Whether a packet has more headers than its own and that of a transport.
fn may_be_fragment(packet: &Packet) -> bool {
    let number = packet.data().get(packet.l3() + field::NEXT_HEADER);
    number.is_some_and(|number| extension::is_extension(*number))
}

/// Where the first fragment header stands, and the byte that names it (`find_prev_fhdr`).
fn find(bytes: &[u8]) -> Option<(usize, usize)> {
    let (mut number, mut named_at, mut at) =
        (*bytes.get(field::NEXT_HEADER)?, field::NEXT_HEADER, HEADER_LEN);
    // Each header is eight bytes or more, so this ends with the packet.
    while number != next_header::FRAGMENT {
        if !extension::is_extension(number) || number == next_header::NONE {
            return None;
        }
        let &[next, told] = bytes.get(at..)?.first_chunk()?;
        (number, named_at, at) = (next, at, at + extension::len_of(number, told));
    }
    (at <= bytes.len()).then_some((at, named_at))
}

/// Room for the largest Ethernet header.
const LINK_ROOM: usize = 18;
/// Packets that run out of time in one go; the rest do in the next turn.
const BUDGET: usize = 64;

impl Reassemble6 {
    /// For packets to the router.
    pub fn delivery(room: ReassemblyRoom) -> Self {
        let ReassemblyRoom { memory, share, seed } = room;
        let all = Reassembler::new(memory, seed);
        Self { name: "ip6-reassemble-local", edges: LOCAL_EDGES, transit: false, all, share }
    }

    /// For all packets, before their way is known.
    pub fn pre_routing(room: ReassemblyRoom) -> Self {
        let ReassemblyRoom { memory, share, seed } = room;
        let all = Reassembler::new(memory, seed).for_transit();
        Self { name: "ip6-reassemble", edges: TRANSIT_EDGES, transit: true, all, share }
    }

    fn rules(&self, cx: &Cx<'_, Tables>) -> ReassemblyRules {
        let ReassemblyRules { time, high_thresh } = match cx.tables.filter.as_deref() {
            Some(filter) if self.transit => {
                let high_thresh = usize::try_from(filter.rules.frag6_high_thresh);
                let high_thresh = high_thresh.unwrap_or(usize::MAX);
                ReassemblyRules { time: filter.rules.frag6_timeout, high_thresh }
            }
            _ => cx.tables.tunables.six.reassembly,
        };
        ReassemblyRules { time, high_thresh: high_thresh / self.share }
    }

    /// Whose fragment header stands where, with what was known of the packet; or the edge of a packet
    /// that is not to be put together.
    fn place(&self, packet: &Packet) -> Result<(Parsed, Parsed), u8> {
        let known = Parsed::of(packet);
        if !self.transit {
            return Ok((known, known));
        }
        let bytes = packet.data().get(packet.l3()..).unwrap_or_default();
        // Of a jumbogram no fragment can be told.
        let at = if bytes.get(field::PAYLOAD_LEN) == Some(&[0, 0]) { None } else { find(bytes) };
        let Some((at, named_at)) = at else { return Err(ON) };
        if at + fragment::LEN > bytes.len() {
            return Err(MALFORMED);
        }
        let place = Parsed { at: at as u16, named_at: named_at as u16, ..known };
        if has_upper_header(bytes, place) { Ok((place, known)) } else { Err(ON) }
    }

    /// Takes a fragment: the edge by which it ends, or nothing when it is kept.
    fn take(&mut self, packet: &mut Packet, cx: &Cx<'_, Tables>, out: &mut Out) -> Option<u8> {
        let (parsed, known) = match self.place(packet) {
            Ok(places) => places,
            Err(edge) => return Some(edge),
        };
        let rules = self.rules(cx);
        let options = known.to_bits();
        let flags = packet.flags().without(Flags::META).0;
        let mark = Mark { iface: packet.iface(), flags, options };
        let piece = Piece {
            packet: packet.data().get(packet.l3()..).unwrap_or_default(),
            at: parsed.at.into(),
            named_at: parsed.named_at.into(),
            vrf: cx.tables.vrf(packet.iface()),
            mark,
        };
        let put = self.all.put(&piece, cx.now, &rules);
        let edge = match put.fate {
            Fate::Kept => return None,
            Fate::Whole(done) => self.finish(done, packet, cx, out),
            // Who it is for may say so.
            Fate::Problem(_) if self.transit => ON,
            Fate::Problem(pointer) => {
                packet.set_note(Cause6::HeaderField.note());
                packet.set_hash(pointer as u32);
                ERROR
            }
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

    /// Sends a whole packet on; `packet` was the fragment that it lacked.
    fn finish(&mut self, done: Done, packet: &Packet, cx: &Cx<'_, Tables>, out: &mut Out) -> u8 {
        let whole = join(&self.all.datagram(&done), packet, self.transit, cx);
        self.all.release(done);
        match whole.map(|whole| out.emit(ON, whole)) {
            Some(Ok(())) => {
                cx.count(Snmp::Ip6ReasmOKs, u64::from(!self.transit));
                JOINED
            }
            _ => NO_BUFFER,
        }
    }
}

/// The whole in one packet: the headers of the first fragment but the fragment header, and all data.
fn join(
    datagram: &Datagram<'_>,
    last: &Packet,
    transit: bool,
    cx: &Cx<'_, Tables>,
) -> Option<Packet> {
    let (mut packet, l3) = cx.pool.alloc_for(LINK_ROOM, datagram.total_len())?;
    let headers_len = datagram.headers_len().checked_sub(fragment::LEN)?;
    let mut fits = packet.resize(l3);
    for bytes in datagram.headers() {
        fits &= packet.append(bytes);
    }
    let carried = *packet.data().get(l3 + headers_len)?;
    packet.truncate(l3 + headers_len);
    let named_at = datagram.mend(packet.data_mut().get_mut(l3..)?, carried)?;
    for bytes in datagram.bytes() {
        fits &= packet.append(bytes);
    }
    if !fits {
        return None;
    }
    packet.copy_notes(last);
    begin(&mut packet, datagram, l3);
    let parsed = Parsed::from_bits(datagram.first().options);
    let whole = Parsed { fragmented: true, ..parsed };
    if transit {
        whole.note(&mut packet);
        packet.add_flags(Flags::REASSEMBLED);
        packet.set_piece_size(datagram.largest());
        let meta = packet.meta();
        packet.set_meta(Meta { pieces: datagram.lengths(), ..meta });
        return Some(packet);
    }
    Parsed { at: headers_len as u16, named_at: named_at as u16, ..whole }.note(&mut packet);
    Some(packet)
}

/// Notes what was known of the first fragment, and the interface of the last one.
fn begin(packet: &mut Packet, datagram: &Datagram<'_>, l3: usize) {
    let flags = Flags(datagram.first().flags).without(Flags::OPTIONS);
    packet.begin(datagram.last().iface, l3 as u8, flags);
}

/// The first fragment as far as an error quotes it.
fn first(datagram: &Datagram<'_>, cx: &Cx<'_, Tables>) -> Option<Packet> {
    let headers_len = datagram.headers_len();
    let (mut packet, l3) = cx.pool.alloc_for(LINK_ROOM, headers_len + MAX_ERROR_LEN)?;
    let mut fits = packet.resize(l3);
    for bytes in datagram.headers() {
        fits &= packet.append(bytes);
    }
    for bytes in datagram.first_bytes(MAX_ERROR_LEN) {
        fits &= packet.append(bytes);
    }
    begin(&mut packet, datagram, l3);
    packet.set_trace(0);
    packet.set_hop(0);
    packet.set_note(Cause6::ReassemblyTimeout.note());
    fits.then_some(packet)
}

impl Node<Tables> for Reassemble6 {
    fn name(&self) -> &'static str {
        self.name
    }

    fn edges(&self) -> &'static [Edge] {
        self.edges
    }

    fn process(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame, out: &mut Out) {
        if self.transit && !frame.iter().any(may_be_fragment) {
            return;
        }
        let mut stay = Frame::new();
        for mut packet in frame.drain(..) {
            match self.take(&mut packet, cx, out) {
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

impl Timer<Tables> for Reassemble6 {
    fn due(&self) -> Nanos {
        self.all.due()
    }

    fn run_out(&mut self, cx: &mut Cx<'_, Tables>, out: &mut Out) {
        for _ in 0..BUDGET {
            let Some(done) = self.all.expire(cx.now) else { return };
            cx.count(Snmp::Ip6ReasmTimeout, 1);
            cx.count(Snmp::Ip6ReasmFails, 1);
            let datagram = self.all.datagram(&done);
            cx.stats.end_kept(Reason::FragTimeout, datagram.pieces().into());
            if datagram.headers_len() > 0
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
