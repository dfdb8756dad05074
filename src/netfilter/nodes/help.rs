//! What is done last to a packet of a connection: helpers read it, and numbers are corrected.
//!
//! - takes: packets with a connection that leave, translated
//! - gives: the same with what their helpers changed in them; expectations in the worker's table
//! - obeys: `nf_confirm` of the kernel up to the confirmation; ledger 9.151, 9.189
//! - costs: a look at the entry, where it has neither helper nor corrections

use super::{
    hooked::{HELPER, SEQUENCE},
    pass::{Fate, Passage},
    synproxy,
};
use crate::{
    conntrack::{
        ConnId, CtInfo, entry::status, headers, helper::Verdict, nat::mangle::MAX_TEXT,
        nat::sequence,
    },
    graph::Cx,
    netfilter::table::Filter,
    packet::ipv4::protocol,
    tables::Tables,
};

/// A packet leaves.
pub(super) fn help(passage: &mut Passage<'_>, filter: &Filter, cx: &mut Cx<'_, Tables>) -> Fate {
    let Some(conn) = passage.conn() else { return Fate::On };
    let Some(entry) = cx.own.conntrack.get(conn) else { return Fate::On };
    // Helpers do not read for two families.
    if entry.is_crossing() {
        return Fate::On;
    }
    let (place, helper, bits) = (entry.proxy(), entry.helper, entry.status);
    if place != 0 {
        let fate = synproxy::watch(passage, conn, place, cx);
        if fate != Fate::On {
            return fate;
        }
    }
    if helper == 0 && bits & status::SEQ_ADJUST == 0 && place == 0 {
        return Fate::On;
    }
    if passage.info() == CtInfo::RelatedReply {
        return Fate::On;
    }
    // What the helper changes now is no cause to correct this packet.
    let corrects = cx.own.conntrack.get(conn).is_some_and(|entry| entry.is(status::SEQ_ADJUST));
    if helper != 0 && !read(passage, conn, bits, filter, cx) {
        return Fate::Edge(HELPER);
    }
    if corrects && !correct(passage, conn, cx) {
        return Fate::Edge(SEQUENCE);
    }
    Fate::On
}

/// The connection's helper reads the packet; false where it is to be dropped.
fn read(
    passage: &mut Passage<'_>,
    conn: ConnId,
    bits: u32,
    filter: &Filter,
    cx: &mut Cx<'_, Tables>,
) -> bool {
    let (l3, len, info) = (passage.packet.l3(), passage.ip().len(), passage.info());
    let whole = passage.packet.len();
    // Only what is translated is edited, and may grow.
    let room = if bits & status::NAT_MASK == 0 { 0 } else { MAX_TEXT };
    let most = (l3 + len + room).min(passage.packet.room()).max(whole);
    if !passage.packet.resize(most) {
        return false;
    }
    let Some(buffer) = passage.packet.data_mut().get_mut(l3..) else { return false };
    let heard = cx.own.help(conn, info, buffer, len, &filter.rules, cx.now);
    let new = if heard.len == len { whole } else { l3 + heard.len };
    passage.packet.resize(new) && heard.verdict == Verdict::Accept
}

/// The numbers of a segment are told as its receiver knows them.
fn correct(passage: &mut Passage<'_>, conn: ConnId, cx: &Cx<'_, Tables>) -> bool {
    let dir = passage.info().dir().index();
    let Some(corrections) = cx.own.conntrack.seqadj(conn).copied() else { return true };
    let ip = passage.ip_mut();
    if headers::find(ip).is_none_or(|found| found.proto != protocol::TCP) {
        return true;
    }
    sequence::adjust(ip, &corrections, dir)
}
