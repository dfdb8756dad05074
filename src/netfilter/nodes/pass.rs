//! A packet meets one hook: its connection, the tables' rules, translation, in the order of the plan.
//!
//! - takes: a packet whose network header is sound
//! - gives: [`Fate`]; what was found out is noted on the packet for the hooks behind
//! - obeys: `nf_hook_slow`, `nf_conntrack_in`, `nf_nat_inet_fn`; ledger 9.24 to 9.31, 9.74 to 9.85

use super::{
    around::Around,
    cross, help,
    hooked::{
        AWAY, CLASH, ERROR, MALFORMED, NO_WAY, POLICY, PROXIED, PROXY, QUEUE, QUEUED, REJECT,
        RESET, RULE, TARGET, TRACKER,
    },
    learn,
    own::Maker,
    queue::{self, Resumed},
    synproxy, translate,
};
use crate::{
    conntrack::{self, ConnId, CtInfo, EnterCx, Prior, Verdict as Tracked, headers, tuple::ICMPV6},
    dpdk::mbuf::{Flags, Meta, Packet},
    graph::Cx,
    icmp::table::Cause,
    icmp6::table::Cause6,
    netfilter::{
        Conn, ConnState, DropCause, Entry, PacketFacts, PacketKind, Program, Record, RecordKind,
        Verdict, View, evaluate,
        flowtable::Paths,
        nft,
        queue::Place,
        rule::{Hook, Reject, TableName},
        table::{Filter, LOOPBACK, Lookup, Step},
    },
    packet::{
        Flow, checksum, icmp4, icmp6,
        ipv4::{Compiled, protocol},
    },
    tables::Tables,
};

/// What a hook makes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It goes on.
    On,
    /// It takes this edge of its node.
    Edge(u8),
}

/// Bits of [`Meta::done`].
pub(super) mod done {
    /// Rules that it meets are told of.
    pub(in crate::netfilter::nodes) const TRACED: u8 = 1;
    /// It is a copy, and not to be copied again.
    pub(in crate::netfilter::nodes) const COPY: u8 = 4;
    /// It tells a server of a client that has proved itself.
    pub(in crate::netfilter::nodes) const PROXIED: u8 = 8;
    /// It comes from another worker, where it has met this hook up to tracking.
    pub(in crate::netfilter::nodes) const HANDED: u8 = 128;
    /// It comes from a host inside that is seen in the other family, to another such host.
    pub(in crate::netfilter::nodes) const HAIRPIN: u8 = 64;
    /// It tells such a client that the server's handshake is finished.
    pub(in crate::netfilter::nodes) const FINISHES: u8 = 16;
    /// What it has met so far all packets of its flow will meet.
    pub(in crate::netfilter::nodes) const LEARNS: u8 = 32;
}

/// The packet on its way through a hook.
pub(super) struct Passage<'a> {
    pub(super) packet: &'a mut Packet,
    pub(super) meta: Meta,
    pub(super) hook: Hook,
    pub(super) six: bool,
    /// Interfaces, 0 for none.
    pub(super) input: u16,
    pub(super) output: u16,
}

/// What of a packet's way depends on, and may be changed at the local-out hook.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Way {
    mark: u32,
    tos: u8,
    addresses: [u8; 32],
}

