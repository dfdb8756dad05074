//! What a packet goes through: looked up when it comes, put into the table when it leaves.
//!
//! - takes: the packet from its IP header on, and what is known of its way ([`EnterCx`])
//! - gives: its connection and its state in it ([`Entered`]); later, whether it may leave
//! - obeys: rows [9.53], [9.74] to [9.98], [9.107] to [9.111]; `nf_conntrack_in` and
//!   `__nf_conntrack_confirm`, in the order of their checks
//! - costs: no allocation, no clock; two cache lines for the look-up, two more for the tracker

use super::{
    Nanos,
    entry::{ConnId, Dir, Entry, dirs, feature, status},
    events,
    expect::Expect,
    headers::{self, Found},
    rules::{Rules, Template, Zone},
    table::Conntrack,
    timeouts::SECOND,
    track::{self, Facts, Step, Why, icmp, icmp6},
    tuple::{Addr, ICMPV6, Tuple},
};
use crate::packet::ipv4::protocol;

/// Where in its way a packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Hook {
    /// It has come in.
    PreRouting,
    /// It is for the router.
    LocalIn,
    /// It goes through.
    Forward,
    /// The router has made it.
    LocalOut,
    /// It goes out.
    PostRouting,
}

/// What a packet is to its connection, with the kernel's numbers (`IP_CT_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum CtInfo {
    /// Of a connection that has seen packets both ways, in the original direction.
    Established = 0,
    /// The first packet of one that was announced, or an error about one.
    Related = 1,
    /// Of a connection without an answer yet.
    New = 2,
    /// Of the reply direction.
    EstablishedReply = 3,
    /// An error about packets of the original direction.
    RelatedReply = 4,
    /// Exempt.
    Untracked = 7,
    /// Of no connection.
    Invalid = 8,
}

impl CtInfo {
    /// The packet's direction.
    #[inline]
    pub const fn dir(self) -> Dir {
        match self {
            Self::EstablishedReply | Self::RelatedReply => Dir::Reply,
            _ => Dir::Original,
        }
    }

    /// Of its number.
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Established,
            1 => Self::Related,
            2 => Self::New,
            3 => Self::EstablishedReply,
            4 => Self::RelatedReply,
            7 => Self::Untracked,
            8 => Self::Invalid,
            _ => return None,
        })
    }
}

/// Whether a packet may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It may.
    Accept,
    /// It may not.
    Drop,
}

/// What the packet had with it when it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Prior {
    /// Nothing, or a template.
    #[default]
    Nothing,
    /// A connection: it has been here before.
    Connection,
    /// An exemption (`-j CT --notrack`).
    Untracked,
}

/// What is known of a packet's way.
#[derive(Debug, Clone, Copy)]
pub struct EnterCx<'a> {
    /// Where it is.
    pub hook: Hook,
    /// The time.
    pub now: Nanos,
    /// Sysctls and policies.
    pub rules: &'a Rules,
    /// The zone of its interface.
    pub zone: Zone,
    /// What a rule of the raw table wants.
    pub template: Option<Template>,
    /// What it came with.
    pub prior: Prior,
    /// The device has verified its checksum.
    pub checksum_good: bool,
    /// Another worker has handed it over.
    pub handed: bool,
}

impl<'a> EnterCx<'a> {
    /// A packet that has just come in, in the default zone.
    pub const fn new(now: Nanos, rules: &'a Rules) -> Self {
        Self {
            hook: Hook::PreRouting,
            now,
            rules,
            zone: Zone::DEFAULT,
            template: None,
            prior: Prior::Nothing,
            checksum_good: false,
            handed: false,
        }
    }

    fn zone(&self) -> Zone {
        self.template.and_then(|template| template.zone).unwrap_or(self.zone)
    }
}

/// What tracking made of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entered {
    /// Its connection.
    pub conn: Option<ConnId>,
    /// What it is to it.
    pub info: CtInfo,
    /// Whether it may go on.
    pub verdict: Verdict,
    /// Why it belongs to none.
    pub why: Option<Why>,
    /// It has made the connection.
    pub fresh: bool,
    /// It belongs to this other worker, and nothing has been done with it.
    pub elsewhere: Option<u16>,
}

impl Entered {
    const fn without(info: CtInfo) -> Self {
        Self {
            conn: None,
            info,
            verdict: Verdict::Accept,
            why: None,
            fresh: false,
            elsewhere: None,
        }
    }

