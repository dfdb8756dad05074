//! The connections of one worker: entries in a slab, both tuples in chains.
//!
//! - gives: [`Conntrack`], owned by its worker alone; everything is taken when it is built, and pages
//!   that no connection has used yet cost nothing
//! - obeys: rows [9.86], [9.91], [9.107] to [9.115], [9.182]; `nf_conntrack_core.c`
//! - costs: a look-up touches one bucket, and of each entry in its chain one line
//!
//! Entries stand in one of three places: *pending* ones were made by a packet that has not left yet,
//! the others are in the *table*, and those that have ended are *dying* until the next turn, so that
//! packets under way may still read them. Unlike the kernel, a second packet of a new flow finds the
//! pending entry of the first.

use super::{
    Nanos,
    affinity::Affinity,
    chain::{Chains, Link},
    entry::{ConnId, Dir, Entry, Proto, dirs, feature, status},
    events::{self, Event, Events},
    expect::{Expect, Expects},
    known::Life,
    nat::carrier::Carrier,
    rules::{Rules, Zone},
    seqadj::{self, SeqAdj},
    show::Snapshot,
    stats::Stats,
    track::gre::Keymap,
    tuple::{Seed, Tuple},
    wheel::{self, Wheel},
};
use crate::dpdk::pages::{self, Stretch};

/// How large a worker's table is; all of it is reserved when it is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most connections, pending ones included.
    pub entries: u32,
    /// Number of chains; the kernel has as many as connections.
    pub buckets: u32,
    /// Most expectations.
    pub expects: u32,
    /// Most connections with adjusted sequence numbers.
    pub seqadj: u32,
    /// Most calls of GRE that helpers may announce.
    pub calls: u32,
    /// Records of the event buffer.
    pub events: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 262_144,
            buckets: 262_144,
            expects: 4096,
            seqadj: 16_384,
            calls: 1024,
            events: 0,
        }
    }
}

/// Chains that pending entries stand in.
const PENDING: usize = 4096;
/// Places beyond the limit for entries that have ended and are not free yet.
pub(super) const SLACK: u32 = 1024;
/// A chain may have this many entries, and a random few more, so that its length tells nobody much.
const CHAIN: u32 = 50;
const CHAIN_SPREAD: u32 = 30;

/// Packets and octets of both directions, or two times, or a label: kept beside the entries so that
/// untouched pages cost nothing.
type Beside<const N: usize> = Box<[[u64; N]]>;

/// A chain's beginning, on its way into the cache.
#[derive(Debug, Clone, Copy, Default)]
pub struct Warm(Link);

/// Where the tables of one worker lie.
#[derive(Debug)]
pub struct Memory {
    /// Any connection may lead anywhere in these.
    pub scattered: [Stretch; 2],
    /// A connection has its place in each of these.
    pub by_place: [Stretch; 2],
    /// The same, where packets are counted.
    pub acct: Stretch,
    /// The same, where times are noted.
    pub times: Stretch,
}

/// The connections of one worker.
#[derive(Debug)]
pub struct Conntrack {
    pub(crate) seed: Seed,
    pub(crate) entries: Vec<Entry>,
    /// Beside each entry, when it ends if that is known without touching it.
    pub(super) lives: Vec<Life>,
    pub(super) capacity: u32,
    pub(super) free: u32,
    pub(super) table: Chains,
    pub(super) pending: Chains,
    /// Live entries, pending ones included, dying ones not.
    pub(super) count: u32,
    pub(super) pending_count: u32,
    /// Oldest and newest pending entry.
    pub(super) pending_list: [u32; 2],
    /// Oldest and newest of those whose packets wait for programs.
    pub(super) parked_list: [u32; 2],
    pub(super) dying_list: [u32; 2],
    pub(crate) wheel: Wheel,
    pub(super) sweep: u32,
    /// Places that are still to be looked at for entries that may end early.
    pub(super) thinning: u32,
    chain_random: u32,
    pub(crate) acct: Beside<4>,
    pub(crate) times: Beside<2>,
    pub(crate) labels: Beside<2>,
    pub(crate) seqadj: seqadj::Slab,
    pub(crate) keymap: Keymap,
    pub(crate) expects: Expects,
    pub(crate) events: Events,
    /// The expectation behind the entry made last.
    pub(crate) fulfilled: Option<Expect>,
    /// Whether somebody listens to events.
    pub(crate) listening: bool,
    /// What is known of other workers; nothing where there are none.
    pub(crate) affinity: Option<Affinity>,
    /// How carriers translate; nothing where nobody wants that.
    pub carrier: Option<Box<Carrier>>,
    /// What has been counted.
    pub stats: Stats,
}