impl Passage<'_> {
    /// The packet from its network header on, without what pads its frame.
    pub(super) fn ip(&self) -> &[u8] {
        let ip = self.packet.data().get(self.packet.l3()..).unwrap_or_default();
        ip.get(..self.ip_len()).unwrap_or(ip)
    }

    /// The same, to be changed.
    pub(super) fn ip_mut(&mut self) -> &mut [u8] {
        let (l3, len) = (self.packet.l3(), self.ip_len());
        let ip = self.packet.data_mut().get_mut(l3..).unwrap_or_default();
        let len = len.min(ip.len());
        &mut ip[..len]
    }

    fn ip_len(&self) -> usize {
        let ip = self.packet.data().get(self.packet.l3()..).unwrap_or_default();
        let stated = match (self.six, ip) {
            (false, [_, _, high, low, ..]) => usize::from(*high) << 8 | usize::from(*low),
            (true, [_, _, _, _, high, low, ..]) => {
                40 + (usize::from(*high) << 8 | usize::from(*low))
            }
            _ => 0,
        };
        stated.min(ip.len())
    }

    /// The packet's connection, where it has one.
    pub(super) fn conn(&self) -> Option<ConnId> {
        ConnId::from_bits(self.meta.conn)
    }

    /// What the packet is to its connection.
    pub(super) fn info(&self) -> CtInfo {
        info_of(self.meta.info)
    }

    /// What it takes to make a packet that this one calls for.
    pub(super) fn maker<'b>(&self, cx: &Cx<'b, Tables>) -> Maker<'b> {
        Maker {
            tables: cx.tables,
            pool: cx.pool,
            stats: cx.stats,
            iface: self.packet.iface(),
            trace: self.packet.trace(),
        }
    }

    fn way(&self) -> Way {
        let ip = self.ip();
        let mut addresses = [0; 32];
        let found = if self.six { ip.get(8..40) } else { ip.get(12..20) };
        if let Some(found) = found {
            addresses[..found.len()].copy_from_slice(found);
        }
        let tos = match (self.six, ip) {
            (false, [_, tos, ..]) => *tos,
            (true, [a, b, ..]) => a << 4 | b >> 4,
            _ => 0,
        };
        Way { mark: self.meta.mark, tos, addresses }
    }
}

/// Lets a packet meet a hook.
pub(super) fn meet(
    packet: &mut Packet,
    hook: Hook,
    six: bool,
    filter: &Filter,
    cx: &mut Cx<'_, Tables>,
) -> Fate {
    let (mut meta, mut from) = (packet.meta(), 0);
    let resumed = meta.outcome != 0;
    if resumed {
        match queue::resume(packet, &mut meta, (hook, six), cx) {
            Resumed::Past => return Fate::On,
            Resumed::From(rank) => from = rank,
            Resumed::Edge(edge) => {
                packet.set_meta(meta);
                return Fate::Edge(edge);
            }
        }
        packet.set_meta(meta);
    }
    let plan = filter.plan(six, hook);
    if plan.is_empty() {
        return Fate::On;
    }
    let own = packet.flags().any(Flags::LOCAL_OUT);
    // What the management core puts on a link has no hop, and to the router itself no link leads.
    let looped = meta.done & Meta::LOOPED != 0;
    let out = || match packet.hop() {
        0 if looped => LOOPBACK,
        0 => packet.iface(),
        hop => cx.tables.hops.get(hop).out().iface,
    };
    let (input, output) = match hook {
        Hook::PreRouting | Hook::LocalIn => (if looped { LOOPBACK } else { packet.iface() }, 0),
        Hook::Forward => (packet.iface(), out()),
        Hook::LocalOut => (0, out()),
        Hook::PostRouting => (if own { 0 } else { packet.iface() }, out()),
    };
    // What was handed over has met a table where it comes from, and comes here by no short way.
    let handed = meta.done & done::HANDED != 0;
    let fresh = hook == Hook::PreRouting && !handed && !resumed;
    if filter.short && fresh && learn::may(packet, six, cx) {
        meta.done |= done::LEARNS;
        meta.stage = Paths::NONE;
    }
    let mut passage = Passage { packet, meta, hook, six, input, output };
    let routed = hook == Hook::LocalOut && passage.packet.hop() != 0;
    let before = routed.then(|| passage.way());
    let mut fate = Fate::On;
    let begin = match from {
        0 => 0,
        from => (0..plan.len()).find(|at| Step::turn(plan, *at) >= from).unwrap_or(plan.len()),
    };
    let tracks = |step: &Step| matches!(step, Step::Track);
    let handed = handed && plan.iter().any(tracks);
    for (at, step) in plan.iter().enumerate().skip(begin) {
        // What comes before it has been done where the packet comes from.
        if handed && passage.meta.done & done::HANDED != 0 && !tracks(step) {
            continue;
        }
        fate = match *step {
            Step::Track => track(&mut passage, filter, cx),
            Step::Table(entry) => table(&mut passage, entry, filter, cx),
            Step::Chain(number) => {
                let verdict = lookup(&mut passage, Lookup::Chain(number), filter, cx);
                decide(&mut passage, verdict, cx)
            }
            Step::Translate(side, lookups) => {
                translate::translate(&mut passage, side, lookups, filter, cx)
            }
            Step::Help => help::help(&mut passage, filter, cx),
            Step::Confirm => confirm(&mut passage, cx),
            Step::Cross => cross::look(&mut passage, filter, cx),
        };
        if fate != Fate::On {
            if fate == Fate::Edge(QUEUED) {
                let rank = Step::turn(plan, at);
                if rank > Step::LAST {
                    // A plan of that many chains has no place to come back to.
                    fate = Fate::Edge(QUEUE);
                    break;
                }
                passage.meta.place |= Place { hook, rank, bypass: false }.to_bits();
            }
            break;
        }
        let changes = match *step {
            Step::Chain(number) => filter.may_reroute(number),
            Step::Table(_) | Step::Translate(..) => true,
            _ => false,
        };
        if let Some(before) = before.filter(|_| changes)
            && passage.way() != before
        {
            fate = reroute(&mut passage, cx);
        }
    }
    if hook == Hook::PostRouting && fate == Fate::On && passage.meta.done & done::LEARNS != 0 {
        learn::learn(&mut passage, cx);
    }
    let Passage { packet, meta, .. } = passage;
    if meta != Meta::default() {
        packet.set_meta(meta);
    }
    fate
}

