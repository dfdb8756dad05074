//! `classify`: passes over a frame that prove the plain packets and part them from the rest.
//!
//! - takes: packets as received; starts their notes
//! - gives: unicast IPv4 packets without options, and IPv6 packets without hop-by-hop options between
//!   global addresses, that pass every receive check to their pre-routing arcs; everything else to
//!   `ethernet-input`, which repeats the checks one by one and names what is wrong
//! - obeys: RFC 1812 section 5.2.2, ledger 4.13 to 4.16
//! - costs: two cache lines a packet and its hop's; cycles stand in docs/performance.md

use crate::{
    dpdk::mbuf::{Notes, Packet, Shape},
    graph::{Cx, Edge, FRAME_LEN, Frame, Node, Out},
    packet::{checksum, ethernet::ethertype, ipv6, word},
    port::table::{PortFacts, Screen},
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

const AHEAD: usize = 4;

/// Version and header length of IPv4 without options.
const BARE: u8 = 0x45;

/// What the packets of one port are held against that lie in their buffers alike.
struct Facts<'a> {
    shape: Shape,
    port: &'a PortFacts,
    notes: Notes,
    screen: &'a Screen,
}

impl<'a> Facts<'a> {
    fn of(tables: &'a Tables, shape: Shape) -> Self {
        let port = tables.ifaces.port(shape.port());
        let notes = Notes::new(port.iface, 14, port.flags);
        // Nothing in several buffers is plain.
        let port = if shape.is_contiguous() { port } else { &PortFacts::UNUSED };
        Self { shape, port, notes, screen: tables.locals.screen() }
    }

    /// Becomes that of a packet.
    #[inline(always)]
    fn follow(&mut self, tables: &'a Tables, packet: &Packet) {
        if packet.shape() != self.shape {
            *self = Self::of(tables, packet.shape());
        }
    }