impl Conntrack {
    /// A table without connections; `random` makes its hash unguessable.
    pub fn new(limits: &Limits, random: u64, now: Nanos) -> Self {
        let seed = Seed::new(random);
        let capacity = limits.entries.saturating_add(SLACK).min(u32::MAX >> 3);
        let places = capacity as usize + 1;
        let mut entries = Vec::with_capacity(places);
        let mut none = Entry::empty();
        none.wheel_slot = wheel::NOWHERE;
        entries.push(none);
        let mut lives = Vec::with_capacity(places);
        pages::prefer_large(lives.spare_capacity_mut());
        lives.push(Life::default());
        Self {
            seed,
            entries,
            lives,
            capacity,
            free: 0,
            // Two tuples an entry: as many heads as tuples keep most chains at one.
            table: Chains::new(limits.buckets.max(1) as usize * 2),
            pending: Chains::new(PENDING),
            count: 0,
            pending_count: 0,
            pending_list: [0; 2],
            parked_list: [0; 2],
            dying_list: [0; 2],
            wheel: Wheel::new(now),
            sweep: 0,
            thinning: 0,
            chain_random: random as u32 | 1,
            acct: vec![[0; 4]; places].into(),
            times: vec![[0; 2]; places].into(),
            labels: vec![[0; 2]; places].into(),
            seqadj: seqadj::Slab::new(limits.seqadj),
            keymap: Keymap::new(limits.calls),
            expects: Expects::new(limits.expects, Expect::default()),
            events: Events::new(limits.events),
            fulfilled: None,
            listening: false,
            affinity: None,
            carrier: None,
            stats: Stats::default(),
        }
    }

    /// Where it lies, for who makes its memory ready.
    pub fn memory(&self) -> Memory {
        Memory {
            scattered: [self.table.stretch(), self.pending.stretch()],
            by_place: [Stretch::of_room(&self.entries), Stretch::of_room(&self.lives)],
            acct: Stretch::of(&self.acct),
            times: Stretch::of(&self.times),
        }
    }

    /// Places that have been used, each after the one before it.
    pub const fn places(&self) -> usize {
        self.entries.len()
    }

    /// `nf_conntrack_count`: connections, pending ones included.
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Connections whose first packet has not left yet.
    pub const fn pending(&self) -> u32 {
        self.pending_count
    }

    /// Number of chains.
    pub const fn buckets(&self) -> u32 {
        (self.table.len() / 2) as u32
    }

    /// The entry, unless it is gone; one that has ended is there until the next turn.
    #[inline]
    pub fn get(&self, conn: ConnId) -> Option<&Entry> {
        self.entries
            .get(conn.index as usize)
            .filter(|entry| entry.live && entry.generation == conn.generation)
    }

    /// The entry, to be changed. Its tuples change by [`Conntrack::alter_reply`] alone.
    #[inline]
    pub fn get_mut(&mut self, conn: ConnId) -> Option<&mut Entry> {
        self.entries
            .get_mut(conn.index as usize)
            .filter(|entry| entry.live && entry.generation == conn.generation)
    }

    #[inline]
    pub(crate) fn id(&self, index: u32) -> ConnId {
        ConnId { index, generation: self.entries[index as usize].generation }
    }

    /// The hash of a tuple in this table.
    #[inline]
    pub fn hash(&self, tuple: &Tuple) -> u32 {
        self.seed.hash(tuple)
    }

