//! Memory for connections, made ready before workers need it.
//!
//! - takes: where a worker's tables lie, and how many places of connections it has used
//! - gives: memory that the kernel has found and cleared on the management core's time; a worker that writes to
//!   it first would wait for a large page longer than for a thousand packets
//! - costs: nothing while connections are not tracked; then the heads of all chains, and room for some
//!   tens of thousands of connections more than there ever were, or for as many as were asked for
//!
//! A worker that makes connections faster than the management core looks finds its pages itself, unless that many were asked
//! for.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use super::{flows::Flows, table::Filter};
use crate::{conntrack::Rules, dpdk::pages::Stretch, publish::Apart};

/// How many places a worker has used: written by it alone.
pub(super) type Used = Arc<Apart<AtomicU32>>;

/// Places that are made ready at once: as many as a worker fills in some 30 ms at most. One or two such steps are
/// ready beyond what it has used.
const AHEAD: usize = 32_768;

/// A table with a place for each connection.
#[derive(Debug)]
struct Placed {
    stretch: Stretch,
    ready: usize,
    /// Whether connections need it.
    wanted: fn(&Rules) -> bool,
}

/// A worker's tables.
#[derive(Debug)]
pub struct Room {
    placed: [Placed; 5],
    /// What is needed as a whole from the first connection on.
    whole: [Stretch; 3],
    /// The same of flows that go the short way.
    short: [Stretch; 2],
    has: (bool, bool),
    /// Places that are ready from the first connection on.
    least: usize,
    used: Used,
}

impl Room {
    /// Of the tables of a worker, which must stay where they are, with room for at least so many connections as soon
    /// as any are tracked.
    pub fn new(flows: &Flows, least: usize) -> Self {
        let memory = flows.conntrack.memory();
        let (sources, links) = flows.sources.memory();
        let placed = |stretch, wanted| Placed { stretch, ready: 0, wanted };
        let [entries, lives] = memory.by_place;
        let [heads, pending] = memory.scattered;
        Self {
            placed: [
                placed(entries, |_| true),
                placed(lives, |_| true),
                placed(links, |_| true),
                placed(memory.acct, |rules| rules.acct),
                placed(memory.times, |rules| rules.timestamp),
            ],
            whole: [heads, pending, sources],
            short: [flows.short4.stretch(), flows.short6.stretch()],
            has: (false, false),
            least,
            used: Arc::clone(&flows.used),
        }
    }

    /// Makes ready what a worker with this filter may need soon.
    pub fn keep_ahead(&mut self, filter: &Filter) {
        if !filter.tracks {
            return;
        }
        if !std::mem::replace(&mut self.has.0, true) {
            self.whole.iter().for_each(|stretch| stretch.make_ready(0..stretch.items()));
        }
        if filter.short && !std::mem::replace(&mut self.has.1, true) {
            self.short.iter().for_each(|stretch| stretch.make_ready(0..stretch.items()));
        }
        let used = self.used.load(Relaxed) as usize;
        for table in self.placed.iter_mut().filter(|table| (table.wanted)(&filter.rules)) {
            // In steps, so that a call is for more than a connection.
            let goal = ((used / AHEAD + 2) * AHEAD).max(self.least).min(table.stretch.items());
            if table.ready < goal {
                table.stretch.make_ready(table.ready..goal);
                table.ready = goal;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{conntrack, netfilter::told::Teller};

    #[test]
    fn there_is_room_ahead_of_what_is_used_while_connections_are_tracked() {
        let limits = conntrack::Limits { entries: 200_000, ..conntrack::Limits::default() };
        let flows = Flows::new(0, &limits, 1, Teller::default());
        let mut room = Room::new(&flows, 0);
        let filter = |tracks, acct| {
            Filter::new([None, None], None, tracks, Rules { acct, ..Rules::default() })
        };
        let ready = |room: &Room| room.placed.each_ref().map(|table| table.ready / AHEAD);
        room.keep_ahead(&filter(false, true));
        assert_eq!((ready(&room), room.has), ([0; 5], (false, false)));
        room.keep_ahead(&filter(true, false));
        assert_eq!((ready(&room), room.has.0), ([2, 2, 2, 0, 0], true));
        for (used, ahead) in [(1, 2), (AHEAD - 1, 2), (AHEAD, 3), (3 * AHEAD + 5, 5)] {
            flows.used.store(used as u32, Relaxed);
            room.keep_ahead(&filter(true, true));
            assert_eq!(ready(&room), [ahead, ahead, ahead, ahead, 0], "{used}");
        }
        // There is an end to it.
        flows.used.store(200_000, Relaxed);
        room.keep_ahead(&filter(true, false));
        let last = ready(&room);
        room.keep_ahead(&filter(true, false));
        assert_eq!(last, ready(&room));
    }

    #[test]
    fn there_is_room_for_as_many_as_were_asked_for_once_connections_are_tracked() {
        let limits = conntrack::Limits { entries: 200_000, ..conntrack::Limits::default() };
        let flows = Flows::new(0, &limits, 1, Teller::default());
        let filter = |tracks| Filter::new([None, None], None, tracks, Rules::default());
        for (asked, ready) in [(0, 2 * AHEAD), (100_000, 100_000), (usize::MAX, 200_000)] {
            let mut room = Room::new(&flows, asked);
            room.keep_ahead(&filter(false));
            assert!(room.placed.iter().all(|table| table.ready == 0));
            room.keep_ahead(&filter(true));
            let [entries, lives, links, acct, _] = room.placed.each_ref().map(|table| table.ready);
            // A table has some places for entries that have ended.
            assert!([entries, lives, links].iter().all(|has| has.abs_diff(ready) <= 4096));
            assert_eq!(acct, 0);
        }
    }
}