    const fn elsewhere(owner: u16) -> Self {
        Self { elsewhere: Some(owner), ..Self::without(CtInfo::Invalid) }
    }

    const fn invalid(why: Why) -> Self {
        Self { why: Some(why), ..Self::without(CtInfo::Invalid) }
    }

    const fn dropped(why: Why) -> Self {
        Self { verdict: Verdict::Drop, ..Self::invalid(why) }
    }
}

/// What can be read of a packet before its turn, so that a burst's cache misses overlap.
#[derive(Debug, Clone, Copy, Default)]
pub struct Prepared {
    found: Option<Found>,
    tuple: Option<Tuple>,
    hash: u32,
}

impl Prepared {
    /// The hash to warm the table for.
    pub const fn hash(&self) -> u32 {
        self.hash
    }

    /// The packet's tuple.
    pub const fn tuple(&self) -> Option<&Tuple> {
        self.tuple.as_ref()
    }
}

impl Conntrack {
    /// Reads a packet's headers and hashes its tuple.
    #[inline]
    pub fn prepare(&self, packet: &[u8], cx: &EnterCx<'_>) -> Prepared {
        let packet = headers::trimmed(packet);
        let found = headers::find(packet);
        let tuple = found.and_then(|found| self.tuple_at(packet, &found, cx.zone().of(false)));
        let hash = tuple.as_ref().map_or(0, |tuple| self.hash(tuple));
        Prepared { found, tuple, hash }
    }

    #[inline]
    fn tuple_at(&self, packet: &[u8], found: &Found, zone: u16) -> Option<Tuple> {
        let mut tuple = Tuple::at(packet, found)?;
        tuple.zone = zone;
        if tuple.proto == protocol::GRE {
            self.keymap.complete(&mut tuple);
        }
        Some(tuple)
    }

    /// A packet comes to PRE_ROUTING or LOCAL_OUT.
    #[inline]
    pub fn enter(&mut self, packet: &[u8], cx: &EnterCx<'_>) -> Entered {
        let prepared = self.prepare(packet, cx);
        self.enter_prepared(packet, &prepared, cx)
    }

    /// The same, of a packet that has been prepared with the same context.
    pub fn enter_prepared(
        &mut self,
        packet: &[u8],
        prepared: &Prepared,
        cx: &EnterCx<'_>,
    ) -> Entered {
        match cx.prior {
            Prior::Nothing => {}
            Prior::Connection => {
                self.stats.ignore += 1;
                return Entered::without(CtInfo::Established);
            }
            Prior::Untracked => {
                self.stats.ignore += 1;
                return Entered::without(CtInfo::Untracked);
            }
        }
        let packet = headers::trimmed(packet);
        if cx.hook == Hook::LocalOut && is_odd_raw(packet) {
            return Entered::without(CtInfo::Invalid);
        }
        let Some(found) = prepared.found else {
            self.stats.invalid += 1;
            return Entered::invalid(Why::NoTransport);
        };
        let l4 = packet.get(found.l4..).unwrap_or_default();
        let verify = cx.hook == Hook::PreRouting && cx.rules.checksum && !cx.checksum_good;
        if matches!(found.proto, protocol::ICMP | ICMPV6)
            && let Some(entered) = self.enter_icmp(packet, l4, &found, verify, cx)
        {
            return entered;
        }
        loop {
            match self.enter_flow(packet, l4, prepared, verify, cx) {
                Some(entered) => return entered,
                // The old connection is gone; once more, and with the template.
                None => continue,
            }
        }
    }

    /// Errors belong to what they quote. Nothing where the message goes the usual way.
    #[inline(never)]
    fn enter_icmp(
        &mut self,
        packet: &[u8],
        l4: &[u8],
        found: &Found,
        verify: bool,
        cx: &EnterCx<'_>,
    ) -> Option<Entered> {
        let kind = match (found.six, found.proto) {
            (false, protocol::ICMP) => icmp::kind(l4, verify),
            (true, ICMPV6) => icmp6::kind(packet, l4, verify),
            _ => return None,
        };
        let result = match kind {
            icmp::Kind::Query => return None,
            icmp::Kind::Untracked => return Some(Entered::without(CtInfo::Untracked)),
            icmp::Kind::Malformed(why) => Err(why),
            icmp::Kind::Error(at) => self.related(packet, l4.get(at..).unwrap_or_default(), cx),
        };
        Some(result.unwrap_or_else(|why| {
            self.stats.error += 1;
            Entered::invalid(why)
        }))
    }

