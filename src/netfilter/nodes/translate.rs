//! Translation at a hook: the table says how, once a connection; every packet is rewritten.
//!
//! - takes: packets with a connection
//! - gives: the same, with the address and port that the connection has on the other side
//! - obeys: `nf_nat_inet_fn`, `nf_nat_packet`, `nf_nat_icmp_reply_translation`; ledger 9.225 to 9.240
//! - costs: an incremental checksum a packet; the choice of a tuple once a connection

use super::{
    around::Around,
    hooked::{MOVED, NO_NAT},
    pass::{self, Fate, Passage},
};
use crate::{
    conntrack::{
        ConnId, CtInfo, Dir,
        entry::status,
        headers,
        nat::{self, Manip},
        tuple::ICMPV6,
    },
    graph::Cx,
    netfilter::{
        DropCause, NatKind, NatRequest, Verdict, View,
        rule::Hook,
        table::{Filter, Lookups, Side},
    },
    packet::ipv4::protocol,
    tables::Tables,
};

/// Bits of an entry's status that belong to a side: the translation is there, and it is decided.
const fn bits(side: Side) -> (u32, u32) {
    match side {
        Side::Source => (status::SRC_NAT, status::SRC_NAT_DONE),
        Side::Destination => (status::DST_NAT, status::DST_NAT_DONE),
    }
}

const fn manip(side: Side) -> Manip {
    match side {
        Side::Source => Manip::Src,
        Side::Destination => Manip::Dst,
    }
}

/// The side that a hook changes.
const fn side_of(hook: Hook) -> Side {
    match hook {
        Hook::PreRouting | Hook::LocalOut => Side::Destination,
        _ => Side::Source,
    }
}

/// Lets the table decide where it has not yet, and rewrites the packet.
pub(super) fn translate(
    passage: &mut Passage<'_>,
    side: Side,
    lookups: Lookups,
    filter: &Filter,
    cx: &mut Cx<'_, Tables>,
) -> Fate {
    let (Some(conn), info) = (passage.conn(), passage.info()) else { return Fate::On };
    let Some(known) = cx.own.conntrack.get(conn) else { return Fate::On };
    let state = known.status;
    // What goes to the other family is translated by that alone.
    if known.is_crossing() {
        return Fate::On;
    }
    let errs = headers::find(passage.ip()).is_some_and(|found| match passage.six {
        false => found.proto == protocol::ICMP,
        true => found.proto == ICMPV6,
    });
    if errs && matches!(info, CtInfo::Related | CtInfo::RelatedReply) {
        return quoted(passage, conn, info, side, cx);
    }
    let (_, done) = bits(side);
    if matches!(info, CtInfo::New | CtInfo::Related | CtInfo::RelatedReply) && state & done == 0 {
        let is_done = |cx: &Cx<'_, Tables>| {
            cx.own.conntrack.get(conn).map_or(0, |entry| entry.status) & done != 0
        };
        for lookup in filter.lookups(lookups) {
            let verdict = pass::lookup(passage, *lookup, filter, cx);
            if verdict != Verdict::Accept {
                return pass::decide(passage, verdict, cx);
            }
            if is_done(cx) {
                break;
            }
        }
        if !is_done(cx) {
            cx.own.bind_nothing(conn, manip(side), cx.now);
        }
    } else if moved(passage, conn, info, cx) {
        cx.own.conntrack.kill(conn, cx.now);
        return Fate::Edge(MOVED);
    }
    rewrite(passage, conn, info, side, cx)
}

/// Whether a connection that speaks with its interface's address would leave by another.
fn moved(passage: &Passage<'_>, conn: ConnId, info: CtInfo, cx: &Cx<'_, Tables>) -> bool {
    let by = cx.own.conntrack.get(conn).map_or(0, |entry| entry.masquerade);
    passage.hook == Hook::PostRouting
        && info.dir() == Dir::Original
        && by != 0
        && by != u32::from(passage.output)
}

/// The tuple that a packet of a direction has once it is translated.
fn target(cx: &Cx<'_, Tables>, conn: ConnId, dir: Dir) -> Option<crate::conntrack::Tuple> {
    cx.own.conntrack.get(conn)?.tuple(dir.other()).inverse()
}

/// Whether packets of a direction are changed on a side.
fn applies(state: u32, side: Side, dir: Dir) -> bool {
    let forth = state & bits(side).0 != 0;
    let back = match side {
        Side::Source => state & status::DST_NAT != 0,
        Side::Destination => state & status::SRC_NAT != 0,
    };
    if dir == Dir::Original { forth } else { back }
}

fn rewrite(
    passage: &mut Passage<'_>,
    conn: ConnId,
    info: CtInfo,
    side: Side,
    cx: &mut Cx<'_, Tables>,
) -> Fate {
    let state = cx.own.conntrack.get(conn).map_or(0, |entry| entry.status);
    if !applies(state, side, info.dir()) {
        return Fate::On;
    }
    let Some(target) = target(cx, conn, info.dir()) else { return Fate::Edge(NO_NAT) };
    match nat::manip(passage.ip_mut(), &target, manip(side)) {
        true => Fate::On,
        false => Fate::Edge(NO_NAT),
    }
}

/// An error is translated with the packet that it quotes.
fn quoted(
    passage: &mut Passage<'_>,
    conn: ConnId,
    info: CtInfo,
    side: Side,
    cx: &mut Cx<'_, Tables>,
) -> Fate {
    let state = cx.own.conntrack.get(conn).map_or(0, |entry| entry.status);
    let any = state & status::NAT_MASK != 0;
    let unfinished = state & status::NAT_DONE_MASK != status::NAT_DONE_MASK;
    if nat::quote::is_redirect(passage.ip()) && (any || unfinished) {
        return Fate::Edge(NO_NAT);
    }
    let dir = info.dir();
    if !applies(state, side, dir) {
        return Fate::On;
    }
    let other = cx.own.conntrack.get(conn).map(|entry| *entry.tuple(dir.other()));
    let Some(other) = other else { return Fate::Edge(NO_NAT) };
    match nat::manip_error(passage.ip_mut(), &other, manip(side)) {
        true => Fate::On,
        false => Fate::Edge(NO_NAT),
    }
}

/// Decides how a connection is translated, as a rule wants it.
pub(super) fn set_up(
    around: &mut Around<'_>,
    request: &NatRequest<'_>,
    view: &mut View<'_>,
) -> Verdict {
    let Some(conn) = ConnId::from_bits(view.about.conn.id) else { return Verdict::Accept };
    // Who has no address yet is left alone (`nf_nat_masquerade_ipv4`).
    let nobody = view.facts().src == 0;
    if nobody && matches!(request.kind, NatKind::Masquerade(_)) {
        return Verdict::Accept;
    }
    let Some((range, masquerade)) = super::range::of(around, request, view) else {
        return Verdict::Drop(DropCause::Target);
    };
    let side = manip(side_of(request.hook));
    if masquerade != 0
        && let Some(entry) = around.own.conntrack.get_mut(conn)
    {
        entry.masquerade = masquerade;
    }
    match around.own.bind(conn, side, &range, around.now) {
        true => Verdict::Accept,
        false => Verdict::Drop(DropCause::Target),
    }
}
