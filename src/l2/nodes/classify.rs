//! `classify`: passes over a frame that prove the plain packets and part them from the rest.
//!
//! - takes: packets as received; starts their notes
//! - gives: unicast IPv4 packets without options, and IPv6 packets without hop-by-hop options between
//!   global addresses, that pass every receive check to their pre-routing arcs; everything else to
//!   `ethernet-input`, which repeats the checks one by one and names what is wrong
//! - obeys: RFC 1812 section 5.2.2, ledger 4.13 to 4.16
//! - costs: two cache lines a packet and its hop's; cycles stand in docs/performance.md

use crate::{
    dpdk::mbuf::{Notes, Packet},
    graph::{Cx, Edge, FRAME_LEN, Frame, Node, Out},
    packet::{checksum, ethernet::ethertype, ipv6, word},
    port::table::{LocalAddresses, PortFacts},
    route::{family::Fib, rewrite::Quick, table::HopTable},
    tables::Tables,
};

/// The node, with room for the addresses of a frame and what is found for them.
pub struct Classify {
    dst4: [u32; FRAME_LEN],
    dst6: [u128; FRAME_LEN],
    found: [u32; FRAME_LEN],
    rest: [u8; FRAME_LEN],
}

impl Default for Classify {
    fn default() -> Self {
        Self {
            dst4: [0; FRAME_LEN],
            dst6: [0; FRAME_LEN],
            found: [0; FRAME_LEN],
            rest: [0; FRAME_LEN],
        }
    }
}

const IP4: u8 = 0;
const ETHERNET: u8 = 1;
const IP6: u8 = 2;
const SEND4: u8 = 3;
const SEND6: u8 = 4;

/// First octets that take an address off the plain way: zero, loopback, multicast and above.
const ODD: [bool; 256] = {
    let mut odd = [false; 256];
    odd[0] = true;
    odd[127] = true;
    let mut octet = 224;
    while octet < 256 {
        odd[octet] = true;
        octet += 1;
    }
    odd
};

const AHEAD: usize = 4;

/// Version and header length of IPv4 without options.
const BARE: u8 = 0x45;

/// What the packets of one port are held against.
struct Facts<'a> {
    number: u16,
    port: &'a PortFacts,
    notes: Notes,
    locals: &'a LocalAddresses,
}

impl<'a> Facts<'a> {
    fn of(tables: &'a Tables, number: u16) -> Self {
        let port = tables.ifaces.port(number);
        let notes = Notes::new(port.iface, 14, port.flags);
        Self { number, port, notes, locals: &tables.locals }
    }

    /// Becomes that of a packet's port.
    #[inline(always)]
    fn follow(&mut self, tables: &'a Tables, packet: &Packet) {
        if packet.port() != self.number {
            *self = Self::of(tables, packet.port());
        }
    }

    /// Where a packet of plain IPv4 goes to; none for one that needs another check before its route. Its
    /// notes are begun in any case.
    #[inline(always)]
    fn four(&self, packet: &mut Packet) -> Option<u32> {
        packet.begin_as(self.notes);
        let (len, whole) = (packet.data().len(), packet.is_contiguous());
        let head = packet.data().first_chunk::<34>()?;
        let kind = u16::from_be_bytes(word(head, 12)) == ethertype::IPV4;
        let total = usize::from(u16::from_be_bytes(word(head, 16)));
        // Below 20, or more than there is.
        let misfit = total.wrapping_sub(20) > len.wrapping_sub(34);
        let odd = ODD[usize::from(head[26])] | ODD[usize::from(head[30])];
        let own = self.port.is_own(word(head, 0)) & !self.locals.may_contain(word(head, 26));
        let right = kind & (head[14] == BARE) & own & whole & !misfit & !odd;
        if !(right & checksum::ipv4_header20(head.last_chunk()?)) {
            return None;
        }
        let dst = u32::from_be_bytes(word(head, 30));
        packet.cut(total + 14);
        Some(dst)
    }