    /// The connection of a quoted packet.
    fn related(&mut self, packet: &[u8], quoted: &[u8], cx: &EnterCx<'_>) -> Result<Entered, Why> {
        let outer_six = packet.first().is_some_and(|byte| byte >> 4 == 6);
        let found =
            headers::find(quoted).filter(|found| found.six == outer_six).ok_or(Why::Unrelated)?;
        let zone = cx.zone();
        let tuple = self.tuple_at(quoted, &found, zone.of(false)).ok_or(Why::Unrelated)?;
        // What is quoted went the other way than the error goes.
        let back = tuple.inverse().ok_or(Why::Unrelated)?;
        let hash = self.hash(&back);
        let Some((index, dir)) = self.resolve(hash, &back, zone, cx.now) else {
            let owner = self.elsewhere(&back, zone, cx).ok_or(Why::Unrelated)?;
            return Ok(Entered::elsewhere(owner));
        };
        let dst = if outer_six {
            packet.get(24..40).and_then(|bytes| bytes.first_chunk().copied()).map(Addr)
        } else {
            packet.get(16..20).and_then(|b| b.first_chunk().copied()).map(Addr::four)
        };
        if dst != Some(self.entries[index as usize].tuple(dir).dst) {
            return Err(Why::OtherReceiver);
        }
        let info = match dir {
            Dir::Original => CtInfo::Related,
            Dir::Reply => CtInfo::RelatedReply,
        };
        Ok(Entered { conn: Some(self.id(index)), ..Entered::without(info) })
    }

    /// Looks up in a zone, whose number may count in one direction alone.
    #[inline]
    fn resolve(&mut self, hash: u32, tuple: &Tuple, zone: Zone, now: Nanos) -> Option<(u32, Dir)> {
        if zone.of(false) == zone.of(true) {
            return self.find(hash, tuple, now);
        }
        self.find_dirs(hash, tuple, [true, false], now).or_else(|| {
            let other = tuple.in_zone(zone.of(true));
            self.find_dirs(self.hash(&other), &other, [false, true], now)
        })
    }

    /// Everything but errors. Nothing where the packet opens a connection anew: once more.
    #[inline]
    fn enter_flow(
        &mut self,
        packet: &[u8],
        l4: &[u8],
        prepared: &Prepared,
        verify: bool,
        cx: &EnterCx<'_>,
    ) -> Option<Entered> {
        let Some(tuple) = &prepared.tuple else {
            self.stats.invalid += 1;
            return Some(Entered::invalid(Why::NoTuple));
        };
        let (hash, zone) = (prepared.hash, cx.zone());
        let mut fresh = false;
        let (index, dir) = match self.resolve(hash, tuple, zone, cx.now) {
            Some(found) => found,
            None => match self.find_pending(hash, tuple) {
                Some(index) => (index, Dir::Original),
                None if let Some(owner) = self.elsewhere(tuple, zone, cx) => {
                    return Some(Entered::elsewhere(owner));
                }
                None => match self.begin(tuple, hash, zone, cx) {
                    Ok(index) => {
                        fresh = true;
                        (index, Dir::Original)
                    }
                    Err(why @ Why::TableFull) => {
                        self.stats.drop += 1;
                        return Some(Entered::dropped(why));
                    }
                    Err(why) => {
                        self.stats.invalid += 1;
                        return Some(Entered::invalid(why));
                    }
                },
            },
        };
        let entry = &mut self.entries[index as usize];
        let info = match dir {
            Dir::Reply => CtInfo::EstablishedReply,
            Dir::Original if entry.is(status::SEEN_REPLY) => CtInfo::Established,
            Dir::Original if entry.is(status::EXPECTED) => CtInfo::Related,
            Dir::Original => CtInfo::New,
        };
        let facts = Facts {
            packet,
            l4,
            six: tuple.six,
            dir,
            fresh,
            verify,
            now: cx.now,
            rules: cx.rules,
            timeouts: cx.rules.timeouts_of(entry.policy),
            seqadj: self.seqadj.get(entry.seqadj),
        };
        match track::packet(entry, &facts) {
            Step::Pass => {}
            Step::Refresh(timeout) => {
                self.refresh(index, timeout, cx.now);
                self.account(index, dir, packet.len());
            }
            Step::Kill => {
                self.account(index, dir, packet.len());
                self.end(index, cx.now);
            }
            Step::Reopen => {
                self.end(index, cx.now);
                return None;
            }
            Step::Invalid(why) => return Some(self.reject(index, fresh, why, cx.now)),
            Step::InvalidShorten(why, timeout) => {
                self.refresh(index, timeout, cx.now);
                return Some(self.reject(index, fresh, why, cx.now));
            }
            Step::Drop(why) => {
                let entered = self.reject(index, fresh, why, cx.now);
                self.stats.drop += 1;
                return Some(Entered { verdict: Verdict::Drop, ..entered });
            }
        }
        let entry = &mut self.entries[index as usize];
        if info == CtInfo::EstablishedReply && !entry.is(status::SEEN_REPLY) {
            entry.status |= status::SEEN_REPLY;
            entry.happened(events::REPLY);
        }
        if !fresh && entry.status & (status::CONFIRMED | status::PARKED) == 0 {
            entry.held = entry.held.saturating_add(1);
        }
        Some(Entered {
            conn: Some(self.id(index)),
            info,
            verdict: Verdict::Accept,
            why: None,
            fresh,
            elsewhere: None,
        })
    }