/// What a packet is to its connection, as it is noted on it; one more than the kernel's number, so that 0
/// is for those that nobody has looked at.
pub(super) const fn info_of(noted: u8) -> CtInfo {
    match noted {
        0 => CtInfo::Invalid,
        noted => match CtInfo::from_number(noted - 1) {
            Some(info) => info,
            None => CtInfo::Invalid,
        },
    }
}

/// The note of [`info_of`].
pub(super) const fn note_of(info: CtInfo) -> u8 {
    info as u8 + 1
}

/// The same hook in the tracker's words.
const fn hook_of(hook: Hook) -> conntrack::Hook {
    match hook {
        Hook::PreRouting => conntrack::Hook::PreRouting,
        Hook::LocalIn => conntrack::Hook::LocalIn,
        Hook::Forward => conntrack::Hook::Forward,
        Hook::LocalOut => conntrack::Hook::LocalOut,
        Hook::PostRouting => conntrack::Hook::PostRouting,
    }
}

/// Gives the packet its connection.
fn track(passage: &mut Passage<'_>, filter: &Filter, cx: &mut Cx<'_, Tables>) -> Fate {
    // Its connection is known, as of a refusal that goes the way of what it refuses.
    if let Some(conn) = passage.conn() {
        if passage.meta.done & done::FINISHES != 0 {
            passage.meta.done &= !done::FINISHES;
            synproxy::finish(conn, cx.own);
        }
        return Fate::On;
    }
    let exempt = passage.info() == CtInfo::Untracked;
    let number = passage.meta.template.checked_sub(1);
    let template =
        number.and_then(|number| filter.template(passage.six, number, passage.meta.mark));
    let enter = EnterCx {
        hook: hook_of(passage.hook),
        template,
        prior: if exempt { Prior::Untracked } else { Prior::Nothing },
        // What a proxy says for a client belongs where the client was heard.
        handed: passage.meta.done & (done::HANDED | done::PROXIED) != 0,
        ..EnterCx::new(cx.now, &filter.rules)
    };
    passage.meta.done &= !done::HANDED;
    let entered = cx.own.conntrack.enter(passage.ip(), &enter);
    if let Some(owner) = entered.elsewhere {
        passage.meta.done = passage.meta.done & !done::LEARNS | done::HANDED;
        passage.meta.worker = owner as u8;
        return Fate::Edge(AWAY);
    }
    passage.meta.conn = entered.conn.map_or(0, ConnId::to_bits);
    passage.meta.info = note_of(entered.info);
    if let Some(why) = entered.why
        && filter.rules.log_invalid != 0
    {
        tell_of(passage, why, filter.rules.log_invalid, cx);
    }
    if entered.verdict == Tracked::Drop {
        return Fate::Edge(TRACKER);
    }
    if passage.meta.done & done::LEARNS != 0 && !learn::wants(passage, cx) {
        passage.meta.done &= !done::LEARNS;
    }
    if let Some(conn) = entered.conn.filter(|_| entered.fresh) {
        cx.own.begin(conn, cx.now);
        if passage.meta.done & done::PROXIED != 0 && !synproxy::begin(conn, cx.own) {
            return Fate::Edge(PROXY);
        }
    }
    Fate::On
}