    /// Where a packet of plain IPv4 goes to; none for one that needs another check before its route. Its
    /// notes are begun in any case.
    #[inline(always)]
    fn four(&self, packet: &mut Packet) -> Option<u32> {
        packet.begin_as(self.notes);
        let len = packet.data().len();
        let head = packet.data().first_chunk::<34>()?;
        let total = usize::from(u16::from_be_bytes(word(head, 16)));
        let fits = (total >= 20) & (total + 14 <= len);
        let stopped = self.screen.stops(word(head, 26), head[30]);
        let bare = (u16::from_be_bytes(word(head, 12)) == ethertype::IPV4) & (head[14] == BARE);
        let right = self.port.is_own(word(head, 0)) & bare & fits & !stopped;
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
        let len = packet.data().len();
        let head = packet.data().first_chunk::<{ ipv6::HEAD_LEN }>()?;
        let own = self.port.is_own(word(head, 0)) & self.port.six;
        if !(own & ipv6::plain(head, len)) {
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

/// What there is of plain packets in a frame.
#[derive(Clone, Copy, Default)]
struct Plain {
    four: usize,
    six: usize,
    /// What all packets of the frame have in their notes, where they are of one family and have it alike.
    alike: Option<Notes>,
}

/// What was found for packets, and [`Plain::alike`].
type Found<'a> = (&'a [u32], Option<Notes>);

/// Sends what goes by a plain hop; what calls for more keeps the edge it has. `edges` are that of packets
/// which may go, and that of those which do.
#[inline(always)]
fn straight(
    hops: &HopTable,
    frame: &mut Frame,
    out: &mut Out,
    edges: (u8, u8),
    (found, alike): Found<'_>,
    quick: impl Fn(Quick<'_>, &mut Packet, Notes) -> bool,
) {
    let (may, does) = edges;
    // Verdicts are written many at once: they are read so, and soon.
    let chosen = out.edges_mut();
    let chunks = chosen.as_chunks_mut::<32>().0.iter_mut().take(frame.len().div_ceil(32));
    if let Some(notes) = alike {
        chunks.for_each(|edges| *edges = [does; 32]);
        for (place, (packet, index)) in frame.iter_mut().zip(found).enumerate() {
            if !quick(Quick::plain(hops.get(*index)), packet, notes) {
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
        let notes = packet.notes();
        if !quick(Quick::plain(hops.get(index)), packet, notes) {
            *edge = may;
        }
    }
}

/// The same for each family, apart from each other and from the checks: each has all registers.
#[inline(never)]
fn straight4(hops: &HopTable, frame: &mut Frame, out: &mut Out, found: Found<'_>) {
    let quick = |way: Quick<'_>, packet: &mut _, notes| way.go4::<true>(packet, notes);
    straight(hops, frame, out, (IP4, SEND4), found, quick);
}

#[inline(never)]
fn straight6(hops: &HopTable, frame: &mut Frame, out: &mut Out, found: Found<'_>) {
    let quick = |way: Quick<'_>, packet: &mut _, notes| way.go6::<true>(packet, notes);
    straight(hops, frame, out, (IP6, SEND6), found, quick);
}

/// What packets are held against, and what is found of those that stand it. No closure, which the compiler would
/// call for each packet.
trait Check {
    type Found: Copy;
    fn check(&self, facts: &Facts<'_>, packet: &mut Packet) -> Option<Self::Found>;
}

/// Plain IPv4; what is found is told on.
struct Four<F>(F);

impl<F: Fn(u32)> Check for Four<F> {
    type Found = u32;

    #[inline(always)]
    fn check(&self, facts: &Facts<'_>, packet: &mut Packet) -> Option<u32> {
        let dst = facts.four(packet)?;
        self.0(dst);
        Some(dst)
    }
}

/// The same of IPv6.
struct Six<F>(F);

impl<F: Fn(u128)> Check for Six<F> {
    type Found = u128;

    #[inline(always)]
    fn check(&self, facts: &Facts<'_>, packet: &mut Packet) -> Option<u128> {
        let dst = facts.six(packet)?;
        self.0(dst);
        Some(dst)
    }
}

/// How many packets at the front lie alike and stand `check`, but for the last few of a frame. What is found of them
/// is noted in turn.
#[inline(always)]
fn leading<C: Check>(
    facts: &Facts<'_>,
    packets: &mut [Packet],
    found: &mut [C::Found],
    check: &C,
) -> usize {
    let most = packets.len().saturating_sub(AHEAD).min(found.len());
    for (at, place) in found[..most].iter_mut().enumerate() {
        let Some(ahead) = packets.get(at + AHEAD) else { return at };
        ahead.prefetch();
        let packet = &mut packets[at];
        if packet.shape() != facts.shape {
            return at;
        }
        let Some(dst) = check.check(facts, packet) else { return at };
        *place = dst;
    }
    most
}

/// Holds every packet against `check`; gives how many do not stand it, whose places are noted, and the notes
/// that all have alike. What is found of the others is noted in turn.
#[inline(always)]
fn all<C: Check>(
    tables: &Tables,
    frame: &mut Frame,
    found: &mut [C::Found; FRAME_LEN],
    rest: &mut [u8; FRAME_LEN],
    check: &C,
) -> (usize, Option<Notes>) {
    let shape = frame.first().map_or(Shape::default(), Packet::shape);
    let mut facts = Facts::of(tables, shape);
    let (mut count, mut others, mut alike) = (0, 0, true);
    let mut left = frame.as_mut_slice();
    loop {
        let passed = leading(&facts, left, &mut found[count..], check);
        count += passed;
        let Some((packet, behind)) = left[passed..].split_first_mut() else { break };
        alike &= packet.shape() == shape;
        facts.follow(tables, packet);
        if let Some(dst) = check.check(&facts, packet) {
            found[count & (FRAME_LEN - 1)] = dst;
            count += 1;
        } else {
            rest[others & (FRAME_LEN - 1)] = (count + others) as u8;
            others += 1;
        }
        left = behind;
    }
    (others, (alike & (others == 0)).then_some(facts.notes))
}

/// The same of the packets at `places`: those that stand it go by `edge`, and are counted, the others to
/// `ethernet-input`.
#[inline(always)]
fn some<C: Check>(
    tables: &Tables,
    (frame, out): (&mut Frame, &mut Out),
    (places, edge): (&[u8], u8),
    found: &mut [C::Found; FRAME_LEN],
    check: &C,
) -> usize {
    let mut facts = Facts::of(tables, frame.first().map_or(Shape::default(), Packet::shape));
    let mut count = 0;
    for place in places {
        let place = usize::from(*place);
        if let Some(ahead) = frame.get(place + AHEAD) {
            ahead.prefetch();
        }
        let packet = &mut frame[place];
        facts.follow(tables, packet);
        let verdict = if let Some(dst) = check.check(&facts, packet) {
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
    /// Finds the plain packets of IPv4; gives how many others there are, and [`Plain::alike`]. What those that
    /// go straight on are looked up by is asked for.
    #[inline(never)]
    fn all4<const STRAIGHT: bool>(
        &mut self,
        tables: &Tables,
        frame: &mut Frame,
    ) -> (usize, Option<Notes>) {
        let (dst, rest) = (&mut self.dst4, &mut self.rest);
        match STRAIGHT {
            true => all(tables, frame, dst, rest, &Four(tables.fib.asker())),
            false => all(tables, frame, dst, rest, &Four(|_| ())),
        }
    }

    /// Finds those of IPv4 among the `rest`; gives how many.
    #[inline(never)]
    fn some4(&mut self, tables: &Tables, frame: &mut Frame, out: &mut Out, rest: usize) -> usize {
        let places = (&self.rest[..rest], IP4);
        some(tables, (frame, out), places, &mut self.dst4, &Four(|_| ()))
    }

    /// Finds the plain packets of IPv6; gives how many others there are, and [`Plain::alike`].
    #[inline(never)]
    fn all6(
        &mut self,
        tables: &Tables,
        frame: &mut Frame,
        out: &mut Out,
    ) -> (usize, Option<Notes>) {
        out.edges_mut()[..frame.len()].fill(IP6);
        let ask = Six(tables.fib6.asker());
        let (rest, alike) = all(tables, frame, &mut self.dst6, &mut self.rest, &ask);
        (rest, alike.map(Notes::without_flags))
    }

    /// Finds those of IPv6 among the `rest`; gives how many.
    #[inline(never)]
    fn some6(&mut self, tables: &Tables, frame: &mut Frame, out: &mut Out, rest: usize) -> usize {
        let places = (&self.rest[..rest], IP6);
        some(tables, (frame, out), places, &mut self.dst6, &Six(|_| ()))
    }

    /// The plain packets of each family: first that of the first packet is looked for.
    #[inline(always)]
    fn plain(&mut self, tables: &Tables, frame: &mut Frame, out: &mut Out) -> Plain {
        let kind = frame.first().and_then(|first| first.data().get(12..14));
        if kind == Some(&ethertype::IPV6.to_be_bytes()) {
            let (rest, alike) = self.all6(tables, frame, out);
            let four = if rest > 0 { self.some4(tables, frame, out, rest) } else { 0 };
            Plain { four, six: frame.len() - rest, alike }
        } else {
            let (rest, alike) = match tables.straight[0] {
                true => self.all4::<true>(tables, frame),
                false => self.all4::<false>(tables, frame),
            };
            let six = if rest > 0 { self.some6(tables, frame, out, rest) } else { 0 };
            Plain { four: frame.len() - rest, six, alike }
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
        let Plain { four, six, alike } = self.plain(tables, frame, out);
        if tables.straight[0] && four > 0 {
            let found = &mut self.found[..four];
            tables.fib.lookup_batch(&self.dst4[..four], found);
            straight4(&tables.hops, frame, out, (found, alike));
        }
        if tables.straight[1] && six > 0 {
            let found = &mut self.found[..six];
            tables.fib6.lookup_batch(&self.dst6[..six], found);
            straight6(&tables.hops, frame, out, (found, alike));
        }
    }
}
