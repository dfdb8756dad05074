//! `nf4-flowtable`, `nf6-flowtable`: packets of established flows take the short way.
//!
//! - takes: packets as they come to pre-routing
//! - gives: those of flows that have been learned, tracked, translated and in the frame they leave in,
//!   to the post-routing arc; all others to the pre-routing hook, as they came
//! - obeys: what the long way would make of them; nf_flow_table of the kernel for what is left to it
//! - costs: a line of the flow table and two of the connection, with their misses overlapped
//!   (`benches/side-by-side`)

use std::marker::PhantomData;

use crate::{
    conntrack::{ConnId, Conntrack, Known, Rules},
    dpdk::{mbuf::Packet, prefetch::prefetch},
    graph::{Cx, Edge, FRAME_LEN, Frame, Nanos, Node, Out},
    netfilter::{
        flows::Flows,
        flowtable::{Family, FlowTable, Four, Paths, Six, Way},
    },
    packet::ipv6,
    route::rewrite::Rewrite,
    tables::Tables,
};

/// The node.
pub struct Short<F: Family> {
    family: PhantomData<F>,
}

const ON: u8 = 0;
const SEND: u8 = 1;
/// Packets whose lines are asked for together: what they touch fits into the first cache.
const TOGETHER: usize = 64;
/// In place of a place: the packet goes the long way.
const LONG: u32 = u32::MAX;
/// In place of one that is still to be found.
const UNKNOWN: u32 = LONG - 1;

impl Short<Four> {
    /// Of IPv4.
    pub const fn four() -> Self {
        Self { family: PhantomData }
    }
}

impl Short<Six> {
    /// Of IPv6.
    pub const fn six() -> Self {
        Self { family: PhantomData }
    }
}

/// A family, and where a worker keeps what is known of its flows.
trait Own: Family {
    fn parts(own: &mut Flows) -> (&mut FlowTable<Self>, &mut Conntrack, &mut Paths);

    /// Octets from the network header on that a frame says it has.
    fn stated(frame: &[u8]) -> usize;

    /// The most of them that a way carries whose largest packet of IPv4 is this.
    fn most(mtu: u16) -> usize;

    /// A packet of a stream of UDP passes; `ip` begins with its network header.
    fn stream(own: &mut Conntrack, way: &Way<Self>, conn: ConnId, ip: &[u8], at: &Now<'_>) -> bool;
}

impl Own for Four {
    #[inline(always)]
    fn parts(own: &mut Flows) -> (&mut FlowTable<Self>, &mut Conntrack, &mut Paths) {
        (&mut own.short4, &mut own.conntrack, &mut own.paths)
    }

    #[inline(always)]
    fn stated(frame: &[u8]) -> usize {
        let stated = frame.get(16..18).and_then(<[u8]>::first_chunk);
        stated.map_or(0, |stated| u16::from_be_bytes(*stated).into())
    }

    fn most(mtu: u16) -> usize {
        mtu.into()
    }

    #[inline(always)]
    fn stream(own: &mut Conntrack, way: &Way<Self>, conn: ConnId, ip: &[u8], at: &Now<'_>) -> bool {
        own.pass_stream::<false>(conn, ip, way.timeout, at.now, at.rules.checksum)
    }
}

impl Own for Six {
    #[inline(always)]
    fn parts(own: &mut Flows) -> (&mut FlowTable<Self>, &mut Conntrack, &mut Paths) {
        (&mut own.short6, &mut own.conntrack, &mut own.paths)
    }

    #[inline(always)]
    fn stated(frame: &[u8]) -> usize {
        let stated = frame.get(18..20).and_then(<[u8]>::first_chunk);
        stated.map_or(0, |stated| usize::from(u16::from_be_bytes(*stated))) + ipv6::HEADER_LEN
    }

    fn most(mtu: u16) -> usize {
        mtu.max(ipv6::MIN_MTU).into()
    }

    #[inline(always)]
    fn stream(own: &mut Conntrack, way: &Way<Self>, conn: ConnId, ip: &[u8], at: &Now<'_>) -> bool {
        own.pass_stream::<true>(conn, ip, way.timeout, at.now, at.rules.checksum)
    }
}

/// What packets of a turn are judged by.
struct Now<'a> {
    rules: &'a Rules,
    now: Nanos,
}

/// A hop, and the longest packet from the network header on that leaves by it as it stands: none where
/// frames need more than their header written.
struct Leaving<'a> {
    hop: u32,
    rewrite: Rewrite<'a>,
    most: usize,
}

impl<'a> Leaving<'a> {
    #[inline(always)]
    fn read<F: Own>(hop: u32, tables: &'a Tables) -> Self {
        let rewrite = Rewrite::read(tables.hops.get(hop));
        let most = if rewrite.out.is_plain() { F::most(rewrite.out.mtu) } else { 0 };
        Self { hop, rewrite, most }
    }
}

/// What a worker sends packets with.
struct Turn<'a> {
    conntrack: &'a mut Conntrack,
    paths: &'a mut Paths,
    at: Now<'a>,
    /// Packets of streams so far.
    streamed: u64,
}

