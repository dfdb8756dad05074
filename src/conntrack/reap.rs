//! How connections end: by hand, by time, to make room; and what is done once a turn.
//!
//! - takes: the time, and a bound on how much may be done in one call
//! - gives: free places; those of packets under way stay readable until the next turn
//! - obeys: rows [9.72], [9.73], [9.91], [9.112], [9.114]; `nf_ct_delete`, `early_drop` and `gc_worker`
//! - costs: no call of [`Conntrack::run`] looks at more entries than its budget

use super::{
    Nanos,
    entry::{ConnId, Dir, Proto, dirs, feature, status},
    events,
    nat::carrier::holds,
    rules::Rules,
    table::{Conntrack, SLACK},
    track,
    wheel::Wheel,
};

/// Something of it stands in the directory of all workers.
const LISTED: u8 = feature::LISTED | feature::LISTED_REPLY;
/// In the table and not to be dropped early.
const ASSURED: u32 = status::CONFIRMED | status::ASSURED;
/// Chains that early drop looks at.
const EVICTION_RANGE: u32 = 8;
/// How long a pending entry is kept whose packets never come back.
const PENDING_TIME: Nanos = 60 * super::timeouts::SECOND;

impl Conntrack {
    /// Ends an entry whose time is over.
    pub(crate) fn expire(&mut self, index: u32, now: Nanos) {
        self.stats.expired += 1;
        self.end(index, now);
    }

    /// Ends a connection: it is out of the table at once, and free at the next turn.
    pub fn kill(&mut self, conn: ConnId, now: Nanos) -> bool {
        match self.get(conn) {
            Some(entry) if !entry.is(status::DYING) => self.end(conn.index, now),
            _ => return false,
        }
        true
    }

    pub(crate) fn end(&mut self, index: u32, now: Nanos) {
        let entry = &mut self.entries[index as usize];
        if !entry.live || entry.is(status::DYING) {
            return;
        }
        entry.status |= status::DYING;
        if entry.zone_dirs & dirs::KNOWN != 0 {
            self.unknow(index);
        }
        let entry = &self.entries[index as usize];
        if entry.is(status::CONFIRMED) {
            self.wheel.remove(&mut self.entries, index);
            self.table.unlink(&mut self.entries, index, Dir::Original);
            self.table.unlink(&mut self.entries, index, Dir::Reply);
            self.stats.delete_list += 1;
            if self.entries[index as usize].nodes[0].features & feature::TIMESTAMP != 0 {
                self.times[index as usize][1] = now;
            }
            self.tell(index, events::DESTROY, now);
        } else {
            self.unlink_pending(index);
        }
        if self.entries[index as usize].nodes[0].features & LISTED != 0 {
            self.unlist(index);
        }
        let id = self.id(index);
        if self.entries[index as usize].nodes[0].extra != 0 {
            self.forget_expects(id);
        }
        if !self.keymap.is_empty() {
            self.keymap.forget(id);
        }
        self.count -= 1;
        self.append(index, true);
    }

    /// Frees the oldest dying entry.
    pub(super) fn bury(&mut self) -> Option<()> {
        let index = self.dying_list[0];
        if index == 0 {
            return None;
        }
        self.take_out(index, true);
        let bits = self.entries[index as usize].nodes[0].features & holds::ANY;
        if bits != 0 {
            let original = *self.entries[index as usize].tuple(Dir::Original);
            if let Some(carrier) = &mut self.carrier {
                carrier.release(index, bits, &original, self.affinity.as_ref());
            }
        }
        let entry = &mut self.entries[index as usize];
        self.seqadj.give_back(entry.seqadj);
        entry.seqadj = 0;
        entry.live = false;
        entry.proto = Proto::None;
        entry.wheel_next = self.free;
        self.free = index;
        self.stats.delete += 1;
        Some(())
    }

    /// A packet with a pending entry has ended before the confirmation: the last one takes the entry
    /// with it.
    pub fn release(&mut self, conn: ConnId, now: Nanos) {
        let Some(entry) = self.get_mut(conn) else { return };
        if entry.status & (status::CONFIRMED | status::DYING) != 0 {
            return;
        }
        entry.held = entry.held.saturating_sub(1);
        if entry.held == 0 {
            self.stats.abandoned += 1;
            self.end(conn.index, now);
        }
    }