    /// The first node of a hash's chain: to be asked for a whole burst first, so that the cache
    /// misses of its packets overlap.
    #[inline]
    pub fn warm(&self, hash: u32) -> Warm {
        Warm(self.table.first(hash))
    }

    /// Touches the lines that a packet of the chain's first entry will need; the second step after
    /// [`Conntrack::warm`]. What it gives means nothing, but has to be used.
    #[inline]
    pub fn warm_entry(&self, warm: Warm) -> u32 {
        self.entries.get(warm.0.index()).map_or(0, |entry| {
            let proto = matches!(entry.proto, Proto::None);
            entry.nodes[warm.0.dir().index()].hash ^ entry.status ^ u32::from(proto)
        })
    }

    /// Looks a tuple up; an entry whose time is over ends here.
    #[inline]
    pub(crate) fn find(&mut self, hash: u32, tuple: &Tuple, now: Nanos) -> Option<(u32, Dir)> {
        self.find_dirs(hash, tuple, [true; 2], now)
    }

    #[inline]
    pub(crate) fn find_dirs(
        &mut self,
        hash: u32,
        tuple: &Tuple,
        dirs: [bool; 2],
        now: Nanos,
    ) -> Option<(u32, Dir)> {
        self.stats.searched += 1;
        loop {
            let link = self.table.find(&self.entries, hash, tuple, dirs);
            if link.is_none() {
                return None;
            }
            let (index, dir) = (link.index() as u32, link.dir());
            if !self.is_over(index, now) {
                self.stats.found += 1;
                return Some((index, dir));
            }
            self.expire(index, now);
        }
    }

    /// The pending entry that a packet of the same burst has made.
    #[inline]
    pub(crate) fn find_pending(&mut self, hash: u32, tuple: &Tuple) -> Option<u32> {
        if self.pending_count == 0 {
            return None;
        }
        // Nobody can have answered what has not left yet.
        let link = self.pending.find(&self.entries, hash, tuple, [true, false]);
        (!link.is_none()).then_some(link.index() as u32)
    }

    /// The connection that a tuple belongs to, for operators and translation.
    pub fn lookup(&mut self, tuple: &Tuple, now: Nanos) -> Option<(ConnId, Dir)> {
        let (index, dir) = self.find(self.seed.hash(tuple), tuple, now)?;
        Some((self.id(index), dir))
    }

    /// Whether some other connection's packets look like this tuple already
    /// (`nf_conntrack_tuple_taken`). One with the same original tuple is the same flow.
    pub fn tuple_taken(&mut self, tuple: &Tuple, ignoring: ConnId, now: Nanos) -> bool {
        let hash = self.seed.hash(tuple);
        let original = self.get(ignoring).map(|entry| *entry.tuple(Dir::Original));
        for chains in [&self.table, &self.pending] {
            let mut link = chains.first(hash);
            while !link.is_none() {
                let index = link.index();
                let entry = &self.entries[index];
                if link.hash() == hash
                    && entry.nodes[link.dir().index()].tuple == *tuple
                    && index != ignoring.index as usize
                    && !(entry.is_expired(now) && self.ends(index as u32) <= now)
                    && original != Some(*entry.tuple(Dir::Original))
                {
                    self.stats.taken += 1;
                    return true;
                }
                link = link.next(&self.entries);
            }
        }
        self.is_others(tuple)
    }

    /// Most connections that it takes.
    pub const fn limit(&self, rules: &Rules) -> u32 {
        let limit = self.capacity - SLACK;
        if rules.max == 0 || rules.max > limit { limit } else { rules.max }
    }