/// Tells of a packet that belongs to no connection, where that is wanted (`nf_l4proto_log_invalid`).
#[cold]
fn tell_of(passage: &mut Passage<'_>, why: conntrack::Why, wanted: u8, cx: &mut Cx<'_, Tables>) {
    use conntrack::Why::{NoTransport, NoTuple, NotInvertible, TableFull};
    let Some(found) = headers::find(passage.ip()) else { return };
    let silent = matches!(why, NoTransport | NoTuple | NotInvertible | TableFull);
    if silent || (wanted != found.proto && wanted != u8::MAX) {
        return;
    }
    let (l3, len) = (passage.packet.l3(), passage.ip_len());
    let own = passage.packet.flags().any(Flags::LOCAL_OUT);
    let Passage { packet, meta, hook, input, output, .. } = passage;
    let Some((link, ip)) = packet.data_mut().split_at_mut_checked(l3) else { return };
    let about = PacketFacts {
        link: if own { &[] } else { link },
        input: *input,
        output: *output,
        mark: meta.mark,
        now: cx.now,
        wall: cx.now + cx.wall_offset,
        ..PacketFacts::default()
    };
    let len = len.min(ip.len());
    let Some(view) = View::new(ip, len, about) else { return };
    let kind = RecordKind::Invalid { protocol: found.proto, why };
    // The table means nothing here.
    let record = Record { table: TableName::Raw, hook: *hook, kind };
    cx.own.log.note(&record, &view, cx.now);
}

/// The connection becomes known.
fn confirm(passage: &mut Passage<'_>, cx: &mut Cx<'_, Tables>) -> Fate {
    let Some(conn) = passage.conn() else { return Fate::On };
    let (now, info) = (cx.now, passage.info());
    match cx.own.conntrack.confirm(conn, info, now) {
        Tracked::Accept => Fate::On,
        Tracked::Drop => Fate::Edge(CLASH),
    }
}

/// What rules are told of how a packet stands to its connection.
pub(super) fn state(info: CtInfo) -> ConnState {
    match info {
        CtInfo::Established => ConnState::Established,
        CtInfo::EstablishedReply => ConnState::EstablishedReply,
        CtInfo::Related => ConnState::Related,
        CtInfo::RelatedReply => ConnState::RelatedReply,
        CtInfo::New => ConnState::New,
        CtInfo::Untracked => ConnState::Untracked,
        CtInfo::Invalid => ConnState::None,
    }
}