    /// The worker that is to have a packet of no connection here, unless it has come from one already.
    #[inline]
    fn elsewhere(&self, tuple: &Tuple, zone: Zone, cx: &EnterCx<'_>) -> Option<u16> {
        if cx.handed { None } else { self.owner(tuple, zone) }
    }

    /// The packet is of no connection; one that it has made goes with it.
    #[cold]
    fn reject(&mut self, index: u32, fresh: bool, why: Why, now: Nanos) -> Entered {
        self.stats.invalid += 1;
        if fresh {
            self.end(index, now);
        }
        Entered::invalid(why)
    }

    /// Makes a pending entry, and asks whether somebody expected it.
    #[inline(never)]
    fn begin(
        &mut self,
        tuple: &Tuple,
        hash: u32,
        zone: Zone,
        cx: &EnterCx<'_>,
    ) -> Result<u32, Why> {
        let reply = tuple.inverse().ok_or(Why::NotInvertible)?.in_zone(zone.of(true));
        let index =
            self.create(tuple, &reply, hash, zone, cx.rules, cx.now).ok_or(Why::TableFull)?;
        // Before it is no more expected here, others are to know that it has come.
        if cx.handed {
            let _ = self.list(index, Dir::Original);
        }
        let expect = self.fulfil(tuple, cx.now);
        let mark = expect.and_then(|expect| self.get(expect.master)).map(|master| master.mark);
        self.fulfilled = expect;
        let entry = &mut self.entries[index as usize];
        if let Some(template) = cx.template {
            entry.policy = template.policy;
            entry.event_mask = template.event_mask;
        }
        if let Some(expect) = expect {
            entry.status |= status::EXPECTED;
            entry.master = expect.master.index;
            entry.master_generation = expect.master.generation;
            entry.helper = expect.helper;
            entry.mark = mark.unwrap_or(0);
            self.stats.expect_new += 1;
        } else if let Some(Template { helper: helper @ 1.., .. }) = cx.template {
            entry.helper = helper;
            entry.status |= status::HELPER;
        }
        Ok(index)
    }

    /// What the packet that made the last entry had been expected as: for what is to be done with it
    /// then, as translation that follows the master.
    pub const fn fulfilled(&self) -> Option<&Expect> {
        self.fulfilled.as_ref()
    }

    /// Sets how long an entry lives from now on.
    #[inline]
    pub(crate) fn refresh(&mut self, index: u32, timeout: Nanos, now: Nanos) {
        let entry = &mut self.entries[index as usize];
        if entry.is(status::FIXED_TIMEOUT) {
            return;
        }
        if entry.is(status::CONFIRMED) {
            let expires = now.saturating_add(timeout);
            if entry.zone_dirs & dirs::KNOWN != 0 {
                self.lives[index as usize].expires = expires;
            }
            self.wheel.refresh(&mut self.entries, index, expires);
        } else {
            entry.expires = timeout;
        }
    }

    #[inline]
    fn account(&mut self, index: u32, dir: Dir, octets: usize) {
        if self.entries[index as usize].nodes[0].features & feature::ACCT != 0 {
            let counts = &mut self.acct[index as usize];
            counts[dir.index() * 2] += 1;
            counts[dir.index() * 2 + 1] += octets as u64;
        }
    }