impl Turn<'_> {
    /// Asks for what sending a packet will need.
    #[inline(always)]
    fn ask<F: Own>(&self, way: &Way<F>) {
        if way.timeout != 0 {
            if let Some(life) = self.conntrack.life(way.conn) {
                prefetch(life);
            }
        } else if let Some((facts, proto)) = self.conntrack.lines(way.conn) {
            prefetch(facts);
            prefetch(proto);
        }
    }

    /// Tracks a packet, translates it and puts it into the frame it leaves in. False where the long way has to
    /// see it, which then finds it as it came.
    #[inline(always)]
    fn send<F: Own>(
        &mut self,
        way: &mut Way<F>,
        leaving: &Leaving<'_>,
        packet: &mut Packet,
    ) -> bool {
        let frame = packet.data_mut();
        let len = F::stated(frame);
        let Some(ip) = frame.get_mut(14..) else { return false };
        let Some(conn) = ConnId::from_bits(way.conn) else { return false };
        if len > leaving.most {
            return false;
        }
        let udp = F::is_udp(way.key());
        if way.timeout != 0 && F::stream(self.conntrack, way, conn, ip, &self.at) {
            self.streamed += 1;
        } else if !self.track(way, conn, ip, udp) {
            return false;
        }
        // The key has said that both headers are there whole.
        let whole = F::forward(&way.delta, ip, udp);
        debug_assert!(whole, "the key was of a shorter packet");
        leaving.rewrite.put(frame);
        packet.set_port(leaving.rewrite.out.port);
        packet.set_hop(leaving.hop);
        self.paths.count(way.path, len);
        true
    }

    /// Tracks a packet that may change more of its connection than its end.
    #[inline(never)]
    fn track<F: Own>(&mut self, way: &mut Way<F>, conn: ConnId, ip: &[u8], udp: bool) -> bool {
        let Way { dir, counts, .. } = *way;
        let known = Known { conn, dir, packet: ip, l4: F::L4 - 14, udp, counts };
        if !self.conntrack.pass_known(&known, self.at.now, self.at.rules) {
            return false;
        }
        if udp && !counts {
            let timeout = self.conntrack.stream(conn, self.at.rules, self.at.now);
            way.timeout = timeout.unwrap_or(0);
        }
        true
    }
}

impl<F: Own> Node<Tables> for Short<F> {
    fn name(&self) -> &'static str {
        if F::SIX { "nf6-flowtable" } else { "nf4-flowtable" }
    }

    fn edges(&self) -> &'static [Edge] {
        if F::SIX {
            &[Edge::Continue, Edge::Arc("ip6-post-routing")]
        } else {
            &[Edge::Continue, Edge::Arc("ip4-post-routing")]
        }
    }

    fn process(&mut self, cx: &mut Cx<'_, Tables>, frame: &mut Frame, out: &mut Out) {
        let Some(filter) = cx.tables.filter.as_deref() else { return };
        cx.own.renew(cx.tables.generation);
        let (table, conntrack, paths) = F::parts(cx.own);
        if !table.is_ready() {
            return;
        }
        let generation = cx.tables.generation as u32;
        let at = Now { rules: &filter.rules, now: cx.now };
        let mut turn = Turn { conntrack, paths, at, streamed: 0 };
        let mut keys = [F::Key::default(); TOGETHER];
        let mut hashes = [0; TOGETHER];
        let mut places = [LONG; TOGETHER];
        let mut leaving = Leaving::read::<F>(0, cx.tables);
        for begin in (0..frame.len().min(FRAME_LEN)).step_by(TOGETHER) {
            let end = (begin + TOGETHER).min(frame.len());
            let packets = &mut frame[begin..end];
            // Verdicts are written many at once: they are read so, and soon.
            out.edges_mut()[begin..begin + TOGETHER].fill(SEND);
            let all = keys.iter_mut().zip(&mut hashes).zip(&mut places);
            for (packet, ((key, hash), place)) in packets.iter().zip(all) {
                *place = LONG;
                if packet.is_plain_at(14)
                    && let Some(found) = F::key(packet.data(), packet.iface())
                {
                    (*key, *hash, *place) = (found, F::hash(&found), UNKNOWN);
                    if let Some(tags) = table.tags(*hash) {
                        prefetch(tags);
                    }
                }
            }
            let places = &mut places[..packets.len()];
            for (hash, place) in hashes.iter().zip(&mut *places) {
                if *place != LONG {
                    let candidate = table.candidate(*hash);
                    *place = candidate.map_or(LONG, |place| place as u32);
                    if let Some(way) = candidate.and_then(|place| table.way(place)) {
                        prefetch(way);
                    }
                }
            }
            for (key, place) in keys.iter().zip(&mut *places) {
                let Some(way) = table.way(*place as usize) else { continue };
                if way.is(key, generation) {
                    turn.ask(way);
                } else {
                    // Not asked for: it is rare.
                    let found = table.search(key, generation);
                    *place = found.map_or(LONG, |place| place as u32);
                }
            }
            for (number, (packet, place)) in packets.iter_mut().zip(&*places).enumerate() {
                let way = if *place == LONG { None } else { table.way_mut(*place as usize) };
                let sent = way.is_some_and(|way| {
                    if way.hop != leaving.hop {
                        leaving = Leaving::read::<F>(way.hop, cx.tables);
                    }
                    turn.send(way, &leaving, packet)
                });
                if !sent {
                    out.set(begin + number, ON);
                }
            }
        }
        turn.conntrack.count_streams(turn.streamed);
    }
}
