//! Matches on connections.
//!
//! - takes: a packet, and what its worker's tracker knows
//! - gives: [`Found`]
//! - obeys: xt_conntrack, xt_state, xt_connmark, xt_connlabel, xt_connbytes, xt_helper

use super::{Found, ports::within};
use crate::netfilter::env::{ConnFacts, Endpoint, Env, status};
use crate::netfilter::rule::{
    ConnBytes, ConnBytesMode, ConnLabel, ConnSide, Conntrack, Counters, CtDirection, CtStates, Is,
    Masked, Prefix,
};
use crate::netfilter::view::{ConnState, View};

/// The state of a packet as rules say it.
fn state(of: ConnState) -> CtStates {
    match of {
        ConnState::None => CtStates::INVALID,
        ConnState::New => CtStates::NEW,
        ConnState::Established | ConnState::EstablishedReply => CtStates::ESTABLISHED,
        ConnState::Related | ConnState::RelatedReply => CtStates::RELATED,
        ConnState::Untracked => CtStates::UNTRACKED,
    }
}

/// Whether a packet is in one of these states; translations are asked for only where they count.
fn in_state<E: Env>(view: &View<'_>, env: &E, asked: &Is<CtStates>) -> bool {
    asked.holds(|states| {
        let conn = &view.about.conn;
        if states.any(state(conn.state)) {
            return true;
        }
        let nat = CtStates(CtStates::SNAT.0 | CtStates::DNAT.0);
        if !states.any(nat) || !conn.state.is_tracked() {
            return false;
        }
        env.conn(conn).is_some_and(|facts| {
            let was = |bit| facts.status & bit != 0;
            states.any(CtStates::SNAT) && was(status::SRC_NAT)
                || states.any(CtStates::DNAT) && was(status::DST_NAT)
        })
    })
}

/// `state`
#[inline]
pub(super) fn in_one_of<E: Env>(view: &View<'_>, env: &E, asked: &Is<CtStates>) -> Found {
    Found::of(in_state(view, env, asked))
}

/// `conntrack`
pub(super) fn conntrack<E: Env>(view: &View<'_>, env: &E, ask: &Conntrack) -> Found {
    if ask.states.as_ref().is_some_and(|states| !in_state(view, env, states)) {
        return Found::Miss;
    }
    let conn = &view.about.conn;
    if !conn.state.is_tracked() {
        // Of a packet without a connection only the state can be right.
        return Found::of(ask.states.is_some());
    }
    if let Some(direction) = ask.direction
        && (direction == CtDirection::Reply) != conn.state.is_reply()
    {
        return Found::Miss;
    }
    let rest = Conntrack { states: None, direction: None, ..*ask };
    if rest == Conntrack::default() {
        return Found::Hit;
    }
    let Some(facts) = env.conn(conn) else { return Found::Miss };
    let address = |asked: &Option<Is<Prefix>>, end: &Endpoint| {
        asked.as_ref().is_none_or(|is| is.holds(|prefix| prefix.contains(end.address)))
    };
    let ConnFacts { original: [osrc, odst], reply: [rsrc, rdst], .. } = &facts;
    Found::of(
        address(&ask.orig_source, osrc)
            && address(&ask.orig_destination, odst)
            && address(&ask.reply_source, rsrc)
            && address(&ask.reply_destination, rdst)
            && ask.protocol.as_ref().is_none_or(|is| is.holds(|number| *number == facts.protocol))
            && within(&ask.orig_source_port, osrc.port)
            && within(&ask.orig_destination_port, odst.port)
            && within(&ask.reply_source_port, rsrc.port)
            && within(&ask.reply_destination_port, rdst.port)
            && ask.status.as_ref().is_none_or(|is| is.holds(|bits| bits.0 & facts.status != 0))
            && within(&ask.expire, facts.expires),
    )
}

/// `connmark`
#[inline]
pub(super) fn mark<E: Env>(view: &View<'_>, env: &E, ask: &Is<Masked<u32>>) -> Found {
    let conn = &view.about.conn;
    let mark = if conn.state.is_tracked() { env.conn_mark(conn) } else { None };
    Found::of(mark.is_some_and(|mark| ask.holds(|bits| mark & bits.mask == bits.value)))
}

/// `connlabel`
pub(super) fn label<E: Env>(view: &View<'_>, env: &mut E, ask: &ConnLabel) -> Found {
    let conn = view.about.conn;
    let number = ask.label.value;
    let labels = match conn.state.is_tracked() {
        true => env.conn(&conn).and_then(|facts| facts.labels),
        false => None,
    };
    let has = labels.is_some_and(|labels| labels >> (number & 127) & 1 != 0)
        || ask.set && conn.state.is_tracked() && env.set_conn_label(&conn, number);
    Found::of(has != ask.label.not)
}

/// `connbytes`
pub(super) fn bytes<E: Env>(view: &View<'_>, env: &E, ask: &ConnBytes) -> Found {
    let conn = &view.about.conn;
    let facts = if conn.state.is_tracked() { env.conn(conn) } else { None };
    let Some([original, reply]) = facts.and_then(|facts| facts.counts) else { return Found::Miss };
    let Counters { packets, bytes } = match ask.side {
        ConnSide::Original => original,
        ConnSide::Reply => reply,
        ConnSide::Both => Counters {
            packets: original.packets + reply.packets,
            bytes: original.bytes + reply.bytes,
        },
    };
    let value = match ask.mode {
        ConnBytesMode::Packets => packets,
        ConnBytesMode::Bytes => bytes,
        ConnBytesMode::Average => bytes.checked_div(packets).unwrap_or(0),
    };
    Found::of(ask.count.holds(|span| span.contains(value)))
}

/// `helper`
pub(super) fn helper<E: Env>(view: &View<'_>, env: &E, ask: &Is<String>) -> Found {
    let conn = &view.about.conn;
    let name = if conn.state.is_tracked() { env.helper(conn) } else { None };
    Found::of(match name {
        // The empty name is that of any helper.
        Some(name) => ask.holds(|asked| asked.is_empty() || asked.starts_with(name)),
        None => ask.not,
    })
}