    /// A packet leaves by POST_ROUTING or LOCAL_IN: the first one of the original direction puts its
    /// connection into the table. Cached events are told.
    #[inline]
    pub fn confirm(&mut self, conn: ConnId, info: CtInfo, now: Nanos) -> Verdict {
        let Some(entry) = self.get(conn) else { return Verdict::Accept };
        let bits = entry.status;
        if bits & (status::CONFIRMED | status::DYING) == 0
            && info.dir() == Dir::Original
            && self.insert(conn.index, now) == Verdict::Drop
        {
            return Verdict::Drop;
        }
        let entry = &mut self.entries[conn.index as usize];
        if entry.events != 0 && entry.is(status::CONFIRMED) && !entry.is(status::DYING) {
            let what = std::mem::take(&mut entry.events);
            self.tell(conn.index, what, now);
        }
        Verdict::Accept
    }

    /// Puts a pending entry into the table, where nobody stands in its way.
    fn insert(&mut self, index: u32, now: Nanos) -> Verdict {
        for dir in [Dir::Original, Dir::Reply] {
            match self.clash(index, dir, now) {
                Ok(None) => {}
                Ok(Some(other)) => return self.resolve_clash(index, other, now),
                Err(_) => {
                    self.stats.chaintoolong += 1;
                    self.stats.insert_failed += 1;
                    self.end(index, now);
                    return Verdict::Drop;
                }
            }
        }
        if [Dir::Original, Dir::Reply].into_iter().any(|dir| self.list(index, dir).is_err()) {
            self.stats.insert_failed += 1;
            self.stats.drop += 1;
            self.end(index, now);
            return Verdict::Drop;
        }
        self.settle(index, now, true);
        self.stats.insert += 1;
        Verdict::Accept
    }

    /// A pending entry becomes one of the table; its time begins.
    pub(crate) fn settle(&mut self, index: u32, now: Nanos, original: bool) {
        self.unlink_pending(index);
        let entry = &mut self.entries[index as usize];
        entry.expires = now.saturating_add(entry.expires);
        entry.status |= status::CONFIRMED;
        entry.held = 0;
        if entry.helper != 0 {
            entry.happened(events::HELPER);
        }
        entry.happened(if entry.master == 0 { events::NEW } else { events::RELATED });
        if entry.nodes[0].features & feature::TIMESTAMP != 0 && self.times[index as usize][0] == 0 {
            self.times[index as usize][0] = now;
        }
        self.link_table(index, original);
    }

    /// Another entry has one of the tuples: both packets may go on where the protocol does not mind.
    #[cold]
    fn resolve_clash(&mut self, index: u32, other: u32, now: Nanos) -> Verdict {
        let (loser, winner) = (&self.entries[index as usize], &self.entries[other as usize]);
        let tuples = |entry: &Entry, first: Dir| (*entry.tuple(first), *entry.tuple(first.other()));
        let own = tuples(loser, Dir::Original);
        if track::allows_clash(own.0.proto) {
            let same = own == tuples(winner, Dir::Original) || own == tuples(winner, Dir::Reply);
            if same || winner.status & status::NAT_DONE_MASK == 0 {
                let counts = self.acct[index as usize];
                if winner.nodes[0].features & loser.nodes[0].features & feature::ACCT != 0 {
                    let sum = &mut self.acct[other as usize];
                    sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
                }
                self.stats.clash_resolve += 1;
                self.end(index, now);
                return Verdict::Accept;
            }
            // The reply direction alone, for a second, where that is free.
            if self.clash(index, Dir::Reply, now) == Ok(None) {
                self.settle(index, now, false);
                let entry = &mut self.entries[index as usize];
                entry.status |= status::FIXED_TIMEOUT | status::NAT_CLASH;
                entry.events = 0;
                self.wheel.refresh(&mut self.entries, index, now + SECOND);
                self.stats.clash_resolve += 1;
                return Verdict::Accept;
            }
        }
        self.stats.drop += 1;
        self.stats.insert_failed += 1;
        self.end(index, now);
        Verdict::Drop
    }
}

/// What a raw socket may send that is no packet to track: a fragment, or less than a header.
fn is_odd_raw(packet: &[u8]) -> bool {
    match packet.first_chunk::<20>() {
        None => true,
        Some(header) => {
            header[0] >> 4 == 4
                && (header[0] & 0xf < 5 || u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0)
        }
    }
}
