//! What the long way has made of a packet is noted for the packets of its flow that follow.
//!
//! - takes: packets of established connections that may leave, and what they met on their way
//! - gives: a place in the worker's flow table for those whose flow will always meet the same
//! - costs: nothing while there is no flow table, and a few compares a packet of the long way else

use super::pass::Passage;
use crate::{
    conntrack::{ConnId, CtInfo, Dir, status},
    dpdk::mbuf::{Meta, Packet},
    graph::Cx,
    netfilter::flowtable::{Family, FlowTable, Four, Learned, Six},
    packet::{Flow, ipv6::Ipv6View},
    route::table::HopKind,
    tables::Tables,
};

/// Whether a packet that comes to its first hook is one of those that the short way is for.
#[inline]
pub(super) fn may(packet: &Packet, six: bool, cx: &mut Cx<'_, Tables>) -> bool {
    let plain = packet.is_plain_at(14);
    cx.own.renew(cx.tables.generation);
    plain
        && match six {
            false => Four::key(packet.data(), 0).is_some(),
            true => Six::key(packet.data(), 0).is_some(),
        }
}

/// What an entry notes where a direction's packets do not all meet the same: two bytes for each
/// direction, of the generation in which that was seen.
const fn note(generation: u64, dir: Dir) -> (u32, u32) {
    let shift = 16 * dir.index() as u32;
    (((generation as u32 & 0x7fff) | 0x8000) << shift, 0xffff << shift)
}

fn of(meta: &Meta) -> Option<(ConnId, Dir)> {
    let conn = ConnId::from_bits(meta.conn)?;
    let info = meta.info.checked_sub(1).and_then(CtInfo::from_number)?;
    matches!(info, CtInfo::Established | CtInfo::EstablishedReply).then(|| (conn, info.dir()))
}

/// Whether the flow of a packet that has its connection may be learned.
pub(super) fn wants(passage: &Passage<'_>, cx: &Cx<'_, Tables>) -> bool {
    let Some((conn, dir)) = of(&passage.meta) else { return false };
    let (bits, mask) = note(cx.tables.generation, dir);
    let free = |entry: &crate::conntrack::Entry| {
        entry.note & mask != bits
            && entry.proxy() == 0
            && entry.tuple(dir).zone == 0
            // What goes to the other family leaves as another packet.
            && !entry.is_crossing()
    };
    cx.own.conntrack.is_known(conn) && cx.own.conntrack.get(conn).is_some_and(free)
}

/// What a packet has met may differ for the next: nobody tries again before the tables have changed.
#[inline]
pub(super) fn refuse(meta: &Meta, cx: &mut Cx<'_, Tables>) {
    let Some((conn, dir)) = of(meta) else { return };
    let (bits, mask) = note(cx.tables.generation, dir);
    if let Some(entry) = cx.own.conntrack.get_mut(conn) {
        entry.note = entry.note & !mask | bits;
    }
}

/// The flow of a packet that is about to leave goes the short way from now on.
pub(super) fn learn(passage: &mut Passage<'_>, cx: &mut Cx<'_, Tables>) {
    let learned = if passage.six { learned6(passage, cx) } else { learned4(passage, cx) };
    if learned.is_none() {
        refuse(&passage.meta, cx);
    }
}

/// Whether a hop is one that packets can be sent by without asking anybody, other than where they
/// came from.
fn leads_on(passage: &Passage<'_>, cx: &Cx<'_, Tables>) -> bool {
    let hop = cx.tables.hops.get(passage.packet.hop());
    hop.kind() == HopKind::Neighbour && hop.out().iface != passage.packet.iface()
}

/// Whether which of a group's hops is in use is noted packet by packet.
fn is_noted(index: u32, cx: &Cx<'_, Tables>) -> bool {
    let hop = cx.tables.hops.get(index);
    hop.kind() == HopKind::Group && hop.out().resilient
}

fn learned4(passage: &Passage<'_>, cx: &mut Cx<'_, Tables>) -> Option<()> {
    let ip = passage.ip();
    let iface = passage.packet.iface();
    let flow = Flow { mark: passage.meta.mark, ..Flow::of(ip, iface, cx.tables.vrf(iface)) };
    if !leads_on(passage, cx) || is_noted(cx.tables.route(&flow), cx) {
        return None;
    }
    let learned = learned::<Four>(passage, *ip.get(1)?, 0, cx)?;
    put(&mut cx.own.short4, learned, &cx.own.conntrack);
    Some(())
}

fn learned6(passage: &Passage<'_>, cx: &mut Cx<'_, Tables>) -> Option<()> {
    let ip = passage.ip();
    let iface = passage.packet.iface();
    let flow =
        Flow { mark: passage.meta.mark, ..Flow::<u128>::of_six(ip, iface, cx.tables.vrf(iface)) };
    if !leads_on(passage, cx) || is_noted(cx.tables.route6(&flow), cx) {
        return None;
    }
    let view = Ipv6View::new_quoted(ip).ok()?;
    let learned = learned::<Six>(passage, view.traffic_class(), view.flow_label(), cx)?;
    put(&mut cx.own.short6, learned, &cx.own.conntrack);
    Some(())
}

fn put<F: Family>(
    table: &mut FlowTable<F>,
    learned: Learned<F>,
    conntrack: &crate::conntrack::Conntrack,
) {
    table.learn(learned, |conn| {
        ConnId::from_bits(conn).is_some_and(|conn| conntrack.is_known(conn))
    });
}

fn learned<F: Family>(
    passage: &Passage<'_>,
    tos: u8,
    label: u32,
    cx: &Cx<'_, Tables>,
) -> Option<Learned<F>> {
    let (conn, dir) = of(&passage.meta)?;
    let entry = cx.own.conntrack.get(conn)?;
    let (from, to) = (entry.tuple(dir), entry.tuple(dir.other()).inverse()?);
    let changes = entry.status & status::NAT_MASK != 0;
    let delta = F::delta(from, if changes { &to } else { from })?;
    Some(Learned {
        key: F::key_of(from, tos, label, passage.packet.iface()),
        generation: cx.tables.generation as u32,
        conn: passage.meta.conn,
        hop: passage.packet.hop(),
        path: passage.meta.stage,
        delta,
        dir,
        counts: cx.own.conntrack.counts_packets(conn),
    })
}