/// The packet meets a table's rules.
pub(super) fn table(
    passage: &mut Passage<'_>,
    entry: Entry,
    filter: &Filter,
    cx: &mut Cx<'_, Tables>,
) -> Fate {
    let verdict = lookup(passage, Lookup::Table(entry), filter, cx);
    decide(passage, verdict, cx)
}

/// What the rules that a packet meets say.
pub(super) fn lookup(
    passage: &mut Passage<'_>,
    lookup: Lookup,
    filter: &Filter,
    cx: &mut Cx<'_, Tables>,
) -> Verdict {
    let met = match lookup {
        Lookup::Table(entry) => {
            filter.program(passage.six).map(|program| Met::Table(program, entry))
        }
        Lookup::Chain(number) => {
            let meeting = filter.meeting(number, passage.six, passage.hook, cx.own.worker);
            filter.nft().zip(meeting).map(|(program, meeting)| Met::Chain(program, meeting))
        }
    };
    met.map_or(Verdict::Accept, |met| rules(passage, met, cx))
}

/// Rules that a packet meets.
#[derive(Clone, Copy)]
enum Met<'a> {
    /// Those of a table.
    Table(&'a Program, Entry),
    /// Those of a base chain of nftables.
    Chain(&'a nft::Program, nft::Meeting),
}

/// Bytes by which a packet may grow in a table.
const ROOM: usize = 8;

/// What they say.
fn rules(passage: &mut Passage<'_>, met: Met<'_>, cx: &mut Cx<'_, Tables>) -> Verdict {
    let (l3, len, flags) = (passage.packet.l3(), passage.ip_len(), passage.packet.flags());
    let own = flags.any(Flags::LOCAL_OUT);
    let kind = match () {
        () if own => PacketKind::Host,
        () if flags.any(Flags::L2_BROADCAST) => PacketKind::Broadcast,
        () if flags.any(Flags::L2_MULTICAST) => PacketKind::Multicast,
        () => PacketKind::Host,
    };
    let (hop, iface) = (passage.packet.hop(), passage.packet.iface());
    let trace = passage.packet.trace();
    // Who adds to packets needs room behind them.
    let may_grow = matches!(met, Met::Table(program, _) if program.grows());
    let grows = may_grow && passage.packet.len() == l3 + len;
    if grows && !passage.packet.resize(l3 + len + ROOM) {
        return Verdict::Drop(DropCause::Target);
    }
    let Passage { packet, meta, hook, six, input, output } = passage;
    let Some((link, ip)) = packet.data_mut().split_at_mut_checked(l3) else {
        return Verdict::Drop(DropCause::Malformed);
    };
    let about = PacketFacts {
        link: if own { &[] } else { link },
        input: *input,
        output: *output,
        kind,
        mark: meta.mark,
        priority: meta.priority,
        conn: Conn { state: state(info_of(meta.info)), id: meta.conn },
        template: meta.template.checked_sub(1).map(u16::from),
        traced: meta.done & done::TRACED != 0,
        followed: cx.own.log.follows(trace),
        queue: None,
        now: cx.now,
        wall: cx.now + cx.wall_offset,
    };
    let len = len.min(ip.len());
    let Some(mut view) = View::new(ip, len, about) else {
        return Verdict::Drop(DropCause::Malformed);
    };
    let worker = cx.own.worker;
    let mut around = Around {
        tables: cx.tables,
        own: cx.own,
        pool: cx.pool,
        stats: cx.stats,
        now: cx.now,
        hook: *hook,
        hop,
        iface,
        trace,
        copies: meta.done & done::COPY == 0,
        path: (meta.done & done::LEARNS != 0).then_some(meta.stage),
        six: *six,
    };
    let verdict = match met {
        Met::Table(program, entry) => evaluate(program, entry, &mut view, &mut around, worker),
        Met::Chain(program, meeting) => nft::evaluate(program, &meeting, &mut view, &mut around),
    };
    let path = around.path;
    let (about, len) = (view.about, view.len());
    match path {
        Some(path) => meta.stage = path,
        None if meta.done & done::LEARNS != 0 => {
            meta.done &= !done::LEARNS;
            learn::refuse(meta, cx);
        }
        None => {}
    }
    meta.mark = about.mark;
    meta.priority = about.priority;
    meta.template = about.template.map_or(0, |number| number as u8 + 1);
    meta.conn = about.conn.id;
    if about.conn.state == ConnState::Untracked {
        meta.info = note_of(CtInfo::Untracked);
    }
    if about.traced {
        meta.done |= done::TRACED;
    }
    if grows {
        passage.packet.truncate(l3 + len);
    }
    verdict
}

/// Carries a verdict out.
pub(super) fn decide(passage: &mut Passage<'_>, verdict: Verdict, cx: &mut Cx<'_, Tables>) -> Fate {
    Fate::Edge(match verdict {
        Verdict::Accept => return Fate::On,
        Verdict::Drop(DropCause::Rule) => RULE,
        Verdict::Drop(DropCause::Policy) => POLICY,
        Verdict::Drop(DropCause::Malformed) => MALFORMED,
        Verdict::Drop(DropCause::Target) => TARGET,
        Verdict::Drop(DropCause::Cookie) => PROXY,
        Verdict::Stolen => PROXIED,
        Verdict::Reject(reject) => refuse(passage, reject),
        Verdict::Queue { number, bypass } => {
            let served = cx.tables.filter.as_ref().is_some_and(|filter| filter.is_served(number));
            match (served, bypass) {
                (true, bypass) => {
                    passage.meta.stage = number;
                    let place = Place { hook: Hook::PreRouting, rank: 0, bypass };
                    passage.meta.place = place.to_bits();
                    QUEUED
                }
                (false, true) => return Fate::On,
                (false, false) => QUEUE,
            }
        }
    })
}

/// Lets the sender of a packet know, where that is allowed at all (`nf_send_unreach`,
/// `nf_send_unreach6`): not of what is damaged.
fn refuse(passage: &mut Passage<'_>, reject: Reject) -> u8 {
    // What the router itself sends is refused to itself; where it is a refusal already, to nobody.
    let own = passage.packet.flags().any(Flags::LOCAL_OUT);
    let silent = || passage.packet.hop() == 0 || is_own_answer(passage.ip());
    if own && (reject == Reject::TcpReset || silent()) {
        return REJECT;
    }
    match reject {
        Reject::Icmp(_) if awaits_options(passage) || !is_whole(passage.ip()) => return REJECT,
        Reject::Icmp(code) => passage.packet.set_note(Cause::rejected_note(code)),
        Reject::Icmp6(_) if !is_whole(passage.ip()) => return REJECT,
        Reject::Icmp6(code) => {
            passage.packet.set_note(Cause6::Rejected.note());
            passage.packet.set_hash(code.into());
        }
        Reject::TcpReset if awaits_options(passage) => return REJECT,
        Reject::TcpReset => {
            let l4 = headers::find(passage.ip()).map_or(0, |found| found.l4);
            passage.packet.set_hash(l4 as u32);
            return RESET;
        }
    }
    ERROR
}

/// Whether the kernel has advanced an option on the packet's way and not mended the header's checksum
/// yet, for which it takes the packet for damaged.
fn awaits_options(passage: &Passage<'_>) -> bool {
    if passage.six {
        return false;
    }
    let unasked = |ip: &[u8]| match headers::find(ip).map(|found| (found.proto, found.l4)) {
        Some((protocol::UDP, l4)) => ip.get(l4 + 6..l4 + 8) == Some(&[0, 0]),
        _ => false,
    };
    passage.packet.flags().any(Flags::OPTIONS)
        && Compiled::from_bits(passage.packet.options()).is_changed()
        && !unasked(passage.ip())
}

/// Whether one of the router's own messages is an answer of ICMP, while which none can be about another
/// (`icmp_xmit_lock`).
fn is_own_answer(ip: &[u8]) -> bool {
    headers::find(ip).is_some_and(|found| match (found.six, found.proto, ip.get(found.l4)) {
        (false, protocol::ICMP, Some(kind)) => *kind != icmp4::ty::ECHO_REQUEST,
        (true, ICMPV6, Some(kind)) => {
            *kind < icmp6::ty::ECHO_REQUEST || *kind == icmp6::ty::ECHO_REPLY
        }
        _ => false,
    })
}

/// A bit of GRE: there is a checksum.
const GRE_CHECKSUM: u8 = 0x80;

/// Whether the transport's checksum holds, where the packet has one (`nf_reject_verify_csum`).
pub(super) fn is_whole(packet: &[u8]) -> bool {
    let Some(found) = headers::find(packet) else { return false };
    if found.six && found.l4 >= packet.len() {
        return false;
    }
    let l4 = packet.get(found.l4..).unwrap_or_default();
    let pseudo = |ends: Option<&[u8]>| {
        let rest = checksum::fold(l4.len() as u64 + u64::from(found.proto));
        checksum::add(checksum::sum(ends.unwrap_or_default()), rest)
    };
    let ends = if found.six { packet.get(8..40) } else { packet.get(12..20) };
    let over = match found.proto {
        protocol::UDP if l4.get(6..8) == Some(&[0, 0]) => return true,
        protocol::TCP | protocol::UDP => checksum::add(pseudo(ends), checksum::sum(l4)),
        protocol::ICMP if !found.six => checksum::sum(l4),
        ICMPV6 if found.six => checksum::add(pseudo(ends), checksum::sum(l4)),
        // Of those that have other proofs, or whose checksum is not of all, nothing is asked.
        protocol::AH | protocol::ESP | protocol::SCTP | protocol::UDPLITE | protocol::DCCP => {
            return true;
        }
        protocol::GRE if l4.first().is_some_and(|flags| flags & GRE_CHECKSUM == 0) => return true,
        // Whoever the kernel does not know has a checksum over all, as if of ICMP.
        _ if found.six => checksum::add(pseudo(ends), checksum::sum(l4)),
        _ => checksum::sum(l4),
    };
    over == 0xffff
}

/// Whether a copy is too large for its way, of which its sender is told: nobody cuts it (`ip_fragment`,
/// `ip6_fragment`).
pub(super) fn outgrows(packet: &mut Packet, six: bool, cx: &Cx<'_, Tables>) -> bool {
    if !packet.flags().any(Flags::META) || packet.meta().done & done::COPY == 0 {
        return false;
    }
    let mtu = cx.tables.hops.get(packet.hop()).out().mtu;
    if packet.len() <= packet.l3() + usize::from(mtu) {
        return false;
    }
    packet.set_note(if six { Cause6::TooBig.note() } else { Cause::FragNeeded.note() });
    true
}

/// Looks up the way of one of the router's own packets again, which was changed on it.
fn reroute(passage: &mut Passage<'_>, cx: &mut Cx<'_, Tables>) -> Fate {
    let iface = passage.packet.iface();
    let vrf = cx.tables.vrf(iface);
    let ip = passage.ip();
    let mark = passage.meta.mark;
    let hop = match passage.six {
        false => {
            let flow = Flow { mark, oif: vrf, ..Flow::of(ip, 0, vrf) };
            cx.tables.output_hop(&flow)
        }
        true => {
            let flow = Flow { mark, oif: vrf, ..Flow::<u128>::of_six(ip, 0, vrf) };
            cx.tables.output_hop6(&flow, 0)
        }
    };
    let Some(hop) = hop else { return Fate::Edge(NO_WAY) };
    passage.packet.set_hop(hop);
    let out = cx.tables.hops.get(hop).out().iface;
    passage.packet.set_iface(out);
    passage.output = out;
    Fate::On
}
