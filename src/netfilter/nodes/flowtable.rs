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
    packet::ipv6::MIN_MTU,
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

    /// Octets from the network header on that a frame says it has, and the most that a way carries.
    fn sizes(frame: &[u8], mtu: u16) -> (usize, usize);
}

impl Own for Four {
    #[inline(always)]
    fn parts(own: &mut Flows) -> (&mut FlowTable<Self>, &mut Conntrack, &mut Paths) {
        (&mut own.short4, &mut own.conntrack, &mut own.paths)
    }

    #[inline(always)]
    fn sizes(frame: &[u8], mtu: u16) -> (usize, usize) {
        let stated = frame.get(16..18).and_then(<[u8]>::first_chunk);
        (stated.map_or(0, |stated| u16::from_be_bytes(*stated).into()), mtu.into())
    }
}

impl Own for Six {
    #[inline(always)]
    fn parts(own: &mut Flows) -> (&mut FlowTable<Self>, &mut Conntrack, &mut Paths) {
        (&mut own.short6, &mut own.conntrack, &mut own.paths)
    }

    #[inline(always)]
    fn sizes(frame: &[u8], mtu: u16) -> (usize, usize) {
        let stated = frame.get(18..20).and_then(<[u8]>::first_chunk);
        let len = stated.map_or(0, |stated| u16::from_be_bytes(*stated).into());
        (len + 40, mtu.max(MIN_MTU).into())
    }
}

/// What a worker sends packets with.
struct Turn<'a> {
    conntrack: &'a mut Conntrack,
    paths: &'a mut Paths,
    rules: &'a Rules,
    now: Nanos,
}

impl Turn<'_> {
    /// Tracks a packet, translates it and puts it into the frame it leaves in. False where the long way has to
    /// see it, which then finds it as it came.
    #[inline(always)]
    fn send<F: Own>(
        &mut self,
        way: &mut Way<F>,
        udp: bool,
        rewrite: &Rewrite<'_>,
        packet: &mut Packet,
    ) -> bool {
        let frame = packet.data_mut();
        let (len, most) = F::sizes(frame, rewrite.out.mtu);
        let Some(conn) = ConnId::from_bits(way.conn) else { return false };
        let Some(ip) = frame.get(14..) else { return false };
        if len > most || !rewrite.out.is_plain() {
            return false;
        }
        let known =
            Known { conn, dir: way.dir, packet: ip, l4: F::L4 - 14, udp, counts: way.counts };
        let streams = way.timeout != 0
            && self.conntrack.pass_stream(&known, way.timeout, self.now, self.rules.checksum);
        if !streams {
            if !self.conntrack.pass_known(&known, self.now, self.rules) {
                return false;
            }
            if known.udp && !known.counts {
                let timeout = self.conntrack.stream(conn, self.rules, self.now);
                way.timeout = timeout.unwrap_or(0);
            }
        }
        if let Some(delta) = &way.delta
            && let Some(ip) = frame.get_mut(14..)
        {
            // The key has said that both headers are there whole.
            let whole = F::translate(delta, ip);
            debug_assert!(whole, "the key was of a shorter packet");
        }
        F::age(frame);
        rewrite.put(frame);
        packet.set_port(rewrite.out.port);
        packet.set_hop(way.hop);
        self.paths.count(way.path, len);
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
        let mut turn = Turn { conntrack, paths, rules: &filter.rules, now: cx.now };
        let mut keys = [(F::Key::default(), false); TOGETHER];
        let mut places = [LONG; TOGETHER];
        let (mut last, mut rewrite) = (0, Rewrite::read(cx.tables.hops.get(0)));
        for begin in (0..frame.len().min(FRAME_LEN)).step_by(TOGETHER) {
            let end = (begin + TOGETHER).min(frame.len());
            let packets = &mut frame[begin..end];
            // Verdicts are written many at once: they are read so, and soon.
            out.edges_mut()[begin..begin + TOGETHER].fill(SEND);
            for ((packet, key), place) in packets.iter().zip(&mut keys).zip(&mut places) {
                *place = LONG;
                if packet.is_plain_at(14)
                    && let Some(found) = F::key(packet.data(), packet.iface())
                {
                    *key = found;
                    let home = table.home(&found.0);
                    *place = home as u32;
                    if let Some(way) = table.way(home) {
                        prefetch(way);
                    }
                }
            }
            for (key, place) in keys.iter().zip(&mut places).take(packets.len()) {
                if *place == LONG {
                    continue;
                }
                let found = table.find(*place as usize, &key.0, generation);
                *place = found.map_or(LONG, |place| place as u32);
                if let Some(way) = found.and_then(|place| table.way(place))
                    && way.timeout == 0
                    && let Some((facts, proto)) = turn.conntrack.lines(way.conn)
                {
                    prefetch(facts);
                    prefetch(proto);
                }
            }
            for (number, packet) in packets.iter_mut().enumerate() {
                let way = match places[number] {
                    LONG => None,
                    place => table.way_mut(place as usize),
                };
                let sent = way.is_some_and(|way| {
                    if way.hop != last {
                        last = way.hop;
                        rewrite = Rewrite::read(cx.tables.hops.get(way.hop));
                    }
                    turn.send(way, keys[number].1, &rewrite, packet)
                });
                if !sent {
                    out.set(begin + number, ON);
                }
            }
        }
    }
}