    /// A place for a new pending entry; makes room where the table is full.
    pub(crate) fn create(
        &mut self,
        tuple: &Tuple,
        reply: &Tuple,
        hash: u32,
        zone: Zone,
        rules: &Rules,
        now: Nanos,
    ) -> Option<u32> {
        let max = self.limit(rules);
        if self.count >= max {
            self.early_drop(hash, now);
            if self.count >= max {
                self.thinning = self.entries.len() as u32;
                return None;
            }
        }
        let index = self.place()?;
        self.fill(index, tuple, reply, hash, zone, rules, now);
        self.entries[index as usize].held = 1;
        self.pending.link(&mut self.entries, index, Dir::Original);
        self.pending.link(&mut self.entries, index, Dir::Reply);
        self.append(index, false);
        self.pending_count += 1;
        Some(index)
    }

    /// A free place: of an entry that is gone, one never used, or of one that is dying.
    fn place(&mut self) -> Option<u32> {
        if self.free == 0 && self.entries.len() > self.capacity as usize {
            self.bury()?;
        }
        match self.free {
            0 => {
                let mut entry = Entry::empty();
                entry.wheel_slot = wheel::NOWHERE;
                self.entries.push(entry);
                self.lives.push(Life::default());
                Some(self.entries.len() as u32 - 1)
            }
            index => {
                self.free = self.entries[index as usize].wheel_next;
                Some(index)
            }
        }
    }

    #[allow(clippy::too_many_arguments, reason = "an entry's beginning has that many parts")]
    fn fill(
        &mut self,
        index: u32,
        tuple: &Tuple,
        reply: &Tuple,
        hash: u32,
        zone: Zone,
        rules: &Rules,
        now: Nanos,
    ) {
        let reply_hash = self.seed.hash(reply);
        let entry = &mut self.entries[index as usize];
        let generation = entry.generation.wrapping_add(1);
        *entry = Entry { generation, live: true, zone: zone.id, ..Entry::empty() };
        entry.wheel_slot = wheel::NOWHERE;
        entry.zone_dirs = if zone.original { dirs::ORIGINAL } else { 0 };
        entry.zone_dirs |= if zone.reply { dirs::REPLY } else { 0 };
        let [first, second] = &mut entry.nodes;
        (first.tuple, first.hash) = (*tuple, hash);
        (second.tuple, second.hash) = (*reply, reply_hash);
        first.stamp = Wheel::stamp(now);
        if rules.acct {
            first.features |= feature::ACCT;
            self.acct[index as usize] = [0; 4];
        }
        if rules.timestamp {
            first.features |= feature::TIMESTAMP;
            self.times[index as usize] = [0; 2];
        }
        self.count += 1;
        self.stats.new += 1;
    }

    /// Puts an entry at the end of the pending, the parked or the dying list.
    pub(super) fn append(&mut self, index: u32, dying: bool) {
        let list = match (dying, self.entries[index as usize].is(status::PARKED)) {
            (true, _) => &mut self.dying_list,
            (false, false) => &mut self.pending_list,
            (false, true) => &mut self.parked_list,
        };
        let last = list[1];
        list[1] = index;
        if last == 0 {
            list[0] = index;
        } else {
            self.entries[last as usize].wheel_next = index;
        }
        let entry = &mut self.entries[index as usize];
        entry.wheel_prev = last;
        entry.wheel_next = 0;
    }

    /// Takes an entry out of the pending, the parked or the dying list.
    pub(super) fn take_out(&mut self, index: u32, dying: bool) {
        let entry = &mut self.entries[index as usize];
        let (prev, next) = (entry.wheel_prev, entry.wheel_next);
        entry.wheel_prev = 0;
        entry.wheel_next = 0;
        let list = match (dying, self.entries[index as usize].is(status::PARKED)) {
            (true, _) => &mut self.dying_list,
            (false, false) => &mut self.pending_list,
            (false, true) => &mut self.parked_list,
        };
        match prev {
            0 => list[0] = next,
            prev => self.entries[prev as usize].wheel_next = next,
        }
        match next {
            0 => list[1] = prev,
            next => self.entries[next as usize].wheel_prev = prev,
        }
    }