    /// A packet with this connection waits for a program: while it is pending, it does not end with the
    /// turn.
    pub fn park(&mut self, conn: ConnId) {
        let Some(entry) = self.get_mut(conn) else { return };
        match entry.status & (status::CONFIRMED | status::DYING | status::PARKED) {
            0 => {}
            status::PARKED => {
                entry.held = entry.held.saturating_add(1);
                return;
            }
            _ => return,
        }
        entry.held = 1;
        self.take_out(conn.index, false);
        self.entries[conn.index as usize].status |= status::PARKED;
        self.append(conn.index, false);
    }

    /// The packet is back; with the last one the entry is pending as any other.
    pub fn unpark(&mut self, conn: ConnId) {
        let Some(entry) = self.get_mut(conn) else { return };
        if entry.status & (status::DYING | status::PARKED) != status::PARKED {
            return;
        }
        entry.held = entry.held.saturating_sub(1);
        if entry.held == 0 {
            entry.held = 1;
            self.take_out(conn.index, false);
            self.entries[conn.index as usize].status &= !status::PARKED;
            self.append(conn.index, false);
        }
    }

    /// Ends all pending entries: where no packet is under way that could still confirm one.
    pub fn abandon(&mut self, now: Nanos) {
        while self.pending_list[0] != 0 {
            self.stats.abandoned += 1;
            self.end(self.pending_list[0], now);
        }
    }

    /// Makes room for a flow: in the first of some chains that has entries which are not assured,
    /// these end.
    pub(super) fn early_drop(&mut self, hash: u32, now: Nanos) {
        let first = self.table.of(hash);
        // A chain of the kernel is two of ours.
        for n in 0..EVICTION_RANGE as usize * 2 {
            let chain = (first + n) % self.table.len();
            let mut link = self.table.head(chain);
            let mut dropped = 0;
            while !link.is_none() {
                let index = link.index();
                link = link.next(&self.entries);
                // Ending an entry takes both its nodes out of chains, maybe the next of this one.
                while !link.is_none() && link.index() == index {
                    link = link.next(&self.entries);
                }
                if self.is_over(index as u32, now) {
                    self.expire(index as u32, now);
                } else if !self.entries[index].is(status::ASSURED) {
                    self.end(index as u32, now);
                    dropped += 1;
                }
            }
            if dropped != 0 {
                self.stats.early_drop += dropped;
                return;
            }
        }
    }

    /// One turn's housekeeping: frees what has ended, ends what has expired. Looks at no more than
    /// `budget` entries. To be called while no packet of this worker is under way.
    pub fn run(&mut self, now: Nanos, rules: &Rules, budget: u32) {
        let mut graves = budget;
        while graves != 0 && self.bury().is_some() {
            graves -= 1;
        }
        let mut left = budget;
        while let Some(index) = self.wheel.next_expired(&mut self.entries, now, &mut left) {
            if !self.is_over(index, now) {
                self.wheel.insert(&mut self.entries, index);
                continue;
            }
            // Out of the wheel already; to be ended it needs a slot to leave.
            self.expire(index, now);
        }
        let old = Wheel::stamp(now).wrapping_sub(Wheel::ticks(PENDING_TIME));
        while left != 0 && self.pending_list[0] != 0 {
            let index = self.pending_list[0];
            let age = self.entries[index as usize].nodes[0].stamp.wrapping_sub(old);
            if age as i32 > 0 {
                break;
            }
            self.stats.abandoned += 1;
            self.end(index, now);
            left -= 1;
        }
        self.expire_expects(now, budget.min(16));
        self.thin_out(now, rules, left.min(64));
    }

    /// After a flow was refused: while the table is nearly full, connections that are closing or never
    /// were assured end before their time, once round the table.
    fn thin_out(&mut self, now: Nanos, rules: &Rules, looks: u32) {
        if self.thinning == 0 {
            return;
        }
        let limit = self.capacity - SLACK;
        let max = if rules.max == 0 { limit } else { rules.max.min(limit) };
        for _ in 0..looks.min(self.thinning) {
            self.thinning -= 1;
            self.sweep = (self.sweep + 1) % self.entries.len() as u32;
            let entry = &self.entries[self.sweep as usize];
            let bits = entry.status & (status::CONFIRMED | status::DYING | status::ASSURED);
            if !entry.live || u64::from(self.count) * 100 < u64::from(max) * 95 {
                continue;
            }
            match bits {
                status::CONFIRMED => self.end(self.sweep, now),
                ASSURED if track::may_go_early(entry) => self.end(self.sweep, now),
                _ => {}
            }
        }
    }
}