    /// The same of IPv6, but that nothing is done to the others.
    #[inline(always)]
    fn six(&self, packet: &mut Packet) -> Option<u128> {
        let (len, whole) = (packet.data().len(), packet.is_contiguous());
        let head = packet.data().first_chunk::<{ ipv6::HEAD_LEN }>()?;
        let own = self.port.is_own(word(head, 0)) & self.port.six;
        if !(own & whole & ipv6::plain(head, len)) {
            return None;
        }
        let total = ipv6::HEAD_LEN + usize::from(u16::from_be_bytes(word(head, 18)));
        let dst = ipv6::address_at(head, 14 + ipv6::field::DST.start);
        packet.cut(total);
        // What `ip4-forwarding` says of the port is none of its business.
        packet.begin_as(self.notes.without_flags());
        Some(dst)
    }
}

/// Sends what goes by a plain hop; what calls for more keeps the edge it has. `edges` are that of packets
/// which may go, and that of those which do.
#[inline(always)]
fn straight(
    hops: &HopTable,
    frame: &mut Frame,
    out: &mut Out,
    edges: (u8, u8),
    found: &[u32],
    quick: impl Fn(Quick<'_>, &mut Packet) -> bool,
) {
    let (may, does) = edges;
    // Verdicts are written many at once: they are read so, and soon.
    let chosen = out.edges_mut();
    let chunks = chosen.as_chunks_mut::<32>().0.iter_mut().take(frame.len().div_ceil(32));
    if found.len() == frame.len() {
        chunks.for_each(|edges| *edges = [does; 32]);
        for (place, (packet, index)) in frame.iter_mut().zip(found).enumerate() {
            if !quick(Quick::plain(hops.get(*index)), packet) {
                chosen[place] = may;
            }
        }
        return;
    }
    chunks.for_each(|edges| *edges = edges.map(|edge| if edge == may { does } else { edge }));
    let mut found = found.iter().copied();
    for (packet, edge) in frame.iter_mut().zip(chosen) {
        if *edge != does {
            continue;
        }
        let Some(index) = found.next() else { return };
        if !quick(Quick::plain(hops.get(index)), packet) {
            *edge = may;
        }
    }
}

/// The same for each family, apart from each other and from the checks: each has all registers.
#[inline(never)]
fn straight4(hops: &HopTable, frame: &mut Frame, out: &mut Out, found: &[u32]) {
    straight(hops, frame, out, (IP4, SEND4), found, |way, packet| way.go4::<true>(packet));
}

#[inline(never)]
fn straight6(hops: &HopTable, frame: &mut Frame, out: &mut Out, found: &[u32]) {
    straight(hops, frame, out, (IP6, SEND6), found, |way, packet| way.go6::<true>(packet));
}

/// Holds every packet against `check`; gives how many do not stand it, whose places are noted. What is
/// found of the others is noted in turn.
#[inline(always)]
fn all<D>(
    tables: &Tables,
    frame: &mut Frame,
    found: &mut [D; FRAME_LEN],
    rest: &mut [u8; FRAME_LEN],
    check: impl Fn(&Facts<'_>, &mut Packet) -> Option<D>,
) -> usize {
    let mut facts = Facts::of(tables, frame.first().map_or(0, Packet::port));
    let (mut count, mut others) = (0, 0);
    let mut left = frame.as_mut_slice();
    while let Some((packet, behind)) = left.split_first_mut() {
        if let Some(ahead) = behind.get(AHEAD - 1) {
            ahead.prefetch();
        }
        facts.follow(tables, packet);
        if let Some(dst) = check(&facts, packet) {
            found[count & (FRAME_LEN - 1)] = dst;
            count += 1;
        } else {
            rest[others & (FRAME_LEN - 1)] = (count + others) as u8;
            others += 1;
        }
        left = behind;
    }
    others
}

/// The same of the packets at `places`: those that stand it go by `edge`, and are counted, the others to
/// `ethernet-input`.
#[inline(always)]
fn some<D>(
    tables: &Tables,
    (frame, out): (&mut Frame, &mut Out),
    (places, edge): (&[u8], u8),
    found: &mut [D; FRAME_LEN],
    check: impl Fn(&Facts<'_>, &mut Packet) -> Option<D>,
) -> usize {
    let mut facts = Facts::of(tables, frame.first().map_or(0, Packet::port));
    let mut count = 0;
    for place in places {
        let place = usize::from(*place);
        if let Some(ahead) = frame.get(place + AHEAD) {
            ahead.prefetch();
        }
        let packet = &mut frame[place];
        facts.follow(tables, packet);
        let verdict = if let Some(dst) = check(&facts, packet) {
            found[count & (FRAME_LEN - 1)] = dst;
            count += 1;
            edge
        } else {
            ETHERNET
        };
        out.set(place, verdict);
    }
    count
}

/// The passes are apart from each other: each has all registers.
impl Classify {
    /// Finds the plain packets of IPv4; gives how many others there are. What those that go straight on are
    /// looked up by is asked for.
    #[inline(never)]
    fn all4<const STRAIGHT: bool>(&mut self, tables: &Tables, frame: &mut Frame) -> usize {
        all(tables, frame, &mut self.dst4, &mut self.rest, |facts, packet| {
            let dst = facts.four(packet)?;
            if STRAIGHT {
                tables.fib.ask(dst);
            }
            Some(dst)
        })
    }

    /// Finds those of IPv4 among the `rest`; gives how many.
    #[inline(never)]
    fn some4(&mut self, tables: &Tables, frame: &mut Frame, out: &mut Out, rest: usize) -> usize {
        let places = (&self.rest[..rest], IP4);
        some(tables, (frame, out), places, &mut self.dst4, |facts, packet| facts.four(packet))
    }

    /// Finds the plain packets of IPv6; gives how many others there are.
    #[inline(never)]
    fn all6(&mut self, tables: &Tables, frame: &mut Frame, out: &mut Out) -> usize {
        out.edges_mut()[..frame.len()].fill(IP6);
        all(tables, frame, &mut self.dst6, &mut self.rest, |facts, packet| {
            let dst = facts.six(packet)?;
            tables.fib6.ask(dst);
            Some(dst)
        })
    }

    /// Finds those of IPv6 among the `rest`; gives how many.
    #[inline(never)]
    fn some6(&mut self, tables: &Tables, frame: &mut Frame, out: &mut Out, rest: usize) -> usize {
        let places = (&self.rest[..rest], IP6);
        some(tables, (frame, out), places, &mut self.dst6, |facts, packet| facts.six(packet))
    }

    /// How many plain packets there are of each family: first that of the first packet is looked for.
    #[inline(always)]
    fn plain(&mut self, tables: &Tables, frame: &mut Frame, out: &mut Out) -> (usize, usize) {
        let kind = frame.first().and_then(|first| first.data().get(12..14));
        if kind == Some(&ethertype::IPV6.to_be_bytes()) {
            let rest = self.all6(tables, frame, out);
            let four = if rest > 0 { self.some4(tables, frame, out, rest) } else { 0 };
            (four, frame.len() - rest)
        } else {
            let rest = match tables.straight[0] {
                true => self.all4::<true>(tables, frame),
                false => self.all4::<false>(tables, frame),
            };
            let six = if rest > 0 { self.some6(tables, frame, out, rest) } else { 0 };
            (frame.len() - rest, six)
        }
    }
}

impl Node<Tables> for Classify {
    fn name(&self) -> &'static str {
        "classify"
    }

    fn edges(&self) -> &'static [Edge] {
        &[
            Edge::Arc("ip4-pre-routing"),
            Edge::To("ethernet-input"),
            Edge::Arc("ip6-pre-routing"),
            Edge::Arc("ip4-post-routing"),
            Edge::Arc("ip6-post-routing"),
        ]
    }

    /// Plain packets go straight to where they leave, where nothing but the look-up would look at them;
    /// what calls for more than a plain hop goes on to the look-up all the same.
    fn process(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame, out: &mut Out) {
        let tables = cx.tables;
        let (four, six) = self.plain(tables, frame, out);
        if tables.straight[0] && four > 0 {
            let found = &mut self.found[..four];
            tables.fib.lookup_batch(&self.dst4[..four], found);
            straight4(&tables.hops, frame, out, found);
        }
        if tables.straight[1] && six > 0 {
            let found = &mut self.found[..six];
            tables.fib6.lookup_batch(&self.dst6[..six], found);
            straight6(&tables.hops, frame, out, found);
        }
    }
}