    /// Gives the replies of a pending connection another tuple, as translation wants them.
    pub fn alter_reply(&mut self, conn: ConnId, reply: Tuple) -> bool {
        let Some(entry) = self.get(conn) else { return false };
        if entry.status & (status::CONFIRMED | status::DYING) != 0 {
            return false;
        }
        self.pending.unlink(&mut self.entries, conn.index, Dir::Reply);
        let here = &mut self.entries[conn.index as usize].nodes[1];
        (here.hash, here.tuple) = (self.seed.hash(&reply), reply);
        self.pending.link(&mut self.entries, conn.index, Dir::Reply);
        true
    }

    /// Takes a pending entry out of the pending chains.
    pub(crate) fn unlink_pending(&mut self, index: u32) {
        self.pending.unlink(&mut self.entries, index, Dir::Original);
        self.pending.unlink(&mut self.entries, index, Dir::Reply);
        self.take_out(index, false);
        self.entries[index as usize].status &= !status::PARKED;
        self.pending_count -= 1;
    }

    /// Puts an entry into the table; without the original direction where that is another's.
    pub(crate) fn link_table(&mut self, index: u32, original: bool) {
        if original {
            self.table.link(&mut self.entries, index, Dir::Original);
        }
        self.table.link(&mut self.entries, index, Dir::Reply);
        self.wheel.insert(&mut self.entries, index);
    }

    /// Who stands in the way of a pending entry's direction; `Err` where the chain is too long.
    pub(crate) fn clash(&mut self, index: u32, dir: Dir, now: Nanos) -> Result<Option<u32>, ()> {
        self.chain_random ^= self.chain_random << 13;
        self.chain_random ^= self.chain_random >> 17;
        self.chain_random ^= self.chain_random << 5;
        let most = CHAIN + self.chain_random % CHAIN_SPREAD;
        let own = self.entries[index as usize].nodes[dir.index()];
        let mut link = self.table.first(own.hash);
        let mut length = 0;
        while !link.is_none() {
            let other = link.index();
            let same = link.hash() == own.hash
                && self.entries[other].nodes[link.dir().index()].tuple == own.tuple;
            if same && !self.is_over(other as u32, now) {
                return Ok(Some(other as u32));
            }
            if same {
                // Both its nodes may have stood here.
                self.expire(other as u32, now);
                link = self.table.first(own.hash);
                length = 0;
                continue;
            }
            if length > most {
                return Err(());
            }
            length += 1;
            link = link.next(&self.entries);
        }
        Ok(None)
    }

    /// Notes an event of an entry in the table for whoever listens.
    pub(crate) fn tell(&mut self, index: u32, what: u16, now: Nanos) {
        let what = what & self.entries[index as usize].event_mask;
        if self.listening && what != 0 {
            let snapshot = self.snapshot_at(index, now);
            self.events.push(Event { what, snapshot, expected: None });
        }
    }

    /// Lets somebody listen to events, or nobody.
    pub const fn listen(&mut self, listening: bool) {
        self.listening = listening;
    }

    /// The buffer of events.
    pub const fn events(&mut self) -> &mut Events {
        &mut self.events
    }

    /// A plain copy of a connection for showing.
    pub fn snapshot(&self, conn: ConnId, now: Nanos) -> Option<Snapshot> {
        self.get(conn)?;
        Some(self.snapshot_at(conn.index, now))
    }

    /// The sequence adjustments of a connection.
    #[inline]
    pub fn seqadj(&self, conn: ConnId) -> Option<&SeqAdj> {
        self.seqadj.get(self.get(conn)?.seqadj)
    }

    /// The sequence adjustments of a connection, made where it had none; nothing when no place is
    /// left.
    pub fn seqadj_mut(&mut self, conn: ConnId) -> Option<&mut SeqAdj> {
        let place = self.get(conn)?.seqadj;
        if place == 0 {
            let place = self.seqadj.take()?;
            self.unknow(conn.index);
            let entry = &mut self.entries[conn.index as usize];
            entry.seqadj = place;
            entry.status |= status::SEQ_ADJUST;
            entry.happened(events::SEQADJ);
        }
        self.seqadj.get_mut(self.entries[conn.index as usize].seqadj)
    }
}
