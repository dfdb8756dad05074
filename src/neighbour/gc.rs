//! What the tables forget, and when.
//!
//! The kernel walks its entries and looks at each. Here those that may go stand in order, so that a
//! run costs what it takes away: a packet that a full table refuses costs a look at the first.
//!
//! - obeys: ledger 7.60 to 7.74; the kernel's `neigh_forced_gc` and `neigh_periodic_work`

use super::{
    core::Core,
    entry::{Entry, Family, Key, Place, Stamp, State},
    machine::Neighbours,
    params::{SECOND, SHORTEST_TIMER, Var},
};
use crate::graph::Nanos;

/// A forced run spares what changed since, and two soft ones are as far apart.
const YOUTH: Stamp = 5 * SECOND as Stamp;
/// Rank of what may go at any time.
const AT_ONCE: Stamp = Stamp::MIN;

impl<P> Core<P> {
    /// Puts an entry where the collector looks for it (`neigh_update_gc_list`).
    pub(super) fn place(&mut self, key: Key, entry: &mut Entry<P>) {
        let stale = self.params(key.iface, key.family()).time(Var::GcStaleTime) as Stamp;
        let used = entry.used.max(entry.confirmed);
        let (forced, aged) = match entry.state {
            _ if entry.is_exempt() || entry.state.in_timer() => (None, None),
            State::Failed => (Some(AT_ONCE), Some(AT_ONCE)),
            // What needs no question is as cheap to make again as to keep.
            State::Noarp => (Some(AT_ONCE), None),
            _ => (Some(entry.updated), Some(used.saturating_add(stale))),
        };
        let next = Place { counted: !entry.is_exempt(), forced, aged };
        if entry.place != next {
            self.unplace(key, entry);
            let table = self.table(key);
            table.counted += usize::from(next.counted);
            table.forced.extend(next.forced.map(|rank| (rank, key)));
            table.aged.extend(next.aged.map(|at| (at, key)));
            entry.place = next;
        }
    }

    pub(super) fn unplace(&mut self, key: Key, entry: &mut Entry<P>) {
        let place = std::mem::take(&mut entry.place);
        let table = self.table(key);
        table.counted -= usize::from(place.counted);
        if let Some(rank) = place.forced {
            table.forced.remove(&(rank, key));
        }
        if let Some(at) = place.aged {
            table.aged.remove(&(at, key));
        }
    }
}

impl<P> Neighbours<P> {
    /// Room for one more entry, for which others may have to go. False when all are needed.
    pub(super) fn make_room(&mut self, now: Nanos, family: Family, exempt: bool) -> bool {
        let full = self.entries.len() >= self.limit();
        let table = &self.core.tables[family as usize];
        let (count, limits) = (table.counted, table.thresholds);
        let soft = count >= limits.thresh2 && now as Stamp > table.last_flush + YOUTH;
        if !full && (exempt || count < limits.thresh3 && !soft) {
            return true;
        }
        let shrunk = self.force(now, family);
        if shrunk == 0 && (full || !exempt && count >= limits.thresh3) {
            self.core.tables[family as usize].stats.table_fulls += 1;
            return false;
        }
        true
    }

    /// A forced run: takes what is not in use until the table is down to `gc_thresh2`, what failed
    /// first, and then what has not changed for longest.
    fn force(&mut self, now: Nanos, family: Family) -> usize {
        let table = &mut self.core.tables[family as usize];
        table.stats.forced_gc_runs += 1;
        let most = (table.counted + 1).saturating_sub(table.thresholds.thresh2).max(1);
        let mut shrunk = 0;
        while shrunk < most
            && let Some(&(rank, key)) = self.core.tables[family as usize].forced.first()
            && (rank == AT_ONCE || rank < now as Stamp - YOUTH)
        {
            self.bury(key);
            shrunk += 1;
        }
        self.core.tables[family as usize].last_flush = now as Stamp;
        shrunk
    }

    fn period(&self, family: Family) -> Stamp {
        let base = self.core.tables[family as usize].params.time(Var::BaseReachableTime);
        (base / 2).max(SHORTEST_TIMER) as Stamp
    }

    /// The first periodic run that has something to take.
    pub(super) fn next_run(&self) -> Option<Nanos> {
        let next = |family: Family| {
            let table = &self.core.tables[family as usize];
            if table.entries < table.thresholds.thresh1 {
                return None;
            }
            let due = table.aged.first()?.0;
            let period = self.period(family);
            let runs = (due.saturating_sub(table.next_run).max(0) + period - 1) / period;
            Nanos::try_from(table.next_run + runs * period).ok()
        };
        Family::ALL.into_iter().filter_map(next).min()
    }

    /// The periodic runs that are due: those without anything to take are only counted.
    pub(super) fn collect(&mut self, now: Nanos) {
        let now = now as Stamp;
        for family in Family::ALL {
            let period = self.period(family);
            let table = &mut self.core.tables[family as usize];
            if table.next_run > now {
                continue;
            }
            let runs = (now - table.next_run) / period + 1;
            table.next_run += runs * period;
            table.stats.periodic_gc_runs += runs as u64;
            let last = table.next_run - period;
            if table.entries < table.thresholds.thresh1 {
                continue;
            }
            while let Some(&(due, key)) = self.core.tables[family as usize].aged.first()
                && due <= last
            {
                self.bury(key);
            }
        }
    }
}
